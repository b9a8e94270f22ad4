//! AWS Signature Version 4, the half that needs no key: from a request as it arrived to the string that must have been
//! signed, and from a fault to AWS's words. Source: "AWS Signature Version 4 for API requests" in AWS's IAM user guide, and
//! the test suite that AWS publishes (`tests.rs`).
//!
//! It must never compare a signature (`authenticate` does, in constant time, with a key that dialects never see), trust a
//! digest that the client sent, or let through a header that decides something and is not signed. There is no cache against
//! replay: equal calls within one second sign equally, and the clock bounds the rest.

mod canonical;
mod told;

pub use told::{Told, told};

use super::instants;
use canonical::{Query, canonical_request};
use cardea_crypto::mac;
use cardea_model::request::SIGNATURE_SKEW_S_MAX;
use cardea_model::wire::WireRequest;
use cardea_model::{Credential, CredentialFault, SecretText, SignatureScheme, Signed};
use cardea_sdk::dialect::DialectConfig;

/// The one algorithm. `AWS4-ECDSA-P256-SHA256` (SigV4A) is refused: its public keys would have to be derived from the
/// secret, for clients that need one signature for many regions.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// Longest access key id: AWS's own bound.
const KEY_ID_BYTES_MAX: usize = 128;
/// Longest region of a scope; AWS's longest has 14 bytes.
const REGION_BYTES_MAX: usize = 64;
/// Most signed headers; the JavaScript SDK, which signs the most, sends about a dozen.
const SIGNED_HEADERS_MAX: usize = 64;
/// How long a presigned request may be used, in seconds, whatever it says: AWS's STS gives 15 minutes.
const PRESIGNED_S_MAX: u64 = 900;
/// The binding of a dialect's configuration that names the regions it answers for, separated by commas; absent for all.
pub const REGIONS_BINDING: &str = "regions";

/// What a scope must name.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// Such as `secretsmanager`.
    pub service: &'a str,
    /// Empty for every region.
    pub regions: Vec<&'a str>,
    /// Whether a signature may stand in the query: for STS alone.
    pub presigned: bool,
}

impl<'a> Expected<'a> {
    /// A service in the regions that the owner configured.
    #[must_use]
    pub fn of(config: &'a DialectConfig, service: &'a str) -> Self {
        let regions = config.bindings.get(REGIONS_BINDING).map(String::as_str).unwrap_or_default();
        let regions = regions.split(',').map(str::trim).filter(|region| !region.is_empty()).collect();
        Self { service, regions, presigned: false }
    }
}

/// The credential of a request to a service, in any region. See [`credential_within`].
///
/// # Errors
/// As there.
pub fn credential(wire: &WireRequest, service: &str) -> Result<Credential, CredentialFault> {
    credential_within(wire, &Expected { service, regions: Vec::new(), presigned: false })
}

/// The credential of a request: `None` if it shows none.
///
/// # Errors
/// What cannot be judged. A dialect makes it [`Credential::Refused`], so that it is refused and recorded where every
/// other bad credential is.
pub fn credential_within(wire: &WireRequest, expected: &Expected<'_>) -> Result<Credential, CredentialFault> {
    let header = one(wire, "authorization")?;
    let query = Query::read(&wire.query).ok_or(CredentialFault::Incomplete("the query cannot be read"))?;
    match (header, query.has_signature()) {
        (None, false) => Ok(Credential::None),
        (Some(_), true) => Err(CredentialFault::Incomplete("a request is signed in its header or in its query")),
        (Some(header), false) => from_header(wire, header, &query, expected),
        (None, true) if expected.presigned => from_query(wire, &query, expected),
        (None, true) => Err(CredentialFault::Incomplete("requests to this service are signed in their header")),
    }
}

/// The parts of a signature that both forms have.
struct Parts<'a> {
    scope: Scope<'a>,
    signed_headers: &'a str,
    signature: &'a str,
    /// `20150830T123600Z`.
    signed_at: String,
    session_token: Option<&'a str>,
    valid_s: u64,
}

struct Scope<'a> {
    key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

fn from_header(
    wire: &WireRequest,
    header: &str,
    query: &Query,
    expected: &Expected<'_>,
) -> Result<Credential, CredentialFault> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    if algorithm != ALGORITHM {
        return Err(CredentialFault::Incomplete("the signing algorithm must be AWS4-HMAC-SHA256"));
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for member in rest.split(',') {
        let (name, value) = member
            .trim_matches([' ', '\t'])
            .split_once('=')
            .ok_or(CredentialFault::Incomplete("the authorization header has a part that is not name=value"))?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(CredentialFault::Incomplete("the authorization header has an unknown part")),
        };
        if place.replace(value).is_some() {
            return Err(CredentialFault::Incomplete("the authorization header has a part twice"));
        }
    }
    let missing = |words| move || CredentialFault::Incomplete(words);
    let parts = Parts {
        scope: scope(
            credential.ok_or_else(missing("authorization header requires 'Credential' parameter"))?,
            expected,
        )?,
        signed_headers: signed_headers
            .ok_or_else(missing("authorization header requires 'SignedHeaders' parameter"))?,
        signature: signature.ok_or_else(missing("authorization header requires 'Signature' parameter"))?,
        signed_at: signed_at(wire)?,
        session_token: one(wire, "x-amz-security-token")?,
        valid_s: SIGNATURE_SKEW_S_MAX,
    };
    signed(wire, query, parts)
}

fn from_query(wire: &WireRequest, query: &Query, expected: &Expected<'_>) -> Result<Credential, CredentialFault> {
    let required = |name| {
        query.only(name).map_err(CredentialFault::Incomplete)?.ok_or(CredentialFault::Incomplete(
            "a presigned request needs X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders and -Signature",
        ))
    };
    if required("X-Amz-Algorithm")? != ALGORITHM {
        return Err(CredentialFault::Incomplete("the signing algorithm must be AWS4-HMAC-SHA256"));
    }
    let valid_s: u64 = Some(required("X-Amz-Expires")?)
        .filter(|text| text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(CredentialFault::Incomplete("X-Amz-Expires must be a number of seconds"))?;
    let parts = Parts {
        scope: scope(required("X-Amz-Credential")?, expected)?,
        signed_headers: required("X-Amz-SignedHeaders")?,
        signature: required("X-Amz-Signature")?,
        signed_at: required("X-Amz-Date")?.to_owned(),
        session_token: query.only("X-Amz-Security-Token").map_err(CredentialFault::Incomplete)?,
        valid_s: valid_s.min(PRESIGNED_S_MAX),
    };
    signed(wire, query, parts)
}

/// Reads `key/date/region/service/aws4_request`.
fn scope<'a>(text: &'a str, expected: &Expected<'_>) -> Result<Scope<'a>, CredentialFault> {
    let mut parts = text.split('/');
    let (Some(key_id), Some(date), Some(region), Some(service), Some(end), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CredentialFault::Incomplete("the credential must be key/date/region/service/aws4_request"));
    };
    if end != TERMINATOR {
        return Err(CredentialFault::BadSignature(
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ));
    }
    if service != expected.service {
        return Err(CredentialFault::BadSignature("Credential should be scoped to correct service."));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.is_empty()
        || region.len() > REGION_BYTES_MAX
        || !region.bytes().all(plain)
        || !(expected.regions.is_empty() || expected.regions.contains(&region))
    {
        return Err(CredentialFault::BadSignature("Credential should be scoped to a valid region."));
    }
    if key_id.is_empty()
        || key_id.len() > KEY_ID_BYTES_MAX
        || !key_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Err(CredentialFault::UnknownKey);
    }
    Ok(Scope { key_id, date, region, service })
}

/// When a request says that it was signed: `x-amz-date`, or the `date` of HTTP where that is absent.
fn signed_at(wire: &WireRequest) -> Result<String, CredentialFault> {
    if let Some(text) = one(wire, "x-amz-date")? {
        return Ok(text.to_owned());
    }
    let text = one(wire, "date")?.ok_or(CredentialFault::Incomplete(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    ))?;
    let unix_s = instants::read_basic(text).or_else(|| instants::read_http(text));
    unix_s.map(instants::basic).ok_or(CredentialFault::Incomplete(BAD_DATE))
}

const BAD_DATE: &str = "Date must be in ISO-8601 'basic format', such as 20150830T123600Z";

/// What must have been signed.
fn signed(wire: &WireRequest, query: &Query, parts: Parts<'_>) -> Result<Credential, CredentialFault> {
    let signed_at_s = instants::read_basic(&parts.signed_at).ok_or(CredentialFault::Incomplete(BAD_DATE))?;
    if parts.scope.date != &parts.signed_at[..8] {
        return Err(CredentialFault::BadSignature("Date in Credential scope does not match the date of the request."));
    }
    let headers = signed_headers(wire, parts.signed_headers)?;
    let body_hash = mac::hex(&mac::sha256(&[wire.body.expose()]));
    check_content_hash(wire, &body_hash)?;
    let canonical = canonical_request(&wire.method, &wire.path, query, &headers, parts.signed_headers, &body_hash);
    let Scope { key_id, date, region, service } = parts.scope;
    let string_to_sign = format!(
        "{ALGORITHM}\n{}\n{date}/{region}/{service}/{TERMINATOR}\n{}",
        parts.signed_at,
        mac::hex(&mac::sha256(&[&canonical]))
    );
    Ok(Credential::Signed(Box::new(Signed {
        key_id: key_id.to_owned(),
        session_token: parts.session_token.map(|text| SecretText::new(text.to_owned())),
        scheme: SignatureScheme::AwsV4 {
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        },
        string_to_sign: string_to_sign.into_bytes(),
        signature: signature(parts.signature)?,
        signed_at_s,
        valid_s: parts.valid_s,
    })))
}

/// 64 lower-case hex digits: another spelling of a good signature is another signature.
fn signature(text: &str) -> Result<Vec<u8>, CredentialFault> {
    let lower = text.len() == 64 && !text.bytes().any(|b| b.is_ascii_uppercase());
    match hex::decode(text) {
        Ok(bytes) if lower => Ok(bytes),
        _ => Err(CredentialFault::BadSignature("the signature is not 64 hexadecimal digits")),
    }
}

/// The signed headers with their one value each, in the order given; and that everything is signed which decides.
fn signed_headers<'w>(wire: &'w WireRequest, list: &str) -> Result<Vec<(&'w str, &'w [u8])>, CredentialFault> {
    let names: Vec<&str> = list.split(';').collect();
    if names.len() > SIGNED_HEADERS_MAX {
        return Err(CredentialFault::Incomplete("too many signed headers"));
    }
    if !names.windows(2).all(|pair| pair[0] < pair[1]) || list.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(CredentialFault::BadSignature(
            "signed headers must be in lower case, in order and without repetition",
        ));
    }
    if names.binary_search(&"host").is_err() {
        return Err(CredentialFault::BadSignature("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let dated = names.binary_search(&"date").is_ok() || wire.headers.iter().any(|(name, _)| name == "x-amz-date");
    for (n, (name, _)) in wire.headers.iter().enumerate() {
        let is_signed = names.binary_search(&name.as_str()).is_ok();
        let decides = name.starts_with("x-amz-") || name == "host" || (name == "date" && !dated);
        if decides && !is_signed {
            return Err(CredentialFault::BadSignature("a header of the request that must be signed is not"));
        }
        if (decides || is_signed) && wire.headers[..n].iter().any(|(before, _)| before == name) {
            return Err(CredentialFault::BadSignature("a signed header stands twice"));
        }
    }
    let found = names.iter().map(|name| {
        let header = wire.headers.iter().find(|(candidate, _)| candidate == name);
        header.map(|(name, value)| (name.as_str(), value.as_slice()))
    });
    found.collect::<Option<_>>().ok_or(CredentialFault::BadSignature("a signed header is not in the request"))
}

/// A digest that the client sends must be the body's. Payloads that were not signed, or will be signed piece by piece,
/// are refused: a request is judged as a whole, before anything of it is believed.
fn check_content_hash(wire: &WireRequest, body_hash: &str) -> Result<(), CredentialFault> {
    match one(wire, "x-amz-content-sha256")? {
        None => Ok(()),
        Some("UNSIGNED-PAYLOAD") => Err(CredentialFault::BadSignature("unsigned payloads are not accepted")),
        Some(text) if text.starts_with("STREAMING-") => {
            Err(CredentialFault::BadSignature("streamed payloads are not accepted"))
        }
        Some(text) if text.eq_ignore_ascii_case(body_hash) => Ok(()),
        Some(_) => Err(CredentialFault::BadSignature("x-amz-content-sha256 is not the digest of the body")),
    }
}

/// The only value of a header.
fn one<'w>(wire: &'w WireRequest, name: &str) -> Result<Option<&'w str>, CredentialFault> {
    wire.header(name).map_err(|_| CredentialFault::Incomplete("a header of the signature stands twice or is not text"))
}

#[cfg(test)]
mod tests;
