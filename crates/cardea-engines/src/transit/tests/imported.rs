//! Imported material that ends, goes and comes back.

use super::harness::Bench;
use super::shared::{bytes, create, decrypt, encrypt, fault, named, new};
use crate::transit::model::{Ending, Material, Proof};
use cardea_model::key::{
    ImportTerms, ImportWhich, ImportedMaterial, Key, KeyAlgorithm, KeyFault, KeyPart, KeyState, NewKey,
};
use cardea_model::{Cause, Error, KeyAnswer, KeyOp, Timestamp};
use cardea_sdk::material::material_id;
use serde_json::json;

const START_MS: u64 = 1_700_000_000_000;
const DAY_S: u64 = 86_400;

fn after(seconds: u64) -> ImportTerms {
    ImportTerms { expires: Some(Timestamp(START_MS + seconds * 1000)), ..ImportTerms::default() }
}

fn which(which: ImportWhich) -> ImportTerms {
    ImportTerms { which, ..ImportTerms::default() }
}

async fn waiting(bench: &Bench, algorithm: KeyAlgorithm) {
    let new = Box::new(NewKey { without_material: true, ..*new(algorithm) });
    bench.shared(KeyOp::Create { name: Some("w".to_owned()), new }).await.unwrap();
}

async fn import(bench: &Bench, material: &[u8], terms: ImportTerms) -> Result<(Key, String), Error> {
    let material = ImportedMaterial::Plain(bytes(material));
    match bench.shared(KeyOp::Import { key: named("w"), material, terms }).await?.1 {
        KeyAnswer::Material { key, version_id } => Ok((*key, version_id.unwrap())),
        other => panic!("{other:?}"),
    }
}

async fn take(bench: &Bench, material_id: Option<String>) -> Result<Key, Error> {
    match bench.shared(KeyOp::DeleteMaterial { key: named("w"), material_id }).await?.1 {
        KeyAnswer::Material { key, .. } => Ok(*key),
        other => panic!("{other:?}"),
    }
}

async fn described(bench: &Bench) -> Key {
    match bench.shared(KeyOp::Describe { key: named("w"), part: KeyPart::Facts }).await.unwrap().1 {
        KeyAnswer::Key(key) => *key,
        other => panic!("{other:?}"),
    }
}

async fn sealed(bench: &Bench) -> Vec<u8> {
    match bench.shared(encrypt(named("w"), b"")).await.unwrap().1 {
        KeyAnswer::Encrypted { sealed, .. } => sealed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn material_ends_by_the_clock_and_the_same_brings_it_back() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    let (key, id) = import(&bench, &[1; 32], after(DAY_S)).await.unwrap();
    assert_eq!((key.state, key.versions[0].expires), (KeyState::Enabled, Some(Timestamp(START_MS + DAY_S * 1000))));
    let sealed = sealed(&bench).await;
    bench.advance_s(DAY_S - 1);
    bench.shared(decrypt(named("w"), 1, &sealed, b"")).await.unwrap();
    bench.advance_s(1);
    // Nobody has removed anything yet.
    assert_eq!(bench.stored::<Material>().await.len(), 1);
    for op in [encrypt(named("w"), b""), decrypt(named("w"), 1, &sealed, b"")] {
        assert_eq!(fault(bench.shared(op).await), Some(KeyFault::PendingImport));
    }
    assert_eq!(described(&bench).await.state, KeyState::PendingImport);
    assert_eq!(bench.post("encrypt/w", json!({ "plaintext": "" })).await.error(), "key is pending import");
    // Another change in the mount does.
    create(&bench, KeyAlgorithm::Aes256Gcm).await;
    assert_eq!(bench.stored::<Material>().await.len(), 1, "that of the other key");
    assert_eq!((bench.stored::<Ending>().await.len(), bench.stored::<Proof>().await.len()), (0, 1));
    assert_eq!(described(&bench).await.state, KeyState::PendingImport);
    for terms in [ImportTerms::default(), which(ImportWhich::Known(None))] {
        assert_eq!(fault(import(&bench, &[2; 32], terms).await), Some(KeyFault::OtherMaterial));
    }
    let (key, again) = import(&bench, &[1; 32], ImportTerms::default()).await.unwrap();
    assert_eq!((key.state, &again, key.latest), (KeyState::Enabled, &id, 1));
    bench.shared(decrypt(named("w"), 1, &sealed, b"")).await.unwrap();
    bench.advance_s(400 * DAY_S);
    bench.shared(decrypt(named("w"), 1, &sealed, b"")).await.unwrap();
}

#[tokio::test]
async fn the_end_is_to_come_and_can_be_moved() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    for seconds in [0, 365 * DAY_S + 1] {
        assert_eq!(import(&bench, &[1; 32], after(seconds)).await.unwrap_err().cause, Cause::Invalid);
    }
    import(&bench, &[1; 32], after(DAY_S)).await.unwrap();
    let (key, _) = import(&bench, &[1; 32], after(3 * DAY_S)).await.unwrap();
    assert_eq!((key.latest, bench.stored::<Ending>().await.len()), (1, 1));
    bench.advance_s(2 * DAY_S);
    create(&bench, KeyAlgorithm::Aes256Gcm).await;
    sealed(&bench).await;
    bench.advance_s(DAY_S);
    assert_eq!(fault(bench.shared(encrypt(named("w"), b"")).await), Some(KeyFault::PendingImport));
}

#[tokio::test]
async fn an_owner_takes_material_away() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    assert_eq!(take(&bench, None).await.unwrap().state, KeyState::PendingImport, "there was none");
    assert_eq!(take(&bench, Some("0".repeat(64))).await.unwrap_err().cause, Cause::NotFound);
    let (_, id) = import(&bench, &[1; 32], after(DAY_S)).await.unwrap();
    let sealed = sealed(&bench).await;
    assert_eq!(take(&bench, Some("0".repeat(64))).await.unwrap_err().cause, Cause::NotFound);
    let key = take(&bench, Some(material_id(&id))).await.unwrap();
    assert_eq!(key.state, KeyState::PendingImport);
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<Ending>().await.len()), (0, 0));
    take(&bench, None).await.expect("what is away stays away");
    assert_eq!(fault(bench.shared(decrypt(named("w"), 1, &sealed, b"")).await), Some(KeyFault::PendingImport));
    assert_eq!(fault(import(&bench, &[2; 32], ImportTerms::default()).await), Some(KeyFault::OtherMaterial));
    let wrong = which(ImportWhich::Known(Some("0".repeat(64))));
    assert_eq!(fault(import(&bench, &[1; 32], wrong).await), Some(KeyFault::OtherMaterial));
    import(&bench, &[1; 32], which(ImportWhich::Known(Some(material_id(&id))))).await.unwrap();
    bench.shared(decrypt(named("w"), 1, &sealed, b"")).await.unwrap();
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<Proof>().await.len()), (1, 0));

    bench.ok("keys/here", json!({})).await;
    let here = KeyOp::DeleteMaterial { key: named("here"), material_id: None };
    assert_eq!(fault(bench.shared(here).await), Some(KeyFault::Usage), "generated here");
}

#[tokio::test]
async fn new_material_waits_for_a_rotation() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    import(&bench, &[1; 32], which(ImportWhich::New)).await.unwrap();
    let first = sealed(&bench).await;
    let rotate = || KeyOp::Rotate { key: named("w"), symmetric_only: true };
    assert_eq!(fault(bench.shared(rotate()).await), Some(KeyFault::Imported), "nothing waits");
    assert_eq!(fault(import(&bench, &[1; 32], which(ImportWhich::New)).await), Some(KeyFault::OtherMaterial));
    for material in [[2; 32], [3; 32]] {
        let (key, _) = import(&bench, &material, which(ImportWhich::New)).await.unwrap();
        assert_eq!((key.latest, key.pending.unwrap().number), (1, 2));
    }
    sealed(&bench).await;
    let KeyAnswer::Key(key) = bench.shared(rotate()).await.unwrap().1 else { panic!() };
    assert_eq!((key.latest, key.pending.is_none()), (2, true));
    let second = sealed(&bench).await;
    bench.shared(decrypt(named("w"), 1, &first, b"")).await.unwrap();
    bench.shared(decrypt(named("w"), 2, &second, b"")).await.unwrap();
    // Without one of them, the key waits; with both again, it is in use.
    let older = material_id(&key.versions[0].id);
    assert_eq!(take(&bench, Some(older)).await.unwrap().state, KeyState::PendingImport);
    assert_eq!(fault(bench.shared(decrypt(named("w"), 2, &second, b"")).await), Some(KeyFault::PendingImport));
    assert_eq!(import(&bench, &[1; 32], ImportTerms::default()).await.unwrap().0.state, KeyState::Enabled);
    bench.shared(decrypt(named("w"), 1, &first, b"")).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_to_be_deleted_takes_no_material() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    import(&bench, &[1; 32], ImportTerms::default()).await.unwrap();
    bench.shared(KeyOp::ScheduleDeletion { key: named("w"), window_s: 7 * DAY_S }).await.unwrap();
    let gone = take(&bench, None).await.unwrap();
    assert!(matches!(gone.state, KeyState::PendingDeletion(_)), "its state stays");
    assert_eq!(fault(import(&bench, &[1; 32], ImportTerms::default()).await), Some(KeyFault::PendingDeletion));
    bench.shared(KeyOp::CancelDeletion { key: named("w") }).await.unwrap();
    assert_eq!(described(&bench).await.state, KeyState::PendingImport);
    assert_eq!(import(&bench, &[1; 32], ImportTerms::default()).await.unwrap().0.state, KeyState::Enabled);
}

#[tokio::test]
async fn other_keys_take_one_material_for_good() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::HmacSha256).await;
    import(&bench, &[1; 32], ImportTerms::default()).await.unwrap();
    for terms in [which(ImportWhich::New), ImportTerms::default()] {
        assert_eq!(fault(import(&bench, &[2; 32], terms).await), Some(KeyFault::OtherMaterial));
    }
    take(&bench, None).await.unwrap();
    import(&bench, &[1; 32], ImportTerms::default()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_goes_takes_what_waits_along() {
    let bench = Bench::new();
    waiting(&bench, KeyAlgorithm::Aes256Gcm).await;
    import(&bench, &[1; 32], after(DAY_S)).await.unwrap();
    import(&bench, &[2; 32], ImportTerms { which: ImportWhich::New, ..after(DAY_S) }).await.unwrap();
    bench.ok("keys/w/config", json!({ "deletion_allowed": true })).await;
    assert!(bench.call("DELETE", "keys/w", "").await.status < 300);
    bench.advance_s(2 * DAY_S);
    create(&bench, KeyAlgorithm::Aes256Gcm).await;
    create(&bench, KeyAlgorithm::Aes256Gcm).await;
    assert_eq!((bench.stored::<Material>().await.len(), bench.stored::<Ending>().await.len()), (2, 0));
}
