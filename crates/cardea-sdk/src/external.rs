//! Effects outside: plan, perform, settle. An external call can fail in two ways: it did not happen, or it happened and
//! we were not told. The types say which; `perform` and `revoke` must be idempotent by what the effect holds.

use crate::context::{Context, OutsideContext};
use crate::outcome::Done;
use async_trait::async_trait;
use cardea_model::{Error, SecretBytes, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use zeroize::Zeroizing;

/// What an engine needs to do, check or undo an effect: its own typed record, sealed with the intent.
#[derive(Debug)]
pub struct Effect {
    /// The route or operation it belongs to; the engine's own word.
    pub what: String,
    pub data: SecretBytes,
}

impl Effect {
    pub fn of<T: Serialize>(what: &str, value: &T) -> Result<Self, Error> {
        let data = serde_json::to_vec(value).map_err(|_| Error::internal("an effect could not be encoded"))?;
        Ok(Self { what: what.to_owned(), data: SecretBytes::new(data) })
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.data.expose()).map_err(|_| Error::internal("an effect does not parse"))
    }
}

/// An engine that plans effects.
#[async_trait]
pub trait External: Send + Sync {
    /// Makes it happen. Idempotent: called again after a lost answer, it finds what it did.
    async fn perform(&self, cx: &mut OutsideContext<'_>, effect: &Effect) -> Result<(), ExternalError>;

    /// Inside the settling transaction: changes of state that depend on success, and the answer.
    async fn settle(&self, cx: &mut Context<'_>, effect: &Effect) -> Result<Done, Error>;
}

/// A lease as its engine sees it.
pub struct Lease<'a> {
    /// The effect that made the credential.
    pub effect: &'a Effect,
    pub expires: Timestamp,
}

/// An engine whose leases can be ended.
#[async_trait]
pub trait Revoker: Send + Sync {
    /// Makes sure that the credential does not exist. "Already gone" is success.
    async fn revoke(&self, cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError>;

    /// Moves the credential's end at the source to `lease.expires`, where the source keeps one.
    async fn renew(&self, cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError>;
}

/// How an external call failed.
pub struct ExternalError {
    /// Whether the effect certainly did not happen.
    pub nothing_happened: bool,
    /// Whether the same call may succeed later.
    pub temporary: bool,
    /// Whether it was the new value that the source did not take: another one may do.
    pub value_refused: bool,
    /// Words for the client.
    pub client: String,
    /// Detail for the log: the source's own message, without values that it echoes.
    pub detail: Zeroizing<String>,
}

impl ExternalError {
    /// The source refused: nothing happened and trying again will not help.
    #[must_use]
    pub fn refused(client: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            nothing_happened: true,
            temporary: false,
            value_refused: false,
            client: client.into(),
            detail: Zeroizing::new(detail.into()),
        }
    }

    /// The source could not be reached: nothing happened, later may work.
    #[must_use]
    pub fn unreachable(client: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { temporary: true, ..Self::refused(client, detail) }
    }

    /// No answer came: it may have happened.
    #[must_use]
    pub fn unknown(client: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { nothing_happened: false, temporary: true, ..Self::refused(client, detail) }
    }
}

impl fmt::Debug for ExternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalError(nothing_happened: {}, {})", self.nothing_happened, self.client)
    }
}

impl From<Error> for ExternalError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        Self::refused(error.client, detail)
    }
}

impl From<ExternalError> for Error {
    fn from(error: ExternalError) -> Self {
        Error::upstream(error.client).with_detail(error.detail.as_str().to_owned())
    }
}
