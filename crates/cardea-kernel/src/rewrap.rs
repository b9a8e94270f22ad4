//! Rotation of the key-encryption key: a new term takes over at once, and a job rewraps every data key under it, resumable
//! and with progress. Ciphertexts are not touched. A retired key is forgotten only after a whole pass found nothing under it.

use crate::active::Active;
use crate::event::{self, Event};
use crate::extra::{After, Extra};
use crate::jobs::{self, Job};
use crate::relearn;
use crate::runner::{Progress, commit, unreadable};
use cardea_barrier::Keyring;
use cardea_crypto::mac::sha256;
use cardea_model::{Body, Error, NamespaceId, Payload, Timestamp, TtlSeconds};
use cardea_sdk::Outcome;
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the sealed keyring is kept: sealed under the root key, not by the codec.
pub const KEYRING_KEY: &[u8] = b"core/keyring";
/// Everything that the codec seals is below this.
const SEALED_PREFIX: &[u8] = b"root/";
/// Records a step: each costs a condition and a write, and a batch holds 96 operations.
const RECORDS_A_STEP: usize = 40;
/// Bytes a step, below the batch's 1 MiB.
const STEP_BYTES_MAX: usize = 900 * 1024;
/// How long after a rotation a pass must begin before it may count as the last: by then every commit that was sealed
/// under the old term has been applied or has failed.
const SETTLE_MS: u64 = 2_000;

/// Begins a rotation inside the request's transaction.
pub async fn rotate(active: &Active, txn: &mut Txn, now: Timestamp) -> Result<Outcome, Error> {
    // From the store, not from memory: a second rotation that raced must build on the first one's keyring.
    let stored = txn.get_plain(KEYRING_KEY).await?.ok_or_else(|| Error::internal("the keyring is missing"))?;
    let cluster = active.barrier.keyring()?.cluster_id().to_owned();
    let next = Keyring::open(&cluster, &active.root, &stored)?.rotated(now, &*active.rng)?;
    txn.put_plain(KEYRING_KEY, next.seal(&active.root, &*active.rng)?);
    jobs::enqueue(
        txn,
        &Job::Rewrap {
            term: next.current_term(),
            cursor: None,
            seen: 0,
            rewrapped: 0,
            started_ms: now.0,
            pass: 1,
            pass_changed: 0,
        },
    )?;
    let extra = Extra { after: vec![After::Keyring(Arc::new(next)), After::Wake], ..Extra::default() };
    Ok(Extra::with(Body::Empty, extra))
}

/// One step of a rewrap.
pub(crate) async fn step(active: &Active, mut txn: Txn, key: &str, job: Job) -> Result<Progress, Error> {
    let Job::Rewrap { term, cursor, mut seen, mut rewrapped, started_ms, pass, mut pass_changed } = job else {
        return Err(Error::internal("not a rewrap"));
    };
    let now = txn.now().await?;
    let keyring = active.barrier.keyring()?;
    if keyring.current_term() < term {
        // The rotation is durable, but this process has not taken the keyring into use: it is about to, or it never
        // learned that the commit happened.
        relearn::keyring(active, &mut txn).await?;
        return Ok(Progress::Waiting);
    }
    let after = cursor.as_deref().map(hex::decode).transpose().map_err(|_| Error::internal("a cursor is not hex"))?;
    if after.is_none() && now.0 < started_ms + SETTLE_MS {
        return Ok(Progress::Waiting);
    }
    let page = active.sealed.store().scan(SEALED_PREFIX, after.as_deref(), RECORDS_A_STEP).await.map_err(unreadable)?;
    if page.is_empty() {
        return end_of_pass(
            active,
            txn,
            key,
            Job::Rewrap { term, cursor: None, seen, rewrapped, started_ms, pass, pass_changed },
            now,
        )
        .await;
    }
    let mut bytes = 0;
    let mut last = None;
    for (stored_key, found) in page {
        if bytes > 0 && bytes + found.value.len() > STEP_BYTES_MAX {
            break;
        }
        if let Some(next) = active.barrier.rewrapped(&found.value)? {
            bytes += next.len();
            rewrapped += 1;
            pass_changed += 1;
            txn.replace_sealed(&stored_key, found.revision, next);
        }
        seen += 1;
        last = Some(stored_key);
    }
    let cursor = last.map(hex::encode);
    jobs::enqueue(&mut txn, &Job::Rewrap { term, cursor, seen, rewrapped, started_ms, pass, pass_changed })?;
    // The job's own record lies under the prefix too: writing it seals it under the current term anyway.
    // After a conflict the same step runs again.
    commit(txn).await?;
    Ok(Progress::More)
}

async fn end_of_pass(active: &Active, mut txn: Txn, key: &str, job: Job, now: Timestamp) -> Result<Progress, Error> {
    let Job::Rewrap { term, seen, rewrapped, started_ms, pass, pass_changed, .. } = job else {
        return Err(Error::internal("not a rewrap"));
    };
    if pass_changed > 0 {
        jobs::enqueue(
            &mut txn,
            &Job::Rewrap { term, cursor: None, seen: 0, rewrapped, started_ms, pass: pass + 1, pass_changed: 0 },
        )?;
        commit(txn).await?;
        return Ok(Progress::More);
    }
    let stored = txn.get_plain(KEYRING_KEY).await?.ok_or_else(|| Error::internal("the keyring is missing"))?;
    let cluster = active.barrier.keyring()?.cluster_id().to_owned();
    let keyring = Keyring::open(&cluster, &active.root, &stored)?;
    // Batch tokens live at most the system's maximum after their key was superseded.
    let span_ms = TtlSeconds(active.settings.max_ttl_s).0.saturating_mul(1000);
    let pruned = keyring.pruned(term, Timestamp(now.0.saturating_sub(span_ms)));
    txn.put_plain(KEYRING_KEY, pruned.seal(&active.root, &*active.rng)?);
    jobs::finish(&mut txn, key);
    last_view(&mut txn).put("last", &LastRewrap { term, seen, rewrapped, pass })?;
    let detail = format!("{seen} records, {rewrapped} data keys rewrapped, {pass} passes");
    event::append(
        active,
        &mut txn,
        Event { what: "kek.rewrapped", subject: &format!("term {term}"), detail: &detail, path: "" },
        now,
    )?;
    if commit(txn).await? {
        active.barrier.install(Arc::new(pruned));
        return Ok(Progress::Finished);
    }
    Ok(Progress::More)
}

/// What the last finished rewrap did.
#[derive(Serialize, Deserialize)]
pub struct LastRewrap {
    term: u32,
    seen: u64,
    rewrapped: u64,
    pass: u32,
}
json_record!(LastRewrap, "last-rewrap", 1);

fn last_view(txn: &mut Txn) -> View<'_> {
    View::new(txn, &NamespaceId::root(), "jobs")
}

/// A digest over the ciphertexts of all payloads: everything of a sealed record but its wrapped data key. Equal before and
/// after a rotation, because a rotation changes nothing else.
pub async fn ciphertext_digest(active: &Active) -> Result<(u64, String), Error> {
    /// Records read at once.
    const PAGE: usize = 256;
    let (mut count, mut digest) = (0u64, [0u8; 32]);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = active.sealed.store().scan(SEALED_PREFIX, after.as_deref(), PAGE).await.map_err(unreadable)?;
        for (key, found) in &page {
            let is_payload = key.windows(PAYLOAD_PART.len()).any(|part| part == PAYLOAD_PART);
            if let (true, Some(tail)) = (is_payload, found.value.get(WRAPPED_HEADER_BYTES..)) {
                count += 1;
                digest = sha256(&[&digest, &(key.len() as u64).to_be_bytes(), key, tail]);
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
            _ => return Ok((count, hex::encode(digest))),
        }
    }
}

/// What precedes nonce and ciphertext in a sealed record: format, term, wrapped data key (cardea-crypto's envelope).
const WRAPPED_HEADER_BYTES: usize = 1 + 4 + 40;
/// How keys of payloads are told: their kind stands between slashes.
const PAYLOAD_PART: &[u8] = b"/payload/";

/// What `sys/rotate/status` answers.
#[derive(Serialize)]
pub struct RewrapStatus {
    pub term: u32,
    pub terms_held: usize,
    pub running: bool,
    pub records_seen: u64,
    pub data_keys_rewrapped: u64,
    pub pass: u32,
}

pub async fn status(active: &Active, txn: &mut Txn) -> Result<Payload, Error> {
    let keyring = active.barrier.keyring()?;
    let job = jobs::find(txn, "rewrap").await?;
    let (running, records_seen, data_keys_rewrapped, pass) = match job {
        Some(Job::Rewrap { seen, rewrapped, pass, .. }) => (true, seen, rewrapped, pass),
        _ => match last_view(txn).get::<LastRewrap>("last").await? {
            Some(last) if last.term == keyring.current_term() => (false, last.seen, last.rewrapped, last.pass),
            _ => (false, 0, 0, 0),
        },
    };
    Payload::of(&RewrapStatus {
        term: keyring.current_term(),
        terms_held: keyring.terms_count(),
        running,
        records_seen,
        data_keys_rewrapped,
        pass,
    })
}
