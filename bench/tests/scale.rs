//! The scale run in small: everything it prints is there, every answer is right, no lease is left. No figure is judged.

#![allow(clippy::unwrap_used)] // a failing test is what an unwrap in one means

use std::process::Command;

#[test]
fn a_small_run_prints_every_figure_and_leaves_no_lease() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardea-bench"));
    command.args(["scale", "-secrets=60", "-leases=500", "-storm=100", "-window=2", "-reads=100", "-rate=50"]);
    let output = command.arg("-dir").arg(folder.path()).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}{out}");
    for words in [
        "memory, fresh server",
        "opening the store, after a clean end",
        "first 200 on a KV read, after kill -9",
        "memory, idle with the data",
        "memory after 100 random reads",
        "KV read p99, at rest",
        "KV read p99, in the storm",
        "KV read p99, at rest again",
        "KV read p99, storm over rest",
        "revocations a second",
        "one sync",
        "400 are there",
    ] {
        assert!(out.contains(words), "{words}\n{out}");
    }
    assert!(out.lines().any(|line| line.starts_with("met ") && line.contains("leases of the storm left")), "{out}");
    assert!(!out.contains("hvs.") && !errors.contains("hvs."), "tokens are not printed");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the store is removed");
}
