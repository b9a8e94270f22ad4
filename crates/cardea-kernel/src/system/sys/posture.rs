//! `sys/posture`: the secrets of every mount that keeps some, against what their owners want, and limits that hold for all of
//! them. Each mount judges its own secrets, by the caller's own rights; nothing here may show one that the caller may not see.

use super::Op as SysOp;
use crate::active::Active;
use crate::surroundings;
use cardea_model::loose::{Flag, Int};
use cardea_model::mount::Mount;
use cardea_model::{CanonicalPath, Error, Params};
use cardea_sdk::posture::{
    KindInput, LIMIT_FIELDS, LIMITS_NAME, LimitsChange, LimitsInput, PageWish, PostureLimits, PosturePage,
};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub enum Op {
    Page { wanted: PageWish, mount: Option<String> },
    Limits,
    SetLimits(LimitsChange),
    RemoveLimits { kind: String },
}

#[derive(Deserialize)]
struct MountInput {
    #[serde(default)]
    mount: String,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<Int>,
    #[serde(default)]
    findings: Option<Flag>,
}

/// Limits of all mounts, for kinds that have none in their own.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct StoredLimits(PostureLimits);

json_record!(StoredLimits, "posture", 1);

pub(super) fn routes() -> Vec<Route<SysOp>> {
    fn page(p: &Params) -> Result<Bound<SysOp>, Error> {
        Bound::try_read(p, |input: MountInput| {
            let mount = Some(input.mount.trim_end_matches('/')).filter(|mount| !mount.is_empty());
            let mount = mount.map(|mount| CanonicalPath::parse(mount).map(|path| path.into_folder().to_string()));
            let wanted = PageWish::of(input.after, input.limit, input.findings);
            Ok(SysOp::Posture(Op::Page { wanted, mount: mount.transpose()? }))
        })
    }
    let one = "posture-limits/{kind}";
    vec![
        Route::read("posture", "posture", page)
            .clear(&["after", "limit", "findings", "mount"])
            .help("Reads the age, owner, last read and rotation of the secrets of every mount, or of one, whose metadata the caller may read, against the limits of their kinds. With findings only those that are beyond one. It looks at a bounded part of the log: if log_complete is false, ask again."),
        Route::read("posture-limits-read", "posture-limits", |p| Bound::plain(p, SysOp::Posture(Op::Limits)))
            .clear_answer(&["kinds"])
            .help("Reads the limits that hold in every mount which has none of its own for a kind."),
        Route::write("posture-limits-write", one, |p| {
            Bound::read(p, |input: LimitsInput| SysOp::Posture(Op::SetLimits(input.into())))
        })
        .clear(LIMIT_FIELDS)
        .help("Sets the limits of a kind of secrets in every mount that has none of its own for it. Members that are left out stay; 0 takes a limit away.")
        .example(r#"{"max_age": "2160h", "max_unread": "720h", "must_rotate": true}"#),
        Route::delete("posture-limits-delete", one, |p| {
            Bound::read(p, |input: KindInput| SysOp::Posture(Op::RemoveLimits { kind: input.kind }))
        })
        .help("Removes the limits of a kind."),
    ]
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let mut limits = cx.state.get::<StoredLimits>(LIMITS_NAME).await?.unwrap_or_default();
    match op {
        Op::Page { wanted, mount } => Done::object(&join(active, cx, &limits.0, wanted, mount.as_deref()).await?),
        Op::Limits => Done::object(&limits.0.form()),
        Op::SetLimits(change) => {
            limits.0.change(change)?;
            cx.state.put(LIMITS_NAME, &limits)?;
            Ok(Done::empty())
        }
        Op::RemoveLimits { kind } => {
            if limits.0.kinds.remove(kind).is_some() {
                cx.state.put(LIMITS_NAME, &limits)?;
            }
            Ok(Done::empty())
        }
    }
}

/// One page over mounts, in the order of their paths. Where a page goes on is a path with its mount, as items have it.
async fn join(
    active: &Active,
    cx: &mut Context<'_>,
    limits: &PostureLimits,
    wanted: &PageWish,
    only: Option<&str>,
) -> Result<PosturePage, Error> {
    let mounts = active.mounts.now();
    let reached = |mount: &&Arc<Mount>| only.is_none_or(|only| mount.path == only) && cx.rights.reaches(&mount.path);
    let mut walked: Vec<Arc<Mount>> = mounts.iter().filter(reached).cloned().collect();
    walked.sort_by(|one, other| one.path.cmp(&other.path));
    let mut joined = PosturePage::default();
    for mount in walked {
        let after = match &wanted.after {
            Some(after) => match after.strip_prefix(&mount.path) {
                Some(after) => Some(after.to_owned()).filter(|after| !after.is_empty()),
                None if *after > mount.path => continue,
                None => None,
            },
            None => None,
        };
        let Ok(engine) = active.engine(&mount) else { continue };
        let Some(postures) = engine.postures() else { continue };
        let left = wanted.limit - joined.secrets.len();
        if left == 0 {
            // The mounts go on from where the last secret was.
            joined.next = joined.secrets.last().map(|last| last.path.clone());
            return Ok(joined);
        }
        let (origin, caller, now, rights) = (cx.origin, cx.caller, cx.now, cx.rights);
        let mut within = surroundings::context(active, cx.state.kernel_side(), &mount, origin, caller, now, rights);
        let page = postures.posture(&mut within, limits, &PageWish { after, limit: left, ..wanted.clone() }).await?;
        joined.reads_known_since = page.reads_known_since.or(joined.reads_known_since);
        joined.log_complete &= page.log_complete;
        for mut item in page.secrets {
            item.path.insert_str(0, &mount.path);
            joined.secrets.push(item);
        }
        if let Some(next) = page.next {
            joined.next = Some(format!("{}{next}", mount.path));
            return Ok(joined);
        }
    }
    Ok(joined)
}
