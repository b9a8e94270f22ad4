//! The state of an unsealed server. It exists only while there is a keyring: a sealed server has none of it to leak.
//! Stages of the pipeline borrow the parts they need; nothing outside the kernel sees the whole.

use crate::hashes::Hashes;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::mounts::MountTable;
use crate::policies::Acls;
use crate::quotas::Strangers;
use crate::readers::Readers;
use crate::registry::Registry;
use crate::settings::Settings;
use async_trait::async_trait;
use cardea_barrier::{Barrier, RootKey};
use cardea_crypto::random::{Ids, Randomness};
use cardea_model::consumer::SecretReaders;
use cardea_model::mount::Mount;
use cardea_model::{Cause, Error};
use cardea_sdk::context::{Faults, System};
use cardea_sdk::erased::AnyEngine;
use cardea_storage::txn::SealedStore;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::Notify;

/// Everything that exists only while unsealed.
pub struct Active {
    pub settings: Arc<Settings>,
    pub registry: Registry,
    pub sealed: SealedStore,
    pub barrier: Arc<Barrier>,
    /// Kept to seal changed keyrings; wiped with this value.
    pub root: RootKey,
    pub hashes: Hashes,
    pub rng: Arc<dyn Randomness>,
    pub request_ids: Ids,
    pub mounts: MountTable,
    pub acls: Acls,
    pub log: Log,
    pub strangers: Strangers,
    pub metrics: Arc<Metrics>,
    pub faults: Arc<dyn Faults>,
    /// Wakes the job runner and the revoker before their next tick.
    pub wake: Notify,
    /// Set while a restored backup waits for its operator: nothing is revoked.
    pub frozen: AtomicBool,
    /// Set while what memory keeps of the store may not be what is durable: see [`crate::relearn`].
    pub stale: AtomicBool,
    /// Set once sealing began; background work ends at its next step.
    pub ending: AtomicBool,
    /// Wakes whoever waits for the end.
    pub ended: Notify,
    /// Leases whose failure could not be written: tried again from memory until they can.
    pub strays: Mutex<Vec<String>>,
    pub kept_headers: crate::request_headers::KeptHeaders,
    pub password_policies: RwLock<BTreeMap<String, String>>,
    /// What asks the server to seal itself after an answer was released.
    pub seal_requested: Notify,
    /// Circuit breakers of sources, by mount.
    pub breakers: crate::revoker::Breakers,
    /// Held by whoever walks rotations: a source is never asked two things about one credential at once.
    pub rotating: tokio::sync::Mutex<()>,
    /// Who read which secret, as far as the log was looked at.
    pub readers: Readers,
    /// Rekeying in progress. Nobody waits while holding it: what a commit made true takes effect at once.
    pub rekey: Mutex<Option<crate::rekey::Rekey>>,
    /// Root generations in progress, in the order in which they began; the same holds of it.
    pub root_attempts: Mutex<Vec<crate::root_attempt::RootAttempt>>,
}

impl Active {
    /// The engine of a mount.
    pub fn engine(&self, mount: &Mount) -> Result<Arc<dyn AnyEngine>, Error> {
        self.registry
            .find(mount.class, &mount.kind, mount.version())
            .cloned()
            .ok_or_else(|| Error::new(Cause::Unsupported, "this server has no engine of the mount's type"))
    }

    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Waits until sealing has begun; returns at once if it has. A task that comes to wait after the call that wakes all
    /// waiters must not wait for ever.
    pub async fn end(&self) {
        let mut waiting = std::pin::pin!(self.ended.notified());
        waiting.as_mut().enable();
        if !self.is_ending() {
            waiting.await;
        }
    }

    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(std::sync::atomic::Ordering::Acquire)
    }
}

#[async_trait]
impl System for Active {
    fn ttl_s(&self, mount: &Mount) -> (u64, u64) {
        let max = mount.config.max_lease_ttl_s.unwrap_or(self.settings.max_ttl_s);
        (mount.config.default_lease_ttl_s.unwrap_or(self.settings.default_ttl_s).min(max), max)
    }

    fn lookup_hash(&self, purpose: &str, value: &[u8]) -> String {
        self.hashes.lookup(purpose, value)
    }

    fn password_policy(&self, name: &str) -> Result<String, Error> {
        let policies = self.password_policies.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        policies.get(name).cloned().ok_or_else(|| Error::invalid("the password policy does not exist"))
    }

    async fn readers(&self, secret_id: &str) -> Result<SecretReaders, Error> {
        self.readers.of(&**self.sealed.store(), secret_id).await
    }
}
