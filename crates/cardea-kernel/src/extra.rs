//! What the kernel's own engines may ask for and extensions may not: tokens in answers, replayed answers, and actions that
//! take effect in memory once their commit is durable.

use crate::mounts::MountChange;
use crate::rekey::Rekey;
use crate::root_attempt::RootAttempt;
use crate::wrapping::Content;
use cardea_barrier::Keyring;
use cardea_model::{AuthGrant, Body, LeaseFacts, WrapFacts};
use cardea_sdk::{Done, Outcome};
use std::sync::Arc;

/// Beside the body of a kernel engine's answer.
#[derive(Default)]
pub struct Extra {
    pub auth: Option<AuthGrant>,
    pub lease: Option<LeaseFacts>,
    /// A wrapping token that the operation itself made (`sys/wrapping/wrap`, `rewrap`).
    pub wrap: Option<WrapFacts>,
    /// An unwrapped answer to be given as it was.
    pub replay: Option<Content>,
    /// The member `id` of the answer, or the token of its auth part, is the token that the caller showed: the engine
    /// knows only its hash.
    pub presented_id: bool,
    pub after: Vec<After>,
}

/// Takes effect after the commit.
pub enum After {
    Mounts(MountChange),
    /// A password policy's text changed, or it is gone.
    PasswordPolicy {
        name: String,
        text: Option<String>,
    },
    /// A rotated keyring is durable: use it.
    Keyring(Arc<Keyring>),
    /// The log keeps a header of requests from now on, or no longer.
    KeptHeader {
        name: String,
        hashed: Option<bool>,
    },
    /// There is work for the job runner or the revoker.
    Wake,
    /// The set of audit devices changed.
    Devices,
    /// An operator accepted a restored backup: revocation goes on.
    Thaw,
    /// New shares are durable, or the rekey was given up: it is over.
    RekeyDone,
    /// A root generation is recorded: it begins.
    RootBegun(Box<RootAttempt>),
    /// These root generations are over, by their nonces: done, or given up.
    RootOver(Vec<String>),
    /// A rekey is recorded: it begins.
    RekeyBegun(Box<Rekey>),
    /// Seal the server once the answer is out.
    Seal,
}

impl Extra {
    #[must_use]
    pub fn with(body: Body, extra: Extra) -> Outcome {
        Outcome::Done(Done::kernel_side(body, Box::new(extra)))
    }

    #[must_use]
    pub fn after(after: After) -> Outcome {
        Self::with(Body::Empty, Self { after: vec![after], ..Self::default() })
    }

    pub(crate) fn take(done: &mut Done) -> Self {
        done.take_kernel_side().and_then(|any| any.downcast::<Self>().ok()).map(|extra| *extra).unwrap_or_default()
    }
}
