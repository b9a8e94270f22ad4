//! Audit devices: followers of the log. The local log is the record; a device copies it somewhere. A device that is
//! stuck never hangs a request: the kernel gives it a bounded queue, a cursor and a time limit.

use async_trait::async_trait;

#[async_trait]
pub trait AuditDevice: Send + Sync {
    /// Such as `file`.
    fn kind(&self) -> &'static str;

    /// Writes whole lines, in order. Returns only when the sink has them.
    async fn write(&self, lines: &[u8]) -> Result<(), String>;

    /// Opens its sink anew (SIGHUP, a rotated file).
    async fn reopen(&self) -> Result<(), String>;
}

/// Makes a device of one kind from its options.
pub trait AuditDeviceKind: Send + Sync {
    fn kind(&self) -> &'static str;
    fn open(&self, options: &std::collections::BTreeMap<String, String>) -> Result<Box<dyn AuditDevice>, String>;
}
