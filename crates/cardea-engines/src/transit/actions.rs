//! What each operation on a key is called in the language of policy documents: the action of AWS's that does as much. One
//! table for all doors. Where an operation does what AWS has no action for, it takes every action that it could replace: who
//! takes material out of reach of the document must be one who may write the document.

use crate::transit::documents::About;
use crate::transit::forms::Item;
use crate::transit::routes::{Batch, Op, Using};
use crate::transit::transfer::{self, ExportKind};
use crate::transit::uses::OAEP;
use crate::transit::{aliases, grants, manage, names};
use cardea_model::key::{
    EncryptionContext, GrantConstraint, GrantOperation, HashAlgorithm, Key, KeyChange, KeyFamily, KeyOp, KeyPart,
    KeyUsage, NewGrant, SigningScheme, of_authenticated,
};
use cardea_model::{Error, KeyRef};
use cardea_sdk::attached::Question;
use cardea_sdk::{Context, aws_words};

/// The key that an operation is about, by its name; an operation about none, or about many, has none.
///
/// # Errors
/// Only the store's.
pub async fn key_of(cx: &mut Context<'_>, op: &Op) -> Result<Option<String>, Error> {
    let name = match op {
        Op::Shared(op) => return key_of_shared(cx, op).await,
        Op::Restore { name, backup, .. } => return Ok(name.clone().or_else(|| transfer::name_in(backup))),
        Op::List(_)
        | Op::WrappingKey
        | Op::ConfigRead
        | Op::ConfigWrite { .. }
        | Op::CacheRead
        | Op::CacheWrite
        | Op::Random { .. }
        | Op::Hash { .. } => return Ok(None),
        Op::Create { name, .. }
        | Op::Read { name, .. }
        | Op::Delete { name }
        | Op::Configure { name, .. }
        | Op::Rotate { name }
        | Op::Trim { name, .. }
        | Op::SoftDelete { name, .. }
        | Op::Import { name, .. }
        | Op::ImportVersion { name, .. }
        | Op::Export { name, .. }
        | Op::ExportWrapped { source: name, .. }
        | Op::Backup { name }
        | Op::Use { name, .. }
        | Op::DataKey { name, .. }
        | Op::Attached { name, .. } => name,
    };
    Ok(Some(name.clone()))
}

async fn key_of_shared(cx: &mut Context<'_>, op: &KeyOp) -> Result<Option<String>, Error> {
    match op {
        KeyOp::WithTokens { op, .. } => Box::pin(key_of_shared(cx, op)).await,
        KeyOp::Create { name, .. } => Ok(name.clone()),
        KeyOp::DeleteAlias { alias, region } => aliases::resolve(cx, alias, region.as_deref()).await,
        op => Ok(match op.key() {
            Some(KeyRef::Name(name)) => Some(name.clone()),
            _ => None,
        }),
    }
}

/// What an operation asks of its key's document and grants.
///
/// # Errors
/// Only the store's.
pub async fn questions(cx: &mut Context<'_>, op: &Op, key: &Key) -> Result<Vec<Question>, Error> {
    let op = match op {
        Op::Shared(KeyOp::WithTokens { op, .. }) => op,
        Op::Shared(op) => op,
        op => return Ok(of_route(op, key)),
    };
    let mut questions = of_shared(op, key);
    // Whether a grant lets its own holder make or end one is a question of that grant, not of an operation alone.
    for question in &mut questions {
        question.grant = match op {
            KeyOp::CreateGrant { new, .. } => {
                let own = grants::of_caller(cx, key).await?;
                own.into_iter().find(|grant| grant.covers(new)).map(|grant| grant.id)
            }
            KeyOp::EndGrant { grant, retires: true, .. } => grants::retiring(cx, key, grant).await?,
            _ => None,
        };
    }
    Ok(questions)
}

fn ask(actions: &[&'static str]) -> Vec<Question> {
    actions.iter().map(|action| Question::new(action)).collect()
}

/// Everything that a key can be used for.
fn every_use(key: &Key) -> Vec<Question> {
    let uses = key.usages.iter().flat_map(|usage| match usage {
        KeyUsage::Encrypt => &["kms:Encrypt", "kms:Decrypt"][..],
        KeyUsage::Sign => &["kms:Sign"],
        KeyUsage::Mac => &["kms:GenerateMac"],
        KeyUsage::Agree => &["kms:DeriveSharedSecret"],
        KeyUsage::Encapsulate => &["kms:Decapsulate"],
    });
    // Every key has a MAC key beside it on Vault's wire.
    let uses = uses.copied().chain((!key.allows(KeyUsage::Mac)).then_some("kms:GenerateMac"));
    uses.chain(["kms:PutKeyPolicy"]).map(Question::new).collect()
}

fn described(key: &Key) -> Vec<Question> {
    match key.algorithm.is_asymmetric() {
        true => ask(&["kms:DescribeKey", "kms:GetPublicKey"]),
        false => ask(&["kms:DescribeKey"]),
    }
}

fn of_route(op: &Op, key: &Key) -> Vec<Question> {
    match op {
        Op::Create { .. } | Op::Read { .. } => described(key),
        Op::Delete { .. } | Op::Trim { .. } => ask(&["kms:ScheduleKeyDeletion"]),
        Op::Configure { change, .. } => configured(change),
        Op::Rotate { .. } => ask(&["kms:RotateKeyOnDemand"]),
        Op::SoftDelete { deleted: true, .. } => ask(&["kms:DisableKey"]),
        Op::SoftDelete { deleted: false, .. } => ask(&["kms:EnableKey"]),
        Op::Import { .. } | Op::ImportVersion { .. } => ask(&["kms:ImportKeyMaterial"]),
        Op::Export { kind: ExportKind::Public, .. } => ask(&["kms:GetPublicKey"]),
        Op::Export { .. } | Op::ExportWrapped { .. } | Op::Backup { .. } => every_use(key),
        // It takes the place of the key that is there, and of everything attached to that.
        Op::Restore { .. } => ask(&["kms:ImportKeyMaterial", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"]),
        Op::Use { using, batch, .. } => used(using, batch, key),
        Op::DataKey { with_plaintext, item, .. } => {
            let action = if *with_plaintext { "kms:GenerateDataKey" } else { "kms:GenerateDataKeyWithoutPlaintext" };
            vec![with_context(Question::new(action), context_of(item).as_ref())]
        }
        Op::Attached { about, .. } => match about {
            About::Document => of_document("kms:GetKeyPolicy"),
            About::SetDocument(_) | About::RemoveDocument => of_document("kms:PutKeyPolicy"),
            About::Grants | About::Grant(_) => ask(&["kms:ListGrants"]),
            About::Revoke(_) => ask(&["kms:RevokeGrant"]),
        },
        Op::Shared(_)
        | Op::List(_)
        | Op::WrappingKey
        | Op::ConfigRead
        | Op::ConfigWrite { .. }
        | Op::CacheRead
        | Op::CacheWrite
        | Op::Random { .. }
        | Op::Hash { .. } => Vec::new(),
    }
}

fn of_document(action: &'static str) -> Vec<Question> {
    vec![Question { of_document: true, ..Question::new(action) }]
}

fn configured(change: &manage::SettingsChange) -> Vec<Question> {
    let mut actions = Vec::new();
    match change.auto_rotate_s {
        None => {}
        Some(0) => actions.push("kms:DisableKeyRotation"),
        Some(_) => actions.push("kms:EnableKeyRotation"),
    }
    // Takes versions out of use, or readies the key to be deleted.
    if change.min_decryption.is_some() || change.min_encryption.is_some() || change.deletion_allowed.is_some() {
        actions.push("kms:ScheduleKeyDeletion");
    }
    // Lets material leave the reach of every document.
    if change.exportable.is_some() || change.plaintext_backup.is_some() || actions.is_empty() {
        actions.push("kms:PutKeyPolicy");
    }
    ask(&actions)
}

/// Items of one batch differ at most in what is authenticated with them.
fn used(using: &Using, batch: &Batch, key: &Key) -> Vec<Question> {
    let actions: &[&'static str] = match using {
        Using::Encrypt { .. } => &["kms:Encrypt"],
        Using::Decrypt => &["kms:Decrypt"],
        Using::Rewrap => &["kms:ReEncryptFrom", "kms:ReEncryptTo"],
        Using::Sign(words) => {
            let signed = batch.items.iter().map(|item| {
                let input = item.input("").unwrap_or_default();
                signed("kms:Sign", words.schemes(key.algorithm, input.expose()).unwrap_or_default(), words.prehashed)
            });
            return distinct(signed.flatten());
        }
        Using::Verify(words) => {
            let verified = batch.items.iter().map(|item| match item.hmac {
                Some(_) => mac("kms:VerifyMac", names::hash(&words.hash).ok()),
                None => {
                    let input = item.input("").unwrap_or_default();
                    let schemes = words.schemes(key.algorithm, input.expose()).unwrap_or_default();
                    signed("kms:Verify", schemes, words.prehashed)
                }
            });
            return distinct(verified.flatten());
        }
        Using::Mac(word) => return mac("kms:GenerateMac", names::hash(word).ok()),
    };
    let oaep = (key.algorithm.family() == KeyFamily::Rsa).then_some(OAEP);
    let mut contexts: Vec<Option<EncryptionContext>> = batch.items.iter().map(context_of).collect();
    contexts.sort_unstable();
    contexts.dedup();
    if contexts.is_empty() {
        contexts.push(Some(EncryptionContext::new()));
    }
    let each = contexts.iter().flat_map(|context| {
        actions.iter().map(|action| with_context(encrypted(Question::new(action), oaep), context.as_ref()))
    });
    each.collect()
}

fn distinct(questions: impl Iterator<Item = Question>) -> Vec<Question> {
    let mut out: Vec<Question> = Vec::new();
    for question in questions {
        if !out.contains(&question) {
            out.push(question);
        }
    }
    out
}

/// The context that an item is encrypted with; `None` if what is authenticated is the form of none.
fn context_of(item: &Item) -> Option<EncryptionContext> {
    of_authenticated(item.associated_data().ok()?.expose())
}

fn with_context(mut question: Question, context: Option<&EncryptionContext>) -> Question {
    question.context = context.cloned();
    let Some(context) = context.filter(|context| !context.is_empty()) else { return question };
    for (name, value) in context {
        question.facts.push((format!("kms:encryptioncontext:{}", name.to_lowercase()), vec![value.clone()]));
    }
    question.facts.push(("kms:encryptioncontextkeys".to_owned(), context.keys().cloned().collect()));
    question
}

fn encrypted(question: Question, oaep: Option<HashAlgorithm>) -> Question {
    match aws_words::encryption(oaep) {
        Some(word) => question.fact("kms:encryptionalgorithm", word),
        None => question,
    }
}

fn signed(action: &'static str, schemes: Vec<SigningScheme>, prehashed: bool) -> Vec<Question> {
    // What AWS's clients give this scheme is a digest to them, and a message to it.
    let is_digest = prehashed || schemes.first() == Some(&SigningScheme::Ed25519Ph);
    let message = if is_digest { "DIGEST" } else { "RAW" };
    let question = || Question::new(action).fact("kms:messagetype", message);
    match schemes.into_iter().next().and_then(aws_words::signing) {
        Some(word) => vec![question().fact("kms:signingalgorithm", word)],
        None => vec![question()],
    }
}

fn mac(action: &'static str, hash: Option<HashAlgorithm>) -> Vec<Question> {
    match hash.and_then(aws_words::mac) {
        Some(word) => vec![Question::new(action).fact("kms:macalgorithm", word)],
        None => ask(&[action]),
    }
}

fn of_shared(op: &KeyOp, key: &Key) -> Vec<Question> {
    let sealed = |action, aad: &[u8], oaep| {
        vec![with_context(encrypted(Question::new(action), oaep), of_authenticated(aad).as_ref())]
    };
    match op {
        KeyOp::Create { .. } => described(key),
        KeyOp::Describe { part, .. } => match part {
            KeyPart::Facts => ask(&["kms:DescribeKey"]),
            KeyPart::Tags => ask(&["kms:ListResourceTags"]),
            KeyPart::RotationStatus => ask(&["kms:GetKeyRotationStatus"]),
            KeyPart::Rotations => ask(&["kms:ListKeyRotations"]),
            KeyPart::DocumentNames => of_document("kms:ListKeyPolicies"),
        },
        KeyOp::PublicKey { .. } => ask(&["kms:GetPublicKey"]),
        KeyOp::Change { change, .. } => changed(change),
        KeyOp::Rotate { .. } => ask(&["kms:RotateKeyOnDemand"]),
        KeyOp::ScheduleDeletion { .. } => ask(&["kms:ScheduleKeyDeletion"]),
        KeyOp::CancelDeletion { .. } => ask(&["kms:CancelKeyDeletion"]),
        KeyOp::ImportParameters { .. } => ask(&["kms:GetParametersForImport"]),
        KeyOp::Import { .. } => ask(&["kms:ImportKeyMaterial"]),
        KeyOp::DeleteMaterial { .. } => ask(&["kms:DeleteImportedKeyMaterial"]),
        // The other key is asked about where it is known: see `regions`.
        KeyOp::SetPrimary { .. } => made_primary(),
        KeyOp::Replicate { .. } => ask(&["kms:ReplicateKey"]),
        KeyOp::LastUse { .. } => ask(&["kms:GetKeyLastUsage"]),
        KeyOp::Encrypt { aad, oaep, .. } => sealed("kms:Encrypt", aad, *oaep),
        KeyOp::Decrypt { aad, oaep, .. } => sealed("kms:Decrypt", aad, *oaep),
        // The other key is asked about where it is known: see `shared`.
        KeyOp::ReEncrypt { aad, oaep, .. } => sealed("kms:ReEncryptFrom", aad, *oaep),
        KeyOp::GenerateDataKey { aad, with_plaintext: true, .. } => sealed("kms:GenerateDataKey", aad, None),
        KeyOp::GenerateDataKey { aad, .. } => sealed("kms:GenerateDataKeyWithoutPlaintext", aad, None),
        KeyOp::GenerateDataKeyPair { aad, with_plaintext: true, .. } => sealed("kms:GenerateDataKeyPair", aad, None),
        KeyOp::GenerateDataKeyPair { aad, .. } => sealed("kms:GenerateDataKeyPairWithoutPlaintext", aad, None),
        KeyOp::Sign { scheme, prehashed, .. } => signed("kms:Sign", vec![*scheme], *prehashed),
        KeyOp::Verify { scheme, prehashed, .. } => signed("kms:Verify", vec![*scheme], *prehashed),
        KeyOp::Mac { hash, .. } => mac("kms:GenerateMac", Some(*hash)),
        KeyOp::VerifyMac { hash, .. } => mac("kms:VerifyMac", Some(*hash)),
        KeyOp::Agree { .. } => ask(&["kms:DeriveSharedSecret"]),
        KeyOp::Encapsulate { .. } => ask(&["kms:Encapsulate"]),
        KeyOp::Decapsulate { .. } => ask(&["kms:Decapsulate"]),
        KeyOp::SetAlias { moves: true, .. } => ask(&["kms:UpdateAlias"]),
        KeyOp::SetAlias { .. } => ask(&["kms:CreateAlias"]),
        KeyOp::DeleteAlias { .. } => ask(&["kms:DeleteAlias"]),
        KeyOp::Document { .. } => of_document("kms:GetKeyPolicy"),
        KeyOp::SetDocument { .. } => of_document("kms:PutKeyPolicy"),
        KeyOp::CreateGrant { new, .. } => vec![granting(new)],
        KeyOp::EndGrant { retires: true, .. } => ask(&["kms:RetireGrant"]),
        KeyOp::EndGrant { .. } => {
            vec![Question::new("kms:RevokeGrant").fact("kms:grantisforawsresource", "false")]
        }
        KeyOp::ListGrants { .. } => {
            vec![Question::new("kms:ListGrants").fact("kms:grantisforawsresource", "false")]
        }
        KeyOp::WithTokens { op, .. } => of_shared(op, key),
        KeyOp::List { .. } | KeyOp::Random { .. } | KeyOp::ListAliases { .. } | KeyOp::ListRetirable { .. } => {
            Vec::new()
        }
    }
}

fn changed(change: &KeyChange) -> Vec<Question> {
    let mut actions = Vec::new();
    if change.description.is_some() || !change.attributes.is_empty() {
        actions.push("kms:UpdateKeyDescription");
    }
    match change.enabled {
        None => {}
        Some(true) => actions.push("kms:EnableKey"),
        Some(false) => actions.push("kms:DisableKey"),
    }
    match change.auto_rotate_s {
        None => {}
        Some(0) => actions.push("kms:DisableKeyRotation"),
        Some(_) => actions.push("kms:EnableKeyRotation"),
    }
    if change.tags.values().any(Option::is_none) {
        actions.push("kms:UntagResource");
    }
    if change.tags.values().any(Option::is_some) || actions.is_empty() {
        actions.push("kms:TagResource");
    }
    ask(&actions)
}

fn granting(new: &NewGrant) -> Question {
    let mut question = Question::new("kms:CreateGrant")
        .fact("kms:granteeprincipal", &new.grantee)
        .fact("kms:grantisforawsresource", "false");
    let words = new.operations.iter().map(|operation| operation.word().to_owned()).collect();
    question.facts.push(("kms:grantoperations".to_owned(), words));
    match &new.constraint {
        None => question,
        Some(GrantConstraint::Subset(_)) => question.fact("kms:grantconstrainttype", "EncryptionContextSubset"),
        Some(GrantConstraint::Equals(_)) => question.fact("kms:grantconstrainttype", "EncryptionContextEquals"),
    }
}

/// What re-encryption asks of the key that it goes to.
pub fn re_encrypted(aad: &[u8], oaep: Option<HashAlgorithm>) -> Vec<Question> {
    vec![with_context(encrypted(Question::new("kms:ReEncryptTo"), oaep), of_authenticated(aad).as_ref())]
}

/// What is asked of both keys that change their places in a set.
pub fn made_primary() -> Vec<Question> {
    ask(&["kms:UpdatePrimaryRegion"])
}

/// The operation of grants behind a question, if grants can allow it. Making and ending grants are judged apart.
pub fn operation_of(question: &Question) -> Option<GrantOperation> {
    let operation = GrantOperation::of_action(question.action)?;
    (!matches!(operation, GrantOperation::CreateGrant | GrantOperation::RetireGrant)).then_some(operation)
}
