//! An engine that issues credentials of the fake source: leases, renewals and decided changes without a database, so that
//! the kernel's own rules about them can be tested without another engine's.
//!
//! | path | what |
//! |---|---|
//! | `creds/{role}` | reads a new credential; `ttl`, `max_ttl` and `renewable` say what is offered |
//! | `password/{name}` | sets a password at the source: a decided change, performed until it is done |

mod ops;
mod routes;

use crate::source::FakeSource;
use async_trait::async_trait;
use cardea_model::{Error, SecretText, TtlSeconds};
use cardea_sdk::erased::{AnyEngine, Erased};
use cardea_sdk::external::{External, Revoker};
use cardea_sdk::route::Route;
use cardea_sdk::{Context, Done, Effect, Engine, ExternalError, Lease, Outcome, OutsideContext};
use std::sync::Arc;

/// The engine; one value for one source.
pub struct Synthetic(pub FakeSource);

impl Synthetic {
    /// The same engine as another kind, for a server with several sources.
    #[must_use]
    pub fn named(self, kind: &'static str) -> Arc<dyn AnyEngine> {
        Arc::new(Erased(Named { inner: self, kind }))
    }
}

/// [`Synthetic`] under another name.
struct Named {
    inner: Synthetic,
    kind: &'static str,
}

#[async_trait]
impl Engine for Named {
    type Op = Op;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        ops::plan(cx, op)
    }

    fn external(&self) -> Option<&dyn External> {
        Some(&self.inner)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        Some(&self.inner)
    }
}

/// Its operations.
pub enum Op {
    Creds { role: String, ttl: Option<TtlSeconds>, max_ttl: Option<TtlSeconds>, renewable: bool },
    Password { name: String, password: SecretText },
}

#[async_trait]
impl Engine for Synthetic {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "synthetic"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        ops::plan(cx, op)
    }

    fn external(&self) -> Option<&dyn External> {
        Some(self)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        Some(self)
    }
}

#[async_trait]
impl External for Synthetic {
    async fn perform(&self, _cx: &mut OutsideContext<'_>, effect: &Effect) -> Result<(), ExternalError> {
        ops::perform(&self.0, effect).await
    }

    async fn settle(&self, _cx: &mut Context<'_>, effect: &Effect) -> Result<Done, Error> {
        ops::settle(effect)
    }
}

#[async_trait]
impl Revoker for Synthetic {
    async fn revoke(&self, _cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError> {
        self.0.revoke(&ops::username(lease.effect)?).await
    }

    async fn renew(&self, _cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError> {
        self.0.renew(&ops::username(lease.effect)?, lease.expires).await
    }
}
