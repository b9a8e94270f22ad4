//! The tree: redb behind the journal, written a few megabytes at a time in one durable transaction, together with the
//! revision and the log size that it stands for. It must never give a value without comparing its checksum: redb
//! verifies pages only when it repairs, so each value carries its own.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, StorageBackend, StorageError, TableDefinition, TransactionError,
};

use crate::disk::{Disk, DiskFile};
use crate::embedded::OpenError;
use crate::store::{Key, ReadError, Revision, Versioned};

const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Raised when an older release could not read what is written.
const FORMAT: u64 = 1;
/// Revision 8, checksum 4, then the value.
const VALUE_HEADER_BYTES: usize = 12;

/// What the tree stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) revision: Revision,
    pub(crate) log_size: u64,
    pub(crate) now_ms: u64,
}

pub(crate) struct Tree {
    database: Option<Database>,
    backend: Backend,
    path: PathBuf,
    cache_bytes: usize,
}

/// The tree as of one flush. Pins its pages, so it is replaced at the next one.
pub(crate) struct TreeSnapshot {
    values: ReadOnlyTable<&'static [u8], &'static [u8]>,
    path: PathBuf,
}

/// What went wrong with the tree.
#[derive(Debug)]
pub(crate) enum TreeError {
    Io(io::Error),
    Corrupt(String),
    /// A failure before made this database useless; it is being opened again.
    Latched,
}

impl TreeError {
    pub(crate) fn at(self, path: &Path) -> OpenError {
        match self {
            TreeError::Io(error) => OpenError::io(path, error),
            TreeError::Corrupt(why) => OpenError::corrupt(path, 0, &why),
            TreeError::Latched => OpenError::corrupt(path, 0, "an earlier failure"),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        matches!(self, TreeError::Io(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

impl std::fmt::Display for TreeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TreeError::Io(error) => write!(f, "tree: {error}"),
            TreeError::Corrupt(why) => write!(f, "tree: {why}"),
            TreeError::Latched => write!(f, "tree: an earlier failure"),
        }
    }
}

impl From<redb::Error> for TreeError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => TreeError::Io(error),
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => TreeError::Latched,
            other => TreeError::Corrupt(other.to_string()),
        }
    }
}

impl From<StorageError> for TreeError {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<TransactionError> for TreeError {
    fn from(error: TransactionError) -> Self {
        redb::Error::from(error).into()
    }
}

/// redb trusts the pages it reads; on damaged ones it may panic. That is corruption, and no reason to end the process.
fn guarded<T>(call: impl FnOnce() -> Result<T, TreeError>) -> Result<T, TreeError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(TreeError::Corrupt("a damaged page stopped a read".to_owned())))
}

impl Tree {
    /// Makes an empty tree under a temporary name, so that a half-made one is never taken for a tree.
    pub(crate) fn create(disk: &Arc<dyn Disk>, dir: &Path, path: &Path) -> Result<(), OpenError> {
        let fresh = path.with_extension("new");
        match disk.remove(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(OpenError::io(&fresh, error)),
            _ => {}
        }
        disk.open(&fresh, true).map_err(|e| OpenError::io(&fresh, e))?;
        let mut tree = Tree::open_at(disk, &fresh, 1 << 20, false)?;
        tree.write(Meta::default(), std::iter::empty()).map_err(|e| e.at(&fresh))?;
        drop(tree);
        let file = disk.open(&fresh, false).map_err(|e| OpenError::io(&fresh, e))?;
        file.sync().map_err(|e| OpenError::io(&fresh, e))?;
        disk.rename(&fresh, path).map_err(|e| OpenError::io(path, e))?;
        disk.sync_dir(dir).map_err(|e| OpenError::io(dir, e))
    }

    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        path: &Path,
        cache_bytes: usize,
        verify: bool,
    ) -> Result<(Self, Meta), OpenError> {
        let tree = Self::open_at(disk, path, cache_bytes, verify)?;
        let meta = tree.meta().map_err(|e| e.at(path))?;
        Ok((tree, meta))
    }

    fn open_at(disk: &Arc<dyn Disk>, path: &Path, cache_bytes: usize, verify: bool) -> Result<Self, OpenError> {
        let file = disk.open(path, false).map_err(|e| OpenError::io(path, e))?;
        let backend = Backend::new(file);
        let database = guarded(|| open_database(backend.clone(), cache_bytes, verify)).map_err(|e| e.at(path))?;
        Ok(Self { database: Some(database), backend, path: path.to_path_buf(), cache_bytes })
    }

    /// After a failed write: the old database is fenced off the file, and a new one starts from its last commit.
    pub(crate) fn reopen(&mut self) -> Result<(), TreeError> {
        self.backend.fenced.store(true, Ordering::SeqCst);
        self.database = None;
        self.backend = Backend::new(self.backend.file.clone());
        self.database = Some(guarded(|| open_database(self.backend.clone(), self.cache_bytes, false))?);
        Ok(())
    }

    fn database(&self) -> Result<&Database, TreeError> {
        self.database.as_ref().ok_or(TreeError::Latched)
    }

    fn meta(&self) -> Result<Meta, TreeError> {
        guarded(|| {
            let txn = self.database()?.begin_read()?;
            let table = txn.open_table(META).map_err(redb::Error::from)?;
            let number = |name: &str| -> Result<u64, TreeError> {
                let found = table.get(name)?;
                found.map(|g| g.value()).ok_or_else(|| TreeError::Corrupt(format!("no {name} in the meta table")))
            };
            let format = number("format")?;
            if format != FORMAT {
                return Err(TreeError::Corrupt(format!("format {format}, this release knows {FORMAT}")));
            }
            let revision = Revision(number("revision")?);
            Ok(Meta { revision, log_size: number("log_size")?, now_ms: number("now_ms")? })
        })
    }

    pub(crate) fn snapshot(&self) -> Result<TreeSnapshot, TreeError> {
        guarded(|| {
            let txn = self.database()?.begin_read()?;
            let values = txn.open_table(VALUES).map_err(redb::Error::from)?;
            Ok(TreeSnapshot { values, path: self.path.clone() })
        })
    }

    /// Writes all of it in one transaction; durable when it returns.
    pub(crate) fn write<'a>(
        &mut self,
        meta: Meta,
        entries: impl Iterator<Item = (&'a Key, Revision, Option<&'a Bytes>)>,
    ) -> Result<(), TreeError> {
        guarded(|| {
            let mut txn = self.database()?.begin_write()?;
            // Opening after a crash then needs no walk over the whole tree.
            txn.set_quick_repair(true);
            {
                let mut values = txn.open_table(VALUES).map_err(redb::Error::from)?;
                let mut buffer = Vec::new();
                for (key, revision, value) in entries {
                    match value {
                        Some(value) => {
                            seal_value(&mut buffer, key, revision, value);
                            values.insert(key.as_slice(), buffer.as_slice())?;
                        }
                        None => {
                            values.remove(key.as_slice())?;
                        }
                    }
                }
                let mut table = txn.open_table(META).map_err(redb::Error::from)?;
                let numbers = [
                    ("format", FORMAT),
                    ("revision", meta.revision.0),
                    ("log_size", meta.log_size),
                    ("now_ms", meta.now_ms),
                ];
                for (name, number) in numbers {
                    table.insert(name, number)?;
                }
            }
            txn.commit().map_err(|e| redb::Error::from(e).into())
        })
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.backend.size.load(Ordering::Relaxed)
    }
}

fn open_database(backend: Backend, cache_bytes: usize, verify: bool) -> Result<Database, TreeError> {
    redb::Builder::new()
        .set_cache_size(cache_bytes)
        .set_check_integrity_on_open(verify)
        .create_with_backend(backend)
        .map_err(|e| redb::Error::from(e).into())
}

impl TreeSnapshot {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Versioned>, TreeError> {
        guarded(|| match self.values.get(key)? {
            Some(found) => self.open_value(key, found.value()).map(Some),
            None => Ok(None),
        })
    }

    /// Entries from `start` on, ascending, at most `limit`, as long as `wanted` holds for the key.
    pub(crate) fn range(
        &self,
        start: Bound<&[u8]>,
        limit: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<(Key, Versioned)>, TreeError> {
        guarded(|| {
            let mut found = Vec::new();
            for entry in self.values.range::<&[u8]>((start, Bound::Unbounded))? {
                let (key, value) = entry?;
                let key = key.value();
                if found.len() == limit || !wanted(key) {
                    break;
                }
                found.push((key.to_vec(), self.open_value(key, value.value())?));
            }
            Ok(found)
        })
    }

    /// Reads everything, comparing every checksum; the number of entries.
    pub(crate) fn verify(&self) -> Result<u64, TreeError> {
        guarded(|| {
            let (mut count, mut last) = (0, Vec::new());
            for entry in self.values.range::<&[u8]>(..)? {
                let (key, value) = entry?;
                self.open_value(key.value(), value.value())?;
                if count > 0 && key.value() <= last.as_slice() {
                    return Err(TreeError::Corrupt("keys are out of order".to_owned()));
                }
                last = key.value().to_vec();
                count += 1;
            }
            Ok(count)
        })
    }

    fn open_value(&self, key: &[u8], stored: &[u8]) -> Result<Versioned, TreeError> {
        let parsed = stored.split_first_chunk::<8>().and_then(|(revision, rest)| {
            let (checksum, value) = rest.split_first_chunk::<4>()?;
            let revision = Revision(u64::from_be_bytes(*revision));
            (value_checksum(key, revision, value) == u32::from_be_bytes(*checksum)).then_some((revision, value))
        });
        let (revision, value) =
            parsed.ok_or_else(|| TreeError::Corrupt("a value does not match its checksum".into()))?;
        Ok(Versioned { revision, value: Bytes::copy_from_slice(value) })
    }

    pub(crate) fn read_error(&self, error: &TreeError) -> ReadError {
        match error {
            TreeError::Corrupt(why) => ReadError::Corrupt(format!("{}: {why}", self.path.display())),
            other => ReadError::Unavailable(other.to_string()),
        }
    }
}

fn value_checksum(key: &[u8], revision: Revision, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&revision.0.to_be_bytes());
    hasher.update(value);
    hasher.finalize()
}

fn seal_value(buffer: &mut Vec<u8>, key: &[u8], revision: Revision, value: &[u8]) {
    buffer.clear();
    buffer.reserve(VALUE_HEADER_BYTES + value.len());
    buffer.extend_from_slice(&revision.0.to_be_bytes());
    buffer.extend_from_slice(&value_checksum(key, revision, value).to_be_bytes());
    buffer.extend_from_slice(value);
}

/// redb's file, as one of our disk's.
#[derive(Clone)]
struct Backend {
    file: Arc<dyn DiskFile>,
    /// Set when a new database took over the file: the old one may read and never write again.
    fenced: Arc<AtomicBool>,
    size: Arc<AtomicU64>,
}

impl Backend {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        let size = file.size().unwrap_or(0);
        Self { file, fenced: Arc::new(AtomicBool::new(false)), size: Arc::new(AtomicU64::new(size)) }
    }

    fn writable(&self) -> io::Result<()> {
        if self.fenced.load(Ordering::SeqCst) { Err(io::Error::other("fenced off")) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.file.set_len(len)?;
        self.size.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?;
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        self.file.write_at(offset, data)
    }
}
