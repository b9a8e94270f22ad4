//! Credentials that must die, as an engine speaks of them. The kernel keeps the record; an engine never sees a lease id
//! before the kernel made it.

use crate::time::{Timestamp, TtlSeconds};

/// What an engine asks for when it issues a credential.
#[derive(Clone, Debug, Default)]
pub struct LeaseOffer {
    /// What the role says; `None` takes the mount's default.
    pub ttl: Option<TtlSeconds>,
    /// The role's own cap from the time of issue; `None` takes the mount's.
    pub max_ttl: Option<TtlSeconds>,
    pub renewable: bool,
}

/// When a lease ends, as the kernel settled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerm {
    pub issued: Timestamp,
    pub expires: Timestamp,
    /// No renewal goes beyond this.
    pub latest: Timestamp,
}
