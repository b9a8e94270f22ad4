//! The parameters of a request or an answer as the log may show them: names, and values that are hashed unless the route
//! declared the name public. Bounded before anything is hashed, so that a large body cannot buy work. It must never keep a
//! value in clear by default.

use super::{FieldValue, Param};
use crate::hash::AuditHasher;
use serde_json::Value;

/// Most parameters that one side of a record lists; beyond it they are counted. Vault's largest ordinary requests have a few
/// dozen.
pub const PARAMS_MAX: usize = 128;
/// Deepest nesting that is named part by part; a deeper part counts as left off.
const DEPTH_MAX: usize = 8;

/// Bounded named values.
#[derive(Clone, Debug, Default)]
pub struct Params {
    list: Vec<Param>,
    left_off: u64,
}

impl Params {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists a JSON value leaf by leaf. A leaf's name is its path ([`push_segment`]); `is_public` is asked with that name.
    /// Every leaf that is not public is hashed: text by its bytes, anything else by its JSON text.
    #[must_use]
    pub fn from_json(value: &Value, hasher: &AuditHasher, is_public: &dyn Fn(&str) -> bool) -> Self {
        let mut params = Self::new();
        params.walk(&mut String::new(), value, 0, hasher, is_public);
        params
    }

    /// Adds one.
    pub fn push(&mut self, name: &str, value: FieldValue) {
        if self.is_full() {
            self.left_off += 1;
        } else {
            self.list.push(Param { name: name.into(), value });
        }
    }

    /// Adds text as its keyed hash.
    pub fn push_hashed(&mut self, name: &str, value: &[u8], hasher: &AuditHasher) {
        if self.is_full() {
            self.left_off += 1;
        } else {
            self.list.push(Param { name: name.into(), value: FieldValue::Hashed(hasher.hash(value)) });
        }
    }

    /// The list, and how many more there were.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Param>, u64) {
        (self.list, self.left_off)
    }

    fn is_full(&self) -> bool {
        self.list.len() >= PARAMS_MAX
    }

    fn walk(
        &mut self,
        name: &mut String,
        value: &Value,
        depth: usize,
        hasher: &AuditHasher,
        is_public: &dyn Fn(&str) -> bool,
    ) {
        if self.is_full() || depth > DEPTH_MAX {
            // Not walked further: what is left off is counted as one, however large it is.
            self.left_off += 1;
            return;
        }
        let outer = name.len();
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    push_segment(name, key);
                    self.walk(name, field, depth + 1, hasher, is_public);
                    name.truncate(outer);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    push_index(name, index);
                    self.walk(name, item, depth + 1, hasher, is_public);
                    name.truncate(outer);
                }
            }
            leaf => {
                let shown = if is_public(name) { clear_leaf(leaf) } else { None };
                let shown = shown.unwrap_or_else(|| match leaf {
                    Value::String(text) => FieldValue::Hashed(hasher.text(text)),
                    other => FieldValue::Hashed(hasher.text(&other.to_string())),
                });
                self.push(name, shown);
            }
        }
    }
}

/// A public leaf as it stands; `None` for what has no such form.
fn clear_leaf(leaf: &Value) -> Option<FieldValue> {
    match leaf {
        Value::String(text) => Some(FieldValue::Clear(text.as_str().into())),
        Value::Bool(flag) => Some(FieldValue::Flag((*flag).into())),
        Value::Number(number) => Some(match number.as_i64() {
            Some(number) => FieldValue::Number(number.into()),
            None => FieldValue::Clear(number.to_string().into()),
        }),
        _ => None,
    }
}

/// Appends a field's key to a name: segments are joined by `/`; in a segment `~` is written `~0`, `/` is `~1`, and a leading
/// `#`, which marks an item of a list, is `~2`.
pub fn push_segment(name: &mut String, key: &str) {
    if !name.is_empty() {
        name.push('/');
    }
    for (at, c) in key.chars().enumerate() {
        match c {
            '~' => name.push_str("~0"),
            '/' => name.push_str("~1"),
            '#' if at == 0 => name.push_str("~2"),
            _ => name.push(c),
        }
    }
}

/// Appends the place of an item of a list to a name.
pub fn push_index(name: &mut String, index: usize) {
    if !name.is_empty() {
        name.push('/');
    }
    name.push('#');
    name.push_str(&index.to_string());
}

/// A step of a name, as [`split_name`] gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// A name's steps from the outside in.
#[must_use]
pub fn split_name(name: &str) -> Vec<Segment> {
    name.split('/')
        .map(|segment| match segment.strip_prefix('#').and_then(|digits| digits.parse().ok()) {
            Some(index) => Segment::Index(index),
            // `~0` last: it may produce a tilde that is not an escape.
            None => Segment::Key(segment.replace("~2", "#").replace("~1", "/").replace("~0", "~")),
        })
        .collect()
}
