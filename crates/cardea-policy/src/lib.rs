//! Caller, action, resource, context and policies to a decision with its reasons.
//!
//! The rule-book of access: Vault's ACL policy language, its templates and its precedence, as pure functions. Nothing
//! here does I/O, reads a clock, draws randomness or waits, and nothing here canonicalises a resource: the path of a
//! [`Query`] is the one canonical path that the router and the engine see too.
//!
//! Beside it stands a second, smaller language: [`iam`], the documents that AWS's clients attach to a secret or a key.
//!
//! The way through: [`Policy::parse`] text into stanzas, [`Acl::compile`] the policies of one caller, [`Acl::decide`].
//!
//! **Invariants.** No rule, no access. A stanza whose template cannot be filled grants nothing, and one that could have
//! denied closes everything. Root exists only by [`Acl::root`]; no text and no name can make it. Errors and reasons
//! never hold a value of a request or of a policy, only names that the policy itself states.

mod acl;
mod capability;
pub mod defaults;
mod error;
mod explain;
pub mod iam; // the other language: documents that AWS attaches to a resource
mod name;
mod parameters;
mod pattern;
mod policy;
mod query;
pub mod syntax; // the grammar, of use to other texts in the same language
mod template;
#[cfg(test)]
mod tests;

pub use acl::Acl;
pub use capability::{Capability, CapabilitySet, EffectiveCapabilities};
pub use error::{PolicyError, PolicyErrorKind, PolicyNameError};
pub use explain::{Explanation, MatchedPattern, MatchedStanza, UnfilledStanza, explain};
pub use name::{POLICY_NAME_BYTES_MAX, PolicyName};
pub use pattern::PatternKind;
pub use policy::{POLICY_TEXT_BYTES_MAX, Policy};
pub use query::{Decision, GrantingPolicy, NoParameters, Operation, ParameterView, Query, Reason};
pub use template::{Subject, SubjectAlias, Unfillable};
