//! The matrix: every operation at every number of connections against every server, round after round. Rounds are
//! interleaved (all cells of a round before the next one), so that a machine that slows down slows all of them, and
//! each round measures the machine's limits anew. It prints progress to standard error and nothing else.

use std::{
    path::PathBuf,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    api::Admin,
    error::BenchError,
    limits::{BareServer, sync_time},
    load::{self, DRAIN, LoadPlan, Pace, Tally, Witness},
    process::{Cpus, cpu_time, rss_anon_bytes},
    report::{Report, Sample},
    script::{Kind, Script, Subject},
    subject::sample_read,
    wire::Endpoint,
};

/// A server under test.
pub struct Target {
    /// Its name in the report.
    pub label: String,
    /// A caller that may do everything; used beside the load to read the server's own counters.
    pub admin: Admin,
    /// Its process, when it runs on this machine and is known.
    pub pid: Option<u32>,
    /// What the load needs on it.
    pub subject: Subject,
}

/// What is measured, and how.
pub struct MatrixPlan {
    /// Operations.
    pub kinds: Vec<Kind>,
    /// Numbers of connections.
    pub connections: Vec<usize>,
    /// Closed loop is measured and reported.
    pub closed: bool,
    /// Open loop is measured.
    pub open: Option<Offer>,
    /// Load before each window.
    pub warm_up: Duration,
    /// Each window.
    pub duration: Duration,
    /// How often everything is repeated.
    pub rounds: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Processors of the generator; `None` is anywhere.
    pub generator_cpus: Option<Cpus>,
    /// Processors of the bare server; those of the server under test, for a fair ratio.
    pub server_cpus: Option<Cpus>,
    /// Where syncs are measured: on the disk of the server's store. `None` leaves them out.
    pub sync_folder: Option<PathBuf>,
    /// The program that has the bare server in it; `None` leaves it out.
    pub bare_program: Option<PathBuf>,
}

/// The rate of the open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Offer {
    /// Requests a second.
    Rate(f64),
    /// A share of what the closed loop reached in the same round.
    Share(f64),
}

/// Runs all rounds and adds what they found to the report.
pub fn run(plan: &MatrixPlan, targets: &mut [Target], report: &mut Report) -> Result<(), BenchError> {
    let bare = match (&plan.bare_program, targets.first_mut()) {
        (Some(program), Some(target)) => {
            let (body, content_type) = sample_read(&mut target.admin, &target.subject)?;
            let server = BareServer::start(program, plan.server_cpus.as_deref(), &body, &content_type)?;
            let endpoint = Endpoint::parse(&server.url(), None)?;
            let script = Arc::new(Script::bare(endpoint.authority(), &body, &target.subject));
            Some((server, endpoint, script))
        }
        _ => None,
    };
    for round in 1..=plan.rounds {
        let sync = plan.sync_folder.as_deref().map(sync_time).transpose()?;
        let sync_us = sync.map(|sync| sync.median_us);
        report.sync_us.extend(sync_us);
        report.sync_fast_us.extend(sync.map(|sync| sync.fast_us));
        for &connections in &plan.connections {
            let mut bare_ops_per_s = None;
            if let Some((server, endpoint, script)) = &bare {
                let cell = Cell { connections, pace: Pace::Closed, label: "bare", round };
                let sample = measure(plan, &cell, endpoint, script, Some(server.pid()), None)?;
                bare_ops_per_s = Some(sample.ops_per_s);
                report.add("bare", Kind::Bare, connections, "closed", sample);
            }
            for &kind in &plan.kinds {
                for target in targets.iter_mut() {
                    let Some(script) = Script::new(kind, &target.subject).map(Arc::new) else { continue };
                    let endpoint = target.admin.endpoint().clone();
                    let mut measure_at = |pace| {
                        let cell = Cell { connections, pace, label: &target.label, round };
                        let (pid, admin) = (target.pid, Some(&mut target.admin));
                        let sample = measure(plan, &cell, &endpoint, &script, pid, admin)?;
                        Ok::<_, BenchError>(Sample { bare_ops_per_s, sync_us, ..sample })
                    };
                    let mut reached = None;
                    if plan.closed || matches!(plan.open, Some(Offer::Share(_))) {
                        let sample = measure_at(Pace::Closed)?;
                        reached = Some(sample.ops_per_s);
                        if plan.closed {
                            report.add(&target.label, kind, connections, "closed", sample);
                        }
                    }
                    let per_second = match (plan.open, reached) {
                        (Some(Offer::Rate(rate)), _) => Some(rate),
                        (Some(Offer::Share(share)), Some(reached)) => Some(reached * share),
                        _ => None,
                    };
                    if let Some(per_second) = per_second.filter(|&rate| rate > 0.0) {
                        let sample = measure_at(Pace::Open { per_second })?;
                        report.add(&target.label, kind, connections, "open", sample);
                    }
                }
            }
        }
    }
    Ok(())
}

struct Cell<'a> {
    connections: usize,
    pace: Pace,
    label: &'a str,
    round: usize,
}

fn measure(
    plan: &MatrixPlan,
    cell: &Cell<'_>,
    endpoint: &Endpoint,
    script: &Arc<Script>,
    pid: Option<u32>,
    admin: Option<&mut Admin>,
) -> Result<Sample, BenchError> {
    let load = LoadPlan {
        endpoint: endpoint.clone(),
        script: script.clone(),
        connections: cell.connections,
        pace: cell.pace,
        warm_up: plan.warm_up,
        duration: plan.duration,
        drain: DRAIN,
        threads: plan.threads,
        cpus: plan.generator_cpus.clone(),
    };
    let mut watch = Watch { admin, pid, before: None, after: None, rss_anon_peak_bytes: None };
    let tally = load::run(&load, &mut watch)?;
    let cores = plan.generator_cpus.as_ref().map_or(plan.threads, |cpus| cpus.len().min(plan.threads));
    let sample = watch.sample(&tally, plan.duration, cores.max(1), cell.pace);
    eprintln!(
        "round {} of {}: {} {} at {} connections: {:.0} a second",
        cell.round,
        plan.rounds,
        cell.label,
        script.kind().name(),
        cell.connections,
        sample.ops_per_s
    );
    for note in &tally.notes {
        eprintln!("  {note}");
    }
    Ok(sample)
}

/// Looks at the server's process and its counters at both ends of the window.
struct Watch<'a> {
    admin: Option<&'a mut Admin>,
    pid: Option<u32>,
    before: Option<Reading>,
    after: Option<Reading>,
    rss_anon_peak_bytes: Option<u64>,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    server: Option<Duration>,
    generator: Option<Duration>,
    counters: Counters,
}

/// The server's own counters; absent on servers that do not have them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Syncs of the disk since the start.
    pub syncs: Option<f64>,
    /// Commits of the store since the start.
    pub commits: Option<f64>,
}

/// Reads the counters from the server's metrics in Prometheus form.
pub fn counters(text: &str) -> Counters {
    let sum = |name: &str| {
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.strip_prefix('{') {
                Some(labels) => labels.rsplit_once('}')?.1,
                None => rest.strip_prefix(' ')?,
            };
            value.split_ascii_whitespace().next()?.parse::<f64>().ok()
        });
        values.reduce(|sum, value| sum + value)
    };
    Counters { syncs: sum("cardea_storage_syncs_total"), commits: sum("cardea_storage_commits_total") }
}

impl Watch<'_> {
    fn read(&mut self) -> Reading {
        // Processor time first: reading the counters costs the server some.
        let server = self.pid.and_then(|pid| cpu_time(Some(pid)).ok());
        let (at, generator) = (Instant::now(), cpu_time(None).ok());
        let metrics = self.admin.as_mut().and_then(|admin| admin.call("GET", METRICS_PATH, None).ok());
        let counters = match metrics {
            Some(reply) if reply.status == 200 => counters(&String::from_utf8_lossy(&reply.body)),
            _ => Counters::default(),
        };
        Reading { at, server, generator, counters }
    }

    fn sample(&self, tally: &Tally, duration: Duration, cores: usize, pace: Pace) -> Sample {
        let requests = tally.completed.max(1) as f64;
        let ends = self.before.zip(self.after);
        let difference = |from: Option<f64>, to: Option<f64>| Some((to? - from?) / requests);
        let counted = |pick: fn(Counters) -> Option<f64>| {
            ends.and_then(|(before, after)| difference(pick(before.counters), pick(after.counters)))
        };
        let spent_s = |pick: fn(Reading) -> Option<Duration>| {
            let (before, after) = ends?;
            pick(after)?.checked_sub(pick(before)?).map(|spent| spent.as_secs_f64())
        };
        let passed_s = ends.map(|(before, after)| after.at.duration_since(before.at).as_secs_f64());
        let busy = |spent_s: Option<f64>| Some(spent_s? / passed_s?);
        let server_s = spent_s(|reading| reading.server);
        let generator_share = busy(spent_s(|reading| reading.generator)).map(|busy| busy / cores as f64);
        Sample {
            offered_per_s: match pace {
                Pace::Open { per_second } => Some(per_second),
                Pace::Closed => None,
            },
            ops_per_s: tally.completed as f64 / duration.as_secs_f64(),
            p50_us: tally.quantile_us(0.5),
            p99_us: tally.quantile_us(0.99),
            p999_us: tally.quantile_us(0.999),
            max_us: tally.quantile_us(1.0),
            server_cpu_us: server_s.map(|spent_s| spent_s * 1e6 / requests),
            server_cores: busy(server_s),
            syncs: counted(|counters| counters.syncs),
            commits: counted(|counters| counters.commits),
            rss_anon_peak_bytes: self.rss_anon_peak_bytes,
            // A share that could not be read is not a small one.
            generator_share: generator_share.unwrap_or(1.0),
            bare_ops_per_s: None,
            sync_us: None,
            mismatches: tally.mismatches,
            failures: tally.failures,
            unfinished: tally.unfinished,
        }
    }
}

/// The server's metrics.
const METRICS_PATH: &str = "sys/metrics?format=prometheus";

impl Witness for Watch<'_> {
    fn opens(&mut self) {
        self.tick();
        self.before = Some(self.read());
    }

    fn tick(&mut self) {
        let now = self.pid.filter(|&pid| pid != process::id()).and_then(rss_anon_bytes);
        self.rss_anon_peak_bytes = self.rss_anon_peak_bytes.max(now);
    }

    fn closes(&mut self) {
        self.after = Some(self.read());
    }
}

#[cfg(test)]
mod tests;
