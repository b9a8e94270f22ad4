//! What callers may do: precedence, templates that fail closed, constraints on parameters, and changes that hold at the
//! next request.

use cardea_testkit::{Reply, TestServer};
use serde_json::{Value, json};

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    for name in ["a", "team/a", "team/b", "team/deep/c"] {
        server.post(&format!("secret/data/{name}"), server.root(), json!({ "data": { "k": "v" } })).await.ok();
    }
    server
}

async fn caller(server: &TestServer, text: &str) -> String {
    server.policy("p", text).await;
    server.token(&["p"]).await
}

#[tokio::test]
async fn the_most_specific_rule_decides_and_deny_beats_all() {
    let server = server().await;
    let cases: [(&str, &[(&str, u16)]); 6] = [
        (
            r#"path "secret/data/*" { capabilities = ["read"] } path "secret/data/team/a" { capabilities = ["deny"] }"#,
            &[("a", 200), ("team/a", 403), ("team/b", 200)],
        ),
        (
            r#"path "secret/data/team/*" { capabilities = ["deny"] } path "secret/data/*" { capabilities = ["read"] }"#,
            &[("a", 200), ("team/a", 403), ("team/deep/c", 403)],
        ),
        (
            r#"path "secret/data/team/+" { capabilities = ["read"] }"#,
            &[("a", 403), ("team/a", 200), ("team/deep/c", 403)],
        ),
        (
            r#"path "secret/data/+/a" { capabilities = ["deny"] } path "secret/data/team/*" { capabilities = ["read"] }"#,
            &[("team/b", 200), ("a", 403)],
        ),
        (r#"path "secret/data/team/a" { capabilities = ["read", "deny"] }"#, &[("team/a", 403)]),
        (r#"path "secret/data/team" { capabilities = ["read"] }"#, &[("team/a", 403), ("a", 403)]),
    ];
    for (text, expected) in cases {
        let token = caller(&server, text).await;
        for (name, status) in expected {
            let reply = server.get(&format!("secret/data/{name}"), &token).await;
            assert_eq!(reply.status, *status, "{text}\n{name}");
        }
    }
    // Of two policies, a deny in either.
    server.policy("allow", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    server.policy("deny", r#"path "secret/data/a" { capabilities = ["deny"] }"#).await;
    let both = server.token(&["allow", "deny"]).await;
    server.get("secret/data/a", &both).await.expect(403);
}

#[tokio::test]
async fn a_change_holds_at_the_next_request() {
    let server = server().await;
    let token = caller(&server, r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    for round in 0..3 {
        server.get("secret/data/a", &token).await.expect(200);
        server.policy("p", r#"path "secret/data/b" { capabilities = ["read"] }"#).await;
        server.get("secret/data/a", &token).await.expect(403);
        server.policy("p", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
        assert!(round < 3);
    }
    server.delete("sys/policies/acl/p", server.root()).await.ok();
    server.get("secret/data/a", &token).await.expect(403);
    // A policy that comes to be later gives what it says to who names it already.
    server.policy("p", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    server.get("secret/data/a", &token).await.expect(200);
}

async fn templated(server: &TestServer, ids: &(String, String), text: &str, path: &str) -> Reply {
    server.policy("own", text).await;
    let token = server.login(ids).await.ok().client_token();
    server.get(path, &token).await
}

#[tokio::test]
async fn a_template_is_filled_with_who_asks() {
    let server = server().await;
    let ids = server.approle("app", json!({ "token_policies": "own" })).await;
    let accessor = server.get("sys/auth/approle", server.root()).await.ok().text_at("/data/accessor");
    let login = server.login(&ids).await.ok();
    let entity = login.text_at("/auth/entity_id");
    server.post(&format!("secret/data/by-id/{entity}"), server.root(), json!({ "data": {} })).await.ok();
    server.post(&format!("secret/data/by-alias/{}", ids.0), server.root(), json!({ "data": {} })).await.ok();
    let by_id = r#"path "secret/data/by-id/{{identity.entity.id}}" { capabilities = ["read"] }"#;
    templated(&server, &ids, by_id, &format!("secret/data/by-id/{entity}")).await.expect(200);
    templated(&server, &ids, by_id, "secret/data/by-id/other").await.expect(403);
    let by_alias = format!(
        r#"path "secret/data/by-alias/{{{{identity.entity.aliases.{accessor}.name}}}}" {{ capabilities = ["read"] }}"#
    );
    templated(&server, &ids, &by_alias, &format!("secret/data/by-alias/{}", ids.0)).await.expect(200);
    // Metadata that an operator sets, and what a hostile value of it can do: nothing.
    let by_team = r#"path "secret/data/{{identity.entity.metadata.team}}/*" { capabilities = ["read"] }"#;
    let set = |team: Value| {
        let (server, entity) = (&server, entity.clone());
        async move {
            server
                .post(&format!("identity/entity/id/{entity}"), server.root(), json!({ "metadata": { "team": team } }))
                .await
                .ok()
        }
    };
    set(json!("team")).await;
    templated(&server, &ids, by_team, "secret/data/team/a").await.expect(200);
    templated(&server, &ids, by_team, "secret/data/a").await.expect(403);
    for hostile in ["*", "+", "team/deep", "team/*", "", "..", "te\u{0}am", "team/", "../data/team", "team\n"] {
        set(json!(hostile)).await;
        for name in ["team/a", "team/b", "team/deep/c", "a"] {
            let reply = templated(&server, &ids, by_team, &format!("secret/data/{name}")).await;
            assert_eq!(reply.status, 403, "{hostile:?} opens {name}");
        }
    }
}

/// A stanza whose template cannot be filled could be the one that denies: then nothing under it is allowed.
#[tokio::test]
async fn a_template_that_cannot_be_filled_denies() {
    let server = server().await;
    let ids = server.approle("app", json!({ "token_policies": "own" })).await;
    let text = r#"path "secret/data/*" { capabilities = ["read"] } path "secret/data/{{identity.entity.metadata.none}}/a" { capabilities = ["deny"] }"#;
    let reply = templated(&server, &ids, text, "secret/data/team/a").await;
    assert_eq!(reply.status, 403, "a deny was dropped with its template");
    // A token without an entity fills no template either.
    server.policy("own", r#"path "secret/data/{{identity.entity.id}}" { capabilities = ["read"] } path "secret/data/" { capabilities = ["read"] }"#).await;
    let nobody = server.token(&["own"]).await;
    for name in ["a", "%7B%7Bidentity.entity.id%7D%7D"] {
        server.get(&format!("secret/data/{name}"), &nobody).await.expect(403);
    }
}

#[tokio::test]
async fn parameters_are_constrained_whatever_their_case() {
    let server = server().await;
    let text = r#"
path "secret/config" {
  capabilities = ["update", "create"]
  denied_parameters = { "cas_required" = [], "max_versions" = ["99"] }
}
path "secret/metadata/x" {
  capabilities = ["update", "create"]
  allowed_parameters = { "max_versions" = ["5", "6"] }
}
path "secret/metadata/y" {
  capabilities = ["update", "create"]
  required_parameters = ["max_versions"]
}"#;
    let token = caller(&server, text).await;
    let cases = [
        ("secret/config", json!({ "max_versions": 7 }), true),
        ("secret/config", json!({ "max_versions": 99 }), false),
        ("secret/config", json!({ "max_versions": "99" }), false),
        ("secret/config", json!({ "cas_required": true }), false),
        ("secret/config", json!({ "CAS_required": true }), false),
        ("secret/config", json!({ "Max_Versions": 99 }), false),
        ("secret/metadata/x", json!({ "max_versions": "5" }), true),
        ("secret/metadata/x", json!({ "max_versions": "7" }), false),
        ("secret/metadata/x", json!({ "cas_required": true }), false),
        ("secret/metadata/y", json!({ "max_versions": 5 }), true),
        ("secret/metadata/y", json!({ "cas_required": true }), false),
        ("secret/metadata/y", json!({}), false),
    ];
    for (path, body, allowed) in cases {
        let reply = server.post(path, &token, body.clone()).await;
        assert_eq!(reply.status != 403, allowed, "{path} {body}: {} {}", reply.status, reply.text);
    }
}

#[tokio::test]
async fn sudo_is_asked_where_it_is_needed() {
    let server = server().await;
    let paths = [
        ("POST", "sys/rotate"),
        ("POST", "sys/remount"),
        ("POST", "sys/auth/x"),
        ("GET", "sys/audit"),
        ("LIST", "auth/token/accessors"),
    ];
    let everything =
        caller(&server, r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch"] }"#).await;
    for (method, path) in paths {
        let reply = server.call(method, path).token(&everything).body("{}").send().await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text);
    }
    server
        .policy("p", r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo"] }"#)
        .await;
    for (method, path) in paths {
        let reply = server.call(method, path).token(&everything).body("{}").send().await;
        assert_ne!(reply.status, 403, "{method} {path}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_list_is_decided_by_its_folder() {
    let server = server().await;
    let token = caller(&server, r#"path "secret/metadata/*" { capabilities = ["list"] } path "secret/metadata/team/*" { capabilities = ["deny"] } path "secret/metadata/team" { capabilities = ["deny"] }"#).await;
    server.list("secret/metadata/", &token).await.expect(200);
    for path in ["secret/metadata/team", "secret/metadata/team/", "secret/metadata/team/deep"] {
        server.list(path, &token).await.expect(403);
        server.get(&format!("{path}?list=true"), &token).await.expect(403);
    }
}

#[tokio::test]
async fn capabilities_say_what_requests_meet() {
    let server = server().await;
    let token = caller(&server, r#"path "secret/data/a" { capabilities = ["read", "update"] } path "sys/capabilities-self" { capabilities = ["update"] } path "secret/data/denied" { capabilities = ["deny"] }"#).await;
    let asked = server
        .post(
            "sys/capabilities-self",
            &token,
            json!({ "paths": ["secret/data/a", "secret/data/b", "secret/data/denied", "secret/data/../a"] }),
        )
        .await
        .expect(200);
    assert_eq!(asked.at("/data/secret~1data~1a"), &json!(["read", "update"]));
    for denied in ["b", "denied", "..~1a"] {
        assert_eq!(asked.at(&format!("/data/secret~1data~1{denied}")), &json!(["deny"]), "{denied}");
    }
    let root =
        server.post("sys/capabilities-self", server.root(), json!({ "path": "secret/data/a" })).await.expect(200);
    assert_eq!(root.at("/capabilities"), &json!(["root"]));
    let explained = server
        .post(
            "sys/policies/explain",
            server.root(),
            json!({ "path": "secret/data/a", "capability": "delete", "policies": ["p"] }),
        )
        .await
        .expect(200);
    assert_eq!(
        explained.data()["decision"]["allowed"].as_bool().or(explained.data()["allowed"].as_bool()),
        Some(false),
        "{}",
        explained.text
    );
    // What is attached to a resource decides beside policies: who is told why is told that, and not where nothing is attached.
    for (path, warned) in [("secret/data/a", true), ("sys/mounts", false)] {
        let body = json!({ "path": path, "policies": ["p"] });
        let explained = server.post("sys/policies/explain", server.root(), body).await.expect(200);
        let warnings = explained.at("/warnings").to_string();
        assert_eq!(
            warnings.contains("a policy document or grants of the resource itself"),
            warned,
            "{path}: {warnings}"
        );
    }
}
