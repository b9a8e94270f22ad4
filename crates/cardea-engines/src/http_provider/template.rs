//! Texts with places in them that a value is put into, escaped as the position asks. Pure. The names are a closed set, and
//! each position has its own: a secret value has none in a path, where logs of others would show it.

use cardea_model::{Error, SecretText};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Longest template in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 8 * 1024;

/// What can be put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The token of the change: what a key is found again by.
    Token,
    /// Whom the keys belong to, as the settings of the rotation say.
    Username,
    /// The path of the secret.
    Path,
    /// Of a key.
    Id,
    /// The key itself.
    Value,
    /// Id and key as HTTP's basic authentication wants them.
    Basic,
    /// The configuration's own credential.
    AdminToken,
    /// Where a list goes on.
    Cursor,
}

impl Name {
    const ALL: &[Self] =
        &[Self::Token, Self::Username, Self::Path, Self::Id, Self::Value, Self::Basic, Self::AdminToken, Self::Cursor];

    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Username => "username",
            Self::Path => "path",
            Self::Id => "id",
            Self::Value => "value",
            Self::Basic => "basic",
            Self::AdminToken => "admin_token",
            Self::Cursor => "cursor",
        }
    }
}

/// Where the text stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// Of a URL: path and query alike keep unreserved characters alone (RFC 3986, section 2.3).
    Target,
    Header,
    /// Inside the texts of a JSON document: nowhere else could `{{` stand in one.
    Json,
    /// The value of a member of a form.
    Form,
}

enum Part {
    Text(String),
    Place(Name),
}

/// A text, taken apart.
pub struct Template {
    position: Position,
    parts: Vec<Part>,
}

impl Template {
    /// # Errors
    /// Too long, a place without an end, or a name that this position does not have. The words name the field.
    pub fn parse(field: &str, text: &str, position: Position, allowed: &[Name]) -> Result<Self, Error> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(Error::invalid(format!("field `{field}` is over {TEMPLATE_BYTES_MAX} bytes")));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| Error::invalid(format!("field `{field}` has a {{{{ without its }}}}")))?;
            let known = allowed.iter().copied().find(|known| known.as_str() == name.trim());
            let known = known.ok_or_else(|| {
                let names: Vec<&str> = allowed.iter().map(|name| name.as_str()).collect();
                let known_elsewhere = Name::ALL.iter().any(|known| known.as_str() == name.trim());
                let which = if known_elsewhere { "a name that has no place there" } else { "an unknown name" };
                let may_be = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Error::invalid(format!("field `{field}` has {which} between {{{{ and }}}}: it may have {may_be}"))
            })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Place(known));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { position, parts })
    }

    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Place(found) if *found == name))
    }

    /// # Errors
    /// A value that there is none of, or that cannot stand there.
    pub fn fill(&self, fillings: &Fillings<'_>) -> Result<SecretText, Error> {
        let mut out = Zeroizing::new(String::new());
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Place(name) => {
                    let value = fillings.get(*name).ok_or_else(|| {
                        Error::invalid(format!("there is no `{}` to put into a request", name.as_str()))
                    })?;
                    put(&mut out, value, *name, self.position)?;
                }
            }
        }
        Ok(SecretText::new(std::mem::take(&mut *out)))
    }
}

/// Values by their names.
#[derive(Default)]
pub struct Fillings<'v>(Vec<(Name, &'v str)>);

impl<'v> Fillings<'v> {
    #[must_use]
    pub fn with(mut self, name: Name, value: &'v str) -> Self {
        self.0.push((name, value));
        self
    }

    fn get(&self, name: Name) -> Option<&'v str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

fn put(out: &mut String, value: &str, name: Name, position: Position) -> Result<(), Error> {
    let refused = || Error::invalid(format!("a `{}` cannot stand where the request has it", name.as_str()));
    match position {
        // A dot segment would lead elsewhere, and so would nothing at all.
        Position::Target if matches!(value, "" | "." | "..") => return Err(refused()),
        Position::Target | Position::Form => {
            for byte in value.bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
                    _ => {
                        let _ = write!(out, "%{byte:02X}");
                    }
                }
            }
        }
        Position::Header => {
            if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err(refused());
            }
            out.push_str(value);
        }
        Position::Json => {
            for c in value.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    c if u32::from(c) < 0x20 => {
                        let _ = write!(out, "\\u{:04x}", u32::from(c));
                    }
                    c => out.push(c),
                }
            }
        }
    }
    Ok(())
}
