//! Files of the embedded store, damaged: it opens or says where the damage is, and what opened once opens again alike.

use crate::mount::wait;
use cardea_storage::embedded::{EmbeddedStore, Options};
use cardea_storage::sim::SimDisk;
use cardea_storage::{Batch, Store};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const DIR: &str = "/store";
const COMMITS: u64 = 4;

struct Disks {
    /// Killed with everything in the journal.
    journal: SimDisk,
    /// Closed, with everything in a segment of the log and in the tree.
    segment: SimDisk,
}

static DISKS: LazyLock<Disks> = LazyLock::new(|| {
    let full = |close: bool| {
        let disk = SimDisk::new();
        let store = open(&disk).unwrap_or_else(|error| panic!("a fresh store: {error}"));
        for n in 0..COMMITS {
            wait(store.commit(Batch::new().put(format!("k{n}"), format!("value {n}")).append(format!("record {n}"))))
                .unwrap();
        }
        if close {
            store.close().unwrap();
        }
        disk.kill()
    };
    Disks { journal: full(false), segment: full(true) }
});

fn open(disk: &SimDisk) -> Result<EmbeddedStore, String> {
    let mut options = Options::new(Arc::new(|| 1_000_000));
    (options.flush_bytes, options.segment_bytes, options.reserve_bytes) = (32 << 10, 16 << 10, 0);
    (options.value_cache_bytes, options.tree_cache_bytes) = (64 << 10, 1 << 20);
    EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new(DIR), options).map_err(|error| error.to_string())
}

fn file(disk: &SimDisk, folder: &str) -> PathBuf {
    let below =
        |path: &&PathBuf| path.to_string_lossy().contains(folder) && disk.content(path).is_some_and(|c| !c.is_empty());
    disk.paths().iter().rfind(below).cloned().unwrap_or_else(|| panic!("no file in {folder}"))
}

pub fn journal_seeds() -> Vec<Vec<u8>> {
    let disk = &DISKS.journal;
    let whole = disk.content(&file(disk, "journal/")).unwrap();
    // Damage with good groups behind it.
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    vec![whole, damaged]
}

pub fn segment_seeds() -> Vec<Vec<u8>> {
    let disk = &DISKS.segment;
    vec![disk.content(&file(disk, "log/")).unwrap()]
}

/// The journal.
pub fn journal(data: &[u8]) -> bool {
    damaged(&DISKS.journal, "journal/", data)
}

/// A segment of the log.
pub fn segment(data: &[u8]) -> bool {
    damaged(&DISKS.segment, "log/", data)
}

fn damaged(whole: &SimDisk, folder: &str, data: &[u8]) -> bool {
    let disk = whole.kill();
    disk.replace(&file(whole, folder), data.to_vec());
    let Ok(store) = open(&disk) else { return false };
    let state = |store: &EmbeddedStore| {
        wait(async {
            let keys: Vec<String> = (0..COMMITS).map(|n| format!("k{n}")).collect();
            let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
            let found = store.get(&keys).await.map(|found| format!("{:?}", found.values)).map_err(drop);
            (found, store.log_read(0, 100).await.map_err(drop), store.log_size().await.map_err(drop))
        })
    };
    let before = state(&store);
    let _ = store.verify();
    drop(store);
    let Ok(store) = open(&disk) else { panic!("a store opened, and does not open again") };
    assert!(store.recovery().cut.is_none(), "the end was cut twice");
    assert_eq!(state(&store), before, "a store opens twice and differs");
    true
}
