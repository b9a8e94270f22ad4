//! A batch: what one commit checks, writes, deletes and appends, all or nothing. Its limits are those that every store
//! keeps, so that what is accepted anywhere is accepted everywhere; no store may add one.

use std::collections::HashSet;

use bytes::Bytes;

use crate::store::{CommitError, KEY_BYTES_MAX, Key, Revision};

/// Most conditions, writes and appends of one batch together: below etcd's default of 128 operations a transaction.
pub const BATCH_OPS_MAX: usize = 96;
/// Most bytes of keys, values and records of one batch together: below etcd's default of 1.5 MiB a request.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// What must hold for the batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key has no value.
    Absent(Key),
    /// The key was last written by the commit of this revision.
    At(Key, Revision),
}

impl Condition {
    pub fn key(&self) -> &[u8] {
        match self {
            Condition::Absent(key) | Condition::At(key, _) => key,
        }
    }
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq)]
pub enum Write {
    Put(Key, Bytes),
    Delete(Key),
}

impl Write {
    pub fn key(&self) -> &[u8] {
        match self {
            Write::Put(key, _) | Write::Delete(key) => key,
        }
    }
}

/// One atomic commit to be.
#[derive(Clone, Default)]
pub struct Batch {
    pub conditions: Vec<Condition>,
    /// At most one for a key: an order within a batch has no meaning that all stores share.
    pub writes: Vec<Write>,
    /// Records for the log, in this order, at positions that the store assigns.
    pub appends: Vec<Bytes>,
    /// May use the disk's reserve: set for sealing, revoking and shutting down, and for nothing else.
    pub essential: bool,
}

impl std::fmt::Debug for Batch {
    // Counts only: values and records are nothing to print.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (conditions, writes, appends) = (self.conditions.len(), self.writes.len(), self.appends.len());
        write!(f, "Batch({conditions} conditions, {writes} writes, {appends} appends)")
    }
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn absent(mut self, key: impl Into<Key>) -> Self {
        self.conditions.push(Condition::Absent(key.into()));
        self
    }

    #[must_use]
    pub fn at(mut self, key: impl Into<Key>, revision: Revision) -> Self {
        self.conditions.push(Condition::At(key.into(), revision));
        self
    }

    #[must_use]
    pub fn put(mut self, key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        self.writes.push(Write::Put(key.into(), value.into()));
        self
    }

    #[must_use]
    pub fn delete(mut self, key: impl Into<Key>) -> Self {
        self.writes.push(Write::Delete(key.into()));
        self
    }

    #[must_use]
    pub fn append(mut self, record: impl Into<Bytes>) -> Self {
        self.appends.push(record.into());
        self
    }

    #[must_use]
    pub fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// Whether a commit would change nothing.
    pub fn is_inert(&self) -> bool {
        self.writes.is_empty() && self.appends.is_empty()
    }

    /// Operations of all kinds, to be compared with [`BATCH_OPS_MAX`].
    pub fn ops(&self) -> usize {
        self.conditions.len() + self.writes.len() + self.appends.len()
    }

    /// Bytes of keys, values and records, to be compared with [`BATCH_BYTES_MAX`].
    pub fn size_bytes(&self) -> usize {
        let conditions: usize = self.conditions.iter().map(|c| c.key().len()).sum();
        let writes: usize = self
            .writes
            .iter()
            .map(|w| match w {
                Write::Put(key, value) => key.len() + value.len(),
                Write::Delete(key) => key.len(),
            })
            .sum();
        conditions + writes + self.appends.iter().map(Bytes::len).sum::<usize>()
    }

    /// The limits that hold on every store; [`CommitError::Invalid`] says which one is broken. Every store calls this
    /// first.
    pub fn check_limits(&self) -> Result<(), CommitError> {
        let invalid = |why: String| Err(CommitError::Invalid(why));
        if self.ops() > BATCH_OPS_MAX {
            return invalid(format!("{} operations, at most {BATCH_OPS_MAX} are allowed", self.ops()));
        }
        let size_bytes = self.size_bytes();
        if size_bytes > BATCH_BYTES_MAX {
            return invalid(format!("{size_bytes} bytes, at most {BATCH_BYTES_MAX} are allowed"));
        }
        let keys = || self.conditions.iter().map(Condition::key).chain(self.writes.iter().map(Write::key));
        if let Some(key) = keys().find(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return invalid(format!("a key of {} bytes, 1 to {KEY_BYTES_MAX} are allowed", key.len()));
        }
        // Two writes need no set; most batches are that small.
        let repeated = match self.writes.as_slice() {
            [] | [_] => false,
            [a, b] => a.key() == b.key(),
            many => {
                let mut seen = HashSet::with_capacity(many.len());
                !many.iter().all(|write| seen.insert(write.key()))
            }
        };
        if repeated {
            return invalid("a key is written twice".to_owned());
        }
        Ok(())
    }
}
