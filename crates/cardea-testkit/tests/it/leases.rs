//! Credentials that must die: on time, with their token, by hand, by mount; with a source that is down, refuses, is slow or
//! loses its answers; and not at all while a restored backup waits for its operator.

use cardea_testkit::{Mode, TestServer};
use serde_json::json;
use std::time::Duration;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("syn", "synthetic").await;
    server
}

#[tokio::test]
async fn a_credential_lives_as_long_as_its_lease() {
    let server = server().await;
    server.database().await;
    let root = server.root();
    let made = server.get("database/creds/app", root).await.ok();
    assert_eq!(made.number_at("/lease_duration"), 3600);
    assert_eq!(made.at("/renewable"), &json!(true));
    let (username, password, lease) = (made.text_at("/data/username"), made.text_at("/data/password"), made.lease_id());
    assert!(lease.starts_with("database/creds/app/"));
    assert!(server.source().connect(&username, &password));
    // Half way: renewed, at the source too.
    server.advance(1800);
    server.settle().await;
    let renewed = server.post("sys/leases/renew", root, json!({ "lease_id": lease, "increment": 7200 })).await.ok();
    assert_eq!(renewed.number_at("/lease_duration"), 7200);
    assert!(server.source().users()[&username].expires_ms >= server.now().0 + 7_200_000);
    server.advance(7199);
    server.settle().await;
    assert!(server.source().connect(&username, &password), "it died too early");
    let looked = server.post("sys/leases/lookup", root, json!({ "lease_id": lease })).await.ok();
    assert_eq!(looked.number_at("/data/ttl"), 1);
    // The end: gone at the source with one look at the queue, and nothing is left of the lease.
    server.advance(1);
    server.round().await;
    assert!(!server.source().connect(&username, &password));
    server.post("sys/leases/lookup", root, json!({ "lease_id": lease })).await.expect(400);
    server.post("sys/leases/renew", root, json!({ "lease_id": lease })).await.expect(400);
    assert_eq!(server.get("sys/leases/count", root).await.ok().number_at("/data/lease_count"), 0);
    let ends: Vec<_> = server
        .log()
        .await
        .into_iter()
        .filter_map(|record| record.event)
        .map(|event| event.what.as_str().to_owned())
        .collect();
    assert!(ends.ends_with(&["lease.revoke".to_owned(), "lease.revoked".to_owned()]), "{ends:?}");
}

#[tokio::test]
async fn no_renewal_goes_beyond_the_maximum_and_zero_is_not_for_ever() {
    let server = server().await;
    let root = server.root();
    let made = server.get("syn/creds/a?ttl=60&max_ttl=100", root).await.ok();
    let lease = made.lease_id();
    let renew = |increment: i64| {
        let body = json!({ "lease_id": lease, "increment": increment });
        let server = &server;
        async move { server.post("sys/leases/renew", root, body).await }
    };
    server.advance(50);
    assert_eq!(renew(60).await.ok().number_at("/lease_duration"), 50, "100 s from the issue");
    assert!(renew(60).await.at("/warnings").to_string().contains("maximum"));
    assert_eq!(renew(0).await.ok().number_at("/lease_duration"), 50);
    assert!(renew(-5).await.status >= 400);
    server.advance_ms(49_500);
    assert_eq!(renew(3600).await.ok().number_at("/lease_duration"), 1, "within a second of the maximum it still ends");
    server.advance_ms(500);
    renew(3600).await.expect(400);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
    // What a mount says caps what a request asks; what nobody says is the default.
    server.post("sys/mounts/syn/tune", root, json!({ "default_lease_ttl": "30s", "max_lease_ttl": "90s" })).await.ok();
    for (query, seconds) in
        [("", 30), ("?ttl=80", 80), ("?ttl=500", 90), ("?ttl=0", 30), ("?max_ttl=20", 20), ("?ttl=99&max_ttl=20", 20)]
    {
        let made = server.get(&format!("syn/creds/a{query}"), root).await.ok();
        assert_eq!(made.number_at("/lease_duration"), seconds, "{query}");
    }
    let fixed = server.get("syn/creds/a?renewable=false", root).await.ok();
    assert_eq!(fixed.at("/renewable"), &json!(false));
    server.post("sys/leases/renew", root, json!({ "lease_id": fixed.lease_id() })).await.expect(400);
}

#[tokio::test]
async fn revocation_by_id_by_prefix_and_by_force() {
    let server = server().await;
    let root = server.root();
    for path in ["syn/creds/a", "syn/creds/a", "syn/creds/ab", "syn/creds/b", "syn/creds/b"] {
        server.get(path, root).await.ok();
    }
    let listed = server.list("sys/leases/lookup/syn/creds/", root).await.ok();
    assert_eq!(listed.at("/data/keys"), &json!(["a/", "ab/", "b/"]));
    let ids = server.list("sys/leases/lookup/syn/creds/a", root).await.ok();
    let first = format!("syn/creds/a/{}", ids.text_at("/data/keys/0"));
    // In its own time, and at once.
    server.post("sys/leases/revoke", root, json!({ "lease_id": first })).await.expect(204);
    server.settle().await;
    assert_eq!(server.source().user_count(), 4);
    let second = format!("syn/creds/a/{}", ids.text_at("/data/keys/1"));
    server.post(&format!("sys/leases/revoke/{second}"), root, json!({ "sync": true })).await.ok();
    assert_eq!(server.source().user_count(), 3, "sync answers once the source confirmed");
    server.post("sys/leases/revoke", root, json!({ "lease_id": second })).await.expect(204);
    // A prefix ends at a slash.
    server.post("sys/leases/revoke-prefix/syn/creds/a", root, json!({})).await.ok();
    server.settle().await;
    assert_eq!(server.source().user_count(), 3, "`a` is no prefix of `ab`");
    server.post("sys/leases/revoke-prefix/syn/creds/b", root, json!({ "sync": true })).await.ok();
    assert_eq!(server.source().user_count(), 1);
    // By force, whatever the source says; the log tells what was forced.
    server.source().set_mode(Mode::Refusing);
    server.post("sys/leases/revoke-force/syn/creds", root, json!({})).await.ok();
    server.settle().await;
    assert_eq!(server.source().user_count(), 1);
    assert_eq!(server.get("sys/leases/count", root).await.ok().number_at("/data/lease_count"), 0);
    let log = server.log().await;
    let details: Vec<_> =
        log.iter().filter_map(|r| r.event.as_ref()).filter_map(|e| e.detail.as_ref()).map(|d| d.as_str()).collect();
    assert!(details.iter().any(|detail| detail.contains("forced")), "{details:?}");
    // Prefixes take sudo, which a policy without it does not give.
    server.policy("ops", r#"path "sys/leases/*" { capabilities = ["update", "create", "list"] }"#).await;
    let ops = server.token(&["ops"]).await;
    for path in
        ["sys/leases/revoke-prefix/syn", "sys/leases/revoke-force/syn", "sys/revoke-prefix/syn", "sys/revoke-force/syn"]
    {
        server.post(path, &ops, json!({})).await.expect(403);
    }
    server.list("sys/leases/lookup/syn", &ops).await.expect(403);
}

#[tokio::test]
async fn a_token_takes_its_credentials_with_it() {
    let server = server().await;
    server.policy("syn", r#"path "syn/*" { capabilities = ["read"] } path "auth/token/create" { capabilities = ["update"] } path "auth/token/revoke-self" { capabilities = ["update"] }"#).await;
    // Revoked, run out, and revoked with its parent.
    let (revoked, expiring, parent) =
        (server.token(&["syn"]).await, server.token(&["syn"]).await, server.token(&["syn"]).await);
    let child = server.post("auth/token/create", &parent, json!({ "policies": ["syn"] })).await.ok().client_token();
    for token in [&revoked, &expiring, &child] {
        server.get("syn/creds/a?ttl=30000", token).await.ok();
    }
    server.post("auth/token/revoke-self", &revoked, json!({})).await.ok();
    server.get("syn/creds/a", &revoked).await.expect(403);
    server.settle().await;
    assert_eq!(server.source().user_count(), 2);
    server.post("auth/token/revoke", server.root(), json!({ "token": parent })).await.ok();
    server.get("syn/creds/a", &child).await.expect(403);
    server.settle().await;
    assert_eq!(server.source().user_count(), 1);
    server.advance(3600);
    server.get("syn/creds/a", &expiring).await.expect(403);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
}

#[tokio::test]
async fn a_batch_token_s_credential_ends_with_the_token() {
    let mut server = server().await;
    server.policy("syn", r#"path "syn/*" { capabilities = ["read"] }"#).await;
    let batch = server
        .post("auth/token/create", server.root(), json!({ "type": "batch", "policies": ["syn"], "ttl": "600s" }))
        .await
        .ok()
        .client_token();
    let made = server.get("syn/creds/a?ttl=7200", &batch).await.ok();
    assert!(made.number_at("/lease_duration") <= 600);
    let renewed =
        server.post("sys/leases/renew", server.root(), json!({ "lease_id": made.lease_id(), "increment": 7200 })).await;
    assert!(renewed.status == 400 || renewed.number_at("/lease_duration") <= 600, "{}", renewed.text);
    server.restart().await;
    server.advance(600);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
}

#[tokio::test]
async fn a_source_that_is_down_for_an_hour_is_clean_soon_after() {
    let server = server().await;
    server.mount("other", "synthetic").await;
    let root = server.root();
    for _ in 0..40 {
        server.get("syn/creds/a?ttl=60", root).await.ok();
    }
    server.source().set_mode(Mode::Down);
    let before = server.source().calls();
    for _ in 0..720 {
        server.advance(5);
        server.round().await;
    }
    let calls = server.source().calls() - before;
    assert!(calls < 1_500, "a source that is down was asked {calls} times in an hour for 40 leases");
    assert_eq!(server.source().user_count(), 40);
    assert_eq!(
        server.get("sys/leases/count", root).await.ok().number_at("/data/lease_count"),
        40,
        "nothing is dropped"
    );
    let stuck = server.get("sys/leases/stuck", root).await.ok();
    assert_eq!(stuck.text_at("/data/mounts/0/mount"), "syn/");
    assert!(stuck.text_at("/data/mounts/0/why").contains("cannot be reached"));
    server.source().set_mode(Mode::Up);
    for _ in 0..14 {
        server.advance(10);
        server.round().await;
    }
    assert_eq!(server.source().user_count(), 0, "within two minutes of its return the source is clean");
    assert_eq!(server.get("sys/leases/stuck", root).await.ok().at("/data/mounts"), &json!([]));
}

#[tokio::test]
async fn a_source_that_is_down_holds_up_no_other() {
    let sound = cardea_testkit::FakeSource::default();
    let engine = cardea_testkit::synthetic::Synthetic(sound.clone()).named("sound");
    let server = TestServer::builder().engine(engine).start().await;
    server.mount("syn", "synthetic").await;
    server.mount("sound", "sound").await;
    for _ in 0..20 {
        server.get("syn/creds/a?ttl=60", server.root()).await.ok();
        server.get("sound/creds/a?ttl=60", server.root()).await.ok();
    }
    server.source().set_mode(Mode::Down);
    server.advance(60);
    server.round().await;
    assert_eq!((server.source().user_count(), sound.user_count()), (20, 0));
}

#[tokio::test]
async fn whatever_the_source_does_no_credential_is_left_behind() {
    let server = server().await;
    server.database().await;
    let root = server.root();
    for (mode, happens) in [(Mode::Down, false), (Mode::Refusing, false), (Mode::LosingAnswers, true)] {
        for path in ["syn/creds/a", "database/creds/app"] {
            server.source().set_mode(mode);
            let created = server.source().created().len();
            let refused = server.get(path, root).await;
            assert_eq!(refused.status, 500, "{mode:?} {path}: {}", refused.text);
            assert!(refused.at("/data").is_null() && refused.at("/lease_id").is_null(), "{mode:?} {path}");
            assert_eq!(server.source().created().len() - created, usize::from(happens), "{mode:?} {path}");
            server.source().set_mode(Mode::Up);
            server.advance(120);
            server.settle().await;
            let left: Vec<_> = server.source().users().into_keys().filter(|name| name != "cardea").collect();
            assert!(left.is_empty(), "{mode:?} {path}: {left:?}");
            assert_eq!(
                server.get("sys/leases/count", root).await.ok().number_at("/data/lease_count"),
                0,
                "{mode:?} {path}"
            );
        }
    }
    // A role whose statements fail: a clear error, and nothing.
    server.post("database/roles/app", root, json!({ "creation_statements": "FAIL {{name}}" })).await.ok();
    let refused = server.get("database/creds/app", root).await;
    assert!((400..=500).contains(&refused.status), "{}", refused.text);
    server.settle().await;
    assert_eq!(server.source().user_count(), 1, "only the administrator is there");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_credential() {
    let server = server().await;
    server.source().set_mode(Mode::Slow(Duration::from_secs(30)));
    let request = server.get("syn/creds/a?ttl=7200", server.root());
    assert!(tokio::time::timeout(Duration::from_millis(50), request).await.is_err());
    assert_eq!(server.source().user_count(), 1, "the source had done it");
    server.source().set_mode(Mode::Up);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
}

#[tokio::test]
async fn a_renewal_that_the_source_did_not_confirm_changes_nothing() {
    let server = server().await;
    let root = server.root();
    let lease = server.get("syn/creds/a?ttl=60", root).await.ok().lease_id();
    for mode in [Mode::Down, Mode::Refusing, Mode::LosingAnswers] {
        server.source().set_mode(mode);
        server.post("sys/leases/renew", root, json!({ "lease_id": lease, "increment": 600 })).await.expect(500);
        assert_eq!(
            server.post("sys/leases/lookup", root, json!({ "lease_id": lease })).await.ok().number_at("/data/ttl"),
            60,
            "{mode:?}"
        );
    }
    server.source().set_mode(Mode::Up);
    server.advance(60);
    server.settle().await;
    assert_eq!(server.source().user_count(), 0);
}

#[tokio::test]
async fn a_restart_forgets_no_lease() {
    let mut server = server().await;
    for ttl in [60, 120, 7200] {
        server.get(&format!("syn/creds/a?ttl={ttl}"), server.root()).await.ok();
    }
    server.crash().await;
    server.advance(90);
    server.unseal().await;
    server.settle().await;
    assert_eq!(server.source().user_count(), 2, "what ran out while the server was down goes at once");
    server.advance(30);
    server.settle().await;
    assert_eq!(server.source().user_count(), 1);
}

#[tokio::test]
async fn a_restored_backup_asks_before_it_revokes() {
    let mut server = TestServer::builder().witnessed().start().await;
    server.mount("syn", "synthetic").await;
    server.get("syn/creds/old?ttl=60", server.root()).await.ok();
    let backup = server.backup();
    server.get("syn/creds/new?ttl=60", server.root()).await.ok();
    // Sealing signs a last checkpoint, which the witness remembers.
    server.post("sys/seal", server.root(), json!({})).await.ok();
    server.until_sealed().await;
    server.put_back(&backup).await;
    let key = server.shares()[0].clone();
    let unseal =
        |accept: bool| server.call("PUT", "sys/unseal").json(&json!({ "key": key, "accept_restored": accept })).send();
    let refused = unseal(false).await.expect(400);
    assert!(refused.errors().contains("older than the log size that was witnessed"), "{}", refused.text);
    assert!(server.node().active().is_none());
    unseal(true).await.expect(200);
    let root = server.root().to_owned();
    server.advance(3600);
    server.settle().await;
    assert_eq!(server.source().user_count(), 2, "frozen: nothing is revoked");
    assert_eq!(server.get("sys/leases/stuck", &root).await.ok().at("/data/frozen"), &json!(true));
    // Frozen it stays, however the process ends, even when the witness has seen the restored store.
    server.post("sys/seal", &root, json!({})).await.ok();
    server.until_sealed().await;
    server.restart().await;
    server.settle().await;
    assert_eq!(server.source().user_count(), 2, "a restart thawed it");
    server.post("sys/leases/thaw", &root, json!({})).await.ok();
    server.settle().await;
    assert_eq!(server.source().users().into_keys().filter(|name| name.starts_with("v-old-")).count(), 0);
    // The other one is known to no record of this store: that is what the operator was asked about.
    assert_eq!(server.source().user_count(), 1);
    server.restart().await;
    assert_eq!(server.get("sys/leases/stuck", &root).await.ok().at("/data/frozen"), &json!(false));
}

#[tokio::test]
async fn what_owners_put_alarms_on_is_counted() {
    let server = server().await;
    server.database().await;
    let before = server.node().metrics().prometheus(&server.disk().stats());
    let of = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not there")).parse::<f64>().unwrap()
    };
    server.get("database/creds/app", server.root()).await.ok();
    server.get("database/creds/app", server.root()).await.ok();
    server.post("auth/token/create", server.root(), json!({ "policies": ["default"] })).await.ok();
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    server.login(&ids).await.ok();
    server.advance(20);
    server.settle().await;
    let after = server.node().metrics().prometheus(&server.disk().stats());
    let grown = |name| of(&after, name) - of(&before, name);
    assert_eq!(grown("vault_token_creation"), 2.0);
    assert_eq!(grown("vault_secret_lease_creation"), 2.0);
    assert_eq!(of(&after, "vault_expire_num_leases"), 2.0);
    assert_eq!(of(&after, "vault_expire_num_irrevocable_leases"), 0.0);
    assert_eq!(of(&after, "vault_identity_num_entities"), 1.0);
    assert_eq!(of(&after, "vault_token_count"), 3.0, "root, the one that was made, the one of the login");
    assert_eq!(grown("vault_core_handle_login_request_count"), 1.0);
    // Vault's form where none is asked for.
    let json = server.get("sys/metrics", server.root()).await.ok();
    let gauges = json.at("/Gauges").as_array().unwrap();
    let leases = gauges.iter().find(|gauge| gauge["Name"] == "vault.expire.num_leases").unwrap();
    assert_eq!((&leases["Value"], &leases["Labels"]), (&json!(2), &json!({})));
    server.get("sys/metrics?format=xml", server.root()).await.expect(400);
}

#[tokio::test]
async fn tokens_with_an_end_stand_among_the_leases() {
    let server = TestServer::start().await;
    let root = server.root().to_owned();
    assert_eq!(server.list("sys/leases/lookup", &root).await.status, 404, "the first root token has no end");
    let ids = server.approle("app", json!({ "token_policies": "default", "token_ttl": "10m" })).await;
    let token = server.login(&ids).await.ok().client_token();
    assert_eq!(server.list("sys/leases/lookup", &root).await.ok().data(), &json!({ "keys": ["auth/"] }));
    assert_eq!(server.list("sys/leases/lookup/auth/approle", &root).await.ok().data(), &json!({ "keys": ["login/"] }));
    let listed = server.list("sys/leases/lookup/auth/approle/login", &root).await.ok();
    let id = format!("auth/approle/login/{}", listed.text_at("/data/keys/0"));
    let lookup = async |id: &str| server.post("sys/leases/lookup", &root, json!({ "lease_id": id })).await;
    let lease = lookup(&id).await.ok();
    assert_eq!((lease.text_at("/data/id"), lease.number_at("/data/ttl")), (id.clone(), 600));
    assert_eq!(lease.at("/data/renewable"), &json!(true));
    for wrong in [id.replace("login", "other"), format!("{id}0"), "auth/approle/login/h".to_owned()] {
        assert_eq!(lookup(&wrong).await.expect(400).errors(), "invalid lease", "{wrong}");
    }
    let renewed = server.post("sys/leases/renew", &root, json!({ "lease_id": id })).await.expect(400);
    assert_eq!(renewed.errors(), "tokens cannot be renewed through this endpoint");
    server.post("sys/leases/revoke", &root, json!({ "lease_id": id })).await.expect(204);
    server.get("auth/token/lookup-self", &token).await.expect(403);
    lookup(&id).await.expect(400);
    assert_eq!(server.list("sys/leases/lookup/auth/approle/login", &root).await.status, 404);
}

/// Vault's users put an alarm on leases that cannot be ended: the count of those must not be the count of all.
#[tokio::test]
async fn leases_that_cannot_be_ended_are_counted_by_themselves() {
    let server = TestServer::start().await;
    let root = server.root();
    server.mount("syn", "synthetic").await;
    let mut users = Vec::new();
    for _ in 0..3 {
        users.push(server.get("syn/creds/a?ttl=7200", root).await.ok().text_at("/data/username"));
    }
    let irrevocable = async || server.get("sys/leases/count?type=irrevocable", root).await.ok();
    let none = irrevocable().await;
    assert_eq!((none.number_at("/data/lease_count"), none.at("/data/counts")), (0, &json!({})));
    assert!(none.at("/warnings").is_null(), "the parameter is known");
    server.source().pin(users.into_iter().take(1));
    server.post("sys/leases/revoke-prefix/syn", root, json!({})).await.ok();
    for _ in 0..120 {
        server.advance(60);
        server.settle().await;
    }
    let accessor = server.get("sys/mounts/syn", root).await.ok().text_at("/data/accessor");
    let one = irrevocable().await;
    assert_eq!((one.number_at("/data/lease_count"), one.at("/data/counts")), (1, &json!({ accessor: 1 })));
    server.get("sys/leases/count?type=other", root).await.expect(400);
}
