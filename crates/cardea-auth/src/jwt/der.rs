//! As much of DER as public keys take: finding the key of a certificate, telling what kind a key is, and writing a key
//! that came as numbers. Lengths are definite and as short as they can be; everything else is refused.
//!
//! It must never judge a certificate: a key that an owner configured is trusted because they configured it.

use crate::jwt::keys::KeyKind;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
/// The version of a certificate, which version 1 leaves out.
const VERSION: u8 = 0xa0;

/// RFC 8017 appendix A.1, RFC 5480 section 2.1, RFC 8410 section 3.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Smallest and largest RSA modulus in bits: what the cipher library verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// One element: tag, content, the whole of it, and what follows.
struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
    rest: &'d [u8],
}

fn element(input: &[u8]) -> Option<Element<'_>> {
    let (&tag, after_tag) = input.split_first()?;
    let (&first, after_first) = after_tag.split_first()?;
    let (length, body) = match first {
        0..=0x7f => (usize::from(first), after_first),
        0x81 => {
            let (&length, body) = after_first.split_first()?;
            (usize::from(length), body)
        }
        0x82 => {
            let (&[high, low], body) = after_first.split_first_chunk::<2>()?;
            (usize::from(high) << 8 | usize::from(low), body)
        }
        // Nothing that we read is longer.
        _ => return None,
    };
    let shortest = match first {
        0..=0x7f => true,
        0x81 => length > 0x7f,
        _ => length > 0xff,
    };
    if !shortest || body.len() < length {
        return None;
    }
    let (content, rest) = body.split_at(length);
    Some(Element { tag, content, whole: &input[..input.len() - rest.len()], rest })
}

fn expect(tag: u8, input: &[u8]) -> Option<Element<'_>> {
    element(input).filter(|found| found.tag == tag)
}

/// Such an element and nothing behind it.
fn only(tag: u8, input: &[u8]) -> Option<&[u8]> {
    expect(tag, input).filter(|found| found.rest.is_empty()).map(|found| found.content)
}

/// The public key of a certificate, as it stands there (SubjectPublicKeyInfo).
#[must_use]
pub fn key_of_certificate(certificate: &[u8]) -> Option<&[u8]> {
    let to_be_signed = expect(SEQUENCE, only(SEQUENCE, certificate)?)?.content;
    let first = element(to_be_signed)?;
    let mut rest = if first.tag == VERSION { first.rest } else { to_be_signed };
    // Serial number, algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        rest = expect(tag, rest)?.rest;
    }
    Some(expect(SEQUENCE, rest)?.whole)
}

/// What kind of key a SubjectPublicKeyInfo holds; nothing for one that no algorithm of ours verifies with.
#[must_use]
pub fn kind(key_info: &[u8]) -> Option<KeyKind> {
    let algorithm = expect(SEQUENCE, only(SEQUENCE, key_info)?)?;
    let (&unused_bits, key) = only(BIT_STRING, algorithm.rest)?.split_first()?;
    if unused_bits != 0 {
        return None;
    }
    let name = expect(OID, algorithm.content)?;
    match name.content {
        OID_RSA => {
            if !only(NULL, name.rest)?.is_empty() {
                return None;
            }
            let modulus = expect(INTEGER, only(SEQUENCE, key)?)?.content;
            RSA_BITS.contains(&bits(modulus)).then_some(KeyKind::Rsa)
        }
        OID_EC => match only(OID, name.rest)? {
            OID_P256 => Some(KeyKind::P256),
            OID_P384 => Some(KeyKind::P384),
            OID_P521 => Some(KeyKind::P521),
            _ => None,
        },
        OID_ED25519 if name.rest.is_empty() && key.len() == 32 => Some(KeyKind::Ed25519),
        _ => None,
    }
}

fn bits(number: &[u8]) -> usize {
    let number = without_zeros(number);
    number.first().map_or(0, |top| number.len() * 8 - top.leading_zeros() as usize)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// The SubjectPublicKeyInfo of an RSA key given as big-endian numbers.
#[must_use]
pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = write(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    key_info(&[write(OID, OID_RSA), write(NULL, &[])].concat(), &key)
}

/// The SubjectPublicKeyInfo of a point, uncompressed, or of an Ed25519 key.
#[must_use]
pub fn curve(kind: KeyKind, key: &[u8]) -> Option<Vec<u8>> {
    let name = match kind {
        KeyKind::P256 => OID_P256,
        KeyKind::P384 => OID_P384,
        KeyKind::P521 => OID_P521,
        KeyKind::Ed25519 => return Some(key_info(&write(OID, OID_ED25519), key)),
        KeyKind::Rsa => return None,
    };
    Some(key_info(&[write(OID, OID_EC), write(OID, name)].concat(), key))
}

fn key_info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = [&[0], key].concat();
    write(SEQUENCE, &[write(SEQUENCE, algorithm), write(BIT_STRING, &bits)].concat())
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number = without_zeros(number);
    // Without a leading zero the top bit would be a sign; zero itself takes one byte.
    let padded = number.first().is_none_or(|top| top & 0x80 != 0);
    let content = if padded { [&[0], number].concat() } else { number.to_vec() };
    write(INTEGER, &content)
}

fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        // Callers bound what they write to a few KiB.
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}
