//! One question to a server. It must never print its body or its token.

use cardea_model::{SecretBytes, SecretText};
use serde::Serialize;

/// The verbs of the dialect. A list is a `Get` with `list=true`, which passes every proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One request, to be sent with the client's address, token and headers.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// What follows `/v1/`, not percent-encoded.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// JSON.
    pub body: Option<SecretBytes>,
    /// Instead of the client's token.
    pub token: Option<SecretText>,
    /// The client's `wrap_ttl` holds for this request. Off for questions that a command asks for itself.
    pub wrappable: bool,
    /// Bound on the answer's body.
    pub answer_bytes_max: usize,
}

/// Bound on an answer's body unless the request says otherwise: twice what a server takes in one request.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Bound on a request's body: what servers of this dialect accept (`max_request_size`).
pub const BODY_BYTES_MAX: usize = 32 << 20;

impl Request {
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            token: None,
            wrappable: true,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    #[must_use]
    pub fn list(path: impl Into<String>) -> Self {
        Self::get(path).param("list", "true")
    }

    #[must_use]
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// A write with a JSON body.
    #[must_use]
    pub fn put(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self::new(Method::Put, path).json(body)
    }

    #[must_use]
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self::new(Method::Post, path).json(body)
    }

    /// A JSON merge patch.
    #[must_use]
    pub fn patch(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self::new(Method::Patch, path).json(body)
    }

    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the body. What has no JSON form (a map with keys that are not texts) becomes no body, which a server refuses.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).ok().map(SecretBytes::new);
        self
    }

    #[must_use]
    pub fn with_token(mut self, token: SecretText) -> Self {
        self.token = Some(token);
        self
    }

    /// For questions a command asks for itself: the user's wish to wrap is about the answer, not about these.
    #[must_use]
    pub fn unwrapped(mut self) -> Self {
        self.wrappable = false;
        self
    }

    /// Path and query as they go over the wire, below a prefix such as `/v1/`.
    #[must_use]
    pub fn target(&self, prefix: &str) -> String {
        let mut target = format!("{prefix}{}", encode(&self.path, PATH_SAFE));
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&encode(name, b""));
            target.push('=');
            target.push_str(&encode(value, b""));
        }
        target
    }
}

/// What stands unencoded in a path beside letters, digits and `-_.~`.
const PATH_SAFE: &[u8] = b"/$&+,;=:@!'()*";

/// Percent-encodes what is neither a letter, a digit, one of `-_.~`, nor in `safe`.
fn encode(text: &str, safe: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || safe.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
    out
}
