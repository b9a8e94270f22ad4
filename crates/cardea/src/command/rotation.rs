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
        "What must be seen before an old credential is turned off: sessions or time; none for not at all.",
    ),
    Flag::span("retire-after", "How long that must be seen, and the least that an old credential lives."),
    Flag::span("retire-latest", "When it is turned off whatever is seen; 0 for never."),
    Flag::switch("retire-end-sessions", "Ends its open sessions, too."),
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
        name: "rotation delete",
        arguments: "KEY",
        summary: "Ends the rotation of a secret; its versions stay",
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
