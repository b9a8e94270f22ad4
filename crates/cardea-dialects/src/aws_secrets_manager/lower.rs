//! From a wire request to an operation on secrets. It must never answer anything itself: what names nothing is asked for in
//! vain, so that the refusal is decided and recorded where all others are.

mod replication; // regions that secrets are in

use super::inputs::{self, Filter, Value};
use super::names;
use super::paging;
use crate::aws::json::{self, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::operation::{
    FilterField, FilterText, ManySecrets, NewPolicy, NewSecret, NewVersion, PasswordWish, PolicyAct, RotateWish,
    SecretAct, SecretFilter, SecretOrder, SecretQuery, SecretRef, SecretUpdate, VersionRef,
};
use cardea_model::secret::{STAGE_CURRENT, SecretCursor, SecretValue};
use cardea_model::wire::WireRequest;
use cardea_model::{NamespaceId, Refusal, Request, SecretOp, Target};
use cardea_sdk::dialect::{DialectConfig, Lowered, RenderContext};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const DAY_S: u64 = 86_400;
/// Days in which a deleted secret can be brought back: least, most, and where nothing is said.
const WINDOW_DAYS_MIN: i64 = 7;
const WINDOW_DAYS_MAX: i64 = 30;
const PASSWORD_LENGTH_DEFAULT: i64 = 32;
const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

const INVALID_REQUEST: &str = "InvalidRequestException";
const INVALID_PARAMETER: &str = "InvalidParameterException";

/// An operation in the making: what was asked, where, and what `render` will need to know.
struct Asked<'a> {
    config: &'a DialectConfig,
    region: String,
    wire: &'a WireRequest,
    flags: BTreeMap<String, String>,
}

pub(super) fn lower(config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
    if wire.method != "POST" || wire.path != "/" {
        return Err(Fault::unknown_operation().into());
    }
    let operation = json::operation(&wire, names::SERVICE).unwrap_or_default();
    let (credential, region) = json::caller(config, &wire, names::SERVICE);
    let mut asked = Asked { config, region, wire: &wire, flags: BTreeMap::new() };
    let (operation, op) = asked.op(operation)?;
    asked.flag(names::REGION, asked.region.clone());
    let flags = asked.flags;
    let mount = config.bindings.get(json::MOUNT_BINDING).map_or(names::MOUNT_DEFAULT, String::as_str).to_owned();
    let request = Request {
        namespace: NamespaceId::root(),
        credential,
        target: Target::Secret { mount, op },
        wrap_ttl: None,
        origin: json::origin(config, names::DIALECT, &wire),
    };
    Ok(Lowered { request, context: RenderContext { head: false, asked: operation.to_owned(), flags } })
}

impl Asked<'_> {
    fn flag(&mut self, key: &str, value: impl Into<String>) {
        self.flags.insert(key.to_owned(), value.into());
    }

    /// The operation, and its name as this table has it: no later text repeats the wire's.
    fn op(&mut self, operation: &str) -> Result<(&'static str, SecretOp), Fault> {
        Ok(match operation {
            "GetSecretValue" => ("GetSecretValue", self.get()?),
            "BatchGetSecretValue" => ("BatchGetSecretValue", self.batch_get()?),
            "DescribeSecret" => ("DescribeSecret", self.only_id(SecretAct::Describe)?),
            "ListSecrets" => ("ListSecrets", self.list()?),
            "ListSecretVersionIds" => ("ListSecretVersionIds", self.versions()?),
            "CreateSecret" => ("CreateSecret", self.create()?),
            "PutSecretValue" => ("PutSecretValue", self.put()?),
            "UpdateSecret" => ("UpdateSecret", self.update()?),
            "UpdateSecretVersionStage" => ("UpdateSecretVersionStage", self.move_stage()?),
            "DeleteSecret" => ("DeleteSecret", self.delete()?),
            "RestoreSecret" => ("RestoreSecret", self.only_id(SecretAct::Restore)?),
            "RotateSecret" => ("RotateSecret", self.rotate()?),
            "CancelRotateSecret" => ("CancelRotateSecret", self.only_id(SecretAct::CancelRotation)?),
            "TagResource" => ("TagResource", self.tag()?),
            "UntagResource" => ("UntagResource", self.untag()?),
            "ReplicateSecretToRegions" => ("ReplicateSecretToRegions", self.replicate()?),
            "RemoveRegionsFromReplication" => ("RemoveRegionsFromReplication", self.remove_regions()?),
            "StopReplicationToReplica" => ("StopReplicationToReplica", self.only_id(SecretAct::Detach)?),
            "GetRandomPassword" => ("GetRandomPassword", self.password()?),
            "GetResourcePolicy" => ("GetResourcePolicy", self.policy(PolicyAct::Read)?),
            "PutResourcePolicy" => ("PutResourcePolicy", self.put_policy()?),
            "DeleteResourcePolicy" => ("DeleteResourcePolicy", self.policy(PolicyAct::Delete)?),
            "ListResourcePolicies" => ("ListResourcePolicies", self.list_policies()?),
            "ValidateResourcePolicy" => ("ValidateResourcePolicy", self.validate_policy()?),
            _ => return Err(Fault::unknown_operation()),
        })
    }

    fn secret(&self, id: Option<&String>) -> Result<SecretRef, Fault> {
        let found = names::of_id(self.config, &self.region, id.map(String::as_str).unwrap_or_default())?;
        Ok(SecretRef { region: self.place(), ..found })
    }

    /// The region that asks, where secrets have regions.
    fn place(&self) -> Option<String> {
        Some(self.region.clone()).filter(|_| !names::replica_regions(self.config).is_empty())
    }

    fn one(&self, id: Option<&String>, act: SecretAct) -> Result<SecretOp, Fault> {
        Ok(SecretOp::One { secret: self.secret(id)?, act })
    }

    fn only_id(&mut self, act: SecretAct) -> Result<SecretOp, Fault> {
        let input: inputs::Id = json::input(self.wire)?;
        input.check()?;
        self.one(input.secret_id.as_ref(), act)
    }

    fn get(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Get = json::input(self.wire)?;
        input.check()?;
        let (version, wanted) = match (input.version_id, input.version_stage) {
            // Not the current label: a condition on labels tells who names one from who names none.
            (None, None) => (VersionRef::Current, STAGE_CURRENT.to_owned()),
            (None, Some(stage)) => (VersionRef::Stage(stage.clone()), stage),
            (Some(id), None) => (VersionRef::Id(id), "id".to_owned()),
            (Some(id), Some(stage)) => (VersionRef::IdAt { id, stage }, "id".to_owned()),
        };
        self.flag(names::WANTED, wanted);
        self.one(input.secret_id.as_ref(), SecretAct::Read { version })
    }

    fn create(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Create = json::input(self.wire)?;
        let value: Value = json::input(self.wire)?;
        input.check(&value)?;
        if input.r#type.is_some_and(|kind| !kind.is_empty()) || input.cross_account_primary.is_some() {
            return Err(Fault::new(INVALID_PARAMETER, "Managed external secrets and replicas aren't available here."));
        }
        let mut tags = BTreeMap::new();
        if let Some(given) = input.tags {
            tags = tags_of(given)?;
        }
        let secret = names::of_name(input.name.as_deref().unwrap_or_default())?;
        let secret = SecretRef { region: self.place(), ..secret };
        let replicas = self.replicas(input.add_replica_regions, input.force_overwrite_replica_secret)?;
        let (version_id, value) = new_value(value)?;
        let (description, key_id) = (input.description.unwrap_or_default(), key_id(input.kms_key_id));
        let key_id = key_id.filter(|id| !id.is_empty());
        let new = NewSecret { value, version_id, description, key_id, tags, replicas };
        Ok(SecretOp::One { secret, act: SecretAct::Create(new) })
    }

    fn put(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Put = json::input(self.wire)?;
        let value: Value = json::input(self.wire)?;
        input.check(&value)?;
        let (version_id, value) = new_value(value)?;
        let value = value
            .ok_or_else(|| Fault::new(INVALID_REQUEST, "You must provide either SecretString or SecretBinary."))?;
        let mut stages = input.version_stages.unwrap_or_default();
        stages.sort();
        stages.dedup();
        self.one(input.secret_id.as_ref(), SecretAct::Put(NewVersion { value, version_id, stages }))
    }

    fn update(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Update = json::input(self.wire)?;
        let value: Value = json::input(self.wire)?;
        input.check(&value)?;
        if input.r#type.is_some_and(|kind| !kind.is_empty()) {
            return Err(Fault::new(INVALID_PARAMETER, "Managed external secrets aren't available here."));
        }
        let (version_id, value) = new_value(value)?;
        let update =
            SecretUpdate { description: input.description, key_id: key_id(input.kms_key_id), value, version_id };
        self.one(input.secret_id.as_ref(), SecretAct::Update(update))
    }

    fn move_stage(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::MoveStage = json::input(self.wire)?;
        input.check()?;
        let (from, to) = (input.remove_from_version_id, input.move_to_version_id);
        if from.is_none() && to.is_none() {
            let words = "You must provide MoveToVersionId, RemoveFromVersionId, or both.";
            return Err(Fault::new(INVALID_PARAMETER, words));
        }
        let stage = input.version_stage.unwrap_or_default();
        self.one(input.secret_id.as_ref(), SecretAct::MoveStage { stage, from, to })
    }

    fn delete(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Delete = json::input(self.wire)?;
        input.check()?;
        let forced = input.force_delete_without_recovery.unwrap_or_default();
        if forced && input.recovery_window_in_days.is_some() {
            let words = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.";
            return Err(Fault::new(INVALID_PARAMETER, words));
        }
        let days = input.recovery_window_in_days.unwrap_or(WINDOW_DAYS_MAX);
        if !(WINDOW_DAYS_MIN..=WINDOW_DAYS_MAX).contains(&days) {
            let words = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
            return Err(Fault::new(INVALID_PARAMETER, words));
        }
        let recovery_s = (!forced).then(|| days.unsigned_abs() * DAY_S);
        self.one(input.secret_id.as_ref(), SecretAct::Delete { recovery_s })
    }

    fn tag(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::TagResource = json::input(self.wire)?;
        input.check()?;
        let set = tags_of(input.tags.unwrap_or_default())?;
        self.one(input.secret_id.as_ref(), SecretAct::Tag { set, remove: Vec::new() })
    }

    fn untag(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::UntagResource = json::input(self.wire)?;
        input.check()?;
        let remove = input.tag_keys.unwrap_or_default();
        self.one(input.secret_id.as_ref(), SecretAct::Tag { set: BTreeMap::new(), remove })
    }

    fn rotate(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Rotate = json::input(self.wire)?;
        input.check()?;
        if input.external_secret_rotation_metadata.is_some_and(|pairs| !pairs.is_empty())
            || input.external_secret_rotation_role_arn.is_some_and(|arn| !arn.is_empty())
        {
            return Err(Fault::new(INVALID_PARAMETER, "Managed external secrets aren't available here."));
        }
        let token = input.client_request_token.ok_or_else(|| {
            let words = "You must provide a ClientRequestToken value. We recommend a UUID-type value.";
            Fault::new(INVALID_PARAMETER, words)
        })?;
        let rotator = input.rotation_lambda_arn.filter(|arn| !arn.is_empty());
        let (schedule, window_s) = input.rotation_rules.map_or(Ok((None, None)), |rules| rules.schedule())?;
        let wish = RotateWish {
            token,
            rotator: rotator.as_deref().map(names::of_rotator).transpose()?,
            schedule,
            window_s,
            begin: input.rotate_immediately.unwrap_or(true),
        };
        if wish.begin {
            self.flag(names::TOKEN, wish.token.clone());
        }
        self.one(input.secret_id.as_ref(), SecretAct::Rotate(wish))
    }

    fn policy(&mut self, act: PolicyAct) -> Result<SecretOp, Fault> {
        let input: inputs::Policy = json::input(self.wire)?;
        input.check()?;
        check_policy_name(input.policy_name)?;
        self.one(input.secret_id.as_ref(), SecretAct::Policy(act))
    }

    fn put_policy(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::PutPolicy = json::input(self.wire)?;
        input.check()?;
        check_policy_name(input.policy_name)?;
        let not_public = input.block_public_policy.unwrap_or_default();
        let new = self.new_policy(input.resource_policy, not_public);
        self.one(input.secret_id.as_ref(), SecretAct::Policy(PolicyAct::Put(new)))
    }

    fn validate_policy(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::ValidatePolicy = json::input(self.wire)?;
        input.check()?;
        let new = self.new_policy(input.resource_policy, true);
        match &input.secret_id {
            None => Ok(SecretOp::CheckPolicy { text: new.text }),
            id => self.one(id.as_ref(), SecretAct::Policy(PolicyAct::Check(new))),
        }
    }

    fn new_policy(&self, text: Option<String>, not_public: bool) -> NewPolicy {
        let arn_front = Some(names::arn_front(self.config, &self.region));
        NewPolicy { text: text.unwrap_or_default(), arn_front, not_public }
    }

    fn list_policies(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::ListPolicies = json::input(self.wire)?;
        input.check()?;
        // A secret has one policy or none, so that no page leads to another.
        if input.next_token.is_some() {
            return Err(paging::bad_token());
        }
        self.one(input.secret_id.as_ref(), SecretAct::Policy(PolicyAct::List))
    }

    fn versions(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::Versions = json::input(self.wire)?;
        input.check()?;
        let op = self.one(input.secret_id.as_ref(), SecretAct::Versions)?;
        let deprecated = input.include_deprecated.unwrap_or_default();
        let bound_to = format!("versions {deprecated} {}", op.path().map(ToString::to_string).unwrap_or_default());
        self.page(bound_to, input.max_results, inputs::PAGE_MAX, input.next_token)?;
        if deprecated {
            self.flag(names::DEPRECATED, "true");
        }
        Ok(op)
    }

    /// Notes how long a page is and which list a token belongs to; gives where to go on.
    fn page(
        &mut self,
        bound_to: String,
        wanted: Option<i64>,
        usual: i64,
        token: Option<String>,
    ) -> Result<SecretCursor, Fault> {
        let after = match token {
            Some(token) => paging::read(&bound_to, &token)?,
            None => SecretCursor::default(),
        };
        self.flag(names::BOUND_TO, bound_to);
        self.flag(names::LIMIT, wanted.unwrap_or(usual).to_string());
        self.flag(names::AFTER, after.skip.to_string());
        Ok(after)
    }

    fn list(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::List = json::input(self.wire)?;
        input.check()?;
        let mut query = SecretQuery {
            filters: self.filters(input.filters.unwrap_or_default())?,
            with_deleted: input.include_planned_deletion.unwrap_or_default(),
            // AWS's usual order is by creation; by name is what a list of any length can be paged by.
            order: match input.sort_by.as_deref() {
                None | Some("name") => SecretOrder::Name,
                Some("created-date") => SecretOrder::Created,
                Some(_) => SecretOrder::Changed,
            },
            descending: match (input.sort_order.as_deref(), input.sort_by.as_deref()) {
                (Some(order), Some(_)) => order == "desc",
                _ => false,
            },
            after: SecretCursor::default(),
            limit: usize::try_from(input.max_results.unwrap_or(inputs::PAGE_MAX)).unwrap_or(1),
            region: self.place(),
        };
        let bound_to = bound_to("list", &query);
        query.after = self.page(bound_to, input.max_results, inputs::PAGE_MAX, input.next_token)?;
        Ok(SecretOp::List(query))
    }

    fn batch_get(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::BatchGet = json::input(self.wire)?;
        input.check()?;
        let filters = input.filters.filter(|filters| !filters.is_empty());
        match (input.secret_id_list, filters) {
            (Some(_), Some(_)) | (None, None) => {
                let words = "Either 'SecretIdList' or 'Filters' must be provided, but not both.";
                Err(Fault::new(INVALID_PARAMETER, words))
            }
            (Some(_), None) if input.max_results.is_some() || input.next_token.is_some() => {
                let words = "MaxResults and NextToken can only be used together with Filters.";
                Err(Fault::new(INVALID_PARAMETER, words))
            }
            (Some(ids), None) => {
                let mut named = Vec::with_capacity(ids.len());
                for id in ids {
                    let secret = self.secret(Some(&id))?;
                    named.push((id, secret));
                }
                Ok(SecretOp::ReadMany(ManySecrets::Named(named)))
            }
            (None, Some(filters)) => {
                let mut query = SecretQuery {
                    filters: self.filters(filters)?,
                    limit: usize::try_from(input.max_results.unwrap_or(inputs::BATCH_MAX)).unwrap_or(1),
                    region: self.place(),
                    ..SecretQuery::default()
                };
                let bound_to = bound_to("batch", &query);
                query.after = self.page(bound_to, input.max_results, inputs::BATCH_MAX, input.next_token)?;
                Ok(SecretOp::ReadMany(ManySecrets::Matching(query)))
            }
        }
    }

    fn filters(&self, given: Vec<Filter>) -> Result<Vec<SecretFilter>, Fault> {
        let mut filters = Vec::with_capacity(given.len());
        for filter in given {
            let (Some(key), Some(values)) = (filter.key, filter.values) else {
                return Err(Fault::new(INVALID_PARAMETER, "A filter needs a key and values."));
            };
            let any_of: Vec<FilterText> = values
                .into_iter()
                .map(|value| match value.strip_prefix('!') {
                    Some(text) => FilterText { text: text.to_owned(), negated: true },
                    None => FilterText { text: value, negated: false },
                })
                .collect();
            let field = match key.as_str() {
                "name" => FilterField::Name,
                "description" => FilterField::Description,
                "tag-key" => FilterField::TagKey,
                "tag-value" => FilterField::TagValue,
                "all" => FilterField::All,
                "primary-region" => FilterField::PrimaryRegion,
                _ => FilterField::Nothing,
            };
            filters.push(SecretFilter { field, any_of, home: self.region.clone() });
        }
        Ok(filters)
    }

    fn password(&mut self) -> Result<SecretOp, Fault> {
        let input: inputs::RandomPassword = json::input(self.wire)?;
        input.check()?;
        let is = |flag: Option<bool>| flag.unwrap_or_default();
        let excluded = input.exclude_characters.unwrap_or_default();
        let kinds = [
            (LOWERCASE, !is(input.exclude_lowercase)),
            (UPPERCASE, !is(input.exclude_uppercase)),
            (NUMBERS, !is(input.exclude_numbers)),
            (PUNCTUATION, !is(input.exclude_punctuation)),
            (" ", is(input.include_space)),
        ];
        let kinds = kinds.iter().filter(|(_, wanted)| *wanted);
        let kinds = kinds.map(|(kind, _)| kind.chars().filter(|c| !excluded.contains(*c)).collect::<String>());
        let length = input.password_length.unwrap_or(PASSWORD_LENGTH_DEFAULT);
        Ok(SecretOp::Password(PasswordWish {
            length: usize::try_from(length).unwrap_or_default(),
            kinds: kinds.filter(|kind| !kind.is_empty()).collect(),
            each: input.require_each_included_type.unwrap_or(true),
        }))
    }
}

fn check_policy_name(name: Option<String>) -> Result<(), Fault> {
    match name.is_none_or(|name| name == names::POLICY_NAME) {
        true => Ok(()),
        false => Err(Fault::new(INVALID_PARAMETER, "The only policy name is default.")),
    }
}

/// What makes two lists the same: everything but where they go on, and how long a page is.
fn bound_to(kind: &str, query: &SecretQuery) -> String {
    let region = query.region.as_deref().unwrap_or_default();
    format!("{kind} {:?} {:?} {} {} {region}", query.filters, query.order, query.descending, query.with_deleted)
}

fn key_id(given: Option<String>) -> Option<String> {
    given.map(|id| id.trim().to_owned())
}

fn tags_of(given: Vec<inputs::Tag>) -> Result<BTreeMap<String, String>, Fault> {
    inputs::check_tag_keys(given.iter().map(|tag| tag.key.as_deref().unwrap_or_default()))?;
    Ok(given.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect())
}

/// The client's token, and the value if there is one.
fn new_value(given: Value) -> Result<(String, Option<SecretValue>), Fault> {
    let token = given.client_request_token.ok_or_else(|| {
        let words = "You must provide a ClientRequestToken value. We recommend a UUID-type value.";
        Fault::new(INVALID_REQUEST, words)
    })?;
    let unwritable = |_| Fault::new("InternalServiceError", "An error occurred on the server side.");
    let value = match (given.secret_string, given.secret_binary) {
        (Some(_), Some(_)) => {
            let words = "You can't specify both a binary secret value and a string secret value in the same secret.";
            return Err(Fault::new(INVALID_PARAMETER, words));
        }
        (Some(text), None) => Some(SecretValue::of_text(text.expose()).map_err(unwritable)?),
        (None, Some(encoded)) => {
            let bytes = Zeroizing::new(BASE64.decode(encoded.expose()).map_err(|_| Fault::unreadable())?);
            let mut checks = json::Checks::default();
            checks.length("secretBinary", Some(bytes.len()), 1, inputs::VALUE_BYTES_MAX);
            checks.finish()?;
            // What decodes encodes back to the same text: the decoder takes the one canonical form.
            Some(SecretValue::of_base64(encoded.expose()).map_err(unwritable)?)
        }
        (None, None) => None,
    };
    Ok((token, value))
}
