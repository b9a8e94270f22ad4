//! Constraints of a stanza beyond its capabilities: required, denied and allowed parameters, wrapping bounds. They are
//! only ever narrowed by doubt: a value that cannot be compared is not allowed.

use crate::query::ParameterView;
use serde_json::{Number, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Values by lower-case key. No values means any value.
pub(crate) type ValuesByKey = BTreeMap<Arc<str>, Vec<Value>>;

/// The key that stands for all keys.
pub(crate) const ANY_KEY: &str = "*";

/// What a stanza, or the merge of all stanzas of one pattern, demands of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    pub required: Vec<Arc<str>>,
    pub denied: ValuesByKey,
    pub allowed: ValuesByKey,
    pub min_wrap_ms: Option<u64>,
    pub max_wrap_ms: Option<u64>,
}

/// What is wrong with the parameters of a request; keys are those of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    Missing(Arc<str>),
    Denied(Arc<str>),
    NotAllowed(Option<Arc<str>>),
}

impl Constraints {
    /// Adds the constraints of another stanza of the same pattern, as Vault merges: values are joined, a key without
    /// values wins over one with values, and of two wrapping bounds of a kind the smaller stays.
    pub fn merge(&mut self, other: &Self) {
        for key in &other.required {
            if !self.required.contains(key) {
                self.required.push(key.clone());
            }
        }
        merge_values(&mut self.denied, &other.denied);
        merge_values(&mut self.allowed, &other.allowed);
        self.min_wrap_ms = smaller(self.min_wrap_ms, other.min_wrap_ms);
        self.max_wrap_ms = smaller(self.max_wrap_ms, other.max_wrap_ms);
    }

    /// Whether a wrapping of this lifetime, or none, is within the bounds. A bound of either kind demands a wrapping.
    pub fn wrapping_fits(&self, wrap_ttl_s: Option<u64>) -> bool {
        if self.min_wrap_ms.is_none() && self.max_wrap_ms.is_none() {
            return true;
        }
        let Some(ttl_ms) = wrap_ttl_s.map(|ttl_s| ttl_s.saturating_mul(1000)) else { return false };
        // With bounds that crossed in a merge, no lifetime passes both tests.
        self.min_wrap_ms.is_none_or(|min_ms| ttl_ms >= min_ms) && self.max_wrap_ms.is_none_or(|max_ms| ttl_ms <= max_ms)
    }

    /// The first thing that is wrong with the parameters: required, then denied, then allowed.
    pub fn violation(&self, parameters: &dyn ParameterView) -> Option<Violation> {
        if self.required.is_empty() && self.denied.is_empty() && self.allowed.is_empty() {
            return None;
        }
        // The key must be there in lower case: an engine would not read another spelling of it.
        if let Some(key) = self.required.iter().find(|key| parameters.value(key).is_none()) {
            return Some(Violation::Missing(key.clone()));
        }
        if let Some(unstated) = self.unstated(parameters) {
            return Some(unstated);
        }
        let keys = parameters.keys();
        if keys.is_empty() {
            return None;
        }
        if let Some((any, _)) = self.denied.get_key_value(ANY_KEY) {
            return Some(Violation::Denied(any.clone()));
        }
        for key in &keys {
            if let Some((name, values)) = self.denied.get_key_value(key.to_lowercase().as_str())
                && is_denied(parameters.value(key).unwrap_or(&Value::Null), values)
            {
                return Some(Violation::Denied(name.clone()));
            }
        }
        if self.allowed.is_empty() {
            return None;
        }
        let any_key = self.allowed.contains_key(ANY_KEY);
        if any_key && self.allowed.len() == 1 {
            return None;
        }
        for key in &keys {
            match self.allowed.get_key_value(key.to_lowercase().as_str()) {
                Some((name, values)) if !is_allowed(parameters.value(key).unwrap_or(&Value::Null), values) => {
                    return Some(Violation::NotAllowed(Some(name.clone())));
                }
                None if !any_key => return Some(Violation::NotAllowed(None)),
                _ => {}
            }
        }
        None
    }
}

impl Constraints {
    /// A constraint on what the request has no way to say.
    fn unstated(&self, parameters: &dyn ParameterView) -> Option<Violation> {
        if let Some(key) = self.denied.keys().find(|key| !parameters.states(key)) {
            return Some(Violation::Denied(key.clone()));
        }
        let named = self.allowed.keys().find(|key| &***key != ANY_KEY && !parameters.states(key));
        named.map(|key| Violation::NotAllowed(Some(key.clone())))
    }
}

fn merge_values(into: &mut ValuesByKey, from: &ValuesByKey) {
    for (key, values) in from {
        match into.get_mut(key) {
            None => {
                into.insert(key.clone(), values.clone());
            }
            Some(present) if present.is_empty() || values.is_empty() => present.clear(),
            Some(present) => present.extend(values.iter().cloned()),
        }
    }
}

fn smaller(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// Allowed if the value is listed as a whole, or if each of its elements is; a text may be a list with commas.
fn is_allowed(value: &Value, list: &[Value]) -> bool {
    let listed = |value: &Value| list.iter().any(|entry| matches(entry, value));
    if list.is_empty() || listed(value) {
        return true;
    }
    match value {
        Value::Array(elements) => elements.iter().all(listed),
        Value::String(text) if text.contains(',') => {
            text.split(',').all(|element| listed(&Value::String(element.trim().to_owned())))
        }
        _ => false,
    }
}

/// Denied if the value is listed as a whole, or if one of its elements is. Where Vault would let a value slip because
/// its type differs from the policy's, the text of the value is compared as well.
fn is_denied(value: &Value, list: &[Value]) -> bool {
    let listed = |value: &Value| list.iter().any(|entry| matches(entry, value) || matches_loosely(entry, value));
    if list.is_empty() || listed(value) {
        return true;
    }
    match value {
        Value::Array(elements) => elements.iter().any(listed),
        Value::String(text) if text.contains(',') => {
            text.split(',').any(|element| listed(&Value::String(element.trim().to_owned())))
        }
        _ => false,
    }
}

/// Texts by glob, everything else by equality.
fn matches(entry: &Value, value: &Value) -> bool {
    match (entry, value) {
        (Value::String(glob), Value::String(text)) => glob_matches(glob, text),
        _ => equal(entry, value),
    }
}

/// For denials: a lone `*` means every value, and numbers and booleans are equal to their texts.
fn matches_loosely(entry: &Value, value: &Value) -> bool {
    let text_of = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match (entry, text_of(entry), text_of(value)) {
        (Value::String(glob), _, _) if glob == ANY_KEY => true,
        (Value::String(glob), _, Some(text)) => glob_matches(glob, &text),
        (_, Some(entry), Some(text)) => entry == text,
        _ => false,
    }
}

/// A `*` at the beginning, at the end or at both; one that stands alone is itself, as in Vault.
fn glob_matches(glob: &str, text: &str) -> bool {
    if glob.len() < 2 {
        return glob == text;
    }
    match (glob.strip_prefix('*'), glob.strip_suffix('*')) {
        (Some(_), Some(_)) => glob.get(1..glob.len() - 1).is_some_and(|inner| text.contains(inner)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => glob == text,
    }
}

/// Equality of JSON values in which 1, 1.0 and 1e0 are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => equal_numbers(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn equal_numbers(a: &Number, b: &Number) -> bool {
    let (a_text, b_text) = (a.to_string(), b.to_string());
    let integral = |text: &str| !text.contains(['.', 'e', 'E']);
    if a_text == b_text {
        return true;
    }
    if integral(&a_text) && integral(&b_text) {
        return false;
    }
    matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a.is_finite() && b.is_finite() && a == b)
}
