//! Nothing: what there is stands in `tests/`.
