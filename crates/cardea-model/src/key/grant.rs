//! Grants: uses of one key that its owner lends to one caller by name. It must never know who asks (the kernel does), nor let
//! a grant be worth more than its operations and its constraint say.

use super::context::EncryptionContext;
use super::{Key, KeyFamily, KeyRef, KeyUsage};
use crate::secret_bytes::SecretBytes;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a grant can allow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantOperation {
    Decrypt,
    Encrypt,
    GenerateDataKey,
    GenerateDataKeyWithoutPlaintext,
    ReEncryptFrom,
    ReEncryptTo,
    Sign,
    Verify,
    GetPublicKey,
    CreateGrant,
    RetireGrant,
    DescribeKey,
    GenerateDataKeyPair,
    GenerateDataKeyPairWithoutPlaintext,
    GenerateMac,
    VerifyMac,
    DeriveSharedSecret,
    Encapsulate,
    Decapsulate,
}

impl GrantOperation {
    /// Every operation with the action of policy documents that it allows: the service, a colon and AWS's word.
    pub const ACTIONS: [(Self, &'static str); 19] = [
        (Self::Decrypt, "kms:Decrypt"),
        (Self::Encrypt, "kms:Encrypt"),
        (Self::GenerateDataKey, "kms:GenerateDataKey"),
        (Self::GenerateDataKeyWithoutPlaintext, "kms:GenerateDataKeyWithoutPlaintext"),
        (Self::ReEncryptFrom, "kms:ReEncryptFrom"),
        (Self::ReEncryptTo, "kms:ReEncryptTo"),
        (Self::Sign, "kms:Sign"),
        (Self::Verify, "kms:Verify"),
        (Self::GetPublicKey, "kms:GetPublicKey"),
        (Self::CreateGrant, "kms:CreateGrant"),
        (Self::RetireGrant, "kms:RetireGrant"),
        (Self::DescribeKey, "kms:DescribeKey"),
        (Self::GenerateDataKeyPair, "kms:GenerateDataKeyPair"),
        (Self::GenerateDataKeyPairWithoutPlaintext, "kms:GenerateDataKeyPairWithoutPlaintext"),
        (Self::GenerateMac, "kms:GenerateMac"),
        (Self::VerifyMac, "kms:VerifyMac"),
        (Self::DeriveSharedSecret, "kms:DeriveSharedSecret"),
        (Self::Encapsulate, "kms:Encapsulate"),
        (Self::Decapsulate, "kms:Decapsulate"),
    ];

    #[must_use]
    pub fn action(self) -> &'static str {
        Self::ACTIONS.iter().find(|(known, _)| *known == self).map_or("", |(_, action)| action)
    }

    /// AWS's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.action().split_once(':').map_or("", |(_, word)| word)
    }

    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ACTIONS.iter().find(|(known, _)| known.word() == word).map(|(known, _)| *known)
    }

    #[must_use]
    pub fn of_action(action: &str) -> Option<Self> {
        Self::ACTIONS.iter().find(|(_, known)| *known == action).map(|(known, _)| *known)
    }

    /// Whether a key can do it at all.
    #[must_use]
    pub fn fits(self, key: &Key) -> bool {
        let symmetric = key.algorithm.family() == KeyFamily::Aead;
        match self {
            Self::Decrypt | Self::Encrypt | Self::ReEncryptFrom | Self::ReEncryptTo => key.allows(KeyUsage::Encrypt),
            Self::GenerateDataKey
            | Self::GenerateDataKeyWithoutPlaintext
            | Self::GenerateDataKeyPair
            | Self::GenerateDataKeyPairWithoutPlaintext => symmetric && key.allows(KeyUsage::Encrypt),
            Self::Sign | Self::Verify => key.allows(KeyUsage::Sign),
            Self::GenerateMac | Self::VerifyMac => key.allows(KeyUsage::Mac),
            Self::DeriveSharedSecret => key.allows(KeyUsage::Agree),
            Self::Encapsulate | Self::Decapsulate => key.allows(KeyUsage::Encapsulate),
            Self::GetPublicKey => key.algorithm.is_asymmetric(),
            Self::CreateGrant | Self::RetireGrant | Self::DescribeKey => true,
        }
    }

    /// Whether a constraint speaks of it: what encrypts and decrypts with a context.
    fn is_constrained(self) -> bool {
        !matches!(self, Self::CreateGrant | Self::RetireGrant | Self::DescribeKey)
    }
}

/// Which encryption contexts a grant is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantConstraint {
    /// Those that have at least these entries.
    Subset(EncryptionContext),
    /// This one alone.
    Equals(EncryptionContext),
}

impl GrantConstraint {
    #[must_use]
    pub fn holds(&self, context: &EncryptionContext) -> bool {
        match self {
            Self::Subset(wanted) => wanted.iter().all(|(name, value)| context.get(name) == Some(value)),
            Self::Equals(wanted) => wanted == context,
        }
    }

    /// Whether everything that `other` allows is allowed by this one.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Subset(_), Self::Subset(entries) | Self::Equals(entries)) => self.holds(entries),
            (Self::Equals(wanted), Self::Equals(entries)) => wanted == entries,
            (Self::Equals(_), Self::Subset(_)) => false,
        }
    }
}

/// What a grant shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewGrant {
    /// The caller's ARN.
    pub grantee: String,
    /// Who may end it beside those who may by policy.
    pub retiring: Option<String>,
    /// Each once, ascending.
    pub operations: Vec<GrantOperation>,
    pub constraint: Option<GrantConstraint>,
    /// A second one of the same name and content is the first one.
    pub name: Option<String>,
    /// What stands before the key's id in its ARN: where the grant's names are of.
    pub arn_front: String,
}

/// A grant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// 64 hexadecimal digits.
    pub id: String,
    pub grantee: String,
    #[serde(default)]
    pub retiring: Option<String>,
    pub operations: Vec<GrantOperation>,
    #[serde(default)]
    pub constraint: Option<GrantConstraint>,
    #[serde(default)]
    pub name: Option<String>,
    pub created: Timestamp,
    /// Who made it.
    #[serde(default)]
    pub issuer: String,
}

impl Grant {
    /// Whether it allows an operation to its grantee; `context` is what is authenticated with it, and `None` is something that
    /// is no context.
    #[must_use]
    pub fn allows(&self, operation: GrantOperation, context: Option<&EncryptionContext>) -> bool {
        let fits = |constraint: &GrantConstraint| context.is_some_and(|context| constraint.holds(context));
        self.operations.contains(&operation)
            && (!operation.is_constrained() || self.constraint.as_ref().is_none_or(fits))
    }

    /// Whether its grantee may make another one by it: nothing that this one does not allow itself.
    #[must_use]
    pub fn covers(&self, new: &NewGrant) -> bool {
        let constraint = match (&self.constraint, &new.constraint) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own.covers(other),
        };
        self.operations.contains(&GrantOperation::CreateGrant)
            && new.operations.iter().all(|operation| self.operations.contains(operation))
            && constraint
    }
}

/// First byte of a token's form.
const TOKEN_FORM: u8 = 1;
const ID_HEX: usize = 64;
const PROOF_BYTES: usize = 48;
/// Between the id of a key and its region.
const AT: char = '@';

/// What a maker of a grant is given to show beside a use of the key. It allows nothing by itself.
#[derive(Debug)]
pub struct GrantToken {
    /// Its id, in a region if it is one of several regions.
    pub key: KeyRef,
    pub grant_id: String,
    /// What only the server can make for this grant.
    pub proof: SecretBytes,
}

impl GrantToken {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![TOKEN_FORM];
        out.extend_from_slice(self.grant_id.as_bytes());
        out.extend_from_slice(self.proof.expose());
        out.extend_from_slice(self.key.text().as_bytes());
        if let KeyRef::RegionalId { region, .. } = &self.key {
            out.extend_from_slice(format!("{AT}{region}").as_bytes());
        }
        out
    }

    /// `None` for what is no token of any grant.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&form, rest) = bytes.split_first()?;
        let (grant_id, rest) = rest.split_at_checked(ID_HEX)?;
        let (proof, key) = rest.split_at_checked(PROOF_BYTES)?;
        let (key, grant_id) = (std::str::from_utf8(key).ok()?, std::str::from_utf8(grant_id).ok()?);
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let key = match key.split_once(AT) {
            Some((id, region)) if plain(id) && plain(region) => {
                KeyRef::RegionalId { id: id.to_owned(), region: region.to_owned() }
            }
            None if plain(key) => KeyRef::Id(key.to_owned()),
            _ => return None,
        };
        let grant_id = Some(grant_id).filter(|id| form == TOKEN_FORM && is_grant_id(id))?.to_owned();
        Some(Self { key, grant_id, proof: SecretBytes::new(proof.to_vec()) })
    }
}

/// Whether a text can be the id of a grant.
#[must_use]
pub fn is_grant_id(text: &str) -> bool {
    text.len() == ID_HEX && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn new(operations: &[GrantOperation], constraint: Option<GrantConstraint>) -> NewGrant {
        NewGrant {
            grantee: "g".to_owned(),
            retiring: None,
            operations: operations.to_vec(),
            constraint,
            name: None,
            arn_front: String::new(),
        }
    }

    fn grant(operations: &[GrantOperation], constraint: Option<GrantConstraint>) -> Grant {
        Grant {
            id: "0".repeat(64),
            grantee: "g".to_owned(),
            retiring: None,
            operations: operations.to_vec(),
            constraint,
            name: None,
            created: Timestamp(0),
            issuer: String::new(),
        }
    }

    #[test]
    fn a_grant_is_worth_its_operations_within_its_constraint() {
        use GrantOperation::{CreateGrant, Decrypt, DescribeKey, Encrypt};
        let ab = context(&[("a", "b")]);
        let abc = context(&[("a", "b"), ("c", "d")]);
        let none = context(&[]);
        let subset = Some(GrantConstraint::Subset(ab.clone()));
        let equals = Some(GrantConstraint::Equals(ab.clone()));
        for (constraint, given, allowed) in [
            (None, Some(&none), true),
            (None, None, true),
            (subset.clone(), Some(&ab), true),
            (subset.clone(), Some(&abc), true),
            (subset.clone(), Some(&none), false),
            (subset.clone(), None, false),
            (equals.clone(), Some(&ab), true),
            (equals.clone(), Some(&abc), false),
            (equals.clone(), None, false),
        ] {
            let grant = grant(&[Decrypt, DescribeKey], constraint);
            assert_eq!(grant.allows(Decrypt, given), allowed, "{grant:?} {given:?}");
            assert!(grant.allows(DescribeKey, given), "no constraint speaks of it");
            assert!(!grant.allows(Encrypt, given));
        }
        for (own, other, covers) in [
            (None, None, true),
            (None, equals.clone(), true),
            (subset.clone(), None, false),
            (subset.clone(), Some(GrantConstraint::Subset(abc.clone())), true),
            (subset.clone(), Some(GrantConstraint::Equals(abc.clone())), true),
            (subset.clone(), Some(GrantConstraint::Subset(none.clone())), false),
            (equals.clone(), equals.clone(), true),
            (equals.clone(), subset.clone(), false),
        ] {
            let own = grant(&[CreateGrant, Decrypt], own);
            assert_eq!(own.covers(&new(&[Decrypt], other.clone())), covers, "{own:?} {other:?}");
            assert!(!own.covers(&new(&[Encrypt], other)), "more than it has");
        }
        assert!(!grant(&[Decrypt], None).covers(&new(&[Decrypt], None)), "it does not allow to make any");
    }

    #[test]
    fn tokens_have_one_form() {
        let id = "0f1e2d3c-4b5a-4697-8877-665544332211".to_owned();
        let regional = KeyRef::RegionalId { id: id.clone(), region: "eu-central-1".to_owned() };
        for key in [KeyRef::Id(id), regional] {
            let token = GrantToken { key, grant_id: "ab".repeat(32), proof: SecretBytes::new(vec![7; 48]) };
            let bytes = token.encode();
            let read = GrantToken::decode(&bytes).unwrap();
            assert_eq!((read.key, read.grant_id), (token.key, token.grant_id));
            assert_eq!(read.proof.expose(), token.proof.expose());
            for other in [&b""[..], b"t", &bytes[..113], &[&[2], &bytes[1..]].concat(), &[&bytes[..], b"@"].concat()] {
                assert!(GrantToken::decode(other).is_none());
            }
        }
    }

    #[test]
    fn every_operation_has_its_word() {
        for (operation, action) in GrantOperation::ACTIONS {
            assert_eq!(GrantOperation::of_word(operation.word()), Some(operation));
            assert_eq!(GrantOperation::of_action(action), Some(operation));
        }
    }
}
