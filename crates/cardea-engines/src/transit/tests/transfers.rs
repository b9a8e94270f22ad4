//! Import, export, backups: what comes back is the same key, and what was not allowed does not leave.

use super::harness::Bench;
use crate::transit::model::{KeyRecord, Material, WRAPPING_NAME};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::keys::{HashAlgorithm, KeyAlgorithm, KeyMaterial, wrap_padded};
use serde_json::{Value, json};

/// Wraps material as a client does: an ephemeral key under the wrapping key, the material under that.
async fn wrapped(bench: &Bench, material: &[u8], hash: HashAlgorithm) -> String {
    let pem = bench.call("GET", "wrapping_key", "").await.member("public_key");
    let wrapping = KeyMaterial::import_public(KeyAlgorithm::Rsa4096, pem.as_bytes()).unwrap();
    let ephemeral = [7; 32];
    let front = wrapping.rsa_encrypt(hash, &ephemeral).unwrap();
    BASE64.encode([front, wrap_padded(&ephemeral, material).unwrap()].concat())
}

#[tokio::test]
async fn imported_keys_work_and_rotate_only_if_allowed() {
    let bench = Bench::new();
    let ciphertext = wrapped(&bench, &[9; 32], HashAlgorithm::Sha256).await;
    bench.ok("keys/own/import", json!({ "type": "aes256-gcm96", "ciphertext": ciphertext, "exportable": true })).await;
    let shown = bench.call("GET", "keys/own", "").await;
    assert_eq!(
        (&shown.data()["imported_key"], &shown.data()["imported_key_allow_rotation"]),
        (&json!(true), &json!(false))
    );
    let exported = bench.call("GET", "export/encryption-key/own", "").await;
    assert_eq!(exported.data()["keys"]["1"], BASE64.encode([9; 32]));
    assert_eq!(bench.post("keys/own/rotate", json!({})).await.error(), "imported key cannot be rotated in place");
    let second = wrapped(&bench, &[8; 32], HashAlgorithm::Sha1).await;
    bench.ok("keys/own/import_version", json!({ "ciphertext": second, "hash_function": "SHA1" })).await;
    assert_eq!(bench.ok("encrypt/own", json!({ "plaintext": "" })).await["key_version"], 2);
    let again = bench.post("keys/own/import", json!({ "type": "aes256-gcm96", "ciphertext": ciphertext })).await;
    assert_eq!(again.status, 400);

    let body = json!({ "type": "aes256-gcm96", "ciphertext": ciphertext, "allow_rotation": true });
    bench.ok("keys/free/import", body).await;
    bench.ok("keys/free/rotate", json!({})).await;
    let refused = bench.post("keys/free/import_version", json!({ "ciphertext": second })).await;
    assert_eq!(refused.error(), "the import_version endpoint can only be used with an imported key");
    for kind in ["aes128-gcm96", "ed25519x", "rsa-2048"] {
        let refused = bench.post("keys/wrong/import", json!({ "type": kind, "ciphertext": ciphertext })).await;
        assert_eq!(refused.status, 400, "{kind}");
    }
    assert!(!bench.stored::<KeyRecord>().await.contains(&"wrong".to_owned()));
    assert!(bench.stored::<Material>().await.contains(&WRAPPING_NAME.to_owned()));
}

#[tokio::test]
async fn public_halves_verify_and_can_be_completed() {
    let bench = Bench::new();
    let rng = cardea_crypto::random::SystemRandomness;
    let key = KeyMaterial::generate(KeyAlgorithm::EcP256, 0, &rng).unwrap();
    let other = KeyMaterial::generate(KeyAlgorithm::EcP256, 0, &rng).unwrap();
    let pem = cardea_crypto::keys::pem("PUBLIC KEY", key.spki().unwrap());
    bench.ok("keys/k/import", json!({ "type": "ecdsa-p256", "public_key": &*pem })).await;
    assert_eq!(bench.post("sign/k", json!({ "input": "" })).await.error(), "private key material is not present");
    let complete = async |material: &KeyMaterial| {
        let ciphertext = wrapped(&bench, material.export_pkcs8().unwrap().expose(), HashAlgorithm::Sha256).await;
        bench.post("keys/k/import_version", json!({ "ciphertext": ciphertext, "version": 1 })).await
    };
    assert_eq!(complete(&other).await.error(), "the private key does not belong to the version's public key");
    assert_eq!(complete(&key).await.status, 204);
    let made = bench.ok("sign/k", json!({ "input": "" })).await;
    assert_eq!(bench.ok("verify/k", json!({ "input": "", "signature": made["signature"] })).await["valid"], true);
    assert_eq!(complete(&key).await.status, 400, "it is complete already");
}

#[tokio::test]
async fn exports_have_the_forms_that_clients_read() {
    let bench = Bench::new();
    for (kind, export, starts) in [
        ("rsa-2048", "encryption-key", "-----BEGIN RSA PRIVATE KEY-----"),
        ("rsa-2048", "signing-key", "-----BEGIN RSA PRIVATE KEY-----"),
        ("rsa-2048", "public-key", "-----BEGIN PUBLIC KEY-----"),
        ("ecdsa-p256", "signing-key", "-----BEGIN EC PRIVATE KEY-----"),
        ("ecdsa-p521", "public-key", "-----BEGIN PUBLIC KEY-----"),
        ("ml-dsa", "signing-key", "-----BEGIN PRIVATE KEY-----"),
    ] {
        let name = format!("{kind}-{export}");
        let set = if kind == "ml-dsa" { "87" } else { "" };
        bench.ok(&format!("keys/{name}"), json!({ "type": kind, "parameter_set": set, "exportable": true })).await;
        let reply = bench.call("GET", &format!("export/{export}/{name}"), "").await;
        assert!(reply.data()["keys"]["1"].as_str().unwrap().starts_with(starts), "{kind} {export}: {reply:?}");
    }
    for (kind, export, bytes) in [
        ("ed25519", "signing-key", 64),
        ("ed25519", "public-key", 32),
        ("hmac", "hmac-key", 32),
        ("aes128-gcm96", "encryption-key", 16),
    ] {
        let name = format!("{kind}-{export}");
        bench.ok(&format!("keys/{name}"), json!({ "type": kind, "exportable": true })).await;
        let reply = bench.call("GET", &format!("export/{export}/{name}/latest"), "").await;
        assert_eq!(BASE64.decode(reply.data()["keys"]["1"].as_str().unwrap()).unwrap().len(), bytes, "{kind}");
    }
    bench.ok("keys/closed", json!({ "type": "ed25519" })).await;
    for (export, ok) in [("public-key", true), ("signing-key", false), ("hmac-key", false), ("encryption-key", false)] {
        assert_eq!(bench.call("GET", &format!("export/{export}/closed"), "").await.status == 200, ok, "{export}");
    }
}

#[tokio::test]
async fn backups_bring_back_the_same_key() {
    let bench = Bench::new();
    bench.ok("keys/k", json!({ "exportable": true, "allow_plaintext_backup": true })).await;
    bench.ok("keys/k/rotate", json!({})).await;
    let made = bench.ok("encrypt/k", json!({ "plaintext": "dGV4dA==" })).await["ciphertext"].clone();
    let backup = bench.call("GET", "backup/k", "").await.member("backup");
    assert_eq!(bench.post("restore", json!({ "backup": backup })).await.error(), "key already exists");
    bench.ok("restore/copy", json!({ "backup": backup })).await;
    bench.ok("restore", json!({ "backup": backup, "force": true })).await;
    let elsewhere = Bench::new();
    elsewhere.ok("restore", json!({ "backup": backup })).await;
    for (bench, name) in [(&bench, "k"), (&bench, "copy"), (&elsewhere, "k")] {
        let plain = bench.ok(&format!("decrypt/{name}"), json!({ "ciphertext": made })).await;
        assert_eq!(plain["plaintext"], "dGV4dA==");
        let mac = bench.ok(&format!("hmac/{name}"), json!({ "input": "" })).await;
        assert!(mac["hmac"].as_str().unwrap().starts_with("vault:v2:"));
    }
    // Backups that somebody altered.
    let text = String::from_utf8(BASE64.decode(&backup).unwrap()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    for change in [
        |v: &mut Value| v["form"] = json!(2),
        |v: &mut Value| v["key"]["latest"] = json!(3),
        |v: &mut Value| v["key"]["algorithm"] = json!("ed25519"),
        |v: &mut Value| v["key"]["id"] = json!("x/y"),
        |v: &mut Value| v["key"]["name"] = json!("a/b"),
        |v: &mut Value| v["key"]["usages"] = json!(["sign"]),
        |v: &mut Value| v["material"] = json!([]),
        |v: &mut Value| v["material"][0][1]["key"] = json!("AAAA"),
    ] {
        let mut altered = value.clone();
        change(&mut altered);
        let body = json!({ "backup": BASE64.encode(altered.to_string()), "force": true });
        assert_eq!(bench.post("restore", body).await.status, 400, "{altered}");
    }
}

#[tokio::test]
async fn a_soft_deleted_key_gives_nothing_out_until_it_is_back() {
    let bench = Bench::new();
    bench.ok("keys/gone", json!({ "exportable": true, "allow_plaintext_backup": true })).await;
    bench.ok("keys/target", json!({ "type": "rsa-2048" })).await;
    bench.ok("keys/gone/soft-delete", json!({})).await;
    for path in ["export/encryption-key/gone", "backup/gone", "byok-export/target/gone"] {
        let refused = bench.call("GET", path, "").await;
        assert_eq!(refused.status, 400, "{path}");
    }
    assert_eq!(bench.call("POST", "keys/gone/config", "{\"exportable\":true}").await.status, 400);
    bench.ok("keys/gone/soft-delete-restore", json!({})).await;
    assert_eq!(bench.call("GET", "backup/gone", "").await.status, 200);
}
