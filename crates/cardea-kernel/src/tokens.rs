//! Tokens: what a caller shows at every request. Only their keyed hash is kept, never the token. Service tokens are
//! records with a parent, an accessor and an end; batch tokens are sealed in themselves and leave no record.
//!
//! A revoked token stops working with the commit that revokes it, and so does every descendant: `authenticate` walks up.
//! What hangs on it (children, leases) is removed by a job. Nothing here may answer whether a token exists.

use crate::hashes::Hashes;
use crate::jobs;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use cardea_audit::Sensitive;
use cardea_barrier::Keyring;
use cardea_crypto::aead;
use cardea_crypto::random::{Randomness, base62};
use cardea_model::identity::EntityId;
use cardea_model::{Caller, Error, LoginRole, NamespaceId, SecretText, Timestamp, TokenKind, TtlSeconds};
use cardea_sdk::Identification;
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Random characters of a token and of an accessor: 24 of base 62 are 142 bits.
const RANDOM_CHARS: usize = 24;
/// Deepest chain of parents; longer ones are refused when a child is made, so the walk at every request is bounded.
pub const DEPTH_MAX: usize = 32;
/// Prefixes as Vault's clients know them: service and batch; `s.` is what older tools make of custom ids.
const SERVICE_PREFIX: &str = "hvs.";
/// Length of a service token's text, in characters.
pub const SERVICE_TEXT_CHARS: usize = SERVICE_PREFIX.len() + RANDOM_CHARS;
const BATCH_PREFIX: &str = "hvb.";

/// The record of a service token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Keyed hash of the token.
    pub id: String,
    pub namespace: NamespaceId,
    pub accessor: String,
    pub parent: Option<String>,
    pub policies: Vec<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    pub display_name: String,
    pub entity: Option<EntityId>,
    /// The path that made it.
    pub path: String,
    pub created: Timestamp,
    /// `None` never expires: only the root token that `init` hands out.
    pub expires: Option<Timestamp>,
    /// No renewal goes beyond this; `None` is unlimited (periodic tokens).
    pub latest: Option<Timestamp>,
    pub creation_ttl_s: u64,
    pub explicit_max_ttl_s: u64,
    pub period_s: u64,
    /// What was set at creation; 0 is unlimited.
    pub num_uses: u64,
    /// `None` is unlimited.
    pub uses_left: Option<u64>,
    pub renewable: bool,
    #[serde(default)]
    pub last_renewal: Option<Timestamp>,
    #[serde(default)]
    pub bound_cidrs: Vec<String>,
    #[serde(default)]
    pub role: String,
    pub depth: usize,
    /// What the auth method said, and its mount: asked again before a renewal.
    #[serde(default)]
    pub login: Option<Login>,
    /// The login behind the token that made it; of a login's own token, `login` says it.
    #[serde(default)]
    pub came_by: Option<LoginRole>,
    /// Set by the commit that revokes it.
    #[serde(default)]
    pub revoked: bool,
    /// Set by the commit that revokes it but not its children: they become orphans.
    #[serde(default)]
    pub revoked_alone: bool,
    /// Whether it carries a wrapped answer and can do nothing else.
    #[serde(default)]
    pub wrapping: bool,
    /// How the log names it: the same at every request, and hashed at the first that finds it in memory.
    #[serde(skip)]
    pub told: OnceLock<Told>,
}
json_record!(Token, "token", 1, cached);

/// Keyed hashes of a token and of its accessor under the log's key.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub token: Sensitive,
    pub accessor: Sensitive,
}

/// Where a token came from, if from a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    pub mount_uuid: String,
    pub identification: Identification,
}

impl Token {
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }

    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.parent.is_none()
    }

    /// Whether it may be used at `now`, its ancestors aside.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && !self.revoked_alone && self.expires.is_none_or(|end| end > now) && self.uses_left != Some(0)
    }

    /// The login that it comes from, at whatever remove.
    #[must_use]
    pub fn login_role(&self) -> Option<LoginRole> {
        let own = self.login.as_ref().filter(|login| !login.identification.role.is_empty());
        let own = own
            .map(|login| LoginRole { mount_uuid: login.mount_uuid.clone(), role: login.identification.role.clone() });
        own.or_else(|| self.came_by.clone())
    }

    /// How the log names it. `text` is the token as it was shown, which is how it was found.
    pub fn told(&self, hashes: &Hashes, text: &str) -> Told {
        let hashed = || Told { token: hashes.audit.text(text), accessor: hashes.audit.text(&self.accessor) };
        *self.told.get_or_init(hashed)
    }

    #[must_use]
    pub fn ttl_s(&self, now: Timestamp) -> u64 {
        self.expires.map_or(0, |end| end.seconds_from(now))
    }
}

/// From a hashed accessor to a token's id.
#[derive(Serialize, Deserialize)]
pub struct AccessorPointer {
    pub token: String,
    /// Clear, for listing; the record is sealed.
    pub accessor: String,
}
json_record!(AccessorPointer, "token-accessor", 1);

/// An entry of an index; the key says everything.
#[derive(Serialize, Deserialize)]
pub struct ChildEntry {}
json_record!(ChildEntry, "token-child", 1);
#[derive(Serialize, Deserialize)]
pub struct ExpiryEntry {}
json_record!(ExpiryEntry, "token-expiry", 1);

/// What a new token shall be; everything already decided.
pub struct NewToken {
    pub namespace: NamespaceId,
    pub kind: TokenKind,
    pub parent: Option<String>,
    pub parent_depth: usize,
    pub policies: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub display_name: String,
    pub entity: Option<EntityId>,
    pub path: String,
    pub now: Timestamp,
    pub expires: Option<Timestamp>,
    pub latest: Option<Timestamp>,
    pub explicit_max_ttl_s: u64,
    pub period_s: u64,
    pub num_uses: u64,
    pub renewable: bool,
    pub bound_cidrs: Vec<String>,
    pub role: String,
    pub login: Option<Login>,
    pub came_by: Option<LoginRole>,
    pub wrapping: bool,
    /// An id that a caller with sudo chose.
    pub custom_id: Option<SecretText>,
}

impl NewToken {
    /// A service token of the root namespace that nobody's login or request asked for: no parent, role, bounds or counted uses. It
    /// is not renewed, and ends at `end` or never. Who makes tokens for callers decides every field by itself instead.
    #[must_use]
    pub fn plain(policy: &str, now: Timestamp, end: Option<Timestamp>) -> Self {
        Self {
            namespace: NamespaceId::root(),
            kind: TokenKind::Service,
            parent: None,
            parent_depth: 0,
            policies: vec![policy.to_owned()],
            metadata: BTreeMap::new(),
            display_name: "token".to_owned(),
            entity: None,
            path: "auth/token/create".to_owned(),
            now,
            expires: end,
            latest: end,
            explicit_max_ttl_s: 0,
            period_s: 0,
            num_uses: 0,
            renewable: false,
            bound_cidrs: Vec::new(),
            role: String::new(),
            login: None,
            came_by: None,
            wrapping: false,
            custom_id: None,
        }
    }
}

/// A token that was just made: the only moment at which its text exists in the server.
pub struct Minted {
    pub text: SecretText,
    pub accessor: String,
    pub token: Token,
    pub kind: TokenKind,
}

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "tokens")
}

fn expiry_key(at: Timestamp, id: &str) -> String {
    format!("{:016x}/{id}", at.0)
}

/// Makes a token. A service token's record, accessor and index entries are in the transaction; a batch token is only text.
pub fn mint(
    txn: &mut Txn,
    hashes: &Hashes,
    keyring: &Keyring,
    rng: &dyn Randomness,
    new: NewToken,
) -> Result<Minted, Error> {
    if new.parent.is_some() && new.parent_depth + 1 > DEPTH_MAX {
        return Err(Error::invalid("token hierarchy is too deep"));
    }
    let kind = new.kind;
    let text = match (&new.custom_id, kind) {
        (Some(id), _) => id.duplicate(),
        (None, _) => SecretText::new(format!("{SERVICE_PREFIX}{}", *base62(rng, RANDOM_CHARS))),
    };
    let id = hashes.token_id(text.expose());
    let creation_ttl_s = new.expires.map_or(0, |end| end.seconds_from(new.now));
    let token = Token {
        id: id.clone(),
        namespace: new.namespace,
        accessor: base62(rng, RANDOM_CHARS).to_string(),
        depth: if new.parent.is_some() { new.parent_depth + 1 } else { 0 },
        parent: new.parent,
        policies: new.policies,
        metadata: new.metadata,
        display_name: new.display_name,
        entity: new.entity,
        path: new.path,
        created: new.now,
        expires: new.expires,
        latest: new.latest,
        creation_ttl_s,
        explicit_max_ttl_s: new.explicit_max_ttl_s,
        period_s: new.period_s,
        num_uses: new.num_uses,
        uses_left: (new.num_uses > 0).then_some(new.num_uses),
        renewable: new.renewable,
        last_renewal: None,
        bound_cidrs: new.bound_cidrs,
        role: new.role,
        login: new.login,
        came_by: new.came_by,
        revoked: false,
        revoked_alone: false,
        wrapping: new.wrapping,
        told: OnceLock::new(),
    };
    if kind == TokenKind::Batch {
        let text = batch_text(keyring, &token, rng)?;
        return Ok(Minted { text, accessor: String::new(), token, kind });
    }
    let accessor = token.accessor.clone();
    let mut view = view(txn, &token.namespace.clone());
    view.put(&id, &token)?;
    view.put(&hashes.accessor_id(&accessor), &AccessorPointer { token: id.clone(), accessor: accessor.clone() })?;
    if let Some(parent) = &token.parent {
        view.put(&format!("{parent}/{id}"), &ChildEntry {})?;
    }
    if let Some(expires) = token.expires {
        view.put(&expiry_key(expires, &id), &ExpiryEntry {})?;
    }
    Ok(Minted { text, accessor, token, kind })
}

/// What a batch token carries, sealed under the batch key of its term. The term stands in clear before it.
#[derive(Serialize, Deserialize)]
struct BatchClaims {
    token: Token,
}

fn batch_text(keyring: &Keyring, token: &Token, rng: &dyn Randomness) -> Result<SecretText, Error> {
    let term = keyring.current_term();
    let key = keyring.batch_key(term).ok_or_else(|| Error::internal("the keyring has no batch token key"))?;
    let claims = serde_json::to_vec(&BatchClaims { token: token.clone() })
        .map_err(|_| Error::internal("a batch token could not be encoded"))?;
    let mut bytes = term.to_be_bytes().to_vec();
    bytes.extend(aead::seal(key, &batch_aad(term), &claims, rng));
    Ok(SecretText::new(format!("{BATCH_PREFIX}{}", BASE64_URL.encode(bytes))))
}

fn batch_aad(term: u32) -> Vec<u8> {
    [b"cardea/batch-token/v1/".as_slice(), &term.to_be_bytes()].concat()
}

fn open_batch(keyring: &Keyring, text: &str) -> Option<Token> {
    let bytes = BASE64_URL.decode(text.strip_prefix(BATCH_PREFIX)?).ok()?;
    let (term, sealed) = bytes.split_at_checked(4)?;
    let term = u32::from_be_bytes(term.try_into().ok()?);
    let plain = aead::open(keyring.batch_key(term)?, &batch_aad(term), sealed).ok()?;
    serde_json::from_slice::<BatchClaims>(&plain).ok().map(|claims| claims.token)
}

/// A token that was shown, found and live, ancestors included.
pub struct Shown {
    pub token: Arc<Token>,
    pub kind: TokenKind,
}

/// Looks a shown token up. `None` for anything that may not be used; the caller cannot tell why.
pub async fn find_shown(
    txn: &mut Txn,
    hashes: &Hashes,
    keyring: &Keyring,
    namespace: &NamespaceId,
    text: &str,
    now: Timestamp,
) -> Result<Option<Shown>, Error> {
    if text.starts_with(BATCH_PREFIX) {
        let Some(token) = open_batch(keyring, text) else { return Ok(None) };
        if token.namespace != *namespace || !token.is_live(now) || !ancestors_live(txn, &token, now).await? {
            return Ok(None);
        }
        return Ok(Some(Shown { token: Arc::new(token), kind: TokenKind::Batch }));
    }
    let found = find_live(txn, namespace, &hashes.token_id(text), now).await?;
    Ok(found.map(|token| Shown { token, kind: TokenKind::Service }))
}

/// A live token by its id.
pub async fn find_live(
    txn: &mut Txn,
    namespace: &NamespaceId,
    id: &str,
    now: Timestamp,
) -> Result<Option<Arc<Token>>, Error> {
    match find(txn, namespace, id).await? {
        Some(token) if token.is_live(now) && ancestors_live(txn, &token, now).await? => Ok(Some(token)),
        _ => Ok(None),
    }
}

/// A token's record, live or not.
pub async fn find(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<Option<Arc<Token>>, Error> {
    view(txn, namespace).peek::<Token>(id).await
}

async fn ancestors_live(txn: &mut Txn, token: &Token, now: Timestamp) -> Result<bool, Error> {
    let mut parent = token.parent.clone();
    for _ in 0..=DEPTH_MAX {
        let Some(id) = parent else { return Ok(true) };
        match find(txn, &token.namespace, &id).await? {
            Some(found) if !found.revoked && found.expires.is_none_or(|end| end > now) => parent = found.parent.clone(),
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The id of the token that an accessor names.
pub async fn by_accessor(
    txn: &mut Txn,
    hashes: &Hashes,
    namespace: &NamespaceId,
    accessor: &str,
) -> Result<Option<String>, Error> {
    let pointer = view(txn, namespace).get::<AccessorPointer>(&hashes.accessor_id(accessor)).await?;
    Ok(pointer.map(|pointer| pointer.token))
}

/// Ids of accessors after one of them: as many as there are service tokens.
pub async fn accessor_ids(
    txn: &mut Txn,
    namespace: &NamespaceId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<AccessorPointer>("", after, limit).await
}

/// Accessors of all tokens, in no particular order.
pub async fn accessors(txn: &mut Txn, namespace: &NamespaceId, limit: usize) -> Result<Vec<String>, Error> {
    let prefix = format!("{}/tokens/token-accessor/", namespace.as_str());
    let entries = txn.entries::<AccessorPointer>(prefix.as_bytes(), None, limit).await?;
    Ok(entries.into_iter().map(|(_, pointer)| pointer.accessor).collect())
}

/// Takes one use. `Ok(false)` if none was left: two requests racing for the last use meet at the commit.
pub async fn take_use(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<bool, Error> {
    let mut view = view(txn, namespace);
    let Some(mut token) = view.get::<Token>(id).await? else { return Ok(false) };
    match token.uses_left {
        None => Ok(true),
        Some(0) => Ok(false),
        Some(left) => {
            token.uses_left = Some(left - 1);
            view.put(id, &token)?;
            Ok(true)
        }
    }
}

/// Moves a token's end.
pub async fn extend(
    txn: &mut Txn,
    namespace: &NamespaceId,
    id: &str,
    expires: Timestamp,
    now: Timestamp,
    login: Option<Login>,
) -> Result<(), Error> {
    let mut view = view(txn, namespace);
    let Some(mut token) = view.get::<Token>(id).await? else { return Err(Error::denied()) };
    if let Some(before) = token.expires {
        view.delete::<ExpiryEntry>(&expiry_key(before, id));
    }
    view.put(&expiry_key(expires, id), &ExpiryEntry {})?;
    token.expires = Some(expires);
    token.last_renewal = Some(now);
    if login.is_some() {
        token.login = login;
    }
    view.put(id, &token)
}

/// Revokes a token: from this commit on neither it nor a descendant is accepted, and a job removes what hangs on it.
/// With `keep_children`, the children become orphans first (as many as one batch holds; the job does the rest).
pub async fn revoke(txn: &mut Txn, namespace: &NamespaceId, id: &str, keep_children: bool) -> Result<(), Error> {
    let mut view = view(txn, namespace);
    let Some(mut token) = view.get::<Token>(id).await? else { return Ok(()) };
    if keep_children {
        token.revoked_alone = true;
    } else {
        token.revoked = true;
    }
    view.put(id, &token)?;
    jobs::enqueue(txn, &jobs::Job::RevokeToken { namespace: namespace.clone(), token: id.to_owned(), keep_children })
}

/// Whether a login by this mount made the token.
#[must_use]
pub fn is_of_mount(token: &Token, mount_uuid: &str) -> bool {
    token.login.as_ref().is_some_and(|login| login.mount_uuid == mount_uuid)
}

/// Whether the token was made below a path (`auth/approle/`, `auth/token/create/`). One that never expires is none of
/// those that a prefix means: it has no lease in Vault either.
#[must_use]
pub fn is_below(token: &Token, folder: &str) -> bool {
    token.expires.is_some() && (token.path.starts_with(folder) || folder.strip_suffix('/') == Some(token.path.as_str()))
}

/// Tokens after one of them, by their ids.
pub async fn page(
    txn: &mut Txn,
    namespace: &NamespaceId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Token>, Error> {
    let prefix = format!("{}/tokens/token/", namespace.as_str());
    let start = after.map(|after| format!("{prefix}{after}"));
    let page = txn.entries::<Token>(prefix.as_bytes(), start.as_deref().map(str::as_bytes), limit).await?;
    Ok(page.into_iter().map(|(_, token)| token).collect())
}

/// Whether any token has an end.
pub async fn any_with_end(txn: &mut Txn, namespace: &NamespaceId) -> Result<bool, Error> {
    Ok(!view(txn, namespace).names::<ExpiryEntry>("", None, 1).await?.is_empty())
}

/// Revokes tokens that are `wanted`: of the next `look` tokens after the id `after`, at most `most`. Returns the last id that
/// was looked at; `None` at the end.
pub async fn revoke_each(
    txn: &mut Txn,
    namespace: &NamespaceId,
    after: &str,
    look: usize,
    most: usize,
    wanted: impl Fn(&Token) -> bool,
) -> Result<Option<String>, Error> {
    let prefix = format!("{}/tokens/token/", namespace.as_str());
    let start = format!("{prefix}{after}");
    let page = txn.entries::<Token>(prefix.as_bytes(), Some(start.as_bytes()), look).await?;
    let mut last = None;
    let mut revoked = 0;
    for (_, token) in page {
        if revoked == most {
            break;
        }
        if !token.revoked && wanted(&token) {
            revoke(txn, namespace, &token.id, false).await?;
            revoked += 1;
        }
        last = Some(token.id);
    }
    Ok(last)
}

/// One resumable step of removing a revoked token: children first, then the records. Returns whether it is finished.
pub async fn remove_step(
    txn: &mut Txn,
    hashes: &Hashes,
    namespace: &NamespaceId,
    id: &str,
    keep_children: bool,
) -> Result<bool, Error> {
    /// Children handled in one batch: each costs a read, two writes and a job.
    const CHILDREN_A_STEP: usize = 12;
    let prefix = format!("{id}/");
    let children = view(txn, namespace).names::<ChildEntry>(&prefix, None, CHILDREN_A_STEP).await?;
    for entry in &children {
        let child = entry[prefix.len()..].to_owned();
        let mut view = view(txn, namespace);
        if let Some(mut token) = view.get::<Token>(&child).await? {
            if keep_children {
                token.parent = None;
                token.depth = 0;
                view.put(&child, &token)?;
            } else {
                revoke(txn, namespace, &child, false).await?;
            }
        }
        self::view(txn, namespace).delete::<ChildEntry>(entry);
    }
    if children.len() == CHILDREN_A_STEP {
        return Ok(false);
    }
    let mut view = view(txn, namespace);
    if let Some(token) = view.get::<Token>(id).await? {
        if keep_children && !token.revoked {
            let mut revoked = token;
            revoked.revoked = true;
            view.put(id, &revoked)?;
            return Ok(false);
        }
        view.delete::<Token>(id);
        view.delete::<AccessorPointer>(&hashes.accessor_id(&token.accessor));
        if let Some(expires) = token.expires {
            view.delete::<ExpiryEntry>(&expiry_key(expires, id));
        }
        if let Some(parent) = &token.parent {
            view.delete::<ChildEntry>(&format!("{parent}/{id}"));
        }
    }
    Ok(true)
}

/// Ids of tokens whose end has come, oldest first.
pub async fn due(txn: &mut Txn, namespace: &NamespaceId, now: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
    let names = view(txn, namespace).names::<ExpiryEntry>("", None, limit).await?;
    let end = format!("{:016x}", now.0.saturating_add(1));
    Ok(names
        .into_iter()
        .take_while(|name| name.as_str() < end.as_str())
        .filter_map(|name| name.split_once('/').map(|(_, id)| id.to_owned()))
        .collect())
}

/// Ends a token whose time has come. `false` if it was renewed meanwhile, or is being removed already.
pub async fn end(txn: &mut Txn, namespace: &NamespaceId, id: &str, now: Timestamp) -> Result<bool, Error> {
    match view(txn, namespace).get::<Token>(id).await? {
        Some(token) if token.expires.is_some_and(|end| end <= now) && !token.revoked => {
            revoke(txn, namespace, id, false).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The caller that a token stands for. Policies are the token's and the entity's, as they are now.
pub async fn caller(txn: &mut Txn, shown: &Shown) -> Result<Option<Caller>, Error> {
    let token = &shown.token;
    let mut policies = token.policies.clone();
    let mut known_as = None;
    if let Some(id) = &token.entity {
        match crate::identity::find(txn, &token.namespace, id).await? {
            Some(entity) if entity.disabled => return Ok(None),
            Some(entity) => {
                policies.extend(entity.policies.iter().cloned());
                known_as = Some(entity);
            }
            None => return Ok(None),
        }
    }
    policies.sort_unstable();
    policies.dedup();
    Ok(Some(Caller {
        namespace: token.namespace.clone(),
        display_name: token.display_name.clone(),
        entity: token.entity.clone(),
        known_as,
        token_id: token.id.clone(),
        accessor: (shown.kind == TokenKind::Service).then(|| token.accessor.clone()),
        kind: shown.kind,
        is_root: token.is_root(),
        policies,
        metadata: token.metadata.clone(),
        expires: token.expires,
        key: None,
    }))
}

/// Whether an address may use something bound to CIDRs; nothing bound allows every address.
#[must_use]
pub fn address_allowed(bound_cidrs: &[String], address: std::net::IpAddr) -> bool {
    let address = address.to_canonical();
    bound_cidrs.is_empty()
        || bound_cidrs.iter().any(|cidr| match cidr.parse::<ipnet::IpNet>() {
            Ok(net) => net.contains(&address),
            Err(_) => cidr.parse::<std::net::IpAddr>().is_ok_and(|one| one.to_canonical() == address),
        })
}

/// Checks CIDRs as they are set.
pub fn check_cidrs(cidrs: &[String]) -> Result<(), Error> {
    for cidr in cidrs {
        if cidr.parse::<ipnet::IpNet>().is_err() && cidr.parse::<std::net::IpAddr>().is_err() {
            return Err(Error::invalid("a bound CIDR is neither an address nor a network"));
        }
    }
    Ok(())
}

/// Seconds, where 0 is "none".
#[must_use]
pub fn some_s(seconds: u64) -> Option<TtlSeconds> {
    TtlSeconds(seconds).none_if_zero()
}
