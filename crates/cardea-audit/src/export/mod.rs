//! The file that `cardea audit export` writes and `cardea audit verify` judges: lines of JSON, one after another.
//!
//! ```text
//! {"format":"cardea-audit-export","version":1,"origin":"cardea/c/n","first":8,"frontier":["<hash>"]}
//! {"prefix":4,"root":"<hash>","proof":["<hash>", ...]}
//! {"position":8,"leaf":"<hash>","record":{ ... the record's bytes as logged ... }}
//! {"checkpoint":1,"note":"<signed note>"}
//! {"end":12,"records":4,"checkpoints":1}
//! ```
//!
//! The frontier lets a log whose beginning was trimmed verify from `first` on; a `prefix` line proves that the log of that size
//! is the beginning of the frontier's. The leaf hash is the one the node kept when it logged the record, not one made for the
//! export, so that a record altered in the store is told from one altered in the file. Every line has exactly one spelling: the
//! reader must never accept a byte that it does not account for.

use crate::checkpoint::{Checkpoint, NOTE_BYTES_MAX};
use crate::hash::Hash;
use crate::merkle::Frontier;
use crate::position::Position;
use crate::record::RECORD_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read as _, Write};

const FORMAT: &str = "cardea-audit-export";
const VERSION: u32 = 1;
/// Most bytes of a line: the longest record with what stands around it. Notes and proofs are far shorter.
const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX + 512;
/// Most hashes of a consistency proof between sizes of 64 bits.
const PROOF_HASHES_MAX: usize = 65;

/// Why an export cannot be written or read. No variant carries content of the log.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("reading or writing the export failed: {0}")]
    Io(#[from] io::Error),
    #[error("the file is not an export of the log, or of a newer version")]
    NotAnExport,
    #[error("the line is not one of an export")]
    Malformed,
    #[error("the export ends in the middle")]
    Truncated,
    #[error("the record at position {0} cannot stand on a line")]
    NotALine(Position),
    #[error("the lines are given in an order that the export cannot have")]
    OutOfOrder,
}

/// Proof that the log of `size` records with this root is the beginning of the exported one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixProof {
    pub size: u64,
    pub root: Hash,
    /// From `size` to the export's first position.
    pub proof: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    version: u32,
    origin: String,
    first: u64,
    frontier: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefixLine {
    prefix: u64,
    root: Hash,
    proof: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: u64,
    note: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: u64,
    records: u64,
    checkpoints: u64,
}

/// Writes an export, line by line.
pub struct ExportWriter<W: Write> {
    out: W,
    origin: String,
    first: u64,
    next: Position,
    checkpoints: u64,
    last_checkpoint_size: Option<u64>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export at the frontier's size. `prefixes` are in the order of their sizes, all below it.
    ///
    /// # Errors
    /// Writing failed, or the prefixes are out of order.
    pub fn begin(mut out: W, origin: &str, frontier: &Frontier, prefixes: &[PrefixProof]) -> Result<Self, ExportError> {
        let first = frontier.size();
        let header = HeaderLine {
            format: FORMAT.to_owned(),
            version: VERSION,
            origin: origin.to_owned(),
            first,
            frontier: frontier.nodes().to_vec(),
        };
        write_line(&mut out, &header)?;
        let sizes = prefixes.iter().map(|prefix| prefix.size);
        if !sizes.clone().chain([first]).is_sorted_by(|a, b| a < b) {
            return Err(ExportError::OutOfOrder);
        }
        for prefix in prefixes {
            let line = PrefixLine { prefix: prefix.size, root: prefix.root, proof: prefix.proof.clone() };
            write_line(&mut out, &line)?;
        }
        let (origin, next) = (origin.to_owned(), Position(first));
        Ok(Self { out, origin, first, next, checkpoints: 0, last_checkpoint_size: None })
    }

    /// Adds the record at the next position, with the leaf hash that the node kept.
    ///
    /// # Errors
    /// Writing failed, `position` is not the next, or the bytes are not one line of JSON.
    pub fn record(&mut self, position: Position, leaf: &Hash, record: &[u8]) -> Result<(), ExportError> {
        if position != self.next {
            return Err(ExportError::OutOfOrder);
        }
        if !is_record_text(record) {
            return Err(ExportError::NotALine(position));
        }
        write!(self.out, "{{\"position\":{position},\"leaf\":\"{leaf}\",\"record\":")?;
        self.out.write_all(record)?;
        self.out.write_all(b"}\n")?;
        self.next = position.next();
        Ok(())
    }

    /// Adds a checkpoint, which stands right after the records it signs. The more there are, the narrower a change is located.
    ///
    /// # Errors
    /// Writing failed, or the checkpoint is of another log, another size or not newer than the last.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        let statement = checkpoint.statement();
        let newer = self.last_checkpoint_size.is_none_or(|last| last < statement.size);
        if statement.origin != self.origin || statement.size != self.next.0 || !newer {
            return Err(ExportError::OutOfOrder);
        }
        self.checkpoints += 1;
        self.last_checkpoint_size = Some(statement.size);
        write_line(&mut self.out, &CheckpointLine { checkpoint: self.checkpoints, note: checkpoint.to_string() })
    }

    /// Ends the export. Its last line but this one must be a checkpoint, since records after it would prove nothing.
    ///
    /// # Errors
    /// Writing failed, or the last checkpoint does not sign the end.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if self.last_checkpoint_size != Some(self.next.0) {
            return Err(ExportError::OutOfOrder);
        }
        let (end, records) = (self.next.0, self.next.0 - self.first);
        write_line(&mut self.out, &EndLine { end, records, checkpoints: self.checkpoints })?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn write_line<W: Write>(out: &mut W, line: &impl Serialize) -> Result<(), ExportError> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::from)?;
    text.push(b'\n');
    out.write_all(&text)?;
    Ok(())
}

fn is_record_text(record: &[u8]) -> bool {
    record.len() <= RECORD_BYTES_MAX
        && record.starts_with(b"{")
        && record.ends_with(b"}")
        && !record.contains(&b'\n')
        && std::str::from_utf8(record).is_ok()
}

/// How an export begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub origin: String,
    /// The tree before the first record.
    pub frontier: Frontier,
}

/// A line after the header.
#[derive(PartialEq, Eq, Debug)]
pub enum Line<'a> {
    Prefix(PrefixProof),
    Record {
        position: Position,
        leaf: Hash,
        /// The record's bytes as logged. Nothing about them is proven yet.
        record: &'a [u8],
    },
    Checkpoint {
        /// Counted from 1 within the export.
        number: u64,
        checkpoint: Box<Checkpoint>,
    },
    End {
        size: u64,
        records: u64,
        checkpoints: u64,
    },
}

/// Reads an export line by line, in memory for one line.
pub struct ExportReader<R: BufRead> {
    input: R,
    header: Header,
    buffer: Vec<u8>,
    line_number: u64,
    ended: bool,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Reading failed, or the first line is not an export's.
    pub fn open(mut input: R) -> Result<Self, ExportError> {
        let mut buffer = Vec::new();
        if !read_line(&mut input, &mut buffer).map_err(not_an_export)? {
            return Err(ExportError::NotAnExport);
        }
        let line: HeaderLine = canonical(&buffer).map_err(not_an_export)?;
        if line.format != FORMAT || line.version != VERSION {
            return Err(ExportError::NotAnExport);
        }
        let frontier = Frontier::from_parts(line.first, line.frontier).ok_or(ExportError::NotAnExport)?;
        let header = Header { origin: line.origin, frontier };
        Ok(Self { input, header, buffer, line_number: 1, ended: false })
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of the line read last, counted from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    /// The next line; `None` after the end line, when nothing follows it.
    ///
    /// # Errors
    /// Reading failed, the line is not an export's to the byte, the file stops before its end line, or something follows it.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ExportError> {
        let there = read_line(&mut self.input, &mut self.buffer);
        self.line_number += 1;
        match (there?, self.ended) {
            (false, true) => return Ok(None),
            (false, false) => return Err(ExportError::Truncated),
            (true, true) => return Err(ExportError::Malformed),
            (true, false) => {}
        }
        let line = &self.buffer;
        if line.starts_with(b"{\"position\":") {
            return parse_record(line).map(Some).ok_or(ExportError::Malformed);
        }
        if line.starts_with(b"{\"checkpoint\":") {
            let line: CheckpointLine = canonical(line)?;
            let checkpoint = Checkpoint::parse(&line.note).map_err(|_| ExportError::Malformed)?;
            // The note's own spelling too: what parses must print as it was.
            if line.note.len() > NOTE_BYTES_MAX || checkpoint.to_string() != line.note {
                return Err(ExportError::Malformed);
            }
            return Ok(Some(Line::Checkpoint { number: line.checkpoint, checkpoint: Box::new(checkpoint) }));
        }
        if line.starts_with(b"{\"prefix\":") {
            let line: PrefixLine = canonical(line)?;
            if line.proof.len() > PROOF_HASHES_MAX {
                return Err(ExportError::Malformed);
            }
            return Ok(Some(Line::Prefix(PrefixProof { size: line.prefix, root: line.root, proof: line.proof })));
        }
        let line: EndLine = canonical(line)?;
        self.ended = true;
        Ok(Some(Line::End { size: line.end, records: line.records, checkpoints: line.checkpoints }))
    }
}

/// A file that is not an export at all says so, whatever its first line fails at.
fn not_an_export(error: ExportError) -> ExportError {
    match error {
        ExportError::Io(error) => ExportError::Io(error),
        _ => ExportError::NotAnExport,
    }
}

/// Reads up to a line feed, which is not kept. `false` at the end of the file.
fn read_line<R: BufRead>(input: &mut R, buffer: &mut Vec<u8>) -> Result<bool, ExportError> {
    buffer.clear();
    let mut bounded = input.take(LINE_BYTES_MAX as u64 + 1);
    if bounded.read_until(b'\n', buffer)? == 0 {
        return Ok(false);
    }
    match buffer.pop() {
        Some(b'\n') => Ok(true),
        _ if buffer.len() >= LINE_BYTES_MAX => Err(ExportError::Malformed),
        _ => Err(ExportError::Truncated),
    }
}

/// Parses a line and refuses every spelling but the writer's.
fn canonical<T: Serialize + for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, ExportError> {
    let value: T = serde_json::from_slice(line).map_err(|_| ExportError::Malformed)?;
    let again = serde_json::to_vec(&value).map_err(|_| ExportError::Malformed)?;
    if again == line { Ok(value) } else { Err(ExportError::Malformed) }
}

/// By hand and not by a JSON parser: the record must come out byte for byte.
fn parse_record(line: &[u8]) -> Option<Line<'_>> {
    let rest = line.strip_prefix(b"{\"position\":")?;
    let digits = rest.iter().position(|b| *b == b',')?;
    let position = crate::checkpoint::parse_size(std::str::from_utf8(&rest[..digits]).ok()?)?;
    let (hash, rest) = rest[digits..].strip_prefix(b",\"leaf\":\"")?.split_at_checked(64)?;
    let leaf = Hash::from_hex(std::str::from_utf8(hash).ok()?)?;
    let record = rest.strip_prefix(b"\",\"record\":")?.strip_suffix(b"}")?;
    is_record_text(record).then_some(Line::Record { position: Position(position), leaf, record })
}

#[cfg(test)]
pub(crate) mod tests;
