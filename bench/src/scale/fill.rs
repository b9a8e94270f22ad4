//! Fills a store. Secrets go the way of any request: lowered, judged, recorded, committed. Leases go through the kernel's
//! own functions (`leases::announce`, then `leases::activate`, in one transaction), as many in a batch as a batch holds:
//! by requests, each would cost three commits. The storm's leases end one after the other from a moment that lies
//! a day ahead; the others end many days later.
//! The store is opened with a larger journal than a server's, because only the result of the filling is measured.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_crypto::random::{base62, uuid4};
use cardea_kernel::{
    active::Active,
    leases::{self, LeaseRecord, LeaseState, StoredEffect},
    lifecycle::Node,
    tokens::{self, NewToken},
};
use cardea_model::{NamespaceId, SecretBytes, Timestamp, wire::WireRequest};
use cardea_sdk::Effect;
use cardea_storage::{
    BATCH_OPS_MAX,
    txn::{commit_error, read_error},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::{runtime, task::JoinSet};
use zeroize::Zeroizing;

use crate::{
    error::BenchError,
    scale::{
        node::{Server, answer, failed},
        synthetic,
    },
    script::{Draw, READ_FOLDER, Values, key_name},
};

/// Path of the kv mount.
pub const KV_MOUNT: &str = "secret";
/// Path of the mount whose leases end in the storm.
pub const STORM_MOUNT: &str = "storm";
/// What the paths of the mounts of all other leases begin with.
pub const KEPT_PREFIX: &str = "kept-";
/// Mounts of the other leases.
const KEPT_MOUNTS: u64 = 10;
/// Roles of a mount, one part of a lease's path.
const ROLES: u64 = 100;
/// Tokens that hold the leases.
const HOLDERS: u64 = 1_000;
/// Writes of one lease: itself, its place in the queue, its token's list, and the removal of the mark "pending".
const WRITES_A_LEASE: usize = 4;
const LEASES_A_BATCH: u64 = (BATCH_OPS_MAX / WRITES_A_LEASE) as u64;
/// Batches and requests under way at once, so that many share a sync.
const AT_ONCE: usize = 128;
/// Changes in memory and the tree's cache while filling, in bytes.
const FILL_BYTES: usize = 128 << 20;
const DAY_MS: u64 = 86_400_000;
/// The other leases end this much after the storm began, and as much again later, in days.
const KEPT_DAYS: u64 = 10;

/// What the store shall hold.
pub struct Filling {
    pub secrets: u64,
    pub leases: u64,
    pub storm: u64,
    pub window: Duration,
    pub values: Values,
}

/// What it holds.
pub struct Filled {
    /// May read the secrets and nothing else.
    pub token: Zeroizing<String>,
    /// The first lease of the storm ends at this moment, in milliseconds since 1970.
    pub storm_begins_ms: u64,
    pub secrets_took: Duration,
    pub leases_took: Duration,
    pub tree_bytes: u64,
}

/// Fills the initialised, sealed store in `folder` and closes it.
pub fn fill(folder: &Path, unseal_key: &str, root: &str, filling: &Filling) -> Result<Filled, BenchError> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the runtime that fills the store"))?;
    runtime.block_on(async {
        let server = Server::open(folder, |options| {
            options.flush_bytes = FILL_BYTES;
            options.tree_cache_bytes = FILL_BYTES;
        })?;
        let share =
            STANDARD.decode(unseal_key).map_err(|_| BenchError::Setup("the unseal key is not base64".into()))?;
        server.node.unseal(SecretBytes::new(share), false).await.map_err(failed("unsealing"))?;
        let active = server.node.active().ok_or_else(|| BenchError::Setup("the store stays sealed".into()))?;
        let token = prepare(&server.node, root).await?;
        let began = Instant::now();
        write_secrets(&server.node, root, filling).await?;
        let secrets_took = began.elapsed();
        let storm_begins_ms = server.clock.now_ms() + DAY_MS;
        let began = Instant::now();
        load_leases(&active, storm_begins_ms, filling).await?;
        let leases_took = began.elapsed();
        drop(active);
        let store = server.store.clone();
        server.close().await?;
        let tree_bytes = cardea_storage::Store::stats(&*store).tree_bytes;
        Ok(Filled { token, storm_begins_ms, secrets_took, leases_took, tree_bytes })
    })
}

/// One request in process, insisted to succeed.
async fn insist(node: &Arc<Node>, method: &str, path: &str, token: &str, body: Vec<u8>) -> Result<Value, BenchError> {
    let wire = WireRequest {
        method: method.to_owned(),
        path: format!("/v1/{path}"),
        query: String::new(),
        headers: vec![("x-vault-token".to_owned(), token.as_bytes().to_vec())],
        body: SecretBytes::new(body),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        tls: None,
    };
    let answer = answer(node, wire).await;
    match answer.status {
        200..=299 => Ok(serde_json::from_slice(answer.body.expose()).unwrap_or(Value::Null)),
        status => Err(BenchError::Refused { what: format!("{method} {path}"), status, errors: Vec::new() }),
    }
}

/// Mounts, a policy, and a token that reads.
async fn prepare(node: &Arc<Node>, root: &str) -> Result<Zeroizing<String>, BenchError> {
    let post = async |path: &str, body: Value| insist(node, "POST", path, root, body.to_string().into_bytes()).await;
    post(&format!("sys/mounts/{KV_MOUNT}"), json!({ "type": "kv", "options": { "version": "2" } })).await?;
    post(&format!("sys/mounts/{STORM_MOUNT}"), json!({ "type": synthetic::KIND })).await?;
    for number in 0..KEPT_MOUNTS {
        post(&format!("sys/mounts/{KEPT_PREFIX}{number}"), json!({ "type": synthetic::KIND })).await?;
    }
    let rules = format!("path \"{KV_MOUNT}/data/{READ_FOLDER}/*\" {{ capabilities = [\"read\"] }}");
    post("sys/policies/acl/scale-reader", json!({ "policy": rules })).await?;
    let terms = json!({ "policies": ["scale-reader"], "no_default_policy": true, "no_parent": true, "period": "700h" });
    let made = post("auth/token/create", terms).await?;
    let token = made.pointer("/auth/client_token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err(BenchError::Setup("auth/token/create: no token in the answer".into()));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    // Drawn on a terminal only; what the bar does not understand it leaves out.
    let style = ProgressStyle::with_template("{msg:8} {wide_bar} {human_pos} of {human_len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}

/// Runs `work` for the starts 0, step, 2 step, … below `end`, many at once.
async fn in_parallel<F>(
    end: u64,
    step: u64,
    bar: ProgressBar,
    work: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<(), BenchError>
where
    F: Future<Output = Result<(), BenchError>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (next, work, bar) = (next.clone(), work.clone(), bar.clone());
        tasks.spawn(async move {
            loop {
                let start = next.fetch_add(step, Ordering::Relaxed);
                if start >= end {
                    return Ok(());
                }
                work(start).await?;
                bar.inc(step.min(end - start));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|_| Err(BenchError::Setup("a task that fills the store died".into())))?;
    }
    bar.finish_and_clear();
    Ok(())
}

async fn write_secrets(node: &Arc<Node>, root: &str, filling: &Filling) -> Result<(), BenchError> {
    let token = Arc::new(Zeroizing::new(root.to_owned()));
    let (node, values) = (node.clone(), Arc::new(filling.values.clone()));
    let work = move |number: u64| {
        let (node, token, values) = (node.clone(), token.clone(), values.clone());
        async move {
            let mut body = b"{\"data\":{\"value\":\"".to_vec();
            values.write(number, &mut body);
            body.extend_from_slice(b"\"}}");
            let path = format!("{KV_MOUNT}/data/{READ_FOLDER}/{}", key_name(number));
            insist(&node, "POST", &path, &token, body).await.map(|_| ())
        }
    };
    in_parallel(filling.secrets, 1, bar(filling.secrets, "secrets"), work).await
}

/// What all leases are made from.
struct Mold {
    active: Arc<Active>,
    now: Timestamp,
    storm_begins_ms: u64,
    storm: u64,
    leases: u64,
    window_ms: u64,
    storm_uuid: String,
    kept_uuids: Vec<String>,
    holders: Vec<String>,
}

async fn load_leases(active: &Arc<Active>, storm_begins_ms: u64, filling: &Filling) -> Result<(), BenchError> {
    let mounts = active.mounts.now();
    let uuid = |path: String| {
        let found = mounts.at(&path).map(|mount| mount.uuid.clone());
        found.ok_or_else(|| BenchError::Setup("a mount is not there".into()))
    };
    let snapshot = active.sealed.store().get(&[]).await.map_err(read_error).map_err(failed("reading the time"))?;
    let mold = Arc::new(Mold {
        now: Timestamp(snapshot.now_ms),
        storm_begins_ms,
        storm: filling.storm.min(filling.leases),
        leases: filling.leases,
        window_ms: u64::try_from(filling.window.as_millis()).unwrap_or(u64::MAX),
        storm_uuid: uuid(format!("{STORM_MOUNT}/"))?,
        kept_uuids: (0..KEPT_MOUNTS)
            .map(|number| uuid(format!("{KEPT_PREFIX}{number}/")))
            .collect::<Result<Vec<_>, _>>()?,
        holders: holders(active, Timestamp(storm_begins_ms + 4 * KEPT_DAYS * DAY_MS)).await?,
        active: active.clone(),
    });
    let work = move |start: u64| {
        let mold = mold.clone();
        async move { load_batch(&mold, start).await }
    };
    in_parallel(filling.leases, LEASES_A_BATCH, bar(filling.leases, "leases"), work).await
}

/// Ids of fresh tokens that will hold the leases.
async fn holders(active: &Arc<Active>, expires: Timestamp) -> Result<Vec<String>, BenchError> {
    let what = failed("minting tokens");
    let keyring = active.barrier.keyring().map_err(&what)?;
    let mut out = Vec::new();
    while (out.len() as u64) < HOLDERS {
        let mut txn = active.sealed.txn();
        let now = txn.now().await.map_err(&what)?;
        for _ in 0..LEASES_A_BATCH {
            let new = NewToken {
                display_name: "holder".to_owned(),
                renewable: true,
                ..NewToken::plain("scale-reader", now, Some(expires))
            };
            let minted = tokens::mint(&mut txn, &active.hashes, &keyring, &*active.rng, new).map_err(&what)?;
            out.push(minted.token.id);
        }
        txn.commit().await.map_err(commit_error).map_err(&what)?;
    }
    Ok(out)
}

/// Announces and activates the leases of one batch in one transaction.
async fn load_batch(mold: &Mold, start: u64) -> Result<(), BenchError> {
    let what = failed("loading leases");
    let namespace = NamespaceId::root();
    let mut txn = mold.active.sealed.txn();
    let end = (start + LEASES_A_BATCH).min(mold.leases);
    for number in start..end {
        let lease = mold.lease(number).map_err(&what)?;
        leases::announce(&mut txn, &lease).map_err(&what)?;
        leases::activate(&mut txn, &namespace, &lease.id).await.map_err(&what)?;
    }
    txn.commit().await.map_err(commit_error).map_err(&what)?;
    Ok(())
}

impl Mold {
    fn lease(&self, number: u64) -> Result<LeaseRecord, cardea_model::Error> {
        let rng = &*self.active.rng;
        let (mount, uuid, expires_ms) = if number < self.storm {
            (STORM_MOUNT.to_owned(), &self.storm_uuid, self.storm_begins_ms + number * self.window_ms / self.storm)
        } else {
            let mount = number % KEPT_MOUNTS;
            let later_ms = KEPT_DAYS * DAY_MS + Draw::new(number).below(KEPT_DAYS * DAY_MS);
            (format!("{KEPT_PREFIX}{mount}"), &self.kept_uuids[mount as usize], self.storm_begins_ms + later_ms)
        };
        let path = format!("{mount}/creds/app-{:02}", Draw::new(!number).below(ROLES));
        let expires = Timestamp(expires_ms);
        // What a database engine keeps: a user, its password, its end, and where it lives.
        let effect = Effect::of(
            "create",
            &json!({
                "username": format!("v-token-app-{}", *base62(rng, 20)),
                "password": base62(rng, 24).as_str(),
                "expires": expires,
                "connection": "5a0c9a3e-2f0b-4f5c-9a57-1f6f4c1b8f8e",
            }),
        )?;
        Ok(LeaseRecord {
            id: format!("{path}/{}", *base62(rng, 24)),
            namespace: NamespaceId::root(),
            mount_uuid: uuid.clone(),
            path,
            token: Some(self.holders[number as usize % self.holders.len()].clone()),
            state: LeaseState::Pending,
            effect: StoredEffect::of(&effect)?,
            issued: self.now,
            expires,
            latest: expires,
            ttl_s: expires.seconds_from(self.now),
            renewable: true,
            last_renewal: None,
            due: expires,
            attempts: 0,
            last_error: None,
            request: uuid4(rng),
        })
    }
}
