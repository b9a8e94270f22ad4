//! Audit devices, one folder each.
