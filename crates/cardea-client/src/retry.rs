//! What is worth asking again, and when. Pure; it must never send anything.

use std::time::Duration;

/// The shortest and longest pause before the first repeat, in milliseconds, as in Vault's Go client; later pauses grow
/// in proportion to their number.
const PAUSE_MS: (u64, u64) = (1_000, 1_500);

/// The longest pause, in seconds, that a server's `Retry-After` can ask for: an interactive command must not hang on it.
const RETRY_AFTER_S_MAX: u64 = 10;

/// Whether a status may be different next time: 412 (a standby that is behind), 429 and every 5xx but 501.
#[must_use]
pub fn is_passing(status: u16) -> bool {
    matches!(status, 412 | 429) || (status >= 500 && status != 501)
}

/// The pause before repeat number `repeat` (from 1). `spread` is any number; it picks the place between the bounds.
#[must_use]
pub fn pause(repeat: u32, retry_after_s: Option<u64>, spread: u64) -> Duration {
    match retry_after_s {
        Some(seconds) => Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)),
        None => {
            let (low, high) = PAUSE_MS;
            Duration::from_millis((low + spread % (high - low)) * u64::from(repeat.max(1)))
        }
    }
}
