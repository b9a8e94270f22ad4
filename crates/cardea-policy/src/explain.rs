//! Why a request is or would be decided as it is: every pattern that matches, in order of precedence, with what put it
//! there. An explanation never differs from the decision, and shows no parameter of the request.

use crate::{
    acl::{Acl, Match, Rule, Unfilled},
    capability::CapabilitySet,
    name::PolicyName,
    pattern::PatternKind,
    query::{Decision, Operation, Query},
    template::Unfillable,
};
use serde::Serialize;
use std::sync::Arc;

/// The whole answer to "why".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The path asked for.
    pub path: String,
    /// The operation asked for.
    pub operation: Operation,
    /// The decision, with its reasons in a form for programs.
    pub decision: Decision,
    /// The reasons in words.
    pub reasons: Vec<String>,
    /// Whether the caller is root, so that no pattern was looked at.
    pub root: bool,
    /// Every pattern that matches; the first decides.
    pub matches: Vec<MatchedPattern>,
    /// Stanzas without effect because their template cannot be filled for this caller.
    pub unfilled: Vec<UnfilledStanza>,
}

/// A pattern that matches the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchedPattern {
    /// The pattern, templates filled.
    pub pattern: Arc<str>,
    /// What kind of pattern it is.
    pub kind: PatternKind,
    /// Whether it decides.
    pub won: bool,
    /// What gave it its place.
    pub why: &'static str,
    /// It matches a list only without the trailing slash.
    pub without_trailing_slash: bool,
    /// It is a deny that matches only if case is ignored.
    pub ignoring_case: bool,
    /// What it grants: the union of its stanzas, or deny alone.
    pub capabilities: CapabilitySet,
    /// The stanzas with this pattern.
    pub stanzas: Vec<MatchedStanza>,
}

/// One stanza of a matching pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchedStanza {
    /// The policy it stands in.
    pub policy: PolicyName,
    /// The line of its text, from 1.
    pub line: u32,
    /// What it alone grants.
    pub capabilities: CapabilitySet,
}

/// A stanza whose template cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfilledStanza {
    /// The policy it stands in.
    pub policy: PolicyName,
    /// The line of its text, from 1.
    pub line: u32,
    /// The pattern as written.
    pub template: Arc<str>,
    /// What it would have granted or denied.
    pub capabilities: CapabilitySet,
    /// Why it cannot be filled.
    pub why: Unfillable,
    /// Whether everything is refused because of it.
    pub closes_everything: bool,
}

/// Explains a query.
#[must_use]
pub fn explain(acl: &Acl, query: &Query<'_>) -> Explanation {
    let decision = acl.decide(query);
    let path = query.path.trim_start_matches('/');
    let hits = acl.matches(path, query.operation == Operation::List);
    let rules: Vec<(Match, &Rule)> = hits.iter().filter_map(|hit| Some((*hit, acl.rule(hit.rule)?))).collect();
    let winner = rules.first().copied();
    let matches = rules
        .iter()
        .map(|(hit, rule)| MatchedPattern {
            pattern: rule.pattern.text().clone(),
            kind: rule.pattern.kind(),
            won: winner.is_some_and(|(first, _)| first == *hit),
            why: winner.map_or("", |winner| place(winner, (*hit, rule), rules.len() == 1)),
            without_trailing_slash: hit.without_slash,
            ignoring_case: hit.ignoring_case,
            capabilities: rule.capabilities,
            stanzas: rule
                .shares
                .iter()
                .map(|share| MatchedStanza {
                    policy: share.policy.clone(),
                    line: share.stanza.line,
                    capabilities: share.stanza.capabilities,
                })
                .collect(),
        })
        .collect();
    Explanation {
        path: path.to_owned(),
        operation: query.operation,
        reasons: decision.reasons.iter().map(ToString::to_string).collect(),
        decision,
        root: acl.is_root(),
        matches,
        unfilled: acl.unfilled().iter().map(unfilled).collect(),
    }
}

fn unfilled(stanza: &Unfilled) -> UnfilledStanza {
    UnfilledStanza {
        policy: stanza.policy.clone(),
        line: stanza.line,
        template: stanza.template.clone(),
        capabilities: stanza.capabilities,
        why: stanza.why,
        closes_everything: stanza.closes_everything(),
    }
}

/// Why a pattern has its place against the one that decides.
fn place(winner: (Match, &Rule), other: (Match, &Rule), alone: bool) -> &'static str {
    let exact = |rule: &Rule| rule.pattern.kind() == PatternKind::Exact;
    if winner.0 == other.0 {
        return match (exact(winner.1), alone) {
            (true, _) => "decides: an exact path goes before every other pattern",
            (false, true) => "decides: no other pattern matches",
            (false, false) => "decides: the most specific pattern that matches",
        };
    }
    let (first, second) = (winner.1.pattern.rank(), other.1.pattern.rank());
    match (exact(winner.1), exact(other.1)) {
        (true, true) if winner.0.without_slash == other.0.without_slash => "loses: a deny in another case goes first",
        (true, true) => "loses: the exact path with its trailing slash goes first",
        (true, false) => "loses: an exact path goes first",
        _ if first.first_wildcard != second.first_wildcard => "loses: its first wildcard comes earlier",
        _ if first.closed != second.closed => "loses: it ends in a glob",
        _ if first.plus_segments != second.plus_segments => "loses: it has more + segments",
        _ if first.length_bytes != second.length_bytes => "loses: it is shorter",
        _ if winner.0.ignoring_case && !other.0.ignoring_case => "loses: a deny in another case goes first",
        _ => "loses: it sorts lower",
    }
}
