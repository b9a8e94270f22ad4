//! `database`: users of databases who are made on demand and die on time, as Vault's database engine serves them. Read this
//! file, then `model.rs`, then `ops.rs`.
//!
//! What holds:
//!
//! - A user's final name and password stand in the sealed intent before the database hears of them, and names differ by
//!   randomness, so that whoever undoes an intent removes that user and no other.
//! - A user is removed through the connection as it is configured then, by the statements that its role had when it was
//!   made. Without that connection it is not removed, and the error says so.
//! - A connection that does not work is not stored, unless the request says not to try.
//! - A new root password is in the connection's record before the database hears of it, and becomes the connection's only
//!   after a login with it. Every order of crashes, repetitions and concurrent rotations ends with a password that works.
//! - No answer but that of `creds/` holds a password.
//!
//! It must never know a kind of database: [`cardea_sdk::database::Database`] does. Transcripts are written as those of
//! `kv`; their mount is `database/`.

mod model;
mod ops;
mod rotator;
mod routes;
mod template;

#[cfg(test)]
mod tests;

use cardea_model::lease::LeaseOffer;
use cardea_model::{Body, Error, Payload};
use cardea_sdk::database::{Database, NewUser, Purpose};
use cardea_sdk::external::{External, Revoker};
use cardea_sdk::rotation::Rotator;
use cardea_sdk::{
    Context, Done, Effect, Engine, ExternalError, Lease, Outcome, OutsideContext, Plan, Recovery, Route, async_trait,
    named,
};
use model::{Config, Credential, NewConfig, Role, Rotation};
use routes::Op;
use std::sync::Arc;

/// Names of the effects.
const CONFIG: &str = "config";
const CREDS: &str = "creds";
const ROTATE_ROOT: &str = "rotate-root";

/// The engine; its only state are the plugins, which keep connections.
pub struct DatabaseEngine {
    plugins: Vec<Arc<dyn Database>>,
}

impl DatabaseEngine {
    #[must_use]
    pub fn new(plugins: Vec<Arc<dyn Database>>) -> Self {
        Self { plugins }
    }

    fn plugin(&self, config: &Config) -> Result<&dyn Database, Error> {
        let found = self.plugins.iter().find(|plugin| plugin.kind() == config.plugin_name);
        found.map(AsRef::as_ref).ok_or_else(|| Error::invalid("the connection's plugin is not part of this server"))
    }

    /// Closes what is open under a connection's former id. A pool is only a cache: forgetting too much costs a login.
    async fn forget(&self, id: &str) {
        for plugin in &self.plugins {
            plugin.forget(id).await;
        }
    }

    async fn settle_config(&self, cx: &mut Context<'_>, new: &NewConfig) -> Result<(), Error> {
        if let Some(former) = ops::store_config(cx, new).await? {
            self.forget(&former).await;
        }
        Ok(())
    }
}

/// Statements, or the plugin's own if there are none.
fn or_default(plugin: &dyn Database, purpose: Purpose, statements: &[String]) -> Vec<String> {
    match statements {
        [] => plugin.default_statements(purpose).iter().map(|one| (*one).to_owned()).collect(),
        own => own.to_vec(),
    }
}

#[async_trait]
impl Engine for DatabaseEngine {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "database"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::ConfigRead(name) => {
                Done::object(&routes::config_form(&named::read::<Config>(&mut cx.state, name).await?))
            }
            Op::ConfigWrite(name, change) => {
                let kinds: Vec<&'static str> = self.plugins.iter().map(|plugin| plugin.kind()).collect();
                let new = ops::changed_config(cx, name, change, &kinds).await?;
                if change.verify {
                    let effect = Effect::of(CONFIG, &new)?;
                    return Ok(Outcome::External(Plan { effect, lease: None, recovery: Recovery::Undo }));
                }
                self.settle_config(cx, &new).await?;
                Ok(Done::empty())
            }
            Op::ConfigDelete(name) => {
                if let Some(former) = ops::delete_config(cx, name).await? {
                    self.forget(&former.connection.id).await;
                }
                Ok(Done::empty())
            }
            Op::ConfigList(page) => Done::keys(named::list::<Config>(&mut cx.state, page).await?),
            Op::Reset(name) => {
                let config = named::read::<Config>(&mut cx.state, name).await?;
                self.forget(&config.connection.id).await;
                Ok(Done::empty())
            }
            Op::RotateRoot(name) => {
                let effect = Effect::of(ROTATE_ROOT, &ops::decide_rotation(cx, name).await?)?;
                Ok(Outcome::External(Plan { effect, lease: None, recovery: Recovery::Redo }))
            }
            Op::RoleRead(name) => Done::object(&routes::role_form(&named::read::<Role>(&mut cx.state, name).await?)),
            Op::RoleWrite(name, change) => ops::write_role(cx, name, change).await.map(|()| Done::empty()),
            Op::RoleDelete(name) => named::delete::<Role>(&mut cx.state, name).await.map(|()| Done::empty()),
            Op::RoleList(page) => Done::keys(named::list::<Role>(&mut cx.state, page).await?),
            Op::Credentials(name) => {
                let (credential, role) = ops::credential(cx, name).await?;
                let lease = LeaseOffer { ttl: role.default_ttl_s, max_ttl: role.max_ttl_s, renewable: true };
                let effect = Effect::of(CREDS, &credential)?;
                Ok(Outcome::External(Plan { effect, lease: Some(lease), recovery: Recovery::Undo }))
            }
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::ConfigWrite(name, _) => cx.state.exists::<Config>(name).await,
            Op::RoleWrite(name, _) => cx.state.exists::<Role>(name).await,
            _ => Ok(true),
        }
    }

    fn external(&self) -> Option<&dyn External> {
        Some(self)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        Some(self)
    }

    fn rotator(&self) -> Option<&dyn Rotator> {
        Some(self)
    }
}

/// The connection that a user was made through, as it is now.
async fn connection_of(cx: &mut OutsideContext<'_>, name: &str) -> Result<Config, ExternalError> {
    let words = "the connection that the user belongs to is not configured any more; configure it again under its name";
    cx.state.get::<Config>(name).await?.ok_or_else(|| ExternalError::refused(words, "no such connection"))
}

#[async_trait]
impl External for DatabaseEngine {
    async fn perform(&self, cx: &mut OutsideContext<'_>, effect: &Effect) -> Result<(), ExternalError> {
        match effect.what.as_str() {
            CONFIG => {
                let new: NewConfig = effect.read()?;
                let plugin = self.plugin(&new.config)?;
                cx.faults.before("database.verify")?;
                let verified = plugin.verify(&new.config.connection).await;
                if verified.is_err() {
                    plugin.forget(&new.config.connection.id).await;
                }
                verified?;
                cx.faults.after("database.verify")
            }
            CREDS => {
                let credential: Credential = effect.read()?;
                let config = connection_of(cx, &credential.db_name).await?;
                let user = NewUser {
                    username: &credential.username,
                    password: &credential.password,
                    expires: credential.expires,
                    statements: &credential.creation_statements,
                    rollback_statements: &credential.rollback_statements,
                };
                let plugin = self.plugin(&config)?;
                cx.faults.before("database.create_user")?;
                plugin.create_user(&config.connection, &user).await?;
                cx.faults.after("database.create_user")
            }
            ROTATE_ROOT => self.rotate(cx, &effect.read()?).await,
            _ => Err(Error::internal("an effect of another release").into()),
        }
    }

    async fn settle(&self, cx: &mut Context<'_>, effect: &Effect) -> Result<Done, Error> {
        let mut done = Done::default();
        match effect.what.as_str() {
            CONFIG => self.settle_config(cx, &effect.read()?).await?,
            CREDS => {
                let credential: Credential = effect.read()?;
                done.body = Body::Object(Payload::of(&routes::credential_form(&credential))?);
            }
            ROTATE_ROOT => {
                if let Some(former) = ops::store_rotation(cx, &effect.read()?).await? {
                    self.forget(&former).await;
                }
            }
            _ => return Err(Error::internal("an effect of another release")),
        }
        Ok(done)
    }
}

impl DatabaseEngine {
    /// Makes the pending password the source's. If the old one does not open the door any more, an earlier try whose answer
    /// was lost may have done it already: then the new one does.
    async fn rotate(&self, cx: &mut OutsideContext<'_>, rotation: &Rotation) -> Result<(), ExternalError> {
        let Some(config) = cx.state.get::<Config>(&rotation.name).await? else { return Ok(()) };
        let Some(next) = ops::rotated(&config, rotation) else { return Ok(()) };
        let plugin = self.plugin(&config)?;
        let statements = or_default(plugin, Purpose::RotateRoot, &config.root_rotation_statements);
        cx.faults.before("database.rotate_root")?;
        let set = plugin.set_password(&config.connection, &next.username, &next.password, &statements).await;
        match set {
            Ok(()) => {}
            Err(failed) if failed.temporary || !failed.nothing_happened => return Err(failed),
            Err(refused) => match plugin.verify(&next).await {
                Ok(()) => {}
                // Who holds the door now cannot be said: nothing may be forgotten yet.
                Err(failed) if failed.temporary => return Err(ExternalError { nothing_happened: false, ..failed }),
                Err(_) => {
                    plugin.forget(&next.id).await;
                    return Err(refused);
                }
            },
        }
        cx.faults.after("database.rotate_root")?;
        plugin.verify(&next).await.map_err(|failed| {
            let words = "the new root password was set, but does not work yet";
            ExternalError::unknown(words, format!("{}: {}", failed.client, failed.detail.as_str()))
        })
    }
}

#[async_trait]
impl Revoker for DatabaseEngine {
    async fn revoke(&self, cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError> {
        let credential: Credential = lease.effect.read()?;
        let config = connection_of(cx, &credential.db_name).await?;
        let plugin = self.plugin(&config)?;
        let statements = or_default(plugin, Purpose::Revoke, &credential.revocation_statements);
        cx.faults.before("database.revoke_user")?;
        plugin.revoke_user(&config.connection, &credential.username, &statements).await?;
        cx.faults.after("database.revoke_user")
    }

    async fn renew(&self, cx: &mut OutsideContext<'_>, lease: &Lease<'_>) -> Result<(), ExternalError> {
        let credential: Credential = lease.effect.read()?;
        let config = connection_of(cx, &credential.db_name).await?;
        let plugin = self.plugin(&config)?;
        let statements = or_default(plugin, Purpose::Renew, &credential.renew_statements);
        cx.faults.before("database.renew_user")?;
        plugin.renew_user(&config.connection, &credential.username, lease.expires, &statements).await?;
        cx.faults.after("database.renew_user")
    }
}
