//! The condition keys that requests carry here, and of what type their values are. A key that is not in this table is refused
//! on write: nothing would ever be said of it.

use super::{Asked, DocumentKind};

/// Longest name of a tag or of a member of an encryption context, in characters.
const SUFFIX_CHARS_MAX: usize = 256;

/// What a key's values are, which says which operators make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Arn,
    Network,
    Flag,
    Instant,
    /// Seconds since 1970: an instant and a number.
    EpochSeconds,
    /// Whatever somebody wrote: any operator.
    Free,
}

/// Where a key's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Request,
    PrincipalArn,
    PrincipalAccount,
}

#[derive(Debug)]
struct Row {
    /// In lower case. One that ends in `/` or `:` goes on with the name of a tag or the like.
    name: &'static str,
    of: Option<DocumentKind>,
    type_: Type,
    /// Whether a request may have several values, which a set operator must then speak of.
    several: bool,
    source: Source,
}

const fn row(name: &'static str, of: Option<DocumentKind>, type_: Type) -> Row {
    Row { name, of, type_, several: false, source: Source::Request }
}

const SECRET: Option<DocumentKind> = Some(DocumentKind::Secret);
const KEY: Option<DocumentKind> = Some(DocumentKind::Key);

const ROWS: &[Row] = &[
    row("aws:sourceip", None, Type::Network),
    row("aws:securetransport", None, Type::Flag),
    row("aws:currenttime", None, Type::Instant),
    row("aws:epochtime", None, Type::EpochSeconds),
    Row { source: Source::PrincipalArn, ..row("aws:principalarn", None, Type::Arn) },
    Row { source: Source::PrincipalAccount, ..row("aws:principalaccount", None, Type::Text) },
    row("aws:userid", None, Type::Text),
    row("aws:username", None, Type::Text),
    row("aws:requestedregion", None, Type::Text),
    row("aws:resourcetag/", None, Type::Free),
    row("aws:principaltag/", None, Type::Free),
    row("secretsmanager:versionid", SECRET, Type::Text),
    row("secretsmanager:versionstage", SECRET, Type::Text),
    row("secretsmanager:secretid", SECRET, Type::Arn),
    row("secretsmanager:name", SECRET, Type::Text),
    row("secretsmanager:resourcetag/", SECRET, Type::Free),
    row("kms:encryptioncontext:", KEY, Type::Free),
    Row { several: true, ..row("kms:encryptioncontextkeys", KEY, Type::Text) },
    row("kms:encryptionalgorithm", KEY, Type::Text),
    row("kms:signingalgorithm", KEY, Type::Text),
    row("kms:macalgorithm", KEY, Type::Text),
    row("kms:keyspec", KEY, Type::Text),
    row("kms:keyusage", KEY, Type::Text),
    row("kms:requestalias", KEY, Type::Text),
    Row { source: Source::PrincipalAccount, ..row("kms:calleraccount", KEY, Type::Text) },
    row("kms:viaservice", KEY, Type::Text),
    row("kms:grantisforawsresource", KEY, Type::Flag),
    row("kms:granteeprincipal", KEY, Type::Arn),
    Row { several: true, ..row("kms:grantoperations", KEY, Type::Text) },
    row("kms:grantconstrainttype", KEY, Type::Text),
    row("kms:messagetype", KEY, Type::Text),
];

/// A key of a document.
#[derive(Clone, Debug)]
pub(super) struct Key {
    row: &'static Row,
    /// The whole name, in lower case.
    name: String,
}

/// The value of a key for a variable.
pub(super) enum Single {
    Is(String),
    Absent,
    /// There are several, or one that the caller could have chosen.
    Doubtful,
}

impl Key {
    /// Reads a name; the case of its letters does not matter.
    pub fn read(name: &str, kind: DocumentKind) -> Result<Self, &'static str> {
        const UNKNOWN: &str = "a condition key is none that requests here carry";
        let name = name.to_lowercase();
        let row = ROWS.iter().find(|row| match row.name.ends_with(['/', ':']) {
            true => name.strip_prefix(row.name).is_some_and(|suffix| !suffix.is_empty()),
            false => name == row.name,
        });
        let row = row.filter(|row| row.of.is_none_or(|of| of == kind)).ok_or(UNKNOWN)?;
        if name.chars().count() > row.name.len() + SUFFIX_CHARS_MAX || name.contains(['*', '?', '$']) {
            return Err(UNKNOWN);
        }
        Ok(Self { row, name })
    }

    pub fn type_(&self) -> Type {
        self.row.type_
    }

    pub fn has_several(&self) -> bool {
        self.row.several
    }

    /// Whether it is the caller's ARN, of which some are vouched for and some are claimed.
    pub fn is_principal_arn(&self) -> bool {
        self.row.source == Source::PrincipalArn
    }

    /// Whether it says who asks, or from where: what makes a grant to everybody one to somebody.
    pub fn says_who(&self) -> bool {
        self.row.source != Source::Request || matches!(self.row.name, "aws:userid" | "aws:username" | "aws:sourceip")
    }

    pub fn fills_variables(&self) -> bool {
        !self.row.several && matches!(self.row.type_, Type::Text | Type::Arn | Type::Network | Type::Free)
    }

    /// Values of the request; empty if it does not carry the key. Not for the caller's ARN.
    pub fn values(&self, asked: &Asked<'_>) -> Vec<String> {
        match self.row.source {
            Source::PrincipalAccount => vec![asked.query.principal.account.clone()],
            Source::PrincipalArn => asked.query.principal.arns.clone(),
            Source::Request => asked.query.conditions.values(&self.name).unwrap_or_default(),
        }
    }

    /// The one value that a variable stands for.
    pub fn single(&self, asked: &Asked<'_>) -> Single {
        let principal = asked.query.principal;
        let mut values = self.values(asked);
        if self.is_principal_arn() {
            values.truncate(1);
            if values.is_empty() && !principal.claimed.is_empty() {
                return Single::Doubtful;
            }
        }
        match (values.pop(), values.is_empty()) {
            (None, _) => Single::Absent,
            (Some(value), true) => Single::Is(value),
            (Some(_), false) => Single::Doubtful,
        }
    }
}
