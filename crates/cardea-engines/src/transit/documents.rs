//! The policy document of a key, kept byte for byte, and everything attached to a key as the kernel asks for it. What a
//! document says is never judged here, but for one question: whether its author could replace it.

use crate::transit::model::{KeyRecord, StoredDocument};
use crate::transit::routes::Op;
use crate::transit::{actions, grants, manage, ops};
use cardea_model::arn::Place;
use cardea_model::key::{Attachments, Grant, Key, KeyFault, NewDocument};
use cardea_model::{Caller, Error};
use cardea_policy::iam::{Document, DocumentKind, Verdict};
use cardea_sdk::attached::{Attached, AttachedDocument, Question};
use cardea_sdk::{Context, Done, Outcome, aws_words};
use serde::Serialize;
use std::sync::Arc;

/// What Vault's wire asks about what is attached to a key.
#[derive(Debug)]
pub enum About {
    Document,
    SetDocument(NewDocument),
    RemoveDocument,
    /// Ids of all.
    Grants,
    Grant(String),
    Revoke(String),
}

/// What is attached to the key of an operation. `None` for an operation about no key, or about a key that has nothing.
///
/// # Errors
/// Only the store's.
pub async fn attached(cx: &mut Context<'_>, op: &Op) -> Result<Option<Attached>, Error> {
    let Some(name) = actions::key_of(cx, op).await? else { return Ok(None) };
    let Some(record) = cx.state.peek_ahead::<KeyRecord>(&name).await? else { return Ok(None) };
    if record.0.attached.is_none() || ops::is_past(&record.0, cx.now) {
        return Ok(None);
    }
    let questions = actions::questions(cx, op, &record.0).await?;
    of_key(cx, &record.0, questions).await.map(Some)
}

/// What is attached to a key, for some questions.
///
/// # Errors
/// Only the store's.
pub async fn of_key(cx: &mut Context<'_>, key: &Key, mut questions: Vec<Question>) -> Result<Attached, Error> {
    let own = grants::of_caller(cx, key).await?;
    for question in &mut questions {
        if let Some(operation) = actions::operation_of(question) {
            let allows = |grant: &&Grant| grant.allows(operation, question.context.as_ref());
            question.grant = own.iter().find(allows).map(|grant| grant.id.clone());
        }
        question.facts.push(("kms:keyspec".to_owned(), vec![aws_words::spec(key.algorithm).to_owned()]));
        question.facts.push(("kms:keyusage".to_owned(), vec![aws_words::shown_usage(key).to_owned()]));
        let tags = key.tags.iter();
        question.facts.extend(
            tags.map(|(name, value)| (format!("aws:resourcetag/{}", name.to_lowercase()), vec![value.clone()])),
        );
    }
    let document = match key.attached.document {
        false => AttachedDocument::None,
        true => match cx.state.peek::<StoredDocument>(&key.attached.place).await? {
            Some(stored) => stored.parsed.clone().map_or(AttachedDocument::Unreadable, AttachedDocument::Is),
            None => AttachedDocument::Unreadable,
        },
    };
    Ok(Attached { kind: DocumentKind::Key, arn: key.attached.arn.clone(), document, questions })
}

/// The text of a key's document; `None` where it has the one that every key has.
///
/// # Errors
/// Not found.
pub async fn read(cx: &mut Context<'_>, name: &str) -> Result<(Key, Option<String>), Error> {
    let record = ops::find(cx, name).await?;
    let text = match record.0.attached.document {
        true => cx.state.peek::<StoredDocument>(&record.0.attached.place).await?.map(|stored| stored.text.clone()),
        false => None,
    };
    Ok((record.0.clone(), text))
}

/// Attaches a document to a key, in place of the one before.
///
/// # Errors
/// Not found, and what [`attach`] says.
pub async fn set(cx: &mut Context<'_>, name: &str, new: &NewDocument) -> Result<KeyRecord, Error> {
    let mut key = manage::changing(cx, name).await?;
    attach(cx, &mut key, new)?;
    manage::store(cx, key).await
}

/// The same for a key that is being changed anyway.
///
/// # Errors
/// A document that cannot be honoured, [`KeyFault::Lockout`]; nobody ever said what the key's ARN is.
pub fn attach(cx: &mut Context<'_>, key: &mut Key, new: &NewDocument) -> Result<(), Error> {
    let parsed = Document::parse(&new.text, DocumentKind::Key)
        .map_err(|error| Error::invalid(format!("the policy document is not valid: {error}")))?;
    let arn = match new.arn_front.as_str() {
        "" => key.attached.arn.clone(),
        front => format!("{front}{}", key.id),
    };
    if Place::of(&arn).is_none() {
        return Err(Error::invalid("field `account_id` is missing: nothing says yet of which account the key is"));
    }
    let root = cx.caller.is_some_and(|caller: &Caller| caller.is_root);
    let replaces =
        || matches!(cx.rights.verdict(&parsed, &arn, "kms:PutKeyPolicy"), Verdict::Allowed | Verdict::Delegated);
    if !new.bypass && !root && !replaces() {
        return Err(KeyFault::Lockout.error());
    }
    let stored = StoredDocument { text: new.text.clone(), parsed: Some(Arc::new(parsed)) };
    let place = match key.attached.place.as_str() {
        "" => manage::new_id(cx),
        place => place.to_owned(),
    };
    cx.state.put(&place, &stored)?;
    key.attached = Attachments { document: true, arn, place, ..key.attached.clone() };
    Ok(())
}

/// Takes a key's document away: policies alone decide again.
///
/// # Errors
/// Not found.
pub async fn remove(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let mut key = manage::changing(cx, name).await?;
    if key.attached.document {
        cx.state.delete::<StoredDocument>(&key.attached.place);
        key.attached.document = false;
        manage::store(cx, key).await?;
    }
    Ok(())
}

/// Does what Vault's wire asks.
///
/// # Errors
/// Not found, and what the functions above say.
pub async fn handle(cx: &mut Context<'_>, name: &str, about: &About) -> Result<Outcome, Error> {
    match about {
        About::Document => {
            let (key, text) = read(cx, name).await?;
            Done::object(&DocumentForm {
                default: text.is_none(),
                policy: text.unwrap_or_default(),
                arn: key.attached.arn,
            })
        }
        About::SetDocument(new) => set(cx, name, new).await.map(|_| Done::empty()),
        About::RemoveDocument => remove(cx, name).await.map(|()| Done::empty()),
        About::Grants => {
            let record = ops::find(cx, name).await?;
            let (grants, _) = grants::list(cx, &record.0, None, None, grants::OF_KEY_MAX).await?;
            Done::keys(grants.into_iter().map(|grant| grant.id).collect())
        }
        About::Grant(id) => {
            let record = ops::find(cx, name).await?;
            Done::object(&GrantForm::of(&grants::read(cx, &record.0, id).await?))
        }
        About::Revoke(id) => grants::end(cx, name, id, false).await.map(|()| Done::empty()),
    }
}

#[derive(Serialize)]
struct DocumentForm {
    /// Empty where the key has the document of every key.
    policy: String,
    default: bool,
    arn: String,
}

#[derive(Serialize)]
struct GrantForm<'a> {
    grant_id: &'a str,
    name: &'a str,
    grantee_principal: &'a str,
    retiring_principal: &'a str,
    operations: Vec<&'static str>,
    constraints: Option<&'a cardea_model::key::GrantConstraint>,
    creation_time: String,
    issuer: &'a str,
}

impl<'a> GrantForm<'a> {
    fn of(grant: &'a Grant) -> Self {
        Self {
            grant_id: &grant.id,
            name: grant.name.as_deref().unwrap_or_default(),
            grantee_principal: &grant.grantee,
            retiring_principal: grant.retiring.as_deref().unwrap_or_default(),
            operations: grant.operations.iter().map(|operation| operation.word()).collect(),
            constraints: grant.constraint.as_ref(),
            creation_time: grant.created.rfc3339(),
            issuer: &grant.issuer,
        }
    }
}
