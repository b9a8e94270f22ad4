//! The resource policy of a secret: a document of AWS's form, kept byte for byte beside the pointer. To write one is to give
//! every right that it gives, which is why it is a name of its own to Vault's policies (`policy/<path>`). Nothing here decides:
//! the kernel asks the document.
//!
//! It must never keep a text that the evaluator of cardea-policy refuses, nor one by which its author could not replace it.

use crate::kv::attached::{about_policy, with_document};
use crate::kv::model::{Pointer, StoredPolicy};
use crate::kv::{regions, shared};
use cardea_model::operation::{NewPolicy, PolicyAct, SecretRef};
use cardea_model::secret::{PolicyFinding, Secret, SecretFault};
use cardea_model::{Action, Error};
use cardea_policy::iam::{Document, DocumentKind, names_another_place};
use cardea_sdk::Context;
use cardea_sdk::attached::AttachedDocument;
use std::sync::Arc;

/// What stands before a secret's name in its ARN where nobody ever said: the account and the region that the dialect of Secrets
/// Manager has where none are configured.
const ARN_FRONT_DEFAULT: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";

/// The route that an act is equal to.
#[must_use]
pub fn equal_route(act: &PolicyAct) -> &'static str {
    match act {
        PolicyAct::Read | PolicyAct::List => "policy-read",
        // To try one tells what its author may do with it.
        PolicyAct::Put(_) | PolicyAct::Check(_) => "policy-write",
        PolicyAct::Delete => "policy-delete",
    }
}

/// The secret, and the text of its policy if it has one.
///
/// # Errors
/// There is no such secret, or it is marked for deletion.
pub async fn read(cx: &mut Context<'_>, at: &SecretRef) -> Result<(Secret, Option<String>), Error> {
    let pointer = cx.state.peek::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
    let secret = pointer.0.clone();
    shared::check_there(at, &secret, cx.now)?;
    let stored = match secret.policy_arn {
        Some(_) => cx.state.peek::<StoredPolicy>(&secret.id).await?,
        None => None,
    };
    Ok((secret, stored.map(|stored| stored.text.clone())))
}

/// Attaches a policy, in place of one that was there.
///
/// # Errors
/// Those of [`read`], and each fault of the policy; it speaks of a place, and nobody ever said where the secret is.
pub async fn put(cx: &mut Context<'_>, at: &SecretRef, new: &NewPolicy) -> Result<Secret, Error> {
    let mut secret = shared::changeable(cx, at).await?;
    // A Deny of the secret's real ARN would be kept and deny nothing.
    let is_placed = new.arn_front.is_some() || secret.policy_arn.is_some();
    if !is_placed && names_another_place(&new.text, &arn(&secret, None)) {
        return Err(Error::invalid(
            "field `arn` is missing: the policy names an account or a region, and nothing says yet in which the secret is",
        ));
    }
    if let Some(finding) = findings_for(cx, &secret, new).into_iter().next() {
        return Err(error_of(&finding));
    }
    secret.policy_arn = Some(arn(&secret, new.arn_front.as_deref()));
    cx.state.put(&secret.id, &StoredPolicy::new(new.text.clone()))?;
    shared::store(cx, secret)
}

/// Takes the policy away, if there is one.
///
/// # Errors
/// Those of [`read`].
pub async fn delete(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let mut secret = shared::changeable(cx, at).await?;
    if secret.policy_arn.take().is_none() {
        return Ok(secret);
    }
    cx.state.delete::<StoredPolicy>(&secret.id);
    shared::store(cx, secret)
}

/// What [`put`] would say of a policy, all of it, and whether it lets everybody in.
///
/// # Errors
/// Those of [`read`].
pub async fn check(cx: &mut Context<'_>, at: &SecretRef, new: &NewPolicy) -> Result<Vec<PolicyFinding>, Error> {
    let secret = shared::changeable(cx, at).await?;
    Ok(findings_for(cx, &secret, new))
}

/// What is to be said against a policy of this secret. Its author must be one who could replace it: by Vault's policies and by
/// the new one together, as the kernel will combine them.
fn findings_for(cx: &Context<'_>, secret: &Secret, new: &NewPolicy) -> Vec<PolicyFinding> {
    let mut findings = findings(&new.text, new.not_public);
    if let Ok(document) = Document::parse(&new.text, DocumentKind::Secret) {
        let arn = arn(secret, new.arn_front.as_deref());
        let question = about_policy("secretsmanager:PutResourcePolicy");
        let document = AttachedDocument::Is(Arc::new(document));
        let attached = with_document(secret, &arn, document, vec![question]);
        if !regions::may(cx, Action::Update, "policy", &secret.path, Some(&attached)) {
            let reason = "its author could not replace it".to_owned();
            findings.push(PolicyFinding { fault: SecretFault::PolicyLocksOut, reason });
        }
    }
    findings
}

/// What is to be said against a text, whatever the secret.
#[must_use]
pub fn findings(text: &str, not_public: bool) -> Vec<PolicyFinding> {
    match Document::parse(text, DocumentKind::Secret) {
        Err(error) => vec![PolicyFinding { fault: SecretFault::PolicyMalformed, reason: error.to_string() }],
        Ok(document) if not_public && document.is_public() => {
            let reason = "a statement lets everybody in, and no condition of it bounds who".to_owned();
            vec![PolicyFinding { fault: SecretFault::PolicyPublic, reason }]
        }
        Ok(_) => Vec::new(),
    }
}

fn error_of(finding: &PolicyFinding) -> Error {
    match finding.fault {
        SecretFault::PolicyMalformed => SecretFault::malformed_policy(&finding.reason),
        fault => fault.into(),
    }
}

/// By which the policy knows the secret.
fn arn(secret: &Secret, front: Option<&str>) -> String {
    let known = secret.policy_arn.as_deref().and_then(front_of);
    let front = front.or(known).unwrap_or(ARN_FRONT_DEFAULT);
    format!("{front}{}-{}", secret.name(), secret.short_id())
}

/// What stands before the name in the ARN of a secret; `None` if it is none.
#[must_use]
pub fn front_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let &["arn", partition, "secretsmanager", region, account, "secret", name] = parts.as_slice() else { return None };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (plain(partition) && plain(region) && is_account).then(|| &arn[..arn.len() - name.len()])
}
