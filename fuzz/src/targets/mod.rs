//! The targets, by what they read. Each file says what must be true of its parsers; here is the list.

mod aws; // the bodies of AWS's dialects
mod config; // what an owner wrote
mod credentials; // signatures, signed tokens, tokens of our own
mod database; // addresses, statements, names of users
mod document; // documents attached to secrets and keys
mod keys; // ciphertexts and what is authenticated with them
mod log; // records, checkpoints, exports
mod names; // paths, instants, spans, schedules
mod policy; // the policy language
mod provider; // sources that speak HTTP
mod shares; // shares of a secret
mod store; // files of the embedded store
mod vault; // requests of Vault's dialect

use crate::Target;

fn none() -> Vec<Vec<u8>> {
    Vec::new()
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>, rounds: u32) -> Target {
    Target { name, run, seeds, rounds }
}

pub const ALL: &[Target] = &[
    target("signature", credentials::signature, none, 6000),
    target("jwt", credentials::jwt, credentials::jwt_seeds, 1500),
    target("jwt_claims", credentials::jwt_claims, none, 1500),
    target("jwks", credentials::jwks, credentials::jwks_seeds, 1500),
    target("token", credentials::token, credentials::token_seeds, 3000),
    target("policy", policy::policy, none, 1500),
    target("document", document::document, none, 3000),
    target("policy_name", policy::name, none, 8000),
    target("vault", vault::lower, none, 8000),
    target("aws_secrets_manager", aws::secrets_manager, none, 8000),
    target("aws_kms", aws::kms, none, 6000),
    target("aws_sts", aws::sts, none, 6000),
    target("encryption_context", keys::encryption_context, none, 4000),
    target("kms_ciphertext", keys::kms_ciphertext, keys::kms_seeds, 6000),
    target("transit_ciphertext", keys::transit_ciphertext, none, 1500),
    target("path", names::path, none, 8000),
    target("time", names::time, none, 8000),
    target("cron", names::cron, none, 1500),
    target("record", log::record, log::record_seeds, 4000),
    target("checkpoint", log::checkpoint, log::checkpoint_seeds, 2000),
    target("export", log::export, log::export_seeds, 600),
    target("search", log::search, none, 6000),
    target("journal", store::journal, store::journal_seeds, 100),
    target("segment", store::segment, store::segment_seeds, 100),
    target("config", config::config, none, 2000),
    target("postgresql_address", database::address, none, 6000),
    target("postgresql_statements", database::statements, none, 4000),
    target("username_template", database::username_template, none, 1500),
    target("connection_shown", database::connection_shown, none, 1500),
    target("declaration", provider::declaration, none, 1500),
    target("call_address", provider::address, none, 8000),
    target("shares", shares::shares, none, 2000),
];
