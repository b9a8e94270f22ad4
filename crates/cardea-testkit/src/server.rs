//! The server: a node over a disk that outlives it, asked over the wire of a dialect, with a clock that tests move.
//!
//! `restart` is a crash: the old node loses its disk at once, a new one starts over what was durable. `settle` runs the
//! background work here and now, so that no test sleeps and hopes.

use crate::builder::Builder;
use crate::clock::TestClock;
use crate::documents::Documents;
use crate::hook::Hook;
use crate::plug::Plug;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::source::FakeSource;
use crate::synthetic::Synthetic;
use crate::toy::{KEYS_BINDING, MOUNT_BINDING, Toy};
use cardea_audit::Record;
use cardea_auth::jwt::Jwt;
use cardea_crypto::random::{Randomness, SeededRandomness};
use cardea_dialects::vault::Vault;
use cardea_engines::database::DatabaseEngine;
use cardea_engines::http_provider::HttpProvider;
use cardea_engines::webhook::Webhook;
use cardea_kernel::access_keys::{self, NewKey, Owner};
use cardea_kernel::active::Active;
use cardea_kernel::lifecycle::{Node, Parts};
use cardea_kernel::log::Witness;
use cardea_kernel::metrics::Metrics;
use cardea_kernel::registry::Registry;
use cardea_kernel::tokens::{self, NewToken};
use cardea_kernel::{jobs, leases, mounts, revoker, rotation, runner};
use cardea_model::mount::Mount;
use cardea_model::wire::WireRequest;
use cardea_model::{NamespaceId, SecretBytes, Timestamp, TokenKind, TtlSeconds};
use cardea_sdk::ExternalError;
use cardea_sdk::context::Faults;
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};
use cardea_sdk::erased::{Erased, ErasedAuth};
use cardea_storage::store::Store;
use cardea_storage::txn::Txn;
use cardea_storage::{FaultPlan, MemoryStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// What dialects of AWS's clients read regions from.
const REGION_BINDINGS: [&str; 2] = ["regions", "replica_regions"];
/// Most rounds of background work before `settle` gives up: a chain of a few hundred steps is the longest of any test.
const ROUNDS_MAX: usize = 2_000;
/// How long after a rotation its rewrap begins, by the store's clock.
const REWRAP_PAUSE_MS: u64 = 2_000;
/// Records read from the log at once.
const LOG_PORTION: usize = 10_000;

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

    /// One round of all background work, here and now.
    pub async fn round(&self) {
        let Some(active) = self.node.active() else { return };
        // A round that fails is tried again by the next, as in the server.
        let _ = runner::round(&active).await;
        if active.is_frozen() {
            return;
        }
        rotation::round(&active).await;
        let mounts: Vec<_> = active.mounts.now().iter().cloned().collect();
        for mount in mounts {
            if active.engine(&mount).is_ok_and(|engine| engine.revoker().is_some()) {
                revoker::one_round(&active, mount).await;
            }
        }
    }

    /// Runs background work until there is none that is due now. What waits for the clock or for the source stays.
    pub async fn settle(&self) {
        self.settle_until(|_| true).await;
    }

    /// Runs background work until the condition holds and none is due.
    pub async fn settle_until(&self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..ROUNDS_MAX {
            self.round().await;
            if self.is_idle().await && condition(self) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("background work did not come to rest within {ROUNDS_MAX} rounds");
    }

    /// Whether nothing is due: no job, no intent, no pending or due lease, no step of a rotation.
    pub async fn is_idle(&self) -> bool {
        let Some(active) = self.node.active() else { return true };
        if active.is_frozen() {
            return true;
        }
        let mut txn = active.sealed.txn();
        let root = NamespaceId::root();
        let Ok(now) = txn.now().await else { return true };
        for key in jobs::open(&mut txn, 64).await.unwrap_or_default() {
            let waits = match jobs::find(&mut txn, &key).await {
                Ok(Some(jobs::Job::Rewrap { cursor: None, started_ms, .. })) => now.0 < started_ms + REWRAP_PAUSE_MS,
                Ok(Some(jobs::Job::RemoveMount { uuid, marked: true, .. })) => {
                    let mount = mounts::stored(&mut txn, &uuid).await.ok().flatten();
                    match mount {
                        Some(mount) => waits_for_source(&active, &mut txn, &mount, now).await,
                        None => false,
                    }
                }
                _ => false,
            };
            if !waits {
                return false;
            }
        }
        if leases::pending(&mut txn, &root, 1).await.is_ok_and(|found| !found.is_empty()) {
            return false;
        }
        let rotating: Vec<_> = active.mounts.now().iter().cloned().collect();
        for mount in rotating {
            if rotation::has_due(&active, &mount).await.unwrap_or(false) {
                return false;
            }
        }
        for id in leases::intents(&mut txn, &root, 64).await.unwrap_or_default() {
            if leases::find_intent(&mut txn, &root, &id)
                .await
                .is_ok_and(|found| found.is_some_and(|intent| intent.due <= now))
            {
                return false;
            }
        }
        if tokens::due(&mut txn, &root, now, 8).await.is_ok_and(|found| !found.is_empty()) {
            let mut live = false;
            for id in tokens::due(&mut txn, &root, now, 512).await.unwrap_or_default() {
                live |= tokens::find(&mut txn, &root, &id).await.is_ok_and(|t| t.is_some_and(|t| !t.revoked));
            }
            if live {
                return false;
            }
        }
        for mount in active.mounts.now().iter() {
            let due = leases::due(&mut txn, mount, now, 1).await.is_ok_and(|found| !found.is_empty());
            if due && !waits_for_source(&active, &mut txn, mount, now).await {
                return false;
            }
        }
        true
    }

    /// A request of the Vault dialect: verb and path below `/v1/`.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let wire = WireRequest {
            method: method.to_owned(),
            path: format!("/v1/{path}"),
            query: query.to_owned(),
            headers: Vec::new(),
            body: SecretBytes::default(),
            peer: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            tls: None,
        };
        Call { server: self, wire }
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path).token(token).send().await
    }

    pub async fn list(&self, path: &str, token: &str) -> Reply {
        self.call("LIST", path).token(token).send().await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        self.call("DELETE", path).token(token).send().await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.call("POST", path).token(token).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Reply {
        let call = self.call("PATCH", path).token(token).json(&body);
        call.header("content-type", "application/merge-patch+json").send().await
    }

    /// A request of the toy dialect, signed with an access key.
    pub async fn toy(&self, key: &(String, String), method: &str, name: &str, body: &str) -> Reply {
        self.send(&Toy, crate::toy::request(&key.0, &key.1, method, name, body, self.now().unix_s())).await
    }

    /// Any wire request, in any dialect.
    pub async fn send(&self, dialect: &dyn Dialect, wire: WireRequest) -> Reply {
        let mut config =
            DialectConfig { logged_headers: self.builder.logged_headers.clone(), ..DialectConfig::default() };
        config.logged_headers.extend(self.node.kept_headers());
        config.bindings.insert(MOUNT_BINDING.to_owned(), "secret/".to_owned());
        config.bindings.insert(KEYS_BINDING.to_owned(), "transit/".to_owned());
        for binding in REGION_BINDINGS.iter().filter(|_| !self.builder.regions.is_empty()) {
            config.bindings.insert((*binding).to_owned(), self.builder.regions.to_owned());
        }
        assert!(dialect.claims(&wire), "the dialect does not claim {}", wire.path);
        let (context, result) = match dialect.lower(&config, wire) {
            Ok(lowered) => (lowered.context, self.node.answer(lowered.request).await),
            Err(refusal) => (RenderContext::default(), Err(refusal)),
        };
        Reply::of(dialect.render(&config, &context, result))
    }

    /// An access key without session token, of a token with these policies: id and secret.
    pub async fn access_key(&self, name: &str, policies: &[&str], ttl_s: Option<u64>) -> (String, String) {
        let token = self.token_with(policies, |new| {
            new.display_name = name.to_owned();
            (new.expires, new.latest) = (None, None);
        });
        let active = self.active();
        let owner = Owner::Token { id: active.hashes.token_id(&token.await) };
        let mut txn = active.sealed.txn();
        let now = txn.now().await.unwrap();
        let new = NewKey {
            name: String::new(),
            owner,
            policies: None,
            bound_cidrs: Vec::new(),
            session: false,
            assumed_role: None,
            issuer: None,
            now,
            expires: now.plus(TtlSeconds(ttl_s.unwrap_or(86_400))),
        };
        let issued = access_keys::issue(&mut txn, &NamespaceId::root(), &*self.rng, new).unwrap();
        txn.commit().await.unwrap();
        (issued.id, issued.secret.expose().to_owned())
    }

    /// Mounts an engine as root.
    pub async fn mount(&self, path: &str, kind: &str) {
        let options = if kind == "kv" { json!({ "version": "2" }) } else { json!({}) };
        self.post(&format!("sys/mounts/{path}"), &self.root, json!({ "type": kind, "options": options })).await.ok();
    }

    /// Writes a policy as root.
    pub async fn policy(&self, name: &str, text: &str) {
        self.post(&format!("sys/policies/acl/{name}"), &self.root, json!({ "policy": text })).await.ok();
    }

    /// An orphan service token with these policies and no others, living an hour. Made by the kernel itself, so that tests
    /// of other things do not stand on the token store's routes.
    pub async fn token(&self, policies: &[&str]) -> String {
        self.token_with(policies, |_| {}).await
    }

    /// The same, changed before it is made.
    pub async fn token_with(&self, policies: &[&str], change: impl FnOnce(&mut NewToken)) -> String {
        let active = self.active();
        let mut txn = active.sealed.txn();
        let now = txn.now().await.unwrap();
        let end = now.plus(TtlSeconds(3600));
        let mut new = NewToken {
            namespace: NamespaceId::root(),
            kind: TokenKind::Service,
            parent: None,
            parent_depth: 0,
            policies: policies.iter().map(|policy| (*policy).to_owned()).collect(),
            metadata: BTreeMap::new(),
            display_name: "token".to_owned(),
            entity: None,
            path: "auth/token/create".to_owned(),
            now,
            expires: Some(end),
            latest: Some(end),
            explicit_max_ttl_s: 0,
            period_s: 0,
            num_uses: 0,
            renewable: true,
            bound_cidrs: Vec::new(),
            role: String::new(),
            login: None,
            wrapping: false,
            custom_id: None,
        };
        change(&mut new);
        let keyring = active.barrier.keyring().unwrap();
        let minted = tokens::mint(&mut txn, &active.hashes, &keyring, &*self.rng, new).unwrap();
        if txn.has_writes() {
            txn.commit().await.unwrap();
        }
        minted.text.expose().to_owned()
    }

    /// Mounts `database/` over the fake source, with a connection `app` by the source's user `cardea`, and a role `app` whose
    /// users live an hour and at most a day.
    pub async fn database(&self) {
        self.outside.source.add_user("cardea", "initial-root-password");
        self.mount("database", "database").await;
        let connection = json!({
            "plugin_name": "fake-database-plugin",
            "connection_url": "fake://{{username}}:{{password}}@source/app",
            "username": "cardea",
            "password": "initial-root-password",
            "allowed_roles": "app",
        });
        self.post("database/config/app", &self.root, connection).await.ok();
        let role = json!({
            "db_name": "app",
            "creation_statements": "CREATE {{name}} WITH {{password}} UNTIL {{expiration}}",
            "default_ttl": "1h",
            "max_ttl": "24h",
        });
        self.post("database/roles/app", &self.root, role).await.ok();
    }

    /// Enables AppRole and makes a role with these policies. Returns its role id and a secret id.
    pub async fn approle(&self, role: &str, fields: Value) -> (String, String) {
        if self.active().mounts.now().at("auth/approle/").is_none() {
            self.post("sys/auth/approle", &self.root, json!({ "type": "approle" })).await.ok();
        }
        let path = format!("auth/approle/role/{role}");
        self.post(&path, &self.root, fields).await.ok();
        let role_id = self.get(&format!("{path}/role-id"), &self.root).await.ok().text_at("/data/role_id");
        let secret_id =
            self.post(&format!("{path}/secret-id"), &self.root, json!({})).await.ok().text_at("/data/secret_id");
        (role_id, secret_id)
    }

    /// Logs in by AppRole.
    pub async fn login(&self, ids: &(String, String)) -> Reply {
        self.post("auth/approle/login", "", json!({ "role_id": ids.0, "secret_id": ids.1 })).await
    }

    /// Every record of the log, as stored on the disk.
    pub async fn log_bytes(&self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        loop {
            let from = out.last().map_or(0, |(at, _)| at + 1);
            let portion = self.disk.log_read(from, LOG_PORTION).await.unwrap();
            if portion.is_empty() {
                return out;
            }
            out.extend(portion.into_iter().map(|(at, bytes)| (at, bytes.to_vec())));
        }
    }

    /// What the server can fetch.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.builder.documents
    }

    /// Every record of the log, decoded.
    pub async fn log(&self) -> Vec<Record> {
        self.log_bytes().await.iter().map(|(_, bytes)| Record::decode(bytes).unwrap()).collect()
    }

    /// The records about a path.
    pub async fn log_of(&self, path: &str) -> Vec<Record> {
        self.log()
            .await
            .into_iter()
            .filter(|record| record.path.as_ref().is_some_and(|found| found.as_str() == path))
            .collect()
    }

    /// The newest record.
    pub async fn last_record(&self) -> Record {
        self.log().await.pop().expect("the log is empty")
    }

    /// Whether any of these texts stands in the log, in any form that a slip would leave it in.
    pub async fn log_shows(&self, secrets: &[&str]) -> Vec<String> {
        let log = self.log_bytes().await;
        let found = |secret: &str| {
            log.iter().any(|(_, bytes)| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
        };
        secrets.iter().filter(|secret| found(secret)).map(|secret| (*secret).to_owned()).collect()
    }
}

/// Whether a mount has leases of which none can be tried now: the next try, or the breaker, waits for the clock.
async fn waits_for_source(active: &Active, txn: &mut Txn, mount: &Mount, now: Timestamp) -> bool {
    let any = leases::due(txn, mount, Timestamp(u64::MAX - 1), 1).await.is_ok_and(|found| !found.is_empty());
    let due = leases::due(txn, mount, now, 1).await.is_ok_and(|found| !found.is_empty());
    any && (!due || active.breakers.stuck().iter().any(|(uuid, ..)| *uuid == mount.uuid))
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

/// One request of the Vault dialect, being put together.
pub struct Call<'s> {
    server: &'s TestServer,
    wire: WireRequest,
}

impl Call<'_> {
    /// The caller's token; an empty one is none.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        if token.is_empty() { self } else { self.header("x-vault-token", token) }
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        let text = body.to_string();
        self.body(&text)
    }

    /// A body that need not be JSON.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.wire.body = SecretBytes::new(body.as_bytes().to_vec());
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.wire.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Asks for the answer to be wrapped.
    #[must_use]
    pub fn wrap(self, ttl: &str) -> Self {
        self.header("x-vault-wrap-ttl", ttl)
    }

    /// The client's address.
    #[must_use]
    pub fn from(mut self, address: [u8; 4]) -> Self {
        self.wire.peer = SocketAddr::from((address, 50_000));
        self
    }

    /// Sends it and waits for the response.
    pub async fn send(self) -> Reply {
        self.server.send(&Vault, self.wire).await
    }
}
