//! Resource policies: where they are kept, how long, and what each is asked.

use super::harness::Bench;
use super::shared::{at, batch, create, one};
use cardea_model::operation::{ManySecrets, NewPolicy, PolicyAct, SecretAct};
use cardea_model::{Cause, SecretOp};

const DENY: &str = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}}"#;

fn put() -> SecretAct {
    SecretAct::Policy(PolicyAct::Put(NewPolicy { text: DENY.to_owned(), arn_front: None, not_public: true }))
}

#[tokio::test]
async fn a_policy_leaves_with_its_secret() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    for (method, target, body) in [("DELETE", "metadata/s", ""), ("DELETE", "policy/s", "")] {
        if bench.call("GET", "data/s", "").await.status == 404 {
            create(&bench, "s", Some("one"), "a").await.unwrap();
        }
        one(&bench, "s", put()).await.unwrap();
        assert_eq!(bench.stored("policy").len(), 1);
        assert_eq!(bench.call(method, target, body).await.status, 204);
        assert!(bench.stored("policy").is_empty(), "{target}");
    }
    // So does one that its window removed, with the next write in the mount.
    one(&bench, "s", put()).await.unwrap();
    one(&bench, "s", SecretAct::Delete { recovery_s: Some(60) }).await.unwrap();
    assert_eq!(bench.stored("policy").len(), 1);
    bench.advance_s(61);
    create(&bench, "other", Some("x"), "b").await.unwrap();
    assert!(bench.stored("policy").is_empty());
    // A secret that is written over one that is past is another.
    create(&bench, "s", Some("one"), "a").await.unwrap();
    assert!(one(&bench, "s", SecretAct::Policy(PolicyAct::Read)).await.unwrap().policy.is_none());
}

#[tokio::test]
async fn what_a_policy_hides_is_in_no_batch() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    create(&bench, "open", Some("two"), "b").await.unwrap();
    one(&bench, "s", put()).await.unwrap();
    let named = ["s", "open"].map(|name| (name.to_owned(), at(name))).to_vec();
    let batch = batch(&bench, ManySecrets::Named(named)).await;
    assert_eq!((batch.values.len(), batch.values[0].path.as_str()), (1, "open"));
    assert_eq!((batch.refused[0].0.as_str(), batch.refused[0].1.cause), ("s", Cause::Denied));
    assert_eq!(one(&bench, "s", SecretAct::Policy(PolicyAct::Read)).await.unwrap().policy.as_deref(), Some(DENY));
    bench.lose("policy", &bench.stored("policy")[0]);
    let facts = one(&bench, "s", SecretAct::Policy(PolicyAct::Read)).await.unwrap();
    assert!(facts.policy.is_none() && facts.secret.policy_arn.is_some(), "one that is lost is not none");
}

#[tokio::test]
async fn to_write_one_is_a_name_of_its_own() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    let new = || NewPolicy { text: DENY.to_owned(), arn_front: None, not_public: true };
    for (act, route) in [
        (PolicyAct::Read, "policy-read"),
        (PolicyAct::List, "policy-read"),
        (PolicyAct::Put(new()), "policy-write"),
        (PolicyAct::Check(new()), "policy-write"),
        (PolicyAct::Delete, "policy-delete"),
    ] {
        let (bound, _) = bench.shared(SecretOp::One { secret: at("s"), act: SecretAct::Policy(act) }).await.unwrap();
        assert_eq!((bound.facts.name, bound.path.as_str()), (route, "policy/s"));
    }
}

#[tokio::test]
async fn a_policy_that_names_a_place_is_told_where_the_secret_is() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    let real = "arn:aws:secretsmanager:eu-central-1:999999999999:secret:s-??????";
    let text = DENY.replace(r#""Resource": "*""#, &format!(r#""Resource": "{real}""#));
    let body = |arn: Option<&str>| {
        let text = text.replace('"', "\\\"");
        let arn = arn.map(|arn| format!(r#", "arn": "{arn}""#)).unwrap_or_default();
        format!(r#"{{"policy": "{text}"{arn}}}"#)
    };
    let refused = bench.call("POST", "policy/s", &body(None)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.to_string().contains("field `arn` is missing"), "{}", refused.body);
    assert!(bench.stored("policy").is_empty());
    let placed = bench.call("POST", "policy/s", &body(Some(&real.replace("??????", "AbCdEf")))).await;
    assert!(placed.status < 300, "{}", placed.body);
    // From then on it is known.
    assert!(bench.call("POST", "policy/s", &body(None)).await.status < 300);
}
