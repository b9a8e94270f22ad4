//! What the operations do.

use super::Op;
use crate::source::FakeSource;
use cardea_crypto::random::base62;
use cardea_model::lease::LeaseOffer;
use cardea_model::secret_bytes::stored;
use cardea_model::{Error, SecretText, Timestamp, TtlSeconds};
use cardea_sdk::{Context, Done, Effect, ExternalError, Outcome, Plan, Recovery};
use serde::{Deserialize, Serialize};

/// A user that is to be made, or whose password is to be set.
#[derive(Serialize, Deserialize)]
struct Wanted {
    username: String,
    #[serde(with = "stored")]
    password: SecretText,
    expires: Timestamp,
}

const CREATE: &str = "create";
const PASSWORD: &str = "password";

pub(super) fn plan(cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::Creds { role, ttl, max_ttl, renewable } => {
            let (default_s, max_s) = cx.system.ttl_s(cx.mount);
            let ttl_s = ttl.map_or(default_s, |ttl| ttl.0).min(max_s);
            let wanted = Wanted {
                username: format!("v-{role}-{}", *base62(cx.rng, 12)),
                password: SecretText::new(base62(cx.rng, 20).to_string()),
                expires: cx.now.plus(TtlSeconds(ttl_s)),
            };
            let lease = LeaseOffer { ttl: *ttl, max_ttl: *max_ttl, renewable: *renewable };
            Ok(Outcome::External(Plan {
                effect: Effect::of(CREATE, &wanted)?,
                lease: Some(lease),
                recovery: Recovery::Undo,
            }))
        }
        Op::Password { name, password } => {
            let wanted = Wanted { username: name.clone(), password: password.duplicate(), expires: cx.now };
            Ok(Outcome::External(Plan {
                effect: Effect::of(PASSWORD, &wanted)?,
                lease: None,
                recovery: Recovery::Redo,
            }))
        }
    }
}

pub(super) async fn perform(source: &FakeSource, effect: &Effect) -> Result<(), ExternalError> {
    let wanted: Wanted = effect.read()?;
    match effect.what.as_str() {
        CREATE => source.create(&wanted.username, &wanted.password, wanted.expires).await,
        _ => source.set_password(&wanted.username, &wanted.password).await,
    }
}

pub(super) fn settle(effect: &Effect) -> Result<Done, Error> {
    #[derive(Serialize)]
    struct Answer {
        username: String,
        #[serde(with = "stored")]
        password: SecretText,
    }
    let wanted: Wanted = effect.read()?;
    if effect.what != CREATE {
        return Ok(Done::default());
    }
    match Done::object(&Answer { username: wanted.username, password: wanted.password })? {
        Outcome::Done(done) => Ok(done),
        Outcome::External(_) => Err(Error::internal("an answer is not a plan")),
    }
}

pub(super) fn username(effect: &Effect) -> Result<String, Error> {
    effect.read::<Wanted>().map(|wanted| wanted.username)
}
