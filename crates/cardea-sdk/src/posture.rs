//! Posture: which secrets are older, less used or less cared for than their owners want. What limits are, what is asked and
//! what a page shows, for every engine that keeps secrets and for the kernel, which joins their pages. It holds no value of a
//! secret, and a read that is not known must never look like one that did not happen.

use crate::context::Context;
use async_trait::async_trait;
use cardea_model::loose::{self, Flag, Int};
use cardea_model::{Error, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Secrets on one page, if the caller names no number, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 500;
/// Kinds that may have limits in one place, and bytes of a kind's name: all stand in one record.
const KINDS_MAX: usize = 64;
const KIND_BYTES_MAX: usize = 128;

/// Name of the one record with limits of a mount, or of all mounts.
pub const LIMITS_NAME: &str = "limits";
/// Members of what is asked; none is secret.
pub const PAGE_FIELDS: &[&str] = &["after", "limit", "findings"];
/// Members of limits; none is secret.
pub const LIMIT_FIELDS: &[&str] = &["max_age", "max_unread", "must_rotate", "must_expire"];

/// What an owner wants of secrets, by their kinds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PostureLimits {
    pub kinds: BTreeMap<String, Limits>,
}

/// What is wanted of secrets of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Seconds since the current version was written.
    pub max_age_s: Option<u64>,
    /// Seconds since somebody read it.
    pub max_unread_s: Option<u64>,
    /// Whether it needs a rotation with a schedule that is not held.
    pub must_rotate: bool,
    /// Whether its current version must delete itself some day.
    pub must_expire: bool,
}

/// Wanted limits of one kind; `None` leaves what is there.
#[derive(Debug, Default)]
pub struct LimitsChange {
    pub kind: String,
    max_age_s: Option<Option<u64>>,
    max_unread_s: Option<Option<u64>>,
    must_rotate: Option<bool>,
    must_expire: Option<bool>,
}

impl PostureLimits {
    /// Takes a change in.
    ///
    /// # Errors
    /// Too many kinds, or a kind's name that is too long.
    pub fn change(&mut self, change: &LimitsChange) -> Result<(), Error> {
        let kind = &change.kind;
        if kind.len() > KIND_BYTES_MAX || (!self.kinds.contains_key(kind) && self.kinds.len() >= KINDS_MAX) {
            let words = format!("there are {KINDS_MAX} kinds already, or the name is over {KIND_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        let of = self.kinds.entry(kind.clone()).or_default();
        of.max_age_s = change.max_age_s.unwrap_or(of.max_age_s);
        of.max_unread_s = change.max_unread_s.unwrap_or(of.max_unread_s);
        of.must_rotate = change.must_rotate.unwrap_or(of.must_rotate);
        of.must_expire = change.must_expire.unwrap_or(of.must_expire);
        Ok(())
    }

    /// These, and for kinds that have none here those of `above`.
    #[must_use]
    pub fn below(mut self, above: &Self) -> Self {
        for (kind, limits) in &above.kinds {
            self.kinds.entry(kind.clone()).or_insert_with(|| limits.clone());
        }
        self
    }

    /// What clients see.
    #[must_use]
    pub fn form(&self) -> LimitsForm<'_> {
        let of = |limits: &Limits| KindForm {
            max_age: limits.max_age_s.unwrap_or_default(),
            max_unread: limits.max_unread_s.unwrap_or_default(),
            must_rotate: limits.must_rotate,
            must_expire: limits.must_expire,
        };
        LimitsForm { kinds: self.kinds.iter().map(|(kind, limits)| (kind.as_str(), of(limits))).collect() }
    }
}

#[derive(Serialize)]
pub struct LimitsForm<'a> {
    kinds: BTreeMap<&'a str, KindForm>,
}

/// Spans in seconds; 0 where there is no limit.
#[derive(Serialize)]
struct KindForm {
    max_age: u64,
    max_unread: u64,
    must_rotate: bool,
    must_expire: bool,
}

/// How limits of a kind are set.
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

impl From<LimitsInput> for LimitsChange {
    fn from(input: LimitsInput) -> Self {
        let span = |span: loose::Duration| span.none_if_zero().map(|seconds| seconds.0);
        Self {
            kind: input.kind,
            max_age_s: input.max_age.map(span),
            max_unread_s: input.max_unread.map(span),
            must_rotate: input.must_rotate.map(|Flag(flag)| flag),
            must_expire: input.must_expire.map(|Flag(flag)| flag),
        }
    }
}

/// A kind by its name.
#[derive(Deserialize)]
pub struct KindInput {
    pub kind: String,
}

/// How a page is asked for.
#[derive(Deserialize)]
pub struct PageInput {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<Int>,
    #[serde(default)]
    findings: Option<Flag>,
}

/// The page that is wanted.
#[derive(Clone, Debug)]
pub struct PageWish {
    /// The last secret of the page before.
    pub after: Option<String>,
    pub limit: usize,
    /// Whether only secrets that are beyond a limit are wanted.
    pub findings: bool,
}

impl PageWish {
    /// Within the bounds of a page.
    #[must_use]
    pub fn of(after: Option<String>, limit: Option<Int>, findings: Option<Flag>) -> Self {
        let limit = limit.and_then(|Int(limit)| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        Self {
            after: after.filter(|after| !after.is_empty()),
            limit: limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
            findings: findings.is_some_and(|Flag(flag)| flag),
        }
    }
}

impl From<PageInput> for PageWish {
    fn from(input: PageInput) -> Self {
        Self::of(input.after, input.limit, input.findings)
    }
}

/// Some secrets.
#[derive(Debug, Serialize)]
pub struct PosturePage {
    pub secrets: Vec<PostureItem>,
    /// Where the next page goes on; absent at the end. It names nothing that the caller may not see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Reads of before are not known.
    #[serde(serialize_with = "rfc3339")]
    pub reads_known_since: Option<Timestamp>,
    /// Whether the log was read to its end; if not, ask again.
    pub log_complete: bool,
}

impl Default for PosturePage {
    fn default() -> Self {
        Self { secrets: Vec::new(), next: None, reads_known_since: None, log_complete: true }
    }
}

fn rfc3339<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.rfc3339()).serialize(serializer)
}

/// One secret.
#[derive(Debug, Serialize)]
pub struct PostureItem {
    pub path: String,
    pub kind: String,
    pub version: u64,
    pub created: String,
    /// Seconds.
    pub age: u64,
    /// Who wrote the newest version that no rotation made.
    pub owner: String,
    pub last_read: Option<String>,
    pub last_rotated: Option<String>,
    pub next_rotation: Option<String>,
    /// When its current version deletes itself.
    pub expires: Option<String>,
    pub findings: Vec<&'static str>,
}

/// An engine that says how its secrets stand.
#[async_trait]
pub trait Postures: Send + Sync {
    /// A page of the secrets that the caller may know of, by their paths inside the mount, against the mount's own limits and,
    /// for kinds that have none there, those of `above`.
    ///
    /// # Errors
    /// The store's.
    async fn posture(
        &self,
        cx: &mut Context<'_>,
        above: &PostureLimits,
        wanted: &PageWish,
    ) -> Result<PosturePage, Error>;
}
