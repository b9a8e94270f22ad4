//! Credentials that change at their source. One engine keeps the secret ([`Rotates`]), another one knows the source
//! ([`Rotator`]); they do not know each other, and the kernel walks the steps between them. Every step is durable before it
//! is done and may be done again; what came of a call is found out, and never assumed.

use crate::context::{Context, OutsideContext};
use crate::external::ExternalError;
use async_trait::async_trait;
use cardea_model::retirement::RetireReason;
use cardea_model::rotation::{RotationFailureClass, RotationSettings, RotationStep};
use cardea_model::{Error, Payload, Timestamp};
use cardea_storage::record::Record;
use cardea_storage::view::View;
use serde::Deserialize;

/// An engine that changes credentials at its sources.
#[async_trait]
pub trait Rotator: Send + Sync {
    /// Makes a new value out of the current one, or says that the source does. Inside a transaction: the source hears
    /// nothing.
    ///
    /// # Errors
    /// The settings name nothing that this rotator has, or the current value is not one that it can rotate.
    async fn create(
        &self,
        cx: &mut Context<'_>,
        settings: &RotationSettings,
        current: &Payload,
    ) -> Result<NewValue, Error>;

    /// Lets the source make the new value, as a merge patch of the current one. Idempotent by the change's token: called
    /// again after a lost answer, it finds what was made then, or removes it.
    async fn make(
        &self,
        _cx: &mut OutsideContext<'_>,
        _change: &Change<'_>,
        _current: &Payload,
    ) -> Result<Payload, RotationError> {
        Err(Error::internal("this rotator makes its values itself").into())
    }

    /// Makes the source take `values.wanted`. Idempotent: called again after a lost answer, it finds what it did.
    async fn set(&self, cx: &mut OutsideContext<'_>, change: &Change<'_>, values: &Values)
    -> Result<(), RotationError>;

    /// Opens the source with a value, and does nothing there.
    async fn test(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        value: &Payload,
    ) -> Result<(), RotationError>;

    /// Takes the change back: the source has `values.wanted` as before the change, and nothing of what is left over.
    async fn undo(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
        _leftover: &Leftover,
    ) -> Result<(), RotationError> {
        self.set(cx, change, values).await?;
        self.test(cx, change, &values.wanted).await
    }

    /// Whether an old credential goes on opening the source beside the new one, until [`Self::retire`] or the next change
    /// ends it. A source that holds one credential says no, and so does one whose `old` value has none: there is nothing to
    /// retire, and nobody waits for proof.
    async fn keeps_old(
        &self,
        _cx: &mut OutsideContext<'_>,
        _change: &Change<'_>,
        _old: &Payload,
    ) -> Result<bool, RotationError> {
        Ok(false)
    }

    /// Open sessions of the old credential; `None` where the source cannot tell. Changes nothing.
    async fn sessions(
        &self,
        _cx: &mut OutsideContext<'_>,
        _change: &Change<'_>,
        _old: &Payload,
    ) -> Result<Option<u64>, RotationError> {
        Ok(None)
    }

    /// Turns the old credential off, so that nobody can open the source with it any more. Idempotent: one that is off
    /// already is a success. It must refuse where `current`, the version that readers get, would be turned off with it.
    /// `change` is the one that made the new version.
    async fn retire(
        &self,
        _cx: &mut OutsideContext<'_>,
        _change: &Change<'_>,
        _old: &Payload,
        _current: &Payload,
    ) -> Result<(), RotationError> {
        Ok(())
    }

    /// Turns off a credential that readers may get, since its owner wants none that the source has made to live. Idempotent as
    /// [`Self::retire`].
    async fn revoke(
        &self,
        _cx: &mut OutsideContext<'_>,
        _change: &Change<'_>,
        _value: &Payload,
    ) -> Result<(), RotationError> {
        Err(Error::invalid("this rotator turns nothing off that readers get: do it at the source, then cancel").into())
    }
}

/// The record under the name that the settings give after the rotator's mount.
///
/// # Errors
/// There is none: `missing` says so.
pub async fn named_by<R: Record>(
    state: &mut View<'_>,
    settings: &RotationSettings,
    missing: &'static str,
) -> Result<R, Error> {
    let (_, name) = settings.rotator_parts().unwrap_or_default();
    state.get::<R>(name).await?.ok_or_else(|| Error::invalid(missing))
}

/// The user of a secret is the one whose rotation was decided, and nobody whom a writer of the secret put in its place.
///
/// # Errors
/// It is another one.
pub fn check_user(is_ours: bool) -> Result<(), Error> {
    match is_ours {
        true => Ok(()),
        false => Err(Error::invalid("the secret names another user than the one whose rotation was decided")),
    }
}

/// The user that a secret names, if it names one: a source that makes values itself needs none.
///
/// # Errors
/// The secret has no place where a user or a new value could stand.
pub fn user_of(value: &Payload) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        username: Option<String>,
    }
    let named: Named = value
        .read()
        .map_err(|_| Error::invalid("the secret is no object, or its `username` is no text: it cannot be rotated"))?;
    Ok(named.username)
}

/// Where a new value comes from.
pub enum NewValue {
    /// A merge patch of the current value; the source hears of it by [`Rotator::set`].
    Here(Payload),
    /// [`Rotator::make`] asks the source for it.
    AtSource,
}

/// The change that a call is a part of.
pub struct Change<'t> {
    /// The path of the secret, its mount's included.
    pub secret: &'t str,
    /// The secret's own id, which no other one ever has, and which stays where its path does not.
    pub id: &'t str,
    /// What was done for it once is not done again. It is also the id of the new version.
    pub token: &'t str,
    /// When it began; where the source makes the value, when it was first to be asked for this token.
    pub begun: Timestamp,
    pub settings: &'t RotationSettings,
    /// To retire or to revoke: the rotator that made the value; nothing if somebody wrote it.
    pub made_by: Option<&'t str>,
}

/// What a change that is taken back has left at the source.
pub enum Leftover {
    /// Whatever the source made for the token: no version holds it.
    Unknown,
    /// What the new version holds.
    Value(Payload),
    /// Nothing of its own: it was to go back to a version that was there before.
    Nothing,
}

/// What the source shall take, and what may open it now: the likeliest first.
pub struct Values {
    pub wanted: Payload,
    pub known: Vec<Payload>,
}

/// An engine whose records rotate. All of it runs inside transactions of the machine that walks the steps.
#[async_trait]
pub trait Rotates: Send + Sync {
    /// Names of records with something to be done at `now`, the oldest first.
    async fn due(&self, state: &mut View<'_>, now: Timestamp, limit: usize) -> Result<Vec<String>, Error>;

    /// The step to be done for one of them; begins a change whose time has come.
    async fn next(&self, cx: &mut Context<'_>, name: &str) -> Result<Option<Turn>, Error>;

    /// The source is to make the new value: what was begun may from here on have left something there.
    async fn asking(&self, cx: &mut Context<'_>, turn: &Turn) -> Result<(), Error>;

    /// Keeps the new value as pending.
    async fn created(&self, cx: &mut Context<'_>, turn: &Turn, patch: &Payload) -> Result<(), Error>;

    /// The step was done. Ignored if the record has moved on since.
    async fn done(&self, cx: &mut Context<'_>, turn: &Turn) -> Result<(), Error>;

    /// What a look at an old credential has found. Whether it is turned off now is kept with the record before the source
    /// hears of it; so is, if not, what is missing. Ignored if the record has moved on since.
    async fn looked(&self, cx: &mut Context<'_>, turn: &Turn, found: &Found) -> Result<Option<RetireReason>, Error>;

    /// The step failed: how, and when to try again, is kept with the record.
    async fn failed(&self, cx: &mut Context<'_>, turn: &Turn, error: &RotationError) -> Result<(), Error>;
}

impl Turn {
    /// The change that it is a step of.
    #[must_use]
    pub fn change<'t>(&'t self, secret: &'t str) -> Change<'t> {
        Change {
            secret,
            id: &self.id,
            token: &self.token,
            begun: self.begun,
            settings: &self.settings,
            made_by: self.made_by.as_deref(),
        }
    }
}

/// One step of one change.
pub struct Turn {
    /// Of the record, in its engine.
    pub name: String,
    /// Of the secret: no other one ever has it.
    pub id: String,
    /// The path inside the mount that policies and the log know it by.
    pub path: String,
    pub settings: RotationSettings,
    pub token: String,
    pub begun: Timestamp,
    pub step: RotationStep,
    /// To create or make: the current value alone is known, and stands as wanted. To retire: the current value stands as
    /// wanted, and the old one alone is known. To revoke: what is to be turned off stands as wanted. Else see [`Values`].
    pub values: Values,
    pub leftover: Leftover,
    /// See [`Change::made_by`].
    pub made_by: Option<String>,
    /// To retire: what has to be done about the old credential.
    pub ending: Option<Ending>,
}

/// What has to be done about an old credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Look who uses it; the source is asked for sessions only if that is wanted.
    Look { sessions: bool },
    /// It was decided: turn it off.
    TurnOff,
}

/// What a look at an old credential has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Whether the source keeps it open at all beside the new one.
    pub kept: bool,
    /// Open sessions; `None` if nobody asked or the source cannot tell.
    pub sessions: Option<u64>,
}

/// How a step failed.
#[derive(Debug)]
pub struct RotationError {
    pub class: RotationFailureClass,
    /// Words for the owner; no value stands in them.
    pub client: String,
}

impl From<ExternalError> for RotationError {
    fn from(failed: ExternalError) -> Self {
        let class = match (failed.temporary || !failed.nothing_happened, failed.value_refused) {
            (true, _) => RotationFailureClass::SourceDown,
            (false, true) => RotationFailureClass::ValueRefused,
            (false, false) => RotationFailureClass::RotatorRefused,
        };
        Self { class, client: failed.client }
    }
}

impl From<Error> for RotationError {
    fn from(error: Error) -> Self {
        Self { class: RotationFailureClass::RotatorRefused, client: error.client }
    }
}
