//! What a mount of `database` stores, and what it plans. Every record has its version tag; all of them are sealed before a
//! store sees them, because they hold passwords and statements.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `db-config` | name of the connection | [`Config`] |
//! | `db-role` | name of the role | [`Role`] |

use cardea_model::secret_bytes::stored;
use cardea_model::{SecretText, Timestamp, TtlSeconds};
use cardea_sdk::database::Connection;
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};

/// One configured connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Config {
    pub plugin_name: String,
    pub connection: Connection,
    /// Names of roles, `*` at the beginning or end of one standing for anything.
    #[serde(default)]
    pub allowed_roles: Vec<String>,
    /// Empty takes the built-in policy.
    #[serde(default)]
    pub password_policy: String,
    /// Empty takes the default.
    #[serde(default)]
    pub username_template: String,
    #[serde(default)]
    pub root_rotation_statements: Vec<String>,
    /// Kept for clients that read it back; pools have rules of their own.
    #[serde(default)]
    pub max_idle_connections: Option<i64>,
    /// Seconds; the same.
    #[serde(default)]
    pub max_connection_lifetime_s: Option<TtlSeconds>,
    /// Grows with every write of this record: what was planned from an older one is not settled over a newer one.
    #[serde(default)]
    pub serial: u64,
    /// A root password that was decided and may already be the one that the source knows.
    #[serde(default)]
    pub pending: Option<PendingPassword>,
}
json_record!(Config, "db-config", 1);

/// A root password on its way. A second rotation that meets it takes the same one, so that the order in which the two
/// reach the source does not matter.
#[derive(Debug, Serialize, Deserialize)]
pub struct PendingPassword {
    /// Id of the connection as it will be.
    pub connection_id: String,
    #[serde(with = "stored")]
    pub password: SecretText,
}

/// What users of one kind get and how they go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    pub db_name: String,
    pub creation_statements: Vec<String>,
    pub revocation_statements: Vec<String>,
    pub renew_statements: Vec<String>,
    pub rollback_statements: Vec<String>,
    /// `None` takes the mount's.
    pub default_ttl_s: Option<TtlSeconds>,
    pub max_ttl_s: Option<TtlSeconds>,
}
json_record!(Role, "db-role", 1);

/// Effect: a connection is verified, and then stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewConfig {
    pub name: String,
    pub config: Config,
    /// Serial of the record that it replaces.
    pub replaces: Option<u64>,
}

/// Effect: a user is created. All that is needed to remove it again, but the connection, which is taken as it is then.
#[derive(Debug, Serialize, Deserialize)]
pub struct Credential {
    pub db_name: String,
    pub role: String,
    pub username: String,
    #[serde(with = "stored")]
    pub password: SecretText,
    pub expires: Timestamp,
    pub creation_statements: Vec<String>,
    pub rollback_statements: Vec<String>,
    pub revocation_statements: Vec<String>,
    pub renew_statements: Vec<String>,
}

/// Effect: Cardea's own password at the source becomes the pending one of this connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rotation {
    pub name: String,
    /// Of [`PendingPassword::connection_id`].
    pub connection_id: String,
}
