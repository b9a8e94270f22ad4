//! The suite that every store must pass: one meaning of the contract, run as it stands over each engine. It knows nothing
//! of any engine, and must never be weakened for one: a store that cannot pass is not a store.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;

use crate::batch::{BATCH_BYTES_MAX, BATCH_OPS_MAX, Batch};
use crate::store::{CommitError, Committed, KEY_BYTES_MAX, LOG_READ_BYTES_MAX, ReadError, Revision, Store, Versioned};

/// How the suite gets stores.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A new, empty store that shares nothing with earlier ones.
    async fn fresh(&self) -> Result<Arc<dyn Store>, String>;
    /// Ends `store` as a restart does and opens what it kept.
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, String>;
}

/// What is broken, in words.
pub type Verdict = Result<(), String>;

/// Runs everything; the first thing that is broken ends it.
pub async fn run(subject: &dyn Subject) -> Verdict {
    let named = |name: &'static str| move |why: String| format!("{name}: {why}");
    values(subject).await.map_err(named("values"))?;
    conditions(subject).await.map_err(named("conditions"))?;
    atomicity(subject).await.map_err(named("atomicity"))?;
    limits(subject).await.map_err(named("limits"))?;
    scans(subject).await.map_err(named("scans"))?;
    log(subject).await.map_err(named("log"))?;
    increments(subject).await.map_err(named("increments"))?;
    restart(subject).await.map_err(named("restart"))?;
    changes(subject).await.map_err(named("changes"))?;
    model(subject).await.map_err(named("model"))
}

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn commit(store: &dyn Store, batch: Batch) -> Result<Committed, String> {
    store.commit(batch).await.map_err(text)
}

async fn get(store: &dyn Store, key: &[u8]) -> Result<Option<Versioned>, String> {
    let snapshot = store.get(&[key]).await.map_err(text)?;
    Ok(snapshot.values.into_iter().next().flatten())
}

/// What is written is read, with the revision of its commit; revisions and time only grow.
async fn values(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let empty = store.get(&[b"a", b"b"]).await.map_err(text)?;
    ensure!(empty.values == [None, None], "a new store has values");
    let first = commit(store, Batch::new().put("a", "1").put("b", "2")).await?;
    let second = commit(store, Batch::new().put("a", "3").delete("missing")).await?;
    ensure!(second.revision > first.revision, "the revision did not grow");
    let now = store.get(&[b"a", b"b", b"c", b"a"]).await.map_err(text)?;
    ensure!(now.revision == second.revision, "a snapshot shows another revision than the last commit");
    ensure!(now.now_ms >= empty.now_ms, "store time went back");
    let want =
        |value: &'static str, revision| Some(Versioned { revision, value: Bytes::from_static(value.as_bytes()) });
    let wanted = [want("3", second.revision), want("2", first.revision), None, want("3", second.revision)];
    ensure!(now.values == wanted, "read {:?}, wanted {wanted:?}", now.values);
    commit(store, Batch::new().delete("a")).await?;
    ensure!(get(store, b"a").await?.is_none(), "a deleted key has a value");
    let again = commit(store, Batch::new().put("a", "")).await?;
    ensure!(get(store, b"a").await? == want("", again.revision), "an empty value is not a value");
    store.durable(again.revision).await.map_err(text)?;
    let never = store.durable(Revision(again.revision.0 + 1_000_000)).await;
    ensure!(never.is_err(), "a revision that was never made counts as durable");
    Ok(())
}

/// A table of conditions and whether they hold.
async fn conditions(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let old = commit(store, Batch::new().put("k", "1")).await?.revision;
    let new = commit(store, Batch::new().put("k", "2")).await?.revision;
    commit(store, Batch::new().put("gone", "1")).await?;
    let gone = commit(store, Batch::new().put("gone", "2")).await?.revision;
    commit(store, Batch::new().delete("gone")).await?;
    let cases: [(&str, Batch, bool); 9] = [
        ("absent, and it is", Batch::new().absent("none"), true),
        ("absent, but present", Batch::new().absent("k"), false),
        ("absent after a delete", Batch::new().absent("gone"), true),
        ("at the newest revision", Batch::new().at("k", new), true),
        ("at an older revision", Batch::new().at("k", old), false),
        ("at a revision, but absent", Batch::new().at("none", new), false),
        ("at the last revision of a deleted key", Batch::new().at("gone", gone), false),
        ("one of two fails", Batch::new().at("k", new).absent("k"), false),
        ("several hold", Batch::new().at("k", new).absent("none").absent("gone"), true),
    ];
    for (name, batch, holds) in cases {
        let checked = store.commit(batch.clone()).await;
        ensure!(checked.is_ok() == holds, "checking only: {name}: {checked:?}");
        let written = store.commit(batch.put("other", "x").append("r")).await;
        match (&written, holds) {
            (Ok(_), true) | (Err(CommitError::Conflict), false) => {}
            _ => return Err(format!("with a write: {name}: {written:?}")),
        }
    }
    let before = store.get(&[b"k"]).await.map_err(text)?.revision;
    let inert = commit(store, Batch::new().at("k", new)).await?;
    ensure!(inert.revision == before, "a batch that changes nothing took a revision");
    Ok(())
}

/// A refused batch leaves no trace; an accepted one is seen whole by a reader of all its keys.
async fn atomicity(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let first = commit(store, Batch::new().put("a", "1").put("b", "1").append("one")).await?;
    let refused = store.commit(Batch::new().absent("a").put("a", "2").delete("b").put("c", "2").append("two")).await;
    ensure!(refused == Err(CommitError::Conflict), "not refused: {refused:?}");
    let now = store.get(&[b"a", b"b", b"c"]).await.map_err(text)?;
    let revisions: Vec<_> = now.values.iter().map(|v| v.as_ref().map(|v| v.revision)).collect();
    ensure!(revisions == [Some(first.revision), Some(first.revision), None], "a refused batch left {revisions:?}");
    ensure!(store.log_size().await.map_err(text)? == 1, "a refused batch appended");

    let keys: Vec<Vec<u8>> = (0..8u8).map(|n| vec![b'm', n]).collect();
    let write = |round: u32| {
        let batch = keys.iter().fold(Batch::new(), |b, key| b.put(key.clone(), round.to_string()));
        async move { commit(store, batch).await.map(|_| ()) }
    };
    let read = || async {
        let refs: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        for _ in 0..20 {
            let seen = store.get(&refs).await.map_err(text)?.values;
            ensure!(seen.iter().all(|v| *v == seen[0]), "half a batch is visible");
        }
        Ok(())
    };
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for round in 0..10 {
        tasks.push(Box::pin(write(round)));
        tasks.push(Box::pin(read()));
    }
    together(tasks).await
}

/// What is too large is refused as invalid, what just fits is taken.
async fn limits(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let puts = |count: usize| (0..count).fold(Batch::new(), |b, n| b.put(format!("p{n}"), "v"));
    let mixed = (0..32).fold(puts(32), |b, n| b.absent(format!("none{n}")).append("r"));
    let key = vec![7u8; KEY_BYTES_MAX];
    let cases: [(&str, Batch, bool); 10] = [
        ("as many writes as allowed", puts(BATCH_OPS_MAX), true),
        ("one more", puts(BATCH_OPS_MAX + 1), false),
        ("as many operations of all kinds", mixed.clone(), true),
        ("one append more", mixed.append("r"), false),
        ("as many bytes as allowed", Batch::new().put("k", vec![0; BATCH_BYTES_MAX - 1]), true),
        ("one byte more", Batch::new().put("k", vec![0; BATCH_BYTES_MAX]), false),
        ("the longest key", Batch::new().put(key.clone(), "v"), true),
        ("a longer key", Batch::new().put([key.as_slice(), b"x"].concat(), "v"), false),
        ("an empty key", Batch::new().put("", "v"), false),
        ("a key written twice", Batch::new().put("d", "1").put("e", "1").delete("d"), false),
    ];
    for (name, batch, fits) in cases {
        match (store.commit(batch).await, fits) {
            (Ok(_), true) | (Err(CommitError::Invalid(_)), false) => {}
            (other, _) => return Err(format!("{name}: {other:?}")),
        }
    }
    Ok(())
}

/// Ascending, only the prefix, `after` exclusive, pages meet without gap or repetition, whatever was deleted between.
async fn scans(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    for start in (0..300u32).step_by(50) {
        let batch =
            (start..start + 50).fold(Batch::new(), |b, n| b.put(format!("p/{:03}", n * 7 % 300), n.to_string()));
        commit(store, batch).await?;
    }
    commit(store, Batch::new().put("o/x", "o").put("p", "bare").put("p0", "after").put(vec![0xff, 0xff], "top"))
        .await?;
    let holes = (0..300u32).filter(|n| n % 10 == 3).fold(Batch::new(), |b, n| b.delete(format!("p/{n:03}")));
    commit(store, holes).await?;
    let wanted: Vec<String> = (0..300u32).filter(|n| n % 10 != 3).map(|n| format!("p/{n:03}")).collect();
    for page in [1usize, 7, 100, 1000] {
        let (mut seen, mut after): (Vec<String>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let found = store.scan(b"p/", after.as_deref(), page).await.map_err(text)?;
            ensure!(found.len() <= page, "a page of {} entries, asked for {page}", found.len());
            seen.extend(found.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()));
            if found.len() < page {
                break;
            }
            after = found.last().map(|(key, _)| key.clone());
        }
        ensure!(seen == wanted, "pages of {page} differ from what was written");
    }
    type Case = (&'static [u8], Option<&'static [u8]>, usize);
    let cases: [Case; 6] = [
        (b"", None, 270 + 4),
        (b"p", None, 270 + 2),
        (b"p/", Some(b"p/298"), 1),
        (b"p/", Some(b"a"), 270),
        (b"p/", Some(b"q"), 0),
        (&[0xff], None, 1),
    ];
    for (prefix, after, count) in cases {
        let found = store.scan(prefix, after, 1000).await.map_err(text)?.len();
        ensure!(found == count, "scan of {prefix:?} after {after:?}: {found} entries, wanted {count}");
    }
    ensure!(store.scan(b"p", None, 0).await.map_err(text)?.is_empty(), "a limit of 0 gives entries");
    Ok(())
}

/// Positions have no gap, follow the order of commits, come with their batch's writes or not at all.
async fn log(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    ensure!(store.log_size().await.map_err(text)? == 0, "a new log has records");
    ensure!(store.log_read(0, 10).await.map_err(text)?.is_empty(), "a new log is read");
    let wait = async {
        let size = store.log_wait(0).await.map_err(text)?;
        ensure!(size > 0, "woken at size 0");
        Ok(())
    };
    let append = async {
        for n in 0..50u32 {
            let batch = Batch::new().put("n", n.to_string()).append(format!("{n}a")).append(format!("{n}b"));
            let done = commit(store, batch).await?;
            ensure!(done.first_position == u64::from(n) * 2, "commit {n} got position {}", done.first_position);
            ensure!(
                store.log_size().await.map_err(text)? == done.first_position + 2,
                "acknowledged but not in the log"
            );
        }
        Ok(())
    };
    together(vec![Box::pin(wait), Box::pin(append)]).await?;
    let read = store.log_read(31, 3).await.map_err(text)?;
    let wanted = [(31, "15b"), (32, "16a"), (33, "16b")];
    ensure!(read.iter().map(|(p, r)| (*p, r.as_ref())).eq(wanted.map(|(p, r)| (p, r.as_bytes()))), "read {read:?}");
    ensure!(store.log_read(100, 3).await.map_err(text)?.is_empty(), "read past the end");
    ensure!(store.log_read(u64::MAX, 3).await.map_err(text)?.is_empty(), "read far past the end");
    let big = Bytes::from(vec![9u8; LOG_READ_BYTES_MAX * 3 / 4]);
    for _ in 0..3 {
        commit(store, Batch::new().append(big.clone())).await?;
    }
    let read = store.log_read(100, 10).await.map_err(text)?;
    ensure!((1..3).contains(&read.len()) && read[0] == (100, big), "an answer of {} large records", read.len());
    store.log_trim(40).await.map_err(text)?;
    let first = store.log_read(0, 1).await.map_err(text)?.first().map(|(position, _)| *position);
    ensure!(first.is_some_and(|first| first <= 40), "trimmed more than asked: first is {first:?}");
    ensure!(store.log_size().await.map_err(text)? == 103, "a trim changed the size");
    Ok(())
}

/// Many writers of one key with read, condition, write, retry: every acknowledged increment counts once.
async fn increments(subject: &dyn Subject) -> Verdict {
    const WRITERS: usize = 16;
    const EACH: usize = 20;
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let one = |writer: usize| async move {
        for n in 0..EACH {
            loop {
                let current = get(store, b"counter").await?;
                let (batch, count) = match &current {
                    None => (Batch::new().absent("counter"), 0),
                    Some(v) => {
                        let count: u64 = std::str::from_utf8(&v.value).map_err(text)?.parse().map_err(text)?;
                        (Batch::new().at("counter", v.revision), count)
                    }
                };
                let batch = batch.put("counter", (count + 1).to_string()).append(format!("{writer}.{n}"));
                match store.commit(batch).await {
                    Ok(_) => break,
                    Err(CommitError::Conflict) => {}
                    Err(other) => return Err(text(other)),
                }
            }
        }
        Ok(())
    };
    together((0..WRITERS).map(|writer| Box::pin(one(writer)) as Task<'_>).collect()).await?;
    let total = get(store, b"counter").await?.map(|v| v.value);
    let wanted = Bytes::from((WRITERS * EACH).to_string());
    ensure!(total.as_ref() == Some(&wanted), "the counter shows {total:?}, wanted {wanted:?}");
    ensure!(
        store.log_size().await.map_err(text)? == (WRITERS * EACH) as u64,
        "appends and increments differ in number"
    );
    Ok(())
}

/// What was acknowledged is there after a restart, and numbers go on where they were.
async fn restart(subject: &dyn Subject) -> Verdict {
    let mut store = subject.fresh().await?;
    let (mut last, mut time) = (Revision(0), 0);
    for life in 0..4u32 {
        for n in 0..20u32 {
            let batch = Batch::new().put(format!("{life}/{n}"), "v").put("last", format!("{life}/{n}"));
            let batch = if n > 0 { batch.delete(format!("{life}/{}", n - 1)) } else { batch };
            let done = commit(store.as_ref(), batch.append(format!("{life}/{n}"))).await?;
            ensure!(done.revision > last, "revision {:?} after {last:?}", done.revision);
            ensure!(done.first_position == u64::from(life * 20 + n), "position {} is wrong", done.first_position);
            last = done.revision;
        }
        store = subject.reopen(store).await?;
        let now = store.get(&[b"last", b"0/18"]).await.map_err(text)?;
        ensure!(now.revision == last, "reopened at {:?}, was {last:?}", now.revision);
        ensure!(now.now_ms >= time, "store time went back over a restart");
        time = now.now_ms;
        let value = now.values[0].as_ref().map(|v| (v.revision, v.value.clone()));
        ensure!(value == Some((last, Bytes::from(format!("{life}/19")))), "after a restart: {value:?}");
        ensure!(now.values[1].is_none(), "a deleted key is back");
        let records = store.log_read(0, 1000).await.map_err(text)?;
        let wanted = (0..=life).flat_map(|l| (0..20u32).map(move |n| format!("{l}/{n}")));
        ensure!(records.iter().map(|(_, r)| r.to_vec()).eq(wanted.map(String::into_bytes)), "the log changed");
        store.durable(last).await.map_err(text)?;
        let entries = store.scan(b"", None, 1000).await.map_err(text)?.len();
        ensure!(entries == life as usize + 2, "{entries} entries after life {life}");
    }
    Ok(())
}

/// The feed gives every change in order, whole commits, waits for the next one, and says when it forgot.
async fn changes(subject: &dyn Subject) -> Verdict {
    let store = subject.fresh().await?;
    let store = store.as_ref();
    let start = store.get(&[]).await.map_err(text)?.revision;
    let first = commit(store, Batch::new().put("a", "1").put("b", "1").append("r")).await?.revision;
    commit(store, Batch::new().append("only the log")).await?;
    let second = commit(store, Batch::new().delete("a")).await?.revision;
    let seen = store.watch(start, 1).await.map_err(text)?;
    let mut keys: Vec<_> = seen.iter().map(|c| (c.revision, c.key.clone())).collect();
    keys.sort();
    ensure!(keys == [(first, b"a".to_vec()), (first, b"b".to_vec())], "the first page is {seen:?}");
    let seen = store.watch(first, 10).await.map_err(text)?;
    ensure!(seen.len() == 1 && seen[0].revision == second && seen[0].key == b"a", "the second page is {seen:?}");
    let wait = async {
        let seen = store.watch(second, 10).await.map_err(text)?;
        ensure!(seen.first().is_some_and(|c| c.key == b"late"), "woken with {seen:?}");
        Ok(())
    };
    let write = async {
        commit(store, Batch::new().append("no change")).await?;
        commit(store, Batch::new().put("late", "1")).await.map(|_| ())
    };
    together(vec![Box::pin(wait), Box::pin(write)]).await?;
    // Whatever a store keeps, this many changes of long keys are more than it may; it must say so.
    let key = |n: usize| [vec![b'k'; KEY_BYTES_MAX - 2], n.to_be_bytes()[6..].to_vec()].concat();
    for n in 0..(80 << 20) / (KEY_BYTES_MAX * 90) {
        commit(store, (0..90).fold(Batch::new(), |b, k| b.put(key(n * 90 + k), ""))).await?;
    }
    match store.watch(start, 1).await {
        Err(ReadError::Behind { current }) => ensure!(current > second, "told to watch from {current:?}"),
        Ok(seen) => ensure!(seen[0].revision == first, "changes were forgotten in silence"),
        Err(other) => return Err(text(other)),
    }
    Ok(())
}

/// A seeded walk of batches beside a map: values, scans and log agree at every step and over restarts.
async fn model(subject: &dyn Subject) -> Verdict {
    let mut store = subject.fresh().await?;
    let mut values: BTreeMap<Vec<u8>, (Revision, Vec<u8>)> = BTreeMap::new();
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for step in 0..400u32 {
        let mut batch = Batch::new();
        let mut written: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for _ in 0..draw(6) {
            let key = format!("{}/{}", draw(3), draw(40)).into_bytes();
            let value = (draw(4) > 0).then(|| vec![step as u8; draw(5000) as usize]);
            written.insert(key, value);
        }
        let mut holds = true;
        for _ in 0..draw(3) {
            let key = format!("{}/{}", draw(3), draw(40)).into_bytes();
            batch = match (values.get(&key), draw(8)) {
                (Some((revision, _)), 1..) => batch.at(key, *revision),
                (None, 1..) => batch.absent(key),
                (Some(_), 0) => {
                    holds = false;
                    batch.absent(key)
                }
                (None, 0) => {
                    holds = false;
                    batch.at(key, Revision(1))
                }
            };
        }
        for (key, value) in &written {
            batch = match value {
                Some(value) => batch.put(key.clone(), value.clone()),
                None => batch.delete(key.clone()),
            };
        }
        let appends: Vec<Vec<u8>> = (0..draw(3)).map(|n| format!("{step}.{n}").into_bytes()).collect();
        batch = appends.iter().fold(batch, |b, record| b.append(record.clone()));
        match (store.commit(batch).await, holds) {
            (Ok(done), true) => {
                ensure!(done.first_position == records.len() as u64, "step {step}: position {}", done.first_position);
                for (key, value) in written {
                    match value {
                        Some(value) => values.insert(key, (done.revision, value)),
                        None => values.remove(&key),
                    };
                }
                records.extend(appends);
            }
            (Err(CommitError::Conflict), false) => {}
            (other, _) => return Err(format!("step {step}: {other:?}")),
        }
        if step % 50 == 49 {
            if step % 100 == 99 {
                store = subject.reopen(store).await?;
            }
            let found = store.scan(b"", None, 1000).await.map_err(text)?;
            let found: BTreeMap<_, _> = found.into_iter().map(|(k, v)| (k, (v.revision, v.value.to_vec()))).collect();
            ensure!(found == values, "step {step}: the scan differs from the model");
            let log = store.log_read(0, 10_000).await.map_err(text)?;
            ensure!(
                log.iter().map(|(_, r)| r.as_ref()).eq(records.iter().map(Vec::as_slice)),
                "step {step}: log differs"
            );
        }
    }
    Ok(())
}

type Task<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Runs all to their end at once, on the caller's task, so that the suite needs no particular runtime.
async fn together(mut tasks: Vec<Task<'_>>) -> Verdict {
    std::future::poll_fn(move |context| {
        let mut index = 0;
        while index < tasks.len() {
            match tasks[index].as_mut().poll(context) {
                Poll::Ready(Ok(())) => drop(tasks.swap_remove(index)),
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Pending => index += 1,
            }
        }
        if tasks.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}
