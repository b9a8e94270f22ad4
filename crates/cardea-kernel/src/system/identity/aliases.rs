//! Aliases as operators make and change them: the names by which auth mounts know an entity. What logins say of an alias is
//! theirs (`metadata`); what operators say stays (`custom_metadata`). An alias must never stand for two entities, nor an entity have
//! two on one mount.

use super::answers::MadeAlias;
use super::{NAME_BYTES_MAX, Selector, find, of_alias_id};
use crate::active::Active;
use crate::identity;
use crate::system::token::terms::check_metadata;
use cardea_crypto::random::uuid4;
use cardea_model::identity::{Alias, Entity};
use cardea_model::mount::{Mount, MountClass};
use cardea_model::{Error, NamespaceId, loose};
use cardea_sdk::{Context, Done, Outcome};
use serde::Deserialize;
use std::sync::Arc;

/// Most aliases of one entity: each is a pointer in the batch that writes the entity.
const ALIASES_MAX: usize = 48;
/// Most aliases of the two entities between which one moves: both are written in one batch.
const ALIASES_OF_BOTH_MAX: usize = 64;

/// An alias to be made, or to be changed where an id is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct WriteAlias {
    id: String,
    name: String,
    canonical_id: String,
    /// Older name of the same.
    entity_id: String,
    mount_accessor: String,
    custom_metadata: Option<loose::Pairs>,
}

impl WriteAlias {
    fn canonical_id(&self) -> &str {
        if self.canonical_id.is_empty() { &self.entity_id } else { &self.canonical_id }
    }

    /// # Errors
    /// What cannot be the name of an alias, or cannot be said of one.
    fn check(&self) -> Result<(), Error> {
        if self.name.len() > NAME_BYTES_MAX || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("alias name is too long or cannot be printed"));
        }
        self.custom_metadata.as_ref().map_or(Ok(()), |pairs| check_metadata(&pairs.0))
    }
}

/// The auth mount of an accessor. The token store counts: its roles make tokens for aliases on it.
fn mount_of(active: &Active, namespace: &NamespaceId, accessor: &str) -> Result<Arc<Mount>, Error> {
    let mounts = active.mounts.now();
    let vouches = |mount: &&Arc<Mount>| mount.class == MountClass::Auth || mount.kind == "token";
    let mount = mounts.by_accessor(accessor).filter(|mount| mount.namespace == *namespace).filter(vouches);
    mount.cloned().ok_or_else(|| Error::invalid("invalid mount accessor"))
}

/// Makes an alias, or changes the one that has the id, or the name on the mount.
///
/// # Errors
/// It would stand for two entities, an entity would have two on one mount, or a part is not known.
pub async fn write(active: &Active, cx: &mut Context<'_>, write: &WriteAlias) -> Result<Outcome, Error> {
    write.check()?;
    if !write.id.is_empty() {
        return change(active, cx, write).await;
    }
    if write.name.is_empty() || write.canonical_id().is_empty() || write.mount_accessor.is_empty() {
        return Err(Error::invalid("missing alias name, canonical_id or mount_accessor"));
    }
    let mount = mount_of(active, &cx.mount.namespace, &write.mount_accessor)?;
    let entity = entity_of(cx, write.canonical_id()).await?;
    let selector = Selector::Alias { mount_accessor: mount.accessor.clone(), name: write.name.clone() };
    if let Some(holder) = find(cx, &selector).await? {
        if holder.id != entity.id {
            return Err(Error::invalid("the alias is bound to another entity"));
        }
        if let Some(pairs) = &write.custom_metadata {
            let mut changed = Entity::clone(&holder);
            let same = |alias: &&mut Alias| alias.mount_accessor == mount.accessor && alias.name == write.name;
            if let Some(alias) = changed.aliases.iter_mut().find(same) {
                alias.custom_metadata.clone_from(&pairs.0);
            }
            changed.updated_ms = cx.now.0;
            identity::put(cx.state.kernel_side(), &changed)?;
        }
        return Ok(Done::empty());
    }
    let alias = Alias {
        id: uuid4(cx.rng),
        mount_accessor: mount.accessor.clone(),
        mount_path: mount.path.clone(),
        mount_kind: mount.kind.clone(),
        name: write.name.clone(),
        metadata: Default::default(),
        custom_metadata: write.custom_metadata.clone().unwrap_or_default().0,
        created_ms: cx.now.0,
    };
    let made = MadeAlias { id: alias.id.clone(), canonical_id: entity.id.0.clone() };
    let changed = with(&entity, alias, cx.now.0)?;
    identity::put(cx.state.kernel_side(), &changed)?;
    Done::object(&made)
}

async fn entity_of(cx: &mut Context<'_>, id: &str) -> Result<Arc<Entity>, Error> {
    let entity = find(cx, &Selector::Id(id.to_owned())).await?;
    entity.ok_or_else(|| Error::invalid("invalid canonical ID"))
}

fn with(entity: &Entity, alias: Alias, now_ms: u64) -> Result<Entity, Error> {
    if entity.aliases.iter().any(|known| known.mount_accessor == alias.mount_accessor) {
        return Err(Error::invalid("the entity already has an alias on this mount"));
    }
    if entity.aliases.len() >= ALIASES_MAX {
        return Err(Error::invalid("the entity has too many aliases"));
    }
    let mut changed = entity.clone();
    changed.aliases.push(alias);
    changed.updated_ms = now_ms;
    Ok(changed)
}

/// Changes what the request names; another entity's id moves the alias there.
async fn change(active: &Active, cx: &mut Context<'_>, write: &WriteAlias) -> Result<Outcome, Error> {
    let unknown = || Error::invalid("alias not found from id");
    let entity = of_alias_id(cx, &write.id).await?.ok_or_else(unknown)?;
    let mut alias = entity.aliases.iter().find(|alias| alias.id == write.id).cloned().ok_or_else(unknown)?;
    if !write.mount_accessor.is_empty() {
        let mount = mount_of(active, &cx.mount.namespace, &write.mount_accessor)?;
        alias.mount_accessor.clone_from(&mount.accessor);
        alias.mount_path.clone_from(&mount.path);
        alias.mount_kind.clone_from(&mount.kind);
    }
    if !write.name.is_empty() {
        alias.name.clone_from(&write.name);
    }
    if let Some(pairs) = &write.custom_metadata {
        alias.custom_metadata.clone_from(&pairs.0);
    }
    let selector = Selector::Alias { mount_accessor: alias.mount_accessor.clone(), name: alias.name.clone() };
    let holder = find(cx, &selector).await?;
    let holds = |other: &Alias| other.mount_accessor == alias.mount_accessor && other.name == alias.name;
    if holder.is_some_and(|holder| holder.aliases.iter().any(|other| holds(other) && other.id != alias.id)) {
        return Err(Error::invalid("the alias is bound to another entity"));
    }
    let mut rest = Entity::clone(&entity);
    rest.aliases.retain(|other| other.id != write.id);
    rest.updated_ms = cx.now.0;
    let target = match write.canonical_id() {
        "" => None,
        id => Some(entity_of(cx, id).await?).filter(|target| target.id != entity.id),
    };
    let made = MadeAlias { id: alias.id.clone(), canonical_id: target.as_ref().unwrap_or(&entity).id.0.clone() };
    // Removing and writing again leaves no pointer of what the alias was called.
    match target {
        None => {
            let changed = with(&rest, alias, cx.now.0)?;
            identity::delete(cx.state.kernel_side(), &entity);
            identity::put(cx.state.kernel_side(), &changed)?;
        }
        Some(target) => {
            if entity.aliases.len() + target.aliases.len() > ALIASES_OF_BOTH_MAX {
                return Err(Error::invalid("the two entities have too many aliases for one to move"));
            }
            let changed = with(&target, alias, cx.now.0)?;
            identity::delete(cx.state.kernel_side(), &entity);
            identity::put(cx.state.kernel_side(), &rest)?;
            identity::put(cx.state.kernel_side(), &changed)?;
        }
    }
    Done::object(&made)
}
