//! A disk in memory whose power can be taken away. Between syncs it may keep any subset of what was written, sector by
//! sector and in any order, and any subset of what was created, renamed or removed, as real disks and file systems may.
//! For tests only: it must never hold data that anybody needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

/// The smallest unit that a disk keeps or loses as a whole.
const SECTOR_BYTES: usize = 512;

/// Which operation a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimOp {
    Write,
    Sync,
}

/// The `nth` (from 1) operation of this kind on a file whose path contains `path` fails with `error`; a write leaves
/// its first half behind.
#[derive(Clone, Debug)]
pub struct SimFault {
    pub op: SimOp,
    pub path: &'static str,
    pub nth: u64,
    pub error: io::ErrorKind,
}

/// Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Sim>>);

type Inode = u64;

#[derive(Default)]
struct Sim {
    names: BTreeMap<PathBuf, Inode>,
    durable_names: BTreeMap<PathBuf, Inode>,
    name_ops: Vec<NameOp>,
    files: BTreeMap<Inode, SimFile>,
    dirs: BTreeSet<PathBuf>,
    next_inode: Inode,
    locked: BTreeSet<PathBuf>,
    faults: Vec<SimFault>,
    capacity: Option<u64>,
    /// Operations that change something, so far.
    ops: u64,
    dies_at: Option<u64>,
    off: bool,
}

#[derive(Clone)]
enum NameOp {
    Link(PathBuf, Inode),
    Rename(PathBuf, PathBuf, Inode),
    Unlink(PathBuf),
}

#[derive(Clone, Default)]
struct SimFile {
    durable: Vec<u8>,
    current: Vec<u8>,
    ops: Vec<FileOp>,
}

#[derive(Clone)]
enum FileOp {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Sim::default())))
    }

    /// The machine loses its power: this disk answers nothing any more, and the one returned has what survived.
    pub fn power_loss(&self, seed: u64) -> SimDisk {
        let mut random = Random(seed ^ 0x5bd1_e995_9e37_79b9);
        let mut sim = self.sim();
        sim.off = true;
        let mut names = sim.durable_names.clone();
        let keep_names = random.below(3); // none, all, or each by a coin
        for op in &sim.name_ops {
            if keep_names == 0 || (keep_names == 2 && random.below(2) == 0) {
                continue;
            }
            apply_name(&mut names, op);
        }
        let mut files = BTreeMap::new();
        for inode in names.values() {
            if let Some(file) = sim.files.get(inode) {
                let durable = file.after_power_loss(&mut random);
                files.insert(*inode, SimFile { current: durable.clone(), durable, ops: Vec::new() });
            }
        }
        let survived = Sim {
            durable_names: names.clone(),
            names,
            files,
            dirs: sim.dirs.clone(),
            next_inode: sim.next_inode,
            capacity: sim.capacity,
            ..Sim::default()
        };
        SimDisk(Arc::new(Mutex::new(survived)))
    }

    /// The process is killed: this disk answers nothing any more, and the one returned has all that was written, synced
    /// or not.
    pub fn kill(&self) -> SimDisk {
        let mut sim = self.sim();
        sim.off = true;
        let survived = Sim {
            names: sim.names.clone(),
            durable_names: sim.durable_names.clone(),
            name_ops: sim.name_ops.clone(),
            files: sim.files.clone(),
            dirs: sim.dirs.clone(),
            next_inode: sim.next_inode,
            capacity: sim.capacity,
            ..Sim::default()
        };
        SimDisk(Arc::new(Mutex::new(survived)))
    }

    /// The `n`-th changing operation from now is not done, nor anything after it.
    pub fn die_at(&self, n: u64) {
        let mut sim = self.sim();
        sim.dies_at = Some(sim.ops + n);
    }

    /// The disk that a copy was taken from by `kill` or `power_loss` answers again.
    pub fn turn_on(&self) {
        let mut sim = self.sim();
        sim.off = false;
        sim.locked.clear();
    }

    pub fn is_off(&self) -> bool {
        self.sim().off
    }

    pub fn fail(&self, fault: SimFault) {
        self.sim().faults.push(fault);
    }

    /// The disk is full when its files together have this many bytes.
    pub fn set_capacity(&self, size_bytes: Option<u64>) {
        self.sim().capacity = size_bytes;
    }

    pub fn used_bytes(&self) -> u64 {
        self.sim().used()
    }

    /// Content of a file, for tests that damage it.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let sim = self.sim();
        sim.names.get(path).and_then(|inode| sim.files.get(inode)).map(|file| file.current.clone())
    }

    /// Replaces the content of a file, as durable.
    pub fn replace(&self, path: &Path, content: Vec<u8>) {
        let mut sim = self.sim();
        if let Some(inode) = sim.names.get(path).copied() {
            sim.files.insert(inode, SimFile { durable: content.clone(), current: content, ops: Vec::new() });
        }
    }

    /// Paths of all files, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.sim().names.keys().cloned().collect()
    }

    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.files.get(inode)).map(|file| file.current.len() as u64).sum()
    }

    fn alive(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the simulated machine is off")) } else { Ok(()) }
    }

    /// Counts an operation that changes something.
    fn step(&mut self) -> io::Result<()> {
        self.alive()?;
        self.ops += 1;
        if self.dies_at == Some(self.ops) {
            self.off = true;
        }
        self.alive()
    }

    fn fault(&mut self, op: SimOp, path: &Path) -> Option<io::Error> {
        let path = path.to_string_lossy();
        let mut failed = None;
        for fault in &mut self.faults {
            if fault.op == op && fault.nth > 0 && path.contains(fault.path) {
                fault.nth -= 1;
                if fault.nth == 0 {
                    failed = Some(io::Error::from(fault.error));
                }
            }
        }
        failed
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, Inode>, op: &NameOp) {
    match op {
        NameOp::Link(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameOp::Rename(from, to, inode) => {
            if names.get(from) == Some(inode) {
                names.remove(from);
            }
            names.insert(to.clone(), *inode);
        }
        NameOp::Unlink(path) => {
            names.remove(path);
        }
    }
}

impl FileOp {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            FileOp::Write(offset, data) => {
                if content.len() < offset + data.len() {
                    content.resize(offset + data.len(), 0);
                }
                content[*offset..offset + data.len()].copy_from_slice(data);
            }
            FileOp::SetLen(size) => content.resize(*size, 0),
        }
    }
}

impl SimFile {
    fn change(&mut self, op: FileOp) {
        op.apply(&mut self.current);
        self.ops.push(op);
    }

    /// Each sector keeps what it held after some number of the unsynced operations, each by its own draw; so does the
    /// size.
    fn after_power_loss(&self, random: &mut Random) -> Vec<u8> {
        let mode = random.below(4);
        if self.ops.is_empty() || mode == 0 {
            return self.durable.clone();
        }
        if mode == 1 {
            return self.current.clone();
        }
        let mut sizes = vec![self.durable.len()];
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        let mut size = self.durable.len();
        for op in &self.ops {
            match op {
                FileOp::Write(offset, data) => {
                    touched.extend(offset / SECTOR_BYTES..(offset + data.len()).div_ceil(SECTOR_BYTES));
                    size = size.max(offset + data.len());
                }
                FileOp::SetLen(to) => {
                    touched.extend(to.min(&size) / SECTOR_BYTES..(*to.max(&size)).div_ceil(SECTOR_BYTES));
                    size = *to;
                }
            }
            sizes.push(size);
        }
        let size = sizes[random.below(sizes.len() as u64) as usize];
        let mut content = self.durable.clone();
        content.resize(size, 0);
        // Sizes as they were before each operation, to know what a truncation zeroed.
        for sector in touched {
            let start = sector * SECTOR_BYTES;
            if start >= size {
                continue;
            }
            let end = (start + SECTOR_BYTES).min(size);
            let kept = random.below(self.ops.len() as u64 + 1) as usize;
            let mut bytes = vec![0u8; SECTOR_BYTES];
            let from = start.min(self.durable.len())..(start + SECTOR_BYTES).min(self.durable.len());
            bytes[..from.len()].copy_from_slice(&self.durable[from]);
            for op in &self.ops[..kept] {
                match op {
                    FileOp::Write(offset, data) => {
                        let low = (*offset).max(start);
                        let high = (offset + data.len()).min(start + SECTOR_BYTES);
                        if low < high {
                            bytes[low - start..high - start].copy_from_slice(&data[low - offset..high - offset]);
                        }
                    }
                    FileOp::SetLen(to) if *to < start + SECTOR_BYTES => bytes[to.saturating_sub(start)..].fill(0),
                    FileOp::SetLen(_) => {}
                }
            }
            content[start..end].copy_from_slice(&bytes[..end - start]);
        }
        content
    }
}

impl Disk for SimDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut sim = self.sim();
        sim.alive()?;
        // Directories are made before anything is acknowledged, so that losing them shows nothing new.
        sim.dirs.insert(dir.to_path_buf());
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut sim = self.sim();
        sim.alive()?;
        let inode = match sim.names.get(path).copied() {
            Some(inode) => inode,
            None if !create => return Err(io::ErrorKind::NotFound.into()),
            None => {
                sim.step()?;
                sim.next_inode += 1;
                let inode = sim.next_inode;
                sim.files.insert(inode, SimFile::default());
                sim.names.insert(path.to_path_buf(), inode);
                sim.name_ops.push(NameOp::Link(path.to_path_buf(), inode));
                inode
            }
        };
        Ok(Arc::new(SimHandle { disk: self.clone(), inode, path: path.to_path_buf() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let sim = self.sim();
        sim.alive()?;
        let inside = sim.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut sim = self.sim();
        sim.step()?;
        let inode = sim.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        let op = NameOp::Rename(from.to_path_buf(), to.to_path_buf(), inode);
        apply_name(&mut sim.names, &op);
        sim.name_ops.push(op);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.sim();
        sim.step()?;
        if sim.names.remove(path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        sim.name_ops.push(NameOp::Unlink(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut sim = self.sim();
        sim.step()?;
        if let Some(error) = sim.fault(SimOp::Sync, dir) {
            return Err(error);
        }
        let ops = std::mem::take(&mut sim.name_ops);
        for op in ops {
            let (NameOp::Link(path, _) | NameOp::Rename(path, _, _) | NameOp::Unlink(path)) = &op;
            if path.parent() == Some(dir) {
                apply_name(&mut sim.durable_names, &op);
            } else {
                sim.name_ops.push(op);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut sim = self.sim();
        sim.alive()?;
        if !sim.locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock(self.clone(), path.to_path_buf())))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let sim = self.sim();
        sim.alive()?;
        Ok(sim.capacity.map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(sim.used())))
    }
}

struct SimLock(SimDisk, PathBuf);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.sim().locked.remove(&self.1);
    }
}

struct SimHandle {
    disk: SimDisk,
    inode: Inode,
    path: PathBuf,
}

impl SimHandle {
    fn change(&self, op: FileOp) -> io::Result<()> {
        let mut sim = self.disk.sim();
        sim.step()?;
        let fault = sim.fault(SimOp::Write, &self.path);
        let free = sim.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(sim.used()));
        let Some(file) = sim.files.get_mut(&self.inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let room = usize::try_from(free).unwrap_or(usize::MAX).saturating_add(file.current.len());
        match (op, fault) {
            (FileOp::Write(offset, mut data), Some(error)) => {
                data.truncate(data.len() / 2);
                file.change(FileOp::Write(offset, data));
                Err(error)
            }
            (FileOp::SetLen(_), Some(error)) => Err(error),
            (FileOp::Write(offset, mut data), None) if offset + data.len() > room => {
                data.truncate(room.saturating_sub(offset));
                if !data.is_empty() {
                    file.change(FileOp::Write(offset, data));
                }
                Err(io::ErrorKind::StorageFull.into())
            }
            (FileOp::SetLen(size), None) if size > room => Err(io::ErrorKind::StorageFull.into()),
            (op, None) => {
                file.change(op);
                Ok(())
            }
        }
    }
}

impl DiskFile for SimHandle {
    fn size(&self) -> io::Result<u64> {
        let sim = self.disk.sim();
        sim.alive()?;
        sim.files.get(&self.inode).map(|file| file.current.len() as u64).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let sim = self.disk.sim();
        sim.alive()?;
        let file = sim.files.get(&self.inode).ok_or(io::ErrorKind::NotFound)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = file.current.get(offset..offset + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(FileOp::Write(usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?, data.to_vec()))
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.change(FileOp::SetLen(usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?))
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.disk.sim();
        sim.step()?;
        let fault = sim.fault(SimOp::Sync, &self.path);
        let Some(file) = sim.files.get_mut(&self.inode) else { return Err(io::ErrorKind::NotFound.into()) };
        if let Some(error) = fault {
            return Err(error);
        }
        let ops = std::mem::take(&mut file.ops);
        for op in &ops {
            op.apply(&mut file.durable);
        }
        Ok(())
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }
}

/// Small, seeded, and the same on every machine, so that a failing seed is a reproduction.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        ((mixed ^ (mixed >> 33)) >> 8) % bound.max(1)
    }
}
