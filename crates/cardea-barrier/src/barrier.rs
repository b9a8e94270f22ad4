//! The codec between records and the store. Sealed, it holds no key and opens nothing; unsealed, it authenticates kind
//! and key with every record. It must never return bytes that did not verify.

use crate::keyring::Keyring;
use cardea_crypto::envelope::{self, OpenError};
use cardea_crypto::random::Randomness;
use cardea_model::{Cause, Error, Wiped};
use cardea_storage::record::Codec;
use std::sync::{Arc, RwLock};

/// The barrier of one process.
pub struct Barrier {
    keyring: RwLock<Option<Arc<Keyring>>>,
    rng: Arc<dyn Randomness>,
}

impl Barrier {
    #[must_use]
    pub fn sealed(rng: Arc<dyn Randomness>) -> Self {
        Self { keyring: RwLock::new(None), rng }
    }

    /// Takes a keyring into use: unsealing, or a rotation.
    pub fn install(&self, keyring: Arc<Keyring>) {
        *self.keyring.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(keyring);
    }

    /// Drops the keyring; its memory is wiped when the last operation that holds it ends.
    pub fn seal_now(&self) {
        *self.keyring.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// # Errors
    /// [`Cause::Sealed`].
    pub fn keyring(&self) -> Result<Arc<Keyring>, Error> {
        self.keyring
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
            .ok_or_else(|| Error::new(Cause::Sealed, "Vault is sealed"))
    }

    /// The same record under the current key-encryption key; `None` if it already is. Only the wrapped data key
    /// changes: nonce, ciphertext and tag stay byte for byte what they were.
    pub fn rewrapped(&self, sealed: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let keyring = self.keyring()?;
        let current = keyring.current_term();
        if envelope::term_of(sealed).map_err(|e| open_error(&e))? == current {
            return Ok(None);
        }
        let kek = keyring.kek(current).ok_or_else(|| Error::internal("the keyring has no current term"))?;
        envelope::rewrap(|term| keyring.kek(term), kek, current, sealed).map(Some).map_err(|e| open_error(&e))
    }

    /// The term that a record's data key is wrapped under.
    pub fn term_of(sealed: &[u8]) -> Result<u32, Error> {
        envelope::term_of(sealed).map_err(|e| open_error(&e))
    }
}

impl Codec for Barrier {
    fn seal(&self, kind: &str, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let keyring = self.keyring()?;
        let term = keyring.current_term();
        let kek = keyring.kek(term).ok_or_else(|| Error::internal("the keyring has no current term"))?;
        Ok(envelope::seal(kek, term, &authenticated(&keyring, kind, key), plain, &*self.rng))
    }

    fn open(&self, kind: &str, key: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        let keyring = self.keyring()?;
        envelope::open(|term| keyring.kek(term), &authenticated(&keyring, kind, key), sealed)
            .map_err(|e| open_error(&e))
    }
}

/// What is authenticated with a record, each part behind its length: the cluster, the kind, and the key, which holds the
/// namespace, the mount, the path and, where there is one, the version.
fn authenticated(keyring: &Keyring, kind: &str, key: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 3] = [keyring.cluster_id().as_bytes(), kind.as_bytes(), key];
    let mut out = Vec::with_capacity(12 + parts.iter().map(|part| part.len()).sum::<usize>());
    for part in parts {
        // Store keys are at most 2048 bytes, so the length always fits.
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn open_error(error: &OpenError) -> Error {
    let why = match error {
        OpenError::Truncated => "a record is truncated".to_owned(),
        OpenError::UnknownFormat => "a record has an unknown format".to_owned(),
        OpenError::UnknownTerm(term) => {
            format!("a record is wrapped under term {term}, which the keyring does not have")
        }
        OpenError::WrongKey => "a record's data key does not unwrap: foreign or altered".to_owned(),
        OpenError::Altered => "a record does not verify: altered, or moved from another place".to_owned(),
    };
    Error::internal(why)
}
