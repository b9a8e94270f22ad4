//! Entities and aliases as Vault's clients read them. Values only; nothing here may leave out that an entity is disabled.

use cardea_model::identity::{Alias, Entity};
use cardea_model::{Error, Timestamp};
use cardea_sdk::{Done, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// One alias.
#[derive(Serialize)]
pub(super) struct AliasAnswer<'a> {
    id: &'a str,
    canonical_id: &'a str,
    name: &'a str,
    mount_accessor: &'a str,
    mount_path: &'a str,
    mount_type: &'a str,
    metadata: &'a BTreeMap<String, String>,
    custom_metadata: Option<&'a BTreeMap<String, String>>,
    creation_time: String,
    last_update_time: String,
    local: bool,
    merged_from_canonical_ids: Option<()>,
    namespace_id: &'a str,
}

impl<'a> AliasAnswer<'a> {
    pub(super) fn of(entity: &'a Entity, alias: &'a Alias) -> Self {
        Self {
            id: &alias.id,
            canonical_id: &entity.id.0,
            name: &alias.name,
            mount_accessor: &alias.mount_accessor,
            mount_path: &alias.mount_path,
            mount_type: &alias.mount_kind,
            metadata: &alias.metadata,
            custom_metadata: (!alias.custom_metadata.is_empty()).then_some(&alias.custom_metadata),
            creation_time: Timestamp(alias.created_ms).rfc3339(),
            last_update_time: Timestamp(entity.updated_ms).rfc3339(),
            local: false,
            merged_from_canonical_ids: None,
            namespace_id: entity.namespace.as_str(),
        }
    }
}

/// One entity. There are no groups yet, so that their lists are empty.
#[derive(Serialize)]
pub(super) struct EntityAnswer<'a> {
    id: &'a str,
    name: &'a str,
    metadata: Option<&'a BTreeMap<String, String>>,
    policies: &'a [String],
    disabled: bool,
    aliases: Vec<AliasAnswer<'a>>,
    creation_time: String,
    last_update_time: String,
    direct_group_ids: [&'a str; 0],
    inherited_group_ids: [&'a str; 0],
    group_ids: [&'a str; 0],
    merged_entity_ids: Option<()>,
    namespace_id: &'a str,
}

impl<'a> EntityAnswer<'a> {
    pub(super) fn of(entity: &'a Entity) -> Self {
        Self {
            id: &entity.id.0,
            name: &entity.name,
            metadata: (!entity.metadata.is_empty()).then_some(&entity.metadata),
            policies: &entity.policies,
            disabled: entity.disabled,
            aliases: entity.aliases.iter().map(|alias| AliasAnswer::of(entity, alias)).collect(),
            creation_time: Timestamp(entity.created_ms).rfc3339(),
            last_update_time: Timestamp(entity.updated_ms).rfc3339(),
            direct_group_ids: [],
            inherited_group_ids: [],
            group_ids: [],
            merged_entity_ids: None,
            namespace_id: entity.namespace.as_str(),
        }
    }
}

/// An entity that was just made.
#[derive(Serialize)]
pub(super) struct MadeEntity<'a> {
    id: &'a str,
    name: &'a str,
    aliases: Option<()>,
}

impl<'a> MadeEntity<'a> {
    pub(super) fn of(entity: &'a Entity) -> Self {
        Self { id: &entity.id.0, name: &entity.name, aliases: None }
    }
}

/// An alias that was just made.
#[derive(Serialize)]
pub(super) struct MadeAlias {
    pub id: String,
    pub canonical_id: String,
}

#[derive(Serialize)]
struct EntityInfo {
    name: String,
    aliases: Vec<AliasInfo>,
}

#[derive(Serialize)]
struct AliasInfo {
    id: String,
    canonical_id: String,
    name: String,
    mount_accessor: String,
    mount_path: String,
    mount_type: String,
}

fn info(entity: &Entity, alias: &Alias) -> AliasInfo {
    AliasInfo {
        id: alias.id.clone(),
        canonical_id: entity.id.0.clone(),
        name: alias.name.clone(),
        mount_accessor: alias.mount_accessor.clone(),
        mount_path: alias.mount_path.clone(),
        mount_type: alias.mount_kind.clone(),
    }
}

/// Ids of entities with what a list shows of them.
#[derive(Default, Serialize)]
pub(super) struct EntityList {
    keys: Vec<String>,
    key_info: BTreeMap<String, EntityInfo>,
}

impl EntityList {
    pub(super) fn add(&mut self, entity: &Entity) {
        let aliases = entity.aliases.iter().map(|alias| info(entity, alias)).collect();
        self.keys.push(entity.id.0.clone());
        self.key_info.insert(entity.id.0.clone(), EntityInfo { name: entity.name.clone(), aliases });
    }

    pub(super) fn done(&self) -> Result<Outcome, Error> {
        if self.keys.is_empty() { Err(Error::not_found()) } else { Done::object(self) }
    }
}

/// Ids of aliases with what a list shows of them.
#[derive(Default, Serialize)]
pub(super) struct AliasList {
    keys: Vec<String>,
    key_info: BTreeMap<String, AliasInfo>,
}

impl AliasList {
    pub(super) fn add(&mut self, entity: &Entity) {
        for alias in &entity.aliases {
            self.keys.push(alias.id.clone());
            self.key_info.insert(alias.id.clone(), info(entity, alias));
        }
    }

    pub(super) fn done(&self) -> Result<Outcome, Error> {
        if self.keys.is_empty() { Err(Error::not_found()) } else { Done::object(self) }
    }
}
