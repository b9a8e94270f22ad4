//! The table of routes, and what a mount can be asked. It must never depend on state.

use crate::kv::forms::{read_form, write_form};
use crate::kv::input::{
    At, Chosen, config_change, list_folder, metadata_patch, metadata_write, patch_secret, read_secret, subkeys,
    write_secret,
};
use crate::kv::model::DeleteAfter;
use crate::kv::policy_forms::{self, POLICY_FIELDS};
use crate::kv::posture::PostureAct;
use crate::kv::rotation_forms::{self, PROOF_FIELDS, ROTATION_FIELDS, RotationAct};
use cardea_model::operation::{NewPolicy, VersionRef};
use cardea_model::{CanonicalPath, Error, Payload, SecretOp};
use cardea_sdk::named::Page;
use cardea_sdk::posture::{KindInput, LIMIT_FIELDS, LimitsInput, PAGE_FIELDS, PageInput};
use cardea_sdk::{Access, Bound, Route};
use std::collections::BTreeMap;

/// Everything that a mount of `kv` can be asked.
#[derive(Debug)]
pub enum Op {
    ConfigRead,
    ConfigWrite(ConfigChange),
    /// Reads and writes of a secret, the same whatever the dialect.
    Secret(SecretOp),
    Patch {
        path: CanonicalPath,
        change: Payload,
        check: Option<u64>,
    },
    DeleteCurrent {
        path: CanonicalPath,
    },
    Delete {
        path: CanonicalPath,
        versions: Vec<u64>,
    },
    Undelete {
        path: CanonicalPath,
        versions: Vec<u64>,
    },
    Destroy {
        path: CanonicalPath,
        versions: Vec<u64>,
    },
    Subkeys {
        path: CanonicalPath,
        version: VersionRef,
        depth: u64,
    },
    /// `folder` is empty or ends in a slash.
    List {
        folder: String,
        page: Page,
    },
    MetadataRead {
        path: CanonicalPath,
    },
    MetadataWrite {
        path: CanonicalPath,
        change: SecretChange,
    },
    MetadataPatch {
        path: CanonicalPath,
        change: SecretChange,
    },
    MetadataDelete {
        path: CanonicalPath,
    },
    /// Which secrets are older, or less used, than their owner wants.
    Posture(PostureAct),
    PolicyRead {
        path: CanonicalPath,
    },
    PolicyWrite {
        path: CanonicalPath,
        new: NewPolicy,
    },
    PolicyDelete {
        path: CanonicalPath,
    },
    /// What is asked about the rotation of a secret.
    Rotation {
        path: CanonicalPath,
        act: RotationAct,
    },
}

impl Op {
    /// The secret that the operation is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&CanonicalPath> {
        match self {
            Self::ConfigRead | Self::ConfigWrite(_) | Self::List { .. } | Self::Posture(_) => None,
            Self::Secret(op) => op.path(),
            Self::Patch { path, .. }
            | Self::DeleteCurrent { path }
            | Self::Delete { path, .. }
            | Self::Undelete { path, .. }
            | Self::Destroy { path, .. }
            | Self::Subkeys { path, .. }
            | Self::MetadataRead { path }
            | Self::MetadataWrite { path, .. }
            | Self::MetadataPatch { path, .. }
            | Self::MetadataDelete { path }
            | Self::PolicyRead { path }
            | Self::PolicyWrite { path, .. }
            | Self::PolicyDelete { path }
            | Self::Rotation { path, .. } => Some(path),
        }
    }
}

/// A change of the mount's settings; `None` leaves one as it is.
#[derive(Debug, Default)]
pub struct ConfigChange {
    /// `Some(None)` is the built-in default.
    pub max_versions: Option<Option<u64>>,
    pub cas_required: Option<bool>,
    pub delete_after: Option<DeleteAfter>,
}

/// A change of a secret's settings and metadata; `None` leaves one as it is.
#[derive(Debug, Default)]
pub struct SecretChange {
    /// `Some(None)` takes the mount's.
    pub max_versions: Option<Option<u64>>,
    pub cas_required: Option<bool>,
    /// Seconds; `Some(None)` takes the mount's.
    pub delete_after_s: Option<Option<u64>>,
    pub metadata: MetadataChange,
}

#[derive(Debug, Default)]
pub enum MetadataChange {
    #[default]
    Keep,
    Replace(BTreeMap<String, String>),
    /// `None` removes a pair.
    Merge(BTreeMap<String, Option<String>>),
}

/// Members of the mount's settings, and of their answer.
const CONFIG_FIELDS: &[&str] = &["max_versions", "cas_required", "delete_version_after"];
/// What the log keeps of a write's answer.
const VERSION_FIELDS: &[&str] = &["version", "created_time", "deletion_time", "destroyed"];

/// The table.
pub static ROUTES: &[Route<Op>] = &[
    Route::read("config-read", "config", |p| Bound::plain(p, Op::ConfigRead))
        .clear_answer(CONFIG_FIELDS)
        .help("Reads the mount's settings for secrets that have none of their own."),
    Route::write("config-write", "config", |p| Bound::try_read(p, config_change))
        .clear(CONFIG_FIELDS)
        .help("Sets how many versions are kept, whether writes need check-and-set, and when versions delete themselves. Members that are left out stay as they are; delete_version_after = -1s switches deletion by age off for the whole mount.")
        .example(r#"{"max_versions": 20, "cas_required": false, "delete_version_after": "768h"}"#),
    Route::read("data-read", "data/{path..}", |p| Bound::try_read(p, read_secret))
        .shape(read_form)
        .clear(&["version"])
        .help("Reads one version of a secret, the current one if none is named. A version that is deleted or destroyed answers 404 with its metadata."),
    Route::write("data-write", "data/{path..}", |p| Bound::try_read(p, write_secret))
        .upsert()
        .shape(write_form)
        .clear_answer(VERSION_FIELDS)
        .help("Writes a new version. With options.cas the write happens only if the current version has that number; 0 means that the secret was never written.")
        .example(r#"{"options": {"cas": 0}, "data": {"username": "app", "password": "example"}}"#),
    Route::patch("data-patch", "data/{path..}", |p| Bound::try_read(p, patch_secret))
        .shape(write_form)
        .clear_answer(VERSION_FIELDS)
        .help("Writes a new version that is the current one with a JSON merge patch (RFC 7396) applied: members with null are removed, the others replace what was there.")
        .example(r#"{"data": {"password": "example", "obsolete": null}}"#),
    Route::delete("data-delete", "data/{path..}", |p| Bound::try_read(p, |at: At| Ok(Op::DeleteCurrent { path: at.path()? })))
        .help("Deletes the current version. It can be brought back with undelete."),
    Route::write("delete", "delete/{path..}", |p| {
        Bound::try_read(p, |r: Chosen| r.op(|path, versions| Op::Delete { path, versions }))
    })
    .clear(&["versions"])
    .help("Deletes versions. They can be brought back with undelete.")
    .example(r#"{"versions": [1, 2]}"#),
    Route::write("undelete", "undelete/{path..}", |p| {
        Bound::try_read(p, |r: Chosen| r.op(|path, versions| Op::Undelete { path, versions }))
    })
    .clear(&["versions"])
    .help("Brings deleted versions back, also those that their age deleted. Destroyed ones stay destroyed.")
    .example(r#"{"versions": [1, 2]}"#),
    Route::write("destroy", "destroy/{path..}", |p| {
        Bound::try_read(p, |r: Chosen| r.op(|path, versions| Op::Destroy { path, versions }))
    })
    .clear(&["versions"])
    .help("Removes the payloads of versions for good; their metadata stays. At most 40 in one request.")
    .example(r#"{"versions": [1, 2]}"#),
    Route::list("metadata-list", "metadata/{path..?}", |p| Bound::try_read(p, list_folder))
        .clear(&["after", "limit"])
        .help("Lists the names in a folder; subfolders end in a slash. With after and limit it answers a part."),
    Route::read("metadata-read", "metadata/{path..}", |p| Bound::try_read(p, |at: At| Ok(Op::MetadataRead { path: at.path()? })))
        .clear_answer(&["current_version", "oldest_version", "max_versions", "cas_required", "delete_version_after", "created_time", "updated_time"])
        .help("Reads a secret's settings, its metadata and the state of each version, without any payload."),
    Route::write("metadata-write", "metadata/{path..}", |p| Bound::try_read(p, metadata_write))
        .upsert()
        .clear(CONFIG_FIELDS)
        .help("Sets a secret's settings and replaces its custom metadata. Creates the secret without versions if there is none.")
        .example(r#"{"max_versions": 5, "custom_metadata": {"owner": "payments"}}"#),
    Route::patch("metadata-patch", "metadata/{path..}", |p| Bound::try_read(p, metadata_patch))
        .clear(CONFIG_FIELDS)
        .help("Changes settings and single pairs of the custom metadata: null removes a pair, or takes the mount's setting.")
        .example(r#"{"custom_metadata": {"owner": "payments", "obsolete": null}}"#),
    Route::delete("metadata-delete", "metadata/{path..}", |p| Bound::try_read(p, |at: At| Ok(Op::MetadataDelete { path: at.path()? })))
        .help("Removes a secret with all its versions and metadata, for good. What a source has made for it stays there."),
    Route::read("subkeys-read", "subkeys/{path..}", |p| Bound::try_read(p, subkeys))
        .clear(&["version", "depth"])
        .help("Reads the names inside one version of a secret, with null in place of every value. With depth, objects at that level count as values."),
    Route::read("rotation-read", "rotation/{path..}", |p| rotation_forms::bind(p, RotationAct::Read))
        .clear_answer(ROTATION_FIELDS)
        .help("Reads how a secret rotates, how far a change has come, why the last one failed, and what a pending version is waiting for."),
    Route::write("rotation-write", "rotation/{path..}", |p| Bound::try_read(p, rotation_forms::configure))
        .clear(ROTATION_FIELDS)
        .clear_answer(ROTATION_FIELDS)
        .help("Lets a secret rotate. The rotator is the path of a database mount, a slash and the name of a connection; the caller also needs update on <mount>/rotate/<connection>/<username>. Members that are left out stay as they are; every = 0 rotates on demand alone; schedule = cron(…) names times instead, in UTC, and window how long after such a time a rotation may begin. With retire_bar = sessions, acknowledged, read or time the old credential is turned off at the source once that is seen, after retire_after at the earliest and retire_latest at the latest; retire_end_sessions ends what it has open, and retire_ignore names consumers that nobody waits for.")
        .example(r#"{"rotator": "database/orders", "username": "app", "strategy": "alternating-users", "every": "720h"}"#),
    Route::delete("rotation-delete", "rotation/{path..}", |p| rotation_forms::bind(p, RotationAct::Remove))
        .help("Ends the rotation of a secret; its versions stay, and so does what a source has made for it. A change that is on its way must be cancelled or finished first."),
    Route::write("rotate", "rotate/{path..}", |p| Bound::try_read(p, rotation_forms::begin))
        .clear(&["emergency"])
        .clear_answer(ROTATION_FIELDS)
        .help("Begins a change now, paused or not. It goes on in the background, whatever becomes of the caller or of this server; rotation shows how far it is. With emergency the old credential is turned off, with its sessions, as soon as the new one is current, whatever bar was set; one that waits for its end is turned off now.")
        .example("{}"),
    Route::write("rotation-cancel", "rotation-cancel/{path..}", |p| rotation_forms::bind(p, RotationAct::Cancel))
        .clear_answer(ROTATION_FIELDS)
        .help("Takes a change back: the source gets the current value again, and the pending version loses its label. Where no change is on its way, a pending label that was left over is removed. Where an old credential waits for its end, it lives on until the next rotation.")
        .example("{}"),
    Route::write("rotation-rollback", "rotation-rollback/{path..}", |p| rotation_forms::bind(p, RotationAct::RollBack))
        .clear_answer(ROTATION_FIELDS)
        .help("Goes back to the previous version: the source gets that value, a login tests it, and then it becomes the current one. Refused once the credential of that version was retired.")
        .example("{}"),
    Route::write("rotation-revoke", "rotation-revoke/{path..}", |p| rotation_forms::bind(p, RotationAct::Revoke))
        .clear_answer(ROTATION_FIELDS)
        .help("Turns off at the source everything that it has made for the secret (strategy new-key), what readers get included, and holds the schedule. Before a secret or its rotation is deleted: what the source has made lives on there otherwise.")
        .example("{}"),
    Route::write("rotation-ack", "rotation-ack/{path..}", |p| Bound::try_read(p, rotation_forms::acknowledge))
        .clear(&["version"])
        .help("The caller says, after a look at its own health, that a version works for it. A bar of acknowledged waits for every consumer to do so.")
        .example(r#"{"version": 1}"#),
    Route::read("rotation-proof", "rotation-proof/{path..}", |p| rotation_forms::bind(p, RotationAct::Proof))
        .clear_answer(PROOF_FIELDS)
        .help("Shows who was seen with the old credential and who with the new one, who acknowledged, what is missing, and whether the owner's bar is met. It looks at a bounded part of the log: if log_complete is false, ask again."),
    Route::read("posture", "posture", |p| {
        Bound::read(p, |input: PageInput| Op::Posture(PostureAct::Page(input.into())))
    })
        .clear(PAGE_FIELDS)
        .help("Reads the age, owner, last read and rotation of secrets whose metadata the caller may read, against the limits of their kinds. With findings only those that are beyond one. It looks at a bounded part of the log: if log_complete is false, ask again."),
    Route::read("posture-limits-read", "posture-limits", |p| Bound::plain(p, Op::Posture(PostureAct::Limits)))
        .clear_answer(&["kinds"])
        .help("Reads the limits of all kinds of secrets."),
    Route::write("posture-limits-write", "posture-limits/{kind}", |p| {
        Bound::read(p, |input: LimitsInput| Op::Posture(PostureAct::SetLimits(input.into())))
    })
        .clear(LIMIT_FIELDS)
        .help("Sets the limits of a kind of secrets: those whose custom metadata says kind = <kind>, or, for default, those of no kind that has limits. Members that are left out stay; 0 takes a limit away.")
        .example(r#"{"max_age": "2160h", "max_unread": "720h", "must_rotate": true}"#),
    Route::delete("posture-limits-delete", "posture-limits/{kind}", |p| {
        Bound::read(p, |input: KindInput| Op::Posture(PostureAct::RemoveLimits { kind: input.kind }))
    })
        .help("Removes the limits of a kind."),
    Route::read("policy-read", "policy/{path..}", |p| Bound::try_read(p, |at: At| Ok(Op::PolicyRead { path: at.path()? })))
        .clear_answer(POLICY_FIELDS)
        .help("Reads the resource policy of a secret, as it was written, and the ARN by which it knows the secret."),
    Route::write("policy-write", "policy/{path..}", |p| Bound::try_read(p, policy_forms::write))
        .clear(POLICY_FIELDS)
        .help("Attaches a resource policy: a document of AWS's form, which decides beside Vault's policies at every door. Who may write it can give every right on the secret. arn is the ARN by which the policy knows the secret; what of it is not the secret's own (region, account) stays as it was where it is left out.")
        .example(r#"{"policy": "{\"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"secretsmanager:DeleteSecret\", \"Resource\": \"*\"}]}"}"#),
    Route::delete("policy-delete", "policy/{path..}", |p| Bound::try_read(p, |at: At| Ok(Op::PolicyDelete { path: at.path()? })))
        .help("Takes the resource policy of a secret away."),
];

/// Rows of operations that only dialects with typed operations ask for. No path leads to them; what each caller is shown is
/// decided item by item, by the same names that policies know the items by.
pub static SHARED_ROUTES: &[Route<Op>] = &[
    Route::list("secrets-list", "", |_| Err(Error::internal("a shared row is not bound by paths")))
        .access(Access::Authenticated)
        .help("Lists secrets whose metadata the caller may read."),
    Route::read("secrets-read", "", |_| Err(Error::internal("a shared row is not bound by paths")))
        .access(Access::Authenticated)
        .help("Reads several secrets, each as the caller may read it by itself."),
    Route::read("random-password", "", |_| Err(Error::internal("a shared row is not bound by paths")))
        .access(Access::Authenticated)
        .help("Makes a random password."),
    Route::read("policy-check", "", |_| Err(Error::internal("a shared row is not bound by paths")))
        .access(Access::Authenticated)
        .help("Says what is to be said against a resource policy, whatever the secret."),
];
