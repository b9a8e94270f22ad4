//! Which secrets are older, less used or less cared for than their owner wants. It writes nothing: what was read stands in the
//! log. Each secret is judged by its own name, and nothing here may show that one exists which the caller may not see; a read
//! that is not known must never look like one that did not happen.

use crate::kv::model::{Limits, POSTURE_NAME, Pointer, PostureLimits};
use crate::kv::query::{LOOKED_AT_MAX, seen};
use crate::kv::rotation;
use crate::kv::routes::Op;
use cardea_model::consumer::SecretReaders;
use cardea_model::loose::{self, Flag, Int};
use cardea_model::rotation::Rotation;
use cardea_model::secret::Secret;
use cardea_model::{Error, Timestamp};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Secrets on one page, if the caller names no number, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 500;
/// Names fetched at once.
const NAMES_AT_ONCE: usize = 256;
/// Kinds that may have limits, and bytes of a kind's name: all stand in one record.
const KINDS_MAX: usize = 64;
const KIND_BYTES_MAX: usize = 128;
/// The kind of secrets of no kind that has limits.
const KIND_DEFAULT: &str = "default";
/// The pair of a secret's metadata that names its kind.
const KIND_KEY: &str = "kind";

/// Members of limits; none is secret.
pub const LIMIT_FIELDS: &[&str] = &["max_age", "max_unread", "must_rotate", "must_expire"];

/// What is asked.
#[derive(Debug)]
pub enum PostureAct {
    Page { after: Option<String>, limit: usize, findings: bool },
    Limits,
    SetLimits { kind: String, change: LimitsChange },
    RemoveLimits { kind: String },
}

/// Wanted limits; `None` leaves what is there.
#[derive(Debug, Default)]
pub struct LimitsChange {
    max_age_s: Option<Option<u64>>,
    max_unread_s: Option<Option<u64>>,
    must_rotate: Option<bool>,
    must_expire: Option<bool>,
}

#[derive(Deserialize)]
pub struct PageInput {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<Int>,
    #[serde(default)]
    findings: Option<Flag>,
}

pub fn page(input: PageInput) -> Result<Op, Error> {
    let limit = input.limit.and_then(|Int(limit)| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    Ok(Op::Posture(PostureAct::Page {
        after: input.after.filter(|after| !after.is_empty()),
        limit: limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
        findings: input.findings.is_some_and(|Flag(flag)| flag),
    }))
}

#[derive(Deserialize)]
pub struct LimitsInput {
    kind: String,
    #[serde(default)]
    max_age: Option<loose::Duration>,
    #[serde(default)]
    max_unread: Option<loose::Duration>,
    #[serde(default)]
    must_rotate: Option<Flag>,
    #[serde(default)]
    must_expire: Option<Flag>,
}

pub fn set_limits(input: LimitsInput) -> Result<Op, Error> {
    let span = |span: loose::Duration| span.none_if_zero().map(|seconds| seconds.0);
    let change = LimitsChange {
        max_age_s: input.max_age.map(span),
        max_unread_s: input.max_unread.map(span),
        must_rotate: input.must_rotate.map(|Flag(flag)| flag),
        must_expire: input.must_expire.map(|Flag(flag)| flag),
    };
    Ok(Op::Posture(PostureAct::SetLimits { kind: input.kind, change }))
}

#[derive(Deserialize)]
pub struct KindInput {
    kind: String,
}

pub fn remove_limits(input: KindInput) -> Result<Op, Error> {
    Ok(Op::Posture(PostureAct::RemoveLimits { kind: input.kind }))
}

/// Does what is asked.
///
/// # Errors
/// Too many kinds, or a kind's name that is too long.
pub async fn handle(cx: &mut Context<'_>, act: &PostureAct) -> Result<Outcome, Error> {
    let mut limits = cx.state.get::<PostureLimits>(POSTURE_NAME).await?.unwrap_or_default();
    match act {
        PostureAct::Page { after, limit, findings } => {
            Done::object(&list(cx, &limits, after.as_deref(), *limit, *findings).await?)
        }
        PostureAct::Limits => {
            let kinds = limits.kinds.iter().map(|(kind, limits)| (kind.as_str(), LimitsForm::of(limits))).collect();
            Done::object(&AllLimits { kinds })
        }
        PostureAct::SetLimits { kind, change } => {
            if kind.len() > KIND_BYTES_MAX || (!limits.kinds.contains_key(kind) && limits.kinds.len() >= KINDS_MAX) {
                let words = format!("there are {KINDS_MAX} kinds already, or the name is over {KIND_BYTES_MAX} bytes");
                return Err(Error::invalid(words));
            }
            let of = limits.kinds.entry(kind.clone()).or_default();
            of.max_age_s = change.max_age_s.unwrap_or(of.max_age_s);
            of.max_unread_s = change.max_unread_s.unwrap_or(of.max_unread_s);
            of.must_rotate = change.must_rotate.unwrap_or(of.must_rotate);
            of.must_expire = change.must_expire.unwrap_or(of.must_expire);
            cx.state.put(POSTURE_NAME, &limits)?;
            Ok(Done::empty())
        }
        PostureAct::RemoveLimits { kind } => {
            if limits.kinds.remove(kind).is_some() {
                cx.state.put(POSTURE_NAME, &limits)?;
            }
            Ok(Done::empty())
        }
    }
}

#[derive(Serialize)]
struct AllLimits<'a> {
    kinds: BTreeMap<&'a str, LimitsForm>,
}

/// Spans in seconds; 0 where there is no limit.
#[derive(Serialize)]
struct LimitsForm {
    max_age: u64,
    max_unread: u64,
    must_rotate: bool,
    must_expire: bool,
}

impl LimitsForm {
    fn of(limits: &Limits) -> Self {
        Self {
            max_age: limits.max_age_s.unwrap_or_default(),
            max_unread: limits.max_unread_s.unwrap_or_default(),
            must_rotate: limits.must_rotate,
            must_expire: limits.must_expire,
        }
    }
}

#[derive(Serialize)]
struct PageForm {
    secrets: Vec<Item>,
    /// Where the next page goes on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Reads of before are not known.
    reads_known_since: Option<String>,
    /// Whether the log was read to its end; if not, ask again.
    log_complete: bool,
}

#[derive(Serialize)]
struct Item {
    path: String,
    kind: String,
    version: u64,
    created: String,
    /// Seconds.
    age: u64,
    /// Who wrote the newest version that no rotation made.
    owner: String,
    last_read: Option<String>,
    last_rotated: Option<String>,
    next_rotation: Option<String>,
    /// When its current version deletes itself.
    expires: Option<String>,
    findings: Vec<&'static str>,
}

async fn list(
    cx: &mut Context<'_>,
    limits: &PostureLimits,
    after: Option<&str>,
    limit: usize,
    only_findings: bool,
) -> Result<PageForm, Error> {
    let mut form = PageForm { secrets: Vec::new(), next: None, reads_known_since: None, log_complete: true };
    let mut cursor = after.map(str::to_owned);
    // The last secret that was looked at: the caller may see it, or it would not have been.
    let mut last: Option<String> = None;
    let mut looked_at = 0;
    loop {
        let names = cx.state.names::<Pointer>("", cursor.as_deref(), NAMES_AT_ONCE).await?;
        let Some(end) = names.last() else { return Ok(form) };
        cursor = Some(end.clone());
        for name in &names {
            let Some(seen) = seen(cx, name).await? else { continue };
            if form.secrets.len() >= limit || looked_at >= LOOKED_AT_MAX {
                form.next = last;
                return Ok(form);
            }
            looked_at += 1;
            last = Some(name.clone());
            let Some(pointer) = seen.0 else { continue };
            let secret = &pointer.0;
            if secret.deleted.is_some() || secret.version(secret.current).is_none() {
                continue;
            }
            let rotation = rotation::of(cx, secret).await?;
            let readers = cx.system.readers(&secret.id).await?;
            form.reads_known_since = readers.since.map(|at| at.rfc3339());
            form.log_complete &= readers.complete;
            let item = item(secret, rotation.as_ref(), &readers, limits, cx.now);
            form.secrets.extend(item.filter(|item| !only_findings || !item.findings.is_empty()));
        }
    }
}

fn item(
    secret: &Secret,
    rotation: Option<&Rotation>,
    readers: &SecretReaders,
    limits: &PostureLimits,
    now: Timestamp,
) -> Option<Item> {
    let current = secret.version(secret.current)?;
    let named = secret.metadata.get(KIND_KEY).filter(|kind| limits.kinds.contains_key(*kind));
    let kind = named.map_or(KIND_DEFAULT, String::as_str);
    let next = rotation.filter(|rotation| !rotation.paused).and_then(|rotation| rotation.next);
    let age_s = now.seconds_from(current.created);
    let mut findings = Vec::new();
    if let Some(wanted) = limits.kinds.get(kind) {
        if wanted.max_age_s.is_some_and(|max| age_s > max) {
            findings.push("too-old");
        }
        if let Some(max_s) = wanted.max_unread_s {
            // A secret that is younger than that may still be read for the first time.
            let known_s = |at: Option<Timestamp>| at.map(|at| now.seconds_from(at));
            match known_s(readers.last_read) {
                Some(unread_s) if unread_s > max_s => findings.push("unread"),
                Some(_) => {}
                None if now.seconds_from(secret.created) <= max_s => {}
                None if readers.complete && known_s(readers.since).is_some_and(|known| known > max_s) => {
                    findings.push("unread");
                }
                None => findings.push("unread-unknown"),
            }
        }
        if wanted.must_rotate && next.is_none() {
            findings.push("never-rotates");
        }
        if wanted.must_expire && current.deletion.is_none() {
            findings.push("never-expires");
        }
    }
    if rotation.is_some_and(|rotation| rotation.last_failure.is_some()) {
        findings.push("rotation-failed");
    }
    let written = secret.versions.iter().rev().find(|version| version.rotator.is_none() && !version.creator.is_empty());
    Some(Item {
        path: secret.path.clone(),
        kind: kind.to_owned(),
        version: current.number,
        created: current.created.rfc3339(),
        age: age_s,
        owner: written.map_or_else(String::new, |version| version.creator.clone()),
        last_read: readers.last_read.map(|at| at.rfc3339()),
        last_rotated: rotation.and_then(|rotation| rotation.last_rotated).map(|at| at.rfc3339()),
        next_rotation: next.map(|at| at.rfc3339()),
        expires: current.deletion.map(|at| at.rfc3339()),
        findings,
    })
}
