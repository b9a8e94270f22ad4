//! The kernel's own engines: `sys/`, `auth/token/`, `identity/` and `cubbyhole/`. They are engines like any other, with a
//! route table and typed operations, over the kernel's own state; what extensions may not ask for, they ask by
//! [`crate::extra::Extra`].

pub mod cubbyhole;
pub mod identity;
pub mod sys;
pub mod token;

use crate::active::Active;
use crate::registry::Registry;
use cardea_model::Error;
use cardea_sdk::erased::Erased;
use std::sync::{Arc, Weak};

/// Adds the system engines to a registry.
#[must_use]
pub fn register(registry: Registry, active: &Weak<Active>) -> Registry {
    registry
        .system(Arc::new(Erased(sys::Sys::new(active.clone()))))
        .system(Arc::new(Erased(token::TokenStore::new(active.clone()))))
        .system(Arc::new(Erased(identity::IdentityStore::new(active.clone()))))
        .system(Arc::new(Erased(cubbyhole::Cubbyhole)))
}

/// The active state that an engine was made for. Gone only while the server seals.
fn upgrade(active: &Weak<Active>) -> Result<Arc<Active>, Error> {
    active.upgrade().ok_or_else(|| Error::new(cardea_model::Cause::Sealed, "Vault is sealed"))
}
