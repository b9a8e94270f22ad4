//! What an extension's author sees: a few small traits, a table of routes, a context, and values that say what is wanted.
//!
//! Knows the model, the storage views and the cipher crate. It must never know the kernel: an extension that could call
//! up could skip a stage. Start with [`engine::Engine`], then [`route::Route`].

#![forbid(unsafe_code)]

pub mod engine; // secrets engines: routes, handle, and optional powers
pub mod attached; // documents and grants that decide beside policies
pub mod aws_words; // what AWS's documents and wire call algorithms
pub mod auth_method; // engines that can also vouch for a caller
pub mod route; // one declaration, many products
pub mod pattern; // how a route's pattern binds a path
pub mod context; // what an operation may use
pub mod outcome; // what an operation wants done
pub mod external; // effects outside: plan, perform, settle, revoke
pub mod call; // calls to sources that speak HTTP
pub mod fetch; // public facts of others, read before a transaction
pub mod compute; // work that keeps a processor busy
pub mod material; // how the outside calls one version of a key's material
pub mod rotation; // credentials that change at their source
pub mod database; // database plugins
pub mod dialect; // front dialects
pub mod audit_device; // where the log is copied to
pub mod named; // what an owner declares under names: one, a page of all
pub mod purge; // numbered records that are too many for one batch
pub mod posture; // secrets against what their owners want of them
pub mod password; // password policies, shared by every engine that makes passwords
pub mod erased; // the same traits behind trait objects; what the kernel holds

pub use async_trait::async_trait;
pub use attached::{Attached, Question};
pub use auth_method::{AuthMethod, Identification, TokenTerms, Vouch};
pub use call::{Address, Call, HttpAnswer, HttpCall, HttpMethod};
pub use context::{Context, OutsideContext};
pub use engine::Engine;
pub use external::{Effect, ExternalError, Lease, Revoker};
pub use fetch::{Fetch, FetchError};
pub use outcome::{Done, Outcome, Plan, Recovery};
pub use route::{Access, Bound, Route, RouteFacts};

#[cfg(test)]
mod tests;
