//! A request is not resolved before its credential was judged.
use cardea_kernel::active::Active;
use cardea_kernel::pipeline::{Resolved, resolve};
use cardea_model::{Refusal, Request};

pub async fn skip(active: &Active, request: Request) -> Result<Resolved, Refusal> {
    resolve(active, request).await
}

fn main() {}
