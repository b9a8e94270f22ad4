//! Regions on a whole server: doors of the dialects of AWS's clients that show one key or one secret from several sides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_dialects::aws_kms::AwsKms;
use cardea_dialects::aws_secrets_manager::AwsSecretsManager;
use cardea_sdk::dialect::Dialect;
use cardea_testkit::{Reply, Signer, TestServer};
use serde_json::{Value, json};

const HOME: &str = "eu-central-1";
const AWAY: &str = "us-east-1";
const REGIONS: &str = "eu-central-1,us-east-1,eu-west-1";
const DAY_S: u64 = 86_400;

/// The owner of both mounts, with a client in each region.
struct Owner {
    server: TestServer,
    key: (String, String),
}

impl Owner {
    async fn new(policy: &str) -> Self {
        let server = TestServer::builder().regions(REGIONS).start().await;
        server.mount("transit", "transit").await;
        server.mount("secret", "kv").await;
        server.policy("owner", policy).await;
        let key = server.access_key("robot", &["owner"], Some(90 * DAY_S)).await;
        Self { server, key }
    }

    async fn ask(&self, dialect: &dyn Dialect, region: &str, service: &str, target: &str, body: &Value) -> Reply {
        let signed = Signer::new(&self.key, region, service).operation(target, body, self.server.now().unix_s());
        self.server.send(dialect, signed).await
    }

    async fn kms(&self, region: &str, operation: &str, body: Value) -> Reply {
        self.ask(&AwsKms, region, "kms", &format!("TrentService.{operation}"), &body).await
    }

    async fn secrets(&self, region: &str, operation: &str, body: Value) -> Reply {
        self.ask(&AwsSecretsManager, region, "secretsmanager", &format!("secretsmanager.{operation}"), &body).await
    }
}

fn refusal(reply: Reply) -> String {
    reply.expect(400).text_at("/__type")
}

const ALL: &str = r#"
    path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }
    path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#;

#[tokio::test]
async fn a_key_of_several_regions_is_one_material_and_each_regions_own_key() {
    let mut owner = Owner::new(ALL).await;
    let made = owner.kms(HOME, "CreateKey", json!({ "MultiRegion": true })).await.expect(200);
    let id = made.text_at("/KeyMetadata/KeyId");
    assert_eq!(made.text_at("/KeyMetadata/MultiRegionConfiguration/MultiRegionKeyType"), "PRIMARY");
    let context = json!({ "tenant": "t" });
    let plaintext = BASE64.encode("of both");
    let body = json!({ "KeyId": id, "Plaintext": plaintext, "EncryptionContext": context });
    let blob = owner.kms(HOME, "Encrypt", body).await.expect(200).text_at("/CiphertextBlob");
    let open = json!({ "CiphertextBlob": blob, "EncryptionContext": context });
    assert_eq!(refusal(owner.kms(AWAY, "Decrypt", open.clone()).await), "AccessDeniedException", "not there yet");
    assert_eq!(refusal(owner.kms(AWAY, "DescribeKey", json!({ "KeyId": id })).await), "NotFoundException");
    let body = json!({ "KeyId": id, "ReplicaRegion": AWAY, "Description": "over there" });
    let replica = owner.kms(HOME, "ReplicateKey", body).await.expect(200);
    let arn = format!("arn:aws:kms:{AWAY}:123456789012:key/{id}");
    assert_eq!(replica.text_at("/ReplicaKeyMetadata/Arn"), arn);
    owner.server.restart().await;
    let opened = owner.kms(AWAY, "Decrypt", open.clone()).await.expect(200);
    assert_eq!((opened.text_at("/Plaintext"), opened.text_at("/KeyId")), (plaintext, arn));

    // Each has its own state, and Vault's door its own name for each.
    owner.kms(HOME, "DisableKey", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(refusal(owner.kms(HOME, "Decrypt", open.clone()).await), "DisabledException");
    owner.kms(AWAY, "Decrypt", open.clone()).await.expect(200);
    let text = json!({ "plaintext": BASE64.encode("x") });
    owner.server.post(&format!("transit/encrypt/{id}"), owner.server.root(), text.clone()).await.expect(400);
    owner.server.post(&format!("transit/encrypt/{id}.{AWAY}"), owner.server.root(), text).await.expect(200);
    assert_eq!(owner.server.log_of(&format!("transit/decrypt/{id}.{AWAY}")).await.len(), 2);
    owner.kms(HOME, "EnableKey", json!({ "KeyId": id })).await.expect(200);

    // The primary waits for its replicas, and a replica may become the primary.
    owner.kms(HOME, "UpdatePrimaryRegion", json!({ "KeyId": id, "PrimaryRegion": AWAY })).await.expect(200);
    assert_eq!(
        refusal(owner.kms(HOME, "RotateKeyOnDemand", json!({ "KeyId": id })).await),
        "UnsupportedOperationException"
    );
    owner.kms(AWAY, "RotateKeyOnDemand", json!({ "KeyId": id })).await.expect(200);
    let delete = json!({ "KeyId": id, "PendingWindowInDays": 7 });
    let waits = owner.kms(AWAY, "ScheduleKeyDeletion", delete.clone()).await.expect(200);
    assert_eq!(waits.text_at("/KeyState"), "PendingReplicaDeletion");
    owner.kms(HOME, "ScheduleKeyDeletion", delete).await.expect(200);
    owner.server.advance(7 * DAY_S);
    let shown = owner.kms(AWAY, "DescribeKey", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(shown.text_at("/KeyMetadata/KeyState"), "PendingDeletion");
    owner.server.advance(7 * DAY_S);
    assert_eq!(refusal(owner.kms(AWAY, "DescribeKey", json!({ "KeyId": id })).await), "NotFoundException");
}

#[tokio::test]
async fn policies_tell_the_keys_of_a_set_apart() {
    let owner = Owner::new(
        r#"path "transit/keys" { capabilities = ["update"] }
           path "transit/keys/*" { capabilities = ["read", "update"] }
           path "transit/keys/+/primary" { capabilities = ["deny"] }
           path "transit/encrypt/*" { capabilities = ["update"] }
           path "transit/encrypt/mrk-*.us-east-1" { capabilities = ["deny"] }"#,
    )
    .await;
    let made = owner.kms(HOME, "CreateKey", json!({ "MultiRegion": true })).await.expect(200);
    let id = made.text_at("/KeyMetadata/KeyId");
    owner.kms(HOME, "ReplicateKey", json!({ "KeyId": id, "ReplicaRegion": AWAY })).await.expect(200);
    owner.kms(HOME, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" })).await.expect(200);
    let body = json!({ "KeyId": id, "PrimaryRegion": AWAY });
    assert_eq!(refusal(owner.kms(HOME, "UpdatePrimaryRegion", body).await), "AccessDeniedException");
    let shown = format!("{:?}", owner.server.log_of(&format!("transit/keys/{id}/replicate")).await[0]);
    assert!(shown.contains("replica_region") && shown.contains(AWAY), "{shown}");
    let narrow = r#"path "transit/keys" { capabilities = ["update"] }
        path "transit/keys/+/replicate" { capabilities = ["update"] allowed_parameters = { replica_region = ["eu-west-1"] } }"#;
    owner.server.policy("owner", narrow).await;
    let other = owner.kms(HOME, "ReplicateKey", json!({ "KeyId": id, "ReplicaRegion": AWAY })).await;
    assert_eq!(refusal(other), "AccessDeniedException");
    owner.kms(HOME, "ReplicateKey", json!({ "KeyId": id, "ReplicaRegion": "eu-west-1" })).await.expect(200);
    owner.server.policy("owner", &format!(r#"path "transit/encrypt/{id}" {{ capabilities = ["update"] }}"#)).await;
    owner.kms(HOME, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" })).await.expect(200);
    let refused = owner.kms(AWAY, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" })).await;
    assert_eq!(refusal(refused), "AccessDeniedException");
}

#[tokio::test]
async fn a_secret_is_read_where_it_is_replicated_to_and_changed_at_home() {
    let mut owner = Owner::new(ALL).await;
    let token = "11111111-2222-4333-8444-555555555555";
    let body = json!({
        "Name": "prod/db", "SecretString": "one", "ClientRequestToken": token,
        "AddReplicaRegions": [{ "Region": AWAY }],
    });
    let made = owner.secrets(HOME, "CreateSecret", body).await.expect(200);
    assert_eq!(made.text_at("/ReplicationStatus/0/Status"), "InSync");
    let shown = |record: &cardea_audit::Record| format!("{record:?}").contains(AWAY);
    assert!(shown(&owner.server.last_record().await), "the log says where a secret was put");
    for operation in ["RemoveRegionsFromReplication", "ReplicateSecretToRegions"] {
        let body =
            json!({ "SecretId": "prod/db", "RemoveReplicaRegions": [AWAY], "AddReplicaRegions": [{ "Region": AWAY }] });
        owner.secrets(HOME, operation, body).await.expect(200);
        assert!(shown(&owner.server.last_record().await), "{operation}");
    }
    let get = json!({ "SecretId": "prod/db" });
    owner.server.restart().await;
    let read = owner.secrets(AWAY, "GetSecretValue", get.clone()).await.expect(200);
    assert_eq!((read.text_at("/SecretString").as_str(), read.text_at("/VersionId").as_str()), ("one", token));
    let arn = read.text_at("/ARN");
    assert!(arn.starts_with(&format!("arn:aws:secretsmanager:{AWAY}:")), "{arn}");
    owner.secrets(AWAY, "GetSecretValue", json!({ "SecretId": arn })).await.expect(200);
    assert_eq!(
        refusal(owner.secrets(HOME, "GetSecretValue", json!({ "SecretId": arn })).await),
        "ResourceNotFoundException"
    );
    assert_eq!(refusal(owner.secrets("eu-west-1", "GetSecretValue", get.clone()).await), "ResourceNotFoundException");
    let put = json!({ "SecretId": "prod/db", "SecretString": "two", "ClientRequestToken": token.replace('1', "2") });
    let refused = owner.secrets(AWAY, "PutSecretValue", put.clone()).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "InvalidParameterException");
    assert_eq!(
        refused.text_at("/Message"),
        "Operation not permitted on a replica secret. Call must be made in primary secret's region."
    );
    owner.secrets(HOME, "PutSecretValue", put).await.expect(200);
    assert_eq!(owner.secrets(AWAY, "GetSecretValue", get.clone()).await.text_at("/SecretString"), "two");
    let shown = owner.server.get("secret/data/prod/db", owner.server.root()).await.expect(200);
    assert_eq!(shown.text_at("/data/data/value"), "two", "Vault's door has no regions");

    let refused = owner.secrets(HOME, "DeleteSecret", get.clone()).await;
    assert_eq!(refusal(refused), "InvalidParameterException");
    let remove = json!({ "SecretId": "prod/db", "RemoveReplicaRegions": [AWAY] });
    owner.secrets(HOME, "RemoveRegionsFromReplication", remove).await.expect(200);
    assert_eq!(refusal(owner.secrets(AWAY, "GetSecretValue", get.clone()).await), "ResourceNotFoundException");
    owner.secrets(HOME, "DeleteSecret", get).await.expect(200);
}

/// Makes `prod/db` in two regions, and sets the replica free.
async fn set_free(owner: &Owner) -> String {
    let body = json!({
        "Name": "prod/db", "SecretString": "one", "ClientRequestToken": "11111111-2222-4333-8444-555555555555",
        "AddReplicaRegions": [{ "Region": AWAY }],
    });
    owner.secrets(HOME, "CreateSecret", body).await.expect(200);
    let arn = owner.secrets(AWAY, "DescribeSecret", json!({ "SecretId": "prod/db" })).await.expect(200).text_at("/ARN");
    let stopped = owner.secrets(AWAY, "StopReplicationToReplica", json!({ "SecretId": arn })).await.expect(200);
    assert_eq!(stopped.text_at("/ARN"), arn);
    arn
}

#[tokio::test]
async fn a_replica_that_stands_alone_is_a_secret_of_its_own() {
    let mut owner = Owner::new(ALL).await;
    let arn = set_free(&owner).await;
    owner.server.restart().await;
    let put = |value: &str, token: &str| {
        let token = format!("{token}1111111-2222-4333-8444-555555555556");
        json!({ "SecretId": "prod/db", "SecretString": value, "ClientRequestToken": token })
    };
    owner.secrets(AWAY, "PutSecretValue", put("theirs", "2")).await.expect(200);
    owner.secrets(HOME, "PutSecretValue", put("ours", "3")).await.expect(200);
    let get = json!({ "SecretId": "prod/db" });
    assert_eq!(owner.secrets(HOME, "GetSecretValue", get.clone()).await.text_at("/SecretString"), "ours");
    let theirs = owner.secrets(AWAY, "GetSecretValue", get.clone()).await.expect(200);
    assert_eq!((theirs.text_at("/SecretString").as_str(), theirs.text_at("/ARN")), ("theirs", arn.clone()));
    let shown = owner.secrets(AWAY, "DescribeSecret", json!({ "SecretId": arn })).await.expect(200);
    assert!(shown.json.get("PrimaryRegion").is_none() && shown.json.get("ReplicationStatus").is_none());
    assert_eq!(
        refusal(owner.secrets(HOME, "DescribeSecret", json!({ "SecretId": arn })).await),
        "ResourceNotFoundException"
    );
    assert_eq!(refusal(owner.secrets(AWAY, "StopReplicationToReplica", get.clone()).await), "InvalidRequestException");

    // Vault's door and the log know it by a path of its own.
    let seen = owner.server.get("secret/data/prod/db%25us-east-1", owner.server.root()).await.expect(200);
    assert_eq!(seen.text_at("/data/data/value"), "theirs");
    assert!(!owner.server.log_of("secret/data/prod/db%us-east-1").await.is_empty());

    // To be replicated again it is overwritten, and nothing else makes room.
    let again = json!({ "SecretId": "prod/db", "AddReplicaRegions": [{ "Region": AWAY }] });
    let failed = owner.secrets(HOME, "ReplicateSecretToRegions", again.clone()).await.expect(200);
    assert_eq!(failed.text_at("/ReplicationStatus/0/Status"), "Failed");
    assert_eq!(owner.secrets(AWAY, "GetSecretValue", get.clone()).await.text_at("/SecretString"), "theirs");
    let mut forced = again;
    forced["ForceOverwriteReplicaSecret"] = json!(true);
    let synced = owner.secrets(HOME, "ReplicateSecretToRegions", forced).await.expect(200);
    assert_eq!(synced.text_at("/ReplicationStatus/0/Status"), "InSync");
    assert_eq!(owner.secrets(AWAY, "GetSecretValue", get).await.text_at("/SecretString"), "ours");
}

#[tokio::test]
async fn a_rule_for_a_name_holds_for_it_in_every_region() {
    let owner = Owner::new(ALL).await;
    set_free(&owner).await;
    let get = json!({ "SecretId": "prod/db" });
    let batch = json!({ "SecretIdList": ["prod/db"] });
    // What is denied, and what a narrower rule does not give, is not to be had under the path with the region.
    for narrow in [
        r#"path "secret/data/prod/db" { capabilities = ["deny"] }"#,
        r#"path "secret/data/prod/db" { capabilities = ["update"] }"#,
        r#"path "secret/data/prod/db%us-east-1" { capabilities = ["deny"] }"#,
    ] {
        owner.server.policy("owner", &format!("{ALL} {narrow}")).await;
        assert_eq!(
            refusal(owner.secrets(AWAY, "GetSecretValue", get.clone()).await),
            "AccessDeniedException",
            "{narrow}"
        );
        let many = owner.secrets(AWAY, "BatchGetSecretValue", batch.clone()).await.expect(200);
        assert_eq!(many.text_at("/Errors/0/ErrorCode"), "AccessDeniedException", "{narrow}");
        let token = owner.server.token(&["owner"]).await;
        owner.server.get("secret/data/prod/db%25us-east-1", &token).await.expect(403);
        let ask = json!({ "token": token, "path": "secret/data/prod/db%us-east-1" });
        let held = owner.server.post("sys/capabilities", owner.server.root(), ask).await.expect(200);
        assert!(!held.json["capabilities"].to_string().contains("read"), "{narrow}: {}", held.json);
    }
    let hidden = format!(r#"{ALL} path "secret/metadata/prod/db" {{ capabilities = ["deny"] }}"#);
    owner.server.policy("owner", &hidden).await;
    let listed = owner.secrets(AWAY, "ListSecrets", json!({})).await.expect(200);
    assert_eq!(listed.json["SecretList"], json!([]));
    // One region alone, where nothing is said of the name itself.
    let one = r#"path "secret/data/prod/db%us-east-1" { capabilities = ["read"] }"#;
    owner.server.policy("owner", one).await;
    owner.secrets(AWAY, "GetSecretValue", get.clone()).await.expect(200);
    assert_eq!(refusal(owner.secrets(HOME, "GetSecretValue", get).await), "AccessDeniedException");

    // Who may not make a secret at that path makes none of a replica.
    owner.server.policy("owner", ALL).await;
    let again = json!({
        "SecretId": "prod/db", "AddReplicaRegions": [{ "Region": AWAY }], "ForceOverwriteReplicaSecret": true
    });
    let no_delete =
        format!(r#"{ALL} path "secret/metadata/prod/db%us-east-1" {{ capabilities = ["read", "update"] }}"#);
    owner.server.policy("owner", &no_delete).await;
    let refused = owner.secrets(HOME, "ReplicateSecretToRegions", again.clone()).await;
    assert_eq!(refusal(refused), "AccessDeniedException");
    owner.server.policy("owner", ALL).await;
    owner.secrets(HOME, "ReplicateSecretToRegions", again).await.expect(200);
    let no_create = format!(r#"{ALL} path "secret/data/prod/db%us-east-1" {{ capabilities = ["read"] }}"#);
    owner.server.policy("owner", &no_create).await;
    let stop = json!({ "SecretId": "prod/db" });
    assert_eq!(refusal(owner.secrets(AWAY, "StopReplicationToReplica", stop).await), "AccessDeniedException");
}
