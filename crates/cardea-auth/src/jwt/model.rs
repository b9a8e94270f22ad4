//! What the method stores, and the rules that need nothing but the record. No record holds a token or a private key.
//!
//! | kind | name | for |
//! |---|---|---|
//! | `jwt-config` | `config` | whose tokens are believed |
//! | `jwt-role` | role name | which of them log in, and as what |

use crate::jwt::claims::{Bound, Claim, Leeway};
use crate::jwt::keys::{Algorithm, KEYS_MAX, PublicKey};
use crate::jwt::routes::{ConfigFields, RoleFields};
use crate::roles::RoleName;
use crate::token_fields::{self, TokenFields};
use cardea_model::limit::{METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX};
use cardea_model::{Error, loose};
use cardea_sdk::TokenTerms;
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the one record of its kind.
pub const CONFIG: &str = "config";
/// Most pairs of address and authorities: a login with an unknown key asks them all, one after another.
pub const PAIRS_MAX: usize = 8;
/// Longest address, path or issuer in bytes.
const ADDRESS_BYTES_MAX: usize = 2048;
/// Longest bundle of certificates in bytes.
const CA_BYTES_MAX: usize = 64 * 1024;
/// Most values that one list of a role holds: each login walks them.
const VALUES_MAX: usize = 256;
/// Longest text of a role's field in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// An address of a key set, and whom to believe there.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pair {
    pub jwks_url: String,
    pub jwks_ca_pem: String,
}

/// Whose tokens are believed. Exactly one kind of source is set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Changes with every write: what is remembered of sources belongs to one of them.
    pub generation: String,
    pub oidc_discovery_url: String,
    pub oidc_discovery_ca_pem: String,
    pub jwks_url: String,
    pub jwks_ca_pem: String,
    pub jwks_pairs: Vec<Pair>,
    /// Absolute path of a key set on the server itself.
    pub jwks_file: String,
    pub jwt_validation_pubkeys: Vec<String>,
    /// The same, parsed.
    pub static_keys: Vec<PublicKey>,
    pub bound_issuer: String,
    /// Names of algorithms; all that we know if empty.
    pub jwt_supported_algs: Vec<String>,
    pub default_role: String,
    pub namespace_in_state: bool,
}
json_record!(Config, "jwt-config", 1, cached);

/// Where keys are read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    Address { address: String, ca_pem: String },
    Discovery { issuer: String, ca_pem: String },
    File(String),
}

impl Config {
    /// What a write asks for; it replaces what was there. The generation is not set.
    ///
    /// # Errors
    /// Not exactly one source, a part of the browser flow, or a value that cannot mean anything.
    pub fn of(fields: &ConfigFields) -> Result<Self, Error> {
        fields.check_absent()?;
        let text = |given: &Option<String>, bytes_max: usize, name: &str| match given {
            Some(text) if text.len() > bytes_max => Err(Error::invalid(format!("`{name}` is too long"))),
            Some(text) => Ok(text.trim().to_owned()),
            None => Ok(String::new()),
        };
        let list = |given: &Option<loose::List>| given.as_ref().map(|list| list.0.clone()).unwrap_or_default();
        let config = Self {
            oidc_discovery_url: text(&fields.oidc_discovery_url, ADDRESS_BYTES_MAX, "oidc_discovery_url")?,
            oidc_discovery_ca_pem: text(&fields.oidc_discovery_ca_pem, CA_BYTES_MAX, "oidc_discovery_ca_pem")?,
            jwks_url: text(&fields.jwks_url, ADDRESS_BYTES_MAX, "jwks_url")?,
            jwks_ca_pem: text(&fields.jwks_ca_pem, CA_BYTES_MAX, "jwks_ca_pem")?,
            jwks_pairs: fields.jwks_pairs.clone().unwrap_or_default(),
            jwks_file: text(&fields.jwks_file, ADDRESS_BYTES_MAX, "jwks_file")?,
            jwt_validation_pubkeys: list(&fields.jwt_validation_pubkeys),
            bound_issuer: text(&fields.bound_issuer, ADDRESS_BYTES_MAX, "bound_issuer")?,
            jwt_supported_algs: list(&fields.jwt_supported_algs),
            default_role: text(&fields.default_role, ADDRESS_BYTES_MAX, "default_role")?.to_ascii_lowercase(),
            namespace_in_state: fields.namespace_in_state.is_none_or(|flag| flag.0),
            ..Self::default()
        };
        config.checked()
    }

    fn checked(mut self) -> Result<Self, Error> {
        let sources = [
            !self.oidc_discovery_url.is_empty(),
            !self.jwt_validation_pubkeys.is_empty(),
            !self.jwks_url.is_empty(),
            !self.jwks_pairs.is_empty(),
            !self.jwks_file.is_empty(),
        ];
        if sources.iter().filter(|set| **set).count() != 1 {
            return Err(Error::invalid(
                "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs', 'jwks_file' or 'oidc_discovery_url' must be set",
            ));
        }
        if !self.jwks_pairs.is_empty() {
            if !self.jwks_ca_pem.is_empty() {
                return Err(Error::invalid(
                    "CA PEMs must be provided as part of the 'jwks_pairs' when using multiple JWKS URLs",
                ));
            }
            if !self.bound_issuer.is_empty() {
                return Err(Error::invalid("Bound issuer is not supported for use with 'jwks_pairs'"));
            }
            if self.jwks_pairs.len() > PAIRS_MAX {
                return Err(Error::invalid("invalid jwks_pairs: too many"));
            }
        }
        for source in self.sources() {
            match source {
                Source::Address { address, ca_pem } | Source::Discovery { issuer: address, ca_pem } => {
                    check_address(&address)?;
                    if ca_pem.len() > CA_BYTES_MAX {
                        return Err(Error::invalid("a bundle of certificates is too long"));
                    }
                }
                Source::File(path) if !path.starts_with('/') => {
                    return Err(Error::invalid("`jwks_file` is not an absolute path"));
                }
                Source::File(_) => {}
            }
        }
        if self.jwt_validation_pubkeys.len() > KEYS_MAX {
            return Err(Error::invalid("`jwt_validation_pubkeys` has too many keys"));
        }
        self.static_keys =
            self.jwt_validation_pubkeys.iter().map(|pem| PublicKey::from_pem(pem)).collect::<Result<_, _>>()?;
        if self.jwt_supported_algs.iter().any(|name| Algorithm::parse(name).is_none()) {
            return Err(Error::invalid("invalid jwt_supported_algs: unsupported signing algorithm"));
        }
        if !self.default_role.is_empty() {
            RoleName::parse(&self.default_role)?;
        }
        Ok(self)
    }

    /// Where keys are read from; none if they are in the configuration itself.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let address =
            |address: &str, ca_pem: &str| Source::Address { address: address.to_owned(), ca_pem: ca_pem.to_owned() };
        if !self.oidc_discovery_url.is_empty() {
            let (issuer, ca_pem) = (self.oidc_discovery_url.clone(), self.oidc_discovery_ca_pem.clone());
            return vec![Source::Discovery { issuer, ca_pem }];
        }
        if !self.jwks_url.is_empty() {
            return vec![address(&self.jwks_url, &self.jwks_ca_pem)];
        }
        if !self.jwks_file.is_empty() {
            return vec![Source::File(self.jwks_file.clone())];
        }
        self.jwks_pairs.iter().map(|pair| address(&pair.jwks_url, &pair.jwks_ca_pem)).collect()
    }

    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        let names = &self.jwt_supported_algs;
        names.is_empty() || names.iter().any(|name| Algorithm::parse(name) == Some(algorithm))
    }

    /// The issuer that tokens must name: the owner's, or the one whose document was discovered.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        [&self.bound_issuer, &self.oidc_discovery_url].into_iter().find(|issuer| !issuer.is_empty()).map(String::as_str)
    }
}

/// The words for an address that is never asked; who asks checks again, by the host that it really means.
///
/// Credentials in an address would stand wherever the address does: in the record, in every read, in proxies' logs.
fn check_address(address: &str) -> Result<(), Error> {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    if authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(Error::invalid("an address has credentials in it (`user:password@host`), which none may have"));
    }
    let local = ["http://127.", "http://localhost:", "http://localhost/", "http://[::1]"];
    if address.starts_with("https://") || local.iter().any(|start| address.starts_with(start)) {
        return Ok(());
    }
    Err(Error::invalid("an address does not start with `https://` (`http://` is for this machine itself)"))
}

/// How bound claims are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoundClaimsType {
    #[default]
    String,
    Glob,
}

/// A role.
#[derive(Clone, Serialize, Deserialize)]
pub struct Role {
    /// Internal id, never shown: tokens belong to it, not to the name.
    pub uid: String,
    pub bound_audiences: Vec<String>,
    pub bound_subject: String,
    pub bound_claims: Bound,
    pub bound_claims_type: BoundClaimsType,
    /// From a claim to a name of metadata.
    pub claim_mappings: BTreeMap<String, String>,
    pub user_claim: String,
    pub user_claim_json_pointer: bool,
    pub groups_claim: String,
    pub leeway: Leeway,
    /// Kept for clients that compare; they mean something in the browser flow alone.
    pub allowed_redirect_uris: Vec<String>,
    pub oidc_scopes: Vec<String>,
    pub max_age_s: u64,
    pub verbose_oidc_logging: bool,
    /// Names before `token_*` that the owner used; reads show those too then.
    pub legacy: BTreeSet<String>,
    pub terms: TokenTerms,
}
json_record!(Role, "jwt-role", 1, cached);

impl Role {
    #[must_use]
    pub fn new(uid: String) -> Self {
        Self {
            uid,
            bound_audiences: Vec::new(),
            bound_subject: String::new(),
            bound_claims: Bound::new(),
            bound_claims_type: BoundClaimsType::default(),
            claim_mappings: BTreeMap::new(),
            user_claim: String::new(),
            user_claim_json_pointer: false,
            groups_claim: String::new(),
            leeway: Leeway::default(),
            allowed_redirect_uris: Vec::new(),
            oidc_scopes: Vec::new(),
            max_age_s: 0,
            verbose_oidc_logging: false,
            legacy: BTreeSet::new(),
            terms: TokenTerms::default(),
        }
    }

    /// Changes what was sent.
    ///
    /// # Errors
    /// A field that cannot mean anything, or a role that would let in everybody whom the issuer knows.
    pub fn apply(&mut self, fields: &RoleFields, token: &TokenFields) -> Result<(), Error> {
        match fields.role_type.as_deref() {
            Some("jwt") => {}
            None if fields.allowed_redirect_uris.as_ref().is_none_or(|uris| uris.0.is_empty()) => {}
            None | Some("" | "oidc") => return Err(Error::invalid(NO_BROWSER)),
            Some(_) => return Err(Error::invalid("invalid 'role_type'")),
        }
        if let Some(list) = &fields.bound_audiences {
            self.bound_audiences.clone_from(&list.0);
        }
        if let Some(text) = &fields.bound_subject {
            self.bound_subject.clone_from(text);
        }
        match fields.bound_claims_type.as_deref() {
            None => {}
            Some("string") => self.bound_claims_type = BoundClaimsType::String,
            Some("glob") => self.bound_claims_type = BoundClaimsType::Glob,
            Some(_) => return Err(Error::invalid("invalid 'bound_claims_type'")),
        }
        if let Some(bound) = &fields.bound_claims {
            self.bound_claims.clone_from(&bound.0);
        }
        if let Some(pairs) = &fields.claim_mappings {
            self.claim_mappings.clone_from(&pairs.0);
        }
        if let Some(claim) = &fields.user_claim {
            self.user_claim.clone_from(claim);
        }
        if let Some(flag) = fields.user_claim_json_pointer {
            self.user_claim_json_pointer = flag.0;
        }
        if let Some(claim) = &fields.groups_claim {
            self.groups_claim.clone_from(claim);
        }
        for (sent, kept) in [
            (fields.expiration_leeway, &mut self.leeway.expiration_s),
            (fields.not_before_leeway, &mut self.leeway.not_before_s),
            (fields.clock_skew_leeway, &mut self.leeway.clock_skew_s),
        ] {
            if let Some(seconds) = sent {
                *kept = seconds.0;
            }
        }
        if let Some(list) = &fields.allowed_redirect_uris {
            self.allowed_redirect_uris.clone_from(&list.0);
        }
        if let Some(list) = &fields.oidc_scopes {
            self.oidc_scopes.clone_from(&list.0);
        }
        if let Some(span) = fields.max_age {
            self.max_age_s = span.0.0;
        }
        if let Some(flag) = fields.verbose_oidc_logging {
            self.verbose_oidc_logging = flag.0;
        }
        self.modern(fields, token).apply(&mut self.terms)?;
        self.check()
    }

    /// The `token_*` fields, filled from older names where only those were sent.
    fn modern(&mut self, fields: &RoleFields, token: &TokenFields) -> TokenFields {
        let mut out = token.clone();
        macro_rules! upgrade {
            ($($old:ident => $new:ident),*) => {$(
                if out.$new.is_some() {
                    self.legacy.remove(stringify!($old));
                } else if fields.$old.is_some() {
                    out.$new = fields.$old.clone();
                    self.legacy.insert(stringify!($old).to_owned());
                }
            )*};
        }
        upgrade!(policies => token_policies, num_uses => token_num_uses, ttl => token_ttl, max_ttl => token_max_ttl,
                 period => token_period, bound_cidrs => token_bound_cidrs);
        out
    }

    fn check(&self) -> Result<(), Error> {
        self.check_sizes()?;
        if self.user_claim.is_empty() {
            return Err(Error::invalid("a user claim must be defined on the role"));
        }
        if self.user_claim_json_pointer && !self.user_claim.starts_with('/') {
            return Err(Error::invalid("`user_claim` is no JSON pointer: it does not begin with a slash"));
        }
        let globs = self.bound_claims_type == BoundClaimsType::Glob;
        for wanted in self.bound_claims.values() {
            let items = wanted.items().ok_or_else(|| Error::invalid("a bound claim is not a string or list"))?;
            let plain = |item: &Claim| matches!(item, Claim::Text(_) | Claim::Flag(_) | Claim::Number(_));
            if items.iter().any(|item| globs && item.text().is_none() || !plain(item)) {
                return Err(Error::invalid(match globs {
                    true => "a bound claim is not a string, which globs are",
                    false => "a bound claim is not a list of strings, numbers or flags",
                }));
            }
        }
        let mut targets = BTreeSet::new();
        for target in self.claim_mappings.values() {
            if target == "role" {
                return Err(Error::invalid("metadata key \"role\" is reserved and may not be a mapping destination"));
            }
            if target.is_empty() || target.len() > METADATA_KEY_BYTES_MAX {
                return Err(Error::invalid("a metadata key of `claim_mappings` is empty or too long"));
            }
            if !targets.insert(target) {
                return Err(Error::invalid("multiple keys are mapped to one metadata key"));
            }
        }
        if self.bound_audiences.is_empty()
            && self.terms.bound_cidrs.is_empty()
            && self.bound_subject.is_empty()
            && self.bound_claims.is_empty()
        {
            return Err(Error::invalid("must have at least one bound constraint when creating/updating a role"));
        }
        token_fields::check(&self.terms)
    }

    fn check_sizes(&self) -> Result<(), Error> {
        let texts = [&self.bound_subject, &self.user_claim, &self.groups_claim];
        let lists = [&self.bound_audiences, &self.allowed_redirect_uris, &self.oidc_scopes];
        let long = |text: &String| text.len() > TEXT_BYTES_MAX;
        let items = || self.bound_claims.values().filter_map(Claim::items).flatten();
        if texts.into_iter().any(long)
            || lists.into_iter().flatten().any(long)
            || self.claim_mappings.keys().any(long)
            || self.bound_claims.keys().any(long)
            || items().filter_map(Claim::text).any(|text| text.len() > TEXT_BYTES_MAX)
        {
            return Err(Error::invalid("a text of the role is too long"));
        }
        if lists.into_iter().any(|list| list.len() > VALUES_MAX)
            || items().count() > VALUES_MAX
            || self.bound_claims.len() > VALUES_MAX
            // One pair of metadata is the role's name.
            || self.claim_mappings.len() >= METADATA_PAIRS_MAX
        {
            return Err(Error::invalid("a list of the role has too many values"));
        }
        Ok(())
    }

    /// What the owner should know of a role that was just written; `max_s` is the mount's maximum TTL.
    #[must_use]
    pub fn warnings(&self, max_s: u64) -> Vec<&'static str> {
        let mut out = token_fields::warnings(&self.terms, max_s);
        if !self.groups_claim.is_empty() {
            out.push("groups_claim is demanded of tokens, but there are no identity groups yet: it grants nothing");
        }
        out
    }
}

/// The words for whatever belongs to OIDC in a browser.
pub const NO_BROWSER: &str = "the browser flow of OIDC is not supported: set 'role_type' to 'jwt' and log in with a token that its issuer signed";
