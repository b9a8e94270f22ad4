//! An engine whose leases cost nothing to revoke: it counts. With it, what ending a lease costs the server itself shows,
//! and no database's speed. It must never be part of a server: it promises to revoke and does nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cardea_model::{Cause, Error};
use cardea_sdk::{Context, Engine, ExternalError, Lease, Outcome, OutsideContext, Revoker, Route, async_trait};

/// The engine's type in the mount table.
pub const KIND: &str = "synthetic";
/// A revocation that begins later than this after its lease's end is late, in milliseconds: what the project promises.
const LATE_MS: u64 = 2_000;

/// What was asked of the source.
#[derive(Default)]
pub struct Count {
    /// Revocations.
    pub revoked: AtomicU64,
    /// Those that began more than two seconds after their lease's end.
    pub late: AtomicU64,
    /// Longest time from a lease's end to its revocation, in milliseconds.
    pub lag_ms_max: AtomicU64,
}

/// The engine.
pub struct Synthetic(pub Arc<Count>);

#[async_trait]
impl Engine for Synthetic {
    type Op = ();

    fn kind(&self) -> &'static str {
        KIND
    }

    // Its leases are loaded through the kernel; nobody asks for one over a wire.
    fn routes(&self) -> &'static [Route<()>] {
        &[]
    }

    async fn handle(&self, _cx: &mut Context<'_>, (): &()) -> Result<Outcome, Error> {
        Err(Error::new(Cause::NoRoute, "unsupported path"))
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        Some(self)
    }
}

#[async_trait]
impl Revoker for Synthetic {
    async fn revoke(&self, cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError> {
        let lag_ms = cx.now.0.saturating_sub(lease.expires.0);
        self.0.revoked.fetch_add(1, Ordering::Relaxed);
        self.0.late.fetch_add(u64::from(lag_ms > LATE_MS), Ordering::Relaxed);
        self.0.lag_ms_max.fetch_max(lag_ms, Ordering::Relaxed);
        Ok(())
    }

    async fn renew(&self, _cx: &mut OutsideContext<'_>, _lease: &Lease<'_>) -> Result<(), ExternalError> {
        Ok(())
    }
}
