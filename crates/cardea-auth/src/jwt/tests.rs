//! The method's rules as tables: the routes, the configuration and roles here; algorithms, claims, logins and sources of keys in
//! the files beside.

mod algorithms;
mod claims;
mod logins;
mod parsing;
mod sources;
mod transcripts;

use crate::jwt::{Jwt, routes};
use crate::testing::World;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardea_crypto::signature::SigningKey;
use cardea_model::{Cause, Error, Method};
use cardea_sdk::erased::ErasedAuth;
use cardea_sdk::{Access, Fetch, FetchError, Identification, pattern};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The second at which every world begins.
const NOW_S: i64 = 1_700_000_000;

/// What can be fetched, and what was.
#[derive(Default)]
struct Outside {
    documents: Mutex<BTreeMap<String, Result<String, String>>>,
    asked: Mutex<Vec<String>>,
    /// Whether nothing is answered any more.
    hangs: AtomicBool,
}

impl Outside {
    fn serves(&self, address: &str, document: impl ToString) {
        self.documents.lock().unwrap().insert(address.to_owned(), Ok(document.to_string()));
    }
    fn fails(&self, address: &str, why: &str) {
        self.documents.lock().unwrap().insert(address.to_owned(), Err(why.to_owned()));
    }
    /// How often something was fetched since this was asked last.
    fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }
}

#[async_trait]
impl Fetch for Outside {
    async fn get(&self, address: &str, _ca_pem: &str) -> Result<Vec<u8>, FetchError> {
        self.asked.lock().unwrap().push(address.to_owned());
        tokio::task::yield_now().await;
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match self.documents.lock().unwrap().get(address) {
            Some(Ok(document)) => Ok(document.clone().into_bytes()),
            Some(Err(why)) => Err(FetchError::new(why.clone())),
            None => Err(FetchError::new("nobody there")),
        }
    }
    async fn file(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        self.get(path, "").await
    }
}

fn world_and_outside() -> (World, Arc<Outside>) {
    let outside = Arc::new(Outside::default());
    (World::new(Box::new(ErasedAuth(Jwt::new(outside.clone())))), outside)
}

fn world() -> World {
    world_and_outside().0
}

/// An issuer that signs with Ed25519.
struct Issuer {
    key: SigningKey,
    kid: String,
}

impl Issuer {
    fn new(kid: &str) -> Self {
        let mut seed = [7; 32];
        seed[..kid.len()].copy_from_slice(kid.as_bytes());
        Self { key: SigningKey::from_seed(&seed), kid: kid.to_owned() }
    }

    fn pem(&self) -> String {
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let info = STANDARD.encode([prefix.as_slice(), &self.key.verifying_key()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{info}\n-----END PUBLIC KEY-----\n")
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(self.key.verifying_key()) })
    }

    fn signs(&self, claims: &Value) -> String {
        self.signs_parts(&json!({ "alg": "EdDSA", "kid": self.kid }).to_string(), &claims.to_string())
    }

    fn signs_parts(&self, header: &str, payload: &str) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// Claims that every table begins with.
fn usual() -> Value {
    json!({ "iss": "https://issuer.test", "sub": "user-1", "aud": "cardea", "iat": NOW_S, "exp": NOW_S + 600 })
}

/// The usual claims with some changed; `null` takes one away.
fn with(changes: Value) -> Value {
    let mut claims = usual();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// A configuration with one static key and the usual issuer, and a role for the usual claims.
async fn configured(world: &World, issuer: &Issuer) {
    let config = json!({ "jwt_validation_pubkeys": [issuer.pem()], "bound_issuer": "https://issuer.test" });
    world.write("config", &config.to_string()).await;
    world.write("role/web", r#"{"role_type":"jwt","user_claim":"sub","bound_audiences":"cardea"}"#).await;
}

async fn login(world: &World, role: &str, jwt: &str) -> Result<Identification, Error> {
    world.login(&json!({ "role": role, "jwt": jwt }).to_string()).await
}

async fn refused(world: &World, method: Method, path: &str, body: &str) -> String {
    let error = world.ask(method, path, body).await.expect_err(body);
    assert_eq!(error.cause, Cause::Invalid, "{body}");
    error.client
}

#[test]
fn the_table_is_sound() {
    let mut names = HashSet::new();
    let mut places = HashSet::new();
    for route in routes::ROUTES {
        let facts = &route.facts;
        assert!(names.insert(facts.name), "{} stands twice", facts.name);
        assert!(places.insert((facts.method, facts.pattern)), "{:?} {} stands twice", facts.method, facts.pattern);
        assert!(!facts.help.is_empty(), "{} has no help", facts.name);
        assert!(facts.recorded, "{} is not recorded", facts.name);
        assert_eq!(facts.access == Access::Login, facts.name == "login", "{}", facts.name);
        assert_eq!(facts.access == Access::Policy, facts.name != "login", "{}", facts.name);
        if facts.pattern.starts_with("role/") {
            assert_eq!(facts.pattern, "role/{role_name:lower}", "{} does not fold names", facts.name);
        }
        assert!(!facts.clear.contains(&"jwt"), "{} logs tokens in clear", facts.name);
        let path = facts.pattern.replace("{role_name:lower}", "web");
        let first = routes::ROUTES
            .iter()
            .find(|r| r.facts.method == facts.method && pattern::bind(r.facts.pattern, &path).is_some());
        assert_eq!(first.unwrap().facts.name, facts.name);
        if !facts.example.is_empty() {
            let bound =
                world().bind(facts.method, &path, facts.example).unwrap_or_else(|e| panic!("{}: {e}", facts.name));
            assert!(bound.unknown.is_empty(), "{}: {:?}", facts.name, bound.unknown);
        }
    }
}

#[tokio::test]
async fn a_configuration_is_read_as_it_was_written_and_replaced_as_a_whole() {
    let (world, outside) = world_and_outside();
    let absent = world.ask(Method::Read, "config", "").await.unwrap_err();
    assert_eq!(absent.cause, Cause::NotFound);
    let issuer = Issuer::new("a");
    outside.serves("https://issuer.test/keys", set(&[issuer.jwk()]));
    world
        .write(
            "config",
            r#"{"jwks_url":"https://issuer.test/keys","default_role":"WEB","jwt_supported_algs":"EdDSA,RS256"}"#,
        )
        .await;
    let mut expected = json!({
        "oidc_discovery_url": "", "oidc_discovery_ca_pem": "", "oidc_client_id": "", "oidc_response_mode": "",
        "oidc_response_types": [], "default_role": "web", "jwt_validation_pubkeys": [],
        "jwt_supported_algs": ["EdDSA", "RS256"], "jwks_url": "https://issuer.test/keys", "jwks_ca_pem": "",
        "jwks_pairs": [], "bound_issuer": "", "provider_config": {}, "namespace_in_state": true,
        "unsupported_critical_cert_extensions": []
    });
    assert_eq!(world.read("config").await, expected);
    world.write("config", &json!({ "jwt_validation_pubkeys": issuer.pem(), "bound_issuer": "x" }).to_string()).await;
    for (name, value) in [
        ("jwks_url", json!("")),
        ("default_role", json!("")),
        ("jwt_supported_algs", json!([])),
        ("jwt_validation_pubkeys", json!([issuer.pem().trim()])),
        ("bound_issuer", json!("x")),
    ] {
        expected[name] = value;
    }
    assert_eq!(world.read("config").await, expected);
}

#[tokio::test]
async fn configurations_that_are_refused() {
    let pem = Issuer::new("a").pem();
    let one = "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs', 'jwks_file' or 'oidc_discovery_url' must be set";
    let browser = "the browser flow of OIDC is not supported";
    let address = "an address does not start with `https://`";
    let key = "error parsing public key";
    let credentials = "an address has credentials in it";
    let table = [
        (json!({}), one),
        (json!({ "jwt_validation_pubkeys": pem, "jwks_url": "https://x/" }), one),
        (json!({ "jwks_url": "https://x/", "oidc_discovery_url": "https://x" }), one),
        (json!({ "jwks_url": "https://x/", "oidc_client_id": "me" }), browser),
        (json!({ "oidc_discovery_url": "https://x", "oidc_client_secret": "s" }), browser),
        (json!({ "oidc_discovery_url": "https://x", "oidc_response_types": "code" }), browser),
        (
            json!({ "jwt_validation_pubkeys": pem, "provider_config": { "provider": "azure" } }),
            "`provider_config` is not",
        ),
        (json!({ "jwks_url": "http://issuer.test/keys" }), address),
        (json!({ "jwks_url": "https://user:word@issuer.test/keys" }), credentials),
        (json!({ "jwks_url": "https://token@issuer.test" }), credentials),
        (json!({ "jwks_url": "https://a\\@issuer.test/keys" }), credentials),
        (json!({ "oidc_discovery_url": "https://user:word@issuer.test" }), credentials),
        (json!({ "jwks_pairs": [{ "jwks_url": "http://127.0.0.1@x/" }] }), credentials),
        (json!({ "jwks_url": "http://127.0.0.1.evil.test/" }), "error checking jwks URL"),
        (json!({ "jwks_url": "file:///etc/passwd" }), address),
        (json!({ "oidc_discovery_url": "ldap://x" }), address),
        (json!({ "jwks_pairs": [{ "jwks_url": "http://x/" }] }), address),
        (json!({ "jwks_pairs": [{ "jwks_url": "https://x/" }], "bound_issuer": "i" }), "Bound issuer is not supported"),
        (json!({ "jwks_pairs": [{ "jwks_url": "https://x/" }], "jwks_ca_pem": "i" }), "CA PEMs must be provided"),
        (json!({ "jwks_pairs": vec![json!({ "jwks_url": "https://x/" }); 9] }), "invalid jwks_pairs"),
        (json!({ "jwks_file": "relative/keys.json" }), "`jwks_file` is not an absolute path"),
        (json!({ "jwt_validation_pubkeys": "not PEM" }), key),
        (
            json!({ "jwt_validation_pubkeys": [pem, "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----"] }),
            key,
        ),
        (json!({ "jwt_validation_pubkeys": pem, "jwt_supported_algs": "HS256" }), "invalid jwt_supported_algs"),
        (
            json!({ "jwt_validation_pubkeys": pem, "jwt_supported_algs": ["RS256", "none"] }),
            "invalid jwt_supported_algs",
        ),
        (json!({ "jwt_validation_pubkeys": pem, "default_role": "a/b" }), "role name may have"),
        (json!({ "jwks_url": "https://nobody.test/" }), "error checking jwks URL"),
        (json!({ "oidc_discovery_url": "https://nobody.test" }), "error checking oidc discovery URL"),
    ];
    let world = world();
    for (body, words) in table {
        let heard = refused(&world, Method::Write, "config", &body.to_string()).await;
        assert!(heard.starts_with(words), "{body}: {heard}");
    }
    assert!(world.keys().is_empty(), "a refused configuration was written");
}

#[tokio::test]
async fn a_path_on_the_server_takes_sudo() {
    let (mut world, outside) = world_and_outside();
    let issuer = Issuer::new("a");
    let body = r#"{"jwks_file":"/etc/issuer/keys.json"}"#;
    assert_eq!(world.ask(Method::Write, "config", body).await.unwrap_err().cause, Cause::Denied);
    assert_eq!(outside.asked(), 0, "who may not name a file learns whether it exists");
    world.sudo = true;
    world.write("config", body).await;
    world.write("role/web", r#"{"user_claim":"sub","bound_audiences":"cardea"}"#).await;
    assert_eq!(world.read("config").await["jwks_file"], "/etc/issuer/keys.json");
    assert_eq!(login(&world, "web", &issuer.signs(&usual())).await.unwrap_err().cause, Cause::Upstream);
    world.pass_s(11);
    outside.serves("/etc/issuer/keys.json", set(&[issuer.jwk()]));
    login(&world, "web", &issuer.signs(&usual())).await.unwrap();
}

#[tokio::test]
async fn a_role_is_read_as_it_was_written() {
    let world = world();
    world.write("role/Web", r#"{"role_type":"jwt","user_claim":"sub","bound_subject":"s"}"#).await;
    let mut expected = json!({
        "role_type": "jwt", "bound_audiences": null, "bound_subject": "s", "bound_claims": null,
        "bound_claims_type": "string", "claim_mappings": null, "user_claim": "sub", "user_claim_json_pointer": false,
        "groups_claim": "", "expiration_leeway": 0, "not_before_leeway": 0, "clock_skew_leeway": 0,
        "oauth2_metadata": null, "allowed_redirect_uris": null, "oidc_scopes": null, "max_age": 0,
        "verbose_oidc_logging": false, "token_bound_cidrs": [], "token_explicit_max_ttl": 0, "token_max_ttl": 0,
        "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0, "token_policies": [],
        "token_ttl": 0, "token_type": "default"
    });
    assert_eq!(world.read("role/web").await, expected);
    let sent = r#"{"role_type":"jwt","bound_audiences":"a, b","bound_claims":{"n":[1,"x",true],"/deep/er":"y"},
        "claim_mappings":{"/deep/name":"name"},"expiration_leeway":"2m","not_before_leeway":-1,"clock_skew_leeway":"-10s",
        "policies":"P","ttl":60,"token_period":"1h","period":5,"allowed_redirect_uris":"https://x"}"#;
    world.write("role/web", sent).await;
    for (name, value) in [
        ("bound_audiences", json!(["a", "b"])),
        ("bound_claims", json!({ "n": [1, "x", true], "/deep/er": "y" })),
        ("claim_mappings", json!({ "/deep/name": "name" })),
        ("expiration_leeway", json!(120)),
        ("not_before_leeway", json!(-1)),
        ("clock_skew_leeway", json!(-10)),
        ("token_policies", json!(["p"])),
        ("policies", json!(["p"])),
        ("token_ttl", json!(60)),
        ("ttl", json!(60)),
        ("token_period", json!(3600)),
        ("allowed_redirect_uris", json!(["https://x"])),
    ] {
        expected[name] = value;
    }
    assert_eq!(world.read("role/web").await, expected);
    let listed = world.ask(Method::List, "role", "").await.unwrap();
    assert_eq!(listed.data, json!({ "keys": ["web"] }));
    world.ask(Method::Delete, "role/WEB", "").await.unwrap();
    world.ask(Method::Delete, "role/WEB", "").await.unwrap();
    assert_eq!(world.ask(Method::Read, "role/web", "").await.unwrap_err().cause, Cause::NotFound);
    assert_eq!(world.ask(Method::List, "role", "").await.unwrap_err().cause, Cause::NotFound);
}

#[tokio::test]
async fn roles_that_are_refused() {
    let long = "x".repeat(5000);
    let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let table = [
        (json!({ "user_claim": "sub" }), "must have at least one bound constraint when creating/updating a role"),
        (json!({ "bound_audiences": "a" }), "a user claim must be defined on the role"),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "role_type": "oidc" }), "the browser flow"),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "allowed_redirect_uris": "https://x" }),
            "the browser flow",
        ),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "role_type": "x" }), "invalid 'role_type'"),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "bound_claims_type": "regex" }),
            "invalid 'bound_claims_type'",
        ),
        (json!({ "user_claim": "sub", "bound_claims": { "a": { "b": 1 } } }), "a bound claim is not a string or list"),
        (json!({ "user_claim": "sub", "bound_claims": { "a": [["b"]] } }), "a bound claim is not a list of"),
        (json!({ "user_claim": "sub", "bound_claims": { "a": null } }), "a bound claim is not a string or list"),
        (
            json!({ "user_claim": "sub", "bound_claims": { "a": 1 }, "bound_claims_type": "glob" }),
            "a bound claim is not a string, which",
        ),
        (json!({ "user_claim": "sub", "bound_claims": "a=b" }), "field `bound_claims` has the wrong type or form"),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "claim_mappings": { "x": "role" } }),
            "metadata key \"role\" is reserved",
        ),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "claim_mappings": { "x": "m", "y": "m" } }),
            "multiple keys",
        ),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "claim_mappings": { "x": "" } }), "a metadata key"),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "user_claim_json_pointer": true }),
            "`user_claim` is no JSON pointer",
        ),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "token_policies": "root" }), "the root policy"),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "policies": " ROOT" }), "the root policy"),
        (
            json!({ "user_claim": "sub", "bound_audiences": "a", "clock_skew_leeway": "soon" }),
            "field `clock_skew_leeway`",
        ),
        (json!({ "user_claim": "sub", "bound_audiences": "a", "ttl": 2, "max_ttl": 1 }), "`token_ttl` is greater"),
        (json!({ "user_claim": long, "bound_audiences": "a" }), "a text of the role is too long"),
        (json!({ "user_claim": "sub", "bound_audiences": many }), "a list of the role has too many values"),
        (json!({ "user_claim": "sub", "bound_claims": { "a": many } }), "a list of the role has too many values"),
    ];
    let world = world();
    for (body, words) in table {
        let heard = refused(&world, Method::Write, "role/web", &body.to_string()).await;
        assert!(heard.starts_with(words), "{body}: {heard}");
    }
    let twice = r#"{"user_claim":"sub","bound_claims":{"a":"x","a":"y"}}"#;
    assert!(refused(&world, Method::Write, "role/web", twice).await.contains("duplicate member"));
    assert!(world.keys().is_empty(), "a refused role was written");
    let reply = world.ask(Method::Write, "role/web", r#"{"user_claim":"sub","bound_subject":"s","groups_claim":"g"}"#);
    assert_eq!(reply.await.unwrap().warnings.len(), 1, "groups lead nowhere yet");
    assert!(world.exists("role/WEB").await);
    assert!(!world.exists("role/other").await);
}

#[test]
fn addresses_are_not_clear_in_the_log() {
    for route in routes::ROUTES {
        for list in [route.facts.clear, route.facts.clear_answer] {
            assert!(list.iter().all(|name| !name.ends_with("_url")), "{list:?}");
        }
    }
}
