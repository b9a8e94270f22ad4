//! Entities and aliases over the whole pipeline.

use crate::system::token::tests::harness::{Reply, World};
use cardea_model::{Cause, Error, Method};
use serde_json::{Value, json};

fn words(result: Result<Reply, Error>) -> (Cause, String) {
    let error = result.err().unwrap();
    (error.cause, error.client)
}

async fn made(world: &World, name: &str) -> String {
    let reply = world.prepare("identity/entity", json!({"name": name})).await;
    reply.data["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn entities_are_made_read_renamed_and_removed() {
    let world = World::new().await;
    let root = &world.root;
    let id = made(&world, "pay").await;
    let changes = json!({"metadata": {"team": "x"}, "policies": ["Web", "app"]});
    assert_eq!(world.prepare("identity/entity/name/pay", changes).await.data, Value::Null);
    let by_id = world.read(root, &format!("identity/entity/id/{id}")).await.unwrap().data;
    assert_eq!(by_id, world.read(root, "identity/entity/name/pay").await.unwrap().data);
    assert_eq!((&by_id["name"], &by_id["policies"]), (&json!("pay"), &json!(["app", "web"])));
    assert_eq!(
        (&by_id["metadata"], &by_id["disabled"], &by_id["aliases"]),
        (&json!({"team": "x"}), &json!(false), &json!([]))
    );
    assert_eq!(by_id["namespace_id"], json!("root"));

    // The old name leads nowhere, the new one here.
    world.prepare(&format!("identity/entity/id/{id}"), json!({"name": "payments"})).await;
    assert_eq!(words(world.read(root, "identity/entity/name/pay").await).0, Cause::NotFound);
    assert_eq!(world.read(root, "identity/entity/name/payments").await.unwrap().data["id"], json!(id));
    assert_eq!(world.list(root, "identity/entity/name").await.unwrap().data["keys"], json!(["payments"]));
    let listed = world.list(root, "identity/entity/id").await.unwrap().data;
    assert_eq!((&listed["keys"], &listed["key_info"][&id]["name"]), (&json!([id]), &json!("payments")));
    let found = world.prepare("identity/lookup/entity", json!({"name": "payments", "id": id})).await.data;
    assert_eq!(found["id"], json!(id));

    world.ask(root, Method::Delete, "identity/entity/name/payments", Value::Null).await.unwrap();
    world.ask(root, Method::Delete, "identity/entity/name/payments", Value::Null).await.unwrap();
    assert_eq!(words(world.read(root, &format!("identity/entity/id/{id}")).await).0, Cause::NotFound);
    assert_eq!(words(world.list(root, "identity/entity/id").await).0, Cause::NotFound);
    assert_eq!(world.prepare("identity/lookup/entity", json!({"id": id})).await.data, Value::Null);
}

/// Whatever path sets policies refuses root, in every spelling (CVE-2024-9180, CVE-2025-5999).
#[tokio::test]
async fn no_entity_carries_root() {
    let world = World::new().await;
    let id = made(&world, "pay").await;
    for spelling in ["root", "ROOT", " rooT ", "ＲＯＯＴ", "response-wrapping"] {
        for path in
            ["identity/entity".to_owned(), format!("identity/entity/id/{id}"), "identity/entity/name/pay".to_owned()]
        {
            for policies in [json!([spelling]), json!(["app", spelling]), json!(spelling)] {
                let body = json!({"name": "pay", "policies": policies});
                let (cause, client) = words(world.write(&world.root, &path, body).await);
                assert_eq!(
                    (cause, client.starts_with("policies cannot contain")),
                    (Cause::Invalid, true),
                    "{path} {spelling}"
                );
            }
        }
    }
    let entity = world.read(&world.root, &format!("identity/entity/id/{id}")).await.unwrap().data;
    assert_eq!(entity["policies"], json!([]));
}

#[tokio::test]
async fn two_selectors_never_reach_two_entities() {
    let world = World::new().await;
    let (one, two) = (made(&world, "one").await, made(&world, "two").await);
    let refused = [
        (
            "identity/entity/name/one".to_owned(),
            json!({"id": two, "disabled": true}),
            "the id and the name are not of one entity",
        ),
        ("identity/entity/name/new".to_owned(), json!({"id": two}), "the id and the name are not of one entity"),
        (format!("identity/entity/id/{one}"), json!({"name": "two"}), "entity name is already in use"),
        ("identity/entity/id/unknown".to_owned(), json!({"name": "x"}), "entity not found from id"),
        ("identity/lookup/entity".to_owned(), json!({}), "query parameters not supplied"),
        (
            "identity/lookup/entity".to_owned(),
            json!({"alias_name": "x"}),
            "'alias_name' and 'alias_mount_accessor' must be given together",
        ),
    ];
    for (path, body, expected) in refused {
        assert_eq!(words(world.write(&world.root, &path, body).await), (Cause::Invalid, expected.to_owned()), "{path}");
    }
    // The path wins over an id in the body.
    world.prepare(&format!("identity/entity/id/{one}"), json!({"id": two, "disabled": true})).await;
    let disabled = async |id: &str| {
        world.read(&world.root, &format!("identity/entity/id/{id}")).await.unwrap().data["disabled"].clone()
    };
    assert_eq!((disabled(&one).await, disabled(&two).await), (json!(true), json!(false)));
    assert_eq!(world.prepare("identity/lookup/entity", json!({"id": one, "name": "two"})).await.data, Value::Null);
    for bad in ["a\u{200b}b", " one", &"x".repeat(300), "a/b", "."] {
        assert_eq!(
            words(world.write(&world.root, "identity/entity", json!({"name": bad})).await).0,
            Cause::Invalid,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn logins_and_operators_see_one_entity() {
    let world = World::new().await;
    let root = &world.root;
    world.stub(json!({"policies": ["app"]})).await;
    let accessor = world.read(root, "sys/auth").await.unwrap().data["stub/"]["accessor"].as_str().unwrap().to_owned();
    let id = made(&world, "web-service").await;
    world.prepare("identity/entity/name/web-service", json!({"policies": "extra"})).await;
    let alias = json!({"name": "web", "canonical_id": id, "mount_accessor": accessor});
    let bound = world.prepare("identity/entity-alias", alias.clone()).await.data;
    assert_eq!(bound["canonical_id"], json!(id));
    assert_eq!(world.prepare("identity/entity-alias", alias).await.data, Value::Null, "bound already");
    let login = world.log_in("web").await.unwrap();
    assert_eq!((&login.auth["entity_id"], &login.auth["identity_policies"]), (&json!(id), &json!(["extra"])));
    let found = json!({"alias_name": "web", "alias_mount_accessor": accessor});
    assert_eq!(world.prepare("identity/lookup/entity", found).await.data["id"], json!(id));
    let alias_id = bound["id"].as_str().unwrap();
    let read = world.read(root, &format!("identity/entity-alias/id/{alias_id}")).await.unwrap().data;
    assert_eq!(
        (&read["name"], &read["mount_path"], &read["mount_type"]),
        (&json!("web"), &json!("auth/stub/"), &json!("stub"))
    );
    assert_eq!(world.list(root, "identity/entity-alias/id").await.unwrap().data["keys"], json!([alias_id]));
    assert_eq!(world.prepare("identity/lookup/entity", json!({"alias_id": alias_id})).await.data["id"], json!(id));

    let other = made(&world, "other").await;
    for (body, expected) in [
        (
            json!({"name": "web", "canonical_id": other, "mount_accessor": accessor}),
            "the alias is bound to another entity",
        ),
        (
            json!({"name": "web2", "canonical_id": id, "mount_accessor": accessor}),
            "the entity already has an alias on this mount",
        ),
        (json!({"name": "x", "canonical_id": "unknown", "mount_accessor": accessor}), "invalid canonical ID"),
        (json!({"name": "x", "canonical_id": id, "mount_accessor": "unknown"}), "invalid mount accessor"),
        (json!({"name": "x"}), "missing alias name, canonical_id or mount_accessor"),
    ] {
        assert_eq!(
            words(world.write(root, "identity/entity-alias", body).await),
            (Cause::Invalid, expected.to_owned())
        );
    }

    // Its own entity is what the default policy lets a caller read.
    assert!(world.read(&login.token(), &format!("identity/entity/id/{id}")).await.is_ok());
    assert_eq!(words(world.read(&login.token(), &format!("identity/entity/id/{other}")).await).0, Cause::Denied);

    // Without its alias the next login is somebody new; a removed entity's tokens open nothing.
    world.ask(root, Method::Delete, &format!("identity/entity-alias/id/{alias_id}"), Value::Null).await.unwrap();
    let stranger = world.log_in("web").await.unwrap();
    assert_ne!(stranger.auth["entity_id"], json!(id));
    assert!(world.is_good(&login.token()).await);
    world.ask(root, Method::Delete, &format!("identity/entity/id/{id}"), Value::Null).await.unwrap();
    assert!(!world.is_good(&login.token()).await);
}

#[tokio::test]
async fn an_alias_is_changed_by_its_id_and_keeps_what_operators_said() {
    let world = World::new().await;
    let root = &world.root;
    world.stub(json!({"policies": ["app"]})).await;
    let accessor = world.read(root, "sys/auth").await.unwrap().data["stub/"]["accessor"].as_str().unwrap().to_owned();
    let (first, second) = (made(&world, "first").await, made(&world, "second").await);
    let body =
        json!({"name": "web", "canonical_id": first, "mount_accessor": accessor, "custom_metadata": {"team": "blue"}});
    let bound = world.prepare("identity/entity-alias", body.clone()).await.data;
    let at = format!("identity/entity-alias/id/{}", bound["id"].as_str().unwrap());
    let read = async || world.read(root, &at).await.unwrap().data;
    // A login says what it says of the alias, and nothing of what operators said is lost.
    world.log_in("web").await.unwrap();
    assert_eq!(read().await["custom_metadata"], json!({"team": "blue"}));
    let mut again = body;
    again["custom_metadata"] = json!({"team": "green"});
    assert_eq!(world.prepare("identity/entity-alias", again).await.data, Value::Null);
    assert_eq!(read().await["custom_metadata"], json!({"team": "green"}));

    world.prepare(&at, json!({"name": "web2"})).await;
    let now = read().await;
    assert_eq!((&now["name"], &now["canonical_id"]), (&json!("web2"), &json!(first)));
    assert_eq!(now["custom_metadata"], json!({"team": "green"}), "left out, left as it is");
    let find = async |name: &str| {
        let body = json!({"alias_name": name, "alias_mount_accessor": accessor});
        world.prepare("identity/lookup/entity", body).await.data["id"].clone()
    };
    assert_eq!((find("web").await, find("web2").await), (Value::Null, json!(first)));
    world.prepare(&at, json!({"canonical_id": second, "custom_metadata": {}})).await;
    assert_eq!((find("web2").await, read().await["custom_metadata"].clone()), (json!(second), Value::Null));
    assert_eq!(world.log_in("web2").await.unwrap().auth["entity_id"], json!(second));

    let taken = json!({"name": "taken", "canonical_id": first, "mount_accessor": accessor});
    world.prepare("identity/entity-alias", taken).await;
    for (path, body, expected) in [
        (at.as_str(), json!({"name": "taken"}), "the alias is bound to another entity"),
        (&at, json!({"canonical_id": first}), "the entity already has an alias on this mount"),
        (&at, json!({"canonical_id": "unknown"}), "invalid canonical ID"),
        (&at, json!({"mount_accessor": "unknown"}), "invalid mount accessor"),
        (&at, json!({"name": "a\u{7}b"}), "alias name is too long or cannot be printed"),
        ("identity/entity-alias/id/unknown", json!({"name": "x"}), "alias not found from id"),
    ] {
        assert_eq!(words(world.write(root, path, body).await), (Cause::Invalid, expected.to_owned()));
    }
}
