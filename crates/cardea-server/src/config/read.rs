//! Files and folders to one configuration. Later files stand above earlier ones; listeners add up.

use super::section::{Labelled, Section, at};
use super::{Config, Environment, SealConfig, StorageConfig, dialect, environment, listener};
use crate::{StartError, telemetry};
use cardea_barrier::seal::parse_static_key;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest configuration file, in bytes: a hundred times the longest in the field.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest key file, in bytes: 32 bytes in hex with blanks around it.
const KEY_FILE_BYTES_MAX: u64 = 4096;
/// Most files that one folder may hold.
const FILES_MAX: usize = 256;

/// Blocks that may stand more than once, also over several files.
const REPEATABLE: &[&str] = &["listener", "dialect", "storage", "backend", "seal"];

/// Keys of Vault's that have nothing to act on here.
const WITHOUT_EFFECT: &[&str] = &[
    "cluster_addr",
    "ui",
    "cache_size",
    "disable_cache",
    "disable_clustering",
    "disable_sealwrap",
    "disable_performance_standby",
    "disable_printable_check",
    "disable_sentinel_trace",
    "license_path",
    "plugin_tmpdir",
    "plugin_file_uid",
    "plugin_file_permissions",
    "log_requests_level",
    "log_rotate_bytes",
    "log_rotate_duration",
    "log_rotate_max_files",
    "enable_response_header_hostname",
    "enable_response_header_raft_node_id",
    "enable_ui",
    "ha_storage",
    "ha_backend",
    "service_registration",
    "experiments",
    "reporting",
    "entropy",
    "kms_library",
    "user_lockout",
    "introspection_endpoint",
    "imprecise_lease_role_tracking",
    "enable_post_unseal_trace",
    "post_unseal_trace_directory",
    "detect_deadlocks",
    "request_limiter",
    "administrative_namespace_path",
    "feature_flags",
    "default_max_request_duration",
    "enable_multiseal",
    "remove_irrevocable_lease_after",
    "unsafe_relative_paths",
    "allow_audit_log_prefixing",
    "api_rate_limit",
];

/// Keys that would open a door, were they obeyed, and mislead, were they ignored.
const REFUSED: &[&str] =
    &["raw_storage_endpoint", "unsafe_cross_namespace_identity", "unsafe_allow_api_audit_creation"];

/// Reads what `-config` named, then the environment.
///
/// # Errors
/// A file that cannot be read, is not of the language, or asks for what cannot be.
pub fn load(paths: &[PathBuf], environment: Environment<'_>) -> Result<Config, StartError> {
    let mut root = Section::new("", "", Vec::new())?;
    for file in files(paths)? {
        let name = file.display().to_string();
        let entries =
            cardea_policy::syntax::parse(&text(&file)?).map_err(|error| StartError::new(format!("{name}: {error}")))?;
        root.add(&name, entries, REPEATABLE)?;
    }
    let mut config = Config { sources: paths.to_vec(), ..Config::default() };
    settle(&mut config, root)?;
    environment::apply(&mut config, environment)?;
    Ok(config)
}

/// The files that the paths stand for: a folder gives its `.hcl` and `.json` files by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, StartError> {
    let mut out = Vec::new();
    for path in paths {
        let failed = |error: std::io::Error| unreadable(path, &error);
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            out.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let ours = file.extension().is_some_and(|ending| ending == "hcl" || ending == "json");
            if ours && !hidden && file.is_file() {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(StartError::new(format!("{}: the folder holds no .hcl or .json file", path.display())));
        }
        if found.len() > FILES_MAX {
            return Err(StartError::new(format!("{}: the folder holds more than {FILES_MAX} files", path.display())));
        }
        found.sort();
        out.append(&mut found);
    }
    Ok(out)
}

fn unreadable(path: &Path, error: &std::io::Error) -> StartError {
    match error.kind() {
        std::io::ErrorKind::NotFound => StartError::new(format!("{}: the file does not exist", path.display())),
        kind => StartError::new(format!("{}: cannot be read: {kind}", path.display())),
    }
}

fn text(path: &Path) -> Result<String, StartError> {
    let bytes = bounded(path, FILE_BYTES_MAX)?;
    std::str::from_utf8(&bytes)
        .map(str::to_owned)
        .map_err(|_| StartError::new(format!("{}: is not UTF-8", path.display())))
}

fn bounded(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, StartError> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let file = fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(StartError::new(format!("{}: is not a file", path.display())));
    }
    // Room for all of it, so that no copy of a key is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes_max.min(1 << 16)).unwrap_or(1 << 16) + 1));
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(StartError::new(format!("{}: is longer than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

fn settle(config: &mut Config, mut root: Section) -> Result<(), StartError> {
    let mut warnings = Vec::new();
    for found in root.labelled("listener")? {
        config.listeners.push(listener::read(found, &mut warnings)?);
    }
    for found in root.labelled("dialect")? {
        dialect::read(&mut config.dialects, found, &mut warnings)?;
    }
    let mut storages = root.labelled("storage")?;
    storages.append(&mut root.labelled("backend")?);
    storage(config, storages, &mut warnings)?;
    let seals = root.labelled("seal")?;
    seal(config, seals, &mut warnings)?;

    if let Some(address) = root.text("api_addr")? {
        config.api_address = address;
    }
    if let Some(name) = root.text("cluster_name")?.filter(|name| !name.is_empty()) {
        config.cluster_name = name;
    }
    let (default_ttl, max_ttl) = (root.span_s("default_lease_ttl")?, root.span_s("max_lease_ttl")?);
    config.max_ttl_s = max_ttl.filter(|ttl| *ttl > 0).unwrap_or(config.max_ttl_s);
    // A maximum alone pulls the default down with it, as in Vault.
    config.default_ttl_s = default_ttl.filter(|ttl| *ttl > 0).unwrap_or(config.default_ttl_s.min(config.max_ttl_s));
    config.disable_mlock = root.flag("disable_mlock")?.unwrap_or(config.disable_mlock);
    config.root_by_shares = root.flag("generate_root_by_shares")?.unwrap_or(false);
    config.pid_file = root.path("pid_file")?;
    config.plugin_directory = root.path("plugin_directory")?;
    log(config, &mut root, &mut warnings)?;
    telemetry_block(&mut root, &mut warnings)?;
    root.refuse(REFUSED)?;
    root.without_effect(WITHOUT_EFFECT, &mut warnings);
    root.finish(&mut warnings);
    config.warnings.append(&mut warnings);
    Ok(())
}

fn storage(config: &mut Config, found: Vec<Labelled>, warnings: &mut Vec<String>) -> Result<(), StartError> {
    let mut found = found.into_iter();
    let Some(Labelled { label, place, mut section }) = found.next() else {
        return Ok(());
    };
    if let Some(second) = found.next() {
        return Err(at(&second.place, "there may be one storage only"));
    }
    match label.as_deref() {
        Some("embedded") => {
            let path = section.path("path")?;
            let path = path.ok_or_else(|| at(&place, "storage \"embedded\" needs `path`, the folder of the store"))?;
            config.storage = StorageConfig::Embedded { path };
            if let Some(node) = section.text("node_id")?.filter(|node| !node.is_empty()) {
                config.node = node;
            }
            if let Some(bytes) = section.bytes("disk_reserve")? {
                config.disk_reserve_bytes = Some(bytes);
            }
        }
        Some("inmem") => config.storage = StorageConfig::Memory,
        Some("file" | "raft" | "consul" | "postgresql" | "etcd" | "s3" | "mysql" | "dynamodb" | "zookeeper") => {
            let words = "this storage of Vault's cannot be opened; use storage \"embedded\" { path = \"...\" } and move the data";
            return Err(at(&place, words));
        }
        _ => return Err(at(&place, "unknown storage; use storage \"embedded\" { path = \"...\" }")),
    }
    section.finish(warnings);
    Ok(())
}

fn seal(config: &mut Config, found: Vec<Labelled>, warnings: &mut Vec<String>) -> Result<(), StartError> {
    let mut found = found.into_iter();
    let Some(Labelled { label, place, mut section }) = found.next() else { return Ok(()) };
    if let Some(second) = found.next() {
        return Err(at(&second.place, "there may be one seal only"));
    }
    match label.as_deref() {
        Some("shamir") => {}
        Some("static") if section.flag("disabled")? == Some(true) => {
            return Err(at(&place, "moving from a static seal to shares is not supported"));
        }
        Some("static") => {
            let inline = section.text("current_key")?.map(Zeroizing::new);
            let file = section.path("key_file")?;
            // OpenBao names its keys; here the key says itself whether it is the right one.
            section.text("current_key_id")?;
            section.refuse(&["previous_key", "previous_key_id"])?;
            let key = match (inline, file) {
                (None, Some(path)) => key_file(&path)?,
                (Some(text), None) => match text.strip_prefix("file://") {
                    Some(path) => key_file(Path::new(path))?,
                    None if text.starts_with("env://") => {
                        return Err(at(&place, "a key in the environment is seen by every child; use `key_file`"));
                    }
                    None => {
                        private(Path::new(&place.file))?;
                        parse_static_key(text.as_bytes()).map_err(|error| at(&place, &error.client))?
                    }
                },
                _ => return Err(at(&place, "seal \"static\" needs one of `key_file` and `current_key`")),
            };
            config.seal = SealConfig::Static(key);
        }
        _ => {
            return Err(at(
                &place,
                "this seal is not supported; there are seal \"static\" and, without a block, shares",
            ));
        }
    }
    section.finish(warnings);
    Ok(())
}

fn key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, StartError> {
    private(path)?;
    let bytes = bounded(path, KEY_FILE_BYTES_MAX)?;
    parse_static_key(&bytes).map_err(|error| StartError::new(format!("{}: {}", path.display(), error.client)))
}

/// A file with a key in it is for its owner alone.
fn private(path: &Path) -> Result<(), StartError> {
    let mode = fs::metadata(path).map_err(|error| unreadable(path, &error))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let words = "holds a key and is open to others: its mode must be 0600 or stricter";
    Err(StartError::new(format!("{}: {words}", path.display())))
}

fn log(config: &mut Config, root: &mut Section, warnings: &mut Vec<String>) -> Result<(), StartError> {
    if let Some(level) = root.text("log_level")?.filter(|level| !level.is_empty()) {
        let words = "`log_level` is trace, debug, info, warn or error";
        config.log.level = telemetry::level(&level).ok_or_else(|| StartError::new(words))?;
    }
    if let Some(format) = root.text("log_format")? {
        config.log.json =
            telemetry::is_json(&format).ok_or_else(|| StartError::new("`log_format` is standard or json"))?;
    }
    config.log.file = root.path("log_file")?;
    if let Some(mut section) = root.block("log")? {
        if let Some(seconds) = section.span_s("retention")? {
            config.log_retention_s = Some(seconds).filter(|seconds| *seconds > 0);
        }
        config.record_reads = section.flag("record_reads")?.unwrap_or(true);
        config.witness_file = section.path("witness_file")?;
        if let Some(bytes) = section.bytes("disk_reserve")? {
            config.disk_reserve_bytes = Some(bytes);
        }
        if let Some(rate) = section.number("stranger_refusals_per_second")? {
            let rate = u32::try_from(rate).map_err(|_| section.wrong("stranger_refusals_per_second is negative"))?;
            config.stranger_refusals_per_s = Some(rate);
        }
        section.finish(warnings);
    }
    Ok(())
}

/// Metrics are pulled; what would push them elsewhere has no effect.
fn telemetry_block(root: &mut Section, warnings: &mut Vec<String>) -> Result<(), StartError> {
    let Some(mut section) = root.block("telemetry")? else { return Ok(()) };
    section.span_s("prometheus_retention_time")?;
    section.flag("disable_hostname")?;
    section.flag("enable_hostname_label")?;
    section.text("metrics_prefix")?;
    section.without_effect(
        &[
            "usage_gauge_period",
            "maximum_gauge_cardinality",
            "lease_metrics_epsilon",
            "num_lease_metrics_buckets",
            "add_lease_metrics_namespace_labels",
            "add_mount_point_rollback_metrics",
            "rollback_metrics_include_mount_point",
            "filter_default",
            "prefix_filter",
            "statsite_address",
            "statsd_address",
            "dogstatsd_addr",
            "dogstatsd_tags",
            "circonus_api_token",
            "stackdriver_project_id",
        ],
        warnings,
    );
    section.finish(warnings);
    Ok(())
}
