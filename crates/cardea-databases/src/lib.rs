//! Database plugins, one folder each.
