//! Keys of several regions: the regions that the owner listed are doors of this one server. It must never name one that no
//! signature could name.

use super::super::inputs::{Input, chars};
use super::{Asked, tags_of};
use crate::aws::json::{self, Checks, Fault};
use crate::aws::sigv4::Expected;
use crate::aws_kms::names;
use cardea_model::key::NewReplica;
use cardea_model::{KeyOp, Params};
use std::collections::BTreeMap;

const REGION_CHARS_MAX: usize = 32;
const REGION_PATTERN: &str = r"^([a-z]+-){2,3}\d+$";

impl Asked<'_> {
    pub(super) fn replicate(&mut self, mut input: Input) -> Result<KeyOp, Fault> {
        let region = self.listed("replicaRegion", input.replica_region.as_ref())?;
        if region == self.region {
            return Err(Fault::validation("The replica region must be another than that of the primary key."));
        }
        let document = match &input.policy {
            Some(_) => Some(self.new_document_of(&mut input, &region)?),
            None => None,
        };
        if let Some(document) = &document {
            self.flag(names::POLICY, document.text.clone());
        }
        let key = self.key_itself(&input)?;
        let replica = NewReplica {
            region,
            description: input.description.unwrap_or_default(),
            tags: tags_of(input.tags.unwrap_or_default())?,
            attributes: BTreeMap::new(),
            document,
        };
        Ok(KeyOp::Replicate { key, replica: Box::new(replica) })
    }

    pub(super) fn set_primary(&mut self, input: &Input) -> Result<KeyOp, Fault> {
        let region = self.listed("primaryRegion", input.primary_region.as_ref())?;
        Ok(KeyOp::SetPrimary { key: self.key_itself(input)?, region })
    }

    /// A region that the owner listed, in the partition that is asked.
    fn listed(&self, member: &str, region: Option<&String>) -> Result<String, Fault> {
        let mut checks = Checks::default();
        checks.length(member, chars(region), 1, REGION_CHARS_MAX);
        let region = region.map(String::as_str).unwrap_or_default();
        checks.pattern(member, is_region(region), REGION_PATTERN);
        checks.finish()?;
        let listed = Expected::of(self.config, names::SERVICE).regions.contains(&region);
        if !listed || json::partition(region) != json::partition(&self.region) {
            return Err(Fault::validation("The region is none that this server answers for in this partition."));
        }
        Ok(region.to_owned())
    }
}

/// The region that an operation names, for policies and the log.
pub(super) fn said(op: &KeyOp) -> Option<Params> {
    let (name, region) = match op {
        KeyOp::Replicate { replica, .. } => ("replica_region", &replica.region),
        KeyOp::SetPrimary { region, .. } => ("primary_region", region),
        _ => return None,
    };
    Some(Params::from_pairs(vec![(name.to_owned(), region.clone())]))
}

fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&parts.len())
        && parts.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}
