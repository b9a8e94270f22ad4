//! `rotation`: secrets whose credentials change at their source. It must never show a value: that is `kv get`'s.

use super::kv::{MOUNT, Place};
use super::{Command, Traits};
use crate::{
    arguments::Flag,
    call::Call,
    failure::Failure,
    output::{self, line},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

const SETTINGS: &[Flag] = &[
    Flag::text(
        "rotator",
        "Who changes the credential: the mount of a rotator, a slash and a name in it, as database/orders.",
    ),
    Flag::text("username", "The user whose password or key is rotated."),
    Flag::text("strategy", "single-user, single-user-by-rotator, alternating-users or new-key."),
    Flag::span("every", "From one rotation to the next; 0 rotates on demand alone."),
    Flag::text("schedule", "Times instead of a span, in UTC, as cron(0 8 1 * ? *)."),
    Flag::span("window", "How long after such a time a rotation may begin; 0 for without end."),
    Flag::switch("paused", "Holds the schedule; -paused=false lets it go on."),
    Flag::text(
        "retire-bar",
        "What must be seen before an old credential ends: sessions, acknowledged, read or time; none for not at all.",
    ),
    Flag::span("retire-after", "How long that must be seen, and the least that an old credential lives."),
    Flag::span("retire-latest", "When it is turned off whatever is seen; 0 for never."),
    Flag::switch("retire-end-sessions", "Ends its open sessions, too."),
    Flag::text("retire-ignore", "Consumers that nobody waits for, parted by commas."),
];

const EMERGENCY: &[Flag] =
    &[Flag::switch("emergency", "Turns the old credential off, with its sessions, as soon as the new one is current.")];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "rotation status",
        arguments: "KEY",
        summary: "Shows how a secret rotates, how far a change is, and why the last one failed",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| ask(call, "rotation", None),
    },
    Command {
        name: "rotation set",
        arguments: "KEY",
        summary: "Lets a secret rotate, or changes how it does",
        flags: &[MOUNT, SETTINGS],
        traits: Traits::FIELD,
        count: (1, 1),
        run: set,
    },
    Command {
        name: "rotation run",
        arguments: "KEY",
        summary: "Begins a change now; it goes on in the background",
        flags: &[MOUNT, EMERGENCY],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| match call.given.switch("emergency") {
            true => ask(call, "rotate", Some(json!({ "emergency": true }))),
            false => ask(call, "rotate", Some(json!({}))),
        },
    },
    Command {
        name: "rotation proof",
        arguments: "KEY",
        summary: "Shows who was seen with the old credential and who with the new one, and what is missing",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: proof,
    },
    Command {
        name: "rotation ack",
        arguments: "KEY",
        summary: "Says for the caller that a version works",
        flags: &[MOUNT, &[Flag::number("version", "The version that works.")]],
        traits: Traits::SERVER,
        count: (1, 1),
        run: acknowledge,
    },
    Command {
        name: "rotation cancel",
        arguments: "KEY",
        summary: "Takes a change back, removes a pending label that was left over, or lets an old credential live",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| ask(call, "rotation-cancel", Some(json!({}))),
    },
    Command {
        name: "rotation rollback",
        arguments: "KEY",
        summary: "Goes back to the previous version, at the source and for readers",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| ask(call, "rotation-rollback", Some(json!({}))),
    },
    Command {
        name: "rotation revoke",
        arguments: "KEY",
        summary: "Turns off at the source every key that it has made for a secret, the current one too",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| ask(call, "rotation-revoke", Some(json!({}))),
    },
    Command {
        name: "rotation delete",
        arguments: "KEY",
        summary: "Ends the rotation of a secret; its versions stay, and so do keys at their source",
        flags: &[MOUNT],
        traits: Traits::SERVER,
        count: (1, 1),
        run: delete,
    },
];

fn place(call: &Call, session: &Session) -> Result<Place, Failure> {
    Place::of(call, session)?.needs_v2("Rotation is")
}

/// A write where there is a body, else a read.
fn ask(call: &Call, part: &str, body: Option<Value>) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = place(call, &session)?.path(part);
    let request = body.map_or_else(|| Request::get(&path), |body| Request::put(&path, &body));
    match session.ask(&format!("Error asking for the rotation at {path}"), &request)? {
        Some(secret) => output::secret(call, &secret),
        None => Err(Failure::server(format!("No rotation found at {path}"))),
    }
}

fn set(call: &Call) -> Result<(), Failure> {
    let mut body = Map::new();
    for flag in SETTINGS.iter().filter(|flag| call.given.is_set(flag.name)) {
        let value = match flag.name {
            "paused" | "retire-end-sessions" => json!(call.given.switch(flag.name)),
            name => json!(call.given.text(name)),
        };
        body.insert(flag.name.replace('-', "_"), value);
    }
    ask(call, "rotation", Some(Value::Object(body)))
}

fn delete(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = place(call, &session)?.path("rotation");
    session.ask(&format!("Error deleting {path}"), &Request::delete(&path))?;
    line(&format!("Success! Rotation ended (if there was one) at: {path}"))
}

/// Questions until the server has read its log to the end: each reads 50,000 records.
const QUESTIONS_MAX: usize = 1_000;

fn proof(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let path = place(call, &session)?.path("rotation-proof");
    let mut secret = None;
    for _ in 0..QUESTIONS_MAX {
        secret = session.ask(&format!("Error asking for the proof at {path}"), &Request::get(&path))?;
        let complete = secret.as_ref().and_then(|secret| secret.data()?.get("log_complete")?.as_bool());
        if complete != Some(false) {
            break;
        }
    }
    let secret = secret.ok_or_else(|| Failure::server(format!("No rotation found at {path}")))?;
    if !call.is_table() || call.given.is_set("field") {
        return output::secret(call, &secret);
    }
    let mut facts = secret.data_or_body().clone();
    let consumers = facts.remove("consumers");
    line(&output::titled("Old credential", &facts))?;
    let consumers = consumers.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if consumers.is_empty() {
        return line("\nNo consumers are known.");
    }
    let head = ["Name", "Old read", "New read", "Acknowledged", "State"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in consumers {
        let text = |name: &str| one.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
        let is = |name: &str| one.get(name).and_then(Value::as_bool).unwrap_or_default();
        let state = if is("ignored") {
            "ignored"
        } else if is("lags") {
            "lags"
        } else {
            "ok"
        };
        rows.push(vec![text("name"), text("old_read"), text("new_read"), text("acknowledged"), state.to_owned()]);
    }
    line(&format!("\n{}", output::table(&rows)))
}

/// Names come from strangers, and a terminal obeys control characters.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn acknowledge(call: &Call) -> Result<(), Failure> {
    let version = call.given.number("version").ok_or_else(|| Failure::usage("Acknowledging needs -version"))?;
    let session = Session::open(call)?;
    let path = place(call, &session)?.path("rotation-ack");
    session.ask(&format!("Error acknowledging at {path}"), &Request::put(&path, &json!({ "version": version })))?;
    line(&format!("Success! Acknowledged version {version} at: {path}"))
}
