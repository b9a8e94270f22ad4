//! The server: a node over a disk that outlives it, asked over the wire of a dialect, with a clock that tests move.
//!
//! Its files: `calls` asks it, `given` prepares it, `background` lets it work, `log` reads what it wrote.
//!
//! `restart` is a crash: the old node loses its disk at once, a new one starts over what was durable. `settle` runs the
//! background work here and now, so that no test sleeps and hopes.

mod background;
mod calls;
mod given;
mod log;

pub use calls::Call;

use crate::builder::Builder;
use crate::clock::TestClock;
use crate::documents::Documents;
use crate::hook::Hook;
use crate::plug::Plug;
use crate::provider::Provider;
use crate::source::FakeSource;
use crate::synthetic::Synthetic;
use cardea_auth::jwt::Jwt;
use cardea_crypto::random::{Randomness, SeededRandomness};
use cardea_engines::database::DatabaseEngine;
use cardea_engines::http_provider::HttpProvider;
use cardea_engines::webhook::Webhook;
use cardea_kernel::active::Active;
use cardea_kernel::lifecycle::{Node, Parts};
use cardea_kernel::log::Witness;
use cardea_kernel::metrics::Metrics;
use cardea_kernel::registry::Registry;
use cardea_model::Timestamp;
use cardea_sdk::ExternalError;
use cardea_sdk::context::Faults;
use cardea_sdk::erased::{Erased, ErasedAuth};
use cardea_storage::store::Store;
use cardea_storage::{FaultPlan, MemoryStore};
use serde_json::json;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Most rounds of background work before `settle` gives up: a chain of a few hundred steps is the longest of any test.
const ROUNDS_MAX: usize = 2_000;

/// A whole server.
pub struct TestServer {
    builder: Builder,
    node: Arc<Node>,
    plug: Arc<Plug>,
    disk: Arc<dyn Store>,
    memory: MemoryStore,
    clock: TestClock,
    outside: Outside,
    rng: Arc<dyn Randomness>,
    witness: Arc<MemoryWitness>,
    shares: Vec<String>,
    root: String,
}

/// What lies behind a server and is called by it.
#[derive(Clone, Default)]
struct Outside {
    source: FakeSource,
    provider: Provider,
    hook: Hook,
}

impl Outside {
    fn fork(&self) -> Self {
        Self { source: self.source.fork(), provider: self.provider.fork(), hook: self.hook.fork() }
    }

    fn arm(&self, plan: &Arc<FaultPlan>) {
        self.source.arm(plan.clone());
        self.provider.arm(plan.clone());
        self.hook.arm(plan.clone());
    }
}

/// What a witness remembers.
#[derive(Default)]
struct MemoryWitness(Mutex<Option<String>>);

impl Witness for MemoryWitness {
    fn last(&self) -> Result<Option<String>, String> {
        Ok(self.0.lock().unwrap().clone())
    }
    fn remember(&self, checkpoint: &str) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(checkpoint.to_owned());
        Ok(())
    }
    fn forget(&self) -> Result<(), String> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

/// The source itself counts and breaks its calls; what lies around them never does.
struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
    fn after(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}

impl TestServer {
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server that is initialised and unsealed, with nothing mounted but what every server has.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    pub(crate) fn blank(builder: Builder) -> Self {
        let clock = builder.clock.clone();
        let memory = MemoryStore::new(clock.for_store());
        let disk = builder.disk.clone().unwrap_or_else(|| Arc::new(memory.clone()));
        let rng: Arc<dyn Randomness> = Arc::new(SeededRandomness::new(&builder.seed));
        Self::assemble(builder, clock, memory, disk, Outside::default(), rng, Arc::default())
    }

    fn assemble(
        builder: Builder,
        clock: TestClock,
        memory: MemoryStore,
        disk: Arc<dyn Store>,
        outside: Outside,
        rng: Arc<dyn Randomness>,
        witness: Arc<MemoryWitness>,
    ) -> Self {
        let plug = Plug::new(disk.clone());
        let node = make_node(&builder, &plug, &outside, &rng, &witness);
        let (shares, root) = (Vec::new(), String::new());
        Self { builder, node, plug, disk, memory, clock, outside, rng, witness, shares, root }
    }

    /// Initialises over the wire and keeps what was handed out.
    pub async fn init(&mut self) {
        let (shares, threshold) = self.builder.shares;
        let body = json!({ "secret_shares": shares, "secret_threshold": threshold });
        let made = self.call("PUT", "sys/init").json(&body).send().await.expect(200);
        self.shares = made.at("/keys").as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
        self.root = made.text_at("/root_token");
    }

    /// Unseals over the wire with as many shares as it takes.
    pub async fn unseal(&self) {
        for share in self.shares.iter().take(self.builder.shares.1.into()) {
            self.call("PUT", "sys/unseal").json(&json!({ "key": share })).send().await.expect(200);
        }
        if self.builder.static_key.is_some() && self.node.active().is_none() {
            self.node.unseal_by_file(false).await.unwrap();
        }
        assert!(self.node.active().is_some(), "the server is still sealed");
    }

    /// Waits until sealing, which a request began, has ended.
    pub async fn until_sealed(&self) {
        for _ in 0..ROUNDS_MAX {
            if self.node.active().is_none() {
                // Sealing holds a lock until its tasks have ended; sealing again waits for it.
                self.node.seal().await;
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the server does not seal");
    }

    /// The old node loses its disk at once; a new one stands over it, sealed.
    pub async fn crash(&mut self) {
        self.plug.cut();
        self.node.seal().await;
        self.plug = Plug::new(self.disk.clone());
        self.node = make_node(&self.builder, &self.plug, &self.outside, &self.rng, &self.witness);
        self.outside.arm(&FaultPlan::quiet());
    }

    /// A crash, and the unsealing after it.
    pub async fn restart(&mut self) {
        self.crash().await;
        self.unseal().await;
    }

    /// Another server in the same state, sealed, with a disk, a source, a clock and randomness of its own.
    #[must_use]
    pub fn fork(&self, seed: &str) -> Self {
        assert!(self.builder.disk.is_none(), "only servers in memory can be forked");
        let clock = self.clock.fork();
        let memory = self.memory.fork().with_clock(clock.for_store());
        let rng: Arc<dyn Randomness> = Arc::new(SeededRandomness::new(seed.as_bytes()));
        let witness = Arc::new(MemoryWitness(Mutex::new(self.witness.0.lock().unwrap().clone())));
        let mut fork = Self::assemble(
            self.builder.clone(),
            clock,
            memory.clone(),
            Arc::new(memory),
            self.outside.fork(),
            rng,
            witness,
        );
        fork.shares.clone_from(&self.shares);
        fork.root.clone_from(&self.root);
        fork
    }

    /// The disk as it is now: what [`Self::put_back`] takes.
    #[must_use]
    pub fn backup(&self) -> MemoryStore {
        self.memory.fork().with_clock(self.clock.for_store())
    }

    /// A crash after which the disk is an older one. The new node is sealed.
    pub async fn put_back(&mut self, backup: &MemoryStore) {
        self.memory = backup.clone();
        self.disk = Arc::new(backup.clone());
        self.crash().await;
    }

    /// A crash after which the disk is what another store says it is: what a power loss left, say. The new node is sealed.
    pub async fn replug(&mut self, disk: Arc<dyn Store>) {
        self.disk = disk;
        self.crash().await;
    }

    /// From now on commits, syncs and calls to the source are counted and broken by this plan, until the next restart.
    pub fn arm(&self, plan: &Arc<FaultPlan>) {
        self.plug.arm(plan.clone());
        self.outside.arm(plan);
    }

    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The unsealed state.
    #[track_caller]
    #[must_use]
    pub fn active(&self) -> Arc<Active> {
        self.node.active().expect("the server is sealed")
    }

    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    #[must_use]
    pub fn shares(&self) -> &[String] {
        &self.shares
    }

    #[must_use]
    pub fn source(&self) -> &FakeSource {
        &self.outside.source
    }

    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.outside.provider
    }

    #[must_use]
    pub fn hook(&self) -> &Hook {
        &self.outside.hook
    }

    /// What the server can fetch.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.builder.documents
    }

    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Store> {
        &self.disk
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    /// Moves the clock on, in seconds. Background work does not follow by itself: see [`Self::settle`].
    pub fn advance(&self, seconds: u64) {
        self.clock.advance_ms(seconds * 1000);
    }

    pub fn advance_ms(&self, ms: u64) {
        self.clock.advance_ms(ms);
    }
}

fn make_node(
    builder: &Builder,
    plug: &Arc<Plug>,
    outside: &Outside,
    rng: &Arc<dyn Randomness>,
    witness: &Arc<MemoryWitness>,
) -> Arc<Node> {
    let Outside { source, provider, hook } = outside;
    let mut registry = Registry::default()
        .engine(Arc::new(Erased(HttpProvider::new(Arc::new(provider.clone())))))
        .engine(Arc::new(Erased(Webhook::new(Arc::new(hook.clone())))))
        .engine(Arc::new(Erased(Synthetic(source.clone()))))
        .engine(Arc::new(Erased(DatabaseEngine::new(vec![Arc::new(source.clone())]))))
        .auth(Arc::new(ErasedAuth(cardea_auth::approle::AppRole)))
        .auth(Arc::new(ErasedAuth(Jwt::new(Arc::new(builder.documents.clone())))));
    for engine in cardea_engines::all().into_iter().chain(builder.engines.iter().cloned()) {
        registry = registry.engine(engine);
    }
    let store: Arc<dyn Store> = plug.clone();
    let remembers: Arc<dyn Witness> = witness.clone();
    Node::new(Parts {
        store,
        settings: Arc::new(builder.settings.clone()),
        registry,
        rng: rng.clone(),
        faults: Arc::new(NoFaults),
        witness: builder.witnessed.then_some(remembers),
        static_key: builder.static_key.map(Zeroizing::new),
        metrics: Arc::new(Metrics::default()),
    })
}
