//! Which crate may know which: the table, and its comparison with every manifest. A new edge is a line here, and so a
//! decision that a review sees.

use std::path::Path;

/// Crate, then the crates of ours that it may depend on. Read downwards: ground to roof.
pub const EDGES: &[(&str, &[&str])] = &[
    // Vocabulary and rule-books: no I/O, no clock, no async.
    ("cardea-model", &[]),
    // cardea-model for the names of algorithms and for bytes that cannot be printed; nothing of what they protect.
    ("cardea-crypto", &["cardea-model"]),
    ("cardea-policy", &[]),
    ("cardea-audit", &["cardea-model", "cardea-crypto"]),
    // State.
    ("cardea-storage", &["cardea-model"]),
    ("cardea-barrier", &["cardea-model", "cardea-crypto", "cardea-storage"]),
    // Contracts and kernel.
    // cardea-policy for documents that engines keep beside resources: they are parsed where they are written.
    ("cardea-sdk", &["cardea-model", "cardea-crypto", "cardea-policy", "cardea-storage"]),
    (
        "cardea-kernel",
        &[
            "cardea-model",
            "cardea-crypto",
            "cardea-policy",
            "cardea-audit",
            "cardea-storage",
            "cardea-barrier",
            "cardea-sdk",
        ],
    ),
    // Extensions: siblings, blind to the kernel and to each other.
    ("cardea-engines", &["cardea-model", "cardea-crypto", "cardea-policy", "cardea-storage", "cardea-sdk"]),
    ("cardea-databases", &["cardea-model", "cardea-crypto", "cardea-sdk"]),
    // cardea-policy for the one canonical form of policy names.
    ("cardea-auth", &["cardea-model", "cardea-crypto", "cardea-storage", "cardea-policy", "cardea-sdk"]),
    // cardea-crypto for digests of what arrived; a dialect has no key to compute more with. cardea-policy for what is wrong with
    // a document, in its own words.
    ("cardea-dialects", &["cardea-model", "cardea-crypto", "cardea-policy", "cardea-sdk"]),
    ("cardea-audit-devices", &["cardea-model", "cardea-sdk"]),
    // Assembly and programs.
    (
        "cardea-server",
        &[
            "cardea-model",
            "cardea-crypto",
            "cardea-policy",
            "cardea-audit",
            "cardea-storage",
            "cardea-barrier",
            "cardea-sdk",
            "cardea-kernel",
            "cardea-engines",
            "cardea-databases",
            "cardea-auth",
            "cardea-dialects",
            "cardea-audit-devices",
        ],
    ),
    ("cardea-client", &["cardea-model"]),
    ("cardea", &["cardea-model", "cardea-crypto", "cardea-policy", "cardea-audit", "cardea-client", "cardea-server"]),
];

/// Crates that may know anything: nothing of the product depends on them.
const FREE: &[&str] = &["cardea-testkit", "xtask", "cardea-bench", "cardea-fuzz"];

/// Compares every manifest's dependencies (not those of its tests) with the table.
pub fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let Ok(crates) = std::fs::read_dir(root.join("crates")) else { return vec!["crates/ is missing".to_owned()] };
    for entry in crates.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(manifest) = std::fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        if FREE.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            findings.push(format!("{name} is not in the table of layers (xtask/src/layers.rs)"));
            continue;
        };
        for found in ours(&manifest) {
            if !allowed.contains(&found.as_str()) {
                findings.push(format!("{name} depends on {found}, an edge that xtask/src/layers.rs does not allow"));
            }
        }
    }
    findings
}

/// Names of our crates in `[dependencies]`.
fn ours(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
            continue;
        }
        if inside && line.starts_with("cardea") {
            out.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    out
}
