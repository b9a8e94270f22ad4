//! How much the log says of a request: each value by its own hash, and the headers that its owner wants to keep.

use cardea_testkit::TestServer;
use serde_json::{Value, json};

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server
}

/// The request's members as the newest record of a path has them.
async fn members(server: &TestServer, path: &str) -> Vec<(String, String)> {
    let record = server.log_of(path).await.pop().unwrap();
    let record = serde_json::to_value(&record).unwrap();
    let list = record["params"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.iter().map(|param| (text(&param["name"]), param["value"].to_string())).collect()
}

fn hash_of(server: &TestServer, value: &str) -> String {
    server.active().hashes.audit.text(value).to_string()
}

#[tokio::test]
async fn the_hash_of_one_value_is_found_in_the_record_of_its_write() {
    let server = server().await;
    let root = server.root();
    let data = json!({ "user": "alice", "nested": { "password": "canary-nested" }, "list": ["canary-item", 7] });
    server.post("secret/data/app", root, json!({ "options": { "cas": 0 }, "data": data })).await.ok();
    let seen = members(&server, "secret/data/app").await;
    for (name, value) in [
        ("data/user", "alice"),
        ("data/nested/password", "canary-nested"),
        ("data/list/#0", "canary-item"),
        ("data/list/#1", "7"),
        ("options/cas", "0"),
    ] {
        let hash = hash_of(&server, value);
        let digits = hash.trim_start_matches("hmac-sha256:");
        assert!(seen.iter().any(|(n, shown)| n == name && shown.contains(digits)), "{name} in {seen:?}");
    }
    assert!(server.log_shows(&["canary-"]).await.is_empty());

    // More values than a record lists are one hash.
    let many: Value = (0..100).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    server.post("secret/data/many", root, json!({ "data": many })).await.ok();
    assert_eq!(
        members(&server, "secret/data/many").await.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
        ["data"]
    );
    // What did not bind names none of what is inside.
    server.post("secret/data/wrong", root, json!({ "options": 7, "data": { "canary-name": 1 } })).await.expect(400);
    assert!(server.log_shows(&["canary-name"]).await.is_empty());
}

#[tokio::test]
async fn headers_are_kept_as_the_owner_says() {
    let mut server = server().await;
    let root = server.root().to_owned();
    let at = |name: &str| format!("sys/config/auditing/request-headers/{name}");
    assert_eq!(server.get("sys/config/auditing/request-headers", &root).await.ok().at("/data/headers"), &json!({}));
    server.post(&at("X-Trace-Id"), &root, json!({})).await.expect(204);
    server.post(&at("user-agent"), &root, json!({ "hmac": true })).await.expect(204);
    for bad in ["authorization", "X-Vault-Token", "cookie", "x-api-key", "b%C3%A4d", "a%20b"] {
        server.post(&at(bad), &root, json!({})).await.expect(400);
    }
    server.get(&at("nope"), &root).await.expect(400);
    for _ in 0..2 {
        let all = server.get("sys/config/auditing/request-headers", &root).await.ok();
        let kept = json!({ "user-agent": { "hmac": true }, "x-trace-id": { "hmac": false } });
        assert_eq!((all.at("/data/headers"), all.at("/headers")), (&kept, &kept));
        assert_eq!(server.get(&at("X-TRACE-ID"), &root).await.ok().at("/data/x-trace-id/hmac"), &json!(false));
        let call = server.call("GET", "sys/mounts").token(&root).header("x-trace-id", "trace-canary");
        call.header("user-agent", "agent-canary").header("x-other", "other-canary").send().await.ok();
        assert_eq!(server.log_shows(&["trace-canary"]).await.len(), 1);
        assert!(server.log_shows(&["agent-canary", "other-canary"]).await.is_empty());
        let newest = server.last_record().await;
        let named: Vec<&str> = newest.headers.iter().map(|header| header.name.as_str()).collect();
        assert_eq!(named.len(), 2, "{named:?}");
        server.restart().await;
    }
    server.delete(&at("x-trace-id"), &root).await.expect(204);
    server.call("GET", "sys/mounts").token(&root).header("x-trace-id", "later-canary").send().await.ok();
    assert!(server.log_shows(&["later-canary"]).await.is_empty());
    for n in 0..31 {
        server.post(&at(&format!("x-n-{n}")), &root, json!({})).await.expect(204);
    }
    server.post(&at("x-n-32"), &root, json!({})).await.expect(400);
    server.post(&at("x-n-3"), &root, json!({ "hmac": true })).await.expect(204);
}
