//! Rotations of a mount's secrets: what an owner decides, and the keeper's side of the machine that walks the steps. Each
//! step stands in the record before it is done; what came of it is kept only if the record still stands at that step. It
//! must never drop a pending version whose value the source may have, but by the way back.

use crate::kv::model::{Pointer, RotationDue, RotationRecord, StoredPayload};
use crate::kv::ops::{self, Draft};
use crate::kv::{Kv, tree};
use cardea_model::cron::Cron;
use cardea_model::operation::{RotateWish, RotationSchedule};
use cardea_model::rotation::{
    CLONE_SUFFIX, Rotation, RotationFailure, RotationFailureClass, RotationRun, RotationSettings, RotationStep,
    RotationStrategy,
};
use cardea_model::secret::{ContentForm, STAGE_PENDING, STAGE_PREVIOUS, Secret, SecretFault, SecretValue};
use cardea_model::{Action, CanonicalPath, Error, Payload, Timestamp, TtlSeconds};
use cardea_sdk::rotation::{Leftover, Rotates, RotationError, Turn, Values};
use cardea_sdk::{Context, async_trait};
use cardea_storage::view::View;

/// Shortest schedule, in seconds: a change and its retries need room.
const EVERY_S_MIN: u64 = 60;
/// Longest schedule, in seconds: ten years. What never shall rotate has no schedule.
const EVERY_S_MAX: u64 = 10 * 366 * 86_400;
/// Shortest window, in seconds: background work looks often, and may be held up.
const WINDOW_S_MIN: u64 = 60;
/// Longest window, in seconds: a day, after which another time may have come.
const WINDOW_S_MAX: u64 = 86_400;
/// First pause before a failed step is tried again, in milliseconds; doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest pause between tries, in milliseconds.
const RETRY_LONGEST_MS: u64 = 600_000;
/// Pause before a rotation that cannot begin is looked at again, in milliseconds.
const LOOK_AGAIN_MS: u64 = 3_600_000;
/// Values that a source may refuse before its owner has to say what it takes.
const REFUSED_VALUES_MAX: u32 = 3;
/// Longest words kept with a failure, in bytes.
const WORDS_BYTES_MAX: usize = 240;

/// Wanted settings; `None` leaves what is there.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub rotator: Option<String>,
    pub username: Option<String>,
    pub strategy: Option<RotationStrategy>,
    /// `Some(None)` rotates on demand alone.
    pub schedule: Option<Option<RotationSchedule>>,
    /// Seconds; `Some(None)` is without end.
    pub window_s: Option<Option<u64>>,
    pub paused: Option<bool>,
}

/// A rotation, and what its secret says.
pub struct Shown {
    pub rotation: Rotation,
    /// The version that carries the pending label without being the current one.
    pub pending: Option<u64>,
}

impl Shown {
    /// What a pending version is waiting for.
    #[must_use]
    pub fn explanation(&self) -> &'static str {
        match (self.rotation.run.as_ref().map(|run| run.step), self.pending) {
            (None, None) => "",
            (None, Some(_)) => {
                "a pending version was left over, by somebody else or by a change that was given up, and may be what the source knows: no rotation begins until rotation-cancel removes its label"
            }
            (Some(RotationStep::Create), _) => "the new value is about to be made; the source has not heard of it",
            (Some(RotationStep::Make), _) => {
                "the source is asked to make the new value: it may or may not have done so, and what it made is found by the token"
            }
            (Some(RotationStep::Set), _) => {
                "the source may or may not have the pending value: it is being set, again if need be"
            }
            (Some(RotationStep::Test), _) => {
                "the source has the pending value; a login with it is to make it the current one"
            }
            (Some(RotationStep::Undo), _) => "the change is taken back: the source gets the current value again",
        }
    }
}

fn pending(secret: &Secret) -> Option<u64> {
    secret.stages.get(STAGE_PENDING).copied().filter(|number| *number != secret.current)
}

fn shown(rotation: Rotation, secret: &Secret) -> Shown {
    Shown { rotation, pending: pending(secret) }
}

/// The secret and its own rotation, if it has one.
async fn find(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Secret, Option<Rotation>), Error> {
    let secret = ops::changeable(cx, path).await?.ok_or_else(Error::not_found)?;
    let rotation = cx.state.get::<RotationRecord>(path.as_str()).await?.map(|record| record.0);
    // One of an earlier secret of this name says nothing about this one.
    let own = rotation.filter(|rotation| rotation.secret_id == secret.id);
    Ok((secret, own))
}

async fn found(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Secret, Rotation), Error> {
    let (secret, rotation) = find(cx, path).await?;
    Ok((secret, rotation.ok_or_else(Error::not_found)?))
}

/// Stores the record, and moves it in the index.
fn keep(cx: &mut Context<'_>, path: &str, mut rotation: Rotation, due: Option<Timestamp>) -> Result<Rotation, Error> {
    if rotation.due != due
        && let Some(before) = rotation.due
    {
        cx.state.delete::<RotationDue>(&RotationDue::name(before, path));
    }
    rotation.due = due;
    if let Some(due) = due {
        cx.state.put(&RotationDue::name(due, path), &RotationDue {})?;
    }
    let record = RotationRecord(rotation);
    cx.state.put(path, &record)?;
    Ok(record.0)
}

fn forget(cx: &mut Context<'_>, path: &str, rotation: &Rotation) {
    if let Some(due) = rotation.due {
        cx.state.delete::<RotationDue>(&RotationDue::name(due, path));
    }
    cx.state.delete::<RotationRecord>(path);
}

fn store_secret(cx: &mut Context<'_>, mut secret: Secret) -> Result<(), Error> {
    secret.updated = cx.now;
    let path = secret.path.clone();
    cx.state.put(&path, &Pointer(secret))
}

/// When the schedule wants something, if nobody paused it.
fn scheduled(rotation: &Rotation) -> Option<Timestamp> {
    rotation.next.filter(|_| !rotation.paused)
}

pub async fn read(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (secret, rotation) = found(cx, path).await?;
    Ok(shown(rotation, &secret))
}

/// Decides how a secret rotates. Whoever does so needs the right to use the rotator for that user.
///
/// # Errors
/// Not found, denied, a field that is missing or out of bounds, a change on its way.
pub async fn configure(cx: &mut Context<'_>, path: &CanonicalPath, change: &Change) -> Result<Shown, Error> {
    let (secret, before) = find(cx, path).await?;
    let missing = |field: &str| Error::invalid(format!("field `{field}` is missing"));
    let mut rotation = match before {
        Some(rotation) => rotation,
        None => {
            if let Some(stale) = cx.state.get::<RotationRecord>(path.as_str()).await? {
                forget(cx, path.as_str(), &stale.0);
            }
            Rotation {
                secret_id: secret.id.clone(),
                settings: RotationSettings {
                    rotator: change.rotator.clone().ok_or_else(|| missing("rotator"))?,
                    username: change.username.clone().ok_or_else(|| missing("username"))?,
                    strategy: change.strategy.ok_or_else(|| missing("strategy"))?,
                    every_s: None,
                    cron: None,
                    window_s: None,
                },
                paused: false,
                run: None,
                last_rotated: None,
                last_failure: None,
                next: None,
                due: None,
            }
        }
    };
    let was = rotation.settings.clone();
    let settings = &mut rotation.settings;
    if let Some(rotator) = &change.rotator {
        settings.rotator.clone_from(rotator);
    }
    if let Some(username) = &change.username {
        settings.username.clone_from(username);
    }
    settings.strategy = change.strategy.unwrap_or(settings.strategy);
    if let Some(schedule) = &change.schedule {
        (settings.every_s, settings.cron) = match schedule {
            None => (None, None),
            Some(RotationSchedule::Every(seconds)) => (Some(*seconds), None),
            Some(RotationSchedule::Cron(text)) => (None, Some(text.clone())),
        };
    }
    settings.window_s = change.window_s.unwrap_or(settings.window_s);
    check(settings)?;
    let name = settings.policy_name()?;
    CanonicalPath::parse(&name)?;
    if !cx.rights.allows(Action::Update, &name) {
        return Err(Error::denied());
    }
    let same_source =
        (&was.rotator, &was.username, was.strategy) == (&settings.rotator, &settings.username, settings.strategy);
    if rotation.run.is_some() && !same_source {
        return Err(Error::invalid("a change is on its way: finish or cancel it before its source is another one"));
    }
    if change.schedule.is_some() {
        rotation.next = rotation.settings.next_after(cx.now);
        if rotation.settings.cron.is_some() && rotation.next.is_none() {
            return Err(Error::invalid("the schedule has no time at all"));
        }
    }
    rotation.paused = change.paused.unwrap_or(rotation.paused);
    let due = if rotation.run.is_some() { rotation.due } else { scheduled(&rotation) };
    let rotation = keep(cx, path.as_str(), rotation, due)?;
    Ok(shown(rotation, &secret))
}

fn check(settings: &RotationSettings) -> Result<(), Error> {
    let user = &settings.username;
    let longest = settings.username_bytes_max();
    if user.is_empty() || user.len() > longest || user.contains('/') || user.chars().any(char::is_control) {
        let words = format!("field `username` is empty, unprintable, has a slash or is over {longest} bytes");
        return Err(Error::invalid(words));
    }
    if let Some(text) = &settings.cron {
        Cron::parse(text)?;
    }
    match settings.window_s {
        Some(window_s) if !(WINDOW_S_MIN..=WINDOW_S_MAX).contains(&window_s) => {
            return Err(Error::invalid(format!("field `window` is not from {WINDOW_S_MIN} s to {WINDOW_S_MAX} s")));
        }
        _ => {}
    }
    match settings.every_s {
        Some(seconds) if !(EVERY_S_MIN..=EVERY_S_MAX).contains(&seconds) => {
            Err(Error::invalid(format!("field `every` is not from {EVERY_S_MIN} s to {EVERY_S_MAX} s")))
        }
        _ => Ok(()),
    }
}

/// Ends the rotation; versions stay as they are.
pub async fn remove(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(), Error> {
    let Some(record) = cx.state.get::<RotationRecord>(path.as_str()).await? else { return Ok(()) };
    let live = cx.state.peek::<Pointer>(path.as_str()).await?.is_some_and(|at| at.0.id == record.0.secret_id);
    if live && record.0.run.is_some() {
        return Err(Error::invalid("a change is on its way: finish or cancel it first"));
    }
    forget(cx, path.as_str(), &record.0);
    Ok(())
}

fn new_run(token: String, step: RotationStep, from: u64, to: u64, now: Timestamp) -> RotationRun {
    RotationRun { token, step, from, to, begun: now, attempts: 0, refused_values: 0, back: false }
}

/// How a secret rotates, if it does.
pub async fn of(cx: &mut Context<'_>, secret: &Secret) -> Result<Option<Rotation>, Error> {
    let record = cx.state.get::<RotationRecord>(&secret.path).await?;
    Ok(record.map(|record| record.0).filter(|rotation| rotation.secret_id == secret.id))
}

/// What dialects ask for that decide and begin at once. A schedule that was held goes on. Where the secret has no rotation
/// yet, the user is the one that its current version names.
///
/// # Errors
/// As [`configure`] and [`begin`]; the token has made a version before that is not the current one.
pub async fn ask(cx: &mut Context<'_>, path: &CanonicalPath, wish: &RotateWish) -> Result<(Secret, Rotation), Error> {
    let (secret, before) = find(cx, path).await?;
    if let Some(rotation) = &before
        && (rotation.run.as_ref().is_some_and(|run| run.token == wish.token)
            || secret.version(secret.current).is_some_and(|version| version.id == wish.token))
    {
        // A client that did not hear the first answer asks again.
        return Ok((secret, rotation.clone()));
    }
    if secret.versions.iter().any(|version| version.id == wish.token) {
        return Err(SecretFault::TokenTaken.into());
    }
    if wish.rotator.is_some() || wish.schedule.is_some() || wish.window_s.is_some() || before.is_none() {
        // Whoever may begin a rotation may not for that decide how it is done.
        let name = format!("{}rotation/{path}", cx.mount.path);
        if !cx.rights.allows(Action::Update, &name) {
            return Err(Error::denied());
        }
        let username = match before {
            Some(_) => None,
            None => {
                let makes_keys = wish.rotator.as_ref().is_some_and(|(_, how)| *how == RotationStrategy::NewKey);
                Some(named_user(cx, &secret, !makes_keys).await?)
            }
        };
        if username.is_some() && wish.rotator.is_none() {
            return Err(Error::invalid("the secret has no rotator: the request must name one"));
        }
        let change = Change {
            rotator: wish.rotator.as_ref().map(|(rotator, _)| rotator.clone()),
            username,
            strategy: wish.rotator.as_ref().map(|(_, strategy)| *strategy),
            schedule: wish.schedule.clone().map(Some),
            // A schedule without a window has none, whatever was before.
            window_s: wish.schedule.as_ref().map(|_| wish.window_s),
            paused: Some(false),
        };
        configure(cx, path, &change).await?;
    }
    let (secret, mut rotation) = found(cx, path).await?;
    rotation.paused = false;
    let due = if wish.begin {
        check_free(&secret, &rotation)?;
        rotation.run = Some(new_run(wish.token.clone(), RotationStep::Create, secret.current, 0, cx.now));
        Some(cx.now)
    } else if rotation.run.is_some() {
        rotation.due
    } else {
        scheduled(&rotation)
    };
    let rotation = keep(cx, path.as_str(), rotation, due)?;
    Ok((secret, rotation))
}

/// The user that the current version names, or the first of the two if it names the second.
async fn named_user(cx: &mut Context<'_>, secret: &Secret, has_clones: bool) -> Result<String, Error> {
    #[derive(serde::Deserialize)]
    struct Named {
        username: String,
    }
    let words = "the current version of the secret is no object with a text `username`: it cannot be rotated";
    let value = payload(cx, secret, secret.current).await?;
    let named = value.and_then(|value| value.read::<Named>().ok()).ok_or_else(|| Error::invalid(words))?;
    let first = named.username.strip_suffix(CLONE_SUFFIX).filter(|_| has_clones);
    Ok(first.map_or(named.username.clone(), str::to_owned))
}

/// Holds the schedule, and takes a change back if one is on its way.
///
/// # Errors
/// Invalid, if the secret does not rotate.
pub async fn hold(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Secret, Rotation), Error> {
    let (secret, rotation) = find(cx, path).await?;
    let rotation = rotation.ok_or_else(|| Error::invalid("the secret does not rotate"))?;
    if rotation.run.is_some() || pending(&secret).is_some() {
        cancel(cx, path).await?;
    }
    let (secret, mut rotation) = found(cx, path).await?;
    rotation.paused = true;
    let due = if rotation.run.is_some() { rotation.due } else { None };
    let rotation = keep(cx, path.as_str(), rotation, due)?;
    Ok((secret, rotation))
}

/// Begins a change now.
///
/// # Errors
/// One is on its way, or a pending version was left over.
pub async fn begin(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (secret, mut rotation) = found(cx, path).await?;
    check_free(&secret, &rotation)?;
    rotation.run = Some(new_run(ops::new_id(cx), RotationStep::Create, secret.current, 0, cx.now));
    let now = cx.now;
    let rotation = keep(cx, path.as_str(), rotation, Some(now))?;
    Ok(shown(rotation, &secret))
}

fn check_free(secret: &Secret, rotation: &Rotation) -> Result<(), Error> {
    if rotation.run.is_some() {
        return Err(Error::invalid("a change is on its way already"));
    }
    match pending(secret) {
        Some(_) => Err(Error::invalid(
            "a previous rotation is not complete: a version is still pending; remove its label first, with rotation-cancel",
        )),
        None => Ok(()),
    }
}

/// Takes a change back, or removes a pending label that was left over. Where taking back has failed, to ask again gives it
/// up: the pending version keeps its label, since the source may have its value, and everything else stays as it is.
///
/// # Errors
/// There is neither.
pub async fn cancel(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (mut secret, mut rotation) = found(cx, path).await?;
    let due = match &mut rotation.run {
        None => {
            pending(&secret).ok_or_else(|| Error::invalid("no change is on its way, and no version is pending"))?;
            secret.stages.remove(STAGE_PENDING);
            store_secret(cx, secret.clone())?;
            rotation.due
        }
        Some(run) if run.step == RotationStep::Create => {
            rotation.run = None;
            scheduled(&rotation)
        }
        Some(run) if run.step == RotationStep::Undo && run.attempts > 0 => {
            rotation.run = None;
            scheduled(&rotation)
        }
        Some(run) => {
            run.step = RotationStep::Undo;
            run.attempts = 0;
            Some(cx.now)
        }
    };
    let rotation = keep(cx, path.as_str(), rotation, due)?;
    Ok(shown(rotation, &secret))
}

/// Goes back to the previous version: a change whose new value is that of before.
///
/// # Errors
/// A change is on its way, or the previous version cannot be read any more.
pub async fn roll_back(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (mut secret, mut rotation) = found(cx, path).await?;
    check_free(&secret, &rotation)?;
    let back = secret.stages.get(STAGE_PREVIOUS).and_then(|number| secret.version(*number));
    let back = back.filter(|version| version.is_readable(cx.now) && version.number != secret.current);
    let Some((number, id)) = back.map(|version| (version.number, version.id.clone())) else {
        return Err(Error::invalid("there is no previous version that could be read"));
    };
    secret.stages.insert(STAGE_PENDING.to_owned(), number);
    secret.staged = true;
    store_secret(cx, secret.clone())?;
    let run = new_run(id, RotationStep::Set, secret.current, number, cx.now);
    rotation.run = Some(RotationRun { back: true, ..run });
    let now = cx.now;
    let rotation = keep(cx, path.as_str(), rotation, Some(now))?;
    Ok(shown(rotation, &secret))
}

/// The object that a version holds, if it may still be read: as it is, or as the text of one. Secrets Manager's clients
/// write texts, and one with a number in it (a port) is kept as the text that it is.
async fn payload(cx: &mut Context<'_>, secret: &Secret, number: u64) -> Result<Option<Payload>, Error> {
    let Some(version) = secret.version(number).filter(|version| version.is_readable(cx.now)) else { return Ok(None) };
    let stored = cx.state.get::<StoredPayload>(&StoredPayload::name(&secret.id, number)).await?;
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
        let (wanted, known) = match run.step {
            RotationStep::Create | RotationStep::Make => (secret.current, None),
            RotationStep::Set | RotationStep::Test => (run.to, Some(run.from)),
            RotationStep::Undo => (run.from, Some(run.to)),
        };
        let (to, back) = (run.to, run.back);
        let Some(value) = payload(cx, &secret, wanted).await? else {
            let words = "a version that the rotation needs cannot be read, or is not an object";
            rotation.last_failure = Some(failure(RotationFailureClass::RotatorRefused, words, cx.now));
            let due = match run.step {
                // Nothing to begin with, or nothing to go back to: what is there stays as it is.
                RotationStep::Create | RotationStep::Make | RotationStep::Undo => {
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
            path: format!("data/{name}"),
            settings: rotation.settings,
            token,
            begun,
            step,
            values,
            leftover,
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
                store_secret(cx, secret)?;
                rotation.run = None;
                rotation.last_rotated = Some(now);
                rotation.last_failure = None;
                rotation.next = rotation.settings.next_after(now);
                scheduled(&rotation)
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
            // It was set, and does not open: set again, which finds out what the source has.
            (RotationStep::Test, RotationFailureClass::RotatorRefused) => run.step = RotationStep::Set,
            _ => {}
        }
        rotation.last_failure = Some(failure(error.class, &error.client, now));
        keep(cx, &turn.name, rotation, Some(due)).map(|_| ())
    }
}
