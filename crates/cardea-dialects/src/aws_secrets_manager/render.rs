//! From an answer or a refusal to the wire. Payloads are spliced as they are kept: the text of an object becomes a string, a
//! text or base64 is one already. Secrets whose names AWS could not have are left out of lists. It must never put a payload
//! where an operation asks for facts.

use super::errors;
use super::names;
use super::paging;
use crate::aws::json::{self, MessageMember};
use cardea_model::rotation::{Rotation, RotationSettings};
use cardea_model::secret::{
    ContentForm, PolicyFinding, Secret, SecretAnswer, SecretBatch, SecretCursor, SecretFacts, SecretPage,
    SecretReplica, SecretReport, Version, VersionState,
};
use cardea_model::wire::WireResponse;
use cardea_model::{Answer, Body, Error, Payload, Refusal, RequestId, Timestamp};
use cardea_sdk::dialect::{DialectConfig, RenderContext};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Room for everything but payloads, in bytes: a buffer that need not grow leaves no copy of a secret behind.
const FRAME_BYTES: usize = 4096;

pub(super) fn render(config: &DialectConfig, context: &RenderContext, answer: Result<Answer, Refusal>) -> WireResponse {
    let at = Place { config, context };
    match answer {
        Ok(answer) => at.success(answer),
        Err(refusal) => at.refused(&refusal),
    }
}

struct Place<'a> {
    config: &'a DialectConfig,
    context: &'a RenderContext,
}

/// An instant as JSON 1.1 has it: seconds since 1970, as a number with a fraction.
struct Epoch(Timestamp);

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.0 as f64 / 1000.0)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValueForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    version_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<StringForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<&'a Payload>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    version_stages: &'a [String],
    created_date: Epoch,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StringForm<'a> {
    /// The text of an object, to be written as a string.
    Object(&'a str),
    /// A string as it is kept.
    Text(&'a Payload),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchForm<'a> {
    secret_values: Vec<ValueForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    errors: Vec<ItemError>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ItemError {
    secret_id: String,
    error_code: String,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_stages: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Epoch>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replication_status: Vec<ReplicaForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagForm<'a> {
    key: &'a str,
    value: &'a str,
}

/// What `DescribeSecret` and `ListSecrets` say of a secret; they differ in the name of one member.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<&'a str>,
    last_changed_date: Epoch,
    created_date: Epoch,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<Epoch>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationForm>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<TagForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_region: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replication_status: Vec<ReplicaForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_ids_to_stages: Option<BTreeMap<&'a str, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_versions_to_stages: Option<BTreeMap<&'a str, Vec<String>>>,
}

/// A region that a secret is replicated to. The same record is read in all of them: none is ever behind. It is in none where
/// another secret has its name.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicaForm<'a> {
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
}

fn replicas(secret: &Secret) -> Vec<ReplicaForm<'_>> {
    let all = secret.regions.iter().flat_map(|regions| &regions.replicas);
    let message =
        |region: &str| format!("Replication failed: Secret name {} already exists in region {region}.", secret.name());
    all.map(|(region, replica)| ReplicaForm {
        region,
        kms_key_id: replica.key_id.as_deref(),
        status: if replica.taken { "Failed" } else { "InSync" },
        status_message: replica.taken.then(|| message(region)),
    })
    .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicationForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    replication_status: Vec<ReplicaForm<'a>>,
}

/// What `DescribeSecret` says of a rotation.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RotationForm {
    rotation_enabled: bool,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_rules: Option<RulesForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_rotated_date: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation_date: Option<Epoch>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RulesForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    automatically_after_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
}

impl RulesForm {
    /// A schedule of whole hours, or of times; others have no form at this door.
    fn of(settings: &RotationSettings) -> Option<Self> {
        let window_s = settings.window_s.filter(|seconds| seconds.is_multiple_of(3_600));
        let duration = window_s.map(|seconds| format!("{}h", seconds / 3_600));
        let (days, expression) = match (&settings.cron, settings.every_s) {
            (Some(cron), _) => (None, Some(cron.clone())),
            (None, Some(whole)) if whole.is_multiple_of(86_400) && whole <= 1000 * 86_400 => {
                (Some(whole / 86_400), None)
            }
            (None, Some(whole)) if whole.is_multiple_of(3_600) => {
                (None, Some(format!("rate({} hours)", whole / 3_600)))
            }
            (None, _) => return None,
        };
        Some(Self { automatically_after_days: days, schedule_expression: expression, duration })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListForm<'a> {
    secret_list: Vec<SecretForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionsForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    versions: Vec<VersionForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionForm<'a> {
    version_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    version_stages: Vec<String>,
    created_date: Epoch,
    kms_key_ids: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PasswordForm<'a> {
    random_password: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoliciesForm {
    resource_policies: Vec<PolicyNameForm>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyNameForm {
    policy_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyForm<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValidationForm {
    policy_validation_passed: bool,
    validation_errors: Vec<ValidationError>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValidationError {
    check_name: &'static str,
    error_message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ArnForm {
    #[serde(rename = "ARN")]
    arn: String,
}

#[derive(Serialize)]
struct Nothing {}

impl Place<'_> {
    fn flag(&self, key: &str) -> &str {
        self.context.flags.get(key).map_or("", String::as_str)
    }

    fn arn(&self, name: &str, short_id: &str) -> String {
        names::arn(self.config, self.flag(names::REGION), name, short_id)
    }

    /// How a replica is seen from its region: the secret, under the key that was named for it there.
    fn replica<'a>(&self, secret: &'a Secret) -> Option<&'a SecretReplica> {
        let regions = secret.regions.as_ref()?;
        regions
            .replicas
            .get(self.flag(names::REGION))
            .filter(|replica| !replica.taken && regions.primary != self.flag(names::REGION))
    }

    fn is_replica(&self, secret: &Secret) -> bool {
        self.replica(secret).is_some()
    }

    fn key_of<'a>(&self, secret: &'a Secret) -> Option<&'a str> {
        match self.replica(secret) {
            Some(replica) => replica.key_id.as_deref(),
            None => secret.key_id.as_deref(),
        }
    }

    fn success(&self, answer: Answer) -> WireResponse {
        let id = &answer.request_id;
        match answer.body {
            Body::Secret(found) => self.value(id, &found),
            Body::Secrets(report) => match *report {
                SecretReport::Facts(facts) => self.facts(id, &facts),
                SecretReport::Page(page) => self.list(id, &page),
                SecretReport::Batch(batch) => self.batch(id, &batch),
                SecretReport::Password(password) => {
                    self.write(id, FRAME_BYTES + 4096, &PasswordForm { random_password: password.expose() })
                }
                SecretReport::PolicyCheck(findings) => self.validation(id, &findings),
            },
            _ => self.refuse(Some(id), &Error::internal("an answer of another kind")),
        }
    }

    fn refused(&self, refusal: &Refusal) -> WireResponse {
        self.refuse(refusal.request_id.as_ref(), &refusal.error)
    }

    fn refuse(&self, id: Option<&RequestId>, error: &Error) -> WireResponse {
        let told = errors::told(&self.context.asked, self.flag(names::WANTED), error);
        json::failure(told.status, &told.kind, &told.message, MessageMember::Upper, id)
    }

    fn write<T: Serialize>(&self, id: &RequestId, bytes: usize, form: &T) -> WireResponse {
        let mut out = Zeroizing::new(Vec::with_capacity(bytes));
        match serde_json::to_writer(&mut *out, form) {
            Ok(()) => json::respond(200, std::mem::take(&mut *out), Some(id)),
            Err(_) => self.refuse(Some(id), &Error::internal("an answer could not be written")),
        }
    }

    fn value_form<'a>(&self, found: &'a SecretAnswer) -> Option<ValueForm<'a>> {
        let payload = found.payload.as_ref()?;
        let (string, binary) = match found.version.content {
            ContentForm::Object => (Some(StringForm::Object(payload.text())), None),
            ContentForm::Text => (Some(StringForm::Text(payload)), None),
            ContentForm::Bytes => (None, Some(payload)),
        };
        let name = names::name_of(&found.path)?;
        Some(ValueForm {
            arn: self.arn(&name, &found.short_id),
            name,
            version_id: &found.version.id,
            secret_string: string,
            secret_binary: binary,
            version_stages: &found.stages,
            created_date: Epoch(found.version.created),
        })
    }

    fn value(&self, id: &RequestId, found: &SecretAnswer) -> WireResponse {
        match self.value_form(found) {
            Some(form) => self.write(id, FRAME_BYTES + bytes_of(found), &form),
            // The version is known, and was deleted or destroyed through another door.
            None => {
                let words = errors::no_version(self.flag(names::WANTED));
                json::failure(400, errors::NOT_FOUND, &words, MessageMember::Upper, Some(id))
            }
        }
    }

    fn batch(&self, id: &RequestId, batch: &SecretBatch) -> WireResponse {
        let bytes = batch.values.iter().map(|found| FRAME_BYTES + bytes_of(found)).sum::<usize>();
        let refused = batch.refused.iter().map(|(secret, error)| {
            let told = errors::told("GetSecretValue", "AWSCURRENT", error);
            // Those that a filter found are named by their paths.
            let secret_id = names::name_of(secret).unwrap_or_else(|| secret.clone());
            ItemError { secret_id, error_code: told.kind, message: told.message }
        });
        let form = BatchForm {
            secret_values: batch.values.iter().filter_map(|found| self.value_form(found)).collect(),
            next_token: self.next(batch.next.as_ref()),
            errors: refused.collect(),
        };
        self.write(id, FRAME_BYTES + bytes, &form)
    }

    fn next(&self, cursor: Option<&SecretCursor>) -> Option<String> {
        cursor.map(|cursor| paging::write(self.flag(names::BOUND_TO), cursor))
    }

    fn list(&self, id: &RequestId, page: &SecretPage) -> WireResponse {
        let secrets = page.secrets.iter().filter_map(|secret| {
            let mut form = self.secret_form(secret)?;
            form.secret_versions_to_stages = form.version_ids_to_stages.take();
            Some(form)
        });
        let form = ListForm { secret_list: secrets.collect(), next_token: self.next(page.next.as_ref()) };
        self.write(id, FRAME_BYTES, &form)
    }

    fn secret_form<'a>(&self, secret: &'a Secret) -> Option<SecretForm<'a>> {
        let name = names::name_of(&secret.path)?;
        let mut stages: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (stage, number) in &secret.stages {
            if let Some(version) = secret.version(*number) {
                stages.entry(&version.id).or_default().push(stage.clone());
            }
        }
        let replicated = secret.regions.as_ref().filter(|regions| !regions.replicas.is_empty());
        Some(SecretForm {
            arn: self.arn(&name, &secret.short_id()),
            name,
            description: &secret.description,
            kms_key_id: self.key_of(secret),
            last_changed_date: Epoch(secret.updated),
            created_date: Epoch(secret.created),
            deleted_date: secret.deleted.as_ref().map(|deletion| Epoch(deletion.at)),
            tags: secret.metadata.iter().map(|(key, value)| TagForm { key, value }).collect(),
            primary_region: replicated.map(|regions| regions.primary.as_str()),
            replication_status: if self.is_replica(secret) { Vec::new() } else { replicas(secret) },
            rotation: None,
            version_ids_to_stages: Some(stages).filter(|stages| !stages.is_empty()),
            secret_versions_to_stages: None,
        })
    }

    fn facts(&self, id: &RequestId, facts: &SecretFacts) -> WireResponse {
        let secret = &facts.secret;
        let operation = self.context.asked.as_str();
        let Some(name) = names::name_of(&secret.path) else {
            return self.refuse(Some(id), &Error::internal("a secret without a name was found by one"));
        };
        let arn = self.arn(&name, &secret.short_id());
        match operation {
            "DescribeSecret" => match self.secret_form(secret) {
                Some(mut form) => {
                    form.rotation = facts.rotation.as_deref().map(|rotation| self.rotation(rotation));
                    self.write(id, FRAME_BYTES, &form)
                }
                None => self.refuse(Some(id), &Error::not_found()),
            },
            "ListSecretVersionIds" => self.versions(id, secret, arn, name),
            "ReplicateSecretToRegions" | "RemoveRegionsFromReplication" => {
                self.write(id, FRAME_BYTES, &ReplicationForm { arn, replication_status: replicas(secret) })
            }
            "StopReplicationToReplica" => self.write(id, FRAME_BYTES, &ArnForm { arn }),
            "TagResource" | "UntagResource" => self.write(id, FRAME_BYTES, &Nothing {}),
            "GetResourcePolicy" => {
                let form = PolicyForm { arn, name, resource_policy: facts.policy.as_deref() };
                self.write(id, FRAME_BYTES + facts.policy.as_ref().map_or(0, |policy| policy.len() * 2), &form)
            }
            "ListResourcePolicies" => {
                let named = facts.policy.iter().map(|_| PolicyNameForm { policy_name: names::POLICY_NAME });
                self.write(id, FRAME_BYTES, &PoliciesForm { resource_policies: named.collect() })
            }
            _ => {
                let version = facts.version.and_then(|number| secret.version(number));
                let token = Some(self.flag(names::TOKEN)).filter(|token| !token.is_empty());
                // What was cancelled is named while it is taken back.
                let run = facts.rotation.as_ref().and_then(|rotation| rotation.run.as_ref());
                let run = run.filter(|_| operation == "CancelRotateSecret").map(|run| run.token.as_str());
                let deletion = secret.deleted.as_ref().filter(|_| operation == "DeleteSecret");
                let form = ChangeForm {
                    arn,
                    name,
                    version_id: version.map(|version| version.id.as_str()).or(token).or(run),
                    version_stages: version
                        .filter(|_| operation == "PutSecretValue")
                        .map(|version| secret.stages_of(version.number)),
                    deletion_date: deletion.map(|deletion| Epoch(deletion.purge_at)),
                    replication_status: if operation == "CreateSecret" { replicas(secret) } else { Vec::new() },
                };
                self.write(id, FRAME_BYTES, &form)
            }
        }
    }

    fn validation(&self, id: &RequestId, findings: &[PolicyFinding]) -> WireResponse {
        let errors = findings.iter().map(errors::checked);
        let errors = errors.map(|(check_name, error_message)| ValidationError { check_name, error_message });
        let form =
            ValidationForm { policy_validation_passed: findings.is_empty(), validation_errors: errors.collect() };
        self.write(id, FRAME_BYTES, &form)
    }

    fn rotation(&self, rotation: &Rotation) -> RotationForm {
        RotationForm {
            rotation_enabled: !rotation.paused,
            rotation_lambda_arn: names::rotator_arn(self.config, self.flag(names::REGION), &rotation.settings),
            rotation_rules: RulesForm::of(&rotation.settings),
            last_rotated_date: rotation.last_rotated.map(Epoch),
            next_rotation_date: rotation.next.filter(|_| !rotation.paused).map(Epoch),
        }
    }

    /// Versions that hold a value, by number; those without labels only if they were asked for.
    fn versions(&self, id: &RequestId, secret: &Secret, arn: String, name: String) -> WireResponse {
        let deprecated = self.flag(names::DEPRECATED) == "true";
        let limit: usize = self.flag(names::LIMIT).parse().unwrap_or(1);
        let after: u64 = self.flag(names::AFTER).parse().unwrap_or_default();
        let key = self.key_of(secret).unwrap_or(names::DEFAULT_KEY);
        let has_value = |version: &Version| version.state == VersionState::Enabled;
        let form = |version: &'_ Version| (version.number, secret.stages_of(version.number));
        let all = secret.versions.iter().filter(|version| version.number > after && has_value(version));
        let mut found = all.map(|version| (version, form(version).1)).filter(|(_, s)| deprecated || !s.is_empty());
        let mut versions = Vec::new();
        let mut last = 0;
        for (version, stages) in found.by_ref().take(limit) {
            last = version.number;
            let created_date = Epoch(version.created);
            versions.push(VersionForm {
                version_id: &version.id,
                version_stages: stages,
                created_date,
                kms_key_ids: [key],
            });
        }
        let next = found.next().map(|_| SecretCursor { skip: last, ..SecretCursor::default() });
        self.write(id, FRAME_BYTES, &VersionsForm { arn, name, versions, next_token: self.next(next.as_ref()) })
    }
}

/// Room that a payload takes as a JSON string: every character may need an escape.
fn bytes_of(found: &SecretAnswer) -> usize {
    found.payload.as_ref().map_or(0, |payload| payload.text().len() * 2)
}
