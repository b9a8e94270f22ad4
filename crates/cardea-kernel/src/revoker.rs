//! The revoker: takes leases whose end has come, asks the source to forget the credential, and removes the lease when the
//! source has confirmed. Every mount has its own queue, concurrency and circuit breaker, so that one source that is down
//! holds up nobody else. It never drops a lease, however long a source is down.

use crate::active::Active;
use crate::event;
use crate::leases::{self, LeaseRecord};
use crate::metrics::Metrics;
use crate::mounts;
use crate::surroundings;
use cardea_model::mount::Mount;
use cardea_model::{Error, NamespaceId, Timestamp};
use cardea_sdk::{ExternalError, Lease};
use cardea_storage::store::CommitError;
use cardea_storage::txn::{Txn, commit_error};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Leases read from a mount's queue at once.
const DUE_A_ROUND: usize = 512;
/// Revocations running at once against one mount's sources: databases have few connections.
const CONCURRENT_A_MOUNT: usize = 32;
/// Failures in a row that open a mount's breaker.
const BREAKER_FAILURES: u32 = 8;
/// How long an open breaker waits before one lease is tried, in milliseconds.
const BREAKER_PAUSE_MS: u64 = 10_000;
/// Longest one revocation may take.
const REVOKE_MAX: Duration = Duration::from_secs(60);
/// Pause between looks at the queues; a wake-up comes earlier.
const TICK: Duration = Duration::from_millis(200);
/// Retries of a commit against conflicts.
const RETRIES_MAX: usize = 32;

/// State of the breakers, by mount uuid.
#[derive(Default)]
pub struct Breakers(Mutex<HashMap<String, Breaker>>);

#[derive(Default, Clone)]
struct Breaker {
    failures: u32,
    open_until_ms: u64,
    why: String,
}

impl Breakers {
    /// How many leases may be tried now: all, one as a probe, or none.
    fn allowance(&self, mount: &str, now: Timestamp) -> usize {
        match self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(mount) {
            Some(breaker) if breaker.failures >= BREAKER_FAILURES => usize::from(now.0 >= breaker.open_until_ms),
            _ => usize::MAX,
        }
    }

    fn report(&self, mount: &str, now: Timestamp, failure: Option<&str>) {
        let mut breakers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match failure {
            None => {
                breakers.remove(mount);
            }
            Some(why) => {
                let breaker = breakers.entry(mount.to_owned()).or_default();
                breaker.failures = breaker.failures.saturating_add(1);
                breaker.open_until_ms = now.0 + BREAKER_PAUSE_MS;
                breaker.why = why.to_owned();
            }
        }
    }

    /// Mounts whose source does not answer: uuid, failures in a row, and why.
    #[must_use]
    pub fn stuck(&self) -> Vec<(String, u32, String)> {
        let breakers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let open = breakers.iter().filter(|(_, breaker)| breaker.failures >= BREAKER_FAILURES);
        open.map(|(mount, breaker)| (mount.clone(), breaker.failures, breaker.why.clone())).collect()
    }
}

/// Runs until the server seals.
pub async fn run(active: Arc<Active>) {
    while !active.is_ending() {
        let woken = active.wake.notified();
        if !active.is_frozen() {
            take_strays(&active).await;
            let mounts: Vec<Arc<Mount>> = active.mounts.now().iter().cloned().collect();
            let mut rounds = tokio::task::JoinSet::new();
            for mount in mounts {
                if active.engine(&mount).is_ok_and(|engine| engine.revoker().is_some()) {
                    let active = active.clone();
                    rounds.spawn(async move { one_round(&active, mount).await });
                }
            }
            let mut full = false;
            while let Some(done) = rounds.join_next().await {
                full |= done.unwrap_or(false);
            }
            if full {
                continue;
            }
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(TICK) => {}
            () = active.end() => return,
        }
    }
}

/// One look at a mount's queue. Returns whether there was more than one look could take.
pub async fn one_round(active: &Arc<Active>, mount: Arc<Mount>) -> bool {
    let mut txn = active.sealed.txn();
    let Ok(now) = txn.now().await else { return false };
    let limit = active.breakers.allowance(&mount.uuid, now).min(DUE_A_ROUND);
    if limit == 0 {
        return false;
    }
    let Ok(due) = leases::due(&mut txn, &mount, now, limit).await else { return false };
    let full = due.len() == DUE_A_ROUND;
    let permits = Arc::new(Semaphore::new(CONCURRENT_A_MOUNT));
    let mut tasks = tokio::task::JoinSet::new();
    for id in due {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        if active.is_ending() || active.breakers.allowance(&mount.uuid, now) == 0 {
            break;
        }
        let (active, mount) = (active.clone(), mount.clone());
        tasks.spawn(async move {
            let result = revoke_one(&active, &mount.namespace, &id, false).await;
            drop(permit);
            result.is_ok()
        });
    }
    let mut any = false;
    while let Some(done) = tasks.join_next().await {
        any |= done.unwrap_or(false);
    }
    full && any
}

/// Revokes one lease now: announces the attempt, asks the source, removes the lease.
///
/// # Errors
/// The source did not confirm; the lease stays and will be tried again. With `force` it leaves all the same.
pub async fn revoke_one(active: &Active, namespace: &NamespaceId, id: &str, force: bool) -> Result<(), Error> {
    let Some((lease, now)) = begin(active, namespace, id).await? else { return Ok(()) };
    // A mount that is being removed no longer serves, but its leases are still revoked through it.
    let found = match active.mounts.now().by_uuid(&lease.mount_uuid).cloned() {
        Some(mount) => Some(mount),
        None => mounts::stored(&mut active.sealed.txn(), &lease.mount_uuid).await?,
    };
    let result = match found {
        None => Err(ExternalError::refused("the mount of the lease does not exist any more", "mount gone")),
        Some(mount) => {
            let result = ask_source(active, &mount, &lease, now).await;
            active.breakers.report(&mount.uuid, now, result.as_ref().err().map(|e| e.client.as_str()));
            result
        }
    };
    match result {
        Ok(()) => {
            conclude(active, &lease, None).await?;
            Metrics::add(&active.metrics.revoked, 1);
            Ok(())
        }
        Err(failed) => {
            Metrics::add(&active.metrics.revoke_failures, 1);
            tracing::warn!(lease = %lease.id, attempts = lease.attempts, why = %failed.client, "revocation failed, will be tried again");
            if force {
                return conclude(active, &lease, Some("forced although the source did not confirm")).await;
            }
            remember(active, &lease, &failed.client).await?;
            Err(failed.into())
        }
    }
}

/// Revokes one lease whatever its state: marks it first, so that an active one counts as due.
pub async fn revoke_one_now(active: &Active, namespace: &NamespaceId, id: &str, force: bool) -> Result<(), Error> {
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        leases::mark_revoking(&mut txn, namespace, id, now).await?;
        txn.mark_essential();
        match txn.commit().await {
            Ok(_) => return revoke_one(active, namespace, id, force).await,
            Err(CommitError::Conflict) => {}
            Err(failed) => return Err(commit_error(failed)),
        }
    }
    Err(Error::unavailable("too many concurrent changes, try again"))
}

async fn ask_source(active: &Active, mount: &Mount, lease: &LeaseRecord, now: Timestamp) -> Result<(), ExternalError> {
    let engine = active.engine(mount)?;
    let revoker = engine.revoker().ok_or_else(|| ExternalError::refused("the engine cannot revoke", "no revoker"))?;
    let mut txn = active.sealed.txn();
    let mut cx = surroundings::outside(active, &mut txn, mount, now);
    let effect = lease.effect.effect();
    let lease = Lease { effect: &effect, expires: lease.expires };
    match tokio::time::timeout(REVOKE_MAX, revoker.revoke(&mut cx, &lease)).await {
        Ok(result) => result,
        Err(_) => Err(ExternalError::unknown("the source did not answer in time", "time limit of the revocation")),
    }
}

async fn begin(active: &Active, namespace: &NamespaceId, id: &str) -> Result<Option<(LeaseRecord, Timestamp)>, Error> {
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let Some(lease) = leases::begin_attempt(&mut txn, namespace, id, now).await? else { return Ok(None) };
        // The first attempt is announced in the log; repeats would say nothing new.
        if lease.attempts == 1 {
            event::append(
                active,
                &mut txn,
                event::Event { what: "lease.revoke", subject: &lease.id, detail: "announced", path: &lease.path },
                now,
            )?;
        }
        txn.mark_essential();
        match txn.commit().await {
            Ok(_) => return Ok(Some((lease, now))),
            Err(CommitError::Conflict) => {}
            Err(failed) => return Err(commit_error(failed)),
        }
    }
    Err(Error::unavailable("too many concurrent changes, try again"))
}

async fn conclude(active: &Active, lease: &LeaseRecord, note: Option<&str>) -> Result<(), Error> {
    for _ in 0..RETRIES_MAX {
        let mut txn: Txn = active.sealed.txn();
        let now = txn.now().await?;
        leases::remove(&mut txn, &lease.namespace, &lease.id).await?;
        let detail = note.unwrap_or("the source confirmed");
        event::append(
            active,
            &mut txn,
            event::Event { what: "lease.revoked", subject: &lease.id, detail, path: &lease.path },
            now,
        )?;
        txn.mark_essential();
        match txn.commit().await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(failed) => return Err(commit_error(failed)),
        }
    }
    Err(Error::unavailable("too many concurrent changes, try again"))
}

async fn remember(active: &Active, lease: &LeaseRecord, why: &str) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    leases::note_failure(&mut txn, &lease.namespace, &lease.id, why).await?;
    match txn.commit().await {
        Ok(_) | Err(CommitError::Conflict) => Ok(()),
        Err(failed) => Err(commit_error(failed)),
    }
}

/// Leases whose failure could not be written when it happened.
async fn take_strays(active: &Active) {
    let strays = std::mem::take(&mut *active.strays.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    for id in strays {
        let mut txn = active.sealed.txn();
        let marked = async {
            let now = txn.now().await?;
            leases::mark_revoking(&mut txn, &NamespaceId::root(), &id, now).await?;
            txn.commit().await.map_err(commit_error)
        };
        if marked.await.is_err() {
            active.strays.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(id);
        }
    }
}
