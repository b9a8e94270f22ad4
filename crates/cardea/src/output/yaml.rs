//! JSON values in YAML's block form, keys in order. Every text that YAML could read as something else is quoted. Pure.

use serde_json::Value;
use std::fmt::Write as _;

pub fn text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut out, value, 0),
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
    out
}

/// A map or a list, each entry on lines of its own.
fn block(out: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            for (key, value) in entries {
                let _ = write!(out, "{pad}{}:", plain_or_quoted(key));
                // Lists stand at their key's own indent, maps two deeper.
                nested(out, value, if value.is_array() { indent } else { indent + 2 });
            }
        }
        Value::Array(list) => {
            for item in list {
                let is_block =
                    item.as_object().is_some_and(|m| !m.is_empty()) || item.as_array().is_some_and(|l| !l.is_empty());
                if is_block {
                    // The first line of the item takes the place of its own indent.
                    let mut inner = String::new();
                    block(&mut inner, item, indent + 2);
                    let _ = write!(out, "{pad}- {}", inner.trim_start_matches(' '));
                } else {
                    let _ = writeln!(out, "{pad}- {}", scalar(item));
                }
            }
        }
        _ => {}
    }
}

fn nested(out: &mut String, value: &Value, indent: usize) {
    let is_empty =
        value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    if is_empty || !(value.is_object() || value.is_array()) {
        let _ = writeln!(out, " {}", scalar(value));
    } else {
        out.push('\n');
        block(out, value, indent);
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(text) => plain_or_quoted(text),
        other => other.to_string(),
    }
}

/// Plain only where no reader of YAML 1.1 or 1.2 can take it for a number, a flag, nothing or a date; JSON's quotes else.
fn plain_or_quoted(text: &str) -> String {
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@".contains(c));
    let word = text.to_ascii_lowercase();
    let is_word =
        matches!(word.as_str(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "nan" | "inf");
    if starts_plain && is_plain && !is_word { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}
