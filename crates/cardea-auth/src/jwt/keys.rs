//! Algorithms and the public keys that may be used with them, from PEM or from a JSON Web Key Set (RFC 7517, 7518).
//!
//! A key says by its kind which algorithms it may verify; a token's header can choose among them and never beyond:
//! neither `none` nor a keyed hash exists here, so that no public key can ever be taken for a shared secret.

use crate::jwt::claims::Claim;
use crate::jwt::der;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardea_crypto::keys::{HashAlgorithm, KeyAlgorithm, SigningScheme, ToSign, verify_external};
use cardea_model::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most keys of one set. The large issuers have fewer than ten.
pub const KEYS_MAX: usize = 64;
/// Longest number of an RSA key in bytes: 8192 bits.
const RSA_BYTES_MAX: usize = 1024;

/// A signature algorithm of RFC 7518 section 3.1 or RFC 8037.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// All of them by their registered names.
pub const ALGORITHMS: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("ES512", Algorithm::Es512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("EdDSA", Algorithm::EdDsa),
];

impl Algorithm {
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// The only kind of key that this algorithm verifies with.
    #[must_use]
    pub fn kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::Es512 => KeyKind::P521,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }
}

impl Algorithm {
    /// What the cipher library is told. Of an RSA key the algorithm names the family; its size was checked when it came in.
    fn scheme(self) -> (KeyAlgorithm, SigningScheme) {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        match self {
            Self::Rs256 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPkcs1(Sha256)),
            Self::Rs384 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPkcs1(Sha384)),
            Self::Rs512 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPkcs1(Sha512)),
            Self::Ps256 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPss(Sha256)),
            Self::Ps384 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPss(Sha384)),
            Self::Ps512 => (KeyAlgorithm::Rsa2048, SigningScheme::RsaPss(Sha512)),
            Self::Es256 => (KeyAlgorithm::EcP256, SigningScheme::EcdsaFixed(Sha256)),
            Self::Es384 => (KeyAlgorithm::EcP384, SigningScheme::EcdsaFixed(Sha384)),
            Self::Es512 => (KeyAlgorithm::EcP521, SigningScheme::EcdsaFixed(Sha512)),
            Self::EdDsa => (KeyAlgorithm::Ed25519, SigningScheme::Ed25519),
        }
    }
}

/// Kinds of keys that can verify.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl KeyKind {
    /// Length of one coordinate of a point, or of an Ed25519 key, in bytes.
    fn coordinate_bytes(self) -> usize {
        match self {
            Self::P384 => 48,
            Self::P521 => 66,
            Self::P256 | Self::Ed25519 | Self::Rsa => 32,
        }
    }
}

/// A public key, with what its publisher says of its use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PublicKey {
    pub kind: KeyKind,
    /// The name that tokens choose it by; keys from PEM have none.
    pub kid: Option<String>,
    /// The one algorithm that it is published for, if it says so.
    pub only_for: Option<String>,
    /// SubjectPublicKeyInfo, as base64.
    info: String,
}

impl PublicKey {
    fn new(info: &[u8], kid: Option<String>, only_for: Option<String>) -> Option<Self> {
        Some(Self { kind: der::kind(info)?, kid, only_for, info: STANDARD.encode(info) })
    }

    /// The key of the first PEM block: a public key or a certificate.
    ///
    /// # Errors
    /// Neither, or a key that no algorithm verifies with.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let bad = || Error::invalid("error parsing public key: not a PEM block of a public key or a certificate");
        let (label, block) = pem_block(pem).ok_or_else(bad)?;
        let info = match label {
            "PUBLIC KEY" => block.as_slice(),
            "CERTIFICATE" => der::key_of_certificate(&block).ok_or_else(bad)?,
            _ => return Err(bad()),
        };
        Self::new(info, None, None).ok_or_else(|| {
            Error::invalid(
                "error parsing public key: it is neither RSA of 2048 to 8192 bits, nor on P-256, P-384 or P-521, nor Ed25519",
            )
        })
    }

    /// Whether a token with this header may have been signed by this key. A token that names a key means that one.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm, kid: Option<&str>, named_only: bool) -> bool {
        let named = match (kid, self.kid.as_deref()) {
            (Some(wanted), Some(kid)) => wanted == kid,
            (Some(_), None) => !named_only,
            (None, _) => true,
        };
        named
            && self.kind == algorithm.kind()
            && self.only_for.as_deref().is_none_or(|name| Algorithm::parse(name) == Some(algorithm))
    }

    /// Whether the signature is this key's over the message.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if self.kind != algorithm.kind() {
            return false;
        }
        let Ok(info) = STANDARD.decode(&self.info) else { return false };
        let (key, scheme) = algorithm.scheme();
        verify_external(key, &info, scheme, ToSign::Message(message), signature).unwrap_or(false)
    }
}

fn pem_block(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// The keys of a JSON Web Key Set that can verify. Others (symmetric ones, those for encryption, private ones, kinds that we do
/// not know) are left out: a set may hold them, and they must never be used.
///
/// # Errors
/// Not a key set, a member that stands twice, too many keys, or none that can verify.
pub fn key_set(document: &[u8]) -> Result<Vec<PublicKey>, &'static str> {
    let members = Claim::object(document)?;
    let Some(Claim::List(entries)) = members.get("keys") else { return Err("no list of keys") };
    if entries.len() > KEYS_MAX {
        return Err("too many keys");
    }
    let keys: Vec<PublicKey> = entries.iter().filter_map(entry).collect();
    if keys.is_empty() { Err("no key that can verify") } else { Ok(keys) }
}

fn entry(entry: &Claim) -> Option<PublicKey> {
    let Claim::Object(members) = entry else { return None };
    let purpose = text(members, "use").unwrap_or("sig");
    let operations = members.get("key_ops").map(Claim::items);
    let may_verify = operations
        .is_none_or(|found| found.is_some_and(|names| names.iter().any(|name| name.text() == Some("verify"))));
    if purpose != "sig" || !may_verify || members.contains_key("d") {
        return None;
    }
    let info = match (text(members, "kty")?, text(members, "crv")) {
        ("RSA", _) => {
            let (modulus, exponent) = (number(members, "n")?, number(members, "e")?);
            let bounded = modulus.len() <= RSA_BYTES_MAX && exponent.len() <= 8;
            bounded.then(|| der::rsa(&modulus, &exponent))?
        }
        ("EC", Some(curve)) => {
            let kind = match curve {
                "P-256" => KeyKind::P256,
                "P-384" => KeyKind::P384,
                "P-521" => KeyKind::P521,
                _ => return None,
            };
            let (x, y) = (number(members, "x")?, number(members, "y")?);
            let whole = x.len() == kind.coordinate_bytes() && y.len() == kind.coordinate_bytes();
            // 4: an uncompressed point.
            whole.then(|| der::curve(kind, &[&[4], x.as_slice(), y.as_slice()].concat()))??
        }
        ("OKP", Some("Ed25519")) => der::curve(KeyKind::Ed25519, &number(members, "x")?)?,
        _ => return None,
    };
    let only_for = match members.get("alg") {
        None => None,
        Some(name) => Some(name.text()?.to_owned()),
    };
    PublicKey::new(&info, text(members, "kid").map(str::to_owned), only_for)
}

fn text<'m>(members: &'m BTreeMap<String, Claim>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Claim::text)
}

fn number(members: &BTreeMap<String, Claim>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(members, name)?).ok()
}
