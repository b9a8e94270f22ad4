//! Parsers over bytes that nobody chose: they answer, and what they take apart they took whole.

use super::Issuer;
use crate::jwt::claims::{Claim, Claims, matches_glob};
use crate::jwt::der;
use crate::jwt::keys::{PublicKey, key_set};
use crate::jwt::token::{Refused, TOKEN_BYTES_MAX, Unverified};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-z/~\"\\\\é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~]{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn tokens(text in prop_oneof![".{0,200}", "[A-Za-z0-9_.=-]{0,200}", "(eyJ[A-Za-z0-9_-]{0,60}\\.){2}[A-Za-z0-9_-]{0,60}"]) {
        if let Ok(token) = Unverified::parse(&text) {
            prop_assert!(token.verify([].iter()).is_err());
        }
    }

    #[test]
    fn payloads_come_through_as_they_were_signed(members in prop::collection::btree_map("[a-z/~]{0,4}", any_json(), 0..6)) {
        let value = Value::Object(members.into_iter().collect());
        let issuer = Issuer::new("k");
        let token = issuer.signs(&value);
        let key = PublicKey::from_pem(&issuer.pem()).unwrap();
        let claims = Unverified::parse(&token).unwrap().verify(std::iter::once(&key)).unwrap();
        for (name, member) in value.as_object().unwrap() {
            let found = claims.named(name).map(|claim| serde_json::to_value(claim).unwrap());
            prop_assert_eq!(found.unwrap_or(Value::Null), member.clone());
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            prop_assert_eq!(claims.find(&pointer), claims.named(name));
        }
        let mut other = token.clone();
        other.pop();
        prop_assert!(Unverified::parse(&other).map_or(true, |token| token.verify(std::iter::once(&key)).is_err()));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Claims::parse(&bytes);
        let _ = key_set(&bytes);
        let _ = der::kind(&bytes);
        let _ = der::key_of_certificate(&bytes);
        let _ = PublicKey::from_pem(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn certificates_with_a_changed_byte(at in 0usize..700, byte in any::<u8>()) {
        let vectors: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
        let pem = vectors["keys"]["RSA"]["certificate"].as_str().unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        use base64::Engine as _;
        let mut bytes = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Some(info) = der::key_of_certificate(&bytes) {
            let _ = der::kind(info);
        }
    }

    #[test]
    fn pointers(text in "[a-z/~0-9]{0,12}", value in any_json()) {
        if let Ok(claims) = Claims::parse(json!({ "a": value }).to_string().as_bytes()) {
            let _ = claims.find(&text);
        }
    }

    #[test]
    fn a_glob_matches_what_it_was_made_from(parts in prop::collection::vec("[a-c]{0,3}", 1..5), fill in "[a-c]{0,4}") {
        prop_assert!(matches_glob(&parts.join("*"), &parts.join(&fill)));
    }
}

#[test]
fn headers() {
    let issuer = Issuer::new("k");
    let parse = |header: &str| {
        let token = issuer.signs_parts(header, "{}");
        Unverified::parse(&token).map(|token| token.kid).map_err(|refused| match refused {
            Refused::Unproven(why) => why,
            Refused::Algorithm => "algorithm",
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(parse(r#"{"alg":"EdDSA"}"#), Ok(None));
    assert_eq!(
        parse(r#"{"typ":"JWT","alg":"EdDSA","kid":"k","x5u":"https://evil","jwk":{}}"#),
        Ok(Some("k".to_owned()))
    );
    assert_eq!(parse(r#"{"alg":"EdDSA","kid":7}"#), Err("the header's kid is no text"));
    assert_eq!(parse(r#"{"alg":"EdDSA","alg":"none"}"#), Err("a member stands twice"));
    assert_eq!(
        parse(r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#).unwrap_err().split(',').next(),
        Some("the header has critical extensions")
    );
    assert_eq!(parse(r#"{"kid":"k"}"#), Err("the header names no algorithm"));
    assert_eq!(parse(r#"{"alg":["EdDSA"]}"#), Err("the header names no algorithm"));
    for name in ["none", "None", "", "HS256", "HS384", "HS512", "RS256 ", "eddsa", "ES256K", "RSA-OAEP", "dir"] {
        assert_eq!(parse(&json!({ "alg": name }).to_string()), Err("algorithm"), "{name}");
    }
}

#[test]
fn the_bound_on_tokens_is_exact() {
    let at = "x".repeat(TOKEN_BYTES_MAX);
    assert!(matches!(Unverified::parse(&at), Err(Refused::Unproven(_))));
    assert_eq!(Unverified::parse(&(at + "x")).unwrap_err(), Refused::TooLong);
}

#[test]
fn numbers_keep_their_digits() {
    let text = r#"{"a":1.10,"b":123456789012345678901234567890,"c":-0.0}"#;
    let Claim::Object(members) = serde_json::from_str::<Claim>(text).unwrap() else { panic!() };
    assert_eq!(serde_json::to_string(&Claim::Object(members)).unwrap(), text);
}
