//! Encryption with a caller's key: AEAD with the nonce in front, RSA-OAEP, and AES key wrap with padding (RFC 5649).
//! It must never use a nonce twice for two messages under one key.

use super::{Half, HashAlgorithm, KeyAlgorithm, KeyError, KeyMaterial};
use crate::mac;
use crate::random::{Randomness, random_array};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPublicEncryptingKey, PublicEncryptingKey,
};
use cardea_model::SecretBytes;
use zeroize::Zeroizing;

/// Length of the nonce in front of a sealed message.
pub const NONCE_BYTES: usize = 12;
/// Length of the tag at its end.
pub const TAG_BYTES: usize = 16;
/// The library asks for this many bytes more than the key when wrapping, and its result has at most 15 of them.
const WRAP_ROOM_BYTES: usize = 15;

/// A prepared AEAD key.
pub(super) fn prepared(algorithm: KeyAlgorithm, raw: &[u8]) -> Result<Box<LessSafeKey>, KeyError> {
    let aead = match algorithm {
        KeyAlgorithm::Aes128Gcm => &aead::AES_128_GCM,
        KeyAlgorithm::Aes256Gcm => &aead::AES_256_GCM,
        KeyAlgorithm::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        _ => return Err(KeyError::WrongOperation),
    };
    UnboundKey::new(aead, raw).map(|key| Box::new(LessSafeKey::new(key))).map_err(|_| KeyError::Malformed)
}

impl KeyMaterial {
    fn aead(&self) -> Result<(&LessSafeKey, &SecretBytes), KeyError> {
        match &self.half {
            Half::Aead { prepared, raw } => Ok((prepared, raw)),
            _ => Err(KeyError::WrongOperation),
        }
    }

    /// `[nonce 12][ciphertext][tag 16]` with a random nonce: one key is good for 2^32 messages, and the caller counts.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] if this is no AEAD key.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8], rng: &dyn Randomness) -> Result<Vec<u8>, KeyError> {
        self.seal_with(random_array(rng), aad, plaintext)
    }

    /// The same with a nonce that follows from key, additional data and plaintext, so that equal messages give equal
    /// ciphertexts: HMAC-SHA256 under a key of its own, cut to the nonce. Shows which messages are equal, and no more.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] if this is no AEAD key.
    pub fn seal_convergent(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (_, raw) = self.aead()?;
        let key = Zeroizing::new(mac::derive(raw.expose(), b"", b"cardea convergent nonce 1"));
        // The length keeps additional data and plaintext apart; both must count, or one nonce would seal two messages.
        let length = u64::try_from(aad.len()).map_err(|_| KeyError::TooLong)?.to_be_bytes();
        let tag = mac::hmac_sha256(&*key, &[&length, aad, plaintext]);
        let nonce = tag.first_chunk().ok_or(KeyError::Library)?;
        self.seal_with(*nonce, aad, plaintext)
    }

    pub(super) fn seal_with(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let (key, _) = self.aead()?;
        // All room at once, so that no reallocation leaves plaintext behind.
        let mut out = Vec::with_capacity(NONCE_BYTES + plaintext.len() + TAG_BYTES);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[NONCE_BYTES..])
            .map_err(|_| KeyError::Library)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens what `seal` made.
    ///
    /// # Errors
    /// [`KeyError::Refused`]; nothing of the plaintext is released unless all of it is authentic.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, KeyError> {
        let (key, _) = self.aead()?;
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(KeyError::Refused)?;
        let split = rest.len().checked_sub(TAG_BYTES).ok_or(KeyError::Refused)?;
        let (ciphertext, tag) = rest.split_at_checked(split).ok_or(KeyError::Refused)?;
        let mut out = Zeroizing::new(vec![0; ciphertext.len()]);
        key.open_separate_gather(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), ciphertext, tag, &mut out)
            .map_err(|_| KeyError::Refused)?;
        Ok(SecretBytes::new(std::mem::take(&mut *out)))
    }

    /// The key of a context: HKDF-SHA256 of this one, with the context as info. For AEAD and Ed25519.
    ///
    /// # Errors
    /// [`KeyError::WrongOperation`] for all other algorithms.
    pub fn derive(&self, salt: &[u8], context: &[u8]) -> Result<Self, KeyError> {
        let raw = match &self.half {
            Half::Aead { raw, .. } => raw,
            Half::Ed25519 { seed, .. } => seed,
            _ => return Err(KeyError::WrongOperation),
        };
        let derived = Zeroizing::new(mac::derive(raw.expose(), salt, context));
        // A shorter output of HKDF is the beginning of a longer one.
        let length = self.algorithm.symmetric_bytes().unwrap_or(crate::KEY_BYTES);
        Self::import(self.algorithm, derived.get(..length).ok_or(KeyError::Library)?)
    }

    /// RSA-OAEP without a label. Needs the public half alone.
    ///
    /// # Errors
    /// [`KeyError::TooLong`] beyond what the modulus leaves.
    pub fn rsa_encrypt(&self, hash: HashAlgorithm, plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        if self.algorithm.family() != super::KeyFamily::Rsa {
            return Err(KeyError::WrongOperation);
        }
        let public = PublicEncryptingKey::from_der(self.spki()?).map_err(|_| KeyError::Library)?;
        let public = OaepPublicEncryptingKey::new(public).map_err(|_| KeyError::Library)?;
        let algorithm = oaep(hash)?;
        if plaintext.len() > public.max_plaintext_size(algorithm) {
            return Err(KeyError::TooLong);
        }
        let mut out = vec![0; public.ciphertext_size()];
        let length = public.encrypt(algorithm, plaintext, &mut out, None).map_err(|_| KeyError::Library)?.len();
        out.truncate(length);
        Ok(out)
    }

    /// The reverse of `rsa_encrypt`.
    ///
    /// # Errors
    /// [`KeyError::Refused`] without saying why; [`KeyError::PublicOnly`].
    pub fn rsa_decrypt(&self, hash: HashAlgorithm, ciphertext: &[u8]) -> Result<SecretBytes, KeyError> {
        self.rsa_decrypt_labeled(hash, ciphertext, None)
    }

    pub(super) fn rsa_decrypt_labeled(
        &self,
        hash: HashAlgorithm,
        ciphertext: &[u8],
        label: Option<&[u8]>,
    ) -> Result<SecretBytes, KeyError> {
        let private = match &self.half {
            Half::Rsa { oaep, .. } => oaep,
            Half::Public { .. } if self.algorithm.family() == super::KeyFamily::Rsa => {
                return Err(KeyError::PublicOnly);
            }
            _ => return Err(KeyError::WrongOperation),
        };
        let algorithm = oaep(hash)?;
        if ciphertext.len() != private.key_size_bytes() {
            return Err(KeyError::Refused);
        }
        let mut out = Zeroizing::new(vec![0; private.min_output_size()]);
        let plain = private.decrypt(algorithm, ciphertext, &mut out, label).map_err(|_| KeyError::Refused)?;
        Ok(SecretBytes::new(plain.to_vec()))
    }
}

fn oaep(hash: HashAlgorithm) -> Result<&'static OaepAlgorithm, KeyError> {
    match hash {
        HashAlgorithm::Sha1 => Ok(&OAEP_SHA1_MGF1SHA1),
        HashAlgorithm::Sha256 => Ok(&OAEP_SHA256_MGF1SHA256),
        HashAlgorithm::Sha384 => Ok(&OAEP_SHA384_MGF1SHA384),
        HashAlgorithm::Sha512 => Ok(&OAEP_SHA512_MGF1SHA512),
        _ => Err(KeyError::WrongScheme),
    }
}

fn kek(kek: &[u8]) -> Result<AesKek, KeyError> {
    AesKek::new(&AES_256, kek).map_err(|_| KeyError::Malformed)
}

/// AES-256 key wrap with padding (RFC 5649): how one key travels under another.
///
/// # Errors
/// [`KeyError::Malformed`] if `key_encryption_key` is not 32 bytes long, or there is nothing to wrap.
pub fn wrap_padded(key_encryption_key: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut room = vec![0; key.len() + WRAP_ROOM_BYTES];
    let wrapped = kek(key_encryption_key)?.wrap_with_padding(key, &mut room).map_err(|_| KeyError::Malformed)?;
    Ok(wrapped.to_vec())
}

/// The reverse of [`wrap_padded`].
///
/// # Errors
/// [`KeyError::Refused`] for another key or altered bytes.
pub fn unwrap_padded(key_encryption_key: &[u8], wrapped: &[u8]) -> Result<SecretBytes, KeyError> {
    let mut room = Zeroizing::new(vec![0; wrapped.len()]);
    let key = kek(key_encryption_key)?.unwrap_with_padding(wrapped, &mut room).map_err(|_| KeyError::Refused)?;
    Ok(SecretBytes::new(key.to_vec()))
}
