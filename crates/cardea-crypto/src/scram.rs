//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) in PostgreSQL's notation.
//! A database that is handed the verifier in place of a password never sees the password, and neither does its statement
//! log. It must never put the password, or anything but salt, count and the two derived keys, into its result.

use crate::mac::{DIGEST_BYTES, hmac_sha256, sha256};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::num::NonZeroU32;
use zeroize::{Zeroize, Zeroizing};

/// The count that PostgreSQL itself uses, and the least that RFC 7677 allows.
pub const MIN_ITERATIONS: u32 = 4096;

/// The text that `ALTER ROLE ... PASSWORD` takes in place of a password:
/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. Counts below [`MIN_ITERATIONS`] are raised to it.
///
/// The password is normalized with SASLprep as PostgreSQL's clients do; one that SASLprep prohibits, or of which it leaves
/// nothing, is used as it is, which is also what they do.
pub fn scram_sha_256_verifier(password: &str, salt: &[u8; 16], iterations: u32) -> String {
    let count = NonZeroU32::new(iterations.max(MIN_ITERATIONS)).unwrap_or(NonZeroU32::MIN);
    let mut normalized = match stringprep::saslprep(password) {
        Ok(normalized) if !normalized.is_empty() => normalized,
        _ => Cow::Borrowed(password),
    };
    let mut salted = Zeroizing::new([0; DIGEST_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, salt, normalized.as_bytes(), salted.as_mut_slice());
    if let Cow::Owned(copy) = &mut normalized {
        copy.zeroize();
    }

    let client_key = Zeroizing::new(hmac_sha256(salted.as_slice(), &[b"Client Key"]));
    let stored_key = sha256(&[client_key.as_slice()]);
    let server_key = hmac_sha256(salted.as_slice(), &[b"Server Key"]);
    let [salt, stored_key, server_key] = [&salt[..], &stored_key, &server_key].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${count}:{salt}${stored_key}:{server_key}")
}

#[cfg(test)]
mod tests;
