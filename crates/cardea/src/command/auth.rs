//! `auth`: methods to log in by, and where they are mounted.

use super::{Command, Traits, mount_settings as settings, path_help};
use crate::{
    arguments::Flag,
    call::{Call, api_path, mount_path},
    failure::Failure,
    output::line,
    session::Session,
};
use cardea_client::Request;

const TOKEN_TYPE: &[Flag] = &[
    Flag::text("token-type", "Kind of token it gives: default-service, default-batch, service or batch."),
    Flag::number("version", "Version of the method, where it has several."),
];

const ENABLE: &[Flag] = &[
    Flag::text("path", "Where to mount it; its kind if absent."),
    Flag::switch("local", "Keep it on this cluster."),
    Flag::switch("seal-wrap", "Have the seal itself wrap its keys."),
    Flag::switch("external-entropy-access", "Let it draw randomness from outside."),
];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "auth list",
        arguments: "",
        summary: "Lists the mounted auth methods",
        flags: &[&[Flag::switch("detailed", "Show all settings.")]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: list,
    },
    Command {
        name: "auth enable",
        arguments: "TYPE",
        summary: "Mounts an auth method",
        flags: &[settings::TUNABLE, TOKEN_TYPE, ENABLE],
        traits: Traits::SERVER,
        count: (1, 1),
        run: enable,
    },
    Command {
        name: "auth disable",
        arguments: "PATH",
        summary: "Unmounts an auth method and revokes every token it gave",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: |call| settings::disable(call, "sys/auth", "auth method"),
    },
    Command {
        name: "auth tune",
        arguments: "PATH",
        summary: "Changes the settings of an auth method",
        flags: &[settings::TUNABLE, TOKEN_TYPE],
        traits: Traits::SERVER,
        count: (1, 1),
        run: tune,
    },
    Command {
        name: "auth move",
        arguments: "SOURCE DESTINATION",
        summary: "Mounts an auth method at another path; its tokens are revoked",
        flags: &[],
        traits: Traits::SERVER,
        count: (2, 2),
        run: |call| settings::relocate(call, "auth method", "auth/"),
    },
    Command {
        name: "auth help",
        arguments: "PATH",
        summary: "Shows what the server says about an auth method",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: |call| path_help::show(call, &format!("auth/{}", api_path(call.argument(0)))),
    },
];

const COLUMNS: &[(&str, &str)] =
    &[("Type", "type"), ("Accessor", "accessor"), ("Description", "description"), ("Version", "plugin_version")];

const COLUMNS_DETAILED: &[(&str, &str)] = &[
    ("Plugin", "type"),
    ("Accessor", "accessor"),
    ("Default TTL", "config.default_lease_ttl"),
    ("Max TTL", "config.max_lease_ttl"),
    ("Token Type", "config.token_type"),
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
    settings::list(call, "sys/auth", "Error listing enabled authentications", [COLUMNS, COLUMNS_DETAILED])
}

fn enable(call: &Call) -> Result<(), Failure> {
    let kind = call.argument(0).trim();
    let path = mount_path(call.given.text("path").filter(|path| !path.is_empty()).unwrap_or(kind));
    let request = Request::post(format!("sys/auth/{}", path.trim_end_matches('/')), &settings::enable_body(call, kind));
    Session::open(call)?.ask(&format!("Error enabling {kind} auth"), &request)?;
    line(&format!("Success! Enabled {kind} auth method at: {path}"))
}

fn tune(call: &Call) -> Result<(), Failure> {
    let path = mount_path(call.argument(0));
    // Below `sys/auth` it would take sudo.
    let request = Request::post(format!("sys/mounts/auth/{path}tune"), &settings::tune_body(call));
    Session::open(call)?.ask(&format!("Error tuning auth method {path}"), &request)?;
    line(&format!("Success! Tuned the auth method at: {path}"))
}
