//! What Linux tells about a process and the machine: processor time, anonymous memory, affinity, names. It reads `/proc`
//! and sets the affinity of its own threads; it never touches a process that this program did not start.

use std::{
    fs,
    process::{Child, Command},
    thread,
    time::Duration,
};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;

/// Numbers of processors, as `taskset -c` counts them.
pub type Cpus = Vec<usize>;

/// Processor time (user and system, all threads, dead ones too) that a process has used; `None` for this process.
/// Resolution is one tick of the system, commonly 10 ms.
pub fn cpu_time(pid: Option<u32>) -> Result<Duration, BenchError> {
    let stat = fs::read_to_string(proc_file(pid, "stat")).map_err(BenchError::io("reading /proc/<pid>/stat"))?;
    ticks_of(&stat)
        .map(|ticks| Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
        .ok_or_else(|| BenchError::Setup("/proc/<pid>/stat has an unexpected form".into()))
}

/// The sum of user and system ticks in a line of `/proc/<pid>/stat`. The command's name may hold blanks and brackets, so
/// the fields are counted after its last closing bracket.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Anonymous resident memory in bytes (file mappings apart), or `None` when the process is gone.
pub fn rss_anon_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(proc_file(Some(pid), "status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

fn proc_file(pid: Option<u32>, name: &str) -> String {
    match pid {
        Some(pid) => format!("/proc/{pid}/{name}"),
        None => format!("/proc/self/{name}"),
    }
}

/// Confines the calling thread, and what it starts from now on, to the given processors.
pub fn confine_this_thread(cpus: &[usize]) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    sched_setaffinity(None, &set)
        .map_err(|errno| BenchError::Io { what: "setting the processors of a thread", source: errno.into() })
}

/// Starts a child on the given processors (anywhere when `None`). A thread of its own starts it, because a child takes
/// the affinity of the thread that forked it.
pub fn spawn_on(cpus: Option<&[usize]>, command: &mut Command) -> Result<Child, BenchError> {
    thread::scope(|scope| {
        let starter = scope.spawn(|| {
            if let Some(cpus) = cpus {
                confine_this_thread(cpus)?;
            }
            command.spawn().map_err(BenchError::io("starting a child process"))
        });
        starter.join().unwrap_or_else(|_| Err(BenchError::Setup("the thread that starts children died".into())))
    })
}

/// A child that is killed when it goes out of scope, so that no run leaves a server behind.
pub struct Guarded(Child);

impl Guarded {
    /// Takes over a child.
    pub fn new(child: Child) -> Guarded {
        Guarded(child)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// `kill -9` and wait: the harshest end, which a restart has to cope with.
    pub fn kill(&mut self) {
        // A child that has ended already is what was wanted.
        let _already_gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The machine a run took place on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the first processor.
    pub processor: String,
    /// Processors online.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// One-minute load average when the run began.
    pub load_average: f64,
}

impl Machine {
    /// Reads the facts; what cannot be read is named so.
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let cpuinfo = read("/proc/cpuinfo");
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        Machine {
            processor: field(&cpuinfo, "model name").unwrap_or_else(|| "unknown".into()),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(1),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024,
            load_average: read("/proc/loadavg").split(' ').next().and_then(|v| v.parse().ok()).unwrap_or(0.0),
        }
    }
}

/// Reads a list such as `0,2-3`.
pub fn parse_cpus(text: &str) -> Result<Cpus, String> {
    let mut cpus = Cpus::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| "not a list of processors".to_owned());
        let (low, high) = (number(low)?, number(high)?);
        if high < low || high >= CpuSet::MAX_CPU {
            return Err("not a list of processors".into());
        }
        cpus.extend(low..=high);
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_hostile_names() {
        let tail = "S 1 1 1 0 -1 4194560 5 6 7 8 30 12 0 0 20 0 1 0";
        for name in ["(cardea)", "(a b)", "(a) b) 9 9)"] {
            assert_eq!(ticks_of(&format!("17 {name} {tail}")), Some(42), "{name}");
        }
        assert_eq!(ticks_of("17 (x"), None);
    }

    #[test]
    fn lists_of_processors() {
        for (text, expected) in [("0", vec![0]), ("0,2-3", vec![0, 2, 3]), ("1-1", vec![1])] {
            assert_eq!(parse_cpus(text), Ok(expected), "{text}");
        }
        for text in ["", "a", "3-1", "0,", "99999"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn this_process_has_memory_and_time() {
        assert!(rss_anon_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(cpu_time(None).is_ok());
        assert!(Machine::here().cores >= 1);
    }

    #[test]
    fn children_take_the_affinity_and_end_with_their_guard() {
        let child = spawn_on(Some(&[0]), Command::new("sleep").arg("60")).unwrap();
        let pid = child.id();
        let guarded = Guarded::new(child);
        let allowed = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(allowed.lines().any(|line| line.starts_with("Cpus_allowed_list:") && line.ends_with("\t0")));
        drop(guarded);
        assert!(fs::metadata(format!("/proc/{pid}/status")).is_err());
    }
}
