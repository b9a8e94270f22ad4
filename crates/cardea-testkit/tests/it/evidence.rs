//! Who uses what, by the log and by the consumers' own word: what holds an old credential, what an emergency breaks, and
//! which secrets are beyond their limits. Reads leave their record in the log and nothing else.

use super::aws_secrets_manager::ask;
use super::retirement::{wait, with_rule};
use super::rotation::{current, current_opens, rotate, status};
use cardea_testkit::{Reply, TestServer};
use serde_json::{Value, json};

const READER: &str = r#"path "secret/data/orders" { capabilities = ["read"] }
    path "secret/rotation-ack/orders" { capabilities = ["update"] }"#;

/// A token of a consumer with a name.
async fn consumer(server: &TestServer, name: &str) -> String {
    server.policy("reader", READER).await;
    let named = server.token_with(&["reader"], |new| {
        name.clone_into(&mut new.display_name);
        (new.expires, new.latest) = (None, None);
    });
    named.await
}

async fn read(server: &TestServer, token: &str) {
    server.get("secret/data/orders", token).await.ok();
}

async fn proof(server: &TestServer) -> Reply {
    server.get("secret/rotation-proof/orders", server.root()).await.ok()
}

fn first_opens(server: &TestServer) -> bool {
    server.source().users()["orders"].password == "first"
}

/// Waits without reading the secret: whoever looks is a consumer.
async fn pass(server: &TestServer, seconds: u64) {
    for _ in 0..seconds.div_ceil(10) {
        server.advance(10);
        server.settle().await;
    }
}

/// Names of those that lag.
async fn lagging(server: &TestServer) -> Vec<String> {
    let seen = proof(server).await;
    let consumers = seen.at("/data/consumers").as_array().unwrap();
    let lags = consumers.iter().filter(|one| one["lags"] == json!(true));
    lags.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_consumer_that_is_known_has_to_read_the_new_version() {
    let server = with_rule(json!({ "retire_bar": "read", "retire_after": "5m", "retire_ignore": "root" })).await;
    let (one, two) = (consumer(&server, "one").await, consumer(&server, "two").await);
    let records = |server: &TestServer| server.source().effects().len();
    read(&server, &one).await;
    read(&server, &two).await;
    current(&server).await;
    rotate(&server).await.ok();
    pass(&server, 600).await;
    assert_eq!(lagging(&server).await, ["one", "two"]);
    read(&server, &one).await;
    assert_eq!(lagging(&server).await, ["two"]);
    let effects = records(&server);
    let seen = proof(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/met")), (&json!("waiting"), &json!(false)));
    assert_eq!((seen.at("/data/old_version"), seen.at("/data/new_version")), (&json!(1), &json!(2)));
    assert!(seen.text_at("/data/missing/0").contains("two") && seen.at("/data/log_complete") == &json!(true));
    assert!(seen.at("/data/sessions").is_number(), "what the source says is worth knowing");
    // One that reads the old one again holds it again.
    pass(&server, 20).await;
    server.get("secret/data/orders?version=1", &one).await.ok();
    assert_eq!(lagging(&server).await, ["one", "two"]);
    pass(&server, 20).await;
    read(&server, &one).await;
    // A process that dies forgets nothing: the log is read again.
    let mut server = server;
    server.restart().await;
    assert_eq!(lagging(&server).await, ["two"]);
    pass(&server, 3_600).await;
    assert_eq!(records(&server), effects);
    assert!(first_opens(&server));
    read(&server, &two).await;
    pass(&server, 60).await;
    assert!(!first_opens(&server) && current_opens(&server).await);
    let seen = proof(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/met")), (&json!("idle"), &json!(true)));
    assert_eq!(seen.at("/data/last_retired_lagging"), &json!([]));
}

#[tokio::test]
async fn reads_through_another_door_are_reads_of_the_same_secret() {
    let server = with_rule(json!({ "retire_bar": "read", "retire_after": "60s" })).await;
    server.policy("owner", r#"path "secret/*" { capabilities = ["read"] }"#).await;
    let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
    ask(&server, &key, "GetSecretValue", json!({ "SecretId": "orders" })).await.expect(200);
    let batch = server.access_key("batch", &["owner"], Some(30 * 86_400)).await;
    let many = json!({ "SecretIdList": ["orders"] });
    ask(&server, &batch, "BatchGetSecretValue", many.clone()).await.expect(200);
    rotate(&server).await.ok();
    pass(&server, 300).await;
    assert_eq!(lagging(&server).await.len(), 2);
    ask(&server, &key, "GetSecretValue", json!({ "SecretId": "orders" })).await.expect(200);
    assert_eq!(lagging(&server).await.len(), 1);
    ask(&server, &batch, "BatchGetSecretValue", many).await.expect(200);
    pass(&server, 60).await;
    assert!(!first_opens(&server));
}

#[tokio::test]
async fn a_read_that_was_refused_or_wrapped_counts_as_what_it_is() {
    let server = with_rule(json!({ "retire_bar": "read", "retire_after": "60s" })).await;
    let stranger = server.token(&[]).await;
    server.get("secret/data/orders", &stranger).await.expect(403);
    let one = consumer(&server, "wraps").await;
    server.call("GET", "secret/data/orders").token(&one).wrap("60s").send().await.ok();
    rotate(&server).await.ok();
    pass(&server, 300).await;
    assert_eq!(lagging(&server).await, ["wraps"]);
}

#[tokio::test]
async fn consumers_say_themselves_that_the_new_version_works() {
    let server = with_rule(json!({ "retire_bar": "acknowledged", "retire_after": "60s" })).await;
    let (one, two) = (consumer(&server, "one").await, consumer(&server, "two").await);
    let ack = |token: String, version: u64| {
        let server = &server;
        async move { server.post("secret/rotation-ack/orders", &token, json!({ "version": version })).await }
    };
    read(&server, &one).await;
    ack(one.clone(), 1).await.expect(204);
    rotate(&server).await.ok();
    pass(&server, 600).await;
    read(&server, &one).await;
    read(&server, &two).await;
    assert_eq!(lagging(&server).await, ["one", "two"], "to read is not to say that it works");
    ack(one.clone(), 7).await.expect(400);
    ack(one.clone(), 2).await.expect(204);
    pass(&server, 600).await;
    assert!(first_opens(&server));
    ack(two.clone(), 2).await.expect(204);
    server.settle().await;
    assert!(!first_opens(&server) && current_opens(&server).await);
    // Only who may.
    let stranger = server.token(&[]).await;
    ack(stranger.clone(), 2).await.expect(403);
    server.get("secret/rotation-proof/orders", &stranger).await.expect(403);
}

#[tokio::test]
async fn an_emergency_says_who_will_break_and_who_did() {
    let server = with_rule(json!({ "retire_bar": "read", "retire_after": "1h", "retire_ignore": "root" })).await;
    let (one, two) = (consumer(&server, "one").await, consumer(&server, "two").await);
    read(&server, &one).await;
    read(&server, &two).await;
    let said = server.post("secret/rotate/orders", server.root(), json!({ "emergency": true })).await.ok();
    assert_eq!(said.at("/data/will_break"), &json!(["one", "two"]));
    server.settle().await;
    assert!(!first_opens(&server));
    let seen = proof(&server).await;
    assert_eq!(seen.at("/data/last_retired_reason"), "emergency");
    assert_eq!(seen.at("/data/last_retired_lagging"), &json!(["one", "two"]));
    // Where one waits already, those that have moved do not break.
    read(&server, &one).await;
    read(&server, &two).await;
    rotate(&server).await.ok();
    pass(&server, 120).await;
    read(&server, &one).await;
    let said = server.post("secret/rotate/orders", server.root(), json!({ "emergency": true })).await.ok();
    assert_eq!(said.at("/data/will_break"), &json!(["two"]));
    server.settle().await;
    assert_eq!(status(&server).await.at("/data/state"), "idle");
}

#[tokio::test]
async fn a_log_that_is_long_is_read_piece_by_piece_before_anybody_is_believed() {
    let server = with_rule(json!({ "retire_bar": "read", "retire_after": "60s" })).await;
    let one = consumer(&server, "one").await;
    read(&server, &one).await;
    rotate(&server).await.ok();
    server.settle().await;
    // More records than one question looks at, after the read that matters.
    let event = cardea_audit::OpenRecord::event(
        cardea_audit::LogTime::from_unix_ms(server.now().0),
        "filler",
        "n1",
        cardea_audit::record::Event { what: "filler".into(), subject: None, detail: None },
    );
    let bytes = bytes::Bytes::from(event.encode().unwrap());
    for _ in 0..700 {
        let mut txn = server.active().sealed.txn();
        (0..90).for_each(|_| txn.append(bytes.clone()));
        txn.commit().await.unwrap();
    }
    let mut server = server;
    server.restart().await;
    let seen = proof(&server).await;
    assert_eq!(seen.at("/data/log_complete"), &json!(false));
    assert!(seen.at("/data/met") == &json!(false));
    pass(&server, 200).await;
    assert_eq!(lagging(&server).await, ["one"]);
    assert!(first_opens(&server));
}

#[tokio::test]
async fn posture_judges_each_secret_by_its_kind_and_shows_it_to_whom_it_may() {
    let server = with_rule(json!({})).await;
    let post = |path: &'static str, body: Value| {
        let server = &server;
        async move { server.post(path, server.root(), body).await.expect(204) }
    };
    post("secret/posture-limits/database", json!({ "max_age": "720h", "must_rotate": true })).await;
    post("secret/posture-limits/default", json!({ "max_unread": "240h" })).await;
    post("secret/metadata/orders", json!({ "custom_metadata": { "kind": "database" } })).await;
    for path in ["secret/data/quiet", "secret/data/used"] {
        server.post(path, server.root(), json!({ "data": { "key": "x" } })).await.ok();
    }
    let findings = |reply: Reply| -> Vec<(String, Value)> {
        let secrets = reply.at("/data/secrets").as_array().unwrap().clone();
        secrets.into_iter().map(|one| (one["path"].as_str().unwrap().to_owned(), one["findings"].clone())).collect()
    };
    let page = |query: &'static str| {
        let server = &server;
        async move { server.get(&format!("secret/posture{query}"), server.root()).await.ok() }
    };
    let all = |list: [(&str, Value); 3]| list.map(|(path, findings)| (path.to_owned(), findings)).to_vec();
    let young = all([("orders", json!(["never-rotates"])), ("quiet", json!([])), ("used", json!([]))]);
    assert_eq!(findings(page("").await), young);
    server.advance(31 * 86_400);
    server.get("secret/data/used", server.root()).await.ok();
    let old = all([("orders", json!(["too-old", "never-rotates"])), ("quiet", json!(["unread"])), ("used", json!([]))]);
    assert_eq!(findings(page("").await), old);
    assert_eq!(findings(page("?findings=true").await), old[..2]);
    let first = page("?limit=1").await;
    assert_eq!((first.at("/data/next"), findings(first.clone())), (&json!("orders"), old[..1].to_vec()));
    assert_eq!(findings(page("?limit=2&after=orders").await), old[1..]);
    server.post("secret/rotation/orders", server.root(), json!({ "every": "24h" })).await.ok();
    rotate(&server).await.ok();
    wait(&server, 10).await;
    let seen = page("?limit=1").await;
    assert_eq!(findings(seen.clone()), [("orders".to_owned(), json!([]))]);
    let item = seen.at("/data/secrets/0");
    assert!(item["last_rotated"].is_string() && item["next_rotation"].is_string() && item["last_read"].is_string());
    assert_eq!((&item["version"], &item["owner"]), (&json!(2), &json!("root")));
    // Item by item by the caller's own rights, and not without the right to ask.
    let policy = r#"path "secret/posture" { capabilities = ["read"] }
        path "secret/metadata/used" { capabilities = ["read"] }"#;
    server.policy("auditor", policy).await;
    let auditor = server.token(&["auditor"]).await;
    let shown = server.get("secret/posture?limit=1", &auditor).await.ok();
    assert_eq!((shown.at("/data/next"), findings(shown.clone())), (&Value::Null, old[2..].to_vec()));
    let stranger = server.token(&[]).await;
    server.get("secret/posture", &stranger).await.expect(403);
}

#[tokio::test]
async fn one_question_shows_the_secrets_of_every_mount_against_limits_for_all() {
    let server = TestServer::start().await;
    let root = server.root();
    for (path, kind) in [("a", "kv"), ("a-b", "kv"), ("transit", "transit")] {
        server.mount(path, kind).await;
    }
    server.post("sys/mounts/old", root, json!({ "type": "kv" })).await.ok();
    for path in ["a/data/x", "a/data/y", "a-b/data/z"] {
        server.post(path, root, json!({ "data": { "k": "v" } })).await.ok();
    }
    server.post("old/deep/one", root, json!({ "k": "v" })).await.ok();
    server.post("a/metadata/x", root, json!({ "custom_metadata": { "kind": "database" } })).await.ok();
    let ask = async |query: &str, token: &str| server.get(&format!("sys/posture{query}"), token).await.ok();
    let shown = |page: &Reply| -> Vec<String> {
        let secrets = page.at("/data/secrets").as_array().unwrap();
        let line = |one: &Value| {
            format!("{} {} {}", one["path"].as_str().unwrap(), one["kind"].as_str().unwrap(), one["findings"])
        };
        secrets.iter().map(line).collect()
    };
    let plain = ["a-b/z default []", "a/x default []", "a/y default []", "old/deep/one default []"];
    assert_eq!(shown(&ask("", root).await), plain);

    // A mount's own limits of a kind stand before those for all.
    let limits = json!({ "must_rotate": true });
    server.post("sys/posture-limits/database", root, limits.clone()).await.expect(204);
    server.post("sys/posture-limits/default", root, json!({ "max_age": "1h", "must_rotate": true })).await.expect(204);
    server.post("a-b/posture-limits/default", root, json!({ "max_age": "720h" })).await.expect(204);
    server.advance(2 * 3600);
    let all = ask("", root).await;
    let judged = [
        "a-b/z default []",
        r#"a/x database ["never-rotates"]"#,
        r#"a/y default ["too-old","never-rotates"]"#,
        r#"old/deep/one default ["too-old","never-rotates"]"#,
    ];
    assert_eq!(shown(&all), judged);
    assert_eq!((all.at("/data/next"), all.at("/data/log_complete")), (&Value::Null, &json!(true)));
    assert_eq!(shown(&ask("?findings=true", root).await), judged[1..]);
    assert_eq!(shown(&ask("?mount=old", root).await), judged[3..]);
    assert_eq!(shown(&ask("?mount=transit/", root).await), [""; 0]);
    let kinds = server.get("sys/posture-limits", root).await.ok();
    assert_eq!(kinds.at("/data/kinds/database/must_rotate"), &json!(true));

    // Pages go on over mounts, whatever their size.
    for size in 1..=4 {
        let (mut seen, mut after) = (Vec::new(), String::new());
        for _ in 0..5 {
            let page = ask(&format!("?limit={size}{after}"), root).await;
            seen.extend(shown(&page));
            let Some(next) = page.at("/data/next").as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, judged, "{size}");
    }

    // Each secret by the caller's own rights to it, as its mount knows it.
    let policy = r#"path "sys/posture" { capabilities = ["read"] }
        path "a/metadata/y" { capabilities = ["read"] }
        path "old/deep/*" { capabilities = ["read"] }"#;
    server.policy("auditor", policy).await;
    let auditor = server.token(&["auditor"]).await;
    let page = ask("?limit=2", &auditor).await;
    assert_eq!(
        (page.at("/data/next"), shown(&page)),
        (&Value::Null, judged[2..].to_vec().iter().map(ToString::to_string).collect())
    );
    server.get("sys/posture-limits", &auditor).await.expect(403);
    server.delete("sys/posture-limits/default", root).await.expect(204);
    assert_eq!(shown(&ask("?mount=old", root).await), plain[3..]);
    let stranger = server.token(&[]).await;
    server.get("sys/posture", &stranger).await.expect(403);
}
