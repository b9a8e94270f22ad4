//! A member of a request leaf by leaf, so that the hash of one value inside it is found again (`sys/audit-hash`). Bounded before
//! anything is hashed: beyond the bounds the member is one hash, as a whole. It must never show a value, nor build a tree of
//! decoded ones, which would copy secrets into memory that nobody wipes.

use cardea_audit::AuditHasher;
use cardea_audit::record::{self as log, push_index, push_segment};
use cardea_model::SecretText;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most leaves that one member is listed by. A hash is about half a microsecond: these are a small part of the commit that
/// follows. Secrets have a handful of values, and environments a few dozen.
const LEAVES_MAX: usize = 64;
/// Largest member that is looked into, in bytes: what is larger is a file, and its levels would each be scanned again.
const MEMBER_BYTES_MAX: usize = 32 * 1024;
/// Deepest nesting that is looked into.
const DEPTH_MAX: usize = 8;

/// Adds the leaves of the JSON text of a member that has any. `false` if it is to be hashed as a whole.
pub fn push(params: &mut log::Params, name: &str, text: &str, hasher: &AuditHasher) -> bool {
    if text.len() > MEMBER_BYTES_MAX || !text.starts_with(['{', '[']) {
        return false;
    }
    let mut leaves = Vec::new();
    if walk(&mut escaped(name), text, 0, &mut leaves).is_none() {
        return false;
    }
    for (name, text) in leaves {
        match unescaped(text) {
            Some(value) => params.push_hashed(&name, value.as_bytes(), hasher),
            None => match serde_json::from_str::<String>(text).map(SecretText::new) {
                Ok(value) => params.push_hashed(&name, value.expose().as_bytes(), hasher),
                Err(_) => params.push_hashed(&name, text.as_bytes(), hasher),
            },
        }
    }
    true
}

/// A JSON string without escapes is what stands between its quotes: nothing is copied that must be wiped.
fn unescaped(text: &str) -> Option<&str> {
    let value = text.strip_prefix('"')?.strip_suffix('"')?;
    (!value.contains('\\')).then_some(value)
}

fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    push_segment(&mut out, name);
    out
}

/// `None` beyond a bound.
fn walk<'a>(name: &mut String, text: &'a str, depth: usize, leaves: &mut Vec<(String, &'a str)>) -> Option<()> {
    if depth > DEPTH_MAX || leaves.len() >= LEAVES_MAX {
        return None;
    }
    let outer = name.len();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &'a RawValue> = serde_json::from_str(text).ok()?;
            for (key, value) in members {
                push_segment(name, &key);
                walk(name, value.get(), depth + 1, leaves)?;
                name.truncate(outer);
            }
        }
        Some(b'[') => {
            let items: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
            for (index, item) in items.into_iter().enumerate() {
                push_index(name, index);
                walk(name, item.get(), depth + 1, leaves)?;
                name.truncate(outer);
            }
        }
        _ => leaves.push((name.clone(), text)),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cardea_crypto::mac::MacKey;

    fn hasher() -> AuditHasher {
        AuditHasher::new(MacKey::new(b"key"))
    }

    fn listed(text: &str) -> Option<Vec<(String, String)>> {
        let mut params = log::Params::new();
        push(&mut params, "data", text, &hasher()).then(|| {
            let list = params.into_parts().0;
            list.into_iter()
                .map(|param| match param.value {
                    log::FieldValue::Hashed(hash) => (param.name.as_str().to_owned(), hash.to_string()),
                    _ => panic!("a leaf in clear"),
                })
                .collect()
        })
    }

    #[test]
    fn each_leaf_is_named_by_its_path_and_hashed_by_its_value() {
        let hash = |text: &str| hasher().text(text).to_string();
        let named = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), hash(value))).collect::<Vec<_>>())
        };
        for (text, expected) in [
            (r#"{"user":"alice","n":1.50}"#, named(&[("data/n", "1.50"), ("data/user", "alice")])),
            (
                r#"{"a":{"b":["x",true,null]}}"#,
                named(&[("data/a/b/#0", "x"), ("data/a/b/#1", "true"), ("data/a/b/#2", "null")]),
            ),
            (r#"{"q":"a\"b\u0041","s/~#":"v"}"#, named(&[("data/q", "a\"bA"), ("data/s~1~0#", "v")])),
            (r#"["x"]"#, named(&[("data/#0", "x")])),
            ("{}", named(&[])),
            (r#""text""#, None),
            ("7", None),
        ] {
            assert_eq!(listed(text), expected, "{text}");
        }
    }

    #[test]
    fn beyond_the_bounds_it_is_one_hash() {
        let many = |n: usize| format!("[{}]", vec!["1"; n].join(","));
        assert!(listed(&many(LEAVES_MAX)).is_some() && listed(&many(LEAVES_MAX + 1)).is_none());
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(listed(&deep(DEPTH_MAX)).is_some() && listed(&deep(DEPTH_MAX + 1)).is_none());
        let long = |n: usize| format!(r#"["{}"]"#, "x".repeat(n - 4));
        assert!(listed(&long(MEMBER_BYTES_MAX)).is_some() && listed(&long(MEMBER_BYTES_MAX + 1)).is_none());
    }
}
