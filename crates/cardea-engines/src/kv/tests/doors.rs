//! What one door refuses, another must not grant.

use super::harness::Bench;
use super::shared::{all, create, is_fault, list, move_stage, names, one, token};
use crate::kv::query::{LOOKED_AT_MAX, OF_POLICY, WALKED_MAX};
use cardea_model::operation::{NewVersion, SecretAct, SecretOrder, SecretQuery};
use cardea_model::secret::{STAGE_CURRENT, SecretCursor, SecretFacts, SecretFault, SecretValue};
use cardea_model::{Cause, Error};

async fn put(bench: &Bench, value: &str, word: &str, stages: &[&str]) -> Result<Box<SecretFacts>, Error> {
    let stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
    let value = SecretValue::of_text(value).unwrap();
    one(bench, "s", SecretAct::Put(NewVersion { value, version_id: token(word), stages })).await
}

#[tokio::test]
async fn check_and_set_and_deletion_hold_at_every_door() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "two", "b", &["blue"]).await.unwrap();
    bench.call("POST", "metadata/s", r#"{"cas_required":true}"#).await;
    let refused = move_stage(&bench, STAGE_CURRENT, Some("a"), Some("b")).await;
    assert_eq!(refused.err().unwrap().cause, Cause::Invalid);
    bench.call("POST", "destroy/s", r#"{"versions":[2]}"#).await;
    is_fault(put(&bench, "two", "b", &[]).await, SecretFault::TokenTaken);
    bench.call("POST", "delete/s", r#"{"versions":[1]}"#).await;
    is_fault(put(&bench, "one", "a", &[]).await, SecretFault::TokenTaken);
}

#[tokio::test]
async fn what_was_only_prepared_has_no_number_at_vaults_door() {
    let bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "two", "b", &["blue"]).await.unwrap();
    put(&bench, "three", "c", &["AWSPENDING"]).await.unwrap();
    put(&bench, "four", "d", &["AWSPENDING"]).await.unwrap();
    let status = async |number: u64| bench.call("GET", &format!("data/s?version={number}"), "").await.status;
    for (number, expected) in [(1, 200), (2, 404), (3, 404), (4, 404)] {
        assert_eq!(status(number).await, expected, "version {number}");
    }
    move_stage(&bench, STAGE_CURRENT, Some("a"), Some("b")).await.unwrap();
    move_stage(&bench, STAGE_CURRENT, Some("b"), Some("a")).await.unwrap();
    assert_eq!((status(1).await, status(2).await), (200, 200), "what was current once has a number");
}

#[tokio::test]
async fn a_token_sent_again_confirms_no_guess_to_who_may_not_read() {
    let mut bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    put(&bench, "two", "b", &[]).await.unwrap();
    bench.deny("secret/data/s");
    put(&bench, "two", "b", &[]).await.unwrap();
    is_fault(put(&bench, "three", "b", &[]).await, SecretFault::TokenTaken);
    bench.caller_is_called_the_same();
    is_fault(put(&bench, "two", "b", &[]).await, SecretFault::TokenTaken);
    bench.caller_is("mallory".to_owned());
    is_fault(put(&bench, "two", "b", &[]).await, SecretFault::TokenTaken);
    is_fault(create(&bench, "s", Some("one"), "a").await, SecretFault::Exists);
    bench.caller_is(String::new());
    is_fault(put(&bench, "two", "b", &[]).await, SecretFault::TokenTaken);
}

#[tokio::test]
async fn who_may_read_a_value_may_send_it_again() {
    let mut bench = Bench::new();
    create(&bench, "s", Some("one"), "a").await.unwrap();
    bench.caller_is("bob".to_owned());
    put(&bench, "one", "a", &[]).await.unwrap();
}

#[tokio::test]
async fn lists_walk_where_grants_lead_and_count_what_is_seen() {
    let mut bench = Bench::new();
    for name in ["a", "b/1", "b/2", "c", "d/x/1", "e"] {
        create(&bench, name, Some("v"), "a").await.unwrap();
    }
    bench.lead_to(&["secret/metadata/b/", "secret/metadata/d/x", "secret/metadata/e"]);
    assert_eq!(names(&list(&bench, all()).await.unwrap()), ["b/1", "b/2", "d/x/1", "e"]);
    let mut pages = Vec::new();
    let mut next = Some(Default::default());
    while let Some(after) = next {
        let page = list(&bench, SecretQuery { limit: 1, after, ..all() }).await.unwrap();
        pages.extend(names(&page).into_iter().map(str::to_owned));
        next = page.next;
    }
    assert_eq!(pages, ["b/1", "b/2", "d/x/1", "e"]);
    let sorted = SecretQuery { order: SecretOrder::Created, ..all() };
    assert_eq!(names(&list(&bench, sorted).await.unwrap()), ["b/1", "b/2", "d/x/1", "e"]);
    bench.lead_to(&[]);
    assert_eq!(names(&list(&bench, all()).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn an_order_does_not_tell_how_many_secrets_others_have() {
    let mut bench = Bench::new();
    for n in 0..=LOOKED_AT_MAX {
        create(&bench, &format!("hidden/{n}"), Some("v"), "a").await.unwrap();
    }
    create(&bench, "mine", Some("v"), "a").await.unwrap();
    let sorted = || SecretQuery { order: SecretOrder::Created, ..all() };
    is_fault(list(&bench, sorted()).await, SecretFault::TooManyToSort);
    bench.deny("secret/metadata/hidden/");
    assert_eq!(names(&list(&bench, sorted()).await.unwrap()), ["mine"]);
}

/// A grant that begins with what stands for anything leads over all names.
#[tokio::test]
async fn a_walk_over_what_others_keep_ends_and_goes_on_without_naming_it() {
    let mut bench = Bench::new();
    for n in 0..=WALKED_MAX {
        create(&bench, &format!("hidden/{n:06}"), None, "a").await.unwrap();
    }
    for name in ["a", "z"] {
        create(&bench, name, Some("v"), "a").await.unwrap();
    }
    bench.deny("secret/metadata/hidden/");
    let page = list(&bench, all()).await.unwrap();
    assert_eq!(names(&page), ["a"]);
    let next = page.next.unwrap();
    assert!(!format!("{next:?}").contains("hidden") && next.after.is_empty(), "{next:?}");
    let page = list(&bench, SecretQuery { after: next.clone(), ..all() }).await.unwrap();
    assert_eq!((names(&page), &page.next), (vec!["z"], &None));
    let mut forged = next.place.clone();
    forged.replace_range(30..31, if forged[30..31] == *"A" { "B" } else { "A" });
    let forged = SecretCursor { place: forged, ..next };
    assert_eq!(list(&bench, SecretQuery { after: forged, ..all() }).await.unwrap_err().cause, Cause::Invalid);
    let sorted = SecretQuery { order: SecretOrder::Created, ..all() };
    is_fault(list(&bench, sorted).await, SecretFault::TooManyToSort);

    let first = bench.call("GET", "posture", "").await;
    assert_eq!(first.data()["secrets"][0]["path"], "a");
    let next = first.data()["next"].as_str().unwrap().to_owned();
    assert!(next.starts_with("//"), "{next}");
    let second = bench.call("GET", &format!("posture?after={next}"), "").await;
    assert_eq!((second.data()["secrets"][0]["path"].as_str(), second.data().get("next")), (Some("z"), None));
}

/// Who writes policies of secrets can make each slow to judge, and a list asks all of them.
#[tokio::test]
async fn a_page_judges_a_bounded_number_of_policies() {
    let bench = Bench::new();
    let most = WALKED_MAX / OF_POLICY;
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:DescribeSecret","Resource":"*"}]}"#;
    let body = serde_json::json!({ "policy": allow, "account_id": "123456789012", "region": "us-east-1" }).to_string();
    for n in 0..=most {
        create(&bench, &format!("s/{n:05}"), None, "a").await.unwrap();
        let put = bench.call("POST", &format!("policy/s/{n:05}"), &body).await;
        assert!(put.status < 300, "{put:?}");
    }
    let page = list(&bench, SecretQuery { limit: 2 * most, ..all() }).await.unwrap();
    assert_eq!(page.secrets.len(), most);
    let page = list(&bench, SecretQuery { limit: 2 * most, after: page.next.unwrap(), ..all() }).await.unwrap();
    assert_eq!((page.secrets.len(), page.next), (1, None));
}
