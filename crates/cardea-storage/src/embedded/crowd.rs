//! Who waits for one sync: all commits of a group have one place to wait at, and one outcome. The thread that syncs wakes
//! one of them; whoever is woken wakes the others, from a thread of the runtime, where that costs a push onto its own
//! queue instead of a lock and perhaps a switch of threads for each. It must never leave anybody asleep: the outcome
//! stands before the first is woken, one that goes away passes the call on, and the syncing thread looks again.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How a sync ended; `Err` carries the reason why nobody can say whether it is durable.
pub(crate) type Ended = Result<(), Arc<str>>;

/// The waiters of one group.
#[derive(Default)]
pub(crate) struct Crowd(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    places: usize,
    /// One for each place that was waited at; `None` where nobody waits any longer.
    sleepers: Vec<Option<Waker>>,
    ended: Option<Ended>,
    /// Those whom the one that was woken shall wake.
    called: Vec<Waker>,
}

impl Crowd {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more who waits.
    pub(crate) fn join(self: &Arc<Self>) -> Place {
        let mut inner = self.lock();
        inner.places += 1;
        let number = inner.sleepers.len();
        inner.sleepers.push(None);
        Place { crowd: self.clone(), number: Some(number) }
    }

    /// How many joined.
    pub(crate) fn size(&self) -> usize {
        self.lock().places
    }

    /// The outcome: whoever comes later finds it, one of those who sleep is woken.
    pub(crate) fn end(&self, ended: Ended) {
        let first = {
            let mut inner = self.lock();
            inner.ended.get_or_insert(ended);
            let sleepers = std::mem::take(&mut inner.sleepers);
            inner.called.extend(sleepers.into_iter().flatten());
            inner.called.pop()
        };
        if let Some(first) = first {
            first.wake();
        }
    }

    /// Wakes those who still sleep after the end; whether there were any.
    pub(crate) fn call(&self) -> bool {
        let called = {
            let mut inner = self.lock();
            if inner.called.is_empty() {
                return false;
            }
            std::mem::take(&mut inner.called)
        };
        called.into_iter().for_each(Waker::wake);
        true
    }

    /// Whether some were not woken yet.
    pub(crate) fn sleeps(&self) -> bool {
        !self.lock().called.is_empty()
    }
}

/// A place in the crowd: ready once the sync has ended.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    /// `None` once it was left.
    number: Option<usize>,
}

impl Future for Place {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let (ended, called) = {
            let mut inner = self.crowd.lock();
            match inner.ended.clone() {
                Some(ended) => (ended, std::mem::take(&mut inner.called)),
                None => {
                    if let Some(sleeper) = self.number.and_then(|number| inner.sleepers.get_mut(number)) {
                        match sleeper {
                            Some(waker) => waker.clone_from(cx.waker()),
                            none => *none = Some(cx.waker().clone()),
                        }
                    }
                    return Poll::Pending;
                }
            }
        };
        self.number = None;
        called.into_iter().for_each(Waker::wake);
        Poll::Ready(ended)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let called = {
            let mut inner = self.crowd.lock();
            if let Some(sleeper) = inner.sleepers.get_mut(number) {
                *sleeper = None;
            }
            std::mem::take(&mut inner.called)
        };
        called.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn asleep(crowd: &Arc<Crowd>) -> (Pin<Box<Place>>, Arc<Counted>) {
        let (mut place, counted) = (Box::pin(crowd.join()), Arc::new(Counted::default()));
        assert!(poll(&mut place, &counted).is_pending());
        (place, counted)
    }

    fn poll(place: &mut Pin<Box<Place>>, counted: &Arc<Counted>) -> Poll<Ended> {
        place.as_mut().poll(&mut Context::from_waker(&Waker::from(counted.clone())))
    }

    fn woken(all: &[(Pin<Box<Place>>, Arc<Counted>)]) -> usize {
        all.iter().filter(|(_, counted)| counted.0.load(Ordering::SeqCst) > 0).count()
    }

    #[test]
    fn one_is_woken_and_wakes_the_others() {
        let crowd = Arc::new(Crowd::default());
        let mut all: Vec<_> = (0..5).map(|_| asleep(&crowd)).collect();
        assert_eq!(crowd.size(), 5);
        crowd.end(Ok(()));
        assert_eq!((woken(&all), crowd.sleeps()), (1, true));
        let at = all.iter().position(|(_, counted)| counted.0.load(Ordering::SeqCst) > 0).unwrap();
        let (place, counted) = &mut all[at];
        assert_eq!(poll(place, &counted.clone()), Poll::Ready(Ok(())));
        assert_eq!((woken(&all), crowd.sleeps()), (5, false));
        assert!(all.iter().all(|(_, counted)| counted.0.load(Ordering::SeqCst) == 1));
    }

    #[test]
    fn whoever_goes_away_passes_the_call_on() {
        let crowd = Arc::new(Crowd::default());
        let mut all: Vec<_> = (0..3).map(|_| asleep(&crowd)).collect();
        crowd.end(Err("lost".into()));
        let at = all.iter().position(|(_, counted)| counted.0.load(Ordering::SeqCst) > 0).unwrap();
        drop(all.remove(at));
        assert_eq!(woken(&all), 2);
        let (place, counted) = &mut all[0];
        assert_eq!(poll(place, &counted.clone()), Poll::Ready(Err("lost".into())));
    }

    #[test]
    fn the_syncing_thread_wakes_those_whom_nobody_woke() {
        let crowd = Arc::new(Crowd::default());
        let all: Vec<_> = (0..3).map(|_| asleep(&crowd)).collect();
        crowd.end(Ok(()));
        assert!(crowd.call() && !crowd.call());
        assert_eq!(woken(&all), 3);
    }

    #[test]
    fn who_went_away_before_the_end_is_not_woken_and_who_comes_after_it_does_not_sleep() {
        let crowd = Arc::new(Crowd::default());
        let (place, gone) = asleep(&crowd);
        drop(place);
        let all = [asleep(&crowd)];
        let mut late = Box::pin(crowd.join());
        crowd.end(Ok(()));
        assert_eq!((woken(&all), gone.0.load(Ordering::SeqCst)), (1, 0));
        assert_eq!(poll(&mut late, &gone), Poll::Ready(Ok(())));
    }
}
