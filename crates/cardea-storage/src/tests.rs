//! The conformance suite over the memory store and the failing store, and what the fault plan promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::conformance::{self, Subject};
use crate::{Batch, Break, Clock, CommitError, FailingStore, Fault, FaultPlan, MemoryStore, Point, Store};

/// A clock that jumps back now and then: store time must not.
fn jumpy() -> Clock {
    let ticks = AtomicU64::new(0);
    Arc::new(move || {
        let tick = ticks.fetch_add(1, Ordering::Relaxed);
        1_000_000 + tick - (tick % 7) * 3
    })
}

struct Memory(std::sync::Mutex<Option<MemoryStore>>);

#[async_trait]
impl Subject for Memory {
    async fn fresh(&self) -> Result<Arc<dyn Store>, String> {
        let store = MemoryStore::new(jumpy());
        *self.0.lock().unwrap() = Some(store.clone());
        Ok(Arc::new(store))
    }
    async fn reopen(&self, _: Arc<dyn Store>) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::new(self.0.lock().unwrap().clone().unwrap()))
    }
}

struct Failing;

#[async_trait]
impl Subject for Failing {
    async fn fresh(&self) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::new(FailingStore::new(MemoryStore::new(jumpy()), FaultPlan::quiet())))
    }
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::new(FailingStore::new(store, FaultPlan::quiet())))
    }
}

#[tokio::test]
async fn memory_conforms() {
    conformance::run(&Memory(std::sync::Mutex::new(None))).await.unwrap();
}

#[tokio::test]
async fn failing_without_faults_conforms() {
    conformance::run(&Failing).await.unwrap();
}

#[tokio::test]
async fn each_break_does_what_its_name_says() {
    // (break, commits that happened of three, errors of the three calls)
    let unknown = |e: &CommitError| matches!(e, CommitError::Unknown(_));
    for how in Break::ALL {
        let disk = MemoryStore::new(jumpy());
        let plan = FaultPlan::new(2, how);
        let store = FailingStore::new(disk.clone(), plan.clone());
        let mut failed = Vec::new();
        for n in 0..3 {
            failed.push(store.commit(Batch::new().put(format!("{n}"), "v")).await.err());
        }
        let there: Vec<bool> =
            disk.get(&[b"0", b"1", b"2"]).await.unwrap().values.iter().map(Option::is_some).collect();
        assert!(failed[0].is_none() && plan.reached());
        let second = failed[1].as_ref().unwrap();
        match how {
            Break::Refuse => {
                assert_eq!(there, [true, false, true]);
                assert!(matches!(second, CommitError::Unavailable(_)) && failed[2].is_none());
            }
            Break::LoseAnswer => {
                assert_eq!(there, [true, true, true]);
                assert!(unknown(second) && failed[2].is_none());
            }
            Break::AbortBefore | Break::AbortAfter => {
                assert_eq!(there, [true, how == Break::AbortAfter, false]);
                assert!(unknown(second) && failed[2].is_some() && plan.aborted());
                assert!(store.get(&[b"0"]).await.is_err(), "the process is gone");
                assert_eq!(plan.hit(Point::External), Fault::Abort);
            }
        }
    }
}

#[tokio::test]
async fn runs_end_when_the_point_is_not_reached() {
    let mut runs = 0;
    for n in 1.. {
        let plan = FaultPlan::new(n, Break::Refuse);
        let store = FailingStore::new(MemoryStore::new(jumpy()), plan.clone());
        for k in 0..5 {
            let _ = store.commit(Batch::new().append(format!("{k}"))).await;
            let _ = plan.hit(Point::External);
            let _ = plan.hit(Point::Read);
        }
        runs += 1;
        if !plan.reached() {
            assert_eq!(plan.hits(), 10, "reads are not numbered unless asked for");
            break;
        }
    }
    assert_eq!(runs, 11);
}

/// Leaves bytes as they are.
struct Bare;

impl crate::record::Codec for Bare {
    fn seal(&self, _: &str, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, cardea_model::Error> {
        Ok(plain.to_vec())
    }
    fn open(&self, _: &str, _: &[u8], sealed: &[u8]) -> Result<crate::record::Wiped, cardea_model::Error> {
        Ok(crate::record::Wiped::new(sealed.to_vec()))
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Thing {
    n: u64,
}
crate::json_record!(Thing, "thing", 1, cached);

#[tokio::test]
async fn what_was_looked_at_ahead_is_read_once_and_watched() {
    let memory = MemoryStore::new(jumpy());
    let plain = crate::txn::SealedStore::new(Arc::new(memory.clone()), Arc::new(Bare));
    let write = async |n| {
        let mut txn = plain.txn();
        txn.put(b"a/thing/x", &Thing { n }).unwrap();
        txn.commit().await.unwrap();
    };
    write(1).await;
    let calls = FaultPlan::with_reads(0, Break::Refuse);
    let counted = crate::txn::SealedStore::new(Arc::new(FailingStore::new(memory, calls.clone())), Arc::new(Bare));
    let mut txn = counted.txn();
    assert_eq!(txn.peek_ahead::<Thing>(b"a/thing/x").await.unwrap().unwrap().n, 1);
    assert_eq!(calls.hits(), 1);
    write(2).await;
    assert_eq!(txn.get::<Thing>(b"a/thing/x").await.unwrap().unwrap().n, 1, "what was found then");
    assert_eq!(calls.hits(), 1);
    assert_eq!(txn.peek::<Thing>(b"a/thing/x").await.unwrap().unwrap().n, 2, "and that once");
    assert_eq!(calls.hits(), 2);
    txn.put(b"a/thing/y", &Thing { n: 3 }).unwrap();
    assert_eq!(txn.commit().await.err(), Some(CommitError::Conflict), "it was read, so that a change since is seen");
    assert!(counted.txn().peek_ahead::<Thing>(b"a/thing/none").await.unwrap().is_none());
}
