//! AWS's words for algorithms, usages and schemes, each once: what its wire calls them, and what policy documents do. A word
//! that has no row here must never be taken or shown.

use cardea_model::key::{HashAlgorithm, Key, KeyAlgorithm, KeyFamily, KeyUsage, SigningScheme};

use HashAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};

/// Specs of keys.
pub const SPECS: &[(&str, KeyAlgorithm)] = &[
    ("SYMMETRIC_DEFAULT", KeyAlgorithm::Aes256Gcm),
    ("RSA_2048", KeyAlgorithm::Rsa2048),
    ("RSA_3072", KeyAlgorithm::Rsa3072),
    ("RSA_4096", KeyAlgorithm::Rsa4096),
    ("ECC_NIST_P256", KeyAlgorithm::EcP256),
    ("ECC_NIST_P384", KeyAlgorithm::EcP384),
    ("ECC_NIST_P521", KeyAlgorithm::EcP521),
    ("ECC_SECG_P256K1", KeyAlgorithm::EcP256k1),
    ("ECC_NIST_EDWARDS25519", KeyAlgorithm::Ed25519),
    ("HMAC_224", KeyAlgorithm::HmacSha224),
    ("HMAC_256", KeyAlgorithm::HmacSha256),
    ("HMAC_384", KeyAlgorithm::HmacSha384),
    ("HMAC_512", KeyAlgorithm::HmacSha512),
    ("ML_DSA_44", KeyAlgorithm::MlDsa44),
    ("ML_DSA_65", KeyAlgorithm::MlDsa65),
    ("ML_DSA_87", KeyAlgorithm::MlDsa87),
    ("ML_KEM_512", KeyAlgorithm::MlKem512),
    ("ML_KEM_768", KeyAlgorithm::MlKem768),
    ("ML_KEM_1024", KeyAlgorithm::MlKem1024),
];

/// The word of a symmetric key's spec, and of how it encrypts.
pub const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// The spec that is shown. Clients cannot tell AEADs apart, and a MAC key that names no hash takes any.
#[must_use]
pub fn spec(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm.family() {
        KeyFamily::Aead => SYMMETRIC,
        _ => SPECS.iter().find(|(_, known)| *known == algorithm).map_or("HMAC_256", |(word, _)| *word),
    }
}

/// Usages of keys.
pub const USAGES: &[(&str, KeyUsage)] = &[
    ("SIGN_VERIFY", KeyUsage::Sign),
    ("ENCRYPT_DECRYPT", KeyUsage::Encrypt),
    ("GENERATE_VERIFY_MAC", KeyUsage::Mac),
    ("KEY_AGREEMENT", KeyUsage::Agree),
    ("ENCAPSULATE_DECAPSULATE", KeyUsage::Encapsulate),
];

/// The one usage that AWS shows. A key of another dialect's may have several: the first of this table is shown, and the
/// algorithms of all.
#[must_use]
pub fn shown_usage(key: &Key) -> &'static str {
    USAGES.iter().find(|(_, usage)| key.allows(*usage)).map_or("ENCRYPT_DECRYPT", |(word, _)| *word)
}

/// Ways to sign.
pub const SIGNING: &[(&str, SigningScheme)] = &[
    ("RSASSA_PSS_SHA_256", SigningScheme::RsaPss(Sha256)),
    ("RSASSA_PSS_SHA_384", SigningScheme::RsaPss(Sha384)),
    ("RSASSA_PSS_SHA_512", SigningScheme::RsaPss(Sha512)),
    ("RSASSA_PKCS1_V1_5_SHA_256", SigningScheme::RsaPkcs1(Sha256)),
    ("RSASSA_PKCS1_V1_5_SHA_384", SigningScheme::RsaPkcs1(Sha384)),
    ("RSASSA_PKCS1_V1_5_SHA_512", SigningScheme::RsaPkcs1(Sha512)),
    ("ECDSA_SHA_256", SigningScheme::Ecdsa(Sha256)),
    ("ECDSA_SHA_384", SigningScheme::Ecdsa(Sha384)),
    ("ECDSA_SHA_512", SigningScheme::Ecdsa(Sha512)),
    ("ML_DSA_SHAKE_256", SigningScheme::MlDsa),
    ("ED25519_SHA_512", SigningScheme::Ed25519),
    ("ED25519_PH_SHA_512", SigningScheme::Ed25519Ph),
];

/// The word of a way to sign, where AWS has one.
#[must_use]
pub fn signing(scheme: SigningScheme) -> Option<&'static str> {
    SIGNING.iter().find(|(_, known)| *known == scheme).map(|(word, _)| *word)
}

/// MACs.
pub const MACS: &[(&str, HashAlgorithm)] =
    &[("HMAC_SHA_224", Sha224), ("HMAC_SHA_256", Sha256), ("HMAC_SHA_384", Sha384), ("HMAC_SHA_512", Sha512)];

#[must_use]
pub fn mac(hash: HashAlgorithm) -> Option<&'static str> {
    MACS.iter().find(|(_, known)| *known == hash).map(|(word, _)| *word)
}

/// The word of how something is encrypted: RSA names the hash for OAEP.
#[must_use]
pub fn encryption(oaep: Option<HashAlgorithm>) -> Option<&'static str> {
    match oaep {
        None => Some(SYMMETRIC),
        Some(Sha1) => Some("RSAES_OAEP_SHA_1"),
        Some(Sha256) => Some("RSAES_OAEP_SHA_256"),
        Some(_) => None,
    }
}
