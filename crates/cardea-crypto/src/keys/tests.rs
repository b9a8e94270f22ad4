//! Tables over all algorithms: what comes back, what is refused, and known answers where Wycheproof has none.

use super::*;
use crate::random::SeededRandomness;

/// RSA keys of these sizes take seconds each in a debug build; 2048 bits stand for all where size does not matter.
const SLOW: [KeyAlgorithm; 2] = [KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096];

fn fresh(algorithm: KeyAlgorithm) -> KeyMaterial {
    KeyMaterial::generate(algorithm, 0, &SeededRandomness::new(b"keys")).unwrap()
}

fn quick() -> impl Iterator<Item = KeyAlgorithm> {
    KeyAlgorithm::ALL.into_iter().filter(|algorithm| !SLOW.contains(algorithm))
}

fn schemes(algorithm: KeyAlgorithm) -> Vec<SigningScheme> {
    use HashAlgorithm::{Sha3_256, Sha3_384, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    match algorithm.family() {
        KeyFamily::Rsa => [Sha256, Sha384, Sha512]
            .into_iter()
            .flat_map(|h| [SigningScheme::RsaPss(h), SigningScheme::RsaPkcs1(h)])
            .collect(),
        KeyFamily::Ec => [Sha224, Sha256, Sha384, Sha512, Sha3_256, Sha3_384, Sha3_512]
            .into_iter()
            .flat_map(|h| [SigningScheme::Ecdsa(h), SigningScheme::EcdsaFixed(h)])
            .collect(),
        KeyFamily::Ed25519 => vec![SigningScheme::Ed25519, SigningScheme::Ed25519Ph],
        KeyFamily::MlDsa => vec![SigningScheme::MlDsa],
        _ => Vec::new(),
    }
}

#[test]
fn what_is_stored_comes_back() {
    for algorithm in quick() {
        let key = fresh(algorithm);
        let again = KeyMaterial::from_stored(algorithm, key.to_stored().expose()).unwrap();
        assert_eq!(again.to_stored().expose(), key.to_stored().expose(), "{algorithm:?}");
        assert_eq!(again.spki().ok(), key.spki().ok());
        assert_eq!(key.spki().is_ok(), algorithm.is_asymmetric());
        for broken in [&[][..], &[2, 0, 1], &[1, 2, 3], &[1, 0], &[1, 1, 7]] {
            let refused = KeyMaterial::from_stored(algorithm, broken);
            assert!(refused.is_err(), "{algorithm:?}");
        }
        assert!(format!("{key:?}").contains("redacted"));
    }
}

#[test]
fn rsa_keys_have_the_size_that_was_asked() {
    let key = fresh(KeyAlgorithm::Rsa3072);
    let pkcs8 = key.export_pkcs8().unwrap();
    for (algorithm, ok) in
        [(KeyAlgorithm::Rsa2048, false), (KeyAlgorithm::Rsa3072, true), (KeyAlgorithm::Rsa4096, false)]
    {
        assert_eq!(KeyMaterial::import(algorithm, pkcs8.expose()).is_ok(), ok);
        assert_eq!(KeyMaterial::import_public(algorithm, key.spki().unwrap()).is_ok(), ok);
    }
}

#[test]
fn every_form_is_read_again() {
    for algorithm in quick() {
        let key = fresh(algorithm);
        let same = |other: Result<KeyMaterial, KeyError>| {
            assert_eq!(other.unwrap().to_stored().expose(), key.to_stored().expose(), "{algorithm:?}");
        };
        if let Ok(pkcs8) = key.export_pkcs8() {
            same(KeyMaterial::import(algorithm, pkcs8.expose()));
            same(KeyMaterial::import(algorithm, pem("PRIVATE KEY", pkcs8.expose()).as_bytes()));
        }
        if let Ok((label, der)) = key.export_traditional() {
            same(KeyMaterial::import(algorithm, der.expose()));
            same(KeyMaterial::import(algorithm, pem(label, der.expose()).as_bytes()));
        }
        if let Ok(raw) = key.export_raw() {
            same(KeyMaterial::import(algorithm, raw.expose()));
        }
        if let Ok(spki) = key.spki() {
            for form in [spki.to_vec(), pem("PUBLIC KEY", spki).as_bytes().to_vec()] {
                let public = KeyMaterial::import_public(algorithm, &form).unwrap();
                assert!(public.is_public_only());
                assert_eq!(public.spki().unwrap(), spki);
                assert_eq!(public.export_pkcs8().unwrap_err(), KeyError::PublicOnly);
                let stored = KeyMaterial::from_stored(algorithm, public.to_stored().expose()).unwrap();
                assert!(stored.is_public_only());
            }
        }
    }
}

#[test]
fn keys_of_others_are_refused() {
    let given: Vec<(KeyAlgorithm, Vec<u8>)> = quick()
        .filter_map(|algorithm| fresh(algorithm).export_pkcs8().ok().map(|der| (algorithm, der.expose().to_vec())))
        .collect();
    for (made_as, der) in &given {
        for algorithm in quick().filter(|algorithm| algorithm.is_asymmetric()) {
            assert_eq!(KeyMaterial::import(algorithm, der).is_ok(), algorithm == *made_as, "{made_as:?} {algorithm:?}");
            for cut in [0, 1, der.len() / 2, der.len() - 1] {
                assert!(KeyMaterial::import(algorithm, &der[..cut]).is_err());
            }
        }
    }
    for (algorithm, bytes, ok) in [
        (KeyAlgorithm::Aes128Gcm, 16, true),
        (KeyAlgorithm::Aes128Gcm, 32, false),
        (KeyAlgorithm::Aes256Gcm, 31, false),
        (KeyAlgorithm::Hmac, 31, false),
        (KeyAlgorithm::Hmac, 512, true),
        (KeyAlgorithm::Hmac, 513, false),
        (KeyAlgorithm::HmacSha512, 63, false),
        (KeyAlgorithm::HmacSha512, 64, true),
    ] {
        assert_eq!(KeyMaterial::import(algorithm, &vec![7; bytes]).is_ok(), ok, "{algorithm:?} {bytes}");
    }
    for text in ["-----BEGIN X-----", "-----BEGIN X-----\nAA==\n", "-----BEGIN X-----\n!\n-----END X-----"] {
        assert!(KeyMaterial::import(KeyAlgorithm::Rsa2048, text.as_bytes()).is_err());
    }
}

#[test]
fn sealed_messages_open_at_the_same_key_and_data_alone() {
    let rng = SeededRandomness::new(b"aead");
    for algorithm in [KeyAlgorithm::Aes128Gcm, KeyAlgorithm::Aes256Gcm, KeyAlgorithm::ChaCha20Poly1305] {
        let key = fresh(algorithm);
        let other = KeyMaterial::generate(algorithm, 0, &rng).unwrap();
        for plaintext in [&b""[..], b"x", &[9; 5000]] {
            let sealed = key.seal(b"aad", plaintext, &rng).unwrap();
            assert_ne!(sealed, key.seal(b"aad", plaintext, &rng).unwrap());
            assert_eq!(key.open(b"aad", &sealed).unwrap().expose(), plaintext);
            assert_eq!(key.open(b"aaD", &sealed).unwrap_err(), KeyError::Refused);
            assert_eq!(other.open(b"aad", &sealed).unwrap_err(), KeyError::Refused);
            for at in [0, sealed.len() / 2, sealed.len() - 1] {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert_eq!(key.open(b"aad", &altered).unwrap_err(), KeyError::Refused);
                assert_eq!(key.open(b"aad", &sealed[..at]).unwrap_err(), KeyError::Refused);
            }
        }
    }
}

#[test]
fn convergent_ciphertexts_are_equal_where_all_is_equal() {
    let key = fresh(KeyAlgorithm::Aes256Gcm);
    let derived = |context: &[u8]| key.derive(b"salt", context).unwrap();
    let first = derived(b"a").seal_convergent(b"x", b"text").unwrap();
    assert_eq!(derived(b"a").seal_convergent(b"x", b"text").unwrap(), first);
    assert_eq!(derived(b"a").open(b"x", &first).unwrap().expose(), b"text");
    for (context, aad, text) in [
        (&b"b"[..], &b"x"[..], &b"text"[..]),
        (b"a", b"y", b"text"),
        (b"a", b"x", b"texT"),
        (b"a", b"xt", b"ext"),
        (b"a", b"", b"xtext"),
    ] {
        let sealed = derived(context).seal_convergent(aad, text).unwrap();
        assert_ne!(sealed[..12], first[..12], "equal nonces for unequal messages");
    }
    assert_eq!(fresh(KeyAlgorithm::EcP256).derive(b"", b"").unwrap_err(), KeyError::WrongOperation);
    let ed = fresh(KeyAlgorithm::Ed25519).derive(b"s", b"c").unwrap();
    let signature = ed.sign(SigningScheme::Ed25519, ToSign::Message(b"m")).unwrap();
    assert!(ed.verify(SigningScheme::Ed25519, ToSign::Message(b"m"), &signature).unwrap());
}

#[test]
fn oaep_comes_back_and_is_bounded() {
    use HashAlgorithm::{Sha1, Sha3_256, Sha224, Sha256, Sha384, Sha512};
    let key = fresh(KeyAlgorithm::Rsa2048);
    let public = KeyMaterial::import_public(KeyAlgorithm::Rsa2048, key.spki().unwrap()).unwrap();
    for (hash, most) in [(Sha1, 214), (Sha256, 190), (Sha384, 158), (Sha512, 126)] {
        for length in [0, 1, most] {
            let sealed = public.rsa_encrypt(hash, &vec![5; length]).unwrap();
            assert_eq!(key.rsa_decrypt(hash, &sealed).unwrap().expose(), vec![5; length]);
            assert_eq!(public.rsa_decrypt(hash, &sealed).unwrap_err(), KeyError::PublicOnly);
        }
        assert_eq!(public.rsa_encrypt(hash, &vec![5; most + 1]).unwrap_err(), KeyError::TooLong);
    }
    let sealed = key.rsa_encrypt(Sha256, b"x").unwrap();
    assert_eq!(key.rsa_decrypt(Sha1, &sealed).unwrap_err(), KeyError::Refused);
    assert_eq!(key.rsa_decrypt(Sha256, &sealed[1..]).unwrap_err(), KeyError::Refused);
    for hash in [Sha224, Sha3_256] {
        assert_eq!(key.rsa_encrypt(hash, b"x").unwrap_err(), KeyError::WrongScheme);
    }
    assert_eq!(fresh(KeyAlgorithm::EcP256).rsa_encrypt(Sha256, b"x").unwrap_err(), KeyError::WrongOperation);
}

#[test]
fn signatures_verify_by_message_and_by_digest() {
    for algorithm in quick() {
        let key = fresh(algorithm);
        for scheme in schemes(algorithm) {
            let signature = key.sign(scheme, ToSign::Message(b"message")).unwrap();
            let mut shown = vec![(ToSign::Message(b"message"), true), (ToSign::Message(b"massage"), false)];
            let digest = scheme.hash().map(|hash_of| hash(hash_of, b"message"));
            match &digest {
                Some(digest) => {
                    shown.push((ToSign::Digest(digest), true));
                    let by_digest = key.sign(scheme, ToSign::Digest(digest)).unwrap();
                    assert!(key.verify(scheme, ToSign::Message(b"message"), &by_digest).unwrap(), "{scheme:?}");
                    let short = ToSign::Digest(&digest[1..]);
                    assert_eq!(key.sign(scheme, short).unwrap_err(), KeyError::DigestLength);
                }
                None => assert_eq!(key.sign(scheme, ToSign::Digest(&[0; 64])).unwrap_err(), KeyError::WrongScheme),
            }
            for (input, valid) in shown {
                assert_eq!(key.verify(scheme, input, &signature).unwrap(), valid, "{algorithm:?} {scheme:?}");
            }
            for altered in [&signature[1..], &[], &[0; 64]] {
                assert!(!key.verify(scheme, ToSign::Message(b"message"), altered).unwrap());
            }
            let public = KeyMaterial::import_public(algorithm, key.spki().unwrap()).unwrap();
            assert!(public.verify(scheme, ToSign::Message(b"message"), &signature).unwrap());
            assert_eq!(public.sign(scheme, ToSign::Message(b"m")).unwrap_err(), KeyError::PublicOnly);
        }
    }
}

/// RFC 8032, section 7.3.
#[test]
fn ed25519ph_is_that_of_its_standard() {
    let seed = hex::decode("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42").unwrap();
    let public = "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf";
    let expected = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
                    31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    let key = KeyMaterial::import(KeyAlgorithm::Ed25519, &seed).unwrap();
    assert!(hex::encode(key.spki().unwrap()).ends_with(public));
    let signature = key.sign(SigningScheme::Ed25519Ph, ToSign::Message(b"abc")).unwrap();
    assert_eq!(hex::encode(&signature), expected.replace(' ', ""));
    let valid = |scheme, message| key.verify(scheme, ToSign::Message(message), &signature).unwrap();
    assert!(valid(SigningScheme::Ed25519Ph, b"abc") && !valid(SigningScheme::Ed25519Ph, b"abd"));
    assert!(!valid(SigningScheme::Ed25519, b"abc"), "the two never meet");
    // A key of small order signs anything.
    let small = [&key.spki().unwrap()[..12], &[1], &[0; 31]].concat();
    let forged = [&[1][..], &[0; 63]].concat();
    let any = verify_external(KeyAlgorithm::Ed25519, &small, SigningScheme::Ed25519Ph, ToSign::Message(b"x"), &forged);
    assert!(!any.unwrap());
}

#[test]
fn schemes_of_others_and_sha1_are_refused() {
    use HashAlgorithm::{Sha1, Sha224, Sha256};
    for (algorithm, scheme) in [
        (KeyAlgorithm::EcP256, SigningScheme::Ecdsa(Sha1)),
        (KeyAlgorithm::EcP256, SigningScheme::RsaPss(Sha256)),
        (KeyAlgorithm::EcP256, SigningScheme::Ed25519),
        (KeyAlgorithm::Rsa2048, SigningScheme::RsaPkcs1(Sha1)),
        (KeyAlgorithm::Rsa2048, SigningScheme::RsaPss(Sha224)),
        (KeyAlgorithm::Rsa2048, SigningScheme::RsaPssMaxSalt(Sha256)),
        (KeyAlgorithm::Ed25519, SigningScheme::MlDsa),
        (KeyAlgorithm::EcP256, SigningScheme::Ed25519Ph),
        (KeyAlgorithm::MlDsa44, SigningScheme::Ed25519),
    ] {
        assert_eq!(fresh(algorithm).sign(scheme, ToSign::Message(b"m")).unwrap_err(), KeyError::WrongScheme);
    }
    for algorithm in [KeyAlgorithm::Aes256Gcm, KeyAlgorithm::Hmac, KeyAlgorithm::MlKem512] {
        let refused = fresh(algorithm).sign(SigningScheme::Ed25519, ToSign::Message(b"m"));
        assert_eq!(refused.unwrap_err(), KeyError::WrongOperation);
    }
}

#[test]
fn macs_are_bound_to_their_hash() {
    let any = fresh(KeyAlgorithm::Hmac);
    let own = fresh(KeyAlgorithm::HmacSha384);
    for (hash, by_any, by_own) in [
        (HashAlgorithm::Sha224, true, false),
        (HashAlgorithm::Sha256, true, false),
        (HashAlgorithm::Sha384, true, true),
        (HashAlgorithm::Sha512, true, false),
        (HashAlgorithm::Sha3_256, false, false),
        (HashAlgorithm::Sha1, false, false),
    ] {
        assert_eq!(any.mac(hash, b"m").is_ok(), by_any);
        assert_eq!(own.mac(hash, b"m").is_ok(), by_own);
    }
    assert_eq!(fresh(KeyAlgorithm::Aes256Gcm).mac(HashAlgorithm::Sha256, b"m").unwrap_err(), KeyError::WrongOperation);
}

#[test]
fn two_sides_share_a_secret() {
    for algorithm in [KeyAlgorithm::EcP256, KeyAlgorithm::EcP384, KeyAlgorithm::EcP521] {
        let (a, b) = (fresh(algorithm), fresh(algorithm));
        let shared = a.agree(b.spki().unwrap()).unwrap();
        assert_eq!(shared.expose(), b.agree(a.spki().unwrap()).unwrap().expose());
        assert_eq!(a.agree(b"not a key").unwrap_err(), KeyError::Malformed);
    }
    let k1 = fresh(KeyAlgorithm::EcP256k1);
    assert_eq!(k1.agree(k1.spki().unwrap()).unwrap_err(), KeyError::WrongOperation);
    for algorithm in [KeyAlgorithm::MlKem512, KeyAlgorithm::MlKem768, KeyAlgorithm::MlKem1024] {
        let key = fresh(algorithm);
        let public = KeyMaterial::import_public(algorithm, key.spki().unwrap()).unwrap();
        let (secret, ciphertext) = public.encapsulate().unwrap();
        assert_eq!(key.decapsulate(&ciphertext).unwrap().expose(), secret.expose());
        assert_eq!(key.decapsulate(&ciphertext[1..]).unwrap_err(), KeyError::Refused);
        assert_eq!(public.decapsulate(&ciphertext).unwrap_err(), KeyError::PublicOnly);
    }
}

#[test]
fn hashes_of_abc() {
    // FIPS 180-4 and FIPS 202, the examples that NIST publishes for the message "abc".
    for (algorithm, expected) in [
        (HashAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (HashAlgorithm::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        (HashAlgorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            HashAlgorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (HashAlgorithm::Sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ] {
        assert_eq!(hex::encode(hash(algorithm, b"abc")), expected);
    }
    for algorithm in [HashAlgorithm::Sha512, HashAlgorithm::Sha3_384, HashAlgorithm::Sha3_512] {
        assert_eq!(hash(algorithm, b"abc").len(), algorithm.digest_bytes());
    }
}

#[test]
fn ed25519_signs_as_rfc_8032_says() {
    // RFC 8032, section 7.1, test 2.
    let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
    let key = KeyMaterial::import(KeyAlgorithm::Ed25519, &seed).unwrap();
    let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    assert_eq!(hex::encode(key.public_raw().unwrap()), public);
    let signature = key.sign(SigningScheme::Ed25519, ToSign::Message(&[0x72])).unwrap();
    let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    assert_eq!(hex::encode(signature), expected);
}

#[test]
fn wrapped_keys_come_back() {
    let kek = [3; 32];
    for length in [1, 16, 32, 1190] {
        let wrapped = wrap_padded(&kek, &vec![8; length]).unwrap();
        assert_eq!(unwrap_padded(&kek, &wrapped).unwrap().expose(), vec![8; length]);
        assert_eq!(unwrap_padded(&[4; 32], &wrapped).unwrap_err(), KeyError::Refused);
    }
    assert_eq!(wrap_padded(&[0; 16], b"key").unwrap_err(), KeyError::Malformed);
}
