//! Plays the transcripts: what is sent, and what is answered, as data.
//!
//! In a text, `<name>` stands for a value that is not known before: where it comes first in an answer it is kept, and
//! everywhere later it means that value.

use super::world;
use cardea_model::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Step {
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
    /// `null` is an answer without content.
    #[serde(default)]
    answer: Value,
    /// Words of the refusal, if it is one.
    #[serde(default)]
    refused: Option<String>,
}

#[tokio::test]
async fn transcripts_play() {
    for (name, text) in [
        ("a_program_logs_in", include_str!("../transcripts/a_program_logs_in.json")),
        ("secret_ids_by_accessor", include_str!("../transcripts/secret_ids_by_accessor.json")),
    ] {
        let world = world();
        let mut known = BTreeMap::new();
        let steps: Vec<Step> = serde_json::from_str(text).unwrap();
        for (at, step) in steps.into_iter().enumerate() {
            let place = format!("{name}, step {}", at + 1);
            let body = if step.body.is_null() { String::new() } else { filled(&step.body, &known).to_string() };
            let method = match step.method.as_str() {
                "READ" => Method::Read,
                "LIST" => Method::List,
                "WRITE" => Method::Write,
                "DELETE" => Method::Delete,
                _ => panic!("{place}: no such method"),
            };
            let answer = if step.path == "login" {
                world.login(&body).await.map(|who| serde_json::to_value(&who.metadata).unwrap())
            } else {
                world.ask(method, &step.path, &body).await.map(|reply| reply.data)
            };
            match (answer, step.refused) {
                (Ok(found), None) => compare(&step.answer, &found, &mut known, &place),
                (Err(error), Some(words)) => assert_eq!(error.client, words, "{place}"),
                (Ok(found), Some(_)) => panic!("{place}: answered {found}"),
                (Err(error), None) => panic!("{place}: {error}"),
            }
        }
    }
}

fn name_of(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>')
}

fn filled(value: &Value, known: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => match name_of(text) {
            Some(name) => Value::String(known[name].clone()),
            None => value.clone(),
        },
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), filled(v, known))).collect(),
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        other => other.clone(),
    }
}

fn compare(expected: &Value, found: &Value, known: &mut BTreeMap<String, String>, place: &str) {
    match (expected, found) {
        (Value::String(text), Value::String(value)) if name_of(text).is_some() => {
            let name = name_of(text).unwrap();
            let kept = known.entry(name.to_owned()).or_insert_with(|| value.clone());
            assert_eq!(kept, value, "{place}: {name}");
        }
        (Value::Object(a), Value::Object(b)) => {
            let names = |map: &serde_json::Map<String, Value>| {
                let mut names: Vec<String> = map.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(a), names(b), "{place}");
            for (name, value) in a {
                compare(value, &b[name], known, place);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            for (a, b) in a.iter().zip(b) {
                compare(a, b, known, place);
            }
        }
        (expected, found) => assert_eq!(expected, found, "{place}"),
    }
}
