//! The log's follower: builds the Merkle tree behind the commits, signs checkpoints, remembers the witnessed size outside the
//! store, and feeds the audit devices. Only commits append; nothing here may hold up a request.

use crate::active::Active;
use crate::metrics::Metrics;
use cardea_audit::checkpoint::{Checkpoint, CheckpointKey};
use cardea_audit::merkle::Frontier;
use cardea_audit::vault_format::{self, Options};
use cardea_audit::{LogTime, Record};
use cardea_model::{Error, NamespaceId, Timestamp};
use cardea_sdk::audit_device::AuditDevice;
use cardea_storage::json_record;
use cardea_storage::txn::{commit_error, read_error};
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Records read at once.
const READ_AT_ONCE: usize = 512;
/// A checkpoint is signed at least this often while the log grows.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Checkpoints kept for ever are at least this far apart, in milliseconds; the newest is always kept.
const KEEP_EVERY_MS: u64 = 60_000;
/// Longest a device may take to write one portion.
const DEVICE_MAX: Duration = Duration::from_secs(5);
/// Portions between two savings of a device's cursor.
const CURSOR_EVERY: u32 = 16;

/// What a follower may tell the outside about the size it has seen: a file beside the store, another machine.
pub trait Witness: Send + Sync {
    /// The newest checkpoint's text that was remembered.
    fn last(&self) -> Result<Option<String>, String>;
    fn remember(&self, checkpoint: &str) -> Result<(), String>;
    /// Forgets everything: a new server begins.
    fn forget(&self) -> Result<(), String>;
}

/// Where the follower stands; written with every checkpoint.
#[derive(Serialize, Deserialize)]
pub struct LogState {
    pub frontier: Frontier,
    pub checkpoint: String,
    pub kept_ms: u64,
}
json_record!(LogState, "log-state", 1);

/// A checkpoint that is kept, with the tree's right edge at its size: where an export may begin after trimming.
#[derive(Serialize, Deserialize)]
pub struct KeptCheckpoint {
    pub text: String,
    pub frontier: Frontier,
}
json_record!(KeptCheckpoint, "checkpoint", 1);

/// A configured device.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeviceRecord {
    pub path: String,
    pub kind: String,
    pub description: String,
    pub options: BTreeMap<String, String>,
    /// Position of the next record to be written.
    pub cursor: u64,
    /// What falling behind means: `ignore`, `alarm` or `stop`.
    pub on_lag: OnLag,
}
json_record!(DeviceRecord, "audit-device", 1);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLag {
    Ignore,
    #[default]
    Alarm,
    /// Requests are refused until the device has caught up.
    Stop,
}

/// Records that a device with `stop` may be behind.
pub const LAG_RECORDS_MAX: u64 = 10_000;

/// The log's side of an unsealed server.
pub struct Log {
    key: CheckpointKey,
    witness: Option<Arc<dyn Witness>>,
    in_flight: Mutex<HashSet<String>>,
    latest: Mutex<Option<String>>,
    changed: Notify,
    generation: AtomicU64,
    stopped: AtomicBool,
}

impl Log {
    #[must_use]
    pub fn new(key: CheckpointKey, witness: Option<Arc<dyn Witness>>) -> Self {
        Self {
            key,
            witness,
            in_flight: Mutex::new(HashSet::new()),
            latest: Mutex::new(None),
            changed: Notify::new(),
            generation: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Remembers that a request of this process is between its intent and its outcome, for as long as the value lives: a
    /// request that is given up half-way (its client went away) must not look busy for ever.
    pub fn in_flight(&self, id: &str) -> InFlight<'_> {
        self.in_flight.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.to_owned());
        InFlight { log: self, id: id.to_owned() }
    }

    #[must_use]
    pub fn is_in_flight(&self, id: &str) -> bool {
        self.in_flight.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(id)
    }

    /// The newest signed checkpoint.
    #[must_use]
    pub fn latest_checkpoint(&self) -> Option<String> {
        self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The key that verifies checkpoints, in text form.
    #[must_use]
    pub fn verifier_key(&self) -> String {
        self.key.verifier_text()
    }

    /// The name of this log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.key.origin()
    }

    pub fn devices_changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Whether a device whose owner said `stop` is too far behind.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// A request between its intent and its outcome.
pub struct InFlight<'l> {
    log: &'l Log,
    id: String,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.log.in_flight.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.id);
    }
}

/// Follows the log until the server seals.
pub async fn follow(active: Arc<Active>) {
    while !active.is_ending() {
        if let Err(error) = follow_on(&active).await {
            tracing::error!(%error, "the log's follower failed and starts again");
            Metrics::add(&active.metrics.audit_failures, 1);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = active.end() => return,
            }
        }
    }
}

async fn follow_on(active: &Active) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    let state = View::new(&mut txn, &NamespaceId::root(), "log").get::<LogState>("state").await?;
    let (mut frontier, mut kept_ms) = match state {
        Some(state) => {
            *active.log.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(state.checkpoint);
            (state.frontier, state.kept_ms)
        }
        None => (Frontier::default(), 0),
    };
    let store = active.sealed.store().clone();
    loop {
        let position = frontier.size();
        let size = tokio::select! {
            size = store.log_wait(position) => size.map_err(read_error)?,
            () = active.end() => return Ok(()),
        };
        active.metrics.log_size.store(size, Ordering::Relaxed);
        let deadline = tokio::time::Instant::now() + CHECKPOINT_EVERY;
        loop {
            let records = store.log_read(frontier.size(), READ_AT_ONCE).await.map_err(read_error)?;
            for (at, record) in &records {
                if *at != frontier.size() {
                    return Err(Error::internal("the log has a gap before the follower"));
                }
                frontier.append_record(record);
            }
            active.metrics.log_followed.store(frontier.size(), Ordering::Relaxed);
            if active.is_ending() || tokio::time::Instant::now() >= deadline {
                break;
            }
            if records.len() < READ_AT_ONCE {
                tokio::select! {
                    () = tokio::time::sleep_until(deadline) => {}
                    () = active.end() => break,
                }
            }
        }
        kept_ms = checkpoint(active, &frontier, kept_ms).await?;
        if active.is_ending() {
            return Ok(());
        }
    }
}

/// Signs and keeps the checkpoint of what was followed.
async fn checkpoint(active: &Active, frontier: &Frontier, kept_ms: u64) -> Result<u64, Error> {
    let mut txn = active.sealed.txn();
    let now = txn.now().await?;
    let text = Checkpoint::of(&active.log.key, frontier, LogTime(now)).to_text();
    let keep = now.0 >= kept_ms + KEEP_EVERY_MS;
    let kept_ms = if keep { now.0 } else { kept_ms };
    let mut view = View::new(&mut txn, &NamespaceId::root(), "log");
    view.put("state", &LogState { frontier: frontier.clone(), checkpoint: text.clone(), kept_ms })?;
    if keep {
        view.put(
            &format!("{:020}", frontier.size()),
            &KeptCheckpoint { text: text.clone(), frontier: frontier.clone() },
        )?;
    }
    txn.mark_essential();
    txn.commit().await.map_err(commit_error)?;
    *active.log.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(text.clone());
    if let Some(witness) = active.log.witness.clone() {
        let remembered = tokio::task::spawn_blocking(move || witness.remember(&text)).await;
        if !matches!(remembered, Ok(Ok(()))) {
            tracing::warn!("the witness of the log's size could not be written");
        }
    }
    trim(active, frontier.size(), now).await?;
    Ok(kept_ms)
}

/// Drops what retention allows: only whole segments, only what is followed, and only what every device has.
async fn trim(active: &Active, followed: u64, now: Timestamp) -> Result<(), Error> {
    let Some(retention_s) = active.settings.log_retention_s else { return Ok(()) };
    let store = active.sealed.store();
    let first = store.stats().log_first;
    let Some((_, oldest)) = store.log_read(first, 1).await.map_err(read_error)?.into_iter().next() else {
        return Ok(());
    };
    let Ok(record) = Record::decode(&oldest) else { return Ok(()) };
    if record.time.unix_ms() + retention_s * 1000 > now.0 {
        return Ok(());
    }
    // The oldest record that must stay, found by halving: times in the log do not go back.
    let (mut low, mut high) = (first, followed);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some((at, bytes)) = store.log_read(middle, 1).await.map_err(read_error)?.into_iter().next() else { break };
        let old = Record::decode(&bytes).is_ok_and(|r| r.time.unix_ms() + retention_s * 1000 <= now.0);
        if old {
            low = at + 1;
        } else {
            high = middle;
        }
    }
    let mut txn = active.sealed.txn();
    let devices = devices(&mut txn).await?;
    let keep_from = devices.iter().map(|device| device.cursor).fold(low, u64::min);
    // An export begins at a kept checkpoint, so trimming ends at one.
    let mut view = View::new(&mut txn, &NamespaceId::root(), "log");
    let kept = view.names::<KeptCheckpoint>("", None, 1_000_000).await?;
    let boundary = kept.iter().filter_map(|name| name.parse::<u64>().ok()).filter(|size| *size <= keep_from).max();
    match boundary {
        Some(boundary) if boundary > first => store.log_trim(boundary).await.map_err(read_error),
        _ => Ok(()),
    }
}

/// All configured devices.
pub async fn devices(txn: &mut cardea_storage::txn::Txn) -> Result<Vec<DeviceRecord>, Error> {
    let prefix = b"root/audit-devices/audit-device/";
    Ok(txn.entries::<DeviceRecord>(prefix, None, 64).await?.into_iter().map(|(_, device)| device).collect())
}

pub fn device_view(txn: &mut cardea_storage::txn::Txn) -> View<'_> {
    View::new(txn, &NamespaceId::root(), "audit-devices")
}

/// Runs every configured device until the server seals; starts anew when the set changes.
pub async fn run_devices(active: Arc<Active>) {
    while !active.is_ending() {
        let generation = active.log.generation.load(Ordering::Acquire);
        let mut txn = active.sealed.txn();
        let configured = devices(&mut txn).await.unwrap_or_default();
        let mut tasks = tokio::task::JoinSet::new();
        active.log.stopped.store(false, Ordering::Release);
        for device in configured {
            let active = active.clone();
            tasks.spawn(async move { run_device(&active, device, generation).await });
        }
        while active.log.generation.load(Ordering::Acquire) == generation && !active.is_ending() {
            tokio::select! {
                () = active.log.changed.notified() => {}
                () = active.end() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn run_device(active: &Active, mut device: DeviceRecord, generation: u64) {
    let Some(kind) = active.registry.find_device(&device.kind) else {
        tracing::error!(device = %device.path, "this server has no audit device of this type");
        return;
    };
    let mut opened: Option<Box<dyn AuditDevice>> = None;
    let options = Options::from_device(&device.options);
    let mut portions = 0;
    let current = || active.log.generation.load(Ordering::Acquire) == generation && !active.is_ending();
    while current() {
        if opened.is_none() {
            opened = kind
                .open(&device.options)
                .map_err(|why| tracing::error!(device = %device.path, %why, "audit device does not open"))
                .ok();
        }
        let behind = match (&opened, active.sealed.store().log_read(device.cursor, READ_AT_ONCE).await) {
            (Some(sink), Ok(records)) if !records.is_empty() => {
                let mut lines = Vec::with_capacity(records.len() * 1024);
                for (_, bytes) in &records {
                    if let Ok(record) = Record::decode(bytes) {
                        vault_format::write_lines(&record, &options, &mut lines);
                    }
                }
                match tokio::time::timeout(DEVICE_MAX, sink.write(&lines)).await {
                    Ok(Ok(())) => {
                        device.cursor = records.last().map_or(device.cursor, |(at, _)| at + 1);
                        portions += 1;
                        if portions >= CURSOR_EVERY || records.len() < READ_AT_ONCE {
                            portions = 0;
                            save_cursor(active, &device).await;
                        }
                        None
                    }
                    failed => {
                        tracing::error!(device = %device.path, why = ?failed.err().map(|_| "time limit"), "audit device does not take records");
                        Metrics::add(&active.metrics.device_failures, 1);
                        opened = None;
                        Some(active.metrics.log_size.load(Ordering::Relaxed).saturating_sub(device.cursor))
                    }
                }
            }
            (Some(_), Ok(_)) => {
                tokio::select! {
                    _ = active.sealed.store().log_wait(device.cursor) => {}
                    () = active.log.changed.notified() => {}
                    () = active.end() => {}
                }
                None
            }
            _ => Some(active.metrics.log_size.load(Ordering::Relaxed).saturating_sub(device.cursor)),
        };
        if let Some(behind) = behind {
            if device.on_lag == OnLag::Stop {
                active.log.stopped.store(behind > LAG_RECORDS_MAX, Ordering::Release);
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = active.end() => {}
            }
        } else if device.on_lag == OnLag::Stop {
            active.log.stopped.store(false, Ordering::Release);
        }
    }
    save_cursor(active, &device).await;
}

async fn save_cursor(active: &Active, device: &DeviceRecord) {
    let mut txn = active.sealed.txn();
    let saved = async {
        let mut view = device_view(&mut txn);
        // A device that was removed meanwhile stays removed.
        let Some(mut record) = view.get::<DeviceRecord>(&device.path).await? else { return Ok(()) };
        record.cursor = device.cursor;
        view.put(&device.path, &record)?;
        txn.commit().await.map(|_| ()).map_err(commit_error)
    };
    let _: Result<(), Error> = saved.await;
}
