//! From a typed answer to the wire: `{"version": n, "value": ...}`, or `{"error": words}`.

use cardea_model::wire::WireResponse;
use cardea_model::{Answer, Body, Cause, KeyAnswer, Payload, Refusal, SecretBytes};
use serde::Serialize;

#[derive(Serialize)]
struct Secret<'a> {
    version: u64,
    value: Option<&'a Payload>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

pub(super) fn render(answer: Result<Answer, Refusal>) -> WireResponse {
    let (status, body) = match answer {
        Ok(Answer { body: Body::Secret(found), .. }) => {
            let status = if found.version.deletion.is_some() { 404 } else { 200 };
            (status, serde_json::to_vec(&Secret { version: found.version.number, value: found.payload.as_ref() }))
        }
        Ok(Answer { body: Body::Key(answer), .. }) => match *answer {
            KeyAnswer::Encrypted { sealed, .. } => (200, Ok(hex::encode(sealed).into_bytes())),
            KeyAnswer::Decrypted { plaintext, .. } => (200, Ok(plaintext.expose().to_vec())),
            _ => (204, Ok(Vec::new())),
        },
        Ok(_) => (204, Ok(Vec::new())),
        Err(refusal) => {
            let status = match refusal.error.cause {
                Cause::Denied => 403,
                Cause::NotFound | Cause::NoRoute => 404,
                Cause::Unsupported => 405,
                Cause::Invalid | Cause::Conflict => 400,
                Cause::Sealed | Cause::Unavailable => 503,
                _ => 500,
            };
            (status, serde_json::to_vec(&Failure { error: &refusal.error.client }))
        }
    };
    WireResponse {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: SecretBytes::new(body.unwrap_or_default()),
    }
}
