//! `access-key`: keys by which programs sign requests to the AWS-shaped doors. A secret is printed once, where it was asked
//! for; it must never be written anywhere else.

use super::{Command, Traits, list};
use crate::{
    arguments::Flag,
    call::{Call, api_path},
    failure::Failure,
    output::{self, Format, line},
    session::Session,
};
use cardea_client::{Request, Secret};
use serde_json::{Map, Value, json};

const PATH: &str = "identity/access-key";

pub const COMMANDS: &[Command] = &[
    Command {
        name: "access-key create",
        arguments: "",
        summary: "Issues an access key for the calling token and prints it, with its secret, once",
        flags: &[&[
            Flag::span("ttl", "How long it shall live; the server may give less. An hour if absent."),
            Flag::list("policy", "A policy to narrow it to; may be given several times. All of the token's if absent."),
            Flag::text("name", "What to call it in the log, behind the name of the token."),
            Flag::text("entity-id", "Issue it for this entity: it outlives the token. Needs sudo."),
            Flag::list("bound-cidr", "Addresses it may be used from; may be given several times."),
            Flag::switch("no-session-token", "Issue a short-lived key of two parts, for programs that take no third."),
            Flag::switch("process", "Print the JSON that credential_process in AWS's configuration file expects."),
        ]],
        traits: Traits::FIELD,
        count: (0, 0),
        run: create,
    },
    Command {
        name: "access-key list",
        arguments: "",
        summary: "Lists the ids of access keys",
        flags: &[],
        traits: Traits::SERVER,
        count: (0, 0),
        run: |call| list::list_at(call, &Session::open(call)?, &format!("{PATH}/id")),
    },
    Command {
        name: "access-key read",
        arguments: "ID",
        summary: "Shows what is known of an access key, without its secret",
        flags: &[],
        traits: Traits::FIELD,
        count: (1, 1),
        run: read,
    },
    Command {
        name: "access-key delete",
        arguments: "ID",
        summary: "Removes an access key; requests that it signs are refused from then on",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: delete,
    },
];

fn create(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let mut body = Map::new();
    for (flag, member) in [("ttl", "ttl"), ("name", "name"), ("entity-id", "entity_id")] {
        if let Some(value) = given.text(flag) {
            body.insert(member.to_owned(), json!(value));
        }
    }
    for (flag, member) in [("policy", "policies"), ("bound-cidr", "bound_cidrs")] {
        let values = given.list(flag);
        if !values.is_empty() {
            body.insert(member.to_owned(), json!(values));
        }
    }
    if given.switch("no-session-token") {
        body.insert("session_token".to_owned(), json!(false));
    }
    let what = "Error issuing an access key";
    let answer = Session::open(call)?.ask(what, &Request::put(PATH, &Value::Object(body)))?;
    let Some(secret) = answer else { return Err(Failure::server(format!("{what}: the server answered with nothing"))) };
    if secret.wrap_info().is_some() {
        return output::secret(call, &secret);
    }
    match (given.switch("process"), call.format) {
        (true, _) => process(&secret),
        (false, Format::Env) => environment(&secret),
        (false, _) => output::secret(call, &secret),
    }
}

fn text<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.data()?.get(name)?.as_str()
}

/// Lines for a shell, a container's file of variables, or `direnv`. The values have no character that a shell reads.
fn environment(secret: &Secret) -> Result<(), Failure> {
    let names = [
        ("AWS_ACCESS_KEY_ID", "access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
        ("AWS_SESSION_TOKEN", "session_token"),
    ];
    for (variable, name) in names {
        match text(secret, name) {
            Some(value) if value.bytes().all(|b| b.is_ascii_alphanumeric()) => line(&format!("{variable}={value}"))?,
            Some(_) => return Err(Failure::server("the server's answer has characters that no access key has")),
            None => {}
        }
    }
    Ok(())
}

/// The form is AWS's: `Version` 1 of what a credential process prints.
fn process(secret: &Secret) -> Result<(), Failure> {
    let mut out = Map::new();
    out.insert("Version".to_owned(), json!(1));
    let names = [
        ("AccessKeyId", "access_key_id"),
        ("SecretAccessKey", "secret_access_key"),
        ("SessionToken", "session_token"),
        ("Expiration", "expiration"),
    ];
    for (member, name) in names {
        if let Some(value) = text(secret, name) {
            out.insert(member.to_owned(), json!(value));
        }
    }
    output::value(Format::Json, &Value::Object(out))
}

fn path_of(call: &Call) -> Result<String, Failure> {
    let id = api_path(call.argument(0));
    if id.is_empty() || id.contains('/') {
        return Err(Failure::usage("The id of an access key must not be empty or have a slash"));
    }
    Ok(format!("{PATH}/id/{id}"))
}

fn read(call: &Call) -> Result<(), Failure> {
    let path = path_of(call)?;
    match Session::open(call)?.ask("Error reading the access key", &Request::get(&path))? {
        Some(secret) => output::secret(call, &secret),
        None => Err(list::none_at(call, &path)),
    }
}

fn delete(call: &Call) -> Result<(), Failure> {
    let path = path_of(call)?;
    Session::open(call)?.ask("Error deleting the access key", &Request::delete(&path))?;
    line(&format!("Success! Access key deleted (if it existed): {}", api_path(call.argument(0))))
}
