//! Replays `transcripts/`: what clients were promised, as text. The form is described in the engine's `mod.rs`.

use super::harness::Bench;
use crate::kv::{Kv, KvV1};
use cardea_sdk::Engine;
use serde_json::Value;
use std::collections::BTreeSet;

const TRANSCRIPTS: &[(&str, &str)] = &[
    ("config", include_str!("../transcripts/config.txt")),
    ("data", include_str!("../transcripts/data.txt")),
    ("patch", include_str!("../transcripts/patch.txt")),
    ("versions", include_str!("../transcripts/versions.txt")),
    ("metadata", include_str!("../transcripts/metadata.txt")),
    ("rotation", include_str!("../transcripts/rotation.txt")),
    ("posture", include_str!("../transcripts/posture.txt")),
    ("policy", include_str!("../transcripts/policy.txt")),
    (VERSION_1, include_str!("../transcripts/version1.txt")),
];

/// The one that is about a mount of version 1.
const VERSION_1: &str = "version1";

#[tokio::test]
async fn transcripts_hold_and_name_every_route() {
    let mut seen = BTreeSet::new();
    for (name, text) in TRANSCRIPTS {
        let bench = if *name == VERSION_1 { Bench::version1() } else { Bench::new() };
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let (method, target) = line.strip_prefix("> ").and_then(|line| line.split_once(' ')).expect(line);
            let target = target.strip_prefix("secret/").expect("the mount is at secret/");
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
    for route in Kv.routes().iter().chain(KvV1.routes()) {
        assert!(seen.contains(route.facts.name), "no transcript shows {}", route.facts.name);
    }
}

fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), _) if any == "*" => true,
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|found| alike(value, found)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (a, b) => a == b,
    }
}
