//! `kv`: versioned secrets, and plain ones where the mount is of version 1. Every command first asks which mount serves the
//! path, as Vault's own does.

mod get;
mod metadata;
mod mount;
mod versions;
mod write;

pub(super) use mount::Place;

use super::{Command, MANY, Traits};
use crate::arguments::Flag;

pub(super) const MOUNT: &[Flag] = &[Flag::text("mount", "Where the engine is mounted; the path is then below it.")];
const CAS: &[Flag] = &[Flag::number("cas", "Write only if the current version is this one; 0: only if there is none.")];
const VERSIONS: &[Flag] = &[Flag::list("versions", "Versions, comma-separated.")];

const SETTINGS: &[Flag] = &[
    Flag::number("max-versions", "How many versions are kept."),
    Flag::switch("cas-required", "Every write must name the current version."),
    Flag::span("delete-version-after", "Versions are deleted after this time; 0s for never."),
    Flag::pairs("custom-metadata", "A pair to keep beside the secret. May be given several times."),
];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "kv get",
        arguments: "KEY",
        summary: "Reads a secret",
        flags: &[MOUNT, &[Flag::number("version", "This version; the current one if absent.")]],
        traits: Traits::FIELD,
        count: (1, 1),
        run: get::get,
    },
    Command {
        name: "kv list",
        arguments: "PATH",
        summary: "Lists the secrets below a path",
        flags: &[MOUNT],
        traits: Traits::SERVER,
        count: (0, 1),
        run: get::list,
    },
    Command {
        name: "kv put",
        arguments: "KEY K=V...",
        summary: "Writes a secret, or its next version",
        flags: &[MOUNT, CAS],
        traits: Traits::DATA,
        count: (1, MANY),
        run: write::put,
    },
    Command {
        name: "kv patch",
        arguments: "KEY K=V...",
        summary: "Writes a next version in which only these keys differ",
        flags: &[
            MOUNT,
            CAS,
            &[
                Flag::text("method", "patch sends a merge, rw reads and writes; the first that works if absent."),
                Flag::list("remove-data", "Keys to leave out."),
            ],
        ],
        traits: Traits::DATA,
        count: (1, MANY),
        run: write::patch,
    },
    Command {
        name: "kv rollback",
        arguments: "KEY",
        summary: "Writes an old version again as the newest",
        flags: &[MOUNT, &[Flag::number("version", "The version to go back to.")]],
        traits: Traits::FIELD,
        count: (1, 1),
        run: write::rollback,
    },
    Command {
        name: "kv delete",
        arguments: "KEY",
        summary: "Deletes the current version or those named; they can be undeleted",
        flags: &[MOUNT, VERSIONS],
        traits: Traits::FIELD,
        count: (1, 1),
        run: versions::delete,
    },
    Command {
        name: "kv undelete",
        arguments: "KEY",
        summary: "Brings deleted versions back",
        flags: &[MOUNT, VERSIONS],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| versions::change(call, "undelete"),
    },
    Command {
        name: "kv destroy",
        arguments: "KEY",
        summary: "Destroys versions for good",
        flags: &[MOUNT, VERSIONS],
        traits: Traits::FIELD,
        count: (1, 1),
        run: |call| versions::change(call, "destroy"),
    },
    Command {
        name: "kv metadata get",
        arguments: "KEY",
        summary: "Shows a secret's settings and versions, without their data",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: metadata::get,
    },
    Command {
        name: "kv metadata put",
        arguments: "KEY",
        summary: "Sets a secret's settings",
        flags: &[MOUNT, SETTINGS],
        traits: Traits::FIELD,
        count: (1, 1),
        run: metadata::put,
    },
    Command {
        name: "kv metadata patch",
        arguments: "KEY",
        summary: "Changes only the named settings of a secret",
        flags: &[MOUNT, SETTINGS, &[Flag::list("remove-custom-metadata", "Keys to leave out.")]],
        traits: Traits::FIELD,
        count: (1, 1),
        run: metadata::patch,
    },
    Command {
        name: "kv metadata delete",
        arguments: "KEY",
        summary: "Deletes a secret with all its versions for good",
        flags: &[MOUNT],
        traits: Traits::FIELD,
        count: (1, 1),
        run: metadata::delete,
    },
    Command {
        name: "kv enable-versioning",
        arguments: "PATH",
        summary: "Makes a mount of version 1 keep versions",
        flags: &[],
        traits: Traits::SERVER,
        count: (1, 1),
        run: metadata::enable_versioning,
    },
];
