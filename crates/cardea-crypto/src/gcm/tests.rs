//! The published vector of AES-256-GCM.

use super::*;

/// Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", as submitted to NIST.
#[test]
fn nist_test_case_16() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let key: [u8; 32] = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").try_into().unwrap();
    let nonce: [u8; 12] = bytes("cafebabefacedbaddecaf888").try_into().unwrap();
    let aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plaintext = bytes(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    ));
    let expected = bytes(concat!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"
    ));
    let mut sealed = Vec::new();
    seal_append(&key, nonce, &aad, &plaintext, &mut sealed);
    assert_eq!(sealed, expected);
    assert_eq!(*open(&key, nonce, &aad, &sealed).unwrap(), plaintext);
    assert!(open(&key, nonce, &aad[1..], &sealed).is_none());
    for len in 0..sealed.len() {
        assert!(open(&key, nonce, &aad, &sealed[..len]).is_none());
    }
}
