//! Rekeying: new shares for the same root key, under a threshold of the old ones. The root key does not change, so nothing
//! else needs to. A half-done rekey lives in memory alone and dies with the process.

use crate::active::Active;
use cardea_barrier::{SealKind, SealRecord, SealSettings, ShareCollector};
use cardea_crypto::constant_time;
use cardea_crypto::random::uuid4;
use cardea_model::{Error, SecretBytes};
use cardea_storage::txn::Txn;

/// Where the seal's record is kept; plain, because a sealed server must read it.
pub const SEAL_KEY: &[u8] = b"core/seal";

/// A rekey in progress.
pub struct Rekey {
    pub nonce: String,
    pub settings: SealSettings,
    collector: ShareCollector,
    /// Made once the old shares opened the seal; kept until the commit that replaces the seal's record.
    made: Option<(SealRecord, Vec<SecretBytes>)>,
}

impl Rekey {
    #[must_use]
    pub fn progress(&self) -> usize {
        self.collector.progress()
    }
}

/// The current seal record.
pub async fn seal_record(txn: &mut Txn) -> Result<SealRecord, Error> {
    let bytes = txn.get_plain(SEAL_KEY).await?.ok_or_else(|| Error::invalid("server is not initialized"))?;
    SealRecord::decode(&bytes)
}

/// Begins; `None` in `active.rekey` means that no rekey is in progress.
pub async fn begin(active: &Active, txn: &mut Txn, settings: SealSettings) -> Result<(), Error> {
    let record = seal_record(txn).await?;
    if record.kind != SealKind::Shamir {
        return Err(Error::invalid("the seal has no shares: replace the key file to change its key"));
    }
    let mut current = active.rekey.lock().await;
    if current.is_some() {
        return Err(Error::invalid("rekey already in progress"));
    }
    *current = Some(Rekey { nonce: uuid4(&*active.rng), settings, collector: ShareCollector::default(), made: None });
    Ok(())
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
) -> Result<Option<Vec<SecretBytes>>, Error> {
    let record = seal_record(txn).await?;
    let mut guard = active.rekey.lock().await;
    let Some(current) = guard.as_mut() else { return Err(Error::invalid("no rekey in progress")) };
    if !constant_time::eq(current.nonce.as_bytes(), nonce.as_bytes()) {
        return Err(Error::invalid("incorrect nonce supplied"));
    }
    if current.made.is_none() {
        let Some(key) = current.collector.add(share, record.settings, &*active.rng)? else { return Ok(None) };
        let root = record.unwrap_root(key.expose())?;
        if !constant_time::eq(root.expose(), active.root.expose()) {
            return Err(Error::invalid("the shares do not open this server's seal"));
        }
        current.made = Some(SealRecord::shamir(&record.cluster_id, &root, current.settings, &*active.rng)?);
    }
    let Some((next, shares)) = &current.made else { return Ok(None) };
    txn.put_plain(SEAL_KEY, next.encode()?);
    Ok(Some(shares.iter().map(SecretBytes::duplicate).collect()))
}

/// Ends a rekey, done or given up.
pub async fn end(active: &Active) {
    *active.rekey.lock().await = None;
}
