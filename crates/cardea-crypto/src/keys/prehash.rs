//! Ed25519ph (RFC 8032, section 5.1), which the cipher library does not offer: a second library, for this and nothing else. It
//! must never be asked for a plain Ed25519 signature, nor take a digest in place of the message.

use super::KeyError;
use ed25519_dalek::{Digest, Sha512, Signature, SigningKey, VerifyingKey};

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410).
const SPKI_FRONT: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The signature of a message, without a context.
///
/// # Errors
/// A seed of another length.
pub fn sign(seed: &[u8], message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let seed = seed.try_into().map_err(|_| KeyError::Malformed)?;
    let key = SigningKey::from_bytes(seed);
    let signature = key.sign_prehashed(Sha512::new_with_prefix(message), None).map_err(|_| KeyError::Library)?;
    Ok(signature.to_bytes().to_vec())
}

/// Whether `shown` is a signature of the key with this public half. Keys and signatures that would verify more than they
/// should (of small order) do not.
#[must_use]
pub fn verify(spki: &[u8], message: &[u8], shown: &[u8]) -> bool {
    let key = spki.strip_prefix(&SPKI_FRONT).and_then(|key| key.try_into().ok());
    let key = key.and_then(|key| VerifyingKey::from_bytes(key).ok());
    match (key, Signature::from_slice(shown)) {
        (Some(key), Ok(signature)) => {
            key.verify_prehashed_strict(Sha512::new_with_prefix(message), None, &signature).is_ok()
        }
        _ => false,
    }
}
