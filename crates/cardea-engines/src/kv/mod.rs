//! `kv`: secrets with versions, as Vault's KV version 2 serves them; `version1` is version 1 over the same records. Read this
//! file, then `model.rs`, then `ops.rs`.
//!
//! A secret is one small pointer record (states of all versions, settings, labels) and one immutable record a payload.
//! What holds:
//!
//! - A payload is stored and served token for token; it is never parsed into values and never cached.
//! - A pointer and the payload that it points to are written in one transaction. Nothing serves a payload but by its
//!   pointer, so that removing a version from the pointer makes it unreadable at once.
//! - A version number is never used again within one secret id; a path that is deleted and written again has a new id.
//! - `current` is what a plain read serves. A write moves it to its own version, deleted or not, and the stage labels
//!   follow it; only a dialect with labels can prepare a version without moving it, or move it back. What is merely
//!   prepared (`AWSPENDING`) has a number, and is not read by it.
//! - A secret can be deleted as a whole with a recovery window (`Secret::deleted`). Meanwhile it reads as if it were not
//!   there, writing it is refused in clear words, and its name is taken; DELETE of its metadata removes it for good.
//! - A commit has room for a bounded number of removals. Where a deleted secret (40) or a pruned one (32) has more
//!   payloads than that, the rest becomes a `purge` record, and every later write and deletion in the mount removes up
//!   to 16 of them. Nobody can read them meanwhile: their pointer is gone.
//! - Reads and writes are `SecretOp`s. The routes `data-read` and `data-write` and every other dialect run the same code
//!   and are judged by policies as `data/<path>`. The other operations of such dialects are judged as the route of Vault's
//!   that does as much (`shared::equal_route`); lists are judged item by item.
//!
//! - A secret can have a rotation (`rotation`): its record says what is to be done next before it is done. The new value is
//!   a pending version, kept before the source hears of it, and becomes the current one after a login with it. This engine
//!   knows no source: the kernel asks the rotator that the settings name, and brings back what came of it.
//!
//! - A secret can have a resource policy (`policy`), a document of AWS's form that decides beside Vault's policies. It is kept
//!   byte for byte under the secret's id, and leaves with it.
//!
//! It must never answer a payload where a form asks for metadata, and its `transcripts/` are a promise to clients: each
//! file is a sequence that starts on a fresh mount at `secret/`. A request is `> METHOD path?query` with its JSON body on
//! the next line; its answer is `< status` with the JSON body on the next line. In the answer, the string `*` stands for
//! any value; the outermost object may have members that are not named, all inner objects are complete. Lines
//! that start with `#` are comments.

mod attached;
mod forms;
mod input;
mod model;
mod ops;
mod password;
mod places;
mod policy;
mod policy_forms;
mod posture;
mod query;
mod regions;
mod retirement;
mod rotation;
mod rotation_forms;
mod rotation_steps;
mod routes;
mod shared;
mod stray;
mod tree;
mod version1;

#[cfg(test)]
mod tests;

pub use crate::kv::version1::KvV1;

use crate::kv::forms::{SubkeysForm, config_form, metadata_form, version_form};
use crate::kv::ops::{Fate, Patched};
use crate::kv::routes::Op;
use cardea_model::mount::Mount;
use cardea_model::operation::SecretRef;
use cardea_model::secret::{SecretFault, SecretReport, split_regional};
use cardea_model::{Body, CanonicalPath, Error, Method, Payload, SecretOp};
use cardea_sdk::engine::SharedOp;
use cardea_sdk::posture::Postures;
use cardea_sdk::rotation::Rotates;
use cardea_sdk::{Attached, Context, Done, Engine, Outcome, Route, async_trait};

/// The engine of version 2; it has no state of its own.
pub struct Kv;

/// What the mount option `version` says of a mount that this file serves.
const VERSION_2: &str = "2";

/// The name by which policies know a part of a secret, such as its `data`. In version 1 a secret is one thing.
fn policy_name(mount: &Mount, part: &str, path: &str) -> String {
    match mount.version() {
        Some(VERSION_2) => format!("{}{part}/{path}", mount.path),
        _ => format!("{}{path}", mount.path),
    }
}

#[async_trait]
impl Engine for Kv {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "kv"
    }

    fn version(&self) -> &'static str {
        VERSION_2
    }

    fn stray_hint(&self, method: Method, path: &str) -> Option<&'static str> {
        Some(stray::hint(method, path))
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::ConfigRead => {
                let config = ops::config(cx).await?;
                Done::object(&config_form(&config))
            }
            Op::ConfigWrite(change) => ops::change_config(cx, change).await.map(|()| Done::empty()),
            Op::Secret(SecretOp::Read { path, version }) => {
                let answer = ops::read(cx, path, version).await?;
                Ok(Done::body(Body::Secret(Box::new(answer))))
            }
            Op::Secret(SecretOp::Write { path, payload, check_version }) => {
                let answer = ops::write(cx, path, payload, *check_version).await?;
                Ok(Done::body(Body::Secret(Box::new(answer))))
            }
            Op::Secret(SecretOp::One { secret, act }) => shared::act(cx, secret, act).await.map(Done::body),
            Op::Secret(SecretOp::List(query)) => {
                let page = query::list(cx, query).await?;
                Ok(Done::body(Body::Secrets(Box::new(SecretReport::Page(page)))))
            }
            Op::Secret(SecretOp::ReadMany(many)) => {
                let batch = query::read_many(cx, many).await?;
                Ok(Done::body(Body::Secrets(Box::new(SecretReport::Batch(batch)))))
            }
            Op::Secret(SecretOp::Password(wish)) => {
                let password = password::random(cx.rng, wish)?;
                Ok(Done::body(Body::Secrets(Box::new(SecretReport::Password(password)))))
            }
            Op::Secret(SecretOp::CheckPolicy { text }) => {
                let findings = policy::findings(text, true);
                Ok(Done::body(Body::Secrets(Box::new(SecretReport::PolicyCheck(findings)))))
            }
            Op::Patch { path, change, check } => match ops::patch(cx, path, change, *check).await? {
                Patched::Written(answer) => Ok(Done::body(Body::Secret(Box::new(answer)))),
                Patched::Gone(mut answer) => {
                    let form = Payload::of(&version_form(&mut answer))?;
                    Ok(Done::body(Body::Gone(form)))
                }
            },
            Op::DeleteCurrent { path } => ops::delete_current(cx, path).await.map(|()| Done::empty()),
            Op::Delete { path, versions } => {
                ops::change_versions(cx, path, versions, Fate::Delete).await.map(|()| Done::empty())
            }
            Op::Undelete { path, versions } => {
                ops::change_versions(cx, path, versions, Fate::Undelete).await.map(|()| Done::empty())
            }
            Op::Destroy { path, versions } => {
                ops::change_versions(cx, path, versions, Fate::Destroy).await.map(|()| Done::empty())
            }
            Op::Subkeys { path, version, depth } => {
                let mut answer = ops::read(cx, path, version).await?;
                let payload = answer.payload.take();
                let subkeys = payload.map(|payload| tree::skeleton(&payload, *depth)).transpose()?;
                let gone = subkeys.is_none();
                let form = Payload::of(&SubkeysForm { subkeys, metadata: version_form(&mut answer) })?;
                Ok(Done::body(if gone { Body::Gone(form) } else { Body::Object(form) }))
            }
            Op::List { folder, page } => Done::keys(ops::list(cx, folder, page).await?),
            Op::MetadataRead { path } => {
                let (pointer, config) = ops::metadata(cx, path).await?;
                Done::object(&metadata_form(&pointer, &config))
            }
            Op::MetadataWrite { path, change } => {
                ops::change_metadata(cx, path, change, true).await.map(|()| Done::empty())
            }
            Op::MetadataPatch { path, change } => {
                ops::change_metadata(cx, path, change, false).await.map(|()| Done::empty())
            }
            Op::MetadataDelete { path } => {
                rotation::warn_of_removal(cx, path).await?;
                ops::delete_secret(cx, path).await.map(|()| Done::empty())
            }
            Op::Posture(act) => posture::handle(cx, act).await,
            Op::Rotation { path, act } => {
                use crate::kv::rotation_forms::{RotationAct, form, proof_form};
                let shown = match act {
                    RotationAct::Read => rotation::read(cx, path).await?,
                    RotationAct::Configure(change) => rotation::configure(cx, path, change).await?,
                    RotationAct::Remove => return rotation::remove(cx, path).await.map(|()| Done::empty()),
                    RotationAct::Begin { emergency } => rotation::begin(cx, path, *emergency).await?,
                    RotationAct::Cancel => rotation::cancel(cx, path).await?,
                    RotationAct::RollBack => rotation::roll_back(cx, path).await?,
                    RotationAct::Revoke => rotation::revoke(cx, path).await?,
                    RotationAct::Acknowledge { version } => {
                        return retirement::acknowledge(cx, path, *version).await.map(|()| Done::empty());
                    }
                    RotationAct::Proof => {
                        let proof = retirement::proof(cx, path).await?;
                        return Done::object(&proof_form(&proof));
                    }
                };
                Done::object(&form(&shown))
            }
            Op::PolicyRead { path } => match policy::read(cx, &whole(path)).await {
                Ok((secret, Some(text))) => Done::object(&policy_forms::form(&secret, &text)),
                Ok((_, None)) => Err(Error::not_found()),
                // As everything reads here that is marked for deletion.
                Err(error) if SecretFault::of(&error).is_some() => Err(Error::not_found()),
                Err(error) => Err(error),
            },
            Op::PolicyWrite { path, new } => policy::put(cx, &whole(path), new).await.map(|_| Done::empty()),
            Op::PolicyDelete { path } => policy::delete(cx, &whole(path)).await.map(|_| Done::empty()),
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op.path() {
            Some(path) => ops::exists(cx, path).await,
            None => Ok(true),
        }
    }

    fn attaches(&self) -> bool {
        true
    }

    async fn attached(&self, cx: &mut Context<'_>, op: &Op) -> Result<Option<Attached>, Error> {
        attached::of_op(cx, op).await
    }

    async fn secret_path(
        &self,
        cx: &mut Context<'_>,
        secret: &SecretRef,
        makes: bool,
    ) -> Result<Option<CanonicalPath>, Error> {
        regions::path_of(cx, secret, makes).await.map(Some)
    }

    fn stands_under<'p>(&self, path: &'p str) -> Option<&'p str> {
        split_regional(path).map(|(path, _)| path)
    }

    fn postures(&self) -> Option<&dyn Postures> {
        Some(&posture::OfMount)
    }

    fn rotates(&self) -> Option<&dyn Rotates> {
        Some(self)
    }

    fn shared_routes(&self) -> &'static [Route<Op>] {
        routes::SHARED_ROUTES
    }

    /// Which of the routes below it is equal to: so much may whoever may do that.
    fn secret(&self, op: SecretOp) -> Option<SharedOp<Op>> {
        let (route, path) = match &op {
            SecretOp::Read { path, .. } => ("data-read", format!("data/{path}")),
            SecretOp::Write { path, .. } => ("data-write", format!("data/{path}")),
            SecretOp::One { secret, act } => {
                let (route, form) = shared::equal_route(act);
                (route, format!("{form}/{}", secret.path))
            }
            SecretOp::List(_) => ("secrets-list", "metadata/".to_owned()),
            SecretOp::ReadMany(_) => ("secrets-read", "data/".to_owned()),
            SecretOp::Password(_) => ("random-password", "random-password".to_owned()),
            SecretOp::CheckPolicy { .. } => ("policy-check", "policy-check".to_owned()),
        };
        Some(SharedOp { op: Op::Secret(op), route, path })
    }
}

/// A secret that is meant by its path alone.
fn whole(path: &CanonicalPath) -> SecretRef {
    SecretRef { path: path.clone(), short_id: None, region: None }
}
