//! An answer with its lease, token, wrapping and data, as a table, a field, or for programs.

use super::{
    Format, field,
    go_text::{field_text, human_duration, quoted_list, text_of},
    line,
    table::{banner, table, width_of},
    value,
};
use crate::{call::Call, failure::Failure};
use cardea_client::Secret;
use serde_json::{Map, Value};

/// Prints an answer as the command line asks for it.
pub fn secret(call: &Call, secret: &Secret) -> Result<(), Failure> {
    if let Some(name) = call.given.text("field").filter(|name| !name.is_empty()) {
        return match find(secret, name) {
            Some(found) => field(call, &found),
            None => Err(Failure::missing_field(name)),
        };
    }
    if call.format != Format::Table {
        return value(call.format, &Value::Object(secret.fields().clone()));
    }
    let rows = rows(secret);
    if rows.is_empty() { Ok(()) } else { line(&two_columns(rows)) }
}

/// Prints the names of a list.
pub fn list(call: &Call, secret: &Secret) -> Result<(), Failure> {
    let mut keys = secret.keys().unwrap_or_default();
    if call.format != Format::Table {
        let keys = keys.into_iter().map(|key| Value::String(key.to_owned())).collect();
        return value(call.format, &Value::Array(keys));
    }
    keys.sort_unstable();
    let mut rows = vec![vec!["Keys".to_owned()]];
    rows.extend(keys.into_iter().map(|key| vec![key.to_owned()]));
    line(&table(&rows))
}

/// Members of the envelope that can be asked for by their own names, if the data has none of that name.
const ENVELOPE_FIELDS: &[&str] = &["request_id", "renewable", "mount_type"];

/// A field by the names that tables show, then by the data's own.
fn find(secret: &Secret, name: &str) -> Option<Value> {
    let from = |map: Option<&Map<String, Value>>, key: &str| map.and_then(|map| map.get(key)).cloned();
    let auth = |key: &str| from(secret.auth(), key);
    let wrap = |key: &str| from(secret.wrap_info(), key);
    let own = match name {
        "token" => auth("client_token"),
        "token_accessor" => auth("accessor"),
        "token_duration" => auth("lease_duration"),
        "token_renewable" => auth("renewable"),
        "token_policies" | "identity_policies" | "policies" => auth(name),
        "wrapping_token" => wrap("token"),
        "wrapping_accessor" => wrap("accessor"),
        "wrapping_token_ttl" => wrap("ttl"),
        "wrapping_token_creation_time" => wrap("creation_time"),
        "wrapping_token_creation_path" => wrap("creation_path"),
        "wrapped_accessor" => wrap("wrapped_accessor"),
        "lease_id" | "lease_duration" => from(Some(secret.fields()), name),
        "refresh_interval" => from(Some(secret.fields()), "lease_duration"),
        "lease_renewable" => from(Some(secret.fields()), "renewable"),
        // A secret of kv version 2 keeps its values in a member of this name.
        "data" => from(shown_data(secret), name).or_else(|| shown_data(secret).cloned().map(Value::Object)),
        _ => match name.strip_prefix("token_meta_") {
            Some(key) => secret.auth().and_then(|auth| auth.get("metadata")?.get(key)).cloned(),
            None => None,
        },
    };
    let envelope = || from(Some(secret.fields()), name).filter(|_| ENVELOPE_FIELDS.contains(&name));
    own.filter(|value| !value.is_null()).or_else(|| from(shown_data(secret), name)).or_else(envelope)
}

/// The data; for the few routes that answer without an envelope, such as `sys/health`, the body itself.
fn shown_data(secret: &Secret) -> Option<&Map<String, Value>> {
    let fields = secret.fields();
    let is_envelope =
        ["request_id", "data", "auth", "wrap_info", "errors"].iter().any(|name| fields.contains_key(*name));
    if is_envelope { secret.data() } else { Some(fields) }
}

fn rows(secret: &Secret) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, text: String| rows.push((name.to_owned(), text));
    let seconds = secret.lease_duration_s();
    if seconds > 0 {
        if secret.lease_id().is_empty() {
            row("refresh_interval", human_duration(seconds));
        } else {
            row("lease_id", secret.lease_id().to_owned());
            row("lease_duration", human_duration(seconds));
            row("lease_renewable", secret.renewable().to_string());
        }
    }
    if let Some(auth) = secret.auth() {
        let text = |name: &str| auth.get(name).map(text_of).unwrap_or_default();
        row("token", text("client_token"));
        row("token_accessor", text("accessor"));
        // A token without an end has no number for it.
        match auth.get("lease_duration").and_then(Value::as_u64).unwrap_or_default() {
            0 => row("token_duration", "∞".to_owned()),
            seconds => row("token_duration", human_duration(seconds)),
        }
        row("token_renewable", text("renewable"));
        for name in ["token_policies", "identity_policies", "policies"] {
            row(name, quoted_list(auth.get(name)));
        }
        for (name, value) in sorted(auth.get("metadata").and_then(Value::as_object)) {
            row(&format!("token_meta_{name}"), text_of(value));
        }
    }
    if let Some(wrap) = secret.wrap_info() {
        let text = |name: &str| wrap.get(name).map(text_of).unwrap_or_default();
        row("wrapping_token:", text("token"));
        row("wrapping_accessor:", text("accessor"));
        row("wrapping_token_ttl:", wrap.get("ttl").map(|ttl| field_text("ttl", ttl)).unwrap_or_default());
        row("wrapping_token_creation_time:", text("creation_time"));
        row("wrapping_token_creation_path:", text("creation_path"));
        if !text("wrapped_accessor").is_empty() {
            row("wrapped_accessor:", text("wrapped_accessor"));
        }
    }
    for (name, value) in sorted(shown_data(secret)) {
        row(name, field_text(name, value));
    }
    rows
}

fn sorted(map: Option<&Map<String, Value>>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.into_iter().flatten().collect();
    entries.sort_by_key(|(name, _)| name.as_str());
    entries
}

/// Keys and values below their head.
pub fn two_columns(rows: Vec<(String, String)>) -> String {
    let mut all = vec![vec!["Key".to_owned(), "Value".to_owned()]];
    all.extend(rows.into_iter().map(|(key, value)| vec![key, value]));
    table(&all)
}

/// A map with a title between equal signs above it.
pub fn titled(title: &str, map: &Map<String, Value>) -> String {
    let rows = sorted(Some(map)).into_iter().map(|(key, value)| (key.clone(), field_text(key, value))).collect();
    format!("{}\n{}", banner(title, width_of(map.keys().map(String::as_str))), two_columns(rows))
}
