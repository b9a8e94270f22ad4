//! Version 1: what a client writes is what it reads, and nothing of before stays. Its records are those of version 2.

use super::harness::Bench;
use super::shared::{create, one};
use super::{answer, path};
use cardea_model::operation::{NewVersion, SecretAct, SecretQuery, VersionRef};
use cardea_model::secret::{STAGE_CURRENT, SecretReport, SecretValue};
use cardea_model::{Action, Body, Cause, SecretOp};
use serde_json::json;

#[tokio::test]
async fn a_write_replaces_and_a_delete_is_for_good() {
    let bench = Bench::version1();
    assert_eq!(bench.call("GET", "a/b", "").await.status, 404);
    let made = bench.call("POST", "a/b", r#"{"user":"alice","rate":1.10,"path":"mine"}"#).await;
    assert_eq!((made.status, made.action), (204, Some(Action::Create)));
    assert_eq!(bench.call("GET", "a/b", "").await.text, r#"{"user":"alice","rate":1.10,"path":"mine"}"#);
    let replaced = bench.call("PUT", "a/b", r#"{"user":"bob"}"#).await;
    assert_eq!((replaced.status, replaced.action), (204, Some(Action::Update)));
    assert_eq!(bench.call("GET", "a/b", "").await.data(), &json!({ "user": "bob" }));
    assert_eq!(bench.stored("payload").len(), 1, "what was replaced is gone");
    assert_eq!(bench.call("LIST", "", "").await.data(), &json!({ "keys": ["a/"] }));
    assert_eq!(bench.call("LIST", "a/", "").await.data(), &json!({ "keys": ["b"] }));
    assert_eq!(bench.call("DELETE", "a/b", "").await.status, 204);
    assert_eq!(bench.call("DELETE", "a/b", "").await.status, 204);
    assert_eq!(bench.call("GET", "a/b", "").await.status, 404);
    assert_eq!(bench.call("LIST", "", "").await.status, 404);
    assert!(bench.stored("payload").is_empty() && bench.stored("secret").is_empty());
}

#[tokio::test]
async fn bad_requests_are_told() {
    let bench = Bench::version1();
    for (method, target, body, status, words) in [
        ("POST", "a", "{}", 400, "missing data fields"),
        ("POST", "a", "", 400, "missing data fields"),
        ("POST", "a/", r#"{"k":1}"#, 400, "path ends in a slash: only lists have such paths"),
        ("PATCH", "a", r#"{"k":1}"#, 405, "unsupported operation"),
        ("GET", "", "", 405, "unsupported operation"),
        ("POST", "a", r#"{"k":1,"k":2}"#, 400, "request body has a duplicate member"),
    ] {
        let reply = bench.call(method, target, body).await;
        assert_eq!((reply.status, reply.error()), (status, words), "{method} {target} {body}");
    }
    let big = format!(r#"{{"k":"{}"}}"#, "x".repeat(cardea_model::limit::PAYLOAD_BYTES_MAX));
    assert_eq!(bench.call("POST", "a", &big).await.status, 413);
}

/// The mount's default is 60 seconds here.
#[tokio::test]
async fn a_value_says_how_long_it_may_be_used() {
    let bench = Bench::version1();
    for (body, fresh_s) in [
        (r#"{"k":"v"}"#, 60),
        (r#"{"ttl":"1h"}"#, 3600),
        (r#"{"ttl":"90"}"#, 90),
        (r#"{"ttl":90}"#, 90),
        (r#"{"lease":"2m","k":"v"}"#, 120),
        (r#"{"ttl":"30s","lease":"2m"}"#, 30),
        (r#"{"ttl":"soon"}"#, 60),
        (r#"{"ttl":true}"#, 60),
        (r#"{"ttl":{"a":1}}"#, 60),
        (r#"{"ttl":-5}"#, 60),
        (r#"{"ttl":null}"#, 60),
        (r#"{"inner":{"ttl":"1h"}}"#, 60),
    ] {
        bench.call("POST", "a", body).await;
        let read = bench.call("GET", "a", "").await;
        assert_eq!((read.text.as_str(), read.fresh_s), (body, Some(fresh_s)), "{body}");
    }
}

#[tokio::test]
async fn other_dialects_read_what_it_keeps_and_are_refused_the_rest() {
    let mut bench = Bench::version1();
    bench.call("POST", "a", r#"{"user":"alice"}"#).await;
    let current = || VersionRef::Stage(STAGE_CURRENT.to_owned());
    let (bound, _) = bench.shared(SecretOp::Read { path: path("a"), version: current() }).await.unwrap();
    assert_eq!((bound.facts.name, bound.path.as_str()), ("read", "a"));
    let read = answer(&bench, SecretOp::Read { path: path("a"), version: current() }).await;
    assert_eq!(read.payload.unwrap().text(), r#"{"user":"alice"}"#);
    one(&bench, "a", SecretAct::Describe).await.unwrap();
    let value = SecretValue::of_text("x").unwrap();
    let put = SecretAct::Put(NewVersion { value, version_id: "t".repeat(32), stages: vec!["AWSPENDING".to_owned()] });
    assert_eq!(one(&bench, "a", put).await.err().unwrap().cause, Cause::Invalid);
    assert_eq!(one(&bench, "a", SecretAct::Delete { recovery_s: Some(9) }).await.err().unwrap().cause, Cause::Invalid);
    assert_eq!(create(&bench, "new", Some("x"), "b").await.err().unwrap().cause, Cause::Invalid);
    let listed = async |bench: &Bench| {
        let query = SecretQuery { limit: 10, ..SecretQuery::default() };
        match bench.shared(SecretOp::List(query)).await.unwrap().1 {
            Body::Secrets(report) => match *report {
                SecretReport::Page(page) => page.secrets.len(),
                _ => panic!("a list is a page"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(listed(&bench).await, 1);
    bench.deny("secret/a");
    assert_eq!(listed(&bench).await, 0, "judged by the name that version 1 has for it");
}

#[tokio::test]
async fn a_mount_that_is_raised_keeps_its_values_as_first_versions() {
    let mut bench = Bench::version1();
    bench.call("POST", "a/b", r#"{"user":"alice"}"#).await;
    bench.call("POST", "a/b", r#"{"user":"bob"}"#).await;
    bench.raise();
    let read = bench.call("GET", "data/a/b", "").await;
    assert_eq!(read.data()["data"], json!({ "user": "bob" }));
    let number = read.data()["metadata"]["version"].as_u64().unwrap();
    let body = format!(r#"{{"options":{{"cas":{number}}},"data":{{"user":"carol"}}}}"#);
    assert_eq!(bench.call("POST", "data/a/b", &body).await.data()["version"], number + 1);
    assert_eq!(
        bench.call("GET", &format!("data/a/b?version={number}"), "").await.data()["data"],
        json!({ "user": "bob" })
    );
    let metadata = bench.call("GET", "metadata/a/b", "").await;
    assert_eq!(metadata.data()["versions"].as_object().unwrap().len(), 2);
    assert_eq!(bench.call("LIST", "metadata/", "").await.data(), &json!({ "keys": ["a/"] }));
}

/// The words that Vault's users search for.
#[tokio::test]
async fn paths_of_version_1_get_a_hint_on_a_mount_of_version_2() {
    let bench = Bench::new();
    for (method, target, words) in [
        ("GET", "app", "use 'vault kv get'"),
        ("POST", "app", "use 'vault kv put'"),
        ("PATCH", "app/x", "use 'vault kv patch'"),
        ("DELETE", "app", "use 'vault kv delete'"),
        ("LIST", "", "use 'vault kv list'"),
        ("LIST", "app/", "use 'vault kv list'"),
        ("GET", "data", "Non-listing operations on the root"),
        ("GET", "", "Invalid path for a versioned K/V secrets engine"),
    ] {
        let reply = bench.call(method, target, if method == "GET" { "" } else { r#"{"k":"v"}"# }).await;
        assert_eq!((reply.status, reply.error()), (404, ""), "{method} {target}");
        assert!(reply.body["warnings"][0].as_str().unwrap().contains(words), "{method} {target}: {}", reply.body);
    }
    // A path of version 2 under a verb that it lacks is not a stray one.
    let reply = bench.call("GET", "destroy/app", "").await;
    assert_eq!((reply.status, reply.body["warnings"].is_null()), (405, true));
}
