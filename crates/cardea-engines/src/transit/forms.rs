//! What clients send and read: the members of requests, items of batches, ciphertexts as `vault:vN:…`, and answers. Pure:
//! nothing here may depend on state, and no error repeats an input value.

use crate::transit::names;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL,
};
use cardea_model::key::{Key, KeyFamily, KeyState, SealedBlob};
use cardea_model::loose::{Int, Text};
use cardea_model::{Cause, Error, SecretBytes, SecretText, Wiped};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Base64 as Go reads it: the unused bits of the last character may be anything. Clients rely on it, Vault's own
/// documentation among them.
const LOOSE: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Line breaks do not count either.
fn read_loosely(text: &str) -> Option<Wiped> {
    if !text.contains(['\n', '\r']) {
        return LOOSE.decode(text).map(Wiped::new).ok();
    }
    let one_line: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect());
    LOOSE.decode(one_line.as_bytes()).map(Wiped::new).ok()
}

/// Front of everything that a key made.
const PREFIX: &str = "vault:v";

/// Text that carries data: what it holds may be secret.
#[derive(Debug, Default)]
pub struct Data(pub SecretText);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretText::deserialize(deserializer).map(Self)
    }
}

/// One item of a batch, or the only one: the members that any operation reads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    pub plaintext: Option<Data>,
    pub ciphertext: Option<Data>,
    pub input: Option<Data>,
    pub context: Option<Data>,
    pub associated_data: Option<Data>,
    pub signature: Option<Data>,
    pub hmac: Option<Data>,
    pub key_version: Option<Int>,
    pub reference: Option<Text>,
}

impl Item {
    pub fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", |Text(text)| text)
    }

    /// The version that was asked; 0 is the newest.
    pub fn version(&self) -> Result<u64, Error> {
        let number = self.key_version.map_or(0, |Int(number)| number);
        u64::try_from(number).map_err(|_| Error::invalid("requested key version is negative"))
    }

    pub fn context(&self) -> Result<SecretBytes, Error> {
        decoded(self.context.as_ref(), "failed to base64-decode context")
    }

    pub fn associated_data(&self) -> Result<SecretBytes, Error> {
        decoded(self.associated_data.as_ref(), "failed to base64-decode associated_data")
    }

    pub fn plaintext(&self) -> Result<SecretBytes, Error> {
        let text = self.plaintext.as_ref().ok_or_else(|| Error::invalid("missing plaintext to encrypt"))?;
        decoded(Some(text), "failed to base64-decode plaintext")
    }

    pub fn input(&self, missing: &str) -> Result<SecretBytes, Error> {
        let text = self.input.as_ref().ok_or_else(|| Error::invalid(missing.to_owned()))?;
        decoded(Some(text), "unable to decode input as base64")
    }
}

/// Bytes of base64 text; no text is no bytes.
pub fn decoded(text: Option<&Data>, words: &'static str) -> Result<SecretBytes, Error> {
    match text {
        None => Ok(SecretBytes::default()),
        Some(Data(text)) => {
            let mut bytes = read_loosely(text.expose()).ok_or_else(|| Error::invalid(words))?;
            Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
        }
    }
}

/// Base64 text of bytes that may be secret.
pub fn encoded(bytes: &[u8]) -> SecretText {
    SecretText::new(BASE64.encode(bytes))
}

/// What a key made, with the version that made it in front.
pub fn tagged(version: u64, bytes: &[u8], jws: bool) -> String {
    match jws {
        true => format!("{PREFIX}{version}:{}", BASE64_URL.encode(bytes)),
        false => format!("{PREFIX}{version}:{}", BASE64.encode(bytes)),
    }
}

/// The reverse of [`tagged`]; `what` is what the text should be.
pub fn untagged(text: &str, what: &str, jws: bool) -> Result<(u64, Vec<u8>), Error> {
    let refuse = |words: &str| Error::invalid(format!("invalid {what}: {words}"));
    let rest = text.strip_prefix(PREFIX).ok_or_else(|| refuse("no prefix"))?;
    let (version, bytes) = rest.split_once(':').ok_or_else(|| refuse("wrong number of fields"))?;
    let plain_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let version: u64 =
        version.parse().ok().filter(|_| plain_number).ok_or_else(|| refuse("version number could not be decoded"))?;
    let bytes = if jws { BASE64_URL.decode(bytes).ok() } else { read_loosely(bytes).map(|bytes| bytes.to_vec()) };
    // Version 0 is how very old Vaults wrote their first version.
    Ok((version.max(1), bytes.ok_or_else(|| refuse("could not decode base64"))?))
}

/// A ciphertext of `vault:vN:…`, or base64 of one that says which key sealed it, which has to be this one.
pub fn ciphertext(text: &str, key: &Key) -> Result<(u64, Vec<u8>), Error> {
    if !text.starts_with(PREFIX)
        && let Some(blob) = BASE64.decode(text).ok().as_deref().and_then(SealedBlob::decode)
    {
        return match blob.key_id == key.id {
            true => Ok((u64::from(blob.version), blob.sealed)),
            false => Err(Error::invalid("invalid ciphertext: sealed with another key")),
        };
    }
    untagged(text, "ciphertext", false)
}

/// One result of a batch, or the members of the only one.
#[derive(Debug, Default, Serialize)]
pub struct Made {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub plaintext: Option<SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "publickey")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u64>,
}

impl Made {
    /// Whether it counts as a use of the key: what did not verify does not.
    pub fn is_use(&self) -> bool {
        self.valid != Some(false)
    }
}

/// Writes a secret into the answer that it was asked for.
#[allow(clippy::ref_option, reason = "the form that serde calls")]
fn shown<S: Serializer>(secret: &Option<SecretText>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.as_ref().map_or("", SecretText::expose))
}

/// One line of `batch_results`.
#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub made: Made,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub reference: String,
}

#[derive(Debug, Serialize)]
pub struct Lines {
    pub batch_results: Vec<Line>,
}

/// Whether an error concerns the whole request and not one item of it.
pub fn is_ours(error: &Error) -> bool {
    !matches!(error.cause, Cause::Invalid | Cause::NotFound | Cause::Conflict | Cause::TooLarge | Cause::Denied)
}

/// Pairs with numbers as names, in the order of the numbers.
pub struct ByNumber<T>(pub Vec<(u64, T)>);

impl<T: Serialize> Serialize for ByNumber<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(number, value)| (number, value)))
    }
}

/// A version of a key in the table of [`KeyForm`].
#[derive(Serialize)]
#[serde(untagged)]
pub enum VersionForm {
    /// Seconds since 1970.
    Symmetric(u64),
    Asymmetric {
        name: &'static str,
        creation_time: String,
        public_key: String,
        certificate_chain: &'static str,
    },
}

/// What is known of a key.
#[derive(Serialize)]
pub struct KeyForm {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub parameter_set: &'static str,
    pub keys: ByNumber<VersionForm>,
    pub latest_version: u64,
    pub min_available_version: u64,
    pub min_decryption_version: u64,
    pub min_encryption_version: u64,
    pub derived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kdf: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergent_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergent_encryption_version: Option<i64>,
    pub deletion_allowed: bool,
    pub exportable: bool,
    pub allow_plaintext_backup: bool,
    pub auto_rotate_period: u64,
    pub imported_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_key_allow_rotation: Option<bool>,
    pub soft_deleted: bool,
    pub supports_encryption: bool,
    pub supports_decryption: bool,
    pub supports_derivation: bool,
    pub supports_signing: bool,
}

/// The form of a key; `keys` is its table of versions.
pub fn key_form(key: &Key, keys: Vec<(u64, VersionForm)>) -> KeyForm {
    let (kind, parameter_set) = names::kind(key.algorithm);
    let settings = &key.settings;
    let aead = key.algorithm.family() == KeyFamily::Aead;
    let imported = key.versions.iter().any(|version| version.origin == cardea_model::key::KeyOrigin::Imported);
    KeyForm {
        name: key.name.clone(),
        kind,
        parameter_set,
        keys: ByNumber(keys),
        latest_version: key.latest,
        min_available_version: key.oldest,
        min_decryption_version: settings.min_decryption,
        min_encryption_version: settings.min_encryption,
        derived: settings.derived,
        kdf: settings.derived.then_some("hkdf_sha256"),
        convergent_encryption: (settings.derived && aead).then_some(settings.convergent),
        convergent_encryption_version: settings.convergent.then_some(-1),
        deletion_allowed: settings.deletion_allowed,
        exportable: settings.exportable,
        allow_plaintext_backup: settings.plaintext_backup,
        auto_rotate_period: settings.auto_rotate_s,
        imported_key: imported,
        imported_key_allow_rotation: imported.then_some(settings.imported_rotation),
        soft_deleted: key.state == KeyState::SoftDeleted,
        supports_encryption: names::encrypts(key),
        supports_decryption: names::encrypts(key),
        supports_derivation: names::derives(key.algorithm),
        supports_signing: names::signs(key),
    }
}

#[derive(Serialize)]
pub struct CacheForm {
    pub size: u64,
}

#[derive(Serialize)]
pub struct ExportForm {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(serialize_with = "shown_by_number")]
    pub keys: Vec<(u64, SecretText)>,
}

fn shown_by_number<S: Serializer>(keys: &[(u64, SecretText)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(keys.iter().map(|(number, text)| (number, text.expose())))
}

/// One secret text under one name.
pub struct One(pub &'static str, pub SecretText);

impl Serialize for One {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, self.1.expose())])
    }
}

/// Bytes in the encoding that was asked.
pub fn formatted(bytes: &[u8], hex: bool) -> SecretText {
    if !hex {
        return encoded(bytes);
    }
    let mut out = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    SecretText::new(out.to_string())
}
