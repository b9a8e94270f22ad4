//! The log as evidence: export joins pages, verify judges offline, search prints.

use crate::{
    fake::{Asked, Fake, said},
    world::world,
};
use cardea_audit::{
    Hash, LogTime, OpenRecord, Position,
    checkpoint::{CheckpointKey, Statement},
    merkle::{Frontier, leaf_hash},
    record::Outcome,
};
use cardea_crypto::signature::SigningKey;
use serde_json::json;

const ORIGIN: &str = "cardea/c1/n1";
const SEED: [u8; 32] = [7; 32];

fn records(count: u64) -> Vec<Vec<u8>> {
    let record = |n: u64| {
        let open = OpenRecord::request(LogTime::from_unix_ms(1_700_000_000_000 + n), &format!("r{n}"), "n1");
        open.path(&format!("secret/data/{n}")).complete(Outcome::ok()).encode().unwrap()
    };
    (0..count).map(record).collect()
}

fn note(records: &[Vec<u8>]) -> String {
    let mut tree = Frontier::new();
    records.iter().for_each(|record| tree.append(leaf_hash(record)));
    let time = LogTime::from_unix_ms(1_700_000_100_000);
    let statement = Statement { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root(), time };
    statement.sign(&SigningKey::from_seed(&SEED)).unwrap().to_string()
}

fn line(position: u64, record: &[u8]) -> String {
    let leaf: Hash = leaf_hash(record);
    format!(
        "{{\"position\":{},\"leaf\":\"{leaf}\",\"record\":{}}}\n",
        Position(position),
        String::from_utf8_lossy(record)
    )
}

/// A server with a log of seven records in pages of three, checkpoints at four and six.
fn server() -> Fake {
    let records = records(7);
    let facts = json!({"data": {
        "origin": ORIGIN, "key": "k", "first": 0, "frontier": [], "checkpoints": [note(&records[..4]), note(&records[..6])],
    }});
    Fake::start(move |asked: &Asked, _| {
        if asked.line == "GET /v1/sys/audit-log/checkpoints" {
            return said(200, &facts.to_string());
        }
        let from = asked.line.split_once("from=").and_then(|(_, rest)| rest.split('&').next()?.parse::<usize>().ok());
        let Some(from) = from else { return said(404, r#"{"errors":[]}"#) };
        let page = (from..records.len().min(from + 3)).map(|n| line(n as u64, &records[n])).collect::<String>();
        said(200, &page)
    })
}

fn key() -> String {
    CheckpointKey::new(ORIGIN, &SEED).verifier_text()
}

#[test]
fn an_export_is_proven_and_a_changed_byte_is_named() {
    let server = server();
    let world = world(&[]).with("VAULT_ADDR", &server.address);
    let export = world.home().join("log.jsonl");
    let export = export.to_str().unwrap();
    let outcome = world.run_words(&["audit", "export", "-output", export]);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert_eq!(outcome.out, format!("Success! Exported 6 records from position 0 to: {export}\n"));
    assert_eq!(server.lines().len(), 3, "one question about checkpoints, two pages");

    let kept = world.file("kept", &note(&records(2)));
    let key_file = world.file("key", &format!("{}\n", key()));
    let flag = |name: &str, value: &str| format!("-{name}={value}");
    let (kept, key_file) = (flag("checkpoint", &kept), flag("key", &key_file));
    let good = world.run_words(&["audit", "verify", export, &kept, &key_file]);
    assert_eq!((good.code, good.err.as_str()), (0, ""));
    assert!(
        good.out.contains("Kept Checkpoints Proven    2\n") && good.out.ends_with("\nSuccess! The log holds.\n"),
        "{}",
        good.out
    );
    let json = world.run_words(&["audit", "verify", "-format=json", &kept, &key_file, export]);
    assert!(json.out.contains("\"verified\": true") && json.out.contains("\"size\": 6"), "{}", json.out);

    let unkept = world.run_words(&["audit", "verify", export, &flag("key", &key())]);
    assert_eq!(unkept.code, 0);
    assert!(unkept.err.starts_with("WARNING! No kept checkpoint was given"));

    let text = std::fs::read_to_string(export).unwrap();
    world.file("log.jsonl", &text.replace("secret/data/3", "secret/data/8"));
    let bad = world.run_words(&["audit", "verify", export, &kept, &key_file]);
    assert_eq!((bad.code, bad.out.as_str()), (2, ""));
    assert!(bad.err.starts_with("The log does not hold: record 3 was found altered"), "{}", bad.err);

    let keyless = world.run_words(&["audit", "verify", export, &kept]);
    assert_eq!(keyless.code, 1);
    assert!(keyless.err.starts_with("A key is needed"));
}

#[test]
fn an_export_that_breaks_off_leaves_no_file() {
    let records = records(7);
    let facts = json!({"data": {"origin": ORIGIN, "first": 0, "frontier": [], "checkpoints": [note(&records)]}});
    for (name, page) in [
        ("nothing more", String::new()),
        ("half a line", line(0, &records[0])[..40].to_owned()),
        ("a gap", line(1, &records[1])),
        ("no record", "{\"end\":1,\"records\":1,\"checkpoints\":0}\n".to_owned()),
    ] {
        let facts = facts.clone();
        let server = Fake::start(move |asked: &Asked, _| {
            said(200, if asked.line.ends_with("checkpoints") { facts.to_string() } else { page.clone() }.as_str())
        });
        let world = world(&[]).with("VAULT_ADDR", &server.address);
        let export = world.home().join("log.jsonl");
        let outcome = world.run_words(&["audit", "export", "-output", export.to_str().unwrap()]);
        assert_eq!(outcome.code, 2, "{name}");
        assert!(outcome.err.starts_with("Error exporting the log: "), "{name}: {}", outcome.err);
        assert!(!export.exists(), "{name}");
    }
}

#[test]
fn checkpoints_are_printed_byte_for_byte() {
    let note = note(&records(3));
    let answer = json!({"data": {"checkpoint": note, "key": key()}}).to_string();
    let world = world(&[("GET /v1/sys/audit-log/checkpoint", 200, &answer)]);
    assert_eq!(world.run("audit checkpoint").out, note);
    assert_eq!(world.run("audit checkpoint -field=checkpoint").out, note);
    assert_eq!(world.run("audit checkpoint -field=key").out, key());
}

#[test]
fn searches_go_on_until_enough_is_found() {
    let records = records(4);
    let found =
        |n: usize| json!({"position": n, "record": serde_json::from_slice::<serde_json::Value>(&records[n]).unwrap()});
    let first = json!({"data": {"found": [found(1)], "next": 2}}).to_string();
    let second = json!({"data": {"found": [found(3)]}}).to_string();
    let query = "GET /v1/sys/audit-log/search?path=secret%2Fdata%2F%2A&address=10.0.0.0%2F8&decision=allow";
    let (one, two) = (format!("{query}&limit=5"), format!("{query}&limit=4&after=2"));
    let world = world(&[(&one, 200, &first), (&two, 200, &second)]);
    let outcome = world.run("audit search -path=secret/data/* -source=10.0.0.0/8 -decision=allow -limit=5");
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", outcome.out);
    assert!(lines[0].starts_with("Position    Time") && lines[0].ends_with("Detail"));
    assert!(lines[2].starts_with("1           2023-11-14T22:13:20.001Z    ok"), "{}", lines[2]);
    assert!(lines[3].contains("secret/data/3"));
    assert_eq!(world.asked(), [one, two]);
}
