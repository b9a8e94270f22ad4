//! Front dialects, one folder each.
