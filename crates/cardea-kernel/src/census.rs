//! How many leases, tokens and entities there are, and how many leases no source lets go: gauges that owners put alarms on. Counting walks the
//! index, so it is done now and then, behind the requests. It must never change anything.

use crate::active::Active;
use crate::{identity, leases, tokens};
use cardea_model::{Error, NamespaceId};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Ids read at once while counting: a look of a millisecond, with requests in between.
const PAGE: usize = 256;
/// Where counting stops, as `sys/leases/count` does: beyond it the gauge says "at least".
const COUNT_MAX: u64 = 100_000;
/// At least this long between two counts, in milliseconds.
const PAUSE_MS_MIN: u64 = 10_000;
/// And at least so many times as long as the last one took, so that counting costs a hundredth of a processor.
const PAUSE_TIMES: u64 = 100;

/// Counts, if it is time to.
///
/// # Errors
/// Only the store's.
pub async fn take(active: &Active) -> Result<(), Error> {
    let metrics = &active.metrics;
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    if now.0 < metrics.next_census_ms.load(Ordering::Relaxed) {
        return Ok(());
    }
    let began = Instant::now();
    let leases = count(active, What::Leases).await?;
    let tokens = count(active, What::Tokens).await?;
    let entities = count(active, What::Entities).await?;
    let mut stuck = 0;
    for mount in active.mounts.now().iter() {
        stuck += leases::irrevocable(&mut active.sealed.txn(), mount, now).await? as u64;
    }
    let mounts = active.mounts.now();
    let auth = mounts.iter().filter(|mount| mount.path.starts_with("auth/")).count() as u64;
    metrics.auth_mounts.store(auth, Ordering::Relaxed);
    metrics.secret_mounts.store((mounts.iter().count() as u64).saturating_sub(auth), Ordering::Relaxed);
    metrics.num_tokens.store(tokens, Ordering::Relaxed);
    metrics.num_entities.store(entities, Ordering::Relaxed);
    metrics.num_leases.store(leases, Ordering::Relaxed);
    metrics.num_irrevocable_leases.store(stuck, Ordering::Relaxed);
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let pause_ms = took_ms.saturating_mul(PAUSE_TIMES).max(PAUSE_MS_MIN);
    metrics.next_census_ms.store(now.0.saturating_add(pause_ms), Ordering::Relaxed);
    Ok(())
}

/// What is counted by its ids.
#[derive(Clone, Copy)]
enum What {
    Leases,
    Tokens,
    Entities,
}

/// How many there are, page after page, with requests in between.
async fn count(active: &Active, what: What) -> Result<u64, Error> {
    let namespace = NamespaceId::root();
    let (mut all, mut after) = (0, None::<String>);
    loop {
        let mut txn = active.sealed.txn();
        let from = after.as_deref();
        let page = match what {
            What::Leases => leases::under(&mut txn, &namespace, "", from, PAGE).await?,
            What::Tokens => tokens::accessor_ids(&mut txn, &namespace, from, PAGE).await?,
            What::Entities => identity::ids_after(&mut txn, &namespace, from, PAGE).await?,
        };
        all += page.len() as u64;
        match page.last() {
            Some(last) if page.len() == PAGE && all < COUNT_MAX && !active.is_ending() => after = Some(last.clone()),
            _ => return Ok(all),
        }
        tokio::task::yield_now().await;
    }
}
