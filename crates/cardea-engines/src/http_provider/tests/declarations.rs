//! Declarations that are refused: what is said, and that nothing of what was sent is repeated.

use super::bench;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "address": "https://api.example",
        "admin_token": "hunter2",
        "headers": { "authorization": "Bearer {{admin_token}}" },
        "create": {
            "request": { "method": "POST", "path": "/keys", "json": { "label": "{{token}}" } },
            "id": "/id", "value": "/key",
        },
        "test": { "request": { "method": "GET", "path": "/me", "headers": { "x-key": "{{value}}" } } },
        "revoke": { "request": { "method": "DELETE", "path": "/keys/{{id}}" } },
        "find": { "request": { "method": "GET", "path": "/keys" }, "items": "/keys", "id": "/id", "label": "/label" },
    })
}

fn used(at: Value, within_s: Value, success: Value) -> Value {
    let request = json!({ "method": "GET", "path": "/keys/{{id}}" });
    json!({ "request": request, "at": at, "within_s": within_s, "success": success })
}

#[tokio::test]
async fn what_a_declaration_must_not_be() {
    let many: serde_json::Map<String, Value> = (0..21).map(|n| (format!("x-{n}"), json!("SECRET"))).collect();
    // A pointer into the good one, what stands there instead, and the words that say what is wrong.
    let table: Vec<(&str, Value, &str)> = vec![
        ("/address", json!("http://SECRET.example"), "field `address` does not begin with https://"),
        ("/address", json!("https://u:SECRET@api.example"), "field `address` has a query, a fragment, a credential"),
        ("/address", json!(""), "field `address`"),
        ("/ca_pem", json!("x".repeat(70_000)), "field `ca_pem` is over"),
        ("/admin_token", json!(""), "field `admin_token` is missing"),
        ("/headers/authorization", json!("Bearer SECRET"), "field `headers` has a credential that readers would see"),
        ("/headers/authorization", json!("Bearer {{value}}"), "field `headers` has a name that has no place there"),
        ("/headers/host", json!("SECRET"), "a header that is not a declaration's"),
        ("/headers/Content-Length", json!("1"), "a header that is not a declaration's"),
        ("/headers/Transfer-Encoding", json!("chunked"), "a header that is not a declaration's"),
        ("/headers/proxy-authorization", json!("x"), "a header that is not a declaration's"),
        ("/headers/a b", json!("x"), "a name that no header has"),
        ("/headers", Value::Object(many), "field `headers` has over 20"),
        ("/create/request/method", json!("SECRET"), "field `create.request.method`"),
        ("/create/request/method", json!("GET"), "field `create.request.method` is GET, which has no body"),
        ("/create/request/path", json!("keys"), "field `create.request.path` is no path"),
        ("/create/request/path", json!("//SECRET/keys"), "field `create.request.path` is no path"),
        ("/create/request/path", json!("/a/../keys"), "field `create.request.path` is no path"),
        ("/create/request/path", json!("/keys#x"), "field `create.request.path` is no path"),
        ("/create/request/path", json!("/keys x"), "field `create.request.path` is no path"),
        ("/create/request/path", json!("/keys\r\nx: y"), "field `create.request.path` is no path"),
        (
            "/create/request/path",
            json!("/keys/{{admin_token}}"),
            "field `create.request.path` has a name that has no place",
        ),
        ("/create/request/path", json!("/keys/{{SECRET}}"), "field `create.request.path` has an unknown name"),
        ("/create/request/json/label", json!("{{id}}"), "field `create.request.json` has a name that has no place"),
        ("/create/request/json/label", json!("{{token"), "field `create.request.json` has a {{ without its }}"),
        ("/create/request/json/label", json!("SECRET"), "field `create.request` has no {{token}}"),
        ("/create/request/form", json!({ "a": "b" }), "exclude each other"),
        (
            "/create/request/SECRET",
            json!(1),
            "field `create` has a member that is not known: it may have one of `method`",
        ),
        ("/create/SECRET", json!(1), "field `create` has a member that is not known: it may have one of `request`"),
        ("/admin_token", json!("SECRET\r\nhost: evil"), "field `admin_token` has a character that no header can have"),
        ("/admin_token", json!("SECRETé"), "field `admin_token` has a character that no header can have"),
        ("/create/success", json!([302]), "field `create.success`"),
        ("/create/success", json!([]), "field `create.success`"),
        ("/create/success", json!(["SECRET"]), "field `create` has a member of the wrong type"),
        ("/create/id", json!("id"), "field `create.id` is no JSON pointer"),
        ("/create/value", json!("SECRET"), "field `create.value` is no JSON pointer"),
        ("/create/idempotency", json!({ "header": "x y" }), "field `create.idempotency.header`"),
        ("/create/idempotency", json!({ "header": "Host" }), "field `create.idempotency.header`"),
        ("/create/idempotency", json!({ "header": "k", "valid_s": 1 }), "field `create.idempotency.valid_s`"),
        ("/create/idempotency", json!({}), "field `create` has no `header`"),
        ("/create", json!({ "id": "/id", "value": "/key" }), "field `create` has no `request`"),
        ("/create", json!("SECRET"), "field `create`"),
        ("/create", json!([1]), "field `create`"),
        ("/test/request/path", json!("/me?key={{value}}"), "field `test.request.path` has a name that has no place"),
        ("/test/request/headers/x-key", json!("SECRET"), "field `test.request` has neither"),
        (
            "/test/request/headers/x-key",
            json!("{{admin_token}}"),
            "field `test.request.headers` has a name that has no",
        ),
        ("/test/works", json!([200, 401]), "`test.works` and `test.refused` share"),
        ("/revoke/request/path", json!("/keys"), "field `revoke.request` has no {{id}}"),
        ("/revoke/gone", json!([404, 1000]), "field `revoke.gone`"),
        ("/revoke/any", json!("SECRET"), "field `revoke` has a member of the wrong type"),
        ("/find/label_is", json!("cardea"), "field `find.label_is` has no {{token}}"),
        ("/find/items", json!("keys"), "field `find.items` is no JSON pointer"),
        ("/find/next", json!({ "cursor": "/c", "path": "/keys" }), "field `find.next.path` has no {{cursor}}"),
        ("/find/next", json!({ "cursor": "c", "path": "/keys?{{cursor}}" }), "field `find.next.cursor`"),
        ("/find", json!({}), "`create.idempotency` and `find` are both missing"),
        (
            "/used",
            json!({ "request": { "method": "GET", "path": "/keys" }, "at": "/at" }),
            "field `used.request` has no {{id}}",
        ),
        ("/used", json!({ "request": { "method": "GET", "path": "/keys/{{id}}" } }), "field `used` has no `at`"),
        ("/used", used(json!("SECRET"), json!(3600), json!([200])), "field `used.at` is no JSON pointer"),
        ("/used", used(json!("/at"), json!(1), json!([200])), "field `used.within_s` is not from"),
        ("/used", used(json!("/at"), json!(3600), json!([])), "field `used.success`"),
        (
            "/used",
            json!({ "request": { "method": "GET", "path": "/keys/{{id}}", "headers": { "Authorization": "SECRET" } }, "at": "/at" }),
            "field `used.request.headers` has a credential that readers would see",
        ),
        ("/id_member", json!("username"), "fields `id_member` and `value_member`"),
        ("/id_member", json!("key"), "fields `id_member` and `value_member`"),
        ("/value_member", json!(""), "fields `id_member` and `value_member`"),
        ("/failures", json!({ "200": "source-down" }), "field `failures` has a name"),
        ("/failures", json!({ "4xx": "source-down" }), "field `failures` has a name"),
        ("/failures", json!({ "404": "SECRET" }), "field `failures` has a value"),
    ];
    let bench = bench();
    for (pointer, instead, words) in table {
        let mut declared = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        declared.pointer_mut(parent).unwrap()[name] = instead.clone();
        let reply = bench.call("POST", "config/a", &declared.to_string()).await;
        assert_eq!(reply.status, 400, "{pointer} {instead}: {reply:?}");
        assert!(reply.error().contains(words), "{pointer} {instead}: {}", reply.error());
        let told = reply.error();
        assert!(!told.contains("SECRET") && !told.contains("hunter2"), "{pointer} {instead}: {told}");
        assert_eq!(bench.call("GET", "config/a", "").await.status, 404, "nothing is kept");
    }
    let reply = bench.call("POST", "config/a", &good().to_string()).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

#[tokio::test]
async fn a_stored_credential_is_sent_nowhere_else() {
    let bench = bench();
    assert_eq!(bench.call("POST", "config/a", &good().to_string()).await.status, 204);
    for elsewhere in [json!({ "address": "https://evil.example" }), json!({ "ca_pem": "another authority" })] {
        let reply = bench.call("POST", "config/a", &elsewhere.to_string()).await;
        assert_eq!(reply.status, 400, "{elsewhere}");
        assert!(reply.error().contains("field `admin_token` is to be given again"), "{}", reply.error());
    }
    assert_eq!(bench.call("GET", "config/a", "").await.body["data"]["address"], "https://api.example");
    for change in [
        json!({ "address": "https://api.example" }),
        json!({ "id_member": "id" }),
        json!({ "address": "https://new.example", "admin_token": "hunter3" }),
    ] {
        assert_eq!(bench.call("POST", "config/a", &change.to_string()).await.status, 204, "{change}");
    }
}
