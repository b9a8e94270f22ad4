//! The shape and the evenness of random values, and that a seed repeats them.

use super::*;

#[test]
fn a_seed_repeats_its_stream_and_another_does_not() {
    let (a, b, c) = (SeededRandomness::new(b"a"), SeededRandomness::new(b"a"), SeededRandomness::new(b"b"));
    let from_a: [u8; 100] = random_array(&a);
    assert_eq!(from_a, random_array::<100>(&b));
    assert_ne!(from_a, random_array::<100>(&c));
    assert_ne!(from_a, random_array::<100>(&a), "the stream goes on");
}

#[test]
fn system_randomness_fills_every_length() {
    for len in [0, 1, 31, 32, 33, 4096] {
        let mut buf = vec![0; len];
        SystemRandomness.fill(&mut buf);
        assert!(len < 31 || buf.iter().any(|b| *b != 0));
    }
    assert_ne!(random_array::<32>(&SystemRandomness), random_array::<32>(&SystemRandomness));
}

#[test]
fn base62_has_the_length_asked_and_no_favorite_character() {
    let rng = SeededRandomness::new(b"base62");
    for len in [0, 1, 24, 63, 64, 65, 1000] {
        assert_eq!(base62(&rng, len).len(), len);
    }
    let text = base62(&rng, 62_000);
    for c in BASE62 {
        let seen = text.bytes().filter(|b| b == c).count();
        // 1000 expected, standard deviation 31: five of them either way. A modulo without rejection gives 1211 for eight.
        assert!((845..1155).contains(&seen), "{} came {seen} times", char::from(*c));
    }
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
}

#[test]
fn numbers_below_a_bound_reach_all_of_it_and_no_more() {
    let rng = SeededRandomness::new(b"below");
    for bound in [1u8, 2, 3, 100, 129, 255] {
        let mut seen = [false; 256];
        for _ in 0..10_000 {
            seen[usize::from(below(&rng, bound))] = true;
        }
        assert_eq!(seen.iter().filter(|s| **s).count(), usize::from(bound));
        assert!(seen[usize::from(bound)..].iter().all(|s| !s));
    }
    assert_eq!(below(&rng, 0), 0);
}

#[test]
fn uuids_carry_version_and_variant() {
    let rng = SeededRandomness::new(b"uuid");
    let ids = Ids::new(std::sync::Arc::new(SeededRandomness::new(b"ids")));
    let mut seen = std::collections::HashSet::new();
    for id in (0..400).map(|n| if n % 2 == 0 { uuid4(&rng) } else { ids.uuid4() }) {
        let bytes = id.as_bytes();
        assert_eq!(id.len(), 36);
        for (i, b) in bytes.iter().enumerate() {
            match i {
                8 | 13 | 18 | 23 => assert_eq!(*b, b'-'),
                14 => assert_eq!(*b, b'4'),
                19 => assert!(b"89ab".contains(b)),
                _ => assert!(b.is_ascii_digit() || (b'a'..=b'f').contains(b)),
            }
        }
        assert!(seen.insert(id));
    }
}
