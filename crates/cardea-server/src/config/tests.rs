//! Configurations as Vault's users have them, and what becomes of each: read, warned about, or refused.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tempfile::TempDir;

fn nothing(_: &str) -> Option<String> {
    None
}

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(text: &str) -> Result<Config, String> {
    let folder = folder_with(&[("cardea.hcl", text)]);
    load(&[folder.path().join("cardea.hcl")], &nothing).map_err(|error| error.to_string())
}

const FULL: &str = r#"
# A configuration with a bit of everything.
listener "tcp" {
  address            = "0.0.0.0:8200"
  tls_cert_file      = "/etc/cardea/cert.pem"
  tls_key_file       = "/etc/cardea/key.pem"
  tls_client_ca_file = "/etc/cardea/ca.pem"
  tls_min_version    = "tls13"
  max_request_size   = 1048576
  max_request_duration     = "30s"
  http_read_header_timeout = "2s"
  http_read_timeout  = 5
  http_idle_timeout  = "1m30s"
  x_forwarded_for_authorized_addrs = "10.0.0.0/8,192.168.1.1"
  x_forwarded_for_hop_skips = "1"
  x_forwarded_for_reject_not_present = "false"
  telemetry { unauthenticated_metrics_access = true }
  custom_response_headers {
    "default" = { "Strict-Transport-Security" = ["max-age=31536000", "includeSubDomains"] }
    "4xx" = { "X-Reason" = "client" }
  }
}
listener "tcp" { address = "127.0.0.1:8300" tls_disable = 1 }

storage "embedded" { path = "/var/lib/cardea" node_id = "n7" }
api_addr      = "https://vault.example.com:8200"
cluster_name  = "prod"
max_lease_ttl = "720h"
default_lease_ttl = "1h"
disable_mlock = true
log_level     = "Debug"
log_format    = "json"
pid_file      = "/run/cardea.pid"
plugin_directory = "/usr/lib/cardea"
telemetry { prometheus_retention_time = "24h" disable_hostname = true }
log { retention = "90d" record_reads = false witness_file = "/mnt/other/w" disk_reserve = "64MiB" }
"#;

#[test]
fn everything_that_is_known_is_read() {
    let config = read(FULL).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    let [first, second] = config.listeners.as_slice() else { panic!("two listeners") };
    let tls = first.tls.as_ref().unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/cardea/cert.pem"));
    assert!(tls.only_13 && !tls.require_client && tls.client_ca.is_some());
    assert_eq!(first.body_bytes_max, 1_048_576);
    assert_eq!(first.request_timeout, Duration::from_secs(30));
    assert_eq!(first.header_timeout, Duration::from_secs(2));
    assert_eq!(first.body_timeout, Duration::from_secs(5));
    assert_eq!(first.idle_timeout, Duration::from_secs(90));
    let forwarded = first.forwarded.as_ref().unwrap();
    assert_eq!((forwarded.authorized.len(), forwarded.hop_skips), (2, 1));
    assert!(!forwarded.reject_not_present && forwarded.reject_not_authorized);
    assert!(first.open_metrics);
    assert_eq!(first.response_headers.len(), 2);
    assert!(first.response_headers.iter().any(|header| header.on == StatusRange::Hundreds(4)));
    assert_eq!((second.address.as_str(), second.tls.is_none()), ("127.0.0.1:8300", true));
    assert_eq!(config.storage, StorageConfig::Embedded { path: "/var/lib/cardea".into() });
    assert_eq!((config.node.as_str(), config.cluster_name.as_str()), ("n7", "prod"));
    assert_eq!((config.default_ttl_s, config.max_ttl_s), (3600, 720 * 3600));
    assert!(config.disable_mlock && config.log.json && !config.record_reads);
    assert_eq!(config.log.level, tracing::Level::DEBUG);
    assert_eq!(config.log_retention_s, Some(90 * 86_400));
    assert_eq!(config.disk_reserve_bytes, Some(64 << 20));
    assert_eq!(config.witness_path(), Some("/mnt/other/w".into()));
    config.check().unwrap();
}

#[test]
fn json_says_the_same_as_hcl() {
    let shapes = [
        r#"{"listener": {"tcp": {"address": "127.0.0.1:1", "tls_disable": true}}, "storage": {"embedded": {"path": "/d"}}}"#,
        r#"{"listener": [{"tcp": {"address": "127.0.0.1:1", "tls_disable": "true"}}], "storage": [{"embedded": [{"path": "/d"}]}]}"#,
        r#"{"listener": [{"tcp": [{"address": "127.0.0.1:1", "tls_disable": 1}]}], "storage": {"embedded": {"path": "/d"}}}"#,
    ];
    for shape in shapes {
        let config = read(shape).unwrap();
        assert_eq!(config.listeners.len(), 1, "{shape}");
        assert_eq!(config.listeners[0].address, "127.0.0.1:1");
        assert_eq!(config.storage, StorageConfig::Embedded { path: "/d".into() });
        assert_eq!(config.warnings, Vec::<String>::new());
    }
}

#[test]
fn what_is_not_known_is_named_with_its_place_and_without_its_value() {
    let config =
        read("clustername = \"s3cr3t\"\nui = true\nlistener \"tcp\" {\n tls_disable = true\n adress = \"s3cr3t\"\n}")
            .unwrap();
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("cardea.hcl:1: unknown key `clustername` is ignored"), "{warnings}");
    assert!(warnings.contains("cardea.hcl:2: `ui` has no effect"), "{warnings}");
    assert!(warnings.contains("cardea.hcl:5: unknown key `adress` in listener \"tcp\" is ignored"), "{warnings}");
    assert!(!warnings.contains("s3cr3t"), "{warnings}");
}

#[test]
fn what_cannot_be_is_refused_in_one_line_with_its_place() {
    let table = [
        ("listener \"tcp\" {}", "needs tls_cert_file and tls_key_file, or tls_disable = true"),
        ("listener \"unix\" { address = \"/s\" }", "cardea.hcl:1: the only listener type is `tcp`"),
        ("listener { address = \"x\" }", "must be a block with a type"),
        ("listener \"tcp\" { tls_disable = \"maybe\" }", "`tls_disable` must be true or false"),
        ("listener \"tcp\" { tls_disable = true tls_min_version = \"tls11\" }", "tls_min_version is tls12 or tls13"),
        ("listener \"tcp\" { tls_disable = true http_read_timeout = \"soon\" }", "`http_read_timeout` must be seconds"),
        ("listener \"tcp\" { tls_disable = true max_connections = 0 }", "`max_connections` is not between"),
        (
            "listener \"tcp\" { tls_disable = true x_forwarded_for_authorized_addrs = \"nonsense\" }",
            "x_forwarded_for_authorized_addrs: a network",
        ),
        (
            "listener \"tcp\" { tls_cert_file = \"c\" tls_key_file = \"k\" tls_require_and_verify_client_cert = true }",
            "needs tls_client_ca_file",
        ),
        ("listener \"tcp\" { tls_disable = true proxy_protocol_behavior = \"use_always\" }", "is not supported"),
        (
            "listener \"tcp\" { tls_disable = true custom_response_headers { \"9xx\" = { \"a\" = \"b\" } } }",
            "is neither `default`, nor a status",
        ),
        (
            "listener \"tcp\" { tls_disable = true custom_response_headers { \"200\" = { \"bad name\" = \"b\" } } }",
            "impossible name or value",
        ),
        ("storage \"raft\" { path = \"/x\" }", "use storage \"embedded\""),
        ("storage \"file\" { path = \"/x\" }", "use storage \"embedded\""),
        ("storage \"tape\" { path = \"/x\" }", "unknown storage"),
        ("storage \"embedded\" {}", "needs `path`"),
        (
            "storage \"embedded\" { path = \"/a\" }\nstorage \"embedded\" { path = \"/b\" }",
            "cardea.hcl:2: there may be one storage",
        ),
        ("seal \"awskms\" { region = \"x\" }", "this seal is not supported"),
        ("seal \"static\" {}", "needs one of `key_file` and `current_key`"),
        ("seal \"static\" { key_file = \"/nonexistent/key\" }", "the file does not exist"),
        ("seal \"static\" { current_key = \"env://KEY\" }", "use `key_file`"),
        ("raw_storage_endpoint = true", "`raw_storage_endpoint` is not supported"),
        ("api_addr = [1]", "`api_addr` must be a text"),
        ("log_level = \"loud\"", "`log_level` is trace"),
        ("log_format = \"xml\"", "`log_format` is standard or json"),
        ("log { retention = \"forever\" }", "`retention` must be seconds"),
        ("log { disk_reserve = \"much\" }", "`disk_reserve` must be a number of bytes"),
        ("max_lease_ttl = \"x\"", "`max_lease_ttl` must be seconds"),
        ("api_addr = \"a\"\napi_addr = \"b\"", "cardea.hcl:2: `api_addr` stands twice"),
        ("listener \"tcp\" {", "a brace is not closed"),
        ("{\"listener\": }", "not valid JSON"),
        ("telemetry = 5", "`telemetry` must be a block"),
    ];
    for (text, expected) in table {
        let error = read(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.contains(expected), "{text}\n  gave: {error}\n  not:  {expected}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

#[test]
fn spellings_of_values_that_are_in_the_field_are_understood() {
    let listener = |body: &str| read(&format!("listener \"tcp\" {{ tls_disable = true\n {body} }}")).unwrap();
    for (text, ms) in [("\"500ms\"", 500), ("2", 2000), ("\"2\"", 2000), ("\"1m\"", 60_000), ("0", 10_000)] {
        let config = listener(&format!("http_read_header_timeout = {text}"));
        assert_eq!(config.listeners[0].header_timeout, Duration::from_millis(ms), "{text}");
    }
    for (address, full) in [("\"127.0.0.1\"", "127.0.0.1:8200"), ("\"[::1]\"", "[::1]:8200"), ("\"[::]:1\"", "[::]:1")]
    {
        assert_eq!(listener(&format!("address = {address}")).listeners[0].address, full);
    }
    let config = listener("max_request_size = 33554432");
    assert_eq!(config.listeners[0].body_bytes_max, cardea_model::limit::BODY_BYTES_MAX);
    assert!(config.warnings[0].contains("beyond the fixed bound"));
    let config = read("max_lease_ttl = \"1h\"").unwrap();
    assert_eq!((config.default_ttl_s, config.max_ttl_s), (3600, 3600), "a maximum pulls the default down");
    assert!(
        read("default_lease_ttl = \"2h\"\nmax_lease_ttl = \"1h\"\nlistener \"tcp\" { tls_disable = 1 }")
            .unwrap()
            .check()
            .is_err()
    );
    assert!(read("").unwrap().check().is_err(), "no listener");
}

#[test]
fn a_folder_is_read_in_order_and_later_files_win() {
    let folder = folder_with(&[
        ("10-base.hcl", "cluster_name = \"a\"\napi_addr = \"http://a\"\nlistener \"tcp\" { tls_disable = true }"),
        (
            "20-more.json",
            r#"{"cluster_name": "b", "listener": {"tcp": {"address": "127.0.0.1:9", "tls_disable": true}}}"#,
        ),
        (".hidden.hcl", "this is not read"),
        ("notes.txt", "nor this"),
    ]);
    let config = load(&[folder.path().to_path_buf()], &nothing).unwrap();
    assert_eq!((config.cluster_name.as_str(), config.api_address.as_str()), ("b", "http://a"));
    assert_eq!(config.listeners.len(), 2);
    assert!(config.forbidden_directories().contains(&folder.path().to_path_buf()));

    let empty = tempfile::tempdir().unwrap();
    assert!(load(&[empty.path().to_path_buf()], &nothing).is_err());
    assert!(load(&[empty.path().join("missing.hcl")], &nothing).is_err());
    fs::write(empty.path().join("binary.hcl"), [0xFF, 0x00]).unwrap();
    assert!(load(&[empty.path().join("binary.hcl")], &nothing).err().unwrap().to_string().contains("not UTF-8"));
}

#[test]
fn a_key_is_taken_only_from_a_file_for_its_owner_alone() {
    let folder = folder_with(&[("key", &"ab".repeat(32))]);
    let key = folder.path().join("key");
    let config = format!("seal \"static\" {{ key_file = \"{}\" }}", key.display());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(read(&config).err().unwrap().contains("must be 0600 or stricter"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let SealConfig::Static(found) = read(&config).unwrap().seal else { panic!("static") };
    assert_eq!(*found, [0xAB; 32]);
    // OpenBao's spelling of the same.
    let openbao = format!("seal \"static\" {{ current_key_id = \"k1\" current_key = \"file://{}\" }}", key.display());
    assert!(matches!(read(&openbao).unwrap().seal, SealConfig::Static(_)));

    let file = folder.path().join("inline.hcl");
    fs::write(&file, format!("seal \"static\" {{ current_key = \"{}\" }}", "cd".repeat(32))).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load(std::slice::from_ref(&file), &nothing).is_err(), "a configuration with a key in it is a key file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(load(&[file], &nothing).is_ok());

    fs::write(&key, "short").unwrap();
    let error = read(&config).err().unwrap();
    assert!(error.contains("must hold 32 bytes") && !error.contains("short"), "{error}");
}

#[test]
fn the_environment_stands_above_files_and_our_own_prefix_above_vaults() {
    let environment = |name: &str| match name {
        "VAULT_API_ADDR" => Some("http://vault".to_owned()),
        "CARDEA_API_ADDR" => Some("http://cardea".to_owned()),
        "VAULT_LOG_LEVEL" => Some("warn".to_owned()),
        "VAULT_LOG_FORMAT" => Some("json".to_owned()),
        "VAULT_CLUSTER_ADDR" => Some("x".to_owned()),
        "VAULT_REDIRECT_ADDR" => Some(String::new()),
        _ => None,
    };
    let folder = folder_with(&[("c.hcl", "api_addr = \"http://file\"\nlog_level = \"trace\"")]);
    let config = load(&[folder.path().join("c.hcl")], &environment).unwrap();
    assert_eq!(config.api_address, "http://cardea");
    assert_eq!((config.log.level, config.log.json), (tracing::Level::WARN, true));
    assert!(config.warnings.iter().any(|warning| warning.contains("CLUSTER_ADDR")));
    let wrong = |name: &str| (name == "CARDEA_LOG_LEVEL").then(|| "loud".to_owned());
    assert!(load(&[], &wrong).is_err());
}

#[test]
fn the_witness_stands_beside_the_store_unless_it_is_told_otherwise() {
    let config = |path: &str| Config { storage: StorageConfig::Embedded { path: path.into() }, ..Config::default() };
    assert_eq!(config("/var/lib/cardea").witness_path(), Some("/var/lib/cardea.witness".into()));
    assert_eq!(config("/var/lib/cardea//").witness_path(), Some("/var/lib/cardea.witness".into()));
    assert_eq!(Config::default().witness_path(), None);
}

proptest::proptest! {
    /// Whatever a file holds, reading it ends with a configuration or one line.
    #[test]
    fn no_text_breaks_the_reader(text in "[ -~\\n\"{}=\\[\\]]{0,200}") {
        if let Err(error) = read(&text) {
            proptest::prop_assert!(!error.contains('\n'));
        }
    }
}

#[test]
fn dialects_are_spoken_only_where_configured() {
    let listener = "listener \"tcp\" { address = \"127.0.0.1:0\" tls_disable = 1 }\nstorage \"inmem\" {}\n";
    let bindings = |block: &str| {
        let config = read(&format!("{listener}{block}"))?;
        let shown = config.dialects.iter().map(|entry| format!("{} {:?}", entry.name, entry.bindings));
        Ok::<_, String>(shown.collect::<Vec<_>>().join("; "))
    };
    let table = [
        ("", ""),
        (
            "dialect \"aws_secrets_manager\" {}",
            r#"aws_secrets_manager {"account_id": "123456789012", "mount": "secret/"}"#,
        ),
        (
            "dialect \"aws_secrets_manager\" { account_id = \"000000000007\" regions = [\"eu-central-1\", \"us-east-1\"] mount = \"kv/apps\" }",
            r#"aws_secrets_manager {"account_id": "000000000007", "mount": "kv/apps/", "regions": "eu-central-1,us-east-1"}"#,
        ),
        (
            "dialect \"aws_secrets_manager\" { replica_regions = [\"eu-central-1\", \"us-east-1\"] }",
            r#"aws_secrets_manager {"account_id": "123456789012", "mount": "secret/", "regions": "eu-central-1,us-east-1", "replica_regions": "eu-central-1,us-east-1"}"#,
        ),
        ("dialect \"aws_kms\" {}", r#"aws_kms {"account_id": "123456789012", "mount": "transit/"}"#),
    ];
    for (block, expected) in table {
        assert_eq!(bindings(block).unwrap(), expected, "{block}");
    }
    for block in [
        "dialect \"aws\" {}",
        "dialect \"aws_secrets_manager\" { account_id = \"7\" }",
        "dialect \"aws_secrets_manager\" { regions = [\"Frankfurt\"] }",
        "dialect \"aws_secrets_manager\" { replica_regions = [\"Frankfurt\"] }",
        "dialect \"aws_secrets_manager\" { regions = [\"eu-west-1\"] replica_regions = [\"us-east-1\"] }",
        "dialect \"aws_secrets_manager\" {}\ndialect \"aws_secrets_manager\" {}",
    ] {
        assert!(bindings(block).is_err(), "{block}");
    }
}
