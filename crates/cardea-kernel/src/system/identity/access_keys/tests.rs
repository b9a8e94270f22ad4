//! Access keys over the whole pipeline: whom they stand for, what they may, and when they end.

use crate::access_keys::{self, NewKey, Owner};
use crate::system::token::tests::harness::{Reply, World};
use cardea_crypto::mac::{hmac_chain, hmac_sha256};
use cardea_model::request::KeyWish;
use cardea_model::{
    Answer, Body, CanonicalPath, Cause, Credential, CredentialFault, Error, Method, NamespaceId, Origin, Params,
    Request, SecretText, SignatureScheme, Signed, Target, TtlSeconds,
};
use serde_json::{Value, json};

const ISSUE: &str = r#"path "identity/access-key*" { capabilities = ["update", "read", "list", "delete"] }"#;
const ISSUE_SUDO: &str = r#"path "identity/access-key*" { capabilities = ["update", "sudo"] }"#;
const MOUNTS: &str = r#"path "sys/mounts" { capabilities = ["read"] }"#;
const ACLS: &str = r#"path "sys/policies/acl/*" { capabilities = ["read"] }"#;

struct Key {
    id: String,
    secret: String,
    session: Option<String>,
}

impl Key {
    fn of(reply: &Reply) -> Self {
        let text = |name: &str| reply.data[name].as_str().map(str::to_owned);
        Self {
            id: text("access_key_id").unwrap(),
            secret: text("secret_access_key").unwrap(),
            session: text("session_token"),
        }
    }

    fn signed(&self, now_s: u64) -> Signed {
        let string_to_sign = b"what was signed".to_vec();
        let links: [&[u8]; 4] = [b"20260101", b"eu-central-1", b"kms", b"aws4_request"];
        let signing_key = hmac_chain(format!("AWS4{}", self.secret).as_bytes(), &links);
        Signed {
            key_id: self.id.clone(),
            session_token: self.session.clone().map(SecretText::new),
            scheme: SignatureScheme::AwsV4 {
                date: "20260101".to_owned(),
                region: "eu-central-1".to_owned(),
                service: "kms".to_owned(),
            },
            signature: hmac_sha256(&*signing_key, &[&string_to_sign]).to_vec(),
            string_to_sign,
            signed_at_s: now_s,
            valid_s: 300,
        }
    }
}

async fn now_s(world: &World) -> u64 {
    world.active().sealed.txn().now().await.unwrap().unix_s()
}

async fn send(world: &World, credential: Credential, peer: &str, method: Method, path: &str) -> Result<Value, Error> {
    let request = Request {
        namespace: NamespaceId::root(),
        credential,
        target: Target::Path {
            method,
            path: CanonicalPath::parse(path).unwrap(),
            params: Params::from_json(b"").unwrap(),
            help: false,
        },
        wrap_ttl: None,
        origin: Origin { dialect: "aws_kms", peer: peer.parse().unwrap(), tls: None, headers: Vec::new() },
    };
    let answer = world.node.answer(request).await.map_err(|refusal| refusal.error)?;
    Ok(match answer.body {
        Body::Object(payload) => serde_json::from_str(payload.text()).unwrap(),
        _ => Value::Null,
    })
}

async fn read(world: &World, key: &Key, path: &str) -> Result<Value, Error> {
    let signed = key.signed(now_s(world).await);
    send(world, Credential::Signed(Box::new(signed)), "10.1.2.3:4000", Method::Read, path).await
}

fn fault(result: Result<Value, Error>) -> Option<CredentialFault> {
    let error = result.unwrap_err();
    assert_eq!((error.cause, error.client.as_str()), (Cause::Denied, "permission denied"));
    error.fault.map(|fault| *fault)
}

/// A world with the policies of these tests.
async fn world() -> World {
    let world = World::new().await;
    for (name, text) in [("issue", ISSUE), ("issue-sudo", ISSUE_SUDO), ("mounts", MOUNTS), ("acls", ACLS)] {
        world.policy(name, text).await;
    }
    world
}

async fn token(world: &World, policies: &[&str]) -> String {
    world.token(json!({ "policies": policies, "no_default_policy": true, "ttl": "24h" })).await.token()
}

async fn issue(world: &World, token: &str, body: Value) -> Result<Reply, Error> {
    world.write(token, "identity/access-key", body).await
}

#[tokio::test]
async fn a_key_does_what_its_token_may_and_no_more() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    let reply = issue(&world, &holder, json!({})).await.unwrap();
    let key = Key::of(&reply);
    assert!(key.id.starts_with("CDAS") && key.id.len() == 20 && key.secret.len() == 40);
    assert_eq!((&reply.data["ttl"], &reply.data["policies"]), (&json!(3600), &Value::Null));
    read(&world, &key, "sys/mounts").await.unwrap();
    assert_eq!(fault(read(&world, &key, "sys/policies/acl/mounts").await), None);

    // Narrowed, and not widened.
    let narrow = Key::of(&issue(&world, &holder, json!({"policies": ["issue"]})).await.unwrap());
    assert_eq!(fault(read(&world, &narrow, "sys/mounts").await), None);
    for policies in [json!(["acls"]), json!(["mounts", "acls"]), json!("root"), json!([" ROOT "])] {
        assert_eq!(issue(&world, &holder, json!({ "policies": policies })).await.unwrap_err().cause, Cause::Invalid);
    }
    // Root's keys name what they have, and never root.
    let root = world.root.clone();
    for body in [json!({}), json!({"policies": ["root"]}), json!({"policies": ["ｒｏｏｔ"]}), json!({"policies": []})]
    {
        assert_eq!(issue(&world, &root, body).await.unwrap_err().cause, Cause::Invalid);
    }
    let key = Key::of(&issue(&world, &root, json!({"policies": ["mounts"]})).await.unwrap());
    read(&world, &key, "sys/mounts").await.unwrap();
    assert_eq!(fault(read(&world, &key, "sys/policies/acl/mounts").await), None);
}

#[tokio::test]
async fn a_key_has_nothing_that_is_a_tokens_own() {
    let world = world().await;
    let policy = r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }"#;
    world.policy("all", policy).await;
    let holder = token(&world, &["all"]).await;
    let key = Key::of(&issue(&world, &holder, json!({})).await.unwrap());
    let writes = [
        "auth/token/create",
        "auth/token/create-orphan",
        "auth/token/renew-self",
        "auth/token/revoke-self",
        "identity/access-key",
    ];
    for path in writes {
        let signed = Credential::Signed(Box::new(key.signed(now_s(&world).await)));
        assert!(send(&world, signed, "10.1.2.3:4000", Method::Write, path).await.is_err(), "{path}");
    }
    for path in ["cubbyhole/a", "identity/access-key/container"] {
        assert!(read(&world, &key, path).await.is_err(), "{path}");
    }
    assert!(world.is_good(&holder).await);
}

#[tokio::test]
async fn every_bad_signature_is_a_nobody_of_its_own_kind() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    let key = Key::of(&issue(&world, &holder, json!({})).await.unwrap());
    let now = now_s(&world).await;
    let bad = CredentialFault::BadSignature("");
    type Change = fn(&mut Signed);
    let cases: [(&str, Change, CredentialFault); 15] = [
        ("another signature", |s| s.signature[31] ^= 1, bad.clone()),
        ("a shorter signature", |s| s.signature.truncate(31), bad.clone()),
        ("no signature", |s| s.signature.clear(), bad.clone()),
        ("other bytes", |s| s.string_to_sign.push(0), bad.clone()),
        ("another date", |s| s.scheme = scheme("20260102", "eu-central-1", "kms"), bad.clone()),
        ("another region", |s| s.scheme = scheme("20260101", "eu-central-2", "kms"), bad.clone()),
        ("another service", |s| s.scheme = scheme("20260101", "eu-central-1", "sts"), bad.clone()),
        ("another scheme", |s| s.scheme = SignatureScheme::Hmac, bad.clone()),
        ("no session token", |s| s.session_token = None, CredentialFault::UnknownKey),
        ("an empty session token", |s| s.session_token = Some(SecretText::default()), CredentialFault::UnknownKey),
        ("another session token", |s| s.session_token = Some(SecretText::new("a".into())), CredentialFault::UnknownKey),
        ("another key", |s| s.key_id = "CDASAAAAAAAAAAAAAAAA".into(), CredentialFault::UnknownKey),
        ("a key with a slash", |s| s.key_id = "a/b".into(), CredentialFault::UnknownKey),
        ("no key", |s| s.key_id.clear(), CredentialFault::UnknownKey),
        ("the id of an index", |s| s.key_id = "../access-key-end/x".into(), CredentialFault::UnknownKey),
    ];
    for (case, change, expected) in cases {
        let mut signed = key.signed(now);
        change(&mut signed);
        let credential = Credential::Signed(Box::new(signed));
        let result = send(&world, credential, "10.1.2.3:4000", Method::Read, "sys/mounts").await;
        assert_eq!(fault(result), Some(expected), "{case}");
    }
    for (signed_at_s, good) in [(now - 300, true), (now - 301, false), (now + 300, true), (now + 301, false)] {
        let credential = Credential::Signed(Box::new(Signed { signed_at_s, ..key.signed(now) }));
        let result = send(&world, credential, "10.1.2.3:4000", Method::Read, "sys/mounts").await;
        assert_eq!(result.is_ok(), good, "{signed_at_s}");
        if !good {
            let told = fault(result).unwrap();
            assert!(matches!(told, CredentialFault::TooOld { .. } | CredentialFault::TooNew { .. }), "{told:?}");
        }
    }
    let refused = Credential::Refused(CredentialFault::Incomplete("a part"));
    let result = send(&world, refused, "10.1.2.3:4000", Method::Read, "sys/mounts").await;
    assert_eq!(fault(result), Some(CredentialFault::Incomplete("a part")));
    let result = send(&world, Credential::None, "10.1.2.3:4000", Method::Read, "sys/mounts").await;
    assert_eq!(fault(result), Some(CredentialFault::Missing));
}

fn scheme(date: &str, region: &str, service: &str) -> SignatureScheme {
    SignatureScheme::AwsV4 { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() }
}

#[tokio::test]
async fn a_key_ends_with_its_token() {
    let world = world().await;
    // And with that token's ancestors.
    world.policy("parent", r#"path "auth/token/create" { capabilities = ["update"] }"#).await;
    let parent = token(&world, &["issue", "mounts", "parent"]).await;
    let child = world.write(&parent, "auth/token/create", json!({"policies": ["issue", "mounts"]})).await.unwrap();
    let key = Key::of(&issue(&world, &child.token(), json!({})).await.unwrap());
    read(&world, &key, "sys/mounts").await.unwrap();
    world.prepare("auth/token/revoke", json!({ "token": parent })).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));

    let holder = token(&world, &["issue", "mounts"]).await;
    let key = Key::of(&issue(&world, &holder, json!({})).await.unwrap());
    read(&world, &key, "sys/mounts").await.unwrap();
    world.prepare("auth/token/revoke", json!({ "token": holder })).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));

    // The token's end is the key's, whatever was asked.
    let short = world.token(json!({"policies": ["issue", "mounts"], "ttl": "600s"})).await.token();
    let reply = issue(&world, &short, json!({"ttl": "1h"})).await.unwrap();
    assert_eq!(reply.data["ttl"], json!(600));
    let key = Key::of(&reply);
    world.pass_s(599);
    read(&world, &key, "sys/mounts").await.unwrap();
    world.pass_s(1);
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::ExpiredKey));
}

#[tokio::test]
async fn a_key_ends_by_itself_and_is_forgotten_a_day_later() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    let reply = issue(&world, &holder, json!({"ttl": "15m"})).await.unwrap();
    let key = Key::of(&reply);
    let path = format!("identity/access-key/id/{}", key.id);
    world.pass_s(899);
    read(&world, &key, "sys/mounts").await.unwrap();
    world.pass_s(1);
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::ExpiredKey));
    assert_eq!(world.read(&world.root, &path).await.unwrap().data["ttl"], json!(0));
    // To who does not hold the secret it is not even expired.
    let stranger = Key { secret: "a".repeat(40), ..Key::of(&reply) };
    assert_eq!(fault(read(&world, &stranger, "sys/mounts").await), Some(CredentialFault::BadSignature("")));
    world.pass_s(86_400);
    crate::runner::round(&world.active()).await.unwrap();
    world.pass_s(1);
    crate::runner::round(&world.active()).await.unwrap();
    assert_eq!(world.read(&world.root, &path).await.unwrap_err().cause, Cause::NotFound);
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
}

#[tokio::test]
async fn lifetimes_have_a_maximum_that_sudo_passes_and_owners_tune() {
    let world = world().await;
    let holder = world.token(json!({"policies": ["issue"], "ttl": "700h"})).await.token();
    let sudo = world.token(json!({"policies": ["issue-sudo"], "ttl": "700h"})).await.token();
    for (who, ttl, expected, session) in [
        (&holder, "", 3_600, true),
        (&holder, "0", 3_600, true),
        (&holder, "12h", 43_200, true),
        (&holder, "13h", 43_200, true),
        (&sudo, "13h", 46_800, false),
        (&sudo, "60s", 60, true),
    ] {
        let reply = issue(&world, who, json!({ "ttl": ttl })).await.unwrap();
        assert_eq!(reply.data["ttl"], json!(expected), "{ttl}");
        assert_eq!(reply.data["session_token"].is_string(), session, "{ttl}");
        assert!(Key::of(&reply).id.starts_with(if session { "CDAS" } else { "CDAK" }), "{ttl}");
        assert_eq!(reply.warnings.is_empty(), !(ttl == "13h" && expected == 43_200), "{ttl}");
    }
    world.prepare("sys/mounts/identity/tune", json!({"default_lease_ttl": "10m", "max_lease_ttl": "30m"})).await;
    for (ttl, expected) in [("", 600), ("1h", 1_800)] {
        assert_eq!(issue(&world, &holder, json!({ "ttl": ttl })).await.unwrap().data["ttl"], json!(expected));
    }
    let plain = issue(&world, &holder, json!({"session_token": false})).await.unwrap();
    assert_eq!(plain.data["session_token"], Value::Null);
}

#[tokio::test]
async fn a_key_of_an_entity_outlives_its_issuer_and_follows_the_entity() {
    let world = world().await;
    let entity =
        world.prepare("identity/entity", json!({"name": "pay", "policies": ["mounts"]})).await.data["id"].clone();
    let without = token(&world, &["issue", "mounts"]).await;
    let refused = issue(&world, &without, json!({ "entity_id": entity })).await.unwrap_err();
    assert!(refused.client.contains("sudo"), "{}", refused.client);
    let lacking = token(&world, &["issue-sudo"]).await;
    let refused = issue(&world, &lacking, json!({ "entity_id": entity })).await.unwrap_err();
    assert!(refused.client.contains("policies that its issuer does not have"), "{}", refused.client);

    let terms = json!({ "entity_id": entity, "ttl": "720h", "name": "ci", "policies": ["mounts"] });
    let reply = issue(&world, &world.root, terms).await.unwrap();
    let key = Key::of(&reply);
    assert_eq!((&key.session, &reply.data["policies"]), (&None, &json!(["mounts"])));
    read(&world, &key, "sys/mounts").await.unwrap();
    // What the entity gets later is not the key's; what it loses is.
    world.prepare("identity/entity/name/pay", json!({"policies": ["mounts", "acls"]})).await;
    assert_eq!(fault(read(&world, &key, "sys/policies/acl/mounts").await), None);
    world.prepare("identity/entity/name/pay", json!({"policies": ["acls"]})).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), None);
    world.prepare("identity/entity/name/pay", json!({"policies": ["mounts"], "disabled": true})).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
    world.prepare("identity/entity/name/pay", json!({"disabled": false})).await;
    read(&world, &key, "sys/mounts").await.unwrap();
    world.ask(&world.root, Method::Delete, "identity/entity/name/pay", Value::Null).await.unwrap();
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
    let gone = issue(&world, &world.root, json!({ "entity_id": entity, "policies": ["mounts"] })).await.unwrap_err();
    assert_eq!(gone.cause, Cause::Invalid);
}

#[tokio::test]
async fn a_key_of_a_tokens_entity_has_its_policies_as_they_are_now() {
    let world = world().await;
    world.stub(json!({"policies": ["issue"], "no_default_policy": true})).await;
    let login = world.log_in("web").await.unwrap();
    assert_eq!(login.auth["metadata"], json!({ "door": "stub" }), "claims override no fact of the method's");
    let key = Key::of(&issue(&world, &login.token(), json!({})).await.unwrap());
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), None);
    let entity = login.auth["entity_id"].as_str().unwrap().to_owned();
    world.prepare(&format!("identity/entity/id/{entity}"), json!({"policies": ["mounts"]})).await;
    read(&world, &key, "sys/mounts").await.unwrap();
    world.prepare(&format!("identity/entity/id/{entity}"), json!({"disabled": true})).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
}

#[tokio::test]
async fn addresses_are_inherited() {
    let world = world().await;
    world.stub(json!({"policies": ["issue-sudo", "mounts"], "bound_cidrs": ["10.1.0.0/16"]})).await;
    let login = world.log_in("web").await.unwrap();
    let entity =
        world.prepare("identity/entity", json!({"name": "pay", "policies": ["mounts"]})).await.data["id"].clone();
    let own = Key::of(&issue(&world, &login.token(), json!({})).await.unwrap());
    let narrow = Key::of(&issue(&world, &login.token(), json!({"bound_cidrs": ["10.1.9.0/24"]})).await.unwrap());
    let other = Key::of(&issue(&world, &login.token(), json!({ "entity_id": entity })).await.unwrap());
    assert!(issue(&world, &login.token(), json!({ "entity_id": entity, "bound_cidrs": ["0.0.0.0/0"] })).await.is_err());
    assert!(issue(&world, &login.token(), json!({ "bound_cidrs": ["nowhere"] })).await.is_err());
    let now = now_s(&world).await;
    for (key, peer, good) in [
        (&own, "10.1.2.3:1", true),
        (&own, "10.2.2.3:1", false),
        (&narrow, "10.1.9.3:1", true),
        (&narrow, "10.1.2.3:1", false),
        (&other, "10.1.2.3:1", true),
        (&other, "10.2.2.3:1", false),
    ] {
        let signed = Credential::Signed(Box::new(key.signed(now)));
        let result = send(&world, signed, peer, Method::Read, "sys/mounts").await;
        assert_eq!(result.is_ok(), good, "{peer}");
        if !good {
            assert_eq!(fault(result), Some(CredentialFault::UnknownKey));
        }
    }
}

#[tokio::test]
async fn keys_are_listed_read_without_their_secret_and_removed() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    assert_eq!(world.list(&holder, "identity/access-key/id").await.unwrap_err().cause, Cause::NotFound);
    let key = Key::of(&issue(&world, &holder, json!({"name": "ci", "policies": ["mounts"]})).await.unwrap());
    assert_eq!(world.list(&holder, "identity/access-key/id").await.unwrap().data["keys"], json!([key.id]));
    let path = format!("identity/access-key/id/{}", key.id);
    let facts = world.read(&holder, &path).await.unwrap().data;
    assert_eq!((&facts["name"], &facts["policies"], &facts["ttl"]), (&json!("ci"), &json!(["mounts"]), &json!(3600)));
    let accessor = world.read(&holder, "identity/access-key/id/none").await.unwrap_err();
    assert_eq!(accessor.cause, Cause::NotFound);
    let text = facts.to_string();
    assert!(!text.contains(&key.secret) && !text.contains(key.session.as_ref().unwrap()));
    world.ask(&holder, Method::Delete, &path, Value::Null).await.unwrap();
    world.ask(&holder, Method::Delete, &path, Value::Null).await.unwrap();
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
    for name in ["a b", "a/b", "é", "a\u{0}", &"a".repeat(65)] {
        assert_eq!(issue(&world, &holder, json!({ "name": name })).await.unwrap_err().cause, Cause::Invalid);
    }
}

#[tokio::test]
async fn the_containers_form_is_what_awss_clients_read() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    let told = world.read(&holder, "identity/access-key/container").await.unwrap().data;
    let members: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(members, ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"]);
    assert_eq!(told["Expiration"], json!("2026-01-01T01:00:00Z"));
    let key = Key {
        id: told["AccessKeyId"].as_str().unwrap().to_owned(),
        secret: told["SecretAccessKey"].as_str().unwrap().to_owned(),
        session: told["Token"].as_str().map(str::to_owned),
    };
    read(&world, &key, "sys/mounts").await.unwrap();
    // It makes something: reading is not enough.
    world.policy("reader", r#"path "identity/access-key/container" { capabilities = ["read"] }"#).await;
    let reader = token(&world, &["reader"]).await;
    assert_eq!(world.read(&reader, "identity/access-key/container").await.unwrap_err().cause, Cause::Denied);
}

async fn log_in(world: &World, path: &str, alias: &str, wish: KeyWish) -> Result<Answer, Error> {
    let request = Request {
        namespace: NamespaceId::root(),
        credential: Credential::None,
        target: Target::KeyLogin {
            path: CanonicalPath::parse(path).unwrap(),
            params: Params::from_json(json!({ "alias": alias }).to_string().as_bytes()).unwrap(),
            wish,
        },
        wrap_ttl: None,
        origin: Origin { dialect: "aws_sts", peer: "10.1.2.3:1".parse().unwrap(), tls: None, headers: Vec::new() },
    };
    world.node.answer(request).await.map_err(|refusal| refusal.error)
}

#[tokio::test]
async fn a_login_may_answer_with_a_key_whose_token_ends_with_it() {
    let world = world().await;
    world.stub(json!({"policies": ["mounts"], "no_default_policy": true, "period_s": 100_000, "kind": "batch"})).await;
    let tokens = world.count().await;
    for (asked, expected) in [(None, 3_600), (Some(900), 900), (Some(90_000), 43_200)] {
        let wish = KeyWish { ttl: asked.map(TtlSeconds), name: "session".to_owned(), role: "r".to_owned() };
        let answer = log_in(&world, "auth/stub/login", "web", wish).await.unwrap();
        let Body::Object(payload) = &answer.body else { panic!("{answer:?}") };
        let data: Value = serde_json::from_str(payload.text()).unwrap();
        assert_eq!(data["ttl"], json!(expected));
        assert_eq!(answer.auth.as_ref().unwrap().ttl_s, expected);
        let key = Key::of(&Reply { data, auth: Value::Null, warnings: Vec::new(), status: None });
        read(&world, &key, "sys/mounts").await.unwrap();
        let who = read(&world, &key, "identity/access-key/caller").await.unwrap();
        assert_eq!(who["display_name"], json!("stub-session"));
        assert_eq!(who["key"]["assumed_role"], json!({ "mount": "stub", "role": "r", "session": "session" }));
        world.pass_s(expected);
        assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::ExpiredKey));
        for _ in 0..4 {
            crate::runner::round(&world.active()).await.unwrap();
        }
        assert_eq!(world.count().await, tokens, "the token is gone with its key");
    }
    // Only logins answer so.
    for path in ["auth/token/create", "identity/access-key", "auth/nowhere/login", "auth/stub/terms"] {
        let error = log_in(&world, path, "web", KeyWish::default()).await.unwrap_err();
        assert_eq!(error.cause, Cause::Denied, "{path}");
    }
}

/// More logins than one step revokes, a child, a key, and somebody else's login that stays.
#[tokio::test]
async fn a_removed_auth_mount_takes_its_tokens_and_their_keys_with_it() {
    let world = world().await;
    world.policy("parent", r#"path "auth/token/create" { capabilities = ["update"] }"#).await;
    let terms = json!({"policies": ["issue", "mounts", "parent"]});
    world.stub(terms.clone()).await;
    world.prepare("sys/auth/other", json!({ "type": "stub" })).await;
    world.prepare("auth/other/terms", terms).await;
    let stays = world.write("", "auth/other/login", json!({ "alias": "web" })).await.unwrap().token();
    let (mut tokens, mut keys) = (Vec::new(), Vec::new());
    for n in 0..70 {
        let token = world.log_in(&format!("web-{}", n % 3)).await.unwrap().token();
        keys.push(Key::of(&issue(&world, &token, json!({})).await.unwrap()));
        tokens.push(token);
    }
    let child = world.write(&tokens[0], "auth/token/create", json!({"policies": ["mounts"]})).await.unwrap().token();
    world.ask(&world.root, Method::Delete, "sys/auth/stub", Value::Null).await.unwrap();
    for _ in 0..8 {
        crate::runner::round(&world.active()).await.unwrap();
    }
    for (token, key) in tokens.iter().zip(&keys) {
        assert!(!world.is_good(token).await);
        assert_eq!(fault(read(&world, key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
    }
    assert!(!world.is_good(&child).await && world.is_good(&stays).await && world.is_good(&world.root).await);
}

#[tokio::test]
async fn only_service_tokens_issue_and_uses_are_counted() {
    let world = world().await;
    let batch = world.token(json!({"policies": ["issue"], "type": "batch", "ttl": "1h"})).await.token();
    assert_eq!(issue(&world, &batch, json!({})).await.unwrap_err().cause, Cause::Invalid);
    let limited = world.token(json!({"policies": ["issue", "mounts"], "num_uses": 3})).await.token();
    let key = Key::of(&issue(&world, &limited, json!({})).await.unwrap());
    read(&world, &key, "sys/mounts").await.unwrap();
    read(&world, &key, "sys/mounts").await.unwrap();
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
}

/// Free metadata says nothing of roles, whatever its names.
#[tokio::test]
async fn metadata_makes_no_assumed_role() {
    let world = world().await;
    let meta = json!({"aws_role": "k8s/admin", "aws_session": "s", "assumed_role": "x", "key": "y"});
    let fields = json!({"policies": ["issue"], "ttl": "1h", "meta": meta});
    let holder = world.token(fields).await.token();
    let key = Key::of(&issue(&world, &holder, json!({"name": "ci"})).await.unwrap());
    let who = read(&world, &key, "identity/access-key/caller").await.unwrap();
    let facts = json!({ "owner": "token", "of_entity": false, "name": "ci", "assumed_role": null });
    assert_eq!(who["key"], facts);
    let by_token = world.read(&holder, "identity/access-key/caller").await.unwrap().data;
    assert_eq!((&by_token["key"], &by_token["metadata"]), (&Value::Null, &meta));
}

#[tokio::test]
async fn a_key_of_a_foreign_entity_has_nothing_that_its_issuer_lacks() {
    let world = world().await;
    let text = r#"path "sys/policies/acl/{{identity.entity.name}}" { capabilities = ["read"] }"#;
    world.policy("own", text).await;
    let body = json!({"name": "mounts", "policies": ["mounts", "own"]});
    let entity = world.prepare("identity/entity", body).await.data["id"].clone();
    let issuer =
        world.token(json!({"policies": ["issue-sudo", "mounts", "own"], "no_default_policy": true, "ttl": "2h"}));
    let issuer = issuer.await.token();
    // The name is the issuer's, too; what it means is not.
    for body in [json!({ "entity_id": entity }), json!({ "entity_id": entity, "policies": ["own"] })] {
        let refused = issue(&world, &issuer, body).await.unwrap_err();
        assert!(refused.client.contains("templates"), "{}", refused.client);
    }
    let path = "sys/policies/acl/mounts";
    let roots = json!({ "entity_id": entity, "policies": ["mounts", "own"], "ttl": "6h" });
    let of_root = Key::of(&issue(&world, &world.root, roots).await.unwrap());
    read(&world, &of_root, path).await.unwrap();
    let reply = issue(&world, &issuer, json!({ "entity_id": entity, "policies": ["mounts"], "ttl": "6h" })).await;
    let reply = reply.unwrap();
    // It ends with the issuer at the latest.
    assert_eq!(reply.data["ttl"], json!(7_200));
    let key = Key::of(&reply);
    read(&world, &key, "sys/mounts").await.unwrap();
    // A policy that becomes a template later is not the key's any more.
    world.policy("mounts", &format!("{MOUNTS}\n{text}")).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), None);
    assert_eq!(fault(read(&world, &key, path).await), None);
    world.policy("mounts", MOUNTS).await;
    read(&world, &key, "sys/mounts").await.unwrap();
    world.prepare("auth/token/revoke", json!({ "token": issuer })).await;
    assert_eq!(fault(read(&world, &key, "sys/mounts").await), Some(CredentialFault::UnknownKey));
    read(&world, &of_root, "sys/mounts").await.unwrap();
}

#[tokio::test]
async fn a_list_that_names_no_policy_is_refused() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    for policies in [json!([]), json!([""]), json!([" ", ""]), json!(""), json!(",")] {
        let refused = issue(&world, &holder, json!({ "policies": policies })).await.unwrap_err();
        assert!(refused.client.contains("`policies` is empty"), "{policies}: {}", refused.client);
    }
    issue(&world, &holder, json!({ "policies": null })).await.unwrap();
}

#[tokio::test]
async fn an_owner_has_so_many_live_keys_and_no_more() {
    let world = world().await;
    let holder = token(&world, &["issue", "mounts"]).await;
    let active = world.active();
    let mut txn = active.sealed.txn();
    let now = txn.now().await.unwrap();
    let owner = Owner::Token { id: active.hashes.token_id(&holder) };
    for n in 1..access_keys::LIVE_KEYS_MAX {
        let new = NewKey {
            name: String::new(),
            owner: owner.clone(),
            policies: None,
            bound_cidrs: Vec::new(),
            session: true,
            assumed_role: None,
            came_by: None,
            issuer: None,
            now,
            expires: now.plus(TtlSeconds(600)),
        };
        access_keys::issue(&mut txn, &NamespaceId::root(), &*active.rng, new).unwrap();
        // A transaction has a bound of its own.
        if n % 20 == 0 {
            txn.commit().await.unwrap();
            txn = active.sealed.txn();
        }
    }
    txn.commit().await.unwrap();
    let last = Key::of(&issue(&world, &holder, json!({"ttl": "20m"})).await.unwrap());
    let refused = issue(&world, &holder, json!({})).await.unwrap_err();
    assert!(refused.client.contains("1000 access keys"), "{}", refused.client);
    // Another owner's are its own; a deleted key makes room, and so do ended ones.
    let other = token(&world, &["issue"]).await;
    issue(&world, &other, json!({})).await.unwrap();
    world.ask(&holder, Method::Delete, &format!("identity/access-key/id/{}", last.id), Value::Null).await.unwrap();
    issue(&world, &holder, json!({})).await.unwrap();
    issue(&world, &holder, json!({})).await.unwrap_err();
    world.pass_s(600);
    issue(&world, &holder, json!({})).await.unwrap();
    // The sweep of so many stays within one transaction's bound.
    world.pass_s(90_000);
    crate::runner::round(&world.active()).await.unwrap();
}
