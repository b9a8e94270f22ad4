//! What a declaration has to be, and the requests that it makes. It must never let one in by which a key could be lost: what
//! a provider made is found again by its own memory of the request, or in its list of keys.

use super::model::Provider;
use super::pointer;
use super::request::{Names, Request, header_name};
use super::template::{Fillings, Name, Position, Template};
use cardea_model::{Error, SecretText};
use cardea_sdk::call::Address;
use std::collections::BTreeMap;

/// Longest PEM of authorities in bytes.
const CA_BYTES_MAX: usize = 64 * 1024;
/// Most statuses in one list.
const STATUSES_MAX: usize = 16;
/// Longest name of a member of the secret, in bytes.
const MEMBER_BYTES_MAX: usize = 128;
/// How long a provider may be said to remember a request, in seconds: from a minute to a year.
const VALID_S: std::ops::RangeInclusive<u64> = 60..=366 * 86_400;
/// Within which time a use counts, in seconds: from more than the pause between two looks to a month.
const WITHIN_S: std::ops::RangeInclusive<u64> = 60..=31 * 86_400;

const CREATE: Names = Names {
    target: &[Name::Token, Name::Username, Name::Path],
    rest: &[Name::Token, Name::Username, Name::Path, Name::AdminToken],
};
const FIND: Names = CREATE;
const NEXT: &[Name] = &[Name::Token, Name::Username, Name::Path, Name::Cursor];
const TEST: Names =
    Names { target: &[Name::Id, Name::Username], rest: &[Name::Id, Name::Username, Name::Value, Name::Basic] };
const REVOKE: Names =
    Names { target: &[Name::Id, Name::Username], rest: &[Name::Id, Name::Username, Name::AdminToken] };
const USED: Names = REVOKE;
const LABEL: &[Name] = &[Name::Token, Name::Username, Name::Path];

/// The requests of a provider.
pub struct Requests {
    pub address: Address,
    pub create: Request,
    pub test: Request,
    pub revoke: Request,
    pub find: Option<Finding>,
    pub used: Option<Request>,
}

/// The requests of its list.
pub struct Finding {
    pub first: Request,
    pub next: Option<Request>,
    label: Template,
}

impl Finding {
    /// What the label of a key has to be.
    ///
    /// # Errors
    /// A value that cannot stand in a label.
    pub fn label(&self, fillings: &Fillings<'_>) -> Result<SecretText, Error> {
        self.label.fill(fillings)
    }
}

impl Requests {
    /// Checks a whole declaration.
    ///
    /// # Errors
    /// What is wrong with it; the words name the field and show no value.
    pub fn of(provider: &Provider) -> Result<Self, Error> {
        let address = Address::parse("address", &provider.address)?;
        if provider.ca_pem.len() > CA_BYTES_MAX {
            return Err(Error::invalid(format!("field `ca_pem` is over {CA_BYTES_MAX} bytes")));
        }
        let common = Some(&provider.headers);
        let create = Request::parse("create.request", &provider.create.request, common, CREATE)?;
        let test = Request::parse("test.request", &provider.test.request, None, TEST)?;
        let revoke = Request::parse("revoke.request", &provider.revoke.request, common, REVOKE)?;
        let find = match &provider.find {
            Some(find) => {
                let first = Request::parse("find.request", &find.request, common, FIND)?;
                let next = match &find.next {
                    Some(next) => {
                        pointer::check("find.next.cursor", &next.cursor)?;
                        let again = Request::parse("find.request", &find.request, common, FIND)?;
                        Some(again.at("find.next.path", &next.path, NEXT)?)
                    }
                    None => None,
                };
                let label = Template::parse("find.label_is", &find.label_is, Position::Header, LABEL)?;
                if !label.has(Name::Token) {
                    return Err(Error::invalid(
                        "field `find.label_is` has no {{token}}: keys of other changes have that label",
                    ));
                }
                if next.as_ref().is_some_and(|next| !next.has(Name::Cursor)) {
                    return Err(Error::invalid("field `find.next.path` has no {{cursor}}"));
                }
                Some(Finding { first, next, label })
            }
            None => None,
        };
        let used = provider.used.as_ref();
        let used = used.map(|used| Request::parse("used.request", &used.request, common, USED)).transpose()?;
        let requests = Self { address, create, test, revoke, find, used };
        requests.check(provider)?;
        Ok(requests)
    }

    fn check(&self, provider: &Provider) -> Result<(), Error> {
        match (&provider.create.idempotency, &self.find) {
            (None, None) => {
                return Err(Error::invalid(
                    "fields `create.idempotency` and `find` are both missing: a key whose answer was lost could not be found again",
                ));
            }
            (None, Some(_)) if !self.create.has(Name::Token) => {
                return Err(Error::invalid("field `create.request` has no {{token}}: `find` would find nothing"));
            }
            _ => {}
        }
        if let Some(idempotency) = &provider.create.idempotency {
            header_name("create.idempotency.header", &idempotency.header)?;
            if !VALID_S.contains(&idempotency.valid_s) {
                return Err(Error::invalid("field `create.idempotency.valid_s` is not from 60 to 31622400"));
            }
        }
        if !self.revoke.says(Name::Id) {
            return Err(Error::invalid("field `revoke.request` has no {{id}} in its path or body"));
        }
        if !self.test.has(Name::Value) && !self.test.has(Name::Basic) {
            return Err(Error::invalid(
                "field `test.request` has neither {{value}} nor {{basic}}: it would test nothing",
            ));
        }
        if let (Some(used), Some(request)) = (&provider.used, &self.used) {
            if !request.says(Name::Id) {
                return Err(Error::invalid("field `used.request` has no {{id}} in its path or body"));
            }
            pointer::check("used.at", &used.at)?;
            if !WITHIN_S.contains(&used.within_s) {
                return Err(Error::invalid("field `used.within_s` is not from 60 to 2678400"));
            }
        }
        let find = self.find.as_ref().map(|find| &find.first);
        let asks_for_token = [Some(&self.create), Some(&self.revoke), find, self.used.as_ref()];
        // Where it could never be sent, no rotation is to find that out.
        let fits = provider.admin_token.expose().bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !fits && asks_for_token.into_iter().flatten().any(|ask| ask.heads(Name::AdminToken)) {
            return Err(Error::invalid("field `admin_token` has a character that no header can have"));
        }
        if provider.admin_token.is_empty() && asks_for_token.into_iter().flatten().any(|ask| ask.has(Name::AdminToken))
        {
            return Err(Error::invalid("field `admin_token` is missing: a request has its place"));
        }
        let no_headers = BTreeMap::new();
        for (field, headers) in [
            ("headers", &provider.headers),
            ("create.request.headers", &provider.create.request.headers),
            ("revoke.request.headers", &provider.revoke.request.headers),
            ("used.request.headers", provider.used.as_ref().map_or(&no_headers, |used| &used.request.headers)),
        ] {
            let open =
                |(name, text): (&String, &String)| name.eq_ignore_ascii_case("authorization") && !text.contains("{{");
            if headers.iter().any(open) {
                return Err(Error::invalid(format!(
                    "field `{field}` has a credential that readers would see: say {{{{admin_token}}}}"
                )));
            }
        }
        pointer::check("create.id", &provider.create.id)?;
        pointer::check("create.value", &provider.create.value)?;
        if let Some(find) = &provider.find {
            for (field, text) in [("find.items", &find.items), ("find.id", &find.id), ("find.label", &find.label)] {
                pointer::check(field, text)?;
            }
        }
        check_statuses(provider)?;
        let members = [&provider.id_member, &provider.value_member];
        let bad = |name: &&String| name.is_empty() || name.len() > MEMBER_BYTES_MAX || *name == "username";
        if members.iter().any(bad) || members[0] == members[1] {
            return Err(Error::invalid(
                "fields `id_member` and `value_member` are two names of members, none of them empty, over 128 bytes or `username`",
            ));
        }
        Ok(())
    }
}

fn check_statuses(provider: &Provider) -> Result<(), Error> {
    let none: &[u16] = &[];
    let find = provider.find.as_ref().map_or(none, |find| find.success.as_slice());
    let used = provider.used.as_ref().map_or(none, |used| used.success.as_slice());
    for (field, statuses) in [
        ("create.success", provider.create.success.as_slice()),
        ("test.works", &provider.test.works),
        ("test.refused", &provider.test.refused),
        ("revoke.success", &provider.revoke.success),
        ("revoke.gone", &provider.revoke.gone),
        ("find.success", find),
        ("used.success", used),
    ] {
        let may_be_empty = matches!(field, "test.refused" | "revoke.gone")
            || (field == "find.success" && provider.find.is_none())
            || (field == "used.success" && provider.used.is_none());
        let is_answer = |status: &u16| matches!(*status, 200..=299 | 400..=599);
        if (statuses.is_empty() && !may_be_empty) || statuses.len() > STATUSES_MAX || !statuses.iter().all(is_answer) {
            return Err(Error::invalid(format!("field `{field}` is no list of statuses (200 to 299, 400 to 599)")));
        }
    }
    if provider.test.works.iter().any(|status| provider.test.refused.contains(status)) {
        return Err(Error::invalid("fields `test.works` and `test.refused` share a status"));
    }
    let known = |text: &String| text.len() == 3 && text.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
    if !provider.failures.keys().all(known) {
        return Err(Error::invalid("field `failures` has a name that is no status from 400 to 599"));
    }
    Ok(())
}
