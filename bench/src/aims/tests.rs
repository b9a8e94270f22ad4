//! Verdicts at, above and below each bound.

use super::*;
use crate::report::{Extra, Sample};

fn report(kv_read_off: f64, spread: f64, one: f64, login: f64, p50_us: f64) -> Report {
    let mut report = Report::default();
    let sample = |ops_per_s: f64, p50_us: f64| Sample {
        ops_per_s,
        p50_us,
        bare_ops_per_s: Some(90_000.0),
        sync_us: Some(1000.0),
        ..Sample::default()
    };
    report.add(OFF, Kind::KvRead, 128, "closed", sample(kv_read_off, 0.0));
    report.add(DURABLE, Kind::KvRead, 1, "closed", sample(1.0, p50_us));
    report.add(DURABLE, Kind::KvWriteSpread, 128, "closed", sample(spread, 0.0));
    report.add(DURABLE, Kind::KvWriteOne, 128, "closed", sample(one, 0.0));
    report.add(DURABLE, Kind::ApproleLogin, 128, "closed", sample(login, 0.0));
    report
}

#[test]
fn verdicts() {
    use Verdict::{Met, Missed, NotMeasured};
    let nothing = [NotMeasured; 12];
    let verdicts = |report: &Report| judge(report).iter().map(|judged| judged.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&Report::default()), nothing);

    let good = report(45_000.0, 10_000.0, 2_500.0, 7_000.0, 2_000.0);
    let of = |first: [Verdict; 6]| [&first[..], &[NotMeasured; 6]].concat();
    assert_eq!(verdicts(&good), of([Met, NotMeasured, Met, Met, Met, Met]));

    let bad = report(44_999.0, 9_999.0, 2_499.0, 6_900.0, 2_001.0);
    assert_eq!(verdicts(&bad), of([Missed, NotMeasured, Missed, Missed, Missed, Missed]));

    let mut aws = report(45_000.0, 10_000.0, 2_500.0, 7_000.0, 2_000.0);
    let sample = |ops_per_s| Sample { ops_per_s, bare_ops_per_s: Some(90_000.0), ..Sample::default() };
    aws.add(DURABLE, Kind::KvRead, 128, "closed", sample(40_000.0));
    aws.add(DURABLE, Kind::GetSecretValue, 128, "closed", sample(30_000.0));
    aws.add(DURABLE, Kind::KmsEncrypt, 128, "closed", sample(29_999.0));
    assert_eq!(verdicts(&aws)[6..8], [Met, Missed]);
}

#[test]
fn a_doubtful_sync_proves_nothing() {
    let mut report = report(45_000.0, 10_000.0, 2_500.0, 7_000.0, 2_000.0);
    (report.sync_us, report.sync_fast_us) = (vec![1000.0, 1000.0], vec![900.0, 300.0]);
    let doubtful: Vec<bool> = judge(&report).iter().map(|judged| judged.verdict == Verdict::Doubtful).collect();
    assert_eq!(doubtful, [false, false, true, true, true, false, false, false, false, false, false, false]);
    report.judge();
    assert!(report.warnings[0].contains("a sync took more than"));
    assert!(text(&report).contains("doubtful"));
}

#[test]
fn extras_count_for_the_durable_server_only() {
    let mut report = Report::default();
    let extra = |target: &str, name, value| Extra { target: target.into(), name, value, note: "1000 secrets".into() };
    report.extras.push(extra(OFF, ExtraName::IdleMemoryMib, 1.0));
    assert_eq!(judge(&report)[8].verdict, Verdict::NotMeasured);
    report.extras.push(extra(DURABLE, ExtraName::IdleMemoryMib, 31.0));
    report.extras.push(extra(DURABLE, ExtraName::FirstReadMs, 12.0));
    assert_eq!(judge(&report)[8].verdict, Verdict::Missed);
    assert_eq!(judge(&report)[9].verdict, Verdict::Met);
    assert!(text(&report).contains("12.000 ms (1000 secrets)"));
}
