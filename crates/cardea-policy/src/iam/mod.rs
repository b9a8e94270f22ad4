//! IAM's policy documents, as AWS attaches them to a resource: a text to statements, statements and a question to a verdict.
//! A second evaluator beside [`crate::Acl`], pure like it: no I/O, no clock, no randomness.
//!
//! The way through: [`Document::parse`] on write, and again from the stored text; [`Document::decide`] for each request. What
//! a document says is combined with Vault's policies by the kernel, not here.
//!
//! **Invariants.** What cannot be honoured is refused on write, by name: an unknown member, operator, condition key, kind of
//! principal or policy variable is never passed over. What cannot be judged of a request (a variable without a value, a value
//! that does not parse, a budget that is used up) makes an `Allow` not match and a `Deny` match. A name that the caller could
//! have chosen himself ([`Principal::claimed`]) never lets him in. Reasons name statements and never a value of a request.

mod actions; // what the two services can be asked for
mod conditions; // operators and their truth
mod glob; // patterns with wildcards and variables
mod json; // a bounded tree in which every name stands once
mod keys; // condition keys that requests carry
mod parse; // tree to statements
mod places; // the accounts and regions that a text speaks of
mod principals; // who a statement is about
mod truth; // true, false, cannot be judged
mod values; // numbers, instants, networks

#[cfg(test)]
mod tests;

use conditions::Condition;
use glob::Pattern;
use principals::{Reach, Who};
use std::cell::Cell;
use truth::Truth;

pub use parse::DocumentError;

/// What a document is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A secret of Secrets Manager's clients.
    Secret,
    /// A key of KMS's clients.
    Key,
}

impl DocumentKind {
    /// Longest text, in characters: AWS's own bounds.
    #[must_use]
    pub const fn chars_max(self) -> usize {
        match self {
            Self::Secret => 20_480,
            Self::Key => 32_768,
        }
    }
}

/// Most comparisons of a character with a pattern in one decision. An honest document takes some thousands; one made to be
/// slow is not judged any further, which lets nobody in. A list asks a thousand documents: each may take half a millisecond.
const MATCH_STEPS_MAX: u32 = 200_000;

/// A document that was read whole.
#[derive(Clone, Debug)]
pub struct Document {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    sid: Option<String>,
    effect: Effect,
    who: Who,
    actions: Choice<String>,
    resources: Choice<Pattern>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// A list of which one must match, or none of which may.
#[derive(Clone, Debug)]
struct Choice<T> {
    list: Vec<T>,
    negated: bool,
}

/// One question.
pub struct DocumentQuery<'q> {
    pub principal: &'q Principal,
    /// Such as `secretsmanager:GetSecretValue`.
    pub action: &'q str,
    /// The ARN of what the document is attached to.
    pub resource: &'q str,
    pub conditions: &'q dyn ConditionView,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Twelve digits.
    pub account: String,
    /// Every ARN that the kernel vouches for: an entity's user, the role behind a session. Nobody else can come to have one.
    /// The first is what `aws:PrincipalArn` says. Empty for a token that no entity stands behind.
    pub arns: Vec<String>,
    /// ARNs that name the caller as well, but that he or another could have chosen: a token's display name, a session's or a
    /// key's name. A `Deny` matches by them; an `Allow` never does.
    pub claimed: Vec<String>,
}

/// What the request carries for condition keys.
pub trait ConditionView {
    /// The values of a key, whose name is in lower case, such as `secretsmanager:versionstage`; `None` if the request does not
    /// carry it. `aws:principalarn`, `aws:principalaccount` and `kms:calleraccount` are answered by [`Principal`] and not asked
    /// for. A name that a caller could choose himself must not stand behind `aws:username`, `aws:userid` or
    /// `aws:principaltag/…`. Where two names are one but for their case (tags), all their values are to be answered.
    fn values(&self, key_lower: &str) -> Option<Vec<String>>;
}

/// The view of a request that carries nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConditions;

impl ConditionView for NoConditions {
    fn values(&self, _key_lower: &str) -> Option<Vec<String>> {
        None
    }
}

/// What a document says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A `Deny` matches, or could.
    Denied,
    /// An `Allow` names the caller, or everybody.
    Allowed,
    /// An `Allow` names the caller's account: the account's own policies decide.
    Delegated,
    /// Nothing matches.
    Silent,
}

/// A verdict with its reasons, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentDecision {
    pub verdict: Verdict,
    /// Such as `statement 2 (AllowApp) of the resource policy allows`; empty if nothing matches.
    pub reasons: Vec<String>,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// It is too long, no document, or says something that cannot be honoured.
    pub fn parse(text: &str, kind: DocumentKind) -> Result<Self, DocumentError> {
        parse::document(text, kind)
    }

    /// Decides: a `Deny` that matches wins, else an `Allow` that names the caller, else one that names his account.
    #[must_use]
    pub fn decide(&self, query: &DocumentQuery<'_>) -> DocumentDecision {
        let asked =
            Asked { query, action_lower: query.action.to_ascii_lowercase(), steps_left: Cell::new(MATCH_STEPS_MAX) };
        let mut found = DocumentDecision { verdict: Verdict::Silent, reasons: Vec::new() };
        for (index, statement) in self.statements.iter().enumerate() {
            let Some(verdict) = statement.verdict(&asked) else { continue };
            let says = match verdict {
                Verdict::Denied => "denies",
                Verdict::Allowed => "allows",
                Verdict::Delegated | Verdict::Silent => "leaves it to the account's own policies",
            };
            let sid = statement.sid.as_deref().map(|sid| format!(" ({sid})")).unwrap_or_default();
            let reason = format!("statement {}{sid} of the resource policy {says}", index + 1);
            match (found.verdict, verdict) {
                // The first of the strongest kind is enough to know why.
                (_, Verdict::Denied) => return DocumentDecision { verdict, reasons: vec![reason] },
                (Verdict::Silent, _) | (Verdict::Delegated, Verdict::Allowed) => {
                    found = DocumentDecision { verdict, reasons: vec![reason] };
                }
                _ => {}
            }
        }
        found
    }

    /// Whether it grants something to everybody, without a condition that bounds who.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.who.is_everybody()
                && !statement.conditions.iter().any(Condition::bounds_who)
        })
    }
}

/// Whether a document's text speaks of another place than that of `arn`: of another account, or of another region of the same
/// service. Who attaches it without having said where its resource is has another one in mind. A text that is no document
/// speaks of none.
#[must_use]
pub fn names_another_place(text: &str, arn: &str) -> bool {
    json::read(text).is_ok_and(|tree| places::names_another(&tree, arn))
}

impl Statement {
    /// `None` if it does not match.
    fn verdict(&self, asked: &Asked<'_>) -> Option<Verdict> {
        let reach = match self.effect {
            Effect::Allow => self.who.reach_of_allow(asked.query.principal),
            Effect::Deny if self.who.could_deny(asked.query.principal) => Reach::Caller,
            Effect::Deny => Reach::Nobody,
        };
        if reach == Reach::Nobody || !self.is_about(&asked.action_lower) {
            return None;
        }
        let resource = self.resources.truth(|pattern| pattern.matches(asked.query.resource, asked));
        let truth = self.conditions.iter().fold(resource, |truth, condition| match truth {
            Truth::No => Truth::No,
            truth => truth.and(condition.truth(asked)),
        });
        match (self.effect, truth) {
            (_, Truth::No) | (Effect::Allow, Truth::Unknown) => None,
            (Effect::Deny, _) => Some(Verdict::Denied),
            (Effect::Allow, Truth::Yes) if reach == Reach::Account => Some(Verdict::Delegated),
            (Effect::Allow, Truth::Yes) => Some(Verdict::Allowed),
        }
    }

    fn is_about(&self, action_lower: &str) -> bool {
        self.actions.list.iter().any(|pattern| actions::matches(pattern, action_lower)) != self.actions.negated
    }
}

impl<T> Choice<T> {
    fn truth(&self, matches: impl Fn(&T) -> Truth) -> Truth {
        let any = Truth::any(self.list.iter().map(matches));
        if self.negated { any.not() } else { any }
    }
}

/// A question in the making: what is left of its budget, and what was folded once.
struct Asked<'q> {
    query: &'q DocumentQuery<'q>,
    action_lower: String,
    steps_left: Cell<u32>,
}

impl Asked<'_> {
    /// Takes from the budget; `false` if there is not enough left.
    fn afford(&self, steps: usize) -> bool {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps_left.get().checked_sub(steps));
        self.steps_left.set(left.unwrap_or(0));
        left.is_some()
    }
}
