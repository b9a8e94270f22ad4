//! What callers show. A signature is over everything that decides, a signed token is one that its issuer signed, a key set
//! proves nothing for keys that it does not hold, and a token of ours is one that was made here.

use crate::json::Tree;
use crate::mark;
use crate::mount::{Bench, NOW_MS, store, wait};
use crate::wire;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardea_auth::jwt::Jwt;
use cardea_barrier::Keyring;
use cardea_crypto::random::SeededRandomness;
use cardea_crypto::signature::SigningKey;
use cardea_dialects::aws::sigv4::{Expected, credential_within};
use cardea_kernel::hashes::Hashes;
use cardea_kernel::tokens::{self, NewToken};
use cardea_model::wire::WireRequest;
use cardea_model::{Credential, CredentialFault, NamespaceId, SecretBytes, Signed, Timestamp, TokenKind};
use cardea_sdk::erased::ErasedAuth;
use cardea_sdk::{Identification, Vouch};
use cardea_storage::txn::SealedStore;
use cardea_testkit::Documents;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

fn judged(wire: &WireRequest) -> Result<Option<Box<Signed>>, CredentialFault> {
    let expected = Expected { service: "sts", regions: Vec::new(), presigned: true };
    credential_within(wire, &expected).map(|credential| match credential {
        Credential::Signed(signed) => Some(signed),
        _ => None,
    })
}

/// A request signed with Signature Version 4, in its header or its query.
pub fn signature(data: &[u8]) -> bool {
    let request = wire::read(data);
    let signed = match judged(&request) {
        Ok(Some(signed)) => signed,
        Ok(None) => return false,
        Err(fault) => {
            mark::absent(&format!("{fault:?}"), "a fault");
            return false;
        }
    };
    mark::absent(&format!("{:?}", signed.session_token), "a session token");
    assert_eq!(signed.signature.len(), 32);
    assert!((1..=128).contains(&signed.key_id.len()));
    let text = std::str::from_utf8(&signed.string_to_sign).unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(matches!(lines.as_slice(), ["AWS4-HMAC-SHA256", _, _, digest] if digest.len() == 64), "{text}");
    let changed = |change: &dyn Fn(&mut WireRequest)| {
        let mut other = wire::copy(&request);
        change(&mut other);
        judged(&other).ok().flatten().map(|signed| signed.string_to_sign)
    };
    let same = Some(signed.string_to_sign.clone());
    assert_eq!(changed(&|_| ()), same);
    let longer = |wire: &mut WireRequest| wire.body = SecretBytes::new([wire.body.expose(), b"x"].concat());
    assert_ne!(changed(&longer), same, "the body is not signed");
    assert_ne!(changed(&|wire| wire.method.push('X')), same, "the verb is not signed");
    assert_ne!(changed(&|wire| wire.path.push('x')), same, "the path is not signed");
    assert_ne!(changed(&|wire| wire.query.push_str("&x=1")), same, "the query is not signed");
    assert_eq!(
        changed(&|wire| wire.headers.push(("b-unrelated".to_owned(), vec![1]))),
        same,
        "what is not signed decides"
    );
    let decides = |wire: &mut WireRequest| wire.headers.push(("x-amz-target".to_owned(), b"sts.Other".to_vec()));
    assert_eq!(changed(&decides), None, "a header that decides can be added");
    let other_host = |wire: &mut WireRequest| {
        wire.headers.iter_mut().filter(|(name, _)| name == "host").for_each(|(_, value)| value.push(b'x'));
    };
    assert_ne!(changed(&other_host), same, "the host is not signed");
    true
}

const CLAIMS: &str = r#"{"iss":"https://issuer.test","sub":"user-1","aud":"cardea","iat":1700000000,"exp":1700000600}"#;
const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1"}"#;
const ROLE: &str = r#"{"role_type":"jwt","user_claim":"sub","bound_audiences":"cardea"}"#;

fn issuer() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn signs(header: &str, payload: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = issuer().sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

static BY_KEY: LazyLock<Bench> = LazyLock::new(|| {
    let bench = Bench::new(Box::new(ErasedAuth(Jwt::new(Arc::new(Documents::default())))), "auth/jwt/");
    // RFC 8410: SubjectPublicKeyInfo of Ed25519.
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let info = STANDARD.encode([prefix.as_slice(), &issuer().verifying_key()].concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\\n{info}\\n-----END PUBLIC KEY-----\\n");
    let config = format!(r#"{{"jwt_validation_pubkeys":["{pem}"],"bound_issuer":"https://issuer.test"}}"#);
    bench.set_up("config", &config);
    bench.set_up("role/web", ROLE);
    bench
});

fn login(bench: &Bench, jwt: &str) -> Option<Box<Identification>> {
    let body = serde_json::to_string(&BTreeMap::from([("role", "web"), ("jwt", jwt)])).unwrap();
    match bench.login(&body) {
        Ok(Vouch::Yes(identification)) => Some(identification),
        Ok(Vouch::No { error, .. }) | Err(error) => {
            mark::absent(&error.to_string(), "a refused login");
            None
        }
    }
}

pub fn jwt_seeds() -> Vec<Vec<u8>> {
    let with = |header| signs(header, CLAIMS.as_bytes()).into_bytes();
    vec![
        with(HEADER),
        with(r#"{"alg":"none"}"#),
        with(r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#),
        with(r#"{"alg":"RS256"}"#),
    ]
}

/// A token in its compact form. Ed25519 has one signature a message: whoever is let in shows what was signed, to the letter.
pub fn jwt(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Some(found) = login(&BY_KEY, text) else { return false };
    assert_eq!(text.trim(), signs(HEADER, CLAIMS.as_bytes()), "a token opens that nobody signed");
    assert_eq!(found.alias, "user-1");
    true
}

/// The claims of a token that is signed: whoever is let in is who another reader of the same claims sees, without a claim that
/// stands twice, from the issuer, for the audience, and on time.
pub fn jwt_claims(data: &[u8]) -> bool {
    let Some(found) = login(&BY_KEY, &signs(HEADER, data)) else { return false };
    let claims = Tree::read(data).expect("claims that are no JSON let somebody in");
    assert!(!claims.repeats(), "one of two claims of the same name was chosen");
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_slice(data).unwrap();
    assert_eq!(read["sub"].as_str(), Some(found.alias.as_str()));
    assert_eq!(read["iss"], "https://issuer.test");
    let audience = &read["aud"];
    assert!(audience == "cardea" || audience.as_array().is_some_and(|all| all.iter().any(|one| one == "cardea")));
    let now_s = (NOW_MS / 1000) as f64;
    let instant = |name: &str| read.get(name).and_then(serde_json::Value::as_f64);
    assert!(instant("exp").is_none_or(|exp| exp + 300.0 >= now_s), "an expired token opens");
    assert!(instant("nbf").is_none_or(|nbf| nbf - 300.0 <= now_s), "a token of tomorrow opens");
    true
}

fn key_set() -> String {
    let x = URL_SAFE_NO_PAD.encode(issuer().verifying_key());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{x}"}}]}}"#)
}

pub fn jwks_seeds() -> Vec<Vec<u8>> {
    let other = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"AA","y":"AA"},{"kty":"oct","k":"AA"}]}"#;
    vec![key_set().into_bytes(), other.as_bytes().to_vec()]
}

/// A key set that an issuer publishes: it lets nobody in by a key that is not in it.
pub fn jwks(data: &[u8]) -> bool {
    let Ok(document) = std::str::from_utf8(data) else { return false };
    let documents = Documents::default();
    documents.put("https://issuer.test/keys", document);
    let bench = Bench::new(Box::new(ErasedAuth(Jwt::new(Arc::new(documents)))), "auth/jwt/");
    let config = r#"{"jwks_url":"https://issuer.test/keys","bound_issuer":"https://issuer.test"}"#;
    if let Err(error) = bench.ask("config", config, true) {
        mark::absent(&error.to_string(), "a refused configuration");
        return false;
    }
    bench.set_up("role/web", ROLE);
    if login(&bench, &signs(HEADER, CLAIMS.as_bytes())).is_none() {
        return false;
    }
    let read: serde_json::Value = serde_json::from_str(document).expect("a key set that is no JSON verified");
    assert!(!Tree::read(data).unwrap().repeats());
    let x = URL_SAFE_NO_PAD.encode(issuer().verifying_key());
    let holds = read["keys"].as_array().unwrap().iter().any(|key| key["x"] == x.as_str() && key.get("d").is_none());
    assert!(holds, "a key verified that is not in the set");
    true
}

struct Issued {
    store: SealedStore,
    keyring: Keyring,
    hashes: Hashes,
    service: String,
    batch: String,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let (rng, store) = (SeededRandomness::new(b"tokens"), store());
    let now = Timestamp(NOW_MS);
    let keyring = Keyring::generate("c1", now, &rng);
    let hashes = Hashes::new(&keyring);
    let mut txn = store.txn();
    let mut mint = |kind| {
        let new = NewToken { kind, renewable: true, ..NewToken::plain("app", now, Some(now.plus_ms(3_600_000))) };
        tokens::mint(&mut txn, &hashes, &keyring, &rng, new).unwrap().text.expose().to_owned()
    };
    let (service, batch) = (mint(TokenKind::Service), mint(TokenKind::Batch));
    wait(txn.commit()).unwrap();
    Issued { store, keyring, hashes, service, batch }
});

pub fn token_seeds() -> Vec<Vec<u8>> {
    vec![ISSUED.service.clone().into_bytes(), ISSUED.batch.clone().into_bytes()]
}

/// A token: only the text that was given out is one.
pub fn token(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let issued = &*ISSUED;
    let mut txn = issued.store.txn();
    let root = NamespaceId::root();
    let shown = tokens::find_shown(&mut txn, &issued.hashes, &issued.keyring, &root, text, Timestamp(NOW_MS));
    let Some(shown) = wait(shown).unwrap() else { return false };
    let made = if shown.kind == TokenKind::Batch { &issued.batch } else { &issued.service };
    assert_eq!(text, made, "a token has two spellings");
    true
}
