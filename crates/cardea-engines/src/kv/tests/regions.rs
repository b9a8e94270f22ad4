//! Secrets of regions: who sees which from where, and who may change what.

use super::harness::Bench;
use super::path;
use super::shared::token;
use cardea_model::operation::{
    FilterField, FilterText, ManySecrets, NewSecret, NewVersion, Replicas, RotateWish, SecretAct, SecretFilter,
    SecretQuery, SecretRef, SecretUpdate, VersionRef,
};
use cardea_model::secret::{Secret, SecretFault, SecretPage, SecretReplica, SecretReport, SecretValue};
use cardea_model::{Body, Cause, Error, SecretOp};
use std::collections::BTreeMap;

const HOME: &str = "eu-central-1";
const AWAY: &str = "us-east-1";
const THIRD: &str = "eu-west-1";

fn at(name: &str, region: &str) -> SecretRef {
    SecretRef { path: path(name), short_id: None, region: Some(region.to_owned()) }
}

fn replicas(regions: &[&str]) -> Replicas {
    let regions = regions.iter().map(|region| ((*region).to_owned(), SecretReplica::default())).collect();
    Replicas { regions, force: false }
}

async fn ask(bench: &Bench, region: &str, name: &str, act: SecretAct) -> Result<Secret, Error> {
    match bench.shared(SecretOp::One { secret: at(name, region), act }).await?.1 {
        Body::Secrets(report) => match *report {
            SecretReport::Facts(facts) => Ok(facts.secret),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn read(bench: &Bench, region: &str, name: &str) -> Result<String, Error> {
    let act = SecretAct::Read { version: VersionRef::Stage("AWSCURRENT".to_owned()) };
    match bench.shared(SecretOp::One { secret: at(name, region), act }).await?.1 {
        Body::Secret(answer) => Ok(answer.payload.unwrap().text().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn new(name: &str, regions: &[&str]) -> SecretAct {
    SecretAct::Create(NewSecret {
        value: Some(SecretValue::of_text(name).unwrap()),
        version_id: token(name),
        description: String::new(),
        key_id: None,
        tags: BTreeMap::new(),
        replicas: replicas(regions),
    })
}

fn put(word: &str) -> SecretAct {
    let value = SecretValue::of_text(word).unwrap();
    SecretAct::Put(NewVersion { value, version_id: token(word), stages: Vec::new() })
}

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> Option<SecretFault> {
    SecretFault::of(&result.unwrap_err())
}

#[tokio::test]
async fn a_secret_is_where_it_was_made_and_where_it_is_replicated_to() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[])).await.unwrap();
    assert_eq!(read(&bench, HOME, "s").await.unwrap(), "\"s\"");
    for result in [read(&bench, AWAY, "s").await.map(drop), ask(&bench, AWAY, "s", put("x")).await.map(drop)] {
        assert_eq!(result.unwrap_err().cause, Cause::NotFound);
    }
    assert_eq!(fault(ask(&bench, HOME, "s", new("other", &[])).await), Some(SecretFault::Exists));
    let made = ask(&bench, HOME, "s", SecretAct::Replicate(replicas(&[AWAY]))).await.unwrap();
    assert_eq!(made.regions.unwrap().replicas.len(), 1);
    ask(&bench, HOME, "s", put("second")).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"second\"", "the same versions, at once");
    assert_eq!(read(&bench, THIRD, "s").await.unwrap_err().cause, Cause::NotFound);
    // Vault's door has no regions.
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"]["value"], "second");

    let gone = |region: &str| SecretAct::RemoveReplicas(vec![region.to_owned()]);
    assert_eq!(fault(ask(&bench, HOME, "s", gone(THIRD)).await), Some(SecretFault::NotReplicated));
    assert_eq!(fault(ask(&bench, AWAY, "s", gone(AWAY)).await), Some(SecretFault::Replica));
    ask(&bench, HOME, "s", gone(AWAY)).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap_err().cause, Cause::NotFound);
}

#[tokio::test]
async fn a_replica_changes_nothing_but_its_key() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY])).await.unwrap();
    let update = |description: Option<&str>, key_id: Option<&str>| {
        let (description, key_id) = (description.map(str::to_owned), key_id.map(str::to_owned));
        SecretAct::Update(SecretUpdate { description, key_id, value: None, version_id: token("u") })
    };
    let rotate = RotateWish { token: token("r"), rotator: None, schedule: None, window_s: None, begin: true };
    let stage = SecretAct::MoveStage { stage: "x".to_owned(), from: None, to: Some(token("s")) };
    for act in [
        put("x"),
        update(Some("d"), Some("k")),
        update(None, None),
        stage,
        SecretAct::Delete { recovery_s: Some(7 * 86_400) },
        SecretAct::Delete { recovery_s: None },
        SecretAct::Restore,
        SecretAct::Rotate(rotate),
        SecretAct::CancelRotation,
        SecretAct::Tag { set: BTreeMap::new(), remove: Vec::new() },
        SecretAct::Replicate(replicas(&[THIRD])),
    ] {
        let shown = format!("{act:?}");
        assert_eq!(fault(ask(&bench, AWAY, "s", act).await), Some(SecretFault::Replica), "{shown}");
    }
    let changed = ask(&bench, AWAY, "s", update(None, Some("alias/there"))).await.unwrap();
    assert_eq!(changed.regions.unwrap().replicas[AWAY].key_id.as_deref(), Some("alias/there"));
    assert_eq!(ask(&bench, HOME, "s", SecretAct::Describe).await.unwrap().key_id, None);
    assert_eq!(fault(ask(&bench, HOME, "s", SecretAct::Detach).await), Some(SecretFault::NotReplicated));
    assert_eq!(ask(&bench, THIRD, "s", SecretAct::Detach).await.unwrap_err().cause, Cause::NotFound);
}

#[tokio::test]
async fn replicas_go_before_their_secret() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY])).await.unwrap();
    for recovery_s in [None, Some(7 * 86_400)] {
        let refused = ask(&bench, HOME, "s", SecretAct::Delete { recovery_s }).await;
        assert_eq!(fault(refused), Some(SecretFault::HasReplicas));
    }
    ask(&bench, HOME, "s", SecretAct::RemoveReplicas(vec![AWAY.to_owned()])).await.unwrap();
    ask(&bench, HOME, "s", SecretAct::Delete { recovery_s: Some(7 * 86_400) }).await.unwrap();
    let again = SecretAct::Replicate(replicas(&[AWAY]));
    assert_eq!(fault(ask(&bench, HOME, "s", again).await), Some(SecretFault::MarkedForDeletion));
    ask(&bench, HOME, "s", SecretAct::Restore).await.unwrap();
    assert_eq!(
        fault(ask(&bench, HOME, "s", SecretAct::Replicate(replicas(&[HOME]))).await),
        Some(SecretFault::OwnRegion)
    );
    assert_eq!(fault(ask(&bench, HOME, "t", new("t", &[HOME])).await), Some(SecretFault::OwnRegion));
    // One whose window is over stands in nobody's way, wherever it was.
    ask(&bench, HOME, "s", SecretAct::Delete { recovery_s: Some(7 * 86_400) }).await.unwrap();
    bench.advance_s(7 * 86_400);
    ask(&bench, AWAY, "s", new("again", &[])).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"again\"");
}

#[tokio::test]
async fn secrets_without_regions_are_everywhere_until_they_are_replicated() {
    let bench = Bench::new();
    bench.call("POST", "data/v", r#"{"data":{"a":"b"}}"#).await;
    for region in [HOME, AWAY] {
        assert!(read(&bench, region, "v").await.is_ok());
    }
    let everywhere = SecretRef { region: None, ..at("v", HOME) };
    let act = SecretAct::Replicate(replicas(&[AWAY]));
    let refused = bench.shared(SecretOp::One { secret: everywhere, act }).await;
    assert_eq!(refused.err().as_ref().and_then(SecretFault::of), Some(SecretFault::NoRegions));
    ask(&bench, HOME, "v", SecretAct::Replicate(replicas(&[AWAY]))).await.unwrap();
    assert_eq!(fault(ask(&bench, AWAY, "v", put("x")).await), Some(SecretFault::Replica));
    assert_eq!(read(&bench, THIRD, "v").await.unwrap_err().cause, Cause::NotFound);
}

#[tokio::test]
async fn lists_and_batches_show_what_is_in_the_region() {
    let mut bench = Bench::new();
    ask(&bench, HOME, "both", new("both", &[AWAY])).await.unwrap();
    ask(&bench, HOME, "home", new("home", &[])).await.unwrap();
    ask(&bench, AWAY, "away", new("away", &[])).await.unwrap();
    bench.call("POST", "data/vault", r#"{"data":{"a":"b"}}"#).await;
    let list = async |region: &str, primary: Option<&str>| {
        let filter = |text: &str| SecretFilter {
            field: FilterField::PrimaryRegion,
            any_of: vec![FilterText { text: text.trim_start_matches('!').to_owned(), negated: text.starts_with('!') }],
            home: region.to_owned(),
        };
        let filters = primary.map(filter).into_iter().collect();
        let query = SecretQuery { filters, limit: 100, region: Some(region.to_owned()), ..SecretQuery::default() };
        match bench.shared(SecretOp::List(query)).await.unwrap().1 {
            Body::Secrets(report) => match *report {
                SecretReport::Page(SecretPage { secrets, .. }) => {
                    secrets.iter().map(|secret| secret.path.clone()).collect::<Vec<_>>().join(" ")
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    for (region, primary, expected) in [
        (HOME, None, "both home vault"),
        (AWAY, None, "away both vault"),
        (THIRD, None, "vault"),
        (AWAY, Some(AWAY), "away vault"),
        (AWAY, Some("!us-"), "both"),
        (HOME, Some("eu-"), "both home vault"),
    ] {
        assert_eq!(list(region, primary).await, expected, "{region} {primary:?}");
    }
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), at(name, AWAY))).collect();
    let many = ManySecrets::Named(named(&["both", "home"]));
    let Body::Secrets(report) = bench.shared(SecretOp::ReadMany(many)).await.unwrap().1 else { panic!() };
    let SecretReport::Batch(batch) = *report else { panic!() };
    assert_eq!((batch.values.len(), batch.refused[0].0.as_str()), (1, "home"));
    // Who makes a secret with replicas has to be allowed to replicate it.
    bench.deny("secret/metadata/more");
    assert_eq!(ask(&bench, HOME, "more", new("more", &[AWAY])).await.unwrap_err().cause, Cause::Denied);
    ask(&bench, HOME, "more", new("more", &[])).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_stands_alone_keeps_what_it_had_and_follows_nobody() {
    let mut bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY, THIRD])).await.unwrap();
    ask(&bench, HOME, "s", put("second")).await.unwrap();
    let tag = SecretAct::Tag { set: BTreeMap::from([("team".to_owned(), "a".to_owned())]), remove: Vec::new() };
    let before = ask(&bench, HOME, "s", tag).await.unwrap();
    bench.deny("secret/data/s%");
    assert_eq!(ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap_err().cause, Cause::Denied);
    let bench = bench.allow_all();
    let alone = ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    assert_eq!((alone.path.as_str(), alone.name().as_str()), ("s%us-east-1", "s"));
    assert_eq!(alone.short_id(), before.short_id(), "its ARN stays");
    assert_ne!(alone.id, before.id);
    let ids = |secret: &Secret| secret.versions.iter().map(|version| version.id.clone()).collect::<Vec<_>>();
    assert_eq!((ids(&alone), &alone.stages, &alone.metadata), (ids(&before), &before.stages, &before.metadata));
    let left = ask(&bench, HOME, "s", SecretAct::Describe).await.unwrap();
    assert_eq!(left.regions.unwrap().replicas.into_keys().collect::<Vec<_>>(), [THIRD]);

    // From now on each goes its own way, and keeps what the other one loses.
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"second\"");
    ask(&bench, AWAY, "s", put("theirs")).await.unwrap();
    ask(&bench, HOME, "s", put("ours")).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"theirs\"");
    for region in [HOME, THIRD] {
        assert_eq!(read(&bench, region, "s").await.unwrap(), "\"ours\"");
    }
    assert_eq!(bench.call("GET", "data/s%us-east-1", "").await.data()["data"]["value"], "theirs");
    assert_eq!(bench.call("GET", "data/s", "").await.data()["data"]["value"], "ours");
    assert_eq!(bench.call("LIST", "metadata", "").await.data()["keys"], serde_json::json!(["s", "s%us-east-1"]));
    assert_eq!(fault(ask(&bench, AWAY, "s", SecretAct::Detach).await), Some(SecretFault::NotReplicated));
    ask(&bench, HOME, "s", SecretAct::RemoveReplicas(vec![THIRD.to_owned()])).await.unwrap();
    ask(&bench, HOME, "s", SecretAct::Delete { recovery_s: None }).await.unwrap();
    let version = VersionRef::Id(token("s"));
    let act = SecretAct::Read { version };
    let (_, body) = bench.shared(SecretOp::One { secret: at("s", AWAY), act }).await.unwrap();
    let Body::Secret(answer) = body else { panic!() };
    assert_eq!(answer.payload.unwrap().text(), "\"s\"");
    assert_eq!(answer.short_id, before.short_id());
}

#[tokio::test]
async fn a_name_is_one_secrets_in_each_region() {
    let mut bench = Bench::new();
    ask(&bench, HOME, "s", new("home", &[AWAY])).await.unwrap();
    assert_eq!(fault(ask(&bench, AWAY, "s", new("x", &[])).await), Some(SecretFault::Exists), "a replica has the name");
    ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    assert_eq!(fault(ask(&bench, AWAY, "s", new("x", &[])).await), Some(SecretFault::Exists));

    // To be replicated again it waits for the name, or takes it.
    let failed = ask(&bench, HOME, "s", SecretAct::Replicate(replicas(&[AWAY]))).await.unwrap();
    assert!(failed.regions.unwrap().replicas[AWAY].taken);
    ask(&bench, AWAY, "s", put("theirs")).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"theirs\"");
    let forced = || SecretAct::Replicate(Replicas { force: true, ..replicas(&[AWAY]) });
    bench.deny("secret/metadata/s%");
    assert_eq!(ask(&bench, HOME, "s", forced()).await.unwrap_err().cause, Cause::Denied);
    let bench = bench.allow_all();
    let forced = ask(&bench, HOME, "s", forced()).await.unwrap();
    assert!(!forced.regions.unwrap().replicas[AWAY].taken);
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"home\"");
    assert_eq!(bench.stored("secret"), ["s"]);

    // Deleted, its name is free in its region, until there is one again.
    ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    ask(&bench, AWAY, "s", SecretAct::Delete { recovery_s: Some(7 * 86_400) }).await.unwrap();
    assert_eq!(fault(ask(&bench, AWAY, "s", new("x", &[])).await), Some(SecretFault::MarkedForDeletion));
    assert_eq!(fault(read(&bench, AWAY, "s").await), Some(SecretFault::MarkedForDeletion));
    ask(&bench, AWAY, "s", SecretAct::Restore).await.unwrap();
    ask(&bench, AWAY, "s", SecretAct::Delete { recovery_s: None }).await.unwrap();
    assert_eq!(read(&bench, AWAY, "s").await.unwrap_err().cause, Cause::NotFound);
    let made = ask(&bench, AWAY, "s", new("new", &[THIRD])).await.unwrap();
    assert_eq!(made.path, "s%us-east-1");
    for region in [AWAY, THIRD] {
        assert_eq!(read(&bench, region, "s").await.unwrap(), "\"new\"", "{region}");
    }
    assert_eq!(read(&bench, HOME, "s").await.unwrap(), "\"home\"");
    let alone = ask(&bench, THIRD, "s", SecretAct::Detach).await.unwrap();
    assert_eq!(alone.path, "s%eu-west-1");
}

#[tokio::test]
async fn names_beside_a_secret_of_a_region_do_not_hide_it() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY, THIRD])).await.unwrap();
    ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    ask(&bench, AWAY, "s", SecretAct::Replicate(replicas(&["us-west-1"]))).await.unwrap();
    ask(&bench, AWAY, "s", put("theirs")).await.unwrap();
    // Who may make none of this name may make these: they name no region.
    for n in 0..200 {
        bench.call("POST", &format!("data/s%!{n}"), r#"{"data": {"k": "v"}}"#).await.data();
    }
    for region in [AWAY, "us-west-1"] {
        assert_eq!(read(&bench, region, "s").await.unwrap(), "\"theirs\"", "{region}");
    }
    let again = ask(&bench, HOME, "s", SecretAct::Replicate(replicas(&[AWAY]))).await.unwrap();
    assert!(again.regions.unwrap().replicas[AWAY].taken);
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"theirs\"");
}

#[tokio::test]
async fn a_path_with_a_region_is_no_name_elsewhere() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY])).await.unwrap();
    // What somebody made there at Vault's door stays what it is.
    bench.call("POST", "data/s%us-east-1", r#"{"data":{"a":"b"}}"#).await;
    assert_eq!(fault(ask(&bench, AWAY, "s", SecretAct::Detach).await), Some(SecretFault::Exists));
    assert_eq!(read(&bench, AWAY, "s").await.unwrap(), "\"s\"");
    bench.call("DELETE", "metadata/s%us-east-1", "").await;
    ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    let names = async |region: Option<&str>| {
        let region = region.map(str::to_owned);
        let query = SecretQuery { limit: 100, region, ..SecretQuery::default() };
        match bench.shared(SecretOp::List(query)).await.unwrap().1 {
            Body::Secrets(report) => match *report {
                SecretReport::Page(page) => page.secrets.into_iter().map(|secret| secret.path).collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(names(Some(HOME)).await, ["s"]);
    assert_eq!(names(Some(AWAY)).await, ["s%us-east-1"]);
    assert_eq!(names(Some(THIRD)).await, [""; 0]);
    assert_eq!(names(None).await, ["s"], "without regions there is none to tell two secrets of one name apart by");
    let named = vec![("s".to_owned(), at("s", AWAY))];
    let Body::Secrets(report) = bench.shared(SecretOp::ReadMany(ManySecrets::Named(named))).await.unwrap().1 else {
        panic!()
    };
    let SecretReport::Batch(batch) = *report else { panic!() };
    assert_eq!(batch.values[0].path, "s%us-east-1");
}

#[tokio::test]
async fn what_a_change_cannot_copy_does_not_stand_alone() {
    let bench = Bench::new();
    ask(&bench, HOME, "s", new("s", &[AWAY])).await.unwrap();
    for at in 0..40 {
        ask(&bench, HOME, "s", put(&format!("v{at}"))).await.unwrap();
    }
    let alone = ask(&bench, AWAY, "s", SecretAct::Detach).await.unwrap();
    assert_eq!(
        (alone.versions.len(), alone.current, alone.newest()),
        (28, 41, 41),
        "the newest of those without labels"
    );
    ask(&bench, HOME, "s", SecretAct::Replicate(Replicas { force: true, ..replicas(&[AWAY]) })).await.unwrap();
    for at in 0..30 {
        let (stage, to) = (format!("l{at}"), Some(token(&format!("v{at}"))));
        ask(&bench, HOME, "s", SecretAct::MoveStage { stage, from: None, to }).await.unwrap();
    }
    assert_eq!(fault(ask(&bench, AWAY, "s", SecretAct::Detach).await), Some(SecretFault::TooMuchToDetach));
}
