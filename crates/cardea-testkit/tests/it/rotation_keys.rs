//! Keys that a provider makes. At every moment the version that Cardea serves as current opens the provider; no key is at the
//! provider that no version of the secret holds. Both are counted with the process killed at every numbered point, and with
//! the answers of the provider lost, wrong, late or refusing.

use super::aws_secrets_manager::ask;
use cardea_testkit::{ADMIN_TOKEN, Answers, PROVIDER, Reply, TestServer, at_every_point};
use serde_json::{Value, json};

/// More points than any change has.
const POINTS_MAX: u64 = 200;
/// How a key is found again.
const WAYS: &[&str] = &["listed", "remembered", "both"];

pub fn declaration(way: &str) -> Value {
    let mut declared = json!({
        "address": PROVIDER,
        "admin_token": ADMIN_TOKEN,
        "headers": { "Authorization": "Bearer {{admin_token}}" },
        "create": {
            "request": { "method": "POST", "path": "/users/{{username}}/keys", "json": { "label": "cardea {{token}}" } },
            "id": "/data/id",
            "value": "/data/secret",
        },
        "test": { "request": { "method": "GET", "path": "/me", "headers": { "authorization": "Bearer {{value}}" } } },
        "revoke": { "request": { "method": "DELETE", "path": "/users/{{username}}/keys/{{id}}" } },
        "id_member": "key_id",
        "value_member": "api_key",
    });
    if way != "listed" {
        declared["create"]["idempotency"] = json!({ "header": "Idempotency-Key" });
    }
    if way != "remembered" {
        declared["find"] = json!({
            "request": { "method": "GET", "path": "/users/{{username}}/keys" },
            "items": "/keys", "id": "/id", "label": "/name", "label_is": "cardea {{token}}",
            "next": { "cursor": "/next", "path": "/users/{{username}}/keys?cursor={{cursor}}" },
        });
    }
    declared
}

async fn server(way: &str) -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("providers", "http-provider").await;
    server.post("providers/config/acme", server.root(), declaration(way)).await.expect(204);
    for n in 1..=3 {
        server.provider().add_key(&format!("other-{n}"), "somebody", &format!("sk_other_{n}"));
    }
    server.provider().add_key("first", "billing", "sk_first");
    let value = json!({ "username": "billing", "key_id": "first", "api_key": "sk_first", "region": "eu", "port": 1.5 });
    server.post("secret/data/billing", server.root(), json!({ "data": value })).await.ok();
    let settings = json!({
        "rotator": "providers/acme", "username": "billing", "strategy": "new-key",
        "retire_bar": "time", "retire_after": "10m",
    });
    server.post("secret/rotation/billing", server.root(), settings).await.ok();
    server
}

async fn current(server: &TestServer) -> (String, String) {
    let read = server.get("secret/data/billing", server.root()).await.ok();
    assert_eq!((read.at("/data/data/region"), read.at("/data/data/username")), (&json!("eu"), &json!("billing")));
    assert!(read.text.contains("\"port\":1.5"), "other members stay as they are");
    (read.text_at("/data/data/key_id"), read.text_at("/data/data/api_key"))
}

async fn current_opens(server: &TestServer) -> bool {
    let (id, value) = current(server).await;
    server.provider().opens(&id, &value)
}

async fn status(server: &TestServer) -> Reply {
    server.get("secret/rotation/billing", server.root()).await.ok()
}

async fn rotate(server: &TestServer) -> Reply {
    server.post("secret/rotate/billing", server.root(), json!({})).await
}

async fn cancel(server: &TestServer) -> Reply {
    server.post("secret/rotation-cancel/billing", server.root(), json!({})).await
}

/// Keys at the provider that no version of the secret holds, of this user.
async fn orphans(server: &TestServer) -> Vec<String> {
    let mut known = Vec::new();
    for version in 1..=30 {
        let read = server.get(&format!("secret/data/billing?version={version}"), server.root()).await;
        if read.is_success() {
            known.push((read.text_at("/data/data/key_id"), read.text_at("/data/data/api_key")));
        }
    }
    let keys = server.provider().keys().into_iter().filter(|(_, key)| key.owner == "billing");
    keys.filter(|(id, key)| !known.contains(&(id.clone(), key.value.clone()))).map(|(id, _)| id).collect()
}

fn others_are_there(server: &TestServer) -> bool {
    (1..=3).all(|n| server.provider().opens(&format!("other-{n}"), &format!("sk_other_{n}")))
}

#[tokio::test]
async fn a_new_key_is_made_tested_and_served() {
    for way in WAYS {
        let server = server(way).await;
        let mut before = current(&server).await;
        for turn in 1..=3 {
            rotate(&server).await.ok();
            server.settle().await;
            let after = current(&server).await;
            assert_ne!(before.0, after.0, "{way}, turn {turn}: {}", status(&server).await.text);
            assert!(current_opens(&server).await, "{way}, turn {turn}");
            assert_eq!(server.provider().made(), turn, "{way}: one key a turn");
            before = after;
            end_of_the_old(&server).await;
            assert_eq!(status(&server).await.at("/data/state"), "idle", "{way}, turn {turn}");
        }
        let owned = server.provider().keys().into_values().filter(|key| key.owner == "billing").count();
        assert_eq!(owned, 1, "{way}: old keys are revoked");
        assert!(orphans(&server).await.is_empty() && others_are_there(&server), "{way}");
        let told: Vec<_> = server.log().await.into_iter().filter_map(|record| record.event).collect();
        let count = |what: &str| told.iter().filter(|event| event.what.as_str() == what).count();
        let words = ["rotation.asked", "rotation.created", "rotation.set", "rotation.finished", "rotation.failed"];
        assert_eq!(words.map(count), [3, 3, 3, 3, 0], "{way}");
        let mut secrets = vec![ADMIN_TOKEN.to_owned(), "sk_first".to_owned()];
        secrets.extend(server.provider().keys().into_values().map(|key| key.value));
        assert!(server.log_shows(&secrets.iter().map(String::as_str).collect::<Vec<_>>()).await.is_empty(), "{way}");
    }
}

/// The old key's time runs out.
async fn end_of_the_old(server: &TestServer) {
    server.advance(660);
    server.settle().await;
}

#[tokio::test]
async fn a_secret_without_a_key_gets_its_first_one() {
    let server = server("listed").await;
    let value = json!({ "username": "billing", "region": "eu", "port": 1.5 });
    server.post("secret/data/billing", server.root(), json!({ "data": value })).await.ok();
    rotate(&server).await.ok();
    server.settle().await;
    assert!(current_opens(&server).await, "{}", status(&server).await.text);
    assert!(server.provider().opens("first", "sk_first"), "no version that was replaced held it");
    // There was no key before: nobody waits for its end, whatever bar was set, and nothing is said to have been retired.
    let seen = status(&server).await;
    assert_eq!((seen.at("/data/state"), seen.at("/data/last_retired_version")), (&json!("idle"), &json!(null)));
    rotate(&server).await.ok();
    server.settle().await;
    assert_eq!(status(&server).await.at("/data/state"), "retire", "the second key has a predecessor");
    end_of_the_old(&server).await;
    assert_eq!(status(&server).await.at("/data/state"), "idle");
    assert_eq!(owned(&server), 2, "the current key, and the one that is none of the rotation's");
}

#[tokio::test]
async fn killed_at_any_point_the_current_version_opens_the_provider() {
    let mut faults = Vec::new();
    for way in WAYS {
        let prepared = server(way).await;
        let found = at_every_point(&prepared, way, POINTS_MAX, async |server, plan, found| {
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
            let done = current(server).await.0 != "first";
            let old_is_there = server.provider().keys().contains_key("first");
            let ended = after.at("/data/state") == "idle" && old_is_there != done && (done || !begun);
            if !current_opens(server).await || !ended || !others_are_there(server) {
                found.shut(&format!("does not end well: {}", after.text));
            }
            found.left(&orphans(server).await);
        });
        faults.extend(found.await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn cancelled_after_any_number_of_steps_the_provider_has_the_old_key_alone() {
    for way in WAYS {
        for answers in [Answers::Well, Answers::Lost, Answers::Nonsense] {
            let mut moved = false;
            for rounds in 0..8 {
                let server = server(way).await;
                rotate(&server).await.ok();
                server.provider().set(answers);
                for _ in 0..rounds {
                    server.round().await;
                    server.advance(5);
                }
                server.provider().set(Answers::Well);
                moved = current(&server).await.0 != "first";
                if moved {
                    break;
                }
                cancel(&server).await.ok();
                server.settle().await;
                server.advance(700);
                server.settle().await;
                let seen = status(&server).await;
                assert_eq!(seen.at("/data/state"), "idle", "{way}, {answers:?}, {rounds}: {}", seen.text);
                assert_eq!(seen.at("/data/pending_version"), &Value::Null);
                let owned = server.provider().keys().into_iter().filter(|(_, key)| key.owner == "billing");
                let owned: Vec<String> = owned.map(|(id, _)| id).collect();
                assert_eq!(owned, ["first"], "{way}, {answers:?}, {rounds}");
                assert!(current_opens(&server).await && others_are_there(&server));
                // Free for the next one.
                rotate(&server).await.ok();
                server.settle().await;
                assert!(current_opens(&server).await && current(&server).await.0 != "first", "{way}, {rounds}");
            }
            assert_eq!(moved, answers == Answers::Well, "{way}: eight rounds are a whole change");
        }
    }
}

#[tokio::test]
async fn whatever_the_provider_answers_the_failure_is_told_and_heals() {
    use Answers::{Down, Flood, Lost, Noise, Nonsense, Status};
    for way in WAYS {
        for (answers, class, words) in [
            (Down, "source-down", "cannot be reached"),
            (Lost, "source-down", "whole answer"),
            (Flood, "source-down", "whole answer"),
            (Status(500), "source-down", "status 500"),
            (Status(429), "source-down", "status 429"),
            (Status(503), "source-down", "status 503"),
            (Status(302), "rotator-refused", "not followed"),
            (Status(401), "rotator-refused", "status 401"),
            (Status(403), "rotator-refused", "status 403"),
            (Status(422), "rotator-refused", "status 422"),
            (Status(204), "rotator-refused", "status 204"),
            (Nonsense, "rotator-refused", "declaration"),
            (Noise, "rotator-refused", "declaration"),
        ] {
            let server = server(way).await;
            rotate(&server).await.ok();
            server.provider().set(answers);
            for _ in 0..4 {
                server.settle().await;
                server.advance(60);
            }
            let seen = status(&server).await;
            assert_eq!(seen.at("/data/failure_class"), class, "{way}, {answers:?}: {}", seen.text);
            assert!(seen.text_at("/data/failure").contains(words), "{way}, {answers:?}: {}", seen.text);
            assert_eq!(seen.at("/data/state"), "make", "{way}, {answers:?}");
            assert!(seen.number_at("/data/attempts") > 2);
            assert!(!seen.text.contains("sk_") && !seen.text.contains(ADMIN_TOKEN), "{}", seen.text);
            assert!(current_opens(&server).await);
            server.provider().set(Answers::Well);
            server.advance(700);
            server.settle().await;
            assert!(current_opens(&server).await && current(&server).await.0 != "first", "{way}, {answers:?}");
            let left = orphans(&server).await;
            assert!(left.is_empty() && others_are_there(&server), "{way}, {answers:?}: {left:?}");
            let mut secrets = vec![ADMIN_TOKEN.to_owned()];
            secrets.extend(server.provider().keys().into_values().map(|key| key.value));
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            assert!(server.log_shows(&secrets).await.is_empty(), "{way}, {answers:?}");
        }
    }
}

#[tokio::test]
async fn a_status_that_was_declared_to_refuse_the_value_begins_anew_three_times() {
    let server = server("listed").await;
    let declared = json!({ "failures": { "409": "value-refused", "404": "source-down" } });
    server.post("providers/config/acme", server.root(), declared).await.expect(204);
    // Lists well; what it refuses is the making.
    let listing = json!({ "find": {} , "create": declaration("remembered")["create"] });
    server.post("providers/config/acme", server.root(), listing).await.expect(204);
    server.provider().set(Answers::Status(409));
    rotate(&server).await.ok();
    let mut tokens = std::collections::BTreeSet::new();
    for _ in 0..8 {
        server.settle().await;
        tokens.insert(status(&server).await.text_at("/data/token"));
        server.advance(60);
    }
    assert_eq!(tokens.len(), 3, "{}", status(&server).await.text);
    assert_eq!(status(&server).await.at("/data/failure_class"), "value-refused");
    server.provider().set(Answers::Well);
    server.advance(700);
    server.settle().await;
    assert!(current_opens(&server).await && current(&server).await.0 != "first");
}

#[tokio::test]
async fn what_a_provider_forgot_is_not_asked_for_again() {
    let server = server("remembered").await;
    rotate(&server).await.ok();
    server.provider().set(Answers::Lost);
    server.settle().await;
    server.advance(2 * 86_400);
    server.provider().set(Answers::Well);
    let made = server.provider().made();
    server.settle().await;
    let seen = status(&server).await;
    assert_eq!((made, server.provider().made()), (1, 1));
    assert_eq!(seen.at("/data/failure_class"), "rotator-refused");
    assert!(seen.text_at("/data/failure").contains("does not remember"), "{}", seen.text);
    // Its owner has looked: what cannot be taken back is given up.
    cancel(&server).await.ok();
    server.settle().await;
    assert_eq!(cancel(&server).await.ok().at("/data/state"), "idle");
    rotate(&server).await.ok();
    server.settle().await;
    assert!(current_opens(&server).await && current(&server).await.0 != "first");
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_not_served() {
    let server = server("listed").await;
    let test = json!({ "test": { "request": {
        "method": "GET", "path": "/me", "headers": { "authorization": "Basic {{basic}}" },
    } } });
    server.post("providers/config/acme", server.root(), test).await.expect(204);
    rotate(&server).await.ok();
    for _ in 0..3 {
        server.settle().await;
        server.advance(60);
    }
    let seen = status(&server).await;
    assert_eq!(seen.at("/data/failure_class"), "rotator-refused", "{}", seen.text);
    assert!(seen.text_at("/data/failure").contains("let the key in"));
    assert_eq!(current(&server).await.0, "first");
    cancel(&server).await.ok();
    server.settle().await;
    assert_eq!(status(&server).await.at("/data/state"), "idle");
    assert!(orphans(&server).await.is_empty());
}

#[tokio::test]
async fn who_may_decide_whose_keys_are_made() {
    let server = server("listed").await;
    server.policy("owner", r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }"#).await;
    server.policy("user", r#"path "providers/rotate/acme/billing" { capabilities = ["update"] }"#).await;
    let (owner, both) = (server.token(&["owner"]).await, server.token(&["owner", "user"]).await);
    let ask = json!({ "rotator": "providers/acme", "username": "billing", "strategy": "new-key" });
    server.post("secret/rotation/billing", &owner, ask.clone()).await.expect(403);
    server.post("secret/rotation/billing", &both, ask).await.expect(200);
    server.post("secret/rotation/billing", &both, json!({ "username": "somebody" })).await.expect(403);
    server.get("providers/config/acme", &both).await.expect(403);
}

#[tokio::test]
async fn what_a_rotator_may_not_do_is_said_and_nothing_is_touched() {
    let fine = json!({ "username": "billing", "key_id": "first", "api_key": "sk_first" });
    for (name, change, value) in [
        ("another user", json!({}), json!({ "username": "somebody" })),
        ("no declaration", json!({ "rotator": "providers/none" }), fine.clone()),
        ("another strategy", json!({ "strategy": "alternating-users" }), fine),
        ("a number as user", json!({}), json!({ "username": 1 })),
    ] {
        let server = server("listed").await;
        server.post("secret/rotation/billing", server.root(), change).await.ok();
        server.post("secret/data/billing", server.root(), json!({ "data": value })).await.ok();
        rotate(&server).await.ok();
        server.settle().await;
        let seen = status(&server).await;
        assert_eq!(seen.at("/data/failure_class"), "rotator-refused", "{name}: {}", seen.text);
        assert_eq!((seen.at("/data/state"), server.provider().calls()), (&json!("create"), 0), "{name}");
        cancel(&server).await.ok();
    }
}

#[tokio::test]
async fn a_chosen_token_is_that_of_no_other_secrets_key() {
    for way in WAYS {
        let server = server(way).await;
        let policy = r#"path "secret/*" { capabilities = ["create", "read", "update", "delete"] }
            path "providers/rotate/acme/*" { capabilities = ["update"] }"#;
        server.policy("owner", policy).await;
        let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
        let token = |n: u32| format!("{n:08}-2222-4333-8444-555555555555");
        let function = "arn:aws:lambda:eu-central-1:123456789012:function:new-key:providers/acme";
        for (n, name) in [(10, "one"), (20, "two")] {
            let text = format!(r#"{{"username":"{name}"}}"#);
            let body = json!({ "Name": name, "SecretString": text, "ClientRequestToken": token(n) });
            ask(&server, &key, "CreateSecret", body).await.expect(200);
            // The second one asks with the token of the first one.
            let body = json!({ "SecretId": name, "ClientRequestToken": token(1), "RotationLambdaARN": function });
            ask(&server, &key, "RotateSecret", body).await.expect(200);
            server.settle().await;
        }
        let mut ids = Vec::new();
        for name in ["one", "two"] {
            let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": name })).await.expect(200);
            assert_eq!(read.at("/VersionId"), &json!(token(1)), "{way}");
            let value: Value = serde_json::from_str(&read.text_at("/SecretString")).unwrap();
            let (id, value) = (value["key_id"].as_str().unwrap(), value["api_key"].as_str().unwrap());
            assert!(server.provider().opens(id, value), "{way}: {name}");
            assert_eq!(server.provider().keys()[id].owner, name, "{way}");
            ids.push(id.to_owned());
        }
        assert_ne!(ids[0], ids[1], "{way}");
        let seen = ask(&server, &key, "DescribeSecret", json!({ "SecretId": "two" })).await.expect(200);
        assert!(seen.text_at("/RotationLambdaARN").ends_with(":function:new-key:providers/acme"));
    }
}

#[tokio::test]
async fn a_declaration_is_shown_without_its_credential() {
    let server = server("both").await;
    let read = server.get("providers/config/acme", server.root()).await.ok();
    assert!(!read.text.contains(ADMIN_TOKEN), "{}", read.text);
    assert_eq!(read.at("/data/find/next/cursor"), "/next");
    assert_eq!(server.list("providers/config", server.root()).await.ok().at("/data/keys"), &json!(["acme"]));
    let mut secrets = vec![ADMIN_TOKEN];
    secrets.push("sk_first");
    assert!(server.log_shows(&secrets).await.is_empty());
}

#[tokio::test]
async fn whoever_writes_a_secret_has_no_key_of_others_revoked() {
    let bare = json!({ "request": { "method": "DELETE", "path": "/keys/{{id}}" } });
    let mut any = bare.clone();
    any["any"] = json!(true);
    let with_user = declaration("listed")["revoke"].clone();
    // How keys are revoked, whether one of somebody else is in the end, and whether the retirement ends by itself.
    for (name, revoke, theirs_is_there, ends) in
        [("bare", bare, true, false), ("any", any, false, true), ("with the user", with_user, true, true)]
    {
        let server = server("listed").await;
        server.post("providers/config/acme", server.root(), json!({ "revoke": revoke })).await.expect(204);
        let value = json!({ "username": "billing", "region": "eu", "port": 1.5, "key_id": "other-1", "api_key": "x" });
        server.post("secret/data/billing", server.root(), json!({ "data": value })).await.ok();
        rotate(&server).await.ok();
        server.settle().await;
        end_of_the_old(&server).await;
        let seen = status(&server).await;
        assert_eq!(server.provider().opens("other-1", "sk_other_1"), theirs_is_there, "{name}");
        assert_eq!(seen.at("/data/state") == "idle", ends, "{name}: {}", seen.text);
        if !ends {
            assert!(seen.text_at("/data/failure").contains("was not made by this rotator"), "{}", seen.text);
            cancel(&server).await.ok();
        }
        // What Cardea made is revoked whatever the request says.
        let made = current(&server).await.0;
        rotate(&server).await.ok();
        server.settle().await;
        end_of_the_old(&server).await;
        assert_eq!(status(&server).await.at("/data/state"), "idle", "{name}");
        assert!(!server.provider().keys().contains_key(&made) && current_opens(&server).await, "{name}");
    }
}

#[tokio::test]
async fn an_old_key_ends_even_where_nobody_said_when() {
    let server = server("listed").await;
    server.delete("secret/rotation/billing", server.root()).await.ok();
    let settings = json!({ "rotator": "providers/acme", "username": "billing", "strategy": "new-key" });
    let set = server.post("secret/rotation/billing", server.root(), settings).await.ok();
    assert_eq!(set.at("/data/retire_bar"), "time", "{}", set.text);
    server.post("secret/rotation/billing", server.root(), json!({ "retire_bar": "none" })).await.expect(400);
    rotate(&server).await.ok();
    server.settle().await;
    assert!(server.provider().keys().contains_key("first"));
    server.advance(86_400);
    server.settle().await;
    assert!(!server.provider().keys().contains_key("first") && current_opens(&server).await);
    // At once, where it was stolen.
    let stolen = current(&server).await.0;
    server.post("secret/rotate/billing", server.root(), json!({ "emergency": true })).await.ok();
    server.settle().await;
    assert!(!server.provider().keys().contains_key(&stolen) && current_opens(&server).await);
    assert_eq!(status(&server).await.at("/data/state"), "idle");
}

#[tokio::test]
async fn going_back_serves_the_old_key_while_it_lives() {
    for way in WAYS {
        let server = server(way).await;
        rotate(&server).await.ok();
        server.settle().await;
        let second = current(&server).await;
        server.post("secret/rotation-rollback/billing", server.root(), json!({})).await.ok();
        server.settle().await;
        assert_eq!(current(&server).await.0, "first", "{way}: {}", status(&server).await.text);
        assert!(current_opens(&server).await && server.provider().opens(&second.0, &second.1), "{way}");
        end_of_the_old(&server).await;
        assert!(!server.provider().keys().contains_key(&second.0) && current_opens(&server).await, "{way}");
        // A way back that is taken back leaves both keys as they were.
        rotate(&server).await.ok();
        server.settle().await;
        let third = current(&server).await;
        server.post("secret/rotation-rollback/billing", server.root(), json!({})).await.ok();
        server.provider().set(Answers::Down);
        server.settle().await;
        server.provider().set(Answers::Well);
        cancel(&server).await.ok();
        server.settle().await;
        assert_eq!(current(&server).await, third, "{way}");
        assert!(server.provider().keys().contains_key("first") && current_opens(&server).await, "{way}");
    }
}

#[tokio::test]
async fn an_old_key_ends_when_its_provider_has_not_seen_it_for_long_enough() {
    let server = server("listed").await;
    let bar = json!({ "retire_bar": "sessions", "retire_after": "10m" });
    server.post("secret/rotation/billing", server.root(), bar).await.ok();
    let used = json!({
        "used": { "request": { "method": "GET", "path": "/users/{{username}}/keys/{{id}}" }, "at": "/key/last_used", "within_s": 1800 }
    });
    let opens = || server.provider().opens("first", "sk_first");
    // A source that cannot tell proves nothing.
    rotate(&server).await.ok();
    for _ in 0..3 {
        end_of_the_old(&server).await;
    }
    assert!(opens() && status(&server).await.at("/data/state") == "retire");
    server.post("providers/config/acme", server.root(), used).await.expect(204);

    // In every form that instants have, a use within the half hour holds it.
    let now_s = || server.now().unix_s();
    for form in ["rfc3339", "seconds", "milliseconds"] {
        let at = match form {
            "rfc3339" => json!(server.now().rfc3339()),
            "seconds" => json!(now_s()),
            _ => json!(now_s() * 1_000),
        };
        server.provider().say_used("first", at);
        for _ in 0..2 {
            end_of_the_old(&server).await;
            assert!(opens(), "{form}");
        }
        assert_eq!(status(&server).await.at("/data/retire_sessions"), &json!(1), "{form}");
    }
    // What is not understood is no key that nobody uses, and the status says so.
    for nonsense in [json!("yesterday"), json!({}), json!(-1), json!(1.5)] {
        server.provider().say_used("first", nonsense.clone());
        for _ in 0..3 {
            end_of_the_old(&server).await;
        }
        assert!(opens(), "{nonsense}");
        let seen = status(&server).await;
        assert_eq!(seen.at("/data/failure_class"), &json!("rotator-refused"), "{nonsense}: {}", seen.text);
    }
    // Half an hour after the last use, and the settling time on top of that.
    server.provider().say_used("first", json!(now_s()));
    for minute in 0..45 {
        server.advance(60);
        server.settle().await;
        if minute < 38 {
            assert!(opens(), "after {minute} minutes");
        }
    }
    assert!(!opens(), "{}", status(&server).await.text);
    assert!(current_opens(&server).await && others_are_there(&server));

    // A key that nobody ever used ends by its settling time alone.
    rotate(&server).await.ok();
    server.settle().await;
    for _ in 0..3 {
        end_of_the_old(&server).await;
    }
    assert_eq!(status(&server).await.at("/data/state"), "idle");
    assert!(orphans(&server).await.is_empty());
}

/// Ends all keys of the secret.
async fn revoke(server: &TestServer) -> Reply {
    server.post("secret/rotation-revoke/billing", server.root(), json!({})).await
}

fn owned(server: &TestServer) -> usize {
    server.provider().keys().into_values().filter(|key| key.owner == "billing").count()
}

#[tokio::test]
async fn an_owner_ends_every_key_that_a_source_has_made() {
    for way in WAYS {
        let server = server(way).await;
        // Two live: the old one waits for its end, is let live, and then everything ends.
        rotate(&server).await.ok();
        server.settle().await;
        assert!(revoke(&server).await.expect(400).errors().contains("waits for the end"), "{way}");
        end_of_the_old(&server).await;
        rotate(&server).await.ok();
        server.settle().await;
        cancel(&server).await.ok();
        assert_eq!(owned(&server), 2, "{way}");
        server.post("secret/rotation/billing", server.root(), json!({ "every": "24h" })).await.ok();

        server.provider().set(Answers::Down);
        assert_eq!(revoke(&server).await.ok().at("/data/state"), &json!("revoke"), "{way}");
        server.settle().await;
        assert_eq!(status(&server).await.at("/data/failure_class"), &json!("source-down"), "{way}");
        server.provider().set(Answers::Well);
        server.advance(700);
        server.settle().await;
        assert!(owned(&server) == 0 && others_are_there(&server), "{way}: {}", status(&server).await.text);
        let rests = status(&server).await;
        let shown = ["state", "paused", "last_retired_reason", "failure"]
            .map(|name| rests.at(&format!("/data/{name}")).clone());
        assert_eq!(shown, [json!("idle"), json!(true), json!("revoked"), Value::Null], "{way}");
        let events = server.log().await.into_iter().filter_map(|record| record.event);
        assert_eq!(events.filter(|event| event.what.as_str() == "rotation.revoked").count(), 2, "{way}");
        // The schedule is held, nothing is left to be revoked, and to go back leads nowhere.
        server.advance(3 * 86_400);
        server.settle().await;
        assert_eq!((owned(&server), server.provider().made()), (0, 2), "{way}");
        revoke(&server).await.expect(400);
        server.post("secret/rotation-rollback/billing", server.root(), json!({})).await.expect(400);
        // A new key makes it live again.
        rotate(&server).await.ok();
        server.settle().await;
        assert!(current_opens(&server).await, "{way}: {}", status(&server).await.text);
        end_of_the_old(&server).await;
        assert_eq!(status(&server).await.at("/data/state"), "idle", "{way}");
    }
}

#[tokio::test]
async fn killed_at_any_point_all_keys_end_and_no_key_of_others() {
    let prepared = server("listed").await;
    for _ in 0..2 {
        end_of_the_old(&prepared).await;
        rotate(&prepared).await.ok();
        prepared.settle().await;
    }
    cancel(&prepared).await.ok();
    assert_eq!(owned(&prepared), 2);
    let found = at_every_point(&prepared, "revoke", POINTS_MAX, async |server, plan, found| {
        let begun = revoke(server).await.is_success();
        server.settle().await;
        server.restart().await;
        server.advance(700);
        server.settle().await;
        let (state, left) = (status(server).await.text_at("/data/state"), owned(server));
        // Where the answer was lost it may have begun.
        let ended = left == 0 || (!begun && left == 2);
        if state != "idle" || !ended || !others_are_there(server) {
            found.shut(&format!("{state}, {left} left: {:?}", plan.trace()));
        }
    });
    let faults = found.await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_key_that_somebody_wrote_is_not_revoked_where_the_provider_would_not_say_whose_it_is() {
    let server = server("listed").await;
    let anybodys = json!({ "revoke": { "request": { "method": "DELETE", "path": "/keys/{{id}}" } } });
    server.post("providers/config/acme", server.root(), anybodys).await.expect(204);
    let value =
        json!({ "data": { "username": "billing", "key_id": "other-1", "api_key": "x", "region": "eu", "port": 1.5 } });
    server.post("secret/data/billing", server.root(), value).await.ok();
    revoke(&server).await.ok();
    server.settle().await;
    let seen = status(&server).await;
    assert!(seen.text_at("/data/failure").contains("does not say whose it is"), "{}", seen.text);
    assert!(others_are_there(&server));
    cancel(&server).await.ok();
    assert_eq!(status(&server).await.at("/data/state"), "idle");
    let narrow = r#"path "secret/rotate/billing" { capabilities = ["update"] }"#;
    server.policy("runner", narrow).await;
    let runner = server.token(&["runner"]).await;
    server.post("secret/rotation-revoke/billing", &runner, json!({})).await.expect(403);
}
