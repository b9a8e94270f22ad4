//! What a new token may be, and how long an old one may go on: pure decisions, tested by tables. Nothing here reads a
//! record or a clock, and nothing here may turn an absent bound into "for ever" except for a root token that was made so.

use super::roles::{Role, RoleKind};
use crate::ttl;
use cardea_model::lease::LeaseTerm;
use cardea_model::time::go_duration;
use cardea_model::{Error, Timestamp, TokenKind, TtlSeconds, limit};
use cardea_policy::defaults::{
    DEFAULT_POLICY_NAME as DEFAULT, RESPONSE_WRAPPING_POLICY_NAME, ROOT_POLICY_NAME as ROOT,
};
use std::collections::BTreeMap;

/// Bounds of an id that a caller chooses, in bytes. The lower one admits the `root` of development servers.
const CUSTOM_ID_BYTES_MIN: usize = 4;
const CUSTOM_ID_BYTES_MAX: usize = 256;
/// Longest display name that a caller gives, in bytes: it stands in every record of the log that the token causes.
const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// Where a new token's policies come from. All names are canonical.
pub struct PolicyQuestion<'a> {
    pub asked: &'a [String],
    pub parent: &'a [String],
    pub role: Option<&'a Role>,
    pub no_default: bool,
    pub sudo: bool,
}

impl PolicyQuestion<'_> {
    /// The policies that the token gets, sorted, each once.
    ///
    /// # Errors
    /// More than the parent has (without sudo and without a role that allows it), what the role disallows, root from a
    /// caller that is not root, or what no token may carry.
    pub fn answer(&self) -> Result<Vec<String>, Error> {
        let has = |list: &[String], name: &str| list.iter().any(|known| known == name);
        let no_default = self.no_default || self.role.is_some_and(|role| role.no_default_policy);
        let mut policies = match self.role.filter(|role| role.rules_policies()) {
            Some(role) => self.by_role(role, no_default)?,
            // An inherited set is inherited as it is: `default` is in it if the parent has it.
            None if self.asked.is_empty() => self.parent.to_vec(),
            None => {
                let is_subset = self.asked.iter().all(|name| has(self.parent, name));
                if !self.sudo && !is_subset {
                    return Err(Error::invalid("child policies must be subset of parent"));
                }
                let mut policies = self.asked.to_vec();
                if !no_default && (self.sudo || has(self.parent, DEFAULT)) {
                    policies.push(DEFAULT.to_owned());
                }
                policies
            }
        };
        if no_default {
            policies.retain(|name| name != DEFAULT);
        }
        if has(&policies, RESPONSE_WRAPPING_POLICY_NAME) {
            return Err(Error::invalid("cannot assign policy \"response-wrapping\""));
        }
        if has(&policies, ROOT) {
            if !has(self.parent, ROOT) {
                return Err(Error::invalid("root tokens may not be created without parent token being root"));
            }
            // Beside root every other policy is without effect; listing it would tell readers otherwise.
            policies = vec![ROOT.to_owned()];
        }
        policies.sort_unstable();
        policies.dedup();
        if policies.len() > limit::POLICIES_MAX {
            return Err(Error::invalid("too many policies"));
        }
        Ok(policies)
    }

    /// A role that rules policies gives rights that the parent need not have.
    fn by_role(&self, role: &Role, no_default: bool) -> Result<Vec<String>, Error> {
        let adds_default = !no_default && !role.disallows(DEFAULT);
        let with_default = |list: &[String]| {
            let mut list = list.to_vec();
            if adds_default {
                list.push(DEFAULT.to_owned());
            }
            list
        };
        let bounded = !role.allowed_policies.is_empty() || !role.allowed_policies_glob.is_empty();
        let policies = match (self.asked.is_empty(), bounded) {
            (true, true) => with_default(&role.allowed_policies),
            (true, false) => with_default(self.parent),
            (false, _) => with_default(self.asked),
        };
        // What was added is allowed with the rest: the role's way to refuse it is to disallow it.
        let allowed = |name: &String| (adds_default && name == DEFAULT) || role.allows(name);
        if bounded && !policies.iter().all(allowed) {
            return Err(Error::invalid(
                "token policies must be subset of the role's allowed policies or glob policies",
            ));
        }
        if policies.iter().any(|name| role.disallows(name)) {
            return Err(Error::invalid("a token policy is disallowed by this role"));
        }
        Ok(policies)
    }
}

/// Whether a new token is kept or sealed in itself.
///
/// # Errors
/// A word that is no kind.
pub fn kind(asked: &str, role: Option<RoleKind>) -> Result<TokenKind, Error> {
    let asked = match asked {
        "" | "default" => None,
        "service" => Some(TokenKind::Service),
        "batch" => Some(TokenKind::Batch),
        _ => return Err(Error::invalid("invalid 'token_type' value")),
    };
    Ok(match role {
        Some(RoleKind::Service) => TokenKind::Service,
        Some(RoleKind::Batch) => TokenKind::Batch,
        Some(RoleKind::DefaultBatch) => asked.unwrap_or(TokenKind::Batch),
        Some(RoleKind::DefaultService) | None => asked.unwrap_or(TokenKind::Service),
    })
}

/// What a batch token cannot have, because nothing is kept of it.
pub struct BatchQuestion {
    pub explicit_max_ttl: bool,
    pub num_uses: bool,
    pub period: bool,
    pub custom_id: bool,
    pub root: bool,
}

impl BatchQuestion {
    /// # Errors
    /// Any of it was asked for.
    pub fn check(&self) -> Result<(), Error> {
        let fields = [
            (self.explicit_max_ttl, "batch tokens cannot have \"explicit_max_ttl\" set"),
            (self.num_uses, "batch tokens cannot have \"num_uses\" set"),
            (self.period, "batch tokens cannot have \"period\" set"),
            (self.custom_id, "batch tokens cannot have \"id\" set"),
            (self.root, "batch tokens cannot be root tokens"),
        ];
        match fields.into_iter().find(|(asked, _)| *asked) {
            Some((_, words)) => Err(Error::invalid(words)),
            None => Ok(()),
        }
    }
}

/// The smaller of two bounds of which 0 says "none".
#[must_use]
pub fn tighter(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, bound) | (bound, 0) => bound,
        (one, other) => one.min(other),
    }
}

/// How long a new token shall live. Spans in seconds, 0 where nothing was said.
pub struct TermQuestion {
    pub now: Timestamp,
    pub ttl: Option<TtlSeconds>,
    pub period_s: u64,
    pub explicit_max_s: u64,
    pub is_root: bool,
    /// Whether the caller's own token ends some day.
    pub parent_expires: bool,
    /// The mount's default and maximum.
    pub default_s: u64,
    pub max_s: u64,
}

/// When a new token ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    /// `None` for a root token that never ends.
    pub expires: Option<Timestamp>,
    /// No renewal goes beyond; `None` where none of them must end.
    pub latest: Option<Timestamp>,
    pub warning: Option<String>,
}

impl TermQuestion {
    /// # Errors
    /// A root token that would outlive the root token that makes it.
    pub fn answer(&self) -> Result<Term, Error> {
        let explicit = Some(self.explicit_max_s).filter(|s| *s > 0);
        if self.period_s > 0 {
            let caps = [Some(self.max_s), explicit];
            let (term, capped) = ttl::first_term(self.now, Some(TtlSeconds(self.period_s)), self.period_s, &caps);
            let warning = capped.then(|| capped_words("period", self.period_s, &term));
            return Ok(Term {
                expires: Some(term.expires),
                latest: explicit.map(|s| self.now.plus(TtlSeconds(s))),
                warning,
            });
        }
        if self.ttl.is_none() && self.is_root {
            // A root token without a span lives as long as its explicit maximum, or for ever.
            if explicit.is_none() && self.parent_expires {
                return Err(Error::invalid("expiring root tokens cannot create non-expiring root tokens"));
            }
            let end = explicit.map(|s| self.now.plus(TtlSeconds(s)));
            return Ok(Term { expires: end, latest: end, warning: None });
        }
        let (term, capped) = ttl::first_term(self.now, self.ttl, self.default_s, &[Some(self.max_s), explicit]);
        let wanted_s = self.ttl.map_or(self.default_s, |ttl| ttl.0);
        // That the mount's default is longer than what the caller set as a maximum is no news to the caller.
        let warning = (capped && self.ttl.is_some()).then(|| capped_words("TTL", wanted_s, &term));
        Ok(Term { expires: Some(term.expires), latest: Some(term.latest), warning })
    }
}

fn capped_words(what: &str, wanted_s: u64, term: &LeaseTerm) -> String {
    let got_s = term.expires.seconds_from(term.issued);
    format!(
        "{what} of \"{}\" exceeded the effective max_ttl of \"{}\"; {what} value is capped accordingly",
        go_duration(wanted_s),
        go_duration(got_s)
    )
}

/// How long a token goes on after a renewal. Spans in seconds, 0 where nothing was said.
pub struct RenewalQuestion {
    pub now: Timestamp,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// What was settled when it was made.
    pub latest: Option<Timestamp>,
    pub increment: Option<TtlSeconds>,
    /// Used where the increment is absent.
    pub original_s: u64,
    /// As the role or the login says today.
    pub period_s: u64,
    pub explicit_max_s: u64,
    pub role_max_s: u64,
    pub max_s: u64,
}

impl RenewalQuestion {
    /// The new end, and whether a maximum cut it short.
    ///
    /// # Errors
    /// Past the maximum.
    pub fn answer(&self) -> Result<(Timestamp, bool), Error> {
        let after = |s: u64| self.created.plus(TtlSeconds(s));
        if self.period_s > 0 {
            // Nothing ends a periodic token's renewals but an explicit maximum.
            let latest = if self.explicit_max_s > 0 { after(self.explicit_max_s) } else { Timestamp(u64::MAX) };
            let term = LeaseTerm { issued: self.created, expires: self.expires, latest };
            let period_s = self.period_s.min(self.max_s);
            let (end, capped) = ttl::renewed(self.now, term, Some(TtlSeconds(period_s)), period_s)?;
            return Ok((end, capped || period_s < self.period_s));
        }
        let cap_s = tighter(tighter(self.max_s, self.role_max_s), self.explicit_max_s);
        let latest = self.latest.map_or(after(cap_s), |settled| settled.min(after(cap_s)));
        let term = LeaseTerm { issued: self.created, expires: self.expires, latest };
        ttl::renewed(self.now, term, self.increment, self.original_s)
    }
}

/// Checks an id that a caller with sudo chose.
///
/// # Errors
/// It could be taken for a token that the server made, or could not stand in a header.
pub fn check_custom_id(id: &str) -> Result<(), Error> {
    if !(CUSTOM_ID_BYTES_MIN..=CUSTOM_ID_BYTES_MAX).contains(&id.len()) {
        return Err(Error::invalid("custom token ID must be from 4 to 256 bytes long"));
    }
    if id.contains('.') {
        // This covers every prefix of generated tokens: `hvs.`, `hvb.`, `s.` and `b.`.
        return Err(Error::invalid("custom token ID cannot have a '.' in the value"));
    }
    if !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid("custom token ID has characters that cannot stand in a header"));
    }
    Ok(())
}

/// The display name of a created token: `token`, or `token-` and what the caller said in letters, digits and dashes.
///
/// # Errors
/// Too long.
pub fn display_name(asked: &str) -> Result<String, Error> {
    if asked.len() > DISPLAY_NAME_BYTES_MAX {
        return Err(Error::invalid("display_name is too long"));
    }
    let plain: String = asked.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_end_matches('-');
    Ok(if plain.is_empty() { "token".to_owned() } else { format!("token-{plain}") })
}

/// # Errors
/// More metadata, or longer, than a record may hold.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Error> {
    if metadata.len() > limit::METADATA_PAIRS_MAX {
        return Err(Error::invalid("too many pairs of metadata"));
    }
    if metadata.keys().any(|key| key.is_empty() || key.len() > limit::METADATA_KEY_BYTES_MAX) {
        return Err(Error::invalid("a key of the metadata is empty or too long"));
    }
    if metadata.values().any(|value| value.len() > limit::METADATA_VALUE_BYTES_MAX) {
        return Err(Error::invalid("a value of the metadata is too long"));
    }
    Ok(())
}

/// Whether a text matches a pattern in which each `*` stands for any run of characters.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts = tail.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
