//! What requests, the syncing thread and the flushing thread share: the state with its lock, the wake-ups, the disk and
//! its reserve. It must never hold the state's lock over an access to the disk.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::disk::{Disk, Places};
use crate::embedded::Options;
use crate::embedded::segments::Segments;
use crate::embedded::state::State;

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) places: Places,
    pub(crate) options: Options,
    pub(crate) segments: Segments,
    state: Mutex<State>,
    /// There is something to sync.
    pub(crate) sync_wake: Condvar,
    /// There is something to flush.
    pub(crate) flush_wake: Condvar,
    /// More is durable.
    pub(crate) durable_wake: Condvar,
    /// More is flushed.
    pub(crate) flushed_wake: Condvar,
    /// A flush made room for commits that wait.
    pub(crate) space: Notify,
    /// Wakes followers of the log and of changes; true once nothing more will come.
    pub(crate) ended: watch::Sender<bool>,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_ns: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) tree_bytes: AtomicU64,
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        places: Places,
        options: Options,
        segments: Segments,
        state: State,
        tree_bytes: u64,
    ) -> Self {
        Self {
            disk,
            places,
            options,
            segments,
            state: Mutex::new(state),
            sync_wake: Condvar::new(),
            flush_wake: Condvar::new(),
            durable_wake: Condvar::new(),
            flushed_wake: Condvar::new(),
            space: Notify::new(),
            ended: watch::Sender::new(false),
            syncs: AtomicU64::new(0),
            sync_ns: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            tree_bytes: AtomicU64::new(tree_bytes),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait<'a>(&self, on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        on.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait_for<'a>(
        &self,
        on: &Condvar,
        state: MutexGuard<'a, State>,
        at_most: Duration,
    ) -> MutexGuard<'a, State> {
        on.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The end of this store until it is opened again; everybody who waits is told that the outcome is unknown.
    pub(crate) fn fail(&self, why: String) {
        let crowds = self.lock().fail(why.clone());
        for crowd in crowds {
            crowd.end(Err(why.as_str().into()));
            // Nobody of this thread will look again.
            crowd.call();
        }
        self.ended.send_replace(true);
        self.wake_all();
    }

    pub(crate) fn wake_all(&self) {
        self.sync_wake.notify_all();
        self.flush_wake.notify_all();
        self.durable_wake.notify_all();
        self.flushed_wake.notify_all();
        self.space.notify_waiters();
    }

    /// Only essential batches from now on. Gives the reserve back to the file system; whether there was one.
    pub(crate) fn enter_disk_full(&self, why: &str) -> bool {
        let held = {
            let mut state = self.lock();
            state.disk_full.get_or_insert_with(|| why.to_owned());
            let held = std::mem::take(&mut state.reserve_held);
            if held {
                // The other half is for the flush that makes journal files superfluous.
                state.essential_left = self.options.reserve_bytes / 2;
                state.flush_asked = true;
            }
            held
        };
        let released = held && self.disk.remove(&self.places.reserve).is_ok();
        if released {
            // Some file systems free the blocks only with this; if it fails, the next write says so.
            let _ = self.disk.sync_dir(&self.places.dir);
        }
        self.flush_wake.notify_all();
        released
    }

    /// Takes the reserve again if there is room for it; whether the store is out of the disk-full state.
    pub(crate) fn leave_disk_full(&self) -> bool {
        if self.lock().disk_full.is_none() {
            return true;
        }
        if !self.take_reserve() {
            return false;
        }
        let mut state = self.lock();
        state.reserve_held = self.options.reserve_bytes > 0;
        state.disk_full = None;
        true
    }

    /// Allocates the reserve, with a margin left for what comes next; whether it is there.
    pub(crate) fn take_reserve(&self) -> bool {
        let wanted = self.options.reserve_bytes;
        // Two journals' worth beyond the reserve, or the state would be entered again at once.
        let margin = 2 * self.options.limits().journal as u64;
        let held = self.disk.open(&self.places.reserve, false).and_then(|file| file.size()).unwrap_or(0);
        let needed = wanted.saturating_sub(held) + margin;
        if self.disk.free_bytes(&self.places.dir).is_ok_and(|free| free < needed) {
            return false;
        }
        if wanted == 0 || held >= wanted {
            return true;
        }
        let allocated = self.disk.open(&self.places.reserve, true).and_then(|file| {
            file.allocate(wanted)?;
            file.sync()
        });
        if allocated.is_err() {
            let _ = self.disk.remove(&self.places.reserve);
        }
        allocated.is_ok()
    }
}
