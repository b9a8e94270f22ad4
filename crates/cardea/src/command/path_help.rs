//! `path-help PATH`: what the server says about a path.

use super::{Command, Traits};
use crate::{
    call::{Call, api_path},
    failure::Failure,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::Value;

pub const COMMANDS: &[Command] = &[Command {
    name: "path-help",
    arguments: "PATH",
    summary: "Shows what the server says about a path",
    flags: &[],
    traits: Traits::SERVER,
    count: (1, 1),
    run: |call| show(call, &api_path(call.argument(0))),
}];

/// Prints the help of a path.
pub fn show(call: &Call, path: &str) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let request = Request::get(path).param("help", "1");
    let secret = session.ask("Error retrieving help", &request)?;
    let help = secret.as_ref().and_then(|secret| secret.data_or_body().get("help"));
    match help {
        Some(Value::String(text)) if call.is_table() => line(text.trim()),
        Some(_) => {
            output::value(call.format, &Value::Object(secret.as_ref().map(|s| s.fields().clone()).unwrap_or_default()))
        }
        None => Err(Failure::server(format!("No help found at {path}"))),
    }
}
