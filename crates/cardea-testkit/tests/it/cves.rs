//! The field's published holes, one test for each class that this server could have. A row that another test covers whole is
//! named here, so that the list can be read in one place:
//!
//! | id | where |
//! |---|---|
//! | CVE-2021-3282, 2021-27668, 2022-36129, 2023-0665, 2026-40264, 2026-45808 (routes without a check, other namespaces) | `matrix` |
//! | CVE-2025-4166, 2024-8365, 2025-62513, GHSA-8xxq-mq9m-xmhw (values in the log) | `pipeline::no_secret_stands_in_the_log` |
//! | CVE-2026-5006, GHSA-59w7-v8rr-pr4p (hostile template values) | `policies::a_template_is_filled_with_who_asks` |
//! | GHSA-hr5j-3j78-4vh2 (a failed template drops a deny) | `policies::a_template_that_cannot_be_filled_denies` |
//! | GHSA-xp3c-3jw3-4vcr (LIST and its slash) | `policies::a_list_is_decided_by_its_folder` |
//! | Vault 2.0.4 (`denied_parameters` by case) | `policies::parameters_are_constrained_whatever_their_case` |
//! | CVE-2020-25816 (leases of batch tokens) | `leases::a_batch_token_s_credential_ends_with_the_token` |
//! | CVE-2021-32923 (renewal within a second of the maximum) | `leases`, `tokens`: the maximum to the second |
//! | CVE-2023-2197, moved and altered ciphertexts | `keys::records_that_were_tampered_with_do_not_open` |

mod names; // canonicalisation: the largest class of all

use cardea_testkit::TestServer;
use serde_json::json;
use std::collections::BTreeSet;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    server.post("secret/data/a", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    server
}

#[tokio::test]
async fn cve_2018_19786_a_seal_that_fails_shows_no_key() {
    let key = [0xC7; 32];
    let mut server = TestServer::builder().static_key(key).blank();
    server.init().await;
    let mut wrong = TestServer::builder().static_key([0x11; 32]).disk(server.disk().clone()).blank();
    let error = wrong.node().unseal_by_file(false).await.unwrap_err().to_string();
    assert!(!error.contains("c7c7") && !error.contains("1111") && !error.contains("199, 199"), "{error}");
    assert!(server.log_shows(&["c7c7c7"]).await.is_empty());
    wrong.crash().await;
}

#[tokio::test]
async fn cve_2020_7220_and_2026_42186_what_is_removed_revokes_first_however_often_it_is_removed() {
    let mut server = server().await;
    let root = server.root().to_owned();
    for _ in 0..15 {
        server.get("syn/creds/a?ttl=7200", &root).await.ok();
    }
    server.delete("sys/mounts/syn", &root).await.ok();
    server.delete("sys/mounts/syn", &root).await.ok();
    server.round().await;
    server.crash().await;
    server.unseal().await;
    server.delete("sys/mounts/syn", &root).await.ok();
    server.mount("syn", "synthetic").await;
    let fresh = server.get("syn/creds/a?ttl=7200", &root).await.ok();
    server.settle().await;
    let users: Vec<_> = server.source().users().into_keys().collect();
    assert_eq!(users, [fresh.text_at("/data/username")], "the new mount's credential, and none of the old one's");
}

#[tokio::test]
async fn cve_2020_10660_what_is_taken_from_an_entity_is_gone_at_the_next_request() {
    let server = server().await;
    server.policy("reader", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    let login = server.login(&ids).await.ok();
    let (token, entity) = (login.client_token(), login.text_at("/auth/entity_id"));
    let path = format!("identity/entity/id/{entity}");
    server.get("secret/data/a", &token).await.expect(403);
    server.post(&path, server.root(), json!({ "policies": ["reader"] })).await.ok();
    server.get("secret/data/a", &token).await.expect(200);
    server.post(&path, server.root(), json!({ "policies": [] })).await.ok();
    server.get("secret/data/a", &token).await.expect(403);
    server.post(&path, server.root(), json!({ "policies": ["reader"], "disabled": true })).await.ok();
    server.get("secret/data/a", &token).await.expect(403);
    server.get("auth/token/lookup-self", &token).await.expect(403);
    assert!(server.login(&ids).await.status >= 400, "a disabled entity logs in");
}

#[tokio::test]
async fn cve_2020_12757_no_engine_outlives_the_cap() {
    let server = server().await;
    server.database().await;
    for mount in ["syn", "database"] {
        server
            .post(
                &format!("sys/mounts/{mount}/tune"),
                server.root(),
                json!({ "default_lease_ttl": "100s", "max_lease_ttl": "100s" }),
            )
            .await
            .ok();
    }
    for path in ["syn/creds/a?ttl=9999", "syn/creds/a?ttl=9999&max_ttl=99999", "database/creds/app"] {
        let made = server.get(path, server.root()).await.ok();
        assert_eq!(made.number_at("/lease_duration"), 100, "{path}");
        server.advance(99);
        let renewed = server
            .post("sys/leases/renew", server.root(), json!({ "lease_id": made.lease_id(), "increment": 9999 }))
            .await;
        assert!(renewed.number_at("/lease_duration") <= 1, "{path}");
        let end = server.source().users()[&made.text_at("/data/username")].expires_ms;
        assert!(end <= server.now().0 + 1000, "{path}: the source keeps it {} ms", end - server.now().0);
    }
}

#[tokio::test]
async fn cve_2020_13223_and_2022_25244_no_configuration_gives_a_password_back() {
    let server = server().await;
    server.database().await;
    let url = "fake://cardea:USERINFOCANARY@source/app?password=QUERYCANARY";
    let body = json!({ "plugin_name": "fake-database-plugin", "connection_url": url, "username": "cardea", "password": "initial-root-password", "private_key": "KEYCANARY", "allowed_roles": "*" });
    server.post("database/config/other", server.root(), body).await;
    for name in ["app", "other"] {
        let read = server.get(&format!("database/config/{name}"), server.root()).await;
        for canary in ["USERINFOCANARY", "QUERYCANARY", "KEYCANARY", "initial-root-password"] {
            assert!(!read.text.contains(canary), "{name}: {}", read.text);
        }
    }
    let made = server.get("database/creds/app", server.root()).await.ok();
    let shown = server
        .log_shows(&[
            "USERINFOCANARY",
            "QUERYCANARY",
            "KEYCANARY",
            "initial-root-password",
            &made.text_at("/data/password"),
        ])
        .await;
    assert!(shown.is_empty(), "{shown:?}");
}

#[tokio::test]
async fn cve_2020_25594_mounts_cannot_be_enumerated() {
    let server = server().await;
    let low = server.token(&["default"]).await;
    let paths = [
        "secret/data/a",
        "secret/data/none",
        "secret/",
        "secret",
        "nowhere/data/a",
        "nowhere",
        "syn/creds/a",
        "sys/nothing",
        "auth/approle/role/x",
        "auth/none/role/x",
    ];
    // The look before a key has words of its own, which are the same for a mount and for none.
    let looks = ["sys/internal/ui/mounts/secret/a", "sys/internal/ui/mounts/none/a", "sys/internal/ui/mounts/none"];
    for token in ["", "hvs.unknown", &low] {
        for same in [paths.as_slice(), looks.as_slice()] {
            let mut answers = BTreeSet::new();
            for path in same {
                let reply = server.get(path, token).await;
                answers.insert((reply.status, reply.text, format!("{:?}", reply.headers)));
            }
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
    }
}

#[tokio::test]
async fn cve_2020_35177_2023_3462_2025_6010_a_login_tells_nothing_of_who_exists() {
    let server = server().await;
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    let mut answers = BTreeSet::new();
    for body in [
        json!({ "role_id": ids.0, "secret_id": "x" }),
        json!({ "role_id": "x", "secret_id": "x" }),
        json!({ "role_id": "x", "secret_id": ids.1 }),
        json!({ "role_id": ids.0, "secret_id": "" }),
        json!({ "role_id": ids.0 }),
    ] {
        let refused = server.post("auth/approle/login", "", body).await;
        answers.insert((refused.status, refused.errors()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn cve_2021_3024_odd_requests_get_no_addresses() {
    let server = server().await;
    for (method, path, body) in [
        ("GET", "%", ""),
        ("GET", "..", ""),
        ("BREW", "secret/data/a", ""),
        ("POST", "secret/data/a", "\u{0}"),
        ("POST", "secret/data/a", "[1,2"),
        ("GET", "secret/data/a?%zz=1", ""),
    ] {
        for token in ["", "\u{7f}", server.root()] {
            let reply = server.call(method, path).token(token).body(body).send().await;
            assert!((400..500).contains(&reply.status), "{method} {path}: {}", reply.status);
            assert!(!reply.text.contains("127.0.0.1") && !reply.text.contains("50000"), "{}", reply.text);
        }
    }
}

#[tokio::test]
async fn cve_2021_42135_a_glob_over_settings_gives_no_credential() {
    let server = server().await;
    server.database().await;
    server.policy("viewer", r#"path "database/roles/*" { capabilities = ["read", "list"] } path "database/config/*" { capabilities = ["read"] }"#).await;
    let viewer = server.token(&["viewer"]).await;
    server.get("database/roles/app", &viewer).await.expect(200);
    for path in [
        "database/creds/app",
        "database/roles/app/creds",
        "database/roles/../creds/app",
        "database/config/../creds/app",
    ] {
        let reply = server.get(path, &viewer).await;
        assert!(matches!(reply.status, 400 | 403 | 404), "{path}: {}", reply.status);
    }
    assert_eq!(server.source().user_count(), 1);
}

#[tokio::test]
async fn cve_2021_43998_and_2022_40186_aliases_are_told_apart_by_their_mount() {
    let server = server().await;
    server.post("sys/auth/one", server.root(), json!({ "type": "approle" })).await.ok();
    server.post("sys/auth/two", server.root(), json!({ "type": "approle" })).await.ok();
    let mut entities = BTreeSet::new();
    for mount in ["one", "two"] {
        let role = format!("auth/{mount}/role/same");
        server.post(&role, server.root(), json!({ "token_policies": "default" })).await.ok();
        server.post(&format!("{role}/role-id"), server.root(), json!({ "role_id": "the-same-role-id" })).await.ok();
        let secret_id = server
            .post(
                &format!("{role}/secret-id"),
                server.root(),
                json!({ "metadata": json!({ "mount": mount }).to_string() }),
            )
            .await
            .ok()
            .text_at("/data/secret_id");
        let login = server
            .post(&format!("auth/{mount}/login"), "", json!({ "role_id": "the-same-role-id", "secret_id": secret_id }))
            .await
            .ok();
        entities.insert(login.text_at("/auth/entity_id"));
        assert_eq!(login.at("/auth/metadata/mount"), &json!(mount));
        let other = if mount == "one" { "two" } else { "one" };
        let crossed = server
            .post(&format!("auth/{other}/login"), "", json!({ "role_id": "the-same-role-id", "secret_id": secret_id }))
            .await;
        assert!(crossed.status >= 400, "a secret id of {mount} opens {other}");
    }
    assert_eq!(entities.len(), 2, "one name on two mounts is two entities");
    // A second alias of one entity on one mount would make templates ambiguous.
    let accessor = server.get("sys/auth/one", server.root()).await.ok().text_at("/data/accessor");
    let entity = entities.iter().next().unwrap();
    let mut refused = 0;
    for name in ["extra-a", "extra-b"] {
        let made = server
            .post(
                "identity/entity-alias",
                server.root(),
                json!({ "name": name, "canonical_id": entity, "mount_accessor": accessor }),
            )
            .await;
        refused += usize::from(!made.is_success());
    }
    assert!(refused >= 1, "one entity has several aliases on one mount");
}

#[tokio::test]
async fn cve_2021_45042_and_2023_3774_no_request_makes_the_server_panic() {
    let server = server().await;
    let texts = [
        "",
        " ",
        "/",
        "//",
        ".",
        "..",
        "%2e%2e",
        "%00",
        "%",
        "%ff",
        "\u{feff}",
        "𝒳",
        "a".repeat(2000).as_str(),
        "+",
        "*",
        "{{",
        "{{identity.entity.id}}",
        "-1",
        "18446744073709551616",
        "null",
        "\"",
        "\\u0000",
    ]
    .map(str::to_owned);
    let values = [
        "null",
        "true",
        "-1",
        "1e999",
        "18446744073709551616",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[[[]]]",
        "{\"\":{}}",
    ];
    let rows: Vec<(String, &str)> = {
        let active = server.active();
        let verb = |method| match method {
            cardea_model::Method::Read => "GET",
            cardea_model::Method::List => "LIST",
            cardea_model::Method::Write => "POST",
            cardea_model::Method::Patch => "PATCH",
            cardea_model::Method::Delete => "DELETE",
        };
        let mounts = active.mounts.now();
        let rows = mounts.iter().flat_map(|mount| {
            let facts = active.engine(mount).unwrap().route_facts();
            facts
                .into_iter()
                .map(|facts| (format!("{}{}", mount.path, facts.pattern), verb(facts.method)))
                .collect::<Vec<_>>()
        });
        // Sealing would end the test; all else is asked with root's own rights.
        rows.filter(|(path, _)| path != "sys/seal" && !path.contains("revoke-self") && path != "auth/token/revoke")
            .collect()
    };
    for (pattern, verb) in &rows {
        for (n, text) in texts.iter().enumerate() {
            let path: Vec<&str> =
                pattern.split('/').map(|piece| if piece.starts_with('{') { text.as_str() } else { piece }).collect();
            let value = values[n % values.len()];
            let body =
                ["name", "policy", "path", "data", "ttl", "lease_id", "versions", "token", "config", "type", "id"]
                    .map(|field| format!("\"{field}\":{value}"))
                    .join(",");
            let call = server.call(verb, &path.join("/")).token(server.root()).header(
                "content-type",
                if *verb == "PATCH" { "application/merge-patch+json" } else { "application/json" },
            );
            let reply = call.body(&format!("{{{body}}}")).send().await;
            assert!(
                reply.status < 500 || reply.status == 503,
                "{verb} {pattern} with {text:?}, {value}: {} {}",
                reply.status,
                reply.text
            );
        }
    }
    server.get("secret/data/a", server.root()).await.ok();
}

#[tokio::test]
async fn cve_2022_41316_what_is_revoked_stays_revoked_right_after_a_start() {
    let mut server = server().await;
    server.policy("reader", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    let token = server.token(&["reader"]).await;
    server.post("auth/token/revoke", server.root(), json!({ "token": token })).await.ok();
    server.crash().await;
    server.unseal().await;
    server.get("secret/data/a", &token).await.expect(403);
}

#[tokio::test]
async fn cve_2023_24999_one_role_s_accessor_is_nothing_to_another() {
    let server = server().await;
    let mine = server.approle("mine", json!({ "token_policies": "default" })).await;
    server.approle("other", json!({ "token_policies": "default" })).await;
    let accessor = server.list("auth/approle/role/mine/secret-id", server.root()).await.ok().text_at("/data/keys/0");
    for (path, body) in [
        ("secret-id-accessor/destroy", json!({ "secret_id_accessor": accessor })),
        ("secret-id-accessor/lookup", json!({ "secret_id_accessor": accessor })),
        ("secret-id/destroy", json!({ "secret_id": mine.1 })),
        ("secret-id/lookup", json!({ "secret_id": mine.1 })),
    ] {
        let reply = server.post(&format!("auth/approle/role/other/{path}"), server.root(), body).await;
        assert!(reply.data().is_null(), "{path}: {}", reply.text);
    }
    server.login(&mine).await.expect(200);
    server
        .post(
            "auth/approle/role/mine/secret-id-accessor/destroy",
            server.root(),
            json!({ "secret_id_accessor": accessor }),
        )
        .await
        .ok();
    assert!(server.login(&mine).await.status >= 400);
}

#[tokio::test]
async fn cve_2025_4656_and_2026_5807_nobody_cancels_a_rekey() {
    let server = TestServer::builder().shares(3, 2).start().await;
    let begun =
        server.post("sys/rekey/init", server.root(), json!({ "secret_shares": 3, "secret_threshold": 2 })).await.ok();
    for token in ["", "hvs.unknown"] {
        server.delete("sys/rekey/init", token).await.expect(403);
        server
            .post("sys/rekey/update", token, json!({ "key": "00", "nonce": begun.text_at("/nonce") }))
            .await
            .expect(403);
        server.post("sys/rekey/init", token, json!({})).await.expect(403);
    }
    assert_eq!(server.get("sys/rekey/init", server.root()).await.ok().at("/started"), &json!(true));
}

#[tokio::test]
async fn cve_2025_6203_nesting_is_refused_before_anybody_is_asked() {
    let server = server().await;
    let before = server.log_bytes().await.len();
    for body in [
        "[".repeat(200_000),
        "{\"a\":".repeat(100_000),
        format!("{{\"data\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000)),
    ] {
        let began = std::time::Instant::now();
        let refused = server.call("POST", "secret/data/a").body(&body).send().await;
        assert!((400..500).contains(&refused.status));
        assert!(began.elapsed().as_millis() < 1_000);
    }
    assert_eq!(server.log_bytes().await.len(), before, "a stranger's garbage was recorded");
}

#[tokio::test]
async fn cve_2026_4525_and_2026_46358_credentials_in_headers_are_never_kept() {
    let names = ["x-vault-token", "authorization", "cookie", "proxy-authorization", "x-trace"];
    let mut builder = TestServer::builder();
    for name in names {
        builder = builder.logged_header(name);
    }
    let server = builder.start().await;
    let root = server.root();
    for call in [
        server.call("GET", "sys/mounts").header("authorization", &format!("Bearer {root}")),
        server
            .call("GET", "sys/mounts")
            .token(root)
            .header("cookie", "HEADERCANARY1")
            .header("proxy-authorization", "HEADERCANARY2"),
        server.call("GET", "sys/mounts").token("hvs.HEADERCANARY3").header("x-trace", "HEADERCANARY4"),
        server.call("POST", "auth/none/login").header("authorization", "Basic HEADERCANARY5"),
    ] {
        call.send().await;
    }
    assert!(server.log_shows(&[root, "HEADERCANARY"]).await.is_empty());
    let kept: Vec<_> = server
        .log()
        .await
        .into_iter()
        .flat_map(|record| record.headers)
        .map(|header| header.name.as_str().to_owned())
        .collect();
    assert_eq!(kept, ["x-trace"]);
}

#[tokio::test]
async fn cve_2026_46405_a_login_that_fails_leaves_no_token() {
    let server = server().await;
    let ids = server.approle("app", json!({ "token_policies": "default", "secret_id_num_uses": 2 })).await;
    let count = |server: &TestServer| {
        let root = server.root().to_owned();
        let active = server.active();
        async move {
            assert!(!root.is_empty());
            active.sealed.txn().keys(b"root/tokens/token/", None, 10_000).await.unwrap().len()
        }
    };
    let before = count(&server).await;
    for secret_id in ["", "x", "unknown"] {
        assert!(server.login(&(ids.0.clone(), secret_id.to_owned())).await.status >= 400);
    }
    server
        .call("POST", "auth/approle/login")
        .json(&json!({ "role_id": ids.0, "secret_id": ids.1 }))
        .wrap("9999999999")
        .send()
        .await;
    assert_eq!(count(&server).await, before);
}
