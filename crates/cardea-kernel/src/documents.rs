//! What documents and grants attached to a resource add to Vault's policies: who the caller is in their language, and how the
//! two languages are combined. Pure: everything it needs was fetched before. It must never let a name in that its bearer could
//! have chosen, nor let either language allow what the other denies.

use crate::mounts::Mounts;
use crate::tokens;
use cardea_model::arn::{Place, USUAL_MOUNT, is_name_byte};
use cardea_model::identity::Entity;
use cardea_model::{Caller, Credential, KeyFacts, LoginRole, Origin, SignatureScheme, Timestamp};
use cardea_policy::Decision;
use cardea_policy::iam::{ConditionView, Document, DocumentQuery, Principal, Verdict};
use cardea_sdk::attached::{Attached, AttachedDocument, DocumentKind, Question};
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks, as documents see it.
pub struct Asker {
    root: bool,
    display_name: String,
    entity: Option<Arc<Entity>>,
    key: Option<KeyFacts>,
    peer: IpAddr,
    encrypted: bool,
    now: Timestamp,
    /// The alias by which the request called the key.
    alias: Option<String>,
    standing: Standing,
}

/// What the credential of a request says beside who its bearer is.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Mount, without `auth/`, and role of the login that made the token.
    role: Option<(String, String)>,
    /// The same of the login behind the token that made this one, or that issued the key.
    behind: Option<(String, String)>,
    /// The region of the signature.
    region: Option<String>,
}

impl Standing {
    /// The role is the method's own word, and the mount's path the one that it has now. A name that a role's ARN could not hold
    /// without looking like another's is none.
    #[must_use]
    pub fn of(mounts: &Mounts, token: Option<&tokens::Token>, key: Option<&KeyFacts>, credential: &Credential) -> Self {
        let named = |login: LoginRole| {
            let mount = mounts.by_uuid(&login.mount_uuid)?;
            let mount = mount.path.trim_start_matches("auth/").trim_end_matches('/');
            let plain = !login.role.is_empty() && login.role.bytes().all(is_name_byte);
            let mount_is_plain = mount.bytes().all(|b| is_name_byte(b) || b == b'/');
            (plain && mount_is_plain).then(|| (mount.to_owned(), login.role))
        };
        let own = token.filter(|token| token.login.is_some()).and_then(tokens::Token::login_role);
        let role = own.and_then(named);
        let behind = token.and_then(|token| token.came_by.clone()).or_else(|| key.and_then(|key| key.came_by.clone()));
        let behind = behind.and_then(named);
        let region = match credential {
            Credential::Signed(shown) => match &shown.scheme {
                SignatureScheme::AwsV4 { region, .. } => Some(region.clone()),
                SignatureScheme::Hmac => None,
            },
            _ => None,
        };
        Self { role, behind, region }
    }
}

/// What Vault's policies say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByPolicies {
    Allowed,
    /// None allows it.
    Silent,
    /// One speaks against it.
    Denied,
}

impl ByPolicies {
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        match decision.allowed {
            true => Self::Allowed,
            false if decision.is_objection() => Self::Denied,
            false => Self::Silent,
        }
    }
}

/// Both languages together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Combined {
    pub allowed: bool,
    /// Statements and grants that decided, for the log.
    pub reasons: Vec<String>,
}

impl Asker {
    #[must_use]
    pub fn of(caller: &Caller, origin: &Origin, now: Timestamp, alias: Option<String>) -> Self {
        Self {
            root: caller.is_root,
            display_name: caller.display_name.clone(),
            entity: caller.known_as.clone(),
            key: caller.key.clone(),
            peer: origin.peer.ip().to_canonical(),
            encrypted: origin.tls.is_some(),
            now,
            alias,
            standing: Standing::default(),
        }
    }

    /// The same by a credential that says more.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }

    /// The caller's names in the account of an ARN.
    ///
    /// Vouched for are the entity (its name is unique) and the role of a login. A key that has less than its owner has nothing
    /// that was given to the owner by name. The names of tokens, keys and sessions are what somebody chose.
    #[must_use]
    pub fn principal(&self, arn: &str) -> Principal {
        let Some(place) = Place::of(arn) else { return Principal::default() };
        let (mut arns, mut claimed) = (Vec::new(), Vec::new());
        let narrowed = self.key.as_ref().is_some_and(|key| key.narrowed);
        let names_of_role = |mount: &str, role: &str| {
            let usual = (mount == USUAL_MOUNT).then(|| place.usual_role(role));
            [Some(place.role(mount, role)), usual].into_iter().flatten()
        };
        if let Some(role) = self.key.as_ref().and_then(|key| key.assumed_role.as_ref()) {
            arns.extend(names_of_role(&role.mount, &role.role));
            claimed.push(place.assumed_role(&role.mount, &role.role, &role.session));
        }
        // A login at Vault's door is for a role as well.
        if let Some((mount, role)) = &self.standing.role {
            let names = if narrowed { &mut claimed } else { &mut arns };
            names.extend(names_of_role(mount, role).filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
        // What came of a login is kept from what the role is kept from, and has nothing of what it was given by name.
        if let Some((mount, role)) = &self.standing.behind {
            claimed.extend(names_of_role(mount, role));
        }
        if let Some(entity) = &self.entity {
            let name = place.entity(&entity.name);
            if narrowed { claimed.push(name) } else { arns.push(name) }
        }
        match &self.key {
            Some(key) if key.of_entity => claimed.push(place.entity_key(&key.owner, &key.name)),
            Some(key) => claimed.push(place.token(&key.owner, &key.name)),
            None => claimed.push(place.token(&self.display_name, "")),
        }
        Principal { account: place.account.to_owned(), arns, claimed }
    }

    /// What a document says to the caller about an action, whatever else the request says.
    #[must_use]
    pub fn verdict(&self, document: &Document, arn: &str, action: &'static str) -> Verdict {
        let (principal, question) = (self.principal(arn), Question::new(action));
        let conditions = Said { asker: self, question: &question };
        document
            .decide(&DocumentQuery { principal: &principal, action, resource: arn, conditions: &conditions })
            .verdict
    }

    /// Combines. An explicit deny in either language denies. A secret is open to whom policies or its document allow; a key with
    /// a document to whom that allows, or to whom it leaves the decision to policies and these allow, or to whom a grant does.
    /// A key without a document has the one that AWS gives it, which leaves everything to policies.
    #[must_use]
    pub fn combine(&self, policies: ByPolicies, attached: &Attached) -> Combined {
        if policies == ByPolicies::Denied {
            return Combined { allowed: false, reasons: Vec::new() };
        }
        let principal = self.principal(&attached.arn);
        let mut combined = Combined { allowed: !attached.questions.is_empty(), reasons: Vec::new() };
        for question in &attached.questions {
            let (allowed, reasons) = self.answer(policies, attached, question, &principal);
            if !allowed {
                return Combined { allowed, reasons };
            }
            combined
                .reasons
                .extend(reasons.into_iter().filter(|reason| !combined.reasons.contains(reason)).collect::<Vec<_>>());
        }
        combined
    }

    fn answer(
        &self,
        policies: ByPolicies,
        attached: &Attached,
        question: &Question,
        principal: &Principal,
    ) -> (bool, Vec<String>) {
        let by_policies = policies == ByPolicies::Allowed;
        let by_root = self.root && question.of_document;
        let granted = || match &question.grant {
            Some(grant) => (true, vec![format!("grant {grant} allows {}", question.action)]),
            None => (false, Vec::new()),
        };
        let document = match &attached.document {
            AttachedDocument::Is(document) => document,
            AttachedDocument::Unreadable if by_root => return (true, Vec::new()),
            AttachedDocument::Unreadable => {
                return (false, vec!["the document of the resource cannot be read by this release".to_owned()]);
            }
            AttachedDocument::None if by_policies => return (true, Vec::new()),
            AttachedDocument::None => return granted(),
        };
        let conditions = Said { asker: self, question };
        let decision = document.decide(&DocumentQuery {
            principal,
            action: question.action,
            resource: &attached.arn,
            conditions: &conditions,
        });
        match (decision.verdict, attached.kind) {
            _ if by_root => (true, vec!["the caller is root, who may always read and replace the document".to_owned()]),
            (Verdict::Denied, _) => (false, decision.reasons),
            (Verdict::Allowed, _) => (true, decision.reasons),
            (Verdict::Delegated | Verdict::Silent, DocumentKind::Secret) if by_policies => (true, Vec::new()),
            (Verdict::Delegated, DocumentKind::Key) if by_policies => (true, decision.reasons),
            _ => match granted() {
                (true, reasons) => (true, reasons),
                (false, _) if by_policies => {
                    (false, vec![format!("no statement of the resource's document allows {}", question.action)])
                }
                (false, _) => (false, Vec::new()),
            },
        }
    }
}

/// What a request carries for condition keys: what the engine says of its operation, and what is true of every request.
struct Said<'a> {
    asker: &'a Asker,
    question: &'a Question,
}

impl ConditionView for Said<'_> {
    fn values(&self, key_lower: &str) -> Option<Vec<String>> {
        let mut of_operation = self.question.facts.iter().filter(|(key, _)| key == key_lower).peekable();
        if of_operation.peek().is_some() {
            return Some(of_operation.flat_map(|(_, values)| values.iter().cloned()).collect());
        }
        let entity = self.asker.entity.as_ref().filter(|_| !self.asker.key.as_ref().is_some_and(|key| key.narrowed));
        if let Some(tag) = key_lower.strip_prefix("aws:principaltag/") {
            let pairs = entity.iter().flat_map(|entity| &entity.metadata);
            let values: Vec<String> =
                pairs.filter(|(name, _)| name.to_lowercase() == tag).map(|(_, value)| value.clone()).collect();
            return (!values.is_empty()).then_some(values);
        }
        let one = match key_lower {
            "aws:sourceip" => self.asker.peer.to_string(),
            "aws:securetransport" => self.asker.encrypted.to_string(),
            "aws:currenttime" => self.asker.now.rfc3339(),
            "aws:epochtime" => self.asker.now.unix_s().to_string(),
            "aws:username" => entity?.name.clone(),
            "aws:userid" => entity?.id.0.clone(),
            "aws:requestedregion" => self.asker.standing.region.clone()?,
            "kms:requestalias" => format!("alias/{}", self.asker.alias.as_ref()?),
            _ => return None,
        };
        Some(vec![one])
    }
}

#[cfg(test)]
mod tests;
