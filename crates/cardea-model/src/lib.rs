//! Nouns and verbs of Cardea: what the system can be asked, what it can answer, and what it keeps.
//!
//! Knows nothing but itself. It must never do I/O, read a clock, draw randomness or become async: everything here
//! is a value, or a pure function of values. Read in the order of the modules below.

#![forbid(unsafe_code)]

pub mod path; // the one canonical name of a resource
pub mod namespace; // which tenant a record belongs to
pub mod time; // instants, spans, and how wires spell them
pub mod secret_bytes; // bytes that cannot be printed, cloned by accident or compared in variable time
pub mod payload; // JSON kept token for token
pub mod params; // the parameters of a request, and how an operation reads them
pub mod loose; // spellings that clients use for durations, lists, flags and numbers
mod words; // how filters look for words in texts
pub mod operation; // everything the system can be asked, independent of a wire
pub mod secret; // the stored secret and its versions
pub mod cron; // times at which something may begin
pub mod consumer; // who uses a secret
pub mod retirement; // when an old credential is turned off
pub mod rotation; // how a secret's credential is changed at its source
pub mod key; // keys, and what they can be asked
pub mod request; // a request after lowering
pub mod arn; // names of AWS's form, of callers
pub mod identity; // callers, entities and aliases
pub mod mount; // where an engine is attached, and its settings
pub mod lease; // credentials that must die
pub mod answer; // everything the system can answer
pub mod wire; // what listeners and dialects exchange
pub mod error; // causes of error, with two texts
pub mod limit; // named bounds

pub use answer::{Answer, AuthGrant, Body, Envelope, LeaseFacts, Refusal, WrapFacts};
pub use error::{Cause, Error};
pub use identity::{AssumedRole, Caller, EntityId, KeyFacts, LoginRole, TokenKind};
pub use key::{KeyAnswer, KeyOp, KeyRef};
pub use namespace::NamespaceId;
pub use operation::{Action, Method, SecretOp};
pub use params::Params;
pub use path::CanonicalPath;
pub use payload::Payload;
pub use request::{Credential, CredentialFault, Origin, Request, RequestId, SignatureScheme, Signed, Target};
pub use secret_bytes::{SecretBytes, SecretText, Wiped};
pub use time::{Timestamp, TtlSeconds};

#[cfg(test)]
mod tests;
