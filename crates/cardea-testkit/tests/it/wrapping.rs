//! Wrapped answers: any answer can be wrapped, nothing of it shows, and exactly one reader gets it, once.

use cardea_testkit::{Reply, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    server.post("secret/data/a", server.root(), json!({ "data": { "k": "WRAPPEDCANARY" } })).await.ok();
    server
}

async fn wrapped(server: &TestServer, path: &str, ttl: &str) -> Reply {
    server.call("GET", path).token(server.root()).wrap(ttl).send().await.expect(200)
}

async fn unwrap(server: &TestServer, token: &str) -> Reply {
    server.post("sys/wrapping/unwrap", token, json!({})).await
}

#[tokio::test]
async fn any_answer_can_be_wrapped_and_nothing_of_it_shows() {
    let server = server().await;
    for path in [
        "secret/data/a",
        "secret/metadata/a",
        "syn/creds/a",
        "sys/mounts",
        "auth/token/lookup-self",
        "sys/policies/acl/default",
    ] {
        let wrapped = wrapped(&server, path, "300").await;
        assert_eq!(wrapped.at("/data"), &Value::Null, "{path}");
        assert_eq!(wrapped.at("/auth"), &Value::Null, "{path}");
        assert_eq!(wrapped.text_at("/request_id"), "", "{path}");
        assert_eq!(wrapped.text_at("/lease_id"), "", "{path}");
        assert_eq!(wrapped.number_at("/wrap_info/ttl"), 300);
        assert_eq!(wrapped.text_at("/wrap_info/creation_path"), path);
        assert!(!wrapped.text.contains("WRAPPEDCANARY") && !wrapped.text.contains("v-a-"), "{path}");
        let plain = server.get(path, server.root()).await.expect(200);
        let inner = unwrap(&server, &wrapped.wrapping_token()).await.expect(200);
        if path != "syn/creds/a" {
            assert_eq!(inner.data(), plain.data(), "{path}");
        } else {
            assert!(inner.lease_id().starts_with("syn/creds/a/"));
            assert!(server.source().connect(&inner.text_at("/data/username"), &inner.text_at("/data/password")));
        }
        let again = unwrap(&server, &wrapped.wrapping_token()).await;
        assert!(matches!(again.status, 400 | 403), "{path}: {}", again.text);
    }
    let listed = server.call("LIST", "secret/metadata").token(server.root()).wrap("60").send().await.expect(200);
    assert_eq!(unwrap(&server, &listed.wrapping_token()).await.ok().at("/data/keys"), &json!(["a"]));
    // What answers nothing wraps nothing, and errors never are wrapped.
    server
        .call("POST", "sys/policies/acl/p")
        .token(server.root())
        .json(&json!({ "policy": "path \"a\" {}" }))
        .wrap("60")
        .send()
        .await
        .expect(204);
    let missing = server.call("GET", "secret/data/none").token(server.root()).wrap("60").send().await.expect(404);
    assert!(missing.at("/wrap_info").is_null());
    let denied = server.call("GET", "secret/data/a").token("hvs.nobody").wrap("60").send().await.expect(403);
    assert!(denied.at("/wrap_info").is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_racers_exactly_one_gets_it() {
    let server = Arc::new(server().await);
    let other = server.token(&["default"]).await;
    for by_body in [false, true] {
        let token = wrapped(&server, "secret/data/a", "300").await.wrapping_token();
        let racers = (0..100).map(|_| {
            let (server, token, other) = (server.clone(), token.clone(), other.clone());
            tokio::spawn(async move {
                match by_body {
                    true => server.post("sys/wrapping/unwrap", &other, json!({ "token": token })).await,
                    false => unwrap(&server, &token).await,
                }
            })
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            let reply = racer.await.unwrap();
            won += usize::from(reply.text.contains("WRAPPEDCANARY"));
            assert!(matches!(reply.status, 200 | 400 | 403), "{}", reply.text);
        }
        assert_eq!(won, 1, "by body: {by_body}");
    }
}

#[tokio::test]
async fn a_wrapping_token_can_be_looked_at_and_moved_on() {
    let server = server().await;
    let first = wrapped(&server, "secret/data/a", "300").await.wrapping_token();
    // Anybody may look, with or without a token of their own, and looking takes nothing.
    for caller in ["", first.as_str(), server.root()] {
        let looked = server.post("sys/wrapping/lookup", caller, json!({ "token": first })).await.expect(200);
        assert_eq!(looked.text_at("/data/creation_path"), "secret/data/a");
        assert_eq!(looked.number_at("/data/creation_ttl"), 300);
        assert!(looked.text_at("/data/creation_time").starts_with("2026-01-01T00:00:00"));
        assert!(!looked.text.contains("WRAPPEDCANARY"));
    }
    server.advance(100);
    let moved = server.post("sys/wrapping/rewrap", server.root(), json!({ "token": first })).await.expect(200);
    let second = moved.wrapping_token();
    assert_ne!(first, second);
    assert_eq!(moved.text_at("/wrap_info/creation_path"), "secret/data/a");
    assert!(matches!(unwrap(&server, &first).await.status, 400 | 403));
    server.post("sys/wrapping/lookup", "", json!({ "token": first })).await.expect(400);
    // The new one has its whole life before it.
    server.advance(299);
    assert!(unwrap(&server, &second).await.expect(200).text.contains("WRAPPEDCANARY"));
    // Neither an unknown token nor one that wraps nothing can be unwrapped.
    for token in ["hvs.unknown", server.root(), ""] {
        for path in ["sys/wrapping/unwrap", "sys/wrapping/lookup", "sys/wrapping/rewrap"] {
            server.post(path, server.root(), json!({ "token": token })).await.expect(400);
        }
    }
}

#[tokio::test]
async fn an_unread_answer_ends_with_its_ttl_and_leaves_nothing() {
    let mut server = server().await;
    let made = wrapped(&server, "syn/creds/a?ttl=7200", "60").await;
    let kept = wrapped(&server, "secret/data/a", "120").await.wrapping_token();
    let records = |server: &TestServer| {
        let active = server.active();
        async move { active.sealed.txn().keys(b"root/wrapping/", None, 100).await.unwrap().len() }
    };
    assert_eq!(records(&server).await, 2);
    server.restart().await;
    server.advance(60);
    let late = unwrap(&server, &made.wrapping_token()).await;
    assert!(matches!(late.status, 400 | 403));
    server.settle().await;
    assert_eq!(records(&server).await, 1, "the expired answer is still on the disk");
    assert!(
        unwrap(&server, &kept).await.expect(200).text.contains("WRAPPEDCANARY"),
        "a restart does not lose a wrapped answer"
    );
    assert_eq!(records(&server).await, 0);
}

#[tokio::test]
async fn a_wrapping_token_can_do_nothing_else() {
    let server = server().await;
    let token = wrapped(&server, "secret/data/a", "300").await.wrapping_token();
    for (method, path) in [
        ("GET", "secret/data/a"),
        ("GET", "auth/token/lookup-self"),
        ("POST", "auth/token/renew-self"),
        ("POST", "auth/token/create"),
        ("GET", "cubbyhole/x"),
        ("POST", "sys/wrapping/wrap"),
        ("POST", "sys/wrapping/rewrap"),
        ("POST", "sys/capabilities-self"),
        ("GET", "sys/mounts"),
    ] {
        let refused = server.call(method, path).token(&token).body("{}").send().await;
        assert!(matches!(refused.status, 403 | 404), "{method} {path}: {} {}", refused.status, refused.text);
        assert!(!refused.text.contains("WRAPPEDCANARY"));
    }
    assert!(unwrap(&server, &token).await.expect(200).text.contains("WRAPPEDCANARY"));
}

#[tokio::test]
async fn a_login_can_be_wrapped() {
    let server = server().await;
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    let body = json!({ "role_id": ids.0, "secret_id": ids.1 });
    let login = server.call("POST", "auth/approle/login").json(&body).wrap("60").send().await.expect(200);
    assert_eq!(login.at("/auth"), &Value::Null);
    let accessor = login.text_at("/wrap_info/wrapped_accessor");
    let inner = unwrap(&server, &login.wrapping_token()).await.expect(200);
    assert_eq!(inner.text_at("/auth/accessor"), accessor);
    server.get("auth/token/lookup-self", &inner.client_token()).await.expect(200);
    // A secret id delivered wrapped, as services get it.
    let delivered = server
        .call("POST", "auth/approle/role/app/secret-id")
        .token(server.root())
        .json(&json!({}))
        .wrap("60")
        .send()
        .await
        .expect(200);
    let secret_id = unwrap(&server, &delivered.wrapping_token()).await.ok().text_at("/data/secret_id");
    server.login(&(ids.0, secret_id)).await.expect(200);
}

#[tokio::test]
async fn any_object_can_be_wrapped_token_for_token() {
    let server = server().await;
    let call = server.call("POST", "sys/wrapping/wrap").token(server.root()).wrap("90");
    let wrapped = call.body(r#"{"n": 1.50, "k": {"ä": [1, 2.0e3]}}"#).send().await.expect(200);
    assert_eq!(wrapped.number_at("/wrap_info/ttl"), 90);
    let inner = unwrap(&server, &wrapped.wrapping_token()).await.expect(200);
    assert!(inner.text.contains(r#""n":1.50"#), "{}", inner.text);
    assert!(inner.text.contains(r#"{"ä": [1, 2.0e3]}"#), "{}", inner.text);
    let bare = server.post("sys/wrapping/wrap", server.root(), json!({ "a": "b" })).await.expect(400);
    assert!(bare.errors().contains("endpoint requires response wrapping to be used"), "{}", bare.text);
    // Longer than anything may live.
    let max = server.node().settings().max_ttl_s;
    for path in ["sys/wrapping/wrap", "secret/data/a"] {
        let method = if path.starts_with("sys") { "POST" } else { "GET" };
        let call = server.call(method, path).token(server.root()).json(&json!({ "a": "b" }));
        call.wrap(&(max + 1).to_string()).send().await.expect(400);
    }
    for ttl in ["-5", "x", "0.5s"] {
        server.call("GET", "secret/data/a").token(server.root()).wrap(ttl).send().await.expect(400);
    }
}

#[tokio::test]
async fn policies_bound_wrapping() {
    let server = server().await;
    server
        .policy(
            "bounded",
            r#"path "secret/data/a" { capabilities = ["read"] min_wrapping_ttl = "30s" max_wrapping_ttl = "90s" }"#,
        )
        .await;
    let token = server.token(&["bounded"]).await;
    server.get("secret/data/a", &token).await.expect(403);
    for (ttl, status) in [("29", 403), ("30", 200), ("90", 200), ("91", 403), ("1h", 403)] {
        let reply = server.call("GET", "secret/data/a").token(&token).wrap(ttl).send().await;
        assert_eq!(reply.status, status, "{ttl}: {}", reply.text);
    }
}
