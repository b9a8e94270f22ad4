//! Causes of error. Each carries two texts: words for the client and detail for the log. Neither may echo an input
//! value: an error text is the most copied part of any program.

use crate::request::CredentialFault;
use std::fmt;

/// Whose fault it is and what a caller can do about it. One table a dialect turns it into status, code and message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cause {
    /// The caller may not do this, or is nobody we know.
    Denied,
    /// The thing does not exist (and the caller may know).
    NotFound,
    /// The path is allowed, but nothing answers there.
    NoRoute,
    /// The route exists, the verb does not.
    Unsupported,
    /// The request is wrong; the same request will always fail.
    Invalid,
    /// Somebody else changed it, or a condition of the caller's did not hold.
    Conflict,
    /// The server is sealed.
    Sealed,
    /// Not now; the same request may succeed later. Nothing happened.
    Unavailable,
    /// More bytes, items or nesting than the named bound.
    TooLarge,
    /// A header that is read as a whole (a token) is longer than the named bound.
    HeaderTooLarge,
    /// The content type is not one this route reads.
    MediaType,
    /// Too many requests from this source.
    RateLimited,
    /// A system behind us refused or failed.
    Upstream,
    /// Our fault.
    Internal,
}

/// An error with its two texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    pub cause: Cause,
    /// Words for the client. Lower case, no final stop, no input value.
    pub client: String,
    /// Detail for the log. No secret and no input value either.
    pub detail: Option<String>,
    /// What was wrong with the credential, for wires that have types for it. Others say "permission denied" and no more.
    pub fault: Option<Box<CredentialFault>>,
}

impl Error {
    #[must_use]
    pub fn new(cause: Cause, client: impl Into<String>) -> Self {
        Self { cause, client: client.into(), detail: None, fault: None }
    }

    /// Adds what only the log should say.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn denied() -> Self {
        Self::new(Cause::Denied, "permission denied")
    }

    /// A denial whose reason is the credential.
    #[must_use]
    pub fn bad_credential(fault: CredentialFault) -> Self {
        Self { fault: Some(Box::new(fault)), ..Self::denied() }
    }

    #[must_use]
    pub fn invalid(words: impl Into<String>) -> Self {
        Self::new(Cause::Invalid, words)
    }

    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Cause::NotFound, "")
    }

    #[must_use]
    pub fn conflict(words: impl Into<String>) -> Self {
        Self::new(Cause::Conflict, words)
    }

    #[must_use]
    pub fn unavailable(words: impl Into<String>) -> Self {
        Self::new(Cause::Unavailable, words)
    }

    #[must_use]
    pub fn upstream(words: impl Into<String>) -> Self {
        Self::new(Cause::Upstream, words)
    }

    /// The client learns only that it is our fault; the log learns why.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Cause::Internal, "internal error").with_detail(detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{:?}: {} ({detail})", self.cause, self.client),
            None => write!(f, "{:?}: {}", self.cause, self.client),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
