//! What can stop a run before it has a figure. It never carries a token, a key or a body that a server sent.

use std::io;

/// A failure of the generator itself or of setting up the server under test; a wrong answer under load is not an error
/// but a counted mismatch (see `load`).
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The operating system refused something; `what` names the step.
    #[error("{what}: {source}")]
    Io {
        /// The step that failed.
        what: &'static str,
        /// The cause as the system gave it.
        source: io::Error,
    },
    /// The server under test could not be reached or broke the protocol.
    #[error("{what}: {source}")]
    Wire {
        /// The step that failed.
        what: String,
        /// What went wrong on the connection.
        source: crate::wire::WireError,
    },
    /// The server answered a set-up call with an unexpected status.
    #[error("{what}: the server answered {status}{}", reasons(.errors))]
    Refused {
        /// The step that failed.
        what: String,
        /// HTTP status of the answer.
        status: u16,
        /// The texts of the answer's `errors` field.
        errors: Vec<String>,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Setup(String),
}

fn reasons(errors: &[String]) -> String {
    if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) }
}

impl BenchError {
    /// Names the step in which the system refused something; for use with `map_err`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> BenchError {
        move |source| BenchError::Io { what, source }
    }
}
