//! Tables of the rules that clients rely on. They must drive the engine through its routes, so that what they say is
//! what a client sees.

mod attached;
mod harness;
mod imported;
mod last_use;
mod regions;
mod shared;
mod transcripts;
mod transfers;

use crate::transit::counter::{BLOCK, USES_MAX};
use crate::transit::forms;
use crate::transit::model::{KeyRecord, Material, Purge, Uses};
use crate::transit::routes::{ROUTES, SHARED};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::{Action, Method};
use cardea_sdk::Access;
use harness::Bench;
use serde_json::{Value, json};

proptest::proptest! {
    #[test]
    fn what_is_tagged_comes_back_and_nothing_panics(
        version in 1u64.., bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), jws: bool, text in "(vault:v?)?[0-9:v+=A-Za-z/]{0,30}"
    ) {
        let tagged = forms::tagged(version, &bytes, jws);
        proptest::prop_assert_eq!(forms::untagged(&tagged, "x", jws).unwrap(), (version, bytes));
        if let Err(error) = forms::untagged(&text, "ciphertext", jws) {
            proptest::prop_assert!(text.len() < 12 || !error.client.contains(&text));
        }
    }
}

#[test]
fn the_route_table_is_whole() {
    for (at, route) in ROUTES.iter().enumerate() {
        let facts = &route.facts;
        assert!(facts.help.ends_with('.') && facts.help.len() > 15, "{} needs a help", facts.name);
        assert_eq!(facts.access, Access::Policy, "{}", facts.name);
        assert!(facts.recorded, "{}", facts.name);
        assert_eq!(facts.method == Method::Write, !facts.example.is_empty(), "{}: writes have an example", facts.name);
        assert!(facts.example.is_empty() || serde_json::from_str::<Value>(facts.example).is_ok(), "{}", facts.name);
        for secret in [
            "plaintext",
            "ciphertext",
            "input",
            "context",
            "associated_data",
            "signature",
            "hmac",
            "batch_input",
            "backup",
            "keys",
            "random_bytes",
            "sum",
            "batch_results",
        ] {
            let logged = facts.clear.contains(&secret) || facts.clear_answer.contains(&secret);
            assert!(!logged, "{} logs {secret}", facts.name);
        }
        for other in ROUTES[at + 1..].iter().chain(SHARED) {
            assert_ne!(facts.name, other.facts.name);
        }
    }
}

#[tokio::test]
async fn actions_follow_what_exists() {
    let bench = Bench::new();
    for (method, target, body, action) in [
        ("POST", "encrypt/a", r#"{"plaintext":""}"#, Action::Create),
        ("POST", "encrypt/a", r#"{"plaintext":""}"#, Action::Update),
        ("POST", "keys/b", "{}", Action::Update),
        ("POST", "encrypt/b", r#"{"plaintext":""}"#, Action::Update),
        ("POST", "keys/b/rotate", "{}", Action::Update),
        ("POST", "hmac/b", r#"{"input":""}"#, Action::Update),
        ("POST", "random", "{}", Action::Update),
        ("GET", "keys/b", "", Action::Read),
        ("LIST", "keys/", "", Action::List),
    ] {
        assert_eq!(bench.call(method, target, body).await.action, Some(action), "{method} {target}");
    }
}

#[tokio::test]
async fn what_is_encrypted_decrypts_at_every_version() {
    for kind in ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "rsa-2048"] {
        let bench = Bench::new();
        bench.ok("keys/k", json!({ "type": kind })).await;
        let old = bench.ok("encrypt/k", json!({ "plaintext": "b2xk" })).await["ciphertext"].clone();
        bench.ok("keys/k/rotate", json!({})).await;
        let new = bench.ok("encrypt/k", json!({ "plaintext": "bmV3" })).await["ciphertext"].clone();
        assert!(old.as_str().unwrap().starts_with("vault:v1:") && new.as_str().unwrap().starts_with("vault:v2:"));
        for (ciphertext, plaintext) in [(&old, "b2xk"), (&new, "bmV3")] {
            assert_eq!(bench.ok("decrypt/k", json!({ "ciphertext": ciphertext })).await["plaintext"], plaintext);
        }
        let explicit = bench.ok("encrypt/k", json!({ "plaintext": "b2xk", "key_version": 1 })).await;
        assert_eq!(explicit["key_version"], 1);
        let wrapped = bench.ok("rewrap/k", json!({ "ciphertext": old })).await;
        assert_eq!(wrapped["key_version"], 2);
        assert_eq!(bench.ok("decrypt/k", json!({ "ciphertext": wrapped["ciphertext"] })).await["plaintext"], "b2xk");
        bench.ok("keys/k/config", json!({ "min_decryption_version": 2 })).await;
        let refused = bench.post("decrypt/k", json!({ "ciphertext": old })).await;
        assert_eq!(refused.error(), "ciphertext or signature version is disallowed by policy (too old)");
        // And again in a process that has nothing in memory.
        let again = bench.restarted();
        assert_eq!(again.ok("decrypt/k", json!({ "ciphertext": new })).await["plaintext"], "bmV3");
    }
}

#[tokio::test]
async fn associated_data_and_contexts_bind() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "derived": true })).await;
    let with = |plaintext: &str, context: &str, data: &str| json!({ "plaintext": plaintext, "context": BASE64.encode(context), "associated_data": BASE64.encode(data) });
    let made = bench.ok("encrypt/k", with("dGV4dA==", "a", "x")).await["ciphertext"].clone();
    for (context, data, opens) in [("a", "x", true), ("b", "x", false), ("a", "y", false), ("a", "", false)] {
        let body = json!({
            "ciphertext": made, "context": BASE64.encode(context), "associated_data": BASE64.encode(data)
        });
        assert_eq!(bench.post("decrypt/k", body).await.status == 200, opens, "{context} {data}");
    }
    assert_ne!(bench.ok("encrypt/k", with("dGV4dA==", "a", "x")).await["ciphertext"], made);
    let rsa = Bench::new();
    rsa.ok("keys/k", json!({ "type": "rsa-2048" })).await;
    let refused = rsa.post("encrypt/k", json!({ "plaintext": "", "associated_data": "eA==" })).await;
    assert_eq!(refused.error(), "associated data is only supported by AEAD key types");
}

#[tokio::test]
async fn convergent_keys_converge_within_a_context_and_a_version() {
    for kind in ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"] {
        let bench = Bench::new();
        bench.ok("keys/k", json!({ "type": kind, "derived": true, "convergent_encryption": true })).await;
        let make = async |context: &str, plaintext: &str| {
            let body = json!({ "plaintext": plaintext, "context": context });
            bench.ok("encrypt/k", body).await["ciphertext"].as_str().unwrap().to_owned()
        };
        let first = make("YQ==", "dGV4dA==").await;
        assert_eq!(make("YQ==", "dGV4dA==").await, first);
        assert_ne!(make("Yg==", "dGV4dA==").await, first);
        assert_ne!(make("YQ==", "bm90ZQ==").await.get(..30), first.get(..30));
        bench.ok("keys/k/rotate", json!({})).await;
        assert_ne!(make("YQ==", "dGV4dA==").await, first);
        assert!(bench.stored::<Uses>().await.is_empty(), "no nonces are drawn, none are counted");
    }
}

#[tokio::test]
async fn signatures_verify_in_every_form() {
    for (kind, more) in [
        ("ed25519", json!({})),
        ("ecdsa-p256", json!({})),
        ("ecdsa-p256", json!({ "hash_algorithm": "sha2-512" })),
        ("ecdsa-p384", json!({ "hash_algorithm": "sha3-256" })),
        ("ecdsa-p521", json!({ "marshaling_algorithm": "jws" })),
        ("ecdsa-secp256k1", json!({})),
        ("rsa-2048", json!({})),
        ("rsa-2048", json!({ "hash_algorithm": "sha2-384", "signature_algorithm": "pkcs1v15" })),
        ("rsa-2048", json!({ "salt_length": "hash" })),
        ("rsa-2048", json!({ "salt_length": 32 })),
        ("ml-dsa", json!({})),
    ] {
        let bench = Bench::new();
        bench.ok("keys/k", json!({ "type": kind, "parameter_set": if kind == "ml-dsa" { "44" } else { "" } })).await;
        let body = |more: &Value, extra: Value| {
            let mut body = more.clone();
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        };
        let made = bench.ok("sign/k", body(&more, json!({ "input": "dGV4dA==" }))).await;
        for (input, valid) in [("dGV4dA==", true), ("bm90ZQ==", false), ("", false)] {
            let shown = body(&more, json!({ "input": input, "signature": made["signature"] }));
            assert_eq!(bench.ok("verify/k", shown).await["valid"], valid, "{kind} {more} {input}");
        }
        bench.ok("keys/k/rotate", json!({})).await;
        let shown = body(&more, json!({ "input": "dGV4dA==", "signature": made["signature"] }));
        assert_eq!(bench.ok("verify/k", shown.clone()).await["valid"], true, "after a rotation");
        bench.ok("keys/k/config", json!({ "min_decryption_version": 2 })).await;
        assert_eq!(bench.post("verify/k", shown).await.status, 400);
    }
}

#[tokio::test]
async fn digests_sign_as_their_messages() {
    let bench = Bench::new();
    let digest = BASE64.encode(cardea_crypto::mac::sha256(&[b"text"]));
    for kind in ["ecdsa-p256", "ecdsa-p521", "rsa-2048"] {
        bench.ok(&format!("keys/{kind}"), json!({ "type": kind })).await;
        let made = bench.ok(&format!("sign/{kind}"), json!({ "input": digest, "prehashed": true })).await;
        let shown = json!({ "input": "dGV4dA==", "signature": made["signature"] });
        assert_eq!(bench.ok(&format!("verify/{kind}"), shown).await["valid"], true, "{kind}");
    }
}

#[tokio::test]
async fn derived_signing_keys_show_their_public_halves() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "type": "ed25519", "derived": true })).await;
    let made = bench.ok("sign/k", json!({ "input": "dGV4dA==", "context": "YQ==" })).await;
    assert_eq!(made, bench.ok("sign/k", json!({ "input": "dGV4dA==", "context": "YQ==" })).await);
    let shown = bench.call("GET", "keys/k?context=YQ==", "").await;
    assert_eq!(shown.data()["keys"]["1"]["public_key"], made["publickey"]);
    for (context, valid) in [("YQ==", true), ("Yg==", false)] {
        let body = json!({ "input": "dGV4dA==", "context": context, "signature": made["signature"] });
        assert_eq!(bench.ok("verify/k", body).await["valid"], valid);
    }
}

#[tokio::test]
async fn macs_verify_and_a_mac_key_is_its_own() {
    let bench = Bench::new();
    for (name, kind) in [("aes", "aes256-gcm96"), ("mac", "hmac"), ("rsa", "rsa-2048")] {
        bench.ok(&format!("keys/{name}"), json!({ "type": kind })).await;
        for algorithm in ["sha2-224", "sha2-256", "sha2-384", "sha2-512"] {
            let made = bench.ok(&format!("hmac/{name}/{algorithm}"), json!({ "input": "dGV4dA==" })).await;
            for (input, valid) in [("dGV4dA==", true), ("bm90ZQ==", false)] {
                let shown = json!({ "input": input, "hmac": made["hmac"] });
                let answer = bench.ok(&format!("verify/{name}/{algorithm}"), shown).await;
                assert_eq!(answer["valid"], valid, "{name} {algorithm}");
            }
        }
    }
    assert_eq!(bench.post("encrypt/mac", json!({ "plaintext": "" })).await.status, 400);
}

#[tokio::test]
async fn rotation_is_due_when_a_key_is_used() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "auto_rotate_period": "1h" })).await;
    let made = bench.ok("encrypt/k", json!({ "plaintext": "dGV4dA==" })).await;
    assert_eq!(made["key_version"], 1);
    bench.advance_s(3600);
    bench.ok("decrypt/k", json!({ "ciphertext": made["ciphertext"] })).await;
    assert_eq!(bench.call("GET", "keys/k", "").await.data()["latest_version"], 1, "reading rotates nothing");
    assert_eq!(bench.ok("encrypt/k", json!({ "plaintext": "" })).await["key_version"], 2);
    assert_eq!(bench.ok("encrypt/k", json!({ "plaintext": "" })).await["key_version"], 2);
    assert_eq!(bench.ok("decrypt/k", json!({ "ciphertext": made["ciphertext"] })).await["plaintext"], "dGV4dA==");
}

#[tokio::test]
async fn uses_are_reserved_in_blocks_and_run_out_into_a_rotation() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    let encrypt = async |bench: &Bench| bench.ok("encrypt/k", json!({ "plaintext": "" })).await["key_version"].clone();
    for _ in 0..5 {
        encrypt(&bench).await;
    }
    let names = bench.stored::<Uses>().await;
    assert_eq!(names.len(), 1);
    let reserved = async |bench: &Bench, name: &str| {
        let mut found = 0;
        bench.tamper::<Uses>(name, |uses| found = uses.reserved).await;
        found
    };
    assert_eq!(reserved(&bench, &names[0]).await, BLOCK, "five uses, one reservation");
    // Another process reserves a block of its own, and so does one that has lost its memory.
    encrypt(&bench.restarted()).await;
    assert_eq!(reserved(&bench, &names[0]).await, 2 * BLOCK);
    encrypt(&bench.restarted()).await;
    assert_eq!(reserved(&bench, &names[0]).await, 3 * BLOCK);
    bench.tamper::<Uses>(&names[0], |uses| uses.reserved = USES_MAX - BLOCK).await;
    assert_eq!(encrypt(&bench.restarted()).await, 1, "the last block");
    let next = bench.restarted();
    assert_eq!(encrypt(&next).await, 2, "and then a new version");
    assert_eq!(encrypt(&next).await, 2);
    let old = next.post("encrypt/k", json!({ "plaintext": "", "key_version": 1 })).await;
    assert_eq!(old.error(), "this key version has sealed as many messages as it may: use a newer one");
}

#[tokio::test]
async fn a_reservation_that_was_not_committed_is_not_used() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    bench.ok("encrypt/k", json!({ "plaintext": "" })).await;
    let name = bench.stored::<Uses>().await.remove(0);
    // As if the commit had been lost after the process noted its reservation.
    bench.tamper::<Uses>(&name, |uses| *uses = Uses::default()).await;
    bench.ok("encrypt/k", json!({ "plaintext": "" })).await;
    let mut reserved = 0;
    bench.tamper::<Uses>(&name, |uses| reserved = uses.reserved).await;
    assert_eq!(reserved, BLOCK, "reserved anew");
}

#[tokio::test]
async fn what_is_deleted_leaves_nothing() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    for _ in 0..40 {
        bench.ok("keys/k/rotate", json!({})).await;
    }
    bench.ok("encrypt/k", json!({ "plaintext": "" })).await;
    bench.ok("keys/k/config", json!({ "deletion_allowed": true })).await;
    assert_eq!(bench.call("DELETE", "keys/k", "").await.status, 204);
    assert_eq!(bench.post("decrypt/k", json!({ "ciphertext": "vault:v1:AAAA" })).await.status, 400);
    for round in 0..5 {
        bench.ok(&format!("keys/other{round}"), json!({})).await;
    }
    assert_eq!(bench.stored::<Material>().await.len(), 5);
    assert!(bench.stored::<Purge>().await.is_empty());
    assert_eq!(bench.stored::<KeyRecord>().await.len(), 5);
    // The same name is another key.
    bench.ok("keys/k", json!({})).await;
    assert_eq!(bench.call("GET", "keys/k", "").await.data()["latest_version"], 1);
}

#[tokio::test]
async fn trimmed_versions_are_gone() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    let made = bench.ok("encrypt/k", json!({ "plaintext": "" })).await["ciphertext"].clone();
    for _ in 0..2 {
        bench.ok("keys/k/rotate", json!({})).await;
    }
    bench.ok("keys/k/config", json!({ "min_decryption_version": 3, "min_encryption_version": 3 })).await;
    bench.ok("keys/k/trim", json!({ "min_available_version": 3 })).await;
    assert_eq!(bench.stored::<Material>().await.len(), 1);
    assert_eq!(bench.post("decrypt/k", json!({ "ciphertext": made })).await.status, 400);
    for (version, words) in [
        (2, "minimum available version cannot be decremented"),
        (4, "minimum available version cannot be greater than minimum encryption version"),
        (-1, "minimum available version cannot be negative"),
    ] {
        assert_eq!(bench.post("keys/k/trim", json!({ "min_available_version": version })).await.error(), words);
    }
}

#[tokio::test]
async fn base64_is_read_as_loosely_as_go_reads_it() {
    let bench = Bench::new();
    for (text, bytes) in [
        ("dGV4dA==", Some("dGV4dA==")),
        ("dGV4dB==", Some("dGV4dA==")),
        ("dGV4\ndA==\n", Some("dGV4dA==")),
        ("dGV4dA", None),
        ("dGV4 dA==", None),
    ] {
        let made = bench.post("encrypt/k", json!({ "plaintext": text })).await;
        assert_eq!(made.status == 200, bytes.is_some(), "{text:?}");
        if let Some(bytes) = bytes {
            let plain = bench.ok("decrypt/k", json!({ "ciphertext": made.data()["ciphertext"] })).await;
            assert_eq!(plain["plaintext"], bytes);
        }
    }
}

#[tokio::test]
async fn errors_repeat_no_input() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({})).await;
    let secret = "c2VjcmV0LWlucHV0";
    for (target, body) in [
        ("decrypt/k", json!({ "ciphertext": secret })),
        ("decrypt/k", json!({ "ciphertext": format!("vault:v1:{secret}!") })),
        ("encrypt/k", json!({ "plaintext": format!("{secret}!") })),
        ("encrypt/k", json!({ "plaintext": "", "context": 7, "type": secret })),
        ("hash", json!({ "input": "YQ==", "algorithm": secret })),
        ("restore", json!({ "backup": secret })),
        ("keys/x", json!({ "type": secret })),
        ("keys/y/import", json!({ "ciphertext": secret, "type": "aes256-gcm96" })),
        ("verify/k", json!({ "input": "", "hmac": secret })),
    ] {
        let reply = bench.post(target, body).await;
        assert_eq!(reply.status, 400, "{target}");
        assert!(!reply.error().is_empty() && !reply.body.to_string().contains("ret-inp"), "{reply:?}");
        assert!(!reply.body.to_string().contains(secret), "{reply:?}");
    }
}
