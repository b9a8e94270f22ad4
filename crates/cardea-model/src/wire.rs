//! What listeners and dialects exchange. A listener makes a `WireRequest` after its limits held; a dialect turns it into
//! a `Request`, and an answer into a `WireResponse`. Neither may do I/O with it.

use std::net::SocketAddr;

/// One request as it came over the wire: limits of size and time already held, nothing interpreted.
#[derive(Debug)]
pub struct WireRequest {
    /// Upper case.
    pub method: String,
    /// As sent: still percent-encoded, starting with `/`.
    pub path: String,
    /// As sent, without the `?`; empty if there was none.
    pub query: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: crate::SecretBytes,
    pub peer: SocketAddr,
    pub tls: Option<TlsFacts>,
}

impl WireRequest {
    /// The only value of a header; `None` if it is absent.
    ///
    /// # Errors
    /// More than one value, or bytes that are not text: two values of a header that decides something are an attack.
    pub fn header(&self, name: &str) -> Result<Option<&str>, crate::Error> {
        let mut found = None;
        for (candidate, value) in &self.headers {
            if candidate == name {
                if found.is_some() {
                    return Err(crate::Error::invalid("a header that may stand once stands twice"));
                }
                found = Some(value);
            }
        }
        match found {
            None => Ok(None),
            Some(value) => {
                std::str::from_utf8(value).map(Some).map_err(|_| crate::Error::invalid("a header is not text"))
            }
        }
    }
}

/// What the TLS layer knows of the connection.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// Such as `TLSv1_3`.
    pub version: String,
    pub cipher_suite: String,
    /// The key exchange group, such as `X25519MLKEM768`.
    pub key_exchange: Option<String>,
    /// SHA-256 of the client certificate, hex, if one was presented and verified.
    pub client_certificate_sha256: Option<String>,
}

/// One response, ready for the wire.
#[derive(Debug)]
pub struct WireResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: crate::SecretBytes,
}
