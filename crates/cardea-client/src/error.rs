//! What can go wrong, in the words that users of Vault's clients and their scripts know. It must never hold a body of a
//! request or a token; an answer's error texts are the server's own.

use std::fmt;

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client cannot be built: a wrong address, a certificate that cannot be read.
    #[error("{0}")]
    Setup(String),
    /// Nothing came back: refused, reset, a name that does not resolve, a certificate that is not trusted.
    #[error("{} {url:?}: {reason}", verb(method))]
    Transport { method: &'static str, url: String, reason: String },
    /// The time for the whole call ran out; a change may or may not have happened.
    #[error("{} {url:?}: no answer within {after_s} seconds", verb(method))]
    Timeout { method: &'static str, url: String, after_s: u64 },
    /// The body of the request or of the answer is beyond its bound.
    #[error("{} {url:?}: {what} is larger than {limit_bytes} bytes", verb(method))]
    TooLarge { method: &'static str, url: String, what: &'static str, limit_bytes: usize },
    /// The server sent the client elsewhere, to a place where a token must not go.
    #[error("{} {url:?}: {reason}", verb(method))]
    Redirect { method: &'static str, url: String, reason: &'static str },
    /// The answer is not what the protocol promises.
    #[error("{} {url:?}: {reason}", verb(method))]
    Malformed { method: &'static str, url: String, reason: &'static str },
    /// The server answered with an error.
    #[error("{0}")]
    Answer(Box<ApiError>),
}

impl ClientError {
    /// The status code, if the server answered at all.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(error) => Some(error.status),
            _ => None,
        }
    }
}

/// An error answer.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub method: &'static str,
    pub url: String,
    pub namespace: Option<String>,
    pub status: u16,
    /// The texts of the body's `errors`.
    pub errors: Vec<String>,
    /// The warnings of a body that has no errors and no data.
    pub warnings: Vec<String>,
    /// The body as it came, if it was not JSON with `errors`; cut to [`RAW_CHARS_MAX`].
    pub raw: Option<String>,
}

/// How much of a body that is not JSON is shown: a proxy's error page should not flood a terminal.
pub const RAW_CHARS_MAX: usize = 2_000;

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Error making API request.\n\n")?;
        if let Some(namespace) = &self.namespace {
            writeln!(f, "Namespace: {namespace}")?;
        }
        writeln!(f, "URL: {} {}", self.method, self.url)?;
        match &self.raw {
            Some(raw) => write!(f, "Code: {}. Raw Message:\n\n{raw}", self.status),
            None => {
                write!(f, "Code: {}. Errors:\n\n", self.status)?;
                for (index, error) in self.errors.iter().enumerate() {
                    let newline = if index == 0 { "" } else { "\n" };
                    write!(f, "{newline}* {error}")?;
                }
                if !self.warnings.is_empty() {
                    f.write_str("WARNING! The following warnings were returned from Vault:\n")?;
                }
                self.warnings.iter().try_for_each(|warning| write!(f, "\n  * {warning}"))
            }
        }
    }
}

/// `GET` as Go spells it in front of a URL: `Get`.
fn verb(method: &str) -> String {
    let mut letters = method.chars();
    match letters.next() {
        Some(first) => format!("{first}{}", letters.as_str().to_ascii_lowercase()),
        None => String::new(),
    }
}
