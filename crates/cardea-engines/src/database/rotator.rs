//! Rotates users of a connection's database for secrets that other mounts keep. A secret holds `username` and `password`
//! (and what else its readers need, which stays as it is). The server that is spoken to is always the connection's own:
//! where a secret says that it is does not matter, so that whoever writes secrets cannot send Cardea anywhere.
//!
//! It must never touch a user but the one that the settings name, and its clone.

use super::model::Config;
use super::{DatabaseEngine, ops, or_default};
use cardea_crypto::random::base62;
use cardea_model::rotation::{RotationSettings, RotationStrategy};
use cardea_model::secret_bytes::stored;
use cardea_model::{Error, Payload, SecretText};
use cardea_sdk::database::{Connection, Database, Purpose};
use cardea_sdk::rotation::{Change, NewValue, RotationError, Rotator, Values, check_user, named_by};
use cardea_sdk::{Context, ExternalError, OutsideContext, async_trait};
use serde::{Deserialize, Serialize};

/// Characters of the id of a connection that lives for one login.
const ID_CHARS: usize = 16;
/// Characters of the password that a user gets whose credential is turned off: 238 bits.
const NOBODYS_CHARS: usize = 40;
const UNCONFIGURED: &str = "the connection that the rotator names is not configured";

/// What is read of a secret, and what is changed in it.
#[derive(Serialize, Deserialize)]
struct Login {
    username: String,
    #[serde(with = "stored")]
    password: SecretText,
}

impl Login {
    fn of(value: &Payload, settings: &RotationSettings) -> Result<Self, Error> {
        let login: Self = value
            .read()
            .map_err(|_| Error::invalid("the secret has no texts `username` and `password`: it cannot be rotated"))?;
        check_user(settings.is_about(&login.username))?;
        Ok(login)
    }
}

fn no_keys() -> Error {
    Error::invalid("a database makes no keys: strategy new-key is not for it")
}

/// The connection as a user would make it.
fn as_user(cx: &OutsideContext<'_>, config: &Config, login: &Login) -> Connection {
    let own = &config.connection;
    Connection {
        id: base62(cx.rng, ID_CHARS).as_str().to_owned(),
        url: own.url.duplicate(),
        username: login.username.clone(),
        password: login.password.duplicate(),
        max_open_connections: 1,
        tls_ca: own.tls_ca.clone(),
        tls_certificate: own.tls_certificate.clone(),
        private_key: own.private_key.duplicate(),
        password_authentication: own.password_authentication.clone(),
    }
}

/// Logs in, asks something harmless, and leaves.
async fn opens(plugin: &dyn Database, connection: &Connection) -> Result<(), ExternalError> {
    let result = plugin.verify(connection).await;
    plugin.forget(&connection.id).await;
    result
}

/// Whether a failure is an answer: the login was refused, and nothing else is wrong.
fn is_refusal(failed: &ExternalError) -> bool {
    failed.nothing_happened && !failed.temporary
}

impl DatabaseEngine {
    /// The user changes its own password, logged in with whichever value opens the source: the answer of an earlier try may
    /// have been lost. Where that is the wanted one, it is set all the same: the source then does it after whatever is still
    /// on its way there.
    async fn set_by_itself(
        &self,
        cx: &OutsideContext<'_>,
        config: &Config,
        wanted: &Login,
        known: &[Login],
    ) -> Result<(), ExternalError> {
        let plugin = self.plugin(config)?;
        let statements = or_default(plugin, Purpose::RotateRoot, &[]);
        let own = known.iter().filter(|login| login.username == wanted.username);
        for (at, login) in std::iter::once(wanted).chain(own).enumerate() {
            let connection = as_user(cx, config, login);
            match opens(plugin, &connection).await {
                Ok(()) => {}
                Err(failed) if is_refusal(&failed) => continue,
                Err(failed) => return Err(failed),
            }
            let set = plugin.set_password(&connection, &wanted.username, &wanted.password, &statements).await;
            plugin.forget(&connection.id).await;
            return match set {
                // A source that takes no value twice has this one.
                Err(failed) if at == 0 && failed.value_refused => Ok(()),
                set => set,
            };
        }
        let words = "no version of the secret opens the source any more: its user's password has to be set there";
        Err(ExternalError::refused(words, "every login was refused"))
    }
}

#[async_trait]
impl Rotator for DatabaseEngine {
    async fn create(
        &self,
        cx: &mut Context<'_>,
        settings: &RotationSettings,
        current: &Payload,
    ) -> Result<NewValue, Error> {
        let config = named_by::<Config>(&mut cx.state, settings, UNCONFIGURED).await?;
        let url = config.connection.url.expose();
        if !url.contains("{{username}}") || !url.contains("{{password}}") {
            // Every login would be Cardea's own, and no test would test anything.
            return Err(Error::invalid("the connection's URL does not say where username and password stand"));
        }
        let login = Login::of(current, settings)?;
        let username = match settings.strategy {
            RotationStrategy::NewKey => return Err(no_keys()),
            RotationStrategy::AlternatingUsers if login.username == settings.username => settings.clone_name(),
            _ => settings.username.clone(),
        };
        if username == config.connection.username || login.username == config.connection.username {
            return Err(Error::invalid("the connection's own user is rotated by rotate-root, and by nothing else"));
        }
        Payload::of(&Login { username, password: ops::password(cx, &config)? }).map(NewValue::Here)
    }

    async fn set(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
    ) -> Result<(), RotationError> {
        let settings = change.settings;
        let config = named_by::<Config>(&mut cx.state, settings, UNCONFIGURED).await?;
        let wanted = Login::of(&values.wanted, settings)?;
        let plugin = self.plugin(&config)?;
        cx.faults.before("database.rotate_user")?;
        match settings.strategy {
            RotationStrategy::NewKey => return Err(no_keys().into()),
            RotationStrategy::SingleUser => {
                // A version that names nobody of ours opens nothing of ours.
                let known: Vec<Login> =
                    values.known.iter().filter_map(|value| Login::of(value, settings).ok()).collect();
                self.set_by_itself(cx, &config, &wanted, &known).await?;
            }
            RotationStrategy::AlternatingUsers if wanted.username != settings.username => {
                plugin.clone_user(&config.connection, &settings.username, &wanted.username, &wanted.password).await?;
            }
            RotationStrategy::SingleUserByRotator | RotationStrategy::AlternatingUsers => {
                let statements = or_default(plugin, Purpose::RotateRoot, &[]);
                plugin.set_password(&config.connection, &wanted.username, &wanted.password, &statements).await?;
            }
        }
        cx.faults.after("database.rotate_user")?;
        Ok(())
    }

    async fn test(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        value: &Payload,
    ) -> Result<(), RotationError> {
        let settings = change.settings;
        let config = named_by::<Config>(&mut cx.state, settings, UNCONFIGURED).await?;
        let login = Login::of(value, settings)?;
        let plugin = self.plugin(&config)?;
        cx.faults.before("database.test_user")?;
        opens(plugin, &as_user(cx, &config, &login)).await?;
        cx.faults.after("database.test_user")?;
        Ok(())
    }

    /// One user has one password; of two, the other keeps its own.
    async fn keeps_old(
        &self,
        _cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        _old: &Payload,
    ) -> Result<bool, RotationError> {
        Ok(change.settings.strategy == RotationStrategy::AlternatingUsers)
    }

    async fn sessions(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
    ) -> Result<Option<u64>, RotationError> {
        let settings = change.settings;
        let config = named_by::<Config>(&mut cx.state, settings, UNCONFIGURED).await?;
        let login = Login::of(old, settings)?;
        cx.faults.before("database.sessions")?;
        let open = self.plugin(&config)?.sessions(&config.connection, &login.username).await?;
        cx.faults.after("database.sessions")?;
        Ok(open)
    }

    /// The user gets a password that nobody knows: another one at each try, so that a lost answer changes nothing.
    async fn retire(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
        current: &Payload,
    ) -> Result<(), RotationError> {
        let settings = change.settings;
        let config = named_by::<Config>(&mut cx.state, settings, UNCONFIGURED).await?;
        let (old, current) = (Login::of(old, settings)?, Login::of(current, settings)?);
        if old.username == current.username {
            let words = "the current version names the user of the old one: turning it off would shut out its readers";
            return Err(Error::invalid(words).into());
        }
        let plugin = self.plugin(&config)?;
        let statements = or_default(plugin, Purpose::RotateRoot, &[]);
        let nobodys = SecretText::new(base62(cx.rng, NOBODYS_CHARS).as_str().to_owned());
        cx.faults.before("database.retire_user")?;
        plugin.set_password(&config.connection, &old.username, &nobodys, &statements).await?;
        if settings.retire.as_ref().is_some_and(|rule| rule.end_sessions) {
            plugin.end_sessions(&config.connection, &old.username).await?;
        }
        cx.faults.after("database.retire_user")?;
        Ok(())
    }
}
