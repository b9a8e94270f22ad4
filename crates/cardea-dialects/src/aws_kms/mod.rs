//! The dialect of AWS KMS's clients (API 2014-11-01, JSON 1.1, Signature Version 4): boto3, the aws command line, the SDKs and
//! the Encryption SDK, unmodified, over the keys of one configured mount of `transit`.
//!
//! How the two views of one key meet:
//!
//! - A key has a stable id in the form of a UUID, and a name. KMS's clients know it by the id, by its ARN, by an alias that
//!   they made, or by `alias/<name>` where the name can be an alias. A key that they make is called by its id.
//! - A ciphertext of a symmetric key says what sealed it (`SealedBlob`), so that `Decrypt` needs no key id. RSA's is bare.
//!   `Decrypt` also takes `vault:vN:…` with a key id, as transit takes the blob, where nothing else was authenticated.
//! - An encryption context is authenticated data in the canonical form of `context.rs`; an empty one is none.
//! - A key with `MultiRegion` is one of a set: `transit` keeps a key in each region that it is in, with one id and one material.
//!   The regions are doors of this server; other keys are known at all of them. An alias of a key of a set is its region's.
//! - Signatures and MACs do not say which version made them: all that are still valid are tried.
//!
//! Absent, and answered `UnsupportedOperationException`: custom key stores, SM2, an external mu, Nitro attestation, modifiers of
//! dry runs, wrapping with PKCS #1 v1.5, pairs of ML-KEM data keys.
//!
//! Invariants: no input value is echoed into an error; an ARN that names another account or region finds nothing; a dry run
//! is judged and done as any other request, and its result shown to nobody. It must never judge a signature (`authenticate`
//! does), and never hold a key.

mod attached; // key policies and grants
mod context; // encryption contexts as authenticated data
mod errors; // causes and faults to AWS's types and words
mod inputs; // the inputs of operations, with their constraints
mod lower; // wire request to request
mod names; // ids, ARNs, aliases, markers
mod render; // answer or refusal to wire response
mod spellings; // AWS's words for algorithms and usages

use crate::aws::json;
use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};

/// The dialect. Its bindings: `account_id`, `regions` (absent for all), `mount`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsKms;

impl Dialect for AwsKms {
    fn name(&self) -> &'static str {
        names::DIALECT
    }

    fn claims(&self, wire: &WireRequest) -> bool {
        json::operation(wire, names::TARGET_PREFIX).is_some()
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
