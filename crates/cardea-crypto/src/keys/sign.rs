//! Signatures and MACs with a caller's key. It must never sign with SHA-1, and never compare a MAC in variable time.
//!
//! ECDSA takes any hash with any curve, as FIPS 186-5 defines it: of a digest that is longer than the curve's order the
//! leftmost bits count, and a shorter one is a smaller number. The library takes digests of one length a curve, so they
//! are cut or filled to it first.

use super::{Half, HashAlgorithm, KeyAlgorithm, KeyError, KeyFamily, KeyMaterial, SigningScheme, ToSign, signature};
use crate::constant_time;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaEncoding, RsaParameters, RsaPssSaltLength, UnparsedPublicKey,
    VerificationAlgorithm,
};

/// What the library calls one curve.
pub(super) struct Curve {
    pub asn1_signing: &'static EcdsaSigningAlgorithm,
    pub fixed_signing: &'static EcdsaSigningAlgorithm,
    asn1: &'static EcdsaVerificationAlgorithm,
    fixed: &'static EcdsaVerificationAlgorithm,
    /// The hash that the library pairs with the curve.
    hash: HashAlgorithm,
}

pub(super) fn curve(algorithm: KeyAlgorithm) -> Result<Curve, KeyError> {
    use signature as s;
    Ok(match algorithm {
        KeyAlgorithm::EcP256 => Curve {
            asn1_signing: &s::ECDSA_P256_SHA256_ASN1_SIGNING,
            fixed_signing: &s::ECDSA_P256_SHA256_FIXED_SIGNING,
            asn1: &s::ECDSA_P256_SHA256_ASN1,
            fixed: &s::ECDSA_P256_SHA256_FIXED,
            hash: HashAlgorithm::Sha256,
        },
        KeyAlgorithm::EcP384 => Curve {
            asn1_signing: &s::ECDSA_P384_SHA384_ASN1_SIGNING,
            fixed_signing: &s::ECDSA_P384_SHA384_FIXED_SIGNING,
            asn1: &s::ECDSA_P384_SHA384_ASN1,
            fixed: &s::ECDSA_P384_SHA384_FIXED,
            hash: HashAlgorithm::Sha384,
        },
        KeyAlgorithm::EcP521 => Curve {
            asn1_signing: &s::ECDSA_P521_SHA512_ASN1_SIGNING,
            fixed_signing: &s::ECDSA_P521_SHA512_FIXED_SIGNING,
            asn1: &s::ECDSA_P521_SHA512_ASN1,
            fixed: &s::ECDSA_P521_SHA512_FIXED,
            hash: HashAlgorithm::Sha512,
        },
        KeyAlgorithm::EcP256k1 => Curve {
            asn1_signing: &s::ECDSA_P256K1_SHA256_ASN1_SIGNING,
            fixed_signing: &s::ECDSA_P256K1_SHA256_FIXED_SIGNING,
            asn1: &s::ECDSA_P256K1_SHA256_ASN1,
            fixed: &s::ECDSA_P256K1_SHA256_FIXED,
            hash: HashAlgorithm::Sha256,
        },
        _ => return Err(KeyError::WrongOperation),
    })
}

fn digest_algorithm(hash: HashAlgorithm) -> &'static digest::Algorithm {
    match hash {
        HashAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::Sha224 => &digest::SHA224,
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
        HashAlgorithm::Sha3_256 => &digest::SHA3_256,
        HashAlgorithm::Sha3_384 => &digest::SHA3_384,
        HashAlgorithm::Sha3_512 => &digest::SHA3_512,
    }
}

/// The digest of a message.
#[must_use]
pub fn hash(algorithm: HashAlgorithm, message: &[u8]) -> Vec<u8> {
    digest::digest(digest_algorithm(algorithm), message).as_ref().to_vec()
}

/// What is signed, as a digest of `hash`, checked for its length.
fn digest_of(hash: HashAlgorithm, input: ToSign<'_>) -> Result<Digest, KeyError> {
    let algorithm = digest_algorithm(hash);
    match input {
        ToSign::Message(message) => Ok(digest::digest(algorithm, message)),
        ToSign::Digest(digest) => Digest::import_less_safe(digest, algorithm).map_err(|_| KeyError::DigestLength),
    }
}

/// The digest cut or filled to the length that the library takes for the curve.
fn curve_digest(curve: &Curve, hash: HashAlgorithm, input: ToSign<'_>) -> Result<Digest, KeyError> {
    let digest = digest_of(hash, input)?;
    let want = curve.hash.digest_bytes();
    let have = digest.as_ref();
    let mut out = vec![0; want.saturating_sub(have.len())];
    out.extend_from_slice(have.get(..want).unwrap_or(have));
    Digest::import_less_safe(&out, digest_algorithm(curve.hash)).map_err(|_| KeyError::Library)
}

fn refuse_sha1(scheme: SigningScheme) -> Result<(), KeyError> {
    match scheme.hash() {
        Some(HashAlgorithm::Sha1) => Err(KeyError::WrongScheme),
        _ => Ok(()),
    }
}

fn rsa_signing(scheme: SigningScheme) -> Result<(&'static dyn RsaEncoding, HashAlgorithm), KeyError> {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    use SigningScheme::{RsaPkcs1, RsaPss};
    Ok(match scheme {
        RsaPss(Sha256) => (&signature::RSA_PSS_SHA256, Sha256),
        RsaPss(Sha384) => (&signature::RSA_PSS_SHA384, Sha384),
        RsaPss(Sha512) => (&signature::RSA_PSS_SHA512, Sha512),
        RsaPkcs1(Sha256) => (&signature::RSA_PKCS1_SHA256, Sha256),
        RsaPkcs1(Sha384) => (&signature::RSA_PKCS1_SHA384, Sha384),
        RsaPkcs1(Sha512) => (&signature::RSA_PKCS1_SHA512, Sha512),
        _ => return Err(KeyError::WrongScheme),
    })
}

static PSS_MAX_SHA256: RsaParameters = signature::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_MAX_SHA384: RsaParameters = signature::RSA_PSS_2048_8192_SHA384.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_MAX_SHA512: RsaParameters = signature::RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Max);

fn rsa_verifying(scheme: SigningScheme) -> Result<(&'static RsaParameters, HashAlgorithm), KeyError> {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    use SigningScheme::{RsaPkcs1, RsaPss, RsaPssMaxSalt};
    Ok(match scheme {
        RsaPss(Sha256) => (&signature::RSA_PSS_2048_8192_SHA256, Sha256),
        RsaPss(Sha384) => (&signature::RSA_PSS_2048_8192_SHA384, Sha384),
        RsaPss(Sha512) => (&signature::RSA_PSS_2048_8192_SHA512, Sha512),
        RsaPssMaxSalt(Sha256) => (&PSS_MAX_SHA256, Sha256),
        RsaPssMaxSalt(Sha384) => (&PSS_MAX_SHA384, Sha384),
        RsaPssMaxSalt(Sha512) => (&PSS_MAX_SHA512, Sha512),
        RsaPkcs1(Sha256) => (&signature::RSA_PKCS1_2048_8192_SHA256, Sha256),
        RsaPkcs1(Sha384) => (&signature::RSA_PKCS1_2048_8192_SHA384, Sha384),
        RsaPkcs1(Sha512) => (&signature::RSA_PKCS1_2048_8192_SHA512, Sha512),
        _ => return Err(KeyError::WrongScheme),
    })
}

fn ml_dsa(algorithm: KeyAlgorithm) -> Result<&'static dyn VerificationAlgorithm, KeyError> {
    Ok(match algorithm {
        KeyAlgorithm::MlDsa44 => &signature::ML_DSA_44,
        KeyAlgorithm::MlDsa65 => &signature::ML_DSA_65,
        KeyAlgorithm::MlDsa87 => &signature::ML_DSA_87,
        _ => return Err(KeyError::WrongOperation),
    })
}

/// What parses a public key of ECDSA or ML-DSA.
pub(super) fn verifying(algorithm: KeyAlgorithm) -> Result<&'static dyn VerificationAlgorithm, KeyError> {
    match algorithm.family() {
        KeyFamily::Ec => Ok(curve(algorithm)?.asn1),
        _ => ml_dsa(algorithm),
    }
}

impl KeyMaterial {
    /// The signature of a message or of a digest.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`], [`KeyError::WrongScheme`], [`KeyError::DigestLength`], [`KeyError::PublicOnly`].
    pub fn sign(&self, scheme: SigningScheme, input: ToSign<'_>) -> Result<Vec<u8>, KeyError> {
        refuse_sha1(scheme)?;
        match (&self.half, scheme) {
            (Half::Public { .. }, _) => Err(KeyError::PublicOnly),
            (Half::Rsa { pair, .. }, _) => {
                let (encoding, hash) = rsa_signing(scheme)?;
                let digest = digest_of(hash, input)?;
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest, &mut out).map_err(|_| KeyError::Library)?;
                Ok(out)
            }
            (Half::Ec { asn1, fixed, .. }, SigningScheme::Ecdsa(hash) | SigningScheme::EcdsaFixed(hash)) => {
                let curve = curve(self.algorithm)?;
                let pair = if matches!(scheme, SigningScheme::Ecdsa(_)) { asn1 } else { fixed };
                let signature = match input {
                    ToSign::Message(message) if hash == curve.hash => pair.sign(&SystemRandom::new(), message),
                    _ => pair.sign_digest(&curve_digest(&curve, hash, input)?),
                };
                signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Library)
            }
            (Half::Ed25519 { pair, .. }, SigningScheme::Ed25519) => {
                let ToSign::Message(message) = input else { return Err(KeyError::WrongScheme) };
                let signature = pair.try_sign(message).map_err(|_| KeyError::Library)?;
                Ok(signature.as_ref().to_vec())
            }
            (Half::Ed25519 { seed, .. }, SigningScheme::Ed25519Ph) => {
                let ToSign::Message(message) = input else { return Err(KeyError::WrongScheme) };
                super::prehash::sign(seed.expose(), message)
            }
            (Half::MlDsa { pair, .. }, SigningScheme::MlDsa) => {
                let ToSign::Message(message) = input else { return Err(KeyError::WrongScheme) };
                let mut out = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut out).map_err(|_| KeyError::Library)?;
                out.truncate(length);
                Ok(out)
            }
            (Half::Ec { .. } | Half::Ed25519 { .. } | Half::MlDsa { .. }, _) => Err(KeyError::WrongScheme),
            (Half::Aead { .. } | Half::Hmac { .. } | Half::MlKem { .. }, _) => Err(KeyError::WrongOperation),
        }
    }

    /// Whether `signature` is this key's. A malformed signature is simply not valid.
    ///
    /// # Errors
    /// As [`KeyMaterial::sign`]; the public half suffices.
    pub fn verify(&self, scheme: SigningScheme, input: ToSign<'_>, signature: &[u8]) -> Result<bool, KeyError> {
        verify_external(self.algorithm, self.spki()?, scheme, input, signature)
    }

    /// The MAC of a message.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`]; [`KeyError::WrongScheme`] for a hash that is not this key's.
    pub fn mac(&self, hash: HashAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let Half::Hmac { raw } = &self.half else { return Err(KeyError::WrongOperation) };
        if self.algorithm.mac_hash().is_some_and(|own| own != hash) {
            return Err(KeyError::WrongScheme);
        }
        let algorithm = match hash {
            HashAlgorithm::Sha224 => hmac::HMAC_SHA224,
            HashAlgorithm::Sha256 => hmac::HMAC_SHA256,
            HashAlgorithm::Sha384 => hmac::HMAC_SHA384,
            HashAlgorithm::Sha512 => hmac::HMAC_SHA512,
            _ => return Err(KeyError::WrongScheme),
        };
        Ok(hmac::sign(&hmac::Key::new(algorithm, raw.expose()), message).as_ref().to_vec())
    }

    /// Whether `mac` is this key's over a message, compared in constant time; a shortened one is not.
    ///
    /// # Errors
    /// As [`KeyMaterial::mac`].
    pub fn verify_mac(&self, hash: HashAlgorithm, message: &[u8], mac: &[u8]) -> Result<bool, KeyError> {
        Ok(constant_time::eq(&self.mac(hash, message)?, mac))
    }
}

/// Whether `shown` is a signature of the key with this public half (SubjectPublicKeyInfo in DER).
///
/// # Errors
/// As [`KeyMaterial::sign`].
pub fn verify_external(
    algorithm: KeyAlgorithm,
    spki: &[u8],
    scheme: SigningScheme,
    input: ToSign<'_>,
    shown: &[u8],
) -> Result<bool, KeyError> {
    refuse_sha1(scheme)?;
    let message_only = || match input {
        ToSign::Message(message) => Ok(message),
        ToSign::Digest(_) => Err(KeyError::WrongScheme),
    };
    Ok(match (algorithm.family(), scheme) {
        (KeyFamily::Rsa, _) => {
            let (parameters, hash) = rsa_verifying(scheme)?;
            let digest = digest_of(hash, input)?;
            UnparsedPublicKey::new(parameters, spki).verify_digest(&digest, shown).is_ok()
        }
        (KeyFamily::Ec, SigningScheme::Ecdsa(hash) | SigningScheme::EcdsaFixed(hash)) => {
            let curve = curve(algorithm)?;
            let digest = curve_digest(&curve, hash, input)?;
            let form = if matches!(scheme, SigningScheme::Ecdsa(_)) { curve.asn1 } else { curve.fixed };
            UnparsedPublicKey::new(form, spki).verify_digest(&digest, shown).is_ok()
        }
        (KeyFamily::Ed25519, SigningScheme::Ed25519) => {
            UnparsedPublicKey::new(&signature::ED25519, spki).verify(message_only()?, shown).is_ok()
        }
        (KeyFamily::Ed25519, SigningScheme::Ed25519Ph) => super::prehash::verify(spki, message_only()?, shown),
        (KeyFamily::MlDsa, SigningScheme::MlDsa) => {
            UnparsedPublicKey::new(ml_dsa(algorithm)?, spki).verify(message_only()?, shown).is_ok()
        }
        (KeyFamily::Ec | KeyFamily::Ed25519 | KeyFamily::MlDsa, _) => return Err(KeyError::WrongScheme),
        (KeyFamily::Aead | KeyFamily::Hmac | KeyFamily::MlKem, _) => return Err(KeyError::WrongOperation),
    })
}
