//! Unreleased to Answer: the outcome is durable in the log; only now may secret bytes leave. A read whose record cannot be
//! written is not answered.

use super::dispatch::Unreleased;
use crate::active::Active;
use crate::metrics::Metrics;
use cardea_model::{Answer, Body, Envelope, Refusal};
use cardea_sdk::route::Access;
use cardea_storage::txn::{commit_error, read_error};

/// Makes the outcome durable and gives the answer out.
///
/// # Errors
/// The record could not be made durable.
pub async fn release(active: &Active, unreleased: Unreleased) -> Result<Answer, Refusal> {
    let Unreleased { mut pending, content, recorded, seen, seal_after } = unreleased;
    if !recorded {
        let record = if pending.is_read() && !active.settings.record_reads {
            None
        } else {
            pending.completed_last(&content).map_err(|e| pending.unrecorded(e))?
        };
        match record {
            Some(record) => {
                let mut txn = active.sealed.txn();
                txn.append(record);
                if pending.is_essential() {
                    txn.mark_essential();
                }
                txn.commit().await.map_err(|failed| pending.unrecorded(commit_error(failed)))?;
            }
            // The record's commit would have waited for everything before it; without one, wait for what was read.
            None => {
                active.sealed.store().durable(seen).await.map_err(|failed| pending.unrecorded(read_error(failed)))?
            }
        }
    }
    // Logins, and the token store's own ways to make one.
    let makes_token = pending.facts.access == Access::Login
        || (pending.mount.path == "auth/token/" && pending.facts.name.starts_with("create"));
    if makes_token {
        Metrics::add(&active.metrics.token_creation, 1);
    }
    if seal_after {
        active.seal_requested.notify_one();
    }
    let envelope = match (&content.body, content.envelope) {
        (Body::Raw { .. }, _) => Envelope::Raw,
        (_, Some(envelope)) => envelope,
        _ if content.wrap.is_some() => Envelope::Standard,
        _ => pending.facts.envelope,
    };
    Ok(Answer {
        caller_known: pending.caller.is_some() || content.auth.is_some(),
        request_id: pending.id.clone(),
        envelope,
        body: content.body,
        status: if content.wrap.is_some() { None } else { pending.facts.status },
        lease: content.lease,
        auth: content.auth,
        wrap: content.wrap,
        warnings: content.warnings,
        mount_kind: content.mount_kind.unwrap_or_else(|| pending.mount.kind.clone()),
        mount_class: pending.mount.class,
    })
}
