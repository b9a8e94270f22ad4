//! A request after lowering: credential and target are data, and no later stage needs the wire.
//! It must never carry an unparsed path.

use crate::namespace::NamespaceId;
use crate::operation::{Method, SecretOp};
use crate::params::Params;
use crate::path::CanonicalPath;
use crate::secret_bytes::SecretText;
use crate::time::TtlSeconds;
use crate::wire::TlsFacts;
use std::net::SocketAddr;

/// The id by which a request is known in answers, logs and support mails.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct RequestId(pub String);

/// One request, whatever the wire it came over.
#[derive(Debug)]
pub struct Request {
    pub namespace: NamespaceId,
    pub credential: Credential,
    pub target: Target,
    pub wrap_ttl: Option<TtlSeconds>,
    pub origin: Origin,
}

/// What the caller showed. A dialect only extracts it; `authenticate` judges.
#[derive(Debug)]
pub enum Credential {
    None,
    Token(SecretText),
    /// A request signed with a stored access key (HMAC-SHA256 over `signed`).
    Signed {
        key_id: String,
        signed: Vec<u8>,
        signature: Vec<u8>,
        signed_at_s: u64,
    },
}

/// What the request is about.
#[derive(Debug)]
pub enum Target {
    /// A path that a mount's route table binds.
    Path { method: Method, path: CanonicalPath, params: Params, help: bool },
    /// An operation on a secret of a mount that the dialect's configuration names.
    Secret { mount: String, op: SecretOp },
}

/// Where it came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The dialect's name, such as `vault`.
    pub dialect: &'static str,
    pub peer: SocketAddr,
    pub tls: Option<TlsFacts>,
    /// Headers that the owner chose for the log: lower-case name and value.
    pub headers: Vec<(String, String)>,
}
