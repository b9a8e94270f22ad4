//! What is sent, and which answers count as wrong.

use super::*;

fn subject() -> Subject {
    Subject {
        authority: "127.0.0.1:8200".into(),
        token: Zeroizing::new("t0ken".into()),
        accessor: "acc1".into(),
        kv_mount: "bench".into(),
        approle_mount: "bench-approle".into(),
        role_id: "role1".into(),
        secret_id: Zeroizing::new("secret1".into()),
        credentials_path: Some("database/creds/payments".into()),
        secrets: 10,
        values: Values::new(1024),
        transit_mount: Some("bench-transit".into()),
        aws: None,
    }
}

fn sent(script: &Script, turn: u64) -> (String, Expected) {
    let mut out = Vec::new();
    let expected = script.fill(&mut Draw::new(1), turn, &mut out);
    (String::from_utf8(out).unwrap(), expected)
}

fn value(number: u64) -> String {
    let mut out = Vec::new();
    Values::new(1024).write(number, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn requests_are_well_formed() {
    let mut subject = subject();
    let text = |text: &str| Zeroizing::new(text.to_owned());
    subject.aws =
        Some((AccessKey { id: "CDAS1".into(), secret: text("s"), session_token: text("st") }, "AAAA".to_owned()));
    for kind in Kind::ALL {
        let script = Script::new(kind, &subject).unwrap();
        for turn in 0..20 {
            let (text, _) = sent(&script, turn);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            assert_eq!(length.map_or(0, |length| length.parse().unwrap()), body.len(), "{}", kind.name());
            assert!(body.is_empty() || serde_json::from_str::<Value>(body).is_ok(), "{}", kind.name());
            let is_signed = head.contains("X-Amz-Target: ") && head.contains(", Signature=");
            assert_eq!(is_signed, script.signed.is_some(), "{}", kind.name());
            let shows_token = kind != Kind::ApproleLogin && !is_signed;
            assert_eq!(head.contains("X-Vault-Token: t0ken"), shows_token, "{}", kind.name());
            assert!(head.contains("\r\nHost: 127.0.0.1:8200"), "{}", kind.name());
        }
    }
}

#[test]
fn paths_and_expectations() {
    let cases = [
        (Kind::KvWriteOne, "POST /v1/bench/data/one HTTP/1.1", Expected::Version),
        (Kind::KvWriteSpread, "POST /v1/bench/data/s/00000003 HTTP/1.1", Expected::Version),
        (Kind::TokenLookup, "GET /v1/auth/token/lookup-self HTTP/1.1", Expected::Accessor),
        (Kind::ApproleLogin, "POST /v1/auth/bench-approle/login HTTP/1.1", Expected::Token),
        (Kind::DatabaseCreds, "GET /v1/database/creds/payments HTTP/1.1", Expected::Credential),
    ];
    for (kind, line, expected) in cases {
        let (text, got) = sent(&Script::new(kind, &subject()).unwrap(), 13);
        assert_eq!((text.lines().next(), got), (Some(line), expected));
    }
    let (text, got) = sent(&Script::new(Kind::KvRead, &subject()).unwrap(), 0);
    let Expected::Value(number) = got else { panic!("a read expects a value") };
    assert!(text.starts_with(&format!("GET /v1/bench/data/r/{number:08} HTTP/1.1\r\n")));
}

#[test]
fn without_a_role_there_are_no_credentials() {
    let subject = Subject { credentials_path: None, ..subject() };
    assert!(Script::new(Kind::DatabaseCreds, &subject).is_none());
}

#[test]
fn the_mix_is_nine_to_one() {
    let script = Script::new(Kind::KvMix, &subject()).unwrap();
    let (mut draw, mut out) = (Draw::new(5), Vec::new());
    let writes = (0..10_000).filter(|&turn| script.fill(&mut draw, turn, &mut out) == Expected::Version).count();
    assert!((900..1100).contains(&writes), "{writes} of 10,000");
}

#[test]
fn keys_are_drawn_evenly_and_values_differ() {
    let mut draw = Draw::new(3);
    let mut counts = [0u32; 10];
    for _ in 0..10_000 {
        counts[draw.below(10) as usize] += 1;
    }
    assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    assert_ne!(value(1), value(2));
    assert_eq!((value(1).len(), value(2).len()), (1024, 1024));
    assert_eq!(Values::new(3).size_bytes(), VALUE_MARK_BYTES);
}

#[test]
fn answers() {
    let read = |value: &str| format!("{{\"data\":{{\"data\":{{\"value\":\"{value}\"}},\"metadata\":{{}}}}}}");
    let spaced = format!("{{ \"data\" : {{ \"data\" : {{ \"value\" : \"{}\" }} }} }}", value(4));
    let elsewhere = format!("{{\"x\":{{\"value\":\"{}\"}}}}", value(4));
    let wrong_body = |what| Err(Mismatch::Body(what));
    type Case = (&'static str, Kind, Expected, u16, String, Result<(), Mismatch>);
    let cases: Vec<Case> = vec![
        ("right", Kind::KvRead, Expected::Value(4), 200, read(&value(4)), Ok(())),
        ("right, with blanks", Kind::KvRead, Expected::Value(4), 200, spaced, Ok(())),
        (
            "another key's",
            Kind::KvRead,
            Expected::Value(4),
            200,
            read(&value(5)),
            wrong_body("not the value of the key"),
        ),
        (
            "longer",
            Kind::KvRead,
            Expected::Value(4),
            200,
            read(&(value(4) + "x")),
            wrong_body("not the value of the key"),
        ),
        ("cut", Kind::KvRead, Expected::Value(4), 200, read(&value(4)[..9]), wrong_body("not the value of the key")),
        ("no JSON", Kind::KvRead, Expected::Value(4), 200, "ok".into(), wrong_body("not JSON")),
        ("sealed", Kind::KvRead, Expected::Value(4), 503, read(&value(4)), Err(Mismatch::Status(503))),
        ("no content", Kind::KvWriteOne, Expected::Version, 204, String::new(), Err(Mismatch::Status(204))),
        ("version", Kind::KvWriteOne, Expected::Version, 200, "{\"data\":{\"version\":7}}".into(), Ok(())),
        ("no version", Kind::KvWriteOne, Expected::Version, 200, "{\"data\":{}}".into(), wrong_body("no version")),
        ("own token", Kind::TokenLookup, Expected::Accessor, 200, "{\"data\":{\"accessor\":\"acc1\"}}".into(), Ok(())),
        (
            "another token",
            Kind::TokenLookup,
            Expected::Accessor,
            200,
            "{\"data\":{\"accessor\":\"acc2\"}}".into(),
            wrong_body("not the accessor of the token"),
        ),
        ("token", Kind::ApproleLogin, Expected::Token, 200, "{\"auth\":{\"client_token\":\"hvs.x\"}}".into(), Ok(())),
        (
            "no token",
            Kind::ApproleLogin,
            Expected::Token,
            200,
            "{\"auth\":{\"client_token\":\"\"}}".into(),
            wrong_body("no token"),
        ),
        (
            "user",
            Kind::DatabaseCreds,
            Expected::Credential,
            200,
            "{\"lease_id\":\"l\",\"data\":{\"username\":\"u\",\"password\":\"p\"}}".into(),
            Ok(()),
        ),
        (
            "no lease",
            Kind::DatabaseCreds,
            Expected::Credential,
            200,
            "{\"lease_id\":\"\",\"data\":{\"username\":\"u\",\"password\":\"p\"}}".into(),
            wrong_body("no user, password or lease"),
        ),
    ];
    for (name, kind, expected, status, body, result) in cases {
        let script = Script::new(kind, &subject()).unwrap();
        for thorough in [false, true] {
            assert_eq!(script.check(expected, status, body.as_bytes(), thorough), result, "{name}, {thorough}");
        }
    }
    // The quick look is content with the value anywhere; the thorough one, made on each connection's first answer, is not.
    let script = Script::new(Kind::KvRead, &subject()).unwrap();
    assert!(script.check(Expected::Value(4), 200, elsewhere.as_bytes(), false).is_ok());
    assert!(script.check(Expected::Value(4), 200, elsewhere.as_bytes(), true).is_err());
}

#[test]
fn the_bare_answer_is_compared_whole() {
    let script = Script::bare("127.0.0.1:1", b"abc", &subject());
    let (text, expected) = sent(&script, 0);
    assert_eq!(expected, Expected::Exactly);
    assert!(!text.contains("t0ken"), "the bare server is told no token");
    assert!(script.check(expected, 200, b"abc", false).is_ok());
    assert!(script.check(expected, 200, b"abd", false).is_err());
    assert!(script.check(expected, 500, b"abc", false).is_err());
}
