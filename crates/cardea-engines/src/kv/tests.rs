//! Tables of the rules that clients rely on. They must drive the engine through its routes, so that what they say is
//! what a client sees.

mod doors;
mod harness;
mod policy;
mod rotation;
mod sequences;
mod regions;
mod shared;
mod transcripts;
mod trees;
mod version1;

use crate::kv::Kv;
use crate::kv::ops::PAYLOADS_REMOVED_MAX;
use cardea_model::limit::PAYLOAD_BYTES_MAX;
use cardea_model::operation::VersionRef;
use cardea_model::secret::SecretAnswer;
use cardea_model::{Action, Body, CanonicalPath, Cause, Method, Payload, SecretOp};
use cardea_sdk::{Access, Engine};
use harness::Bench;
use serde_json::{Value, json};

fn path(text: &str) -> CanonicalPath {
    CanonicalPath::parse(text).unwrap()
}

fn write(name: &str, payload: &str, check_version: Option<u64>) -> SecretOp {
    SecretOp::Write { path: path(name), payload: Payload::parse(payload.to_owned()).unwrap(), check_version }
}

async fn answer(bench: &Bench, op: SecretOp) -> SecretAnswer {
    match bench.shared(op).await.unwrap().1 {
        Body::Secret(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_route_table_is_whole() {
    let routes = Kv.routes();
    for (at, route) in routes.iter().enumerate() {
        let facts = &route.facts;
        assert!(facts.help.ends_with('.') && facts.help.len() > 20, "{} needs a help", facts.name);
        assert_eq!(facts.access, Access::Policy, "{}", facts.name);
        assert!(facts.recorded, "{}", facts.name);
        let writes = matches!(facts.method, Method::Write | Method::Patch);
        assert_eq!(writes, !facts.example.is_empty(), "{}: writes have an example, others none", facts.name);
        assert!(facts.example.is_empty() || serde_json::from_str::<Value>(facts.example).is_ok(), "{}", facts.name);
        for secret in ["data", "options", "custom_metadata", "subkeys", "metadata"] {
            assert!(
                !facts.clear.contains(&secret) && !facts.clear_answer.contains(&secret),
                "{} logs {secret}",
                facts.name
            );
        }
        for other in &routes[at + 1..] {
            assert_ne!(facts.name, other.facts.name);
            assert!(
                (facts.method, facts.pattern) != (other.facts.method, other.facts.pattern),
                "{} hides {}",
                facts.name,
                other.facts.name
            );
            let first = |pattern: &'static str| pattern.split('/').next();
            let beside = first(facts.pattern) != first(other.facts.pattern) || facts.method != other.facts.method;
            assert!(beside, "{} and {} overlap", facts.name, other.facts.name);
        }
    }
}

#[tokio::test]
async fn examples_in_the_table_work() {
    for route in Kv.routes().iter().filter(|route| !route.facts.example.is_empty()) {
        let bench = Bench::new();
        bench.call("POST", "data/app", r#"{"data":{"a":1}}"#).await;
        if route.facts.name.starts_with("rotat") {
            bench.call("POST", "data/app", r#"{"data":{"a":2}}"#).await;
            let strategy = if route.facts.name == "rotation-revoke" { "new-key" } else { "single-user" };
            let settings = format!(r#"{{"rotator":"database/orders","username":"app","strategy":"{strategy}"}}"#);
            bench.call("POST", "rotation/app", &settings).await;
        }
        if route.facts.name == "rotation-cancel" {
            bench.call("POST", "rotate/app", "{}").await;
        }
        let name = if route.facts.example.contains("cas\": 0") { "fresh" } else { "app" };
        let method = if route.facts.method == Method::Patch { "PATCH" } else { "POST" };
        let reply = bench.call(method, &route.facts.pattern.replace("{path..}", name), route.facts.example).await;
        assert!(reply.status < 300 && reply.route == route.facts.name, "{}: {reply:?}", route.facts.name);
    }
}

#[tokio::test]
async fn actions_follow_what_exists() {
    let bench = Bench::new();
    for (method, target, body, action) in [
        ("POST", "data/a", r#"{"data":{}}"#, Action::Create),
        ("POST", "data/a", r#"{"data":{}}"#, Action::Update),
        ("POST", "metadata/b", "{}", Action::Create),
        ("POST", "metadata/b", "{}", Action::Update),
        ("POST", "data/b", r#"{"data":{}}"#, Action::Update),
        ("PATCH", "data/a", r#"{"data":{}}"#, Action::Patch),
        ("PATCH", "metadata/a", "{}", Action::Patch),
        ("POST", "delete/a", r#"{"versions":[1]}"#, Action::Update),
        ("POST", "undelete/a", r#"{"versions":[1]}"#, Action::Update),
        ("POST", "destroy/a", r#"{"versions":[1]}"#, Action::Update),
        ("GET", "subkeys/a", "", Action::Read),
        ("GET", "config", "", Action::Read),
        ("POST", "config", "{}", Action::Update),
        ("DELETE", "data/a", "", Action::Delete),
        ("DELETE", "metadata/a", "", Action::Delete),
    ] {
        assert_eq!(bench.call(method, target, body).await.action, Some(action), "{method} {target}");
    }
}

#[tokio::test]
async fn payloads_come_back_token_for_token() {
    let bench = Bench::new();
    let text = r#"{ "n": 1.10, "big": 123456789012345678901234567890, "s": "\u0041\/", "d":[ ], "n2":1E5 }"#;
    bench.call("POST", "data/a", &format!(r#"{{"data":{text}}}"#)).await;
    let reply = bench.call("GET", "data/a", "").await;
    assert!(reply.text.starts_with(&format!(r#"{{"data":{text},"metadata":{{"#)), "{}", reply.text);
}

#[tokio::test]
async fn wrong_requests_say_which_field_and_no_value() {
    let bench = Bench::new();
    let slash = "path ends in a slash: only lists have such paths";
    let mismatch = "check-and-set parameter did not match the current version";
    for (method, target, body, status, error) in [
        ("POST", "data/a", r#"{"data":null}"#, 400, "no data provided"),
        ("POST", "data/a", "", 400, "no data provided"),
        ("POST", "data/a", r#"{"data":[1]}"#, 400, "field `data` is not an object"),
        ("POST", "data/a", r#"{"data":{},"options":{"cas":"x"}}"#, 400, "field `options` has the wrong type or form"),
        ("POST", "data/a", r#"{"data":{},"options":{"cas":-1}}"#, 400, "field `cas` is negative"),
        ("POST", "data/a", r#"{"data":{},"options":{"cas":"7"}}"#, 400, mismatch),
        ("POST", "data/a/", r#"{"data":{}}"#, 400, slash),
        ("POST", "metadata/a/", "{}", 400, slash),
        ("GET", "data/a/", "", 400, slash),
        ("DELETE", "data/a/", "", 400, slash),
        ("DELETE", "metadata/a/", "", 400, slash),
        ("GET", "data/a?version=-1", "", 400, "field `version` is negative"),
        ("GET", "subkeys/a?depth=-1", "", 400, "field `depth` is negative"),
        ("POST", "delete/a", r#"{"versions":[]}"#, 400, "no version number provided"),
        ("POST", "delete/a", r#"{"versions":["x"]}"#, 400, "field `versions` has the wrong type or form"),
        ("POST", "delete/a", r#"{"versions":[-1]}"#, 400, "field `versions` has a negative number"),
        (
            "POST",
            "config",
            r#"{"delete_version_after":"soon"}"#,
            400,
            "field `delete_version_after` has the wrong type or form",
        ),
        (
            "POST",
            "config",
            r#"{"max_versions":501}"#,
            400,
            "field `max_versions` is too large: at most 500 versions are kept",
        ),
        (
            "POST",
            "metadata/a",
            r#"{"delete_version_after":"-1s"}"#,
            400,
            "field `delete_version_after` has the wrong type or form",
        ),
        (
            "POST",
            "metadata/a",
            r#"{"custom_metadata":{"a":{}}}"#,
            400,
            "field `custom_metadata` has the wrong type or form",
        ),
        (
            "POST",
            "metadata/a",
            r#"{"custom_metadata":{"":"x"}}"#,
            400,
            "a key of custom_metadata is empty, unprintable or over 128 bytes",
        ),
        ("GET", "data", "", 404, ""),
        ("GET", "metadata", "", 405, "unsupported operation"),
    ] {
        let reply = bench.call(method, target, body).await;
        assert_eq!((reply.status, reply.error()), (status, error), "{method} {target} {body}");
    }
    assert!(bench.stored("secret").is_empty(), "a refused request leaves nothing");
}

#[tokio::test]
async fn versions_may_be_named_in_every_spelling() {
    for spelling in ["[1,2]", r#"["1","2"]"#, r#""1, 2""#, "[2,1,2,1]"] {
        let bench = Bench::new();
        for _ in 0..3 {
            bench.call("POST", "data/a", r#"{"data":{}}"#).await;
        }
        assert_eq!(bench.call("POST", "delete/a", &format!(r#"{{"versions":{spelling}}}"#)).await.status, 204);
        for (version, status) in [(1, 404), (2, 404), (3, 200)] {
            assert_eq!(bench.call("GET", &format!("data/a?version={version}"), "").await.status, status, "{spelling}");
        }
    }
    let bench = Bench::new();
    bench.call("POST", "data/a", r#"{"data":{}}"#).await;
    bench.call("POST", "destroy/a", r#"{"versions":1}"#).await;
    assert_eq!(bench.call("GET", "data/a", "").await.data()["metadata"]["destroyed"], true);
}

#[tokio::test]
async fn check_and_set_is_asked_by_mount_or_secret() {
    for (mount, secret, cas, ok) in [
        (false, false, None, true),
        (true, false, None, false),
        (false, true, None, false),
        (true, true, None, false),
        (true, true, Some(0), true),
        (false, false, Some(0), true),
        (false, false, Some(1), false),
    ] {
        let bench = Bench::new();
        bench.call("POST", "metadata/a", &format!(r#"{{"cas_required":{secret}}}"#)).await;
        bench.call("POST", "config", &format!(r#"{{"cas_required":{mount}}}"#)).await;
        let options = cas.map(|cas| format!(r#""options":{{"cas":{cas}}},"#)).unwrap_or_default();
        let reply = bench.call("POST", "data/a", &format!(r#"{{{options}"data":{{}}}}"#)).await;
        assert_eq!(reply.status == 200, ok, "{mount} {secret} {cas:?}: {reply:?}");
    }
}

#[tokio::test]
async fn the_smaller_age_deletes_at_the_time_of_writing() {
    for (mount, secret, lives_s) in [
        ("0s", "0s", None),
        ("10s", "0s", Some(10)),
        ("0s", "20s", Some(20)),
        ("10s", "20s", Some(10)),
        ("20s", "10s", Some(10)),
        ("-1s", "10s", None),
        ("-5", "0", None),
    ] {
        let bench = Bench::new();
        bench.call("POST", "config", &format!(r#"{{"delete_version_after":"{mount}"}}"#)).await;
        bench.call("POST", "metadata/a", &format!(r#"{{"delete_version_after":"{secret}"}}"#)).await;
        let reply = bench.call("POST", "data/a", r#"{"data":{"x":1}}"#).await;
        let expected = lives_s.map(|s| bench.now().plus_ms(s * 1000).rfc3339()).unwrap_or_default();
        assert_eq!(reply.data()["deletion_time"], expected, "{mount} {secret}");
        // Later changes of the settings do not move it.
        bench.call("POST", "config", r#"{"delete_version_after":"1s"}"#).await;
        bench.advance_s(lives_s.unwrap_or(1_000_000) - 1);
        assert_eq!(bench.call("GET", "data/a", "").await.status, 200, "{mount} {secret}");
        bench.advance_s(1);
        let gone = bench.call("GET", "data/a", "").await;
        assert_eq!(gone.status, if lives_s.is_some() { 404 } else { 200 }, "{mount} {secret}");
        // What its age deleted can be brought back, for good.
        bench.call("POST", "undelete/a", r#"{"versions":[1]}"#).await;
        let back = bench.call("GET", "data/a", "").await;
        assert_eq!((back.status, &back.data()["metadata"]["deletion_time"]), (200, &json!("")));
    }
}

#[tokio::test]
async fn the_larger_number_of_versions_is_kept() {
    for (mount, secret, kept) in [(0, 0, 10), (3, 0, 3), (0, 4, 4), (3, 5, 5), (5, 3, 5), (12, 0, 12)] {
        let bench = Bench::new();
        bench.call("POST", "config", &format!(r#"{{"max_versions":{mount}}}"#)).await;
        bench.call("POST", "metadata/a", &format!(r#"{{"max_versions":{secret}}}"#)).await;
        for _ in 0..15 {
            bench.call("POST", "data/a", r#"{"data":{}}"#).await;
        }
        let reply = bench.call("GET", "metadata/a", "").await;
        let versions = reply.data()["versions"].as_object().unwrap();
        assert_eq!(versions.len() as u64, kept, "{mount} {secret}");
        assert_eq!(versions.keys().next().unwrap().as_str(), (16 - kept).to_string());
        assert_eq!(reply.data()["oldest_version"], 16 - kept);
        assert_eq!(reply.data()["max_versions"], secret);
        assert_eq!(bench.stored("payload").len() as u64, kept);
        assert_eq!(bench.call("GET", &format!("data/a?version={}", 15 - kept), "").await.status, 404);
    }
}

#[tokio::test]
async fn what_exceeds_a_commit_is_purged_by_later_writes() {
    let bench = Bench::new();
    bench.call("POST", "config", r#"{"max_versions":150}"#).await;
    for _ in 0..150 {
        bench.call("POST", "data/big", r#"{"data":{}}"#).await;
    }
    assert_eq!(bench.stored("payload").len(), 150);
    // Fewer versions are to be kept: all go at once for readers, and in parts for the store.
    bench.call("POST", "config", r#"{"max_versions":100}"#).await;
    bench.call("POST", "data/big", r#"{"data":{}}"#).await;
    assert_eq!(bench.call("GET", "data/big?version=51", "").await.status, 404);
    assert_eq!(bench.call("GET", "data/big?version=52", "").await.status, 200);
    assert!(bench.stored("payload").len() <= 151 - 32);
    // Destroying many at once is refused as a whole.
    let many: Vec<usize> = (52..=52 + PAYLOADS_REMOVED_MAX).collect();
    assert_eq!(bench.call("POST", "destroy/big", &format!(r#"{{"versions":{many:?}}}"#)).await.status, 413);
    assert_eq!(bench.call("GET", "data/big?version=52", "").await.status, 200);
    let fewer = format!(r#"{{"versions":{:?}}}"#, &many[1..]);
    assert_eq!(bench.call("POST", "destroy/big", &fewer).await.status, 204);
    assert_eq!(bench.call("GET", "data/big?version=53", "").await.status, 404);

    bench.call("DELETE", "metadata/big", "").await;
    assert_eq!(bench.call("GET", "data/big?version=152", "").await.status, 404);
    assert_eq!(bench.call("LIST", "metadata/", "").await.status, 404);
    let (left, purges) = (bench.stored("payload").len(), bench.stored("purge"));
    assert!(left > 0 && purges.len() == 1, "{left} {purges:?}");
    for at in 0..8 {
        bench.call("POST", &format!("data/small{at}"), r#"{"data":{}}"#).await;
    }
    assert_eq!((bench.stored("payload").len(), bench.stored("purge").len()), (8, 0));
}

#[tokio::test]
async fn the_largest_payload_fits_beside_the_largest_pointer() {
    let mut bench = Bench::new();
    bench.caller_is("é".repeat(200));
    let data = |bytes: usize| format!(r#"{{"data":{{"x":"{}"}}}}"#, "x".repeat(bytes - r#"{"x":""}"#.len()));
    bench.call("POST", "config", r#"{"max_versions":500}"#).await;
    let pairs: Vec<String> = (0..64).map(|at| format!(r#""{at:0>128}":"{}""#, "v".repeat(512))).collect();
    let body = format!(r#"{{"custom_metadata":{{{}}}}}"#, pairs.join(","));
    assert_eq!(bench.call("POST", "metadata/a", &body).await.status, 204);
    for _ in 0..500 {
        bench.call("POST", "data/a", r#"{"data":{}}"#).await;
    }
    assert_eq!(bench.call("POST", "data/a", &data(PAYLOAD_BYTES_MAX)).await.status, 200);
    assert_eq!(bench.call("POST", "data/a", &data(PAYLOAD_BYTES_MAX + 1)).await.status, 413);
    let patch = format!(r#"{{"data":{{"y":"{}"}}}}"#, "y".repeat(100));
    assert_eq!(bench.call("PATCH", "data/a", &patch).await.status, 413);
}

#[tokio::test]
async fn metadata_has_bounds() {
    let bench = Bench::new();
    let pairs = |count: usize, key: usize, value: usize| {
        let pairs: Vec<String> = (0..count).map(|at| format!(r#""{at:0>key$}":"{}""#, "v".repeat(value))).collect();
        format!(r#"{{"custom_metadata":{{{}}}}}"#, pairs.join(","))
    };
    for (count, key, value, status) in
        [(64, 128, 512, 204), (65, 2, 1, 400), (1, 129, 1, 400), (1, 1, 513, 400), (1, 1, 0, 204), (0, 1, 1, 204)]
    {
        assert_eq!(
            bench.call("POST", "metadata/a", &pairs(count, key, value)).await.status,
            status,
            "{count} {key} {value}"
        );
    }
    // A patch is judged by what it leads to.
    bench.call("POST", "metadata/a", &pairs(64, 2, 1)).await;
    assert_eq!(bench.call("PATCH", "metadata/a", r#"{"custom_metadata":{"new":"x"}}"#).await.status, 400);
    assert_eq!(bench.call("PATCH", "metadata/a", r#"{"custom_metadata":{"new":"x","00":null}}"#).await.status, 204);
}

#[tokio::test]
async fn metadata_changes_only_what_is_named() {
    let start =
        r#"{"max_versions":3,"cas_required":true,"delete_version_after":"1m","custom_metadata":{"a":"1","b":"2"}}"#;
    for (method, body, max_versions, cas_required, after, metadata) in [
        ("POST", "{}", 3, true, "1m0s", json!({"a":"1","b":"2"})),
        ("POST", r#"{"max_versions":0,"delete_version_after":0}"#, 0, true, "0s", json!({"a":"1","b":"2"})),
        ("POST", r#"{"cas_required":"false","custom_metadata":{"c":3}}"#, 3, false, "1m0s", json!({"c":"3"})),
        ("POST", r#"{"custom_metadata":{}}"#, 3, true, "1m0s", Value::Null),
        ("PATCH", "{}", 3, true, "1m0s", json!({"a":"1","b":"2"})),
        ("PATCH", r#"{"max_versions":7}"#, 7, true, "1m0s", json!({"a":"1","b":"2"})),
        (
            "PATCH",
            r#"{"max_versions":null,"cas_required":null,"delete_version_after":null}"#,
            0,
            false,
            "0s",
            json!({"a":"1","b":"2"}),
        ),
        ("PATCH", r#"{"custom_metadata":{"a":null,"c":"3"}}"#, 3, true, "1m0s", json!({"b":"2","c":"3"})),
        ("PATCH", r#"{"custom_metadata":null}"#, 3, true, "1m0s", Value::Null),
    ] {
        let bench = Bench::new();
        bench.call("POST", "metadata/x", start).await;
        bench.advance_s(60);
        assert_eq!(bench.call(method, "metadata/x", body).await.status, 204, "{method} {body}");
        let reply = bench.call("GET", "metadata/x", "").await;
        let data = reply.data();
        assert_eq!(data["max_versions"], max_versions, "{method} {body}");
        assert_eq!(data["cas_required"], cas_required, "{method} {body}");
        assert_eq!(data["delete_version_after"], after, "{method} {body}");
        assert_eq!(data["custom_metadata"], metadata, "{method} {body}");
        assert_ne!(data["created_time"], data["updated_time"]);
    }
}

#[tokio::test]
async fn other_dialects_share_the_secret() {
    let bench = Bench::new();
    let written = answer(&bench, write("app/db", r#"{"n":1}"#, None)).await;
    assert_eq!((written.version.number, written.payload.is_none()), (1, true));
    assert_eq!(written.stages, ["AWSCURRENT"]);
    assert_eq!(written.version.creator, "alice");
    bench.call("POST", "data/app/db", r#"{"data":{"n":2}}"#).await;
    let third = answer(&bench, write("app/db", r#"{"n":3}"#, Some(2))).await;
    assert_eq!(third.secret_id, written.secret_id);

    let read = |version| SecretOp::Read { path: path("app/db"), version };
    for (version, number) in [
        (VersionRef::Current, 3),
        (VersionRef::Number(1), 1),
        (VersionRef::Stage("AWSCURRENT".to_owned()), 3),
        (VersionRef::Stage("AWSPREVIOUS".to_owned()), 2),
        (VersionRef::Id(written.version.id.clone()), 1),
    ] {
        let (bound, body) = bench.shared(read(version)).await.unwrap();
        assert_eq!((bound.path.as_str(), bound.facts.name), ("data/app/db", "data-read"));
        let Body::Secret(answer) = body else { panic!() };
        assert_eq!(answer.payload.unwrap().text(), format!(r#"{{"n":{number}}}"#));
    }
    for missing in [VersionRef::Number(9), VersionRef::Stage("x".to_owned()), VersionRef::Id("x".to_owned())] {
        assert_eq!(bench.shared(read(missing)).await.err().map(|e| e.cause), Some(Cause::NotFound));
    }
    let stale = bench.shared(write("app/db", r#"{"n":4}"#, Some(1))).await.err().unwrap();
    assert_eq!(stale.cause, Cause::Conflict);

    bench.call("DELETE", "data/app/db", "").await;
    let gone = answer(&bench, read(VersionRef::Current)).await;
    assert!(gone.payload.is_none());
}

#[tokio::test]
async fn a_text_of_another_dialect_reads_as_an_object() {
    let bench = Bench::new();
    answer(&bench, write("t", r#""hunter2 \u0041""#, None)).await;
    let reply = bench.call("GET", "data/t", "").await;
    assert!(reply.text.starts_with(r#"{"data":{"value":"hunter2 \u0041"},"metadata""#), "{}", reply.text);
    assert_eq!(bench.call("PATCH", "data/t", r#"{"data":{"a":1}}"#).await.status, 400);
    assert_eq!(bench.call("GET", "subkeys/t", "").await.status, 400);
    let number = bench.shared(write("t", "7", None)).await.err().unwrap();
    assert_eq!(number.cause, Cause::Invalid);
    let folder = bench.shared(write("t/", "{}", None)).await.err().unwrap();
    assert_eq!(folder.cause, Cause::Invalid);
}

#[tokio::test]
async fn a_lost_payload_is_our_fault_and_not_an_empty_secret() {
    let bench = Bench::new();
    bench.call("POST", "data/a", r#"{"data":{"x":1}}"#).await;
    bench.lose("payload", &bench.stored("payload")[0]);
    assert_eq!(bench.call("GET", "data/a", "").await.status, 500);
}

#[tokio::test]
async fn a_path_that_is_written_again_is_another_secret() {
    let bench = Bench::new();
    let first = answer(&bench, write("a", "{}", None)).await;
    bench.call("DELETE", "metadata/a", "").await;
    let second = answer(&bench, write("a", "{}", Some(0))).await;
    assert_ne!(first.secret_id, second.secret_id);
    assert_eq!(second.version.number, 1);
    assert_eq!(bench.stored("payload"), [format!("{}/00000000000000000001", second.secret_id)]);
}

#[tokio::test]
async fn lists_are_paged_and_folders_stand_once() {
    let bench = Bench::new();
    for name in ["a", "b/1", "b/2", "b/c/3", "c", "d-x", "d/y"] {
        bench.call("POST", &format!("data/{name}"), r#"{"data":{}}"#).await;
    }
    for (target, keys) in [
        ("metadata/", json!(["a", "b/", "c", "d-x", "d/"])),
        ("metadata/?limit=2", json!(["a", "b/"])),
        ("metadata/?after=b/&limit=2", json!(["c", "d-x"])),
        ("metadata/?after=b/&limit=-1", json!(["c", "d-x", "d/"])),
        ("metadata/b", json!(["1", "2", "c/"])),
        ("metadata/b/?after=1", json!(["2", "c/"])),
        ("metadata/b/c/", json!(["3"])),
    ] {
        assert_eq!(bench.call("LIST", target, "").await.data()["keys"], keys, "{target}");
    }
    assert_eq!(bench.call("LIST", "metadata/nothing/", "").await.status, 404);
}
