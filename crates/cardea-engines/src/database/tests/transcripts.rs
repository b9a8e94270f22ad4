//! Replays `transcripts/`: what clients were promised, as text. The form is described in the `mod.rs` of `kv`.

use super::harness::Bench;
use crate::database::routes::ROUTES;
use crate::testing::{assert_shown, replay};
use std::collections::BTreeSet;

const TRANSCRIPTS: &[(&str, &str)] = &[
    ("connections", include_str!("../transcripts/connections.txt")),
    ("roles", include_str!("../transcripts/roles.txt")),
    ("users", include_str!("../transcripts/users.txt")),
];

#[tokio::test]
async fn transcripts_hold_and_name_every_route() {
    let mut seen = BTreeSet::new();
    for (name, text) in TRANSCRIPTS {
        println!("{name}");
        let bench = Bench::new();
        let call = async |method: &str, target: &str, body: &str| bench.call(method, target, body).await;
        seen.extend(replay("database/", text, call).await);
    }
    assert_shown(ROUTES.iter().map(|route| route.facts.name), &seen);
}
