//! Patterns over canonical paths, in the signs that policies use: a segment `+` is any one segment, `*` is anything, and a
//! slash at the end means all below. Matching is linear in path and pattern for any input; it must never backtrack.

/// Most signs of a pattern; with it the states fit two small vectors.
const TOKENS_MAX: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Char(char),
    /// One segment: one character or more, none of them a slash.
    Segment,
    /// Anything, also nothing.
    Any,
}

/// A pattern of paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathPattern(Vec<Token>);

impl PathPattern {
    /// Reads a pattern; a slash in front is passed over, since canonical paths have none. `None` if it is empty or too long.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut tokens = Vec::new();
        for (number, segment) in text.split('/').enumerate() {
            if number > 0 {
                tokens.push(Token::Char('/'));
            }
            if segment == "+" {
                tokens.push(Token::Segment);
            } else {
                tokens.extend(segment.chars().map(|c| if c == '*' { Token::Any } else { Token::Char(c) }));
            }
        }
        if text.ends_with('/') {
            tokens.push(Token::Any);
        }
        // `**` is `*`.
        tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
        (!tokens.is_empty() && tokens.len() <= TOKENS_MAX).then_some(Self(tokens))
    }

    /// Whether the whole path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let tokens = &self.0;
        // reached[n]: the path so far fits the first n tokens.
        let mut reached = vec![false; tokens.len() + 1];
        reached[0] = true;
        Self::pass_over_any(tokens, &mut reached);
        for c in path.chars() {
            let mut next = vec![false; tokens.len() + 1];
            for (n, token) in tokens.iter().enumerate() {
                match token {
                    Token::Char(wanted) => next[n + 1] |= reached[n] && *wanted == c,
                    // Begun from before it, or gone on with from inside it.
                    Token::Segment => next[n + 1] |= (reached[n] || reached[n + 1]) && c != '/',
                    Token::Any => next[n + 1] |= reached[n] || reached[n + 1],
                }
            }
            Self::pass_over_any(tokens, &mut next);
            reached = next;
        }
        reached[tokens.len()]
    }

    fn pass_over_any(tokens: &[Token], reached: &mut [bool]) {
        for (n, token) in tokens.iter().enumerate() {
            if *token == Token::Any {
                reached[n + 1] |= reached[n];
            }
        }
    }
}
