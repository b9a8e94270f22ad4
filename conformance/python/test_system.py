"""Mounts, auth methods, policies, capabilities, audit devices, leases and the classes of error."""

import json
import time

import pytest
from hvac import exceptions


def test_mounts(root, name):
    root.sys.enable_secrets_engine("kv", path=name, description="for a test", options={"version": "2"}, config={"max_lease_ttl": "2h"})
    mount = root.sys.list_mounted_secrets_engines()["data"][name + "/"]
    assert mount["type"] == "kv" and mount["description"] == "for a test" and mount["options"] == {"version": "2"}
    assert mount["config"]["max_lease_ttl"] == 7200 and mount["accessor"].startswith("kv_") and mount["uuid"]
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.enable_secrets_engine("kv", path=name)
    root.sys.tune_mount_configuration(name, default_lease_ttl="10m", max_lease_ttl="1h", description="tuned",
                                      audit_non_hmac_request_keys=["plain"], listing_visibility="unauth")
    tuned = root.sys.read_mount_configuration(name)["data"]
    assert (tuned["default_lease_ttl"], tuned["max_lease_ttl"], tuned["description"]) == (600, 3600, "tuned")
    assert tuned["audit_non_hmac_request_keys"] == ["plain"] and tuned["listing_visibility"] == "unauth"
    root.sys.disable_secrets_engine(name)
    assert name + "/" not in root.sys.list_mounted_secrets_engines()["data"]


def test_move_a_mount(root, name):
    root.sys.enable_secrets_engine("kv", path=name, options={"version": "2"})
    root.secrets.kv.v2.create_or_update_secret("a", {"x": "1"}, mount_point=name)
    migration = root.sys.move_backend(name, name + "-new")["data"]["migration_id"]
    for _ in range(100):
        status = root.adapter.get(f"/v1/sys/remount/status/{migration}")["data"]
        if status["migration_info"]["status"] != "in-progress":
            break
        time.sleep(0.05)
    assert status["migration_info"]["status"] == "success"
    read = root.secrets.kv.v2.read_secret_version("a", mount_point=name + "-new", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"x": "1"}
    root.sys.disable_secrets_engine(name + "-new")


def test_tuning_one_thing_leaves_the_others(root, name):
    root.sys.enable_secrets_engine("kv", path=name, options={"version": "2"}, config={"max_lease_ttl": "2h"})
    # An empty text is how the Go client says that it leaves a duration alone.
    root.adapter.post(f"/v1/sys/mounts/{name}/tune", json={"default_lease_ttl": "10m", "max_lease_ttl": "", "description": None})
    tuned = root.sys.read_mount_configuration(name)["data"]
    assert (tuned["default_lease_ttl"], tuned["max_lease_ttl"]) == (600, 7200)
    root.sys.disable_secrets_engine(name)


@pytest.mark.parametrize("body", ["", "null", "{}"])
def test_a_body_of_nothing(root, with_token, body):
    """Clients with nothing to say send nothing, an empty object or JSON's null."""
    token = root.auth.token.create(policies=["default"])["auth"]["client_token"]
    renewed = with_token(token).adapter.post("/v1/auth/token/renew-self", data=body)
    assert renewed["auth"]["client_token"] == token


@pytest.mark.parametrize("kind, path", [("no-such-engine", "x1"), ("kv", "sys/x"), ("kv", "cubbyhole")])
def test_impossible_mounts(root, kind, path):
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.enable_secrets_engine(kind, path=path)


def test_auth_methods(root, name):
    root.sys.enable_auth_method("approle", path=name, description="for a test")
    method = root.sys.list_auth_methods()["data"][name + "/"]
    assert method["type"] == "approle" and method["description"] == "for a test"
    root.sys.tune_auth_method(name, default_lease_ttl="10m", max_lease_ttl="1h", token_type="service")
    tuned = root.sys.read_auth_method_tuning(name)["data"]
    assert (tuned["default_lease_ttl"], tuned["max_lease_ttl"]) == (600, 3600)
    root.sys.disable_auth_method(name)
    assert name + "/" not in root.sys.list_auth_methods()["data"]
    assert "token/" in root.sys.list_auth_methods()["data"]


def test_policies(root, name):
    rules = 'path "secret/*" { capabilities = ["read"] }'
    root.sys.create_or_update_policy(name, rules)
    assert root.sys.read_policy(name)["data"]["rules"] == rules
    assert {"root", "default", name} <= set(root.sys.list_policies()["data"]["policies"])
    root.sys.create_or_update_acl_policy(name, rules + "\n")
    assert root.sys.read_acl_policy(name)["data"]["policy"] == rules + "\n"
    assert name in root.sys.list_acl_policies()["data"]["keys"]
    root.sys.create_or_update_policy(name, {"path": {"secret/*": {"capabilities": ["list"]}}})
    assert json.loads(root.get_policy(name, parse=False)) == {"path": {"secret/*": {"capabilities": ["list"]}}}
    root.sys.delete_policy(name)
    with pytest.raises(exceptions.InvalidPath):
        root.sys.read_policy(name)


@pytest.mark.parametrize("rules", ['path "a" {', 'path "a" { capabilities = ["fly"] }', "nonsense"])
def test_bad_policies_are_refused(root, name, rules):
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.create_or_update_policy(name, rules)


@pytest.mark.parametrize("change", [lambda s: s.create_or_update_policy("root", 'path "a" {}'), lambda s: s.delete_policy("root"),
                                    lambda s: s.delete_policy("default")])
def test_built_in_policies_stay(root, change):
    with pytest.raises(exceptions.InvalidRequest):
        change(root.sys)


def test_capabilities(root, with_token, name):
    root.sys.create_or_update_policy(name, 'path "x/+/y" { capabilities = ["read","list"] }\npath "x/no/*" { capabilities = ["deny"] }')
    auth = root.auth.token.create(policies=[name], no_default_policy=False)["auth"]
    got = root.sys.get_capabilities(["x/a/y", "x/no/way", "other"], token=auth["client_token"])["data"]
    assert sorted(got["x/a/y"]) == ["list", "read"] and got["x/no/way"] == ["deny"] and got["other"] == ["deny"]
    by_accessor = root.sys.get_capabilities(["x/a/y"], accessor=auth["accessor"])["data"]
    assert sorted(by_accessor["capabilities"]) == ["list", "read"]
    own = with_token(auth["client_token"]).sys.get_capabilities(["x/a/y"])["data"]
    assert sorted(own["x/a/y"]) == ["list", "read"]
    assert root.sys.get_capabilities(["anything"])["data"]["anything"] == ["root"]


def test_audit_device(root, name, tmp_path):
    log = tmp_path / "audit.log"
    root.sys.enable_audit_device("file", path=name, description="d", options={"file_path": str(log)})
    device = root.sys.list_enabled_audit_devices()["data"][name + "/"]
    assert device["type"] == "file" and device["options"]["file_path"] == str(log)
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.enable_audit_device("file", path=name, options={"file_path": str(log)})
    digest = root.sys.calculate_hash(name, "some input")["data"]["hash"]
    assert digest == root.sys.calculate_hash(name, "some input")["data"]["hash"] and digest.startswith("hmac-sha256:")
    token = root.auth.token.create(policies=["default"], ttl="5m")["auth"]["client_token"]
    root.sys.disable_audit_device(name)
    assert name + "/" not in root.sys.list_enabled_audit_devices()["data"]
    if log.exists():  # a server elsewhere writes its log elsewhere
        text = log.read_text()
        assert token not in text and root.token not in text
        entries = [json.loads(line) for line in text.splitlines()]
        assert {"request", "response"} <= {entry["type"] for entry in entries}


def test_leases_of_logins(root, approle, name):
    role = root.auth.approle
    role.create_or_update_approle("r", token_ttl="10m", token_max_ttl="1h", bind_secret_id=False,
                                  token_bound_cidrs=["127.0.0.0/8"], mount_point=approle)
    role_id = role.read_role_id("r", mount_point=approle)["data"]["role_id"]
    auth = role.login(role_id, use_token=False, mount_point=approle)["auth"]
    prefix = f"auth/{approle}/login/"
    (key,) = root.sys.list_leases(prefix)["data"]["keys"]
    lease = root.sys.read_lease(prefix + key)["data"]
    assert lease["id"] == prefix + key and 0 < lease["ttl"] <= 600 and lease["expire_time"]
    root.sys.revoke_prefix(prefix)
    with pytest.raises(exceptions.InvalidPath):
        root.sys.list_leases(prefix)
    with pytest.raises(exceptions.Forbidden):
        root.auth.token.lookup(auth["client_token"])


def test_an_alias_is_changed_by_its_id(root, approle, name):
    identity = root.secrets.identity
    accessor = root.sys.list_auth_methods()["data"][approle + "/"]["accessor"]
    entity = identity.create_or_update_entity(name)["data"]["id"]
    alias = identity.create_or_update_entity_alias("first", canonical_id=entity, mount_accessor=accessor)["data"]["id"]
    identity.update_entity_alias(alias, "second", canonical_id=entity, mount_accessor=accessor)
    read = identity.read_entity_alias(alias)["data"]
    assert (read["name"], read["canonical_id"]) == ("second", entity)
    found = identity.lookup_entity(alias_name="second", alias_mount_accessor=accessor)["data"]
    assert found["id"] == entity and [known["id"] for known in found["aliases"]] == [alias]
    identity.delete_entity(entity)


def test_metrics_without_a_format(root):
    metrics = root.adapter.get("/v1/sys/metrics")
    gauges = {gauge["Name"]: gauge["Value"] for gauge in metrics["Gauges"]}
    assert gauges["vault.core.unsealed"] == 1 and metrics["Timestamp"].endswith("+0000 UTC")
    assert any(sample["Name"] == "vault.core.handle_request" and sample["Count"] > 0 for sample in metrics["Samples"])


def test_audited_headers(root, name):
    path = f"/v1/sys/config/auditing/request-headers/x-{name}"
    root.adapter.post(path, json={"hmac": True})
    assert root.adapter.get("/v1/sys/config/auditing/request-headers")["headers"][f"x-{name}"] == {"hmac": True}
    root.adapter.delete(path)
    with pytest.raises(exceptions.InvalidRequest):
        root.adapter.get(path)


def test_unknown_leases(root):
    for call in (root.sys.read_lease, root.sys.renew_lease):
        with pytest.raises(exceptions.InvalidRequest):
            call("database/creds/none/unknown")
    root.sys.revoke_lease("database/creds/none/unknown")


@pytest.mark.parametrize("token", [None, "wrong", "hvs.unknown"])
def test_forbidden(with_token, kv2, token):
    client = with_token(token)
    with pytest.raises(exceptions.Forbidden):
        client.sys.list_policies()
    with pytest.raises(exceptions.Forbidden):
        client.secrets.kv.v2.read_secret_version("a", mount_point=kv2, raise_on_deleted_version=True)
    assert not client.is_authenticated()


def test_errors_name_their_class(root, with_token, kv2):
    with pytest.raises(exceptions.InvalidPath):
        root.adapter.get("/v1/no-such-mount/a")
    with pytest.raises(exceptions.InvalidRequest) as refused:
        root.adapter.post("/v1/sys/policies/acl/x", data="{not json")
    assert refused.value.errors
    with pytest.raises(exceptions.VaultError) as unsupported:
        root.adapter.request("list", f"/v1/{kv2}/data/a")
    assert "unsupported operation" in str(unsupported.value)
    token = root.auth.token.create(policies=["default"])["auth"]["client_token"]
    with pytest.raises(exceptions.Forbidden) as denied:
        with_token(token).adapter.get("/v1/no-such-mount/a")
    assert any("permission denied" in error for error in denied.value.errors)
    assert root.read("no-such-mount/a") is None


def test_status_endpoints(root):
    assert root.sys.read_health_status(method="GET")["version"]
    assert root.sys.read_leader_status()["is_self"] in (True, False)
    assert root.sys.is_initialized() and not root.sys.is_sealed()
    assert root.seal_status["sealed"] is False
