//! The embedded store: one directory, one process, one node.
//!
//! **A journal takes the weight of syncs, a tree the weight of data.** Nearly every request of a secrets manager appends
//! to the log, so that durable commits bound the whole server. A copy-on-write tree pays several page writes and a
//! two-phase sync for each; an append to a file pays one small write and one sync. So:
//!
//! * A commit checks its conditions and is applied to an *overlay* in memory, over the tree, under one short lock
//!   ([`state`]). It is then written to the journal ([`journal`]) and waits. One thread ([`syncer`]) loops: take
//!   everything that is pending, one write, one `fdatasync`, wake those who waited. A thousand writers of one key are
//!   not limited to one write a sync, because the next one is checked against applied state, not against durable state.
//!   Nothing is acknowledged before its sync, and the journal is in order: what is durable implies all before it.
//! * Behind it, another thread ([`flusher`]) brings the log's records to segment files ([`segments`]) and a few megabytes
//!   of changes at a time to the tree ([`tree`], redb) in one durable transaction, then removes the journal files that
//!   both made superfluous. When it lags, commits wait: memory is bounded by about three times `flush_bytes`.
//! * A start reads what the tree says it stands for, and replays the journal behind that.
//! * A write or sync that fails ends the store until it is opened again: no sync is tried twice, because after a failed
//!   one the kernel may have dropped the pages. Reads go on. A full disk is no such end: the write is cut back, the
//!   *reserve* file is given up, and only essential batches are taken until there is room again.
//!
//! Every file access goes through [`crate::disk::Disk`], redb's included, so that power loss is tested for all of it.
//! redb was chosen for checksummed pages, no `unsafe` on our side and that pluggable back end: docs/adr/0001.
//!
//! It must never acknowledge what it has not synced, and never open a directory that another process has open.

mod crowd;
mod flusher;
mod journal;
mod segments;
mod shared;
mod state;
mod syncer;
mod tree;

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::batch::Batch;
use crate::disk::{Disk, Places, RealDisk};
use crate::store::{
    Change, Clock, CommitError, Committed, Key, Known, LOG_READ_BYTES_MAX, ReadError, Revision, Snapshot, Store,
    StoreStats, Versioned,
};
pub use journal::Cut;
use journal::{EXTEND_BYTES_MAX, Writer};
use segments::{SegmentError, Segments};
use shared::Shared;
use state::{Limits, Lookup, State, Step, TreeRevisions};
use tree::{Tree, TreeError, TreeSnapshot};

/// Entries of the overlay looked at under the lock at once by a scan: never longer than some tens of microseconds, and
/// never so few that deletions make many rounds.
const SCAN_CHUNK_MIN: usize = 16;
const SCAN_CHUNK_MAX: usize = 256;
/// How often a read looks again while the tree is being opened anew after a full disk, a millisecond apart.
const TREE_RETRIES_MAX: u32 = 500;

/// How many times `flush_bytes` the journal may hold before the tree takes over, if keys are written again and again:
/// the tree then has all of it to write once. It is what a start has to replay; how long that takes was not measured.
const JOURNAL_TIMES: usize = 4;
/// In how many portions `flush_bytes` of the log's records go to the segments: 2 MiB each are few enough syncs.
const TAIL_PORTIONS: usize = 4;

/// How a store is opened. Sizes in bytes.
#[derive(Clone)]
pub struct Options {
    pub clock: Clock,
    /// Bytes of changes in memory after which the tree takes over; bounds the memory (about three times this) and the
    /// length of a replay (about eight times this).
    pub flush_bytes: usize,
    pub tree_cache_bytes: usize,
    pub value_cache_bytes: u64,
    /// Kept allocated for essential batches; 0 keeps none.
    pub reserve_bytes: u64,
    /// Size at which a log segment is sealed.
    pub segment_bytes: u64,
    /// Checks every page of the tree, value and record before anything is served.
    pub verify: bool,
    /// Whether nobody is working on a commit that could still join the next sync. A sync never waits for it longer than
    /// two milliseconds, and not at all while it says yes.
    pub quiet: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Options {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            flush_bytes: 8 << 20,
            tree_cache_bytes: 8 << 20,
            value_cache_bytes: 8 << 20,
            reserve_bytes: 64 << 20,
            segment_bytes: 16 << 20,
            verify: false,
            quiet: Arc::new(|| true),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            overlay: self.flush_bytes,
            journal: JOURNAL_TIMES * self.flush_bytes,
            tail: self.flush_bytes / TAIL_PORTIONS,
            tail_max: self.flush_bytes,
        }
    }
}

/// Why a store could not be opened. Nothing was lost by trying.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    #[error("{} is corrupt at byte {offset}: {why}", .file.display())]
    Corrupt { file: PathBuf, offset: u64, why: String },
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        OpenError::Io { path: path.to_path_buf(), error }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, why: &str) -> Self {
        OpenError::Corrupt { file: file.to_path_buf(), offset, why: why.to_owned() }
    }
}

/// What a start found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Commits that were replayed from the journal.
    pub commits: u64,
    /// A group that was never acknowledged and is gone.
    pub cut: Option<Cut>,
}

pub struct EmbeddedStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    recovery: Recovery,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl EmbeddedStore {
    /// Opens the store in `dir`, or makes one. Blocks while the journal is replayed.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// The same on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, OpenError> {
        let places = Places::under(dir);
        for part in [&places.dir, &places.journal, &places.log] {
            disk.make_dir(part).map_err(|e| OpenError::io(part, e))?;
        }
        let lock = disk.lock(&places.lock).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked(dir.to_path_buf()),
            _ => OpenError::io(&places.lock, error),
        })?;
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |error| OpenError::io(&path, error)
        };
        disk.sync_dir(dir).map_err(io(dir))?;
        if !disk.list(dir).map_err(io(dir))?.iter().any(|name| places.tree.ends_with(name)) {
            for part in [&places.journal, &places.log] {
                if !disk.list(part).map_err(io(part))?.is_empty() {
                    return Err(OpenError::corrupt(
                        &places.tree,
                        0,
                        "missing, although journal or log files are there",
                    ));
                }
            }
            Tree::create(&disk, dir, &places.tree)?;
        }
        let (tree, meta) = Tree::open(&disk, &places.tree, options.tree_cache_bytes, options.verify)?;
        let snapshot = Arc::new(tree.snapshot().map_err(|e| e.at(&places.tree))?);
        let segments = Segments::open(disk.clone(), &places.log, meta.log_size)?;
        let limits = options.limits();
        let mut state = State::new(meta, snapshot, options.value_cache_bytes.max(1 << 16), limits);
        let mut recovery = Recovery::default();
        let mut has_room = true;
        let replayed = journal::replay(disk.as_ref(), &places.journal, meta.revision, |entry| {
            recovery.commits += 1;
            let size_bytes = entry.size_bytes();
            state.apply(entry.revision, entry.now_ms, size_bytes, entry.writes.into_iter(), entry.appends);
            // Where they cannot be written, they stay in memory; the flusher tries again, and says why it could not.
            if has_room && state.is_tail_ripe() {
                let (first, records) = state.tail_upto(state.log_end);
                has_room = segments.append(first, &records, options.segment_bytes).is_ok();
                if has_room {
                    state.drop_tail(state.log_end);
                }
            }
        })?;
        recovery.cut = replayed.cut;
        state.journal = replayed.files;
        state.durable = state.revision;
        state.inflight_upto = state.revision;
        state.durable_log = state.log_end;
        let extend_bytes = (limits.journal as u64 / 32).clamp(4096, EXTEND_BYTES_MAX);
        let writer = Writer::new(disk.clone(), places.journal.clone(), extend_bytes);
        let shared = Arc::new(Shared::new(disk, places, options, segments, state, tree.size_bytes()));
        if shared.take_reserve() {
            shared.lock().reserve_held = shared.options.reserve_bytes > 0;
        } else {
            shared.lock().disk_full = Some("there is no room for the reserve".to_owned());
        }
        let store = Self { shared, threads: Mutex::default(), recovery, lock: Mutex::new(Some(lock)) };
        if store.shared.options.verify {
            store.verify().map_err(|error| OpenError::corrupt(dir, 0, &error.to_string()))?;
        }
        store.spawn("store-sync", move |shared| syncer::run(shared, writer))?;
        store.spawn("store-flush", move |shared| flusher::run(shared, tree))?;
        Ok(store)
    }

    fn spawn(&self, name: &str, body: impl FnOnce(&Arc<Shared>) + Send + 'static) -> Result<(), OpenError> {
        let shared = self.shared.clone();
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| body(&shared))).is_err() {
                shared.fail("a thread of the store has panicked".to_owned());
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| OpenError::io(&self.shared.places.dir, error))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// What the start found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Why nothing is accepted any more, if so.
    pub fn failure(&self) -> Option<String> {
        self.shared.lock().failed.clone()
    }

    /// Brings everything applied so far to the tree. Blocks.
    pub fn flush(&self) -> Result<(), ReadError> {
        let mut state = self.shared.lock();
        let target = state.revision;
        while state.flushed < target {
            if let Some(failure) = state.read_failure() {
                return Err(failure);
            }
            state.flush_asked = true;
            self.shared.flush_wake.notify_all();
            state = self.shared.wait_for(&self.shared.flushed_wake, state, Duration::from_millis(200));
        }
        Ok(())
    }

    /// The clean end: refuses further commits, brings everything to the tree, so that the next start has nothing to
    /// replay, and lets go of the directory. Blocks.
    pub fn close(&self) -> Result<(), ReadError> {
        self.shared.lock().closing = true;
        let flushed = self.flush();
        self.stop();
        flushed
    }

    fn stop(&self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.stopping = true;
        }
        self.shared.wake_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // Its panic was turned into a failure of the store.
            let _ = thread.join();
        }
        self.shared.ended.send_replace(true);
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Reads every value and record there is and compares their checksums. Slow and blocking: for a check on demand.
    pub fn verify(&self) -> Result<(), ReadError> {
        let tree = self.shared.lock().tree.clone();
        tree.verify().map_err(|error| tree.read_error(&error))?;
        self.shared.segments.verify().map_err(|error| segment_error(&error))
    }

    /// A read from a snapshot of the tree. The tree's file is opened anew after a full disk; reads wait it out.
    fn read_tree<T>(
        &self,
        tree: &Arc<TreeSnapshot>,
        read: impl Fn(&TreeSnapshot) -> Result<T, TreeError>,
    ) -> Result<Option<T>, ReadError> {
        let mut retries = 0;
        loop {
            match read(tree) {
                Ok(found) => return Ok(Some(found)),
                Err(error @ TreeError::Corrupt(_)) => return Err(tree.read_error(&error)),
                Err(error) if retries == TREE_RETRIES_MAX => return Err(tree.read_error(&error)),
                Err(_) => {}
            }
            if !Arc::ptr_eq(tree, &self.shared.lock().tree) {
                return Ok(None);
            }
            retries += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// There is something to sync, and perhaps something to flush.
    fn kick(&self, flush: bool) {
        self.shared.sync_wake.notify_one();
        if flush {
            self.shared.flush_wake.notify_one();
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Without a flush: what is durable is in the journal, and a start replays it.
        self.stop();
    }
}

fn segment_error(error: &SegmentError) -> ReadError {
    match error {
        SegmentError::Io(_) => ReadError::Unavailable(error.to_string()),
        SegmentError::Corrupt(..) => ReadError::Corrupt(error.to_string()),
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        loop {
            let mut misses = Vec::new();
            let (mut snapshot, tree) = {
                let mut state = self.shared.lock();
                let now_ms = state.now(&self.shared.options.clock);
                let mut values = Vec::with_capacity(keys.len());
                for (index, key) in keys.iter().enumerate() {
                    values.push(match state.lookup(key) {
                        Lookup::Known(found) => found,
                        Lookup::AskTree => {
                            misses.push(index);
                            None
                        }
                    });
                }
                let snapshot = Snapshot { values, revision: state.revision, now_ms };
                if misses.is_empty() {
                    return Ok(snapshot);
                }
                (snapshot, state.tree.clone())
            };
            // Exactly this snapshot lay under the overlay at that revision, so that all values are of one moment.
            let found = self.read_tree(&tree, |tree| misses.iter().map(|index| tree.get(keys[*index])).collect())?;
            let Some(found): Option<Vec<_>> = found else { continue };
            let mut state = self.shared.lock();
            for (index, value) in misses.into_iter().zip(found) {
                // That there is none is remembered too: policies that nobody wrote are asked for at every request.
                state.remember(&tree, keys[index], value.as_ref());
                snapshot.values[index] = value;
            }
            return Ok(snapshot);
        }
    }

    fn known(&self, key: Option<&[u8]>) -> Option<Known> {
        let mut state = self.shared.lock();
        let value = match key.map(|key| state.lookup(key)) {
            None => None,
            Some(Lookup::Known(found)) => found,
            Some(Lookup::AskTree) => return None,
        };
        let now_ms = state.now(&self.shared.options.clock);
        Some(Known { value, revision: state.revision, now_ms })
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let mut found: Vec<(Key, Versioned)> = Vec::new();
        let mut start: Bound<Key> = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        while found.len() < limit {
            let from = start.as_ref().map(Vec::as_slice);
            let chunk_max = (limit - found.len()).clamp(SCAN_CHUNK_MIN, SCAN_CHUNK_MAX);
            let chunk = self.shared.lock().overlay_chunk(from, prefix, chunk_max);
            let left = limit - found.len();
            // Each entry of the overlay hides at most one of the tree.
            let enough = left.saturating_add(chunk.entries.len());
            let wanted =
                |key: &[u8]| key.starts_with(prefix) && chunk.upto.as_ref().is_none_or(|upto| key <= upto.as_slice());
            let below = if chunk.nothing_below {
                Vec::new()
            } else {
                let read = self.read_tree(&chunk.tree, |tree| tree.range(from, enough, wanted))?;
                let Some(below) = read else { continue };
                if below.is_empty() && chunk.upto.is_none() && start == Bound::Included(prefix.to_vec()) {
                    self.shared.lock().remember_empty(&chunk.tree, prefix);
                }
                below
            };
            let mut above = chunk.entries.into_iter().peekable();
            let mut below = below.into_iter().peekable();
            while found.len() < limit {
                let from_overlay = match (above.peek(), below.peek()) {
                    (None, None) => break,
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some((over, _)), Some((under, _))) => over <= under,
                };
                if from_overlay {
                    let Some((key, (revision, value))) = above.next() else { break };
                    below.next_if(|(under, _)| *under == key);
                    if let Some(value) = value {
                        found.push((key, Versioned { revision, value }));
                    }
                } else {
                    found.extend(below.next());
                }
            }
            match chunk.upto {
                Some(upto) => start = Bound::Excluded(upto),
                None => break,
            }
        }
        Ok(found)
    }

    async fn commit(&self, mut batch: Batch) -> Result<Committed, CommitError> {
        batch.check_limits()?;
        let mut entry = if batch.is_inert() { Vec::new() } else { journal::encode(&batch) };
        let mut known: Option<TreeRevisions> = None;
        let options = &self.shared.options;
        let (committed, waiter) = loop {
            let (step, flush) = {
                let mut state = self.shared.lock();
                let step = state.commit(&mut batch, &mut entry, known.as_ref(), &options.clock)?;
                (step, state.is_ripe() || state.is_tail_ripe())
            };
            match step {
                Step::Applied(committed, waiter) => {
                    self.kick(flush);
                    break (committed, waiter);
                }
                Step::AskTree(tree, indexes) => {
                    let read = |tree: &TreeSnapshot| {
                        let keys = indexes.iter().map(|index| (*index, batch.conditions[*index].key()));
                        keys.map(|(index, key)| Ok((index, key, tree.get(key)?))).collect::<Result<Vec<_>, _>>()
                    };
                    let found = self.read_tree(&tree, read).map_err(|e| CommitError::Unavailable(e.to_string()))?;
                    let Some(found) = found else { continue };
                    let mut state = self.shared.lock();
                    let mut revisions = std::collections::BTreeMap::new();
                    for (index, key, value) in found {
                        if let Some(value) = &value {
                            state.remember(&tree, key, Some(value));
                        }
                        revisions.insert(index, value.map(|value| value.revision));
                    }
                    drop(state);
                    known = Some(TreeRevisions { tree, revisions });
                }
                Step::NoSpace => {
                    let mut space = std::pin::pin!(self.shared.space.notified());
                    space.as_mut().enable();
                    let wait = {
                        let state = self.shared.lock();
                        state.failed.is_none() && !state.closing && !state.has_space()
                    };
                    if wait {
                        space.await;
                    }
                }
            }
        };
        match waiter {
            None => Ok(committed),
            Some(place) => match place.await {
                Ok(()) => Ok(committed),
                Err(why) => Err(CommitError::Unknown(why.to_string())),
            },
        }
    }

    async fn durable(&self, at: Revision) -> Result<(), ReadError> {
        let waiter = {
            let mut state = self.shared.lock();
            if at > state.revision {
                return Err(ReadError::Unavailable("this store never made that revision".to_owned()));
            }
            state.wait_for(at)
        };
        match waiter {
            None => Ok(()),
            Some(place) => place.await.map_err(|why| ReadError::Unavailable(why.to_string())),
        }
    }

    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        let mut mark = self.shared.ended.subscribe();
        loop {
            mark.mark_unchanged();
            {
                let state = self.shared.lock();
                let found = state.changes.after(after, state.durable, limit)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            self.next_mark(&mut mark).await?;
        }
    }

    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        let mut found: Vec<(u64, Bytes)> = Vec::new();
        let mut next = from;
        loop {
            let used: usize = found.iter().map(|(_, record)| record.len()).sum();
            let left = LOG_READ_BYTES_MAX.saturating_sub(used);
            if found.len() >= limit || (left == 0 && !found.is_empty()) {
                return Ok(found);
            }
            let tail_first = {
                let state = self.shared.lock();
                if next >= state.tail_first {
                    state.tail_read(next, limit, left, &mut found);
                    return Ok(found);
                }
                state.tail_first
            };
            let read = self.shared.segments.read(next, limit - found.len(), left).map_err(|e| segment_error(&e))?;
            let Some((last, _)) = read.last() else {
                next = tail_first;
                continue;
            };
            let (last, is_whole) = (*last, *last + 1 >= tail_first);
            found.extend(read);
            if !is_whole {
                return Ok(found);
            }
            next = last + 1;
        }
    }

    async fn log_size(&self) -> Result<u64, ReadError> {
        Ok(self.shared.lock().durable_log)
    }

    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        let mut mark = self.shared.ended.subscribe();
        loop {
            mark.mark_unchanged();
            let size = self.shared.lock().durable_log;
            if size > at_least {
                return Ok(size);
            }
            self.next_mark(&mut mark).await?;
        }
    }

    async fn log_trim(&self, before: u64) -> Result<(), ReadError> {
        self.shared.segments.trim(before).map_err(|error| ReadError::Unavailable(error.to_string()))
    }

    fn stats(&self) -> StoreStats {
        let shared = &self.shared;
        let state = shared.lock();
        StoreStats {
            commits: state.commits,
            syncs: shared.syncs.load(Ordering::Relaxed),
            sync_ns: shared.sync_ns.load(Ordering::Relaxed),
            flushes: shared.flushes.load(Ordering::Relaxed),
            journal_bytes: state.journal.iter().map(|file| file.bytes).sum(),
            tree_bytes: shared.tree_bytes.load(Ordering::Relaxed),
            log_bytes: shared.segments.size_bytes(),
            log_first: shared.segments.first().unwrap_or(state.tail_first),
            disk_full: state.disk_full.is_some(),
            failed: state.failed.is_some(),
        }
    }
}

impl EmbeddedStore {
    async fn next_mark(&self, mark: &mut tokio::sync::watch::Receiver<bool>) -> Result<(), ReadError> {
        if *mark.borrow() || mark.changed().await.is_err() {
            let why = self.failure().unwrap_or_else(|| "the store is closed".to_owned());
            return Err(ReadError::Unavailable(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
