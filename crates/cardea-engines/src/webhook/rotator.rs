//! The steps of a rotation, passed on. It must never show a webhook a value that its step does not need.

use super::Webhook;
use super::message::{Step, Values as Told};
use super::model::Hook;
use super::source::ask;
use cardea_model::rotation::{RotationFailureClass, RotationSettings, RotationStrategy};
use cardea_model::{Error, Payload};
use cardea_sdk::rotation::{Change, Leftover, NewValue, RotationError, Rotator, Values};
use cardea_sdk::{Context, OutsideContext, async_trait};
use cardea_storage::view::View;
use serde::Deserialize;

async fn configured(state: &mut View<'_>, settings: &RotationSettings) -> Result<Hook, Error> {
    let (_, name) = settings.rotator_parts().unwrap_or_default();
    let found = state.get::<Hook>(name).await?;
    found.ok_or_else(|| Error::invalid("the webhook that the rotator names is not configured"))
}

impl Webhook {
    async fn tell(
        &self,
        cx: &mut OutsideContext<'_>,
        step: Step,
        change: &Change<'_>,
        values: &Told<'_>,
    ) -> Result<Option<Payload>, RotationError> {
        let hook = configured(&mut cx.state, change.settings).await?;
        ask(&*self.call, cx, &hook, step, change, values).await
    }
}

#[async_trait]
impl Rotator for Webhook {
    async fn create(
        &self,
        cx: &mut Context<'_>,
        settings: &RotationSettings,
        current: &Payload,
    ) -> Result<NewValue, Error> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            username: Option<String>,
        }
        configured(&mut cx.state, settings).await?;
        let named: Named = current.read().map_err(|_| {
            Error::invalid("the secret is no object, or its `username` is no text: it cannot be rotated")
        })?;
        if named.username.is_some_and(|username| !settings.is_about(&username)) {
            return Err(Error::invalid("the secret names another user than the one whose rotation was decided"));
        }
        Ok(NewValue::AtSource)
    }

    async fn make(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        current: &Payload,
    ) -> Result<Payload, RotationError> {
        let told = Told { current: Some(current), ..Told::default() };
        let value = self.tell(cx, Step::Create, change, &told).await?;
        value.filter(Payload::is_object).ok_or_else(|| RotationError {
            class: RotationFailureClass::RotatorRefused,
            client: "the webhook was asked for createSecret and its answer has no object `value`".to_owned(),
        })
    }

    async fn set(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
    ) -> Result<(), RotationError> {
        let told = Told { pending: Some(&values.wanted), known: Some(&values.known), ..Told::default() };
        self.tell(cx, Step::Set, change, &told).await.map(|_| ())
    }

    async fn test(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        value: &Payload,
    ) -> Result<(), RotationError> {
        let told = Told { pending: Some(value), ..Told::default() };
        self.tell(cx, Step::Test, change, &told).await?;
        self.tell(cx, Step::Finish, change, &told).await.map(|_| ())
    }

    async fn undo(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        values: &Values,
        leftover: &Leftover,
    ) -> Result<(), RotationError> {
        let (pending, back) = match leftover {
            Leftover::Unknown => (None, false),
            Leftover::Value(value) => (Some(value), false),
            Leftover::Nothing => (None, true),
        };
        let told = Told { current: Some(&values.wanted), pending, back: Some(back), ..Told::default() };
        self.tell(cx, Step::Undo, change, &told).await.map(|_| ())
    }

    fn keeps_old(&self, settings: &RotationSettings) -> bool {
        matches!(settings.strategy, RotationStrategy::AlternatingUsers | RotationStrategy::NewKey)
    }

    async fn retire(
        &self,
        cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        old: &Payload,
        current: &Payload,
    ) -> Result<(), RotationError> {
        let ours = change.made_by == Some(change.settings.rotator.as_str());
        let told = Told { current: Some(current), old: Some(old), old_made_by_rotation: Some(ours), ..Told::default() };
        self.tell(cx, Step::Retire, change, &told).await.map(|_| ())
    }
}
