//! `transit`: keys that encrypt, sign and authenticate for programs that never see them, as Vault's engine does. Read this
//! file, then `model.rs`, then `ops.rs`.
//!
//! What holds:
//!
//! - Material leaves only by `export` and `backup`, and only if the key's owner allowed it, which cannot be taken back.
//! - A key's pointer and the material of its versions change in one transaction. What is trimmed or deleted is out of
//!   reach at once; the rest of its material is removed by later changes, some at a time.
//! - A key whose scheduled deletion has come is not there any more; its records and its material are removed by later changes
//!   in the mount, one key at a time.
//! - A version number is never used again within one key id; a key that is deleted and made again has a new id.
//! - An AEAD version with random nonces seals at most 2^32 messages: uses are reserved in blocks (`counter.rs`), and a key
//!   whose newest version has none left rotates by itself. Convergent keys draw no nonces and are not counted.
//! - A key may have counterparts in other regions (`regions.rs`): records of their own with one id, hence one material.
//! - Imported material may come for a time. Past it, or taken away by its owner, the key waits for the same to be imported
//!   again (`imported.rs`). A key's last use is kept to the hour (`last_use.rs`).
//! - `auto_rotate_period` is judged when a key is about to make something (encrypt, rewrap, datakey, sign, hmac): a key
//!   that is due rotates first, in the same transaction. A key that nobody uses does not rotate.
//! - A ciphertext is `vault:vN:` and base64 of nonce, ciphertext and tag. `decrypt` also takes the self-describing form of
//!   other dialects (`SealedBlob`, in base64) of the same key, where no additional data was authenticated.
//! - Derived keys are HKDF-SHA256 of the key with the context as info. Their ciphertexts are not those of Vault.
//! - What dialects share are `KeyOp`s. Each names the route that it equals, runs the same code, and is judged by policies
//!   by that route's path, with the key's name in it.
//!
//! - A key can have a policy document of AWS's form, and grants (`documents`, `grants`). The key's own record says whether there
//!   are any; without, they cost nothing. `actions` says what each operation is called in their language, whatever the door.
//!
//! Not offered: SHA-1 signatures, PKCS #1 v1.5 encryption, Ed25519ph, SHA3-224, RSA with SHA-224 or SHA-3, HMAC with
//! SHA-3, certificates and CSRs, managed keys.
//!
//! The form of `transcripts/` is that of `kv`; the mount is at `transit/`.

mod actions;
mod aliases;
mod counter;
mod documents;
mod forms;
mod grants;
mod imported;
mod input;
mod last_use;
mod manage;
mod model;
mod names;
mod ops;
mod regions;
mod routes;
mod shared;
mod transfer;
mod uses;

#[cfg(test)]
mod tests;

use crate::transit::counter::Counter;
use crate::transit::forms::{Data, ExportForm, One, VersionForm};
use crate::transit::model::KeyRecord;
use crate::transit::ops::refused;
use crate::transit::routes::Op;
use cardea_crypto::keys;
use cardea_model::key::{Key, KeyFault, KeyVersion};
use cardea_model::{Body, Error, KeyOp, KeyRef};
use cardea_sdk::attached::Attached;
use cardea_sdk::engine::SharedOp;
use cardea_sdk::{Context, Done, Engine, Outcome, Route, async_trait};

/// The engine; what it keeps in memory are counted uses, whose loss is harmless.
#[derive(Default)]
pub struct Transit {
    counter: Counter,
}

#[async_trait]
impl Engine for Transit {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "transit"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    fn shared_routes(&self) -> &'static [Route<Op>] {
        routes::SHARED
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::Shared(op) => Ok(Done::body(Body::Key(Box::new(self.shared(cx, op).await?)))),
            Op::Create { name, new } => match manage::create(cx, Some(name), new).await {
                Err(error) if KeyFault::of(&error) == Some(KeyFault::Exists) => {
                    cx.warn("key already existed");
                    let record = ops::find(cx, name).await?;
                    described(cx, &record.0, None).await
                }
                record => described(cx, &record?.0, None).await,
            },
            Op::Read { name, context } => {
                let record = ops::find(cx, name).await?;
                described(cx, &record.0, context.as_ref()).await
            }
            Op::List(page) => Done::keys(cx.state.children::<KeyRecord>("", page.after.as_deref(), page.most()).await?),
            Op::Delete { name } => manage::delete(cx, name).await.map(|()| Done::empty()),
            Op::Configure { name, change } => {
                let record = manage::configure(cx, name, change).await.map_err(no_such_key)?;
                described(cx, &record.0, None).await
            }
            Op::Rotate { name } => {
                let record = manage::rotate_primary(cx, name).await.map_err(no_such_key)?;
                described(cx, &record.0, None).await
            }
            Op::Trim { name, min_available } => {
                let record = manage::trim(cx, name, *min_available).await.map_err(no_such_key)?;
                described(cx, &record.0, None).await
            }
            Op::SoftDelete { name, deleted } => {
                manage::soft_delete(cx, name, *deleted).await.map_err(no_such_key).map(|_| Done::empty())
            }
            Op::Import { name, new, brought } => transfer::import(cx, name, new, brought).await.map(|_| Done::empty()),
            Op::ImportVersion { name, version, brought } => {
                let imported = transfer::import_version(cx, name, *version, brought).await;
                imported.map_err(no_such_key).map(|_| Done::empty())
            }
            Op::WrappingKey => {
                let material = transfer::wrapping_key(cx).await?;
                let pem = keys::pem("PUBLIC KEY", material.key.spki().map_err(refused)?);
                Done::object(&One("public_key", cardea_model::SecretText::new(pem.to_string())))
            }
            Op::Export { name, kind, versions } => {
                let keys = transfer::export(cx, name, *kind, *versions).await?;
                let record = ops::find(cx, name).await?;
                let (kind, _) = names::kind(record.0.algorithm);
                Done::object(&ExportForm { name: name.clone(), kind, keys })
            }
            Op::ExportWrapped { destination, source, versions, hash } => {
                let keys = transfer::export_wrapped(cx, destination, source, *versions, *hash).await?;
                let record = ops::find(cx, source).await?;
                let (kind, _) = names::kind(record.0.algorithm);
                Done::object(&ExportForm { name: source.clone(), kind, keys })
            }
            Op::CacheRead => Done::object(&forms::CacheForm { size: 0 }),
            Op::CacheWrite => {
                cx.warn("the size of the cache is not the mount's to choose: nothing was changed");
                Ok(Done::empty())
            }
            Op::Backup { name } => Done::object(&One("backup", transfer::backup(cx, name).await?)),
            Op::Restore { name, backup, force } => {
                transfer::restore(cx, name.as_deref(), backup, *force).await.map(|()| Done::empty())
            }
            Op::ConfigRead => Done::object(&*manage::config(cx).await?),
            Op::ConfigWrite { disable_upsert } => Done::object(&*manage::change_config(cx, *disable_upsert).await?),
            Op::Attached { name, about } => documents::handle(cx, name, about).await,
            Op::Use { name, using, batch } => self.use_key(cx, name, using, batch).await,
            Op::DataKey { name, with_plaintext, bytes, item } => {
                Done::object(&self.data_key(cx, name, *with_plaintext, *bytes, item).await?)
            }
            Op::Random { bytes, hex } => {
                let bytes = uses::fresh(cx, *bytes);
                Done::object(&One("random_bytes", forms::formatted(bytes.expose(), *hex)))
            }
            Op::Hash { algorithm, input, hex } => {
                let input = forms::decoded(Some(input), "unable to decode input as base64")?;
                let sum = keys::hash(*algorithm, input.expose());
                Done::object(&One("sum", forms::formatted(&sum, *hex)))
            }
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op.upserted() {
            Some(name) => cx.state.exists::<KeyRecord>(name).await,
            None => Ok(true),
        }
    }

    fn attaches(&self) -> bool {
        true
    }

    async fn attached(&self, cx: &mut Context<'_>, op: &Op) -> Result<Option<Attached>, Error> {
        documents::attached(cx, op).await
    }

    fn key(&self, op: KeyOp) -> Option<SharedOp<Op>> {
        Some(shared::bind(op))
    }

    async fn key_name(&self, cx: &mut Context<'_>, key: &KeyRef) -> Result<Option<String>, Error> {
        ops::name_of(cx, key).await
    }
}

/// What Vault's clients hear instead of "not found" when they change a key that is not there.
fn no_such_key(error: Error) -> Error {
    match error.cause {
        cardea_model::Cause::NotFound => Error::invalid("no existing key by this name could be found"),
        _ => error,
    }
}

/// What is known of a key; with a context, the public keys of that context.
async fn described(cx: &mut Context<'_>, key: &Key, context: Option<&Data>) -> Result<Outcome, Error> {
    let context = forms::decoded(context, "failed to base64-decode context")?;
    let mut versions = Vec::new();
    let valid = |version: &&KeyVersion| version.number >= key.settings.min_decryption && version.is_there(cx.now);
    let valid: Vec<&KeyVersion> = key.versions.iter().filter(valid).collect();
    for version in valid {
        let form = match key.algorithm.is_asymmetric() {
            false => VersionForm::Symmetric(version.created.unix_s()),
            true => {
                let material = ops::material(cx, key, version.number).await?;
                let derived = (key.settings.derived && !context.is_empty())
                    .then(|| material.key.derive(ops::CONTEXT_SALT, context.expose()))
                    .transpose()
                    .map_err(refused)?;
                let public_key = match (&derived, key.settings.derived) {
                    (Some(derived), _) => transfer::public_text(derived)?,
                    (None, true) => String::new(),
                    (None, false) => transfer::public_text(&material.key)?,
                };
                VersionForm::Asymmetric {
                    name: names::version_name(key.algorithm),
                    creation_time: version.created.rfc3339(),
                    public_key,
                    certificate_chain: "",
                }
            }
        };
        versions.push((version.number, form));
    }
    Done::object(&forms::key_form(key, versions))
}
