//! JSON pointers (RFC 6901) into answers. It must never build a tree of decoded values: an answer holds a new key, and copies
//! of it would lie in memory that nobody wipes.

use cardea_model::{Error, SecretText};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Longest pointer in bytes.
const POINTER_BYTES_MAX: usize = 512;

/// Whether a text is a pointer.
///
/// # Errors
/// The words name the field.
pub fn check(field: &str, pointer: &str) -> Result<(), Error> {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if pointer.len() > POINTER_BYTES_MAX || !(pointer.is_empty() || pointer.starts_with('/')) || !escapes {
        return Err(Error::invalid(format!("field `{field}` is no JSON pointer, such as /data/id")));
    }
    Ok(())
}

/// What stands there.
#[must_use]
pub fn at<'a>(document: &'a str, pointer: &str) -> Option<&'a str> {
    let mut found: &'a RawValue = serde_json::from_str(document).ok()?;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        found = match found.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &'a RawValue>>(found.get()).ok()?.remove(&part)?,
            b'[' => {
                let exact = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
                let index: usize = part.parse().ok().filter(|_| exact)?;
                *serde_json::from_str::<Vec<&'a RawValue>>(found.get()).ok()?.get(index)?
            }
            _ => return None,
        };
    }
    Some(found.get())
}

/// The text that stands there, or the whole number as it is written.
#[must_use]
pub fn text_at(document: &str, pointer: &str) -> Option<SecretText> {
    let found = at(document, pointer)?;
    let digits = found.strip_prefix('-').unwrap_or(found);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(SecretText::new(found.to_owned()));
    }
    serde_json::from_str(found).ok()
}

/// The items of the list that stands there.
#[must_use]
pub fn items_at<'a>(document: &'a str, pointer: &str) -> Option<Vec<&'a str>> {
    let items: Vec<&'a RawValue> = serde_json::from_str(at(document, pointer)?).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}
