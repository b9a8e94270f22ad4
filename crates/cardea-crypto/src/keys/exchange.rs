//! Secrets that two sides share: ECDH on NIST's curves, and ML-KEM. It must never return a shared secret of a public key
//! that the library did not check.

use super::{Half, KeyAlgorithm, KeyError, KeyFamily, KeyMaterial, der};
use aws_lc_rs::agreement;
use aws_lc_rs::kem;
use cardea_model::SecretBytes;

pub(super) fn kem(algorithm: KeyAlgorithm) -> Result<&'static kem::Algorithm, KeyError> {
    Ok(match algorithm {
        KeyAlgorithm::MlKem512 => &kem::ML_KEM_512,
        KeyAlgorithm::MlKem768 => &kem::ML_KEM_768,
        KeyAlgorithm::MlKem1024 => &kem::ML_KEM_1024,
        _ => return Err(KeyError::WrongOperation),
    })
}

/// Last arc of the identifier, and where the encapsulation key stands in a decapsulation key: behind the 384 k bytes of
/// the private vector, 384 k + 32 bytes long (FIPS 203, algorithm 16).
pub(super) fn kem_shape(algorithm: KeyAlgorithm) -> Result<(u8, std::ops::Range<usize>), KeyError> {
    let (arc, k) = match algorithm {
        KeyAlgorithm::MlKem512 => (1, 2),
        KeyAlgorithm::MlKem768 => (2, 3),
        KeyAlgorithm::MlKem1024 => (3, 4),
        _ => return Err(KeyError::WrongOperation),
    };
    Ok((arc, 384 * k..2 * 384 * k + 32))
}

impl KeyMaterial {
    /// The secret shared with the owner of `peer_spki` (SubjectPublicKeyInfo in DER): the x coordinate, as it is.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the peer's key is none of this curve.
    pub fn agree(&self, peer_spki: &[u8]) -> Result<SecretBytes, KeyError> {
        let curve = match self.algorithm {
            KeyAlgorithm::EcP256 => &agreement::ECDH_P256,
            KeyAlgorithm::EcP384 => &agreement::ECDH_P384,
            KeyAlgorithm::EcP521 => &agreement::ECDH_P521,
            _ => return Err(KeyError::WrongOperation),
        };
        let Half::Ec { pkcs8, .. } = &self.half else { return Err(KeyError::PublicOnly) };
        let private =
            agreement::PrivateKey::from_private_key_der(curve, pkcs8.expose()).map_err(|_| KeyError::Library)?;
        // One spelling alone: the library also reads curves that spell their parameters out, and forgives some of them.
        if Self::import_public(self.algorithm, peer_spki)?.spki()? != peer_spki {
            return Err(KeyError::Malformed);
        }
        let peer = agreement::UnparsedPublicKey::new(curve, peer_spki);
        agreement::agree(&private, peer, KeyError::Malformed, |secret| Ok(SecretBytes::new(secret.to_vec())))
    }

    /// A fresh secret, and the ciphertext from which the owner of the private half learns it.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] if this is no ML-KEM key.
    pub fn encapsulate(&self) -> Result<(SecretBytes, Vec<u8>), KeyError> {
        let algorithm = kem(self.algorithm)?;
        let (arc, _) = kem_shape(self.algorithm)?;
        let raw = der::ml_kem_public(arc, self.spki()?).ok_or(KeyError::Malformed)?;
        let public = kem::EncapsulationKey::new(algorithm, &raw).map_err(|_| KeyError::Malformed)?;
        let (ciphertext, secret) = public.encapsulate().map_err(|_| KeyError::Malformed)?;
        Ok((SecretBytes::new(secret.as_ref().to_vec()), ciphertext.as_ref().to_vec()))
    }

    /// The secret of a ciphertext. An altered one of the right length gives another secret, as FIPS 203 wants it.
    ///
    /// # Errors
    /// [`KeyError::Refused`] for a ciphertext of another length.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<SecretBytes, KeyError> {
        match &self.half {
            Half::MlKem { pair, .. } => {
                let secret = pair.decapsulate(ciphertext.into()).map_err(|_| KeyError::Refused)?;
                Ok(SecretBytes::new(secret.as_ref().to_vec()))
            }
            Half::Public { .. } if self.algorithm.family() == KeyFamily::MlKem => Err(KeyError::PublicOnly),
            _ => Err(KeyError::WrongOperation),
        }
    }
}
