//! What one door refuses, another must not grant.

use super::harness::Bench;
use super::shared::{create, is_fault, move_stage, one, token};
use cardea_model::operation::{NewVersion, SecretAct};
use cardea_model::secret::{STAGE_CURRENT, SecretFacts, SecretFault, SecretValue};
use cardea_model::{Cause, Error};

async fn put(bench: &Bench, value: &str, word: &str, stages: &[&str]) -> Result<Box<SecretFacts>, Error> {
    let stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
    let value = SecretValue::of_text(value).unwrap();
    one(bench, "s", SecretAct::Put(NewVersion { value, version_id: token(word), stages })).await
}

#[tokio::test]
async fn check_and_set_and_deletion_hold_at_every_door() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "two", "b", &["blue"]).await.unwrap();
    bench.call("POST", "metadata/s", r#"{"cas_required":true}"#).await;
    let refused = move_stage(&bench, STAGE_CURRENT, Some("a"), Some("b")).await;
    assert_eq!(refused.err().unwrap().cause, Cause::Invalid);
    bench.call("POST", "destroy/s", r#"{"versions":[2]}"#).await;
    is_fault(put(&bench, "two", "b", &[]).await, SecretFault::TokenTaken);
    bench.call("POST", "delete/s", r#"{"versions":[1]}"#).await;
    is_fault(put(&bench, "one", "a", &[]).await, SecretFault::TokenTaken);
}
