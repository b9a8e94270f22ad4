//! Logins and renewals. Until a known key's signature is shown, every failure sounds alike and names no role; whoever holds a token
//! that the issuer signed hears, in Vault's words, what of it does not fit.
//!
//! Nothing is written by a login that fails, and nothing unverified decides more than which key is tried.

use crate::cidr;
use crate::jwt::claims::{Claims, check_bound, check_times};
use crate::jwt::model::{BoundClaimsType, CONFIG, Config, Role};
use crate::jwt::source::{KeySets, Wanted};
use crate::jwt::token::{Refused, TOKEN_BYTES_MAX, Unverified};
use crate::roles::RoleName;
use cardea_model::limit::METADATA_VALUE_BYTES_MAX;
use cardea_model::{Error, SecretText};
use cardea_sdk::{Context, Identification, OutsideContext, Vouch};
use std::collections::BTreeMap;

/// Key of [`Identification::metadata`], which no mapped claim may take.
const ROLE: &str = "role";
/// Key of [`Identification::internal`].
const ROLE_UID: &str = "role_uid";

/// Before the transaction: brings the issuer's keys up to date if the token needs it.
///
/// # Errors
/// The keys cannot be had.
pub async fn prepare(cx: &mut OutsideContext<'_>, key_sets: &KeySets, jwt: &SecretText) -> Result<(), Error> {
    let Some(config) = cx.state.peek::<Config>(CONFIG).await? else { return Ok(()) };
    if !config.static_keys.is_empty() {
        return Ok(());
    }
    // What is malformed is refused by the login itself, without asking anybody.
    let Ok(token) = Unverified::parse(jwt.expose().trim()) else { return Ok(()) };
    if !config.allows(token.algorithm) {
        return Ok(());
    }
    let wanted = Wanted { algorithm: token.algorithm, kid: token.kid.as_deref() };
    key_sets.refresh(&cx.mount.uuid, &config, wanted, cx.now).await
}

/// Judges a login.
pub async fn login(cx: &mut Context<'_>, key_sets: &KeySets, role: &str, jwt: &SecretText) -> Result<Vouch, Error> {
    let Some(config) = cx.state.peek::<Config>(CONFIG).await? else {
        return Ok(no(Error::invalid("could not load configuration")));
    };
    let name = if role.is_empty() { &config.default_role } else { role };
    if name.is_empty() {
        return Ok(no(Error::invalid("missing role")));
    }
    let jwt = jwt.expose().trim();
    if jwt.is_empty() {
        return Ok(no(Error::invalid("missing token")));
    }
    let claims = match prove(cx, &config, key_sets, jwt) {
        Ok(claims) => claims,
        Err(refused) => return Ok(no(words(refused))),
    };
    let found = match RoleName::parse(&name.to_ascii_lowercase()) {
        Ok(name) => cx.state.peek::<Role>(name.as_str()).await?.map(|role| (name, role)),
        Err(_) => None,
    };
    let Some((name, role)) = found else { return Ok(no(Error::invalid("role could not be found"))) };
    if !cidr::admits(&role.terms.bound_cidrs, cx.origin.peer.ip()) {
        return Ok(no(Error::denied().with_detail("the role is bound to other networks")));
    }
    let judged = check_claims(cx, &config, &role, &claims).and_then(|()| identify(&name, &role, &claims));
    Ok(match judged {
        Ok(identification) => Vouch::Yes(Box::new(identification)),
        Err(error) => no(error),
    })
}

/// Judges a renewal: the role that vouched must still be there, and its terms of today hold. The token may have expired.
pub async fn renew(cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
    let fact = |key: &str| before.internal.get(key).map(String::as_str);
    let role = match fact(ROLE) {
        Some(name) => cx.state.peek::<Role>(name).await?,
        None => None,
    };
    let Some(role) = role.filter(|role| fact(ROLE_UID) == Some(role.uid.as_str())) else {
        return Ok(no(Error::invalid("the role that this token was made for does not exist any more")));
    };
    Ok(Vouch::Yes(Box::new(Identification { terms: role.terms.clone(), ..before.clone() })))
}

fn no(error: Error) -> Vouch {
    Vouch::No { error, keep_writes: false }
}

/// The claims, if a key of the configuration signed them.
fn prove(cx: &Context<'_>, config: &Config, key_sets: &KeySets, jwt: &str) -> Result<Claims, Refused> {
    let token = Unverified::parse(jwt)?;
    if !config.allows(token.algorithm) {
        return Err(Refused::Algorithm);
    }
    let kid = token.kid.as_deref();
    if !config.static_keys.is_empty() {
        return token.verify(config.static_keys.iter().filter(|key| key.fits(token.algorithm, kid, false)));
    }
    let sets = key_sets.remembered(&cx.mount.uuid, &config.generation, cx.now);
    let keys = sets.iter().flat_map(|set| set.iter());
    token.verify(keys.filter(|key| key.fits(token.algorithm, kid, true)))
}

fn words(refused: Refused) -> Error {
    match refused {
        Refused::Unproven(detail) => {
            invalid("error verifying token signature: no known key successfully validated the token signature")
                .with_detail(detail)
        }
        Refused::Algorithm => {
            invalid("invalid algorithm (alg) header parameter: token signed with unexpected algorithm")
        }
        Refused::TooLong => Error::invalid(format!("the token is longer than {TOKEN_BYTES_MAX} bytes")),
        Refused::Claims(why) => invalid(&format!("malformed claims: {why}")),
    }
}

fn invalid(words: &str) -> Error {
    Error::invalid(format!("error validating token: {words}"))
}

fn check_claims(cx: &Context<'_>, config: &Config, role: &Role, claims: &Claims) -> Result<(), Error> {
    let issuer = claims.text("iss").map_err(invalid)?;
    if config.issuer().is_some_and(|wanted| issuer != Some(wanted)) {
        return Err(invalid("invalid issuer (iss) claim"));
    }
    let subject = claims.text("sub").map_err(invalid)?;
    if !role.bound_subject.is_empty() && subject != Some(role.bound_subject.as_str()) {
        return Err(invalid("invalid subject (sub) claim"));
    }
    let audiences = claims.audiences().map_err(invalid)?;
    if role.bound_audiences.is_empty() {
        if !audiences.is_empty() {
            return Err(Error::invalid("audience claim found in JWT but no audiences bound to the role"));
        }
    } else if !role.bound_audiences.iter().any(|bound| audiences.contains(&bound.as_str())) {
        return Err(invalid("invalid audience (aud) claim: audience claim does not match any expected audience"));
    }
    check_times(claims, role.leeway, cx.now).map_err(invalid)?;
    check_bound(claims, &role.bound_claims, role.bound_claims_type == BoundClaimsType::Glob)
}

/// Who the claims say it is. The names in errors are the role's, the values are nobody's business.
fn identify(name: &RoleName, role: &Role, claims: &Claims) -> Result<Identification, Error> {
    let claim = &role.user_claim;
    let found = if role.user_claim_json_pointer { claims.find(claim) } else { claims.named(claim) };
    let found = found.ok_or_else(|| Error::invalid(format!("claim {claim:?} not found in token")))?;
    let user =
        found.text().ok_or_else(|| Error::invalid(format!("claim {claim:?} could not be converted to string")))?;
    if user.is_empty() {
        return Err(Error::invalid(format!("claim {claim:?} is empty")));
    }
    check_value(claim, user)?;
    let mut mapped = BTreeMap::new();
    for (source, target) in &role.claim_mappings {
        let Some(value) = claims.find(source) else { continue };
        let value =
            value.text().ok_or_else(|| Error::invalid(format!("error converting claim '{source}' to string")))?;
        check_value(source, value)?;
        mapped.insert(target.clone(), value.to_owned());
    }
    check_groups(role, claims)?;
    let mut metadata = mapped.clone();
    metadata.insert(ROLE.to_owned(), name.as_str().to_owned());
    Ok(Identification {
        alias: user.to_owned(),
        alias_metadata: mapped,
        display_name: user.to_owned(),
        role: name.as_str().to_owned(),
        metadata,
        terms: role.terms.clone(),
        internal: BTreeMap::from([
            (ROLE.to_owned(), name.as_str().to_owned()),
            (ROLE_UID.to_owned(), role.uid.clone()),
        ]),
    })
}

/// What becomes part of an identity is bounded, and can be printed.
fn check_value(claim: &str, value: &str) -> Result<(), Error> {
    if value.len() > METADATA_VALUE_BYTES_MAX || value.chars().any(char::is_control) {
        return Err(Error::invalid(format!("claim {claim:?} is too long or has characters that cannot be printed")));
    }
    Ok(())
}

/// The groups must be there and be texts, as Vault demands; there are no identity groups that they could lead to.
fn check_groups(role: &Role, claims: &Claims) -> Result<(), Error> {
    let claim = &role.groups_claim;
    if claim.is_empty() {
        return Ok(());
    }
    let found = claims.find(claim);
    let found =
        found.ok_or_else(|| Error::invalid(format!("failed to fetch groups: {claim:?} claim not found in token")))?;
    let items = found.items();
    let items =
        items.ok_or_else(|| Error::invalid(format!("{claim:?} claim could not be converted to string list")))?;
    match items.iter().all(|item| item.text().is_some()) {
        true => Ok(()),
        false => Err(Error::invalid("a value in groups claim could not be parsed as string")),
    }
}
