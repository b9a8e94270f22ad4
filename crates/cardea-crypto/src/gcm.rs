//! AES-256-GCM with the nonce given: the one place where plaintext becomes ciphertext.
//! It must never choose a nonce, and nothing outside this crate may call it: `envelope` and `aead` do the choosing.

use crate::KEY_BYTES;
use crate::fault::library_fault;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use cardea_model::Wiped;

/// Length of a GCM nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Length of a GCM tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Appends ciphertext and tag to `out`. The caller has reserved the room, so no reallocation leaves plaintext behind.
pub(crate) fn seal_append(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) {
    out.reserve(plaintext.len() + TAG_BYTES);
    let start = out.len();
    out.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    match prepared(key).seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[start..]) {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        Err(_) => library_fault("aes-256-gcm seal"),
    }
}

/// The plaintext, or nothing if any bit of key, nonce, `aad`, ciphertext or tag is not what was sealed.
pub(crate) fn open(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    ciphertext_and_tag: &[u8],
) -> Option<Wiped> {
    let (ciphertext, tag) = ciphertext_and_tag.split_at_checked(ciphertext_and_tag.len().checked_sub(TAG_BYTES)?)?;
    let mut out = Wiped::new(vec![0; ciphertext.len()]);
    let nonce = Nonce::assume_unique_for_key(nonce);
    prepared(key).open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, &mut out).ok()?;
    Some(out)
}

/// `version || aad`: what is authenticated beside the ciphertext, so that a format byte cannot be swapped.
pub(crate) fn versioned(version: u8, aad: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + aad.len());
    out.push(version);
    out.extend_from_slice(aad);
    out
}

fn prepared(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    match UnboundKey::new(&AES_256_GCM, key) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => library_fault("aes-256-gcm key"),
    }
}

#[cfg(test)]
mod tests;
