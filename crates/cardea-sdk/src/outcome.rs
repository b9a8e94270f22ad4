//! What an operation wants done. An engine returns; it never calls up.

use crate::external::Effect;
use cardea_model::lease::LeaseOffer;
use cardea_model::{Body, Error, Payload};
use serde::Serialize;

/// The result of handling an operation.
pub enum Outcome {
    /// Everything is in the transaction.
    Done(Done),
    /// Something must happen outside: the kernel commits the intent, then performs it, then settles.
    External(Plan),
}

/// An answer that needs nothing more.
#[derive(Default)]
pub struct Done {
    pub body: Body,
    /// For how many seconds a client may use the answer before it asks again, where its wire says so. Nothing stands behind
    /// it that could be renewed or revoked.
    pub fresh_s: Option<u64>,
    /// Reserved for the kernel's own engines.
    kernel: Option<Box<dyn std::any::Any + Send>>,
}

impl Done {
    /// The JSON object of a typed answer.
    pub fn object<T: Serialize + ?Sized>(value: &T) -> Result<Outcome, Error> {
        Ok(Self::body(Body::Object(Payload::of(value)?)))
    }

    /// Names, as LIST answers them; an empty list is "not found" on the wire.
    pub fn keys(keys: Vec<String>) -> Result<Outcome, Error> {
        #[derive(Serialize)]
        struct Keys {
            keys: Vec<String>,
        }
        if keys.is_empty() {
            return Err(Error::not_found());
        }
        Self::object(&Keys { keys })
    }

    #[must_use]
    pub fn empty() -> Outcome {
        Outcome::Done(Self::default())
    }

    #[must_use]
    pub fn body(body: Body) -> Outcome {
        Outcome::Done(Self { body, ..Self::default() })
    }

    /// An answer that a client may use for this long.
    #[must_use]
    pub fn fresh(body: Body, seconds: u64) -> Outcome {
        Outcome::Done(Self { body, fresh_s: Some(seconds), ..Self::default() })
    }

    /// Reserved for the kernel's own engines; xtask refuses the word in extensions.
    #[must_use]
    pub fn kernel_side(body: Body, extra: Box<dyn std::any::Any + Send>) -> Self {
        Self { body, kernel: Some(extra), ..Self::default() }
    }

    /// Reserved for the kernel.
    pub fn take_kernel_side(&mut self) -> Option<Box<dyn std::any::Any + Send>> {
        self.kernel.take()
    }
}

/// An effect outside, with everything needed to do it, to find out whether it was done, and to undo it.
pub struct Plan {
    pub effect: Effect,
    /// Present if a credential is issued: the kernel writes the lease before the credential exists.
    pub lease: Option<LeaseOffer>,
    pub recovery: Recovery,
}

/// What to do with an effect whose outcome nobody knows (the process died, the answer was lost).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recovery {
    /// Make sure that it did not happen: revoke what may exist. For credentials nobody has received.
    Undo,
    /// Make sure that it did happen: perform again, then settle. For changes that were decided (a root rotation).
    Redo,
}
