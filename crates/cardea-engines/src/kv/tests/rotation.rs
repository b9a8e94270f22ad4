//! What dialects ask of a rotation. The steps themselves need a machine: the whole server's tests walk them.

use super::harness::Bench;
use super::shared::{create, is_fault, one, token};
use cardea_model::Cause;
use cardea_model::operation::{RotateWish, RotationSchedule, SecretAct};
use cardea_model::rotation::RotationStrategy;
use cardea_model::secret::SecretFault;

pub fn wish(word: &str, rotator: Option<&str>) -> RotateWish {
    let rotator = rotator.map(|rotator| (rotator.to_owned(), RotationStrategy::SingleUser));
    RotateWish { token: token(word), rotator, schedule: None, window_s: None, begin: true }
}

#[tokio::test]
async fn a_rotation_is_asked_for_once_and_held() {
    let bench = Bench::new();
    create(&bench, "s", Some(r#"{"username":"app_clone","password":"x","port":5432}"#), "a").await.unwrap();
    let ask = |wish: RotateWish| one(&bench, "s", SecretAct::Rotate(wish));
    assert_eq!(ask(wish("r", None)).await.unwrap_err().cause, Cause::Invalid);
    is_fault(ask(wish("a", Some("database/orders"))).await, SecretFault::TokenTaken);
    let rotation = ask(wish("r", Some("database/orders"))).await.unwrap().rotation.unwrap();
    assert_eq!(rotation.settings.username, "app", "the clone's name names the first user");
    let run = rotation.run.unwrap();
    assert_eq!(run.token, token("r"));
    // Asked again, it is the same one; another one has to wait.
    assert_eq!(ask(wish("r", None)).await.unwrap().rotation.unwrap().run.unwrap(), run);
    assert_eq!(ask(wish("q", None)).await.unwrap_err().cause, Cause::Invalid);
    let held = one(&bench, "s", SecretAct::CancelRotation).await.unwrap().rotation.unwrap();
    assert!(held.paused && held.run.is_none());
    let seen = one(&bench, "s", SecretAct::Describe).await.unwrap().rotation.unwrap();
    assert!(seen.paused);
    let again = ask(RotateWish { schedule: Some(RotationSchedule::Every(86_400)), begin: false, ..wish("p", None) })
        .await
        .unwrap();
    let again = again.rotation.unwrap();
    assert!(!again.paused && again.run.is_none() && again.due.is_some());
    // Who may begin one may not for that decide how it is done.
    let mut narrow = Bench::new();
    narrow.deny("secret/rotation/");
    create(&narrow, "s", Some(r#"{"username":"app","password":"x"}"#), "a").await.unwrap();
    let refused = one(&narrow, "s", SecretAct::Rotate(wish("r", Some("database/orders")))).await;
    assert_eq!(refused.unwrap_err().cause, Cause::Denied);
}
