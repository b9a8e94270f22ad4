//! The table from causes, and from the faults of keys, to AWS's types and words. It must never put an input value or the
//! detail for the log into a response.

use crate::aws::json::{self, Fault};
use cardea_model::key::KeyFault;
use cardea_model::{Cause, Error};

/// An error as a client reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub status: u16,
    pub kind: String,
    pub message: String,
}

const NOT_FOUND: &str = "NotFoundException";
const VALIDATION: &str = "ValidationException";
const UNSUPPORTED: &str = "UnsupportedOperationException";
const STATE: &str = "KMSInvalidStateException";
const USAGE: &str = "InvalidKeyUsageException";
const DENIED: &str = "AccessDeniedException";
const LIMIT: &str = "LimitExceededException";

const NO_MOUNT: &str = "There is no transit engine at the mount that this dialect is configured for.";
const OTHERS_KEY: &str = "The ciphertext refers to a customer master key that does not exist, does not exist in this \
                          region, or you are not allowed to access.";

/// What is answered to `operation`; `by_blob` where a ciphertext alone said which key.
pub(super) fn told(operation: &str, by_blob: bool, error: &Error) -> Told {
    if let Some((kind, message)) = Fault::of(error) {
        return row(kind, message);
    }
    if let Some(general) = json::general(error) {
        return Told { status: general.status, kind: general.kind.to_owned(), message: general.message };
    }
    if let Some(fault) = KeyFault::of(error) {
        let (kind, message) = of_fault(operation, fault);
        return row(kind, message);
    }
    match (error.cause, operation) {
        (Cause::Denied | Cause::NotFound, _) if by_blob => row(DENIED, OTHERS_KEY),
        (Cause::Denied, "") => row(DENIED, "User is not authorized to perform this operation."),
        (Cause::Denied, _) => row(DENIED, &format!("User is not authorized to perform: kms:{operation}")),
        (
            Cause::NotFound,
            "CreateKey"
            | "ListKeys"
            | "ListAliases"
            | "ListRetirableGrants"
            | "GenerateRandom"
            | "DescribeCustomKeyStores",
        ) => row(NOT_FOUND, NO_MOUNT),
        (Cause::NotFound, "UpdatePrimaryRegion") => {
            row(NOT_FOUND, "The key, or its replica in that region, does not exist.")
        }
        (Cause::NotFound, "DeleteImportedKeyMaterial") => row(NOT_FOUND, "The key or its material does not exist."),
        (Cause::NotFound | Cause::NoRoute, "UpdateAlias" | "DeleteAlias") => {
            row(NOT_FOUND, "The alias or the key is not found.")
        }
        (Cause::NotFound | Cause::NoRoute, _) => row(NOT_FOUND, "The key does not exist."),
        (Cause::Conflict, _) => row("ConflictException", "The key was changed in the meantime."),
        (Cause::TooLarge, _) => row(LIMIT, "The request exceeds a limit."),
        (Cause::Unsupported, _) => row(UNSUPPORTED, "The configured mount keeps no keys."),
        // Words of the core for its own rules, such as that a key derives a key of its own for each context.
        (Cause::Invalid, _) => row(VALIDATION, &error.client),
        (Cause::MediaType, _) => row("SerializationException", ""),
        _ => Told {
            status: 500,
            kind: "KMSInternalException".to_owned(),
            message: "An error occurred on the server side.".to_owned(),
        },
    }
}

pub(super) fn row(kind: &str, message: &str) -> Told {
    Told { status: 400, kind: kind.to_owned(), message: message.to_owned() }
}

/// Operations that some kinds of keys do not have at all, as AWS sees it.
const OF_SOME_KEYS: &[&str] = &[
    "EnableKeyRotation",
    "DisableKeyRotation",
    "GetKeyRotationStatus",
    "ListKeyRotations",
    "RotateKeyOnDemand",
    "GetPublicKey",
    "GetParametersForImport",
    "ImportKeyMaterial",
    "DeleteImportedKeyMaterial",
    "ReplicateKey",
    "UpdatePrimaryRegion",
];

fn of_fault(operation: &str, fault: KeyFault) -> (&'static str, &'static str) {
    match fault {
        KeyFault::Ciphertext | KeyFault::Malformed => ("InvalidCiphertextException", ""),
        KeyFault::Disabled | KeyFault::SoftDeleted => ("DisabledException", "The key is disabled."),
        KeyFault::PendingDeletion => (STATE, "The key is pending deletion."),
        KeyFault::NotPendingDeletion => (STATE, "The key is not pending deletion."),
        KeyFault::PendingImport => (STATE, "The key is pending import."),
        KeyFault::PublicOnly => (STATE, "Only the public half of the key is here."),
        KeyFault::Usage if OF_SOME_KEYS.contains(&operation) => {
            (UNSUPPORTED, "The operation is not supported for a key of this kind.")
        }
        KeyFault::Imported if operation == "RotateKeyOnDemand" => {
            (STATE, "No available key material pending rotation for the key.")
        }
        KeyFault::Imported => (UNSUPPORTED, "Keys of imported material are not rotated here."),
        KeyFault::Usage => (USAGE, "The key's usage or kind does not fit the operation or the algorithm."),
        KeyFault::Scheme => (USAGE, "The algorithm is incompatible with the key's spec."),
        KeyFault::DigestLength => (VALIDATION, "Digest is invalid length for the algorithm."),
        KeyFault::TooLong => (VALIDATION, "The plaintext is too long for the key and the algorithm."),
        KeyFault::Material if operation == "DeriveSharedSecret" => (VALIDATION, "The public key is not valid."),
        KeyFault::Material => ("IncorrectKeyMaterialException", "The material does not fit the key's spec."),
        KeyFault::Replica => (UNSUPPORTED, "The key is a replica: call the primary key, in its region."),
        KeyFault::HasReplicas => (STATE, "The key has replicas."),
        KeyFault::OtherMaterial => (
            "IncorrectKeyMaterialException",
            "The key material in the request is not what was previously imported into this key.",
        ),
        KeyFault::Exists if operation == "ReplicateKey" => {
            ("AlreadyExistsException", "The region already has a replica of this key.")
        }
        KeyFault::TooManyVersions if operation == "ReplicateKey" => (LIMIT, "The key has too many replicas."),
        KeyFault::Exists => ("AlreadyExistsException", "An alias or a key of this name already exists."),
        KeyFault::TooManyVersions => (LIMIT, "The key has been rotated too often."),
        KeyFault::ImportToken => ("InvalidImportTokenException", ""),
        KeyFault::WrappedMaterial => ("InvalidCiphertextException", ""),
        KeyFault::OtherKey => (
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ),
        KeyFault::TooManyTags => ("TagException", "Too many tags."),
        KeyFault::GrantToken => ("InvalidGrantTokenException", ""),
        KeyFault::NoGrant => (NOT_FOUND, "The grant does not exist."),
        KeyFault::TooManyGrants => (LIMIT, "The key has too many grants."),
        KeyFault::GrantOperation => {
            (VALIDATION, "The key does not support an operation or the constraint of the grant.")
        }
        KeyFault::Lockout => (
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        ),
    }
}
