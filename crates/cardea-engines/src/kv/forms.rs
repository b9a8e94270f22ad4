//! The forms in which Vault's clients know the answers. A form must never carry more than its name says.

use crate::kv::model::{Config, DeleteAfter, Pointer};
use crate::kv::ops::versions_kept;
use cardea_model::secret::{ContentForm, SecretAnswer, Version, VersionState};
use cardea_model::time::go_duration;
use cardea_model::{Body, Error, Payload, Timestamp};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What clients learn of a version beside its payload.
#[derive(serde::Serialize)]
pub struct VersionForm {
    created_time: String,
    custom_metadata: Option<BTreeMap<String, String>>,
    deletion_time: String,
    destroyed: bool,
    version: u64,
}

/// Takes the answer's metadata with it; the payload stays.
pub fn version_form(answer: &mut SecretAnswer) -> VersionForm {
    VersionForm {
        created_time: answer.version.created.rfc3339(),
        custom_metadata: none_if_empty(std::mem::take(&mut answer.metadata)),
        deletion_time: time_or_empty(answer.version.deletion),
        destroyed: answer.version.state == VersionState::Destroyed,
        version: answer.version.number,
    }
}

fn none_if_empty(pairs: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!pairs.is_empty()).then_some(pairs)
}

fn time_or_empty(at: Option<Timestamp>) -> String {
    at.map(Timestamp::rfc3339).unwrap_or_default()
}

/// Clients of this wire expect an object: a secret that another dialect wrote as a text stands under `value`.
pub fn object_of(payload: Payload, content: ContentForm) -> Payload {
    match content {
        ContentForm::Object => payload,
        ContentForm::Text | ContentForm::Bytes => Payload::of_members(&[("value", payload.text())]),
    }
}

/// A read: the payload and what is known of the version; gone, if there is no payload.
pub fn read_form(mut answer: SecretAnswer) -> Result<Body, Error> {
    let metadata = Payload::of(&version_form(&mut answer))?;
    let payload = answer.payload.take().map(|payload| object_of(payload, answer.version.content));
    let data = payload.as_ref().map_or("null", Payload::text);
    let form = Payload::of_members(&[("data", data), ("metadata", metadata.text())]);
    Ok(if payload.is_none() { Body::Gone(form) } else { Body::Object(form) })
}

/// A write: what is known of the version that it made.
pub fn write_form(mut answer: SecretAnswer) -> Result<Body, Error> {
    Payload::of(&version_form(&mut answer)).map(Body::Object)
}

#[derive(serde::Serialize)]
pub struct SubkeysForm {
    pub subkeys: Option<Payload>,
    pub metadata: VersionForm,
}

#[derive(serde::Serialize)]
pub struct ConfigForm {
    cas_required: bool,
    delete_version_after: String,
    max_versions: u64,
}

pub fn config_form(config: &Config) -> ConfigForm {
    ConfigForm {
        cas_required: config.cas_required,
        delete_version_after: match config.delete_after {
            DeleteAfter::Unset => go_duration(0),
            DeleteAfter::Never => "-1s".to_owned(),
            DeleteAfter::Seconds(seconds) => go_duration(seconds),
        },
        max_versions: config.max_versions.unwrap_or_default(),
    }
}

#[derive(serde::Serialize)]
pub struct MetadataForm<'a> {
    cas_required: bool,
    created_time: String,
    current_version: u64,
    custom_metadata: Option<&'a BTreeMap<String, String>>,
    delete_version_after: String,
    max_versions: u64,
    oldest_version: u64,
    updated_time: String,
    versions: VersionsForm<'a>,
}

pub fn metadata_form<'a>(pointer: &'a Pointer, config: &Config) -> MetadataForm<'a> {
    let secret = &pointer.0;
    // Clients know 0 as "nothing was pruned yet"; it becomes a number with the version that fills the last free place.
    let never_pruned = secret.oldest <= 1 && secret.newest() < versions_kept(config, secret);
    MetadataForm {
        cas_required: secret.settings.cas_required,
        created_time: secret.created.rfc3339(),
        current_version: secret.current,
        custom_metadata: Some(&secret.metadata).filter(|pairs| !pairs.is_empty()),
        delete_version_after: go_duration(secret.settings.delete_after_s.unwrap_or_default()),
        max_versions: secret.settings.max_versions.unwrap_or_default(),
        oldest_version: if never_pruned { 0 } else { secret.oldest },
        updated_time: secret.updated.rfc3339(),
        versions: VersionsForm(&secret.versions),
    }
}

/// Versions under their numbers, ascending by number and not by text.
struct VersionsForm<'a>(&'a [Version]);

#[derive(serde::Serialize)]
struct StateForm<'a> {
    created_by: &'a str,
    created_time: String,
    deletion_time: String,
    destroyed: bool,
}

impl Serialize for VersionsForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|version| {
            let form = StateForm {
                created_by: &version.creator,
                created_time: version.created.rfc3339(),
                deletion_time: time_or_empty(version.deletion),
                destroyed: version.state == VersionState::Destroyed,
            };
            (version.number, form)
        }))
    }
}
