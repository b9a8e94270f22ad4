//! What a connection does beside its requests: it looks at the clock, and waits to be told to end. Each request polls the
//! connection's task several times; this part of it is polled only when something woke it, which took a microsecond off
//! every request. It must never be left asleep: the first poll always runs, and so does the first after every wake.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only when it was woken itself, not when its task was.
pub(super) struct Aside<F> {
    inner: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl<F: Future> Aside<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) });
        Self { inner: Box::pin(inner), waker: Waker::from(bell.clone()), bell }
    }
}

impl<F: Future> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        {
            let mut task = this.bell.task.lock().unwrap_or_else(PoisonError::into_inner);
            if !task.will_wake(cx.waker()) {
                task.clone_from(cx.waker());
            }
        }
        // Read after the task is known: who rings from now on wakes this one.
        if !this.bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.inner.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_wakes_the_task_that_polled_last() {
        let (notify, polls) = (Notify::new(), Rc::new(Cell::new(0)));
        let mut waiting = Box::pin(notify.notified());
        let counted = polls.clone();
        let mut aside = Box::pin(Aside::new(std::future::poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            waiting.as_mut().poll(cx)
        })));
        let tasks = [Arc::new(Counted::default()), Arc::new(Counted::default())];
        let mut poll = |task: usize| {
            let waker = Waker::from(tasks[task].clone());
            aside.as_mut().poll(&mut Context::from_waker(&waker))
        };
        assert!(poll(0).is_pending() && poll(0).is_pending() && poll(1).is_pending());
        assert_eq!(polls.get(), 1, "polled once, and left alone");
        notify.notify_one();
        let woken = tasks.each_ref().map(|task| task.0.load(Ordering::SeqCst));
        assert_eq!(woken, [0, 1]);
        assert!(poll(1).is_ready());
        assert_eq!(polls.get(), 2);
    }
}
