//! How a command ends badly: its last words and its exit code, which scripts read. It must never hold a secret.

use cardea_client::ClientError;
use std::process::ExitCode;

/// The command was called wrongly, or failed on this side.
const CODE_USAGE: u8 = 1;
/// The server said no, or did not answer; also a sealed server for `status`.
const CODE_SERVER: u8 = 2;

/// The end of a command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Exit code 1.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: CODE_USAGE }
    }

    /// Exit code 1, in the words that scripts look for.
    pub fn missing_field(name: &str) -> Self {
        Self::usage(format!("Field {name:?} not present in secret"))
    }

    /// Exit code 1: a file could not be read. The usual cause in words that name a file.
    pub fn file(path: &str, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::usage(format!("Error reading {path}: the file does not exist")),
            kind => Self::usage(format!("Error reading {path}: {kind}")),
        }
    }

    /// Exit code 2.
    pub fn server(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: CODE_SERVER }
    }

    /// Exit code 2 with the client's error after `what`, such as `Error reading secret/a`.
    pub fn client(what: &str, error: &ClientError) -> Self {
        Self::server(format!("{what}: {error}"))
    }

    /// Nothing to say; the code is all. Code 0 ends a command early that is done.
    pub fn silent(code: u8) -> Self {
        Self { text: String::new(), code }
    }

    /// The same words with another code.
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Says the words on standard error and gives the code.
    pub fn report(&self) -> ExitCode {
        if !self.text.is_empty() {
            crate::output::complain(&self.text);
        }
        ExitCode::from(self.code)
    }
}
