//! One function an operation. A declaration is checked whole before it is stored; nothing here talks to a provider.

use super::declaration::Requests;
use super::model::{Create, Find, Provider, Revoke, Test, Used};
use cardea_model::rotation::RotationFailureClass;
use cardea_model::{Error, Payload, SecretText};
use cardea_sdk::Context;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Members of a secret where a declaration names none.
const ID_MEMBER: &str = "key_id";
const VALUE_MEMBER: &str = "key";

/// Wanted parts of a declaration; `None` leaves what is there. A part is replaced whole.
#[derive(Debug, Default)]
pub struct Change {
    pub address: Option<String>,
    pub ca_pem: Option<String>,
    pub admin_token: Option<SecretText>,
    pub headers: Option<BTreeMap<String, String>>,
    pub create: Option<Payload>,
    pub test: Option<Payload>,
    pub revoke: Option<Payload>,
    /// An empty one removes it.
    pub find: Option<Payload>,
    /// An empty one removes it.
    pub used: Option<Payload>,
    pub id_member: Option<String>,
    pub value_member: Option<String>,
    pub failures: Option<BTreeMap<String, RotationFailureClass>>,
}

/// # Errors
/// A part is missing or wrong; the words name it.
pub async fn write(cx: &mut Context<'_>, name: &str, change: &Change) -> Result<(), Error> {
    let before = cx.state.get::<Provider>(name).await?;
    let provider = changed(before, change)?;
    Requests::of(&provider)?;
    cx.state.put(name, &provider)
}

fn changed(before: Option<Provider>, change: &Change) -> Result<Provider, Error> {
    let missing = |field: &str| Error::invalid(format!("field `{field}` is missing"));
    let (create, test, revoke) = (
        part::<Create>("create", change.create.as_ref())?,
        part::<Test>("test", change.test.as_ref())?,
        part::<Revoke>("revoke", change.revoke.as_ref())?,
    );
    let find = match &change.find {
        Some(given) if is_empty(given) => Some(None),
        given => part::<Find>("find", given.as_ref())?.map(Some),
    };
    let used = match &change.used {
        Some(given) if is_empty(given) => Some(None),
        given => part::<Used>("used", given.as_ref())?.map(Some),
    };
    let mut provider = match before {
        Some(mut provider) => {
            // Otherwise who may change a declaration would have a credential that nobody is shown sent to himself.
            let leads = |given: &Option<String>, known: &str| given.as_ref().is_none_or(|given| given == known);
            let same = leads(&change.address, &provider.address) && leads(&change.ca_pem, &provider.ca_pem);
            if !same && change.admin_token.is_none() && !provider.admin_token.is_empty() {
                let words = "field `admin_token` is to be given again where `address` or `ca_pem` changes";
                return Err(Error::invalid(words));
            }
            provider.create = create.unwrap_or(provider.create);
            provider.test = test.unwrap_or(provider.test);
            provider.revoke = revoke.unwrap_or(provider.revoke);
            provider
        }
        None => Provider {
            address: String::new(),
            ca_pem: String::new(),
            admin_token: SecretText::default(),
            headers: BTreeMap::new(),
            create: create.ok_or_else(|| missing("create"))?,
            test: test.ok_or_else(|| missing("test"))?,
            revoke: revoke.ok_or_else(|| missing("revoke"))?,
            find: None,
            used: None,
            id_member: ID_MEMBER.to_owned(),
            value_member: VALUE_MEMBER.to_owned(),
            failures: BTreeMap::new(),
        },
    };
    if let Some(token) = &change.admin_token {
        provider.admin_token = token.duplicate();
    }
    provider.find = find.unwrap_or(provider.find);
    provider.used = used.unwrap_or(provider.used);
    set(&mut provider.address, &change.address);
    set(&mut provider.ca_pem, &change.ca_pem);
    set(&mut provider.headers, &change.headers);
    set(&mut provider.id_member, &change.id_member);
    set(&mut provider.value_member, &change.value_member);
    set(&mut provider.failures, &change.failures);
    Ok(provider)
}

fn set<T: Clone>(field: &mut T, wanted: &Option<T>) {
    if let Some(wanted) = wanted {
        field.clone_from(wanted);
    }
}

fn is_empty(given: &Payload) -> bool {
    given.read::<BTreeMap<String, Payload>>().is_ok_and(|members| members.is_empty())
}

/// A part of a declaration. The words of an error have names that this file's types know, and nothing else of what was sent.
fn part<T: DeserializeOwned>(field: &str, given: Option<&Payload>) -> Result<Option<T>, Error> {
    let Some(given) = given else { return Ok(None) };
    serde_json::from_str(given.text()).map(Some).map_err(|error| {
        let words = error.to_string();
        let known =
            words.rsplit_once("expected ").map(|(_, known)| known.split(" at line ").next().unwrap_or_default());
        let missing = words.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        Error::invalid(match (missing, words.starts_with("unknown field"), known) {
            (Some(name), ..) => format!("field `{field}` has no `{name}`"),
            (None, true, Some(known)) => format!("field `{field}` has a member that is not known: it may have {known}"),
            _ => format!("field `{field}` has a member of the wrong type or form"),
        })
    })
}
