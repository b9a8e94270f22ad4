//! Policy documents and grants of keys, on a whole server: they decide beside policies at both doors, a deny in either language
//! holds at every door and under every name of the key, and nobody is locked out for good.

use crate::aws_kms::{OWNER, REGION, ask, kind};
use cardea_model::EntityId;
use cardea_storage::{Break, FaultPlan};
use cardea_testkit::{Reply, TestServer};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/entity/{name}")
}

/// An entity with its two credentials: a token for Vault's door, a key for AWS's.
struct Somebody {
    token: String,
    key: (String, String),
}

async fn somebody(server: &TestServer, name: &str, policies: &[&str]) -> Somebody {
    let body = json!({ "name": name, "policies": policies });
    let id = server.post("identity/entity", server.root(), body).await.expect(200).text_at("/data/id");
    let entity = EntityId(id.clone());
    let token = server.token_with(policies, |new| new.entity = Some(entity)).await;
    let issued =
        server.post("identity/access-key", server.root(), json!({ "entity_id": id, "session_token": false })).await;
    let issued = issued.expect(200);
    let key = (issued.text_at("/data/access_key_id"), issued.text_at("/data/secret_access_key"));
    Somebody { token, key }
}

/// A server with a key `app`, whose owner may do everything by policy, and the key's id.
async fn server() -> (TestServer, Somebody, String) {
    let server = TestServer::start().await;
    server.mount("transit", "transit").await;
    let more = r#"path "transit/*" { capabilities = ["create", "read", "update", "delete", "list", "patch"] }"#;
    server.policy("owner", &format!("{OWNER}\n{more}")).await;
    let owner = somebody(&server, "owner", &["owner"]).await;
    let body = json!({ "exportable": true, "allow_plaintext_backup": true });
    server.post("transit/keys/app", server.root(), body).await.ok();
    let shown = ask(&server, &owner.key, "DescribeKey", json!({ "KeyId": "alias/app" })).await.expect(200);
    (server, owner, shown.text_at("/KeyMetadata/KeyId"))
}

fn document(statements: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The account decides, and one statement more.
fn delegated_and(statement: Value) -> String {
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    document(
        json!([{ "Effect": "Allow", "Principal": { "AWS": root }, "Action": "kms:*", "Resource": "*" }, statement]),
    )
}

async fn put(server: &TestServer, by: &Somebody, id: &str, text: &str) -> Reply {
    ask(server, &by.key, "PutKeyPolicy", json!({ "KeyId": id, "Policy": text })).await
}

async fn vault(server: &TestServer, by: &Somebody, path: &str, body: Value) -> u16 {
    server.post(&format!("transit/{path}"), &by.token, body).await.status
}

#[tokio::test]
async fn a_document_decides_beside_policies_at_both_doors() {
    let (server, owner, id) = server().await;
    let bob = somebody(&server, "bob", &["owner"]).await;
    let carol = somebody(&server, "carol", &[]).await;
    let sealed = server.post("transit/encrypt/app", &owner.token, json!({ "plaintext": "eA==" })).await;
    let sealed = sealed.text_at("/data/ciphertext");
    let blob = ask(&server, &owner.key, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" }))
        .await
        .text_at("/CiphertextBlob");
    let text = document(json!([
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") }, "Action": "kms:*", "Resource": "*" },
        { "Sid": "NoBob", "Effect": "Deny", "Principal": { "AWS": arn("bob") }, "Action": ["kms:Decrypt", "kms:ReEncryptFrom"], "Resource": "*" },
        { "Sid": "Carol", "Effect": "Allow", "Principal": { "AWS": arn("carol") }, "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*" },
    ]));
    put(&server, &owner, &id, &text).await.expect(200);
    let read = ask(&server, &owner.key, "GetKeyPolicy", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(read.text_at("/Policy"), text, "byte for byte");
    let read = server.get("transit/keys/app/policy", &owner.token).await.expect(200);
    assert_eq!(read.text_at("/data/policy"), text);
    assert_eq!(read.text_at("/data/arn"), format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"));

    // Denied at every door, by every route that decrypts, whatever the key is called.
    ask(&server, &owner.key, "CreateAlias", json!({ "AliasName": "alias/second", "TargetKeyId": id }))
        .await
        .expect(200);
    for body in [json!({ "CiphertextBlob": blob }), json!({ "CiphertextBlob": blob, "KeyId": "alias/second" })] {
        assert_eq!(kind(&server, &bob.key, "Decrypt", body).await, "AccessDeniedException");
    }
    assert_eq!(vault(&server, &bob, "decrypt/app", json!({ "ciphertext": sealed })).await, 403);
    let batch = json!({ "batch_input": [{ "ciphertext": sealed }, { "ciphertext": blob }] });
    assert_eq!(vault(&server, &bob, "decrypt/app", batch).await, 403);
    assert_eq!(vault(&server, &bob, "rewrap/app", json!({ "ciphertext": sealed })).await, 403);
    for path in ["transit/export/encryption-key/app", "transit/export/encryption-key/app/1", "transit/backup/app"] {
        assert_eq!(server.get(path, &bob.token).await.status, 403, "{path}");
    }
    let last = format!("{:?}", server.last_record().await);
    assert!(last.contains("statement 2 (NoBob) of the resource policy denies"), "{last}");
    assert_eq!(
        vault(&server, &bob, "encrypt/app", json!({ "plaintext": "eA==" })).await,
        200,
        "the rest is left to policies"
    );
    assert_eq!(vault(&server, &owner, "decrypt/app", json!({ "ciphertext": sealed })).await, 200);

    // Allowed without any policy, and no more than that.
    ask(&server, &carol.key, "Encrypt", json!({ "KeyId": "alias/second", "Plaintext": "eA==" })).await.expect(200);
    assert_eq!(vault(&server, &carol, "encrypt/app", json!({ "plaintext": "eA==" })).await, 200);
    let record = format!("{:?}", server.last_record().await);
    assert!(record.contains("statement 3 (Carol) of the resource policy allows"), "{record}");
    assert_eq!(vault(&server, &carol, "decrypt/app", json!({ "ciphertext": sealed })).await, 403);
    assert_eq!(
        kind(&server, &carol.key, "PutKeyPolicy", json!({ "KeyId": id, "Policy": text })).await,
        "AccessDeniedException"
    );
    assert_eq!(server.delete("transit/keys/app/policy", &carol.token).await.status, 403);
}

#[tokio::test]
async fn a_policys_deny_holds_whatever_the_document_says() {
    let (server, owner, id) = server().await;
    server.policy("not-here", r#"path "transit/encrypt/app" { capabilities = ["deny"] }"#).await;
    server
        .policy(
            "bound",
            r#"path "transit/encrypt/app" { capabilities = ["update"] required_parameters = ["encryption_context"] }"#,
        )
        .await;
    let dave = somebody(&server, "dave", &["not-here"]).await;
    let erin = somebody(&server, "erin", &["bound"]).await;
    let everybody = json!({ "Effect": "Allow", "Principal": { "AWS": [arn("dave"), arn("erin")] }, "Action": "kms:*", "Resource": "*" });
    put(&server, &owner, &id, &delegated_and(everybody)).await.expect(200);
    assert_eq!(
        kind(&server, &dave.key, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" })).await,
        "AccessDeniedException"
    );
    assert_eq!(vault(&server, &dave, "encrypt/app", json!({ "plaintext": "eA==" })).await, 403);
    assert_eq!(
        vault(&server, &erin, "encrypt/app", json!({ "plaintext": "eA==" })).await,
        403,
        "a condition of a policy holds"
    );
    let with = json!({ "KeyId": id, "Plaintext": "eA==", "EncryptionContext": { "a": "b" } });
    ask(&server, &erin.key, "Encrypt", with).await.expect(200);
    assert_eq!(vault(&server, &dave, "hmac/app", json!({ "input": "eA==" })).await, 200, "what no policy speaks of");
}

#[tokio::test]
async fn nobody_is_locked_out_for_good() {
    let (server, owner, id) = server().await;
    let only = |name: &str| {
        document(json!([{ "Effect": "Allow", "Principal": { "AWS": arn(name) }, "Action": "kms:*", "Resource": "*" }]))
    };
    let refused = put(&server, &owner, &id, &only("nobody")).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException");
    assert!(refused.text_at("/message").contains("will not allow you to update the key policy"), "{refused:?}");
    let refused = ask(&server, &owner.key, "CreateKey", json!({ "Policy": only("nobody") })).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException");
    let made = ask(&server, &owner.key, "CreateKey", json!({ "Policy": only("owner") })).await.expect(200);
    let made = made.text_at("/KeyMetadata/KeyId");
    assert_eq!(
        ask(&server, &owner.key, "GetKeyPolicy", json!({ "KeyId": made })).await.text_at("/Policy"),
        only("owner")
    );
    ask(&server, &owner.key, "Encrypt", json!({ "KeyId": made, "Plaintext": "eA==" })).await.expect(200);

    let body = json!({ "KeyId": id, "Policy": only("nobody"), "BypassPolicyLockoutSafetyCheck": true });
    ask(&server, &owner.key, "PutKeyPolicy", body).await.expect(200);
    for operation in ["GetKeyPolicy", "DescribeKey", "ListKeyPolicies", "ListGrants", "ScheduleKeyDeletion"] {
        assert_eq!(
            kind(&server, &owner.key, operation, json!({ "KeyId": id })).await,
            "AccessDeniedException",
            "{operation}"
        );
    }
    // Root is no exception to what a document says of uses, and the way out.
    server.post("transit/encrypt/app", server.root(), json!({ "plaintext": "eA==" })).await.expect(403);
    server.get("transit/keys/app", server.root()).await.expect(403);
    assert_eq!(server.get("transit/keys/app/policy", server.root()).await.text_at("/data/policy"), only("nobody"));
    let deny = document(json!([{ "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*" }]));
    server.post("transit/keys/app/policy", server.root(), json!({ "policy": deny })).await.ok();
    server.post("transit/encrypt/app", server.root(), json!({ "plaintext": "eA==" })).await.expect(403);
    server.delete("transit/keys/app/policy", server.root()).await.ok();
    server.post("transit/encrypt/app", server.root(), json!({ "plaintext": "eA==" })).await.ok();
    ask(&server, &owner.key, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" })).await.expect(200);
    assert!(
        ask(&server, &owner.key, "GetKeyPolicy", json!({ "KeyId": id }))
            .await
            .text_at("/Policy")
            .contains("Enable IAM User Permissions")
    );
    assert!(server.get("transit/keys/app/policy", server.root()).await.at("/data/default").as_bool().unwrap());
}

#[tokio::test]
async fn contexts_are_conditions_at_both_doors() {
    let (server, owner, id) = server().await;
    let frank = somebody(&server, "frank", &["owner"]).await;
    let no_hr = json!({
        "Effect": "Deny", "Principal": { "AWS": arn("frank") }, "Action": ["kms:Decrypt", "kms:ReEncrypt*"], "Resource": "*",
        "Condition": { "StringEquals": { "kms:EncryptionContext:dept": "hr" } },
    });
    put(&server, &owner, &id, &delegated_and(no_hr)).await.expect(200);
    let seal = |dept: &str| json!({ "KeyId": id, "Plaintext": "eA==", "EncryptionContext": { "dept": dept } });
    let hr = ask(&server, &owner.key, "Encrypt", seal("hr")).await.text_at("/CiphertextBlob");
    let it = ask(&server, &owner.key, "Encrypt", seal("it")).await.text_at("/CiphertextBlob");
    let open = |blob: &str, dept: &str| json!({ "CiphertextBlob": blob, "EncryptionContext": { "dept": dept } });
    assert_eq!(kind(&server, &frank.key, "Decrypt", open(&hr, "hr")).await, "AccessDeniedException");
    ask(&server, &frank.key, "Decrypt", open(&it, "it")).await.expect(200);
    // What is authenticated says which context it is, whoever brings it.
    let data = |dept: &str| {
        use base64::Engine as _;
        let context = [("dept".to_owned(), dept.to_owned())].into();
        base64::engine::general_purpose::STANDARD.encode(cardea_model::key::authenticated(&context).unwrap())
    };
    let body = |blob: &str, dept: &str| json!({ "ciphertext": blob, "associated_data": data(dept) });
    assert_eq!(vault(&server, &frank, "decrypt/app", body(&it, "it")).await, 200);
    assert_eq!(vault(&server, &frank, "decrypt/app", body(&hr, "hr")).await, 403);
    let batch = json!({ "batch_input": [body(&it, "it"), body(&hr, "hr")] });
    assert_eq!(vault(&server, &frank, "decrypt/app", batch).await, 403, "each item is asked about");
    let to = json!({ "CiphertextBlob": it, "SourceEncryptionContext": { "dept": "it" }, "DestinationKeyId": id, "DestinationEncryptionContext": { "dept": "hr" } });
    assert_eq!(kind(&server, &frank.key, "ReEncrypt", to.clone()).await, "AccessDeniedException", "the other end too");
    ask(&server, &owner.key, "ReEncrypt", to).await.expect(200);
}

#[tokio::test]
async fn a_grant_lends_uses_within_its_constraint_and_ends() {
    let (mut server, owner, id) = server().await;
    let grace = somebody(&server, "grace", &[]).await;
    let heidi = somebody(&server, "heidi", &[]).await;
    let grant = json!({
        "KeyId": id, "GranteePrincipal": arn("grace"), "RetiringPrincipal": arn("heidi"), "Name": "backup",
        "Operations": ["Encrypt", "Decrypt", "DescribeKey"], "Constraints": { "EncryptionContextSubset": { "app": "backup" } },
    });
    let encrypt = |context: Value| json!({ "KeyId": id, "Plaintext": "eA==", "EncryptionContext": context });
    assert_eq!(
        kind(&server, &grace.key, "Encrypt", encrypt(json!({ "app": "backup" }))).await,
        "AccessDeniedException"
    );
    let mut dry = grant.clone();
    dry["DryRun"] = json!(true);
    assert_eq!(kind(&server, &owner.key, "CreateGrant", dry).await, "DryRunOperationException");
    assert_eq!(
        kind(&server, &grace.key, "DescribeKey", json!({ "KeyId": id })).await,
        "AccessDeniedException",
        "nothing was made"
    );
    let made = ask(&server, &owner.key, "CreateGrant", grant.clone()).await.expect(200);
    let (grant_id, token) = (made.text_at("/GrantId"), made.text_at("/GrantToken"));
    let again = ask(&server, &owner.key, "CreateGrant", grant.clone()).await.expect(200);
    assert_eq!(again.text_at("/GrantId"), grant_id, "the same name and content is the same grant");
    assert_ne!(again.text_at("/GrantToken"), token);
    server.restart().await;

    let sealed = ask(&server, &grace.key, "Encrypt", encrypt(json!({ "app": "backup", "n": "1" }))).await.expect(200);
    let record = format!("{:?}", server.last_record().await);
    assert!(record.contains(&format!("grant {grant_id} allows kms:Encrypt")), "{record}");
    let open = json!({ "CiphertextBlob": sealed.text_at("/CiphertextBlob"), "EncryptionContext": { "app": "backup", "n": "1" } });
    let mut with = open.clone();
    with["GrantTokens"] = json!([token, again.text_at("/GrantToken")]);
    ask(&server, &grace.key, "Decrypt", with.clone()).await.expect(200);
    for context in [json!({}), json!({ "app": "other" })] {
        assert_eq!(kind(&server, &grace.key, "Encrypt", encrypt(context)).await, "AccessDeniedException");
    }
    assert_eq!(
        vault(&server, &grace, "encrypt/app", json!({ "plaintext": "eA==" })).await,
        403,
        "no context, no grant"
    );
    assert_eq!(vault(&server, &grace, "hmac/app", json!({ "input": "eA==" })).await, 403);
    ask(&server, &grace.key, "DescribeKey", json!({ "KeyId": id })).await.expect(200);
    for operation in ["GetKeyPolicy", "ListGrants"] {
        assert_eq!(
            kind(&server, &grace.key, operation, json!({ "KeyId": id })).await,
            "AccessDeniedException",
            "{operation}"
        );
    }

    // Who may use the key can be seen at both doors.
    let listed = ask(&server, &owner.key, "ListGrants", json!({ "KeyId": id })).await.expect(200);
    assert_eq!(listed.text_at("/Grants/0/GranteePrincipal"), arn("grace"));
    assert_eq!(listed.at("/Grants/0/Constraints"), &json!({ "EncryptionContextSubset": { "app": "backup" } }));
    let ids = server.list("transit/keys/app/grants", &owner.token).await.expect(200);
    assert_eq!(ids.at("/data/keys"), &json!([grant_id]));
    let shown = server.get(&format!("transit/keys/app/grants/{grant_id}"), &owner.token).await.expect(200);
    assert_eq!(shown.text_at("/data/retiring_principal"), arn("heidi"));
    let mut narrow =
        ask(&server, &owner.key, "ListRetirableGrants", json!({ "RetiringPrincipal": arn("heidi") })).await.expect(200);
    assert_eq!(narrow.text_at("/Grants/0/GrantId"), grant_id);

    // A deny of the document stands above grants.
    let deny =
        json!({ "Effect": "Deny", "Principal": { "AWS": arn("grace") }, "Action": "kms:Decrypt", "Resource": "*" });
    put(&server, &owner, &id, &delegated_and(deny)).await.expect(200);
    assert_eq!(kind(&server, &grace.key, "Decrypt", open.clone()).await, "AccessDeniedException");
    ask(&server, &grace.key, "Encrypt", encrypt(json!({ "app": "backup" }))).await.expect(200);
    server.delete("transit/keys/app/policy", server.root()).await.ok();

    // Retired by whom the grant names, and by nobody else.
    assert_eq!(kind(&server, &grace.key, "RetireGrant", json!({ "GrantToken": token })).await, "AccessDeniedException");
    let dry = json!({ "GrantToken": token, "DryRun": true });
    assert_eq!(kind(&server, &heidi.key, "RetireGrant", dry).await, "DryRunOperationException");
    ask(&server, &heidi.key, "RetireGrant", json!({ "GrantToken": token })).await.expect(200);
    assert_eq!(kind(&server, &grace.key, "Decrypt", open).await, "AccessDeniedException");
    assert_eq!(kind(&server, &owner.key, "Decrypt", with).await, "InvalidGrantTokenException");
    narrow =
        ask(&server, &owner.key, "ListRetirableGrants", json!({ "RetiringPrincipal": arn("heidi") })).await.expect(200);
    assert_eq!(narrow.at("/Grants"), &json!([]));
    assert_eq!(
        kind(&server, &owner.key, "RevokeGrant", json!({ "KeyId": id, "GrantId": grant_id })).await,
        "NotFoundException"
    );
}

#[tokio::test]
async fn grants_make_no_more_than_they_are_and_end_with_their_key() {
    let (server, owner, id) = server().await;
    let ivan = somebody(&server, "ivan", &[]).await;
    let judy = somebody(&server, "judy", &[]).await;
    let make = |grantee: &str, operations: Value| json!({ "KeyId": id, "GranteePrincipal": arn(grantee), "Operations": operations });
    ask(&server, &owner.key, "CreateGrant", make("ivan", json!(["CreateGrant", "Encrypt"]))).await.expect(200);
    assert_eq!(
        kind(&server, &ivan.key, "CreateGrant", make("judy", json!(["Decrypt"]))).await,
        "AccessDeniedException"
    );
    let child = ask(&server, &ivan.key, "CreateGrant", make("judy", json!(["Encrypt"]))).await.expect(200);
    let body = json!({ "KeyId": id, "Plaintext": "eA==" });
    ask(&server, &judy.key, "Encrypt", body.clone()).await.expect(200);
    for (grantee, kind_) in [("sign", "ValidationException"), ("nobody", "ok")] {
        let operation = if grantee == "sign" { "Sign" } else { "Encrypt" };
        let reply = ask(&server, &owner.key, "CreateGrant", make(grantee, json!([operation]))).await;
        assert_eq!(reply.is_success(), kind_ == "ok", "{reply:?}");
    }
    let revoke = json!({ "KeyId": id, "GrantId": child.text_at("/GrantId") });
    assert_eq!(kind(&server, &judy.key, "RevokeGrant", revoke.clone()).await, "AccessDeniedException");
    ask(&server, &owner.key, "RevokeGrant", revoke).await.expect(200);
    assert_eq!(kind(&server, &judy.key, "Encrypt", body.clone()).await, "AccessDeniedException");

    let page = ask(&server, &owner.key, "ListGrants", json!({ "KeyId": id, "Limit": 1 })).await.expect(200);
    let next = json!({ "KeyId": id, "Limit": 1, "Marker": page.text_at("/NextMarker") });
    let rest = ask(&server, &owner.key, "ListGrants", next).await.expect(200);
    assert_ne!(page.text_at("/Grants/0/GrantId"), rest.text_at("/Grants/0/GrantId"));
    assert_eq!(rest.at("/Truncated"), &json!(false));

    server.post("transit/keys/app/config", server.root(), json!({ "deletion_allowed": true })).await.ok();
    server.delete("transit/keys/app", server.root()).await.ok();
    server.post("transit/keys/app", server.root(), json!({})).await.ok();
    assert_eq!(
        vault(&server, &ivan, "encrypt/app", json!({ "plaintext": "eA==" })).await,
        403,
        "another key of the name"
    );
}

#[tokio::test]
async fn only_names_that_are_vouched_for_let_somebody_in() {
    let (server, owner, id) = server().await;
    let robot = server.access_key("robot", &["owner"], None).await;
    let body = json!({ "KeyId": id, "Plaintext": "eA==" });
    let named = format!("arn:aws:iam::{ACCOUNT}:user/robot");
    let statement = |effect: &str, name: &str| json!({ "Effect": effect, "Principal": { "AWS": name }, "Action": "kms:Encrypt", "Resource": "*" });
    let refused = put(&server, &owner, &id, &delegated_and(statement("Allow", &named))).await.expect(400);
    assert_eq!(refused.text_at("/__type"), "MalformedPolicyDocumentException", "a token's name is its maker's");
    let grant = json!({ "KeyId": id, "GranteePrincipal": named, "Operations": ["Encrypt"] });
    assert_eq!(kind(&server, &owner.key, "CreateGrant", grant).await, "InvalidArnException");
    ask(&server, &robot, "Encrypt", body.clone()).await.expect(200);
    put(&server, &owner, &id, &delegated_and(statement("Deny", &named))).await.expect(200);
    assert_eq!(kind(&server, &robot, "Encrypt", body.clone()).await, "AccessDeniedException", "and shuts out");
    put(&server, &owner, &id, &delegated_and(statement("Allow", &arn("kim")))).await.expect(200);
    let kim = somebody(&server, "kim", &["default"]).await;
    ask(&server, &kim.key, "Encrypt", body.clone()).await.expect(200);
    let issue = json!({ "policies": "default", "session_token": false });
    server.policy("keys", r#"path "identity/access-key" { capabilities = ["update"] }"#).await;
    let kims = server.get("identity/entity/name/kim", server.root()).await.text_at("/data/id");
    let token = server.token_with(&["default", "keys"], |new| new.entity = Some(EntityId(kims))).await;
    let narrow = server.post("identity/access-key", &token, issue).await.expect(200);
    let narrow = (narrow.text_at("/data/access_key_id"), narrow.text_at("/data/secret_access_key"));
    assert_eq!(kind(&server, &narrow, "Encrypt", body).await, "AccessDeniedException", "a key that has less than kim");
}

#[tokio::test]
async fn a_document_that_nothing_could_judge_is_refused() {
    let (server, owner, id) = server().await;
    let table = [
        ("{}".to_owned(), "MalformedPolicyDocumentException"),
        (
            document(json!([{ "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" }])),
            "MalformedPolicyDocumentException",
        ),
        ("x".repeat(32_769), "LimitExceededException"),
    ];
    for (text, expected) in table {
        let refused = put(&server, &owner, &id, &text).await.expect(400);
        assert_eq!(refused.text_at("/__type"), expected, "{refused:?}");
        server
            .post("transit/keys/app/policy", server.root(), json!({ "policy": text, "account_id": ACCOUNT }))
            .await
            .expect(400);
    }
    let text = delegated_and(json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*" }));
    server.post("transit/keys/app/policy", server.root(), json!({ "policy": text })).await.expect(400);
    server.post("transit/keys/app/policy", server.root(), json!({ "policy": text, "account_id": ACCOUNT })).await.ok();
    assert!(
        ask(&server, &owner.key, "GetKeyPolicy", json!({ "KeyId": id, "PolicyName": "other" }))
            .await
            .expect(400)
            .text_at("/__type")
            == "NotFoundException"
    );
}

#[tokio::test]
async fn what_is_not_attached_costs_no_read() {
    let (server, owner, id) = server().await;
    let sealed = server.post("transit/encrypt/app", &owner.token, json!({ "plaintext": "eA==" })).await;
    let body = json!({ "ciphertext": sealed.text_at("/data/ciphertext") });
    assert_eq!(vault(&server, &owner, "decrypt/app", body.clone()).await, 200);
    let reads = async || {
        let calls = FaultPlan::with_reads(0, Break::Refuse);
        server.arm(&calls);
        assert_eq!(vault(&server, &owner, "decrypt/app", body.clone()).await, 200);
        server.arm(&FaultPlan::quiet());
        calls.hits()
    };
    let without = reads().await;
    let text = delegated_and(
        json!({ "Effect": "Deny", "Principal": { "AWS": arn("x") }, "Action": "kms:*", "Resource": "*" }),
    );
    put(&server, &owner, &id, &text).await.expect(200);
    assert_eq!(reads().await, without + 1, "the document");
    let grant = json!({ "KeyId": id, "GranteePrincipal": arn("x"), "Operations": ["Encrypt"] });
    ask(&server, &owner.key, "CreateGrant", grant).await.expect(200);
    assert_eq!(reads().await, without + 2, "and the grants of the one name that the caller has");
    server.delete("transit/keys/app/policy", &owner.token).await.ok();
    assert_eq!(reads().await, without + 1);
}
