//! `list PATH`. An empty list is exit code 2, as everywhere in Vault.

use super::{Command, Traits};
use crate::{
    call::{Call, api_path},
    failure::Failure,
    output,
    session::Session,
};
use cardea_client::{Request, Secret};
use serde_json::{Map, Value};

pub const COMMANDS: &[Command] = &[Command {
    name: "list",
    arguments: "PATH",
    summary: "Lists what is below a path",
    flags: &[],
    traits: Traits::SERVER,
    count: (1, 1),
    run: |call| {
        let session = Session::open(call)?;
        let path = api_path(call.argument(0));
        list_at(call, &session, &path)
    },
}];

/// Asks for the names below a path and prints them.
pub fn list_at(call: &Call, session: &Session, path: &str) -> Result<(), Failure> {
    let secret = session.ask(&format!("Error listing {path}"), &Request::list(path))?;
    print(call, path, secret)
}

pub fn print(call: &Call, path: &str, secret: Option<Secret>) -> Result<(), Failure> {
    match secret {
        Some(secret) if secret.wrap_info().is_some() => output::secret(call, &secret),
        Some(secret) if secret.keys().is_some() => output::list(call, &secret),
        _ => Err(none_at(call, path)),
    }
}

/// Nothing is there: an empty object for programs, words for people.
pub fn none_at(call: &Call, path: &str) -> Failure {
    if call.is_table() {
        return Failure::server(format!("No value found at {path}"));
    }
    match output::value(call.format, &Value::Object(Map::new())) {
        Ok(()) => Failure::silent(2),
        Err(failure) => failure,
    }
}
