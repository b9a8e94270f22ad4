//! From a wire request to an operation on keys. It must never answer anything itself: what names nothing is asked for in
//! vain, so that the refusal is decided and recorded where all others are. Only what cannot be an operation is refused here.

mod imports; // material that owners bring
mod regions; // keys of several regions

use super::attached;
use super::context::authenticated;
use super::inputs::{Input, TAGS_MAX, Tag, taken, unsupported};
use super::{names, spellings};
use crate::aws::json::{self, Checks, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::{
    HashAlgorithm, KeyAlgorithm, KeyChange, KeyFamily, KeyPart, KeySettings, NewKey, SealedBlob, SigningScheme,
};
use cardea_model::wire::WireRequest;
use cardea_model::{KeyOp, KeyRef, NamespaceId, Params, Refusal, Request, SecretBytes, Target};
use cardea_sdk::dialect::{DialectConfig, Lowered, RenderContext};
use std::collections::{BTreeMap, HashSet};

const DAY_S: u64 = 86_400;
/// Days until a key is deleted: least, and most (and where nothing is said).
const WINDOW_DAYS: (i64, i64) = (7, 30);
/// Days between automatic rotations: least, most, and where nothing is said.
const ROTATION_DAYS: (i64, i64) = (90, 2560);
const ROTATION_DAYS_DEFAULT: i64 = 365;
const LIST_MAX: i64 = 1000;
const LIST_DEFAULT: i64 = 100;
const TAG_LIST_MAX: i64 = 50;
/// Front of a ciphertext of transit's own form.
const TRANSIT: &str = "vault:v";

/// Operations of KMS that are not offered: see `mod.rs`.
const ABSENT: &[&str] = &[
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "DeleteCustomKeyStore",
    "DisconnectCustomKeyStore",
    "UpdateCustomKeyStore",
];

/// An operation in the making: what was asked, where, and what `render` will need to know.
pub(super) struct Asked<'a> {
    pub(super) config: &'a DialectConfig,
    pub(super) region: String,
    flags: BTreeMap<String, String>,
}

pub(super) fn lower(config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
    if wire.method != "POST" || wire.path != "/" {
        return Err(Fault::unknown_operation().into());
    }
    let operation = json::operation(&wire, names::TARGET_PREFIX).unwrap_or_default();
    if ABSENT.contains(&operation) {
        return Err(unsupported("This operation isn't available here.").into());
    }
    let (credential, region) = json::caller(config, &wire, names::SERVICE);
    let mut asked = Asked { config, region, flags: BTreeMap::new() };
    let (operation, op, said) = asked.op(operation, &wire)?;
    asked.flag(names::REGION, asked.region.clone());
    let flags = asked.flags;
    let mount = config.bindings.get(json::MOUNT_BINDING).map_or(names::MOUNT_DEFAULT, String::as_str).to_owned();
    let request = Request {
        namespace: NamespaceId::root(),
        credential,
        target: Target::Key { mount, op, said },
        wrap_ttl: None,
        origin: json::origin(config, names::DIALECT, &wire),
    };
    Ok(Lowered { request, context: RenderContext { head: false, asked: operation.to_owned(), flags } })
}

/// What an operation does with its input.
type Lower = fn(&mut Asked<'_>, Input) -> Result<KeyOp, Fault>;

/// Operations by name, with the members that each cannot do without.
const OPERATIONS: &[(&str, &[&str], Lower)] = &[
    ("CreateKey", &[], |asked, input| asked.create(input)),
    ("DescribeKey", &["keyId"], |asked, input| Ok(KeyOp::Describe { key: asked.key(&input)?, part: KeyPart::Facts })),
    ("ListKeys", &[], |asked, input| asked.list("ListKeys", input)),
    ("ListAliases", &[], |asked, input| asked.list("ListAliases", input)),
    ("ListResourceTags", &["keyId"], |asked, input| asked.list("ListResourceTags", input)),
    ("ListKeyRotations", &["keyId"], |asked, input| asked.list("ListKeyRotations", input)),
    ("Encrypt", &["keyId", "plaintext"], |asked, input| asked.encrypt(input)),
    ("Decrypt", &["ciphertextBlob"], |asked, input| asked.decrypt(input)),
    ("ReEncrypt", &["ciphertextBlob", "destinationKeyId"], |asked, input| asked.re_encrypt(input)),
    ("GenerateDataKey", &["keyId"], |asked, input| asked.data_key(input, true)),
    ("GenerateDataKeyWithoutPlaintext", &["keyId"], |asked, input| asked.data_key(input, false)),
    ("GenerateDataKeyPair", &["keyId", "keyPairSpec"], |asked, input| asked.data_key_pair(input, true)),
    ("GenerateDataKeyPairWithoutPlaintext", &["keyId", "keyPairSpec"], |asked, input| {
        asked.data_key_pair(input, false)
    }),
    ("GenerateRandom", &[], |asked, input| asked.random(input)),
    ("Sign", &["keyId", "message", "signingAlgorithm"], |asked, input| asked.sign(input)),
    ("Verify", &["keyId", "message", "signature", "signingAlgorithm"], |asked, input| asked.verify(input)),
    ("GetPublicKey", &["keyId"], |asked, input| Ok(KeyOp::PublicKey { key: asked.key(&input)? })),
    ("GenerateMac", &["keyId", "message", "macAlgorithm"], |asked, input| asked.mac(input)),
    ("VerifyMac", &["keyId", "message", "mac", "macAlgorithm"], |asked, input| asked.verify_mac(input)),
    ("DeriveSharedSecret", &["keyId", "keyAgreementAlgorithm", "publicKey"], |asked, input| asked.agree(input)),
    ("Encapsulate", &["keyId", "encapsulationAlgorithm"], |asked, input| asked.encapsulate(input)),
    ("Decapsulate", &["keyId", "encapsulationAlgorithm", "sharedSecretCiphertextBlob"], |asked, input| {
        asked.decapsulate(input)
    }),
    ("CreateAlias", &["aliasName", "targetKeyId"], |asked, input| asked.set_alias(&input, false)),
    ("UpdateAlias", &["aliasName", "targetKeyId"], |asked, input| asked.set_alias(&input, true)),
    ("DeleteAlias", &["aliasName"], |asked, input| {
        let alias = names::alias(input.alias_name.as_deref().unwrap_or_default())?;
        Ok(KeyOp::DeleteAlias { alias, region: Some(asked.region.clone()) })
    }),
    ("EnableKey", &["keyId"], |asked, input| {
        asked.change(&input, KeyChange { enabled: Some(true), ..KeyChange::default() })
    }),
    ("DisableKey", &["keyId"], |asked, input| {
        asked.change(&input, KeyChange { enabled: Some(false), ..KeyChange::default() })
    }),
    ("UpdateKeyDescription", &["keyId", "description"], |asked, mut input| {
        let description = input.description.take();
        asked.change(&input, KeyChange { description, ..KeyChange::default() })
    }),
    ("TagResource", &["keyId", "tags"], |asked, input| asked.tag(input)),
    ("UntagResource", &["keyId", "tagKeys"], |asked, mut input| {
        let tags = input.tag_keys.take().unwrap_or_default().into_iter().map(|key| (key, None)).collect();
        asked.change(&input, KeyChange { tags, ..KeyChange::default() })
    }),
    ("ScheduleKeyDeletion", &["keyId"], |asked, input| asked.schedule_deletion(input)),
    ("CancelKeyDeletion", &["keyId"], |asked, input| Ok(KeyOp::CancelDeletion { key: asked.key_itself(&input)? })),
    ("EnableKeyRotation", &["keyId"], |asked, input| asked.enable_rotation(input)),
    ("DisableKeyRotation", &["keyId"], |asked, input| asked.rotation(&input, 0)),
    ("GetKeyRotationStatus", &["keyId"], |asked, input| {
        Ok(KeyOp::Describe { key: asked.key_itself(&input)?, part: KeyPart::RotationStatus })
    }),
    ("RotateKeyOnDemand", &["keyId"], |asked, input| {
        Ok(KeyOp::Rotate { key: asked.key_itself(&input)?, symmetric_only: true })
    }),
    ("GetParametersForImport", &["keyId", "wrappingAlgorithm", "wrappingKeySpec"], |asked, input| {
        asked.import_parameters(input)
    }),
    ("GetKeyPolicy", &["keyId"], |asked, input| asked.document(&input)),
    ("PutKeyPolicy", &["keyId", "policy"], |asked, input| asked.set_document(input)),
    ("ListKeyPolicies", &["keyId"], |asked, input| asked.list("ListKeyPolicies", input)),
    ("CreateGrant", &["keyId", "operations"], |asked, input| asked.create_grant(input)),
    ("ListGrants", &["keyId"], |asked, input| asked.list_grants(input)),
    ("ListRetirableGrants", &[], |asked, input| asked.list_retirable(input)),
    ("RetireGrant", &[], |asked, input| asked.retire_grant(&input)),
    ("RevokeGrant", &["keyId", "grantId"], |asked, input| asked.revoke_grant(&input)),
    ("ImportKeyMaterial", &["keyId", "importToken", "encryptedKeyMaterial"], |asked, input| asked.import(input)),
    ("DeleteImportedKeyMaterial", &["keyId"], |asked, input| asked.delete_material(&input)),
    ("DescribeCustomKeyStores", &[], |asked, input| asked.key_stores(&input)),
    ("ReplicateKey", &["keyId", "replicaRegion"], |asked, input| asked.replicate(input)),
    ("UpdatePrimaryRegion", &["keyId", "primaryRegion"], |asked, input| asked.set_primary(&input)),
    ("GetKeyLastUsage", &["keyId"], |asked, input| Ok(KeyOp::LastUse { key: asked.key_itself(&input)? })),
];

impl Asked<'_> {
    pub(super) fn flag(&mut self, key: &str, value: impl Into<String>) {
        self.flags.insert(key.to_owned(), value.into());
    }

    /// The operation, and its name as the table has it: no later text repeats the wire's.
    fn op(&mut self, operation: &str, wire: &WireRequest) -> Result<(&'static str, KeyOp, Params), Fault> {
        let row = OPERATIONS.iter().find(|(name, _, _)| *name == operation);
        let (name, required, lower) = row.ok_or_else(Fault::unknown_operation)?;
        let input: Input = json::input(wire)?;
        input.check(required)?;
        let (said, dry_run) = (said(&input)?, input.dry_run == Some(true));
        let tokens = attached::tokens(input.grant_tokens.as_deref().unwrap_or_default())?;
        let op = lower(self, input)?;
        let said = regions::said(&op).unwrap_or(said);
        // Where other operations change something AWS has no such member, and passes over what it does not know.
        if dry_run && changes_nothing(&op) {
            self.flag(names::DRY_RUN, "true");
        }
        let op = if tokens.is_empty() { op } else { KeyOp::WithTokens { tokens, op: Box::new(op) } };
        Ok((name, op, said))
    }

    fn key_of(&self, id: Option<&String>) -> Result<KeyRef, Fault> {
        names::key(self.config, &self.region, id.map(String::as_str).unwrap_or_default())
    }

    pub(super) fn key(&self, input: &Input) -> Result<KeyRef, Fault> {
        self.key_of(input.key_id.as_ref())
    }

    pub(super) fn key_itself(&self, input: &Input) -> Result<KeyRef, Fault> {
        names::key_itself(self.config, &self.region, input.key_id.as_deref().unwrap_or_default())
    }

    fn create(&mut self, mut input: Input) -> Result<KeyOp, Fault> {
        let mut checks = Checks::default();
        checks.one_of("keySpec", input.key_spec.as_deref(), &spellings::specs());
        checks.one_of("customerMasterKeySpec", input.customer_master_key_spec.as_deref(), &spellings::specs());
        checks.one_of("keyUsage", input.key_usage.as_deref(), spellings::USAGE_WORDS);
        let origins = ["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];
        checks.one_of("origin", input.origin.as_deref(), &origins);
        checks.finish()?;
        let spec = match (input.key_spec.as_deref(), input.customer_master_key_spec.as_deref()) {
            (Some(_), Some(_)) => {
                let words = "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.";
                return Err(Fault::validation(words));
            }
            (Some(spec), None) | (None, Some(spec)) => spec,
            (None, None) => spellings::SYMMETRIC,
        };
        let algorithm = spellings::algorithm(spec).ok_or_else(|| unsupported("SM2 isn't available here."))?;
        let origin = input.origin.as_deref().unwrap_or("AWS_KMS");
        let elsewhere = input.custom_key_store_id.is_some() || input.xks_key_id.is_some();
        if elsewhere || !matches!(origin, "AWS_KMS" | "EXTERNAL") {
            return Err(unsupported("Custom key stores aren't available here."));
        }
        let usage = match input.key_usage.as_deref() {
            Some(word) => spellings::usage(word),
            None if spec == spellings::SYMMETRIC => spellings::usage("ENCRYPT_DECRYPT"),
            None => {
                let words = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.";
                return Err(Fault::validation(words));
            }
        };
        let fits = usage.filter(|usage| algorithm.usages().contains(usage));
        let usage = fits.ok_or_else(|| Fault::validation("The KeyUsage is not compatible with the KeySpec."))?;
        let without_material = origin == "EXTERNAL";
        let document = match &input.policy {
            Some(_) => Some(self.new_document(&mut input)?),
            None => None,
        };
        let tags = tags_of(input.tags.unwrap_or_default())?;
        let new = NewKey {
            algorithm,
            usages: vec![usage],
            settings: KeySettings::default(),
            description: input.description.unwrap_or_default(),
            tags,
            attributes: BTreeMap::new(),
            region: input.multi_region.unwrap_or_default().then(|| self.region.clone()),
            without_material,
            document,
        };
        Ok(KeyOp::Create { name: None, new: Box::new(new) })
    }

    /// There are none, which whoever may list keys may know: tools that look at everything ask.
    fn key_stores(&self, input: &Input) -> Result<KeyOp, Fault> {
        let mut checks = Checks::default();
        checks.range("limit", input.limit, 1, LIST_MAX);
        checks.finish()?;
        if input.custom_key_store_id.is_some() || input.custom_key_store_name.is_some() {
            return Err(Fault::new("CustomKeyStoreNotFoundException", "There are no custom key stores here."));
        }
        if input.marker.is_some() {
            return Err(Fault::new("InvalidMarkerException", "The marker is not valid."));
        }
        Ok(KeyOp::List { after: None, limit: 1, region: Some(self.region.clone()) })
    }

    fn list(&mut self, operation: &'static str, input: Input) -> Result<KeyOp, Fault> {
        let (most, usual) = match operation {
            "ListResourceTags" => (TAG_LIST_MAX, TAG_LIST_MAX),
            _ => (LIST_MAX, LIST_DEFAULT),
        };
        let mut checks = Checks::default();
        checks.range("limit", input.limit, 1, most);
        let materials = ["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"];
        checks.one_of("includeKeyMaterial", input.include_key_material.as_deref(), &materials);
        checks.finish()?;
        let limit = input.limit.unwrap_or(usual);
        let after = input.marker.as_deref().map(|marker| names::read_marker(operation, marker)).transpose()?;
        self.flag(names::LIMIT, limit.to_string());
        let limit = usize::try_from(limit).unwrap_or_default();
        Ok(match operation {
            "ListKeys" => KeyOp::List { after, limit, region: Some(self.region.clone()) },
            "ListAliases" => {
                if input.key_id.is_some() {
                    let only = self.key_itself(&input)?;
                    self.flag(names::ONLY, only.text());
                }
                KeyOp::ListAliases { after, limit, region: Some(self.region.clone()) }
            }
            _ => {
                self.flag(names::AFTER, after.unwrap_or_default());
                if input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL") {
                    self.flag(names::ALL_MATERIAL, "true");
                }
                let part = match operation {
                    "ListKeyRotations" => KeyPart::Rotations,
                    "ListKeyPolicies" => KeyPart::DocumentNames,
                    _ => KeyPart::Tags,
                };
                KeyOp::Describe { key: self.key_itself(&input)?, part }
            }
        })
    }

    /// The algorithm of a member, checked and noted: the hash for OAEP if it is RSA's.
    fn encryption(&mut self, member: &str, flag: &str, word: Option<&String>) -> Result<Option<HashAlgorithm>, Fault> {
        let word = word.map_or(spellings::SYMMETRIC, String::as_str);
        let mut checks = Checks::default();
        checks.one_of(member, Some(word), spellings::ENCRYPTION_WORDS);
        checks.finish()?;
        let oaep = spellings::oaep(word).ok_or_else(|| unsupported("SM2 isn't available here."))?;
        self.flag(flag, word);
        Ok(oaep)
    }

    /// Authenticated data, which RSA has none of.
    fn context(entries: Option<&BTreeMap<String, String>>, oaep: Option<HashAlgorithm>) -> Result<Vec<u8>, Fault> {
        let aad = authenticated(entries)?;
        if oaep.is_some() && !aad.is_empty() {
            return Err(Fault::validation("An encryption context is for symmetric encryption alone."));
        }
        Ok(aad)
    }

    fn encrypt(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let oaep = self.encryption("encryptionAlgorithm", names::ALGORITHM, input.encryption_algorithm.as_ref())?;
        let aad = Self::context(input.encryption_context.as_ref(), oaep)?;
        Ok(KeyOp::Encrypt { key: self.key(&input)?, plaintext: taken(input.plaintext), aad, oaep })
    }

    /// What a ciphertext and the key id beside it say: key, the key that it is taken for, version, and the sealed bytes.
    fn sealed(
        &mut self,
        blob: &SecretBytes,
        id: Option<&String>,
        oaep: Option<HashAlgorithm>,
    ) -> Result<(KeyRef, Option<KeyRef>, u64, Vec<u8>), Fault> {
        let broken = || Fault::new("InvalidCiphertextException", "");
        if let Some((version, sealed)) = transit_form(blob.expose()) {
            // This form does not say which key.
            let id = id.ok_or_else(broken)?;
            return Ok((self.key_of(Some(id))?, None, version, sealed));
        }
        if oaep.is_some() {
            let words = "The KeyId is required for asymmetric decryption.";
            let id = id.ok_or_else(|| Fault::validation(words))?;
            return Ok((self.key_of(Some(id))?, None, 0, blob.expose().to_vec()));
        }
        let expected = id.map(|id| self.key_of(Some(id))).transpose()?;
        let blob = SealedBlob::decode(blob.expose()).ok_or_else(broken)?;
        if expected.is_none() {
            self.flag(names::BY_BLOB, "true");
        }
        Ok((names::by_id(&self.region, blob.key_id), expected, u64::from(blob.version), blob.sealed))
    }

    fn decrypt(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let oaep = self.encryption("encryptionAlgorithm", names::ALGORITHM, input.encryption_algorithm.as_ref())?;
        let aad = Self::context(input.encryption_context.as_ref(), oaep)?;
        let (key, expected, version, sealed) =
            self.sealed(&taken(input.ciphertext_blob), input.key_id.as_ref(), oaep)?;
        Ok(KeyOp::Decrypt { key, expected, version, sealed, aad, oaep })
    }

    fn re_encrypt(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let (from, to) = (input.source_encryption_algorithm, input.destination_encryption_algorithm);
        let oaep = self.encryption("sourceEncryptionAlgorithm", names::ALGORITHM, from.as_ref())?;
        let to_oaep = self.encryption("destinationEncryptionAlgorithm", names::TO_ALGORITHM, to.as_ref())?;
        let aad = Self::context(input.source_encryption_context.as_ref(), oaep)?;
        let to_aad = Self::context(input.destination_encryption_context.as_ref(), to_oaep)?;
        let to = self.key_of(input.destination_key_id.as_ref())?;
        let (key, expected, version, sealed) =
            self.sealed(&taken(input.ciphertext_blob), input.source_key_id.as_ref(), oaep)?;
        // The other key may be what is not found, or not allowed.
        self.flags.remove(names::BY_BLOB);
        Ok(KeyOp::ReEncrypt { key, expected, version, sealed, aad, oaep, to, to_aad, to_oaep })
    }

    fn data_key(&mut self, input: Input, with_plaintext: bool) -> Result<KeyOp, Fault> {
        let mut checks = Checks::default();
        checks.one_of("keySpec", input.key_spec.as_deref(), &["AES_256", "AES_128"]);
        checks.finish()?;
        let bytes = match (input.key_spec.as_deref(), input.number_of_bytes) {
            (Some("AES_256"), None) => 32,
            (Some(_), None) => 16,
            (None, Some(bytes)) => usize::try_from(bytes).unwrap_or_default(),
            _ => return Err(Fault::validation("Please specify either number of bytes or key spec.")),
        };
        let aad = authenticated(input.encryption_context.as_ref())?;
        Ok(KeyOp::GenerateDataKey { key: self.key(&input)?, bytes, aad, with_plaintext })
    }

    fn data_key_pair(&mut self, input: Input, with_plaintext: bool) -> Result<KeyOp, Fault> {
        let word = input.key_pair_spec.as_deref().unwrap_or_default();
        // Symmetric keys and ML-DSA have none at AWS; those that AWS has and this server does not are said to be absent.
        let has_pairs = |algorithm: &KeyAlgorithm| algorithm.is_asymmetric() && algorithm.family() != KeyFamily::MlDsa;
        let known = |word: &&str| spellings::algorithm(word).is_none_or(|algorithm| has_pairs(&algorithm));
        let known: Vec<&str> = spellings::specs().into_iter().filter(known).collect();
        let mut checks = Checks::default();
        checks.one_of("keyPairSpec", Some(word), &known);
        checks.finish()?;
        let algorithm = spellings::algorithm(word).filter(|algorithm| algorithm.family() != KeyFamily::MlKem);
        let algorithm = algorithm.ok_or_else(|| unsupported("Pairs of this spec aren't available here."))?;
        let aad = authenticated(input.encryption_context.as_ref())?;
        Ok(KeyOp::GenerateDataKeyPair { key: self.key(&input)?, algorithm, aad, with_plaintext })
    }

    fn random(&mut self, input: Input) -> Result<KeyOp, Fault> {
        if input.custom_key_store_id.is_some() {
            return Err(unsupported("Custom key stores aren't available here."));
        }
        let bytes = input.number_of_bytes.ok_or_else(|| Fault::validation("NumberOfBytes is required."))?;
        Ok(KeyOp::Random { bytes: usize::try_from(bytes).unwrap_or_default() })
    }

    /// How a message is signed, and whether it is a digest.
    fn scheme(&mut self, input: &Input) -> Result<(SigningScheme, bool), Fault> {
        let word = input.signing_algorithm.as_deref().unwrap_or_default();
        let message_type = input.message_type.as_deref().unwrap_or("RAW");
        let mut checks = Checks::default();
        checks.one_of("signingAlgorithm", Some(word), &spellings::signing_words());
        checks.one_of("messageType", Some(message_type), &["RAW", "DIGEST", "EXTERNAL_MU"]);
        checks.finish()?;
        let scheme = spellings::scheme(word);
        let scheme = scheme.ok_or_else(|| unsupported("This signing algorithm isn't available here."))?;
        let digest_bytes = input.message.as_ref().map_or(0, |message| message.0.expose().len());
        let prehashed = match (message_type, scheme) {
            // AWS takes the digest that the client made for the message, which the scheme hashes again.
            ("DIGEST", SigningScheme::Ed25519Ph) if digest_bytes == HashAlgorithm::Sha512.digest_bytes() => false,
            ("DIGEST", SigningScheme::Ed25519Ph) => {
                return Err(Fault::validation("Digest is invalid length for the algorithm."));
            }
            ("RAW", SigningScheme::Ed25519Ph) => {
                return Err(Fault::validation("This signing algorithm takes a digest, and no message."));
            }
            ("RAW", _) => false,
            ("DIGEST", scheme) if scheme.hash().is_some() => true,
            ("DIGEST", _) => return Err(Fault::validation("This signing algorithm takes no digest.")),
            (_, SigningScheme::MlDsa) => return Err(unsupported("An external mu isn't available here.")),
            _ => return Err(Fault::validation("This signing algorithm takes no external mu.")),
        };
        self.flag(names::ALGORITHM, word);
        Ok((scheme, prehashed))
    }

    fn sign(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let (scheme, prehashed) = self.scheme(&input)?;
        Ok(KeyOp::Sign { key: self.key(&input)?, input: taken(input.message), prehashed, scheme })
    }

    fn verify(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let (scheme, prehashed) = self.scheme(&input)?;
        let (key, signature) = (self.key(&input)?, taken(input.signature).expose().to_vec());
        Ok(KeyOp::Verify { key, input: taken(input.message), prehashed, scheme, signature })
    }

    fn mac_hash(&mut self, input: &Input) -> Result<HashAlgorithm, Fault> {
        let word = input.mac_algorithm.as_deref().unwrap_or_default();
        let mut checks = Checks::default();
        checks.one_of("macAlgorithm", Some(word), spellings::MAC_WORDS);
        checks.finish()?;
        self.flag(names::ALGORITHM, word);
        spellings::mac(word).ok_or_else(Fault::unreadable)
    }

    fn mac(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let hash = self.mac_hash(&input)?;
        Ok(KeyOp::Mac { key: self.key(&input)?, input: taken(input.message), hash })
    }

    fn verify_mac(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let hash = self.mac_hash(&input)?;
        let (key, mac) = (self.key(&input)?, taken(input.mac).expose().to_vec());
        Ok(KeyOp::VerifyMac { key, input: taken(input.message), hash, mac })
    }

    fn agree(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let mut checks = Checks::default();
        checks.one_of("keyAgreementAlgorithm", input.key_agreement_algorithm.as_deref(), &["ECDH"]);
        checks.finish()?;
        Ok(KeyOp::Agree { key: self.key(&input)?, peer_spki: taken(input.public_key).expose().to_vec() })
    }

    fn check_encapsulation(input: &Input) -> Result<(), Fault> {
        let mut checks = Checks::default();
        checks.one_of("encapsulationAlgorithm", input.encapsulation_algorithm.as_deref(), &[spellings::ML_KEM]);
        checks.finish()
    }

    fn encapsulate(&mut self, input: Input) -> Result<KeyOp, Fault> {
        Self::check_encapsulation(&input)?;
        Ok(KeyOp::Encapsulate { key: self.key(&input)? })
    }

    fn decapsulate(&mut self, input: Input) -> Result<KeyOp, Fault> {
        Self::check_encapsulation(&input)?;
        let key = self.key(&input)?;
        Ok(KeyOp::Decapsulate { key, ciphertext: taken(input.shared_secret_ciphertext_blob).expose().to_vec() })
    }

    fn set_alias(&mut self, input: &Input, moves: bool) -> Result<KeyOp, Fault> {
        let alias = names::alias(input.alias_name.as_deref().unwrap_or_default())?;
        let target = input.target_key_id.as_deref().unwrap_or_default();
        let key = match names::key(self.config, &self.region, target)? {
            KeyRef::Alias(_) | KeyRef::RegionalAlias { .. } => {
                return Err(Fault::validation("Aliases must refer to keys. Not aliases."));
            }
            key => key,
        };
        Ok(KeyOp::SetAlias { alias, key, moves, region: Some(self.region.clone()) })
    }

    fn change(&mut self, input: &Input, change: KeyChange) -> Result<KeyOp, Fault> {
        Ok(KeyOp::Change { key: self.key_itself(input)?, change: Box::new(change) })
    }

    fn tag(&mut self, mut input: Input) -> Result<KeyOp, Fault> {
        let tags = tags_of(input.tags.take().unwrap_or_default())?;
        let tags = tags.into_iter().map(|(key, value)| (key, Some(value))).collect();
        self.change(&input, KeyChange { tags, ..KeyChange::default() })
    }

    fn schedule_deletion(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let days = input.pending_window_in_days;
        let mut checks = Checks::default();
        checks.range("pendingWindowInDays", days, WINDOW_DAYS.0, WINDOW_DAYS.1);
        checks.finish()?;
        let days = days.unwrap_or(WINDOW_DAYS.1).unsigned_abs();
        self.flag(names::DAYS, days.to_string());
        Ok(KeyOp::ScheduleDeletion { key: self.key_itself(&input)?, window_s: days * DAY_S })
    }

    fn enable_rotation(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let days = input.rotation_period_in_days;
        let mut checks = Checks::default();
        checks.range("rotationPeriodInDays", days, ROTATION_DAYS.0, ROTATION_DAYS.1);
        checks.finish()?;
        self.rotation(&input, days.unwrap_or(ROTATION_DAYS_DEFAULT).unsigned_abs() * DAY_S)
    }

    fn rotation(&mut self, input: &Input, period_s: u64) -> Result<KeyOp, Fault> {
        let change = KeyChange { auto_rotate_s: Some(period_s), symmetric_only: true, ..KeyChange::default() };
        self.change(input, change)
    }
}

/// Whether an operation only uses a key, or was told to change nothing.
fn changes_nothing(op: &KeyOp) -> bool {
    let op = match op {
        KeyOp::WithTokens { op, .. } => op,
        op => op,
    };
    matches!(
        op,
        KeyOp::Encrypt { .. }
            | KeyOp::Decrypt { .. }
            | KeyOp::ReEncrypt { .. }
            | KeyOp::GenerateDataKey { .. }
            | KeyOp::GenerateDataKeyPair { .. }
            | KeyOp::Sign { .. }
            | KeyOp::Verify { .. }
            | KeyOp::Mac { .. }
            | KeyOp::VerifyMac { .. }
            | KeyOp::Agree { .. }
            | KeyOp::Encapsulate { .. }
            | KeyOp::Decapsulate { .. }
            | KeyOp::CreateGrant { dry_run: true, .. }
            | KeyOp::EndGrant { dry_run: true, .. }
    )
}

/// Encryption contexts, for policies and the log.
fn said(input: &Input) -> Result<Params, Fault> {
    let contexts = [
        ("encryption_context", &input.encryption_context),
        ("source_encryption_context", &input.source_encryption_context),
        ("destination_encryption_context", &input.destination_encryption_context),
    ];
    let given: BTreeMap<&str, _> = contexts.iter().filter_map(|(name, of)| Some((*name, of.as_ref()?))).collect();
    if given.values().all(|entries| entries.is_empty()) {
        return Ok(Params::default());
    }
    for entries in given.values() {
        // Its bounds come first.
        authenticated(Some(entries))?;
    }
    let text = serde_json::to_vec(&given).map_err(|_| Fault::unreadable())?;
    Params::from_json(&text).map_err(|_| Fault::validation("The encryption context is too large."))
}

/// Version and bytes of a ciphertext of transit's own form.
fn transit_form(blob: &[u8]) -> Option<(u64, Vec<u8>)> {
    let text = std::str::from_utf8(blob).ok()?;
    let (version, sealed) = text.strip_prefix(TRANSIT)?.split_once(':')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    Some((version, BASE64.decode(sealed).ok()?))
}

fn tags_of(given: Vec<Tag>) -> Result<BTreeMap<String, String>, Fault> {
    let refused = |words: &str| Fault::new("TagException", words);
    if given.len() > TAGS_MAX {
        return Err(refused("Too many tags."));
    }
    let mut seen = HashSet::new();
    for key in given.iter().map(|tag| tag.tag_key.as_deref().unwrap_or_default()) {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(refused("A tag key is reserved."));
        }
        if !seen.insert(key) {
            return Err(refused("Duplicate tag keys."));
        }
    }
    Ok(given.into_iter().map(|tag| (tag.tag_key.unwrap_or_default(), tag.tag_value.unwrap_or_default())).collect())
}
