//! Resource policies of secrets, on a whole server: they decide beside Vault's policies at both doors, nobody can take a name
//! that lets him in, and nobody is locked out for good.

use crate::aws_secrets_manager::ask;
use cardea_kernel::access_keys::{self, NewKey, Owner};
use cardea_kernel::tokens::Login;
use cardea_model::{AssumedRole, EntityId, NamespaceId, TtlSeconds};
use cardea_sdk::{Identification, TokenTerms};
use cardea_testkit::{Reply, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ACCOUNT: &str = "123456789012";
const OWNER: &str = r#"path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }"#;
const FIRST: &str = "11111111-2222-4333-8444-555555555555";
const SECOND: &str = "22222222-2222-4333-8444-555555555555";

/// A token for Vault's door and a key for AWS's.
struct Somebody {
    token: String,
    key: (String, String),
}

/// An entity of this name.
async fn entity(server: &TestServer, name: &str, policies: &[&str]) -> Somebody {
    let body = json!({ "name": name, "policies": policies });
    let id = server.post("identity/entity", server.root(), body).await.expect(200).text_at("/data/id");
    let entity = EntityId(id.clone());
    let token = server.token_with(policies, |new| new.entity = Some(entity)).await;
    let body = json!({ "entity_id": id, "session_token": false });
    let issued = server.post("identity/access-key", server.root(), body).await.expect(200);
    Somebody { token, key: (issued.text_at("/data/access_key_id"), issued.text_at("/data/secret_access_key")) }
}

/// A token that calls itself so, and its key.
async fn token(server: &TestServer, name: &str, policies: &[&str], role: Option<AssumedRole>) -> Somebody {
    let token = server.token_with(policies, |new| new.display_name = name.to_owned()).await;
    let active = server.active();
    let mut txn = active.sealed.txn();
    let now = txn.now().await.unwrap();
    let new = NewKey {
        name: String::new(),
        owner: Owner::Token { id: active.hashes.token_id(&token) },
        policies: None,
        bound_cidrs: Vec::new(),
        session: false,
        assumed_role: role,
        came_by: None,
        issuer: None,
        now,
        expires: now.plus(TtlSeconds(3_600)),
    };
    let issued = access_keys::issue(&mut txn, &NamespaceId::root(), &*active.rng, new).unwrap();
    txn.commit().await.unwrap();
    Somebody { token, key: (issued.id, issued.secret.expose().to_owned()) }
}

/// A server with the secret `app` of two versions, whose owner may do everything by policy.
async fn server() -> (TestServer, Somebody) {
    let server = TestServer::start().await;
    server.mount("secret", "kv").await;
    server.policy("owner", OWNER).await;
    let owner = entity(&server, "owner", &["owner"]).await;
    let create = json!({ "Name": "app", "SecretString": "one", "ClientRequestToken": FIRST,
        "Tags": [{ "Key": "Team", "Value": "payments" }] });
    ask(&server, &owner.key, "CreateSecret", create).await.expect(200);
    let put = json!({ "SecretId": "app", "SecretString": "two", "ClientRequestToken": SECOND });
    ask(&server, &owner.key, "PutSecretValue", put).await.expect(200);
    (server, owner)
}

fn arn(name: &str) -> Value {
    json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:{name}") })
}

fn statement(effect: &str, principal: Value, actions: Value) -> Value {
    json!({ "Effect": effect, "Principal": principal, "Action": actions, "Resource": "*" })
}

fn under(mut statement: Value, condition: Value) -> Value {
    statement["Condition"] = condition;
    statement
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

async fn put(server: &TestServer, by: &Somebody, text: &str) -> Reply {
    ask(server, &by.key, "PutResourcePolicy", json!({ "SecretId": "app", "ResourcePolicy": text })).await
}

/// Whether it may read the value, at AWS's door and at Vault's.
async fn reads(server: &TestServer, who: &Somebody) -> (bool, bool) {
    let aws = ask(server, &who.key, "GetSecretValue", json!({ "SecretId": "app" })).await;
    if !aws.is_success() {
        assert_eq!(aws.text_at("/__type"), "AccessDeniedException");
    }
    let vault = server.get("secret/data/app", &who.token).await;
    assert!(vault.is_success() || vault.status == 403, "{}", vault.status);
    (aws.is_success(), vault.is_success())
}

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);

#[tokio::test]
async fn an_allow_lets_in_whom_no_policy_of_vaults_knows_and_no_further() {
    let (server, owner) = server().await;
    let carol = entity(&server, "carol", &[]).await;
    assert_eq!(reads(&server, &carol).await, NEITHER);
    let allow = statement("Allow", arn("user/entity/carol"), json!(["secretsmanager:GetSecretValue"]));
    let allow = json!({ "Sid": "Carol", "Effect": allow["Effect"], "Principal": allow["Principal"],
        "Action": allow["Action"], "Resource": allow["Resource"] });
    put(&server, &owner, &policy(&[allow])).await.expect(200);
    assert_eq!(reads(&server, &carol).await, BOTH);
    let record = format!("{:?}", server.last_record().await);
    assert!(record.contains("statement 1 (Carol) of the resource policy allows"), "{record}");
    let batch = ask(&server, &carol.key, "BatchGetSecretValue", json!({ "SecretIdList": ["app", "none"] })).await;
    let batch = batch.expect(200);
    assert_eq!(batch.text_at("/SecretValues/0/SecretString"), "two");
    assert_eq!(batch.text_at("/Errors/0/ErrorCode"), "AccessDeniedException");
    for (operation, body) in [
        ("DescribeSecret", json!({ "SecretId": "app" })),
        ("GetResourcePolicy", json!({ "SecretId": "app" })),
        ("PutResourcePolicy", json!({ "SecretId": "app", "ResourcePolicy": "{}" })),
        ("DeleteSecret", json!({ "SecretId": "app" })),
    ] {
        let refused = ask(&server, &carol.key, operation, body).await.expect(400);
        assert_eq!(refused.text_at("/__type"), "AccessDeniedException", "{operation}");
    }
    server.post("secret/data/app", &carol.token, json!({ "data": { "k": "v" } })).await.expect(403);
    server.get("secret/policy/app", &carol.token).await.expect(403);
    // As at AWS, no policy of a secret lets anybody list.
    let listed = ask(&server, &carol.key, "ListSecrets", json!({})).await.expect(200);
    assert_eq!(listed.at("/SecretList"), &json!([]));
    // Who is not named is left to Vault's policies.
    assert_eq!(reads(&server, &owner).await, BOTH);

    // Another secret of the same name has nothing of it.
    server.delete("secret/metadata/app", &owner.token).await.ok();
    server.post("secret/data/app", &owner.token, json!({ "data": { "k": "v" } })).await.ok();
    assert_eq!(reads(&server, &carol).await, NEITHER);
}

#[tokio::test]
async fn a_deny_of_either_language_holds_at_both_doors() {
    let (server, owner) = server().await;
    let bob = entity(&server, "bob", &["owner"]).await;
    let deny = statement("Deny", arn("user/entity/bob"), json!("secretsmanager:GetSecretValue"));
    put(&server, &owner, &policy(&[deny])).await.expect(200);
    assert_eq!(reads(&server, &bob).await, NEITHER);
    let record = format!("{:?}", server.last_record().await);
    assert!(record.contains("statement 1 of the resource policy denies"), "{record}");
    for path in ["secret/data/app?version=1", "secret/subkeys/app"] {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let refused = server.call("GET", &format!("{path}?{query}")).token(&bob.token).send().await;
        assert_eq!(refused.status, 403, "{path}");
    }
    let batch = ask(&server, &bob.key, "BatchGetSecretValue", json!({ "SecretIdList": ["app"] })).await.expect(200);
    assert_eq!(batch.text_at("/Errors/0/ErrorCode"), "AccessDeniedException");
    assert_eq!(reads(&server, &owner).await, BOTH);

    // What Vault's policies deny, no document allows.
    server.policy("not", r#"path "secret/data/app" { capabilities = ["deny"] }"#).await;
    let dave = entity(&server, "dave", &["owner", "not"]).await;
    let everything = statement("Allow", arn("user/entity/dave"), json!("secretsmanager:*"));
    put(&server, &owner, &policy(&[everything])).await.expect(200);
    assert_eq!(reads(&server, &dave).await, NEITHER);
    ask(&server, &dave.key, "DescribeSecret", json!({ "SecretId": "app" })).await.expect(200);
}

/// Each action that is denied, and what it shuts at each door.
#[tokio::test]
async fn what_an_action_is_called_shuts_it_at_both_doors() {
    let (server, owner) = server().await;
    let bob = entity(&server, "bob", &["owner"]).await;
    let id = |more: Value| {
        let mut body = json!({ "SecretId": "app" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let metadata = ("POST", "metadata/app", json!({ "custom_metadata": { "a": "b" } }));
    let table = [
        (
            "PutSecretValue",
            id(json!({ "SecretString": "x", "ClientRequestToken": "3".repeat(32) })),
            vec![
                ("POST", "data/app", json!({ "data": { "k": "v" } })),
                ("PATCH", "data/app", json!({ "data": { "k": "v" } })),
            ],
        ),
        (
            "UpdateSecret",
            id(json!({ "Description": "x", "ClientRequestToken": "5".repeat(32) })),
            vec![
                ("POST", "metadata/app", json!({ "max_versions": 5 })),
                ("PATCH", "metadata/app", json!({ "max_versions": 5 })),
            ],
        ),
        ("TagResource", id(json!({ "Tags": [{ "Key": "a", "Value": "b" }] })), vec![metadata.clone()]),
        ("UntagResource", id(json!({ "TagKeys": ["a"] })), vec![metadata]),
        (
            "DescribeSecret",
            id(json!({})),
            vec![("GET", "metadata/app", Value::Null), ("GET", "rotation/app", Value::Null)],
        ),
        ("ListSecretVersionIds", id(json!({})), vec![]),
        ("UpdateSecretVersionStage", id(json!({ "VersionStage": "x", "MoveToVersionId": FIRST })), vec![]),
        (
            "DeleteSecret",
            id(json!({ "RecoveryWindowInDays": 7 })),
            vec![
                ("DELETE", "data/app", Value::Null),
                ("DELETE", "metadata/app", Value::Null),
                ("POST", "delete/app", json!({ "versions": [1] })),
                ("POST", "destroy/app", json!({ "versions": [1] })),
                ("POST", "rotation-revoke/app", json!({})),
            ],
        ),
        ("RestoreSecret", id(json!({})), vec![("POST", "undelete/app", json!({ "versions": [1] }))]),
        (
            "RotateSecret",
            id(json!({ "ClientRequestToken": "4".repeat(32) })),
            vec![
                ("POST", "rotate/app", json!({})),
                ("POST", "rotation-rollback/app", json!({})),
                (
                    "POST",
                    "rotation/app",
                    json!({ "rotator": "database/x", "username": "x", "strategy": "single-user" }),
                ),
            ],
        ),
        (
            "CancelRotateSecret",
            id(json!({})),
            vec![("POST", "rotation-cancel/app", json!({})), ("DELETE", "rotation/app", Value::Null)],
        ),
        ("GetResourcePolicy", id(json!({})), vec![("GET", "policy/app", Value::Null)]),
        ("ListResourcePolicies", id(json!({})), vec![]),
        (
            "PutResourcePolicy",
            id(json!({ "ResourcePolicy": policy(&[]) })),
            vec![("POST", "policy/app", json!({ "policy": policy(&[]) }))],
        ),
        ("ValidateResourcePolicy", id(json!({ "ResourcePolicy": policy(&[]) })), vec![]),
        ("DeleteResourcePolicy", id(json!({})), vec![("DELETE", "policy/app", Value::Null)]),
    ];
    for (action, body, at_vault) in table {
        let text = policy(&[statement("Deny", arn("user/entity/bob"), json!(format!("secretsmanager:{action}")))]);
        put(&server, &owner, &text).await.expect(200);
        let refused = ask(&server, &bob.key, action, body).await.expect(400);
        assert_eq!(refused.text_at("/__type"), "AccessDeniedException", "{action}");
        for (method, path, body) in at_vault {
            let mut call = server.call(method, &format!("secret/{path}")).token(&bob.token);
            if method == "PATCH" {
                call = call.header("content-type", "application/merge-patch+json");
            }
            let call = if body.is_null() { call } else { call.json(&body) };
            assert_eq!(call.send().await.status, 403, "{action}: {method} {path}");
        }
    }
    // A secret that hides itself is in no list.
    let hide = policy(&[statement("Deny", arn("user/entity/bob"), json!("secretsmanager:DescribeSecret"))]);
    put(&server, &owner, &hide).await.expect(200);
    for (who, count) in [(&bob, 0), (&owner, 1)] {
        for query in [json!({}), json!({ "SortBy": "created-date" })] {
            let listed = ask(&server, &who.key, "ListSecrets", query).await.expect(200);
            assert_eq!(listed.at("/SecretList").as_array().unwrap().len(), count);
        }
    }
}

#[tokio::test]
async fn nobody_takes_a_name_that_lets_him_in() {
    let (server, owner) = server().await;
    let get = json!("secretsmanager:GetSecretValue");
    let liar = token(&server, "entity/carol", &["default"], None).await;
    let carol = entity(&server, "carol", &[]).await;
    let shut = token(&server, "nightly", &["owner"], None).await;
    let role = |session: &str| AssumedRole {
        mount: "kubernetes".to_owned(),
        role: "app".to_owned(),
        session: session.to_owned(),
    };
    let app = token(&server, "kubernetes-sa", &["default"], Some(role("pod-1"))).await;
    let any = json!("*");
    let by_arn = json!({ "ArnEquals": { "aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:user/entity/carol") } });
    for (text, reading) in [
        (policy(&[statement("Allow", arn("user/entity/carol"), get.clone())]), [false, true]),
        (policy(&[under(statement("Allow", any.clone(), get.clone()), by_arn)]), [false, true]),
        (
            policy(&[under(
                statement("Allow", any.clone(), get.clone()),
                json!({ "StringEquals": { "aws:username": "carol" } }),
            )]),
            [false, true],
        ),
    ] {
        put(&server, &owner, &text).await.expect(200);
        for (who, reading) in [&liar, &carol].into_iter().zip(reading) {
            assert_eq!(reads(&server, who).await, (reading, reading), "{text}");
        }
    }
    // The role of a login is vouched for at AWS's door, where the key says it. Its session's name is what its caller liked.
    put(&server, &owner, &policy(&[statement("Allow", arn("role/kubernetes/app"), get.clone())])).await.expect(200);
    assert_eq!(reads(&server, &app).await, (true, false));
    let session = json!({ "AWS": format!("arn:aws:sts::{ACCOUNT}:assumed-role/kubernetes.app/pod-1") });
    let refused = put(&server, &owner, &policy(&[statement("Allow", session.clone(), get.clone())])).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException");
    assert!(refused.text_at("/Message").contains("a session's name is chosen by its caller"));
    let both = [statement("Allow", arn("role/kubernetes/app"), get.clone()), statement("Deny", session, get.clone())];
    put(&server, &owner, &policy(&both)).await.expect(200);
    assert_eq!(reads(&server, &app).await, NEITHER);
    // A token's name lets nobody in, and shuts out who has it.
    let refused =
        put(&server, &owner, &policy(&[statement("Allow", arn("user/nightly"), get.clone())])).await.expect(400);
    assert!(refused.text_at("/Message").contains("a user that is no entity has a name that anybody can take"));
    assert_eq!(reads(&server, &shut).await, BOTH);
    put(&server, &owner, &policy(&[statement("Deny", arn("user/nightly"), get)])).await.expect(200);
    assert_eq!(reads(&server, &shut).await, NEITHER);
}

/// Who logged in for a role at Vault's door is known by it at both: by the token, and by keys that stand for it.
#[tokio::test]
async fn a_role_is_one_name_at_both_doors() {
    let (server, owner) = server().await;
    server.post("sys/auth/jwt", server.root(), json!({ "type": "jwt" })).await.ok();
    let mount_uuid = server.active().mounts.now().at("auth/jwt/").unwrap().uuid.clone();
    let login = |role: &str| Login {
        mount_uuid: mount_uuid.clone(),
        identification: Identification {
            alias: String::new(),
            alias_metadata: BTreeMap::new(),
            display_name: String::new(),
            role: role.to_owned(),
            // What somebody else could have said.
            metadata: BTreeMap::from([("role".to_owned(), "admin".to_owned())]),
            terms: TokenTerms::default(),
            internal: BTreeMap::new(),
        },
    };
    server.policy("issue", r#"path "identity/access-key" { capabilities = ["update"] }"#).await;
    let somebody = |role: Option<Login>, policies: &'static [&'static str], narrowed: bool| {
        let server = &server;
        async move {
            let token = server.token_with(policies, |new| new.login = role).await;
            let mut body = json!({ "session_token": false });
            if narrowed {
                body["policies"] = json!(["issue"]);
            }
            let issued = server.post("identity/access-key", &token, body).await.expect(200);
            let text = |name: &str| issued.text_at(&format!("/data/{name}"));
            Somebody { key: (text("access_key_id"), text("secret_access_key")), token }
        }
    };
    let ci = somebody(Some(login("ci")), &["issue"], false).await;
    let narrow = somebody(Some(login("ci")), &["issue"], true).await;
    let web = somebody(Some(login("web")), &["issue"], false).await;
    let get = json!("secretsmanager:GetSecretValue");
    for name in ["role/jwt/ci", "role/ci"] {
        put(&server, &owner, &policy(&[statement("Allow", arn(name), get.clone())])).await.expect(200);
        assert_eq!(reads(&server, &ci).await, BOTH, "{name}");
        assert_eq!(reads(&server, &narrow).await, (false, true), "a key that has less than its token");
        assert_eq!(reads(&server, &web).await, NEITHER);
    }
    put(&server, &owner, &policy(&[statement("Allow", arn("role/jwt/admin"), get.clone())])).await.expect(200);
    assert_eq!(reads(&server, &ci).await, NEITHER);
    let reader = somebody(Some(login("ci")), &["issue", "owner"], false).await;
    assert_eq!(reads(&server, &reader).await, BOTH);
    put(&server, &owner, &policy(&[statement("Deny", arn("role/jwt/CI"), get)])).await.expect(200);
    assert_eq!(reads(&server, &reader).await, NEITHER);
    let batch = ask(&server, &reader.key, "BatchGetSecretValue", json!({ "SecretIdList": ["app"] })).await.expect(200);
    assert_eq!(batch.text_at("/Errors/0/ErrorCode"), "AccessDeniedException");
    // A mount that was moved takes its roles with it.
    server.post("sys/remount", server.root(), json!({ "from": "auth/jwt", "to": "auth/ci" })).await.ok();
    server.settle().await;
    assert_eq!(reads(&server, &reader).await, BOTH);
}

/// A deny by role was walked around by a child of the token, and by a key of its entity.
#[tokio::test]
async fn what_came_of_a_login_is_kept_from_what_its_role_is_kept_from() {
    let (server, owner) = server().await;
    let ids = server.approle("ci", json!({ "token_policies": "owner,issue" })).await;
    let may = r#"path "auth/token/create*" { capabilities = ["update", "sudo"] } path "identity/access-key" { capabilities = ["update", "sudo"] }"#;
    server.policy("issue", may).await;
    let login = server.login(&ids).await.expect(200);
    let (token, entity) = (login.client_token(), login.text_at("/auth/entity_id"));
    let create = async |by: &str, path: &str, body: Value| server.post(path, by, body).await.expect(200).client_token();
    let mut came = vec![token.clone(), create(&token, "auth/token/create", json!({})).await];
    came.push(create(&came[1], "auth/token/create", json!({})).await);
    came.push(create(&token, "auth/token/create-orphan", json!({})).await);
    came.push(create(&token, "auth/token/create", json!({ "type": "batch" })).await);
    server.post(&format!("identity/entity/id/{entity}"), server.root(), json!({ "policies": ["owner"] })).await.ok();
    let mut keys = Vec::new();
    for (by, body) in [
        (&token, json!({ "session_token": false })),
        (&came[2], json!({ "session_token": false })),
        (&token, json!({ "session_token": false, "entity_id": entity })),
    ] {
        let issued = server.post("identity/access-key", by, body).await.expect(200);
        keys.push((issued.text_at("/data/access_key_id"), issued.text_at("/data/secret_access_key")));
    }
    let get = json!("secretsmanager:GetSecretValue");
    for (expected, document) in [
        (true, policy(&[statement("Deny", arn("role/approle/other"), get.clone())])),
        (false, policy(&[statement("Deny", arn("role/approle/ci"), get.clone())])),
    ] {
        put(&server, &owner, &document).await.expect(200);
        for (n, token) in came.iter().enumerate() {
            assert_eq!(server.get("secret/data/app", token).await.is_success(), expected, "token {n}");
        }
        for (n, key) in keys.iter().enumerate() {
            let read = ask(&server, key, "GetSecretValue", json!({ "SecretId": "app" })).await;
            assert_eq!(read.is_success(), expected, "key {n}: {}", read.text);
        }
    }
    // What a role is given by name is no child's, who may have less.
    let less = create(&token, "auth/token/create-orphan", json!({ "policies": ["default"] })).await;
    put(&server, &owner, &policy(&[statement("Allow", arn("role/approle/ci"), get)])).await.expect(200);
    server.get("secret/data/app", &token).await.expect(200);
    server.get("secret/data/app", &less).await.expect(403);
}

#[tokio::test]
async fn conditions_see_what_the_request_says_and_nothing_else() {
    let (server, owner) = server().await;
    let carol = entity(&server, "carol", &[]).await;
    let allow = || statement("Allow", arn("user/entity/carol"), json!("secretsmanager:GetSecretValue"));
    // A request that names no stage names none, although it gets the current version.
    let stage = json!({ "StringEquals": { "secretsmanager:VersionStage": "AWSCURRENT" } });
    put(&server, &owner, &policy(&[under(allow(), stage)])).await.expect(200);
    assert_eq!(reads(&server, &carol).await, NEITHER);
    let get = |more: Value| {
        let (server, carol) = (&server, &carol);
        async move {
            let mut body = json!({ "SecretId": "app" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            ask(server, &carol.key, "GetSecretValue", body).await.is_success()
        }
    };
    assert!(get(json!({ "VersionStage": "AWSCURRENT" })).await);
    assert!(!get(json!({ "VersionStage": "AWSPREVIOUS" })).await);
    assert!(get(json!({ "VersionId": SECOND, "VersionStage": "AWSCURRENT" })).await);
    assert!(!get(json!({ "VersionId": SECOND })).await);
    // A version is one thing, whether by its id or by its number.
    let version = json!({ "StringEquals": { "secretsmanager:VersionId": FIRST } });
    put(&server, &owner, &policy(&[under(allow(), version)])).await.expect(200);
    assert!(get(json!({ "VersionId": FIRST })).await && !get(json!({ "VersionId": SECOND })).await);
    server.call("GET", "secret/data/app?version=1").token(&carol.token).send().await.expect(200);
    server.call("GET", "secret/data/app?version=2").token(&carol.token).send().await.expect(403);

    let id = ask(&server, &owner.key, "DescribeSecret", json!({ "SecretId": "app" })).await.text_at("/ARN");
    for (condition, reading) in [
        (json!({ "IpAddress": { "aws:SourceIp": "127.0.0.0/8" } }), BOTH),
        (json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } }), NEITHER),
        (json!({ "Bool": { "aws:SecureTransport": "true" } }), NEITHER),
        (json!({ "Bool": { "aws:SecureTransport": "false" } }), BOTH),
        (json!({ "DateLessThan": { "aws:CurrentTime": "2020-01-01" } }), NEITHER),
        (json!({ "NumericGreaterThan": { "aws:EpochTime": 1 } }), BOTH),
        (json!({ "StringEquals": { "aws:PrincipalAccount": ACCOUNT } }), BOTH),
        (json!({ "StringEquals": { "secretsmanager:ResourceTag/team": "payments" } }), BOTH),
        (json!({ "StringEquals": { "aws:ResourceTag/Team": "web" } }), NEITHER),
        (json!({ "StringEquals": { "secretsmanager:Name": "app" } }), BOTH),
        (json!({ "ArnEquals": { "secretsmanager:SecretId": id } }), BOTH),
        (json!({ "Null": { "aws:PrincipalTag/team": "true" } }), BOTH),
        // A token has no region.
        (json!({ "StringEquals": { "aws:RequestedRegion": "eu-central-1" } }), (true, false)),
    ] {
        put(&server, &owner, &policy(&[under(allow(), condition.clone())])).await.expect(200);
        assert_eq!(reads(&server, &carol).await, reading, "{condition}");
    }
    // The resource is the ARN that AWS's clients know.
    for (resource, reading) in [(json!(id), BOTH), (json!(id.replace("eu-central-1", "us-east-1")), NEITHER)] {
        let mut allow = allow();
        allow["Resource"] = resource;
        put(&server, &owner, &policy(&[allow])).await.expect(200);
        assert_eq!(reads(&server, &carol).await, reading);
    }
}

#[tokio::test]
async fn nobody_is_locked_out_for_good() {
    let (server, owner) = server().await;
    let all = json!("secretsmanager:*");
    let shut = policy(&[statement("Deny", json!("*"), all)]);
    let refused = put(&server, &owner, &shut).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException");
    assert_eq!(refused.text_at("/Message"), "The resource policy would not allow you to replace it in the future.");
    server.post("secret/policy/app", &owner.token, json!({ "policy": shut })).await.expect(400);
    // Who was let in by the policy alone could not come back after taking the statement away.
    let carol = entity(&server, "carol", &[]).await;
    let managers = statement("Allow", arn("user/entity/carol"), json!("secretsmanager:*ResourcePolicy"));
    put(&server, &owner, &policy(std::slice::from_ref(&managers))).await.expect(200);
    let other = statement("Allow", arn("user/entity/dave"), json!("secretsmanager:GetSecretValue"));
    put(&server, &carol, &policy(std::slice::from_ref(&other))).await.expect(400);
    put(&server, &carol, &policy(&[managers, other])).await.expect(200);

    // Root may shut everybody out, is shut out of the value itself, and can always take the policy back.
    server.post("secret/policy/app", server.root(), json!({ "policy": shut })).await.ok();
    assert_eq!(reads(&server, &owner).await, NEITHER);
    server.get("secret/data/app", server.root()).await.expect(403);
    server.get("secret/policy/app", &owner.token).await.expect(403);
    server.delete("secret/policy/app", &owner.token).await.expect(403);
    assert_eq!(server.get("secret/policy/app", server.root()).await.expect(200).text_at("/data/policy"), shut);
    server.delete("secret/policy/app", server.root()).await.expect(204);
    assert_eq!(reads(&server, &owner).await, BOTH);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_with_awss_types() {
    let (server, owner) = server().await;
    let all = json!("secretsmanager:*");
    let public = policy(&[statement("Allow", json!("*"), json!("secretsmanager:GetSecretValue"))]);
    let unknown_key =
        under(statement("Allow", arn("root"), all.clone()), json!({ "StringEquals": { "aws:SourceVpce": "v" } }));
    for (text, words) in [
        ("{".to_owned(), "the policy is not JSON"),
        ("{}".to_owned(), "the policy has no statement, or more than 256"),
        (policy(&[statement("allow", arn("root"), all.clone())]), "statement 1: Effect is neither Allow nor Deny"),
        (
            policy(&[statement("Allow", json!({ "Service": "x" }), all.clone())]),
            "statement 1: a principal is of another kind than AWS, and no caller here is",
        ),
        (policy(&[unknown_key]), "statement 1: a condition key is none that requests here carry"),
        (
            r#"{"Statement": {"Effect": "Deny", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#
                .to_owned(),
            "a member stands twice in one object",
        ),
    ] {
        let refused = put(&server, &owner, &text).await.expect(400);
        assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException", "{text}");
        assert_eq!(refused.text_at("/Message"), format!("This policy has invalid syntax. Here: {words}."));
        let refused = server.post("secret/policy/app", &owner.token, json!({ "policy": text })).await.expect(400);
        assert!(refused.errors().contains(words), "{}", refused.errors());
        for body in [json!({ "ResourcePolicy": text }), json!({ "ResourcePolicy": text, "SecretId": "app" })] {
            let checked = ask(&server, &owner.key, "ValidateResourcePolicy", body).await.expect(200);
            assert_eq!(checked.at("/PolicyValidationPassed"), &json!(false));
            assert_eq!(checked.text_at("/ValidationErrors/0/CheckName"), "SyntaxCheck");
        }
    }
    let body = json!({ "SecretId": "app", "ResourcePolicy": public, "BlockPublicPolicy": true });
    let refused = ask(&server, &owner.key, "PutResourcePolicy", body).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "PublicPolicyException");
    let checked = ask(&server, &owner.key, "ValidateResourcePolicy", json!({ "ResourcePolicy": public })).await;
    assert_eq!(checked.expect(200).text_at("/ValidationErrors/0/CheckName"), "PublicPolicyCheck");
    let shut = policy(&[statement("Deny", json!("*"), all)]);
    let body = json!({ "ResourcePolicy": shut, "SecretId": "app" });
    let checked = ask(&server, &owner.key, "ValidateResourcePolicy", body).await.expect(200);
    assert_eq!(checked.text_at("/ValidationErrors/0/CheckName"), "LockoutCheck");
    let good = policy(&[statement("Allow", arn("root"), json!("secretsmanager:*"))]);
    let body = json!({ "ResourcePolicy": good, "SecretId": "app" });
    let checked = ask(&server, &owner.key, "ValidateResourcePolicy", body).await.expect(200);
    assert_eq!(checked.at("/PolicyValidationPassed"), &json!(true));
    assert_eq!(checked.at("/ValidationErrors"), &json!([]));
    // Nothing of all that was kept.
    let read = ask(&server, &owner.key, "GetResourcePolicy", json!({ "SecretId": "app" })).await.expect(200);
    assert!(!read.text.contains("ResourcePolicy"), "{}", read.text);
}

#[tokio::test]
async fn a_policy_is_kept_byte_for_byte() {
    let (mut server, owner) = server().await;
    let text = "{ \"Statement\" :\r\n\t[{\"Effect\":\"Allow\", \"Principal\":{\"AWS\":\"\\u0031\\u00323456789012\"},\n \"Action\":\"secretsmanager:*\",\"Resource\":\"*\"}] , \"Id\": \"ü \\u00fc\" }";
    put(&server, &owner, text).await.expect(200);
    server.restart().await;
    let read = ask(&server, &owner.key, "GetResourcePolicy", json!({ "SecretId": "app" })).await.expect(200);
    assert_eq!(read.text_at("/ResourcePolicy"), text);
    let listed = ask(&server, &owner.key, "ListResourcePolicies", json!({ "SecretId": "app" })).await.expect(200);
    assert_eq!(listed.at("/ResourcePolicies"), &json!([{ "PolicyName": "default" }]));
    let shown = server.get("secret/policy/app", &owner.token).await.expect(200);
    assert_eq!(shown.text_at("/data/policy"), text);
    let arn = ask(&server, &owner.key, "DescribeSecret", json!({ "SecretId": "app" })).await.text_at("/ARN");
    assert_eq!(shown.text_at("/data/arn"), arn);

    // Written at Vault's door it has the place that it had, or the one that is said.
    server.post("secret/policy/app", &owner.token, json!({ "policy": text })).await.ok();
    assert_eq!(server.get("secret/policy/app", &owner.token).await.text_at("/data/arn"), arn);
    let elsewhere = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:app";
    server.post("secret/policy/app", &owner.token, json!({ "policy": text, "arn": elsewhere })).await.ok();
    let shown = server.get("secret/policy/app", &owner.token).await;
    assert_eq!(shown.text_at("/data/arn"), format!("{elsewhere}{}", &arn[arn.len() - 7..]));
    server.post("secret/policy/app", &owner.token, json!({ "policy": text, "arn": "app" })).await.expect(400);

    ask(&server, &owner.key, "DeleteResourcePolicy", json!({ "SecretId": "app" })).await.expect(200);
    ask(&server, &owner.key, "DeleteResourcePolicy", json!({ "SecretId": "app" })).await.expect(200);
    server.get("secret/policy/app", &owner.token).await.expect(404);
    put(&server, &owner, text).await.expect(200);
    ask(&server, &owner.key, "DeleteSecret", json!({ "SecretId": "app" })).await.expect(200);
    let marked = ask(&server, &owner.key, "GetResourcePolicy", json!({ "SecretId": "app" })).await.expect(400);
    assert_eq!(marked.text_at("/__type"), "InvalidRequestException");
    server.get("secret/policy/app", &owner.token).await.expect(404);
    assert!(server.log_shows(&["\\u00323456789012"]).await.is_empty());
}

#[tokio::test]
async fn how_a_secret_rotates_is_a_documents_to_give_and_its_rotator_is_not() {
    let (server, owner) = server().await;
    server.database().await;
    server.source().add_user("orders", "first");
    let value = json!({ "data": { "username": "orders", "password": "first" } });
    server.post("secret/data/app", server.root(), value).await.ok();
    let use_of = r#"path "database/rotate/app/orders" { capabilities = ["update"] }"#;
    server.policy("rotator", use_of).await;
    let carol = entity(&server, "carol", &["rotator"]).await;
    let dave = entity(&server, "dave", &[]).await;
    let token = |first: char| format!("{first}3333333-2222-4333-8444-555555555555");
    let wish = |first: char| {
        json!({ "SecretId": "app", "ClientRequestToken": token(first), "RotationRules": { "AutomaticallyAfterDays": 30 },
            "RotationLambdaARN": "alternating-users:database/app" })
    };
    let settings = json!({ "rotator": "database/app", "username": "orders", "strategy": "alternating-users" });
    let denied = async |who: &Somebody, first: char| {
        let refused = ask(&server, &who.key, "RotateSecret", wish(first)).await.expect(400);
        assert_eq!(refused.text_at("/__type"), "AccessDeniedException");
        server.post("secret/rotation/app", &who.token, settings.clone()).await.expect(403);
    };
    denied(&carol, '1').await;
    let allow = statement(
        "Allow",
        json!({ "AWS": [
        format!("arn:aws:iam::{ACCOUNT}:user/entity/carol"), format!("arn:aws:iam::{ACCOUNT}:user/entity/dave"),
    ] }),
        json!(["secretsmanager:RotateSecret"]),
    );
    put(&server, &owner, &policy(std::slice::from_ref(&allow))).await.expect(200);
    // The document names both; the rotator's user is only one's.
    denied(&dave, '2').await;
    ask(&server, &carol.key, "RotateSecret", wish('3')).await.expect(200);
    server.settle().await;
    let rotated = server.get("secret/data/app", server.root()).await.ok();
    assert_eq!(rotated.text_at("/data/data/username"), "orders_clone");
    server.post("secret/rotation/app", &carol.token, settings.clone()).await.ok();
    // Who may begin one by policy may not for that decide: and a deny of the document holds for both.
    server.policy("beginner", &format!(r#"{use_of} path "secret/rotate/app" {{ capabilities = ["update"] }}"#)).await;
    let erin = entity(&server, "erin", &["beginner"]).await;
    denied(&erin, '4').await;
    ask(&server, &erin.key, "RotateSecret", json!({ "SecretId": "app", "ClientRequestToken": token('5') }))
        .await
        .expect(200);
    server.settle().await;
    let deny = statement("Deny", arn("user/entity/carol"), json!(["secretsmanager:RotateSecret"]));
    put(&server, &owner, &policy(&[allow, deny])).await.expect(200);
    denied(&carol, '6').await;
}
