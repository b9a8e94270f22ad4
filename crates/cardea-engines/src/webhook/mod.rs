//! `webhook`: a rotator of the owner's own. Each step of a rotation is one signed request to an address that the owner
//! configured, in the four steps that AWS's rotation functions know, and two more. Read this file, then `message.rs`.
//!
//! What holds:
//!
//! - A request says which step of which change it is, and is sent again until it was answered: whoever receives it does each
//!   step so that doing it again changes nothing.
//! - What `createSecret` answered is durable before `setSecret` is asked.
//! - A request is signed over its time and its whole body. The address is the owner's, and never a secret's.
//! - The secret of the signature is never read back, and no value is in an error or in the log: of an answer nothing is told
//!   but its status.
//!
//! It must never call anybody inside a transaction. Transcripts are written as those of `kv`; their mount is `webhooks/`.

mod message;
mod model;
mod ops;
mod rotator;
mod routes;
mod source;

#[cfg(test)]
mod tests;

use cardea_model::Error;
use cardea_sdk::rotation::Rotator;
use cardea_sdk::{Call, Context, Done, Engine, Outcome, Route, async_trait, named};
use model::Hook;
use routes::Op;
use std::sync::Arc;

/// The engine; all that it keeps in memory is how to call.
pub struct Webhook {
    call: Arc<dyn Call>,
}

impl Webhook {
    #[must_use]
    pub fn new(call: Arc<dyn Call>) -> Self {
        Self { call }
    }
}

#[async_trait]
impl Engine for Webhook {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::Read(name) => Done::object(&routes::form(&named::read::<Hook>(&mut cx.state, name).await?)),
            Op::Write(name, change) => ops::write(cx, name, change).await.map(|()| Done::empty()),
            Op::Delete(name) => named::delete::<Hook>(&mut cx.state, name).await.map(|()| Done::empty()),
            Op::List(page) => Done::keys(named::list::<Hook>(&mut cx.state, page).await?),
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::Write(name, _) => cx.state.exists::<Hook>(name).await,
            _ => Ok(true),
        }
    }

    fn rotator(&self) -> Option<&dyn Rotator> {
        Some(self)
    }
}
