//! The published vectors of Ed25519, and what is not a signature.

use super::*;
use crate::random::SeededRandomness;

/// RFC 8032, section 7.1, tests 1 to 3.
#[test]
fn rfc_8032() {
    let cases = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            concat!(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            concat!(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ];
    for (seed, public, message, signature) in cases {
        let [seed, public, message, signature] = [seed, public, message, signature].map(|t| hex::decode(t).unwrap());
        let key = SigningKey::from_seed(&seed.clone().try_into().unwrap());
        assert_eq!(key.expose_seed().as_slice(), seed);
        assert_eq!(key.verifying_key().as_slice(), public);
        assert_eq!(key.sign(&message).as_slice(), signature);
        assert!(verify(&key.verifying_key(), &message, &signature));
    }
}

#[test]
fn any_change_is_not_a_signature() {
    let rng = SeededRandomness::new(b"ed25519");
    let (key, other) = (SigningKey::generate(&rng), SigningKey::generate(&rng));
    let signature = key.sign(b"message");
    assert!(verify(&key.verifying_key(), b"message", &signature));
    assert!(!verify(&other.verifying_key(), b"message", &signature));
    assert!(!verify(&key.verifying_key(), b"messagf", &signature));
    assert!(!verify(&[0xff; 32], b"message", &signature));
    for len in 0..SIGNATURE_BYTES {
        assert!(!verify(&key.verifying_key(), b"message", &signature[..len]));
    }
    for at in 0..SIGNATURE_BYTES {
        let mut changed = signature;
        changed[at] ^= 1;
        assert!(!verify(&key.verifying_key(), b"message", &changed), "byte {at}");
    }
    assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
}
