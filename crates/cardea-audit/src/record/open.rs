//! A record on its way: filled stage by stage, and written only when its outcome is known. It must never be encodable.

use super::{
    Actor, Cut, Decision, Event, FieldValue, Kind, Mount, Namespace, Operation, Outcome, Param, Params, RECORD_VERSION,
    Record, Repeated, Resource, Response, Source,
};
use crate::class::Public;
use crate::log_time::LogTime;

/// A record whose outcome is not known yet. Boxed: it passes through every stage of a request by value, and more than a
/// kilobyte copied at each of some twenty steps showed in the profile.
#[derive(Clone, Debug)]
#[must_use = "a record that is not completed is never written"]
pub struct OpenRecord(Box<Record>);

impl OpenRecord {
    fn new(kind: Kind, time: LogTime, request_id: &str, node: &str) -> Self {
        Self(Box::new(Record {
            v: RECORD_VERSION,
            kind,
            time,
            request_id: request_id.into(),
            node: node.into(),
            namespace: None,
            dialect: None,
            operation: None,
            path: None,
            resource: None,
            mount: None,
            actor: None,
            source: None,
            headers: Vec::new(),
            params: Vec::new(),
            wrap_ttl_s: None,
            decision: None,
            outcome: None,
            response: None,
            event: None,
            repeated: None,
            cut: Vec::new(),
        }))
    }

    /// Opens the record of a request.
    pub fn request(time: LogTime, request_id: &str, node: &str) -> Self {
        Self::new(Kind::Request, time, request_id, node)
    }

    /// Opens the record of how an intent ended, when its request is no longer at hand (after a restart). `request_id` is the
    /// intent's.
    pub fn outcome(time: LogTime, request_id: &str, node: &str) -> Self {
        Self::new(Kind::Outcome, time, request_id, node)
    }

    /// The complete record of something the server did by itself, in good order. `id` groups the records of one such action.
    #[must_use]
    pub fn event(time: LogTime, id: &str, node: &str, event: Event) -> Record {
        Self::event_with(time, id, node, event, Outcome::ok())
    }

    /// As [`Self::event`], with how it ended.
    #[must_use]
    pub fn event_with(time: LogTime, id: &str, node: &str, event: Event, outcome: Outcome) -> Record {
        let mut open = Self::new(Kind::Event, time, id, node);
        open.0.event = Some(event);
        open.complete(outcome)
    }

    pub fn namespace(mut self, id: &str, path: &str) -> Self {
        self.0.namespace = Some(Namespace { id: id.into(), path: path.into() });
        self
    }

    pub fn dialect(mut self, name: &str) -> Self {
        self.0.dialect = Some(name.into());
        self
    }

    pub fn operation(mut self, operation: impl Into<Operation>) -> Self {
        self.0.operation = Some(operation.into());
        self
    }

    /// The canonical path. What is not canonical is not known to be a path, and is not logged as one.
    pub fn path(mut self, path: &str) -> Self {
        self.0.path = Some(path.into());
        self
    }

    pub fn resource(mut self, resource: Resource) -> Self {
        self.0.resource = Some(resource);
        self
    }

    pub fn mount(mut self, mount: Mount) -> Self {
        self.0.mount = Some(mount);
        self
    }

    pub fn actor(mut self, actor: Actor) -> Self {
        self.0.actor = Some(actor);
        self
    }

    pub fn source(mut self, source: Source) -> Self {
        self.0.source = Some(source);
        self
    }

    pub fn header(mut self, name: &str, value: FieldValue) -> Self {
        self.0.headers.push(Param { name: name.into(), value });
        self
    }

    pub fn param(mut self, name: &str, value: FieldValue) -> Self {
        self.0.params.push(Param { name: name.into(), value });
        self
    }

    /// The parameters of the request, and how many there was no room for.
    pub fn params(mut self, params: Params) -> Self {
        let (list, left_off) = params.into_parts();
        self.0.params = list;
        if left_off > 0 {
            self.0.cut.push(Cut { field: "params".into(), left_off: left_off.into() });
        }
        self
    }

    pub fn wrap_ttl_s(mut self, ttl_s: u64) -> Self {
        self.0.wrap_ttl_s = Some(ttl_s.into());
        self
    }

    pub fn decision(mut self, decision: Decision) -> Self {
        self.0.decision = Some(decision);
        self
    }

    /// Makes this the one record of `count` equal refusals, the first of them at `since`.
    pub fn repeated(mut self, count: u64, since: LogTime) -> Self {
        self.0.repeated = Some(Repeated { count: count.into(), since: since.into() });
        self
    }

    /// What the record knows so far.
    #[must_use]
    pub fn so_far(&self) -> &Record {
        &self.0
    }

    /// The record of the intent: all that is known before an external source is touched, written before it is.
    #[must_use]
    pub fn intent(&self, subject: Event) -> Record {
        let mut record = (*self.0).clone();
        record.kind = Kind::Intent;
        record.event = Some(subject);
        record
    }

    /// Turns the open record of a request into that of the outcome of its intent, at a later time. Parameters and headers
    /// stand in the intent's record already and are not repeated.
    pub fn after_intent(mut self, time: LogTime) -> Self {
        self.0.kind = Kind::Outcome;
        self.0.time = time;
        self.0.headers = Vec::new();
        self.0.params = Vec::new();
        self.0.cut = Vec::new();
        self
    }

    /// What the answer gives out.
    pub fn response(mut self, response: Response) -> Self {
        self.0.response = Some(response);
        self
    }

    /// The parameters of the answer, and how many there was no room for.
    pub fn response_params(mut self, params: Params) -> Self {
        let (list, left_off) = params.into_parts();
        self.0.response.get_or_insert_with(Response::default).params = list;
        if left_off > 0 {
            self.0.cut.push(Cut { field: "response.params".into(), left_off: Public::new(left_off) });
        }
        self
    }

    /// The record, now that it is known how it ended.
    #[must_use]
    pub fn complete(mut self, outcome: Outcome) -> Record {
        self.0.outcome = Some(outcome);
        *self.0
    }

    /// The reverse of [`Self::complete`], for a record that was not written: what carried it will be tried again, and may
    /// end otherwise.
    pub fn reopened(unwritten: Record) -> Self {
        Self(Box::new(Record { outcome: None, response: None, resource: None, ..unwritten }))
    }
}
