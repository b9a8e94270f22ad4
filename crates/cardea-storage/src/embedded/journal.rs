//! The journal: the one file that is synced for a commit. Commits that arrive together are written as one *group*, a
//! frame with length, revisions and checksums, and share one sync. It must never be read past damage: a group that was
//! not acknowledged (torn, at the very end) is cut and reported, anything else that does not check is corruption.
//!
//! Why a damaged group followed by a good one is corruption, and at the end is not: a group is written only after the
//! one before it was synced. So a later good group proves that the earlier one was whole on disk. Within one group a
//! disk may keep any sectors; the group's one checksum covers all of it, so it counts as a whole or not at all.
//!
//! A file is extended with zeros a step ahead of the frames, because a sync that also changes the file's size costs up
//! to twice as much; zeros to the end of a file are its clean end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Batch, Write};
use crate::disk::{Disk, DiskFile, read_all};
use crate::embedded::OpenError;
use crate::store::{Key, Revision};

/// Magic and first revision of a file, then its checksum.
const FILE_HEADER_BYTES: usize = 20;
const FILE_MAGIC: &[u8; 8] = b"CARDJRN1";
/// Magic 4, payload length 4, first revision 8, commits 4, payload checksum 4, header checksum 4.
pub(crate) const GROUP_HEADER_BYTES: usize = 28;
const GROUP_MAGIC: &[u8; 4] = b"\xc4GRP";
/// How far a file grows ahead of its frames, at most: one size-changing sync in some thousand of small commits.
pub(crate) const EXTEND_BYTES_MAX: u64 = 1 << 20;

/// The commits that the next sync will cover, encoded.
pub(crate) struct Group {
    buffer: Vec<u8>,
    first: Revision,
    count: u32,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; GROUP_HEADER_BYTES], first: Revision(0), count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn last(&self) -> Revision {
        Revision(self.first.0 + u64::from(self.count.saturating_sub(1)))
    }

    pub(crate) fn push(&mut self, revision: Revision, entry: &[u8]) {
        if self.count == 0 {
            self.first = revision;
        }
        debug_assert_eq!(revision.0, self.first.0 + u64::from(self.count));
        self.count += 1;
        self.buffer.extend_from_slice(entry);
    }

    /// Ready for reuse; a rare large buffer is given back.
    pub(crate) fn clear(&mut self) {
        self.buffer.truncate(GROUP_HEADER_BYTES);
        self.buffer.shrink_to(1 << 20);
        self.count = 0;
    }

    fn finish(&mut self) {
        let payload = &self.buffer[GROUP_HEADER_BYTES..];
        let (length, checksum) = (payload.len() as u32, crc32fast::hash(payload));
        let header = &mut self.buffer[..GROUP_HEADER_BYTES];
        header[..4].copy_from_slice(GROUP_MAGIC);
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        header[16..20].copy_from_slice(&self.count.to_le_bytes());
        header[20..24].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32fast::hash(&header[..24]);
        header[24..28].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// One commit as the journal keeps it: time, counts, writes, appends. The time is set when the commit is applied.
pub(crate) fn encode(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.size_bytes() + 12 + batch.ops() * 8);
    out.extend_from_slice(&0u64.to_le_bytes());
    out.extend_from_slice(&(batch.writes.len() as u16).to_le_bytes());
    out.extend_from_slice(&(batch.appends.len() as u16).to_le_bytes());
    for write in &batch.writes {
        let key = write.key();
        out.push(u8::from(matches!(write, Write::Put(..))));
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        out.extend_from_slice(key);
        if let Write::Put(_, value) = write {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
    for record in &batch.appends {
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(record);
    }
    out
}

pub(crate) fn set_time(entry: &mut [u8], now_ms: u64) {
    if let Some(place) = entry.first_chunk_mut::<8>() {
        *place = now_ms.to_le_bytes();
    }
}

/// One commit read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) revision: Revision,
    pub(crate) now_ms: u64,
    /// `None` is a delete.
    pub(crate) writes: Vec<(Key, Option<Bytes>)>,
    pub(crate) appends: Vec<Bytes>,
}

impl Entry {
    /// About what it takes in the journal.
    pub(crate) fn size_bytes(&self) -> usize {
        let writes = self.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len) + 7);
        12 + writes.sum::<usize>() + self.appends.iter().map(|record| record.len() + 4).sum::<usize>()
    }
}

/// Takes parts off the front of a slice; `None` when it is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(part)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    fn u16(&mut self) -> Option<usize> {
        self.array().map(|bytes| usize::from(u16::from_le_bytes(bytes)))
    }
    fn u32(&mut self) -> Option<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

fn decode(reader: &mut Reader<'_>, revision: Revision) -> Option<Entry> {
    let now_ms = reader.u64()?;
    let (writes_count, appends_count) = (reader.u16()?, reader.u16()?);
    let mut writes = Vec::with_capacity(writes_count);
    for _ in 0..writes_count {
        let [kind] = reader.array()?;
        let key_len = reader.u16()?;
        let key = reader.take(key_len)?.to_vec();
        let value = match kind {
            0 => None,
            1 => {
                let value_len = reader.u32()?;
                Some(Bytes::copy_from_slice(reader.take(value_len)?))
            }
            _ => return None,
        };
        writes.push((key, value));
    }
    let mut appends = Vec::with_capacity(appends_count);
    for _ in 0..appends_count {
        let len = reader.u32()?;
        appends.push(Bytes::copy_from_slice(reader.take(len)?));
    }
    Some(Entry { revision, now_ms, writes, appends })
}

/// A group as it lies in a file.
struct Found<'a> {
    first: Revision,
    count: u32,
    payload: &'a [u8],
    size_bytes: usize,
}

/// `Err` carries how far the damage is known to reach: past a sound header lies its payload, and what looks like a
/// group inside a payload is only a value.
fn group_at(content: &[u8], offset: usize) -> Result<Found<'_>, usize> {
    let unknown = offset + 1;
    let rest = &content[offset..];
    let header = rest.get(..GROUP_HEADER_BYTES).ok_or(unknown)?;
    let mut reader = Reader(header);
    let parsed = (|| {
        let magic = reader.array::<4>()?;
        Some((magic, reader.u32()?, reader.u64()?, reader.u32()?, reader.u32()?, reader.u32()?))
    })();
    let (magic, length, first, count, payload_checksum, header_checksum) = parsed.ok_or(unknown)?;
    if magic != *GROUP_MAGIC || crc32fast::hash(&header[..24]) as usize != header_checksum {
        return Err(unknown);
    }
    let end = GROUP_HEADER_BYTES + length;
    let payload = rest.get(GROUP_HEADER_BYTES..end).ok_or(content.len())?;
    if crc32fast::hash(payload) as usize != payload_checksum {
        return Err(offset + end);
    }
    Ok(Found { first: Revision(first), count: count as u32, payload, size_bytes: end })
}

fn later_group(content: &[u8], from: usize, at_least: Revision) -> bool {
    let Some(rest) = content.get(from..) else { return false };
    rest.windows(GROUP_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| window == GROUP_MAGIC)
        .any(|(index, _)| group_at(content, from + index).is_ok_and(|group| group.first >= at_least))
}

/// A group that had not been acknowledged and was cut away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub file: PathBuf,
    /// Where the cut was made, in bytes from the start of the file.
    pub offset: u64,
    /// How much lay behind it.
    pub bytes: u64,
}

/// One journal file and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct JournalFile {
    pub(crate) path: PathBuf,
    pub(crate) last: Revision,
    pub(crate) bytes: u64,
}

pub(crate) struct Replayed {
    pub(crate) files: Vec<JournalFile>,
    pub(crate) cut: Option<Cut>,
}

fn file_path(dir: &Path, first: Revision) -> PathBuf {
    dir.join(format!("{:020}.journal", first.0))
}

/// Reads what the tree (at revision `applied`) does not have yet, in order, and leaves every file clean and synced.
pub(crate) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    applied: Revision,
    mut apply: impl FnMut(Entry),
) -> Result<Replayed, OpenError> {
    let mut firsts: Vec<Revision> = Vec::new();
    for name in disk.list(dir).map_err(|e| OpenError::io(dir, e))? {
        let number = name.strip_suffix(".journal").and_then(|stem| stem.parse().ok());
        firsts.push(Revision(number.ok_or_else(|| OpenError::corrupt(&dir.join(&name), 0, "not a journal file"))?));
    }
    firsts.sort();
    // What the tree took over may be there still (or again, after a power loss); only its successor says so.
    let covered = firsts.windows(2).take_while(|pair| pair[1].0 <= applied.0 + 1).count();
    for first in firsts.drain(..covered) {
        let path = file_path(dir, first);
        disk.remove(&path).map_err(|e| OpenError::io(&path, e))?;
    }
    let mut replayed = Replayed { files: Vec::new(), cut: None };
    let mut expected: Option<Revision> = None;
    for (index, first) in firsts.iter().enumerate() {
        let path = file_path(dir, *first);
        let is_last = index + 1 == firsts.len();
        let content = read_all(disk, &path).map_err(|e| OpenError::io(&path, e))?;
        let mut offset = FILE_HEADER_BYTES;
        let mut damage = file_header_damage(&content, *first);
        while damage.is_none() && offset < content.len() && content[offset..].iter().any(|byte| *byte != 0) {
            let group = match group_at(&content, offset) {
                Ok(group) => group,
                Err(reach) => {
                    damage = Some(reach);
                    break;
                }
            };
            let continues = match expected {
                None => group.first == *first && group.first.0 <= applied.0 + 1,
                Some(expected) => group.first == expected,
            };
            if !continues {
                return Err(OpenError::corrupt(&path, offset as u64, "commits are missing before this group"));
            }
            let mut reader = Reader(group.payload);
            for number in 0..u64::from(group.count) {
                let revision = Revision(group.first.0 + number);
                let entry = decode(&mut reader, revision)
                    .ok_or_else(|| OpenError::corrupt(&path, offset as u64, "a commit of this group does not parse"))?;
                if revision > applied {
                    apply(entry);
                }
            }
            if !reader.0.is_empty() {
                return Err(OpenError::corrupt(&path, offset as u64, "bytes are left over in this group"));
            }
            expected = Some(Revision(group.first.0 + u64::from(group.count)));
            offset += group.size_bytes;
        }
        let next = expected.unwrap_or(*first);
        if let Some(reach) = damage {
            if !is_last || later_group(&content, reach.min(content.len()), next) {
                return Err(OpenError::corrupt(&path, offset as u64, "a damaged group, with good ones behind it"));
            }
            let good = if offset > FILE_HEADER_BYTES { offset } else { 0 };
            replayed.cut = Some(Cut { file: path.clone(), offset: good as u64, bytes: (content.len() - good) as u64 });
        }
        if offset == FILE_HEADER_BYTES {
            // No whole group: the file was begun and nothing in it acknowledged.
            if !is_last {
                return Err(OpenError::corrupt(&path, 0, "an empty journal file, with a later one behind it"));
            }
            disk.remove(&path).map_err(|e| OpenError::io(&path, e))?;
            continue;
        }
        let file = disk.open(&path, false).map_err(|e| OpenError::io(&path, e))?;
        if is_last {
            file.set_len(offset as u64).map_err(|e| OpenError::io(&path, e))?;
        }
        // After a kill these bytes may be in the page cache only; they are about to be shown as durable.
        file.sync().map_err(|e| OpenError::io(&path, e))?;
        replayed.files.push(JournalFile { path, last: Revision(next.0 - 1), bytes: offset as u64 });
    }
    disk.sync_dir(dir).map_err(|e| OpenError::io(dir, e))?;
    Ok(replayed)
}

/// Where damage of the header ends, if it is damaged.
fn file_header_damage(content: &[u8], first: Revision) -> Option<usize> {
    let sound = content.get(..FILE_HEADER_BYTES).is_some_and(|found| found == file_header(first));
    (!sound).then_some(0)
}

fn file_header(first: Revision) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(FILE_MAGIC);
    header[8..16].copy_from_slice(&first.0.to_le_bytes());
    let checksum = crc32fast::hash(&header[..16]);
    header[16..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Why a group is not durable.
pub(crate) enum WriteFailure {
    /// The disk is full, and the journal is as clean as before: the same group may be written again.
    Full(io::Error),
    /// Never to be retried: after a failed sync nobody knows what the disk has.
    Fatal(io::Error),
}

/// Writes groups; owned by the one thread that syncs.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    extend_bytes: u64,
    open: Option<OpenFile>,
}

struct OpenFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// End of the last whole group.
    end: u64,
    /// Size of the file; zeros lie between.
    size: u64,
    /// Its entry in the directory is not known to be durable.
    is_new: bool,
}

impl Writer {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, extend_bytes: u64) -> Self {
        Self { disk, dir, extend_bytes, open: None }
    }

    /// Later groups go to a new file, so that the old ones can be removed whole.
    pub(crate) fn rotate(&mut self) {
        self.open = None;
    }

    /// Returns when the group is durable, with the file that it is in.
    pub(crate) fn write(&mut self, group: &mut Group) -> Result<JournalFile, WriteFailure> {
        group.finish();
        let dir = self.dir.clone();
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let path = file_path(&self.dir, group.first);
                let file = self.disk.open(&path, true).map_err(classify)?;
                none.insert(OpenFile { file, path, end: FILE_HEADER_BYTES as u64, size: 0, is_new: true })
            }
        };
        if let Err(error) = open.put(group, self.extend_bytes) {
            // The journal is clean before anything else happens, so that a torn group never has a good one behind it.
            let clean = if open.is_new { 0 } else { open.end };
            open.file.set_len(clean).map_err(WriteFailure::Fatal)?;
            open.size = clean;
            return Err(classify(error));
        }
        open.file.sync().map_err(WriteFailure::Fatal)?;
        if open.is_new {
            self.disk.sync_dir(&dir).map_err(WriteFailure::Fatal)?;
            open.is_new = false;
        }
        open.end += group.buffer.len() as u64;
        Ok(JournalFile { path: open.path.clone(), last: group.last(), bytes: open.end })
    }
}

impl OpenFile {
    fn put(&mut self, group: &Group, extend_bytes: u64) -> io::Result<()> {
        if self.is_new {
            self.file.write_at(0, &file_header(Revision(group.first.0)))?;
        }
        let end = self.end + group.buffer.len() as u64;
        self.file.write_at(self.end, &group.buffer)?;
        self.size = self.size.max(end);
        if self.size == end {
            // Only a matter of speed, so that a full disk is no error here; a shorter file is a correct one.
            let zeros = vec![0; extend_bytes as usize];
            if self.file.write_at(end, &zeros).is_ok() {
                self.size = end + extend_bytes;
            }
        }
        Ok(())
    }
}

fn classify(error: io::Error) -> WriteFailure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteFailure::Full(error),
        _ => WriteFailure::Fatal(error),
    }
}
