//! Reading public facts of others (the keys of a token issuer, say) before a transaction: one document, bounded in size
//! and time. It must never send anything about a caller: no body, no credential, no header that a request brought.

use async_trait::async_trait;
use std::fmt;

/// Largest document in bytes. Key sets of the large issuers are below 10 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// What a method that needs documents from outside is given by the assembly.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The document at an `https` address, or an `http` one on this machine itself. Redirects are not followed. `ca_pem`
    /// names the authorities to believe; empty takes the operating system's.
    ///
    /// # Errors
    /// Not such an address, nobody there, another status than 200, too slow, or larger than [`DOCUMENT_BYTES_MAX`].
    async fn get(&self, address: &str, ca_pem: &str) -> Result<Vec<u8>, FetchError>;

    /// A plain file of this machine, by its absolute path.
    ///
    /// # Errors
    /// No such file, not a plain one, or larger than [`DOCUMENT_BYTES_MAX`].
    async fn file(&self, path: &str) -> Result<Vec<u8>, FetchError>;
}

/// Why there is no document; for the log, not for callers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchError(pub String);

impl FetchError {
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
