//! A recorded request is dispatched once: its record becomes durable once.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Recorded, dispatch};
use std::sync::Arc;

pub async fn twice(active: &Arc<Active>, recorded: Recorded) {
    let _ = dispatch(active, recorded).await;
    let _ = dispatch(active, recorded).await;
}

fn main() {}
