//! Secret ids: issue, lookup, destruction, expiry, and what never crosses from one role to another.

use super::{cause, credentials, issue, role, world};
use crate::testing::MOUNT_TTL_S;
use cardea_model::{Cause, Method};
use serde_json::{Value, json};

#[tokio::test]
async fn an_issued_secret_id_is_shown_once_and_known_by_its_accessor() {
    let world = world();
    role(&world, "web", r#"{"secret_id_num_uses":5,"secret_id_ttl":"10m"}"#).await;
    let made = world.write("role/web/secret-id", r#"{"metadata":"{\"host\":\"web-1\"}"}"#).await;
    assert_eq!((&made["secret_id_num_uses"], &made["secret_id_ttl"]), (&json!(5), &json!(600)));
    let accessor = made["secret_id_accessor"].as_str().unwrap();
    let expected = json!({
        "secret_id_accessor": accessor, "secret_id_num_uses": 5, "secret_id_ttl": 600,
        "creation_time": "2023-11-14T22:13:20Z", "expiration_time": "2023-11-14T22:23:20Z",
        "last_updated_time": "2023-11-14T22:13:20Z", "metadata": { "host": "web-1" }, "cidr_list": [],
        "token_bound_cidrs": []
    });
    let by_accessor = world.write("role/web/secret-id-accessor/lookup", &accessor_body(accessor)).await;
    assert_eq!(by_accessor, expected);
    let body = json!({ "secret_id": made["secret_id"] }).to_string();
    assert_eq!(world.write("role/web/secret-id/lookup", &body).await, expected);
    assert_eq!(world.write("role/web/secret-id/lookup", r#"{"secret_id":"unknown"}"#).await, Value::Null);
}

#[tokio::test]
async fn the_store_never_sees_a_secret_id() {
    let world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    let (secret, _) = issue(&world, "web", "{}").await;
    let chosen = "a-secret-id-that-its-owner-chose";
    world.write("role/web/custom-secret-id", &json!({ "secret_id": chosen }).to_string()).await;
    let stored = world.bytes();
    for secret in [secret.as_str(), chosen] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn equal_secret_ids_of_two_roles_have_nothing_in_common() {
    let world = world();
    for name in ["a", "b"] {
        role(&world, name, "{}").await;
        world.write(&format!("role/{name}/custom-secret-id"), r#"{"secret_id":"the-same-value-for-both"}"#).await;
    }
    let keys = world.keys();
    let hashes: Vec<_> =
        keys.iter().filter(|k| k.contains("/approle-secret-id/")).map(|k| k.rsplit('/').next()).collect();
    assert_eq!(hashes.len(), 2);
    assert_ne!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn nothing_of_one_role_works_through_another() {
    // CVE-2023-24999: an accessor of role A through role B.
    let world = world();
    role(&world, "a", "{}").await;
    role(&world, "b", "{}").await;
    let (secret, accessor) = issue(&world, "a", "{}").await;
    let (_, other) = issue(&world, "b", "{}").await;
    let table = [
        (Method::Write, "secret-id-accessor/lookup"),
        (Method::Write, "secret-id-accessor/destroy"),
        (Method::Delete, "secret-id-accessor/destroy"),
    ];
    for (method, path) in table {
        for tried in [accessor.as_str(), &format!("../a/{accessor}"), "", "/", &"x".repeat(4000)] {
            let path = format!("role/b/{path}");
            assert_eq!(cause(&world, method, &path, &accessor_body(tried)).await, Cause::NotFound, "{path} {tried}");
        }
    }
    let body = json!({ "secret_id": secret }).to_string();
    assert_eq!(world.write("role/b/secret-id/lookup", &body).await, Value::Null);
    world.write("role/b/secret-id/destroy", &body).await;
    world.ask(Method::Delete, "role/b/secret-id/destroy", &body).await.unwrap();
    assert!(world.login(&credentials("b-id", &secret)).await.is_err());
    assert_eq!(world.ask(Method::List, "role/b/secret-id", "").await.unwrap().data, json!({ "keys": [other] }));
    // And role A's is untouched.
    world.login(&credentials("a-id", &secret)).await.unwrap();
}

#[tokio::test]
async fn destroyed_means_gone() {
    for (method, path) in [
        (Method::Write, "secret-id/destroy"),
        (Method::Delete, "secret-id/destroy"),
        (Method::Write, "secret-id-accessor/destroy"),
        (Method::Delete, "secret-id-accessor/destroy"),
    ] {
        let world = world();
        role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
        let (secret, accessor) = issue(&world, "web", "{}").await;
        let body = json!({ "secret_id": secret, "secret_id_accessor": accessor }).to_string();
        world.ask(method, &format!("role/web/{path}"), &body).await.unwrap();
        assert!(world.login(&credentials("web-id", &secret)).await.is_err());
        assert_eq!(cause(&world, Method::List, "role/web/secret-id", "").await, Cause::NotFound);
        for kind in ["approle-secret-id", "approle-accessor", "approle-expiry"] {
            assert_eq!(world.count(kind), 0, "{path} left a record of {kind}");
        }
        world.ask(Method::Write, "role/web/secret-id/destroy", &body).await.unwrap();
    }
}

#[tokio::test]
async fn a_secret_id_may_be_tighter_than_its_role_and_never_wider() {
    let world = world();
    let bounds = r#"{"secret_id_num_uses":5,"secret_id_ttl":600,"secret_id_bound_cidrs":"10.0.0.0/8",
        "token_bound_cidrs":"10.0.0.0/8"}"#;
    role(&world, "tight", bounds).await;
    role(&world, "free", "{}").await;
    role(&world, "none", r#"{"bind_secret_id":false,"secret_id_bound_cidrs":"10.0.0.0/8"}"#).await;
    let table = [
        ("tight", r#"{}"#, true),
        ("tight", r#"{"num_uses":5,"ttl":600}"#, true),
        ("tight", r#"{"num_uses":1,"ttl":"1m","cidr_list":"10.1.0.0/16","token_bound_cidrs":["10.1.2.3"]}"#, true),
        ("tight", r#"{"num_uses":6}"#, false),
        ("tight", r#"{"num_uses":0}"#, false),
        ("tight", r#"{"num_uses":-1}"#, false),
        ("tight", r#"{"ttl":601}"#, false),
        ("tight", r#"{"ttl":0}"#, false),
        ("tight", r#"{"cidr_list":"11.0.0.0/8"}"#, false),
        ("tight", r#"{"cidr_list":"0.0.0.0/0"}"#, false),
        ("tight", r#"{"cidr_list":["10.1.0.0/16","11.0.0.1"]}"#, false),
        ("tight", r#"{"token_bound_cidrs":"11.0.0.0/8"}"#, false),
        ("tight", r#"{"cidr_list":"nonsense"}"#, false),
        ("free", r#"{"num_uses":0,"ttl":0}"#, true),
        ("free", r#"{"cidr_list":"192.0.2.0/24"}"#, true),
        ("none", r#"{}"#, false),
        ("absent", r#"{}"#, false),
    ];
    for (name, body, expected) in table {
        for path in ["secret-id", "custom-secret-id"] {
            let mut fields: Value = serde_json::from_str(body).unwrap();
            if path == "custom-secret-id" {
                fields["secret_id"] = json!(format!("chosen by its owner {body}"));
            }
            let reply = world.ask(Method::Write, &format!("role/{name}/{path}"), &fields.to_string()).await;
            assert_eq!(reply.is_ok(), expected, "{name} {path} {body}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn metadata_is_bounded() {
    let world = world();
    role(&world, "web", "{}").await;
    let many: serde_json::Map<String, Value> = (0..65).map(|i| (i.to_string(), json!("x"))).collect();
    let table = [
        (json!({ "a": "b" }), true),
        (json!("{\"a\":\"b\"}"), true),
        (json!(""), true),
        (json!("{\"a\":"), false),
        (json!([1]), false),
        (json!(many), false),
        (json!({ "k".repeat(129): "v" }), false),
        (json!({ "k": "v".repeat(513) }), false),
        (json!({ "": "v" }), false),
    ];
    for (metadata, expected) in table {
        let body = json!({ "metadata": metadata }).to_string();
        assert_eq!(world.ask(Method::Write, "role/web/secret-id", &body).await.is_ok(), expected, "{metadata}");
    }
}

#[tokio::test]
async fn chosen_secret_ids() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":600}"#).await;
    let path = "role/web/custom-secret-id";
    for bad in ["", " x", "x\n", "a\u{7}b", &"x".repeat(2000)] {
        assert_eq!(cause(&world, Method::Write, path, &json!({ "secret_id": bad }).to_string()).await, Cause::Invalid);
    }
    assert_eq!(cause(&world, Method::Write, path, "{}").await, Cause::Invalid);
    let body = r#"{"secret_id":"short"}"#;
    assert_eq!(world.ask(Method::Write, path, body).await.unwrap().warnings.len(), 1);
    assert_eq!(cause(&world, Method::Write, path, body).await, Cause::Invalid, "registered twice");
    world.login(&credentials("web-id", "short")).await.unwrap();
    // Expired is absent: the same value may be registered again, and the old accessor is gone.
    world.pass_s(600);
    assert!(world.login(&credentials("web-id", "short")).await.is_err());
    world.ask(Method::Write, path, body).await.unwrap();
    world.login(&credentials("web-id", "short")).await.unwrap();
    assert_eq!(
        (world.count("approle-secret-id"), world.count("approle-accessor"), world.count("approle-expiry")),
        (1, 1, 1)
    );
    // On the plain path a secret id in the body is a member that nobody asked for.
    let reply = world.ask(Method::Write, "role/web/secret-id", body).await.unwrap();
    assert_eq!(reply.unknown, ["secret_id"]);
    assert_ne!(reply.data["secret_id"], "short");
}

#[tokio::test]
async fn expired_is_absent_everywhere() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    let (secret, accessor) = issue(&world, "web", "{}").await;
    let (_, living) = issue(&world, "web", r#"{"ttl":60}"#).await;
    world.pass_s(59);
    let (_, later) = issue(&world, "web", "{}").await;
    world.login(&credentials("web-id", &secret)).await.unwrap();
    world.pass_s(1);
    assert!(world.login(&credentials("web-id", &secret)).await.is_err());
    let body = json!({ "secret_id": secret }).to_string();
    assert_eq!(world.write("role/web/secret-id/lookup", &body).await, Value::Null);
    for (method, path) in [(Method::Write, "lookup"), (Method::Write, "destroy"), (Method::Delete, "destroy")] {
        for accessor in [&accessor, &living] {
            let path = format!("role/web/secret-id-accessor/{path}");
            assert_eq!(cause(&world, method, &path, &accessor_body(accessor)).await, Cause::NotFound);
        }
    }
    assert_eq!(world.ask(Method::List, "role/web/secret-id", "").await.unwrap().data, json!({ "keys": [later] }));
    assert_eq!(world.count("approle-secret-id"), 3, "nothing was removed yet");
}

#[tokio::test]
async fn expired_secret_ids_leave_along_with_new_ones() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    for i in 0..40 {
        let body = json!({ "secret_id": format!("chosen by its owner {i}") }).to_string();
        world.write("role/web/custom-secret-id", &body).await;
    }
    world.pass_s(60);
    for left in [24 + 1, 8 + 2, 3] {
        issue(&world, "web", "{}").await;
        assert_eq!(world.count("approle-secret-id"), left);
    }
    assert_eq!((world.count("approle-accessor"), world.count("approle-expiry")), (3, 3));
    assert!(world.batch_ops_seen() <= 82, "{} operations", world.batch_ops_seen());
}

#[tokio::test]
async fn tidy_is_one_bounded_step() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    for _ in 0..20 {
        issue(&world, "web", "{}").await;
    }
    world.pass_s(61);
    for left in [4, 0, 0] {
        let reply = world.ask(Method::Write, "tidy/secret-id", "").await.unwrap();
        assert_eq!((reply.data, reply.warnings.len()), (Value::Null, 1));
        assert_eq!(world.count("approle-secret-id"), left);
    }
    assert_eq!((world.count("approle-accessor"), world.count("approle-expiry")), (0, 0));
}

#[tokio::test]
async fn concurrent_issues_sweep_the_same_records_without_conflict() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    for _ in 0..5 {
        issue(&world, "web", "{}").await;
    }
    world.pass_s(60);
    let (mut first, mut second) = (world.sealed.txn(), world.sealed.txn());
    for txn in [&mut first, &mut second] {
        let bound = world.bind(Method::Write, "role/web/secret-id", "{}").unwrap();
        world.handle(txn, &bound).await.unwrap();
    }
    first.commit().await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(world.count("approle-secret-id"), 2);
}

#[tokio::test]
async fn a_sweep_never_takes_a_value_that_was_registered_anew() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
    let body = r#"{"secret_id":"a value that is used again and again"}"#;
    world.write("role/web/custom-secret-id", body).await;
    world.pass_s(60);
    let mut sweeping = world.sealed.txn();
    let bound = world.bind(Method::Write, "tidy/secret-id", "").unwrap();
    world.handle(&mut sweeping, &bound).await.unwrap();
    world.write("role/web/custom-secret-id", body).await;
    assert_eq!(sweeping.commit().await.unwrap_err(), cardea_storage::CommitError::Conflict);
    world.login(&credentials("web-id", "a value that is used again and again")).await.unwrap();
}

#[tokio::test]
async fn no_secret_id_outlives_the_mounts_maximum() {
    let mut world = world();
    let reply = world.ask(Method::Write, "role/web", r#"{"secret_id_ttl":"48h","role_id":"web-id"}"#).await.unwrap();
    assert_eq!(reply.warnings.len(), 1);
    let made = world.ask(Method::Write, "role/web/secret-id", "{}").await.unwrap();
    assert_eq!((made.warnings.len(), &made.data["secret_id_ttl"]), (1, &json!(MOUNT_TTL_S.1)));
    world.pass_s(MOUNT_TTL_S.1);
    let secret = made.data["secret_id"].as_str().unwrap();
    assert!(world.login(&credentials("web-id", secret)).await.is_err());
}

#[tokio::test]
async fn a_role_that_is_made_again_inherits_nothing() {
    let world = world();
    role(&world, "web", "{}").await;
    let mut made = Vec::new();
    for _ in 0..50 {
        made.push(issue(&world, "web", "{}").await);
    }
    world.ask(Method::Delete, "role/web", "").await.unwrap();
    role(&world, "web", "{}").await;
    for (secret, accessor) in &made {
        assert!(world.login(&credentials("web-id", secret)).await.is_err());
        let path = "role/web/secret-id-accessor/lookup";
        assert_eq!(cause(&world, Method::Write, path, &accessor_body(accessor)).await, Cause::NotFound);
    }
    // 32 left with the role; the rest goes in later steps, and the note of it at last.
    assert_eq!((world.count("approle-secret-id"), world.count("approle-gone")), (18, 1));
    let (secret, _) = issue(&world, "web", "{}").await;
    assert_eq!(world.count("approle-secret-id"), 14 + 1);
    for _ in 0..2 {
        world.write("tidy/secret-id", "").await;
    }
    let counts = ["approle-secret-id", "approle-accessor", "approle-gone"].map(|kind| world.count(kind));
    assert_eq!(counts, [1, 1, 0]);
    world.login(&credentials("web-id", &secret)).await.unwrap();
}

#[tokio::test]
async fn issuing_for_a_role_that_is_being_removed_conflicts() {
    let world = world();
    role(&world, "web", "{}").await;
    let mut issuing = world.sealed.txn();
    let bound = world.bind(Method::Write, "role/web/secret-id", "{}").unwrap();
    world.handle(&mut issuing, &bound).await.unwrap();
    world.ask(Method::Delete, "role/web", "").await.unwrap();
    assert_eq!(issuing.commit().await.unwrap_err(), cardea_storage::CommitError::Conflict);
}

fn accessor_body(accessor: &str) -> String {
    json!({ "secret_id_accessor": accessor }).to_string()
}
