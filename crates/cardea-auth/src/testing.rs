//! For tests: one mount of one auth method over a store in memory, driven through its routes as the kernel would.
//!
//! The store keeps the contract's conditions, so that races between two transactions show; it keeps nothing else.

use async_trait::async_trait;
use bytes::Bytes;
use cardea_crypto::mac::hmac_sha256;
use cardea_crypto::random::SeededRandomness;
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{Action, Body, Error, Method, NamespaceId, Origin, Params, Timestamp};
use cardea_sdk::context::{Faults, Rights, System};
use cardea_sdk::erased::{AnyEngine, BoundOp};
use cardea_sdk::{Context, ExternalError, Identification, Outcome, OutsideContext, Vouch};
use cardea_storage::record::Codec;
use cardea_storage::record::Wiped;
use cardea_storage::txn::{SealedStore, Txn, commit_error};
use cardea_storage::view::View;
use cardea_storage::{
    Batch, Change, CommitError, Committed, Condition, Key, ReadError, Revision, Snapshot, Store, StoreStats, Versioned,
    Write,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

/// The mount's TTLs in seconds: default and maximum.
pub const MOUNT_TTL_S: (u64, u64) = (3600, 86_400);

pub struct World {
    method: Box<dyn AnyEngine>,
    pub sealed: SealedStore,
    store: Arc<MapStore>,
    mount: Mount,
    rng: SeededRandomness,
    pub now: Timestamp,
    pub peer: IpAddr,
    /// Whether callers have `sudo` wherever it is asked for.
    pub sudo: bool,
}

/// What a request brought about.
#[derive(Debug)]
pub struct Reply {
    /// `Null` if there is nothing to say.
    pub data: Value,
    pub warnings: Vec<String>,
    pub unknown: Vec<String>,
    /// Canonical path inside the mount.
    pub path: String,
}

impl World {
    pub fn new(method: Box<dyn AnyEngine>) -> Self {
        let store = Arc::new(MapStore::default());
        Self {
            mount: Mount {
                uuid: "mount-1".to_owned(),
                namespace: NamespaceId::root(),
                path: format!("auth/{}/", method.kind()),
                kind: method.kind().to_owned(),
                class: MountClass::Auth,
                accessor: "auth_1".to_owned(),
                description: String::new(),
                options: BTreeMap::new(),
                config: MountConfig::default(),
                local: false,
                seal_wrap: false,
                created_ms: 0,
            },
            method,
            sealed: SealedStore::new(store.clone(), Arc::new(PlainCodec)),
            store,
            rng: SeededRandomness::new(b"world"),
            now: Timestamp(1_700_000_000_000),
            peer: IpAddr::from([10, 0, 0, 1]),
            sudo: false,
        }
    }

    pub fn pass_s(&mut self, seconds: u64) {
        self.now = self.now.plus_ms(seconds * 1000);
    }

    pub fn bind(&self, method: Method, path: &str, body: &str) -> Result<BoundOp, Error> {
        let mut params = Params::from_json(body.as_bytes())?;
        self.method.bind(method, path, &mut params).map_err(|unbound| unbound.error)
    }

    /// One request in a transaction of its own, committed if it succeeds.
    pub async fn ask(&self, method: Method, path: &str, body: &str) -> Result<Reply, Error> {
        let bound = self.bind(method, path, body)?;
        self.prepare(&bound).await?;
        let mut txn = self.sealed.txn();
        let (data, warnings) = self.handle(&mut txn, &bound).await?;
        txn.commit().await.map_err(commit_error)?;
        Ok(Reply { data, warnings, unknown: bound.unknown, path: bound.path })
    }

    pub async fn write(&self, path: &str, body: &str) -> Value {
        self.ask(Method::Write, path, body).await.unwrap_or_else(|e| panic!("{path}: {e}")).data
    }

    pub async fn read(&self, path: &str) -> Value {
        self.ask(Method::Read, path, "").await.unwrap_or_else(|e| panic!("{path}: {e}")).data
    }

    pub async fn exists(&self, path: &str) -> bool {
        let bound = self.bind(Method::Write, path, "{}").unwrap();
        let mut txn = self.sealed.txn();
        self.method.exists(&mut self.context(&mut txn), &bound.op).await.unwrap()
    }

    /// Handles without committing.
    pub async fn handle(&self, txn: &mut Txn, bound: &BoundOp) -> Result<(Value, Vec<String>), Error> {
        let mut cx = self.context(txn);
        let outcome = self.method.handle(&mut cx, &bound.op).await?;
        let warnings = std::mem::take(&mut cx.warnings);
        match outcome {
            Outcome::Done(done) => match done.body {
                Body::Empty => Ok((Value::Null, warnings)),
                Body::Object(payload) => Ok((serde_json::from_str(payload.text()).unwrap(), warnings)),
                _ => panic!("an answer has another form"),
            },
            Outcome::External(_) => panic!("an auth method has no effect outside"),
        }
    }

    /// What a method does before the transaction, as the kernel lets it.
    async fn prepare(&self, bound: &BoundOp) -> Result<(), Error> {
        if !self.method.prepares(&bound.op) {
            return Ok(());
        }
        let mut txn = self.sealed.txn();
        let mut cx = OutsideContext {
            state: View::new(&mut txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            now: self.now,
            rng: &self.rng,
            faults: &Nothing,
        };
        self.method.prepare(&mut cx, &bound.op).await
    }

    /// A login without commit.
    pub async fn vouch(&self, txn: &mut Txn, body: &str) -> Result<Vouch, Error> {
        let bound = self.bind(Method::Write, "login", body)?;
        self.prepare(&bound).await?;
        self.method.login(&mut self.context(txn), &bound.op).await
    }

    /// A login as the kernel does it: what a refusal wrote is dropped unless it asks otherwise.
    pub async fn login(&self, body: &str) -> Result<Identification, Error> {
        let mut txn = self.sealed.txn();
        match self.vouch(&mut txn, body).await? {
            Vouch::Yes(identification) => {
                txn.commit().await.map_err(commit_error)?;
                Ok(*identification)
            }
            Vouch::No { error, keep_writes } => {
                if keep_writes {
                    txn.commit().await.map_err(commit_error)?;
                }
                Err(error)
            }
        }
    }

    pub async fn renew(&self, before: &Identification) -> Result<Identification, Error> {
        let mut txn = self.sealed.txn();
        match self.method.renew_login(&mut self.context(&mut txn), before).await? {
            Vouch::Yes(identification) => Ok(*identification),
            Vouch::No { error, .. } => Err(error),
        }
    }

    pub fn context<'a>(&'a self, txn: &'a mut Txn) -> Context<'a> {
        Context {
            state: View::new(txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            caller: None,
            origin: self.origin(),
            now: self.now,
            rng: &self.rng,
            rights: if self.sudo { &Sudo } else { &Nothing },
            wrap_ttl: None,
            system: &Nothing,
            warnings: Vec::new(),
        }
    }

    fn origin(&self) -> &'static Origin {
        let peer = SocketAddr::new(self.peer, 40_000);
        Box::leak(Box::new(Origin { dialect: "vault", peer, tls: None, headers: Vec::new() }))
    }

    /// Keys of records of one kind.
    pub fn count(&self, kind: &str) -> usize {
        let part = format!("/{kind}/");
        self.keys().iter().filter(|key| key.contains(&part)).count()
    }

    pub fn keys(&self) -> Vec<String> {
        self.store.0.lock().unwrap().map.keys().map(|key| String::from_utf8(key.clone()).unwrap()).collect()
    }

    /// Every stored byte, keys and values.
    pub fn bytes(&self) -> Vec<u8> {
        let state = self.store.0.lock().unwrap();
        state.map.iter().flat_map(|(key, found)| [key.as_slice(), &found.value].concat()).collect()
    }

    /// The newest revision: it moves with every commit that writes.
    pub fn revision(&self) -> u64 {
        self.store.0.lock().unwrap().revision
    }

    /// Reads from the store so far.
    pub fn gets(&self) -> u64 {
        self.store.0.lock().unwrap().gets
    }

    /// Operations of the largest batch so far.
    pub fn batch_ops_seen(&self) -> usize {
        self.store.0.lock().unwrap().ops_seen
    }
}

struct Nothing;

impl Rights for Nothing {
    fn allows(&self, _: Action, _: &str) -> bool {
        false
    }
    fn has_sudo(&self, _: &str) -> bool {
        false
    }
    fn reaches(&self, _: &str) -> bool {
        false
    }
}

struct Sudo;

impl Rights for Sudo {
    fn allows(&self, _: Action, _: &str) -> bool {
        true
    }
    fn has_sudo(&self, _: &str) -> bool {
        true
    }
    fn reaches(&self, _: &str) -> bool {
        true
    }
}

impl Faults for Nothing {
    fn before(&self, _: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
    fn after(&self, _: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}

impl System for Nothing {
    fn ttl_s(&self, _: &Mount) -> (u64, u64) {
        MOUNT_TTL_S
    }
    fn lookup_hash(&self, purpose: &str, value: &[u8]) -> String {
        let tag = hmac_sha256(b"cluster", &[purpose.as_bytes(), b"\0", value]);
        tag.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn password_policy(&self, _: &str) -> Result<String, Error> {
        Err(Error::not_found())
    }
}

/// Leaves records readable, so that tests can look for what must not be in them.
struct PlainCodec;

impl Codec for PlainCodec {
    fn seal(&self, _: &str, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(plain.to_vec())
    }
    fn open(&self, _: &str, _: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        Ok(Wiped::new(sealed.to_vec()))
    }
}

#[derive(Default)]
struct MapStore(Mutex<MapState>);

#[derive(Default)]
struct MapState {
    map: BTreeMap<Key, Versioned>,
    revision: u64,
    ops_seen: usize,
    gets: u64,
}

#[async_trait]
impl Store for MapStore {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        let mut state = self.0.lock().unwrap();
        state.gets += 1;
        let values = keys.iter().map(|key| state.map.get(*key).cloned()).collect();
        Ok(Snapshot { values, revision: Revision(state.revision), now_ms: 0 })
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let state = self.0.lock().unwrap();
        let entries = state.map.iter().filter(|(key, _)| key.starts_with(prefix));
        let entries = entries.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(entries.take(limit).map(|(key, found)| (key.clone(), found.clone())).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        batch.check_limits()?;
        let mut state = self.0.lock().unwrap();
        state.ops_seen = state.ops_seen.max(batch.ops());
        for condition in &batch.conditions {
            let found = state.map.get(condition.key()).map(|found| found.revision);
            let wanted = match condition {
                Condition::Absent(_) => None,
                Condition::At(_, revision) => Some(*revision),
            };
            if found != wanted {
                return Err(CommitError::Conflict);
            }
        }
        if !batch.is_inert() {
            state.revision += 1;
        }
        let revision = Revision(state.revision);
        for write in batch.writes {
            match write {
                Write::Put(key, value) => state.map.insert(key, Versioned { revision, value }),
                Write::Delete(key) => state.map.remove(&key),
            };
        }
        Ok(Committed { revision, first_position: 0 })
    }

    async fn durable(&self, _: Revision) -> Result<(), ReadError> {
        Ok(())
    }
    async fn watch(&self, _: Revision, _: usize) -> Result<Vec<Change>, ReadError> {
        Ok(Vec::new())
    }
    async fn log_read(&self, _: u64, _: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        Ok(Vec::new())
    }
    async fn log_size(&self) -> Result<u64, ReadError> {
        Ok(0)
    }
    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        Ok(at_least)
    }
    async fn log_trim(&self, _: u64) -> Result<(), ReadError> {
        Ok(())
    }
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}
