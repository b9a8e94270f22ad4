//! What somebody tried who wanted to break the server: values sent elsewhere, places held by strangers, work that nobody paid for,
//! requests that leave no trace.

use cardea_storage::{Break, FaultPlan};
use cardea_testkit::{HOOK, HOOK_SECRET, TestServer};
use serde_json::{Value, json};

const ATTEMPT: &str = "sys/generate-root/attempt";
const STRANGER: [u8; 4] = [203, 0, 113, 9];

/// Whoever may change where a webhook or a connection leads, and no more, does not get what is sent there.
#[tokio::test]
async fn who_may_configure_a_rotator_does_not_have_values_sent_to_himself() {
    let server = TestServer::start().await;
    server.mount("webhooks", "webhook").await;
    let hook = json!({ "address": HOOK, "secret": HOOK_SECRET });
    server.post("webhooks/config/orders", server.root(), hook).await.expect(204);
    server.database().await;
    server.policy("low", r#"path "+/config/*" { capabilities = ["create", "update", "read"] }"#).await;
    server.policy("high", r#"path "+/config/*" { capabilities = ["create", "update", "read", "sudo"] }"#).await;
    let (low, high) = (server.token(&["low"]).await, server.token(&["high"]).await);
    let own = "a secret of the attacker's own, 0123456789";
    let evil = "https://evil.test/cardea";
    for body in [
        json!({ "address": evil }),
        json!({ "address": evil, "secret": own }),
        json!({ "ca_pem": "-----BEGIN CERTIFICATE-----" }),
        // In two steps: the secret first, then with it the address.
        json!({ "secret": own }),
    ] {
        let refused = server.post("webhooks/config/orders", &low, body.clone()).await.expect(400);
        assert!(refused.errors().contains("field `secret`"), "{body}: {}", refused.errors());
        assert!(!refused.text.contains(own));
    }
    let read = server.get("webhooks/config/orders", server.root()).await.ok();
    assert_eq!(read.at("/data/address"), &json!(HOOK));
    server.post("webhooks/config/orders", &low, json!({ "address": HOOK })).await.expect(204);
    let moved = json!({ "address": "https://new.test/cardea", "secret": HOOK_SECRET });
    server.post("webhooks/config/orders", &low, moved).await.expect(204);
    server.post("webhooks/config/orders", &high, json!({ "address": HOOK, "secret": own })).await.expect(204);
    server.post("webhooks/config/new", &low, json!({ "address": HOOK, "secret": own })).await.expect(204);

    let url = "fake://{{username}}:{{password}}@evil/app";
    for body in [
        json!({ "connection_url": url }),
        json!({ "connection_url": url, "verify_connection": false }),
        json!({ "connection_url": url, "password": own, "verify_connection": false }),
        json!({ "username": "mine", "password": own, "verify_connection": false }),
        json!({ "tls_ca": "-----BEGIN CERTIFICATE-----", "verify_connection": false }),
        json!({ "password": own, "verify_connection": false }),
    ] {
        let refused = server.post("database/config/app", &low, body.clone()).await.expect(400);
        assert!(refused.errors().contains("takes sudo"), "{body}: {}", refused.errors());
    }
    // A password that does not open the door that is there is not stored.
    assert!(server.post("database/config/app", &low, json!({ "password": own })).await.status >= 400);
    let read = server.get("database/config/app", server.root()).await.ok();
    assert_eq!(read.text_at("/data/connection_details/connection_url"), "fake://{{username}}:{{password}}@source/app");
    server.post("database/config/app", &low, json!({ "allowed_roles": "app,b" })).await.ok();
    server.post("database/config/app", &low, json!({ "password": "initial-root-password" })).await.ok();
    let moved =
        json!({ "connection_url": "fake://{{username}}:{{password}}@source/b", "password": "initial-root-password" });
    server.post("database/config/app", &low, moved).await.ok();
    // Once nobody knows the password, a moved database takes sudo.
    server.post("database/rotate-root/app", server.root(), json!({})).await.ok();
    let moved = json!({ "connection_url": "fake://{{username}}:{{password}}@source/c" });
    let known = json!({ "connection_url": moved["connection_url"], "password": "initial-root-password" });
    server.post("database/config/app", &low, known).await.expect(400);
    server.post("database/config/app", &high, moved).await.ok();
    assert!(server.log_shows(&[own, HOOK_SECRET]).await.is_empty());
}

async fn attempt(server: &TestServer, from: [u8; 4], method: &str, query: &str, body: Value) -> cardea_testkit::Reply {
    let call = server.call(method, &format!("{ATTEMPT}{query}")).from(from);
    if method == "POST" { call.json(&body) } else { call }.send().await
}

/// Where shares alone suffice, a stranger could hold the only place, and end the attempts of others by the nonce that he was told.
#[tokio::test]
async fn a_stranger_is_in_nobodys_way() {
    let server = TestServer::builder().shares(5, 3).settings(|settings| settings.root_by_shares = true).start().await;
    let keeper = [10, 0, 0, 1];
    let begun = attempt(&server, keeper, "POST", "", json!({})).await.expect(200);
    let nonce = begun.text_at("/nonce");
    for _ in 0..4 {
        attempt(&server, STRANGER, "POST", "", json!({})).await.expect(200);
    }
    let refused = attempt(&server, STRANGER, "POST", "", json!({})).await.expect(400);
    assert_eq!(refused.errors(), "root generation already in progress");
    attempt(&server, [203, 0, 113, 10], "POST", "", json!({})).await.expect(200);
    for from in [STRANGER, keeper] {
        let seen = attempt(&server, from, "GET", "", json!({})).await.expect(200);
        assert_eq!((seen.at("/started"), seen.at("/nonce")), (&json!(true), &json!("")), "{}", seen.text);
        assert!(!seen.text.contains(&nonce));
    }
    attempt(&server, STRANGER, "DELETE", "", json!({})).await.expect(400);
    attempt(&server, STRANGER, "DELETE", "?nonce=guess", json!({})).await.expect(400);
    for (n, share) in server.shares().iter().take(3).enumerate() {
        let body = json!({ "key": share, "nonce": nonce });
        let seen = attempt(&server, keeper, "GET", &format!("?nonce={nonce}"), json!({})).await.expect(200);
        assert_eq!((seen.number_at("/progress"), seen.text_at("/nonce")), (n as u64, nonce.clone()));
        let given = server.call("POST", "sys/generate-root/update").from(keeper).json(&body).send().await.expect(200);
        assert_eq!(given.at("/complete"), &json!(n == 2));
    }
    // Who has the right sees one of those that are left, and ends them all.
    let seen = server.get(ATTEMPT, server.root()).await.expect(200);
    assert_eq!((seen.at("/started"), seen.text_at("/nonce").is_empty()), (&json!(true), false));
    server.post(ATTEMPT, server.root(), json!({})).await.expect(200);
    server.delete(ATTEMPT, server.root()).await.expect(204);
    assert_eq!(server.get(ATTEMPT, server.root()).await.ok().at("/started"), &json!(false));
}

#[tokio::test]
async fn what_could_not_be_recorded_has_not_begun() {
    let server = TestServer::builder().shares(3, 2).start().await;
    let root = server.root();
    let rekey = json!({ "secret_shares": 3, "secret_threshold": 2 });
    for (begin, body) in [(ATTEMPT, json!({})), ("sys/rekey/init", rekey)] {
        for how in [Break::Refuse, Break::LoseAnswer] {
            server.arm(&FaultPlan::new(1, how));
            let refused = server.post(begin, root, body.clone()).await;
            assert!(refused.status >= 500, "{begin}: {}", refused.status);
            server.arm(&FaultPlan::quiet());
            assert_eq!(server.get(begin, root).await.ok().at("/started"), &json!(false), "{begin} {how:?}");
        }
        let nonce = server.post(begin, root, body).await.expect(200).text_at("/nonce");
        assert_eq!(server.get(begin, root).await.ok().text_at("/nonce"), nonce);
        // What could not be recorded has not ended either.
        server.arm(&FaultPlan::new(1, Break::Refuse));
        assert!(server.delete(begin, root).await.status >= 500);
        server.arm(&FaultPlan::quiet());
        assert_eq!(server.get(begin, root).await.ok().text_at("/nonce"), nonce);
        assert!(server.delete(begin, root).await.is_success());
        assert_eq!(server.get(begin, root).await.ok().at("/started"), &json!(false));
    }
}

/// Logins that fail, and what takes no credential at all, were recorded without end.
#[tokio::test]
async fn strangers_buy_a_bounded_number_of_records() {
    let server = TestServer::builder()
        .settings(|settings| {
            settings.stranger_refusals_per_s = 3;
            settings.root_by_shares = true;
        })
        .start()
        .await;
    let ids = server.approle("app", json!({})).await;
    let before = server.log_bytes().await.len();
    for _ in 0..50 {
        server.login(&(ids.0.clone(), "guess".to_owned())).await.expect(400);
    }
    assert_eq!(server.log_bytes().await.len() - before, 3, "logins that fail");
    server.login(&ids).await.expect(200);
    server.round().await;
    let counted = server.log().await;
    let counted = counted.iter().filter_map(|record| record.event.as_ref()?.detail.as_ref());
    assert!(counted.into_iter().any(|detail| detail.as_str().starts_with("47 ")), "they are counted");
    server.advance(1);
    let before = server.log_bytes().await.len();
    let answers: Vec<u16> = {
        let mut answers = Vec::new();
        for _ in 0..50 {
            answers.push(server.get(ATTEMPT, "").await.status);
        }
        answers
    };
    assert_eq!((answers[0], answers[2], answers[3], answers[49]), (200, 200, 429, 429));
    assert_eq!(server.log_bytes().await.len() - before, 3, "questions without a credential");
    server.get(ATTEMPT, server.root()).await.expect(200);
}

/// A request whose commit is too large happened to leave nothing in the log.
#[tokio::test]
async fn what_does_not_fit_a_commit_is_refused_and_recorded() {
    let server = TestServer::start().await;
    for n in 0..2000 {
        server.get(&format!("sys/policies/acl/{n}"), server.root()).await;
    }
    let path = "sys/audit-log/export";
    let before = server.log_of(path).await.len();
    let refused = server.call("GET", path).token(server.root()).wrap("60s").send().await.expect(413);
    assert_eq!(refused.errors(), "the change is too large");
    assert_eq!(server.log_of(path).await.len(), before + 1);
}

/// What a policy says of parameters did not hold where a request has no way to state them.
#[tokio::test]
async fn a_constraint_on_parameters_holds_at_every_door() {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("transit", "transit").await;
    let ask = super::aws_secrets_manager::ask;
    let one = r#"{ capabilities = ["create", "read", "update"] "#;
    for (constraint, holds) in [
        ("", false),
        ("allowed_parameters = { \"*\" = [] }", false),
        ("denied_parameters = { \"options\" = [] }", true),
        ("denied_parameters = { \"*\" = [] }", true),
        ("allowed_parameters = { \"data\" = [{ \"k\" = \"v\" }] }", true),
        ("allowed_parameters = { \"*\" = [], \"options\" = [\"x\"] }", true),
    ] {
        server.policy("some", &format!("path \"secret/+/app\" {one} {constraint} }}")).await;
        let key = server.access_key("some", &["some"], Some(600)).await;
        let body = json!({ "Name": "app", "SecretString": "guess", "ClientRequestToken": "1".repeat(32) });
        let made = ask(&server, &key, "CreateSecret", body).await;
        let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": "app" })).await;
        assert_eq!((made.status == 200, read.status == 200), (!holds, !holds), "{constraint}: {}", made.text);
        server.delete("secret/metadata/app", server.root()).await.ok();
    }
}
