//! A mount of any engine on a store in memory, for engines whose requests need nothing but their records: one transaction a
//! request, and transcripts in the form that the `mod.rs` of `kv` describes. It must never serve anything.

use cardea_crypto::random::SeededRandomness;
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{Action, Body, Cause, Error, Method, NamespaceId, Origin, Params};
use cardea_sdk::Outcome;
use cardea_sdk::context::{Context, Rights, System};
use cardea_sdk::erased::{AnyEngine, BoundOp};
use cardea_sdk::route::ActionRule;
use cardea_storage::memory::MemoryStore;
use cardea_storage::record::Codec;
use cardea_storage::record::Wiped;
use cardea_storage::txn::{SealedStore, commit_error};
use cardea_storage::view::View;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

struct PlainCodec;

impl Codec for PlainCodec {
    fn seal(&self, _kind: &str, _key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(plain.to_vec())
    }
    fn open(&self, _kind: &str, _key: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        Ok(Wiped::new(sealed.to_vec()))
    }
}

struct Surroundings;

impl Rights for Surroundings {
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

impl System for Surroundings {
    fn ttl_s(&self, _mount: &Mount) -> (u64, u64) {
        (3600, 86_400)
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
    pub route: &'static str,
    pub body: Value,
    pub action: Option<Action>,
}

impl Reply {
    pub fn error(&self) -> &str {
        self.body["errors"][0].as_str().unwrap_or_default()
    }
}

/// A mount.
pub struct Bench {
    engine: Box<dyn AnyEngine>,
    store: SealedStore,
    mount: Mount,
    rng: SeededRandomness,
}

impl Bench {
    pub fn new(engine: impl AnyEngine + 'static) -> Self {
        let kind = engine.kind().to_owned();
        let store = Arc::new(MemoryStore::new(Arc::new(|| 1_700_000_000_000)));
        Self {
            engine: Box::new(engine),
            store: SealedStore::new(store, Arc::new(PlainCodec)),
            mount: Mount {
                uuid: "mount".to_owned(),
                namespace: NamespaceId::root(),
                path: "mount/".to_owned(),
                accessor: format!("{kind}_1"),
                kind,
                class: MountClass::Secret,
                description: String::new(),
                options: BTreeMap::new(),
                config: MountConfig::default(),
                local: false,
                seal_wrap: false,
                created_ms: 0,
            },
            rng: SeededRandomness::new(b"testing"),
        }
    }

    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = match method {
            "GET" => Method::Read,
            "LIST" => Method::List,
            "POST" => Method::Write,
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
        let bound = match self.engine.bind(method, path, &mut params) {
            Ok(bound) => bound,
            Err(refusal) => return refused(refusal.facts.map_or("", |facts| facts.name), &refusal.error),
        };
        match self.run(&bound).await {
            Ok((body, action)) => {
                let (status, body) = match body {
                    Body::Empty => (204, Value::Null),
                    Body::Object(payload) => {
                        let data: Value = serde_json::from_str(payload.text()).unwrap();
                        (200, serde_json::json!({ "data": data }))
                    }
                    other => panic!("{other:?}"),
                };
                Reply { status, route: bound.facts.name, body, action: Some(action) }
            }
            Err(error) => refused(bound.facts.name, &error),
        }
    }

    async fn run(&self, bound: &BoundOp) -> Result<(Body, Action), Error> {
        let origin = Origin { dialect: "vault", peer: ([127, 0, 0, 1], 1).into(), tls: None, headers: Vec::new() };
        let mut txn = self.store.txn();
        let now = txn.now().await?;
        let mut cx = Context {
            state: View::new(&mut txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            caller: None,
            origin: &origin,
            now,
            rng: &self.rng,
            rights: &Surroundings,
            wrap_ttl: None,
            system: &Surroundings,
            warnings: Vec::new(),
        };
        let action = match bound.facts.rule {
            ActionRule::Fixed(action) => action,
            ActionRule::CreateOrUpdate if self.engine.exists(&mut cx, &bound.op).await? => Action::Update,
            ActionRule::CreateOrUpdate => Action::Create,
        };
        let outcome = self.engine.handle(&mut cx, &bound.op).await?;
        txn.commit().await.map_err(commit_error)?;
        match outcome {
            Outcome::Done(done) => Ok((done.body, action)),
            Outcome::External(_) => panic!("nothing here is done outside"),
        }
    }

    /// Replays a transcript whose mount is at `mount`; gives the names of the routes that it went over.
    pub async fn replay(&self, mount: &str, text: &str) -> BTreeSet<&'static str> {
        let mut seen = BTreeSet::new();
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let (method, target) = line.strip_prefix("> ").and_then(|line| line.split_once(' ')).expect(line);
            let target = target.strip_prefix(mount).expect("the mount is where the transcript says");
            let body = lines.next_if(|line| line.starts_with('{')).unwrap_or_default();
            let reply = self.call(method, target, body).await;
            let status = lines.next().and_then(|line| line.strip_prefix("< ")).expect("a status follows a request");
            assert_eq!(reply.status.to_string(), status, "{line}: {reply:?}");
            match lines.next_if(|line| line.starts_with('{')) {
                Some(expected) => {
                    let expected: Value = serde_json::from_str(expected).expect(expected);
                    for (member, expected) in expected.as_object().unwrap() {
                        let found = &reply.body[member.as_str()];
                        assert_eq!(found, expected, "{line}");
                    }
                }
                None => assert_eq!(reply.body, Value::Null, "{line}"),
            }
            seen.insert(reply.route);
        }
        seen
    }
}

fn refused(route: &'static str, error: &Error) -> Reply {
    let status = match error.cause {
        Cause::Invalid | Cause::Conflict => 400,
        Cause::NotFound | Cause::NoRoute => 404,
        Cause::Unsupported => 405,
        _ => 500,
    };
    let errors: Vec<&str> = Some(error.client.as_str()).filter(|words| !words.is_empty()).into_iter().collect();
    Reply { status, route, body: serde_json::json!({ "errors": errors }), action: None }
}
