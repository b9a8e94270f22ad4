//! Declarations that are taken and that are not, templates, pointers, and what clients were promised. The steps themselves
//! need a machine: the whole server's tests walk them.

mod declarations;

use super::HttpProvider;
use super::pointer;
use super::routes::ROUTES;
use super::template::{Fillings, Name, Position, Template};
use crate::testing::{Bench, assert_shown};
use cardea_model::Action;
use cardea_sdk::call::{Call, HttpAnswer, HttpCall};
use cardea_sdk::erased::Erased;
use cardea_sdk::{ExternalError, OutsideContext, async_trait};
use std::sync::Arc;

/// Nothing that a request does calls anybody.
struct Nobody;

#[async_trait]
impl Call for Nobody {
    async fn call_source(&self, _cx: &OutsideContext<'_>, _call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        panic!("a request was sent")
    }
}

pub fn bench() -> Bench {
    Bench::new(Erased(HttpProvider::new(Arc::new(Nobody))))
}

#[tokio::test]
async fn transcripts_hold_and_name_every_route() {
    let seen = bench().replay("providers/", include_str!("transcripts/declarations.txt")).await;
    assert_shown(ROUTES.iter().map(|route| route.facts.name), &seen);
}

#[tokio::test]
async fn the_example_is_a_declaration_and_a_second_write_is_an_update() {
    let example = ROUTES.iter().find(|route| route.facts.name == "config-write").unwrap().facts.example;
    let bench = bench();
    for action in [Action::Create, Action::Update] {
        let reply = bench.call("POST", "config/a", example).await;
        assert_eq!((reply.status, reply.action), (204, Some(action)), "{reply:?}");
    }
}

#[test]
fn values_stand_escaped_where_they_are_put() {
    let all = &[Name::Id, Name::Value, Name::Username];
    let nasty = "a/../b?c=d&e#f%\"\\\n\u{e9}";
    for (position, text, value, expected) in [
        (Position::Target, "/k/{{id}}/x", "key-1", Some("/k/key-1/x")),
        (Position::Target, "/k/{{ id }}", "a.b~c_d", Some("/k/a.b~c_d")),
        (Position::Target, "/k/{{id}}", nasty, Some("/k/a%2F..%2Fb%3Fc%3Dd%26e%23f%25%22%5C%0A%C3%A9")),
        (Position::Target, "/k/{{id}}", "..", None),
        (Position::Target, "/k/{{id}}", ".", None),
        (Position::Target, "/k/{{id}}", "", None),
        (Position::Header, "Bearer {{id}}", "sk_1", Some("Bearer sk_1")),
        (Position::Header, "Bearer {{id}}", "a\r\nX-Admin: 1", None),
        (Position::Header, "Bearer {{id}}", "\u{e9}", None),
        (Position::Json, r#"{"a": "{{id}}"}"#, "x\",\"admin\":\"y", Some(r#"{"a": "x\",\"admin\":\"y"}"#)),
        (Position::Json, r#"{"a": "{{id}}"}"#, "\n\u{1}\u{e9}\\", Some("{\"a\": \"\\u000a\\u0001\u{e9}\\\\\"}")),
        (Position::Form, "{{id}}", "a b&c=d", Some("a%20b%26c%3Dd")),
        (Position::Form, "{{id}}", "", Some("")),
        // A value that looks like a place is none.
        (Position::Json, r#""{{id}}{{id}}""#, "{{value}}", Some(r#""{{value}}{{value}}""#)),
    ] {
        let template = Template::parse("f", text, position, all).unwrap();
        let filled = template.fill(&Fillings::default().with(Name::Id, value));
        assert_eq!(filled.as_ref().ok().map(|text| text.expose()), expected, "{position:?} {text} {value:?}");
    }
    for text in ["{{id", "{{}}", "{{nobody}}", "{{token}}", "{{ID}}", "{{{{id}}}}"] {
        let error = Template::parse("f", text, Position::Header, all).err().expect(text);
        assert!(error.client.contains("field `f`") && !error.client.contains("nobody"), "{}", error.client);
    }
    assert!(Template::parse("f", &"x".repeat(9000), Position::Header, all).is_err());
    let template = Template::parse("f", "{{value}}", Position::Header, all).unwrap();
    assert!(template.fill(&Fillings::default()).is_err(), "there is no such value");
}

#[test]
fn pointers_find_what_stands_in_an_answer() {
    let document =
        r#"{"a": {"b/c": [10, "x\"y", {"": "e"}], "m~n": null}, "id": 12345678901234567890, "f": 1.5, "-": -3}"#;
    for (pointer, expected) in [
        ("/id", Some("12345678901234567890")),
        ("/-", Some("-3")),
        ("/a/b~1c/0", Some("10")),
        ("/a/b~1c/1", Some("x\"y")),
        ("/a/b~1c/2/", Some("e")),
        ("/a/b~1c/3", None),
        ("/a/b~1c/01", None),
        ("/a/b~1c/-", None),
        ("/a/b~1c/+1", None),
        ("/a/m~0n", None),
        ("/f", None),
        ("/a", None),
        ("/id/x", None),
        ("/nothing", None),
        ("", None),
    ] {
        let found = pointer::text_at(document, pointer);
        assert_eq!(found.as_ref().map(|text| text.expose()), expected, "{pointer}");
        pointer::check("f", pointer).unwrap();
    }
    assert_eq!(pointer::items_at("[1, {\"a\": 2}]", "").unwrap(), ["1", "{\"a\": 2}"]);
    assert_eq!(pointer::text_at("{not json", "/a").map(|_| ()), None);
    for bad in ["id", "/a~2", "/a~", &format!("/{}", "x".repeat(600))] {
        assert!(pointer::check("f", bad).is_err(), "{bad}");
    }
}
