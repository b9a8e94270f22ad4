//! The figures of a run and how they are printed: medians over the rounds with their spread, ratios to the limits of
//! the same round, and warnings where a figure must not be quoted. No measuring happens here.

use serde::{Deserialize, Serialize};

use crate::{process::Machine, script::Kind};

/// Above this share of its processors the generator itself may be what was measured.
pub const GENERATOR_SHARE_LIMIT: f64 = 0.70;

/// A median sync this many times the fastest tenth was not the disk's doing.
const SYNC_RATIO_LIMIT: f64 = 3.0;

/// Everything a run found; also the form of the JSON file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// How it was measured: names and values, in the order of printing.
    pub settings: Vec<(String, String)>,
    /// Median of one 1 KiB append and fdatasync in each round, in microseconds.
    pub sync_us: Vec<f64>,
    /// Where the fastest tenth of those ends, in each round, in microseconds.
    pub sync_fast_us: Vec<f64>,
    /// One row an operation, server, number of connections and pace.
    pub rows: Vec<Row>,
    /// What was measured outside the matrix.
    pub extras: Vec<Extra>,
    /// Why figures must not be quoted as they stand.
    pub warnings: Vec<String>,
}

/// A figure outside the matrix.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Extra {
    /// Which server.
    pub target: String,
    /// What it is.
    pub name: ExtraName,
    /// The figure, in the unit that its name says.
    pub value: f64,
    /// Under which circumstances.
    pub note: String,
}

/// The figures outside the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraName {
    /// Anonymous memory of a fresh, unsealed, idle server, in MiB.
    IdleMemoryMib,
    /// From the last unseal answer to the first 200 on a KV read, in milliseconds.
    FirstReadMs,
}

/// All rounds of one cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Name of the server.
    pub target: String,
    /// Operation.
    pub kind: Kind,
    /// Connections.
    pub connections: usize,
    /// `closed` or `open`.
    pub pace: String,
    /// One entry a round.
    pub rounds: Vec<Sample>,
}

/// One cell in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Offered requests a second, in open loop.
    pub offered_per_s: Option<f64>,
    /// Right answers a second.
    pub ops_per_s: f64,
    /// Latency, median.
    pub p50_us: f64,
    /// Latency, 99 of 100.
    pub p99_us: f64,
    /// Latency, 999 of 1000.
    pub p999_us: f64,
    /// Longest latency.
    pub max_us: f64,
    /// Processor time of the server a request.
    pub server_cpu_us: Option<f64>,
    /// Processors that the server kept busy.
    pub server_cores: Option<f64>,
    /// Syncs of the disk a request, as the server counts them.
    pub syncs: Option<f64>,
    /// Commits of the store a request, as the server counts them.
    pub commits: Option<f64>,
    /// Largest anonymous memory of the server seen, in bytes.
    pub rss_anon_peak_bytes: Option<u64>,
    /// Processor time of the generator as a share of the processors it may use.
    pub generator_share: f64,
    /// The bare server's rate at the same number of connections, in the same round.
    pub bare_ops_per_s: Option<f64>,
    /// One sync in the same round, in microseconds.
    pub sync_us: Option<f64>,
    /// Answers with a wrong status or body.
    pub mismatches: u64,
    /// Broken connections.
    pub failures: u64,
    /// Requests never answered.
    pub unfinished: u64,
}

/// The middle of some numbers (the mean of the two middle ones), or `None` when there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

impl Row {
    /// Median over the rounds of what `pick` takes from each; rounds without it do not count.
    pub fn median(&self, pick: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(pick))
    }

    /// Rate against the bare server's, round by round.
    pub fn against_bare(&self) -> Option<f64> {
        self.median(|round| round.bare_ops_per_s.map(|bare| round.ops_per_s / bare))
    }

    /// Median latency less one sync, in microseconds.
    pub fn p50_less_sync_us(&self) -> Option<f64> {
        self.median(|round| round.sync_us.map(|sync_us| round.p50_us - sync_us))
    }

    /// Requests in the time of one sync.
    pub fn ops_in_a_sync(&self) -> Option<f64> {
        self.median(|round| round.sync_us.map(|sync_us| round.ops_per_s * sync_us / 1e6))
    }

    /// Largest less smallest rate, as a share of the median; zero for one round.
    pub fn spread(&self) -> f64 {
        let rates = || self.rounds.iter().map(|round| round.ops_per_s);
        let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
        median(rates()).filter(|&middle| middle > 0.0).map_or(0.0, |middle| (high - low) / middle)
    }

    /// Answers wrong, connections broken and requests unanswered, over all rounds.
    pub fn faults(&self) -> u64 {
        self.rounds.iter().map(|round| round.mismatches + round.failures + round.unfinished).sum()
    }

    /// The generator was busier, in some round, than a figure that may be quoted allows.
    pub fn generator_was_busy(&self) -> bool {
        self.rounds.iter().any(|round| round.generator_share > GENERATOR_SHARE_LIMIT)
    }

    /// What a figure of a bare row was divided by is not worth more than itself; names the row in a warning.
    pub fn label(&self) -> String {
        format!("{} {} at {} connections, {} loop", self.target, self.kind.name(), self.connections, self.pace)
    }
}

impl Report {
    /// The row of a cell in closed loop.
    pub fn closed_row(&self, target: &str, kind: Kind, connections: usize) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.target == target && row.kind == kind && row.connections == connections && row.pace == "closed"
        })
    }

    /// Adds one round of a cell.
    pub fn add(&mut self, target: &str, kind: Kind, connections: usize, pace: &str, sample: Sample) {
        let same = |row: &&mut Row| {
            row.target == target && row.kind == kind && row.connections == connections && row.pace == pace
        };
        match self.rows.iter_mut().find(same) {
            Some(row) => row.rounds.push(sample),
            None => self.rows.push(Row {
                target: target.into(),
                kind,
                connections,
                pace: pace.into(),
                rounds: vec![sample],
            }),
        }
    }

    /// The time of one sync cannot be relied upon: in some round the median was far above the fastest tenth.
    pub fn sync_is_doubtful(&self) -> bool {
        self.sync_us.iter().zip(&self.sync_fast_us).any(|(median, fast)| *median > fast * SYNC_RATIO_LIMIT)
    }

    /// Every answer was right.
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(|row| row.faults() == 0)
    }

    /// Fills `warnings` from the rows and the machine's load.
    pub fn judge(&mut self) {
        if self.machine.load_average > self.machine.cores as f64 {
            self.warnings.push(format!(
                "the load average was {:.1} on {} cores before the start: the machine was not quiet",
                self.machine.load_average, self.machine.cores
            ));
        }
        if self.sync_is_doubtful() {
            self.warnings.push(
                "a sync took more than three times what the fastest tenth took: the machine or its disk was busy with \
                 something else, and every figure in syncs is flattered"
                    .into(),
            );
        }
        for row in &self.rows {
            if row.generator_was_busy() {
                let share = row.rounds.iter().map(|round| round.generator_share).fold(0.0, f64::max);
                let consequence = match row.kind {
                    Kind::Bare => "the bare server may be faster, and every ratio to it lower",
                    _ => "the server may be faster than this",
                };
                let server = match row.median(|round| round.server_cores) {
                    Some(cores) => format!("; the server kept {cores:.2} processors busy"),
                    None => String::new(),
                };
                self.warnings.push(format!(
                    "{}: the generator used {:.0} % of its processors (limit {:.0} %); {consequence}{server}",
                    row.label(),
                    share * 100.0,
                    GENERATOR_SHARE_LIMIT * 100.0
                ));
            }
            if row.faults() > 0 {
                self.warnings.push(format!("{}: {} faults; no figure of it counts", row.label(), row.faults()));
            }
            let late = |round: &Sample| round.offered_per_s.is_some_and(|offered| round.ops_per_s < offered * 0.98);
            if row.rounds.iter().any(late) {
                self.warnings.push(format!("{}: the server did not keep up with the offered rate", row.label()));
            }
        }
    }

    /// The whole report as text.
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let mut out = format!(
            "machine     {}, {} cores, {} MiB, Linux {}, load average {:.2}\n",
            machine.processor, machine.cores, machine.memory_mib, machine.kernel, machine.load_average
        );
        for (name, value) in &self.settings {
            out += &format!("{name:<11} {value}\n");
        }
        if let Some(sync_us) = median(self.sync_us.iter().copied()) {
            let each: Vec<String> = self.sync_us.iter().map(|us| format!("{us:.0}")).collect();
            let fast_us = median(self.sync_fast_us.iter().copied()).unwrap_or(0.0);
            out += &format!(
                "one sync    {sync_us:.0} us, fastest tenth {fast_us:.0} us (append 1 KiB + fdatasync; rounds: {})\n",
                each.join(", ")
            );
        }
        out += "\n";
        out += &table(&self.rows);
        out += LEGEND;
        for extra in &self.extras {
            let (name, unit) = match extra.name {
                ExtraName::IdleMemoryMib => ("idle anonymous memory", "MiB"),
                ExtraName::FirstReadMs => ("unseal to first read", "ms"),
            };
            out += &format!("{} {name}: {:.1} {unit} ({})\n", extra.target, extra.value, extra.note);
        }
        for warning in &self.warnings {
            out += &format!("WARNING: {warning}\n");
        }
        out
    }
}

/// What the columns mean.
const LEGEND: &str = "
ms        from the start of a request, in open loop from its intended start
sv us/op  the server's processor time a request; sv cores: processors it kept busy
/bare     of the bare server's rate at as many connections in the same round
-sync ms  p50 less one sync of the same round; xsync: requests in the time of one sync
gen       share of its processors that the generator used; ! above its limit
+-        largest less smallest rate of the rounds, of the median
";

const COLUMNS: [&str; 17] = [
    "server",
    "operation",
    "conns",
    "loop",
    "ops/s",
    "+-",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "sv us/op",
    "sv cores",
    "syncs/op",
    "anon MiB",
    "/bare",
    "-sync ms",
    "xsync",
    "gen",
];
/// Columns that are aligned to the left.
const TEXT_COLUMNS: usize = 2;

fn table(rows: &[Row]) -> String {
    let mut lines: Vec<Vec<String>> = vec![COLUMNS.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0..TEXT_COLUMNS => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        out += padded.collect::<Vec<_>>().join("  ").trim_end();
        out += "\n";
    }
    out
}

fn cells(row: &Row) -> Vec<String> {
    let show = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let ms = |pick: fn(&Sample) -> f64| show(row.median(|round| Some(pick(round) / 1000.0)), 3);
    let share = row.rounds.iter().map(|round| round.generator_share).fold(0.0, f64::max);
    let memory = row.rounds.iter().filter_map(|round| round.rss_anon_peak_bytes).max();
    // In open loop the rate is what was offered; set beside a limit it would say nothing.
    let against_limits = row.kind != Kind::Bare && row.pace == "closed";
    vec![
        row.target.clone(),
        row.kind.name().to_owned(),
        row.connections.to_string(),
        row.pace.clone(),
        show(row.median(|round| Some(round.ops_per_s)), 0),
        if row.rounds.len() > 1 { format!("{:.0}%", row.spread() * 100.0) } else { "-".into() },
        ms(|round| round.p50_us),
        ms(|round| round.p99_us),
        ms(|round| round.p999_us),
        show(row.median(|round| round.server_cpu_us), 1),
        show(row.median(|round| round.server_cores), 2),
        show(row.median(|round| round.syncs), 3),
        show(memory.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1),
        show(row.against_bare().filter(|_| against_limits), 3),
        show(row.p50_less_sync_us().filter(|_| row.kind != Kind::Bare).map(|us| us / 1000.0), 3),
        show(row.ops_in_a_sync().filter(|_| against_limits && row.kind.writes()), 2),
        format!("{:.0}%{}", share * 100.0, if row.generator_was_busy() { "!" } else { "" }),
    ]
}

#[cfg(test)]
mod tests;
