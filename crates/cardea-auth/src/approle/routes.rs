//! The table of routes, and the typed requests and answers that cross it. Paths, members and shapes are Vault's.
//!
//! A row never depends on state. Role names are folded by the patterns: the canonical path has the lower-case name.

use crate::approle::Op;
use crate::approle::model::{Role, SecretId};
use crate::roles::RoleName;
use crate::token_fields::{TokenFields, TokenView, read_two, seconds};
use cardea_model::{Error, Params, SecretText, Timestamp, loose};
use cardea_sdk::{Access, Bound, Route};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! role {
    () => {
        "role/{role_name:lower}"
    };
    ($rest:literal) => {
        concat!("role/{role_name:lower}/", $rest)
    };
}

/// A row about one field of a role.
macro_rules! field {
    (read $path:literal, $field:ident) => {
        Route::read(concat!("role-", $path, "-read"), role!($path), |params| {
            Bound::plain(params, Op::ReadField { role: RoleName::captured(params)?, field: Field::$field })
        })
        .help(concat!("Reads the field behind `", $path, "` of a role."))
        .clear_answer(ROLE_CLEAR)
        .hashed_answer(&["role_id"])
    };
    (write $path:literal, $field:ident, $example:literal) => {
        Route::write(concat!("role-", $path, "-write"), role!($path), |params| bind_field(params, Field::$field))
            .help(concat!("Sets the field behind `", $path, "` of a role; the others stay as they are."))
            .clear(ROLE_CLEAR)
            .example($example)
    };
    (delete $path:literal, $field:ident) => {
        Route::delete(concat!("role-", $path, "-delete"), role!($path), |params| {
            Bound::plain(params, Op::ResetField { role: RoleName::captured(params)?, field: Field::$field })
        })
        .help(concat!("Puts the field behind `", $path, "` of a role back to its default."))
    };
}

/// Everything that AppRole answers to.
pub static ROUTES: &[Route<Op>] = &[
    Route::write("login", "login", |params| {
        Bound::read(params, |login: LoginFields| Op::Login { role_id: login.role_id, secret_id: login.secret_id })
    })
    .access(Access::Login)
    .help("Exchanges a role id and a secret id for a token.")
    .example(
        r#"{"role_id":"675a50e7-cfe0-be76-e35f-49ec009731ea","secret_id":"ed0a642f-2acf-c2da-232f-1b21300d5f29"}"#,
    ),
    Route::list("role-list", "role", |params| Bound::read(params, Op::ListRoles))
        .help("Lists the names of the roles.")
        .clear(&["after", "limit"])
        .clear_answer(&["keys"]),
    Route::read("role-read", role!(), |params| Bound::plain(params, Op::ReadRole(RoleName::captured(params)?)))
        .help("Reads a role. Its role id has its own path.")
        .clear_answer(ROLE_CLEAR),
    Route::write("role-write", role!(), |params| {
        let role = RoleName::captured(params)?;
        read_two(params, |fields: RoleFields, token: TokenFields| {
            Ok(Op::WriteRole { role, fields: Box::new(fields), token: Box::new(token) })
        })
    })
    .upsert()
    .help("Creates a role, or changes the fields that are sent. Names of roles are not case-sensitive.")
    .clear(ROLE_CLEAR)
    .example(r#"{"token_policies":["web"],"token_ttl":"20m","secret_id_ttl":"1h","secret_id_num_uses":10}"#),
    Route::delete("role-delete", role!(), |params| Bound::plain(params, Op::DeleteRole(RoleName::captured(params)?)))
        .help("Removes a role; its secret ids open nothing any more."),
    field!(read "role-id", RoleId),
    field!(write "role-id", RoleId, r#"{"role_id":"web-1"}"#),
    field!(read "local-secret-ids", LocalSecretIds),
    field!(read "bind-secret-id", BindSecretId),
    field!(write "bind-secret-id", BindSecretId, r#"{"bind_secret_id":true}"#),
    field!(delete "bind-secret-id", BindSecretId),
    field!(read "bound-cidr-list", BoundCidrList),
    field!(write "bound-cidr-list", BoundCidrList, r#"{"bound_cidr_list":["10.0.0.0/8"]}"#),
    field!(delete "bound-cidr-list", BoundCidrList),
    field!(read "secret-id-bound-cidrs", SecretIdBoundCidrs),
    field!(write "secret-id-bound-cidrs", SecretIdBoundCidrs, r#"{"secret_id_bound_cidrs":["10.0.0.0/8"]}"#),
    field!(delete "secret-id-bound-cidrs", SecretIdBoundCidrs),
    field!(read "secret-id-num-uses", SecretIdNumUses),
    field!(write "secret-id-num-uses", SecretIdNumUses, r#"{"secret_id_num_uses":10}"#),
    field!(delete "secret-id-num-uses", SecretIdNumUses),
    field!(read "secret-id-ttl", SecretIdTtl),
    field!(write "secret-id-ttl", SecretIdTtl, r#"{"secret_id_ttl":"1h"}"#),
    field!(delete "secret-id-ttl", SecretIdTtl),
    field!(read "policies", Policies),
    field!(write "policies", Policies, r#"{"token_policies":["web"]}"#),
    field!(delete "policies", Policies),
    field!(read "period", Period),
    field!(write "period", Period, r#"{"token_period":"1h"}"#),
    field!(delete "period", Period),
    field!(read "token-ttl", TokenTtl),
    field!(write "token-ttl", TokenTtl, r#"{"token_ttl":"20m"}"#),
    field!(delete "token-ttl", TokenTtl),
    field!(read "token-max-ttl", TokenMaxTtl),
    field!(write "token-max-ttl", TokenMaxTtl, r#"{"token_max_ttl":"1h"}"#),
    field!(delete "token-max-ttl", TokenMaxTtl),
    field!(read "token-num-uses", TokenNumUses),
    field!(write "token-num-uses", TokenNumUses, r#"{"token_num_uses":5}"#),
    field!(delete "token-num-uses", TokenNumUses),
    field!(read "token-bound-cidrs", TokenBoundCidrs),
    field!(write "token-bound-cidrs", TokenBoundCidrs, r#"{"token_bound_cidrs":["10.0.0.0/8"]}"#),
    field!(delete "token-bound-cidrs", TokenBoundCidrs),
    Route::list("secret-id-list", role!("secret-id"), |params| {
        let role = RoleName::captured(params)?;
        Bound::read(params, |page| Op::ListAccessors { role, page })
    })
    .help("Lists the accessors of a role's secret ids.")
    .clear(&["after", "limit"])
    .clear_answer(&["keys"]),
    Route::write("secret-id-issue", role!("secret-id"), |params| {
        let role = RoleName::captured(params)?;
        Bound::read(params, |fields| Op::Issue { role, fields, custom: None })
    })
    .help("Makes a secret id. It is shown once, now.")
    .clear(SECRET_ID_CLEAR)
    .clear_answer(ISSUED_CLEAR)
    .hashed_answer(&["secret_id"])
    .example(r#"{"metadata":{"host":"web-1"},"num_uses":1,"ttl":"10m"}"#),
    Route::write("secret-id-custom", role!("custom-secret-id"), |params| {
        let role = RoleName::captured(params)?;
        read_two(params, |fields: SecretIdFields, value: SecretIdValue| {
            Ok(Op::Issue { role, fields, custom: Some(value.secret_id) })
        })
    })
    .help("Registers a secret id that the caller chose.")
    .clear(SECRET_ID_CLEAR)
    .clear_answer(ISSUED_CLEAR)
    .hashed_answer(&["secret_id"])
    .example(r#"{"secret_id":"8ce7e6c1-3b32-4b5d-93ba-3b2d1f4f5a2e","ttl":"10m"}"#),
    Route::write("secret-id-lookup", role!("secret-id/lookup"), |params| {
        let role = RoleName::captured(params)?;
        Bound::read(params, |value: SecretIdValue| Op::LookupSecretId { role, secret_id: value.secret_id })
    })
    .help("Reads what is known of a secret id; answers nothing if the role has none such.")
    .clear_answer(SECRET_ID_VIEW_CLEAR)
    .example(r#"{"secret_id":"ed0a642f-2acf-c2da-232f-1b21300d5f29"}"#),
    Route::write("secret-id-destroy", role!("secret-id/destroy"), bind_destroy_secret_id)
        .help("Destroys a secret id. Tokens that it made live on.")
        .example(r#"{"secret_id":"ed0a642f-2acf-c2da-232f-1b21300d5f29"}"#),
    Route::delete("secret-id-destroy-delete", role!("secret-id/destroy"), bind_destroy_secret_id)
        .help("Destroys a secret id. Tokens that it made live on."),
    Route::write("secret-id-accessor-lookup", role!("secret-id-accessor/lookup"), |params| {
        let role = RoleName::captured(params)?;
        Bound::read(params, |a: AccessorValue| Op::LookupAccessor { role, accessor: a.secret_id_accessor })
    })
    .help("Reads what is known of the secret id with an accessor.")
    .clear(&["secret_id_accessor"])
    .clear_answer(SECRET_ID_VIEW_CLEAR)
    .example(r#"{"secret_id_accessor":"84896a0c-1347-aa90-a4f6-aca8b7558780"}"#),
    Route::write("secret-id-accessor-destroy", role!("secret-id-accessor/destroy"), bind_destroy_accessor)
        .help("Destroys the secret id with an accessor. Tokens that it made live on.")
        .clear(&["secret_id_accessor"])
        .example(r#"{"secret_id_accessor":"84896a0c-1347-aa90-a4f6-aca8b7558780"}"#),
    Route::delete("secret-id-accessor-destroy-delete", role!("secret-id-accessor/destroy"), bind_destroy_accessor)
        .help("Destroys the secret id with an accessor. Tokens that it made live on.")
        .clear(&["secret_id_accessor"]),
    Route::write("tidy-secret-id", "tidy/secret-id", |params| Bound::plain(params, Op::Tidy)).status(202).help(
        "Removes expired secret ids. They open nothing even before, and are removed along with other changes too.",
    ),
];

/// Members of role requests and answers that the log keeps in clear. The role id is not among them.
const ROLE_CLEAR: &[&str] = &[
    "bind_secret_id",
    "secret_id_bound_cidrs",
    "bound_cidr_list",
    "secret_id_num_uses",
    "secret_id_ttl",
    "local_secret_ids",
    "policies",
    "period",
    "token_policies",
    "token_ttl",
    "token_max_ttl",
    "token_explicit_max_ttl",
    "token_period",
    "token_num_uses",
    "token_no_default_policy",
    "token_bound_cidrs",
    "token_type",
];
const SECRET_ID_CLEAR: &[&str] = &["cidr_list", "token_bound_cidrs", "num_uses", "ttl"];
const ISSUED_CLEAR: &[&str] = &["secret_id_accessor", "secret_id_ttl", "secret_id_num_uses"];
const SECRET_ID_VIEW_CLEAR: &[&str] = &[
    "secret_id_accessor",
    "secret_id_ttl",
    "secret_id_num_uses",
    "creation_time",
    "expiration_time",
    "last_updated_time",
    "cidr_list",
    "token_bound_cidrs",
];

fn bind_destroy_secret_id(params: &Params) -> Result<Bound<Op>, Error> {
    let role = RoleName::captured(params)?;
    Bound::read(params, |value: SecretIdValue| Op::DestroySecretId { role, secret_id: value.secret_id })
}

fn bind_destroy_accessor(params: &Params) -> Result<Bound<Op>, Error> {
    let role = RoleName::captured(params)?;
    Bound::read(params, |value: AccessorValue| Op::DestroyAccessor { role, accessor: value.secret_id_accessor })
}

/// A request that sets one field: the field must be there, and every other member is unknown.
fn bind_field(params: &Params, field: Field) -> Result<Bound<Op>, Error> {
    let role = RoleName::captured(params)?;
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        params.names().into_iter().partition(|name| field.names().contains(name));
    if known.is_empty() {
        return Err(Error::invalid(format!("missing `{}`", field.names()[0])));
    }
    let (fields, token) = field.alone(params.read::<RoleFields>()?.value, params.read::<TokenFields>()?.value);
    let op = Op::WriteField { role, fields: Box::new(fields), token: Box::new(token) };
    Ok(Bound { op, unknown: unknown.into_iter().map(str::to_owned).collect() })
}

/// A field of a role that has its own path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    RoleId,
    LocalSecretIds,
    BindSecretId,
    SecretIdBoundCidrs,
    /// The same field under its older name.
    BoundCidrList,
    SecretIdNumUses,
    SecretIdTtl,
    Policies,
    Period,
    TokenTtl,
    TokenMaxTtl,
    TokenNumUses,
    TokenBoundCidrs,
}

impl Field {
    /// Members that set it; the first is the one to name.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::RoleId => &["role_id"],
            Self::LocalSecretIds => &["local_secret_ids"],
            Self::BindSecretId => &["bind_secret_id"],
            Self::SecretIdBoundCidrs => &["secret_id_bound_cidrs"],
            Self::BoundCidrList => &["bound_cidr_list"],
            Self::SecretIdNumUses => &["secret_id_num_uses"],
            Self::SecretIdTtl => &["secret_id_ttl"],
            Self::Policies => &["token_policies", "policies"],
            Self::Period => &["token_period", "period"],
            Self::TokenTtl => &["token_ttl"],
            Self::TokenMaxTtl => &["token_max_ttl"],
            Self::TokenNumUses => &["token_num_uses"],
            Self::TokenBoundCidrs => &["token_bound_cidrs"],
        }
    }

    /// Drops what does not belong to this field.
    fn alone(self, all: RoleFields, token: TokenFields) -> (RoleFields, TokenFields) {
        let (mut fields, mut kept) = (RoleFields::default(), TokenFields::default());
        match self {
            Self::RoleId => fields.role_id = all.role_id,
            Self::LocalSecretIds => fields.local_secret_ids = all.local_secret_ids,
            Self::BindSecretId => fields.bind_secret_id = all.bind_secret_id,
            Self::SecretIdBoundCidrs => fields.secret_id_bound_cidrs = all.secret_id_bound_cidrs,
            Self::BoundCidrList => fields.bound_cidr_list = all.bound_cidr_list,
            Self::SecretIdNumUses => fields.secret_id_num_uses = all.secret_id_num_uses,
            Self::SecretIdTtl => fields.secret_id_ttl = all.secret_id_ttl,
            Self::Policies => (fields.policies, kept.token_policies) = (all.policies, token.token_policies),
            Self::Period => (fields.period, kept.token_period) = (all.period, token.token_period),
            Self::TokenTtl => kept.token_ttl = token.token_ttl,
            Self::TokenMaxTtl => kept.token_max_ttl = token.token_max_ttl,
            Self::TokenNumUses => kept.token_num_uses = token.token_num_uses,
            Self::TokenBoundCidrs => kept.token_bound_cidrs = token.token_bound_cidrs,
        }
        (fields, kept)
    }
}

/// A role's own fields as a request brings them; `None` leaves what is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RoleFields {
    pub role_id: Option<String>,
    pub bind_secret_id: Option<loose::Flag>,
    pub secret_id_bound_cidrs: Option<loose::List>,
    pub bound_cidr_list: Option<loose::List>,
    pub secret_id_num_uses: Option<loose::Int>,
    pub secret_id_ttl: Option<loose::Duration>,
    pub local_secret_ids: Option<loose::Flag>,
    pub policies: Option<loose::List>,
    pub period: Option<loose::Duration>,
}

/// What a new secret id shall be.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SecretIdFields {
    pub metadata: Option<loose::Pairs>,
    pub cidr_list: Option<loose::List>,
    pub token_bound_cidrs: Option<loose::List>,
    pub num_uses: Option<loose::Int>,
    pub ttl: Option<loose::Duration>,
}

#[derive(Deserialize)]
struct SecretIdValue {
    secret_id: SecretText,
}

#[derive(Deserialize)]
struct AccessorValue {
    secret_id_accessor: String,
}

/// What is missing is as wrong as what is wrong, and answered like it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginFields {
    role_id: SecretText,
    secret_id: SecretText,
}

/// A role as reads show it: all of it, or one field.
#[derive(Default, Serialize)]
pub struct RoleView {
    #[serde(skip_serializing_if = "Option::is_none")]
    role_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_secret_id: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_secret_ids: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_cidr_list: Option<Vec<String>>,
    /// `null` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id_bound_cidrs: Option<Option<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id_num_uses: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    #[serde(flatten)]
    token: TokenView,
}

impl RoleView {
    #[must_use]
    pub fn of(role: &Role) -> Self {
        Self {
            bind_secret_id: Some(role.bind_secret_id),
            local_secret_ids: Some(role.local_secret_ids),
            secret_id_bound_cidrs: Some(networks(role)),
            secret_id_num_uses: Some(role.secret_id_num_uses),
            secret_id_ttl: Some(seconds(role.secret_id_ttl_s)),
            policies: role.legacy_policies.then(|| role.terms.policies.clone()),
            period: role.legacy_period.then(|| seconds(role.terms.period_s)),
            token: TokenView::of(&role.terms),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn only(field: Field, role: &Role) -> Self {
        let (all, mut out) = (Self::of(role), Self::default());
        match field {
            Field::RoleId => out.role_id = Some(role.role_id.clone()),
            Field::LocalSecretIds => out.local_secret_ids = all.local_secret_ids,
            Field::BindSecretId => out.bind_secret_id = all.bind_secret_id,
            Field::SecretIdBoundCidrs => out.secret_id_bound_cidrs = all.secret_id_bound_cidrs,
            Field::BoundCidrList => out.bound_cidr_list = Some(role.secret_id_bound_cidrs.clone()),
            Field::SecretIdNumUses => out.secret_id_num_uses = all.secret_id_num_uses,
            Field::SecretIdTtl => out.secret_id_ttl = all.secret_id_ttl,
            Field::Policies => (out.policies, out.token.token_policies) = (all.policies, all.token.token_policies),
            Field::Period => (out.period, out.token.token_period) = (all.period, all.token.token_period),
            Field::TokenTtl => out.token.token_ttl = all.token.token_ttl,
            Field::TokenMaxTtl => out.token.token_max_ttl = all.token.token_max_ttl,
            Field::TokenNumUses => out.token.token_num_uses = all.token.token_num_uses,
            Field::TokenBoundCidrs => out.token.token_bound_cidrs = all.token.token_bound_cidrs,
        }
        out
    }
}

fn networks(role: &Role) -> Option<Vec<String>> {
    (!role.secret_id_bound_cidrs.is_empty()).then(|| role.secret_id_bound_cidrs.clone())
}

/// A secret id that was just made; the only answer that holds one.
#[derive(Serialize)]
pub struct IssuedView<'a> {
    secret_id: &'a str,
    secret_id_accessor: &'a str,
    secret_id_num_uses: u64,
    secret_id_ttl: u64,
}

impl<'a> IssuedView<'a> {
    #[must_use]
    pub fn of(secret_id: &'a SecretText, secret: &'a SecretId) -> Self {
        Self {
            secret_id: secret_id.expose(),
            secret_id_accessor: &secret.accessor,
            secret_id_num_uses: secret.uses_left.unwrap_or(0),
            secret_id_ttl: seconds(secret.ttl_s),
        }
    }
}

/// What is known of a secret id.
#[derive(Serialize)]
pub struct SecretIdView<'a> {
    secret_id_accessor: &'a str,
    secret_id_num_uses: u64,
    secret_id_ttl: u64,
    creation_time: String,
    expiration_time: String,
    last_updated_time: String,
    metadata: &'a BTreeMap<String, String>,
    cidr_list: &'a [String],
    token_bound_cidrs: &'a [String],
}

impl<'a> SecretIdView<'a> {
    #[must_use]
    pub fn of(secret: &'a SecretId) -> Self {
        Self {
            secret_id_accessor: &secret.accessor,
            secret_id_num_uses: secret.uses_left.unwrap_or(0),
            secret_id_ttl: seconds(secret.ttl_s),
            creation_time: secret.created.rfc3339(),
            // Go's zero time, which clients read as "never".
            expiration_time: secret.expires.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339),
            last_updated_time: secret.updated.rfc3339(),
            metadata: &secret.metadata,
            cidr_list: &secret.cidr_list,
            token_bound_cidrs: &secret.token_bound_cidrs,
        }
    }
}
