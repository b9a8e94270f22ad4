//! What memory keeps of the store, read anew: the mount table, the keyring, password policies. Memory follows a commit when
//! the store says that it happened; after a commit whose outcome nobody knows, only the store can say. Without this, a
//! process would serve a table of mounts that is not the durable one until its next start.

use crate::active::Active;
use crate::policies::{PASSWORD_POLICIES, StoredPasswordPolicy};
use crate::rewrap::KEYRING_KEY;
use cardea_barrier::Keyring;
use cardea_model::{Error, NamespaceId};
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most password policies: each is a text of a few hundred bytes in memory.
const PASSWORD_POLICIES_MAX: usize = 10_000;

/// Reads everything anew at once; if the store does not answer, the job runner tries again.
pub async fn now(active: &Active) {
    active.stale.store(true, Ordering::Release);
    if let Err(error) = if_stale(active).await {
        tracing::warn!(%error, "what memory keeps could not be read anew, will be tried again");
    }
}

/// Reads everything anew if the outcome of a commit was unknown.
///
/// # Errors
/// The store does not answer; the mark stays.
pub async fn if_stale(active: &Active) -> Result<(), Error> {
    if !active.stale.load(Ordering::Acquire) {
        return Ok(());
    }
    let mut txn = active.sealed.txn();
    active.mounts.load(&mut txn).await?;
    active.kept_headers.load(&mut txn).await?;
    let policies = password_policies(&mut txn).await?;
    *active.password_policies.write().unwrap_or_else(std::sync::PoisonError::into_inner) = policies;
    keyring(active, &mut txn).await?;
    active.stale.store(false, Ordering::Release);
    Ok(())
}

/// Takes the stored keyring into use if it is newer than the one in memory.
pub async fn keyring(active: &Active, txn: &mut Txn) -> Result<(), Error> {
    let stored = txn.get_plain(KEYRING_KEY).await?.ok_or_else(|| Error::internal("the keyring is missing"))?;
    let current = active.barrier.keyring()?;
    let stored = Keyring::open(current.cluster_id(), &active.root, &stored)?;
    if stored.current_term() > current.current_term() {
        active.barrier.install(Arc::new(stored));
    }
    Ok(())
}

/// All password policies, by name.
pub async fn password_policies(txn: &mut Txn) -> Result<BTreeMap<String, String>, Error> {
    let mut out = BTreeMap::new();
    let mut view = View::new(txn, &NamespaceId::root(), PASSWORD_POLICIES);
    for name in view.names::<StoredPasswordPolicy>("", None, PASSWORD_POLICIES_MAX).await? {
        if let Some(policy) = view.get::<StoredPasswordPolicy>(&name).await? {
            out.insert(name, policy.0);
        }
    }
    Ok(out)
}
