//! Who still uses an old credential: what the log and the consumers themselves tell, put together for the machine that waits
//! for its end and for the owner who asks. It must never show a value, and never take what is not known for an answer.

use crate::kv::rotation::{found, keep};
use cardea_model::consumer::{ACKS_MAX, Ack, consumer_of};
use cardea_model::retirement::{Pair, RetireBar, Retired, Seen, Standing};
use cardea_model::rotation::{Rotation, RotationStep};
use cardea_model::secret::{STAGE_PREVIOUS, Secret};
use cardea_model::{CanonicalPath, Error, Timestamp};
use cardea_sdk::Context;
use std::collections::BTreeSet;

/// What is known of the end of an old credential.
pub struct Proof {
    /// What is waited for, or was, or would be.
    pub bar: Option<RetireBar>,
    pub state: State,
    pub old: Option<u64>,
    pub new: u64,
    pub since: Option<Timestamp>,
    pub missing: Vec<String>,
    pub sessions: Option<u64>,
    pub standings: Vec<Standing>,
    /// What happened before is not known.
    pub known_since: Option<Timestamp>,
    pub log_complete: bool,
    pub last_retired: Option<Retired>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing waits for its end.
    Idle,
    Waiting,
    /// It was decided, and the source is told.
    TurningOff,
}

/// The first of the versions that hold the same credential as `last`: the newest that a rotation made, or the oldest.
fn first_of(secret: &Secret, last: u64) -> u64 {
    let made = secret.versions.iter().rev().find(|version| version.number <= last && version.rotator.is_some());
    made.or(secret.versions.first()).map_or(last, |version| version.number.min(last))
}

/// The two credentials whose change is waited for, or was the last one.
fn pair_of(secret: &Secret, rotation: &Rotation) -> Option<Pair> {
    let run = rotation.run.as_ref().filter(|run| run.step == RotationStep::Retire);
    let (from, new, since) = match run.and_then(|run| Some((run, run.retiring.as_ref()?))) {
        Some((run, retiring)) => (run.from, run.to, retiring.since),
        None => {
            let from = secret.stages.get(STAGE_PREVIOUS).copied().filter(|number| *number != secret.current)?;
            (from, secret.current, secret.version(secret.current)?.created.max(rotation.last_rotated?))
        }
    };
    Some(Pair { old: first_of(secret, from)..=from, new, since })
}

/// What a look finds, beside the source's own word.
///
/// # Errors
/// The store's.
pub async fn seen(
    cx: &mut Context<'_>,
    secret: &Secret,
    rotation: &Rotation,
    sessions: Option<u64>,
) -> Result<Seen, Error> {
    let Some(pair) = pair_of(secret, rotation) else { return Ok(Seen { sessions, ..Seen::default() }) };
    let readers = cx.system.readers(&secret.id).await?;
    let rule = rotation.settings.retire.as_ref();
    let (bar, nobody) = (rule.map_or(RetireBar::Read, |rule| rule.bar), BTreeSet::new());
    let ignored = rule.map_or(&nobody, |rule| &rule.ignored);
    let standings = pair.standings(bar, &readers, &rotation.acks, ignored);
    Ok(Seen { sessions, standings, log_complete: readers.complete })
}

/// Who loses the source when an emergency is declared now: those who lag behind a change that waits, or all that have read
/// the current credential.
///
/// # Errors
/// The store's.
pub async fn who_will_break(cx: &mut Context<'_>, secret: &Secret, rotation: &Rotation) -> Result<Vec<String>, Error> {
    let run = rotation.run.as_ref();
    let standings = match run.filter(|run| run.step == RotationStep::Retire) {
        Some(_) => seen(cx, secret, rotation, None).await?.standings,
        None => {
            let old = first_of(secret, secret.current)..=secret.current;
            let pair = Pair { old, new: secret.newest() + 1, since: cx.now };
            let readers = cx.system.readers(&secret.id).await?;
            pair.standings(RetireBar::Read, &readers, &rotation.acks, &BTreeSet::new())
        }
    };
    Ok(standings.into_iter().filter(|one| one.lags).map(|one| one.name).collect())
}

/// What is known, for the owner.
///
/// # Errors
/// Not found.
pub async fn proof(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Proof, Error> {
    let (secret, rotation) = found(cx, path).await?;
    let rule = rotation.settings.retire.as_ref();
    let mut retiring = rotation.run.as_ref().and_then(|run| run.retiring.clone());
    let pair = pair_of(&secret, &rotation);
    let sessions = retiring.as_ref().and_then(|retiring| retiring.sessions);
    let known = cx.system.readers(&secret.id).await?;
    let seen = seen(cx, &secret, &rotation, sessions).await?;
    let state = match &retiring {
        None => State::Idle,
        Some(retiring) if retiring.decided.is_some() => State::TurningOff,
        Some(_) => State::Waiting,
    };
    let missing = match (&mut retiring, rule) {
        // As of now; the machine's own look comes soon.
        (Some(retiring), Some(rule)) if state == State::Waiting => {
            retiring.judge(rule, &seen, cx.now);
            std::mem::take(&mut retiring.lacks)
        }
        _ => Vec::new(),
    };
    Ok(Proof {
        bar: rule.map(|rule| rule.bar),
        state,
        old: pair.as_ref().map(|pair| *pair.old.end()),
        new: pair.as_ref().map_or(secret.current, |pair| pair.new),
        since: pair.as_ref().map(|pair| pair.since),
        missing,
        sessions,
        standings: seen.standings,
        known_since: known.since,
        log_complete: known.complete,
        last_retired: rotation.last_retired,
    })
}

/// A consumer says that a version works for it. Only its last word counts.
///
/// # Errors
/// Not found; a version that there is not; too many consumers.
pub async fn acknowledge(cx: &mut Context<'_>, path: &CanonicalPath, version: u64) -> Result<(), Error> {
    let (secret, mut rotation) = found(cx, path).await?;
    if !secret.version(version).is_some_and(|found| found.is_readable(cx.now)) {
        return Err(Error::invalid("field `version` is not a version of the secret that can be read"));
    }
    let caller = cx.caller.ok_or_else(Error::denied)?;
    let entity = caller.entity.as_ref().map(|id| id.0.as_str());
    let consumer = consumer_of(entity, &caller.display_name);
    if !rotation.acks.contains_key(consumer) && rotation.acks.len() >= ACKS_MAX {
        // Whoever spoke of versions that are gone is not heard any more.
        rotation.acks.retain(|_, ack| secret.version(ack.version).is_some());
        if rotation.acks.len() >= ACKS_MAX {
            return Err(Error::invalid("the secret has as many consumers with acknowledgements as it may have"));
        }
    }
    let ack = Ack { name: caller.display_name.clone(), version, at: cx.now };
    rotation.acks.insert(consumer.to_owned(), ack);
    let waits = rotation.run.as_ref().is_some_and(|run| run.step == RotationStep::Retire && !run.is_turning_off());
    // It may be what was missing.
    let due = if waits { Some(cx.now) } else { rotation.due };
    keep(cx, path.as_str(), rotation, due).map(|_| ())
}
