//! Roles of the token store: what tokens a caller may make who may not make them by itself. A role's lists hold canonical
//! names, so that no spelling of a name passes a list that holds another.

use super::terms::glob_matches;
use super::{Op as TokenOp, terms};
use crate::{policies, tokens};
use cardea_model::{Error, Params, limit, loose};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};

/// Longest name of a role, and of a path suffix, in bytes: both stand in the path of each token that a role makes.
const NAME_BYTES_MAX: usize = 128;
/// Most CIDRs, and most entity aliases, of one role.
const LIST_MAX: usize = 256;

/// What kind of tokens a role makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleKind {
    /// What the request says, else service.
    #[default]
    DefaultService,
    /// What the request says, else batch.
    DefaultBatch,
    Service,
    Batch,
}

impl RoleKind {
    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "" | "default" | "default-service" => Ok(Self::DefaultService),
            "default-batch" => Ok(Self::DefaultBatch),
            "service" => Ok(Self::Service),
            "batch" => Ok(Self::Batch),
            _ => Err(Error::invalid("invalid 'token_type' value")),
        }
    }
}

/// The stored role. Spans in seconds, 0 where the role says nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub allowed_policies: Vec<String>,
    pub allowed_policies_glob: Vec<String>,
    pub disallowed_policies: Vec<String>,
    pub disallowed_policies_glob: Vec<String>,
    pub orphan: bool,
    pub renewable: bool,
    pub path_suffix: String,
    pub period_s: u64,
    pub explicit_max_ttl_s: u64,
    pub bound_cidrs: Vec<String>,
    pub num_uses: u64,
    pub kind: RoleKind,
    pub no_default_policy: bool,
    /// Lower-case names or patterns.
    #[serde(default)]
    pub allowed_entity_aliases: Vec<String>,
}
json_record!(Role, "token-role", 1, cached);

impl Default for Role {
    fn default() -> Self {
        Self {
            allowed_policies: Vec::new(),
            allowed_policies_glob: Vec::new(),
            disallowed_policies: Vec::new(),
            disallowed_policies_glob: Vec::new(),
            orphan: false,
            renewable: true,
            path_suffix: String::new(),
            period_s: 0,
            explicit_max_ttl_s: 0,
            bound_cidrs: Vec::new(),
            num_uses: 0,
            kind: RoleKind::default(),
            no_default_policy: false,
            allowed_entity_aliases: Vec::new(),
        }
    }
}

fn listed(exact: &[String], globs: &[String], name: &str) -> bool {
    exact.iter().any(|known| known == name) || globs.iter().any(|glob| glob_matches(glob, name))
}

impl Role {
    /// Whether the role, and not the parent, says which policies are in reach.
    #[must_use]
    pub fn rules_policies(&self) -> bool {
        let lists = [&self.allowed_policies, &self.allowed_policies_glob, &self.disallowed_policies];
        lists.iter().any(|list| !list.is_empty()) || !self.disallowed_policies_glob.is_empty()
    }

    #[must_use]
    pub fn allows(&self, policy: &str) -> bool {
        listed(&self.allowed_policies, &self.allowed_policies_glob, policy)
    }

    #[must_use]
    pub fn disallows(&self, policy: &str) -> bool {
        listed(&self.disallowed_policies, &self.disallowed_policies_glob, policy)
    }

    /// Whether tokens may be made for an entity alias; the name is lower-case.
    #[must_use]
    pub fn allows_alias(&self, alias: &str) -> bool {
        self.allowed_entity_aliases.iter().any(|known| glob_matches(known, alias))
    }

    fn check(&self) -> Result<(), Error> {
        if self.kind != RoleKind::Batch {
            return Ok(());
        }
        let needs_record = [
            (self.period_s > 0, "'token_type' cannot be 'batch' when role is set to generate periodic tokens"),
            (
                self.explicit_max_ttl_s > 0,
                "'token_type' cannot be 'batch' when role is set to generate tokens with an explicit max TTL",
            ),
            (
                self.num_uses > 0,
                "'token_type' cannot be 'batch' when role is set to generate tokens with limited use count",
            ),
        ];
        match needs_record.into_iter().find(|(set, _)| *set) {
            Some((_, words)) => Err(Error::invalid(words)),
            None => Ok(()),
        }
    }
}

/// Operations on roles.
pub enum Op {
    List,
    Read { name: String },
    Write { name: String, input: Box<Input> },
    Delete { name: String },
}

/// Fields as a request brings them; `None` leaves what is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Input {
    allowed_policies: Option<loose::List>,
    allowed_policies_glob: Option<loose::List>,
    disallowed_policies: Option<loose::List>,
    disallowed_policies_glob: Option<loose::List>,
    orphan: Option<loose::Flag>,
    renewable: Option<loose::Flag>,
    path_suffix: Option<String>,
    allowed_entity_aliases: Option<loose::List>,
    token_period: Option<loose::Duration>,
    token_explicit_max_ttl: Option<loose::Duration>,
    token_bound_cidrs: Option<loose::List>,
    token_num_uses: Option<loose::Int>,
    token_type: Option<String>,
    token_no_default_policy: Option<loose::Flag>,
    // Older names of the same.
    period: Option<loose::Duration>,
    explicit_max_ttl: Option<loose::Duration>,
    bound_cidrs: Option<loose::List>,
}

const CLEAR: &[&str] = &[
    "allowed_policies",
    "allowed_policies_glob",
    "disallowed_policies",
    "disallowed_policies_glob",
    "orphan",
    "renewable",
    "path_suffix",
    "token_period",
    "token_explicit_max_ttl",
    "token_bound_cidrs",
    "token_num_uses",
    "token_type",
    "token_no_default_policy",
    "period",
    "explicit_max_ttl",
    "bound_cidrs",
];

impl Input {
    pub(super) fn apply(&self, role: &mut Role) -> Result<(), Error> {
        let lists = [
            (&self.allowed_policies, &mut role.allowed_policies),
            (&self.allowed_policies_glob, &mut role.allowed_policies_glob),
            (&self.disallowed_policies, &mut role.disallowed_policies),
            (&self.disallowed_policies_glob, &mut role.disallowed_policies_glob),
        ];
        for (sent, kept) in lists {
            if let Some(list) = sent {
                // Patterns are folded like the names that they are compared with.
                *kept = policies::names(&list.0)?;
            }
        }
        if let Some(flag) = self.orphan {
            role.orphan = flag.0;
        }
        if let Some(flag) = self.renewable {
            role.renewable = flag.0;
        }
        if let Some(suffix) = &self.path_suffix {
            if !suffix.is_empty() {
                check_name(suffix, "path_suffix has characters other than letters, digits, `-`, `_` and `.`")?;
            }
            role.path_suffix.clone_from(suffix);
        }
        if let Some(list) = &self.allowed_entity_aliases {
            if list.0.len() > LIST_MAX || list.0.iter().any(|alias| alias.len() > limit::METADATA_VALUE_BYTES_MAX) {
                return Err(Error::invalid("allowed_entity_aliases has too many or too long names"));
            }
            let mut aliases: Vec<String> = list.0.iter().map(|alias| alias.to_lowercase()).collect();
            aliases.sort_unstable();
            aliases.dedup();
            role.allowed_entity_aliases = aliases;
        }
        if let Some(period) = self.token_period.or(self.period) {
            role.period_s = period.0.0;
        }
        if let Some(span) = self.token_explicit_max_ttl.or(self.explicit_max_ttl) {
            role.explicit_max_ttl_s = span.0.0;
        }
        if let Some(list) = self.token_bound_cidrs.as_ref().or(self.bound_cidrs.as_ref()) {
            if list.0.len() > LIST_MAX {
                return Err(Error::invalid("too many bound CIDRs"));
            }
            tokens::check_cidrs(&list.0)?;
            role.bound_cidrs.clone_from(&list.0);
        }
        if let Some(uses) = self.token_num_uses {
            role.num_uses = u64::try_from(uses.0).map_err(|_| Error::invalid("'token_num_uses' cannot be negative"))?;
        }
        if let Some(word) = &self.token_type {
            role.kind = RoleKind::parse(word)?;
        }
        if let Some(flag) = self.token_no_default_policy {
            role.no_default_policy = flag.0;
        }
        role.check()
    }
}

/// A name that stands in the path of tokens: letters, digits and a few marks.
fn check_name(name: &str, words: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(Error::invalid(words)),
    }
}

fn name(p: &Params) -> Result<String, Error> {
    p.capture("role_name").map(str::to_owned).ok_or_else(|| Error::invalid("missing `role_name`"))
}

pub(super) fn routes() -> Vec<Route<TokenOp>> {
    vec![
        Route::list("roles-list", "roles", |p| Bound::plain(p, TokenOp::Roles(Op::List)))
            .clear_answer(&["keys"])
            .help("Names of the roles."),
        Route::read("role-read", "roles/{role_name}", |p| Bound::plain(p, TokenOp::Roles(Op::Read { name: name(p)? })))
            .help("Reads a role."),
        Route::write("role-write", "roles/{role_name}", |p| {
            let name = name(p)?;
            Bound::read(p, |input: Input| TokenOp::Roles(Op::Write { name, input: Box::new(input) }))
        })
        .upsert()
        .clear(CLEAR)
        .help("Makes a role, or changes the fields that are sent.")
        .example("{\"allowed_policies\": [\"payments\"], \"token_period\": \"1h\", \"orphan\": true}"),
        Route::delete("role-delete", "roles/{role_name}", |p| {
            Bound::plain(p, TokenOp::Roles(Op::Delete { name: name(p)? }))
        })
        .help("Removes a role; its tokens can no longer be renewed."),
    ]
}

/// A role as it is read. `period` and the like repeat what their newer names say.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    allowed_policies: &'a [String],
    allowed_policies_glob: &'a [String],
    disallowed_policies: &'a [String],
    disallowed_policies_glob: &'a [String],
    allowed_entity_aliases: &'a [String],
    orphan: bool,
    renewable: bool,
    path_suffix: &'a str,
    period: u64,
    explicit_max_ttl: u64,
    token_period: u64,
    token_explicit_max_ttl: u64,
    token_bound_cidrs: &'a [String],
    token_num_uses: u64,
    token_type: RoleKind,
    token_no_default_policy: bool,
}

/// A role that a request names.
pub(super) async fn find(cx: &mut Context<'_>, name: &str) -> Result<Option<Role>, Error> {
    cx.state.get::<Role>(name).await
}

pub(super) async fn exists(cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
    match op {
        Op::Write { name, .. } => cx.state.exists::<Role>(name).await,
        _ => Ok(false),
    }
}

pub(super) async fn handle(cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::List => Done::keys(cx.state.names::<Role>("", None, limit::LIST_ENTRIES_MAX).await?),
        Op::Read { name } => {
            let role = find(cx, name).await?.ok_or_else(Error::not_found)?;
            Done::object(&Answer {
                name,
                allowed_policies: &role.allowed_policies,
                allowed_policies_glob: &role.allowed_policies_glob,
                disallowed_policies: &role.disallowed_policies,
                disallowed_policies_glob: &role.disallowed_policies_glob,
                allowed_entity_aliases: &role.allowed_entity_aliases,
                orphan: role.orphan,
                renewable: role.renewable,
                path_suffix: &role.path_suffix,
                period: role.period_s,
                explicit_max_ttl: role.explicit_max_ttl_s,
                token_period: role.period_s,
                token_explicit_max_ttl: role.explicit_max_ttl_s,
                token_bound_cidrs: &role.bound_cidrs,
                token_num_uses: role.num_uses,
                token_type: role.kind,
                token_no_default_policy: role.no_default_policy,
            })
        }
        Op::Write { name, input } => {
            check_name(name, "role name has characters other than letters, digits, `-`, `_` and `.`")?;
            let mut role = find(cx, name).await?.unwrap_or_default();
            input.apply(&mut role)?;
            let (_, max_s) = cx.system.ttl_s(cx.mount);
            if terms::tighter(role.explicit_max_ttl_s, max_s) < role.explicit_max_ttl_s && role.period_s == 0 {
                cx.warn(
                    "the role's explicit max TTL is longer than the mount's maximum, which holds until it is changed",
                );
            }
            cx.state.put(name, &role)?;
            Ok(Done::empty())
        }
        Op::Delete { name } => {
            cx.state.delete::<Role>(name);
            Ok(Done::empty())
        }
    }
}
