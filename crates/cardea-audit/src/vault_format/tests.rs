//! The lines against golden files, and what their readers rely on.

use super::*;
use crate::log_time::LogTime;
use crate::record::tests::{assert_untainted, full_record, hasher, tainted};
use crate::record::{Decision, Event, OpenRecord, Params};
use proptest::prelude::*;

fn parsed(line: Option<String>) -> Value {
    serde_json::from_str(&line.unwrap()).unwrap()
}

/// Both lines of a record as indented JSON, for golden files.
fn pretty(record: &Record) -> String {
    let lines = render(record, &Options::default());
    [lines.request, lines.response]
        .into_iter()
        .flatten()
        .map(|line| format!("{:#}\n", serde_json::from_str::<Value>(&line).unwrap()))
        .collect()
}

fn denied() -> Record {
    OpenRecord::request(LogTime::parse("2026-01-02T03:04:05Z").unwrap(), "req-2", "n1")
        .namespace("ns1", "team/")
        .operation(Operation::Update)
        .path("secret/data/other")
        .params(Params::from_json(
            &json!({"data": {"password": "s3cret", "hosts": ["a", "b"]}, "options": {"cas": 1}}),
            &hasher(),
            &|name| name == "options/cas",
        ))
        .decision(Decision { allowed: false, reasons: vec!["no policy grants it".into()], granting: Vec::new() })
        .complete(Outcome::denied("permission denied"))
}

#[test]
fn golden_lines() {
    assert_eq!(pretty(&full_record()), include_str!("testdata/allowed.txt"));
    assert_eq!(pretty(&denied()), include_str!("testdata/denied.txt"));
}

#[test]
fn a_denial_has_its_error_on_both_lines() {
    let lines = render(&denied(), &Options::default());
    for line in [lines.request, lines.response] {
        assert_eq!(parsed(line)["error"], "1 error occurred:\n\t* permission denied\n\n");
    }
}

#[test]
fn a_failure_has_its_error_on_the_second_line() {
    let record =
        OpenRecord::request(LogTime::default(), "r", "n").complete(Outcome::error("upstream", "source is down"));
    let lines = render(&record, &Options::default());
    assert_eq!(parsed(lines.request).get("error"), None);
    assert_eq!(parsed(lines.response)["error"], "1 error occurred:\n\t* source is down\n\n");
}

/// Alarms count lines with an error: what was looked for and is not there must not be among them.
#[test]
fn what_is_not_there_is_no_error() {
    let open = || OpenRecord::request(LogTime::default(), "r", "n");
    let lines = render(&open().complete(Outcome::error("not_found", "")), &Options::default());
    assert_eq!(parsed(lines.response).get("error"), None);
    let lines = render(&open().complete(Outcome::error("not_found", "role does not exist")), &Options::default());
    assert_eq!(parsed(lines.response)["error"], "1 error occurred:\n\t* role does not exist\n\n");
}

#[test]
fn which_record_gives_which_line() {
    let open = || OpenRecord::request(LogTime::default(), "r", "n");
    let table = [
        (open().complete(Outcome::ok()), true, true),
        (open().intent(Event::default()), true, false),
        (open().after_intent(LogTime::default()).complete(Outcome::ok()), false, true),
        (OpenRecord::event(LogTime::default(), "r", "n", Event::default()), false, false),
    ];
    for (record, request, response) in table {
        let lines = render(&record, &Options::default());
        assert_eq!((lines.request.is_some(), lines.response.is_some()), (request, response), "{:?}", record.kind);
        let mut bytes = Vec::new();
        write_lines(&record, &Options::default(), &mut bytes);
        let count = bytes.iter().filter(|b| **b == b'\n').count();
        assert_eq!(count, usize::from(request) + usize::from(response));
    }
}

#[test]
fn the_options_of_a_device() {
    let device = |pairs: &[(&str, &str)]| {
        Options::from_device(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    };
    assert_eq!(device(&[]), Options::default());
    let all = device(&[("prefix", "@cee: \n"), ("hmac_accessor", "false"), ("elide_list_responses", "true")]);
    assert_eq!(all, Options { prefix: "@cee:  ".to_owned(), hmac_accessor: false, elide_list_responses: true });

    let accessor = |clear: bool| Accessor { hash: hasher().text("acc"), clear: clear.then(|| "acc".into()) };
    let of = |clear: bool, options: &Options| {
        let actor = Actor { accessor: Some(accessor(clear)), ..Actor::default() };
        let record = OpenRecord::request(LogTime::default(), "r", "n").actor(actor).complete(Outcome::ok());
        let line = render(&record, options).request.unwrap();
        let value: Value = serde_json::from_str(line.strip_prefix(&options.prefix).unwrap()).unwrap();
        value["request"]["client_token_accessor"].as_str().unwrap().to_owned()
    };
    let hash = hasher().text("acc").to_string();
    assert_eq!(of(true, &all), "acc");
    assert_eq!(of(false, &all), hash);
    assert_eq!(of(true, &Options::default()), hash);
}

#[test]
fn lists_become_their_lengths() {
    let list = json!({"keys": ["a", "b", "c"], "key_info": {"a": {"n": 1}, "b": {"n": 2}}, "other": ["x"]});
    let record = |operation| {
        OpenRecord::request(LogTime::default(), "r", "n")
            .operation(operation)
            .response_params(Params::from_json(&list, &hasher(), &|_| true))
            .complete(Outcome::ok())
    };
    let data = |operation, elide_list_responses| {
        let options = Options { elide_list_responses, ..Options::default() };
        parsed(render(&record(operation), &options).response)["response"]["data"].clone()
    };
    assert_eq!(data(Operation::List, true), json!({"keys": 3, "key_info": 2, "other": ["x"]}));
    assert_eq!(data(Operation::List, false), list);
    assert_eq!(data(Operation::Read, true), list);
}

#[test]
fn names_that_contradict_each_other_lose_nothing() {
    let param = |name: &str, n: i64| Param { name: name.into(), value: FieldValue::Number(n.into()) };
    let params = [param("a", 1), param("a/b", 2), param("c/#4", 3), param("c/#9/x", 4), param("c/y", 5)];
    let expected = json!({"a": 1, "a/b": 2, "c": [3, {"x": 4}], "c/y": 5});
    assert_eq!(nested(&params), expected);
}

#[test]
fn a_thousand_secrets_leave_no_trace() {
    for n in 0..1000u32 {
        let canary = hex::encode(&crate::Hash::of(&[b"line", &n.to_be_bytes()]).0[..12]);
        let mut bytes = Vec::new();
        write_lines(&tainted(&canary), &Options { hmac_accessor: false, ..Options::default() }, &mut bytes);
        assert_untainted(&canary, &bytes);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,9}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = "[a-c~/#0-9]{1,3}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 1..4).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_taken_apart_is_put_together_again(body in prop::collection::btree_map("[a-c~/#0-9]{1,3}", any_json(), 1..4)) {
        let body: Value = body.into_iter().collect();
        let (params, left_off) = Params::from_json(&body, &hasher(), &|_| true).into_parts();
        prop_assume!(left_off == 0);
        prop_assert_eq!(nested(&params), body);
    }
}
