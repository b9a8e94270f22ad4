//! The table from causes of error to Vault's status and words. It must never put an input value or the detail for the log
//! into a response.

use cardea_model::{Cause, Error};

/// What a client reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Always this text: which of several reasons it was is not the caller's to know.
    Fixed(&'static str),
    /// The error's own words, or this text if it has none. An empty text makes an empty list of errors.
    Own(&'static str),
}

/// How long a client that came too often should wait, in seconds. Quotas refill within a second.
pub(super) const RETRY_AFTER_S: &str = "1";

/// Status and words of a cause. Denials and unsupported verbs come in the form of Vault's list of errors, since clients
/// compare whole texts as well as search for `permission denied`; an unknown token and a forbidden path are the same.
/// An upstream failure is a 500 as Vault answers for a database that is down; Go clients retry it.
pub(super) fn row(cause: Cause) -> (u16, Words) {
    match cause {
        Cause::Denied => (403, Words::Fixed("1 error occurred:\n\t* permission denied\n\n")),
        Cause::NotFound => (404, Words::Own("")),
        Cause::NoRoute => (404, Words::Own("no handler for route")),
        Cause::Unsupported => (405, Words::Fixed("1 error occurred:\n\t* unsupported operation\n\n")),
        Cause::Invalid => (400, Words::Own("invalid request")),
        Cause::Conflict => (400, Words::Own("the thing changed in the meantime")),
        Cause::Sealed => (503, Words::Fixed("Vault is sealed")),
        Cause::Unavailable => (503, Words::Own("not available now, try again")),
        Cause::TooLarge => (413, Words::Own("request is too large")),
        Cause::HeaderTooLarge => (431, Words::Own("a request header is too long")),
        Cause::MediaType => (415, Words::Own("unsupported content type")),
        Cause::RateLimited => (429, Words::Own("rate limit quota exceeded")),
        Cause::Upstream => (500, Words::Own("a system behind the server failed")),
        Cause::Internal => (500, Words::Fixed("internal error")),
    }
}

/// Status, and the text of the `errors` list (`None`: the list is empty).
pub(super) fn status_and_words(error: &Error) -> (u16, Option<&str>) {
    let (status, words) = match (error.cause, error.client.as_str()) {
        (Cause::NoRoute, "unsupported path") => (404, Words::Fixed("1 error occurred:\n\t* unsupported path\n\n")),
        // Said before anything is looked up, and the same whether something is mounted there or not.
        (Cause::Denied, words) if words.starts_with("preflight") => (403, Words::Own("")),
        (cause, _) => row(cause),
    };
    let text = match words {
        Words::Fixed(text) => text,
        Words::Own(text) if error.client.is_empty() => text,
        Words::Own(_) => &error.client,
    };
    (status, (!text.is_empty()).then_some(text))
}
