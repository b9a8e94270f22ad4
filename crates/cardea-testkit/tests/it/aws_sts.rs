//! Who calls the AWS-shaped doors, on a whole server: keys are issued, shown and ended, and the log says by whom each
//! request was signed and never with what.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardea_audit::record::{FieldValue, Record};
use cardea_crypto::signature::SigningKey;
use cardea_dialects::aws_sts::AwsSts;
use cardea_model::wire::WireRequest;
use cardea_testkit::{Reply, Signer, TestServer, posted};
use serde_json::{Value, json};

const REGION: &str = "eu-central-1";
const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CALLER: &str = "identity/access-key/caller";

struct Key {
    id: String,
    secret: String,
    session: String,
}

impl Key {
    fn of(reply: &Reply) -> Self {
        let text = |name: &str| reply.text_at(&format!("/data/{name}"));
        Self { id: text("access_key_id"), secret: text("secret_access_key"), session: text("session_token") }
    }
}

fn form(body: &str) -> WireRequest {
    posted(&[("content-type", "application/x-www-form-urlencoded")], body)
}

/// A form, signed as AWS's SDKs sign it.
fn signed(key: &Key, body: &str, now_s: u64) -> WireRequest {
    let mut wire = form(body);
    for (name, value) in [("host", "sts.test"), ("x-amz-security-token", &key.session)] {
        wire.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    Signer { id: &key.id, secret: &key.secret, region: REGION, service: "sts" }.sign(wire, now_s)
}

async fn who(server: &TestServer, key: &Key) -> Reply {
    server.send(&AwsSts, signed(key, WHO, server.now().unix_s())).await
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.policy("issue", r#"path "identity/access-key*" { capabilities = ["update", "read"] }"#).await;
    server
}

/// What a record says of the key that signed its request.
fn signer(record: &Record) -> Option<&FieldValue> {
    let metadata = &record.actor.as_ref()?.metadata;
    metadata.iter().find(|param| param.name.as_str() == "access_key_id").map(|param| &param.value)
}

#[tokio::test]
async fn the_log_says_by_which_key_and_never_with_what() {
    let server = server().await;
    let token = server.token(&["issue"]).await;
    let key = Key::of(&server.post("identity/access-key", &token, json!({})).await.expect(200));
    let issued = format!("{:?}", server.last_record().await.response.unwrap().params);
    assert!(issued.contains(&key.id), "{issued}");
    let told = who(&server, &key).await.expect(200);
    assert!(told.text.contains("<Arn>arn:aws:iam::123456789012:user/token</Arn>"), "{}", told.text);
    let record = server.log_of(CALLER).await.pop().unwrap();
    assert!(matches!(signer(&record), Some(FieldValue::Clear(id)) if id.as_str() == key.id), "{record:?}");
    assert_eq!(record.dialect.as_ref().unwrap().as_str(), "aws_sts");
    assert!(record.actor.unwrap().accessor.is_some());

    // Who confuses the halves of a key shows the secret one as the id: it is in no record.
    let confused = Key { id: key.secret.clone(), secret: key.id.clone(), session: key.session.clone() };
    assert!(who(&server, &confused).await.expect(403).text.contains("<Code>InvalidClientTokenId</Code>"));
    let record = server.last_record().await;
    assert!(record.is_denied() && matches!(signer(&record), Some(FieldValue::Hashed(_))), "{record:?}");
    assert!(server.log_shows(&[&key.secret, &key.session, &token]).await.is_empty());
}

#[tokio::test]
async fn a_container_reads_what_is_a_write() {
    let server = server().await;
    let token = server.token(&["issue"]).await;
    let path = "identity/access-key/container";
    let reply = server.call("GET", path).header("authorization", &token).send().await.expect(200);
    assert_eq!(reply.at("/AccessKeyId").as_str().unwrap().len(), 20);
    let text = |name: &str| reply.text_at(&format!("/{name}"));
    let key = Key { id: text("AccessKeyId"), secret: text("SecretAccessKey"), session: text("Token") };
    who(&server, &key).await.expect(200);
    let record = server.log_of(path).await.pop().unwrap();
    assert_eq!(format!("{:?}", record.operation.unwrap()).to_lowercase(), "update");
    assert!(server.log_shows(&[&key.secret, &key.session, &token]).await.is_empty());
}

#[tokio::test]
async fn keys_survive_a_restart_and_end_with_their_token() {
    let mut server = server().await;
    let token = server.token(&["issue"]).await;
    let key = Key::of(&server.post("identity/access-key", &token, json!({ "ttl": "30m" })).await.expect(200));
    server.restart().await;
    who(&server, &key).await.expect(200);
    server.post("auth/token/revoke", server.root(), json!({ "token": token })).await.ok();
    let told = who(&server, &key).await.expect(403);
    assert!(told.text.contains("<Code>InvalidClientTokenId</Code>"), "{}", told.text);
}

#[tokio::test]
async fn a_web_identity_becomes_a_key_and_no_token() {
    let server = server().await;
    let issuer = SigningKey::from_seed(&[1; 32]);
    server.post("sys/auth/cluster", server.root(), json!({ "type": "jwt" })).await.ok();
    let x = URL_SAFE_NO_PAD.encode(issuer.verifying_key());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x }] }).to_string();
    server.documents().put("https://issuer.test/keys", &keys);
    let config = json!({ "jwks_url": "https://issuer.test/keys", "bound_issuer": "https://issuer.test" });
    server.post("auth/cluster/config", server.root(), config).await.ok();
    let role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["sts.amazonaws.com"] });
    server.post("auth/cluster/role/app", server.root(), role).await.ok();
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let now_s = server.now().unix_s();
    let claims = json!({ "iss": "https://issuer.test", "sub": "sa:app", "aud": "sts.amazonaws.com", "iat": now_s, "exp": now_s + 300 });
    let text = format!("{}.{}", encode(json!({ "alg": "EdDSA", "kid": "k" })), encode(claims));
    let web = format!("{text}.{}", URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes())));
    let assume = |role: &str, token: &str| {
        form(&format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/{role}\
             &RoleSessionName=pod-1&WebIdentityToken={token}"
        ))
    };
    let told = server.send(&AwsSts, assume("cluster/app", &web)).await.expect(200);
    let record = server.log_of("auth/cluster/login").await.pop().unwrap();
    let member = |name: &str| {
        let rest = told.text.split(&format!("<{name}>")).nth(1).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let key = Key { id: member("AccessKeyId"), secret: member("SecretAccessKey"), session: member("SessionToken") };
    assert!(!told.text.contains("hvs."));
    let response = record.response.unwrap();
    assert!(format!("{:?}", response.params).contains(&key.id) && response.auth.is_some());
    let identity = who(&server, &key).await.expect(200);
    assert!(identity.text.contains("assumed-role/cluster.app/pod-1</Arn>"), "{}", identity.text);

    for (role, token, code) in [
        ("cluster/app", &web[..web.len() - 2], "InvalidIdentityToken"),
        ("cluster/other", &web, "InvalidIdentityToken"),
        ("nowhere/app", &web, "AccessDenied"),
    ] {
        let refused = server.send(&AwsSts, assume(role, token)).await;
        assert!(refused.text.contains(&format!("<Code>{code}</Code>")), "{role}: {}", refused.text);
    }
    assert!(server.log_shows(&[&key.secret, &key.session, &web]).await.is_empty());
    server.advance(3_601);
    assert!(who(&server, &key).await.expect(403).text.contains("<Code>ExpiredToken</Code>"));
}

/// Whoever may make tokens may write what it likes into their metadata; who it is said to be does not follow.
#[tokio::test]
async fn metadata_forges_no_assumed_role() {
    let server = server().await;
    let body = json!({ "policies": ["issue"], "meta": { "aws_role": "kubernetes/admin", "aws_session": "pod-1" } });
    let token = server.post("auth/token/create", server.root(), body).await.expect(200).client_token();
    let key = Key::of(&server.post("identity/access-key", &token, json!({ "name": "ci" })).await.expect(200));
    let told = who(&server, &key).await.expect(200);
    assert!(told.text.contains(":user/token.ci</Arn>") && !told.text.contains("assumed-role"), "{}", told.text);
}
