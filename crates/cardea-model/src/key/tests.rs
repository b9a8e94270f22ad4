//! Blobs come back, and nothing else is one.

use super::*;

const ID: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";

#[test]
fn blobs_come_back() {
    for (id, form) in [(ID, 1), ("mrk-0f1e2d3c4b5a46978877665544332211", 2)] {
        let blob = SealedBlob { key_id: id.to_owned(), version: 7, sealed: vec![1, 2, 3] };
        let bytes = blob.encode().unwrap();
        assert_eq!(bytes[0], form);
        assert_eq!(SealedBlob::decode(&bytes), Some(blob));
    }
}

#[test]
fn what_is_no_blob_is_none() {
    let good = SealedBlob { key_id: ID.to_owned(), version: 1, sealed: vec![1] }.encode().unwrap();
    let mut other_form = good.clone();
    other_form[0] = 3;
    let mut no_version = good.clone();
    no_version[17..21].fill(0);
    for bytes in [&good[..good.len() - 1], &good[..20], &[], &other_form, &no_version] {
        assert_eq!(SealedBlob::decode(bytes), None);
    }
    for id in [
        "",
        "0f1e2d3c",
        "0F1e2d3c-4b5a-4697-8877-665544332211",
        "0f1e2d3c-4b5a-4697-88776-65544332211",
        "mrk-0F",
        "mrk-",
    ] {
        let blob = SealedBlob { key_id: id.to_owned(), version: 1, sealed: vec![1] };
        assert!(blob.encode().is_err(), "{id}");
    }
}

#[test]
fn every_algorithm_is_for_something() {
    for algorithm in KeyAlgorithm::ALL {
        assert!(!algorithm.usages().is_empty());
        let name = serde_json::to_string(&algorithm).unwrap();
        assert_eq!(serde_json::from_str::<KeyAlgorithm>(&name).unwrap(), algorithm);
    }
}

#[test]
fn names_are_one_segment() {
    for (name, ok) in [("app", true), ("a.b-c", true), ("", false), ("a/b", false), ("a/", false), ("..", false)] {
        assert_eq!(check_key_name(name).is_ok(), ok, "{name}");
    }
}

#[test]
fn every_fault_is_found_again() {
    for fault in [KeyFault::Ciphertext, KeyFault::Exists, KeyFault::TooManyVersions, KeyFault::PendingImport] {
        assert_eq!(KeyFault::of(&fault.error()), Some(fault));
    }
    assert_eq!(KeyFault::of(&Error::invalid("something else")), None);
}
