//! The steps of a rotation at a provider. The provider makes the value, so nothing is made here, and `set` has nothing to
//! set: it removes what a lost answer may have left. It must never revoke the key that readers get.

use super::HttpProvider;
use super::declaration::Requests;
use super::model::Provider;
use super::source::{For, Key, Source};
use super::template::Name;
use cardea_crypto::mac::sha256;
use cardea_model::rotation::{RotationFailureClass, RotationSettings, RotationStrategy};
use cardea_model::secret_bytes::stored;
use cardea_model::{Error, Payload, SecretText, TtlSeconds};
use cardea_sdk::rotation::{Change, Leftover, NewValue, RotationError, Rotator, Values, check_user, named_by, user_of};
use cardea_sdk::{Context, OutsideContext, async_trait};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Bytes of a digest that stand for a change at a provider: more than anybody finds another one for.
const TOKEN_BYTES: usize = 16;
const UNDECLARED: &str = "the provider that the rotator names is not declared";

/// What a key is found again by. The ids of versions can be chosen by who asks for a rotation: mixed with the id of the
/// secret, none of them is that of another secret's key.
fn token(change: &Change<'_>) -> String {
    let digest = sha256(&[change.id.as_bytes(), b"/", change.token.as_bytes()]);
    let mut out = String::new();
    for byte in &digest[..TOKEN_BYTES] {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The key that a version of the secret holds, if it holds one.
fn key_of(provider: &Provider, value: &Payload) -> Option<Key> {
    let mut members = value.read::<BTreeMap<String, Payload>>().ok()?;
    let mut text = |name: &String| members.remove(name).and_then(|member| member.read::<SecretText>().ok());
    let (id, value) = (text(&provider.id_member)?, text(&provider.value_member)?);
    (!id.is_empty()).then_some(Key { id, value })
}

fn no_key() -> RotationError {
    Error::invalid("the version holds no key where the declaration says that it stands").into()
}

/// A patch of the secret.
#[derive(Serialize)]
#[serde(transparent)]
struct Patch<'p>(BTreeMap<&'p str, Member<'p>>);

#[derive(Serialize)]
#[serde(transparent)]
struct Member<'p>(#[serde(serialize_with = "stored_ref")] &'p SecretText);

fn stored_ref<S: serde::Serializer>(secret: &&SecretText, serializer: S) -> Result<S::Ok, S::Error> {
    stored::serialize(secret, serializer)
}

impl HttpProvider {
    fn source<'s, 'c>(
        &'s self,
        cx: &'s OutsideContext<'c>,
        provider: &'s Provider,
    ) -> Result<Source<'s, 'c>, RotationError> {
        Ok(Source { call: &*self.call, cx, provider, requests: Requests::of(provider)? })
    }
}

/// Whether the provider still gives the answer of then.
fn is_remembered(provider: &Provider, change: &Change<'_>, cx: &OutsideContext<'_>) -> bool {
    let valid = provider.create.idempotency.as_ref().map(|idempotency| TtlSeconds(idempotency.valid_s));
    valid.is_some_and(|valid| cx.now < change.begun.plus(valid))
}

fn forgotten() -> RotationError {
    let words = "the provider does not remember any more whether it made a key: look for one there, then cancel";
    RotationError { class: RotationFailureClass::RotatorRefused, client: words.to_owned() }
}

/// A key may be revoked that this rotator made, or that the provider itself will not let go if it is somebody else's.
fn check_whose(provider: &Provider, source: &Source<'_, '_>, change: &Change<'_>) -> Result<(), RotationError> {
    let is_ours = change.made_by == Some(change.settings.rotator.as_str());
    let is_of_others = change.made_by.is_some() && !is_ours;
    let says_whose = source.requests.revoke.says(Name::Username);
    if is_of_others || !(is_ours || says_whose || provider.revoke.any) {
        let words = "the old key was not made by this rotator, and `revoke` does not say whose it is: revoke it at the provider, then cancel";
        return Err(Error::invalid(words).into());
    }
    Ok(())
}

#[async_trait]
impl Rotator for HttpProvider {
    async fn create(
        &self,
        cx: &mut Context<'_>,
        settings: &RotationSettings,
        current: &Payload,
    ) -> Result<NewValue, Error> {
        named_by::<Provider>(&mut cx.state, settings, UNDECLARED).await?;
        if settings.strategy != RotationStrategy::NewKey {
            return Err(Error::invalid("a provider of keys knows one strategy, new-key"));
        }
        check_user(user_of(current)?.is_none_or(|username| username == settings.username))?;
        Ok(NewValue::AtSource)
    }

    async fn make(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        _current: &Payload,
    ) -> Result<Payload, RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let source = self.source(cx, &provider)?;
        let token = token(change);
        let new = For { token: &token, username: &change.settings.username, path: change.secret };
        let key = if is_remembered(&provider, change, cx) {
            source.create(&new, &token).await?
        } else if source.lists() {
            // A key that was made and that nobody heard of cannot be read again: another one is made in its place. Should the
            // provider remember longer than was declared, it must not answer with the one that is gone.
            source.sweep(&new, None).await?;
            source.create(&new, &format!("{token}-{}", cx.now.unix_s())).await?
        } else {
            return Err(forgotten());
        };
        let members =
            [(provider.id_member.as_str(), Member(&key.id)), (provider.value_member.as_str(), Member(&key.value))];
        Ok(Payload::of(&Patch(members.into_iter().collect()))?)
    }

    async fn set(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
    ) -> Result<(), RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let source = self.source(cx, &provider)?;
        let key = key_of(&provider, &values.wanted).ok_or_else(no_key)?;
        if source.lists() {
            // A request that was given up may have arrived after the one that was heard.
            let token = token(change);
            let new = For { token: &token, username: &change.settings.username, path: change.secret };
            source.sweep(&new, Some(key.id.expose())).await?;
        }
        Ok(())
    }

    async fn test(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        value: &Payload,
    ) -> Result<(), RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let key = key_of(&provider, value).ok_or_else(no_key)?;
        self.source(cx, &provider)?.test(&change.settings.username, key.id.expose(), &key.value).await
    }

    async fn undo(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
        leftover: &Leftover,
    ) -> Result<(), RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let source = self.source(cx, &provider)?;
        let token = token(change);
        let username = &change.settings.username;
        let new = For { token: &token, username, path: change.secret };
        let kept = key_of(&provider, &values.wanted);
        let is_kept = |id: &SecretText| kept.as_ref().is_some_and(|kept| kept.id.expose() == id.expose());
        match leftover {
            // The old key goes on, as it did.
            Leftover::Nothing => return Ok(()),
            Leftover::Value(value) => {
                if let Some(key) = key_of(&provider, value).filter(|key| !is_kept(&key.id)) {
                    source.revoke(username, key.id.expose()).await?;
                }
            }
            Leftover::Unknown if source.lists() => {}
            // Asked again, the provider says what it made; if it had made nothing, that one ends with it.
            Leftover::Unknown if is_remembered(&provider, change, cx) => {
                let key = source.create(&new, &token).await?;
                source.revoke(username, key.id.expose()).await?;
            }
            Leftover::Unknown => return Err(forgotten()),
        }
        if source.lists() {
            source.sweep(&new, None).await?;
        }
        Ok(())
    }

    /// Before the first key there was none.
    async fn keeps_old(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
    ) -> Result<bool, RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        Ok(key_of(&provider, old).is_some())
    }

    /// A key has no sessions: one that was used a short while ago counts as one.
    async fn sessions(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
    ) -> Result<Option<u64>, RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let Some(old) = key_of(&provider, old) else { return Ok(None) };
        let used = self.source(cx, &provider)?.is_used(&change.settings.username, old.id.expose()).await?;
        Ok(used.map(u64::from))
    }

    async fn retire(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
        current: &Payload,
    ) -> Result<(), RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let source = self.source(cx, &provider)?;
        let Some(old) = key_of(&provider, old) else { return Ok(()) };
        if key_of(&provider, current).is_none_or(|current| current.id.expose() == old.id.expose()) {
            let words =
                "the current version has the key of the old one, or none: revoking it would shut out its readers";
            return Err(Error::invalid(words).into());
        }
        check_whose(&provider, &source, change)?;
        source.revoke(&change.settings.username, old.id.expose()).await
    }

    async fn revoke(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        value: &Payload,
    ) -> Result<(), RotationError> {
        let provider = named_by::<Provider>(&mut cx.state, change.settings, UNDECLARED).await?;
        let source = self.source(cx, &provider)?;
        let Some(key) = key_of(&provider, value) else { return Ok(()) };
        check_whose(&provider, &source, change)?;
        source.revoke(&change.settings.username, key.id.expose()).await
    }
}
