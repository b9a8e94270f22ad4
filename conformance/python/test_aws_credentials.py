"""How AWS's clients, unmodified, come by their credentials: keys in the environment, a credential process, a container's
credentials endpoint, a web identity; and what they are told when one is not good.

Must never reach AWS: every client runs with the server's address and no configuration but the test's.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import hvac
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

boto3 = pytest.importorskip("boto3")

ACCOUNT = "123456789012"
POLICY = """
path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "identity/access-key*" { capabilities = ["update"] }
"""


@pytest.fixture
def holder(server, root, name):
    """A token that may issue keys and use the secrets of the development server's mount."""
    root.sys.create_or_update_policy(name, POLICY)
    token = root.auth.token.create(policies=[name], ttl="1h")["auth"]["client_token"]
    yield hvac.Client(url=server.address, token=token)
    root.sys.delete_policy(name)


@pytest.fixture
def aws(server, tmp_path):
    """The aws command line with this environment alone; gives what it printed, or its error."""

    def run(*words, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VAULT_", "CARDEA_"))}
        kept |= {"AWS_ENDPOINT_URL": server.address, "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
        kept |= {"HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "eu-central-1", **server.trust, **environment}
        command = [sys.executable, "-m", "awscli", *words, "--output", "json"]
        done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()

    return run


def issue(client, **body):
    return client.write_data("identity/access-key", data=body)["data"]


def variables(key):
    out = {"AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}
    return out | ({"AWS_SESSION_TOKEN": key["session_token"]} if key["session_token"] else {})


def test_keys_in_the_environment(holder, aws, name):
    for body in ({}, {"session_token": False}):
        key = issue(holder, ttl="15m", name="ci", **body)
        who = aws("sts", "get-caller-identity", **variables(key))
        assert who["Account"] == ACCOUNT
        assert who["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:user/token") and who["Arn"].endswith(".ci")
    made = aws("secretsmanager", "create-secret", "--name", name, "--secret-string", "x", **variables(key))
    assert made["Name"] == name
    assert holder.secrets.kv.v2.read_secret_version(name, raise_on_deleted_version=True)["data"]["data"] == {"value": "x"}
    aws("secretsmanager", "delete-secret", "--secret-id", name, "--force-delete-without-recovery", **variables(key))


def test_a_credential_process(holder, aws, server, tmp_path):
    binary = os.environ.get("CARDEA_BINARY")
    if not binary:
        pytest.skip("needs the command line (CARDEA_BINARY)")
    environment = f"VAULT_ADDR={server.address} VAULT_TOKEN={holder.token} VAULT_CACERT={server.trust.get('AWS_CA_BUNDLE', '')}"
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = env {environment} {binary} access-key create -process -name=cp\n")
    who = aws("sts", "get-caller-identity", AWS_CONFIG_FILE=str(config))
    assert who["Arn"].endswith(".cp")


def test_a_containers_credentials(holder, aws, server, root, tmp_path, name):
    if server.trust:
        pytest.skip("botocore fetches a container's credentials with its own authorities, whatever AWS_CA_BUNDLE says")
    uri = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.address + "/v1/identity/access-key/container"}
    file = tmp_path / "token"
    file.write_text(holder.token)
    for shown in (
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": holder.token},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer " + holder.token},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)},
    ):
        assert aws("sts", "get-caller-identity", **uri, **shown)["Account"] == ACCOUNT
    told = aws("sts", "get-caller-identity", **uri, AWS_CONTAINER_AUTHORIZATION_TOKEN="hvs.nobody")
    assert "403" in told
    # It makes something: a policy that lets read is not enough.
    root.sys.create_or_update_policy(name + "-read", 'path "identity/access-key/container" { capabilities = ["read"] }')
    reader = root.auth.token.create(policies=[name + "-read"], ttl="5m")["auth"]["client_token"]
    assert "403" in aws("sts", "get-caller-identity", **uri, AWS_CONTAINER_AUTHORIZATION_TOKEN=reader)
    root.sys.delete_policy(name + "-read")


def test_a_web_identity(server, root, holder, aws, tmp_path, name):
    private = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    root.sys.enable_auth_method("jwt", path=name)
    root.write_data(f"auth/{name}/config", data={"jwt_validation_pubkeys": [public], "bound_issuer": "https://k8s"})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["sts.amazonaws.com"], "token_policies": [name]}
    root.write_data(f"auth/{name}/role/app", data=role)

    def token(**changes):
        now = int(time.time())
        claims = {"iss": "https://k8s", "sub": "sa:app", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 300, **changes}
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.jwt"
        file.write_text(jwt.encode(claims, private, "ES256"))
        return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_SESSION_NAME": "pod-1"}

    arn = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/{name}/app"}
    who = aws("sts", "get-caller-identity", **arn, **token())
    assert who["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/") and who["Arn"].endswith(".app/pod-1")
    assert aws("secretsmanager", "list-secrets", **arn, **token())["SecretList"] is not None
    for changes in ({"aud": "other"}, {"iss": "https://other"}, {"exp": 1}):
        assert "InvalidIdentityToken" in aws("sts", "get-caller-identity", **arn, **token(**changes)), changes
    nowhere = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/nowhere/app"}
    assert "AccessDenied" in aws("sts", "get-caller-identity", **nowhere, **token())
    elsewhere = {"AWS_ROLE_ARN": f"arn:aws:iam::999999999999:role/{name}/app"}
    assert "AccessDenied" in aws("sts", "get-caller-identity", **elsewhere, **token())

    sts = boto3.client("sts", endpoint_url=server.address, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-")
    web = open(token()["AWS_WEB_IDENTITY_TOKEN_FILE"]).read()
    made = sts.assume_role_with_web_identity(
        RoleArn=arn["AWS_ROLE_ARN"], RoleSessionName="s1", WebIdentityToken=web, DurationSeconds=900
    )
    left = (made["Credentials"]["Expiration"] - made["Credentials"]["Expiration"].now(made["Credentials"]["Expiration"].tzinfo)).seconds
    assert 880 < left <= 900
    key = {"access_key_id": "AccessKeyId", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}
    key = {ours: made["Credentials"][theirs] for ours, theirs in key.items()}
    assert aws("sts", "get-caller-identity", **variables(key))["Arn"].endswith(".app/s1")
    # Nobody holds the token behind it; its accessor revokes both.
    facts = root.read("identity/access-key/id/" + key["access_key_id"])["data"]
    root.auth.token.revoke_accessor(facts["token_accessor"])
    assert "InvalidClientTokenId" in aws("sts", "get-caller-identity", **variables(key))
    root.sys.disable_auth_method(name)


def test_presigned_links(holder, server):
    key = issue(holder)
    sts = boto3.client(
        "sts", endpoint_url=server.address, region_name="eu-central-1", aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"], aws_session_token=key["session_token"],
    )
    for method in ("GET", "POST"):
        link = sts.generate_presigned_url("get_caller_identity", HttpMethod=method, ExpiresIn=60)
        body = urllib.request.urlopen(urllib.request.Request(link, method=method)).read()
        assert b":user/token" in body
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(link.replace("Expires=60", "Expires=61"), method=method))
        assert caught.value.code == 403 and b"SignatureDoesNotMatch" in caught.value.read()


def test_credentials_that_are_not_good(holder, root, aws, name):
    key = issue(holder)
    good = variables(key)
    for changes, query, json_protocol in (
        ({"AWS_SECRET_ACCESS_KEY": "a" * 40}, "SignatureDoesNotMatch", "InvalidSignatureException"),
        ({"AWS_SESSION_TOKEN": "a" * 43}, "InvalidClientTokenId", "UnrecognizedClientException"),
        ({"AWS_ACCESS_KEY_ID": "CDASAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId", "UnrecognizedClientException"),
    ):
        assert query in aws("sts", "get-caller-identity", **{**good, **changes})
        assert json_protocol in aws("secretsmanager", "list-secrets", **{**good, **changes})
    short = variables(issue(holder, ttl="1s"))
    time.sleep(1.5)
    assert "ExpiredToken" in aws("sts", "get-caller-identity", **short)
    assert "ExpiredTokenException" in aws("secretsmanager", "list-secrets", **short)
    holder.auth.token.revoke_self()
    assert "InvalidClientTokenId" in aws("sts", "get-caller-identity", **good)


def test_a_clock_that_is_wrong(holder, server, monkeypatch):
    import datetime

    import botocore.auth
    from botocore.exceptions import ClientError

    key = issue(holder)
    now = datetime.datetime.now(datetime.timezone.utc)
    for off_s, words in ((-310, "Signature expired"), (310, "Signature not yet current"), (-290, None), (290, None)):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: (now + datetime.timedelta(seconds=off_s)).replace(tzinfo=None))
        client = boto3.client(
            "secretsmanager", endpoint_url=server.address, region_name="eu-central-1", aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"], aws_session_token=key["session_token"],
        )
        if words is None:
            client.list_secrets()
            continue
        with pytest.raises(ClientError) as caught:
            client.list_secrets()
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
        assert words in caught.value.response["Error"]["Message"]
