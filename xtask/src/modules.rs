//! Whether every file is compiled, and every transcript read: a module that nobody declares has tests that never run, and nothing
//! else says so. It must never parse more than the words of a declaration.

use crate::rust_files;
use std::path::{Path, PathBuf};

/// Folders whose files are inputs of a test and no modules: the test reads the folder.
const INPUTS: &[&str] = &["crates/cardea-testkit/tests/compile_fail"];

/// Files that cargo finds by itself.
const ROOTS: &[&str] = &["lib.rs", "main.rs", "build.rs"];

pub fn check(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "bench", "fuzz"] {
        files.extend(rust_files(&root.join(folder)));
    }
    let named = |path: &PathBuf| path.strip_prefix(root).ok().map(Path::to_path_buf);
    let read = |path: PathBuf| Some((named(&path)?, std::fs::read_to_string(&path).ok()?));
    let files: Vec<(PathBuf, String)> = files.into_iter().filter_map(read).collect();
    let mut transcripts = Vec::new();
    files_below(&root.join("crates"), "transcripts", &mut transcripts);
    let transcripts: Vec<PathBuf> = transcripts.iter().filter_map(named).collect();
    let mut findings = undeclared(&files);
    findings.extend(unread(&files, &transcripts));
    findings
}

/// The files that no `mod` leads to.
fn undeclared(files: &[(PathBuf, String)]) -> Vec<String> {
    let placed: Vec<PathBuf> = files.iter().flat_map(|(parent, text)| placed_by(parent, text)).collect();
    let mut findings = Vec::new();
    for (path, _) in files {
        let found = || placed.contains(path) || files.iter().any(|(parent, text)| declares(parent, text, path));
        if !is_root(path) && !found() {
            let why = "no `mod` declares it, so it is not compiled and its tests never run";
            findings.push(format!("{}: {why}", path.display()));
        }
    }
    findings
}

/// The files that a `mod` of this one leads to by their path.
fn placed_by(parent: &Path, text: &str) -> Vec<PathBuf> {
    let folder = parent.parent().unwrap_or(Path::new(""));
    let given = text.lines().filter_map(|line| line.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]"));
    given.map(|given| plain(&folder.join(given))).collect()
}

/// Whether cargo, or a test, finds a file by its place.
fn is_root(path: &Path) -> bool {
    let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    let is_target = ["tests", "benches", "examples", "bin"].iter().any(|targets| {
        // `tests/` of a package, beside its `src/`: inside of it a folder of that name holds modules.
        folder.ends_with(targets) && (*targets == "bin" || !folder.components().any(|part| part.as_os_str() == "src"))
    });
    ROOTS.iter().any(|root| name == *root) || is_target || INPUTS.iter().any(|inputs| folder == Path::new(inputs))
}

/// Whether `parent` is where rustc looks for the declaration of `path`, and has it.
fn declares(parent: &Path, text: &str, path: &Path) -> bool {
    let folder = parent.parent().unwrap_or(Path::new(""));
    let is_module_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| parent.ends_with(root));
    let children = if is_module_root || is_root(parent) { folder.to_path_buf() } else { parent.with_extension("") };
    let Ok(below) = path.strip_prefix(&children) else { return false };
    let stem = match below.parent() {
        Some(own) if below.ends_with("mod.rs") => own.to_path_buf(),
        _ => below.with_extension(""),
    };
    let mut parts = stem.components();
    let (Some(name), None) = (parts.next(), parts.next()) else { return false };
    let name = name.as_os_str().to_string_lossy();
    text.lines().any(|line| {
        let words = line.trim().split("//").next().unwrap_or_default().trim_end();
        let declared = words.strip_suffix(';').and_then(|words| words.rsplit_once("mod "));
        declared.is_some_and(|(before, declared)| {
            declared == name && (before.is_empty() || (before.starts_with("pub") && before.ends_with(' ')))
        })
    })
}

/// A path without its steps upwards.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// The transcripts that no file of their crate names, nor reads with their whole folder.
fn unread(files: &[(PathBuf, String)], transcripts: &[PathBuf]) -> Vec<String> {
    let mut findings = Vec::new();
    for transcript in transcripts {
        let name = transcript.file_name().unwrap_or_default().to_string_lossy();
        let owner = transcript.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        let folder = owner.file_name().unwrap_or_default().to_string_lossy();
        let one = format!("transcripts/{name}\")");
        let all = format!("{folder}/transcripts\")");
        let read = files.iter().filter(|(path, _)| path.starts_with(owner));
        if !read.into_iter().any(|(_, text)| text.contains(&one) || text.contains(&all)) {
            findings.push(format!("{}: no test reads it", transcript.display()));
        }
    }
    findings
}

/// Every file that stands in a folder of this name.
fn files_below(folder: &Path, named: &str, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files_below(&path, named, out);
        } else if folder.ends_with(named) {
            out.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{undeclared, unread};
    use std::path::PathBuf;

    fn tree(files: &[(&str, &str)]) -> Vec<(PathBuf, String)> {
        files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
    }

    #[test]
    fn what_a_mod_leads_to_is_compiled() {
        let declared = tree(&[
            ("crates/a/src/lib.rs", "pub mod b; // the second\npub(crate) mod c;\n#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/b.rs", "mod inner;\n"),
            ("crates/a/src/b/inner.rs", ""),
            ("crates/a/src/c/mod.rs", "mod d;\n"),
            ("crates/a/src/c/d.rs", ""),
            ("crates/a/src/tests.rs", ""),
            ("crates/a/tests/process.rs", "mod shared;\n#[path = \"../src/c/e.rs\"]\nmod e;\n"),
            ("crates/a/tests/shared/mod.rs", ""),
            ("crates/a/src/c/e.rs", ""),
            ("crates/a/tests/it/main.rs", "mod one;\n"),
            ("crates/a/tests/it/one.rs", ""),
        ]);
        assert_eq!(undeclared(&declared), Vec::<String>::new());
    }

    #[test]
    fn what_none_leads_to_is_found() {
        let files = tree(&[
            ("crates/a/src/lib.rs", "// mod b;\nmod bc;\npub mod nested { }\n"),
            ("crates/a/src/b.rs", "mod b;\n"),
            ("crates/a/src/bc.rs", "mod d;\n"),
            ("crates/a/src/d.rs", ""),
            ("crates/a/src/tests/x.rs", ""),
            ("crates/a/tests/it/main.rs", "mod one;\n"),
            ("crates/a/tests/it/one.rs", ""),
            ("crates/a/tests/it/two.rs", "mod one;\n"),
        ]);
        let found = undeclared(&files);
        let names: Vec<&str> = found.iter().filter_map(|finding| finding.split(':').next()).collect();
        assert_eq!(
            names,
            ["crates/a/src/b.rs", "crates/a/src/d.rs", "crates/a/src/tests/x.rs", "crates/a/tests/it/two.rs"]
        );
    }

    #[test]
    fn a_transcript_is_read_by_name_or_with_its_folder() {
        let files = tree(&[
            ("crates/a/src/kv/tests.rs", "include_str!(\"transcripts/one.txt\")\n"),
            ("crates/a/src/vault/tests.rs", "join(\"src/vault/transcripts\")\n"),
        ]);
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let read = paths(&["crates/a/src/kv/transcripts/one.txt", "crates/a/src/vault/transcripts/any.txt"]);
        assert_eq!(unread(&files, &read), Vec::<String>::new());
        assert_eq!(unread(&files, &paths(&["crates/a/src/kv/transcripts/two.txt"])).len(), 1);
    }
}
