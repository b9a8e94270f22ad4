//! What `secrets` and `auth` share: the settings of a mount as flags, listing mounts, unmounting and moving one. It must never
//! know which engine stands behind a mount.

use crate::{
    arguments::Flag,
    call::{Call, api_path, mount_path},
    failure::Failure,
    output::{self, line, table, text_of},
    session::Session,
};
use cardea_client::{Request, Secret};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Settings that can be given when a mount is made and changed later.
pub const TUNABLE: &[Flag] = &[
    Flag::text("description", "For people."),
    Flag::span("default-lease-ttl", "How long credentials live if nobody says; system for the server's."),
    Flag::span("max-lease-ttl", "How long they can live at most; system for the server's."),
    Flag::list("audit-non-hmac-request-keys", "Keys of requests that stand in the log as they are."),
    Flag::list("audit-non-hmac-response-keys", "Keys of answers that stand in the log as they are."),
    Flag::text("listing-visibility", "unauth shows the mount to everyone, hidden to nobody."),
    Flag::list("passthrough-request-headers", "Headers that the engine sees."),
    Flag::list("allowed-response-headers", "Headers that the engine may set."),
    Flag::pairs("options", "An option of the engine, key=value. May be given several times."),
    Flag::text("plugin-version", "Version of the engine, where it has several."),
];

/// The flags of [`TUNABLE`] and the fields they fill. Texts and spans are sent as given.
const FIELDS: [(&str, &str); 6] = [
    ("default-lease-ttl", "default_lease_ttl"),
    ("max-lease-ttl", "max_lease_ttl"),
    ("listing-visibility", "listing_visibility"),
    ("token-type", "token_type"),
    ("plugin-version", "plugin_version"),
    ("identity-token-key", "identity_token_key"),
];

const LIST_FIELDS: [(&str, &str); 4] = [
    ("audit-non-hmac-request-keys", "audit_non_hmac_request_keys"),
    ("audit-non-hmac-response-keys", "audit_non_hmac_response_keys"),
    ("passthrough-request-headers", "passthrough_request_headers"),
    ("allowed-response-headers", "allowed_response_headers"),
];

/// The settings that were given.
pub fn config(call: &Call) -> Map<String, Value> {
    let mut out = Map::new();
    for (flag, field) in FIELDS {
        if let Some(text) = call.given.text(flag) {
            out.insert(field.to_owned(), json!(text));
        }
    }
    for (flag, field) in LIST_FIELDS {
        if call.given.is_set(flag) {
            out.insert(field.to_owned(), json!(call.given.list(flag)));
        }
    }
    if call.given.is_set("force-no-cache") {
        out.insert("force_no_cache".to_owned(), json!(call.given.switch("force-no-cache")));
    }
    out
}

/// The options that were given; `version` is one with a flag of its own.
pub fn options(call: &Call) -> Map<String, Value> {
    let mut out: Map<String, Value> =
        call.given.pairs("options").into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    if let Some(version) = call.given.number("version") {
        out.insert("version".to_owned(), json!(version.to_string()));
    }
    out
}

/// The body that makes a mount.
pub fn enable_body(call: &Call, kind: &str) -> Value {
    let mut body = json!({
        "type": kind,
        "description": call.given.text("description").unwrap_or_default(),
        "local": call.given.switch("local"),
        "seal_wrap": call.given.switch("seal-wrap"),
        "external_entropy_access": call.given.switch("external-entropy-access"),
        "config": config(call),
    });
    let options = options(call);
    if let (Some(body), false) = (body.as_object_mut(), options.is_empty()) {
        body.insert("options".to_owned(), Value::Object(options));
    }
    body
}

/// The body that changes a mount.
pub fn tune_body(call: &Call) -> Value {
    let mut body = config(call);
    if let Some(description) = call.given.text("description") {
        body.insert("description".to_owned(), json!(description));
    }
    let options = options(call);
    if !options.is_empty() {
        body.insert("options".to_owned(), Value::Object(options));
    }
    Value::Object(body)
}

/// Mounts by path, without what a flattened answer repeats at its top.
pub fn mounts(secret: &Secret) -> Vec<(&str, &Map<String, Value>)> {
    let all = secret.data_or_body().iter();
    let mut out: Vec<_> = all
        .filter_map(|(path, mount)| Some((path.as_str(), mount.as_object()?)))
        .filter(|(path, mount)| path.ends_with('/') && mount.contains_key("type"))
        .collect();
    out.sort_by_key(|(path, _)| *path);
    out
}

/// Prints mounts: for programs as the server's data, for people as a table with these columns.
fn print_mounts(call: &Call, secret: &Secret, columns: &[(&str, &str)]) -> Result<(), Failure> {
    let mounts = mounts(secret);
    if !call.is_table() {
        let map = mounts.into_iter().map(|(path, mount)| (path.to_owned(), Value::Object(mount.clone()))).collect();
        return output::value(call.format, &Value::Object(map));
    }
    let mut head = vec!["Path".to_owned()];
    head.extend(columns.iter().map(|(title, _)| (*title).to_owned()));
    let mut rows = vec![head];
    for (path, mount) in mounts {
        let mut row = vec![path.to_owned()];
        row.extend(columns.iter().map(|(_, field)| cell(mount, field)));
        rows.push(row);
    }
    line(&table(&rows))
}

/// A field of a mount, or of its config for `config.x`.
fn cell(mount: &Map<String, Value>, field: &str) -> String {
    let value = match field.strip_prefix("config.") {
        Some(name) => mount.get("config").and_then(|config| config.get(name)),
        None => mount.get(field),
    };
    let kind = mount.get("type").and_then(Value::as_str);
    match (field, value) {
        (_, None) => String::new(),
        // Nothing there is given for a time.
        ("config.default_lease_ttl" | "config.max_lease_ttl", _) if matches!(kind, Some("system" | "cubbyhole")) => {
            String::new()
        }
        ("config.default_lease_ttl" | "config.max_lease_ttl", Some(ttl)) => match ttl.as_u64() {
            Some(0) | None => "system".to_owned(),
            Some(seconds) => seconds.to_string(),
        },
        ("local", Some(Value::Bool(local))) => if *local { "local" } else { "replicated" }.to_owned(),
        ("options", Some(Value::Null)) => "map[]".to_owned(),
        (_, Some(value)) => text_of(value),
    }
}

/// Lists the mounts at `api`, with these columns or, where all settings are wanted, those. `what` says what failed.
pub fn list(call: &Call, api: &str, what: &str, [usual, detailed]: [&[(&str, &str)]; 2]) -> Result<(), Failure> {
    let secret = Session::open(call)?.ask(what, &Request::get(api))?;
    let secret = secret.ok_or_else(|| Failure::server(format!("{what}: empty answer")))?;
    print_mounts(call, &secret, if call.given.switch("detailed") { detailed } else { usual })
}

/// Unmounts what is below `api`.
pub fn disable(call: &Call, api: &str, noun: &str) -> Result<(), Failure> {
    let path = mount_path(call.argument(0));
    let request = Request::delete(format!("{api}/{}", path.trim_end_matches('/')));
    Session::open(call)?.ask(&format!("Error disabling {noun} at {path}"), &request)?;
    line(&format!("Success! Disabled the {noun} (if it existed) at: {path}"))
}

/// Moves a mount and waits until it has moved.
pub fn relocate(call: &Call, noun: &str, prefix: &str) -> Result<(), Failure> {
    /// A move is a background job of the server; this often it is asked for, a second apart.
    const ASKED_MAX: u32 = 3_600;
    let (from, to) = (mount_path(call.argument(0)), mount_path(call.argument(1)));
    let session = Session::open(call)?;
    // Auth methods are named with their prefix, as in Vault, or without it.
    let full = |path: &str| format!("{prefix}{}", api_path(path).trim_start_matches(prefix));
    let body = json!({ "from": full(&from), "to": full(&to) });
    let what = format!("Error moving {noun} {from} to {to}");
    let secret = session.ask(&what, &Request::post("sys/remount", &body))?;
    let id = secret.as_ref().and_then(|s| s.data_or_body().get("migration_id")?.as_str());
    let Some(id) = id else {
        return line(&format!("Success! Finished moving {noun} {from} to {to}"));
    };
    line(&format!("Started moving {noun} {from} to {to}, with migration ID {id}"))?;
    for _ in 0..ASKED_MAX {
        let request = Request::get(format!("sys/remount/status/{id}")).unwrapped();
        let status = session.ask(&what, &request)?;
        let status = status.as_ref().and_then(|s| s.data()?.get("migration_info")?.get("status")?.as_str());
        match status {
            Some("success") | None => {
                return line(&format!("Success! Finished moving {noun} {from} to {to}, with migration ID {id}"));
            }
            Some("failure") => {
                return Err(Failure::usage(format!(
                    "Failure! Error encountered moving {noun} {from} to {to}, with migration ID {id}"
                )));
            }
            Some(_) => std::thread::sleep(Duration::from_secs(1)),
        }
    }
    Err(Failure::server(format!("{what}: it has not finished yet")))
}
