//! `sys/wrapping`: wrap, lookup, rewrap, unwrap. A wrapped answer is taken out exactly once.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::Extra;
use crate::tokens;
use crate::wrapping::{self, Content, Surroundings};
use cardea_model::{Action, Body, Error, Params, Payload, SecretText, TtlSeconds};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The words that clients know.
const GONE: &str = "wrapping token is not valid or does not exist";

pub enum Op {
    Wrap { data: Payload },
    Lookup { token: SecretText },
    Rewrap { token: SecretText },
    Unwrap { token: SecretText },
}

#[derive(Deserialize)]
struct TokenInput {
    #[serde(default)]
    token: SecretText,
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    fn wrap(p: &Params) -> Result<Bound<SysOp>, Error> {
        Ok(Bound { op: SysOp::Wrapping(Op::Wrap { data: p.body_object()? }), unknown: Vec::new() })
    }
    fn lookup(p: &Params) -> Result<Bound<SysOp>, Error> {
        Bound::read(p, |i: TokenInput| SysOp::Wrapping(Op::Lookup { token: i.token }))
    }
    vec![
        Route::write("wrapping-wrap", "wrapping/wrap", wrap)
            .help("Wraps any JSON object; the TTL comes with the header.")
            .example("{\"key\": \"value\"}"),
        Route::write("wrapping-lookup", "wrapping/lookup", lookup)
            .access(Access::Anonymous)
            .help("Creation path, time and TTL of a wrapping token, without using it."),
        Route::read("wrapping-lookup-read", "wrapping/lookup", lookup)
            .access(Access::Anonymous)
            .help("Creation path, time and TTL of the calling wrapping token."),
        Route::write("wrapping-rewrap", "wrapping/rewrap", |p| {
            Bound::read(p, |i: TokenInput| SysOp::Wrapping(Op::Rewrap { token: i.token }))
        })
        .help("Moves a wrapped answer to a new wrapping token."),
        Route::write("wrapping-unwrap", "wrapping/unwrap", |p| {
            Bound::read(p, |i: TokenInput| SysOp::Wrapping(Op::Unwrap { token: i.token }))
        })
        // Possession of the wrapping token is what it takes; whoever unwraps for it with another token needs a policy too.
        .access(Access::Anonymous)
        .help("The wrapped answer, once."),
    ]
}

/// The id of the wrapping token that is meant: the one in the body, else the one that calls.
fn meant(active: &Active, cx: &Context<'_>, token: &SecretText) -> Result<String, Error> {
    if !token.is_empty() {
        return Ok(active.hashes.token_id(token.expose()));
    }
    cx.caller
        .map(|caller| caller.token_id.clone())
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::invalid("missing \"token\" value in input"))
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    let keyring = active.barrier.keyring()?;
    let now = cx.now;
    let at = Surroundings { hashes: &active.hashes, keyring: &keyring, rng: &*active.rng, namespace: &namespace, now };
    match op {
        Op::Wrap { data } => {
            let content = Content::Answer {
                data: Some(data.duplicate()),
                lease_id: String::new(),
                lease_ttl_s: 0,
                renewable: false,
                auth: None,
                warnings: Vec::new(),
                mount_kind: "system".to_owned(),
            };
            // With a TTL in the header the pipeline would wrap this answer; the object itself is what is wanted.
            let ttl = cx.wrap_ttl.filter(|ttl| ttl.0 > 0);
            let ttl = ttl.ok_or_else(|| Error::invalid("endpoint requires response wrapping to be used"))?;
            if ttl.0 > active.settings.max_ttl_s {
                return Err(Error::invalid("the wrapping TTL is longer than the system's maximum"));
            }
            let (facts, _) = wrapping::wrap(cx.state.kernel_side(), &at, ttl, "sys/wrapping/wrap", None, content)?;
            Ok(Extra::with(Body::Empty, Extra { wrap: Some(facts), ..Extra::default() }))
        }
        Op::Lookup { token } => {
            let id = meant(active, cx, token)?;
            let wrapped = wrapping::look(cx.state.kernel_side(), &namespace, &id, now)
                .await?
                .ok_or_else(|| Error::invalid(GONE))?;
            #[derive(Serialize)]
            struct Answer {
                creation_path: String,
                creation_time: String,
                creation_ttl: u64,
            }
            Done::object(&Answer {
                creation_path: wrapped.creation_path,
                creation_time: wrapped.created.rfc3339(),
                creation_ttl: wrapped.ttl_s,
            })
        }
        Op::Rewrap { token } => {
            let id = meant(active, cx, token)?;
            let wrapped = wrapping::take(cx.state.kernel_side(), &active.hashes, &namespace, &id, now)
                .await?
                .ok_or_else(|| Error::invalid(GONE))?;
            let ttl = TtlSeconds(wrapped.ttl_s);
            let (facts, _) = wrapping::wrap(
                cx.state.kernel_side(),
                &at,
                ttl,
                &wrapped.creation_path,
                wrapped.wrapped_accessor,
                wrapped.content,
            )?;
            Ok(Extra::with(Body::Empty, Extra { wrap: Some(facts), ..Extra::default() }))
        }
        Op::Unwrap { token } => {
            let Some(caller) = cx.caller else { return Err(Error::invalid(GONE)) };
            let id = meant(active, cx, token)?;
            if caller.token_id != id && !cx.rights.allows(Action::Update, "sys/wrapping/unwrap") {
                return Err(Error::denied().with_detail("no policy allows sys/wrapping/unwrap"));
            }
            // A caller with another token must not be able to unwrap what is no wrapping token.
            if tokens::find_live(cx.state.kernel_side(), &namespace, &id, now)
                .await?
                .is_none_or(|found| !found.wrapping)
            {
                return Err(Error::invalid(GONE));
            }
            let wrapped = wrapping::take(cx.state.kernel_side(), &active.hashes, &namespace, &id, now)
                .await?
                .ok_or_else(|| Error::invalid(GONE))?;
            Ok(Extra::with(Body::Empty, Extra { replay: Some(wrapped.content), ..Extra::default() }))
        }
    }
}
