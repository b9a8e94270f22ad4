//! What the witness promises: the newest text whole, for its owner alone, and a clear word for what it is not.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn witness() -> (tempfile::TempDir, FileWitness) {
    let folder = tempfile::tempdir().unwrap();
    let witness = FileWitness::new(folder.path().join("store.witness"));
    (folder, witness)
}

#[test]
fn the_newest_text_is_remembered_by_the_next_process_too() {
    let (_folder, witness) = witness();
    assert_eq!(witness.last(), Ok(None), "nothing was remembered yet");
    witness.remember("one\n").unwrap();
    witness.remember("two\n").unwrap();
    assert_eq!(witness.last(), Ok(Some("two\n".to_owned())));
    assert_eq!(FileWitness::new(witness.path().to_path_buf()).last(), Ok(Some("two\n".to_owned())));
    assert_eq!(fs::metadata(witness.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_a_crash_left_beside_it_is_not_read() {
    let (_folder, witness) = witness();
    witness.remember("whole").unwrap();
    fs::write(&witness.next, "hal").unwrap();
    assert_eq!(witness.last(), Ok(Some("whole".to_owned())));
    witness.remember("newer").unwrap();
    assert_eq!(witness.last(), Ok(Some("newer".to_owned())));
}

#[test]
fn an_emptied_file_starts_over_and_a_foreign_one_is_an_error() {
    let (folder, witness) = witness();
    fs::write(witness.path(), "\n").unwrap();
    assert_eq!(witness.last(), Ok(None));
    fs::write(witness.path(), "x".repeat(100_000)).unwrap();
    assert!(witness.last().unwrap_err().contains("too long"));
    fs::write(witness.path(), [0xFF, 0xFE]).unwrap();
    assert!(witness.last().is_err());
    let lost = FileWitness::new(folder.path().join("missing/store.witness"));
    assert!(lost.remember("x").unwrap_err().contains("cannot be written"));
}
