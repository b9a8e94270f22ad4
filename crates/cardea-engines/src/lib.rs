//! Secrets engines, one folder each. An engine knows the SDK, the model and its own records; it must never know the
//! kernel, a dialect or another engine.

#![forbid(unsafe_code)]

pub mod database; // users of databases who die on time
pub mod http_provider; // keys at services with an HTTP API
pub mod kv; // secrets with versions
pub mod transit; // keys that nobody sees
pub mod webhook; // rotators of the owner's own

#[cfg(test)]
mod testing; // a mount of any engine

use cardea_sdk::erased::{AnyEngine, Erased};
use std::sync::Arc;

/// The engines that need nothing to be made, one line each; what a server registers.
#[must_use]
pub fn all() -> Vec<Arc<dyn AnyEngine>> {
    vec![Arc::new(Erased(kv::Kv)), Arc::new(Erased(kv::KvV1)), Arc::new(Erased(transit::Transit::default()))]
}
