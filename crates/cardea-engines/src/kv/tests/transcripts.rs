//! Replays `transcripts/`: what clients were promised, as text. The form is described in the engine's `mod.rs`.

use super::harness::Bench;
use crate::kv::{Kv, KvV1};
use crate::testing::{assert_shown, replay};
use cardea_sdk::Engine;
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
        println!("{name}");
        let bench = if *name == VERSION_1 { Bench::version1() } else { Bench::new() };
        let call = async |method: &str, target: &str, body: &str| bench.call(method, target, body).await;
        seen.extend(replay("secret/", text, call).await);
    }
    assert_shown(Kv.routes().iter().chain(KvV1.routes()).map(|route| route.facts.name), &seen);
}
