//! Whether any of this process's worker threads has something to do. The store asks before a sync: while requests are
//! being worked on, more commits are about to join the group. It must never decide anything but how long a sync waits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Workers that wait for something to do.
static PARKED: AtomicUsize = AtomicUsize::new(0);
/// All workers; unset in a process whose runtime is not watched (a test's).
static ALL: OnceLock<usize> = OnceLock::new();

/// Counts the runtime's workers from its first thread on.
pub(crate) fn watch(builder: &mut tokio::runtime::Builder) -> std::io::Result<tokio::runtime::Runtime> {
    let runtime = builder
        .on_thread_park(|| {
            PARKED.fetch_add(1, Ordering::Relaxed);
        })
        .on_thread_unpark(|| {
            PARKED.fetch_sub(1, Ordering::Relaxed);
        })
        .build()?;
    ALL.get_or_init(|| runtime.metrics().num_workers());
    Ok(runtime)
}

/// Whether every worker waits; `true` where nobody counts.
pub(crate) fn all_wait() -> bool {
    ALL.get().is_none_or(|all| PARKED.load(Ordering::Relaxed) >= *all)
}
