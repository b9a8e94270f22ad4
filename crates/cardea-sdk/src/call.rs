//! Calls to sources that speak HTTP: one request, one answer, bounded in size and time. What is called is what an owner
//! configured. It must never be done inside a transaction, follow a redirect, or let a credential into an error: a call
//! takes the context that only work outside of transactions has.

use crate::context::OutsideContext;
use crate::external::ExternalError;
use async_trait::async_trait;
use cardea_model::{Error, SecretBytes, SecretText};
use std::net::IpAddr;

/// Largest answer in bytes: a page of a list of keys, with room.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Longest address in bytes.
const ADDRESS_BYTES_MAX: usize = 1024;

/// What a rotator of such sources is given by the assembly.
#[async_trait]
pub trait Call: Send + Sync {
    /// Sends the request. Any status is an answer. TLS, or plain HTTP to this machine itself; no proxy, no second try.
    ///
    /// # Errors
    /// Nobody there, so that nothing happened; or no whole answer, so that it may have.
    async fn call_source(&self, cx: &OutsideContext<'_>, call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpMethod {
    pub const ALL: &[Self] = &[Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == word)
    }
}

/// One request.
pub struct HttpCall<'c> {
    pub method: HttpMethod,
    pub address: &'c Address,
    /// Path and query, already escaped; follows what the address has as path.
    pub target: String,
    /// Names in lower case; their values may be secret.
    pub headers: Vec<(String, SecretText)>,
    /// Empty for none.
    pub body: SecretBytes,
    /// The authorities to believe; empty takes the operating system's.
    pub ca_pem: &'c str,
}

/// What came back. It may hold a new credential.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub body: SecretBytes,
}

/// Where a source is: `https`, or `http` to this machine itself; a host, perhaps a port, perhaps a path that all targets
/// stand below. Without a credential, a query or a fragment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address(String);

impl Address {
    /// # Errors
    /// Anything else; the words name the field.
    pub fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let refused = |why: &str| Err(Error::invalid(format!("field `{field}` {why}")));
        if text.len() > ADDRESS_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("is too long or not plain ASCII");
        }
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return refused("does not begin with https://"),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if text.contains(['?', '#', '@', '\\', '%', '{', '}', '"', '<', '>', '^', '`', '|']) {
            return refused("has a query, a fragment, a credential or an escape");
        }
        if path.split('/').any(|part| matches!(part, "." | "..")) || path.contains("//") {
            return refused("has a path that says more than one thing");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
                _ => return refused("has no host"),
            },
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if host.is_empty() || (!authority.starts_with('[') && !host.bytes().all(named)) {
            return refused("has no host");
        }
        let good_port = match port.strip_prefix(':') {
            None => port.is_empty(),
            Some(digits) => {
                digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|p| p > 0)
            }
        };
        if !good_port {
            return refused("has a port that is none");
        }
        let here = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !secure && !here {
            return refused("does not begin with https://, which only this machine itself may do without");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_called_and_that_are_not() {
        for (text, expected) in [
            ("https://api.example", Some("https://api.example")),
            ("https://api.example:8443/v1/", Some("https://api.example:8443/v1")),
            ("https://[2001:db8::1]:443/v1", Some("https://[2001:db8::1]:443/v1")),
            ("http://127.0.0.1:8200", Some("http://127.0.0.1:8200")),
            ("http://localhost/x", Some("http://localhost/x")),
            ("http://[::1]:1", Some("http://[::1]:1")),
            ("http://api.example", None),
            ("http://127.0.0.1.example", None),
            ("http://0.0.0.0", None),
            ("HTTPS://api.example", None),
            ("ftp://api.example", None),
            ("https://", None),
            ("https:///x", None),
            ("https://me:pw@api.example", None),
            ("https://api.example?x", None),
            ("https://api.example#x", None),
            ("https://api.example/%2e%2e", None),
            ("https://api.example/a/../b", None),
            ("https://api.example//b", None),
            ("https://api.example:0", None),
            ("https://api.example:65536", None),
            ("https://api.example:", None),
            ("https://api.example:8 0", None),
            ("https://api example", None),
            ("https://[::1", None),
            ("https://[x]", None),
            ("https://api_.example", None),
            ("https://{{host}}", None),
            ("", None),
        ] {
            assert_eq!(Address::parse("address", text).ok().as_ref().map(Address::as_str), expected, "{text}");
        }
        let long = format!("https://api.example/{}", "x".repeat(ADDRESS_BYTES_MAX));
        assert!(Address::parse("address", &long).is_err());
    }
}
