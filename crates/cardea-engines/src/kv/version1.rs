//! Version 1 of `kv`: one value a path, and nothing of versions on the wire. It stands on the records of version 2, where each
//! write leaves the newest version alone; so other dialects read the same secrets, and a mount becomes one of version 2 by its
//! option, with nothing to convert. It must never keep a value that was replaced, nor take from another dialect what only
//! version 2 can keep.

use crate::kv::forms::object_of;
use crate::kv::input::list_folder;
use crate::kv::routes::{self, Op};
use crate::kv::{Kv, ops, posture};
use cardea_model::operation::{PolicyAct, SecretAct, VersionRef};
use cardea_model::secret::SecretAnswer;
use cardea_model::{Body, CanonicalPath, Cause, Error, Params, Payload, SecretOp, loose};
use cardea_sdk::engine::SharedOp;
use cardea_sdk::posture::Postures;
use cardea_sdk::{Attached, Bound, Context, Done, Engine, Outcome, Route, async_trait};
use serde_json::value::RawValue;

/// The engine; it has no state of its own.
pub struct KvV1;

static ROUTES: &[Route<Op>] = &[
    Route::list("list", "{path..?}", |p| Bound::try_read(p, list_folder))
        .clear(&["after", "limit"])
        .help("Lists the names in a folder; subfolders end in a slash. With after and limit it answers a part."),
    Route::read("read", "{path..}", |p| {
        let op = SecretOp::Read { path: path(p)?, version: VersionRef::Current };
        Bound::plain(p, Op::Secret(op))
    })
    .shape(read_form)
    .help("Reads a value. Its own member ttl or lease says how long it may be used before it is asked for again."),
    Route::write("write", "{path..}", write)
        .upsert()
        .shape(|_| Ok(Body::Empty))
        .help("Writes a value in place of the one that was there; all members of the body are the value.")
        .example(r#"{"username": "app", "password": "example"}"#),
    Route::delete("delete", "{path..}", |p| {
        let op = Op::MetadataDelete { path: path(p)? };
        Bound::plain(p, op)
    })
    .help("Deletes a value for good."),
];

fn path(params: &Params) -> Result<CanonicalPath, Error> {
    CanonicalPath::parse(params.capture("path").ok_or_else(|| Error::invalid("missing `path`"))?)
}

/// Every member is part of the value, one called `path` too.
fn write(params: &Params) -> Result<Bound<Op>, Error> {
    if params.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    let op = SecretOp::Write { path: path(params)?, payload: params.body_object()?, check_version: None };
    Ok(Bound { op: Op::Secret(op), unknown: Vec::new() })
}

fn read_form(mut answer: SecretAnswer) -> Result<Body, Error> {
    let payload = answer.payload.take().ok_or_else(Error::not_found)?;
    Ok(Body::Object(object_of(payload, answer.version.content)))
}

/// What a value says of its own life, in seconds. Looked for without reading the rest of it.
fn own_ttl_s(payload: &Payload) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Hints<'a> {
        #[serde(borrow, default)]
        ttl: Option<&'a RawValue>,
        #[serde(borrow, default)]
        lease: Option<&'a RawValue>,
    }
    let hints: Hints<'_> = serde_json::from_str(payload.text()).ok()?;
    let said = serde_json::from_str::<loose::Duration>(hints.ttl.or(hints.lease)?.get());
    said.ok().map(|duration| duration.0.0)
}

fn one_version() -> Error {
    let words =
        "this mount is kv version 1, which keeps one value and no labels, windows or rotations: raise it to version 2";
    Error::new(Cause::Invalid, words)
}

#[async_trait]
impl Engine for KvV1 {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "kv"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::Secret(SecretOp::Read { path, version }) => {
                let answer = ops::read(cx, path, version).await?;
                let (default_s, _) = cx.system.ttl_s(cx.mount);
                let fresh_s = answer.payload.as_ref().and_then(own_ttl_s).unwrap_or(default_s);
                Ok(Done::fresh(Body::Secret(Box::new(answer)), fresh_s))
            }
            Op::Secret(SecretOp::Write { path, payload, check_version: None }) => {
                let answer = ops::replace(cx, path, payload).await?;
                Ok(Done::body(Body::Secret(Box::new(answer))))
            }
            Op::List { .. }
            | Op::MetadataDelete { .. }
            | Op::Secret(
                SecretOp::One {
                    act:
                        SecretAct::Read { .. }
                        | SecretAct::Describe
                        | SecretAct::Versions
                        | SecretAct::Policy(PolicyAct::Read | PolicyAct::List),
                    ..
                }
                | SecretOp::List(_)
                | SecretOp::ReadMany(_)
                | SecretOp::Password(_)
                | SecretOp::CheckPolicy { .. },
            ) => Kv.handle(cx, op).await,
            _ => Err(one_version()),
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        Kv.exists(cx, op).await
    }

    fn attaches(&self) -> bool {
        true
    }

    /// One that was attached while the mount was of version 2 holds.
    async fn attached(&self, cx: &mut Context<'_>, op: &Op) -> Result<Option<Attached>, Error> {
        Kv.attached(cx, op).await
    }

    fn postures(&self) -> Option<&dyn Postures> {
        Some(&posture::OfMount)
    }

    fn shared_routes(&self) -> &'static [Route<Op>] {
        routes::SHARED_ROUTES
    }

    /// Policies know a secret by its path alone, whatever part of it is asked about.
    fn secret(&self, op: SecretOp) -> Option<SharedOp<Op>> {
        let (route, path) = match &op {
            SecretOp::Read { path, .. } => ("read", path.to_string()),
            SecretOp::One {
                secret,
                act:
                    SecretAct::Read { .. }
                    | SecretAct::Describe
                    | SecretAct::Versions
                    | SecretAct::Policy(PolicyAct::Read | PolicyAct::List),
            } => ("read", secret.path.to_string()),
            SecretOp::One { secret, act: SecretAct::Delete { .. } } => ("delete", secret.path.to_string()),
            SecretOp::One { secret, .. } => ("write", secret.path.to_string()),
            SecretOp::Write { path, .. } => ("write", path.to_string()),
            SecretOp::List(_) => ("secrets-list", "metadata/".to_owned()),
            SecretOp::ReadMany(_) => ("secrets-read", "data/".to_owned()),
            SecretOp::Password(_) => ("random-password", "random-password".to_owned()),
            SecretOp::CheckPolicy { .. } => ("policy-check", "policy-check".to_owned()),
        };
        Some(SharedOp { op: Op::Secret(op), route, path })
    }
}
