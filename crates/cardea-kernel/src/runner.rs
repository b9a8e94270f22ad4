//! The job runner: continues what exceeded a batch, finishes intents that nobody settled, writes counted refusals, and ends
//! tokens whose time has come. Beside the pipeline it is the only caller of commit.

use crate::active::Active;
use crate::event::{self, Event};
use crate::jobs::{self, Job};
use crate::leases::{self, LeaseState};
use crate::{access_keys, census, mounts, relearn, revoker, rewrap, surroundings, tokens, wrapping};
use cardea_model::{Error, NamespaceId, Timestamp};
use cardea_sdk::Recovery;
use cardea_storage::store::CommitError;
use cardea_storage::txn::{Txn, commit_error, read_error};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause between looks; a wake-up comes earlier.
const TICK: Duration = Duration::from_millis(500);
/// Jobs looked at in one round.
const JOBS_A_ROUND: usize = 64;
/// Steps of one job before the next job gets its turn.
const STEPS_A_TURN: usize = 64;
/// Leases marked in one batch: each costs two reads and four writes.
const LEASES_A_STEP: usize = 10;
/// Keys of a removed mount deleted in one batch.
const KEYS_A_STEP: usize = 90;
/// Tokens ended in one look.
const TOKENS_A_ROUND: usize = 512;
/// Tokens looked at in one batch, and revoked in it (a read and two writes each), while a removed auth mount's are searched.
const TOKENS_A_LOOK: usize = 256;
const TOKENS_A_STEP: usize = 24;
/// Access keys removed in one look, each by one read and three deletions of one batch.
const ACCESS_KEYS_A_ROUND: usize = 20;
/// Sources whose counted refusals are written in one look.
const COUNTS_A_ROUND: usize = 32;

/// Runs until the server seals.
pub async fn run(active: Arc<Active>) {
    if let Err(error) = recover(&active).await {
        tracing::error!(%error, "recovery of unsettled intents failed, will be tried again");
    }
    while !active.is_ending() {
        let woken = active.wake.notified();
        if let Err(error) = round(&active).await {
            tracing::warn!(%error, "a round of background work failed, will be tried again");
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(TICK) => {}
            () = active.end() => return,
        }
    }
}

/// Intents that a process before us announced and never settled: their clients got no answer, so their credentials go.
async fn recover(active: &Active) -> Result<(), Error> {
    loop {
        if active.is_frozen() || active.is_ending() {
            return Ok(());
        }
        let mut txn = active.sealed.txn();
        let pending = leases::pending(&mut txn, &NamespaceId::root(), LEASES_A_STEP * 8).await?;
        let mut marked = 0;
        for id in pending {
            let mut txn = active.sealed.txn();
            let now = txn.now().await?;
            let Some(lease) = leases::find(&mut txn, &NamespaceId::root(), &id).await? else { continue };
            if lease.state != LeaseState::Pending || active.log.is_in_flight(&lease.request) {
                continue;
            }
            leases::mark_revoking(&mut txn, &NamespaceId::root(), &id, now).await?;
            if commit(txn).await? {
                marked += 1;
            }
        }
        if marked == 0 {
            return Ok(());
        }
        active.wake.notify_waiters();
    }
}

/// One look at everything.
pub async fn round(active: &Arc<Active>) -> Result<(), Error> {
    relearn::if_stale(active).await?;
    write_counts(active).await?;
    census::take(active).await?;
    if active.is_frozen() {
        return Ok(());
    }
    recover(active).await?;
    finish_intents(active).await?;
    end_tokens(active).await?;
    sweep_access_keys(active).await?;
    let mut txn = active.sealed.txn();
    let open = jobs::open(&mut txn, JOBS_A_ROUND).await?;
    active.metrics.jobs_open.store(open.len() as u64, Ordering::Relaxed);
    for key in open {
        for _ in 0..STEPS_A_TURN {
            if active.is_ending() {
                return Ok(());
            }
            match step(active, &key).await {
                Ok(Progress::More) => {}
                Ok(Progress::Finished | Progress::Waiting) => break,
                Err(error) => {
                    tracing::warn!(job = %key, %error, "a job's step failed, will be tried again");
                    break;
                }
            }
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub enum Progress {
    More,
    /// Something else must happen first (leases must go).
    Waiting,
    Finished,
}

async fn step(active: &Arc<Active>, key: &str) -> Result<Progress, Error> {
    let mut txn = active.sealed.txn();
    let Some(job) = jobs::find(&mut txn, key).await? else { return Ok(Progress::Finished) };
    match job {
        Job::RevokeToken { namespace, token, keep_children } => {
            revoke_token(active, txn, key, &namespace, &token, keep_children).await
        }
        Job::RevokePrefix { .. } => revoke_prefix(active, txn, key, job).await,
        Job::RemoveMount { .. } => remove_mount(active, txn, key, job).await,
        Job::Rewrap { .. } => rewrap::step(active, txn, key, job).await,
    }
}

/// Leases of the token first, then its children, then its records.
async fn revoke_token(
    active: &Active,
    mut txn: Txn,
    key: &str,
    namespace: &NamespaceId,
    token: &str,
    keep_children: bool,
) -> Result<Progress, Error> {
    let now = txn.now().await?;
    let held = leases::of_token(&mut txn, namespace, token, LEASES_A_STEP).await?;
    for id in &held {
        // A lease that is being revoked already keeps its place in its queue.
        if leases::find(&mut txn, namespace, id).await?.is_some_and(|lease| lease.state != LeaseState::Revoking) {
            leases::mark_revoking(&mut txn, namespace, id, now).await?;
        }
        leases::detach_from_token(&mut txn, namespace, token, id);
    }
    if !held.is_empty() {
        let done = commit(txn).await?;
        active.wake.notify_waiters();
        return Ok(if done { Progress::More } else { Progress::Waiting });
    }
    wrapping::forget(&mut txn, namespace, token);
    if !crate::system::cubbyhole::forget(&mut txn, namespace, token).await? {
        commit(txn).await?;
        return Ok(Progress::More);
    }
    let finished = tokens::remove_step(&mut txn, &active.hashes, namespace, token, keep_children).await?;
    if finished {
        jobs::finish(&mut txn, key);
    }
    commit(txn).await?;
    Ok(if finished { Progress::Finished } else { Progress::More })
}

/// Marks every lease below a prefix, so that the revoker takes them; with `force` each leaves here, confirmed or not.
async fn revoke_prefix(active: &Active, mut txn: Txn, key: &str, job: Job) -> Result<Progress, Error> {
    let Job::RevokePrefix { namespace, prefix, force, cursor, tokens_after } = &job else {
        return Err(Error::internal("not the revocation of a prefix"));
    };
    if let Some(after) = tokens_after {
        // Logins and created tokens first: what hangs on them goes with them.
        let wanted = |token: &tokens::Token| tokens::is_below(token, prefix);
        let last = tokens::revoke_each(&mut txn, namespace, after, TOKENS_A_LOOK, TOKENS_A_STEP, wanted).await?;
        let (namespace, prefix, cursor) = (namespace.clone(), prefix.clone(), cursor.clone());
        jobs::enqueue(&mut txn, &Job::RevokePrefix { namespace, prefix, force: *force, cursor, tokens_after: last })?;
        commit(txn).await?;
        return Ok(Progress::More);
    }
    let page = leases::under(&mut txn, namespace, prefix, cursor.as_deref(), LEASES_A_STEP).await?;
    let Some(last) = page.last().cloned() else {
        jobs::finish(&mut txn, key);
        commit(txn).await?;
        return Ok(Progress::Finished);
    };
    if *force {
        for id in &page {
            revoker::revoke_one_now(active, namespace, id, true).await?;
        }
        txn = active.sealed.txn();
        // Announced anew meanwhile: from the start again.
        if jobs::find(&mut txn, key).await?.as_ref() != Some(&job) {
            return Ok(Progress::More);
        }
    } else {
        mark(&mut txn, namespace, &page, None).await?;
    }
    let (namespace, prefix) = (namespace.clone(), prefix.clone());
    jobs::enqueue(
        &mut txn,
        &Job::RevokePrefix { namespace, prefix, force: *force, cursor: Some(last), tokens_after: None },
    )?;
    commit(txn).await?;
    active.wake.notify_waiters();
    Ok(Progress::More)
}

/// Marks leases to be revoked, those of one mount alone if it is named. One that is marked already keeps its place.
async fn mark(txn: &mut Txn, namespace: &NamespaceId, page: &[String], mount: Option<&str>) -> Result<(), Error> {
    let now = txn.now().await?;
    for id in page {
        let wanted = leases::find(txn, namespace, id).await?.is_some_and(|lease| {
            lease.state != LeaseState::Revoking && mount.is_none_or(|uuid| lease.mount_uuid == uuid)
        });
        if wanted {
            leases::mark_revoking(txn, namespace, id, now).await?;
        }
    }
    Ok(())
}

/// Revokes the tokens of a removed auth mount's logins, or marks a removed mount's leases; waits until its source has confirmed them all, then deletes what the mount stored.
async fn remove_mount(active: &Arc<Active>, mut txn: Txn, key: &str, job: Job) -> Result<Progress, Error> {
    let Job::RemoveMount { namespace, uuid, path, cursor, marked, tokens_after } = &job else {
        return Err(Error::internal("not the removal of a mount"));
    };
    let now = txn.now().await?;
    if !marked {
        let (namespace, uuid, path) = (namespace.clone(), uuid.clone(), path.clone());
        let job = if path.starts_with("auth/") {
            // Whom it vouched for, it vouches for no more; what hangs on those tokens goes with them.
            let after = tokens_after.as_deref().unwrap_or_default();
            let wanted = |token: &tokens::Token| tokens::is_of_mount(token, &uuid);
            let last = tokens::revoke_each(&mut txn, &namespace, after, TOKENS_A_LOOK, TOKENS_A_STEP, wanted).await?;
            Job::RemoveMount { namespace, uuid, path, cursor: None, marked: last.is_none(), tokens_after: last }
        } else {
            // Another mount may serve at the same path by now: only the leases of this one are meant.
            let page = leases::under(&mut txn, &namespace, &path, cursor.as_deref(), LEASES_A_STEP).await?;
            mark(&mut txn, &namespace, &page, Some(&uuid)).await?;
            let (cursor, marked) = (page.last().cloned(), page.is_empty());
            Job::RemoveMount { namespace, uuid, path, cursor, marked, tokens_after: None }
        };
        jobs::enqueue(&mut txn, &job)?;
        commit(txn).await?;
        return Ok(Progress::More);
    }
    // The mount no longer serves, so the revoker does not look at its queue: its leases are revoked from here, with the
    // same pauses and the same breaker.
    if let Some(mount) = mounts::stored(&mut txn, uuid).await? {
        revoker::one_round(active, mount.clone()).await;
        if !leases::due(&mut active.sealed.txn(), &mount, Timestamp(u64::MAX - 1), 1).await?.is_empty() {
            return Ok(Progress::Waiting);
        }
    }
    let prefix = format!("{}/{uuid}/", namespace.as_str());
    let keys = txn.keys(prefix.as_bytes(), None, KEYS_A_STEP).await?;
    if !keys.is_empty() {
        for stored in &keys {
            txn.delete(stored);
        }
        commit(txn).await?;
        return Ok(Progress::More);
    }
    mounts::forget(&mut txn, uuid);
    jobs::finish(&mut txn, key);
    event::append(
        active,
        &mut txn,
        Event { what: "mount.removed", subject: uuid, detail: "leases revoked and records deleted", path },
        now,
    )?;
    commit(txn).await?;
    Ok(Progress::Finished)
}

/// Tokens whose end has come: revoked like any other.
async fn end_tokens(active: &Active) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let namespace = NamespaceId::root();
    for id in tokens::due(&mut txn, &namespace, now, TOKENS_A_ROUND).await? {
        let mut txn = active.sealed.txn();
        if !tokens::end(&mut txn, &namespace, &id, now).await? {
            continue;
        }
        commit(txn).await?;
    }
    Ok(())
}

/// Records of access keys that ended long ago.
async fn sweep_access_keys(active: &Active) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    if access_keys::sweep(&mut txn, &NamespaceId::root(), now, ACCESS_KEYS_A_ROUND).await? > 0 {
        commit(txn).await?;
    }
    Ok(())
}

/// Effects that were decided and whose outcome nobody knows are performed again until they are settled.
async fn finish_intents(active: &Arc<Active>) -> Result<(), Error> {
    let namespace = NamespaceId::root();
    let mut txn = active.sealed.txn();
    for id in leases::intents(&mut txn, &namespace, JOBS_A_ROUND).await? {
        if active.log.is_in_flight(&id) {
            continue;
        }
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let Some(mut intent) = leases::find_intent(&mut txn, &namespace, &id).await? else { continue };
        if intent.recovery == Recovery::Undo {
            leases::remove_intent(&mut txn, &namespace, &id);
            commit(txn).await?;
            continue;
        }
        if intent.due > now {
            continue;
        }
        if let Err(error) = finish_intent(active, &intent, now).await {
            tracing::warn!(intent = %id, %error, "an announced effect is not settled yet");
            let mut txn = active.sealed.txn();
            intent.attempts = intent.attempts.saturating_add(1);
            intent.due = now.plus_ms(leases::retry_ms(intent.attempts));
            intent.last_error = Some(error.client.clone());
            leases::put_intent(&mut txn, &intent)?;
            commit(txn).await?;
        }
    }
    Ok(())
}

async fn finish_intent(active: &Arc<Active>, intent: &leases::IntentRecord, now: Timestamp) -> Result<(), Error> {
    let found = active.mounts.now().by_uuid(&intent.mount_uuid).cloned();
    let Some(mount) = found else {
        let mut txn = active.sealed.txn();
        leases::remove_intent(&mut txn, &intent.namespace, &intent.id);
        commit(txn).await?;
        return Ok(());
    };
    let engine = active.engine(&mount)?;
    let external = engine.external().ok_or_else(|| Error::internal("an intent's engine performs nothing"))?;
    let effect = intent.effect.effect();
    {
        let mut txn = active.sealed.txn();
        let mut cx = surroundings::outside(active, &mut txn, &mount, now);
        external.perform(&mut cx, &effect).await?;
    }
    let mut txn = active.sealed.txn();
    let origin =
        cardea_model::Origin { dialect: "kernel", peer: ([0, 0, 0, 0], 0).into(), tls: None, headers: Vec::new() };
    let rights = surroundings::NoRights;
    let mut cx = surroundings::context(active, &mut txn, &mount, &origin, None, now, &rights);
    external.settle(&mut cx, &effect).await?;
    leases::remove_intent(&mut txn, &intent.namespace, &intent.id);
    event::append(
        active,
        &mut txn,
        Event { what: "intent.settled", subject: &intent.id, detail: &intent.effect.what, path: &intent.path },
        now,
    )?;
    commit(txn).await?;
    Ok(())
}

async fn write_counts(active: &Active) -> Result<(), Error> {
    for (source, count) in active.strangers.take_counts(COUNTS_A_ROUND) {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let subject = source.map_or_else(|| "many sources".to_owned(), |address| address.to_string());
        let detail = format!("{count} refusals without a credential, beyond those recorded singly");
        event::append(
            active,
            &mut txn,
            Event { what: "refusals.counted", subject: &subject, detail: &detail, path: "" },
            now,
        )?;
        commit(txn).await?;
    }
    Ok(())
}

/// Commits a step. `false` after a conflict: the step runs again.
pub(crate) async fn commit(mut txn: Txn) -> Result<bool, Error> {
    if !txn.has_writes() && !txn.has_appends() {
        return Ok(true);
    }
    txn.mark_essential();
    match txn.commit().await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(failed) => Err(commit_error(failed)),
    }
}

/// Reads of the store outside a transaction, for jobs that move sealed bytes.
pub(crate) fn unreadable(error: cardea_storage::store::ReadError) -> Error {
    read_error(error)
}
