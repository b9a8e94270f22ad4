//! What each operation on a secret is called in the language of resource policies: the action of Secrets Manager's that does as
//! much. One table for all doors, so that a policy which shuts a thing shuts it at each of them. Nothing here may decide.

use crate::kv::model::{Pointer, StoredPolicy};
use crate::kv::rotation_forms::RotationAct;
use crate::kv::routes::{MetadataChange, Op};
use cardea_model::operation::{PolicyAct, SecretAct, VersionRef};
use cardea_model::secret::Secret;
use cardea_model::{Error, SecretOp};
use cardea_sdk::Context;
use cardea_sdk::attached::{Attached, AttachedDocument, DocumentKind, Question};

/// The resource policy of the secret that an operation is about, if it has one, and what is to be asked of it.
///
/// # Errors
/// Only the store's.
pub async fn of_op(cx: &mut Context<'_>, op: &Op) -> Result<Option<Attached>, Error> {
    let Some(path) = op.path() else { return Ok(None) };
    let Some(pointer) = cx.state.peek_ahead::<Pointer>(path.as_str()).await? else { return Ok(None) };
    if pointer.0.is_past(cx.now) || !is_meant(op, &pointer.0) {
        return Ok(None);
    }
    of_secret(cx, &pointer.0, questions(op, &pointer.0)).await
}

/// An earlier secret of the same name is another one: what this one's policy says is not about it.
fn is_meant(op: &Op, secret: &Secret) -> bool {
    match op {
        Op::Secret(SecretOp::One { secret: at, .. }) => {
            at.short_id.as_ref().is_none_or(|wanted| *wanted == secret.short_id())
        }
        _ => true,
    }
}

/// The same for a secret that is at hand.
///
/// # Errors
/// Only the store's.
pub async fn of_secret(
    cx: &mut Context<'_>,
    secret: &Secret,
    questions: Vec<Question>,
) -> Result<Option<Attached>, Error> {
    let Some(arn) = &secret.policy_arn else { return Ok(None) };
    let document = match cx.state.peek::<StoredPolicy>(&secret.id).await? {
        Some(stored) => stored.document.clone().map_or(AttachedDocument::Unreadable, AttachedDocument::Is),
        // It was taken away between the two reads, or it is lost: nobody knows what it denied.
        None => AttachedDocument::Unreadable,
    };
    Ok(Some(with_document(secret, arn, document, questions)))
}

/// The same with a document that is not kept, or not yet.
pub fn with_document(secret: &Secret, arn: &str, document: AttachedDocument, questions: Vec<Question>) -> Attached {
    let questions = questions.into_iter().map(|question| with_facts(question, secret, arn)).collect();
    Attached { kind: DocumentKind::Secret, arn: arn.to_owned(), document, questions }
}

/// What is true of the secret, whatever is done to it.
fn with_facts(question: Question, secret: &Secret, arn: &str) -> Question {
    let question = question.fact("secretsmanager:secretid", arn).fact("secretsmanager:name", secret.name());
    secret.metadata.iter().fold(question, |question, (tag, value)| {
        let tag = tag.to_lowercase();
        question
            .fact(format!("aws:resourcetag/{tag}"), value.clone())
            .fact(format!("secretsmanager:resourcetag/{tag}"), value.clone())
    })
}

/// About the policy itself.
pub fn about_policy(action: &'static str) -> Question {
    Question { of_document: true, ..Question::new(action) }
}

/// To read a value. A stage is said only if the request names one: where it does not, a condition on stages finds none.
pub fn value(version: &VersionRef, secret: &Secret) -> Question {
    let question = Question::new("secretsmanager:GetSecretValue");
    let id_of = |number: u64| secret.version(number).map(|version| version.id.clone());
    match version {
        VersionRef::Current | VersionRef::Number(0) => question,
        VersionRef::Number(number) => match id_of(*number) {
            Some(id) => question.fact("secretsmanager:versionid", id),
            None => question,
        },
        VersionRef::Stage(stage) => question.fact("secretsmanager:versionstage", stage.clone()),
        VersionRef::Id(id) => question.fact("secretsmanager:versionid", id.clone()),
        VersionRef::IdAt { id, stage } => {
            question.fact("secretsmanager:versionid", id.clone()).fact("secretsmanager:versionstage", stage.clone())
        }
    }
}

fn questions(op: &Op, secret: &Secret) -> Vec<Question> {
    let one = |action| vec![Question::new(action)];
    match op {
        Op::Secret(SecretOp::Read { version, .. }) | Op::Subkeys { version, .. } => vec![value(version, secret)],
        Op::Secret(SecretOp::Write { .. }) | Op::Patch { .. } => one("secretsmanager:PutSecretValue"),
        Op::Secret(SecretOp::One { act, .. }) => of_act(act, secret),
        Op::DeleteCurrent { .. } | Op::Delete { .. } | Op::Destroy { .. } | Op::MetadataDelete { .. } => {
            one("secretsmanager:DeleteSecret")
        }
        Op::Undelete { .. } => one("secretsmanager:RestoreSecret"),
        Op::MetadataRead { .. } => one("secretsmanager:DescribeSecret"),
        Op::MetadataWrite { change, .. } | Op::MetadataPatch { change, .. } => {
            let mut questions = one("secretsmanager:UpdateSecret");
            if !matches!(change.metadata, MetadataChange::Keep) {
                questions.extend(one("secretsmanager:TagResource"));
                questions.extend(one("secretsmanager:UntagResource"));
            }
            questions
        }
        Op::Rotation { act, .. } => one(match act {
            RotationAct::Read | RotationAct::Proof => "secretsmanager:DescribeSecret",
            // Of a version that was read.
            RotationAct::Acknowledge { .. } => "secretsmanager:GetSecretValue",
            RotationAct::Configure(_) | RotationAct::Begin { .. } | RotationAct::RollBack => {
                "secretsmanager:RotateSecret"
            }
            RotationAct::Remove | RotationAct::Cancel => "secretsmanager:CancelRotateSecret",
            // Nobody gets in with it any more: as much as to take it away.
            RotationAct::Revoke => "secretsmanager:DeleteSecret",
        }),
        Op::PolicyRead { .. } => vec![about_policy("secretsmanager:GetResourcePolicy")],
        Op::PolicyWrite { .. } => vec![about_policy("secretsmanager:PutResourcePolicy")],
        Op::PolicyDelete { .. } => vec![about_policy("secretsmanager:DeleteResourcePolicy")],
        // About no one secret; those about many ask for each.
        Op::ConfigRead
        | Op::ConfigWrite(_)
        | Op::List { .. }
        | Op::Posture(_)
        | Op::Secret(
            SecretOp::List(_) | SecretOp::ReadMany(_) | SecretOp::Password(_) | SecretOp::CheckPolicy { .. },
        ) => Vec::new(),
    }
}

fn of_act(act: &SecretAct, secret: &Secret) -> Vec<Question> {
    let action = match act {
        SecretAct::Read { version } => return vec![value(version, secret)],
        SecretAct::Describe => "secretsmanager:DescribeSecret",
        SecretAct::Versions => "secretsmanager:ListSecretVersionIds",
        SecretAct::Create(_) => "secretsmanager:CreateSecret",
        SecretAct::Put(_) => "secretsmanager:PutSecretValue",
        SecretAct::Update(_) => "secretsmanager:UpdateSecret",
        SecretAct::MoveStage { stage, .. } => {
            let question = Question::new("secretsmanager:UpdateSecretVersionStage");
            return vec![question.fact("secretsmanager:versionstage", stage.clone())];
        }
        SecretAct::Delete { .. } => "secretsmanager:DeleteSecret",
        SecretAct::Restore => "secretsmanager:RestoreSecret",
        SecretAct::Rotate(_) => "secretsmanager:RotateSecret",
        SecretAct::CancelRotation => "secretsmanager:CancelRotateSecret",
        SecretAct::Replicate(_) => "secretsmanager:ReplicateSecretToRegions",
        SecretAct::RemoveReplicas(_) => "secretsmanager:RemoveRegionsFromReplication",
        SecretAct::Detach => "secretsmanager:StopReplicationToReplica",
        SecretAct::Tag { set, remove } => {
            let mut questions = Vec::new();
            if !remove.is_empty() {
                questions.push(Question::new("secretsmanager:UntagResource"));
            }
            if !set.is_empty() || remove.is_empty() {
                questions.push(Question::new("secretsmanager:TagResource"));
            }
            return questions;
        }
        SecretAct::Policy(act) => {
            let actions: &[&'static str] = match act {
                PolicyAct::Read => &["secretsmanager:GetResourcePolicy"],
                PolicyAct::List => &["secretsmanager:ListResourcePolicies"],
                PolicyAct::Put(_) => &["secretsmanager:PutResourcePolicy"],
                PolicyAct::Delete => &["secretsmanager:DeleteResourcePolicy"],
                // As at AWS, who tries one must be one who may put it.
                PolicyAct::Check(_) => &["secretsmanager:ValidateResourcePolicy", "secretsmanager:PutResourcePolicy"],
            };
            return actions.iter().map(|action| about_policy(action)).collect();
        }
    };
    vec![Question::new(action)]
}
