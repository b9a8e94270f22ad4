//! One core, two doors: what is written through one dialect is read through the other, under the same policy, into the same
//! log.

use cardea_testkit::{TestServer, toy};
use serde_json::json;

const READER: &str = r#"path "secret/data/app/*" { capabilities = ["read"] }"#;
const WRITER: &str = r#"path "secret/data/app/*" { capabilities = ["read", "create", "update"] }"#;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.policy("reader", READER).await;
    server.policy("writer", WRITER).await;
    server
}

#[tokio::test]
async fn what_vault_writes_the_toy_reads_token_for_token() {
    let server = server().await;
    let call = server.call("POST", "secret/data/app/db").token(server.root());
    call.body(r#"{"data": {"n": 1.50, "big": 12345678901234567890, "text": "é"}}"#).send().await.expect(200);
    let key = server.access_key("robot", &["reader"], None).await;
    let read = server.toy(&key, "GET", "app/db", "").await.expect(200);
    assert_eq!(read.text, r#"{"version":1,"value":{"n": 1.50, "big": 12345678901234567890, "text": "é"}}"#);
}

#[tokio::test]
async fn what_the_toy_writes_vault_reads() {
    let server = server().await;
    let key = server.access_key("robot", &["writer"], None).await;
    server.toy(&key, "PUT", "app/db", r#"{"password": "first"}"#).await.expect(200);
    server.toy(&key, "PUT", "app/db", r#"{"password": "second"}"#).await.expect(200);
    let token = server.token(&["reader"]).await;
    let read = server.get("secret/data/app/db", &token).await.expect(200);
    assert_eq!(read.at("/data/data"), &json!({ "password": "second" }));
    assert_eq!(read.number_at("/data/metadata/version"), 2);
    let first = server.get("secret/data/app/db?version=1", &token).await.expect(200);
    assert_eq!(first.at("/data/data"), &json!({ "password": "first" }));
}

#[tokio::test]
async fn one_policy_decides_at_both_doors() {
    let server = server().await;
    server.post("secret/data/app/db", server.root(), json!({ "data": { "a": "b" } })).await.ok();
    server.post("secret/data/other", server.root(), json!({ "data": { "a": "b" } })).await.ok();
    let doors = |policy: &'static str| {
        let server = &server;
        async move { (server.token(&[policy]).await, server.access_key("robot", &[policy], None).await) }
    };
    let (token, key) = doors("reader").await;
    for (name, status) in [("app/db", 200), ("other", 403), ("app/absent", 404)] {
        assert_eq!(server.get(&format!("secret/data/{name}"), &token).await.status, status, "vault, {name}");
        assert_eq!(server.toy(&key, "GET", name, "").await.status, status, "toy, {name}");
    }
    // Reading does not let write, and creating does not let update.
    server.post("secret/data/app/db", &token, json!({ "data": {} })).await.expect(403);
    server.toy(&key, "PUT", "app/db", "{}").await.expect(403);
    server.policy("creator", r#"path "secret/data/app/*" { capabilities = ["create"] }"#).await;
    let (token, key) = doors("creator").await;
    server.post("secret/data/app/new1", &token, json!({ "data": {} })).await.expect(200);
    server.post("secret/data/app/new1", &token, json!({ "data": {} })).await.expect(403);
    server.toy(&key, "PUT", "app/new2", "{}").await.expect(200);
    server.toy(&key, "PUT", "app/new2", "{}").await.expect(403);
    // A denial written later holds at the next request.
    let (token, key) = doors("reader").await;
    server.policy("reader", r#"path "secret/data/app/db" { capabilities = ["deny"] }"#).await;
    server.get("secret/data/app/db", &token).await.expect(403);
    server.toy(&key, "GET", "app/db", "").await.expect(403);
}

#[tokio::test]
async fn both_doors_write_one_log() {
    let server = server().await;
    server.post("secret/data/app/db", server.root(), json!({ "data": { "a": "b" } })).await.ok();
    let key = server.access_key("robot", &["reader"], None).await;
    server.toy(&key, "GET", "app/db", "").await.expect(200);
    server.toy(&key, "GET", "elsewhere", "").await.expect(403);
    let about = server.log_of("secret/data/app/db").await;
    let dialects: Vec<_> = about.iter().map(|record| record.dialect.as_ref().unwrap().as_str()).collect();
    assert_eq!(dialects, ["vault", "toy"]);
    let read = &about[1];
    assert_eq!(read.actor.as_ref().unwrap().display_name.as_ref().unwrap().as_str(), "robot");
    assert!(!read.is_denied());
    let denied = server.last_record().await;
    assert!(denied.is_denied());
    assert_eq!(denied.path.unwrap().as_str(), "secret/data/elsewhere");
    assert!(!denied.decision.unwrap().reasons.is_empty());
    assert!(server.log_shows(&[&key.1]).await.is_empty());
}

#[tokio::test]
async fn a_signature_that_is_not_good_is_refused_in_one_way() {
    let server = server().await;
    server.post("secret/data/app/db", server.root(), json!({ "data": { "a": "b" } })).await.ok();
    let good = server.access_key("robot", &["reader"], Some(600)).await;
    server.toy(&good, "GET", "app/db", "").await.expect(200);
    let now = server.now().unix_s();
    let request = |id: &str, secret: &str, time| toy::request(id, secret, "GET", "app/db", "", time);
    let mut tampered = request(&good.0, &good.1, now);
    tampered.path = "/toy/app/other".to_owned();
    let mut garbled = request(&good.0, &good.1, now);
    garbled.headers.retain(|(name, _)| name != "x-toy-signature");
    garbled.headers.push(("x-toy-signature".to_owned(), b"zz".to_vec()));
    let mut unsigned = request(&good.0, &good.1, now);
    unsigned.headers.clear();
    let cases = [
        ("wrong secret", request(&good.0, "wrong", now)),
        ("empty secret", request(&good.0, "", now)),
        ("unknown key", request("CARDEAUNKNOWN", &good.1, now)),
        ("unknown key, empty secret", request("CARDEAUNKNOWN", "", now)),
        ("time too early", request(&good.0, &good.1, now - 301)),
        ("time too late", request(&good.0, &good.1, now + 301)),
        ("another request's signature", tampered),
        ("a signature that is no hex", garbled),
        ("no credential", unsigned),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for (case, wire) in cases {
        let refused = server.send(&toy::Toy, wire).await;
        assert_eq!(refused.status, 403, "{case}");
        bodies.insert(refused.text);
        assert!(server.last_record().await.is_denied(), "{case}");
    }
    server.advance(601);
    let expired = server.toy(&good, "GET", "app/db", "").await.expect(403);
    bodies.insert(expired.text);
    assert_eq!(bodies.len(), 1, "refusals can be told apart: {bodies:?}");
}
