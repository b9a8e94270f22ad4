//! Kill at any point: each scenario runs with its n-th commit, sync or external call broken, for n = 1, 2, … until a run
//! ends without reaching n, and in each of four ways: refused, done with the answer lost, the process ended before, the
//! process ended after. Then the server comes back over the same disk and is asked three things: is anything gone that was
//! acknowledged, is there a credential at the source that no record knows, did anything happen that the log does not tell?
//! All three are counted, and all must be 0.

use cardea_audit::Record;
use cardea_audit::record::{FieldValue, Kind, Status};
use cardea_kernel::{leases, tokens};
use cardea_model::NamespaceId;
use cardea_storage::{Break, FaultPlan};
use cardea_testkit::TestServer;
use serde_json::{Value, json};

/// More points than any scenario has; a run that has more would never end.
const POINTS_MAX: u64 = 1_000;

/// What was counted.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
struct Tally {
    lost: Vec<String>,
    orphans: Vec<String>,
    unrecorded: Vec<String>,
}

impl Tally {
    fn check(&mut self, which: fn(&mut Self) -> &mut Vec<String>, holds: bool, words: impl Into<String>) {
        if !holds {
            which(self).push(words.into());
        }
    }

    fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

fn lost(tally: &mut Tally) -> &mut Vec<String> {
    &mut tally.lost
}
fn orphans(tally: &mut Tally) -> &mut Vec<String> {
    &mut tally.orphans
}
fn unrecorded(tally: &mut Tally) -> &mut Vec<String> {
    &mut tally.unrecorded
}

/// What a client of the broken run knows: answers that reached it.
#[derive(Default)]
struct Acknowledged {
    /// Versions of `secret/data/n`.
    written: u64,
    tokens: Vec<String>,
    /// Lease, username, password.
    credentials: Vec<(String, String, String)>,
    /// Seconds from the renewal to the new end.
    renewed_s: Option<u64>,
    revoked: bool,
    rotated: bool,
    mounted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scenario {
    Login,
    Credential,
    WrappedCredential,
    DatabaseCredential,
    RootRotation,
    DecidedChange,
    Renewal,
    Revocation,
    SynchronousRevocation,
    PrefixRevocation,
    TokenEnd,
    MountRemoval,
    NewMount,
    Rotation,
}

const SCENARIOS: &[Scenario] = &[
    Scenario::Login,
    Scenario::Credential,
    Scenario::WrappedCredential,
    Scenario::DatabaseCredential,
    Scenario::RootRotation,
    Scenario::DecidedChange,
    Scenario::Renewal,
    Scenario::Revocation,
    Scenario::SynchronousRevocation,
    Scenario::PrefixRevocation,
    Scenario::TokenEnd,
    Scenario::MountRemoval,
    Scenario::NewMount,
    Scenario::Rotation,
];

/// What is there before a run begins; the same for every run.
struct Prepared {
    server: TestServer,
    role_ids: (String, String),
    once_ids: (String, String),
    /// Token that holds the lease, lease, username.
    holder: String,
    lease: String,
    username: String,
    tokens: usize,
}

async fn prepared() -> Prepared {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.mount("syn", "synthetic").await;
    server.database().await;
    server.post("secret/data/keep", server.root(), json!({ "data": { "k": "kept" } })).await.ok();
    let role_ids = server.approle("app", json!({ "token_policies": "default", "token_ttl": "1h" })).await;
    let once_ids = server
        .approle("once", json!({ "token_policies": "default", "token_ttl": "1h", "secret_id_num_uses": 1 }))
        .await;
    server.policy("syn", r#"path "syn/*" { capabilities = ["read"] }"#).await;
    let holder = server.token(&["syn"]).await;
    let made = server.get("syn/creds/held?ttl=1800", &holder).await.ok();
    let (lease, username) = (made.lease_id(), made.text_at("/data/username"));
    let tokens = token_count(&server).await;
    Prepared { server, role_ids, once_ids, holder, lease, username, tokens }
}

async fn token_count(server: &TestServer) -> usize {
    tokens::accessors(&mut server.active().sealed.txn(), &NamespaceId::root(), 10_000).await.unwrap().len()
}

impl Scenario {
    /// What the client does. Stops asking when it gets no answer, as a client would.
    async fn run(self, server: &TestServer, before: &Prepared) -> Acknowledged {
        let mut known = Acknowledged::default();
        let root = server.root();
        if server.post("secret/data/n", root, json!({ "data": { "n": 1 } })).await.is_success() {
            known.written = 1;
        }
        match self {
            Self::Login => {
                for ids in [&before.role_ids, &before.once_ids] {
                    let login = server.login(ids).await;
                    if login.is_success() {
                        known.tokens.push(login.client_token());
                    }
                }
            }
            Self::Credential | Self::DatabaseCredential => {
                let path = if self == Self::Credential { "syn/creds/new?ttl=3600" } else { "database/creds/app" };
                for _ in 0..2 {
                    let made = server.get(path, root).await;
                    if made.is_success() {
                        known.credentials.push((
                            made.lease_id(),
                            made.text_at("/data/username"),
                            made.text_at("/data/password"),
                        ));
                    }
                }
            }
            Self::WrappedCredential => {
                let wrapped = server.call("GET", "syn/creds/new?ttl=3600").token(root).wrap("600").send().await;
                if wrapped.is_success() {
                    let made = server.post("sys/wrapping/unwrap", &wrapped.wrapping_token(), json!({})).await;
                    if made.is_success() {
                        known.credentials.push((
                            made.lease_id(),
                            made.text_at("/data/username"),
                            made.text_at("/data/password"),
                        ));
                    }
                }
            }
            Self::RootRotation => {
                known.rotated = server.post("database/rotate-root/app", root, json!({})).await.is_success();
            }
            Self::DecidedChange => {
                let set = server.post("syn/password/admin", root, json!({ "password": "decided" })).await;
                known.rotated = set.is_success();
            }
            Self::Renewal => {
                server.advance(600);
                let body = json!({ "lease_id": before.lease, "increment": 7200 });
                let renewed = server.post("sys/leases/renew", root, body).await;
                known.renewed_s = renewed.is_success().then(|| renewed.number_at("/lease_duration"));
            }
            Self::Revocation => {
                let body = json!({ "lease_id": before.lease });
                known.revoked = server.post("sys/leases/revoke", root, body).await.is_success();
                server.settle().await;
            }
            Self::SynchronousRevocation => {
                let body = json!({ "lease_id": before.lease, "sync": true });
                known.revoked = server.post("sys/leases/revoke", root, body).await.is_success();
            }
            Self::PrefixRevocation => {
                known.revoked = server.post("sys/leases/revoke-prefix/syn/creds", root, json!({})).await.is_success();
                server.settle().await;
            }
            Self::TokenEnd => {
                // An hour is what the holder of the lease lives; the lease has half of it.
                server.advance(1_000);
                let body = json!({ "lease_id": before.lease, "increment": 7200 });
                server.post("sys/leases/renew", root, body).await;
                server.advance(2_700);
                server.settle().await;
            }
            Self::MountRemoval => {
                known.revoked = server.delete("sys/mounts/syn", root).await.is_success();
                server.settle().await;
            }
            Self::NewMount => {
                // A client that got no answer asks again, and goes on when it is told that the mount is there.
                for _ in 0..2 {
                    server.post("sys/mounts/fresh", root, json!({ "type": "kv", "options": { "version": "2" } })).await;
                }
                let written = server.post("fresh/data/a", root, json!({ "data": { "k": "v" } })).await;
                known.mounted = written.is_success();
            }
            Self::Rotation => {
                known.rotated = server.post("sys/rotate", root, json!({})).await.is_success();
                server.advance(3);
                server.settle().await;
            }
        }
        if known.written == 1 && server.post("secret/data/n", root, json!({ "data": { "n": 2 } })).await.is_success() {
            known.written = 2;
        }
        known
    }

    /// What is true once the server is back and background work has run.
    async fn check(self, server: &TestServer, before: &Prepared, known: &Acknowledged) -> Tally {
        let mut tally = Tally::default();
        let root = server.root();
        let log = server.log().await;
        let ok = |path: &str| log.iter().filter(|record| is_ok(record, path)).count();
        let count = |what: &str| server.source().effects().iter().filter(|(effect, _)| *effect == what).count();
        // What every scenario writes.
        let kept = server.get("secret/data/keep", root).await;
        tally.check(lost, kept.at("/data/data/k") == &json!("kept"), "the secret from before");
        let read = server.get("secret/data/n", root).await;
        let version = read.at("/data/metadata/version").as_u64().unwrap_or(0);
        tally.check(
            lost,
            version >= known.written,
            format!("a write: version {version}, acknowledged {}", known.written),
        );
        tally.check(lost, version == 0 || read.at("/data/data/n") == &json!(version), "the content of a write");
        let written = log
            .iter()
            .filter(|r| is_ok(r, "secret/data/n") && r.operation.is_some_and(|o| o.as_str() != "read"))
            .count() as u64;
        tally.check(unrecorded, written == version, format!("{version} writes happened, {written} are recorded"));
        // Users at the source, and what knows them.
        let leases = leases_of(server).await;
        for username in server.source().users().keys().filter(|name| name.starts_with("v-")) {
            tally.check(
                orphans,
                leases.iter().any(|lease| lease.username == *username),
                format!("user {username} without a lease"),
            );
        }
        let announced = log.iter().filter(|r| r.kind == Kind::Intent && path_of(r).contains("/creds/")).count();
        let created = server.source().created().len();
        tally.check(unrecorded, created <= announced, format!("{created} users were made, {announced} were announced"));
        let revoked = count("revoke");
        let told = log.iter().filter(|r| r.event.as_ref().is_some_and(|e| e.what.as_str() == "lease.revoke")).count();
        tally.check(unrecorded, revoked <= told, format!("{revoked} users were removed, {told} were announced"));
        for (lease, username, password) in &known.credentials {
            let user = server.source().users().get(username).cloned();
            tally.check(lost, user.is_some_and(|user| user.password == *password), format!("credential {username}"));
            tally.check(
                lost,
                leases.iter().any(|found| found.id == *lease && found.is_active),
                format!("lease of {username}"),
            );
        }
        // Tokens.
        for token in &known.tokens {
            let works = server.post("sys/capabilities-self", token, json!({ "path": "a" })).await.status == 200;
            tally.check(lost, works, "a token that a login answered with");
        }
        let logins = ok("auth/approle/login");
        if self == Self::Login {
            let there = token_count(server).await - before.tokens;
            tally.check(unrecorded, there == logins, format!("{there} tokens exist, {logins} logins are recorded"));
            // A secret id for one login opens once; what the log tells of it and what it still opens are one thing.
            let told = log.iter().any(|r| is_ok(r, "auth/approle/login") && issued_to(r) == Some("once"));
            let again = server.login(&before.once_ids).await.is_success();
            tally.check(unrecorded, again != told, format!("a secret id for one login: told {told}, opens {again}"));
        }
        let held = leases.iter().find(|lease| lease.id == before.lease);
        let user = server.source().users().get(&before.username).cloned();
        match self {
            Self::Renewal => {
                let end = held.map_or(0, |lease| lease.expires_ms);
                if let Some(seconds) = known.renewed_s {
                    let promised = server.now().0 + (seconds - 1) * 1000;
                    tally.check(lost, end >= promised.saturating_sub(RECOVERY_MS), format!("a renewal by {seconds} s"));
                }
                tally.check(
                    lost,
                    user.is_some_and(|user| user.expires_ms >= end),
                    "the source ends the credential before its lease",
                );
                let intents = log.iter().filter(|r| r.kind == Kind::Intent && path_of(r) == "sys/leases/renew").count();
                tally.check(unrecorded, count("renew") <= intents, "a renewal at the source without an intent");
            }
            Self::Revocation | Self::SynchronousRevocation | Self::PrefixRevocation | Self::MountRemoval => {
                let gone = held.is_none() && user.is_none();
                let intact = held.is_some_and(|lease| lease.is_active) && user.is_some();
                tally.check(lost, gone || !known.revoked, "a revocation that was acknowledged");
                tally.check(
                    orphans,
                    gone || intact,
                    format!("half revoked: lease {}, user {}", held.is_some(), user.is_some()),
                );
                if self == Self::MountRemoval {
                    let served = server.get("syn/creds/x", root).await.status != 404;
                    tally.check(lost, !(known.revoked && served), "the mount is back");
                }
            }
            Self::TokenEnd => {
                tally.check(orphans, held.is_none() && user.is_none(), "the token ended and its credential did not");
            }
            Self::RootRotation => {
                let made = server.get("database/creds/app", root).await;
                tally.check(
                    lost,
                    made.is_success(),
                    format!("the connection does not open any more: {}", made.errors()),
                );
                let changed =
                    server.source().users().get("cardea").map(|user| user.password != "initial-root-password");
                tally.check(lost, changed == Some(true) || !known.rotated, "a rotation that was acknowledged");
                let intents =
                    log.iter().filter(|r| r.kind == Kind::Intent && path_of(r) == "database/rotate-root/app").count();
                tally.check(unrecorded, changed != Some(true) || intents > 0, "a new root password without an intent");
            }
            Self::DecidedChange => {
                let set = server.source().users().get("admin").is_some_and(|user| user.password == "decided");
                let intents =
                    log.iter().filter(|r| r.kind == Kind::Intent && path_of(r) == "syn/password/admin").count();
                tally.check(lost, set || !known.rotated, "a change that was acknowledged");
                tally.check(unrecorded, !set || intents > 0, "a change without an intent");
                let open = cardea_kernel::leases::intents(&mut server.active().sealed.txn(), &NamespaceId::root(), 9)
                    .await
                    .unwrap();
                tally.check(lost, open.is_empty(), "an intent that nobody settles");
            }
            Self::NewMount => {
                let read = server.get("fresh/data/a", root).await;
                tally.check(lost, !known.mounted || read.at("/data/data/k") == &json!("v"), "a secret in a new mount");
                let active = server.active();
                let mut txn = active.sealed.txn();
                let keys = txn.keys(b"root/mounts/mount/", None, 100).await.unwrap().len();
                let serving = active.mounts.now().iter().count();
                tally.check(lost, keys == serving, format!("{keys} mounts are stored, {serving} serve"));
                let there = usize::from(active.mounts.now().at("fresh/").is_some());
                tally.check(unrecorded, ok("sys/mounts/fresh") == there, "a mount without a record");
            }
            Self::Rotation => {
                let status = server.get("sys/rotate/status", root).await.ok();
                let term = status.number_at("/data/term");
                tally.check(lost, term == 2 || !known.rotated, "a rotation that was acknowledged");
                tally.check(lost, status.at("/data/running") == &Value::Bool(false), "the rewrap does not end");
                tally.check(lost, status.number_at("/data/terms_held") >= 1, "terms");
                tally.check(unrecorded, (term == 2) == (ok("sys/rotate") == 1), "a rotation without a record");
            }
            _ => {}
        }
        tally
    }
}

/// How far the clock moves between a run and its check.
const RECOVERY_MS: u64 = 121_000;

fn path_of(record: &Record) -> &str {
    record.path.as_ref().map_or("", |path| path.as_str())
}

/// A request's record that says it succeeded; an intent's outcome counts like a request's.
fn is_ok(record: &Record, path: &str) -> bool {
    matches!(record.kind, Kind::Request | Kind::Outcome)
        && path_of(record) == path
        && record.outcome.as_ref().is_some_and(|o| o.status == Status::Ok)
}

/// The role that a recorded login was by.
fn issued_to(record: &Record) -> Option<&str> {
    let auth = record.response.as_ref()?.auth.as_ref()?;
    auth.metadata.iter().find(|param| param.name.as_str() == "role_name").and_then(|param| match &param.value {
        FieldValue::Clear(name) => Some(name.as_str()),
        _ => None,
    })
}

struct Lease {
    id: String,
    username: String,
    is_active: bool,
    expires_ms: u64,
}

async fn leases_of(server: &TestServer) -> Vec<Lease> {
    let active = server.active();
    let mut txn = active.sealed.txn();
    let root = NamespaceId::root();
    let mut out = Vec::new();
    for id in leases::under(&mut txn, &root, "", None, 10_000).await.unwrap() {
        let lease = leases::find(&mut txn, &root, &id).await.unwrap().unwrap();
        let effect: Value = serde_json::from_str(lease.effect.data.expose()).unwrap();
        let username = effect["username"].as_str().unwrap_or_default().to_owned();
        out.push(Lease {
            id,
            username,
            is_active: lease.state == leases::LeaseState::Active,
            expires_ms: lease.expires.0,
        });
    }
    out
}

/// One run, broken at point `at`; the plan, and what was counted.
async fn run(scenario: Scenario, before: &Prepared, at: u64, how: Break) -> (std::sync::Arc<FaultPlan>, Tally) {
    let mut server = before.server.fork(&format!("{scenario:?} {how:?} {at}"));
    server.unseal().await;
    let plan = FaultPlan::new(at, how);
    server.arm(&plan);
    let known = scenario.run(&server, before).await;
    if !plan.aborted() {
        // The process lives on, and must put things right by itself.
        server.advance_ms(RECOVERY_MS / 2);
        server.settle().await;
    }
    server.restart().await;
    server.settle().await;
    server.advance_ms(if plan.aborted() { RECOVERY_MS } else { RECOVERY_MS / 2 });
    server.settle().await;
    let mut tally = scenario.check(&server, before, &known).await;
    // At the end of time nothing is left at the source.
    server.advance(100 * 86_400);
    server.settle().await;
    let left: Vec<_> = server.source().users().into_keys().filter(|name| name.starts_with("v-")).collect();
    tally.check(orphans, left.is_empty(), format!("left at the source for ever: {left:?}"));
    (plan, tally)
}

#[tokio::test]
async fn killed_at_any_point_nothing_is_lost_orphaned_or_unrecorded() {
    let before = prepared().await;
    println!("{:<24} {:<12} {:>6} {:>6} {:>8} {:>11}", "scenario", "break", "points", "lost", "orphans", "unrecorded");
    let mut faults = Vec::new();
    for &scenario in SCENARIOS {
        for how in Break::ALL {
            let mut sum = [0; 3];
            let mut points = 0;
            for at in 1.. {
                assert!(at < POINTS_MAX, "{scenario:?} has no end");
                let (plan, tally) = run(scenario, &before, at, how).await;
                for (count, found) in sum.iter_mut().zip([&tally.lost, &tally.orphans, &tally.unrecorded]) {
                    *count += found.len();
                }
                if !tally.is_clean() {
                    let trace = plan.trace();
                    let point = trace.get(usize::try_from(at - 1).unwrap());
                    faults.push(format!("{scenario:?}, {how:?} at point {at} ({point:?} of {trace:?}): {tally:?}"));
                }
                if !plan.reached() {
                    break;
                }
                points = at;
            }
            println!(
                "{:<24} {:<12} {points:>6} {:>6} {:>8} {:>11}",
                format!("{scenario:?}"),
                format!("{how:?}"),
                sum[0],
                sum[1],
                sum[2]
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!before.holder.is_empty());
}

/// The counting itself: what is broken behind the server's back is found.
#[tokio::test]
async fn what_is_lost_orphaned_or_unrecorded_is_counted() {
    let before = prepared().await;
    let fresh = || async {
        let server = before.server.fork("counting");
        server.unseal().await;
        let known = Scenario::Credential.run(&server, &before).await;
        assert!(Scenario::Credential.check(&server, &before, &known).await.is_clean());
        (server, known)
    };
    let (server, known) = fresh().await;
    server.source().add_user("v-rogue", "x");
    assert_eq!(Scenario::Credential.check(&server, &before, &known).await.orphans.len(), 1);
    let (server, known) = fresh().await;
    server.source().drop_user(&known.credentials[0].1);
    assert_eq!(Scenario::Credential.check(&server, &before, &known).await.lost.len(), 1);
    let (server, known) = fresh().await;
    for _ in 0..3 {
        let rogue = cardea_model::SecretText::new("x".to_owned());
        server.source().create(&format!("v-{}", server.source().calls()), &rogue, server.now()).await.unwrap();
    }
    let tally = Scenario::Credential.check(&server, &before, &known).await;
    assert_eq!((tally.orphans.len(), tally.unrecorded.len()), (3, 1));
    let (server, known) = fresh().await;
    server.delete("secret/metadata/n", server.root()).await.ok();
    let tally = Scenario::Credential.check(&server, &before, &known).await;
    assert_eq!((tally.lost.len(), tally.unrecorded.len()), (1, 1), "{tally:?}");
}
