//! The embedded store below a whole server, on a disk that loses its power, fails a sync, or is full.

use cardea_storage::EmbeddedStore;
use cardea_storage::embedded::Options;
use cardea_storage::sim::{SimDisk, SimFault, SimOp};
use cardea_testkit::{TestClock, TestServer};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Small bounds, so that a short script goes through flushes and sealed segments.
fn open(disk: &SimDisk, clock: &TestClock, reserve_bytes: u64) -> Arc<EmbeddedStore> {
    let mut options = Options::new(clock.for_store());
    // With a reserve, what is essential must find room in memory too while a flush waits for the disk.
    options.flush_bytes = if reserve_bytes > 0 { 1 << 20 } else { 32 << 10 };
    options.segment_bytes = 16 << 10;
    options.value_cache_bytes = 64 << 10;
    options.tree_cache_bytes = 1 << 20;
    options.reserve_bytes = reserve_bytes;
    Arc::new(EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new("/data"), options).unwrap())
}

async fn server(disk: &SimDisk, clock: &TestClock, reserve_bytes: u64) -> TestServer {
    let server = TestServer::builder().disk(open(disk, clock, reserve_bytes)).clock(clock).start().await;
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    server
}

/// What a client was told.
#[derive(Default)]
struct Told {
    written: Vec<(usize, usize)>,
    credentials: Vec<(String, String)>,
    revoked: Vec<String>,
    tokens: Vec<String>,
}

/// A client that goes on until it gets no answer.
async fn script(server: &TestServer) -> Told {
    let (mut told, root) = (Told::default(), server.root());
    for round in 0..40 {
        let name = round % 5;
        let write = server
            .post(&format!("secret/data/{name}"), root, json!({ "data": { "round": round, "pad": "x".repeat(300) } }))
            .await;
        if !write.is_success() {
            return told;
        }
        told.written.push((name, round));
        let made = server.get("syn/creds/a?ttl=7200", root).await;
        if !made.is_success() {
            return told;
        }
        told.credentials.push((made.lease_id(), made.text_at("/data/username")));
        let token = server.post("auth/token/create", root, json!({ "policies": ["default"] })).await;
        if !token.is_success() {
            return told;
        }
        told.tokens.push(token.client_token());
        if round % 3 == 2 {
            let (lease, username) = told.credentials.remove(0);
            if !server.post("sys/leases/revoke", root, json!({ "lease_id": lease, "sync": true })).await.is_success() {
                // It may or may not have happened.
                return told;
            }
            told.revoked.push(username);
        }
    }
    told
}

/// Every lease and where it stands, for the message of a failing run.
async fn leases(server: &TestServer) -> String {
    let active = server.active();
    let mut txn = active.sealed.txn();
    let root = cardea_model::NamespaceId::root();
    let mut out = format!("now {}", server.now().0);
    for id in cardea_kernel::leases::under(&mut txn, &root, "", None, 1000).await.unwrap() {
        let lease = cardea_kernel::leases::find(&mut txn, &root, &id).await.unwrap().unwrap();
        out.push_str(&format!("\n{id}: {:?}, due {}, {} attempts", lease.state, lease.due.0, lease.attempts));
    }
    out
}

#[tokio::test]
async fn a_loss_of_power_takes_nothing_that_was_acknowledged() {
    let mut lives = 0;
    for seed in 0..24_u64 {
        let clock = TestClock::default();
        let mut disk = SimDisk::new();
        let mut server = server(&disk, &clock, 0).await;
        let draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        disk.die_at(1 + draw % 700);
        let told = script(&server).await;
        lives += usize::from(told.written.len() < 40);
        disk = if seed % 4 == 0 { disk.kill() } else { disk.power_loss(draw) };
        server.replug(open(&disk, &clock, 0)).await;
        server.unseal().await;
        // Past the pause after a revocation that was cut off between the source and its record.
        server.advance(2);
        server.settle().await;
        let root = server.root().to_owned();
        for name in 0..5 {
            let Some((_, last)) = told.written.iter().rev().find(|(written, _)| *written == name) else { continue };
            let read = server.get(&format!("secret/data/{name}"), &root).await.expect(200);
            let round = read.number_at("/data/data/round");
            assert!(round >= *last as u64, "seed {seed}: a write is gone: {round} < {last}");
        }
        // The node's own tasks may be amid a revocation: what is known and what is there agree once they are through.
        let mut tries = 0;
        while server.get("sys/leases/count", &root).await.ok().number_at("/data/lease_count")
            != server.source().user_count() as u64
        {
            tries += 1;
            assert!(
                tries < 400,
                "seed {seed}: {} users at the source, and {}",
                server.source().user_count(),
                leases(&server).await
            );
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            server.settle().await;
        }
        let users = server.source().users();
        for (lease, username) in &told.credentials {
            let looked = server.post("sys/leases/lookup", &root, json!({ "lease_id": lease })).await;
            let known = looked.is_success();
            // The last one may be the one whose revocation was not answered.
            assert_eq!(known, users.contains_key(username), "seed {seed}: {username}: lease {known}");
        }
        for username in &told.revoked {
            assert!(!users.contains_key(username), "seed {seed}: {username} is back");
        }
        for token in &told.tokens {
            server.get("auth/token/lookup-self", token).await.expect(200);
        }
        server.advance(8_000);
        server.settle().await;
        assert_eq!(server.source().user_count(), 0, "seed {seed}");
        let created = server.source().created().len();
        let announced =
            server.log().await.iter().filter(|record| record.kind == cardea_audit::record::Kind::Intent).count();
        assert!(announced >= created, "seed {seed}: {created} users, {announced} announced");
    }
    assert!(lives > 12, "the script ends too early to be interrupted: {lives}");
}

#[tokio::test]
async fn a_sync_that_failed_is_never_taken_for_success() {
    let clock = TestClock::default();
    let disk = SimDisk::new();
    let mut server = server(&disk, &clock, 0).await;
    let root = server.root().to_owned();
    server.post("secret/data/a", &root, json!({ "data": { "n": 1 } })).await.ok();
    disk.fail(SimFault { op: SimOp::Sync, path: "journal", nth: 1, error: std::io::ErrorKind::Other });
    let refused = server.post("secret/data/a", &root, json!({ "data": { "n": 2 } })).await;
    assert!(refused.status >= 500, "{}", refused.text);
    // From here on nothing is acknowledged, and load balancers are told.
    for _ in 0..5 {
        assert!(server.post("secret/data/a", &root, json!({ "data": { "n": 3 } })).await.status >= 500);
        assert!(server.get("secret/data/a", &root).await.status >= 500, "a read without a record");
    }
    server.call("GET", "sys/health").send().await.expect(503);
    let disk = disk.power_loss(1);
    server.replug(open(&disk, &clock, 0)).await;
    server.unseal().await;
    let n = server.get("secret/data/a", &root).await.expect(200).number_at("/data/data/n");
    assert!(n == 1 || n == 2, "{n}");
    server.call("GET", "sys/health").send().await.expect(200);
}

#[tokio::test]
async fn a_full_disk_still_lets_revoke_and_seal() {
    let clock = TestClock::default();
    let disk = SimDisk::new();
    let server = server(&disk, &clock, 2 << 20).await;
    let root = server.root();
    let lease = server.get("syn/creds/a?ttl=7200", root).await.ok().lease_id();
    let token = server.post("auth/token/create", root, json!({ "policies": ["default"] })).await.ok().client_token();
    server.get("syn/creds/b?ttl=60", root).await.ok();
    disk.set_capacity(Some(disk.used_bytes()));
    let mut refused = None;
    for n in 0..400 {
        let write =
            server.post("secret/data/big", root, json!({ "data": { "pad": "x".repeat(100_000), "n": n } })).await;
        if !write.is_success() {
            refused = Some(write);
            break;
        }
    }
    let refused = refused.expect("the disk never fills up");
    assert!(matches!(refused.status, 503 | 507), "{} {}", refused.status, refused.text);
    let stats = server.disk().stats();
    assert!(stats.disk_full && !stats.failed, "{stats:?}");
    // What makes things safer works on.
    server.post("sys/leases/revoke", root, json!({ "lease_id": lease })).await.expect(204);
    server.post("auth/token/revoke", root, json!({ "token": token })).await.expect(204);
    let at_once = server.get("syn/creds/c", root).await;
    assert!(!at_once.is_success() && server.source().created().len() == 2, "a credential without room for its record");
    server.advance(60);
    // The store's own threads make room first, in their own time.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.source().user_count() > 0 && std::time::Instant::now() < deadline {
        server.advance(1);
        server.settle().await;
        std::thread::yield_now();
    }
    assert_eq!(server.source().user_count(), 0, "credentials outlive their leases on a full disk");
    server.post("sys/seal", root, json!({})).await.expect(204);
    server.until_sealed().await;
    server.unseal().await;
    // What leaves a record, a denial too, waits for room.
    server.get("auth/token/lookup-self", &token).await.expect(503);
    // Room again, and all is as before.
    disk.set_capacity(None);
    for _ in 0..400 {
        if !server.disk().stats().disk_full {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.post("secret/data/small", root, json!({ "data": { "n": 1 } })).await.ok();
    server.get("secret/data/small", root).await.expect(200);
    server.get("auth/token/lookup-self", &token).await.expect(403);
}
