//! `sys/capabilities`, `-self` and `-accessor`, and `sys/internal/ui/resultant-acl`.

use super::Op as SysOp;
use crate::active::Active;
use crate::tokens;
use cardea_model::{CanonicalPath, Envelope, Error, Params, SecretText, loose};
use cardea_policy::{Acl, CapabilitySet, Operation, PatternKind, Query, Reason};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Paths asked at once; the interface of browsers asks for a few dozen.
const PATHS_MAX: usize = 500;

pub enum Op {
    Own { paths: Vec<String> },
    OfToken { token: SecretText, paths: Vec<String> },
    OfAccessor { accessor: String, paths: Vec<String> },
    ResultantAcl,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    path: loose::List,
    #[serde(default)]
    paths: loose::List,
    #[serde(default)]
    token: SecretText,
    #[serde(default)]
    accessor: String,
}

impl Input {
    fn paths(&self) -> Result<Vec<String>, Error> {
        let paths: Vec<String> = self.path.0.iter().chain(&self.paths.0).cloned().collect();
        if paths.is_empty() || paths.len() > PATHS_MAX {
            return Err(Error::invalid("paths must be supplied, at most 500"));
        }
        Ok(paths)
    }
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    fn own(p: &Params) -> Result<Bound<SysOp>, Error> {
        Bound::try_read(p, |i: Input| Ok(SysOp::Capabilities(Op::Own { paths: i.paths()? })))
    }
    fn of_token(p: &Params) -> Result<Bound<SysOp>, Error> {
        Bound::try_read(p, |i: Input| Ok(SysOp::Capabilities(Op::OfToken { paths: i.paths()?, token: i.token })))
    }
    fn of_accessor(p: &Params) -> Result<Bound<SysOp>, Error> {
        Bound::try_read(p, |i: Input| {
            Ok(SysOp::Capabilities(Op::OfAccessor { paths: i.paths()?, accessor: i.accessor }))
        })
    }
    vec![
        Route::write("capabilities-self", "capabilities-self", own)
            .envelope(Envelope::Flattened)
            .clear(&["path", "paths"])
            .help("What the calling token may do at paths."),
        Route::write("capabilities", "capabilities", of_token)
            .envelope(Envelope::Flattened)
            .clear(&["path", "paths"])
            .help("What a token may do at paths."),
        Route::write("capabilities-accessor", "capabilities-accessor", of_accessor)
            .envelope(Envelope::Flattened)
            .clear(&["path", "paths"])
            .help("What the token of an accessor may do at paths."),
        Route::read("resultant-acl", "internal/ui/resultant-acl", |p| {
            Bound::plain(p, SysOp::Capabilities(Op::ResultantAcl))
        })
        .help("All paths of the caller's policies with their capabilities; what browsers ask first."),
    ]
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    let now = cx.now;
    match op {
        Op::Own { paths } => {
            let caller = cx.caller.cloned().ok_or_else(Error::denied)?;
            let acl = active.acls.of(cx.state.kernel_side(), &caller).await?;
            answer(active, &acl, paths)
        }
        Op::OfToken { token, paths } => {
            let keyring = active.barrier.keyring()?;
            let shown =
                tokens::find_shown(cx.state.kernel_side(), &active.hashes, &keyring, &namespace, token.expose(), now)
                    .await?;
            of_shown(active, cx, shown, paths, "invalid token").await
        }
        Op::OfAccessor { accessor, paths } => {
            let id = tokens::by_accessor(cx.state.kernel_side(), &active.hashes, &namespace, accessor).await?;
            let shown = match id {
                Some(id) => tokens::find_live(cx.state.kernel_side(), &namespace, &id, now).await?,
                None => None,
            };
            let shown = shown.map(|token| tokens::Shown { token, kind: cardea_model::TokenKind::Service });
            of_shown(active, cx, shown, paths, "invalid accessor").await
        }
        Op::ResultantAcl => {
            #[derive(Serialize)]
            struct Answer {
                root: bool,
                exact_paths: BTreeMap<String, Granted>,
                glob_paths: BTreeMap<String, Granted>,
            }
            #[derive(Serialize)]
            struct Granted {
                capabilities: CapabilitySet,
            }
            let caller = cx.caller.cloned().ok_or_else(Error::denied)?;
            let acl = active.acls.of(cx.state.kernel_side(), &caller).await?;
            let mut answer = Answer { root: caller.is_root, exact_paths: BTreeMap::new(), glob_paths: BTreeMap::new() };
            for (kind, path, capabilities) in acl.patterns() {
                let paths = match kind {
                    PatternKind::Exact => &mut answer.exact_paths,
                    PatternKind::Prefix | PatternKind::Segments => &mut answer.glob_paths,
                };
                paths.insert(path.to_owned(), Granted { capabilities });
            }
            Done::object(&answer)
        }
    }
}

async fn of_shown(
    active: &Active,
    cx: &mut Context<'_>,
    shown: Option<tokens::Shown>,
    paths: &[String],
    words: &'static str,
) -> Result<Outcome, Error> {
    let unknown = || Error::invalid(words);
    let shown = shown.ok_or_else(unknown)?;
    let caller = tokens::caller(cx.state.kernel_side(), &shown).await?.ok_or_else(unknown)?;
    let acl = active.acls.of(cx.state.kernel_side(), &caller).await?;
    answer(active, &acl, paths)
}

/// What policies hold of a path, and of the name that stands above it where the mount's engine knows one: what is not to be had
/// there is not to be had here, and must not be shown as if it were.
fn held(active: &Active, acl: &Acl, path: &str) -> Vec<&'static str> {
    let mut names = acl.capabilities(path).names();
    let mounts = active.mounts.now();
    let above = mounts.resolve(path).and_then(|(mount, within)| {
        let engine = active.engine(mount).ok()?;
        engine.stands_under(within).map(|above| format!("{}{above}", mount.path))
    });
    let Some(above) = above else { return names };
    let operations = [
        ("create", Operation::Create),
        ("read", Operation::Read),
        ("update", Operation::Update),
        ("patch", Operation::Patch),
        ("delete", Operation::Delete),
        ("list", Operation::List),
    ];
    for (name, operation) in operations {
        let takes_away = |reason: &Reason| matches!(reason, Reason::Denied { .. } | Reason::MissingCapability { .. });
        let decision = acl.decide(&Query::plain(operation, &above));
        if !decision.allowed && decision.reasons.iter().any(takes_away) {
            names.retain(|held| *held != name);
        }
    }
    if names.is_empty() { vec!["deny"] } else { names }
}

fn answer(active: &Active, acl: &Acl, paths: &[String]) -> Result<Outcome, Error> {
    let mut out: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for asked in paths {
        // A path that no request could name is denied, in the spelling that was asked.
        let capabilities = match CanonicalPath::parse(asked.trim_start_matches('/')) {
            Ok(path) => held(active, acl, path.as_str()),
            Err(_) => vec!["deny"],
        };
        out.insert(asked.clone(), capabilities);
    }
    if let [only] = paths
        && let Some(capabilities) = out.get(only).cloned()
    {
        out.insert("capabilities".to_owned(), capabilities);
    }
    Done::object(&out)
}
