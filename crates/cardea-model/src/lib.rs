//! Nouns and verbs: names, paths, records, operations, outcomes, causes of error, limits.
