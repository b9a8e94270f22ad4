//! The store contract, batches, transactions, views, embedded store, failing store, conformance suite.
