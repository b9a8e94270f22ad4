//! Work that was begun goes on without its client, and work that panicked is not begun again.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn refusal() -> Result<Answer, Refusal> {
    Err(Refusal::from(Error::not_found()))
}

#[tokio::test]
async fn work_is_finished_although_its_client_went_away() {
    let done = Arc::new(AtomicU32::new(0));
    let counted = done.clone();
    let work = Finishing::new(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        counted.fetch_add(1, Ordering::SeqCst);
        refusal()
    });
    assert!(tokio::time::timeout(Duration::from_millis(10), work).await.is_err());
    assert_eq!(done.load(Ordering::SeqCst), 0);
    let finished = async {
        while done.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), finished).await.unwrap();
}

#[tokio::test]
async fn work_that_panicked_is_not_begun_again() {
    let polls = Arc::new(AtomicU32::new(0));
    let counted = polls.clone();
    let mut work = Finishing::new(async move {
        counted.fetch_add(1, Ordering::SeqCst);
        if counted.load(Ordering::SeqCst) > 0 {
            panic!("on purpose");
        }
        refusal()
    });
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(catch_unwind(AssertUnwindSafe(|| Pin::new(&mut work).poll(&mut cx))).is_err());
    assert!(matches!(Pin::new(&mut work).poll(&mut cx), Poll::Ready(Err(_))));
    drop(work);
    tokio::task::yield_now().await;
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_header_that_cannot_stand_on_the_wire_is_left_out() {
    let wire = WireResponse {
        status: 99,
        headers: vec![("x-good", "1".to_owned()), ("x-bad", "a\r\nset-cookie: b".to_owned())],
        body: SecretBytes::new(b"{}".to_vec()),
    };
    let response = into_http(wire);
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-good") && !response.headers().contains_key("x-bad"));
}
