//! Why a key does not do something, for wires that have types for it. One text a fault, the same on every other wire. It
//! must never say what was inside a ciphertext.

use crate::error::{Cause, Error};

/// One reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFault {
    /// Another key, other additional data, or altered bytes.
    Ciphertext,
    /// No ciphertext of this system at all.
    Malformed,
    Disabled,
    PendingDeletion,
    PendingImport,
    SoftDeleted,
    /// The key is not for this, or its algorithm cannot.
    Usage,
    /// The hash, padding or encoding is none that goes with the key.
    Scheme,
    DigestLength,
    TooLong,
    PublicOnly,
    /// What was brought in is no key of the algorithm.
    Material,
    Exists,
    Imported,
    TooManyVersions,
    /// An import token that is not the newest one of its key, or too old.
    ImportToken,
    /// Wrapped material that does not unwrap.
    WrappedMaterial,
    /// The ciphertext is of another key than its bearer thinks.
    OtherKey,
    /// There is no deletion to cancel.
    NotPendingDeletion,
    TooManyTags,
    /// Material is brought again that is not what was there before.
    OtherMaterial,
    /// The primary key of its set alone may do this.
    Replica,
    /// Others of its set are left.
    HasReplicas,
    /// A token of no grant that there is.
    GrantToken,
    /// There is no such grant.
    NoGrant,
    TooManyGrants,
    /// The grant would allow what the key cannot do.
    GrantOperation,
    /// A document by which its author could not replace it.
    Lockout,
}

impl KeyFault {
    const ALL: [Self; 28] = [
        Self::Ciphertext,
        Self::Malformed,
        Self::Disabled,
        Self::PendingDeletion,
        Self::PendingImport,
        Self::SoftDeleted,
        Self::Usage,
        Self::Scheme,
        Self::DigestLength,
        Self::TooLong,
        Self::PublicOnly,
        Self::Material,
        Self::Exists,
        Self::Imported,
        Self::TooManyVersions,
        Self::ImportToken,
        Self::WrappedMaterial,
        Self::OtherKey,
        Self::NotPendingDeletion,
        Self::TooManyTags,
        Self::OtherMaterial,
        Self::Replica,
        Self::HasReplicas,
        Self::GrantToken,
        Self::NoGrant,
        Self::TooManyGrants,
        Self::GrantOperation,
        Self::Lockout,
    ];

    /// Words for the client.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ciphertext => "cipher: message authentication failed",
            Self::Malformed => "invalid ciphertext: could not be decoded",
            Self::Disabled => "key is disabled",
            Self::PendingDeletion => "key is pending deletion",
            Self::PendingImport => "key is pending import",
            Self::SoftDeleted => "key is soft deleted",
            Self::Usage => "key type or usage does not support this operation",
            Self::Scheme => "key type does not support this combination of hash, padding and encoding",
            Self::DigestLength => "input does not have the length of the named hash",
            Self::TooLong => "plaintext is too long for this key type",
            Self::PublicOnly => "private key material is not present",
            Self::Material => "key material does not match the key type",
            Self::Exists => "key already exists",
            Self::Imported => "imported key cannot be rotated in place",
            Self::TooManyVersions => "key has too many versions: trim it first",
            Self::ImportToken => "import token is not valid or expired",
            Self::WrappedMaterial => "failed to unwrap the imported key material",
            Self::OtherKey => "the ciphertext is of another key",
            Self::NotPendingDeletion => "key is not pending deletion",
            Self::TooManyTags => "key has too many tags",
            Self::OtherMaterial => "key material is not what was imported before",
            Self::Replica => "key is a replica: its primary key changes what they share",
            Self::HasReplicas => "key has replicas: they are to be deleted first",
            Self::GrantToken => "grant token is not valid",
            Self::NoGrant => "key has no such grant",
            Self::TooManyGrants => "key has too many grants",
            Self::GrantOperation => "key type does not support an operation or the constraint of the grant",
            Self::Lockout => "the new policy document would not allow its author to replace it",
        }
    }

    #[must_use]
    pub fn error(self) -> Error {
        let cause = match self {
            Self::Exists => Cause::Conflict,
            Self::NoGrant => Cause::NotFound,
            _ => Cause::Invalid,
        };
        Error::new(cause, self.words())
    }

    /// The reason behind an error, if it is one of these.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| error.client == fault.words())
    }
}
