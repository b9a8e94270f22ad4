//! The thread that makes commits durable: take what is pending, one write, one sync, wake who waited, again. It must
//! never report a group as durable whose write or sync failed, and never try a failed sync again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::embedded::crowd::Crowd;
use crate::embedded::journal::{Group, JournalFile, WriteFailure, Writer};
use crate::embedded::shared::Shared;

/// A group of at least this many waiters is a crowd, and whoever was just answered comes back with the next request: the
/// next group gathers while somebody is at work. Fewer never wait for company.
const CROWD_MIN: usize = 4;
/// How often gathering looks whether anybody still works.
const GATHER_LOOK: Duration = Duration::from_micros(150);
/// Looks at most: two milliseconds. Measured with 128 connections on two cores: a sync for every eighth request took a
/// fifth of a processor in wake-ups that answer nobody; with tens of requests to a sync a third more are answered.
const GATHER_LOOKS_MAX: u32 = 13;
/// Whoever was woken wakes the others as soon as it runs; if it has not by then, this thread does.
const CALL_AFTER: Duration = Duration::from_millis(1);

pub(crate) fn run(shared: &Arc<Shared>, mut writer: Writer) {
    let mut group = Group::new();
    let mut crowd = Arc::new(Crowd::default());
    loop {
        if crowd.size() >= CROWD_MIN {
            gather(shared, &crowd);
        }
        let log_upto;
        {
            let mut state = shared.lock();
            while state.pending.is_empty() {
                if state.stopping || state.failed.is_some() {
                    crowd.call();
                    return;
                }
                if crowd.sleeps() {
                    state = shared.wait_for(&shared.sync_wake, state, CALL_AFTER);
                    crowd.call();
                } else {
                    state = shared.wait(&shared.sync_wake, state);
                }
            }
            crowd.call();
            if state.failed.is_some() {
                return;
            }
            std::mem::swap(&mut group, &mut state.pending);
            state.inflight_upto = group.last();
            crowd = std::mem::take(&mut state.pending_crowd);
            state.inflight_crowd = crowd.clone();
            log_upto = state.log_end;
            if std::mem::take(&mut state.rotate) {
                writer.rotate();
            }
        }
        let started = Instant::now();
        let written = match writer.write(&mut group) {
            Err(WriteFailure::Full(error)) => {
                // The write failed cleanly, so trying it again is honest once there is room.
                if shared.enter_disk_full(&error.to_string()) {
                    writer.write(&mut group)
                } else {
                    Err(WriteFailure::Full(error))
                }
            }
            other => other,
        };
        match written {
            Ok(file) => {
                shared.syncs.fetch_add(1, Ordering::Relaxed);
                shared.sync_ns.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
                acknowledge(shared, &group, &crowd, log_upto, file);
            }
            Err(WriteFailure::Full(error)) => {
                shared.fail(format!("disk full, and no reserve is left for the journal: {error}"));
                return;
            }
            Err(WriteFailure::Fatal(error)) => {
                shared.fail(format!("the journal could not be written or synced: {error}"));
                return;
            }
        }
        group.clear();
    }
}

/// Lets the next group grow while somebody is at work who may join it: one who was called and has not run yet will be.
fn gather(shared: &Shared, crowd: &Crowd) {
    for _ in 0..GATHER_LOOKS_MAX {
        if (shared.options.quiet)() && !crowd.sleeps() {
            return;
        }
        std::thread::sleep(GATHER_LOOK);
    }
}

fn acknowledge(shared: &Shared, group: &Group, crowd: &Crowd, log_upto: u64, file: JournalFile) {
    {
        let mut state = shared.lock();
        state.durable = group.last();
        state.durable_log = log_upto;
        match state.journal.iter_mut().find(|known| known.path == file.path) {
            Some(known) => *known = file,
            None => state.journal.push(file),
        }
    }
    crowd.end(Ok(()));
    shared.ended.send_modify(|_| {});
    shared.durable_wake.notify_all();
}
