//! Checkpoints against a published note, and against everything that is almost a checkpoint.

use super::*;
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn statement() -> Statement {
    Statement {
        origin: origin("c1", "n1"),
        size: 42,
        root: Hash::of(&[b"root"]),
        time: LogTime::parse("2026-03-04T05:06:07.089Z").unwrap(),
    }
}

fn signed() -> (String, VerifierKey) {
    let key = key();
    (statement().sign(&key).unwrap().to_string(), VerifierKey::of("cardea/c1/n1", &key).unwrap())
}

#[test]
fn the_published_note_verifies() {
    let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\
        \n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let note = Note::parse(text).unwrap();
    assert_eq!(note.verify(&key), Ok(()));
    assert_eq!(note.to_string(), text);
    assert_eq!(Note::parse(&text.replace("think", "thing")).unwrap().verify(&key), Err(CheckpointError::BadSignature));
    assert_eq!(key.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
}

#[test]
fn a_checkpoint_has_this_form() {
    let (text, verifier) = signed();
    let root = STANDARD.encode(Hash::of(&[b"root"]).0);
    let body = format!("cardea/c1/n1\n42\n{root}\ntime 2026-03-04T05:06:07.089Z\n\n\u{2014} cardea/c1/n1 ");
    assert!(text.starts_with(&body), "{text}");
    let read = Checkpoint::parse(&text).unwrap();
    assert_eq!(read.statement(), &statement());
    assert_eq!(read.to_string(), text);
    assert_eq!(read.verify(&verifier), Ok(()));
    assert_eq!(VerifierKey::parse(&verifier.to_string()), Ok(verifier));
}

#[test]
fn a_named_key_signs_what_a_frontier_says() {
    let mut frontier = Frontier::new();
    frontier.append_record(b"{}");
    for (given, name) in [("cardea/c1/n1", "cardea/c1/n1"), ("cardea/c 1/n+1\n", "cardea/c-1/n-1-"), ("", "-")] {
        let key = CheckpointKey::new(given, &[7; 32]);
        assert_eq!(key.origin(), name);
        let text = Checkpoint::of(&key, &frontier, LogTime::from_unix_ms(5)).to_text();
        let verifier = VerifierKey::parse(&key.verifier_text()).unwrap();
        let said = Checkpoint::verify_text(&text, &verifier).unwrap();
        let root = crate::merkle::leaf_hash(b"{}");
        assert_eq!(said, Statement { origin: name.to_owned(), size: 1, root, time: LogTime::from_unix_ms(5) });
        let stranger = CheckpointKey::new(given, &[8; 32]).verifier();
        assert_eq!(Checkpoint::verify_text(&text, &stranger), Err(CheckpointError::NotSigned));
    }
    let long = CheckpointKey::new(&"é".repeat(NAME_BYTES_MAX), &[7; 32]);
    assert!(check_name(long.origin()).is_ok());
}

#[test]
fn another_key_is_refused() {
    let (text, _) = signed();
    let read = Checkpoint::parse(&text).unwrap();
    let stranger = SigningKey::from_seed(&[8; 32]);
    let same_name = VerifierKey::of("cardea/c1/n1", &stranger).unwrap();
    assert_eq!(read.verify(&same_name), Err(CheckpointError::NotSigned));
    let other_log = VerifierKey::of("cardea/c1/n2", &key()).unwrap();
    assert_eq!(read.verify(&other_log), Err(CheckpointError::NotSigned));
}

#[test]
fn a_witness_signs_beside_and_not_instead() {
    let (text, verifier) = signed();
    let witness = SigningKey::from_seed(&[9; 32]);
    let checkpoint = Checkpoint::parse(&text).unwrap();
    let line = witness_line("witness.example", &witness, &checkpoint);
    let both = checkpoint.with_signatures(&line).unwrap();
    let read = Checkpoint::parse(&both.to_string()).unwrap();
    let witness_key = VerifierKey::of("witness.example", &witness).unwrap();
    assert_eq!(read.verify(&verifier), Ok(()));
    assert_eq!(read.verify_witness(&witness_key), Ok(()));
    assert_eq!(read.verify(&witness_key), Err(CheckpointError::NotSigned));
}

#[test]
fn what_is_almost_a_checkpoint_is_refused() {
    let (text, _) = signed();
    let root = STANDARD.encode(Hash::of(&[b"root"]).0);
    let cases = [
        ("leading zero", text.replace("\n42\n", "\n042\n")),
        ("sign", text.replace("\n42\n", "\n+42\n")),
        ("size beyond 64 bits", text.replace("\n42\n", "\n18446744073709551616\n")),
        ("short root", text.replace(&root, &STANDARD.encode([1; 31]))),
        ("no time", text.replace("time 2026-03-04T05:06:07.089Z\n", "")),
        ("two times", text.replace("time 2026", "time 2026-03-04T05:06:07.089Z\ntime 2026")),
        ("carriage return", text.replace("\n42\n", "\r\n42\n")),
        ("empty origin", text.replacen("cardea/c1/n1", "", 1)),
        ("space in origin", text.replacen("cardea/c1/n1", "cardea c1", 1)),
        ("no last line feed", text.trim_end().to_owned()),
        ("hyphen for the dash", text.replace('\u{2014}', "-")),
        ("no signature", text.split("\n\n").next().unwrap().to_owned() + "\n\n"),
        ("nothing", String::new()),
    ];
    for (name, case) in cases {
        assert_eq!(Checkpoint::parse(&case), Err(CheckpointError::Malformed), "{name}");
    }
    let long = text.replace("time 2026", &format!("{}\ntime 2026", "x".repeat(NOTE_BYTES_MAX)));
    assert_eq!(Checkpoint::parse(&long), Err(CheckpointError::TooLong));
    let many = text.clone() + &text.lines().last().map(|line| format!("{line}\n")).unwrap().repeat(SIGNATURES_MAX);
    assert_eq!(Checkpoint::parse(&many), Err(CheckpointError::TooLong));
}

#[test]
fn bad_names_and_keys_are_refused() {
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b"] {
        assert_eq!(VerifierKey::new(name, [0; 32]), Err(CheckpointError::BadName), "{name:?}");
        assert!(Statement { origin: name.to_owned(), ..statement() }.sign(&key()).is_err());
    }
    let good = VerifierKey::new("n", [3; 32]).unwrap().to_string();
    for bad in ["", "n", "n+00000000", &good.replacen('n', "m", 1), &good[..good.len() - 4], &good.replace("+A", "+B")]
    {
        assert!(VerifierKey::parse(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (text, verifier) = signed();
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            let verdict = Checkpoint::parse(&text).and_then(|read| read.verify(&verifier));
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}(\n\\PC{0,40}){0,6}\n\n(\u{2014} \\PC{0,40}\n){0,3}") {
        let _ = Checkpoint::parse(&text);
        let _ = VerifierKey::parse(&text);
    }
}
