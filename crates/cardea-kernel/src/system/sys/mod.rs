//! `sys/`: mounts, policies, leases, wrapping, audit, keys. Each concern is a file with its own operations and its own part
//! of the route table; this file only joins them.

pub mod audit;
pub mod capabilities;
pub mod generate_root;
pub mod keys;
pub mod leases;
pub mod mounts;
pub mod policies;
pub mod posture;
pub mod request_headers;
pub mod tools;
pub mod wrapping;

use super::upgrade;
use crate::active::Active;
use async_trait::async_trait;
use cardea_model::Error;
use cardea_sdk::external::External;
use cardea_sdk::route::Route;
use cardea_sdk::{Context, Engine, Outcome};
use std::sync::{LazyLock, Weak};

/// The engine of `sys/`.
pub struct Sys {
    active: Weak<Active>,
    leases: leases::LeaseEffects,
}

impl Sys {
    #[must_use]
    pub fn new(active: Weak<Active>) -> Self {
        Self { leases: leases::LeaseEffects::new(active.clone()), active }
    }
}

/// Every operation of `sys/`.
pub enum Op {
    Mounts(mounts::Op),
    Policies(policies::Op),
    Posture(posture::Op),
    Capabilities(capabilities::Op),
    Leases(leases::Op),
    Wrapping(wrapping::Op),
    Audit(audit::Op),
    Keys(keys::Op),
    GenerateRoot(generate_root::Op),
    RequestHeaders(request_headers::Op),
    Tools(tools::Op),
}

static ROUTES: LazyLock<Vec<Route<Op>>> = LazyLock::new(|| {
    let parts = [
        mounts::routes(),
        policies::routes(),
        posture::routes(),
        capabilities::routes(),
        leases::routes(),
        wrapping::routes(),
        audit::routes(),
        keys::routes(),
        generate_root::routes(),
        request_headers::routes(),
        tools::routes(),
    ];
    parts.into_iter().flatten().collect()
});

#[async_trait]
impl Engine for Sys {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "system"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        &ROUTES
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        let active = upgrade(&self.active)?;
        match op {
            Op::Mounts(op) => mounts::handle(&active, cx, op).await,
            Op::Policies(op) => policies::handle(&active, cx, op).await,
            Op::Posture(op) => posture::handle(&active, cx, op).await,
            Op::Capabilities(op) => capabilities::handle(&active, cx, op).await,
            Op::Leases(op) => leases::handle(&active, cx, op).await,
            Op::Wrapping(op) => wrapping::handle(&active, cx, op).await,
            Op::Audit(op) => audit::handle(&active, cx, op).await,
            Op::Keys(op) => keys::handle(&active, cx, op).await,
            Op::RequestHeaders(op) => request_headers::handle(&active, cx, op).await,
            Op::GenerateRoot(op) => generate_root::handle(&active, cx, op).await,
            Op::Tools(op) => tools::handle(&active, cx, op).await,
        }
    }

    fn external(&self) -> Option<&dyn External> {
        Some(&self.leases)
    }
}
