//! The keyring: key-encryption keys (KEKs) by term, keys of batch tokens by term, and the cluster's own secrets. It is kept
//! as one record sealed under the root key. It must never leave memory in any other form, nor be printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::aead;
use cardea_crypto::envelope::Kek;
use cardea_crypto::mac;
use cardea_crypto::random::{Randomness, random_array};
use cardea_model::{Error, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Most terms that a keyring holds; older KEKs go once nothing is wrapped under them, so this is a guard, not a budget.
const TERMS_MAX: usize = 10_000;

/// The key that the seal gives back: 256 bits.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    #[must_use]
    pub fn generate(rng: &dyn Randomness) -> Self {
        Self(Zeroizing::new(random_array(rng)))
    }

    /// # Errors
    /// Not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        <[u8; 32]>::try_from(bytes)
            .map(|key| Self(Zeroizing::new(key)))
            .map_err(|_| Error::invalid("root key does not have 32 bytes"))
    }

    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(<secret>)")
    }
}

/// A secret of the cluster with one purpose; each is derived from the keyring's master secret and its own label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterSecret {
    /// Token and accessor ids are kept as keyed hashes.
    TokenHash,
    /// Values in the log are kept as keyed hashes.
    AuditHash,
    /// Lookups of engines by a secret value.
    LookupHash,
    /// Seed of the Ed25519 key that signs checkpoints of the log.
    LogSigning,
}

impl ClusterSecret {
    fn label(self) -> &'static [u8] {
        match self {
            Self::TokenHash => b"cardea/cluster/token-hash/v1",
            Self::AuditHash => b"cardea/cluster/audit-hash/v1",
            Self::LookupHash => b"cardea/cluster/lookup-hash/v1",
            Self::LogSigning => b"cardea/cluster/log-signing/v1",
        }
    }
}

/// The unsealed keyring.
pub struct Keyring {
    cluster_id: String,
    terms: BTreeMap<u32, Term>,
    current: u32,
    batch_keys: BTreeMap<u32, BatchKey>,
    master_secret: Zeroizing<[u8; 32]>,
}

struct Term {
    key: Zeroizing<[u8; 32]>,
    kek: Kek,
    created: Timestamp,
}

struct BatchKey {
    key: Zeroizing<[u8; 32]>,
    created: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u8,
    current: u32,
    terms: Vec<StoredKey>,
    batch_keys: Vec<StoredKey>,
    master_secret: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    term: u32,
    key: Zeroizing<String>,
    created: Timestamp,
}

impl Keyring {
    #[must_use]
    pub fn generate(cluster_id: &str, now: Timestamp, rng: &dyn Randomness) -> Self {
        let mut keyring = Self {
            cluster_id: cluster_id.to_owned(),
            terms: BTreeMap::new(),
            current: 0,
            batch_keys: BTreeMap::new(),
            master_secret: Zeroizing::new(random_array(rng)),
        };
        keyring.add_term(now, rng);
        keyring
    }

    /// The keyring with a new current term; everything older still opens.
    pub fn rotated(&self, now: Timestamp, rng: &dyn Randomness) -> Result<Self, Error> {
        if self.terms.len() >= TERMS_MAX {
            return Err(Error::invalid("the keyring is full: let the running rewrap finish first"));
        }
        let mut next = self.duplicate();
        next.add_term(now, rng);
        Ok(next)
    }

    /// The keyring without key-encryption keys that nothing is wrapped under any more, and without batch token keys
    /// that were superseded before `batch_keys_until`.
    #[must_use]
    pub fn pruned(&self, oldest_kek_in_use: u32, batch_keys_until: Timestamp) -> Self {
        let mut next = self.duplicate();
        next.terms.retain(|term, _| *term >= oldest_kek_in_use || *term == self.current);
        let superseded: Vec<u32> = next
            .batch_keys
            .iter()
            .zip(next.batch_keys.iter().skip(1))
            .filter(|(_, (_, successor))| successor.created < batch_keys_until)
            .map(|((term, _), _)| *term)
            .collect();
        for term in superseded {
            next.batch_keys.remove(&term);
        }
        next
    }

    fn add_term(&mut self, now: Timestamp, rng: &dyn Randomness) {
        self.current += 1;
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(rng));
        self.terms.insert(self.current, Term { kek: Kek::new(&key), key, created: now });
        self.batch_keys.insert(self.current, BatchKey { key: Zeroizing::new(random_array(rng)), created: now });
    }

    fn duplicate(&self) -> Self {
        let terms = self.terms.iter();
        let batch_keys = self.batch_keys.iter();
        Self {
            cluster_id: self.cluster_id.clone(),
            terms: terms
                .map(|(n, t)| (*n, Term { kek: Kek::new(&t.key), key: t.key.clone(), created: t.created }))
                .collect(),
            current: self.current,
            batch_keys: batch_keys.map(|(n, b)| (*n, BatchKey { key: b.key.clone(), created: b.created })).collect(),
            master_secret: self.master_secret.clone(),
        }
    }

    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    #[must_use]
    pub fn current_term(&self) -> u32 {
        self.current
    }

    /// When the current term began.
    #[must_use]
    pub fn current_since(&self) -> Timestamp {
        self.terms.get(&self.current).map(|term| term.created).unwrap_or_default()
    }

    #[must_use]
    pub fn terms_count(&self) -> usize {
        self.terms.len()
    }

    #[must_use]
    pub fn kek(&self, term: u32) -> Option<&Kek> {
        self.terms.get(&term).map(|term| &term.kek)
    }

    /// The key of batch tokens made in a term.
    #[must_use]
    pub fn batch_key(&self, term: u32) -> Option<&[u8; 32]> {
        self.batch_keys.get(&term).map(|key| &*key.key)
    }

    /// A secret of the cluster for one purpose. It survives every rotation: what it made must be found again.
    #[must_use]
    pub fn secret(&self, purpose: ClusterSecret) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac::derive(&*self.master_secret, self.cluster_id.as_bytes(), purpose.label()))
    }

    /// The record, sealed under the root key and bound to the cluster.
    pub fn seal(&self, root: &RootKey, rng: &dyn Randomness) -> Result<Vec<u8>, Error> {
        let stored = Stored {
            v: 1,
            current: self.current,
            terms: self
                .terms
                .iter()
                .map(|(n, t)| StoredKey { term: *n, key: encode(&t.key), created: t.created })
                .collect(),
            batch_keys: self
                .batch_keys
                .iter()
                .map(|(n, b)| StoredKey { term: *n, key: encode(&b.key), created: b.created })
                .collect(),
            master_secret: encode(&self.master_secret),
        };
        let plain = Zeroizing::new(
            serde_json::to_vec(&stored).map_err(|_| Error::internal("the keyring could not be encoded"))?,
        );
        Ok(aead::seal(root.expose(), &aad(&self.cluster_id), &plain, rng))
    }

    /// # Errors
    /// The root key is not the one that sealed it, or the record was altered or belongs to another cluster.
    pub fn open(cluster_id: &str, root: &RootKey, sealed: &[u8]) -> Result<Self, Error> {
        let wrong = || Error::invalid("the keyring does not open: wrong root key, or the record was altered");
        let plain = aead::open(root.expose(), &aad(cluster_id), sealed).map_err(|_| wrong())?;
        let stored: Stored = serde_json::from_slice(&plain).map_err(|_| wrong())?;
        if stored.v != 1 {
            return Err(Error::invalid("the keyring was written by another release"));
        }
        let mut terms = BTreeMap::new();
        for entry in &stored.terms {
            let key = decode(&entry.key)?;
            terms.insert(entry.term, Term { kek: Kek::new(&key), key, created: entry.created });
        }
        let mut batch_keys = BTreeMap::new();
        for entry in &stored.batch_keys {
            batch_keys.insert(entry.term, BatchKey { key: decode(&entry.key)?, created: entry.created });
        }
        if !terms.contains_key(&stored.current) {
            return Err(wrong());
        }
        Ok(Self {
            cluster_id: cluster_id.to_owned(),
            terms,
            current: stored.current,
            batch_keys,
            master_secret: decode(&stored.master_secret)?,
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} terms, current {})", self.terms.len(), self.current)
    }
}

fn aad(cluster_id: &str) -> Vec<u8> {
    [b"cardea/keyring/v1/", cluster_id.as_bytes()].concat()
}

fn encode(key: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(key))
}

fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| Error::internal("a key of the keyring is not base64"))?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| Error::internal("a key of the keyring does not have 32 bytes"))
}
