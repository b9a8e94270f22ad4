//! Automation in Rust. `cargo xtask tidy` (or `cargo run -p xtask -- tidy`) checks what reviews would otherwise have to
//! remember: who may know whom, who may call what, how files open, whether each is compiled, what the product may depend on.
//! It must never change a file.

#![forbid(unsafe_code)]

mod callers;
mod dependencies;
mod files;
mod layers;
mod modules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy(),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy");
            ExitCode::FAILURE
        }
    }
}

fn tidy() -> ExitCode {
    let root = root();
    let checks: [(&str, Vec<String>); 5] = [
        ("layers", layers::check(&root)),
        ("callers", callers::check(&root)),
        ("files", files::check(&root)),
        ("modules", modules::check(&root)),
        ("dependencies", dependencies::check(&root)),
    ];
    let mut failed = false;
    for (name, findings) in checks {
        for finding in &findings {
            eprintln!("tidy/{name}: {finding}");
        }
        failed |= !findings.is_empty();
        println!(
            "tidy/{name}: {}",
            if findings.is_empty() { "ok".to_owned() } else { format!("{} findings", findings.len()) }
        );
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The checkout: the parent of this crate's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Every Rust file below a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return out };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                out.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// Whether a file holds tests alone.
fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.ends_with("tests.rs")
        || text.ends_with("testing.rs")
        || text.contains("/tests/")
        || text.contains("/testing/")
        || text.contains("cardea-testkit")
}

#[cfg(test)]
mod tests {
    //! The checks themselves, on this checkout: `cargo test` fails where `tidy` would.

    #[test]
    fn this_checkout_is_tidy() {
        let root = super::root();
        let mut findings = super::layers::check(&root);
        findings.extend(super::callers::check(&root));
        findings.extend(super::files::check(&root));
        findings.extend(super::modules::check(&root));
        findings.extend(super::dependencies::check(&root));
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
