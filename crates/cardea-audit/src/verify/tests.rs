//! Every way to change an export or the log behind it: each is noticed, and the place that is named is the place.

use super::*;
use crate::checkpoint::Statement;
use crate::export::tests::{ORIGIN, checkpoint_of, export_of, key, records, tree_of};
use proptest::prelude::*;

const COUNT: u64 = 24;
const CHECKPOINTS: [u64; 4] = [5, 12, 20, COUNT];

fn verifier() -> VerifierKey {
    VerifierKey::of(ORIGIN, &key()).unwrap()
}

fn judge(export: &[u8], trusted: &[Checkpoint]) -> Result<Report, Failure> {
    verify_export(export, trusted, &verifier())
}

fn lines_of(export: &[u8]) -> Vec<Vec<u8>> {
    export.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

/// The position that a line speaks of: a record's own, or the number of records before it.
fn position_of(lines: &[Vec<u8>], at: usize) -> u64 {
    let before = lines[..at].iter().filter(|line| line.starts_with(b"{\"position\"")).count();
    before as u64
}

fn record_line(position: u64, record: &[u8]) -> Vec<u8> {
    let head = format!("{{\"position\":{position},\"leaf\":\"{}\",\"record\":", leaf_hash(record));
    [head.as_bytes(), record, b"}\n"].concat()
}

/// The log as a thief of the file, without the key, would rewrite it: consistent lines, the old checkpoints.
fn rewritten(records: &[Vec<u8>]) -> Vec<u8> {
    let original = lines_of(&export_of(&crate::export::tests::records(COUNT), 0, &CHECKPOINTS, &[]));
    let notes: Vec<&Vec<u8>> = original.iter().filter(|line| line.starts_with(b"{\"checkpoint\"")).collect();
    let mut lines = vec![original[0].clone()];
    for (position, record) in (0u64..).zip(records) {
        lines.push(record_line(position, record));
        if let Some(number) = CHECKPOINTS.iter().position(|size| *size == position + 1) {
            lines.push(notes[number].clone());
        }
    }
    if (records.len() as u64) < COUNT {
        lines.push(notes[3].clone());
    }
    lines.push(original[original.len() - 1].clone());
    lines.concat()
}

#[test]
fn a_whole_log_holds() {
    let records = records(COUNT);
    let tree = tree_of(&records);
    let trusted: Vec<Checkpoint> = [12, 0, 7, COUNT, 12].iter().map(|size| checkpoint_of(&tree, *size)).collect();
    let mut seen = Vec::new();
    let export = export_of(&records, 0, &CHECKPOINTS, &[]);
    let report = verify_export_with(export.as_slice(), &trusted, &verifier(), &mut |position, record| {
        assert_eq!(record, records[position.0 as usize]);
        seen.push(position.0);
    });
    let expected = Report {
        origin: ORIGIN.to_owned(),
        first: Position(0),
        size: COUNT,
        root: checkpoint_of(&tree, COUNT).statement().root,
        records: COUNT,
        checkpoints: 4,
        trusted: vec![0, 7, 12, 12, COUNT],
        signed_at: checkpoint_of(&tree, COUNT).statement().time,
    };
    assert_eq!(report, Ok(expected));
    assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
}

#[test]
fn a_trimmed_log_holds_from_where_it_begins() {
    let records = records(COUNT);
    let tree = tree_of(&records);
    for first in 0..=COUNT {
        let kept: Vec<u64> = (1..first).collect();
        let export = export_of(&records, first, &[first, COUNT], &kept);
        let trusted: Vec<Checkpoint> = (0..=COUNT).map(|size| checkpoint_of(&tree, size)).collect();
        let report = judge(&export, &trusted).unwrap();
        assert_eq!((report.first.0, report.size, report.records), (first, COUNT, COUNT - first));
        assert_eq!(report.trusted, (0..=COUNT).collect::<Vec<_>>());
    }
    let without = export_of(&records, 8, &[COUNT], &[4]);
    let failure = judge(&without, &[checkpoint_of(&tree, 6)]).unwrap_err();
    assert_eq!(failure.finding, Finding::TrustedBeforeStart { size: 6 });
}

#[test]
fn what_the_demo_shows() {
    let export = export_of(&records(COUNT), 0, &CHECKPOINTS, &[]);
    let text = String::from_utf8(export).unwrap();
    let altered = text.replace("\"path\":\"secret/data/9\"", "\"path\":\"secret/data/8\"");
    let failure = judge(altered.as_bytes(), &[]).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "record 9 was found altered; the leaf hash logged for it is proven by the next checkpoint (record 9, line 15)"
    );
}

#[test]
fn each_kind_of_change_has_its_name() {
    let whole = records(COUNT);
    let tree = tree_of(&whole);
    let lines = lines_of(&export_of(&whole, 0, &CHECKPOINTS, &[]));
    let text = String::from_utf8(lines.concat()).unwrap();
    let at = |position: u64| {
        lines.iter().position(|line| line.starts_with(format!("{{\"position\":{position},").as_bytes())).unwrap()
    };
    let without = |index: usize| [&lines[..index], &lines[index + 1..]].concat().concat();
    let altered = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut records = whole.clone();
        change(&mut records);
        rewritten(&records)
    };
    let leaf_9 = leaf_hash(&whole[9]).to_string();
    let other = leaf_hash(b"other").to_string();
    let last_checkpoint = lines.len() - 2;
    let found = |found| Finding::WrongPosition { found: Position(found) };
    let one = |culprit| Finding::RecordAltered { positions: vec![Position(9)], culprit };
    let cases: Vec<(&str, Vec<u8>, Finding, u64, u64)> = vec![
        ("record", text.replace("data/9\"", "data/8\"").into_bytes(), one(Culprit::Record), 9, 10),
        ("leaf hash", text.replace(&leaf_9, &other).into_bytes(), one(Culprit::LeafHash), 9, 10),
        (
            "record and, differently, leaf hash",
            text.replace(&leaf_9, &other).replace("data/9\"", "data/8\"").into_bytes(),
            one(Culprit::Unknown),
            9,
            10,
        ),
        ("record with its leaf hash", altered(&|r| r[9] = b"{}".to_vec()), Finding::RootMismatch, 5, 12),
        ("removed line", without(at(9)), found(10), 9, 10),
        ("removed record, renumbered", altered(&|r| drop(r.remove(22))), Finding::WrongCheckpoint, 23, 24),
        ("moved record, renumbered", altered(&|r| r.swap(13, 18)), Finding::RootMismatch, 12, 20),
        (
            "removed and replaced",
            altered(&|r| {
                r.remove(13);
                r.insert(15, b"{}".to_vec());
            }),
            Finding::RootMismatch,
            12,
            20,
        ),
        ("repeated line", [&lines[..=at(9)], &lines[at(9)..]].concat().concat(), found(9), 10, 11),
        ("cut after a line", lines[..at(9)].concat(), Finding::Truncated, 9, 10),
        ("removed checkpoint", without(at(12) - 1), Finding::WrongCheckpoint, 20, 21),
        ("removed last checkpoint", without(last_checkpoint), Finding::EndNotSigned, 24, 25),
        ("removed end", without(lines.len() - 1), Finding::Truncated, 24, 25),
        ("another end", text.replace("\"records\":24", "\"records\":23").into_bytes(), Finding::EndNotSigned, 24, 25),
        ("another origin", text.replacen(ORIGIN, "cardea/c1/n2", 1).into_bytes(), Finding::WrongLog, 0, 0),
        (
            "checkpoint of another log",
            text.replacen("note\":\"cardea/c1/n1", "note\":\"cardea/c1/n2", 1).into_bytes(),
            Finding::BadSignature,
            5,
            6,
        ),
        ("checkpoint's size", text.replacen("n1\\n12\\n", "n1\\n13\\n", 1).into_bytes(), Finding::BadSignature, 12, 13),
        ("nothing", Vec::new(), Finding::NotAnExport, 0, 0),
    ];
    for (name, export, finding, from, to) in cases {
        let failure = judge(&export, &[]).unwrap_err();
        assert_eq!((failure.finding, failure.from.0, failure.to.0), (finding, from, to), "{name}");
    }
    let early = export_of(&whole[..12], 0, &[5, 12], &[]);
    judge(&early, &[checkpoint_of(&tree, 12)]).unwrap();
    let set_back = judge(&early, &[checkpoint_of(&tree, 20)]).unwrap_err();
    assert_eq!((set_back.finding, set_back.from.0), (Finding::TrustedBeyondEnd { size: 20 }, 12));
}

#[test]
fn a_log_signed_again_with_the_stolen_key_is_told_by_what_was_kept() {
    let whole = records(COUNT);
    let tree = tree_of(&whole);
    let mut forged = whole.clone();
    forged[9] = b"{\"v\":1,\"n\":9,\"path\":\"harmless\"}".to_vec();
    let export = export_of(&forged, 0, &CHECKPOINTS, &[]);
    judge(&export, &[]).unwrap();
    let kept: Vec<Checkpoint> = [4, 8, 11, 24].iter().map(|size| checkpoint_of(&tree, *size)).collect();
    let failure = judge(&export, &kept).unwrap_err();
    assert_eq!(failure.finding, Finding::TrustedMismatch { size: 11 });
    assert_eq!((failure.from.0, failure.to.0), (8, 11));
    let trimmed = export_of(&forged, 16, &[COUNT], &[11]);
    let failure = judge(&trimmed, &kept[2..]).unwrap_err();
    assert_eq!(failure.finding, Finding::TrustedMismatch { size: 11 });
}

#[test]
fn a_kept_checkpoint_must_be_the_logs_own() {
    let whole = records(COUNT);
    let export = export_of(&whole, 0, &CHECKPOINTS, &[]);
    let genuine = checkpoint_of(&tree_of(&whole), 12).statement().clone();
    let stranger = cardea_crypto::signature::SigningKey::from_seed(&[8; 32]);
    let forged = genuine.clone().sign(&stranger).unwrap();
    assert_eq!(judge(&export, &[forged]).unwrap_err().finding, Finding::TrustedNotSigned { size: 12 });
    let other = Statement { origin: "cardea/c1/n2".to_owned(), ..genuine }.sign(&key()).unwrap();
    assert_eq!(judge(&export, &[other]).unwrap_err().finding, Finding::WrongLog);
}

#[test]
fn many_altered_records_are_listed_up_to_a_bound() {
    let whole = records(200);
    let text = String::from_utf8(export_of(&whole, 0, &[200], &[])).unwrap();
    let failure = judge(text.replace("secret/data", "secret/date").as_bytes(), &[]).unwrap_err();
    let Finding::RecordAltered { positions, culprit } = &failure.finding else { panic!("{failure}") };
    assert_eq!((positions.len(), *culprit), (POSITIONS_LISTED_MAX, Culprit::Record));
    assert_eq!((failure.from.0, failure.to.0), (0, 200));
    assert!((0..200).all(|position| failure.names(Position(position))));
}

/// Whether a failure points at a line: by its number, by the next one's (a change of line ends shows there), or by its position.
fn located(failure: &Failure, line: usize, position: u64) -> bool {
    let line = line as u64 + 1;
    failure.line == line || failure.line == line + 1 || failure.names(Position(position))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_changed_byte_is_noticed_and_located(first in 0u64..12, at in any::<prop::sample::Index>(), mask in 1u8..=255) {
        let export = export_of(&records(COUNT), first, &CHECKPOINTS, if first > 3 { &[2, 3] } else { &[] });
        let mut bytes = export.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let failure = judge(&bytes, &[]).unwrap_err();
        let line = export[..at].iter().filter(|b| **b == b'\n').count();
        let position = first + position_of(&lines_of(&export), line);
        // The header carries the frontier, which only the first checkpoint can contradict.
        prop_assert!(line == 0 || located(&failure, line, position), "line {line}, position {position}: {failure:?}");
    }

    #[test]
    fn any_moved_line_is_noticed_and_located(kind in 0u8..4, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let lines = lines_of(&export_of(&records(COUNT), 0, &CHECKPOINTS, &[]));
        let (a, b) = (a.index(lines.len()), b.index(lines.len()));
        let (a, b) = (a.min(b), a.max(b));
        let mut changed = lines.clone();
        match kind {
            0 => drop(changed.remove(a)),
            1 => changed.insert(b, lines[a].clone()),
            2 => changed.swap(a, b),
            _ => changed.truncate(a),
        }
        prop_assume!(changed != lines);
        let failure = judge(&changed.concat(), &[]).unwrap_err();
        // A checkpoint that is missing shows at the next one: its number jumps.
        let shows = lines[a].starts_with(b"{\"checkpoint\"") && kind != 1;
        let close = |at: usize| located(&failure, at, position_of(&lines, at));
        prop_assert!(shows || close(a) || close(b), "{kind} {a} {b}: {failure:?}");
    }

    #[test]
    fn any_rewritten_history_is_noticed_and_located(kind in 0u8..4, a in 0usize..COUNT as usize, b in 0usize..COUNT as usize) {
        let mut changed = records(COUNT);
        match kind {
            0 => changed[a] = b"{\"v\":1}".to_vec(),
            1 => changed.swap(a, b),
            2 => { changed.remove(a); changed.insert(b, b"{\"v\":1}".to_vec()); }
            _ => { let record = changed.remove(a); changed.insert(b, record); }
        }
        prop_assume!(changed != records(COUNT));
        let failure = judge(&rewritten(&changed), &[]).unwrap_err();
        let first_changed = changed.iter().zip(records(COUNT)).position(|(now, then)| *now != then).unwrap() as u64;
        prop_assert_eq!(&failure.finding, &Finding::RootMismatch);
        prop_assert!(failure.names(Position(first_changed)));
        // No wider than the checkpoints around it.
        let from = CHECKPOINTS.iter().rev().find(|size| **size <= first_changed).copied().unwrap_or(0);
        let to = CHECKPOINTS.iter().find(|size| **size > first_changed).copied().unwrap();
        prop_assert_eq!((failure.from.0, failure.to.0), (from, to));
    }

    #[test]
    fn any_cut_is_noticed(at in any::<prop::sample::Index>()) {
        let export = export_of(&records(COUNT), 0, &CHECKPOINTS, &[]);
        let cut = &export[..at.index(export.len())];
        prop_assert!(judge(cut, &[]).is_err());
    }

    #[test]
    fn no_bytes_make_the_judge_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), keep in any::<prop::sample::Index>()) {
        let export = export_of(&records(6), 0, &[3, 6], &[]);
        let spliced = [&export[..keep.index(export.len())], &bytes].concat();
        let _ = judge(&spliced, &[]);
    }
}
