//! `audit enable|disable|list`: the devices that follow the log.

use super::{Command, MANY, Traits, mount_settings as settings};
use crate::{
    arguments::Flag,
    call::{Call, mount_path},
    failure::Failure,
    input,
    output::{self, line, table, text_of},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "audit enable",
        arguments: "TYPE [K=V...]",
        summary: "Enables an audit device with these options",
        flags: &[&[
            Flag::text("description", "For people."),
            Flag::text("path", "Its name; its kind if absent."),
            Flag::switch("local", "Keep it on this cluster."),
        ]],
        traits: Traits { server: true, field: false, data: true },
        count: (1, MANY),
        run: enable,
    },
    Command {
        name: "audit disable",
        arguments: "PATH",
        summary: "Disables an audit device; the log itself goes on",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: disable,
    },
    Command {
        name: "audit list",
        arguments: "",
        summary: "Lists the enabled audit devices",
        flags: &[&[Flag::switch("detailed", "Show options too.")]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: list,
    },
];

fn enable(call: &Call) -> Result<(), Failure> {
    let kind = call.argument(0).trim();
    let path = mount_path(call.given.text("path").filter(|path| !path.is_empty()).unwrap_or(kind));
    let body = json!({
        "type": kind,
        "description": call.given.text("description").unwrap_or_default(),
        "options": input::data(call.arguments().get(1..).unwrap_or_default())?,
        "local": call.given.switch("local"),
    });
    let request = Request::put(format!("sys/audit/{}", path.trim_end_matches('/')), &body);
    Session::open(call)?.ask("Error enabling audit device", &request)?;
    line(&format!("Success! Enabled the {kind} audit device at: {path}"))
}

fn disable(call: &Call) -> Result<(), Failure> {
    let path = mount_path(call.argument(0));
    let request = Request::delete(format!("sys/audit/{}", path.trim_end_matches('/')));
    Session::open(call)?.ask("Error disabling audit device", &request)?;
    line(&format!("Success! Disabled audit device (if it was enabled) at: {path}"))
}

fn list(call: &Call) -> Result<(), Failure> {
    let secret = Session::open(call)?.ask("Error listing audits", &Request::get("sys/audit"))?;
    let secret = secret.ok_or_else(|| Failure::server("Error listing audits: empty answer"))?;
    let devices = settings::mounts(&secret);
    if !call.is_table() {
        let map: Map<String, Value> =
            devices.into_iter().map(|(path, device)| (path.to_owned(), Value::Object(device.clone()))).collect();
        return output::value(call.format, &Value::Object(map));
    }
    if devices.is_empty() {
        line("No audit devices are enabled.")?;
        return Err(Failure::silent(2));
    }
    let detailed = call.given.switch("detailed");
    let mut head = vec!["Path".to_owned(), "Type".to_owned(), "Description".to_owned()];
    if detailed {
        head.extend(["Replication".to_owned(), "Options".to_owned()]);
    }
    let mut rows = vec![head];
    for (path, device) in devices {
        let text = |name: &str| device.get(name).map(text_of).unwrap_or_default();
        let mut row = vec![path.to_owned(), text("type"), text("description")];
        if detailed {
            row.push(if text("local") == "true" { "local" } else { "replicated" }.to_owned());
            let options = device.get("options").and_then(Value::as_object).into_iter().flatten();
            row.push(options.map(|(key, value)| format!("{key}={}", text_of(value))).collect::<Vec<_>>().join(" "));
        }
        rows.push(row);
    }
    line(&table(&rows))
}
