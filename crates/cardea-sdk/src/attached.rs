//! What is attached to one resource and decides beside Vault's policies: a policy document of AWS's form, and grants. An engine
//! says what is there and what an operation is called in that language; the kernel asks and combines. Nothing here may decide.

use cardea_model::key::EncryptionContext;
use cardea_policy::iam::Document;
use std::sync::Arc;

pub use cardea_policy::iam::{DocumentKind, Verdict};

/// What is attached to the resource of one operation.
pub struct Attached {
    pub kind: DocumentKind,
    /// The ARN by which the resource is known here; its account is the account of every caller.
    pub arn: String,
    pub document: AttachedDocument,
    /// All of them have to be answered with yes.
    pub questions: Vec<Question>,
}

/// The document, if there is one.
#[derive(Clone)]
pub enum AttachedDocument {
    None,
    Is(Arc<Document>),
    /// There is one that this release cannot read: nobody knows what it denies.
    Unreadable,
}

/// What an operation, or one item of it, does to the resource.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Question {
    /// Such as `kms:Encrypt`.
    pub action: &'static str,
    /// Condition keys in lower case, and their values.
    pub facts: Vec<(String, Vec<String>)>,
    /// What is authenticated with it, for grants that are bound to a context; `None` is something that is none.
    pub context: Option<EncryptionContext>,
    /// The grant that allows it to the caller.
    pub grant: Option<String>,
    /// Whether it reads or changes the document itself. Vault's root token may always do that: nobody is locked out for good.
    pub of_document: bool,
}

impl Question {
    #[must_use]
    pub fn new(action: &'static str) -> Self {
        Self { action, ..Self::default() }
    }

    /// Adds what a condition key says.
    #[must_use]
    pub fn fact(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((key.into(), vec![value.into()]));
        self
    }
}
