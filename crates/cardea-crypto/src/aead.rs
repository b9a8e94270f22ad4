//! AES-256-GCM under one key with a random nonce, for small and few things: the keyring under its root key, tokens that
//! carry their own content. It must never be used for stored records (`envelope` is for those): with random 96-bit nonces
//! one key is good for 2^32 messages, and what seals more often than that must derive a new key before.
//!
//! Format 1: `[format 1][nonce 12][ciphertext][tag 16]`, authenticated together with `format || aad`.

use crate::KEY_BYTES;
use crate::gcm::{self, NONCE_BYTES, TAG_BYTES};
use crate::random::{Randomness, random_array};
use cardea_model::Wiped;

const FORMAT: u8 = 1;

/// What sealing adds to a plaintext.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Why sealed bytes did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AeadError {
    /// Shorter than the shortest sealed message.
    #[error("sealed bytes are truncated")]
    Truncated,
    /// The first byte names no format of this version of the program.
    #[error("sealed bytes have an unknown format")]
    UnknownFormat,
    /// Another key, another `aad`, or changed bytes: these cannot be told apart.
    #[error("sealed bytes do not open with this key")]
    Refused,
}

/// Seals `plaintext` under `key`, bound to `aad`, which is not stored.
pub fn seal(key: &[u8; KEY_BYTES], aad: &[u8], plaintext: &[u8], rng: &dyn Randomness) -> Vec<u8> {
    let nonce = random_array(rng);
    let mut out = Vec::with_capacity(OVERHEAD_BYTES + plaintext.len());
    out.push(FORMAT);
    out.extend_from_slice(&nonce);
    gcm::seal_append(key, nonce, &gcm::versioned(FORMAT, aad), plaintext, &mut out);
    out
}

/// Opens what `seal` made.
///
/// # Errors
/// See [`AeadError`]; nothing of the plaintext is released unless all of it is authentic.
pub fn open(key: &[u8; KEY_BYTES], aad: &[u8], sealed: &[u8]) -> Result<Wiped, AeadError> {
    let (format, rest) = sealed.split_first().ok_or(AeadError::Truncated)?;
    if *format != FORMAT {
        return Err(AeadError::UnknownFormat);
    }
    let (nonce, ciphertext_and_tag) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(AeadError::Truncated)?;
    if ciphertext_and_tag.len() < TAG_BYTES {
        return Err(AeadError::Truncated);
    }
    gcm::open(key, *nonce, &gcm::versioned(FORMAT, aad), ciphertext_and_tag).ok_or(AeadError::Refused)
}

#[cfg(test)]
mod tests;
