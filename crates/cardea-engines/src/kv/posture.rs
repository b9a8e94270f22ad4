//! Which secrets of a mount are older, less used or less cared for than their owner wants. It writes nothing but limits: what
//! was read stands in the log. Each secret is judged by its own name, and nothing here may show that one exists which the
//! caller may not see; a read that is not known must never look like one that did not happen.

use crate::kv::model::StoredLimits;
use crate::kv::query::{LOOKED_AT_MAX, WALKED_MAX, Walk, seen};
use crate::kv::{places, rotation};
use cardea_model::consumer::SecretReaders;
use cardea_model::rotation::Rotation;
use cardea_model::secret::Secret;
use cardea_model::{Error, Timestamp};
use cardea_sdk::posture::{LIMITS_NAME, LimitsChange, PageWish, PostureItem, PostureLimits, PosturePage, Postures};
use cardea_sdk::{Context, Done, Outcome, async_trait};

/// In front of a place where a page ended among names that the caller may not see; no path begins so.
const SEALED: &str = "//";
/// The kind of secrets of no kind that has limits.
const KIND_DEFAULT: &str = "default";
/// The pair of a secret's metadata that names its kind.
const KIND_KEY: &str = "kind";

/// What is asked.
#[derive(Debug)]
pub enum PostureAct {
    Page(PageWish),
    Limits,
    SetLimits(LimitsChange),
    RemoveLimits { kind: String },
}

/// Does what is asked.
///
/// # Errors
/// Too many kinds, or a kind's name that is too long.
pub async fn handle(cx: &mut Context<'_>, act: &PostureAct) -> Result<Outcome, Error> {
    let mut limits = cx.state.get::<StoredLimits>(LIMITS_NAME).await?.unwrap_or_default();
    match act {
        PostureAct::Page(wanted) => Done::object(&list(cx, &limits.0, wanted).await?),
        PostureAct::Limits => Done::object(&limits.0.form()),
        PostureAct::SetLimits(change) => {
            limits.0.change(change)?;
            cx.state.put(LIMITS_NAME, &limits)?;
            Ok(Done::empty())
        }
        PostureAct::RemoveLimits { kind } => {
            if limits.0.kinds.remove(kind).is_some() {
                cx.state.put(LIMITS_NAME, &limits)?;
            }
            Ok(Done::empty())
        }
    }
}

/// Of both versions: they stand on the same records.
pub struct OfMount;

#[async_trait]
impl Postures for OfMount {
    async fn posture(
        &self,
        cx: &mut Context<'_>,
        above: &PostureLimits,
        wanted: &PageWish,
    ) -> Result<PosturePage, Error> {
        let own = cx.state.get::<StoredLimits>(LIMITS_NAME).await?.unwrap_or_default();
        list(cx, &own.0.below(above), wanted).await
    }
}

async fn list(cx: &mut Context<'_>, limits: &PostureLimits, wanted: &PageWish) -> Result<PosturePage, Error> {
    let mut page = PosturePage::default();
    let after = match wanted.after.as_deref().map(|after| after.strip_prefix(SEALED)) {
        None => None,
        Some(Some(place)) => Some(places::open(cx, place)?),
        Some(None) => wanted.after.clone(),
    };
    // The last secret that was looked at: the caller may see it, or it would not have been.
    let mut last: Option<String> = None;
    let mut walk = Walk::new(cx, after);
    let (mut looked_at, mut walked, mut behind) = (0, 0, None::<String>);
    while let Some(names) = walk.next(cx).await? {
        for name in &names {
            if walked >= WALKED_MAX {
                page.next = behind.map(|name| format!("{SEALED}{}", places::seal(cx, &name)));
                return Ok(page);
            }
            behind = Some(name.clone());
            let (seen, weight) = seen(cx, name).await?;
            walked += weight;
            let Some(seen) = seen else { continue };
            if page.secrets.len() >= wanted.limit || looked_at >= LOOKED_AT_MAX {
                page.next = last;
                return Ok(page);
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
            page.reads_known_since = readers.since;
            page.log_complete &= readers.complete;
            let item = item(secret, rotation.as_ref(), &readers, limits, cx.now);
            page.secrets.extend(item.filter(|item| !wanted.findings || !item.findings.is_empty()));
        }
    }
    Ok(page)
}

fn item(
    secret: &Secret,
    rotation: Option<&Rotation>,
    readers: &SecretReaders,
    limits: &PostureLimits,
    now: Timestamp,
) -> Option<PostureItem> {
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
    Some(PostureItem {
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
