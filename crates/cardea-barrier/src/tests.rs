//! The barrier against foreign, moved, truncated and altered records, and seals against wrong keys.

use crate::barrier::Barrier;
use crate::keyring::{ClusterSecret, Keyring, RootKey};
use crate::seal::{SealRecord, SealSettings, ShareCollector, parse_static_key};
use cardea_crypto::random::{Randomness, SeededRandomness};
use cardea_model::{SecretBytes, Timestamp};
use cardea_storage::record::Codec;
use std::sync::Arc;

fn rng(seed: u64) -> Arc<dyn Randomness> {
    Arc::new(SeededRandomness::new(&seed.to_be_bytes()))
}

fn unsealed(seed: u64) -> (Barrier, Arc<Keyring>) {
    let rng = rng(seed);
    let keyring = Arc::new(Keyring::generate("cluster", Timestamp(1), &*rng));
    let barrier = Barrier::sealed(rng);
    barrier.install(keyring.clone());
    (barrier, keyring)
}

#[test]
fn a_record_opens_where_it_was_sealed_and_nowhere_else() {
    let (barrier, _) = unsealed(1);
    let sealed = barrier.seal("secret", b"root/m1/secret/app", b"hunter2").unwrap();
    assert_eq!(*barrier.open("secret", b"root/m1/secret/app", &sealed).unwrap(), b"hunter2");
    for (kind, key) in [
        ("secret", &b"root/m1/secret/other"[..]),
        ("secret", b"root/m2/secret/app"),
        ("secret", b"ns2/m1/secret/app"),
        ("token", b"root/m1/secret/app"),
        ("secre", b"troot/m1/secret/app"),
    ] {
        assert!(barrier.open(kind, key, &sealed).is_err(), "moved to {kind} {key:?}");
    }
    for n in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[n] ^= 1;
        assert!(barrier.open("secret", b"root/m1/secret/app", &altered).is_err(), "byte {n}");
        assert!(barrier.open("secret", b"root/m1/secret/app", &sealed[..n]).is_err(), "cut at {n}");
    }
    let (foreign, _) = unsealed(2);
    assert!(foreign.open("secret", b"root/m1/secret/app", &sealed).is_err());
}

#[test]
fn an_older_version_does_not_pass_for_a_newer_one() {
    let (barrier, _) = unsealed(1);
    let old = barrier.seal("payload", b"root/m1/payload/id/1", b"old").unwrap();
    assert!(barrier.open("payload", b"root/m1/payload/id/2", &old).is_err());
}

#[test]
fn rotation_rewraps_and_leaves_ciphertexts_alone() {
    let (barrier, keyring) = unsealed(1);
    let sealed = barrier.seal("secret", b"k", b"hunter2").unwrap();
    assert!(barrier.rewrapped(&sealed).unwrap().is_none());
    barrier.install(Arc::new(keyring.rotated(Timestamp(2), &*rng(3)).unwrap()));
    let rewrapped = barrier.rewrapped(&sealed).unwrap().unwrap();
    let header = 1 + 4 + 40;
    assert_eq!(rewrapped[header..], sealed[header..]);
    assert_ne!(rewrapped[..header], sealed[..header]);
    assert_eq!(*barrier.open("secret", b"k", &rewrapped).unwrap(), b"hunter2");
    assert_eq!(*barrier.open("secret", b"k", &sealed).unwrap(), b"hunter2");
    let pruned = barrier.keyring().unwrap().pruned(2, Timestamp(0));
    barrier.install(Arc::new(pruned));
    assert!(barrier.open("secret", b"k", &sealed).is_err());
    assert_eq!(*barrier.open("secret", b"k", &rewrapped).unwrap(), b"hunter2");
}

#[test]
fn a_sealed_barrier_opens_nothing() {
    let (barrier, _) = unsealed(1);
    let sealed = barrier.seal("secret", b"k", b"hunter2").unwrap();
    barrier.seal_now();
    assert!(barrier.open("secret", b"k", &sealed).is_err());
    assert!(barrier.seal("secret", b"k", b"x").is_err());
}

#[test]
fn keyrings_keep_their_secrets_through_rotation_and_storage() {
    let rng = rng(7);
    let keyring = Keyring::generate("c", Timestamp(1), &*rng);
    let root = RootKey::generate(&*rng);
    let stored = keyring.rotated(Timestamp(9), &*rng).unwrap().seal(&root, &*rng).unwrap();
    let opened = Keyring::open("c", &root, &stored).unwrap();
    assert_eq!(opened.current_term(), 2);
    for purpose in
        [ClusterSecret::TokenHash, ClusterSecret::AuditHash, ClusterSecret::LookupHash, ClusterSecret::LogSigning]
    {
        assert_eq!(*keyring.secret(purpose), *opened.secret(purpose));
    }
    assert_ne!(*keyring.secret(ClusterSecret::TokenHash), *keyring.secret(ClusterSecret::AuditHash));
    assert!(Keyring::open("other", &root, &stored).is_err());
    assert!(Keyring::open("c", &RootKey::generate(&*rng), &stored).is_err());
    assert!(opened.batch_key(1).is_some());
    assert!(opened.pruned(2, Timestamp(10)).batch_key(1).is_none());
    assert!(opened.pruned(2, Timestamp(9)).batch_key(1).is_some());
    assert!(!format!("{opened:?}{root:?}").contains("key:"));
}

#[test]
fn shares_unseal_only_together() {
    let rng = rng(5);
    let root = RootKey::generate(&*rng);
    for (shares, threshold) in [(1, 1), (5, 3), (2, 2), (255, 4)] {
        let settings = SealSettings::checked(shares, threshold).unwrap();
        let (record, parts) = SealRecord::shamir("c", &root, settings, &*rng).unwrap();
        let record = SealRecord::decode(&record.encode().unwrap()).unwrap();
        let mut collector = ShareCollector::default();
        let mut key = None;
        for part in parts.iter().rev().take(usize::from(settings.threshold)) {
            assert!(key.is_none());
            key = collector.add(part.duplicate(), settings, &*rng).unwrap();
        }
        assert_eq!(record.unwrap_root(key.unwrap().expose()).unwrap().expose(), root.expose());
        if threshold > 1 {
            let mut collector = ShareCollector::default();
            let mut key = None;
            for (n, part) in parts.iter().take(usize::from(settings.threshold)).enumerate() {
                let mut bytes = part.expose().to_vec();
                bytes[0] ^= u8::from(n == 0);
                key = collector.add(SecretBytes::new(bytes), settings, &*rng).unwrap();
            }
            assert!(record.unwrap_root(key.unwrap().expose()).is_err());
            assert_eq!(collector.progress(), 0);
        }
    }
    assert!(
        ShareCollector::default()
            .add(SecretBytes::new(vec![1; 5]), SealSettings::checked(5, 3).unwrap(), &*rng)
            .is_err()
    );
}

#[test]
fn seal_settings() {
    for (shares, threshold, ok) in [
        (1, 1, true),
        (5, 3, true),
        (255, 255, true),
        (0, 0, false),
        (5, 1, false),
        (3, 5, false),
        (256, 3, false),
        (-1, 3, false),
    ] {
        assert_eq!(SealSettings::checked(shares, threshold).is_ok(), ok, "{shares}/{threshold}");
    }
}

#[test]
fn static_keys() {
    let raw = [7u8; 32];
    assert_eq!(*parse_static_key(&raw).unwrap(), raw);
    assert_eq!(*parse_static_key("07".repeat(32).as_bytes()).unwrap(), raw);
    assert_eq!(*parse_static_key(b"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap(), raw);
    for bad in [&b""[..], b"short", &[1; 31], "zz".repeat(32).as_bytes()] {
        assert!(parse_static_key(bad).is_err());
    }
    let rng = rng(1);
    let root = RootKey::generate(&*rng);
    let record = SealRecord::with_static_key("c", &root, &raw, &*rng);
    assert_eq!(record.unwrap_root(&raw).unwrap().expose(), root.expose());
    assert!(record.unwrap_root(&[8u8; 32]).is_err());
}
