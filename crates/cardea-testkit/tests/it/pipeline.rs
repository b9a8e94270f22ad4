//! The life of a request: what is refused is recorded with its reason, what is read is recorded before it leaves, and no
//! secret ever stands in the log.

use cardea_model::SecretText;
use cardea_storage::{Break, FaultPlan};
use cardea_testkit::TestServer;
use serde_json::json;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.policy("reader", r#"path "secret/data/app/*" { capabilities = ["read"] }"#).await;
    server.post("secret/data/app/db", server.root(), json!({ "data": { "password": "CANARYstored" } })).await.ok();
    server
}

#[tokio::test]
async fn a_denial_is_recorded_with_its_reason() {
    let server = server().await;
    let token = server.token(&["reader"]).await;
    let mut reasons = Vec::new();
    for (who, credential) in [("nobody", ""), ("a stranger", "hvs.unknown"), ("a caller", &token)] {
        let refused = server.get("secret/data/other", credential).await.expect(403);
        assert_eq!(refused.errors(), "1 error occurred:\n\t* permission denied\n\n", "{who}");
        let record = server.last_record().await;
        assert!(record.is_denied(), "{who}");
        assert_eq!(record.path.as_ref().unwrap().as_str(), "secret/data/other", "{who}");
        assert_eq!(record.actor.is_some(), who == "a caller");
        assert_eq!(record.source.as_ref().unwrap().address.as_ref().unwrap().as_str(), "127.0.0.1");
        let said: Vec<_> = record.decision.unwrap().reasons.iter().map(|r| r.as_str().to_owned()).collect();
        assert!(!said.is_empty(), "{who}: a denial without a reason");
        reasons.push(said);
    }
    reasons.dedup();
    assert_eq!(reasons.len(), 3, "the log tells nobody, a stranger and a caller apart: {reasons:?}");
}

#[tokio::test]
async fn a_grant_is_recorded_with_its_policy() {
    let server = server().await;
    let token = server.token(&["reader"]).await;
    server.get("secret/data/app/db", &token).await.expect(200);
    let record = server.last_record().await;
    let decision = record.decision.unwrap();
    assert!(decision.allowed);
    assert_eq!(decision.granting[0].name.as_str(), "reader");
    assert_eq!(decision.granting[0].pattern.as_str(), "secret/data/app/*");
    assert!(record.actor.unwrap().accessor.is_some());
}

#[tokio::test]
async fn only_who_is_allowed_learns_that_a_path_does_not_exist() {
    let server = server().await;
    server
        .policy(
            "wide",
            r#"path "nowhere/*" { capabilities = ["read"] } path "secret/*" { capabilities = ["read", "delete"] }"#,
        )
        .await;
    let (narrow, wide) = (server.token(&["reader"]).await, server.token(&["wide"]).await);
    for path in ["nowhere/x", "secret/unknown/route"] {
        let denied = server.get(path, &narrow).await.expect(403);
        assert_eq!(denied.text, server.get("secret/data/hidden", &narrow).await.text, "{path}");
        assert_eq!(denied.text, server.get(path, "").await.expect(403).text, "{path}");
        server.get(path, &wide).await.expect(404);
    }
    assert!(server.get("nowhere/x", &wide).await.errors().contains("no handler for route"));
    server.delete("secret/config", &wide).await.expect(405);
    server.delete("secret/config", &narrow).await.expect(403);
    assert_eq!(server.last_record().await.path.unwrap().as_str(), "secret/config");
}

#[tokio::test]
async fn a_read_whose_record_is_not_durable_is_not_answered() {
    let server = server().await;
    let token = server.token(&["reader"]).await;
    for how in Break::ALL {
        let fork = server.fork("read");
        fork.unseal().await;
        fork.get("secret/data/app/db", &token).await.expect(200);
        fork.arm(&FaultPlan::new(1, how));
        let before = fork.log_bytes().await.len();
        let refused = fork.get("secret/data/app/db", &token).await;
        assert!(refused.status >= 500, "{how:?}: {}", refused.text);
        assert!(!refused.text.contains("CANARYstored"), "{how:?}: the secret left without a record");
        let happened = matches!(how, Break::LoseAnswer | Break::AbortAfter);
        assert_eq!(fork.log_bytes().await.len(), before + usize::from(happened), "{how:?}");
        if matches!(how, Break::Refuse | Break::LoseAnswer) {
            fork.get("secret/data/app/db", &token).await.expect(200);
        }
    }
}

#[tokio::test]
async fn without_records_of_reads_an_answer_waits_for_what_it_reflects() {
    let server = TestServer::builder().settings(|settings| settings.record_reads = false).start().await;
    server.mount("secret", "kv").await;
    server.post("secret/data/a", server.root(), json!({ "data": { "k": "CANARYstored" } })).await.ok();
    let before = server.log_bytes().await.len();
    server.get("secret/data/a", server.root()).await.expect(200);
    assert_eq!(server.log_bytes().await.len(), before, "a read left a record");
    server.arm(&FaultPlan::new(1, Break::Refuse));
    let refused = server.get("secret/data/a", server.root()).await.expect(503);
    assert!(!refused.text.contains("CANARYstored"));
    // Denials are recorded all the same.
    server.get("secret/data/a", "hvs.nobody").await.expect(403);
    assert_eq!(server.log_bytes().await.len(), before + 1);
}

#[tokio::test]
async fn a_change_and_its_record_are_one_commit() {
    let server = server().await;
    for how in Break::ALL {
        let fork = server.fork("write");
        fork.unseal().await;
        let before = fork.log_of("secret/data/app/db").await.len();
        fork.arm(&FaultPlan::new(1, how));
        let refused = fork.post("secret/data/app/db", fork.root(), json!({ "data": { "password": "new" } })).await;
        assert!(refused.status >= 500, "{how:?}: {}", refused.text);
        let mut fork = fork;
        fork.restart().await;
        let version = fork.get("secret/data/app/db", fork.root()).await.expect(200).number_at("/data/metadata/version");
        let records = fork.log_of("secret/data/app/db").await;
        // The read just now left one too.
        let recorded = records.len() - before - 1;
        let happened = version == 2;
        assert_eq!(happened, matches!(how, Break::LoseAnswer | Break::AbortAfter), "{how:?}");
        let effects = records[before..].iter().filter(|r| r.outcome.as_ref().unwrap().cause.is_none()).count() - 1;
        assert_eq!(effects, usize::from(happened), "{how:?}: {recorded} records");
    }
}

#[tokio::test]
async fn unknown_fields_are_named_in_a_warning() {
    let server = server().await;
    let body = json!({ "data": { "a": "b" }, "dta": 1, "optins": 2 });
    let written = server.post("secret/data/app/w", server.root(), body).await.expect(200);
    let warnings = written.at("/warnings").to_string();
    assert!(warnings.contains("dta") && warnings.contains("optins"), "{warnings}");
    assert_eq!(
        server.post("secret/data/app/w", server.root(), json!({ "data": {} })).await.at("/warnings"),
        &json!(null)
    );
}

/// Secrets in every place that a client may put one, by right or by mistake.
#[tokio::test]
async fn no_secret_stands_in_the_log() {
    let server = TestServer::builder().logged_header("x-trace").start().await;
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    let root = server.root().to_owned();
    let root = root.as_str();
    let mut canaries: Vec<String> = vec![root.to_owned()];
    canaries.extend(server.shares().iter().cloned());
    // Where they belong.
    server
        .post(
            "secret/data/a",
            root,
            json!({ "data": { "k": "CANARY01", "nested": { "deep": ["CANARY02", { "x": "CANARY03" }] } } }),
        )
        .await
        .ok();
    server.patch("secret/data/a", root, json!({ "data": { "k": "CANARY04" } })).await.ok();
    server.post("secret/metadata/a", root, json!({ "custom_metadata": { "owner": "CANARY05" } })).await.ok();
    server.post("cubbyhole/a", root, json!({ "k": "CANARY06", "n": { "m": "CANARY07" } })).await.ok();
    let wrap = server.call("POST", "sys/wrapping/wrap").token(root).wrap("60");
    wrap.json(&json!({ "k": "CANARY08" })).send().await.ok();
    server.post("syn/password/app", root, json!({ "password": "CANARY09" })).await.ok();
    server.call("GET", "secret/data/a").token(root).header("x-trace", "CANARY10").send().await.ok();
    // Where they do not belong: unknown members and their names, wrong types, wrong routes, other people's fields.
    for (method, path, body) in [
        ("POST", "secret/data/a", r#"{"data": "CANARY11"}"#),
        ("POST", "secret/data/a", r#"{"data": ["CANARY12"], "options": "CANARY13"}"#),
        ("POST", "secret/data/a", r#"{"data": {"a": "b"}, "CANARY14": "CANARY15"}"#),
        ("POST", "secret/data/a", r#"{"data": 5, "CANARY16": {"CANARY17": "CANARY18"}}"#),
        ("POST", "secret/data/a", r#"{"options": {"cas": "CANARY19"}, "data": {"a": "b"}}"#),
        ("POST", "secret/config", r#"{"max_versions": "CANARY20"}"#),
        ("POST", "secret/config", r#"{"delete_version_after": {"CANARY21": "CANARY22"}}"#),
        ("POST", "secret/delete/a", r#"{"versions": "CANARY23"}"#),
        ("POST", "secret/metadata/a", r#"{"custom_metadata": "CANARY24"}"#),
        ("POST", "secret/nowhere", r#"{"password": "CANARY25"}"#),
        ("POST", "nowhere/at/all", r#"{"password": "CANARY26"}"#),
        ("POST", "sys/policies/acl/p", r#"{"policy": ["CANARY27"]}"#),
        ("POST", "sys/policies/acl/p", r#"{"policy": "path \"CANARY28"}"#),
        ("POST", "sys/mounts/new", r#"{"type": {"CANARY29": "CANARY30"}}"#),
        ("POST", "sys/wrapping/unwrap", r#"{"token": "CANARY32"}"#),
        ("POST", "sys/wrapping/unwrap", r#"{"token": {"CANARY33": "CANARY34"}}"#),
        ("POST", "sys/capabilities", r#"{"token": "CANARY35", "path": "a"}"#),
        ("POST", "sys/tools/hash", r#"{"input": "CANARY36"}"#),
        ("POST", "sys/leases/renew", r#"{"lease_id": ["CANARY37"], "increment": "CANARY38"}"#),
        ("POST", "syn/password/app", r#"{"password": {"CANARY39": "CANARY40"}}"#),
        ("POST", "syn/creds/app", r#"{"password": "CANARY41"}"#),
        ("POST", "secret/data/a", r#"{"data": {"a": "CANARY42"}"#),
        ("POST", "secret/data/a", r#"CANARY43"#),
        ("GET", "secret/data/a?version=CANARY44&CANARY45=CANARY46", ""),
        ("GET", "secret/data/CANARY47%ZZ", ""),
        ("LIST", "secret/metadata/?limit=CANARY48", ""),
        ("POST", "sys/rekey/update", r#"{"key": "CANARY49", "nonce": {"a": "CANARY50"}}"#),
        ("POST", "sys/unseal", r#"{"key": "CANARY51", "reset": "CANARY52"}"#),
    ] {
        let reply = server.call(method, path).token(root).body(body).send().await;
        // What is refused repeats nothing of what was sent; a warning may name an ignored member to who sent it.
        if reply.status >= 400 {
            assert!(!reply.text.contains("CANARY"), "{method} {path} {body}: {}", reply.text);
        }
        server.call(method, path).token("hvs.CANARY53").body(body).send().await;
        server.call(method, path).body(body).send().await;
    }
    server.call("GET", "secret/data/a").header("authorization", "Bearer CANARY54").send().await;
    server.call("GET", "secret/data/a").token("CANARY55").header("x-trace", "CANARY56").send().await;
    // What the server made.
    let created = server.get("syn/creds/app", root).await.ok();
    canaries.push(created.text_at("/data/password"));
    let wrapped = server.call("GET", "secret/data/a").token(root).wrap("60").send().await.ok();
    canaries.push(wrapped.wrapping_token());
    canaries.push(wrapped.text_at("/wrap_info/accessor"));
    let ids = server.approle("app", json!({ "token_policies": "default" })).await;
    let login = server.login(&ids).await.ok();
    server.login(&(ids.0.clone(), "CANARY57".to_owned())).await;
    server
        .post(
            "auth/approle/login",
            "",
            json!({ "role_id": "CANARY58", "secret_id": "CANARY59", "CANARY60": "CANARY61" }),
        )
        .await;
    canaries.extend([login.client_token(), login.text_at("/auth/accessor"), ids.0, ids.1]);
    canaries.push("CANARY".to_owned());
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
    let shown = server.log_shows(&canaries).await;
    assert!(shown.is_empty(), "the log shows {shown:?}:\n{}", lines_with(&server, &shown).await);
}

async fn lines_with(server: &TestServer, texts: &[String]) -> String {
    let log = server.log_bytes().await;
    let lines = log.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    lines.filter(|line| texts.iter().any(|text| line.contains(text.as_str()))).collect::<Vec<_>>().join("\n")
}

/// Texts that hold secrets cannot be printed by accident either.
#[test]
fn a_secret_prints_as_nothing() {
    assert_eq!(format!("{:?}", SecretText::new("CANARY".to_owned())), "<secret>");
}

#[tokio::test]
async fn a_stranger_cannot_fill_the_log() {
    let server = TestServer::builder().settings(|settings| settings.stranger_refusals_per_s = 3).start().await;
    for _ in 0..200 {
        server.get("secret/data/a", "hvs.guess").await.expect(403);
    }
    let singly = server.log().await.iter().filter(|record| record.is_denied()).count();
    assert_eq!(singly, 3);
    server.round().await;
    let log = server.log().await;
    let counts: Vec<_> = log
        .iter()
        .filter_map(|record| record.event.as_ref())
        .filter(|event| event.what.as_str() == "refusals.counted")
        .collect();
    assert_eq!(counts.len(), 1);
    assert!(counts[0].detail.as_ref().unwrap().as_str().starts_with("197 "), "{counts:?}");
    // A caller that is known is never counted away.
    let token = server.token(&["none"]).await;
    for _ in 0..10 {
        server.get("secret/data/a", &token).await.expect(403);
    }
    assert_eq!(server.log().await.iter().filter(|record| record.is_denied() && record.actor.is_some()).count(), 10);
}

#[tokio::test]
async fn requests_that_are_not_canonical_are_refused_before_anything_else() {
    let server = server().await;
    let before = server.log_bytes().await.len();
    for path in [
        "secret/data/../data/app/db",
        "secret//data/app/db",
        "secret/data/./app/db",
        "secret/data/app%2f..%2fdb",
        "secret/data/app/db%00",
        "secret/data/app/%e2%80%8bdb",
        "secret/data/%ff",
    ] {
        let refused = server.get(path, server.root()).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
    }
    assert_eq!(server.log_bytes().await.len(), before);
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let refused = server.call("POST", "secret/data/app/db").token(server.root()).body(&deep).send().await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
}

/// `secret/data/a/` was answered as if it were deleted, and nothing was.
#[tokio::test]
async fn a_secret_with_a_slash_behind_its_name_is_refused_and_nothing_is_done() {
    let server = server().await;
    let root = server.root();
    for path in ["secret/data/app/db/", "secret/metadata/app/db/", "secret/data/app/", "secret/subkeys/app/db/"] {
        let reads = server.get(path, root).await.expect(400);
        assert!(reads.errors().contains("ends in a slash"), "{path}: {}", reads.errors());
    }
    for path in ["secret/data/app/db/", "secret/metadata/app/db/", "secret/data/app/"] {
        assert!(server.delete(path, root).await.expect(400).errors().contains("ends in a slash"), "{path}");
        server.post(path, root, json!({ "data": { "a": 1 } })).await.expect(400);
        server.patch(path, root, json!({ "data": { "a": 1 } })).await.expect(400);
    }
    let kept = server.get("secret/data/app/db", root).await.ok();
    assert_eq!(kept.at("/data/metadata/version"), &json!(1), "something was done");
    assert_eq!(server.list("secret/metadata/app/", root).await.ok().at("/data/keys"), &json!(["db"]));
    assert_eq!(server.list("secret/metadata/app", root).await.ok().at("/data/keys"), &json!(["db"]));
    server.get("secret/data/app/db/", "hvs.unknown").await.expect(403);
    server.delete("secret/data/other/", &server.token(&["reader"]).await).await.expect(403);
}

#[tokio::test]
async fn permission_is_judged_before_the_form_of_a_patch() {
    let server = server().await;
    let reader = server.token(&["reader"]).await;
    let patch = async |token: &str| {
        server.call("PATCH", "secret/data/app/db").token(token).body("{\"data\":{\"CANARYform\":1}}").send().await
    };
    patch(&reader).await.expect(403);
    patch("hvs.unknown").await.expect(403);
    patch("").await.expect(403);
    let root = server.root().to_owned();
    patch(&root).await.expect(415);
    let record = server.last_record().await;
    assert!(!record.is_denied() && record.decision.is_some_and(|decision| decision.allowed));
    let kept = server.get("secret/data/app/db", &root).await.ok();
    assert_eq!(kept.at("/data/metadata/version"), &json!(1));
    assert!(server.log_shows(&["CANARYform"]).await.is_empty());
}

#[tokio::test]
async fn a_secret_with_a_duplicate_member_is_not_stored() {
    let server = server().await;
    let body = "{\"data\":{\"CANARYname\":\"CANARYone\",\"deep\":[{\"CANARYname\":1,\"CANARYname\":2}]}}";
    let refused = server.call("POST", "secret/data/app/db").token(server.root()).body(body).send().await.expect(400);
    assert!(refused.errors().contains("duplicate member") && !refused.errors().contains("CANARY"));
    assert_eq!(server.get("secret/data/app/db", server.root()).await.ok().at("/data/metadata/version"), &json!(1));
}

#[tokio::test]
async fn help_is_given_for_a_mount_and_for_each_of_its_paths_and_does_nothing() {
    let server = server().await;
    let token = server.token(&["reader"]).await;
    let (secret_id, _) = ("auth/approle/role/web/secret-id", server.approle("web", json!({})).await);
    for (path, words) in [
        ("secret", "data/{path..}"),
        ("secret/", "Deletes the current version"),
        ("secret/data/app/db", "write   Writes a new version"),
        ("secret/config", "max_versions"),
        ("sys", "mounts"),
        ("sys/mounts", "mount"),
        ("auth/token", "create"),
        ("auth/token/create", "write"),
        ("auth/approle", "login"),
        (secret_id, "write"),
        ("cubbyhole", "cubbyhole"),
    ] {
        let help = server.get(&format!("{path}?help=1"), &token).await.expect(200);
        assert!(help.text_at("/help").contains(words), "{path}: {}", help.text_at("/help"));
        assert!(server.call("HELP", path).token(&token).send().await.is_success(), "{path}");
    }
    for path in ["secret", "secret/data/app/db", "auth/token/create", "nowhere"] {
        server.get(&format!("{path}?help=1"), "").await.expect(403);
    }
    server.get("nowhere?help=1", server.root()).await.expect(404);
    server.get("secret/nothing?help=1", server.root()).await.expect(404);
    assert_eq!(server.last_record().await.operation, Some(cardea_audit::record::Operation::Help));
    assert_eq!(server.get("secret/data/app/db", server.root()).await.ok().at("/data/metadata/version"), &json!(1));
}
