//! `secrets`: engines and where they are mounted.

use super::{Command, Traits, mount_settings as settings};
use crate::{
    arguments::Flag,
    call::{Call, mount_path},
    failure::Failure,
    output::line,
    session::Session,
};
use cardea_client::Request;

const VERSION: &[Flag] = &[Flag::number("version", "Version of the engine, such as 2 for kv.")];

const ENABLE: &[Flag] = &[
    Flag::text("path", "Where to mount it; its kind if absent."),
    Flag::switch("force-no-cache", "Read every record anew."),
    Flag::switch("local", "Keep it on this cluster."),
    Flag::switch("seal-wrap", "Have the seal itself wrap its keys."),
    Flag::switch("external-entropy-access", "Let it draw randomness from outside."),
];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "secrets list",
        arguments: "",
        summary: "Lists the mounted secrets engines",
        flags: &[&[Flag::switch("detailed", "Show all settings.")]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: list,
    },
    Command {
        name: "secrets enable",
        arguments: "TYPE",
        summary: "Mounts a secrets engine",
        flags: &[settings::TUNABLE, VERSION, ENABLE],
        traits: Traits::SERVER,
        count: (1, 1),
        run: enable,
    },
    Command {
        name: "secrets disable",
        arguments: "PATH",
        summary: "Unmounts a secrets engine, revokes its leases and deletes its data",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: |call| settings::disable(call, "sys/mounts", "secrets engine"),
    },
    Command {
        name: "secrets tune",
        arguments: "PATH",
        summary: "Changes the settings of a secrets engine",
        flags: &[settings::TUNABLE, VERSION],
        traits: Traits::SERVER,
        count: (1, 1),
        run: tune,
    },
    Command {
        name: "secrets move",
        arguments: "SOURCE DESTINATION",
        summary: "Mounts a secrets engine at another path; its leases are revoked",
        flags: &[],
        traits: Traits::SERVER,
        count: (2, 2),
        run: |call| settings::relocate(call, "secrets engine", ""),
    },
];

const COLUMNS: &[(&str, &str)] = &[("Type", "type"), ("Accessor", "accessor"), ("Description", "description")];

const COLUMNS_DETAILED: &[(&str, &str)] = &[
    ("Plugin", "type"),
    ("Accessor", "accessor"),
    ("Default TTL", "config.default_lease_ttl"),
    ("Max TTL", "config.max_lease_ttl"),
    ("Force No Cache", "config.force_no_cache"),
    ("Replication", "local"),
    ("Seal Wrap", "seal_wrap"),
    ("External Entropy Access", "external_entropy_access"),
    ("Options", "options"),
    ("Description", "description"),
    ("UUID", "uuid"),
    ("Version", "plugin_version"),
    ("Running Version", "running_plugin_version"),
    ("Running SHA256", "running_sha256"),
    ("Deprecation Status", "deprecation_status"),
];

fn list(call: &Call) -> Result<(), Failure> {
    settings::list(call, "sys/mounts", "Error listing secrets engines", [COLUMNS, COLUMNS_DETAILED])
}

fn enable(call: &Call) -> Result<(), Failure> {
    let kind = call.argument(0).trim();
    let path = mount_path(call.given.text("path").filter(|path| !path.is_empty()).unwrap_or(kind));
    let request =
        Request::post(format!("sys/mounts/{}", path.trim_end_matches('/')), &settings::enable_body(call, kind));
    Session::open(call)?.ask("Error enabling", &request)?;
    line(&format!("Success! Enabled the {kind} secrets engine at: {path}"))
}

fn tune(call: &Call) -> Result<(), Failure> {
    let path = mount_path(call.argument(0));
    let request = Request::post(format!("sys/mounts/{path}tune"), &settings::tune_body(call));
    Session::open(call)?.ask(&format!("Error tuning secrets engine {path}"), &request)?;
    line(&format!("Success! Tuned the secrets engine at: {path}"))
}
