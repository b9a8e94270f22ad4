//! Secrets engines, one folder each.
