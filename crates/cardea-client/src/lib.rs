//! Typed client of the Vault dialect: what programs and the command line use to ask a server.
//!
//! It speaks HTTP/1.1, plain or over TLS, follows at most one redirect, retries what Vault's Go client retries, and bounds
//! what it reads. It must never log, never print, never send a token over plain HTTP after it was told `https`, and never
//! decide what an answer means beyond the envelope.
//!
//! The way through: [`Options`] (by hand or [`Options::from_environment`]), [`Client::new`], then [`Client::read`] and its
//! siblings, or [`Client::send`] for everything else. Programs without an async runtime take [`blocking::Blocking`].

#![forbid(unsafe_code)]

pub mod blocking; // the same client for programs that wait
mod client; // one request to one answer: redirects, retries, bounds
mod connect; // bytes to a server, plain or over TLS
mod error; // what can go wrong, in the words of Vault's clients
pub mod options; // address, token, TLS, bounds; and the environment
pub mod request; // one question
pub mod response; // one answer, and the envelope inside it
mod retry; // what is worth asking again
pub mod sys; // typed answers of the routes that have no envelope
mod tls; // trust and own certificate

pub use client::Client;
pub use error::{ApiError, ClientError};
pub use options::{Options, TlsOptions};
pub use request::{Method, Request};
pub use response::{Response, Secret};

#[cfg(test)]
mod tests;
