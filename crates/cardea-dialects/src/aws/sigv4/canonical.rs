//! The canonical request: the one spelling of method, path, query and headers that both sides digest. Everything is taken
//! from what arrived. It must never accept two spellings that a later stage would read differently: what cannot be decoded
//! is refused.

use cardea_model::Wiped;
use std::fmt::Write as _;

/// Where presigned requests keep their signature; it cannot be over itself.
const SIGNATURE: &str = "X-Amz-Signature";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The decoded members of a query, in the order of arrival.
pub struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    /// `None` for a percent sign that does not begin two hexadecimal digits.
    pub fn read(raw: &str) -> Option<Self> {
        let members = raw.split('&').filter(|member| !member.is_empty()).map(|member| {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            Some((decode(name)?, decode(value)?))
        });
        members.collect::<Option<_>>().map(Self)
    }

    pub fn has_signature(&self) -> bool {
        self.0.iter().any(|(name, _)| name == b"X-Amz-Algorithm" || name == SIGNATURE.as_bytes())
    }

    /// The only value of a member; `Err` in words if there are two, or it is not text.
    pub fn only(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut found = self.0.iter().filter(|(candidate, _)| candidate == name.as_bytes());
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => {
                std::str::from_utf8(value).map(Some).map_err(|_| "a member of the query is not text")
            }
            _ => Err("a member of the signature stands twice in the query"),
        }
    }

    /// Sorted by encoded name and value, without the signature.
    fn canonical(&self) -> String {
        let signed = self.0.iter().filter(|(name, _)| name != SIGNATURE.as_bytes());
        let mut members: Vec<(String, String)> =
            signed.map(|(name, value)| (encode(name, false), encode(value, false))).collect();
        members.sort_unstable();
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        members.join("&")
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
    }
    Some(out)
}

/// RFC 3986: everything but unreserved characters is escaped, in upper-case digits; in paths slashes stay.
fn encode(bytes: &[u8], path: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || (path && *byte == b'/') {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// The path without empty and dot segments, encoded once more on top of what the wire has: all services but S3 sign it so.
fn canonical_path(raw: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let end = if raw.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    encode(format!("/{}{end}", segments.join("/")).as_bytes(), true)
}

/// Without space at either end; runs of space inside are one.
fn trimmed(value: &[u8], out: &mut Vec<u8>) {
    let words = value.split(|b| b" \t".contains(b)).filter(|word| !word.is_empty());
    for (n, word) in words.enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The canonical request. Wiped when dropped: among the headers is the session token.
pub fn canonical_request(
    method: &str,
    path: &str,
    query: &Query,
    headers: &[(&str, &[u8])],
    signed_headers: &str,
    body_hash: &str,
) -> Wiped {
    // Large enough that nothing is left behind in a smaller buffer.
    let headers_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut head = String::new();
    let _ = write!(head, "{method}\n{}\n{}\n", canonical_path(path), query.canonical());
    let tail = format!("\n{signed_headers}\n{body_hash}");
    let mut out = Wiped::new(Vec::with_capacity(head.len() + headers_bytes + tail.len()));
    out.extend_from_slice(head.as_bytes());
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        trimmed(value, &mut out);
        out.push(b'\n');
    }
    out.extend_from_slice(tail.as_bytes());
    out
}
