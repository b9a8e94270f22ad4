//! `unwrap [TOKEN]`: takes the answer out of a wrapping token, once.

use super::{Command, Traits};
use crate::{call::Call, failure::Failure, output, session::Session};
use cardea_client::Request;
use cardea_model::SecretText;
use serde_json::json;

pub const COMMANDS: &[Command] = &[Command {
    name: "unwrap",
    arguments: "[TOKEN]",
    summary: "Takes the answer out of a wrapping token",
    flags: &[],
    traits: Traits::FIELD,
    count: (0, 1),
    run,
}];

fn run(call: &Call) -> Result<(), Failure> {
    let mut session = Session::open(call)?;
    let body = match call.arguments().first() {
        None => json!({}),
        Some(token) => {
            let token = token.trim();
            // The wrapping token is enough to ask; with a token of one's own it goes into the body, and the log knows who.
            if session.token().is_some_and(|own| own.expose() != token) {
                json!({ "token": token })
            } else {
                session.set_token(SecretText::new(token.to_owned()));
                json!({})
            }
        }
    };
    let request = Request::put("sys/wrapping/unwrap", &body).unwrapped();
    match session.ask("Error unwrapping", &request)? {
        Some(secret) if secret.data().and_then(|data| data.get("keys")).is_some_and(serde_json::Value::is_array) => {
            output::list(call, &secret)
        }
        Some(secret) => output::secret(call, &secret),
        None => Err(Failure::server("Could not find wrapped response")),
    }
}
