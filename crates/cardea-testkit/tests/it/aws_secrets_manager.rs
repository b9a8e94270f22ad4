//! Secrets Manager's door beside Vault's, on a whole server: signatures, policies and the log.

use cardea_dialects::aws_secrets_manager::AwsSecretsManager;
use cardea_model::SecretBytes;
use cardea_model::wire::WireRequest;
use cardea_testkit::{Reply, Signer, TestServer};
use serde_json::{Value, json};

const REGION: &str = "eu-central-1";
const OWNER: &str = r#"path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#;
const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

fn signed(key: &(String, String), operation: &str, body: &Value, now_s: u64) -> WireRequest {
    Signer::new(key, REGION, "secretsmanager").operation(&format!("secretsmanager.{operation}"), body, now_s)
}

pub async fn ask(server: &TestServer, key: &(String, String), operation: &str, body: Value) -> Reply {
    let now_s = server.now().unix_s();
    server.send(&AwsSecretsManager, signed(key, operation, &body, now_s)).await
}

async fn server() -> (TestServer, (String, String)) {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.policy("owner", OWNER).await;
    let key = server.access_key("robot", &["owner"], Some(30 * 86_400)).await;
    (server, key)
}

#[tokio::test]
async fn one_secret_has_two_doors_one_policy_and_one_log() {
    let (server, key) = server().await;
    let body =
        json!({ "Name": "app/db", "SecretString": "{\"password\":\"canary-one\"}", "ClientRequestToken": TOKEN });
    let made = ask(&server, &key, "CreateSecret", body).await.expect(200);
    let arn = made.text_at("/ARN");
    assert!(arn.starts_with("arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-"), "{arn}");
    let read = server.get("secret/data/app/db", server.root()).await.expect(200);
    assert_eq!(read.at("/data/data"), &json!({ "password": "canary-one" }));
    server.post("secret/data/app/db", server.root(), json!({ "data": { "password": "canary-two" } })).await.expect(200);
    let read = ask(&server, &key, "GetSecretValue", json!({ "SecretId": arn })).await.expect(200);
    assert_eq!(read.text_at("/SecretString"), "{\"password\":\"canary-two\"}");

    server.policy("owner", r#"path "secret/data/app/db" { capabilities = ["deny"] }"#).await;
    let token = server.token(&["owner"]).await;
    server.get("secret/data/app/db", &token).await.expect(403);
    let refused = ask(&server, &key, "GetSecretValue", json!({ "SecretId": arn })).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "AccessDeniedException");

    let about = server.log_of("secret/data/app/db").await;
    let doors: Vec<_> =
        about.iter().map(|record| (record.dialect.as_ref().unwrap().as_str(), record.is_denied())).collect();
    let aws = "aws_secrets_manager";
    assert_eq!(doors, [(aws, false), ("vault", false), ("vault", false), (aws, false), ("vault", true), (aws, true)]);
    assert!(server.log_shows(&["canary-one", "canary-two", &key.1]).await.is_empty());
}

#[tokio::test]
async fn a_batch_leaves_the_name_of_each_secret_it_read() {
    let (server, key) = server().await;
    for name in ["a", "b", "c"] {
        server.post(&format!("secret/data/{name}"), server.root(), json!({ "data": { "k": "v" } })).await.expect(200);
    }
    let batch =
        ask(&server, &key, "BatchGetSecretValue", json!({ "SecretIdList": ["a", "c", "none"] })).await.expect(200);
    assert_eq!(batch.at("/SecretValues").as_array().unwrap().len(), 2);
    let record = server.last_record().await;
    let params = record.response.unwrap().params;
    let named: Vec<String> = params.iter().map(|param| format!("{param:?}")).collect();
    // And the version of each, by which the end of an old credential is proved.
    let versions = params.iter().filter(|param| param.name.as_str() == "secret_version").count();
    assert!(named.len() == 4 && versions == 2 && named[0].contains("\"a\"") && named[1].contains("\"c\""), "{named:?}");
}

#[tokio::test]
async fn bad_signatures_have_types_and_leave_records() {
    let (server, key) = server().await;
    let body = json!({ "SecretId": "a" });
    let now_s = server.now().unix_s();
    let kind = |reply: Reply| reply.expect(400).text_at("/__type");
    let mut altered = signed(&key, "GetSecretValue", &body, now_s);
    altered.body = SecretBytes::new(br#"{"SecretId":"b"}"#.to_vec());
    assert_eq!(kind(server.send(&AwsSecretsManager, altered).await), "InvalidSignatureException");
    let late = signed(&key, "GetSecretValue", &body, now_s - 301);
    assert_eq!(kind(server.send(&AwsSecretsManager, late).await), "InvalidSignatureException");
    let mut nobody = signed(&key, "GetSecretValue", &body, now_s);
    nobody.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(kind(server.send(&AwsSecretsManager, nobody).await), "MissingAuthenticationTokenException");
    let stranger = ("CDAKNOBODY0000000000".to_owned(), key.1.clone());
    assert_eq!(kind(ask(&server, &stranger, "ListSecrets", json!({})).await), "UnrecognizedClientException");
    assert!(server.last_record().await.is_denied());
}

#[tokio::test]
async fn a_marked_secret_survives_a_restart_and_ends_with_its_window() {
    let (mut server, key) = server().await;
    let create = json!({ "Name": "s", "SecretString": "x", "ClientRequestToken": TOKEN });
    ask(&server, &key, "CreateSecret", create.clone()).await.expect(200);
    ask(&server, &key, "DeleteSecret", json!({ "SecretId": "s", "RecoveryWindowInDays": 7 })).await.expect(200);
    server.restart().await;
    server.get("secret/data/s", server.root()).await.expect(404);
    server.advance(7 * 86_400 - 60);
    ask(&server, &key, "CreateSecret", create.clone()).await.expect(400);
    server.advance(61);
    let gone = ask(&server, &key, "RestoreSecret", json!({ "SecretId": "s" })).await.expect(400);
    assert_eq!(gone.text_at("/__type"), "ResourceNotFoundException");
    ask(&server, &key, "CreateSecret", create).await.expect(200);
}

#[tokio::test]
async fn a_sealed_server_says_so_and_nothing_else() {
    let (mut server, key) = server().await;
    let now_s = server.now().unix_s();
    server.crash().await;
    for body in [json!({ "SecretId": "a" }), json!({ "SecretId": "none" })] {
        let refused = server.send(&AwsSecretsManager, signed(&key, "GetSecretValue", &body, now_s)).await.expect(503);
        assert_eq!(refused.text_at("/__type"), "ServiceUnavailableException");
    }
}

#[tokio::test]
async fn lists_and_batches_show_what_the_caller_may_see() {
    let (server, owner) = server().await;
    for name in ["open/a", "open/b", "shut/a"] {
        server.post(&format!("secret/data/{name}"), server.root(), json!({ "data": { "k": "v" } })).await.expect(200);
    }
    let policy = r#"path "secret/metadata/open/*" { capabilities = ["read"] } path "secret/data/open/a" { capabilities = ["read"] }"#;
    server.policy("some", policy).await;
    let some = server.access_key("some", &["some"], Some(600)).await;
    let nothing = server.access_key("nothing", &["absent"], Some(600)).await;
    for (key, expected) in
        [(&owner, vec!["open/a", "open/b", "shut/a"]), (&some, vec!["open/a", "open/b"]), (&nothing, vec![])]
    {
        let listed = ask(&server, key, "ListSecrets", json!({})).await.expect(200);
        let names: Vec<String> = listed
            .at("/SecretList")
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| secret["Name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, expected);
        // One at a time, so that every page ends between what is shown and what is not.
        let (mut names, mut body) = (Vec::new(), json!({ "MaxResults": 1 }));
        loop {
            let page = ask(&server, key, "ListSecrets", body.clone()).await.expect(200);
            names.extend(
                page.at("/SecretList").as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap().to_owned()),
            );
            let json: Value = serde_json::from_str(&page.text).unwrap();
            let Some(token) = json.get("NextToken") else { break };
            body["NextToken"] = token.clone();
        }
        assert_eq!(names, expected);
    }
    let batch = json!({ "SecretIdList": ["open/a", "open/b", "shut/a", "shut/none"] });
    let read = ask(&server, &some, "BatchGetSecretValue", batch).await.expect(200);
    let codes: Vec<&str> =
        read.at("/Errors").as_array().unwrap().iter().map(|e| e["ErrorCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["AccessDeniedException"; 3], "what exists behind a denial is not told");
}
