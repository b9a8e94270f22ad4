//! Callers whom somebody else vouches for, through the whole server: what they get, what the log keeps of them, and that an
//! issuer is asked outside of any transaction and only for those who may have a token of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardea_crypto::signature::SigningKey;
use cardea_testkit::TestServer;
use serde_json::{Value, json};

const LOGIN: &str = "auth/jwt/login";
const KEYS: &str = "https://issuer.test/keys";

struct Issuer(SigningKey);

impl Issuer {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_seed(&[seed; 32]))
    }

    fn kid(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.verifying_key()[..6])
    }

    fn keys(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.verifying_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": self.kid(), "x": x }] }).to_string()
    }

    fn signs(&self, server: &TestServer, subject: &str) -> String {
        let now_s = server.now().unix_s();
        let header = json!({ "alg": "EdDSA", "kid": self.kid() });
        let claims = json!({
            "iss": "https://issuer.test", "sub": subject, "aud": "cardea", "ref": "main", "iat": now_s, "exp": now_s + 300
        });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

async fn server(issuer: &Issuer) -> TestServer {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.post("secret/data/app/key", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    server.policy("app", r#"path "secret/data/app/*" { capabilities = ["read"] }"#).await;
    server.post("sys/auth/jwt", server.root(), json!({ "type": "jwt" })).await.ok();
    server.documents().put(KEYS, &issuer.keys());
    let config = json!({ "jwks_url": KEYS, "bound_issuer": "https://issuer.test" });
    server.post("auth/jwt/config", server.root(), config).await.ok();
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cardea"], "claim_mappings": { "ref": "branch" },
        "token_policies": ["app"], "token_ttl": "20m", "token_max_ttl": "1h"
    });
    server.post("auth/jwt/role/ci", server.root(), role).await.ok();
    server
}

async fn login(server: &TestServer, role: &str, jwt: &str) -> cardea_testkit::Reply {
    server.post(LOGIN, "", json!({ "role": role, "jwt": jwt })).await
}

#[tokio::test]
async fn a_job_logs_in_and_reads_what_is_its_own() {
    let issuer = Issuer::new(1);
    let server = server(&issuer).await;
    let jwt = issuer.signs(&server, "repo:org/app");
    let reply = login(&server, "ci", &jwt).await.expect(200);
    assert_eq!(reply.at("/auth/policies"), &json!(["app", "default"]));
    assert_eq!(reply.at("/auth/metadata"), &json!({ "role": "ci", "branch": "main" }));
    assert_eq!(reply.number_at("/auth/lease_duration"), 1200);
    let (token, entity) = (reply.client_token(), reply.text_at("/auth/entity_id"));
    server.get("secret/data/app/key", &token).await.expect(200);
    assert_eq!(server.last_record().await.actor.unwrap().display_name.unwrap().as_str(), "jwt-repo:org/app");
    server.post("auth/token/renew-self", &token, json!({})).await.expect(200);
    // The same subject is the same entity, another is another.
    let again = login(&server, "ci", &issuer.signs(&server, "repo:org/app")).await.expect(200);
    assert_eq!(again.text_at("/auth/entity_id"), entity);
    let other = login(&server, "ci", &issuer.signs(&server, "repo:org/web")).await.expect(200);
    assert_ne!(other.text_at("/auth/entity_id"), entity);
    // Nothing of the token that was signed stays.
    let parts: Vec<&str> = jwt.split('.').collect();
    assert!(server.log_shows(&[&jwt, parts[1], parts[2]]).await.is_empty());
    server.delete("auth/jwt/role/ci", server.root()).await.ok();
    assert_eq!(server.post("auth/token/renew-self", &token, json!({})).await.status, 400, "the role is gone");
}

#[tokio::test]
async fn refusals_are_recorded_as_logins_and_say_little() {
    let (issuer, stranger) = (Issuer::new(1), Issuer::new(2));
    let server = server(&issuer).await;
    let heard = |reply: &cardea_testkit::Reply| (reply.status, reply.at("/errors").clone());
    let wrong = heard(&login(&server, "ci", &stranger.signs(&server, "x")).await);
    assert_eq!(wrong.0, 400);
    assert_eq!(wrong, heard(&login(&server, "absent", &stranger.signs(&server, "x")).await));
    assert_eq!(wrong, heard(&login(&server, "ci", "a.b.c").await));
    let records = server.log_of(LOGIN).await;
    assert_eq!(records.len(), 3);
    assert!(login(&server, "absent", &issuer.signs(&server, "x")).await.status == 400);
}

#[tokio::test]
async fn a_query_of_an_address_is_not_in_the_log() {
    let issuer = Issuer::new(1);
    let server = server(&issuer).await;
    let address = format!("{KEYS}?key=word-of-the-query");
    server.documents().put(&address, &issuer.keys());
    server.post("auth/jwt/config", server.root(), json!({ "jwks_url": address })).await.ok();
    server.get("auth/jwt/config", server.root()).await.expect(200);
    assert!(server.log_shows(&["word-of-the-query"]).await.is_empty());
}

#[tokio::test]
async fn an_issuer_is_asked_only_by_who_may_and_seldom() {
    let (issuer, next) = (Issuer::new(1), Issuer::new(2));
    let server = server(&issuer).await;
    assert_eq!(server.documents().fetched(), 1);
    // Who may not write the configuration makes the server ask nobody.
    let denied = server.post("auth/jwt/config", &server.token(&["app"]).await, json!({ "jwks_url": KEYS })).await;
    assert_eq!((denied.status, server.documents().fetched()), (403, 1));
    for _ in 0..3 {
        login(&server, "ci", &issuer.signs(&server, "a")).await.expect(200);
    }
    assert_eq!(server.documents().fetched(), 2);
    server.documents().put(KEYS, &next.keys());
    server.advance(11);
    login(&server, "ci", &next.signs(&server, "a")).await.expect(200);
    login(&server, "ci", &issuer.signs(&server, "a")).await.expect(400);
    // An issuer that is away is somebody else's failure, and known keys hold.
    server.documents().remove(KEYS);
    server.advance(1200);
    login(&server, "ci", &next.signs(&server, "a")).await.expect(200);
    server.advance(3600);
    login(&server, "ci", &next.signs(&server, "a")).await.expect(500);
}

#[tokio::test]
async fn a_path_on_the_server_takes_sudo() {
    let issuer = Issuer::new(1);
    let server = server(&issuer).await;
    server.policy("config", r#"path "auth/jwt/config" { capabilities = ["update", "read"] }"#).await;
    server.policy("sudo", r#"path "auth/jwt/config" { capabilities = ["update", "sudo"] }"#).await;
    let body = json!({ "jwks_file": "/etc/issuer.json" });
    server.post("auth/jwt/config", &server.token(&["config"]).await, body.clone()).await.expect(403);
    server.post("auth/jwt/config", &server.token(&["sudo"]).await, body).await.ok();
    server.documents().put("/etc/issuer.json", &issuer.keys());
    login(&server, "ci", &issuer.signs(&server, "a")).await.expect(200);
}
