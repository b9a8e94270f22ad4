"""Initialization, unsealing, health codes, rotation and rekeying, on a server that starts with nothing.

Must never run against a server that the environment gave: it seals and rekeys.
"""

import hvac
import pytest
from hvac import exceptions

SHARES, THRESHOLD = 5, 3


@pytest.fixture
def fresh(fresh_server):
    client = hvac.Client(url=fresh_server.address)
    client.token = None
    return client


@pytest.fixture
def opened(fresh):
    """An unsealed server: the client with the root token, and the key shares."""
    made = fresh.sys.initialize(SHARES, THRESHOLD)
    fresh.token = made["root_token"]
    fresh.sys.submit_unseal_keys(made["keys_base64"][:THRESHOLD])
    assert not fresh.sys.is_sealed()
    return fresh, made["keys_base64"]


def health_code(client):
    return client.sys.read_health_status(method="HEAD").status_code


def chosen_code(client, **options):
    return client.sys.read_health_status(method="GET", **options).status_code  # hvac sends no options with HEAD


def test_from_nothing_to_unsealed(fresh):
    assert not fresh.sys.is_initialized()
    assert health_code(fresh) == 501
    assert fresh.sys.read_init_status() == {"initialized": False}

    made = fresh.sys.initialize(SHARES, THRESHOLD)
    assert len(made["keys"]) == len(made["keys_base64"]) == SHARES
    assert bytes.fromhex(made["keys"][0]) and made["root_token"]
    assert fresh.sys.is_initialized()
    assert fresh.sys.is_sealed()
    assert health_code(fresh) == 503
    with pytest.raises(exceptions.InvalidRequest):
        fresh.sys.initialize(SHARES, THRESHOLD)

    status = fresh.sys.read_seal_status()
    assert (status["sealed"], status["t"], status["n"], status["progress"]) == (True, THRESHOLD, SHARES, 0)
    assert status["type"] == "shamir" and status["version"]

    one = fresh.sys.submit_unseal_key(made["keys"][0])  # hexadecimal
    assert (one["sealed"], one["progress"]) == (True, 1) and one["nonce"]
    again = fresh.sys.submit_unseal_key(made["keys"][0])
    assert again["progress"] == 1, "the same share must not count twice"
    assert fresh.sys.submit_unseal_key(reset=True)["progress"] == 0
    for key in made["keys_base64"][:THRESHOLD]:
        last = fresh.sys.submit_unseal_key(key)
    assert last["sealed"] is False and last["cluster_id"]
    assert health_code(fresh) == 200
    health = fresh.sys.read_health_status(method="GET")
    assert health["initialized"] and not health["sealed"] and not health["standby"]

    fresh.token = made["root_token"]
    assert fresh.is_authenticated()


def test_health_codes_can_be_chosen(fresh):
    assert chosen_code(fresh, uninit_code=209) == 209
    made = fresh.sys.initialize(1, 1)
    assert chosen_code(fresh, sealed_code=210) == 210
    fresh.sys.submit_unseal_key(made["keys_base64"][0])
    assert chosen_code(fresh, active_code=211) == 211


@pytest.mark.parametrize("shares, threshold", [(0, 0), (1, 2), (5, 1), (256, 3)])
def test_impossible_shares_are_refused(fresh, shares, threshold):
    with pytest.raises(exceptions.InvalidRequest):
        fresh.sys.initialize(shares, threshold)
    assert not fresh.sys.is_initialized()


def test_wrong_shares_do_not_unseal(fresh):
    import base64

    made = fresh.sys.initialize(SHARES, THRESHOLD)
    share = base64.b64decode(made["keys_base64"][2])
    wrong = base64.b64encode(bytes([share[0] ^ 1]) + share[1:]).decode()
    fresh.sys.submit_unseal_keys(made["keys_base64"][:2])
    with pytest.raises(exceptions.InvalidRequest):
        fresh.sys.submit_unseal_key(wrong)
    assert fresh.sys.is_sealed()
    assert fresh.sys.read_seal_status()["progress"] == 0
    assert fresh.sys.submit_unseal_keys(made["keys_base64"][2:5])["sealed"] is False


def test_sealed_server_answers_vault_down(opened):
    client, keys = opened
    client.sys.enable_secrets_engine("kv", path="kept", options={"version": "2"})
    client.secrets.kv.v2.create_or_update_secret("a", {"k": "v"}, mount_point="kept")
    client.sys.seal()
    assert client.sys.is_sealed()
    with pytest.raises(exceptions.VaultDown):
        client.secrets.kv.v2.read_secret_version("a", mount_point="kept", raise_on_deleted_version=True)
    client.sys.submit_unseal_keys(keys[1:4])
    read = client.secrets.kv.v2.read_secret_version("a", mount_point="kept", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"k": "v"}


def test_data_survives_a_restart(opened, fresh_server):
    client, keys = opened
    client.sys.enable_secrets_engine("kv", path="kept", options={"version": "2"})
    client.secrets.kv.v2.create_or_update_secret("a", {"k": "v"}, mount_point="kept")
    fresh_server.restart()
    assert client.sys.is_sealed()
    client.sys.submit_unseal_keys(keys[2:5])
    read = client.secrets.kv.v2.read_secret_version("a", mount_point="kept", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"k": "v"}


def test_rotation(opened):
    client, _ = opened
    before = client.sys.get_encryption_key_status()["data"]
    client.sys.rotate_encryption_key()
    after = client.sys.get_encryption_key_status()["data"]
    assert after["term"] == before["term"] + 1 and after["install_time"]


def test_rekey(opened):
    client, keys = opened
    idle = client.sys.read_rekey_progress()
    assert idle["started"] is False
    client.sys.start_rekey(secret_shares=3, secret_threshold=2)
    progress = client.sys.read_rekey_progress()
    assert progress["started"] and (progress["t"], progress["n"], progress["required"]) == (2, 3, THRESHOLD)
    client.sys.cancel_rekey()
    assert client.sys.read_rekey_progress()["started"] is False

    nonce = client.sys.start_rekey(secret_shares=3, secret_threshold=2)["nonce"]
    with pytest.raises(exceptions.InvalidRequest):
        client.sys.rekey(keys[0], nonce="00000000-0000-0000-0000-000000000000")
    done = client.sys.rekey_multi(keys[:THRESHOLD], nonce=nonce)
    assert done["complete"] is True and len(done["keys_base64"]) == 3

    client.sys.seal()
    with pytest.raises(exceptions.InvalidRequest):
        client.sys.submit_unseal_keys(keys[:2])  # the old shares, at the new threshold
    client.sys.submit_unseal_key(reset=True)
    assert client.sys.submit_unseal_keys(done["keys_base64"][1:])["sealed"] is False


def test_rekey_with_verification(opened):
    client, keys = opened
    nonce = client.sys.start_rekey(secret_shares=3, secret_threshold=2, require_verification=True)["nonce"]
    made = client.sys.rekey_multi(keys[:THRESHOLD], nonce=nonce)
    assert made["verification_required"] and len(made["keys_base64"]) == 3
    proof = client.sys.read_rekey_verify_progress()
    assert proof["nonce"] == made["verification_nonce"] and (proof["t"], proof["n"], proof["progress"]) == (2, 3, 0)
    client.sys.rekey_verify(made["keys_base64"][0], nonce=proof["nonce"])
    client.sys.cancel_rekey_verify()
    proof = client.sys.read_rekey_verify_progress()
    assert proof["started"] and proof["progress"] == 0
    held = client.sys.rekey_verify_multi(made["keys_base64"][1:], nonce=proof["nonce"])
    assert held["complete"] is True
    client.sys.seal()
    assert client.sys.submit_unseal_keys(made["keys_base64"][:2])["sealed"] is False


def test_generate_root(opened):
    client, keys = opened
    assert client.sys.read_root_generation_progress()["started"] is False
    started = client.sys.start_root_token_generation()
    assert started["started"] and started["otp"]
    for key in keys[:THRESHOLD]:
        step = client.sys.generate_root(key, started["nonce"])
    assert step["complete"] and step["encoded_token"]

    import base64

    raw = base64.b64decode(step["encoded_token"] + "=" * (-len(step["encoded_token"]) % 4))
    client.token = bytes(a ^ b for a, b in zip(raw, started["otp"].encode())).decode()
    assert client.auth.token.lookup_self()["data"]["policies"] == ["root"]
