//! Import, export and the stored form. It must never guess an algorithm: the caller names it, and material that is none of
//! it is refused.

use super::{
    Half, KeyAlgorithm, KeyError, KeyFamily, KeyMaterial, MAC_KEY_BYTES_MAX, MAC_KEY_BYTES_MIN, cipher, der, exchange,
    sign, signature, spki_of,
};
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::kem;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, PqdsaKeyPair, PqdsaSigningAlgorithm, RsaKeyPair,
    VerificationAlgorithm,
};
use cardea_model::SecretBytes;

/// The stored form: `[form 1][half][bytes]`.
const STORED_FORM: u8 = 1;
const WHOLE: u8 = 0;
const PUBLIC: u8 = 1;

fn pqdsa(algorithm: KeyAlgorithm) -> Result<&'static PqdsaSigningAlgorithm, KeyError> {
    Ok(match algorithm {
        KeyAlgorithm::MlDsa44 => &signature::ML_DSA_44_SIGNING,
        KeyAlgorithm::MlDsa65 => &signature::ML_DSA_65_SIGNING,
        KeyAlgorithm::MlDsa87 => &signature::ML_DSA_87_SIGNING,
        _ => return Err(KeyError::WrongOperation),
    })
}

fn modulus_bytes(algorithm: KeyAlgorithm) -> usize {
    match algorithm {
        KeyAlgorithm::Rsa2048 => 256,
        KeyAlgorithm::Rsa3072 => 384,
        _ => 512,
    }
}

impl KeyMaterial {
    /// A key from its material: raw bytes for symmetric keys; PKCS#8, PKCS#1 (RSA) or SEC 1 (ECDSA), as DER or PEM, for
    /// the others; also the 32 bytes of a seed for Ed25519 and ML-DSA, and the raw decapsulation key for ML-KEM.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for everything that is no key of this algorithm and size.
    pub fn import(algorithm: KeyAlgorithm, material: &[u8]) -> Result<Self, KeyError> {
        let half = match algorithm.family() {
            KeyFamily::Aead => {
                if Some(material.len()) != algorithm.symmetric_bytes() {
                    return Err(KeyError::Malformed);
                }
                Half::Aead { raw: copy(material), prepared: cipher::prepared(algorithm, material)? }
            }
            KeyFamily::Hmac => {
                let least = algorithm.symmetric_bytes().unwrap_or(MAC_KEY_BYTES_MIN);
                if !(least..=MAC_KEY_BYTES_MAX).contains(&material.len()) {
                    return Err(KeyError::Malformed);
                }
                Half::Hmac { raw: copy(material) }
            }
            KeyFamily::Rsa => {
                let given = der::from_pem(material)?;
                let pair = RsaKeyPair::from_pkcs8(&given).or_else(|_| RsaKeyPair::from_der(&given));
                let pair = pair.map_err(|_| KeyError::Malformed)?;
                if pair.public_modulus_len() != modulus_bytes(algorithm) {
                    return Err(KeyError::Malformed);
                }
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Malformed)?;
                let decrypting = PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyError::Malformed)?;
                if decrypting.key_size_bits() != modulus_bytes(algorithm) * 8 {
                    return Err(KeyError::Malformed);
                }
                let oaep = OaepPrivateDecryptingKey::new(decrypting).map_err(|_| KeyError::Malformed)?;
                let spki = spki_of(pair.public_key())?;
                Half::Rsa { pkcs8: copy(pkcs8.as_ref()), spki, pair: Box::new(pair), oaep: Box::new(oaep) }
            }
            KeyFamily::Ec => {
                let given = der::from_pem(material)?;
                let curve = sign::curve(algorithm)?;
                let pair = |form| EcdsaKeyPair::from_private_key_der(form, &given).map_err(|_| KeyError::Malformed);
                let (asn1, fixed) = (pair(curve.asn1_signing)?, pair(curve.fixed_signing)?);
                let pkcs8 = asn1.to_pkcs8v1().map_err(|_| KeyError::Malformed)?;
                let spki = spki_of(asn1.public_key())?;
                Half::Ec { pkcs8: copy(pkcs8.as_ref()), spki, asn1: Box::new(asn1), fixed: Box::new(fixed) }
            }
            KeyFamily::Ed25519 => {
                let given = der::from_pem(material)?;
                let pair = match given.len() {
                    crate::KEY_BYTES => Ed25519KeyPair::from_seed_unchecked(&given),
                    _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&given),
                };
                let pair = pair.map_err(|_| KeyError::Malformed)?;
                let seed = pair.seed().and_then(|seed| {
                    use aws_lc_rs::encoding::AsBigEndian;
                    seed.as_be_bytes()
                });
                let seed = seed.map_err(|_| KeyError::Malformed)?;
                let spki = spki_of(pair.public_key())?;
                Half::Ed25519 { seed: copy(seed.as_ref()), spki, pair: Box::new(pair) }
            }
            KeyFamily::MlDsa => {
                let given = der::from_pem(material)?;
                let pair = match given.len() {
                    crate::KEY_BYTES => PqdsaKeyPair::from_seed(pqdsa(algorithm)?, &given),
                    _ => PqdsaKeyPair::from_pkcs8(pqdsa(algorithm)?, &given),
                };
                let pair = pair.map_err(|_| KeyError::Malformed)?;
                // A key in its expanded form has no seed any more and cannot be written again.
                let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Malformed)?;
                let spki = spki_of(pair.public_key())?;
                Half::MlDsa { pkcs8: copy(pkcs8.as_ref()), spki, pair: Box::new(pair) }
            }
            KeyFamily::MlKem => {
                let pair = kem::DecapsulationKey::new(exchange::kem(algorithm)?, material);
                let pair = pair.map_err(|_| KeyError::Malformed)?;
                let (arc, public) = exchange::kem_shape(algorithm)?;
                let public = material.get(public).ok_or(KeyError::Malformed)?;
                kem::EncapsulationKey::new(exchange::kem(algorithm)?, public).map_err(|_| KeyError::Malformed)?;
                let spki = der::ml_kem_spki(arc, public);
                Half::MlKem { raw: copy(material), spki, pair: Box::new(pair) }
            }
        };
        Ok(Self { algorithm, half })
    }

    /// A key of which only the public half is known: SubjectPublicKeyInfo as DER or PEM.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for symmetric algorithms, [`KeyError::Malformed`] for other keys.
    pub fn import_public(algorithm: KeyAlgorithm, material: &[u8]) -> Result<Self, KeyError> {
        let given = der::from_pem(material)?;
        let parsed = |form: &'static dyn VerificationAlgorithm| {
            let parsed = ParsedPublicKey::new(form, &*given).map_err(|_| KeyError::Malformed)?;
            spki_of(&parsed)
        };
        let spki = match algorithm.family() {
            KeyFamily::Rsa => {
                let public = PublicEncryptingKey::from_der(&given).map_err(|_| KeyError::Malformed)?;
                if public.key_size_bits() != modulus_bytes(algorithm) * 8 {
                    return Err(KeyError::Malformed);
                }
                spki_of(&public)?
            }
            KeyFamily::Ec => parsed(sign::verifying(algorithm)?)?,
            KeyFamily::Ed25519 => parsed(&signature::ED25519)?,
            KeyFamily::MlDsa => parsed(sign::verifying(algorithm)?)?,
            KeyFamily::MlKem => {
                let (arc, _) = exchange::kem_shape(algorithm)?;
                let raw = der::ml_kem_public(arc, &given).ok_or(KeyError::Malformed)?;
                kem::EncapsulationKey::new(exchange::kem(algorithm)?, &raw).map_err(|_| KeyError::Malformed)?;
                given.to_vec()
            }
            KeyFamily::Aead | KeyFamily::Hmac => return Err(KeyError::WrongOperation),
        };
        Ok(Self { algorithm, half: Half::Public { spki } })
    }

    /// What is stored, sealed by the caller.
    #[must_use]
    pub fn to_stored(&self) -> SecretBytes {
        let (half, bytes): (u8, &[u8]) = match &self.half {
            Half::Aead { raw, .. } | Half::Hmac { raw } | Half::MlKem { raw, .. } => (WHOLE, raw.expose()),
            Half::Rsa { pkcs8, .. } | Half::Ec { pkcs8, .. } | Half::MlDsa { pkcs8, .. } => (WHOLE, pkcs8.expose()),
            Half::Ed25519 { seed, .. } => (WHOLE, seed.expose()),
            Half::Public { spki } => (PUBLIC, spki),
        };
        let mut out = Vec::with_capacity(2 + bytes.len());
        out.extend_from_slice(&[STORED_FORM, half]);
        out.extend_from_slice(bytes);
        SecretBytes::new(out)
    }

    /// The reverse of `to_stored`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_stored(algorithm: KeyAlgorithm, stored: &[u8]) -> Result<Self, KeyError> {
        match stored {
            [STORED_FORM, WHOLE, bytes @ ..] => Self::import(algorithm, bytes),
            [STORED_FORM, PUBLIC, bytes @ ..] => Self::import_public(algorithm, bytes),
            _ => Err(KeyError::Malformed),
        }
    }

    /// The raw bytes of a symmetric key, the seed of an Ed25519 key, the decapsulation key of ML-KEM.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for algorithms without a raw form, [`KeyError::PublicOnly`].
    pub fn export_raw(&self) -> Result<SecretBytes, KeyError> {
        match &self.half {
            Half::Aead { raw, .. } | Half::Hmac { raw } | Half::MlKem { raw, .. } => Ok(raw.duplicate()),
            Half::Ed25519 { seed, .. } => Ok(seed.duplicate()),
            Half::Public { .. } => Err(KeyError::PublicOnly),
            Half::Rsa { .. } | Half::Ec { .. } | Half::MlDsa { .. } => Err(KeyError::WrongOperation),
        }
    }

    /// The private key as PKCS#8 in DER.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for algorithms without this form, [`KeyError::PublicOnly`].
    pub fn export_pkcs8(&self) -> Result<SecretBytes, KeyError> {
        match &self.half {
            Half::Rsa { pkcs8, .. } | Half::Ec { pkcs8, .. } | Half::MlDsa { pkcs8, .. } => Ok(pkcs8.duplicate()),
            Half::Ed25519 { pair, .. } => {
                pair.to_pkcs8v1().map(|document| copy(document.as_ref())).map_err(|_| KeyError::Library)
            }
            Half::Public { .. } => Err(KeyError::PublicOnly),
            Half::Aead { .. } | Half::Hmac { .. } | Half::MlKem { .. } => Err(KeyError::WrongOperation),
        }
    }

    /// The private key in the form of its own family in DER, and the label of its PEM: PKCS#1 for RSA, SEC 1 for ECDSA.
    ///
    /// # Errors
    /// As [`KeyMaterial::export_pkcs8`].
    pub fn export_traditional(&self) -> Result<(&'static str, SecretBytes), KeyError> {
        match &self.half {
            Half::Rsa { pkcs8, .. } => {
                let key = der::inside_pkcs8(pkcs8.expose()).ok_or(KeyError::Library)?;
                Ok(("RSA PRIVATE KEY", copy(key)))
            }
            Half::Ec { asn1, .. } => {
                let key: EcPrivateKeyRfc5915Der<'_> = asn1.private_key().as_der().map_err(|_| KeyError::Library)?;
                Ok(("EC PRIVATE KEY", copy(key.as_ref())))
            }
            Half::Public { .. } => Err(KeyError::PublicOnly),
            _ => Err(KeyError::WrongOperation),
        }
    }

    /// The raw public key: 32 bytes of Ed25519, FIPS 204's encoding for ML-DSA, the uncompressed point of a curve.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for algorithms without a raw form.
    pub fn public_raw(&self) -> Result<Vec<u8>, KeyError> {
        match &self.half {
            Half::Ec { asn1, .. } => Ok(asn1.public_key().as_ref().to_vec()),
            Half::Ed25519 { pair, .. } => Ok(pair.public_key().as_ref().to_vec()),
            Half::MlDsa { pair, .. } => Ok(pair.public_key().as_ref().to_vec()),
            // The raw key is what stands at the end of its SubjectPublicKeyInfo.
            Half::Public { spki } if self.algorithm == KeyAlgorithm::Ed25519 => {
                spki.last_chunk::<32>().map(|raw| raw.to_vec()).ok_or(KeyError::Malformed)
            }
            Half::MlKem { spki, .. } => {
                let (arc, _) = exchange::kem_shape(self.algorithm)?;
                der::ml_kem_public(arc, spki).ok_or(KeyError::Malformed)
            }
            _ => Err(KeyError::WrongOperation),
        }
    }
}

fn copy(bytes: &[u8]) -> SecretBytes {
    SecretBytes::new(bytes.to_vec())
}
