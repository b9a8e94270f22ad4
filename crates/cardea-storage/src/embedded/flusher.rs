//! The thread behind: brings what the journal holds to the log's segments and the tree, then removes the journal files
//! that it made superfluous. Records of the log go to the segments in small portions, as they come; changes gather in
//! memory for much longer, because the tree writes a page once for all of its changes. Order is everything: segments durable, tree durable, only then journal files gone. It must
//! never bring to the tree what the journal does not hold durably yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::embedded::segments::SegmentError;
use crate::embedded::shared::Shared;
use crate::embedded::state::Frozen;
use crate::embedded::tree::{Tree, TreeError};
use crate::store::Revision;

/// How often a full disk is looked at.
const DISK_FULL_POLL: Duration = Duration::from_millis(500);

enum FlushError {
    /// The disk is full; the journal holds everything, so it can be tried again.
    Full(String),
    Fatal(String),
}

/// What is to be brought on.
enum Portion {
    /// Records of the log up to a revision and the size that the log had at it; changes stay where they are.
    Records(Revision, u64),
    /// Everything.
    All(Arc<Frozen>),
}

pub(crate) fn run(shared: &Arc<Shared>, mut tree: Tree) {
    while let Some(portion) = next(shared) {
        loop {
            let flushed = match &portion {
                Portion::Records(revision, log_size) => bring_records(shared, *revision, *log_size),
                Portion::All(frozen) => flush(shared, &mut tree, frozen),
            };
            match flushed {
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
fn next(shared: &Shared) -> Option<Portion> {
    let mut state = shared.lock();
    loop {
        if state.stopping || state.failed.is_some() {
            return None;
        }
        let asked = std::mem::take(&mut state.flush_asked);
        if state.is_ripe() || (asked && state.has_changes()) {
            return Some(Portion::All(state.freeze()));
        }
        if state.is_tail_ripe() {
            return Some(Portion::Records(state.revision, state.log_end));
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

/// Brings the log's records to the segments, once the journal holds them durably.
fn append(shared: &Shared, revision: Revision, log_size: u64) -> Result<(), FlushError> {
    let (first, records) = {
        let mut state = shared.lock();
        while state.durable < revision {
            if let Some(why) = &state.failed {
                return Err(FlushError::Fatal(why.clone()));
            }
            state = shared.wait(&shared.durable_wake, state);
        }
        state.tail_upto(log_size)
    };
    shared.segments.append(first, &records, shared.options.segment_bytes).map_err(|e| segment_failure(e.into()))
}

/// The tree does not know of these yet: a start cuts them off the segments again, and has them from the journal.
fn bring_records(shared: &Shared, revision: Revision, log_size: u64) -> Result<(), FlushError> {
    append(shared, revision, log_size)?;
    shared.lock().drop_tail(log_size);
    shared.space.notify_waiters();
    Ok(())
}

fn flush(shared: &Shared, tree: &mut Tree, frozen: &Frozen) -> Result<(), FlushError> {
    append(shared, frozen.meta.revision, frozen.meta.log_size)?;
    let entries = frozen.overlay.iter().map(|(key, (revision, value))| (key, *revision, value.as_ref()));
    tree.write(frozen.meta, entries).map_err(tree_failure)?;
    shared.segments.set_known(frozen.meta.log_size);
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
