//! `sys/leases`: look up, list, renew, revoke. What needs the source (renew, synchronous revoke) is an effect like any other.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::jobs::{self, Job};
use crate::leases::{self, LeaseState};
use crate::metrics::Metrics;
use crate::system::upgrade;
use crate::{revoker, surroundings, token_leases, tokens, ttl};
use async_trait::async_trait;
use cardea_model::{Action, Body, Error, LeaseFacts, NamespaceId, Params, Timestamp, TtlSeconds, loose};
use cardea_sdk::external::External;
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Effect, ExternalError, Lease, Outcome, OutsideContext, Plan, Recovery};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

pub enum Op {
    Lookup { id: String },
    List { prefix: String, after: Option<String>, limit: usize },
    Renew { id: String, increment: Option<TtlSeconds> },
    Revoke { id: String, sync: bool },
    RevokePrefix { prefix: String, force: bool, sync: bool },
    Count { irrevocable: bool },
    Stuck,
    Tidy,
    Thaw,
}

#[derive(Deserialize)]
struct IdInput {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    url_lease_id: String,
    #[serde(default)]
    increment: Option<loose::Duration>,
    #[serde(default)]
    sync: loose::Flag,
}

impl IdInput {
    fn id(&self) -> Result<String, Error> {
        let id = if self.url_lease_id.is_empty() { &self.lease_id } else { &self.url_lease_id };
        if id.is_empty() { Err(Error::invalid("lease_id must be specified")) } else { Ok(id.clone()) }
    }
}

#[derive(Deserialize)]
struct PrefixInput {
    prefix: String,
    #[serde(default)]
    sync: loose::Flag,
}

#[derive(Deserialize)]
struct ListInput {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<loose::Int>,
}

#[derive(Deserialize)]
struct CountInput {
    #[serde(rename = "type", default)]
    kind: String,
}

fn lookup(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: IdInput| Ok(SysOp::Leases(Op::Lookup { id: i.id()? })))
}
fn renew(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: IdInput| {
        Ok(SysOp::Leases(Op::Renew { id: i.id()?, increment: i.increment.and_then(loose::Duration::none_if_zero) }))
    })
}
fn revoke(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: IdInput| Ok(SysOp::Leases(Op::Revoke { id: i.id()?, sync: i.sync.0 })))
}
fn revoke_prefix(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: PrefixInput| SysOp::Leases(Op::RevokePrefix { prefix: i.prefix, force: false, sync: i.sync.0 }))
}
fn revoke_force(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: PrefixInput| SysOp::Leases(Op::RevokePrefix { prefix: i.prefix, force: true, sync: i.sync.0 }))
}
fn list(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: ListInput| {
        let most = cardea_model::limit::LIST_ENTRIES_MAX;
        let limit = i.limit.and_then(|n| usize::try_from(n.0).ok()).filter(|n| *n > 0).unwrap_or(most).min(most);
        SysOp::Leases(Op::List { prefix: i.prefix, after: i.after, limit })
    })
}

fn how_many(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: CountInput| match i.kind.as_str() {
        "" => Ok(SysOp::Leases(Op::Count { irrevocable: false })),
        "irrevocable" => Ok(SysOp::Leases(Op::Count { irrevocable: true })),
        _ => Err(Error::invalid("`type` is irrevocable, or absent for all leases")),
    })
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::write("leases-lookup", "leases/lookup", lookup)
            .clear(&["lease_id"])
            .help("Facts of one lease.")
            .example("{\"lease_id\": \"database/creds/payments/abc\"}"),
        Route::list("leases-list", "leases/lookup/{prefix..?}", list)
            .access(Access::Sudo)
            .help("Leases below a prefix."),
        Route::write("leases-renew", "leases/renew", renew)
            .clear(&["lease_id", "increment"])
            .help("Extends a lease, at the source too."),
        Route::write("leases-renew-url", "leases/renew/{url_lease_id..}", renew)
            .clear(&["increment"])
            .help("Extends a lease, at the source too."),
        Route::write("renew", "renew", renew).clear(&["lease_id", "increment"]).help("Older name of leases/renew."),
        Route::write("renew-url", "renew/{url_lease_id..}", renew)
            .clear(&["increment"])
            .help("Older name of leases/renew."),
        Route::write("leases-revoke", "leases/revoke", revoke)
            .clear(&["lease_id", "sync"])
            .help("Revokes a lease; with sync, answers once the source confirmed."),
        Route::write("leases-revoke-url", "leases/revoke/{url_lease_id..}", revoke)
            .clear(&["sync"])
            .help("Revokes a lease."),
        Route::write("revoke", "revoke", revoke).clear(&["lease_id", "sync"]).help("Older name of leases/revoke."),
        Route::write("revoke-url", "revoke/{url_lease_id..}", revoke)
            .clear(&["sync"])
            .help("Older name of leases/revoke."),
        Route::write("leases-revoke-prefix", "leases/revoke-prefix/{prefix..}", revoke_prefix)
            .access(Access::Sudo)
            .clear(&["sync"])
            .help("Revokes every lease below a prefix."),
        Route::write("revoke-prefix", "revoke-prefix/{prefix..}", revoke_prefix)
            .access(Access::Sudo)
            .clear(&["sync"])
            .help("Older name of leases/revoke-prefix."),
        Route::write("leases-revoke-force", "leases/revoke-force/{prefix..}", revoke_force).access(Access::Sudo).help(
            "Forgets every lease below a prefix even if its source does not confirm; credentials may stay there.",
        ),
        Route::write("revoke-force", "revoke-force/{prefix..}", revoke_force)
            .access(Access::Sudo)
            .help("Older name of leases/revoke-force."),
        Route::read("leases-count", "leases/count", how_many).clear(&["type"]).help(
            "How many leases there are; with type=irrevocable, how many their source has refused to end, by mount.",
        ),
        Route::read("leases-stuck", "leases/stuck", |p| Bound::plain(p, SysOp::Leases(Op::Stuck)))
            .access(Access::Sudo)
            .help("Mounts whose source does not take revocations, and why."),
        Route::write("leases-tidy", "leases/tidy", |p| Bound::plain(p, SysOp::Leases(Op::Tidy)))
            .status(202)
            .help("Looks at everything that is due now; it is done all the time anyway."),
        Route::write("leases-thaw", "leases/thaw", |p| Bound::plain(p, SysOp::Leases(Op::Thaw)))
            .access(Access::Sudo)
            .action(Action::Update)
            .help("After an older store was accepted: lets revocation go on."),
    ]
}

/// Tokens revoked in the commit of the request that asked for a prefix: each costs a read, two writes and a job.
const TOKENS_AT_ONCE: usize = 8;
/// Tokens looked at for that.
const TOKENS_LOOKED_AT_ONCE: usize = 64;

#[derive(Serialize)]
struct LookupAnswer {
    id: String,
    issue_time: String,
    expire_time: String,
    last_renewal: Option<String>,
    renewable: bool,
    ttl: u64,
    state: LeaseState,
    attempts: u32,
    last_error: Option<String>,
}

/// The part of an id or prefix that a path capture may have kept its slash on.
fn folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

/// The facts of a token that a lease id means.
async fn lookup_token(cx: &mut Context<'_>, namespace: &NamespaceId, id: &str) -> Result<Outcome, Error> {
    let now = cx.now;
    let token = token_leases::find(cx.state.kernel_side(), namespace, id, now).await?;
    let token = token.ok_or_else(|| Error::invalid("invalid lease"))?;
    let expires = token.expires.unwrap_or(now);
    Done::object(&LookupAnswer {
        id: id.to_owned(),
        issue_time: token.created.rfc3339(),
        expire_time: expires.rfc3339(),
        last_renewal: token.last_renewal.map(Timestamp::rfc3339),
        renewable: token.renewable,
        ttl: expires.seconds_from(now),
        state: LeaseState::Active,
        attempts: 0,
        last_error: None,
    })
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    let now = cx.now;
    match op {
        Op::Lookup { id } => {
            let Some(lease) = leases::find(cx.state.kernel_side(), &namespace, id).await? else {
                return lookup_token(cx, &namespace, id).await;
            };
            Done::object(&LookupAnswer {
                id: lease.id,
                issue_time: lease.issued.rfc3339(),
                expire_time: lease.expires.rfc3339(),
                last_renewal: lease.last_renewal.map(Timestamp::rfc3339),
                renewable: lease.renewable && lease.state == LeaseState::Active,
                ttl: lease.expires.seconds_from(now),
                state: lease.state,
                attempts: lease.attempts,
                last_error: lease.last_error,
            })
        }
        Op::List { prefix, after, limit } => {
            let folder = folder(prefix);
            let txn = cx.state.kernel_side();
            let mut names = leases::children(txn, &namespace, &folder, after.as_deref(), *limit).await?;
            if folder.is_empty() && tokens::any_with_end(txn, &namespace).await? {
                names.push("auth/".to_owned());
            }
            if folder.starts_with("auth/") {
                let (more, whole) = token_leases::children(txn, &namespace, &folder, now).await?;
                names.extend(more);
                if !whole {
                    let most = token_leases::LOOKED_AT_MAX;
                    cx.warn(format!("only the first {most} tokens were looked at: the list may lack some"));
                }
            }
            names.retain(|name| after.as_ref().is_none_or(|after| name > after));
            names.sort_unstable();
            names.dedup();
            names.truncate(*limit);
            Done::keys(names)
        }
        Op::Renew { id, .. } if token_leases::find(cx.state.kernel_side(), &namespace, id, now).await?.is_some() => {
            Err(Error::invalid("tokens cannot be renewed through this endpoint"))
        }
        Op::Renew { id, increment } => renew_plan(cx, &namespace, id, *increment, now).await,
        Op::Revoke { id, sync } => {
            let known = leases::mark_revoking(cx.state.kernel_side(), &namespace, id, now).await?;
            if !known && let Some(token) = token_leases::find(cx.state.kernel_side(), &namespace, id, now).await? {
                tokens::revoke(cx.state.kernel_side(), &namespace, &token.id, false).await?;
                return Ok(Extra::after(After::Wake));
            }
            if *sync && known {
                let effect = Effect::of("revoke", &RevokeEffect { ids: vec![id.clone()], force: false })?;
                return Ok(Outcome::External(Plan { effect, lease: None, recovery: Recovery::Undo }));
            }
            Ok(Extra::after(After::Wake))
        }
        Op::RevokePrefix { prefix, force, sync } => {
            // An id is a prefix of itself; a path is one only up to a slash.
            let exact = leases::find(cx.state.kernel_side(), &namespace, prefix).await?.is_some();
            let prefix = if exact { prefix.clone() } else { folder(prefix) };
            let tokens_after = match prefix.starts_with("auth/") {
                false => None,
                // The first of them in this commit, the rest by the job.
                true => {
                    let wanted = |token: &tokens::Token| tokens::is_below(token, &prefix);
                    let txn = cx.state.kernel_side();
                    tokens::revoke_each(txn, &namespace, "", TOKENS_LOOKED_AT_ONCE, TOKENS_AT_ONCE, wanted).await?
                }
            };
            let job =
                Job::RevokePrefix { namespace, prefix: prefix.clone(), force: *force, cursor: None, tokens_after };
            jobs::enqueue(cx.state.kernel_side(), &job)?;
            if *sync {
                let effect = Effect::of("revoke-prefix", &PrefixEffect { prefix, force: *force })?;
                return Ok(Outcome::External(Plan { effect, lease: None, recovery: Recovery::Undo }));
            }
            Ok(Extra::after(After::Wake))
        }
        Op::Count { irrevocable: false } => count(cx, &namespace).await,
        Op::Count { irrevocable: true } => count_irrevocable(active, cx).await,
        Op::Stuck => {
            #[derive(Serialize)]
            struct Stuck {
                mount: String,
                failures: u32,
                why: String,
            }
            #[derive(Serialize)]
            struct Answer {
                frozen: bool,
                mounts: Vec<Stuck>,
            }
            let mounts = active.mounts.now();
            let stuck = active.breakers.stuck().into_iter();
            let mounts = stuck
                .map(|(uuid, failures, why)| Stuck {
                    mount: mounts.by_uuid(&uuid).map(|m| m.path.clone()).unwrap_or(uuid),
                    failures,
                    why,
                })
                .collect();
            Done::object(&Answer { frozen: active.is_frozen(), mounts })
        }
        Op::Tidy => {
            cx.warn("Tidy operation successfully started. Any information from the operation will be printed to the server logs.");
            Ok(Extra::after(After::Wake))
        }
        Op::Thaw => {
            leases::thaw(cx.state.kernel_side());
            Ok(Extra::after(After::Thaw))
        }
    }
}

/// What alarms of Vault's users ask for.
async fn count_irrevocable(active: &Active, cx: &mut Context<'_>) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Count {
        lease_count: usize,
        /// By the accessor of the mount.
        counts: BTreeMap<String, usize>,
    }
    let mut counts = BTreeMap::new();
    let now = cx.now;
    for mount in active.mounts.now().iter() {
        let found = leases::irrevocable(cx.state.kernel_side(), mount, now).await?;
        if found > 0 {
            counts.insert(mount.accessor.clone(), found);
        }
    }
    Done::object(&Count { lease_count: counts.values().sum(), counts })
}

async fn count(cx: &mut Context<'_>, namespace: &NamespaceId) -> Result<Outcome, Error> {
    /// Leases counted before the answer says "at least": counting walks the index.
    const COUNT_MAX: usize = 100_000;
    #[derive(Serialize)]
    struct Count {
        lease_count: usize,
        at_least: bool,
    }
    let found = leases::under(cx.state.kernel_side(), namespace, "", None, COUNT_MAX).await?.len();
    Done::object(&Count { lease_count: found, at_least: found == COUNT_MAX })
}

#[derive(Serialize, Deserialize)]
struct RenewEffect {
    id: String,
    expires: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct RevokeEffect {
    ids: Vec<String>,
    force: bool,
}

#[derive(Serialize, Deserialize)]
struct PrefixEffect {
    prefix: String,
    force: bool,
}

async fn renew_plan(
    cx: &mut Context<'_>,
    namespace: &NamespaceId,
    id: &str,
    increment: Option<TtlSeconds>,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let lease =
        leases::find(cx.state.kernel_side(), namespace, id).await?.ok_or_else(|| Error::invalid("lease not found"))?;
    if lease.state != LeaseState::Active || !lease.renewable {
        return Err(Error::invalid("lease is not renewable"));
    }
    let (expires, capped) = ttl::renewed(now, lease.term(), increment, lease.ttl_s)?;
    if capped {
        cx.warn(format!(
            "TTL of the renewal exceeds the maximum: the lease ends after {}",
            cardea_model::time::go_duration(expires.seconds_from(now))
        ));
    }
    let effect = Effect::of("renew", &RenewEffect { id: id.to_owned(), expires })?;
    Ok(Outcome::External(Plan { effect, lease: None, recovery: Recovery::Undo }))
}

/// Effects of `sys/leases`: they go through the engine that made the lease.
pub struct LeaseEffects {
    active: Weak<Active>,
}

impl LeaseEffects {
    #[must_use]
    pub fn new(active: Weak<Active>) -> Self {
        Self { active }
    }
}

#[async_trait]
impl External for LeaseEffects {
    async fn perform(&self, cx: &mut OutsideContext<'_>, effect: &Effect) -> Result<(), ExternalError> {
        let active = upgrade(&self.active)?;
        let namespace = cx.mount.namespace.clone();
        match effect.what.as_str() {
            "renew" => {
                let renew: RenewEffect = effect.read()?;
                let mut txn = active.sealed.txn();
                let lease = leases::find(&mut txn, &namespace, &renew.id)
                    .await?
                    .ok_or_else(|| Error::invalid("lease not found"))?;
                let mount = active
                    .mounts
                    .now()
                    .by_uuid(&lease.mount_uuid)
                    .cloned()
                    .ok_or_else(|| Error::invalid("the mount of the lease is gone"))?;
                let engine = active.engine(&mount)?;
                let revoker = engine.revoker().ok_or_else(|| Error::internal("the engine cannot renew"))?;
                let mut outside = active.sealed.txn();
                let mut inner = surroundings::outside(&active, &mut outside, &mount, cx.now);
                let made = lease.effect.effect();
                revoker.renew(&mut inner, &Lease { effect: &made, expires: renew.expires }).await
            }
            "revoke" => {
                let revoke: RevokeEffect = effect.read()?;
                for id in revoke.ids {
                    revoker::revoke_one(&active, &namespace, &id, revoke.force).await?;
                }
                Ok(())
            }
            "revoke-prefix" => {
                let prefix: PrefixEffect = effect.read()?;
                loop {
                    let mut txn = active.sealed.txn();
                    let page = leases::under(&mut txn, &namespace, &prefix.prefix, None, 64).await?;
                    if page.is_empty() {
                        return Ok(());
                    }
                    for id in page {
                        revoker::revoke_one_now(&active, &namespace, &id, prefix.force).await?;
                    }
                }
            }
            _ => Err(Error::internal("an unknown effect of sys/").into()),
        }
    }

    async fn settle(&self, cx: &mut Context<'_>, effect: &Effect) -> Result<Done, Error> {
        let active = upgrade(&self.active)?;
        if effect.what != "renew" {
            return Ok(Done::default());
        }
        let renew: RenewEffect = effect.read()?;
        let namespace = cx.mount.namespace.clone();
        let now = cx.now;
        let lease = leases::renewed(cx.state.kernel_side(), &namespace, &renew.id, renew.expires, now).await?;
        Metrics::add(&active.metrics.renewed, 1);
        let facts = LeaseFacts { id: lease.id, renewable: lease.renewable, ttl_s: lease.expires.seconds_from(now) };
        Ok(Done::kernel_side(Body::Empty, Box::new(Extra { lease: Some(facts), ..Extra::default() })))
    }
}
