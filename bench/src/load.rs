//! The generator: one keep-alive connection a worker, no pipelining, every answer checked. Closed loop sends the next
//! request when the answer is there. Open loop has a fixed rate: each request has an intended start, and its latency
//! counts from there, also when no connection was free, so that a server that stops is not spared the requests it
//! kept from being sent (no coordinated omission). Nothing here prints or knows what is asked; it never retries.
//!
//! Each generator thread runs a single-threaded runtime; one thread is the default, since on a small machine the
//! generator must leave the server its processors. Intended starts are kept by a timer of the kernel (timerfd), because the
//! runtime's own timers have a resolution of a millisecond.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Barrier, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::{io::unix::AsyncFd, runtime, sync::Semaphore, time::timeout_at};

use crate::{
    error::BenchError,
    process::{Cpus, confine_this_thread},
    script::{Draw, Mismatch, Script},
    wire::{Connection, Endpoint, WireError},
};

/// Longest latency the histogram holds, in nanoseconds: two minutes, above every time limit of a server.
const MAX_LATENCY_NS: u64 = 120_000_000_000;
/// Significant digits of the histogram.
const LATENCY_DIGITS: u8 = 3;
/// After the end of the window, requests still due or under way get this long; then they count as unfinished.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Pause before a broken connection is opened again, so that a dead server is not flooded.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// After so many broken connections a worker gives up: the figures are worthless anyway.
const MAX_FAILURES: u64 = 200;
/// The pacer never sleeps less than this; requests due within it are let go together.
const SHORTEST_TICK: Duration = Duration::from_micros(20);
/// How often the witness is called inside the window.
const TICK: Duration = Duration::from_millis(50);
/// Time between all connections being open and the first request.
const LEAD: Duration = Duration::from_millis(20);

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as answers come, on every connection.
    Closed,
    /// At this rate a second, over all connections.
    Open {
        /// Offered requests a second.
        per_second: f64,
    },
}

/// One measurement.
pub struct LoadPlan {
    /// The server.
    pub endpoint: Endpoint,
    /// What to send it.
    pub script: Arc<Script>,
    /// Connections, one request at a time on each.
    pub connections: usize,
    /// Closed or open loop.
    pub pace: Pace,
    /// Load before the window opens.
    pub warm_up: Duration,
    /// The window.
    pub duration: Duration,
    /// How long requests still due or under way after the window may take; commonly `DRAIN`.
    pub drain: Duration,
    /// Threads of the generator.
    pub threads: usize,
    /// Processors of the generator's threads; `None` is anywhere.
    pub cpus: Option<Cpus>,
}

/// Someone who looks at the server while the load runs.
pub trait Witness {
    /// The window opens now.
    fn opens(&mut self);
    /// Some time inside the window has passed.
    fn tick(&mut self);
    /// The window closes now; load ends.
    fn closes(&mut self);
}

/// What the workers saw.
pub struct Tally {
    /// Latencies in nanoseconds of the requests whose start (intended start, in open loop) lies in the window.
    pub latency_ns: Histogram<u64>,
    /// Right answers that arrived in the window.
    pub completed: u64,
    /// Answers of the whole run, warm-up and draining included.
    pub answers: u64,
    /// Answers with a wrong status or body.
    pub mismatches: u64,
    /// Connections that broke, or could not be opened.
    pub failures: u64,
    /// Requests without an answer when draining ended; their latency so far is in the histogram.
    pub unfinished: u64,
    /// The first kind of each thing that went wrong, in words.
    pub notes: Vec<String>,
}

/// Different notes kept; the counters have the rest.
const MAX_NOTES: usize = 5;

impl Tally {
    fn new() -> Result<Tally, BenchError> {
        let latency_ns = Histogram::new_with_bounds(1, MAX_LATENCY_NS, LATENCY_DIGITS)
            .map_err(|_| BenchError::Setup("the histogram's bounds are wrong".into()))?;
        Ok(Tally { latency_ns, completed: 0, answers: 0, mismatches: 0, failures: 0, unfinished: 0, notes: Vec::new() })
    }

    fn note(&mut self, text: String) {
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn record(&mut self, latency: Duration) {
        self.latency_ns.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(MAX_LATENCY_NS).max(1));
    }

    fn absorb(&mut self, other: Tally) -> Result<(), BenchError> {
        self.latency_ns
            .add(&other.latency_ns)
            .map_err(|_| BenchError::Setup("histograms of unequal bounds cannot be added".into()))?;
        self.completed += other.completed;
        self.answers += other.answers;
        self.mismatches += other.mismatches;
        self.failures += other.failures;
        self.unfinished += other.unfinished;
        for text in other.notes {
            self.note(text);
        }
        Ok(())
    }

    /// Latency at a quantile between 0 and 1, in microseconds.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency_ns.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// The times of a run, known once every connection is open.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: Instant,
    from: Instant,
    end: Instant,
    give_up: Instant,
}

impl Window {
    fn holds(&self, instant: Instant) -> bool {
        self.from <= instant && instant < self.end
    }
}

/// Runs the load and returns what was seen. An error means that no load took place.
pub fn run(plan: &LoadPlan, witness: &mut dyn Witness) -> Result<Tally, BenchError> {
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    // All threads and this one meet twice: when the connections are open, and when the start is known.
    let (connected, started) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let window = OnceLock::new();
    let turns = Arc::new(AtomicU64::new(0));
    thread::scope(|scope| {
        let share = |index: usize| plan.connections / threads + usize::from(index < plan.connections % threads);
        let workers: Vec<_> = (0..threads)
            .map(|index| {
                let (connected, started, window, turns) = (&connected, &started, &window, turns.clone());
                let pattern = Pattern { index, threads, connections: share(index) };
                scope.spawn(move || {
                    let ready = prepare(plan, &pattern);
                    connected.wait();
                    started.wait();
                    let (runtime, connections) = ready?;
                    match window.get() {
                        Some(&window) => runtime.block_on(drive(plan, &pattern, window, connections, turns)),
                        None => Err(BenchError::Setup("the generator was not told its start".into())),
                    }
                })
            })
            .collect();
        connected.wait();
        let start = Instant::now() + LEAD;
        let from = start + plan.warm_up;
        let end = from + plan.duration;
        let window = *window.get_or_init(|| Window { start, from, end, give_up: end + plan.drain });
        started.wait();

        sleep_until(window.from);
        if !workers.iter().all(|worker| worker.is_finished()) {
            witness.opens();
            while Instant::now() + TICK < window.end {
                thread::sleep(TICK);
                witness.tick();
            }
            sleep_until(window.end);
            witness.closes();
        }

        let mut total = Tally::new()?;
        for worker in workers {
            let tally = worker.join().map_err(|_| BenchError::Setup("a generator thread died".into()))?;
            total.absorb(tally?)?;
        }
        Ok(total)
    })
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

/// One thread's part of the load.
struct Pattern {
    index: usize,
    threads: usize,
    connections: usize,
}

fn prepare(plan: &LoadPlan, pattern: &Pattern) -> Result<(runtime::Runtime, Vec<Connection>), BenchError> {
    if let Some(cpus) = &plan.cpus {
        confine_this_thread(cpus)?;
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the generator's runtime"))?;
    let opened = runtime.block_on(async {
        let mut connections = Vec::with_capacity(pattern.connections);
        for _ in 0..pattern.connections {
            connections.push(plan.endpoint.connect().await?);
        }
        Ok(connections)
    });
    let connections = opened.map_err(|source| BenchError::Wire { what: "opening connections".into(), source })?;
    Ok((runtime, connections))
}

/// What the workers of a thread share. The locks are never contended: one thread runs all of them.
struct Lane {
    script: Arc<Script>,
    endpoint: Endpoint,
    window: Window,
    pace: Turns,
    turns: Arc<AtomicU64>,
    tally: Mutex<Tally>,
}

enum Turns {
    Closed,
    Open(Schedule),
}

/// The intended starts of one thread's requests: the global sequence dealt out in turn to the threads.
struct Schedule {
    permits: Semaphore,
    next: AtomicU64,
    total: u64,
    start: Instant,
    first_s: f64,
    interval_s: f64,
}

impl Schedule {
    fn new(per_second: f64, pattern: &Pattern, window: Window) -> Schedule {
        let span_s = window.end.duration_since(window.start).as_secs_f64();
        let first_s = pattern.index as f64 / per_second;
        let interval_s = pattern.threads as f64 / per_second;
        let total = ((span_s - first_s) / interval_s).ceil().max(0.0) as u64;
        let permits = Semaphore::new(0);
        Schedule { permits, next: AtomicU64::new(0), total, start: window.start, first_s, interval_s }
    }

    /// Intended start of this thread's request `index`.
    fn intended(&self, index: u64) -> Instant {
        self.start + Duration::from_secs_f64(self.first_s + index as f64 * self.interval_s)
    }

    /// How many of the requests are due at `now`.
    fn due(&self, now: Instant) -> u64 {
        let passed_s = now.saturating_duration_since(self.start).as_secs_f64() - self.first_s;
        if now < self.start || passed_s < 0.0 {
            return 0;
        }
        ((passed_s / self.interval_s) as u64 + 1).min(self.total)
    }

    async fn next(&self) -> Option<Instant> {
        self.permits.acquire().await.ok()?.forget();
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.total).then(|| self.intended(index))
    }

    /// Lets requests go when they are due; ends when all are let go.
    async fn pace(&self, workers: usize) -> std::io::Result<()> {
        let timer = watched(timer()?)?;
        let mut released = 0;
        loop {
            let now = Instant::now();
            let due = self.due(now);
            if due > released {
                self.permits.add_permits((due - released) as usize);
                released = due;
            }
            if released >= self.total {
                // One more each, so that every worker comes to see that nothing is left.
                self.permits.add_permits(workers);
                return Ok(());
            }
            let wait = self.intended(released).saturating_duration_since(now).max(SHORTEST_TICK);
            arm(timer.get_ref(), wait)?;
            timer.readable().await?.clear_ready();
        }
    }
}

#[expect(
    deprecated,
    reason = "deprecated for types that may swap their descriptor, which an OwnedFd cannot; the new way is unsafe"
)]
fn watched(timer: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(timer)
}

fn timer() -> std::io::Result<OwnedFd> {
    Ok(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?)
}

fn arm(timer: &OwnedFd, wait: Duration) -> std::io::Result<()> {
    let once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    let value = Timespec { tv_sec, tv_nsec: wait.subsec_nanos().into() };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: once, it_value: value })?;
    Ok(())
}

impl Lane {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The start that the next request's latency counts from; `None` when the run is over.
    async fn next_start(&self) -> Option<Instant> {
        match &self.pace {
            Turns::Closed => Some(Instant::now()).filter(|now| *now < self.window.end),
            Turns::Open(schedule) => schedule.next().await,
        }
    }
}

async fn drive(
    plan: &LoadPlan,
    pattern: &Pattern,
    window: Window,
    connections: Vec<Connection>,
    turns: Arc<AtomicU64>,
) -> Result<Tally, BenchError> {
    let pace = match plan.pace {
        Pace::Closed => Turns::Closed,
        Pace::Open { per_second } => Turns::Open(Schedule::new(per_second.max(f64::MIN_POSITIVE), pattern, window)),
    };
    let lane = Arc::new(Lane {
        script: plan.script.clone(),
        endpoint: plan.endpoint.clone(),
        window,
        pace,
        turns,
        tally: Mutex::new(Tally::new()?),
    });
    let workers = connections.len();
    let pacer = {
        let lane = lane.clone();
        tokio::spawn(async move {
            match &lane.pace {
                Turns::Open(schedule) => schedule.pace(workers).await,
                Turns::Closed => Ok(()),
            }
        })
    };
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            let (lane, seed) = (lane.clone(), (pattern.index + number * pattern.threads) as u64);
            tokio::spawn(async move {
                tokio::time::sleep_until(lane.window.start.into()).await;
                let under_way = Mutex::new(None);
                if timeout_at(lane.window.give_up.into(), work(&lane, connection, seed, &under_way)).await.is_err() {
                    let began = under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(began) = began {
                        unfinished(&lane, began);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|_| BenchError::Setup("a worker died".into()))?;
    }
    pacer.abort();
    if let Turns::Open(schedule) = &lane.pace {
        // What was due and never sent counts as late as it already is.
        for index in schedule.next.load(Ordering::Relaxed).min(schedule.total)..schedule.total {
            unfinished(&lane, schedule.intended(index));
        }
    }
    let mut tally = lane.tally();
    Ok(std::mem::replace(&mut *tally, Tally::new()?))
}

fn unfinished(lane: &Lane, began: Instant) {
    let mut tally = lane.tally();
    tally.unfinished += 1;
    tally.note("no answer within the time for draining".into());
    if lane.window.holds(began) {
        tally.record(began.elapsed());
    }
}

async fn work(lane: &Lane, connection: Connection, seed: u64, under_way: &Mutex<Option<Instant>>) {
    let set = |began| *under_way.lock().unwrap_or_else(PoisonError::into_inner) = began;
    let mut draw = Draw::new(seed);
    let mut request = Vec::with_capacity(4096);
    let mut connection = Some(connection);
    let (mut thorough, mut failures) = (true, 0);
    while let Some(began) = lane.next_start().await {
        set(Some(began));
        let turn = lane.turns.fetch_add(1, Ordering::Relaxed);
        let expected = lane.script.fill(&mut draw, turn, &mut request);
        let verdict = match ask(lane, &mut connection, &request).await {
            Ok(response) => Ok(lane.script.check(expected, response.status, response.body, thorough)),
            Err(error) => Err(error.to_string()),
        };
        let ended = Instant::now();
        set(None);
        match verdict {
            Ok(verdict) => {
                thorough = false;
                count(lane, began, ended, verdict);
            }
            Err(text) => {
                connection = None;
                failures += 1;
                count_failure(lane, text);
                if failures >= MAX_FAILURES {
                    return;
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }
}

/// One exchange, on a new connection where the last one ended.
async fn ask<'a>(
    lane: &Lane,
    connection: &'a mut Option<Connection>,
    request: &[u8],
) -> Result<crate::wire::Response<'a>, WireError> {
    if connection.as_ref().is_some_and(Connection::is_ended) {
        *connection = None;
    }
    let open = match connection.take() {
        Some(open) => open,
        None => lane.endpoint.connect().await?,
    };
    connection.insert(open).exchange(request).await
}

fn count_failure(lane: &Lane, text: String) {
    let mut tally = lane.tally();
    tally.failures += 1;
    tally.note(text);
}

fn count(lane: &Lane, began: Instant, ended: Instant, verdict: Result<(), Mismatch>) {
    let mut tally = lane.tally();
    tally.answers += 1;
    match verdict {
        Ok(()) => tally.completed += u64::from(lane.window.holds(ended)),
        Err(mismatch) => {
            tally.mismatches += 1;
            tally.note(mismatch.to_string());
        }
    }
    if lane.window.holds(began) {
        tally.record(ended.saturating_duration_since(began));
    }
}

#[cfg(test)]
mod tests;
