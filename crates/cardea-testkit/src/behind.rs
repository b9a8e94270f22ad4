//! What all systems behind a server have in common: clones are the same one, a fork begins in the same state, and a plan of
//! faults counts and breaks their calls. It must never answer a call itself.

use cardea_sdk::ExternalError;
use cardea_storage::failing::{Fault, FaultPlan, Point};
use std::sync::{Arc, Mutex, MutexGuard};

/// A system in this state.
pub struct Behind<S> {
    state: Arc<Mutex<S>>,
    plan: Arc<Mutex<Arc<FaultPlan>>>,
}

impl<S> Clone for Behind<S> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), plan: self.plan.clone() }
    }
}

impl<S: Default> Default for Behind<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

impl<S> Behind<S> {
    fn new(state: S) -> Self {
        Self { state: Arc::new(Mutex::new(state)), plan: Arc::new(Mutex::new(FaultPlan::quiet())) }
    }

    pub fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap()
    }

    /// From now on calls are counted and broken by this plan.
    pub fn arm(&self, plan: Arc<FaultPlan>) {
        *self.plan.lock().unwrap() = plan;
    }

    /// One call begins: counted, and broken if the plan says so, or nobody is there. What is `lost` is an answer.
    ///
    /// # Errors
    /// Nothing happens at the source.
    pub fn admit(&self, is_down: bool, lost: impl Fn() -> ExternalError) -> Result<Fault, ExternalError> {
        match self.plan.lock().unwrap().hit(Point::External) {
            Fault::Abort => Err(lost()),
            fault if is_down || fault == Fault::Refuse => {
                Err(ExternalError::unreachable("the source cannot be reached", "connection refused"))
            }
            fault => Ok(fault),
        }
    }
}

impl<S: Clone> Behind<S> {
    /// Another one in the same state.
    pub fn fork(&self) -> Self {
        Self::new(self.state().clone())
    }
}
