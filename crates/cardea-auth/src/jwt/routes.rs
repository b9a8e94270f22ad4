//! The table of routes, and the typed requests and answers that cross it. Paths, members and shapes are Vault's.
//!
//! A row never depends on state. Role names are folded by the patterns: the canonical path has the lower-case name.

use crate::jwt::Op;
use crate::jwt::claims::{Bound as BoundMap, Claim};
use crate::jwt::model::{BoundClaimsType, Config, NO_BROWSER, Pair, Role};
use crate::roles::RoleName;
use crate::token_fields::{TokenFields, TokenView, read_two};
use cardea_model::time::parse_duration_s;
use cardea_model::{Error, SecretText, loose};
use cardea_sdk::{Access, Bound, Route};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Everything that the method answers to.
pub static ROUTES: &[Route<Op>] = &[
    Route::write("login", "login", |params| {
        Bound::read(params, |login: LoginFields| Op::Login { role: login.role, jwt: login.jwt })
    })
    .access(Access::Login)
    .help("Exchanges a token that a known issuer signed for a token of this server.")
    .clear(&["role"])
    .example(r#"{"role":"ci","jwt":"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2ln"}"#),
    Route::read("config-read", "config", |params| Bound::plain(params, Op::ReadConfig))
        .help("Reads whose tokens are believed.")
        .clear_answer(CONFIG_CLEAR),
    Route::write("config-write", "config", |params| Bound::read(params, |fields| Op::WriteConfig(Box::new(fields))))
        .help("Sets whose tokens are believed, in place of what was there. `jwks_file` takes `sudo`.")
        .clear(CONFIG_CLEAR)
        .example(r#"{"jwks_url":"https://issuer.example/keys","bound_issuer":"https://issuer.example"}"#),
    Route::list("role-list", "role", |params| Bound::read(params, Op::ListRoles))
        .help("Lists the names of the roles.")
        .clear(&["after", "limit"])
        .clear_answer(&["keys"]),
    Route::read("role-read", "role/{role_name:lower}", |params| {
        Bound::plain(params, Op::ReadRole(RoleName::captured(params)?))
    })
    .help("Reads a role.")
    .clear_answer(ROLE_CLEAR),
    Route::write("role-write", "role/{role_name:lower}", |params| {
        let role = RoleName::captured(params)?;
        read_two(params, |fields: RoleFields, token: TokenFields| {
            Ok(Op::WriteRole { role, fields: Box::new(fields), token: Box::new(token) })
        })
    })
    .upsert()
    .help("Makes a role, or changes the fields that are sent.")
    .clear(ROLE_CLEAR)
    .example(
        r#"{"role_type":"jwt","user_claim":"sub","bound_audiences":["cardea"],"bound_claims":{"repository":["org/app"]},"token_policies":["deploy"]}"#,
    ),
    Route::delete("role-delete", "role/{role_name:lower}", |params| {
        Bound::plain(params, Op::DeleteRole(RoleName::captured(params)?))
    })
    .help("Removes a role. Its tokens live on, but are not renewed."),
];

/// Members that the log keeps in clear. Keys and certificates are left out for their length alone, addresses since a query may
/// carry a secret.
const CONFIG_CLEAR: &[&str] = &["jwks_file", "bound_issuer", "jwt_supported_algs", "default_role"];
const ROLE_CLEAR: &[&str] = &[
    "role_type",
    "bound_audiences",
    "bound_subject",
    "bound_claims",
    "bound_claims_type",
    "claim_mappings",
    "user_claim",
    "user_claim_json_pointer",
    "groups_claim",
    "expiration_leeway",
    "not_before_leeway",
    "clock_skew_leeway",
    "policies",
    "num_uses",
    "ttl",
    "max_ttl",
    "period",
    "bound_cidrs",
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

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginFields {
    role: String,
    jwt: SecretText,
}

/// The configuration as a request brings it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ConfigFields {
    pub oidc_discovery_url: Option<String>,
    pub oidc_discovery_ca_pem: Option<String>,
    pub jwks_url: Option<String>,
    pub jwks_ca_pem: Option<String>,
    pub jwks_pairs: Option<Vec<Pair>>,
    pub jwks_file: Option<String>,
    pub jwt_validation_pubkeys: Option<loose::List>,
    pub bound_issuer: Option<String>,
    pub jwt_supported_algs: Option<loose::List>,
    pub default_role: Option<String>,
    pub namespace_in_state: Option<loose::Flag>,
    oidc_client_id: Option<String>,
    oidc_client_secret: Option<SecretText>,
    oidc_response_mode: Option<String>,
    oidc_response_types: Option<loose::List>,
    provider_config: Option<Members>,
    unsupported_critical_cert_extensions: Option<loose::List>,
}

impl ConfigFields {
    /// What is not supported must not be set; clients send it empty.
    ///
    /// # Errors
    /// One that is set.
    pub fn check_absent(&self) -> Result<(), Error> {
        let text = |given: &Option<String>| given.as_ref().is_some_and(|text| !text.is_empty());
        let list = |given: &Option<loose::List>| given.as_ref().is_some_and(|list| !list.0.is_empty());
        if text(&self.oidc_client_id)
            || self.oidc_client_secret.as_ref().is_some_and(|secret| !secret.is_empty())
            || text(&self.oidc_response_mode)
            || list(&self.oidc_response_types)
        {
            return Err(Error::invalid(NO_BROWSER));
        }
        if self.provider_config.as_ref().is_some_and(|config| !config.0.is_empty()) {
            return Err(Error::invalid("`provider_config` is not supported: no provider is asked for groups"));
        }
        if list(&self.unsupported_critical_cert_extensions) {
            return Err(Error::invalid("`unsupported_critical_cert_extensions` is not supported"));
        }
        Ok(())
    }
}

/// An object whose members only its owner knows; a member that stands twice is refused.
pub struct Members(pub BoundMap);

/// Seconds that may be negative, in every spelling of a duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedSeconds(pub i64);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Members, E> {
        Ok(Members(BoundMap::new()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Members, A::Error> {
        match Claim::deserialize(MapAccessDeserializer::new(map))? {
            Claim::Object(members) => Ok(Members(members)),
            _ => Err(de::Error::custom("not an object")),
        }
    }
}

impl<'de> Deserialize<'de> for SignedSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl<'de> Visitor<'de> for SecondsVisitor {
    type Value = SignedSeconds;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in seconds or of the form `1h30m`, perhaps negative")
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<SignedSeconds, E> {
        self.visit_str(&v.to_string())
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<SignedSeconds, E> {
        self.visit_str(&v.to_string())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SignedSeconds, A::Error> {
        // A number, token for token.
        self.visit_str(&loose::Text::deserialize(MapAccessDeserializer::new(map))?.0)
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<SignedSeconds, E> {
        let text = v.trim();
        if text.is_empty() {
            return Ok(SignedSeconds(0));
        }
        let (negative, span) = text.strip_prefix('-').map_or((false, text), |span| (true, span));
        let seconds = parse_duration_s(span).ok().and_then(|seconds| i64::try_from(seconds).ok());
        let seconds = seconds.ok_or_else(|| E::custom("not a duration"))?;
        Ok(SignedSeconds(if negative { -seconds } else { seconds }))
    }
}

/// A role's own fields as a request brings them; `None` leaves what is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RoleFields {
    pub role_type: Option<String>,
    pub bound_audiences: Option<loose::List>,
    pub bound_subject: Option<String>,
    pub bound_claims: Option<Members>,
    pub bound_claims_type: Option<String>,
    pub claim_mappings: Option<loose::Pairs>,
    pub user_claim: Option<String>,
    pub user_claim_json_pointer: Option<loose::Flag>,
    pub groups_claim: Option<String>,
    pub expiration_leeway: Option<SignedSeconds>,
    pub not_before_leeway: Option<SignedSeconds>,
    pub clock_skew_leeway: Option<SignedSeconds>,
    pub allowed_redirect_uris: Option<loose::List>,
    pub oidc_scopes: Option<loose::List>,
    pub max_age: Option<loose::Duration>,
    pub verbose_oidc_logging: Option<loose::Flag>,
    pub policies: Option<loose::List>,
    pub num_uses: Option<loose::Int>,
    pub ttl: Option<loose::Duration>,
    pub max_ttl: Option<loose::Duration>,
    pub period: Option<loose::Duration>,
    pub bound_cidrs: Option<loose::List>,
}

/// The configuration as reads show it, with the members of the browser flow that clients look for.
#[derive(Serialize)]
pub struct ConfigView<'a> {
    oidc_discovery_url: &'a str,
    oidc_discovery_ca_pem: &'a str,
    oidc_client_id: &'a str,
    oidc_response_mode: &'a str,
    oidc_response_types: [&'a str; 0],
    default_role: &'a str,
    jwt_validation_pubkeys: &'a [String],
    jwt_supported_algs: &'a [String],
    jwks_url: &'a str,
    jwks_ca_pem: &'a str,
    jwks_pairs: &'a [Pair],
    #[serde(skip_serializing_if = "str::is_empty")]
    jwks_file: &'a str,
    bound_issuer: &'a str,
    provider_config: BTreeMap<String, String>,
    namespace_in_state: bool,
    unsupported_critical_cert_extensions: [&'a str; 0],
}

impl<'a> ConfigView<'a> {
    #[must_use]
    pub fn of(config: &'a Config) -> Self {
        Self {
            oidc_discovery_url: &config.oidc_discovery_url,
            oidc_discovery_ca_pem: &config.oidc_discovery_ca_pem,
            oidc_client_id: "",
            oidc_response_mode: "",
            oidc_response_types: [],
            default_role: &config.default_role,
            jwt_validation_pubkeys: &config.jwt_validation_pubkeys,
            jwt_supported_algs: &config.jwt_supported_algs,
            jwks_url: &config.jwks_url,
            jwks_ca_pem: &config.jwks_ca_pem,
            jwks_pairs: &config.jwks_pairs,
            jwks_file: &config.jwks_file,
            bound_issuer: &config.bound_issuer,
            provider_config: BTreeMap::new(),
            namespace_in_state: config.namespace_in_state,
            unsupported_critical_cert_extensions: [],
        }
    }
}

/// A role as reads show it. Lists that were never set are `null`.
#[derive(Serialize)]
pub struct RoleView<'a> {
    role_type: &'static str,
    bound_audiences: Option<&'a [String]>,
    bound_subject: &'a str,
    bound_claims: Option<&'a BoundMap>,
    bound_claims_type: BoundClaimsType,
    claim_mappings: Option<&'a BTreeMap<String, String>>,
    user_claim: &'a str,
    user_claim_json_pointer: bool,
    groups_claim: &'a str,
    expiration_leeway: i64,
    not_before_leeway: i64,
    clock_skew_leeway: i64,
    oauth2_metadata: Option<()>,
    allowed_redirect_uris: Option<&'a [String]>,
    oidc_scopes: Option<&'a [String]>,
    max_age: u64,
    verbose_oidc_logging: bool,
    #[serde(flatten)]
    legacy: BTreeMap<&'static str, Claim>,
    #[serde(flatten)]
    token: TokenView,
}

impl<'a> RoleView<'a> {
    #[must_use]
    pub fn of(role: &'a Role) -> Self {
        let list = |list: &'a Vec<String>| (!list.is_empty()).then_some(list.as_slice());
        let token = TokenView::of(&role.terms);
        let texts = |list: &Option<Vec<String>>| {
            Claim::List(list.iter().flatten().map(|text| Claim::Text(text.clone())).collect())
        };
        let number = |number: Option<u64>| Claim::Number(number.unwrap_or_default().into());
        let legacy = [
            ("policies", texts(&token.token_policies)),
            ("num_uses", number(token.token_num_uses)),
            ("ttl", number(token.token_ttl)),
            ("max_ttl", number(token.token_max_ttl)),
            ("period", number(token.token_period)),
            ("bound_cidrs", texts(&token.token_bound_cidrs)),
        ];
        Self {
            role_type: "jwt",
            bound_audiences: list(&role.bound_audiences),
            bound_subject: &role.bound_subject,
            bound_claims: (!role.bound_claims.is_empty()).then_some(&role.bound_claims),
            bound_claims_type: role.bound_claims_type,
            claim_mappings: (!role.claim_mappings.is_empty()).then_some(&role.claim_mappings),
            user_claim: &role.user_claim,
            user_claim_json_pointer: role.user_claim_json_pointer,
            groups_claim: &role.groups_claim,
            expiration_leeway: role.leeway.expiration_s,
            not_before_leeway: role.leeway.not_before_s,
            clock_skew_leeway: role.leeway.clock_skew_s,
            oauth2_metadata: None,
            allowed_redirect_uris: list(&role.allowed_redirect_uris),
            oidc_scopes: list(&role.oidc_scopes),
            max_age: role.max_age_s,
            verbose_oidc_logging: role.verbose_oidc_logging,
            legacy: legacy.into_iter().filter(|(name, _)| role.legacy.contains(*name)).collect(),
            token,
        }
    }
}
