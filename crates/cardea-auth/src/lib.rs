//! Auth methods, one folder each.
