//! A whole server, asked over its wires, under a clock that stands still until it is moved. One binary, so that it links
//! once. Each module is one promise of the design; `kill` is the one that the others lean on.

// A test says by panicking that something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approle; // programs that log in
mod attacks; // what somebody tried who wanted to break it
mod aws_kms; // the same keys at another door
mod aws_regions; // one server, several regions
mod aws_secrets_manager; // the same secrets at another door
mod aws_sts; // who signs, and with which key
mod compile_fail; // what must not compile
mod cves; // the field's published holes
mod disk; // the embedded store below a whole server
mod evidence; // who uses what, by the log
mod jwt; // callers whom somebody else vouches for
mod key_documents; // documents and grants that decide beside policies
mod keys; // what opens the server
mod kill; // broken at every numbered point
mod kv_version1; // what Vault mounts where nothing is said
mod leases; // credentials that must die
mod log_detail; // how much the log says
mod matrix; // every route by every kind of caller
mod mounts; // which engine answers where
mod pipeline; // records, refusals, canaries
mod policies; // what callers may do
mod retirement; // the end of old credentials
mod root_generation; // a root token from shares, and shares that must be proven
mod rotation; // credentials that change at their source
mod rotation_keys; // keys that a provider makes
mod rotation_postgres; // the same over a real database
mod rotation_webhook; // rotations whose steps somebody else does
mod secret_policies; // documents that decide beside policies
mod storm; // everything at once
mod tokens; // what callers show
mod toy; // one core, two doors
mod transit; // keys that nobody sees
mod wrapping; // answers for one reader
