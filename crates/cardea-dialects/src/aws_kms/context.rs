//! Encryption contexts as authenticated data. Two contexts must never have one form, and one context never two.

use crate::aws::json::Fault;
use std::collections::BTreeMap;

/// Front of the form; another form gets another word.
const FORM: &[u8] = b"cardea kms context 1";
/// Most bytes of all names and values together, as at AWS.
const CONTEXT_BYTES_MAX: usize = 8192;

/// The form and then each name and value in the order of names, each behind its length in bytes (u32, big endian). No entries
/// are no data: what was sealed so opens at every door.
///
/// # Errors
/// Too large.
pub(super) fn authenticated(entries: Option<&BTreeMap<String, String>>) -> Result<Vec<u8>, Fault> {
    let Some(entries) = entries.filter(|entries| !entries.is_empty()) else { return Ok(Vec::new()) };
    let bytes: usize = entries.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > CONTEXT_BYTES_MAX {
        return Err(Fault::validation("The encryption context is too large."));
    }
    let mut out = Vec::with_capacity(FORM.len() + bytes + entries.len() * 8);
    out.extend_from_slice(FORM);
    for text in entries.iter().flat_map(|(name, value)| [name, value]) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}
