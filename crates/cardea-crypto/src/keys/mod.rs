//! Keys that callers own: made, brought in, used and given out. Every algorithm is the cipher library's own, but Ed25519ph.
//! It must never compute a cipher by hand, sign with SHA-1, or give material out but through the `export` functions.
//!
//! | family | forms of material | operations |
//! |---|---|---|
//! | AES-GCM, ChaCha20-Poly1305 | raw | `seal`, `open`, `derive` |
//! | RSA | PKCS#8, PKCS#1; SubjectPublicKeyInfo | `rsa_encrypt`, `rsa_decrypt`, `sign`, `verify` |
//! | ECDSA on P-256, P-384, P-521, secp256k1 | PKCS#8, SEC 1; SubjectPublicKeyInfo | `sign`, `verify`, `agree` |
//! | Ed25519 | PKCS#8, seed; SubjectPublicKeyInfo | `sign`, `verify`, `derive` |
//! | HMAC | raw | `mac`, `verify_mac` |
//! | ML-DSA | PKCS#8, seed; SubjectPublicKeyInfo | `sign`, `verify` |
//! | ML-KEM | raw decapsulation key (FIPS 203) | `encapsulate`, `decapsulate` |
//!
//! The library has neither XChaCha20, ML-DSA over an external mu, ML-KEM keys with their seeds, ECDH on secp256k1, nor RSA
//! with SHA-224 or SHA-3; those are refused.

mod cipher; // AEAD, OAEP and key wrapping
mod der; // the few encodings that the library leaves to its callers
mod exchange; // ECDH and ML-KEM
mod form; // import, export and the stored form
mod prehash; // Ed25519ph, by a library of its own
mod sign; // signatures and MACs

pub use cardea_model::key::{HashAlgorithm, KeyAlgorithm, KeyFamily, KeyUsage, SigningScheme, ToSign};
pub use cipher::{unwrap_padded, wrap_padded};
pub use der::pem;
pub use sign::{hash, verify_external};

use crate::random::Randomness;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::kem;
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaKeyPair};
use cardea_model::SecretBytes;
use std::fmt;
use zeroize::Zeroizing;

/// Why an operation on a key failed. None of these says anything about material or plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Keys of this algorithm do not do that.
    #[error("keys of this algorithm do not do that")]
    WrongOperation,
    /// The hash, padding or encoding is none that this algorithm has here.
    #[error("this combination of algorithm, hash and padding is not offered")]
    WrongScheme,
    /// Only the public half is here.
    #[error("only the public half of the key is here")]
    PublicOnly,
    /// What was brought in is no key of this algorithm.
    #[error("the material is no key of this algorithm")]
    Malformed,
    /// A digest of another length than its hash has.
    #[error("the digest does not have the length of its hash")]
    DigestLength,
    /// More plaintext than the algorithm takes.
    #[error("the plaintext is too long for this algorithm")]
    TooLong,
    /// Another key, other additional data, or altered bytes: these cannot be told apart.
    #[error("the ciphertext does not open with this key")]
    Refused,
    /// The library failed at input that it should take.
    #[error("the cipher library failed")]
    Library,
}

/// Smallest and largest MAC key of a caller's own, in bytes; the bounds that Vault documents.
pub const MAC_KEY_BYTES_MIN: usize = 32;
pub const MAC_KEY_BYTES_MAX: usize = 512;

/// One key, prepared for use. Not `Clone`; its secrets are wiped when dropped.
pub struct KeyMaterial {
    algorithm: KeyAlgorithm,
    half: Half,
}

pub(crate) enum Half {
    Aead {
        raw: SecretBytes,
        prepared: Box<LessSafeKey>,
    },
    Hmac {
        raw: SecretBytes,
    },
    Rsa {
        pair: Box<RsaKeyPair>,
        oaep: Box<OaepPrivateDecryptingKey>,
        pkcs8: SecretBytes,
        spki: Vec<u8>,
    },
    Ec {
        asn1: Box<EcdsaKeyPair>,
        fixed: Box<EcdsaKeyPair>,
        pkcs8: SecretBytes,
        spki: Vec<u8>,
    },
    Ed25519 {
        pair: Box<Ed25519KeyPair>,
        seed: SecretBytes,
        spki: Vec<u8>,
    },
    MlDsa {
        pair: Box<PqdsaKeyPair>,
        pkcs8: SecretBytes,
        spki: Vec<u8>,
    },
    MlKem {
        pair: Box<kem::DecapsulationKey>,
        raw: SecretBytes,
        spki: Vec<u8>,
    },
    /// SubjectPublicKeyInfo alone.
    Public {
        spki: Vec<u8>,
    },
}

impl KeyMaterial {
    /// A fresh key. `bytes` is the length of a symmetric key where its algorithm leaves it open (0: 32), and ignored
    /// elsewhere. RSA and ECDSA keys come from the library's own generator, all others from `rng`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for a length out of bounds.
    pub fn generate(algorithm: KeyAlgorithm, bytes: usize, rng: &dyn Randomness) -> Result<Self, KeyError> {
        let fresh = |length: usize| {
            let mut raw = Zeroizing::new(vec![0; length]);
            rng.fill(&mut raw);
            raw
        };
        match algorithm.family() {
            KeyFamily::Aead => Self::import(algorithm, &fresh(algorithm.symmetric_bytes().unwrap_or_default())),
            KeyFamily::Hmac => {
                let open = if bytes == 0 { MAC_KEY_BYTES_MIN } else { bytes };
                Self::import(algorithm, &fresh(algorithm.symmetric_bytes().unwrap_or(open).min(MAC_KEY_BYTES_MAX + 1)))
            }
            KeyFamily::Ed25519 | KeyFamily::MlDsa => Self::import(algorithm, &fresh(crate::KEY_BYTES)),
            KeyFamily::Rsa => {
                let size = match algorithm {
                    KeyAlgorithm::Rsa2048 => KeySize::Rsa2048,
                    KeyAlgorithm::Rsa3072 => KeySize::Rsa3072,
                    _ => KeySize::Rsa4096,
                };
                let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Library)?;
                let pkcs8 = pair.as_der().map_err(|_| KeyError::Library)?;
                Self::import(algorithm, pkcs8.as_ref())
            }
            KeyFamily::Ec => {
                let curve = sign::curve(algorithm)?;
                let pair = EcdsaKeyPair::generate(curve.asn1_signing).map_err(|_| KeyError::Library)?;
                let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Library)?;
                Self::import(algorithm, pkcs8.as_ref())
            }
            KeyFamily::MlKem => {
                let pair = kem::DecapsulationKey::generate(exchange::kem(algorithm)?).map_err(|_| KeyError::Library)?;
                let raw = pair.key_bytes().map_err(|_| KeyError::Library)?;
                Self::import(algorithm, raw.as_ref())
            }
        }
    }

    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether the private half is missing.
    #[must_use]
    pub fn is_public_only(&self) -> bool {
        matches!(self.half, Half::Public { .. })
    }

    /// The public half as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for symmetric keys.
    pub fn spki(&self) -> Result<&[u8], KeyError> {
        match &self.half {
            Half::Rsa { spki, .. }
            | Half::Ec { spki, .. }
            | Half::Ed25519 { spki, .. }
            | Half::MlDsa { spki, .. }
            | Half::MlKem { spki, .. }
            | Half::Public { spki } => Ok(spki),
            Half::Aead { .. } | Half::Hmac { .. } => Err(KeyError::WrongOperation),
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial({:?}, redacted)", self.algorithm)
    }
}

/// SubjectPublicKeyInfo of something that has one.
fn spki_of(public: &dyn AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KeyError> {
    public.as_der().map(|der| der.as_ref().to_vec()).map_err(|_| KeyError::Malformed)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
