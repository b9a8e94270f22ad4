//! Connections, roles and users: what is stored when, what is asked of the database, and what is left when it fails.

use super::harness::{Bench, CONFIG, Fault, ROLE, START_MS};
use cardea_model::{Action, Timestamp, TtlSeconds};

#[tokio::test]
async fn a_connection_that_does_not_work_is_not_stored() {
    let bench = Bench::new();
    let wrong = CONFIG.replace("root-pw", "hunter2");
    let reply = bench.write("config/db", &wrong).await;
    assert_eq!((reply.status, reply.error()), (500, "the database refused the login"));
    assert_eq!(bench.read("config/db").await.status, 404);
    assert_eq!(bench.state(|s| s.forgotten.len()), 1, "its connections are closed");
    for fault in [Fault::Before("database.verify"), Fault::After("database.verify")] {
        bench.fail(fault);
        assert_eq!(bench.write("config/db", CONFIG).await.status, 500);
        assert_eq!(bench.read("config/db").await.status, 404);
    }
    let untried = format!("{}, \"verify_connection\": false}}", wrong.strip_suffix('}').unwrap());
    let reply = bench.write("config/db", &untried).await;
    assert_eq!((reply.status, reply.action), (204, Some(Action::Create)), "{reply:?}");
    // A change keeps what it does not name; the old password would not work.
    assert_eq!(bench.write("config/db", r#"{"allowed_roles": ["x"]}"#).await.status, 500);
    let reply = bench.write("config/db", r#"{"allowed_roles": ["x"], "password": "root-pw"}"#).await;
    assert_eq!((reply.status, reply.action), (204, Some(Action::Update)));
    let shown = bench.read("config/db").await;
    assert_eq!(shown.data()["allowed_roles"], serde_json::json!(["x"]));
    assert_eq!(shown.data()["connection_details"]["username"], "root");
    assert!(!shown.body.to_string().contains("root-pw"));
}

#[tokio::test]
async fn a_connection_changed_meanwhile_is_not_overwritten() {
    let bench = Bench::ready().await;
    let planned = bench.write("config/db", r#"{"allowed_roles": "app"}"#).await.effect.unwrap();
    assert_eq!(bench.write("config/db", r#"{"allowed_roles": "other"}"#).await.status, 204);
    let error = bench.settle(&planned).await.err().unwrap();
    assert!(error.client.contains("changed meanwhile"), "{error}");
    assert_eq!(bench.read("config/db").await.data()["allowed_roles"], serde_json::json!(["other"]));
}

#[tokio::test]
async fn wrong_settings_are_refused_with_the_field_and_no_value() {
    let bench = Bench::new();
    for (body, words) in [
        (r#"{"connection_url": "hunter2"}"#, "plugin_name"),
        (r#"{"plugin_name": "hunter2", "connection_url": "x"}"#, "unknown `plugin_name`"),
        (r#"{"plugin_name": "fake-database-plugin"}"#, "connection_url"),
        (r#"{"plugin_name": "fake-database-plugin", "connection_url": "x", "max_open_connections": -1}"#, "max_open"),
        (r#"{"plugin_name": "fake-database-plugin", "connection_url": "x", "max_open_connections": 101}"#, "max_open"),
        (
            r#"{"plugin_name": "fake-database-plugin", "connection_url": "x", "password_authentication": "hunter2"}"#,
            "password_auth",
        ),
        (
            r#"{"plugin_name": "fake-database-plugin", "connection_url": "x", "username_template": "hunter2"}"#,
            "same name twice",
        ),
        (
            r#"{"plugin_name": "fake-database-plugin", "connection_url": "x", "username_template": "{{hunter2}}"}"#,
            "unknown function",
        ),
        (r#"{"plugin_name": "fake-database-plugin", "connection_url": {"hunter2": 1}}"#, "connection_url"),
    ] {
        let reply = bench.write("config/db", body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.error().contains(words) && !reply.error().contains("hunter2"), "{}", reply.error());
    }
    assert_eq!(bench.write("roles/app", "{}").await.error(), "empty database name attribute");
    assert_eq!(bench.write("roles/app", r#"{"db_name": "d", "credential_type": "rsa_private_key"}"#).await.status, 400);
    assert!(bench.state(|s| s.calls.is_empty()));
}

#[tokio::test]
async fn users_are_made_renewed_and_removed() {
    let bench = Bench::ready().await;
    let reply = bench.read("creds/app").await;
    assert_eq!(reply.status, 200);
    let username = reply.data()["username"].as_str().unwrap().to_owned();
    let password = reply.data()["password"].as_str().unwrap().to_owned();
    assert!(username.starts_with("v-approle--app-") && username.len() <= 63, "{username}");
    assert_eq!(password.len(), 20);
    let lease = reply.lease.unwrap();
    assert_eq!((lease.ttl, lease.max_ttl, lease.renewable), (Some(TtlSeconds(600)), Some(TtlSeconds(3600)), true));
    let expected = (password.clone(), Timestamp(START_MS + 600_000));
    assert_eq!(bench.state(|s| s.users.get(&username).cloned()), Some(expected));
    let effect = reply.effect.unwrap();
    bench.renew(&effect, Timestamp(START_MS + 900_000)).await.unwrap();
    assert_eq!(bench.state(|s| s.users[&username].1), Timestamp(START_MS + 900_000));
    // The role may be gone; what it said for revocation is remembered.
    assert_eq!(bench.call("DELETE", "roles/app", "").await.status, 204);
    bench.revoke(&effect).await.unwrap();
    assert!(bench.state(|s| s.users.is_empty()));
    bench.revoke(&effect).await.unwrap();
    assert_eq!(
        bench.state(|s| s.calls.join("\n")),
        "verify\ncreate | make {{name}}\nrenew | default renew\nrevoke\nrevoke"
    );
    // The connection must be there, under its name.
    assert_eq!(bench.call("DELETE", "config/db", "").await.status, 204);
    let error = bench.revoke(&effect).await.unwrap_err();
    assert!(error.nothing_happened && !error.temporary && error.client.contains("not configured any more"));
    assert_eq!(bench.write("config/db", CONFIG).await.status, 204);
    bench.revoke(&effect).await.unwrap();
}

#[tokio::test]
async fn the_statements_of_the_role_at_the_time_of_making_hold() {
    let bench = Bench::ready().await;
    let own = r#"{"revocation_statements": ["unmake"], "renew_statements": ["prolong"]}"#;
    assert_eq!(bench.write("roles/app", own).await.status, 204);
    let effect = bench.read("creds/app").await.effect.unwrap();
    assert_eq!(
        bench.write("roles/app", r#"{"revocation_statements": ["other"], "renew_statements": []}"#).await.status,
        204
    );
    bench.renew(&effect, Timestamp(0)).await.unwrap();
    bench.revoke(&effect).await.unwrap();
    assert_eq!(bench.state(|s| s.calls[2..].join("\n")), "renew | prolong\nrevoke | unmake");
}

#[tokio::test]
async fn nobody_gets_what_the_connection_does_not_allow() {
    let bench = Bench::ready().await;
    assert_eq!(bench.write("roles/other", ROLE).await.status, 204);
    let reply = bench.read("creds/other").await;
    assert_eq!((reply.status, reply.error()), (400, "\"other\" is not an allowed role"));
    assert_eq!(bench.read("creds/nosuch").await.error(), "unknown role: nosuch");
    assert_eq!(bench.write("roles/app-2", r#"{"db_name": "gone"}"#).await.status, 200, "warned");
    assert!(bench.read("creds/app-2").await.error().contains("failed to find entry for connection"));
    assert_eq!(bench.write("roles/app-2", r#"{"db_name": "db"}"#).await.status, 200);
    assert!(bench.read("creds/app-2").await.error().contains("no creation_statements"));
    assert!(bench.state(|s| s.users.is_empty()));
}

#[tokio::test]
async fn no_failure_leaves_a_user_whom_nobody_has() {
    let bench = Bench::ready().await;
    for fault in [Fault::Before("database.create_user"), Fault::After("database.create_user")] {
        bench.fail(fault);
        assert_eq!(bench.read("creds/app").await.status, 500, "{fault:?}");
        assert!(bench.state(|s| s.users.is_empty()), "{fault:?}");
    }
    assert_eq!(bench.write("roles/app", r#"{"creation_statements": "fail"}"#).await.status, 204);
    let reply = bench.read("creds/app").await;
    assert_eq!(reply.error(), "the database refused statement 1 of 1");
    bench.state(|s| s.down = true);
    assert_eq!(bench.read("creds/app").await.error(), "the database cannot be reached");
    assert!(bench.state(|s| s.users.is_empty()));
}

#[tokio::test]
async fn spans_are_capped_by_role_and_mount() {
    for (role, ttl_s) in [
        (r#"{"default_ttl": 0, "max_ttl": 0}"#, 3600),
        (r#"{"default_ttl": 0, "max_ttl": "30m"}"#, 1800),
        (r#"{"default_ttl": "48h", "max_ttl": 0}"#, 86_400),
        (r#"{"default_ttl": "2h", "max_ttl": "90m"}"#, 5400),
    ] {
        let bench = Bench::ready().await;
        bench.write("roles/app", role).await;
        let reply = bench.read("creds/app").await;
        let username = reply.data()["username"].as_str().unwrap();
        assert_eq!(bench.state(|s| s.users[username].1), Timestamp(START_MS + ttl_s * 1000), "{role}");
    }
}

#[tokio::test]
async fn passwords_and_names_follow_the_connections_rules() {
    let mut bench = Bench::ready().await;
    bench.caller_is("ldap-\"jo'e; DROP");
    let rules = r#"{"password_policy": "digits", "username_template": "{{.RoleName | uppercase}}_{{.DisplayName}}_{{random 10}}"}"#;
    assert_eq!(bench.write("config/db", rules).await.status, 204);
    let reply = bench.read("creds/app").await;
    let (username, password) = (&reply.data()["username"], &reply.data()["password"]);
    assert!(username.as_str().unwrap().starts_with("APP_ldap--jo-e--DROP_"), "{username}");
    assert!(password.as_str().unwrap().len() == 30 && password.as_str().unwrap().bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(bench.write("config/db", r#"{"password_policy": "nosuch"}"#).await.status, 204);
    assert_eq!(bench.read("creds/app").await.error(), "no such password policy");
}

#[tokio::test]
async fn changes_and_resets_close_connections() {
    let bench = Bench::ready().await;
    assert_eq!(bench.write("reset/db", "{}").await.status, 204);
    assert_eq!(bench.write("config/db", r#"{"allowed_roles": "app"}"#).await.status, 204);
    assert_eq!(bench.call("DELETE", "config/db", "").await.status, 204);
    let forgotten = bench.state(|s| s.forgotten.clone());
    assert_eq!(forgotten.len(), 3);
    assert!(forgotten[0] == forgotten[1] && forgotten[1] != forgotten[2], "a changed connection has a new id");
    assert_eq!(bench.write("reset/db", "{}").await.status, 404);
}
