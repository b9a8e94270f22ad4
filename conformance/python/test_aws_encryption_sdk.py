"""The whole envelope story by AWS's own Encryption SDK, unmodified: a data key from KMS, encrypted locally, the master key
rotated, and the message still opens.

Must never reach AWS: the address stands in the environment, and nowhere in the code that a program would have.
"""

import subprocess
import sys

import pytest

pytest.importorskip("aws_encryption_sdk")

from test_aws_kms import REGION, create, door, doors, kms, refused, spoken, vault  # noqa: E402, F401

PROGRAM = """
import sys
import aws_encryption_sdk as sdk

client = sdk.EncryptionSDKClient(commitment_policy=sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
keys = sdk.StrictAwsKmsMasterKeyProvider(key_ids=[sys.argv[2]])
if sys.argv[1] == "encrypt":
    out, _ = client.encrypt(source=sys.stdin.buffer.read(), key_provider=keys, encryption_context={"tenant": "a"})
else:
    out, header = client.decrypt(source=sys.stdin.buffer.read(), key_provider=keys)
    assert header.encryption_context["tenant"] == "a" and "aws-crypto-public-key" in header.encryption_context
sys.stdout.buffer.write(out)
"""


@pytest.fixture
def program(server, vault, tmp_path):  # noqa: F811
    """Runs the program with the usual variables alone."""
    key = vault.write_data("identity/access-key", data={"ttl": "30m"})["data"]
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_ENDPOINT_URL": server.address, "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"], "AWS_MAX_ATTEMPTS": "1", **server.trust,
    }
    if key.get("session_token"):
        environment["AWS_SESSION_TOKEN"] = key["session_token"]

    def run(verb, arn, data):
        return subprocess.run([sys.executable, "-c", PROGRAM, verb, arn], input=data, env=environment, capture_output=True, timeout=60)

    return run


def test_messages_outlive_a_rotation(kms, program):  # noqa: F811
    key, text = create(kms), b"the quick brown fox" * 1000
    made = program("encrypt", key["Arn"], text)
    assert made.returncode == 0, made.stderr.decode()
    assert text[:19] not in made.stdout
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    opened = program("decrypt", key["Arn"], made.stdout)
    assert opened.returncode == 0, opened.stderr.decode()
    assert opened.stdout == text
    again = program("encrypt", key["Arn"], text)
    assert program("decrypt", key["Arn"], again.stdout).stdout == text


def test_a_disabled_key_opens_nothing(kms, program):  # noqa: F811
    key = create(kms)
    made = program("encrypt", key["Arn"], b"text")
    kms.disable_key(KeyId=key["KeyId"])
    opened = program("decrypt", key["Arn"], made.stdout)
    assert opened.returncode != 0 and opened.stdout == b"" and b"DisabledException" in opened.stderr
    kms.enable_key(KeyId=key["KeyId"])
    altered = made.stdout[:-1] + bytes([made.stdout[-1] ^ 1])
    assert program("decrypt", key["Arn"], altered).returncode != 0
