//! Names of this wire: key ids, aliases, their ARNs, and markers of lists. It must never let one ARN mean two keys, nor put
//! anything into a marker that its bearer was not shown or may not list.

use crate::aws::json::{self, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use cardea_model::KeyRef;
use cardea_sdk::dialect::DialectConfig;

/// The dialect's own name in the log and in the configuration.
pub(super) const DIALECT: &str = "aws_kms";
/// What the scope of a signature names.
pub(super) const SERVICE: &str = "kms";
/// What `X-Amz-Target` names.
pub(super) const TARGET_PREFIX: &str = "TrentService";
/// The mount where none is configured.
pub(super) const MOUNT_DEFAULT: &str = "transit/";

/// Keys of `RenderContext::flags`.
pub(super) const REGION: &str = "region";
pub(super) const ALGORITHM: &str = "algorithm";
pub(super) const TO_ALGORITHM: &str = "to_algorithm";
pub(super) const DRY_RUN: &str = "dry_run";
/// Whether the key is known by the ciphertext alone.
pub(super) const BY_BLOB: &str = "by_blob";
pub(super) const DAYS: &str = "days";
pub(super) const LIMIT: &str = "limit";
pub(super) const AFTER: &str = "after";
/// The id of the one key whose aliases are wanted.
pub(super) const ONLY: &str = "only";
pub(super) const ALL_MATERIAL: &str = "all_material";
/// The document that a replica is made with.
pub(super) const POLICY: &str = "policy";

const ALIAS: &str = "alias/";
/// Aliases of AWS's own keys.
const RESERVED: &str = "alias/aws/";
/// Front of an id that no key has: an ARN of another place finds nothing, by the way of everything that finds nothing.
const ELSEWHERE: &str = "elsewhere-";
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

fn is_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

fn is_uuid(text: &str) -> bool {
    let hex = |group: &str| group.bytes().all(is_hex);
    text.split('-').map(str::len).eq(UUID_GROUPS) && text.split('-').all(hex)
}

fn is_multi_region(text: &str) -> bool {
    let digits = text.strip_prefix("mrk-");
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(is_hex))
}

fn not_found(words: &str) -> Fault {
    Fault::new("NotFoundException", words)
}

fn bad_id() -> Fault {
    not_found("Invalid keyId.")
}

/// The part of an alias behind `alias/`, if it is one that can be: segments with nothing empty between slashes.
fn alias_name(alias: &str) -> Option<&str> {
    let name = alias.strip_prefix(ALIAS)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let whole = |segment: &str| !segment.is_empty() && segment.chars().all(plain);
    name.split('/').all(whole).then_some(name)
}

/// The key of an id, an ARN, an alias or an alias's ARN.
pub(super) fn key(config: &DialectConfig, region: &str, id: &str) -> Result<KeyRef, Fault> {
    let Some(rest) = id.strip_prefix("arn:") else { return local(region, id, "") };
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    let &[partition, SERVICE, its_region, account, resource] = parts.as_slice() else {
        return Err(not_found("Invalid arn."));
    };
    let here = partition == json::partition(region) && its_region == region && account == json::account(config);
    let front = if here { "" } else { ELSEWHERE };
    match resource.strip_prefix("key/") {
        Some(id) if !id.starts_with(ALIAS) => local(region, id, front),
        None if resource.starts_with(ALIAS) => local(region, resource, front),
        _ => Err(not_found("Invalid arn.")),
    }
}

fn local(region: &str, id: &str, front: &str) -> Result<KeyRef, Fault> {
    match alias_name(id) {
        Some(name) if front.is_empty() => {
            Ok(KeyRef::RegionalAlias { alias: name.to_owned(), region: region.to_owned() })
        }
        None if is_multi_region(id) && front.is_empty() => Ok(by_id(region, id.to_owned())),
        Some(name) => Ok(KeyRef::Id(format!("{front}{}", name.replace('/', "-")))),
        None if is_uuid(id) || is_multi_region(id) => Ok(KeyRef::Id(format!("{front}{id}"))),
        None => Err(bad_id()),
    }
}

/// The key of an id. One of a set is another in each region.
pub(super) fn by_id(region: &str, id: String) -> KeyRef {
    match is_multi_region(&id) {
        true => KeyRef::RegionalId { id, region: region.to_owned() },
        false => KeyRef::Id(id),
    }
}

/// The same where AWS takes no alias.
pub(super) fn key_itself(config: &DialectConfig, region: &str, id: &str) -> Result<KeyRef, Fault> {
    match key(config, region, id)? {
        KeyRef::Alias(_) | KeyRef::RegionalAlias { .. } => Err(bad_id()),
        key => Ok(key),
    }
}

/// The alias of a request that makes, moves or removes one.
pub(super) fn alias(text: &str) -> Result<String, Fault> {
    if !text.starts_with(ALIAS) {
        return Err(Fault::validation("Alias must start with the prefix \"alias/\"."));
    }
    if text.starts_with(RESERVED) {
        return Err(Fault::new("NotAuthorizedException", ""));
    }
    if !text[ALIAS.len()..].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-')) {
        return Err(Fault::validation("The alias contains invalid characters for an alias."));
    }
    let name = alias_name(text).ok_or_else(|| Fault::new("InvalidAliasNameException", "The alias is not valid."))?;
    Ok(name.to_owned())
}

/// Whether an alias that some other dialect made can be shown here.
pub(super) fn shown_alias(name: &str) -> Option<String> {
    Some(format!("{ALIAS}{name}")).filter(|alias| alias_name(alias).is_some())
}

pub(super) fn key_arn(config: &DialectConfig, region: &str, id: &str) -> String {
    arn(config, region, &format!("key/{id}"))
}

pub(super) fn arn(config: &DialectConfig, region: &str, resource: &str) -> String {
    let (partition, account) = (json::partition(region), json::account(config));
    format!("arn:{partition}:{SERVICE}:{region}:{account}:{resource}")
}

/// First word of a marker; another form gets another word.
const MARKER_FORM: &str = "1";

/// Where the list of an operation goes on.
pub(super) fn marker(operation: &str, after: &str) -> String {
    BASE64.encode(format!("{MARKER_FORM}|{operation}|{after}"))
}

/// # Errors
/// `InvalidMarkerException`, for one that is none or of another operation.
pub(super) fn read_marker(operation: &str, marker: &str) -> Result<String, Fault> {
    let read = || -> Option<String> {
        let text = String::from_utf8(BASE64.decode(marker).ok()?).ok()?;
        let rest = text.strip_prefix(MARKER_FORM)?.strip_prefix('|')?;
        let after = rest.strip_prefix(operation)?.strip_prefix('|')?;
        (!after.is_empty()).then(|| after.to_owned())
    };
    read().ok_or_else(|| Fault::new("InvalidMarkerException", "The marker is not valid."))
}
