//! Medians, ratios, warnings and the shape of the table.

use super::*;

fn round(ops_per_s: f64) -> Sample {
    Sample {
        ops_per_s,
        p50_us: 1500.0,
        bare_ops_per_s: Some(1000.0),
        sync_us: Some(500.0),
        generator_share: 0.5,
        ..Sample::default()
    }
}

fn row(rates: &[f64]) -> Row {
    let rounds = rates.iter().map(|&rate| round(rate)).collect();
    Row { target: "durable".into(), kind: Kind::KvWriteSpread, connections: 16, pace: "closed".into(), rounds }
}

#[test]
fn medians() {
    let cases: [(&[f64], Option<f64>); 4] =
        [(&[], None), (&[3.0], Some(3.0)), (&[9.0, 1.0, 2.0], Some(2.0)), (&[4.0, 1.0, 2.0, 8.0], Some(3.0))];
    for (values, expected) in cases {
        assert_eq!(median(values.iter().copied()), expected);
    }
}

#[test]
fn ratios_and_spread() {
    let row = row(&[400.0, 500.0, 600.0]);
    assert_eq!(row.against_bare(), Some(0.5));
    assert_eq!(row.p50_less_sync_us(), Some(1000.0));
    assert_eq!(row.ops_in_a_sync(), Some(0.25));
    assert!((row.spread() - 0.4).abs() < 1e-9);
    assert_eq!(row.faults(), 0);
}

#[test]
fn rounds_of_a_cell_gather_in_one_row() {
    let mut report = Report::default();
    for (target, rate) in [("durable", 1.0), ("off", 2.0), ("durable", 3.0)] {
        report.add(target, Kind::KvRead, 1, "closed", round(rate));
    }
    assert_eq!(report.rows.len(), 2);
    assert_eq!(report.closed_row("durable", Kind::KvRead, 1).unwrap().rounds.len(), 2);
    assert!(report.closed_row("durable", Kind::KvRead, 2).is_none());
}

#[test]
fn doubtful_figures_are_called_so() {
    type Spoil = fn(&mut Sample);
    let cases: [(&str, Spoil, bool); 4] = [
        ("generator", |round| round.generator_share = 0.71, true),
        ("faults", |round| round.mismatches = 1, false),
        ("faults", |round| round.unfinished = 1, false),
        ("keep up", |round| round.offered_per_s = Some(1000.0), true),
    ];
    for (words, spoil, clean) in cases {
        let mut report = Report { rows: vec![row(&[400.0])], ..Report::default() };
        report.machine.cores = 1;
        spoil(&mut report.rows[0].rounds[0]);
        report.judge();
        assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
        assert!(report.warnings[0].contains(words), "{:?}", report.warnings);
        assert!(report.text().contains("WARNING: "));
        assert_eq!(report.is_clean(), clean, "{words}");
    }
    let mut quiet = Report { rows: vec![row(&[400.0])], ..Report::default() };
    quiet.judge();
    assert!(quiet.warnings.is_empty());
    quiet.machine.load_average = 9.0;
    quiet.judge();
    assert!(quiet.warnings[0].contains("not quiet"));
}

#[test]
fn the_table_is_aligned_and_the_file_reads_back() {
    let report =
        Report { rows: vec![row(&[400.0, 123_456.0]), row(&[4.0])], sync_us: vec![500.0], ..Report::default() };
    let text = report.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("  ") && line.contains("16")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].len(), lines[1].len());
    assert!(text.contains("one sync    500 us"));
    let file = serde_json::to_string(&report).unwrap();
    let again: Report = serde_json::from_str(&file).unwrap();
    assert_eq!(again.text(), text);
}
