//! Rotations of a mount's secrets: what an owner decides and asks for. The steps themselves are the machine's (`rotation_steps`).
//! It must never drop a pending version whose value the source may have, but by the way back.

use crate::kv::model::{Pointer, RotationDue, RotationRecord};
use crate::kv::rotation_steps::payload;
use crate::kv::{attached, ops, regions, retirement};
use cardea_model::cron::Cron;
use cardea_model::operation::{RotateWish, RotationSchedule};
use cardea_model::retirement::{RetireBar, RetireRule};
use cardea_model::rotation::{CLONE_SUFFIX, Rotation, RotationRun, RotationSettings, RotationStep, RotationStrategy};
use cardea_model::secret::{STAGE_PENDING, STAGE_PREVIOUS, Secret, SecretFault, Version, VersionState};
use cardea_model::{Action, CanonicalPath, Error, Timestamp};
use cardea_sdk::{Context, Question};
use std::collections::{BTreeMap, BTreeSet};

/// Shortest schedule, in seconds: a change and its retries need room.
const EVERY_S_MIN: u64 = 60;
/// Longest schedule, in seconds: ten years. What never shall rotate has no schedule.
const EVERY_S_MAX: u64 = 10 * 366 * 86_400;
/// Shortest window, in seconds: background work looks often, and may be held up.
const WINDOW_S_MIN: u64 = 60;
/// Longest window, in seconds: a day, after which another time may have come.
const WINDOW_S_MAX: u64 = 86_400;
/// Shortest time that an old credential lives, in seconds: requests that read it before the change must be over.
const RETIRE_AFTER_S_MIN: u64 = 60;
/// Consumers that nobody waits for, and bytes of one's name: they stand in the record, which every look reads.
const IGNORED_MAX: usize = 32;
const IGNORED_BYTES_MAX: usize = 256;
/// Settling time of what is seen, in seconds, where its owner named none.
const RETIRE_AFTER_S_DEFAULT: u64 = 300;
/// How long an old key lives, in seconds, where its owner said nothing: a day. No later rotation takes its place.
const RETIRE_KEY_AFTER_S_DEFAULT: u64 = 86_400;
/// Longest, in seconds: a year. What shall live longer has no rule.
const RETIRE_AFTER_S_MAX: u64 = 366 * 86_400;

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
    pub retire: RetireChange,
}

/// Wanted settings of an old credential's end; `None` leaves what is there.
#[derive(Clone, Debug, Default)]
pub struct RetireChange {
    /// `Some(None)` lets an old credential live until the next rotation.
    pub bar: Option<Option<RetireBar>>,
    /// Seconds.
    pub after_s: Option<u64>,
    /// Seconds; `Some(None)` waits for as long as it takes.
    pub latest_s: Option<Option<u64>>,
    pub end_sessions: Option<bool>,
    pub ignored: Option<BTreeSet<String>>,
}

impl RetireChange {
    /// # Errors
    /// A bound, or a member that means nothing without a bar.
    fn of(&self, before: Option<RetireRule>) -> Result<Option<RetireRule>, Error> {
        let bar = match (self.bar, &before) {
            (Some(None), _) => None,
            (Some(Some(bar)), _) => Some(bar),
            (None, before) => before.as_ref().map(|rule| rule.bar),
        };
        let Some(bar) = bar else {
            let stray = self.after_s.is_some()
                || self.latest_s.flatten().is_some()
                || self.end_sessions == Some(true)
                || self.ignored.as_ref().is_some_and(|ignored| !ignored.is_empty());
            return match stray {
                true => Err(Error::invalid("field `retire_bar` is missing: nothing is retired without one")),
                false => Ok(None),
            };
        };
        let had = before.as_ref();
        let rule = RetireRule {
            bar,
            after_s: match (self.after_s.or(had.map(|rule| rule.after_s)), bar) {
                (Some(seconds), _) => seconds,
                (None, RetireBar::Time) => return Err(Error::invalid("field `retire_after` is missing")),
                (None, RetireBar::Sessions | RetireBar::Acknowledged | RetireBar::Read) => RETIRE_AFTER_S_DEFAULT,
            },
            latest_s: self.latest_s.unwrap_or(had.and_then(|rule| rule.latest_s)),
            end_sessions: self.end_sessions.unwrap_or(had.is_some_and(|rule| rule.end_sessions)),
            ignored: self.ignored.clone().unwrap_or_else(|| had.map(|rule| rule.ignored.clone()).unwrap_or_default()),
        };
        if rule.ignored.len() > IGNORED_MAX || rule.ignored.iter().any(|name| name.len() > IGNORED_BYTES_MAX) {
            let words =
                format!("field `retire_ignore` has over {IGNORED_MAX} names, or one of over {IGNORED_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        let range = RETIRE_AFTER_S_MIN..=RETIRE_AFTER_S_MAX;
        if !range.contains(&rule.after_s) {
            let words = format!("field `retire_after` is not from {RETIRE_AFTER_S_MIN} s to {RETIRE_AFTER_S_MAX} s");
            return Err(Error::invalid(words));
        }
        match rule.latest_s {
            Some(latest_s) if latest_s < rule.after_s || !range.contains(&latest_s) => Err(Error::invalid(format!(
                "field `retire_latest` is less than `retire_after`, or more than {RETIRE_AFTER_S_MAX} s"
            ))),
            _ => Ok(Some(rule)),
        }
    }
}

/// A rotation, and what its secret says.
pub struct Shown {
    pub rotation: Rotation,
    /// The version that carries the pending label without being the current one.
    pub pending: Option<u64>,
    /// In an emergency: who was last seen with the credential that ends.
    pub will_break: Option<Vec<String>>,
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
            (Some(RotationStep::Retire), _) if self.rotation.run.as_ref().is_some_and(RotationRun::is_turning_off) => {
                "the old credential is being turned off at the source"
            }
            (Some(RotationStep::Retire), _) => {
                "the new version is current; the old credential goes on until what its owner asked for is seen"
            }
            (Some(RotationStep::Revoke), _) => {
                "what the source has made for the secret is being turned off, one after another"
            }
        }
    }
}

fn pending(secret: &Secret) -> Option<u64> {
    secret.stages.get(STAGE_PENDING).copied().filter(|number| *number != secret.current)
}

fn shown(rotation: Rotation, secret: &Secret) -> Shown {
    Shown { rotation, pending: pending(secret), will_break: None }
}

/// The secret and its own rotation, if it has one.
async fn find(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Secret, Option<Rotation>), Error> {
    let secret = ops::changeable(cx, path).await?.ok_or_else(Error::not_found)?;
    let rotation = cx.state.get::<RotationRecord>(path.as_str()).await?.map(|record| record.0);
    // One of an earlier secret of this name says nothing about this one.
    let own = rotation.filter(|rotation| rotation.secret_id == secret.id);
    Ok((secret, own))
}

pub(super) async fn found(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Secret, Rotation), Error> {
    let (secret, rotation) = find(cx, path).await?;
    Ok((secret, rotation.ok_or_else(Error::not_found)?))
}

/// Stores the record, and moves it in the index.
pub(super) fn keep(
    cx: &mut Context<'_>,
    path: &str,
    mut rotation: Rotation,
    due: Option<Timestamp>,
) -> Result<Rotation, Error> {
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

pub(super) fn forget(cx: &mut Context<'_>, path: &str, rotation: &Rotation) {
    if let Some(due) = rotation.due {
        cx.state.delete::<RotationDue>(&RotationDue::name(due, path));
    }
    cx.state.delete::<RotationRecord>(path);
}

pub(super) fn store_secret(cx: &mut Context<'_>, mut secret: Secret) -> Result<(), Error> {
    secret.updated = cx.now;
    let path = secret.path.clone();
    cx.state.put(&path, &Pointer(secret))
}

/// When the schedule wants something, if nobody paused it.
pub(super) fn scheduled(rotation: &Rotation) -> Option<Timestamp> {
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
                    retire: None,
                },
                paused: false,
                run: None,
                last_rotated: None,
                last_failure: None,
                next: None,
                due: None,
                retired: BTreeSet::new(),
                last_retired: None,
                acks: BTreeMap::new(),
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
    settings.retire = change.retire.of(settings.retire.take())?;
    if settings.strategy == RotationStrategy::NewKey && settings.retire.is_none() {
        if change.retire.bar == Some(None) {
            return Err(Error::invalid(
                "field `retire_bar` is none: no later rotation would end a key that a source has made",
            ));
        }
        let after_s = RETIRE_KEY_AFTER_S_DEFAULT;
        let ignored = BTreeSet::new();
        settings.retire =
            Some(RetireRule { bar: RetireBar::Time, after_s, latest_s: None, end_sessions: false, ignored });
    }
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
    let now = cx.now;
    let due = match &rotation.run {
        // What is waited for may be something else by now.
        Some(run) if run.step == RotationStep::Retire && !run.is_turning_off() => Some(now),
        Some(_) => rotation.due,
        None => scheduled(&rotation),
    };
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
    warn_of_keys(cx, path, &record.0).await?;
    forget(cx, path.as_str(), &record.0);
    Ok(())
}

/// What is forgotten here lives on at a source that made it.
async fn warn_of_keys(cx: &mut Context<'_>, path: &CanonicalPath, rotation: &Rotation) -> Result<(), Error> {
    let pointer = cx.state.peek::<Pointer>(path.as_str()).await?;
    let live = pointer.is_some_and(|at| at.0.id == rotation.secret_id && !living(&at.0, rotation).is_empty());
    if live && rotation.settings.strategy == RotationStrategy::NewKey {
        cx.warn(
            "what the source has made for the secret lives on there: rotation-revoke, before, would have turned it off",
        );
    }
    Ok(())
}

/// The same of a secret that is removed with its rotation.
///
/// # Errors
/// Only the store's.
pub async fn warn_of_removal(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(), Error> {
    match cx.state.get::<RotationRecord>(path.as_str()).await? {
        Some(record) => warn_of_keys(cx, path, &record.0).await,
        None => Ok(()),
    }
}

pub(super) fn new_run(token: String, step: RotationStep, from: u64, to: u64, now: Timestamp) -> RotationRun {
    RotationRun {
        token,
        step,
        from,
        to,
        begun: now,
        attempts: 0,
        refused_values: 0,
        back: false,
        emergency: false,
        retiring: None,
    }
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
        // Whoever may begin a rotation may not for that decide how it is done. As at AWS, that is the same action to the
        // secret's resource policy, and the right to the rotator is not the secret's to give.
        let questions = vec![Question::new("secretsmanager:RotateSecret")];
        let attached = attached::of_secret(cx, &secret, questions).await?;
        if !regions::may(cx, Action::Update, "rotation", path.as_str(), attached.as_ref()) {
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
            retire: RetireChange::default(),
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
    // What waits for its end is no change that could be taken back.
    let begun = rotation.run.as_ref().is_some_and(|run| run.step != RotationStep::Retire);
    if begun || pending(&secret).is_some() {
        cancel(cx, path).await?;
    }
    let (secret, mut rotation) = found(cx, path).await?;
    rotation.paused = true;
    let due = if rotation.run.is_some() { rotation.due } else { None };
    let rotation = keep(cx, path.as_str(), rotation, due)?;
    Ok((secret, rotation))
}

/// Begins a change now. In an emergency the old credential is turned off as soon as the new one is current, and so is one
/// that waits for its end already; a change that is on its way becomes such a one.
///
/// # Errors
/// One is on its way or taken back, or a pending version was left over.
pub async fn begin(cx: &mut Context<'_>, path: &CanonicalPath, emergency: bool) -> Result<Shown, Error> {
    let (secret, mut rotation) = found(cx, path).await?;
    let will_break = match emergency {
        true => Some(retirement::who_will_break(cx, &secret, &rotation).await?),
        false => None,
    };
    match &mut rotation.run {
        Some(run) if emergency && !matches!(run.step, RotationStep::Undo | RotationStep::Revoke) => {
            run.emergency = true
        }
        _ => {
            check_free(&secret, &rotation)?;
            let mut run = new_run(ops::new_id(cx), RotationStep::Create, secret.current, 0, cx.now);
            run.emergency = emergency;
            rotation.run = Some(run);
        }
    }
    let now = cx.now;
    let rotation = keep(cx, path.as_str(), rotation, Some(now))?;
    Ok(Shown { will_break, ..shown(rotation, &secret) })
}

pub(super) fn check_free(secret: &Secret, rotation: &Rotation) -> Result<(), Error> {
    match &rotation.run {
        Some(run) if run.step == RotationStep::Retire => {
            return Err(Error::invalid(
                "the last change waits for the end of the old credential: rotation-cancel lets that one live, and an emergency ends it now",
            ));
        }
        Some(_) => return Err(Error::invalid("a change is on its way already")),
        None => {}
    }
    match pending(secret) {
        Some(_) => Err(Error::invalid(
            "a previous rotation is not complete: a version is still pending; remove its label first, with rotation-cancel",
        )),
        None => Ok(()),
    }
}

/// Takes a change back, or removes a pending label that was left over, or lets an old credential live that waits for its
/// end. Where taking back has failed, to ask again gives it
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
        // The new version stays. The old credential lives on, if nobody has begun to turn it off.
        Some(run) if run.step == RotationStep::Retire => {
            let gone = run.is_turning_off().then_some(run.from);
            rotation.retired.extend(gone);
            rotation.run = None;
            scheduled(&rotation)
        }
        // What was turned off stays so, and this one may be.
        Some(run) if run.step == RotationStep::Revoke => {
            rotation.retired.insert(run.from);
            rotation.run = None;
            rotation.paused = true;
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

/// Versions whose credentials live at a source that made them, as far as is known: the current one last.
pub(super) fn living(secret: &Secret, rotation: &Rotation) -> Vec<u64> {
    let ours = |version: &Version| version.rotator.as_ref() == Some(&rotation.settings.rotator);
    let lives = |version: &&Version| {
        (ours(version) || version.number == secret.current)
            && version.state != VersionState::Destroyed
            && !rotation.retired.contains(&version.number)
    };
    let mut found: Vec<u64> = secret.versions.iter().filter(lives).map(|version| version.number).collect();
    found.sort_by_key(|number| *number == secret.current);
    found
}

/// Turns everything off that the source has made for the secret, and holds its schedule. Readers get what no longer opens it.
///
/// # Errors
/// A change is on its way; the source makes no keys, or none lives.
pub async fn revoke(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (secret, mut rotation) = found(cx, path).await?;
    if rotation.settings.strategy != RotationStrategy::NewKey {
        let words =
            "only what a source makes (strategy new-key) is revoked: set the password of a user at the database";
        return Err(Error::invalid(words));
    }
    check_free(&secret, &rotation)?;
    let first = living(&secret, &rotation).first().copied();
    let first =
        first.ok_or_else(|| Error::invalid("no version has a credential that lives: nothing is to be revoked"))?;
    rotation.run = Some(new_run(ops::new_id(cx), RotationStep::Revoke, first, 0, cx.now));
    rotation.paused = true;
    let now = cx.now;
    let rotation = keep(cx, path.as_str(), rotation, Some(now))?;
    Ok(shown(rotation, &secret))
}

/// Goes back to the previous version: a change whose new value is that of before.
///
/// # Errors
/// A change is on its way, or the previous version cannot be read any more, or its credential was turned off.
pub async fn roll_back(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Shown, Error> {
    let (mut secret, mut rotation) = found(cx, path).await?;
    if rotation.run.as_ref().is_some_and(|run| run.step == RotationStep::Retire && !run.is_turning_off()) {
        // What waits for its end is what is gone back to.
        rotation.run = None;
    }
    check_free(&secret, &rotation)?;
    let back = secret.stages.get(STAGE_PREVIOUS).and_then(|number| secret.version(*number));
    let back = back.filter(|version| version.is_readable(cx.now) && version.number != secret.current);
    let Some((number, id)) = back.map(|version| (version.number, version.id.clone())) else {
        return Err(Error::invalid("there is no previous version that could be read"));
    };
    if rotation.retired.contains(&number) {
        return Err(Error::invalid(
            "the credential of the previous version was retired, and nothing opens the source with it any more: rotate again instead",
        ));
    }
    secret.stages.insert(STAGE_PENDING.to_owned(), number);
    secret.staged = true;
    store_secret(cx, secret.clone())?;
    let run = new_run(id, RotationStep::Set, secret.current, number, cx.now);
    rotation.run = Some(RotationRun { back: true, ..run });
    let now = cx.now;
    let rotation = keep(cx, path.as_str(), rotation, Some(now))?;
    Ok(shown(rotation, &secret))
}
