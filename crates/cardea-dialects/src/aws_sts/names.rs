//! Names of the protocol, and what an ARN of a role says. It must never accept an ARN that another reader could understand
//! otherwise.

use crate::aws::json::partition;
use cardea_model::arn::{Place, USUAL_MOUNT, is_name_byte};

pub(super) const DIALECT: &str = "aws_sts";
/// In the scope of signatures.
pub(super) const SERVICE: &str = "sts";
pub(super) const VERSION: &str = "2011-06-15";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(super) const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
pub(super) const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// Where the kernel says who is asking.
pub(super) const CALLER_PATH: &str = "identity/access-key/caller";

/// What `render` must know of the request.
pub(super) const KEY_ID: &str = "key_id";
pub(super) const MOUNT: &str = "mount";
pub(super) const ROLE: &str = "role";
pub(super) const SESSION: &str = "session";
pub(super) const REGION: &str = "region";

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
            // As auth methods fold names of roles: one role has one spelling.
            role: role.to_ascii_lowercase(),
        })
    }
}

/// Session names as AWS allows them.
pub(super) fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.bytes().all(is_name_byte)
}

pub(super) fn assumed_role_arn(region: &str, account: &str, mount: &str, role: &str, session: &str) -> String {
    Place { partition: partition(region), account }.assumed_role(mount, role, session)
}

/// Of a token or an entity; an entity has a path of its own, since its name may be a token's, too.
pub(super) fn user_arn(region: &str, account: &str, of_entity: bool, owner: &str, key: &str) -> String {
    let place = Place { partition: partition(region), account };
    if of_entity { place.entity_key(owner, key) } else { place.token(owner, key) }
}
