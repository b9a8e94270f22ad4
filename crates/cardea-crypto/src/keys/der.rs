//! The few encodings that the cipher library leaves to its callers: PEM (RFC 7468), the PKCS#1 key inside a PKCS#8 one
//! (RFC 5208), and the public key of ML-KEM (RFC 9935). It must never accept a length that does not fit what is there.

use super::KeyError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Characters of a line of PEM.
const PEM_COLUMNS: usize = 64;
/// Longest PEM that is read, in bytes: an RSA key of 4096 bits has some 3,300.
const PEM_BYTES_MAX: usize = 32 * 1024;

/// PEM of DER under a label such as `PUBLIC KEY`. Belongs in a wiping type at once if the label is of a private key.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut out = Zeroizing::new(String::with_capacity(text.len() + text.len() / PEM_COLUMNS + 2 * label.len() + 40));
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_COLUMNS));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// DER of PEM, or the bytes themselves if they are not PEM.
pub(super) fn from_pem(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.trim_start().starts_with("-----BEGIN ")) else {
        return Ok(Zeroizing::new(bytes.to_vec()));
    };
    if text.len() > PEM_BYTES_MAX {
        return Err(KeyError::Malformed);
    }
    let (head, rest) = text.trim().split_once('\n').ok_or(KeyError::Malformed)?;
    let label =
        head.trim().strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")).ok_or(KeyError::Malformed)?;
    let body = rest.trim_end().strip_suffix(&format!("-----END {label}-----")).ok_or(KeyError::Malformed)?;
    let body: Zeroizing<String> = Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| KeyError::Malformed)
}

/// The algorithm's own private key inside a PKCS#8 one: `SEQUENCE { INTEGER 0, SEQUENCE algorithm, OCTET STRING key }`.
pub(super) fn inside_pkcs8(pkcs8: &[u8]) -> Option<&[u8]> {
    let (inside, after) = take(SEQUENCE, pkcs8)?;
    let (_, rest) = take(INTEGER, inside)?;
    let (_, rest) = take(SEQUENCE, rest)?;
    let (key, _) = take(OCTET_STRING, rest)?;
    after.is_empty().then_some(key)
}

/// Content of the element at the start, and what follows it.
fn take(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    if content.len() > 0x7f {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0x7f));
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}

/// id-alg-ml-kem-512, -768, -1024 without their last arc: 2.16.840.1.101.3.4.4 (RFC 9935).
const ML_KEM_ARC: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04];

/// SubjectPublicKeyInfo of an ML-KEM encapsulation key; `arc` is 1, 2 or 3.
pub(super) fn ml_kem_spki(arc: u8, key: &[u8]) -> Vec<u8> {
    let identifier = element(OBJECT_IDENTIFIER, &[&ML_KEM_ARC[..], &[arc]].concat());
    let body = [element(SEQUENCE, &identifier), element(BIT_STRING, &[&[0], key].concat())].concat();
    element(SEQUENCE, &body)
}

/// The encapsulation key of an ML-KEM SubjectPublicKeyInfo.
pub(super) fn ml_kem_public(arc: u8, spki: &[u8]) -> Option<Vec<u8>> {
    let (inside, _) = take(SEQUENCE, spki)?;
    let (_, rest) = take(SEQUENCE, inside)?;
    let (bits, _) = take(BIT_STRING, rest)?;
    let (_, key) = bits.split_first()?;
    // Only one spelling: whatever the reader above let pass must be what the writer writes.
    (ml_kem_spki(arc, key) == spki).then(|| key.to_vec())
}

#[cfg(test)]
mod tests {
    //! Encodings come back, and broken ones are refused without a panic.

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pem_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
            let text = pem("PUBLIC KEY", &bytes);
            prop_assert!(text.lines().all(|line| line.len() <= PEM_COLUMNS));
            prop_assert_eq!(from_pem(text.as_bytes()).unwrap().to_vec(), bytes);
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "\\PC{0,60}") {
            let _ = inside_pkcs8(&bytes);
            let _ = ml_kem_public(1, &bytes);
            let _ = from_pem(format!("-----BEGIN {text}").as_bytes());
        }

        #[test]
        fn ml_kem_comes_back(key in proptest::collection::vec(any::<u8>(), 1..2000)) {
            let spki = ml_kem_spki(2, &key);
            prop_assert_eq!(ml_kem_public(2, &spki), Some(key));
            prop_assert_eq!(ml_kem_public(1, &spki), None);
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        for broken in [&[0x30, 0x05, 0x02][..], &[0x30, 0x84, 0, 0, 0, 0], &[0x30, 0x80], &[0x30, 0x82, 0xff]] {
            assert_eq!(inside_pkcs8(broken), None);
        }
    }
}
