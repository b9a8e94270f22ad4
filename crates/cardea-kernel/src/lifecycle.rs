//! Uninitialized, sealed, unsealed: one value owns the way between them. A sealed server owns no keyring, no mounts, no
//! tokens; unsealing builds [`Active`], sealing drops it. This is also where a request enters the kernel.

use crate::active::Active;
use crate::hashes::Hashes;
use crate::log::{self, Log, Witness};
use crate::metrics::Metrics;
use crate::mounts::{self, MountTable};
use crate::policies::Acls;
use crate::quotas::Strangers;
use crate::registry::Registry;
use crate::rekey::SEAL_KEY;
use crate::request_headers::KeptHeaders;
use crate::rewrap::KEYRING_KEY;
use crate::settings::Settings;
use crate::tokens::{self, NewToken};
use crate::{event, leases, pipeline, relearn, revoker, rotation, runner, sealed, system};
use cardea_audit::checkpoint::{Checkpoint, CheckpointKey, origin};
use cardea_barrier::{Barrier, ClusterSecret, Keyring, RootKey, SealKind, SealRecord, SealSettings, ShareCollector};
use cardea_crypto::random::{Ids, Randomness, uuid4};
use cardea_model::{Answer, Cause, Error, Refusal, Request, SecretBytes, SecretText};
use cardea_sdk::context::Faults;
use cardea_storage::store::Store;
use cardea_storage::txn::{SealedStore, commit_error, read_error};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// What a node is made of.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub settings: Arc<Settings>,
    pub registry: Registry,
    pub rng: Arc<dyn Randomness>,
    pub faults: Arc<dyn Faults>,
    pub witness: Option<Arc<dyn Witness>>,
    /// The key of a static seal, if the owner configured one.
    pub static_key: Option<Zeroizing<[u8; 32]>>,
    pub metrics: Arc<Metrics>,
}

/// One server.
pub struct Node {
    parts: Parts,
    active: RwLock<Option<Arc<Active>>>,
    collector: Mutex<ShareCollector>,
    /// One change of state at a time.
    changing: tokio::sync::Mutex<()>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

/// Counts a request for as long as it lives, also if it panics or is dropped.
struct InFlight<'m>(&'m Metrics);

impl<'m> InFlight<'m> {
    fn begin(metrics: &'m Metrics) -> Self {
        metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What `init` hands out, once.
pub struct Initialized {
    pub shares: Vec<SecretBytes>,
    pub root_token: SecretText,
}

/// What can be known of a server's state by anybody.
pub struct Status {
    pub initialized: bool,
    pub sealed: bool,
    pub kind: SealKind,
    pub settings: SealSettings,
    pub progress: usize,
    pub nonce: String,
    pub cluster_id: Option<String>,
}

impl Node {
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            active: RwLock::new(None),
            collector: Mutex::new(ShareCollector::default()),
            changing: tokio::sync::Mutex::new(()),
            tasks: tokio::sync::Mutex::new(JoinSet::new()),
        })
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    /// The unsealed state, if there is one.
    #[must_use]
    pub fn active(&self) -> Option<Arc<Active>> {
        self.active.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Names of headers that the log keeps, in lower case: what dialects hand over.
    #[must_use]
    pub fn kept_headers(&self) -> Vec<String> {
        self.active().map(|active| active.kept_headers.now().keys().cloned().collect()).unwrap_or_default()
    }

    /// Answers a request, whatever the server's state.
    ///
    /// # Errors
    /// A refusal, recorded where it must be.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let began = Instant::now();
        let metrics = &self.parts.metrics;
        let _in_flight = InFlight::begin(metrics);
        let result = match sealed::question(&request) {
            Some(question) => Box::pin(sealed::answer(self, question, request)).await,
            None => match self.active() {
                Some(active) => pipeline::answer(&active, request).await,
                None => Err(Refusal::from(Error::new(Cause::Sealed, "Vault is sealed"))),
            },
        };
        metrics.handle_request.observe_us(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        result
    }

    /// Whether the store was initialised, and how its seal is made.
    pub async fn seal_record(&self) -> Result<Option<SealRecord>, Error> {
        let snapshot = self.parts.store.get(&[SEAL_KEY]).await.map_err(read_error)?;
        snapshot.values.into_iter().next().flatten().map(|found| SealRecord::decode(&found.value)).transpose()
    }

    pub async fn status(&self) -> Result<Status, Error> {
        let record = self.seal_record().await?;
        let sealed = self.active().is_none();
        let collector = self.collector.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kind = match self.parts.static_key {
            Some(_) => SealKind::Static,
            None => SealKind::Shamir,
        };
        Ok(Status {
            initialized: record.is_some(),
            sealed,
            kind: record.as_ref().map_or(kind, |record| record.kind),
            settings: record.as_ref().map_or(SealSettings { shares: 0, threshold: 0 }, |record| record.settings),
            progress: if sealed { collector.progress() } else { 0 },
            nonce: if sealed { collector.nonce().to_owned() } else { String::new() },
            cluster_id: record.filter(|_| !sealed).map(|record| record.cluster_id),
        })
    }

    /// Makes a new server: root key, keyring, system mounts and the first root token, in one commit.
    ///
    /// # Errors
    /// Already initialised, or settings that make no seal.
    pub async fn init(&self, settings: SealSettings) -> Result<Initialized, Error> {
        let _one = self.changing.lock().await;
        if self.seal_record().await?.is_some() {
            return Err(Error::invalid("Vault is already initialized"));
        }
        let rng = &*self.parts.rng;
        let cluster_id = uuid4(rng);
        let root = RootKey::generate(rng);
        let (record, shares) = match &self.parts.static_key {
            Some(key) => (SealRecord::with_static_key(&cluster_id, &root, key, rng), Vec::new()),
            None => SealRecord::shamir(&cluster_id, &root, settings, rng)?,
        };
        let barrier = Arc::new(Barrier::sealed(self.parts.rng.clone()));
        let sealed = SealedStore::new(self.parts.store.clone(), barrier.clone());
        let mut txn = sealed.txn();
        let now = txn.now().await?;
        let keyring = Arc::new(Keyring::generate(&cluster_id, now, rng));
        barrier.install(keyring.clone());
        if txn.get_plain(SEAL_KEY).await?.is_some() {
            return Err(Error::invalid("Vault is already initialized"));
        }
        txn.put_plain(SEAL_KEY, record.encode()?);
        txn.put_plain(KEYRING_KEY, keyring.seal(&root, rng)?);
        for mount in mounts::first_mounts(now, rng) {
            mounts::put(&mut txn, &mount, false)?;
        }
        let hashes = Hashes::new(&keyring);
        let minted = tokens::mint(&mut txn, &hashes, &keyring, rng, root_token(now))?;
        txn.commit().await.map_err(commit_error)?;
        if let Some(witness) = &self.parts.witness {
            // What a witness remembers of another store says nothing about this one.
            witness.forget().map_err(|why| Error::unavailable("the witness cannot be written").with_detail(why))?;
        }
        Ok(Initialized { shares, root_token: minted.text })
    }

    /// Takes one share. Unseals once there are enough.
    ///
    /// # Errors
    /// The shares do not open the seal (the attempt starts over), or the store is older than what was witnessed.
    pub async fn unseal(self: &Arc<Self>, share: SecretBytes, accept_restored: bool) -> Result<(), Error> {
        let _one = self.changing.lock().await;
        if self.active().is_some() {
            return Ok(());
        }
        let record = self.seal_record().await?.ok_or_else(|| Error::invalid("Vault is not initialized"))?;
        if record.kind != SealKind::Shamir {
            return Err(Error::invalid(
                "this server is unsealed by its key file, not by shares: restart it to unseal it",
            ));
        }
        let key = {
            let mut collector = self.collector.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            collector.add(share, record.settings, &*self.parts.rng)?
        };
        match key {
            None => Ok(()),
            Some(key) => self.open(&record, key.expose(), accept_restored).await,
        }
    }

    /// Forgets the shares collected so far.
    pub fn reset_unseal(&self) {
        self.collector.lock().unwrap_or_else(std::sync::PoisonError::into_inner).reset();
    }

    /// Unseals with the configured key file, if the store's seal is of that kind.
    pub async fn unseal_by_file(self: &Arc<Self>, accept_restored: bool) -> Result<bool, Error> {
        let _one = self.changing.lock().await;
        let Some(key) = &self.parts.static_key else { return Ok(false) };
        if self.active().is_some() {
            return Ok(true);
        }
        let Some(record) = self.seal_record().await? else { return Ok(false) };
        if record.kind != SealKind::Static {
            return Err(Error::invalid("the store is sealed by shares, but a static seal is configured"));
        }
        self.open(&record, &**key, accept_restored).await?;
        Ok(true)
    }

    async fn open(self: &Arc<Self>, record: &SealRecord, key: &[u8], accept_restored: bool) -> Result<(), Error> {
        let root = record.unwrap_root(key)?;
        let snapshot = self.parts.store.get(&[KEYRING_KEY]).await.map_err(read_error)?;
        let stored =
            snapshot.values.into_iter().next().flatten().ok_or_else(|| Error::internal("the keyring is missing"))?;
        let keyring = Arc::new(Keyring::open(&record.cluster_id, &root, &stored.value)?);
        let restored = self.is_set_back(&keyring).await?;
        if restored && !accept_restored {
            return Err(Error::invalid(
                "the store is older than the log size that was witnessed: it was set back or restored; to accept it, unseal with accept_restored (revocation then waits for sys/leases/thaw)",
            ));
        }
        let active = self.build(root, keyring).await?;
        let mut txn = active.sealed.txn();
        let now = txn.now().await?;
        // Frozen until the operator says otherwise, however often the process ends before that.
        let frozen = restored || leases::is_frozen(&mut txn).await?;
        active.frozen.store(frozen, Ordering::Release);
        if restored {
            leases::freeze(&mut txn, now)?;
        }
        let detail = match (restored, frozen) {
            (true, _) => "an older store was accepted; revocation is frozen",
            (false, true) => "revocation is frozen",
            (false, false) => "",
        };
        event::append(
            &active,
            &mut txn,
            event::Event { what: "server.unsealed", subject: &active.settings.node, detail, path: "" },
            now,
        )?;
        // A server with a full disk must come up again: only then can it revoke.
        txn.mark_essential();
        txn.commit().await.map_err(commit_error)?;
        *self.active.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(active.clone());
        self.parts.metrics.unsealed.store(1, Ordering::Relaxed);
        let mut tasks = self.tasks.lock().await;
        tasks.spawn(log::follow(active.clone()));
        tasks.spawn(log::run_devices(active.clone()));
        tasks.spawn(revoker::run(active.clone()));
        tasks.spawn(runner::run(active.clone()));
        tasks.spawn(rotation::run(active.clone()));
        let node = Arc::downgrade(self);
        let requested = active.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = requested.seal_requested.notified() => {
                    if let Some(node) = node.upgrade() {
                        tokio::spawn(async move { node.seal().await });
                    }
                }
                () = requested.end() => {}
            }
        });
        Ok(())
    }

    /// Whether the log is shorter than somebody outside the store remembers, or signed otherwise.
    async fn is_set_back(&self, keyring: &Keyring) -> Result<bool, Error> {
        let Some(witness) = &self.parts.witness else { return Ok(false) };
        let Some(text) =
            witness.last().map_err(|why| Error::unavailable("the witness cannot be read").with_detail(why))?
        else {
            return Ok(false);
        };
        let key = checkpoint_key(keyring, &self.parts.settings);
        let remembered = Checkpoint::verify_text(&text, &key.verifier()).map_err(|_| {
            Error::invalid("the witness file does not hold a checkpoint of this server: another cluster's, or altered")
        })?;
        let size = self.parts.store.log_size().await.map_err(read_error)?;
        Ok(size < remembered.size)
    }

    async fn build(&self, root: RootKey, keyring: Arc<Keyring>) -> Result<Arc<Active>, Error> {
        let barrier = Arc::new(Barrier::sealed(self.parts.rng.clone()));
        barrier.install(keyring.clone());
        let sealed = SealedStore::new(self.parts.store.clone(), barrier.clone());
        let mounts = MountTable::default();
        let mut txn = sealed.txn();
        mounts.load(&mut txn).await?;
        let kept_headers = KeptHeaders::default();
        kept_headers.load(&mut txn).await?;
        let password_policies = relearn::password_policies(&mut txn).await?;
        let hashes = Hashes::new(&keyring);
        let log = Log::new(checkpoint_key(&keyring, &self.parts.settings), self.parts.witness.clone());
        let parts = &self.parts;
        Ok(Arc::new_cyclic(|weak| Active {
            settings: parts.settings.clone(),
            registry: system::register(parts.registry.clone(), weak),
            sealed,
            barrier,
            root,
            hashes,
            rng: parts.rng.clone(),
            request_ids: Ids::new(parts.rng.clone()),
            mounts,
            acls: Acls::default(),
            log,
            strangers: Strangers::new(parts.settings.stranger_refusals_per_s),
            metrics: parts.metrics.clone(),
            faults: parts.faults.clone(),
            wake: Notify::new(),
            frozen: false.into(),
            ending: false.into(),
            stale: false.into(),
            ended: Notify::new(),
            strays: Mutex::new(Vec::new()),
            kept_headers,
            password_policies: RwLock::new(password_policies),
            seal_requested: Notify::new(),
            breakers: revoker::Breakers::default(),
            rotating: tokio::sync::Mutex::new(()),
            readers: crate::readers::Readers::default(),
            rekey: std::sync::Mutex::new(None),
            root_attempts: std::sync::Mutex::new(Vec::new()),
        }))
    }

    /// Seals: requests in flight end or fail, background work stops at its next step, keys are dropped and wiped.
    pub async fn seal(&self) {
        let _one = self.changing.lock().await;
        let taken = self.active.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(active) = taken else { return };
        self.parts.metrics.unsealed.store(0, Ordering::Relaxed);
        active.ending.store(true, Ordering::Release);
        active.ended.notify_waiters();
        let mut tasks = self.tasks.lock().await;
        // The follower signs a last checkpoint; whoever does not end in time is cut off.
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(std::time::Duration::from_secs(10), all).await.is_err() {
            tasks.shutdown().await;
        }
        active.barrier.seal_now();
        active.sealed.forget();
    }
}

fn checkpoint_key(keyring: &Keyring, settings: &Settings) -> CheckpointKey {
    CheckpointKey::new(&origin(keyring.cluster_id(), &settings.node), &keyring.secret(ClusterSecret::LogSigning))
}

pub(crate) fn root_token(now: cardea_model::Timestamp) -> NewToken {
    NewToken {
        display_name: "root".to_owned(),
        path: "auth/token/root".to_owned(),
        ..NewToken::plain("root", now, None)
    }
}
