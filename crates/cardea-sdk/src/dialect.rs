//! Front dialects: two pure functions over an immutable configuration. No other state, no I/O, no async.

use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal, Request};
use std::collections::BTreeMap;

pub trait Dialect: Send + Sync {
    /// Such as `vault`.
    fn name(&self) -> &'static str;

    /// Whether this wire request is in this dialect.
    fn claims(&self, wire: &WireRequest) -> bool;

    /// Credential and target become data. What cannot be lowered is refused without a record: there is no operation to
    /// name.
    fn lower(&self, config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal>;

    fn render(&self, config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse;
}

/// A request, and what `render` will need to know of how it was asked.
pub struct Lowered {
    pub request: Request,
    pub context: RenderContext,
}

/// Facts about the wire request that shape its response.
#[derive(Clone, Debug, Default)]
pub struct RenderContext {
    /// Whether a body may be sent at all (not for HEAD).
    pub head: bool,
    /// Where the dialect needs to know what was asked: its own word.
    pub asked: String,
    /// Query flags that change the form of the answer.
    pub flags: BTreeMap<String, String>,
}

/// What an owner configures for a dialect: account, region, bindings of names to mounts.
#[derive(Clone, Debug, Default)]
pub struct DialectConfig {
    pub bindings: BTreeMap<String, String>,
    /// Lower-case names of headers that the log keeps.
    pub logged_headers: Vec<String>,
}
