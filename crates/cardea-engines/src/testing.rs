//! What the tests of every engine stand on: a place with a mount, a clock and a codec that hides nothing; requests and answers as
//! far as tests compare them; and transcripts, in the form that the `mod.rs` of `kv` describes. It must never serve anything.

use cardea_crypto::random::SeededRandomness;
use cardea_model::lease::LeaseOffer;
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{
    Action, Body, Caller, Cause, Error, Method, NamespaceId, Origin, Params, Payload, Timestamp, TokenKind,
};
use cardea_sdk::context::{Context, Rights, System};
use cardea_sdk::erased::{AnyEngine, BoundOp};
use cardea_sdk::route::ActionRule;
use cardea_sdk::{Effect, Outcome, RouteFacts};
use cardea_storage::memory::MemoryStore;
use cardea_storage::record::{Codec, Wiped};
use cardea_storage::store::Store;
use cardea_storage::txn::{SealedStore, Txn, commit_error};
use cardea_storage::view::View;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// When every store begins.
pub const START_MS: u64 = 1_700_000_000_000;
/// TTLs of a mount in seconds, where a test says nothing: default and maximum.
const MOUNT_TTL_S: (u64, u64) = (3600, 86_400);

/// Leaves bytes readable, behind the kind they were sealed as: tests look for what must not be there.
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

/// A store as a barrier would wrap it.
pub fn sealed(store: Arc<dyn Store>) -> SealedStore {
    SealedStore::new(store, Arc::new(PlainCodec))
}

/// Everything is allowed.
pub struct Everything;

impl Rights for Everything {
    fn allows(&self, _action: Action, _path: &str) -> bool {
        true
    }
    fn has_sudo(&self, _path: &str) -> bool {
        true
    }
    fn reaches(&self, _mount_path: &str) -> bool {
        true
    }
}

/// What a server has around a mount.
struct Surroundings {
    ttl_s: (u64, u64),
}

impl System for Surroundings {
    fn ttl_s(&self, _mount: &Mount) -> (u64, u64) {
        self.ttl_s
    }
    fn lookup_hash(&self, _purpose: &str, _value: &[u8]) -> String {
        String::new()
    }
    fn password_policy(&self, name: &str) -> Result<String, Error> {
        match name {
            "digits" => Ok("length = 30\nrule \"charset\" { charset = \"0123456789\" }".to_owned()),
            _ => Err(Error::invalid("no such password policy")),
        }
    }
}

/// Where an engine's requests happen: one mount, asked by one caller.
pub struct Place {
    pub mount: Mount,
    pub caller: Option<Caller>,
    pub rng: SeededRandomness,
    origin: Origin,
    surroundings: Surroundings,
}

impl Place {
    /// A mount of an engine of this kind, asked by nobody.
    pub fn new(kind: &str, path: &str) -> Self {
        let mount = Mount {
            uuid: "mount".to_owned(),
            namespace: NamespaceId::root(),
            path: path.to_owned(),
            accessor: format!("{kind}_1"),
            kind: kind.to_owned(),
            class: MountClass::Secret,
            description: String::new(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
            local: false,
            seal_wrap: false,
            created_ms: 0,
        };
        Self {
            mount,
            caller: None,
            rng: SeededRandomness::new(kind.as_bytes()),
            origin: Origin { dialect: "vault", peer: ([127, 0, 0, 1], 1).into(), tls: None, headers: Vec::new() },
            surroundings: Surroundings { ttl_s: MOUNT_TTL_S },
        }
    }

    pub fn with_seed(mut self, seed: &[u8]) -> Self {
        self.rng = SeededRandomness::new(seed);
        self
    }

    pub fn with_ttl_s(mut self, default: u64, most: u64) -> Self {
        self.surroundings.ttl_s = (default, most);
        self
    }

    /// Asked by somebody with this display name.
    pub fn asked_by(mut self, display_name: &str) -> Self {
        self.caller = Some(Caller {
            namespace: NamespaceId::root(),
            display_name: display_name.to_owned(),
            entity: None,
            known_as: None,
            token_id: "a token".to_owned(),
            accessor: None,
            kind: TokenKind::Service,
            is_root: false,
            policies: Vec::new(),
            metadata: BTreeMap::new(),
            expires: None,
            key: None,
        });
        self
    }

    pub fn view<'a>(&self, txn: &'a mut Txn) -> View<'a> {
        View::new(txn, &self.mount.namespace, &self.mount.uuid)
    }

    pub fn context<'a>(&'a self, txn: &'a mut Txn, now: Timestamp, rights: &'a dyn Rights) -> Context<'a> {
        Context {
            state: self.view(txn),
            mount: &self.mount,
            caller: self.caller.as_ref(),
            origin: &self.origin,
            now,
            rng: &self.rng,
            rights,
            wrap_ttl: None,
            system: &self.surroundings,
            warnings: Vec::new(),
        }
    }
}

/// A request of a client of the Vault wire, bound by the engine's table: `GET`, `LIST`, `POST`, `PUT`, `PATCH` or `DELETE`, a path
/// inside the mount with its query, and a JSON body or nothing.
pub fn bind(engine: &dyn AnyEngine, method: &str, target: &str, body: &str) -> Result<BoundOp, Box<Reply>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = match method {
        "GET" => Method::Read,
        "LIST" => Method::List,
        "POST" | "PUT" => Method::Write,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => panic!("{other}"),
    };
    let params = if body.is_empty() {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Ok(Params::from_pairs(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
    } else {
        Params::from_json(body.as_bytes())
    };
    let mut params = params.map_err(|error| Box::new(Reply::refused("", &error)))?;
    engine.bind(method, path, &mut params).map_err(|refusal| {
        let mut reply = Reply::refused(refusal.facts.map_or("", |facts| facts.name), &refusal.error);
        if let Some(hint) = refusal.hint {
            reply.body["warnings"] = json!([hint]);
        }
        Box::new(reply)
    })
}

/// The action that policies are asked about.
pub async fn action(engine: &dyn AnyEngine, cx: &mut Context<'_>, bound: &BoundOp) -> Result<Action, Error> {
    Ok(match bound.facts.rule {
        ActionRule::Fixed(action) => action,
        ActionRule::CreateOrUpdate if engine.exists(cx, &bound.op).await? => Action::Update,
        ActionRule::CreateOrUpdate => Action::Create,
    })
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Name of the route that answered; empty if none did.
    pub route: &'static str,
    /// `{"data": …}` or `{"errors": […]}`, and `warnings` if there are any; null without a body.
    pub body: Value,
    /// The JSON text under `data`, as the engine gave it.
    pub text: String,
    /// The action that policies were asked about.
    pub action: Option<Action>,
    pub fresh_s: Option<u64>,
    pub lease: Option<LeaseOffer>,
    pub effect: Option<Effect>,
}

impl Reply {
    pub fn answered(facts: &'static RouteFacts, body: Body, warnings: Vec<String>) -> Self {
        let (status, payload): (u16, Option<Payload>) = match body {
            Body::Empty if warnings.is_empty() => (204, None),
            Body::Empty => (200, None),
            Body::Object(payload) => (200, Some(payload)),
            Body::Gone(payload) => (404, Some(payload)),
            Body::Partial { status, payload } => (status, Some(payload)),
            other => panic!("{other:?}"),
        };
        let text = payload.map(|payload| payload.text().to_owned()).unwrap_or_default();
        let mut body = match text.as_str() {
            "" => Value::Null,
            text => json!({ "data": serde_json::from_str::<Value>(text).unwrap() }),
        };
        if !warnings.is_empty() {
            body["warnings"] = warnings.into();
        }
        Self { status, route: facts.name, body, text, action: None, fresh_s: None, lease: None, effect: None }
    }

    pub fn refused(route: &'static str, error: &Error) -> Self {
        let status = match error.cause {
            Cause::Invalid | Cause::Conflict => 400,
            Cause::Denied => 403,
            Cause::NotFound | Cause::NoRoute => 404,
            Cause::Unsupported => 405,
            Cause::TooLarge => 413,
            _ => 500,
        };
        let errors: Vec<&str> = Some(error.client.as_str()).filter(|words| !words.is_empty()).into_iter().collect();
        let body = json!({ "errors": errors });
        Self { status, route, body, text: String::new(), action: None, fresh_s: None, lease: None, effect: None }
    }

    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// A text of the answer's data.
    pub fn member(&self, name: &str) -> String {
        self.data()[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }

    pub fn error(&self) -> &str {
        self.body["errors"][0].as_str().unwrap_or_default()
    }
}

/// Replays a transcript whose mount is at `mount`; gives the names of the routes that it went over.
pub async fn replay(mount: &str, text: &str, call: impl AsyncFn(&str, &str, &str) -> Reply) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        let (method, target) = line.strip_prefix("> ").and_then(|line| line.split_once(' ')).expect(line);
        let target = target.strip_prefix(mount).expect("the mount is where the transcript says");
        let body = lines.next_if(|line| line.starts_with('{')).unwrap_or_default();
        let reply = call(method, target, body).await;
        let status = lines.next().and_then(|line| line.strip_prefix("< ")).expect("a status follows a request");
        assert_eq!(reply.status.to_string(), status, "{line}: {reply:?}");
        match lines.next_if(|line| line.starts_with('{')) {
            Some(expected) => {
                let expected: Value = serde_json::from_str(expected).expect(expected);
                for (member, expected) in expected.as_object().unwrap() {
                    let found = &reply.body[member.as_str()];
                    assert!(alike(expected, found), "{line}\nexpected {expected}\nfound    {found}");
                }
            }
            None => assert_eq!(reply.body, Value::Null, "{line}"),
        }
        seen.insert(reply.route);
    }
    seen
}

/// `"*"` is anything that is there.
fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), found) if any == "*" => !found.is_null(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|found| alike(value, found)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (a, b) => a == b,
    }
}

/// Every route of a table was gone over.
pub fn assert_shown(routes: impl IntoIterator<Item = &'static str>, seen: &BTreeSet<&'static str>) {
    for route in routes {
        assert!(seen.contains(route), "no transcript shows {route}");
    }
}

/// A mount of an engine whose requests need nothing but their records: one transaction a request.
pub struct Bench {
    engine: Box<dyn AnyEngine>,
    store: SealedStore,
    place: Place,
}

impl Bench {
    pub fn new(engine: impl AnyEngine + 'static) -> Self {
        Self {
            place: Place::new(engine.kind(), "mount/"),
            engine: Box::new(engine),
            store: sealed(Arc::new(MemoryStore::new(Arc::new(|| START_MS)))),
        }
    }

    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        let bound = match bind(&*self.engine, method, target, body) {
            Ok(bound) => bound,
            Err(refused) => return *refused,
        };
        match self.run(&bound).await {
            Ok((body, action)) => Reply { action: Some(action), ..Reply::answered(bound.facts, body, Vec::new()) },
            Err(error) => Reply::refused(bound.facts.name, &error),
        }
    }

    async fn run(&self, bound: &BoundOp) -> Result<(Body, Action), Error> {
        let mut txn = self.store.txn();
        let now = txn.now().await?;
        let mut cx = self.place.context(&mut txn, now, &Everything);
        let action = action(&*self.engine, &mut cx, bound).await?;
        let outcome = self.engine.handle(&mut cx, &bound.op).await?;
        txn.commit().await.map_err(commit_error)?;
        match outcome {
            Outcome::Done(done) => Ok((done.body, action)),
            Outcome::External(_) => panic!("nothing here is done outside"),
        }
    }

    /// Replays a transcript whose mount is at `mount`; gives the names of the routes that it went over.
    pub async fn replay(&self, mount: &str, text: &str) -> BTreeSet<&'static str> {
        replay(mount, text, async |method: &str, target: &str, body: &str| self.call(method, target, body).await).await
    }
}
