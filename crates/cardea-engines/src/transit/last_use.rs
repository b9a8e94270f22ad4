//! When a key was used last, and for what. Kept coarsely: a use is written only if none was within the hour before, so that
//! a busy key costs one small record an hour, and a use that came soon after another is not seen. It must never decide
//! anything: the log says who used what, and when.

use crate::transit::model::LastUse;
use cardea_model::key::{KeyLastUse, KeyUse};
use cardea_model::{Error, TtlSeconds};
use cardea_sdk::Context;

/// Seconds within which a second use of a key is not written.
pub const KEPT_EVERY_S: u64 = 3600;

/// Keeps that a key was just used.
///
/// # Errors
/// Only the store's.
pub async fn note(cx: &mut Context<'_>, key_name: &str, what: KeyUse) -> Result<(), Error> {
    let kept = cx.state.peek::<LastUse>(key_name).await?;
    match kept.is_some_and(|kept| cx.now < kept.0.at.plus(TtlSeconds(KEPT_EVERY_S))) {
        true => Ok(()),
        false => cx.state.put(key_name, &LastUse(KeyLastUse { at: cx.now, what })),
    }
}

/// What was kept last.
///
/// # Errors
/// Only the store's.
pub async fn of(cx: &mut Context<'_>, key_name: &str) -> Result<Option<KeyLastUse>, Error> {
    Ok(cx.state.peek::<LastUse>(key_name).await?.map(|kept| kept.0))
}
