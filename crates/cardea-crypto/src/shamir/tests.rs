//! The field's published examples, shares made by hand, and that thresholds mean what they say.

use super::*;
use crate::random::{SeededRandomness, SystemRandomness};
use proptest::prelude::*;

fn views(shares: &[Zeroizing<Vec<u8>>]) -> Vec<&[u8]> {
    shares.iter().map(|share| share.as_slice()).collect()
}

/// FIPS 197, sections 4.2 and 4.2.1, and the inverse of its S-box example.
#[test]
fn the_field_is_that_of_aes() {
    for (a, b, product) in [(0x57, 0x83, 0xc1), (0x57, 0x13, 0xfe), (0x57, 0x02, 0xae), (0x53, 0xca, 0x01)] {
        assert_eq!(multiply(a, b), product);
        assert_eq!(multiply(b, a), product);
    }
    assert_eq!(inverse(0x53), 0xca);
    assert_eq!(inverse(0), 0);
    for a in 1..=255 {
        assert_eq!(multiply(a, inverse(a)), 1);
        assert_eq!(multiply(a, 1), a);
        assert_eq!(multiply(a, 0), 0);
    }
}

/// Shares of a polynomial evaluated by hand: 0x42 + 0x57 x at x = 1, 2, 0x13, where 0x57 * 2 and 0x57 * 0x13 stand in FIPS 197.
#[test]
fn shares_made_by_hand_combine() {
    let shares: [[u8; 2]; 3] = [[0x42 ^ 0x57, 1], [0x42 ^ 0xae, 2], [0x42 ^ 0xfe, 0x13]];
    for pair in [[0, 1], [1, 0], [0, 2], [2, 1]] {
        assert_eq!(*combine(&[&shares[pair[0]], &shares[pair[1]]]).unwrap(), [0x42]);
    }
    assert_eq!(*combine(&[&shares[0], &shares[1], &shares[2]]).unwrap(), [0x42]);
}

#[test]
fn every_subset_of_the_threshold_combines_and_none_below_does() {
    let secret: [u8; 32] = std::array::from_fn(|i| i as u8);
    let shares = split(&secret, 5, 3, &SeededRandomness::new(b"subsets")).unwrap();
    for mask in 0u32..32 {
        let chosen: Vec<&[u8]> = (0..5).filter(|i| mask >> i & 1 == 1).map(|i| shares[i as usize].as_slice()).collect();
        match combine(&chosen) {
            Ok(combined) => assert_eq!(*combined == secret, chosen.len() >= 3, "{mask:05b}"),
            Err(error) => assert!(error == ShamirError::TooFewShares && chosen.len() < 2),
        }
    }
}

#[test]
fn all_255_shares_work() {
    let secret = [0xa5; 16];
    for threshold in [2, 128, 255] {
        let shares = split(&secret, 255, threshold, &SystemRandomness).unwrap();
        let mut seen: Vec<u8> = shares.iter().map(|share| *share.last().unwrap()).collect();
        assert!(!seen.is_sorted(), "coordinates come in random order");
        seen.sort_unstable();
        assert_eq!(seen, (1..=255).collect::<Vec<u8>>());
        let mut chosen = views(&shares);
        assert_eq!(*combine(&chosen).unwrap(), secret);
        chosen.truncate(usize::from(threshold));
        assert_eq!(*combine(&chosen).unwrap(), secret);
        chosen.pop();
        assert_ne!(combine(&chosen).map(|c| c.to_vec()), Ok(secret.to_vec()));
    }
}

/// With one share missing, the rest must be consistent with every value of the secret: over many splits of one secret, a
/// share's first byte takes all 256 values about equally often.
#[test]
fn a_share_alone_is_uniform() {
    let rng = SeededRandomness::new(b"uniform");
    let mut seen = [0u32; 256];
    for _ in 0..51_200 {
        let shares = split(&[0x42], 2, 2, &rng).unwrap();
        seen[usize::from(shares[0][0])] += 1;
    }
    // 200 expected, standard deviation 14: six of them either way.
    assert!(seen.iter().all(|n| (115..285).contains(n)), "{seen:?}");
}

#[test]
fn one_share_of_one_is_the_secret() {
    let shares = split(b"root", 1, 1, &SystemRandomness).unwrap();
    assert_eq!(shares.len(), 1);
    assert_eq!(shares[0].as_slice(), b"root");
    assert_eq!(combine(&views(&shares)).unwrap_err(), ShamirError::TooFewShares);
}

#[test]
fn impossible_splits_are_refused() {
    let cases: &[(&[u8], u8, u8, ShamirError)] = &[
        (b"", 5, 3, ShamirError::EmptySecret),
        (b"", 1, 1, ShamirError::EmptySecret),
        (b"x", 0, 0, ShamirError::Threshold),
        (b"x", 1, 0, ShamirError::Threshold),
        (b"x", 0, 1, ShamirError::Threshold),
        (b"x", 1, 2, ShamirError::Threshold),
        (b"x", 5, 0, ShamirError::Threshold),
        (b"x", 5, 1, ShamirError::Threshold),
        (b"x", 5, 6, ShamirError::Threshold),
    ];
    for (secret, shares, threshold, expected) in cases {
        assert_eq!(split(secret, *shares, *threshold, &SystemRandomness).unwrap_err(), *expected);
    }
}

#[test]
fn impossible_share_sets_are_refused() {
    let cases: &[(&[&[u8]], ShamirError)] = &[
        (&[], ShamirError::TooFewShares),
        (&[&[1, 1]], ShamirError::TooFewShares),
        (&[&[], &[]], ShamirError::ShareLength),
        (&[&[1], &[2]], ShamirError::ShareLength),
        (&[&[9, 1], &[9, 9, 2]], ShamirError::ShareLength),
        (&[&[9, 1], &[]], ShamirError::ShareLength),
        (&[&[9, 0], &[9, 2]], ShamirError::ShareCoordinate),
        (&[&[9, 2], &[8, 3], &[9, 2]], ShamirError::DuplicateShare),
        (&[&[9, 2], &[8, 2]], ShamirError::DuplicateShare),
    ];
    for (shares, expected) in cases {
        assert_eq!(combine(shares).unwrap_err(), *expected, "{shares:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_threshold_of_any_split_combines(
        secret in proptest::collection::vec(any::<u8>(), 16..64),
        (count, threshold) in (2u8..=20).prop_flat_map(|count| (Just(count), 2..=count)),
        seed: u64,
    ) {
        let rng = SeededRandomness::new(&seed.to_be_bytes());
        let mut shares = split(&secret, count, threshold, &rng).unwrap();
        prop_assert_eq!(shares.len(), usize::from(count));
        // Any subset, in any order: shuffled by the same generator.
        for i in (1..count).rev() {
            shares.swap(usize::from(i), usize::from(below(&rng, i + 1)));
        }
        let mut chosen = views(&shares);
        prop_assert!(chosen.iter().all(|share| share.len() == secret.len() + 1));
        chosen.truncate(usize::from(threshold));
        prop_assert_eq!(&*combine(&chosen).unwrap(), &secret);
        chosen.pop();
        if chosen.len() >= 2 {
            prop_assert_ne!(&*combine(&chosen).unwrap(), &secret);
        }
    }

    #[test]
    fn arbitrary_shares_never_panic(shares: Vec<Vec<u8>>) {
        let views: Vec<&[u8]> = shares.iter().map(Vec::as_slice).collect();
        let _ = combine(&views);
    }
}
