//! The aims of the project beside what a run measured: met, missed, doubtful or not measured, never rounded in our favor.
//! The aims are data; a figure that a run did not take is never guessed.

use crate::{
    report::{ExtraName, Report},
    script::Kind,
};

/// Name of the server with the durable log in a local run.
pub const DURABLE: &str = "durable";
/// Name of the server without the records of reads in a local run.
pub const OFF: &str = "off";

/// How an aim stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Reached.
    Met,
    /// Not reached.
    Missed,
    /// There is a figure, and the run itself says why it proves nothing.
    Doubtful,
    /// This run has no figure.
    NotMeasured,
}

/// One aim with its figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The aim in words.
    pub aim: &'static str,
    /// The figure in words.
    pub measured: String,
    /// How it stands.
    pub verdict: Verdict,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

struct Aim {
    text: &'static str,
    bound: Bound,
    unit: &'static str,
    figure: fn(&Report) -> Option<f64>,
}

/// What the issue asks for, in its order.
const AIMS: [Aim; 10] = [
    Aim {
        text: "KV read, 128 connections, without audit: at least 1/2 of the bare server",
        bound: Bound::AtLeast(1.0 / 2.0),
        unit: "of bare",
        figure: |report| report.closed_row(OFF, Kind::KvRead, 128)?.against_bare(),
    },
    Aim {
        text: "KV read, 128 connections, durable log: at least 1/3 of the bare server",
        bound: Bound::AtLeast(1.0 / 3.0),
        unit: "of bare",
        figure: |report| report.closed_row(DURABLE, Kind::KvRead, 128)?.against_bare(),
    },
    Aim {
        text: "KV read, 1 connection, durable log: p50 at most one sync + 1 ms",
        bound: Bound::AtMost(1.0),
        unit: "ms above one sync",
        figure: |report| Some(report.closed_row(DURABLE, Kind::KvRead, 1)?.p50_less_sync_us()? / 1000.0),
    },
    Aim {
        text: "spread KV writes, 128 connections: at least 10 in the time of one sync",
        bound: Bound::AtLeast(10.0),
        unit: "in one sync",
        figure: |report| report.closed_row(DURABLE, Kind::KvWriteSpread, 128)?.ops_in_a_sync(),
    },
    Aim {
        text: "KV writes to one key, 128 connections: at least a quarter of that (2.5)",
        bound: Bound::AtLeast(2.5),
        unit: "in one sync",
        figure: |report| report.closed_row(DURABLE, Kind::KvWriteOne, 128)?.ops_in_a_sync(),
    },
    Aim {
        text: "AppRole login, 128 connections: at least 0.7 of spread KV writes",
        bound: Bound::AtLeast(0.7),
        unit: "of spread writes",
        figure: |report| {
            let rate = |kind| report.closed_row(DURABLE, kind, 128)?.median(|round| Some(round.ops_per_s));
            Some(rate(Kind::ApproleLogin)? / rate(Kind::KvWriteSpread)?)
        },
    },
    Aim {
        text: "GetSecretValue, 128 connections, durable log: within 25 % of KV read",
        bound: Bound::AtLeast(0.75),
        unit: "of KV read",
        figure: |report| {
            let rate = |kind| report.closed_row(DURABLE, kind, 128)?.median(|round| Some(round.ops_per_s));
            Some(rate(Kind::GetSecretValue)? / rate(Kind::KvRead)?)
        },
    },
    Aim {
        text: "KMS Encrypt of 4 KiB, 128 connections, durable log: at least 1/3 of the bare server",
        bound: Bound::AtLeast(1.0 / 3.0),
        unit: "of bare",
        figure: |report| report.closed_row(DURABLE, Kind::KmsEncrypt, 128)?.against_bare(),
    },
    Aim {
        text: "idle memory below 30 MiB",
        bound: Bound::AtMost(30.0),
        unit: "MiB",
        figure: |report| extra(report, ExtraName::IdleMemoryMib),
    },
    Aim {
        text: "from the last unseal answer to the first 200 on a KV read: below 100 ms",
        bound: Bound::AtMost(100.0),
        unit: "ms",
        figure: |report| extra(report, ExtraName::FirstReadMs),
    },
];

/// Aims that no load from outside can measure; `scale` does.
const ELSEWHERE: [&str; 2] = [
    "memory below 100 MiB with 100,000 secrets and 1,000,000 leases",
    "100,000 leases expiring in a minute leave the p99 of reads within twice its rest value",
];

fn extra(report: &Report, name: ExtraName) -> Option<f64> {
    report.extras.iter().find(|extra| extra.name == name && extra.target == DURABLE).map(|extra| extra.value)
}

/// Sets each aim beside its figure.
pub fn judge(report: &Report) -> Vec<Judged> {
    let measured = AIMS.iter().map(|aim| {
        let Some(figure) = (aim.figure)(report) else {
            return Judged { aim: aim.text, measured: "-".into(), verdict: Verdict::NotMeasured };
        };
        let met = match aim.bound {
            Bound::AtLeast(bound) => figure >= bound,
            Bound::AtMost(bound) => figure <= bound,
        };
        let doubtful = aim.unit.contains("sync") && report.sync_is_doubtful();
        let verdict = match (doubtful, met) {
            (true, _) => Verdict::Doubtful,
            (false, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
        };
        let mut measured = format!("{figure:.3} {}", aim.unit);
        if let Some(note) = note_of(report, aim) {
            measured += &format!(" ({note})");
        }
        Judged { aim: aim.text, measured, verdict }
    });
    let elsewhere = ELSEWHERE.iter().map(|aim| Judged {
        aim,
        measured: "by `cardea-bench scale`, which loads leases through the kernel".into(),
        verdict: Verdict::NotMeasured,
    });
    measured.chain(elsewhere).collect()
}

/// The start-up figure means little without the number of records it was taken with.
fn note_of<'a>(report: &'a Report, aim: &Aim) -> Option<&'a str> {
    if aim.unit != "ms" {
        return None;
    }
    report.extras.iter().find(|extra| extra.name == ExtraName::FirstReadMs).map(|extra| extra.note.as_str())
}

/// The aims as lines of text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for judged in judge(report) {
        let verdict = match judged.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Doubtful => "doubtful",
            Verdict::NotMeasured => "not measured",
        };
        out += &format!("{verdict:<12}  {}: {}\n", judged.aim, judged.measured);
    }
    if !report.warnings.is_empty() {
        out += &format!("the run carries {} warnings; read them before quoting any of this\n", report.warnings.len());
    }
    out
}

#[cfg(test)]
mod tests;
