//! The table of routes.

use super::Op;
use cardea_model::{Params, SecretText, loose};
use cardea_sdk::route::{Bound, Route};
use serde::Deserialize;

#[derive(Deserialize)]
struct Creds {
    role: String,
    #[serde(default)]
    ttl: Option<loose::Duration>,
    #[serde(default)]
    max_ttl: Option<loose::Duration>,
    #[serde(default)]
    renewable: Option<loose::Flag>,
}

#[derive(Deserialize)]
struct Password {
    name: String,
    password: SecretText,
}

fn creds(params: &Params) -> Result<Bound<Op>, cardea_model::Error> {
    Bound::read(params, |i: Creds| Op::Creds {
        role: i.role,
        ttl: i.ttl.and_then(loose::Duration::none_if_zero),
        max_ttl: i.max_ttl.and_then(loose::Duration::none_if_zero),
        renewable: i.renewable.is_none_or(|flag| flag.0),
    })
}

pub(super) static ROUTES: &[Route<Op>] = &[
    Route::read("creds", "creds/{role}", creds).clear(&["ttl", "max_ttl"]).help("A new credential of the source."),
    Route::write("password", "password/{name}", |p| {
        Bound::read(p, |i: Password| Op::Password { name: i.name, password: i.password })
    })
    .help("Sets a password at the source.")
    .example(r#"{"password": "x"}"#),
];
