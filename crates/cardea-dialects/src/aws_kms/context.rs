//! Encryption contexts as authenticated data, within AWS's bounds.

use crate::aws::json::Fault;
use cardea_model::key;
use std::collections::BTreeMap;

/// The canonical form; no entries are no data.
///
/// # Errors
/// Too large.
pub(super) fn authenticated(entries: Option<&BTreeMap<String, String>>) -> Result<Vec<u8>, Fault> {
    let Some(entries) = entries else { return Ok(Vec::new()) };
    key::authenticated(entries).ok_or_else(|| Fault::validation("The encryption context is too large."))
}
