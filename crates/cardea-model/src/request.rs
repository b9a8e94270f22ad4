//! A request after lowering: credential and target are data, and no later stage needs the wire.
//! It must never carry an unparsed path.

use crate::key::KeyOp;
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
    /// A request signed with a stored access key.
    Signed(Box<Signed>),
    /// Something was shown that cannot be judged at all: it makes a nobody, who is refused and recorded like all others.
    Refused(CredentialFault),
}

/// A signed request, as far as its wire tells: what was signed, how, and by which key it says.
#[derive(Debug)]
pub struct Signed {
    pub key_id: String,
    /// What a temporary key shows beside its signature.
    pub session_token: Option<SecretText>,
    pub scheme: SignatureScheme,
    /// The bytes that the signature is over.
    pub string_to_sign: Vec<u8>,
    pub signature: Vec<u8>,
    /// Seconds since 1970.
    pub signed_at_s: u64,
    /// How long after `signed_at_s` it may be used.
    pub valid_s: u64,
}

/// How far a signature's time may be from the store's clock, in seconds: AWS's five minutes.
pub const SIGNATURE_SKEW_S_MAX: u64 = 300;

/// From the secret half of an access key to the key that signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignatureScheme {
    /// HMAC-SHA256 under the secret itself.
    Hmac,
    /// AWS Signature Version 4: HMAC-SHA256 under a key derived from the secret and this scope.
    AwsV4 { date: String, region: String, service: String },
}

/// Why a credential is not good, for wires that tell their clients. It never says more than the client's own request and
/// clock could tell it: not which half of a pair was wrong, and of an unknown key the same as of a revoked one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CredentialFault {
    /// No credential was shown.
    Missing,
    /// It lacks a part, or a part cannot be read. Words for the client; no input value.
    Incomplete(&'static str),
    /// The signature is not over what arrived, or its scope is another's. Words for the client, empty if there is nothing
    /// to add; no input value.
    BadSignature(&'static str),
    /// It was signed too long ago.
    TooOld { signed_at_s: u64, now_s: u64, valid_s: u64 },
    /// It was signed later than now.
    TooNew { signed_at_s: u64, now_s: u64 },
    /// The key is not known, revoked or bound to other addresses, or the session token is not its.
    UnknownKey,
    /// The key was good until its end came.
    ExpiredKey,
}

impl CredentialFault {
    /// For the log.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self {
            Self::Missing => "no credential was shown",
            Self::Incomplete(_) => "the signature is incomplete",
            Self::BadSignature(_) => "the signature does not verify",
            Self::TooOld { .. } => "the signature is too old",
            Self::TooNew { .. } => "the signature is from the future",
            Self::UnknownKey => "the access key is not known, revoked or not to be used here",
            Self::ExpiredKey => "the access key is expired",
        }
    }
}

/// What the request is about.
#[derive(Debug)]
pub enum Target {
    /// A path that a mount's route table binds.
    Path { method: Method, path: CanonicalPath, params: Params, help: bool },
    /// A login at a path that answers with an access key instead of a token: the key stands for the token, which ends with
    /// it and is shown to nobody.
    KeyLogin { path: CanonicalPath, params: Params, wish: KeyWish },
    /// An operation on a secret of a mount that the dialect's configuration names.
    Secret { mount: String, op: SecretOp },
    /// The same with a key. `said` is what policies may look at, and the log keeps as the operation's route says: an
    /// encryption context, which the operation itself has only as authenticated bytes.
    Key { mount: String, op: KeyOp, said: Params },
}

/// All that can be said beside an operation on a key. Other parameters of the route that does as much are not stated, so that a
/// policy which constrains one cannot be judged.
pub const SAID_OF_KEYS: &[&str] = &[
    "encryption_context",
    "source_encryption_context",
    "destination_encryption_context",
    "replica_region",
    "primary_region",
];

/// What a login asks of its access key.
#[derive(Clone, Debug, Default)]
pub struct KeyWish {
    pub ttl: Option<TtlSeconds>,
    /// What stands behind the token's name in the log, and the name of the session.
    pub name: String,
    /// Canonical name of the role that is asked for; empty if the door knows none.
    pub role: String,
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
