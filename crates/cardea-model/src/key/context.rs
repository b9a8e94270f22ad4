//! Encryption contexts as authenticated data. Two contexts must never have one form, and one context never two: what was
//! authenticated says which context it was, at every door.

use std::collections::BTreeMap;

/// Names and values that were authenticated with a ciphertext.
pub type EncryptionContext = BTreeMap<String, String>;

/// Front of the form; another form gets another word.
const FORM: &[u8] = b"cardea kms context 1";
/// Most bytes of all names and values together, as at AWS.
pub const CONTEXT_BYTES_MAX: usize = 8192;

/// The form and then each name and value in the order of names, each behind its length in bytes (u32, big endian). No entries
/// are no data: what was sealed so opens at every door. `None` if it is too large.
#[must_use]
pub fn authenticated(entries: &EncryptionContext) -> Option<Vec<u8>> {
    if entries.is_empty() {
        return Some(Vec::new());
    }
    let bytes: usize = entries.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > CONTEXT_BYTES_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(FORM.len() + bytes + entries.len() * 8);
    out.extend_from_slice(FORM);
    for text in entries.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Some(out)
}

/// The context that authenticated data is the form of. `None` for data of another kind, which no context has.
#[must_use]
pub fn of_authenticated(data: &[u8]) -> Option<EncryptionContext> {
    if data.is_empty() {
        return Some(EncryptionContext::new());
    }
    let mut rest = data.strip_prefix(FORM)?;
    let mut entries = EncryptionContext::new();
    while !rest.is_empty() {
        let (name, after) = text(rest)?;
        let (value, after) = text(after)?;
        entries.insert(name, value);
        rest = after;
    }
    // Names out of order, or twice, would be a second form of one context.
    (authenticated(&entries)? == data && !entries.is_empty()).then_some(entries)
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(text).ok()?.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_form_says_its_context_and_nothing_else_is_one() {
        for entries in [context(&[]), context(&[("a", "")]), context(&[("a", "b"), ("c", "ü"), ("", "x")])] {
            assert_eq!(of_authenticated(&authenticated(&entries).unwrap()), Some(entries));
        }
        let good = authenticated(&context(&[("a", "b"), ("c", "d")])).unwrap();
        let (front, pair) = (FORM.len(), 10);
        let swapped = [&good[..front], &good[front + pair..], &good[front..front + pair]].concat();
        let twice = [&good[..front + pair], &good[front..front + pair]].concat();
        for other in [&b"anything"[..], FORM, &good[..good.len() - 1], &swapped, &twice, &[&good[..], &[0]].concat()] {
            assert_eq!(of_authenticated(other), None);
        }
        assert_eq!(authenticated(&context(&[("a", &"x".repeat(CONTEXT_BYTES_MAX))])), None);
    }
}
