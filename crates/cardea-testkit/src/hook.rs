//! Whoever receives the steps of a webhook, over a source that takes any number of passwords. It checks signatures, makes one
//! value for one token, and can be down, lose its answers, or answer with whatever a test wants.

use crate::behind::Behind;
use async_trait::async_trait;
use cardea_crypto::mac::hmac_sha256;
use cardea_model::SecretBytes;
use cardea_sdk::call::{Call, HttpAnswer, HttpCall, HttpMethod};
use cardea_sdk::{ExternalError, OutsideContext};
use cardea_storage::failing::{Fault, FaultPlan};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, MutexGuard};

/// Where it is.
pub const HOOK: &str = "https://rotate.test/cardea";
/// What requests are signed with.
pub const HOOK_SECRET: &str = "the secret that signs all steps, 0123456789";

/// How it answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Hooked {
    #[default]
    Well,
    /// Nobody answers; nothing happens.
    Down,
    /// It does what it is asked, and the answer is lost.
    Lost,
    /// Nothing happens, and this is the answer.
    Says(u16, &'static str),
    /// The same, for one step alone.
    SaysTo(&'static str, u16, &'static str),
}

#[derive(Clone, Default)]
struct State {
    /// Passwords that open the source.
    open: BTreeSet<String>,
    /// What was made for a token of a secret.
    made: BTreeMap<(String, String), String>,
    serial: u64,
    answers: Hooked,
    asked: Vec<Value>,
}

/// The receiver. Clones are the same one.
#[derive(Clone, Default)]
pub struct Hook(Behind<State>);

impl Hook {
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

    pub fn set(&self, answers: Hooked) {
        self.state().answers = answers;
    }

    /// A password that the source took by another way.
    pub fn open(&self, password: &str) {
        self.state().open.insert(password.to_owned());
    }

    /// Passwords that open the source.
    #[must_use]
    pub fn passwords(&self) -> BTreeSet<String> {
        self.state().open.clone()
    }

    /// What was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Value> {
        self.state().asked.clone()
    }
}

fn is_signed(call: &HttpCall<'_>) -> bool {
    let header = |name: &str| {
        let found = call.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.expose().to_owned()).unwrap_or_default()
    };
    let time = header("cardea-timestamp");
    let mut signature = "v1=".to_owned();
    for byte in hmac_sha256(HOOK_SECRET.as_bytes(), &[time.as_bytes(), b".", call.body.expose()]) {
        write!(signature, "{byte:02x}").unwrap();
    }
    header("cardea-signature") == signature
}

#[async_trait]
impl Call for Hook {
    async fn call_source(&self, cx: &OutsideContext<'_>, call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        let lost = || ExternalError::unknown("the source did not give a whole answer", "answer lost");
        assert_eq!((call.address.as_str(), call.target.as_str()), (HOOK, ""), "nothing else is ever called");
        assert_eq!(call.method, HttpMethod::Post);
        let asked: Value = serde_json::from_slice(call.body.expose()).unwrap();
        let mut state = self.state();
        state.asked.push(asked.clone());
        let fault = self.0.admit(state.answers == Hooked::Down, lost)?;
        let step = asked["Step"].as_str().unwrap().to_owned();
        let answer =
            |status: u16, body: &str| Ok(HttpAnswer { status, body: SecretBytes::new(body.as_bytes().to_vec()) });
        match &state.answers {
            Hooked::Says(status, body) => return answer(*status, body),
            Hooked::SaysTo(to, status, body) if *to == step => return answer(*status, body),
            _ => {}
        }
        if !is_signed(call) || cx.now.0 == 0 {
            return answer(401, "");
        }
        let told = state.answer(&step, &asked);
        if fault == Fault::LoseAnswer || state.answers == Hooked::Lost {
            return Err(lost());
        }
        answer(200, &told.to_string())
    }
}

impl State {
    fn answer(&mut self, step: &str, asked: &Value) -> Value {
        let text = |pointer: &str| asked.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let done = json!({ "status": "done" });
        let key = (text("/SecretId").unwrap(), text("/ClientRequestToken").unwrap());
        match step {
            "createSecret" => {
                let made = self.made.entry(key).or_insert_with(|| {
                    self.serial += 1;
                    format!("hooked-{}", self.serial)
                });
                json!({ "status": "done", "value": { "password": made } })
            }
            "setSecret" => {
                self.open.insert(text("/Pending/password").unwrap());
                done
            }
            "testSecret" | "finishSecret" => match self.open.contains(&text("/Pending/password").unwrap()) {
                true => done,
                false => json!({ "status": "rotator-refused" }),
            },
            "undoSecret" => {
                if asked["Back"] == json!(false) {
                    let made = self.made.get(&key).cloned();
                    for password in made.into_iter().chain(text("/Pending/password")) {
                        self.open.remove(&password);
                    }
                }
                self.open.insert(text("/Current/password").unwrap());
                done
            }
            "retireSecret" => {
                assert_ne!(text("/Old/password"), text("/Current/password"));
                self.open.remove(&text("/Old/password").unwrap());
                done
            }
            other => panic!("{other}"),
        }
    }
}
