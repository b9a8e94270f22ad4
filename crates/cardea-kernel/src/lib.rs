//! The kernel: the pipeline that every request walks, and the state that it needs.
//!
//! Start with [`pipeline`]: the life of a request in one function. Then [`lifecycle`] (sealed and unsealed) and
//! [`system`] (the kernel's own engines). The kernel knows extensions only through the SDK's traits; it must never name
//! one of them, a wire format, a file or an environment variable.

#![forbid(unsafe_code)]

pub mod access_keys; // what callers of signing dialects hold
pub mod active; // what exists only while unsealed
pub mod event; // records of what the server does by itself
pub mod extra; // what only the kernel's own engines may ask for
pub mod hashes; // keyed hashes
pub mod identity; // who callers are
pub mod jobs; // what exceeds a batch
mod later;
pub mod leases; // credentials that must die, and announced effects
pub mod lifecycle; // uninitialized, sealed, unsealed
pub mod log; // the follower of the log
pub mod login; // from an identification to a token
pub mod metrics; // what is counted
pub mod mounts; // which engine answers where
pub mod pipeline; // the stages, in their order
pub mod policies; // what callers may do
pub mod quotas; // strangers buy nothing
pub mod registry; // which engines exist
pub mod rekey; // new shares
pub mod revoker; // makes them die
pub mod rewrap; // rotation of the key-encryption key
pub mod runner; // continues it
pub mod sealed; // the short function of a sealed server
pub mod settings; // what the owner decides
pub mod surroundings; // contexts for engines
pub mod system;
pub mod tokens; // what callers show
pub mod ttl; // how long things live
pub mod wrapping; // answers kept for one reader // sys/, auth/token/, identity/ and cubbyhole/
