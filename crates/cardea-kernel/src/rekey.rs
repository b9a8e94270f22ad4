//! Rekeying: new shares for the same root key, under a threshold of the old ones. The root key does not change, so nothing
//! else needs to. A half-done rekey lives in memory alone and dies with the process.

use crate::active::Active;
use cardea_barrier::{SealKind, SealRecord, SealSettings, ShareCollector};
use cardea_crypto::constant_time;
use cardea_crypto::random::{Randomness, uuid4};
use cardea_model::{Error, SecretBytes};
use cardea_storage::txn::Txn;
use std::sync::{MutexGuard, PoisonError};

/// Where the seal's record is kept; plain, because a sealed server must read it.
pub const SEAL_KEY: &[u8] = b"core/seal";

/// A rekey in progress.
pub struct Rekey {
    pub nonce: String,
    pub settings: SealSettings,
    collector: ShareCollector,
    /// Whether the new shares must be shown before they hold.
    pub verified: bool,
    /// Made once the old shares opened the seal; kept until the commit that replaces the seal's record.
    made: Option<Made>,
}

/// What the old shares led to.
struct Made {
    record: SealRecord,
    shares: Vec<SecretBytes>,
    /// The share that completed the threshold: its commit may run again, and no other share may take its place.
    completed_by: SecretBytes,
    /// The proof that the new shares are in the right hands.
    proof: Option<Proof>,
}

struct Proof {
    nonce: String,
    collector: ShareCollector,
    completed_by: Option<SecretBytes>,
}

impl Proof {
    fn new(rng: &dyn Randomness) -> Self {
        Self { nonce: uuid4(rng), collector: ShareCollector::default(), completed_by: None }
    }
}

/// New shares, and the nonce of their proof if they must be shown before they hold.
pub struct NewShares {
    pub shares: Vec<SecretBytes>,
    pub proof_nonce: Option<String>,
}

impl Rekey {
    #[must_use]
    pub fn progress(&self) -> usize {
        self.collector.progress()
    }

    /// Takes its place, now that its record is durable; one that began beside it at the same moment may have.
    pub fn take_place(self, active: &Active) {
        current(active).get_or_insert(self);
    }

    /// Nonce and progress of the proof, if the new shares wait for it.
    #[must_use]
    pub fn proof(&self) -> Option<(&str, usize)> {
        let proof = self.made.as_ref()?.proof.as_ref()?;
        Some((&proof.nonce, proof.collector.progress()))
    }
}

/// The rekey in progress.
pub fn current(active: &Active) -> MutexGuard<'_, Option<Rekey>> {
    active.rekey.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The current seal record.
pub async fn seal_record(txn: &mut Txn) -> Result<SealRecord, Error> {
    let bytes = txn.get_plain(SEAL_KEY).await?.ok_or_else(|| Error::invalid("server is not initialized"))?;
    SealRecord::decode(&bytes)
}

/// A new rekey, which begins once it is recorded; `None` in `active.rekey` means that none is in progress.
///
/// # Errors
/// One is in progress, or the seal has no shares.
pub async fn begin(active: &Active, txn: &mut Txn, settings: SealSettings, verified: bool) -> Result<Rekey, Error> {
    let record = seal_record(txn).await?;
    if record.kind != SealKind::Shamir {
        return Err(Error::invalid("the seal has no shares: replace the key file to change its key"));
    }
    if current(active).is_some() {
        return Err(Error::invalid("rekey already in progress"));
    }
    let nonce = uuid4(&*active.rng);
    Ok(Rekey { nonce, settings, collector: ShareCollector::default(), verified, made: None })
}

/// Takes one old share. Returns the new shares once there were enough.
///
/// # Errors
/// The nonce is not this rekey's, or the old shares do not open the seal (the attempt starts over).
pub async fn update(
    active: &Active,
    txn: &mut Txn,
    nonce: &str,
    share: SecretBytes,
) -> Result<Option<NewShares>, Error> {
    let record = seal_record(txn).await?;
    let mut guard = current(active);
    let Some(current) = guard.as_mut() else { return Err(Error::invalid("no rekey in progress")) };
    if !constant_time::eq(current.nonce.as_bytes(), nonce.as_bytes()) {
        return Err(Error::invalid("incorrect nonce supplied"));
    }
    if let Some(made) = &current.made {
        if made.proof.is_some() {
            return Err(Error::invalid("the new shares are made and wait for their verification"));
        }
        if !constant_time::eq(made.completed_by.expose(), share.expose()) {
            return Err(Error::invalid("the last share was not taken: give it again, or cancel the rekey"));
        }
    } else {
        let completed_by = share.duplicate();
        let Some(key) = current.collector.add(share, record.settings, &*active.rng)? else { return Ok(None) };
        let root = record.unwrap_root(key.expose())?;
        if !constant_time::eq(root.expose(), active.root.expose()) {
            return Err(Error::invalid("the shares do not open this server's seal"));
        }
        let (record, shares) = SealRecord::shamir(&record.cluster_id, &root, current.settings, &*active.rng)?;
        let proof = current.verified.then(|| Proof::new(&*active.rng));
        current.made = Some(Made { record, shares, completed_by, proof });
    }
    let Some(made) = &current.made else { return Ok(None) };
    if made.proof.is_none() {
        txn.put_plain(SEAL_KEY, made.record.encode()?);
    }
    Ok(Some(NewShares {
        shares: made.shares.iter().map(SecretBytes::duplicate).collect(),
        proof_nonce: made.proof.as_ref().map(|proof| proof.nonce.clone()),
    }))
}

/// Takes one new share. Returns whether the new shares hold from now on.
///
/// # Errors
/// Nothing waits for a proof, the nonce is not the proof's, or the shares are not the new ones (the proof starts over).
pub async fn verify(active: &Active, txn: &mut Txn, nonce: &str, share: SecretBytes) -> Result<bool, Error> {
    // Read, so that a change of the seal in between is a conflict.
    seal_record(txn).await?;
    let mut guard = current(active);
    let none = || Error::invalid("no rekey verification in progress");
    let made = guard.as_mut().and_then(|rekey| rekey.made.as_mut()).ok_or_else(none)?;
    let proof = made.proof.as_mut().ok_or_else(none)?;
    if !constant_time::eq(proof.nonce.as_bytes(), nonce.as_bytes()) {
        return Err(Error::invalid("incorrect nonce supplied"));
    }
    let again = proof.completed_by.as_ref().is_some_and(|known| constant_time::eq(known.expose(), share.expose()));
    if !again {
        proof.completed_by = None;
        let given = share.duplicate();
        let Some(key) = proof.collector.add(share, made.record.settings, &*active.rng)? else { return Ok(false) };
        let root = made.record.unwrap_root(key.expose())?;
        if !constant_time::eq(root.expose(), active.root.expose()) {
            return Err(Error::invalid("the shares do not open this server's seal"));
        }
        proof.completed_by = Some(given);
    }
    txn.put_plain(SEAL_KEY, made.record.encode()?);
    Ok(true)
}

/// Begins the proof anew, under a new nonce; the new shares stay what they are.
pub fn restart_proof(active: &Active) {
    if let Some(proof) = current(active).as_mut().and_then(|r| r.made.as_mut()).and_then(|m| m.proof.as_mut()) {
        *proof = Proof::new(&*active.rng);
    }
}

/// Ends a rekey, done or given up.
pub fn end(active: &Active) {
    *current(active) = None;
}
