//! Requests over the whole pipeline: what callers can do with tokens, and what they cannot.

use super::harness::{MAX_S, Reply, World};
use crate::runner;
use cardea_model::{Cause, Error, Method};
use cardea_sdk::route::Access;
use serde_json::{Value, json};

const MAKER: &str = r#"
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/create/*" { capabilities = ["update"] }
path "auth/token/lookup*" { capabilities = ["read", "update"] }
path "auth/token/renew*" { capabilities = ["update"] }
path "auth/token/revoke*" { capabilities = ["update"] }
path "auth/token/accessors/" { capabilities = ["list"] }
path "auth/token/create-orphan" { capabilities = ["update"] }
"#;

fn words(result: Result<Reply, Error>) -> (Cause, String) {
    let error = result.err().unwrap();
    (error.cause, error.client)
}

fn sorted(value: &Value) -> Vec<String> {
    let mut out: Vec<String> = value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    out.sort_unstable();
    out
}

#[tokio::test]
async fn lookups_answer_the_fields_that_clients_read() {
    let world = World::new().await;
    let root = world.read(&world.root, "auth/token/lookup-self").await.unwrap().data;
    assert_eq!(root["policies"], json!(["root"]));
    assert_eq!((&root["expire_time"], &root["ttl"], &root["creation_ttl"]), (&Value::Null, &json!(0), &json!(0)));
    assert_eq!(
        (&root["path"], &root["display_name"], &root["type"]),
        (&json!("auth/token/root"), &json!("root"), &json!("service"))
    );
    assert_eq!((&root["orphan"], &root["meta"], &root["num_uses"]), (&json!(true), &Value::Null, &json!(0)));
    for absent in ["period", "role", "bound_cidrs", "identity_policies", "last_renewal", "last_renewal_time"] {
        assert!(root.get(absent).is_none(), "{absent}");
    }

    let made = world
        .token(json!({"policies": ["app"], "ttl": "1h", "explicit_max_ttl": "2h", "meta": {"team": "x"}, "display_name": "ci 1"}))
        .await;
    assert_eq!(made.warnings, ["Policy \"app\" does not exist"]);
    assert_eq!(made.auth["token_policies"], json!(["app", "default"]));
    assert_eq!((made.ttl(), &made.auth["orphan"], &made.auth["renewable"]), (3600, &json!(false), &json!(true)));
    world.pass_s(60);
    let text = made.token();
    let by_text = world.prepare("auth/token/lookup", json!({"token": text})).await.data;
    assert_eq!(by_text["id"], json!(text));
    assert_eq!(by_text["creation_time"], json!(1_767_225_600));
    assert_eq!(by_text["issue_time"], json!("2026-01-01T00:00:00Z"));
    assert_eq!(by_text["expire_time"], json!("2026-01-01T01:00:00Z"));
    assert_eq!((&by_text["creation_ttl"], &by_text["ttl"]), (&json!(3600), &json!(3540)));
    assert_eq!((&by_text["explicit_max_ttl"], &by_text["entity_id"]), (&json!(7200), &json!("")));
    assert_eq!((&by_text["display_name"], &by_text["path"]), (&json!("token-ci-1"), &json!("auth/token/create")));
    assert_eq!((&by_text["meta"], &by_text["renewable"]), (&json!({"team": "x"}), &json!(true)));
    let by_accessor = world.prepare("auth/token/lookup-accessor", json!({"accessor": made.accessor()})).await.data;
    assert_eq!(by_accessor["id"], json!(""), "an accessor never shows the token");
    assert_eq!(by_accessor["accessor"], by_text["accessor"]);
    let own = world.read(&text, "auth/token/lookup-self").await.unwrap().data;
    assert_eq!(own["accessor"], by_text["accessor"]);
}

#[tokio::test]
async fn a_token_that_is_not_good_says_nothing_about_itself() {
    let world = World::new().await;
    let made = world.token(json!({"ttl": 60})).await;
    let (text, accessor) = (made.token(), made.accessor());
    world.pass_s(61);
    let look = async |body: Value, path: &'static str| words(world.write(&world.root, path, body).await);
    let bad = (Cause::Denied, "bad token".to_owned());
    let none = |words: &str| (Cause::Invalid, words.to_owned());
    let invalid = none("invalid accessor");
    for unknown in [text.as_str(), "hvs.unknown", "hvb.AAAA", "hvb.", "x"] {
        assert_eq!(look(json!({"token": unknown}), "auth/token/lookup").await, bad);
        assert_eq!(look(json!({"token": unknown}), "auth/token/renew").await, none("token not found"));
        // What is gone is revoked.
        world.prepare("auth/token/revoke", json!({"token": unknown})).await;
        let spared = look(json!({"token": unknown}), "auth/token/revoke-orphan").await;
        assert_eq!(spared, none("token to revoke not found"));
    }
    for path in ["auth/token/lookup-accessor", "auth/token/renew-accessor"] {
        assert_eq!(look(json!({"accessor": accessor}), path).await, invalid);
        assert_eq!(look(json!({"accessor": "unknown"}), path).await, invalid);
        assert_eq!(look(json!({}), path).await, (Cause::Invalid, "missing accessor".to_owned()));
    }
    // Nothing is left to revoke there either.
    world.prepare("auth/token/revoke-accessor", json!({"accessor": "unknown"})).await;
    assert_eq!(look(json!({}), "auth/token/revoke-accessor").await, (Cause::Invalid, "missing accessor".to_owned()));
    for path in ["auth/token/renew", "auth/token/revoke", "auth/token/revoke-orphan"] {
        assert_eq!(look(json!({}), path).await, (Cause::Invalid, "missing token ID".to_owned()));
    }
}

#[tokio::test]
async fn a_revoked_token_and_its_descendants_stop_with_the_commit() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    let parent = world.token(json!({"policies": "maker"})).await;
    let child = world.write(&parent.token(), "auth/token/create", json!({"ttl": "1h"})).await.unwrap();
    let batch = world.write(&child.token(), "auth/token/create", json!({"type": "batch"})).await.unwrap();
    let other = world.token(json!({"policies": "maker"})).await;
    for good in [&parent, &child, &batch, &other] {
        assert!(world.is_good(&good.token()).await);
    }
    world.prepare("auth/token/revoke-accessor", json!({"accessor": parent.accessor()})).await;
    for bad in [&parent, &child, &batch] {
        assert!(!world.is_good(&bad.token()).await);
    }
    assert!(world.is_good(&other.token()).await);
    world.write(&other.token(), "auth/token/revoke-self", Value::Null).await.unwrap();
    assert!(!world.is_good(&other.token()).await);
    for _ in 0..8 {
        runner::round(&world.active()).await.unwrap();
    }
    assert_eq!(world.count().await, 1, "nothing but the root token is left");
    // The first root token is a token like any other.
    world.write(&world.root, "auth/token/revoke-self", Value::Null).await.unwrap();
    assert!(!world.is_good(&world.root).await);
}

#[tokio::test]
async fn orphans_outlive_their_maker() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    let sudo = r#"
path "auth/token/create" { capabilities = ["sudo"] }
path "auth/token/create-orphan" { capabilities = ["sudo"] }"#;
    world.policy("orphans", sudo).await;
    world.prepare("auth/token/roles/free", json!({"orphan": true, "path_suffix": "v2"})).await;
    let parent = world.token(json!({"policies": "maker,orphans"})).await.token();
    let plain = world.token(json!({"policies": "maker"})).await.token();
    assert_eq!(words(world.write(&plain, "auth/token/create-orphan", json!({})).await).0, Cause::Denied);
    assert_eq!(
        words(world.write(&plain, "auth/token/create", json!({"no_parent": true})).await).1,
        "root or sudo privileges required to create orphan token"
    );
    let orphans = [
        world.write(&parent, "auth/token/create-orphan", json!({})).await.unwrap(),
        world.write(&parent, "auth/token/create", json!({"no_parent": true})).await.unwrap(),
        world.write(&plain, "auth/token/create/free", json!({})).await.unwrap(),
    ];
    let child = world.write(&parent, "auth/token/create", json!({})).await.unwrap();
    let adopted = world.write(&plain, "auth/token/create", json!({})).await.unwrap();
    let look = world.read(&orphans[2].token(), "auth/token/lookup-self").await.unwrap().data;
    assert_eq!((&look["path"], &look["role"]), (&json!("auth/token/create/free/v2"), &json!("free")));
    world.prepare("auth/token/revoke", json!({"token": parent})).await;
    assert!(!world.is_good(&child.token()).await);
    world.prepare("auth/token/revoke-orphan", json!({"token": plain})).await;
    for _ in 0..8 {
        runner::round(&world.active()).await.unwrap();
    }
    assert!(!world.is_good(&plain).await);
    for good in orphans.iter().chain([&adopted]) {
        assert!(world.is_good(&good.token()).await);
    }
    let look = world.read(&adopted.token(), "auth/token/lookup-self").await.unwrap().data;
    assert_eq!(look["orphan"], json!(true));

    // Children that went with their parent do not come back when somebody spares them later.
    let parent = world.token(json!({"policies": "maker"})).await.token();
    let child = world.write(&parent, "auth/token/create", json!({})).await.unwrap();
    world.prepare("auth/token/revoke", json!({"token": parent})).await;
    let late = words(world.write(&world.root, "auth/token/revoke-orphan", json!({"token": parent})).await);
    assert_eq!(late.1, "token to revoke not found");
    for _ in 0..8 {
        runner::round(&world.active()).await.unwrap();
    }
    assert!(!world.is_good(&child.token()).await);
}

/// Everything that is refused, and that a refusal leaves no token behind (CVE-2026-46405).
#[tokio::test]
async fn refused_creations_leave_no_token() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    world.policy("super", r#"path "auth/token/create" { capabilities = ["update", "sudo"] }"#).await;
    world.prepare("auth/token/roles/web", json!({"allowed_policies": "web", "token_num_uses": 2})).await;
    let plain = world.token(json!({"policies": "maker"})).await.token();
    let sudo = world.token(json!({"policies": "maker,super"})).await.token();
    let limited = world.token(json!({"policies": "maker", "num_uses": 50})).await.token();
    let batch = world.token(json!({"policies": "maker", "type": "batch"})).await.token();
    let short_root = world.token(json!({"ttl": "1h"})).await.token();
    world.token(json!({"id": "chosen-one", "policies": "web"})).await;
    let before = world.count().await;
    let root = world.root.clone();
    let rows = [
        (&plain, "create", json!({"policies": "web"}), "child policies must be subset of parent"),
        (&plain, "create", json!({"policies": "ROOT"}), "child policies must be subset of parent"),
        (
            &sudo,
            "create",
            json!({"policies": "Root"}),
            "root tokens may not be created without parent token being root",
        ),
        (&plain, "create", json!({"id": "mine-mine"}), "root or sudo privileges required to specify token id"),
        (&plain, "create", json!({"period": "1h"}), "root or sudo privileges required to create periodic token"),
        (&limited, "create", json!({}), "restricted use token cannot generate child tokens"),
        (&batch, "create", json!({}), "batch tokens cannot create more tokens"),
        (&short_root, "create", json!({}), "expiring root tokens cannot create non-expiring root tokens"),
        (&root, "create", json!({"id": "chosen-one"}), "cannot create a token with a duplicate ID"),
        (&root, "create", json!({"id": "hvs.chosen"}), "custom token ID cannot have a '.' in the value"),
        (&root, "create", json!({"type": "batch"}), "batch tokens cannot be root tokens"),
        (&root, "create", json!({"type": "odd"}), "invalid 'token_type' value"),
        (
            &root,
            "create",
            json!({"type": "batch", "policies": "a", "period": 5}),
            "batch tokens cannot have \"period\" set",
        ),
        (
            &root,
            "create",
            json!({"type": "batch", "policies": "a", "num_uses": 5}),
            "batch tokens cannot have \"num_uses\" set",
        ),
        (&root, "create/web", json!({"type": "batch"}), "batch tokens cannot have \"num_uses\" set"),
        (&root, "create", json!({"num_uses": -1}), "number of uses cannot be negative"),
        (&root, "create", json!({"policies": "response-wrapping"}), "cannot assign policy \"response-wrapping\""),
        (
            &root,
            "create",
            json!({"entity_alias": "x"}),
            "'entity_alias' is only allowed in combination with token role",
        ),
        (&root, "create/web", json!({"entity_alias": "x"}), "invalid 'entity_alias' value"),
        (&root, "create/none", json!({}), "unknown role none"),
        (&root, "create", json!({"ttl": "-1h"}), "field `ttl` has the wrong type or form"),
        (
            &root,
            "create/web",
            json!({"policies": "other"}),
            "token policies must be subset of the role's allowed policies or glob policies",
        ),
    ];
    for (token, path, body, expected) in rows {
        let (cause, client) = words(world.write(token, &format!("auth/token/{path}"), body.clone()).await);
        assert_eq!((cause, client.as_str()), (Cause::Invalid, expected), "{path} {body}");
    }
    assert_eq!(world.count().await, before);
}

#[tokio::test]
async fn roles_give_what_their_owner_says() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    let plain = world.token(json!({"policies": "maker"})).await.token();
    let role = json!({
        "allowed_policies": ["web"], "allowed_policies_glob": ["team-*"], "token_period": "1h", "token_num_uses": 9,
        "token_bound_cidrs": "10.0.0.0/8", "renewable": true,
    });
    world.prepare("auth/token/roles/web", role).await;
    world.prepare("auth/token/roles/web", json!({"token_explicit_max_ttl": "3h"})).await;
    let read = world.read(&world.root, "auth/token/roles/web").await.unwrap().data;
    assert_eq!(
        (&read["token_period"], &read["period"], &read["token_explicit_max_ttl"]),
        (&json!(3600), &json!(3600), &json!(10_800))
    );
    assert_eq!(
        (&read["token_type"], &read["name"], &read["orphan"]),
        (&json!("default-service"), &json!("web"), &json!(false))
    );
    let made =
        world.write(&plain, "auth/token/create/web", json!({"policies": ["team-a"], "num_uses": 30})).await.unwrap();
    assert_eq!(made.auth["token_policies"], json!(["default", "team-a"]));
    assert_eq!((made.ttl(), &made.auth["num_uses"]), (3600, &json!(9)));
    let look = world.prepare("auth/token/lookup", json!({"token": made.token()})).await.data;
    assert_eq!(
        (&look["period"], &look["explicit_max_ttl"], &look["bound_cidrs"]),
        (&json!(3600), &json!(10_800), &json!(["10.0.0.0/8"]))
    );
    assert_eq!(world.list(&world.root, "auth/token/roles").await.unwrap().data["keys"], json!(["web"]));
    // The role's period of the day holds, and without a role there is no renewal.
    world.prepare("auth/token/roles/web", json!({"token_period": "2h"})).await;
    let renewed = world.prepare("auth/token/renew", json!({"token": made.token()})).await;
    assert_eq!((renewed.ttl(), renewed.token()), (7200, made.token()));
    world.ask(&world.root, Method::Delete, "auth/token/roles/web", Value::Null).await.unwrap();
    let (_, client) = words(world.write(&world.root, "auth/token/renew", json!({"token": made.token()})).await);
    assert_eq!(client, "original token role could not be found, not renewing");
    assert_eq!(words(world.read(&world.root, "auth/token/roles/web").await).0, Cause::NotFound);
    assert_eq!(words(world.write(&world.root, "auth/token/roles/a b", json!({})).await).0, Cause::Invalid);
}

#[tokio::test]
async fn an_entity_alias_of_a_role_is_one_entity_in_every_spelling() {
    let world = World::new().await;
    world
        .prepare("auth/token/roles/web", json!({"allowed_policies": "web", "allowed_entity_aliases": ["Svc-*"]}))
        .await;
    let one = world.prepare("auth/token/create/web", json!({"entity_alias": "svc-pay"})).await;
    let two = world.prepare("auth/token/create/web", json!({"entity_alias": "SVC-Pay"})).await;
    assert!(!one.auth["entity_id"].as_str().unwrap().is_empty());
    assert_eq!(one.auth["entity_id"], two.auth["entity_id"]);
    let id = one.auth["entity_id"].as_str().unwrap();
    world.prepare(&format!("identity/entity/id/{id}"), json!({"policies": "Extra"})).await;
    let three = world.prepare("auth/token/create/web", json!({"entity_alias": "svc-pay"})).await;
    assert_eq!(three.auth["identity_policies"], json!(["extra"]));
    assert_eq!(three.auth["policies"], json!(["default", "extra", "web"]));
    let look = world.prepare("auth/token/lookup", json!({"token": one.token()})).await.data;
    assert_eq!((&look["identity_policies"], &look["entity_id"]), (&json!(["extra"]), &json!(id)));
}

#[tokio::test]
async fn renewals_of_created_tokens() {
    let world = World::new().await;
    let made = world.token(json!({"policies": "a", "ttl": "1h", "explicit_max_ttl": "90m"})).await;
    world.pass_s(1800);
    let renewed = world.write(&made.token(), "auth/token/renew-self", json!({"increment": 600})).await.unwrap();
    assert_eq!(renewed.ttl(), 600);
    let renewed = world.prepare("auth/token/renew-accessor", json!({"accessor": made.accessor()})).await;
    assert_eq!((renewed.ttl(), renewed.token()), (3600, String::new()), "an accessor never shows the token");
    let look = world.prepare("auth/token/lookup", json!({"token": made.token()})).await.data;
    assert_eq!(look["last_renewal_time"], json!(1_767_225_600 + 1800));
    assert_eq!(look["last_renewal"], json!("2026-01-01T00:30:00Z"));
    let capped = world.prepare("auth/token/renew", json!({"token": made.token(), "increment": "5h"})).await;
    assert_eq!((capped.ttl(), capped.warnings.len()), (3600, 1));
    world.pass_s(3600);
    assert!(!world.is_good(&made.token()).await, "the explicit maximum is hard");

    let periodic = world.token(json!({"policies": "a", "period": "1h"})).await;
    for _ in 0..40 {
        world.pass_s(3000);
        let renewed = world.prepare("auth/token/renew", json!({"token": periodic.token(), "increment": "9h"})).await;
        assert_eq!(renewed.ttl(), 3600);
    }
    world.pass_s(3600);
    assert!(!world.is_good(&periodic.token()).await);

    let no = async |token: &str| words(world.write(&world.root, "auth/token/renew", json!({"token": token})).await).1;
    let fixed = world.token(json!({"policies": "a", "renewable": false})).await;
    assert_eq!((fixed.ttl(), &fixed.auth["renewable"]), (MAX_S, &json!(false)));
    assert_eq!(no(&fixed.token()).await, "lease is not renewable");
    assert_eq!(no(&world.root).await, "lease is not renewable");
    let batch = world.token(json!({"policies": "a", "type": "batch"})).await;
    assert_eq!((batch.accessor(), &batch.auth["renewable"]), (String::new(), &json!(false)));
    assert_eq!(no(&batch.token()).await, "batch tokens cannot be renewed");
    let (_, client) = words(world.write(&batch.token(), "auth/token/renew-self", json!({})).await);
    assert_eq!(client, "batch tokens cannot be renewed");
    let (_, client) = words(world.write(&batch.token(), "auth/token/revoke-self", json!({})).await);
    assert_eq!(client, "batch tokens cannot be revoked");
    let look = world.prepare("auth/token/lookup", json!({"token": batch.token()})).await.data;
    assert_eq!((&look["type"], &look["accessor"], &look["renewable"]), (&json!("batch"), &json!(""), &json!(false)));
}

#[tokio::test]
async fn who_vouched_is_asked_before_a_renewal() {
    let world = World::new().await;
    world.stub(json!({"policies": ["app"], "ttl_s": 600, "max_ttl_s": 1800})).await;
    let made = world.log_in("web").await.unwrap();
    assert_eq!((made.ttl(), &made.auth["orphan"]), (600, &json!(true)));
    let token = made.token();
    let renew = async || world.write(&token, "auth/token/renew-self", json!({})).await;
    world.pass_s(300);
    assert_eq!(renew().await.unwrap().ttl(), 600);
    // The terms of today hold.
    world.stub(json!({"ttl_s": 900, "max_ttl_s": 1800})).await;
    assert_eq!(renew().await.unwrap().ttl(), 900);
    world.stub(json!({"ttl_s": 900, "max_ttl_s": 1000})).await;
    let capped = renew().await.unwrap();
    assert_eq!((capped.ttl(), capped.warnings.len()), (700, 1));
    world.stub(json!({"period_s": 50})).await;
    assert_eq!(renew().await.unwrap().ttl(), 50);
    world.stub(json!({"ttl_s": 900, "refuse_renewals": true})).await;
    assert_eq!(words(renew().await), (Cause::Invalid, "the stub vouches no more".to_owned()));
    world.stub(json!({"ttl_s": 900})).await;
    // A disabled entity's token is nobody's, and an operator cannot extend it either.
    let id = made.auth["entity_id"].as_str().unwrap();
    world.prepare(&format!("identity/entity/id/{id}"), json!({"disabled": true})).await;
    assert_eq!(words(renew().await).0, Cause::Denied);
    assert_eq!(words(world.write(&world.root, "auth/token/renew", json!({"token": token})).await).0, Cause::Denied);
    world.prepare(&format!("identity/entity/id/{id}"), json!({"disabled": false})).await;
    assert_eq!(renew().await.unwrap().ttl(), 900);
    world.ask(&world.root, Method::Delete, "sys/auth/stub", Value::Null).await.unwrap();
    assert_eq!(words(renew().await).1, "the auth mount that vouched for this token is gone, not renewing");
}

#[tokio::test]
async fn children_inherit_entity_and_networks_and_orphans_do_not() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    world.policy("super", r#"path "auth/token/create" { capabilities = ["update", "sudo"] }"#).await;
    world.stub(json!({"policies": ["maker", "super"], "bound_cidrs": ["10.0.0.0/8"]})).await;
    let parent = world.log_in("web").await.unwrap();
    let look = async |fields: Value| {
        let made = world.write(&parent.token(), "auth/token/create", fields).await.unwrap();
        world.prepare("auth/token/lookup", json!({"token": made.token()})).await.data
    };
    let child = look(json!({})).await;
    assert_eq!((&child["entity_id"], &child["bound_cidrs"]), (&parent.auth["entity_id"], &json!(["10.0.0.0/8"])));
    let orphan = look(json!({"no_parent": true})).await;
    assert_eq!((&orphan["entity_id"], orphan.get("bound_cidrs")), (&json!(""), None));
}

#[tokio::test]
async fn counted_tokens_end_with_their_last_use() {
    let world = World::new().await;
    let made = world.token(json!({"policies": "default", "num_uses": 2})).await;
    let look = world.read(&made.token(), "auth/token/lookup-self").await.unwrap().data;
    assert_eq!(look["num_uses"], json!(1), "uses that are left");
    assert!(world.is_good(&made.token()).await);
    assert!(!world.is_good(&made.token()).await);
}

#[tokio::test]
async fn sudo_is_asked_where_it_must_be() {
    let world = World::new().await;
    world.policy("maker", MAKER).await;
    let plain = world.token(json!({"policies": "maker"})).await.token();
    assert_eq!(words(world.list(&plain, "auth/token/accessors").await).0, Cause::Denied);
    assert_eq!(words(world.write(&plain, "auth/token/revoke-orphan", json!({"token": "x"})).await).0, Cause::Denied);
    let made = world.token(json!({"policies": "maker"})).await;
    let keys = sorted(&world.list(&world.root, "auth/token/accessors").await.unwrap().data["keys"]);
    assert!(keys.contains(&made.accessor()));
    let tidy = world.write(&world.root, "auth/token/tidy", Value::Null).await.unwrap();
    assert_eq!((tidy.status, tidy.warnings.len()), (Some(202), 1));
    let rows = world
        .active()
        .registry
        .all()
        .flat_map(|(_, engine)| {
            let kind = engine.kind();
            engine.route_facts().into_iter().map(move |facts| (kind, facts))
        })
        .filter(|(kind, _)| matches!(*kind, "token" | "identity"))
        .collect::<Vec<_>>();
    let sudo: Vec<&str> = rows.iter().filter(|(_, f)| f.access == Access::Sudo).map(|(_, f)| f.name).collect();
    assert_eq!(sudo, ["create-orphan", "revoke-orphan", "accessors"]);
    // Who one is may be asked by whoever is somebody; nothing else is open to every token.
    let open: Vec<&str> = rows.iter().filter(|(_, f)| f.access == Access::Authenticated).map(|(_, f)| f.name).collect();
    assert_eq!(open, ["access-key-caller"]);
    assert!(rows.iter().all(|(_, f)| !matches!(f.access, Access::Anonymous | Access::Login)));
    assert!(rows.iter().all(|(_, f)| f.recorded && !f.help.is_empty()));
    let mut names: Vec<_> = rows.iter().map(|(kind, f)| (*kind, f.name)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len());
    for secret in ["token", "accessor", "id"] {
        assert!(rows.iter().filter(|(kind, _)| *kind == "token").all(|(_, f)| !f.clear.contains(&secret)), "{secret}");
    }
}
