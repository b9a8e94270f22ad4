//! A server with much in it: how fast it starts, what memory it takes, and whether reads stay quick while a great many
//! leases end at once. Fills a store in this process, closes it, and measures over HTTP a child that opens it.
//!
//! The leases are revoked at a source that only counts, so that the server itself is measured. Their ends lie a day ahead,
//! and the child's clock is moved there: that makes the run independent of how long the filling took. It must never be run
//! on a store that anybody needs.

mod child; // the server that is measured, and its other end
mod figures; // figures beside aims
mod fill; // what the store holds
mod neighbors; // what else the machine is doing
mod node; // a server in this process
mod synthetic; // a source that counts

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use zeroize::Zeroizing;

pub use child::serve;
use child::{Child, Facts};
use figures::{Aim, Figures};
use fill::{Filled, Filling, KEPT_PREFIX, KV_MOUNT, STORM_MOUNT, fill};
use neighbors::{BUSY_LIMIT, Taken};

use crate::{
    api::Admin,
    args::ScaleArgs,
    error::BenchError,
    limits,
    load::{self, DRAIN, LoadPlan, Pace, Tally, Witness},
    process::{Cpus, Machine, confine_this_thread, rss_anon_bytes},
    script::{Kind, READ_FOLDER, Script, Subject, Values, key_name},
};

/// Size of a value in bytes.
const VALUE_BYTES: usize = 1024;
/// A server gets this long to come to rest before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Reads before each window.
const WARM_UP: Duration = Duration::from_secs(1);
/// The random reads come at this rate a second.
const READS_A_SECOND: f64 = 1_000.0;
/// How long after the storm the last lease may take to leave before counting ends.
const STORM_LIMIT: Duration = Duration::from_secs(120);
/// Pause between two counts of what is left.
const COUNT_PAUSE: Duration = Duration::from_millis(250);
/// The first read after unsealing must come within this.
const FIRST_READ_LIMIT: Duration = Duration::from_secs(30);
const MIB: f64 = 1024.0 * 1024.0;

/// What a window of reads showed.
struct Seen {
    tally: Tally,
    before: Facts,
    after: Facts,
    peak_bytes: u64,
    /// Processors that the server kept busy.
    busy: f64,
    /// Processors that everybody else kept busy.
    others: f64,
}

/// A run under way.
struct Run<'a> {
    args: &'a ScaleArgs,
    program: PathBuf,
    folder: PathBuf,
    server_cpus: Option<Cpus>,
    unseal_key: Zeroizing<String>,
    root: Zeroizing<String>,
    figures: Figures,
}

/// Fills, measures and prints; `false` when an answer was wrong or a lease stayed.
pub fn run(args: &ScaleArgs) -> Result<bool, BenchError> {
    let machine = Machine::here();
    let home = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .map_err(BenchError::io("making a folder for the store"))?;
    let mut run = Run {
        args,
        program: std::env::current_exe().map_err(BenchError::io("finding this program's own file"))?,
        folder: home.path().join("data"),
        server_cpus: None,
        unseal_key: Zeroizing::default(),
        root: Zeroizing::default(),
        figures: Figures::default(),
    };
    std::fs::create_dir(&run.folder).map_err(BenchError::io("making a folder for the store"))?;
    let first_sync = limits::sync_time(home.path())?;
    run.describe(&machine);
    run.fresh()?;
    let values = Values::new(VALUE_BYTES);
    let window = Duration::from_secs(args.window);
    let filling =
        Filling { secrets: args.secrets, leases: args.leases, storm: args.storm, window, values: values.clone() };
    step("filling the store");
    let filled = fill(&run.folder, &run.unseal_key, &run.root, &filling)?;
    run.describe_filling(&filled);
    if args.pin && machine.cores > 1 {
        // From here on: the filling may use all processors.
        run.server_cpus = Some((0..machine.cores - 1).collect());
        confine_this_thread(&[machine.cores - 1])?;
    }
    let right = run.measure(&filled, values)?;
    let last_sync = limits::sync_time(home.path())?;
    for (sync, when) in [(first_sync, "before the filling"), (last_sync, "at the end")] {
        let note = format!("append of 1 KiB and fdatasync, median; fastest tenth {:.0} us", sync.fast_us);
        run.figures.add(format!("one sync of the disk, {when}"), sync.median_us, "us", Aim::None, note);
    }
    crate::print(&run.figures.text())?;
    Ok(right)
}

/// Says on the terminal's side what takes time now.
fn step(what: &str) {
    eprintln!("scale: {what}");
}

impl Run<'_> {
    fn describe(&mut self, machine: &Machine) {
        let args = self.args;
        let processors =
            if args.pin { "the last for the generator, the rest for the server" } else { "shared by both" };
        self.figures.settings = vec![
            format!(
                "{}, {} processors ({processors}), Linux {}, load average {:.2} at the start",
                machine.processor, machine.cores, machine.kernel, machine.load_average
            ),
            format!(
                "{} secrets of {VALUE_BYTES} bytes (by requests), {} leases (by leases::announce and leases::activate), {} of \
                 them ending within {} s",
                args.secrets, args.leases, args.storm, args.window
            ),
            format!(
                "reads: {} a second, open loop from the intended start, {} connections, durable log, HTTP/1.1 without TLS",
                args.rate, args.connections
            ),
            "memory: RssAnon of the server's process; store and node as a server has them, without listener limits"
                .into(),
        ];
        if cfg!(debug_assertions) {
            self.figures.warnings.push("a build without optimisations: no figure of it counts".into());
        }
    }

    fn describe_filling(&mut self, filled: &Filled) {
        let rate = |count: u64, took: Duration| count as f64 / took.as_secs_f64().max(1e-3);
        self.figures.settings.push(format!(
            "filling: {:.0} secrets and {:.0} leases a second; tree file {:.0} MiB",
            rate(self.args.secrets, filled.secrets_took),
            rate(self.args.leases, filled.leases_took),
            filled.tree_bytes as f64 / MIB
        ));
    }

    fn start(&self) -> Result<Child, BenchError> {
        Child::start(&self.program, &self.folder, self.server_cpus.as_deref())
    }

    fn unseal(&self, admin: &mut Admin) -> Result<(), BenchError> {
        admin.insist("PUT", "sys/unseal", Some(&json!({ "key": self.unseal_key.as_str() }))).map(|_| ())
    }

    fn memory(&self, child: &Child) -> Result<f64, BenchError> {
        let bytes = rss_anon_bytes(child.pid()).ok_or_else(|| BenchError::Setup("the server is gone".into()))?;
        Ok(bytes as f64 / MIB)
    }

    /// A new server with nothing in it.
    fn fresh(&mut self) -> Result<(), BenchError> {
        step("a fresh server");
        let child = self.start()?;
        let mut admin = Admin::new(child.endpoint().clone(), Zeroizing::default())?;
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let keys = admin.insist("PUT", "sys/init", Some(&shares))?;
        let text =
            |at: &str| Zeroizing::new(keys.pointer(at).and_then(|key| key.as_str()).unwrap_or_default().to_owned());
        (self.unseal_key, self.root) = (text("/keys_base64/0"), text("/root_token"));
        self.unseal(&mut admin)?;
        thread::sleep(SETTLE);
        let idle = self.memory(&child)?;
        self.figures.add("memory, fresh server, unsealed and idle", idle, "MiB", Aim::Below(30.0), "");
        child.stop().map(|_| ())
    }

    fn measure(&mut self, filled: &Filled, values: Values) -> Result<bool, BenchError> {
        let child = self.open_and_read(filled, "after a clean end")?;
        child.kill();
        let mut child = self.open_and_read(filled, "after kill -9")?;
        thread::sleep(SETTLE);
        let note = "unsealed, the data in the store";
        let memory = self.memory(&child)?;
        self.figures.add("memory, idle with the data", memory, "MiB", Aim::Below(100.0), note);

        let script = Arc::new(self.script(&child, filled, values)?);
        step("random reads");
        let span = Duration::from_secs_f64(self.args.reads as f64 / READS_A_SECOND);
        let reads = self.window(&mut child, &script, READS_A_SECOND, span, None)?;
        thread::sleep(SETTLE);
        let memory = self.memory(&child)?;
        let note = format!("p99 {:.2} ms at {READS_A_SECOND} a second", reads.tally.quantile_us(0.99) / 1000.0);
        self.figures.add(
            format!("memory after {} random reads", self.args.reads),
            memory,
            "MiB",
            Aim::Below(100.0),
            note,
        );

        let window = Duration::from_secs(self.args.window);
        let rate = f64::from(self.args.rate);
        step("reads at rest");
        let rest = self.window(&mut child, &script, rate, window, None)?;
        step("reads during the storm");
        let storm = self.window(&mut child, &script, rate, window, Some(filled.storm_begins_ms))?;
        let (left, kept) = self.aftermath(&mut child)?;
        step("reads at rest again");
        let again = self.window(&mut child, &script, rate, window, None)?;
        self.compare(&rest, &storm, &again);
        let after: Facts = child.ask("facts")?;
        let asked = (after.asked - storm.before.asked) as f64;
        self.figures.add(
            "revocations asked of the source",
            asked,
            "",
            Aim::None,
            "once a lease, unless a try was lost",
        );
        self.figures.add(
            "longest from a lease's end to its revocation",
            after.lag_ms_max as f64,
            "ms",
            Aim::AtMost(2000.0),
            format!("{} of {} later than 2 s", after.late, self.args.storm),
        );
        self.figures.add("leases of the storm left", left as f64, "", Aim::AtMost(0.0), "");
        let others = self.args.leases.saturating_sub(self.args.storm);
        let lost = others as f64 - kept as f64;
        self.figures.add("other leases lost", lost, "", Aim::AtMost(0.0), format!("{kept} are there"));
        child.stop()?;
        let mut right = left == 0 && kept == others;
        for seen in [&reads, &rest, &storm, &again] {
            right &= self.judge(&seen.tally);
        }
        Ok(right)
    }

    /// Starts a server over the data, unseals it, and reads as soon as it answers.
    fn open_and_read(&mut self, filled: &Filled, when: &str) -> Result<Child, BenchError> {
        step(&format!("start {when}"));
        let child = self.start()?;
        let note = format!("{} commits replayed", child.replayed);
        self.figures.add(format!("opening the store, {when}"), child.open_ms, "ms", Aim::None, note);
        let mut admin = Admin::new(child.endpoint().clone(), filled.token.clone())?;
        // The connection is there before the clock runs, as it is for those who wait for a server.
        admin.call("GET", "sys/seal-status", None)?;
        let path = format!("{KV_MOUNT}/data/{READ_FOLDER}/{}", key_name(self.args.secrets / 2));
        let began = Instant::now();
        self.unseal(&mut admin)?;
        let unsealed = Instant::now();
        while admin.call("GET", &path, None)?.status != 200 {
            if unsealed.elapsed() > FIRST_READ_LIMIT {
                return Err(BenchError::Setup("the restarted server does not answer a KV read".into()));
            }
            thread::sleep(Duration::from_micros(200));
        }
        let first_ms = unsealed.elapsed().as_secs_f64() * 1000.0;
        let unseal_ms = unsealed.duration_since(began).as_secs_f64() * 1000.0;
        let what = format!("last unseal answer to first 200 on a KV read, {when}");
        self.figures.add(what, first_ms, "ms", Aim::Below(100.0), format!("the unseal call took {unseal_ms:.1} ms"));
        Ok(child)
    }

    fn script(&self, child: &Child, filled: &Filled, values: Values) -> Result<Script, BenchError> {
        let subject = Subject {
            authority: child.endpoint().authority().to_owned(),
            token: filled.token.clone(),
            accessor: String::new(),
            kv_mount: KV_MOUNT.to_owned(),
            approle_mount: String::new(),
            role_id: String::new(),
            secret_id: Zeroizing::default(),
            credentials_path: None,
            secrets: self.args.secrets,
            values,
            transit_mount: None,
            aws: None,
        };
        Script::new(Kind::KvRead, &subject).ok_or_else(|| BenchError::Setup("there is nothing to read".into()))
    }

    /// Reads at a fixed rate; with a moment, the server's clock goes there when the window opens.
    fn window(
        &self,
        child: &mut Child,
        script: &Arc<Script>,
        per_second: f64,
        duration: Duration,
        storm_begins_ms: Option<u64>,
    ) -> Result<Seen, BenchError> {
        let plan = LoadPlan {
            endpoint: child.endpoint().clone(),
            script: script.clone(),
            connections: usize::from(self.args.connections),
            pace: Pace::Open { per_second },
            warm_up: WARM_UP,
            duration,
            drain: DRAIN,
            threads: 1,
            cpus: None,
        };
        let mut watch = Watch { child, storm_begins_ms, peak_bytes: 0, opened: None, closed: None };
        let tally = load::run(&plan, &mut watch)?;
        let silent = || BenchError::Setup("the server did not answer for itself".into());
        let (before, first) = watch.opened.ok_or_else(silent)??;
        let (after, last) = watch.closed.ok_or_else(silent)??;
        let busy = (last.server_s - first.server_s) / duration.as_secs_f64();
        let others = (last.others_s - first.others_s) / duration.as_secs_f64();
        Ok(Seen { tally, before, after, peak_bytes: watch.peak_bytes, busy, others })
    }

    /// Waits until the storm's leases are gone; how many are left, and how many others there are.
    fn aftermath(&mut self, child: &mut Child) -> Result<(u64, u64), BenchError> {
        step("counting what is left");
        let began = Instant::now();
        let at_end: u64 = child.ask(&format!("left {STORM_MOUNT}/"))?;
        let mut left = at_end;
        while left > 0 && began.elapsed() < STORM_LIMIT {
            thread::sleep(COUNT_PAUSE);
            left = child.ask(&format!("left {STORM_MOUNT}/"))?;
        }
        let took = if at_end == 0 { 0.0 } else { began.elapsed().as_secs_f64() };
        let note = format!("{at_end} were left when the reads had ended");
        self.figures.add("from the end of the storm to the last revocation", took, "s", Aim::None, note);
        Ok((left, child.ask(&format!("left {KEPT_PREFIX}"))?))
    }

    fn compare(&mut self, rest: &Seen, storm: &Seen, again: &Seen) {
        let ms = |seen: &Seen, quantile: f64| seen.tally.quantile_us(quantile) / 1000.0;
        let all = [(rest, "at rest"), (storm, "in the storm"), (again, "at rest again")];
        for (seen, when) in all {
            let note = format!(
                "p50 {:.2}, p99.9 {:.2}, max {:.2} ms; {} reads",
                ms(seen, 0.5),
                ms(seen, 0.999),
                ms(seen, 1.0),
                seen.tally.latency_ns.len()
            );
            self.figures.add(format!("KV read p99, {when}"), ms(seen, 0.99), "ms", Aim::None, note);
        }
        let ratio = ms(storm, 0.99) / ms(rest, 0.99);
        self.figures.add("KV read p99, storm over rest", ratio, "x", Aim::AtMost(2.0), "");
        if all[..2].iter().any(|(seen, _)| seen.others > BUSY_LIMIT) {
            self.figures.doubt();
            self.figures.warnings.push(format!(
                "other processes kept {:.2} processors busy at rest, {:.2} in the storm, {:.2} at rest again: the latencies are \
                 theirs as much as the server's",
                rest.others, storm.others, again.others
            ));
        }
        for (seen, when) in all {
            let (before, after) = (seen.before, seen.after);
            let syncs = (after.syncs - before.syncs).max(1) as f64;
            let note = format!(
                "others {:.2}; {:.0} syncs, {:.1} commits and {:.2} ms each; {} flushes",
                seen.others,
                syncs,
                (after.commits - before.commits) as f64 / syncs,
                (after.sync_ns - before.sync_ns) as f64 / syncs / 1e6,
                after.flushes - before.flushes
            );
            self.figures.add(format!("processors used by the server, {when}"), seen.busy, "", Aim::None, note);
        }
        let window_s = self.args.window as f64;
        let revoked = (storm.after.revoked - storm.before.revoked) as f64 / window_s;
        let note = format!("{:.1} leases a second end", self.args.storm as f64 / window_s);
        self.figures.add("revocations a second in the storm", revoked, "/s", Aim::None, note);
        let peak = storm.peak_bytes as f64 / MIB;
        self.figures.add("peak memory in the storm", peak, "MiB", Aim::Below(100.0), "");
    }

    /// Whether every answer of a window was right; what was not becomes a warning.
    fn judge(&mut self, tally: &Tally) -> bool {
        let right = tally.mismatches == 0 && tally.failures == 0 && tally.unfinished == 0;
        if !right {
            self.figures.warnings.push(format!(
                "{} wrong answers, {} broken connections, {} reads without an answer: {}",
                tally.mismatches,
                tally.failures,
                tally.unfinished,
                tally.notes.join("; ")
            ));
        }
        right
    }
}

type Told = Result<(Facts, Taken), BenchError>;

/// Looks at the server while reads run, and lets the storm begin.
struct Watch<'c> {
    child: &'c mut Child,
    storm_begins_ms: Option<u64>,
    peak_bytes: u64,
    opened: Option<Told>,
    closed: Option<Told>,
}

impl Watch<'_> {
    fn told(&mut self, question: &str) -> Told {
        let facts = self.child.ask(question)?;
        Ok((facts, Taken::now(self.child.pid())?))
    }
}

impl Witness for Watch<'_> {
    fn opens(&mut self) {
        let question = match self.storm_begins_ms {
            Some(moment_ms) => format!("storm {moment_ms}"),
            None => "facts".to_owned(),
        };
        self.opened = Some(self.told(&question));
    }

    fn tick(&mut self) {
        self.peak_bytes = self.peak_bytes.max(rss_anon_bytes(self.child.pid()).unwrap_or(0));
    }

    fn closes(&mut self) {
        self.closed = Some(self.told("facts"));
    }
}
