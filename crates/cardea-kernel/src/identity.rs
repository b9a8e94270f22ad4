//! A minimal entity and alias: one identity for one program, whatever token it holds. A repeated login writes nothing.
//! One record an entity and one an alias name: nothing here grows a shared entry.

use cardea_crypto::random::{Randomness, uuid4};
use cardea_model::identity::{Alias, Entity, EntityId};
use cardea_model::mount::Mount;
use cardea_model::{Error, NamespaceId, Timestamp};
use cardea_sdk::Identification;
use cardea_storage::json_record;
use cardea_storage::record::{Record, Wiped, decode_json, encode_json};
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The stored entity.
pub struct EntityRecord(pub Entity);

impl Record for EntityRecord {
    const KIND: &'static str = "entity";
    const CACHED: bool = true;
    fn encode(&self) -> Result<Wiped, Error> {
        encode_json(1, &self.0)
    }
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        decode_json(1, Self::KIND, bytes).map(Self)
    }
}

/// From an alias (mount accessor and name) or an entity's name to its id.
#[derive(Serialize, Deserialize)]
pub struct EntityPointer {
    pub entity: EntityId,
}
json_record!(EntityPointer, "entity-pointer", 1, cached);

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "identity")
}

pub async fn find(txn: &mut Txn, namespace: &NamespaceId, id: &EntityId) -> Result<Option<Arc<Entity>>, Error> {
    let found = view(txn, namespace).peek::<EntityRecord>(&id.0).await?;
    Ok(found.map(|record| Arc::new(record.0.clone())))
}

/// Ids of entities after one of them.
pub async fn ids_after(
    txn: &mut Txn,
    namespace: &NamespaceId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<EntityRecord>("", after, limit).await
}

pub async fn find_by_name(txn: &mut Txn, namespace: &NamespaceId, name: &str) -> Result<Option<Arc<Entity>>, Error> {
    let pointer = view(txn, namespace).peek::<EntityPointer>(&format!("name/{name}")).await?;
    match pointer {
        Some(pointer) => find(txn, namespace, &pointer.entity).await,
        None => Ok(None),
    }
}

/// The entity of a name that an auth mount knows.
pub async fn find_by_alias(
    txn: &mut Txn,
    namespace: &NamespaceId,
    mount_accessor: &str,
    name: &str,
) -> Result<Option<Arc<Entity>>, Error> {
    // An accessor with a slash would be read as another one and the beginning of a name.
    if mount_accessor.contains('/') {
        return Ok(None);
    }
    match view(txn, namespace).peek::<EntityPointer>(&alias_key(mount_accessor, name)).await? {
        Some(pointer) => find(txn, namespace, &pointer.entity).await,
        None => Ok(None),
    }
}

pub async fn list(txn: &mut Txn, namespace: &NamespaceId) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<EntityRecord>("", None, cardea_model::limit::LIST_ENTRIES_MAX).await
}

pub async fn names(txn: &mut Txn, namespace: &NamespaceId) -> Result<Vec<String>, Error> {
    let names =
        view(txn, namespace).names::<EntityPointer>("name/", None, cardea_model::limit::LIST_ENTRIES_MAX).await?;
    Ok(names.into_iter().map(|name| name["name/".len()..].to_owned()).collect())
}

/// Writes an entity with its pointers.
pub fn put(txn: &mut Txn, entity: &Entity) -> Result<(), Error> {
    let mut view = view(txn, &entity.namespace.clone());
    view.put(&entity.id.0, &EntityRecord(entity.clone()))?;
    let pointer = EntityPointer { entity: entity.id.clone() };
    view.put(&format!("name/{}", entity.name), &pointer)?;
    for alias in &entity.aliases {
        view.put(&alias_key(&alias.mount_accessor, &alias.name), &pointer)?;
    }
    Ok(())
}

/// Removes an entity with its pointers.
pub fn delete(txn: &mut Txn, entity: &Entity) {
    let mut view = view(txn, &entity.namespace.clone());
    view.delete::<EntityRecord>(&entity.id.0);
    view.delete::<EntityPointer>(&format!("name/{}", entity.name));
    for alias in &entity.aliases {
        view.delete::<EntityPointer>(&alias_key(&alias.mount_accessor, &alias.name));
    }
}

/// Removes the pointer of a name that an entity no longer has.
pub fn forget_name(txn: &mut Txn, namespace: &NamespaceId, name: &str) {
    view(txn, namespace).delete::<EntityPointer>(&format!("name/{name}"));
}

/// The accessor holds no slash, so a name with slashes cannot reach another mount's aliases.
fn alias_key(mount_accessor: &str, name: &str) -> String {
    format!("alias/{mount_accessor}/{name}")
}

/// The entity of a login, made if this is its first. A known alias with unchanged facts writes nothing.
///
/// # Errors
/// The entity is disabled, or the alias's name is not one.
pub async fn of_login(
    txn: &mut Txn,
    mount: &Mount,
    identification: &Identification,
    now: Timestamp,
    rng: &dyn Randomness,
) -> Result<Option<Arc<Entity>>, Error> {
    if identification.alias.is_empty() {
        return Ok(None);
    }
    if identification.alias.len() > cardea_model::limit::METADATA_VALUE_BYTES_MAX {
        return Err(Error::internal("an auth method named an alias that is too long"));
    }
    let namespace = &mount.namespace;
    let key = alias_key(&mount.accessor, &identification.alias);
    if let Some(pointer) = view(txn, namespace).peek::<EntityPointer>(&key).await?
        && let Some(entity) = find(txn, namespace, &pointer.entity).await?
    {
        if entity.disabled {
            return Err(Error::denied().with_detail("the entity is disabled"));
        }
        let known =
            entity.aliases.iter().find(|a| a.mount_accessor == mount.accessor && a.name == identification.alias);
        if known.is_some_and(|alias| alias.metadata == identification.alias_metadata) {
            return Ok(Some(entity));
        }
        let mut changed = Entity::clone(&entity);
        changed.updated_ms = now.0;
        for alias in &mut changed.aliases {
            if alias.mount_accessor == mount.accessor && alias.name == identification.alias {
                alias.metadata.clone_from(&identification.alias_metadata);
            }
        }
        put(txn, &changed)?;
        return Ok(Some(Arc::new(changed)));
    }
    let id = uuid4(rng);
    let entity = Entity {
        name: format!("entity_{}", &id[..8]),
        id: EntityId(id),
        namespace: namespace.clone(),
        metadata: Default::default(),
        policies: Vec::new(),
        disabled: false,
        created_ms: now.0,
        updated_ms: now.0,
        aliases: vec![Alias {
            id: uuid4(rng),
            mount_accessor: mount.accessor.clone(),
            mount_path: mount.path.clone(),
            mount_kind: mount.kind.clone(),
            name: identification.alias.clone(),
            metadata: identification.alias_metadata.clone(),
            custom_metadata: Default::default(),
            created_ms: now.0,
        }],
    };
    put(txn, &entity)?;
    Ok(Some(Arc::new(entity)))
}

/// Changes whenever a fact that a template may use changes.
#[must_use]
pub fn stamp(entity: &Entity) -> u64 {
    let text = format!("{}\0{}\0{:?}\0{:?}", entity.id.0, entity.name, entity.metadata, entity.aliases);
    let hash = cardea_crypto::mac::sha256(&[text.as_bytes()]);
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}
