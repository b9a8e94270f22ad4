//! `http-provider`: keys at services with an HTTP API, for secrets that rotate. How such a service makes, tries and revokes a
//! key is declared by the owner; nothing here knows a vendor. Read this file, then `model.rs`, then `rotator.rs`.
//!
//! What holds:
//!
//! - A key that the provider made is never lost: the token of the change is durable before the provider hears of it, and after
//!   a lost answer the key is found again by the provider's own memory of the request, or found in its list and revoked. A
//!   declaration that has neither is refused.
//! - What is called is what the declaration says. A secret gives no address, and values stand escaped where a template has
//!   their place.
//! - A key is revoked only if Cardea made it, or if the request itself says whose it is. So whoever writes a secret has no
//!   key of somebody else revoked.
//! - The provider's own credential is never read back, and no key is in an error or in the log.
//!
//! It must never call the provider inside a transaction, or read what a failed answer says. Transcripts are written as those
//! of `kv`; their mount is `providers/`.

mod declaration;
mod model;
mod ops;
mod pointer;
mod request;
mod rotator;
mod routes;
mod source;
mod template;

#[cfg(test)]
mod tests;

use cardea_model::Error;
use cardea_sdk::rotation::Rotator;
use cardea_sdk::{Call, Context, Done, Engine, Outcome, Route, async_trait, named};
use model::Provider;
use routes::Op;
use std::sync::Arc;

/// The engine; all that it keeps in memory is how to call.
pub struct HttpProvider {
    call: Arc<dyn Call>,
}

impl HttpProvider {
    #[must_use]
    pub fn new(call: Arc<dyn Call>) -> Self {
        Self { call }
    }
}

#[async_trait]
impl Engine for HttpProvider {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "http-provider"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::Read(name) => Done::object(&routes::form(&named::read::<Provider>(&mut cx.state, name).await?)),
            Op::Write(name, change) => ops::write(cx, name, change).await.map(|()| Done::empty()),
            Op::Delete(name) => named::delete::<Provider>(&mut cx.state, name).await.map(|()| Done::empty()),
            Op::List(page) => Done::keys(named::list::<Provider>(&mut cx.state, page).await?),
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::Write(name, _) => cx.state.exists::<Provider>(name).await,
            _ => Ok(true),
        }
    }

    fn rotator(&self) -> Option<&dyn Rotator> {
        Some(self)
    }
}
