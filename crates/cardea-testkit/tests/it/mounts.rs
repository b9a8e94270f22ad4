//! Mounts: made, tuned, moved, removed with everything that hangs on them.

use cardea_testkit::{Mode, TestServer};
use serde_json::json;

/// A trailing slash is no part of a name: it walked around a deny once.
#[tokio::test]
async fn a_denied_mount_is_denied_with_a_slash_too() {
    let server = TestServer::start().await;
    let root = server.root().to_owned();
    let kv = json!({ "type": "kv", "options": { "version": "2" } });
    server.post("sys/mounts/victim", &root, kv).await.expect(204);
    let text = "path \"sys/mounts/*\" { capabilities = [\"read\", \"delete\"] } path \"sys/mounts/victim\" { capabilities = [\"deny\"] }";
    server.post("sys/policies/acl/op", &root, json!({ "policy": text })).await.expect(204);
    let made = server.post("auth/token/create", &root, json!({ "policies": ["op"] })).await.expect(200);
    let token = made.at("/auth/client_token").as_str().unwrap().to_owned();
    for path in ["sys/mounts/victim", "sys/mounts/victim/"] {
        server.get(path, &token).await.expect(403);
        server.delete(path, &token).await.expect(403);
    }
    server.get("sys/mounts/victim", &root).await.expect(200);
    let looked = server.get("auth/token/lookup/hvs.CANARYINPATH0123456789", &root).await;
    assert!(looked.status >= 400);
    assert!(server.log_shows(&["CANARYINPATH"]).await.is_empty(), "a token in a path is logged as its hash");
}

/// Vault's command line and Go client tune an auth method below `sys/mounts/auth/`.
#[tokio::test]
async fn an_auth_method_is_tuned_below_mounts() {
    let server = TestServer::start().await;
    let root = server.root();
    server.post("sys/auth/ci", root, json!({ "type": "approle" })).await.expect(204);
    let change = json!({ "default_lease_ttl": "10m", "description": "tuned", "token_type": "batch" });
    server.post("sys/mounts/auth/ci/tune", root, change).await.expect(204);
    for path in ["sys/mounts/auth/ci/tune", "sys/auth/ci/tune"] {
        let tuned = server.get(path, root).await.expect(200);
        assert_eq!(
            (tuned.number_at("/data/default_lease_ttl"), tuned.text_at("/data/token_type")),
            (600, "batch".into())
        );
        assert_eq!(tuned.text_at("/data/description"), "tuned");
    }
    server.policy("secrets-only", r#"path "sys/mounts/team/*" { capabilities = ["read", "update"] }"#).await;
    server.policy("tunes", r#"path "sys/mounts/auth/ci/tune" { capabilities = ["read", "update"] }"#).await;
    let stranger = server.token(&["secrets-only"]).await;
    let tuner = server.token(&["tunes"]).await;
    server.post("sys/mounts/auth/ci/tune", &stranger, json!({ "description": "x" })).await.expect(403);
    server.post("sys/mounts/auth/ci/tune", &tuner, json!({ "description": "x" })).await.expect(204);
    for (path, words) in [("auth/none", "No auth engine at none/"), ("none", "No secret engine mount at none/")] {
        let refused = server.post(&format!("sys/mounts/{path}/tune"), root, json!({})).await.expect(400);
        assert_eq!(refused.at("/errors/0"), words);
    }
    // Only settings are reached that way.
    server.post("sys/mounts/auth/new", root, json!({ "type": "kv" })).await.expect(400);
    server.get("sys/mounts/auth/ci", root).await.expect(400);
    let all = server.get("sys/auth", root).await.ok();
    assert!(all.text_at("/data/token~1/accessor").starts_with("auth_token_"));
    assert!(all.at("/data/token~1").get("deprecation_status").is_none());
    assert_eq!(all.text_at("/data/ci~1/deprecation_status"), "supported");
}

/// What `vault kv` shows who has no grant at a path, whether something is mounted there or not.
#[tokio::test]
async fn the_look_before_a_key_says_why_it_failed() {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    let token = server.token(&["default"]).await;
    for path in ["secret/a", "none/a"] {
        let refused = server.get(&format!("sys/internal/ui/mounts/{path}"), &token).await.expect(403);
        let words = refused.at("/errors/0").as_str().unwrap().to_owned();
        assert!(words.starts_with("preflight capability check returned 403, please ensure"), "{words}");
    }
}

#[tokio::test]
async fn a_mount_is_made_tuned_and_found_again() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    let made = json!({ "type": "kv", "description": "for teams", "options": { "version": "2" }, "config": { "default_lease_ttl": "1h", "max_lease_ttl": "2h" } });
    server.post("sys/mounts/team/kv", &root, made).await.expect(204);
    server
        .post("sys/mounts/team/kv/tune", &root, json!({ "max_lease_ttl": "3h", "description": "tuned" }))
        .await
        .expect(204);
    for _ in 0..2 {
        let all = server.get("sys/mounts", &root).await.expect(200);
        assert_eq!(all.at("/data/team~1kv~1/description"), &json!("tuned"));
        assert_eq!(all.at("/team~1kv~1/type"), &json!("kv"), "repeated at the top");
        let tuned = server.get("sys/mounts/team/kv/tune", &root).await.expect(200);
        assert_eq!(
            (tuned.number_at("/data/default_lease_ttl"), tuned.number_at("/data/max_lease_ttl")),
            (3600, 10_800)
        );
        server.restart().await;
    }
    let all = server.get("sys/mounts", &root).await.ok();
    for path in ["sys/", "identity/", "cubbyhole/", "team/kv/"] {
        assert!(all.data()[path]["accessor"].is_string(), "{path}");
    }
    for (path, body) in [
        ("team", json!({ "type": "kv", "options": { "version": "2" } })),
        ("team/kv", json!({ "type": "kv", "options": { "version": "2" } })),
        ("team/kv/below", json!({ "type": "kv", "options": { "version": "2" } })),
        ("sys/x", json!({ "type": "kv", "options": { "version": "2" } })),
        ("cubbyhole", json!({ "type": "kv", "options": { "version": "2" } })),
        ("new", json!({ "type": "none" })),
        ("new", json!({})),
        ("new", json!({ "type": "kv", "options": { "version": "3" } })),
        ("star*", json!({ "type": "kv", "options": { "version": "2" } })),
    ] {
        server.post(&format!("sys/mounts/{path}"), &root, body.clone()).await.expect(400);
    }
    assert!(server.post("sys/mounts/team/kv/tune", &root, json!({ "default_lease_ttl": "4h" })).await.status >= 400);
    server.delete("sys/mounts/sys", &root).await.expect(400);
}

#[tokio::test]
async fn a_removed_mount_takes_its_credentials_and_records_with_it() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    server.mount("syn", "synthetic").await;
    server.mount("secret", "kv").await;
    for n in 0..30 {
        server.get("syn/creds/a?ttl=7200", &root).await.ok();
        for version in 0..5 {
            server.post(&format!("secret/data/{n}"), &root, json!({ "data": { "v": version } })).await.ok();
        }
    }
    let uuids: Vec<String> = ["syn~1", "secret~1"].iter().map(|path| path.to_owned().to_owned()).collect();
    let all = server.get("sys/mounts", &root).await.ok();
    let uuids: Vec<String> = uuids.iter().map(|path| all.text_at(&format!("/data/{path}/uuid"))).collect();
    server.source().set_mode(Mode::Down);
    server.delete("sys/mounts/syn", &root).await.expect(204);
    server.delete("sys/mounts/secret", &root).await.expect(204);
    server.get("syn/creds/a", &root).await.expect(404);
    server.get("secret/data/1", &root).await.expect(404);
    // While the source is down, its leases stay; the other mount does not wait for them.
    for _ in 0..40 {
        server.round().await;
    }
    assert_eq!(server.source().user_count(), 30);
    assert_eq!(server.get("sys/leases/count", &root).await.ok().number_at("/data/lease_count"), 30);
    server.restart().await;
    server.get("syn/creds/a", &root).await.expect(404);
    server.source().set_mode(Mode::Up);
    server.advance(120);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
    assert_eq!(server.get("sys/leases/count", &root).await.ok().number_at("/data/lease_count"), 0);
    for uuid in uuids {
        let prefix = format!("root/{uuid}/");
        let left = server.active().sealed.txn().keys(prefix.as_bytes(), None, 100).await.unwrap();
        assert!(left.is_empty(), "{} records of a removed mount are left", left.len());
    }
    // The path is free again, and nothing of before shows through.
    server.mount("secret", "kv").await;
    server.get("secret/data/1", &root).await.expect(404);
    server.delete("sys/mounts/never-was", &root).await.expect(204);
}

/// Users that the source will not remove hold up neither the others nor the mount that came after, and are not asked about
/// without end.
#[tokio::test]
async fn what_cannot_be_revoked_holds_up_nothing_else() {
    let server = TestServer::start().await;
    let root = server.root();
    server.mount("syn", "synthetic").await;
    let mut users = Vec::new();
    for _ in 0..40 {
        users.push(server.get("syn/creds/a?ttl=7200", root).await.ok().text_at("/data/username"));
    }
    // Whatever order the leases are taken in, some of these come first.
    server.source().pin(users.iter().step_by(2).cloned());
    server.delete("sys/mounts/syn", root).await.ok();
    server.mount("syn", "synthetic").await;
    let fresh = server.get("syn/creds/a?ttl=70000", root).await.ok();
    for _ in 0..60 {
        server.advance(60);
        server.settle().await;
    }
    assert_eq!(server.source().user_count(), 21, "those that could be removed are still there");
    let calls = server.source().calls();
    assert!(calls < 41 + 20 + 20 * 70, "{calls} calls in an hour for 20 users that cannot be removed");
    server.post("sys/leases/lookup", root, json!({ "lease_id": fresh.lease_id() })).await.expect(200);
    server.source().pin([]);
    for _ in 0..4 {
        server.advance(60);
        server.settle().await;
    }
    let left: Vec<_> = server.source().users().into_keys().collect();
    assert_eq!(left, [fresh.text_at("/data/username")]);
    let removed =
        server.log().await.into_iter().filter_map(|r| r.event).filter(|e| e.what.as_str() == "mount.removed").count();
    assert_eq!(removed, 1);
}

#[tokio::test]
async fn a_mount_moves_with_what_it_keeps() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    server.post("secret/data/a", &root, json!({ "data": { "k": "v" } })).await.ok();
    server.policy("new", r#"path "moved/data/a" { capabilities = ["read"] }"#).await;
    let token = server.token(&["new"]).await;
    server.get("moved/data/a", &token).await.expect(404);
    server.post("sys/remount", &root, json!({ "from": "secret", "to": "moved" })).await.ok();
    for _ in 0..2 {
        assert_eq!(server.get("moved/data/a", &token).await.ok().at("/data/data/k"), &json!("v"));
        server.get("secret/data/a", &root).await.expect(404);
        server.restart().await;
    }
    // Not over another, not under the system, not while leases know it by its path.
    for to in ["syn", "sys/x", "auth/x", "moved"] {
        server.post("sys/remount", &root, json!({ "from": "moved", "to": to })).await.expect(400);
    }
    server.get("syn/creds/a", &root).await.ok();
    server.post("sys/remount", &root, json!({ "from": "syn", "to": "syn2" })).await.expect(400);
}

#[tokio::test]
async fn only_who_can_reach_a_mount_sees_it() {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("other", "kv").await;
    server
        .post(
            "sys/auth/approle",
            server.root(),
            json!({ "type": "approle", "config": { "listing_visibility": "unauth" } }),
        )
        .await
        .ok();
    server.policy("reader", r#"path "secret/data/team/*" { capabilities = ["read"] }"#).await;
    let token = server.token(&["reader"]).await;
    let seen = server.get("sys/internal/ui/mounts/secret/data/team/x", &token).await.expect(200);
    assert_eq!(seen.text_at("/data/path"), "secret/");
    assert_eq!(seen.at("/data/options/version"), &json!("2"));
    let hidden = server.get("sys/internal/ui/mounts/other/x", &token).await.expect(403);
    let nowhere = server.get("sys/internal/ui/mounts/nowhere/x", &token).await.expect(403);
    assert_eq!(hidden.text, nowhere.text);
    server.get("sys/internal/ui/mounts/secret/x", "").await.expect(403);
    let open = server.get("sys/internal/ui/mounts", "").await.expect(200);
    assert_eq!(open.at("/data/secret"), &json!({}));
    assert!(open.data()["auth"]["approle/"].is_object());
    let mine = server.get("sys/internal/ui/mounts", &token).await.expect(200);
    assert!(mine.data()["secret"]["secret/"].is_object() && mine.data()["secret"]["other/"].is_null());
}

/// Status and words by which clients of Vault tell what is missing.
#[tokio::test]
async fn what_is_not_there_is_told_in_vaults_words() {
    let server = TestServer::start().await;
    let root = server.root();
    server.post("sys/mounts/secret", root, json!({ "type": "kv-v2" })).await.ok();
    server.post("sys/auth/approle", root, json!({ "type": "approle" })).await.ok();
    let unsupported = "1 error occurred:\n\t* unsupported path\n\n";
    let rows = [
        ("GET", "sys/mounts/nope", json!({}), 400, "No secret engine mount at nope/"),
        ("GET", "sys/mounts/nope/tune", json!({}), 400, "No secret engine mount at nope/"),
        ("GET", "sys/auth/nope", json!({}), 400, "No auth engine at nope/"),
        ("GET", "sys/auth/nope/tune", json!({}), 400, "No auth engine at nope/"),
        ("POST", "sys/auth/approle", json!({ "type": "approle" }), 400, "path is already in use at approle/"),
        ("POST", "sys/mounts/secret", json!({ "type": "kv" }), 400, "path is already in use at secret/"),
        ("POST", "sys/mounts/x", json!({ "type": "nope" }), 400, "plugin not found in the catalog: nope"),
        (
            "POST",
            "sys/mounts/x",
            json!({ "type": "a b" }),
            400,
            "plugin not found in the catalog: the type is not a name",
        ),
        (
            "POST",
            "sys/mounts/secret/tune",
            json!({ "max_lease_ttl": "soon" }),
            400,
            "max_lease_ttl must be a duration such as 30s or 1h, or system",
        ),
        // Not with the path: a token put into one would stand in the log.
        ("GET", "nope/x", json!({}), 404, "no handler for route"),
        ("GET", "sys/nope", json!({}), 404, unsupported),
        ("PUT", "sys/policy/root", json!({ "policy": "x" }), 400, "cannot update \"root\" policy"),
        ("DELETE", "sys/policy/root", json!({}), 400, "cannot delete \"root\" policy"),
        ("DELETE", "sys/policies/acl/default", json!({}), 400, "cannot delete \"default\" policy"),
        ("POST", "sys/capabilities-accessor", json!({ "accessor": "x", "path": "a" }), 400, "invalid accessor"),
        ("POST", "sys/wrapping/wrap", json!({ "a": "b" }), 400, "endpoint requires response wrapping to be used"),
    ];
    for (method, path, body, status, words) in rows {
        let call = server.call(method, path).token(root);
        let call = if method == "GET" || method == "DELETE" { call } else { call.json(&body) };
        let answer = call.send().await.expect(status);
        assert_eq!(answer.at("/errors"), &json!([words]), "{method} {path} {body}");
    }
}

#[tokio::test]
async fn system_brings_a_mounts_times_back_to_the_systems() {
    let server = TestServer::start().await;
    let root = server.root();
    server.post("sys/mounts/secret", root, json!({ "type": "kv-v2" })).await.ok();
    let tuned = async || server.get("sys/mounts/secret/tune", root).await.ok().number_at("/data/max_lease_ttl");
    let usual = tuned().await;
    for (given, expected) in [("2h", 7200), ("", 7200), ("system", usual), ("1h", 3600), ("0", usual)] {
        server.post("sys/mounts/secret/tune", root, json!({ "max_lease_ttl": given })).await.ok();
        assert_eq!(tuned().await, expected, "{given}");
    }
    let body = json!({ "type": "kv-v2", "config": { "default_lease_ttl": "system", "max_lease_ttl": "" } });
    server.post("sys/mounts/other", root, body).await.ok();
}

#[tokio::test]
async fn callers_see_the_paths_of_their_policies() {
    let server = TestServer::start().await;
    let text = "path \"a/b\" { capabilities = [\"read\", \"recover\"] }\npath \"c/*\" { capabilities = [\"list\", \"subscribe\"] }\n\
                path \"d\" { capabilities = [\"subscribe\"] }\npath \"auth/token/lookup-self\" { capabilities = [\"read\"] }\n\
                path \"sys/internal/ui/resultant-acl\" { capabilities = [\"read\"] }";
    server.policy("few", text).await;
    let body = json!({ "policies": ["few"], "no_default_policy": true, "type": "batch", "ttl": "1h" });
    let made = server.post("auth/token/create", server.root(), body).await.ok();
    let token = made.text_at("/auth/client_token");
    let acl = server.get("sys/internal/ui/resultant-acl", &token).await.ok();
    assert_eq!(acl.at("/data/exact_paths/a~1b"), &json!({ "capabilities": ["read", "recover"] }));
    assert_eq!(acl.at("/data/glob_paths"), &json!({ "c/": { "capabilities": ["list", "subscribe"] } }));
    assert!(acl.at("/data/exact_paths/d").is_null(), "{}", acl.text);
}
