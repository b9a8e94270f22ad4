//! Cubbyholes: a private place for each service token, gone with it. Keyed by the token's id, so that not even root reads
//! another's. It must never be reachable through any other path.

use async_trait::async_trait;
use cardea_model::{Body, Error, NamespaceId, Params, Payload, TokenKind};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Engine, Outcome};
use cardea_storage::record::{Record, Wiped};
use cardea_storage::txn::Txn;
use cardea_storage::view::View;

/// Entries removed with a token in one batch.
const FORGET_A_STEP: usize = 30;

/// The engine.
pub struct Cubbyhole;

/// What is kept: the object as it was written.
pub struct Kept(Payload);

impl Record for Kept {
    const KIND: &'static str = "cubbyhole";

    fn encode(&self) -> Result<Wiped, Error> {
        let mut out = Wiped::new(vec![1]);
        out.extend_from_slice(self.0.text().as_bytes());
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((1, text)) => String::from_utf8(text.to_vec())
                .map_err(|_| Error::internal("a cubbyhole entry is not UTF-8"))
                .and_then(Payload::parse)
                .map(Self),
            _ => Err(Error::internal("a cubbyhole entry was written by another release")),
        }
    }
}

/// Operations; paths are relative to the caller's own cubbyhole.
pub enum Op {
    Read { path: String },
    Write { path: String, data: Payload },
    Delete { path: String },
    List { path: String },
}

fn path(params: &Params) -> Result<String, Error> {
    params.capture("path").map(str::to_owned).ok_or_else(|| Error::invalid("missing `path`"))
}

static ROUTES: &[Route<Op>] = &[
    Route::list("list", "{path..?}", |p| Ok(Bound { op: Op::List { path: path(p)? }, unknown: Vec::new() }))
        .help("Names in the calling token's cubbyhole."),
    Route::read("read", "{path..}", |p| Ok(Bound { op: Op::Read { path: path(p)? }, unknown: Vec::new() }))
        .help("Reads an entry of the calling token's cubbyhole."),
    Route::write("write", "{path..}", |p| {
        Ok(Bound { op: Op::Write { path: path(p)?, data: p.body_object()? }, unknown: Vec::new() })
    })
    .upsert()
    .help("Writes an entry of the calling token's cubbyhole.")
    .example("{\"key\": \"value\"}"),
    Route::delete("delete", "{path..}", |p| Ok(Bound { op: Op::Delete { path: path(p)? }, unknown: Vec::new() }))
        .help("Deletes an entry of the calling token's cubbyhole."),
];

/// The scope of a caller's entries.
fn place(cx: &Context<'_>, path: &str) -> Result<String, Error> {
    match cx.caller {
        Some(caller) if caller.kind == TokenKind::Service && !caller.token_id.is_empty() => {
            Ok(format!("{}/{path}", caller.token_id))
        }
        Some(_) => Err(Error::invalid("cubbyhole operations are only supported by service tokens")),
        None => Err(Error::denied()),
    }
}

#[async_trait]
impl Engine for Cubbyhole {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "cubbyhole"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        ROUTES
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::Write { path, .. } => {
                let name = place(cx, path)?;
                own(cx).exists::<Kept>(&name).await
            }
            _ => Ok(false),
        }
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::Read { path } => {
                let name = place(cx, path)?;
                let kept = own(cx).get::<Kept>(&name).await?.ok_or_else(Error::not_found)?;
                Ok(Done::body(Body::Object(kept.0)))
            }
            Op::Write { path, data } => {
                let name = place(cx, path)?;
                own(cx).put(&name, &Kept(data.duplicate()))?;
                Ok(Done::empty())
            }
            Op::Delete { path } => {
                let name = place(cx, path)?;
                own(cx).delete::<Kept>(&name);
                Ok(Done::empty())
            }
            Op::List { path } => {
                let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
                let place = place(cx, &folder)?;
                Done::keys(own(cx).children::<Kept>(&place, None, cardea_model::limit::LIST_ENTRIES_MAX).await?)
            }
        }
    }
}

/// Entries lie beside the tokens and not under the mount's id, so that removing a token can find them.
fn own<'c>(cx: &'c mut Context<'_>) -> View<'c> {
    let namespace = cx.mount.namespace.clone();
    View::new(cx.state.kernel_side(), &namespace, "cubbyholes")
}

/// Removes what a token kept, as much as fits beside the token's own records; the rest goes with the next step.
pub async fn forget(txn: &mut Txn, namespace: &NamespaceId, token: &str) -> Result<bool, Error> {
    let mut view = View::new(txn, namespace, "cubbyholes");
    let names = view.names::<Kept>(&format!("{token}/"), None, FORGET_A_STEP).await?;
    for name in &names {
        view.delete::<Kept>(name);
    }
    Ok(names.len() < FORGET_A_STEP)
}
