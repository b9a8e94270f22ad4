//! The barrier: everything that a store keeps passes through here and is sealed under its own data key.
//!
//! root of trust (Shamir shares or a key file) → root key → keyring (key-encryption keys by term, and the cluster's own
//! secrets) → one data key a record. This crate must never write to a store itself, and never let a key be printed.
//! Read [`keyring`], then [`barrier`], then [`seal`].

#![forbid(unsafe_code)]

pub mod barrier; // the codec: seals and opens records
pub mod keyring; // keys by term, and the cluster's secrets
pub mod seal; // who can give the root key back

pub use barrier::Barrier;
pub use keyring::{ClusterSecret, Keyring, RootKey};
pub use seal::{SealKind, SealRecord, SealSettings, ShareCollector};

#[cfg(test)]
mod tests;
