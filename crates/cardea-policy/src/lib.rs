//! Caller, action, resource, context and policies to a decision with its reasons.
