//! From a wire request to a `Request`: verb, path, token, namespace, parameters. It must never repair a path, decode one
//! twice, or take a value of a header that stands twice.

use super::names;
use cardea_model::limit::{PARAMS_MAX, TOKEN_BYTES_MAX};
use cardea_model::request::Origin;
use cardea_model::time::parse_duration_s;
use cardea_model::wire::WireRequest;
use cardea_model::{
    CanonicalPath, Cause, Credential, Error, Method, NamespaceId, Params, Request, SecretText, Target, TtlSeconds,
};
use cardea_sdk::dialect::{DialectConfig, Lowered, RenderContext};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// Most values of headers that the log keeps of one request: an owner names a handful.
const LOGGED_HEADERS_MAX: usize = 32;
/// Longest value of a logged header, in bytes; the rest is cut off. Trace ids and user agents fit.
const LOGGED_HEADER_BYTES_MAX: usize = 1024;

/// What the verb of the wire stands for, before path and query have their say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    List,
    Write,
    Patch,
    Delete,
    Help,
}

pub(super) fn lower(config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Error> {
    let verb = verb_of(&wire.method)?;
    let path = path_of(&wire.path)?;
    let mut query = Query::read(&wire.query)?;
    let namespace = namespace_of(&wire)?;
    let credential = credential_of(&wire)?;
    let wrap_ttl = wrap_ttl_of(&wire)?;

    let help = verb == Verb::Help || query.asks_help();
    let target = if help {
        Target::Path { method: Method::Read, path, params: Params::default(), help }
    } else {
        let (method, path, params) = match verb {
            Verb::Get if query.asks_list()? => (Method::List, path.into_folder(), query.into_params()?),
            Verb::Get | Verb::Help => (Method::Read, path, query.into_params()?),
            Verb::Head if path.as_str() == names::HEALTH_PATH => (Method::Read, path, query.into_params()?),
            Verb::Head => return Err(unsupported()),
            Verb::List => (Method::List, path.into_folder(), query.into_params()?),
            Verb::Delete => (Method::Delete, path, query.into_params()?),
            Verb::Write | Verb::Patch if path.is_folder() => {
                return Err(Error::invalid("cannot write to a path ending in '/'"));
            }
            Verb::Write => (Method::Write, path, body_of(&wire)?),
            Verb::Patch => (Method::Patch, path, patch_of(&wire)?),
        };
        Target::Path { method, path, params, help }
    };

    let origin = Origin { dialect: names::DIALECT, peer: wire.peer, headers: logged(config, &wire), tls: wire.tls };
    let asked = if help { names::ASKED_HELP.to_owned() } else { String::new() };
    Ok(Lowered {
        request: Request { namespace, credential, target, wrap_ttl, origin },
        context: RenderContext { head: verb == Verb::Head, asked, flags: BTreeMap::new() },
    })
}

fn unsupported() -> Error {
    Error::new(Cause::Unsupported, "unsupported operation")
}

fn verb_of(method: &str) -> Result<Verb, Error> {
    Ok(match method {
        "GET" => Verb::Get,
        "HEAD" => Verb::Head,
        "LIST" => Verb::List,
        "POST" | "PUT" => Verb::Write,
        "PATCH" => Verb::Patch,
        "DELETE" => Verb::Delete,
        "HELP" => Verb::Help,
        _ => return Err(unsupported()),
    })
}

fn path_of(wire_path: &str) -> Result<CanonicalPath, Error> {
    match wire_path.strip_prefix(names::PREFIX) {
        None | Some("") => Err(Error::new(Cause::NoRoute, "")),
        Some(encoded) => CanonicalPath::parse_encoded(encoded),
    }
}

/// Only the root namespace serves. Any other name is answered like a path without a handler (404), as Vault does for a
/// namespace that does not exist. To ignore the header would serve the root's secrets under a tenant's name.
fn namespace_of(wire: &WireRequest) -> Result<NamespaceId, Error> {
    match wire.header(names::NAMESPACE)? {
        Some(name) if !names::ROOT_NAMESPACES.contains(&name.trim()) => Err(Error::new(Cause::NoRoute, "")),
        _ => Ok(NamespaceId::root()),
    }
}

/// The token's own header wins over `Authorization`; both are checked to stand at most once.
fn credential_of(wire: &WireRequest) -> Result<Credential, Error> {
    let own = wire.header(names::TOKEN)?.unwrap_or_default();
    let bearer = wire.header(names::AUTHORIZATION)?.and_then(|value| match value.strip_prefix(names::BEARER) {
        // AWS's SDKs send the token of a container's credentials endpoint with no scheme before it.
        None if wire.path == names::CONTAINER_PATH && !value.contains(' ') => Some(value),
        bearer => bearer,
    });
    let token = if own.is_empty() { bearer.unwrap_or_default().trim() } else { own };
    if token.is_empty() {
        return Ok(Credential::None);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Error::new(Cause::HeaderTooLarge, "token is too long"));
    }
    if token.chars().any(char::is_control) {
        return Err(Error::denied());
    }
    Ok(Credential::Token(SecretText::new(token.to_owned())))
}

/// Empty and zero mean that nothing is to be wrapped. A span that only rounds to zero is refused: whoever asked for it
/// would otherwise receive in clear what was to be wrapped.
fn wrap_ttl_of(wire: &WireRequest) -> Result<Option<TtlSeconds>, Error> {
    let text = wire.header(names::WRAP_TTL)?.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = parse_duration_s(text).map_err(|error| Error::invalid(format!("wrap ttl: {}", error.client)))?;
    if seconds == 0 && text.bytes().any(|b| matches!(b, b'1'..=b'9')) {
        return Err(Error::invalid("wrap ttl: shorter than a second"));
    }
    let wrap_ttl = TtlSeconds(seconds).none_if_zero();
    if wrap_ttl.is_some() && wire.header(names::WRAP_FORMAT)?.is_some_and(|form| form.eq_ignore_ascii_case("jwt")) {
        return Err(Error::invalid("wrapping tokens in the form of a jwt are not supported"));
    }
    Ok(wrap_ttl)
}

/// Another content type is refused by whoever binds the request, after its caller was judged.
fn patch_of(wire: &WireRequest) -> Result<Params, Error> {
    if media_type(wire)?.eq_ignore_ascii_case(names::MERGE_PATCH) {
        Params::from_json(wire.body.expose())
    } else {
        let words = "patch needs the content type application/merge-patch+json";
        Ok(Params::refused(Error::new(Cause::MediaType, words)))
    }
}

/// JSON whatever the content type says, as clients that never set one expect; a form only if the type says so and the
/// body does not begin like JSON (`curl -d` calls everything a form).
fn body_of(wire: &WireRequest) -> Result<Params, Error> {
    let body = wire.body.expose();
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if media_type(wire)?.eq_ignore_ascii_case(names::FORM) && !matches!(first, Some(b'{' | b'[')) {
        let text = std::str::from_utf8(body).map_err(|_| Error::invalid("request body is not UTF-8"))?;
        return Query::read(text.trim_ascii())?.into_params();
    }
    Params::from_json(body)
}

/// The content type without its parameters; empty if there is none.
fn media_type(wire: &WireRequest) -> Result<&str, Error> {
    let value = wire.header(names::CONTENT_TYPE)?.unwrap_or_default();
    Ok(value.split(';').next().unwrap_or_default().trim())
}

fn logged(config: &DialectConfig, wire: &WireRequest) -> Vec<(String, String)> {
    wire.headers
        .iter()
        .filter(|(name, _)| config.logged_headers.contains(name))
        .filter(|(name, _)| !names::CREDENTIAL_HEADERS.contains(&name.as_str()))
        .take(LOGGED_HEADERS_MAX)
        .map(|(name, value)| {
            let kept = value.get(..LOGGED_HEADER_BYTES_MAX).unwrap_or(value);
            (name.clone(), String::from_utf8_lossy(kept).into_owned())
        })
        .collect()
}

/// Pairs of a query string or a form, in the order of arrival, with all values of a name together. Values may be
/// secrets: what is dropped is wiped.
struct Query(Vec<(String, Vec<Zeroizing<String>>)>);

impl Query {
    fn read(text: &str) -> Result<Self, Error> {
        let mut out = Self(Vec::new());
        for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count >= PARAMS_MAX {
                return Err(Error::new(Cause::TooLarge, "request has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (form_decode(name)?, Zeroizing::new(form_decode(value)?));
            match out.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => out.0.push((name, vec![value])),
            }
        }
        Ok(out)
    }

    fn take(&mut self, name: &str) -> Vec<Zeroizing<String>> {
        match self.0.iter().position(|(known, _)| known == name) {
            Some(at) => self.0.remove(at).1,
            None => Vec::new(),
        }
    }

    /// Any value but the empty one asks for help, as in Vault.
    fn asks_help(&mut self) -> bool {
        self.take(names::HELP).iter().any(|value| !value.is_empty())
    }

    fn asks_list(&mut self) -> Result<bool, Error> {
        match self.take(names::LIST).as_slice() {
            [] => Ok(false),
            [value] => match value.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(Error::invalid("parameter `list` is neither true nor false")),
            },
            _ => Err(Error::invalid("parameter `list` stands more than once")),
        }
    }

    /// A repeated name is a list, which routes read as one text with commas; a comma inside such a value would make
    /// two values of one, and is refused.
    fn into_params(mut self) -> Result<Params, Error> {
        self.take(names::LIST);
        let mut pairs = Vec::with_capacity(self.0.len());
        for (name, values) in self.0.drain(..) {
            if values.len() > 1 && values.iter().any(|value| value.contains(',')) {
                return Err(Error::invalid("a repeated parameter has a value with a comma"));
            }
            let length = values.iter().map(|value| value.len() + 1).sum();
            let mut joined = String::with_capacity(length);
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    joined.push(',');
                }
                joined.push_str(value);
            }
            pairs.push((name, joined));
        }
        Ok(Params::from_pairs(pairs))
    }
}

/// Decodes one name or value of `application/x-www-form-urlencoded`: `+` is a blank, `%XX` a byte.
fn form_decode(encoded: &str) -> Result<String, Error> {
    let broken = || Error::invalid("a parameter has a broken percent escape");
    let mut out = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes.next().and_then(hex_value).ok_or_else(broken)?;
                let low = bytes.next().and_then(hex_value).ok_or_else(broken)?;
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(std::mem::take(&mut *out)).map_err(|error| {
        error.into_bytes().zeroize();
        Error::invalid("a parameter is not UTF-8")
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
