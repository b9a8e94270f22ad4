//! `sys/audit` and `sys/audit-hash` as Vault's users know them, and `sys/audit-log`: export, search and checkpoints of the log.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::log::{self, DeviceRecord, KeptCheckpoint, OnLag};
use cardea_audit::merkle::leaf_hash;
use cardea_audit::record::Record;
use cardea_audit::search::{Query, QuerySpec};
use cardea_model::{Action, Body, CanonicalPath, Envelope, Error, NamespaceId, SecretBytes, SecretText, loose};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use cardea_storage::txn::read_error;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most devices.
const DEVICES_MAX: usize = 16;
/// Records of one page of an export.
const EXPORT_RECORDS_MAX: u64 = 5_000;
/// Records that one search looks at; the answer says where to go on.
const SEARCH_RECORDS_MAX: u64 = 50_000;
/// Records that one search answers with.
const SEARCH_FOUND_MAX: usize = 1_000;
/// Records read from the log at once.
const READ_AT_ONCE: usize = 512;

pub enum Op {
    List,
    Enable(Box<EnableInput>),
    Disable { path: String },
    Hash { path: String, input: SecretText },
    Checkpoint,
    Checkpoints,
    Export { from: u64, limit: u64 },
    Search(Box<SearchInput>),
}

#[derive(Deserialize)]
pub struct EnableInput {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    options: loose::Pairs,
    #[serde(default)]
    local: loose::Flag,
}

#[derive(Deserialize)]
struct PathInput {
    path: String,
}

#[derive(Deserialize)]
struct HashInput {
    path: String,
    input: SecretText,
}

#[derive(Deserialize)]
struct ExportInput {
    #[serde(default)]
    from: Option<loose::Int>,
    #[serde(default)]
    limit: Option<loose::Int>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SearchInput {
    path: String,
    caller: String,
    address: String,
    from: String,
    to: String,
    decision: String,
    operation: String,
    /// A plain value that was hashed on its way into the log.
    value: Option<SecretText>,
    after: Option<loose::Int>,
    limit: Option<loose::Int>,
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::read("audit-list", "audit", |p| Bound::plain(p, SysOp::Audit(Op::List)))
            .envelope(Envelope::Flattened)
            .access(Access::Sudo)
            .help("Enabled audit devices."),
        Route::write("audit-enable", "audit/{path..}", |p| {
            Bound::read(p, |i: EnableInput| SysOp::Audit(Op::Enable(Box::new(i))))
        })
        .access(Access::Sudo)
        .clear(&["type", "description", "options", "local"])
        .help("Enables an audit device: a follower of the log.")
        .example("{\"type\": \"file\", \"options\": {\"file_path\": \"/var/log/cardea.log\"}}"),
        Route::delete("audit-disable", "audit/{path..}", |p| {
            Bound::read(p, |i: PathInput| SysOp::Audit(Op::Disable { path: i.path }))
        })
        .access(Access::Sudo)
        .help("Disables an audit device."),
        Route::write("audit-hash", "audit-hash/{path..}", |p| {
            Bound::read(p, |i: HashInput| SysOp::Audit(Op::Hash { path: i.path, input: i.input }))
        })
        .envelope(Envelope::Flattened)
        .help("The keyed hash by which the log knows a value."),
        Route::read("audit-log-checkpoint", "audit-log/checkpoint", |p| Bound::plain(p, SysOp::Audit(Op::Checkpoint)))
            .help("The newest signed checkpoint of the log, and the key that verifies it."),
        Route::read("audit-log-checkpoints", "audit-log/checkpoints", |p| {
            Bound::plain(p, SysOp::Audit(Op::Checkpoints))
        })
        .help("Kept checkpoints, oldest first."),
        Route::read("audit-log-export", "audit-log/export", |p| {
            Bound::read(p, |i: ExportInput| {
                let number = |n: Option<loose::Int>| n.and_then(|n| u64::try_from(n.0).ok());
                let limit = number(i.limit).unwrap_or(EXPORT_RECORDS_MAX).clamp(1, EXPORT_RECORDS_MAX);
                SysOp::Audit(Op::Export { from: number(i.from).unwrap_or(0), limit })
            })
        })
        .access(Access::Sudo)
        .clear(&["from", "limit"])
        .help("A page of the log in the form that `audit verify` reads."),
        Route::read("audit-log-search", "audit-log/search", |p| {
            Bound::read(p, |i: SearchInput| SysOp::Audit(Op::Search(Box::new(i))))
        })
        .access(Access::Sudo)
        .action(Action::Read)
        .clear(&["path", "caller", "address", "from", "to", "decision", "operation", "after", "limit"])
        .help("Records by path, caller, address, time and decision."),
    ]
}

#[derive(Serialize)]
struct DeviceView {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
    options: BTreeMap<String, String>,
    local: bool,
    behind: u64,
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::List => {
            let size = active.sealed.store().log_size().await.map_err(read_error)?;
            let mut out = BTreeMap::new();
            for device in log::devices(cx.state.kernel_side()).await? {
                let behind = size.saturating_sub(device.cursor);
                out.insert(
                    device.path.clone(),
                    DeviceView {
                        path: device.path,
                        kind: device.kind,
                        description: device.description,
                        options: device.options,
                        local: false,
                        behind,
                    },
                );
            }
            Done::object(&out)
        }
        Op::Enable(input) => enable(active, cx, input).await,
        Op::Disable { path } => {
            let path = device_path(path)?;
            log::device_view(cx.state.kernel_side()).delete::<DeviceRecord>(&path);
            Ok(Extra::after(After::Devices))
        }
        Op::Hash { path, input } => {
            let path = device_path(path)?;
            if !log::device_view(cx.state.kernel_side()).exists::<DeviceRecord>(&path).await? {
                return Err(Error::invalid("unknown audit backend"));
            }
            #[derive(Serialize)]
            struct Answer {
                hash: String,
            }
            Done::object(&Answer { hash: active.hashes.audit.text(input.expose()).to_string() })
        }
        Op::Checkpoint => {
            #[derive(Serialize)]
            struct Answer {
                checkpoint: String,
                key: String,
            }
            let checkpoint = active.log.latest_checkpoint().ok_or_else(Error::not_found)?;
            Done::object(&Answer { checkpoint, key: active.log.verifier_key() })
        }
        Op::Checkpoints => {
            #[derive(Serialize)]
            struct Answer {
                origin: String,
                key: String,
                /// Where an export begins, and the right edge of the tree there.
                first: u64,
                frontier: Vec<String>,
                checkpoints: Vec<String>,
            }
            let trimmed_to = active.sealed.store().stats().log_first;
            let kept = kept(cx, trimmed_to).await?;
            let (first, frontier) = match kept.first() {
                Some(start) if trimmed_to > 0 => {
                    (start.frontier.size(), start.frontier.nodes().iter().map(ToString::to_string).collect())
                }
                _ => (0, Vec::new()),
            };
            let mut checkpoints: Vec<String> = kept.into_iter().map(|kept| kept.text).collect();
            if let Some(latest) = active.log.latest_checkpoint()
                && checkpoints.last() != Some(&latest)
            {
                checkpoints.push(latest);
            }
            Done::object(&Answer {
                origin: active.log.origin().to_owned(),
                key: active.log.verifier_key(),
                first,
                frontier,
                checkpoints,
            })
        }
        Op::Export { from, limit } => export_page(active, *from, *limit).await,
        Op::Search(input) => search_log(active, input).await,
    }
}

fn device_path(path: &str) -> Result<String, Error> {
    let bare = path.trim_matches('/');
    CanonicalPath::parse(bare)?;
    Ok(format!("{bare}/"))
}

async fn enable(active: &Active, cx: &mut Context<'_>, input: &EnableInput) -> Result<Outcome, Error> {
    let path = device_path(&input.path)?;
    let kind = active.registry.find_device(&input.kind).ok_or_else(|| Error::invalid("unknown audit device type"))?;
    if log::devices(cx.state.kernel_side()).await?.len() >= DEVICES_MAX {
        return Err(Error::invalid("there are too many audit devices"));
    }
    if log::device_view(cx.state.kernel_side()).exists::<DeviceRecord>(&path).await? {
        return Err(Error::invalid("path already in use"));
    }
    if input.local.0 {
        cx.warn("local has no meaning here: every device follows the log of its own node");
    }
    if input
        .options
        .0
        .get("hmac_accessor")
        .is_some_and(|flag| matches!(flag.to_ascii_lowercase().as_str(), "false" | "f" | "0"))
    {
        cx.warn("hmac_accessor = false has no effect: the log has accessors as keyed hashes only, which sys/audit-hash finds");
    }
    let mut options = input.options.0.clone();
    let on_lag = match options.remove("on_lag").as_deref() {
        None | Some("alarm") => OnLag::Alarm,
        Some("ignore") => OnLag::Ignore,
        Some("stop") => OnLag::Stop,
        Some(_) => return Err(Error::invalid("on_lag must be ignore, alarm or stop")),
    };
    // A device that does not open is refused now, not found out by its silence.
    kind.open(&options).map_err(|why| Error::invalid(format!("the audit device does not open: {why}")))?;
    let cursor = active.sealed.store().log_size().await.map_err(read_error)?;
    let device = DeviceRecord {
        path: path.clone(),
        kind: input.kind.clone(),
        description: input.description.clone(),
        options,
        cursor,
        on_lag,
    };
    log::device_view(cx.state.kernel_side()).put(&path, &device)?;
    Ok(Extra::after(After::Devices))
}

async fn kept(cx: &mut Context<'_>, from: u64) -> Result<Vec<KeptCheckpoint>, Error> {
    /// Checkpoints of a page; one a minute is kept.
    const CHECKPOINTS_MAX: usize = 10_000;
    let mut view = View::new(cx.state.kernel_side(), &NamespaceId::root(), "log");
    let after = format!("{:020}", from.saturating_sub(1));
    let names = view
        .names::<KeptCheckpoint>("", Some(&after).filter(|_| from > 0).map(String::as_str), CHECKPOINTS_MAX)
        .await?;
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        if let Some(checkpoint) = view.get::<KeptCheckpoint>(&name).await? {
            out.push(checkpoint);
        }
    }
    Ok(out)
}

/// Pages are joined by the client: raw records with their positions, and where the log begins and ends.
async fn export_page(active: &Active, from: u64, limit: u64) -> Result<Outcome, Error> {
    let store = active.sealed.store();
    let mut lines = Vec::new();
    let mut at = from;
    let mut count = 0;
    'pages: while count < limit {
        let page = store.log_read(at, READ_AT_ONCE).await.map_err(read_error)?;
        if page.is_empty() {
            break;
        }
        for (position, record) in page {
            if count >= limit || lines.len() + record.len() > EXPORT_BYTES_MAX {
                break 'pages;
            }
            // The record's bytes as logged, between braces of ours: the line form of cardea_audit::export.
            lines.extend_from_slice(
                format!("{{\"position\":{position},\"leaf\":\"{}\",\"record\":", leaf_hash(&record)).as_bytes(),
            );
            lines.extend_from_slice(&record);
            lines.extend_from_slice(b"}\n");
            at = position + 1;
            count += 1;
        }
    }
    Ok(Done::body(Body::Raw { status: 200, content_type: "application/x-ndjson", bytes: SecretBytes::new(lines) }))
}

/// Bytes of one page of an export: below the size at which clients complain.
const EXPORT_BYTES_MAX: usize = 8 * 1024 * 1024;

async fn search_log(active: &Active, input: &SearchInput) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Found {
        position: u64,
        record: Record,
    }
    #[derive(Serialize)]
    struct Answer {
        found: Vec<Found>,
        /// Where the next search goes on; absent at the end of the log.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    }
    let query = query_of(active, input)?;
    let limit =
        input.limit.and_then(|n| usize::try_from(n.0).ok()).filter(|n| *n > 0).unwrap_or(100).min(SEARCH_FOUND_MAX);
    let store = active.sealed.store();
    let begin = input.after.and_then(|n| u64::try_from(n.0).ok()).unwrap_or(0);
    let mut at = begin;
    let mut answer = Answer { found: Vec::new(), next: None };
    loop {
        let page = store.log_read(at, READ_AT_ONCE).await.map_err(read_error)?;
        let Some((last, _)) = page.last() else { return Done::object(&answer) };
        let after_page = last + 1;
        for (position, bytes) in page {
            let Ok(record) = Record::decode(&bytes) else { continue };
            if query.matches(&record) {
                if answer.found.len() >= limit {
                    answer.next = Some(position);
                    return Done::object(&answer);
                }
                answer.found.push(Found { position, record });
            }
        }
        at = after_page;
        if at.saturating_sub(begin) >= SEARCH_RECORDS_MAX {
            answer.next = Some(at);
            return Done::object(&answer);
        }
    }
}

fn query_of(active: &Active, input: &SearchInput) -> Result<Query, Error> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let spec = QuerySpec {
        path: given(&input.path),
        caller: given(&input.caller),
        address: given(&input.address),
        from: given(&input.from),
        to: given(&input.to),
        decision: given(&input.decision),
        operation: given(&input.operation),
        value: input.value.as_ref().and_then(|value| given(value.expose())),
        ..QuerySpec::default()
    };
    Query::parse(&spec, Some(&active.hashes.audit)).map_err(|e| Error::invalid(format!("search: {e}")))
}
