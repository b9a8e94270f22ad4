//! What happens when the cipher library refuses input that is valid by construction.
//! It must never be reached by anything a client sends: only by a broken library, broken memory or no entropy.

/// Ends the process. A library that fails on fixed-size valid input is in an error state, and unwinding would let the
/// caller go on with a key, a nonce or a digest that was never filled in.
pub(crate) fn library_fault(operation: &'static str) -> ! {
    eprintln!("fatal: the cipher library failed at {operation}");
    std::process::abort()
}
