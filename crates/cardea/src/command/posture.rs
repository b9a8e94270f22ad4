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
use serde_json::{Value, json};

/// Where the server joins its mounts.
const PATH: &str = "sys/posture";
/// Pages of 500 secrets at most, and questions while the server reads its log.
const PAGES_MAX: usize = 10_000;
/// Secrets that are asked for at once.
const PAGE: &str = "500";

pub const COMMANDS: &[Command] = &[Command {
    name: "posture",
    arguments: "",
    summary: "Shows age, owner, last read and rotation of secrets, against the limits of their kinds",
    flags: &[&[
        Flag::text("mount", "One mount; all that the caller can reach if absent."),
        Flag::switch("findings", "Only secrets that are beyond a limit."),
    ]],
    traits: Traits::SERVER,
    count: (0, 0),
    run: posture,
}];

fn posture(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let mount = call.given.text("mount").filter(|mount| !mount.is_empty()).map(mount_path);
    let (found, since) = pages(call, &session, mount.as_deref())?;
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

/// All pages, and since when reads are known.
fn pages(call: &Call, session: &Session, mount: Option<&str>) -> Result<(Vec<Value>, Value), Failure> {
    let (mut found, mut after, mut known) = (Vec::new(), None::<String>, Value::Null);
    for _ in 0..PAGES_MAX {
        let mut request = Request::get(PATH).param("limit", PAGE);
        if let Some(mount) = mount {
            request = request.param("mount", mount);
        }
        if call.given.switch("findings") {
            request = request.param("findings", "true");
        }
        if let Some(after) = &after {
            request = request.param("after", after);
        }
        let secret = session.ask("Error asking for the posture of secrets", &request)?;
        let Some(page) = secret.as_ref().and_then(|secret| secret.data()) else {
            return Err(Failure::server(format!("No posture found at {PATH}")));
        };
        if page.get("log_complete") == Some(&Value::Bool(false)) {
            // The server goes on reading its log with the next question.
            continue;
        }
        known = page.get("reads_known_since").cloned().filter(|at| !at.is_null()).unwrap_or(known);
        found.extend(page.get("secrets").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok((found, known)),
        }
    }
    Err(Failure::server("The posture has no end: it was given up"))
}
