//! `operator init`. The keys are printed once and kept nowhere.

use crate::{
    arguments::Flag,
    call::Call,
    failure::Failure,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

pub const FLAGS: &[Flag] = &[
    Flag::switch("status", "Only tell whether the server is initialized: exit code 0 if so, 2 if not."),
    Flag::number("recovery-shares", "Into how many shares the recovery key is split, where a seal opens by itself."),
    Flag::number("recovery-threshold", "How many of them are needed."),
    Flag::number("stored-shares", "Accepted for scripts; has no effect."),
    Flag::text("root-token-pgp-key", "Not supported: the token is not encrypted."),
];

/// Vault's defaults.
const SHARES_DEFAULT: i64 = 5;
const THRESHOLD_DEFAULT: i64 = 3;

pub fn run(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let session = Session::open_without_token(call)?;
    if given.switch("status") {
        return status(call, &session);
    }
    if given.is_set("pgp-keys") || given.is_set("root-token-pgp-key") {
        return Err(Failure::usage("PGP keys are not supported"));
    }
    // A server that opens by itself splits no unseal key; the choice is its own unless numbers are given.
    let (seal, _) =
        session.aside(|client| client.seal_status()).map_err(|error| Failure::client("Error initializing", &error))?;
    let automatic = !matches!(seal.seal_type.as_str(), "" | "shamir");
    let mut body = Map::new();
    let shares = given.number("key-shares").or((!automatic).then_some(SHARES_DEFAULT));
    let threshold = given.number("key-threshold").or((!automatic).then_some(THRESHOLD_DEFAULT));
    let recovery = |name: &str, value: i64| given.number(name).or(automatic.then_some(value));
    for (field, value) in [
        ("secret_shares", shares),
        ("secret_threshold", threshold),
        ("recovery_shares", recovery("recovery-shares", SHARES_DEFAULT)),
        ("recovery_threshold", recovery("recovery-threshold", THRESHOLD_DEFAULT)),
    ] {
        if let Some(value) = value {
            body.insert(field.to_owned(), json!(value));
        }
    }
    let response = session.send("Error initializing", &Request::put("sys/init", &Value::Object(body)).unwrapped())?;
    let answer: Map<String, Value> =
        response.json().map_err(|reason| Failure::server(format!("Error initializing: {reason}")))?;
    let list = |name: &str| answer.get(name).cloned().filter(Value::is_array).unwrap_or_else(|| json!([]));
    if !call.is_table() {
        let none = list("keys").as_array().is_none_or(Vec::is_empty);
        return output::value(
            call.format,
            &json!({
                "unseal_keys_b64": list("keys_base64"),
                "unseal_keys_hex": list("keys"),
                "unseal_shares": if none { 1 } else { shares.unwrap_or_default() },
                "unseal_threshold": if none { 1 } else { threshold.unwrap_or_default() },
                "recovery_keys_b64": list("recovery_keys_base64"),
                "recovery_keys_hex": list("recovery_keys"),
                "recovery_keys_shares": given.number("recovery-shares").unwrap_or(SHARES_DEFAULT),
                "recovery_keys_threshold": given.number("recovery-threshold").unwrap_or(THRESHOLD_DEFAULT),
                "root_token": answer.get("root_token"),
            }),
        );
    }
    let texts = |name: &str| -> Vec<String> {
        list(name).as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for (noun, base64, hex) in
        [("Unseal", "keys_base64", "keys"), ("Recovery", "recovery_keys_base64", "recovery_keys")]
    {
        let keys = if texts(base64).is_empty() { texts(hex) } else { texts(base64) };
        for (index, key) in keys.iter().enumerate() {
            line(&format!("{noun} Key {}: {key}", index + 1))?;
        }
    }
    let token = answer.get("root_token").and_then(Value::as_str).unwrap_or_default();
    line(&format!("\nInitial Root Token: {token}"))?;
    match (texts("keys").len(), threshold) {
        (0, _) | (_, None) => line("\nSuccess! The server is initialized"),
        (count, Some(threshold)) => line(&format!(
            "\nThe server is initialized with {count} key shares and a key threshold of {threshold}. Give\n\
             the shares printed above to different keepers now: they are kept nowhere else.\n\
             Whenever the server is sealed or restarted, {threshold} of them open it; with fewer it\n\
             stays sealed for good. \"cardea operator rekey\" replaces them, given {threshold} of them."
        )),
    }
}

fn status(call: &Call, session: &Session) -> Result<(), Failure> {
    let what = "Error checking init status";
    let response = session.send(what, &Request::get("sys/init").unwrapped()).map_err(|failure| failure.with_code(1))?;
    let answer: Value = response.json().map_err(|reason| Failure::usage(format!("{what}: {reason}")))?;
    let initialized = answer.get("initialized").and_then(Value::as_bool).unwrap_or_default();
    if !call.is_table() {
        output::value(call.format, &json!({ "Initialized": initialized }))?;
    } else if initialized {
        line("Vault is initialized")?;
    } else {
        line("Vault is not initialized")?;
    }
    if initialized { Ok(()) } else { Err(Failure::silent(2)) }
}
