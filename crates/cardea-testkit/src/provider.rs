//! A provider of keys with an HTTP API, as rotators call it: it lists its keys, remembers requests by a header, and can be
//! down, do the thing and lose the answer, or answer as it should not. It counts its calls; a fault plan breaks them.
//!
//! | request | what |
//! |---|---|
//! | `POST /users/<user>/keys` with `{"label": …}` | makes a key |
//! | `GET /users/<user>/keys` | lists keys, two a page, whosever they are |
//! | `GET /users/<user>/keys/<id>` | when one was used last |
//! | `DELETE /users/<user>/keys/<id>` | revokes one of that user |
//! | `DELETE /keys/<id>` | revokes one, whosever it is |
//! | `GET /me` | whether the bearer's key works |

use crate::behind::Behind;
use async_trait::async_trait;
use cardea_model::SecretBytes;
use cardea_sdk::call::{ANSWER_BYTES_MAX, Call, HttpAnswer, HttpCall, HttpMethod};
use cardea_sdk::{ExternalError, OutsideContext};
use cardea_storage::failing::{Fault, FaultPlan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

/// Where it is.
pub const PROVIDER: &str = "https://provider.test/v1";
/// What its owner's requests carry.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-provider";
const PAGE: usize = 2;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Answers {
    #[default]
    Well,
    /// Nobody answers; nothing happens.
    Down,
    /// It does what it is asked, and the answer is lost.
    Lost,
    /// This status, and nothing happens.
    Status(u16),
    /// It does what it is asked, and answers with something else than was declared.
    Nonsense,
    /// It does what it is asked, and what it answers is no JSON.
    Noise,
    /// It does what it is asked, and answers with more than is read.
    Flood,
}

/// A key at the provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    pub owner: String,
    pub label: String,
    pub value: String,
}

#[derive(Clone, Default)]
struct State {
    keys: BTreeMap<String, Key>,
    made: u64,
    remembered: BTreeMap<String, (u16, Value)>,
    /// What it says of a key's last use.
    used: BTreeMap<String, Value>,
    answers: Answers,
    calls: u64,
    /// What each call was: method and target.
    asked: Vec<String>,
}

/// The provider. Clones are the same one.
#[derive(Clone, Default)]
pub struct Provider(Behind<State>);

impl Provider {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Another one in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(self.0.fork())
    }

    /// From now on calls are counted and broken by this plan.
    pub fn arm(&self, plan: Arc<FaultPlan>) {
        self.0.arm(plan);
    }

    pub fn set(&self, answers: Answers) {
        self.state().answers = answers;
    }

    /// All keys by their ids.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<String, Key> {
        self.state().keys.clone()
    }

    /// How many keys were ever made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.state().made
    }

    /// Calls that reached it, whatever came of them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The same, by method and target.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// A key that somebody made by hand.
    pub fn add_key(&self, id: &str, owner: &str, value: &str) {
        let key = Key { owner: owner.to_owned(), label: "by hand".to_owned(), value: value.to_owned() };
        self.state().keys.insert(id.to_owned(), key);
    }

    /// What it says of a key's last use from now on; null where nothing was said.
    pub fn say_used(&self, id: &str, at: Value) {
        self.state().used.insert(id.to_owned(), at);
    }

    /// Whether a key lets its bearer in.
    #[must_use]
    pub fn opens(&self, id: &str, value: &str) -> bool {
        self.state().keys.get(id).is_some_and(|key| key.value == value)
    }
}

#[async_trait]
impl Call for Provider {
    async fn call_source(&self, _cx: &OutsideContext<'_>, call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        let lost = || ExternalError::unknown("the source did not give a whole answer", "answer lost");
        assert_eq!(call.address.as_str(), PROVIDER, "nothing else is ever called");
        let mut state = self.state();
        state.calls += 1;
        state.asked.push(format!("{} {}", call.method.as_str(), call.target));
        let answers = state.answers;
        let fault = self.0.admit(answers == Answers::Down, lost)?;
        if let Answers::Status(status) = answers {
            // As providers do, it repeats what it was sent.
            let told: Vec<&str> = call.headers.iter().map(|(_, value)| value.expose()).collect();
            return Ok(HttpAnswer { status, body: SecretBytes::new(told.join(" ").into_bytes()) });
        }
        let (status, body) = state.answer(call);
        let body = match answers {
            Answers::Nonsense => json!({ "else": [1, 2] }).to_string(),
            Answers::Noise => format!("<html>{body}</html>"),
            Answers::Flood => {
                let why = format!("an answer of more than {ANSWER_BYTES_MAX} bytes");
                return Err(ExternalError::unknown("the source did not give a whole answer", why));
            }
            _ => body.to_string(),
        };
        if fault == Fault::LoseAnswer || answers == Answers::Lost {
            return Err(lost());
        }
        Ok(HttpAnswer { status, body: SecretBytes::new(body.into_bytes()) })
    }
}

impl State {
    fn answer(&mut self, call: &HttpCall<'_>) -> (u16, Value) {
        let header = |name: &str| {
            let found = call.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.expose().to_owned())
        };
        let bearer = header("authorization").and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let refused = |status: u16| (status, json!({ "error": "no" }));
        if let (HttpMethod::Get, ["me"]) = (call.method, parts.as_slice()) {
            let owner = self.keys.values().find(|key| Some(&key.value) == bearer.as_ref()).map(|key| key.owner.clone());
            return owner.map_or_else(|| refused(401), |owner| (200, json!({ "user": owner })));
        }
        if bearer.as_deref() != Some(ADMIN_TOKEN) {
            return refused(401);
        }
        match (call.method, parts.as_slice()) {
            (HttpMethod::Post, ["users", owner, "keys"]) => {
                let idempotency = header("idempotency-key");
                if let Some(known) = idempotency.as_ref().and_then(|token| self.remembered.get(token)) {
                    return known.clone();
                }
                let body: Value = serde_json::from_slice(call.body.expose()).unwrap();
                self.made += 1;
                let id = format!("key-{}", self.made);
                let value = format!("sk_{}_{}", self.made, "x".repeat(20));
                let label = body["label"].as_str().unwrap_or_default().to_owned();
                self.keys.insert(id.clone(), Key { owner: (*owner).to_owned(), label, value: value.clone() });
                let answer = (201, json!({ "data": { "id": id, "secret": value, "number": self.made } }));
                if let Some(token) = idempotency {
                    self.remembered.insert(token, answer.clone());
                }
                answer
            }
            (HttpMethod::Get, ["users", _, "keys"]) => {
                let from: usize = query.strip_prefix("cursor=").map_or(0, |cursor| cursor.parse().unwrap());
                let page = self.keys.iter().skip(from).take(PAGE);
                let page: Vec<Value> = page.map(|(id, key)| json!({ "id": id, "name": key.label })).collect();
                let next = (from + PAGE < self.keys.len()).then_some(from + PAGE);
                (200, json!({ "keys": page, "next": next }))
            }
            (HttpMethod::Get, ["users", _, "keys", id]) => {
                (200, json!({ "key": { "id": id, "last_used": self.used.get(*id) } }))
            }
            (HttpMethod::Delete, ["users", owner, "keys", id]) => match self.keys.get(*id) {
                Some(key) if key.owner == *owner => {
                    self.keys.remove(*id);
                    (204, Value::Null)
                }
                _ => refused(404),
            },
            (HttpMethod::Delete, ["keys", id]) => match self.keys.remove(*id) {
                Some(_) => (204, Value::Null),
                None => refused(404),
            },
            _ => refused(404),
        }
    }
}
