//! `kv metadata get|put|patch|delete`, and `kv enable-versioning`.

use super::{get::place_text, mount::Place};
use crate::{
    call::{Call, mount_path},
    failure::Failure,
    output::{self, line, titled},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

pub fn get(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = Place::of(call, &session)?.needs_v2("Metadata")?.path("metadata");
    let secret = session.ask(&format!("Error reading {path}"), &Request::get(&path))?;
    let secret = secret.ok_or_else(|| Failure::server(format!("No value found at {path}")))?;
    if !call.is_table() || call.given.is_set("field") || secret.wrap_info().is_some() {
        return output::secret(call, &secret);
    }
    let mut metadata = secret.data().cloned().unwrap_or_default();
    let versions = metadata.remove("versions");
    let mut texts = vec![place_text("Metadata Path", &path), titled("Metadata", &metadata)];
    let mut numbered: Vec<(u64, &Map<String, Value>)> = versions
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(number, version)| Some((number.parse().ok()?, version.as_object()?)))
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    texts.extend(numbered.into_iter().map(|(number, version)| titled(&format!("Version {number}"), version)));
    line(&texts.join("\n\n"))
}

/// The settings that were given. A put sets what is not given back; a patch leaves it.
fn settings(call: &Call) -> Map<String, Value> {
    let given = &call.given;
    let mut out = Map::new();
    if let Some(count) = given.number("max-versions").filter(|count| *count >= 0) {
        out.insert("max_versions".to_owned(), json!(count));
    }
    if given.is_set("cas-required") {
        out.insert("cas_required".to_owned(), json!(given.switch("cas-required")));
    }
    if let Some(span) = given.text("delete-version-after") {
        out.insert("delete_version_after".to_owned(), json!(span));
    }
    let custom: Map<String, Value> =
        given.pairs("custom-metadata").into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    if !custom.is_empty() {
        out.insert("custom_metadata".to_owned(), Value::Object(custom));
    }
    out
}

pub fn put(call: &Call) -> Result<(), Failure> {
    let body = Value::Object(settings(call));
    write(call, |path| Request::put(path, &body))
}

pub fn patch(call: &Call) -> Result<(), Failure> {
    let mut body = settings(call);
    let gone = call.given.list("remove-custom-metadata");
    if !gone.is_empty() {
        let custom = body.entry("custom_metadata").or_insert_with(|| json!({}));
        if let Some(custom) = custom.as_object_mut() {
            custom.extend(gone.into_iter().map(|key| (key.to_owned(), Value::Null)));
        }
    }
    let body = Value::Object(body);
    write(call, |path| Request::patch(path, &body))
}

fn write(call: &Call, request: impl Fn(&str) -> Request) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = Place::of(call, &session)?.needs_v2("Metadata")?.path("metadata");
    match session.ask(&format!("Error writing data to {path}"), &request(&path))? {
        Some(secret) => output::secret(call, &secret),
        None if call.is_table() => line(&format!("Success! Data written to: {path}")),
        None => Ok(()),
    }
}

pub fn delete(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = Place::of(call, &session)?.needs_v2("Metadata")?.path("metadata");
    session.ask(&format!("Error deleting {path}"), &Request::delete(&path))?;
    line(&format!("Success! Data deleted (if it existed) at: {path}"))
}

pub fn enable_versioning(call: &Call) -> Result<(), Failure> {
    let path = mount_path(call.argument(0));
    let request = Request::post(format!("sys/mounts/{path}tune"), &json!({ "options": { "version": "2" } }));
    Session::open(call)?.ask(&format!("Error tuning secrets engine {path}"), &request)?;
    line(&format!("Success! Tuned the secrets engine at: {path}"))
}
