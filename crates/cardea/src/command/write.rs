//! `write` and `patch`: K=V, `@file`, `-`, or nothing with `-force`.

use super::{Command, MANY, Traits};
use crate::{
    arguments::Flag,
    call::{Call, api_path},
    failure::Failure,
    input,
    output::{self, line},
    session::Session,
};
use cardea_client::{Request, Secret};
use serde_json::Value;

const FORCE: &[Flag] = &[Flag::switch("force", "Send the request without any data.").alias("f")];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "write",
        arguments: "PATH [K=V...]",
        summary: "Writes data",
        flags: &[FORCE],
        traits: Traits::DATA,
        count: (1, MANY),
        run: |call| run(call, "writing", |path, data| Request::put(path, data)),
    },
    Command {
        name: "patch",
        arguments: "PATH [K=V...]",
        summary: "Merges data into what is there",
        flags: &[FORCE],
        traits: Traits::DATA,
        count: (1, MANY),
        run: |call| run(call, "patching", |path, data| Request::patch(path, data)),
    },
];

fn run(call: &Call, doing: &str, request: fn(&str, &Value) -> Request) -> Result<(), Failure> {
    let words = call.arguments().get(1..).unwrap_or_default();
    if words.is_empty() && !call.given.switch("force") {
        return Err(Failure::usage("Must supply data or use -force"));
    }
    let data = Value::Object(input::data(words)?);
    let path = api_path(call.argument(0));
    let session = Session::open(call)?;
    let secret = session.ask(&format!("Error {doing} data to {path}"), &request(&path, &data))?;
    written(call, &path, secret.as_ref())
}

/// What a write says: its answer, or that it went well.
pub fn written(call: &Call, path: &str, secret: Option<&Secret>) -> Result<(), Failure> {
    match secret {
        Some(secret) => output::secret(call, secret),
        None if call.is_table() => line(&format!("Success! Data written to: {path}")),
        None => Ok(()),
    }
}
