//! Questions and answers, from tables.

use super::*;
use crate::record::tests::{full_record, hasher};
use crate::record::{Decision, Event, OpenRecord, Outcome};
use proptest::prelude::*;

fn ask(condition: &str, value: &str) -> Result<bool, QueryError> {
    let spec: QuerySpec = serde_json::from_value(serde_json::json!({ condition: value })).unwrap();
    Query::parse(&spec, Some(&hasher())).map(|query| query.matches(&full_record()))
}

#[test]
fn one_condition_at_a_time() {
    let accessor = hasher().text("acc-1").to_string();
    let table = [
        ("path", "database/creds/payments", true),
        ("path", "/database/creds/payments", true),
        ("path", "database/creds/*", true),
        ("path", "database/creds/", true),
        ("path", "database/+/payments", true),
        ("path", "*payments", true),
        ("path", "database", false),
        ("path", "database/+", false),
        ("caller", "approle", true),
        ("caller", "ent-1", true),
        ("caller", "acc-1", true),
        ("caller", "hvs.token", true),
        ("caller", &accessor, true),
        ("caller", "approl", false),
        ("caller", "hvs.wrap", false),
        ("address", "10.1.2.3", true),
        ("address", "::ffff:10.1.2.3", true),
        ("address", "10.0.0.0/8", true),
        ("address", "0.0.0.0/0", true),
        ("address", "10.1.2.4", false),
        ("address", "11.0.0.0/8", false),
        ("address", "::/0", false),
        ("from", "2026-01-02T03:04:05.678Z", true),
        ("from", "2026-01-02T03:04:05.679Z", false),
        ("from", "2026-01-02T04:04:05+01:00", true),
        ("to", "2026-01-02T03:04:05.679Z", true),
        ("to", "2026-01-02T03:04:05.678Z", false),
        ("decision", "allow", true),
        ("decision", "deny", false),
        ("operation", "read", true),
        ("operation", "list", false),
        ("value", "pw", true),
        ("value", "curl", true),
        ("value", "hvs.wrap", true),
        ("value", &accessor, true),
        ("value", "database", false),
        ("request_id", "req-1", true),
        ("request_id", "req-2", false),
        ("namespace", "", true),
        ("namespace", "team/", false),
        ("dialect", "vault", true),
        ("dialect", "aws", false),
    ];
    for (condition, value, expected) in table {
        assert_eq!(ask(condition, value), Ok(expected), "{condition} {value}");
    }
}

#[test]
fn conditions_hold_together() {
    let spec = |caller: &str| QuerySpec {
        path: Some("database/*".to_owned()),
        caller: Some(caller.to_owned()),
        decision: Some("allow".to_owned()),
        ..QuerySpec::default()
    };
    let ask = |caller| Query::parse(&spec(caller), None).unwrap().matches(&full_record());
    assert!(ask("approle"));
    assert!(!ask("root"));
    assert!(Query::parse(&QuerySpec::default(), None).unwrap().matches(&full_record()));
}

#[test]
fn what_a_record_lacks_meets_no_condition() {
    let event = OpenRecord::event(LogTime::default(), "r", "n", Event { what: "started".into(), ..Event::default() });
    for (condition, value) in [
        ("path", "*"),
        ("caller", ""),
        ("address", "::/0"),
        ("address", "0.0.0.0/0"),
        ("decision", "allow"),
        ("namespace", ""),
    ] {
        let spec: QuerySpec = serde_json::from_value(serde_json::json!({ condition: value })).unwrap();
        assert!(!Query::parse(&spec, None).unwrap().matches(&event), "{condition}");
    }
}

#[test]
fn conditions_that_cannot_be_understood() {
    let table = [
        ("path", "", QueryError::BadPath),
        ("address", "10.1.2", QueryError::BadAddress),
        ("address", "10.0.0.0/33", QueryError::BadAddress),
        ("address", "10.0.0.0/x", QueryError::BadAddress),
        ("address", "::ffff:10.0.0.0/95", QueryError::BadAddress),
        ("from", "yesterday", QueryError::BadTime),
        ("to", "2026-01-02", QueryError::BadTime),
        ("decision", "maybe", QueryError::BadDecision),
        ("operation", "sudo", QueryError::BadOperation),
    ];
    for (condition, value, expected) in table {
        assert_eq!(ask(condition, value), Err(expected), "{condition} {value}");
    }
    assert_eq!(ask("path", &"x".repeat(CONDITION_BYTES_MAX + 1)), Err(QueryError::TooLong));
    let plain = QuerySpec { value: Some("pw".to_owned()), ..QuerySpec::default() };
    assert_eq!(Query::parse(&plain, None), Err(QueryError::NeedsHashKey));
    assert!(serde_json::from_str::<QuerySpec>("{\"paths\":\"x\"}").is_err());
}

#[test]
fn networks() {
    let table = [
        ("192.168.1.0/24", "192.168.1.255", true),
        ("192.168.1.77/24", "192.168.1.1", true),
        ("192.168.1.0/24", "192.168.2.0", false),
        ("192.168.1.0/31", "192.168.1.1", true),
        ("::ffff:192.168.1.0/120", "192.168.1.9", true),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false),
        ("2001:db8::1", "2001:db8::1", true),
        ("192.168.1.1", "::ffff:192.168.1.1", true),
    ];
    for (network, address, expected) in table {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(Network::parse(network).unwrap().contains(address), expected, "{network} {address}");
    }
}

#[test]
fn the_lines_of_a_table() {
    let cells = |record: &Record| Summary::of(record).cells().join(" | ");
    assert_eq!(
        cells(&full_record()),
        "2026-01-02T03:04:05.678Z | ok | read | database/creds/payments | approle | 10.1.2.3 | \
         lease database/creds/payments/l1; credential v-approle-payments-1; wrapped"
    );
    let denied = OpenRecord::request(LogTime::default(), "r", "n")
        .path("a\u{1b}[2J\u{202e}b")
        .decision(Decision { allowed: false, reasons: vec!["no policy grants it".into()], granting: Vec::new() })
        .repeated(3, LogTime::default())
        .complete(Outcome::denied("permission denied"));
    assert_eq!(
        cells(&denied),
        "1970-01-01T00:00:00.000Z | denied |  | a\\u{1b}[2J\\u{202e}b |  |  | no policy grants it; permission denied; \
         3 times since 1970-01-01T00:00:00.000Z"
    );
    let event = Event { what: "lease.expired".into(), subject: Some("l1".into()), detail: Some("in time".into()) };
    let event = OpenRecord::event(LogTime::default(), "r", "n", event);
    assert_eq!(cells(&event), "1970-01-01T00:00:00.000Z | ok | lease.expired | l1 |  |  | in time");
}

/// The same by trying everything.
fn slow(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', rest @ ..] => (0..=path.len()).any(|n| slow(rest, &path[n..])),
        [c, rest @ ..] => path.first() == Some(c) && slow(rest, &path[1..]),
    }
}

proptest! {
    #[test]
    fn patterns_agree_with_trying_everything(pattern in "[ab/*]{1,8}[ab*]", path in "[ab/]{0,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let plain = pattern.strip_prefix('/').unwrap_or(&pattern);
        let expected = slow(&chars(plain), &chars(&path));
        prop_assert_eq!(PathPattern::parse(&pattern).unwrap().matches(&path), expected);
    }

    #[test]
    fn no_question_panics(path in "\\PC{0,30}", address in "[0-9a-f.:/]{0,30}", time in "\\PC{0,30}") {
        let spec = QuerySpec { path: Some(path), ..QuerySpec::default() };
        if let Ok(query) = Query::parse(&spec, None) {
            let _ = query.matches(&full_record());
        }
        let _ = Network::parse(&address).map(|network| network.contains([10, 0, 0, 1].into()));
        let _ = LogTime::parse(&time);
    }
}
