//! A mount of `transit` on a store in memory, driven through its route table. It renders answers only as far as tests
//! compare them, and leaves in every commit the room that the pipeline needs.

use crate::transit::Transit;
use cardea_crypto::random::SeededRandomness;
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{
    Action, Body, Cause, Error, KeyAnswer, KeyOp, KeyRef, Method, NamespaceId, Origin, Params, Timestamp,
};
use cardea_sdk::attached::AttachedDocument;
use cardea_sdk::context::{Context, Rights, System};
use cardea_sdk::erased::{AnyEngine, BoundOp, Erased};
use cardea_sdk::route::ActionRule;
use cardea_sdk::{Outcome, RouteFacts};
use cardea_storage::MemoryStore;
use cardea_storage::record::Codec;
use cardea_storage::record::Wiped;
use cardea_storage::store::CommitError;
use cardea_storage::txn::SealedStore;
use cardea_storage::view::View;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const START_MS: u64 = 1_700_000_000_000;

/// Leaves bytes as they are, behind the kind they were sealed as.
struct PlainCodec;

impl Codec for PlainCodec {
    fn seal(&self, kind: &str, _key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        Ok([kind.as_bytes(), b"\0", plain].concat())
    }
    fn open(&self, kind: &str, _key: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        let plain = sealed.strip_prefix(kind.as_bytes()).and_then(|rest| rest.strip_prefix(b"\0"));
        plain.map(|plain| Wiped::new(plain.to_vec())).ok_or_else(|| Error::internal("foreign bytes"))
    }
}

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

impl System for AllBut {
    fn ttl_s(&self, _mount: &Mount) -> (u64, u64) {
        (60, 60)
    }
    fn lookup_hash(&self, _purpose: &str, _value: &[u8]) -> String {
        String::new()
    }
    fn password_policy(&self, _name: &str) -> Result<String, Error> {
        Err(Error::not_found())
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Name of the route that answered; empty if none did.
    pub route: &'static str,
    /// `{"data": …}` or `{"errors": […]}`, and `warnings` if there are any; null without a body.
    pub body: Value,
    /// The action that policies were asked about.
    pub action: Option<Action>,
}

impl Reply {
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }
    pub fn error(&self) -> &str {
        self.body["errors"][0].as_str().unwrap_or_default()
    }
    pub fn text(&self, member: &str) -> String {
        self.data()[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }
}

pub struct Bench {
    memory: MemoryStore,
    now_ms: Arc<AtomicU64>,
    store: SealedStore,
    mount: Mount,
    rng: SeededRandomness,
    rights: AllBut,
    pub engine: Erased<Transit>,
}

impl Bench {
    pub fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = now_ms.clone();
        let memory = MemoryStore::new(Arc::new(move || clock.load(Ordering::Relaxed)));
        let mount = Mount {
            uuid: "mount".to_owned(),
            namespace: NamespaceId::root(),
            path: "transit/".to_owned(),
            kind: "transit".to_owned(),
            class: MountClass::Secret,
            accessor: "transit_1".to_owned(),
            description: String::new(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
            local: false,
            seal_wrap: false,
            created_ms: 0,
        };
        Self {
            store: SealedStore::new(Arc::new(memory.clone()), Arc::new(PlainCodec)),
            memory,
            now_ms,
            mount,
            rng: SeededRandomness::new(b"transit"),
            rights: AllBut(Vec::new()),
            engine: Erased(Transit::default()),
        }
    }

    /// The same store under another process, which has nothing in memory.
    pub fn restarted(&self) -> Self {
        let memory = self.memory.clone();
        Self {
            store: SealedStore::new(Arc::new(memory.clone()), Arc::new(PlainCodec)),
            memory,
            now_ms: self.now_ms.clone(),
            mount: self.mount.clone(),
            rng: SeededRandomness::new(b"another process"),
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
        let mut view = View::new(&mut txn, &self.mount.namespace, &self.mount.uuid);
        let mut record = view.get::<R>(name).await.unwrap().unwrap();
        change(&mut record);
        view.put(name, &record).unwrap();
        txn.commit().await.unwrap();
    }

    pub async fn stored<R: cardea_storage::record::Record>(&self) -> Vec<String> {
        let mut txn = self.store.txn();
        let mut view = View::new(&mut txn, &self.mount.namespace, &self.mount.uuid);
        view.names::<R>("", None, 10_000).await.unwrap()
    }

    /// Asks as a client of the Vault wire does.
    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = match method {
            "GET" => Method::Read,
            "LIST" => Method::List,
            "POST" | "PUT" => Method::Write,
            "DELETE" => Method::Delete,
            other => panic!("{other}"),
        };
        let params = if body.is_empty() {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            Ok(Params::from_pairs(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
        } else {
            Params::from_json(body.as_bytes())
        };
        let mut params = match params {
            Ok(params) => params,
            Err(error) => return refused("", &error),
        };
        match self.engine.bind(method, path, &mut params) {
            Ok(bound) => self.run(&bound).await,
            Err(refusal) => refused(refusal.facts.map_or("", |facts| facts.name), &refusal.error),
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
            let name = self.engine.key_name(&mut self.context(&mut txn, now, &origin()), key).await?;
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
        let (now, origin) = (txn.now().await.unwrap(), origin());
        crate::transit::documents::attached(&mut self.context(&mut txn, now, &origin), op).await.unwrap()
    }

    fn context<'a>(&'a self, txn: &'a mut cardea_storage::txn::Txn, now: Timestamp, origin: &'a Origin) -> Context<'a> {
        Context {
            state: View::new(txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            caller: None,
            origin,
            now,
            rng: &self.rng,
            rights: &self.rights,
            wrap_ttl: None,
            system: &self.rights,
            warnings: Vec::new(),
        }
    }

    async fn run(&self, bound: &BoundOp) -> Reply {
        match self.transact(bound).await {
            Ok((body, warnings, action)) => {
                let mut reply = answered(bound.facts, body);
                if !warnings.is_empty() {
                    reply.body["warnings"] = warnings.into();
                }
                reply.action = Some(action);
                reply
            }
            Err(error) => refused(bound.facts.name, &error),
        }
    }

    async fn transact(&self, bound: &BoundOp) -> Result<(Body, Vec<String>, Action), Error> {
        let origin = origin();
        loop {
            let mut txn = self.store.txn();
            let now = txn.now().await?;
            let mut cx = self.context(&mut txn, now, &origin);
            let action = match bound.facts.rule {
                ActionRule::Fixed(action) => action,
                ActionRule::CreateOrUpdate if self.engine.exists(&mut cx, &bound.op).await? => Action::Update,
                ActionRule::CreateOrUpdate => Action::Create,
            };
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

fn origin() -> Origin {
    Origin { dialect: "vault", peer: ([127, 0, 0, 1], 1).into(), tls: None, headers: Vec::new() }
}

fn answered(facts: &'static RouteFacts, body: Body) -> Reply {
    let (status, text) = match body {
        Body::Empty => (204, None),
        Body::Object(payload) => (200, Some(payload.text().to_owned())),
        Body::Partial { status, payload } => (status, Some(payload.text().to_owned())),
        other => panic!("{other:?}"),
    };
    let body = text.as_deref().map_or(Value::Null, |text| {
        let data: Value = serde_json::from_str(text).unwrap();
        serde_json::json!({ "data": data })
    });
    Reply { status, route: facts.name, body, action: None }
}

fn refused(route: &'static str, error: &Error) -> Reply {
    let status = match error.cause {
        Cause::Invalid | Cause::Conflict => 400,
        Cause::Denied => 403,
        Cause::NotFound | Cause::NoRoute => 404,
        Cause::Unsupported => 405,
        Cause::TooLarge => 413,
        _ => 500,
    };
    let errors: Vec<&str> = Some(error.client.as_str()).filter(|words| !words.is_empty()).into_iter().collect();
    Reply { status, route, body: serde_json::json!({ "errors": errors }), action: None }
}
