//! What a mount of `http-provider` stores. The record is sealed before a store sees it: it holds the provider's own
//! credential.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `http-provider` | name of the provider | [`Provider`] |

use cardea_model::rotation::RotationFailureClass;
use cardea_model::secret_bytes::stored;
use cardea_model::{Payload, SecretText};
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How keys are made, tried and revoked at one provider. Every part was checked before it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Provider {
    pub address: String,
    /// PEM texts; empty takes the operating system's authorities.
    #[serde(default)]
    pub ca_pem: String,
    #[serde(with = "stored", default)]
    pub admin_token: SecretText,
    /// Go with every request but the test.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub create: Create,
    pub test: Test,
    pub revoke: Revoke,
    #[serde(default)]
    pub find: Option<Find>,
    #[serde(default)]
    pub used: Option<Used>,
    /// Members of the secret that hold a key's id and the key.
    pub id_member: String,
    pub value_member: String,
    /// What statuses mean that no part of the declaration speaks of.
    #[serde(default)]
    pub failures: BTreeMap<String, RotationFailureClass>,
}
json_record!(Provider, "http-provider", 1);

/// One request, as templates.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON document as the body.
    #[serde(default)]
    pub json: Option<Payload>,
    /// A form as the body.
    #[serde(default)]
    pub form: Option<BTreeMap<String, String>>,
}

/// A new key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    pub request: Ask,
    #[serde(default = "made")]
    pub success: Vec<u16>,
    /// Where its id and the key stand in the answer.
    pub id: String,
    pub value: String,
    #[serde(default)]
    pub idempotency: Option<Idempotency>,
}

/// The provider gives the same answer to the same request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The header that the token goes into.
    pub header: String,
    /// How long it remembers, in seconds.
    #[serde(default = "a_day")]
    pub valid_s: u64,
}

/// The new key is used.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub request: Ask,
    #[serde(default = "fine")]
    pub works: Vec<u16>,
    #[serde(default = "shut")]
    pub refused: Vec<u16>,
}

/// A key ends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    pub request: Ask,
    #[serde(default = "fine_or_empty")]
    pub success: Vec<u16>,
    #[serde(default = "gone")]
    pub gone: Vec<u16>,
    /// Whether keys are revoked that Cardea did not make, by a request that does not say whose they are: whoever may write
    /// a secret can then have any key of the provider revoked.
    #[serde(default)]
    pub any: bool,
}

/// Keys that were made for a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    pub request: Ask,
    #[serde(default = "fine")]
    pub success: Vec<u16>,
    /// Where the list stands in the answer.
    #[serde(default)]
    pub items: String,
    /// Where id and label stand in an item.
    pub id: String,
    pub label: String,
    /// What the label of a key has to be, letter for letter; the same goes into `create`.
    #[serde(default = "just_the_token")]
    pub label_is: String,
    #[serde(default)]
    pub next: Option<Next>,
}

/// Where a list goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// Where the cursor stands in the answer; absent, null or empty on the last page.
    pub cursor: String,
    /// The path of the page after it.
    pub path: String,
}

/// When a key was used last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    pub request: Ask,
    #[serde(default = "fine")]
    pub success: Vec<u16>,
    /// Where the instant stands in the answer; null if it never was.
    pub at: String,
    /// One that was used within so many seconds is in use: longer than the provider takes to say so.
    #[serde(default = "an_hour")]
    pub within_s: u64,
}

fn made() -> Vec<u16> {
    vec![200, 201]
}
fn fine() -> Vec<u16> {
    vec![200]
}
fn fine_or_empty() -> Vec<u16> {
    vec![200, 202, 204]
}
fn shut() -> Vec<u16> {
    vec![401, 403]
}
fn gone() -> Vec<u16> {
    vec![404, 410]
}
fn a_day() -> u64 {
    86_400
}
fn an_hour() -> u64 {
    3_600
}
fn just_the_token() -> String {
    "{{token}}".to_owned()
}
