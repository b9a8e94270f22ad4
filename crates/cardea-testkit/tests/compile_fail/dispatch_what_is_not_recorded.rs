//! What is decided but not recorded cannot be dispatched.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Decided, Unreleased, dispatch};
use cardea_model::Refusal;
use std::sync::Arc;

pub async fn skip(active: &Arc<Active>, decided: Decided) -> Result<Unreleased, Refusal> {
    dispatch(active, decided).await
}

fn main() {}
