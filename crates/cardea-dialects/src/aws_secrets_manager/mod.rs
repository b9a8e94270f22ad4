//! The dialect of AWS Secrets Manager's clients (API 2017-10-17, JSON 1.1, Signature Version 4): boto3, the aws command line,
//! the SDKs and the caching libraries, unmodified, over the secrets of one configured mount.
//!
//! How the two views of one secret meet:
//!
//! - Names and paths are two spellings of one thing: `names.rs`. Version ids are client tokens, or UUIDs of versions that
//!   another dialect wrote. The six characters at the end of an ARN follow from the secret's stable id.
//! - `SecretString` is kept byte for byte. One that is a JSON object of texts is a map to Vault's clients; any other text is
//!   `{"value": text}` to them, and `SecretBinary` is `{"value": base64}`. What they write, nested or not, is read here as
//!   its JSON text, token for token.
//! - Where the owner named `replica_regions`, a secret is at home in the region where it was made, and can be read in those
//!   that it is replicated to: the same record, through another door. One that Vault's clients made is in all of them. Which
//!   secret a name is where each region has its own is for the mount to say: here it is a name and the region that asks.
//! - `AWSCURRENT` is what a plain read of any dialect serves. Tags are Vault's custom metadata.
//!
//! Resource policies are texts here: what one says is known to cardea-policy, and asked by the kernel at every door.
//!
//! Absent, and answered as AWS answers an operation it does not know: replicas in other accounts. `KmsKeyId` is kept and shown; the barrier's own keys seal every secret. `LastAccessedDate`
//! is left out: the log knows who read what, and when.
//!
//! Invariants: no input value is echoed into an error; an id that names another account, region or an earlier secret of the
//! same name finds nothing; what an owner's policy hides is in no list and in no paging token. It must never judge a
//! signature (`authenticate` does).

mod errors; // causes and faults to AWS's types and words
mod inputs; // the inputs of operations, with their constraints
mod lower; // wire request to request
mod names; // names, paths and ARNs
mod paging; // opaque tokens
mod render; // answer or refusal to wire response

use crate::aws::json;
use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};

pub use names::REPLICA_REGIONS_BINDING;

/// The dialect. Its bindings: `account_id`, `regions` (absent for all), `replica_regions` (absent for secrets that are in every
/// region), `mount`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsSecretsManager;

impl Dialect for AwsSecretsManager {
    fn name(&self) -> &'static str {
        names::DIALECT
    }

    fn claims(&self, wire: &WireRequest) -> bool {
        json::operation(wire, names::SERVICE).is_some()
    }

    fn lower(&self, config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
        lower::lower(config, wire)
    }

    fn render(&self, config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
        render::render(config, context, answer)
    }
}

#[cfg(test)]
mod tests;
