//! Last uses: kept to the hour, whatever the door.

use super::harness::Bench;
use super::shared::{create, encrypt, named};
use crate::transit::last_use::KEPT_EVERY_S;
use crate::transit::model::LastUse;
use cardea_model::key::{HashAlgorithm, KeyAlgorithm, KeyLastUse, KeyUse};
use cardea_model::{KeyAnswer, KeyOp, KeyRef, SecretBytes, Timestamp};
use serde_json::json;

const START_MS: u64 = 1_700_000_000_000;

async fn last(bench: &Bench, name: &str) -> Option<KeyLastUse> {
    match bench.shared(KeyOp::LastUse { key: named(name) }).await.unwrap().1 {
        KeyAnswer::LastUse { last, .. } => last,
        other => panic!("{other:?}"),
    }
}

fn at(seconds: u64, what: KeyUse) -> Option<KeyLastUse> {
    Some(KeyLastUse { at: Timestamp(START_MS + seconds * 1000), what })
}

#[tokio::test]
async fn a_use_is_kept_once_an_hour() {
    let bench = Bench::new();
    let key = create(&bench, KeyAlgorithm::Aes256Gcm).await;
    assert_eq!((last(&bench, &key.name).await, key.uses_kept_from), (None, Some(Timestamp(START_MS))));
    bench.shared(encrypt(KeyRef::Id(key.id.clone()), b"")).await.unwrap();
    assert_eq!(last(&bench, &key.name).await, at(0, KeyUse::Encrypt));
    bench.advance_s(KEPT_EVERY_S - 1);
    let made = bench.ok(&format!("encrypt/{}", key.name), json!({ "plaintext": "dGV4dA==" })).await;
    assert_eq!(last(&bench, &key.name).await, at(0, KeyUse::Encrypt), "too soon");
    bench.advance_s(1);
    let decrypt = bench.ok(&format!("decrypt/{}", key.name), json!({ "ciphertext": made["ciphertext"] })).await;
    assert_eq!(decrypt["plaintext"], "dGV4dA==");
    assert_eq!(last(&bench, &key.name).await, at(KEPT_EVERY_S, KeyUse::Decrypt));
    // Another process knows as much.
    assert_eq!(last(&bench.restarted(), &key.name).await, at(KEPT_EVERY_S, KeyUse::Decrypt));
}

#[tokio::test]
async fn what_fails_is_no_use_and_a_key_made_again_has_none() {
    let bench = Bench::new();
    bench.ok("keys/m", json!({ "type": "hmac" })).await;
    let hash = HashAlgorithm::Sha256;
    let input = || SecretBytes::new(b"m".to_vec());
    let verify = KeyOp::VerifyMac { key: named("m"), input: input(), hash, mac: vec![0; 32] };
    let KeyAnswer::Verified { valid: false, .. } = bench.shared(verify).await.unwrap().1 else { panic!() };
    bench.shared(encrypt(named("m"), b"")).await.err().unwrap();
    bench.ok("verify/m", json!({ "input": "bQ==", "hmac": "vault:v1:AAAA" })).await;
    assert_eq!(last(&bench, "m").await, None);
    bench.shared(KeyOp::Mac { key: named("m"), input: input(), hash }).await.unwrap();
    assert_eq!(last(&bench, "m").await, at(0, KeyUse::Mac));
    bench.ok("keys/m/config", json!({ "deletion_allowed": true })).await;
    assert!(bench.call("DELETE", "keys/m", "").await.status < 300);
    assert!(bench.stored::<LastUse>().await.is_empty());
}
