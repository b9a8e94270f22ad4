//! Names of this wire: secrets, their ARNs, labels. A name is a kv path wherever it is canonical (`prod/db`). Where it is not
//! (a slash at either end, two in a row, a segment `.` or `..`), each such segment has a `%` before it, which names cannot
//! contain: `/a` is the path `%/a`, and `a//b` is `a/%/b`. A path that no name makes (with blanks, umlauts, a `%`) is not
//! shown at this door. It must never let two names meet in one path, nor one ARN mean two secrets.

use crate::aws::json::{self, Fault};
use cardea_model::operation::SecretRef;
use cardea_model::rotation::{RotationSettings, RotationStrategy};
use cardea_model::secret::{SHORT_ID_CHARS, name_of_path, path_of_name, split_regional};
use cardea_sdk::dialect::DialectConfig;

/// The dialect's own name in the log and in the configuration.
pub(super) const DIALECT: &str = "aws_secrets_manager";
/// What the scope of a signature and `X-Amz-Target` name.
pub(super) const SERVICE: &str = "secretsmanager";
/// The mount where none is configured.
pub(super) const MOUNT_DEFAULT: &str = "secret/";

/// The binding of the dialect's configuration that names the regions which secrets are in, separated by commas. Without it
/// every secret is in all regions.
pub const REPLICA_REGIONS_BINDING: &str = "replica_regions";

/// Those regions.
pub(super) fn replica_regions(config: &DialectConfig) -> Vec<&str> {
    let regions = config.bindings.get(REPLICA_REGIONS_BINDING).map(String::as_str).unwrap_or_default();
    regions.split(',').map(str::trim).filter(|region| !region.is_empty()).collect()
}

/// Longest name of a secret, in characters.
const NAME_CHARS_MAX: usize = 512;
/// The one resource policy name that AWS takes.
pub(super) const POLICY_NAME: &str = "default";
/// What AWS shows for secrets that name no key.
pub(super) const DEFAULT_KEY: &str = "DefaultEncryptionKey";

/// Keys of `RenderContext::flags`.
pub(super) const REGION: &str = "region";
pub(super) const BOUND_TO: &str = "bound_to";
pub(super) const LIMIT: &str = "limit";
pub(super) const AFTER: &str = "after";
pub(super) const DEPRECATED: &str = "deprecated";
/// Which version was asked for, so that its absence has AWS's words.
pub(super) const WANTED: &str = "wanted";

/// The version that a rotation will make.
pub(super) const TOKEN: &str = "token";

/// How this wire names a rotator: the ARN of a function, whose name is the strategy and whose qualifier is the rotator.
pub(super) fn rotator_arn(config: &DialectConfig, region: &str, settings: &RotationSettings) -> String {
    let (partition, account) = (json::partition(region), json::account(config));
    let (strategy, rotator) = (settings.strategy.as_str(), &settings.rotator);
    format!("arn:{partition}:lambda:{region}:{account}:function:{strategy}:{rotator}")
}

/// What such an ARN, or its last two parts alone, say. Whose account and region it names does not matter: no function is
/// ever called.
pub(super) fn of_rotator(given: &str) -> Result<(String, RotationStrategy), Fault> {
    let words = "The RotationLambdaARN must end in function:<strategy>:<mount>/<name> of a rotator, where the strategy is \
                 single-user, single-user-by-rotator, alternating-users or new-key.";
    let refused = || Fault::new("InvalidParameterException", words);
    let rest = match given.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":function:").ok_or_else(refused)?.1,
        None => given,
    };
    let (strategy, rotator) = rest.split_once(':').ok_or_else(refused)?;
    let strategy = RotationStrategy::parse(strategy).map_err(|_| refused())?;
    Ok((rotator.to_owned(), strategy))
}

/// A short id that no secret has: an ARN of another place finds nothing, by the way of everything that finds nothing.
const NOBODY: &str = "";

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '+' | '=' | '.' | '@' | '-' | '!')
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_name_char)
}

fn bad_name() -> Fault {
    Fault::validation(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    )
}

/// The secret of a name that is to be created.
pub(super) fn of_name(name: &str) -> Result<SecretRef, Fault> {
    if !is_name(name) {
        return Err(bad_name());
    }
    let path = path_of_name(name).map_err(|_| bad_name())?;
    Ok(SecretRef { path, short_id: None, region: None })
}

/// The secret of an id: a name, a whole ARN, or an ARN without its last seven characters. As at AWS, an ARN that ends in a
/// hyphen and six letters or digits is taken for a whole one.
pub(super) fn of_id(config: &DialectConfig, region: &str, id: &str) -> Result<SecretRef, Fault> {
    let Some(rest) = id.strip_prefix("arn:") else { return of_name(id) };
    let parts: Vec<&str> = rest.splitn(6, ':').collect();
    let &[partition, service, its_region, account, "secret", name] = parts.as_slice() else {
        return Err(bad_name());
    };
    let here = partition == json::partition(region)
        && service == SERVICE
        && its_region == region
        && account == json::account(config);
    let (name, short_id) = match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == SHORT_ID_CHARS && suffix.chars().all(|c| c.is_ascii_alphanumeric()) => {
            (name, Some(suffix.to_owned()))
        }
        _ => (name, None),
    };
    let found = of_name(name)?;
    Ok(SecretRef { short_id: if here { short_id } else { Some(NOBODY.to_owned()) }, ..found })
}

/// The name of a path, if it has one at this door. A region behind it is no part of it: what is there is found by its name
/// and the region that asks.
pub(super) fn name_of(path: &str) -> Option<String> {
    let path = split_regional(path).map_or(path, |(path, _)| path);
    name_of_path(path).filter(|name| is_name(name))
}

pub(super) fn arn(config: &DialectConfig, region: &str, name: &str, short_id: &str) -> String {
    format!("{}{name}-{short_id}", arn_front(config, region))
}

/// What stands before the name in the ARN of a secret.
pub(super) fn arn_front(config: &DialectConfig, region: &str) -> String {
    let (partition, account) = (json::partition(region), json::account(config));
    format!("arn:{partition}:{SERVICE}:{region}:{account}:secret:")
}
