//! Claims: how they are read, found, timed and compared.

use crate::jwt::claims::{Claim, Claims, Leeway, check_bound, check_times, matches_glob};
use cardea_model::Timestamp;
use serde_json::{Value, json};

fn claims(value: Value) -> Claims {
    Claims::parse(value.to_string().as_bytes()).unwrap()
}

#[test]
fn nothing_stands_twice_at_any_depth() {
    for text in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","\u0073ub":"b"}"#,
        r#"{"x":{"a":1,"a":1}}"#,
        r#"{"x":[{"y":{"a":1,"a":2}}]}"#,
    ] {
        assert_eq!(Claims::parse(text.as_bytes()).unwrap_err(), "a member stands twice", "{text}");
    }
    for text in ["", "[]", "7", "null", "{", r#"{"a":1}x"#, r#"{"a":NaN}"#, "\u{feff}{}", r#"{'a':1}"#] {
        assert!(Claims::parse(text.as_bytes()).is_err(), "{text}");
    }
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    assert!(Claims::parse(deep.as_bytes()).is_err(), "nesting is bounded");
    assert!(Claims::parse(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
}

#[test]
fn names_and_pointers() {
    let found = claims(json!({
        "sub": "s", "a/b": "literal", "/x": "never found by pointer", "https://c": "u", "gone": null,
        "deep": { "er": ["zero", { "x~y/z": "odd" }], "": "empty" }
    }));
    let table = [
        ("sub", Some("s")),
        ("a/b", Some("literal")),
        ("https://c", Some("u")),
        ("/sub", Some("s")),
        ("/deep/er/0", Some("zero")),
        ("/deep/er/1/x~0y~1z", Some("odd")),
        ("/deep/", Some("empty")),
        ("/a~1b", Some("literal")),
        ("/deep/er/00", None),
        ("/deep/er/+0", None),
        ("/deep/er/2", None),
        ("/deep/er/-", None),
        ("/sub/x", None),
        ("/x", None),
        ("/", None),
        ("gone", None),
        ("/gone", None),
        ("absent", None),
        ("", None),
    ];
    for (name, expected) in table {
        assert_eq!(found.find(name).and_then(Claim::text), expected, "{name}");
    }
}

#[test]
fn what_is_bound_is_compared_without_turning_one_kind_into_another() {
    // bound, type is glob, claims, fits
    let table = [
        (json!({ "a": "x" }), false, json!({ "a": "x" }), true),
        (json!({ "a": "x" }), false, json!({ "a": "X" }), false),
        (json!({ "a": "x" }), false, json!({ "a": ["y", "x"] }), true),
        (json!({ "a": ["x", "y"] }), false, json!({ "a": "y" }), true),
        (json!({ "a": ["x", "y"] }), false, json!({ "a": ["z"] }), false),
        (json!({ "a": [] }), false, json!({ "a": "x" }), false),
        (json!({ "a": "x" }), false, json!({ "a": [] }), false),
        (json!({ "a": "x" }), false, json!({ "b": "x" }), false),
        (json!({ "a": "x" }), false, json!({ "a": null }), false),
        (json!({ "a": "x" }), false, json!({ "a": { "x": "x" } }), false),
        (json!({ "a": "x", "b": "y" }), false, json!({ "a": "x", "b": "y" }), true),
        (json!({ "a": "x", "b": "y" }), false, json!({ "a": "x", "b": "z" }), false),
        (json!({ "a": 1 }), false, json!({ "a": 1 }), true),
        (json!({ "a": 1 }), false, json!({ "a": 1.0 }), true),
        (json!({ "a": 1 }), false, json!({ "a": "1" }), false),
        (json!({ "a": "1" }), false, json!({ "a": 1 }), false),
        (json!({ "a": true }), false, json!({ "a": true }), true),
        (json!({ "a": true }), false, json!({ "a": "true" }), false),
        (json!({ "a": 9_007_199_254_740_993u64 }), false, json!({ "a": 9_007_199_254_740_992u64 }), false),
        (json!({ "a": "*" }), false, json!({ "a": "x" }), false),
        (json!({ "a": "*" }), true, json!({ "a": "x" }), true),
        (json!({ "a": "*" }), true, json!({ "a": 7 }), false),
        (json!({ "a": "org/*" }), true, json!({ "a": "org/app" }), true),
        (json!({ "a": "org/*" }), true, json!({ "a": ["evil", "organ/app"] }), false),
        (json!({ "/d/a": "x" }), false, json!({ "d": { "a": "x" } }), true),
        (json!({ "/d/a": "x" }), false, json!({ "/d/a": "x" }), false),
    ];
    for (bound, globs, found, fits) in table {
        let Claim::Object(wanted) = serde_json::from_str::<Claim>(&bound.to_string()).unwrap() else { panic!() };
        assert_eq!(check_bound(&claims(found.clone()), &wanted, globs).is_ok(), fits, "{bound} {found}");
    }
}

#[test]
fn globs() {
    let table = [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "acd", false),
        ("*.b", "a.b.b", true),
        ("a**b", "ab", true),
        ("a*b*c", "aXbYbZc", true),
        ("a?c", "abc", false),
        ("[a]", "a", false),
        ("é*", "éa", true),
        ("A", "a", false),
    ];
    for (glob, text, fits) in table {
        assert_eq!(matches_glob(glob, text), fits, "{glob} {text}");
    }
    // A pattern that makes naive matchers take for ever.
    assert!(!matches_glob(&"a*".repeat(50), &("a".repeat(2000) + "b").replace('a', "b")));
    assert!(!matches_glob(&("a*".repeat(50) + "c"), &"a".repeat(4000)));
}

#[test]
fn times_and_leeways() {
    const NOW: i64 = 1_700_000_000;
    let none = Leeway { expiration_s: -1, not_before_s: -1, clock_skew_s: -1 };
    let usual = Leeway::default();
    let skew = |clock_skew_s| Leeway { clock_skew_s, ..none };
    const EXPIRED: Option<&str> = Some("expired");
    const EARLY: Option<&str> = Some("not yet valid");
    const FUTURE: Option<&str> = Some("in the future");
    const ABSENT: Option<&str> = Some("no issued at");
    const WRONG: Option<&str> = Some("not a number of seconds");
    // claims, leeway, words of the refusal
    let table = [
        (json!({ "exp": NOW + 1 }), usual, None),
        (json!({ "exp": NOW }), none, None),
        (json!({ "exp": NOW - 1 }), none, EXPIRED),
        (json!({ "exp": NOW - 60 }), usual, None),
        (json!({ "exp": NOW - 61 }), usual, EXPIRED),
        (json!({ "exp": NOW - 61 }), skew(61), None),
        (json!({ "exp": NOW + 600, "nbf": NOW + 60 }), usual, None),
        (json!({ "exp": NOW + 600, "nbf": NOW + 61 }), usual, EARLY),
        (json!({ "exp": NOW + 600, "nbf": NOW + 1 }), none, EARLY),
        (json!({ "exp": NOW + 600, "nbf": NOW, "iat": NOW + 60 }), usual, None),
        (json!({ "exp": NOW + 600, "nbf": NOW, "iat": NOW + 61 }), usual, FUTURE),
        // Without a beginning it began the leeway before its end.
        (json!({ "exp": NOW + 210 }), usual, None),
        (json!({ "exp": NOW + 211 }), usual, EARLY),
        (json!({ "exp": NOW + 1 }), none, EARLY),
        (json!({ "exp": NOW + 500 }), Leeway { not_before_s: 500, ..none }, None),
        // Without an end it ends the leeway after its beginning.
        (json!({ "iat": NOW }), usual, None),
        (json!({ "iat": NOW - 210 }), usual, None),
        (json!({ "iat": NOW - 211 }), usual, EXPIRED),
        (json!({ "iat": NOW - 1 }), none, EXPIRED),
        (json!({ "iat": NOW - 500 }), Leeway { expiration_s: 500, ..none }, None),
        (json!({ "iat": NOW - 900, "nbf": NOW - 100 }), usual, None),
        (json!({ "nbf": NOW - 900, "iat": NOW - 100 }), usual, None),
        (json!({}), usual, ABSENT),
        (json!({ "exp": 0, "iat": 0, "nbf": null }), usual, ABSENT),
        (json!({ "exp": NOW as f64 + 0.9, "iat": NOW }), none, None),
        (json!({ "exp": -5, "iat": NOW }), usual, EXPIRED),
        (json!({ "exp": i64::MAX, "iat": NOW }), usual, None),
        (json!({ "exp": i64::MIN, "iat": i64::MIN }), usual, EXPIRED),
        (json!({ "exp": 1e300, "iat": NOW }), usual, WRONG),
        (json!({ "exp": (NOW + 600).to_string(), "iat": NOW }), usual, WRONG),
        (json!({ "exp": [NOW + 600], "iat": NOW }), usual, WRONG),
        (json!({ "exp": NOW + 600, "iat": true }), usual, WRONG),
    ];
    for (found, leeway, words) in table {
        let heard = check_times(&claims(found.clone()), leeway, Timestamp(NOW as u64 * 1000)).err();
        assert_eq!(heard.is_some(), words.is_some(), "{found} {leeway:?}: {heard:?}");
        assert!(heard.unwrap_or_default().contains(words.unwrap_or_default()), "{found}: {heard:?}");
    }
}
