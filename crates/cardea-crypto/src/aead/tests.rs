//! What sealed bytes refuse.

use super::*;
use crate::random::SystemRandomness;
use proptest::prelude::*;

const KEY: [u8; 32] = [5; 32];

#[test]
fn every_single_byte_change_and_every_cut_is_refused() {
    let sealed = seal(&KEY, b"aad", b"text", &SystemRandomness);
    assert_eq!(sealed.len(), OVERHEAD_BYTES + 4);
    assert_eq!(open(&KEY, b"aad", &sealed).unwrap().as_slice(), b"text");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let expected = if at == 0 { AeadError::UnknownFormat } else { AeadError::Refused };
        assert_eq!(open(&KEY, b"aad", &changed).unwrap_err(), expected, "byte {at}");
    }
    for len in 0..sealed.len() {
        let expected = if len < OVERHEAD_BYTES { AeadError::Truncated } else { AeadError::Refused };
        assert_eq!(open(&KEY, b"aad", &sealed[..len]).unwrap_err(), expected, "length {len}");
    }
    assert_eq!(open(&KEY, b"aae", &sealed).unwrap_err(), AeadError::Refused);
    assert_eq!(open(&[6; 32], b"aad", &sealed).unwrap_err(), AeadError::Refused);
}

#[test]
fn two_seals_of_the_same_differ() {
    assert_ne!(seal(&KEY, b"", b"text", &SystemRandomness), seal(&KEY, b"", b"text", &SystemRandomness));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(key: [u8; 32], aad: Vec<u8>, plaintext: Vec<u8>) {
        let sealed = seal(&key, &aad, &plaintext, &SystemRandomness);
        prop_assert_eq!(&*open(&key, &aad, &sealed).unwrap(), &plaintext);
    }

    #[test]
    fn arbitrary_bytes_never_open(bytes: Vec<u8>) {
        prop_assert!(open(&KEY, b"", &bytes).is_err());
        prop_assert!(open(&KEY, b"", &[&[FORMAT], &bytes[..]].concat()).is_err());
    }
}
