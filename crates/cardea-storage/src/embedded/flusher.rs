//! The thread behind: brings what the journal holds to the log's segments and the tree, then removes the journal files
//! that it made superfluous. Order is everything: segments durable, tree durable, only then journal files gone. It must
//! never bring to the tree what the journal does not hold durably yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use crate::embedded::segments::SegmentError;
use crate::embedded::shared::Shared;
use crate::embedded::state::Frozen;
use crate::embedded::tree::{Tree, TreeError};

/// How often a full disk is looked at.
const DISK_FULL_POLL: Duration = Duration::from_millis(500);

enum FlushError {
    /// The disk is full; the journal holds everything, so it can be tried again.
    Full(String),
    Fatal(String),
}

pub(crate) fn run(shared: &Arc<Shared>, mut tree: Tree) {
    while let Some(frozen) = next(shared) {
        loop {
            match flush(shared, &mut tree, &frozen) {
                Ok(()) => break,
                Err(FlushError::Full(why)) => {
                    shared.enter_disk_full(&why);
                    let reopened = tree.reopen().and_then(|()| tree.snapshot());
                    match reopened {
                        Ok(snapshot) => shared.lock().tree = Arc::new(snapshot),
                        Err(error) if error.is_full() => {}
                        Err(error) => return shared.fail(error.to_string()),
                    }
                    let state = shared.lock();
                    let state = shared.wait_for(&shared.flush_wake, state, DISK_FULL_POLL);
                    if state.stopping || state.failed.is_some() {
                        return;
                    }
                }
                Err(FlushError::Fatal(why)) => return shared.fail(why),
            }
        }
        shared.leave_disk_full();
    }
}

/// Waits until there is something to flush; `None` ends the thread.
fn next(shared: &Shared) -> Option<Arc<Frozen>> {
    let mut state = shared.lock();
    loop {
        if state.stopping || state.failed.is_some() {
            return None;
        }
        let asked = std::mem::take(&mut state.flush_asked);
        if state.active_bytes >= shared.options.flush_bytes || (asked && state.active_bytes > 0) {
            return Some(state.freeze());
        }
        if state.disk_full.is_some() {
            drop(state);
            shared.leave_disk_full();
            state = shared.lock();
            if !state.flush_asked {
                state = shared.wait_for(&shared.flush_wake, state, DISK_FULL_POLL);
            }
        } else {
            state = shared.wait(&shared.flush_wake, state);
        }
    }
}

fn flush(shared: &Shared, tree: &mut Tree, frozen: &Frozen) -> Result<(), FlushError> {
    let (first, records): (u64, Vec<Bytes>) = {
        let mut state = shared.lock();
        while state.durable < frozen.meta.revision {
            if let Some(why) = &state.failed {
                return Err(FlushError::Fatal(why.clone()));
            }
            state = shared.wait(&shared.durable_wake, state);
        }
        let count = (frozen.meta.log_size - state.tail_first) as usize;
        (state.tail_first, state.tail.iter().take(count).cloned().collect())
    };
    shared.segments.append(first, &records, shared.options.segment_bytes).map_err(|e| segment_failure(e.into()))?;
    drop(records);
    let entries = frozen.overlay.iter().map(|(key, (revision, value))| (key, *revision, value.as_ref()));
    tree.write(frozen.meta, entries).map_err(tree_failure)?;
    let snapshot = tree.snapshot().map_err(tree_failure)?;
    let done = shared.lock().thaw(Arc::new(snapshot), frozen.meta);
    shared.tree_bytes.store(tree.size_bytes(), Ordering::Relaxed);
    shared.flushes.fetch_add(1, Ordering::Relaxed);
    shared.space.notify_waiters();
    shared.flushed_wake.notify_all();
    for file in &done {
        // A file that stays is skipped at the next start, because its successor says that the tree has it.
        if let Err(error) = shared.disk.remove(&file.path) {
            return Err(FlushError::Fatal(format!("a journal file could not be removed: {error}")));
        }
    }
    shared.segments.seal(shared.options.segment_bytes).or_else(|error| match segment_failure(error) {
        // Sealing saves space and needs some; it comes with a later flush.
        FlushError::Full(_) => Ok(()),
        fatal => Err(fatal),
    })
}

fn segment_failure(error: SegmentError) -> FlushError {
    match &error {
        SegmentError::Io(io) if crate::embedded::shared::is_full(io) => FlushError::Full(error.to_string()),
        _ => FlushError::Fatal(error.to_string()),
    }
}

fn tree_failure(error: TreeError) -> FlushError {
    if error.is_full() { FlushError::Full(error.to_string()) } else { FlushError::Fatal(error.to_string()) }
}
