//! Time that only tests move. A copy of it is a clock of its own.

use cardea_storage::store::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2026-01-01T00:00:00Z, in milliseconds: where every test begins.
const START_MS: u64 = 1_767_225_600_000;

/// The store's clock.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(START_MS)))
    }
}

impl TestClock {
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it on; requests that began before have their own time.
    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// A clock that shows the same time and goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(AtomicU64::new(self.now_ms())))
    }

    /// In the form that stores take.
    #[must_use]
    pub fn for_store(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now_ms())
    }
}
