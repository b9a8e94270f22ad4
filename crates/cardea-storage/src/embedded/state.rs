//! What the embedded store keeps in memory, all of it under one short lock: the overlay of changes that the tree does
//! not have yet, the tail of the log, the next group of the journal and who waits for it. Nothing in here may touch a
//! disk or wait: the lock is taken by every request.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::batch::{Batch, Condition, Write};
use crate::changes::ChangeRing;
use crate::embedded::crowd::{Crowd, Place};
use crate::embedded::journal::{self, Group, JournalFile};
use crate::embedded::tree::{Meta, TreeSnapshot};
use crate::store::{Change, Clock, CommitError, Committed, Key, ReadError, Revision, Versioned};

/// A change that the tree does not have yet; `None` is a delete.
pub(crate) type Overlay = BTreeMap<Key, (Revision, Option<Bytes>)>;

/// What one flush brings to the tree and the log's segments.
pub(crate) struct Frozen {
    pub(crate) overlay: Overlay,
    pub(crate) meta: Meta,
}

/// What one entry of the overlay takes beside its key and value: its place in the map, and the allocator's share.
const ENTRY_BYTES: usize = 96;

/// Prefixes that are remembered as empty: every write of an engine may ask for a few of its mount's queues.
const EMPTY_PREFIXES_MAX: usize = 1024;

/// How much may gather before it is brought on, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Changes in memory, each key once: the tree takes them over.
    pub(crate) overlay: usize,
    /// The journal since the tree last took over, however little is left of it: what a start has to replay.
    pub(crate) journal: usize,
    /// Records of the log in memory: the segments take them over.
    pub(crate) tail: usize,
    /// The same, when nothing more is accepted before they have.
    pub(crate) tail_max: usize,
}

pub(crate) struct State {
    limits: Limits,
    pub(crate) revision: Revision,
    /// Next position of the log.
    pub(crate) log_end: u64,
    pub(crate) now_ms: u64,
    /// Newest changes; hides `frozen`, which hides the tree.
    pub(crate) active: Overlay,
    /// What `active` takes.
    active_bytes: usize,
    /// Journal bytes of the commits in `active` and of their records.
    journal_bytes: usize,
    pub(crate) frozen: Option<Arc<Frozen>>,
    pub(crate) tree: Arc<TreeSnapshot>,
    /// Values of `tree` only, and that it has none. A key enters when neither overlay has it and `tree` is the snapshot it was read from, and
    /// leaves when it is written; so an entry always equals the tree's value, and every overlay entry hides none.
    cache: Cache<Key, Option<Versioned>, ByBytes>,
    /// Prefixes under which `tree` has nothing.
    empty: HashSet<Key>,
    /// Position of the first record in `tail`; earlier ones are in segments.
    pub(crate) tail_first: u64,
    pub(crate) tail: VecDeque<Bytes>,
    tail_bytes: usize,
    /// The commits that no sync has taken yet, and who waits for them.
    pub(crate) pending: Group,
    pub(crate) pending_crowd: Arc<Crowd>,
    /// The last revision that the running sync will cover, and who waits for it.
    pub(crate) inflight_upto: Revision,
    pub(crate) inflight_crowd: Arc<Crowd>,
    pub(crate) durable: Revision,
    pub(crate) durable_log: u64,
    pub(crate) flushed: Revision,
    pub(crate) changes: ChangeRing,
    pub(crate) journal: Vec<JournalFile>,
    /// The next group begins a new journal file.
    pub(crate) rotate: bool,
    pub(crate) flush_asked: bool,
    pub(crate) failed: Option<String>,
    pub(crate) disk_full: Option<String>,
    pub(crate) reserve_held: bool,
    /// Journal bytes that essential batches may still use while the disk is full.
    pub(crate) essential_left: u64,
    pub(crate) closing: bool,
    pub(crate) stopping: bool,
    pub(crate) commits: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Option<Versioned>> for ByBytes {
    fn weight(&self, key: &Key, value: &Option<Versioned>) -> u64 {
        (key.len() + value.as_ref().map_or(0, |value| value.value.len()) + ENTRY_BYTES) as u64
    }
}

/// What memory knows of a key.
pub(crate) enum Lookup {
    Known(Option<Versioned>),
    AskTree,
}

/// Revisions of the keys of a batch's conditions, read from one snapshot of the tree; by index of the condition.
pub(crate) struct TreeRevisions {
    pub(crate) tree: Arc<TreeSnapshot>,
    pub(crate) revisions: BTreeMap<usize, Option<Revision>>,
}

/// How far a commit came.
pub(crate) enum Step {
    Applied(Committed, Option<Place>),
    /// Neither overlay nor cache know these conditions' keys: read them from this snapshot and come again.
    AskTree(Arc<TreeSnapshot>, Vec<usize>),
    /// The flusher lags: wait for it.
    NoSpace,
}

impl State {
    pub(crate) fn new(meta: Meta, tree: Arc<TreeSnapshot>, cache_bytes: u64, limits: Limits) -> Self {
        let items = usize::try_from(cache_bytes / 512).unwrap_or(usize::MAX).max(16);
        Self {
            limits,
            revision: meta.revision,
            log_end: meta.log_size,
            now_ms: meta.now_ms,
            active: Overlay::new(),
            active_bytes: 0,
            journal_bytes: 0,
            frozen: None,
            tree,
            cache: Cache::with_weighter(items, cache_bytes, ByBytes),
            empty: HashSet::new(),
            tail_first: meta.log_size,
            tail: VecDeque::new(),
            tail_bytes: 0,
            pending: Group::new(),
            pending_crowd: Arc::default(),
            inflight_upto: meta.revision,
            inflight_crowd: Arc::default(),
            durable: meta.revision,
            durable_log: meta.log_size,
            flushed: meta.revision,
            changes: ChangeRing::new(meta.revision),
            journal: Vec::new(),
            rotate: true,
            flush_asked: false,
            failed: None,
            disk_full: None,
            reserve_held: false,
            essential_left: 0,
            closing: false,
            stopping: false,
            commits: 0,
        }
    }

    pub(crate) fn now(&mut self, clock: &Clock) -> u64 {
        self.now_ms = self.now_ms.max(clock());
        self.now_ms
    }

    fn overlaid(&self, key: &[u8]) -> Option<&(Revision, Option<Bytes>)> {
        self.active.get(key).or_else(|| self.frozen.as_ref().and_then(|frozen| frozen.overlay.get(key)))
    }

    pub(crate) fn lookup(&self, key: &[u8]) -> Lookup {
        // The cache first: a key that is in it is in no overlay, and its one hash costs less than two searches.
        if let Some(found) = self.cache.get(key) {
            return Lookup::Known(found.clone());
        }
        match self.overlaid(key) {
            Some((revision, value)) => {
                Lookup::Known(value.clone().map(|value| Versioned { revision: *revision, value }))
            }
            None => Lookup::AskTree,
        }
    }

    /// Remembers what was read from `tree`, unless it may be outdated by now.
    pub(crate) fn remember(&mut self, tree: &Arc<TreeSnapshot>, key: &[u8], found: Option<&Versioned>) {
        if Arc::ptr_eq(tree, &self.tree) && self.overlaid(key).is_none() {
            self.cache.insert(key.to_vec(), found.cloned());
        }
    }

    /// Whether the tree shall take over.
    pub(crate) fn is_ripe(&self) -> bool {
        self.active_bytes >= self.limits.overlay || self.journal_bytes >= self.limits.journal
    }

    /// Whether there is anything that the tree could take over.
    pub(crate) fn has_changes(&self) -> bool {
        self.journal_bytes > 0
    }

    /// Whether the segments shall take over.
    pub(crate) fn is_tail_ripe(&self) -> bool {
        self.tail_bytes >= self.limits.tail
    }

    pub(crate) fn has_space(&self) -> bool {
        // The thread behind may be at the segments when the changes are ripe: then they grow on, but not without end.
        let is_held_up = self.frozen.is_some() || self.active_bytes >= 2 * self.limits.overlay;
        self.tail_bytes < self.limits.tail_max && !(is_held_up && self.is_ripe())
    }

    /// Whether a commit may be tried at all.
    fn accepts(&self, essential: bool, size_bytes: usize) -> Result<(), CommitError> {
        if let Some(why) = &self.failed {
            return Err(CommitError::Unavailable(why.clone()));
        }
        if self.closing {
            return Err(CommitError::Unavailable("the store is closing".to_owned()));
        }
        if let Some(why) = &self.disk_full {
            let allowed = essential && self.essential_left >= size_bytes as u64;
            if !allowed {
                return Err(CommitError::Unavailable(format!("disk full, only essential changes are taken: {why}")));
            }
        }
        Ok(())
    }

    /// Checks the conditions and applies the batch. `entry` is the batch as the journal keeps it, empty for an inert
    /// one. The batch is emptied when it is applied.
    pub(crate) fn commit(
        &mut self,
        batch: &mut Batch,
        entry: &mut [u8],
        known: Option<&TreeRevisions>,
        clock: &Clock,
    ) -> Result<Step, CommitError> {
        self.accepts(batch.essential, entry.len())?;
        if !batch.is_inert() && !self.has_space() {
            return Ok(Step::NoSpace);
        }
        let known = known.filter(|known| Arc::ptr_eq(&known.tree, &self.tree));
        let mut unknown = Vec::new();
        for (index, condition) in batch.conditions.iter().enumerate() {
            let found = match self.lookup(condition.key()) {
                Lookup::Known(found) => found.map(|found| found.revision),
                Lookup::AskTree => match known.and_then(|known| known.revisions.get(&index)) {
                    Some(revision) => *revision,
                    None => {
                        unknown.push(index);
                        continue;
                    }
                },
            };
            let holds = match condition {
                Condition::Absent(_) => found.is_none(),
                Condition::At(_, revision) => found == Some(*revision),
            };
            if !holds {
                return Err(CommitError::Conflict);
            }
        }
        if !unknown.is_empty() {
            return Ok(Step::AskTree(self.tree.clone(), unknown));
        }
        let first_position = self.log_end;
        if batch.is_inert() {
            let revision = self.revision;
            return Ok(Step::Applied(Committed { revision, first_position }, self.wait_for(revision)));
        }
        let now_ms = self.now(clock);
        journal::set_time(entry, now_ms);
        let revision = Revision(self.revision.0 + 1);
        let writes = std::mem::take(&mut batch.writes).into_iter().map(|write| match write {
            Write::Put(key, value) => (key, Some(value)),
            Write::Delete(key) => (key, None),
        });
        self.apply(revision, now_ms, entry.len(), writes, std::mem::take(&mut batch.appends));
        self.pending.push(revision, entry);
        self.commits += 1;
        if self.disk_full.is_some() {
            self.essential_left = self.essential_left.saturating_sub(entry.len() as u64);
        }
        Ok(Step::Applied(Committed { revision, first_position }, Some(self.pending_crowd.join())))
    }

    /// Makes a commit visible: from a batch, or from the journal after a restart.
    pub(crate) fn apply(
        &mut self,
        revision: Revision,
        now_ms: u64,
        entry_bytes: usize,
        writes: impl Iterator<Item = (Key, Option<Bytes>)>,
        appends: Vec<Bytes>,
    ) {
        self.revision = revision;
        self.now_ms = self.now_ms.max(now_ms);
        self.journal_bytes += entry_bytes;
        for (key, value) in writes {
            self.cache.remove(&key);
            self.changes.push(Change { revision, key: key.clone() });
            self.active_bytes += value.as_ref().map_or(0, Bytes::len);
            let key_bytes = key.len();
            match self.active.insert(key, (revision, value)) {
                Some((_, replaced)) => self.active_bytes -= replaced.map_or(0, |value| value.len()),
                None => self.active_bytes += key_bytes + ENTRY_BYTES,
            }
        }
        self.log_end += appends.len() as u64;
        self.tail_bytes += appends.iter().map(Bytes::len).sum::<usize>();
        self.tail.extend(appends);
    }

    /// `None` when `at` is durable already.
    pub(crate) fn wait_for(&mut self, at: Revision) -> Option<Place> {
        if at <= self.durable {
            return None;
        }
        if let Some(why) = &self.failed {
            // Nobody is left to answer later.
            let crowd = Arc::new(Crowd::default());
            crowd.end(Err(why.as_str().into()));
            return Some(crowd.join());
        }
        let crowd = if at <= self.inflight_upto { &self.inflight_crowd } else { &self.pending_crowd };
        Some(crowd.join())
    }

    /// Nothing is accepted from now on. Returns who must be told.
    pub(crate) fn fail(&mut self, why: String) -> [Arc<Crowd>; 2] {
        self.failed.get_or_insert(why);
        [std::mem::take(&mut self.inflight_crowd), std::mem::take(&mut self.pending_crowd)]
    }

    /// Sets aside what the next flush brings to the tree.
    pub(crate) fn freeze(&mut self) -> Arc<Frozen> {
        let meta = Meta { revision: self.revision, log_size: self.log_end, now_ms: self.now_ms };
        let frozen = Arc::new(Frozen { overlay: std::mem::take(&mut self.active), meta });
        (self.active_bytes, self.journal_bytes) = (0, 0);
        self.frozen = Some(frozen.clone());
        self.rotate = true;
        frozen
    }

    /// The tree has what was frozen. Returns the journal files that nobody needs any more.
    pub(crate) fn thaw(&mut self, tree: Arc<TreeSnapshot>, meta: Meta) -> Vec<JournalFile> {
        self.tree = tree;
        self.empty.clear();
        self.frozen = None;
        self.flushed = meta.revision;
        self.drop_tail(meta.log_size);
        let newest = self.journal.len().saturating_sub(1);
        let rotate = self.rotate;
        let mut done = Vec::new();
        let mut index = 0;
        self.journal.retain(|file| {
            // The newest file is written to, unless the next group begins another.
            let needed = file.last > meta.revision || (index == newest && !rotate);
            index += 1;
            if !needed {
                done.push(file.clone());
            }
            needed
        });
        done
    }

    /// The records that segments lack, up to the position `upto`, behind the position of the first of them.
    pub(crate) fn tail_upto(&self, upto: u64) -> (u64, Vec<Bytes>) {
        let count = upto.saturating_sub(self.tail_first) as usize;
        (self.tail_first, self.tail.iter().take(count).cloned().collect())
    }

    /// The segments have the log up to the position `upto`.
    pub(crate) fn drop_tail(&mut self, upto: u64) {
        let gone = (upto.saturating_sub(self.tail_first) as usize).min(self.tail.len());
        self.tail_bytes -= self.tail.drain(..gone).map(|record| record.len()).sum::<usize>();
        self.tail.shrink_to(1024);
        self.tail_first = self.tail_first.max(upto);
    }

    /// Durable records from `from` on that are still in memory; the caller knows that `from` is not before the tail.
    pub(crate) fn tail_read(&self, from: u64, limit: usize, bytes_max: usize, found: &mut Vec<(u64, Bytes)>) {
        let start = from.saturating_sub(self.tail_first) as usize;
        let end = self.durable_log.saturating_sub(self.tail_first) as usize;
        let mut left = bytes_max;
        let records = self.tail.iter().enumerate().take(end).skip(start);
        for (index, record) in records.take(limit.saturating_sub(found.len())) {
            if record.len() > left && !found.is_empty() {
                return;
            }
            left = left.saturating_sub(record.len());
            found.push((self.tail_first + index as u64, record.clone()));
        }
    }

    /// Up to `chunk` entries of the overlay that start with `prefix`, from `start` on.
    pub(crate) fn overlay_chunk(&self, start: Bound<&[u8]>, prefix: &[u8], chunk: usize) -> OverlayChunk {
        let mut upto: Option<Key> = None;
        let mut entries = Overlay::new();
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.overlay);
        // The older one first, so that the newer one replaces its entries.
        for overlay in frozen.into_iter().chain([&self.active]) {
            let mut range =
                overlay.range::<[u8], _>((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
            let mut last = None;
            for (key, entry) in range.by_ref().take(chunk) {
                entries.insert(key.clone(), entry.clone());
                last = Some(key);
            }
            if let (Some(last), true) = (last, range.next().is_some()) {
                upto = Some(upto.map_or_else(|| last.clone(), |upto| upto.min(last.clone())));
            }
        }
        if let Some(upto) = &upto {
            entries.retain(|key, _| key <= upto);
        }
        OverlayChunk { entries, upto, tree: self.tree.clone(), nothing_below: self.empty.contains(prefix) }
    }

    /// Remembers that a scan found nothing in `tree` under a prefix.
    pub(crate) fn remember_empty(&mut self, tree: &Arc<TreeSnapshot>, prefix: &[u8]) {
        if Arc::ptr_eq(tree, &self.tree) {
            if self.empty.len() >= EMPTY_PREFIXES_MAX {
                self.empty.clear();
            }
            self.empty.insert(prefix.to_vec());
        }
    }

    pub(crate) fn read_failure(&self) -> Option<ReadError> {
        self.failed.clone().map(ReadError::Unavailable)
    }
}

/// A piece of the overlay, with the tree that it lies over.
pub(crate) struct OverlayChunk {
    pub(crate) entries: Overlay,
    /// The piece ends with this key; `None` when it holds all there is.
    pub(crate) upto: Option<Key>,
    pub(crate) tree: Arc<TreeSnapshot>,
    /// The tree is known to have nothing under the prefix.
    pub(crate) nothing_below: bool,
}
