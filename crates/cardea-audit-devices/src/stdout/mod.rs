//! The device `stdout`: lines on the process's standard output, for a supervisor that collects them.
//!
//! It must never buffer: what was acknowledged has left the process. A reader that stopped reading blocks the thread of
//! one write and nothing else; later writes are refused until it returned.

use crate::lines::Lines;
use crate::{BUSY, GOING_DOWN, options};
use cardea_sdk::async_trait;
use cardea_sdk::audit_device::{AuditDevice, AuditDeviceKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, TryLockError};

/// Makes devices of the kind `stdout`.
pub struct StdoutDeviceKind;

impl AuditDeviceKind for StdoutDeviceKind {
    fn kind(&self) -> &'static str {
        "stdout"
    }

    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn AuditDevice>, String> {
        options::check(options, &[])?;
        Ok(Box::new(StdoutDevice::open()?))
    }
}

/// Standard output.
pub struct StdoutDevice {
    lines: Arc<Mutex<Lines<File>>>,
}

impl StdoutDevice {
    /// # Errors
    /// The process has no standard output.
    pub fn open() -> Result<Self, String> {
        // A descriptor of our own: the standard library's stdout keeps a buffer whose content an error leaves unknown.
        let descriptor = std::io::stdout().as_fd().try_clone_to_owned();
        descriptor.map(|fd| Self::over(File::from(fd))).map_err(|error| format!("no standard output: {error}"))
    }

    fn over(file: File) -> Self {
        Self { lines: Arc::new(Mutex::new(Lines::new(file, false))) }
    }
}

#[async_trait]
impl AuditDevice for StdoutDevice {
    fn kind(&self) -> &'static str {
        "stdout"
    }

    async fn write(&self, lines: &[u8]) -> Result<(), String> {
        let (shared, lines) = (self.lines.clone(), lines.to_vec());
        let write = move || {
            let mut guard = match shared.try_lock() {
                Ok(guard) => guard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(BUSY.to_owned()),
            };
            guard.write(&lines).map_err(|error| format!("standard output: {error}"))
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| GOING_DOWN.to_owned())?
    }

    /// There is nothing to open anew.
    async fn reopen(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
