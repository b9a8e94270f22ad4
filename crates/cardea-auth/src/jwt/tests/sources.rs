//! Keys by address, by discovery and by file: when an issuer is asked, how often, and what holds while it does not answer.

use super::{Issuer, Outside, login, set, usual, with, world_and_outside};
use crate::jwt::Jwt;
use crate::jwt::source::{FILE_FRESH_S, FRESH_S, KEPT_S, REFETCH_MIN_S};
use crate::testing::World;
use cardea_model::{Cause, Method};
use cardea_sdk::erased::ErasedAuth;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const KEYS: &str = "https://issuer.test/keys";

async fn by_address(issuer: &Issuer) -> (World, Arc<Outside>) {
    let (world, outside) = world_and_outside();
    outside.serves(KEYS, set(&[issuer.jwk()]));
    world.write("config", &json!({ "jwks_url": KEYS }).to_string()).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    assert_eq!(outside.asked(), 1, "a configuration is tried before it is kept");
    (world, outside)
}

/// Claims that are valid whenever it is.
fn signed(issuer: &Issuer, world: &World) -> String {
    let now_s = i64::try_from(world.now.0 / 1000).unwrap();
    issuer.signs(&with(json!({ "iat": now_s, "exp": now_s + 600 })))
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_old() {
    let issuer = Issuer::new("k");
    let (mut world, outside) = by_address(&issuer).await;
    for _ in 0..5 {
        login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    }
    assert_eq!(outside.asked(), 1);
    world.pass_s(FRESH_S - 1);
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    assert_eq!(outside.asked(), 0);
    world.pass_s(1);
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    assert_eq!(outside.asked(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_withdrawn_one_is_forgotten() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (mut world, outside) = by_address(&old).await;
    login(&world, "web", &signed(&old, &world)).await.unwrap();
    outside.serves(KEYS, set(&[new.jwk()]));
    assert!(login(&world, "web", &signed(&new, &world)).await.is_err(), "asked a moment ago");
    world.pass_s(REFETCH_MIN_S);
    outside.asked();
    login(&world, "web", &signed(&old, &world)).await.unwrap();
    assert_eq!(outside.asked(), 0, "a known key asks nobody");
    login(&world, "web", &signed(&new, &world)).await.unwrap();
    assert_eq!(outside.asked(), 1);
    assert!(login(&world, "web", &signed(&old, &world)).await.is_err(), "withdrawn");
}

#[tokio::test]
async fn strangers_cannot_make_us_ask_often() {
    let issuer = Issuer::new("k");
    let (mut world, outside) = by_address(&issuer).await;
    for n in 0..50 {
        let stranger = Issuer::new(&format!("s{n}"));
        assert!(login(&world, "web", &signed(&stranger, &world)).await.is_err());
    }
    assert_eq!(outside.asked(), 1);
    for _ in 0..5 {
        world.pass_s(REFETCH_MIN_S);
        for n in 0..10 {
            assert!(login(&world, "web", &signed(&Issuer::new(&format!("s{n}")), &world)).await.is_err());
        }
    }
    assert_eq!(outside.asked(), 5);
    // What cannot be a token, or has an algorithm that is not allowed, asks nobody at all.
    world.pass_s(REFETCH_MIN_S);
    for token in ["x", "x.y.z", "eyJhbGciOiJub25lIn0.e30."] {
        assert!(login(&world, "web", token).await.is_err());
    }
    assert_eq!(outside.asked(), 0);
}

#[tokio::test]
async fn logins_at_once_share_one_fetch() {
    let issuer = Issuer::new("k");
    let (world, outside) = by_address(&issuer).await;
    let token = signed(&issuer, &world);
    let (a, b, c) =
        tokio::join!(login(&world, "web", &token), login(&world, "web", &token), login(&world, "web", &token));
    for who in [a, b, c] {
        who.unwrap();
    }
    assert_eq!(outside.asked(), 1);
}

#[tokio::test]
async fn a_slow_issuer_holds_up_one_login_and_not_those_behind_it() {
    let issuer = Issuer::new("k");
    let (mut world, outside) = by_address(&issuer).await;
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    world.pass_s(FRESH_S);
    outside.asked();
    outside.hangs.store(true, Ordering::Relaxed);
    let token = signed(&issuer, &world);
    tokio::select! {
        biased;
        _ = login(&world, "web", &token) => panic!("nobody answered it"),
        who = async { tokio::task::yield_now().await; login(&world, "web", &token).await } => drop(who.unwrap()),
    }
    // The one who gave up waiting leaves nothing locked.
    login(&world, "web", &token).await.unwrap();
    assert_eq!(outside.asked(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_away_known_keys_hold_for_a_while() {
    let issuer = Issuer::new("k");
    let (mut world, outside) = by_address(&issuer).await;
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    outside.fails(KEYS, "connection refused");
    outside.asked();
    world.pass_s(FRESH_S);
    for _ in 0..5 {
        login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    }
    assert_eq!(outside.asked(), 1, "a failed attempt is not repeated at once");
    world.pass_s(KEPT_S - FRESH_S);
    for _ in 0..5 {
        let error = login(&world, "web", &signed(&issuer, &world)).await.unwrap_err();
        assert_eq!(error.cause, Cause::Upstream);
        assert_eq!(error.client, "the keys of the token's issuer cannot be fetched");
        assert_eq!(error.detail.as_deref(), Some("connection refused"));
    }
    assert_eq!(outside.asked(), 1);
    outside.serves(KEYS, set(&[issuer.jwk()]));
    world.pass_s(REFETCH_MIN_S);
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
}

#[tokio::test]
async fn a_document_that_is_no_key_set_changes_nothing() {
    let issuer = Issuer::new("k");
    let (mut world, outside) = by_address(&issuer).await;
    login(&world, "web", &signed(&issuer, &world)).await.unwrap();
    for document in ["<html>login here</html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        outside.serves(KEYS, document);
        world.pass_s(FRESH_S / 2);
        login(&world, "web", &signed(&issuer, &world)).await.unwrap();
        let body = json!({ "jwks_url": KEYS }).to_string();
        let error = world.ask(Method::Write, "config", &body).await.unwrap_err();
        assert_eq!(error.client, "error checking jwks URL");
        assert!(error.detail.unwrap().starts_with("the set of keys cannot be used"));
    }
}

#[tokio::test]
async fn a_new_configuration_forgets_the_keys_of_the_old() {
    let (one, two) = (Issuer::new("1"), Issuer::new("2"));
    let (world, outside) = by_address(&one).await;
    login(&world, "web", &signed(&one, &world)).await.unwrap();
    outside.serves("https://two.test/keys", set(&[two.jwk()]));
    world.write("config", r#"{"jwks_url":"https://two.test/keys"}"#).await;
    assert!(login(&world, "web", &signed(&one, &world)).await.is_err());
    login(&world, "web", &signed(&two, &world)).await.unwrap();
}

#[tokio::test]
async fn discovery_finds_the_keys_and_the_issuer() {
    let (world, outside) = world_and_outside();
    let issuer = Issuer::new("k");
    let config = "https://issuer.test/.well-known/openid-configuration";
    let body = r#"{"oidc_discovery_url":"https://issuer.test"}"#;
    outside.serves("http://127.0.0.1:8500/v1/keys", set(&[issuer.jwk()]));
    for document in [
        json!({ "issuer": "https://evil.test", "jwks_uri": KEYS }),
        json!({ "jwks_uri": KEYS }),
        json!({ "issuer": "https://issuer.test" }),
        json!({ "issuer": "https://issuer.test", "jwks_uri": "http://127.0.0.1:8500/v1/keys" }),
        json!([]),
    ] {
        outside.serves(config, document);
        let error = world.ask(Method::Write, "config", body).await.unwrap_err();
        assert_eq!(error.client, "error checking oidc discovery URL");
    }
    outside.serves(config, json!({ "issuer": "https://issuer.test", "jwks_uri": KEYS, "other": 1 }));
    outside.serves(KEYS, set(&[issuer.jwk()]));
    world.write("config", body).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    login(&world, "web", &issuer.signs(&usual())).await.unwrap();
    let error = login(&world, "web", &issuer.signs(&with(json!({ "iss": "https://other.test" })))).await.unwrap_err();
    assert_eq!(
        error.client, "error validating token: invalid issuer (iss) claim",
        "the discovered issuer is the bound one"
    );
    world.write("config", r#"{"oidc_discovery_url":"https://issuer.test","bound_issuer":"https://other.test"}"#).await;
    login(&world, "web", &issuer.signs(&with(json!({ "iss": "https://other.test" })))).await.unwrap();
}

#[tokio::test]
async fn pairs_are_asked_one_after_another() {
    let (world, outside) = world_and_outside();
    let (one, two) = (Issuer::new("1"), Issuer::new("2"));
    outside.serves("https://one.test/", set(&[one.jwk()]));
    outside.serves("https://two.test/", set(&[two.jwk()]));
    let pairs = json!([{ "jwks_url": "https://one.test/", "jwks_ca_pem": "" }, { "jwks_url": "https://two.test/" }]);
    world.write("config", &json!({ "jwks_pairs": pairs }).to_string()).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    for issuer in [&one, &two] {
        login(&world, "web", &issuer.signs(&usual())).await.unwrap();
    }
    let stored = world.read("config").await;
    assert_eq!(stored["jwks_pairs"][1], json!({ "jwks_url": "https://two.test/", "jwks_ca_pem": "" }));
    // One that is away does not keep the other's tokens out.
    outside.fails("https://one.test/", "down");
    let mut world = world;
    world.pass_s(FRESH_S);
    login(&world, "web", &signed(&two, &world)).await.unwrap();
    login(&world, "web", &signed(&one, &world)).await.unwrap();
    world.pass_s(KEPT_S);
    login(&world, "web", &signed(&two, &world)).await.unwrap();
    assert!(login(&world, "web", &signed(&one, &world)).await.is_err());
}

#[tokio::test]
async fn a_file_is_read_again_soon() {
    let (mut world, outside) = world_and_outside();
    world.sudo = true;
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    outside.serves("/keys.json", set(&[old.jwk()]));
    world.write("config", r#"{"jwks_file":"/keys.json"}"#).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    login(&world, "web", &signed(&old, &world)).await.unwrap();
    outside.serves("/keys.json", set(&[new.jwk()]));
    world.pass_s(FILE_FRESH_S);
    assert!(login(&world, "web", &signed(&old, &world)).await.is_err());
}

#[tokio::test]
async fn mounts_share_nothing_and_are_bounded() {
    let outside = Arc::new(Outside::default());
    let issuer = Issuer::new("k");
    outside.serves(KEYS, set(&[issuer.jwk()]));
    // Two servers' methods over one outside: neither knows what the other fetched.
    let worlds = [0, 1].map(|_| World::new(Box::new(ErasedAuth(Jwt::new(outside.clone())))));
    for world in &worlds {
        world.write("config", &json!({ "jwks_url": KEYS }).to_string()).await;
        world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
        outside.asked();
        login(world, "web", &issuer.signs(&usual())).await.unwrap();
        assert_eq!(outside.asked(), 1);
    }
}
