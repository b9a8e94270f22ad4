//! The protocol "AWS JSON 1.1" (KMS, Secrets Manager): the operation stands in a header, input and output are JSON objects,
//! errors have a type. Here is what its services share: reading inputs, AWS's words for inputs that break a constraint,
//! refusals that need no operation, and the frame of responses. It must never put a value of an input into a response.

use crate::aws::sigv4;
use cardea_model::params::is_distinct;
use cardea_model::request::Origin;
use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Cause, Credential, Error, Refusal, RequestId, SecretBytes, SignatureScheme};
use cardea_sdk::dialect::DialectConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The header that names the operation, such as `secretsmanager.GetSecretValue`.
pub const TARGET: &str = "x-amz-target";
/// The binding of a dialect's configuration that names the account, 12 digits.
pub const ACCOUNT_BINDING: &str = "account_id";
/// The binding of a dialect's configuration that names the mount which its operations are about.
pub const MOUNT_BINDING: &str = "mount";
/// The account where none is configured: the one of AWS's own examples.
pub const ACCOUNT_DEFAULT: &str = "123456789012";
/// The region where a request shows none and none is configured.
pub const REGION_DEFAULT: &str = "us-east-1";

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Headers that carry credentials: the log never keeps them, whatever the owner configured.
const CREDENTIAL_HEADERS: &[&str] = &["authorization", "x-amz-security-token", "x-vault-token", "cookie"];
/// Most values of headers that the log keeps of one request, and the longest, in bytes.
const LOGGED_HEADERS_MAX: usize = 32;
const LOGGED_HEADER_BYTES_MAX: usize = 1024;

/// What a dialect refuses by itself: AWS's type and words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub kind: &'static str,
    /// For the client. Constants and names of members, never a value.
    pub message: String,
}

/// Between type and words in the text of an error. No text of ours, and none of the kernel's, has it.
const BETWEEN: &str = "\u{1f}";

impl Fault {
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    #[must_use]
    pub fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "")
    }

    #[must_use]
    pub fn unreadable() -> Self {
        Self::new("SerializationException", "The request body cannot be read as this operation's input.")
    }

    /// Type and words of a refusal that a dialect of this protocol made by itself.
    #[must_use]
    pub fn of(error: &Error) -> Option<(&str, &str)> {
        error.client.split_once(BETWEEN)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Error::invalid(format!("{}{BETWEEN}{}", fault.kind, fault.message)).into()
    }
}

/// The operation that a request names, if it names one of this service.
#[must_use]
pub fn operation<'w>(wire: &'w WireRequest, service: &str) -> Option<&'w str> {
    let target = wire.header(TARGET).ok().flatten()?;
    target.strip_prefix(service)?.strip_prefix('.')
}

/// The typed input. Members that it does not know are passed over, as AWS does.
///
/// # Errors
/// Not an object of this shape, or a member twice, at any depth.
pub fn input<T: DeserializeOwned>(wire: &WireRequest) -> Result<T, Fault> {
    let body = wire.body.expose();
    let body = if body.is_empty() { b"{}".as_slice() } else { body };
    // An array would be read as the members in their order.
    // A member that stands twice, also one that nobody here reads, and in a context too, could be read in two ways.
    if body.trim_ascii_start().first() != Some(&b'{') || !is_distinct(body) {
        return Err(Fault::unreadable());
    }
    serde_json::from_slice(body).map_err(|_| Fault::unreadable())
}

/// Who asks, and in which region. What cannot be judged makes a credential that is refused where all others are.
#[must_use]
pub fn caller(config: &DialectConfig, wire: &WireRequest, service: &str) -> (Credential, String) {
    let expected = sigv4::Expected::of(config, service);
    let usual = expected.regions.first().copied().unwrap_or(REGION_DEFAULT).to_owned();
    match sigv4::credential_within(wire, &expected) {
        Ok(Credential::Signed(shown)) => {
            let region = match &shown.scheme {
                SignatureScheme::AwsV4 { region, .. } => region.clone(),
                SignatureScheme::Hmac => usual,
            };
            (Credential::Signed(shown), region)
        }
        Ok(credential) => (credential, usual),
        Err(fault) => (Credential::Refused(fault), usual),
    }
}

/// Where the request came from, for the log.
#[must_use]
pub fn origin(config: &DialectConfig, dialect: &'static str, wire: &WireRequest) -> Origin {
    let wanted = |name: &str| config.logged_headers.iter().any(|logged| logged == name);
    let headers = wire
        .headers
        .iter()
        .filter(|(name, _)| wanted(name) && !CREDENTIAL_HEADERS.contains(&name.as_str()))
        .take(LOGGED_HEADERS_MAX)
        .map(|(name, value)| {
            let kept = value.get(..LOGGED_HEADER_BYTES_MAX).unwrap_or(value);
            (name.clone(), String::from_utf8_lossy(kept).into_owned())
        });
    Origin { dialect, peer: wire.peer, tls: wire.tls.clone(), headers: headers.collect() }
}

/// The account that the owner configured.
#[must_use]
pub fn account(config: &DialectConfig) -> &str {
    config.bindings.get(ACCOUNT_BINDING).map_or(ACCOUNT_DEFAULT, String::as_str)
}

/// The partition of a region, as it stands in resource names.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Constraints on an input's members, and AWS's words for those that are broken: all of them at once.
#[derive(Default)]
pub struct Checks {
    broken: Vec<String>,
}

impl Checks {
    fn add(&mut self, member: &str, constraint: &str) {
        self.broken.push(format!("Value at '{member}' failed to satisfy constraint: Member must {constraint}"));
    }

    pub fn present(&mut self, member: &str, is_there: bool) {
        if !is_there {
            self.add(member, "not be null");
        }
    }

    /// Of a text in characters, of a list in members; nothing if it is absent.
    pub fn length(&mut self, member: &str, length: Option<usize>, min: usize, max: usize) {
        match length {
            Some(length) if length < min => {
                self.add(member, &format!("have length greater than or equal to {min}"));
            }
            Some(length) if length > max => self.add(member, &format!("have length less than or equal to {max}")),
            _ => {}
        }
    }

    pub fn range(&mut self, member: &str, number: Option<i64>, min: i64, max: i64) {
        match number {
            Some(number) if number < min => {
                self.add(member, &format!("have value greater than or equal to {min}"));
            }
            Some(number) if number > max => self.add(member, &format!("have value less than or equal to {max}")),
            _ => {}
        }
    }

    pub fn one_of(&mut self, member: &str, word: Option<&str>, words: &[&str]) {
        if word.is_some_and(|word| !words.contains(&word)) {
            self.add(member, &format!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    pub fn pattern(&mut self, member: &str, holds: bool, pattern: &str) {
        if !holds {
            self.add(member, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// # Errors
    /// `ValidationException`, if any constraint is broken.
    pub fn finish(self) -> Result<(), Fault> {
        match self.broken.len() {
            0 => Ok(()),
            1 => Err(Fault::validation(format!("1 validation error detected: {}", self.broken[0]))),
            n => Err(Fault::validation(format!("{n} validation errors detected: {}", self.broken.join("; ")))),
        }
    }
}

/// Status, type and words of a refusal that no service has words of its own for.
pub struct General {
    pub status: u16,
    pub kind: &'static str,
    pub message: String,
}

/// What any service of this protocol answers where the operation does not matter; `None` where it does.
#[must_use]
pub fn general(error: &Error) -> Option<General> {
    if let Some(fault) = &error.fault {
        let told = sigv4::told(fault);
        return Some(General { status: 400, kind: told.kind, message: told.message });
    }
    let (status, kind, message) = match error.cause {
        // 400, as AWS answers: a client repeats what was answered 429 or 500 at once.
        Cause::RateLimited => (400, "ThrottlingException", "Rate exceeded"),
        Cause::Sealed => (503, "ServiceUnavailableException", "The server is sealed."),
        Cause::Unavailable => (503, "ServiceUnavailableException", "Not available now, try again."),
        Cause::HeaderTooLarge => (431, "SerializationException", "The request's headers are too large."),
        _ => return None,
    };
    Some(General { status, kind, message: message.to_owned() })
}

/// How a service spells the member with an error's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageMember {
    /// `Message`: Secrets Manager.
    Upper,
    /// `message`: KMS.
    Lower,
}

/// An error as the protocol frames it.
#[must_use]
pub fn failure(
    status: u16,
    kind: &str,
    message: &str,
    member: MessageMember,
    request_id: Option<&RequestId>,
) -> WireResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(rename = "__type")]
        kind: &'a str,
        #[serde(rename = "Message", skip_serializing_if = "Option::is_none")]
        upper: Option<&'a str>,
        #[serde(rename = "message", skip_serializing_if = "Option::is_none")]
        lower: Option<&'a str>,
    }
    let words = Some(message).filter(|words| !words.is_empty());
    let (upper, lower) = match member {
        MessageMember::Upper => (words, None),
        MessageMember::Lower => (None, words),
    };
    let body = serde_json::to_vec(&Body { kind, upper, lower }).unwrap_or_default();
    let mut response = respond(status, body, request_id);
    response.headers.push(("x-amzn-errortype", kind.to_owned()));
    response
}

/// A response with its headers: nothing may keep a copy, and the id is the log's.
#[must_use]
pub fn respond(status: u16, body: Vec<u8>, request_id: Option<&RequestId>) -> WireResponse {
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ];
    if let Some(RequestId(id)) = request_id.filter(|id| !id.0.is_empty()) {
        headers.push(("x-amzn-requestid", id.clone()));
    }
    WireResponse { status, headers, body: SecretBytes::new(body) }
}

#[cfg(test)]
mod tests {
    //! What no service of this protocol reads.

    use super::*;
    use serde::Deserialize;
    use std::net::SocketAddr;

    #[derive(Deserialize)]
    struct Known {
        #[serde(rename = "A")]
        a: Option<String>,
    }

    fn read(body: &str) -> Option<Option<String>> {
        let wire = WireRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: SecretBytes::new(body.as_bytes().to_vec()),
            peer: SocketAddr::from(([192, 0, 2, 1], 1)),
            tls: None,
        };
        input::<Known>(&wire).ok().map(|known| known.a)
    }

    #[test]
    fn a_member_that_stands_twice_is_never_chosen_between() {
        assert_eq!(read(""), Some(None));
        assert_eq!(read(r#"{"A":"1","B":{"c":[{"d":1}]}}"#), Some(Some("1".to_owned())));
        for body in [
            r#"{"A":"1","A":"2"}"#,
            r#"{"B":1,"B":2}"#,
            r#"{"B":{"c":1,"c":2}}"#,
            r#"{"B":{"c":1,"\u0063":2}}"#,
            r#"{"A":"1","B":[[{"c":1,"c":1}]]}"#,
            r#"["1"]"#,
            r#"{"A":"1"} {}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
        let deep = format!(r#"{{"B":{}{{"c":1,"c":2}}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(read(&deep), None, "what cannot be walked is not read");
    }
}
