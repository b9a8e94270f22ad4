//! The method's rules as tables.
