//! What the process asks of the operating system for the sake of its keys: no core dumps, no tracing by other processes
//! of the same user, no swapping. It must never be called by a library: it changes the whole process.

use crate::StartError;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Turns core dumps and tracing off, and raises the number of open files to what the owner allows.
/// What fails is only named: a server without it is weaker, not wrong.
#[must_use]
pub fn harden() -> Vec<String> {
    let mut warnings = Vec::new();
    if setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).is_err() {
        warnings.push("core dumps could not be turned off".to_owned());
    }
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        warnings.push("tracing by other processes could not be turned off".to_owned());
    }
    let files = getrlimit(Resource::Nofile);
    if files.current != files.maximum
        && setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum }).is_err()
    {
        warnings.push("the number of open files could not be raised".to_owned());
    }
    warnings
}

/// Least limit of locked memory under which a server may run, in bytes. The limit counts address space, of which thread
/// stacks and the allocator's arenas reserve gigabytes; one that is reached later ends the process.
const LOCKED_BYTES_MIN: u64 = 8 << 30;

/// Locks memory as it is used, now and from now on, so that no key reaches a swap device.
///
/// # Errors
/// The system does not allow it, or would stop allowing it while the server runs.
pub fn lock_memory() -> Result<(), StartError> {
    let refused = || {
        StartError::new(
            "memory cannot be locked: allow it (`ulimit -l unlimited`, LimitMEMLOCK=infinity or CAP_IPC_LOCK), \
             or set disable_mlock = true where swap is off or encrypted",
        )
    };
    let limited = getrlimit(Resource::Memlock).current.is_some_and(|bytes| bytes < LOCKED_BYTES_MIN);
    let capable = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if limited && !capable {
        return Err(refused());
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).map_err(|_| refused())
}
