//! Replays `transcripts/`: what clients were promised, as text.

use super::harness::Bench;
use crate::testing::{assert_shown, replay};
use crate::transit::routes::ROUTES;
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
        println!("{name}");
        let bench = Bench::new();
        let call = async |method: &str, target: &str, body: &str| bench.call(method, target, body).await;
        seen.extend(replay("transit/", text, call).await);
    }
    assert_shown(ROUTES.iter().map(|route| route.facts.name), &seen);
}
