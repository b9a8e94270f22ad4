//! `kv put`, `kv patch`, `kv rollback`.

use super::{get::print_version, mount::Place};
use crate::{call::Call, command::write::written, failure::Failure, input, output, session::Session};
use cardea_client::{ClientError, Request, Secret};
use serde_json::{Map, Value, json};

pub fn put(call: &Call) -> Result<(), Failure> {
    let data = input::data(call.arguments().get(1..).unwrap_or_default())?;
    if data.is_empty() {
        return Err(Failure::usage("Must supply data"));
    }
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?;
    let path = place.path("data");
    let what = format!("Error writing data to {path}");
    if !place.is_v2 {
        let secret = session.ask(&what, &Request::put(&path, &Value::Object(data)))?;
        return written(call, &path, secret.as_ref());
    }
    let body = json!({ "data": data, "options": options(call) });
    let secret = session.ask(&what, &Request::put(&path, &body))?;
    print_version(call, &path, secret.as_ref())
}

/// The options of a write; -1 stands for no condition.
fn options(call: &Call) -> Value {
    match call.given.number("cas").filter(|cas| *cas >= 0) {
        Some(cas) => json!({ "cas": cas }),
        None => json!({}),
    }
}

pub fn patch(call: &Call) -> Result<(), Failure> {
    let mut data = input::data(call.arguments().get(1..).unwrap_or_default())?;
    // In a merge patch, null is how a key goes.
    for key in call.given.list("remove-data") {
        data.insert(key.to_owned(), Value::Null);
    }
    if data.is_empty() {
        return Err(Failure::usage("Must supply data"));
    }
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?.needs_v2_to("patch")?;
    let path = place.path("data");
    let secret = match call.given.text("method").unwrap_or_default() {
        "rw" => read_and_write(&session, &path, data)?,
        "patch" => merge(call, &session, &path, &data)?.map_err(|error| failed(&path, &error))?,
        "" => match merge(call, &session, &path, &data)? {
            Ok(secret) => secret,
            // A server or a policy without patch: what can be read and written can be patched.
            Err(error) if matches!(error.status(), Some(403 | 405)) => read_and_write(&session, &path, data)?,
            Err(error) => return Err(failed(&path, &error)),
        },
        _ => return Err(Failure::usage("-method must be patch or rw")),
    };
    print_version(call, &path, secret.as_ref())
}

fn failed(path: &str, error: &ClientError) -> Failure {
    match error.status() {
        Some(404) => Failure::server(format!("No value found at {path}")),
        _ => Failure::client(&format!("Error writing data to {path}"), error),
    }
}

fn merge(
    call: &Call,
    session: &Session,
    path: &str,
    data: &Map<String, Value>,
) -> Result<Result<Option<Secret>, ClientError>, Failure> {
    session.attempt(&Request::patch(path, &json!({ "data": data, "options": options(call) })))
}

/// Reads the current version and writes it with the changes, on the condition that nobody wrote between.
fn read_and_write(session: &Session, path: &str, changes: Map<String, Value>) -> Result<Option<Secret>, Failure> {
    let (mut data, version) = current(session, path, None)?;
    for (key, value) in changes {
        if value.is_null() {
            data.remove(&key);
        } else {
            data.insert(key, value);
        }
    }
    let body = json!({ "data": data, "options": { "cas": version } });
    session.ask(&format!("Error writing data to {path}"), &Request::put(path, &body))
}

/// The data of a version, the current one if none is named, and its number.
fn current(session: &Session, path: &str, version: Option<i64>) -> Result<(Map<String, Value>, u64), Failure> {
    let mut request = Request::get(path).unwrapped();
    if let Some(version) = version {
        request = request.param("version", version.to_string());
    }
    let none = || Failure::server(format!("No value found at {path}"));
    let secret = session.ask(&format!("Error doing pre-read at {path}"), &request)?.ok_or_else(none)?;
    let data = secret.data().ok_or_else(none)?;
    let number = data.get("metadata").and_then(|metadata| metadata.get("version")?.as_u64()).ok_or_else(none)?;
    let values = data.get("data").and_then(Value::as_object);
    let values = values.ok_or_else(|| Failure::server(format!("No data found at {path} in version {number}")))?;
    Ok((values.clone(), number))
}

pub fn rollback(call: &Call) -> Result<(), Failure> {
    let version = call.given.number("version").filter(|version| *version > 0);
    let version = version.ok_or_else(|| Failure::usage("Version flag must be specified"))?;
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?.needs_v2_to("rollback")?;
    let path = place.path("data");
    // The current version only counts: it may be deleted, and is then the one to come back from.
    let metadata = place.path("metadata");
    let secret = session.ask(&format!("Error reading {metadata}"), &Request::get(&metadata).unwrapped());
    let number = match secret {
        Ok(secret) => secret.and_then(|secret| secret.data()?.get("current_version")?.as_u64()),
        // Without a grant on the metadata, the data itself tells.
        Err(_) => Some(current(&session, &path, None)?.1),
    };
    let number = number.ok_or_else(|| Failure::server(format!("No value found at {path}")))?;
    let (data, _) = current(&session, &path, Some(version))?;
    let body = json!({ "data": data, "options": { "cas": number } });
    let secret = session.ask(&format!("Error writing data to {path}"), &Request::put(&path, &body))?;
    match secret {
        Some(secret) => output::secret(call, &secret),
        None => Ok(()),
    }
}
