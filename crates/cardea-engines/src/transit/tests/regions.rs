//! Keys of several regions: one material, a key of its own in each, and nothing that one can do to the others alone.

use super::harness::Bench;
use super::shared::{bytes, create, decrypt, encrypt, fault, named, new};
use crate::transit::model::{Ending, KeyName, KeyRecord, Material, Uses};
use cardea_model::key::{
    ImportTerms, ImportedMaterial, Key, KeyAlgorithm, KeyChange, KeyFault, KeyState, KeyVersion, NewKey, NewReplica,
    RotationCause, SealedBlob,
};
use cardea_model::{Cause, Error, KeyAnswer, KeyOp, KeyRef, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const HOME: &str = "eu-central-1";
const AWAY: &str = "us-east-1";
const WEEK_S: u64 = 7 * 86_400;

fn at(id: &str, region: &str) -> KeyRef {
    KeyRef::RegionalId { id: id.to_owned(), region: region.to_owned() }
}

async fn key(bench: &Bench, op: KeyOp) -> Result<Key, Error> {
    match bench.shared(op).await?.1 {
        KeyAnswer::Key(key) => Ok(*key),
        other => panic!("{other:?}"),
    }
}

async fn primary(bench: &Bench, without_material: bool) -> String {
    let new = NewKey { region: Some(HOME.to_owned()), without_material, ..*new(KeyAlgorithm::Aes256Gcm) };
    let made = key(bench, KeyOp::Create { name: None, new: Box::new(new) }).await.unwrap();
    assert!(made.id.starts_with("mrk-") && made.id.len() == 36 && made.name == made.id, "{made:?}");
    made.id
}

fn replicate(id: &str, from: &str, to: &str) -> KeyOp {
    let replica = NewReplica {
        region: to.to_owned(),
        description: "over there".to_owned(),
        tags: BTreeMap::from([("where".to_owned(), to.to_owned())]),
        attributes: BTreeMap::new(),
        document: None,
    };
    KeyOp::Replicate { key: at(id, from), replica: Box::new(replica) }
}

async fn describe(bench: &Bench, id: &str, region: &str) -> Result<Key, Error> {
    key(bench, KeyOp::Describe { key: at(id, region), part: cardea_model::key::KeyPart::Facts }).await
}

fn delete(id: &str, region: &str) -> KeyOp {
    KeyOp::ScheduleDeletion { key: at(id, region), window_s: WEEK_S }
}

async fn sealed(bench: &Bench, key: KeyRef) -> (u64, Vec<u8>) {
    match bench.shared(encrypt(key, b"")).await.unwrap().1 {
        KeyAnswer::Encrypted { used, sealed } => (used.version, sealed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_replica_has_the_material_and_nothing_else_in_common() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    let (version, text) = sealed(&bench, at(&id, HOME)).await;
    assert_eq!(bench.shared(decrypt(at(&id, AWAY), version, &text, b"")).await.err().unwrap().cause, Cause::NotFound);
    let made = key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    assert_eq!((made.id.as_str(), made.name), (id.as_str(), format!("{id}.{AWAY}")));
    assert_eq!((made.description.as_str(), made.tags["where"].as_str()), ("over there", AWAY));
    bench.shared(decrypt(at(&id, AWAY), version, &text, b"")).await.unwrap();
    // Vault's door knows both, each by its name.
    let blob = SealedBlob { key_id: id.clone(), version: 1, sealed: text.clone() }.encode().unwrap();
    let blob = crate::transit::forms::encoded(&blob).expose().to_owned();
    bench.ok(&format!("decrypt/{id}.{AWAY}"), json!({ "ciphertext": blob })).await;
    // One count of nonces for all.
    sealed(&bench, at(&id, AWAY)).await;
    assert_eq!((bench.stored::<Uses>().await.len(), bench.stored::<Material>().await.len()), (1, 1));

    let change = KeyChange { enabled: Some(false), description: Some("here".to_owned()), ..KeyChange::default() };
    key(&bench, KeyOp::Change { key: at(&id, HOME), change: Box::new(change) }).await.unwrap();
    assert_eq!(fault(bench.shared(encrypt(at(&id, HOME), b"")).await), Some(KeyFault::Disabled));
    bench.shared(encrypt(at(&id, AWAY), b"")).await.unwrap();
    assert_eq!(describe(&bench, &id, AWAY).await.unwrap().description, "over there");
    // Lists show in each region what is there.
    create(&bench, KeyAlgorithm::EcP256).await;
    for (region, regional) in [(HOME, 1), (AWAY, 1), ("eu-west-1", 0)] {
        let list = KeyOp::List { after: None, limit: 0, region: Some(region.to_owned()) };
        let KeyAnswer::Keys { keys, .. } = bench.shared(list).await.unwrap().1 else { panic!() };
        assert_eq!((keys.len(), keys.iter().filter(|key| key.id == id).count()), (1 + regional, regional), "{region}");
    }
}

#[tokio::test]
async fn what_cannot_be_replicated_is_refused() {
    let mut bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    assert_eq!(fault(bench.shared(replicate(&id, HOME, AWAY)).await), Some(KeyFault::Exists));
    assert_eq!(fault(bench.shared(replicate(&id, AWAY, "eu-west-1")).await), Some(KeyFault::Replica));
    bench.ok("keys/single", json!({})).await;
    let KeyOp::Replicate { replica, .. } = replicate("x", HOME, AWAY) else { panic!() };
    let single = KeyOp::Replicate { key: named("single"), replica };
    assert_eq!(fault(bench.shared(single).await), Some(KeyFault::Usage));
    let primary = KeyOp::SetPrimary { key: named("single"), region: AWAY.to_owned() };
    assert_eq!(fault(bench.shared(primary).await), Some(KeyFault::Usage));
    bench.ok(&format!("keys/{id}.eu-west-1"), json!({})).await;
    assert_eq!(
        fault(bench.shared(replicate(&id, HOME, "eu-west-1")).await),
        Some(KeyFault::Exists),
        "its name is taken"
    );
    bench.deny("transit/keys");
    assert_eq!(bench.shared(replicate(&id, HOME, "eu-west-2")).await.err().unwrap().cause, Cause::Denied);
}

#[tokio::test]
async fn the_primary_changes_what_all_share() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    let replica = format!("{id}.{AWAY}");
    let rotate = |region| KeyOp::Rotate { key: at(&id, region), symmetric_only: true };
    assert_eq!(fault(bench.shared(rotate(AWAY)).await), Some(KeyFault::Replica));
    for (path, body) in [("rotate", json!({})), ("config", json!({ "min_decryption_version": 1 }))] {
        let words = bench.post(&format!("keys/{replica}/{path}"), body).await;
        assert_eq!(words.error(), "key is a replica: its primary key changes what they share", "{path}");
    }
    let periodic = || Box::new(KeyChange { auto_rotate_s: Some(90 * 86_400), ..KeyChange::default() });
    let change = KeyOp::Change { key: at(&id, AWAY), change: periodic() };
    assert_eq!(fault(bench.shared(change).await), Some(KeyFault::Replica));
    key(&bench, rotate(HOME)).await.unwrap();
    key(&bench, KeyOp::Change { key: at(&id, HOME), change: periodic() }).await.unwrap();
    let shown = describe(&bench, &id, AWAY).await.unwrap();
    assert_eq!((shown.latest, shown.settings.auto_rotate_s), (2, 90 * 86_400));
    let cause = |key: &Key| key.versions.last().unwrap().rotated;
    assert_eq!(cause(&shown), Some(RotationCause::Asked));
    // A replica whose time has come rotates for all.
    bench.advance_s(90 * 86_400);
    let (version, text) = sealed(&bench, at(&id, AWAY)).await;
    assert_eq!(version, 3);
    assert_eq!(cause(&describe(&bench, &id, HOME).await.unwrap()), Some(RotationCause::Due));
    bench.shared(decrypt(at(&id, HOME), version, &text, b"")).await.unwrap();

    let set = |from, to: &str| KeyOp::SetPrimary { key: at(&id, from), region: to.to_owned() };
    assert_eq!(fault(bench.shared(set(AWAY, AWAY)).await), Some(KeyFault::Replica));
    assert_eq!(bench.shared(set(HOME, "eu-west-1")).await.err().unwrap().cause, Cause::NotFound);
    key(&bench, set(HOME, AWAY)).await.unwrap();
    assert_eq!(fault(bench.shared(rotate(HOME)).await), Some(KeyFault::Replica));
    assert_eq!(key(&bench, rotate(AWAY)).await.unwrap().latest, 4);
    assert_eq!(describe(&bench, &id, HOME).await.unwrap().latest, 4);
}

#[tokio::test]
async fn a_primary_outlives_its_replicas_by_its_own_window() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    let waits = key(&bench, delete(&id, HOME)).await.unwrap();
    assert_eq!(waits.state, KeyState::PendingReplicaDeletion { window_s: WEEK_S });
    assert_eq!(fault(bench.shared(encrypt(at(&id, HOME), b"")).await), Some(KeyFault::PendingDeletion));
    assert_eq!(fault(bench.shared(delete(&id, HOME)).await), Some(KeyFault::PendingDeletion));
    key(&bench, KeyOp::CancelDeletion { key: at(&id, HOME) }).await.unwrap();
    assert_eq!(describe(&bench, &id, HOME).await.unwrap().state, KeyState::Disabled);
    key(&bench, delete(&id, HOME)).await.unwrap();
    bench.advance_s(10 * WEEK_S);
    assert_eq!(describe(&bench, &id, HOME).await.unwrap().state, waits.state, "for as long as there is a replica");

    let KeyState::PendingDeletion(gone) = key(&bench, delete(&id, AWAY)).await.unwrap().state else { panic!() };
    bench.advance_s(WEEK_S);
    // By the clock, whether anything was removed or not.
    let its_own = KeyState::PendingDeletion(Timestamp(gone.0 + WEEK_S * 1000));
    assert_eq!(bench.stored::<KeyRecord>().await.len(), 2);
    let shown = describe(&bench, &id, HOME).await.unwrap();
    assert_eq!((shown.state, shown.regions.unwrap().members.len()), (its_own, 1));
    create(&bench, KeyAlgorithm::EcP256).await;
    assert_eq!(bench.stored::<KeyRecord>().await.len(), 2, "the replica went, another key came");
    assert_eq!(describe(&bench, &id, HOME).await.unwrap().state, its_own);
    assert_eq!(bench.stored::<Material>().await.len(), 2, "the material is still the primary's");
    bench.advance_s(WEEK_S);
    assert_eq!(describe(&bench, &id, HOME).await.unwrap_err().cause, Cause::NotFound);
    create(&bench, KeyAlgorithm::EcP256).await;
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<KeyName>().await.len()), (2, 2));
}

#[tokio::test]
async fn a_primary_goes_by_the_clock_though_nothing_was_removed() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    key(&bench, delete(&id, HOME)).await.unwrap();
    key(&bench, delete(&id, AWAY)).await.unwrap();
    bench.advance_s(2 * WEEK_S);
    for region in [HOME, AWAY] {
        assert_eq!(describe(&bench, &id, region).await.unwrap_err().cause, Cause::NotFound);
    }
    for _ in 0..2 {
        create(&bench, KeyAlgorithm::EcP256).await;
    }
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<KeyName>().await.len()), (2, 2));
}

#[tokio::test]
async fn a_replica_that_is_gone_can_be_made_again_before_it_was_removed() {
    let bench = Bench::new();
    // What is removed first is another key.
    let other = create(&bench, KeyAlgorithm::EcP256).await;
    key(&bench, KeyOp::ScheduleDeletion { key: named(&other.name), window_s: WEEK_S - 1 }).await.unwrap();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    let (_, text) = sealed(&bench, at(&id, AWAY)).await;
    key(&bench, delete(&id, AWAY)).await.unwrap();
    bench.advance_s(WEEK_S);
    let again = key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    assert_eq!(again.regions.unwrap().members.len(), 2);
    bench.shared(decrypt(at(&id, AWAY), 1, &text, b"")).await.unwrap();
    bench.shared(decrypt(at(&id, HOME), 1, &text, b"")).await.unwrap();
    bench.advance_s(100 * WEEK_S);
    create(&bench, KeyAlgorithm::EcP256).await;
    assert_eq!(describe(&bench, &id, AWAY).await.unwrap().state, KeyState::Enabled);
}

#[tokio::test]
async fn vaults_door_deletes_replicas_first_and_brings_one_back_alone() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    let settings = json!({ "deletion_allowed": true, "exportable": true, "allow_plaintext_backup": true });
    bench.ok(&format!("keys/{id}/config"), settings).await;
    let (_, text) = sealed(&bench, at(&id, HOME)).await;
    let backup = bench.call("GET", &format!("backup/{id}"), "").await.member("backup");
    assert!(bench.call("DELETE", &format!("keys/{id}"), "").await.error().contains("replicas"));
    assert!(bench.call("DELETE", &format!("keys/{id}.{AWAY}"), "").await.status < 300);
    bench.shared(decrypt(at(&id, HOME), 1, &text, b"")).await.unwrap();
    assert_eq!(describe(&bench, &id, HOME).await.unwrap().regions.unwrap().members.len(), 1);
    key(&bench, replicate(&id, HOME, AWAY)).await.expect("once more");
    assert!(bench.call("DELETE", &format!("keys/{id}.{AWAY}"), "").await.status < 300);
    assert!(bench.call("DELETE", &format!("keys/{id}"), "").await.status < 300);
    assert!(bench.stored::<Material>().await.is_empty());
    bench.ok("restore/back", json!({ "backup": backup })).await;
    let back =
        key(&bench, KeyOp::Describe { key: named("back"), part: cardea_model::key::KeyPart::Facts }).await.unwrap();
    assert!(back.regions.is_none() && back.id != id);
    bench.shared(decrypt(named("back"), 1, &text, b"")).await.unwrap();
}

#[tokio::test]
async fn imported_material_comes_and_goes_in_all_regions() {
    let bench = Bench::new();
    let id = primary(&bench, true).await;
    let import = |region| KeyOp::Import {
        key: at(&id, region),
        material: ImportedMaterial::Plain(bytes(&[1; 32])),
        terms: ImportTerms { expires: Some(Timestamp(1_700_000_000_000 + WEEK_S * 1000)), ..ImportTerms::default() },
    };
    assert_eq!(fault(bench.shared(replicate(&id, HOME, AWAY)).await), Some(KeyFault::PendingImport));
    bench.shared(import(HOME)).await.unwrap();
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    assert_eq!(fault(bench.shared(import(AWAY)).await), Some(KeyFault::Replica));
    key(&bench, KeyOp::SetPrimary { key: at(&id, HOME), region: AWAY.to_owned() }).await.unwrap();
    // What ends is found although the key that it was imported into is gone.
    bench.ok(&format!("keys/{id}.{AWAY}/config"), json!({ "deletion_allowed": true })).await;
    assert!(bench.call("DELETE", &format!("keys/{id}"), "").await.status < 300);
    bench.advance_s(WEEK_S);
    assert_eq!(describe(&bench, &id, AWAY).await.unwrap().state, KeyState::PendingImport);
    create(&bench, KeyAlgorithm::EcP256).await;
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<Ending>().await.len()), (1, 0));
}

#[tokio::test]
async fn versions_and_regions_are_bounded_together() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    bench
        .tamper::<KeyRecord>(&id, |record| {
            let first = record.0.versions[0].clone();
            record.0.versions = (1..=999).map(|number| KeyVersion { number, ..first.clone() }).collect();
            record.0.latest = 999;
        })
        .await;
    for region in [AWAY, "eu-west-1"] {
        key(&bench, replicate(&id, HOME, region)).await.unwrap();
    }
    assert_eq!(fault(bench.shared(replicate(&id, HOME, "eu-west-2")).await), Some(KeyFault::TooManyVersions));
    // The largest change there is fits a commit.
    let rotate = || KeyOp::Rotate { key: at(&id, HOME), symmetric_only: true };
    assert_eq!(key(&bench, rotate()).await.unwrap().latest, 1000);
    assert_eq!(fault(bench.shared(rotate()).await), Some(KeyFault::TooManyVersions));
}

#[tokio::test]
async fn aliases_of_regions_keep_apart() {
    let bench = Bench::new();
    let id = primary(&bench, false).await;
    key(&bench, replicate(&id, HOME, AWAY)).await.unwrap();
    bench.ok("keys/single", json!({})).await;
    let set = |key: KeyRef, moves, region: &str| KeyOp::SetAlias {
        alias: "app".to_owned(),
        key,
        moves,
        region: Some(region.to_owned()),
    };
    let alias = |region: &str| KeyRef::RegionalAlias { alias: "app".to_owned(), region: region.to_owned() };
    let behind = async |region: &str| {
        key(&bench, KeyOp::Describe { key: alias(region), part: cardea_model::key::KeyPart::Facts })
            .await
            .map(|key| key.name)
            .unwrap_or_default()
    };
    bench.shared(set(at(&id, HOME), false, HOME)).await.unwrap();
    assert_eq!((behind(HOME).await, behind(AWAY).await), (id.clone(), String::new()));
    assert_eq!(fault(bench.shared(set(named("single"), false, HOME)).await), Some(KeyFault::Exists));
    bench.shared(set(named("single"), false, AWAY)).await.unwrap();
    assert_eq!((behind(HOME).await, behind(AWAY).await), (id.clone(), "single".to_owned()));
    bench.shared(set(at(&id, AWAY), true, AWAY)).await.unwrap();
    assert_eq!((behind(AWAY).await, behind("eu-west-1").await), (format!("{id}.{AWAY}"), "single".to_owned()));
    let shown = async |region: &str| {
        let list = KeyOp::ListAliases { after: None, limit: 0, region: Some(region.to_owned()) };
        let KeyAnswer::Aliases { aliases, .. } = bench.shared(list).await.unwrap().1 else { panic!() };
        let shown = aliases.into_iter().filter(|alias| !alias.key_id.is_empty());
        shown.map(|alias| (alias.alias, alias.key_name)).collect::<Vec<_>>()
    };
    for (region, name) in [(HOME, id.clone()), (AWAY, format!("{id}.{AWAY}")), ("eu-west-1", "single".to_owned())] {
        assert_eq!(shown(region).await, [("app".to_owned(), name)], "{region}");
    }
    let delete = || KeyOp::DeleteAlias { alias: "app".to_owned(), region: Some(HOME.to_owned()) };
    bench.shared(delete()).await.unwrap();
    assert_eq!(behind(HOME).await, "single", "that of all shows again");
    bench.shared(delete()).await.unwrap();
    assert_eq!(bench.shared(delete()).await.err().unwrap().cause, Cause::NotFound);
    assert_eq!(behind(AWAY).await, format!("{id}.{AWAY}"));
    // A key of a region has no other in which its name is an alias.
    let by_name = |region: &str| KeyRef::RegionalAlias { alias: id.clone(), region: region.to_owned() };
    assert!(
        bench.shared(KeyOp::Describe { key: by_name(HOME), part: cardea_model::key::KeyPart::Facts }).await.is_ok()
    );
    assert_eq!(
        bench
            .shared(KeyOp::Describe { key: by_name(AWAY), part: cardea_model::key::KeyPart::Facts })
            .await
            .err()
            .unwrap()
            .cause,
        Cause::NotFound
    );
}
