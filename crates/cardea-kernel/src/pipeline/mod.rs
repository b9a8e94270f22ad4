//! The life of a request: one function, read from top to bottom. Each stage consumes the value that only the stage before
//! can make, so that no stage can be skipped, repeated or reordered: what is not recorded cannot be dispatched, and
//! what is not released cannot be rendered. `tests/compile_fail` shows that the compiler agrees.

mod authenticate;
mod authorize;
mod dispatch;
mod help;
mod leaves;
mod perform;
mod record;
mod release;
mod resolve;

pub use authenticate::{Authenticated, Who, authenticate};
pub use authorize::{Decided, authorize};
pub use dispatch::{Unreleased, dispatch};
pub(crate) use record::encode as encode_record;
pub use record::{Recorded, record};
pub use release::release;
pub use resolve::{Resolved, resolve};

use crate::active::Active;
use cardea_model::{Answer, Refusal, Request};
use std::sync::Arc;

/// Answers one request of an unsealed server.
///
/// # Errors
/// A refusal; if it had to be recorded, it is.
pub async fn answer(active: &Arc<Active>, request: Request) -> Result<Answer, Refusal> {
    let authenticated = authenticate(active, request).await?;
    let resolved = resolve(active, authenticated).await?;
    let _timed = resolved.is_login().then(|| active.metrics.handle_login_request.timer());
    let decided = authorize(active, resolved).await?;
    let recorded = record(active, decided).await?;
    let unreleased = dispatch(active, recorded).await?;
    release(active, unreleased).await
}
