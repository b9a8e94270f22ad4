//! The contract of every store, stated by the layer above: read, scan, one atomic conditional commit, a change feed and
//! an append-only log. A store must never acknowledge what a crash can take back, and never show half a batch.
//!
//! Two moments matter. A commit is *applied* when its conditions held and later reads see it; it is *durable* when
//! `commit` returns. Reads may show applied state that is not durable yet: whoever lets such a value leave the process
//! waits with [`Store::durable`] for the snapshot's revision first. The change feed and the log show durable state only.

use async_trait::async_trait;
use bytes::Bytes;

use crate::batch::Batch;

/// Where store time comes from: Unix milliseconds. Injected, so that tests own it; a store never lets it go back.
pub type Clock = std::sync::Arc<dyn Fn() -> u64 + Send + Sync>;

/// A key: any bytes, 1 to [`KEY_BYTES_MAX`] long, ordered bytewise.
pub type Key = Vec<u8>;

/// Longest key in bytes: two of the longest canonical paths fit, and every candidate engine accepts it.
pub const KEY_BYTES_MAX: usize = 2048;

/// Most bytes of records that one `log_read` answers with (at least one record is always returned): the reader's
/// memory stays bounded whatever limit it asks for.
pub const LOG_READ_BYTES_MAX: usize = 1 << 20;

/// The number of a commit; grows by every commit that writes or appends something, and never repeats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Revision(pub u64);

/// A value with the revision of the commit that last wrote its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    pub revision: Revision,
    pub value: Bytes,
}

impl std::fmt::Debug for Versioned {
    // Values are ciphertexts, and still nothing to print.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Versioned(revision {}, {} bytes)", self.revision.0, self.value.len())
    }
}

/// What `get` answers: all values as of one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// One entry a key that was asked for, in that order.
    pub values: Vec<Option<Versioned>>,
    /// The newest applied revision; every value is the key's value at exactly this revision.
    pub revision: Revision,
    /// Store time in Unix milliseconds, by which alone expiries are judged; it never goes back.
    pub now_ms: u64,
}

/// What [`Store::known`] answers.
#[derive(Clone, Debug)]
pub struct Known {
    pub value: Option<Versioned>,
    /// As in [`Snapshot`].
    pub revision: Revision,
    pub now_ms: u64,
}

/// What a commit that happened answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub revision: Revision,
    /// Position of the batch's first append; the others follow it without a gap. Without appends: the next position.
    pub first_position: u64,
}

/// One key that was written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub revision: Revision,
    pub key: Key,
}

/// Why a commit was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold: nothing happened, read again and retry.
    #[error("a condition of the batch does not hold")]
    Conflict,
    /// Nothing happened; the reason is for the log.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// It may have happened: the caller must look before it acts again.
    #[error("outcome of the commit unknown: {0}")]
    Unknown(String),
    /// The batch breaks a limit that holds for every store; retrying is pointless.
    #[error("invalid batch: {0}")]
    Invalid(String),
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The stored bytes are damaged; the text names the file and the place.
    #[error("store corrupt: {0}")]
    Corrupt(String),
    /// Only from `watch`: changes after the asked revision are no longer kept. The caller reads again what it
    /// follows, at `current` or later, and watches on from `current`.
    #[error("changes are kept only for newer revisions; read again and watch from revision {}", .current.0)]
    Behind { current: Revision },
}

/// Counters since the store was opened, and sizes now.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreStats {
    /// Batches applied.
    pub commits: u64,
    /// Syncs of the journal; commits / syncs is the size of a group.
    pub syncs: u64,
    /// Time spent in them, nanoseconds.
    pub sync_ns: u64,
    /// Times that the tree took over what the journal held.
    pub flushes: u64,
    /// Bytes in journal files.
    pub journal_bytes: u64,
    /// Bytes of the tree's file.
    pub tree_bytes: u64,
    /// Bytes of log segments, sealed ones as compressed.
    pub log_bytes: u64,
    /// First position of the log that was not trimmed away.
    pub log_first: u64,
    /// Only essential batches are accepted, because the disk is full.
    pub disk_full: bool,
    /// A write or sync failed: nothing is accepted until the store is opened again.
    pub failed: bool,
}

/// A transactional, ordered key-value store with an append-only log.
#[async_trait]
pub trait Store: Send + Sync {
    /// The values of `keys` at one revision. Applied state, perhaps not durable yet.
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError>;

    /// What `get` would answer of one key (or of none: revision and time alone), where the store can say it at once; `None`
    /// says nothing but that `get` has to look. Only a matter of speed: most keys that requests ask for are in memory.
    fn known(&self, _key: Option<&[u8]>) -> Option<Known> {
        None
    }

    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after`, ascending. Fewer than `limit`
    /// means that there are no more. Not covered by a commit's conditions: who needs "nobody added a sibling" keeps a
    /// guard key.
    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize)
    -> Result<Vec<(Key, Versioned)>, ReadError>;

    /// Checks the batch's conditions and applies all of it or nothing; returns when it is durable. A batch that neither
    /// writes nor appends only checks its conditions and takes no revision.
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError>;

    /// Waits until everything up to revision `at` is durable. A revision that this store never made is an error, not a
    /// wait without end.
    async fn durable(&self, at: Revision) -> Result<(), ReadError>;

    /// Durable changes after revision `after`, oldest first; waits for at least one. Never cuts a commit in two, so it
    /// may exceed `limit` by a batch: the last change's revision is the next call's `after`. [`ReadError::Behind`] when
    /// `after` is older than what is kept.
    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError>;

    /// Durable log records from position `from`, with their positions, at most `limit` and about
    /// [`LOG_READ_BYTES_MAX`] bytes. Trimmed positions are skipped: the first one returned may be greater than `from`.
    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError>;

    /// Number of durable records ever appended, which is the next position.
    async fn log_size(&self) -> Result<u64, ReadError>;

    /// Waits until the durable size is greater than `at_least`, and returns it.
    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError>;

    /// Drops whole old segments that hold only positions before `before` (retention). Never more than asked, often less.
    async fn log_trim(&self, before: u64) -> Result<(), ReadError>;

    fn stats(&self) -> StoreStats;
}

/// A shared store is a store, so that a wrapper can hold one that others hold too.
#[async_trait]
impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        (**self).get(keys).await
    }
    fn known(&self, key: Option<&[u8]>) -> Option<Known> {
        (**self).known(key)
    }
    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        (**self).scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        (**self).commit(batch).await
    }
    async fn durable(&self, at: Revision) -> Result<(), ReadError> {
        (**self).durable(at).await
    }
    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        (**self).watch(after, limit).await
    }
    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        (**self).log_read(from, limit).await
    }
    async fn log_size(&self) -> Result<u64, ReadError> {
        (**self).log_size().await
    }
    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        (**self).log_wait(at_least).await
    }
    async fn log_trim(&self, before: u64) -> Result<(), ReadError> {
        (**self).log_trim(before).await
    }
    fn stats(&self) -> StoreStats {
        (**self).stats()
    }
}
