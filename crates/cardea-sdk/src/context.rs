//! What an operation may use. No code reads the clock or randomness but through here.

use crate::attached::{Attached, Verdict};
use async_trait::async_trait;
use cardea_crypto::random::Randomness;
use cardea_model::consumer::SecretReaders;
use cardea_model::mount::Mount;
use cardea_model::{Action, Caller, Error, Origin, SecretText, Timestamp, TtlSeconds};
use cardea_policy::iam::Document;
use cardea_storage::view::View;

/// The context of one operation inside one transaction.
pub struct Context<'a> {
    /// The mount's own records.
    pub state: View<'a>,
    pub mount: &'a Mount,
    /// Absent on anonymous routes and logins.
    pub caller: Option<&'a Caller>,
    pub origin: &'a Origin,
    /// The store's time.
    pub now: Timestamp,
    pub rng: &'a dyn Randomness,
    pub rights: &'a dyn Rights,
    /// What the request said of wrapping; only the operation that wraps by itself looks at it.
    pub wrap_ttl: Option<TtlSeconds>,
    pub system: &'a dyn System,
    /// What the client should know although the operation succeeded.
    pub warnings: Vec<String>,
}

impl Context<'_> {
    pub fn warn(&mut self, words: impl Into<String>) {
        self.warnings.push(words.into());
    }
}

/// What the caller may do elsewhere: for filtering lists and for routes that decide themselves. Where nobody says otherwise a
/// caller has no names, and documents have nothing to say to him.
pub trait Rights: Send + Sync {
    fn allows(&self, action: Action, path: &str) -> bool;
    fn has_sudo(&self, path: &str) -> bool;
    /// Any grant at, over or below a mount.
    fn reaches(&self, mount_path: &str) -> bool;
    /// Beginnings of all paths below a folder on which [`Rights::allows`] could say yes, ascending, none of them the beginning
    /// of another: what a walk need not pass over.
    fn beginnings(&self, _action: Action, folder: &str) -> Vec<String> {
        vec![folder.to_owned()]
    }
    /// Whether a rule matches a path and does not allow the action there; where nobody knows, whatever is not allowed.
    fn forbids(&self, action: Action, path: &str) -> bool {
        !self.allows(action, path)
    }
    /// What policies say to an action at a path, and what is attached to the resource there, together.
    fn allows_with(&self, _action: Action, _path: &str, _attached: &Attached) -> bool {
        false
    }
    /// ARNs of the caller in the account of a resource's ARN: none that anybody could have chosen for himself.
    fn names(&self, _arn: &str) -> Vec<String> {
        Vec::new()
    }
    /// What a document would say to the caller about an action.
    fn verdict(&self, _document: &Document, _arn: &str, _action: &'static str) -> Verdict {
        Verdict::Silent
    }
}

/// The few things that engines need from the system as a whole. All are facts or pure; none changes anything.
#[async_trait]
pub trait System: Send + Sync {
    /// The mount's TTLs in seconds: default and maximum, the system's where it has none of its own.
    fn ttl_s(&self, mount: &Mount) -> (u64, u64);
    /// A keyed hash for lookups by a secret value (a secret id, say), under a key that only this cluster has.
    fn lookup_hash(&self, purpose: &str, value: &[u8]) -> String;
    /// Text of a named password policy.
    fn password_policy(&self, name: &str) -> Result<String, Error>;
    /// Who read a secret, by the log as far as it was looked at: a bounded part of it is at each call.
    async fn readers(&self, _secret_id: &str) -> Result<SecretReaders, Error> {
        Ok(SecretReaders::default())
    }
}

/// The context of work outside any transaction: a source is being called.
pub struct OutsideContext<'a> {
    /// Reads only: what is written here is dropped.
    pub state: View<'a>,
    pub mount: &'a Mount,
    pub now: Timestamp,
    pub rng: &'a dyn Randomness,
    pub faults: &'a dyn Faults,
}

/// Numbered points of failure around external calls; real servers never fail on purpose.
pub trait Faults: Send + Sync {
    /// Called before an external call.
    fn before(&self, what: &'static str) -> Result<(), crate::ExternalError>;
    /// Called after it succeeded: an error here is a lost answer.
    fn after(&self, what: &'static str) -> Result<(), crate::ExternalError>;
}

/// A password that an operation made; kept apart from texts that may be shown.
pub type Password = SecretText;
