//! The record's bytes, its bound, and that nothing secret gets into it.

use super::*;
use crate::hash::AuditHasher;
use cardea_crypto::mac::MacKey;
use proptest::prelude::*;

pub(crate) fn hasher() -> AuditHasher {
    AuditHasher::new(MacKey::new(&[5; 32]))
}

fn at(text: &str) -> LogTime {
    LogTime::parse(text).unwrap()
}

/// A record with every field filled.
pub(crate) fn full_record() -> Record {
    let hasher = hasher();
    let actor = Actor {
        display_name: Some("approle".into()),
        entity_id: Some("ent-1".into()),
        accessor: Some(Accessor { hash: hasher.text("acc-1"), clear: None }),
        token_hash: Some(hasher.text("hvs.token")),
        token_type: Some("service".into()),
        policies: vec!["default".to_owned(), "payments".to_owned()].into(),
        token_policies: vec!["default".to_owned(), "payments".to_owned()].into(),
        identity_policies: Vec::new().into(),
        token_ttl_s: Some(3600.into()),
        token_issue_time: Some(at("2026-01-02T03:00:00Z").into()),
        renewable: Some(true.into()),
        orphan: Some(true.into()),
        remaining_uses: None,
        metadata: vec![Param { name: "role_name".into(), value: FieldValue::Clear("payment-service".into()) }],
    };
    let tls = Tls {
        version: "TLS 1.3".into(),
        cipher: "TLS_AES_256_GCM_SHA384".into(),
        group: Some("X25519MLKEM768".into()),
        client_certificate_sha256: None,
        client_certificate_serial: None,
    };
    OpenRecord::request(at("2026-01-02T03:04:05.678Z"), "req-1", "n1")
        .namespace("root", "")
        .dialect("vault")
        .operation(Operation::Read)
        .path("database/creds/payments")
        .resource(Resource { kind: "role".into(), id: "role-1".into(), version: Some(2.into()) })
        .mount(Mount {
            path: "database/".into(),
            type_name: "database".into(),
            accessor: "database_1".into(),
            class: "secret".into(),
            running_version: None,
        })
        .actor(actor)
        .source(Source { address: Some("10.1.2.3".into()), port: Some(50_000.into()), tls: Some(tls) })
        .header("user-agent", FieldValue::Hashed(hasher.text("curl")))
        .param("version", FieldValue::Number(3.into()))
        .wrap_ttl_s(60)
        .decision(Decision {
            allowed: true,
            reasons: vec!["granted by a prefix".into()],
            granting: vec![Grant { name: "payments".into(), pattern: "database/creds/*".into() }],
        })
        .response(Response {
            params: vec![Param { name: "password".into(), value: FieldValue::Hashed(hasher.text("pw")) }],
            lease_id: Some("database/creds/payments/l1".into()),
            lease_ttl_s: Some(900.into()),
            renewable: Some(true.into()),
            credential_id: Some("v-approle-payments-1".into()),
            auth: None,
            wrap: Some(Box::new(IssuedWrap {
                accessor: Accessor { hash: hasher.text("wrap-acc"), clear: None },
                token_hash: hasher.text("hvs.wrap"),
                ttl_s: 60.into(),
                creation_path: "database/creds/payments".into(),
                creation_time: None,
                wrapped_accessor: None,
            })),
        })
        .complete(Outcome::ok())
}

#[test]
fn the_bytes_of_a_full_record() {
    let bytes = full_record().encode().unwrap();
    let expected = include_str!("testdata/full.json").trim_end();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    assert_eq!(Record::decode(&bytes).unwrap(), full_record());
    assert_eq!(Record::decode(&bytes).unwrap().encode().unwrap(), bytes);
}

#[test]
fn the_bytes_of_small_records() {
    let time = at("2026-01-02T03:04:05Z");
    let event = Event { what: "lease.expired".into(), subject: Some("l1".into()), detail: None };
    let denied = OpenRecord::request(time, "r", "n1")
        .path("secret/data/x")
        .decision(Decision { allowed: false, reasons: vec!["no policy grants it".into()], granting: Vec::new() })
        .repeated(12, at("2026-01-02T03:04:00Z"))
        .complete(Outcome::denied("permission denied"));
    let open = OpenRecord::request(time, "r", "n1").param("a", FieldValue::Flag(true.into()));
    let cases = [
        (
            OpenRecord::event(time, "r", "n1", event.clone()),
            r#"{"v":1,"kind":"event","time":"2026-01-02T03:04:05.000Z","request_id":"r","node":"n1","outcome":{"status":"ok"},"event":{"what":"lease.expired","subject":"l1"}}"#,
        ),
        (
            denied,
            r#"{"v":1,"kind":"request","time":"2026-01-02T03:04:05.000Z","request_id":"r","node":"n1","path":"secret/data/x","decision":{"allowed":false,"reasons":["no policy grants it"]},"outcome":{"status":"denied","cause":"denied","message_class":"permission denied"},"repeated":{"count":12,"since":"2026-01-02T03:04:00.000Z"}}"#,
        ),
        (
            open.intent(event),
            r#"{"v":1,"kind":"intent","time":"2026-01-02T03:04:05.000Z","request_id":"r","node":"n1","params":[{"name":"a","value":{"flag":true}}],"event":{"what":"lease.expired","subject":"l1"}}"#,
        ),
        (
            open.after_intent(at("2026-01-02T03:04:06Z")).complete(Outcome::error("upstream", "source is down")),
            r#"{"v":1,"kind":"outcome","time":"2026-01-02T03:04:06.000Z","request_id":"r","node":"n1","outcome":{"status":"error","cause":"upstream","message_class":"source is down"}}"#,
        ),
    ];
    for (record, expected) in cases {
        let bytes = record.encode().unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(Record::decode(&bytes).unwrap(), record);
    }
}

#[test]
fn what_is_not_a_record_is_refused() {
    let bytes = full_record().encode().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let hash = hasher().text("pw").to_string();
    let cases = [
        ("nothing", String::new(), RecordError::NotARecord),
        ("newer", text.replacen("{\"v\":1", "{\"v\":2", 1), RecordError::NewerVersion),
        ("a plain value in the place of a hash", text.replace(&hash, "pw"), RecordError::NotARecord),
        ("upper-case hash", text.replace(&hash, &hash.to_uppercase()), RecordError::NotARecord),
        ("rest after the record", text.clone() + "{}", RecordError::NotARecord),
        ("too long", " ".repeat(RECORD_BYTES_MAX + 1), RecordError::TooLong),
    ];
    for (name, case, expected) in cases {
        assert_eq!(Record::decode(case.as_bytes()), Err(expected), "{name}");
    }
    let later = text.replacen("{\"v\":1", "{\"v\":1,\"later\":[1]", 1);
    assert_eq!(Record::decode(later.as_bytes()), Ok(full_record()));
}

#[test]
fn params_are_named_by_their_path_and_hashed_unless_public() {
    let value = serde_json::json!({
        "data": {"pass/word": "s3cret", "pin": 1234, "~": null, "#": true, "list": ["a", {"b": "c"}]},
        "options": {"cas": 3, "big": 18_446_744_073_709_551_615u64, "note": "n"},
    });
    let is_public = |name: &str| name.starts_with("options/");
    let (list, left_off) = Params::from_json(&value, &hasher(), &is_public).into_parts();
    assert_eq!(left_off, 0);
    let hashed = |text: &str| FieldValue::Hashed(hasher().text(text));
    let expected = [
        ("data/pass~1word", hashed("s3cret")),
        ("data/pin", hashed("1234")),
        ("data/~0", hashed("null")),
        ("data/~2", hashed("true")),
        ("data/list/#0", hashed("a")),
        ("data/list/#1/b", hashed("c")),
        ("options/cas", FieldValue::Number(3.into())),
        ("options/big", FieldValue::Clear("18446744073709551615".into())),
        ("options/note", FieldValue::Clear("n".into())),
    ];
    let expected: Vec<Param> = expected.into_iter().map(|(name, value)| Param { name: name.into(), value }).collect();
    assert_eq!(list, expected);
    let key = |text: &str| Segment::Key(text.to_owned());
    assert_eq!(split_name("data/pass~1word"), [key("data"), key("pass/word")]);
    assert_eq!(split_name("data/~2/~0/#1"), [key("data"), key("#"), key("~"), Segment::Index(1)]);
}

#[test]
fn a_large_body_buys_little_work() {
    let wide: serde_json::Value = (0..1000).map(|n| (format!("k{n}"), serde_json::Value::from("v"))).collect();
    let (list, left_off) = Params::from_json(&wide, &hasher(), &|_| false).into_parts();
    assert_eq!((list.len(), left_off), (PARAMS_MAX, 1000 - PARAMS_MAX as u64));
    let deep = (0..100).fold(serde_json::Value::from("v"), |inner, _| serde_json::json!([inner]));
    let (list, left_off) = Params::from_json(&deep, &hasher(), &|_| false).into_parts();
    assert_eq!((list.len(), left_off), (0, 1));
    let record =
        OpenRecord::request(LogTime::default(), "r", "n").params(Params::from_json(&wide, &hasher(), &|_| false));
    let record = record.complete(Outcome::ok());
    assert_eq!(record.cut[0], Cut { field: "params".into(), left_off: (1000 - PARAMS_MAX as u64).into() });
}

#[test]
fn a_long_record_is_cut_and_says_what_is_missing() {
    let long = "p".repeat(100_000);
    let record = OpenRecord::request(LogTime::default(), "r", "n").path(&long).complete(Outcome::ok());
    let bytes = record.encode().unwrap();
    assert!(bytes.len() <= RECORD_BYTES_MAX);
    let read = Record::decode(&bytes).unwrap();
    let kept = read.path.as_ref().unwrap().as_str().len() as u64;
    assert_eq!(kept, 4096);
    assert_eq!(read.cut, [Cut { field: "path".into(), left_off: (100_000 - kept).into() }]);
    assert_eq!(read.request_id.as_str(), "r");
}

/// A record whose every text is `text` and whose every list has `entries` entries.
fn bloated(text: &str, entries: usize) -> Record {
    let t = || text.to_owned();
    let hash = hasher().text("x");
    let accessor = || Accessor { hash, clear: Some(t().into()) };
    let clear = || Param { name: t().into(), value: FieldValue::Clear(t().into()) };
    let params = || (0..entries).map(|_| clear()).collect::<Vec<_>>();
    let names = || Public::new(vec![t(); entries]);
    let actor = || Actor {
        display_name: Some(t().into()),
        entity_id: Some(t().into()),
        accessor: Some(accessor()),
        token_hash: Some(hash),
        token_type: Some(t().into()),
        policies: names(),
        token_policies: names(),
        identity_policies: names(),
        token_ttl_s: Some(u64::MAX.into()),
        token_issue_time: Some(LogTime::default().into()),
        renewable: Some(false.into()),
        orphan: Some(false.into()),
        remaining_uses: Some(u64::MAX.into()),
        metadata: params(),
    };
    let tls = Tls {
        version: t().into(),
        cipher: t().into(),
        group: Some(t().into()),
        client_certificate_sha256: Some(t().into()),
        client_certificate_serial: Some(t().into()),
    };
    let mut open = OpenRecord::request(LogTime::default(), text, text)
        .namespace(text, text)
        .dialect(text)
        .operation(Operation::Update)
        .path(text)
        .resource(Resource { kind: t().into(), id: t().into(), version: Some(u64::MAX.into()) })
        .mount(Mount {
            path: t().into(),
            type_name: t().into(),
            accessor: t().into(),
            class: t().into(),
            running_version: Some(t().into()),
        })
        .actor(actor())
        .source(Source { address: Some(t().into()), port: Some(u16::MAX.into()), tls: Some(tls) })
        .wrap_ttl_s(u64::MAX)
        .repeated(u64::MAX, LogTime::default())
        .decision(Decision {
            allowed: false,
            reasons: vec![t().into(); entries],
            granting: vec![Grant { name: t().into(), pattern: t().into() }; entries],
        })
        .response(Response {
            params: params(),
            lease_id: Some(t().into()),
            lease_ttl_s: Some(u64::MAX.into()),
            renewable: Some(true.into()),
            credential_id: Some(t().into()),
            auth: Some(Box::new(actor())),
            wrap: Some(Box::new(IssuedWrap {
                accessor: accessor(),
                token_hash: hash,
                ttl_s: u64::MAX.into(),
                creation_path: t().into(),
                creation_time: Some(LogTime::default().into()),
                wrapped_accessor: Some(accessor()),
            })),
        });
    for _ in 0..entries {
        open = open.header(text, FieldValue::Clear(t().into())).param(text, FieldValue::Clear(t().into()));
    }
    let event = Event { what: t().into(), subject: Some(t().into()), detail: Some(t().into()) };
    let mut record = open.intent(event);
    record.outcome = Some(Outcome::error(text, text).with_detail(text));
    record
}

#[test]
fn the_narrowest_step_always_fits() {
    for text in ["a", "\u{1}", "\"", "é", "\u{10ffff}", "\u{7f}"] {
        let bytes = bloated(&text.repeat(2000), 200).encode().unwrap();
        assert!(bytes.len() <= RECORD_BYTES_MAX);
        assert!(!bytes.contains(&b'\n'));
        Record::decode(&bytes).unwrap();
    }
}

/// A secret in every spelling that a leak could take.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
    vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        STANDARD.encode(secret).into_bytes(),
        STANDARD_NO_PAD.encode(secret).into_bytes(),
        URL_SAFE.encode(secret).into_bytes(),
        serde_json::to_vec(&String::from_utf8_lossy(secret)).unwrap(),
    ]
}

/// A record that carries `secret` wherever a hash can stand.
pub(crate) fn tainted(secret: &str) -> Record {
    let hasher = hasher();
    let hashed = || FieldValue::Hashed(hasher.text(secret));
    let accessor = || Accessor { hash: hasher.text(secret), clear: None };
    let body = serde_json::json!({"data": {"password": secret, "list": [secret, {"deep": secret}]}});
    let actor = || Actor {
        accessor: Some(accessor()),
        token_hash: Some(hasher.text(secret)),
        metadata: vec![Param { name: "m".into(), value: hashed() }],
        ..Actor::default()
    };
    OpenRecord::request(LogTime::default(), "r", "n")
        .operation(Operation::Update)
        .path("secret/data/x")
        .actor(actor())
        .header("x", hashed())
        .params(Params::from_json(&body, &hasher, &|_| false))
        .decision(Decision { allowed: true, ..Decision::default() })
        .response(Response {
            auth: Some(Box::new(actor())),
            wrap: Some(Box::new(IssuedWrap {
                accessor: accessor(),
                token_hash: hasher.text(secret),
                ttl_s: 1.into(),
                creation_path: "x".into(),
                creation_time: None,
                wrapped_accessor: Some(accessor()),
            })),
            ..Response::default()
        })
        .response_params(Params::from_json(&body, &hasher, &|_| false))
        .complete(Outcome::ok())
}

/// Asserts that no spelling of the secret is in the bytes.
pub(crate) fn assert_untainted(secret: &str, bytes: &[u8]) {
    for spelling in spellings(secret.as_bytes()) {
        assert!(!bytes.windows(spelling.len()).any(|window| window == spelling), "a secret is in the log");
    }
}

#[test]
fn a_thousand_secrets_leave_no_trace() {
    for n in 0..1000u32 {
        let canary = hex::encode(&crate::Hash::of(&[b"canary", &n.to_be_bytes()]).0[..12]);
        let record = tainted(&canary);
        assert_untainted(&canary, &record.encode().unwrap());
        assert_untainted(&canary, format!("{record:?}").as_bytes());
        assert!(sensitive_fields(&record).contains(&hasher().text(&canary)));
    }
}

#[test]
fn secrets_have_no_class() {
    // Compiles only as long as exactly one of the two implementations holds for the secret types.
    trait Ambiguous<A> {
        fn holds() {}
    }
    struct WhenPlain;
    impl<T: ?Sized> Ambiguous<()> for T {}
    impl<T: crate::class::Plain> Ambiguous<WhenPlain> for T {}
    <cardea_model::SecretText as Ambiguous<_>>::holds();
    <cardea_model::SecretBytes as Ambiguous<_>>::holds();
    <Vec<u8> as Ambiguous<_>>::holds();
    <AuditHasher as Ambiguous<_>>::holds();
}

#[test]
fn the_keyed_hash_is_the_published_one() {
    // RFC 4231, test case 2.
    let hasher = AuditHasher::new(MacKey::new(b"Jefe"));
    let expected = "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hasher.text("what do ya want for nothing?").to_string(), expected);
    assert_eq!(Sensitive::parse(expected).unwrap().to_string(), expected);
    for bad in ["", "hmac-sha256:", "hmac-sha256:5b", &expected[12..], &format!("{expected}00")] {
        assert_eq!(Sensitive::parse(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn every_record_can_be_read_back(path in "\\PC{0,60}", id in any::<String>(), ms in 0u64..253_402_300_800_000, n in any::<i64>(), long in 0usize..20_000) {
        let record = OpenRecord::request(LogTime::from_unix_ms(ms), &id, "n1")
            .path(&path.repeat(1 + long / 40))
            .param(&path, FieldValue::Number(n.into()))
            .complete(Outcome::ok());
        let bytes = record.encode().unwrap();
        prop_assert!(bytes.len() <= RECORD_BYTES_MAX && !bytes.contains(&b'\n'));
        let read = Record::decode(&bytes).unwrap();
        prop_assert_eq!(read.encode().unwrap(), bytes);
        if read.cut.is_empty() {
            prop_assert_eq!(read, record);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(&bytes);
    }

    #[test]
    fn any_key_survives_its_spelling(keys in prop::collection::vec("[~/#0-2a]{1,6}", 1..4)) {
        let mut name = String::new();
        keys.iter().for_each(|key| push_segment(&mut name, key));
        let expected: Vec<Segment> = keys.into_iter().map(Segment::Key).collect();
        prop_assert_eq!(split_name(&name), expected);
    }
}
