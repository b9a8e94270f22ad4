//! Ed25519 (RFC 8032) signatures, for what a stranger with only the public key must be able to check.
//! It must never sign what it is not given whole: the message is signed as it is, without a digest before.

use crate::KEY_BYTES;
use crate::fault::library_fault;
use crate::random::Randomness;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use zeroize::Zeroizing;

/// Length of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Length of a public key.
pub const VERIFYING_KEY_BYTES: usize = 32;

/// A private key. Its seed is boxed, so that moving the key leaves no copies, and wiped when dropped; not `Clone`.
pub struct SigningKey {
    seed: Box<Zeroizing<[u8; KEY_BYTES]>>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A fresh key.
    pub fn generate(rng: &dyn Randomness) -> Self {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        rng.fill(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The key of a seed (the private key of RFC 8032); the caller wipes its own copy.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        let mut kept: Box<Zeroizing<[u8; KEY_BYTES]>> = Box::default();
        kept.copy_from_slice(seed);
        match Ed25519KeyPair::from_seed_unchecked(seed) {
            Ok(pair) => SigningKey { seed: kept, pair },
            Err(_) => library_fault("ed25519 key"),
        }
    }

    /// The seed, to be stored sealed.
    pub fn expose_seed(&self) -> &[u8; KEY_BYTES] {
        &self.seed
    }

    /// The signature of `message`; the same message always gets the same.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        match self.pair.try_sign(message).map(|signature| signature.as_ref().try_into()) {
            Ok(Ok(signature)) => signature,
            _ => library_fault("ed25519 sign"),
        }
    }

    /// The public half.
    pub fn verifying_key(&self) -> [u8; VERIFYING_KEY_BYTES] {
        match self.pair.public_key().as_ref().try_into() {
            Ok(key) => key,
            Err(_) => library_fault("ed25519 public key"),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// Whether `signature` is `verifying_key`'s over `message`. A malformed key or signature is simply not valid.
pub fn verify(verifying_key: &[u8; VERIFYING_KEY_BYTES], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, verifying_key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests;
