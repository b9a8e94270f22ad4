//! Documents and grants of keys: every operation about one key has its actions, and grants are kept, counted and removed.

use super::harness::Bench;
use crate::transit::grants::OF_GRANTEE_MAX;
use crate::transit::model::{GrantPointer, GrantPurge, GrantsOf, KeyRecord, Retirable, StoredDocument};
use crate::transit::routes::{Op, ROUTES};
use cardea_model::key::{
    EncryptionContext, GrantConstraint, GrantOperation, GrantToken, Key, KeyFault, NewDocument, NewGrant, authenticated,
};
use cardea_model::{Cause, Error, KeyAnswer, KeyOp, KeyRef, Params, SecretBytes};
use cardea_sdk::Bound;
use serde_json::{Value, json};

const FRONT: &str = "arn:aws:kms:eu-central-1:123456789012:key/";
const ALICE: &str = "arn:aws:iam::123456789012:user/entity/alice";

fn named(name: &str) -> KeyRef {
    KeyRef::Name(name.to_owned())
}

fn new(grantee: &str, name: Option<&str>) -> NewGrant {
    NewGrant {
        grantee: grantee.to_owned(),
        retiring: Some(ALICE.to_owned()),
        operations: vec![GrantOperation::Decrypt],
        constraint: None,
        name: name.map(str::to_owned),
        arn_front: FRONT.to_owned(),
    }
}

fn making(key: &str, new: NewGrant) -> KeyOp {
    KeyOp::CreateGrant { key: named(key), new: Box::new(new), dry_run: false }
}

async fn grant(bench: &Bench, key: &str, new: NewGrant) -> Result<(String, Vec<u8>), Error> {
    match bench.shared(making(key, new)).await?.1 {
        KeyAnswer::Granted { grant, token } => Ok((grant, token)),
        other => panic!("{other:?}"),
    }
}

fn fault<T>(result: Result<T, Error>) -> Option<KeyFault> {
    KeyFault::of(&result.err().expect("refused"))
}

fn document(text: &str) -> KeyOp {
    let document = NewDocument { text: text.to_owned(), arn_front: FRONT.to_owned(), bypass: true };
    KeyOp::SetDocument { key: named("k"), document: Box::new(document) }
}

const TEXT: &str = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}"#;

/// A request that a route binds, made of its pattern and its example.
fn bound(pattern: &'static str, example: &str, bind: fn(&Params) -> Result<Bound<Op>, Error>) -> Option<Op> {
    let mut body: Value = serde_json::from_str(example).unwrap_or_else(|_| json!({}));
    let ciphertext = if pattern.contains("import") { "eA==" } else { "vault:v1:eA==" };
    for (member, value) in
        [("ciphertext", ciphertext), ("plaintext", "eA=="), ("input", "eA=="), ("backup", "eA=="), ("policy", TEXT)]
    {
        if body.get(member).is_some() {
            body[member] = json!(value);
        }
    }
    let path: Vec<&str> = pattern
        .split('/')
        .map(|piece| match piece {
            "{kind}" if pattern.starts_with("datakey") => "plaintext",
            "{kind}" => "encryption-key",
            "{version}" => "1",
            "{url_algorithm}" => "sha2-256",
            "{url_bytes}" => "8",
            "{source}" if pattern.starts_with("random") => "all",
            piece if piece.starts_with('{') => "k",
            piece => piece,
        })
        .collect();
    let found = cardea_sdk::pattern::bind(pattern, &path.join("/")).unwrap();
    let mut params = Params::from_json(body.to_string().as_bytes()).unwrap();
    params.set_captures(found.captures);
    bind(&params).ok().map(|bound| bound.op)
}

#[tokio::test]
async fn every_route_about_one_key_has_its_actions() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "exportable": true, "allow_plaintext_backup": true })).await;
    bench.shared(document(TEXT)).await.unwrap();
    // About no key, or about all of them.
    let none = [
        "keys-list",
        "wrapping-key",
        "cache-config-read",
        "cache-config-write",
        "config-read",
        "config-write",
        "hash",
        "hash-with",
        "random",
        "random-of",
        "random-from",
    ];
    for route in ROUTES {
        let facts = &route.facts;
        // What it is about stands in what is brought.
        if facts.name == "restore" {
            continue;
        }
        let op =
            bound(facts.pattern, facts.example, route.bind).unwrap_or_else(|| panic!("{} was not bound", facts.name));
        let questions = bench.questions(&op).await;
        assert_eq!(questions.is_empty(), none.contains(&facts.name), "{}", facts.name);
        assert!(questions.iter().all(|question| question.starts_with("kms:")), "{}: {questions:?}", facts.name);
    }
    let backup = bench.call("GET", "backup/k", "").await.member("backup");
    let restore = Op::Restore { name: None, backup: cardea_model::SecretText::new(backup), force: true };
    assert!(bench.questions(&restore).await.contains(&"kms:PutKeyPolicy"), "the name is in what is brought");
}

#[tokio::test]
async fn items_of_a_batch_are_asked_about_by_their_contexts() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    bench.shared(document(TEXT)).await.unwrap();
    let data = |pairs: &[(&str, &str)]| {
        use base64::Engine as _;
        let context: EncryptionContext =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        base64::engine::general_purpose::STANDARD.encode(authenticated(&context).unwrap())
    };
    let item = |data: &str| json!({ "ciphertext": "vault:v1:eA==", "associated_data": data });
    let body = json!({ "batch_input": [item(&data(&[("a", "b")])), item(&data(&[("a", "b")])), item("eA=="), item(&data(&[]))] });
    let route = ROUTES.iter().find(|route| route.facts.name == "decrypt").unwrap();
    let mut params = Params::from_json(body.to_string().as_bytes()).unwrap();
    params.set_captures(vec![("name", "k".to_owned())]);
    let op = (route.bind)(&params).unwrap().op;
    assert_eq!(
        bench.questions(&op).await,
        ["kms:Decrypt"; 3],
        "one of each: a context, none, and something that is none"
    );
}

#[tokio::test]
async fn grants_are_kept_by_grantee_and_counted() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    let (first, token) = grant(&bench, "k", new("g", Some("n"))).await.unwrap();
    assert_eq!(grant(&bench, "k", new("g", Some("n"))).await.unwrap().0, first);
    let mut other = new("g", Some("n"));
    other.constraint = Some(GrantConstraint::Equals(EncryptionContext::new()));
    assert_ne!(grant(&bench, "k", other).await.unwrap().0, first, "another content is another grant");
    for _ in 0..OF_GRANTEE_MAX - 2 {
        grant(&bench, "k", new("g", None)).await.unwrap();
    }
    assert_eq!(fault(grant(&bench, "k", new("g", None)).await), Some(KeyFault::TooManyGrants));
    grant(&bench, "k", new("h", None)).await.unwrap();

    // Tokens are of grants that there are, and no other.
    let shown = |bytes: &[u8]| KeyOp::WithTokens {
        tokens: vec![GrantToken::decode(bytes).unwrap()],
        op: Box::new(KeyOp::Document { key: named("k") }),
    };
    bench.shared(shown(&token)).await.unwrap();
    let mut forged = token.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(fault(bench.shared(shown(&forged)).await), Some(KeyFault::GrantToken));
    let token_of_nothing = GrantToken {
        key: KeyRef::Id("0f1e2d3c-4b5a-4697-8877-665544332211".to_owned()),
        grant_id: "0".repeat(64),
        proof: SecretBytes::new(vec![0; 48]),
    };
    assert_eq!(fault(bench.shared(shown(&token_of_nothing.encode())).await), Some(KeyFault::GrantToken));

    let end = |dry_run| KeyOp::EndGrant { key: named("k"), grant: first.clone(), retires: false, dry_run };
    bench.shared(end(true)).await.unwrap();
    bench.shared(shown(&token)).await.unwrap();
    bench.shared(end(false)).await.unwrap();
    assert_eq!(fault(bench.shared(shown(&token)).await), Some(KeyFault::GrantToken));
    assert_eq!(fault(bench.shared(end(false)).await), Some(KeyFault::NoGrant));
    assert_eq!(bench.call("GET", &format!("keys/k/grants/{first}"), "").await.status, 404);
    assert_eq!(bench.stored::<Retirable>().await.len(), OF_GRANTEE_MAX);
}

#[tokio::test]
async fn what_a_key_cannot_do_no_grant_allows() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    bench.ok("keys/signer", json!({ "type": "ed25519" })).await;
    let with = |operation, constraint| NewGrant { operations: vec![operation], constraint, ..new("g", None) };
    for (key, operation) in
        [("k", GrantOperation::Sign), ("k", GrantOperation::GetPublicKey), ("signer", GrantOperation::Decrypt)]
    {
        assert_eq!(
            fault(grant(&bench, key, with(operation, None)).await),
            Some(KeyFault::GrantOperation),
            "{operation:?}"
        );
    }
    let bound = Some(GrantConstraint::Equals(EncryptionContext::new()));
    assert_eq!(fault(grant(&bench, "signer", with(GrantOperation::Sign, bound)).await), Some(KeyFault::GrantOperation));
    grant(&bench, "signer", with(GrantOperation::Sign, None)).await.unwrap();
    bench.ok("keys/k/soft-delete", json!({})).await;
    assert_eq!(fault(grant(&bench, "k", new("g", None)).await), Some(KeyFault::SoftDeleted));
    let none = bench.shared(making("none", new("g", None))).await.err().unwrap();
    assert_eq!(none.cause, Cause::NotFound);
}

#[tokio::test]
async fn what_is_attached_ends_with_its_key() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "exportable": true, "allow_plaintext_backup": true })).await;
    bench.shared(document(TEXT)).await.unwrap();
    for n in 0..20 {
        grant(&bench, "k", new(&format!("g{n}"), None)).await.unwrap();
    }
    let KeyAnswer::Key(key) =
        bench.shared(KeyOp::Describe { key: named("k"), part: cardea_model::key::KeyPart::Facts }).await.unwrap().1
    else {
        panic!()
    };
    assert_eq!(key.attached.arn, format!("{FRONT}{}", key.id));
    let backup = bench.call("GET", "backup/k", "").await.member("backup");
    bench.ok("keys/k/config", json!({ "deletion_allowed": true })).await;
    assert_eq!(bench.call("DELETE", "keys/k", "").await.status, 204);
    assert!(bench.stored::<StoredDocument>().await.is_empty());
    assert_eq!(bench.stored::<GrantPurge>().await.len(), 1);
    // It comes back alone, whatever waits to be removed.
    bench.ok("restore", json!({ "backup": backup })).await;
    let mut restored: Option<Key> = None;
    bench.tamper::<KeyRecord>("k", |record| restored = Some(record.0.clone())).await;
    let restored = restored.unwrap();
    assert!(restored.attached.is_none());
    for _ in 0..4 {
        bench.ok("keys/k/rotate", json!({})).await;
    }
    assert!(bench.stored::<GrantPointer>().await.is_empty());
    assert!(bench.stored::<GrantsOf>().await.is_empty());
    assert!(bench.stored::<Retirable>().await.is_empty());
    assert!(bench.stored::<GrantPurge>().await.is_empty());
}

#[tokio::test]
async fn a_document_of_another_release_is_unreadable_and_kept() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    bench.shared(document(TEXT)).await.unwrap();
    let ids = bench.stored::<StoredDocument>().await;
    bench.tamper::<StoredDocument>(&ids[0], |stored| stored.text = "{}".to_owned()).await;
    assert_eq!(bench.call("GET", "keys/k/policy", "").await.data()["policy"], "{}");
    let op = Op::Shared(KeyOp::Document { key: named("k") });
    assert!(bench.is_unreadable(&op).await);
    let refused = bench.call("POST", "keys/k/policy", &json!({ "policy": "{}" }).to_string()).await;
    assert!(refused.error().starts_with("the policy document is not valid"), "{refused:?}");
}
