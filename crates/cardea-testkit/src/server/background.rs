//! Background work, here and now: no test sleeps and hopes. It must never move the clock.

use super::{ROUNDS_MAX, TestServer};
use cardea_kernel::active::Active;
use cardea_kernel::{jobs, leases, mounts, revoker, rotation, runner, tokens};
use cardea_model::mount::Mount;
use cardea_model::{NamespaceId, Timestamp};
use cardea_storage::txn::Txn;

/// How long after a rotation its rewrap begins, by the store's clock.
const REWRAP_PAUSE_MS: u64 = 2_000;

impl TestServer {
    /// One round of all background work, here and now.
    pub async fn round(&self) {
        let Some(active) = self.node.active() else { return };
        // A round that fails is tried again by the next, as in the server.
        let _ = runner::round(&active).await;
        if active.is_frozen() {
            return;
        }
        rotation::round(&active).await;
        let mounts: Vec<_> = active.mounts.now().iter().cloned().collect();
        for mount in mounts {
            if active.engine(&mount).is_ok_and(|engine| engine.revoker().is_some()) {
                revoker::one_round(&active, mount).await;
            }
        }
    }

    /// Runs background work until there is none that is due now. What waits for the clock or for the source stays.
    pub async fn settle(&self) {
        self.settle_until(|_| true).await;
    }

    /// Runs background work until the condition holds and none is due.
    pub async fn settle_until(&self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..ROUNDS_MAX {
            self.round().await;
            if self.is_idle().await && condition(self) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("background work did not come to rest within {ROUNDS_MAX} rounds");
    }

    /// Whether nothing is due: no job, no intent, no pending or due lease, no step of a rotation.
    pub async fn is_idle(&self) -> bool {
        let Some(active) = self.node.active() else { return true };
        if active.is_frozen() {
            return true;
        }
        let mut txn = active.sealed.txn();
        let root = NamespaceId::root();
        let Ok(now) = txn.now().await else { return true };
        for key in jobs::open(&mut txn, 64).await.unwrap_or_default() {
            let waits = match jobs::find(&mut txn, &key).await {
                Ok(Some(jobs::Job::Rewrap { cursor: None, started_ms, .. })) => now.0 < started_ms + REWRAP_PAUSE_MS,
                Ok(Some(jobs::Job::RemoveMount { uuid, marked: true, .. })) => {
                    let mount = mounts::stored(&mut txn, &uuid).await.ok().flatten();
                    match mount {
                        Some(mount) => waits_for_source(&active, &mut txn, &mount, now).await,
                        None => false,
                    }
                }
                _ => false,
            };
            if !waits {
                return false;
            }
        }
        if leases::pending(&mut txn, &root, 1).await.is_ok_and(|found| !found.is_empty()) {
            return false;
        }
        let rotating: Vec<_> = active.mounts.now().iter().cloned().collect();
        for mount in rotating {
            if rotation::has_due(&active, &mount).await.unwrap_or(false) {
                return false;
            }
        }
        for id in leases::intents(&mut txn, &root, 64).await.unwrap_or_default() {
            if leases::find_intent(&mut txn, &root, &id)
                .await
                .is_ok_and(|found| found.is_some_and(|intent| intent.due <= now))
            {
                return false;
            }
        }
        if tokens::due(&mut txn, &root, now, 8).await.is_ok_and(|found| !found.is_empty()) {
            let mut live = false;
            for id in tokens::due(&mut txn, &root, now, 512).await.unwrap_or_default() {
                live |= tokens::find(&mut txn, &root, &id).await.is_ok_and(|t| t.is_some_and(|t| !t.revoked));
            }
            if live {
                return false;
            }
        }
        for mount in active.mounts.now().iter() {
            let due = leases::due(&mut txn, mount, now, 1).await.is_ok_and(|found| !found.is_empty());
            if due && !waits_for_source(&active, &mut txn, mount, now).await {
                return false;
            }
        }
        true
    }
}

/// Whether a mount has leases of which none can be tried now: the next try, or the breaker, waits for the clock.
async fn waits_for_source(active: &Active, txn: &mut Txn, mount: &Mount, now: Timestamp) -> bool {
    let any = leases::due(txn, mount, Timestamp(u64::MAX - 1), 1).await.is_ok_and(|found| !found.is_empty());
    let due = leases::due(txn, mount, now, 1).await.is_ok_and(|found| !found.is_empty());
    any && (!due || active.breakers.stuck().iter().any(|(uuid, ..)| *uuid == mount.uuid))
}
