//! The rotation machine: walks the steps of a change between the engine that keeps a secret and the rotator that knows its
//! source. What is to be done stands in the engine's record before it is done; a process that dies in between finds the same
//! step there and does it again. It never assumes what came of a call, and never shows a value to the log.

use crate::active::Active;
use crate::event::{self, Event};
use crate::{runner, surroundings};
use cardea_model::mount::Mount;
use cardea_model::retirement::RetireBar;
use cardea_model::rotation::{RotationSettings, RotationStep};
use cardea_model::{Error, Origin, Payload};
use cardea_sdk::ExternalError;
use cardea_sdk::erased::AnyEngine;
use cardea_sdk::rotation::{Ending, Found, NewValue, RotationError, Rotator, Turn};
use std::sync::Arc;
use std::time::Duration;

/// Pause between looks; a wake-up comes earlier.
const TICK: Duration = Duration::from_millis(500);
/// Records of one mount that are looked at in one round.
const DUE_A_ROUND: usize = 64;
/// Steps of one record in a row: a whole change has five.
const STEPS_A_TURN: usize = 8;
/// Longest one call of a rotator may take before its outcome counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(90);
/// Retries of a commit against conflicts.
const RETRIES_MAX: usize = 32;

/// Runs until the server seals. It has a task of its own, so that a source that is down holds up no other work.
pub async fn run(active: Arc<Active>) {
    while !active.is_ending() {
        let woken = active.wake.notified();
        round(&active).await;
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(TICK) => {}
            () = active.end() => return,
        }
    }
}

/// One look at all mounts. Mounts are walked side by side, the records of one in their order: so no source of a mount is
/// asked two things at once.
pub async fn round(active: &Arc<Active>) {
    if active.is_frozen() {
        // A restored backup may not know what the source knows.
        return;
    }
    let _alone = active.rotating.lock().await;
    let mounts: Vec<Arc<Mount>> = active.mounts.now().iter().cloned().collect();
    let mut rounds = tokio::task::JoinSet::new();
    for mount in mounts {
        if active.engine(&mount).is_ok_and(|engine| engine.rotates().is_some()) {
            let active = active.clone();
            rounds.spawn(async move {
                if let Err(error) = one_round(&active, &mount).await {
                    tracing::warn!(mount = %mount.path, %error, "a round of rotations failed, will be tried again");
                }
            });
        }
    }
    while rounds.join_next().await.is_some() {}
}

/// Whether a mount has a step to be done now.
///
/// # Errors
/// The store's.
pub async fn has_due(active: &Active, mount: &Mount) -> Result<bool, Error> {
    let engine = active.engine(mount)?;
    let Some(rotates) = engine.rotates() else { return Ok(false) };
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let mut cx = surroundings::outside(active, &mut txn, mount, now);
    Ok(!rotates.due(&mut cx.state, now, 1).await?.is_empty())
}

async fn one_round(active: &Active, mount: &Mount) -> Result<(), Error> {
    let engine = active.engine(mount)?;
    let Some(rotates) = engine.rotates() else { return Ok(()) };
    let due = {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let mut cx = surroundings::outside(active, &mut txn, mount, now);
        rotates.due(&mut cx.state, now, DUE_A_ROUND).await?
    };
    for name in due {
        for _ in 0..STEPS_A_TURN {
            if active.is_ending() {
                return Ok(());
            }
            match step(active, mount, &*engine, &name).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(mount = %mount.path, %error, "a step of a rotation was not kept, will be tried again");
                    break;
                }
            }
        }
    }
    Ok(())
}

/// One step of one record. Whether there may be another one at once.
async fn step(active: &Active, mount: &Mount, engine: &dyn AnyEngine, name: &str) -> Result<bool, Error> {
    let Some(rotates) = engine.rotates() else { return Ok(false) };
    let origin = kernel_origin();
    let rights = surroundings::NoRights;
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let turn = {
        let mut cx = surroundings::context(active, &mut txn, mount, &origin, None, now, &rights);
        rotates.next(&mut cx, name).await?
    };
    let Some(turn) = turn else { return runner::commit(txn).await.map(|_| false) };
    if txn.has_writes() {
        // What was begun is durable before anything is done for it.
        return runner::commit(txn).await.map(|_| true);
    }
    let source = source_of(active, &turn.settings);
    if turn.step == RotationStep::Create {
        // No source is touched: the new value is made and kept in one commit.
        let made = match &source {
            Ok((place, other)) => match other.rotator() {
                Some(rotator) => {
                    let mut cx = surroundings::context(active, &mut txn, place, &origin, None, now, &rights);
                    rotator.create(&mut cx, &turn.settings, &turn.values.wanted).await
                }
                None => Err(no_rotator()),
            },
            Err(error) => Err(error.clone()),
        };
        let mut cx = surroundings::context(active, &mut txn, mount, &origin, None, now, &rights);
        let kept = match &made {
            Ok(NewValue::Here(patch)) => rotates.created(&mut cx, &turn, patch).await.map(|()| "rotation.created"),
            // That the source is asked is durable before it hears of it.
            Ok(NewValue::AtSource) => rotates.asking(&mut cx, &turn).await.map(|()| "rotation.asked"),
            Err(error) => Err(error.clone()),
        };
        return match kept {
            Ok(what) => {
                let path = format!("{}{}", mount.path, turn.path);
                let (subject, detail) = (&turn.token, &turn.settings.rotator);
                event::append(active, &mut txn, Event { what, subject, detail, path: &path }, now)?;
                runner::commit(txn).await.map(|_| true)
            }
            Err(error) => {
                drop(txn);
                report(active, mount, engine, &turn, &Err(error.into())).await.map(|()| false)
            }
        };
    }
    drop(txn);
    let secret = format!("{}{}", mount.path, turn.name);
    let rotator = match &source {
        Ok((place, other)) => other.rotator().map(|rotator| (place, rotator)).ok_or_else(no_rotator),
        Err(error) => Err(error.clone()),
    };
    let result = match rotator {
        Ok((place, rotator)) => match turn.ending {
            Some(Ending::Look { sessions }) => match look(active, place, rotator, &turn, &secret, sessions).await {
                Ok(found) => return looked(active, mount, engine, &turn, &found).await,
                Err(error) => Err(error),
            },
            _ => call(active, place, rotator, &turn, &secret).await,
        },
        Err(error) => Err(error.into()),
    };
    report(active, mount, engine, &turn, &result).await?;
    Ok(result.is_ok())
}

/// What can be seen of an old credential.
async fn look(
    active: &Active,
    place: &Mount,
    rotator: &dyn Rotator,
    turn: &Turn,
    secret: &str,
    sessions: bool,
) -> Result<Found, RotationError> {
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let mut cx = surroundings::outside(active, &mut txn, place, now);
    let (change, old) = (turn.change(secret), old(turn)?);
    let kept = rotator.keeps_old(&mut cx, &change, old).await?;
    // A bar of sessions needs them; to others they are worth knowing.
    let needed = turn.settings.retire.as_ref().is_some_and(|rule| rule.bar == RetireBar::Sessions);
    let mut found = Found { kept, sessions: None };
    if kept && sessions {
        let asked = rotator.sessions(&mut cx, &change, old);
        found.sessions = match tokio::time::timeout(CALL_MAX, asked).await.unwrap_or_else(|_| Err(late())) {
            Err(_) if !needed => None,
            answer => answer?,
        };
    }
    Ok(found)
}

/// Keeps what a look has found. Whether there may be another step at once.
async fn looked(
    active: &Active,
    mount: &Mount,
    engine: &dyn AnyEngine,
    turn: &Turn,
    found: &Found,
) -> Result<bool, Error> {
    let Some(rotates) = engine.rotates() else { return Ok(false) };
    let origin = kernel_origin();
    let rights = surroundings::NoRights;
    let path = format!("{}{}", mount.path, turn.path);
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let mut cx = surroundings::context(active, &mut txn, mount, &origin, None, now, &rights);
        let decided = rotates.looked(&mut cx, turn, found).await?;
        if let Some(reason) = decided {
            let (subject, detail) = (&turn.token, reason.as_str());
            event::append(active, &mut txn, Event { what: "rotation.retiring", subject, detail, path: &path }, now)?;
        }
        if runner::commit(txn).await? {
            return Ok(decided.is_some());
        }
    }
    Err(busy())
}

fn old(turn: &Turn) -> Result<&Payload, Error> {
    turn.values.known.first().ok_or_else(|| Error::internal("an old credential has no value"))
}

fn late() -> RotationError {
    ExternalError::unknown("the source did not answer in time", "time limit of the rotation").into()
}

fn busy() -> Error {
    Error::unavailable("too many concurrent changes, try again")
}

/// One call of a rotator; gives the value if it was to be made.
async fn call(
    active: &Active,
    place: &Mount,
    rotator: &dyn Rotator,
    turn: &Turn,
    secret: &str,
) -> Result<Option<Payload>, RotationError> {
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let mut cx = surroundings::outside(active, &mut txn, place, now);
    let change = turn.change(secret);
    let values = &turn.values;
    let work = async {
        match turn.step {
            RotationStep::Make => return rotator.make(&mut cx, &change, &values.wanted).await.map(Some),
            RotationStep::Create | RotationStep::Set => rotator.set(&mut cx, &change, values).await?,
            RotationStep::Test => rotator.test(&mut cx, &change, &values.wanted).await?,
            RotationStep::Undo => rotator.undo(&mut cx, &change, values, &turn.leftover).await?,
            RotationStep::Retire => rotator.retire(&mut cx, &change, old(turn)?, &values.wanted).await?,
            RotationStep::Revoke => rotator.revoke(&mut cx, &change, &values.wanted).await?,
        }
        Ok(None)
    };
    match tokio::time::timeout(CALL_MAX, work).await {
        Ok(result) => result,
        Err(_) => Err(late()),
    }
}

/// Keeps what came of a step.
async fn report(
    active: &Active,
    mount: &Mount,
    engine: &dyn AnyEngine,
    turn: &Turn,
    result: &Result<Option<Payload>, RotationError>,
) -> Result<(), Error> {
    let Some(rotates) = engine.rotates() else { return Ok(()) };
    let mut unkept = None;
    let origin = kernel_origin();
    let rights = surroundings::NoRights;
    let path = format!("{}{}", mount.path, turn.path);
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        let mut cx = surroundings::context(active, &mut txn, mount, &origin, None, now, &rights);
        let (what, detail) = match (unkept.as_ref().map_or(result.as_ref(), Err), turn.step) {
            (Ok(Some(patch)), _) => match rotates.created(&mut cx, turn, patch).await {
                Ok(()) => ("rotation.created", turn.settings.rotator.as_str()),
                // What the source made is no value that can be kept: that is a failure like another one.
                Err(error) => {
                    unkept = Some(RotationError::from(error));
                    continue;
                }
            },
            (Ok(None), step) => {
                rotates.done(&mut cx, turn).await?;
                match step {
                    RotationStep::Create | RotationStep::Make | RotationStep::Set => {
                        ("rotation.set", turn.settings.rotator.as_str())
                    }
                    RotationStep::Test => ("rotation.finished", turn.settings.rotator.as_str()),
                    RotationStep::Undo => ("rotation.undone", turn.settings.rotator.as_str()),
                    RotationStep::Retire => ("rotation.retired", turn.settings.rotator.as_str()),
                    RotationStep::Revoke => ("rotation.revoked", turn.settings.rotator.as_str()),
                }
            }
            (Err(error), _) => {
                rotates.failed(&mut cx, turn, error).await?;
                ("rotation.failed", error.client.as_str())
            }
        };
        event::append(active, &mut txn, Event { what, subject: &turn.token, detail, path: &path }, now)?;
        if runner::commit(txn).await? {
            return Ok(());
        }
    }
    Err(busy())
}

/// The mount that settings name, and its engine.
fn source_of(active: &Active, settings: &RotationSettings) -> Result<(Arc<Mount>, Arc<dyn AnyEngine>), Error> {
    let (path, _) = settings.rotator_parts().ok_or_else(no_rotator)?;
    let mount = active.mounts.now().at(&format!("{path}/")).cloned().ok_or_else(no_rotator)?;
    let engine = active.engine(&mount)?;
    Ok((mount, engine))
}

fn no_rotator() -> Error {
    Error::invalid("the rotator that the settings name does not exist, or rotates nothing")
}

fn kernel_origin() -> Origin {
    Origin { dialect: "kernel", peer: ([0, 0, 0, 0], 0).into(), tls: None, headers: Vec::new() }
}
