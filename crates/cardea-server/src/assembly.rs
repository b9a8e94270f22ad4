//! From a configuration to a running server, and to its end. What tests replace (clock, randomness, store, faults) comes in
//! by [`Surroundings`]. It must never touch the process as a whole: no signals, no limits, no global log.

use crate::StartError;
use crate::config::{Config, SealConfig, StorageConfig};
use crate::faults::NoFaults;
use crate::listener::{self, Bindings, Listeners};
use crate::registry::{self, Spoken};
use crate::witness::FileWitness;
use cardea_crypto::random::{Randomness, SystemRandomness};
use cardea_kernel::lifecycle::{Node, Parts};
use cardea_kernel::log::Witness;
use cardea_kernel::metrics::Metrics;
use cardea_kernel::settings::Settings;
use cardea_model::Error;
use cardea_sdk::context::Faults;
use cardea_storage::{Clock, EmbeddedStore, Store};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The world around a server.
pub struct Surroundings {
    /// The clock of the store that is opened; a store that is given has its own.
    pub clock: Clock,
    pub rng: Arc<dyn Randomness>,
    pub faults: Arc<dyn Faults>,
    /// In place of the configured store.
    pub store: Option<Arc<dyn Store>>,
    /// In place of the configured witness file.
    pub witness: Option<Arc<dyn Witness>>,
}

impl Surroundings {
    /// The system's clock and randomness, no faults, what the configuration names.
    #[must_use]
    pub fn system() -> Self {
        let clock: Clock = Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        Self { clock, rng: Arc::new(SystemRandomness), faults: Arc::new(NoFaults), store: None, witness: None }
    }
}

/// A server that serves nobody yet: its sockets are bound, and whoever connects waits.
pub(crate) struct Ready {
    pub node: Arc<Node>,
    bindings: Bindings,
    dialects: Vec<Spoken>,
    embedded: Option<Arc<EmbeddedStore>>,
}

impl Ready {
    /// Begins to accept.
    pub(crate) fn listen(self) -> Running {
        let Self { node, bindings, dialects, embedded } = self;
        let listeners = Listeners::open(bindings, node.clone(), dialects);
        Running { addresses: listeners.addresses().to_vec(), node, listeners, embedded }
    }
}

/// A server that listens.
pub struct Running {
    /// Where it listens, with the ports that the system chose.
    pub addresses: Vec<SocketAddr>,
    pub node: Arc<Node>,
    listeners: Listeners,
    embedded: Option<Arc<EmbeddedStore>>,
}

/// Starts a server in the real world.
///
/// # Errors
/// One clear line: what cannot be opened, bound or unsealed.
pub async fn start(config: Config) -> Result<Running, StartError> {
    start_in(config, Surroundings::system()).await
}

/// Starts a server in a given world.
///
/// # Errors
/// As [`start`].
pub async fn start_in(config: Config, world: Surroundings) -> Result<Running, StartError> {
    open(config, world).await.map(Ready::listen)
}

/// Everything of a start but the last step.
///
/// # Errors
/// As [`start`].
pub(crate) async fn open(config: Config, world: Surroundings) -> Result<Ready, StartError> {
    config.check()?;
    check_witness(&config)?;
    let bindings = listener::bind(&config.listeners).await?;
    let witness = world.witness.clone().or_else(|| file_witness(&config));
    let (config, world, opened) = tokio::task::spawn_blocking(move || {
        let opened = match &world.store {
            Some(store) => Ok(registry::Opened { store: store.clone(), embedded: None, kind: "given" }),
            None => registry::open_store(&config, world.clock.clone()),
        };
        (config, world, opened)
    })
    .await
    .map_err(|_| StartError::new("the store cannot be opened: its start ended early"))?;
    let opened = opened?;
    let node = Node::new(Parts {
        store: opened.store,
        settings: Arc::new(settings(&config, &bindings.addresses(), opened.kind)),
        registry: registry::registry(&config, &world.rng),
        rng: world.rng,
        faults: world.faults,
        witness,
        static_key: match &config.seal {
            SealConfig::Shamir => None,
            SealConfig::Static(key) => Some(Zeroizing::new(**key)),
        },
        metrics: Arc::new(Metrics::default()),
    });
    node.unseal_by_file(config.accept_restored).await.map_err(|error| sealed_shut(&error))?;
    Ok(Ready { node, bindings, dialects: registry::dialects(&config), embedded: opened.embedded })
}

fn sealed_shut(error: &Error) -> StartError {
    let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    StartError::new(format!("the server cannot be unsealed by its key: {}{detail}", error.client))
}

/// The folder is not made: where it is on another disk, one that is missing means that the disk is.
fn check_witness(config: &Config) -> Result<(), StartError> {
    match config.witness_file.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(StartError::new(format!("witness_file: there is no folder {}", folder.display())))
        }
        _ => Ok(()),
    }
}

fn file_witness(config: &Config) -> Option<Arc<dyn Witness>> {
    let path = config.witness_path()?;
    if let StorageConfig::Embedded { path: store } = &config.storage
        && is_empty(store)
        && std::fs::metadata(&path).is_ok_and(|found| found.len() > 0)
    {
        tracing::warn!(
            witness = %path.display(),
            "the store is empty, but its witness remembers a longer log; if the store was removed on purpose, remove the witness too"
        );
    }
    Some(Arc::new(FileWitness::new(path)))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

fn settings(config: &Config, addresses: &[SocketAddr], storage_kind: &str) -> Settings {
    let usual = Settings::default();
    let api_address = if config.api_address.is_empty() {
        let tls = config.listeners.first().is_some_and(|listener| listener.tls.is_some());
        addresses.first().map(|address| url(*address, tls)).unwrap_or_default()
    } else {
        config.api_address.clone()
    };
    Settings {
        cluster_name: config.cluster_name.clone(),
        node: config.node.clone(),
        api_address,
        default_ttl_s: config.default_ttl_s,
        max_ttl_s: config.max_ttl_s,
        record_reads: config.record_reads,
        root_by_shares: config.root_by_shares,
        stranger_refusals_per_s: config.stranger_refusals_per_s.unwrap_or(usual.stranger_refusals_per_s),
        log_retention_s: config.log_retention_s,
        forbidden_directories: config.forbidden_directories(),
        storage_kind: storage_kind.to_owned(),
        ..usual
    }
}

/// Where a client reaches an address; one that stands for all is reached by the loopback.
#[must_use]
pub fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let ip = match address.ip() {
        std::net::IpAddr::V4(v4) if v4.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(v6) if v6.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

impl Running {
    /// Certificates are read and audit devices opened again.
    pub fn reload(&self) {
        self.listeners.reload();
        if let Some(active) = self.node.active() {
            active.log.devices_changed();
        }
    }

    /// Stops accepting, lets requests in flight end, seals, and closes the store. Returns whether all of it went well;
    /// what did not is in the log.
    pub async fn shutdown(self) -> bool {
        let Self { node, listeners, embedded, .. } = self;
        let drained = listeners.drain().await;
        if !drained {
            tracing::warn!("some requests did not end in time and were cut off");
        }
        node.seal().await;
        let closed = match embedded {
            None => true,
            Some(store) => match tokio::task::spawn_blocking(move || store.close()).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the store was not closed cleanly; the next start replays its journal");
                    false
                }
                Err(_) => false,
            },
        };
        drained && closed
    }
}
