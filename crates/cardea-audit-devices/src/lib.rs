//! Audit devices, one folder each: where the log is copied to.
//!
//! A device is a follower: the local log is the record, and the kernel gives each device a cursor, a bounded queue and a
//! time limit. A device must never say that it has lines which it has not, never wait behind a write of its own that
//! hangs, and never write to a place where what it writes could be run.

#![forbid(unsafe_code)]

pub mod file; // a file that others may rotate
pub mod stdout; // the process's standard output

mod lines; // whole lines into something that may take only part of them
mod options; // what all devices read alike

pub use file::FileDeviceKind;
pub use stdout::StdoutDeviceKind;

/// Words for a write that was asked for while an earlier one, given up by its caller, still hangs.
const BUSY: &str = "an earlier write to this device has not returned yet";
/// Words for a runtime that is going down.
const GOING_DOWN: &str = "the write was given up because the process is going down";
