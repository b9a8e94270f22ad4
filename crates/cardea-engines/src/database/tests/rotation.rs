//! Root rotation under every order of losses and rivals: in the end the stored password is the source's, and nobody saw it.

use super::harness::{Bench, Fault};

/// Whether the stored connection works: a user can be made.
async fn works(bench: &Bench) -> bool {
    bench.read("creds/app").await.status == 200
}

#[tokio::test]
async fn a_rotation_changes_the_password_and_shows_it_to_nobody() {
    let bench = Bench::ready().await;
    let reply = bench.write("rotate-root/db", "").await;
    assert_eq!((reply.status, reply.body), (204, serde_json::Value::Null));
    let password = bench.state(|s| s.root_password.clone());
    assert!(password != "root-pw" && password.len() == 20);
    assert!(works(&bench).await);
    assert!(!bench.read("config/db").await.body.to_string().contains(&password));
    assert_eq!(bench.state(|s| s.calls[1..3].join("\n")), "set_password | default rotate\nverify");
    assert!(!format!("{:?}", reply.effect).contains(&password));
    let own = r#"{"root_rotation_statements": ["own way"], "verify_connection": false}"#;
    assert_eq!(bench.write("config/db", own).await.status, 204);
    assert_eq!(bench.write("rotate-root/db", "").await.status, 204);
    assert!(bench.state(|s| s.calls.iter().any(|call| call == "set_password | own way")));
}

#[tokio::test]
async fn lost_answers_heal() {
    for fault in [Fault::Before("database.rotate_root"), Fault::After("database.rotate_root")] {
        let bench = Bench::ready().await;
        bench.fail(fault);
        assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
        let lost = matches!(fault, Fault::After(_));
        assert_eq!(works(&bench).await, !lost, "{fault:?}");
        assert_eq!(bench.unsettled.lock().unwrap().len(), usize::from(lost));
        // The job runner does it again; so does whoever asks once more.
        if lost {
            bench.finish().await.unwrap();
            assert!(works(&bench).await);
        }
        assert_eq!(bench.write("rotate-root/db", "").await.status, 204);
        assert!(works(&bench).await);
    }
}

#[tokio::test]
async fn asking_again_heals_as_well() {
    let bench = Bench::ready().await;
    bench.fail(Fault::After("database.rotate_root"));
    assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
    let decided = bench.state(|s| s.root_password.clone());
    assert_eq!(bench.write("rotate-root/db", "").await.status, 204);
    assert_eq!(bench.state(|s| s.root_password.clone()), decided, "the same password, not a third one");
    assert!(works(&bench).await);
    bench.finish().await.unwrap();
    assert!(works(&bench).await);
}

#[tokio::test]
async fn rivals_in_any_order_end_with_one_password() {
    // Two rotations planned at once; performs and settles interleave.
    for order in ["1a 2a 1b 2b", "2a 1a 1b 2b", "1a 1b 2a 2b", "2a 2b 1a 1b", "1a 2a 2b 1b"] {
        let bench = Bench::ready().await;
        bench.state(|s| s.down = true);
        let mut planned = Vec::new();
        for _ in 0..2 {
            // Down means that nothing happened, and the plan is forgotten; the test keeps it as a rival would.
            assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
        }
        bench.state(|s| s.down = false);
        bench.fail(Fault::After("database.rotate_root"));
        assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
        let effect = bench.unsettled.lock().unwrap().pop().unwrap();
        planned.push(cardea_sdk::Effect { what: effect.what.clone(), data: effect.data.duplicate() });
        planned.push(effect);
        for step in order.split(' ') {
            let effect = &planned[if step.starts_with('1') { 0 } else { 1 }];
            if step.ends_with('a') {
                bench.perform(effect).await.unwrap();
            } else {
                bench.settle(effect).await.unwrap();
            }
        }
        assert!(works(&bench).await, "{order}");
    }
}

#[tokio::test]
async fn an_operator_who_writes_the_connection_overrules_a_rotation() {
    let bench = Bench::ready().await;
    bench.fail(Fault::After("database.rotate_root"));
    assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
    // A change of something else keeps the rotation alive.
    let other = r#"{"allowed_roles": "app", "verify_connection": false}"#;
    assert_eq!(bench.write("config/db", other).await.status, 204);
    bench.state(|s| "set by hand".clone_into(&mut s.root_password));
    assert_eq!(bench.write("config/db", r#"{"password": "set by hand"}"#).await.status, 204);
    bench.finish().await.unwrap();
    assert_eq!(bench.state(|s| s.root_password.clone()), "set by hand");
    assert!(works(&bench).await);
    // A connection that is gone has nothing to settle.
    bench.fail(Fault::After("database.rotate_root"));
    assert_eq!(bench.write("rotate-root/db", "").await.status, 500);
    assert_eq!(bench.call("DELETE", "config/db", "").await.status, 204);
    bench.finish().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_rotated_is_refused() {
    let bench = Bench::ready().await;
    assert!(bench.write("rotate-root/nosuch", "").await.error().contains("failed to find entry"));
    let inline = r#"{"connection_url": "postgresql://root:hunter2@h/d"}"#;
    assert_eq!(bench.write("config/db", inline).await.status, 204);
    let reply = bench.write("rotate-root/db", "").await;
    assert!(reply.status == 400 && reply.error().contains("does not use"), "{reply:?}");
    let nobody = r#"{"connection_url": "{{username}}{{password}}", "username": ""}"#;
    assert_eq!(bench.write("config/db", nobody).await.status, 204);
    assert!(bench.write("rotate-root/db", "").await.error().contains("no username"));
    assert_eq!(bench.state(|s| s.root_password.clone()), "root-pw");
}
