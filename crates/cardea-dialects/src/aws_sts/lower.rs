//! From a form to a request: who is asking, or a login that answers with an access key.

use super::form::Form;
use super::names::{self, Role};
use crate::aws::json::{self, Fault, REGION_DEFAULT};
use crate::aws::sigv4::{Expected, credential_within};
use cardea_model::request::KeyWish;
use cardea_model::wire::WireRequest;
use cardea_model::{
    CanonicalPath, Credential, Method, NamespaceId, Params, Refusal, Request, SignatureScheme, Target, TtlSeconds,
};
use cardea_sdk::dialect::{DialectConfig, Lowered, RenderContext};
use serde::Serialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// AWS's bounds of `DurationSeconds`.
const DURATION_S: std::ops::RangeInclusive<u64> = 900..=43_200;
/// AWS's bounds of `WebIdentityToken` and `RoleArn`, in characters.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 4..=20_000;
const ARN_CHARS: std::ops::RangeInclusive<usize> = 20..=2048;

pub(super) fn lower(config: &DialectConfig, wire: &WireRequest) -> Result<Lowered, Refusal> {
    let unreadable = || Fault::new("MalformedInput", "The request cannot be read.");
    let (body, query) = (wire.body.expose(), wire.query.as_bytes());
    let in_query = body.is_empty();
    let form = match (in_query, query.is_empty()) {
        (true, _) => Form::read(query),
        (false, true) if wire.method == "POST" => Form::read(body),
        // Members in both places could be read in two ways.
        (false, _) => None,
    };
    let form = form.ok_or_else(unreadable)?;
    let action = form.text("Action").ok_or_else(|| Fault::new("MissingAction", "The request has no action."))?;
    if form.text("Version").is_some_and(|version| version != names::VERSION) {
        return Err(Fault::new("InvalidAction", "There is no such version of this service.").into());
    }
    match (action, in_query) {
        (names::GET_CALLER_IDENTITY, _) => Ok(who(config, wire)?),
        // A token in a link would be in every log on its way.
        (names::ASSUME_ROLE_WITH_WEB_IDENTITY, false) => Ok(assume(config, wire, &form)?),
        _ => Err(Fault::new("InvalidAction", "Could not find this operation for version 2011-06-15.").into()),
    }
}

fn lowered(
    config: &DialectConfig,
    wire: &WireRequest,
    credential: Credential,
    target: Target,
    action: &str,
    flags: BTreeMap<String, String>,
) -> Lowered {
    let request = Request {
        namespace: NamespaceId::root(),
        credential,
        target,
        wrap_ttl: None,
        origin: json::origin(config, names::DIALECT, wire),
    };
    Lowered { request, context: RenderContext { asked: action.to_owned(), flags, ..RenderContext::default() } }
}

fn who(config: &DialectConfig, wire: &WireRequest) -> Result<Lowered, Refusal> {
    let expected = Expected { presigned: true, ..Expected::of(config, names::SERVICE) };
    let credential = credential_within(wire, &expected).unwrap_or_else(Credential::Refused);
    let mut flags = BTreeMap::new();
    if let Credential::Signed(shown) = &credential {
        flags.insert(names::KEY_ID.to_owned(), shown.key_id.clone());
        if let SignatureScheme::AwsV4 { region, .. } = &shown.scheme {
            flags.insert(names::REGION.to_owned(), region.clone());
        }
    }
    let target = Target::Path {
        method: Method::Read,
        path: CanonicalPath::parse(names::CALLER_PATH)?,
        params: Params::default(),
        help: false,
    };
    Ok(lowered(config, wire, credential, target, names::GET_CALLER_IDENTITY, flags))
}

#[derive(Serialize)]
struct LoginBody<'a> {
    role: &'a str,
    jwt: &'a str,
}

fn assume(config: &DialectConfig, wire: &WireRequest, form: &Form) -> Result<Lowered, Refusal> {
    let needed = |name: &str| form.text(name).ok_or_else(|| Fault::validation(format!("{name} must not be null")));
    let (arn, session) = (needed("RoleArn")?, needed("RoleSessionName")?);
    let token =
        form.secret("WebIdentityToken").ok_or_else(|| Fault::validation("WebIdentityToken must not be null"))?;
    if !TOKEN_CHARS.contains(&token.expose().len()) {
        return Err(Fault::validation("WebIdentityToken must have 4 to 20000 characters").into());
    }
    let role = Some(arn).filter(|arn| ARN_CHARS.contains(&arn.len())).and_then(Role::read);
    let role = role.ok_or_else(|| Fault::validation("RoleArn is not the ARN of a role"))?;
    if !names::is_session_name(session) {
        return Err(Fault::validation("RoleSessionName must have 2 to 64 characters of [A-Za-z0-9_+=,.@-]").into());
    }
    let ttl = match form.text("DurationSeconds") {
        None => None,
        Some(text) => {
            let seconds = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let seconds = seconds.and_then(|text| text.parse().ok()).filter(|s| DURATION_S.contains(s));
            Some(TtlSeconds(seconds.ok_or_else(|| Fault::validation("DurationSeconds must be from 900 to 43200"))?))
        }
    };
    if form.has_prefix("PolicyArns") || form.text("Policy").is_some() || form.text("ProviderId").is_some() {
        return Err(Fault::validation("session policies and ProviderId are not supported").into());
    }
    if role.account != json::account(config) {
        return Err(Fault::new("AccessDenied", super::render::NOT_AUTHORIZED).into());
    }
    let body = serde_json::to_vec(&LoginBody { role: &role.role, jwt: token.expose() });
    let body = Zeroizing::new(body.map_err(|_| Fault::validation("WebIdentityToken is not text"))?);
    let path = CanonicalPath::parse(&format!("auth/{}/login", role.mount))?;
    let target = Target::KeyLogin {
        path,
        params: Params::from_json(&body)?,
        wish: KeyWish { ttl, name: session.to_owned(), role: role.role.clone() },
    };
    let flags = BTreeMap::from([
        (names::MOUNT.to_owned(), role.mount),
        (names::ROLE.to_owned(), role.role),
        (names::SESSION.to_owned(), session.to_owned()),
        (names::REGION.to_owned(), region_of_arn(arn).to_owned()),
    ]);
    Ok(lowered(config, wire, Credential::None, target, names::ASSUME_ROLE_WITH_WEB_IDENTITY, flags))
}

/// A region of the partition that an ARN names, so that the answer names the same.
fn region_of_arn(arn: &str) -> &'static str {
    match arn.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => REGION_DEFAULT,
    }
}
