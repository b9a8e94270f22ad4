//! Credentials that change at their source. One engine keeps the secret ([`Rotates`]), another one knows the source
//! ([`Rotator`]); they do not know each other, and the kernel walks the steps between them. Every step is durable before it
//! is done and may be done again; what came of a call is found out, and never assumed.

use crate::context::{Context, OutsideContext};
use crate::external::ExternalError;
use async_trait::async_trait;
use cardea_model::rotation::{RotationFailureClass, RotationSettings, RotationStep};
use cardea_model::{Error, Payload, Timestamp};
use cardea_storage::view::View;

/// An engine that changes credentials at its sources.
#[async_trait]
pub trait Rotator: Send + Sync {
    /// Makes a new value out of the current one, as a merge patch of it. Inside a transaction: the source hears nothing.
    ///
    /// # Errors
    /// The settings name nothing that this rotator has, or the current value is not one that it can rotate.
    async fn create(
        &self,
        cx: &mut Context<'_>,
        settings: &RotationSettings,
        current: &Payload,
    ) -> Result<Payload, Error>;

    /// Makes the source take `values.wanted`. Idempotent: called again after a lost answer, it finds what it did.
    async fn set(
        &self,
        cx: &mut OutsideContext<'_>,
        settings: &RotationSettings,
        values: &Values,
    ) -> Result<(), RotationError>;

    /// Opens the source with a value, and does nothing there.
    async fn test(
        &self,
        cx: &mut OutsideContext<'_>,
        settings: &RotationSettings,
        value: &Payload,
    ) -> Result<(), RotationError>;
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

    /// Keeps the new value as pending.
    async fn created(&self, cx: &mut Context<'_>, turn: &Turn, patch: &Payload) -> Result<(), Error>;

    /// The step was done. Ignored if the record has moved on since.
    async fn done(&self, cx: &mut Context<'_>, turn: &Turn) -> Result<(), Error>;

    /// The step failed: how, and when to try again, is kept with the record.
    async fn failed(&self, cx: &mut Context<'_>, turn: &Turn, error: &RotationError) -> Result<(), Error>;
}

/// One step of one change.
pub struct Turn {
    /// Of the record, in its engine.
    pub name: String,
    /// The path inside the mount that policies and the log know it by.
    pub path: String,
    pub settings: RotationSettings,
    pub token: String,
    pub step: RotationStep,
    /// To create: the current value alone is known, and stands as wanted. Else see [`Values`].
    pub values: Values,
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
