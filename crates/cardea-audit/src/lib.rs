//! The rule-book of the log: record types, Merkle tree, checkpoints, verify, search.
