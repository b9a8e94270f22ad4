//! What the product depends on: licences from a list, no second version without a reason. Read from `cargo metadata`.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Licences that the product's own permits.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "MPL-2.0",
    "OpenSSL",
    "CC0-1.0",
    "BSL-1.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "MIT-0",
];

/// Crates that stand twice in the lock file, and why that is borne.
const TWICE: &[(&str, &str)] = &[
    ("getrandom", "rand's generations; none of them makes our keys"),
    ("rand", "tests and drivers follow different generations"),
    ("rand_core", "as rand"),
    ("rand_chacha", "as rand"),
    ("thiserror", "drivers still on the first generation"),
    ("thiserror-impl", "as thiserror"),
    ("hashbrown", "map crates follow different generations"),
    ("windows-sys", "not on our platform"),
    ("windows-targets", "not on our platform"),
    ("windows_aarch64_gnullvm", "not on our platform"),
    ("windows_aarch64_msvc", "not on our platform"),
    ("windows_i686_gnu", "not on our platform"),
    ("windows_i686_gnullvm", "not on our platform"),
    ("windows_i686_msvc", "not on our platform"),
    ("windows_x86_64_gnu", "not on our platform"),
    ("windows_x86_64_gnullvm", "not on our platform"),
    ("windows_x86_64_msvc", "not on our platform"),
    ("wasi", "not on our platform"),
    ("r-efi", "not on our platform"),
    ("cpufeatures", "hash crates of PostgreSQL's driver"),
    ("digest", "hash crates of PostgreSQL's driver"),
    ("block-buffer", "hash crates of PostgreSQL's driver"),
    ("crypto-common", "hash crates of PostgreSQL's driver"),
    ("sha2", "hash crates of PostgreSQL's driver"),
    ("hmac", "hash crates of PostgreSQL's driver"),
    ("const-oid", "certificate crates follow different generations"),
    ("der", "certificate crates follow different generations"),
    ("spki", "certificate crates follow different generations"),
    ("base64", "tests' crates follow an older generation"),
    ("bit-vec", "an optional part of a hash table crate follows the older generation"),
    ("bitflags", "a build tool follows the older generation"),
    ("itertools", "a build tool follows the older generation"),
    ("socket2", "runtimes follow different generations"),
    ("syn", "derive macros follow different generations"),
    ("toml", "build tools follow different generations"),
    ("toml_datetime", "as toml"),
    ("winnow", "as toml"),
    ("unicode-width", "terminal crates follow different generations"),
    ("linux-raw-sys", "rustix's generations"),
    ("rustix", "temporary files follow an older generation"),
    ("fastrand", "tests' crates"),
    ("untrusted", "rustls-webpki and aws-lc-rs follow different generations"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

pub fn check(root: &Path) -> Vec<String> {
    let run = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(root)
        .output();
    let output = match run {
        Ok(output) if output.status.success() => output,
        // Offline fails where nothing was fetched yet; a fetch is what any build does first.
        _ => match Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked"])
            .current_dir(root)
            .output()
        {
            Ok(output) if output.status.success() => output,
            Ok(output) => return vec![format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr))],
            Err(error) => return vec![format!("cargo metadata could not run: {error}")],
        },
    };
    let metadata: Metadata = match serde_json::from_slice(&output.stdout) {
        Ok(metadata) => metadata,
        Err(error) => return vec![format!("cargo metadata does not parse: {error}")],
    };
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|package| package.source.is_some()) {
        versions.entry(&package.name).or_default().insert(&package.version);
        let licence = package.license.as_deref().unwrap_or("");
        if !permitted(licence) {
            findings.push(format!("{} {}: licence `{licence}` is not on the list", package.name, package.version));
        }
    }
    for (name, found) in versions.iter().filter(|(_, found)| found.len() > 1) {
        if !TWICE.iter().any(|(known, _)| known == name) {
            findings.push(format!(
                "{name} stands in {} versions and xtask/src/dependencies.rs gives no reason",
                found.len()
            ));
        }
    }
    findings
}

/// An SPDX expression is permitted if one alternative of every part is.
fn permitted(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    !flat.trim().is_empty()
        && flat.split(" AND ").all(|part| part.split(" OR ").any(|choice| LICENCES.contains(&choice.trim())))
}
