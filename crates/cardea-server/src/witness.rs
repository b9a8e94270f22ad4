//! The witness: a file outside the store that remembers how far the audit log had grown. A store that is set back as a
//! whole is older than its witness, and does not unseal unasked.
//!
//! It holds a signed checkpoint and no secret. It must never be half-written: a new text replaces the old one in one
//! step, and is on the disk before `remember` returns.

use cardea_kernel::log::Witness;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Longest text of a witness, in bytes: a checkpoint is a few hundred.
const WITNESS_BYTES_MAX: u64 = 64 * 1024;

/// A witness in a file.
pub struct FileWitness {
    path: PathBuf,
    /// The same folder, so that a rename is one step.
    next: PathBuf,
}

impl FileWitness {
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let mut next = path.clone().into_os_string();
        next.push(".next");
        Self { path, next: next.into() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&self.next, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Witness for FileWitness {
    fn last(&self) -> Result<Option<String>, String> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("the witness file cannot be read: {}", error.kind())),
        };
        let mut text = String::new();
        let read = file.take(WITNESS_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|error| format!("the witness file cannot be read: {}", error.kind()))?;
        if text.len() as u64 > WITNESS_BYTES_MAX {
            return Err("the witness file is not a checkpoint: it is too long".to_owned());
        }
        // An empty file is what an owner leaves who wants to start over.
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    fn remember(&self, checkpoint: &str) -> Result<(), String> {
        self.write(checkpoint).map_err(|error| format!("the witness file cannot be written: {}", error.kind()))
    }

    fn forget(&self) -> Result<(), String> {
        self.remember("")
    }
}

#[cfg(test)]
mod tests;
