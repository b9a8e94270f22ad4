//! Everything at once: clients that do all sorts of things on several threads while commits are refused, answers are lost
//! and the source goes away and comes back. Seeded; afterwards the same three questions as in `kill`, and the log whole.

use cardea_audit::record::Kind;
use cardea_storage::{Break, FaultPlan};
use cardea_testkit::{Mode, TestServer};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENTS: usize = 8;
const REQUESTS_A_CLIENT: usize = 80;

/// A small deterministic generator; the runs differ by the scheduler alone.
struct Draw(u64);

impl Draw {
    fn next(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What all clients together were told.
#[derive(Default)]
struct Told {
    /// Highest acknowledged version of each client's secret.
    versions: BTreeMap<usize, u64>,
    /// Credentials that nobody asked to revoke.
    credentials: Vec<(String, String)>,
    tokens: Vec<String>,
}

async fn client(server: Arc<TestServer>, told: Arc<Mutex<Told>>, number: usize, seed: u64) {
    let mut draw = Draw(seed ^ (number as u64) << 20);
    let root = server.root().to_owned();
    let mut mine: Vec<(String, String)> = Vec::new();
    for _ in 0..REQUESTS_A_CLIENT {
        match draw.next(10) {
            0..3 => {
                let written =
                    server.post(&format!("secret/data/{number}"), &root, json!({ "data": { "from": number } })).await;
                if written.is_success() {
                    told.lock().unwrap().versions.insert(number, written.number_at("/data/version"));
                }
            }
            3 => {
                let read = server.get(&format!("secret/data/{number}"), &root).await;
                let known = told.lock().unwrap().versions.get(&number).copied().unwrap_or(0);
                if read.is_success() {
                    assert!(read.number_at("/data/metadata/version") >= known, "a client does not read its own write");
                }
            }
            4 | 5 => {
                let made = server.get("syn/creds/a?ttl=20000", &root).await;
                if made.is_success() {
                    mine.push((made.lease_id(), made.text_at("/data/username")));
                }
            }
            6 if !mine.is_empty() => {
                let (lease, _) = mine.remove(usize::try_from(draw.next(mine.len() as u64)).unwrap());
                server.post("sys/leases/revoke", &root, json!({ "lease_id": lease })).await;
            }
            7 if !mine.is_empty() => {
                let lease = &mine[0].0;
                server.post("sys/leases/renew", &root, json!({ "lease_id": lease, "increment": 20_000 })).await;
            }
            8 => {
                let made =
                    server.post("auth/token/create", &root, json!({ "policies": ["default"], "ttl": "10h" })).await;
                if made.is_success() {
                    told.lock().unwrap().tokens.push(made.client_token());
                }
            }
            _ => {
                let wrapped = server.call("GET", "syn/creds/w?ttl=20000").token(&root).wrap("600").send().await;
                if wrapped.is_success() {
                    let token = wrapped.wrapping_token();
                    let (one, other) = tokio::join!(
                        server.post("sys/wrapping/unwrap", &token, json!({})),
                        server.post("sys/wrapping/unwrap", &token, json!({}))
                    );
                    assert!(!(one.is_success() && other.is_success()), "a wrapped credential was given out twice");
                    for made in [one, other].into_iter().filter(cardea_testkit::Reply::is_success) {
                        mine.push((made.lease_id(), made.text_at("/data/username")));
                    }
                }
            }
        }
    }
    told.lock().unwrap().credentials.append(&mut mine);
}

/// Breaks something every few calls until the clients are through.
async fn trouble(server: Arc<TestServer>, running: Arc<AtomicUsize>, seed: u64) {
    let mut draw = Draw(seed);
    while running.load(Ordering::SeqCst) > 0 {
        let how = if draw.next(2) == 0 { Break::Refuse } else { Break::LoseAnswer };
        let plan = FaultPlan::new(1 + draw.next(25), how);
        server.arm(&plan);
        server.source().set_mode(match draw.next(8) {
            0 => Mode::Down,
            1 => Mode::LosingAnswers,
            2 => Mode::Refusing,
            3 => Mode::Slow(Duration::from_millis(1)),
            _ => Mode::Up,
        });
        for _ in 0..20 {
            if plan.reached() || running.load(Ordering::SeqCst) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.advance(draw.next(3));
        server.round().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn through_a_storm_nothing_is_lost_orphaned_or_unrecorded() {
    let mut through = 0;
    for seed in [1, 2, 3] {
        let server = TestServer::builder().seed(&format!("storm {seed}")).start().await;
        server.mount("secret", "kv").await;
        server.mount("syn", "synthetic").await;
        let (server, told) = (Arc::new(server), Arc::new(Mutex::new(Told::default())));
        let running = Arc::new(AtomicUsize::new(CLIENTS));
        let weather = tokio::spawn(trouble(server.clone(), running.clone(), seed));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (server, told, running) = (server.clone(), told.clone(), running.clone());
                tokio::spawn(async move {
                    client(server, told, n, seed).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in clients {
            task.await.unwrap();
        }
        weather.await.unwrap();
        server.arm(&FaultPlan::quiet());
        server.source().set_mode(Mode::Up);
        // Through every pause of the breaker and of failed tries.
        for _ in 0..30 {
            server.advance(10);
            server.round().await;
        }
        let mut server = Arc::into_inner(server).expect("a task still holds the server");
        server.restart().await;
        server.settle().await;
        let told = Arc::into_inner(told).unwrap().into_inner().unwrap();
        println!(
            "seed {seed}: {:?}, {} credentials, {} tokens",
            told.versions,
            told.credentials.len(),
            told.tokens.len()
        );
        through += told.versions.len() + told.credentials.len() + told.tokens.len();
        let root = server.root().to_owned();
        for (number, version) in &told.versions {
            let now = server
                .get(&format!("secret/data/{number}"), &root)
                .await
                .expect(200)
                .number_at("/data/metadata/version");
            assert!(now >= *version, "seed {seed}: version {version} of {number} is gone");
        }
        let users = server.source().users();
        for (lease, username) in &told.credentials {
            assert!(users.contains_key(username), "seed {seed}: {username} was taken away");
            server.post("sys/leases/lookup", &root, json!({ "lease_id": lease })).await.expect(200);
        }
        for token in &told.tokens {
            server.get("auth/token/lookup-self", token).await.expect(200);
        }
        let leases = server.get("sys/leases/count", &root).await.ok().number_at("/data/lease_count");
        assert_eq!(leases, users.len() as u64, "seed {seed}: leases and users differ");
        let log = server.log().await;
        let announced = log.iter().filter(|record| record.kind == Kind::Intent).count();
        assert!(announced >= server.source().created().len(), "seed {seed}");
        let bytes = server.log_bytes().await;
        assert!(bytes.iter().zip(0..).all(|((at, _), expected)| *at == expected), "seed {seed}: the log has a gap");
        for (number, version) in &told.versions {
            let path = format!("secret/data/{number}");
            let written = log
                .iter()
                .filter(|r| {
                    r.path.as_ref().is_some_and(|p| p.as_str() == path)
                        && r.operation.is_some_and(|o| matches!(o.as_str(), "create" | "update"))
                        && r.outcome.as_ref().is_some_and(|o| o.cause.is_none())
                })
                .count() as u64;
            assert!(written >= *version, "seed {seed}: {version} versions of {number}, {written} records");
        }
        server.advance(100 * 86_400);
        server.settle().await;
        assert_eq!(server.source().user_count(), 0, "seed {seed}");
    }
    assert!(through > 100, "too little got through: {through}");
}
