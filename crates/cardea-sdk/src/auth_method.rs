//! Auth methods: engines that can also vouch for a caller. Only the kernel makes tokens; a method says who it is.

use crate::context::{Context, OutsideContext};
use crate::engine::Engine;
use async_trait::async_trait;
use cardea_model::loose;
use cardea_model::{Error, TokenKind, TtlSeconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[async_trait]
pub trait AuthMethod: Engine {
    /// Whether [`Self::prepare`] has something to do for this operation.
    fn prepares(&self, _op: &Self::Op) -> bool {
        false
    }

    /// Runs before the operation's transaction, once the request is allowed and on record, and brings public facts of
    /// others up to date that judging needs (the keys of an issuer). Nothing that it does may change anything outside,
    /// and nothing that a stranger sends may make it ask often. What it learned stays in the method; state is read only.
    ///
    /// # Errors
    /// Without these facts the operation cannot be judged.
    async fn prepare(&self, _cx: &mut OutsideContext<'_>, _op: &Self::Op) -> Result<(), Error> {
        Ok(())
    }

    /// Judges a login (a route with [`crate::Access::Login`]). Runs inside the request's transaction.
    async fn login(&self, cx: &mut Context<'_>, op: &Self::Op) -> Result<Vouch, Error>;

    /// Asked before a token's life is extended: whether it would still vouch, and on what terms.
    async fn renew(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error>;
}

/// What a method says of a login.
pub enum Vouch {
    Yes(Box<Identification>),
    /// Refused. What the handler wrote (a lockout counter, say) is kept if `keep_writes`. The words go to the client:
    /// they must not say which part was wrong.
    No {
        error: Error,
        keep_writes: bool,
    },
}

/// Who somebody is, and on what terms a token may be made for them. Kept with the token, for renewals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identification {
    /// The name of the entity's alias on this mount; empty makes no entity.
    pub alias: String,
    #[serde(default)]
    pub alias_metadata: BTreeMap<String, String>,
    /// Without the mount's prefix, which the kernel adds.
    pub display_name: String,
    /// The role that the login was for, in its one spelling; empty where the method has none. Nobody else's word.
    #[serde(default)]
    pub role: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    pub terms: TokenTerms,
    /// What the method needs to judge a renewal, such as the role's name. No secrets.
    #[serde(default)]
    pub internal: BTreeMap<String, String>,
}

/// The fields that every role of every auth method has (Vault's `token_*`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenTerms {
    pub policies: Vec<String>,
    pub ttl_s: Option<TtlSeconds>,
    pub max_ttl_s: Option<TtlSeconds>,
    pub explicit_max_ttl_s: Option<TtlSeconds>,
    pub period_s: Option<TtlSeconds>,
    /// 0 is unlimited.
    pub num_uses: u64,
    pub no_default_policy: bool,
    pub bound_cidrs: Vec<String>,
    /// `None` takes the mount's, then service.
    pub kind: Option<TokenKind>,
}

/// The same fields as a request brings them; legacy names are accepted beside the new ones.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TokenTermsInput {
    #[serde(alias = "policies")]
    pub token_policies: Option<loose::List>,
    #[serde(alias = "ttl")]
    pub token_ttl: Option<loose::Duration>,
    #[serde(alias = "max_ttl")]
    pub token_max_ttl: Option<loose::Duration>,
    pub token_explicit_max_ttl: Option<loose::Duration>,
    #[serde(alias = "period")]
    pub token_period: Option<loose::Duration>,
    pub token_num_uses: Option<loose::Int>,
    pub token_no_default_policy: Option<loose::Flag>,
    #[serde(alias = "bound_cidr_list")]
    pub token_bound_cidrs: Option<loose::List>,
    pub token_type: Option<String>,
}
