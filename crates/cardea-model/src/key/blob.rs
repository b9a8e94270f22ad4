//! A ciphertext that says what sealed it. It must never be trusted for more than where to look: the seal itself judges.

use crate::error::Error;

/// First byte of a [`SealedBlob`]: of a key that has its id for itself, and of one of a set.
const BLOB_FORM: u8 = 1;
const SET_BLOB_FORM: u8 = 2;
/// Front of the id of a set.
const SET: &str = "mrk-";
/// Form, key id, version.
const BLOB_HEADER_BYTES: usize = 1 + 16 + 4;

/// A ciphertext that says which key and version sealed it: `[form 1 or 2][key id 16][version u32 BE][sealed]`. It is not
/// authenticated by itself: whoever changes the header asks for another key, which will not open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedBlob {
    pub key_id: String,
    pub version: u32,
    pub sealed: Vec<u8>,
}

impl SealedBlob {
    /// # Errors
    /// A key id of another form.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let (form, id) = match self.key_id.strip_prefix(SET) {
            Some(digits) => (SET_BLOB_FORM, digits_bytes(digits)),
            None => (BLOB_FORM, id_bytes(&self.key_id)),
        };
        let id = id.ok_or_else(|| Error::internal("the id of a key has no form that blobs know"))?;
        let mut out = Vec::with_capacity(BLOB_HEADER_BYTES + self.sealed.len());
        out.push(form);
        out.extend_from_slice(&id);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.sealed);
        Ok(out)
    }

    /// `None` for everything that `encode` does not make.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&form, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (version, sealed) = rest.split_first_chunk::<4>()?;
        let version = u32::from_be_bytes(*version);
        let key_id = match form {
            BLOB_FORM => id_text(id),
            SET_BLOB_FORM => format!("{SET}{}", id_text(id).replace('-', "")),
            _ => return None,
        };
        if version == 0 || sealed.is_empty() {
            return None;
        }
        Some(Self { key_id, version, sealed: sealed.to_vec() })
    }
}

/// Lengths of the groups of a UUID's text.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

fn id_bytes(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = text.split('-').collect();
    if !text.is_ascii() || !groups.iter().map(|group| group.len()).eq(UUID_GROUPS) {
        return None;
    }
    digits_bytes(&groups.concat())
}

fn digits_bytes(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 {
        return None;
    }
    let digits: Vec<u8> = digits.bytes().collect();
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
        *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
    }
    Some(out)
}

fn id_text(id: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}
