//! From an answer or a refusal to the wire. It must never write a plaintext where an operation asks for none, nor any result
//! of a dry run.

use super::attached;
use super::errors;
use super::names;
use super::spellings;
use crate::aws::json::{self, MessageMember};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::{
    Key, KeyAlias, KeyAnswer, KeyFamily, KeyFault, KeyLastUse, KeyOrigin, KeyRegions, KeyState, KeyUsed, KeyVersion,
    RotationCause, SealedBlob,
};
use cardea_model::wire::WireResponse;
use cardea_model::{Answer, Body, Error, Refusal, RequestId, SecretBytes, SecretText, Timestamp, Wiped};
use cardea_sdk::dialect::{DialectConfig, RenderContext};
use cardea_sdk::material::material_id;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Room for an answer beside what it has in base64, in bytes: a buffer that need not grow leaves no copy of a secret behind.
const FRAME_BYTES: usize = 2048;
const DAY_S: u64 = 86_400;

pub(super) fn render(config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
    let at = Place { config, context };
    match answer {
        Ok(answer) => at.success(answer),
        Err(refusal) => at.refuse(refusal.request_id.as_ref(), &refusal.error),
    }
}

pub(super) struct Place<'a> {
    pub(super) config: &'a DialectConfig,
    context: &'a RenderContext,
}

/// Bytes in base64, as JSON: there is nothing to escape in it. The text is wiped.
struct Base64(Option<Box<RawValue>>);

impl Base64 {
    fn of(bytes: &[u8]) -> Option<Self> {
        let length = base64::encoded_len(bytes.len(), true)?;
        let mut quoted = vec![b'"'; length + 2];
        BASE64.encode_slice(bytes, &mut quoted[1..=length]).ok()?;
        let raw = RawValue::from_string(String::from_utf8(quoted).ok()?);
        raw.ok().map(|raw| Self(Some(raw)))
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |raw| raw.get().len())
    }

    fn secret(bytes: Option<&SecretBytes>) -> Option<Self> {
        bytes.and_then(|bytes| Self::of(bytes.expose()))
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Drop for Base64 {
    fn drop(&mut self) {
        if let Some(raw) = self.0.take() {
            drop(SecretText::new(Box::<str>::from(raw).into_string()));
        }
    }
}

/// What uses of keys answer: each the members that it has.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UseForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_encryption_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_encryption_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_ciphertext_blob: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_plaintext: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_pair_spec: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret_ciphertext_blob: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_agreement_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encapsulation_algorithm: Option<&'static str>,
}

impl UseForm {
    /// About as long as it becomes, and never shorter.
    fn room_bytes(&self) -> usize {
        let texts = [
            &self.ciphertext_blob,
            &self.plaintext,
            &self.private_key_ciphertext_blob,
            &self.private_key_plaintext,
            &self.public_key,
            &self.signature,
            &self.mac,
            &self.shared_secret,
            &self.shared_secret_ciphertext_blob,
        ];
        FRAME_BYTES + texts.into_iter().flatten().map(Base64::len).sum::<usize>()
    }
}

/// An instant as JSON 1.1 has it: seconds since 1970, as a number with a fraction.
pub(super) fn epoch(at: Timestamp) -> Value {
    json!(at.0 as f64 / 1000.0)
}

/// The blob of a symmetric key says what sealed it; what RSA sealed is bare.
fn blob(used: &KeyUsed, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    if used.algorithm.family() == KeyFamily::Rsa {
        return Ok(sealed.to_vec());
    }
    let version = u32::try_from(used.version).map_err(|_| Error::internal("a version has too many digits"))?;
    SealedBlob { key_id: used.key_id.clone(), version, sealed: sealed.to_vec() }.encode()
}

fn state(key: &Key) -> &'static str {
    match key.state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled | KeyState::SoftDeleted => "Disabled",
        KeyState::PendingDeletion(_) => "PendingDeletion",
        KeyState::PendingImport => "PendingImport",
        KeyState::PendingReplicaDeletion { .. } => "PendingReplicaDeletion",
    }
}

/// Whether imported material stays, or until when it is there.
fn expiry(form: &mut Map<String, Value>, version: &KeyVersion) {
    let model = if version.expires.is_some() { "KEY_MATERIAL_EXPIRES" } else { "KEY_MATERIAL_DOES_NOT_EXPIRE" };
    form.insert("ExpirationModel".to_owned(), json!(model));
    if let Some(at) = version.expires {
        form.insert("ValidTo".to_owned(), epoch(at));
    }
}

fn is_symmetric(key: &Key) -> bool {
    key.algorithm.family() == KeyFamily::Aead
}

impl Place<'_> {
    pub(super) fn flag(&self, key: &str) -> &str {
        self.context.flags.get(key).map_or("", String::as_str)
    }

    fn flag_text(&self, key: &str) -> Option<String> {
        self.context.flags.get(key).cloned()
    }

    fn operation(&self) -> &str {
        &self.context.asked
    }

    pub(super) fn arn(&self, key_id: &str) -> String {
        names::key_arn(self.config, self.flag(names::REGION), key_id)
    }

    /// A key of a set has its own region in its name, whoever is told of it.
    fn arn_of(&self, key: &Key) -> String {
        match &key.regions {
            Some(regions) => names::key_arn(self.config, &regions.region, &key.id),
            None => self.arn(&key.id),
        }
    }

    fn success(&self, answer: Answer) -> WireResponse {
        let id = Some(&answer.request_id);
        let Body::Key(found) = answer.body else {
            return self.refuse(id, &Error::internal("an answer of another kind"));
        };
        match &*found {
            KeyAnswer::Verified { valid: false, .. } => {
                let kind = if self.operation() == "VerifyMac" {
                    "KMSInvalidMacException"
                } else {
                    "KMSInvalidSignatureException"
                };
                return self.told(id, &errors::row(kind, ""));
            }
            _ if self.flag(names::DRY_RUN) == "true" => {
                let words = "The request would have succeeded, but the DryRun option is set.";
                return self.told(id, &errors::row("DryRunOperationException", words));
            }
            _ => {}
        }
        let written = match *found {
            KeyAnswer::Done => Ok(Written::Facts(json!({}))),
            KeyAnswer::Key(key) => self.about(&key).map(Written::Facts),
            KeyAnswer::Keys { .. } if self.operation() == "DescribeCustomKeyStores" => {
                Ok(Written::Facts(json!({ "CustomKeyStores": [], "Truncated": false })))
            }
            KeyAnswer::Keys { keys, next } => {
                let form = |key: &Key| json!({ "KeyId": key.id, "KeyArn": self.arn_of(key) });
                let page = json!({ "Keys": keys.iter().map(form).collect::<Vec<_>>() });
                Ok(Written::Facts(self.paged(page, next.as_deref())))
            }
            KeyAnswer::Material { key, version_id } => {
                let mut form = json!({ "KeyId": self.arn(&key.id) });
                if let Some(version_id) = version_id {
                    form["KeyMaterialId"] = json!(material_id(&version_id));
                }
                Ok(Written::Facts(form))
            }
            KeyAnswer::LastUse { key, last } => Ok(Written::Facts(self.last_use(&key, last))),
            KeyAnswer::Document { text, .. } => Ok(Written::Facts(attached::document(self, text))),
            KeyAnswer::Granted { grant, token } => {
                Ok(Written::Facts(json!({ "GrantId": grant, "GrantToken": BASE64.encode(&token) })))
            }
            KeyAnswer::Grants { grants, next } => {
                Ok(Written::Facts(self.paged(attached::grants(self, &grants), next.as_deref())))
            }
            KeyAnswer::Aliases { aliases, more } => Ok(Written::Facts(self.aliases(&aliases, more))),
            KeyAnswer::PublicKey { key, spki, .. } => {
                let mut form = self.uses(&key);
                form.insert("KeyId".to_owned(), json!(self.arn(&key.id)));
                form.insert("PublicKey".to_owned(), json!(BASE64.encode(&spki)));
                Ok(Written::Facts(Value::Object(form)))
            }
            KeyAnswer::ImportParameters { key, wrapping_spki, mut token, expires } => {
                token.push(self.flag(names::ALGORITHM).parse().unwrap_or_default());
                Ok(Written::Facts(json!({
                    "KeyId": self.arn(&key.id), "ImportToken": BASE64.encode(&token),
                    "PublicKey": BASE64.encode(&wrapping_spki), "ParametersValidTo": epoch(expires),
                })))
            }
            used => self.used(used).map(|form| Written::Use(Box::new(form))),
        };
        match written {
            Ok(Written::Facts(form)) => self.write(id, &form, FRAME_BYTES),
            Ok(Written::Use(form)) => self.write(id, &form, form.room_bytes()),
            Err(error) => self.refuse(id, &error),
        }
    }

    fn used(&self, answer: KeyAnswer) -> Result<UseForm, Error> {
        let algorithm = self.flag_text(names::ALGORITHM);
        let of = |used: &KeyUsed| UseForm { key_id: Some(self.arn(&used.key_id)), ..UseForm::default() };
        // AWS names the material where there is only symmetric material.
        let material =
            |used: &KeyUsed| Some(material_id(&used.version_id)).filter(|_| used.algorithm.family() == KeyFamily::Aead);
        Ok(match answer {
            KeyAnswer::Encrypted { used, sealed } => UseForm {
                ciphertext_blob: Base64::of(&blob(&used, &sealed)?),
                encryption_algorithm: algorithm,
                ..of(&used)
            },
            KeyAnswer::Decrypted { used, plaintext } => UseForm {
                plaintext: Base64::secret(Some(&plaintext)),
                encryption_algorithm: algorithm,
                key_material_id: material(&used),
                ..of(&used)
            },
            KeyAnswer::ReEncrypted { from, used, sealed } => UseForm {
                ciphertext_blob: Base64::of(&blob(&used, &sealed)?),
                source_key_id: Some(self.arn(&from.key_id)),
                source_encryption_algorithm: algorithm,
                source_key_material_id: material(&from),
                destination_encryption_algorithm: self.flag_text(names::TO_ALGORITHM),
                destination_key_material_id: material(&used),
                ..of(&used)
            },
            KeyAnswer::DataKey { used, plaintext, sealed } => UseForm {
                ciphertext_blob: Base64::of(&blob(&used, &sealed)?),
                plaintext: Base64::secret(plaintext.as_ref()),
                key_material_id: material(&used),
                ..of(&used)
            },
            KeyAnswer::DataKeyPair { used, algorithm, spki, plaintext, sealed } => UseForm {
                private_key_ciphertext_blob: Base64::of(&blob(&used, &sealed)?),
                private_key_plaintext: Base64::secret(plaintext.as_ref()),
                public_key: Base64::of(&spki),
                key_pair_spec: Some(spellings::spec(algorithm)),
                key_material_id: material(&used),
                ..of(&used)
            },
            KeyAnswer::Signed { used, signature } => {
                UseForm { signature: Base64::of(&signature), signing_algorithm: algorithm, ..of(&used) }
            }
            KeyAnswer::Verified { used, valid } if self.operation() == "VerifyMac" => {
                UseForm { mac_valid: Some(valid), mac_algorithm: algorithm, ..of(&used) }
            }
            KeyAnswer::Verified { used, valid } => {
                UseForm { signature_valid: Some(valid), signing_algorithm: algorithm, ..of(&used) }
            }
            KeyAnswer::Mac { used, mac } => UseForm { mac: Base64::of(&mac), mac_algorithm: algorithm, ..of(&used) },
            KeyAnswer::Shared { used, secret, ciphertext } => {
                let agreed = self.operation() == "DeriveSharedSecret";
                UseForm {
                    shared_secret: Base64::secret(Some(&secret)),
                    shared_secret_ciphertext_blob: ciphertext.as_deref().and_then(Base64::of),
                    key_agreement_algorithm: agreed.then_some("ECDH"),
                    encapsulation_algorithm: (!agreed).then_some(spellings::ML_KEM),
                    ..of(&used)
                }
            }
            KeyAnswer::Random(bytes) => UseForm { plaintext: Base64::secret(Some(&bytes)), ..UseForm::default() },
            _ => return Err(Error::internal("an answer of another kind")),
        })
    }

    /// What the operation asked of a key that was read or changed.
    fn about(&self, key: &Key) -> Result<Value, Error> {
        let arn = self.arn(&key.id);
        let rotates = || if is_symmetric(key) { Ok(()) } else { Err(KeyFault::Usage.error()) };
        Ok(match self.operation() {
            "CreateKey" | "DescribeKey" => json!({ "KeyMetadata": self.metadata(key) }),
            "ReplicateKey" => {
                let tags = key.tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value }));
                let policy = self.context.flags.get(names::POLICY).cloned();
                json!({
                    "ReplicaKeyMetadata": self.metadata(key),
                    "ReplicaPolicy": policy.unwrap_or_else(|| attached::default_document(self)),
                    "ReplicaTags": tags.collect::<Vec<_>>(),
                })
            }
            "ListResourceTags" => {
                let form =
                    |(key, value): (&String, &String)| (key.clone(), json!({ "TagKey": key, "TagValue": value }));
                self.slice("Tags", key.tags.iter().map(form).collect())
            }
            "ListKeyRotations" => {
                rotates()?;
                self.rotations(key, &arn)
            }
            "GetKeyRotationStatus" => {
                rotates()?;
                let mut form = json!({ "KeyId": arn, "KeyRotationEnabled": key.settings.auto_rotate_s > 0 });
                if let Some(next) = key.next_rotation() {
                    form["NextRotationDate"] = epoch(next);
                    form["RotationPeriodInDays"] = json!(key.settings.auto_rotate_s.div_ceil(DAY_S));
                }
                form
            }
            "ListKeyPolicies" => json!({ "PolicyNames": [attached::POLICY_NAME], "Truncated": false }),
            "RotateKeyOnDemand" | "CancelKeyDeletion" => json!({ "KeyId": arn }),
            "ScheduleKeyDeletion" => {
                let days: u64 = self.flag(names::DAYS).parse().unwrap_or_default();
                let mut form = json!({ "KeyId": arn, "KeyState": state(key), "PendingWindowInDays": days });
                if let KeyState::PendingDeletion(at) = key.state {
                    form["DeletionDate"] = epoch(at);
                }
                form
            }
            _ => json!({}),
        })
    }

    /// Spec, usage and the algorithms that go with them.
    fn uses(&self, key: &Key) -> Map<String, Value> {
        let mut form = Map::new();
        let spec = spellings::spec(key.algorithm);
        form.insert("KeySpec".to_owned(), json!(spec));
        form.insert("CustomerMasterKeySpec".to_owned(), json!(spec));
        form.insert("KeyUsage".to_owned(), json!(spellings::shown_usage(key)));
        for (member, words) in [
            ("EncryptionAlgorithms", spellings::encryption_algorithms(key)),
            ("SigningAlgorithms", spellings::signing_algorithms(key)),
            ("MacAlgorithms", spellings::mac_algorithms(key)),
            ("KeyAgreementAlgorithms", spellings::agreement_algorithms(key)),
            ("EncapsulationAlgorithms", spellings::encapsulation_algorithms(key)),
        ] {
            if !words.is_empty() {
                form.insert(member.to_owned(), json!(words));
            }
        }
        form
    }

    fn metadata(&self, key: &Key) -> Value {
        let mut form = self.uses(key);
        let imported = key.origin == KeyOrigin::Imported || key.state == KeyState::PendingImport;
        for (member, value) in [
            ("AWSAccountId", json!(json::account(self.config))),
            ("KeyId", json!(key.id)),
            ("Arn", json!(self.arn_of(key))),
            ("CreationDate", epoch(key.created)),
            ("Enabled", json!(key.state == KeyState::Enabled)),
            ("Description", json!(key.description)),
            ("KeyState", json!(state(key))),
            ("Origin", json!(if imported { "EXTERNAL" } else { "AWS_KMS" })),
            ("KeyManager", json!("CUSTOMER")),
            ("MultiRegion", json!(key.regions.is_some())),
        ] {
            form.insert(member.to_owned(), value);
        }
        match key.state {
            KeyState::PendingDeletion(at) => {
                form.insert("DeletionDate".to_owned(), epoch(at));
            }
            KeyState::PendingReplicaDeletion { window_s } => {
                form.insert("PendingDeletionWindowInDays".to_owned(), json!(window_s / DAY_S));
            }
            _ => {}
        }
        if let Some(regions) = &key.regions {
            form.insert("MultiRegionConfiguration".to_owned(), self.set(&key.id, regions));
        }
        if let Some(version) = key.version(key.latest).filter(|_| imported && key.state != KeyState::PendingImport) {
            expiry(&mut form, version);
        }
        if let Some(version) = key.version(key.latest).filter(|_| is_symmetric(key)) {
            form.insert("CurrentKeyMaterialId".to_owned(), json!(material_id(&version.id)));
        }
        Value::Object(form)
    }

    /// A set of keys, as each of them shows it.
    fn set(&self, key_id: &str, regions: &KeyRegions) -> Value {
        let member = |region: &String| json!({ "Arn": names::key_arn(self.config, region, key_id), "Region": region });
        let replicas = regions.members.keys().filter(|region| **region != regions.primary);
        json!({
            "MultiRegionKeyType": if regions.is_primary() { "PRIMARY" } else { "REPLICA" },
            "PrimaryKey": member(&regions.primary),
            "ReplicaKeys": replicas.map(member).collect::<Vec<_>>(),
        })
    }

    fn last_use(&self, key: &Key, last: Option<KeyLastUse>) -> Value {
        let mut form = json!({ "KeyId": self.arn(&key.id), "KeyCreationDate": epoch(key.created) });
        if let Some(from) = key.uses_kept_from {
            form["TrackingStartDate"] = epoch(from);
        }
        if let Some(last) = last {
            form["KeyLastUsage"] = json!({ "Operation": spellings::use_word(last.what), "Timestamp": epoch(last.at) });
        }
        form
    }

    fn paged(&self, mut page: Value, next: Option<&str>) -> Value {
        page["Truncated"] = json!(next.is_some());
        if let Some(next) = next {
            page["NextMarker"] = json!(names::marker(self.operation(), next));
        }
        page
    }

    /// A page of things that are all at hand, each with the text that it is sorted by.
    fn slice(&self, member: &str, all: Vec<(String, Value)>) -> Value {
        let limit: usize = self.flag(names::LIMIT).parse().unwrap_or(1);
        let after = self.flag(names::AFTER);
        let mut rest = all.into_iter().filter(|(sorted_by, _)| sorted_by.as_str() > after);
        let page: Vec<(String, Value)> = rest.by_ref().take(limit).collect();
        let next = page.last().map(|(sorted_by, _)| sorted_by.clone()).filter(|_| rest.next().is_some());
        let mut form = json!({});
        form[member] = page.into_iter().map(|(_, value)| value).collect();
        self.paged(form, next.as_deref())
    }

    /// Every version but the first came of a rotation.
    fn rotations(&self, key: &Key, arn: &str) -> Value {
        let all = self.flag(names::ALL_MATERIAL) == "true";
        let form = |version: &KeyVersion| {
            let is_pending = key.pending.as_ref().is_some_and(|pending| pending.number == version.number);
            let state = match version.number == key.latest {
                true => "CURRENT",
                false if is_pending => "PENDING_ROTATION",
                false => "NON_CURRENT",
            };
            let mut form = Map::new();
            form.insert("KeyId".to_owned(), json!(arn));
            form.insert("KeyMaterialId".to_owned(), json!(material_id(&version.id)));
            form.insert("KeyMaterialState".to_owned(), json!(state));
            if version.origin == KeyOrigin::Imported {
                let there = !version.absent;
                form.insert("ImportState".to_owned(), json!(if there { "IMPORTED" } else { "PENDING_IMPORT" }));
                if there {
                    expiry(&mut form, version);
                }
                if !version.note.is_empty() {
                    form.insert("KeyMaterialDescription".to_owned(), json!(version.note));
                }
            }
            if version.number > 1 && !is_pending {
                form.insert("RotationDate".to_owned(), epoch(version.created));
                // Of versions that are older than the record of it, and of those that Vault's door imported, it is not known.
                if let Some(cause) = version.rotated {
                    form.insert("RotationType".to_owned(), json!(rotation_type(cause)));
                }
            }
            (format!("{:020}", version.number), Value::Object(form))
        };
        let wanted = key.versions.iter().chain(key.pending.as_ref().filter(|_| all));
        self.slice("Rotations", wanted.filter(|version| all || version.number > 1).map(form).collect())
    }

    /// Aliases whose key is gone, or that AWS could not write, are not shown; the marker goes by what was read.
    fn aliases(&self, aliases: &[KeyAlias], more: bool) -> Value {
        let only = self.flag(names::ONLY);
        let shown = aliases.iter().filter_map(|found| {
            let name = names::shown_alias(&found.alias)?;
            let wanted = !found.key_id.is_empty() && (only.is_empty() || only == found.key_id);
            let arn = names::arn(self.config, self.flag(names::REGION), &name);
            wanted.then(|| json!({ "AliasName": name, "AliasArn": arn, "TargetKeyId": found.key_id }))
        });
        let page = json!({ "Aliases": shown.collect::<Vec<_>>() });
        let next = aliases.last().map(|found| found.place.as_str()).filter(|_| more);
        self.paged(page, next)
    }

    fn write<T: Serialize>(&self, id: Option<&RequestId>, form: &T, room_bytes: usize) -> WireResponse {
        let mut out = Wiped::new(Vec::with_capacity(room_bytes));
        match serde_json::to_writer(&mut *out, form) {
            Ok(()) => json::respond(200, std::mem::take(&mut *out), id),
            Err(_) => self.refuse(id, &Error::internal("an answer could not be written")),
        }
    }

    fn refuse(&self, id: Option<&RequestId>, error: &Error) -> WireResponse {
        self.told(id, &errors::told(self.operation(), self.flag(names::BY_BLOB) == "true", error))
    }

    fn told(&self, id: Option<&RequestId>, told: &errors::Told) -> WireResponse {
        json::failure(told.status, &told.kind, &told.message, MessageMember::Lower, id)
    }
}

const fn rotation_type(cause: RotationCause) -> &'static str {
    match cause {
        RotationCause::Due => "AUTOMATIC",
        RotationCause::Asked => "ON_DEMAND",
    }
}

enum Written {
    Facts(Value),
    Use(Box<UseForm>),
}
