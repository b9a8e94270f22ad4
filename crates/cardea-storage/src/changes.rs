//! The bounded memory of recent changes behind `watch`. It must never forget silently: what it dropped it reports as
//! [`ReadError::Behind`].

use std::collections::VecDeque;

use crate::store::{Change, ReadError, Revision};

/// Most changes kept: a follower that lags further re-reads, which is cheaper than the memory (about 2 MiB of short keys).
const CHANGES_MAX: usize = 16_384;
/// Most bytes of keys kept, for the rare store of long keys.
const CHANGES_BYTES_MAX: usize = 4 << 20;

pub(crate) struct ChangeRing {
    changes: VecDeque<Change>,
    size_bytes: usize,
    /// Every change of a revision greater than this one is kept.
    floor: Revision,
}

impl ChangeRing {
    pub(crate) fn new(floor: Revision) -> Self {
        Self { changes: VecDeque::new(), size_bytes: 0, floor }
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.size_bytes += change.key.len();
        self.changes.push_back(change);
        while self.changes.len() > CHANGES_MAX || self.size_bytes > CHANGES_BYTES_MAX {
            let Some(oldest) = self.changes.front().map(|change| change.revision) else { break };
            // Whole commits only: a follower must never see half of one.
            while self.changes.front().is_some_and(|change| change.revision == oldest) {
                if let Some(dropped) = self.changes.pop_front() {
                    self.size_bytes -= dropped.key.len();
                }
            }
            self.floor = oldest;
        }
    }

    /// Changes in `after..=upto`, whole commits, about `limit`; empty when there are none yet.
    pub(crate) fn after(&self, after: Revision, upto: Revision, limit: usize) -> Result<Vec<Change>, ReadError> {
        if after < self.floor {
            return Err(ReadError::Behind { current: upto });
        }
        let start = self.changes.partition_point(|change| change.revision <= after);
        let end = self.changes.partition_point(|change| change.revision <= upto);
        let mut found: Vec<Change> = Vec::new();
        for change in self.changes.range(start..end.max(start)) {
            if found.len() >= limit.max(1) && found.last().is_some_and(|last| last.revision != change.revision) {
                break;
            }
            found.push(change.clone());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_whole_commits_and_says_so() {
        let mut ring = ChangeRing::new(Revision(0));
        for n in 0..(CHANGES_MAX as u64 + 2) {
            ring.push(Change { revision: Revision(1 + n / 4), key: vec![1] });
        }
        let top = Revision(1 + (CHANGES_MAX as u64 + 1) / 4);
        assert_eq!(ring.after(Revision(0), top, 10), Err(ReadError::Behind { current: top }));
        let kept = ring.after(Revision(1), top, 6).unwrap();
        assert_eq!(kept.len(), 8, "two whole commits of four");
        assert_eq!(kept[0].revision, Revision(2));
        assert!(ring.after(top, top, 10).unwrap().is_empty());
    }
}
