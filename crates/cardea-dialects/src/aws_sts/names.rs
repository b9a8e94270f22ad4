//! Names of the protocol, and what an ARN of a role says. It must never accept an ARN that another reader could understand
//! otherwise.

use crate::aws::json::partition;

pub(super) const DIALECT: &str = "aws_sts";
/// In the scope of signatures.
pub(super) const SERVICE: &str = "sts";
pub(super) const VERSION: &str = "2011-06-15";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(super) const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
pub(super) const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// Where the kernel says who is asking.
pub(super) const CALLER_PATH: &str = "identity/access-key/caller";
/// The auth mount of a role that names none.
const USUAL_MOUNT: &str = "jwt";

/// What `render` must know of the request.
pub(super) const KEY_ID: &str = "key_id";
pub(super) const ROLE: &str = "role";
pub(super) const SESSION: &str = "session";
pub(super) const REGION: &str = "region";

/// Metadata of a token behind an assumed role.
pub(super) const ROLE_METADATA: &str = "aws_role";
pub(super) const SESSION_METADATA: &str = "aws_session";

/// A role of an auth mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Role {
    pub account: String,
    pub mount: String,
    pub role: String,
}

impl Role {
    /// Reads `arn:<partition>:iam::<account>:role/<mount>/<role>`; a mount may have slashes, and without one it is `jwt`.
    pub(super) fn read(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (Some("arn"), Some("aws" | "aws-cn" | "aws-us-gov"), Some("iam"), Some(""), Some(account), Some(rest)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let path = rest.strip_prefix("role/")?;
        let (mount, role) = path.rsplit_once('/').unwrap_or((USUAL_MOUNT, path));
        // The characters that AWS allows in paths and names of roles, without those that a path of ours reads otherwise.
        let plain = |text: &str| {
            let dots = text.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..");
            !dots && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b))
        };
        (plain(mount) && plain(role)).then(|| Self {
            account: account.to_owned(),
            mount: mount.to_owned(),
            role: role.to_owned(),
        })
    }

    /// As sessions of it are told: a role's name without slashes.
    pub(super) fn short(&self) -> &str {
        &self.role
    }
}

/// Session names as AWS allows them.
pub(super) fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// A name as it can stand in an ARN.
fn in_arn(name: &str) -> String {
    name.chars().map(|c| if u8::try_from(c).is_ok_and(is_name_byte) { c } else { '_' }).take(64).collect()
}

pub(super) fn assumed_role_arn(region: &str, account: &str, role: &str, session: &str) -> String {
    let role = role.rsplit('/').next().unwrap_or_default();
    format!("arn:{}:sts::{account}:assumed-role/{}/{}", partition(region), in_arn(role), in_arn(session))
}

pub(super) fn user_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:{}:iam::{account}:user/{}", partition(region), in_arn(name))
}
