//! The one list of what this server is made of: engines, auth methods, audit devices, dialects, stores. Adding one is a line
//! here. It must never hold a decision.

use crate::StartError;
use crate::config::{Config, StorageConfig};
use crate::fetch::Outside;
use cardea_audit_devices::{FileDeviceKind, StdoutDeviceKind};
use cardea_auth::approle::AppRole;
use cardea_auth::jwt::Jwt;
use cardea_crypto::random::Randomness;
use cardea_databases::postgresql::PostgreSql;
use cardea_dialects::aws_kms::AwsKms;
use cardea_dialects::aws_secrets_manager::AwsSecretsManager;
use cardea_dialects::aws_sts::AwsSts;
use cardea_dialects::vault::Vault;
use cardea_engines::database::DatabaseEngine;
use cardea_engines::http_provider::HttpProvider;
use cardea_engines::webhook::Webhook;
use cardea_kernel::registry::Registry;
use cardea_sdk::database::Database;
use cardea_sdk::dialect::{Dialect, DialectConfig};
use cardea_sdk::erased::{Erased, ErasedAuth};
use cardea_storage::embedded::Options;
use cardea_storage::{Clock, EmbeddedStore, MemoryStore, Store};
use std::sync::Arc;

/// Database plugins of the `database` engine.
fn databases(rng: &Arc<dyn Randomness>) -> Vec<Arc<dyn Database>> {
    vec![
        Arc::new(PostgreSql::new(rng.clone())), //
    ]
}

/// A front dialect, and what it is bound to.
pub(crate) struct Spoken {
    pub dialect: Box<dyn Dialect>,
    pub config: DialectConfig,
}

/// All front dialects that an owner can switch on. Vault's is spoken always.
fn optional_dialects() -> Vec<Box<dyn Dialect>> {
    vec![
        Box::new(AwsSecretsManager), //
        Box::new(AwsKms),
        Box::new(AwsSts),
    ]
}

/// The front dialects of a server, in the order in which they are asked whose a request is.
pub(crate) fn dialects(config: &Config) -> Vec<Spoken> {
    let mut spoken = vec![Spoken { dialect: Box::new(Vault), config: DialectConfig::default() }];
    for dialect in optional_dialects() {
        if let Some(entry) = config.dialects.iter().find(|entry| entry.name == dialect.name()) {
            let config = DialectConfig { bindings: entry.bindings.clone(), ..DialectConfig::default() };
            spoken.push(Spoken { dialect, config });
        }
    }
    spoken
}

/// Everything that can be mounted or enabled.
pub(crate) fn registry(config: &Config, rng: &Arc<dyn Randomness>) -> Registry {
    let mut registry = Registry::default();
    for engine in cardea_engines::all() {
        registry = registry.engine(engine);
    }
    registry
        .engine(Arc::new(Erased(DatabaseEngine::new(databases(rng)))))
        .engine(Arc::new(Erased(HttpProvider::new(Arc::new(Outside::default())))))
        .engine(Arc::new(Erased(Webhook::new(Arc::new(Outside::default())))))
        .auth(Arc::new(ErasedAuth(AppRole)))
        .auth(Arc::new(ErasedAuth(Jwt::new(Arc::new(Outside::default())))))
        .device(Arc::new(FileDeviceKind::new(config.forbidden_directories())))
        .device(Arc::new(StdoutDeviceKind))
}

/// An opened store, and how it is closed.
pub(crate) struct Opened {
    pub store: Arc<dyn Store>,
    pub embedded: Option<Arc<EmbeddedStore>>,
    /// Its name in seal-status.
    pub kind: &'static str,
}

/// Opens the configured store. Blocks while a journal is replayed.
pub(crate) fn open_store(config: &Config, clock: Clock) -> Result<Opened, StartError> {
    match &config.storage {
        StorageConfig::Memory => Ok(Opened { store: Arc::new(MemoryStore::new(clock)), embedded: None, kind: "inmem" }),
        StorageConfig::Embedded { path } => {
            let mut options = Options::new(clock);
            options.quiet = Arc::new(crate::workers::all_wait);
            if let Some(bytes) = config.disk_reserve_bytes {
                options.reserve_bytes = bytes;
            }
            let store = EmbeddedStore::open(path, options)
                .map_err(|error| StartError::new(format!("the store cannot be opened: {error}")))?;
            let store = Arc::new(store);
            Ok(Opened { store: store.clone(), embedded: Some(store), kind: "embedded" })
        }
    }
}
