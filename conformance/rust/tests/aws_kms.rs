//! KMS by AWS's Rust SDK: the address and an access key stand in the environment, as `scripts/conformance.sh` puts them there,
//! and nowhere in the code. It must never reach AWS.

use aws_config::BehaviorVersion;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeySpec, KeyState, KeyUsageType, SigningAlgorithmSpec};

async fn client() -> Client {
    let address = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    assert!(!address.is_empty() && !address.contains("amazonaws"), "AWS_ENDPOINT_URL names the server under test");
    Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await)
}

#[tokio::test]
async fn an_envelope_outlives_a_rotation() {
    let client = client().await;
    let made = client.create_key().description("by rust").send().await.unwrap();
    let id = made.key_metadata().unwrap().key_id();
    let data = client
        .generate_data_key()
        .key_id(id)
        .key_spec(DataKeySpec::Aes256)
        .encryption_context("tenant", "a")
        .send()
        .await
        .unwrap();
    client.rotate_key_on_demand().key_id(id).send().await.unwrap();
    let sealed = data.ciphertext_blob().unwrap().clone();
    let opened =
        client.decrypt().ciphertext_blob(sealed.clone()).encryption_context("tenant", "a").send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap(), data.plaintext().unwrap());
    let wrong = client.decrypt().ciphertext_blob(sealed.clone()).send().await.unwrap_err().into_service_error();
    assert!(wrong.is_invalid_ciphertext_exception(), "{wrong:?}");
    client.disable_key().key_id(id).send().await.unwrap();
    let off = client.decrypt().ciphertext_blob(sealed).encryption_context("tenant", "a").send().await;
    assert!(off.unwrap_err().into_service_error().is_disabled_exception());
    client.schedule_key_deletion().key_id(id).pending_window_in_days(7).send().await.unwrap();
    let shown = client.describe_key().key_id(id).send().await.unwrap();
    let shown = shown.key_metadata().unwrap();
    assert_eq!(shown.key_state(), Some(&KeyState::PendingDeletion));
    assert!(shown.deletion_date().is_some());
}

#[tokio::test]
async fn signatures_verify_or_have_a_type() {
    let client = client().await;
    let made = client.create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::SignVerify).send();
    let made = made.await.unwrap();
    let id = made.key_metadata().unwrap().key_id();
    let algorithm = SigningAlgorithmSpec::EcdsaSha256;
    let signed = client.sign().key_id(id).message(Blob::new("one")).signing_algorithm(algorithm.clone()).send();
    let signature = signed.await.unwrap().signature().unwrap().clone();
    let verify = |message: &str| {
        let call = client.verify().key_id(id).message(Blob::new(message)).signature(signature.clone());
        call.signing_algorithm(algorithm.clone()).send()
    };
    assert!(verify("one").await.unwrap().signature_valid());
    let other = verify("two").await.unwrap_err().into_service_error();
    assert!(other.is_kms_invalid_signature_exception(), "{other:?}");
    let document = client.get_key_policy().key_id(id).send().await.unwrap();
    assert!(document.policy().is_some_and(|policy| policy.contains("kms:*")));
    let absent = client.connect_custom_key_store().custom_key_store_id("cks-none").send().await.unwrap_err();
    assert_eq!(aws_sdk_kms::error::ProvideErrorMetadata::code(&absent), Some("UnsupportedOperationException"));
}
