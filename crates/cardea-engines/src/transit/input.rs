//! The members of each request, and how they become an operation. It must never depend on state, and no error repeats an
//! input value.

use crate::transit::documents::About;
use crate::transit::forms::{Data, Item};
use crate::transit::manage::SettingsChange;
use crate::transit::names::{self, SigningWords};
use crate::transit::routes::{Batch, Op, Using};
use crate::transit::transfer::{Brought, ExportKind, ExportVersions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::{KeySettings, NewDocument, NewKey, check_key_name};
use cardea_model::loose::{self, Flag, Int, Text};
use cardea_model::{Error, Params};
use cardea_sdk::Bound;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most items of one batch: bounds the work of one request, and its answer.
pub const BATCH_ITEMS_MAX: usize = 1000;
/// Most random bytes of one request, as in Vault.
pub const RANDOM_BYTES_MAX: usize = 128 * 1024;

/// A request that says no more than its path.
#[derive(Deserialize)]
pub struct At {
    pub name: String,
}

/// The grant of a key.
#[derive(Deserialize)]
pub struct GrantAt {
    pub name: String,
    pub grant: String,
}

/// A request about what is attached to a key.
pub fn about<T: Named>(params: &Params, about: impl FnOnce(T) -> About) -> Result<Bound<Op>, Error> {
    Bound::read(params, |at: T| Op::Attached { name: at.name().to_owned(), about: about(at) })
}

/// A request that names its key.
pub trait Named: serde::de::DeserializeOwned {
    fn name(&self) -> &str;
}

impl Named for At {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for GrantAt {
    fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Deserialize)]
pub struct DocumentInput {
    name: String,
    policy: String,
    #[serde(default)]
    account_id: Option<Text>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    bypass_policy_lockout_safety_check: Option<Flag>,
}

/// Where a key is that no dialect ever attached anything to.
const REGION: &str = "us-east-1";

pub fn set_document(input: DocumentInput) -> Result<Op, Error> {
    let region = input.region.unwrap_or_else(|| REGION.to_owned());
    let is_region = (1..=64).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_region {
        return Err(Error::invalid("field `region` is not the name of a region"));
    }
    let partition = match region.as_str() {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let arn_front = match text(input.account_id) {
        account if account.is_empty() => String::new(),
        account if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
            format!("arn:{partition}:kms:{region}:{account}:key/")
        }
        _ => return Err(Error::invalid("field `account_id` does not have 12 digits")),
    };
    let bypass = flag(input.bypass_policy_lockout_safety_check);
    let document = NewDocument { text: input.policy, arn_front, bypass };
    Ok(Op::Attached { name: input.name, about: About::SetDocument(document) })
}

#[derive(Deserialize)]
pub struct ReadInput {
    pub name: String,
    #[serde(default)]
    pub context: Option<Data>,
}

#[derive(Deserialize)]
pub struct ConfigInput {
    #[serde(default)]
    pub disable_upsert: Option<Flag>,
}

#[derive(Deserialize)]
pub struct CreateInput {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    parameter_set: Option<Text>,
    #[serde(default)]
    derived: Option<Flag>,
    #[serde(default)]
    convergent_encryption: Option<Flag>,
    #[serde(default)]
    exportable: Option<Flag>,
    #[serde(default)]
    allow_plaintext_backup: Option<Flag>,
    #[serde(default)]
    auto_rotate_period: Option<loose::Duration>,
    #[serde(default)]
    key_size: Option<Int>,
    #[serde(default)]
    context: Option<Data>,
}

fn flag(flag: Option<Flag>) -> bool {
    flag.is_some_and(|Flag(flag)| flag)
}

fn text(text: Option<Text>) -> String {
    text.map(|Text(text)| text).unwrap_or_default()
}

fn new_key(kind: Option<&str>, parameter_set: &str, settings: KeySettings) -> Result<Box<NewKey>, Error> {
    Ok(Box::new(NewKey {
        algorithm: names::algorithm(kind.unwrap_or_default(), parameter_set)?,
        usages: Vec::new(),
        settings,
        description: String::new(),
        tags: BTreeMap::new(),
        attributes: BTreeMap::new(),
        without_material: false,
        region: None,
        document: None,
    }))
}

pub fn create(input: CreateInput) -> Result<Op, Error> {
    check_key_name(&input.name)?;
    let _ = input.context;
    let settings = KeySettings {
        derived: flag(input.derived),
        convergent: flag(input.convergent_encryption),
        exportable: flag(input.exportable),
        plaintext_backup: flag(input.allow_plaintext_backup),
        auto_rotate_s: input.auto_rotate_period.map_or(0, |loose::Duration(period)| period.0),
        material_bytes: count("key_size", input.key_size)?.unwrap_or_default(),
        ..KeySettings::default()
    };
    let new = new_key(input.kind.as_deref(), &text(input.parameter_set), settings)?;
    Ok(Op::Create { name: input.name, new })
}

fn count(field: &str, number: Option<Int>) -> Result<Option<u64>, Error> {
    let number = number.map(|Int(number)| u64::try_from(number));
    number.transpose().map_err(|_| Error::invalid(format!("field `{field}` is negative")))
}

#[derive(Deserialize)]
pub struct ConfigureInput {
    name: String,
    #[serde(default)]
    min_decryption_version: Option<Int>,
    #[serde(default)]
    min_encryption_version: Option<Int>,
    #[serde(default)]
    deletion_allowed: Option<Flag>,
    #[serde(default)]
    exportable: Option<Flag>,
    #[serde(default)]
    allow_plaintext_backup: Option<Flag>,
    #[serde(default)]
    auto_rotate_period: Option<loose::Duration>,
}

pub fn configure(input: ConfigureInput) -> Result<Op, Error> {
    let change = SettingsChange {
        min_decryption: input.min_decryption_version.map(|Int(number)| number),
        min_encryption: input.min_encryption_version.map(|Int(number)| number),
        deletion_allowed: input.deletion_allowed.map(|Flag(flag)| flag),
        exportable: input.exportable.map(|Flag(flag)| flag),
        plaintext_backup: input.allow_plaintext_backup.map(|Flag(flag)| flag),
        auto_rotate_s: input.auto_rotate_period.map(|loose::Duration(period)| period.0),
    };
    Ok(Op::Configure { name: input.name, change })
}

#[derive(Deserialize)]
pub struct TrimInput {
    name: String,
    #[serde(default)]
    min_available_version: Option<Int>,
}

pub fn trim(input: TrimInput) -> Result<Op, Error> {
    let Int(min_available) =
        input.min_available_version.ok_or_else(|| Error::invalid("missing min_available_version"))?;
    Ok(Op::Trim { name: input.name, min_available })
}

#[derive(Deserialize)]
pub struct ImportInput {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    parameter_set: Option<Text>,
    #[serde(default)]
    ciphertext: Option<Data>,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(default)]
    hash_function: Option<Text>,
    #[serde(default)]
    derived: Option<Flag>,
    #[serde(default)]
    exportable: Option<Flag>,
    #[serde(default)]
    allow_plaintext_backup: Option<Flag>,
    #[serde(default)]
    allow_rotation: Option<Flag>,
    #[serde(default)]
    auto_rotate_period: Option<loose::Duration>,
}

fn brought(
    ciphertext: Option<&Data>,
    public_key: Option<String>,
    hash_function: Option<Text>,
) -> Result<Brought, Error> {
    match (ciphertext, public_key.filter(|key| !key.is_empty())) {
        (Some(Data(text)), None) => {
            let ciphertext = BASE64
                .decode(text.expose().trim())
                .map_err(|_| Error::invalid("failed to base64-decode the import's ciphertext"))?;
            Ok(Brought::Wrapped { ciphertext, hash: names::oaep_hash(&self::text(hash_function))? })
        }
        (None, Some(key)) => Ok(Brought::Public(key)),
        (None, None) => Err(Error::invalid("either ciphertext or public_key must be provided")),
        (Some(_), Some(_)) => Err(Error::invalid("only one of ciphertext and public_key may be provided")),
    }
}

pub fn import(input: ImportInput) -> Result<Op, Error> {
    check_key_name(&input.name)?;
    let allow_rotation = flag(input.allow_rotation);
    let auto_rotate_s = input.auto_rotate_period.map_or(0, |loose::Duration(period)| period.0);
    if auto_rotate_s > 0 && !allow_rotation {
        return Err(Error::invalid("allow_rotation must be set to true if auto-rotation is enabled"));
    }
    let settings = KeySettings {
        derived: flag(input.derived),
        exportable: flag(input.exportable),
        plaintext_backup: flag(input.allow_plaintext_backup),
        imported_rotation: allow_rotation,
        auto_rotate_s,
        ..KeySettings::default()
    };
    let new = new_key(input.kind.as_deref(), &text(input.parameter_set), settings)?;
    let brought = brought(input.ciphertext.as_ref(), input.public_key, input.hash_function)?;
    Ok(Op::Import { name: input.name, new, brought })
}

#[derive(Deserialize)]
pub struct ImportVersionInput {
    name: String,
    #[serde(default)]
    version: Option<Int>,
    #[serde(default)]
    ciphertext: Option<Data>,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(default)]
    hash_function: Option<Text>,
}

pub fn import_version(input: ImportVersionInput) -> Result<Op, Error> {
    let version = count("version", input.version)?.filter(|number| *number > 0);
    let brought = brought(input.ciphertext.as_ref(), input.public_key, input.hash_function)?;
    Ok(Op::ImportVersion { name: input.name, version, brought })
}

#[derive(Deserialize)]
pub struct ExportInput {
    kind: String,
    name: String,
    #[serde(default)]
    version: Option<Text>,
}

pub fn export(input: ExportInput) -> Result<Op, Error> {
    let kind = match input.kind.as_str() {
        "encryption-key" => ExportKind::Encryption,
        "signing-key" => ExportKind::Signing,
        "hmac-key" => ExportKind::Mac,
        "public-key" => ExportKind::Public,
        _ => return Err(Error::invalid("invalid export type")),
    };
    Ok(Op::Export { name: input.name, kind, versions: export_versions(input.version)? })
}

fn export_versions(version: Option<Text>) -> Result<ExportVersions, Error> {
    match text(version).as_str() {
        "" => Ok(ExportVersions::All),
        "latest" => Ok(ExportVersions::Latest),
        number => number.parse().map(ExportVersions::One).map_err(|_| Error::invalid("invalid key version")),
    }
}

#[derive(Deserialize)]
pub struct ExportWrappedInput {
    destination: String,
    source: String,
    #[serde(default)]
    version: Option<Text>,
    #[serde(default)]
    hash: Option<Text>,
}

pub fn export_wrapped(input: ExportWrappedInput) -> Result<Op, Error> {
    let hash = names::oaep_hash(&text(input.hash))?;
    let versions = export_versions(input.version)?;
    Ok(Op::ExportWrapped { destination: input.destination, source: input.source, versions, hash })
}

#[derive(Deserialize)]
pub struct CacheInput {
    #[serde(default, rename = "size")]
    _size: Option<Int>,
}

#[derive(Deserialize)]
pub struct RestoreInput {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    backup: Option<Data>,
    #[serde(default)]
    force: Option<Flag>,
}

pub fn restore(input: RestoreInput) -> Result<Op, Error> {
    let backup = input.backup.filter(|Data(text)| !text.is_empty());
    let Data(backup) = backup.ok_or_else(|| Error::invalid("'backup' must be supplied"))?;
    let name = input.name.filter(|name| !name.is_empty());
    Ok(Op::Restore { name, backup, force: flag(input.force) })
}

/// Everything that a use may say. Its own members are those of one item.
#[derive(Deserialize)]
pub struct UseInput {
    name: String,
    #[serde(default)]
    url_algorithm: Option<String>,
    #[serde(default)]
    plaintext: Option<Data>,
    #[serde(default)]
    ciphertext: Option<Data>,
    #[serde(default)]
    input: Option<Data>,
    #[serde(default)]
    context: Option<Data>,
    #[serde(default)]
    nonce: Option<Data>,
    #[serde(default)]
    associated_data: Option<Data>,
    #[serde(default)]
    signature: Option<Data>,
    #[serde(default)]
    hmac: Option<Data>,
    #[serde(default)]
    key_version: Option<Int>,
    #[serde(default)]
    reference: Option<Text>,
    #[serde(default)]
    batch_input: Option<Vec<Item>>,
    #[serde(default)]
    partial_failure_response_code: Option<Int>,
    #[serde(default)]
    hash_algorithm: Option<String>,
    #[serde(default)]
    algorithm: Option<String>,
    #[serde(default)]
    signature_algorithm: Option<String>,
    #[serde(default)]
    marshaling_algorithm: Option<String>,
    #[serde(default)]
    salt_length: Option<Text>,
    #[serde(default)]
    prehashed: Option<Flag>,
    #[serde(default)]
    padding_scheme: Option<String>,
}

pub fn signing(input: &UseInput) -> SigningWords {
    let first = |words: [&Option<String>; 3]| words.into_iter().flatten().find(|word| !word.is_empty()).cloned();
    SigningWords {
        hash: first([&input.url_algorithm, &input.hash_algorithm, &input.algorithm]).unwrap_or_default(),
        signature: input.signature_algorithm.clone().unwrap_or_default(),
        marshaling: input.marshaling_algorithm.clone().unwrap_or_default(),
        salt: input.salt_length.as_ref().map(|Text(text)| text.clone()).unwrap_or_default(),
        prehashed: input.prehashed.is_some_and(|Flag(flag)| flag),
    }
}

pub fn use_as(params: &Params, using: fn(&UseInput) -> Result<Using, Error>) -> Result<Bound<Op>, Error> {
    Bound::try_read(params, |input: UseInput| {
        let using = using(&input)?;
        Ok(Op::Use { name: input.name.clone(), using, batch: batch(input)? })
    })
}

fn batch(input: UseInput) -> Result<Batch, Error> {
    if input.nonce.is_some_and(|Data(nonce)| !nonce.is_empty()) {
        return Err(Error::invalid("provided nonce not allowed for this key"));
    }
    if !matches!(input.padding_scheme.as_deref(), None | Some("" | "oaep")) {
        return Err(Error::invalid("unsupported padding scheme: only oaep is offered"));
    }
    let partial_status = match input.partial_failure_response_code {
        None => 400,
        Some(Int(code)) => u16::try_from(code)
            .ok()
            .filter(|code| (200..=599).contains(code))
            .ok_or_else(|| Error::invalid("field `partial_failure_response_code` is no status"))?,
    };
    match input.batch_input {
        Some(items) if items.is_empty() => Err(Error::invalid("missing batch input to process")),
        Some(items) if items.len() > BATCH_ITEMS_MAX => {
            Err(Error::invalid(format!("a batch has at most {BATCH_ITEMS_MAX} items")))
        }
        Some(items) => Ok(Batch { items, listed: true, partial_status }),
        None => {
            let item = Item {
                plaintext: input.plaintext,
                ciphertext: input.ciphertext,
                input: input.input,
                context: input.context,
                associated_data: input.associated_data,
                signature: input.signature,
                hmac: input.hmac,
                key_version: input.key_version,
                reference: input.reference,
            };
            Ok(Batch { items: vec![item], listed: false, partial_status })
        }
    }
}

#[derive(Deserialize)]
pub struct EncryptInput {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    parameter_set: Option<Text>,
    #[serde(default)]
    convergent_encryption: Option<Flag>,
    #[serde(default)]
    plaintext: Option<Data>,
    #[serde(default)]
    context: Option<Data>,
    #[serde(default)]
    nonce: Option<Data>,
    #[serde(default)]
    associated_data: Option<Data>,
    #[serde(default)]
    key_version: Option<Int>,
    #[serde(default)]
    reference: Option<Text>,
    #[serde(default)]
    batch_input: Option<Vec<Item>>,
    #[serde(default)]
    partial_failure_response_code: Option<Int>,
    #[serde(default)]
    padding_scheme: Option<String>,
}

pub fn encrypt(input: EncryptInput) -> Result<Op, Error> {
    check_key_name(&input.name)?;
    let convergent = flag(input.convergent_encryption);
    let kind = input.kind;
    let parameter_set = text(input.parameter_set);
    let batch = batch(UseInput {
        name: String::new(),
        url_algorithm: None,
        plaintext: input.plaintext,
        ciphertext: None,
        input: None,
        context: input.context,
        nonce: input.nonce,
        associated_data: input.associated_data,
        signature: None,
        hmac: None,
        key_version: input.key_version,
        reference: input.reference,
        batch_input: input.batch_input,
        partial_failure_response_code: input.partial_failure_response_code,
        hash_algorithm: None,
        algorithm: None,
        signature_algorithm: None,
        marshaling_algorithm: None,
        salt_length: None,
        prehashed: None,
        padding_scheme: input.padding_scheme,
    })?;
    // A key that is made by being used derives exactly if its first use has a context.
    let derived = batch.items.first().is_some_and(|item| item.context.as_ref().is_some_and(|Data(c)| !c.is_empty()));
    let settings = KeySettings { derived, convergent, ..KeySettings::default() };
    let new = new_key(kind.as_deref(), &parameter_set, settings)?;
    Ok(Op::Use { name: input.name, using: Using::Encrypt { new }, batch })
}

#[derive(Deserialize)]
pub struct DataKeyInput {
    kind: String,
    name: String,
    #[serde(default)]
    bits: Option<Int>,
    #[serde(default)]
    context: Option<Data>,
    #[serde(default)]
    associated_data: Option<Data>,
    #[serde(default)]
    key_version: Option<Int>,
}

pub fn data_key(input: DataKeyInput) -> Result<Op, Error> {
    let with_plaintext = match input.kind.as_str() {
        "plaintext" => true,
        "wrapped" => false,
        _ => return Err(Error::invalid("invalid path, must be 'plaintext' or 'wrapped'")),
    };
    let bytes = match input.bits {
        None | Some(Int(256)) => 32,
        Some(Int(128)) => 16,
        Some(Int(512)) => 64,
        Some(_) => return Err(Error::invalid("invalid bit length: 128, 256 or 512")),
    };
    let item = Item {
        context: input.context,
        associated_data: input.associated_data,
        key_version: input.key_version,
        ..Item::default()
    };
    Ok(Op::DataKey { name: input.name, with_plaintext, bytes, item })
}

#[derive(Deserialize)]
pub struct HashInput {
    #[serde(default)]
    url_algorithm: Option<String>,
    #[serde(default)]
    algorithm: Option<String>,
    #[serde(default)]
    input: Option<Data>,
    #[serde(default)]
    format: Option<String>,
}

/// The encoding of an answer; true is hex.
fn is_hex(format: Option<&str>, usual: bool) -> Result<bool, Error> {
    match format {
        None | Some("") => Ok(usual),
        Some("hex") => Ok(true),
        Some("base64") => Ok(false),
        Some(_) => Err(Error::invalid("unsupported encoding format: must be \"hex\" or \"base64\"")),
    }
}

pub fn hash(input: HashInput) -> Result<Op, Error> {
    let word = input.url_algorithm.or(input.algorithm).unwrap_or_default();
    let hex = is_hex(input.format.as_deref(), true)?;
    let data = input.input.ok_or_else(|| Error::invalid("missing input"))?;
    Ok(Op::Hash { algorithm: names::hash(&word)?, input: data, hex })
}

#[derive(Deserialize)]
pub struct RandomInput {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    url_bytes: Option<String>,
    #[serde(default)]
    bytes: Option<Int>,
    #[serde(default)]
    format: Option<String>,
}

/// Sources that Vault names; here all are one.
const SOURCES: &[&str] = &["platform", "seal", "all"];

pub fn random(input: RandomInput) -> Result<Op, Error> {
    let hex = is_hex(input.format.as_deref(), false)?;
    let known = |source: &String| SOURCES.contains(&source.as_str());
    if input.source.as_ref().is_some_and(|source| !known(source)) {
        return Err(Error::invalid("unsupported entropy source: must be \"platform\", \"seal\" or \"all\""));
    }
    let wanted = match input.url_bytes.filter(|word| input.source.is_some() || !known(word)) {
        Some(number) => number.parse::<i64>().map_err(|_| Error::invalid("error parsing url-set byte count"))?,
        None => input.bytes.map_or(32, |Int(bytes)| bytes),
    };
    let bytes = usize::try_from(wanted).ok().filter(|bytes| *bytes >= 1);
    let bytes = bytes.ok_or_else(|| Error::invalid("\"bytes\" cannot be less than 1"))?;
    if bytes > RANDOM_BYTES_MAX {
        return Err(Error::invalid(format!("\"bytes\" should be less than {RANDOM_BYTES_MAX}")));
    }
    Ok(Op::Random { bytes, hex })
}
