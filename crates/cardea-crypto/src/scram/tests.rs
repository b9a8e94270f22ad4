//! The exchange published in RFC 7677, checked from the verifier's side.

use super::*;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const AUTH_MESSAGE: &str = concat!(
    "n=user,r=rOprNGfwEbeRWgbNEkqO,",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
);
const CLIENT_PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn salt() -> [u8; 16] {
    STANDARD.decode(SALT).unwrap().try_into().unwrap()
}

#[test]
fn rfc_7677_exchange_succeeds_against_the_verifier() {
    let verifier = scram_sha_256_verifier("pencil", &salt(), 4096);
    let keys = verifier.strip_prefix(&format!("SCRAM-SHA-256$4096:{SALT}$")).unwrap();
    let (stored_key, server_key) = keys.split_once(':').unwrap();
    let (stored_key, server_key) = (STANDARD.decode(stored_key).unwrap(), STANDARD.decode(server_key).unwrap());

    let server_signature = hmac_sha256(&server_key, &[AUTH_MESSAGE.as_bytes()]);
    assert_eq!(STANDARD.encode(server_signature), SERVER_SIGNATURE);

    let client_signature = hmac_sha256(&stored_key, &[AUTH_MESSAGE.as_bytes()]);
    let proof = STANDARD.decode(CLIENT_PROOF).unwrap();
    let client_key: Vec<u8> = proof.iter().zip(client_signature).map(|(p, s)| p ^ s).collect();
    assert_eq!(sha256(&[&client_key]).as_slice(), stored_key);
}

#[test]
fn low_counts_are_raised() {
    let floor = scram_sha_256_verifier("pencil", &salt(), MIN_ITERATIONS);
    for count in [0, 1, 4095] {
        assert_eq!(scram_sha_256_verifier("pencil", &salt(), count), floor);
    }
    assert!(scram_sha_256_verifier("pencil", &salt(), 5000).starts_with("SCRAM-SHA-256$5000:"));
}

#[test]
fn passwords_are_normalized_as_clients_do() {
    // (password, another spelling, whether both are the same password): the examples of RFC 4013, section 3.
    let cases = [
        ("I\u{ad}X", "IX", true),
        ("user", "USER", false),
        ("\u{aa}", "a", true),
        ("\u{2168}", "IX", true),
        ("a\u{a0}b", "a b", true),
        // Prohibited, or nothing left of it: taken as it is.
        ("\u{7}", "", false),
        ("\u{ad}", "", false),
    ];
    for (password, other, same) in cases {
        let [a, b] = [password, other].map(|p| scram_sha_256_verifier(p, &salt(), 4096));
        assert_eq!(a == b, same, "{password:?} and {other:?}");
    }
}
