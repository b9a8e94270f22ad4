//! The program itself against a small fake server: what it prints, writes, cleans up and returns.

#![allow(clippy::unwrap_used)] // a failing test is what an unwrap in one means

#[allow(dead_code)] // the fake has more knobs than these tests turn
#[path = "../src/fake.rs"]
mod fake;

use std::process::{Command, Output};

use fake::{Fake, Mistakes};

fn bench(fake: &Fake, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardea-bench"));
    command.env_remove("VAULT_ADDR").env("VAULT_TOKEN", "hvs.root-of-the-test");
    command.args(["run", "-address", &fake.url, "-secrets=70", "-connections", "3"]);
    command.args(["-warm-up", "0.1", "-duration", "0.3"]).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_whole_run_prints_every_cell_and_leaves_nothing_behind() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");
    let pid = std::process::id().to_string();
    let flags = [
        "-mode=both",
        "-rounds=2",
        "-sync-dir",
        folder.path().to_str().unwrap(),
        "-json",
        file.to_str().unwrap(),
        "-pid",
    ];
    let output = bench(&fake, &[&flags[..], &[&pid, "-database-role=payments"]].concat());
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}{out}", text(&output.stderr));
    for operation in [
        "kv-read",
        "kv-write-one",
        "kv-write-spread",
        "kv-mix-90-10",
        "token-lookup",
        "approle-login",
        "database-creds",
        "transit-encrypt",
        "transit-sign",
    ] {
        let lines = out.lines().filter(|line| line.starts_with("server") && line.contains(operation)).count();
        assert_eq!(lines, 2, "{operation}: one line for each pace\n{out}");
    }
    assert_eq!(out.lines().filter(|line| line.starts_with("bare")).count(), 1, "{out}");
    for words in ["one sync", "1.0.0-fake", "70 secrets of 1024 bytes", "2 rounds"] {
        assert!(out.contains(words), "{words}\n{out}");
    }
    assert!(!out.contains("hvs.") && !text(&output.stderr).contains("hvs."), "tokens are not printed");
    let left: Vec<String> =
        fake.state.made.lock().unwrap().iter().filter(|path| path.starts_with("sys/m")).cloned().collect();
    assert!(left.is_empty(), "{left:?}");

    let written = std::fs::read_to_string(&file).unwrap();
    let report: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(report["rows"].as_array().unwrap().len(), 1 + 9 * 2);
    let syncs = report["rows"][1]["rounds"][0]["syncs"].as_f64().unwrap();
    assert!((0.01..2.0).contains(&syncs), "the fake counts one sync a request, the report says {syncs}");

    let aims =
        Command::new(env!("CARGO_BIN_EXE_cardea-bench")).arg("aims").arg("-results").arg(&file).output().unwrap();
    assert!(text(&aims.stdout).contains("not measured  KV read, 128 connections"), "{}", text(&aims.stdout));
}

#[test]
fn a_wrong_answer_fails_the_run() {
    for mistakes in [
        Mistakes { wrong_body_every: 180, ..Mistakes::default() },
        Mistakes { wrong_status_every: 180, ..Mistakes::default() },
    ] {
        let fake = Fake::start();
        fake.state.misbehave(mistakes);
        let output = bench(&fake, &["-ops=kv-read,token-lookup", "-no-bare"]);
        assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(text(&output.stdout).contains("no figure of it counts"));
    }
}

#[test]
fn without_a_role_the_credentials_are_skipped() {
    let fake = Fake::start();
    fake.state.misbehave(Mistakes { no_database: true, ..Mistakes::default() });
    let output = bench(&fake, &["-ops=token-lookup,database-creds", "-no-bare", "-database-role=none"]);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("database-creds is skipped"), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("database-creds"));
}

#[test]
fn a_mount_of_someone_else_is_left_alone() {
    let fake = Fake::start();
    fake.state.made.lock().unwrap().push("sys/mounts/bench".into());
    let output = bench(&fake, &["-no-bare"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("already in use"));
    assert_eq!(*fake.state.made.lock().unwrap(), ["sys/mounts/bench"]);
    assert!(bench(&fake, &["-no-bare", "-replace", "-ops=token-lookup"]).status.success());
}
