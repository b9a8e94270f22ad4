//! Requests about resource policies at Vault's door, and the form of their answer. A policy is a text here, as it is everywhere:
//! it must never be read into values and written again.

use crate::kv::policy::front_of;
use crate::kv::routes::Op;
use cardea_model::operation::NewPolicy;
use cardea_model::secret::Secret;
use cardea_model::{CanonicalPath, Error};
use serde::{Deserialize, Serialize};

/// Members whose values the log keeps in clear. The policy itself is kept as a hash.
pub const POLICY_FIELDS: &[&str] = &["arn"];

#[derive(Deserialize)]
pub struct WriteInput {
    path: String,
    policy: String,
    #[serde(default)]
    arn: Option<String>,
}

pub fn write(input: WriteInput) -> Result<Op, Error> {
    let arn_front = match input.arn.as_deref() {
        None => None,
        Some(arn) => Some(front_of(arn).ok_or_else(|| Error::invalid("field `arn` is not the ARN of a secret"))?),
    };
    let new = NewPolicy { text: input.policy, arn_front: arn_front.map(str::to_owned), not_public: false };
    Ok(Op::PolicyWrite { path: CanonicalPath::parse(&input.path)?, new })
}

#[derive(Serialize)]
pub struct PolicyForm<'a> {
    policy: &'a str,
    arn: &'a str,
}

#[must_use]
pub fn form<'a>(secret: &'a Secret, text: &'a str) -> PolicyForm<'a> {
    PolicyForm { policy: text, arn: secret.policy_arn.as_deref().unwrap_or_default() }
}
