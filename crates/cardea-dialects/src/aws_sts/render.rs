//! From answer or refusal to XML. Names and order of the elements are AWS's.

use super::names;
use super::xml::{element, text};
use crate::aws::json::{self, Fault, REGION_DEFAULT};
use crate::aws::sigv4;
use cardea_model::wire::WireResponse;
use cardea_model::{Answer, AssumedRole, Body, Cause, Error, Refusal, RequestId, SecretBytes};
use cardea_sdk::dialect::{DialectConfig, RenderContext};
use serde::Deserialize;

pub(super) const NOT_AUTHORIZED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const CONTENT_TYPE: &str = "text/xml";

pub(super) fn render(config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
    match answer {
        Ok(answer) => {
            let id = answer.request_id.clone();
            match result(config, context, &answer) {
                Some(result) => succeeded(&context.asked, &result, &id),
                None => refused(context, &Error::internal("an answer could not be shaped"), Some(&id)),
            }
        }
        Err(refusal) => refused(context, &refusal.error, refusal.request_id.as_ref()),
    }
}

fn result(config: &DialectConfig, context: &RenderContext, answer: &Answer) -> Option<Vec<String>> {
    let Body::Object(payload) = &answer.body else { return None };
    match context.asked.as_str() {
        names::GET_CALLER_IDENTITY => Some(identity(config, context, &payload.read().ok()?)),
        names::ASSUME_ROLE_WITH_WEB_IDENTITY => Some(assumed(config, context, answer, &payload.read().ok()?)),
        _ => None,
    }
}

fn flag<'a>(context: &'a RenderContext, name: &str) -> &'a str {
    context.flags.get(name).map(String::as_str).unwrap_or_default()
}

fn region(context: &RenderContext) -> &str {
    Some(flag(context, names::REGION)).filter(|region| !region.is_empty()).unwrap_or(REGION_DEFAULT)
}

#[derive(Deserialize)]
struct Who {
    display_name: String,
    entity_id: String,
    /// Absent where a token was shown, which the dialect never does.
    key: Option<Key>,
}

/// What the kernel vouches for of the key that signed. Free metadata of the token is no source of an ARN.
#[derive(Deserialize)]
struct Key {
    owner: String,
    of_entity: bool,
    name: String,
    assumed_role: Option<AssumedRole>,
}

fn identity(config: &DialectConfig, context: &RenderContext, who: &Who) -> Vec<String> {
    let (account, region) = (json::account(config), region(context));
    let id = if who.entity_id.is_empty() { flag(context, names::KEY_ID) } else { &who.entity_id };
    let (arn, id) = match &who.key {
        Some(Key { assumed_role: Some(AssumedRole { mount, role, session }), .. }) => {
            (names::assumed_role_arn(region, account, mount, role, session), format!("{id}:{session}"))
        }
        Some(key) => (names::user_arn(region, account, key.of_entity, &key.owner, &key.name), id.to_owned()),
        None => (names::user_arn(region, account, false, &who.display_name, ""), id.to_owned()),
    };
    vec![text("Arn", &arn), text("UserId", &id), text("Account", account)]
}

#[derive(Deserialize)]
struct Issued {
    access_key_id: String,
    secret_access_key: cardea_model::SecretText,
    session_token: cardea_model::SecretText,
    expiration: String,
    entity_id: String,
}

fn assumed(config: &DialectConfig, context: &RenderContext, answer: &Answer, issued: &Issued) -> Vec<String> {
    let (mount, role) = (flag(context, names::MOUNT), flag(context, names::ROLE));
    let session = flag(context, names::SESSION);
    let arn = names::assumed_role_arn(region(context), json::account(config), mount, role, session);
    let id = if issued.entity_id.is_empty() { &issued.access_key_id } else { &issued.entity_id };
    let mut out = vec![
        element("AssumedRoleUser", &[text("AssumedRoleId", &format!("{id}:{session}")), text("Arn", &arn)]),
        element(
            "Credentials",
            &[
                text("AccessKeyId", &issued.access_key_id),
                text("SecretAccessKey", issued.secret_access_key.expose()),
                text("SessionToken", issued.session_token.expose()),
                text("Expiration", &issued.expiration),
            ],
        ),
    ];
    if let Some(auth) = &answer.auth {
        out.push(text("SubjectFromWebIdentityToken", &auth.entity_id));
    }
    out
}

fn succeeded(action: &str, result: &[String], id: &RequestId) -> WireResponse {
    let body = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\">{}{}</{action}Response>",
        element(&format!("{action}Result"), result),
        element("ResponseMetadata", &[text("RequestId", &id.0)])
    );
    respond(200, body, Some(id))
}

/// One table: what went wrong to status, code and words.
fn refused(context: &RenderContext, error: &Error, id: Option<&RequestId>) -> WireResponse {
    let (status, code, message) = told(context, error);
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let id_text = id.map_or("", |id| &id.0);
    let inner = [text("Type", kind), text("Code", &code), text("Message", &message)];
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\">{}{}</ErrorResponse>",
        element("Error", &inner),
        text("RequestId", id_text)
    );
    respond(status, body, id)
}

fn told(context: &RenderContext, error: &Error) -> (u16, String, String) {
    let login = context.asked == names::ASSUME_ROLE_WITH_WEB_IDENTITY;
    if let Some((code, message)) = Fault::of(error) {
        let status = if code == "AccessDenied" { 403 } else { 400 };
        let code = if code == "ValidationException" { "ValidationError" } else { code };
        return (status, code.to_owned(), message.to_owned());
    }
    // A login shows no signature: that there is none is not what is wrong with it.
    if let (Some(fault), false) = (&error.fault, login) {
        let told = sigv4::told(fault);
        return (told.query_status, told.query_code.to_owned(), told.message);
    }
    let (status, code, message) = match error.cause {
        Cause::Denied if login => (403, "AccessDenied", NOT_AUTHORIZED),
        Cause::NotFound | Cause::NoRoute | Cause::Unsupported if login => (403, "AccessDenied", NOT_AUTHORIZED),
        Cause::Invalid if login => {
            (400, "InvalidIdentityToken", "The web identity token that was passed could not be validated.")
        }
        Cause::Upstream if login => (400, "IDPCommunicationError", "The identity provider did not answer."),
        Cause::Denied => (403, "AccessDenied", "Access denied."),
        Cause::Invalid | Cause::Conflict | Cause::MediaType | Cause::Unsupported => {
            (400, "ValidationError", "The request is not valid.")
        }
        Cause::NotFound | Cause::NoRoute => (400, "InvalidAction", "There is nothing here."),
        Cause::TooLarge | Cause::HeaderTooLarge => (413, "RequestEntityTooLarge", "The request is too large."),
        // 400, as AWS answers: a client repeats what was answered 429 or 500 at once.
        Cause::RateLimited => (400, "Throttling", "Rate exceeded"),
        Cause::Sealed | Cause::Unavailable => (503, "ServiceUnavailable", "Not available now, try again."),
        Cause::Upstream | Cause::Internal => (500, "InternalFailure", "The request failed because of an error here."),
    };
    (status, code.to_owned(), message.to_owned())
}

fn respond(status: u16, body: String, id: Option<&RequestId>) -> WireResponse {
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ];
    if let Some(RequestId(id)) = id.filter(|id| !id.0.is_empty()) {
        headers.push(("x-amzn-requestid", id.clone()));
    }
    WireResponse { status, headers, body: SecretBytes::new(body.into_bytes()) }
}
