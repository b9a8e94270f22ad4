//! What a webhook is asked, how that is signed, and what its answer means. Pure. The names of the steps are those of AWS's
//! rotation functions where those have one. It must never read words out of an answer: they might be values.

use cardea_crypto::mac::hmac_sha256;
use cardea_model::rotation::RotationFailureClass;
use cardea_model::{Error, Payload, SecretBytes, SecretText, Timestamp};
use cardea_sdk::call::HttpAnswer;
use cardea_sdk::rotation::{Change, RotationError};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// When the request was signed, in seconds of Unix time.
pub const TIMESTAMP_HEADER: &str = "cardea-timestamp";
/// `v1=` and the HMAC-SHA256, in hexadecimal, of the timestamp, a full stop and the body.
pub const SIGNATURE_HEADER: &str = "cardea-signature";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Answer with the new value, as a merge patch of the current one.
    Create,
    /// Make the source take the pending value.
    Set,
    /// Open the source with the pending value.
    Test,
    /// The last word before readers get the pending value.
    Finish,
    /// Take the change back.
    Undo,
    /// Turn the old value off.
    Retire,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
            Self::Undo => "undoSecret",
            Self::Retire => "retireSecret",
        }
    }
}

/// The values that a step needs, and no others.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Values<'v> {
    /// What readers get now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<&'v Payload>,
    /// What they are to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<&'v Payload>,
    /// What may open the source now, the likeliest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<&'v [Payload]>,
    /// What is turned off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<&'v Payload>,
    /// Whether a rotation by this webhook made it; what somebody wrote may name what is not the writer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_made_by_rotation: Option<bool>,
    /// To undo: whether nothing was made for this change, which was to go back to a version of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'m> {
    step: &'static str,
    secret_id: &'m str,
    client_request_token: &'m str,
    username: &'m str,
    strategy: &'static str,
    #[serde(flatten)]
    values: &'m Values<'m>,
}

/// A request, ready to be sent.
pub struct Signed {
    pub headers: Vec<(String, SecretText)>,
    pub body: SecretBytes,
}

/// # Errors
/// Values that cannot be written as JSON.
pub fn sign(
    secret: &SecretText,
    now: Timestamp,
    step: Step,
    change: &Change<'_>,
    values: &Values<'_>,
) -> Result<Signed, Error> {
    let message = Message {
        step: step.as_str(),
        secret_id: change.secret,
        client_request_token: change.token,
        username: &change.settings.username,
        strategy: change.settings.strategy.as_str(),
        values,
    };
    let body = Payload::of(&message)?;
    let time = now.unix_s().to_string();
    let mut signature = "v1=".to_owned();
    for byte in hmac_sha256(secret.expose().as_bytes(), &[time.as_bytes(), b".", body.text().as_bytes()]) {
        let _ = write!(signature, "{byte:02x}");
    }
    let headers =
        [("content-type", "application/json".to_owned()), (TIMESTAMP_HEADER, time), (SIGNATURE_HEADER, signature)];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), SecretText::new(value)));
    Ok(Signed { headers: headers.collect(), body: SecretBytes::new(body.text().as_bytes().to_vec()) })
}

/// What a webhook answers.
#[derive(Deserialize)]
struct Told {
    status: String,
    #[serde(default)]
    value: Option<Payload>,
}

/// The value, if there is one.
///
/// # Errors
/// It was not done: how, the answer or its status says.
pub fn understand(step: Step, answer: &HttpAnswer) -> Result<Option<Payload>, RotationError> {
    let failed = |class: RotationFailureClass, words: String| Err(RotationError { class, client: words });
    let step = step.as_str();
    if answer.status != 200 {
        let class = match answer.status {
            408 | 425 | 429 | 500..=599 => RotationFailureClass::SourceDown,
            _ => RotationFailureClass::RotatorRefused,
        };
        return failed(class, format!("the webhook was asked for {step} and answered with status {}", answer.status));
    }
    let told = serde_json::from_slice::<Told>(answer.body.expose()).ok();
    match told.as_ref().map(|told| told.status.as_str()) {
        Some("done") => Ok(told.and_then(|told| told.value)),
        Some(word) => match RotationFailureClass::parse(word) {
            Some(class) => {
                failed(class, format!("the webhook was asked for {step} and answered with {}", class.as_str()))
            }
            None => failed(
                RotationFailureClass::RotatorRefused,
                format!("the webhook was asked for {step} and answered with a word that is none of its contract"),
            ),
        },
        None => failed(
            RotationFailureClass::RotatorRefused,
            format!("the webhook was asked for {step} and its answer is not what its contract says"),
        ),
    }
}
