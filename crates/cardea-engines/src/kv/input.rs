//! The members of each request, and how they become an operation. It must never depend on state, and no error repeats an
//! input value.

use crate::kv::model::DeleteAfter;
use crate::kv::ops::VERSIONS_KEPT_MAX;
use crate::kv::routes::{ConfigChange, MetadataChange, Op, SecretChange};
use cardea_model::loose::{self, Flag, Int, Pairs, Text};
use cardea_model::operation::VersionRef;
use cardea_model::time::parse_duration_s;
use cardea_model::{CanonicalPath, Error, Payload, SecretOp};
use cardea_sdk::named::Page;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A request that says no more than its path.
#[derive(serde::Deserialize)]
pub struct At {
    path: String,
}

impl At {
    pub fn path(&self) -> Result<CanonicalPath, Error> {
        CanonicalPath::parse(&self.path)
    }
}

#[derive(serde::Deserialize)]
pub struct ReadInput {
    path: String,
    #[serde(default)]
    version: Option<Int>,
}

pub fn read_secret(input: ReadInput) -> Result<Op, Error> {
    let path = CanonicalPath::parse(&input.path)?;
    Ok(Op::Secret(SecretOp::Read { path, version: version_ref(input.version)? }))
}

fn version_ref(version: Option<Int>) -> Result<VersionRef, Error> {
    match count("version", version)? {
        None | Some(0) => Ok(VersionRef::Current),
        Some(number) => Ok(VersionRef::Number(number)),
    }
}

/// A number that counts something; the text names the field and not the value.
fn count(field: &str, number: Option<Int>) -> Result<Option<u64>, Error> {
    let number = number.map(|Int(number)| u64::try_from(number));
    number.transpose().map_err(|_| Error::invalid(format!("field `{field}` is negative")))
}

#[derive(serde::Deserialize)]
pub struct WriteInput {
    path: String,
    #[serde(default)]
    data: Option<Payload>,
    #[serde(default)]
    options: Option<WriteOptions>,
}

#[derive(serde::Deserialize)]
struct WriteOptions {
    #[serde(default)]
    cas: Option<Int>,
}

impl WriteInput {
    fn parts(self) -> Result<(CanonicalPath, Payload, Option<u64>), Error> {
        let path = CanonicalPath::parse(&self.path)?;
        let data = self.data.ok_or_else(|| Error::invalid("no data provided"))?;
        if !data.is_object() {
            return Err(Error::invalid("field `data` is not an object"));
        }
        let check = count("cas", self.options.and_then(|options| options.cas))?;
        Ok((path, data, check))
    }
}

pub fn write_secret(input: WriteInput) -> Result<Op, Error> {
    let (path, payload, check_version) = input.parts()?;
    Ok(Op::Secret(SecretOp::Write { path, payload, check_version }))
}

pub fn patch_secret(input: WriteInput) -> Result<Op, Error> {
    let (path, change, check) = input.parts()?;
    Ok(Op::Patch { path, change, check })
}

#[derive(serde::Deserialize)]
pub struct Chosen {
    path: String,
    #[serde(default)]
    versions: Numbers,
}

impl Chosen {
    pub fn op(self, make: impl FnOnce(CanonicalPath, Vec<u64>) -> Op) -> Result<Op, Error> {
        let path = CanonicalPath::parse(&self.path)?;
        if self.versions.0.is_empty() {
            return Err(Error::invalid("no version number provided"));
        }
        let numbers = self.versions.0.into_iter().map(|Int(number)| u64::try_from(number));
        let mut numbers: Vec<u64> =
            numbers.collect::<Result<_, _>>().map_err(|_| Error::invalid("field `versions` has a negative number"))?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(make(path, numbers))
    }
}

#[derive(serde::Deserialize)]
pub struct SubkeysInput {
    path: String,
    #[serde(default)]
    version: Option<Int>,
    #[serde(default)]
    depth: Option<Int>,
}

pub fn subkeys(input: SubkeysInput) -> Result<Op, Error> {
    let path = CanonicalPath::parse(&input.path)?;
    let depth = count("depth", input.depth)?.unwrap_or_default();
    Ok(Op::Subkeys { path, version: version_ref(input.version)?, depth })
}

#[derive(serde::Deserialize)]
pub struct ListInput {
    path: String,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<Int>,
}

pub fn list_folder(input: ListInput) -> Result<Op, Error> {
    let folder = match input.path.as_str() {
        "" => String::new(),
        path => CanonicalPath::parse(path)?.into_folder().as_str().to_owned(),
    };
    Ok(Op::List { folder, page: Page::of(input.after, input.limit) })
}

#[derive(serde::Deserialize)]
pub struct ConfigInput {
    #[serde(default)]
    max_versions: Option<Int>,
    #[serde(default)]
    cas_required: Option<Flag>,
    #[serde(default)]
    delete_version_after: Option<Text>,
}

pub fn config_change(input: ConfigInput) -> Result<Op, Error> {
    Ok(Op::ConfigWrite(ConfigChange {
        max_versions: max_versions(input.max_versions)?,
        cas_required: input.cas_required.map(|Flag(flag)| flag),
        delete_after: input.delete_version_after.map(|Text(text)| delete_after(&text)).transpose()?,
    }))
}

/// Zero is "no setting of its own".
fn max_versions(number: Option<Int>) -> Result<Option<Option<u64>>, Error> {
    match count("max_versions", number)? {
        Some(number) if number > VERSIONS_KEPT_MAX => Err(Error::invalid(format!(
            "field `max_versions` is too large: at most {VERSIONS_KEPT_MAX} versions are kept"
        ))),
        number => Ok(number.map(|number| (number > 0).then_some(number))),
    }
}

/// A span that may be negative, which means never.
fn delete_after(text: &str) -> Result<DeleteAfter, Error> {
    let wrong = |_| Error::invalid("field `delete_version_after` has the wrong type or form");
    match text.trim() {
        "" => Ok(DeleteAfter::Unset),
        text => match text.strip_prefix('-') {
            Some(span) => match parse_duration_s(span).map_err(wrong)? {
                0 => Ok(DeleteAfter::Unset),
                _ => Ok(DeleteAfter::Never),
            },
            None => match parse_duration_s(text).map_err(wrong)? {
                0 => Ok(DeleteAfter::Unset),
                seconds => Ok(DeleteAfter::Seconds(seconds)),
            },
        },
    }
}

#[derive(serde::Deserialize)]
pub struct MetadataInput {
    path: String,
    #[serde(default)]
    max_versions: Option<Int>,
    #[serde(default)]
    cas_required: Option<Flag>,
    #[serde(default)]
    delete_version_after: Option<loose::Duration>,
    #[serde(default)]
    custom_metadata: Option<Pairs>,
}

pub fn metadata_write(input: MetadataInput) -> Result<Op, Error> {
    let change = SecretChange {
        max_versions: max_versions(input.max_versions)?,
        cas_required: input.cas_required.map(|Flag(flag)| flag),
        delete_after_s: input.delete_version_after.map(|span| span.none_if_zero().map(|seconds| seconds.0)),
        metadata: input.custom_metadata.map_or(MetadataChange::Keep, |Pairs(pairs)| MetadataChange::Replace(pairs)),
    };
    Ok(Op::MetadataWrite { path: CanonicalPath::parse(&input.path)?, change })
}

/// The same members, where null is a wish of its own.
#[derive(serde::Deserialize)]
pub struct MetadataPatchInput {
    path: String,
    #[serde(default, deserialize_with = "named")]
    max_versions: Option<Option<Int>>,
    #[serde(default, deserialize_with = "named")]
    cas_required: Option<Option<Flag>>,
    #[serde(default, deserialize_with = "named")]
    delete_version_after: Option<Option<loose::Duration>>,
    #[serde(default, deserialize_with = "named")]
    custom_metadata: Option<Option<BTreeMap<String, Option<Text>>>>,
}

/// `Some` for every member that is there, null or not.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

pub fn metadata_patch(input: MetadataPatchInput) -> Result<Op, Error> {
    let change = SecretChange {
        max_versions: match input.max_versions {
            Some(None) => Some(None),
            Some(number) => max_versions(number)?,
            None => None,
        },
        cas_required: input.cas_required.map(|flag| flag.is_some_and(|Flag(flag)| flag)),
        delete_after_s: input
            .delete_version_after
            .map(|span| span.and_then(loose::Duration::none_if_zero).map(|seconds| seconds.0)),
        metadata: match input.custom_metadata {
            None => MetadataChange::Keep,
            Some(None) => MetadataChange::Replace(BTreeMap::new()),
            Some(Some(pairs)) => MetadataChange::Merge(
                pairs.into_iter().map(|(key, value)| (key, value.map(|Text(text)| text))).collect(),
            ),
        },
    };
    Ok(Op::MetadataPatch { path: CanonicalPath::parse(&input.path)?, change })
}

/// Numbers: an array of them, one of them, or a text with commas.
#[derive(Default)]
struct Numbers(Vec<Int>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumbersVisitor;
        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = Numbers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
                Ok(Numbers(vec![Int(number)]))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Numbers, E> {
                i64::try_from(number).map_err(|_| E::custom("number is too large")).and_then(|n| self.visit_i64(n))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers, E> {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let numbers = parts.map(|part| part.parse().map(Int).map_err(|_| E::custom("not a whole number")));
                numbers.collect::<Result<_, _>>().map(Numbers)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbers, A::Error> {
                let mut out = Vec::new();
                while let Some(number) = seq.next_element()? {
                    out.push(number);
                }
                Ok(Numbers(out))
            }
            // A number, as serde_json hands it over when it keeps its digits.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Numbers, A::Error> {
                Int::deserialize(MapAccessDeserializer::new(map)).map(|number| Numbers(vec![number]))
            }
        }
        deserializer.deserialize_any(NumbersVisitor)
    }
}
