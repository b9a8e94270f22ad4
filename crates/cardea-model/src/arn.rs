//! Names of AWS's form (ARNs): of callers, as documents and grants know them, and the place that a resource's name says. One
//! caller must never have the name of another: what AWS does not allow in a name is escaped, and nothing is folded.

/// Partition and account of an ARN: what the names of its callers share with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    pub partition: &'a str,
    pub account: &'a str,
}

impl<'a> Place<'a> {
    /// Of `arn:<partition>:<service>:<region>:<account>:<resource>`.
    #[must_use]
    pub fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (Some("arn"), Some(partition), Some(_), Some(_), Some(account), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (is_account && !resource.is_empty()).then_some(Self { partition, account })
    }

    /// The account itself: who is delegated to decides by its own policies.
    #[must_use]
    pub fn root(self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }

    /// An entity. Its name is unique.
    #[must_use]
    pub fn entity(self, name: &str) -> String {
        format!("arn:{}:iam::{}:user/entity/{}", self.partition, self.account, escaped(name))
    }

    /// `<owner>`, or `<owner>.<name of the key>`: of a token, which is called as its maker liked.
    #[must_use]
    pub fn token(self, owner: &str, key: &str) -> String {
        format!("arn:{}:iam::{}:user/{}{}", self.partition, self.account, escaped(owner), dotted(key))
    }

    /// An entity by one of its keys.
    #[must_use]
    pub fn entity_key(self, name: &str, key: &str) -> String {
        format!("{}{}", self.entity(name), dotted(key))
    }

    /// The role of an auth mount, as logins ask for it.
    #[must_use]
    pub fn role(self, mount: &str, role: &str) -> String {
        format!("arn:{}:iam::{}:role/{mount}/{role}", self.partition, self.account)
    }

    /// A role of the mount that a role's name without a mount is of.
    #[must_use]
    pub fn usual_role(self, role: &str) -> String {
        format!("arn:{}:iam::{}:role/{role}", self.partition, self.account)
    }

    /// `<mount>.<role>` in one segment, as AWS's form has it; the session as it was asked for, whose characters AWS allows.
    #[must_use]
    pub fn assumed_role(self, mount: &str, role: &str, session: &str) -> String {
        let (mount, role) = (escaped(mount), escaped(role));
        format!("arn:{}:sts::{}:assumed-role/{mount}.{role}/{session}", self.partition, self.account)
    }
}

/// The auth mount of a role's name that names none.
pub const USUAL_MOUNT: &str = "jwt";

fn dotted(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(".{}", escaped(key)) }
}

/// Whether a byte may stand in the name of a session, a user or a role.
#[must_use]
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// A name as it stands in an ARN, so that no two names look alike there: every byte that AWS does not allow, the escape `=`
/// itself and the `.` that separates parts are `=` and two hexadecimal digits.
fn escaped(name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_whole_names() {
        let place = Place { partition: "aws-cn", account: "111122223333" };
        assert_eq!(Place::of("arn:aws-cn:kms:cn-north-1:111122223333:key/a:b"), Some(place));
        for other in
            ["", "arn:aws:kms", "arn:aws:kms:r:12:key/a", "arn:aws:kms:r:111122223333:", "x:aws:k:r:111122223333:a"]
        {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }

    #[test]
    fn no_two_names_look_alike() {
        let place = Place { partition: "aws", account: "111122223333" };
        let names = [
            place.entity("a"),
            place.entity("a.b"),
            place.entity("a=2Eb"),
            place.entity_key("a", "b"),
            place.token("entity/a", ""),
            place.token("a", "b"),
            place.token("a.b", ""),
            place.assumed_role("m", "r", "s"),
            place.assumed_role("m.r", "r", "s"),
            place.role("m", "r"),
            place.root(),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[at + 1..].contains(name), "{name}");
        }
        assert_eq!(names[0], "arn:aws:iam::111122223333:user/entity/a");
        assert_eq!(names[7], "arn:aws:sts::111122223333:assumed-role/m.r/s");
    }
}
