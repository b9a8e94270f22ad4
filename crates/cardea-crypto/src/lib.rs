//! The only crate that names a cipher library.
