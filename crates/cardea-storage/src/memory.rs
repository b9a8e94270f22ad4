//! A store in memory, with the contract's exact semantics: for tests and for `-dev`. It must never be offered where data
//! shall outlive the process. Clones share one content, so a clone is "the disk" from which a test starts again.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::batch::{Batch, Condition, Write};
use crate::changes::ChangeRing;
use crate::store::{
    Change, Clock, CommitError, Committed, Key, LOG_READ_BYTES_MAX, ReadError, Revision, Snapshot, Store, StoreStats,
    Versioned,
};

#[derive(Clone)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    moved: Arc<watch::Sender<u64>>,
    clock: Clock,
}

struct Content {
    values: BTreeMap<Key, Versioned>,
    revision: Revision,
    log: Vec<Bytes>,
    log_first: u64,
    changes: ChangeRing,
    now_ms: u64,
    commits: u64,
}

impl MemoryStore {
    pub fn new(clock: Clock) -> Self {
        let content = Content {
            values: BTreeMap::new(),
            revision: Revision(0),
            log: Vec::new(),
            log_first: 0,
            changes: ChangeRing::new(Revision(0)),
            now_ms: 0,
            commits: 0,
        };
        Self { content: Arc::new(Mutex::new(content)), moved: Arc::new(watch::Sender::new(0)), clock }
    }

    /// The same content under another clock: a restart in a test.
    #[must_use]
    pub fn with_clock(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    /// A copy that later commits do not touch: a backup, or the point that a test goes back to.
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = Self::new(self.clock.clone());
        {
            let (from, mut to) = (self.content(), fork.content());
            to.values.clone_from(&from.values);
            to.revision = from.revision;
            to.log.clone_from(&from.log);
            to.log_first = from.log_first;
            to.changes = ChangeRing::new(from.revision);
            to.now_ms = from.now_ms;
        }
        fork
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Nothing below panics half-way through a change, so a poisoned lock still guards whole commits.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn now(&mut self, clock: &Clock) -> u64 {
        self.now_ms = self.now_ms.max(clock());
        self.now_ms
    }

    fn log_end(&self) -> u64 {
        self.log_first + self.log.len() as u64
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        let mut content = self.content();
        let now_ms = content.now(&self.clock);
        let values = keys.iter().map(|key| content.values.get(*key).cloned()).collect();
        Ok(Snapshot { values, revision: content.revision, now_ms })
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let content = self.content();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = content.values.range::<[u8], _>((start, Bound::Unbounded));
        Ok(entries
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        batch.check_limits()?;
        let committed = {
            let mut content = self.content();
            let holds = |condition: &Condition| match condition {
                Condition::Absent(key) => !content.values.contains_key(key),
                Condition::At(key, revision) => content.values.get(key).is_some_and(|v| v.revision == *revision),
            };
            if !batch.conditions.iter().all(holds) {
                return Err(CommitError::Conflict);
            }
            let first_position = content.log_end();
            if batch.is_inert() {
                return Ok(Committed { revision: content.revision, first_position });
            }
            content.commits += 1;
            content.revision.0 += 1;
            let revision = content.revision;
            for write in batch.writes {
                let key = write.key().to_vec();
                match write {
                    Write::Put(key, value) => content.values.insert(key, Versioned { revision, value }),
                    Write::Delete(key) => content.values.remove(&key),
                };
                content.changes.push(Change { revision, key });
            }
            content.log.extend(batch.appends);
            Committed { revision, first_position }
        };
        self.moved.send_modify(|count| *count += 1);
        Ok(committed)
    }

    async fn durable(&self, at: Revision) -> Result<(), ReadError> {
        if at > self.content().revision {
            return Err(ReadError::Unavailable("this store never made that revision".to_owned()));
        }
        Ok(())
    }

    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        let mut moved = self.moved.subscribe();
        loop {
            moved.mark_unchanged();
            {
                let content = self.content();
                let found = content.changes.after(after, content.revision, limit)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            if moved.changed().await.is_err() {
                return Err(ReadError::Unavailable("the store is closed".to_owned()));
            }
        }
    }

    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        let content = self.content();
        let from = from.clamp(content.log_first, content.log_end());
        let records = &content.log[(from - content.log_first) as usize..];
        let (mut found, mut size_bytes) = (Vec::new(), 0);
        for (position, record) in (from..).zip(records.iter().take(limit)) {
            size_bytes += record.len();
            if size_bytes > LOG_READ_BYTES_MAX && !found.is_empty() {
                break;
            }
            found.push((position, record.clone()));
        }
        Ok(found)
    }

    async fn log_size(&self) -> Result<u64, ReadError> {
        Ok(self.content().log_end())
    }

    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        let mut moved = self.moved.subscribe();
        loop {
            moved.mark_unchanged();
            let size = self.content().log_end();
            if size > at_least {
                return Ok(size);
            }
            if moved.changed().await.is_err() {
                return Err(ReadError::Unavailable("the store is closed".to_owned()));
            }
        }
    }

    async fn log_trim(&self, before: u64) -> Result<(), ReadError> {
        let mut content = self.content();
        let cut = before.clamp(content.log_first, content.log_end());
        let count = (cut - content.log_first) as usize;
        content.log.drain(..count);
        content.log_first = cut;
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        let content = self.content();
        StoreStats {
            commits: content.commits,
            log_bytes: content.log.iter().map(|record| record.len() as u64).sum(),
            log_first: content.log_first,
            ..StoreStats::default()
        }
    }
}
