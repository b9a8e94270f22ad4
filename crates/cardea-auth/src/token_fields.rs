//! The `token_*` fields that roles of every auth method have: how a request brings them, what they may say, and how a
//! read shows them.
//!
//! It must never let a role name the root policy, in whatever spelling, nor leave a field's zero meaning "forever".

use crate::cidr;
use cardea_model::limit::POLICIES_MAX;
use cardea_model::{Error, Params, TokenKind, TtlSeconds, loose};
use cardea_policy::PolicyName;
use cardea_sdk::{Bound, TokenTerms};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The fields as a request brings them; `None` leaves what is there.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct TokenFields {
    pub token_policies: Option<loose::List>,
    pub token_ttl: Option<loose::Duration>,
    pub token_max_ttl: Option<loose::Duration>,
    pub token_explicit_max_ttl: Option<loose::Duration>,
    pub token_period: Option<loose::Duration>,
    pub token_num_uses: Option<loose::Int>,
    pub token_no_default_policy: Option<loose::Flag>,
    pub token_bound_cidrs: Option<loose::List>,
    pub token_type: Option<String>,
}

/// Names of [`TokenFields`], for the `clear` list of a route: none is a secret.
pub const TOKEN_FIELD_NAMES: [&str; 9] = [
    "token_policies",
    "token_ttl",
    "token_max_ttl",
    "token_explicit_max_ttl",
    "token_period",
    "token_num_uses",
    "token_no_default_policy",
    "token_bound_cidrs",
    "token_type",
];

impl TokenFields {
    /// Changes the terms where a field was sent. Zero takes the default, as Vault's clients mean it.
    ///
    /// # Errors
    /// A field that cannot mean anything; whether the terms fit together is [`check`]'s question.
    pub fn apply(self, terms: &mut TokenTerms) -> Result<(), Error> {
        if let Some(list) = self.token_policies {
            terms.policies = policies(list.0)?;
        }
        if let Some(ttl) = self.token_ttl {
            terms.ttl_s = ttl.none_if_zero();
        }
        if let Some(ttl) = self.token_max_ttl {
            terms.max_ttl_s = ttl.none_if_zero();
        }
        if let Some(ttl) = self.token_explicit_max_ttl {
            terms.explicit_max_ttl_s = ttl.none_if_zero();
        }
        if let Some(period) = self.token_period {
            terms.period_s = period.none_if_zero();
        }
        if let Some(uses) = self.token_num_uses {
            terms.num_uses = count(uses, "`token_num_uses` is negative")?;
        }
        if let Some(flag) = self.token_no_default_policy {
            terms.no_default_policy = flag.0;
        }
        if let Some(list) = self.token_bound_cidrs {
            terms.bound_cidrs = cidr::checked(list.0)?;
        }
        if let Some(word) = self.token_type {
            terms.kind = match word.as_str() {
                "" | "default" => None,
                "service" => Some(TokenKind::Service),
                "batch" => Some(TokenKind::Batch),
                _ => return Err(Error::invalid("`token_type` is none of `default`, `service` and `batch`")),
            };
        }
        Ok(())
    }
}

/// Whether the terms fit together.
///
/// # Errors
/// A life longer than its own maximum, or a batch token that would need a record.
pub fn check(terms: &TokenTerms) -> Result<(), Error> {
    if let (Some(ttl), Some(max)) = (terms.ttl_s, terms.max_ttl_s)
        && ttl > max
    {
        return Err(Error::invalid("`token_ttl` is greater than `token_max_ttl`"));
    }
    if terms.kind == Some(TokenKind::Batch) {
        if terms.period_s.is_some() {
            return Err(Error::invalid("`token_type` cannot be `batch` for periodic tokens"));
        }
        if terms.num_uses > 0 {
            return Err(Error::invalid("`token_type` cannot be `batch` for tokens with a number of uses"));
        }
    }
    Ok(())
}

/// What an owner should know of terms that will be cut short: `max_s` is the mount's maximum.
#[must_use]
pub fn warnings(terms: &TokenTerms, max_s: u64) -> Vec<&'static str> {
    let longer = |ttl: Option<TtlSeconds>| ttl.is_some_and(|ttl| ttl.0 > max_s);
    let mut out = Vec::new();
    if longer(terms.ttl_s) {
        out.push("token_ttl is greater than the mount's maximum TTL, which will be used instead");
    }
    if longer(terms.max_ttl_s) {
        out.push("token_max_ttl is greater than the mount's maximum TTL, which will be used instead");
    }
    out
}

/// Policies in their canonical form, sorted, each once.
///
/// # Errors
/// The root policy in any spelling, what is no name, or too many names.
pub fn policies(list: Vec<String>) -> Result<Vec<String>, Error> {
    if list.len() > POLICIES_MAX {
        return Err(Error::invalid("too many policies are named"));
    }
    let mut out = Vec::with_capacity(list.len());
    for raw in list {
        let name = PolicyName::parse(&raw).map_err(|_| Error::invalid("a policy name is malformed"))?;
        if name.is_root() {
            return Err(Error::invalid("the root policy cannot be given by a login"));
        }
        out.push(name.as_str().to_owned());
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// A number of uses.
///
/// # Errors
/// A negative one, in the given words.
pub fn count(number: loose::Int, words: &str) -> Result<u64, Error> {
    u64::try_from(number.0).map_err(|_| Error::invalid(words))
}

/// The fields as a read shows them: spans in seconds, 0 where the default holds.
#[derive(Default, serde::Serialize)]
pub struct TokenView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_bound_cidrs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_explicit_max_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_max_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_no_default_policy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_num_uses: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_policies: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
}

impl TokenView {
    #[must_use]
    pub fn of(terms: &TokenTerms) -> Self {
        Self {
            token_bound_cidrs: Some(terms.bound_cidrs.clone()),
            token_explicit_max_ttl: Some(seconds(terms.explicit_max_ttl_s)),
            token_max_ttl: Some(seconds(terms.max_ttl_s)),
            token_no_default_policy: Some(terms.no_default_policy),
            token_num_uses: Some(terms.num_uses),
            token_period: Some(seconds(terms.period_s)),
            token_policies: Some(terms.policies.clone()),
            token_ttl: Some(seconds(terms.ttl_s)),
            token_type: Some(match terms.kind {
                None => "default",
                Some(TokenKind::Service) => "service",
                Some(TokenKind::Batch) => "batch",
            }),
        }
    }
}

/// Seconds on the wire, where 0 says "the default".
#[must_use]
pub fn seconds(ttl: Option<TtlSeconds>) -> u64 {
    ttl.map_or(0, |ttl| ttl.0)
}

/// Reads one request as two typed halves (a method's own fields, and the fields shared by all): a member is unknown
/// only if neither half knows it.
///
/// # Errors
/// A member with the wrong type or form, and what `make` says.
pub fn read_two<A: DeserializeOwned, B: DeserializeOwned, Op>(
    params: &Params,
    make: impl FnOnce(A, B) -> Result<Op, Error>,
) -> Result<Bound<Op>, Error> {
    let own = params.read::<A>()?;
    let shared = params.read::<B>()?;
    let unknown = own.unknown.into_iter().filter(|name| shared.unknown.contains(name)).collect();
    Ok(Bound { op: make(own.value, shared.value)?, unknown })
}

#[cfg(test)]
mod tests;
