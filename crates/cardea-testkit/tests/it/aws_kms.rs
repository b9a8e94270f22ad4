//! KMS's door beside Vault's, on a whole server: one key under one name for policies, states and the log, whatever it is
//! called; contexts that the log keeps and policies can demand; signatures for another service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::keys::KeyMaterial;
use cardea_dialects::aws_kms::AwsKms;
use cardea_model::SecretBytes;
use cardea_model::key::{HashAlgorithm, KeyAlgorithm};
use cardea_model::wire::WireRequest;
use cardea_testkit::{Reply, Signer, TestServer};
use serde_json::{Value, json};

pub const REGION: &str = "eu-central-1";
pub const OWNER: &str = r#"path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#;

fn signed(key: &(String, String), service: &str, operation: &str, body: &Value, now_s: u64) -> WireRequest {
    Signer::new(key, REGION, service).operation(&format!("TrentService.{operation}"), body, now_s)
}

pub async fn ask(server: &TestServer, key: &(String, String), operation: &str, body: Value) -> Reply {
    let now_s = server.now().unix_s();
    server.send(&AwsKms, signed(key, "kms", operation, &body, now_s)).await
}

pub async fn kind(server: &TestServer, key: &(String, String), operation: &str, body: Value) -> String {
    ask(server, key, operation, body).await.expect(400).text_at("/__type")
}

async fn server() -> (TestServer, (String, String)) {
    let server = TestServer::start().await;
    server.mount("transit", "transit").await;
    server.policy("owner", OWNER).await;
    let key = server.access_key("robot", &["owner"], Some(40 * 86_400)).await;
    (server, key)
}

#[tokio::test]
async fn one_key_has_two_doors_one_name_and_one_log() {
    let (server, key) = server().await;
    server.post("transit/keys/app", server.root(), json!({})).await.ok();
    let shown = ask(&server, &key, "DescribeKey", json!({ "KeyId": "alias/app" })).await.expect(200);
    let id = shown.text_at("/KeyMetadata/KeyId");
    let plaintext = BASE64.encode("a plaintext of ours");
    let context = json!({ "tenant": "tenant-in-clear" });
    let body = json!({ "KeyId": id, "Plaintext": plaintext, "EncryptionContext": context });
    let bound = ask(&server, &key, "Encrypt", body).await.expect(200).text_at("/CiphertextBlob");
    let body = json!({ "CiphertextBlob": bound, "EncryptionContext": context });
    let opened = ask(&server, &key, "Decrypt", body).await.expect(200);
    assert_eq!(opened.text_at("/Plaintext"), plaintext);
    let plain =
        ask(&server, &key, "Encrypt", json!({ "KeyId": "alias/app", "Plaintext": plaintext })).await.expect(200);
    let blob = plain.text_at("/CiphertextBlob");
    let opened = server.post("transit/decrypt/app", server.root(), json!({ "ciphertext": blob })).await.expect(200);
    assert_eq!(opened.text_at("/data/plaintext"), plaintext);
    server.post("transit/decrypt/app", server.root(), json!({ "ciphertext": bound })).await.expect(400);

    for (path, count) in [("transit/keys/app", 2), ("transit/encrypt/app", 2), ("transit/decrypt/app", 3)] {
        assert_eq!(server.log_of(path).await.len(), count, "{path}");
    }
    let first = format!("{:?}", server.log_of("transit/encrypt/app").await[0]);
    assert!(first.contains("encryption_context") && first.contains("tenant-in-clear"), "{first}");
    assert!(server.log_shows(&["a plaintext of ours", &plaintext, &bound, &blob, &key.1]).await.is_empty());
}

#[tokio::test]
async fn policies_judge_the_name_and_may_demand_a_context() {
    let (server, owner) = server().await;
    server.post("transit/keys/app", server.root(), json!({})).await.ok();
    server.post("transit/keys/other", server.root(), json!({})).await.ok();
    let text =
        r#"path "transit/encrypt/app" { capabilities = ["update"] required_parameters = ["encryption_context"] }"#;
    server.policy("bound", text).await;
    let key = server.access_key("narrow", &["bound"], None).await;
    let id = ask(&server, &owner, "DescribeKey", json!({ "KeyId": "alias/app" })).await.text_at("/KeyMetadata/KeyId");
    let arn = format!("arn:aws:kms:{REGION}:123456789012:key/{id}");
    for called in [id.as_str(), arn.as_str(), "alias/app"] {
        let with = json!({ "KeyId": called, "Plaintext": "eA==", "EncryptionContext": { "a": "b" } });
        ask(&server, &key, "Encrypt", with).await.expect(200);
        let without = json!({ "KeyId": called, "Plaintext": "eA==" });
        assert_eq!(kind(&server, &key, "Encrypt", without).await, "AccessDeniedException", "{called}");
    }
    let other = json!({ "KeyId": "alias/other", "Plaintext": "eA==", "EncryptionContext": { "a": "b" } });
    assert_eq!(kind(&server, &key, "Encrypt", other).await, "AccessDeniedException");
    assert!(server.last_record().await.is_denied());
    assert_eq!(
        server.log_of("transit/encrypt/other").await.len(),
        1,
        "the record names the key, not what it was called"
    );
    let none = json!({ "KeyId": "alias/none", "Plaintext": "eA==", "EncryptionContext": { "a": "b" } });
    assert_eq!(kind(&server, &key, "Encrypt", none).await, "AccessDeniedException", "who may not ask learns nothing");
}

#[tokio::test]
async fn a_scheduled_deletion_can_be_cancelled_until_it_has_come() {
    let (mut server, key) = server().await;
    let made = ask(&server, &key, "CreateKey", json!({})).await.expect(200);
    let id = made.text_at("/KeyMetadata/KeyId");
    ask(&server, &key, "CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": id })).await.expect(200);
    ask(&server, &key, "ScheduleKeyDeletion", json!({ "KeyId": id, "PendingWindowInDays": 7 })).await.expect(200);
    server.restart().await;
    let body = json!({ "KeyId": "alias/a", "Plaintext": "eA==" });
    assert_eq!(kind(&server, &key, "Encrypt", body.clone()).await, "KMSInvalidStateException");
    server.post(&format!("transit/encrypt/{id}"), server.root(), json!({ "plaintext": "eA==" })).await.expect(400);
    ask(&server, &key, "CancelKeyDeletion", json!({ "KeyId": id })).await.expect(200);
    ask(&server, &key, "EnableKey", json!({ "KeyId": id })).await.expect(200);
    ask(&server, &key, "Encrypt", body.clone()).await.expect(200);
    ask(&server, &key, "ScheduleKeyDeletion", json!({ "KeyId": id, "PendingWindowInDays": 7 })).await.expect(200);
    server.advance(7 * 86_400);
    assert_eq!(kind(&server, &key, "Encrypt", body).await, "NotFoundException");
    assert_eq!(kind(&server, &key, "CancelKeyDeletion", json!({ "KeyId": id })).await, "NotFoundException");
    let again = ask(&server, &key, "CreateKey", json!({})).await.expect(200).text_at("/KeyMetadata/KeyId");
    ask(&server, &key, "CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": again })).await.expect(200);
}

#[tokio::test]
async fn imported_material_ends_by_the_servers_clock_at_both_doors() {
    let (mut server, key) = server().await;
    let made = ask(&server, &key, "CreateKey", json!({ "Origin": "EXTERNAL" })).await.expect(200);
    let id = made.text_at("/KeyMetadata/KeyId");
    let material = [5u8; 32];
    let import = async |server: &TestServer, material: &[u8], valid_to: Option<u64>| {
        let body = json!({ "KeyId": id, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" });
        let ready = ask(server, &key, "GetParametersForImport", body).await.expect(200);
        let public = BASE64.decode(ready.text_at("/PublicKey")).unwrap();
        let wrapping = KeyMaterial::import_public(KeyAlgorithm::Rsa2048, &public).unwrap();
        let wrapped = BASE64.encode(wrapping.rsa_encrypt(HashAlgorithm::Sha256, material).unwrap());
        let model = if valid_to.is_some() { "KEY_MATERIAL_EXPIRES" } else { "KEY_MATERIAL_DOES_NOT_EXPIRE" };
        let mut body = json!({
            "KeyId": id, "ImportToken": ready.text_at("/ImportToken"), "EncryptedKeyMaterial": wrapped,
            "ExpirationModel": model,
        });
        if let Some(at) = valid_to {
            body["ValidTo"] = json!(at);
        }
        ask(server, &key, "ImportKeyMaterial", body).await
    };
    let end_s = server.now().unix_s() + 3600;
    import(&server, &material, Some(end_s)).await.expect(200);
    let text = json!({ "plaintext": BASE64.encode("x") });
    let sealed = server.post(&format!("transit/encrypt/{id}"), server.root(), text).await.expect(200);
    let sealed = json!({ "ciphertext": sealed.text_at("/data/ciphertext") });
    server.advance(3600);
    server.restart().await;
    let body = json!({ "KeyId": id, "Plaintext": "eA==" });
    assert_eq!(kind(&server, &key, "Encrypt", body.clone()).await, "KMSInvalidStateException");
    server.post(&format!("transit/decrypt/{id}"), server.root(), sealed.clone()).await.expect(400);
    let shown = ask(&server, &key, "DescribeKey", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(shown.text_at("/KeyMetadata/KeyState"), "PendingImport");
    let other = import(&server, &[6u8; 32], None).await.expect(400);
    assert_eq!(other.text_at("/__type"), "IncorrectKeyMaterialException");
    import(&server, &material, None).await.expect(200);
    server.post(&format!("transit/decrypt/{id}"), server.root(), sealed).await.expect(200);
    let used = ask(&server, &key, "GetKeyLastUsage", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(used.text_at("/KeyLastUsage/Operation"), "Decrypt", "an hour after the first");
    ask(&server, &key, "DeleteImportedKeyMaterial", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(kind(&server, &key, "Encrypt", body).await, "KMSInvalidStateException");
    assert!(server.log_shows(&[&BASE64.encode(material)]).await.is_empty());
}

#[tokio::test]
async fn signatures_are_for_this_service_and_a_missing_mount_is_said() {
    let (server, key) = server().await;
    let now_s = server.now().unix_s();
    let foreign = signed(&key, "secretsmanager", "ListKeys", &json!({}), now_s);
    let refused = server.send(&AwsKms, foreign).await.expect(400).text_at("/__type");
    assert_eq!(refused, "InvalidSignatureException");
    let mut altered = signed(&key, "kms", "ListKeys", &json!({}), now_s);
    altered.body = SecretBytes::new(br#"{"Limit":1}"#.to_vec());
    assert_eq!(server.send(&AwsKms, altered).await.expect(400).text_at("/__type"), "InvalidSignatureException");
    let bare = TestServer::start().await;
    bare.policy("owner", OWNER).await;
    let key = bare.access_key("robot", &["owner"], None).await;
    let refused = ask(&bare, &key, "CreateKey", json!({})).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "NotFoundException");
    assert!(refused.text_at("/message").contains("transit"));
}
