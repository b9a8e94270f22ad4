//! What an error of the server or the wire means: whether anything happened, whether later may work, and words that hold
//! neither a statement nor a value of ours.

use cardea_sdk::ExternalError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// When it failed. Nothing of ours is visible before a commit, and the answer to a commit can be lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Connecting,
    BeforeCommit,
    Committing,
}

/// Longest part of the server's message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Turns an error into what it means. `secrets` are values that the server's message may repeat.
pub fn of(error: &Error, moment: Moment, what: &str, secrets: &[&str]) -> ExternalError {
    let Some(answer) = error.as_db_error() else { return of_wire(error, moment) };
    let code = answer.code();
    let words = format!("the database refused {what} (SQLSTATE {}: {})", code.code(), scrub(answer.message(), secrets));
    // An error is an answer; a FATAL one is a connection that ended, perhaps before a commit was answered.
    let answered = answer.parsed_severity() == Some(tokio_postgres::error::Severity::Error);
    match (moment, answered) {
        (Moment::Committing, false) => ExternalError::unknown(words.clone(), words),
        _ if is_temporary(code) => ExternalError::unreachable(words.clone(), words),
        // What modules that judge passwords answer.
        _ => {
            let value_refused = *code == SqlState::INVALID_PARAMETER_VALUE;
            ExternalError { value_refused, ..ExternalError::refused(words.clone(), words) }
        }
    }
}

fn of_wire(error: &Error, moment: Moment) -> ExternalError {
    // The driver's own texts name no values: they say which step failed, and the operating system's reason.
    let detail = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match moment {
        Moment::Connecting => ExternalError::unreachable("the database cannot be reached", detail),
        Moment::BeforeCommit => ExternalError::unreachable("the connection to the database broke", detail),
        Moment::Committing => ExternalError::unknown("the database did not answer whether it committed", detail),
    }
}

/// No answer in time.
pub fn late(moment: Moment) -> ExternalError {
    match moment {
        Moment::Connecting => ExternalError::unreachable("the database cannot be reached in time", "time limit"),
        Moment::BeforeCommit => ExternalError::unreachable("the database did not finish in time", "time limit"),
        Moment::Committing => ExternalError::unknown("the database did not answer whether it committed", "time limit"),
    }
}

/// Connection and resource problems, conflicts with others, and shutdowns pass.
fn is_temporary(code: &SqlState) -> bool {
    matches!(code.code().get(..2), Some("08" | "40" | "53" | "57" | "58")) || *code == SqlState::LOCK_NOT_AVAILABLE
}

/// Whether an error says that the user does not exist.
pub fn is_absent(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_OBJECT)
}

/// Whether an error says that Cardea's own role may not do this.
pub fn is_forbidden(error: &Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
}

/// The server's primary message without our values. A syntax error quotes a fragment of the statement: if that is part
/// of a value of ours, it goes as well.
pub fn scrub(message: &str, secrets: &[&str]) -> String {
    let mut out = message.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        out = out.replace(secret, REMOVED);
    }
    let mut parts: Vec<String> = out.split('"').map(str::to_owned).collect();
    for part in parts.iter_mut().skip(1).step_by(2) {
        let bare = part.trim_matches(['\'', '\\']);
        if !bare.is_empty() && secrets.iter().any(|secret| secret.contains(bare)) {
            REMOVED.clone_into(part);
        }
    }
    let out = parts.join("\"");
    out.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}

const REMOVED: &str = "<removed>";
