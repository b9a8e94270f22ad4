//! `read PATH [K=V...]`.

use super::{Command, MANY, Traits};
use crate::{
    call::{Call, api_path},
    failure::Failure,
    input,
    output::{self, Format},
    session::Session,
};
use cardea_client::Request;

pub const COMMANDS: &[Command] = &[Command {
    name: "read",
    arguments: "PATH [K=V...]",
    summary: "Reads data; K=V go along as parameters",
    flags: &[],
    traits: Traits::DATA,
    count: (1, MANY),
    run,
}];

fn run(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = api_path(call.argument(0));
    let mut request = Request::get(&path);
    request.query = input::query(call.arguments().get(1..).unwrap_or_default())?;
    let what = format!("Error reading {path}");
    if call.format == Format::Raw {
        let response = session.send(&what, &request)?;
        return output::bytes(response.body.expose());
    }
    match session.ask(&what, &request)? {
        Some(secret) => output::secret(call, &secret),
        None => Err(Failure::server(format!("No value found at {path}"))),
    }
}
