//! An answer whose outcome is not durable cannot be rendered.
use cardea_dialects::vault::Vault;
use cardea_kernel::pipeline::Unreleased;
use cardea_model::wire::WireResponse;
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};

pub fn skip(unreleased: Unreleased) -> WireResponse {
    Vault.render(&DialectConfig::default(), &RenderContext::default(), Ok(unreleased))
}

fn main() {}
