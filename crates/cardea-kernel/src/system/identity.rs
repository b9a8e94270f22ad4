//! `identity/`: entities and their aliases, as operators see and prepare them, and access keys ([`access_keys`]). Logins make
//! entities too, by [`crate::identity`]; this engine is the door to the same records.
//!
//! It must never let two selectors of one request name two entities, nor an entity carry the root policy in any spelling.

mod access_keys;
mod aliases;
mod answers;

use super::token::terms::check_metadata;
use super::upgrade;
use crate::active::Active;
use crate::identity::{self, EntityRecord};
use crate::policies;
use aliases::WriteAlias;
use answers::{AliasAnswer, AliasList, EntityAnswer, EntityList, MadeEntity};
use async_trait::async_trait;
use cardea_crypto::random::uuid4;
use cardea_model::identity::{Entity, EntityId};
use cardea_model::{CanonicalPath, Error, NamespaceId, Params, Timestamp, limit, loose};
use cardea_policy::defaults::{RESPONSE_WRAPPING_POLICY_NAME, ROOT_POLICY_NAME};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Engine, Outcome};
use serde::Deserialize;
use std::sync::{Arc, LazyLock, Weak};

/// Longest name of an entity or alias, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Entities read at once while all of them are looked at.
const PAGE: usize = 512;

/// The engine.
pub struct IdentityStore {
    active: Weak<Active>,
}

impl IdentityStore {
    #[must_use]
    pub fn new(active: Weak<Active>) -> Self {
        Self { active }
    }
}

/// How a request names an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    Id(String),
    Name(String),
    Alias { mount_accessor: String, name: String },
    AliasId(String),
}

/// Operations.
pub enum Op {
    Write(Write),
    Read(Selector),
    Delete(Selector),
    ListIds,
    ListNames,
    /// All selectors that were sent: they must name one entity.
    Lookup(Vec<Selector>),
    WriteAlias(WriteAlias),
    ReadAlias(String),
    DeleteAlias(String),
    ListAliases,
    AccessKey(access_keys::Op),
}

/// An entity to be made or changed; `None` leaves what is there.
pub struct Write {
    /// What the path named, else the id or the name of the body. `None` makes an entity with a name of its own.
    selector: Option<Selector>,
    /// An id in the body beside a name in the path: it must be the same entity's.
    same_id: Option<String>,
    /// What it shall be called, where that is not how it was named.
    name: Option<String>,
    fields: Fields,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WriteInput {
    id: Option<String>,
    name: Option<String>,
    metadata: Option<loose::Pairs>,
    policies: Option<loose::List>,
    disabled: Option<loose::Flag>,
}

#[derive(Default)]
struct Fields {
    metadata: Option<loose::Pairs>,
    policies: Option<Vec<String>>,
    disabled: Option<bool>,
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl WriteInput {
    fn fields(
        metadata: Option<loose::Pairs>,
        policies: Option<loose::List>,
        disabled: Option<loose::Flag>,
    ) -> Result<Fields, Error> {
        if let Some(metadata) = &metadata {
            check_metadata(&metadata.0)?;
        }
        let policies = policies.map(|list| entity_policies(&list.0)).transpose()?;
        Ok(Fields { metadata, policies, disabled: disabled.map(|flag| flag.0) })
    }

    /// `entity/name/{name}` names by name, everything else by id where there is one.
    fn read(self, name_in_path: bool) -> Result<Write, Error> {
        let fields = Self::fields(self.metadata, self.policies, self.disabled)?;
        let (id, name) = (some(self.id), some(self.name));
        Ok(match (id, name) {
            (same_id, Some(name)) if name_in_path => {
                Write { selector: Some(Selector::Name(name)), same_id, name: None, fields }
            }
            (Some(id), name) => Write { selector: Some(Selector::Id(id)), same_id: None, name, fields },
            (None, Some(name)) => Write { selector: Some(Selector::Name(name)), same_id: None, name: None, fields },
            (None, None) => Write { selector: None, same_id: None, name: None, fields },
        })
    }
}

/// Policies that an entity may add to its tokens.
///
/// # Errors
/// Root in any spelling: an entity is made by logins and changed by operators, and neither may become root by it.
fn entity_policies(list: &[String]) -> Result<Vec<String>, Error> {
    let names = policies::names(list)?;
    for reserved in [ROOT_POLICY_NAME, RESPONSE_WRAPPING_POLICY_NAME] {
        if names.iter().any(|name| name == reserved) {
            return Err(Error::invalid(format!("policies cannot contain {reserved}")));
        }
    }
    Ok(names)
}

/// A name that can stand in a path, as one segment, and in a template.
fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::invalid("entity name is too long"));
    }
    if name.contains('/') || CanonicalPath::parse(name).is_err() || name.trim() != name {
        return Err(Error::invalid("entity name has a slash, a dot alone, or characters that cannot be printed"));
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LookupInput {
    id: Option<String>,
    name: Option<String>,
    alias_id: Option<String>,
    alias_name: Option<String>,
    alias_mount_accessor: Option<String>,
}

impl LookupInput {
    fn selectors(self) -> Result<Vec<Selector>, Error> {
        let mut out = Vec::new();
        out.extend(some(self.id).map(Selector::Id));
        out.extend(some(self.name).map(Selector::Name));
        out.extend(some(self.alias_id).map(Selector::AliasId));
        match (some(self.alias_name), some(self.alias_mount_accessor)) {
            (Some(name), Some(mount_accessor)) => out.push(Selector::Alias { mount_accessor, name }),
            (None, None) => {}
            _ => return Err(Error::invalid("'alias_name' and 'alias_mount_accessor' must be given together")),
        }
        match out.is_empty() {
            true => Err(Error::invalid("query parameters not supplied")),
            false => Ok(out),
        }
    }
}

fn captured(p: &Params, name: &str) -> Result<String, Error> {
    p.capture(name).map(str::to_owned).ok_or_else(|| Error::invalid("a part of the path is missing"))
}
fn by_id(p: &Params) -> Result<Selector, Error> {
    captured(p, "id").map(Selector::Id)
}
fn by_name(p: &Params) -> Result<Selector, Error> {
    captured(p, "name").map(Selector::Name)
}

const WRITE_CLEAR: &[&str] = &["id", "name", "policies", "disabled"];
const READ_CLEAR: &[&str] = &["id", "name", "policies", "disabled"];

static ROUTES: LazyLock<Vec<Route<Op>>> = LazyLock::new(|| {
    let entities = vec![
        Route::write("entity-write", "entity", |p| Bound::try_read(p, |i: WriteInput| Ok(Op::Write(i.read(false)?))))
            .clear(WRITE_CLEAR)
            .clear_answer(READ_CLEAR)
            .help("Makes an entity, or changes the one that has the id or the name.")
            .example("{\"name\": \"payment-service\", \"policies\": [\"payments\"]}"),
        Route::list("entity-ids", "entity/id", |p| Bound::plain(p, Op::ListIds))
            .help("Ids of the entities, with their names."),
        Route::read("entity-read", "entity/id/{id}", |p| Bound::plain(p, Op::Read(by_id(p)?)))
            .clear_answer(READ_CLEAR)
            .help("Reads an entity by its id."),
        Route::write("entity-id-write", "entity/id/{id}", |p| {
            Bound::try_read(p, |i: WriteInput| Ok(Op::Write(i.read(false)?)))
        })
        .clear(WRITE_CLEAR)
        .help("Changes an entity; a name renames it."),
        Route::delete("entity-delete", "entity/id/{id}", |p| Bound::plain(p, Op::Delete(by_id(p)?)))
            .help("Removes an entity; its tokens open nothing any more."),
        Route::list("entity-names", "entity/name", |p| Bound::plain(p, Op::ListNames)).help("Names of the entities."),
        Route::read("entity-name-read", "entity/name/{name}", |p| Bound::plain(p, Op::Read(by_name(p)?)))
            .clear_answer(READ_CLEAR)
            .help("Reads an entity by its name."),
        Route::write("entity-name-write", "entity/name/{name}", |p| {
            Bound::try_read(p, |i: WriteInput| Ok(Op::Write(i.read(true)?)))
        })
        .clear(WRITE_CLEAR)
        .clear_answer(READ_CLEAR)
        .help("Makes or changes the entity of a name."),
        Route::delete("entity-name-delete", "entity/name/{name}", |p| Bound::plain(p, Op::Delete(by_name(p)?)))
            .help("Removes the entity of a name; its tokens open nothing any more."),
        Route::write("alias-write", "entity-alias", |p| Bound::read(p, Op::WriteAlias))
            .clear(&["name", "canonical_id", "entity_id", "mount_accessor"])
            .clear_answer(&["id", "canonical_id"])
            .help("Binds a name of an auth mount to an entity, before anybody logs in by it."),
        Route::write("alias-id-write", "entity-alias/id/{id}", |p| Bound::read(p, Op::WriteAlias))
            .clear(&["name", "canonical_id", "entity_id", "mount_accessor"])
            .clear_answer(&["id", "canonical_id"])
            .help("Changes an alias; what is left out stays as it is."),
        Route::list("alias-list", "entity-alias/id", |p| Bound::plain(p, Op::ListAliases)).help("Ids of all aliases."),
        Route::read("alias-read", "entity-alias/id/{id}", |p| Bound::plain(p, Op::ReadAlias(captured(p, "id")?)))
            .clear_answer(&["id", "canonical_id", "mount_accessor", "name"])
            .help("Reads an alias."),
        Route::delete("alias-delete", "entity-alias/id/{id}", |p| Bound::plain(p, Op::DeleteAlias(captured(p, "id")?)))
            .help("Removes an alias; the next login by it makes a new entity."),
        Route::write("entity-lookup", "lookup/entity", |p| {
            Bound::try_read(p, |i: LookupInput| Ok(Op::Lookup(i.selectors()?)))
        })
        .clear(&["id", "name", "alias_id", "alias_name", "alias_mount_accessor"])
        .clear_answer(READ_CLEAR)
        .help("Finds an entity by id, name or alias."),
    ];
    entities.into_iter().chain(access_keys::routes()).collect()
});

#[async_trait]
impl Engine for IdentityStore {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "identity"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        &ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        let active = upgrade(&self.active)?;
        match op {
            Op::Write(write) => write_entity(cx, write).await,
            Op::Read(selector) => {
                let entity = find(cx, selector).await?.ok_or_else(Error::not_found)?;
                Done::object(&EntityAnswer::of(&entity))
            }
            Op::Delete(selector) => {
                if let Some(entity) = find(cx, selector).await? {
                    identity::delete(cx.state.kernel_side(), &entity);
                }
                Ok(Done::empty())
            }
            Op::ListIds => {
                let mut list = EntityList::default();
                each(cx, |entity| list.add(&entity)).await?;
                list.done()
            }
            Op::ListNames => {
                let namespace = cx.mount.namespace.clone();
                Done::keys(identity::names(cx.state.kernel_side(), &namespace).await?)
            }
            Op::Lookup(selectors) => look_up(cx, selectors).await,
            Op::WriteAlias(write) => aliases::write(&active, cx, write).await,
            Op::ReadAlias(id) => {
                let entity = of_alias_id(cx, id).await?.ok_or_else(Error::not_found)?;
                let alias = entity.aliases.iter().find(|alias| alias.id == *id).ok_or_else(Error::not_found)?;
                Done::object(&AliasAnswer::of(&entity, alias))
            }
            Op::DeleteAlias(id) => {
                if let Some(entity) = of_alias_id(cx, id).await? {
                    let mut changed = Entity::clone(&entity);
                    changed.aliases.retain(|alias| alias.id != *id);
                    changed.updated_ms = cx.now.0;
                    // Removing and writing again leaves no pointer of the alias that is gone.
                    identity::delete(cx.state.kernel_side(), &entity);
                    identity::put(cx.state.kernel_side(), &changed)?;
                }
                Ok(Done::empty())
            }
            Op::ListAliases => {
                let mut list = AliasList::default();
                each(cx, |entity| list.add(&entity)).await?;
                list.done()
            }
            Op::AccessKey(op) => access_keys::handle(cx, op).await,
        }
    }
}

/// Looks at every entity of the namespace, a page at a time, up to the bound of a list. These reads are no conditions of
/// a commit: what a found entity's change depends on is read again by its id.
async fn each(cx: &mut Context<'_>, mut look: impl FnMut(Entity) + Send) -> Result<(), Error> {
    let prefix = format!("{}/identity/entity/", cx.mount.namespace.as_str());
    let mut after: Option<Vec<u8>> = None;
    let mut seen = 0;
    while seen < limit::LIST_ENTRIES_MAX {
        let page = cx.state.kernel_side().entries::<EntityRecord>(prefix.as_bytes(), after.as_deref(), PAGE).await?;
        let full = page.len() == PAGE;
        seen += page.len();
        after = page.last().map(|(key, _)| key.clone());
        for (_, EntityRecord(entity)) in page {
            look(entity);
        }
        if !full {
            break;
        }
    }
    Ok(())
}

async fn of_alias_id(cx: &mut Context<'_>, alias_id: &str) -> Result<Option<Arc<Entity>>, Error> {
    let mut found: Option<EntityId> = None;
    each(cx, |entity| {
        if entity.aliases.iter().any(|alias| alias.id == alias_id) {
            found = Some(entity.id);
        }
    })
    .await?;
    match found {
        Some(EntityId(id)) => find(cx, &Selector::Id(id)).await,
        None => Ok(None),
    }
}

/// The entity that a selector names in the request's namespace.
async fn find(cx: &mut Context<'_>, selector: &Selector) -> Result<Option<Arc<Entity>>, Error> {
    let namespace: NamespaceId = cx.mount.namespace.clone();
    let txn = cx.state.kernel_side();
    let found = match selector {
        Selector::Id(id) => identity::find(txn, &namespace, &EntityId(id.clone())).await?,
        Selector::Name(name) => identity::find_by_name(txn, &namespace, name).await?,
        Selector::Alias { mount_accessor, name } => {
            identity::find_by_alias(txn, &namespace, mount_accessor, name).await?
        }
        Selector::AliasId(id) => Box::pin(of_alias_id(cx, id)).await?,
    };
    Ok(found.filter(|entity| entity.namespace == namespace))
}

async fn look_up(cx: &mut Context<'_>, selectors: &[Selector]) -> Result<Outcome, Error> {
    let mut found: Option<Arc<Entity>> = None;
    for selector in selectors {
        match (find(cx, selector).await?, &found) {
            (None, _) => return Ok(Done::empty()),
            (Some(entity), Some(before)) if entity.id != before.id => return Ok(Done::empty()),
            (Some(entity), _) => found = Some(entity),
        }
    }
    found.map_or_else(|| Ok(Done::empty()), |entity| Done::object(&EntityAnswer::of(&entity)))
}

async fn write_entity(cx: &mut Context<'_>, write: &Write) -> Result<Outcome, Error> {
    let known = match &write.selector {
        Some(selector) => find(cx, selector).await?,
        None => None,
    };
    if write.same_id.as_ref().is_some_and(|id| known.as_ref().is_none_or(|entity| entity.id.0 != *id)) {
        return Err(Error::invalid("the id and the name are not of one entity"));
    }
    let made = known.is_none();
    let mut entity = match (&known, &write.selector) {
        (Some(known), _) => Entity::clone(known),
        (None, Some(Selector::Id(_))) => return Err(Error::invalid("entity not found from id")),
        (None, Some(Selector::Name(name))) => new_entity(cx, Some(name.clone())),
        (None, _) => new_entity(cx, None),
    };
    let namespace = cx.mount.namespace.clone();
    if let Some(name) = write.name.as_ref().filter(|name| **name != entity.name) {
        if identity::find_by_name(cx.state.kernel_side(), &namespace, name).await?.is_some() {
            return Err(Error::invalid("entity name is already in use"));
        }
        identity::forget_name(cx.state.kernel_side(), &namespace, &entity.name);
        entity.name.clone_from(name);
    }
    // Names that logins made are not judged again by the rules of today.
    if made || write.name.is_some() {
        check_name(&entity.name)?;
    }
    apply(&mut entity, &write.fields, cx.now);
    identity::put(cx.state.kernel_side(), &entity)?;
    if made { Done::object(&MadeEntity::of(&entity)) } else { Ok(Done::empty()) }
}

fn apply(entity: &mut Entity, fields: &Fields, now: Timestamp) {
    if let Some(metadata) = &fields.metadata {
        entity.metadata.clone_from(&metadata.0);
    }
    if let Some(policies) = &fields.policies {
        entity.policies.clone_from(policies);
    }
    if let Some(disabled) = fields.disabled {
        entity.disabled = disabled;
    }
    entity.updated_ms = now.0;
}

fn new_entity(cx: &Context<'_>, name: Option<String>) -> Entity {
    let id = uuid4(cx.rng);
    Entity {
        name: name.unwrap_or_else(|| format!("entity_{}", &id[..8])),
        id: EntityId(id),
        namespace: cx.mount.namespace.clone(),
        metadata: Default::default(),
        policies: Vec::new(),
        disabled: false,
        created_ms: cx.now.0,
        updated_ms: cx.now.0,
        aliases: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
