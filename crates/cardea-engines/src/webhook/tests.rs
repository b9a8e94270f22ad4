//! What was promised to clients and to whoever receives a step: transcripts, the signed form, and what answers mean. The
//! steps themselves need a machine: the whole server's tests walk them.

use super::Webhook;
use super::message::{Step, Values, sign, understand};
use super::routes::ROUTES;
use crate::testing::{Bench, assert_shown};
use cardea_model::rotation::{RotationSettings, RotationStrategy};
use cardea_model::{Payload, SecretBytes, SecretText, Timestamp};
use cardea_sdk::call::{Call, HttpAnswer, HttpCall};
use cardea_sdk::erased::Erased;
use cardea_sdk::rotation::Change;
use cardea_sdk::{ExternalError, OutsideContext, async_trait};
use std::sync::Arc;

/// Nothing that a request does calls anybody.
struct Nobody;

#[async_trait]
impl Call for Nobody {
    async fn call_source(&self, _cx: &OutsideContext<'_>, _call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        panic!("a request was sent")
    }
}

#[tokio::test]
async fn transcripts_hold_and_name_every_route() {
    let bench = Bench::new(Erased(Webhook::new(Arc::new(Nobody))));
    let seen = bench.replay("webhooks/", include_str!("transcripts/hooks.txt")).await;
    assert_shown(ROUTES.iter().map(|route| route.facts.name), &seen);
}

#[test]
fn a_step_is_written_and_signed_as_the_page_of_owners_says() {
    let settings = RotationSettings {
        rotator: "webhooks/orders".to_owned(),
        username: "orders".to_owned(),
        strategy: RotationStrategy::NewKey,
        every_s: None,
        cron: None,
        window_s: None,
        retire: None,
    };
    let change = Change {
        secret: "secret/orders",
        id: "id",
        token: "token-1",
        begun: Timestamp(0),
        settings: &settings,
        made_by: None,
    };
    let value = Payload::parse(r#"{"port": 5432.0, "password": "x"}"#.to_owned()).unwrap();
    let secret = SecretText::new("0123456789abcdef0123456789abcdef".to_owned());
    let now = Timestamp(1_700_000_000_000);
    let known = [value.duplicate()];
    let values = Values { pending: Some(&value), known: Some(&known), ..Values::default() };
    let signed = sign(&secret, now, Step::Set, &change, &values).unwrap();
    let body = concat!(
        r#"{"Step":"setSecret","SecretId":"secret/orders","ClientRequestToken":"token-1","Username":"orders","#,
        r#""Strategy":"new-key","Pending":{"port": 5432.0, "password": "x"},"Known":[{"port": 5432.0, "password": "x"}]}"#
    );
    assert_eq!(std::str::from_utf8(signed.body.expose()).unwrap(), body);
    let header = |name: &str| signed.headers.iter().find(|(known, _)| known == name).unwrap().1.expose();
    assert_eq!(header("cardea-timestamp"), "1700000000");
    // python3 -c 'import hmac; print(hmac.new(SECRET, b"1700000000." + BODY, "sha256").hexdigest())'
    assert_eq!(header("cardea-signature"), "v1=a2dcd95eb9b643094566380795794ebce4efe9c89a0fb13bc65166df9e8e00e0");
}

#[test]
fn what_answers_mean() {
    let wrong = "its contract";
    for (status, body, expected) in [
        (200, r#"{"status":"done"}"#, Ok(None)),
        (200, r#"{"status":"done","value":{"a":"b"},"more":1}"#, Ok(Some(r#"{"a":"b"}"#))),
        (200, r#"{"status":"source-down","value":{"a":"hunter2"}}"#, Err(("source-down", "source-down"))),
        (200, r#"{"status":"value-refused"}"#, Err(("value-refused", "value-refused"))),
        (200, r#"{"status":"rotator-refused","message":"hunter2"}"#, Err(("rotator-refused", "rotator-refused"))),
        (200, r#"{"status":"hunter2"}"#, Err(("rotator-refused", wrong))),
        (200, r#"{"value":{}}"#, Err(("rotator-refused", wrong))),
        (200, r#"{"status":1}"#, Err(("rotator-refused", wrong))),
        (200, "hunter2", Err(("rotator-refused", wrong))),
        (200, "", Err(("rotator-refused", wrong))),
        (204, "", Err(("rotator-refused", "status 204"))),
        (201, r#"{"status":"done"}"#, Err(("rotator-refused", "status 201"))),
        (302, "", Err(("rotator-refused", "status 302"))),
        (401, "hunter2", Err(("rotator-refused", "status 401"))),
        (429, "", Err(("source-down", "status 429"))),
        (500, "hunter2", Err(("source-down", "status 500"))),
        (503, r#"{"status":"done"}"#, Err(("source-down", "status 503"))),
    ] {
        let answer = HttpAnswer { status, body: SecretBytes::new(body.as_bytes().to_vec()) };
        match (understand(Step::Test, &answer), expected) {
            (Ok(found), Ok(value)) => assert_eq!(found.as_ref().map(Payload::text), value, "{status} {body}"),
            (Err(error), Err((class, words))) => {
                assert_eq!(error.class.as_str(), class, "{status} {body}");
                assert!(error.client.contains(words) && error.client.contains("testSecret"), "{}", error.client);
                assert!(!error.client.contains("hunter2"), "{}", error.client);
            }
            (found, _) => panic!("{status} {body}: {found:?}"),
        }
    }
}
