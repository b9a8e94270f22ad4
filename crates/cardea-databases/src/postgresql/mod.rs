//! PostgreSQL (`postgresql-database-plugin`), versions 12 and later.
//!
//! Invariants: a user is created in one transaction or not at all; a user that is revoked has no session left when the
//! call returns; "already gone" is success; values enter statements only through [`sql`], which knows where they stand.
//! It must never log a statement: see [`pool`] for how the driver's own log is kept silent.

mod address; // connection_url to addresses and TLS mode
mod fault; // what an error of the server or the wire means
mod pool; // few connections, each either clean or closed
mod sql; // statement templates: splitting, and values where they cannot break out
mod tls; // the driver's TLS, on rustls
mod users; // what is done to users, in the order in which it is safe

use async_trait::async_trait;
use cardea_crypto::random::Randomness;
use cardea_model::{SecretText, Timestamp};
use cardea_sdk::ExternalError;
use cardea_sdk::database::{Connection, Database, NewUser, Purpose};
use pool::Pools;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The plugin's name on the wire.
pub const KIND: &str = "postgresql-database-plugin";

/// Time limits of one call. Together they stay below the kernel's own (60 s for a revocation).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Waiting for a free connection, and connecting, each.
    pub connect: Duration,
    /// One statement; the server is told, too.
    pub statement: Duration,
    /// Waiting for a lock that another transaction holds; told to the server.
    pub lock: Duration,
    /// Waiting until terminated sessions are gone.
    pub sessions: Duration,
    /// One whole call.
    pub call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            statement: Duration::from_secs(30),
            lock: Duration::from_secs(10),
            sessions: Duration::from_secs(10),
            call: Duration::from_secs(55),
        }
    }
}

/// The plugin: one value serves every connection.
pub struct PostgreSql {
    pools: Pools,
    rng: Arc<dyn Randomness>,
    limits: Limits,
}

impl PostgreSql {
    /// `rng` makes the salts of SCRAM verifiers.
    #[must_use]
    pub fn new(rng: Arc<dyn Randomness>) -> Self {
        Self::with_limits(rng, Limits::default())
    }

    /// For tests of slow servers.
    #[must_use]
    pub fn with_limits(rng: Arc<dyn Randomness>, limits: Limits) -> Self {
        Self { pools: Pools::default(), rng, limits }
    }

    /// Bounds a call as a whole. Parts that know that nothing was committed have their own, shorter limits.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, ExternalError>>) -> Result<T, ExternalError> {
        match tokio::time::timeout(self.limits.call, call).await {
            Ok(result) => result,
            Err(_) => {
                Err(ExternalError::unknown("the database did not answer in time", "time limit of the whole call"))
            }
        }
    }

    /// What stands for the password in statements.
    fn written_password(&self, connection: &Connection, password: &SecretText) -> Result<SecretText, ExternalError> {
        match connection.password_authentication.as_str() {
            "" | "password" => Ok(password.duplicate()),
            "scram-sha-256" => {
                let salt = cardea_crypto::random::random_array(&*self.rng);
                let verifier = cardea_crypto::scram::scram_sha_256_verifier(password.expose(), &salt, SCRAM_ITERATIONS);
                Ok(SecretText::new(verifier))
            }
            _ => Err(ExternalError::refused("password_authentication is neither password nor scram-sha-256", "")),
        }
    }
}

/// Where a connection leads: hosts and ports, without asking anybody.
///
/// # Errors
/// Permanent: the settings are wrong.
pub fn destination(connection: &Connection) -> Result<Vec<String>, ExternalError> {
    let config = address::Address::of(connection, Limits::default().connect)?.config;
    let named = config.get_hosts().iter().map(|host| format!("{host:?}"));
    let numbered = config.get_hostaddrs().iter().map(ToString::to_string);
    Ok(named.chain(numbered).chain(config.get_ports().iter().map(ToString::to_string)).collect())
}

/// What would be run to create a user, without running it.
///
/// # Errors
/// Permanent: the templates or the name are wrong.
pub fn statements(
    templates: &[String],
    name: &str,
    password: &SecretText,
    expires: Timestamp,
) -> Result<Vec<Zeroizing<String>>, ExternalError> {
    let values = sql::Values::of(name)?.password(password).expires(expires);
    sql::render_all(&sql::parse_all(templates)?, &values)
}

/// What PostgreSQL itself takes; the password is random and long, so that more would buy nothing.
const SCRAM_ITERATIONS: u32 = 4096;

#[async_trait]
impl Database for PostgreSql {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn default_statements(&self, purpose: Purpose) -> &'static [&'static str] {
        match purpose {
            // Only the owner knows what a new user may do.
            Purpose::Create => &[],
            Purpose::Renew => &[users::RENEW],
            // Not a template: see `users::revoke`.
            Purpose::Revoke => &[],
            Purpose::RotateRoot => &[users::SET_PASSWORD],
        }
    }

    async fn verify(&self, connection: &Connection) -> Result<(), ExternalError> {
        self.bounded(async {
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::verify(&mut session).await
        })
        .await
    }

    async fn create_user(&self, connection: &Connection, user: &NewUser<'_>) -> Result<(), ExternalError> {
        let password = self.written_password(connection, user.password)?;
        self.bounded(async {
            let values = sql::Values::of(user.username)?.password(&password).expires(user.expires);
            let statements = sql::parse_all(user.statements)?;
            if statements.is_empty() {
                return Err(ExternalError::refused("the role has no creation statements", ""));
            }
            let rendered = sql::render_all(&statements, &values)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::create(&mut session, &values, &rendered).await
        })
        .await
    }

    async fn renew_user(
        &self,
        connection: &Connection,
        username: &str,
        expires: Timestamp,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.bounded(async {
            let values = sql::Values::of(username)?.expires(expires);
            let rendered = sql::render_all(&sql::parse_or(statements, users::RENEW)?, &values)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::change(&mut session, &values, &rendered).await
        })
        .await
    }

    async fn revoke_user(
        &self,
        connection: &Connection,
        username: &str,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.bounded(async {
            let values = sql::Values::of(username)?;
            let rendered = sql::render_all(&sql::parse_all(statements)?, &values)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::revoke(&mut session, &values, &rendered).await
        })
        .await
    }

    async fn set_password(
        &self,
        connection: &Connection,
        username: &str,
        password: &SecretText,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        let password = self.written_password(connection, password)?;
        self.bounded(async {
            let values = sql::Values::of(username)?.password(&password);
            let rendered = sql::render_all(&sql::parse_or(statements, users::SET_PASSWORD)?, &values)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::change(&mut session, &values, &rendered).await
        })
        .await
    }

    async fn clone_user(
        &self,
        connection: &Connection,
        user: &str,
        clone: &str,
        password: &SecretText,
    ) -> Result<(), ExternalError> {
        let password = self.written_password(connection, password)?;
        self.bounded(async {
            let values = sql::Values::of(clone)?.password(&password);
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::clone(&mut session, &values, user).await
        })
        .await
    }

    async fn sessions(&self, connection: &Connection, username: &str) -> Result<Option<u64>, ExternalError> {
        self.bounded(async {
            let values = sql::Values::of(username)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::sessions(&mut session, values.name).await.map(Some)
        })
        .await
    }

    async fn end_sessions(&self, connection: &Connection, username: &str) -> Result<(), ExternalError> {
        self.bounded(async {
            let values = sql::Values::of(username)?;
            let mut session = self.pools.session(connection, &self.limits).await?;
            users::quit(&mut session, &values).await
        })
        .await
    }

    async fn forget(&self, connection_id: &str) {
        self.pools.forget(connection_id);
    }
}

#[cfg(test)]
mod live_tests; // against a real server
#[cfg(test)]
mod tests;
