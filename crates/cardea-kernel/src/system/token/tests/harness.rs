//! A node over a store in memory, asked as dialects ask it, with a clock that tests move and an auth method whose terms
//! tests set. The whole pipeline runs: what is shown here is shown of requests, not of handlers.

use crate::active::Active;
use crate::lifecycle::{Node, Parts};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::settings::Settings;
use async_trait::async_trait;
use cardea_barrier::SealSettings;
use cardea_crypto::random::SeededRandomness;
use cardea_model::{
    Answer, Body, CanonicalPath, Credential, Error, Method, NamespaceId, Origin, Params, Request, SecretText, Target,
};
use cardea_sdk::auth_method::{AuthMethod, Identification, Vouch};
use cardea_sdk::context::Faults;
use cardea_sdk::erased::ErasedAuth;
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Engine, ExternalError, Outcome, TokenTerms};
use cardea_storage::json_record;
use cardea_storage::memory::MemoryStore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// 768 hours: default and maximum of the mounts.
pub(crate) const MAX_S: u64 = 2_764_800;

pub(crate) struct World {
    pub node: Arc<Node>,
    clock: Arc<AtomicU64>,
    pub root: String,
}

struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
    fn after(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}

/// What an answer said, or why there was none.
#[derive(Debug)]
pub(crate) struct Reply {
    pub data: Value,
    /// Token, accessor, seconds, renewable, orphan, policies, identity policies.
    pub auth: Value,
    pub warnings: Vec<String>,
    pub status: Option<u16>,
}

impl Reply {
    pub fn token(&self) -> String {
        self.auth["client_token"].as_str().unwrap().to_owned()
    }
    pub fn accessor(&self) -> String {
        self.auth["accessor"].as_str().unwrap().to_owned()
    }
    pub fn ttl(&self) -> u64 {
        self.auth["ttl"].as_u64().unwrap()
    }
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1_767_225_600_000));
        let time = clock.clone();
        let store = MemoryStore::new(Arc::new(move || time.load(Ordering::SeqCst)));
        let node = Node::new(Parts {
            store: Arc::new(store),
            settings: Arc::new(Settings::default()),
            registry: Registry::default().auth(Arc::new(ErasedAuth(Stub))),
            rng: Arc::new(SeededRandomness::new(b"tokens")),
            faults: Arc::new(NoFaults),
            witness: None,
            static_key: Some(Zeroizing::new([7; 32])),
            metrics: Arc::new(Metrics::default()),
        });
        let made = node.init(SealSettings { shares: 1, threshold: 1 }).await.unwrap();
        assert!(node.unseal_by_file(false).await.unwrap());
        Self { node, clock, root: made.root_token.expose().to_owned() }
    }

    pub fn active(&self) -> Arc<Active> {
        self.node.active().unwrap()
    }

    pub fn pass_s(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> Result<Reply, Error> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request {
            namespace: NamespaceId::root(),
            credential: match token {
                "" => Credential::None,
                token => Credential::Token(SecretText::new(token.to_owned())),
            },
            target: Target::Path {
                method,
                path: CanonicalPath::parse(path)?,
                params: Params::from_json(body.as_bytes())?,
                help: false,
            },
            wrap_ttl: None,
            origin: Origin { dialect: "vault", peer: "10.1.2.3:4000".parse().unwrap(), tls: None, headers: Vec::new() },
        };
        let answer: Answer = self.node.answer(request).await.map_err(|refusal| refusal.error)?;
        let data = match &answer.body {
            Body::Object(payload) => serde_json::from_str(payload.text()).unwrap(),
            _ => Value::Null,
        };
        let auth = answer.auth.as_ref().map_or(Value::Null, |auth| {
            json!({
                "client_token": auth.client_token.expose(), "accessor": auth.accessor, "ttl": auth.ttl_s,
                "renewable": auth.renewable, "orphan": auth.orphan, "policies": auth.policies,
                "token_policies": auth.token_policies, "identity_policies": auth.identity_policies,
                "entity_id": auth.entity_id, "num_uses": auth.num_uses, "metadata": auth.metadata,
            })
        });
        Ok(Reply { data, auth, warnings: answer.warnings, status: answer.status })
    }

    pub async fn read(&self, token: &str, path: &str) -> Result<Reply, Error> {
        self.ask(token, Method::Read, path, Value::Null).await
    }
    pub async fn write(&self, token: &str, path: &str, body: Value) -> Result<Reply, Error> {
        self.ask(token, Method::Write, path, body).await
    }
    pub async fn list(&self, token: &str, path: &str) -> Result<Reply, Error> {
        self.ask(token, Method::List, &format!("{path}/"), Value::Null).await
    }

    /// What root does to prepare a test.
    pub async fn prepare(&self, path: &str, body: Value) -> Reply {
        self.write(&self.root, path, body).await.unwrap()
    }

    pub async fn policy(&self, name: &str, text: &str) {
        self.prepare(&format!("sys/policies/acl/{name}"), json!({ "policy": text })).await;
    }

    /// A token of root's with these fields.
    pub async fn token(&self, fields: Value) -> Reply {
        self.prepare("auth/token/create", fields).await
    }

    pub async fn is_good(&self, token: &str) -> bool {
        self.read(token, "auth/token/lookup-self").await.is_ok()
    }

    /// How many tokens there are.
    pub async fn count(&self) -> usize {
        self.list(&self.root, "auth/token/accessors").await.unwrap().data["keys"].as_array().unwrap().len()
    }

    /// Mounts the stub and sets what it says of everybody.
    pub async fn stub(&self, terms: Value) {
        let _ = self.write(&self.root, "sys/auth/stub", json!({ "type": "stub" })).await;
        self.prepare("auth/stub/terms", terms).await;
    }

    pub async fn log_in(&self, alias: &str) -> Result<Reply, Error> {
        self.write("", "auth/stub/login", json!({ "alias": alias })).await
    }
}

/// An auth method that vouches for everybody on the terms that were set last.
struct Stub;

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct StubTerms {
    refuse_renewals: bool,
    #[serde(flatten)]
    terms: TokenTerms,
}
json_record!(StubTerms, "stub-terms", 1);

enum StubOp {
    Login { alias: String },
    Terms(Box<StubTerms>),
}

#[derive(Deserialize)]
struct LoginInput {
    alias: String,
}

static STUB_ROUTES: &[Route<StubOp>] = &[
    Route::write("login", "login", |p| Bound::read(p, |i: LoginInput| StubOp::Login { alias: i.alias }))
        .access(Access::Login),
    Route::write("terms", "terms", |p| {
        let terms = p.body_object()?.read::<StubTerms>()?;
        Ok(Bound { op: StubOp::Terms(Box::new(terms)), unknown: Vec::new() })
    }),
];

#[async_trait]
impl Engine for Stub {
    type Op = StubOp;

    fn kind(&self) -> &'static str {
        "stub"
    }

    fn routes(&self) -> &'static [Route<StubOp>] {
        STUB_ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &StubOp) -> Result<Outcome, Error> {
        if let StubOp::Terms(terms) = op {
            cx.state.put("terms", &**terms)?;
        }
        Ok(Done::empty())
    }
}

#[async_trait]
impl AuthMethod for Stub {
    async fn login(&self, cx: &mut Context<'_>, op: &StubOp) -> Result<Vouch, Error> {
        let StubOp::Login { alias } = op else { return Err(Error::denied()) };
        let terms = cx.state.get::<StubTerms>("terms").await?.unwrap_or_default().terms;
        Ok(Vouch::Yes(Box::new(Identification {
            alias: alias.clone(),
            // Both have one key: what the method itself says must win.
            alias_metadata: BTreeMap::from([("door".to_owned(), "what the alias claims".to_owned())]),
            display_name: String::new(),
            role: String::new(),
            metadata: BTreeMap::from([("door".to_owned(), "stub".to_owned())]),
            terms,
            internal: BTreeMap::new(),
        })))
    }

    async fn renew(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
        let today = cx.state.get::<StubTerms>("terms").await?.unwrap_or_default();
        if today.refuse_renewals {
            return Ok(Vouch::No { error: Error::invalid("the stub vouches no more"), keep_writes: false });
        }
        Ok(Vouch::Yes(Box::new(Identification { terms: today.terms, ..before.clone() })))
    }
}
