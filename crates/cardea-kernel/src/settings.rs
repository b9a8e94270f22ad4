//! What the owner of a server decides before it starts. Values only: nothing here reads a file or the environment.

/// Settings of the kernel.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the cluster, for people.
    pub cluster_name: String,
    /// Name of this node in log records and checkpoints.
    pub node: String,
    /// Version as Vault's clients parse it.
    pub api_version: String,
    /// Cardea's own version.
    pub version: String,
    pub api_address: String,
    /// TTLs in seconds where neither mount nor role says otherwise.
    pub default_ttl_s: u64,
    pub max_ttl_s: u64,
    /// Whether reads leave a durable record before their bytes leave. Off only for measurement.
    pub record_reads: bool,
    /// Refusals without a credential that are recorded singly, per source address and second; the rest is counted.
    pub stranger_refusals_per_s: u32,
    /// Whether a threshold of shares makes a root token without a token that allows it.
    pub root_by_shares: bool,
    /// How long the log is kept, in seconds; `None` keeps it for ever.
    pub log_retention_s: Option<u64>,
    /// Directories that no audit device may write into.
    pub forbidden_directories: Vec<std::path::PathBuf>,
    /// Store kind, for seal-status.
    pub storage_kind: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_name: "cardea".to_owned(),
            node: "node-1".to_owned(),
            // The Vault release whose behaviour is followed; clients compare it with their own tables.
            api_version: "1.21.0".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_address: String::new(),
            default_ttl_s: cardea_model::limit::LEASE_TTL_S_DEFAULT,
            max_ttl_s: cardea_model::limit::LEASE_TTL_S_DEFAULT,
            record_reads: true,
            stranger_refusals_per_s: 10,
            root_by_shares: false,
            log_retention_s: None,
            forbidden_directories: Vec::new(),
            storage_kind: "embedded".to_owned(),
        }
    }
}
