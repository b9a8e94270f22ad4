//! Every algorithm over tokens that another library signed, with keys from PEM, certificates and key sets; and what must not pass
//! for one of them.

use super::{login, set, world, world_and_outside};
use crate::jwt::keys::{ALGORITHMS, Algorithm, PublicKey, key_set};
use crate::testing::World;
use cardea_model::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Vectors {
    claims: Value,
    keys: BTreeMap<String, Key>,
    tokens: BTreeMap<String, Token>,
    refused: BTreeMap<String, String>,
    unusable: BTreeMap<String, Key>,
}

#[derive(Deserialize)]
struct Key {
    pem: String,
    jwk: Value,
    #[serde(default)]
    certificate: String,
}

#[derive(Deserialize)]
struct Token {
    key: String,
    token: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

async fn world_with(config: Value) -> World {
    let world = world();
    world.write("config", &config.to_string()).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    world
}

#[tokio::test]
async fn every_algorithm_with_every_form_of_its_key() {
    let vectors = vectors();
    assert_eq!(vectors.tokens.len(), ALGORITHMS.len());
    assert_eq!(vectors.claims["sub"], "user-1");
    for (name, Token { key, token }) in &vectors.tokens {
        for pem in [&vectors.keys[key].pem, &vectors.keys[key].certificate] {
            let world = world_with(json!({ "jwt_validation_pubkeys": [pem] })).await;
            assert_eq!(login(&world, "web", token).await.unwrap().alias, "user-1", "{name}");
        }
        let (world, outside) = world_and_outside();
        outside.serves("https://issuer.test/keys", set(&[vectors.keys[key].jwk.clone()]));
        world.write("config", r#"{"jwks_url":"https://issuer.test/keys"}"#).await;
        world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
        login(&world, "web", token).await.unwrap();
    }
}

#[tokio::test]
async fn every_token_with_every_other_key_and_with_algorithms_that_the_owner_does_not_allow() {
    let vectors = vectors();
    for (key_name, key) in &vectors.keys {
        let world = world_with(json!({ "jwt_validation_pubkeys": [key.pem] })).await;
        for (name, token) in &vectors.tokens {
            let opened = login(&world, "web", &token.token).await;
            assert_eq!(opened.is_ok(), token.key == *key_name, "{name} with {key_name}");
        }
    }
    let all: Vec<&str> = vectors.keys.values().map(|key| key.pem.as_str()).collect();
    for (name, _) in ALGORITHMS {
        let world = world_with(json!({ "jwt_validation_pubkeys": all, "jwt_supported_algs": [name] })).await;
        for (signed, token) in &vectors.tokens {
            match login(&world, "web", &token.token).await {
                Ok(_) => assert_eq!(signed, name),
                Err(error) => assert!(error.client.ends_with("token signed with unexpected algorithm"), "{signed}"),
            }
        }
    }
}

#[tokio::test]
async fn confusions_open_nothing() {
    let vectors = vectors();
    let all: Vec<&str> = vectors.keys.values().map(|key| key.pem.as_str()).collect();
    let world = world_with(json!({ "jwt_validation_pubkeys": all })).await;
    for (name, token) in &vectors.refused {
        let heard = login(&world, "web", token).await.expect_err(name).client;
        let unexpected = heard.ends_with("token signed with unexpected algorithm");
        let foreign = name.starts_with("HS") || name.to_lowercase().starts_with("none");
        assert_eq!(unexpected, foreign, "{name}: {heard}");
        assert!(heard.starts_with("error validating token: "), "{name}");
    }
}

#[tokio::test]
async fn every_changed_byte_is_noticed() {
    let vectors = vectors();
    for name in ["RS256", "ES256", "EdDSA"] {
        let Token { key, token } = &vectors.tokens[name];
        let world = world_with(json!({ "jwt_validation_pubkeys": [vectors.keys[key].pem] })).await;
        login(&world, "web", token).await.unwrap();
        for at in (0..token.len()).step_by(7) {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(login(&world, "web", &changed).await.is_err(), "{name}, byte {at}");
        }
        for part in 0..3 {
            let parts: Vec<&str> = token.split('.').collect();
            let mut fewer = parts.clone();
            fewer.remove(part);
            assert!(login(&world, "web", &fewer.join(".")).await.is_err());
            let mut padded = parts.clone();
            let longer = format!("{}=", parts[part]);
            padded[part] = &longer;
            assert!(login(&world, "web", &padded.join(".")).await.is_err(), "padding is another spelling");
        }
        assert!(login(&world, "web", &format!("{token}.")).await.is_err());
        assert!(login(&world, "web", &format!("{token}.x.y")).await.is_err(), "an encrypted token has five parts");
    }
}

#[tokio::test]
async fn keys_that_nobody_should_use() {
    let vectors = vectors();
    let world = world();
    for (name, key) in &vectors.unusable {
        let body = json!({ "jwt_validation_pubkeys": key.pem }).to_string();
        let error = world.ask(Method::Write, "config", &body).await.expect_err(name);
        assert!(error.client.starts_with("error parsing public key: it is neither"), "{name}: {}", error.client);
        assert!(key_set(set(std::slice::from_ref(&key.jwk)).to_string().as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn a_key_set_keeps_what_can_verify_and_nothing_else() {
    let vectors = vectors();
    let good = &vectors.keys["P-256"].jwk;
    let changed = |changes: Value| {
        let mut key = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    };
    let left_out = [
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "x" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "new-kind" }),
        json!("no object"),
        json!({}),
        changed(json!({ "use": "enc" })),
        changed(json!({ "use": ["sig"], "key_ops": ["sign"] })),
        changed(json!({ "key_ops": ["sign"] })),
        changed(json!({ "d": "AQAB" })),
        changed(json!({ "crv": "P-384" })),
        changed(json!({ "x": "AA" })),
        changed(json!({ "y": 7 })),
        changed(json!({ "x": "not base64url!" })),
        changed(json!({ "alg": 7 })),
    ];
    for key in &left_out {
        assert!(key_set(set(std::slice::from_ref(key)).to_string().as_bytes()).is_err(), "{key}");
        let both = key_set(set(&[key.clone(), good.clone()]).to_string().as_bytes()).unwrap();
        assert_eq!(both.len(), 1, "{key}");
    }
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>", r#"{"keys":[],"keys":[]}"#] {
        assert!(key_set(document.as_bytes()).is_err(), "{document}");
    }
    let twice = set(std::slice::from_ref(good)).to_string().replace(r#""kty""#, r#""kid":"other","kty""#);
    assert!(key_set(twice.as_bytes()).is_err(), "a member stands twice");
    assert!(key_set(set(&vec![good.clone(); 65]).to_string().as_bytes()).is_err());
}

#[test]
fn a_key_is_chosen_by_kind_name_and_purpose() {
    let vectors = vectors();
    let key = |changes: &[(&str, Option<&str>)]| -> PublicKey {
        let mut jwk = vectors.keys["RSA"].jwk.clone();
        for (name, value) in changes {
            match value {
                Some(value) => jwk[name] = json!(value),
                None => drop(jwk.as_object_mut().unwrap().remove(*name)),
            }
        }
        key_set(set(&[jwk]).to_string().as_bytes()).unwrap().remove(0)
    };
    let named = key(&[]);
    assert!(named.fits(Algorithm::Rs256, Some("RSA"), true));
    assert!(named.fits(Algorithm::Ps512, None, true));
    assert!(!named.fits(Algorithm::Rs256, Some("other"), true));
    assert!(!named.fits(Algorithm::Es256, Some("RSA"), true));
    assert!(!named.fits(Algorithm::EdDsa, None, false));
    let unnamed = key(&[("kid", None)]);
    assert!(!unnamed.fits(Algorithm::Rs256, Some("RSA"), true), "a token that names a key means that one");
    assert!(unnamed.fits(Algorithm::Rs256, Some("RSA"), false), "keys from PEM have no names");
    let purposeful = key(&[("alg", Some("PS256")), ("use", Some("sig"))]);
    assert!(purposeful.fits(Algorithm::Ps256, Some("RSA"), true));
    assert!(!purposeful.fits(Algorithm::Rs256, Some("RSA"), true));
    assert!(!key(&[("alg", Some("HS256"))]).fits(Algorithm::Rs256, Some("RSA"), true));
}
