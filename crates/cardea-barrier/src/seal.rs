//! Seals: who can give the root key back. Shamir shares held by people, or a key file for unattended starts.
//! A seal must never keep the root key, and a half-collected set of shares is not a key.

use crate::keyring::RootKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::random::{Randomness, random_array};
use cardea_crypto::{aead, constant_time, shamir};
use cardea_model::{Error, SecretBytes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What kind of seal guards the root key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SealKind {
    Shamir,
    Static,
}

impl SealKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shamir => "shamir",
            Self::Static => "static",
        }
    }
}

/// How many shares exist and how many are needed. For a static seal these are the recovery shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealSettings {
    pub shares: u8,
    pub threshold: u8,
}

impl SealSettings {
    /// # Errors
    /// Names the field that is wrong, in the words that Vault's operators know.
    pub fn checked(shares: i64, threshold: i64) -> Result<Self, Error> {
        let (Ok(shares), Ok(threshold)) = (u8::try_from(shares), u8::try_from(threshold)) else {
            return Err(Error::invalid(
                "invalid seal configuration: secret_shares and secret_threshold must be from 1 to 255",
            ));
        };
        if shares == 0 || threshold == 0 {
            return Err(Error::invalid("invalid seal configuration: shares and threshold must be at least one"));
        }
        if threshold > shares {
            return Err(Error::invalid("invalid seal configuration: threshold cannot be larger than shares"));
        }
        if shares > 1 && threshold == 1 {
            return Err(Error::invalid(
                "invalid seal configuration: threshold must be greater than one for multiple shares",
            ));
        }
        Ok(Self { shares, threshold })
    }
}

/// The record that a sealed server can read: plain, because nobody holds a key yet. It authenticates itself: the root
/// key is wrapped with the kind, the numbers and the cluster as associated data.
#[derive(Clone, Serialize, Deserialize)]
pub struct SealRecord {
    pub v: u8,
    pub cluster_id: String,
    pub kind: SealKind,
    pub settings: SealSettings,
    /// The root key, wrapped under the unseal key (Shamir) or the file's key (static); base64.
    wrapped_root: String,
}

impl SealRecord {
    /// Wraps a root key for `settings`, and returns the shares to hand out (base64 is the caller's business).
    pub fn shamir(
        cluster_id: &str,
        root: &RootKey,
        settings: SealSettings,
        rng: &dyn Randomness,
    ) -> Result<(Self, Vec<SecretBytes>), Error> {
        let unseal_key: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(rng));
        let shares = shamir::split(&*unseal_key, settings.shares, settings.threshold, rng)
            .map_err(|e| Error::internal(format!("shares could not be made: {e}")))?;
        let record = Self::wrap(cluster_id, SealKind::Shamir, settings, root, &unseal_key, rng);
        Ok((record, shares.into_iter().map(|share| SecretBytes::new(share.to_vec())).collect()))
    }

    /// Wraps a root key under a key file's content.
    #[must_use]
    pub fn with_static_key(cluster_id: &str, root: &RootKey, file_key: &[u8; 32], rng: &dyn Randomness) -> Self {
        Self::wrap(cluster_id, SealKind::Static, SealSettings { shares: 1, threshold: 1 }, root, file_key, rng)
    }

    fn wrap(
        cluster_id: &str,
        kind: SealKind,
        settings: SealSettings,
        root: &RootKey,
        key: &[u8; 32],
        rng: &dyn Randomness,
    ) -> Self {
        let mut record = Self { v: 1, cluster_id: cluster_id.to_owned(), kind, settings, wrapped_root: String::new() };
        record.wrapped_root = BASE64.encode(aead::seal(key, &record.aad(), root.expose(), rng));
        record
    }

    /// # Errors
    /// The key is not the one that wrapped it, or the record was altered.
    pub fn unwrap_root(&self, key: &[u8]) -> Result<RootKey, Error> {
        let wrong =
            || Error::invalid("the key does not open the seal: a wrong share or key, or the record was altered");
        let key = <&[u8; 32]>::try_from(key).map_err(|_| wrong())?;
        let wrapped = BASE64.decode(&self.wrapped_root).map_err(|_| wrong())?;
        RootKey::from_bytes(&aead::open(key, &self.aad(), &wrapped).map_err(|_| wrong())?)
    }

    fn aad(&self) -> Vec<u8> {
        let numbers = [self.settings.shares, self.settings.threshold];
        [b"cardea/seal/v1/", self.kind.as_str().as_bytes(), b"/", &numbers, b"/", self.cluster_id.as_bytes()].concat()
    }

    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|_| Error::internal("the seal record could not be encoded"))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|_| Error::internal("the seal record does not parse: foreign or altered"))?;
        match record.v {
            1 => Ok(record),
            _ => Err(Error::internal("the seal record was written by another release")),
        }
    }
}

/// Shares on their way to a key.
#[derive(Default)]
pub struct ShareCollector {
    /// Ties the shares of one attempt together; clients show it.
    nonce: String,
    shares: Vec<SecretBytes>,
}

impl ShareCollector {
    #[must_use]
    pub fn progress(&self) -> usize {
        self.shares.len()
    }

    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes a share. Returns the key once `threshold` shares are there, and is then empty again: whether the key is
    /// right, the caller finds out by using it.
    ///
    /// # Errors
    /// A share of the wrong length. A repeated share is ignored, as operators paste twice.
    pub fn add(
        &mut self,
        share: SecretBytes,
        settings: SealSettings,
        rng: &dyn Randomness,
    ) -> Result<Option<SecretBytes>, Error> {
        // A share is the key and one coordinate; with one share there is no coordinate.
        let expected = if settings.shares == 1 { 32 } else { 33 };
        if share.len() != expected {
            return Err(Error::invalid("key does not have the length of a share of this seal"));
        }
        if self.nonce.is_empty() {
            self.nonce = cardea_crypto::random::uuid4(rng);
        }
        if !self.shares.iter().any(|known| constant_time::eq(known.expose(), share.expose())) {
            self.shares.push(share);
        }
        if self.shares.len() < usize::from(settings.threshold) {
            return Ok(None);
        }
        let shares = std::mem::take(&mut self.shares);
        self.reset();
        if settings.shares == 1 {
            return Ok(shares.into_iter().next());
        }
        let parts: Vec<&[u8]> = shares.iter().map(SecretBytes::expose).collect();
        shamir::combine(&parts)
            .map(|key| Some(SecretBytes::new(key.to_vec())))
            .map_err(|_| Error::invalid("the shares do not belong together"))
    }
}

/// Reads the key of a static seal from the content of its file: 32 raw bytes, or their base64 or hex.
///
/// # Errors
/// Anything else; the content is not repeated.
pub fn parse_static_key(content: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    if let Ok(raw) = <[u8; 32]>::try_from(content) {
        return Ok(Zeroizing::new(raw));
    }
    let bad = || Error::invalid("the key file of the static seal must hold 32 bytes, raw or as base64 or hex");
    let text = std::str::from_utf8(content).map_err(|_| bad())?.trim();
    let bytes = Zeroizing::new(match text.len() {
        64 => {
            let digits = text.as_bytes().chunks(2);
            let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            digits.map(byte).collect::<Option<Vec<u8>>>().ok_or_else(bad)?
        }
        _ => BASE64.decode(text).map_err(|_| bad())?,
    });
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| bad())
}
