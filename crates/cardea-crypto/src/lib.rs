//! The only crate that names a cipher library: random numbers, sealing, macs, signatures, secret sharing, and the keys
//! that callers own.
//! It must never do I/O, read a clock or know what a record means, and no other crate may call a cipher library.
//! Its callers hand in plain byte slices; what it returns in the clear is wiped when dropped.

pub mod aead;
pub mod constant_time;
pub mod envelope;
pub mod keys;
pub mod mac;
pub mod random;
pub mod scram;
pub mod shamir;
pub mod signature;

mod fault;
mod gcm;

/// Length of every symmetric key of this crate: AES-256, HMAC-SHA256 and HKDF-SHA256 outputs.
pub const KEY_BYTES: usize = 32;
