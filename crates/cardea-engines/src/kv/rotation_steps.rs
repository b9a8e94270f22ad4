//! The keeper's side of the machine that walks the steps of a rotation. Each step stands in the record before it is done; what
//! came of it is kept only if the record still stands at that step. It must never drop a pending version whose value the
//! source may have, but by the way back, and never have a credential turned off that readers get as the current one.

use crate::kv::model::{Pointer, RotationDue, RotationRecord, StoredPayload};
use crate::kv::ops::{self, Draft};
use crate::kv::rotation::{check_free, forget, keep, living, new_run, scheduled, store_secret};
use crate::kv::{Kv, retirement, tree};
use cardea_model::retirement::{LAGGING_KEPT_MAX, RetireBar, RetireReason, RetireRule, Retired, Retiring};
use cardea_model::rotation::{Rotation, RotationFailure, RotationFailureClass, RotationStep};
use cardea_model::secret::{ContentForm, STAGE_PENDING, STAGE_PREVIOUS, Secret, SecretValue, Version, VersionState};
use cardea_model::{Error, Payload, Timestamp, TtlSeconds};
use cardea_sdk::rotation::{Ending, Found, Leftover, Rotates, RotationError, Turn, Values};
use cardea_sdk::{Context, async_trait};
use cardea_storage::view::View;
use std::collections::BTreeSet;

/// First pause before a failed step is tried again, in milliseconds; doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest pause between tries, in milliseconds.
const RETRY_LONGEST_MS: u64 = 600_000;
/// Pause before a rotation that cannot begin is looked at again, in milliseconds.
const LOOK_AGAIN_MS: u64 = 3_600_000;
/// Pause between two looks at an old credential, in milliseconds: often enough to see sessions that come and go.
const RETIRE_LOOK_MS: u64 = 30_000;
/// Values that a source may refuse before its owner has to say what it takes.
const REFUSED_VALUES_MAX: u32 = 3;
/// Longest words kept with a failure, in bytes.
const WORDS_BYTES_MAX: usize = 240;

/// The object that a version holds, if it may still be read: as it is, or as the text of one. Secrets Manager's clients
/// write texts, and one with a number in it (a port) is kept as the text that it is.
pub(super) async fn payload(cx: &mut Context<'_>, secret: &Secret, number: u64) -> Result<Option<Payload>, Error> {
    let Some(version) = secret.version(number).filter(|version| version.is_readable(cx.now)) else { return Ok(None) };
    stored(cx, secret, version).await
}

/// The same, whether or not the version may be read.
async fn stored(cx: &mut Context<'_>, secret: &Secret, version: &Version) -> Result<Option<Payload>, Error> {
    let stored = cx.state.get::<StoredPayload>(&StoredPayload::name(&secret.id, version.number)).await?;
    let value = match version.content {
        ContentForm::Object => stored.map(|stored| stored.0),
        ContentForm::Text => stored.and_then(|stored| Payload::parse(stored.0.read::<String>().ok()?).ok()),
        ContentForm::Bytes => None,
    };
    Ok(value.filter(Payload::is_object))
}

/// A changed object in the form of the version that it was made of.
fn value_like(secret: &Secret, number: u64, payload: Payload) -> Result<SecretValue, Error> {
    match secret.version(number).map(|version| version.content) {
        Some(ContentForm::Text) => SecretValue::of_text(payload.text()),
        _ => Ok(SecretValue { content: ContentForm::Object, payload }),
    }
}

fn retry_at(now: Timestamp, attempts: u32) -> Timestamp {
    let pause = RETRY_FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(RETRY_LONGEST_MS);
    now.plus_ms(pause)
}

fn failure(class: RotationFailureClass, words: &str, at: Timestamp) -> RotationFailure {
    let end = (0..=WORDS_BYTES_MAX.min(words.len())).rev().find(|n| words.is_char_boundary(*n)).unwrap_or(0);
    RotationFailure { class, words: words[..end].to_owned(), at }
}

/// The record at the step that a turn was about; nothing if it has moved on.
async fn at_turn(cx: &mut Context<'_>, turn: &Turn) -> Result<Option<(Secret, Rotation)>, Error> {
    let Some(record) = cx.state.get::<RotationRecord>(&turn.name).await? else { return Ok(None) };
    let same = record.0.run.as_ref().is_some_and(|run| run.token == turn.token && run.step == turn.step);
    let secret = cx.state.get::<Pointer>(&turn.name).await?.map(|pointer| pointer.0);
    let secret = secret.filter(|secret| same && secret.id == record.0.secret_id);
    Ok(secret.map(|secret| (secret, record.0)))
}

/// The turn of an old credential that waits for its end. Where the version that holds it is the current one again, nothing
/// is turned off.
async fn next_ending(
    cx: &mut Context<'_>,
    name: &str,
    secret: Secret,
    mut rotation: Rotation,
) -> Result<Option<Turn>, Error> {
    let Some(run) = &mut rotation.run else { return Ok(None) };
    if run.from == secret.current {
        let words = "the old version is the current one again: nothing was retired";
        rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
        rotation.run = None;
        let due = scheduled(&rotation);
        keep(cx, name, rotation, due)?;
        return Ok(None);
    }
    let current = payload(cx, &secret, secret.current).await?;
    // Deleted or not: it is the source that shall forget it.
    let kept = secret.version(run.from).filter(|version| version.state != VersionState::Destroyed);
    let old = match kept {
        Some(version) => stored(cx, &secret, version).await?,
        None => None,
    };
    let (Some(current), Some(old)) = (current, old) else {
        let words = "the old or the current version cannot be read, or is not an object: nothing is retired";
        run.attempts = run.attempts.saturating_add(1);
        let due = retry_at(cx.now, run.attempts);
        rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
        keep(cx, name, rotation, Some(due))?;
        return Ok(None);
    };
    let mut settings = rotation.settings.clone();
    let forced =
        run.retiring.as_ref().and_then(|retiring| retiring.forced(settings.retire.as_ref(), run.emergency, cx.now));
    let ending = match (run.is_turning_off(), &settings.retire) {
        (true, _) => Ending::TurnOff,
        (false, rule) => {
            Ending::Look { sessions: forced.is_none() && rule.as_ref().is_some_and(|rule| rule.bar != RetireBar::Time) }
        }
    };
    if run.emergency {
        // Whoever has stolen it has sessions, too.
        let rule = settings.retire.take();
        let plain = RetireRule {
            bar: RetireBar::Time,
            after_s: 0,
            latest_s: None,
            end_sessions: true,
            ignored: BTreeSet::new(),
        };
        settings.retire = Some(RetireRule { end_sessions: true, ..rule.unwrap_or(plain) });
    }
    Ok(Some(Turn {
        name: name.to_owned(),
        id: secret.id.clone(),
        path: format!("data/{name}"),
        settings,
        token: run.token.clone(),
        begun: run.begun,
        step: RotationStep::Retire,
        values: Values { wanted: current, known: vec![old] },
        leftover: Leftover::Nothing,
        made_by: secret.version(run.from).and_then(|version| version.rotator.clone()),
        ending: Some(ending),
    }))
}

/// The turn of a credential that its owner wants turned off although readers get it.
async fn next_revocation(
    cx: &mut Context<'_>,
    name: &str,
    secret: &Secret,
    mut rotation: Rotation,
) -> Result<Option<Turn>, Error> {
    let Some(run) = &mut rotation.run else { return Ok(None) };
    let version = secret.version(run.from).filter(|version| version.state != VersionState::Destroyed);
    let value = match version {
        Some(version) => stored(cx, secret, version).await?,
        None => None,
    };
    let Some(value) = value else {
        // Nobody knows any more what the source called it.
        let words = "a version is gone, or is no object: what the source made for it is to be looked for there";
        rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
        rotation.retired.insert(run.from);
        let due = go_on(secret, &mut rotation, cx.now);
        keep(cx, name, rotation, due)?;
        return Ok(None);
    };
    Ok(Some(Turn {
        name: name.to_owned(),
        id: secret.id.clone(),
        path: format!("data/{name}"),
        token: run.token.clone(),
        begun: run.begun,
        step: RotationStep::Revoke,
        values: Values { wanted: value, known: Vec::new() },
        leftover: Leftover::Nothing,
        made_by: version.and_then(|version| version.rotator.clone()),
        ending: None,
        settings: rotation.settings,
    }))
}

/// The next credential to be revoked; without one the rotation rests, held as it is.
fn go_on(secret: &Secret, rotation: &mut Rotation, now: Timestamp) -> Option<Timestamp> {
    match (living(secret, rotation).first(), &mut rotation.run) {
        (Some(next), Some(run)) => {
            run.from = *next;
            run.attempts = 0;
            Some(now)
        }
        _ => {
            rotation.run = None;
            scheduled(rotation)
        }
    }
}

#[async_trait]
impl Rotates for Kv {
    async fn due(&self, state: &mut View<'_>, now: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
        let names = state.names::<RotationDue>("", None, limit).await?;
        let end = RotationDue::name(now.plus_ms(1), "");
        let due = names.into_iter().take_while(|name| *name < end);
        Ok(due.filter_map(|name| name.split_once('/').map(|(_, path)| path.to_owned())).collect())
    }

    async fn next(&self, cx: &mut Context<'_>, name: &str) -> Result<Option<Turn>, Error> {
        let Some(RotationRecord(mut rotation)) = cx.state.get::<RotationRecord>(name).await? else { return Ok(None) };
        if rotation.due.is_none_or(|due| due > cx.now) {
            return Ok(None);
        }
        let secret = cx.state.get::<Pointer>(name).await?.map(|pointer| pointer.0);
        let secret = secret.filter(|secret| secret.id == rotation.secret_id && !secret.is_past(cx.now));
        let Some(secret) = secret else {
            // The secret is gone, and its values with it.
            forget(cx, name, &rotation);
            return Ok(None);
        };
        let later = cx.now.plus_ms(LOOK_AGAIN_MS);
        if secret.deleted.is_some() {
            keep(cx, name, rotation, Some(later))?;
            return Ok(None);
        }
        let Some(run) = &mut rotation.run else {
            let due = scheduled(&rotation);
            if due.is_none_or(|due| due > cx.now) {
                keep(cx, name, rotation, due)?;
                return Ok(None);
            }
            // A time that was missed is no time to begin: the next one is.
            let missed = rotation.settings.window_s.zip(due).is_some_and(|(s, at)| at.plus(TtlSeconds(s)) <= cx.now);
            if missed {
                rotation.next = rotation.settings.next_after(cx.now);
                let words = "the window of the schedule was missed: it waits for the next one";
                rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
                let due = scheduled(&rotation);
                keep(cx, name, rotation, due)?;
                return Ok(None);
            }
            let due = match check_free(&secret, &rotation) {
                Ok(()) => {
                    rotation.run = Some(new_run(ops::new_id(cx), RotationStep::Create, secret.current, 0, cx.now));
                    cx.now
                }
                Err(error) => {
                    let class = RotationFailureClass::RotatorRefused;
                    rotation.last_failure = Some(failure(class, &error.client, cx.now));
                    later
                }
            };
            keep(cx, name, rotation, Some(due))?;
            // What was begun is durable before anything is done for it: the step itself is the next call's.
            return Ok(None);
        };
        match run.step {
            RotationStep::Retire => return next_ending(cx, name, secret, rotation).await,
            RotationStep::Revoke => return next_revocation(cx, name, &secret, rotation).await,
            _ => {}
        }
        let (wanted, known) = match run.step {
            RotationStep::Create | RotationStep::Make | RotationStep::Retire | RotationStep::Revoke => {
                (secret.current, None)
            }
            RotationStep::Set | RotationStep::Test => (run.to, Some(run.from)),
            RotationStep::Undo => (run.from, Some(run.to)),
        };
        let (to, back) = (run.to, run.back);
        let Some(value) = payload(cx, &secret, wanted).await? else {
            let words = "a version that the rotation needs cannot be read, or is not an object";
            rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
            let due = match run.step {
                // Nothing to begin with, or nothing to go back to: what is there stays as it is.
                RotationStep::Create
                | RotationStep::Make
                | RotationStep::Undo
                | RotationStep::Retire
                | RotationStep::Revoke => {
                    run.attempts = run.attempts.saturating_add(1);
                    retry_at(cx.now, run.attempts)
                }
                RotationStep::Set | RotationStep::Test => {
                    run.step = RotationStep::Undo;
                    cx.now
                }
            };
            keep(cx, name, rotation, Some(due))?;
            return Ok(None);
        };
        let mut others: Vec<u64> = known.into_iter().chain([secret.current]).collect();
        others.extend(secret.stages.get(STAGE_PREVIOUS));
        let (token, begun, step) = (run.token.clone(), run.begun, run.step);
        let leftover = match back {
            true => Leftover::Nothing,
            false => payload(cx, &secret, to).await?.map_or(Leftover::Unknown, Leftover::Value),
        };
        let mut seen = vec![wanted];
        let mut values = Values { wanted: value, known: Vec::new() };
        for number in others {
            if !seen.contains(&number) {
                seen.push(number);
                values.known.extend(payload(cx, &secret, number).await?);
            }
        }
        Ok(Some(Turn {
            name: name.to_owned(),
            id: secret.id.clone(),
            path: format!("data/{name}"),
            settings: rotation.settings,
            token,
            begun,
            step,
            values,
            leftover,
            made_by: None,
            ending: None,
        }))
    }

    async fn asking(&self, cx: &mut Context<'_>, turn: &Turn) -> Result<(), Error> {
        let Some((secret, mut rotation)) = at_turn(cx, turn).await? else { return Ok(()) };
        let Some(run) = &mut rotation.run else { return Ok(()) };
        run.from = secret.current;
        run.begun = cx.now;
        run.step = RotationStep::Make;
        run.attempts = 0;
        let now = cx.now;
        keep(cx, &turn.name, rotation, Some(now)).map(|_| ())
    }

    async fn created(&self, cx: &mut Context<'_>, turn: &Turn, patch: &Payload) -> Result<(), Error> {
        let Some((mut secret, mut rotation)) = at_turn(cx, turn).await? else { return Ok(()) };
        let Some(run) = &mut rotation.run else { return Ok(()) };
        // Somebody may have written while the source was asked: what was written is kept.
        let current = payload(cx, &secret, secret.current).await?;
        let current = current.as_ref().unwrap_or(&turn.values.wanted);
        let value = value_like(&secret, secret.current, tree::merge(current, patch)?)?;
        let config = ops::config(cx).await?;
        run.from = secret.current;
        // Labels mean something from here on: a labelled version is never pruned.
        secret.staged = true;
        let stages = [STAGE_PENDING.to_owned()];
        let rotator = Some(turn.settings.rotator.as_str());
        let draft = Draft { value: &value, id: Some(&turn.token), stages: &stages, rotator };
        let (_, number) = ops::add_version(cx, &config, secret, draft).await?;
        run.to = number;
        run.step = RotationStep::Set;
        run.attempts = 0;
        let now = cx.now;
        keep(cx, &turn.name, rotation, Some(now)).map(|_| ())
    }

    async fn done(&self, cx: &mut Context<'_>, turn: &Turn) -> Result<(), Error> {
        let Some((mut secret, mut rotation)) = at_turn(cx, turn).await? else { return Ok(()) };
        let Some(run) = &mut rotation.run else { return Ok(()) };
        let now = cx.now;
        run.attempts = 0;
        let readable = secret.version(run.to).is_some_and(|version| version.is_readable(now));
        let due = match turn.step {
            RotationStep::Create | RotationStep::Make => return Ok(()),
            RotationStep::Set => {
                run.step = RotationStep::Test;
                Some(now)
            }
            // Destroyed behind the rotation's back: nobody could read what the source has.
            RotationStep::Test if !readable => {
                run.step = RotationStep::Undo;
                Some(now)
            }
            RotationStep::Test => {
                let to = run.to;
                if secret.stages.get(STAGE_PREVIOUS) == Some(&to) {
                    secret.stages.remove(STAGE_PREVIOUS);
                }
                secret.stages.remove(STAGE_PENDING);
                ops::make_current(&mut secret, to);
                // A value that the source takes again is alive again.
                rotation.retired.remove(&to);
                rotation.retired.retain(|number| secret.version(*number).is_some());
                store_secret(cx, secret)?;
                rotation.last_rotated = Some(now);
                rotation.last_failure = None;
                rotation.next = rotation.settings.next_after(now);
                if rotation.settings.retire.is_some() || run.emergency {
                    run.step = RotationStep::Retire;
                    run.retiring = Some(Retiring::new(now));
                    Some(now)
                } else {
                    rotation.run = None;
                    scheduled(&rotation)
                }
            }
            // Only what was decided is done.
            RotationStep::Retire => {
                let (from, retiring) = (run.from, run.retiring.take());
                let Some(Retiring { decided: Some(reason), lagging, .. }) = retiring else { return Ok(()) };
                rotation.run = None;
                rotation.retired.insert(from);
                rotation.last_retired = Some(Retired { version: from, at: now, reason, lagging });
                rotation.last_failure = None;
                scheduled(&rotation)
            }
            RotationStep::Revoke => {
                let from = run.from;
                rotation.retired.insert(from);
                rotation.last_failure = None;
                rotation.last_retired =
                    Some(Retired { version: from, at: now, reason: RetireReason::Revoked, lagging: Vec::new() });
                go_on(&secret, &mut rotation, now)
            }
            RotationStep::Undo => {
                if secret.stages.get(STAGE_PENDING) == Some(&run.to) {
                    secret.stages.remove(STAGE_PENDING);
                    store_secret(cx, secret)?;
                }
                rotation.run = None;
                rotation.next = rotation.settings.next_after(now);
                scheduled(&rotation)
            }
        };
        keep(cx, &turn.name, rotation, due).map(|_| ())
    }

    async fn looked(&self, cx: &mut Context<'_>, turn: &Turn, found: &Found) -> Result<Option<RetireReason>, Error> {
        let Some((secret, mut rotation)) = at_turn(cx, turn).await? else { return Ok(None) };
        let now = cx.now;
        let seen = retirement::seen(cx, &secret, &rotation, found.sessions).await?;
        let rule = rotation.settings.retire.clone();
        let Some(run) = &mut rotation.run else { return Ok(None) };
        let Some(retiring) = run.retiring.as_mut().filter(|retiring| retiring.decided.is_none()) else {
            return Ok(None);
        };
        run.attempts = 0;
        let reason = match (retiring.forced(rule.as_ref(), run.emergency, now), &rule) {
            (Some(reason), _) => Some(reason),
            (None, Some(rule)) => retiring.judge(rule, &seen, now),
            (None, None) => None,
        };
        // The source had one credential all along; or nobody waits for the end of the old one any more.
        if !found.kept || (reason.is_none() && rule.is_none()) {
            rotation.run = None;
            let due = scheduled(&rotation);
            return keep(cx, &turn.name, rotation, due).map(|_| None);
        }
        retiring.decided = reason;
        if reason.is_some() {
            let lagging = seen.standings.into_iter().filter(|one| one.lags).map(|one| one.name);
            retiring.lagging = lagging.take(LAGGING_KEPT_MAX).collect();
        }
        let reads_log = rule.is_some_and(|rule| matches!(rule.bar, RetireBar::Read | RetireBar::Acknowledged));
        rotation.last_failure = None;
        let due = match reason {
            Some(_) => now,
            // The log has more: the next part of it soon.
            None if reads_log && !seen.log_complete => now.plus_ms(RETRY_FIRST_MS),
            None => now.plus_ms(RETIRE_LOOK_MS),
        };
        keep(cx, &turn.name, rotation, Some(due)).map(|_| reason)
    }

    async fn failed(&self, cx: &mut Context<'_>, turn: &Turn, error: &RotationError) -> Result<(), Error> {
        let Some((mut secret, mut rotation)) = at_turn(cx, turn).await? else { return Ok(()) };
        let Some(run) = &mut rotation.run else { return Ok(()) };
        let now = cx.now;
        run.attempts = run.attempts.saturating_add(1);
        let due = retry_at(now, run.attempts);
        match (run.step, error.class) {
            // Nothing happened, and this value never will: another one, under another token.
            (RotationStep::Set, RotationFailureClass::ValueRefused)
                if run.refused_values < REFUSED_VALUES_MAX && run.to == secret.newest() =>
            {
                secret.stages.remove(STAGE_PENDING);
                run.refused_values += 1;
                run.token = ops::new_id(cx);
                run.step = RotationStep::Create;
                run.to = 0;
                store_secret(cx, secret)?;
            }
            // The same where the source makes the values.
            (RotationStep::Make, RotationFailureClass::ValueRefused) if run.refused_values < REFUSED_VALUES_MAX => {
                run.refused_values += 1;
                run.token = ops::new_id(cx);
                run.step = RotationStep::Create;
            }
            // A look that saw nothing is no look at quiet.
            (RotationStep::Retire, _) => {
                if let Some(retiring) = &mut run.retiring {
                    retiring.quiet_since = None;
                    retiring.sessions = None;
                }
            }
            // It was set, and does not open: set again, which finds out what the source has.
            (RotationStep::Test, RotationFailureClass::RotatorRefused) => run.step = RotationStep::Set,
            _ => {}
        }
        rotation.last_failure = Some(failure(error.class, &error.client, now));
        keep(cx, &turn.name, rotation, Some(due)).map(|_| ())
    }
}
