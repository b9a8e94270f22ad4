//! A mount of `transit` on a store in memory, driven through its route table. It renders answers only as far as tests
//! compare them, and leaves in every commit the room that the pipeline needs.

pub use crate::testing::Reply;
use crate::testing::{Place, START_MS, action, bind, sealed};
use crate::transit::Transit;
use cardea_model::{Action, Body, Error, KeyAnswer, KeyOp, KeyRef};
use cardea_sdk::Outcome;
use cardea_sdk::attached::AttachedDocument;
use cardea_sdk::context::Rights;
use cardea_sdk::erased::{AnyEngine, BoundOp, Erased};
use cardea_storage::MemoryStore;
use cardea_storage::store::CommitError;
use cardea_storage::txn::SealedStore;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything is allowed but what was denied.
struct AllBut(Vec<String>);

impl Rights for AllBut {
    fn allows(&self, _action: Action, path: &str) -> bool {
        !self.0.iter().any(|denied| denied == path)
    }
    fn has_sudo(&self, _path: &str) -> bool {
        true
    }
    fn reaches(&self, _mount_path: &str) -> bool {
        true
    }
}

pub struct Bench {
    memory: MemoryStore,
    now_ms: Arc<AtomicU64>,
    store: SealedStore,
    place: Place,
    rights: AllBut,
    pub engine: Erased<Transit>,
}

impl Bench {
    pub fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = now_ms.clone();
        let memory = MemoryStore::new(Arc::new(move || clock.load(Ordering::Relaxed)));
        Self {
            store: sealed(Arc::new(memory.clone())),
            memory,
            now_ms,
            place: Place::new("transit", "transit/"),
            rights: AllBut(Vec::new()),
            engine: Erased(Transit::default()),
        }
    }

    /// The same store under another process, which has nothing in memory.
    pub fn restarted(&self) -> Self {
        let memory = self.memory.clone();
        Self {
            store: sealed(Arc::new(memory.clone())),
            memory,
            now_ms: self.now_ms.clone(),
            place: Place::new("transit", "transit/").with_seed(b"another process"),
            rights: AllBut(Vec::new()),
            engine: Erased(Transit::default()),
        }
    }

    pub fn deny(&mut self, path: &str) {
        self.rights.0.push(path.to_owned());
    }

    pub fn advance_s(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Changes a stored record behind the engine's back.
    pub async fn tamper<R: cardea_storage::record::Record>(&self, name: &str, change: impl FnOnce(&mut R)) {
        let mut txn = self.store.txn();
        let mut view = self.place.view(&mut txn);
        let mut record = view.get::<R>(name).await.unwrap().unwrap();
        change(&mut record);
        view.put(name, &record).unwrap();
        txn.commit().await.unwrap();
    }

    pub async fn stored<R: cardea_storage::record::Record>(&self) -> Vec<String> {
        let mut txn = self.store.txn();
        let mut view = self.place.view(&mut txn);
        view.names::<R>("", None, 10_000).await.unwrap()
    }

    /// Asks as a client of the Vault wire does.
    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        match bind(&self.engine, method, target, body) {
            Ok(bound) => self.run(&bound).await,
            Err(refused) => *refused,
        }
    }

    /// The same with a typed body.
    pub async fn post(&self, target: &str, body: Value) -> Reply {
        self.call("POST", target, &body.to_string()).await
    }

    /// The answer's data of a request that must succeed.
    pub async fn ok(&self, target: &str, body: Value) -> Value {
        let reply = self.post(target, body).await;
        assert!(reply.status < 300, "{target}: {reply:?}");
        reply.data().clone()
    }

    /// Asks as another dialect does; ids and aliases become names first, as the kernel does it.
    pub async fn shared(&self, mut op: KeyOp) -> Result<(BoundOp, KeyAnswer), Error> {
        if let Some(key) = op.key_mut().filter(|key| !matches!(key, KeyRef::Name(_))) {
            let mut txn = self.store.txn();
            let now = txn.now().await?;
            let name = self.engine.key_name(&mut self.place.context(&mut txn, now, &self.rights), key).await?;
            if let Some(name) = name {
                *key = KeyRef::Name(name);
            }
        }
        let bound = self.engine.bind_key(op)?;
        match self.transact(&bound).await?.0 {
            Body::Key(answer) => Ok((bound, *answer)),
            other => panic!("{other:?}"),
        }
    }

    /// The actions that an operation is asked about in the language of documents; none where nothing is asked.
    pub async fn questions(&self, op: &crate::transit::routes::Op) -> Vec<&'static str> {
        let attached = self.attached(op).await;
        attached.map(|attached| attached.questions.iter().map(|question| question.action).collect()).unwrap_or_default()
    }

    /// Whether the document of the operation's key cannot be read.
    pub async fn is_unreadable(&self, op: &crate::transit::routes::Op) -> bool {
        self.attached(op).await.is_some_and(|attached| matches!(attached.document, AttachedDocument::Unreadable))
    }

    async fn attached(&self, op: &crate::transit::routes::Op) -> Option<cardea_sdk::Attached> {
        let mut txn = self.store.txn();
        let now = txn.now().await.unwrap();
        let mut cx = self.place.context(&mut txn, now, &self.rights);
        crate::transit::documents::attached(&mut cx, op).await.unwrap()
    }

    async fn run(&self, bound: &BoundOp) -> Reply {
        match self.transact(bound).await {
            Ok((body, warnings, action)) => {
                Reply { action: Some(action), ..Reply::answered(bound.facts, body, warnings) }
            }
            Err(error) => Reply::refused(bound.facts.name, &error),
        }
    }

    async fn transact(&self, bound: &BoundOp) -> Result<(Body, Vec<String>, Action), Error> {
        loop {
            let mut txn = self.store.txn();
            let now = txn.now().await?;
            let mut cx = self.place.context(&mut txn, now, &self.rights);
            let action = action(&self.engine, &mut cx, bound).await?;
            let Outcome::Done(done) = self.engine.handle(&mut cx, &bound.op).await? else {
                panic!("transit plans nothing outside");
            };
            let warnings = std::mem::take(&mut cx.warnings);
            match txn.commit().await {
                Ok(_) => return Ok((done.body, warnings, action)),
                Err(CommitError::Conflict) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
