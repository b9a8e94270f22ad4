//! The steps of a rotation, passed on. It must never show a webhook a value that its step does not need.

use super::Webhook;
use super::message::{Step, Values as Told};
use super::model::Hook;
use super::source::ask;
use cardea_model::rotation::{RotationFailureClass, RotationSettings, RotationStrategy};
use cardea_model::{Error, Payload};
use cardea_sdk::rotation::{Change, Leftover, NewValue, RotationError, Rotator, Values, check_user, named_by, user_of};
use cardea_sdk::{Context, OutsideContext, async_trait};

const UNCONFIGURED: &str = "the webhook that the rotator names is not configured";

impl Webhook {
    async fn tell(
        &self,
        cx: &mut OutsideContext<'_>,
        step: Step,
        change: &Change<'_>,
        values: &Told<'_>,
    ) -> Result<Option<Payload>, RotationError> {
        let hook = named_by::<Hook>(&mut cx.state, change.settings, UNCONFIGURED).await?;
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
        named_by::<Hook>(&mut cx.state, settings, UNCONFIGURED).await?;
        check_user(user_of(current)?.is_none_or(|username| settings.is_about(&username)))?;
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

    async fn keeps_old(
        &self,
        _cx: &mut OutsideContext<'_>,
        change: &Change<'_>,
        _old: &Payload,
    ) -> Result<bool, RotationError> {
        Ok(matches!(change.settings.strategy, RotationStrategy::AlternatingUsers | RotationStrategy::NewKey))
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
