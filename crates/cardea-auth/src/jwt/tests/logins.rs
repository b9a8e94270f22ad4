//! Logins and renewals: what opens, what does not, and who hears why.

use super::{Issuer, NOW_S, configured, login, usual, with, world};
use cardea_model::{Cause, Method, TtlSeconds};
use serde_json::{Value, json};
use std::net::IpAddr;

const UNPROVEN: &str =
    "error validating token: error verifying token signature: no known key successfully validated the token signature";

#[tokio::test]
async fn a_login_says_who_it_is_and_on_what_terms() {
    let world = world();
    let issuer = Issuer::new("k");
    configured(&world, &issuer).await;
    let role = json!({
        "role_type": "jwt", "user_claim": "/who/name", "user_claim_json_pointer": true, "bound_audiences": ["other", "cardea"],
        "bound_claims": { "repository": ["org/app", "org/web"], "/who/team": "b" }, "claim_mappings": { "repository": "repo", "absent": "none" },
        "groups_claim": "groups", "token_policies": ["deploy"], "token_ttl": "5m", "token_num_uses": 3
    });
    world.write("role/CI", &role.to_string()).await;
    let token = issuer.signs(&with(json!({
        "aud": ["x", "cardea"], "repository": "org/app", "who": { "name": "Anna", "team": ["a", "b"] }, "groups": ["g"]
    })));
    let who = login(&world, "cI", &format!(" {token}\n")).await.unwrap();
    assert_eq!((who.alias.as_str(), who.display_name.as_str()), ("Anna", "Anna"));
    assert_eq!(serde_json::to_value(&who.alias_metadata).unwrap(), json!({ "repo": "org/app" }));
    assert_eq!(serde_json::to_value(&who.metadata).unwrap(), json!({ "repo": "org/app", "role": "ci" }));
    assert_eq!(who.terms.policies, ["deploy"]);
    assert_eq!((who.terms.ttl_s, who.terms.num_uses), (Some(TtlSeconds(300)), 3));
    let kept = serde_json::to_string(&who).unwrap();
    assert!(!kept.contains(&token), "the identification is kept with the token");
}

#[tokio::test]
async fn a_stranger_hears_one_thing() {
    let world = world();
    let (issuer, stranger) = (Issuer::new("k"), Issuer::new("s"));
    configured(&world, &issuer).await;
    let good = issuer.signs(&usual());
    let forged = {
        let parts: Vec<&str> = good.split('.').collect();
        let other = issuer.signs(&with(json!({ "sub": "admin" })));
        format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])
    };
    for (what, role, token) in [
        ("another's key", "web", stranger.signs(&usual())),
        ("another's key, no such role", "absent", stranger.signs(&usual())),
        ("another's key, expired", "web", stranger.signs(&with(json!({ "exp": 1 })))),
        ("a payload that was not signed", "web", forged.clone()),
        ("the same, no such role", "absent", forged),
        ("no token", "web", "x".to_owned()),
        ("no token, no such role", "absent", "x.y.z".to_owned()),
        ("a name that is none", "../web", "x.y.z".to_owned()),
    ] {
        let error = login(&world, role, &token).await.expect_err(what);
        assert_eq!((error.cause, error.client.as_str()), (Cause::Invalid, UNPROVEN), "{what}");
    }
    // Whoever holds a token of the issuer hears more.
    for (role, words) in
        [("absent", "role could not be found"), ("../web", "role could not be found"), ("", "missing role")]
    {
        assert_eq!(login(&world, role, &good).await.unwrap_err().client, words);
    }
    assert_eq!(login(&world, "web", "").await.unwrap_err().client, "missing token");
    assert_eq!(world.login("{}").await.unwrap_err().client, "missing role");
    let long = format!("{good}{}", "A".repeat(20_000));
    assert_eq!(login(&world, "web", &long).await.unwrap_err().client, "the token is longer than 16384 bytes");
}

#[tokio::test]
async fn claims_that_open_nothing() {
    let world = world();
    let issuer = Issuer::new("k");
    configured(&world, &issuer).await;
    let role = |name: &'static str, changes: Value| {
        let mut role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cardea"] });
        for (name, value) in changes.as_object().unwrap() {
            role[name] = value.clone();
        }
        (format!("role/{name}"), role.to_string())
    };
    for (path, body) in [
        role("any", json!({ "bound_audiences": [], "bound_subject": "user-1" })),
        role("subject", json!({ "bound_subject": "user-2" })),
        role("repo", json!({ "bound_claims": { "repository": "org/app" } })),
        role("globs", json!({ "bound_claims": { "repository": "org/*" }, "bound_claims_type": "glob" })),
        role("mail", json!({ "user_claim": "email" })),
        role("groups", json!({ "groups_claim": "groups" })),
        role("mapped", json!({ "claim_mappings": { "repository": "repo" } })),
        role("near", json!({ "token_bound_cidrs": "10.9.0.0/16" })),
    ] {
        world.write(&path, &body).await;
    }
    let t = "error validating token: ";
    let table = [
        ("web", json!({ "iss": "https://other.test" }), format!("{t}invalid issuer (iss) claim")),
        ("web", json!({ "iss": "https://issuer.test/" }), format!("{t}invalid issuer (iss) claim")),
        ("web", json!({ "iss": null }), format!("{t}invalid issuer (iss) claim")),
        ("web", json!({ "iss": ["https://issuer.test"] }), format!("{t}a registered claim has the wrong type")),
        (
            "web",
            json!({ "aud": "other" }),
            format!("{t}invalid audience (aud) claim: audience claim does not match any expected audience"),
        ),
        (
            "web",
            json!({ "aud": "Cardea" }),
            format!("{t}invalid audience (aud) claim: audience claim does not match any expected audience"),
        ),
        (
            "web",
            json!({ "aud": null }),
            format!("{t}invalid audience (aud) claim: audience claim does not match any expected audience"),
        ),
        (
            "web",
            json!({ "aud": [] }),
            format!("{t}invalid audience (aud) claim: audience claim does not match any expected audience"),
        ),
        ("web", json!({ "aud": { "cardea": 1 } }), format!("{t}a registered claim has the wrong type")),
        ("web", json!({ "aud": ["cardea", 7] }), format!("{t}a registered claim has the wrong type")),
        ("any", json!({}), "audience claim found in JWT but no audiences bound to the role".to_owned()),
        ("any", json!({ "aud": ["x"] }), "audience claim found in JWT but no audiences bound to the role".to_owned()),
        ("subject", json!({}), format!("{t}invalid subject (sub) claim")),
        ("web", json!({ "sub": 7 }), format!("{t}a registered claim has the wrong type")),
        ("web", json!({ "exp": NOW_S - 61 }), format!("{t}invalid expiration time (exp) claim: token is expired")),
        ("web", json!({ "nbf": NOW_S + 61 }), format!("{t}invalid not before (nbf) claim: token not yet valid")),
        (
            "web",
            json!({ "iat": NOW_S + 61, "nbf": NOW_S }),
            format!("{t}invalid issued at (iat) claim: token issued in the future"),
        ),
        (
            "web",
            json!({ "iat": null, "exp": null }),
            format!("{t}no issued at (iat), not before (nbf), or expiration time (exp) claims in token"),
        ),
        ("repo", json!({}), "error validating claims: claim \"repository\" is missing".to_owned()),
        (
            "repo",
            json!({ "repository": "org/other" }),
            "error validating claims: claim \"repository\" does not match any associated bound claim values".to_owned(),
        ),
        (
            "repo",
            json!({ "repository": { "a": 1 } }),
            "error validating claims: claim \"repository\" is not a string, bool, int or list".to_owned(),
        ),
        (
            "globs",
            json!({ "repository": "evil/org/app" }),
            "error validating claims: claim \"repository\" does not match any associated bound claim values".to_owned(),
        ),
        ("mail", json!({}), "claim \"email\" not found in token".to_owned()),
        ("mail", json!({ "email": ["a"] }), "claim \"email\" could not be converted to string".to_owned()),
        ("mail", json!({ "email": "" }), "claim \"email\" is empty".to_owned()),
        (
            "mail",
            json!({ "email": "a\u{0}b" }),
            "claim \"email\" is too long or has characters that cannot be printed".to_owned(),
        ),
        (
            "mail",
            json!({ "email": "a".repeat(513) }),
            "claim \"email\" is too long or has characters that cannot be printed".to_owned(),
        ),
        ("groups", json!({}), "failed to fetch groups: \"groups\" claim not found in token".to_owned()),
        (
            "groups",
            json!({ "groups": { "a": 1 } }),
            "\"groups\" claim could not be converted to string list".to_owned(),
        ),
        ("groups", json!({ "groups": ["a", 1] }), "a value in groups claim could not be parsed as string".to_owned()),
        ("mapped", json!({ "repository": 7 }), "error converting claim 'repository' to string".to_owned()),
    ];
    let before = world.revision();
    for (role, changes, words) in table {
        let error = login(&world, role, &issuer.signs(&with(changes.clone()))).await.expect_err(&words);
        assert_eq!((error.cause, error.client), (Cause::Invalid, words), "{role} {changes}");
    }
    let far = login(&world, "near", &issuer.signs(&usual())).await.unwrap_err();
    assert_eq!(far.cause, Cause::Denied);
    let twice = issuer.signs_parts(r#"{"alg":"EdDSA"}"#, r#"{"sub":"user-1","sub":"admin"}"#);
    let error = login(&world, "web", &twice).await.unwrap_err();
    assert_eq!(error.client, "error validating token: malformed claims: a member stands twice");
    assert_eq!(world.revision(), before, "a login that fails writes nothing");
    for (role, changes) in [
        ("web", json!({})),
        ("any", json!({ "aud": null })),
        ("globs", json!({ "repository": ["x", "org/app"] })),
        ("groups", json!({ "groups": "one" })),
    ] {
        login(&world, role, &issuer.signs(&with(changes))).await.unwrap();
    }
    let mut world = world;
    world.peer = IpAddr::from([10, 9, 3, 1]);
    login(&world, "near", &issuer.signs(&usual())).await.unwrap();
}

#[tokio::test]
async fn a_default_role_stands_in_for_a_missing_one() {
    let world = world();
    let issuer = Issuer::new("k");
    assert_eq!(login(&world, "web", "x").await.unwrap_err().client, "could not load configuration");
    configured(&world, &issuer).await;
    let token = issuer.signs(&usual());
    assert_eq!(login(&world, "", &token).await.unwrap_err().client, "missing role");
    world.write("config", &json!({ "jwt_validation_pubkeys": issuer.pem(), "default_role": "Web" }).to_string()).await;
    assert_eq!(login(&world, "", &token).await.unwrap().metadata["role"], "web");
}

#[tokio::test]
async fn several_keys_are_tried_each() {
    let world = world();
    let (first, second, third) = (Issuer::new("1"), Issuer::new("2"), Issuer::new("3"));
    world.write("config", &json!({ "jwt_validation_pubkeys": [first.pem(), second.pem()] }).to_string()).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    for issuer in [&first, &second] {
        login(&world, "web", &issuer.signs(&usual())).await.unwrap();
    }
    assert_eq!(login(&world, "web", &third.signs(&usual())).await.unwrap_err().client, UNPROVEN);
}

#[tokio::test]
async fn a_renewal_follows_the_role_of_today() {
    let world = world();
    let issuer = Issuer::new("k");
    configured(&world, &issuer).await;
    let who = login(&world, "web", &issuer.signs(&usual())).await.unwrap();
    world.write("role/web", r#"{"token_ttl":60}"#).await;
    assert_eq!(world.renew(&who).await.unwrap().terms.ttl_s, Some(TtlSeconds(60)));
    world.ask(Method::Delete, "role/web", "").await.unwrap();
    assert_eq!(world.renew(&who).await.unwrap_err().cause, Cause::Invalid);
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    assert_eq!(world.renew(&who).await.unwrap_err().cause, Cause::Invalid, "a role that is made again is another");
}
