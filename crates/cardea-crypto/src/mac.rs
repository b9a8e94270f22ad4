//! Digests: SHA-256, HMAC-SHA256 and HKDF-SHA256.
//! It must never compare tags in variable time. Parts are hashed one after another with nothing between them: a caller
//! with parts of variable length must make their borders unambiguous itself.

use crate::KEY_BYTES;
use crate::constant_time;
use crate::fault::library_fault;
use aws_lc_rs::{digest, hkdf, hmac};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Length of a SHA-256 digest and of an HMAC-SHA256 tag.
pub const DIGEST_BYTES: usize = 32;

/// A digest or tag as 64 lower-case hexadecimal digits: how ids and log entries spell it.
pub fn hex(digest: &[u8; DIGEST_BYTES]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * DIGEST_BYTES);
    for byte in digest {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
    out
}

/// A prepared HMAC-SHA256 key: the two key blocks are hashed once, and a clone shares them.
#[derive(Clone)]
pub struct MacKey(Arc<hmac::Key>);

impl MacKey {
    /// Prepares a key of any length. Keys over 64 bytes are hashed first, as RFC 2104 asks.
    pub fn new(key: &[u8]) -> Self {
        MacKey(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The tag of the concatenated parts.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        array(context.sign().as_ref())
    }

    /// Whether `tag` is the tag of the concatenated parts, compared in constant time. A shortened tag is refused.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        constant_time::eq(&self.sign(parts), tag)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// HMAC-SHA256 (RFC 2104) of the concatenated parts under a key that is used once; otherwise keep a [`MacKey`].
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    array(context.sign().as_ref())
}

/// A key derived by HMAC-SHA256, link after link: each tag is the key of the next. AWS Signature Version 4 derives its
/// signing keys so. With no links, the tag of nothing.
pub fn hmac_chain(key: &[u8], links: &[&[u8]]) -> Zeroizing<[u8; DIGEST_BYTES]> {
    let (first, rest) = links.split_first().map_or((&b""[..], links), |(first, rest)| (*first, rest));
    let mut derived = Zeroizing::new(hmac_sha256(key, &[first]));
    for link in rest {
        *derived = hmac_sha256(&*derived, &[link]);
    }
    derived
}

/// SHA-256 (FIPS 180-4) of the concatenated parts.
pub fn sha256(parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    array(context.finish().as_ref())
}

/// HKDF-SHA256 (RFC 5869), extract and expand to one key. `info` says what the key is for; `key` must have the entropy of
/// a key (never a password). The result belongs in a `Zeroizing` at once.
pub fn derive(key: &[u8], salt: &[u8], info: &[u8]) -> [u8; KEY_BYTES] {
    let mut out = [0; KEY_BYTES];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    if prk.expand(&[info], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut out)).is_err() {
        library_fault("hkdf-sha256");
    }
    out
}

fn array(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    match bytes.try_into() {
        Ok(array) => array,
        Err(_) => library_fault("sha-256 digest length"),
    }
}

#[cfg(test)]
mod tests;
