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

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// A name as it stands in an ARN, so that no two names look alike there: every byte that AWS does not allow, the escape `=`
/// itself and the `.` that separates parts are `=` and two hexadecimal digits.
fn in_arn(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_name_byte(byte) && byte != b'=' && byte != b'.' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out
}

/// `<mount>.<role>` in one segment, as AWS's form has it; the session as it was asked for, whose characters AWS allows.
pub(super) fn assumed_role_arn(region: &str, account: &str, mount: &str, role: &str, session: &str) -> String {
    let (partition, mount, role) = (partition(region), in_arn(mount), in_arn(role));
    format!("arn:{partition}:sts::{account}:assumed-role/{mount}.{role}/{session}")
}

/// `<owner>`, or `<owner>.<name of the key>`; an entity has a path of its own, since its name may be a token's, too.
pub(super) fn user_arn(region: &str, account: &str, of_entity: bool, owner: &str, key: &str) -> String {
    let path = if of_entity { "entity/" } else { "" };
    let key = if key.is_empty() { String::new() } else { format!(".{}", in_arn(key)) };
    format!("arn:{}:iam::{account}:user/{path}{}{key}", partition(region), in_arn(owner))
}
