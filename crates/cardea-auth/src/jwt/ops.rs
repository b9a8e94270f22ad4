//! One function an operation. Every check and change of one operation is in its caller's transaction.

use crate::jwt::model::{CONFIG, Config, Role, Source};
use crate::jwt::routes::{ConfigFields, ConfigView, RoleFields, RoleView};
use crate::jwt::source::KeySets;
use crate::roles::{Page, RoleName};
use crate::token_fields::TokenFields;
use cardea_crypto::random::uuid4;
use cardea_model::Error;
use cardea_sdk::{Context, Done, Outcome};

pub async fn read_config(cx: &mut Context<'_>) -> Result<Outcome, Error> {
    let config = cx.state.peek::<Config>(CONFIG).await?.ok_or_else(Error::not_found)?;
    Done::object(&ConfigView::of(&config))
}

/// Asks the sources of a configuration that is about to be written, so that a wrong address shows now and not at the first
/// login. Runs outside of any transaction.
///
/// # Errors
/// A source does not answer with what it should.
pub async fn check_sources(key_sets: &KeySets, fields: &ConfigFields) -> Result<(), Error> {
    // What is wrong with the fields themselves is said by the write.
    let Ok(config) = Config::of(fields) else { return Ok(()) };
    for source in config.sources() {
        let words = match &source {
            Source::Address { .. } => "error checking jwks URL",
            Source::Discovery { .. } => "error checking oidc discovery URL",
            // Whether a file exists is for those with sudo alone, which is not known here.
            Source::File(_) => continue,
        };
        key_sets.keys(&source).await.map_err(|why| Error::invalid(words).with_detail(why.0))?;
    }
    Ok(())
}

/// Replaces the configuration.
pub async fn write_config(cx: &mut Context<'_>, fields: &ConfigFields) -> Result<Outcome, Error> {
    let mut config = Config::of(fields)?;
    if !config.jwks_file.is_empty() && !cx.rights.has_sudo(&format!("{}config", cx.mount.path)) {
        return Err(Error::denied().with_detail("a path on the server takes sudo"));
    }
    config.generation = uuid4(cx.rng);
    cx.state.put(CONFIG, &config)?;
    Ok(Done::empty())
}

/// Names of roles.
pub async fn list_roles(cx: &mut Context<'_>, page: &Page) -> Result<Outcome, Error> {
    let names = cx.state.names::<Role>("", page.after.as_deref(), page.limit()?).await?;
    Done::keys(names)
}

pub async fn read_role(cx: &mut Context<'_>, name: &RoleName) -> Result<Outcome, Error> {
    let role = cx.state.peek::<Role>(name.as_str()).await?.ok_or_else(Error::not_found)?;
    Done::object(&RoleView::of(&role))
}

/// Makes the role, or changes what was sent.
pub async fn write_role(
    cx: &mut Context<'_>,
    name: &RoleName,
    fields: &RoleFields,
    token: &TokenFields,
) -> Result<Outcome, Error> {
    let before = cx.state.get::<Role>(name.as_str()).await?;
    let mut role = before.unwrap_or_else(|| Role::new(uuid4(cx.rng)));
    role.apply(fields, token)?;
    for words in role.warnings(cx.system.ttl_s(cx.mount).1) {
        cx.warn(words);
    }
    cx.state.put(name.as_str(), &role)?;
    Ok(Done::empty())
}

/// Removes the role; done already if there is none.
pub async fn delete_role(cx: &mut Context<'_>, name: &RoleName) -> Result<Outcome, Error> {
    if cx.state.exists::<Role>(name.as_str()).await? {
        cx.state.delete::<Role>(name.as_str());
    }
    Ok(Done::empty())
}
