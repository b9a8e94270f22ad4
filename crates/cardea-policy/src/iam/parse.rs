//! From a tree to statements. Whatever it does not know it refuses.

use super::conditions;
use super::glob::Pattern;
use super::json::{self, Json};
use super::principals::Who;
use super::{Choice, Document, DocumentKind, Effect, Statement, actions};
use std::fmt;

/// Most statements of a document: each is looked at in every decision.
const STATEMENTS_MAX: usize = 256;
/// Most actions and most resources of a statement.
const ENTRIES_MAX: usize = 512;
/// Longest `Sid`, in characters: it stands in the log.
const SID_CHARS_MAX: usize = 128;

/// Why a text is no document that could be honoured. No word of it is of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentError {
    pub words: &'static str,
    /// From 1; `None` for the document as a whole.
    pub statement: Option<usize>,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statement {
            Some(statement) => write!(f, "statement {statement}: {}", self.words),
            None => f.write_str(self.words),
        }
    }
}

impl std::error::Error for DocumentError {}

pub(super) fn document(text: &str, kind: DocumentKind) -> Result<Document, DocumentError> {
    let whole = |words| DocumentError { words, statement: None };
    // Characters are counted only if there could be too many.
    if text.len() > kind.chars_max() && text.chars().count() > kind.chars_max() {
        return Err(whole("the policy is too long"));
    }
    let Json::Object(members) = json::read(text).map_err(whole)? else { return Err(whole("the policy is no object")) };
    let mut variables = false;
    let mut statements = None;
    for (name, value) in &members {
        match (name.as_str(), value) {
            ("Version", Json::Text(version)) if version == "2012-10-17" => variables = true,
            ("Version", Json::Text(version)) if version == "2008-10-17" => {}
            ("Version", _) => return Err(whole("Version is neither 2012-10-17 nor 2008-10-17")),
            ("Id", Json::Text(_)) => {}
            ("Id", _) => return Err(whole("Id is no text")),
            ("Statement", Json::List(list)) => statements = Some(list.as_slice()),
            ("Statement", one @ Json::Object(_)) => statements = Some(std::slice::from_ref(one)),
            ("Statement", _) => return Err(whole("Statement is neither an object nor a list of them")),
            _ => return Err(whole("the policy has a member that is not known")),
        }
    }
    let list = statements.unwrap_or_default();
    if list.is_empty() || list.len() > STATEMENTS_MAX {
        return Err(whole("the policy has no statement, or more than 256"));
    }
    let mut read: Vec<Statement> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let here = |words| DocumentError { words, statement: Some(index + 1) };
        let statement = statement(value, kind, variables).map_err(here)?;
        if statement.sid.is_some() && read.iter().any(|other| other.sid == statement.sid) {
            return Err(here("another statement has the same Sid"));
        }
        read.push(statement);
    }
    Ok(Document { statements: read })
}

/// The members of a statement, each at most once.
#[derive(Default)]
struct Members<'j> {
    sid: Option<&'j Json>,
    effect: Option<&'j Json>,
    principal: Option<(&'j Json, bool)>,
    action: Option<(&'j Json, bool)>,
    resource: Option<(&'j Json, bool)>,
    condition: Option<&'j Json>,
}

fn statement(value: &Json, kind: DocumentKind, variables: bool) -> Result<Statement, &'static str> {
    let Json::Object(list) = value else { return Err("a statement is no object") };
    let mut members = Members::default();
    for (name, value) in list {
        // One of a pair, and not both: the last would win.
        let (slot, negated) = match name.as_str() {
            "Sid" => {
                members.sid = Some(value);
                continue;
            }
            "Effect" => {
                members.effect = Some(value);
                continue;
            }
            "Condition" => {
                members.condition = Some(value);
                continue;
            }
            "Principal" => (&mut members.principal, false),
            "NotPrincipal" => (&mut members.principal, true),
            "Action" => (&mut members.action, false),
            "NotAction" => (&mut members.action, true),
            "Resource" => (&mut members.resource, false),
            "NotResource" => (&mut members.resource, true),
            _ => return Err("the statement has a member that is not known"),
        };
        if slot.replace((value, negated)).is_some() {
            return Err("the statement has a member and its negation");
        }
    }
    let effect = match members.effect {
        Some(Json::Text(effect)) if effect == "Allow" => Effect::Allow,
        Some(Json::Text(effect)) if effect == "Deny" => Effect::Deny,
        _ => return Err("Effect is neither Allow nor Deny"),
    };
    let (principal, negated) = members.principal.ok_or("the statement has no Principal")?;
    let who = Who::read(principal, effect, negated)?;
    let (action, negated) = members.action.ok_or("the statement has no Action")?;
    let list = entries(action, "Action is neither a text nor a list of texts")?;
    let list = list.into_iter().map(|pattern| actions::read(pattern, kind)).collect::<Result<_, _>>()?;
    let actions = Choice { list, negated };
    let (resource, negated) = members.resource.ok_or("the statement has no Resource")?;
    let list = entries(resource, "Resource is neither a text nor a list of texts")?;
    let list = list.into_iter().map(|pattern| Pattern::resource(pattern, kind, variables)).collect::<Result<_, _>>()?;
    let resources = Choice { list, negated };
    let conditions = members.condition.map(|block| conditions::read(block, kind, variables)).transpose()?;
    let conditions = conditions.unwrap_or_default();
    Ok(Statement { sid: members.sid.map(sid).transpose()?.flatten(), effect, who, actions, resources, conditions })
}

/// One text or a list of texts.
fn entries<'j>(value: &'j Json, words: &'static str) -> Result<Vec<&'j str>, &'static str> {
    let list = match value {
        Json::List(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() || list.len() > ENTRIES_MAX {
        return Err(words);
    }
    list.iter().map(|entry| if let Json::Text(text) = entry { Ok(text.as_str()) } else { Err(words) }).collect()
}

/// An empty one is none. Key policies have blanks in them.
fn sid(value: &Json) -> Result<Option<String>, &'static str> {
    const WORDS: &str = "Sid is no text of up to 128 letters, digits, blanks, hyphens, dots and underscores";
    let Json::Text(text) = value else { return Err(WORDS) };
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b" -._".contains(&b));
    match plain && text.len() <= SID_CHARS_MAX {
        true => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        false => Err(WORDS),
    }
}
