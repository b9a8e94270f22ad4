//! The dialect of HashiCorp Vault's and OpenBao's clients, as Vault 1.21 speaks it: `/v1/<path>`, a token in a header,
//! JSON in an envelope.
//!
//! Invariants: it knows the envelope and not the engines; a path is decoded once and refused if it is not canonical; an
//! answer that was wrapped shows nothing of what it wraps; no input value is echoed into an error. It must never read
//! `X-Forwarded-For` (which source counts is the listener's business) nor judge a token (`authenticate` does).

mod errors; // causes of error to status and words
mod lower; // wire request to request
mod names; // headers, query members and envelope keys
mod render; // answer or refusal to wire response

use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};

/// The Vault dialect. Reads `DialectConfig::logged_headers`; has no bindings, since its paths name mounts themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vault;

impl Dialect for Vault {
    fn name(&self) -> &'static str {
        names::DIALECT
    }

    /// Everything below `/v1`, whatever the verb: other verbs are refused in this dialect's words.
    fn claims(&self, wire: &WireRequest) -> bool {
        wire.path == names::ROOT || wire.path.starts_with(names::PREFIX)
    }

    fn lower(&self, config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
        lower::lower(config, wire).map_err(Refusal::from)
    }

    fn render(&self, _: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
        render::render(context, answer)
    }
}

#[cfg(test)]
mod tests;
