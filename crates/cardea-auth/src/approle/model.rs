//! What AppRole stores, and the rules that need nothing but the record. No record holds a secret id.
//!
//! | kind | name | for |
//! |---|---|---|
//! | `approle-role` | role name | the role |
//! | `approle-role-id` | keyed hash of the role id | which role a login means |
//! | `approle-secret-id` | internal id of the role / keyed hash of the secret id | one secret id |
//! | `approle-accessor` | internal id of the role / accessor | the same, by the name that is no secret |
//! | `approle-expiry` | [`ExpiryName`] | which secret ids have expired, oldest first |
//! | `approle-gone` | internal id of a removed role | what is left to be removed |

use crate::approle::routes::{Field, RoleFields, SecretIdFields};
use crate::cidr::{self, Cidr};
use crate::token_fields::{self, TokenFields};
use cardea_model::limit::{METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX};
use cardea_model::{Error, Timestamp, TtlSeconds, loose};
use cardea_sdk::TokenTerms;
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest role id in bytes: it is the name of an identity alias, which is part of store keys.
pub const ROLE_ID_BYTES_MAX: usize = 512;
/// Longest secret id that an owner may choose, in bytes. Nothing sensible is longer, and each login hashes it.
pub const SECRET_ID_BYTES_MAX: usize = 1024;
/// Longest accessor in bytes; ours have 36. Longer texts are nobody's.
pub const ACCESSOR_BYTES_MAX: usize = 128;

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Internal id, never shown: secret ids belong to it, not to the name.
    pub uid: String,
    pub role_id: String,
    pub bind_secret_id: bool,
    pub secret_id_bound_cidrs: Vec<String>,
    /// 0 is unlimited.
    pub secret_id_num_uses: u64,
    /// `None`: they live until they are destroyed.
    pub secret_id_ttl_s: Option<TtlSeconds>,
    pub local_secret_ids: bool,
    /// Whether the owner used the names that Vault had before `token_*`; reads show those too then.
    #[serde(default)]
    pub legacy_policies: bool,
    #[serde(default)]
    pub legacy_period: bool,
    pub terms: TokenTerms,
}
json_record!(Role, "approle-role", 1, cached);

impl Role {
    #[must_use]
    pub fn new(uid: String, role_id: String) -> Self {
        Self {
            uid,
            role_id,
            bind_secret_id: true,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl_s: None,
            local_secret_ids: false,
            legacy_policies: false,
            legacy_period: false,
            terms: TokenTerms::default(),
        }
    }

    /// Changes what was sent.
    ///
    /// # Errors
    /// A field that cannot mean anything, or one that cannot change any more.
    pub fn apply(&mut self, fields: &RoleFields, token: &TokenFields, creating: bool) -> Result<(), Error> {
        if let Some(flag) = fields.local_secret_ids {
            if !creating && flag.0 != self.local_secret_ids {
                return Err(Error::invalid("`local_secret_ids` can only be set when the role is created"));
            }
            self.local_secret_ids = flag.0;
        }
        if let Some(role_id) = &fields.role_id {
            self.role_id = chosen_id(role_id, ROLE_ID_BYTES_MAX, "`role_id`")?.to_owned();
        }
        if let Some(flag) = fields.bind_secret_id {
            self.bind_secret_id = flag.0;
        }
        if let Some(list) = fields.secret_id_bound_cidrs.as_ref().or(fields.bound_cidr_list.as_ref()) {
            self.secret_id_bound_cidrs = cidr::checked(list.0.clone())?;
        }
        if let Some(uses) = fields.secret_id_num_uses {
            self.secret_id_num_uses = token_fields::count(uses, "`secret_id_num_uses` is negative")?;
        }
        if let Some(ttl) = fields.secret_id_ttl {
            self.secret_id_ttl_s = ttl.none_if_zero();
        }
        // The newer name wins where both were sent.
        if token.token_policies.is_some() {
            self.legacy_policies = false;
        } else if let Some(list) = &fields.policies {
            self.terms.policies = token_fields::policies(list.0.clone())?;
            self.legacy_policies = true;
        }
        if token.token_period.is_some() {
            self.legacy_period = false;
        } else if let Some(period) = fields.period {
            self.terms.period_s = period.none_if_zero();
            self.legacy_period = true;
        }
        token.clone().apply(&mut self.terms)?;
        self.check()
    }

    /// Puts one field back to its default.
    ///
    /// # Errors
    /// What is left would not make a sound role, or the field cannot be put back.
    pub fn reset(&mut self, field: Field) -> Result<(), Error> {
        match field {
            Field::BindSecretId => self.bind_secret_id = true,
            Field::SecretIdBoundCidrs | Field::BoundCidrList => self.secret_id_bound_cidrs = Vec::new(),
            Field::SecretIdNumUses => self.secret_id_num_uses = 0,
            Field::SecretIdTtl => self.secret_id_ttl_s = None,
            Field::Policies => (self.terms.policies, self.legacy_policies) = (Vec::new(), false),
            Field::Period => (self.terms.period_s, self.legacy_period) = (None, false),
            Field::TokenTtl => self.terms.ttl_s = None,
            Field::TokenMaxTtl => self.terms.max_ttl_s = None,
            Field::TokenNumUses => self.terms.num_uses = 0,
            Field::TokenBoundCidrs => self.terms.bound_cidrs = Vec::new(),
            Field::LocalSecretIds | Field::RoleId => return Err(Error::invalid("this field has no default")),
        }
        self.check()
    }

    /// Whether the fields fit together.
    fn check(&self) -> Result<(), Error> {
        if !self.bind_secret_id && self.secret_id_bound_cidrs.is_empty() && self.terms.bound_cidrs.is_empty() {
            return Err(Error::invalid("at least one constraint must be set on the role: a secret id or networks"));
        }
        token_fields::check(&self.terms)
    }

    /// What the owner should know of a role that was just written; `max_s` is the mount's maximum TTL.
    #[must_use]
    pub fn warnings(&self, max_s: u64) -> Vec<&'static str> {
        let mut out = token_fields::warnings(&self.terms, max_s);
        if self.secret_id_ttl_s.is_some_and(|ttl| ttl.0 > max_s) {
            out.push("secret_id_ttl is greater than the mount's maximum TTL, which will be used instead");
        }
        let open = |list: &[String]| list.iter().any(|text| Cidr::parse(text).is_ok_and(|cidr| cidr.is_everything()));
        if !self.bind_secret_id && (open(&self.secret_id_bound_cidrs) || open(&self.terms.bound_cidrs)) {
            out.push(
                "this role asks for no secret id and a network of it holds every address: the role id alone logs in",
            );
        }
        out
    }
}

/// Which role a role id means.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoleIdIndex {
    pub role_name: String,
}
json_record!(RoleIdIndex, "approle-role-id", 1, cached);

/// One secret id, known by its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretId {
    pub accessor: String,
    /// Whether its owner chose it; such a value may be registered again after it expired.
    #[serde(default)]
    pub custom: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// As issued; `None` is without end.
    pub ttl_s: Option<TtlSeconds>,
    pub expires: Option<Timestamp>,
    /// Logins left; `None` is unlimited.
    pub uses_left: Option<u64>,
    pub cidr_list: Vec<String>,
    pub token_bound_cidrs: Vec<String>,
    pub metadata: BTreeMap<String, String>,
}
json_record!(SecretId, "approle-secret-id", 1, cached);

impl SecretId {
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// Which secret id an accessor means.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessorIndex {
    pub secret_hash: String,
}
json_record!(AccessorIndex, "approle-accessor", 1);

/// Says by its name which secret id expires when.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExpiryMark {}
json_record!(ExpiryMark, "approle-expiry", 1);

/// A removed role whose secret ids are still to be removed; unreachable already.
#[derive(Debug, Serialize, Deserialize)]
pub struct GoneRole {}
json_record!(GoneRole, "approle-gone", 1);

/// The name of an [`ExpiryMark`]: everything that removal needs, so that a sweep reads nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpiryName {
    pub expires: Timestamp,
    pub custom: bool,
    pub uid: String,
    pub accessor: String,
    pub secret_hash: String,
}

impl ExpiryName {
    /// Milliseconds in twenty digits first, so that names sort by time.
    #[must_use]
    pub fn text(&self) -> String {
        let made = if self.custom { 'c' } else { 'g' };
        format!("{:020}/{made}/{}/{}/{}", self.expires.0, self.uid, self.accessor, self.secret_hash)
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '/');
        let expires = Timestamp(parts.next()?.parse().ok()?);
        let custom = parts.next()? == "c";
        let mut next = || parts.next().map(str::to_owned);
        Some(Self { expires, custom, uid: next()?, accessor: next()?, secret_hash: next()? })
    }

    /// The mark of a secret id, if it expires.
    #[must_use]
    pub fn of(uid: &str, secret_hash: &str, secret: &SecretId) -> Option<Self> {
        Some(Self {
            expires: secret.expires?,
            custom: secret.custom,
            uid: uid.to_owned(),
            accessor: secret.accessor.clone(),
            secret_hash: secret_hash.to_owned(),
        })
    }
}

/// What a new secret id may do: its role's terms, or tighter ones.
#[derive(Debug)]
pub struct SecretIdTerms {
    pub metadata: BTreeMap<String, String>,
    pub cidr_list: Vec<String>,
    pub token_bound_cidrs: Vec<String>,
    pub num_uses: u64,
    pub ttl_s: Option<TtlSeconds>,
}

impl SecretIdTerms {
    /// # Errors
    /// Anything wider than the role, or metadata beyond the bounds.
    pub fn within(fields: &SecretIdFields, role: &Role) -> Result<Self, Error> {
        if !role.bind_secret_id {
            return Err(Error::invalid("`bind_secret_id` is not set on the role"));
        }
        let num_uses = match fields.num_uses {
            None => role.secret_id_num_uses,
            Some(uses) => {
                let uses = token_fields::count(uses, "`num_uses` is negative")?;
                let most = role.secret_id_num_uses;
                if most > 0 && (uses == 0 || uses > most) {
                    return Err(Error::invalid("`num_uses` is higher than the role's `secret_id_num_uses`"));
                }
                uses
            }
        };
        let ttl_s = match fields.ttl.map(loose::Duration::none_if_zero) {
            None => role.secret_id_ttl_s,
            Some(ttl) => {
                if role.secret_id_ttl_s.is_some_and(|most| ttl.is_none_or(|ttl| ttl > most)) {
                    return Err(Error::invalid("`ttl` is longer than the role's `secret_id_ttl`"));
                }
                ttl
            }
        };
        Ok(Self {
            metadata: checked_metadata(fields.metadata.as_ref())?,
            cidr_list: narrowed(
                fields.cidr_list.as_ref(),
                &role.secret_id_bound_cidrs,
                "`cidr_list` reaches beyond the role's `secret_id_bound_cidrs`",
            )?,
            token_bound_cidrs: narrowed(
                fields.token_bound_cidrs.as_ref(),
                &role.terms.bound_cidrs,
                "`token_bound_cidrs` reaches beyond the role's",
            )?,
            num_uses,
            ttl_s,
        })
    }
}

fn narrowed(sent: Option<&loose::List>, role: &[String], words: &str) -> Result<Vec<String>, Error> {
    let list = cidr::checked(sent.map(|list| list.0.clone()).unwrap_or_default())?;
    if !list.is_empty() && !cidr::is_within(&list, role) {
        return Err(Error::invalid(words));
    }
    Ok(list)
}

fn checked_metadata(sent: Option<&loose::Pairs>) -> Result<BTreeMap<String, String>, Error> {
    let pairs = sent.map(|pairs| pairs.0.clone()).unwrap_or_default();
    if pairs.len() > METADATA_PAIRS_MAX {
        return Err(Error::invalid("metadata has too many pairs"));
    }
    if pairs.keys().any(|key| key.is_empty() || key.len() > METADATA_KEY_BYTES_MAX) {
        return Err(Error::invalid("a metadata key is empty or too long"));
    }
    if pairs.values().any(|value| value.len() > METADATA_VALUE_BYTES_MAX) {
        return Err(Error::invalid("a metadata value is too long"));
    }
    Ok(pairs)
}

/// Checks an id that its owner chose. A login trims what it gets, so an id with blanks at an end could never match.
///
/// # Errors
/// Empty, too long, blanks at an end, or characters that cannot be printed.
pub fn chosen_id<'t>(id: &'t str, bytes_max: usize, field: &str) -> Result<&'t str, Error> {
    if id.is_empty() {
        return Err(Error::invalid(format!("{field} is empty")));
    }
    if id.len() > bytes_max {
        return Err(Error::invalid(format!("{field} is too long")));
    }
    if id.trim() != id || id.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{field} has blanks at an end or characters that cannot be printed")));
    }
    Ok(id)
}
