//! A transaction: remembers the revisions it read, buffers its writes, and commits once. Nothing is visible to anybody
//! before that, and everything is afterwards.
//!
//! It must never talk to anything but the store. A scan is not covered by the conflict check: code that needs "nobody
//! added a sibling" reads and writes a guard key, and says so.

use crate::batch::{Batch, Condition, Write};
use crate::record::{Codec, Record, Wiped};
use crate::store::{CommitError, Committed, Key, ReadError, Revision, Store};
use bytes::Bytes;
use cardea_model::{Cause, Error, Timestamp};
use quick_cache::sync::Cache;
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Decoded records kept by key and revision. 16,384 entries of some 500 bytes are 8 MiB.
const DECODED_RECORDS_MAX: usize = 16_384;
/// Keys read from the store at once while a scan skips deleted ones.
const SCAN_CHUNK: usize = 256;

/// Marks a write that the codec leaves alone; no record has this kind.
const PLAIN: &str = "";

type Decoded = (Revision, Arc<dyn Any + Send + Sync>);

/// A buffered write: kind and plain bytes, or `None` for a deletion.
type Buffered = Option<(&'static str, Wiped)>;

/// A store, the codec that seals what goes into it, and a cache of decoded records that revisions keep coherent.
#[derive(Clone)]
pub struct SealedStore {
    store: Arc<dyn Store>,
    codec: Arc<dyn Codec>,
    decoded: Arc<Cache<Key, Decoded>>,
}

impl SealedStore {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, codec: Arc<dyn Codec>) -> Self {
        Self { store, codec, decoded: Arc::new(Cache::new(DECODED_RECORDS_MAX)) }
    }

    #[must_use]
    pub fn txn(&self) -> Txn {
        Txn {
            base: self.clone(),
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            kept: Vec::new(),
            appends: Vec::new(),
            ahead: None,
            seen: Revision::default(),
            now: None,
            essential: false,
        }
    }

    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Forgets every decoded record: what `seal` calls.
    pub fn forget(&self) {
        self.decoded.clear();
    }
}

/// One transaction. Dropped without `commit`, it never happened.
pub struct Txn {
    base: SealedStore,
    reads: BTreeMap<Key, Option<Revision>>,
    writes: BTreeMap<Key, Buffered>,
    /// What some of the writes were made of; readers may share it once the commit has given it a revision.
    kept: Vec<(Key, Arc<dyn Any + Send + Sync>)>,
    appends: Vec<Bytes>,
    /// What [`Txn::peek_ahead`] found.
    ahead: Option<(Key, Option<crate::store::Versioned>)>,
    seen: Revision,
    now: Option<Timestamp>,
    essential: bool,
}

impl Txn {
    /// The store's time, as of the first call.
    pub async fn now(&mut self) -> Result<Timestamp, Error> {
        match self.now {
            Some(now) => Ok(now),
            None => {
                let now_ms = match self.base.store.known(None) {
                    Some(known) => known.now_ms,
                    None => self.base.store.get(&[]).await.map_err(read_error)?.now_ms,
                };
                Ok(*self.now.insert(Timestamp(now_ms)))
            }
        }
    }

    /// Reads a record, decoded afresh, to be changed and put back.
    pub async fn get<R: Record>(&mut self, key: &[u8]) -> Result<Option<R>, Error> {
        if let Some(pending) = self.writes.get(key) {
            return pending.as_ref().map(|(_, plain)| R::decode(plain)).transpose();
        }
        match self.read(key).await? {
            Some(found) => R::decode(&self.base.codec.open(R::KIND, key, &found.value)?).map(Some),
            None => Ok(None),
        }
    }

    /// Reads a record to be looked at only; shared with other readers if its kind may be cached.
    pub async fn peek<R: Record>(&mut self, key: &[u8]) -> Result<Option<Arc<R>>, Error> {
        if !R::CACHED || self.writes.contains_key(key) {
            return Ok(self.get::<R>(key).await?.map(Arc::new));
        }
        let Some(found) = self.read(key).await? else { return Ok(None) };
        if let Some((revision, decoded)) = self.base.decoded.get(key)
            && revision == found.revision
            && let Ok(record) = decoded.downcast::<R>()
        {
            return Ok(Some(record));
        }
        let record = Arc::new(R::decode(&self.base.codec.open(R::KIND, key, &found.value)?)?);
        self.base.decoded.insert(key.to_vec(), (found.revision, record.clone()));
        Ok(Some(record))
    }

    /// Looks at a record before the operation that is going to read it: the next read of this key, and that one alone, is
    /// answered by what was found here.
    pub async fn peek_ahead<R: Record>(&mut self, key: &[u8]) -> Result<Option<Arc<R>>, Error> {
        if !self.writes.contains_key(key) {
            let found = self.read(key).await?;
            self.ahead = Some((key.to_vec(), found.clone()));
            let peeked = self.peek(key).await;
            self.ahead = Some((key.to_vec(), found));
            return peeked;
        }
        self.peek(key).await
    }

    /// Whether a key exists, without opening it.
    pub async fn exists(&mut self, key: &[u8]) -> Result<bool, Error> {
        match self.writes.get(key) {
            Some(pending) => Ok(pending.is_some()),
            None => Ok(self.read(key).await?.is_some()),
        }
    }

    async fn read(&mut self, key: &[u8]) -> Result<Option<crate::store::Versioned>, Error> {
        if self.ahead.as_ref().is_some_and(|(known, _)| known == key)
            && let Some((_, found)) = self.ahead.take()
        {
            return Ok(found);
        }
        let (found, at, now_ms) = match self.base.store.known(Some(key)) {
            Some(known) => (known.value, known.revision, known.now_ms),
            None => {
                let snapshot = self.base.store.get(&[key]).await.map_err(read_error)?;
                (snapshot.values.into_iter().next().flatten(), snapshot.revision, snapshot.now_ms)
            }
        };
        let revision = found.as_ref().map(|v| v.revision);
        self.seen = self.seen.max(at);
        self.now.get_or_insert(Timestamp(now_ms));
        // A second read that sees another revision than the first means that somebody committed in between; the first
        // one is kept, so that the commit fails and the handler runs again on one consistent view.
        self.reads.entry(key.to_vec()).or_insert(revision);
        Ok(found)
    }

    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) -> Result<(), Error> {
        self.write(key, Some((R::KIND, record.encode()?)));
        Ok(())
    }

    /// The same for a record that will be read again soon: if its kind may be cached, the next reader finds it decoded.
    pub fn put_shared<R: Record>(&mut self, key: &[u8], record: Arc<R>) -> Result<(), Error> {
        self.put(key, &*record)?;
        if R::CACHED {
            self.kept.push((key.to_vec(), record));
        }
        Ok(())
    }

    /// The last write of a key is the one that counts, and the only one that may be kept.
    fn write(&mut self, key: &[u8], value: Buffered) {
        if self.writes.insert(key.to_vec(), value).is_some() {
            self.kept.retain(|(kept, _)| kept != key);
        }
    }

    /// Writes bytes that are not sealed by the codec: the few records that a sealed server must read (the seal's own), and
    /// those that are sealed already (the keyring, under the root key).
    pub fn put_plain(&mut self, key: &[u8], bytes: Vec<u8>) {
        self.write(key, Some((PLAIN, Wiped::new(bytes))));
    }

    /// Replaces sealed bytes by sealed bytes if the key is still at `revision`: what a rewrap does.
    pub fn replace_sealed(&mut self, key: &[u8], revision: Revision, bytes: Vec<u8>) {
        self.reads.insert(key.to_vec(), Some(revision));
        self.put_plain(key, bytes);
    }

    /// Reads such bytes.
    pub async fn get_plain(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(pending) = self.writes.get(key) {
            return Ok(pending.as_ref().map(|(_, bytes)| bytes.to_vec()));
        }
        Ok(self.read(key).await?.map(|found| found.value.to_vec()))
    }

    pub fn delete(&mut self, key: &[u8]) {
        self.write(key, None);
    }

    /// Keys under a prefix in ascending order, own writes included, after `after` (exclusive), at most `limit`.
    pub async fn keys(&mut self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Key>, Error> {
        let mut out: Vec<Key> = Vec::new();
        let mut cursor: Option<Key> = after.map(<[u8]>::to_vec);
        loop {
            let chunk = SCAN_CHUNK.min(limit.saturating_add(1));
            let page = self.base.store.scan(prefix, cursor.as_deref(), chunk).await.map_err(read_error)?;
            let done = page.len() < chunk;
            let last = page.last().map(|(key, _)| key.clone());
            out.extend(page.into_iter().map(|(key, _)| key).filter(|key| !self.writes.contains_key(key)));
            if done || out.len() >= limit {
                let until = if done { None } else { last };
                self.merge_own(prefix, after, until.as_deref(), &mut out);
                out.truncate(limit);
                return Ok(out);
            }
            cursor = last;
        }
    }

    fn merge_own(&self, prefix: &[u8], after: Option<&[u8]>, until: Option<&[u8]>, out: &mut Vec<Key>) {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        let own = self.writes.range((start, Bound::Unbounded));
        let own =
            own.take_while(|(key, _)| key.starts_with(prefix) && until.is_none_or(|until| key.as_slice() <= until));
        out.extend(own.filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()));
        out.sort_unstable();
    }

    /// Records under a prefix in ascending order of key, own writes included.
    pub async fn entries<R: Record>(
        &mut self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, R)>, Error> {
        let mut out = Vec::new();
        for key in self.keys(prefix, after, limit).await? {
            let record = match self.writes.get(&key) {
                Some(Some((_, plain))) => Some(R::decode(plain)?),
                Some(None) => None,
                None => {
                    let snapshot = self.base.store.get(&[&key]).await.map_err(read_error)?;
                    match snapshot.values.into_iter().next().flatten() {
                        Some(found) => Some(R::decode(&self.base.codec.open(R::KIND, &key, &found.value)?)?),
                        None => None,
                    }
                }
            };
            if let Some(record) = record {
                out.push((key, record));
            }
        }
        Ok(out)
    }

    /// Adds a record of the log to what this commit makes durable.
    pub fn append(&mut self, record: Bytes) {
        self.appends.push(record);
    }

    /// Marks the commit as one that must work on a full disk (seal, revoke, shutdown).
    pub fn mark_essential(&mut self) {
        self.essential = true;
    }

    /// Whether anything would change.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Whether the log would grow.
    #[must_use]
    pub fn has_appends(&self) -> bool {
        !self.appends.is_empty()
    }

    /// Drops buffered writes, keeps reads: what a denial does with what a handler had prepared.
    pub fn discard_writes(&mut self) {
        self.writes.clear();
        self.kept.clear();
    }

    /// The newest revision that a read of this transaction reflects.
    #[must_use]
    pub fn seen(&self) -> Revision {
        self.seen
    }

    /// Commits everything at once. A transaction without writes carries no conditions: its appends describe what was
    /// read, and a later change does not make that untrue.
    ///
    /// # Errors
    /// As the store says: `Conflict` (run the handler again), `Unavailable` (nothing happened), `Unknown`.
    pub async fn commit(self) -> Result<Committed, CommitError> {
        let mut batch = Batch { appends: self.appends, essential: self.essential, ..Batch::default() };
        if !self.writes.is_empty() {
            for (key, revision) in self.reads {
                batch.conditions.push(match revision {
                    Some(revision) => Condition::At(key, revision),
                    None => Condition::Absent(key),
                });
            }
        }
        for (key, value) in self.writes {
            batch.writes.push(match value {
                Some((PLAIN, bytes)) => Write::Put(key, bytes.to_vec().into()),
                Some((kind, plain)) => {
                    let sealed = self.base.codec.seal(kind, &key, &plain);
                    Write::Put(key, sealed.map_err(|e| CommitError::Unavailable(e.to_string()))?.into())
                }
                None => Write::Delete(key),
            });
        }
        let committed = self.base.store.commit(batch).await?;
        for (key, record) in self.kept {
            self.base.decoded.insert(key, (committed.revision, record));
        }
        Ok(committed)
    }
}

/// What a failed read means to a request.
#[must_use]
pub fn read_error(error: ReadError) -> Error {
    match error {
        ReadError::Unavailable(why) => Error::unavailable("storage is not available").with_detail(why),
        ReadError::Behind { .. } => Error::internal("a read asked the change feed for what it no longer keeps"),
        ReadError::Corrupt(why) => Error::internal(format!("storage is corrupt: {why}")),
    }
}

/// What a failed commit means to a request, after conflicts were retried.
#[must_use]
pub fn commit_error(error: CommitError) -> Error {
    match error {
        CommitError::Conflict => Error::new(Cause::Unavailable, "too many concurrent changes, try again"),
        CommitError::Unavailable(why) => Error::unavailable("storage is not available").with_detail(why),
        CommitError::Unknown(why) => {
            Error::new(Cause::Internal, "the change may or may not have happened").with_detail(why)
        }
        CommitError::Invalid(why) => Error::new(Cause::TooLarge, "the change is too large").with_detail(why),
    }
}
