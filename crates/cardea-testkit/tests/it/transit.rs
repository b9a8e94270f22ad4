//! Keys through the whole server: two doors, one policy by the key's name, one log without a plaintext, and many at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_testkit::TestServer;
use serde_json::json;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("transit", "transit").await;
    server.post("transit/keys/app", server.root(), json!({})).await.ok();
    server.policy("app", r#"path "transit/+/app" { capabilities = ["update"] }"#).await;
    server.policy("maker", r#"path "transit/encrypt/*" { capabilities = ["create", "update"] }"#).await;
    server
}

/// The text that `tagged` would write for what the toy sealed.
fn tagged(hex_text: &str) -> String {
    format!("vault:v1:{}", BASE64.encode(hex::decode(hex_text).unwrap()))
}

#[tokio::test]
async fn what_one_door_seals_the_other_opens() {
    let server = server().await;
    let (token, key) = (server.token(&["app"]).await, server.access_key("robot", &["app"], None).await);
    let sealed = server.toy(&key, "SEAL", "name/app", "a plaintext of ours").await.expect(200).text;
    let body = json!({ "ciphertext": tagged(&sealed) });
    let opened = server.post("transit/decrypt/app", &token, body).await.expect(200);
    assert_eq!(opened.at("/data/plaintext"), &json!(BASE64.encode("a plaintext of ours")));
    let body = json!({ "plaintext": BASE64.encode("a plaintext of theirs") });
    let made = server.post("transit/encrypt/app", &token, body).await.expect(200);
    let made = made.at("/data/ciphertext").as_str().unwrap().strip_prefix("vault:v1:").unwrap().to_owned();
    let text = hex::encode(BASE64.decode(made).unwrap());
    assert_eq!(server.toy(&key, "OPEN", "name/app", &text).await.expect(200).text, "a plaintext of theirs");
    let sealed_text = tagged(&sealed);
    let texts = ["a plaintext of ours", "a plaintext of theirs", &BASE64.encode("a plaintext of ours"), &sealed_text];
    assert!(server.log_shows(&texts).await.is_empty());
    for (path, doors) in [("transit/encrypt/app", ["toy", "vault"]), ("transit/decrypt/app", ["vault", "toy"])] {
        let log = server.log_of(path).await;
        let found: Vec<_> = log.iter().map(|record| record.dialect.as_ref().unwrap().as_str()).collect();
        assert_eq!(found, doors, "{path}");
    }
}

#[tokio::test]
async fn policies_know_keys_by_name_whatever_they_are_called() {
    let server = server().await;
    server.post("transit/keys/other", server.root(), json!({})).await.ok();
    let key = server.access_key("robot", &["app"], None).await;
    for (called, status) in [
        ("name/app", 200),
        ("alias/app", 200),
        ("name/other", 403),
        ("alias/other", 403),
        ("name/none", 403),
        ("alias/none", 403),
        ("id/none", 403),
        ("id/app", 404),
    ] {
        // Nothing has the id `app`: whoever may use a key of that name learns that there is none.
        assert_eq!(server.toy(&key, "SEAL", called, "x").await.status, status, "{called}");
    }
    server.toy(&key, "OPEN", "name/app", "00").await.expect(400);
}

#[tokio::test]
async fn sealing_with_a_key_that_is_not_there_makes_one_at_one_door_alone() {
    let server = server().await;
    let (token, key) = (server.token(&["maker"]).await, server.access_key("robot", &["maker"], None).await);
    server.toy(&key, "SEAL", "name/fresh", "x").await.expect(404);
    server.post("transit/encrypt/fresh", &token, json!({ "plaintext": "" })).await.expect(200);
    server.toy(&key, "SEAL", "name/fresh", "x").await.expect(200);
    let only_update = server.token(&["app"]).await;
    server.policy("app", r#"path "transit/encrypt/*" { capabilities = ["update"] }"#).await;
    server.post("transit/encrypt/fresher", &only_update, json!({ "plaintext": "" })).await.expect(403);
}

#[tokio::test]
async fn many_at_once_share_a_reservation() {
    let server = std::sync::Arc::new(server().await);
    let token = server.token(&["app"]).await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(
                async move { server.post("transit/encrypt/app", &token, json!({ "plaintext": "" })).await.status },
            )
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
}

/// `sys/tools/hash` knows the hashes that Vault's knows, by body and by path.
#[tokio::test]
async fn tools_hash_with_every_hash() {
    let server = TestServer::start().await;
    for (algorithm, bytes) in [("sha2-224", 28), ("sha2-384", 48), ("sha2-512", 64), ("sha3-256", 32), ("sha3-512", 64)]
    {
        let named = json!({ "input": "aGVsbG8=", "algorithm": algorithm });
        let by_body = server.post("sys/tools/hash", server.root(), named).await.ok().text_at("/data/sum");
        let path = format!("sys/tools/hash/{algorithm}");
        let by_path = server.post(&path, server.root(), json!({ "input": "aGVsbG8=" })).await.ok().text_at("/data/sum");
        assert_eq!((by_body.len(), &by_body), (2 * bytes, &by_path), "{algorithm}");
    }
    let known = server.post("sys/tools/hash/sha2-512", server.root(), json!({ "input": "aGVsbG8=" })).await.ok();
    assert!(known.text_at("/data/sum").starts_with("9b71d224bd62f378"), "of the word hello");
    server.post("sys/tools/hash/md5", server.root(), json!({ "input": "aGVsbG8=" })).await.expect(400);
}
