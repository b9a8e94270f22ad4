//! One function an operation. Nothing here knows a wire, and nothing here talks to a database: what must happen there is
//! returned as a plan's content.

use super::model::{Config, Credential, NewConfig, PendingPassword, Role, Rotation};
use super::template::{self, Inputs, Template};
use cardea_crypto::constant_time;
use cardea_crypto::random::base62;
use cardea_model::{Error, SecretText, TtlSeconds};
use cardea_sdk::Context;
use cardea_sdk::database::Connection;
use cardea_sdk::password::PasswordPolicy;

/// Connections to one server unless a connection says otherwise: Vault's default.
const OPEN_DEFAULT: u32 = 4;
/// Most connections to one server that a connection may ask for.
const OPEN_MAX: i64 = 100;
/// Characters of a connection's id: more than enough that no two settings ever share a pool.
const ID_CHARS: usize = 16;

/// Wanted changes of a connection; `None` leaves what is there.
#[derive(Debug, Default)]
pub struct ConfigChange {
    pub plugin_name: Option<String>,
    pub connection_url: Option<SecretText>,
    pub username: Option<String>,
    pub password: Option<SecretText>,
    pub allowed_roles: Option<Vec<String>>,
    /// Whether the connection must work before it is stored.
    pub verify: bool,
    pub root_rotation_statements: Option<Vec<String>>,
    pub password_policy: Option<String>,
    pub username_template: Option<String>,
    pub max_open_connections: Option<i64>,
    pub max_idle_connections: Option<i64>,
    pub max_connection_lifetime_s: Option<TtlSeconds>,
    pub password_authentication: Option<String>,
    pub tls_ca: Option<String>,
    pub tls_certificate: Option<String>,
    pub private_key: Option<SecretText>,
}

/// Wanted changes of a role; `None` leaves what is there.
#[derive(Debug, Default)]
pub struct RoleChange {
    pub db_name: Option<String>,
    pub creation_statements: Option<Vec<String>>,
    pub revocation_statements: Option<Vec<String>>,
    pub renew_statements: Option<Vec<String>>,
    pub rollback_statements: Option<Vec<String>>,
    /// `Some(None)` takes the mount's.
    pub default_ttl_s: Option<Option<TtlSeconds>>,
    pub max_ttl_s: Option<Option<TtlSeconds>>,
}

/// The connection as it would be. The caller stores it, at once or when the source has answered.
pub async fn changed_config(
    cx: &mut Context<'_>,
    name: &str,
    change: &ConfigChange,
    plugins: &[&'static str],
) -> Result<NewConfig, Error> {
    let before = cx.state.get::<Config>(name).await?;
    let replaces = before.as_ref().map(|config| config.serial);
    if let Some(before) = &before {
        check_owner(cx, name, before, change)?;
    }
    let mut config = before.unwrap_or_else(|| Config {
        plugin_name: String::new(),
        connection: Connection {
            id: String::new(),
            url: SecretText::default(),
            username: String::new(),
            password: SecretText::default(),
            max_open_connections: OPEN_DEFAULT,
            tls_ca: String::new(),
            tls_certificate: String::new(),
            private_key: SecretText::default(),
            password_authentication: String::new(),
        },
        allowed_roles: Vec::new(),
        password_policy: String::new(),
        username_template: String::new(),
        root_rotation_statements: Vec::new(),
        max_idle_connections: None,
        max_connection_lifetime_s: None,
        serial: 0,
        pending: None,
    });
    set(&mut config.plugin_name, &change.plugin_name);
    set(&mut config.allowed_roles, &change.allowed_roles);
    set(&mut config.root_rotation_statements, &change.root_rotation_statements);
    set(&mut config.password_policy, &change.password_policy);
    set(&mut config.username_template, &change.username_template);
    set(&mut config.connection.username, &change.username);
    set(&mut config.connection.password_authentication, &change.password_authentication);
    set(&mut config.connection.tls_ca, &change.tls_ca);
    set(&mut config.connection.tls_certificate, &change.tls_certificate);
    set_secret(&mut config.connection.url, &change.connection_url);
    set_secret(&mut config.connection.password, &change.password);
    set_secret(&mut config.connection.private_key, &change.private_key);
    config.max_idle_connections = change.max_idle_connections.or(config.max_idle_connections);
    config.max_connection_lifetime_s = change.max_connection_lifetime_s.or(config.max_connection_lifetime_s);
    match change.max_open_connections {
        None => {}
        Some(0) => config.connection.max_open_connections = OPEN_DEFAULT,
        Some(open) => {
            config.connection.max_open_connections = u32::try_from(open)
                .ok()
                .filter(|_| open <= OPEN_MAX)
                .ok_or_else(|| Error::invalid("field `max_open_connections` must be from 0 to 100"))?;
        }
    }
    if change.password.is_some() || change.username.is_some() {
        // Somebody else knows better what the source knows.
        config.pending = None;
    }
    config.connection.id = base62(cx.rng, ID_CHARS).as_str().to_owned();
    config.serial += 1;
    check_config(cx, &config, plugins)?;
    if change.max_idle_connections.is_some() || change.max_connection_lifetime_s.is_some() {
        cx.warn("max_idle_connections and max_connection_lifetime are kept, but have no effect: idle connections are closed after a minute");
    }
    Ok(NewConfig { name: name.to_owned(), config, replaces })
}

/// Where an address has the password.
const PASSWORD_MARK: &str = "{{password}}";

/// New passwords, and those that are tried, go where a connection leads: who may change settings, and no more, must not have them
/// sent to himself. He moves it if he knows the password that is stored, and stores another only if it opens the door that is
/// there; otherwise he would know it then. A password that nobody knows was rotated: a moved database then takes sudo.
fn check_owner(cx: &Context<'_>, name: &str, before: &Config, change: &ConfigChange) -> Result<(), Error> {
    let stays = |given: &Option<String>, known: &str| given.as_ref().is_none_or(|given| given == known);
    let known = &before.connection;
    let same = |given: &SecretText, known: &SecretText| {
        constant_time::eq(given.expose().as_bytes(), known.expose().as_bytes())
    };
    let stays = stays(&change.plugin_name, &before.plugin_name)
        && stays(&change.username, &known.username)
        && stays(&change.tls_ca, &known.tls_ca)
        && change.connection_url.as_ref().is_none_or(|given| same(given, &known.url));
    let is_used = known.url.expose().contains(PASSWORD_MARK) && !known.password.is_empty();
    let shown = change.password.as_ref().map(|given| same(given, &known.password));
    let may = match (stays, shown) {
        (true, None | Some(true)) => true,
        (true, Some(false)) => change.verify,
        (false, shown) => shown == Some(true) && is_used,
    };
    if may || cx.rights.has_sudo(&format!("{}config/{name}", cx.mount.path)) {
        return Ok(());
    }
    Err(Error::invalid(match stays {
        true => {
            "another `password` is tried out before it is stored: `verify_connection` false takes sudo on this path"
        }
        false => {
            "field `password` is to be the one that is stored where `plugin_name`, `connection_url`, `username` or `tls_ca` changes; without it that takes sudo on this path"
        }
    }))
}

fn set<T: Clone>(field: &mut T, wanted: &Option<T>) {
    if let Some(wanted) = wanted {
        field.clone_from(wanted);
    }
}

fn set_secret(field: &mut SecretText, wanted: &Option<SecretText>) {
    if let Some(wanted) = wanted {
        *field = wanted.duplicate();
    }
}

fn check_config(cx: &Context<'_>, config: &Config, plugins: &[&'static str]) -> Result<(), Error> {
    if config.plugin_name.is_empty() {
        return Err(Error::invalid(format!("missing `plugin_name`; known are: {}", plugins.join(", "))));
    }
    if !plugins.contains(&config.plugin_name.as_str()) {
        return Err(Error::invalid(format!("unknown `plugin_name`; known are: {}", plugins.join(", "))));
    }
    if config.connection.url.is_empty() {
        return Err(Error::invalid("missing `connection_url`"));
    }
    if !matches!(config.connection.password_authentication.as_str(), "" | "password" | "scram-sha-256") {
        return Err(Error::invalid("field `password_authentication` must be password or scram-sha-256"));
    }
    if !config.username_template.is_empty() {
        Template::parse(&config.username_template)?.check(cx.now, cx.rng)?;
    }
    Ok(())
}

/// Stores a connection that was verified or need not be. Returns the id of what it replaced, whose connections are of no
/// use any more.
pub async fn store_config(cx: &mut Context<'_>, new: &NewConfig) -> Result<Option<String>, Error> {
    let before = cx.state.get::<Config>(&new.name).await?;
    if before.as_ref().map(|config| config.serial) != new.replaces {
        return Err(Error::conflict("the connection was changed meanwhile, try again"));
    }
    cx.state.put(&new.name, &new.config)?;
    Ok(before.map(|config| config.connection.id))
}

/// Forgets a connection. Users that it made stay at the source until somebody configures it again.
pub async fn delete_config(cx: &mut Context<'_>, name: &str) -> Result<Option<Config>, Error> {
    let before = cx.state.get::<Config>(name).await?;
    if before.is_some() {
        cx.state.delete::<Config>(name);
    }
    Ok(before)
}

pub async fn write_role(cx: &mut Context<'_>, name: &str, change: &RoleChange) -> Result<(), Error> {
    let mut role = cx.state.get::<Role>(name).await?.unwrap_or_default();
    set(&mut role.db_name, &change.db_name);
    set(&mut role.creation_statements, &change.creation_statements);
    set(&mut role.revocation_statements, &change.revocation_statements);
    set(&mut role.renew_statements, &change.renew_statements);
    set(&mut role.rollback_statements, &change.rollback_statements);
    set(&mut role.default_ttl_s, &change.default_ttl_s);
    set(&mut role.max_ttl_s, &change.max_ttl_s);
    if role.db_name.is_empty() {
        return Err(Error::invalid("empty database name attribute"));
    }
    if let (Some(ttl), Some(max)) = (role.default_ttl_s, role.max_ttl_s)
        && ttl > max
    {
        cx.warn("default_ttl is longer than max_ttl: users live for max_ttl");
    }
    if role.creation_statements.is_empty() {
        cx.warn("the role has no creation_statements yet: it cannot make users");
    }
    cx.state.put(name, &role)
}

/// A user to be, with its final name and password, and the role whose spans hold for it.
pub async fn credential(cx: &mut Context<'_>, name: &str) -> Result<(Credential, Role), Error> {
    let Some(role) = cx.state.get::<Role>(name).await? else {
        return Err(Error::invalid(format!("unknown role: {name}")));
    };
    let Some(config) = cx.state.get::<Config>(&role.db_name).await? else {
        return Err(Error::invalid(format!("failed to find entry for connection with name: {:?}", role.db_name)));
    };
    if !config.allowed_roles.iter().any(|pattern| allows(pattern, name)) {
        return Err(Error::invalid(format!("{name:?} is not an allowed role")));
    }
    if role.creation_statements.is_empty() {
        return Err(Error::invalid("the role has no creation_statements"));
    }
    let text = if config.username_template.is_empty() { template::DEFAULT } else { &config.username_template };
    let inputs = Inputs {
        display_name: cx.caller.map_or("", |caller| caller.display_name.as_str()),
        role_name: name,
        now: cx.now,
        rng: cx.rng,
    };
    let username = Template::parse(text)?.render(&inputs)?;
    let password = password(cx, &config)?;
    let (mount_default_s, mount_max_s) = cx.system.ttl_s(cx.mount);
    let ttl_s = role.default_ttl_s.map_or(mount_default_s, |ttl| ttl.0);
    let cap_s = role.max_ttl_s.map_or(mount_max_s, |max| max.0.min(mount_max_s));
    let credential = Credential {
        db_name: role.db_name.clone(),
        role: name.to_owned(),
        username,
        password,
        expires: cx.now.plus(TtlSeconds(ttl_s.min(cap_s))),
        creation_statements: role.creation_statements.clone(),
        rollback_statements: role.rollback_statements.clone(),
        revocation_statements: role.revocation_statements.clone(),
        renew_statements: role.renew_statements.clone(),
    };
    Ok((credential, role))
}

/// A pattern is a name, with `*` at its beginning, its end or both standing for anything.
pub fn allows(pattern: &str, name: &str) -> bool {
    let open_start = pattern.starts_with('*');
    let open_end = pattern.len() > 1 && pattern.ends_with('*');
    let bare = pattern.strip_prefix('*').unwrap_or(pattern);
    let bare = if open_end { bare.strip_suffix('*').unwrap_or(bare) } else { bare };
    match (open_start, open_end) {
        (false, false) => name == bare,
        (true, false) => name.ends_with(bare),
        (false, true) => name.starts_with(bare),
        (true, true) => name.contains(bare),
    }
}

pub fn password(cx: &Context<'_>, config: &Config) -> Result<SecretText, Error> {
    let policy = match config.password_policy.as_str() {
        "" => PasswordPolicy::default(),
        name => PasswordPolicy::parse(&cx.system.password_policy(name)?)?,
    };
    policy.generate(cx.rng)
}

/// Decides the next root password; it is in the connection's record before the source hears of it.
pub async fn decide_rotation(cx: &mut Context<'_>, name: &str) -> Result<Rotation, Error> {
    let Some(mut config) = cx.state.get::<Config>(name).await? else {
        return Err(Error::invalid(format!("failed to find entry for connection with name: {name:?}")));
    };
    if config.connection.username.is_empty() || config.connection.password.is_empty() {
        return Err(Error::invalid("unable to rotate root credentials: the connection has no username and password"));
    }
    if !config.connection.url.expose().contains("{{password}}") {
        return Err(Error::invalid(
            "unable to rotate root credentials: connection_url does not use {{username}} and {{password}}",
        ));
    }
    let connection_id = match &config.pending {
        Some(pending) => pending.connection_id.clone(),
        None => {
            let connection_id = base62(cx.rng, ID_CHARS).as_str().to_owned();
            let password = password(cx, &config)?;
            config.pending = Some(PendingPassword { connection_id: connection_id.clone(), password });
            config.serial += 1;
            cx.state.put(name, &config)?;
            connection_id
        }
    };
    Ok(Rotation { name: name.to_owned(), connection_id })
}

/// The connection as it is once the pending password holds; `None` if the rotation was settled or overruled.
pub fn rotated(config: &Config, rotation: &Rotation) -> Option<Connection> {
    let pending = config.pending.as_ref().filter(|pending| pending.connection_id == rotation.connection_id)?;
    let now = &config.connection;
    Some(Connection {
        id: pending.connection_id.clone(),
        url: now.url.duplicate(),
        username: now.username.clone(),
        password: pending.password.duplicate(),
        max_open_connections: now.max_open_connections,
        tls_ca: now.tls_ca.clone(),
        tls_certificate: now.tls_certificate.clone(),
        private_key: now.private_key.duplicate(),
        password_authentication: now.password_authentication.clone(),
    })
}

/// The pending password is the source's: from now on it is the connection's. Returns the id of the connections before.
pub async fn store_rotation(cx: &mut Context<'_>, rotation: &Rotation) -> Result<Option<String>, Error> {
    let Some(mut config) = cx.state.get::<Config>(&rotation.name).await? else { return Ok(None) };
    match rotated(&config, rotation) {
        Some(connection) => {
            let before = std::mem::replace(&mut config.connection, connection);
            config.pending = None;
            config.serial += 1;
            cx.state.put(&rotation.name, &config)?;
            Ok(Some(before.id))
        }
        None => {
            if config.connection.id != rotation.connection_id {
                cx.warn("the connection was written anew while its password was rotated: what was written holds");
            }
            Ok(None)
        }
    }
}
