//! Database plugins: how the `database` engine talks to one kind of server. A plugin keeps connection pools and nothing
//! else; it must never log a statement or a password.

use crate::external::ExternalError;
use async_trait::async_trait;
use cardea_model::secret_bytes::stored;
use cardea_model::{SecretText, Timestamp};
use serde::{Deserialize, Serialize};

#[async_trait]
pub trait Database: Send + Sync {
    /// The plugin's name on the wire, such as `postgresql-database-plugin`.
    fn kind(&self) -> &'static str;

    /// Statements used where a role names none.
    fn default_statements(&self, purpose: Purpose) -> &'static [&'static str];

    /// Connects and asks something harmless.
    async fn verify(&self, connection: &Connection) -> Result<(), ExternalError>;

    /// Creates the user in one transaction of the source: all statements or none.
    async fn create_user(&self, connection: &Connection, user: &NewUser<'_>) -> Result<(), ExternalError>;

    /// Moves the user's end at the source.
    async fn renew_user(
        &self,
        connection: &Connection,
        username: &str,
        expires: Timestamp,
        statements: &[String],
    ) -> Result<(), ExternalError>;

    /// Ends the user's sessions and removes the user. "Already gone" is success.
    async fn revoke_user(
        &self,
        connection: &Connection,
        username: &str,
        statements: &[String],
    ) -> Result<(), ExternalError>;

    /// Changes a password (root rotation, static roles). Idempotent.
    async fn set_password(
        &self,
        connection: &Connection,
        username: &str,
        password: &SecretText,
        statements: &[String],
    ) -> Result<(), ExternalError>;

    /// Makes sure that a second user is there, with this password, who may do what `user` may. Idempotent.
    async fn clone_user(
        &self,
        _connection: &Connection,
        _user: &str,
        _clone: &str,
        _password: &SecretText,
    ) -> Result<(), ExternalError> {
        Err(ExternalError::refused("this kind of database has no second user to alternate with", "no clones"))
    }

    /// Open sessions of a user; `None` where this kind of database cannot tell.
    async fn sessions(&self, _connection: &Connection, _username: &str) -> Result<Option<u64>, ExternalError> {
        Ok(None)
    }

    /// Ends a user's sessions, and returns once they are gone. The user stays. A user that is not there has none.
    async fn end_sessions(&self, _connection: &Connection, _username: &str) -> Result<(), ExternalError> {
        Err(ExternalError::refused("sessions of this kind of database cannot be ended from here", "no such call"))
    }

    /// Drops pooled connections of a connection that was changed or removed.
    async fn forget(&self, connection_id: &str);
}

/// What statements are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Create,
    Renew,
    Revoke,
    RotateRoot,
}

/// One configured connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Stable id that changes with every change of the settings: pools are keyed by it.
    pub id: String,
    /// With `{{username}}` and `{{password}}` where the URL form has them.
    #[serde(with = "stored")]
    pub url: SecretText,
    #[serde(default)]
    pub username: String,
    #[serde(with = "stored")]
    pub password: SecretText,
    pub max_open_connections: u32,
    /// PEM texts; empty where unused.
    #[serde(default)]
    pub tls_ca: String,
    #[serde(default)]
    pub tls_certificate: String,
    #[serde(with = "stored", default)]
    pub private_key: SecretText,
    /// `password` or `scram-sha-256`: how a new password is written in statements.
    #[serde(default)]
    pub password_authentication: String,
}

/// A user to be created.
pub struct NewUser<'a> {
    pub username: &'a str,
    pub password: &'a SecretText,
    pub expires: Timestamp,
    /// With `{{name}}`, `{{password}}` and `{{expiration}}`.
    pub statements: &'a [String],
    /// Run if a statement fails outside a transaction.
    pub rollback_statements: &'a [String],
}
