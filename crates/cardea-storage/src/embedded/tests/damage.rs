//! Damage to files: a torn end is cut and reported, anything else is refused with the place named. Nothing damaged may
//! ever be served.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{DIR, on, small};
use crate::embedded::{EmbeddedStore, OpenError, journal};
use crate::sim::SimDisk;
use crate::{Batch, ReadError, Revision, Store};

fn paths(disk: &SimDisk, part: &str, suffix: &str) -> Vec<PathBuf> {
    let wanted = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.contains(part) && path.ends_with(suffix)
    };
    disk.paths().into_iter().filter(wanted).collect()
}

/// Three acknowledged commits, killed; the journal's only file.
async fn three_commits() -> (SimDisk, PathBuf, Vec<u8>) {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    for n in 0..3 {
        store.commit(Batch::new().put(format!("k{n}"), format!("value {n}")).append(format!("r{n}"))).await.unwrap();
    }
    let killed = disk.kill();
    drop(store);
    let path = paths(&killed, "journal", ".journal").pop().unwrap();
    let content = killed.content(&path).unwrap();
    (killed, path, content)
}

/// Where groups start, and where the last one ends.
fn group_starts(content: &[u8]) -> Vec<usize> {
    let mut starts = vec![20];
    loop {
        let at = *starts.last().unwrap();
        let length = u32::from_le_bytes(content[at + 4..at + 8].try_into().unwrap()) as usize;
        if content[at..at + 4] != *b"\xc4GRP" {
            return starts;
        }
        starts.push(at + journal::GROUP_HEADER_BYTES + length);
    }
}

#[tokio::test]
async fn a_journal_cut_at_every_byte_of_the_last_group_keeps_the_earlier_ones() {
    let (disk, path, content) = three_commits().await;
    let starts = group_starts(&content);
    assert_eq!(starts.len(), 4);
    for cut in starts[2]..=starts[3] {
        for zeros in [0usize, 300] {
            let copy = disk.kill();
            disk.turn_on();
            let torn = [&content[..cut], vec![0; zeros].as_slice()].concat();
            copy.replace(&path, torn);
            let store = on(&copy).unwrap();
            let whole = cut == starts[3];
            let kept = if whole { 3 } else { 2 };
            assert_eq!(store.recovery().commits, kept, "cut at {cut}");
            let reported = store.recovery().cut.as_ref().map(|cut| (cut.file.clone(), cut.offset));
            let expected = (!whole && cut > starts[2]).then(|| (path.clone(), starts[2] as u64));
            assert_eq!(reported, expected, "cut at {cut}");
            assert_eq!(store.log_size().await.unwrap(), kept);
            for n in 0..kept {
                assert!(store.get(&[format!("k{n}").as_bytes()]).await.unwrap().values[0].is_some());
            }
            store.commit(Batch::new().put("after", "v").append("r")).await.unwrap();
            drop(store);
            let store = on(&copy).unwrap();
            assert!(store.recovery().cut.is_none(), "the cut is made once");
            assert_eq!(store.log_size().await.unwrap(), kept + 1);
        }
    }
}

#[tokio::test]
async fn a_flip_of_any_byte_of_a_group_with_good_ones_behind_it_is_corruption() {
    let (disk, path, content) = three_commits().await;
    let starts = group_starts(&content);
    for at in 0..starts[2] {
        let copy = disk.kill();
        disk.turn_on();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        copy.replace(&path, flipped);
        match on(&copy) {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                let start = starts.iter().rev().find(|start| **start <= at).copied().unwrap_or(20);
                assert_eq!((file, offset), (path.clone(), start as u64), "byte {at}");
            }
            Err(other) => panic!("byte {at}: {other}"),
            Ok(_) => panic!("byte {at}: opened"),
        }
    }
}

#[tokio::test]
async fn missing_files_are_corruption() {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    for n in 0..200 {
        store.commit(Batch::new().put(format!("{n}"), vec![1; 500]).append(vec![2; 300])).await.unwrap();
        if n % 60 == 59 {
            // One segment each, so that there is one between two others.
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    store.commit(Batch::new().put("last", "v")).await.unwrap();
    let disk = disk.kill();
    drop(store);
    let newest_segment = paths(&disk, "/log/", "").pop().unwrap();
    for gone in [PathBuf::from(DIR).join("tree.redb"), newest_segment, paths(&disk, "/log/", "")[1].clone()] {
        let copy = disk.kill();
        disk.turn_on();
        crate::disk::Disk::remove(&copy, &gone).unwrap();
        let Err(OpenError::Corrupt { .. }) = on(&copy) else { panic!("opened without {}", gone.display()) };
    }
    on(&disk).unwrap();
}

/// A store with a tree, sealed segments, an open one, and something in the journal.
async fn filled() -> SimDisk {
    let disk = SimDisk::new();
    let store = on(&disk).unwrap();
    for n in 0..300u32 {
        store
            .commit(Batch::new().put(format!("{n:04}"), vec![n as u8; 400]).append(format!("{n} {n} {n}")))
            .await
            .unwrap();
        if n % 20 == 0 {
            store.commit(Batch::new().append(vec![3; 2000])).await.unwrap();
        }
    }
    store.flush().unwrap();
    for n in 300..310u32 {
        store.commit(Batch::new().put(format!("{n:04}"), vec![n as u8; 400]).append(format!("{n}"))).await.unwrap();
    }
    let killed = disk.kill();
    drop(store);
    killed
}

/// Everything that can be asked of it; `Err` for the first thing that is refused.
async fn read_all(
    store: &EmbeddedStore,
) -> Result<(Vec<(Vec<u8>, Revision, bytes::Bytes)>, Vec<bytes::Bytes>), ReadError> {
    let mut values = Vec::new();
    for n in 0..310u32 {
        let key = format!("{n:04}").into_bytes();
        if let Some(v) = store.get(&[&key]).await?.values.remove(0) {
            values.push((key, v.revision, v.value));
        }
    }
    let scanned: Vec<_> =
        store.scan(b"", None, 1000).await?.into_iter().map(|(k, v)| (k, v.revision, v.value)).collect();
    if scanned != values {
        return Err(ReadError::Corrupt("scan and gets differ".to_owned()));
    }
    let mut records = Vec::new();
    loop {
        let read = store.log_read(records.len() as u64, 1000).await?;
        if read.is_empty() {
            return Ok((values, records));
        }
        records.extend(read.into_iter().map(|(_, record)| record));
    }
}

/// Flips one bit at a time, spread over every file, and reads everything: the answer is an error or the truth.
#[tokio::test]
async fn flipped_bits_are_never_served() {
    std::panic::set_hook(Box::new(|_| {})); // redb may panic on damaged pages; the store turns it into an error
    let disk = filled().await;
    let truth = {
        let copy = disk.kill();
        disk.turn_on();
        read_all(&on(&copy).unwrap()).await.unwrap()
    };
    let (mut detected, mut harmless, mut missed) = (0, 0, Vec::new());
    for path in disk.paths() {
        let Some(content) = disk.content(&path) else { continue };
        let is_tree = path.ends_with("tree.redb");
        let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let step = (used / 150).max(1);
        for at in (0..used).step_by(step) {
            let copy = disk.kill();
            disk.turn_on();
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            copy.replace(&path, flipped);
            let mut options = small();
            options.verify = is_tree;
            let opened = EmbeddedStore::open_on(std::sync::Arc::new(copy.clone()), Path::new(DIR), options);
            let cut = opened.as_ref().is_ok_and(|store| store.recovery().cut.is_some());
            match opened {
                Err(_) => detected += 1,
                Ok(store) => match read_all(&store).await {
                    Err(_) => detected += 1,
                    Ok(read) if read == truth => harmless += 1,
                    // The last group of a journal looks like one that was never acknowledged; it is reported as cut.
                    Ok(_) if cut => detected += 1,
                    Ok(_) => missed.push((path.clone(), at)),
                },
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(detected > 100, "{detected} detected, {harmless} harmless");
}

fn entries() -> impl Strategy<Value = Batch> {
    let key = prop::collection::vec(any::<u8>(), 1..40);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let record = prop::collection::vec(any::<u8>(), 0..200);
    (prop::collection::btree_map(key, value, 0..6), prop::collection::vec(record, 0..4)).prop_map(
        |(writes, records)| {
            let batch = writes.into_iter().fold(Batch::new().append("r"), |b, (key, value)| match value {
                Some(value) => b.put(key, value),
                None => b.delete(key),
            });
            records.into_iter().fold(batch, |b, record| b.append(record))
        },
    )
}

proptest! {
    /// Whatever is journaled is replayed, and whatever bytes lie in a journal, a replay ends in an answer.
    #[test]
    fn journals_round_trip_and_never_panic(batches in prop::collection::vec(entries(), 1..8), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let disk = SimDisk::new();
        let dir = Path::new("/j");
        let mut writer = journal::Writer::new(std::sync::Arc::new(disk.clone()), dir.into(), 4096);
        let mut group = journal::Group::new();
        let mut wanted = Vec::new();
        for (number, batch) in (1u64..).zip(&batches) {
            let mut entry = journal::encode(batch);
            journal::set_time(&mut entry, number);
            group.push(Revision(number), &entry);
            wanted.push((batch.writes.len(), batch.appends.clone()));
            if number % 2 == 0 {
                prop_assert!(writer.write(&mut group).is_ok());
                group.clear();
            }
        }
        if !group.is_empty() {
            prop_assert!(writer.write(&mut group).is_ok());
        }
        let mut seen = Vec::new();
        journal::replay(&disk, dir, Revision(0), |entry| seen.push((entry.writes.len(), entry.appends))).unwrap();
        prop_assert_eq!(&seen, &wanted);
        let path = disk.paths().pop().unwrap();
        let mut content = disk.content(&path).unwrap();
        for (at, byte) in damage {
            let at = at.index(content.len());
            content[at] = byte;
        }
        disk.replace(&path, content);
        let mut after = Vec::new();
        if journal::replay(&disk, dir, Revision(0), |entry| after.push((entry.writes.len(), entry.appends))).is_ok() {
            prop_assert_eq!(&after[..], &wanted[..after.len()]);
        }
    }
}
