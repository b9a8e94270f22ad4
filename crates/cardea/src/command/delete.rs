//! `delete PATH [K=V...]`.

use super::{Command, MANY, Traits};
use crate::{
    call::{Call, api_path},
    failure::Failure,
    input,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;

pub const COMMANDS: &[Command] = &[Command {
    name: "delete",
    arguments: "PATH [K=V...]",
    summary: "Deletes what is at a path",
    flags: &[],
    traits: Traits::DATA,
    count: (1, MANY),
    run,
}];

fn run(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = api_path(call.argument(0));
    let mut request = Request::delete(&path);
    request.query = input::query(call.arguments().get(1..).unwrap_or_default())?;
    match session.ask(&format!("Error deleting {path}"), &request)? {
        Some(secret) if !call.is_table() || secret.data().is_some() => output::secret(call, &secret),
        _ => line(&format!("Success! Data deleted (if it existed) at: {path}")),
    }
}
