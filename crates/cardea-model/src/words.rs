//! Looking for words in texts, as the filters of lists do. A word is a run of letters and digits, and so is each part of one that
//! is written together with capitals (`DbPassword`, `DBPassword`). It must never look inside of a word: who asks for `word` does not
//! get `password`.

/// Whether `wanted` has words, and each is the beginning of a word of one of `texts`, whatever the case.
pub(crate) fn begin(wanted: &str, texts: &[&str]) -> bool {
    let mut wanted = words(wanted).peekable();
    wanted.peek().is_some() && wanted.all(|word| texts.iter().any(|text| words(text).any(|found| begins(found, word))))
}

fn begins(found: &str, word: &str) -> bool {
    let mut found = found.chars().flat_map(char::to_lowercase);
    word.chars().flat_map(char::to_lowercase).all(|c| found.next() == Some(c))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(parts).filter(|word| !word.is_empty())
}

/// The parts of a run of letters and digits: one begins at a capital that follows something else, or that a small letter follows.
fn parts(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(run);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let mut before: Option<char> = None;
        let mut characters = text.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            let after_small = before.is_some_and(|before| !before.is_uppercase());
            let before_small = characters.peek().is_some_and(|(_, next)| next.is_lowercase());
            if before.is_some() && c.is_uppercase() && (after_small || before_small) {
                let (part, others) = text.split_at(at);
                rest = Some(others);
                return Some(part);
            }
            before = Some(c);
        }
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fall_into_words() {
        for (text, expected) in [
            ("", &[][..]),
            ("+ - /", &[]),
            ("one two", &["one", "two"]),
            ("prod/AppBeta/9c1e", &["prod", "App", "Beta", "9c1e"]),
            ("SecretFTag", &["Secret", "F", "Tag"]),
            ("COMPANYthings", &["COMPAN", "Ythings"]),
            ("uat/COMPANY", &["uat", "COMPANY"]),
            ("Straße ÄpfelBaum", &["Straße", "Äpfel", "Baum"]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wanted_begins_a_word() {
        for (wanted, text, expected) in [
            ("secret", "SecretOne", true),
            ("SecretOne", "the secret of number one", true),
            ("sec", "SecretOne", true),
            ("ret", "SecretOne", false),
            ("d t", "DescTwo", true),
            ("one two", "one", false),
            ("two", "one two", true),
            ("company", "uat/COMPANY/x", true),
            ("company", "uat/COMPANYthings/x", false),
            ("Ythings", "uat/COMPANYthings/x", true),
            ("+", "a+b", false),
            ("", "anything", false),
        ] {
            assert_eq!(begin(wanted, &[text]), expected, "{wanted} in {text}");
        }
        assert!(begin("alpha two", &["Alpha", "two"]));
    }
}
