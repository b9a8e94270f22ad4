//! The export's lines, and what its reader refuses.

use super::*;
use crate::checkpoint::Statement;
use crate::log_time::LogTime;
use crate::merkle::{HashTree, consistency_proof, leaf_hash, root_of};
use cardea_crypto::signature::SigningKey;

pub(crate) const ORIGIN: &str = "cardea/c1/n1";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(crate) fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("{{\"v\":1,\"n\":{n},\"path\":\"secret/data/{n}\"}}").into_bytes()).collect()
}

pub(crate) fn tree_of(records: &[Vec<u8>]) -> HashTree {
    let mut tree = HashTree::new();
    records.iter().for_each(|record| tree.append(leaf_hash(record)));
    tree
}

pub(crate) fn checkpoint_of(tree: &HashTree, size: u64) -> Checkpoint {
    let time = LogTime::from_unix_ms(1_700_000_000_000 + size);
    Statement { origin: ORIGIN.to_owned(), size, root: root_of(tree, size).unwrap(), time }.sign(&key()).unwrap()
}

/// An export of `records[first..]` with checkpoints at the given sizes and proofs for the given prefixes.
pub(crate) fn export_of(records: &[Vec<u8>], first: u64, checkpoints: &[u64], prefixes: &[u64]) -> Vec<u8> {
    let tree = tree_of(records);
    let prefixes: Vec<PrefixProof> = prefixes
        .iter()
        .map(|size| PrefixProof {
            size: *size,
            root: root_of(&tree, *size).unwrap(),
            proof: consistency_proof(&tree, *size, first).unwrap(),
        })
        .collect();
    let mut writer = ExportWriter::begin(Vec::new(), ORIGIN, &tree.frontier(first).unwrap(), &prefixes).unwrap();
    if checkpoints.contains(&first) {
        writer.checkpoint(&checkpoint_of(&tree, first)).unwrap();
    }
    for (position, record) in (0u64..).zip(records).skip(usize::try_from(first).unwrap()) {
        writer.record(Position(position), &leaf_hash(record), record).unwrap();
        if checkpoints.contains(&(position + 1)) {
            writer.checkpoint(&checkpoint_of(&tree, position + 1)).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn read_all(bytes: &[u8]) -> Result<usize, ExportError> {
    let mut reader = ExportReader::open(bytes)?;
    let mut lines = 0;
    while reader.next_line()?.is_some() {
        lines += 1;
    }
    Ok(lines)
}

#[test]
fn the_lines_of_an_export() {
    let text = String::from_utf8(export_of(&records(3), 1, &[2, 3], &[])).unwrap();
    let expected = include_str!("testdata/export.jsonl");
    assert_eq!(text, expected);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(read_all(text.as_bytes()).unwrap(), 5);
}

#[test]
fn the_writer_refuses_what_would_not_verify() {
    let records = records(4);
    let tree = tree_of(&records);
    let leaf = leaf_hash(&records[0]);
    let begin = |first| ExportWriter::begin(Vec::new(), ORIGIN, &tree.frontier(first).unwrap(), &[]).unwrap();
    assert!(matches!(begin(0).record(Position(1), &leaf, &records[0]), Err(ExportError::OutOfOrder)));
    let long = [b"{", vec![b' '; RECORD_BYTES_MAX].as_slice(), b"}"].concat();
    for bad in [b"".as_slice(), b"x", b"{\n}", b"{\xff}", &long] {
        assert!(matches!(begin(0).record(Position(0), &leaf, bad), Err(ExportError::NotALine(Position(0)))));
    }
    assert!(matches!(begin(0).checkpoint(&checkpoint_of(&tree, 1)), Err(ExportError::OutOfOrder)));
    assert!(matches!(begin(0).finish(), Err(ExportError::OutOfOrder)));
    let mut twice = begin(2);
    twice.checkpoint(&checkpoint_of(&tree, 2)).unwrap();
    assert!(matches!(twice.checkpoint(&checkpoint_of(&tree, 2)), Err(ExportError::OutOfOrder)));
    let proof = PrefixProof { size: 2, root: leaf, proof: Vec::new() };
    let begun = ExportWriter::begin(Vec::new(), ORIGIN, &tree.frontier(2).unwrap(), &[proof]);
    assert!(matches!(begun, Err(ExportError::OutOfOrder)));
}

#[test]
fn the_reader_refuses_every_other_spelling() {
    let text = String::from_utf8(export_of(&records(3), 1, &[2, 3], &[])).unwrap();
    let cases = [
        ("space", text.replacen("\"leaf\":", "\"leaf\": ", 1)),
        ("order of fields", text.replacen("{\"end\":3,\"records\":2,", "{\"records\":2,\"end\":3,", 1)),
        ("unknown field", text.replacen("{\"checkpoint\":1,", "{\"checkpoint\":1,\"x\":0,", 1)),
        ("leading zero", text.replacen("{\"position\":1,", "{\"position\":01,", 1)),
        ("upper-case hash", text.replacen("\"leaf\":\"", "\"leaf\":\"A", 1)),
        ("escaped letter", text.replacen("\"note\":\"cardea", "\"note\":\"\\u0063ardea", 1)),
        ("empty line", text.replacen("\n{\"position\":1,", "\n\n{\"position\":1,", 1)),
        ("carriage return", text.replacen("}\n{\"position\":1,", "}\r\n{\"position\":1,", 1)),
        ("line after the end", text.clone() + "\n"),
        ("another end", text.clone() + text.lines().last().unwrap() + "\n"),
        ("long line", text.replacen("\"record\":{", &format!("\"record\":{{{}", " ".repeat(LINE_BYTES_MAX)), 1)),
    ];
    for (name, case) in cases {
        let verdict = read_all(case.as_bytes());
        assert!(matches!(verdict, Err(ExportError::Malformed | ExportError::NotAnExport)), "{name}: {verdict:?}");
    }
    for (name, case) in [
        ("nothing", String::new()),
        ("another file", "hello\n".to_owned()),
        ("newer", text.replacen("\"version\":1", "\"version\":2", 1)),
        ("frontier of another size", text.replacen("\"first\":1", "\"first\":0", 1)),
    ] {
        assert!(matches!(read_all(case.as_bytes()), Err(ExportError::NotAnExport)), "{name}");
    }
    assert!(matches!(read_all(text.trim_end().as_bytes()), Err(ExportError::Truncated)));
}
