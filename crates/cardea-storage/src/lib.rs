//! The store contract and what keeps it: batches, the embedded store, the in-memory store, the failing store and the
//! conformance suite. Stores see keys and sealed bytes; nothing here may ever look inside a value or hold a key of the
//! barrier.

pub mod batch;
mod changes;
pub mod conformance;
pub mod disk;
pub mod embedded;
pub mod failing;
pub mod memory;
pub mod record; // typed records, and the codec that seals them
#[cfg(any(test, feature = "testing"))]
pub mod sim;
pub mod store;
pub mod txn; // one atomic change
pub mod view; // a transaction seen from one mount

pub use batch::{BATCH_BYTES_MAX, BATCH_OPS_MAX, Batch, Condition, Write};
pub use embedded::EmbeddedStore;
pub use failing::{Break, FailingStore, Fault, FaultPlan, Point};
pub use memory::MemoryStore;
pub use store::{
    Change, Clock, CommitError, Committed, KEY_BYTES_MAX, Key, LOG_READ_BYTES_MAX, ReadError, Revision, Snapshot,
    Store, StoreStats, Versioned,
};

#[cfg(test)]
mod tests;
