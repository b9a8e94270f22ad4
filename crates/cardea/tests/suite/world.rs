//! One run of the binary in an empty home, against a server with a table of answers.

use crate::fake::{Asked, Fake, Said, said};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// What is told to the binary and what the server says.
pub struct World {
    pub server: Fake,
    pub home: TempDir,
    env: Vec<(String, String)>,
    stdin: String,
}

/// What came out.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// `answers` are `METHOD target` with status and body; everything else is not found.
pub fn world(answers: &[(&str, u16, &str)]) -> World {
    let table: Vec<(String, Said)> =
        answers.iter().map(|(line, status, body)| ((*line).to_owned(), said(*status, body))).collect();
    let find = move |asked: &Asked, _: usize| {
        let found = table.iter().find(|(line, _)| *line == asked.line);
        found.map_or_else(|| said(404, r#"{"errors":[]}"#), |(_, said)| said.clone())
    };
    let server = Fake::start(find);
    let env =
        vec![("VAULT_ADDR".to_owned(), server.address.clone()), ("VAULT_TOKEN".to_owned(), "hvs.mine".to_owned())];
    World { server, home: tempfile::tempdir().unwrap(), env, stdin: String::new() }
}

impl World {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    pub fn typed(mut self, text: &str) -> Self {
        self.stdin = text.to_owned();
        self
    }

    /// Runs words divided by blanks.
    pub fn run(&self, line: &str) -> Outcome {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_words(&self, words: &[&str]) -> Outcome {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cardea"))
            .args(words)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may have gone already.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.server.address, "http://server");
        Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The requests so far, with their bodies.
    pub fn asked(&self) -> Vec<String> {
        self.server
            .asked()
            .into_iter()
            .map(|asked| format!("{} {}", asked.line, asked.body).trim_end().to_owned())
            .collect()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// One row of a table of transcripts.
pub struct Row {
    pub line: &'static str,
    pub answers: &'static [(&'static str, u16, &'static str)],
    pub asked: &'static [&'static str],
    pub code: i32,
    pub out: &'static str,
    pub err: &'static str,
}

/// Runs every row in a world of its own.
pub fn check(rows: &[Row]) {
    for row in rows {
        let world = world(row.answers);
        let outcome = world.run(row.line);
        let got = (outcome.code, outcome.out.as_str(), outcome.err.as_str());
        assert_eq!(got, (row.code, row.out, row.err), "{}", row.line);
        assert_eq!(world.asked(), row.asked, "{}", row.line);
    }
}
