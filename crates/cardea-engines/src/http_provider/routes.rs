//! The table of routes, how a request becomes an operation, and how a declaration is shown. It must never depend on state,
//! and no form may carry the provider's credential.

use super::model::{Create, Find, Provider, Revoke, Test, Used};
use super::ops::Change;
use cardea_model::loose::Pairs;
use cardea_model::rotation::RotationFailureClass;
use cardea_model::{Error, Payload, SecretText};
use cardea_sdk::named::{Named, Page};
use cardea_sdk::{Bound, Route};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a mount of `http-provider` can be asked.
#[derive(Debug)]
pub enum Op {
    Read(String),
    Write(String, Box<Change>),
    Delete(String),
    List(Page),
}

pub static ROUTES: &[Route<Op>] = &[
    Route::list("config-list", "config", |p| Bound::read(p, Op::List))
        .clear(&["after", "limit"])
        .help("Names of the declared providers."),
    Route::read("config-read", "config/{name}", |p| Bound::read(p, |named: Named| Op::Read(named.name)))
        .help("A declaration, without its credential."),
    Route::write("config-write", "config/{name}", |p| Bound::try_read(p, write))
        .upsert()
        .clear(&["address", "id_member", "value_member"])
        .help("Declares how keys are made, tried and revoked at a provider. What is left out stays; an empty `find` or `used` removes it.")
        .example(
            r#"{"address": "https://api.example", "admin_token": "the provider's own", "headers": {"authorization": "Bearer {{admin_token}}"}, "create": {"request": {"method": "POST", "path": "/v1/users/{{username}}/keys", "json": {"label": "{{token}}"}}, "id": "/id", "value": "/key"}, "test": {"request": {"method": "GET", "path": "/v1/me", "headers": {"authorization": "Bearer {{value}}"}}}, "revoke": {"request": {"method": "DELETE", "path": "/v1/users/{{username}}/keys/{{id}}"}}, "find": {"request": {"method": "GET", "path": "/v1/users/{{username}}/keys"}, "items": "/keys", "id": "/id", "label": "/label"}}"#,
        ),
    Route::delete("config-delete", "config/{name}", |p| Bound::read(p, |named: Named| Op::Delete(named.name)))
        .help("Forgets a declaration; keys that were made by it stay at the provider."),
];

#[derive(Deserialize)]
struct WriteInput {
    name: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    ca_pem: Option<String>,
    #[serde(default)]
    admin_token: Option<SecretText>,
    #[serde(default)]
    headers: Option<Pairs>,
    #[serde(default)]
    create: Option<Payload>,
    #[serde(default)]
    test: Option<Payload>,
    #[serde(default)]
    revoke: Option<Payload>,
    #[serde(default)]
    find: Option<Payload>,
    #[serde(default)]
    used: Option<Payload>,
    #[serde(default)]
    id_member: Option<String>,
    #[serde(default)]
    value_member: Option<String>,
    #[serde(default)]
    failures: Option<Pairs>,
}

fn write(input: WriteInput) -> Result<Op, Error> {
    let failures = input.failures.map(|Pairs(pairs)| {
        let read = pairs.into_iter().map(|(status, word)| class(&word).map(|class| (status, class)));
        read.collect::<Result<BTreeMap<_, _>, Error>>()
    });
    let change = Change {
        address: input.address,
        ca_pem: input.ca_pem,
        admin_token: input.admin_token,
        headers: input.headers.map(|Pairs(pairs)| pairs),
        create: input.create,
        test: input.test,
        revoke: input.revoke,
        find: input.find,
        used: input.used,
        id_member: input.id_member,
        value_member: input.value_member,
        failures: failures.transpose()?,
    };
    Ok(Op::Write(input.name, Box::new(change)))
}

fn class(word: &str) -> Result<RotationFailureClass, Error> {
    RotationFailureClass::parse(word).ok_or_else(|| {
        Error::invalid("field `failures` has a value that is not source-down, value-refused or rotator-refused")
    })
}

/// A declaration as READ shows it.
#[derive(Serialize)]
pub struct Form<'p> {
    address: &'p str,
    ca_pem: &'p str,
    headers: &'p BTreeMap<String, String>,
    create: &'p Create,
    test: &'p Test,
    revoke: &'p Revoke,
    find: Option<&'p Find>,
    used: Option<&'p Used>,
    id_member: &'p str,
    value_member: &'p str,
    failures: &'p BTreeMap<String, RotationFailureClass>,
}

pub fn form(provider: &Provider) -> Form<'_> {
    Form {
        address: &provider.address,
        ca_pem: &provider.ca_pem,
        headers: &provider.headers,
        create: &provider.create,
        test: &provider.test,
        revoke: &provider.revoke,
        find: provider.find.as_ref(),
        used: provider.used.as_ref(),
        id_member: &provider.id_member,
        value_member: &provider.value_member,
        failures: &provider.failures,
    }
}
