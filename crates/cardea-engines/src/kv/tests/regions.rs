//! Secrets of regions: who sees which from where, and who may change what.

use super::harness::Bench;
use super::path;
use super::shared::token;
use cardea_model::operation::{
    FilterField, FilterText, ManySecrets, NewSecret, NewVersion, RotateWish, SecretAct, SecretFilter, SecretQuery,
    SecretRef, SecretUpdate, VersionRef,
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

fn replicas(regions: &[&str]) -> BTreeMap<String, SecretReplica> {
    regions.iter().map(|region| ((*region).to_owned(), SecretReplica::default())).collect()
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
    assert_eq!(
        fault(ask(&bench, AWAY, "s", new("other", &[])).await),
        Some(SecretFault::Exists),
        "one name, one secret"
    );
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
    assert_eq!(fault(ask(&bench, AWAY, "s", SecretAct::Detach).await), Some(SecretFault::StaysReplica));
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
