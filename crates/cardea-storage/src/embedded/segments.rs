//! The log on disk: files of consecutive records. The newest is open and appended to at each flush; one that has grown
//! past a bound is sealed: compressed block by block, with an index, so that a read unpacks only what it needs. Segments
//! are trimmed whole. It must never hand out a record whose checksum, which covers its position too, does not match.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

use crate::disk::{Disk, DiskFile, read_all};
use crate::embedded::OpenError;

/// Magic and first position.
const OPEN_HEADER_BYTES: usize = 16;
const OPEN_MAGIC: &[u8; 8] = b"CARDLOG1";
/// Length 4 and checksum 4 before each record.
const FRAME_HEADER_BYTES: usize = 8;
/// Magic 8, first position 8, count 8, offset of the index 8, blocks 4, checksum of header and index 4.
const SEALED_HEADER_BYTES: usize = 40;
const SEALED_MAGIC: &[u8; 8] = b"CARDLGZ1";
/// First ordinal 4, offset 8, packed size 4, plain size 4, checksum of the packed bytes 4.
const BLOCK_ENTRY_BYTES: usize = 24;
/// Plain bytes of a block: large enough to compress well, small enough that one record costs little to read.
const BLOCK_BYTES: usize = 64 << 10;
/// Records between two known offsets of the open segment.
const STRIDE: u64 = 64;
/// Strides that are read at once when a segment is sealed: about a mebibyte, which stays in the processor's cache. Whole
/// segments in one buffer cost more in page faults than the packing took.
const WINDOW_STRIDES: usize = 16;
/// Bytes that are gathered before they are written to the open segment; for the same reason.
const APPEND_BYTES: usize = 256 << 10;
/// zstd's own default: on this text, higher levels give a few per cent for several times the work.
const ZSTD_LEVEL: i32 = 3;
/// No frame is longer: a record fits a batch.
const RECORD_BYTES_MAX: usize = crate::batch::BATCH_BYTES_MAX;

pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Ascending, without a gap. Replaced as a whole, so that a reader keeps a consistent one.
    all: Mutex<Arc<Vec<Arc<Segment>>>>,
    /// Held by whoever changes files and list: the flusher, and a trim.
    changing: Mutex<()>,
    /// How long the log is as far as the tree knows. A start removes segments that begin behind it, so that one before it must
    /// stay.
    known: AtomicU64,
}

struct Segment {
    first: u64,
    count: u64,
    bytes: u64,
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    /// Offset of every [`STRIDE`]-th record.
    Open(Vec<u64>),
    Sealed(OnceLock<Arc<Vec<Block>>>),
}

#[derive(Clone, Copy)]
struct Block {
    first_ordinal: u32,
    offset: u64,
    packed: u32,
    plain: u32,
    checksum: u32,
}

impl Segment {
    fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// Why records could not be read.
pub(crate) enum SegmentError {
    Io(io::Error),
    Corrupt(PathBuf, u64, &'static str),
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        SegmentError::Io(error)
    }
}

impl SegmentError {
    fn at(self, path: &Path) -> OpenError {
        match self {
            SegmentError::Io(error) => OpenError::io(path, error),
            SegmentError::Corrupt(path, offset, why) => OpenError::corrupt(&path, offset, why),
        }
    }
}

impl std::fmt::Display for SegmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SegmentError::Io(error) => write!(f, "log: {error}"),
            SegmentError::Corrupt(path, offset, why) => write!(f, "{} at byte {offset}: {why}", path.display()),
        }
    }
}

impl Segments {
    /// Reads what is there, cuts what the tree does not know of (the journal has it still), and finishes or undoes a
    /// sealing that was interrupted.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, size: u64) -> Result<Self, OpenError> {
        // After a kill, what is seen here may not be durable; a removal below that overtakes a renaming would be a loss.
        disk.sync_dir(dir).map_err(|e| OpenError::io(dir, e))?;
        let mut opens = Vec::new();
        let mut sealed = Vec::new();
        for name in disk.list(dir).map_err(|e| OpenError::io(dir, e))? {
            let path = dir.join(&name);
            if name.ends_with(".tmp") {
                disk.remove(&path).map_err(|e| OpenError::io(&path, e))?;
                continue;
            }
            let number = |suffix: &str| name.strip_suffix(suffix).and_then(|stem| stem.parse::<u64>().ok());
            match (number(".seg"), number(".seg.zst")) {
                (Some(first), _) => opens.push(first),
                (_, Some(first)) => sealed.push(first),
                _ => return Err(OpenError::corrupt(&path, 0, "not a log segment")),
            }
        }
        opens.sort_unstable();
        sealed.sort_unstable();
        let mut all: Vec<Arc<Segment>> = Vec::new();
        for first in &sealed {
            let path = sealed_path(dir, *first);
            let segment = open_sealed(disk.as_ref(), &path, *first).map_err(|e| e.at(&path))?;
            all.push(Arc::new(segment));
        }
        for first in opens {
            let path = open_path(dir, first);
            // Sealed and renamed, but the original is not gone yet; or begun by a flush that the tree never saw.
            if sealed.contains(&first) || first >= size {
                disk.remove(&path).map_err(|e| OpenError::io(&path, e))?;
                continue;
            }
            all.push(Arc::new(recover_open(disk.as_ref(), &path, first, size).map_err(|e| e.at(&path))?));
        }
        disk.sync_dir(dir).map_err(|e| OpenError::io(dir, e))?;
        all.sort_by_key(|segment| segment.first);
        for pair in all.windows(2) {
            if pair[0].end() != pair[1].first {
                return Err(OpenError::corrupt(&pair[1].path, 0, "records are missing before this segment"));
            }
            if matches!(pair[0].kind, Kind::Open(_)) && matches!(pair[1].kind, Kind::Sealed(_)) {
                return Err(OpenError::corrupt(&pair[0].path, 0, "an open segment before a sealed one"));
            }
        }
        let end = all.last().map_or(size, |segment| segment.end());
        if end != size || (all.is_empty() && size > 0) {
            return Err(OpenError::corrupt(dir, 0, "the log holds fewer records than the tree says"));
        }
        Ok(Self {
            disk,
            dir: dir.to_path_buf(),
            all: Mutex::new(Arc::new(all)),
            changing: Mutex::new(()),
            known: AtomicU64::new(size),
        })
    }

    /// The tree knows of the log up to the position `size`, durably.
    pub(crate) fn set_known(&self, size: u64) {
        self.known.store(size, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Vec<Arc<Segment>>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// First kept position, or `None` when nothing is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.lock().first().map(|segment| segment.first)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.lock().iter().map(|segment| segment.bytes).sum()
    }

    /// Makes the records from position `first` on durable. Those that an earlier, failed flush already brought are
    /// left as they are. Called by the flusher only.
    pub(crate) fn append(&self, first: u64, records: &[Bytes], segment_bytes: u64) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.lock().clone();
        let newest = all.last().cloned();
        let have = newest.as_ref().map_or(first, |segment| segment.end());
        let skip = usize::try_from(have.saturating_sub(first)).unwrap_or(usize::MAX).min(records.len());
        let records = &records[skip..];
        if records.is_empty() {
            return Ok(());
        }
        let first = first + skip as u64;
        let (segment, is_new) = match newest {
            Some(open) if matches!(open.kind, Kind::Open(_)) && open.bytes < segment_bytes => (open, false),
            _ => {
                let kind = Kind::Open(Vec::new());
                (Arc::new(Segment { first, count: 0, bytes: 0, path: open_path(&self.dir, first), kind }), true)
            }
        };
        let file = self.disk.open(&segment.path, true)?;
        let mut buffer = Vec::with_capacity(APPEND_BYTES);
        if is_new {
            buffer.extend_from_slice(OPEN_MAGIC);
            buffer.extend_from_slice(&first.to_le_bytes());
        }
        let Kind::Open(offsets) = &segment.kind else { return Err(io::Error::other("a sealed segment is not open")) };
        let mut offsets = offsets.clone();
        let mut end = segment.bytes;
        let mut write_out = |buffer: &mut Vec<u8>| {
            if let Err(error) = file.write_at(end, buffer) {
                file.set_len(segment.bytes)?;
                return Err(error);
            }
            end += buffer.len() as u64;
            buffer.clear();
            Ok(end)
        };
        let mut written = segment.bytes;
        for (position, record) in (first..).zip(records) {
            if buffer.len() + FRAME_HEADER_BYTES + record.len() > APPEND_BYTES {
                written = write_out(&mut buffer)?;
            }
            if (position - segment.first).is_multiple_of(STRIDE) {
                offsets.push(written + buffer.len() as u64);
            }
            buffer.extend_from_slice(&(record.len() as u32).to_le_bytes());
            buffer.extend_from_slice(&record_checksum(position, record).to_le_bytes());
            buffer.extend_from_slice(record);
        }
        let end = write_out(&mut buffer)?;
        file.sync()?;
        if is_new {
            self.disk.sync_dir(&self.dir)?;
        }
        let grown = Segment {
            first: segment.first,
            count: segment.count + records.len() as u64,
            bytes: end,
            path: segment.path.clone(),
            kind: Kind::Open(offsets),
        };
        let mut list = (*all).clone();
        if !is_new {
            list.pop();
        }
        list.push(Arc::new(grown));
        *self.lock() = Arc::new(list);
        Ok(())
    }

    /// Seals open segments that are large enough. Only after the tree has recorded their size, so that a sealed segment
    /// is never cut back.
    pub(crate) fn seal(&self, segment_bytes: u64) -> Result<(), SegmentError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.lock().clone();
        for (index, segment) in all.iter().enumerate() {
            if !matches!(segment.kind, Kind::Open(_)) || segment.bytes < segment_bytes {
                continue;
            }
            let sealed = self.seal_one(segment)?;
            let mut list = (**self.lock()).clone();
            list[index] = Arc::new(sealed);
            *self.lock() = Arc::new(list);
            self.disk.remove(&segment.path)?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    fn seal_one(&self, segment: &Segment) -> Result<Segment, SegmentError> {
        let Kind::Open(offsets) = &segment.kind else {
            return Err(io::Error::other("a segment is sealed once").into());
        };
        let source = self.disk.open(&segment.path, false)?;
        let path = sealed_path(&self.dir, segment.first);
        let temporary = path.with_extension("tmp");
        let file = self.disk.open(&temporary, true)?;
        file.set_len(0)?;
        let mut packer = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        let mut blocks: Vec<Block> = Vec::new();
        let mut at = SEALED_HEADER_BYTES as u64;
        let mut position = segment.first;
        let mut window = Vec::new();
        for (number, strides) in offsets.chunks(WINDOW_STRIDES).enumerate() {
            let from = strides.first().copied().unwrap_or(segment.bytes);
            let upto = offsets.get((number + 1) * WINDOW_STRIDES).copied().unwrap_or(segment.bytes);
            window.resize(usize::try_from(upto.saturating_sub(from)).unwrap_or(0), 0);
            source.read_at(from, &mut window)?;
            let mut frames = Frames::new(&window, 0, position);
            let (mut start, mut start_position) = (0, position);
            while let Some(frame) = frames.next_frame() {
                if frame.is_err() {
                    let why = "a record does not match its checksum";
                    return Err(SegmentError::Corrupt(segment.path.clone(), from + frames.offset as u64, why));
                }
                if frames.offset - start < BLOCK_BYTES && frames.offset < window.len() {
                    continue;
                }
                let plain = &window[start..frames.offset];
                let packed = packer.compress(plain)?;
                file.write_at(at, &packed)?;
                blocks.push(Block {
                    first_ordinal: (start_position - segment.first) as u32,
                    offset: at,
                    packed: packed.len() as u32,
                    plain: plain.len() as u32,
                    checksum: crc32fast::hash(&packed),
                });
                at += packed.len() as u64;
                (start, start_position) = (frames.offset, frames.position);
            }
            position = frames.position;
        }
        if position != segment.end() {
            return Err(SegmentError::Corrupt(segment.path.clone(), segment.bytes, "records are missing at the end"));
        }
        let index = encode_index(&blocks);
        file.write_at(at, &index)?;
        file.write_at(0, &sealed_header(segment.first, segment.count, at, &index, blocks.len()))?;
        file.sync()?;
        self.disk.rename(&temporary, &path)?;
        self.disk.sync_dir(&self.dir)?;
        let cell = OnceLock::new();
        let bytes = at + index.len() as u64;
        Ok(Segment { first: segment.first, count: segment.count, bytes, path, kind: Kind::Sealed(cell) })
    }

    /// Removes whole sealed segments that hold only positions before `before`, oldest first; each removal is durable
    /// before the next, so that a power loss leaves no gap. The newest segment that the tree knows of stays: it says where the
    /// log goes on.
    pub(crate) fn trim(&self, before: u64) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut guard = self.lock();
            let Some(oldest) = guard.first().cloned() else { return Ok(()) };
            let known = self.known.load(Ordering::Acquire);
            let would_be_first = guard.get(1).is_some_and(|next| next.first < known);
            if oldest.end() > before || matches!(oldest.kind, Kind::Open(_)) || !would_be_first {
                return Ok(());
            }
            let list: Vec<_> = guard.iter().skip(1).cloned().collect();
            *guard = Arc::new(list);
            drop(guard);
            self.disk.remove(&oldest.path)?;
            self.disk.sync_dir(&self.dir)?;
        }
    }

    /// Records from `from` on that lie in segments, at most `limit` and about `bytes_max`.
    pub(crate) fn read(&self, from: u64, limit: usize, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, SegmentError> {
        // A segment may be sealed or trimmed between the look at the list and the opening of its file.
        for _ in 0..4 {
            let all = self.lock().clone();
            match self.read_from(&all, from, limit, bytes_max) {
                Err(SegmentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        let all = self.lock().clone();
        self.read_from(&all, from, limit, bytes_max)
    }

    fn read_from(
        &self,
        all: &[Arc<Segment>],
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Bytes)>, SegmentError> {
        let mut found = Vec::new();
        let mut left = bytes_max;
        let start = all.partition_point(|segment| segment.end() <= from);
        for segment in &all[start..] {
            let mut position = from.max(segment.first);
            while position < segment.end() && found.len() < limit && left > 0 {
                let before = found.len();
                let (first, plain) = self.block_with(segment, position)?;
                let mut frames = Frames::new(&plain, 0, first);
                while let Some(frame) = frames.next_frame() {
                    let (at, record) =
                        frame.map_err(|why| SegmentError::Corrupt(segment.path.clone(), frames.offset as u64, why))?;
                    if at < position {
                        continue;
                    }
                    if found.len() == limit || at >= segment.end() || (left < record.len() && !found.is_empty()) {
                        return Ok(found);
                    }
                    left = left.saturating_sub(record.len());
                    found.push((at, Bytes::copy_from_slice(record)));
                    position = at + 1;
                }
                if found.len() == before {
                    let why = "a block holds fewer records than its index says";
                    return Err(SegmentError::Corrupt(segment.path.clone(), 0, why));
                }
            }
        }
        Ok(found)
    }

    /// The frames around a position, with the position of the first one; only whole frames.
    fn block_with(&self, segment: &Segment, position: u64) -> Result<(u64, Vec<u8>), SegmentError> {
        let file = self.disk.open(&segment.path, false)?;
        let ordinal = position - segment.first;
        match &segment.kind {
            Kind::Open(offsets) => {
                let stride = (ordinal / STRIDE) as usize;
                let start = offsets.get(stride).copied().unwrap_or(OPEN_HEADER_BYTES as u64);
                let end = offsets.get(stride + 1).copied().unwrap_or(segment.bytes);
                let mut plain = vec![0; (end - start) as usize];
                file.read_at(start, &mut plain)?;
                Ok((segment.first + stride as u64 * STRIDE, plain))
            }
            Kind::Sealed(cell) => {
                let blocks = match cell.get() {
                    Some(blocks) => blocks.clone(),
                    None => {
                        let (_, blocks) = read_index(file.as_ref(), &segment.path, segment.first)?;
                        cell.get_or_init(|| Arc::new(blocks)).clone()
                    }
                };
                let index = blocks.partition_point(|block| u64::from(block.first_ordinal) <= ordinal).saturating_sub(1);
                let corrupt = |offset, why| SegmentError::Corrupt(segment.path.clone(), offset, why);
                let block = *blocks.get(index).ok_or_else(|| corrupt(0, "no block for a record"))?;
                let mut packed = vec![0; block.packed as usize];
                file.read_at(block.offset, &mut packed)?;
                if crc32fast::hash(&packed) != block.checksum {
                    return Err(corrupt(block.offset, "a block does not match its checksum"));
                }
                let plain = zstd::bulk::decompress(&packed, block.plain as usize)
                    .map_err(|_| corrupt(block.offset, "a block does not unpack"))?;
                Ok((segment.first + u64::from(block.first_ordinal), plain))
            }
        }
    }

    /// Reads everything, comparing every checksum.
    pub(crate) fn verify(&self) -> Result<(), SegmentError> {
        let (mut next, end) = {
            let all = self.lock();
            (all.first().map_or(0, |s| s.first), all.last().map_or(0, |s| s.end()))
        };
        while next < end {
            let read = self.read(next, usize::MAX, 1 << 20)?;
            match read.last() {
                Some((last, _)) => next = last + 1,
                None => return Err(SegmentError::Corrupt(self.dir.clone(), 0, "records are missing")),
            }
        }
        Ok(())
    }
}

fn open_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

fn sealed_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg.zst"))
}

fn record_checksum(position: u64, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(&(record.len() as u32).to_le_bytes());
    hasher.update(record);
    hasher.finalize()
}

/// Walks frames; a frame that is cut or damaged is an error, the end of the bytes is the end.
struct Frames<'a> {
    content: &'a [u8],
    offset: usize,
    position: u64,
}

impl<'a> Frames<'a> {
    fn new(content: &'a [u8], offset: usize, position: u64) -> Self {
        Self { content, offset, position }
    }

    fn next_frame(&mut self) -> Option<Result<(u64, &'a [u8]), &'static str>> {
        let rest = self.content.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let parsed = rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            let (checksum, rest) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            let record = rest.get(..length).filter(|_| length <= RECORD_BYTES_MAX)?;
            (record_checksum(self.position, record) == u32::from_le_bytes(*checksum)).then_some(record)
        });
        let Some(record) = parsed else { return Some(Err("a record does not match its checksum")) };
        let position = self.position;
        self.offset += FRAME_HEADER_BYTES + record.len();
        self.position += 1;
        Some(Ok((position, record)))
    }
}

/// The open segment after a restart: every record up to `size` must be there, what lies behind is cut.
fn recover_open(disk: &dyn Disk, path: &Path, first: u64, size: u64) -> Result<Segment, SegmentError> {
    let content = read_all(disk, path)?;
    let corrupt = |offset: usize, why| SegmentError::Corrupt(path.to_path_buf(), offset as u64, why);
    let header = [OPEN_MAGIC.as_slice(), &first.to_le_bytes()].concat();
    if !content.starts_with(&header) {
        return Err(corrupt(0, "not a log segment"));
    }
    let mut frames = Frames::new(&content, OPEN_HEADER_BYTES, first);
    let mut offsets = Vec::new();
    while frames.position < size {
        if (frames.position - first).is_multiple_of(STRIDE) {
            offsets.push(frames.offset as u64);
        }
        match frames.next_frame() {
            Some(Ok(_)) => {}
            Some(Err(why)) => return Err(corrupt(frames.offset, why)),
            // A later segment goes on from here, or the caller finds that records are missing.
            None => break,
        }
    }
    let bytes = frames.offset as u64;
    let count = frames.position - first;
    if count.is_multiple_of(STRIDE) && offsets.len() as u64 > count / STRIDE {
        offsets.pop();
    }
    let file = disk.open(path, false)?;
    if bytes < content.len() as u64 {
        file.set_len(bytes)?;
    }
    file.sync()?;
    Ok(Segment { first, count, bytes, path: path.to_path_buf(), kind: Kind::Open(offsets) })
}

fn encode_index(blocks: &[Block]) -> Vec<u8> {
    let mut index = Vec::with_capacity(blocks.len() * BLOCK_ENTRY_BYTES);
    for block in blocks {
        index.extend_from_slice(&block.first_ordinal.to_le_bytes());
        index.extend_from_slice(&block.offset.to_le_bytes());
        index.extend_from_slice(&block.packed.to_le_bytes());
        index.extend_from_slice(&block.plain.to_le_bytes());
        index.extend_from_slice(&block.checksum.to_le_bytes());
    }
    index
}

fn sealed_header(first: u64, count: u64, index_at: u64, index: &[u8], blocks: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(SEALED_HEADER_BYTES);
    header.extend_from_slice(SEALED_MAGIC);
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&count.to_le_bytes());
    header.extend_from_slice(&index_at.to_le_bytes());
    header.extend_from_slice(&(blocks as u32).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    hasher.update(index);
    header.extend_from_slice(&hasher.finalize().to_le_bytes());
    header
}

fn open_sealed(disk: &dyn Disk, path: &Path, first: u64) -> Result<Segment, SegmentError> {
    let file = disk.open(path, false)?;
    // The index is checked now and kept only once it is read from: thousands of segments cost little memory.
    let (count, _) = read_index(file.as_ref(), path, first)?;
    let bytes = file.size()?;
    Ok(Segment { first, count, bytes, path: path.to_path_buf(), kind: Kind::Sealed(OnceLock::new()) })
}

fn read_index(file: &dyn DiskFile, path: &Path, first: u64) -> Result<(u64, Vec<Block>), SegmentError> {
    let corrupt = |why| SegmentError::Corrupt(path.to_path_buf(), 0, why);
    let mut header = [0u8; SEALED_HEADER_BYTES];
    let size = file.size()?;
    if size < SEALED_HEADER_BYTES as u64 {
        return Err(corrupt("shorter than its header"));
    }
    file.read_at(0, &mut header)?;
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| header[at + n]));
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|n| header[at + n]));
    let (count, index_at, blocks) = (u64_at(16), u64_at(24), u32_at(32));
    let index_bytes = u64::from(blocks) * BLOCK_ENTRY_BYTES as u64;
    if header[..8] != *SEALED_MAGIC || u64_at(8) != first || index_at.checked_add(index_bytes) != Some(size) {
        return Err(corrupt("not a sealed log segment"));
    }
    let mut index = vec![0; index_bytes as usize];
    file.read_at(index_at, &mut index)?;
    if sealed_header(first, count, index_at, &index, blocks as usize)[36..] != header[36..] {
        return Err(corrupt("the index does not match its checksum"));
    }
    let blocks = index.chunks_exact(BLOCK_ENTRY_BYTES).map(|entry| {
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|n| entry[at + n]));
        let offset = u64::from_le_bytes(std::array::from_fn(|n| entry[4 + n]));
        let (packed, plain, checksum) = (u32_at(12), u32_at(16), u32_at(20));
        Block { first_ordinal: u32_at(0), offset, packed, plain, checksum }
    });
    Ok((count, blocks.collect()))
}
