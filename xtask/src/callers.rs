//! Who may call what (DESIGN section 3): only the pipeline and the job runner commit, only they append to the log, only the
//! SDK's external helpers are performed by the kernel, extensions never reach behind their view, and only cardea-crypto
//! names a cipher library.

use crate::{is_test, rust_files};
use std::path::Path;

/// A word that only some files may contain, and why.
struct Rule {
    word: &'static str,
    /// Where it is looked for.
    within: &'static [&'static str],
    /// Paths that may contain it.
    allowed: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        word: ".commit()",
        within: &["crates/"],
        allowed: &[
            "crates/cardea-kernel/src/pipeline/",
            "crates/cardea-kernel/src/runner.rs",
            "crates/cardea-kernel/src/revoker.rs",
            "crates/cardea-kernel/src/log.rs",
            "crates/cardea-kernel/src/lifecycle.rs",
            "crates/cardea-storage/src/",
        ],
        why: "only the pipeline, the background work and the life cycle commit transactions",
    },
    Rule {
        word: "kernel_side(",
        within: &[
            "crates/cardea-engines/",
            "crates/cardea-auth/",
            "crates/cardea-databases/",
            "crates/cardea-dialects/",
        ],
        allowed: &[],
        why: "extensions see their own view and nothing behind it",
    },
    Rule {
        word: "cardea_kernel",
        within: &[
            "crates/cardea-engines/",
            "crates/cardea-auth/",
            "crates/cardea-databases/",
            "crates/cardea-dialects/",
            "crates/cardea-sdk/",
        ],
        allowed: &[],
        why: "extensions meet the kernel only through the SDK",
    },
    Rule {
        word: "ed25519_dalek",
        within: &["crates/"],
        allowed: &["crates/cardea-crypto/src/keys/prehash.rs"],
        why: "a second cipher library is for Ed25519ph alone",
    },
    Rule {
        word: "aws_lc_rs",
        within: &["crates/"],
        allowed: &[
            "crates/cardea-crypto/src/",
            "crates/cardea-server/src/",
            "crates/cardea-client/src/",
            "crates/cardea-databases/src/",
        ],
        why: "only cardea-crypto names the cipher library; servers and clients name it as TLS provider",
    },
    Rule {
        word: ".perform(",
        within: &["crates/"],
        allowed: &["crates/cardea-kernel/src/pipeline/perform.rs", "crates/cardea-kernel/src/runner.rs"],
        why: "effects outside are performed between an intent and its outcome, and nowhere else",
    },
    Rule {
        word: ".call_source(",
        within: &["crates/"],
        allowed: &["crates/cardea-engines/src/http_provider/source.rs", "crates/cardea-engines/src/webhook/source.rs"],
        why: "sources that speak HTTP are called by the steps of a rotation, and by nothing else",
    },
    Rule {
        word: "SystemTime::now",
        within: &["crates/"],
        allowed: &["crates/cardea-server/src/", "crates/cardea/src/", "crates/cardea-storage/src/"],
        why: "the store's clock says what time it is",
    },
];

pub fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for path in rust_files(&root.join("crates")) {
        let Ok(relative) = path.strip_prefix(root) else { continue };
        let name = relative.to_string_lossy().replace('\\', "/");
        if is_test(&path) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for rule in RULES {
            let applies = rule.within.iter().any(|prefix| name.starts_with(prefix));
            if !applies || rule.allowed.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if code.contains(rule.word) {
                    findings.push(format!("{name}:{}: `{}`: {}", number + 1, rule.word, rule.why));
                }
            }
        }
    }
    findings
}
