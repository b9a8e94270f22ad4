//! One story, told again and again from the same beginning: broken at its first numbered point, then at its second, until there is
//! none left, and in each way that a point can break. It must never decide what is wrong: the story does.

use crate::server::TestServer;
use cardea_storage::{Break, FaultPlan};
use std::sync::Arc;

/// What came of the tellings that broke in one way.
#[derive(Default)]
pub struct Seen {
    /// How often somebody stood before a shut door, or it did not end well.
    shut: u64,
    /// What was left behind that should not be.
    left: usize,
    faults: Vec<String>,
    place: String,
}

impl Seen {
    pub fn shut(&mut self, words: &str) {
        self.shut += 1;
        self.faults.push(format!("{}: {words}", self.place));
    }

    pub fn left(&mut self, what: &[String]) {
        self.left += what.len();
        if !what.is_empty() {
            self.faults.push(format!("{}: left behind: {what:?}", self.place));
        }
    }
}

/// Tells the story from forks of one server, which are unsealed and armed. Prints a row for each way to break, and returns what
/// was wrong. More points than `points_max` no story has.
pub async fn at_every_point(
    prepared: &TestServer,
    label: &str,
    points_max: u64,
    mut story: impl AsyncFnMut(&mut TestServer, &Arc<FaultPlan>, &mut Seen),
) -> Vec<String> {
    let mut faults = Vec::new();
    println!("{:<24} {:<12} {:>6} {:>6} {:>6}", "story", "break", "points", "shut", "left");
    for how in Break::ALL {
        let (mut seen, mut points) = (Seen::default(), 0);
        for at in 1.. {
            assert!(at < points_max, "{label} has no end");
            seen.place = format!("{label}, {how:?} at {at}");
            let mut server = prepared.fork(&format!("{label} {how:?} {at}"));
            server.unseal().await;
            let plan = FaultPlan::new(at, how);
            server.arm(&plan);
            story(&mut server, &plan, &mut seen).await;
            if !plan.reached() {
                break;
            }
            points = at;
        }
        println!("{label:<24} {:<12} {points:>6} {:>6} {:>6}", format!("{how:?}"), seen.shut, seen.left);
        faults.append(&mut seen.faults);
    }
    faults
}
