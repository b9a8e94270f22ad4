//! What the owner of a server wrote, as values: listeners, storage, seal, TTLs, telemetry, log.
//!
//! Reads the files that Vault's users have (HCL and JSON). What it does not know, it names and goes on; what it knows
//! and cannot keep, it refuses: a setting that is silently not in force is worse than no server. It must never open a
//! store or a socket, and never put a value of a file into an error.

mod dialect; // the `dialect` block
mod environment; // variables that stand above the files
mod listener; // the `listener` block
mod read; // files and folders to one set of sections
mod section; // one block of keys, read by type

pub use dialect::DialectEntry;
pub use environment::{Environment, variable};
pub use listener::{Forwarded, ListenerConfig, ResponseHeader, StatusRange, TlsConfig};
pub use read::load;

use crate::StartError;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageConfig {
    /// Gone with the process: `-dev` and tests.
    Memory,
    /// The embedded store in a directory.
    Embedded { path: PathBuf },
}

/// Who can give the root key back.
#[derive(Default)]
pub enum SealConfig {
    #[default]
    Shamir,
    /// A key from a file (or, in a file of mode 0600, from the configuration itself).
    Static(Zeroizing<[u8; 32]>),
}

/// How the server's own log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub level: tracing::Level,
    pub json: bool,
    pub file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: tracing::Level::INFO, json: false, file: None }
    }
}

/// The whole configuration of one server.
pub struct Config {
    pub listeners: Vec<ListenerConfig>,
    /// Dialects beside Vault's.
    pub dialects: Vec<DialectEntry>,
    pub storage: StorageConfig,
    pub seal: SealConfig,
    /// Accept a store that is older than what was witnessed; only for unattended unsealing.
    pub accept_restored: bool,
    pub api_address: String,
    pub cluster_name: String,
    /// Name of this node in records and checkpoints.
    pub node: String,
    /// Seconds.
    pub default_ttl_s: u64,
    /// Seconds.
    pub max_ttl_s: u64,
    pub disable_mlock: bool,
    /// Whether a threshold of shares makes a root token without a token that allows it.
    pub root_by_shares: bool,
    pub log: LogConfig,
    /// Whether reads leave a durable record.
    pub record_reads: bool,
    /// How long the audit log is kept, in seconds; `None` keeps it for ever.
    pub log_retention_s: Option<u64>,
    /// Where the witnessed size of the log is kept; by default beside the store.
    pub witness_file: Option<PathBuf>,
    /// Bytes of the disk kept for sealing, revoking and shutting down; `None` is the store's own default.
    pub disk_reserve_bytes: Option<u64>,
    /// Refusals of strangers that are recorded singly, per source and second.
    pub stranger_refusals_per_s: Option<u32>,
    pub pid_file: Option<PathBuf>,
    /// Where programs lie: no audit file may.
    pub plugin_directory: Option<PathBuf>,
    /// Files and folders that were read: no audit file may lie there either.
    pub sources: Vec<PathBuf>,
    /// What was not understood or has no effect, for the log.
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let ttl_s = cardea_model::limit::LEASE_TTL_S_DEFAULT;
        Self {
            listeners: Vec::new(),
            dialects: Vec::new(),
            storage: StorageConfig::Memory,
            seal: SealConfig::Shamir,
            accept_restored: false,
            api_address: String::new(),
            cluster_name: "cardea".to_owned(),
            node: "node-1".to_owned(),
            default_ttl_s: ttl_s,
            max_ttl_s: ttl_s,
            disable_mlock: false,
            root_by_shares: false,
            log: LogConfig::default(),
            record_reads: true,
            log_retention_s: None,
            witness_file: None,
            disk_reserve_bytes: None,
            stranger_refusals_per_s: None,
            pid_file: None,
            plugin_directory: None,
            sources: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// A server in memory with one plain listener: what `-dev` and tests start from.
    #[must_use]
    pub fn in_memory(address: &str) -> Self {
        Self { listeners: vec![ListenerConfig::plain(address)], disable_mlock: true, ..Self::default() }
    }

    /// What must hold before a server starts.
    ///
    /// # Errors
    /// No listener, or TTLs that contradict each other.
    pub fn check(&self) -> Result<(), StartError> {
        if self.listeners.is_empty() {
            return Err(StartError::new("the configuration has no `listener \"tcp\"`"));
        }
        if self.default_ttl_s > self.max_ttl_s {
            return Err(StartError::new("default_lease_ttl is longer than max_lease_ttl"));
        }
        if self.default_ttl_s == 0 {
            return Err(StartError::new("default_lease_ttl and max_lease_ttl must not be zero"));
        }
        Ok(())
    }

    /// The file of the witness: what was configured, else `<store>.witness` beside the store.
    #[must_use]
    pub fn witness_path(&self) -> Option<PathBuf> {
        match (&self.witness_file, &self.storage) {
            (Some(path), _) => Some(path.clone()),
            (None, StorageConfig::Embedded { path }) => Some(beside(path)),
            (None, StorageConfig::Memory) => None,
        }
    }

    /// Directories that no audit device may write into.
    #[must_use]
    pub fn forbidden_directories(&self) -> Vec<PathBuf> {
        let mut out: Vec<PathBuf> = self.plugin_directory.iter().cloned().collect();
        if let StorageConfig::Embedded { path } = &self.storage {
            out.push(path.clone());
        }
        for source in &self.sources {
            let folder = if source.is_dir() { Some(source.as_path()) } else { source.parent() };
            // A file in the current directory has an empty parent, which would forbid everything relative.
            out.extend(folder.filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_path_buf));
        }
        out
    }
}

fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    while name.len() > 1 && name.to_string_lossy().ends_with('/') {
        let text = name.to_string_lossy().trim_end_matches('/').to_owned();
        name = text.into();
    }
    name.push(".witness");
    name.into()
}

#[cfg(test)]
mod tests;
