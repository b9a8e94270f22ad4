//! Names that are near to one that nobody knows. It repeats a word only if it could be a command's name: what was typed in
//! its place may be a token.

/// Most changes between a typed word and a name that it may have meant.
const CHANGES_MAX: usize = 2;
/// Most names that are offered.
const NAMES_MAX: usize = 3;
/// Longest word that is repeated, in bytes; the longest name of a command is shorter.
const WORD_BYTES_MAX: usize = 24;

/// Says that `typed` is no command, and which of `known` may have been meant. `prefix` is what stands before them.
pub fn unknown(prefix: &str, typed: &str, known: &[String]) -> String {
    let is_name = typed.len() <= WORD_BYTES_MAX && typed.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let mut out = match is_name {
        true => format!("Unknown command: cardea {prefix}{typed}"),
        false => "Unknown command".to_owned(),
    };
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (if is_begin(typed, name) { 0 } else { changes(typed, name) }, name.as_str()))
        .filter(|(count, name)| *count <= CHANGES_MAX.min(name.len() / 2))
        .collect();
    near.sort_unstable();
    near.truncate(NAMES_MAX);
    if !near.is_empty() {
        let names: Vec<String> = near.iter().map(|(_, name)| format!("cardea {prefix}{name}")).collect();
        out.push_str(&format!("\nDid you mean: {}", names.join(", ")));
    }
    out
}

/// Whether one is the beginning of the other and says more than a letter or two.
fn is_begin(typed: &str, name: &str) -> bool {
    typed.len() > 2 && (name.starts_with(typed) || typed.starts_with(name))
}

/// How many letters must be added, removed, replaced or swapped with the next.
fn changes(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_tokens_are_not_repeated() {
        let known = ["get", "list", "put", "metadata", "undelete", "delete"].map(str::to_owned);
        for (typed, expected) in [
            ("gett", "Unknown command: cardea kv gett\nDid you mean: cardea kv get"),
            ("lits", "Unknown command: cardea kv lits\nDid you mean: cardea kv list"),
            ("meta", "Unknown command: cardea kv meta\nDid you mean: cardea kv metadata"),
            ("delte", "Unknown command: cardea kv delte\nDid you mean: cardea kv delete"),
            ("frobnicate", "Unknown command: cardea kv frobnicate"),
            ("hvs.CAESIJhunter2", "Unknown command"),
            ("abcdefghijklmnopqrstuvwxyz", "Unknown command"),
            ("", "Unknown command: cardea kv "),
        ] {
            assert_eq!(unknown("kv ", typed, &known), expected, "{typed}");
        }
    }
}
