//! Policies as stored and as asked. The text is kept byte for byte; its compiled form lives beside it in memory, keyed by
//! revision, so that a changed policy is effective at the next request without any notification.

use crate::identity;
use cardea_model::{Caller, Error, NamespaceId};
use cardea_policy::{Acl, Policy, PolicyName, Subject, SubjectAlias, defaults};
use cardea_storage::record::{Record, Wiped, decode_json, encode_json};
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Compiled ACLs kept: one for each distinct set of policies and entity that asks.
const ACLS_MAX: usize = 4_096;

/// A policy's text and its parsed form.
pub struct StoredPolicy {
    pub text: String,
    pub parsed: Arc<Policy>,
    /// Distinguishes this decoding from every other: what caches of ACLs are keyed by.
    stamp: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    text: String,
}

static STAMPS: AtomicU64 = AtomicU64::new(1);

impl StoredPolicy {
    /// # Errors
    /// What the text's author must know.
    pub fn parse(name: PolicyName, text: &str) -> Result<Self, Error> {
        let parsed = Policy::parse(name, text).map_err(|e| Error::invalid(format!("failed to parse policy: {e}")))?;
        Ok(Self { text: text.to_owned(), parsed: Arc::new(parsed), stamp: STAMPS.fetch_add(1, Ordering::Relaxed) })
    }
}

impl Record for StoredPolicy {
    const KIND: &'static str = "policy";
    const CACHED: bool = true;

    fn encode(&self) -> Result<Wiped, Error> {
        encode_json(1, &Stored { name: self.parsed.name().as_str().to_owned(), text: self.text.clone() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let stored: Stored = decode_json(1, Self::KIND, bytes)?;
        Self::parse(name(&stored.name)?, &stored.text)
    }
}

/// A policy's canonical name.
pub fn name(text: &str) -> Result<PolicyName, Error> {
    PolicyName::parse(text).map_err(|e| Error::invalid(format!("policy name is not valid: {e}")))
}

/// Canonical names of a list, sorted, each once.
///
/// # Errors
/// A name that is none, too many names.
pub fn names(list: &[String]) -> Result<Vec<String>, Error> {
    if list.len() > cardea_model::limit::POLICIES_MAX {
        return Err(Error::invalid("too many policies"));
    }
    let mut out = list.iter().map(|n| name(n).map(|n| n.as_str().to_owned())).collect::<Result<Vec<_>, _>>()?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "policies")
}

pub async fn find(
    txn: &mut Txn,
    namespace: &NamespaceId,
    name: &PolicyName,
) -> Result<Option<Arc<StoredPolicy>>, Error> {
    if name.as_str() == defaults::RESPONSE_WRAPPING_POLICY_NAME {
        return StoredPolicy::parse(name.clone(), defaults::RESPONSE_WRAPPING_POLICY_TEXT)
            .map(|policy| Some(Arc::new(policy)));
    }
    let found = view(txn, namespace).peek::<StoredPolicy>(name.as_str()).await?;
    match found {
        None if name.is_default() => {
            StoredPolicy::parse(name.clone(), defaults::DEFAULT_POLICY_TEXT).map(|p| Some(Arc::new(p)))
        }
        found => Ok(found),
    }
}

pub async fn list(txn: &mut Txn, namespace: &NamespaceId) -> Result<Vec<String>, Error> {
    let mut names = view(txn, namespace).names::<StoredPolicy>("", None, cardea_model::limit::LIST_ENTRIES_MAX).await?;
    names.extend(["default".to_owned(), "root".to_owned()]);
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

pub fn put(txn: &mut Txn, namespace: &NamespaceId, policy: &StoredPolicy) -> Result<(), Error> {
    let name = policy.parsed.name().as_str().to_owned();
    view(txn, namespace).put(&name, policy)
}

pub fn delete(txn: &mut Txn, namespace: &NamespaceId, name: &PolicyName) {
    view(txn, namespace).delete::<StoredPolicy>(name.as_str());
}

/// Compiled ACLs by what went into them.
pub struct Acls {
    compiled: Cache<Vec<u64>, Arc<Acl>>,
    fixed: Vec<(String, Arc<StoredPolicy>)>,
}

impl Default for Acls {
    fn default() -> Self {
        let built_in = [
            (defaults::DEFAULT_POLICY_NAME, defaults::DEFAULT_POLICY_TEXT),
            (defaults::RESPONSE_WRAPPING_POLICY_NAME, defaults::RESPONSE_WRAPPING_POLICY_TEXT),
        ];
        let parse = |(name, text): (&str, &str)| {
            Some((name.to_owned(), Arc::new(StoredPolicy::parse(PolicyName::parse(name).ok()?, text).ok()?)))
        };
        let fixed = built_in.into_iter().filter_map(parse).collect();
        Self { compiled: Cache::new(ACLS_MAX), fixed }
    }
}

impl Acls {
    /// What a caller may do: its token's policies and its entity's, as they are now.
    pub async fn of(&self, txn: &mut Txn, caller: &Caller) -> Result<Arc<Acl>, Error> {
        if caller.is_root {
            return Ok(Arc::new(Acl::root()));
        }
        let entity = match &caller.entity {
            Some(id) => identity::find(txn, &caller.namespace, id).await?,
            None => None,
        };
        let mut policies = Vec::with_capacity(caller.policies.len());
        let mut key = Vec::with_capacity(caller.policies.len() + 2);
        for text in &caller.policies {
            let stored = match view(txn, &caller.namespace).peek::<StoredPolicy>(text).await? {
                Some(stored) => Some(stored),
                None => self.fixed.iter().find(|(name, _)| name == text).map(|(_, stored)| stored.clone()),
            };
            if let Some(stored) = stored {
                key.push(stored.stamp);
                policies.push(stored.parsed.clone());
            }
        }
        // Templates are filled with the entity's facts, so those are part of what a compiled ACL is known by.
        let templated = policies.iter().any(|policy| policy.is_templated());
        if templated {
            key.push(entity.as_ref().map_or(0, |entity| identity::stamp(entity)));
        }
        if let Some(acl) = self.compiled.get(&key) {
            return Ok(acl);
        }
        let subject = entity.filter(|_| templated).map(|e| subject_of(&e)).unwrap_or_default();
        let acl = Arc::new(Acl::compile(&policies, &subject));
        self.compiled.insert(key, acl.clone());
        Ok(acl)
    }
}

/// The facts of an entity that templates may use.
#[must_use]
pub fn subject_of(entity: &cardea_model::identity::Entity) -> Subject {
    Subject {
        entity_id: Some(entity.id.0.clone()),
        entity_name: Some(entity.name.clone()),
        metadata: entity.metadata.clone(),
        aliases: entity
            .aliases
            .iter()
            .map(|alias| SubjectAlias {
                mount_accessor: alias.mount_accessor.clone(),
                id: alias.id.clone(),
                name: alias.name.clone(),
                metadata: alias.metadata.clone(),
                custom_metadata: alias.custom_metadata.clone(),
            })
            .collect(),
    }
}

/// Text of a password policy (`sys/policies/password`).
pub struct StoredPasswordPolicy(pub String);

impl Record for StoredPasswordPolicy {
    const KIND: &'static str = "password-policy";

    fn encode(&self) -> Result<Wiped, Error> {
        let mut out = Wiped::new(vec![1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((1, text)) => String::from_utf8(text.to_vec())
                .map(Self)
                .map_err(|_| Error::internal("a password policy is not UTF-8")),
            _ => Err(Error::internal("a password policy was written by another release")),
        }
    }
}

/// The scope under which password policies are kept.
pub const PASSWORD_POLICIES: &str = "password-policies";
