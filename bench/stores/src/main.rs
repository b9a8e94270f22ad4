//! Measures candidates for the embedded store on one disk in one run: durable commits by 1 and by 64 writers, point
//! reads, scans, opening, memory and size, at a number of records of 1 KiB. Prints a table. It decides nothing by
//! itself: the decision and its figures are docs/adr/0001-embedded-store.md.
//!
//! `stores DIR [RECORDS] [ENGINE …]`; each engine runs in a process of its own, so that memory is its own.

mod engines;

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use engines::{Engine, Error, Ours, open};

const ENGINES: [&str; 5] = ["redb", "heed", "fjall", "sqlite", "ours"];
const VALUE_BYTES: usize = 1024;
const MEASURE: Duration = Duration::from_secs(4);
const WRITERS: usize = 64;
/// Records a transaction while filling.
const FILL: u64 = 5_000;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: stores DIR [RECORDS] [ENGINE ...]";
    if args.first().is_some_and(|arg| arg == "one") {
        let [_, engine, dir, records] = args.as_slice() else { return Err(usage.into()) };
        return one(engine, Path::new(dir), records.parse()?);
    }
    let dir = args.first().ok_or(usage)?;
    let records = args.get(1).map_or("1000000", String::as_str);
    let chosen: Vec<&str> = if args.len() > 2 { args[2..].iter().map(String::as_str).collect() } else { ENGINES.to_vec() };
    let sync_us = sync_us(Path::new(dir))?;
    println!("{records} records of {VALUE_BYTES} bytes; one write of 1 KiB with fdatasync: {sync_us:.0} us");
    println!(
        "{:>8} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>9} {:>8}",
        "engine", "fill/s", "1 writer", "64 writers", "p50 ms", "p99 ms", "gets/s", "scans/s", "open ms", "anon MiB", "file MiB", "disk MiB"
    );
    for engine in chosen {
        let at = Path::new(dir).join(engine);
        let _ = std::fs::remove_dir_all(&at);
        std::fs::create_dir_all(&at)?;
        let program = std::env::current_exe()?;
        let status = std::process::Command::new(program).args(["one", engine]).arg(&at).arg(records).status()?;
        if !status.success() {
            println!("{engine:>8} failed");
        }
        std::fs::remove_dir_all(&at)?;
    }
    Ok(())
}

/// What the disk itself takes.
fn sync_us(dir: &Path) -> Result<f64, Error> {
    use std::os::unix::fs::FileExt;
    std::fs::create_dir_all(dir)?;
    let path = dir.join("sync");
    let file = std::fs::File::create(&path)?;
    let started = Instant::now();
    for n in 0..1000u64 {
        file.write_all_at(&[7; 1024], n * 1024)?;
        file.sync_data()?;
    }
    let took = started.elapsed();
    std::fs::remove_file(path)?;
    Ok(took.as_secs_f64() * 1e6 / 1000.0)
}

/// Keys in no order, all different: the multiplier is odd.
pub fn key(n: u64) -> Vec<u8> {
    format!("k/{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()
}

/// Bytes that no engine can compress.
pub fn value(n: u64) -> Vec<u8> {
    let mut state = n | 1;
    (0..VALUE_BYTES / 8)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect()
}

fn one(name: &str, dir: &Path, records: u64) -> Result<(), Error> {
    let mut engine = open(name, dir)?;
    let started = Instant::now();
    for start in (0..records).step_by(FILL as usize) {
        let batch: Vec<_> = (start..(start + FILL).min(records)).map(|n| (key(n), value(n))).collect();
        engine.put(batch)?;
    }
    let fill = records as f64 / started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut single = 0u64;
    while started.elapsed() < MEASURE {
        engine.put(vec![(key(single.wrapping_mul(7919) % records), value(single))])?;
        single += 1;
    }
    let single = single as f64 / started.elapsed().as_secs_f64();
    let (many, mut latencies) = match engine.ours() {
        Some(ours) => many_ours(&ours, records)?,
        None => many(engine.as_mut(), records)?,
    };
    latencies.sort_unstable();
    let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize] as f64 / 1e6;

    let rate = |each: &mut dyn FnMut(u64) -> Result<(), Error>| -> Result<f64, Error> {
        let (started, mut n) = (Instant::now(), 0u64);
        while started.elapsed() < MEASURE {
            for _ in 0..16 {
                n += 1;
                each(n.wrapping_mul(2_654_435_761) % records)?;
            }
        }
        Ok(n as f64 / started.elapsed().as_secs_f64())
    };
    let gets = rate(&mut |n| engine.get(&key(n)).and_then(|found| if found { Ok(()) } else { Err("missing".into()) }))?;
    let scans = rate(&mut |n| engine.scan(&key(n), 100).map(|_| ()))?;
    let (anon, file) = memory_mib()?;
    drop(engine);
    let started = Instant::now();
    let engine = open(name, dir)?;
    let opened = started.elapsed();
    if !engine.get(&key(records - 1))? {
        return Err("a record is gone".into());
    }
    let disk = disk_bytes(dir)? >> 20;
    println!(
        "{name:>8} {fill:>9.0} {single:>10.0} {many:>10.0} {:>9.2} {:>9.2} {gets:>9.0} {scans:>9.0} {:>8.1} {anon:>9} {file:>9} {disk:>8}",
        quantile(0.5),
        quantile(0.99),
        opened.as_secs_f64() * 1e3
    );
    Ok(())
}

type Job = (Vec<u8>, Vec<u8>, Sender<()>);

/// Writers hand their record to one thread, which commits all that wait as one transaction.
fn many(engine: &mut dyn Engine, records: u64) -> Result<(f64, Vec<u64>), Error> {
    let (jobs, waiting): (Sender<Job>, Receiver<Job>) = channel();
    let started = Instant::now();
    let writers: Vec<_> = (0..WRITERS as u64)
        .map(|writer| {
            let jobs = jobs.clone();
            std::thread::spawn(move || {
                let (done, answer) = channel();
                let (mut n, mut latencies) = (writer, Vec::new());
                while started.elapsed() < MEASURE {
                    n += WRITERS as u64;
                    let asked = Instant::now();
                    let job = (key(n.wrapping_mul(7919) % records), value(n), done.clone());
                    if jobs.send(job).is_err() || answer.recv().is_err() {
                        break;
                    }
                    latencies.push(asked.elapsed().as_nanos() as u64);
                }
                latencies
            })
        })
        .collect();
    drop(jobs);
    while let Ok(first) = waiting.recv() {
        let mut answers = Vec::new();
        let mut batch = std::collections::BTreeMap::new();
        for (key, value, answer) in std::iter::once(first).chain(waiting.try_iter()) {
            batch.insert(key, value);
            answers.push(answer);
        }
        engine.put(batch.into_iter().collect())?;
        for answer in answers {
            let _ = answer.send(());
        }
    }
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.join().map_err(|_| "a writer panicked")?);
    }
    Ok((latencies.len() as f64 / started.elapsed().as_secs_f64(), latencies))
}

/// Our store groups by itself: writers are tasks that commit.
fn many_ours(ours: &Ours, records: u64) -> Result<(f64, Vec<u64>), Error> {
    let started = Instant::now();
    let writers: Vec<_> = (0..WRITERS as u64)
        .map(|writer| {
            let store = ours.store.clone();
            ours.runtime.spawn(async move {
                let (mut n, mut latencies) = (writer, Vec::new());
                while started.elapsed() < MEASURE {
                    n += WRITERS as u64;
                    let asked = Instant::now();
                    engines::commit(&store, vec![(key(n.wrapping_mul(7919) % records), value(n))]).await?;
                    latencies.push(asked.elapsed().as_nanos() as u64);
                }
                Ok::<_, String>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(ours.runtime.block_on(writer)??);
    }
    Ok((latencies.len() as f64 / started.elapsed().as_secs_f64(), latencies))
}

/// Anonymous memory and mapped files of this process, MiB.
fn memory_mib() -> Result<(u64, u64), Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) >> 10
    };
    Ok((field("RssAnon"), field("RssFile")))
}

fn disk_bytes(dir: &Path) -> Result<u64, Error> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}

