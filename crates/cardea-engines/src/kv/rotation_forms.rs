//! Requests about rotations, and the form of their answer. It must never hold a payload: an answer here goes to whoever may
//! look at the rotation, and not at the secret.

use crate::kv::retirement::{Proof, State};
use crate::kv::rotation::{Change, RetireChange, Shown};
use crate::kv::routes::Op;
use cardea_model::loose::{self, Flag, Int};
use cardea_model::operation::RotationSchedule;
use cardea_model::params::Params;
use cardea_model::retirement::RetireBar;
use cardea_model::rotation::RotationStrategy;
use cardea_model::{CanonicalPath, Error, Timestamp};
use cardea_sdk::Bound;
use serde::{Deserialize, Serialize};

/// Members whose values the log keeps in clear: none is secret.
pub const ROTATION_FIELDS: &[&str] = &[
    "rotator",
    "username",
    "strategy",
    "every",
    "schedule",
    "window",
    "paused",
    "retire_bar",
    "retire_after",
    "retire_latest",
    "retire_end_sessions",
    "retire_ignore",
    "emergency",
    "state",
    "token",
    "pending_version",
    "attempts",
    "next_try",
    "last_rotated",
    "next_rotation",
    "failure_class",
    "failure",
    "failed_at",
    "explanation",
    "retire_waits_since",
    "retire_sessions",
    "last_retired",
    "last_retired_version",
    "last_retired_reason",
    "will_break",
];

/// The same of a proof.
pub const PROOF_FIELDS: &[&str] = &[
    "state",
    "bar",
    "met",
    "missing",
    "old_version",
    "new_version",
    "since",
    "sessions",
    "readers_known_since",
    "log_complete",
    "last_retired",
    "last_retired_version",
    "last_retired_reason",
    "last_retired_lagging",
];

/// What is asked.
#[derive(Clone, Debug)]
pub enum RotationAct {
    Read,
    Configure(Change),
    Remove,
    Begin { emergency: bool },
    Cancel,
    RollBack,
    Revoke,
    Acknowledge { version: u64 },
    Proof,
}

#[derive(Deserialize)]
struct At {
    path: String,
}

/// A request that says no more than its path.
pub fn bind(params: &Params, act: RotationAct) -> Result<Bound<Op>, Error> {
    Bound::try_read(params, |at: At| Ok(Op::Rotation { path: CanonicalPath::parse(&at.path)?, act }))
}

#[derive(Deserialize)]
pub struct ConfigureInput {
    path: String,
    #[serde(default)]
    rotator: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    strategy: Option<String>,
    #[serde(default)]
    every: Option<loose::Duration>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    window: Option<loose::Duration>,
    #[serde(default)]
    paused: Option<Flag>,
    #[serde(default)]
    retire_bar: Option<String>,
    #[serde(default)]
    retire_after: Option<loose::Duration>,
    #[serde(default)]
    retire_latest: Option<loose::Duration>,
    #[serde(default)]
    retire_end_sessions: Option<Flag>,
    #[serde(default)]
    retire_ignore: Option<loose::List>,
}

#[derive(Deserialize)]
pub struct AckInput {
    path: String,
    version: Int,
}

pub fn acknowledge(input: AckInput) -> Result<Op, Error> {
    let version = u64::try_from(input.version.0).map_err(|_| Error::invalid("field `version` is negative"))?;
    Ok(Op::Rotation { path: CanonicalPath::parse(&input.path)?, act: RotationAct::Acknowledge { version } })
}

#[derive(Deserialize)]
pub struct BeginInput {
    path: String,
    #[serde(default)]
    emergency: Option<Flag>,
}

pub fn begin(input: BeginInput) -> Result<Op, Error> {
    let emergency = input.emergency.is_some_and(|Flag(flag)| flag);
    Ok(Op::Rotation { path: CanonicalPath::parse(&input.path)?, act: RotationAct::Begin { emergency } })
}

/// The word for no bar at all.
const NO_BAR: &str = "none";

fn bar(word: &str) -> Result<Option<RetireBar>, Error> {
    if word == NO_BAR { Ok(None) } else { RetireBar::parse(word).map(Some) }
}

pub fn configure(input: ConfigureInput) -> Result<Op, Error> {
    let text = input.schedule.filter(|text| !text.is_empty()).map(RotationSchedule::Cron);
    let span = input.every.and_then(loose::Duration::none_if_zero).map(|span| RotationSchedule::Every(span.0));
    let schedule = match (input.every.is_some(), text, span) {
        (_, Some(_), Some(_)) => return Err(Error::invalid("fields `every` and `schedule` exclude each other")),
        (_, Some(schedule), None) | (_, None, Some(schedule)) => Some(Some(schedule)),
        (true, None, None) => Some(None),
        (false, None, None) => None,
    };
    let change = Change {
        rotator: input.rotator.map(|rotator| rotator.trim_matches('/').to_owned()),
        username: input.username,
        strategy: input.strategy.as_deref().map(RotationStrategy::parse).transpose()?,
        schedule,
        window_s: input.window.map(|span| span.none_if_zero().map(|seconds| seconds.0)),
        paused: input.paused.map(|Flag(flag)| flag),
        retire: RetireChange {
            bar: input.retire_bar.as_deref().map(bar).transpose()?,
            after_s: input.retire_after.map(|span| span.0.0),
            latest_s: input.retire_latest.map(|span| span.none_if_zero().map(|seconds| seconds.0)),
            end_sessions: input.retire_end_sessions.map(|Flag(flag)| flag),
            ignored: input.retire_ignore.map(|list| list.0.into_iter().filter(|name| !name.is_empty()).collect()),
        },
    };
    Ok(Op::Rotation { path: CanonicalPath::parse(&input.path)?, act: RotationAct::Configure(change) })
}

#[derive(Serialize)]
pub struct RotationForm<'a> {
    rotator: &'a str,
    username: &'a str,
    strategy: &'static str,
    /// Seconds; 0 where there is none.
    every: u64,
    schedule: Option<&'a str>,
    /// Seconds; 0 is without end.
    window: u64,
    paused: bool,
    /// `idle`, or the step to be done next.
    state: &'static str,
    token: Option<&'a str>,
    pending_version: Option<u64>,
    attempts: u32,
    next_try: Option<String>,
    last_rotated: Option<String>,
    next_rotation: Option<String>,
    failure_class: Option<&'static str>,
    failure: Option<&'a str>,
    failed_at: Option<String>,
    explanation: &'static str,
    retire_bar: &'static str,
    /// Seconds; 0 where there is no bar.
    retire_after: u64,
    /// Seconds; 0 waits for as long as it takes.
    retire_latest: u64,
    retire_end_sessions: bool,
    retire_ignore: Vec<&'a str>,
    /// Whether the old credential is turned off as soon as the new one is current.
    emergency: bool,
    /// Since when an old credential waits for its end.
    retire_waits_since: Option<String>,
    /// Open sessions of it at the last look, if the source was asked and said.
    retire_sessions: Option<u64>,
    /// What was missing at the last look.
    retire_lacks: &'a [String],
    last_retired: Option<String>,
    last_retired_version: Option<u64>,
    last_retired_reason: Option<&'static str>,
    /// In an emergency: who was last seen with the credential that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    will_break: Option<&'a [String]>,
}

#[must_use]
pub fn form(shown: &Shown) -> RotationForm<'_> {
    let rotation = &shown.rotation;
    let settings = &rotation.settings;
    let run = rotation.run.as_ref();
    let failure = rotation.last_failure.as_ref();
    let rule = settings.retire.as_ref();
    let retiring = run.and_then(|run| run.retiring.as_ref());
    let retired = rotation.last_retired.as_ref();
    RotationForm {
        rotator: &settings.rotator,
        username: &settings.username,
        strategy: settings.strategy.as_str(),
        every: settings.every_s.unwrap_or_default(),
        schedule: settings.cron.as_deref(),
        window: settings.window_s.unwrap_or_default(),
        paused: rotation.paused,
        state: run.map_or("idle", |run| run.step.as_str()),
        token: run.map(|run| run.token.as_str()),
        pending_version: shown.pending,
        attempts: run.map_or(0, |run| run.attempts),
        next_try: run.and(rotation.due).map(|at| at.rfc3339()),
        last_rotated: rotation.last_rotated.map(|at| at.rfc3339()),
        next_rotation: rotation.next.filter(|_| !rotation.paused).map(|at| at.rfc3339()),
        failure_class: failure.map(|failure| failure.class.as_str()),
        failure: failure.map(|failure| failure.words.as_str()),
        failed_at: failure.map(|failure| failure.at.rfc3339()),
        explanation: shown.explanation(),
        retire_bar: rule.map_or(NO_BAR, |rule| rule.bar.as_str()),
        retire_after: rule.map_or(0, |rule| rule.after_s),
        retire_latest: rule.and_then(|rule| rule.latest_s).unwrap_or_default(),
        retire_end_sessions: rule.is_some_and(|rule| rule.end_sessions),
        retire_ignore: rule.map_or_else(Vec::new, |rule| rule.ignored.iter().map(String::as_str).collect()),
        emergency: run.is_some_and(|run| run.emergency),
        retire_waits_since: retiring.map(|retiring| retiring.since.rfc3339()),
        retire_sessions: retiring.and_then(|retiring| retiring.sessions),
        retire_lacks: retiring.map_or(&[], |retiring| &retiring.lacks),
        last_retired: retired.map(|retired| retired.at.rfc3339()),
        last_retired_version: retired.map(|retired| retired.version),
        last_retired_reason: retired.map(|retired| retired.reason.as_str()),
        will_break: shown.will_break.as_deref(),
    }
}

#[derive(Serialize)]
pub struct ProofForm<'a> {
    /// `idle`, `waiting` or `turning-off`.
    state: &'static str,
    bar: &'static str,
    /// Whether the old credential may end, or has ended.
    met: bool,
    missing: &'a [String],
    old_version: Option<u64>,
    new_version: u64,
    /// When the new version became the current one.
    since: Option<String>,
    /// Open sessions of the old credential at the last look, if the source was asked and said.
    sessions: Option<u64>,
    consumers: Vec<ConsumerForm<'a>>,
    /// Reads of before are not known.
    readers_known_since: Option<String>,
    /// Whether the log was read to its end; if not, ask again.
    log_complete: bool,
    last_retired: Option<String>,
    last_retired_version: Option<u64>,
    last_retired_reason: Option<&'static str>,
    last_retired_lagging: &'a [String],
}

#[derive(Serialize)]
struct ConsumerForm<'a> {
    consumer: &'a str,
    name: &'a str,
    old_read: Option<String>,
    new_read: Option<String>,
    acknowledged: Option<String>,
    lags: bool,
    ignored: bool,
}

#[must_use]
pub fn proof_form(proof: &Proof) -> ProofForm<'_> {
    let time = |at: Option<Timestamp>| at.map(|at| at.rfc3339());
    let retired = proof.last_retired.as_ref();
    let ended = retired.is_some_and(|retired| Some(retired.version) == proof.old);
    ProofForm {
        state: match proof.state {
            State::Idle => "idle",
            State::Waiting => "waiting",
            State::TurningOff => "turning-off",
        },
        bar: proof.bar.map_or(NO_BAR, RetireBar::as_str),
        met: match proof.state {
            State::Idle => ended,
            State::Waiting => proof.missing.is_empty() && proof.bar.is_some(),
            State::TurningOff => true,
        },
        missing: &proof.missing,
        old_version: proof.old,
        new_version: proof.new,
        since: time(proof.since),
        sessions: proof.sessions,
        consumers: proof
            .standings
            .iter()
            .map(|one| ConsumerForm {
                consumer: &one.consumer,
                name: &one.name,
                old_read: time(one.old_read),
                new_read: time(one.new_read),
                acknowledged: time(one.acknowledged),
                lags: one.lags,
                ignored: one.ignored,
            })
            .collect(),
        readers_known_since: time(proof.known_since),
        log_complete: proof.log_complete,
        last_retired: time(retired.map(|retired| retired.at)),
        last_retired_version: retired.map(|retired| retired.version),
        last_retired_reason: retired.map(|retired| retired.reason.as_str()),
        last_retired_lagging: retired.map_or(&[], |retired| &retired.lagging),
    }
}
