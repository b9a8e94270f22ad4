//! Variables that Vault's server honours, and the same under Cardea's own prefix, which wins. They stand above the files
//! and below the flags. No secret is read from here: what stands in an environment is seen by every child and every
//! crash report.

use super::Config;
use crate::StartError;
use crate::telemetry;

/// Where variables come from: the process, or a table in tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `CARDEA_<name>`, else `VAULT_<name>`; an empty one counts as absent.
#[must_use]
pub fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    let set = |prefix: &str| environment(&format!("{prefix}_{name}")).filter(|value| !value.trim().is_empty());
    set("CARDEA").or_else(|| set("VAULT"))
}

/// # Errors
/// A variable has a value that the setting cannot have.
pub(super) fn apply(config: &mut Config, environment: Environment<'_>) -> Result<(), StartError> {
    let read = |name: &str| variable(environment, name);
    // `REDIRECT_ADDR` is the older name.
    if let Some(address) = read("API_ADDR").or_else(|| read("REDIRECT_ADDR")) {
        config.api_address = address;
    }
    if read("CLUSTER_ADDR").is_some() {
        config.warnings.push("the environment's CLUSTER_ADDR has no effect in Cardea".to_owned());
    }
    if let Some(level) = read("LOG_LEVEL") {
        config.log.level =
            telemetry::level(&level).ok_or_else(|| StartError::new("LOG_LEVEL is no level of the log"))?;
    }
    if let Some(format) = read("LOG_FORMAT") {
        config.log.json =
            telemetry::is_json(&format).ok_or_else(|| StartError::new("LOG_FORMAT is standard or json"))?;
    }
    if let Some(flag) = read("DISABLE_MLOCK") {
        config.disable_mlock = matches!(flag.trim().to_ascii_lowercase().as_str(), "1" | "t" | "true");
    }
    if read("RAW_STORAGE_ENDPOINT").is_some_and(|value| value != "false") {
        return Err(StartError::new("a raw storage endpoint is not supported"));
    }
    Ok(())
}
