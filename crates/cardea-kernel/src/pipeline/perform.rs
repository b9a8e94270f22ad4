//! Effects outside, in three steps: the intent is committed with its record, then the source is called, then the outcome is
//! committed with the answer. Whatever dies in between, a record knows what may exist at the source.

use super::dispatch::{AnswerContent, RETRIES_MAX, Unreleased, content_of, ignored, shape_and_wrap, take_effect};
use super::record::Pending;
use crate::active::Active;
use crate::leases::{self, IntentRecord, LeaseRecord, LeaseState, StoredEffect};
use crate::metrics::Metrics;
use crate::surroundings::{self, AclRights};
use crate::{tokens, ttl};
use cardea_crypto::random::base62;
use cardea_model::{Error, LeaseFacts, Refusal, Timestamp, TokenKind};
use cardea_sdk::context::System;
use cardea_sdk::external::External;
use cardea_sdk::{Effect, ExternalError, Plan, Recovery};
use cardea_storage::store::CommitError;
use cardea_storage::txn::{Txn, commit_error};
use std::sync::Arc;
use std::time::Duration;

/// Longest an external call may take before its outcome counts as unknown. Plugins have their own, shorter limits.
const PERFORM_MAX: Duration = Duration::from_secs(90);

/// What was announced.
enum Announced {
    Lease(Box<LeaseRecord>),
    Intent(Box<IntentRecord>),
}

/// Commits the intent, performs, settles.
pub(super) async fn run(
    active: &Arc<Active>,
    mut pending: Pending,
    txn: Txn,
    plan: Plan,
    rights: &AclRights,
    warnings: Vec<String>,
) -> Result<Unreleased, Refusal> {
    let engine = pending.engine.clone();
    let Some(external) = engine.external() else {
        let error = Error::internal("an engine planned an effect that it cannot perform");
        return Err(pending.refuse(active, active.sealed.txn(), error, warnings).await);
    };
    if plan.lease.is_some() && engine.revoker().is_none() {
        let error = Error::internal("an engine asked for a lease that it cannot revoke");
        return Err(pending.refuse(active, active.sealed.txn(), error, warnings).await);
    }
    // From before the intent is visible: nobody may take it for one that a dead process left.
    let id = pending.id.0.clone();
    let _in_flight = active.log.in_flight(&id);
    let announced = match announce(active, &pending, txn, &plan).await {
        Ok(announced) => announced,
        Err(error) => return Err(pending.refuse(active, active.sealed.txn(), error, warnings).await),
    };
    pending.mark_announced();
    let performed = {
        let mut txn = active.sealed.txn();
        let mut cx = surroundings::outside(active, &mut txn, &pending.mount, pending.now);
        match tokio::time::timeout(PERFORM_MAX, external.perform(&mut cx, &plan.effect)).await {
            Ok(result) => result,
            Err(_) => {
                Err(ExternalError::unknown("the source did not answer in time", "time limit of the external call"))
            }
        }
    };
    match performed {
        Ok(()) => settle(active, pending, external, &plan.effect, announced, rights, warnings).await,
        Err(failed) => Err(abandon(active, pending, announced, failed, warnings).await),
    }
}

async fn announce(active: &Active, pending: &Pending, mut txn: Txn, plan: &Plan) -> Result<Announced, Error> {
    let effect = StoredEffect::of(&plan.effect)?;
    let announced = match &plan.lease {
        Some(offer) => {
            let (default_s, max_s) = active.ttl_s(&pending.mount);
            let offer_max = offer.max_ttl.map(|ttl| ttl.0).filter(|s| *s > 0);
            let (term, _) =
                ttl::first_term(pending.now, offer.ttl.filter(|ttl| ttl.0 > 0), default_s, &[Some(max_s), offer_max]);
            let caller = pending.caller.as_ref();
            // A batch token leaves no record to hang a lease on, and an access key may end before its token: the lease ends
            // with them at the latest.
            let ends_with = caller.filter(|c| c.kind == TokenKind::Batch).and_then(|c| c.expires);
            let cap = |at: Timestamp| ends_with.map_or(at, |end| at.min(end));
            let lease = LeaseRecord {
                id: format!("{}/{}", pending.name, *base62(&*active.rng, 24)),
                namespace: pending.mount.namespace.clone(),
                mount_uuid: pending.mount.uuid.clone(),
                path: pending.name.clone(),
                token: pending.holder.clone(),
                state: LeaseState::Pending,
                effect,
                issued: pending.now,
                expires: cap(term.expires),
                latest: cap(term.latest),
                ttl_s: cap(term.expires).seconds_from(pending.now),
                renewable: offer.renewable,
                last_renewal: None,
                due: cap(term.expires),
                attempts: 0,
                last_error: None,
                request: pending.id.0.clone(),
            };
            leases::announce(&mut txn, &lease)?;
            Announced::Lease(Box::new(lease))
        }
        None => {
            let intent = IntentRecord {
                id: pending.id.0.clone(),
                namespace: pending.mount.namespace.clone(),
                mount_uuid: pending.mount.uuid.clone(),
                path: pending.name.clone(),
                effect,
                recovery: plan.recovery,
                created: pending.now,
                attempts: 0,
                last_error: None,
                due: pending.now,
            };
            leases::put_intent(&mut txn, &intent)?;
            Announced::Intent(Box::new(intent))
        }
    };
    let lease = match &announced {
        Announced::Lease(lease) => Some(lease.as_ref()),
        Announced::Intent(_) => None,
    };
    if let Some(record) = pending.announced(lease)? {
        txn.append(record);
    }
    if pending.is_essential() {
        txn.mark_essential();
    }
    match txn.commit().await {
        Ok(_) => Ok(announced),
        // The plan was made from state that changed: the client tries again; nothing happened outside.
        Err(failed) => Err(commit_error(failed)),
    }
}

async fn settle(
    active: &Arc<Active>,
    mut pending: Pending,
    external: &dyn External,
    effect: &Effect,
    announced: Announced,
    rights: &AclRights,
    warnings: Vec<String>,
) -> Result<Unreleased, Refusal> {
    let mut last = Error::unavailable("too many concurrent changes, try again");
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let settled = settle_once(active, &mut pending, external, effect, &announced, rights, &mut txn).await;
        let (mut content, after) = match settled {
            Ok(settled) => settled,
            Err(error) => {
                last = error;
                break;
            }
        };
        content.warnings.extend(warnings.iter().cloned());
        content.warnings.extend(ignored(&pending.unknown));
        let record = match pending.completed(&content) {
            Ok(record) => record,
            Err(error) => {
                last = error;
                break;
            }
        };
        if let Some(record) = record {
            txn.append(record);
        }
        if pending.is_essential() {
            txn.mark_essential();
        }
        match txn.commit().await {
            Ok(committed) => {
                if matches!(announced, Announced::Lease(_)) {
                    Metrics::add(&active.metrics.lease_creation, 1);
                }
                let seal_after = take_effect(active, after);
                return Ok(Unreleased { pending, content, recorded: true, seen: committed.revision, seal_after });
            }
            Err(CommitError::Conflict) => tokio::task::yield_now().await,
            Err(failed) => {
                last = commit_error(failed);
                break;
            }
        }
    }
    // The effect happened and the answer cannot be given: as if the answer of the source had been lost.
    let failed = ExternalError::unknown(last.client.clone(), last.to_string());
    Err(abandon(active, pending, announced, failed, warnings).await)
}

async fn settle_once(
    active: &Active,
    pending: &mut Pending,
    external: &dyn External,
    effect: &Effect,
    announced: &Announced,
    rights: &AclRights,
    txn: &mut Txn,
) -> Result<(AnswerContent, Vec<crate::extra::After>), Error> {
    let now = txn.now().await?;
    let mut cx =
        surroundings::context(active, txn, &pending.mount, &pending.origin, pending.caller.as_ref(), now, rights);
    let done = external.settle(&mut cx, effect).await?;
    let settle_warnings = std::mem::take(&mut cx.warnings);
    let (mut content, after) = content_of(done)?;
    content.warnings.extend(settle_warnings);
    if active.mounts.now().by_uuid(&pending.mount.uuid).is_none() {
        return Err(Error::unavailable("the mount was removed while the request ran"));
    }
    match announced {
        Announced::Lease(lease) => {
            if let Some(token) = &lease.token {
                // Read in this transaction: a token revoked meanwhile takes its credential with it.
                if tokens::find_live(txn, &lease.namespace, token, now).await?.is_none() && !pending.limited_uses {
                    return Err(Error::denied().with_detail("the token was revoked while the credential was made"));
                }
            }
            leases::activate(txn, &lease.namespace, &lease.id).await?;
            content.lease = Some(LeaseFacts { id: lease.id.clone(), renewable: lease.renewable, ttl_s: lease.ttl_s });
        }
        Announced::Intent(intent) => leases::remove_intent(txn, &intent.namespace, &intent.id),
    }
    shape_and_wrap(active, pending, txn, &mut content)?;
    Ok((content, after))
}

/// The effect failed, or its outcome is unknown: nothing may stay at the source that no client has.
async fn abandon(
    active: &Arc<Active>,
    pending: Pending,
    announced: Announced,
    failed: ExternalError,
    warnings: Vec<String>,
) -> Refusal {
    let nothing_happened = failed.nothing_happened;
    let error = Error::from(failed);
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        match undo(&mut txn, &announced, nothing_happened).await {
            Ok(()) => {}
            Err(_) => break,
        }
        match pending.try_refuse(txn, &error).await {
            Ok(()) => {
                active.wake.notify_waiters();
                return pending.refusal(error, warnings);
            }
            Err(CommitError::Conflict) => tokio::task::yield_now().await,
            Err(_) => break,
        }
    }
    // The store does not take it now. The intent is durable, so nothing is lost; memory remembers to try before the next
    // unseal would.
    if let Announced::Lease(lease) = &announced {
        active.strays.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lease.id.clone());
    }
    active.wake.notify_waiters();
    pending.refusal(error, warnings)
}

async fn undo(txn: &mut Txn, announced: &Announced, nothing_happened: bool) -> Result<(), Error> {
    let now = txn.now().await?;
    match announced {
        Announced::Lease(lease) if nothing_happened => leases::remove(txn, &lease.namespace, &lease.id).await,
        Announced::Lease(lease) => leases::mark_revoking(txn, &lease.namespace, &lease.id, now).await.map(|_| ()),
        Announced::Intent(intent) => {
            // A change that was decided is finished by the job runner; one that was not is forgotten.
            if nothing_happened || intent.recovery == Recovery::Undo {
                leases::remove_intent(txn, &intent.namespace, &intent.id);
            }
            Ok(())
        }
    }
}
