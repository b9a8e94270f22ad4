//! AWS's words for algorithms, usages and schemes, each once. A word that has no row here must never be taken or shown.

use cardea_model::key::{HashAlgorithm, Key, KeyAlgorithm, KeyFamily, KeyUsage, KeyUse, SigningScheme};

use HashAlgorithm::{Sha1, Sha256, Sha384, Sha512};
use cardea_sdk::aws_words::{MACS, SIGNING, SPECS, USAGES};

pub(super) use cardea_sdk::aws_words::{SYMMETRIC, shown_usage, spec};

/// A spec of AWS's that is not offered.
pub(super) const SM2: &str = "SM2";

pub(super) fn algorithm(spec: &str) -> Option<KeyAlgorithm> {
    SPECS.iter().find(|(word, _)| *word == spec).map(|(_, algorithm)| *algorithm)
}

/// All specs that are taken.
pub(super) fn specs() -> Vec<&'static str> {
    SPECS.iter().map(|(word, _)| *word).chain([SM2]).collect()
}

pub(super) const USAGE_WORDS: &[&str] =
    &["SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];

pub(super) fn usage(word: &str) -> Option<KeyUsage> {
    USAGES.iter().find(|(known, _)| *known == word).map(|(_, usage)| *usage)
}

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

/// A scheme of AWS's that is not offered.
const SIGNING_ABSENT: [&str; 1] = ["SM2DSA"];

pub(super) fn scheme(word: &str) -> Option<SigningScheme> {
    SIGNING.iter().find(|(known, _)| *known == word).map(|(_, scheme)| *scheme)
}

pub(super) fn signing_words() -> Vec<&'static str> {
    SIGNING.iter().map(|(word, _)| *word).chain(SIGNING_ABSENT).collect()
}

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
        (KeyAlgorithm::Ed25519, SigningScheme::Ed25519 | SigningScheme::Ed25519Ph) => true,
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
