//! A signed token in its compact form (RFC 7515 section 7.1). Before its signature is verified, nothing of it is looked at but the
//! header's algorithm and key name; the claims come into being by verifying.
//!
//! Headers that bring keys or addresses of keys along (`jwk`, `jku`, `x5c`, `x5u`) are never followed.

use crate::jwt::claims::{Claim, Claims};
use crate::jwt::keys::{Algorithm, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest token in bytes. Tokens of the large issuers have 1 to 4 KiB; those with hundreds of groups reach 12.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Why a token proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It is not shown that anybody whom we know signed it: all of these sound alike, and the words are for the log.
    Unproven(&'static str),
    /// Its algorithm is none of those that the owner allows.
    Algorithm,
    TooLong,
    /// It was signed by a known key, and its content is not in order.
    Claims(&'static str),
}

/// A token as it came.
#[derive(Debug)]
pub struct Unverified<'t> {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    /// What was signed: header and payload as they came.
    signed: &'t str,
    payload: &'t str,
    signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is longer than [`TOKEN_BYTES_MAX`], not three parts, not in the one spelling of base64url, or has a header that we must
    /// not understand halfway.
    pub fn parse(token: &'t str) -> Result<Self, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let malformed = Refused::Unproven("the token is not three parts in base64url");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed);
        let header = Claim::object(&bytes(header)?).map_err(Refused::Unproven)?;
        if header.contains_key("crit") {
            return Err(Refused::Unproven("the header has critical extensions, of which none is understood"));
        }
        let name = header.get("alg").and_then(Claim::text);
        let name = name.ok_or(Refused::Unproven("the header names no algorithm"))?;
        let algorithm = Algorithm::parse(name).ok_or(Refused::Algorithm)?;
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => Some(kid.text().ok_or(Refused::Unproven("the header's kid is no text"))?.to_owned()),
        };
        Ok(Self { algorithm, kid, signed, payload, signature: bytes(signature)? })
    }

    /// The claims, if one of the keys signed them.
    ///
    /// # Errors
    /// None did, or what was signed is no object of claims.
    pub fn verify<'k>(&self, keys: impl Iterator<Item = &'k PublicKey>) -> Result<Claims, Refused> {
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            return Err(Refused::Unproven("no known key has the token's kid and algorithm"));
        }
        if !keys.any(|key| key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature)) {
            return Err(Refused::Unproven("the signature is none of a known key"));
        }
        let malformed = Refused::Claims("the payload is not base64url");
        let payload = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| malformed)?;
        Claims::parse(&payload).map_err(Refused::Claims)
    }
}
