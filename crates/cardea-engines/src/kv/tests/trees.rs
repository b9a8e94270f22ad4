//! Merge patch and skeletons, against the table of RFC 7396 and a plain implementation over parsed values.

use crate::kv::tree::{merge, skeleton};
use cardea_model::Payload;
use proptest::prelude::*;
use serde_json::{Value, json};

fn payload(text: &str) -> Payload {
    Payload::parse(text.to_owned()).unwrap()
}

#[test]
fn merge_patch_as_rfc_7396_appendix_a_says() {
    for (original, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(merge(&payload(original), &payload(patch)).unwrap().text(), result, "{original} and {patch}");
    }
}

#[test]
fn what_a_patch_does_not_touch_keeps_its_bytes() {
    for (original, patch, result) in [
        (
            r#"{ "n" : 1.10, "e": 1E400, "\u0041": "\u00e9\/", "list": [ 1,  2 ], "x": 1 }"#,
            r#"{"x": null}"#,
            r#"{"n":1.10,"e":1E400,"\u0041":"\u00e9\/","list":[ 1,  2 ]}"#,
        ),
        (r#"{"\u0041":1}"#, r#"{"A":2}"#, r#"{"\u0041":2}"#),
        (r#"{"a":1}"#, r#"{"b":100000000000000000000000001}"#, r#"{"a":1,"b":100000000000000000000000001}"#),
        (r#"{"a":{"b":1.0,"c":2}}"#, r#"{"a":{"c":3}}"#, r#"{"a":{"b":1.0,"c":3}}"#),
        (r#"{"a":1,"a":2}"#, r#"{"b":1}"#, r#"{"a":2,"b":1}"#),
    ] {
        assert_eq!(merge(&payload(original), &payload(patch)).unwrap().text(), result);
    }
}

#[test]
fn skeletons_show_names_and_no_values() {
    let nested = r#"{"a":{"b":{"c":"hunter2"},"d":[{"e":1}]},"f":{},"g":null,"h":"x"}"#;
    for (text, depth, result) in [
        (nested, 0, r#"{"a":{"b":{"c":null},"d":null},"f":null,"g":null,"h":null}"#),
        (nested, 1, r#"{"a":null,"f":null,"g":null,"h":null}"#),
        (nested, 2, r#"{"a":{"b":null,"d":null},"f":null,"g":null,"h":null}"#),
        (nested, 3, r#"{"a":{"b":{"c":null},"d":null},"f":null,"g":null,"h":null}"#),
        ("{}", 0, "{}"),
    ] {
        assert_eq!(skeleton(&payload(text), depth).unwrap().text(), result);
    }
    assert!(skeleton(&payload(r#""text""#), 0).is_err());
}

#[test]
fn nesting_beyond_the_bound_is_refused() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    assert!(merge(&payload("{}"), &payload(&deep)).is_err());
    assert!(skeleton(&payload(&deep), 0).is_err());
}

fn plain_merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if target.is_object() { target } else { json!({}) };
    for (name, change) in patch {
        let members = target.as_object_mut().unwrap();
        if change.is_null() {
            members.shift_remove(name);
        } else {
            let before = members.get(name).cloned().unwrap_or(Value::Null);
            members.insert(name.clone(), plain_merge(before, change));
        }
    }
    target
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a\"\\\\é\u{1}]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab\"é]{1,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn merging_agrees_with_the_plain_algorithm(target in values(), patch in values()) {
        let merged = merge(&payload(&target.to_string()), &payload(&patch.to_string())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(merged.text()).unwrap(), plain_merge(target, &patch));
    }
}
