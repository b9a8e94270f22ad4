//! `posture`: which secrets are older, less used or less cared for than their owners want. It shows no value.

use super::{Command, Traits, rotation::printable};
use crate::{
    arguments::Flag,
    call::{Call, mount_path},
    failure::Failure,
    output::{self, human_duration, line, table},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

/// Pages of one mount, of 500 secrets at most, and questions while the server reads its log.
const PAGES_MAX: usize = 10_000;
/// Secrets that are asked for at once.
const PAGE: &str = "500";

pub const COMMANDS: &[Command] = &[Command {
    name: "posture",
    arguments: "",
    summary: "Shows age, owner, last read and rotation of secrets, against the limits of their kinds",
    flags: &[&[
        Flag::text("mount", "One mount of kv; all that the caller can reach if absent."),
        Flag::switch("findings", "Only secrets that are beyond a limit."),
    ]],
    traits: Traits::SERVER,
    count: (0, 0),
    run: posture,
}];

fn posture(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let mounts = match call.given.text("mount").filter(|mount| !mount.is_empty()) {
        Some(mount) => vec![mount_path(mount)],
        None => mounts(&session)?,
    };
    let mut found = Vec::new();
    let mut since = Map::new();
    for mount in mounts {
        let (secrets, known) = of_mount(call, &session, &mount)?;
        since.insert(mount, known);
        found.extend(secrets);
    }
    if !call.is_table() {
        return output::value(call.format, &json!({ "secrets": found, "reads_known_since": since }));
    }
    if found.is_empty() {
        return line("No secrets found.");
    }
    let head = ["Path", "Kind", "Age", "Owner", "Last read", "Last rotated", "Next rotation", "Expires", "Findings"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in &found {
        let text = |name: &str| one.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
        let age = one.get("age").and_then(Value::as_u64).map(human_duration).unwrap_or_default();
        let findings = one.get("findings").and_then(Value::as_array);
        let findings: Vec<&str> = findings.into_iter().flatten().filter_map(Value::as_str).collect();
        rows.push(vec![
            text("path"),
            text("kind"),
            age,
            text("owner"),
            text("last_read"),
            text("last_rotated"),
            text("next_rotation"),
            text("expires"),
            findings.join(","),
        ]);
    }
    line(&table(&rows))
}

/// Mounts of kv version 2.
fn mounts(session: &Session) -> Result<Vec<String>, Failure> {
    let secret = session.ask("Error listing mounts", &Request::get("sys/internal/ui/mounts"))?;
    let mounts = secret.as_ref().and_then(|secret| secret.data()?.get("secret")?.as_object());
    let is_kv2 = |mount: &Value| {
        mount.get("type").and_then(Value::as_str) == Some("kv")
            && mount.pointer("/options/version").and_then(Value::as_str) == Some("2")
    };
    Ok(mounts.into_iter().flatten().filter(|(_, mount)| is_kv2(mount)).map(|(path, _)| path.clone()).collect())
}

/// All pages of one mount, with the mount in each path, and since when reads are known.
fn of_mount(call: &Call, session: &Session, mount: &str) -> Result<(Vec<Value>, Value), Failure> {
    let (mut found, mut after, mut known) = (Vec::new(), None::<String>, Value::Null);
    for _ in 0..PAGES_MAX {
        let mut request = Request::get(format!("{mount}posture")).param("limit", PAGE);
        if call.given.switch("findings") {
            request = request.param("findings", "true");
        }
        if let Some(after) = &after {
            request = request.param("after", after);
        }
        let secret = session.ask(&format!("Error asking for the posture of {mount}"), &request)?;
        let Some(page) = secret.as_ref().and_then(|secret| secret.data()) else {
            return Err(Failure::server(format!("No posture found at {mount}posture")));
        };
        if page.get("log_complete") == Some(&Value::Bool(false)) {
            // The server goes on reading its log with the next question.
            continue;
        }
        known = page.get("reads_known_since").cloned().filter(|at| !at.is_null()).unwrap_or(known);
        for mut one in page.get("secrets").and_then(Value::as_array).cloned().unwrap_or_default() {
            if let Some(path) = one.get("path").and_then(Value::as_str).map(|path| format!("{mount}{path}")) {
                one["path"] = Value::String(path);
            }
            found.push(one);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok((found, known)),
        }
    }
    Err(Failure::server(format!("The posture of {mount} has no end: it was given up")))
}
