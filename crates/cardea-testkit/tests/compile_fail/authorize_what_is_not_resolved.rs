//! Whoever is authenticated is not decided about before the resource has its one name.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Authenticated, Decided, authorize};
use cardea_model::Refusal;

pub async fn skip(active: &Active, authenticated: Authenticated) -> Result<Decided, Refusal> {
    authorize(active, authenticated).await
}

fn main() {}
