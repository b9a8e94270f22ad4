//! Placeholder for compilation only.
use crate::active::Active;
use cardea_model::Error;
use cardea_sdk::{Context, Engine, Outcome, route::Route};
pub struct TokenStore;
impl TokenStore {
    pub fn new(_: std::sync::Weak<Active>) -> Self {
        Self
    }
}
#[async_trait::async_trait]
impl Engine for TokenStore {
    type Op = ();
    fn kind(&self) -> &'static str {
        "token"
    }
    fn routes(&self) -> &'static [Route<()>] {
        &[]
    }
    async fn handle(&self, _: &mut Context<'_>, _: &()) -> Result<Outcome, Error> {
        Err(Error::not_found())
    }
}
