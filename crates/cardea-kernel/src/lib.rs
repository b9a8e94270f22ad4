//! The kernel: the pipeline that every request walks, and the state that it needs.
//!
//! Start with [`pipeline`]: the life of a request in one function. Then [`lifecycle`] (sealed and unsealed) and
//! [`system`] (the kernel's own engines). The kernel knows extensions only through the SDK's traits; it must never name
//! one of them, a wire format, a file or an environment variable.

#![forbid(unsafe_code)]

pub mod pipeline; // the stages, in their order
pub mod lifecycle; // uninitialized, sealed, unsealed
pub mod sealed; // the short function of a sealed server
pub mod active; // what exists only while unsealed
pub mod settings; // what the owner decides
pub mod registry; // which engines exist
pub mod mounts; // which engine answers where
pub mod policies; // what callers may do
mod census; // gauges that take a walk to know
pub mod tokens; // what callers show
pub mod token_leases; // tokens among the leases
pub mod access_keys; // what callers of signing dialects hold
pub mod identity; // who callers are
pub mod login; // from an identification to a token
pub mod leases; // credentials that must die, and announced effects
pub mod revoker; // makes them die
pub mod wrapping; // answers kept for one reader
pub mod jobs; // what exceeds a batch
pub mod runner; // continues it
pub mod rotation; // credentials that change at their source
pub mod rewrap; // rotation of the key-encryption key
pub mod rekey; // new shares
pub mod root_attempt; // a root token from shares
pub mod relearn; // what memory keeps, read anew
pub mod log; // the follower of the log
pub mod request_headers; // which of them the log keeps
pub mod readers; // who read which secret, by the log
pub mod event; // records of what the server does by itself
pub mod hashes; // keyed hashes
pub mod quotas; // strangers buy nothing
pub mod ttl; // how long things live
pub mod extra; // what only the kernel's own engines may ask for
pub mod documents; // what is attached to resources, beside policies
pub mod surroundings; // contexts for engines
pub mod metrics; // what is counted
pub mod system; // sys/, auth/token/, identity/ and cubbyhole/
