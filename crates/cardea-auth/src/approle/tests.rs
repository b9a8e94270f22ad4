//! AppRole's rules as tables: the routes, roles and their fields here; secret ids and logins in the files beside.

mod logins;
mod secret_ids;
mod transcripts;

use crate::approle::{AppRole, routes};
use crate::testing::World;
use cardea_model::{Cause, Method};
use cardea_sdk::erased::ErasedAuth;
use cardea_sdk::{Access, pattern};
use serde_json::{Value, json};
use std::collections::HashSet;

fn world() -> World {
    World::new(Box::new(ErasedAuth(AppRole)))
}

/// A role with a known role id.
async fn role(world: &World, name: &str, body: &str) {
    world.write(&format!("role/{name}"), body).await;
    world.write(&format!("role/{name}/role-id"), &json!({ "role_id": format!("{name}-id") }).to_string()).await;
}

/// A new secret id and its accessor.
async fn issue(world: &World, name: &str, body: &str) -> (String, String) {
    let made = world.write(&format!("role/{name}/secret-id"), body).await;
    (made["secret_id"].as_str().unwrap().to_owned(), made["secret_id_accessor"].as_str().unwrap().to_owned())
}

fn credentials(role_id: &str, secret_id: &str) -> String {
    json!({ "role_id": role_id, "secret_id": secret_id }).to_string()
}

async fn cause(world: &World, method: Method, path: &str, body: &str) -> Cause {
    world.ask(method, path, body).await.expect_err(path).cause
}

#[test]
fn the_table_is_sound() {
    let mut names = HashSet::new();
    let mut places = HashSet::new();
    for route in routes::ROUTES {
        let facts = &route.facts;
        assert!(names.insert(facts.name), "{} stands twice", facts.name);
        assert!(places.insert((facts.method, facts.pattern)), "{:?} {} stands twice", facts.method, facts.pattern);
        assert!(!facts.help.is_empty(), "{} has no help", facts.name);
        assert!(facts.recorded, "{} is not recorded", facts.name);
        assert_eq!(facts.access == Access::Login, facts.name == "login", "{}", facts.name);
        assert_eq!(facts.access == Access::Policy, facts.name != "login", "{}", facts.name);
        if facts.pattern.starts_with("role/") {
            assert!(facts.pattern.starts_with("role/{role_name:lower}"), "{} does not fold names", facts.name);
        }
        for shown in facts.clear.iter().chain(facts.clear_answer) {
            assert!(!matches!(*shown, "secret_id" | "role_id" | "metadata"), "{} logs {shown} in clear", facts.name);
        }
        if !facts.example.is_empty() {
            serde_json::from_str::<Value>(facts.example).unwrap();
        }
        // No earlier row takes what this row is for.
        let path = facts.pattern.replace("{role_name:lower}", "web");
        let first = routes::ROUTES
            .iter()
            .find(|r| r.facts.method == facts.method && pattern::bind(r.facts.pattern, &path).is_some());
        assert_eq!(first.unwrap().facts.name, facts.name);
    }
}

#[test]
fn examples_bind_without_unknown_members() {
    let world = world();
    for facts in routes::ROUTES.iter().map(|route| &route.facts).filter(|facts| !facts.example.is_empty()) {
        let path = facts.pattern.replace("{role_name:lower}", "web");
        let bound = world.bind(facts.method, &path, facts.example).unwrap_or_else(|e| panic!("{}: {e}", facts.name));
        assert!(bound.unknown.is_empty(), "{}: {:?}", facts.name, bound.unknown);
        assert_eq!(bound.facts.name, facts.name);
    }
}

#[tokio::test]
async fn a_role_is_read_as_it_was_written() {
    let world = world();
    world.write("role/web", "{}").await;
    let fresh = json!({
        "bind_secret_id": true, "local_secret_ids": false, "secret_id_bound_cidrs": null, "secret_id_num_uses": 0,
        "secret_id_ttl": 0, "token_bound_cidrs": [], "token_explicit_max_ttl": 0, "token_max_ttl": 0,
        "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0, "token_policies": [],
        "token_ttl": 0, "token_type": "default"
    });
    assert_eq!(world.read("role/web").await, fresh);
    let sent = r#"{"token_policies":"B, a","token_ttl":"20m","token_max_ttl":1800,"secret_id_ttl":"10m",
        "secret_id_num_uses":"40","secret_id_bound_cidrs":["10.0.0.0/8"],"token_num_uses":10}"#;
    world.write("role/web", sent).await;
    let mut changed = fresh;
    for (name, value) in [
        ("token_policies", json!(["a", "b"])),
        ("token_ttl", json!(1200)),
        ("token_max_ttl", json!(1800)),
        ("secret_id_ttl", json!(600)),
        ("secret_id_num_uses", json!(40)),
        ("secret_id_bound_cidrs", json!(["10.0.0.0/8"])),
        ("token_num_uses", json!(10)),
    ] {
        changed[name] = value;
    }
    assert_eq!(world.read("role/web").await, changed);
    // What is not sent stays.
    world.write("role/web", r#"{"token_ttl":60}"#).await;
    changed["token_ttl"] = json!(60);
    assert_eq!(world.read("role/web").await, changed);
}

#[tokio::test]
async fn older_names_are_accepted_and_shown_again() {
    let world = world();
    world.write("role/web", r#"{"policies":"x","period":60,"bound_cidr_list":"10.0.0.0/8"}"#).await;
    let read = world.read("role/web").await;
    assert_eq!((&read["policies"], &read["token_policies"]), (&json!(["x"]), &json!(["x"])));
    assert_eq!((&read["period"], &read["token_period"]), (&json!(60), &json!(60)));
    assert_eq!(read["secret_id_bound_cidrs"], json!(["10.0.0.0/8"]));
    assert_eq!(read["token_bound_cidrs"], json!([]), "an older name of one list must not set the other");
    world.write("role/web", r#"{"policies":"y","token_policies":"z"}"#).await;
    let read = world.read("role/web").await;
    assert_eq!((read.get("policies"), &read["token_policies"]), (None, &json!(["z"])));
}

#[tokio::test]
async fn fields_that_a_role_refuses() {
    let world = world();
    let table = [
        r#"{"token_policies":"root"}"#,
        r#"{"token_policies":["a"," ROOT "]}"#,
        r#"{"policies":"Root"}"#,
        r#"{"bind_secret_id":false}"#,
        r#"{"secret_id_num_uses":-1}"#,
        r#"{"secret_id_ttl":-5}"#,
        r#"{"secret_id_ttl":"soon"}"#,
        r#"{"secret_id_bound_cidrs":["10.0.0.0/40"]}"#,
        r#"{"token_ttl":"2h","token_max_ttl":"1h"}"#,
        r#"{"role_id":""}"#,
        r#"{"role_id":" x"}"#,
        r#"{"token_type":"batch","token_num_uses":2}"#,
    ];
    for body in table {
        assert_eq!(cause(&world, Method::Write, "role/web", body).await, Cause::Invalid, "{body}");
    }
    assert!(world.keys().is_empty(), "a refused role was written");
    world.write("role/net", r#"{"bind_secret_id":false,"secret_id_bound_cidrs":"10.0.0.0/8"}"#).await;
    // The last constraint stays, whichever path would take it.
    for (method, path, body) in [
        (Method::Delete, "role/net/secret-id-bound-cidrs", ""),
        (Method::Delete, "role/net/bound-cidr-list", ""),
        (Method::Write, "role/net/bound-cidr-list", r#"{"bound_cidr_list":[]}"#),
        (Method::Write, "role/net", r#"{"secret_id_bound_cidrs":""}"#),
    ] {
        assert_eq!(cause(&world, method, path, body).await, Cause::Invalid, "{path}");
    }
    let open =
        world.ask(Method::Write, "role/open", r#"{"bind_secret_id":false,"token_bound_cidrs":"0.0.0.0/0"}"#).await;
    assert_eq!(open.unwrap().warnings.len(), 1);
}

#[tokio::test]
async fn local_secret_ids_is_set_once() {
    let world = world();
    world.write("role/web", r#"{"local_secret_ids":true}"#).await;
    world.write("role/web", r#"{"local_secret_ids":true}"#).await;
    assert_eq!(cause(&world, Method::Write, "role/web", r#"{"local_secret_ids":false}"#).await, Cause::Invalid);
    assert_eq!(world.read("role/web/local-secret-ids").await, json!({ "local_secret_ids": true }));
    for method in [Method::Write, Method::Delete] {
        assert_eq!(cause(&world, method, "role/web/local-secret-ids", "").await, Cause::Unsupported);
    }
}

#[tokio::test]
async fn every_field_has_its_own_path() {
    // path, a member that sets it, what a read shows then, what it shows after delete
    let table = [
        ("bind-secret-id", json!({ "bind_secret_id": false }), json!({ "bind_secret_id": true })),
        ("bound-cidr-list", json!({ "bound_cidr_list": ["10.1.0.0/16"] }), json!({ "bound_cidr_list": [] })),
        (
            "secret-id-bound-cidrs",
            json!({ "secret_id_bound_cidrs": ["10.1.0.0/16"] }),
            json!({ "secret_id_bound_cidrs": null }),
        ),
        ("secret-id-num-uses", json!({ "secret_id_num_uses": 3 }), json!({ "secret_id_num_uses": 0 })),
        ("secret-id-ttl", json!({ "secret_id_ttl": 60 }), json!({ "secret_id_ttl": 0 })),
        ("policies", json!({ "token_policies": ["a"] }), json!({ "token_policies": [] })),
        ("period", json!({ "token_period": 60 }), json!({ "token_period": 0 })),
        ("token-ttl", json!({ "token_ttl": 60 }), json!({ "token_ttl": 0 })),
        ("token-max-ttl", json!({ "token_max_ttl": 60 }), json!({ "token_max_ttl": 0 })),
        ("token-num-uses", json!({ "token_num_uses": 6 }), json!({ "token_num_uses": 0 })),
        ("token-bound-cidrs", json!({ "token_bound_cidrs": ["10.0.0.9"] }), json!({ "token_bound_cidrs": [] })),
    ];
    let world = world();
    // The network keeps a role sound whose secret id is not asked for.
    world.write("role/web", r#"{"token_bound_cidrs":"10.0.0.0/8"}"#).await;
    for (path, value, default) in table {
        let path = format!("role/web/{path}");
        let member = value.as_object().unwrap().keys().next().unwrap().clone();
        let body = {
            let mut body = value.clone();
            body["typo"] = json!(1);
            body.to_string()
        };
        let reply = world.ask(Method::Write, &path, &body).await.unwrap();
        assert_eq!((reply.data, reply.unknown), (Value::Null, vec!["typo".to_owned()]), "{path}");
        assert_eq!(world.read(&path).await, value, "{path}");
        let missing = world.ask(Method::Write, &path, "{}").await.unwrap_err();
        assert_eq!(missing.client, format!("missing `{member}`"));
        world.ask(Method::Delete, &path, "").await.unwrap();
        assert_eq!(world.read(&path).await, default, "{path}");
        let absent = path.replace("/web/", "/absent/");
        assert_eq!(cause(&world, Method::Read, &absent, "").await, Cause::NotFound);
        assert_eq!(cause(&world, Method::Write, &absent, &body).await, Cause::NotFound);
        world.ask(Method::Delete, &absent, "").await.unwrap();
    }
    assert!(!world.exists("role/absent").await);
    // Other members of a request about one field change nothing.
    world.write("role/web/token-ttl", r#"{"token_ttl":5,"bind_secret_id":true,"token_num_uses":9}"#).await;
    assert_eq!(world.read("role/web/token-num-uses").await, json!({ "token_num_uses": 0 }));
}

#[tokio::test]
async fn spellings_of_a_name_meet_one_role() {
    let world = world();
    let reply = world.ask(Method::Write, "role/WeB", r#"{"token_ttl":60}"#).await.unwrap();
    assert_eq!(reply.path, "role/web", "policies must see the folded name");
    for spelling in ["web", "WEB", "Web"] {
        assert!(world.exists(&format!("role/{spelling}")).await);
        assert_eq!(world.read(&format!("role/{spelling}/token-ttl")).await["token_ttl"], 60);
    }
    let (_, accessor) = issue(&world, "WEB", "{}").await;
    let listed = world.ask(Method::List, "role/wEb/secret-id", "").await.unwrap();
    assert_eq!((listed.data, listed.path.as_str()), (json!({ "keys": [accessor] }), "role/web/secret-id/"));
    assert_eq!(world.count("approle-role"), 1);
    for bad in ["-web", "web.", "we b", "we$b", "\u{212a}\u{e9}", &"x".repeat(200)] {
        assert_eq!(cause(&world, Method::Write, &format!("role/{bad}"), "{}").await, Cause::Invalid, "{bad}");
    }
}

#[tokio::test]
async fn roles_are_listed() {
    let world = world();
    assert_eq!(cause(&world, Method::List, "role", "").await, Cause::NotFound);
    for name in ["b", "a", "c"] {
        world.write(&format!("role/{name}"), "{}").await;
    }
    let list = async |body: &str| world.ask(Method::List, "role/", body).await.unwrap().data;
    assert_eq!(list("").await, json!({ "keys": ["a", "b", "c"] }));
    assert_eq!(list(r#"{"after":"a","limit":1}"#).await, json!({ "keys": ["b"] }));
    assert_eq!(cause(&world, Method::List, "role", r#"{"limit":0}"#).await, Cause::Invalid);
    world.ask(Method::Delete, "role/b", "").await.unwrap();
    world.ask(Method::Delete, "role/b", "").await.unwrap();
    assert_eq!(list("").await, json!({ "keys": ["a", "c"] }));
    assert_eq!(cause(&world, Method::Read, "role/b", "").await, Cause::NotFound);
}

#[tokio::test]
async fn a_role_id_belongs_to_one_role() {
    let world = world();
    role(&world, "a", "{}").await;
    role(&world, "b", "{}").await;
    assert_eq!(cause(&world, Method::Write, "role/b/role-id", r#"{"role_id":"a-id"}"#).await, Cause::Invalid);
    assert_eq!(cause(&world, Method::Write, "role/c", r#"{"role_id":"a-id"}"#).await, Cause::Invalid);
    assert_eq!(world.read("role/b/role-id").await, json!({ "role_id": "b-id" }));
    // A role that keeps its own id is no conflict; a freed id may be taken.
    world.write("role/a/role-id", r#"{"role_id":"a-id"}"#).await;
    world.write("role/a/role-id", r#"{"role_id":"a-new"}"#).await;
    world.write("role/b/role-id", r#"{"role_id":"a-id"}"#).await;
    world.ask(Method::Delete, "role/b", "").await.unwrap();
    world.write("role/c", r#"{"role_id":"a-id"}"#).await;
    assert_eq!(world.count("approle-role-id"), 2);
}

#[tokio::test]
async fn two_roles_racing_for_one_role_id_cannot_both_have_it() {
    let world = world();
    let (mut first, mut second) = (world.sealed.txn(), world.sealed.txn());
    for (txn, name) in [(&mut first, "a"), (&mut second, "b")] {
        let bound = world.bind(Method::Write, &format!("role/{name}"), r#"{"role_id":"same"}"#).unwrap();
        world.handle(txn, &bound).await.unwrap();
    }
    first.commit().await.unwrap();
    assert_eq!(second.commit().await.unwrap_err(), cardea_storage::CommitError::Conflict);
}
