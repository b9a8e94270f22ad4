//! Templates in path patterns: `{{identity.entity.id}}` and its kin, and the caller whose facts fill them. A value is
//! put in once, never expanded again, and only if it cannot change the shape of the pattern.

use crate::error::PolicyErrorKind;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What templates can know of a caller. The default has no entity and fills nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Id of the entity, if the caller has one.
    pub entity_id: Option<String>,
    /// Its name.
    pub entity_name: Option<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// The aliases of the entity, one for each place it logs in by.
    pub aliases: Vec<SubjectAlias>,
}

/// An alias of an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectAlias {
    /// Accessor of the auth mount.
    pub mount_accessor: String,
    /// Id of the alias.
    pub id: String,
    /// Its name at the source.
    pub name: String,
    /// Metadata that the auth method gave it.
    pub metadata: BTreeMap<String, String>,
    /// Metadata that operators gave it.
    pub custom_metadata: BTreeMap<String, String>,
}

/// Why a template cannot be filled for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfillable {
    /// The caller lacks the fact.
    Missing,
    /// Two aliases at one mount: there is no telling which is meant.
    Ambiguous,
    /// The value is empty or holds `*`, `+`, `/`, `..` or control characters.
    Unsafe,
    /// Groups are not known to this version.
    Unsupported,
}

impl fmt::Display for Unfillable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the caller does not have the field",
            Self::Ambiguous => "the caller has several aliases at that mount",
            Self::Unsafe => "the value of the field could change the meaning of the path",
            Self::Unsupported => "fields of groups are not supported",
        })
    }
}

/// A pattern with at least one template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    source: Arc<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Debug)]
enum Field {
    EntityId,
    EntityName,
    EntityMetadata(String),
    Alias { mount_accessor: String, field: AliasField },
    Groups,
}

#[derive(Clone, Debug)]
enum AliasField {
    Id,
    Name,
    Metadata(String),
    CustomMetadata(String),
}

impl Template {
    /// `None` if the pattern has no template.
    pub fn parse(source: &str) -> Result<Option<Self>, PolicyErrorKind> {
        let mut parts = Vec::new();
        let mut rest = source;
        let mut templated = false;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (inner, after) = after.split_once("}}").ok_or(PolicyErrorKind::TemplateUnbalanced)?;
            if literal.contains("}}") || inner.contains("{{") {
                return Err(PolicyErrorKind::TemplateUnbalanced);
            }
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Field(Field::parse(inner.trim()).ok_or(PolicyErrorKind::TemplateUnknown)?));
            rest = after;
            templated = true;
        }
        if rest.contains("}}") {
            return Err(PolicyErrorKind::TemplateUnbalanced);
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(templated.then(|| Self { source: source.into(), parts }))
    }

    /// The pattern as written.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// What stands before the first template.
    pub fn leading_literal(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(literal)) => literal.strip_prefix('/').unwrap_or(literal),
            _ => "",
        }
    }

    /// The pattern with a harmless value in each place, to check what surrounds the templates.
    pub fn with_placeholders(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.as_str(),
                Part::Field(_) => "x",
            })
            .collect()
    }

    /// The pattern for this caller.
    pub fn fill(&self, subject: &Subject) -> Result<String, Unfillable> {
        let mut pattern = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => pattern.push_str(literal),
                Part::Field(field) => pattern.push_str(safe(field.of(subject)?)?),
            }
        }
        Ok(pattern)
    }
}

/// Refuses values that would reach beyond their place: wildcards, separators, parents, control characters, nothing.
fn safe(value: &str) -> Result<&str, Unfillable> {
    let shapes = value.is_empty()
        || value == "."
        || value.contains("..")
        || value.contains(['*', '+', '/', '\\'])
        || value.contains(char::is_control);
    if shapes { Err(Unfillable::Unsafe) } else { Ok(value) }
}

impl Field {
    fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix("identity.")?;
        if path.strip_prefix("groups.").is_some_and(|rest| !rest.is_empty()) {
            return Some(Self::Groups);
        }
        let path = path.strip_prefix("entity.")?;
        let keyed = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
        if let Some(key) = path.strip_prefix("metadata.") {
            return Some(Self::EntityMetadata(keyed(key)?));
        }
        if let Some(rest) = path.strip_prefix("aliases.") {
            let (mount_accessor, rest) = rest.split_once('.')?;
            let field = match rest {
                "id" => AliasField::Id,
                "name" => AliasField::Name,
                _ => match rest.split_once('.')? {
                    ("metadata", key) => AliasField::Metadata(keyed(key)?),
                    ("custom_metadata", key) => AliasField::CustomMetadata(keyed(key)?),
                    _ => return None,
                },
            };
            return Some(Self::Alias { mount_accessor: keyed(mount_accessor)?, field });
        }
        match path {
            "id" => Some(Self::EntityId),
            "name" => Some(Self::EntityName),
            _ => None,
        }
    }

    fn of<'s>(&self, subject: &'s Subject) -> Result<&'s str, Unfillable> {
        let value = match self {
            Self::EntityId => subject.entity_id.as_ref(),
            Self::EntityName => subject.entity_name.as_ref(),
            Self::EntityMetadata(key) => subject.metadata.get(key),
            Self::Alias { mount_accessor, field } => {
                let mut at_mount = subject.aliases.iter().filter(|alias| alias.mount_accessor == *mount_accessor);
                let alias = at_mount.next().ok_or(Unfillable::Missing)?;
                if at_mount.next().is_some() {
                    return Err(Unfillable::Ambiguous);
                }
                match field {
                    AliasField::Id => Some(&alias.id),
                    AliasField::Name => Some(&alias.name),
                    AliasField::Metadata(key) => alias.metadata.get(key),
                    AliasField::CustomMetadata(key) => alias.custom_metadata.get(key),
                }
            }
            Self::Groups => return Err(Unfillable::Unsupported),
        };
        value.map(String::as_str).ok_or(Unfillable::Missing)
    }
}
