//! From an answer or a refusal to a wire response: the envelope, its three variants, and error lists.
//!
//! JSON that an engine answered is spliced token for token, never parsed and written again. What is wrapped is never
//! shown: where wrap facts are present, body, lease and auth facts are not looked at.

use super::{errors, names};
use cardea_model::answer::{AuthGrant, LeaseFacts, WrapFacts};
use cardea_model::wire::WireResponse;
use cardea_model::{Answer, Body, Cause, Envelope, Error, Payload, Refusal, SecretBytes, TokenKind};
use cardea_sdk::dialect::RenderContext;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Room for the envelope's own keys and ids, in bytes: a buffer that need not grow leaves no copy of a secret behind.
const ENVELOPE_BYTES: usize = 1024;

pub(super) fn render(context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
    let mut response = match answer {
        Ok(answer) => success(context, answer),
        Err(refusal) => refused(&refusal),
    }
    .unwrap_or_else(|_| unwritable());
    if context.head {
        response.body = SecretBytes::default();
    }
    response
}

fn success(context: &RenderContext, answer: Answer) -> Result<WireResponse, serde_json::Error> {
    if let Some(wrap) = &answer.wrap {
        let frame = Frame { wrap: Some(wrap), warnings: &answer.warnings, ..Frame::default() };
        return Ok(json(200, frame.write()?));
    }
    let quiet = answer.auth.is_none() && answer.lease.is_none() && answer.warnings.is_empty();
    let envelope = if context.asked == names::ASKED_HELP { Envelope::Bare } else { answer.envelope };
    let (usual_status, data) = match &answer.body {
        Body::Raw { status, content_type, bytes } => return Ok(respond(*status, content_type, bytes.duplicate())),
        // A route whose answers are typed says how they look; one that does not is our mistake.
        Body::Secret(_) | Body::Secrets(_) | Body::Key(_) => {
            return refused(&Refusal::from(Error::internal("a typed answer was not shaped")));
        }
        Body::Empty if answer.status.is_none() && quiet => return Ok(nothing()),
        Body::Empty => (200, None),
        Body::Object(payload) => (200, Some(payload)),
        Body::Gone(payload) => (404, Some(payload)),
        Body::Partial { status, payload } => (*status, Some(payload)),
    };
    let status = answer.status.unwrap_or(usual_status);
    if status == 204 {
        return Ok(nothing());
    }
    let body = match (envelope, data) {
        (Envelope::Bare | Envelope::Raw, Some(payload)) => payload.text().as_bytes().to_vec(),
        _ => Frame {
            request_id: &answer.request_id.0,
            lease: answer.lease.as_ref(),
            data,
            wrap: None,
            warnings: &answer.warnings,
            auth: answer.auth.as_ref(),
            mount_type: &answer.mount_kind,
            repeat: envelope == Envelope::Flattened,
        }
        .write()?,
    };
    Ok(json(status, body))
}

/// `{"errors":[...]}`. Something that was not found but comes with warnings (a path that another version of the engine
/// would know) is an envelope without data, which is where Vault's clients look for warnings.
fn refused(refusal: &Refusal) -> Result<WireResponse, serde_json::Error> {
    let (status, words) = errors::status_and_words(&refusal.error);
    if words.is_none() && !refusal.warnings.is_empty() {
        let request_id = refusal.request_id.as_ref().map_or("", |id| id.0.as_str());
        let frame = Frame { request_id, warnings: &refusal.warnings, ..Frame::default() };
        return Ok(json(status, frame.write()?));
    }
    #[derive(Serialize)]
    struct Errors<'a> {
        errors: &'a [&'a str],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        warnings: &'a [String],
    }
    let body = serde_json::to_vec(&Errors { errors: words.as_slice(), warnings: &refusal.warnings })?;
    let mut response = json(status, body);
    if refusal.error.cause == Cause::RateLimited {
        response.headers.push(("retry-after", errors::RETRY_AFTER_S.to_owned()));
    }
    Ok(response)
}

/// What is left to say if an answer could not be written.
fn unwritable() -> WireResponse {
    json(500, br#"{"errors":["internal error"]}"#.to_vec())
}

fn json(status: u16, body: Vec<u8>) -> WireResponse {
    respond(status, names::JSON, SecretBytes::new(body))
}

fn respond(status: u16, content_type: &str, body: SecretBytes) -> WireResponse {
    let mut response = WireResponse { body, ..nothing() };
    response.status = status;
    response.headers.push(("content-type", content_type.to_owned()));
    response
}

/// 204, with the headers that every response has: nothing may keep a copy, nothing may guess a type.
fn nothing() -> WireResponse {
    let headers = vec![("cache-control", "no-store".to_owned()), ("x-content-type-options", "nosniff".to_owned())];
    WireResponse { status: 204, headers, body: SecretBytes::default() }
}

/// The envelope; what is absent is written as its empty value, since clients index these keys without asking.
#[derive(Default)]
struct Frame<'a> {
    request_id: &'a str,
    lease: Option<&'a LeaseFacts>,
    data: Option<&'a Payload>,
    wrap: Option<&'a WrapFacts>,
    warnings: &'a [String],
    auth: Option<&'a AuthGrant>,
    mount_type: &'a str,
    /// Whether the keys of `data` stand at the top as well.
    repeat: bool,
}

impl Frame<'_> {
    fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        let data_bytes = self.data.map_or(0, |data| data.text().len()) * (1 + usize::from(self.repeat));
        let auth_bytes = self.auth.map_or(0, auth_bytes);
        let mut out = Vec::with_capacity(ENVELOPE_BYTES + data_bytes + auth_bytes);
        let (lease_id, renewable, lease_s) =
            self.lease.map_or(("", false, 0), |lease| (lease.id.as_str(), lease.renewable, lease.ttl_s));
        out.push(b'{');
        member(&mut out, "request_id", &self.request_id)?;
        member(&mut out, "lease_id", &lease_id)?;
        member(&mut out, "renewable", &renewable)?;
        member(&mut out, "lease_duration", &lease_s)?;
        splice(&mut out, "data", self.data.map_or("null", Payload::text))?;
        member(&mut out, "wrap_info", &self.wrap.map(WrapInfo::of))?;
        member(&mut out, "warnings", &(!self.warnings.is_empty()).then_some(self.warnings))?;
        member(&mut out, "auth", &self.auth.map(Auth::of))?;
        member(&mut out, "mount_type", &self.mount_type)?;
        if let (true, Some(data)) = (self.repeat, self.data) {
            // Data that is no object has no keys to repeat.
            if let Ok(Members(members)) = serde_json::from_str(data.text()) {
                for (key, raw) in members {
                    splice(&mut out, &key, raw.get())?;
                }
            }
        }
        out.push(b'}');
        Ok(out)
    }
}

/// About how long the `auth` object becomes, in bytes; escapes aside.
fn auth_bytes(grant: &AuthGrant) -> usize {
    /// Quotes, a comma and a colon around each text.
    const AROUND: usize = 6;
    let lists = [&grant.policies, &grant.token_policies, &grant.identity_policies];
    let policies: usize = lists.into_iter().flatten().map(|name| name.len() + AROUND).sum();
    let metadata: usize = grant.metadata.iter().map(|(key, value)| key.len() + value.len() + AROUND).sum();
    grant.client_token.expose().len() + policies + metadata
}

fn member<T: Serialize + ?Sized>(out: &mut Vec<u8>, key: &str, value: &T) -> Result<(), serde_json::Error> {
    splice(out, key, "")?;
    serde_json::to_writer(out, value)
}

/// Writes a key and, as it is, a text that is JSON already.
fn splice(out: &mut Vec<u8>, key: &str, json: &str) -> Result<(), serde_json::Error> {
    if out.len() > 1 {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, key)?;
    out.push(b':');
    out.extend_from_slice(json.as_bytes());
    Ok(())
}

/// The members of an object that may stand at the top: no name of the envelope, each name once.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut seen = std::collections::BTreeSet::new();
                let mut out = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    if !names::ENVELOPE_KEYS.contains(&key.as_str()) && seen.insert(key.clone()) {
                        out.push((key, raw));
                    }
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The `auth` object. All keys always; with the token in clear, for this is the one answer that carries it.
#[derive(Serialize)]
struct Auth<'a> {
    client_token: &'a str,
    accessor: &'a str,
    policies: &'a [String],
    token_policies: &'a [String],
    identity_policies: &'a [String],
    metadata: &'a BTreeMap<String, String>,
    lease_duration: u64,
    renewable: bool,
    entity_id: &'a str,
    token_type: &'static str,
    orphan: bool,
    mfa_requirement: Option<()>,
    num_uses: u64,
}

impl<'a> Auth<'a> {
    fn of(grant: &'a AuthGrant) -> Self {
        Self {
            client_token: grant.client_token.expose(),
            accessor: &grant.accessor,
            policies: &grant.policies,
            token_policies: &grant.token_policies,
            identity_policies: &grant.identity_policies,
            metadata: &grant.metadata,
            lease_duration: grant.ttl_s,
            renewable: grant.renewable,
            entity_id: &grant.entity_id,
            token_type: match grant.kind {
                TokenKind::Service => "service",
                TokenKind::Batch => "batch",
            },
            orphan: grant.orphan,
            mfa_requirement: None,
            num_uses: grant.num_uses,
        }
    }
}

/// The `wrap_info` object.
#[derive(Serialize)]
struct WrapInfo<'a> {
    token: &'a str,
    accessor: &'a str,
    ttl: u64,
    creation_time: &'a str,
    creation_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_accessor: Option<&'a str>,
}

impl<'a> WrapInfo<'a> {
    fn of(wrap: &'a WrapFacts) -> Self {
        Self {
            token: wrap.token.expose(),
            accessor: &wrap.accessor,
            ttl: wrap.ttl_s,
            creation_time: &wrap.creation_time,
            creation_path: &wrap.creation_path,
            wrapped_accessor: wrap.wrapped_accessor.as_deref(),
        }
    }
}
