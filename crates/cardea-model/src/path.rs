//! The one canonical name of a resource. The router, the policy, the cache, the quota and the log accept nothing else.
//!
//! It must never be made from text that was not checked here, and no later stage may decode, fold or trim it again:
//! most holes of this field were a name that the policy saw in one spelling and the engine in another.

use crate::error::Error;
use crate::limit::PATH_BYTES_MAX;
use std::fmt;

/// A path without leading slash, without empty, `.` or `..` segments, and without characters that cannot be printed.
/// A trailing slash is kept: it marks a folder (what LIST asks about).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CanonicalPath(String);

impl CanonicalPath {
    /// Checks a path that was percent-decoded exactly once. It is refused, never repaired: a repaired name would be
    /// a second spelling of the same thing.
    ///
    /// # Errors
    /// [`crate::Cause::Invalid`] for anything that is not canonical; the text never repeats the input.
    pub fn parse(decoded: &str) -> Result<Self, Error> {
        if decoded.is_empty() {
            return Err(Error::invalid("path is empty"));
        }
        if decoded.len() > PATH_BYTES_MAX {
            return Err(Error::invalid("path is too long"));
        }
        if decoded.chars().any(is_unprintable) {
            return Err(Error::invalid("path contains characters that cannot be printed"));
        }
        let body = decoded.strip_suffix('/').unwrap_or(decoded);
        if body.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
            return Err(Error::invalid("path is not canonical: empty, `.` and `..` segments are refused"));
        }
        Ok(Self(decoded.to_owned()))
    }

    /// Percent-decodes once (RFC 3986, section 2.1), then checks. A `%2F` decodes to a slash like any other.
    pub fn parse_encoded(encoded: &str) -> Result<Self, Error> {
        Self::parse(&percent_decode(encoded)?)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names a folder (ends in a slash).
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }

    /// The same name as a folder; what LIST is routed and authorised as.
    #[must_use]
    pub fn into_folder(mut self) -> Self {
        if !self.is_folder() {
            self.0.push('/');
        }
        self
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decodes `%XX` once.
///
/// # Errors
/// A broken escape, or bytes that are not UTF-8.
pub fn percent_decode(encoded: &str) -> Result<String, Error> {
    if !encoded.contains('%') {
        return Ok(encoded.to_owned());
    }
    let bytes = encoded.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let pair = bytes.get(at + 1..at + 3).ok_or_else(|| Error::invalid("path has a broken percent escape"))?;
            let high = hex_value(pair[0])?;
            let low = hex_value(pair[1])?;
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).map_err(|_| Error::invalid("path is not UTF-8"))
}

fn hex_value(digit: u8) -> Result<u8, Error> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Error::invalid("path has a broken percent escape")),
    }
}

/// Control characters, and the invisible ones that make two names look the same (Unicode categories Cc, Cf, Zl, Zp and
/// the byte order mark). Vault refuses what is not printable; this is the same idea with the formatting range named.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{fffd}')
}
