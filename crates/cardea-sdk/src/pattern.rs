//! How a route's pattern binds a path. Patterns are data of the source code; paths are canonical when they come here.
//!
//! | piece | binds |
//! |---|---|
//! | `literal` | itself |
//! | `{name}` | one segment |
//! | `{name:lower}` | one segment, folded to lower case: the canonical name is the folded one |
//! | `{name..}` | the rest of the path, at least one segment |
//! | `{name..?}` | the rest of the path, possibly nothing |

/// A match: what was captured, and the canonical path inside the mount (equal to the input unless something was folded).
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    pub captures: Vec<(&'static str, String)>,
    pub path: String,
}

/// Binds `path` (relative to the mount, without trailing slash). Of several routes the caller takes the first.
#[must_use]
pub fn bind(pattern: &'static str, path: &str) -> Option<Match> {
    let mut captures = Vec::new();
    let mut canonical: Vec<String> = Vec::new();
    let mut rest = path;
    let mut pieces = pattern.split('/').peekable();
    if pattern.is_empty() {
        return path.is_empty().then(|| Match { captures, path: String::new() });
    }
    while let Some(piece) = pieces.next() {
        if let Some(name) = piece.strip_prefix('{').and_then(|p| p.strip_suffix("..?}")) {
            captures.push((name, rest.to_owned()));
            if !rest.is_empty() {
                canonical.push(rest.to_owned());
            }
            return Some(Match { captures, path: canonical.join("/") });
        }
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = piece.strip_prefix('{').and_then(|p| p.strip_suffix("..}")) {
            captures.push((name, rest.to_owned()));
            canonical.push(rest.to_owned());
            return Some(Match { captures, path: canonical.join("/") });
        }
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, after),
            None => (rest, ""),
        };
        if let Some(name) = piece.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            let (name, segment) = match name.strip_suffix(":lower") {
                Some(name) => (name, segment.to_lowercase()),
                None => (name, segment.to_owned()),
            };
            captures.push((name, segment.clone()));
            canonical.push(segment);
        } else if piece == segment {
            canonical.push(segment.to_owned());
        } else {
            return None;
        }
        rest = after;
        if pieces.peek().is_none() && !rest.is_empty() {
            return None;
        }
    }
    Some(Match { captures, path: canonical.join("/") })
}
