//! The table of routes, how a request becomes an operation, and the forms in which Vault's clients know the answers.
//! It must never depend on state, and no form may carry a password but the one of new credentials.

use super::model::{Config, Credential, Role};
use super::ops::{ConfigChange, RoleChange};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardea_model::loose::{self, Flag, Int, List};
use cardea_model::time::go_duration;
use cardea_model::{Action, Error, SecretText, TtlSeconds};
use cardea_sdk::named::{Named, Page};
use cardea_sdk::{Bound, Route};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything that a mount of `database` can be asked.
#[derive(Debug)]
pub enum Op {
    ConfigRead(String),
    ConfigWrite(String, Box<ConfigChange>),
    ConfigDelete(String),
    ConfigList(Page),
    Reset(String),
    RotateRoot(String),
    RoleRead(String),
    RoleWrite(String, Box<RoleChange>),
    RoleDelete(String),
    RoleList(Page),
    Credentials(String),
}

pub static ROUTES: &[Route<Op>] = &[
    Route::list("config-list", "config", |p| Bound::read(p, Op::ConfigList))
        .clear(&["after", "limit"])
        .help("Names of the configured connections."),
    Route::read("config-read", "config/{name}", |p| Bound::read(p, |named: Named| Op::ConfigRead(named.name)))
        .help("Settings of a connection, without its password."),
    Route::write("config-write", "config/{name}", |p| Bound::try_read(p, config_write))
        .upsert()
        .clear(&[
            "plugin_name",
            "allowed_roles",
            "verify_connection",
            "username",
            "password_policy",
            "username_template",
            "max_open_connections",
            "max_idle_connections",
            "max_connection_lifetime",
            "password_authentication",
        ])
        .help("Configures a connection, after it was tried out unless verify_connection is false.")
        .example(
            r#"{"plugin_name": "postgresql-database-plugin", "allowed_roles": "app", "username": "cardea", "password": "…", "connection_url": "postgresql://{{username}}:{{password}}@db.example:5432/app?sslmode=verify-full"}"#,
        ),
    Route::delete("config-delete", "config/{name}", |p| Bound::read(p, |named: Named| Op::ConfigDelete(named.name)))
        .help("Forgets a connection; users that it made can then not be revoked."),
    Route::write("reset", "reset/{name}", |p| Bound::read(p, |named: Named| Op::Reset(named.name)))
        .help("Closes the open connections; the next use connects anew."),
    Route::write("rotate-root", "rotate-root/{name}", |p| Bound::read(p, |named: Named| Op::RotateRoot(named.name)))
        .help("Gives Cardea's own user at the source a new password that nobody sees."),
    Route::list("role-list", "roles", |p| Bound::read(p, Op::RoleList))
        .clear(&["after", "limit"])
        .help("Names of the roles."),
    Route::read("role-read", "roles/{name}", |p| Bound::read(p, |named: Named| Op::RoleRead(named.name)))
        .help("A role: its statements and spans."),
    Route::write("role-write", "roles/{name}", |p| Bound::try_read(p, role_write))
        .upsert()
        .clear(&["db_name", "default_ttl", "max_ttl", "credential_type"])
        .help("Says how users of a role are made and removed.")
        .example(
            r#"{"db_name": "app", "default_ttl": "1h", "max_ttl": "24h", "creation_statements": "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE readers"}"#,
        ),
    Route::delete("role-delete", "roles/{name}", |p| Bound::read(p, |named: Named| Op::RoleDelete(named.name)))
        .help("Removes a role; users that it made go on until their end."),
    Route::read("creds-read", "creds/{name}", |p| Bound::read(p, |named: Named| Op::Credentials(named.name)))
        .action(Action::Read)
        .clear_answer(&["username"])
        .hashed_answer(&["password"])
        .help("Makes a user of a role, who lives as long as its lease."),
];

#[derive(Deserialize)]
struct ConfigInput {
    name: String,
    #[serde(default)]
    plugin_name: Option<String>,
    #[serde(default)]
    connection_url: Option<SecretText>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretText>,
    #[serde(default)]
    allowed_roles: Option<List>,
    #[serde(default)]
    verify_connection: Option<Flag>,
    #[serde(default, alias = "root_credentials_rotate_statements")]
    root_rotation_statements: Option<Statements>,
    #[serde(default)]
    password_policy: Option<String>,
    #[serde(default)]
    username_template: Option<String>,
    #[serde(default)]
    max_open_connections: Option<Int>,
    #[serde(default)]
    max_idle_connections: Option<Int>,
    #[serde(default)]
    max_connection_lifetime: Option<loose::Duration>,
    #[serde(default)]
    password_authentication: Option<String>,
    #[serde(default)]
    tls_ca: Option<String>,
    #[serde(default)]
    tls_certificate: Option<String>,
    #[serde(default)]
    private_key: Option<SecretText>,
}

fn config_write(input: ConfigInput) -> Result<Op, Error> {
    let change = ConfigChange {
        plugin_name: input.plugin_name,
        connection_url: input.connection_url,
        username: input.username,
        password: input.password,
        allowed_roles: input.allowed_roles.map(|List(roles)| roles),
        verify: input.verify_connection.is_none_or(|Flag(verify)| verify),
        root_rotation_statements: input.root_rotation_statements.map(|Statements(all)| all),
        password_policy: input.password_policy,
        username_template: input.username_template,
        max_open_connections: input.max_open_connections.map(|Int(number)| number),
        max_idle_connections: input.max_idle_connections.map(|Int(number)| number),
        max_connection_lifetime_s: input.max_connection_lifetime.map(|span| span.0),
        password_authentication: input.password_authentication,
        tls_ca: input.tls_ca,
        tls_certificate: input.tls_certificate,
        private_key: input.private_key,
    };
    Ok(Op::ConfigWrite(input.name, Box::new(change)))
}

#[derive(Deserialize)]
struct RoleInput {
    name: String,
    #[serde(default)]
    db_name: Option<String>,
    #[serde(default)]
    creation_statements: Option<Statements>,
    #[serde(default)]
    revocation_statements: Option<Statements>,
    #[serde(default)]
    renew_statements: Option<Statements>,
    #[serde(default)]
    rollback_statements: Option<Statements>,
    #[serde(default)]
    default_ttl: Option<loose::Duration>,
    #[serde(default)]
    max_ttl: Option<loose::Duration>,
    #[serde(default)]
    credential_type: Option<String>,
}

fn role_write(input: RoleInput) -> Result<Op, Error> {
    if input.credential_type.as_deref().is_some_and(|kind| !matches!(kind, "" | "password")) {
        return Err(Error::invalid("field `credential_type` must be password: no other kind is known"));
    }
    let change = RoleChange {
        db_name: input.db_name,
        creation_statements: input.creation_statements.map(|Statements(all)| all),
        revocation_statements: input.revocation_statements.map(|Statements(all)| all),
        renew_statements: input.renew_statements.map(|Statements(all)| all),
        rollback_statements: input.rollback_statements.map(|Statements(all)| all),
        default_ttl_s: input.default_ttl.map(loose::Duration::none_if_zero),
        max_ttl_s: input.max_ttl.map(loose::Duration::none_if_zero),
    };
    Ok(Op::RoleWrite(input.name, Box::new(change)))
}

/// Statements as clients send them: a list, one text, a text that holds a JSON list, or any of these in base64. Commas
/// and semicolons stay: the plugin knows where a statement ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Statements(pub Vec<String>);

impl Statements {
    fn of_text(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::default();
        }
        if text.trim_start().starts_with('[')
            && let Ok(list) = serde_json::from_str::<Vec<String>>(text)
        {
            return Self::of_list(list);
        }
        // No statement is one word; what is, and decodes to one that is not, was encoded.
        if !text.trim().contains(char::is_whitespace)
            && let Ok(bytes) = STANDARD.decode(text.trim())
            && let Ok(decoded) = String::from_utf8(bytes)
            && decoded.trim().contains(char::is_whitespace)
        {
            return Self::of_text(&decoded);
        }
        Self(vec![text.to_owned()])
    }

    fn of_list(list: Vec<String>) -> Self {
        Self(list.into_iter().filter(|one| !one.trim().is_empty()).collect())
    }
}

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StatementsVisitor;
        impl<'de> Visitor<'de> for StatementsVisitor {
            type Value = Statements;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of statements, or one text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statements, E> {
                Ok(Statements::of_text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Statements, A::Error> {
                let mut list = Vec::new();
                while let Some(one) = seq.next_element::<String>()? {
                    list.push(one);
                }
                Ok(Statements::of_list(list))
            }
        }
        deserializer.deserialize_any(StatementsVisitor)
    }
}

/// A connection as READ shows it.
#[derive(Serialize)]
pub struct ConfigForm<'c> {
    allowed_roles: &'c [String],
    connection_details: Details<'c>,
    password_policy: &'c str,
    plugin_name: &'c str,
    plugin_version: &'static str,
    root_credentials_rotate_statements: &'c [String],
}

#[derive(Serialize)]
struct Details<'c> {
    connection_url: String,
    max_open_connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_idle_connections: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_connection_lifetime: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'c str,
    #[serde(skip_serializing_if = "str::is_empty")]
    username_template: &'c str,
    #[serde(skip_serializing_if = "str::is_empty")]
    password_authentication: &'c str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_ca: &'c str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_certificate: &'c str,
}

pub fn config_form(config: &Config) -> ConfigForm<'_> {
    ConfigForm {
        allowed_roles: &config.allowed_roles,
        connection_details: Details {
            connection_url: redacted(config.connection.url.expose()),
            max_open_connections: config.connection.max_open_connections,
            max_idle_connections: config.max_idle_connections,
            max_connection_lifetime: config.max_connection_lifetime_s.map(|TtlSeconds(s)| go_duration(s)),
            username: &config.connection.username,
            username_template: &config.username_template,
            password_authentication: &config.connection.password_authentication,
            tls_ca: &config.connection.tls_ca,
            tls_certificate: &config.connection.tls_certificate,
        },
        password_policy: &config.password_policy,
        plugin_name: &config.plugin_name,
        plugin_version: "",
        root_credentials_rotate_statements: &config.root_rotation_statements,
    }
}

/// What stands for a password in a text that is shown, as Vault shows it.
const MASK: &str = "*****";
const PLACEHOLDER: &str = "{{password}}";

/// The address without a password that somebody wrote into it. Masks too much rather than too little.
pub fn redacted(url: &str) -> String {
    let mut out = url.to_owned();
    if let Some((scheme, rest)) = url.split_once("://")
        && let Some((user, host)) = rest.rsplit_once('@')
        && let Some((name, password)) = user.split_once(':')
        && password != PLACEHOLDER
    {
        out = format!("{scheme}://{name}:{MASK}@{host}");
    }
    let is_url = out.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !is_url {
        return mask_settings(&out, false);
    }
    // A driver reads escapes in names, too.
    let Some((before, query)) = out.split_once('?') else { return mask_settings(&out, true) };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if name.contains('%') && value != PLACEHOLDER => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    mask_settings(&format!("{before}?{}", pairs.collect::<Vec<_>>().join("&")), true)
}

/// Masks the values of `password=…`, in a query or in a list of settings: only the latter knows blanks, quotes and escapes.
fn mask_settings(text: &str, in_query: bool) -> String {
    const KEY: &str = "password";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(KEY) {
        let (before, found) = rest.split_at(at + KEY.len());
        out.push_str(before);
        rest = found;
        let Some(value) = found.trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start();
        let end = match value.strip_prefix('\'') {
            _ if in_query => value.find('&').unwrap_or(value.len()),
            Some(inner) => quoted_bytes(inner) + 1,
            None => bare_bytes(value),
        };
        if value[..end].trim_matches('\'') == PLACEHOLDER {
            continue;
        }
        out.push('=');
        out.push_str(MASK);
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// Length of a value without quotes: a backslash takes the next character into it.
fn bare_bytes(value: &str) -> usize {
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c.is_whitespace() => return at,
            _ => {}
        }
    }
    value.len()
}

/// Length of a text up to and with its closing quote.
fn quoted_bytes(inner: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    inner.len()
}

/// A role as READ shows it; spans in seconds, 0 for the mount's.
#[derive(Serialize)]
pub struct RoleForm<'r> {
    creation_statements: &'r [String],
    credential_type: &'static str,
    db_name: &'r str,
    default_ttl: u64,
    max_ttl: u64,
    renew_statements: &'r [String],
    revocation_statements: &'r [String],
    rollback_statements: &'r [String],
}

pub fn role_form(role: &Role) -> RoleForm<'_> {
    RoleForm {
        creation_statements: &role.creation_statements,
        credential_type: "password",
        db_name: &role.db_name,
        default_ttl: role.default_ttl_s.unwrap_or_default().0,
        max_ttl: role.max_ttl_s.unwrap_or_default().0,
        renew_statements: &role.renew_statements,
        revocation_statements: &role.revocation_statements,
        rollback_statements: &role.rollback_statements,
    }
}

/// New credentials.
#[derive(Serialize)]
pub struct CredentialForm<'c> {
    password: &'c str,
    username: &'c str,
}

pub fn credential_form(credential: &Credential) -> CredentialForm<'_> {
    CredentialForm { password: credential.password.expose(), username: &credential.username }
}
