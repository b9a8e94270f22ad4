//! Tables of names, durations and parameters. They must stay readable as documentation.

use crate::loose::{Duration, Flag, Int, List, Pairs};
use crate::params::Params;
use crate::path::CanonicalPath;
use crate::payload::Payload;
use crate::time::{Timestamp, UNIX_MS_MAX, go_duration, parse_duration_s};
use serde::Deserialize;

#[test]
fn paths_are_refused_not_repaired() {
    for good in ["secret/data/app", "secret/metadata/", "a", "sys/policies/acl/x y", "secret/data/ü", "a/b%c"] {
        assert_eq!(CanonicalPath::parse(good).map(|p| p.as_str().to_owned()), Ok(good.to_owned()));
    }
    for bad in
        ["", "/", "/a", "a//b", "a/./b", "a/../b", "..", ".", "a/..", "a//", "a\n", "a\u{0}", "a\u{200b}", "a\u{202e}b"]
    {
        assert!(CanonicalPath::parse(bad).is_err(), "{bad:?}");
    }
    assert!(CanonicalPath::parse(&"x".repeat(1025)).is_err());
}

#[test]
fn escapes_are_decoded_exactly_once() {
    let decoded = |s| CanonicalPath::parse_encoded(s).map(|p| p.as_str().to_owned());
    assert_eq!(decoded("secret%2Fdata/a%20b"), Ok("secret/data/a b".to_owned()));
    assert_eq!(decoded("a%252e"), Ok("a%2e".to_owned()));
    for bad in ["a/%2e%2e/b", "a%2F%2Fb", "%2e", "a%", "a%zz", "a%ff", "a%00"] {
        assert!(decoded(bad).is_err(), "{bad}");
    }
}

#[test]
fn durations() {
    for (text, seconds) in [
        ("3600", 3600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("15s", 15),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("500ms", 0),
        ("0", 0),
    ] {
        assert_eq!(parse_duration_s(text), Ok(seconds), "{text}");
    }
    for bad in ["", "-1", "-1h", "h", "1x", "1h30", "9999999999999", "1e9h"] {
        assert!(parse_duration_s(bad).is_err(), "{bad}");
    }
    assert_eq!(go_duration(2_764_800), "768h0m0s");
    assert_eq!(go_duration(0), "0s");
}

#[test]
fn instants() {
    assert_eq!(Timestamp(1_700_000_000_123).rfc3339(), "2023-11-14T22:13:20.123Z");
    for (ms, text) in [(0, "1970-01-01T00:00:00Z"), (20, "1970-01-01T00:00:00.02Z"), (10_000, "1970-01-01T00:00:10Z")] {
        assert_eq!(Timestamp(ms).rfc3339(), text);
    }
    assert_eq!(Timestamp(UNIX_MS_MAX).rfc3339(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Timestamp(UNIX_MS_MAX + 1).rfc3339(), "");
    assert_eq!(Timestamp::parse_rfc3339("2023-11-14T22:13:20.123Z"), Ok(Timestamp(1_700_000_000_123)));
    assert_eq!(Timestamp(1_001).seconds_from(Timestamp(0)), 2);
    assert_eq!(Timestamp(0).seconds_from(Timestamp(5)), 0);
}

#[derive(Deserialize, Debug)]
struct Typed {
    #[serde(default)]
    ttl: Option<Duration>,
    #[serde(default)]
    policies: List,
    #[serde(default)]
    flag: Flag,
    #[serde(default)]
    uses: Int,
    #[serde(default)]
    meta: Pairs,
    name: String,
    #[serde(default)]
    data: Option<Payload>,
}

#[test]
fn typed_requests_read_loose_spellings_and_report_strangers() {
    let body = br#"{"ttl":"1h","policies":"a, b","flag":"true","uses":3,"meta":{"x":"y","n":1},"extra":1,"name":"attacker","data":{"n": 1.10, "s":"\u0041"}}"#;
    let mut params = Params::from_json(body).unwrap();
    params.set_captures(vec![("name", "mine".to_owned())]);
    let read = params.read::<Typed>().unwrap();
    assert_eq!(read.unknown, ["extra"]);
    let typed = read.value;
    assert_eq!(typed.ttl.unwrap().0.0, 3600);
    assert_eq!(typed.policies.0, ["a", "b"]);
    assert!(typed.flag.0);
    assert_eq!(typed.uses.0, 3);
    assert_eq!(typed.meta.0.get("n").map(String::as_str), Some("1"));
    assert_eq!(typed.name, "mine", "a body must not rename what the policy was asked about");
    assert_eq!(typed.data.unwrap().text(), r#"{"n": 1.10, "s":"\u0041"}"#, "kept token for token");
}

#[test]
fn a_null_without_a_meaning_is_as_if_it_were_not_there() {
    let read =
        Params::from_json(br#"{"name":"x","policies":null,"flag":null,"uses":null,"ttl":null,"meta":null}"#).unwrap();
    let typed = read.read::<Typed>().unwrap().value;
    assert!(typed.ttl.is_none() && !typed.flag.0 && typed.uses.0 == 0 && typed.meta.0.is_empty());
    let missing = Params::from_json(br#"{"name":null}"#).unwrap();
    assert_eq!(missing.read::<Typed>().err().unwrap().client, "missing `name`");
    assert!(Params::from_json(b"null").unwrap().is_empty());
}

#[test]
fn wrong_types_name_the_field_and_no_value() {
    for (body, expected) in [
        (&br#"{"name":"x","ttl":"hunter2"}"#[..], "field `ttl` has the wrong type or form"),
        (br#"{"name":"x","flag":"hunter2"}"#, "field `flag` has the wrong type or form"),
        (br#"{"name":{"hunter2":1}}"#, "field `name` has the wrong type or form"),
        (br#"{}"#, "missing `name`"),
    ] {
        let error = Params::from_json(body).unwrap().read::<Typed>().err().unwrap();
        assert_eq!(error.client, expected);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn bodies_are_bounded_before_they_are_built() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    assert!(Params::from_json(deep.as_bytes()).is_err());
    let wide = format!("{{{}}}", (0..300).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(","));
    assert!(Params::from_json(wide.as_bytes()).is_err());
    for bad in [&b"[]"[..], b"1", b"{", b"{\"a\":1,\"a\":2}", b"\xff", b"nope"] {
        assert!(Params::from_json(bad).is_err());
    }
    assert!(Params::from_json(b"").unwrap().names().is_empty());
}

#[test]
fn no_object_of_a_body_names_a_member_twice() {
    for body in [
        r#"{"hunter2":1,"hunter2":2}"#,
        r#"{"data":{"hunter2":1,"hunter2":1}}"#,
        r#"{"data":{"hunter2":1,"b":{},"hunte\u0072\u0032":null}}"#,
        r#"{"a":[1,{"b":[{"hunter2":"x","c":1,"hunter2":"y"}]}]}"#,
        r#"{"a":{"":1,"":2}}"#,
        r#"{"a":{"b":1.5e400,"b":-0}}"#,
    ] {
        let error = Params::from_json(body.as_bytes()).err().unwrap_or_else(|| panic!("{body}"));
        assert_eq!(
            (error.cause, error.client.as_str()),
            (crate::Cause::Invalid, "request body has a duplicate member"),
            "{body}"
        );
    }
    for body in [
        r#"{"a":{"b":1},"c":{"b":1}}"#,
        r#"{"a":[{"b":1},{"b":1}]}"#,
        r#"{"a":{"a":{"a":{"A":1,"a":"\u0061"}}}}"#,
        r#"{"data":{"n":1.10,"big":123456789012345678901234567890,"e":1e999,"t":true,"z":null,"s":"{\"a\":1,\"a\":2}"}}"#,
        r#"{"a":"{\"b\":1,\"b\":2}"}"#,
    ] {
        assert!(Params::from_json(body.as_bytes()).is_ok(), "{body}");
    }
    let wide: String = (0..20_000).map(|n| format!("\"k{n}\":1,")).collect();
    assert!(Params::from_json(format!("{{\"data\":{{{wide}\"z\":1}}}}").as_bytes()).is_ok());
    assert!(Params::from_json(format!("{{\"data\":{{{wide}\"k0\":1}}}}").as_bytes()).is_err());
}

#[test]
fn members_of_a_form_are_texts_of_the_body() {
    let form = Params::from_pairs(vec![("a".to_owned(), "1".to_owned()), ("b\"".to_owned(), "x y".to_owned())]);
    assert_eq!(form.body_object().unwrap().text(), r#"{"a":"1","b\"":"x y"}"#);
    let json = Params::from_json(br#"{"a":1.50}"#).unwrap();
    assert_eq!(json.body_object().unwrap().text(), r#"{"a":1.50}"#);
}

/// Every day from 1970 to the end of what can be spelled, and some instant of it, as the library spells it.
#[test]
fn days_are_spelled_as_the_library_spells_them() {
    use ::time::OffsetDateTime;
    use ::time::format_description::well_known::Rfc3339;
    for day in 0..=(UNIX_MS_MAX / 86_400_000) {
        let at = (day * 86_400_000 + day * 7_919_001 % 86_400_000).min(UNIX_MS_MAX);
        let known = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).unwrap();
        assert_eq!(Timestamp(at).rfc3339(), known.format(&Rfc3339).unwrap());
    }
}
