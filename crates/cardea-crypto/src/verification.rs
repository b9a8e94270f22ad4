//! Signatures of strangers: whether one is a public key's over a message, for the algorithms that tokens use (RFC 7518, 8037).
//! It must never choose the scheme by what the key or the signature looks like: the caller says which one it is.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

/// A signature scheme with its digest. RSA takes keys of 2048 to 8192 bits; PSS has a salt as long as the digest; ECDSA
/// signatures are two numbers of fixed length (IEEE P1363).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
    EcdsaP256Sha256,
    EcdsaP384Sha384,
    EcdsaP521Sha512,
    Ed25519,
}

/// Whether `signature` is one over `message` by the key of `key_info` (SubjectPublicKeyInfo in DER). A malformed key or
/// signature, and a key of another kind, is simply not valid.
#[must_use]
pub fn verify(scheme: Scheme, key_info: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match scheme {
        Scheme::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        Scheme::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        Scheme::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
        Scheme::EcdsaP384Sha384 => &ECDSA_P384_SHA384_FIXED,
        Scheme::EcdsaP521Sha512 => &ECDSA_P521_SHA512_FIXED,
        Scheme::Ed25519 => &ED25519,
    };
    UnparsedPublicKey::new(algorithm, key_info).verify(message, signature).is_ok()
}
