//! `kv delete`, `kv undelete`, `kv destroy`.

use super::mount::Place;
use crate::{
    call::Call,
    failure::Failure,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::json;

pub fn delete(call: &Call) -> Result<(), Failure> {
    let versions = call.given.list("versions");
    let session = Session::open(call)?;
    let place = Place::of(call, &session)?;
    let (path, request) = if versions.is_empty() {
        let path = place.path("data");
        let request = Request::delete(&path);
        (path, request)
    } else {
        let place = place.needs_v2("-versions is")?;
        let request = Request::put(place.path("delete"), &json!({ "versions": versions }));
        (place.path("data"), request)
    };
    match session.ask(&format!("Error deleting {path}"), &request)? {
        Some(secret) if !call.is_table() => output::secret(call, &secret),
        _ => line(&format!("Success! Data deleted (if it existed) at: {path}")),
    }
}

/// `undelete` and `destroy`: a list of versions to a part of the mount.
pub fn change(call: &Call, part: &str) -> Result<(), Failure> {
    let versions = call.given.list("versions");
    if versions.is_empty() {
        return Err(Failure::usage(format!(
            "No versions provided, use the \"-versions\" flag to specify the version to {part}."
        )));
    }
    let session = Session::open(call)?;
    let noun = if part == "destroy" { "Destroy" } else { "Undelete" };
    let path = Place::of(call, &session)?.needs_v2(noun)?.path(part);
    let request = Request::put(&path, &json!({ "versions": versions }));
    match session.ask(&format!("Error writing data to {path}"), &request)? {
        Some(secret) => output::secret(call, &secret),
        None if call.is_table() => line(&format!("Success! Data written to: {path}")),
        None => Ok(()),
    }
}
