//! A text that stands for a secret in the corpus: where it came in as one, it may come out nowhere.

/// Long enough that no text of ours holds it by chance.
pub const MARK: &str = "mark-9f3a-Secret";

/// How often it stands in the bytes.
#[must_use]
pub fn count(data: &[u8]) -> usize {
    data.windows(MARK.len()).filter(|window| *window == MARK.as_bytes()).count()
}

/// That a text does not hold it.
#[track_caller]
pub fn absent(from: &str, what: &str) {
    assert!(!from.contains(MARK), "{what} holds the secret: {from}");
}
