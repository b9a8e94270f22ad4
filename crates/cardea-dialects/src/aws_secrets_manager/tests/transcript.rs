//! Runs `transcripts/*.txt`: what real clients sent, what it is lowered to, and how answers look to them. Lines by their first
//! character: `#` a remark · `!` regions that the owner named · `>` operation and body · `=` the operation of the core · `~` what the core answers (see
//! [`answer`]) · `<` status and body. An empty line ends an exchange; one without `=` is refused by `lower`.

use super::{AwsSecretsManager, parse, wire};
use cardea_model::mount::MountClass;
use cardea_model::operation::{ManySecrets, NewPolicy, PolicyAct, Replicas, SecretAct, SecretRef};
use cardea_model::secret::{
    ContentForm, Deletion, PolicyFinding, Secret, SecretAnswer, SecretBatch, SecretCursor, SecretFacts, SecretFault,
    SecretPage, SecretRegions, SecretReplica, SecretReport, SecretSettings, SecretValue, Version, VersionState,
};
use cardea_model::{
    Answer, Body, Envelope, Error, Payload, Refusal, RequestId, SecretOp, SecretText, Target, Timestamp,
};
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn transcripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws_secrets_manager/transcripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("\n\n").filter(|block| block.lines().any(|line| line.starts_with('>'))) {
            run(block, &format!("{}:\n{block}", path.file_name().unwrap().to_string_lossy()));
            count += 1;
        }
    }
    assert!(count > 25, "only {count} exchanges were found");
}

fn run(block: &str, place: &str) {
    let line = |mark: char| block.lines().find_map(|line| line.strip_prefix(mark)).map(str::trim);
    let (operation, body) = line('>').unwrap().split_once(' ').unwrap();
    let mut config = DialectConfig::default();
    if let Some(regions) = line('!') {
        config.bindings.insert("replica_regions".to_owned(), regions.to_owned());
    }
    let (context, answer) = match AwsSecretsManager.lower(&config, wire(operation, body)) {
        Ok(lowered) => {
            let Target::Secret { mount, op } = &lowered.request.target else { panic!("{place}") };
            assert_eq!(mount, "secret/");
            assert_eq!(Some(print(op).as_str()), line('='), "{place}");
            (lowered.context, self::answer(line('~').expect(place)))
        }
        Err(refusal) => {
            assert_eq!(line('='), None, "refused: {:?} in {place}", refusal.error);
            (RenderContext::default(), Err(refusal))
        }
    };
    let response = AwsSecretsManager.render(&config, &context, answer);
    let (status, expected) = line('<').unwrap().split_once(' ').unwrap();
    assert_eq!(response.status.to_string(), status, "{place}");
    let expected: Value = serde_json::from_str(expected).expect(place);
    let mut found = parse(&response);
    if let Some(token) = found.get_mut("NextToken") {
        *token = "*".into();
    }
    assert_eq!(found, expected, "{place}");
}

fn named(secret: &SecretRef) -> String {
    let name = match &secret.short_id {
        Some(short_id) => format!("{}#{short_id}", secret.path),
        None => secret.path.to_string(),
    };
    match &secret.region {
        Some(region) => format!("{name} in {region}"),
        None => name,
    }
}

fn shown(value: &SecretValue) -> String {
    format!("{:?} {}", value.content, value.payload.text())
}

fn policy(new: &NewPolicy) -> String {
    let public = if new.not_public { " not public" } else { "" };
    format!("{} at {}{public}", new.text, new.arn_front.as_deref().unwrap_or_default())
}

fn replicas(wanted: &Replicas) -> String {
    let force = if wanted.force { " by force" } else { "" };
    format!("{:?}{force}", wanted.regions)
}

fn print(op: &SecretOp) -> String {
    match op {
        SecretOp::One { secret, act } => {
            let act = match act {
                SecretAct::Read { version } => format!("read {version:?}"),
                SecretAct::Describe => "describe".to_owned(),
                SecretAct::Versions => "versions".to_owned(),
                SecretAct::Policy(act) => match act {
                    PolicyAct::Read => "read policy".to_owned(),
                    PolicyAct::List => "list policies".to_owned(),
                    PolicyAct::Delete => "delete policy".to_owned(),
                    PolicyAct::Put(new) => format!("put policy {}", policy(new)),
                    PolicyAct::Check(new) => format!("check policy {}", policy(new)),
                },
                SecretAct::Create(new) => {
                    let value = new.value.as_ref().map_or("nothing".to_owned(), shown);
                    let replicas =
                        Some(format!(" {}", replicas(&new.replicas))).filter(|_| !new.replicas.regions.is_empty());
                    format!(
                        "create {value} as {} {:?} {:?} {:?}{}",
                        new.version_id,
                        new.description,
                        new.key_id,
                        new.tags,
                        replicas.unwrap_or_default()
                    )
                }
                SecretAct::Put(new) => format!("put {} as {} at {:?}", shown(&new.value), new.version_id, new.stages),
                SecretAct::Update(change) => {
                    let value = change.value.as_ref().map_or("nothing".to_owned(), shown);
                    format!("update {value} as {} {:?} {:?}", change.version_id, change.description, change.key_id)
                }
                SecretAct::MoveStage { stage, from, to } => format!("move {stage} {from:?} {to:?}"),
                SecretAct::Delete { recovery_s } => format!("delete {recovery_s:?}"),
                SecretAct::Restore => "restore".to_owned(),
                SecretAct::Rotate(wish) => {
                    format!(
                        "rotate {:?} {:?} {:?} {} as {}",
                        wish.rotator, wish.schedule, wish.window_s, wish.begin, wish.token
                    )
                }
                SecretAct::CancelRotation => "cancel rotation".to_owned(),
                SecretAct::Tag { set, remove } => format!("tag {set:?} {remove:?}"),
                SecretAct::Replicate(wanted) => format!("replicate {}", replicas(wanted)),
                SecretAct::RemoveReplicas(gone) => format!("remove replicas {gone:?}"),
                SecretAct::Detach => "detach".to_owned(),
            };
            format!("{}: {act}", named(secret))
        }
        SecretOp::List(query) => format!("list {query:?}"),
        SecretOp::ReadMany(ManySecrets::Named(many)) => {
            let many: Vec<String> = many.iter().map(|(_, secret)| named(secret)).collect();
            format!("many {}", many.join(" "))
        }
        SecretOp::ReadMany(ManySecrets::Matching(query)) => format!("matching {query:?}"),
        SecretOp::Password(wish) => format!("password {wish:?}"),
        SecretOp::CheckPolicy { text } => format!("check policy {text}"),
        other => panic!("{other:?}"),
    }
}

const FIRST: &str = "aaaaaaaa-1111-4111-8111-111111111111";
const SECOND: &str = "bbbbbbbb-2222-4222-8222-222222222222";
const THIRD: &str = "cccccccc-3333-4333-8333-333333333333";

/// A secret with three versions: a deprecated one, the previous one and the current one.
fn secret(path: &str, deleted: bool) -> Secret {
    let version = |number: u64, id: &str| Version {
        number,
        id: id.to_owned(),
        created: Timestamp(1_700_000_000_000 + number * 1_500),
        creator: String::new(),
        maker: String::new(),
        state: VersionState::Enabled,
        deletion: None,
        content: ContentForm::Object,
        rotator: None,
        prepared: false,
    };
    let deletion = Deletion { at: Timestamp(1_700_000_100_000), purge_at: Timestamp(1_700_604_900_000) };
    Secret {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        path: path.to_owned(),
        created: Timestamp(1_700_000_000_000),
        updated: Timestamp(1_700_000_004_500),
        current: 3,
        newest: 0,
        oldest: 1,
        metadata: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
        description: "the database".to_owned(),
        key_id: None,
        staged: true,
        once: None,
        policy_arn: None,
        settings: SecretSettings::default(),
        regions: None,
        stages: BTreeMap::from([("AWSCURRENT".to_owned(), 3), ("AWSPREVIOUS".to_owned(), 2)]),
        tokens: BTreeMap::new(),
        deleted: deleted.then_some(deletion),
        versions: vec![version(1, FIRST), version(2, SECOND), version(3, THIRD)],
    }
}

fn value(path: &str, content: ContentForm, payload: Option<&str>) -> SecretAnswer {
    let secret = secret(path, false);
    let mut version = secret.version(3).unwrap().clone();
    version.content = content;
    SecretAnswer {
        short_id: secret.short_id(),
        secret_id: secret.id,
        path: secret.path,
        version,
        stages: vec!["AWSCURRENT".to_owned()],
        metadata: BTreeMap::new(),
        payload: payload.map(|text| Payload::parse(text.to_owned()).unwrap()),
    }
}

/// `primary`, `replica`, `taken`, `alone`: facts of a secret of regions · `object|text|bytes <json>`: a value · `gone`: a version without one · `facts [n]`, `deleted`: facts, with the version that
/// a change made · `rotates <s>`: facts of one that rotates so often, with a change on its way · `page
/// [more]`, `batch`, `password <text>` · `policy <text>`, `malformed <reason>` · `passed`, `public`, `refused <reason>`: of a check · `denied`, `absent`, `fault <name>`, `invalid <words>`.
fn answer(fact: &str) -> Result<Answer, Refusal> {
    let (word, rest) = fact.split_once(' ').unwrap_or((fact, ""));
    let facts = |deleted, version| {
        Body::Secrets(Box::new(SecretReport::Facts(Box::new(SecretFacts {
            secret: secret("prod/db", deleted),
            version,
            rotation: None,
            policy: None,
            moved: Vec::new(),
        }))))
    };
    let findings = |finding: Option<PolicyFinding>| {
        Body::Secrets(Box::new(SecretReport::PolicyCheck(finding.into_iter().collect())))
    };
    let body = match word {
        "object" => Body::Secret(Box::new(value("prod/db", ContentForm::Object, Some(rest)))),
        "text" => Body::Secret(Box::new(value("prod/db", ContentForm::Text, Some(rest)))),
        "bytes" => Body::Secret(Box::new(value("prod/db", ContentForm::Bytes, Some(rest)))),
        "gone" => Body::Secret(Box::new(value("prod/db", ContentForm::Object, None))),
        "facts" => facts(false, rest.parse().ok()),
        // At home in the region that is asked, or in another one, and replicated to a third.
        "primary" | "replica" | "taken" | "alone" => {
            let (primary, other) =
                if word == "replica" { ("eu-west-1", "us-east-1") } else { ("us-east-1", "eu-west-1") };
            let there = |key: Option<&str>| SecretReplica { key_id: key.map(str::to_owned), taken: false };
            let last = SecretReplica { taken: word == "taken", ..there(None) };
            let mut replicas =
                BTreeMap::from([(other.to_owned(), there(Some("alias/there"))), ("eu-west-2".to_owned(), last)]);
            // One that was replicated here once has a path of its own, and an id that its ARN does not follow from.
            let (mut path, mut id, mut once) = ("prod/db", secret("prod/db", false).id, None);
            if word == "alone" {
                replicas.clear();
                (path, once) = ("prod/db%us-east-1", Some(std::mem::replace(&mut id, "another".to_owned())));
            }
            let regions = Some(SecretRegions { primary: primary.to_owned(), replicas });
            let secret = Secret { id, once, regions, ..secret(path, false) };
            let version = rest.parse().ok();
            Body::Secrets(Box::new(SecretReport::Facts(Box::new(SecretFacts {
                secret,
                version,
                rotation: None,
                policy: None,
                moved: Vec::new(),
            }))))
        }
        "deleted" => facts(true, None),
        "rotates" => {
            let rotation = serde_json::json!({
                "secret_id": "s",
                "settings": {
                    "rotator": "database/orders", "username": "app", "strategy": "alternating-users",
                    "every_s": rest.parse::<u64>().unwrap(),
                },
                "run": {
                    "token": THIRD, "step": "undo", "from": 2, "to": 3, "begun": 1_700_000_000_000_u64, "attempts": 0,
                    "refused_values": 0,
                },
                "last_rotated": 1_700_000_000_000_u64,
                "next": 1_700_086_400_000_u64,
            });
            let rotation = serde_json::from_value(rotation).unwrap();
            let secret = secret("prod/db", false);
            let facts = SecretFacts { secret, version: None, rotation, policy: None, moved: Vec::new() };
            Body::Secrets(Box::new(SecretReport::Facts(Box::new(facts))))
        }
        "page" => {
            let next =
                (rest == "more").then(|| SecretCursor { after: "%/b".to_owned(), skip: 1, ..SecretCursor::default() });
            let secrets = vec![secret("prod/db", false), secret("not shown", false), secret("%/b", false)];
            Body::Secrets(Box::new(SecretReport::Page(SecretPage { secrets, next })))
        }
        "batch" => Body::Secrets(Box::new(SecretReport::Batch(SecretBatch {
            values: vec![value("prod/db", ContentForm::Text, Some("\"x\""))],
            refused: vec![
                ("shut".to_owned(), Error::denied()),
                ("none".to_owned(), Error::not_found()),
                ("gone".to_owned(), SecretFault::MarkedForDeletion.into()),
            ],
            next: None,
        }))),
        "password" => Body::Secrets(Box::new(SecretReport::Password(SecretText::new(rest.to_owned())))),
        "policy" => {
            let secret = secret("prod/db", false);
            let facts =
                SecretFacts { secret, version: None, rotation: None, policy: Some(rest.to_owned()), moved: Vec::new() };
            Body::Secrets(Box::new(SecretReport::Facts(Box::new(facts))))
        }
        "passed" => findings(None),
        "public" => findings(Some(PolicyFinding { fault: SecretFault::PolicyPublic, reason: "a reason".to_owned() })),
        "refused" => findings(Some(PolicyFinding { fault: SecretFault::PolicyMalformed, reason: rest.to_owned() })),
        "malformed" => return Err(SecretFault::malformed_policy(rest).into()),
        "denied" => return Err(Error::denied().into()),
        "absent" => return Err(Error::not_found().into()),
        "invalid" => return Err(Error::invalid(rest).into()),
        "fault" => {
            let fault = match rest {
                "Exists" => SecretFault::Exists,
                "MarkedForDeletion" => SecretFault::MarkedForDeletion,
                "NoVersion" => SecretFault::NoVersion,
                "PolicyPublic" => SecretFault::PolicyPublic,
                "PolicyLocksOut" => SecretFault::PolicyLocksOut,
                "StageNotOnVersion" => SecretFault::StageNotOnVersion,
                "Replica" => SecretFault::Replica,
                "HasReplicas" => SecretFault::HasReplicas,
                "NotReplicated" => SecretFault::NotReplicated,
                "TooMuchToDetach" => SecretFault::TooMuchToDetach,
                other => panic!("{other}"),
            };
            return Err(Error::from(fault).into());
        }
        other => panic!("{other}"),
    };
    Ok(Answer {
        caller_known: true,
        request_id: RequestId("id".to_owned()),
        envelope: Envelope::Standard,
        body,
        status: None,
        lease: None,
        auth: None,
        wrap: None,
        warnings: Vec::new(),
        mount_kind: "kv".to_owned(),
        mount_class: MountClass::Secret,
    })
}
