//! Operations as other dialects ask for them: the same keys, the same code, the path of the equal route.

use super::harness::Bench;
use crate::transit::model::{Doomed, KeyRecord, Material};
use cardea_crypto::keys::{self, KeyMaterial};
use cardea_model::key::{
    HashAlgorithm, ImportTerms, ImportWhich, ImportedMaterial, KeyAlgorithm, KeyChange, KeyFault, KeyPart, KeySettings,
    KeyState, KeyUsage, NewKey, SealedBlob, SigningScheme,
};
use cardea_model::{Error, KeyAnswer, KeyOp, KeyRef, SecretBytes};
use serde_json::json;
use std::collections::BTreeMap;

pub fn new(algorithm: KeyAlgorithm) -> Box<NewKey> {
    Box::new(NewKey {
        algorithm,
        usages: Vec::new(),
        settings: KeySettings::default(),
        description: String::new(),
        tags: BTreeMap::new(),
        attributes: BTreeMap::new(),
        without_material: false,
        region: None,
        document: None,
    })
}

pub fn named(name: &str) -> KeyRef {
    KeyRef::Name(name.to_owned())
}

pub fn bytes(text: &[u8]) -> SecretBytes {
    SecretBytes::new(text.to_vec())
}

pub fn fault(result: Result<impl Sized, Error>) -> Option<KeyFault> {
    KeyFault::of(&result.err().expect("refused"))
}

pub async fn create(bench: &Bench, algorithm: KeyAlgorithm) -> cardea_model::key::Key {
    match bench.shared(KeyOp::Create { name: None, new: new(algorithm) }).await.unwrap().1 {
        KeyAnswer::Key(key) => *key,
        other => panic!("{other:?}"),
    }
}

pub fn encrypt(key: KeyRef, aad: &[u8]) -> KeyOp {
    KeyOp::Encrypt { key, plaintext: bytes(b"text"), aad: aad.to_vec(), oaep: None }
}

pub fn decrypt(key: KeyRef, version: u64, sealed: &[u8], aad: &[u8]) -> KeyOp {
    KeyOp::Decrypt { key, expected: None, version, sealed: sealed.to_vec(), aad: aad.to_vec(), oaep: None }
}

#[tokio::test]
async fn policies_know_each_operation_by_its_routes_path() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "type": "rsa-2048" })).await;
    let scheme = SigningScheme::RsaPss(HashAlgorithm::Sha256);
    let encrypt =
        |key| KeyOp::Encrypt { key, plaintext: bytes(b"text"), aad: Vec::new(), oaep: Some(HashAlgorithm::Sha1) };
    let sign = KeyOp::Sign { key: named("k"), input: bytes(b"m"), prehashed: false, scheme };
    for (op, route, path) in [
        (KeyOp::Describe { key: named("k"), part: KeyPart::Facts }, "keys-read", "keys/k"),
        (KeyOp::PublicKey { key: named("k") }, "keys-read", "keys/k"),
        (encrypt(named("k")), "encrypt", "encrypt/k"),
        (sign, "sign", "sign/k"),
        (KeyOp::Rotate { key: named("k"), symmetric_only: false }, "keys-rotate", "keys/k/rotate"),
        (KeyOp::Random { bytes: 4 }, "random", "random"),
        (KeyOp::List { after: None, limit: 0, region: None }, "keys-list", "keys/"),
        (
            KeyOp::SetAlias { alias: "a/b".to_owned(), key: named("k"), moves: false, region: None },
            "alias-set",
            "alias/a/b",
        ),
        (encrypt(KeyRef::Alias("a/b".to_owned())), "encrypt", "encrypt/k"),
        (encrypt(KeyRef::Alias("k".to_owned())), "encrypt", "encrypt/k"),
        (KeyOp::ListAliases { after: None, limit: 0, region: None }, "alias-list", "alias/"),
        (KeyOp::DeleteAlias { alias: "a/b".to_owned(), region: None }, "alias-delete", "alias/a/b"),
        (KeyOp::Change { key: named("k"), change: Box::default() }, "keys-config", "keys/k/config"),
        (KeyOp::Create { name: Some("x".to_owned()), new: new(KeyAlgorithm::EcP256) }, "keys-create", "keys/x"),
        (KeyOp::Create { name: None, new: new(KeyAlgorithm::EcP256) }, "key-create", "keys"),
    ] {
        let (bound, _) = bench.shared(op).await.unwrap();
        assert_eq!((bound.facts.name, bound.path.as_str()), (route, path));
    }
}

#[tokio::test]
async fn both_wires_use_one_key() {
    let bench = Bench::new();
    let key = create(&bench, KeyAlgorithm::Aes256Gcm).await;
    assert_eq!(key.name, key.id);
    let by_id = KeyRef::Id(key.id.clone());
    let KeyAnswer::Encrypted { used, sealed } = bench.shared(encrypt(by_id.clone(), b"")).await.unwrap().1 else {
        panic!();
    };
    assert_eq!((used.key_id.as_str(), used.version), (key.id.as_str(), 1));
    // What the other dialect sealed, this one opens, in either spelling.
    let blob = SealedBlob { key_id: key.id.clone(), version: 1, sealed: sealed.clone() }.encode().unwrap();
    for text in
        [crate::transit::forms::encoded(&blob).expose().to_owned(), crate::transit::forms::tagged(1, &sealed, false)]
    {
        let plain = bench.ok(&format!("decrypt/{}", key.name), json!({ "ciphertext": text })).await;
        assert_eq!(plain["plaintext"], "dGV4dA==");
    }
    let foreign = SealedBlob { key_id: "0f1e2d3c-4b5a-4697-8877-665544332211".to_owned(), version: 1, sealed };
    let text = crate::transit::forms::encoded(&foreign.encode().unwrap()).expose().to_owned();
    let refused = bench.post(&format!("decrypt/{}", key.name), json!({ "ciphertext": text })).await;
    assert_eq!(refused.error(), "invalid ciphertext: sealed with another key");
    // And the other way round.
    let made = bench.ok(&format!("encrypt/{}", key.name), json!({ "plaintext": "dGV4dA==" })).await;
    let (version, sealed) = crate::transit::forms::untagged(made["ciphertext"].as_str().unwrap(), "x", false).unwrap();
    let KeyAnswer::Decrypted { plaintext, .. } =
        bench.shared(decrypt(by_id.clone(), version, &sealed, b"")).await.unwrap().1
    else {
        panic!();
    };
    assert_eq!(plaintext.expose(), b"text");
    assert_eq!(fault(bench.shared(decrypt(by_id, version, &sealed, b"x")).await), Some(KeyFault::Ciphertext));
}

#[tokio::test]
async fn signatures_cross_wires() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "type": "ecdsa-p256" })).await;
    let scheme = SigningScheme::Ecdsa(HashAlgorithm::Sha256);
    let made = bench.ok("sign/k", json!({ "input": "dGV4dA==" })).await;
    let (_, signature) = crate::transit::forms::untagged(made["signature"].as_str().unwrap(), "x", false).unwrap();
    bench.ok("keys/k/rotate", json!({})).await;
    let verify = |input: &[u8], prehashed| KeyOp::Verify {
        key: named("k"),
        input: bytes(input),
        prehashed,
        scheme,
        signature: signature.clone(),
    };
    let digest = keys::hash(HashAlgorithm::Sha256, b"text");
    for (op, expected) in
        [(verify(b"text", false), true), (verify(&digest, true), true), (verify(b"other", false), false)]
    {
        let KeyAnswer::Verified { used, valid } = bench.shared(op).await.unwrap().1 else { panic!() };
        assert_eq!(valid, expected);
        assert!(!valid || used.version == 1, "the version that signed");
    }
    assert_eq!(fault(bench.shared(verify(b"short", true)).await), Some(KeyFault::DigestLength));
    let KeyAnswer::PublicKey { spki, key, .. } = bench.shared(KeyOp::PublicKey { key: named("k") }).await.unwrap().1
    else {
        panic!();
    };
    assert!(KeyMaterial::import_public(key.algorithm, &spki).is_ok());
}

#[tokio::test]
async fn states_forbid_uses() {
    let bench = Bench::new();
    let key = create(&bench, KeyAlgorithm::Aes256Gcm).await;
    let at = named(&key.name);
    let KeyAnswer::Encrypted { sealed, .. } = bench.shared(encrypt(at.clone(), b"")).await.unwrap().1 else { panic!() };
    let set = |enabled| KeyOp::Change {
        key: at.clone(),
        change: Box::new(KeyChange { enabled: Some(enabled), ..KeyChange::default() }),
    };
    bench.shared(set(false)).await.unwrap();
    assert_eq!(fault(bench.shared(encrypt(at.clone(), b"")).await), Some(KeyFault::Disabled));
    assert_eq!(fault(bench.shared(decrypt(at.clone(), 1, &sealed, b"")).await), Some(KeyFault::Disabled));
    assert_eq!(
        bench.post(&format!("encrypt/{}", key.name), json!({ "plaintext": "" })).await.error(),
        "key is disabled"
    );
    bench.shared(set(true)).await.unwrap();
    bench.shared(decrypt(at.clone(), 1, &sealed, b"")).await.unwrap();

    const WINDOW_S: u64 = 7 * 86_400;
    bench.shared(KeyOp::ScheduleDeletion { key: at.clone(), window_s: WINDOW_S }).await.unwrap();
    assert_eq!(fault(bench.shared(encrypt(at.clone(), b"")).await), Some(KeyFault::PendingDeletion));
    assert_eq!(fault(bench.shared(set(true)).await), Some(KeyFault::PendingDeletion));
    let KeyAnswer::Key(back) = bench.shared(KeyOp::CancelDeletion { key: at.clone() }).await.unwrap().1 else {
        panic!()
    };
    assert_eq!(back.state, KeyState::Disabled);
    bench.shared(KeyOp::ScheduleDeletion { key: at.clone(), window_s: WINDOW_S }).await.unwrap();
    bench.advance_s(8 * 86_400);
    for op in [
        KeyOp::Describe { key: at.clone(), part: KeyPart::Facts },
        KeyOp::CancelDeletion { key: at.clone() },
        encrypt(at, b""),
    ] {
        assert_eq!(bench.shared(op).await.err().unwrap().cause, cardea_model::Cause::NotFound, "its time has come");
    }
}

#[tokio::test]
async fn usages_are_kept() {
    let bench = Bench::new();
    let mut only_sign = new(KeyAlgorithm::Rsa2048);
    only_sign.usages = vec![KeyUsage::Sign];
    bench.shared(KeyOp::Create { name: Some("s".to_owned()), new: only_sign }).await.unwrap();
    assert_eq!(fault(bench.shared(encrypt(named("s"), b"")).await), Some(KeyFault::Usage));
    assert_eq!(bench.post("encrypt/s", json!({ "plaintext": "" })).await.status, 400);
    let mac = KeyOp::Mac { key: named("s"), input: bytes(b"m"), hash: HashAlgorithm::Sha256 };
    assert_eq!(fault(bench.shared(mac).await), Some(KeyFault::Usage));
    let mut wrong = new(KeyAlgorithm::Rsa2048);
    wrong.usages = vec![KeyUsage::Mac];
    assert_eq!(fault(bench.shared(KeyOp::Create { name: None, new: wrong }).await), Some(KeyFault::Usage));
    let again = KeyOp::Create { name: Some("s".to_owned()), new: new(KeyAlgorithm::Aes256Gcm) };
    assert_eq!(fault(bench.shared(again).await), Some(KeyFault::Exists));
}

#[tokio::test]
async fn data_keys_macs_and_shared_secrets() {
    let bench = Bench::new();
    let aes = create(&bench, KeyAlgorithm::Aes256Gcm).await;
    for with_plaintext in [true, false] {
        let op = KeyOp::GenerateDataKey { key: named(&aes.name), bytes: 24, aad: b"c".to_vec(), with_plaintext };
        let (bound, answer) = bench.shared(op).await.unwrap();
        let kind = if with_plaintext { "plaintext" } else { "wrapped" };
        assert_eq!(bound.path, format!("datakey/{kind}/{}", aes.name));
        let KeyAnswer::DataKey { plaintext, sealed, .. } = answer else { panic!() };
        let KeyAnswer::Decrypted { plaintext: opened, .. } =
            bench.shared(decrypt(named(&aes.name), 0, &sealed, b"c")).await.unwrap().1
        else {
            panic!();
        };
        assert_eq!(plaintext.as_ref().map(SecretBytes::len), with_plaintext.then_some(24));
        assert!(plaintext.is_none_or(|plaintext| plaintext.expose() == opened.expose()));
    }
    let mac_key = create(&bench, KeyAlgorithm::HmacSha384).await;
    let mac = KeyOp::Mac { key: named(&mac_key.name), input: bytes(b"m"), hash: HashAlgorithm::Sha384 };
    let KeyAnswer::Mac { mac, .. } = bench.shared(mac).await.unwrap().1 else { panic!() };
    for (input, valid) in [(b"m", true), (b"n", false)] {
        let key = named(&mac_key.name);
        let op = KeyOp::VerifyMac { key, input: bytes(input), hash: HashAlgorithm::Sha384, mac: mac.clone() };
        let KeyAnswer::Verified { valid: found, .. } = bench.shared(op).await.unwrap().1 else { panic!() };
        assert_eq!(found, valid);
    }
    let kem = create(&bench, KeyAlgorithm::MlKem768).await;
    let op = KeyOp::Encapsulate { key: named(&kem.name) };
    let KeyAnswer::Shared { secret, ciphertext, .. } = bench.shared(op).await.unwrap().1 else { panic!() };
    let op = KeyOp::Decapsulate { key: named(&kem.name), ciphertext: ciphertext.unwrap() };
    let KeyAnswer::Shared { secret: again, .. } = bench.shared(op).await.unwrap().1 else { panic!() };
    assert_eq!(secret.expose(), again.expose());
    let ec = create(&bench, KeyAlgorithm::EcP384).await;
    let peer = KeyMaterial::generate(KeyAlgorithm::EcP384, 0, &cardea_crypto::random::SystemRandomness).unwrap();
    let op = KeyOp::Agree { key: named(&ec.name), peer_spki: peer.spki().unwrap().to_vec() };
    let KeyAnswer::Shared { secret, .. } = bench.shared(op).await.unwrap().1 else { panic!() };
    let KeyAnswer::PublicKey { spki, .. } = bench.shared(KeyOp::PublicKey { key: named(&ec.name) }).await.unwrap().1
    else {
        panic!();
    };
    assert_eq!(peer.agree(&spki).unwrap().expose(), secret.expose());
}

#[tokio::test]
async fn re_encryption_asks_about_the_second_key_too() {
    let mut bench = Bench::new();
    bench.ok("keys/a", json!({})).await;
    bench.ok("keys/b", json!({})).await;
    bench.ok("keys/c", json!({})).await;
    let KeyAnswer::Encrypted { sealed, .. } = bench.shared(encrypt(named("a"), b"1")).await.unwrap().1 else {
        panic!()
    };
    bench.deny("transit/encrypt/c");
    let again = |to: &str| KeyOp::ReEncrypt {
        key: named("a"),
        expected: None,
        version: 1,
        sealed: sealed.clone(),
        aad: b"1".to_vec(),
        oaep: None,
        to: KeyRef::Alias(to.to_owned()),
        to_aad: b"2".to_vec(),
        to_oaep: None,
    };
    let (bound, answer) = bench.shared(again("b")).await.unwrap();
    assert_eq!(bound.path, "decrypt/a");
    let KeyAnswer::ReEncrypted { from, used, sealed: moved } = answer else { panic!() };
    assert_eq!((from.name.as_str(), used.name.as_str()), ("a", "b"));
    bench.shared(decrypt(named("b"), 1, &moved, b"2")).await.unwrap();
    assert_eq!(bench.shared(again("c")).await.err().unwrap().cause, cardea_model::Cause::Denied);
}

#[tokio::test]
async fn keys_that_wait_for_material_take_it_once_it_comes() {
    let bench = Bench::new();
    let mut waiting = new(KeyAlgorithm::Aes256Gcm);
    waiting.without_material = true;
    bench.shared(KeyOp::Create { name: Some("w".to_owned()), new: waiting }).await.unwrap();
    assert_eq!(fault(bench.shared(encrypt(named("w"), b"")).await), Some(KeyFault::PendingImport));
    let import = |material: &[u8]| KeyOp::Import {
        key: named("w"),
        material: ImportedMaterial::Plain(bytes(material)),
        terms: ImportTerms::default(),
    };
    assert_eq!(fault(bench.shared(import(&[1; 31])).await), Some(KeyFault::Material));
    bench.shared(import(&[1; 32])).await.unwrap();
    bench.shared(encrypt(named("w"), b"")).await.unwrap();
    assert_eq!(
        fault(bench.shared(KeyOp::Rotate { key: named("w"), symmetric_only: false }).await),
        Some(KeyFault::Imported)
    );
}

#[tokio::test]
async fn awaited_material_comes_under_its_own_wrapping_key_and_token() {
    let bench = Bench::new();
    let mut waiting = new(KeyAlgorithm::Aes256Gcm);
    waiting.without_material = true;
    bench.shared(KeyOp::Create { name: Some("w".to_owned()), new: waiting }).await.unwrap();
    bench.ok("keys/here", json!({})).await;
    let ask = |name: &str| KeyOp::ImportParameters { key: named(name), wrapping: KeyAlgorithm::Rsa2048 };
    assert_eq!(fault(bench.shared(ask("here")).await), Some(KeyFault::Usage), "generated here");
    let parameters = async || match bench.shared(ask("w")).await.unwrap().1 {
        KeyAnswer::ImportParameters { wrapping_spki, token, .. } => (wrapping_spki, token),
        other => panic!("{other:?}"),
    };
    let (old_spki, old_token) = parameters().await;
    let (spki, token) = parameters().await;
    let hash = HashAlgorithm::Sha256;
    let wrap = |spki: &[u8]| {
        let wrapping = KeyMaterial::import_public(KeyAlgorithm::Rsa2048, spki).unwrap();
        wrapping.rsa_encrypt(hash, &[3; 32]).unwrap()
    };
    let import = |token: &[u8], wrapped: Vec<u8>| KeyOp::Import {
        key: named("w"),
        material: ImportedMaterial::Oaep { token: token.to_vec(), hash, wrapped },
        terms: ImportTerms::default(),
    };
    for (op, expected) in [
        (import(&old_token, wrap(&old_spki)), KeyFault::ImportToken),
        (import(&old_token, wrap(&spki)), KeyFault::ImportToken),
        (import(&token, wrap(&old_spki)), KeyFault::WrappedMaterial),
    ] {
        assert_eq!(fault(bench.shared(op).await), Some(expected));
    }
    bench.advance_s(86_400);
    assert_eq!(fault(bench.shared(import(&token, wrap(&spki))).await), Some(KeyFault::ImportToken), "a day later");
    let (spki, token) = parameters().await;
    bench.shared(import(&token, wrap(&spki))).await.unwrap();
    bench.shared(encrypt(named("w"), b"")).await.unwrap();
    let wrapping = KeyMaterial::import_public(KeyAlgorithm::Rsa2048, &spki).unwrap();
    let wrapped =
        [wrapping.rsa_encrypt(hash, &[7; 32]).unwrap(), keys::wrap_padded(&[7; 32], &[4; 32]).unwrap()].concat();
    let material = ImportedMaterial::OaepAes { token, hash, wrapped };
    let terms = ImportTerms { which: ImportWhich::New, ..ImportTerms::default() };
    bench.shared(KeyOp::Import { key: named("w"), material, terms }).await.unwrap();
    let rotate = KeyOp::Rotate { key: named("w"), symmetric_only: true };
    let KeyAnswer::Key(key) = bench.shared(rotate).await.unwrap().1 else { panic!() };
    assert_eq!(key.latest, 2);
}

#[tokio::test]
async fn data_key_pairs_are_sealed_whole() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    for (algorithm, with_plaintext) in [(KeyAlgorithm::EcP256, true), (KeyAlgorithm::Ed25519, false)] {
        let op = KeyOp::GenerateDataKeyPair { key: named("k"), algorithm, aad: b"c".to_vec(), with_plaintext };
        let KeyAnswer::DataKeyPair { spki, plaintext, sealed, .. } = bench.shared(op).await.unwrap().1 else {
            panic!()
        };
        let KeyAnswer::Decrypted { plaintext: opened, .. } =
            bench.shared(decrypt(named("k"), 1, &sealed, b"c")).await.unwrap().1
        else {
            panic!();
        };
        assert_eq!(KeyMaterial::import(algorithm, opened.expose()).unwrap().spki().unwrap(), spki);
        assert_eq!(plaintext.is_some(), with_plaintext);
    }
    let op = KeyOp::GenerateDataKeyPair {
        key: named("k"),
        algorithm: KeyAlgorithm::Hmac,
        aad: Vec::new(),
        with_plaintext: true,
    };
    assert_eq!(fault(bench.shared(op).await), Some(KeyFault::Usage));
}

#[tokio::test]
async fn aliases_are_made_once_and_moved_on_purpose() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        bench.ok(&format!("keys/{name}"), json!({})).await;
    }
    let set = |alias: &str, key: &str, moves| KeyOp::SetAlias {
        alias: alias.to_owned(),
        key: named(key),
        moves,
        region: None,
    };
    assert_eq!(bench.shared(set("x", "a", true)).await.err().unwrap().cause, cardea_model::Cause::NotFound);
    bench.shared(set("x", "a", false)).await.unwrap();
    for taken in ["x", "b"] {
        assert_eq!(fault(bench.shared(set(taken, "a", false)).await), Some(KeyFault::Exists), "{taken}");
    }
    bench.shared(set("x", "b", true)).await.unwrap();
    let KeyAnswer::Key(found) =
        bench.shared(KeyOp::Describe { key: KeyRef::Alias("x".to_owned()), part: KeyPart::Facts }).await.unwrap().1
    else {
        panic!()
    };
    assert_eq!(found.name, "b");
    // What is about to be gone gets no alias; one that has some can lose it.
    bench.shared(KeyOp::ScheduleDeletion { key: named("a"), window_s: 7 * 86_400 }).await.unwrap();
    for (alias, moves) in [("y", false), ("x", true)] {
        let refused = bench.shared(set(alias, "a", moves)).await;
        assert_eq!(fault(refused), Some(KeyFault::PendingDeletion), "{alias}");
    }
    bench.ok("keys/x", json!({})).await;
    bench.ok("keys/b/config", json!({ "deletion_allowed": true })).await;
    bench.call("DELETE", "keys/b", "").await;
    let KeyAnswer::Key(found) =
        bench.shared(KeyOp::Describe { key: KeyRef::Alias("x".to_owned()), part: KeyPart::Facts }).await.unwrap().1
    else {
        panic!()
    };
    assert_eq!(found.name, "x", "an alias whose key is gone hides no key");
}

#[tokio::test]
async fn what_a_bearer_takes_a_ciphertext_for_is_checked() {
    let bench = Bench::new();
    bench.ok("keys/a", json!({})).await;
    bench.ok("keys/b", json!({})).await;
    let KeyAnswer::Encrypted { sealed, .. } = bench.shared(encrypt(named("a"), b"")).await.unwrap().1 else { panic!() };
    let as_key = |expected: &str| KeyOp::Decrypt {
        key: named("a"),
        expected: Some(KeyRef::Alias(expected.to_owned())),
        version: 1,
        sealed: sealed.clone(),
        aad: Vec::new(),
        oaep: None,
    };
    bench.shared(as_key("a")).await.unwrap();
    assert_eq!(fault(bench.shared(as_key("b")).await), Some(KeyFault::OtherKey));
    assert_eq!(bench.shared(as_key("none")).await.err().unwrap().cause, cardea_model::Cause::NotFound);
    let by_rsa = KeyOp::Encrypt {
        key: named("a"),
        plaintext: bytes(b"text"),
        aad: Vec::new(),
        oaep: Some(HashAlgorithm::Sha256),
    };
    assert_eq!(fault(bench.shared(by_rsa).await), Some(KeyFault::Usage));
    bench.ok("keys/r", json!({ "type": "rsa-2048" })).await;
    let only = KeyOp::Rotate { key: named("r"), symmetric_only: true };
    assert_eq!(fault(bench.shared(only).await), Some(KeyFault::Usage));
}

#[tokio::test]
async fn a_key_whose_time_has_come_leaves_nothing_behind() {
    let bench = Bench::new();
    let (one, two) = (create(&bench, KeyAlgorithm::Aes256Gcm).await, create(&bench, KeyAlgorithm::Aes256Gcm).await);
    for _ in 0..20 {
        bench.ok(&format!("keys/{}/rotate", one.name), json!({})).await;
    }
    let schedule = |key: &str, days: u64| KeyOp::ScheduleDeletion { key: named(key), window_s: days * 86_400 };
    bench.shared(schedule(&one.name, 7)).await.unwrap();
    bench.shared(schedule(&two.name, 8)).await.unwrap();
    bench.shared(KeyOp::CancelDeletion { key: named(&two.name) }).await.unwrap();
    assert_eq!(bench.stored::<Doomed>().await.len(), 1, "what is cancelled is not doomed");
    bench.advance_s(7 * 86_400 - 1);
    bench.ok("keys/early", json!({})).await;
    assert_eq!(bench.stored::<KeyRecord>().await.len(), 3);
    bench.advance_s(1);
    for n in 0..5 {
        bench.ok(&format!("keys/late{n}"), json!({})).await;
    }
    assert!(!bench.stored::<KeyRecord>().await.contains(&one.name));
    assert!(!bench.stored::<Material>().await.iter().any(|name| name.starts_with(&one.id)));
    assert!(bench.stored::<Material>().await.iter().any(|name| name.starts_with(&two.id)));
    assert!(bench.stored::<Doomed>().await.is_empty());
}
