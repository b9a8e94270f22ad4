//! `sys/mounts`, `sys/auth`, `sys/remount` and what clients ask before they use a mount. Removing a mount takes effect with
//! one commit; revoking its leases and deleting its records is a job.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::jobs::{self, Job};
use crate::mounts::{self, MountChange};
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{Body, Cause, Envelope, Error, Params, loose};
use cardea_sdk::context::System;
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 1024;
/// What `vault kv` shows who asks about a path where it has no grant. Vault repeats the path; the caller knows it.
const PREFLIGHT: &str =
    "preflight capability check returned 403, please ensure client's policies grant access to this path";
/// Longest unknown engine type that an error names; the longest that exists is half of it.
const KIND_BYTES_MAX: usize = 32;

pub enum Op {
    List { auth: bool },
    Read { auth: bool, path: String },
    Enable { auth: bool, path: String, input: Box<EnableInput> },
    Disable { auth: bool, path: String },
    ReadTune { auth: bool, path: String },
    Tune { auth: bool, path: String, input: Box<TuneInput> },
    Remount { from: String, to: String },
    RemountStatus { id: String },
    UiMounts,
    UiMount { path: String },
}

#[derive(Deserialize)]
struct PathInput {
    path: String,
}

#[derive(Deserialize)]
pub struct EnableInput {
    path: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    config: Option<TuneFields>,
    #[serde(default)]
    options: Option<loose::Pairs>,
    #[serde(default)]
    local: loose::Flag,
    #[serde(default)]
    seal_wrap: loose::Flag,
    #[serde(default)]
    external_entropy_access: loose::Flag,
    #[serde(default)]
    plugin_name: String,
}

/// Settings inside `config` of an enable call.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct TuneFields {
    default_lease_ttl: GivenDuration,
    max_lease_ttl: GivenDuration,
    force_no_cache: Option<loose::Flag>,
    listing_visibility: Option<String>,
    token_type: Option<String>,
    audit_non_hmac_request_keys: Option<loose::List>,
    audit_non_hmac_response_keys: Option<loose::List>,
    passthrough_request_headers: Option<loose::List>,
    allowed_response_headers: Option<loose::List>,
    options: Option<loose::Pairs>,
}

/// Settings of a tune call.
#[derive(Deserialize)]
pub struct TuneInput {
    path: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    default_lease_ttl: GivenDuration,
    #[serde(default)]
    max_lease_ttl: GivenDuration,
    #[serde(default)]
    force_no_cache: Option<loose::Flag>,
    #[serde(default)]
    listing_visibility: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    audit_non_hmac_request_keys: Option<loose::List>,
    #[serde(default)]
    audit_non_hmac_response_keys: Option<loose::List>,
    #[serde(default)]
    passthrough_request_headers: Option<loose::List>,
    #[serde(default)]
    allowed_response_headers: Option<loose::List>,
    #[serde(default)]
    options: Option<loose::Pairs>,
}

/// A duration that was given. Go's client sends an empty text for one that was not: it changes nothing, where 0 and `system`
/// mean the system's default again. What is no duration is told when the field's name is known.
#[derive(Clone, Copy, Default)]
enum GivenDuration {
    #[default]
    No,
    System,
    Seconds(u64),
    Wrong,
}

impl GivenDuration {
    /// Changes a setting of the mount to what was given for the field of this name.
    fn apply(self, name: &str, kept_s: &mut Option<u64>) -> Result<(), Error> {
        match self {
            Self::No => {}
            Self::System | Self::Seconds(0) => *kept_s = None,
            Self::Seconds(seconds) => *kept_s = Some(seconds),
            Self::Wrong => {
                return Err(Error::invalid(format!("{name} must be a duration such as 30s or 1h, or system")));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for GivenDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = loose::Text::deserialize(deserializer)?;
        Ok(match text.0.trim() {
            "" => Self::No,
            "system" => Self::System,
            text => cardea_model::time::parse_duration_s(text).map_or(Self::Wrong, Self::Seconds),
        })
    }
}

#[derive(Deserialize)]
struct RemountInput {
    from: String,
    to: String,
}

fn with_path(p: &Params, make: fn(String) -> Op) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: PathInput| SysOp::Mounts(make(i.path)))
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::read("mounts-list", "mounts", |p| Bound::plain(p, SysOp::Mounts(Op::List { auth: false })))
            .envelope(Envelope::Flattened)
            .help("All mounted secrets engines."),
        Route::read("mount-tune-read", "mounts/{path..}", |p| {
            with_path(p, |path| match path.strip_suffix("/tune") {
                Some(path) => tuned(path, |auth, path| Op::ReadTune { auth, path }),
                None => Op::Read { auth: false, path },
            })
        })
        .envelope(Envelope::Flattened)
        .help("One mount, or with /tune its effective settings; auth/<path>/tune has those of an auth method."),
        Route::write("mount-enable", "mounts/{path..}", |p| bind_write(p, false))
            .clear(&["type", "description", "local", "seal_wrap", "default_lease_ttl", "max_lease_ttl"])
            .help("Mounts a secrets engine; with /tune changes its settings (auth/<path>/tune those of an auth method). The option version chooses among the versions of kv: 1 if it is not given, and tune raises it to 2.")
            .example("{\"type\": \"kv\", \"options\": {\"version\": \"2\"}}"),
        Route::delete("mount-disable", "mounts/{path..}", |p| with_path(p, |path| Op::Disable { auth: false, path }))
            .help("Unmounts: leases are revoked and records deleted."),
        Route::read("auth-list", "auth", |p| Bound::plain(p, SysOp::Mounts(Op::List { auth: true })))
            .envelope(Envelope::Flattened)
            .help("All enabled auth methods."),
        Route::read("auth-tune-read", "auth/{path..}", |p| {
            with_path(p, |path| match path.strip_suffix("/tune") {
                Some(path) => Op::ReadTune { auth: true, path: path.to_owned() },
                None => Op::Read { auth: true, path },
            })
        })
        .envelope(Envelope::Flattened)
        .access(Access::Sudo)
        .help("One auth method, or with /tune its effective settings."),
        Route::write("auth-enable", "auth/{path..}", |p| bind_write(p, true))
            .access(Access::Sudo)
            .clear(&["type", "description", "local", "default_lease_ttl", "max_lease_ttl", "token_type"])
            .help("Enables an auth method; with /tune changes its settings.")
            .example("{\"type\": \"approle\"}"),
        Route::delete("auth-disable", "auth/{path..}", |p| with_path(p, |path| Op::Disable { auth: true, path }))
            .access(Access::Sudo)
            .help("Disables: its roles are deleted; tokens it vouched for cannot be renewed."),
        Route::write("remount", "remount", |p| {
            Bound::read(p, |i: RemountInput| SysOp::Mounts(Op::Remount { from: i.from, to: i.to }))
        })
        .access(Access::Sudo)
        .clear(&["from", "to"])
        .help("Moves a mount to another path. Its records stay where they are; its leases must be gone.")
        .example("{\"from\": \"secret\", \"to\": \"team/secret\"}"),
        Route::read("remount-status", "remount/status/{migration_id}", |p| {
            Bound::read(p, |i: StatusInput| SysOp::Mounts(Op::RemountStatus { id: i.migration_id }))
        })
        .access(Access::Sudo)
        .help("How a move ended. Moves are immediate here, so one that is known has succeeded."),
        Route::read("ui-mounts", "internal/ui/mounts", |p| Bound::plain(p, SysOp::Mounts(Op::UiMounts)))
            .access(Access::Anonymous)
            .help("Mounts that the caller can reach; without a token those that are listed for everybody."),
        Route::read("ui-mount", "internal/ui/mounts/{path..}", |p| with_path(p, |path| Op::UiMount { path }))
            .access(Access::Authenticated)
            .help("The mount that a path belongs to, for callers with any grant there."),
    ]
}

/// `sys/mounts/auth/<path>/tune` is the settings of an auth method, under the rights of that path: Vault's command line and
/// its Go client tune both kinds of mount there.
fn tuned(path: &str, make: impl FnOnce(bool, String) -> Op) -> Op {
    match path.strip_prefix("auth/") {
        Some(path) => make(true, path.to_owned()),
        None => make(false, path.to_owned()),
    }
}

fn bind_write(p: &Params, auth: bool) -> Result<Bound<SysOp>, Error> {
    let tune = p.capture("path").is_some_and(|path| path.ends_with("/tune"));
    if tune {
        return Bound::read(p, |mut input: TuneInput| {
            let path = input.path.trim_end_matches("/tune").to_owned();
            input.path.clone_from(&path);
            let make = |auth, path| Op::Tune { auth, path, input: Box::new(input) };
            SysOp::Mounts(if auth { make(true, path) } else { tuned(&path, make) })
        });
    }
    Bound::read(p, |input: EnableInput| {
        SysOp::Mounts(Op::Enable { auth, path: input.path.clone(), input: Box::new(input) })
    })
}

fn full_path(auth: bool, path: &str) -> String {
    let bare = path.trim_matches('/');
    if auth { format!("auth/{bare}/") } else { format!("{bare}/") }
}

fn find(active: &Active, auth: bool, path: &str) -> Result<Arc<Mount>, Error> {
    let mounts = active.mounts.now();
    let found = mounts.at(&full_path(auth, path)).filter(|mount| mount.path.starts_with("auth/") == auth);
    found.cloned().ok_or_else(|| {
        // Vault's words to the letter: Terraform's provider tells a mount that is gone by them.
        let kind = if auth { "auth engine" } else { "secret engine mount" };
        Error::invalid(format!("No {kind} at {}/", path.trim_matches('/')))
    })
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::List { auth } => {
            let mounts = active.mounts.now();
            let shown = mounts.iter().filter(|mount| mount.path.starts_with("auth/") == *auth);
            let shown: BTreeMap<String, View> = shown.map(|mount| (key_of(mount), View::of(mount))).collect();
            Done::object(&shown)
        }
        Op::Read { auth, path } => Done::object(&View::of(&*find(active, *auth, path)?)),
        Op::Enable { auth, path, input } => enable(active, cx, *auth, path, input),
        Op::Disable { auth, path } => disable(active, cx, *auth, path),
        Op::ReadTune { auth, path } => {
            let mount = find(active, *auth, path)?;
            let (default_s, max_s) = active.ttl_s(&mount);
            Done::object(&Tuned::of(&mount, default_s, max_s))
        }
        Op::Tune { auth, path, input } => tune(active, cx, *auth, path, input),
        Op::Remount { from, to } => remount(active, cx, from, to).await,
        Op::RemountStatus { id } => remount_status(cx, id).await,
        Op::UiMounts => ui_mounts(active, cx),
        Op::UiMount { path } => ui_mount(active, cx, path),
    }
}

/// Auth mounts are listed without their prefix.
fn key_of(mount: &Mount) -> String {
    mount.path.strip_prefix("auth/").unwrap_or(&mount.path).to_owned()
}

fn enable(
    active: &Active,
    cx: &mut Context<'_>,
    auth: bool,
    path: &str,
    input: &EnableInput,
) -> Result<Outcome, Error> {
    let class = if auth { MountClass::Auth } else { MountClass::Secret };
    let full = mounts::check_path(&active.mounts.now(), class, path)?;
    if input.description.len() > DESCRIPTION_BYTES_MAX || input.description.chars().any(char::is_control) {
        return Err(Error::invalid("description is too long or has characters that cannot be printed"));
    }
    if input.external_entropy_access.0 {
        return Err(Error::invalid("external_entropy_access is not supported"));
    }
    if input.seal_wrap.0 {
        return Err(Error::invalid("seal_wrap is not supported"));
    }
    let asked = if input.kind.is_empty() { input.plugin_name.as_str() } else { input.kind.as_str() };
    let mut options = input.options.clone().unwrap_or_default().0;
    if let Some(config) = &input.config {
        options.extend(config.options.clone().unwrap_or_default().0);
    }
    if asked.is_empty() {
        return Err(Error::invalid("backend type must be specified as a string"));
    }
    let kind = match versioned(asked).filter(|(kind, _)| active.registry.has_kind(class, kind)) {
        Some((kind, version)) => {
            options.insert("version".to_owned(), version.to_owned());
            kind
        }
        None => asked,
    };
    if !active.registry.has_kind(class, kind) {
        let is_name =
            kind.len() <= KIND_BYTES_MAX && kind.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let named = if is_name { kind } else { "the type is not a name" };
        return Err(Error::invalid(format!("plugin not found in the catalog: {named}")));
    }
    if active.registry.find(class, kind, options.get("version").map(String::as_str)).is_none() {
        return Err(no_version());
    }
    let mut mount = mounts::new_mount(full, kind, class, cx.now, cx.rng);
    mount.description.clone_from(&input.description);
    mount.options = options;
    mount.local = input.local.0;
    if let Some(config) = &input.config {
        let fields = Changes {
            default_lease_ttl: config.default_lease_ttl,
            max_lease_ttl: config.max_lease_ttl,
            force_no_cache: config.force_no_cache,
            listing_visibility: config.listing_visibility.as_deref(),
            token_type: config.token_type.as_deref(),
            audit_non_hmac_request_keys: config.audit_non_hmac_request_keys.as_ref(),
            audit_non_hmac_response_keys: config.audit_non_hmac_response_keys.as_ref(),
            passthrough_request_headers: config.passthrough_request_headers.as_ref(),
            allowed_response_headers: config.allowed_response_headers.as_ref(),
        };
        fields.apply(&mut mount.config)?;
    }
    // The guard makes two mounts that would overlap conflict, whichever spelling their paths have.
    guard(cx)?;
    mounts::put(cx.state.kernel_side(), &mount, false)?;
    Ok(Extra::after(After::Mounts(MountChange::Put(Box::new(mount)))))
}

/// `kv-v2` is version 2 of `kv`.
fn versioned(asked: &str) -> Option<(&str, &str)> {
    let (kind, version) = asked.rsplit_once("-v")?;
    (!version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())).then_some((kind, version))
}

fn no_version() -> Error {
    Error::invalid("the engine has no such version")
}

/// Every change of the table goes through one key: changes are rare, and two that do not see each other are worse than
/// one that is tried again.
fn guard(cx: &mut Context<'_>) -> Result<(), Error> {
    let now = cx.now.0;
    cx.state.put("mount-table", &Guard { changed_ms: now })
}

#[derive(Serialize, Deserialize)]
struct Guard {
    changed_ms: u64,
}
cardea_storage::json_record!(Guard, "mount-guard", 1);

fn disable(active: &Active, cx: &mut Context<'_>, auth: bool, path: &str) -> Result<Outcome, Error> {
    let Ok(mount) = find(active, auth, path) else {
        // Vault's clients disable what may not be there.
        return Ok(Done::empty());
    };
    if mount.class == MountClass::System {
        return Err(Error::invalid("this mount belongs to the system and cannot be removed"));
    }
    guard(cx)?;
    mounts::put(cx.state.kernel_side(), &mount, true)?;
    let job = Job::RemoveMount {
        namespace: mount.namespace.clone(),
        uuid: mount.uuid.clone(),
        path: mount.path.clone(),
        cursor: None,
        marked: false,
        tokens_after: None,
    };
    jobs::enqueue(cx.state.kernel_side(), &job)?;
    let after = vec![After::Mounts(MountChange::Removed { path: mount.path.clone() }), After::Wake];
    Ok(Extra::with(Body::Empty, Extra { after, ..Extra::default() }))
}

/// What an enable or a tune call changes.
struct Changes<'i> {
    default_lease_ttl: GivenDuration,
    max_lease_ttl: GivenDuration,
    force_no_cache: Option<loose::Flag>,
    listing_visibility: Option<&'i str>,
    token_type: Option<&'i str>,
    audit_non_hmac_request_keys: Option<&'i loose::List>,
    audit_non_hmac_response_keys: Option<&'i loose::List>,
    passthrough_request_headers: Option<&'i loose::List>,
    allowed_response_headers: Option<&'i loose::List>,
}

impl Changes<'_> {
    fn apply(&self, config: &mut MountConfig) -> Result<(), Error> {
        self.default_lease_ttl.apply("default_lease_ttl", &mut config.default_lease_ttl_s)?;
        self.max_lease_ttl.apply("max_lease_ttl", &mut config.max_lease_ttl_s)?;
        if let (Some(default), Some(max)) = (config.default_lease_ttl_s, config.max_lease_ttl_s)
            && default > max
        {
            return Err(Error::invalid("backend max lease TTL is less than backend default lease TTL"));
        }
        if let Some(flag) = self.force_no_cache {
            config.force_no_cache = flag.0;
        }
        if let Some(visibility) = self.listing_visibility {
            config.listing_visibility = match visibility {
                "" => None,
                "hidden" | "unauth" => Some(visibility.to_owned()),
                _ => return Err(Error::invalid("listing_visibility must be hidden or unauth")),
            };
        }
        if let Some(kind) = self.token_type {
            config.token_type = match kind {
                "" => None,
                "default-service" | "default-batch" | "service" | "batch" => Some(kind.to_owned()),
                _ => return Err(Error::invalid("token_type must be default-service, default-batch, service or batch")),
            };
        }
        let lists = [
            (self.audit_non_hmac_request_keys, &mut config.audit_non_hmac_request_keys),
            (self.audit_non_hmac_response_keys, &mut config.audit_non_hmac_response_keys),
            (self.passthrough_request_headers, &mut config.passthrough_request_headers),
            (self.allowed_response_headers, &mut config.allowed_response_headers),
        ];
        for (given, kept) in lists {
            if let Some(list) = given {
                if list.0.len() > 64 {
                    return Err(Error::invalid("a list of the mount's settings has more than 64 entries"));
                }
                kept.clone_from(&list.0);
            }
        }
        Ok(())
    }
}

fn tune(active: &Active, cx: &mut Context<'_>, auth: bool, path: &str, input: &TuneInput) -> Result<Outcome, Error> {
    let found = find(active, auth, path)?;
    let mut mount = Mount::clone(&found);
    Changes {
        default_lease_ttl: input.default_lease_ttl,
        max_lease_ttl: input.max_lease_ttl,
        force_no_cache: input.force_no_cache,
        listing_visibility: input.listing_visibility.as_deref(),
        token_type: input.token_type.as_deref(),
        audit_non_hmac_request_keys: input.audit_non_hmac_request_keys.as_ref(),
        audit_non_hmac_response_keys: input.audit_non_hmac_response_keys.as_ref(),
        passthrough_request_headers: input.passthrough_request_headers.as_ref(),
        allowed_response_headers: input.allowed_response_headers.as_ref(),
    }
    .apply(&mut mount.config)?;
    if let Some(description) = &input.description {
        if description.len() > DESCRIPTION_BYTES_MAX || description.chars().any(char::is_control) {
            return Err(Error::invalid("description is too long or has characters that cannot be printed"));
        }
        mount.description.clone_from(description);
    }
    if let Some(options) = &input.options {
        mount.options.extend(options.0.clone());
        let was = active.engine(&found)?;
        let next = active.registry.find(mount.class, &mount.kind, mount.version()).ok_or_else(no_version)?;
        // Versions of one kind share their records: the mount serves as the later one from this commit on.
        if next.version() < was.version() {
            return Err(Error::invalid(format!("cannot downgrade mount from version {}", was.version())));
        }
    }
    guard(cx)?;
    mounts::put(cx.state.kernel_side(), &mount, false)?;
    Ok(Extra::after(After::Mounts(MountChange::Put(Box::new(mount)))))
}

async fn remount(active: &Active, cx: &mut Context<'_>, from: &str, to: &str) -> Result<Outcome, Error> {
    let auth = from.trim_matches('/').starts_with("auth/");
    let bare = |path: &str| path.trim_matches('/').strip_prefix("auth/").unwrap_or(path.trim_matches('/')).to_owned();
    if to.trim_matches('/').starts_with("auth/") != auth {
        return Err(Error::invalid("cannot remount an auth method to a secrets path or the reverse"));
    }
    let found = find(active, auth, &bare(from))?;
    if found.class == MountClass::System {
        return Err(Error::invalid("this mount belongs to the system and cannot be moved"));
    }
    let mut mount = Mount::clone(&found);
    mount.path = mounts::check_path(&active.mounts.now(), mount.class, &bare(to))?;
    // Lease ids begin with the mount's path: moving under them would lose them.
    let namespace = cx.mount.namespace.clone();
    if !crate::leases::under(cx.state.kernel_side(), &namespace, &found.path, None, 1).await?.is_empty() {
        return Err(Error::invalid("the mount still has leases: revoke them first"));
    }
    guard(cx)?;
    mounts::put(cx.state.kernel_side(), &mount, false)?;
    #[derive(Serialize)]
    struct Answer {
        migration_id: String,
    }
    let migration_id = cardea_crypto::random::uuid4(cx.rng);
    cx.state.put(&migration_id, &Move { from: found.path.clone(), to: mount.path.clone() })?;
    let answer = cardea_model::Payload::of(&Answer { migration_id })?;
    let change = MountChange::Moved { from: found.path.clone(), mount: Box::new(mount) };
    Ok(Extra::with(Body::Object(answer), Extra { after: vec![After::Mounts(change)], ..Extra::default() }))
}

/// A move that happened; what clients poll.
#[derive(Serialize, Deserialize)]
struct Move {
    from: String,
    to: String,
}
cardea_storage::json_record!(Move, "mount-move", 1);

#[derive(Deserialize)]
struct StatusInput {
    migration_id: String,
}

async fn remount_status(cx: &mut Context<'_>, id: &str) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Info<'a> {
        source_mount: &'a str,
        target_mount: &'a str,
        status: &'static str,
    }
    #[derive(Serialize)]
    struct Answer<'a> {
        migration_id: &'a str,
        migration_info: Info<'a>,
    }
    let known = cx.state.get::<Move>(id).await?.ok_or_else(Error::not_found)?;
    let info = Info { source_mount: &known.from, target_mount: &known.to, status: "success" };
    Done::object(&Answer { migration_id: id, migration_info: info })
}

fn ui_mounts(active: &Active, cx: &Context<'_>) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Answer {
        auth: BTreeMap<String, View>,
        secret: BTreeMap<String, View>,
    }
    let mounts = active.mounts.now();
    let mut answer = Answer { auth: BTreeMap::new(), secret: BTreeMap::new() };
    for mount in mounts.iter() {
        let open = mount.config.listing_visibility.as_deref() == Some("unauth");
        if !(open || (cx.caller.is_some() && cx.rights.reaches(&mount.path))) {
            continue;
        }
        match mount.path.strip_prefix("auth/") {
            Some(path) => answer.auth.insert(path.to_owned(), View::of(mount)),
            None => answer.secret.insert(mount.path.clone(), View::of(mount)),
        };
    }
    Done::object(&answer)
}

fn ui_mount(active: &Active, cx: &Context<'_>, path: &str) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Answer {
        path: String,
        #[serde(flatten)]
        view: View,
    }
    let mounts = active.mounts.now();
    let folder = format!("{path}/");
    // Callers without any grant there learn nothing, not even whether there is a mount.
    let (mount, _) = mounts
        .resolve(&folder)
        .filter(|(mount, _)| cx.rights.reaches(&mount.path))
        .ok_or_else(|| Error::new(Cause::Denied, PREFLIGHT))?;
    Done::object(&Answer { path: mount.path.clone(), view: View::of(mount) })
}

/// A mount as clients parse it.
#[derive(Serialize)]
struct View {
    accessor: String,
    config: ConfigView,
    /// What belongs to the system can be called neither supported nor deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecation_status: Option<&'static str>,
    description: String,
    external_entropy_access: bool,
    local: bool,
    options: Option<BTreeMap<String, String>>,
    plugin_version: &'static str,
    running_plugin_version: &'static str,
    running_sha256: &'static str,
    seal_wrap: bool,
    #[serde(rename = "type")]
    kind: String,
    uuid: String,
}

#[derive(Serialize)]
struct ConfigView {
    default_lease_ttl: u64,
    max_lease_ttl: u64,
    force_no_cache: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing_visibility: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audit_non_hmac_request_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audit_non_hmac_response_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passthrough_request_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_response_headers: Vec<String>,
}

impl View {
    fn of(mount: &Mount) -> Self {
        let config = &mount.config;
        let token_type =
            config.token_type.clone().or_else(|| mount.path.starts_with("auth/").then(|| "default-service".to_owned()));
        Self {
            accessor: mount.accessor.clone(),
            config: ConfigView {
                default_lease_ttl: config.default_lease_ttl_s.unwrap_or(0),
                max_lease_ttl: config.max_lease_ttl_s.unwrap_or(0),
                force_no_cache: config.force_no_cache,
                listing_visibility: config.listing_visibility.clone(),
                token_type,
                audit_non_hmac_request_keys: config.audit_non_hmac_request_keys.clone(),
                audit_non_hmac_response_keys: config.audit_non_hmac_response_keys.clone(),
                passthrough_request_headers: config.passthrough_request_headers.clone(),
                allowed_response_headers: config.allowed_response_headers.clone(),
            },
            deprecation_status: (mount.class != MountClass::System).then_some("supported"),
            description: mount.description.clone(),
            external_entropy_access: false,
            local: mount.local,
            options: (!mount.options.is_empty()).then(|| mount.options.clone()),
            plugin_version: "",
            running_plugin_version: concat!("v", env!("CARGO_PKG_VERSION"), "+builtin.cardea"),
            running_sha256: "",
            seal_wrap: mount.seal_wrap,
            kind: mount.kind.clone(),
            uuid: mount.uuid.clone(),
        }
    }
}

/// A mount's effective settings.
#[derive(Serialize)]
struct Tuned {
    default_lease_ttl: u64,
    max_lease_ttl: u64,
    force_no_cache: bool,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing_visibility: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audit_non_hmac_request_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audit_non_hmac_response_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passthrough_request_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_response_headers: Vec<String>,
}

impl Tuned {
    fn of(mount: &Mount, default_s: u64, max_s: u64) -> Self {
        let view = View::of(mount);
        Self {
            default_lease_ttl: default_s,
            max_lease_ttl: max_s,
            force_no_cache: mount.config.force_no_cache,
            description: mount.description.clone(),
            options: view.options,
            listing_visibility: view.config.listing_visibility,
            token_type: view.config.token_type,
            audit_non_hmac_request_keys: view.config.audit_non_hmac_request_keys,
            audit_non_hmac_response_keys: view.config.audit_non_hmac_response_keys,
            passthrough_request_headers: view.config.passthrough_request_headers,
            allowed_response_headers: view.config.allowed_response_headers,
        }
    }
}
