//! The log's formats: a record that is read is written alike, a checkpoint that verifies is one that was signed, and an export
//! that verifies holds nothing but what was logged.

use cardea_audit::checkpoint::{Checkpoint, Statement, VerifierKey};
use cardea_audit::export::ExportWriter;
use cardea_audit::merkle::{Frontier, HashTree, leaf_hash, root_of};
use cardea_audit::record::{Operation, Outcome};
use cardea_audit::search::{Query, QuerySpec, Summary};
use cardea_audit::verify::verify_export_with;
use cardea_audit::{LogTime, OpenRecord, Position, Record, vault_format};
use cardea_crypto::signature::SigningKey;

const ORIGIN: &str = "cardea/c1/n1";
const RECORDS: u64 = 6;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn verifier() -> VerifierKey {
    VerifierKey::of(ORIGIN, &key()).unwrap()
}

fn made(n: u64) -> Record {
    let time = LogTime::from_unix_ms(1_700_000_000_000 + n);
    let record = OpenRecord::request(time, &format!("request-{n}"), "n1").dialect("vault").operation(Operation::Read);
    record.path(&format!("secret/data/{n}")).complete(Outcome::denied("policy"))
}

pub fn record_seeds() -> Vec<Vec<u8>> {
    (0..2).map(|n| made(n).encode().unwrap()).collect()
}

/// A record of the log, as stored.
pub fn record(data: &[u8]) -> bool {
    let Ok(record) = Record::decode(data) else { return false };
    // What another version wrote may be longer than what this one writes.
    let Ok(bytes) = record.encode() else { return false };
    let again = Record::decode(&bytes).unwrap();
    assert_eq!(again, record, "a record is another after it was written");
    assert_eq!(again.encode().unwrap(), bytes);
    assert!(!bytes.contains(&b'\n'), "a record takes two lines of an export");
    let mut lines = Vec::new();
    vault_format::write_lines(&record, &vault_format::Options::default(), &mut lines);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok(), "a line of the log is not JSON");
    }
    for cell in Summary::of(&record).cells() {
        assert!(!cell.chars().any(|c| c.is_control()), "a control character reaches a terminal: {cell:?}");
    }
    true
}

fn checkpoint_of(size: u64) -> Checkpoint {
    let mut tree = HashTree::new();
    (0..size).for_each(|n| tree.append(leaf_hash(&made(n).encode().unwrap())));
    let time = LogTime::from_unix_ms(1_700_000_000_000 + size);
    Statement { origin: ORIGIN.to_owned(), size, root: root_of(&tree, size).unwrap(), time }.sign(&key()).unwrap()
}

pub fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let keys = verifier().to_string().into_bytes();
    vec![checkpoint_of(1).to_text().into_bytes(), checkpoint_of(RECORDS).to_text().into_bytes(), keys]
}

/// A checkpoint, or the text of a key that verifies some.
pub fn checkpoint(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()).unwrap().to_string(), key.to_string());
        return true;
    }
    let Ok(checkpoint) = Checkpoint::parse(text) else { return false };
    assert_eq!(Checkpoint::parse(&checkpoint.to_text()).unwrap().to_text(), checkpoint.to_text());
    let Ok(statement) = Checkpoint::verify_text(text, &verifier()) else { return false };
    let signed = (0..=RECORDS).any(|size| *checkpoint_of(size).statement() == statement);
    assert!(signed, "a statement verifies that nobody signed: {statement:?}");
    true
}

pub fn export_seeds() -> Vec<Vec<u8>> {
    let mut writer = ExportWriter::begin(Vec::new(), ORIGIN, &Frontier::new(), &[]).unwrap();
    for n in 0..RECORDS {
        let bytes = made(n).encode().unwrap();
        writer.record(Position(n), &leaf_hash(&bytes), &bytes).unwrap();
        if n % 3 == 2 {
            writer.checkpoint(&checkpoint_of(n + 1)).unwrap();
        }
    }
    vec![writer.finish().unwrap()]
}

/// An export of the log.
pub fn export(data: &[u8]) -> bool {
    let mut seen = Vec::new();
    let verdict =
        verify_export_with(data, &[], &verifier(), &mut |position, record| seen.push((position, record.to_vec())));
    match verdict {
        Ok(report) => {
            assert_eq!(report.records, seen.len() as u64);
            for (position, record) in seen {
                assert_eq!(record, made(position.0).encode().unwrap(), "an altered record passed");
            }
            true
        }
        Err(failure) => {
            assert!(!failure.to_string().is_empty());
            false
        }
    }
}

/// What somebody looks for in the log. The input is the members of a query, one a line.
pub fn search(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut lines = text.lines().map(|line| Some(line.to_owned()).filter(|line| !line.is_empty()));
    let mut next = || lines.next().flatten();
    let spec = QuerySpec {
        path: next(),
        address: next(),
        from: next(),
        to: next(),
        operation: next(),
        ..QuerySpec::default()
    };
    let Ok(query) = Query::parse(&spec, None) else { return false };
    let everything = Query::parse(&QuerySpec::default(), None).unwrap();
    for n in 0..2 {
        assert!(everything.matches(&made(n)), "a query without conditions has one");
        let _ = query.matches(&made(n));
    }
    true
}
