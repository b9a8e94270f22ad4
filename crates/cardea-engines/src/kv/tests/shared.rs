//! What dialects with stage labels and recovery windows ask, and what a client of Vault's sees of it meanwhile.

use super::harness::Bench;
use super::path;
use cardea_model::operation::{
    FilterField, FilterText, ManySecrets, NewSecret, NewVersion, PasswordWish, Replicas, SecretAct, SecretFilter,
    SecretOrder, SecretQuery, SecretRef, SecretUpdate, VersionRef,
};
use cardea_model::secret::{
    STAGE_CURRENT, STAGE_PENDING, STAGE_PREVIOUS, SecretAnswer, SecretBatch, SecretCursor, SecretFacts, SecretFault,
    SecretPage, SecretReport, SecretValue, VersionState, name_of_path, path_of_name, short_id,
};
use cardea_model::{Body, Cause, Error, SecretOp};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn text(value: &str) -> SecretValue {
    SecretValue::of_text(value).unwrap()
}

pub fn at(name: &str) -> SecretRef {
    SecretRef { path: path(name), short_id: None, region: None }
}

/// A token of the length that clients send.
pub fn token(word: &str) -> String {
    format!("{word:-<32}")
}

pub async fn one(bench: &Bench, name: &str, act: SecretAct) -> Result<Box<SecretFacts>, Error> {
    match bench.shared(SecretOp::One { secret: at(name), act }).await?.1 {
        Body::Secrets(report) => match *report {
            SecretReport::Facts(facts) => Ok(facts),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub async fn create(bench: &Bench, name: &str, value: Option<&str>, word: &str) -> Result<Box<SecretFacts>, Error> {
    let new = NewSecret {
        value: value.map(text),
        version_id: token(word),
        description: format!("about {name}"),
        key_id: None,
        tags: BTreeMap::from([("team".to_owned(), name.to_owned())]),
        replicas: Replicas::default(),
    };
    one(bench, name, SecretAct::Create(new)).await
}

async fn put(bench: &Bench, name: &str, value: &str, word: &str, stages: &[&str]) -> Result<Box<SecretFacts>, Error> {
    let stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
    one(bench, name, SecretAct::Put(NewVersion { value: text(value), version_id: token(word), stages })).await
}

pub async fn move_stage(
    bench: &Bench,
    stage: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Box<SecretFacts>, Error> {
    let (from, to) = (from.map(token), to.map(token));
    one(bench, "s", SecretAct::MoveStage { stage: stage.to_owned(), from, to }).await
}

async fn read(bench: &Bench, name: &str, version: VersionRef) -> Result<SecretAnswer, Error> {
    match bench.shared(SecretOp::One { secret: at(name), act: SecretAct::Read { version } }).await?.1 {
        Body::Secret(answer) => Ok(*answer),
        other => panic!("{other:?}"),
    }
}

fn stage(label: &str) -> VersionRef {
    VersionRef::Stage(label.to_owned())
}

#[track_caller]
pub fn is_fault<T: std::fmt::Debug>(result: Result<T, Error>, fault: SecretFault) {
    assert_eq!(SecretFault::of(&result.unwrap_err()), Some(fault));
}

/// The labels of a secret with the words of the tokens that they point at.
fn labels(facts: &SecretFacts) -> String {
    let word = |number: &u64| facts.secret.version(*number).unwrap().id.trim_end_matches('-').to_owned();
    let labels = facts.secret.stages.iter().map(|(stage, number)| format!("{stage}={}", word(number)));
    labels.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn versions_are_staged_promoted_and_taken_back() {
    let bench = Bench::new();
    let made = create(&bench, "s", Some("one"), "a").await.unwrap();
    assert_eq!((labels(&made).as_str(), made.version), ("AWSCURRENT=a", Some(1)));
    let staged = put(&bench, "s", "two", "b", &[STAGE_PENDING]).await.unwrap();
    assert_eq!(labels(&staged), "AWSCURRENT=a AWSPENDING=b");
    // Who knows no stages sees the current version alone.
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"], json!({ "value": "one" }));
    assert_eq!(bench.call("GET", "data/s?version=2", "").await.status, 404);
    assert_eq!(bench.call("GET", "metadata/s", "").await.data()["current_version"], 1);
    assert_eq!(read(&bench, "s", stage(STAGE_PENDING)).await.unwrap().payload.unwrap().text(), "\"two\"");

    let promoted = move_stage(&bench, STAGE_CURRENT, Some("a"), Some("b")).await.unwrap();
    assert_eq!(labels(&promoted), "AWSCURRENT=b AWSPENDING=b AWSPREVIOUS=a");
    assert_eq!(bench.call("GET", "data/s", "").await.data()["metadata"]["version"], 2);
    let back = move_stage(&bench, STAGE_CURRENT, Some("b"), Some("a")).await.unwrap();
    assert_eq!(labels(&back), "AWSCURRENT=a AWSPENDING=b AWSPREVIOUS=b");
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"]["value"], "one");

    // A write through the other door goes on from the highest number and moves the labels.
    let written = bench.call("POST", "data/s", r#"{"options":{"cas":1},"data":{"k":"v"}}"#).await;
    assert_eq!(written.data()["version"], 3);
    assert_eq!(read(&bench, "s", stage(STAGE_PREVIOUS)).await.unwrap().version.number, 1);
    let current = read(&bench, "s", stage(STAGE_CURRENT)).await.unwrap();
    assert_eq!((current.version.number, current.payload.unwrap().text()), (3, r#"{"k":"v"}"#));
    let removed = move_stage(&bench, STAGE_PENDING, Some("b"), None).await.unwrap();
    assert_eq!(removed.secret.stages_of(2), Vec::<String>::new());
}

#[tokio::test]
async fn a_version_that_was_current_is_prepared_no_more() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "s", "two", "b", &[STAGE_PENDING]).await.unwrap();
    move_stage(&bench, STAGE_CURRENT, Some("a"), Some("b")).await.unwrap();
    let written = put(&bench, "s", "three", "c", &[]).await.unwrap();
    assert_eq!(labels(&written), "AWSCURRENT=c AWSPREVIOUS=b");
    // Who knows versions by number finds the one before, which served plain reads.
    assert_eq!(bench.call("GET", "data/s?version=2", "").await.data()["data"]["value"], "two");

    // What waits beside the current version goes on waiting, and the label of a newer one is its own.
    put(&bench, "s", "four", "d", &[STAGE_PENDING]).await.unwrap();
    let written = put(&bench, "s", "five", "e", &[]).await.unwrap();
    assert_eq!(labels(&written), "AWSCURRENT=e AWSPENDING=d AWSPREVIOUS=c");
    let written = put(&bench, "s", "six", "f", &[STAGE_CURRENT, STAGE_PENDING]).await.unwrap();
    assert_eq!(labels(&written), "AWSCURRENT=f AWSPENDING=f AWSPREVIOUS=e");
    assert_eq!(bench.call("POST", "data/s", r#"{"data":{"k":"v"}}"#).await.status, 200);
    let labels = read(&bench, "s", VersionRef::Id(token("f"))).await.unwrap().stages;
    assert_eq!(labels, [STAGE_PREVIOUS]);
}

#[tokio::test]
async fn labels_move_only_as_the_request_names_them() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "s", "two", "b", &["blue"]).await.unwrap();
    is_fault(move_stage(&bench, "blue", None, Some("a")).await, SecretFault::StageElsewhere);
    is_fault(move_stage(&bench, "blue", Some("a"), Some("b")).await, SecretFault::StageNotOnVersion);
    is_fault(move_stage(&bench, STAGE_CURRENT, Some("a"), None).await, SecretFault::CurrentStays);
    is_fault(move_stage(&bench, STAGE_CURRENT, None, Some("b")).await, SecretFault::StageElsewhere);
    is_fault(move_stage(&bench, "blue", None, Some("none")).await, SecretFault::NoVersion);
    assert_eq!(labels(&move_stage(&bench, "blue", Some("b"), Some("a")).await.unwrap()), "AWSCURRENT=a blue=a");
    assert_eq!(labels(&move_stage(&bench, "green", None, Some("b")).await.unwrap()), "AWSCURRENT=a blue=a green=b");
    let many: Vec<String> = (0..21).map(|n| format!("l{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    is_fault(put(&bench, "s", "x", "c", &many).await, SecretFault::TooManyStages);
    assert_eq!(put(&bench, "s", "x", "c", &many[..20]).await.unwrap().secret.stages.len(), 23);
    is_fault(
        put(
            &bench,
            "s",
            "x",
            "d",
            &[
                "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14", "m15",
                "m16", "m17",
            ],
        )
        .await,
        SecretFault::TooManyStages,
    );
}

#[tokio::test]
async fn a_repeated_token_changes_nothing_or_is_refused() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    assert_eq!(create(&bench, "s", Some("one"), "a").await.unwrap().version, Some(1));
    is_fault(create(&bench, "s", Some("other"), "a").await, SecretFault::Exists);
    is_fault(create(&bench, "s", Some("one"), "b").await, SecretFault::Exists);
    is_fault(create(&bench, "s", None, "a").await, SecretFault::Exists);
    assert_eq!(put(&bench, "s", "two", "b", &[]).await.unwrap().version, Some(2));
    let again = put(&bench, "s", "two", "b", &["late"]).await.unwrap();
    assert_eq!((again.version, labels(&again).as_str()), (Some(2), "AWSCURRENT=b AWSPREVIOUS=a"));
    is_fault(put(&bench, "s", "three", "b", &[]).await, SecretFault::TokenTaken);
    let update = |value: Option<&str>, word: &str| {
        let (description, key_id) = (Some("new words".to_owned()), Some("alias/k".to_owned()));
        SecretAct::Update(SecretUpdate { description, key_id, value: value.map(text), version_id: token(word) })
    };
    is_fault(one(&bench, "s", update(Some("three"), "b")).await, SecretFault::TokenTaken);
    let again = one(&bench, "s", update(Some("two"), "b")).await.unwrap();
    assert_eq!((again.version, labels(&again).as_str()), (Some(2), "AWSCURRENT=b AWSPREVIOUS=a"));
    let updated = one(&bench, "s", update(None, "b")).await.unwrap();
    assert_eq!((updated.version, updated.secret.description.as_str()), (None, "new words"));
    assert_eq!(one(&bench, "s", update(Some("three"), "c")).await.unwrap().version, Some(3));
    let answer = read(&bench, "s", VersionRef::Id(token("b"))).await.unwrap();
    assert_eq!((answer.version.number, answer.stages), (2, vec![STAGE_PREVIOUS.to_owned()]));
    let both = |id: &str, stage: &str| VersionRef::IdAt { id: token(id), stage: stage.to_owned() };
    assert_eq!(read(&bench, "s", both("b", STAGE_PREVIOUS)).await.unwrap().version.number, 2);
    is_fault(read(&bench, "s", both("b", STAGE_CURRENT)).await, SecretFault::StageNotOnVersion);
    is_fault(read(&bench, "s", VersionRef::Id(token("z"))).await, SecretFault::NoVersion);
    is_fault(read(&bench, "s", stage("none")).await, SecretFault::NoVersion);
    assert_eq!(read(&bench, "none", stage("none")).await.unwrap_err(), Error::not_found());
}

#[tokio::test]
async fn a_secret_without_a_value_is_there_and_reads_nothing() {
    let bench = Bench::new();
    let made = create(&bench, "s", None, "a").await.unwrap();
    assert_eq!((made.version, made.secret.versions.len()), (None, 0));
    is_fault(read(&bench, "s", stage(STAGE_CURRENT)).await, SecretFault::NoVersion);
    assert_eq!(bench.call("GET", "data/s", "").await.status, 404);
    let put = put(&bench, "s", "one", "a", &[STAGE_PENDING]).await.unwrap();
    assert_eq!(labels(&put), "AWSCURRENT=a AWSPENDING=a");
}

#[tokio::test]
async fn values_come_back_byte_for_byte_and_flat_maps_are_maps() {
    let bench = Bench::new();
    let table = [
        (r#"{"user":"u","password":"p\u00e9\/"}"#, json!({ "user": "u", "password": "pé/" })),
        (" {\n \"a\" : \"b\" } \n", json!({ "a": "b" })),
        ("{}", json!({})),
        (r#"{"port":5432}"#, json!({ "value": r#"{"port":5432}"# })),
        (r#"{"a":"1","a":"2"}"#, json!({ "value": r#"{"a":"1","a":"2"}"# })),
        (r#"{"a":{"b":"c"}}"#, json!({ "value": r#"{"a":{"b":"c"}}"# })),
        ("\"quoted\"", json!({ "value": "\"quoted\"" })),
        ("null", json!({ "value": "null" })),
        ("tab\t nul\0 \u{1f511}", json!({ "value": "tab\t nul\0 \u{1f511}" })),
    ];
    for (n, (value, seen)) in table.iter().enumerate() {
        let name = format!("v{n}");
        create(&bench, &name, Some(value), "a").await.unwrap();
        assert_eq!(bench.call("GET", &format!("data/{name}"), "").await.data()["data"], *seen, "{value}");
        let answer = read(&bench, &name, stage(STAGE_CURRENT)).await.unwrap();
        let payload = answer.payload.unwrap();
        let back = match answer.version.content {
            cardea_model::secret::ContentForm::Object => payload.text().to_owned(),
            _ => serde_json::from_str(payload.text()).unwrap(),
        };
        assert_eq!(back, *value);
    }
}

#[tokio::test]
async fn a_marked_secret_is_gone_for_readers_and_its_name_is_taken() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    let id = one(&bench, "s", SecretAct::Describe).await.unwrap().secret.id;
    let marked = one(&bench, "s", SecretAct::Delete { recovery_s: Some(7 * 86_400) }).await.unwrap();
    assert_eq!(marked.secret.deleted.unwrap().purge_at.seconds_from(bench.now()), 7 * 86_400);
    for (method, target, body) in [("GET", "data/s", ""), ("GET", "metadata/s", ""), ("GET", "subkeys/s", "")] {
        assert_eq!(bench.call(method, target, body).await.status, 404, "{target}");
    }
    let writes = [
        ("POST", "data/s", r#"{"data":{"a":"b"}}"#),
        ("POST", "metadata/s", r#"{"max_versions":3}"#),
        ("DELETE", "data/s", ""),
        ("POST", "destroy/s", r#"{"versions":[1]}"#),
    ];
    for (method, target, body) in writes {
        let reply = bench.call(method, target, body).await;
        assert_eq!((reply.status, reply.error().contains("marked for deletion")), (400, true), "{method} {target}");
    }
    is_fault(read(&bench, "s", stage(STAGE_CURRENT)).await, SecretFault::MarkedForDeletion);
    is_fault(create(&bench, "s", Some("two"), "b").await, SecretFault::MarkedForDeletion);
    is_fault(put(&bench, "s", "two", "b", &[]).await, SecretFault::MarkedForDeletion);
    is_fault(one(&bench, "s", SecretAct::Delete { recovery_s: Some(60) }).await, SecretFault::MarkedForDeletion);
    assert!(one(&bench, "s", SecretAct::Describe).await.unwrap().secret.deleted.is_some());

    assert!(one(&bench, "s", SecretAct::Restore).await.unwrap().secret.deleted.is_none());
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"]["value"], "one");
    assert_eq!(one(&bench, "s", SecretAct::Restore).await.unwrap().secret.id, id);
    assert!(bench.stored("doomed").is_empty());

    // The window ends: the name is free, what was there is removed, and no older secret is meant by it.
    one(&bench, "s", SecretAct::Delete { recovery_s: Some(60) }).await.unwrap();
    bench.advance_s(60);
    assert_eq!(one(&bench, "s", SecretAct::Describe).await.unwrap_err(), Error::not_found());
    assert_eq!(one(&bench, "s", SecretAct::Restore).await.unwrap_err(), Error::not_found());
    let reborn = create(&bench, "s", Some("new"), "a").await.unwrap();
    assert_ne!(reborn.secret.id, id);
    let old = SecretRef { short_id: Some(short_id(&id)), ..at("s") };
    let read_old = SecretOp::One { secret: old, act: SecretAct::Read { version: stage(STAGE_CURRENT) } };
    assert_eq!(bench.shared(read_old).await.err().unwrap(), Error::not_found());
    let by_id = SecretRef { short_id: Some(reborn.secret.short_id()), ..at("s") };
    bench.shared(SecretOp::One { secret: by_id, act: SecretAct::Describe }).await.unwrap();
    bench.call("POST", "data/other", r#"{"data":{}}"#).await;
    assert_eq!(bench.stored("payload").iter().filter(|name| name.starts_with(&id)).count(), 0);
    assert!(bench.stored("doomed").is_empty());
}

#[tokio::test]
async fn later_writes_remove_what_is_past_its_window() {
    let bench = Bench::new();
    for n in 0..3 {
        let name = format!("s{n}");
        create(&bench, &name, Some("one"), "a").await.unwrap();
        one(&bench, &name, SecretAct::Delete { recovery_s: Some(60 + n) }).await.unwrap();
    }
    bench.advance_s(61);
    for _ in 0..4 {
        bench.call("POST", "data/other", r#"{"data":{}}"#).await;
    }
    assert_eq!(bench.stored("secret"), ["other", "s2"]);
    assert_eq!(bench.stored("doomed").len(), 1);
    // At once, marked or not; and Vault's own removal does the same.
    one(&bench, "s2", SecretAct::Delete { recovery_s: None }).await.unwrap();
    assert_eq!(bench.stored("secret"), ["other"]);
    create(&bench, "s3", Some("one"), "a").await.unwrap();
    one(&bench, "s3", SecretAct::Delete { recovery_s: Some(60) }).await.unwrap();
    assert_eq!(bench.call("DELETE", "metadata/s3", "").await.status, 204);
    assert_eq!(bench.stored("secret"), ["other"]);
    assert!(bench.stored("doomed").is_empty());
    // What is not there has been removed already.
    let gone = one(&bench, "s3", SecretAct::Delete { recovery_s: None }).await.unwrap().secret;
    assert_eq!((gone.path.as_str(), gone.deleted.map(|deletion| deletion.purge_at)), ("s3", Some(bench.now())));
    let gone = one(&bench, "s3", SecretAct::Delete { recovery_s: Some(60) }).await.unwrap_err();
    assert_eq!(gone.cause, Cause::NotFound);
    assert_eq!(bench.stored("secret"), ["other"]);
}

#[tokio::test]
async fn labelled_versions_outlive_any_number_of_others() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "keep").await.unwrap();
    move_stage(&bench, "golden", None, Some("keep")).await.unwrap();
    for n in 0..130 {
        put(&bench, "s", "x", &format!("n{n}"), &[]).await.unwrap();
    }
    let facts = one(&bench, "s", SecretAct::Describe).await.unwrap();
    assert_eq!((facts.secret.versions.len(), facts.secret.oldest, facts.secret.current), (101, 1, 131));
    assert_eq!(read(&bench, "s", stage("golden")).await.unwrap().payload.unwrap().text(), "\"one\"");
    assert_eq!(bench.stored("payload").len(), 101);
    // A limit that the owner set holds for what has no label.
    bench.call("POST", "metadata/s", r#"{"max_versions":2}"#).await;
    for n in 0..4 {
        put(&bench, "s", "x", &format!("m{n}"), &[]).await.unwrap();
    }
    let facts = one(&bench, "s", SecretAct::Describe).await.unwrap();
    assert_eq!(labels(&facts), "AWSCURRENT=m3 AWSPREVIOUS=m2 golden=keep");
    assert_eq!(facts.secret.versions.len(), 3);
}

#[tokio::test]
async fn tags_are_the_metadata_that_other_dialects_show() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    let set = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    one(&bench, "s", SecretAct::Tag { set, remove: vec!["team".to_owned()] }).await.unwrap();
    assert_eq!(bench.call("GET", "metadata/s", "").await.data()["custom_metadata"], json!({ "env": "prod" }));
    let many = (0..65).map(|n| (format!("k{n}"), String::new())).collect();
    is_fault(one(&bench, "s", SecretAct::Tag { set: many, remove: Vec::new() }).await, SecretFault::TooManyTags);
}

pub async fn list(bench: &Bench, query: SecretQuery) -> Result<SecretPage, Error> {
    match bench.shared(SecretOp::List(query)).await?.1 {
        Body::Secrets(report) => match *report {
            SecretReport::Page(page) => Ok(page),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub fn all() -> SecretQuery {
    SecretQuery { limit: 100, ..SecretQuery::default() }
}

pub fn names(page: &SecretPage) -> Vec<&str> {
    page.secrets.iter().map(|secret| secret.path.as_str()).collect()
}

#[tokio::test]
async fn lists_have_conditions_orders_and_pages() {
    let bench = Bench::new();
    for name in ["b/x", "a", "c", "b/y"] {
        create(&bench, name, Some("v"), "a").await.unwrap();
        bench.advance_s(1);
    }
    one(&bench, "c", SecretAct::Delete { recovery_s: Some(600) }).await.unwrap();
    bench.advance_s(1);
    put(&bench, "a", "w", "b", &[]).await.unwrap();
    assert_eq!(names(&list(&bench, all()).await.unwrap()), ["a", "b/x", "b/y"]);
    let with_deleted = SecretQuery { with_deleted: true, ..all() };
    assert_eq!(names(&list(&bench, with_deleted).await.unwrap()), ["a", "b/x", "b/y", "c"]);
    let by = |order, descending| SecretQuery { order, descending, with_deleted: true, ..all() };
    let created = list(&bench, by(SecretOrder::Created, false)).await.unwrap();
    assert_eq!(names(&created), ["b/x", "a", "c", "b/y"]);
    let changed = list(&bench, by(SecretOrder::Changed, true)).await.unwrap();
    assert_eq!(names(&changed), ["a", "b/y", "c", "b/x"]);

    let filter = |field, texts: &[&str]| SecretFilter {
        field,
        any_of: texts
            .iter()
            .map(|text| match text.strip_prefix('!') {
                Some(text) => FilterText { text: text.to_owned(), negated: true },
                None => FilterText { text: (*text).to_owned(), negated: false },
            })
            .collect(),
        home: String::new(),
    };
    let table: &[(&[SecretFilter], &[&str])] = &[
        (&[filter(FilterField::Name, &["b/"])], &["b/x", "b/y"]),
        (&[filter(FilterField::Name, &["B/"])], &[]),
        (&[filter(FilterField::Name, &["!b/"])], &["a"]),
        (&[filter(FilterField::Name, &["a", "b/x"])], &["a", "b/x"]),
        (&[filter(FilterField::Name, &["b"]), filter(FilterField::TagValue, &["b/y"])], &["b/y"]),
        (&[filter(FilterField::TagKey, &["te"])], &["a", "b/x", "b/y"]),
        (&[filter(FilterField::Description, &["ABOUT B"])], &["b/x", "b/y"]),
        (&[filter(FilterField::Description, &["x"])], &["b/x"]),
        (&[filter(FilterField::Description, &["about"]), filter(FilterField::Description, &["y"])], &["b/y"]),
        (&[filter(FilterField::Description, &["bout"])], &[]),
        (&[filter(FilterField::All, &["bout", "eam"])], &[]),
        (&[filter(FilterField::All, &["about/X"])], &["b/x"]),
        (&[filter(FilterField::Nothing, &["x"])], &[]),
        (&[filter(FilterField::Nothing, &["!x"])], &["a", "b/x", "b/y"]),
    ];
    for (filters, expected) in table {
        let page = list(&bench, SecretQuery { filters: filters.to_vec(), ..all() }).await.unwrap();
        assert_eq!(names(&page), *expected, "{filters:?}");
    }

    for (order, descending) in [
        (SecretOrder::Name, false),
        (SecretOrder::Name, true),
        (SecretOrder::Created, true),
        (SecretOrder::Changed, false),
    ] {
        let whole = list(&bench, by(order, descending)).await.unwrap();
        let mut pages = Vec::new();
        let mut after = SecretCursor::default();
        loop {
            let page = list(&bench, SecretQuery { limit: 1, after, ..by(order, descending) }).await.unwrap();
            pages.extend(page.secrets.iter().map(|secret| secret.path.clone()));
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(pages, names(&whole), "{order:?} {descending}");
    }
}

#[tokio::test]
async fn what_the_caller_may_not_see_is_left_out_everywhere() {
    let mut bench = Bench::new();
    for name in ["a", "hidden/1", "hidden/2", "z"] {
        create(&bench, name, Some("v"), "a").await.unwrap();
    }
    bench.deny("secret/metadata/hidden/");
    bench.deny("secret/data/z");
    let page = list(&bench, SecretQuery { limit: 1, ..all() }).await.unwrap();
    assert_eq!(names(&page), ["a"]);
    let next = page.next.unwrap();
    assert_eq!(next, SecretCursor { after: "a".to_owned(), ..SecretCursor::default() });
    let page = list(&bench, SecretQuery { limit: 1, after: next, ..all() }).await.unwrap();
    assert_eq!((names(&page), &page.next), (vec!["z"], &None));
    for skip in 1..4 {
        let after = SecretCursor { after: "a".to_owned(), skip, ..SecretCursor::default() };
        let page = list(&bench, SecretQuery { limit: 1, after, ..all() }).await.unwrap();
        assert_eq!((names(&page), &page.next), (vec![], &None), "{skip}");
    }

    let named = ["a", "hidden/1", "z", "none"].map(|name| (name.to_owned(), at(name)));
    let batch = batch(&bench, ManySecrets::Named(named.into())).await;
    assert_eq!(batch.values.iter().map(|value| value.path.as_str()).collect::<Vec<_>>(), ["a", "hidden/1"]);
    let refused: Vec<_> = batch.refused.iter().map(|(name, error)| (name.as_str(), error.cause)).collect();
    assert_eq!(refused, [("z", Cause::Denied), ("none", Cause::NotFound)]);
    let batch = self::batch(&bench, ManySecrets::Matching(all())).await;
    assert_eq!((batch.values.len(), batch.refused.len()), (1, 1));
    // A value may be written by who may write it; the words around it are another thing.
    bench.deny("secret/metadata/a");
    let update = SecretUpdate {
        description: Some("d".to_owned()),
        key_id: None,
        value: Some(text("w")),
        version_id: token("b"),
    };
    assert_eq!(one(&bench, "a", SecretAct::Update(update)).await.unwrap_err().cause, Cause::Denied);
}

pub async fn batch(bench: &Bench, many: ManySecrets) -> SecretBatch {
    match bench.shared(SecretOp::ReadMany(many)).await.unwrap().1 {
        Body::Secrets(report) => match *report {
            SecretReport::Batch(batch) => batch,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_operation_is_judged_as_the_route_that_does_as_much() {
    let bench = Bench::new();
    create(&bench, "s", Some(r#"{"username":"app"}"#), "a").await.unwrap();
    let update = |value: Option<&str>| {
        SecretAct::Update(SecretUpdate {
            description: None,
            key_id: None,
            value: value.map(text),
            version_id: token("u"),
        })
    };
    let move_of =
        |stage: &str| SecretAct::MoveStage { stage: stage.to_owned(), from: Some(token("a")), to: Some(token("a")) };
    let table = [
        (SecretAct::Read { version: stage(STAGE_CURRENT) }, "data-read", "data/s"),
        (SecretAct::Describe, "metadata-read", "metadata/s"),
        (SecretAct::Versions, "metadata-read", "metadata/s"),
        (SecretAct::Rotate(super::rotation::wish("r", Some("database/orders"))), "rotate", "rotate/s"),
        (SecretAct::CancelRotation, "rotation-cancel", "rotation-cancel/s"),
        (update(None), "metadata-write", "metadata/s"),
        (update(Some("two")), "data-write", "data/s"),
        (SecretAct::Tag { set: BTreeMap::new(), remove: Vec::new() }, "metadata-write", "metadata/s"),
        (SecretAct::MoveStage { stage: "x".to_owned(), from: None, to: None }, "metadata-write", "metadata/s"),
        (SecretAct::Restore, "undelete", "undelete/s"),
        (SecretAct::Delete { recovery_s: Some(60) }, "delete", "delete/s"),
        (SecretAct::Delete { recovery_s: None }, "metadata-delete", "metadata/s"),
    ];
    for (act, route, at_path) in table {
        let context = format!("{act:?}");
        let (bound, _) = bench.shared(SecretOp::One { secret: at("s"), act }).await.unwrap();
        assert_eq!((bound.facts.name, bound.path.as_str()), (route, at_path), "{context}");
    }
    let refused = bench.shared(SecretOp::One { secret: at("s"), act: move_of(STAGE_CURRENT) }).await;
    assert_eq!(refused.err().unwrap().cause, Cause::NotFound);
    let (bound, _) = bench.shared(SecretOp::List(all())).await.unwrap();
    assert_eq!((bound.facts.name, bound.path.as_str()), ("secrets-list", "metadata/"));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_promoted() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    for (word, verb) in [("b", "delete"), ("c", "destroy")] {
        let number = put(&bench, "s", "two", word, &["blue"]).await.unwrap().version.unwrap();
        bench.call("POST", &format!("{verb}/s"), &format!(r#"{{"versions":[{number}]}}"#)).await;
        is_fault(move_stage(&bench, STAGE_CURRENT, Some("a"), Some(word)).await, SecretFault::NoVersion);
    }
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"]["value"], "one");
}

#[tokio::test]
async fn a_batch_has_room_for_so_much() {
    let bench = Bench::new();
    let big = format!(r#"{{"data":{{"k":"{}"}}}}"#, "x".repeat(700_000));
    let mut named = Vec::new();
    for n in 0..8 {
        assert_eq!(bench.call("POST", &format!("data/s{n}"), &big).await.status, 200);
        named.push((format!("s{n}"), at(&format!("s{n}"))));
    }
    let batch = batch(&bench, ManySecrets::Named(named)).await;
    assert_eq!((batch.values.len(), batch.refused.len()), (6, 2));
    assert!(batch.refused.iter().all(|(_, error)| error.cause == Cause::TooLarge));
    let mut seen = 0;
    let mut query = all();
    loop {
        let page = self::batch(&bench, ManySecrets::Matching(query.clone())).await;
        seen += page.values.len();
        let Some(next) = page.next else { break };
        query.after = next;
    }
    assert_eq!(seen, 8);
}

/// One step of somebody at one of the doors.
#[derive(Clone, Debug)]
enum Step {
    Create(bool),
    Put { token: u8, stages: Vec<&'static str> },
    Move { stage: &'static str, from: Option<u8>, to: Option<u8> },
    Delete(Option<u64>),
    Restore,
    Wait(u64),
    VaultWrite,
    VaultDelete(&'static str, u64),
    VaultKeep(u64),
    VaultForget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stage = prop_oneof![Just(STAGE_CURRENT), Just(STAGE_PENDING), Just(STAGE_PREVIOUS), Just("blue")];
    let id = proptest::option::weighted(0.7, 0..6u8);
    let step = prop_oneof![
        2 => any::<bool>().prop_map(Step::Create),
        6 => (0..6u8, proptest::collection::vec(stage.clone(), 0..3)).prop_map(|(token, stages)| Step::Put { token, stages }),
        4 => (stage, id.clone(), id).prop_map(|(stage, from, to)| Step::Move { stage, from, to }),
        1 => prop_oneof![Just(None), Just(Some(60u64))].prop_map(Step::Delete),
        1 => Just(Step::Restore),
        1 => (1..90u64).prop_map(Step::Wait),
        3 => Just(Step::VaultWrite),
        2 => (prop_oneof![Just("delete"), Just("undelete"), Just("destroy")], 1..9u64)
            .prop_map(|(verb, number)| Step::VaultDelete(verb, number)),
        1 => (1..4u64).prop_map(Step::VaultKeep),
        1 => Just(Step::VaultForget),
    ];
    proptest::collection::vec(step, 1..50)
}

async fn walk(bench: &Bench, step: &Step) {
    let word = |id: &u8| format!("t{id}");
    let done = match step {
        Step::Create(with_value) => create(bench, "s", with_value.then_some("v"), "t0").await.map(|_| ()),
        Step::Put { token, stages } => put(bench, "s", &word(token), &word(token), stages).await.map(|_| ()),
        Step::Move { stage, from, to } => {
            let (from, to) = (from.as_ref().map(word), to.as_ref().map(word));
            move_stage(bench, stage, from.as_deref(), to.as_deref()).await.map(|_| ())
        }
        Step::Delete(recovery_s) => one(bench, "s", SecretAct::Delete { recovery_s: *recovery_s }).await.map(|_| ()),
        Step::Restore => one(bench, "s", SecretAct::Restore).await.map(|_| ()),
        Step::Wait(seconds) => {
            bench.advance_s(*seconds);
            Ok(())
        }
        Step::VaultWrite => {
            bench.call("POST", "data/s", r#"{"data":{"k":"v"}}"#).await;
            Ok(())
        }
        Step::VaultDelete(verb, number) => {
            bench.call("POST", &format!("{verb}/s"), &format!(r#"{{"versions":[{number}]}}"#)).await;
            Ok(())
        }
        Step::VaultKeep(most) => {
            bench.call("POST", "metadata/s", &format!(r#"{{"max_versions":{most}}}"#)).await;
            Ok(())
        }
        Step::VaultForget => {
            bench.call("DELETE", "metadata/s", "").await;
            Ok(())
        }
    };
    if let Err(error) = done {
        let expected = [Cause::NotFound, Cause::Conflict, Cause::Invalid, Cause::TooLarge];
        assert!(expected.contains(&error.cause), "{error}");
    }
}

/// What must hold after every step, whoever took it.
async fn holds(bench: &Bench) {
    let payloads = bench.stored("payload");
    let Ok(facts) = one(bench, "s", SecretAct::Describe).await else { return };
    let secret = &facts.secret;
    assert_eq!(secret.stages.get(STAGE_CURRENT).copied().unwrap_or_default(), secret.current);
    assert!(secret.stages.values().all(|number| secret.version(*number).is_some()), "{:?}", secret.stages);
    let numbers: Vec<u64> = secret.versions.iter().map(|version| version.number).collect();
    assert!(numbers.is_sorted() && numbers.last().copied().unwrap_or_default() <= secret.newest());
    assert_eq!(secret.oldest, numbers.first().copied().unwrap_or_default());
    assert_eq!(secret.version(secret.current).is_some(), secret.current > 0);
    for version in &secret.versions {
        let kept = payloads.contains(&format!("{}/{:020}", secret.id, version.number));
        assert_eq!(kept, version.state != VersionState::Destroyed, "payload of version {}", version.number);
    }
    let here = payloads.iter().filter(|name| name.starts_with(&secret.id)).count();
    assert_eq!(here, secret.versions.iter().filter(|version| version.state != VersionState::Destroyed).count());
    assert!(bench.stored("doomed").len() <= 1);
}

#[tokio::test]
async fn passwords_hold_what_was_asked() {
    let bench = Bench::new();
    let wish = |length, kinds: &[&str], each| PasswordWish {
        length,
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        each,
    };
    let make = async |wish: PasswordWish| match bench.shared(SecretOp::Password(wish)).await?.1 {
        Body::Secrets(report) => match *report {
            SecretReport::Password(password) => Ok(password.expose().to_owned()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    for _ in 0..50 {
        let made = make(wish(4, &["abc", "XYZ", "0", "!"], true)).await.unwrap();
        assert_eq!(made.len(), 4);
        for kind in ["abc", "XYZ", "0", "!"] {
            assert!(made.chars().any(|c| kind.contains(c)), "{made}");
        }
    }
    assert_eq!(make(wish(4096, &["a", ""], true)).await.unwrap(), "a".repeat(4096));
    for wish in [wish(3, &["a", "b", "c", "d"], true), wish(3, &[""], false), wish(0, &["a"], false)] {
        is_fault(make(wish).await, SecretFault::PasswordImpossible);
    }
}

#[test]
fn foreign_names_and_paths_are_two_spellings_of_one_thing() {
    let table = [
        ("prod/db", "prod/db"),
        ("a", "a"),
        ("/a", "%/a"),
        ("a/", "a/%"),
        ("a//b", "a/%/b"),
        ("/", "%/%"),
        ("../x", "%../x"),
        ("a/./b", "a/%./b"),
        ("...", "..."),
        ("a.b@c+d=e_f-g", "a.b@c+d=e_f-g"),
    ];
    for (name, made) in table {
        assert_eq!(path_of_name(name).unwrap().as_str(), made, "{name}");
        assert_eq!(name_of_path(made).unwrap(), name);
    }
    for path in ["a%2fb", "%a", "a/%../%x", "%%"] {
        assert_eq!(name_of_path(path), None, "{path}");
        assert!(path_of_name(path).is_err(), "{path}");
    }
    assert_eq!(short_id("x").len(), 6);
    assert_ne!(short_id("x"), short_id("y"));
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn labels_versions_and_payloads_agree_after_every_step(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            for step in &steps {
                walk(&bench, step).await;
                holds(&bench).await;
            }
        });
    }

    #[test]
    fn no_two_names_meet_in_one_path(a in "[a./]{0,6}", b in "[a./]{0,6}") {
        let (Ok(one), Ok(other)) = (path_of_name(&a), path_of_name(&b)) else { return Ok(()) };
        proptest::prop_assert_eq!(a == b, one == other);
        let back = name_of_path(one.as_str());
        proptest::prop_assert_eq!(back.as_deref(), Some(a.as_str()));
    }
}
