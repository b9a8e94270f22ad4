//! The options that all devices read alike. What a device does not know, it refuses: a misspelt option that is ignored
//! is a log that somebody believes to have.

use std::collections::BTreeMap;

/// Options of Vault's that shape lines and not where they go; the kernel renders lines, so here they are only judged.
const SHAPING: [&str; 1] = ["format"];

/// Checks everything but the options named in `own`, which the device reads itself.
///
/// # Errors
/// An unknown option, or one that asks for what no device does.
pub fn check(options: &BTreeMap<String, String>, own: &[&str]) -> Result<(), String> {
    for (name, value) in options {
        let value = value.trim();
        match name.as_str() {
            // A line of a chosen beginning is a script, if its file is run (CVE-2025-6000).
            "prefix" if !value.is_empty() => {
                return Err("`prefix` is refused: lines are JSON from their first byte".into());
            }
            "prefix" => {}
            "log_raw" if flag(value)? => return Err("`log_raw` is refused: the log holds no raw values".into()),
            "log_raw" => {}
            "hmac_accessor" | "elide_list_responses" => {
                flag(value)?;
            }
            "format" if value != "json" => return Err("`format` is not `json`".into()),
            name if SHAPING.contains(&name) || own.contains(&name) => {}
            _ => return Err("an option is not known to this device".into()),
        }
    }
    Ok(())
}

/// # Errors
/// Neither true nor false.
pub fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" | "" => Ok(false),
        _ => Err("an option that is true or false is neither".into()),
    }
}

#[cfg(test)]
mod tests;
