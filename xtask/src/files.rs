//! How files open and what none may hold.

use crate::{is_test, rust_files};
use std::path::Path;

/// Files that may contain `unsafe`, each with its reason.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "misc", "core", "manager"];

/// Longest file outside tests, in lines: beyond it there is a second idea in there.
const LINES_MAX: usize = 760;

pub fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let mut files = rust_files(&root.join("crates"));
    files.extend(rust_files(&root.join("xtask")));
    files.extend(rust_files(&root.join("bench/src")));
    files.extend(rust_files(&root.join("fuzz")));
    for path in files {
        let Ok(relative) = path.strip_prefix(root) else { continue };
        let name = relative.to_string_lossy().replace('\\', "/");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let compile_fail = name.contains("compile_fail");
        if !text.starts_with("//!") && !compile_fail {
            findings.push(format!("{name}: opens without saying what it is (`//!`)"));
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            findings.push(format!("{name}: a thing without a name in the domain is not ready to be shared"));
        }
        if !is_test(&path) && text.lines().count() > LINES_MAX {
            findings.push(format!("{name}: more than {LINES_MAX} lines"));
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
            if is_unsafe && !UNSAFE_ALLOWED.iter().any(|(allowed, _)| *allowed == name) && !name.starts_with("xtask/") {
                findings.push(format!("{name}:{}: `unsafe` in a file that xtask does not list", number + 1));
            }
            let marker = ["TO", "DO"].concat();
            if line.contains(&format!("{marker}:")) || line.contains(["FIX", "ME"].concat().as_str()) {
                findings.push(format!("{name}:{}: a left-over marker", number + 1));
            }
        }
    }
    findings
}
