//! The policies of one caller, compiled: which pattern decides a path, and what it says. An ACL never changes and holds
//! no data of a request, so that it can be shared and cached for as long as its policies and its subject stand.

use crate::{
    capability::{Capability, CapabilitySet, EffectiveCapabilities},
    defaults::ROOT_POLICY_NAME,
    name::PolicyName,
    parameters::{ANY_KEY, Constraints, Violation},
    pattern::{Pattern, PatternKind, fold_case, is_folded},
    policy::{Policy, Stanza, Target},
    query::{Decision, GrantingPolicy, Operation, Query, Reason},
    template::{Subject, Template, Unfillable},
};
use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The compiled policies of a caller.
#[derive(Debug, Default)]
pub struct Acl {
    root: bool,
    rules: Vec<Rule>,
    /// Rules of exact patterns, by the path.
    exact: HashMap<Arc<str>, usize>,
    /// Rules of prefix patterns, by what stands before the `*`.
    prefixes: HashMap<Box<str>, usize>,
    /// The lengths that occur among those, longest first.
    prefix_lengths_bytes: Vec<usize>,
    /// Rules of patterns with `+`, best first.
    segments: Vec<usize>,
    denies: Denies,
    unfilled: Vec<Unfilled>,
}

/// Explicit denies once more, with case folded: a spelling that differs in case alone must not slip by one.
#[derive(Debug, Default)]
struct Denies {
    exact: HashMap<Arc<str>, usize>,
    /// Patterns that are not exact with their rules, best first.
    open: Vec<(Pattern, usize)>,
    /// Whether a pattern among them is itself not in folded case.
    mixed_case: bool,
}

/// All stanzas of one pattern, merged.
#[derive(Debug)]
pub(crate) struct Rule {
    pub pattern: Pattern,
    pub shares: Vec<Share>,
    /// The union, or deny alone if one stanza denies.
    pub capabilities: CapabilitySet,
    constraints: Constraints,
}

/// What one policy contributes to a rule.
#[derive(Debug)]
pub(crate) struct Share {
    pub policy: PolicyName,
    pub stanza: Arc<Stanza>,
}

/// A stanza whose template could not be filled.
#[derive(Debug)]
pub(crate) struct Unfilled {
    pub policy: PolicyName,
    pub line: u32,
    pub template: Arc<str>,
    pub capabilities: CapabilitySet,
    pub why: Unfillable,
    leading_literal: Box<str>,
}

/// A rule that matches a path, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub rule: usize,
    /// Matches the path of a list only without its trailing slash.
    pub without_slash: bool,
    /// A deny that matches only if case is ignored.
    pub ignoring_case: bool,
}

impl Acl {
    /// The ACL of root: everything, everywhere. Nothing else makes one.
    #[must_use]
    pub fn root() -> Self {
        Self { root: true, ..Self::default() }
    }

    /// Compiles policies for a caller. Equal patterns of different stanzas become one rule, whatever their order.
    #[must_use]
    pub fn compile(policies: &[Arc<Policy>], subject: &Subject) -> Self {
        let mut acl = Self::default();
        let mut by_pattern: HashMap<Arc<str>, usize> = HashMap::new();
        let mut seen = BTreeSet::new();
        for policy in policies {
            if !seen.insert(Arc::as_ptr(policy)) {
                continue; // named by the token and by the entity
            }
            for stanza in policy.stanzas() {
                let pattern = match &stanza.target {
                    Target::Pattern(pattern) => pattern.clone(),
                    Target::Template(template) => match fill(template, subject) {
                        Ok(pattern) => pattern,
                        Err(why) => {
                            acl.unfilled.push(Unfilled {
                                policy: policy.name().clone(),
                                line: stanza.line,
                                template: template.source().clone(),
                                capabilities: stanza.capabilities,
                                why,
                                leading_literal: template.leading_literal().into(),
                            });
                            continue;
                        }
                    },
                };
                let share = Share { policy: policy.name().clone(), stanza: stanza.clone() };
                let rules = &mut acl.rules;
                let index = *by_pattern.entry(pattern.text().clone()).or_insert_with(|| {
                    rules.push(Rule::new(pattern));
                    rules.len() - 1
                });
                if let Some(rule) = acl.rules.get_mut(index) {
                    rule.add(share);
                }
            }
        }
        acl.index();
        acl
    }

    fn index(&mut self) {
        let mut lengths_bytes = BTreeSet::new();
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.pattern.kind() {
                PatternKind::Exact => {
                    self.exact.insert(rule.pattern.text().clone(), index);
                }
                PatternKind::Prefix => {
                    lengths_bytes.insert(rule.pattern.stem().len());
                    self.prefixes.insert(rule.pattern.stem().into(), index);
                }
                PatternKind::Segments => self.segments.push(index),
            }
            if rule.capabilities.contains(Capability::Deny) {
                let folded = rule.pattern.folded();
                self.denies.mixed_case |= !is_folded(rule.pattern.text());
                match rule.pattern.kind() {
                    PatternKind::Exact => {
                        self.denies.exact.insert(folded.text().clone(), index);
                    }
                    PatternKind::Prefix | PatternKind::Segments => self.denies.open.push((folded, index)),
                }
            }
        }
        self.prefix_lengths_bytes = lengths_bytes.into_iter().rev().collect();
        let rules = &self.rules;
        let precedence = |index: usize| rules.get(index).map(|rule| (rule.pattern.rank(), rule.pattern.text().clone()));
        self.segments.sort_by_cached_key(|index| Reverse(precedence(*index)));
        self.denies.open.sort_by_cached_key(|(_, index)| Reverse(precedence(*index)));
    }

    /// Whether this is the ACL of root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Decides a query. Pure: the same query on the same ACL always has the same answer.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision {
        if self.root {
            let granting = PolicyName::parse(ROOT_POLICY_NAME)
                .map(|name| vec![GrantingPolicy { name, pattern: Arc::from("*") }])
                .unwrap_or_default();
            return Decision {
                allowed: true,
                sudo: true,
                reasons: vec![Reason::Root],
                granting,
                capabilities: CapabilitySet::ALL_GRANTS,
            };
        }
        let Some(required) = query.operation.required() else {
            return Decision { allowed: true, ..refusal(CapabilitySet::NONE, vec![Reason::Help]) };
        };
        if let Some(unfilled) = self.closed_by() {
            return refusal(CapabilitySet::NONE, vec![unfilled.reason()]);
        }
        let path = query.path.trim_start_matches('/');
        let Some(rule) = self.winner(path, query.operation == Operation::List) else {
            return refusal(CapabilitySet::NONE, self.with_unfilled_near(path, Reason::NoRule));
        };
        let pattern = rule.pattern.text().clone();
        if let Some(policy) = rule.policy_with(Capability::Deny) {
            return refusal(rule.capabilities, vec![Reason::Denied { policy, pattern }]);
        }
        if !rule.capabilities.contains(required) {
            let granted = rule.capabilities;
            let reason = Reason::MissingCapability { capability: required.as_str(), pattern, granted };
            return refusal(rule.capabilities, self.with_unfilled_near(path, reason));
        }
        if let Some(reason) = rule.objection(query) {
            return refusal(rule.capabilities, vec![reason]);
        }
        let mut granting: Vec<GrantingPolicy> = Vec::new();
        for share in rule.shares.iter().filter(|share| share.stanza.capabilities.contains(required)) {
            if !granting.iter().any(|known| known.name == share.policy) {
                granting.push(GrantingPolicy { name: share.policy.clone(), pattern: pattern.clone() });
            }
        }
        let reasons = granting
            .iter()
            .map(|by| Reason::Granted { policy: by.name.clone(), pattern: by.pattern.clone() })
            .collect();
        Decision { allowed: true, granting, ..refusal(rule.capabilities, reasons) }
    }

    /// What the caller holds on a path, for `sys/capabilities`. Looked up as a list would be, so that a path with a
    /// trailing slash also finds rules without it.
    #[must_use]
    pub fn capabilities(&self, path: &str) -> EffectiveCapabilities {
        if self.root {
            return EffectiveCapabilities::Root;
        }
        if self.closed_by().is_some() {
            return EffectiveCapabilities::Deny;
        }
        match self.winner(path.trim_start_matches('/'), true) {
            Some(rule) if rule.capabilities.grants() => EffectiveCapabilities::Granted(rule.capabilities),
            _ => EffectiveCapabilities::Deny,
        }
    }

    /// Every pattern with what it grants (or `deny`), for clients that show what their user may do: exact paths, and open
    /// ones with the `*` at their end taken off. Root has none; who is closed by a template that cannot be filled, neither.
    #[must_use]
    pub fn patterns(&self) -> Vec<(PatternKind, &str, CapabilitySet)> {
        if self.root || self.closed_by().is_some() {
            return Vec::new();
        }
        let shown = |rule: &Rule| rule.capabilities.grants() || rule.capabilities.contains(Capability::Deny);
        let rules = self.rules.iter().filter(|rule| shown(rule));
        rules.map(|rule| (rule.pattern.kind(), rule.pattern.stem(), rule.capabilities)).collect()
    }

    /// Beginnings of all paths below `folder` on which this capability could be held: none of them begins with another, and
    /// they ascend. What begins otherwise need not be looked at; what begins so is still to be decided.
    #[must_use]
    pub fn beginnings(&self, capability: Capability, folder: &str) -> Vec<String> {
        if self.root {
            return vec![folder.to_owned()];
        }
        if self.closed_by().is_some() {
            return Vec::new();
        }
        let holding = self.rules.iter().filter(|rule| rule.capabilities.contains(capability));
        let mut out: Vec<String> = holding
            .filter_map(|rule| {
                let literal = rule.pattern.literal();
                let below = if folder.starts_with(literal) { folder } else { literal };
                below.starts_with(folder).then(|| below.to_owned())
            })
            .collect();
        out.sort_unstable();
        out.dedup_by(|next, before| next.starts_with(before.as_str()));
        out
    }

    /// Whether the caller is granted anything on a mount or below it, so that its existence is no secret to them.
    #[must_use]
    pub fn has_any_grant_under(&self, mount: &str) -> bool {
        let mount = mount.trim_start_matches('/');
        let mount = if mount.ends_with('/') { Cow::Borrowed(mount) } else { Cow::Owned(format!("{mount}/")) };
        if self.capabilities(&mount).grants() {
            return true;
        }
        self.closed_by().is_none()
            && self.rules.iter().any(|rule| rule.capabilities.grants() && rule.pattern.reaches_under(&mount))
    }

    /// The stanza that closes everything: one that denies, and nobody can tell where.
    fn closed_by(&self) -> Option<&Unfilled> {
        self.unfilled.iter().find(|unfilled| unfilled.closes_everything())
    }

    pub(crate) fn unfilled(&self) -> &[Unfilled] {
        &self.unfilled
    }

    pub(crate) fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// A refusal's reason, and those stanzas that could have said otherwise had they been filled.
    fn with_unfilled_near(&self, path: &str, reason: Reason) -> Vec<Reason> {
        let near = self.unfilled.iter().filter(|unfilled| path.starts_with(&*unfilled.leading_literal));
        std::iter::once(reason).chain(near.map(Unfilled::reason)).collect()
    }

    /// The rule that decides: the exact pattern, for a list the exact pattern without the trailing slash, else the best of
    /// all that match. For a list those that match either spelling of the path stand in one contest: if one spelling went
    /// first, a broad pattern that matches it would hide a specific deny that matches the other.
    fn winner(&self, path: &str, listing: bool) -> Option<&Rule> {
        let short = if listing { path.strip_suffix('/') } else { None };
        let folded = self.folded_for_denies(path);
        let folded_short = folded.as_ref().and_then(|folded| short.and(folded.strip_suffix('/')));
        let index = self
            .exact_at(path, folded.as_deref())
            .or_else(|| self.exact_at(short?, folded_short))
            .or_else(|| self.best_open(path, short, folded.as_deref(), folded_short))?;
        self.rules.get(index)
    }

    /// The path as denies are matched once more, or `None` if folding can make no difference.
    fn folded_for_denies(&self, path: &str) -> Option<String> {
        let no_denies = self.denies.exact.is_empty() && self.denies.open.is_empty();
        if no_denies || (!self.denies.mixed_case && is_folded(path)) { None } else { Some(fold_case(path)) }
    }

    fn exact_at(&self, path: &str, folded: Option<&str>) -> Option<usize> {
        folded.and_then(|folded| self.denies.exact.get(folded)).or_else(|| self.exact.get(path)).copied()
    }

    fn best_open(
        &self,
        path: &str,
        short: Option<&str>,
        folded: Option<&str>,
        folded_short: Option<&str>,
    ) -> Option<usize> {
        let matches = |pattern: &Pattern| pattern.matches(path) || short.is_some_and(|short| pattern.matches(short));
        // Each prefix of the shorter spelling is one of the longer.
        let prefix =
            self.prefix_lengths_bytes.iter().find_map(|length| self.prefixes.get(path.get(..*length)?)).copied();
        let segments = self.segments.iter().copied().find(|index| self.pattern(*index).is_some_and(matches));
        let precedence = |index: usize| self.pattern(index).map(|pattern| (pattern.rank(), pattern.text()));
        let best = [prefix, segments].into_iter().flatten().max_by_key(|index| precedence(*index));
        let folded_deny = folded.and_then(|folded| {
            let hit = self.denies.open.iter().find(|(pattern, index)| {
                (pattern.matches(folded) || folded_short.is_some_and(|short| pattern.matches(short)))
                    && !self.pattern(*index).is_some_and(matches)
            });
            hit.map(|(_, index)| *index)
        });
        let rank = |index: usize| self.pattern(index).map(Pattern::rank);
        match (best, folded_deny) {
            (Some(best), Some(deny)) if rank(best) > rank(deny) => Some(best),
            (best, deny) => deny.or(best),
        }
    }

    fn pattern(&self, index: usize) -> Option<&Pattern> {
        self.rules.get(index).map(|rule| &rule.pattern)
    }

    /// Every rule that matches, in order of precedence; the slow and plain counterpart of [`Self::winner`], for explanations.
    pub(crate) fn matches(&self, path: &str, listing: bool) -> Vec<Match> {
        let short = if listing { path.strip_suffix('/') } else { None };
        let (folded, folded_short) = (fold_case(path), short.map(fold_case));
        let mut matches = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let either = |pattern: &Pattern, path: &str, short: Option<&str>| {
                (pattern.matches(path), short.is_some_and(|short| pattern.matches(short)))
            };
            let (mut full, mut trimmed) = either(&rule.pattern, path, short);
            let ignoring_case = !full && !trimmed;
            if ignoring_case && rule.capabilities.contains(Capability::Deny) {
                (full, trimmed) = either(&rule.pattern.folded(), &folded, folded_short.as_deref());
            }
            if full || trimmed {
                matches.push(Match { rule: index, without_slash: !full, ignoring_case });
            }
        }
        matches.sort_by_cached_key(|hit| {
            let pattern = self.pattern(hit.rule);
            let exact = pattern.is_some_and(|pattern| pattern.kind() == PatternKind::Exact);
            let rank = pattern.filter(|_| !exact).map(Pattern::rank);
            let text = pattern.map(|pattern| pattern.text().clone());
            Reverse((exact, exact && !hit.without_slash, rank, hit.ignoring_case, text))
        });
        matches
    }
}

/// A decision that allows nothing, with the sudo flag as the capabilities have it.
fn refusal(capabilities: CapabilitySet, reasons: Vec<Reason>) -> Decision {
    let sudo = capabilities.contains(Capability::Sudo);
    Decision { allowed: false, sudo, reasons, granting: Vec::new(), capabilities }
}

fn fill(template: &Template, subject: &Subject) -> Result<Pattern, Unfillable> {
    // A value that is safe cannot break the pattern; should it, the stanza counts as unfilled.
    Pattern::parse(&template.fill(subject)?).map_err(|_| Unfillable::Unsafe)
}

impl Rule {
    fn new(pattern: Pattern) -> Self {
        Self { pattern, shares: Vec::new(), capabilities: CapabilitySet::NONE, constraints: Constraints::default() }
    }

    fn add(&mut self, share: Share) {
        let union = self.capabilities.union(share.stanza.capabilities);
        self.capabilities = if union.contains(Capability::Deny) { CapabilitySet::DENY } else { union };
        self.constraints.merge(&share.stanza.constraints);
        self.shares.push(share);
    }

    fn policy_with(&self, capability: Capability) -> Option<PolicyName> {
        self.policy_that(|stanza| stanza.capabilities.contains(capability))
    }

    fn policy_that(&self, says: impl Fn(&Stanza) -> bool) -> Option<PolicyName> {
        self.shares.iter().find(|share| says(&share.stanza)).map(|share| share.policy.clone())
    }

    /// What stands against an operation whose capability is granted.
    fn objection(&self, query: &Query<'_>) -> Option<Reason> {
        let pattern = self.pattern.text().clone();
        if !self.constraints.wrapping_fits(query.wrap_ttl_s) {
            let (min_ms, max_ms) = (self.constraints.min_wrap_ms, self.constraints.max_wrap_ms);
            return Some(Reason::WrapTtlOutOfBounds { pattern, min_ms, max_ms });
        }
        if query.operation.has_constrained_parameters()
            && let Some(violation) = self.constraints.violation(query.parameters)
        {
            return Some(self.parameter_reason(pattern, violation));
        }
        if query.needs_sudo && !self.capabilities.contains(Capability::Sudo) {
            return Some(Reason::NeedsSudo { pattern });
        }
        None
    }

    /// Names a policy that brought in what is violated; merged values are not told apart further.
    fn parameter_reason(&self, pattern: Arc<str>, violation: Violation) -> Reason {
        let policy = match &violation {
            Violation::Missing(key) => self.policy_that(|stanza| stanza.constraints.required.contains(key)),
            Violation::Denied(key) => self.policy_that(|stanza| stanza.constraints.denied.contains_key(key)),
            Violation::NotAllowed(Some(key)) => self.policy_that(|stanza| stanza.constraints.allowed.contains_key(key)),
            Violation::NotAllowed(None) => self.policy_that(|stanza| !stanza.constraints.allowed.is_empty()),
        };
        let Some(policy) = policy.or_else(|| self.shares.first().map(|share| share.policy.clone())) else {
            return Reason::NoRule; // a rule without shares does not exist
        };
        match violation {
            Violation::Missing(key) => Reason::RequiredParameterMissing { policy, pattern, key },
            Violation::Denied(key) => {
                let key = (&*key != ANY_KEY).then_some(key);
                Reason::ParameterDenied { policy, pattern, key }
            }
            Violation::NotAllowed(key) => Reason::ParameterDenied { policy, pattern, key },
        }
    }
}

impl Unfilled {
    pub(crate) fn closes_everything(&self) -> bool {
        self.capabilities.contains(Capability::Deny)
    }

    fn reason(&self) -> Reason {
        Reason::TemplateUnfilled {
            policy: self.policy.clone(),
            template: self.template.clone(),
            why: self.why,
            closes_everything: self.closes_everything(),
        }
    }
}
