//! AWS's words for algorithms, usages and schemes, each once. A word that has no row here must never be taken or shown.

use cardea_model::key::{HashAlgorithm, Key, KeyAlgorithm, KeyFamily, KeyUsage, KeyUse, SigningScheme};

use HashAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};

/// Specs of keys.
const SPECS: &[(&str, KeyAlgorithm)] = &[
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
/// A spec of AWS's that is not offered.
pub(super) const SM2: &str = "SM2";

pub(super) fn algorithm(spec: &str) -> Option<KeyAlgorithm> {
    SPECS.iter().find(|(word, _)| *word == spec).map(|(_, algorithm)| *algorithm)
}

/// The spec that is shown. Clients cannot tell AEADs apart, and a MAC key that names no hash takes any.
pub(super) fn spec(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm.family() {
        KeyFamily::Aead => "SYMMETRIC_DEFAULT",
        _ => SPECS.iter().find(|(_, known)| *known == algorithm).map_or("HMAC_256", |(word, _)| *word),
    }
}

/// All specs that are taken.
pub(super) fn specs() -> Vec<&'static str> {
    SPECS.iter().map(|(word, _)| *word).chain([SM2]).collect()
}

const USAGES: &[(&str, KeyUsage)] = &[
    ("SIGN_VERIFY", KeyUsage::Sign),
    ("ENCRYPT_DECRYPT", KeyUsage::Encrypt),
    ("GENERATE_VERIFY_MAC", KeyUsage::Mac),
    ("KEY_AGREEMENT", KeyUsage::Agree),
    ("ENCAPSULATE_DECAPSULATE", KeyUsage::Encapsulate),
];
pub(super) const USAGE_WORDS: &[&str] =
    &["SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];

pub(super) fn usage(word: &str) -> Option<KeyUsage> {
    USAGES.iter().find(|(known, _)| *known == word).map(|(_, usage)| *usage)
}

/// The one usage that AWS shows. A key of another dialect's may have several: the first of this table is shown, and the
/// algorithms of all.
pub(super) fn shown_usage(key: &Key) -> &'static str {
    USAGES.iter().find(|(_, usage)| key.allows(*usage)).map_or("ENCRYPT_DECRYPT", |(word, _)| *word)
}

pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
pub(super) const ENCRYPTION_WORDS: &[&str] = &[SYMMETRIC, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];

/// The hash for OAEP; the outer `None` is an algorithm that is not offered.
pub(super) fn oaep(word: &str) -> Option<Option<HashAlgorithm>> {
    match word {
        SYMMETRIC => Some(None),
        "RSAES_OAEP_SHA_1" => Some(Some(Sha1)),
        "RSAES_OAEP_SHA_256" => Some(Some(Sha256)),
        _ => None,
    }
}

const SIGNING: &[(&str, SigningScheme)] = &[
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
];
/// Schemes of AWS's that are not offered.
const SIGNING_ABSENT: [&str; 2] = ["SM2DSA", "ED25519_PH_SHA_512"];

pub(super) fn scheme(word: &str) -> Option<SigningScheme> {
    SIGNING.iter().find(|(known, _)| *known == word).map(|(_, scheme)| *scheme)
}

pub(super) fn signing_words() -> Vec<&'static str> {
    SIGNING.iter().map(|(word, _)| *word).chain(SIGNING_ABSENT).collect()
}

const MACS: &[(&str, HashAlgorithm)] =
    &[("HMAC_SHA_224", Sha224), ("HMAC_SHA_256", Sha256), ("HMAC_SHA_384", Sha384), ("HMAC_SHA_512", Sha512)];
pub(super) const MAC_WORDS: &[&str] = &["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"];

pub(super) fn mac(word: &str) -> Option<HashAlgorithm> {
    MACS.iter().find(|(known, _)| *known == word).map(|(_, hash)| *hash)
}

pub(super) fn encryption_algorithms(key: &Key) -> Vec<&'static str> {
    match key.algorithm.family() {
        _ if !key.allows(KeyUsage::Encrypt) => Vec::new(),
        KeyFamily::Aead => vec![SYMMETRIC],
        KeyFamily::Rsa => vec!["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
        _ => Vec::new(),
    }
}

/// Those that AWS names for a key; for ECDSA it is the hash of the curve's size.
pub(super) fn signing_algorithms(key: &Key) -> Vec<&'static str> {
    let fits = |scheme: SigningScheme| match (key.algorithm, scheme) {
        (KeyAlgorithm::EcP256 | KeyAlgorithm::EcP256k1, SigningScheme::Ecdsa(hash)) => hash == Sha256,
        (KeyAlgorithm::EcP384, SigningScheme::Ecdsa(hash)) => hash == Sha384,
        (KeyAlgorithm::EcP521, SigningScheme::Ecdsa(hash)) => hash == Sha512,
        (KeyAlgorithm::Ed25519, SigningScheme::Ed25519) => true,
        (algorithm, SigningScheme::RsaPss(_) | SigningScheme::RsaPkcs1(_)) => algorithm.family() == KeyFamily::Rsa,
        (algorithm, SigningScheme::MlDsa) => algorithm.family() == KeyFamily::MlDsa,
        _ => false,
    };
    let allowed = SIGNING.iter().filter(|_| key.allows(KeyUsage::Sign));
    allowed.filter(|(_, scheme)| fits(*scheme)).map(|(word, _)| *word).collect()
}

pub(super) fn mac_algorithms(key: &Key) -> Vec<&'static str> {
    let fits = |hash: HashAlgorithm| key.algorithm.mac_hash().is_none_or(|own| own == hash);
    let allowed = MACS.iter().filter(|_| key.allows(KeyUsage::Mac));
    allowed.filter(|(_, hash)| fits(*hash)).map(|(word, _)| *word).collect()
}

pub(super) fn agreement_algorithms(key: &Key) -> Vec<&'static str> {
    if key.allows(KeyUsage::Agree) { vec!["ECDH"] } else { Vec::new() }
}

/// The one way to encapsulate.
pub(super) const ML_KEM: &str = "ML_KEM";

pub(super) fn encapsulation_algorithms(key: &Key) -> Vec<&'static str> {
    if key.allows(KeyUsage::Encapsulate) { vec![ML_KEM] } else { Vec::new() }
}

/// What a key's last use is called.
pub(super) fn use_word(what: KeyUse) -> &'static str {
    match what {
        KeyUse::Encrypt => "Encrypt",
        KeyUse::Decrypt => "Decrypt",
        KeyUse::ReEncrypt => "ReEncrypt",
        KeyUse::DataKey => "GenerateDataKey",
        KeyUse::DataKeyWithoutPlaintext => "GenerateDataKeyWithoutPlaintext",
        KeyUse::DataKeyPair => "GenerateDataKeyPair",
        KeyUse::DataKeyPairWithoutPlaintext => "GenerateDataKeyPairWithoutPlaintext",
        KeyUse::Sign => "Sign",
        KeyUse::Verify => "Verify",
        KeyUse::Mac => "GenerateMac",
        KeyUse::VerifyMac => "VerifyMac",
        KeyUse::Agree => "DeriveSharedSecret",
        KeyUse::Encapsulate => "Encapsulate",
        KeyUse::Decapsulate => "Decapsulate",
    }
}

/// How wrapped material comes in: the hash for OAEP, and whether an AES key stands between.
pub(super) fn wrapping(word: &str) -> Option<(HashAlgorithm, bool)> {
    match word {
        "RSAES_OAEP_SHA_1" => Some((Sha1, false)),
        "RSAES_OAEP_SHA_256" => Some((Sha256, false)),
        "RSA_AES_KEY_WRAP_SHA_1" => Some((Sha1, true)),
        "RSA_AES_KEY_WRAP_SHA_256" => Some((Sha256, true)),
        _ => None,
    }
}
