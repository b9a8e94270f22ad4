//! The data-key envelope of one stored record: a fresh data key (DEK) seals it, a key-encryption key (KEK) wraps the DEK.
//! It must never use a DEK for two plaintexts, and rewrapping must never touch a byte of the sealed payload.
//!
//! Format 1: `[format 1][term u32 BE][wrapped DEK 40][nonce 12][ciphertext][tag 16]`. The DEK is wrapped with AES-256-KWP
//! (RFC 5649), which is deterministic: no nonce, hence no bound on records under one KEK. The payload is AES-256-GCM
//! over `format || aad`; term and wrapped DEK stand outside of it, because rewrapping replaces them, and are covered by
//! the integrity check of the wrap instead: a changed term finds no key or one that does not unwrap.

use crate::KEY_BYTES;
use crate::fault::library_fault;
use crate::gcm::{self, NONCE_BYTES, TAG_BYTES};
use crate::random::{Randomness, random_array};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use cardea_model::Wiped;
use std::fmt;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const TERM_BYTES: usize = 4;
/// A 32-byte key and the 8-byte integrity block of RFC 5649.
const WRAPPED_BYTES: usize = KEY_BYTES + 8;
/// The library asks for 15 bytes more than the key when wrapping.
const WRAP_ROOM_BYTES: usize = KEY_BYTES + 15;
const HEADER_BYTES: usize = 1 + TERM_BYTES + WRAPPED_BYTES;

/// What an envelope adds to its plaintext.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/// Why an envelope did not open. None of these says anything about the plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than the shortest envelope.
    #[error("sealed record is truncated")]
    Truncated,
    /// The first byte names no format of this version of the program.
    #[error("sealed record has an unknown format")]
    UnknownFormat,
    /// The keyring has no key of this term.
    #[error("sealed record names key term {0}, which the keyring does not have")]
    UnknownTerm(u32),
    /// The data key does not unwrap: the KEK of the term is not the one that sealed, or the header was altered.
    #[error("data key of the sealed record does not unwrap")]
    WrongKey,
    /// The payload or the place it is bound to (`aad`) is not what was sealed.
    #[error("sealed record was altered or moved")]
    Altered,
}

/// A key-encryption key, AES-256. Boxed so that moving it leaves no copies; wiped when dropped; not `Clone`.
pub struct Kek(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl Kek {
    /// A KEK of the given bytes; the caller wipes its own copy.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut kek = Kek(Box::default());
        kek.0.copy_from_slice(bytes);
        kek
    }

    /// A fresh KEK.
    pub fn generate(rng: &dyn Randomness) -> Self {
        let mut kek = Kek(Box::default());
        rng.fill(kek.0.as_mut_slice());
        kek
    }

    /// The key itself, for the keyring to seal.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The library's key object is used up by each call, so a prepared one cannot be kept: it is 32 bytes copied.
    fn prepared(&self) -> AesKek {
        match AesKek::new(&AES_256, self.0.as_slice()) {
            Ok(kek) => kek,
            Err(_) => library_fault("aes-256-kwp key"),
        }
    }

    fn wrap(&self, dek: &[u8; KEY_BYTES]) -> [u8; WRAPPED_BYTES] {
        let mut room = [0; WRAP_ROOM_BYTES];
        match self
            .prepared()
            .wrap_with_padding(dek, &mut room)
            .map(|wrapped| <[u8; WRAPPED_BYTES]>::try_from(&*wrapped))
        {
            Ok(Ok(wrapped)) => wrapped,
            _ => library_fault("aes-256-kwp wrap"),
        }
    }

    fn unwrap_dek(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
        let mut room = Zeroizing::new([0; WRAPPED_BYTES]);
        let mut dek = Zeroizing::new([0; KEY_BYTES]);
        let found =
            self.prepared().unwrap_with_padding(wrapped, room.as_mut_slice()).map_err(|_| OpenError::WrongKey)?;
        // A key of another length was wrapped by someone else's hand.
        if found.len() != KEY_BYTES {
            return Err(OpenError::WrongKey);
        }
        dek.copy_from_slice(found);
        Ok(dek)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(redacted)")
    }
}

/// Seals `plaintext` under a fresh DEK, wrapped by `kek`, which the keyring knows as `term`. `aad` is authenticated and
/// not stored: where the record belongs, encoded by the caller so that no two places encode alike.
pub fn seal(kek: &Kek, term: u32, aad: &[u8], plaintext: &[u8], rng: &dyn Randomness) -> Vec<u8> {
    // One draw for both: the generator's cost is a call's, hardly a byte's.
    let fresh: Zeroizing<[u8; KEY_BYTES + NONCE_BYTES]> = Zeroizing::new(random_array(rng));
    let mut dek = Zeroizing::new([0; KEY_BYTES]);
    let mut nonce = [0; NONCE_BYTES];
    dek.copy_from_slice(&fresh[..KEY_BYTES]);
    nonce.copy_from_slice(&fresh[KEY_BYTES..]);

    let mut out = Vec::with_capacity(OVERHEAD_BYTES + plaintext.len());
    push_header(&mut out, term, &kek.wrap(&dek));
    out.extend_from_slice(&nonce);
    gcm::seal_append(&dek, nonce, &gcm::versioned(FORMAT, aad), plaintext, &mut out);
    out
}

/// Opens what `seal` made, with the key that `kek_of_term` finds for the envelope's term.
///
/// # Errors
/// See [`OpenError`]; nothing of the plaintext is released unless all of it is authentic.
pub fn open<'k>(
    kek_of_term: impl FnOnce(u32) -> Option<&'k Kek>,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Wiped, OpenError> {
    let parts = Parts::of(sealed)?;
    let dek = parts.dek(kek_of_term)?;
    gcm::open(&dek, parts.nonce, &gcm::versioned(FORMAT, aad), parts.ciphertext_and_tag).ok_or(OpenError::Altered)
}

/// The same record with its DEK wrapped by `new_kek` of `new_term`: nonce, ciphertext and tag are the same bytes. The
/// payload is neither opened nor checked, so neither `aad` nor plaintext is needed.
///
/// # Errors
/// Any of [`OpenError`] but `Altered`.
pub fn rewrap<'k>(
    kek_of_term: impl FnOnce(u32) -> Option<&'k Kek>,
    new_kek: &Kek,
    new_term: u32,
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let dek = Parts::of(sealed)?.dek(kek_of_term)?;
    let mut out = Vec::with_capacity(sealed.len());
    push_header(&mut out, new_term, &new_kek.wrap(&dek));
    out.extend_from_slice(&sealed[HEADER_BYTES..]);
    Ok(out)
}

/// The term of the KEK that wraps this record's DEK.
///
/// # Errors
/// `Truncated` or `UnknownFormat`.
pub fn term_of(sealed: &[u8]) -> Result<u32, OpenError> {
    Ok(Parts::of(sealed)?.term)
}

fn push_header(out: &mut Vec<u8>, term: u32, wrapped: &[u8; WRAPPED_BYTES]) {
    out.push(FORMAT);
    out.extend_from_slice(&term.to_be_bytes());
    out.extend_from_slice(wrapped);
}

struct Parts<'a> {
    term: u32,
    wrapped: &'a [u8; WRAPPED_BYTES],
    nonce: [u8; NONCE_BYTES],
    ciphertext_and_tag: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Result<Self, OpenError> {
        let (format, rest) = sealed.split_first().ok_or(OpenError::Truncated)?;
        if *format != FORMAT {
            return Err(OpenError::UnknownFormat);
        }
        let (term, rest) = rest.split_first_chunk::<TERM_BYTES>().ok_or(OpenError::Truncated)?;
        let (wrapped, rest) = rest.split_first_chunk::<WRAPPED_BYTES>().ok_or(OpenError::Truncated)?;
        let (nonce, ciphertext_and_tag) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Truncated)?;
        if ciphertext_and_tag.len() < TAG_BYTES {
            return Err(OpenError::Truncated);
        }
        Ok(Parts { term: u32::from_be_bytes(*term), wrapped, nonce: *nonce, ciphertext_and_tag })
    }

    fn dek<'k>(
        &self,
        kek_of_term: impl FnOnce(u32) -> Option<&'k Kek>,
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
        kek_of_term(self.term).ok_or(OpenError::UnknownTerm(self.term))?.unwrap_dek(self.wrapped)
    }
}

#[cfg(test)]
mod tests;
