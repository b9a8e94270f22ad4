//! Who a statement is about. An account is everybody in it, as its own policies say; an ARN is one user or one role; a
//! session is a name that its caller chose, so that it can be shut out and not let in.

use super::json::Json;
use super::{Effect, Principal};

/// Most names in a statement.
const NAMES_MAX: usize = 256;
/// The path of users that are entities, whose names are unique.
const ENTITIES: &str = "entity/";
/// Longest ARN of a principal, in characters.
const ARN_CHARS_MAX: usize = 2048;

#[derive(Clone, Debug)]
pub(super) struct Who {
    everybody: bool,
    names: Vec<Name>,
    /// `NotPrincipal`: everybody but those, of whom every name must be listed.
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Account(String),
    /// Without the partition: a caller's region says which it is, and he names his region himself.
    Arn(String),
}

/// How far an `Allow` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Nobody,
    Account,
    Caller,
}

const SHAPE: &str = "a principal is neither * nor an object with the member AWS";

impl Who {
    pub fn read(value: &Json, effect: Effect, negated: bool) -> Result<Self, &'static str> {
        if negated && effect == Effect::Allow {
            return Err("NotPrincipal with Allow would let in whoever is not named");
        }
        let named = match value {
            Json::Text(text) if text == "*" => value,
            Json::Object(members) => match members.as_slice() {
                [(kind, named)] if kind == "AWS" => named,
                _ if members.iter().any(|(kind, _)| kind != "AWS") => {
                    return Err("a principal is of another kind than AWS, and no caller here is");
                }
                _ => return Err(SHAPE),
            },
            _ => return Err(SHAPE),
        };
        let list = match named {
            Json::List(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        if list.is_empty() || list.len() > NAMES_MAX {
            return Err("a statement has no principal, or more than 256");
        }
        let mut who = Self { everybody: false, names: Vec::new(), negated };
        for name in list {
            match name {
                Json::Text(text) if text == "*" => who.everybody = true,
                Json::Text(text) => who.names.push(Name::read(text, effect)?),
                _ => return Err(SHAPE),
            }
        }
        if negated && who.everybody {
            return Err("NotPrincipal with * is about nobody");
        }
        Ok(who)
    }

    pub fn is_everybody(&self) -> bool {
        self.everybody
    }

    /// By names that are vouched for alone.
    pub fn reach_of_allow(&self, principal: &Principal) -> Reach {
        let names = |arn: &String| without_partition(arn).is_some_and(|arn| self.lists(&Name::Arn(arn)));
        if self.negated {
            Reach::Nobody
        } else if self.everybody || principal.arns.iter().any(names) {
            Reach::Caller
        } else if self.lists(&Name::Account(principal.account.clone())) {
            Reach::Account
        } else {
            Reach::Nobody
        }
    }

    /// By every name that could be the caller's, in any case of its letters: roles are known in one case here, and written in
    /// any by AWS's users. With `NotPrincipal` it takes the account and a user to be let out; or the account, the role and the
    /// session.
    pub fn could_deny(&self, principal: &Principal) -> bool {
        if self.negated {
            let listed = |arn: &String| without_partition(arn).is_some_and(|arn| self.lists(&Name::Arn(arn)));
            let is_role = |arn: &&String| arn.contains(":role/");
            let session = principal.claimed.iter().any(|arn| arn.contains(":assumed-role/") && listed(arn));
            let exempt = self.lists(&Name::Account(principal.account.clone()))
                && principal.arns.iter().filter(|arn| session || !is_role(arn)).any(listed);
            return !exempt;
        }
        self.everybody
            || self.lists(&Name::Account(principal.account.clone()))
            || principal.arns.iter().chain(&principal.claimed).filter_map(|arn| without_partition(arn)).any(|arn| {
                self.names.iter().any(|name| matches!(name, Name::Arn(named) if named.eq_ignore_ascii_case(&arn)))
            })
    }

    fn lists(&self, name: &Name) -> bool {
        self.names.contains(name)
    }
}

impl Name {
    fn read(text: &str, effect: Effect) -> Result<Self, &'static str> {
        const NOT_ONE: &str = "a principal is neither an account nor the ARN of a user, a role or a session";
        if is_account(text) {
            return Ok(Self::Account(text.to_owned()));
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", "aws" | "aws-cn" | "aws-us-gov", service, "", account, name] = parts.as_slice() else {
            return Err(NOT_ONE);
        };
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b));
        if !is_account(account) || text.len() > ARN_CHARS_MAX || !is_name {
            return Err(NOT_ONE);
        }
        let (kind, path) = name.split_once('/').unwrap_or((name, ""));
        match (service, kind, path) {
            ("iam", "root", "") if !name.contains('/') => return Ok(Self::Account(account.to_owned())),
            ("iam", "role", path) if is_path(path) => {}
            // Whom the kernel vouches for stands below this path; other users are called what their tokens are called.
            ("iam", "user", path) if is_path(path) => {
                if effect == Effect::Allow && !path.starts_with(ENTITIES) {
                    return Err(
                        "a user that is no entity has a name that anybody can take: name user/entity/ and its name",
                    );
                }
            }
            ("sts", "assumed-role", path) if is_path(path) && path.contains('/') => {
                if effect == Effect::Allow {
                    return Err("a session's name is chosen by its caller: name the role instead");
                }
            }
            _ => return Err(NOT_ONE),
        }
        without_partition(text).map(Self::Arn).ok_or(NOT_ONE)
    }
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_path(path: &str) -> bool {
    path.split('/').all(|segment| !segment.is_empty())
}

/// `iam::123456789012:user/x` of `arn:aws:iam::123456789012:user/x`.
fn without_partition(arn: &str) -> Option<String> {
    arn.strip_prefix("arn:")?.split_once(':').map(|(_, rest)| rest.to_owned())
}
