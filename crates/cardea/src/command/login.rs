//! `login`: proves who one is and keeps the token for later commands. It must never print a token that it was asked not to,
//! and never keep one that was not proven.

use super::{Command, MANY, Traits};
use crate::{
    arguments::Flag,
    call::{Call, api_path, variable},
    failure::Failure,
    input,
    output::{self, complain, line},
    session::Session,
    token_store::TokenStore,
};
use cardea_client::{Request, Secret};
use cardea_model::SecretText;
use serde_json::{Map, Value, json};

pub const COMMANDS: &[Command] = &[Command {
    name: "login",
    arguments: "[TOKEN | K=V...]",
    summary: "Logs in and keeps the token",
    flags: &[&[
        Flag::text("method", "Kind of the auth method; token if absent."),
        Flag::text("path", "Where the method is mounted; its kind if absent."),
        Flag::switch("no-store", "Do not keep the token."),
        Flag::switch("no-print", "Do not print the token."),
        Flag::switch("token-only", "Print only the token, and do not keep it."),
    ]],
    traits: Traits::DATA,
    count: (0, MANY),
    run,
}];

/// Methods that log a user in by name and password, at `login/<name>`.
const PASSWORD_METHODS: &[&str] = &["userpass", "ldap", "okta", "radius"];

fn run(call: &Call) -> Result<(), Failure> {
    let method = call.given.text("method").unwrap_or("token");
    let (session, secret) = match method {
        "token" => by_token(call)?,
        method => by_method(call, method)?,
    };
    let token_only = call.given.switch("token-only");
    let Some(token) = secret.client_token() else {
        // A wrapped answer: whoever unwraps it has the token.
        return output::secret(call, &secret);
    };
    drop(session);
    let keep = !call.given.switch("no-store") && !token_only;
    if keep {
        TokenStore::find()?.store(&token)?;
    }
    if token_only {
        return line(token.expose());
    }
    if call.given.switch("no-print") {
        return Ok(());
    }
    if call.given.is_set("field") {
        return output::secret(call, &secret);
    }
    if call.is_table() {
        if keep && variable("TOKEN").is_some() {
            complain(
                "WARNING! A token is set in the environment (CARDEA_TOKEN or VAULT_TOKEN). It goes before the one that was \
                 stored now; unset it if that is not wanted.\n",
            );
        }
        line(if keep {
            "Success! You are now authenticated. The token information displayed below\n\
             is already stored in the token helper. You do NOT need to run \"cardea login\"\n\
             again. Future requests will automatically use this token.\n"
        } else {
            "Success! You are now authenticated. The token was not stored in the token\n\
             helper. Set the VAULT_TOKEN environment variable or provide the token below\n\
             with each request.\n"
        })?;
    }
    output::secret(call, &secret)
}

/// A token is looked up before it is believed.
fn by_token(call: &Call) -> Result<(Session, Secret), Failure> {
    let given = match call.arguments() {
        [] => None,
        [word] => Some(word.strip_prefix("token=").unwrap_or(word)),
        more => return Err(Failure::usage(format!("Too many arguments (expected 0-1, got {})", more.len()))),
    };
    let token = input::secret(call, given, "Token")?;
    if token.is_empty() {
        return Err(Failure::usage("A token must be passed to auth"));
    }
    let mut session = Session::open_without_token(call)?;
    session.set_token(token.duplicate());
    let request = Request::get("auth/token/lookup-self").unwrapped();
    let found = session.ask("Error authenticating: error looking up token", &request)?;
    let found = found.ok_or_else(|| Failure::server("Error authenticating: the token was not found"))?;
    Ok((session, granted(&token, &found)))
}

/// What a login would have answered for a token that is known by its lookup.
fn granted(token: &SecretText, found: &Secret) -> Secret {
    let empty = Map::new();
    let data = found.data().unwrap_or(&empty);
    let field = |name: &str| data.get(name).cloned().unwrap_or(Value::Null);
    let policies = || data.get("policies").and_then(Value::as_array).into_iter().flatten();
    let identity = || data.get("identity_policies").and_then(Value::as_array).into_iter().flatten();
    let all: Vec<&Value> = policies().chain(identity().filter(|name| policies().all(|own| own != *name))).collect();
    let auth = json!({
        "client_token": token.expose(),
        "accessor": field("accessor"),
        "policies": all,
        "token_policies": field("policies"),
        "identity_policies": field("identity_policies"),
        "metadata": field("meta"),
        "lease_duration": field("ttl"),
        "renewable": field("renewable"),
        "entity_id": field("entity_id"),
        "token_type": field("type"),
        "orphan": field("orphan"),
    });
    let mut fields = found.fields().clone();
    fields.insert("data".to_owned(), Value::Null);
    fields.insert("auth".to_owned(), auth);
    Secret::of(fields)
}

fn by_method(call: &Call, method: &str) -> Result<(Session, Secret), Failure> {
    let mut data = input::data(call.arguments())?;
    let mount = match data.remove("mount").or_else(|| call.given.text("path").map(|path| json!(path))) {
        Some(Value::String(path)) => api_path(&path),
        _ => method.to_owned(),
    };
    let mut path = format!("auth/{mount}/login");
    if PASSWORD_METHODS.contains(&method) {
        let Some(Value::String(name)) = data.remove("username") else {
            return Err(Failure::usage("'username' must be specified"));
        };
        path = format!("{path}/{name}");
        if !data.contains_key("password") {
            let password = input::secret(call, None, "Password")?;
            data.insert("password".to_owned(), json!(password.expose()));
        }
    } else if method == "approle" && data.contains_key("role_id") && !data.contains_key("secret_id") && call.may_ask() {
        let secret_id = input::secret(call, None, "Secret ID")?;
        if !secret_id.is_empty() {
            data.insert("secret_id".to_owned(), json!(secret_id.expose()));
        }
    }
    let session = Session::open_without_token(call)?;
    let secret = session.ask("Error authenticating", &Request::put(path, &Value::Object(data)))?;
    let secret = secret.ok_or_else(|| Failure::server("Error authenticating: the server answered with nothing"))?;
    Ok((session, secret))
}
