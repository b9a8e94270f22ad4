//! A whole server in memory, for tests: virtual clock, seeded randomness, a store that breaks on purpose, a source of
//! credentials that can be down, slow, refuse, or do the thing and lose the answer, and a second, toy dialect.
//!
//! Start with [`TestServer`]. It must never be a dependency of anything that serves: its clock stands still and its
//! randomness can be foretold.

#![forbid(unsafe_code)]
// A helper of tests fails as a test does: by a panic that names the place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behind; // what all systems behind the server have in common
mod builder; // how a server is made
mod clock; // time that only tests move
mod documents; // what lies outside
mod hook; // a rotator of somebody else's
mod killed; // one story, broken at every numbered point
mod plug; // what lies between a node and its disk: power and faults
mod reply; // a response, taken apart
mod server; // the server
mod provider; // a service that makes keys
mod signed; // requests as AWS's clients sign them
mod source; // a system behind the server

pub mod synthetic; // an engine that issues credentials of the fake source
pub mod toy; // the second dialect

pub use builder::Builder;
pub use clock::TestClock;
pub use documents::Documents;
pub use hook::{HOOK, HOOK_SECRET, Hook, Hooked};
pub use killed::{Seen, at_every_point};
pub use plug::Plug;
pub use provider::{ADMIN_TOKEN, Answers, Key, PROVIDER, Provider};
pub use reply::Reply;
pub use server::{Call, TestServer};
pub use signed::{Signer, posted};
pub use source::{FakeSource, Mode, User};
