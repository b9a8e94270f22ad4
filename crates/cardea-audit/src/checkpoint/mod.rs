//! A signed statement of a log's size and root, in the form of C2SP's tlog-checkpoint and signed-note, so that foreign
//! witnesses and tools can read it:
//!
//! ```text
//! cardea/<cluster id>/<node>
//! <size>
//! <root, base64>
//! time <RFC 3339>
//!
//! — <key name> <base64 of 4 bytes of key hash and the signature>
//! ```
//!
//! A checkpoint must never be believed before [`Checkpoint::verify`] has said so: parsing proves nothing.

use crate::hash::{HASH_BYTES, Hash};
use crate::log_time::LogTime;
use crate::merkle::Frontier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardea_crypto::signature::{self, SIGNATURE_BYTES, SigningKey, VERIFYING_KEY_BYTES};
use std::fmt;

/// Most bytes of a note. Room for a score of witnesses with post-quantum signatures is not needed; for a few, it is.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;
/// Most signature lines: C2SP lets a reader refuse more than it is ready to look at.
pub const SIGNATURES_MAX: usize = 16;
/// Most bytes of an origin or key name.
const NAME_BYTES_MAX: usize = 256;
/// What opens a signature line.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// The extension line that carries the time.
const TIME_MARK: &str = "time ";
/// The type byte of Ed25519 in a verifier key (C2SP signed-note).
const ED25519_TYPE: u8 = 1;
const KEY_HASH_BYTES: usize = 4;

/// Why a text is no checkpoint, or no one's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("the text is not a checkpoint")]
    Malformed,
    #[error("the checkpoint is longer than its bound")]
    TooLong,
    #[error("the name is empty, too long, or has a character that a key name may not have")]
    BadName,
    #[error("the text is not a verifier key of Ed25519")]
    BadKey,
    #[error("the checkpoint bears no signature of this key")]
    NotSigned,
    #[error("the signature under the key's name is not the key's")]
    BadSignature,
}

/// The origin line of a node's log, which is also the name of its key.
#[must_use]
pub fn origin(cluster_id: &str, node: &str) -> String {
    format!("cardea/{cluster_id}/{node}")
}

fn is_bad_in_name(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '+'
}

fn check_name(name: &str) -> Result<(), CheckpointError> {
    let bad = name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(is_bad_in_name);
    if bad { Err(CheckpointError::BadName) } else { Ok(()) }
}

/// The key that signs a node's log, with the log's origin as its name.
#[derive(Debug)]
pub struct CheckpointKey {
    origin: String,
    key: SigningKey,
}

impl CheckpointKey {
    /// From the origin and the seed of an Ed25519 key. A node's name is its owner's choice: characters that cannot stand in a
    /// note become `-`, and what is too long is cut, so that a log never goes unsigned for the sake of a name.
    #[must_use]
    pub fn new(origin: &str, seed: &[u8; 32]) -> Self {
        let mut name: String = origin.chars().map(|c| if is_bad_in_name(c) { '-' } else { c }).collect();
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        if name.is_empty() {
            name.push('-');
        }
        Self { origin: name, key: SigningKey::from_seed(seed) }
    }

    /// The origin as it stands in checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.origin.clone(), public_key: self.key.verifying_key() }
    }

    /// The public half as text: what an auditor keeps.
    #[must_use]
    pub fn verifier_text(&self) -> String {
        self.verifier().to_string()
    }
}

/// The four bytes that tell keys of one name apart: the beginning of SHA-256(name, line feed, type, public key).
fn key_hash(name: &str, public_key: &[u8; VERIFYING_KEY_BYTES]) -> [u8; KEY_HASH_BYTES] {
    let hash = Hash::of(&[name.as_bytes(), b"\n", &[ED25519_TYPE], public_key]);
    let mut short = [0; KEY_HASH_BYTES];
    short.copy_from_slice(&hash.0[..KEY_HASH_BYTES]);
    short
}

/// The public half of the key that signs a log, with its name. In text: `name+hash+base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    name: String,
    public_key: [u8; VERIFYING_KEY_BYTES],
}

impl VerifierKey {
    /// Names a public key.
    ///
    /// # Errors
    /// The name cannot stand in a note.
    pub fn new(name: &str, public_key: [u8; VERIFYING_KEY_BYTES]) -> Result<Self, CheckpointError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), public_key })
    }

    /// The public half of a signing key.
    ///
    /// # Errors
    /// The name cannot stand in a note.
    pub fn of(name: &str, key: &SigningKey) -> Result<Self, CheckpointError> {
        Self::new(name, key.verifying_key())
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads `name+hash+base64`.
    ///
    /// # Errors
    /// Not of this form, of another algorithm, or the hash is not that of name and key.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        // From the left: the name has no plus sign, but base64 may.
        let (name, rest) = text.trim_end().split_once('+').ok_or(CheckpointError::BadKey)?;
        let (hash, encoded) = rest.split_once('+').ok_or(CheckpointError::BadKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| CheckpointError::BadKey)?;
        let (&ED25519_TYPE, public_key) = bytes.split_first().ok_or(CheckpointError::BadKey)? else {
            return Err(CheckpointError::BadKey);
        };
        let key = Self::new(name, public_key.try_into().map_err(|_| CheckpointError::BadKey)?)?;
        if hex::encode(key.hash()) == hash { Ok(key) } else { Err(CheckpointError::BadKey) }
    }

    fn hash(&self) -> [u8; KEY_HASH_BYTES] {
        key_hash(&self.name, &self.public_key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[ED25519_TYPE], self.public_key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash()), STANDARD.encode(typed))
    }
}

/// A text with signatures below it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Note {
    /// Every byte that is signed, with its last line feed.
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct NoteSignature {
    name: String,
    key_hash: [u8; KEY_HASH_BYTES],
    signature: Vec<u8>,
}

impl Note {
    fn parse(note: &str) -> Result<Self, CheckpointError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(CheckpointError::TooLong);
        }
        // Other control characters could make two different texts look alike on a terminal.
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(CheckpointError::Malformed);
        }
        let split = note.rfind("\n\n").ok_or(CheckpointError::Malformed)?;
        let (text, below) = (&note[..=split], &note[split + 2..]);
        let lines = below.strip_suffix('\n').ok_or(CheckpointError::Malformed)?;
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(CheckpointError::TooLong);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    fn verify(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        let hash = key.hash();
        let mut of_key = self.signatures.iter().filter(|line| line.name == key.name && line.key_hash == hash);
        // A second line under the same key could hide which one was meant; only the first counts, and it must hold.
        let line = of_key.next().ok_or(CheckpointError::NotSigned)?;
        if signature::verify(&key.public_key, self.text.as_bytes(), &line.signature) {
            Ok(())
        } else {
            Err(CheckpointError::BadSignature)
        }
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, CheckpointError> {
        let (name, encoded) = line
            .strip_prefix(SIGNATURE_MARK)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(CheckpointError::Malformed)?;
        check_name(name).map_err(|_| CheckpointError::Malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| CheckpointError::Malformed)?;
        let (key_hash, signature) = bytes.split_first_chunk::<KEY_HASH_BYTES>().ok_or(CheckpointError::Malformed)?;
        if signature.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { name: name.to_owned(), key_hash: *key_hash, signature: signature.to_vec() })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let bytes = [line.key_hash.as_slice(), &line.signature].concat();
            writeln!(f, "{SIGNATURE_MARK}{} {}", line.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

/// What a checkpoint says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Which log: [`origin`].
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// When the node signed, by the store's clock.
    pub time: LogTime,
}

impl Statement {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n{TIME_MARK}{}\n", self.origin, self.size, STANDARD.encode(self.root.0), self.time)
    }

    /// Signs the statement; the key's name is the origin.
    ///
    /// # Errors
    /// The origin cannot be a key's name.
    pub fn sign(self, key: &SigningKey) -> Result<Checkpoint, CheckpointError> {
        check_name(&self.origin)?;
        Ok(self.signed(key))
    }

    fn signed(self, key: &SigningKey) -> Checkpoint {
        let text = self.text();
        let signature: [u8; SIGNATURE_BYTES] = key.sign(text.as_bytes());
        let line = NoteSignature {
            name: self.origin.clone(),
            key_hash: key_hash(&self.origin, &key.verifying_key()),
            signature: signature.to_vec(),
        };
        Checkpoint { statement: self, note: Note { text, signatures: vec![line] } }
    }
}

/// A statement with its signatures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    statement: Statement,
    note: Note,
}

impl Checkpoint {
    /// The signed checkpoint of a log that has come this far.
    #[must_use]
    pub fn of(key: &CheckpointKey, frontier: &Frontier, time: LogTime) -> Self {
        let (origin, size, root) = (key.origin.clone(), frontier.size(), frontier.root());
        Statement { origin, size, root, time }.signed(&key.key)
    }

    /// The signed note.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_string()
    }

    /// Reads a checkpoint and judges it; what it says is returned only if the key signed it.
    ///
    /// # Errors
    /// Not a checkpoint, or not this key's.
    pub fn verify_text(text: &str, key: &VerifierKey) -> Result<Statement, CheckpointError> {
        let checkpoint = Self::parse(text)?;
        checkpoint.verify(key)?;
        Ok(checkpoint.statement)
    }

    /// What it says. Worth nothing before [`Self::verify`].
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Reads a checkpoint. Extension lines other than the time are kept, signed as they are, and passed over.
    ///
    /// # Errors
    /// Too long, or not of the form above; in particular a size with leading zeros and a root that is not 32 bytes.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let note = Note::parse(text)?;
        let mut lines = note.text.strip_suffix('\n').unwrap_or_default().split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Malformed);
        let (origin, size, root) = (line()?, line()?, line()?);
        check_name(origin).map_err(|_| CheckpointError::Malformed)?;
        let size = parse_size(size).ok_or(CheckpointError::Malformed)?;
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Malformed)?;
        let root: [u8; HASH_BYTES] = root.try_into().map_err(|_| CheckpointError::Malformed)?;
        let mut time = None;
        for extension in lines {
            match extension.strip_prefix(TIME_MARK) {
                _ if extension.is_empty() => return Err(CheckpointError::Malformed),
                Some(at) if time.is_none() => time = Some(LogTime::parse(at).ok_or(CheckpointError::Malformed)?),
                Some(_) => return Err(CheckpointError::Malformed),
                None => {}
            }
        }
        let time = time.ok_or(CheckpointError::Malformed)?;
        Ok(Self { statement: Statement { origin: origin.to_owned(), size, root: Hash(root), time }, note })
    }

    /// Judges that `key` signed this, and that the key is the log's own: its name is the origin.
    ///
    /// # Errors
    /// No signature of the key, or one that does not hold.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.statement.origin != key.name {
            return Err(CheckpointError::NotSigned);
        }
        self.note.verify(key)
    }

    /// Judges that a witness signed this, whatever its name.
    ///
    /// # Errors
    /// No signature of the key, or one that does not hold.
    pub fn verify_witness(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        self.note.verify(key)
    }

    /// Appends signature lines that a witness returned.
    ///
    /// # Errors
    /// The lines are malformed, or there are too many.
    pub fn with_signatures(mut self, lines: &str) -> Result<Self, CheckpointError> {
        for line in lines.lines() {
            self.note.signatures.push(NoteSignature::parse(line)?);
        }
        if self.note.signatures.len() > SIGNATURES_MAX { Err(CheckpointError::TooLong) } else { Ok(self) }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Decimal without sign or leading zeros: one number, one spelling.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

/// A signature line of another key under a checkpoint: what a witness sends back.
#[must_use]
pub fn witness_line(name: &str, key: &SigningKey, checkpoint: &Checkpoint) -> String {
    let signature = key.sign(checkpoint.note.text.as_bytes());
    let bytes = [key_hash(name, &key.verifying_key()).as_slice(), &signature].concat();
    format!("{SIGNATURE_MARK}{name} {}\n", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests;
