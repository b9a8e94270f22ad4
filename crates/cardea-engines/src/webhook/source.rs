//! One step, asked of a webhook. It must never be done inside a transaction, nor anywhere but in a step of a rotation.

use super::message::{Step, Values, sign, understand};
use super::model::Hook;
use cardea_model::Payload;
use cardea_sdk::OutsideContext;
use cardea_sdk::call::{Address, Call, HttpCall, HttpMethod};
use cardea_sdk::rotation::{Change, RotationError};

/// Asks, and waits for the answer.
pub async fn ask(
    call: &dyn Call,
    cx: &OutsideContext<'_>,
    hook: &Hook,
    step: Step,
    change: &Change<'_>,
    values: &Values<'_>,
) -> Result<Option<Payload>, RotationError> {
    let address = Address::parse("address", &hook.address)?;
    let signed = sign(&hook.secret, cx.now, step, change, values)?;
    let request = HttpCall {
        method: HttpMethod::Post,
        address: &address,
        target: String::new(),
        headers: signed.headers,
        body: signed.body,
        ca_pem: &hook.ca_pem,
    };
    cx.faults.before("webhook")?;
    let answer = call.call_source(cx, &request).await?;
    cx.faults.after("webhook")?;
    understand(step, &answer)
}
