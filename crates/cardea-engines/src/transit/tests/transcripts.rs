//! Replays `transcripts/`: what clients were promised, as text.

use super::harness::Bench;
use crate::transit::routes::ROUTES;
use serde_json::Value;
use std::collections::BTreeSet;

const TRANSCRIPTS: &[(&str, &str)] = &[
    ("keys", include_str!("../transcripts/keys.txt")),
    ("encryption", include_str!("../transcripts/encryption.txt")),
    ("signatures", include_str!("../transcripts/signatures.txt")),
    ("transfer", include_str!("../transcripts/transfer.txt")),
    ("attached", include_str!("../transcripts/attached.txt")),
    ("random", include_str!("../transcripts/random.txt")),
];

#[tokio::test]
async fn transcripts_hold_and_name_every_route() {
    let mut seen = BTreeSet::new();
    for (name, text) in TRANSCRIPTS {
        let bench = Bench::new();
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let (method, target) = line.strip_prefix("> ").and_then(|line| line.split_once(' ')).expect(line);
            let target = target.strip_prefix("transit/").expect("the mount is at transit/");
            let body = lines.next_if(|line| line.starts_with('{')).unwrap_or_default();
            let reply = bench.call(method, target, body).await;
            let status = lines.next().and_then(|line| line.strip_prefix("< ")).expect("a status follows a request");
            assert_eq!(reply.status.to_string(), status, "{name}: {line}: {reply:?}");
            match lines.next_if(|line| line.starts_with('{')) {
                Some(expected) => {
                    let expected: Value = serde_json::from_str(expected).expect(expected);
                    let (expected, found) = (expected.as_object().unwrap(), reply.body.as_object().unwrap());
                    for (member, expected) in expected {
                        let found = found.get(member).unwrap_or(&Value::Null);
                        assert!(alike(expected, found), "{name}: {line}\nexpected {expected}\nfound    {found}");
                    }
                }
                None => assert_eq!(reply.body, Value::Null, "{name}: {line}"),
            }
            seen.insert(reply.route);
        }
    }
    for route in ROUTES {
        assert!(seen.contains(route.facts.name), "no transcript shows {}", route.facts.name);
    }
}

fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), found) if any == "*" => !found.is_null(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|found| alike(value, found)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (a, b) => a == b,
    }
}
