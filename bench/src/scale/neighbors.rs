//! What everybody else on the machine is doing: a latency measured beside a compiler is the compiler's. It reads
//! `/proc/stat` and must never touch a process.

use std::fs;

use crate::{error::BenchError, process::cpu_time};

/// More processors than this taken by others make a latency doubtful.
pub const BUSY_LIMIT: f64 = 0.25;

/// Processor time so far, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// By the server.
    pub server_s: f64,
    /// By everybody but the server and this program.
    pub others_s: f64,
}

impl Taken {
    /// Up to now.
    pub fn now(server: u32) -> Result<Taken, BenchError> {
        let stat = fs::read_to_string("/proc/stat").map_err(BenchError::io("reading /proc/stat"))?;
        let ticks = busy_ticks(&stat).ok_or_else(|| BenchError::Setup("/proc/stat has an unexpected form".into()))?;
        let all_s = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        let server_s = cpu_time(Some(server))?.as_secs_f64();
        Ok(Taken { server_s, others_s: all_s - server_s - cpu_time(None)?.as_secs_f64() })
    }
}

/// Ticks of all processors that were neither idle nor waiting; those that a hypervisor took are among them.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = fields.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in the first two.
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(user + nice + system + irq + softirq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_nobodys() {
        let cases = [
            ("cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 9 9 9 9 9 9 9 9\n", Some(21)),
            ("cpu  1 2 3 1000 2000 4 5\n", None),
            ("", None),
        ];
        for (stat, ticks) in cases {
            assert_eq!(busy_ticks(stat), ticks, "{stat}");
        }
        assert!(Taken::now(std::process::id()).is_ok());
    }
}
