//! `kv get` and `kv list`.

use super::mount::Place;
use crate::{
    call::Call,
    command::list::list_at,
    failure::Failure,
    output::{self, banner, field, line, titled},
    session::Session,
};
use cardea_client::{Request, Secret};
use serde_json::{Map, Value};

pub fn get(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?;
    let path = place.path("data");
    let mut request = Request::get(&path);
    if let Some(version) = call.given.number("version") {
        if !place.is_v2 {
            return Err(Failure::usage("-version is not supported on KV Version 1"));
        }
        if version > 0 {
            request = request.param("version", version.to_string());
        }
    }
    let secret = session.ask(&format!("Error reading {path}"), &request)?;
    let secret = secret.ok_or_else(|| Failure::server(format!("No value found at {path}")))?;
    if !place.is_v2 || secret.wrap_info().is_some() {
        return print_plain(call, &secret);
    }
    let part = |name: &str| secret.data().and_then(|data| data.get(name)?.as_object());
    if let Some(name) = call.given.text("field").filter(|name| !name.is_empty()) {
        let whole = part("data").cloned().map(Value::Object).filter(|_| name == "data");
        let found = whole.or_else(|| part("data")?.get(name).cloned());
        return match (found, part("data")) {
            (Some(found), _) => field(call, &found),
            (None, None) => Err(Failure::server(format!("No data found at {path}"))),
            (None, Some(_)) => Err(Failure::missing_field(name)),
        };
    }
    if !call.is_table() {
        return output::secret(call, &secret);
    }
    let mut texts = vec![place_text("Secret Path", &path)];
    texts.extend(part("metadata").map(|metadata| titled("Metadata", metadata)));
    texts.extend(part("data").map(|data| titled("Data", data)));
    line(&texts.join("\n\n"))
}

/// A secret of version 1: its data below a title.
fn print_plain(call: &Call, secret: &Secret) -> Result<(), Failure> {
    match secret.data().filter(|data| !data.is_empty()) {
        Some(data) if call.is_table() && !call.given.is_set("field") && secret.wrap_info().is_none() => {
            line(&titled("Data", data))
        }
        _ => output::secret(call, secret),
    }
}

/// A path below its title.
pub fn place_text(title: &str, path: &str) -> String {
    format!("{}\n{path}", banner(title, path.len()))
}

/// The answer to a write: the path and the new version's metadata.
pub fn print_version(call: &Call, path: &str, secret: Option<&Secret>) -> Result<(), Failure> {
    let Some(secret) = secret else {
        return line(&format!("Success! Data written to: {path}"));
    };
    if !call.is_table() || call.given.is_set("field") || secret.wrap_info().is_some() {
        return output::secret(call, secret);
    }
    let empty = Map::new();
    line(&format!("{}\n\n{}", place_text("Secret Path", path), titled("Metadata", secret.data().unwrap_or(&empty))))
}

pub fn list(call: &Call) -> Result<(), Failure> {
    if call.arguments().is_empty() && !call.given.is_set("mount") {
        return Err(Failure::usage("Not enough arguments (expected 1, got 0)"));
    }
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?;
    list_at(call, &session, &place.path("metadata"))
}
