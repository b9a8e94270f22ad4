//! Initialising, unsealing, sealing, rekeying, rotating: what opens the server, what does not, and what is on the disk.

use base64::Engine as _;
use cardea_storage::batch::{Batch, Write};
use cardea_testkit::TestServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn unseal(server: &TestServer, body: Value) -> cardea_testkit::Reply {
    server.call("PUT", "sys/unseal").json(&body).send().await
}

#[tokio::test]
async fn a_server_is_initialised_once() {
    let mut server = TestServer::builder().shares(5, 3).blank();
    assert_eq!(server.call("GET", "sys/init").send().await.expect(200).at("/initialized"), &json!(false));
    server.call("GET", "sys/health").send().await.expect(501);
    for (shares, threshold) in [(0, 0), (3, 5), (256, 3), (2, 1), (-1, 2)] {
        let body = json!({ "secret_shares": shares, "secret_threshold": threshold });
        server.call("PUT", "sys/init").json(&body).send().await.expect(400);
    }
    unseal(&server, json!({ "key": "00" })).await.expect(400);
    server.init().await;
    assert_eq!(server.shares().len(), 5);
    server.call("PUT", "sys/init").json(&json!({})).send().await.expect(400);
    server.call("GET", "sys/health").send().await.expect(503);
    server.crash().await;
    server.call("PUT", "sys/init").json(&json!({})).send().await.expect(400);
    server.unseal().await;
    server.call("GET", "sys/health").send().await.expect(200);
    server.call("HEAD", "sys/health").send().await.expect(200);
}

#[tokio::test]
async fn it_takes_the_threshold_of_its_own_shares() {
    let mut server = TestServer::builder().shares(5, 3).start().await;
    let other = TestServer::builder().seed("other").shares(5, 3).start().await;
    server.crash().await;
    let shares = server.shares().to_vec();
    let status = unseal(&server, json!({ "key": shares[4] })).await.expect(200);
    assert_eq!((status.at("/sealed"), status.number_at("/progress")), (&json!(true), 1));
    let status = unseal(&server, json!({ "key": shares[4] })).await;
    assert!(status.status == 400 || status.number_at("/progress") == 1, "a share counts once: {}", status.text);
    // Base64 is as good as hex.
    let base64 = base64::engine::general_purpose::STANDARD.encode(hex::decode(&shares[2]).unwrap());
    assert_eq!(unseal(&server, json!({ "key": base64 })).await.expect(200).number_at("/progress"), 2);
    assert_eq!(unseal(&server, json!({ "reset": true })).await.expect(200).number_at("/progress"), 0);
    // Foreign and garbled shares open nothing, and the attempt starts over.
    for bad in [
        other.shares()[0].clone(),
        "zz".to_owned(),
        "00".to_owned(),
        String::new(),
        shares[0].replace(&shares[0][..2], "ff"),
    ] {
        unseal(&server, json!({ "reset": true })).await;
        unseal(&server, json!({ "key": shares[1] })).await.expect(200);
        unseal(&server, json!({ "key": shares[2] })).await.expect(200);
        let refused = unseal(&server, json!({ "key": bad })).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(!refused.text.contains(&shares[1]));
    }
    assert!(server.node().active().is_none());
    unseal(&server, json!({ "reset": true })).await;
    for share in [&shares[3], &shares[0], &shares[4]] {
        unseal(&server, json!({ "key": share })).await.expect(200);
    }
    assert!(server.node().active().is_some());
    // A share more is no error, and tells nothing.
    assert_eq!(unseal(&server, json!({ "key": shares[1] })).await.expect(200).at("/sealed"), &json!(false));
}

#[tokio::test]
async fn sealing_takes_effect_at_once_and_loses_nothing() {
    let server = TestServer::start().await;
    let root = server.root();
    server.mount("secret", "kv").await;
    server.post("secret/data/a", root, json!({ "data": { "k": "v" } })).await.ok();
    let held = server.active();
    server.post("sys/seal", root, json!({})).await.expect(204);
    server.until_sealed().await;
    for (method, path) in
        [("GET", "secret/data/a"), ("POST", "sys/seal"), ("GET", "nowhere"), ("POST", "auth/approle/login")]
    {
        let refused = server.call(method, path).token(root).body("{}").send().await.expect(503);
        assert_eq!(refused.errors(), "Vault is sealed");
    }
    assert!(held.barrier.keyring().is_err(), "a sealed server holds a keyring");
    let status = server.call("GET", "sys/seal-status").send().await.expect(200);
    assert_eq!((status.at("/sealed"), status.at("/initialized")), (&json!(true), &json!(true)));
    server.unseal().await;
    assert_eq!(server.get("secret/data/a", root).await.ok().at("/data/data/k"), &json!("v"));
    let unsealings =
        server.log().await.into_iter().filter_map(|r| r.event).filter(|e| e.what.as_str() == "server.unsealed").count();
    assert_eq!(unsealings, 2);
}

#[tokio::test]
async fn a_key_file_unseals_without_a_person() {
    let mut server = TestServer::builder().static_key([7; 32]).blank();
    server.init().await;
    assert!(server.node().active().is_some(), "a server with a key file unseals itself");
    let root = server.root().to_owned();
    server.mount("secret", "kv").await;
    server.post("secret/data/a", &root, json!({ "data": { "k": "v" } })).await.ok();
    server.restart().await;
    server.get("secret/data/a", &root).await.expect(200);
    assert_eq!(server.call("GET", "sys/seal-status").send().await.ok().text_at("/type"), "static");
}

#[tokio::test]
async fn rekeying_makes_new_shares_and_the_old_open_nothing() {
    let mut server = TestServer::builder().shares(3, 2).start().await;
    let root = server.root().to_owned();
    server.mount("secret", "kv").await;
    server.post("secret/data/a", &root, json!({ "data": { "k": "v" } })).await.ok();
    // Nobody but an operator begins, feeds or cancels one.
    for (method, path) in [
        ("PUT", "sys/rekey/init"),
        ("DELETE", "sys/rekey/init"),
        ("PUT", "sys/rekey/update"),
        ("GET", "sys/rekey/init"),
    ] {
        server.call(method, path).body("{}").send().await.expect(403);
    }
    let begun =
        server.post("sys/rekey/init", &root, json!({ "secret_shares": 4, "secret_threshold": 3 })).await.expect(200);
    let nonce = begun.text_at("/nonce");
    let old = server.shares().to_vec();
    server.post("sys/rekey/update", &root, json!({ "key": old[0], "nonce": "wrong" })).await.expect(400);
    server.post("sys/rekey/update", &root, json!({ "key": old[0], "nonce": nonce })).await.expect(200);
    let made = server.post("sys/rekey/update", &root, json!({ "key": old[2], "nonce": nonce })).await.expect(200);
    assert_eq!(made.at("/complete"), &json!(true));
    let new: Vec<String> =
        made.at("/keys").as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    assert_eq!(new.len(), 4);
    assert!(server.log_shows(&new.iter().chain(&old).map(String::as_str).collect::<Vec<_>>()).await.is_empty());
    server.crash().await;
    // Three, since that is the threshold now.
    for key in old.iter().take(3) {
        unseal(&server, json!({ "key": key })).await;
    }
    assert!(server.node().active().is_none(), "the old shares still open the server");
    unseal(&server, json!({ "reset": true })).await;
    for key in new.iter().take(3) {
        unseal(&server, json!({ "key": key })).await.expect(200);
    }
    server.get("secret/data/a", &root).await.expect(200);
}

/// The sealed record without the part that a rotation changes: what must stay byte for byte.
async fn sealed_records(server: &TestServer) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let found = server.disk().scan(b"root/", None, 100_000).await.unwrap();
    found.into_iter().map(|(key, value)| (key, value.value.to_vec())).collect()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[tokio::test]
async fn a_rotation_rewraps_every_data_key_and_no_ciphertext() {
    let mut server = TestServer::start().await;
    let root = server.root().to_owned();
    server.mount("secret", "kv").await;
    for n in 0..200 {
        server
            .post(&format!("secret/data/{n}"), &root, json!({ "data": { "n": n, "text": "x".repeat(n * 10) } }))
            .await
            .ok();
    }
    let before = sealed_records(&server).await;
    server.post("sys/rotate", &root, json!({})).await.ok();
    assert_eq!(server.get("sys/rotate/status", &root).await.ok().at("/data/running"), &json!(true));
    server.restart().await;
    server.advance(3);
    server.settle().await;
    let status = server.get("sys/rotate/status", &root).await.ok();
    assert_eq!((status.at("/data/running"), status.number_at("/data/term")), (&json!(false), 2));
    assert!(status.number_at("/data/terms_held") >= 1);
    let after = sealed_records(&server).await;
    let mut compared = 0;
    for (key, old) in &before {
        let Some(new) = after.get(key) else { continue };
        assert_eq!(
            cardea_barrier::Barrier::term_of(new).unwrap(),
            2,
            "{} is left behind",
            String::from_utf8_lossy(key)
        );
        if old.len() != new.len() || String::from_utf8_lossy(key).contains("/log-state/") {
            continue;
        }
        let plain_at_least = old.len().saturating_sub(80);
        assert!(
            common_suffix(old, new) >= plain_at_least,
            "the ciphertext of {} changed",
            String::from_utf8_lossy(key)
        );
        compared += 1;
    }
    assert!(compared > 400, "{compared} records compared");
    assert_eq!(server.get("secret/data/199", &root).await.ok().at("/data/data/n"), &json!(199));
    server.restart().await;
    assert_eq!(server.get("secret/data/42", &root).await.ok().at("/data/data/n"), &json!(42));
    let events: Vec<_> =
        server.log().await.into_iter().filter_map(|r| r.event).filter(|e| e.what.as_str() == "kek.rewrapped").collect();
    assert_eq!(events.len(), 1);
}

/// Whoever writes the disk directly gets an error, never a secret, and loses nobody else's.
#[tokio::test]
async fn records_that_were_tampered_with_do_not_open() {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    for name in ["a", "b"] {
        for version in 1..3 {
            server
                .post(
                    &format!("secret/data/{name}"),
                    server.root(),
                    json!({ "data": { "k": format!("TAMPER{name}{version}") } }),
                )
                .await
                .ok();
        }
    }
    let other = TestServer::builder().seed("other").start().await;
    other.mount("secret", "kv").await;
    other.post("secret/data/a", other.root(), json!({ "data": { "k": "TAMPERforeign" } })).await.ok();
    let payloads: Vec<_> = sealed_records(&server).await.into_iter().filter(|(key, _)| is_payload(key)).collect();
    assert_eq!(
        payloads.len(),
        4,
        "{:?}",
        payloads.iter().map(|(k, _)| String::from_utf8_lossy(k).into_owned()).collect::<Vec<_>>()
    );
    let foreign = sealed_records(&other).await.into_iter().find(|(key, _)| is_payload(key)).unwrap().1;
    let intact = server.backup();
    let current = |n: usize| payloads[n].1.clone();
    let mut altered = current(1);
    *altered.last_mut().unwrap() ^= 1;
    let truncated = current(1)[..current(1).len() - 5].to_vec();
    for (case, value) in [
        ("altered", altered),
        ("truncated", truncated),
        ("empty", Vec::new()),
        ("foreign", foreign),
        ("an older version's", current(0)),
        ("another secret's", current(3)),
    ] {
        let mut server = server.fork(case);
        server.put_back(&intact).await;
        for (key, _) in &payloads {
            if server.disk().get(&[key]).await.unwrap().values[0].is_some() {
                let batch = Batch { writes: vec![Write::Put(key.clone(), value.clone().into())], ..Batch::default() };
                server.disk().commit(batch).await.unwrap();
            }
        }
        server.unseal().await;
        for name in ["a", "b"] {
            for version in ["", "?version=1", "?version=2"] {
                let reply = server.get(&format!("secret/data/{name}{version}"), server.root()).await;
                let own = payloads.iter().any(|(_, sealed)| *sealed == value);
                let right = format!("TAMPER{name}{}", version.strip_prefix("?version=").unwrap_or("2"));
                assert!(
                    reply.status == 500 || (own && reply.text.contains(&right)),
                    "{case}, {name}{version}: {} {}",
                    reply.status,
                    reply.text
                );
                assert!(
                    !reply.text.contains("TAMPER") || reply.text.contains(&right),
                    "{case}, {name}{version}: {}",
                    reply.text
                );
            }
        }
        // The rest of the server goes on.
        server.get("sys/mounts", server.root()).await.expect(200);
        server.post("secret/data/c", server.root(), json!({ "data": { "k": "v" } })).await.ok();
    }
}

fn is_payload(key: &[u8]) -> bool {
    let key = String::from_utf8_lossy(key);
    key.contains("/payload/")
}
