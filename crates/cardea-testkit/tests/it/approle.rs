//! Programs that log in with a role id and a secret id, through the whole server: what they get, what they lose, and what
//! a login that fails tells.

use cardea_testkit::TestServer;
use serde_json::{Value, json};
use std::sync::Arc;

const LOGIN: &str = "auth/approle/login";

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.post("secret/data/payments/key", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    server.post("secret/data/other/key", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    server.policy("payments", r#"path "secret/data/payments/*" { capabilities = ["read"] }"#).await;
    server
}

async fn secret_id(server: &TestServer, role: &str, fields: Value) -> (String, String) {
    let role_id =
        server.get(&format!("auth/approle/role/{role}/role-id"), server.root()).await.ok().text_at("/data/role_id");
    let made = server.post(&format!("auth/approle/role/{role}/secret-id"), server.root(), fields).await.ok();
    (role_id, made.text_at("/data/secret_id"))
}

#[tokio::test]
async fn a_service_logs_in_and_reads_what_is_its_own() {
    let server = server().await;
    let ids = server
        .approle("payments", json!({ "token_policies": "payments", "token_ttl": "20m", "token_max_ttl": "1h" }))
        .await;
    let login = server.login(&ids).await.expect(200);
    assert_eq!(login.at("/auth/policies"), &json!(["default", "payments"]));
    assert_eq!(login.number_at("/auth/lease_duration"), 1200);
    assert_eq!(login.at("/auth/metadata/role_name"), &json!("payments"));
    let (token, entity) = (login.client_token(), login.text_at("/auth/entity_id"));
    assert!(!entity.is_empty());
    server.get("secret/data/payments/key", &token).await.expect(200);
    server.get("secret/data/other/key", &token).await.expect(403);
    assert_eq!(server.last_record().await.actor.unwrap().display_name.unwrap().as_str(), "approle");
    // The same program is the same entity; a second role is another.
    assert_eq!(server.login(&ids).await.ok().text_at("/auth/entity_id"), entity);
    let other = server.approle("other", json!({ "token_policies": "payments" })).await;
    assert_ne!(server.login(&other).await.ok().text_at("/auth/entity_id"), entity);
    // Renewed up to the maximum, judged by the role as it is now.
    for _ in 0..3 {
        server.advance(1100);
        server.post("auth/token/renew-self", &token, json!({})).await.expect(200);
    }
    server.advance(300);
    server.get("secret/data/payments/key", &token).await.expect(403);
    let token = server.login(&ids).await.ok().client_token();
    server.delete("auth/approle/role/payments", server.root()).await.ok();
    assert!(server.post("auth/token/renew-self", &token, json!({})).await.status >= 400, "the role is gone");
}

#[tokio::test]
async fn a_login_that_fails_says_one_thing() {
    let server = server().await;
    let ids = server.approle("payments", json!({ "token_policies": "payments", "secret_id_num_uses": 1 })).await;
    let bound =
        server.approle("bound", json!({ "token_policies": "payments", "secret_id_bound_cidrs": "10.0.0.0/8" })).await;
    let expired = {
        server.approle("short", json!({ "token_policies": "payments", "secret_id_ttl": "60s" })).await;
        let ids = secret_id(&server, "short", json!({})).await;
        server.advance(60);
        ids
    };
    server.login(&ids).await.expect(200);
    let other = server.approle("other", json!({ "token_policies": "payments" })).await;
    let cases = [
        ("an unknown role", json!({ "role_id": "unknown", "secret_id": ids.1 })),
        ("an unknown secret id", json!({ "role_id": ids.0, "secret_id": "unknown" })),
        ("another role's secret id", json!({ "role_id": ids.0, "secret_id": other.1 })),
        ("a used-up secret id", json!({ "role_id": ids.0, "secret_id": ids.1 })),
        ("an expired secret id", json!({ "role_id": expired.0, "secret_id": expired.1 })),
        ("a secret id bound elsewhere", json!({ "role_id": bound.0, "secret_id": bound.1 })),
        ("the role id in upper case", json!({ "role_id": other.0.to_uppercase(), "secret_id": other.1 })),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for (case, body) in cases {
        let refused = server.post(LOGIN, "", body).await;
        assert_eq!(refused.status, 400, "{case}: {}", refused.text);
        bodies.insert(refused.errors());
        let record = server.last_record().await;
        assert_eq!(record.path.as_ref().unwrap().as_str(), LOGIN, "{case}");
        assert!(record.outcome.unwrap().cause.is_some(), "{case} is recorded as a success");
    }
    assert_eq!(bodies.len(), 1, "the cause can be told: {bodies:?}");
    server
        .call("POST", LOGIN)
        .json(&json!({ "role_id": bound.0, "secret_id": bound.1 }))
        .from([10, 9, 9, 9])
        .send()
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_secret_id_opens_as_often_as_it_may() {
    let server = Arc::new(server().await);
    for uses in [1, 7] {
        let role = format!("uses{uses}");
        let ids = server.approle(&role, json!({ "token_policies": "payments", "secret_id_num_uses": uses })).await;
        let racers = (0..50).map(|_| {
            let (server, ids) = (server.clone(), ids.clone());
            tokio::spawn(async move { server.login(&ids).await.status })
        });
        let mut opened = 0;
        for racer in racers.collect::<Vec<_>>() {
            opened += usize::from(racer.await.unwrap() == 200);
        }
        assert_eq!(opened, uses);
    }
}

#[tokio::test]
async fn a_role_says_what_its_tokens_are() {
    let server = server().await;
    let roles = std::sync::atomic::AtomicU32::new(0);
    let login = |fields: Value| {
        let (server, role) = (&server, roles.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        async move { server.login(&server.approle(&format!("role{role}"), fields).await).await.ok() }
    };
    let periodic = login(json!({ "token_policies": "payments", "token_period": "60s" })).await;
    assert_eq!(periodic.number_at("/auth/lease_duration"), 60);
    let batch = login(json!({ "token_policies": "payments", "token_type": "batch", "token_ttl": "300s" })).await;
    assert!(batch.client_token().starts_with("hvb."));
    server.get("secret/data/payments/key", &batch.client_token()).await.expect(200);
    let limited = login(json!({ "token_policies": "payments", "token_num_uses": 2 })).await.client_token();
    for status in [200, 200, 403] {
        server.get("secret/data/payments/key", &limited).await.expect(status);
    }
    let bare = login(json!({ "token_policies": "payments", "token_no_default_policy": true })).await;
    assert_eq!(bare.at("/auth/policies"), &json!(["payments"]));
    let bound =
        login(json!({ "token_policies": "payments", "token_bound_cidrs": "127.0.0.1/32" })).await.client_token();
    server.get("secret/data/payments/key", &bound).await.expect(200);
    server.call("GET", "secret/data/payments/key").token(&bound).from([10, 0, 0, 1]).send().await.expect(403);
    let capped = login(json!({ "token_policies": "payments", "token_ttl": "60s", "token_explicit_max_ttl": "90s" }))
        .await
        .client_token();
    server.advance(50);
    assert_eq!(
        server
            .post("auth/token/renew-self", &capped, json!({ "increment": "1h" }))
            .await
            .ok()
            .number_at("/auth/lease_duration"),
        40
    );
    // Without a secret id, if the role is bound by something else.
    server
        .post(
            "auth/approle/role/open",
            server.root(),
            json!({ "bind_secret_id": false, "token_policies": "payments", "token_bound_cidrs": "127.0.0.1" }),
        )
        .await
        .ok();
    let role_id = server.get("auth/approle/role/open/role-id", server.root()).await.ok().text_at("/data/role_id");
    server.post(LOGIN, "", json!({ "role_id": role_id })).await.expect(200);
}

#[tokio::test]
async fn a_mount_s_settings_hold_for_its_logins() {
    let server = server().await;
    let ids = server.approle("r", json!({ "token_policies": "payments" })).await;
    server
        .post("sys/auth/approle/tune", server.root(), json!({ "default_lease_ttl": "10m", "max_lease_ttl": "15m" }))
        .await
        .ok();
    let login = server.login(&ids).await.ok();
    assert_eq!(login.number_at("/auth/lease_duration"), 600);
    server.advance(500);
    let renewed = server.post("auth/token/renew-self", &login.client_token(), json!({ "increment": "1h" })).await.ok();
    assert_eq!(renewed.number_at("/auth/lease_duration"), 400);
    // Disabled, it opens nothing, and what it vouched for can no longer be renewed.
    let token = server.login(&ids).await.ok().client_token();
    server.delete("sys/auth/approle", server.root()).await.ok();
    assert!(server.login(&ids).await.status >= 400);
    assert!(server.post("auth/token/renew-self", &token, json!({})).await.status >= 400);
    server.settle().await;
    server.approle("r", json!({ "token_policies": "payments" })).await;
    assert!(server.login(&ids).await.status >= 400, "a secret id of the removed mount opens the new one");
}

/// What an operator does when a role's logins are no longer trusted: it must not say yes and do nothing.
#[tokio::test]
async fn a_revoked_prefix_takes_the_tokens_that_were_made_below_it() {
    let server = TestServer::start().await;
    let ids = server.approle("payments", json!({ "token_policies": "default", "token_ttl": "1h" })).await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(server.login(&ids).await.ok().text_at("/auth/client_token"));
    }
    let made = server.token(&["default"]).await;
    server.post("sys/leases/revoke-prefix/auth/approle/log", server.root(), json!({})).await.ok();
    server.settle().await;
    server.get("auth/token/lookup-self", &tokens[0]).await.ok();
    server.post("sys/leases/revoke-prefix/auth/approle/login", server.root(), json!({})).await.ok();
    server.settle().await;
    for token in &tokens {
        assert_eq!(server.get("auth/token/lookup-self", token).await.status, 403);
    }
    server.get("auth/token/lookup-self", &made).await.ok();
    server.post("sys/leases/revoke-prefix/auth/token", server.root(), json!({})).await.ok();
    server.settle().await;
    server.get("auth/token/lookup-self", server.root()).await.ok();
}

/// Programs that make secret ids tell a role that is gone by the status, as with Vault.
#[tokio::test]
async fn a_secret_id_of_no_role_is_not_found() {
    let server = server().await;
    server.approle("payments", json!({})).await;
    for (path, body) in [("secret-id", json!({})), ("custom-secret-id", json!({ "secret_id": "chosen-by-the-caller" }))]
    {
        let refused = server.post(&format!("auth/approle/role/gone/{path}"), server.root(), body).await.expect(404);
        assert_eq!(refused.at("/errors/0"), "role does not exist");
    }
}
