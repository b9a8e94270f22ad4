//! The accounts and regions that a document's text speaks of. Nothing is decided by them but whether its author has to say
//! where the resource is; it must never be asked whether a request is allowed.

use super::json::Json;
use super::principals::is_account;

/// Partition, service, region and account of an ARN or of a pattern for one; `None` of other texts.
fn place(text: &str) -> Option<[&str; 4]> {
    let mut parts = text.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(_)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some([partition, service, region, account])
}

/// Patterns and variables, and parts that an ARN leaves out, may be any place.
fn differs(named: &str, own: &str) -> bool {
    !named.is_empty() && !named.contains(['*', '?', '$']) && named != own
}

pub(super) fn names_another(tree: &Json, arn: &str) -> bool {
    let Some(own) = place(arn) else { return true };
    match tree {
        Json::Text(text) if is_account(text) => differs(text, own[3]),
        Json::Text(text) => place(text).is_some_and(|[_, service, region, account]| {
            differs(account, own[3]) || service == own[1] && differs(region, own[2])
        }),
        Json::List(list) => list.iter().any(|one| names_another(one, arn)),
        Json::Object(members) => members.iter().any(|(_, value)| names_another(value, arn)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
