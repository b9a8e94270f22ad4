//! `lease`: look up, renew, revoke.

use super::{Command, Traits};
use crate::{
    arguments::Flag,
    call::{Call, api_path},
    failure::Failure,
    output::{self, complain, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, json};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "lease lookup",
        arguments: "ID",
        summary: "Shows what is known of a lease",
        flags: &[],
        traits: Traits::FIELD,
        count: (1, 1),
        run: lookup,
    },
    Command {
        name: "lease renew",
        arguments: "ID",
        summary: "Lets a lease live longer",
        flags: &[&[Flag::span("increment", "For how long, from now; the server may give less.").alias("i")]],
        traits: Traits::FIELD,
        count: (1, 1),
        run: renew,
    },
    Command {
        name: "lease revoke",
        arguments: "ID",
        summary: "Ends a lease, or with -prefix all below a path",
        flags: &[&[
            Flag::switch("prefix", "The argument is the beginning of many leases' ids.").alias("p"),
            Flag::switch("force", "Forget the leases even if the source cannot be reached; needs -prefix.").alias("f"),
            Flag::switch("sync", "Wait until they are revoked."),
        ]],
        traits: Traits::SERVER,
        count: (1, 1),
        run: revoke,
    },
];

fn lookup(call: &Call) -> Result<(), Failure> {
    let id = call.argument(0).trim();
    let request = Request::put("sys/leases/lookup", &json!({ "lease_id": id }));
    show(call, &format!("error looking up lease id {id}"), &request)
}

fn renew(call: &Call) -> Result<(), Failure> {
    let mut body = Map::new();
    let id = call.argument(0).trim();
    body.insert("lease_id".to_owned(), json!(id));
    if let Some(increment) = call.given.text("increment") {
        body.insert("increment".to_owned(), json!(increment));
    }
    show(call, &format!("Error renewing {id}"), &Request::put("sys/leases/renew", &serde_json::Value::Object(body)))
}

fn show(call: &Call, what: &str, request: &Request) -> Result<(), Failure> {
    match Session::open(call)?.ask(what, request)? {
        Some(secret) => output::secret(call, &secret),
        None => Err(Failure::server(format!("{what}: the server answered with nothing"))),
    }
}

fn revoke(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let (prefix, force, sync) = (given.switch("prefix"), given.switch("force"), given.switch("sync"));
    let id = api_path(call.argument(0));
    if force && !prefix {
        return Err(Failure::usage("Specifying -force requires also specifying -prefix"));
    }
    if id.is_empty() {
        return Err(Failure::usage("The lease ID must not be empty"));
    }
    let request = match (prefix, force) {
        (true, true) => {
            complain("Warning! Force-removing leases can leave credentials alive at their source!");
            Request::put(format!("sys/leases/revoke-force/{id}"), &json!({}))
        }
        (true, false) => Request::put(format!("sys/leases/revoke-prefix/{id}"), &json!({ "sync": sync })),
        (false, _) => Request::put("sys/leases/revoke", &json!({ "lease_id": id, "sync": sync })),
    };
    let what = match (prefix, force) {
        (true, true) => format!("Error force revoking leases with prefix {id}"),
        (true, false) => format!("Error revoking leases with prefix {id}"),
        (false, _) => format!("Error revoking lease {id}"),
    };
    Session::open(call)?.ask(&what, &request)?;
    line(&match (prefix, force, sync) {
        (true, true, _) => format!("Success! Force revoked any leases with prefix: {id}"),
        (true, false, true) => format!("Success! Revoked any leases with prefix: {id}"),
        (false, _, true) => format!("Success! Revoked lease: {id}"),
        _ => "All revocation operations queued successfully!".to_owned(),
    })
}
