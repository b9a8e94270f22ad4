//! Auth methods, one folder each, and what all of them read alike: networks, names of roles and the `token_*` fields of
//! their roles.
//!
//! A method says who a caller is. It must never make a token, look at another method's records, or tell a stranger which
//! part of a login was wrong.

#![forbid(unsafe_code)]

pub mod approle; // programs that hold a role id and a secret id
pub mod jwt; // callers that hold a token which somebody else signed

pub mod cidr; // networks that a role, a secret id or a token is bound to
pub mod roles; // names of roles and pages of their lists
pub mod token_fields; // `token_*`: read, checked and shown the same way by every method

#[cfg(test)]
mod testing;
