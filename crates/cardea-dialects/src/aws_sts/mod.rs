//! The dialect of AWS STS's clients (API 2011-06-15): a form in, XML out, at `/`. Two operations:
//!
//! - `GetCallerIdentity`, signed in the header or presigned: who asks. It needs no policy, as on AWS.
//! - `AssumeRoleWithWebIdentity`, unsigned: a token of a cluster or a CI system in, a short access key out. The role's ARN
//!   names an auth mount and a role of it: `arn:aws:iam::<account>:role/<mount>/<role>`.
//!
//! Everything else is answered as AWS answers an operation it does not know. Session policies are refused: to ignore one
//! would give more than was asked. It must never judge a signature or a token, nor echo a value into an error.

mod form; // form-encoded members
mod lower; // wire request to request
mod names; // ARNs, actions and members
mod render; // answer or refusal to wire response
mod xml; // elements and their escapes

use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};

/// The dialect. Its bindings: `account_id`, `regions` (absent for all).
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsSts;

impl Dialect for AwsSts {
    fn name(&self) -> &'static str {
        names::DIALECT
    }

    /// A form at the root, or a presigned link to it (whose method may be either). What names an operation of AWS's JSON
    /// protocols is not one.
    fn claims(&self, wire: &WireRequest) -> bool {
        let is_form = || {
            let content_type = wire.header("content-type").ok().flatten().unwrap_or_default();
            content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(names::FORM))
        };
        let has_action = || wire.query.split('&').any(|member| member.starts_with("Action="));
        wire.path == "/"
            && match wire.method.as_str() {
                "POST" => (is_form() || has_action()) && !wire.headers.iter().any(|(name, _)| name == "x-amz-target"),
                "GET" => has_action(),
                _ => false,
            }
    }

    fn lower(&self, config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
        lower::lower(config, &wire)
    }

    fn render(&self, config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
        render::render(config, context, answer)
    }
}

#[cfg(test)]
mod tests;
