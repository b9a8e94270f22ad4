//! Names: the policy saw one spelling and the engine another, or a name reached what is not its own. A fifth of the field's
//! published holes are of this class.

use super::server;
use serde_json::{Value, json};

/// Spellings by which reserved names were reached elsewhere.
const ROOT_SPELLINGS: &[&str] = &[
    "root",
    "ROOT",
    "Root",
    " root",
    "root ",
    "\troot",
    "root\n",
    "ｒｏｏｔ",
    "roo\u{200b}t",
    "root\u{0}",
    "ROOT ",
    "RooT\u{ad}",
];

#[tokio::test]
async fn cve_2024_9180_2025_5999_2025_64761_no_spelling_of_root_is_given_away() {
    let server = server().await;
    server
        .policy(
            "admin",
            r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo"] }"#,
        )
        .await;
    let admin = server.token(&["admin"]).await;
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    let entity = server.login(&ids).await.ok().text_at("/auth/entity_id");
    for spelling in ROOT_SPELLINGS {
        let policies = json!([spelling]);
        let doors = [
            ("auth/token/create", json!({ "policies": policies })),
            ("auth/token/create-orphan", json!({ "policies": policies })),
            ("auth/token/roles/r", json!({ "allowed_policies": policies })),
            ("auth/token/create/r", json!({ "policies": policies })),
            ("auth/approle/role/app", json!({ "token_policies": policies })),
            ("auth/approle/role/app", json!({ "policies": policies })),
            ("auth/approle/role/app/policies", json!({ "token_policies": policies })),
            (&format!("identity/entity/id/{entity}"), json!({ "policies": policies })),
            ("identity/entity", json!({ "name": "e", "policies": policies })),
            ("identity/entity/name/e", json!({ "policies": policies })),
            ("sys/policies/acl/root", json!({ "policy": "path \"*\" { capabilities = [\"read\"] }" })),
        ];
        for (path, body) in doors {
            let reply = server.post(path, &admin, body).await;
            let granted =
                reply.at("/auth/policies").as_array().is_some_and(|all| all.iter().any(|name| name == "root"));
            assert!(!granted, "{path} with {spelling:?} made a root token");
            if reply.is_success() {
                assert!(!reply.text.contains("\"root\""), "{path} with {spelling:?}: {}", reply.text);
            }
        }
        // Whatever was accepted above gives nobody root.
        let login = server.login(&ids).await;
        if login.is_success() {
            let looked = server.get("auth/token/lookup-self", &login.client_token()).await.ok();
            assert!(!looked.text.contains("\"root\""), "{spelling:?}: {}", looked.text);
            server.get("secret/data/a", &login.client_token()).await.expect(403);
        }
        server.post("auth/approle/role/app", server.root(), json!({ "token_policies": "default" })).await.ok();
    }
}

#[tokio::test]
async fn cve_2026_3605_no_spelling_of_a_path_gets_round_its_policy() {
    let server = server().await;
    server.post("secret/data/team/key", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    let text = r#"path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] } path "secret/metadata/team/*" { capabilities = ["deny"] } path "secret/data/team/*" { capabilities = ["deny"] } path "secret/delete/*" { capabilities = ["deny"] } path "secret/destroy/*" { capabilities = ["deny"] }"#;
    server.policy("p", text).await;
    let token = server.token(&["p"]).await;
    for kind in ["data", "metadata"] {
        for name in [
            "team/key",
            "team//key",
            "team/./key",
            "x/../team/key",
            "team%2Fkey",
            "%74eam/key",
            "team%2f%2e%2e%2fteam/key",
            "team/key/",
            "/team/key",
            "team\\key",
            "team/key%00",
            "team/key%20",
            "team/key;a=b",
            "team/key%3f",
            "TEAM/key",
        ] {
            let path = format!("secret/{kind}/{name}");
            server.delete(&path, &token).await;
            server.post(&path, &token, json!({ "data": { "k": "overwritten" } })).await;
        }
    }
    for kind in ["delete", "destroy"] {
        server.post(&format!("secret/{kind}/team/key"), &token, json!({ "versions": [1] })).await;
    }
    let read = server.get("secret/data/team/key", server.root()).await.expect(200);
    assert_eq!(read.at("/data/data"), &json!({ "k": "v" }));
    assert_eq!(read.number_at("/data/metadata/version"), 1);
}

#[tokio::test]
async fn cve_2026_89322_and_ghsa_fg5x_a_name_that_folds_is_decided_as_it_folds() {
    let server = server().await;
    server.approle("prod", json!({ "token_policies": "default" })).await;
    server.policy("secretive", r#"path "a" {}"#).await;
    server.post("identity/entity", server.root(), json!({ "name": "person" })).await.ok();
    server.database().await;
    let text = r#"
path "auth/approle/role/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/approle/role/prod" { capabilities = ["deny"] }
path "auth/approle/role/prod/*" { capabilities = ["deny"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/policies/acl/secretive" { capabilities = ["deny"] }
path "sys/policy/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/policy/secretive" { capabilities = ["deny"] }
path "identity/entity/name/*" { capabilities = ["create", "read", "update", "delete"] }
path "identity/entity/name/person" { capabilities = ["deny"] }
path "database/*" { capabilities = ["create", "read", "update", "delete"] }
path "database/roles/app" { capabilities = ["deny"] }
path "database/creds/app" { capabilities = ["deny"] }"#;
    server.policy("p", text).await;
    let token = server.token(&["p"]).await;
    for name in ["prod", "PROD", "Prod", "pROD"] {
        for path in [name.to_owned(), format!("{name}/role-id"), format!("{name}/secret-id")] {
            let path = format!("auth/approle/role/{path}");
            assert!(!server.get(&path, &token).await.is_success(), "{path}");
            assert!(server.post(&path, &token, json!({})).await.data()["secret_id"].is_null(), "{path}");
        }
        server.delete(&format!("auth/approle/role/{name}"), &token).await;
    }
    for name in ["secretive", "SECRETIVE", "Secretive"] {
        for door in ["sys/policies/acl", "sys/policy"] {
            let path = format!("{door}/{name}");
            assert!(!server.get(&path, &token).await.is_success(), "{path}");
            server.post(&path, &token, json!({ "policy": "path \"b\" {}" })).await;
            server.delete(&path, &token).await;
        }
    }
    for name in ["person", "PERSON"] {
        let path = format!("identity/entity/name/{name}");
        assert!(!server.get(&path, &token).await.text.contains("\"person\""), "{path}");
        server.delete(&path, &token).await;
    }
    for name in ["app", "APP", "App"] {
        assert!(!server.get(&format!("database/creds/{name}"), &token).await.is_success(), "{name}");
        server.delete(&format!("database/roles/{name}"), &token).await;
    }
    // All of it is as it was.
    for path in
        ["auth/approle/role/prod", "sys/policies/acl/secretive", "identity/entity/name/person", "database/roles/app"]
    {
        server.get(path, server.root()).await.expect(200);
    }
    assert_eq!(
        server.get("sys/policies/acl/secretive", server.root()).await.ok().text_at("/data/policy"),
        r#"path "a" {}"#
    );
}

#[tokio::test]
async fn cve_2026_105820_a_policy_name_is_a_name_and_no_path() {
    let server = server().await;
    // An empty name in a list is no name at all: who asks for none inherits, as in Vault.
    for name in
        ["../default", "..", "a/b", "a%2fb", "a%2f..%2fb", "a\u{0}", "a*", "{{identity.entity.id}}", &"n".repeat(600)]
    {
        let written = server
            .post(
                &format!("sys/policies/acl/{name}"),
                server.root(),
                json!({ "policy": "path \"*\" { capabilities = [\"read\"] }" }),
            )
            .await;
        let token = server.post("auth/token/create", server.root(), json!({ "policies": [name] })).await;
        if !token.is_success() {
            assert!((400..500).contains(&token.status), "{name:?}: {}", token.status);
            continue;
        }
        // A name that is one: it gives what its own text says, if that was accepted, and nothing else.
        assert!(
            written.is_success() || server.get("secret/data/a", &token.client_token()).await.status == 403,
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn vault_2_0_4_selectors_that_name_two_entities_are_refused() {
    let server = server().await;
    let make = |name: &'static str| {
        let server = &server;
        async move { server.post("identity/entity", server.root(), json!({ "name": name })).await.ok().text_at("/data/id") }
    };
    let (one, other) = (make("one").await, make("other").await);
    for (path, body) in [
        ("identity/entity", json!({ "id": one, "name": "other", "policies": ["x"] })),
        ("identity/entity/name/one", json!({ "id": other, "policies": ["x"] })),
        (&format!("identity/entity/id/{one}") as &str, json!({ "name": "other", "policies": ["x"] })),
        ("identity/lookup/entity", json!({ "id": one, "name": "other" })),
    ] {
        let reply = server.post(path, server.root(), body.clone()).await;
        assert!(reply.status >= 400 || reply.data().is_null() || reply.status == 204, "{path} {body}: {}", reply.text);
    }
    for id in [&one, &other] {
        let read = server.get(&format!("identity/entity/id/{id}"), server.root()).await.ok();
        let expected = if *id == one { "one" } else { "other" };
        assert_eq!(read.text_at("/data/name"), expected);
    }
}

#[tokio::test]
async fn ghsa_rh46_only_the_wire_s_own_verbs_are_dispatched() {
    let server = server().await;
    for verb in [
        "RENEW",
        "REVOKE",
        "ROLLBACK",
        "ALIAS-LOOKAHEAD",
        "RESOLVE-ROLE",
        "HEADER",
        "CONNECT",
        "TRACE",
        "OPTIONS",
        "create",
        "get",
        "",
        "SCAN",
    ] {
        let before = server.log_bytes().await.len();
        let reply = server.call(verb, "auth/token/create").token(server.root()).body("{}").send().await;
        assert_eq!(reply.status, 405, "{verb:?}");
        assert!(reply.at("/auth") == &Value::Null);
        assert_eq!(server.log_bytes().await.len(), before);
    }
}

#[tokio::test]
async fn cve_2026_55775_a_namespace_that_does_not_serve_is_not_the_root() {
    let server = server().await;
    for name in ["team", "ROOT/team", "root/../root", "./", "Root", "team/root", "*"] {
        let reply =
            server.call("GET", "secret/data/a").token(server.root()).header("x-vault-namespace", name).send().await;
        assert_eq!(reply.status, 404, "{name}");
    }
    for name in ["", "/", "root", "root/"] {
        server
            .call("GET", "secret/data/a")
            .token(server.root())
            .header("x-vault-namespace", name)
            .send()
            .await
            .expect(200);
    }
    server.get("team/secret/data/a", server.root()).await.expect(404);
}
