//! The provider, as the steps of a rotation need it: a key is made, found, tried and revoked. What came of a call is said by
//! its status alone; bodies of failures are looked at by nobody, since they may repeat what was sent.

use super::declaration::Requests;
use super::model::Provider;
use super::pointer;
use super::request::Request;
use super::template::{Fillings, Name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardea_model::rotation::RotationFailureClass;
use cardea_model::{SecretText, Timestamp, TtlSeconds};
use cardea_sdk::call::{Call, HttpAnswer, HttpCall};
use cardea_sdk::rotation::RotationError;
use cardea_sdk::{ExternalError, OutsideContext};
use zeroize::Zeroizing;

/// Pages of a list that are read: with a hundred keys a page, two thousand.
const PAGES_MAX: usize = 20;
/// Keys of one token that are revoked in one step: each is one call, and a step has little time.
const FOUND_MAX: usize = 2;
/// Longest id of a key, in bytes.
const ID_BYTES_MAX: usize = 512;
/// Longest key, in bytes: of the size of a private key with its certificates.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// A number from here on is one of milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// A key as the provider names it.
pub struct Key {
    pub id: SecretText,
    pub value: SecretText,
}

/// The change that a key is made for.
pub struct For<'f> {
    /// What the key is found again by.
    pub token: &'f str,
    pub username: &'f str,
    pub path: &'f str,
}

/// One provider, during one step.
pub struct Source<'s, 'c> {
    pub call: &'s dyn Call,
    pub cx: &'s OutsideContext<'c>,
    pub provider: &'s Provider,
    pub requests: Requests,
}

impl Source<'_, '_> {
    /// Makes a key. A provider that remembers requests does it by `memo`.
    pub async fn create(&self, new: &For<'_>, memo: &str) -> Result<Key, RotationError> {
        let create = &self.provider.create;
        let mut more = Vec::new();
        if let Some(idempotency) = &create.idempotency {
            more.push((idempotency.header.to_ascii_lowercase(), SecretText::new(memo.to_owned())));
        }
        let answer = self.send("http_provider.create", &self.requests.create, self.of(new), more).await?;
        if !create.success.contains(&answer.status) {
            return Err(self.failure("to make a key", answer.status));
        }
        let unreadable = || refused("the provider's answer has no key where the declaration says that it stands");
        let body = std::str::from_utf8(answer.body.expose()).map_err(|_| unreadable())?;
        let part = |pointer: &str, longest: usize| {
            let found = pointer::text_at(body, pointer);
            found.filter(|text| !text.is_empty() && text.expose().len() <= longest).ok_or_else(unreadable)
        };
        Ok(Key { id: part(&create.id, ID_BYTES_MAX)?, value: part(&create.value, VALUE_BYTES_MAX)? })
    }

    /// Whether the provider lists its keys.
    pub fn lists(&self) -> bool {
        self.requests.find.is_some()
    }

    /// Revokes all keys that were made for a token, but one.
    pub async fn sweep(&self, new: &For<'_>, but: Option<&str>) -> Result<(), RotationError> {
        let found = self.find(new).await?;
        let others: Vec<&SecretText> = found.iter().filter(|id| but != Some(id.expose())).collect();
        for id in others.iter().take(FOUND_MAX) {
            self.revoke(new.username, id.expose()).await?;
        }
        if others.len() > FOUND_MAX {
            let words = "the provider holds more keys of this change than one step revokes";
            return Err(ExternalError::unreachable(words, "more than one step's").into());
        }
        Ok(())
    }

    /// Ids of the keys that were made for a token.
    async fn find(&self, new: &For<'_>) -> Result<Vec<SecretText>, RotationError> {
        let (Some(find), Some(finding)) = (&self.provider.find, &self.requests.find) else { return Ok(Vec::new()) };
        let unreadable = || refused("the provider's list of keys is not what the declaration says");
        let label = finding.label(&self.of(new))?;
        let (mut ids, mut cursor) = (Vec::new(), None::<SecretText>);
        for _ in 0..PAGES_MAX {
            let answer = match (&cursor, &finding.next) {
                (Some(cursor), Some(next)) => {
                    let fillings = self.of(new).with(Name::Cursor, cursor.expose());
                    self.send("http_provider.find", next, fillings, Vec::new()).await?
                }
                _ => self.send("http_provider.find", &finding.first, self.of(new), Vec::new()).await?,
            };
            if !find.success.contains(&answer.status) {
                return Err(self.failure("to list keys", answer.status));
            }
            let body = std::str::from_utf8(answer.body.expose()).map_err(|_| unreadable())?;
            for item in pointer::items_at(body, &find.items).ok_or_else(unreadable)? {
                // A provider that does not look at the query lists keys of others, too.
                let same = pointer::text_at(item, &find.label).is_some_and(|found| found.expose() == label.expose());
                if same {
                    let id = pointer::text_at(item, &find.id).filter(|id| id.expose().len() <= ID_BYTES_MAX);
                    ids.push(id.ok_or_else(unreadable)?);
                }
            }
            let next = find.next.as_ref().and_then(|next| pointer::text_at(body, &next.cursor));
            cursor = next.filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                return Ok(ids);
            }
        }
        Err(refused("the provider's list of keys has no end: let `find` ask for the keys of one user"))
    }

    /// Uses a key.
    pub async fn test(&self, username: &str, id: &str, value: &SecretText) -> Result<(), RotationError> {
        let basic = Zeroizing::new(format!("{id}:{}", value.expose()));
        let basic = Zeroizing::new(STANDARD.encode(basic.as_bytes()));
        let fillings = Fillings::default()
            .with(Name::Id, id)
            .with(Name::Username, username)
            .with(Name::Value, value.expose())
            .with(Name::Basic, &basic);
        let answer = self.send("http_provider.test", &self.requests.test, fillings, Vec::new()).await?;
        let test = &self.provider.test;
        match answer.status {
            status if test.works.contains(&status) => Ok(()),
            status if test.refused.contains(&status) => Err(refused("the provider does not let the key in")),
            status => Err(self.failure("the test of a key", status)),
        }
    }

    /// Makes sure that there is no such key.
    pub async fn revoke(&self, username: &str, id: &str) -> Result<(), RotationError> {
        let fillings = Fillings::default()
            .with(Name::Id, id)
            .with(Name::Username, username)
            .with(Name::AdminToken, self.provider.admin_token.expose());
        let answer = self.send("http_provider.revoke", &self.requests.revoke, fillings, Vec::new()).await?;
        let revoke = &self.provider.revoke;
        if revoke.success.contains(&answer.status) || revoke.gone.contains(&answer.status) {
            return Ok(());
        }
        Err(self.failure("to revoke a key", answer.status))
    }

    /// Whether a key was used within the time that counts; `None` where the provider is not asked.
    pub async fn is_used(&self, username: &str, id: &str) -> Result<Option<bool>, RotationError> {
        let (Some(used), Some(request)) = (&self.provider.used, &self.requests.used) else { return Ok(None) };
        let fillings = Fillings::default()
            .with(Name::Id, id)
            .with(Name::Username, username)
            .with(Name::AdminToken, self.provider.admin_token.expose());
        let answer = self.send("http_provider.used", request, fillings, Vec::new()).await?;
        if !used.success.contains(&answer.status) {
            return Err(self.failure("when a key was used", answer.status));
        }
        // What is not understood must not look like a key that nobody uses.
        let unreadable = || refused("the provider's answer has no instant where the declaration says that it stands");
        let body = std::str::from_utf8(answer.body.expose()).map_err(|_| unreadable())?;
        if pointer::at(body, &used.at) == Some("null") {
            return Ok(Some(false));
        }
        let at = pointer::text_at(body, &used.at).ok_or_else(unreadable)?;
        let at = instant(at.expose()).ok_or_else(unreadable)?;
        Ok(Some(at.plus(TtlSeconds(used.within_s)) > self.cx.now))
    }

    fn of<'f>(&'f self, new: &For<'f>) -> Fillings<'f> {
        Fillings::default()
            .with(Name::Token, new.token)
            .with(Name::Username, new.username)
            .with(Name::Path, new.path)
            .with(Name::AdminToken, self.provider.admin_token.expose())
    }

    async fn send(
        &self,
        what: &'static str,
        request: &Request,
        fillings: Fillings<'_>,
        more: Vec<(String, SecretText)>,
    ) -> Result<HttpAnswer, RotationError> {
        let mut filled = request.fill(&fillings)?;
        filled.headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        filled.headers.extend(more);
        let call = HttpCall {
            method: request.method,
            address: &self.requests.address,
            target: filled.target,
            headers: filled.headers,
            body: filled.body,
            ca_pem: &self.provider.ca_pem,
        };
        self.cx.faults.before(what)?;
        let answer = self.call.call_source(self.cx, &call).await?;
        self.cx.faults.after(what)?;
        Ok(answer)
    }

    /// What a status means that no part of the declaration speaks of.
    fn failure(&self, asked: &str, status: u16) -> RotationError {
        let declared = self.provider.failures.get(&status.to_string()).copied();
        let class = declared.unwrap_or(match status {
            408 | 425 | 429 | 500..=599 => RotationFailureClass::SourceDown,
            _ => RotationFailureClass::RotatorRefused,
        });
        let redirect =
            if (300..400).contains(&status) { ", which would lead elsewhere and is not followed" } else { "" };
        RotationError {
            class,
            client: format!("the provider was asked {asked} and answered with status {status}{redirect}"),
        }
    }
}

/// RFC 3339, or whole seconds or milliseconds since 1970.
fn instant(text: &str) -> Option<Timestamp> {
    match text.parse::<u64>() {
        Ok(number) if number >= MILLISECONDS_FROM => Some(Timestamp(number)),
        Ok(number) => Some(Timestamp(number * 1_000)),
        Err(_) => Timestamp::parse_rfc3339(text).ok(),
    }
}

fn refused(words: &str) -> RotationError {
    RotationError { class: RotationFailureClass::RotatorRefused, client: words.to_owned() }
}
