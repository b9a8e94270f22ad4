//! Records of what the server does by itself: revocations, job ends, unsealing, rotation.

use crate::active::Active;
use crate::pipeline::encode_record;
use cardea_audit::record as log;
use cardea_audit::{LogTime, OpenRecord};
use cardea_model::{Error, Timestamp};
use cardea_storage::txn::Txn;

/// One thing that happened.
pub struct Event<'a> {
    /// A stable word, such as `lease.revoked`.
    pub what: &'a str,
    /// The lease, mount or source it is about.
    pub subject: &'a str,
    pub detail: &'a str,
    /// The path of what it is about; empty if there is none.
    pub path: &'a str,
}

/// Adds the record to a transaction.
pub fn append(active: &Active, txn: &mut Txn, event: Event<'_>, now: Timestamp) -> Result<(), Error> {
    let id = cardea_crypto::random::uuid4(&*active.rng);
    let content = log::Event {
        what: event.what.into(),
        subject: (!event.subject.is_empty()).then(|| event.subject.into()),
        detail: (!event.detail.is_empty()).then(|| event.detail.into()),
    };
    let mut record = OpenRecord::event(LogTime(now), &id, &active.settings.node, content);
    if !event.path.is_empty() {
        record.path = Some(event.path.into());
    }
    txn.append(encode_record(&record)?);
    Ok(())
}
