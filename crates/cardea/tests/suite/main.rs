//! The command line as users see it: the binary is run against a server that says what its script says, and what it asked,
//! printed and exited with is compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Not only the tests but what they share.

#[path = "../../../cardea-client/tests/suite/fake.rs"]
mod fake;

mod access_keys;
mod basics;
mod environment;
mod kv;
mod mounts;
mod operator;
mod proof;
mod rotation;
mod tokens;
mod world;
