//! Callers, entities and aliases. A `Caller` is made by `authenticate` alone; nothing else may vouch for one.

use crate::namespace::NamespaceId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stable id of an entity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub String);

/// A person or a program, whatever the door it came through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entity {
    pub id: EntityId,
    pub namespace: NamespaceId,
    pub name: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default)]
    pub disabled: bool,
    pub created_ms: u64,
    pub updated_ms: u64,
    #[serde(default)]
    pub aliases: Vec<Alias>,
}

/// One name that an auth mount knows an entity by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alias {
    pub id: String,
    pub mount_accessor: String,
    pub mount_path: String,
    pub mount_kind: String,
    pub name: String,
    /// What logins say of it; each login may say something else.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What operators say of it.
    #[serde(default)]
    pub custom_metadata: BTreeMap<String, String>,
    pub created_ms: u64,
}

/// How a token is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// A record in the store; revocable.
    Service,
    /// Sealed in the token itself; not stored, not renewable.
    Batch,
}

/// Who asks, as far as later stages may know.
#[derive(Clone, Debug)]
pub struct Caller {
    pub namespace: NamespaceId,
    pub display_name: String,
    pub entity: Option<EntityId>,
    /// The entity as it was when the credential was judged.
    pub known_as: Option<Arc<Entity>>,
    /// Keyed hash of the token: the token's stable id inside the server. Empty for a signed request.
    pub token_id: String,
    pub accessor: Option<String>,
    pub kind: TokenKind,
    pub is_root: bool,
    pub policies: Vec<String>,
    /// What logins and owners of tokens said; nothing in it is vouched for by the kernel.
    pub metadata: BTreeMap<String, String>,
    pub expires: Option<Timestamp>,
    /// By which access key the request was signed; `None` if it shows a token.
    pub key: Option<KeyFacts>,
}

/// What the kernel vouches for of the access key that signed a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyFacts {
    /// Display name of the token or name of the entity that the key stands for, without the key's own.
    pub owner: String,
    /// Id of that token or entity.
    #[serde(skip)]
    pub owner_id: String,
    /// Whether it stands for an entity rather than for a token.
    pub of_entity: bool,
    /// The key's own name; may be empty.
    pub name: String,
    /// Whether it has less than its owner: then nothing that was given to the owner by name is its.
    #[serde(skip)]
    pub narrowed: bool,
    pub assumed_role: Option<AssumedRole>,
    /// The login behind the token that issued it, where the key does not stand for that token.
    #[serde(skip)]
    pub came_by: Option<LoginRole>,
}

/// The role of a login, kept by what came of it: what is denied to the role is not to be had by a child or a key of its bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRole {
    pub mount_uuid: String,
    /// Its canonical spelling.
    pub role: String,
}

/// The role that a login which answered with a key was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumedRole {
    /// Path of the auth mount, without `auth/` and without a slash at its end.
    pub mount: String,
    /// Its canonical spelling.
    pub role: String,
    pub session: String,
}
