//! The operations that dialects share. Each is equal to a route: the same functions, and the path of that route for
//! policies. It must never do more than the route that it names would.

use crate::transit::Transit;
use crate::transit::model::KeyRecord;
use crate::transit::ops::{self, Along};
use crate::transit::routes::Op;
use crate::transit::transfer;
use crate::transit::uses::{OAEP, fresh};
use crate::transit::{actions, aliases, documents, grants, imported, last_use, manage, regions};
use cardea_model::key::{
    Grant, HashAlgorithm, Key, KeyAnswer, KeyFamily, KeyFault, KeyOp, KeyRef, KeyUsage, KeyUsed, ToSign,
};
use cardea_model::{Action, Error, SecretBytes};
use cardea_sdk::Context;
use cardea_sdk::attached::Question;
use cardea_sdk::engine::SharedOp;

/// Most bytes of a data key or of random bytes of one shared operation.
const FRESH_BYTES_MAX: usize = 128 * 1024;
/// Most keys of one list.
const LIST_KEYS_MAX: usize = 1000;

/// Binds an operation: its route, and the path that policies know it by.
pub fn bind(op: KeyOp) -> SharedOp<Op> {
    let (route, path) = place(&op);
    SharedOp { op: Op::Shared(op), route, path }
}

fn place(op: &KeyOp) -> (&'static str, String) {
    let name = op.key().map(|key| key.text().to_owned()).unwrap_or_default();
    match op {
        KeyOp::WithTokens { op, .. } => place(op),
        KeyOp::Create { name: None, .. } => ("key-create", "keys".to_owned()),
        KeyOp::Create { name: Some(name), .. } => ("keys-create", format!("keys/{name}")),
        KeyOp::Describe { .. } | KeyOp::PublicKey { .. } | KeyOp::LastUse { .. } => {
            ("keys-read", format!("keys/{name}"))
        }
        KeyOp::List { .. } => ("keys-list", "keys/".to_owned()),
        KeyOp::Change { .. } => ("keys-config", format!("keys/{name}/config")),
        KeyOp::Rotate { .. } => ("keys-rotate", format!("keys/{name}/rotate")),
        KeyOp::ScheduleDeletion { .. } => ("keys-delete", format!("keys/{name}")),
        KeyOp::CancelDeletion { .. } => ("keys-soft-delete-restore", format!("keys/{name}/soft-delete-restore")),
        KeyOp::Import { .. } | KeyOp::ImportParameters { .. } => {
            ("keys-import-version", format!("keys/{name}/import_version"))
        }
        KeyOp::DeleteMaterial { .. } => ("key-material-delete", format!("keys/{name}/import_version")),
        KeyOp::Encrypt { .. } => ("encrypt", format!("encrypt/{name}")),
        KeyOp::Decrypt { .. } | KeyOp::ReEncrypt { .. } => ("decrypt", format!("decrypt/{name}")),
        KeyOp::GenerateDataKey { with_plaintext: true, .. }
        | KeyOp::GenerateDataKeyPair { with_plaintext: true, .. } => ("datakey", format!("datakey/plaintext/{name}")),
        KeyOp::GenerateDataKey { .. } | KeyOp::GenerateDataKeyPair { .. } => {
            ("datakey", format!("datakey/wrapped/{name}"))
        }
        KeyOp::Sign { .. } => ("sign", format!("sign/{name}")),
        KeyOp::Verify { .. } | KeyOp::VerifyMac { .. } => ("verify", format!("verify/{name}")),
        KeyOp::Mac { .. } => ("hmac", format!("hmac/{name}")),
        KeyOp::Agree { .. } => ("key-agree", format!("agree/{name}")),
        KeyOp::Encapsulate { .. } => ("key-encapsulate", format!("encapsulate/{name}")),
        KeyOp::Decapsulate { .. } => ("key-decapsulate", format!("decapsulate/{name}")),
        KeyOp::Random { .. } => ("random", "random".to_owned()),
        KeyOp::SetAlias { alias, .. } => ("alias-set", format!("alias/{alias}")),
        KeyOp::DeleteAlias { alias, .. } => ("alias-delete", format!("alias/{alias}")),
        KeyOp::ListAliases { .. } => ("alias-list", "alias/".to_owned()),
        KeyOp::Replicate { .. } => ("key-replicate", format!("keys/{name}/replicate")),
        KeyOp::SetPrimary { .. } => ("key-primary", format!("keys/{name}/primary")),
        KeyOp::Document { .. } => ("keys-policy-read", format!("keys/{name}/policy")),
        KeyOp::SetDocument { .. } => ("keys-policy-write", format!("keys/{name}/policy")),
        KeyOp::CreateGrant { .. } => ("grant-create", format!("keys/{name}/grants")),
        KeyOp::EndGrant { grant, retires: true, .. } => ("grant-retire", format!("keys/{name}/grants/{grant}")),
        KeyOp::EndGrant { grant, .. } => ("keys-grants-revoke", format!("keys/{name}/grants/{grant}")),
        KeyOp::ListGrants { .. } => ("keys-grants-list", format!("keys/{name}/grants/")),
        KeyOp::ListRetirable { .. } => ("grants-retirable", "grants/".to_owned()),
    }
}

fn used(key: &Key, version: u64) -> KeyUsed {
    KeyUsed {
        key_id: key.id.clone(),
        name: key.name.clone(),
        algorithm: key.algorithm,
        version,
        version_id: key.version(version).map(|version| version.id.clone()).unwrap_or_default(),
    }
}

fn for_usage(key: &Key, usage: KeyUsage) -> Result<(), Error> {
    ops::in_use(key)?;
    if key.allows(usage) { Ok(()) } else { Err(KeyFault::Usage.error()) }
}

fn to_sign(prehashed: bool, input: &SecretBytes) -> ToSign<'_> {
    if prehashed { ToSign::Digest(input.expose()) } else { ToSign::Message(input.expose()) }
}

fn answer(record: KeyRecord) -> KeyAnswer {
    KeyAnswer::Key(Box::new(record.0))
}

fn page(limit: usize) -> usize {
    if limit == 0 { LIST_KEYS_MAX } else { limit.min(LIST_KEYS_MAX) }
}

impl Transit {
    /// Does a shared operation.
    ///
    /// # Errors
    /// Not found for a key that is not there, [`KeyFault`]s, and what the store says.
    pub async fn shared(&self, cx: &mut Context<'_>, op: &KeyOp) -> Result<KeyAnswer, Error> {
        // An id or an alias that became no name is of no key.
        if op.key().is_some_and(|key| !matches!(key, KeyRef::Name(_))) {
            return Err(Error::not_found());
        }
        match op {
            KeyOp::WithTokens { tokens, op } => {
                grants::check_tokens(cx, tokens).await?;
                Box::pin(self.shared(cx, op)).await
            }
            KeyOp::Document { key } => {
                let (key, text) = documents::read(cx, key.text()).await?;
                Ok(KeyAnswer::Document { key: Box::new(key), text })
            }
            KeyOp::SetDocument { key, document } => documents::set(cx, key.text(), document).await.map(answer),
            KeyOp::CreateGrant { key, new, dry_run } => {
                let (grant, token) = grants::create(cx, key.text(), new, *dry_run).await?;
                Ok(KeyAnswer::Granted { grant, token })
            }
            KeyOp::EndGrant { key, grant, dry_run, .. } => {
                grants::end(cx, key.text(), grant, *dry_run).await.map(|()| KeyAnswer::Done)
            }
            KeyOp::ListGrants { key, grant, grantee, after, limit } => {
                let record = ops::find(cx, key.text()).await?;
                let (grants, next) = match grant {
                    Some(id) => (vec![grants::read(cx, &record.0, id).await?], None),
                    None => grants::list(cx, &record.0, grantee.as_deref(), after.as_deref(), page(*limit)).await?,
                };
                let of_grantee = |grant: &Grant| grantee.as_ref().is_none_or(|wanted| grant.grantee == *wanted);
                let grants = grants.into_iter().filter(of_grantee).map(|grant| (record.0.id.clone(), grant)).collect();
                Ok(KeyAnswer::Grants { grants, next })
            }
            KeyOp::ListRetirable { retiring, after, limit, region } => {
                let (after, region) = (after.as_deref(), region.as_deref());
                let (grants, next) = grants::retirable(cx, retiring, after, page(*limit), region).await?;
                Ok(KeyAnswer::Grants { grants, next })
            }
            KeyOp::Create { name, new } => manage::create(cx, name.as_deref(), new).await.map(answer),
            KeyOp::Describe { key, .. } => Ok(answer((*ops::find(cx, key.text()).await?).clone())),
            KeyOp::List { after, limit, region } => {
                let limit = page(*limit);
                let mut names = cx.state.names::<KeyRecord>("", after.as_deref(), limit + 1).await?;
                let more = names.len() > limit;
                names.truncate(limit);
                let next = names.last().filter(|_| more).cloned();
                let mut keys = Vec::with_capacity(names.len());
                for name in names {
                    if let Some(found) = cx.state.peek::<KeyRecord>(&name).await? {
                        let shown = |key: &&Key| !ops::is_past(key, cx.now) && ops::is_in(key, region.as_deref());
                        keys.extend(Some(&found.0).filter(shown).cloned());
                    }
                }
                Ok(KeyAnswer::Keys { keys, next })
            }
            KeyOp::Change { key, change } => manage::change(cx, key.text(), change).await.map(answer),
            KeyOp::Rotate { key, symmetric_only } => {
                if *symmetric_only && ops::find(cx, key.text()).await?.0.algorithm.family() != KeyFamily::Aead {
                    return Err(KeyFault::Usage.error());
                }
                manage::rotate_primary(cx, key.text()).await.map(answer)
            }
            KeyOp::ScheduleDeletion { key, window_s } => {
                manage::schedule_deletion(cx, key.text(), Some(*window_s)).await.map(answer)
            }
            KeyOp::CancelDeletion { key } => manage::schedule_deletion(cx, key.text(), None).await.map(answer),
            KeyOp::Import { key, material, terms } => {
                let (record, version_id) = imported::import(cx, key.text(), material, terms).await?;
                Ok(KeyAnswer::Material { key: Box::new(record.0), version_id: Some(version_id) })
            }
            KeyOp::DeleteMaterial { key, material_id } => {
                let (record, version_id) = imported::take_away(cx, key.text(), material_id.as_deref()).await?;
                Ok(KeyAnswer::Material { key: Box::new(record.0), version_id })
            }
            KeyOp::LastUse { key } => {
                let found = ops::find(cx, key.text()).await?;
                let last = last_use::of(cx, key.text()).await?;
                Ok(KeyAnswer::LastUse { key: Box::new(found.0.clone()), last })
            }
            KeyOp::ImportParameters { key, wrapping } => {
                let (key, wrapping_spki, token, expires) =
                    transfer::import_parameters(cx, key.text(), *wrapping).await?;
                Ok(KeyAnswer::ImportParameters { key: Box::new(key), wrapping_spki, token, expires })
            }
            KeyOp::Random { bytes } => match *bytes {
                1..=FRESH_BYTES_MAX => Ok(KeyAnswer::Random(fresh(cx, *bytes))),
                _ => Err(Error::invalid("number of random bytes is out of bounds")),
            },
            KeyOp::Replicate { key, replica } => regions::replicate(cx, key.text(), replica).await.map(answer),
            KeyOp::SetPrimary { key, region } => regions::set_primary(cx, key.text(), region).await.map(answer),
            KeyOp::SetAlias { alias, key, moves, region } => {
                if *moves {
                    self.allowed_move(cx, alias, region.as_deref()).await?;
                }
                aliases::set(cx, alias, key.text(), *moves, region.as_deref()).await
            }
            KeyOp::DeleteAlias { alias, region } => aliases::delete(cx, alias, region.as_deref()).await,
            KeyOp::ListAliases { after, limit, region } => {
                aliases::list(cx, after.as_deref(), page(*limit), region.as_deref()).await
            }
            op => {
                let answer = self.use_shared(cx, op).await?;
                // What did not verify was no use.
                if let Some(what) = op.uses()
                    && !matches!(answer, KeyAnswer::Verified { valid: false, .. })
                {
                    let other = match &answer {
                        KeyAnswer::ReEncrypted { used, .. } => Some(used.name.as_str()),
                        _ => None,
                    };
                    for name in op.key().map(KeyRef::text).into_iter().chain(other) {
                        last_use::note(cx, name, what).await?;
                    }
                }
                Ok(answer)
            }
        }
    }

    /// Uses of a key.
    async fn use_shared(&self, cx: &mut Context<'_>, op: &KeyOp) -> Result<KeyAnswer, Error> {
        let name = op.key().ok_or_else(|| Error::internal("a use of no key"))?.text();
        let seals =
            matches!(op, KeyOp::Encrypt { .. } | KeyOp::GenerateDataKey { .. } | KeyOp::GenerateDataKeyPair { .. });
        let makes = seals || matches!(op, KeyOp::Sign { .. } | KeyOp::Mac { .. });
        let record = match makes {
            true => ops::ready(cx, &self.counter, name, u64::from(seals)).await?,
            false => ops::find(cx, name).await?,
        };
        let key = &record.0;
        match op {
            KeyOp::Encrypt { plaintext, aad, oaep, .. } => {
                let along = Along { aad, ..Along::default() };
                let oaep = fitting(key, *oaep)?;
                let (version, sealed) = ops::seal(cx, &self.counter, key, along, oaep, plaintext.expose()).await?;
                Ok(KeyAnswer::Encrypted { used: used(key, version), sealed })
            }
            KeyOp::Decrypt { expected, version, sealed, aad, oaep, .. } => {
                expect(cx, key, expected.as_ref()).await?;
                let along = Along { aad, version: *version, ..Along::default() };
                let oaep = fitting(key, *oaep)?;
                let plaintext = ops::open(cx, key, along, oaep, sealed).await?;
                Ok(KeyAnswer::Decrypted { used: used(key, ops::reading_version(key, *version)?), plaintext })
            }
            KeyOp::ReEncrypt { expected, version, sealed, aad, oaep, to, to_aad, to_oaep, .. } => {
                expect(cx, key, expected.as_ref()).await?;
                let along = Along { aad, version: *version, ..Along::default() };
                let oaep = fitting(key, *oaep)?;
                let plaintext = ops::open(cx, key, along, oaep, sealed).await?;
                let from = used(key, ops::reading_version(key, *version)?);
                let to = self.allowed_target(cx, to, to_aad, *to_oaep).await?;
                let target = ops::ready(cx, &self.counter, &to, 1).await?;
                let along = Along { aad: to_aad, ..Along::default() };
                let oaep = fitting(&target.0, *to_oaep)?;
                let (version, sealed) =
                    ops::seal(cx, &self.counter, &target.0, along, oaep, plaintext.expose()).await?;
                Ok(KeyAnswer::ReEncrypted { from, used: used(&target.0, version), sealed })
            }
            KeyOp::GenerateDataKey { bytes, aad, with_plaintext, .. } => {
                if !(1..=FRESH_BYTES_MAX).contains(bytes) {
                    return Err(Error::invalid("length of the data key is out of bounds"));
                }
                let plaintext = fresh(cx, *bytes);
                let along = Along { aad, ..Along::default() };
                let oaep = fitting(key, None)?;
                let (version, sealed) = ops::seal(cx, &self.counter, key, along, oaep, plaintext.expose()).await?;
                let plaintext = with_plaintext.then_some(plaintext);
                Ok(KeyAnswer::DataKey { used: used(key, version), plaintext, sealed })
            }
            KeyOp::GenerateDataKeyPair { algorithm, aad, with_plaintext, .. } => {
                let pair = manage::material(cx, *algorithm, 0).await?;
                let spki = pair.spki().map_err(ops::refused)?.to_vec();
                let private = pair.export_pkcs8().map_err(ops::refused)?;
                let along = Along { aad, ..Along::default() };
                let oaep = fitting(key, None)?;
                let (version, sealed) = ops::seal(cx, &self.counter, key, along, oaep, private.expose()).await?;
                let plaintext = with_plaintext.then_some(private);
                Ok(KeyAnswer::DataKeyPair { used: used(key, version), algorithm: *algorithm, spki, plaintext, sealed })
            }
            KeyOp::Sign { input, prehashed, scheme, .. } => {
                let signed = ops::sign(cx, key, Along::default(), *scheme, to_sign(*prehashed, input)).await?;
                Ok(KeyAnswer::Signed { used: used(key, signed.version), signature: signed.signature })
            }
            KeyOp::Verify { input, prehashed, scheme, signature, .. } => {
                let input = to_sign(*prehashed, input);
                let (version, valid) = self.any_version(cx, key, *scheme, input, signature).await?;
                Ok(KeyAnswer::Verified { used: used(key, version), valid })
            }
            KeyOp::Mac { input, hash, .. } => {
                for_usage(key, KeyUsage::Mac)?;
                let (version, mac) = ops::mac(cx, key, 0, *hash, input.expose()).await?;
                Ok(KeyAnswer::Mac { used: used(key, version), mac })
            }
            KeyOp::VerifyMac { input, hash, mac, .. } => {
                for_usage(key, KeyUsage::Mac)?;
                let mut found = (key.latest, false);
                for number in valid_versions(key) {
                    if ops::verify_mac(cx, key, number, *hash, input.expose(), mac).await? {
                        found = (number, true);
                        break;
                    }
                }
                Ok(KeyAnswer::Verified { used: used(key, found.0), valid: found.1 })
            }
            KeyOp::PublicKey { .. } => {
                ops::in_use(key)?;
                let material = ops::material(cx, key, key.latest).await?;
                let spki = material.key.spki().map_err(ops::refused)?.to_vec();
                Ok(KeyAnswer::PublicKey { key: Box::new(key.clone()), used: used(key, key.latest), spki })
            }
            KeyOp::Agree { peer_spki, .. } => {
                for_usage(key, KeyUsage::Agree)?;
                let material = ops::material(cx, key, key.latest).await?;
                let secret = material.key.agree(peer_spki).map_err(ops::refused)?;
                Ok(KeyAnswer::Shared { used: used(key, key.latest), secret, ciphertext: None })
            }
            KeyOp::Encapsulate { .. } => {
                for_usage(key, KeyUsage::Encapsulate)?;
                let material = ops::material(cx, key, key.latest).await?;
                let (secret, ciphertext) = material.key.encapsulate().map_err(ops::refused)?;
                Ok(KeyAnswer::Shared { used: used(key, key.latest), secret, ciphertext: Some(ciphertext) })
            }
            KeyOp::Decapsulate { ciphertext, .. } => {
                for_usage(key, KeyUsage::Encapsulate)?;
                let material = ops::material(cx, key, key.latest).await?;
                let secret = material.key.decapsulate(ciphertext).map_err(ops::refused)?;
                Ok(KeyAnswer::Shared { used: used(key, key.latest), secret, ciphertext: None })
            }
            _ => Err(Error::internal("a shared operation reached the wrong place")),
        }
    }

    /// The other key of a re-encryption. Policies, and what is attached to a key, were asked about the first one; this asks
    /// them about the second.
    async fn allowed_target(
        &self,
        cx: &mut Context<'_>,
        to: &KeyRef,
        aad: &[u8],
        oaep: Option<HashAlgorithm>,
    ) -> Result<String, Error> {
        let name = ops::name_of(cx, to).await?.unwrap_or_else(|| to.text().to_owned());
        let path = format!("{}encrypt/{name}", cx.mount.path);
        let attached = match cx.state.peek::<KeyRecord>(&name).await?.filter(|found| !found.0.attached.is_none()) {
            Some(found) => Some(documents::of_key(cx, &found.0, actions::re_encrypted(aad, oaep)).await?),
            None => None,
        };
        let allowed = match attached {
            Some(attached) => cx.rights.allows_with(Action::Update, &path, &attached),
            None => cx.rights.allows(Action::Update, &path),
        };
        if allowed { Ok(name) } else { Err(Error::denied()) }
    }

    /// Whether an alias may be taken from the key that has it: whoever moves one changes what two keys are called.
    async fn allowed_move(&self, cx: &mut Context<'_>, alias: &str, region: Option<&str>) -> Result<(), Error> {
        let Some(name) = aliases::resolve(cx, alias, region).await? else { return Ok(()) };
        let from = cx.state.peek::<KeyRecord>(&name).await?.filter(|found| !found.0.attached.is_none());
        let Some(from) = from else { return Ok(()) };
        let attached = documents::of_key(cx, &from.0, vec![Question::new("kms:UpdateAlias")]).await?;
        let path = format!("{}alias/{alias}", cx.mount.path);
        if cx.rights.allows_with(Action::Update, &path, &attached) { Ok(()) } else { Err(Error::denied()) }
    }

    /// Shared signatures do not say which version made them: every one that is still valid may have.
    async fn any_version(
        &self,
        cx: &mut Context<'_>,
        key: &Key,
        scheme: cardea_model::key::SigningScheme,
        input: ToSign<'_>,
        signature: &[u8],
    ) -> Result<(u64, bool), Error> {
        for version in valid_versions(key) {
            let along = Along { version, ..Along::default() };
            if ops::verify(cx, key, along, &[scheme], input, signature).await? {
                return Ok((version, true));
            }
        }
        Ok((key.latest, false))
    }
}

/// The hash for OAEP: RSA needs one to be named, and no other key has one.
fn fitting(key: &Key, oaep: Option<HashAlgorithm>) -> Result<HashAlgorithm, Error> {
    ops::in_use(key)?;
    match (key.algorithm.family() == KeyFamily::Rsa, oaep) {
        (true, Some(oaep)) => Ok(oaep),
        (false, None) => Ok(OAEP),
        _ => Err(KeyFault::Usage.error()),
    }
}

/// That a ciphertext is of the key for which its bearer takes it.
async fn expect(cx: &mut Context<'_>, key: &Key, expected: Option<&KeyRef>) -> Result<(), Error> {
    let Some(expected) = expected else { return Ok(()) };
    let name = ops::name_of(cx, expected).await?.ok_or_else(Error::not_found)?;
    if name == key.name { Ok(()) } else { Err(KeyFault::OtherKey.error()) }
}

/// Versions tried by operations that name none, newest first; no more than these, so that work is bounded.
const VERSIONS_TRIED_MAX: usize = 16;

fn valid_versions(key: &Key) -> Vec<u64> {
    let valid = key.versions.iter().rev().map(|version| version.number);
    valid.filter(|number| *number >= key.settings.min_decryption).take(VERSIONS_TRIED_MAX).collect()
}
