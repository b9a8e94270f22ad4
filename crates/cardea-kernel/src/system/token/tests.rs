//! What tokens may be (tables of pure decisions), and what requests make of them (a whole node in memory).

mod decisions;
pub(crate) mod harness;
mod requests;
