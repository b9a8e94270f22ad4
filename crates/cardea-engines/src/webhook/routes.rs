//! The table of routes, how a request becomes an operation, and how a webhook is shown. It must never depend on state, and no
//! form may carry the secret of the signature.

use super::model::Hook;
use super::ops::Change;
use cardea_model::SecretText;
use cardea_sdk::named::{Named, Page};
use cardea_sdk::{Bound, Route};
use serde::{Deserialize, Serialize};

/// Everything that a mount of `webhook` can be asked.
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
        .help("Names of the configured webhooks."),
    Route::read("config-read", "config/{name}", |p| Bound::read(p, |named: Named| Op::Read(named.name)))
        .help("A webhook, without the secret of its signature."),
    Route::write("config-write", "config/{name}", |p| Bound::read(p, write))
        .upsert()
        .clear(&["address"])
        .help("Configures who is asked for the steps of a rotation. What is left out stays. Who changes where it leads gives the stored secret again, or has sudo; another secret takes sudo.")
        .example(
            r#"{"address": "https://rotate.example/cardea", "secret": "at least 32 characters, better random ones"}"#,
        ),
    Route::delete("config-delete", "config/{name}", |p| Bound::read(p, |named: Named| Op::Delete(named.name)))
        .help("Forgets a webhook; secrets that name it do not rotate any more."),
];

#[derive(Deserialize)]
struct WriteInput {
    name: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    ca_pem: Option<String>,
    #[serde(default)]
    secret: Option<SecretText>,
}

fn write(input: WriteInput) -> Op {
    let change = Change { address: input.address, ca_pem: input.ca_pem, secret: input.secret };
    Op::Write(input.name, Box::new(change))
}

/// A webhook as READ shows it.
#[derive(Serialize)]
pub struct Form<'h> {
    address: &'h str,
    ca_pem: &'h str,
}

pub fn form(hook: &Hook) -> Form<'_> {
    Form { address: &hook.address, ca_pem: &hook.ca_pem }
}
