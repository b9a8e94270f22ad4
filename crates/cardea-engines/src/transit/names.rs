//! The words of Vault's wire for algorithms, hashes and encodings, one table each. It must never guess: a word that is not
//! in its table is refused.

use cardea_model::Error;
use cardea_model::key::{HashAlgorithm, Key, KeyAlgorithm, KeyFamily, KeyUsage, SigningScheme};

/// Types as `type` names them; ML-DSA has its size in `parameter_set`. The last five are ours: Vault has no such keys.
pub const TYPES: &[(&str, &str, KeyAlgorithm)] = &[
    ("aes256-gcm96", "", KeyAlgorithm::Aes256Gcm),
    ("aes128-gcm96", "", KeyAlgorithm::Aes128Gcm),
    ("chacha20-poly1305", "", KeyAlgorithm::ChaCha20Poly1305),
    ("ed25519", "", KeyAlgorithm::Ed25519),
    ("ecdsa-p256", "", KeyAlgorithm::EcP256),
    ("ecdsa-p384", "", KeyAlgorithm::EcP384),
    ("ecdsa-p521", "", KeyAlgorithm::EcP521),
    ("rsa-2048", "", KeyAlgorithm::Rsa2048),
    ("rsa-3072", "", KeyAlgorithm::Rsa3072),
    ("rsa-4096", "", KeyAlgorithm::Rsa4096),
    ("hmac", "", KeyAlgorithm::Hmac),
    ("ml-dsa", "44", KeyAlgorithm::MlDsa44),
    ("ml-dsa", "65", KeyAlgorithm::MlDsa65),
    ("ml-dsa", "87", KeyAlgorithm::MlDsa87),
    ("ecdsa-secp256k1", "", KeyAlgorithm::EcP256k1),
    ("hmac-sha224", "", KeyAlgorithm::HmacSha224),
    ("hmac-sha256", "", KeyAlgorithm::HmacSha256),
    ("hmac-sha384", "", KeyAlgorithm::HmacSha384),
    ("hmac-sha512", "", KeyAlgorithm::HmacSha512),
    ("ml-kem", "512", KeyAlgorithm::MlKem512),
    ("ml-kem", "768", KeyAlgorithm::MlKem768),
    ("ml-kem", "1024", KeyAlgorithm::MlKem1024),
];

/// The algorithm of a type; an empty type is Vault's default.
///
/// # Errors
/// A type or parameter set that is not offered.
pub fn algorithm(kind: &str, parameter_set: &str) -> Result<KeyAlgorithm, Error> {
    let kind = if kind.is_empty() { "aes256-gcm96" } else { kind };
    let of_kind: Vec<_> = TYPES.iter().filter(|(name, _, _)| *name == kind).collect();
    if of_kind.is_empty() {
        return Err(Error::invalid("unknown key type"));
    }
    let found = of_kind.into_iter().find(|(_, parameters, _)| *parameters == parameter_set);
    found.map(|(_, _, algorithm)| *algorithm).ok_or_else(|| Error::invalid("unknown parameter set for this key type"))
}

/// Type and parameter set of an algorithm.
#[must_use]
pub fn kind(algorithm: KeyAlgorithm) -> (&'static str, &'static str) {
    let found = TYPES.iter().find(|(_, _, known)| *known == algorithm);
    found.map_or(("", ""), |(kind, parameters, _)| (kind, parameters))
}

/// What Vault calls the key in the table of versions of an asymmetric key.
#[must_use]
pub fn version_name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::EcP256 => "P-256",
        KeyAlgorithm::EcP384 => "P-384",
        KeyAlgorithm::EcP521 => "P-521",
        KeyAlgorithm::EcP256k1 => "secp256k1",
        other => kind(other).0,
    }
}

const HASHES: &[(&str, HashAlgorithm)] = &[
    ("sha2-256", HashAlgorithm::Sha256),
    ("sha2-224", HashAlgorithm::Sha224),
    ("sha2-384", HashAlgorithm::Sha384),
    ("sha2-512", HashAlgorithm::Sha512),
    ("sha3-256", HashAlgorithm::Sha3_256),
    ("sha3-384", HashAlgorithm::Sha3_384),
    ("sha3-512", HashAlgorithm::Sha3_512),
];

/// A hash; an empty word is Vault's default.
///
/// # Errors
/// One that is not offered, SHA-1 among them.
pub fn hash(word: &str) -> Result<HashAlgorithm, Error> {
    let word = if word.is_empty() { HASHES[0].0 } else { word };
    let found = HASHES.iter().find(|(name, _)| *name == word);
    found.map(|(_, hash)| *hash).ok_or_else(|| Error::invalid("unsupported hash algorithm"))
}

/// The hash of the OAEP step of an import; an empty word is Vault's default.
///
/// # Errors
/// One that is not offered.
pub fn oaep_hash(word: &str) -> Result<HashAlgorithm, Error> {
    match word.to_ascii_uppercase().as_str() {
        "" | "SHA256" | "SHA-256" => Ok(HashAlgorithm::Sha256),
        "SHA1" | "SHA-1" => Ok(HashAlgorithm::Sha1),
        "SHA384" | "SHA-384" => Ok(HashAlgorithm::Sha384),
        "SHA512" | "SHA-512" => Ok(HashAlgorithm::Sha512),
        _ => Err(Error::invalid("unsupported hash function for the key's wrapping")),
    }
}

/// How a signature is made and written.
#[derive(Clone, Debug, Default)]
pub struct SigningWords {
    pub hash: String,
    pub signature: String,
    pub marshaling: String,
    pub salt: String,
    pub prehashed: bool,
}

impl SigningWords {
    /// Whether signatures are written as JWS writes them.
    #[must_use]
    pub fn is_jws(&self) -> bool {
        self.marshaling == "jws"
    }

    /// The schemes under which a signature may verify; the first is the one to sign with.
    ///
    /// # Errors
    /// Words that are not offered for this algorithm.
    pub fn schemes(&self, algorithm: KeyAlgorithm, input: &[u8]) -> Result<Vec<SigningScheme>, Error> {
        if !matches!(self.marshaling.as_str(), "" | "asn1" | "jws") {
            return Err(Error::invalid("invalid marshaling algorithm"));
        }
        match algorithm.family() {
            KeyFamily::Ed25519 => match self.signature.as_str() {
                "" | "ed25519" | "pss" if !self.prehashed => Ok(vec![SigningScheme::Ed25519]),
                _ => Err(Error::invalid("only Ed25519 itself is offered: neither Ed25519ph nor Ed25519ctx")),
            },
            KeyFamily::MlDsa if !self.prehashed => Ok(vec![SigningScheme::MlDsa]),
            KeyFamily::MlDsa => Err(Error::invalid("ML-DSA signs messages and no digests")),
            KeyFamily::Ec => {
                let mut hash = hash(&self.hash)?;
                // Of a digest, its length says enough.
                if self.prehashed && input.len() != hash.digest_bytes() {
                    let sha2 =
                        [HashAlgorithm::Sha224, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
                    hash = sha2.into_iter().find(|hash| hash.digest_bytes() == input.len()).unwrap_or(hash);
                }
                Ok(vec![if self.is_jws() { SigningScheme::EcdsaFixed(hash) } else { SigningScheme::Ecdsa(hash) }])
            }
            KeyFamily::Rsa => {
                let hash = hash(&self.hash)?;
                match self.signature.as_str() {
                    "" | "pss" => self.pss(hash),
                    "pkcs1v15" => Ok(vec![SigningScheme::RsaPkcs1(hash)]),
                    _ => Err(Error::invalid("unsupported signature algorithm")),
                }
            }
            KeyFamily::Aead | KeyFamily::Hmac | KeyFamily::MlKem => {
                Err(Error::invalid("key type does not support signing"))
            }
        }
    }

    /// Signers elsewhere make salts as long as the digest or as long as possible; `auto` verifies both.
    fn pss(&self, hash: HashAlgorithm) -> Result<Vec<SigningScheme>, Error> {
        let by_digest = SigningScheme::RsaPss(hash);
        match self.salt.as_str() {
            "" | "auto" => Ok(vec![by_digest, SigningScheme::RsaPssMaxSalt(hash)]),
            "hash" => Ok(vec![by_digest]),
            number if number.parse() == Ok(hash.digest_bytes()) => Ok(vec![by_digest]),
            _ => Err(Error::invalid("salts are as long as the hash: use auto or hash")),
        }
    }
}

/// Whether keys of this algorithm can have a key of their own for each context.
#[must_use]
pub fn derives(algorithm: KeyAlgorithm) -> bool {
    matches!(algorithm.family(), KeyFamily::Aead | KeyFamily::Ed25519)
}

#[must_use]
pub fn encrypts(key: &Key) -> bool {
    key.allows(KeyUsage::Encrypt)
}

#[must_use]
pub fn signs(key: &Key) -> bool {
    key.allows(KeyUsage::Sign)
}
