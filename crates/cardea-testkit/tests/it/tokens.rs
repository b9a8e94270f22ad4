//! Tokens: parents and children, uses, ends, addresses, accessors, and the root token that is not needed later.

use cardea_testkit::TestServer;
use serde_json::{Value, json};
use std::sync::Arc;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.post("secret/data/a", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    server.policy("reader", r#"path "secret/data/a" { capabilities = ["read"] }"#).await;
    server.policy("maker", r#"path "auth/token/create" { capabilities = ["update"] } path "auth/token/create-orphan" { capabilities = ["update", "sudo"] }"#).await;
    server
}

async fn create(server: &TestServer, by: &str, fields: Value) -> String {
    server.post("auth/token/create", by, fields).await.ok().client_token()
}

async fn works(server: &TestServer, token: &str) -> bool {
    match server.get("auth/token/lookup-self", token).await.status {
        200 => true,
        403 => false,
        other => panic!("status {other}"),
    }
}

#[tokio::test]
async fn what_a_new_token_is() {
    let server = server().await;
    let made = server.post("auth/token/create", server.root(), json!({
        "policies": ["Reader", "reader"], "ttl": "1h", "meta": { "team": "a" }, "display_name": "ci job", "num_uses": 0
    })).await.expect(200);
    assert!(made.client_token().starts_with("hvs."));
    assert_eq!(made.at("/auth/policies"), &json!(["default", "reader"]));
    assert_eq!(made.number_at("/auth/lease_duration"), 3600);
    assert_eq!(made.at("/auth/renewable"), &json!(true));
    assert_eq!(made.at("/auth/orphan"), &json!(false));
    assert_eq!(made.at("/auth/metadata"), &json!({ "team": "a" }));
    let looked = server.get("auth/token/lookup-self", &made.client_token()).await.expect(200);
    assert_eq!(looked.text_at("/data/id"), made.client_token());
    assert_eq!(looked.text_at("/data/accessor"), made.text_at("/auth/accessor"));
    assert_eq!(looked.text_at("/data/display_name"), "token-ci-job");
    assert_eq!(looked.at("/data/policies"), &json!(["default", "reader"]));
    assert_eq!(looked.number_at("/data/ttl"), 3600);
    assert_eq!(looked.text_at("/data/path"), "auth/token/create");
}

#[tokio::test]
async fn a_parent_takes_its_descendants_with_it() {
    let server = server().await;
    let parent = create(&server, server.root(), json!({ "policies": ["maker", "reader"] })).await;
    let child = create(&server, &parent, json!({ "policies": ["maker", "reader"] })).await;
    let grandchild = create(&server, &child, json!({ "policies": ["reader"] })).await;
    let orphan =
        server.post("auth/token/create-orphan", &child, json!({ "policies": ["reader"] })).await.ok().client_token();
    let sibling = create(&server, server.root(), json!({ "policies": ["reader"] })).await;
    server.post("auth/token/revoke", server.root(), json!({ "token": parent })).await.ok();
    // With the commit that revokes, before any background work.
    for token in [&parent, &child, &grandchild] {
        assert!(!works(&server, token).await);
    }
    server.settle().await;
    assert!(works(&server, &orphan).await && works(&server, &sibling).await && works(&server, server.root()).await);
    // Revoking without the children makes them orphans.
    let parent = create(&server, server.root(), json!({ "policies": ["maker", "reader"] })).await;
    let child = create(&server, &parent, json!({ "policies": ["reader"] })).await;
    server.post("auth/token/revoke-orphan", server.root(), json!({ "token": parent })).await.ok();
    server.settle().await;
    assert!(!works(&server, &parent).await);
    assert!(works(&server, &child).await);
    let looked = server.get("auth/token/lookup-self", &child).await.ok();
    assert_eq!(looked.at("/data/orphan"), &json!(true));
}

#[tokio::test]
async fn a_wide_and_a_deep_family_is_removed_whole() {
    let mut server = server().await;
    let parent = create(&server, server.root(), json!({ "policies": ["maker"] })).await;
    let mut family = Vec::new();
    for _ in 0..40 {
        family.push(create(&server, &parent, json!({ "policies": ["maker"] })).await);
    }
    let mut last = family[0].clone();
    for _ in 0..8 {
        last = create(&server, &last, json!({ "policies": ["maker"] })).await;
        family.push(last.clone());
    }
    let before =
        server.list("auth/token/accessors", server.root()).await.ok().at("/data/keys").as_array().unwrap().len();
    assert_eq!(before, 1 + 1 + family.len());
    server.post("auth/token/revoke", server.root(), json!({ "token": parent })).await.ok();
    server.round().await;
    server.restart().await;
    for token in &family {
        assert!(!works(&server, token).await);
    }
    server.settle().await;
    let after = server.list("auth/token/accessors", server.root()).await.ok();
    assert_eq!(after.at("/data/keys").as_array().unwrap().len(), 1, "only root is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_are_counted_exactly() {
    let server = Arc::new(server().await);
    for uses in [1_u64, 5, 17] {
        let token = create(&server, server.root(), json!({ "policies": ["reader"], "num_uses": uses })).await;
        let racers = (0..60).map(|_| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move { server.get("secret/data/a", &token).await.status })
        });
        let mut served = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                200 => served += 1,
                403 => {}
                other => panic!("status {other}"),
            }
        }
        assert_eq!(served, uses);
        server.get("secret/data/a", &token).await.expect(403);
    }
}

#[tokio::test]
async fn a_use_is_taken_by_whatever_is_allowed() {
    let server = server().await;
    let token = create(&server, server.root(), json!({ "policies": ["reader"], "num_uses": 3 })).await;
    assert_eq!(server.get("auth/token/lookup-self", &token).await.ok().number_at("/data/num_uses"), 2);
    server.get("secret/data/a", &token).await.expect(200);
    server.get("secret/data/a", &token).await.expect(200);
    server.get("secret/data/a", &token).await.expect(403);
}

#[tokio::test]
async fn a_token_ends_on_time() {
    let server = server().await;
    let renew = |token: String, increment: &'static str| {
        let server = &server;
        async move { server.post("auth/token/renew-self", &token, json!({ "increment": increment })).await }
    };
    let token =
        create(&server, server.root(), json!({ "policies": ["reader"], "ttl": "60s", "explicit_max_ttl": "100s" }))
            .await;
    server.advance(50);
    assert_eq!(renew(token.clone(), "60s").await.ok().number_at("/auth/lease_duration"), 50);
    server.advance_ms(49_900);
    assert!(works(&server, &token).await);
    assert!(renew(token.clone(), "1h").await.number_at("/auth/lease_duration") <= 1);
    server.advance_ms(100);
    assert!(!works(&server, &token).await);
    renew(token.clone(), "1h").await.expect(403);
    // Periodic: as long as it is renewed, and not a second longer.
    let token = create(&server, server.root(), json!({ "policies": ["reader"], "period": "60s" })).await;
    for _ in 0..100 {
        server.advance(59);
        assert_eq!(renew(token.clone(), "1h").await.ok().number_at("/auth/lease_duration"), 60);
    }
    server.advance(60);
    assert!(!works(&server, &token).await);
    // The system's maximum holds for everybody else.
    let max = server.node().settings().max_ttl_s;
    let token = create(&server, server.root(), json!({ "policies": ["reader"], "ttl": format!("{}s", max * 2) })).await;
    assert_eq!(server.get("auth/token/lookup-self", &token).await.ok().number_at("/data/ttl"), max);
    server.advance(max);
    assert!(!works(&server, &token).await);
    let fixed =
        create(&server, server.root(), json!({ "policies": ["reader"], "ttl": "60s", "renewable": false })).await;
    assert!(renew(fixed, "60s").await.status >= 400);
    // What ended leaves no record.
    server.settle().await;
    server.advance(120);
    server.settle().await;
    let left = server.list("auth/token/accessors", server.root()).await.ok();
    assert_eq!(left.at("/data/keys").as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_token_leaves_no_record_and_outlives_nothing() {
    let mut server = server().await;
    let parent = create(&server, server.root(), json!({ "policies": ["maker", "reader"] })).await;
    let before =
        server.list("auth/token/accessors", server.root()).await.ok().at("/data/keys").as_array().unwrap().len();
    let batch = create(&server, &parent, json!({ "type": "batch", "policies": ["reader"], "ttl": "600s" })).await;
    assert!(batch.starts_with("hvb."));
    let after = server.list("auth/token/accessors", server.root()).await.ok();
    assert_eq!(after.at("/data/keys").as_array().unwrap().len(), before);
    server.get("secret/data/a", &batch).await.expect(200);
    // Across a restart and a rotation of the keys that sealed it.
    server.post("sys/rotate", server.root(), json!({})).await.ok();
    server.advance(3);
    server.settle().await;
    server.restart().await;
    server.get("secret/data/a", &batch).await.expect(200);
    // Neither renewed nor given what needs a record.
    assert!(server.post("auth/token/renew-self", &batch, json!({})).await.status >= 400);
    assert!(server.post("cubbyhole/x", &batch, json!({ "a": "b" })).await.status >= 400);
    assert!(server.post("auth/token/create", &batch, json!({})).await.status >= 400);
    for field in ["num_uses", "period", "explicit_max_ttl"] {
        let refused = server
            .post("auth/token/create", server.root(), json!({ "type": "batch", "policies": ["reader"], field: 60 }))
            .await;
        assert_eq!(refused.status, 400, "{field}");
    }
    // Tampered with, it opens nothing.
    let mut bytes = batch.clone().into_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    server.get("secret/data/a", &String::from_utf8(bytes).unwrap()).await.expect(403);
    // It ends with its parent, and with its time.
    let other = create(&server, server.root(), json!({ "type": "batch", "policies": ["reader"], "ttl": "600s" })).await;
    server.post("auth/token/revoke", server.root(), json!({ "token": parent })).await.ok();
    server.get("secret/data/a", &batch).await.expect(403);
    server.get("secret/data/a", &other).await.expect(200);
    server.advance(600);
    server.get("secret/data/a", &other).await.expect(403);
}

#[tokio::test]
async fn a_token_bound_to_addresses_works_from_there_alone() {
    let server = server().await;
    let token = server
        .token_with(&["reader"], |new| new.bound_cidrs = vec!["10.1.0.0/16".to_owned(), "192.0.2.7".to_owned()])
        .await;
    for (address, status) in [([10, 1, 2, 3], 200), ([192, 0, 2, 7], 200), ([10, 2, 0, 1], 403), ([192, 0, 2, 8], 403)]
    {
        let reply = server.call("GET", "secret/data/a").token(&token).from(address).send().await;
        assert_eq!(reply.status, status, "{address:?}");
    }
    let refused = server.call("GET", "secret/data/a").token(&token).from([10, 2, 0, 1]).send().await;
    assert_eq!(refused.text, server.get("secret/data/a", "hvs.unknown").await.text);
}

#[tokio::test]
async fn a_cubbyhole_is_its_token_s_alone() {
    let server = server().await;
    let (mine, other) = (server.token(&["default"]).await, server.token(&["default"]).await);
    server.post("cubbyhole/deep/place", &mine, json!({ "k": "mine" })).await.expect(204);
    assert_eq!(server.get("cubbyhole/deep/place", &mine).await.ok().at("/data"), &json!({ "k": "mine" }));
    for stranger in [other.as_str(), server.root()] {
        server.get("cubbyhole/deep/place", stranger).await.expect(404);
        server.list("cubbyhole/", stranger).await.expect(404);
    }
    server.list("cubbyhole/deep", &mine).await.expect(200);
    let accessor = server.get("auth/token/lookup-self", &mine).await.ok().text_at("/data/accessor");
    // More than one batch removes.
    for n in 0..70 {
        server.post(&format!("cubbyhole/{n}"), &mine, json!({ "k": n })).await.expect(204);
    }
    server.post("auth/token/revoke-accessor", server.root(), json!({ "accessor": accessor })).await.ok();
    server.settle().await;
    let left = server.active().sealed.txn().keys(b"root/cubbyholes/", None, 100).await.unwrap();
    assert!(left.is_empty(), "{} entries outlive their token", left.len());
}

#[tokio::test]
async fn an_accessor_does_what_it_may_and_never_shows_the_token() {
    let server = server().await;
    let token = create(&server, server.root(), json!({ "policies": ["reader"], "ttl": "1h" })).await;
    let accessor = server.get("auth/token/lookup-self", &token).await.ok().text_at("/data/accessor");
    let body = json!({ "accessor": accessor });
    let looked = server.post("auth/token/lookup-accessor", server.root(), body.clone()).await.expect(200);
    assert!(!looked.text.contains(&token));
    assert_eq!(looked.text_at("/data/id"), "");
    server.advance(1000);
    let renewed = server.post("auth/token/renew-accessor", server.root(), body.clone()).await.expect(200);
    assert!(!renewed.text.contains(&token));
    // A caller without the grant may not, and an unknown accessor says nothing.
    let plain = server.token(&["default"]).await;
    for path in ["lookup-accessor", "renew-accessor", "revoke-accessor"] {
        server.post(&format!("auth/token/{path}"), &plain, body.clone()).await.expect(403);
        let unknown = server.post(&format!("auth/token/{path}"), server.root(), json!({ "accessor": "unknown" })).await;
        match path {
            // Who cleans up by accessors finds some that time has ended already.
            "revoke-accessor" => assert_eq!(unknown.ok().at("/warnings/0"), "No token found with this accessor"),
            _ => assert_eq!((unknown.status, unknown.at("/errors/0")), (400, &json!("invalid accessor"))),
        }
    }
    // The accessor is no token.
    server.get("auth/token/lookup-self", &accessor).await.expect(403);
    server.post("auth/token/revoke-accessor", server.root(), body).await.ok();
    assert!(!works(&server, &token).await);
    // All of them at once takes sudo.
    server.policy("lister", r#"path "auth/token/accessors/*" { capabilities = ["list"] } path "auth/token/accessors" { capabilities = ["list"] }"#).await;
    let lister = server.token(&["lister"]).await;
    server.list("auth/token/accessors", &lister).await.expect(403);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let server = server().await;
    let maker = server.token(&["maker", "reader"]).await;
    server.post("auth/token/create", &maker, json!({ "policies": ["reader"] })).await.expect(200);
    for policies in [
        json!(["root"]),
        json!(["other"]),
        json!(["reader", "other"]),
        json!(["ROOT"]),
        json!([" root"]),
        json!("root"),
        json!(["response-wrapping"]),
    ] {
        let refused = server.post("auth/token/create", &maker, json!({ "policies": policies })).await;
        assert!((400..404).contains(&refused.status), "{policies}: {} {}", refused.status, refused.text);
    }
    // Neither a chosen id nor an orphan without sudo.
    assert!(server.post("auth/token/create", &maker, json!({ "id": "chosen-id" })).await.status >= 400);
    assert!(server.post("auth/token/create", &maker, json!({ "no_parent": true })).await.status >= 400);
    let chosen = server
        .post("auth/token/create", server.root(), json!({ "id": "chosen-id", "policies": ["reader"] }))
        .await
        .ok();
    assert_eq!(chosen.client_token(), "chosen-id");
    assert!(
        server
            .post("auth/token/create", server.root(), json!({ "id": "chosen-id", "policies": ["maker"] }))
            .await
            .status
            >= 400,
        "an id was taken over"
    );
    assert_eq!(
        server.get("auth/token/lookup-self", "chosen-id").await.ok().at("/data/policies"),
        &json!(["default", "reader"])
    );
}

#[tokio::test]
async fn the_root_token_is_not_needed_later() {
    let mut server = server().await;
    server
        .policy("admin", r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }"#)
        .await;
    let admin = server
        .post("auth/token/create-orphan", server.root(), json!({ "policies": ["admin"], "period": "1h" }))
        .await
        .ok()
        .client_token();
    let root = server.root().to_owned();
    server.post("auth/token/revoke-self", &root, json!({})).await.ok();
    server.settle().await;
    server.get("secret/data/a", &root).await.expect(403);
    server.restart().await;
    server.get("secret/data/a", &root).await.expect(403);
    server.get("secret/data/a", &admin).await.expect(200);
    server.post("sys/mounts/more", &admin, json!({ "type": "kv", "options": { "version": "2" } })).await.ok();
    server.post("sys/policies/acl/p", &admin, json!({ "policy": "path \"a\" {}" })).await.ok();
    server.post("sys/rotate", &admin, json!({})).await.ok();
    let made = server.post("auth/token/create", &admin, json!({ "policies": ["root"] })).await;
    assert!(made.status >= 400, "an administrator made a root token");
    server.post("sys/seal", &admin, json!({})).await.expect(204);
    server.until_sealed().await;
    server.unseal().await;
    server.get("secret/data/a", &admin).await.expect(200);
}

#[tokio::test]
async fn a_role_bounds_what_is_made_by_it() {
    let server = server().await;
    server.post("auth/token/roles/ci", server.root(), json!({
        "allowed_policies": ["reader"], "disallowed_policies": ["maker"], "orphan": true, "token_period": "60s", "token_bound_cidrs": ["127.0.0.1"], "path_suffix": "ci"
    })).await.ok();
    server.policy("use-ci", r#"path "auth/token/create/ci" { capabilities = ["update"] }"#).await;
    let user = server.token(&["use-ci"]).await;
    let made = server.post("auth/token/create/ci", &user, json!({ "policies": ["reader"] })).await.expect(200);
    assert_eq!(made.at("/auth/orphan"), &json!(true));
    assert_eq!(made.number_at("/auth/lease_duration"), 60);
    let token = made.client_token();
    server.get("secret/data/a", &token).await.expect(200);
    server.call("GET", "secret/data/a").token(&token).from([10, 0, 0, 1]).send().await.expect(403);
    for policies in [json!(["maker"]), json!(["root"]), json!(["Maker"])] {
        assert!(
            server.post("auth/token/create/ci", &user, json!({ "policies": policies })).await.status >= 400,
            "{policies}"
        );
    }
    server.post("auth/token/create", &user, json!({})).await.expect(403);
    server.post("auth/token/create/other", &user, json!({})).await.expect(403);
}
