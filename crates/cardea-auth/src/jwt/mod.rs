//! JWT: logins with a token that somebody else signed: a CI system, a cluster, an identity provider.
//!
//! Invariants:
//! - A token is proven before anything of it counts: its header chooses among configured keys and algorithms, no more.
//!   `none` and keyed hashes do not exist here, and a key verifies with algorithms of its own kind alone.
//! - A role has at least one constraint; a token that names an audience opens no role that names none.
//! - A stranger hears one thing, whether the role, the key or the signature was wrong.
//! - Keys of an issuer are fetched before the transaction, by one login at a time, and seldom; what is remembered ends
//!   with the configuration that it was fetched for, and with its age.
//! - The browser flow of OIDC is not here, and what belongs to it is refused with words.

mod claims;
mod der;
mod keys;
mod login;
mod model;
mod ops;
mod routes;
mod source;
mod token;

use crate::jwt::routes::{ConfigFields, RoleFields};
use crate::jwt::source::KeySets;
use crate::roles::{Page, RoleName};
use crate::token_fields::TokenFields;
use cardea_model::{Error, SecretText};
use cardea_sdk::{
    AuthMethod, Context, Engine, Fetch, Identification, Outcome, OutsideContext, Route, Vouch, async_trait,
};
use std::sync::Arc;

/// The JWT auth method. Beside what its mounts store it remembers public keys of issuers.
pub struct Jwt {
    key_sets: KeySets,
}

impl Jwt {
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { key_sets: KeySets::new(fetch) }
    }
}

/// What can be asked of it.
pub enum Op {
    ReadConfig,
    WriteConfig(Box<ConfigFields>),
    ListRoles(Page),
    ReadRole(RoleName),
    WriteRole { role: RoleName, fields: Box<RoleFields>, token: Box<TokenFields> },
    DeleteRole(RoleName),
    Login { role: String, jwt: SecretText },
}

#[async_trait]
impl Engine for Jwt {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "jwt"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::ReadConfig => ops::read_config(cx).await,
            Op::WriteConfig(fields) => ops::write_config(cx, fields).await,
            Op::ListRoles(page) => ops::list_roles(cx, page).await,
            Op::ReadRole(role) => ops::read_role(cx, role).await,
            Op::WriteRole { role, fields, token } => ops::write_role(cx, role, fields, token).await,
            Op::DeleteRole(role) => ops::delete_role(cx, role).await,
            Op::Login { .. } => Err(Error::internal("a login was dispatched as an operation")),
        }
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::WriteRole { role, .. } => cx.state.exists::<model::Role>(role.as_str()).await,
            _ => Ok(false),
        }
    }
}

#[async_trait]
impl AuthMethod for Jwt {
    fn prepares(&self, op: &Op) -> bool {
        matches!(op, Op::Login { .. } | Op::WriteConfig(_))
    }

    async fn prepare(&self, cx: &mut OutsideContext<'_>, op: &Op) -> Result<(), Error> {
        match op {
            Op::Login { jwt, .. } => login::prepare(cx, &self.key_sets, jwt).await,
            Op::WriteConfig(fields) => ops::check_sources(&self.key_sets, fields).await,
            _ => Ok(()),
        }
    }

    async fn login(&self, cx: &mut Context<'_>, op: &Op) -> Result<Vouch, Error> {
        match op {
            Op::Login { role, jwt } => login::login(cx, &self.key_sets, role, jwt).await,
            _ => Err(Error::internal("an operation was dispatched as a login")),
        }
    }

    async fn renew(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
        login::renew(cx, before).await
    }
}

#[cfg(test)]
mod tests;
