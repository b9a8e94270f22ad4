//! A mount of `kv` on a store in memory, driven through its route table. It must check what a real store checks, the
//! limits of a batch above all; it renders answers only as far as tests compare them.

use crate::kv::{Kv, KvV1};
pub use crate::testing::Reply;
use crate::testing::{Place, START_MS, action, bind, sealed};
use async_trait::async_trait;
use bytes::Bytes;
use cardea_model::operation::SecretAct;
use cardea_model::{Action, Body, Error, SecretOp, Timestamp};
use cardea_policy::iam::{DocumentQuery, NoConditions, Principal, Verdict};
use cardea_sdk::Outcome;
use cardea_sdk::attached::{Attached, AttachedDocument};
use cardea_sdk::context::Rights;
use cardea_sdk::erased::{AnyEngine, BoundOp, Erased};
use cardea_storage::txn::SealedStore;
use cardea_storage::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, Batch, Change, CommitError, Committed, Condition, Key, ReadError, Revision,
    Snapshot, Store, StoreStats, Versioned, Write,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What an engine must leave free in a commit for the pipeline: conditions on mount, token and policies, use counts, the
/// record of the log.
const PIPELINE_OPS: usize = 24;
const PIPELINE_BYTES: usize = 48 * 1024;

#[derive(Default)]
struct MemoryStore {
    state: Mutex<(u64, BTreeMap<Key, Versioned>)>,
    now_ms: AtomicU64,
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[&[u8]]) -> Result<Snapshot, ReadError> {
        let state = self.state.lock().unwrap();
        Ok(Snapshot {
            values: keys.iter().map(|key| state.1.get(*key).cloned()).collect(),
            revision: Revision(state.0),
            now_ms: self.now_ms.load(Ordering::Relaxed),
        })
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let state = self.state.lock().unwrap();
        let entries = state.1.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        let entries = entries.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(entries.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        batch.check_limits()?;
        assert!(batch.ops() + PIPELINE_OPS <= BATCH_OPS_MAX, "{} operations", batch.ops());
        assert!(batch.size_bytes() + PIPELINE_BYTES <= BATCH_BYTES_MAX, "{} bytes", batch.size_bytes());
        let mut state = self.state.lock().unwrap();
        for condition in &batch.conditions {
            let found = state.1.get(condition.key()).map(|found| found.revision);
            let holds = match condition {
                Condition::Absent(_) => found.is_none(),
                Condition::At(_, revision) => found == Some(*revision),
            };
            if !holds {
                return Err(CommitError::Conflict);
            }
        }
        state.0 += 1;
        let revision = Revision(state.0);
        for write in batch.writes {
            match write {
                Write::Put(key, value) => state.1.insert(key, Versioned { revision, value }),
                Write::Delete(key) => state.1.remove(&key),
            };
        }
        Ok(Committed { revision, first_position: 0 })
    }

    async fn durable(&self, _at: Revision) -> Result<(), ReadError> {
        Ok(())
    }
    async fn watch(&self, _after: Revision, _limit: usize) -> Result<Vec<Change>, ReadError> {
        Ok(Vec::new())
    }
    async fn log_read(&self, _from: u64, _limit: usize) -> Result<Vec<(u64, Bytes)>, ReadError> {
        Ok(Vec::new())
    }
    async fn log_size(&self) -> Result<u64, ReadError> {
        Ok(0)
    }
    async fn log_wait(&self, at_least: u64) -> Result<u64, ReadError> {
        Ok(at_least + 1)
    }
    async fn log_trim(&self, _before: u64) -> Result<(), ReadError> {
        Ok(())
    }
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

/// AllBut is allowed but what stands at these beginnings.
#[derive(Default)]
struct AllBut {
    denied: Vec<String>,
    /// Where grants could lead; nothing for anywhere.
    beginnings: Option<Vec<String>>,
}

impl Rights for AllBut {
    fn allows(&self, _action: Action, path: &str) -> bool {
        !self.denied.iter().any(|start| path.starts_with(start))
    }
    /// For a caller of the ARN's account whom nothing vouches for.
    fn allows_with(&self, action: Action, path: &str, attached: &Attached) -> bool {
        let AttachedDocument::Is(document) = &attached.document else { return self.allows(action, path) };
        let account = attached.arn.split(':').nth(4).unwrap_or_default().to_owned();
        let principal = Principal { account, ..Principal::default() };
        attached.questions.iter().all(|question| {
            let (action_name, resource) = (question.action, attached.arn.as_str());
            let query =
                DocumentQuery { principal: &principal, action: action_name, resource, conditions: &NoConditions };
            match document.decide(&query).verdict {
                Verdict::Denied => false,
                Verdict::Allowed => true,
                Verdict::Delegated | Verdict::Silent => self.allows(action, path),
            }
        })
    }
    fn has_sudo(&self, _path: &str) -> bool {
        true
    }
    fn reaches(&self, _mount_path: &str) -> bool {
        true
    }
    fn beginnings(&self, _action: Action, folder: &str) -> Vec<String> {
        self.beginnings.clone().unwrap_or_else(|| vec![folder.to_owned()])
    }
}

pub struct Bench {
    memory: Arc<MemoryStore>,
    store: SealedStore,
    place: Place,
    engine: Arc<dyn AnyEngine>,
    rights: AllBut,
}

impl Bench {
    pub fn new() -> Self {
        let memory = Arc::new(MemoryStore::default());
        memory.now_ms.store(START_MS, Ordering::Relaxed);
        let mut place = Place::new("kv", "secret/").asked_by("alice").with_ttl_s(60, 60);
        place.mount.options.insert("version".to_owned(), "2".to_owned());
        Self { store: sealed(memory.clone()), memory, place, engine: Arc::new(Erased(Kv)), rights: AllBut::default() }
    }

    /// A mount of version 1.
    pub fn version1() -> Self {
        let mut bench = Self::new();
        bench.place.mount.options.clear();
        bench.engine = Arc::new(Erased(KvV1));
        bench
    }

    /// The same records, served as version 2 from now on.
    pub fn raise(&mut self) {
        self.place.mount.options.insert("version".to_owned(), "2".to_owned());
        self.engine = Arc::new(Erased(Kv));
    }

    /// From now on the caller may do nothing at paths that begin so.
    pub fn deny(&mut self, start: &str) {
        self.rights.denied.push(start.to_owned());
    }

    /// From now on the caller may do everything again.
    pub fn allow_all(mut self) -> Self {
        self.rights.denied.clear();
        self
    }

    /// From now on lists look only where paths begin so.
    pub fn lead_to(&mut self, beginnings: &[&str]) {
        self.rights.beginnings = Some(beginnings.iter().map(|beginning| (*beginning).to_owned()).collect());
    }

    /// Lets somebody with another display name ask from now on.
    /// From now on somebody else asks, by a token of his own.
    pub fn caller_is(&mut self, display_name: String) {
        let caller = self.place.caller.as_mut().unwrap();
        caller.token_id = format!("token of {display_name}");
        caller.display_name = display_name;
    }

    /// The same, by a token that is called as the last one was.
    pub fn caller_is_called_the_same(&mut self) {
        self.place.caller.as_mut().unwrap().token_id = "another token".to_owned();
    }

    pub fn advance_s(&self, seconds: u64) {
        self.memory.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Names of the stored records of one kind.
    pub fn stored(&self, kind: &str) -> Vec<String> {
        let prefix = format!("root/mount/{kind}/");
        let state = self.memory.state.lock().unwrap();
        let keys = state.1.keys().map(|key| String::from_utf8(key.clone()).unwrap());
        keys.filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    /// Takes a stored record away behind the engine's back.
    pub fn lose(&self, kind: &str, name: &str) {
        let key = format!("root/mount/{kind}/{name}").into_bytes();
        assert!(self.memory.state.lock().unwrap().1.remove(&key).is_some());
    }

    /// Asks as a client of the Vault wire does: `GET`, `LIST`, `POST`, `PUT`, `PATCH` or `DELETE`, a path inside the
    /// mount with its query, and a JSON body or nothing.
    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        match bind(&*self.engine, method, target, body) {
            Ok(bound) => self.run(&bound).await,
            Err(refused) => *refused,
        }
    }

    /// Asks as another dialect does. As in the kernel, the region that asks says which path a name is.
    pub async fn shared(&self, mut op: SecretOp) -> Result<(BoundOp, Body), Error> {
        if let SecretOp::One { secret, act } = &mut op
            && secret.region.is_some()
        {
            let mut txn = self.store.txn();
            let now = txn.now().await?;
            let mut cx = self.place.context(&mut txn, now, &self.rights);
            let makes = matches!(act, SecretAct::Create(_));
            let path = self.engine.secret_path(&mut cx, secret, makes).await?;
            secret.path = path.unwrap_or_else(|| secret.path.clone());
        }
        let bound = self.engine.bind_secret(op)?;
        let (body, _, _, _) = self.transact(&bound).await?;
        Ok((bound, body))
    }

    async fn run(&self, bound: &BoundOp) -> Reply {
        match self.transact(bound).await {
            Ok((body, warnings, action, fresh_s)) => {
                let body = match (body, bound.facts.shape) {
                    (Body::Secret(answer), Some(shape)) => match shape(*answer) {
                        Ok(body) => body,
                        Err(error) => return Reply::refused(bound.facts.name, &error),
                    },
                    (body, _) => body,
                };
                Reply { action: Some(action), fresh_s, ..Reply::answered(bound.facts, body, warnings) }
            }
            Err(error) => Reply::refused(bound.facts.name, &error),
        }
    }

    async fn transact(&self, bound: &BoundOp) -> Result<(Body, Vec<String>, Action, Option<u64>), Error> {
        let mut txn = self.store.txn();
        let now = txn.now().await?;
        let mut cx = self.place.context(&mut txn, now, &self.rights);
        let action = action(&*self.engine, &mut cx, bound).await?;
        let Outcome::Done(done) = self.engine.handle(&mut cx, &bound.op).await? else {
            panic!("kv plans nothing outside");
        };
        let warnings = std::mem::take(&mut cx.warnings);
        txn.commit().await.unwrap();
        Ok((done.body, warnings, action, done.fresh_s))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.memory.now_ms.load(Ordering::Relaxed))
    }
}
