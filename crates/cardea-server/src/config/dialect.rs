//! The `dialect` block: which front dialects a server speaks beside Vault's, and what they are bound to. One that is not
//! configured is not spoken.

use super::section::{Labelled, at};
use crate::StartError;
use cardea_dialects::aws::json::{ACCOUNT_BINDING, ACCOUNT_DEFAULT, MOUNT_BINDING};
use cardea_dialects::aws::sigv4::REGIONS_BINDING;
use cardea_dialects::aws_secrets_manager::REPLICA_REGIONS_BINDING;
use cardea_model::secret;
use std::collections::BTreeMap;

/// Dialects of AWS's clients, each with the mount that it is about where none is named; empty for one that is about none.
pub(crate) const AWS: &[(&str, &str)] = &[
    ("aws_secrets_manager", "secret/"), //
    ("aws_kms", "transit/"),
    ("aws_sts", ""),
];

/// A dialect that the owner switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectEntry {
    pub name: &'static str,
    /// Names of the dialect's own, such as `account_id`.
    pub bindings: BTreeMap<String, String>,
}

impl DialectEntry {
    /// All that there are, as `-dev` has them.
    pub(crate) fn usual() -> Vec<Self> {
        AWS.iter().map(|(name, mount)| Self { name, bindings: bindings(ACCOUNT_DEFAULT, &[], &[], mount) }).collect()
    }
}

fn bindings(account: &str, regions: &[String], replicas: &[String], mount: &str) -> BTreeMap<String, String> {
    [
        (ACCOUNT_BINDING, account.to_owned()),
        (REGIONS_BINDING, regions.join(",")),
        (REPLICA_REGIONS_BINDING, replicas.join(",")),
        (MOUNT_BINDING, mount.to_owned()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The dialect whose secrets may have regions.
const SECRETS: &str = "aws_secrets_manager";

/// # Errors
/// A dialect that there is not, one that stands twice, or a value that its wire could not show.
pub(super) fn read(
    known: &mut Vec<DialectEntry>,
    found: Labelled,
    warnings: &mut Vec<String>,
) -> Result<(), StartError> {
    let Labelled { label, place, mut section } = found;
    let known_name = AWS.iter().find(|(name, _)| label.as_deref() == Some(name));
    let Some((name, usual_mount)) = known_name else {
        let names: Vec<&str> = AWS.iter().map(|(name, _)| *name).collect();
        return Err(at(&place, &format!("there is no such dialect; there are: {}", names.join(", "))));
    };
    if known.iter().any(|entry| entry.name == *name) {
        return Err(at(&place, "a dialect is configured twice"));
    }
    let account = section.text("account_id")?.unwrap_or_else(|| ACCOUNT_DEFAULT.to_owned());
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(at(&place, "`account_id` must be 12 digits"));
    }
    let mut regions = section.list("regions")?.unwrap_or_default();
    let replicas = if *name == SECRETS { section.list("replica_regions")?.unwrap_or_default() } else { Vec::new() };
    let is_region = |region: &String| {
        let ends_in_digit = region.bytes().last().is_some_and(|byte| byte.is_ascii_digit());
        ends_in_digit && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !regions.iter().chain(&replicas).all(is_region) || !replicas.iter().all(|region| secret::is_region(region)) {
        return Err(at(&place, "`regions` and `replica_regions` must be names such as eu-central-1"));
    }
    // No request can come from a region that no signature may name.
    if regions.is_empty() {
        regions.clone_from(&replicas);
    }
    if !replicas.iter().all(|region| regions.contains(region)) {
        return Err(at(&place, "`replica_regions` must stand in `regions`, too"));
    }
    let mount = section.text("mount")?.unwrap_or_default();
    let mount = match mount.trim_matches('/') {
        "" => (*usual_mount).to_owned(),
        mount => format!("{mount}/"),
    };
    section.finish(warnings);
    known.push(DialectEntry { name, bindings: bindings(&account, &regions, &replicas, &mount) });
    Ok(())
}
