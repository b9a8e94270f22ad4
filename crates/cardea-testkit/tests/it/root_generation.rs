//! A root token from a threshold of shares, and new shares that must be shown before they hold: who may begin, who may be in
//! the way, and what is left when it is over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use cardea_testkit::{Builder, Reply, TestServer};
use serde_json::{Value, json};

const ATTEMPT: &str = "sys/generate-root/attempt";
const UPDATE: &str = "sys/generate-root/update";

fn shared(alone: bool) -> Builder {
    TestServer::builder().shares(5, 3).settings(|settings| settings.root_by_shares = alone)
}

fn decode(answer: &Reply, otp: &str) -> String {
    let mixed = BASE64.decode(answer.text_at("/encoded_root_token")).unwrap();
    assert_eq!(mixed.len(), otp.len());
    String::from_utf8(mixed.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect()).unwrap()
}

async fn begin(server: &TestServer, token: &str) -> (String, String) {
    let begun = server.post(ATTEMPT, token, json!({})).await.expect(200);
    (begun.text_at("/nonce"), begun.text_at("/otp"))
}

async fn give(server: &TestServer, token: &str, share: &str, nonce: &str) -> Reply {
    server.post(UPDATE, token, json!({ "key": share, "nonce": nonce })).await
}

#[tokio::test]
async fn a_threshold_of_shares_makes_a_root_token_under_a_password() {
    let server = shared(false).start().await;
    let (root, shares) = (server.root().to_owned(), server.shares().to_owned());
    let idle = server.get(ATTEMPT, &root).await.expect(200);
    assert_eq!((idle.at("/started"), idle.number_at("/required")), (&json!(false), 3));
    assert_eq!(give(&server, &root, &shares[0], "x").await.expect(400).errors(), "no root generation in progress");
    let (nonce, otp) = begin(&server, &root).await;
    assert_eq!((otp.len() as u64, idle.number_at("/otp_length")), (28, 28));
    assert_eq!(server.get(ATTEMPT, &root).await.ok().at("/otp"), &json!(""), "shown once");
    assert_eq!(
        server.post(ATTEMPT, &root, json!({})).await.expect(400).errors(),
        "root generation already in progress"
    );
    assert_eq!(give(&server, &root, &shares[0], "wrong").await.expect(400).errors(), "incorrect nonce supplied");
    for n in [0, 1, 1] {
        let part = give(&server, &root, &shares[n], &nonce).await.expect(200);
        assert_eq!((part.number_at("/progress"), part.at("/complete")), (n as u64 + 1, &json!(false)));
    }
    let done = give(&server, &root, &shares[4], &nonce).await.expect(200);
    assert_eq!(done.at("/complete"), &json!(true));
    let made = decode(&done, &otp);
    let looked = server.get("auth/token/lookup-self", &made).await.expect(200);
    assert_eq!((looked.at("/data/policies"), looked.at("/data/ttl")), (&json!(["root"]), &json!(0)));
    assert_eq!(server.get(ATTEMPT, &root).await.ok().at("/started"), &json!(false));
    assert_eq!(give(&server, &root, &shares[4], &nonce).await.expect(400).errors(), "no root generation in progress");
    let encoded = done.text_at("/encoded_token");
    assert!(server.log_shows(&[&made, &otp, &encoded, &shares[0]]).await.is_empty());
    assert_eq!(server.log_shows(&["token.root_generated"]).await.len(), 1);
}

#[tokio::test]
async fn bad_input_is_told_and_wrong_shares_start_over() {
    let server = shared(false).start().await;
    let (root, shares) = (server.root().to_owned(), server.shares().to_owned());
    let other = shared(false).seed("other").start().await;
    for (body, words) in [
        (json!({ "otp": "short" }), "field `otp` must have 28 characters"),
        (json!({ "pgp_key": "x" }), "pgp_key is not supported: the token comes back under a one-time password"),
    ] {
        assert_eq!(server.post(ATTEMPT, &root, body).await.expect(400).errors(), words);
    }
    let own = "a".repeat(28);
    let begun = server.post(ATTEMPT, &root, json!({ "otp": own })).await.expect(200);
    assert_eq!(begun.at("/otp"), &json!(""), "the caller knows it");
    let nonce = begun.text_at("/nonce");
    give(&server, &root, "not a share", &nonce).await.expect(400);
    give(&server, &root, "abcd", &nonce).await.expect(400);
    for share in [&shares[0], &shares[1]] {
        give(&server, &root, share, &nonce).await.expect(200);
    }
    give(&server, &root, &other.shares()[2], &nonce).await.expect(400);
    assert_eq!(server.get(ATTEMPT, &root).await.ok().number_at("/progress"), 0);
    for share in &shares[1..3] {
        give(&server, &root, share, &nonce).await.expect(200);
    }
    let made = decode(&give(&server, &root, &shares[3], &nonce).await.expect(200), &own);
    server.get("sys/mounts", &made).await.expect(200);
}

#[tokio::test]
async fn without_the_owners_word_it_takes_a_token_with_sudo() {
    let server = shared(false).start().await;
    server
        .policy("some", r#"path "sys/generate-root/*" { capabilities = ["create", "read", "update", "delete"] }"#)
        .await;
    server
        .policy("sudo", r#"path "sys/generate-root/*" { capabilities = ["read", "update", "delete", "sudo"] }"#)
        .await;
    let (low, high) = (server.token(&["some"]).await, server.token(&["sudo"]).await);
    for token in ["", "hvs.unknown", &low] {
        server.get(ATTEMPT, token).await.expect(403);
        server.post(ATTEMPT, token, json!({})).await.expect(403);
        server.delete(ATTEMPT, token).await.expect(403);
        give(&server, token, &server.shares()[0], "n").await.expect(403);
    }
    begin(&server, &high).await;
    server.delete(ATTEMPT, &high).await.expect(204);
    assert_eq!(server.get(ATTEMPT, &high).await.ok().at("/started"), &json!(false));
}

#[tokio::test]
async fn with_the_owners_word_shares_alone_suffice_and_strangers_end_nothing() {
    let server = shared(true).start().await;
    let shares = server.shares().to_owned();
    let (nonce, otp) = begin(&server, "").await;
    let refused = server.delete(ATTEMPT, "").await.expect(400);
    assert_eq!(refused.errors(), "the nonce of the attempt is needed to cancel it without a token");
    server.delete(&format!("{ATTEMPT}?nonce=wrong"), "").await.expect(400);
    for share in &shares[..2] {
        give(&server, "", share, &nonce).await.expect(200);
    }
    let made = decode(&give(&server, "", &shares[2], &nonce).await.expect(200), &otp);
    server.get("sys/mounts", &made).await.expect(200);
    assert!(!server.log_of(UPDATE).await.is_empty(), "what strangers do here is recorded");

    let (nonce, _) = begin(&server, "").await;
    server.delete(&format!("{ATTEMPT}?nonce={nonce}"), "").await.expect(204);
    // One that was begun to be in the way is over after ten minutes, or when somebody with sudo says so.
    begin(&server, "").await;
    server.advance(599);
    assert_eq!(server.get(ATTEMPT, "").await.ok().at("/started"), &json!(true));
    server.advance(1);
    assert_eq!(server.get(ATTEMPT, "").await.ok().at("/started"), &json!(false));
    begin(&server, "").await;
    server.delete(ATTEMPT, server.root()).await.expect(204);
}

#[tokio::test]
async fn an_attempt_does_not_outlive_the_seal() {
    let mut server = shared(false).start().await;
    let root = server.root().to_owned();
    begin(&server, &root).await;
    server.restart().await;
    assert_eq!(server.get(ATTEMPT, &root).await.ok().at("/started"), &json!(false));
}

#[tokio::test]
async fn a_key_file_is_the_one_share_of_its_seal() {
    let key = [7u8; 32];
    let server = TestServer::builder().static_key(key).start().await;
    let root = server.root().to_owned();
    let (nonce, otp) = begin(&server, &root).await;
    let wrong = base64::engine::general_purpose::STANDARD.encode([8u8; 32]);
    give(&server, &root, &wrong, &nonce).await.expect(400);
    let right = base64::engine::general_purpose::STANDARD.encode(key);
    let made = decode(&give(&server, &root, &right, &nonce).await.expect(200), &otp);
    server.get("sys/mounts", &made).await.expect(200);
}

#[tokio::test]
async fn new_shares_hold_only_after_they_were_shown() {
    let mut server = TestServer::builder().shares(3, 2).start().await;
    let (root, old) = (server.root().to_owned(), server.shares().to_owned());
    for body in [json!({ "pgp_keys": ["x"] }), json!({ "backup": true })] {
        server.post("sys/rekey/init", &root, body).await.expect(400);
    }
    server.get("sys/rekey/verify", &root).await.expect(400);
    let body = json!({ "secret_shares": 4, "secret_threshold": 3, "require_verification": true });
    let begun = server.post("sys/rekey/init", &root, body).await.expect(200);
    assert_eq!(begun.at("/verification_required"), &json!(true));
    let nonce = begun.text_at("/nonce");
    let update = |share: &str, nonce: &str| json!({ "key": share, "nonce": nonce });
    server.post("sys/rekey/update", &root, update(&old[0], &nonce)).await.expect(200);
    let made = server.post("sys/rekey/update", &root, update(&old[1], &nonce)).await.expect(200);
    assert_eq!((made.at("/complete"), made.at("/verification_required")), (&json!(true), &json!(true)));
    let new: Vec<String> = made.at("/keys_base64").as_array().unwrap().iter().map(text).collect();
    let proof = made.text_at("/verification_nonce");
    // Nobody gets the new shares a second time.
    server.post("sys/rekey/update", &root, update(&old[1], &nonce)).await.expect(400);
    server.post("sys/rekey/verify", &root, update(&new[0], &nonce)).await.expect(400);
    assert_eq!(
        server.post("sys/rekey/verify", &root, update(&new[0], &proof)).await.expect(200).number_at("/progress"),
        1
    );
    let again = server.delete("sys/rekey/verify", &root).await.expect(200);
    assert_eq!(again.number_at("/progress"), 0);
    let proof = again.text_at("/nonce");
    for share in [&new[0], &new[1]] {
        server.post("sys/rekey/verify", &root, update(share, &proof)).await.expect(200);
    }
    // A threshold of which one share is no new one proves nothing, and the old ones still open.
    server.post("sys/rekey/verify", &root, update(&old[0], &proof)).await.expect(400);
    server.restart().await;
    server.get("sys/mounts", &root).await.expect(200);

    let body = json!({ "secret_shares": 2, "secret_threshold": 2, "require_verification": true });
    let nonce = server.post("sys/rekey/init", &root, body).await.expect(200).text_at("/nonce");
    server.post("sys/rekey/update", &root, update(&old[2], &nonce)).await.expect(200);
    let made = server.post("sys/rekey/update", &root, update(&old[1], &nonce)).await.expect(200);
    let new: Vec<String> = made.at("/keys_base64").as_array().unwrap().iter().map(text).collect();
    let proof = made.text_at("/verification_nonce");
    assert_eq!(server.get("sys/rekey/init", &root).await.ok().text_at("/verification_nonce"), proof);
    server.post("sys/rekey/verify", &root, update(&new[0], &proof)).await.expect(200);
    let held = server.post("sys/rekey/verify", &root, update(&new[1], &proof)).await.expect(200);
    assert_eq!(held.at("/complete"), &json!(true));
    server.get("sys/rekey/verify", &root).await.expect(400);
    server.crash().await;
    for share in &old[..2] {
        server.call("PUT", "sys/unseal").json(&json!({ "key": share })).send().await;
    }
    assert_eq!(server.get("sys/seal-status", "").await.ok().at("/sealed"), &json!(true));
    for share in &new {
        server.call("PUT", "sys/unseal").json(&json!({ "key": share })).send().await.ok();
    }
    assert_eq!(server.get("sys/seal-status", "").await.ok().at("/sealed"), &json!(false));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
