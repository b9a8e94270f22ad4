//! Logins and renewals: what opens, what does not, and that nobody hears why.

use super::{credentials, issue, role, world};
use crate::testing::World;
use cardea_model::{Error, Method, TtlSeconds};
use cardea_sdk::{Identification, Vouch};
use cardea_storage::CommitError;
use serde_json::json;

/// What a client may learn of a refusal.
fn heard(refused: Result<Identification, Error>) -> (cardea_model::Cause, String) {
    let error = refused.expect_err("it was let in");
    (error.cause, error.client)
}

#[tokio::test]
async fn a_login_says_who_it_is_and_on_what_terms() {
    let world = world();
    role(
        &world,
        "Web",
        r#"{"token_policies":"web","token_ttl":60,"token_num_uses":3,"token_bound_cidrs":"10.0.0.0/8"}"#,
    )
    .await;
    world.write("role/web/role-id", r#"{"role_id":"web-id"}"#).await;
    let body = r#"{"metadata":{"host":"web-1","role_name":"admin"},"token_bound_cidrs":"10.0.0.1"}"#;
    let (secret, accessor) = issue(&world, "web", body).await;
    let who = world.login(&credentials(" web-id", &format!("{secret}\n"))).await.unwrap();
    assert_eq!((who.alias.as_str(), who.display_name.as_str()), ("web-id", ""));
    assert_eq!(who.metadata["role_name"], "web", "metadata of a secret id must not pose as another role");
    assert_eq!((who.metadata["host"].as_str(), &who.metadata["secret_id_accessor"]), ("web-1", &accessor));
    assert_eq!(who.terms.policies, ["web"]);
    assert_eq!((who.terms.ttl_s, who.terms.num_uses), (Some(TtlSeconds(60)), 3));
    assert_eq!(who.terms.bound_cidrs, ["10.0.0.1"]);
    let kept = serde_json::to_string(&who).unwrap();
    assert!(!kept.contains(&secret), "the identification is kept with the token");
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let mut world = world();
    role(&world, "web", r#"{"secret_id_ttl":600}"#).await;
    role(&world, "other", "{}").await;
    let (expired, _) = issue(&world, "web", r#"{"ttl":1}"#).await;
    let (used_up, _) = issue(&world, "web", r#"{"num_uses":1}"#).await;
    let (elsewhere, _) = issue(&world, "web", r#"{"cidr_list":"192.0.2.0/24"}"#).await;
    let (elsewhere_token, _) = issue(&world, "web", r#"{"token_bound_cidrs":"192.0.2.0/24"}"#).await;
    let (destroyed, accessor) = issue(&world, "web", "{}").await;
    let (good, _) = issue(&world, "web", "{}").await;
    let (of_other, _) = issue(&world, "other", "{}").await;
    world.login(&credentials("web-id", &used_up)).await.unwrap();
    world.write("role/web/secret-id-accessor/destroy", &json!({ "secret_id_accessor": accessor }).to_string()).await;
    world.pass_s(2);
    let before = world.revision();
    let expected = (cardea_model::Cause::Invalid, "invalid role or secret ID".to_owned());
    let table = [
        ("wrong role id", credentials("nobody", &good)),
        ("role name for role id", credentials("web", &good)),
        ("role id in another case", credentials("WEB-ID", &good)),
        ("wrong secret id", credentials("web-id", "wrong")),
        ("accessor for secret id", credentials("web-id", &accessor)),
        ("secret id of another role", credentials("web-id", &of_other)),
        ("secret id in another case", credentials("web-id", &good.to_uppercase())),
        ("expired", credentials("web-id", &expired)),
        ("used up", credentials("web-id", &used_up)),
        ("destroyed", credentials("web-id", &destroyed)),
        ("bound to other networks", credentials("web-id", &elsewhere)),
        ("token bound to other networks", credentials("web-id", &elsewhere_token)),
        ("placeholder", credentials("-", "-")),
        ("empty", credentials("", "")),
        ("no role id", json!({ "secret_id": good }).to_string()),
        ("no secret id", json!({ "role_id": "web-id" }).to_string()),
        ("nothing", "{}".to_owned()),
    ];
    for (what, body) in table {
        let gets = world.gets();
        assert_eq!(heard(world.login(&body).await), expected, "{what}");
        assert_eq!(world.gets() - gets, 3, "{what} took other lookups");
    }
    assert_eq!(world.revision(), before, "a refused login wrote something");
    world.login(&credentials("web-id", &good)).await.unwrap();
}

#[tokio::test]
async fn networks_of_role_and_secret_id_both_hold() {
    // role's networks, secret id's networks, peer, whether it opens
    let table = [
        ("", "", "203.0.113.9", true),
        ("10.0.0.0/8", "", "10.1.1.1", true),
        ("10.0.0.0/8", "", "::ffff:10.1.1.1", true),
        ("10.0.0.0/8", "", "11.1.1.1", false),
        ("10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", true),
        ("10.0.0.0/8", "10.1.0.0/16", "10.2.1.1", false),
        ("", "2001:db8::/32", "2001:db8::5", true),
        ("", "2001:db8::/32", "10.0.0.1", false),
        ("0.0.0.0/0", "", "2001:db8::5", false),
    ];
    for (of_role, of_secret, peer, expected) in table {
        let mut world = world();
        role(&world, "web", &json!({ "secret_id_bound_cidrs": of_role }).to_string()).await;
        let (secret, _) = issue(&world, "web", &json!({ "cidr_list": of_secret }).to_string()).await;
        world.peer = peer.parse().unwrap();
        let opened = world.login(&credentials("web-id", &secret)).await.is_ok();
        assert_eq!(opened, expected, "{of_role} {of_secret} {peer}");
    }
}

#[tokio::test]
async fn a_narrowed_role_narrows_what_it_issued_before() {
    let mut world = world();
    role(&world, "web", "{}").await;
    let (secret, _) = issue(&world, "web", r#"{"token_bound_cidrs":"10.0.0.0/8"}"#).await;
    let who = world.login(&credentials("web-id", &secret)).await.unwrap();
    assert_eq!(who.terms.bound_cidrs, ["10.0.0.0/8"]);
    world.write("role/web", r#"{"token_bound_cidrs":"10.0.0.0/16"}"#).await;
    assert!(world.login(&credentials("web-id", &secret)).await.is_err());
    assert!(world.renew(&who).await.is_err());
    world.write("role/web", r#"{"token_bound_cidrs":"10.0.0.0/8","secret_id_bound_cidrs":"10.0.0.0/24"}"#).await;
    world.login(&credentials("web-id", &secret)).await.unwrap();
    world.peer = "10.9.9.9".parse().unwrap();
    assert!(world.login(&credentials("web-id", &secret)).await.is_err());
}

#[tokio::test]
async fn a_role_without_secret_ids_rests_on_its_networks() {
    let mut world = world();
    for (name, body) in [
        ("a", r#"{"bind_secret_id":false,"secret_id_bound_cidrs":"10.0.0.0/8"}"#),
        ("b", r#"{"bind_secret_id":false,"token_bound_cidrs":"10.0.0.0/8"}"#),
    ] {
        role(&world, name, body).await;
    }
    for name in ["a-id", "b-id"] {
        for body in [json!({ "role_id": name }), json!({ "role_id": name, "secret_id": "ignored" })] {
            let who = world.login(&body.to_string()).await.unwrap();
            assert!(!who.metadata.contains_key("secret_id_accessor"));
        }
    }
    world.peer = "192.0.2.1".parse().unwrap();
    for name in ["a-id", "b-id"] {
        assert!(world.login(&json!({ "role_id": name }).to_string()).await.is_err());
    }
}

#[tokio::test]
async fn uses_are_counted_exactly() {
    for uses in [1u64, 3] {
        let world = world();
        role(&world, "web", r#"{"secret_id_ttl":60}"#).await;
        let (secret, _) = issue(&world, "web", &json!({ "num_uses": uses }).to_string()).await;
        for left in (0..uses).rev() {
            world.login(&credentials("web-id", &secret)).await.unwrap();
            let seen = world.write("role/web/secret-id/lookup", &json!({ "secret_id": secret }).to_string()).await;
            assert_eq!(seen.get("secret_id_num_uses"), (left > 0).then(|| json!(left)).as_ref());
        }
        assert!(world.login(&credentials("web-id", &secret)).await.is_err());
        for kind in ["approle-secret-id", "approle-accessor", "approle-expiry"] {
            assert_eq!(world.count(kind), 0, "{kind}");
        }
    }
}

#[tokio::test]
async fn an_unlimited_secret_id_costs_no_write() {
    let world = world();
    role(&world, "web", "{}").await;
    let (secret, _) = issue(&world, "web", "{}").await;
    let mut txn = world.sealed.txn();
    assert!(matches!(world.vouch(&mut txn, &credentials("web-id", &secret)).await.unwrap(), Vouch::Yes(_)));
    assert!(!txn.has_writes());
}

/// Two logins that both saw the secret id before either committed.
async fn race(world: &World, secret: &str) -> [Result<(), CommitError>; 2] {
    let (mut first, mut second) = (world.sealed.txn(), world.sealed.txn());
    for txn in [&mut first, &mut second] {
        let vouched = world.vouch(txn, &credentials("web-id", secret)).await.unwrap();
        assert!(matches!(vouched, Vouch::Yes(_)));
    }
    [first.commit().await.map(drop), second.commit().await.map(drop)]
}

#[tokio::test]
async fn of_two_racing_logins_only_one_takes_a_use() {
    for uses in [1, 2] {
        let world = world();
        role(&world, "web", "{}").await;
        let (secret, _) = issue(&world, "web", &json!({ "num_uses": uses }).to_string()).await;
        assert_eq!(race(&world, &secret).await, [Ok(()), Err(CommitError::Conflict)]);
        // The loser runs again on what is left.
        assert_eq!(world.login(&credentials("web-id", &secret)).await.is_ok(), uses == 2);
    }
}

#[tokio::test]
async fn a_login_conflicts_with_the_end_of_what_it_rests_on() {
    for (method, path, body) in [
        (Method::Delete, "role/web", "{}".to_owned()),
        (Method::Write, "role/web/policies", r#"{"token_policies":"less"}"#.to_owned()),
        (Method::Write, "role/web/role-id", r#"{"role_id":"new"}"#.to_owned()),
        (Method::Write, "role/web/secret-id/destroy", String::new()),
    ] {
        let world = world();
        role(&world, "web", "{}").await;
        let (secret, _) = issue(&world, "web", r#"{"num_uses":5}"#).await;
        let mut txn = world.sealed.txn();
        world.vouch(&mut txn, &credentials("web-id", &secret)).await.unwrap();
        let body = if body.is_empty() { json!({ "secret_id": secret }).to_string() } else { body };
        world.ask(method, path, &body).await.unwrap();
        assert_eq!(txn.commit().await.map(drop), Err(CommitError::Conflict), "{path}");
    }
}

#[tokio::test]
async fn renewals_follow_the_role_and_not_the_secret_id() {
    let world = world();
    role(&world, "web", r#"{"token_policies":"a","token_ttl":60}"#).await;
    let (secret, _) = issue(&world, "web", r#"{"num_uses":1}"#).await;
    let who = world.login(&credentials("web-id", &secret)).await.unwrap();
    world.write("role/web", r#"{"token_policies":"b","token_ttl":30}"#).await;
    let again = world.renew(&who).await.unwrap();
    assert_eq!((again.terms.policies, again.terms.ttl_s), (vec!["b".to_owned()], Some(TtlSeconds(30))));
    assert_eq!((again.alias, again.metadata), (who.alias.clone(), who.metadata.clone()));
    world.ask(Method::Delete, "role/web", "").await.unwrap();
    assert!(world.renew(&who).await.is_err());
    // A role of the same name is not the same role.
    role(&world, "web", r#"{"token_policies":"admin"}"#).await;
    assert!(world.renew(&who).await.is_err());
}
