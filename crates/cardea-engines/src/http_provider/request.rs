//! One declared request: checked when it is declared, filled when it is sent. Pure. No template decides where a request goes,
//! how long it is or what comes after it: those headers are refused.

use super::model::Ask;
use super::template::{Fillings, Name, Position, TEMPLATE_BYTES_MAX, Template};
use cardea_model::{Error, SecretBytes, SecretText};
use cardea_sdk::call::HttpMethod;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Most headers or members of a form that a declaration adds to a request.
const PAIRS_MAX: usize = 20;
/// Longest name of one, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Headers that say where a request goes, how it is framed, or how an answer is encoded: they are the client's.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names that a request may use: few in its target, which logs of others show.
#[derive(Clone, Copy)]
pub struct Names {
    pub target: &'static [Name],
    pub rest: &'static [Name],
}

/// A request, ready to be filled.
pub struct Request {
    pub method: HttpMethod,
    target: Template,
    headers: Vec<(String, Template)>,
    body: Body,
}

enum Body {
    None,
    Json(Template),
    Form(Vec<(String, Template)>),
}

/// A request with values in it.
pub struct Filled {
    pub target: String,
    pub headers: Vec<(String, SecretText)>,
    pub body: SecretBytes,
}

impl Request {
    /// # Errors
    /// What is wrong with it; the words name the field.
    pub fn parse(
        field: &str,
        ask: &Ask,
        common: Option<&BTreeMap<String, String>>,
        names: Names,
    ) -> Result<Self, Error> {
        let method = HttpMethod::parse(&ask.method)
            .ok_or_else(|| Error::invalid(format!("field `{field}.method` is not GET, POST, PUT, PATCH or DELETE")))?;
        let mut headers = BTreeMap::new();
        let own = (format!("{field}.headers"), &ask.headers);
        for (field, given) in common.map(|given| ("headers".to_owned(), given)).into_iter().chain([own]) {
            for (name, text) in pairs(&field, given)? {
                headers
                    .insert(header_name(&field, name)?, Template::parse(&field, text, Position::Header, names.rest)?);
            }
        }
        let body = match (&ask.json, &ask.form) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(format!("fields `{field}.json` and `{field}.form` exclude each other")));
            }
            (Some(json), None) => {
                Body::Json(Template::parse(&format!("{field}.json"), json.text(), Position::Json, names.rest)?)
            }
            (None, Some(form)) => {
                let field = format!("{field}.form");
                let parsed = pairs(&field, form)?.into_iter().map(|(name, text)| {
                    Template::parse(&field, text, Position::Form, names.rest).map(|text| (name.clone(), text))
                });
                Body::Form(parsed.collect::<Result<_, _>>()?)
            }
            (None, None) => Body::None,
        };
        if method == HttpMethod::Get && !matches!(body, Body::None) {
            return Err(Error::invalid(format!("field `{field}.method` is GET, which has no body")));
        }
        let target = target(&format!("{field}.path"), &ask.path, names.target)?;
        Ok(Self { method, target, headers: headers.into_iter().collect(), body })
    }

    /// The same request with another target.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn at(mut self, field: &str, path: &str, names: &[Name]) -> Result<Self, Error> {
        self.target = target(field, path, names)?;
        Ok(self)
    }

    /// Whether what the provider hears depends on this.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        self.says(name) || self.heads(name)
    }

    /// Whether a header has it.
    #[must_use]
    pub fn heads(&self, name: Name) -> bool {
        self.headers.iter().any(|(_, text)| text.has(name))
    }

    /// The same, but for headers: those are not what a request is about.
    #[must_use]
    pub fn says(&self, name: Name) -> bool {
        let body = match &self.body {
            Body::None => false,
            Body::Json(text) => text.has(name),
            Body::Form(pairs) => pairs.iter().any(|(_, text)| text.has(name)),
        };
        body || self.target.has(name)
    }

    /// # Errors
    /// A value that cannot stand where the request has it.
    pub fn fill(&self, fillings: &Fillings<'_>) -> Result<Filled, Error> {
        let mut headers: Vec<(String, SecretText)> = Vec::new();
        for (name, text) in &self.headers {
            headers.push((name.clone(), text.fill(fillings)?));
        }
        let (kind, body) = match &self.body {
            Body::None => ("", SecretBytes::default()),
            Body::Json(text) => ("application/json", bytes(&text.fill(fillings)?)),
            Body::Form(pairs) => {
                let mut out = Zeroizing::new(String::new());
                for (at, (name, text)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.push('&');
                    }
                    let name = Template::parse("name", "{{id}}", Position::Form, &[Name::Id])?
                        .fill(&Fillings::default().with(Name::Id, name))?;
                    out.push_str(name.expose());
                    out.push('=');
                    out.push_str(text.fill(fillings)?.expose());
                }
                ("application/x-www-form-urlencoded", SecretBytes::new(out.as_bytes().to_vec()))
            }
        };
        if !kind.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), SecretText::new(kind.to_owned())));
        }
        Ok(Filled { target: self.target.fill(fillings)?.expose().to_owned(), headers, body })
    }
}

fn bytes(text: &SecretText) -> SecretBytes {
    SecretBytes::new(text.expose().as_bytes().to_vec())
}

fn pairs<'p>(field: &str, given: &'p BTreeMap<String, String>) -> Result<Vec<(&'p String, &'p String)>, Error> {
    if given.len() > PAIRS_MAX || given.keys().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        let words =
            format!("field `{field}` has over {PAIRS_MAX} members, or a name of 0 or over {NAME_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    Ok(given.iter().collect())
}

/// The name of a header in lower case.
///
/// # Errors
/// No name (RFC 9110, section 5.1), or one that is the client's own.
pub fn header_name(field: &str, name: &str) -> Result<String, Error> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Error::invalid(format!("field `{field}` has a name that no header has")));
    }
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return Err(Error::invalid(format!("field `{field}` has a header that is not a declaration's to set")));
    }
    Ok(lower)
}

fn target(field: &str, path: &str, names: &[Name]) -> Result<Template, Error> {
    let refused = || {
        Error::invalid(format!(
            "field `{field}` is no path: it begins with one slash, and has no dot segments, fragment or unescaped character"
        ))
    };
    if path.len() > TEMPLATE_BYTES_MAX / 4 || !path.starts_with('/') || path.starts_with("//") {
        return Err(refused());
    }
    let template = Template::parse(field, path, Position::Target, names)?;
    // As it will look: what was put in is escaped, and what stands there by itself must need no escaping.
    let all = names.iter().fold(Fillings::default(), |all, name| all.with(*name, "x"));
    let filled = template.fill(&all)?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let segments = filled.expose().split('?').next().unwrap_or_default().split('/');
    if !filled.expose().bytes().all(fine) || segments.into_iter().any(|part| matches!(part, "." | "..")) {
        return Err(refused());
    }
    Ok(template)
}
