//! The question and the answer: what is asked of an [`crate::Acl`], and the decision with its reasons. Reasons are for the
//! log; they name policies, patterns and keys that a policy states, and never a value or key that only the caller wrote.

use crate::{
    capability::{Capability, CapabilitySet},
    name::PolicyName,
    template::Unfillable,
};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, sync::Arc};

/// What a request wants to do to its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Write a thing that does not exist.
    Create,
    /// Read.
    Read,
    /// Write a thing that exists, or act.
    Update,
    /// Merge into a thing that exists.
    Patch,
    /// Delete.
    Delete,
    /// List names; the path ends with a slash.
    List,
    /// Ask what a path is for. Open to every caller who has a token.
    Help,
}

impl Operation {
    /// The capability that grants it; help needs none.
    #[must_use]
    pub const fn required(self) -> Option<Capability> {
        Some(match self {
            Self::Create => Capability::Create,
            Self::Read => Capability::Read,
            Self::Update => Capability::Update,
            Self::Patch => Capability::Patch,
            Self::Delete => Capability::Delete,
            Self::List => Capability::List,
            Self::Help => return None,
        })
    }

    /// Whether parameter constraints are looked at. Deletes and lists are left alone, as in Vault.
    pub(crate) const fn has_constrained_parameters(self) -> bool {
        matches!(self, Self::Create | Self::Read | Self::Update | Self::Patch)
    }

    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Help => "help",
        }
    }
}

/// The top-level parameters of a request, as policies see them.
pub trait ParameterView {
    /// All top-level keys, as the caller wrote them.
    fn keys(&self) -> Vec<&str>;
    /// The value of one of these keys.
    fn value(&self, key: &str) -> Option<&Value>;
    /// Whether a request at this door would say so if it had this parameter. Where it would not, nobody can judge a constraint
    /// on it, and a rule that has one allows nothing.
    fn states(&self, _key: &str) -> bool {
        true
    }
}

/// The view of a request without parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoParameters;

impl ParameterView for NoParameters {
    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
    fn value(&self, _key: &str) -> Option<&Value> {
        None
    }
}

impl ParameterView for serde_json::Map<String, Value> {
    fn keys(&self) -> Vec<&str> {
        serde_json::Map::keys(self).map(String::as_str).collect()
    }
    fn value(&self, key: &str) -> Option<&Value> {
        self.get(key)
    }
}

/// One question to an ACL.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The canonical path, without leading slash; for a list with a trailing one.
    pub path: &'a str,
    /// What is to be done.
    pub operation: Operation,
    /// Top-level parameters: the body of a write, the query of a read.
    pub parameters: &'a dyn ParameterView,
    /// The lifetime in seconds of the wrapping that was asked for, if any was.
    pub wrap_ttl_s: Option<u64>,
    /// Whether the route is protected by sudo.
    pub needs_sudo: bool,
}

impl<'a> Query<'a> {
    /// A query without parameters, wrapping or sudo.
    #[must_use]
    pub fn plain(operation: Operation, path: &'a str) -> Self {
        Self { path, operation, parameters: &NoParameters, wrap_ttl_s: None, needs_sudo: false }
    }
}

impl fmt::Debug for Query<'_> {
    // Parameters are the caller's data and stay out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("path", &self.path)
            .field("operation", &self.operation)
            .field("wrap_ttl_s", &self.wrap_ttl_s)
            .field("needs_sudo", &self.needs_sudo)
            .finish_non_exhaustive()
    }
}

/// A policy that granted, and the pattern by which it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantingPolicy {
    /// The policy.
    pub name: PolicyName,
    /// Its pattern, templates filled.
    pub pattern: Arc<str>,
}

/// Why a decision is what it is. [`fmt::Display`] gives the words for the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The caller is root.
    Root,
    /// Help is open to every caller.
    Help,
    /// This policy grants the operation by this pattern.
    Granted {
        /// The policy.
        policy: PolicyName,
        /// The pattern.
        pattern: Arc<str>,
    },
    /// No pattern of any policy matches.
    NoRule,
    /// This policy denies by this pattern.
    Denied {
        /// The policy.
        policy: PolicyName,
        /// The pattern.
        pattern: Arc<str>,
    },
    /// The pattern that decides does not grant the operation.
    MissingCapability {
        /// What it would take.
        capability: &'static str,
        /// The pattern.
        pattern: Arc<str>,
        /// What the pattern grants.
        granted: CapabilitySet,
    },
    /// The operation is granted, but the route asks for sudo as well.
    NeedsSudo {
        /// The pattern.
        pattern: Arc<str>,
    },
    /// A parameter is denied, or not among those allowed.
    ParameterDenied {
        /// A policy that says so.
        policy: PolicyName,
        /// The pattern.
        pattern: Arc<str>,
        /// The key as the policy has it; `None` if the policy does not list the key.
        key: Option<Arc<str>>,
    },
    /// A required parameter is missing.
    RequiredParameterMissing {
        /// A policy that requires it.
        policy: PolicyName,
        /// The pattern.
        pattern: Arc<str>,
        /// The key.
        key: Arc<str>,
    },
    /// The answer must be wrapped within bounds and is not, or the merged bounds contradict each other.
    WrapTtlOutOfBounds {
        /// The pattern.
        pattern: Arc<str>,
        /// Least lifetime in milliseconds.
        min_ms: Option<u64>,
        /// Greatest lifetime in milliseconds.
        max_ms: Option<u64>,
    },
    /// A stanza has no effect because its template cannot be filled for this caller; a stanza that denies then closes
    /// everything.
    TemplateUnfilled {
        /// The policy.
        policy: PolicyName,
        /// The pattern with its template as written.
        template: Arc<str>,
        /// Why it cannot be filled.
        why: Unfillable,
        /// Whether the stanza could have denied, so that everything is refused.
        closes_everything: bool,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the caller is root"),
            Self::Help => f.write_str("help is open to every caller"),
            Self::Granted { policy, pattern } => write!(f, "policy {policy} grants it by path {pattern:?}"),
            Self::NoRule => f.write_str("no policy has a path that matches"),
            Self::Denied { policy, pattern } => write!(f, "policy {policy} denies path {pattern:?}"),
            Self::MissingCapability { capability, pattern, granted } if granted.is_empty() => {
                write!(f, "path {pattern:?} decides and grants nothing; {capability} is needed")
            }
            Self::MissingCapability { capability, pattern, granted } => {
                write!(f, "path {pattern:?} decides and grants {granted}; {capability} is needed")
            }
            Self::NeedsSudo { pattern } => write!(f, "path {pattern:?} decides and does not grant sudo"),
            Self::ParameterDenied { policy, pattern, key: Some(key) } => {
                write!(f, "policy {policy} does not allow this value of parameter {key:?} on path {pattern:?}")
            }
            Self::ParameterDenied { policy, pattern, key: None } => {
                write!(f, "policy {policy} does not allow a parameter that it does not list on path {pattern:?}")
            }
            Self::RequiredParameterMissing { policy, pattern, key } => {
                write!(f, "policy {policy} requires parameter {key:?} on path {pattern:?}")
            }
            Self::WrapTtlOutOfBounds { pattern, min_ms, max_ms } => {
                write!(f, "path {pattern:?} demands a wrapped answer")?;
                if let Some(min_ms) = min_ms {
                    write!(f, ", at least {min_ms} ms")?;
                }
                if let Some(max_ms) = max_ms {
                    write!(f, ", at most {max_ms} ms")?;
                }
                Ok(())
            }
            Self::TemplateUnfilled { policy, template, why, closes_everything } => {
                write!(f, "policy {policy} has path {template:?}, which cannot be filled: {why}")?;
                if *closes_everything { f.write_str("; it could deny, so everything is refused") } else { Ok(()) }
            }
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether the operation may go on.
    pub allowed: bool,
    /// Whether the caller holds sudo here (root holds it everywhere).
    pub sudo: bool,
    /// Why, most important first; never empty.
    pub reasons: Vec<Reason>,
    /// The policies that granted; empty unless allowed by policy.
    pub granting: Vec<GrantingPolicy>,
    /// What the pattern that decides grants; empty if none matches.
    pub capabilities: CapabilitySet,
}

impl Decision {
    /// Whether a rule matches the path and does not allow it, or could have denied it.
    #[must_use]
    pub fn forbids(&self) -> bool {
        !self.allowed && (self.is_objection() || !self.reasons.contains(&Reason::NoRule))
    }

    /// Whether a policy speaks against it, rather than none for it: nothing else may then allow it either.
    #[must_use]
    pub fn is_objection(&self) -> bool {
        let objects = |reason: &Reason| match reason {
            Reason::Denied { .. }
            | Reason::ParameterDenied { .. }
            | Reason::RequiredParameterMissing { .. }
            | Reason::WrapTtlOutOfBounds { .. } => true,
            Reason::TemplateUnfilled { closes_everything, .. } => *closes_everything,
            Reason::Root
            | Reason::Help
            | Reason::Granted { .. }
            | Reason::NoRule
            | Reason::MissingCapability { .. }
            | Reason::NeedsSudo { .. } => false,
        };
        !self.allowed && self.reasons.iter().any(objects)
    }

    /// All reasons as one line for the log.
    #[must_use]
    pub fn reason_line(&self) -> String {
        self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}
