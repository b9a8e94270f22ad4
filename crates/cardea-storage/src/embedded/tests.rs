//! The embedded store on a real directory and on the simulated disk: the conformance suite, faults of the disk, the
//! directory's lock and modes, and a printed measure.

mod damage;
mod power;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

use crate::conformance::{self, Subject};
use crate::disk::{Disk, RealDisk};
use crate::embedded::{EmbeddedStore, OpenError, Options};
use crate::sim::{SimDisk, SimFault, SimOp};
use crate::{Batch, CommitError, Store};

pub(super) const DIR: &str = "/store";

/// Small bounds, so that a short test flushes, seals and rotates many times.
pub(super) fn small() -> Options {
    let ticks = AtomicU64::new(0);
    let mut options = Options::new(Arc::new(move || 1_000_000 + ticks.fetch_add(1, Ordering::Relaxed)));
    options.flush_bytes = 32 << 10;
    options.segment_bytes = 16 << 10;
    options.value_cache_bytes = 64 << 10;
    options.tree_cache_bytes = 1 << 20;
    options.reserve_bytes = 0;
    options
}

pub(super) fn on(disk: &SimDisk) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new(DIR), small())
}

/// Opens stores one after the other, each in its own directory of one disk.
struct Embedded<D> {
    disk: Arc<D>,
    root: std::path::PathBuf,
    made: AtomicUsize,
    options: fn() -> Options,
}

#[async_trait]
impl<D: Disk> Subject for Embedded<D> {
    async fn fresh(&self) -> Result<Arc<dyn Store>, String> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.open()
    }
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, String> {
        drop(store);
        self.open()
    }
}

impl<D: Disk> Embedded<D> {
    fn open(&self) -> Result<Arc<dyn Store>, String> {
        let dir = self.root.join(self.made.load(Ordering::Relaxed).to_string());
        let store = EmbeddedStore::open_on(self.disk.clone(), &dir, (self.options)()).map_err(|e| e.to_string())?;
        Ok(Arc::new(store))
    }
}

#[tokio::test]
async fn conforms_on_a_real_disk() {
    let root = tempfile::tempdir().unwrap();
    for options in [small, || Options { flush_bytes: 8 << 20, ..small() }] {
        let root = root.path().join(format!("{}", options().flush_bytes));
        let made = AtomicUsize::new(0);
        conformance::run(&Embedded { disk: Arc::new(RealDisk), root, made, options }).await.unwrap();
    }
}

#[tokio::test]
async fn conforms_on_the_simulated_disk() {
    let subject =
        Embedded { disk: Arc::new(SimDisk::new()), root: "/sim".into(), made: AtomicUsize::new(0), options: small };
    conformance::run(&subject).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_reads_stay_coherent_beside_writers_and_flushes() {
    let mut options = small();
    options.flush_bytes = 4 << 10;
    let store = Arc::new(EmbeddedStore::open_on(Arc::new(SimDisk::new()), Path::new(DIR), options).unwrap());
    let stop = Instant::now() + Duration::from_millis(1500);
    let mut tasks = Vec::new();
    for writer in 0..4u8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut n = 0u64;
            while Instant::now() < stop {
                n += 1;
                // Two keys of a writer always hold the same number; every seventh round they are gone.
                let batch = if n.is_multiple_of(7) {
                    Batch::new().delete(vec![writer, 0]).delete(vec![writer, 1])
                } else {
                    let value = [n.to_be_bytes().as_slice(), &[0; 100]].concat();
                    Batch::new().put(vec![writer, 0], value.clone()).put(vec![writer, 1], value)
                };
                let done = store.commit(batch).await.unwrap();
                let seen = store.get(&[&[writer, 1]]).await.unwrap();
                let number = seen.values[0].as_ref().map(|v| u64::from_be_bytes(v.value[..8].try_into().unwrap()));
                assert_eq!(number, (!n.is_multiple_of(7)).then_some(n), "a writer does not see its own write");
                assert!(seen.revision >= done.revision);
            }
            n
        }));
    }
    for _ in 0..4 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut last = [0u64; 4];
            let mut reads = 0;
            while Instant::now() < stop {
                for writer in 0..4u8 {
                    let seen = store.get(&[&[writer, 0], &[writer, 1]]).await.unwrap();
                    assert_eq!(seen.values[0], seen.values[1], "half a batch is visible");
                    if let Some(v) = &seen.values[0] {
                        assert!(v.revision.0 >= last[usize::from(writer)], "a read went back in time");
                        last[usize::from(writer)] = v.revision.0;
                    }
                    reads += 1;
                }
                tokio::task::yield_now().await;
            }
            reads
        }));
    }
    for task in tasks {
        assert!(task.await.unwrap() > 10);
    }
    assert!(store.stats().flushes > 3, "{:?}", store.stats());
}

#[tokio::test]
async fn a_clean_close_leaves_nothing_to_replay() {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    for n in 0..50 {
        store.commit(Batch::new().put(format!("k{n}"), "v").append("r")).await.unwrap();
    }
    store.close().unwrap();
    assert!(matches!(store.commit(Batch::new().put("k", "v")).await, Err(CommitError::Unavailable(_))));
    assert_eq!(disk.list(Path::new("/store/journal")).unwrap(), Vec::<String>::new());
    let store = on(&disk).unwrap();
    assert_eq!(store.recovery().commits, 0);
    assert_eq!(store.scan(b"", None, 100).await.unwrap().len(), 50);
    assert_eq!(store.log_size().await.unwrap(), 50);
    assert!(store.commit(Batch::new().put("k", "v")).await.is_ok());
}

#[tokio::test]
async fn the_log_reads_across_sealed_open_and_memory_and_trims_whole_segments() {
    let disk = SimDisk::new();
    let mut store = on(&disk).unwrap();
    let record = |n: u64| format!("record {n} {}", "x".repeat((n % 700) as usize)).into_bytes();
    for n in 0..600 {
        store.commit(Batch::new().append(record(n))).await.unwrap();
        if n == 400 {
            drop(store);
            store = on(&disk).unwrap();
        }
    }
    store.flush().unwrap();
    for n in 600..620 {
        store.commit(Batch::new().append(record(n))).await.unwrap();
    }
    // Sealing comes behind the flush, and how much a flush brings depends on how busy the machine is.
    let sealed = || disk.list(Path::new("/store/log")).unwrap().iter().filter(|name| name.ends_with(".zst")).count();
    let deadline = Instant::now() + Duration::from_secs(10);
    while sealed() < 2 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(sealed() >= 2);
    for from in [0u64, 1, 63, 64, 65, 300, 599, 600, 619] {
        let read = store.log_read(from, 1000).await.unwrap();
        let wanted: Vec<_> = (from..620).map(|n| (n, record(n).into())).collect();
        assert_eq!(read, wanted, "from {from}");
        assert_eq!(store.log_read(from, 3).await.unwrap(), wanted[..wanted.len().min(3)], "from {from}");
    }
    store.log_trim(300).await.unwrap();
    let first = store.stats().log_first;
    assert!(first <= 300, "first is {first}");
    assert_eq!(store.log_read(0, 1).await.unwrap()[0].0, first);
    store.log_trim(u64::MAX).await.unwrap();
    store.verify().unwrap();
    drop(store);
    let store = on(&disk).unwrap();
    assert_eq!(store.log_size().await.unwrap(), 620);
    assert_eq!(store.log_read(610, 10).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_trim_leaves_what_the_tree_knows_of_the_log() {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    // One whole segment, which ends where the tree's log does.
    store.commit(Batch::new().append(vec![1; 17_000])).await.unwrap();
    store.flush().unwrap();
    // More than may wait in memory: some of it is in segments behind it, of which the tree does not know.
    for n in 0..5u8 {
        store.commit(Batch::new().append(vec![n; 9_000])).await.unwrap();
    }
    assert_eq!(store.stats().flushes, 1);
    store.log_trim(u64::MAX).await.unwrap();
    for (life, disk) in [disk.kill(), disk.power_loss(3)].iter().enumerate() {
        let store = on(disk).unwrap_or_else(|error| panic!("life {life}: {error}"));
        assert_eq!(store.log_read(1, 10).await.unwrap().len(), 5);
        store.flush().unwrap();
        store.log_trim(u64::MAX).await.unwrap();
        assert!(store.stats().log_first > 0, "the tree knows of what comes behind it");
    }
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_ends() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let store = EmbeddedStore::open(&dir, small()).unwrap();
    let Err(refused) = EmbeddedStore::open(&dir, small()) else { panic!("opened twice") };
    assert!(matches!(refused, OpenError::Locked(_)), "{refused}");
    assert!(refused.to_string().ends_with("is in use by another process"));
    store.commit(Batch::new().put("k", "v")).await.unwrap();
    store.close().unwrap();
    EmbeddedStore::open(&dir, small()).unwrap();
}

#[tokio::test]
async fn only_the_owner_may_read_what_is_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = small();
    options.reserve_bytes = 1 << 20;
    let store = EmbeddedStore::open(&dir, options).unwrap();
    for _ in 0..100 {
        store.commit(Batch::new().put("k", vec![0; 1000]).append(vec![1; 500])).await.unwrap();
    }
    let mut seen = 0;
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
                continue;
            }
            // A journal file may be removed by a flush while we look.
            let Ok(metadata) = entry.metadata() else { continue };
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
            seen += 1;
        }
    }
    assert!(seen >= 4);
}

#[test]
fn a_directory_that_cannot_be_is_a_clear_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let Err(OpenError::Io { path, .. }) = EmbeddedStore::open(&file.join("data"), small()) else { panic!("opened") };
    assert!(path.starts_with(&file));
}

#[test]
fn a_directory_that_is_read_only_is_a_clear_error() {
    // A directory in which nobody creates a file, root included, who runs tests on some machines.
    let dir = Path::new("/proc/self");
    let Err(OpenError::Io { path, error }) = EmbeddedStore::open(dir, small()) else { panic!("opened") };
    assert!(path.starts_with(dir), "{}", path.display());
    assert!(OpenError::Io { path, error }.to_string().contains("/proc/self"));
}

#[tokio::test]
async fn a_failed_sync_or_write_ends_the_store_and_is_never_tried_again() {
    for (op, error) in [
        (SimOp::Sync, std::io::ErrorKind::Other),
        (SimOp::Write, std::io::ErrorKind::PermissionDenied),
        (SimOp::Sync, std::io::ErrorKind::StorageFull),
    ] {
        let disk = SimDisk::new();
        let store = on(&disk).unwrap();
        store.commit(Batch::new().put("good", "1").append("r")).await.unwrap();
        let wait = store.log_wait(1);
        disk.fail(SimFault { op, path: "journal", nth: 1, error });
        let failed = store.commit(Batch::new().put("lost", "1").append("r")).await;
        assert!(matches!(failed, Err(CommitError::Unknown(_))), "{op:?}: {failed:?}");
        // The disk works again; the store must not believe it.
        let later = store.commit(Batch::new().put("later", "1")).await;
        assert!(matches!(&later, Err(CommitError::Unavailable(why)) if why.contains("journal")), "{later:?}");
        let snapshot = store.get(&[b"good", b"lost"]).await.unwrap();
        assert!(snapshot.values[0].is_some(), "reads go on");
        assert!(store.durable(snapshot.revision).await.is_err(), "what was applied is not durable");
        assert_eq!(store.log_size().await.unwrap(), 1);
        assert!(wait.await.is_err());
        assert!(store.stats().failed && store.flush().is_err());
        drop(store);
        let store = on(&disk.power_loss(7)).unwrap();
        assert!(store.get(&[b"good"]).await.unwrap().values[0].is_some());
    }
}

#[tokio::test]
async fn records_go_to_the_segments_long_before_the_tree_takes_over() {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    // Three times what may wait in memory: the last commit is accepted only after most of it went on.
    let record = |n: u32| [n.to_be_bytes().as_slice(), &[9; 1000]].concat();
    for n in 0..96u32 {
        store.commit(Batch::new().put("hot", n.to_be_bytes().to_vec()).append(record(n))).await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.flushes, 0, "one small key is no reason to write the tree");
    assert!(stats.log_bytes >= 64_000, "{}", stats.log_bytes);
    for (life, disk) in [disk.kill(), disk.power_loss(3)].iter().enumerate() {
        let store = on(disk).unwrap();
        assert_eq!(store.recovery().commits, 96, "life {life}");
        let log = store.log_read(0, 1000).await.unwrap();
        assert!(log.iter().map(|(at, r)| (*at, r.to_vec())).eq((0..96).map(|n| (u64::from(n), record(n)))));
        store.flush().unwrap();
        assert_eq!(store.log_read(90, 1000).await.unwrap().len(), 6);
    }
}

#[tokio::test]
async fn one_key_written_again_and_again_does_not_make_an_endless_journal() {
    let store = on(&SimDisk::new()).unwrap();
    let mut n = 0u32;
    // In memory it is one small entry; four times 32 KiB of journal are reason enough.
    while store.stats().flushes < 2 {
        store.commit(Batch::new().put("hot", [n.to_be_bytes().as_slice(), &[1; 1000]].concat())).await.unwrap();
        n += 1;
        assert!(n < 20_000, "20 MB of journal are not brought to the tree");
    }
    assert!(n > 128, "the tree took over after {n} KB");
}

#[tokio::test]
async fn a_prefix_that_was_empty_is_not_thought_so_for_ever() {
    let store = on(&SimDisk::new()).unwrap();
    let keys = |found: Vec<(crate::Key, crate::Versioned)>| found.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    for after in [None, Some(b"q/1".as_slice()), None] {
        assert!(store.scan(b"q/", after, 10).await.unwrap().is_empty());
    }
    store.commit(Batch::new().put("q/2", "v").put("p", "v")).await.unwrap();
    assert_eq!(keys(store.scan(b"q/", None, 10).await.unwrap()), [b"q/2"]);
    store.flush().unwrap();
    assert_eq!(keys(store.scan(b"q/", None, 10).await.unwrap()), [b"q/2"]);
    store.commit(Batch::new().delete("q/2")).await.unwrap();
    assert!(store.scan(b"q/", None, 10).await.unwrap().is_empty());
    // The tree has it still, under a deletion that it does not know of.
    store.commit(Batch::new().put("q/3", "v")).await.unwrap();
    assert_eq!(keys(store.scan(b"q/", None, 10).await.unwrap()), [b"q/3"]);
    store.flush().unwrap();
    assert_eq!(keys(store.scan(b"q", None, 10).await.unwrap()), [b"q/3"]);
}

#[tokio::test]
async fn a_failed_flush_loses_nothing() {
    for (op, path) in [
        (SimOp::Write, "tree"),
        (SimOp::Sync, "tree"),
        (SimOp::Write, ".seg"),
        (SimOp::Sync, "/log"),
        (SimOp::Sync, ".seg"),
    ] {
        for nth in 1..4 {
            let disk = SimDisk::new();
            let store = on(&disk).unwrap();
            disk.fail(SimFault { op, path, nth, error: std::io::ErrorKind::Other });
            let mut acknowledged = 0;
            for n in 0..400u32 {
                match store.commit(Batch::new().put(format!("{n}"), vec![7; 500]).append(n.to_string())).await {
                    Ok(_) => acknowledged = n + 1,
                    Err(_) => break,
                }
            }
            assert!(acknowledged > 10, "{op:?} {path} {nth}: {acknowledged}");
            drop(store);
            let store = on(&disk.power_loss(u64::from(acknowledged))).unwrap();
            assert!(store.log_size().await.unwrap() >= u64::from(acknowledged), "{op:?} {path} {nth}");
            for n in 0..acknowledged {
                assert!(store.get(&[n.to_string().as_bytes()]).await.unwrap().values[0].is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_takes_essential_changes_only_and_recovers() {
    for room in [100u64 << 10, 130 << 10, 170 << 10, 250 << 10] {
        let disk = SimDisk::new();
        let mut options = small();
        options.reserve_bytes = 1 << 20;
        let store = EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap();
        store.commit(Batch::new().put("first", "v")).await.unwrap();
        disk.set_capacity(Some(disk.used_bytes() + room));
        let mut acknowledged = Vec::new();
        let refused = loop {
            let n = acknowledged.len();
            match store.commit(Batch::new().put(format!("{n}"), vec![n as u8; 900]).append(format!("{n}"))).await {
                Ok(_) => acknowledged.push(n),
                Err(error) => break error,
            }
            assert!(n < 5000, "never full");
        };
        assert!(matches!(&refused, CommitError::Unavailable(why) if why.contains("disk full")), "{refused:?}");
        assert!(store.stats().disk_full && !store.stats().failed);
        let essential = Batch::new().put("sealed", "1").append("sealed").essential();
        store.commit(essential).await.unwrap();
        for n in &acknowledged {
            assert!(store.get(&[n.to_string().as_bytes()]).await.unwrap().values[0].is_some(), "{n} is unreadable");
        }
        // Killed while full, and opened again while full: nothing acknowledged is lost.
        let copy = disk.kill();
        drop(store);
        copy.set_capacity(Some(copy.used_bytes() + (64 << 10)));
        let mut options = small();
        options.reserve_bytes = 1 << 20;
        let store = EmbeddedStore::open_on(Arc::new(copy.clone()), Path::new(DIR), options).unwrap();
        assert_eq!(store.log_size().await.unwrap(), acknowledged.len() as u64 + 1);
        assert!(store.stats().disk_full);
        copy.set_capacity(None);
        let deadline = Instant::now() + Duration::from_secs(10);
        while store.stats().disk_full && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.commit(Batch::new().put("ordinary", "again")).await.unwrap();
        store.close().unwrap();
        assert!(copy.content(&Path::new(DIR).join("reserve")).is_some_and(|reserve| reserve.len() == 1 << 20));
    }
}

/// `cargo test --release -p cardea-storage -- --ignored --nocapture measure`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures and asserts none"]
async fn measure() {
    let root = tempfile::tempdir_in(std::env::var("CARDEA_BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let store = Arc::new(EmbeddedStore::open(&root.path().join("s"), Options::new(Arc::new(now))).unwrap());
    for tasks in [1usize, 16, 64, 128] {
        for same_key in [false, true] {
            let before = store.stats();
            let started = Instant::now();
            let stop = started + Duration::from_secs(3);
            let mut running = Vec::new();
            for task in 0..tasks {
                let store = store.clone();
                running.push(tokio::spawn(async move {
                    let mut done = 0u64;
                    while Instant::now() < stop {
                        let key = if same_key { "hot".to_owned() } else { format!("{task}/{}", done % 2000) };
                        store.commit(Batch::new().put(key, vec![5u8; 1024]).append(vec![6u8; 300])).await.unwrap();
                        done += 1;
                    }
                    done
                }));
            }
            let mut done = 0;
            for task in running {
                done += task.await.unwrap();
            }
            let (after, s) = (store.stats(), started.elapsed().as_secs_f64());
            let syncs = after.syncs - before.syncs;
            println!(
                "commits {tasks:>3} tasks, {:>6}: {:>8.0}/s, {:>6.0} syncs/s of {:>4.0} us, group {:>5.1}, {} flushes",
                if same_key { "hot" } else { "spread" },
                done as f64 / s,
                syncs as f64 / s,
                (after.sync_ns - before.sync_ns) as f64 / syncs as f64 / 1000.0,
                done as f64 / syncs as f64,
                after.flushes - before.flushes
            );
        }
    }
    store.flush().unwrap();
    for (name, keys) in [("hot", 1000u64), ("all of 128,000", 128 * 1000)] {
        let started = Instant::now();
        let mut n = 0u64;
        while started.elapsed() < Duration::from_secs(2) {
            let at = n.wrapping_mul(2_654_435_761) % keys;
            let key = format!("{}/{}", at % 128, at / 128);
            assert!(!store.get(&[key.as_bytes()]).await.unwrap().values.is_empty());
            n += 1;
        }
        println!("gets, {name}: {:.0}/s", n as f64 / started.elapsed().as_secs_f64());
    }
}
