//! A whole server, asked over its wires, under a clock that stands still until it is moved. One binary, so that it links
//! once. Each module is one promise of the design; `kill` is the one that the others lean on.

// A test says by panicking that something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kill; // broken at every numbered point
mod leases; // credentials that must die
mod pipeline; // records, refusals, canaries
mod toy; // one core, two doors
