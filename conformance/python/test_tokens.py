"""Tokens, AppRole and response wrapping."""

import pytest
from hvac import exceptions


def test_life_of_a_token(root, with_token):
    made = root.auth.token.create(policies=["default"], ttl="1h", explicit_max_ttl="2h", display_name="me", meta={"team": "a"}, num_uses=0)
    auth = made["auth"]
    assert auth["lease_duration"] == 3600 and auth["renewable"] is True and auth["token_type"] == "service"
    assert auth["policies"] == auth["token_policies"] == ["default"] and auth["metadata"] == {"team": "a"} and auth["orphan"] is False
    assert auth["client_token"].startswith("hvs.")

    own = with_token(auth["client_token"])
    seen = own.auth.token.lookup_self()["data"]
    assert seen["id"] == auth["client_token"] and seen["accessor"] == auth["accessor"] and seen["display_name"] == "token-me"
    assert 3590 <= seen["ttl"] <= 3600 and seen["creation_ttl"] == 3600 and seen["explicit_max_ttl"] == 7200
    assert seen["path"] == "auth/token/create" and seen["meta"] == {"team": "a"} and seen["type"] == "service"
    assert own.is_authenticated()

    by_accessor = root.auth.token.lookup_accessor(auth["accessor"])["data"]
    assert by_accessor["id"] == "" and by_accessor["accessor"] == auth["accessor"]
    assert auth["accessor"] in root.auth.token.list_accessors()["data"]["keys"]

    assert own.auth.token.renew_self(increment="30m")["auth"]["lease_duration"] == 1800
    assert root.auth.token.renew(auth["client_token"], increment="90m")["auth"]["lease_duration"] == 5400
    assert root.auth.token.renew_accessor(auth["accessor"], increment="10m")["auth"]["client_token"] == ""
    long = own.auth.token.renew_self(increment="100h")
    assert 7190 <= long["auth"]["lease_duration"] <= 7200 and long["warnings"]

    own.auth.token.revoke_self()
    assert not own.is_authenticated()
    with pytest.raises(exceptions.Forbidden):
        root.auth.token.lookup(auth["client_token"])


def test_revocation_takes_the_children(root, with_token, name):
    root.sys.create_or_update_policy(name, 'path "auth/token/create" { capabilities = ["update"] }')
    parent = root.auth.token.create(policies=[name, "default"])["auth"]
    child = with_token(parent["client_token"]).auth.token.create(policies=["default"])["auth"]
    orphan = root.auth.token.create_orphan(policies=["default"])["auth"]
    assert orphan["orphan"] is True
    root.auth.token.revoke_accessor(parent["accessor"])
    assert not with_token(parent["client_token"]).is_authenticated()
    assert not with_token(child["client_token"]).is_authenticated()
    assert with_token(orphan["client_token"]).is_authenticated()
    root.auth.token.revoke(orphan["client_token"])


def test_revoke_and_orphan_the_children(root, with_token, name):
    root.sys.create_or_update_policy(name, 'path "auth/token/create" { capabilities = ["update"] }')
    parent = root.auth.token.create(policies=[name, "default"])["auth"]["client_token"]
    child = with_token(parent).auth.token.create(policies=["default"])["auth"]["client_token"]
    root.auth.token.revoke_and_orphan_children(parent)
    assert not with_token(parent).is_authenticated()
    assert with_token(child).auth.token.lookup_self()["data"]["orphan"] is True


def test_a_child_cannot_have_more(root, with_token, name):
    root.sys.create_or_update_policy(name, 'path "auth/token/create" { capabilities = ["update"] }')
    parent = with_token(root.auth.token.create(policies=[name])["auth"]["client_token"])
    with pytest.raises(exceptions.InvalidRequest):
        parent.auth.token.create(policies=["root"])
    with pytest.raises((exceptions.InvalidRequest, exceptions.Forbidden)):
        parent.auth.token.create(policies=["default"], no_parent=True)


def test_uses_run_out(root, with_token):
    client = with_token(root.auth.token.create(policies=["default"], num_uses=2)["auth"]["client_token"])
    client.auth.token.lookup_self()
    assert client.auth.token.lookup_self()["data"]["num_uses"] in (-1, 0)
    with pytest.raises(exceptions.Forbidden):
        client.auth.token.lookup_self()


def test_batch_tokens(root, with_token):
    auth = root.auth.token.create(policies=["default"], type="batch", ttl="10m")["auth"]
    assert auth["token_type"] == "batch" and auth["renewable"] is False and auth["client_token"].startswith("hvb.")
    assert auth["accessor"] == ""
    client = with_token(auth["client_token"])
    assert client.auth.token.lookup_self()["data"]["type"] == "batch"
    with pytest.raises(exceptions.InvalidRequest):
        client.auth.token.renew_self()
    with pytest.raises(exceptions.InvalidRequest):
        root.auth.token.revoke(auth["client_token"])


def test_token_roles(root, with_token, name):
    tokens = root.auth.token
    tokens.create_or_update_role(name, allowed_policies=["default"], orphan=True, renewable=False, token_period="1h", path_suffix="sfx")
    role = tokens.read_role(name)["data"]
    assert role["name"] == name and role["allowed_policies"] == ["default"] and role["orphan"] is True
    assert role["token_period"] == 3600 and role["renewable"] is False
    assert name in tokens.list_roles()["data"]["keys"]
    auth = tokens.create(role_name=name, policies=["default"])["auth"]
    seen = tokens.lookup(auth["client_token"])["data"]
    assert seen["role"] == name and seen["orphan"] is True and seen["path"] == f"auth/token/create/{name}/sfx"
    with pytest.raises(exceptions.InvalidRequest):
        tokens.create(role_name=name, policies=["root"])
    tokens.delete_role(name)
    with pytest.raises(exceptions.InvalidPath):
        tokens.read_role(name)


def test_tidy(root):
    assert root.auth.token.tidy().status_code == 202


# AppRole


@pytest.fixture
def role(root, approle):
    """hvac's AppRole methods bound to a fresh mount, with a role named svc."""

    class Bound:
        mount = approle

        def __getattr__(self, method):
            def call(*args, **kwargs):
                return getattr(root.auth.approle, method)(*args, mount_point=approle, **kwargs)

            return call

    bound = Bound()
    bound.create_or_update_approle("svc", token_policies=["default"], token_ttl="20m", token_max_ttl="1h", secret_id_num_uses=2,
                                   secret_id_ttl="10m", token_type="service")
    return bound


def test_approle_role(role):
    read = role.read_role("svc")["data"]
    assert read["token_policies"] == ["default"] and read["token_ttl"] == 1200 and read["token_max_ttl"] == 3600
    assert read["secret_id_num_uses"] == 2 and read["secret_id_ttl"] == 600 and read["bind_secret_id"] is True
    assert role.list_roles()["data"]["keys"] == ["svc"]
    role.update_role_id("svc", "chosen-id")
    assert role.read_role_id("svc")["data"] == {"role_id": "chosen-id"}
    role.delete_role("svc")
    with pytest.raises(exceptions.InvalidPath):
        role.read_role("svc")
    with pytest.raises(exceptions.InvalidPath):
        role.list_roles()


def test_approle_login_with_a_wrapped_secret_id(root, role, with_token):
    role_id = role.read_role_id("svc")["data"]["role_id"]
    info = role.generate_secret_id("svc", metadata={"host": "one"}, wrap_ttl="60s")["wrap_info"]
    assert info["ttl"] == 60 and info["creation_path"] == f"auth/{role.mount}/role/svc/secret-id"
    carrier = with_token(info["token"])
    unwrapped = carrier.sys.unwrap()["data"]
    assert unwrapped["secret_id_accessor"] and unwrapped["secret_id_ttl"] == 600 and unwrapped["secret_id_num_uses"] == 2
    secret_id = unwrapped["secret_id"]
    with pytest.raises(exceptions.InvalidRequest):
        with_token(info["token"]).sys.unwrap()

    auth = carrier.auth.approle.login(role_id, secret_id, mount_point=role.mount)["auth"]
    assert carrier.token == auth["client_token"] and auth["lease_duration"] == 1200
    assert auth["metadata"]["role_name"] == "svc" and auth["metadata"]["host"] == "one"
    assert carrier.auth.token.lookup_self()["data"]["path"] == f"auth/{role.mount}/login"
    assert carrier.auth.token.renew_self(increment="5m")["auth"]["lease_duration"] == 300

    carrier.auth.approle.login(role_id, secret_id, mount_point=role.mount)
    with pytest.raises(exceptions.InvalidRequest):  # it had two uses
        carrier.auth.approle.login(role_id, secret_id, mount_point=role.mount)


def test_approle_secret_ids(role):
    made = role.generate_secret_id("svc", metadata={"a": "b"})["data"]
    read = role.read_secret_id("svc", made["secret_id"])["data"]
    assert read["secret_id_accessor"] == made["secret_id_accessor"] and read["metadata"] == {"a": "b"}
    assert read["secret_id_num_uses"] == 2 and read["secret_id_ttl"] == 600
    by_accessor = role.read_secret_id_accessor("svc", made["secret_id_accessor"])["data"]
    assert by_accessor["creation_time"] == read["creation_time"] and "secret_id" not in by_accessor
    assert role.list_secret_id_accessors("svc")["data"]["keys"] == [made["secret_id_accessor"]]
    role.destroy_secret_id("svc", made["secret_id"])
    own = role.create_custom_secret_id("svc", "my-own-secret-id")["data"]
    assert own["secret_id"] == "my-own-secret-id"
    role.destroy_secret_id_accessor("svc", own["secret_id_accessor"])
    with pytest.raises(exceptions.InvalidPath):
        role.list_secret_id_accessors("svc")


@pytest.mark.parametrize("role_id, secret_id", [("wrong", "wrong"), (None, "wrong"), (None, "")])
def test_approle_wrong_login(role, with_token, role_id, secret_id):
    role_id = role_id or role.read_role_id("svc")["data"]["role_id"]
    with pytest.raises(exceptions.InvalidRequest):
        with_token(None).auth.approle.login(role_id, secret_id, mount_point=role.mount)


# Wrapping


def test_wrap_lookup_rewrap_unwrap(root, with_token):
    info = root.sys.wrap({"x": "1"}, ttl=90)["wrap_info"]
    assert info["ttl"] == 90 and info["creation_path"] == "sys/wrapping/wrap" and info["accessor"] and info["creation_time"]
    looked = root.adapter.post("/v1/sys/wrapping/lookup", json={"token": info["token"]})["data"]
    assert looked["creation_ttl"] == 90 and looked["creation_path"] == "sys/wrapping/wrap"
    again = root.adapter.post("/v1/sys/wrapping/rewrap", json={"token": info["token"]})["wrap_info"]
    assert again["ttl"] == 90 and again["token"] != info["token"] and again["creation_path"] == "sys/wrapping/wrap"
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.unwrap(info["token"])
    assert with_token(again["token"]).sys.unwrap()["data"] == {"x": "1"}
    with pytest.raises(exceptions.InvalidRequest):
        root.adapter.post("/v1/sys/wrapping/lookup", json={"token": again["token"]})


def test_any_answer_can_be_wrapped(root, kv2):
    root.secrets.kv.v2.create_or_update_secret("a", {"x": "1"}, mount_point=kv2)
    wrapped = root.read(f"{kv2}/data/a", wrap_ttl="1m")
    assert wrapped["data"] is None and wrapped["wrap_info"]["creation_path"] == f"{kv2}/data/a"
    assert root.sys.unwrap(wrapped["wrap_info"]["token"])["data"]["data"] == {"x": "1"}


def test_a_wrapped_token(root, with_token):
    info = root.auth.token.create(policies=["default"], wrap_ttl="1m")["wrap_info"]
    auth = with_token(info["token"]).sys.unwrap()["auth"]
    assert auth["accessor"] == info["wrapped_accessor"]
    assert with_token(auth["client_token"]).is_authenticated()


def test_an_ordinary_token_is_no_wrapping_token(root):
    token = root.auth.token.create(policies=["default"])["auth"]["client_token"]
    with pytest.raises(exceptions.InvalidRequest):
        root.sys.unwrap(token)
