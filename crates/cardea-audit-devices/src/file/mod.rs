//! The device `file`: lines appended to a file that others may rotate.
//!
//! Invariants:
//! - What was acknowledged is in the file that has the name, not in one that was moved away or removed before: the name
//!   is looked at before each write, and again afterwards.
//! - The file is a plain file or a character device, is never executable, is not reached through a symbolic link in its
//!   last step, and does not lie where the server runs programs from (CVE-2025-6000).
//! - What is written to is empty or an audit log already: a wrong path must spoil nobody's file.
//! - A write that fails is an error, also when part of it was taken: the kernel writes the same lines again.

use crate::lines::Lines;
use crate::stdout::StdoutDevice;
use crate::{BUSY, GOING_DOWN, options};
use cardea_sdk::async_trait;
use cardea_sdk::audit_device::{AuditDevice, AuditDeviceKind};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// Mode of a file where the owner names none: nobody but the server reads who asked for what.
const MODE_DEFAULT: u32 = 0o600;
/// How often a write follows a file that is removed while it is written; a file that goes faster is an error.
const FOLLOW_MAX: usize = 3;
/// How much of a file is looked at to know it as an audit log, in bytes. The longest lines that the kernel renders are
/// some tens of KiB.
const FIRST_LINE_BYTES_MAX: usize = 1024 * 1024;
/// How every line of ours begins; of a line that broke off, this is all that there is to know it by.
const LINE_START: &[u8] = b"{\"time\":\"";

/// Why a place is refused. It names no directory: who enables devices need not know where the server keeps things.
const FORBIDDEN: &str = "audit file: no audit file may lie in or below the directory of the store, of the configuration \
                         or of the plugins, where the server reads what it trusts; name another directory";

/// Makes devices of the kind `file`.
pub struct FileDeviceKind {
    forbidden: Vec<PathBuf>,
}

impl FileDeviceKind {
    /// `forbidden` are directories where no audit file may lie: those of plugins, of the configuration, of the store.
    #[must_use]
    pub fn new(forbidden: Vec<PathBuf>) -> Self {
        Self { forbidden }
    }
}

impl AuditDeviceKind for FileDeviceKind {
    fn kind(&self) -> &'static str {
        "file"
    }

    /// | option | meaning |
    /// |---|---|
    /// | `file_path`, or `path` | absolute; `stdout` means standard output |
    /// | `mode` | octal; `0600` by default; `0000` leaves the mode of a file that exists |
    /// | `sync` | `false` acknowledges lines that only the page cache has |
    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn AuditDevice>, String> {
        options::check(options, &["file_path", "path", "mode", "sync"])?;
        let option = |name: &str| options.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let path = match (option("file_path"), option("path")) {
            (Some(path), None) | (None, Some(path)) => path,
            (Some(path), Some(same)) if path == same => path,
            (Some(_), Some(_)) => return Err("`file_path` and `path` name two files".into()),
            (None, None) => return Err("`file_path` is missing".into()),
        };
        let mode = mode(option("mode"))?;
        if path == "stdout" {
            return Ok(Box::new(StdoutDevice::open()?));
        }
        let place = Place {
            path: checked_path(path)?,
            forbidden: self.forbidden.clone(),
            mode,
            sync: option("sync").map_or(Ok(true), options::flag)?,
        };
        // Opened now, so that a device that cannot work is refused when it is enabled.
        let file = place.open()?;
        let shared = Shared { place, file: Mutex::new(Some(file)), reopen: AtomicBool::new(false) };
        Ok(Box::new(FileDevice { shared: Arc::new(shared) }))
    }
}

/// A file.
struct FileDevice {
    shared: Arc<Shared>,
}

#[async_trait]
impl AuditDevice for FileDevice {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn write(&self, lines: &[u8]) -> Result<(), String> {
        let (shared, lines) = (self.shared.clone(), lines.to_vec());
        let write = move || shared.write(&lines);
        tokio::task::spawn_blocking(write).await.map_err(|_| GOING_DOWN.to_owned())?
    }

    async fn reopen(&self) -> Result<(), String> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.reopen()).await.map_err(|_| GOING_DOWN.to_owned())?
    }
}

/// What the threads of writes share.
struct Shared {
    place: Place,
    file: Mutex<Option<Lines<File>>>,
    /// Asked for while a write was under way; the next one does it.
    reopen: AtomicBool,
}

impl Shared {
    fn write(&self, lines: &[u8]) -> Result<(), String> {
        let mut file = self.lock().ok_or(BUSY)?;
        for _ in 0..FOLLOW_MAX {
            let asked = self.reopen.swap(false, Ordering::AcqRel);
            let mut open = match file.take() {
                Some(open) if !asked && self.place.is_at(&open.sink) => open,
                _ => self.place.open()?,
            };
            let written = open.write(lines).and_then(|()| self.place.keep(&open.sink));
            // Removed or moved while we wrote: the lines may have gone with it, so the new file gets them too.
            let followed = written.is_err() || self.place.is_at(&open.sink);
            *file = Some(open);
            written.map_err(|error| format!("audit file: {error}"))?;
            if followed {
                return Ok(());
            }
        }
        Err("audit file: it is removed as fast as it is written".into())
    }

    fn reopen(&self) -> Result<(), String> {
        match self.lock() {
            Some(mut file) => {
                // First the new one: if it cannot be opened, the next write says so again.
                *file = None;
                *file = Some(self.place.open()?);
            }
            None => self.reopen.store(true, Ordering::Release),
        }
        Ok(())
    }

    /// `None` while a write is under way. One that panicked left nothing that can be trusted: the file is opened anew.
    fn lock(&self) -> Option<MutexGuard<'_, Option<Lines<File>>>> {
        match self.file.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut guard = poisoned.into_inner();
                *guard = None;
                Some(guard)
            }
        }
    }
}

/// Where the file is, and how it must be.
struct Place {
    path: PathBuf,
    forbidden: Vec<PathBuf>,
    /// `None` leaves the mode of a file that exists.
    mode: Option<u32>,
    sync: bool,
}

impl Place {
    fn open(&self) -> Result<Lines<File>, String> {
        let path = self.resolved()?;
        let mut options = OpenOptions::new();
        // Without O_NONBLOCK, opening a pipe that nobody reads would hang before we know that it is one.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        options.append(true).create(true).mode(self.mode.unwrap_or(MODE_DEFAULT)).custom_flags(flags);
        let opened = match options.clone().read(true).open(&path) {
            // A file that may only be appended to is as good; it just cannot be looked at.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => options.open(&path),
            other => other,
        };
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => "audit file: it is a symbolic link".to_owned(),
            Some(libc::EISDIR) => "audit file: it is a directory".to_owned(),
            Some(libc::ENXIO) => "audit file: it is neither a plain file nor a character device".to_owned(),
            _ => format!("audit file cannot be opened: {error}"),
        })?;
        let facts = file.metadata().map_err(|error| format!("audit file: {error}"))?;
        let kind = facts.file_type();
        if kind.is_char_device() {
            return Ok(Lines::new(file, false));
        }
        if !kind.is_file() {
            return Err("audit file: it is neither a plain file nor a character device".into());
        }
        if facts.len() > 0 && !is_audit_log(&file) {
            return Err("audit file: it exists and is not an audit log; name a new file, or one that is empty".into());
        }
        self.settle_mode(&file, &facts)?;
        if self.sync && facts.len() == 0 {
            // A new name must survive a power cut as its lines do. Not every file system can promise that; where it
            // cannot, the file is as good as any there.
            let _ = path.parent().map(|directory| File::open(directory).and_then(|open| open.sync_all()));
        }
        let broken = facts.len() > 0 && last_byte(&file, facts.len()).is_some_and(|byte| byte != b'\n');
        Ok(Lines::new(file, broken))
    }

    /// The path with the links of its directory followed, judged against where no audit file may lie.
    fn resolved(&self) -> Result<PathBuf, String> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err("audit file: its path names no file".into());
        };
        let directory = fs::canonicalize(directory).map_err(|error| format!("directory of the audit file: {error}"))?;
        for forbidden in &self.forbidden {
            // One that does not exist yet is compared as it is written.
            let forbidden = fs::canonicalize(forbidden).unwrap_or_else(|_| forbidden.clone());
            if directory.starts_with(forbidden) {
                return Err(FORBIDDEN.into());
            }
        }
        Ok(directory.join(name))
    }

    fn settle_mode(&self, file: &File, facts: &Metadata) -> Result<(), String> {
        let found = facts.mode() & 0o7777;
        match self.mode {
            Some(mode) if mode != found => file
                .set_permissions(Permissions::from_mode(mode))
                .map_err(|error| format!("audit file: its mode cannot be set: {error}")),
            None if found & 0o111 != 0 => Err("audit file: it is executable".into()),
            _ => Ok(()),
        }
    }

    /// Whether the name still leads to this file.
    fn is_at(&self, file: &File) -> bool {
        let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(&self.path)) else { return false };
        open.nlink() > 0 && (open.dev(), open.ino()) == (named.dev(), named.ino())
    }

    /// Waits until the disk has what was written: a cursor that runs ahead of a power cut would leave a gap.
    fn keep(&self, file: &File) -> io::Result<()> {
        if self.sync && file.metadata()?.is_file() { file.sync_data() } else { Ok(()) }
    }
}

/// Whether the first line is one of an audit log, or the beginning of one that broke off. A file that may only be appended
/// to cannot be looked at; whoever gave it such a mode made it for this.
fn is_audit_log(file: &File) -> bool {
    let mut start = vec![0u8; FIRST_LINE_BYTES_MAX];
    let mut length = 0;
    while length < start.len() {
        match file.read_at(&mut start[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.raw_os_error() == Some(libc::EBADF),
        }
        if start[..length].contains(&b'\n') {
            break;
        }
    }
    let start = &start[..length];
    match start.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&start[..end]).ok();
            line.is_some_and(|line| line.get("type").is_some_and(serde_json::Value::is_string))
        }
        None if length == FIRST_LINE_BYTES_MAX => false,
        None => start.starts_with(LINE_START) || LINE_START.starts_with(start),
    }
}

fn last_byte(file: &File, length: u64) -> Option<u8> {
    let mut byte = [0u8; 1];
    file.read_exact_at(&mut byte, length - 1).ok().map(|()| byte[0])
}

/// # Errors
/// A path that is not absolute, names no file, or has `..` in it.
fn checked_path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err("`file_path` is not absolute".into());
    }
    if text.ends_with('/') || path.components().any(|component| matches!(component, Component::ParentDir)) {
        return Err("`file_path` names no file, or goes through `..`".into());
    }
    Ok(path.to_owned())
}

/// # Errors
/// Not octal, or bits that no audit file has.
fn mode(text: Option<&str>) -> Result<Option<u32>, String> {
    let Some(text) = text else { return Ok(Some(MODE_DEFAULT)) };
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return Err("`mode` is not an octal number".into());
    }
    let mode = u32::from_str_radix(digits, 8).map_err(|_| "`mode` is not an octal number")?;
    match mode {
        0 => Ok(None),
        mode if mode & !0o777 != 0 => Err("`mode` has bits beyond those of owner, group and others".into()),
        mode if mode & 0o111 != 0 => Err("`mode` would make the audit file executable".into()),
        mode if mode & 0o002 != 0 => Err("`mode` would let everybody write to the audit file".into()),
        mode if mode & 0o200 == 0 => Err("`mode` would not let the server write to the audit file".into()),
        mode => Ok(Some(mode)),
    }
}

#[cfg(test)]
mod tests;
