//! AppRole: logins of programs. A role id says which role, a secret id proves it; both together make a token.
//!
//! Invariants:
//! - Role names are case-insensitive: the routes fold them, so policies, records and the log know one spelling.
//! - A secret id is never stored. Its keyed hash is, bound to the role, so that nothing of one role opens another.
//! - Secret ids and accessors are kept below their role's internal id, which dies with the role: neither an accessor of
//!   role A can be used through role B, nor does a role that is made again inherit what the old one issued.
//! - An expired secret id is absent everywhere, whether or not it was removed yet. Removal is a bounded sweep over an
//!   index by time, done along with other changes; it takes no lock and never stops a login.
//! - A login that fails says one thing, whatever was wrong, after the same lookups.

mod login;
mod model;
mod ops;
mod routes;

use crate::approle::routes::{Field, RoleFields, SecretIdFields};
use crate::roles::{Page, RoleName};
use crate::token_fields::TokenFields;
use cardea_model::{Error, SecretText};
use cardea_sdk::{AuthMethod, Context, Engine, Identification, Outcome, Route, Vouch, async_trait};

/// The AppRole auth method.
pub struct AppRole;

/// What can be asked of it.
pub enum Op {
    ListRoles(Page),
    ReadRole(RoleName),
    WriteRole {
        role: RoleName,
        fields: Box<RoleFields>,
        token: Box<TokenFields>,
    },
    DeleteRole(RoleName),
    ReadField {
        role: RoleName,
        field: Field,
    },
    WriteField {
        role: RoleName,
        fields: Box<RoleFields>,
        token: Box<TokenFields>,
    },
    ResetField {
        role: RoleName,
        field: Field,
    },
    ListAccessors {
        role: RoleName,
        page: Page,
    },
    /// With `custom`, the caller chose the secret id.
    Issue {
        role: RoleName,
        fields: SecretIdFields,
        custom: Option<SecretText>,
    },
    LookupSecretId {
        role: RoleName,
        secret_id: SecretText,
    },
    DestroySecretId {
        role: RoleName,
        secret_id: SecretText,
    },
    LookupAccessor {
        role: RoleName,
        accessor: String,
    },
    DestroyAccessor {
        role: RoleName,
        accessor: String,
    },
    Tidy,
    Login {
        role_id: SecretText,
        secret_id: SecretText,
    },
}

#[async_trait]
impl Engine for AppRole {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "approle"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        routes::ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        match op {
            Op::ListRoles(page) => ops::list_roles(cx, page).await,
            Op::ReadRole(role) => ops::read_role(cx, role).await,
            Op::WriteRole { role, fields, token } => ops::write_role(cx, role, fields, token).await,
            Op::DeleteRole(role) => ops::delete_role(cx, role).await,
            Op::ReadField { role, field } => ops::read_field(cx, role, *field).await,
            Op::WriteField { role, fields, token } => ops::write_field(cx, role, fields, token).await,
            Op::ResetField { role, field } => ops::reset_field(cx, role, *field).await,
            Op::ListAccessors { role, page } => ops::list_accessors(cx, role, page).await,
            Op::Issue { role, fields, custom } => ops::issue(cx, role, fields, custom.as_ref()).await,
            Op::LookupSecretId { role, secret_id } => ops::lookup_secret_id(cx, role, secret_id).await,
            Op::DestroySecretId { role, secret_id } => ops::destroy_secret_id(cx, role, secret_id).await,
            Op::LookupAccessor { role, accessor } => ops::lookup_accessor(cx, role, accessor).await,
            Op::DestroyAccessor { role, accessor } => ops::destroy_accessor(cx, role, accessor).await,
            Op::Tidy => ops::tidy(cx).await,
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
impl AuthMethod for AppRole {
    async fn login(&self, cx: &mut Context<'_>, op: &Op) -> Result<Vouch, Error> {
        match op {
            Op::Login { role_id, secret_id } => login::login(cx, role_id, secret_id).await,
            _ => Err(Error::internal("an operation was dispatched as a login")),
        }
    }

    async fn renew(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
        login::renew(cx, before).await
    }
}

#[cfg(test)]
mod tests;
