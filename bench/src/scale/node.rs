//! A node over the embedded store, put together in process: the engines kv and synthetic, the Vault dialect in front, the
//! system's clock shifted at will, so that leases that end tomorrow can be made to end now. What a request passes here is
//! what it passes in the server, but for the listener's own bounds.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use cardea_crypto::random::SystemRandomness;
use cardea_dialects::vault::Vault;
use cardea_kernel::{
    lifecycle::{Node, Parts},
    metrics::Metrics,
    registry::Registry,
    settings::Settings,
};
use cardea_model::{
    Error,
    wire::{WireRequest, WireResponse},
};
use cardea_sdk::{
    ExternalError,
    context::Faults,
    dialect::{Dialect, DialectConfig, RenderContext},
    erased::Erased,
};
use cardea_storage::{EmbeddedStore, embedded::Options};

use crate::{
    error::BenchError,
    scale::synthetic::{Count, Synthetic},
};

/// Nothing fails on purpose.
struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
    fn after(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}

/// The system's clock and what is added to it.
#[derive(Default)]
pub struct ShiftedClock(AtomicU64);

impl ShiftedClock {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(self.0.load(Ordering::Relaxed))
    }

    /// Makes it that moment now. Only forward: a store's time never goes back.
    pub fn jump_to(&self, moment_ms: u64) {
        self.0.fetch_add(moment_ms.saturating_sub(self.now_ms()), Ordering::Relaxed);
    }
}

/// Everything there is of a server in this process.
pub struct Server {
    pub node: Arc<Node>,
    pub store: Arc<EmbeddedStore>,
    pub count: Arc<Count>,
    pub clock: Arc<ShiftedClock>,
}

impl Server {
    /// Opens the store in `folder`, or makes one. `change` may alter how it is opened.
    pub fn open(folder: &Path, change: impl FnOnce(&mut Options)) -> Result<Server, BenchError> {
        let clock = Arc::new(ShiftedClock::default());
        let of_store = clock.clone();
        let mut options = Options::new(Arc::new(move || of_store.now_ms()));
        change(&mut options);
        let store = EmbeddedStore::open(folder, options)
            .map_err(|error| BenchError::Setup(format!("the store cannot be opened: {error}")))?;
        let store = Arc::new(store);
        let count = Arc::new(Count::default());
        let mut registry = Registry::default().engine(Arc::new(Erased(Synthetic(count.clone()))));
        for engine in cardea_engines::all() {
            registry = registry.engine(engine);
        }
        let node = Node::new(Parts {
            store: store.clone(),
            settings: Arc::new(Settings::default()),
            registry,
            rng: Arc::new(SystemRandomness),
            faults: Arc::new(NoFaults),
            witness: None,
            static_key: None,
            metrics: Arc::new(Metrics::default()),
        });
        Ok(Server { node, store, count, clock })
    }

    /// Seals and closes, so that the next start has nothing to replay.
    pub async fn close(self) -> Result<(), BenchError> {
        self.node.seal().await;
        let store = self.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        match closed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(BenchError::Setup(format!("the store cannot be closed: {error}"))),
            Err(_) => Err(BenchError::Setup("closing the store ended early".into())),
        }
    }
}

/// One request of the Vault dialect.
pub async fn answer(node: &Arc<Node>, wire: WireRequest) -> WireResponse {
    let config = DialectConfig::default();
    let (context, answered) = match Vault.lower(&config, wire) {
        Ok(lowered) => (lowered.context, node.answer(lowered.request).await),
        Err(refusal) => (RenderContext::default(), Err(refusal)),
    };
    Vault.render(&config, &context, answered)
}

/// A kernel's error in the words of a run.
pub fn failed(what: &'static str) -> impl Fn(Error) -> BenchError {
    move |error| BenchError::Setup(format!("{what}: {error}"))
}
