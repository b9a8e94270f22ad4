//! What is resolved but not decided cannot be recorded.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Recorded, Resolved, record};
use cardea_model::Refusal;

pub async fn skip(active: &Active, resolved: Resolved) -> Result<Recorded, Refusal> {
    record(active, resolved).await
}

fn main() {}
