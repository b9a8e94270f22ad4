//! A store that breaks on purpose, and the plan it breaks by. Every call that leaves the process can fail in two ways:
//! it did not happen, or it happened and nobody was told; and the process can end before or after it. A run is repeated
//! with the plan's point at 1, 2, … until it ends without reaching the point. It must never be built into a server that
//! holds real data: nothing outside of tests makes a plan.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::batch::Batch;
use crate::store::{Change, CommitError, Committed, Key, ReadError, Revision, Snapshot, Store, StoreStats, Versioned};

/// What kind of call reaches a point. Points of all counted kinds share one numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// `Store::commit`.
    Commit,
    /// `Store::durable`: the wait for the sync of the log before a read is answered.
    Sync,
    /// `get`, `scan` and reads of the log; counted only by a plan that asks for it.
    Read,
    /// A call to something outside, such as a database; made by whoever shares the plan.
    External,
}

/// How the point breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The call is refused and nothing happens; later calls work.
    Refuse,
    /// The call is performed and its answer is lost; later calls work.
    LoseAnswer,
    /// The process ends just before the call: it and every later call do not happen.
    AbortBefore,
    /// The process ends just after the call: it happens, nobody is told, and every later call does not happen.
    AbortAfter,
}

impl Break {
    pub const ALL: [Break; 4] = [Break::Refuse, Break::LoseAnswer, Break::AbortBefore, Break::AbortAfter];
}

/// What the caller of [`FaultPlan::hit`] must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fault {
    /// Perform the call.
    None,
    /// Do not perform it; answer that it was refused.
    Refuse,
    /// Perform it, then answer that the outcome is unknown.
    LoseAnswer,
    /// Do not perform it: the process is gone.
    Abort,
}

/// Which point breaks, and how; shared by everything that leaves the process in one run.
pub struct FaultPlan {
    /// The breaking point, counted from 1; 0 breaks nothing.
    at: u64,
    how: Break,
    counts_reads: bool,
    hits: AtomicU64,
    aborted: AtomicBool,
    trace: Mutex<Vec<Point>>,
}

impl FaultPlan {
    pub fn new(at: u64, how: Break) -> Arc<Self> {
        Self::make(at, how, false)
    }

    /// As `new`, with reads numbered too.
    pub fn with_reads(at: u64, how: Break) -> Arc<Self> {
        Self::make(at, how, true)
    }

    /// Counts points and breaks none.
    pub fn quiet() -> Arc<Self> {
        Self::make(0, Break::Refuse, false)
    }

    fn make(at: u64, how: Break, counts_reads: bool) -> Arc<Self> {
        let trace = Mutex::new(Vec::new());
        Arc::new(Self { at, how, counts_reads, hits: AtomicU64::new(0), aborted: AtomicBool::new(false), trace })
    }

    /// Counts a call and says what becomes of it.
    pub fn hit(&self, point: Point) -> Fault {
        if self.aborted() {
            return Fault::Abort;
        }
        if point == Point::Read && !self.counts_reads {
            return Fault::None;
        }
        // The trace's lock also orders the numbering, so that point n is the n-th entry of the trace.
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        if self.aborted() {
            return Fault::Abort;
        }
        trace.push(point);
        let number = self.hits.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.at {
            return Fault::None;
        }
        match self.how {
            Break::Refuse => Fault::Refuse,
            Break::LoseAnswer => Fault::LoseAnswer,
            Break::AbortBefore => {
                self.aborted.store(true, Ordering::SeqCst);
                Fault::Abort
            }
            Break::AbortAfter => {
                self.aborted.store(true, Ordering::SeqCst);
                Fault::LoseAnswer
            }
        }
    }

    /// Points passed so far.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    /// Whether the breaking point was reached; a run that ends without it is the last one.
    pub fn reached(&self) -> bool {
        self.at != 0 && self.hits() >= self.at
    }

    /// Whether the process of this run counts as ended.
    pub fn aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }

    /// The kinds of the points passed, in order: names the point in a report.
    pub fn trace(&self) -> Vec<Point> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const REFUSED: &str = "refused by the fault plan";
const LOST: &str = "answer lost by the fault plan";
const ENDED: &str = "the process has ended by the fault plan";

/// Any store under a plan.
pub struct FailingStore<S> {
    inner: S,
    plan: Arc<FaultPlan>,
}

impl<S: Store> FailingStore<S> {
    pub fn new(inner: S, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    pub fn inner(&self) -> &S {
        &self.inner
    }

    pub fn plan(&self) -> &Arc<FaultPlan> {
        &self.plan
    }

    /// A read has no effect, so that lost and refused differ only in whether it was performed.
    async fn read<T>(
        &self,
        point: Point,
        call: impl Future<Output = Result<T, ReadError>> + Send,
    ) -> Result<T, ReadError> {
        match self.plan.hit(point) {
            Fault::None => call.await,
            Fault::Refuse => Err(ReadError::Unavailable(REFUSED.to_owned())),
            Fault::LoseAnswer => {
                call.await?;
                Err(ReadError::Unavailable(LOST.to_owned()))
            }
            Fault::Abort => Err(ReadError::Unavailable(ENDED.to_owned())),
        }
    }
}

#[async_trait]
impl<S: Store> Store for FailingStore<S> {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        self.read(Point::Read, self.inner.get(keys)).await
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.read(Point::Read, self.inner.scan(prefix, after, limit)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        match self.plan.hit(Point::Commit) {
            Fault::None => self.inner.commit(batch).await,
            Fault::Refuse => Err(CommitError::Unavailable(REFUSED.to_owned())),
            Fault::LoseAnswer => {
                self.inner.commit(batch).await?;
                Err(CommitError::Unknown(LOST.to_owned()))
            }
            // Unknown and not Unavailable: who survives the end of the process knows nothing of its last call.
            Fault::Abort => Err(CommitError::Unknown(ENDED.to_owned())),
        }
    }

    async fn durable(&self, at: Revision) -> Result<(), ReadError> {
        self.read(Point::Sync, self.inner.durable(at)).await
    }

    async fn watch(&self, after: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        self.read(Point::Read, self.inner.watch(after, limit)).await
    }

    async fn log_read(&self, from: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        self.read(Point::Read, self.inner.log_read(from, limit)).await
    }

    async fn log_size(&self) -> Result<u64, ReadError> {
        self.read(Point::Read, self.inner.log_size()).await
    }

    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        self.read(Point::Read, self.inner.log_wait(at_least)).await
    }

    async fn log_trim(&self, before: u64) -> Result<(), ReadError> {
        self.read(Point::Read, self.inner.log_trim(before)).await
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}
