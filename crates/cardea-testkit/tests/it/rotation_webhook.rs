//! Rotations whose steps somebody else does. At every moment the version that Cardea serves as current opens the source, and no
//! password opens it that no version holds: with the process killed at every numbered point, and with whatever the webhook
//! answers.

use super::aws_secrets_manager::ask;
use cardea_testkit::{HOOK, HOOK_SECRET, Hooked, Reply, TestServer, at_every_point};
use serde_json::{Value, json};

/// More points than any change has.
const POINTS_MAX: u64 = 200;

async fn server(strategy: &str) -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("webhooks", "webhook").await;
    let hook = json!({ "address": HOOK, "secret": HOOK_SECRET });
    server.post("webhooks/config/orders", server.root(), hook).await.expect(204);
    server.hook().open("first");
    let value = json!({ "username": "orders", "password": "first", "host": "db" });
    server.post("secret/data/orders", server.root(), json!({ "data": value })).await.ok();
    let mut settings = json!({ "rotator": "webhooks/orders", "username": "orders", "strategy": strategy });
    if strategy != "single-user" {
        settings["retire_bar"] = json!("time");
        settings["retire_after"] = json!("10m");
    }
    server.post("secret/rotation/orders", server.root(), settings).await.ok();
    server
}

async fn current(server: &TestServer) -> String {
    let read = server.get("secret/data/orders", server.root()).await.ok();
    assert_eq!((read.at("/data/data/host"), read.at("/data/data/username")), (&json!("db"), &json!("orders")));
    read.text_at("/data/data/password")
}

async fn current_opens(server: &TestServer) -> bool {
    server.hook().passwords().contains(&current(server).await)
}

async fn status(server: &TestServer) -> Reply {
    server.get("secret/rotation/orders", server.root()).await.ok()
}

async fn rotate(server: &TestServer) -> Reply {
    server.post("secret/rotate/orders", server.root(), json!({})).await
}

async fn cancel(server: &TestServer) -> Reply {
    server.post("secret/rotation-cancel/orders", server.root(), json!({})).await
}

async fn orphans(server: &TestServer) -> Vec<String> {
    let mut known = Vec::new();
    for version in 1..=30 {
        let read = server.get(&format!("secret/data/orders?version={version}"), server.root()).await;
        if read.is_success() {
            known.push(read.text_at("/data/data/password"));
        }
    }
    server.hook().passwords().into_iter().filter(|password| !known.contains(password)).collect()
}

/// The old password's time runs out.
async fn end_of_the_old(server: &TestServer) {
    server.advance(660);
    server.settle().await;
}

fn steps(server: &TestServer) -> Vec<String> {
    server.hook().asked().iter().map(|asked| asked["Step"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_steps_come_in_order_with_what_each_one_needs() {
    let four = ["createSecret", "setSecret", "testSecret", "finishSecret"];
    for (strategy, expected) in [
        ("single-user", four.to_vec()),
        ("single-user-by-rotator", four.to_vec()),
        ("alternating-users", [&four[..], &["retireSecret"]].concat()),
        ("new-key", [&four[..], &["retireSecret"]].concat()),
    ] {
        let server = server(strategy).await;
        rotate(&server).await.ok();
        server.settle().await;
        assert_eq!(current(&server).await, "hooked-1", "{strategy}: {}", status(&server).await.text);
        end_of_the_old(&server).await;
        assert_eq!(steps(&server), expected, "{strategy}");
        assert_eq!(status(&server).await.at("/data/state"), "idle");
        let asked = server.hook().asked();
        let token = asked[0]["ClientRequestToken"].clone();
        for one in &asked {
            assert_eq!(one["SecretId"], "secret/orders", "{one}");
            assert_eq!((&one["Username"], &one["Strategy"]), (&json!("orders"), &json!(strategy)), "{one}");
            assert_eq!(one["ClientRequestToken"], token, "{one}");
        }
        let names = |one: &Value| {
            let values = ["Current", "Pending", "Known", "Old", "OldMadeByRotation", "Back"];
            values.into_iter().filter(|name| one.get(*name).is_some()).collect::<Vec<_>>()
        };
        let seen: Vec<Vec<&str>> = asked.iter().map(names).collect();
        assert_eq!(seen[..4], [vec!["Current"], vec!["Pending", "Known"], vec!["Pending"], vec!["Pending"]]);
        assert_eq!(asked[1]["Known"], json!([{ "username": "orders", "password": "first", "host": "db" }]));
        if let Some(retired) = asked.get(4) {
            assert_eq!(names(retired), ["Current", "Old", "OldMadeByRotation"]);
            assert_eq!((&retired["Old"]["password"], &retired["OldMadeByRotation"]), (&json!("first"), &json!(false)));
        }
        assert!(server.log_shows(&[HOOK_SECRET, "hooked-1", "first"]).await.is_empty());
    }
}

#[tokio::test]
async fn killed_at_any_point_the_current_version_opens_the_source() {
    let prepared = server("new-key").await;
    let faults = at_every_point(&prepared, "webhook", POINTS_MAX, async |server, plan, found| {
        let begun = rotate(server).await.is_success();
        server.settle().await;
        end_of_the_old(server).await;
        server.restart().await;
        // As found, before any background work.
        if !current_opens(server).await {
            found.shut(&format!("shut: {:?}", plan.trace()));
        }
        server.advance(700);
        server.settle().await;
        end_of_the_old(server).await;
        let after = status(server).await;
        let done = current(server).await != "first";
        let ended = after.at("/data/state") == "idle" && (done || !begun);
        if !current_opens(server).await || !ended || server.hook().passwords().len() != 1 {
            found.shut(&format!("does not end well: {}", after.text));
        }
        found.left(&orphans(server).await);
    });
    let faults = faults.await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn cancelled_after_any_number_of_steps_the_source_has_the_old_password_alone() {
    for answers in [Hooked::Well, Hooked::Lost] {
        let mut moved = false;
        for rounds in 0..8 {
            let server = server("new-key").await;
            rotate(&server).await.ok();
            server.hook().set(answers.clone());
            for _ in 0..rounds {
                server.round().await;
                server.advance(5);
            }
            server.hook().set(Hooked::Well);
            moved = current(&server).await != "first";
            if moved {
                break;
            }
            cancel(&server).await.ok();
            server.settle().await;
            server.advance(700);
            server.settle().await;
            let seen = status(&server).await;
            assert_eq!(seen.at("/data/state"), "idle", "{answers:?}, {rounds}: {}", seen.text);
            let open: Vec<String> = server.hook().passwords().into_iter().collect();
            assert_eq!(open, ["first"], "{answers:?}, {rounds}");
            rotate(&server).await.ok();
            server.settle().await;
            assert!(current_opens(&server).await && current(&server).await != "first", "{rounds}");
        }
        assert_eq!(moved, answers == Hooked::Well);
    }
}

#[tokio::test]
async fn whatever_the_webhook_answers_the_failure_is_told_and_heals() {
    use Hooked::{Down, Lost, Says, SaysTo};
    let late = r#"{"status":"source-down"}"#;
    for (answers, state, class, words) in [
        (Down, "make", "source-down", "cannot be reached"),
        (Lost, "make", "source-down", "whole answer"),
        (Says(500, "sk_hunter2"), "make", "source-down", "status 500"),
        (Says(429, ""), "make", "source-down", "status 429"),
        (Says(401, "sk_hunter2"), "make", "rotator-refused", "status 401"),
        (Says(302, ""), "make", "rotator-refused", "status 302"),
        (Says(200, "sk_hunter2"), "make", "rotator-refused", "contract"),
        (Says(200, r#"{"status":"done"}"#), "make", "rotator-refused", "no object `value`"),
        (Says(200, r#"{"status":"done","value":"sk_hunter2"}"#), "make", "rotator-refused", "no object `value`"),
        (SaysTo("setSecret", 200, late), "set", "source-down", "setSecret"),
        (SaysTo("setSecret", 200, r#"{"status":"rotator-refused"}"#), "set", "rotator-refused", "setSecret"),
        (SaysTo("testSecret", 200, late), "test", "source-down", "testSecret"),
        (SaysTo("finishSecret", 200, late), "test", "source-down", "finishSecret"),
    ] {
        let server = server("new-key").await;
        rotate(&server).await.ok();
        server.hook().set(answers.clone());
        for _ in 0..4 {
            server.settle().await;
            server.advance(60);
        }
        let seen = status(&server).await;
        assert_eq!(seen.at("/data/failure_class"), class, "{answers:?}: {}", seen.text);
        assert!(seen.text_at("/data/failure").contains(words), "{answers:?}: {}", seen.text);
        assert_eq!(seen.at("/data/state"), state, "{answers:?}");
        assert!(!seen.text.contains("hunter2"), "{}", seen.text);
        assert!(current_opens(&server).await && current(&server).await == "first", "{answers:?}");
        server.hook().set(Hooked::Well);
        server.advance(700);
        server.settle().await;
        assert!(current_opens(&server).await && current(&server).await != "first", "{answers:?}");
        assert!(orphans(&server).await.is_empty(), "{answers:?}");
        assert!(server.log_shows(&["hunter2", HOOK_SECRET]).await.is_empty());
    }
}

#[tokio::test]
async fn a_value_that_is_refused_is_made_anew_under_another_token() {
    for step in ["createSecret", "setSecret"] {
        let server = server("single-user-by-rotator").await;
        server.hook().set(Hooked::SaysTo(step, 200, r#"{"status":"value-refused"}"#));
        rotate(&server).await.ok();
        for _ in 0..8 {
            server.settle().await;
            server.advance(60);
        }
        let asked = server.hook().asked();
        let refused = asked.iter().filter(|one| one["Step"] == step);
        let tokens: std::collections::BTreeSet<&str> =
            refused.map(|one| one["ClientRequestToken"].as_str().unwrap()).collect();
        assert_eq!(tokens.len(), 4, "{step}: the first one and three more");
        server.hook().set(Hooked::Well);
        server.advance(700);
        server.settle().await;
        assert!(current_opens(&server).await && current(&server).await != "first", "{step}");
    }
}

#[tokio::test]
async fn who_signs_otherwise_is_not_heard() {
    let server = server("new-key").await;
    let other = json!({ "secret": "another secret that nobody else knows of" });
    server.post("webhooks/config/orders", server.root(), other).await.expect(204);
    let read = server.get("webhooks/config/orders", server.root()).await.ok();
    assert!(!read.text.contains("secret that"), "{}", read.text);
    rotate(&server).await.ok();
    server.settle().await;
    assert!(status(&server).await.text_at("/data/failure").contains("status 401"));
}

#[tokio::test]
async fn secrets_managers_clients_reach_it_by_its_name() {
    let server = server("new-key").await;
    let policy = r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }
        path "webhooks/rotate/orders/robot" { capabilities = ["update"] }"#;
    server.policy("owner", policy).await;
    let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
    server.hook().open("x");
    let token = |n: u32| format!("{n:08}-2222-4333-8444-555555555555");
    let text = r#"{"username":"robot","password":"x"}"#;
    let body = json!({ "Name": "hooked", "SecretString": text, "ClientRequestToken": token(1) });
    ask(&server, &key, "CreateSecret", body).await.expect(200);
    let rotate =
        |function: &str| json!({ "SecretId": "hooked", "ClientRequestToken": token(2), "RotationLambdaARN": function });
    let nobody = ask(&server, &key, "RotateSecret", rotate("arn:aws:lambda:eu-central-1:1:function:mine")).await;
    assert!(nobody.expect(400).text.contains("new-key"), "the words name the strategies");
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:single-user:webhooks/orders";
    ask(&server, &key, "RotateSecret", rotate(function)).await.expect(200);
    server.settle().await;
    let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": "hooked" })).await.expect(200);
    assert_eq!(read.at("/VersionId"), &json!(token(2)), "{}", status(&server).await.text);
    assert_eq!(server.hook().asked()[0]["ClientRequestToken"], json!(token(2)));
}
