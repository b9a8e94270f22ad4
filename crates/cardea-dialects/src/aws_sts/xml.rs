//! Elements and their escapes. It must never put a text into an element unescaped.

/// Text of an element: markup is escaped, and what XML 1.0 cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An element with a text.
pub(super) fn text(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(value))
}

/// An element with elements, made by this module.
pub(super) fn element(name: &str, inner: &[String]) -> String {
    format!("<{name}>{}</{name}>", inner.concat())
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_is_text() {
        assert_eq!(super::text("A", "a<b>&\"'\u{1}\r"), "<A>a&lt;b&gt;&amp;\"'\u{fffd}&#13;</A>");
    }
}
