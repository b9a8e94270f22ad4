//! The inputs of operations as they stand on the wire, and the constraints that several share (AWS's service model of
//! 2014-11-01). A member has one type in all operations that have it, so that one form reads them all. What a value means is
//! `lower`'s; nothing here may know the core.

use crate::aws::json::{Checks, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::SecretBytes;
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// Most bytes of a plaintext or a message.
pub(super) const PLAINTEXT_BYTES_MAX: usize = 4096;
/// Most bytes of a ciphertext or a signature.
pub(super) const CIPHERTEXT_BYTES_MAX: usize = 6144;
/// Most bytes of a data key, and of random bytes.
pub(super) const FRESH_BYTES_MAX: i64 = 1024;
pub(super) const TAGS_MAX: usize = 50;
const ID_CHARS_MAX: usize = 2048;
const ALIAS_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 8192;
const MARKER_CHARS_MAX: usize = 1024;
const PUBLIC_KEY_BYTES_MAX: usize = 8192;
const GRANT_TOKENS_MAX: usize = 10;
const GRANT_TOKEN_CHARS_MAX: usize = 8192;
const POLICY_CHARS_MAX: usize = 131_072;
/// Of the ARN of a caller, and of a grant's name.
const PRINCIPAL_CHARS_MAX: usize = 256;

/// Bytes in base64.
pub(super) struct Blob(pub SecretBytes);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Decodes where the text stands: a copy of it would have to be wiped.
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
                let bytes = BASE64.decode(text).map_err(|_| E::custom("not base64"))?;
                Ok(Blob(SecretBytes::new(bytes)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub tag_key: Option<String>,
    pub tag_value: Option<String>,
}

/// Which encryption contexts a grant is for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Constraints {
    pub encryption_context_subset: Option<BTreeMap<String, String>>,
    pub encryption_context_equals: Option<BTreeMap<String, String>>,
}

/// All members of all operations.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(super) struct Input {
    pub key_id: Option<String>,
    pub target_key_id: Option<String>,
    pub source_key_id: Option<String>,
    pub destination_key_id: Option<String>,
    pub alias_name: Option<String>,
    pub description: Option<String>,
    pub key_usage: Option<String>,
    pub key_spec: Option<String>,
    pub customer_master_key_spec: Option<String>,
    pub key_pair_spec: Option<String>,
    pub origin: Option<String>,
    pub policy: Option<String>,
    pub custom_key_store_id: Option<String>,
    pub custom_key_store_name: Option<String>,
    pub xks_key_id: Option<String>,
    pub multi_region: Option<bool>,
    pub replica_region: Option<String>,
    pub primary_region: Option<String>,
    pub tags: Option<Vec<Tag>>,
    pub tag_keys: Option<Vec<String>>,
    pub plaintext: Option<Blob>,
    pub ciphertext_blob: Option<Blob>,
    pub shared_secret_ciphertext_blob: Option<Blob>,
    pub message: Option<Blob>,
    pub signature: Option<Blob>,
    pub mac: Option<Blob>,
    pub public_key: Option<Blob>,
    pub import_token: Option<Blob>,
    pub encrypted_key_material: Option<Blob>,
    pub encryption_context: Option<BTreeMap<String, String>>,
    pub source_encryption_context: Option<BTreeMap<String, String>>,
    pub destination_encryption_context: Option<BTreeMap<String, String>>,
    pub encryption_algorithm: Option<String>,
    pub source_encryption_algorithm: Option<String>,
    pub destination_encryption_algorithm: Option<String>,
    pub signing_algorithm: Option<String>,
    pub mac_algorithm: Option<String>,
    pub key_agreement_algorithm: Option<String>,
    pub encapsulation_algorithm: Option<String>,
    pub wrapping_algorithm: Option<String>,
    pub wrapping_key_spec: Option<String>,
    pub expiration_model: Option<String>,
    pub import_type: Option<String>,
    pub valid_to: Option<f64>,
    pub key_material_id: Option<String>,
    pub key_material_description: Option<String>,
    pub include_key_material: Option<String>,
    pub message_type: Option<String>,
    pub number_of_bytes: Option<i64>,
    pub pending_window_in_days: Option<i64>,
    pub rotation_period_in_days: Option<i64>,
    pub limit: Option<i64>,
    pub marker: Option<String>,
    pub grant_tokens: Option<Vec<String>>,
    pub grantee_principal: Option<String>,
    pub grantee_service_principal: Option<String>,
    pub retiring_principal: Option<String>,
    pub retiring_service_principal: Option<String>,
    pub operations: Option<Vec<String>>,
    pub constraints: Option<Constraints>,
    pub name: Option<String>,
    pub grant_id: Option<String>,
    pub grant_token: Option<String>,
    pub policy_name: Option<String>,
    pub bypass_policy_lockout_safety_check: Option<bool>,
    pub recipient: Option<IgnoredAny>,
    pub dry_run: Option<bool>,
    pub dry_run_modifiers: Option<Vec<String>>,
}

pub(super) fn chars(text: Option<&String>) -> Option<usize> {
    text.map(|text| text.chars().count())
}

fn bytes(blob: Option<&Blob>) -> Option<usize> {
    blob.map(|blob| blob.0.len())
}

/// The bytes of a blob that was checked to be there.
pub(super) fn taken(blob: Option<Blob>) -> SecretBytes {
    blob.map(|blob| blob.0).unwrap_or_default()
}

impl Input {
    /// Constraints of members wherever they stand; `required` are those that this operation cannot do without.
    ///
    /// # Errors
    /// `ValidationException`, and what is refused of every operation.
    pub(super) fn check(&self, required: &[&str]) -> Result<(), Fault> {
        let mut checks = Checks::default();
        let ids = [
            ("keyId", &self.key_id),
            ("targetKeyId", &self.target_key_id),
            ("sourceKeyId", &self.source_key_id),
            ("destinationKeyId", &self.destination_key_id),
        ];
        let mut there: Vec<(&str, bool)> = ids.iter().map(|(member, id)| (*member, id.is_some())).collect();
        let blobs = [
            ("plaintext", &self.plaintext, PLAINTEXT_BYTES_MAX),
            ("message", &self.message, PLAINTEXT_BYTES_MAX),
            ("ciphertextBlob", &self.ciphertext_blob, CIPHERTEXT_BYTES_MAX),
            ("sharedSecretCiphertextBlob", &self.shared_secret_ciphertext_blob, CIPHERTEXT_BYTES_MAX),
            ("signature", &self.signature, CIPHERTEXT_BYTES_MAX),
            ("mac", &self.mac, CIPHERTEXT_BYTES_MAX),
            ("publicKey", &self.public_key, PUBLIC_KEY_BYTES_MAX),
            ("importToken", &self.import_token, CIPHERTEXT_BYTES_MAX),
            ("encryptedKeyMaterial", &self.encrypted_key_material, CIPHERTEXT_BYTES_MAX),
        ];
        there.extend(blobs.iter().map(|(member, blob, _)| (*member, blob.is_some())));
        there.extend([
            ("aliasName", self.alias_name.is_some()),
            ("description", self.description.is_some()),
            ("tags", self.tags.is_some()),
            ("tagKeys", self.tag_keys.is_some()),
            ("keyPairSpec", self.key_pair_spec.is_some()),
            ("signingAlgorithm", self.signing_algorithm.is_some()),
            ("macAlgorithm", self.mac_algorithm.is_some()),
            ("keyAgreementAlgorithm", self.key_agreement_algorithm.is_some()),
            ("encapsulationAlgorithm", self.encapsulation_algorithm.is_some()),
            ("wrappingAlgorithm", self.wrapping_algorithm.is_some()),
            ("wrappingKeySpec", self.wrapping_key_spec.is_some()),
            ("replicaRegion", self.replica_region.is_some()),
            ("primaryRegion", self.primary_region.is_some()),
            ("operations", self.operations.is_some()),
            ("grantId", self.grant_id.is_some()),
            ("policy", self.policy.is_some()),
        ]);
        for member in required {
            checks.present(member, there.iter().any(|(known, is_there)| known == member && *is_there));
        }
        for (member, id) in ids {
            checks.length(member, chars(id.as_ref()), 1, ID_CHARS_MAX);
        }
        for (member, blob, most) in blobs {
            checks.length(member, bytes(blob.as_ref()), 1, most);
        }
        checks.length("aliasName", chars(self.alias_name.as_ref()), 1, ALIAS_CHARS_MAX);
        checks.length("description", chars(self.description.as_ref()), 0, DESCRIPTION_CHARS_MAX);
        checks.length("marker", chars(self.marker.as_ref()), 1, MARKER_CHARS_MAX);
        checks.length("grantTokens", self.grant_tokens.as_ref().map(Vec::len), 0, GRANT_TOKENS_MAX);
        checks.length("policy", chars(self.policy.as_ref()), 1, POLICY_CHARS_MAX);
        checks.length("policyName", chars(self.policy_name.as_ref()), 1, 128);
        checks.length("granteePrincipal", chars(self.grantee_principal.as_ref()), 1, PRINCIPAL_CHARS_MAX);
        checks.length("retiringPrincipal", chars(self.retiring_principal.as_ref()), 1, PRINCIPAL_CHARS_MAX);
        checks.length("name", chars(self.name.as_ref()), 1, PRINCIPAL_CHARS_MAX);
        checks.length("grantId", chars(self.grant_id.as_ref()), 1, 128);
        checks.length("grantToken", chars(self.grant_token.as_ref()), 1, GRANT_TOKEN_CHARS_MAX);
        checks.range("numberOfBytes", self.number_of_bytes, 1, FRESH_BYTES_MAX);
        for (at, tag) in self.tags.iter().flatten().enumerate() {
            let place = format!("tags.{}.member", at + 1);
            checks.present(&format!("{place}.tagKey"), tag.tag_key.is_some());
            checks.length(&format!("{place}.tagKey"), chars(tag.tag_key.as_ref()), 1, 128);
            checks.length(&format!("{place}.tagValue"), chars(tag.tag_value.as_ref()), 0, 256);
        }
        for (at, key) in self.tag_keys.iter().flatten().enumerate() {
            checks.length(&format!("tagKeys.{}.member", at + 1), chars(Some(key)), 1, 128);
        }
        checks.finish()?;
        if self.recipient.is_some() {
            return Err(unsupported("Attested recipients aren't available here."));
        }
        if self.dry_run_modifiers.as_ref().is_some_and(|modifiers| !modifiers.is_empty()) {
            return Err(unsupported("Modifiers of dry runs aren't available here."));
        }
        Ok(())
    }
}

pub(super) fn unsupported(words: &str) -> Fault {
    Fault::new("UnsupportedOperationException", words)
}
