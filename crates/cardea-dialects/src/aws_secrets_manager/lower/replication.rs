//! Replication to the other regions that the owner named: each is a door of this one server. It must never name a region that
//! no request could come from.

use super::super::inputs::{RemoveRegions, Replica, Replicate};
use super::super::names;
use super::{Asked, INVALID_PARAMETER, key_id};
use crate::aws::json::{self, Fault};
use cardea_model::SecretOp;
use cardea_model::operation::{Replicas, SecretAct};
use cardea_model::secret::SecretReplica;
use std::collections::BTreeMap;

impl Asked<'_> {
    pub(super) fn replicate(&mut self) -> Result<SecretOp, Fault> {
        let input: Replicate = json::input(self.wire)?;
        input.check()?;
        let replicas = self.replicas(input.add_replica_regions, input.force_overwrite_replica_secret)?;
        self.one(input.secret_id.as_ref(), SecretAct::Replicate(replicas))
    }

    pub(super) fn remove_regions(&mut self) -> Result<SecretOp, Fault> {
        let input: RemoveRegions = json::input(self.wire)?;
        input.check()?;
        self.one(input.secret_id.as_ref(), SecretAct::RemoveReplicas(input.remove_replica_regions.unwrap_or_default()))
    }

    /// The regions that a secret shall be in as well. To say one again changes its key.
    pub(super) fn replicas(&self, given: Option<Vec<Replica>>, force: Option<bool>) -> Result<Replicas, Fault> {
        let known = names::replica_regions(self.config);
        let mut replicas = BTreeMap::new();
        for replica in given.unwrap_or_default() {
            let region = replica.region.unwrap_or_default();
            if region == self.region {
                return Err(Fault::new(INVALID_PARAMETER, "You can't replicate a secret to its own region."));
            }
            if !known.contains(&region.as_str()) || json::partition(&region) != json::partition(&self.region) {
                return Err(Fault::new(INVALID_PARAMETER, "A region is none that this server replicates to."));
            }
            let key_id = key_id(replica.kms_key_id).filter(|id| !id.is_empty());
            if replicas.insert(region, SecretReplica { key_id, taken: false }).is_some() {
                return Err(Fault::new(INVALID_PARAMETER, "A region stands more than once."));
            }
        }
        Ok(Replicas { regions: replicas, force: force.unwrap_or_default() })
    }
}
