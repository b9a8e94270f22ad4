//! `token`: create, look up, renew, revoke, and what a token may do.

use super::{Command, Traits};
use crate::{
    arguments::Flag,
    call::{Call, api_path},
    failure::Failure,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

const ACCESSOR: Flag = Flag::switch("accessor", "The argument is an accessor and not a token.");

pub const COMMANDS: &[Command] = &[
    Command {
        name: "token create",
        arguments: "",
        summary: "Makes a token",
        flags: &[&[
            Flag::text("id", "The token itself; needs sudo."),
            Flag::text("display-name", "Name to show in the log."),
            Flag::span("ttl", "How long it lives at first."),
            Flag::span("explicit-max-ttl", "How long it can live at most."),
            Flag::span("period", "Each renewal gives it this long again."),
            Flag::switch("renewable", "Whether it can be renewed; true if absent."),
            Flag::switch("orphan", "It has no parent, and outlives this one's token."),
            Flag::switch("no-default-policy", "Leave the default policy off."),
            Flag::number("use-limit", "How often it can be used."),
            Flag::text("role", "Token role to make it by."),
            Flag::text("type", "service or batch."),
            Flag::text("entity-alias", "Alias to tie it to."),
            Flag::list("policy", "A policy it has. May be given several times."),
            Flag::pairs("metadata", "A pair to show in the log. May be given several times."),
        ]],
        traits: Traits::FIELD,
        count: (0, 0),
        run: create,
    },
    Command {
        name: "token lookup",
        arguments: "[TOKEN | ACCESSOR]",
        summary: "Shows what is known of a token",
        flags: &[&[ACCESSOR]],
        traits: Traits::FIELD,
        count: (0, 1),
        run: lookup,
    },
    Command {
        name: "token renew",
        arguments: "[TOKEN | ACCESSOR]",
        summary: "Lets a token live longer",
        flags: &[&[ACCESSOR, Flag::span("increment", "For how long, from now; the server may give less.").alias("i")]],
        traits: Traits::FIELD,
        count: (0, 1),
        run: renew,
    },
    Command {
        name: "token revoke",
        arguments: "[TOKEN | ACCESSOR]",
        summary: "Ends a token and, unless asked otherwise, its children",
        flags: &[&[
            ACCESSOR,
            Flag::switch("self", "The token in use."),
            Flag::text(
                "mode",
                "orphan leaves its children alive; path takes a path and ends all tokens made below it.",
            ),
        ]],
        traits: Traits::SERVER,
        count: (0, 1),
        run: revoke,
    },
    Command {
        name: "token capabilities",
        arguments: "[TOKEN | ACCESSOR] PATH",
        summary: "Shows what a token may do at a path",
        flags: &[&[ACCESSOR]],
        traits: Traits::SERVER,
        count: (1, 2),
        run: capabilities,
    },
];

fn create(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let mut body = Map::new();
    body.insert("policies".to_owned(), json!(given.list("policy")));
    body.insert("renewable".to_owned(), json!(!given.is_set("renewable") || given.switch("renewable")));
    for (flag, field) in [
        ("id", "id"),
        ("display-name", "display_name"),
        ("ttl", "ttl"),
        ("explicit-max-ttl", "explicit_max_ttl"),
        ("period", "period"),
        ("type", "type"),
        ("entity-alias", "entity_alias"),
    ] {
        if let Some(text) = given.text(flag) {
            body.insert(field.to_owned(), json!(text));
        }
    }
    if given.switch("no-default-policy") {
        body.insert("no_default_policy".to_owned(), json!(true));
    }
    if let Some(uses) = given.number("use-limit") {
        body.insert("num_uses".to_owned(), json!(uses));
    }
    let metadata: Map<String, Value> =
        given.pairs("metadata").into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    if !metadata.is_empty() {
        body.insert("meta".to_owned(), Value::Object(metadata));
    }
    let path = match given.text("role").filter(|role| !role.is_empty()) {
        Some(role) => {
            if given.switch("orphan") {
                body.insert("no_parent".to_owned(), json!(true));
            }
            format!("auth/token/create/{}", api_path(role))
        }
        None if given.switch("orphan") => "auth/token/create-orphan".to_owned(),
        None => "auth/token/create".to_owned(),
    };
    answer(call, "Error creating token", &Request::post(path, &Value::Object(body)))
}

fn lookup(call: &Call) -> Result<(), Failure> {
    let request = match (call.arguments().first(), call.given.switch("accessor")) {
        (Some(accessor), true) => Request::post("auth/token/lookup-accessor", &json!({"accessor": accessor.trim()})),
        (None, true) => return Err(Failure::usage("Not enough arguments with -accessor (expected 1, got 0)")),
        (Some(token), false) => Request::post("auth/token/lookup", &json!({"token": token.trim()})),
        (None, false) => Request::get("auth/token/lookup-self"),
    };
    answer(call, "Error looking up token", &request)
}

fn renew(call: &Call) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(increment) = call.given.text("increment") {
        body.insert("increment".to_owned(), json!(increment));
    }
    let path = match (call.arguments().first(), call.given.switch("accessor")) {
        (None, true) => return Err(Failure::usage("Not enough arguments with -accessor (expected 1, got 0)")),
        (Some(accessor), true) => {
            body.insert("accessor".to_owned(), json!(accessor.trim()));
            "auth/token/renew-accessor"
        }
        (Some(token), false) => {
            body.insert("token".to_owned(), json!(token.trim()));
            "auth/token/renew"
        }
        (None, false) => "auth/token/renew-self",
    };
    answer(call, "Error renewing token", &Request::put(path, &Value::Object(body)))
}

fn revoke(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let mode = given.text("mode").unwrap_or_default();
    let argument = call.arguments().first().map(|word| word.trim());
    let request = match (given.switch("self"), given.switch("accessor"), argument) {
        (true, _, Some(_)) => return Err(Failure::usage("Too many arguments with -self (expected 0, got 1)")),
        (true, true, _) => return Err(Failure::usage("Cannot use -self with -accessor")),
        (true, ..) if !mode.is_empty() => return Err(Failure::usage("Cannot use -self with -mode")),
        (false, _, None) => return Err(Failure::usage("Not enough arguments (expected 1, got 0)")),
        (_, true, _) if mode == "orphan" => return Err(Failure::usage("Cannot use -accessor with -mode=orphan")),
        (_, true, _) if mode == "path" => return Err(Failure::usage("Cannot use -accessor with -mode=path")),
        (true, ..) => Request::put("auth/token/revoke-self", &json!({})),
        (false, true, Some(accessor)) => Request::post("auth/token/revoke-accessor", &json!({"accessor": accessor})),
        (false, false, Some(word)) => match mode {
            "" => Request::put("auth/token/revoke", &json!({"token": word})),
            "orphan" => Request::put("auth/token/revoke-orphan", &json!({"token": word})),
            "path" => Request::put(format!("sys/revoke-prefix/{}", api_path(word)), &json!({})),
            _ => return Err(Failure::usage("-mode must be orphan or path")),
        },
    };
    Session::open(call)?.ask("Error revoking token", &request)?;
    line("Success! Revoked token (if it existed)")
}

fn capabilities(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let (request, path) = match (call.arguments(), call.given.switch("accessor")) {
        ([path], false) => (Request::put("sys/capabilities-self", &json!({"path": path})), path),
        ([token, path], false) => (Request::put("sys/capabilities", &json!({"token": token, "path": path})), path),
        ([accessor, path], true) => {
            (Request::put("sys/capabilities-accessor", &json!({"accessor": accessor, "path": path})), path)
        }
        _ => return Err(Failure::usage("Not enough arguments with -accessor (expected 2, got 1)")),
    };
    let secret = session.ask("Error listing capabilities", &request)?;
    let data = secret.as_ref().map(cardea_client::Secret::data_or_body);
    let found = data.and_then(|data| data.get(path).or_else(|| data.get("capabilities")));
    let mut names: Vec<&str> =
        found.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    if call.is_table() { line(&names.join(", ")) } else { output::value(call.format, &json!(names)) }
}

/// Sends a request whose answer is shown.
fn answer(call: &Call, what: &str, request: &Request) -> Result<(), Failure> {
    match Session::open(call)?.ask(what, request)? {
        Some(secret) => output::secret(call, &secret),
        None => Err(Failure::server(format!("{what}: the server answered with nothing"))),
    }
}
