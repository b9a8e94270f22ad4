//! What was only recorded has no answer to release.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Recorded, release};
use cardea_model::{Answer, Refusal};

pub async fn skip(active: &Active, recorded: Recorded) -> Result<Answer, Refusal> {
    release(active, recorded).await
}

fn main() {}
