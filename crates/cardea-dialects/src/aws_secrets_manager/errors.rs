//! The table from causes, and from the faults of secrets, to AWS's types and words. It must never put an input value or the
//! detail for the log into a response.

use crate::aws::json::{self, Fault};
use cardea_model::secret::{PolicyFinding, SecretFault};
use cardea_model::{Cause, Error};

/// An error as a client reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub status: u16,
    pub kind: String,
    pub message: String,
}

const INVALID_REQUEST: &str = "InvalidRequestException";
const INVALID_PARAMETER: &str = "InvalidParameterException";
const EXISTS: &str = "ResourceExistsException";
pub(super) const NOT_FOUND: &str = "ResourceNotFoundException";
const LIMIT: &str = "LimitExceededException";
const INTERNAL: &str = "InternalServiceError";

const MALFORMED_POLICY: &str = "MalformedPolicyDocumentException";
/// AWS's words; it gives no reason.
const INVALID_SYNTAX: &str = "This policy has invalid syntax.";
const PUBLIC_POLICY: &str = "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to the secret.";
const LOCKOUT: &str = "The resource policy would not allow you to replace it in the future.";

/// Words for a policy that says something that cannot be honoured here.
pub(super) fn malformed_policy(reason: &str) -> String {
    format!("{INVALID_SYNTAX} Here: {reason}.")
}

/// The name of a check of a policy, and its words.
pub(super) fn checked(finding: &PolicyFinding) -> (&'static str, String) {
    match finding.fault {
        SecretFault::PolicyPublic => {
            ("PublicPolicyCheck", format!("The policy allows broad access: {}.", finding.reason))
        }
        SecretFault::PolicyLocksOut => ("LockoutCheck", LOCKOUT.to_owned()),
        _ => ("SyntaxCheck", malformed_policy(&finding.reason)),
    }
}

const NO_SECRET: &str = "Secrets Manager can't find the specified secret.";

/// Words for a version that is not there. Only labels that AWS itself gives are named.
pub(super) fn no_version(wanted: &str) -> String {
    match wanted {
        "AWSCURRENT" | "AWSPREVIOUS" | "AWSPENDING" => {
            format!("Secrets Manager can't find the specified secret value for staging label: {wanted}")
        }
        "id" => "Secrets Manager can't find the specified secret value for the VersionId.".to_owned(),
        _ => "Secrets Manager can't find the specified secret value for the staging label.".to_owned(),
    }
}

/// What is answered to `operation`, which asked for the version `wanted` if for any.
pub(super) fn told(operation: &str, wanted: &str, error: &Error) -> Told {
    if let Some((kind, message)) = Fault::of(error) {
        return row(kind, message);
    }
    if let Some(general) = json::general(error) {
        return Told { status: general.status, kind: general.kind.to_owned(), message: general.message };
    }
    if let Some(reason) = SecretFault::reason_of_malformed_policy(error) {
        return row(MALFORMED_POLICY, &malformed_policy(reason));
    }
    if let Some(fault) = SecretFault::of(error) {
        return of_fault(operation, wanted, fault);
    }
    match error.cause {
        Cause::Denied => {
            let message = match operation {
                "" => "User is not authorized to perform this operation.".to_owned(),
                operation => format!("User is not authorized to perform: secretsmanager:{operation}"),
            };
            row("AccessDeniedException", &message)
        }
        Cause::NotFound | Cause::NoRoute => row(NOT_FOUND, NO_SECRET),
        Cause::Conflict => row(INVALID_REQUEST, "The secret was changed in the meantime."),
        Cause::TooLarge => row(LIMIT, "The request exceeds a limit."),
        Cause::Unsupported => row(INVALID_REQUEST, "The configured mount keeps no secrets."),
        // Words of the core for its own rules, such as that a mount wants every write to name what it replaces.
        Cause::Invalid => row(INVALID_REQUEST, &error.client),
        Cause::MediaType => row("SerializationException", ""),
        _ => {
            Told { status: 500, kind: INTERNAL.to_owned(), message: "An error occurred on the server side.".to_owned() }
        }
    }
}

fn row(kind: &str, message: &str) -> Told {
    Told { status: 400, kind: kind.to_owned(), message: message.to_owned() }
}

fn of_fault(operation: &str, wanted: &str, fault: SecretFault) -> Told {
    let (kind, message) = match fault {
        SecretFault::Exists => (EXISTS, "The operation failed because the secret already exists."),
        SecretFault::MarkedForDeletion => (
            INVALID_REQUEST,
            match operation {
                "CreateSecret" => {
                    "You can't create this secret because a secret with this name is already scheduled for deletion."
                }
                "DeleteSecret" => "You tried to perform the operation on a secret that's currently marked deleted.",
                _ => "You can't perform this operation on the secret because it was marked for deletion.",
            },
        ),
        SecretFault::NoVersion if operation == "UpdateSecretVersionStage" => {
            (NOT_FOUND, "Secrets Manager can't find the specified secret version.")
        }
        SecretFault::NoVersion => return row(NOT_FOUND, &no_version(wanted)),
        SecretFault::TokenTaken => {
            (EXISTS, "You can't use this ClientRequestToken because it is already in use for a version of the secret.")
        }
        SecretFault::StageNotOnVersion if operation == "GetSecretValue" => {
            (INVALID_REQUEST, "You provided a VersionStage that is not associated to the provided VersionId.")
        }
        SecretFault::StageNotOnVersion => (
            INVALID_PARAMETER,
            "The staging label isn't currently attached to the version that RemoveFromVersionId references.",
        ),
        SecretFault::StageElsewhere => (
            INVALID_PARAMETER,
            "The parameter RemoveFromVersionId can't be empty. The staging label is currently attached to another version, so you must explicitly reference that version in RemoveFromVersionId.",
        ),
        SecretFault::CurrentStays => (
            INVALID_PARAMETER,
            "You can't remove the staging label AWSCURRENT from a version without moving it to another.",
        ),
        SecretFault::Replica => (
            INVALID_PARAMETER,
            "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
        ),
        SecretFault::HasReplicas => (INVALID_PARAMETER, "You can't delete a secret that still has replica regions."),
        SecretFault::OwnRegion => (INVALID_PARAMETER, "You can't replicate a secret to its own region."),
        SecretFault::NotReplicated if operation == "StopReplicationToReplica" => {
            (INVALID_REQUEST, "The secret is not a replica in this region.")
        }
        SecretFault::NotReplicated => {
            (INVALID_PARAMETER, "The secret is not replicated to a region that is to be removed.")
        }
        SecretFault::TooMuchToDetach => (
            LIMIT,
            "The values of the labelled versions exceed what a replica can take with it. Remove staging labels first.",
        ),
        SecretFault::NoRegions => (INVALID_PARAMETER, "This server replicates secrets to no regions."),
        SecretFault::TooManyReplicas => (LIMIT, "The number of replica regions exceeds the limit."),
        SecretFault::TooManyStages => (LIMIT, "The number of staging labels exceeds the limit."),
        SecretFault::TooManyTags => (INVALID_PARAMETER, "The number of tags exceeds the limit."),
        SecretFault::TooManyToSort => {
            (INVALID_REQUEST, "There are too many secrets for this order. List them by name.")
        }
        SecretFault::PasswordImpossible => (
            INVALID_PARAMETER,
            "The password length is too short for the required types, or every character is excluded.",
        ),
        SecretFault::PolicyMalformed => (MALFORMED_POLICY, INVALID_SYNTAX),
        SecretFault::PolicyPublic => ("PublicPolicyException", PUBLIC_POLICY),
        SecretFault::PolicyLocksOut => (MALFORMED_POLICY, LOCKOUT),
    };
    row(kind, message)
}
