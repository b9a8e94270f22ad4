//! Judging an export: every record against its leaf hash, every checkpoint against the tree, every checkpoint that the
//! reader kept against both. When something does not hold, the place is named as narrowly as the evidence allows. It must
//! never say that a log holds because nothing spoke against it: each byte of the file is accounted for.

use crate::checkpoint::{Checkpoint, VerifierKey};
use crate::export::{ExportError, ExportReader, Line, PrefixProof};
use crate::hash::Hash;
use crate::log_time::LogTime;
use crate::merkle::{Frontier, leaf_hash, verify_consistency};
use crate::position::Position;
use std::fmt;
use std::io::BufRead;

/// Most altered positions that one failure lists; the interval covers the rest.
pub const POSITIONS_LISTED_MAX: usize = 64;

/// What was proven.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub origin: String,
    /// Position of the first exported record.
    pub first: Position,
    /// Number of records in the log up to the last checkpoint.
    pub size: u64,
    /// Root of the tree over them: the next checkpoint to keep.
    pub root: Hash,
    /// Number of records in the export.
    pub records: u64,
    /// Number of checkpoints in the export, all with a valid signature.
    pub checkpoints: u64,
    /// Sizes of the kept checkpoints whose logs are proven beginnings of this one.
    pub trusted: Vec<u64>,
    /// When the last checkpoint was signed. Records after that moment may exist; this file does not speak of them.
    pub signed_at: LogTime,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The file could not be read.
    Unreadable,
    /// The first line is not an export's.
    NotAnExport,
    /// The export, or a kept checkpoint, is of another log than the key.
    WrongLog,
    /// A line is not an export's.
    MalformedLine,
    /// The file stops before its end line.
    Truncated,
    /// Another record was to stand here: one was removed, inserted, repeated or moved.
    WrongPosition { found: Position },
    /// These records do not match their leaf hashes.
    RecordAltered { positions: Vec<Position>, culprit: Culprit },
    /// The records of the interval do not give the signed root, though each matches its leaf hash.
    RootMismatch,
    /// A checkpoint's signature does not hold.
    BadSignature,
    /// A checkpoint does not stand after the records it signs, or one before it is missing.
    WrongCheckpoint,
    /// Records after the last checkpoint, or the counts of the end line, have nothing to vouch for them.
    EndNotSigned,
    /// A `prefix` line proves nothing.
    BadPrefixProof,
    /// A kept checkpoint is not signed by the key.
    TrustedNotSigned { size: u64 },
    /// A kept checkpoint says otherwise: the log was rewritten since, even if it was signed again.
    TrustedMismatch { size: u64 },
    /// The log ends before a kept checkpoint: it was cut or set back.
    TrustedBeyondEnd { size: u64 },
    /// A kept checkpoint lies before the export begins, and no `prefix` line reaches back to it.
    TrustedBeforeStart { size: u64 },
}

/// Which of a record and its leaf hash was changed, when a root can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Culprit {
    /// The leaf hash gives the root; the record's bytes are not those that were logged.
    Record,
    /// The record gives the root; the leaf hash on its line was changed.
    LeafHash,
    /// Neither alone gives the root, or no root was reached.
    Unknown,
}

/// A log that does not hold: what is wrong, and where. The interval is half open; it is empty where something is wrong between
/// two records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub finding: Finding,
    pub from: Position,
    pub to: Position,
    /// The line at which it showed, counted from 1; 0 if no line did.
    pub line: u64,
}

impl Failure {
    /// Whether the failure's place includes this position.
    #[must_use]
    pub fn names(&self, position: Position) -> bool {
        match &self.finding {
            Finding::RecordAltered { positions, .. } if positions.len() < POSITIONS_LISTED_MAX => {
                positions.contains(&position)
            }
            _ => self.from <= position && position < self.to,
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |positions: &[Position]| positions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.finding {
            Finding::Unreadable => write!(f, "the export cannot be read")?,
            Finding::NotAnExport => write!(f, "the file is not an export of the log")?,
            Finding::WrongLog => write!(f, "the log is not the one that this key signs")?,
            Finding::MalformedLine => write!(f, "the line is damaged")?,
            Finding::Truncated => write!(f, "the file stops before its end")?,
            Finding::WrongPosition { found } => {
                write!(f, "record {} was to stand here, but it is record {found}", self.from)?;
            }
            Finding::RecordAltered { positions, culprit } => {
                let what = match culprit {
                    Culprit::Record => "altered; the leaf hash logged for it is proven by the next checkpoint",
                    Culprit::LeafHash => "intact, but the leaf hash on its line was altered",
                    Culprit::Unknown => "altered, or its leaf hash was",
                };
                let noun = if positions.len() == 1 { "record" } else { "each of records" };
                write!(f, "{noun} {} was found {what}", list(positions))?;
            }
            Finding::RootMismatch => write!(f, "the records do not give the root that was signed")?,
            Finding::BadSignature => write!(f, "the checkpoint's signature does not hold")?,
            Finding::WrongCheckpoint => {
                write!(f, "the checkpoint does not stand where its size says, or one before it is missing")?;
            }
            Finding::EndNotSigned => write!(f, "the end of the log is not covered by a checkpoint")?,
            Finding::BadPrefixProof => write!(f, "the proof of an earlier size does not hold")?,
            Finding::TrustedNotSigned { size } => {
                write!(f, "the kept checkpoint of size {size} is not signed by this key")?;
            }
            Finding::TrustedMismatch { size } => {
                write!(f, "the kept checkpoint of size {size} has another root: the log was rewritten since")?;
            }
            Finding::TrustedBeyondEnd { size } => {
                write!(
                    f,
                    "a checkpoint of size {size} was kept, but the log ends at {}: it was cut or set back",
                    self.from
                )?;
            }
            Finding::TrustedBeforeStart { size } => {
                write!(f, "the export begins after the kept checkpoint of size {size} and does not reach back to it")?;
            }
        }
        match self.to.0.saturating_sub(self.from.0) {
            0 => write!(f, " (at position {}", self.from)?,
            1 => write!(f, " (record {}", self.from)?,
            _ => write!(f, " (between records {} and {}", self.from, self.to.0 - 1)?,
        }
        if self.line == 0 { write!(f, ")") } else { write!(f, ", line {})", self.line) }
    }
}

/// Judges an export against the key that signs the log and the checkpoints that the reader kept, in any order.
///
/// # Errors
/// The log does not hold; the failure says what and where.
pub fn verify_export<R: BufRead>(input: R, trusted: &[Checkpoint], key: &VerifierKey) -> Result<Report, Failure> {
    verify_export_with(input, trusted, key, &mut |_, _| {})
}

/// As [`verify_export`], and hands each record to `each` on the way. What `each` sees is proven only when the whole call succeeds.
///
/// # Errors
/// The log does not hold; the failure says what and where.
pub fn verify_export_with<R: BufRead>(
    input: R,
    trusted: &[Checkpoint],
    key: &VerifierKey,
    each: &mut dyn FnMut(Position, &[u8]),
) -> Result<Report, Failure> {
    let nowhere = |finding| Failure { finding, from: Position(0), to: Position(0), line: 0 };
    let mut kept: Vec<(u64, Hash)> = Vec::with_capacity(trusted.len());
    for checkpoint in trusted {
        let statement = checkpoint.statement();
        if statement.origin != key.name() {
            return Err(nowhere(Finding::WrongLog));
        }
        if checkpoint.verify(key).is_err() {
            return Err(nowhere(Finding::TrustedNotSigned { size: statement.size }));
        }
        kept.push((statement.size, statement.root));
    }
    // By size only: of two that contradict each other, one will not match.
    kept.sort_by_key(|(size, _)| *size);

    let mut reader = ExportReader::open(input).map_err(|error| match error {
        ExportError::Io(_) => nowhere(Finding::Unreadable),
        _ => Failure { line: 1, ..nowhere(Finding::NotAnExport) },
    })?;
    if reader.header().origin != key.name() {
        return Err(Failure { line: 1, ..nowhere(Finding::WrongLog) });
    }
    let mut judge = Judge::new(key, &reader.header().frontier, kept);
    loop {
        let result = reader.next_line();
        judge.line += 1;
        match result {
            Ok(Some(line)) => {
                if let Line::Record { position, record, .. } = &line {
                    each(*position, record);
                }
                judge.take(line)?;
            }
            Ok(None) => return judge.report(),
            Err(error) => return Err(judge.unreadable(&error)),
        }
    }
}

/// What is known at a line of the export.
struct Judge<'a> {
    key: &'a VerifierKey,
    first: u64,
    /// The tree by the leaf hashes on the lines.
    tree: Frontier,
    /// The tree by the records themselves, from the first that does not match its line's leaf hash.
    recomputed: Option<Frontier>,
    suspects: Vec<Position>,
    line: u64,
    /// The tree was proven up to this size.
    proven: u64,
    checkpoints: u64,
    last_checkpoint: Option<(u64, LogTime)>,
    prefixes: Vec<(u64, Hash)>,
    /// Kept checkpoints not reached yet, smallest last.
    kept: Vec<(u64, Hash)>,
    kept_proven: Vec<u64>,
    ended: bool,
}

impl<'a> Judge<'a> {
    fn new(key: &'a VerifierKey, frontier: &Frontier, mut kept: Vec<(u64, Hash)>) -> Self {
        kept.reverse();
        let first = frontier.size();
        Self {
            key,
            first,
            tree: frontier.clone(),
            recomputed: None,
            suspects: Vec::new(),
            line: 1,
            proven: first,
            checkpoints: 0,
            last_checkpoint: None,
            prefixes: Vec::new(),
            kept,
            kept_proven: Vec::new(),
            ended: false,
        }
    }

    fn size(&self) -> u64 {
        self.tree.size()
    }

    fn fail(&self, finding: Finding, from: u64, to: u64) -> Failure {
        Failure { finding, from: Position(from), to: Position(to), line: self.line }
    }

    /// A failure of form at this line. If records before it were already suspect, they are the earlier evidence.
    fn fail_here(&self, finding: Finding) -> Failure {
        if self.suspects.is_empty() {
            return self.fail(finding, self.size(), self.size() + 1);
        }
        self.fail_suspects(Culprit::Unknown)
    }

    fn fail_suspects(&self, culprit: Culprit) -> Failure {
        let positions = self.suspects.clone();
        let from = positions.first().map_or(self.proven, |position| position.0);
        // Beyond the listed ones, anything up to here may be altered too.
        let to = match positions.last() {
            Some(last) if positions.len() < POSITIONS_LISTED_MAX => last.0 + 1,
            _ => self.size(),
        };
        self.fail(Finding::RecordAltered { positions, culprit }, from, to)
    }

    fn unreadable(&self, error: &ExportError) -> Failure {
        self.fail_here(match error {
            ExportError::Io(_) => Finding::Unreadable,
            ExportError::Truncated => Finding::Truncated,
            _ => Finding::MalformedLine,
        })
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), Failure> {
        match line {
            Line::Prefix(prefix) => self.prefix(prefix),
            Line::Record { position, leaf, record } => self.record(position, leaf, record),
            Line::Checkpoint { number, checkpoint } => self.checkpoint(number, &checkpoint),
            Line::End { size, records, checkpoints } => self.end(size, records, checkpoints),
        }
    }

    fn prefix(&mut self, prefix: PrefixProof) -> Result<(), Failure> {
        let in_order = self.prefixes.last().is_none_or(|(last, _)| *last < prefix.size) && prefix.size < self.first;
        if !in_order || self.size() != self.first || self.checkpoints != 0 {
            return Err(self.fail_here(Finding::MalformedLine));
        }
        if verify_consistency(prefix.size, &prefix.root, self.first, &self.tree.root(), &prefix.proof).is_err() {
            return Err(self.fail(Finding::BadPrefixProof, prefix.size, self.first));
        }
        self.prefixes.push((prefix.size, prefix.root));
        Ok(())
    }

    fn record(&mut self, position: Position, leaf: Hash, record: &[u8]) -> Result<(), Failure> {
        self.judge_kept()?;
        if position.0 != self.size() {
            return Err(self.fail_here(Finding::WrongPosition { found: position }));
        }
        let computed = leaf_hash(record);
        if computed != leaf {
            if self.recomputed.is_none() {
                self.recomputed = Some(self.tree.clone());
            }
            if self.suspects.len() < POSITIONS_LISTED_MAX {
                self.suspects.push(position);
            }
        }
        self.tree.append(leaf);
        if let Some(recomputed) = &mut self.recomputed {
            recomputed.append(computed);
        }
        Ok(())
    }

    /// Compares the tree so far with a root that someone vouches for.
    fn judge_root(&mut self, root: &Hash, mismatch: Finding, from: u64) -> Result<(), Failure> {
        let holds = self.tree.root() == *root;
        if self.suspects.is_empty() {
            if holds {
                self.proven = self.size();
                return Ok(());
            }
            return Err(self.fail(mismatch, from, self.size()));
        }
        let by_records = self.recomputed.as_ref().is_some_and(|tree| tree.root() == *root);
        Err(self.fail_suspects(match (holds, by_records) {
            (true, _) => Culprit::Record,
            (false, true) => Culprit::LeafHash,
            (false, false) => Culprit::Unknown,
        }))
    }

    /// Compares with every kept checkpoint of the size reached.
    fn judge_kept(&mut self) -> Result<(), Failure> {
        while let Some((size, root)) = self.kept.last().copied() {
            if size > self.size() {
                break;
            }
            let mismatch = Finding::TrustedMismatch { size };
            let from = self.kept_proven.last().copied().unwrap_or(0);
            if size == self.size() {
                self.judge_root(&root, mismatch, from)?;
            } else {
                // Before the export begins: only a proven prefix can speak for it.
                let prefix = self.prefixes.iter().find(|(prefix, _)| *prefix == size);
                match prefix {
                    Some((_, proven)) if *proven == root => {}
                    Some(_) => return Err(self.fail(mismatch, from, size)),
                    // Of the empty log every root is known: nothing was kept, and nothing can be missing.
                    None if size == 0 && root == crate::merkle::empty_root() => {}
                    None => return Err(self.fail(Finding::TrustedBeforeStart { size }, size, self.first)),
                }
            }
            self.kept.pop();
            self.kept_proven.push(size);
        }
        Ok(())
    }

    fn checkpoint(&mut self, number: u64, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let statement = checkpoint.statement();
        if checkpoint.verify(self.key).is_err() {
            return Err(self.fail_here(Finding::BadSignature));
        }
        let newer = self.last_checkpoint.is_none_or(|(size, _)| size < statement.size);
        if statement.size != self.size() || number != self.checkpoints + 1 || !newer {
            return Err(self.fail_here(Finding::WrongCheckpoint));
        }
        let from = match self.last_checkpoint {
            Some((size, _)) => size.max(self.proven),
            // Nothing vouches for the frontier yet: a wrong one is a change before the first record.
            None if self.first == self.proven => 0,
            None => self.proven,
        };
        self.judge_root(&statement.root, Finding::RootMismatch, from)?;
        self.judge_kept()?;
        self.checkpoints = number;
        self.last_checkpoint = Some((statement.size, statement.time));
        Ok(())
    }

    fn end(&mut self, size: u64, records: u64, checkpoints: u64) -> Result<(), Failure> {
        let signed = self.last_checkpoint.is_some_and(|(signed, _)| signed == self.size());
        let counted = size == self.size() && records == self.size() - self.first && checkpoints == self.checkpoints;
        if !signed || !counted {
            return Err(self.fail_here(Finding::EndNotSigned));
        }
        self.ended = true;
        Ok(())
    }

    fn report(mut self) -> Result<Report, Failure> {
        self.line = 0;
        let Some((size, signed_at)) = self.last_checkpoint.filter(|_| self.ended) else {
            return Err(self.fail_here(Finding::Truncated));
        };
        if let Some((kept, _)) = self.kept.last() {
            return Err(self.fail(Finding::TrustedBeyondEnd { size: *kept }, size, *kept));
        }
        Ok(Report {
            origin: self.key.name().to_owned(),
            first: Position(self.first),
            size,
            root: self.tree.root(),
            records: size - self.first,
            checkpoints: self.checkpoints,
            trusted: self.kept_proven,
            signed_at,
        })
    }
}

#[cfg(test)]
mod tests;
