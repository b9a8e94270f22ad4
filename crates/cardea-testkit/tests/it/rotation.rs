//! Credentials that change at their source. At every moment the version that Cardea serves as current opens the source, or,
//! where a source holds one password, the pending one does and Cardea says so; no password is at the source that no version
//! of the secret holds. Both are counted with the process killed at every numbered point.

use super::aws_secrets_manager::ask;
use cardea_testkit::{Mode, Reply, TestServer, at_every_point};
use serde_json::{Value, json};

/// More points than any change has.
const POINTS_MAX: u64 = 200;
const STRATEGIES: &[&str] = &["single-user", "single-user-by-rotator", "alternating-users"];

pub async fn server(strategy: &str) -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.database().await;
    server.source().add_user("orders", "first");
    let value = json!({ "data": {
        "engine": "postgres", "host": "db", "port": 5432, "username": "orders", "password": "first", "dbname": "orders",
    } });
    server.post("secret/data/orders", server.root(), value).await.ok();
    let settings = json!({ "rotator": "database/app", "username": "orders", "strategy": strategy });
    server.post("secret/rotation/orders", server.root(), settings).await.ok();
    server
}

pub async fn current(server: &TestServer) -> (String, String) {
    let read = server.get("secret/data/orders", server.root()).await.ok();
    assert_eq!((read.at("/data/data/host"), read.at("/data/data/port")), (&json!("db"), &json!(5432)));
    (read.text_at("/data/data/username"), read.text_at("/data/data/password"))
}

pub async fn current_opens(server: &TestServer) -> bool {
    let (username, password) = current(server).await;
    server.source().users().get(&username).is_some_and(|user| user.password == password)
}

pub async fn status(server: &TestServer) -> Reply {
    server.get("secret/rotation/orders", server.root()).await.ok()
}

pub async fn rotate(server: &TestServer) -> Reply {
    server.post("secret/rotate/orders", server.root(), json!({})).await
}

/// Users at the source with a password that no version of the secret holds.
async fn orphans(server: &TestServer) -> Vec<String> {
    let mut known = Vec::new();
    for version in 1..=30 {
        let read = server.get(&format!("secret/data/orders?version={version}"), server.root()).await;
        if read.is_success() {
            known.push((read.text_at("/data/data/username"), read.text_at("/data/data/password")));
        }
    }
    let users = server.source().users();
    let rotated = users.into_iter().filter(|(name, _)| name.starts_with("orders"));
    rotated
        .filter(|(name, user)| !known.contains(&(name.clone(), user.password.clone())))
        .map(|(name, _)| name)
        .collect()
}

#[tokio::test]
async fn a_change_reaches_the_source_and_then_the_readers() {
    for strategy in STRATEGIES {
        let server = server(strategy).await;
        for turn in 1..=3 {
            let before = current(&server).await;
            rotate(&server).await.ok();
            server.settle().await;
            let after = current(&server).await;
            assert_ne!(before.1, after.1, "{strategy}, turn {turn}");
            assert!(current_opens(&server).await, "{strategy}, turn {turn}");
            let user = if *strategy == "alternating-users" && turn % 2 == 1 { "orders_clone" } else { "orders" };
            assert_eq!(after.0, user, "{strategy}, turn {turn}");
            let users = server.source().users();
            let old_opens = users.get(&before.0).is_some_and(|user| user.password == before.1);
            assert_eq!(old_opens, *strategy == "alternating-users", "the old one goes on where two users are");
            let status = status(&server).await;
            assert_eq!((status.at("/data/state"), status.at("/data/failure")), (&json!("idle"), &Value::Null));
            assert!(status.at("/data/last_rotated").is_string());
        }
        assert!(orphans(&server).await.is_empty(), "{strategy}");
        let told: Vec<_> = server.log().await.into_iter().filter_map(|record| record.event).collect();
        let count = |what: &str| told.iter().filter(|event| event.what.as_str() == what).count();
        let told = ["rotation.created", "rotation.set", "rotation.finished", "rotation.failed"].map(count);
        assert_eq!(told, [3, 3, 3, 0], "{strategy}");
        let values: Vec<String> = server.source().users().into_values().map(|user| user.password).collect();
        assert!(server.log_shows(&values.iter().map(String::as_str).collect::<Vec<_>>()).await.is_empty());
    }
}

#[tokio::test]
async fn killed_at_any_point_the_current_version_opens_the_source() {
    let mut faults = Vec::new();
    for strategy in STRATEGIES {
        let prepared = server(strategy).await;
        let found = at_every_point(&prepared, strategy, POINTS_MAX, async |server, plan, found| {
            let begun = rotate(server).await.is_success();
            server.settle().await;
            server.restart().await;
            // As found, before any background work.
            let opens = current_opens(server).await;
            let seen = status(server).await;
            let explained = *strategy != "alternating-users"
                && !seen.at("/data/pending_version").is_null()
                && seen.at("/data/explanation").as_str().is_some_and(|words| words.contains("pending value"));
            if !opens && !explained {
                found.shut(&format!("shut: {:?}", plan.trace()));
            }
            server.advance(700);
            server.settle().await;
            let after = status(server).await;
            let (name, password) = current(server).await;
            let done = password != "first";
            if !current_opens(server).await || after.at("/data/state") != "idle" || (begun && !done) {
                found.shut(&format!("{name} does not end well: {}", after.text));
            }
            found.left(&orphans(server).await);
        });
        faults.extend(found.await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn cancelled_after_any_number_of_steps_the_source_has_the_current_value() {
    for strategy in STRATEGIES {
        let mut ended = false;
        for rounds in 0..8 {
            let server = server(strategy).await;
            let before = current(&server).await;
            rotate(&server).await.ok();
            if rounds == 5 {
                server.source().set_mode(Mode::LosingAnswers);
            }
            for _ in 0..rounds {
                server.round().await;
            }
            server.source().set_mode(Mode::Up);
            ended = status(&server).await.at("/data/state") == "idle";
            let cancel = server.post("secret/rotation-cancel/orders", server.root(), json!({})).await;
            assert_eq!(cancel.is_success(), !ended, "{strategy}, {rounds}: {}", cancel.text);
            server.settle().await;
            let status = status(&server).await;
            assert_eq!(status.at("/data/state"), "idle", "{strategy}, {rounds}");
            assert_eq!(status.at("/data/pending_version"), &Value::Null);
            assert_eq!(current(&server).await == before, !ended, "{strategy}, {rounds}");
            assert!(current_opens(&server).await, "{strategy}, {rounds}");
            // Free for the next one.
            rotate(&server).await.ok();
            server.settle().await;
            assert!(current_opens(&server).await && current(&server).await != before, "{strategy}, {rounds}");
        }
        assert!(ended, "{strategy}: eight rounds are a whole change");
    }
}

#[tokio::test]
async fn a_source_that_is_down_is_waited_for_with_the_same_value() {
    for mode in [Mode::Down, Mode::LosingAnswers] {
        let server = server("single-user").await;
        server.source().set_mode(mode);
        rotate(&server).await.ok();
        for _ in 0..4 {
            server.settle().await;
            server.advance(700);
        }
        let seen = status(&server).await;
        assert_eq!(seen.at("/data/failure_class"), "source-down", "{}", seen.text);
        assert!(seen.number_at("/data/attempts") > 2);
        let pending = seen.number_at("/data/pending_version");
        server.source().set_mode(Mode::Up);
        server.advance(700);
        server.settle().await;
        let read = server.get("secret/data/orders", server.root()).await.ok();
        assert_eq!(read.number_at("/data/metadata/version"), pending);
        assert!(current_opens(&server).await);
        assert_eq!(status(&server).await.at("/data/failure"), &Value::Null);
    }
}

#[tokio::test]
async fn what_a_rotator_may_not_do_is_said_and_nothing_is_touched() {
    // Another user than the one that was decided on, the connection's own, and no connection.
    for (name, change, value) in [
        ("another user", json!({}), json!({ "username": "root", "password": "x" })),
        (
            "own user",
            json!({ "username": "cardea" }),
            json!({ "username": "cardea", "password": "initial-root-password" }),
        ),
        ("no connection", json!({ "rotator": "database/none" }), json!({ "username": "orders", "password": "first" })),
        ("no mount", json!({ "rotator": "nowhere/app" }), json!({ "username": "orders", "password": "first" })),
        ("no rotator", json!({ "rotator": "secret/app" }), json!({ "username": "orders", "password": "first" })),
        ("no login", json!({}), json!({ "api_key": "x" })),
    ] {
        let server = server("single-user-by-rotator").await;
        server.post("secret/rotation/orders", server.root(), change).await.ok();
        server.post("secret/data/orders", server.root(), json!({ "data": value })).await.ok();
        let (users, calls) = (server.source().users(), server.source().calls());
        rotate(&server).await.ok();
        server.settle().await;
        let seen = status(&server).await;
        assert_eq!(seen.at("/data/failure_class"), "rotator-refused", "{name}: {}", seen.text);
        assert_eq!((server.source().users(), server.source().calls()), (users, calls), "{name}");
        server.post("secret/rotation-cancel/orders", server.root(), json!({})).await.ok();
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_can_be_given_up() {
    let server = server("alternating-users").await;
    server.source().set_mode(Mode::LosingAnswers);
    rotate(&server).await.ok();
    server.settle().await;
    let cancel = || server.post("secret/rotation-cancel/orders", server.root(), json!({}));
    assert_eq!(cancel().await.ok().at("/data/state"), "undo");
    server.source().set_mode(Mode::Down);
    assert_eq!(cancel().await.ok().at("/data/state"), "undo", "it was not tried yet");
    server.settle().await;
    let given_up = cancel().await.ok();
    assert_eq!(given_up.at("/data/state"), "idle");
    assert!(
        !given_up.at("/data/pending_version").is_null() && given_up.text_at("/data/explanation").contains("given up")
    );
    rotate(&server).await.expect(400);
    assert_eq!(cancel().await.ok().at("/data/pending_version"), &Value::Null);
    server.source().set_mode(Mode::Up);
    rotate(&server).await.ok();
    server.settle().await;
    assert!(current_opens(&server).await);
}

#[tokio::test]
async fn who_may_decide_who_rotates_whom() {
    let server = server("single-user").await;
    server.policy("owner", r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }"#).await;
    server.policy("user", r#"path "database/rotate/app/orders" { capabilities = ["update"] }"#).await;
    let (owner, both) = (server.token(&["owner"]).await, server.token(&["owner", "user"]).await);
    let ask = json!({ "rotator": "database/app", "username": "orders", "strategy": "alternating-users" });
    server.post("secret/rotation/orders", &owner, ask.clone()).await.expect(403);
    server.post("secret/rotation/orders", &both, ask).await.expect(200);
    let other = json!({ "username": "cardea" });
    server.post("secret/rotation/orders", &both, other).await.expect(403);
    // What was decided may be run by whoever may do that to the secret.
    server.post("secret/rotate/orders", &owner, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_schedule_begins_by_itself_and_a_pause_holds_it() {
    let server = server("alternating-users").await;
    server.post("secret/rotation/orders", server.root(), json!({ "every": "24h" })).await.ok();
    let first = current(&server).await;
    server.advance(86_000);
    server.settle().await;
    assert_eq!(current(&server).await, first);
    server.advance(500);
    server.settle().await;
    let second = current(&server).await;
    assert_ne!(second, first);
    server.post("secret/rotation/orders", server.root(), json!({ "paused": true })).await.ok();
    server.advance(3 * 86_400);
    server.settle().await;
    assert_eq!(current(&server).await, second);
    server.post("secret/rotation/orders", server.root(), json!({ "paused": false })).await.ok();
    server.settle().await;
    assert_ne!(current(&server).await, second);
    assert!(current_opens(&server).await);
    // Times of the day, and a window that a server which was down has missed.
    let third = current(&server).await;
    let body = json!({ "schedule": "cron(0 8 * * ? *)", "window": "2h" });
    let next = server.post("secret/rotation/orders", server.root(), body).await.ok().text_at("/data/next_rotation");
    assert!(next.ends_with("T08:00:00Z"), "{next}");
    let next = cardea_model::Timestamp::parse_rfc3339(&next).unwrap();
    server.advance(next.seconds_from(server.now()) + 3 * 3_600);
    server.settle().await;
    assert_eq!(current(&server).await, third);
    assert!(status(&server).await.text_at("/data/failure").contains("missed"));
    server.advance(22 * 3_600);
    server.settle().await;
    assert_ne!(current(&server).await, third);
    // A secret that is gone rotates no more.
    server.delete("secret/metadata/orders", server.root()).await.ok();
    server.advance(3 * 86_400);
    server.settle().await;
}

#[tokio::test]
async fn going_back_is_a_change_like_any_other() {
    for strategy in STRATEGIES {
        let server = server(strategy).await;
        let first = current(&server).await;
        rotate(&server).await.ok();
        server.settle().await;
        server.post("secret/rotation-rollback/orders", server.root(), json!({})).await.ok();
        server.settle().await;
        assert_eq!(current(&server).await, first, "{strategy}");
        assert!(current_opens(&server).await, "{strategy}");
        rotate(&server).await.ok();
        server.settle().await;
        assert!(current_opens(&server).await, "{strategy}");
    }
}

#[tokio::test]
async fn secrets_managers_clients_decide_run_and_hold_the_same_rotation() {
    let server = server("single-user").await;
    server.delete("secret/metadata/orders", server.root()).await.ok();
    server.delete("secret/rotation/orders", server.root()).await.ok();
    let owner = r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }
        path "database/rotate/app/orders" { capabilities = ["update"] }"#;
    server.policy("owner", owner).await;
    server.policy("narrow", r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }"#).await;
    let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
    let narrow = server.access_key("clerk", &["narrow"], Some(30 * 86_400)).await;
    // As AWS's own functions want it: the port is a number.
    let text =
        r#"{"engine":"postgres","host":"db","port":5432,"username":"orders","password":"first","dbname":"orders"}"#;
    let token = |n: u32| format!("{n:08}-2222-4333-8444-555555555555");
    let body = json!({ "Name": "orders", "SecretString": text, "ClientRequestToken": token(1) });
    ask(&server, &key, "CreateSecret", body).await.expect(200);
    let rotate = json!({
        "SecretId": "orders", "ClientRequestToken": token(2), "RotationRules": { "AutomaticallyAfterDays": 7 },
        "RotationLambdaARN": "arn:aws:lambda:eu-central-1:123456789012:function:alternating-users:database/app",
    });
    let refused = ask(&server, &narrow, "RotateSecret", rotate.clone()).await.expect(400);
    assert_eq!(refused.at("/__type"), "AccessDeniedException");
    for _ in 0..2 {
        let begun = ask(&server, &key, "RotateSecret", rotate.clone()).await.expect(200);
        assert_eq!(begun.at("/VersionId"), &json!(token(2)));
    }
    server.settle().await;
    let again = ask(&server, &key, "RotateSecret", rotate).await.expect(200);
    assert_eq!(again.at("/VersionId"), &json!(token(2)), "the same token again begins nothing");
    let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": "orders" })).await.expect(200);
    assert_eq!(read.at("/VersionId"), &json!(token(2)));
    let value: Value = serde_json::from_str(&read.text_at("/SecretString")).unwrap();
    assert_eq!((&value["username"], &value["port"]), (&json!("orders_clone"), &json!(5432)));
    assert_eq!(server.source().users()["orders_clone"].password, value["password"]);
    assert_eq!(server.source().users()["orders"].password, "first", "the previous one goes on");
    let seen = ask(&server, &key, "DescribeSecret", json!({ "SecretId": "orders" })).await.expect(200);
    assert_eq!(seen.at("/RotationEnabled"), &json!(true));
    assert_eq!(seen.at("/RotationRules/AutomaticallyAfterDays"), &json!(7));
    assert!(seen.at("/LastRotatedDate").is_number() && seen.at("/NextRotationDate").is_number());
    let stages = seen.at("/VersionIdsToStages");
    assert_eq!(stages, &json!({ token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT"] }));
    // A week later by itself, and back to the first user.
    server.advance(7 * 86_400 + 1);
    server.settle().await;
    let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": "orders" })).await.expect(200);
    let value: Value = serde_json::from_str(&read.text_at("/SecretString")).unwrap();
    assert_eq!(server.source().users()["orders"].password, value["password"]);
    // Held while one is on its way, and a label that was left over.
    let body = json!({ "SecretId": "orders", "ClientRequestToken": token(3) });
    ask(&server, &key, "RotateSecret", body).await.expect(200);
    ask(&server, &key, "CancelRotateSecret", json!({ "SecretId": "orders" })).await.expect(200);
    server.settle().await;
    let seen = ask(&server, &key, "DescribeSecret", json!({ "SecretId": "orders" })).await.expect(200);
    assert_eq!((seen.at("/RotationEnabled"), seen.at("/NextRotationDate")), (&json!(false), &Value::Null));
    let put = json!({
        "SecretId": "orders", "SecretString": "x", "ClientRequestToken": token(4), "VersionStages": ["AWSPENDING"],
    });
    ask(&server, &key, "PutSecretValue", put).await.expect(200);
    let body = json!({ "SecretId": "orders", "ClientRequestToken": token(5) });
    let refused = ask(&server, &key, "RotateSecret", body.clone()).await.expect(400);
    assert_eq!(refused.at("/__type"), "InvalidRequestException");
    ask(&server, &key, "CancelRotateSecret", json!({ "SecretId": "orders" })).await.expect(200);
    ask(&server, &key, "RotateSecret", body).await.expect(200);
    server.settle().await;
    let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": "orders" })).await.expect(200);
    assert_eq!(read.at("/VersionId"), &json!(token(5)));
}
