//! Front dialects, one folder each: a dialect is two pure functions, `lower` and `render`, over a configuration.
//!
//! Knows the model and the SDK. It must never know the kernel, an engine or another dialect, do I/O, keep state or become
//! async. A folder has `mod.rs`, `lower.rs`, `render.rs`, `names.rs`, `errors.rs`, `tests.rs` and `transcripts/`.

#![forbid(unsafe_code)]

pub mod aws; // what the AWS-shaped dialects share: signatures, spellings of instants
pub mod aws_kms; // AWS KMS: operations on the keys of one mount
pub mod aws_secrets_manager; // AWS Secrets Manager: operations on the secrets of one mount
pub mod aws_sts; // AWS STS: who asks, and keys for tokens of clusters and CI systems
pub mod vault; // HashiCorp Vault and OpenBao: paths, tokens and the envelope
