//! One declaration, many products: router, required capability, unknown-field warnings, reference, help, metric labels
//! and the authorisation-coverage test all read a row of this table. A row must never depend on state.

use cardea_model::params::Params;
use cardea_model::secret::SecretAnswer;
use cardea_model::{Action, Body, Envelope, Error, Method};
use serde::de::DeserializeOwned;

/// One row: facts that need no types, and the function that makes the typed operation.
pub struct Route<Op: 'static> {
    pub facts: RouteFacts,
    pub bind: fn(&Params) -> Result<Bound<Op>, Error>,
}

/// What may be known of a route without its operation.
pub struct RouteFacts {
    /// Unique in its engine, such as `data-read`.
    pub name: &'static str,
    pub method: Method,
    /// See [`crate::pattern`].
    pub pattern: &'static str,
    pub access: Access,
    pub rule: ActionRule,
    pub envelope: Envelope,
    /// Status of success, where it is not 200 with a body and 204 without.
    pub status: Option<u16>,
    /// How a typed answer looks when the request was a path.
    pub shape: Option<fn(SecretAnswer) -> Result<Body, Error>>,
    /// Members of the request whose values the log keeps in clear; all others are hashed.
    pub clear: &'static [&'static str],
    /// Members of the answer whose values the log keeps in clear; the others are left out.
    pub clear_answer: &'static [&'static str],
    /// Members of the answer that the log keeps as keyed hashes.
    pub hashed_answer: &'static [&'static str],
    pub help: &'static str,
    /// An example body, or empty.
    pub example: &'static str,
    /// Whether a request leaves a record in the log. False only for what the golden list of unrecorded routes names.
    pub recorded: bool,
}

/// Who may come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody, without a token.
    Anonymous,
    /// Anybody; the route judges and vouches. Only auth methods have such routes.
    Login,
    /// Anybody with a valid token; the operation decides by what the caller may do elsewhere.
    Authenticated,
    /// Whoever a policy allows.
    Policy,
    /// Whoever a policy allows with `sudo`.
    Sudo,
    /// The same; but anybody, where the owner's configuration says so: then the route judges by shares of the seal alone.
    SudoOrShares,
}

/// Which capability a route needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionRule {
    Fixed(Action),
    /// `create` if the thing does not exist yet, else `update`.
    CreateOrUpdate,
}

/// A typed operation, and the request's members that it did not know.
pub struct Bound<Op> {
    pub op: Op,
    pub unknown: Vec<String>,
}

impl<Op> Bound<Op> {
    /// An operation without parameters: every member is unknown.
    pub fn plain(params: &Params, op: Op) -> Result<Self, Error> {
        Ok(Self { op, unknown: params.names().into_iter().map(str::to_owned).collect() })
    }

    /// An operation made of one typed request.
    pub fn read<T: DeserializeOwned>(params: &Params, make: impl FnOnce(T) -> Op) -> Result<Self, Error> {
        let read = params.read::<T>()?;
        Ok(Self { op: make(read.value), unknown: read.unknown })
    }

    /// The same where making the operation can fail.
    pub fn try_read<T: DeserializeOwned>(
        params: &Params,
        make: impl FnOnce(T) -> Result<Op, Error>,
    ) -> Result<Self, Error> {
        let read = params.read::<T>()?;
        Ok(Self { op: make(read.value)?, unknown: read.unknown })
    }
}

impl<Op> Route<Op> {
    const fn row(
        name: &'static str,
        method: Method,
        action: Action,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self {
            facts: RouteFacts {
                name,
                method,
                pattern,
                access: Access::Policy,
                rule: ActionRule::Fixed(action),
                envelope: Envelope::Standard,
                status: None,
                shape: None,
                clear: &[],
                clear_answer: &[],
                hashed_answer: &[],
                help: "",
                example: "",
                recorded: true,
            },
            bind,
        }
    }

    pub const fn read(
        name: &'static str,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self::row(name, Method::Read, Action::Read, pattern, bind)
    }
    pub const fn list(
        name: &'static str,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self::row(name, Method::List, Action::List, pattern, bind)
    }
    pub const fn write(
        name: &'static str,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self::row(name, Method::Write, Action::Update, pattern, bind)
    }
    pub const fn patch(
        name: &'static str,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self::row(name, Method::Patch, Action::Patch, pattern, bind)
    }
    pub const fn delete(
        name: &'static str,
        pattern: &'static str,
        bind: fn(&Params) -> Result<Bound<Op>, Error>,
    ) -> Self {
        Self::row(name, Method::Delete, Action::Delete, pattern, bind)
    }

    /// A write that needs `create` where nothing is yet.
    pub const fn upsert(mut self) -> Self {
        self.facts.rule = ActionRule::CreateOrUpdate;
        self
    }
    /// Needs this capability whatever the method says.
    pub const fn action(mut self, action: Action) -> Self {
        self.facts.rule = ActionRule::Fixed(action);
        self
    }
    pub const fn access(mut self, access: Access) -> Self {
        self.facts.access = access;
        self
    }
    pub const fn envelope(mut self, envelope: Envelope) -> Self {
        self.facts.envelope = envelope;
        self
    }
    pub const fn status(mut self, status: u16) -> Self {
        self.facts.status = Some(status);
        self
    }
    pub const fn shape(mut self, shape: fn(SecretAnswer) -> Result<Body, Error>) -> Self {
        self.facts.shape = Some(shape);
        self
    }
    pub const fn clear(mut self, names: &'static [&'static str]) -> Self {
        self.facts.clear = names;
        self
    }
    pub const fn clear_answer(mut self, names: &'static [&'static str]) -> Self {
        self.facts.clear_answer = names;
        self
    }
    pub const fn hashed_answer(mut self, names: &'static [&'static str]) -> Self {
        self.facts.hashed_answer = names;
        self
    }
    pub const fn help(mut self, help: &'static str) -> Self {
        self.facts.help = help;
        self
    }
    pub const fn example(mut self, example: &'static str) -> Self {
        self.facts.example = example;
        self
    }
    pub const fn unrecorded(mut self) -> Self {
        self.facts.recorded = false;
        self
    }
}
