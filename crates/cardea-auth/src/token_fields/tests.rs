//! Tables of what roles may say about tokens.

use super::{TOKEN_FIELD_NAMES, TokenFields, TokenView, check, policies, read_two, warnings};
use cardea_model::{Params, TokenKind, TtlSeconds};
use cardea_sdk::TokenTerms;
use serde::Deserialize;

fn fields(body: &str) -> Result<TokenFields, cardea_model::Error> {
    Params::from_json(body.as_bytes())?.read::<TokenFields>().map(|read| {
        assert!(read.unknown.is_empty(), "{:?}", read.unknown);
        read.value
    })
}

fn terms(body: &str) -> Result<TokenTerms, cardea_model::Error> {
    let mut terms = TokenTerms::default();
    fields(body)?.apply(&mut terms)?;
    check(&terms)?;
    Ok(terms)
}

#[test]
fn root_in_any_spelling_is_refused() {
    let spellings = [
        "root",
        "ROOT",
        "Root",
        " root ",
        "root\n",
        "\u{ff52}oot",
        "ro\u{24de}t",
        "\u{1d42b}oot",
        "\u{a0}root",
        "default,root",
    ];
    for spelling in spellings {
        let list = spelling.split(',').map(str::to_owned).collect();
        assert!(policies(list).is_err(), "{spelling:?}");
    }
    assert_eq!(policies(vec!["B".into(), " a".into(), "b".into()]).unwrap(), ["a", "b"]);
    assert_eq!(policies(vec!["rooted".into()]).unwrap(), ["rooted"]);
    assert!(policies(vec!["a/b".into()]).is_err());
}

#[test]
fn terms_that_fit_and_terms_that_do_not() {
    let table = [
        ("{}", true),
        (r#"{"token_ttl":"1h","token_max_ttl":3600}"#, true),
        (r#"{"token_ttl":"2h","token_max_ttl":3600}"#, false),
        (r#"{"token_ttl":"2h","token_max_ttl":0}"#, true),
        (r#"{"token_ttl":-1}"#, false),
        (r#"{"token_num_uses":-1}"#, false),
        (r#"{"token_num_uses":"5"}"#, true),
        (r#"{"token_type":"batch"}"#, true),
        (r#"{"token_type":"batch","token_num_uses":1}"#, false),
        (r#"{"token_type":"batch","token_period":60}"#, false),
        (r#"{"token_type":"other"}"#, false),
        (r#"{"token_bound_cidrs":"10.0.0.0/8, 192.0.2.1"}"#, true),
        (r#"{"token_bound_cidrs":["10.0.0.0/99"]}"#, false),
        (r#"{"token_no_default_policy":"maybe"}"#, false),
    ];
    for (body, expected) in table {
        assert_eq!(terms(body).is_ok(), expected, "{body}");
    }
}

#[test]
fn every_field_is_read_and_shown() {
    let body = r#"{"token_policies":"A,b","token_ttl":60,"token_max_ttl":"2m","token_explicit_max_ttl":"3m",
        "token_period":4,"token_num_uses":5,"token_no_default_policy":true,"token_bound_cidrs":["10.0.0.1"],
        "token_type":"service"}"#;
    let view = serde_json::to_value(TokenView::of(&terms(body).unwrap())).unwrap();
    let expected: serde_json::Value = serde_json::from_str(
        r#"{"token_policies":["a","b"],"token_ttl":60,"token_max_ttl":120,"token_explicit_max_ttl":180,"token_period":4,
        "token_num_uses":5,"token_no_default_policy":true,"token_bound_cidrs":["10.0.0.1"],"token_type":"service"}"#,
    )
    .unwrap();
    assert_eq!(view, expected);
    for name in TOKEN_FIELD_NAMES {
        assert!(view.get(name).is_some(), "{name}");
    }
}

#[test]
fn zero_takes_the_default_back() {
    let mut terms = TokenTerms { ttl_s: Some(TtlSeconds(5)), kind: Some(TokenKind::Batch), ..TokenTerms::default() };
    fields(r#"{"token_ttl":0,"token_type":"default"}"#).unwrap().apply(&mut terms).unwrap();
    assert_eq!((terms.ttl_s, terms.kind), (None, None));
}

#[test]
fn a_long_life_is_warned_about() {
    let long = terms(r#"{"token_ttl":"2h","token_max_ttl":"3h"}"#).unwrap();
    assert_eq!(warnings(&long, 3600).len(), 2);
    assert!(warnings(&long, 3 * 3600).is_empty());
}

#[test]
fn a_member_is_unknown_only_to_both_halves() {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Own {
        #[serde(alias = "old")]
        own: String,
    }
    let params = Params::from_json(br#"{"old":"x","token_ttl":1,"typo":1}"#).unwrap();
    let bound = read_two(&params, |own: Own, fields: TokenFields| Ok((own, fields))).unwrap();
    assert_eq!(bound.unknown, ["typo"]);
    assert_eq!(bound.op.0.own, "x");
    assert!(bound.op.1.token_ttl.is_some());
}
