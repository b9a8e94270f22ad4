//! The end of old credentials. What opens the source for readers is never turned off; what nobody waits for any more is
//! turned off once, and only when its owner's bar is met. Counted with the process killed at every numbered point.

use super::rotation::{current, current_opens, rotate, server, status};
use cardea_testkit::{Mode, TestServer, at_every_point};
use serde_json::{Value, json};

/// More points than any change with its end has.
const POINTS_MAX: u64 = 300;
/// Longest wait of one test, in looks.
const LOOKS_MAX: u64 = 80;

pub async fn with_rule(rule: Value) -> TestServer {
    let server = server("alternating-users").await;
    server.post("secret/rotation/orders", server.root(), rule).await.ok();
    server
}

/// Whether the very first credential, of the user `orders`, opens the source.
fn first_opens(server: &TestServer) -> bool {
    server.source().users()["orders"].password == "first"
}

/// Lets time go by, look by look; the current version opens the source at each.
pub async fn wait(server: &TestServer, seconds: u64) {
    for _ in 0..seconds.div_ceil(10) {
        server.advance(10);
        server.settle().await;
        assert!(current_opens(server).await);
    }
}

#[tokio::test]
async fn without_a_rule_the_old_credential_lives_until_the_next_rotation() {
    let server = server("alternating-users").await;
    rotate(&server).await.ok();
    server.settle().await;
    assert_eq!(status(&server).await.at("/data/state"), "idle");
    wait(&server, 1_000).await;
    assert!(first_opens(&server));
    rotate(&server).await.ok();
    server.settle().await;
    assert!(!first_opens(&server) && current_opens(&server).await);
}

#[tokio::test]
async fn after_a_time_the_old_credential_is_turned_off() {
    let server = with_rule(json!({ "retire_bar": "time", "retire_after": "10m" })).await;
    assert!(server.source().connect("orders", "first"));
    rotate(&server).await.ok();
    server.settle().await;
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/last_retired")), (&json!("retire"), &Value::Null));
    assert!(seen.at("/data/last_rotated").is_string(), "readers have the new one already");
    assert!(seen.text_at("/data/retire_lacks/0").contains("settling"));
    wait(&server, 590).await;
    assert!(first_opens(&server));
    wait(&server, 60).await;
    assert!(!first_opens(&server));
    assert_eq!(server.source().users()["orders"].sessions, 1, "nobody said that its sessions end");
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/last_retired_version")), (&json!("idle"), &json!(1)));
    assert_eq!(seen.at("/data/last_retired_reason"), "proved");
    // What is gone is gone; the next change is a change like any other.
    let back = server.post("secret/rotation-rollback/orders", server.root(), json!({})).await;
    assert!(back.expect(400).text.contains("retired"));
    rotate(&server).await.ok();
    wait(&server, 700).await;
    assert_eq!(current(&server).await.0, "orders");
    let told: Vec<_> = server.log().await.into_iter().filter_map(|record| record.event).collect();
    let count = |what: &str| told.iter().filter(|event| event.what.as_str() == what).count();
    assert_eq!(
        ["rotation.finished", "rotation.retiring", "rotation.retired", "rotation.failed"].map(count),
        [2, 2, 2, 0]
    );
}

#[tokio::test]
async fn sessions_of_the_old_credential_hold_it_until_they_are_gone_for_long_enough() {
    let server = with_rule(json!({ "retire_bar": "sessions", "retire_after": "5m" })).await;
    assert!(server.source().connect("orders", "first"));
    rotate(&server).await.ok();
    wait(&server, 3_600).await;
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/retire_sessions")), (&json!("retire"), &json!(1)));
    assert!(first_opens(&server));
    server.source().disconnect("orders");
    wait(&server, 240).await;
    // One that comes and goes between two looks is not seen; one that stays for a look begins the time anew.
    assert!(server.source().connect("orders", "first"));
    wait(&server, 40).await;
    server.source().disconnect("orders");
    wait(&server, 270).await;
    assert!(first_opens(&server));
    wait(&server, 120).await;
    assert!(!first_opens(&server));
    assert_eq!(status(&server).await.at("/data/last_retired_reason"), "proved");
}

#[tokio::test]
async fn the_owners_latest_moment_comes_whatever_is_seen() {
    let rule = json!({
        "retire_bar": "sessions", "retire_after": "5m", "retire_latest": "1h", "retire_end_sessions": true,
    });
    let server = with_rule(rule).await;
    assert!(server.source().connect("orders", "first"));
    rotate(&server).await.ok();
    wait(&server, 3_560).await;
    assert!(first_opens(&server));
    wait(&server, 90).await;
    assert!(!first_opens(&server));
    assert_eq!(server.source().users()["orders"].sessions, 0);
    assert_eq!(status(&server).await.at("/data/last_retired_reason"), "time-ran-out");
}

#[tokio::test]
async fn in_an_emergency_the_old_credential_ends_with_the_change() {
    // With a rule and without one; begun as an emergency, or become one while the end is waited for.
    for rule in [json!({}), json!({ "retire_bar": "sessions" })] {
        for late in [false, true] {
            let server = with_rule(rule.clone()).await;
            assert!(server.source().connect("orders", "first"));
            if late {
                rotate(&server).await.ok();
                server.settle().await;
                if rule == json!({}) {
                    // Nothing waits: an emergency is a change of its own, and both old ones are gone after it.
                    assert_eq!(status(&server).await.at("/data/state"), "idle");
                }
            }
            server.post("secret/rotate/orders", server.root(), json!({ "emergency": true })).await.ok();
            server.settle().await;
            let seen = status(&server).await;
            assert_eq!(
                (seen.at("/data/state"), seen.at("/data/last_retired_reason")),
                (&json!("idle"), &json!("emergency"))
            );
            assert!(!first_opens(&server) && current_opens(&server).await);
            let (user, _) = current(&server).await;
            let other = if user == "orders" { "orders_clone" } else { "orders" };
            assert_eq!(server.source().users()[other].sessions, 0, "{rule} {late}");
        }
    }
}

#[tokio::test]
async fn going_back_and_cancelling_work_until_the_end_was_decided() {
    let rule = json!({ "retire_bar": "time", "retire_after": "10m" });
    // Back to the first version while its end is waited for: it is the new one that ends then.
    let server = with_rule(rule.clone()).await;
    let first = current(&server).await;
    rotate(&server).await.ok();
    wait(&server, 300).await;
    rotate(&server).await.expect(400);
    server.post("secret/rotation-rollback/orders", server.root(), json!({})).await.ok();
    wait(&server, 700).await;
    assert_eq!(current(&server).await, first);
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/last_retired_version")), (&json!("idle"), &json!(2)));
    // Cancelled while waiting: the old one lives, and one can go back to it.
    let server = with_rule(rule.clone()).await;
    rotate(&server).await.ok();
    wait(&server, 300).await;
    server.post("secret/rotation-cancel/orders", server.root(), json!({})).await.ok();
    wait(&server, 900).await;
    assert!(first_opens(&server));
    server.post("secret/rotation-rollback/orders", server.root(), json!({})).await.ok();
    server.settle().await;
    assert_eq!(current(&server).await, first);
    // Cancelled while the source is asked: nobody knows, so no way leads back; the current version stays.
    let server = with_rule(rule).await;
    rotate(&server).await.ok();
    wait(&server, 300).await;
    server.source().set_mode(Mode::LosingAnswers);
    wait(&server, 400).await;
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/failure_class")), (&json!("retire"), &json!("source-down")));
    assert!(seen.text_at("/data/explanation").contains("turned off"));
    server.post("secret/rotation-rollback/orders", server.root(), json!({})).await.expect(400);
    server.post("secret/rotation-cancel/orders", server.root(), json!({})).await.ok();
    server.source().set_mode(Mode::Up);
    let back = server.post("secret/rotation-rollback/orders", server.root(), json!({})).await;
    assert!(back.expect(400).text.contains("retired"));
    rotate(&server).await.ok();
    wait(&server, 700).await;
    assert_eq!(
        (status(&server).await.at("/data/state"), current(&server).await.0),
        (&json!("idle"), "orders".to_owned())
    );
}

#[tokio::test]
async fn what_readers_get_as_current_is_never_turned_off() {
    for (name, by_hand) in [("label moved back", false), ("written again", true)] {
        let server = with_rule(json!({ "retire_bar": "time", "retire_after": "10m" })).await;
        rotate(&server).await.ok();
        wait(&server, 300).await;
        let effects = server.source().effects().len();
        // Somebody gives readers the old credential again, by hand.
        let value =
            json!({ "engine": "postgres", "host": "db", "port": 5432, "username": "orders", "password": "first" });
        if by_hand {
            server.post("secret/data/orders", server.root(), json!({ "data": value })).await.ok();
        } else {
            server.policy("owner", r#"path "secret/*" { capabilities = ["read", "update", "delete"] }"#).await;
            let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
            let versions =
                super::aws_secrets_manager::ask(&server, &key, "DescribeSecret", json!({ "SecretId": "orders" })).await;
            let stages = versions.at("/VersionIdsToStages").as_object().unwrap().clone();
            let id_of = |label: &str| {
                let found = stages.iter().find(|(_, labels)| labels.as_array().unwrap().contains(&json!(label)));
                found.unwrap().0.clone()
            };
            let body = json!({
                "SecretId": "orders", "VersionStage": "AWSCURRENT",
                "MoveToVersionId": id_of("AWSPREVIOUS"), "RemoveFromVersionId": id_of("AWSCURRENT"),
            });
            super::aws_secrets_manager::ask(&server, &key, "UpdateSecretVersionStage", body).await.expect(200);
        }
        wait(&server, 1_000).await;
        assert!(first_opens(&server), "{name}");
        assert_eq!(server.source().effects().len(), effects, "{name}");
        let seen = status(&server).await;
        assert!(seen.text_at("/data/failure").contains("current"), "{name}: {}", seen.text);
    }
}

#[tokio::test]
async fn a_source_with_one_credential_has_nothing_to_retire() {
    let server = server("single-user").await;
    let rule = json!({ "retire_bar": "sessions", "retire_after": "5m" });
    server.post("secret/rotation/orders", server.root(), rule).await.ok();
    let first = current(&server).await;
    rotate(&server).await.ok();
    server.settle().await;
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/last_retired")), (&json!("idle"), &Value::Null));
    server.post("secret/rotation-rollback/orders", server.root(), json!({})).await.ok();
    server.settle().await;
    assert!(current(&server).await == first && current_opens(&server).await);
}

#[tokio::test]
async fn rules_that_mean_nothing_are_refused() {
    let server = server("alternating-users").await;
    for (rule, field) in [
        (json!({ "retire_bar": "soon" }), "retire_bar"),
        (json!({ "retire_after": "5m" }), "retire_bar"),
        (json!({ "retire_latest": "5m" }), "retire_bar"),
        (json!({ "retire_end_sessions": true }), "retire_bar"),
        (json!({ "retire_bar": "time" }), "retire_after"),
        (json!({ "retire_bar": "time", "retire_after": "59s" }), "retire_after"),
        (json!({ "retire_bar": "time", "retire_after": "9000h" }), "retire_after"),
        (json!({ "retire_bar": "time", "retire_after": "2h", "retire_latest": "1h" }), "retire_latest"),
    ] {
        let refused = server.post("secret/rotation/orders", server.root(), rule.clone()).await.expect(400);
        assert!(refused.text.contains(field), "{rule}: {}", refused.text);
    }
    server
        .post("secret/rotation/orders", server.root(), json!({ "retire_bar": "sessions", "retire_latest": "2h" }))
        .await
        .ok();
    let seen = status(&server).await;
    let shown = ["retire_bar", "retire_after", "retire_latest"].map(|name| seen.at(&format!("/data/{name}")).clone());
    assert_eq!(shown, [json!("sessions"), json!(300), json!(7_200)]);
    server.post("secret/rotation/orders", server.root(), json!({ "retire_bar": "none" })).await.ok();
    assert_eq!(status(&server).await.at("/data/retire_bar"), "none");
}

#[tokio::test]
async fn killed_at_any_point_the_old_credential_ends_once_and_the_current_one_never() {
    let prepared =
        with_rule(json!({ "retire_bar": "sessions", "retire_after": "60s", "retire_end_sessions": true })).await;
    let faults = at_every_point(&prepared, "retire", POINTS_MAX, async |server, plan, found| {
        let begun = rotate(server).await.is_success();
        let mut restarted = false;
        for _ in 0..LOOKS_MAX {
            server.settle().await;
            if plan.reached() && !restarted {
                // The process dies where the plan struck, and another one goes on.
                restarted = true;
                server.restart().await;
            }
            // What is asked here is a numbered point, too, and may be the one that is broken.
            let read = server.get("secret/data/orders", server.root()).await;
            if read.is_success() {
                let users = server.source().users();
                let user = users.get(&read.text_at("/data/data/username"));
                if user.is_none_or(|user| user.password != read.text_at("/data/data/password")) {
                    found.shut(&format!("shut: {:?}", plan.trace()));
                }
            }
            let seen = server.get("secret/rotation/orders", server.root()).await;
            if !begun || (seen.is_success() && seen.at("/data/last_retired").is_string()) {
                break;
            }
            server.advance(20);
        }
        server.restart().await;
        let seen = status(server).await;
        if begun && (first_opens(server) || seen.at("/data/state") != "idle") {
            found.left(&[seen.text]);
        }
    });
    let faults = faults.await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
