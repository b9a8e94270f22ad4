//! Access keys: what callers of signing dialects hold instead of a token. The secret half must be recoverable to verify a
//! signature, so it is kept sealed, not hashed; it never leaves the kernel after it was issued.
//!
//! A key has no rights of its own. It stands for the token that issued it, or for an entity, and is asked for them anew at
//! every use: what revokes, expires, disables or narrows those does the same to the key with the same commit. It must never
//! have a policy that its owner does not have at that moment, nor the root policy; and one that was issued for somebody else's
//! entity none that its issuer lacks, nor one whose paths depend on who asks.

use crate::{identity, policies, tokens};
use cardea_crypto::random::{Randomness, base62};
use cardea_crypto::{constant_time, mac};
use cardea_model::identity::EntityId;
use cardea_model::mount::MountConfig;
use cardea_model::request::SIGNATURE_SKEW_S_MAX;
use cardea_model::secret_bytes::stored;
use cardea_model::{
    AssumedRole, Caller, CredentialFault, Error, KeyFacts, LoginRole, NamespaceId, Payload, SecretText,
    SignatureScheme, Signed, Timestamp, TokenKind,
};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long a key lives where nothing else is said, and at most. `sys/mounts/identity/tune` sets other values
/// (`default_lease_ttl`, `max_lease_ttl`); a caller with sudo on the path is not held by the maximum.
const DEFAULT_TTL_S: u64 = 3_600;
pub const MAX_TTL_S: u64 = 12 * 3_600;
/// Prefixes of ids, by which people and scanners tell a key of Cardea's, and which kind: with or without session token.
const SESSION_PREFIX: &str = "CDAS";
const PLAIN_PREFIX: &str = "CDAK";
/// Random characters of an id: 16 of base 32 are 80 bits, and with the prefix the id is as long as AWS's.
const ID_CHARS: usize = 16;
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Random characters of a secret, as many as AWS's have: 40 of base 62 are 238 bits.
const SECRET_CHARS: usize = 40;
/// Random characters of a session token: 43 of base 62 are 256 bits.
const SESSION_CHARS: usize = 43;
/// How long the record of an ended key is kept, so that its holder learns that it is expired and not that it is unknown.
const KEPT_AFTER_END_S: u64 = 86_400;

/// Most keys of one owner that have not ended: what a token or an entity can fill the store with. A credential process without
/// a cache takes one for each command, an hour each, which is why it is not less.
pub const LIVE_KEYS_MAX: usize = 1_000;

/// Whom a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Owner {
    /// The service token that issued it, by its id.
    Token { id: String },
    /// An entity: the key outlives the token by which it was issued, unless that was somebody else's ([`AccessKey::issuer`]).
    Entity { id: EntityId },
}

impl Owner {
    /// As names in the index by owner begin: ids have no slashes.
    fn prefix(&self) -> String {
        match self {
            Self::Token { id } => format!("token/{id}/"),
            Self::Entity { id } => format!("entity/{}/", id.0),
        }
    }
}

/// The stored key.
#[derive(Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    #[serde(with = "stored")]
    pub secret: SecretText,
    /// SHA-256 of the session token that must be shown with it, hex.
    pub session: Option<String>,
    /// What the issuer called it; may be empty.
    pub name: String,
    pub owner: Owner,
    /// The policies it is narrowed to; `None` for all of its owner's.
    pub policies: Option<Vec<String>>,
    /// Beside those of the owner.
    #[serde(default)]
    pub bound_cidrs: Vec<String>,
    /// The role of the login that made it; set by that alone.
    #[serde(default)]
    pub assumed_role: Option<AssumedRole>,
    /// The login behind the token that issued it.
    #[serde(default)]
    pub came_by: Option<LoginRole>,
    /// Id of the token that issued it for an entity that is not its own: the key ends with it and has nothing that it lacks.
    #[serde(default)]
    pub issuer: Option<String>,
    pub created: Timestamp,
    pub expires: Timestamp,
}
json_record!(AccessKey, "access-key", 1, cached);

/// An entry of the index by end; the key says everything.
#[derive(Serialize, Deserialize)]
struct EndEntry {}
json_record!(EndEntry, "access-key-end", 1);

/// An entry of the index by owner and end: what is counted when another key is asked for.
#[derive(Serialize, Deserialize)]
struct OwnerEntry {}
json_record!(OwnerEntry, "access-key-owner", 1);

/// What a new key shall be; everything already decided.
pub struct NewKey {
    pub name: String,
    pub owner: Owner,
    pub policies: Option<Vec<String>>,
    pub bound_cidrs: Vec<String>,
    pub session: bool,
    pub assumed_role: Option<AssumedRole>,
    pub came_by: Option<LoginRole>,
    pub issuer: Option<String>,
    pub now: Timestamp,
    pub expires: Timestamp,
}

/// A key that was just issued: the only moment at which its secret is told.
pub struct Issued {
    pub id: String,
    pub secret: SecretText,
    pub session_token: Option<SecretText>,
    pub expires: Timestamp,
}

/// Default and maximum of a key's life, by the settings of the identity mount.
#[must_use]
pub fn ttl_s(config: &MountConfig) -> (u64, u64) {
    let max_s = config.max_lease_ttl_s.unwrap_or(MAX_TTL_S);
    (config.default_lease_ttl_s.unwrap_or(DEFAULT_TTL_S).min(max_s), max_s)
}

impl Issued {
    /// What the issuer is told, in Vault's spelling.
    ///
    /// # Errors
    /// Never in practice: every member has a JSON form.
    pub fn payload(&self, policies: Option<&[String]>, entity_id: &str, now: Timestamp) -> Result<Payload, Error> {
        #[derive(Serialize)]
        struct Told<'a> {
            access_key_id: &'a str,
            secret_access_key: &'a str,
            session_token: Option<&'a str>,
            expiration: String,
            /// Seconds.
            ttl: u64,
            /// `null` where it has all of its owner's.
            policies: Option<&'a [String]>,
            entity_id: &'a str,
        }
        Payload::of(&Told {
            access_key_id: &self.id,
            secret_access_key: self.secret.expose(),
            session_token: self.session_token.as_ref().map(|token| token.expose()),
            expiration: self.expires.rfc3339(),
            ttl: self.expires.seconds_from(now),
            policies,
            entity_id,
        })
    }
}

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "access-keys")
}

fn end_entry(at: Timestamp, id: &str) -> String {
    format!("{:016x}/{id}", at.0)
}

fn owner_entry(owner: &Owner, at: Timestamp, id: &str) -> String {
    format!("{}{}", owner.prefix(), end_entry(at, id))
}

/// Whether an owner may have one key more. Issuers count what is committed and touch no common record: of some that ask at
/// the same instant each may pass, so the bound is on the order of magnitude.
///
/// # Errors
/// It has [`LIVE_KEYS_MAX`] already.
pub async fn check_room(txn: &mut Txn, namespace: &NamespaceId, owner: &Owner, now: Timestamp) -> Result<(), Error> {
    let prefix = owner.prefix();
    // Past every key that ends now or before: ids have no `~`.
    let ended = owner_entry(owner, now, "~");
    let live = view(txn, namespace).names::<OwnerEntry>(&prefix, Some(&ended), LIVE_KEYS_MAX).await?;
    if live.len() >= LIVE_KEYS_MAX {
        let most = format!(
            "there are {LIVE_KEYS_MAX} access keys of this token or entity already: delete some or let them end"
        );
        return Err(Error::invalid(most));
    }
    Ok(())
}

/// Makes a key.
///
/// # Errors
/// It would have the root policy by name.
pub fn issue(txn: &mut Txn, namespace: &NamespaceId, rng: &dyn Randomness, new: NewKey) -> Result<Issued, Error> {
    let policies = new.policies.map(|list| policies::names(&list)).transpose()?;
    if policies.iter().flatten().any(|policy| policy == "root") {
        return Err(Error::invalid("access keys cannot have the root policy"));
    }
    let mut random = [0; ID_CHARS];
    rng.fill(&mut random);
    let chars = random.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte & 31)]));
    let id: String = if new.session { SESSION_PREFIX } else { PLAIN_PREFIX }.chars().chain(chars).collect();
    let secret = SecretText::new(base62(rng, SECRET_CHARS).to_string());
    let session_token = new.session.then(|| SecretText::new(base62(rng, SESSION_CHARS).to_string()));
    // Wires tell ends in whole seconds.
    let expires = Timestamp(new.expires.0 / 1000 * 1000);
    let key = AccessKey {
        id: id.clone(),
        secret: secret.duplicate(),
        session: session_token.as_ref().map(|token| session_hash(token.expose())),
        name: new.name,
        owner: new.owner,
        policies,
        bound_cidrs: new.bound_cidrs,
        assumed_role: new.assumed_role,
        came_by: new.came_by,
        issuer: new.issuer,
        created: new.now,
        expires,
    };
    let mut view = view(txn, namespace);
    view.put(&id, &key)?;
    view.put(&end_entry(expires, &id), &EndEntry {})?;
    view.put(&owner_entry(&key.owner, expires, &id), &OwnerEntry {})?;
    Ok(Issued { id, secret, session_token, expires })
}

fn session_hash(token: &str) -> String {
    hex::encode(mac::sha256(&[token.as_bytes()]))
}

pub async fn find(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<Option<Arc<AccessKey>>, Error> {
    view(txn, namespace).peek::<AccessKey>(id).await
}

/// Ids of all keys, ended ones that are still kept included.
pub async fn list(txn: &mut Txn, namespace: &NamespaceId) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<AccessKey>("", None, cardea_model::limit::LIST_ENTRIES_MAX).await
}

/// Removes a key: from this commit on it is unknown.
pub fn delete(txn: &mut Txn, namespace: &NamespaceId, key: &AccessKey) {
    let mut view = view(txn, namespace);
    view.delete::<AccessKey>(&key.id);
    view.delete::<EndEntry>(&end_entry(key.expires, &key.id));
    view.delete::<OwnerEntry>(&owner_entry(&key.owner, key.expires, &key.id));
}

/// Removes records of keys that ended long ago. Returns how many.
pub async fn sweep(txn: &mut Txn, namespace: &NamespaceId, now: Timestamp, limit: usize) -> Result<usize, Error> {
    let entries = view(txn, namespace).names::<EndEntry>("", None, limit).await?;
    let end = format!("{:016x}", now.0.saturating_sub(KEPT_AFTER_END_S * 1000));
    let mut swept = 0;
    for entry in entries.iter().take_while(|entry| entry.as_str() < end.as_str()) {
        if let Some((_, id)) = entry.split_once('/')
            && let Some(key) = find(txn, namespace, id).await?
        {
            delete(txn, namespace, &key);
        }
        view(txn, namespace).delete::<EndEntry>(entry);
        swept += 1;
    }
    Ok(swept)
}

/// Who signed: the caller, and the token that the key stands for.
pub struct Signer {
    pub caller: Caller,
    pub token: Option<Arc<tokens::Token>>,
}

/// The signer of a request, or what is wrong with its signature.
///
/// # Errors
/// Only if the store does not answer.
pub async fn verify(
    txn: &mut Txn,
    namespace: &NamespaceId,
    shown: &Signed,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Result<Signer, CredentialFault>, Error> {
    let key = find(txn, namespace, &shown.key_id).await?;
    // An unknown key costs the same work as a known one.
    let secret = key.as_ref().map_or("", |key| key.secret.expose());
    let good = signature_verifies(secret, shown);
    let session = session_matches(key.as_ref().and_then(|key| key.session.as_deref()), shown.session_token.as_ref());
    if let Err(fault) = in_time(shown, now) {
        return Ok(Err(fault));
    }
    let Some(key) = key.filter(|_| session) else { return Ok(Err(CredentialFault::UnknownKey)) };
    if !good {
        return Ok(Err(CredentialFault::BadSignature("")));
    }
    if key.expires <= now {
        return Ok(Err(CredentialFault::ExpiredKey));
    }
    if !tokens::address_allowed(&key.bound_cidrs, peer) {
        return Ok(Err(CredentialFault::UnknownKey));
    }
    let signer = match &key.owner {
        Owner::Token { id } => of_token(txn, namespace, &key, id, peer, now).await?,
        Owner::Entity { id } => of_entity(txn, namespace, &key, id, now).await?,
    };
    Ok(signer.ok_or(CredentialFault::UnknownKey))
}

fn signature_verifies(secret: &str, shown: &Signed) -> bool {
    let tag = match &shown.scheme {
        SignatureScheme::Hmac => mac::hmac_sha256(secret.as_bytes(), &[&shown.string_to_sign]),
        SignatureScheme::AwsV4 { date, region, service } => {
            let secret = Zeroizing::new(format!("AWS4{secret}"));
            let links = [date.as_bytes(), region.as_bytes(), service.as_bytes(), b"aws4_request"];
            mac::hmac_sha256(&*mac::hmac_chain(secret.as_bytes(), &links), &[&shown.string_to_sign])
        }
    };
    constant_time::eq(&tag, &shown.signature)
}

/// Whether the session token is the key's; a key without one may be shown with none.
fn session_matches(kept: Option<&str>, shown: Option<&SecretText>) -> bool {
    // Only what is shown decides whether anything is hashed, so that the time tells nothing of what is kept.
    let hash = shown.map(|token| session_hash(token.expose()));
    match (kept, &hash) {
        (Some(kept), Some(hash)) => constant_time::eq(kept.as_bytes(), hash.as_bytes()),
        (None, None) => true,
        _ => false,
    }
}

fn in_time(shown: &Signed, now: Timestamp) -> Result<(), CredentialFault> {
    let (signed_at_s, valid_s, now_s) = (shown.signed_at_s, shown.valid_s, now.unix_s());
    if signed_at_s > now_s.saturating_add(SIGNATURE_SKEW_S_MAX) {
        return Err(CredentialFault::TooNew { signed_at_s, now_s });
    }
    if now_s > signed_at_s.saturating_add(valid_s) {
        return Err(CredentialFault::TooOld { signed_at_s, now_s, valid_s });
    }
    Ok(())
}

/// `None` if the token may not be used any more, or not from there.
async fn of_token(
    txn: &mut Txn,
    namespace: &NamespaceId,
    key: &AccessKey,
    id: &str,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Option<Signer>, Error> {
    let Some(token) = tokens::find_live(txn, namespace, id, now).await? else { return Ok(None) };
    if !tokens::address_allowed(&token.bound_cidrs, peer) {
        return Ok(None);
    }
    let owner = tokens::Shown { token: token.clone(), kind: TokenKind::Service };
    let Some(mut caller) = tokens::caller(txn, &owner).await? else { return Ok(None) };
    caller.policies = narrowed(&caller.policies, caller.is_root, key.policies.as_deref());
    caller.is_root = false;
    caller.key = Some(facts(&caller.display_name, false, key));
    // A signed request shows no token: what is a token's own (its cubbyhole, its children, its renewal) is not its.
    (caller.token_id, caller.accessor, caller.kind) = (String::new(), None, TokenKind::Batch);
    if !key.name.is_empty() {
        caller.display_name = format!("{}-{}", caller.display_name, key.name);
    }
    caller.expires = Some(caller.expires.map_or(key.expires, |end| end.min(key.expires)));
    Ok(Some(Signer { caller, token: Some(token) }))
}

fn facts(owner: &str, of_entity: bool, key: &AccessKey) -> KeyFacts {
    KeyFacts {
        owner: owner.to_owned(),
        owner_id: match &key.owner {
            Owner::Token { id } => id.clone(),
            Owner::Entity { id } => id.0.clone(),
        },
        of_entity,
        name: key.name.clone(),
        narrowed: key.policies.is_some() || key.issuer.is_some(),
        assumed_role: key.assumed_role.clone(),
        came_by: key.came_by.clone(),
    }
}

/// `None` if the entity is disabled or gone, or the foreign token that issued the key.
async fn of_entity(
    txn: &mut Txn,
    namespace: &NamespaceId,
    key: &AccessKey,
    id: &EntityId,
    now: Timestamp,
) -> Result<Option<Signer>, Error> {
    let Some(entity) = identity::find(txn, namespace, id).await?.filter(|entity| !entity.disabled) else {
        return Ok(None);
    };
    let mut policies = narrowed(&entity.policies, false, key.policies.as_deref());
    if let Some(issuer) = &key.issuer {
        let Some(token) = tokens::find_live(txn, namespace, issuer, now).await? else { return Ok(None) };
        let shown = tokens::Shown { token, kind: TokenKind::Service };
        let Some(issuer) = tokens::caller(txn, &shown).await? else { return Ok(None) };
        policies = lent(txn, &issuer, policies).await?;
    }
    let name = if key.name.is_empty() { String::new() } else { format!("-{}", key.name) };
    let caller = Caller {
        namespace: namespace.clone(),
        display_name: format!("{}{name}", entity.name),
        entity: Some(entity.id.clone()),
        known_as: Some(entity.clone()),
        token_id: String::new(),
        accessor: None,
        kind: TokenKind::Batch,
        is_root: false,
        policies,
        metadata: Default::default(),
        expires: Some(key.expires),
        key: Some(facts(&entity.name, true, key)),
    };
    Ok(Some(Signer { caller, token: None }))
}

/// Those of some policies that a token may lend to a key of somebody else: its own, and only what means the same for both.
///
/// # Errors
/// A policy cannot be read.
pub async fn lent(txn: &mut Txn, issuer: &Caller, named: Vec<String>) -> Result<Vec<String>, Error> {
    let mut kept = Vec::with_capacity(named.len());
    for name in named {
        if issuer.policies.contains(&name) && !is_templated(txn, &issuer.namespace, &name).await? {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// Whether a policy's paths depend on who asks. One that does not exist depends on nobody.
async fn is_templated(txn: &mut Txn, namespace: &NamespaceId, name: &str) -> Result<bool, Error> {
    let found = policies::find(txn, namespace, &policies::name(name)?).await?;
    Ok(found.is_some_and(|policy| policy.parsed.is_templated()))
}

/// What a key has of its owner's policies. Of a root token's it has those that it names, and nothing without a name.
fn narrowed(owners: &[String], root: bool, named: Option<&[String]>) -> Vec<String> {
    let kept = |policy: &&String| *policy != "root" && (root || owners.contains(policy));
    let mut policies: Vec<String> = named.unwrap_or(owners).iter().filter(kept).cloned().collect();
    policies.sort_unstable();
    policies.dedup();
    policies
}

#[cfg(test)]
mod tests;
