//! The published vectors of HMAC, HKDF and SHA-256.

use super::*;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// RFC 4231, the cases with a full-length tag.
#[test]
fn rfc_4231() {
    let long = [0xaa; 131];
    let cases: &[(&[u8], &[u8], &str)] = &[
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
              hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, data, expected) in cases {
        let expected = bytes(expected);
        assert_eq!(hmac_sha256(key, &[data]).as_slice(), expected);
        let prepared = MacKey::new(key);
        let (head, tail) = data.split_at(data.len() / 2);
        assert_eq!(prepared.clone().sign(&[head, b"", tail]).as_slice(), expected);
        assert!(prepared.verify(&[data], &expected));
        assert!(!prepared.verify(&[head], &expected));
        assert!(!prepared.verify(&[data], &expected[..31]));
        assert!(!prepared.verify(&[data], b""));
        for at in 0..expected.len() {
            let mut changed = expected.clone();
            changed[at] ^= 1;
            assert!(!prepared.verify(&[data], &changed));
        }
    }
}

/// RFC 5869, the SHA-256 cases of appendix A, whose outputs begin with what 32 bytes would be.
#[test]
fn rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            vec![0x0b; 22],
            range(0x00, 0x0c),
            range(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
        ),
        (
            range(0x00, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
        ),
        (vec![0x0b; 22], vec![], vec![], "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
    ];
    for (key, salt, info, expected) in cases {
        assert_eq!(derive(&key, &salt, &info).as_slice(), bytes(expected));
    }
}

/// FIPS 180-4's examples: one block, none, two.
#[test]
fn sha256_examples() {
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"a", b"bc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (&[], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            &[b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"],
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (parts, expected) in cases {
        assert_eq!(sha256(parts).as_slice(), bytes(expected));
    }
}

#[test]
fn nothing_prints_a_key() {
    assert_eq!(format!("{:?}", MacKey::new(b"hidden")), "MacKey(redacted)");
}

/// A chain is what its links are, and the example of AWS's documentation of signing keys (20120215, us-east-1, iam).
#[test]
fn a_chain_is_its_links() {
    let first = hmac_sha256(b"key", &[b"a"]);
    assert_eq!(*hmac_chain(b"key", &[b"a"]), first);
    assert_eq!(*hmac_chain(b"key", &[b"a", b"b"]), hmac_sha256(&first, &[b"b"]));
    assert_eq!(*hmac_chain(b"key", &[]), hmac_sha256(b"key", &[]));
    let secret = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let links: [&[u8]; 4] = [b"20120215", b"us-east-1", b"iam", b"aws4_request"];
    let expected = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
    assert_eq!(hmac_chain(secret, &links).as_slice(), bytes(expected));
}

#[test]
fn hexadecimal_digits_are_those_of_the_library() {
    let digest = sha256(&[b"a"]);
    assert_eq!(super::hex(&digest), hex::encode(digest));
}
