//! kv version 1 on a whole server: what Vault mounts where nothing is said, and how such a mount gets versions.

use cardea_testkit::TestServer;
use serde_json::json;

#[tokio::test]
async fn kv_without_a_version_is_version_1() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    for (path, body, options) in [
        ("none", json!({ "type": "kv" }), json!(null)),
        ("one", json!({ "type": "kv", "options": { "version": "1" } }), json!({ "version": "1" })),
        ("alias", json!({ "type": "kv-v1" }), json!({ "version": "1" })),
    ] {
        server.post(&format!("sys/mounts/{path}"), &root, body).await.expect(204);
        for _ in 0..2 {
            let seen = server.get(&format!("sys/internal/ui/mounts/{path}/a"), &root).await.ok();
            assert_eq!((&seen.data()["type"], &seen.data()["options"]), (&json!("kv"), &options), "{path}");
            server.post(&format!("{path}/a"), &root, json!({ "k": "v" })).await.expect(204);
            assert_eq!(server.get(&format!("{path}/a"), &root).await.ok().data(), &json!({ "k": "v" }));
            server.restart().await;
        }
    }
    for version in ["0", "3", "", "two"] {
        let body = json!({ "type": "kv", "options": { "version": version } });
        let refused = server.post("sys/mounts/x", &root, body).await.expect(400);
        assert_eq!(refused.errors(), "the engine has no such version");
    }
}

#[tokio::test]
async fn an_answer_says_how_long_it_may_be_used_and_has_no_lease() {
    let server = TestServer::start().await;
    let root = server.root();
    server.post("sys/mounts/old", root, json!({ "type": "kv" })).await.ok();
    server.post("old/a", root, json!({ "k": "v" })).await.ok();
    server.post("old/b", root, json!({ "k": "v", "ttl": "1h" })).await.ok();
    for (path, seconds) in [("old/a", 2_764_800), ("old/b", 3600)] {
        let read = server.get(path, root).await.ok();
        assert_eq!(read.number_at("/lease_duration"), seconds, "{path}");
        assert_eq!((read.at("/lease_id"), read.at("/renewable")), (&json!(""), &json!(false)), "{path}");
        // The same from a wrapping token.
        let wrapped = server.call("GET", path).token(root).wrap("1m").send().await.ok();
        let unwrapped = server.post("sys/wrapping/unwrap", &wrapped.wrapping_token(), json!({})).await.ok();
        assert_eq!(unwrapped.number_at("/lease_duration"), seconds, "{path}");
    }
    server.post("sys/mounts/old/tune", root, json!({ "default_lease_ttl": "2m" })).await.ok();
    assert_eq!(server.get("old/a", root).await.ok().number_at("/lease_duration"), 120);
    assert_eq!(server.get("sys/leases/count", root).await.ok().number_at("/data/lease_count"), 0);
    assert!(server.log_shows(&["\"lease_id\":\"\""]).await.is_empty());
}

#[tokio::test]
async fn policies_know_a_value_by_its_path() {
    let server = TestServer::start().await;
    let root = server.root();
    server.post("sys/mounts/old", root, json!({ "type": "kv" })).await.ok();
    server
        .policy(
            "team",
            r#"path "old/team/*" { capabilities = ["create", "read", "list"] }
               path "old/limited" { capabilities = ["create", "update"] allowed_parameters = { "user" = [] } }"#,
        )
        .await;
    let token = server.token(&["team"]).await;
    server.get("old/team/a", &token).await.expect(404);
    server.post("old/team/a", &token, json!({ "k": "v" })).await.expect(204);
    server.post("old/team/a", &token, json!({ "k": "w" })).await.expect(403);
    server.get("old/team/a", &token).await.expect(200);
    assert_eq!(server.list("old/team", &token).await.ok().data(), &json!({ "keys": ["a"] }));
    server.list("old", &token).await.expect(403);
    server.delete("old/team/a", &token).await.expect(403);
    server.get("old/other", &token).await.expect(403);
    // The members of the body are the parameters that rules speak of.
    server.post("old/limited", &token, json!({ "user": "canary-of-version-1" })).await.expect(204);
    server.post("old/limited", &token, json!({ "user": "a", "more": "b" })).await.expect(403);
    assert!(server.log_shows(&["canary-of-version-1"]).await.is_empty(), "values are hashed");
}

#[tokio::test]
async fn a_mount_of_version_1_is_raised_and_never_lowered() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    server.post("sys/mounts/old", &root, json!({ "type": "kv" })).await.ok();
    for n in 0..3 {
        server.post(&format!("old/app/{n}"), &root, json!({ "n": n })).await.ok();
    }
    server.post("sys/mounts/old/tune", &root, json!({ "options": { "version": "7" } })).await.expect(400);
    server.post("sys/mounts/old/tune", &root, json!({ "options": { "version": "2" } })).await.expect(204);
    for _ in 0..2 {
        for n in 0..3 {
            let read = server.get(&format!("old/data/app/{n}"), &root).await.ok();
            assert_eq!(read.at("/data/data"), &json!({ "n": n }));
            assert_eq!(read.number_at("/data/metadata/version"), 1);
        }
        assert_eq!(server.list("old/metadata/app", &root).await.ok().data(), &json!({ "keys": ["0", "1", "2"] }));
        let stray = server.get("old/app/0", &root).await.expect(404);
        assert!(stray.text_at("/warnings/0").starts_with("Invalid path for a versioned K/V secrets engine"));
        assert_eq!(stray.at("/data"), &json!(null));
        server.restart().await;
    }
    let lowered = server.post("sys/mounts/old/tune", &root, json!({ "options": { "version": "1" } })).await.expect(400);
    assert_eq!(lowered.errors(), "cannot downgrade mount from version 2");
    // Who may not read there learns nothing of what is there.
    let low = server.token(&["default"]).await;
    assert!(server.get("old/app/0", &low).await.expect(403).at("/warnings").is_null());
}
