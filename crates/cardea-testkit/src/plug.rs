//! What lies between a node and its disk: the power, which a test can cut, and a plan of faults, which it can change while
//! the node runs. A node whose power was cut can never touch the disk again, whatever its tasks still try.

use async_trait::async_trait;
use bytes::Bytes;
use cardea_storage::batch::Batch;
use cardea_storage::store::{
    Change, CommitError, Committed, Key, ReadError, Revision, Snapshot, Store, StoreStats, Versioned,
};
use cardea_storage::{FailingStore, FaultPlan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

const CUT: &str = "the power of this node was cut";

/// A store behind a switch and a plan.
pub struct Plug {
    disk: Arc<dyn Store>,
    plan: RwLock<Arc<FaultPlan>>,
    cut: AtomicBool,
}

impl Plug {
    #[must_use]
    pub fn new(disk: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { disk, plan: RwLock::new(FaultPlan::quiet()), cut: AtomicBool::new(false) })
    }

    /// From now on calls are counted and broken by this plan.
    pub fn arm(&self, plan: Arc<FaultPlan>) {
        *self.plan.write().unwrap() = plan;
    }

    /// No call of this node reaches the disk any more.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    fn through(&self) -> FailingStore<Arc<dyn Store>> {
        FailingStore::new(self.disk.clone(), self.plan.read().unwrap().clone())
    }

    fn powered(&self) -> Result<(), ReadError> {
        if self.cut.load(Ordering::SeqCst) { Err(ReadError::Unavailable(CUT.to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Plug {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        self.powered()?;
        self.through().get(keys).await
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.powered()?;
        self.through().scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.powered().map_err(|_| CommitError::Unavailable(CUT.to_owned()))?;
        self.through().commit(batch).await
    }

    async fn durable(&self, at: Revision) -> Result<(), ReadError> {
        self.powered()?;
        self.through().durable(at).await
    }

    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        self.powered()?;
        self.through().watch(after, limit).await
    }

    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        self.powered()?;
        self.through().log_read(from, limit).await
    }

    async fn log_size(&self) -> Result<u64, ReadError> {
        self.powered()?;
        self.through().log_size().await
    }

    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        self.powered()?;
        self.through().log_wait(at_least).await
    }

    async fn log_trim(&self, before: u64) -> Result<(), ReadError> {
        self.powered()?;
        self.through().log_trim(before).await
    }

    fn stats(&self) -> StoreStats {
        self.disk.stats()
    }
}
