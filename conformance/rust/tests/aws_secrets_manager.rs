//! Secrets Manager by AWS's Rust SDK: the address and an access key stand in the environment, as `scripts/conformance.sh` puts
//! them there, and nowhere in the code. It must never reach AWS.

use aws_config::BehaviorVersion;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;

async fn client() -> Client {
    let address = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    assert!(!address.is_empty() && !address.contains("amazonaws"), "AWS_ENDPOINT_URL names the server under test");
    Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await)
}

fn name(word: &str) -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("conformance/rust/{word}-{nanos}.x")
}

#[tokio::test]
async fn a_secret_is_made_read_changed_and_deleted() {
    let (client, name) = (client().await, name("life"));
    let made = client.create_secret().name(&name).secret_string(r#"{"a":"b"}"#).send().await.unwrap();
    let arn = made.arn().unwrap();
    assert!(arn.contains(":secretsmanager:") && arn.contains(&name), "{arn}");
    let read = client.get_secret_value().secret_id(arn).send().await.unwrap();
    assert_eq!(read.secret_string(), Some(r#"{"a":"b"}"#));
    assert_eq!(read.version_stages(), ["AWSCURRENT"]);
    client.put_secret_value().secret_id(&name).secret_binary(Blob::new([0, 255, 16])).send().await.unwrap();
    let read = client.get_secret_value().secret_id(&name).send().await.unwrap();
    assert_eq!(read.secret_binary().unwrap().as_ref(), [0, 255, 16]);
    let before = client.get_secret_value().secret_id(&name).version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!(before.secret_string(), Some(r#"{"a":"b"}"#));
    let facts = client.describe_secret().secret_id(&name).send().await.unwrap();
    assert_eq!(facts.version_ids_to_stages().unwrap().len(), 2);
    client.delete_secret().secret_id(&name).force_delete_without_recovery(true).send().await.unwrap();
}

#[tokio::test]
async fn errors_have_the_sdks_types() {
    let client = client().await;
    let absent = client.get_secret_value().secret_id(name("absent")).send().await.unwrap_err().into_service_error();
    assert!(absent.is_resource_not_found_exception(), "{absent:?}");
    let name = name("twice");
    client.create_secret().name(&name).secret_string("x").send().await.unwrap();
    let twice = client.create_secret().name(&name).secret_string("y").send().await.unwrap_err().into_service_error();
    assert!(twice.is_resource_exists_exception(), "{twice:?}");
    client.delete_secret().secret_id(&name).send().await.unwrap();
    let marked = client.get_secret_value().secret_id(&name).send().await.unwrap_err().into_service_error();
    assert!(marked.is_invalid_request_exception(), "{marked:?}");
    client.delete_secret().secret_id(&name).force_delete_without_recovery(true).send().await.unwrap();
}

#[tokio::test]
async fn pages_go_on() {
    let client = client().await;
    let names: Vec<String> = (0..3).map(|n| name(&format!("page{n}"))).collect();
    for name in &names {
        client.create_secret().name(name).secret_string("x").send().await.unwrap();
    }
    let mut pages = client.list_secrets().max_results(2).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.secret_list().len() <= 2);
        seen.extend(page.secret_list().iter().filter_map(|secret| secret.name()).map(str::to_owned));
    }
    assert!(names.iter().all(|name| seen.contains(name)), "{seen:?}");
    for name in &names {
        client.delete_secret().secret_id(name).force_delete_without_recovery(true).send().await.unwrap();
    }
}
