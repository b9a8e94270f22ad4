//! Power losses: at a random operation of the disk, with a random part of what was not synced kept, over many seeds.
//! What was acknowledged is there, in whole batches, in order, and nothing that was never asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{DIR, on, small};
use crate::embedded::Options;
use crate::sim::SimDisk;
use crate::{Batch, EmbeddedStore, Store};

/// What one writer knows of its own key space: the last acknowledged round, and the last one it tried.
#[derive(Clone, Copy, Default)]
struct Writer {
    acknowledged: u32,
    tried: u32,
}

/// A batch writes `round` to three keys of the writer, deletes one of the round before, and appends two records.
fn batch(writer: u8, round: u32) -> Batch {
    let value = [round.to_be_bytes().as_slice(), &vec![writer; (round as usize * 97) % 900]].concat();
    let mut batch = Batch::new();
    for part in 0..3u8 {
        batch = batch.put(vec![writer, b'a', part], value.clone());
    }
    batch = batch.put([&[writer, b'r'], round.to_be_bytes().as_slice()].concat(), "");
    if round > 1 {
        batch = batch.delete([&[writer, b'r'], (round - 1).to_be_bytes().as_slice()].concat());
    }
    for half in 0..2u8 {
        batch = batch.append([&[writer, half], round.to_be_bytes().as_slice(), &[half; 40]].concat());
    }
    batch
}

/// Compares what is there with what the writers know, and gives each writer the round that it goes on from.
async fn check(store: &impl Store, writers: &mut BTreeMap<u8, Writer>, seed: u64) {
    let mut rounds: BTreeMap<u8, u32> = BTreeMap::new();
    for (writer, known) in writers.iter_mut() {
        let keys: Vec<[u8; 3]> = (0..3u8).map(|part| [*writer, b'a', part]).collect();
        let refs: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
        let values = store.get(&refs).await.unwrap().values;
        assert!(values.iter().all(|v| *v == values[0]), "seed {seed}: half a batch of writer {writer}");
        let round = values[0].as_ref().map_or(0, |v| u32::from_be_bytes(v.value[..4].try_into().unwrap()));
        assert!(round >= known.acknowledged, "seed {seed}: writer {writer} lost {round} < {}", known.acknowledged);
        assert!(round <= known.tried, "seed {seed}: writer {writer} has {round} > {}", known.tried);
        let marks = store.scan(&[*writer, b'r'], None, 10).await.unwrap();
        let wanted = (round > 0).then(|| [&[*writer, b'r'], round.to_be_bytes().as_slice()].concat());
        assert_eq!(marks.into_iter().map(|(key, _)| key).next(), wanted, "seed {seed}: marks of writer {writer}");
        rounds.insert(*writer, round);
        *known = Writer { acknowledged: round, tried: round };
    }
    let mut logged: BTreeMap<u8, u32> = BTreeMap::new();
    let (mut next, trimmed) = (0, store.stats().log_first > 0);
    loop {
        let records = store.log_read(next, 1000).await.unwrap();
        let Some((last, _)) = records.last() else { break };
        next = last + 1;
        for pair in records.chunks(2) {
            let (writer, round) = (pair[0].1[0], u32::from_be_bytes(pair[0].1[2..6].try_into().unwrap()));
            assert_eq!(pair[0].1[1..2], [0], "seed {seed}: half a batch in the log");
            assert_eq!((pair[1].1[0], pair[1].1[1]), (writer, 1), "seed {seed}: half a batch in the log");
            let expected = logged.get(&writer).map_or(if trimmed { round } else { 1 }, |last| last + 1);
            assert_eq!(round, expected, "seed {seed}: the log of writer {writer} has a gap");
            logged.insert(writer, round);
        }
    }
    assert_eq!(next, store.log_size().await.unwrap(), "seed {seed}");
    for (writer, round) in rounds {
        let last = logged.get(&writer).copied().unwrap_or(if trimmed { round } else { 0 });
        assert_eq!(last, round, "seed {seed}: log and values of writer {writer}");
    }
}

/// One history: several lives on one disk, each ended by a loss of power or a kill at some operation.
async fn history(seed: u64, lives: u32) -> u64 {
    let mut total = 0;
    let mut disk = SimDisk::new();
    let writers = Arc::new(Mutex::new((0..4u8).map(|w| (w, Writer::default())).collect::<BTreeMap<_, _>>()));
    for life in 0..lives {
        let draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(life * 7 + 11);
        // Early points hit creation and recovery, late ones flushes, seals and rotations.
        disk.die_at(1 + draw % if draw.is_multiple_of(3) { 40 } else { 900 });
        if let Ok(store) = on(&disk) {
            let store = Arc::new(store);
            let mut tasks = Vec::new();
            let known = writers.lock().unwrap().clone();
            for (writer, known) in known {
                let (store, writers) = (store.clone(), writers.clone());
                tasks.push(async move {
                    let mut round = known.acknowledged;
                    while round < known.acknowledged + 120 {
                        round += 1;
                        writers.lock().unwrap().get_mut(&writer).unwrap().tried = round;
                        if store.commit(batch(writer, round)).await.is_err() {
                            return;
                        }
                        if round.is_multiple_of(30) {
                            let size = store.log_size().await.unwrap();
                            let _ = store.log_trim(size / 2).await;
                        }
                        writers.lock().unwrap().get_mut(&writer).unwrap().acknowledged = round;
                    }
                });
            }
            let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        disk = if draw.is_multiple_of(5) { disk.kill() } else { disk.power_loss(draw) };
        let store = match on(&disk) {
            Ok(store) => store,
            Err(error) => panic!("seed {seed}, life {life}: {error}"),
        };
        let mut known = writers.lock().unwrap().clone();
        check(&store, &mut known, seed).await;
        total += u64::from(known.values().map(|writer| writer.acknowledged).sum::<u32>());
        *writers.lock().unwrap() = known;
        if draw.is_multiple_of(2) {
            store.close().unwrap();
            let mut known = writers.lock().unwrap().clone();
            check(&on(&disk).unwrap(), &mut known, seed).await;
        }
        drop(store);
        // What was shown is durable now, whatever happens next.
        disk = disk.power_loss(draw.rotate_left(9));
    }
    total
}

/// One writer, killed at an operation, and the power lost at an operation of the start that follows: what a start shows
/// or removes must not rest on what was never synced.
#[tokio::test]
async fn a_power_loss_during_the_start_after_a_kill_loses_nothing() {
    // Bounds so small that some thirty commits go through several flushes and sealings.
    let on = |disk: &SimDisk| {
        let options = Options { flush_bytes: 3 << 10, segment_bytes: 400, ..small() };
        EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new(DIR), options)
    };
    for killed_at in 1u64.. {
        let disk = SimDisk::new();
        let mut known = Writer::default();
        disk.die_at(killed_at);
        if let Ok(store) = on(&disk) {
            for round in 1..=24 {
                known.tried = round;
                if store.commit(batch(0, round)).await.is_err() {
                    break;
                }
                known.acknowledged = round;
            }
        }
        let finished = !disk.is_off();
        let killed = disk.kill();
        for (lost_at, draw) in (1..10u64).flat_map(|at| (0..4u64).map(move |draw| (at, draw))) {
            let copy = killed.kill();
            killed.turn_on();
            copy.die_at(lost_at);
            let shown = match on(&copy) {
                Ok(store) if !copy.is_off() => store.get(&[&[0, b'a', 0]]).await.ok(),
                _ => None,
            };
            let seed = killed_at * 100 + lost_at * 10 + draw;
            let store = on(&copy.power_loss(seed)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            check(&store, &mut [(0, known)].into(), seed).await;
            let now = store.get(&[&[0, b'a', 0]]).await.unwrap();
            assert!(shown.is_none_or(|shown| shown.values[0] == now.values[0]), "seed {seed}: what was shown is gone");
        }
        if finished {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_commits_survive_power_losses() {
    let seeds = std::env::var("CARDEA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150u64);
    let first = std::env::var("CARDEA_FIRST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1u64);
    let mut total = 0;
    for seed in first..first + seeds {
        total += history(seed, 3).await;
    }
    println!("{total} commits looked for after {} losses", seeds * 6);
    assert!(total > seeds * 100, "the histories were too short to show anything: {total}");
}
