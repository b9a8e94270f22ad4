//! The inputs of operations as they stand on the wire, and their constraints (AWS's service model of 2017-10-17). What a value
//! means is `lower`'s; nothing here may know the core.

use crate::aws::json::{Checks, Fault};
use cardea_model::SecretText;
use cardea_model::cron::Cron;
use cardea_model::operation::RotationSchedule;
use cardea_model::secret::is_region;
use serde::Deserialize;

const ID_CHARS_MAX: usize = 2048;
const DESCRIPTION_CHARS_MAX: usize = 2048;
/// Of either form of a value, in bytes.
pub(super) const VALUE_BYTES_MAX: usize = 65_536;
const FILTERS_MAX: usize = 10;
const TOKEN_CHARS_MAX: usize = 4096;
/// Most tags of a request, and of a secret at AWS.
const TAGS_MAX: usize = 50;

pub(super) const PAGE_MAX: i64 = 100;
pub(super) const BATCH_MAX: i64 = 20;

fn chars(text: Option<&String>) -> Option<usize> {
    text.map(|text| text.chars().count())
}

/// What only `Create`, `Put` and `Update` have: a new value. It is read beside the rest of their inputs, not as a part of
/// them: a flattened part would pass through buffers that nobody wipes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Value {
    pub client_request_token: Option<String>,
    pub secret_string: Option<SecretText>,
    pub secret_binary: Option<SecretText>,
}

impl Value {
    fn check(&self, checks: &mut Checks) {
        checks.length("clientRequestToken", chars(self.client_request_token.as_ref()), 32, 64);
        let bytes = self.secret_string.as_ref().map(|text| text.expose().len());
        checks.length("secretString", bytes, 1, VALUE_BYTES_MAX);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub key: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

fn check_tags(checks: &mut Checks, tags: &[Tag]) {
    for (at, tag) in tags.iter().enumerate() {
        let place = at + 1;
        checks.length(&format!("tags.{place}.member.key"), chars(tag.key.as_ref()), 1, 128);
        checks.length(&format!("tags.{place}.member.value"), chars(tag.value.as_ref()), 0, 256);
    }
}

/// # Errors
/// Too many, one twice, or one of AWS's own.
pub(super) fn check_tag_keys<'t>(keys: impl Iterator<Item = &'t str>) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        if key.is_empty() || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Fault::new("InvalidParameterException", "A tag key is empty or reserved."));
        }
        if !seen.insert(key) {
            return Err(Fault::new("InvalidParameterException", "A tag key stands more than once."));
        }
        if seen.len() > TAGS_MAX {
            return Err(Fault::new("InvalidParameterException", "The number of tags exceeds the limit."));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    pub name: Option<String>,
    pub description: Option<String>,
    pub kms_key_id: Option<String>,
    #[serde(default)]
    pub tags: Option<Vec<Tag>>,
    #[serde(default)]
    pub add_replica_regions: Option<Vec<Replica>>,
    pub force_overwrite_replica_secret: Option<bool>,
    pub r#type: Option<String>,
    #[serde(rename = "CrossAccountPrimaryARN")]
    pub cross_account_primary: Option<String>,
}

impl Create {
    pub(super) fn check(&self, value: &Value) -> Result<(), Fault> {
        let mut checks = Checks::default();
        checks.present("name", self.name.is_some());
        checks.length("name", chars(self.name.as_ref()), 1, 512);
        value.check(&mut checks);
        checks.length("description", chars(self.description.as_ref()), 0, DESCRIPTION_CHARS_MAX);
        checks.length("kmsKeyId", chars(self.kms_key_id.as_ref()), 0, ID_CHARS_MAX);
        check_tags(&mut checks, self.tags.as_deref().unwrap_or_default());
        check_replicas(&mut checks, self.add_replica_regions.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replica {
    pub region: Option<String>,
    pub kms_key_id: Option<String>,
}

const REGION_CHARS_MAX: usize = 128;

fn check_region(checks: &mut Checks, member: &str, region: Option<&String>) {
    checks.length(member, chars(region), 1, REGION_CHARS_MAX);
    checks.pattern(member, region.is_none_or(|region| is_region(region)), r"^([a-z]+-)+\d+$");
}

fn check_replicas(checks: &mut Checks, replicas: Option<&Vec<Replica>>) {
    checks.length("addReplicaRegions", replicas.map(Vec::len), 1, usize::MAX);
    for (at, replica) in replicas.into_iter().flatten().enumerate() {
        let place = format!("addReplicaRegions.{}.member", at + 1);
        check_region(checks, &format!("{place}.region"), replica.region.as_ref());
        checks.length(&format!("{place}.kmsKeyId"), chars(replica.kms_key_id.as_ref()), 0, ID_CHARS_MAX);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replicate {
    pub secret_id: Option<String>,
    pub add_replica_regions: Option<Vec<Replica>>,
    pub force_overwrite_replica_secret: Option<bool>,
}

impl Replicate {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.present("addReplicaRegions", self.add_replica_regions.is_some());
        check_replicas(&mut checks, self.add_replica_regions.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveRegions {
    pub secret_id: Option<String>,
    pub remove_replica_regions: Option<Vec<String>>,
}

impl RemoveRegions {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.present("removeReplicaRegions", self.remove_replica_regions.is_some());
        checks.length("removeReplicaRegions", self.remove_replica_regions.as_ref().map(Vec::len), 1, usize::MAX);
        for (at, region) in self.remove_replica_regions.iter().flatten().enumerate() {
            check_region(&mut checks, &format!("removeReplicaRegions.{}.member", at + 1), Some(region));
        }
        checks.finish()
    }
}

/// Operations whose whole input is an id.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Id {
    pub secret_id: Option<String>,
}

fn check_id(checks: &mut Checks, id: Option<&String>) {
    checks.present("secretId", id.is_some());
    checks.length("secretId", chars(id), 1, ID_CHARS_MAX);
}

impl Id {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    pub secret_id: Option<String>,
    pub version_id: Option<String>,
    pub version_stage: Option<String>,
}

impl Get {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.length("versionId", chars(self.version_id.as_ref()), 32, 64);
        checks.length("versionStage", chars(self.version_stage.as_ref()), 1, 256);
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    pub secret_id: Option<String>,
    pub version_stages: Option<Vec<String>>,
}

impl Put {
    pub(super) fn check(&self, value: &Value) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        value.check(&mut checks);
        let stages = self.version_stages.as_ref();
        checks.length("versionStages", stages.map(Vec::len), 1, 20);
        for (at, stage) in stages.into_iter().flatten().enumerate() {
            checks.length(&format!("versionStages.{}.member", at + 1), chars(Some(stage)), 1, 256);
        }
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    pub secret_id: Option<String>,
    pub description: Option<String>,
    pub kms_key_id: Option<String>,
    pub r#type: Option<String>,
}

impl Update {
    pub(super) fn check(&self, value: &Value) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        value.check(&mut checks);
        checks.length("description", chars(self.description.as_ref()), 0, DESCRIPTION_CHARS_MAX);
        checks.length("kmsKeyId", chars(self.kms_key_id.as_ref()), 0, ID_CHARS_MAX);
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MoveStage {
    pub secret_id: Option<String>,
    pub version_stage: Option<String>,
    pub remove_from_version_id: Option<String>,
    pub move_to_version_id: Option<String>,
}

impl MoveStage {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.present("versionStage", self.version_stage.is_some());
        checks.length("versionStage", chars(self.version_stage.as_ref()), 1, 256);
        checks.length("removeFromVersionId", chars(self.remove_from_version_id.as_ref()), 32, 64);
        checks.length("moveToVersionId", chars(self.move_to_version_id.as_ref()), 32, 64);
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    pub secret_id: Option<String>,
    pub recovery_window_in_days: Option<i64>,
    pub force_delete_without_recovery: Option<bool>,
}

impl Delete {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagResource {
    pub secret_id: Option<String>,
    pub tags: Option<Vec<Tag>>,
}

impl TagResource {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.present("tags", self.tags.is_some());
        check_tags(&mut checks, self.tags.as_deref().unwrap_or_default());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagResource {
    pub secret_id: Option<String>,
    pub tag_keys: Option<Vec<String>>,
}

impl UntagResource {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.present("tagKeys", self.tag_keys.is_some());
        for (at, key) in self.tag_keys.iter().flatten().enumerate() {
            checks.length(&format!("tagKeys.{}.member", at + 1), chars(Some(key)), 1, 128);
        }
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    pub key: Option<String>,
    pub values: Option<Vec<String>>,
}

const FILTER_KEYS: &[&str] =
    &["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"];

fn check_filters(checks: &mut Checks, filters: Option<&Vec<Filter>>) {
    checks.length("filters", filters.map(Vec::len), 0, FILTERS_MAX);
    for (at, filter) in filters.into_iter().flatten().enumerate() {
        let place = at + 1;
        checks.one_of(&format!("filters.{place}.member.key"), filter.key.as_deref(), FILTER_KEYS);
        let values = filter.values.as_ref();
        checks.length(&format!("filters.{place}.member.values"), values.map(Vec::len), 1, 10);
        for value in values.into_iter().flatten() {
            let member = format!("filters.{place}.member.values");
            checks.length(&member, chars(Some(value)), 0, 512);
        }
    }
}

fn check_page(checks: &mut Checks, results: Option<i64>, max: i64, token: Option<&String>) {
    checks.range("maxResults", results, 1, max);
    checks.length("nextToken", chars(token), 1, TOKEN_CHARS_MAX);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    pub include_planned_deletion: Option<bool>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
    pub filters: Option<Vec<Filter>>,
    pub sort_order: Option<String>,
    pub sort_by: Option<String>,
}

impl List {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_page(&mut checks, self.max_results, PAGE_MAX, self.next_token.as_ref());
        check_filters(&mut checks, self.filters.as_ref());
        checks.one_of("sortOrder", self.sort_order.as_deref(), &["asc", "desc"]);
        let orders = &["created-date", "last-accessed-date", "last-changed-date", "name"];
        checks.one_of("sortBy", self.sort_by.as_deref(), orders);
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchGet {
    pub secret_id_list: Option<Vec<String>>,
    pub filters: Option<Vec<Filter>>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
}

impl BatchGet {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        checks.length("secretIdList", self.secret_id_list.as_ref().map(Vec::len), 1, 20);
        for (at, id) in self.secret_id_list.iter().flatten().enumerate() {
            checks.length(&format!("secretIdList.{}.member", at + 1), chars(Some(id)), 1, ID_CHARS_MAX);
        }
        check_page(&mut checks, self.max_results, BATCH_MAX, self.next_token.as_ref());
        check_filters(&mut checks, self.filters.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versions {
    pub secret_id: Option<String>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
    pub include_deprecated: Option<bool>,
}

impl Versions {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        check_page(&mut checks, self.max_results, PAGE_MAX, self.next_token.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Rotate {
    pub secret_id: Option<String>,
    pub client_request_token: Option<String>,
    #[serde(rename = "RotationLambdaARN")]
    pub rotation_lambda_arn: Option<String>,
    pub rotation_rules: Option<RotationRules>,
    pub rotate_immediately: Option<bool>,
    pub external_secret_rotation_metadata: Option<Vec<serde::de::IgnoredAny>>,
    pub external_secret_rotation_role_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RotationRules {
    pub automatically_after_days: Option<i64>,
    pub duration: Option<String>,
    pub schedule_expression: Option<String>,
}

impl Rotate {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.length("clientRequestToken", chars(self.client_request_token.as_ref()), 32, 64);
        checks.length("rotationLambdaARN", chars(self.rotation_lambda_arn.as_ref()), 0, ID_CHARS_MAX);
        if let Some(rules) = &self.rotation_rules {
            checks.range("rotationRules.automaticallyAfterDays", rules.automatically_after_days, 1, 1000);
            checks.length("rotationRules.duration", chars(rules.duration.as_ref()), 2, 3);
            checks.length("rotationRules.scheduleExpression", chars(rules.schedule_expression.as_ref()), 1, 256);
        }
        checks.finish()
    }
}

/// Fewest hours of a rate; what AWS documents.
const RATE_HOURS_MIN: u64 = 4;
/// Most days of a rate; what AWS documents.
const RATE_DAYS_MAX: u64 = 999;

impl RotationRules {
    /// When it rotates, if the rules say so, and for how many seconds from then on it may begin.
    ///
    /// # Errors
    /// What AWS refuses as well.
    pub(super) fn schedule(&self) -> Result<(Option<RotationSchedule>, Option<u64>), Fault> {
        let refused = |words: &str| Err(Fault::new("InvalidParameterException", words));
        let schedule = match (self.automatically_after_days, &self.schedule_expression) {
            (Some(_), Some(_)) => {
                return refused("You can't specify both AutomaticallyAfterDays and ScheduleExpression.");
            }
            (Some(days), None) => Some(RotationSchedule::Every(days.unsigned_abs() * 86_400)),
            (None, Some(expression)) => match (rate_s(expression), Cron::parse(expression)) {
                (Some(seconds), _) => Some(RotationSchedule::Every(seconds)),
                (None, Ok(_)) => Some(RotationSchedule::Cron(expression.clone())),
                (None, Err(_)) => return refused("The ScheduleExpression isn't a valid cron() or rate() expression."),
            },
            (None, None) => None,
        };
        let window_s = match self.duration.as_deref() {
            None => None,
            Some(text) => match text.strip_suffix('h').and_then(|hours| hours.parse::<u64>().ok()) {
                Some(hours @ 1..=24) if schedule.is_some() => Some(hours * 3_600),
                _ => return refused("The Duration must be 1h to 24h, and needs a schedule."),
            },
        };
        Ok((schedule, window_s))
    }
}

/// `rate(4 hours)`, `rate(10 days)`, `rate(1 day)`.
fn rate_s(expression: &str) -> Option<u64> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "day" | "days" => number.checked_mul(86_400)?,
        "hour" | "hours" => number.checked_mul(3_600)?,
        _ => return None,
    };
    (RATE_HOURS_MIN * 3_600..=RATE_DAYS_MAX * 86_400).contains(&seconds).then_some(seconds)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    pub secret_id: Option<String>,
    pub policy_name: Option<String>,
}

impl Policy {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.length("policyName", chars(self.policy_name.as_ref()), 1, 64);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let holds = self.policy_name.as_ref().is_none_or(|name| name.chars().all(plain));
        checks.pattern("policyName", holds, r"[0-9A-Za-z\-\_]+");
        checks.finish()
    }
}

/// Longest resource policy, in characters.
const POLICY_CHARS_MAX: usize = 20_480;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutPolicy {
    pub secret_id: Option<String>,
    pub resource_policy: Option<String>,
    pub block_public_policy: Option<bool>,
    pub policy_name: Option<String>,
}

impl PutPolicy {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        check_policy(&mut checks, self.resource_policy.as_ref());
        checks.finish()
    }
}

fn check_policy(checks: &mut Checks, policy: Option<&String>) {
    checks.present("resourcePolicy", policy.is_some());
    checks.length("resourcePolicy", chars(policy), 1, POLICY_CHARS_MAX);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ValidatePolicy {
    pub secret_id: Option<String>,
    pub resource_policy: Option<String>,
}

impl ValidatePolicy {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        if self.secret_id.is_some() {
            check_id(&mut checks, self.secret_id.as_ref());
        }
        check_policy(&mut checks, self.resource_policy.as_ref());
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListPolicies {
    pub secret_id: Option<String>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
}

impl ListPolicies {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        check_id(&mut checks, self.secret_id.as_ref());
        checks.range("maxResults", self.max_results, 1, PAGE_MAX);
        checks.finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RandomPassword {
    pub password_length: Option<i64>,
    pub exclude_characters: Option<String>,
    #[serde(default)]
    pub exclude_numbers: Option<bool>,
    #[serde(default)]
    pub exclude_punctuation: Option<bool>,
    #[serde(default)]
    pub exclude_uppercase: Option<bool>,
    #[serde(default)]
    pub exclude_lowercase: Option<bool>,
    #[serde(default)]
    pub include_space: Option<bool>,
    pub require_each_included_type: Option<bool>,
}

impl RandomPassword {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut checks = Checks::default();
        checks.range("passwordLength", self.password_length, 1, 4096);
        checks.length("excludeCharacters", chars(self.exclude_characters.as_ref()), 0, 4096);
        checks.finish()
    }
}
