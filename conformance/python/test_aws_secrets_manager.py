"""AWS Secrets Manager's clients, unmodified, and Vault's beside them: one secret, two doors.

Must never reach AWS: every client gets the server's address and made-up credentials.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from datetime import timezone
from pathlib import Path

import hvac
import pytest
import requests

boto3 = pytest.importorskip("boto3")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from server_under_test import Server, free_port  # noqa: E402

REGION = "eu-central-1"
MOUNT = "secret"  # what a development server binds the dialect to
OWNER = """
path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "identity/access-key" { capabilities = ["update"] }
"""


def ask(server, token, path, body):
    client = hvac.Client(url=server.address, token=token)
    return client.write_data(path, data=body)["data"]


@pytest.fixture(autouse=True, scope="module")
def spoken(server):
    """Only where the server under test speaks this dialect: Vault's own does not."""
    asked = requests.post(server.address + "/", headers={"X-Amz-Target": "secretsmanager.ListSecrets"}, data=b"{}", timeout=10)
    if "x-amzn-errortype" not in asked.headers:
        pytest.skip("the server does not speak Secrets Manager")


@pytest.fixture
def door(server, root, name):
    """Makes, of a policy's text, a token and an AWS client that stands for it."""
    made = []

    def make(policy=OWNER, region=REGION):
        own = f"{name}-{len(made)}"
        made.append(own)
        policy += '\npath "identity/access-key" { capabilities = ["update"] }'
        root.sys.create_or_update_policy(own, policy)
        token = root.auth.token.create(policies=[own], ttl="1h")["auth"]["client_token"]
        key = ask(server, token, "identity/access-key", {"ttl": "30m"})
        keys = {
            "aws_access_key_id": key["access_key_id"],
            "aws_secret_access_key": key["secret_access_key"],
            "aws_session_token": key.get("session_token") or None,
        }
        client = boto3.client(
            "secretsmanager", endpoint_url=server.address, region_name=region, config=Config(retries={"max_attempts": 1}), **keys
        )
        client.keys = keys
        return hvac.Client(url=server.address, token=token), client

    yield make
    for own in made:
        root.sys.delete_policy(own)


@pytest.fixture
def aws(door):
    return door()[1]


@pytest.fixture
def vault(door):
    return door()[0]


def refused(call, kind, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == kind, error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


def test_create_read_describe(aws, name):
    token = str(uuid.uuid4())
    made = aws.create_secret(
        Name=f"prod/{name}", SecretString="hunter2", Description="a test", ClientRequestToken=token,
        KmsKeyId="alias/own", Tags=[{"Key": "team", "Value": "payments"}],
    )
    assert made["Name"] == f"prod/{name}" and made["VersionId"] == token
    assert made["ARN"].startswith(f"arn:aws:secretsmanager:{REGION}:123456789012:secret:prod/{name}-")
    assert made["ResponseMetadata"]["RequestId"]
    for secret_id in (f"prod/{name}", made["ARN"], made["ARN"][:-7]):
        read = aws.get_secret_value(SecretId=secret_id)
        assert read["SecretString"] == "hunter2" and read["VersionStages"] == ["AWSCURRENT"]
        assert read["ARN"] == made["ARN"] and read["VersionId"] == token and "SecretBinary" not in read
    facts = aws.describe_secret(SecretId=made["ARN"])
    assert facts["Description"] == "a test" and facts["Tags"] == [{"Key": "team", "Value": "payments"}]
    assert facts["VersionIdsToStages"] == {token: ["AWSCURRENT"]} and facts["KmsKeyId"] == "alias/own"
    assert facts["CreatedDate"].year >= 2024 and "DeletedDate" not in facts
    for wrong in (made["ARN"][:-6] + "AAAAAA", made["ARN"].replace("123456789012", "210987654321"),
                  made["ARN"].replace(REGION, "us-east-1"), "none"):
        refused(aws.get_secret_value, "ResourceNotFoundException", SecretId=wrong)


@pytest.mark.parametrize("value", [
    "plain", '{"a":"b"}', ' {"a" : "b\\u00e9"} ', '{"n": 1.50, "deep": {"x": [null]}}', '{"a":"1","a":"2"}', '"quoted"',
    "\0\t\U0001f511 é", "x" * 65536, "[1, 2]",
])
def test_strings_come_back_byte_for_byte(aws, name, value):
    aws.create_secret(Name=name, SecretString=value)
    assert aws.get_secret_value(SecretId=name)["SecretString"] == value


def test_binary(aws, vault, name):
    value = bytes(range(256))
    aws.create_secret(Name=name, SecretBinary=value)
    read = aws.get_secret_value(SecretId=name)
    assert read["SecretBinary"] == value and "SecretString" not in read
    import base64

    seen = vault.secrets.kv.v2.read_secret_version(name, mount_point=MOUNT, raise_on_deleted_version=True)
    assert seen["data"]["data"] == {"value": base64.b64encode(value).decode()}


def test_odd_names_keep_apart(aws, name):
    names = [f"/{name}", f"{name}/", f"{name}//x", f"{name}/./x", f"{name}/../x", f"{name}/x", f"{name}+=.@_-"]
    for one in names:
        aws.create_secret(Name=one, SecretString=one)
    for one in names:
        assert aws.get_secret_value(SecretId=one)["SecretString"] == one
    listed = {s["Name"] for page in aws.get_paginator("list_secrets").paginate() for s in page["SecretList"]}
    assert set(names) <= listed
    for wrong in ("a b", "ä", "a%2fb", "x" * 513):
        refused(aws.create_secret, "ValidationException", Name=wrong, SecretString="x")
        refused(aws.get_secret_value, "ValidationException", SecretId=wrong)


def test_one_secret_at_two_doors(door, name):
    vault, aws = door()
    kv = vault.secrets.kv.v2
    kv.create_or_update_secret(name, {"user": "app", "nested": {"n": 1.5}}, mount_point=MOUNT)
    read = aws.get_secret_value(SecretId=name)
    assert json.loads(read["SecretString"]) == {"user": "app", "nested": {"n": 1.5}}
    first = read["VersionId"]
    aws.put_secret_value(SecretId=name, SecretString='{"user":"app","password":"two"}')
    seen = kv.read_secret_version(name, mount_point=MOUNT, raise_on_deleted_version=True)["data"]
    assert seen["data"] == {"user": "app", "password": "two"} and seen["metadata"]["version"] == 2
    assert aws.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["VersionId"] == first
    kv.create_or_update_secret(name, {"user": "app", "password": "three"}, cas=2, mount_point=MOUNT)
    stages = aws.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert sorted(map(tuple, stages.values())) == [("AWSCURRENT",), ("AWSPREVIOUS",)]
    aws.tag_resource(SecretId=name, Tags=[{"Key": "owner", "Value": "payments"}])
    meta = kv.read_secret_metadata(name, mount_point=MOUNT)["data"]
    assert meta["custom_metadata"] == {"owner": "payments"} and meta["current_version"] == 3
    kv.delete_latest_version_of_secret(name, mount_point=MOUNT)
    refused(aws.get_secret_value, "ResourceNotFoundException", SecretId=name)
    kv.undelete_secret_versions(name, [3], mount_point=MOUNT)
    assert json.loads(aws.get_secret_value(SecretId=name)["SecretString"])["password"] == "three"


def test_one_policy_decides_at_both_doors(door, name):
    owner_vault, owner = door()
    owner.create_secret(Name=f"{name}/open", SecretString='{"a":"b"}')
    owner.create_secret(Name=f"{name}/shut", SecretString='{"a":"b"}')
    vault, aws = door(f"""
path "{MOUNT}/data/{name}/*" {{ capabilities = ["read"] }}
path "{MOUNT}/metadata/{name}/*" {{ capabilities = ["read", "list"] }}
path "{MOUNT}/data/{name}/shut" {{ capabilities = ["deny"] }}
path "{MOUNT}/metadata/{name}/shut" {{ capabilities = ["deny"] }}
""")
    kv = vault.secrets.kv.v2
    assert aws.get_secret_value(SecretId=f"{name}/open")["SecretString"] == '{"a":"b"}'
    assert kv.read_secret_version(f"{name}/open", mount_point=MOUNT, raise_on_deleted_version=True)["data"]["data"] == {"a": "b"}
    for path in (f"{name}/shut", "elsewhere"):
        refused(aws.get_secret_value, "AccessDeniedException", SecretId=path)
        refused(aws.describe_secret, "AccessDeniedException", SecretId=path)
        with pytest.raises(hvac.exceptions.Forbidden):
            kv.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=True)
    message = refused(aws.put_secret_value, "AccessDeniedException", SecretId=f"{name}/open", SecretString="x")
    assert message == "User is not authorized to perform: secretsmanager:PutSecretValue"
    refused(aws.delete_secret, "AccessDeniedException", SecretId=f"{name}/open")
    refused(aws.create_secret, "AccessDeniedException", Name=f"{name}/new", SecretString="x")
    listed = [s["Name"] for s in aws.list_secrets()["SecretList"]]
    assert listed == [f"{name}/open"]
    batch = aws.batch_get_secret_value(SecretIdList=[f"{name}/open", f"{name}/shut", f"{name}/none"])
    assert [s["Name"] for s in batch["SecretValues"]] == [f"{name}/open"]
    assert [(e["SecretId"], e["ErrorCode"]) for e in batch["Errors"]] == [
        (f"{name}/shut", "AccessDeniedException"), (f"{name}/none", "ResourceNotFoundException")]


def test_stages(aws, vault, name):
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    aws.create_secret(Name=name, SecretString="one", ClientRequestToken=one)
    put = aws.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=two, VersionStages=["AWSPENDING"])
    assert put["VersionStages"] == ["AWSPENDING"]
    kv = vault.secrets.kv.v2
    assert kv.read_secret_version(name, mount_point=MOUNT, raise_on_deleted_version=True)["data"]["data"] == {"value": "one"}
    assert aws.get_secret_value(SecretId=name)["SecretString"] == "one"
    assert aws.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretString"] == "two"
    refused(aws.get_secret_value, "InvalidRequestException", SecretId=name, VersionId=two, VersionStage="AWSCURRENT")
    move = aws.update_secret_version_stage
    refused(move, "InvalidParameterException", SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=two)
    refused(move, "InvalidParameterException", SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=one)
    move(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=two, RemoveFromVersionId=one)
    move(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=two)
    assert aws.describe_secret(SecretId=name)["VersionIdsToStages"] == {one: ["AWSPREVIOUS"], two: ["AWSCURRENT"]}
    assert kv.read_secret_version(name, mount_point=MOUNT, raise_on_deleted_version=True)["data"]["data"] == {"value": "two"}
    move(SecretId=name, VersionStage="AWSPENDING", MoveToVersionId=two)
    aws.put_secret_value(SecretId=name, SecretString="three")
    assert aws.get_secret_value(SecretId=name, VersionId=two)["VersionStages"] == ["AWSPREVIOUS"]
    ids = aws.list_secret_version_ids(SecretId=name)["Versions"]
    assert len(ids) == 2 and {"AWSCURRENT"} in [set(v["VersionStages"]) for v in ids]
    found, more = [], {}
    while True:
        page = aws.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=1, **more)
        found += page["Versions"]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert [v["VersionId"] for v in found][:2] == [one, two] and len(found) == 3 and "VersionStages" not in found[0]


def test_tokens_make_calls_repeatable(aws, name):
    token, other = str(uuid.uuid4()), str(uuid.uuid4())
    made = aws.create_secret(Name=name, SecretString="one", ClientRequestToken=token)
    assert aws.create_secret(Name=name, SecretString="one", ClientRequestToken=token)["ARN"] == made["ARN"]
    refused(aws.create_secret, "ResourceExistsException", Name=name, SecretString="one")
    aws.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=other)
    aws.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=other)
    refused(aws.put_secret_value, "ResourceExistsException", SecretId=name, SecretString="3", ClientRequestToken=other)
    refused(aws.update_secret, "ResourceExistsException", SecretId=name, SecretString="3", ClientRequestToken=other)
    assert aws.update_secret(SecretId=name, SecretString="two", ClientRequestToken=other)["VersionId"] == other
    assert len(aws.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]) == 2
    updated = aws.update_secret(SecretId=name, Description="words alone")
    assert "VersionId" not in updated and aws.describe_secret(SecretId=name)["Description"] == "words alone"
    assert aws.update_secret(SecretId=name, SecretString="three")["VersionId"]


def test_delete_and_restore(door, name):
    vault, aws = door()
    aws.create_secret(Name=name, SecretString='{"a":"b"}')
    gone = aws.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert gone["DeletionDate"] and gone["Name"] == name
    assert "marked for deletion" in refused(aws.get_secret_value, "InvalidRequestException", SecretId=name)
    refused(aws.put_secret_value, "InvalidRequestException", SecretId=name, SecretString="x")
    refused(aws.tag_resource, "InvalidRequestException", SecretId=name, Tags=[{"Key": "a", "Value": "b"}])
    assert "already scheduled" in refused(aws.create_secret, "InvalidRequestException", Name=name, SecretString="x")
    assert aws.describe_secret(SecretId=name)["DeletedDate"]
    assert name not in [s["Name"] for s in aws.list_secrets()["SecretList"]]
    names = [s["Name"] for s in aws.list_secrets(IncludePlannedDeletion=True)["SecretList"]]
    assert name in names
    kv = vault.secrets.kv.v2
    with pytest.raises(hvac.exceptions.InvalidPath):
        kv.read_secret_version(name, mount_point=MOUNT, raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.InvalidRequest, match="marked for deletion"):
        kv.create_or_update_secret(name, {"a": "c"}, mount_point=MOUNT)
    aws.restore_secret(SecretId=name)
    assert aws.get_secret_value(SecretId=name)["SecretString"] == '{"a":"b"}'
    old = aws.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)["ARN"]
    again = aws.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert again["Name"] == name and again["DeletionDate"] and again["ARN"]
    aws.delete_secret(SecretId=old, ForceDeleteWithoutRecovery=True)
    refused(aws.delete_secret, "ResourceNotFoundException", SecretId=name)
    assert aws.create_secret(Name=name, SecretString="new")["ARN"] != old
    refused(aws.get_secret_value, "ResourceNotFoundException", SecretId=old)
    for days in (6, 31):
        refused(aws.delete_secret, "InvalidParameterException", SecretId=name, RecoveryWindowInDays=days)
    refused(aws.delete_secret, "InvalidParameterException", SecretId=name, RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)


def test_lists_filters_and_pages(aws, name):
    for n in range(5):
        aws.create_secret(Name=f"{name}/s{n}", SecretString=str(n), Description=f"Number {n}",
                          Tags=[{"Key": f"k{n % 2}", "Value": f"v{n}"}])
    def names(**arguments):
        return [s["Name"][len(name) + 1:] for s in aws.list_secrets(**arguments)["SecretList"]]

    mine = {"Key": "name", "Values": [name]}
    assert names(Filters=[mine]) == ["s0", "s1", "s2", "s3", "s4"]
    assert names(Filters=[mine, {"Key": "tag-key", "Values": ["k1"]}]) == ["s1", "s3"]
    assert names(Filters=[mine, {"Key": "tag-value", "Values": ["!v1", "v1"]}]) == ["s0", "s1", "s2", "s3", "s4"]
    assert names(Filters=[mine, {"Key": "description", "Values": ["number 3"]}]) == ["s3"]
    assert names(Filters=[mine, {"Key": "description", "Values": ["3"]}]) == ["s3"]
    assert names(Filters=[mine, {"Key": "description", "Values": ["umber"]}]) == []
    assert names(Filters=[mine, {"Key": "all", "Values": ["s2"]}]) == ["s2"]
    assert names(Filters=[mine, {"Key": "all", "Values": ["+"]}]) == []
    assert names(Filters=[mine, {"Key": "name", "Values": [f"!{name}/s4"]}]) == ["s0", "s1", "s2", "s3"]
    assert names(Filters=[mine, {"Key": "primary-region", "Values": ["eu-"]}]) == ["s0", "s1", "s2", "s3", "s4"]
    assert names(Filters=[mine, {"Key": "owning-service", "Values": ["rds"]}]) == []
    assert names(Filters=[mine], SortBy="created-date", SortOrder="desc") == ["s4", "s3", "s2", "s1", "s0"]
    for arguments in ({}, {"SortBy": "name", "SortOrder": "desc"}, {"SortBy": "created-date"}):
        pages = aws.get_paginator("list_secrets").paginate(Filters=[mine], PaginationConfig={"PageSize": 2}, **arguments)
        pages = [[s["Name"] for s in page["SecretList"]] for page in pages]
        assert [len(page) for page in pages] == [2, 2, 1]
    page = aws.list_secrets(Filters=[mine], MaxResults=2)
    for token in ("nonsense", page["NextToken"][:-2] + "xx"):
        refused(aws.list_secrets, "InvalidNextTokenException", Filters=[mine], NextToken=token)
    refused(aws.list_secrets, "InvalidNextTokenException", NextToken=page["NextToken"])
    values, more = [], {}
    while True:
        page = aws.batch_get_secret_value(Filters=[mine], MaxResults=2, **more)
        values += [s["SecretString"] for s in page["SecretValues"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert values == ["0", "1", "2", "3", "4"]
    refused(aws.batch_get_secret_value, "InvalidParameterException")
    refused(aws.list_secrets, "ValidationException", MaxResults=101)
    refused(aws.list_secrets, "ValidationException", Filters=[{"Key": "colour", "Values": ["x"]}])


def test_tags(aws, name):
    aws.create_secret(Name=name)
    aws.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    aws.untag_resource(SecretId=name, TagKeys=["a", "none"])
    assert aws.describe_secret(SecretId=name)["Tags"] == [{"Key": "b", "Value": ""}]
    refused(aws.tag_resource, "InvalidParameterException", SecretId=name, Tags=[{"Key": "aws:x", "Value": ""}])
    message = refused(aws.get_secret_value, "ResourceNotFoundException", SecretId=name)
    assert message == "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"


def test_random_passwords(aws):
    made = aws.get_random_password()["RandomPassword"]
    assert len(made) == 32 and any(c.isdigit() for c in made) and any(c.isupper() for c in made)
    made = aws.get_random_password(PasswordLength=100, ExcludePunctuation=True, ExcludeCharacters="abc0")["RandomPassword"]
    assert made.isalnum() and not set("abc0") & set(made)
    refused(aws.get_random_password, "InvalidParameterException", PasswordLength=3)
    refused(aws.get_random_password, "ValidationException", PasswordLength=4097)


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Resource": "*", **one} for one in statements]}, indent=1)


@pytest.fixture
def entity(server, root, name):
    """Makes an entity without any policy of its own, and its two doors."""

    def make(suffix, policies=()):
        own = f"{name}-{suffix}"
        found = ask(server, server.token, "identity/entity", {"name": own, "policies": list(policies)})
        issued = ask(server, server.token, "identity/access-key", {"entity_id": found["id"], "session_token": False})
        client = boto3.client(
            "secretsmanager", endpoint_url=server.address, region_name=REGION, config=Config(retries={"max_attempts": 1}),
            aws_access_key_id=issued["access_key_id"], aws_secret_access_key=issued["secret_access_key"],
        )
        return f"arn:aws:iam::123456789012:user/entity/{own}", client

    return make


def test_a_resource_policy_is_kept_as_it_was_written(aws, vault, name):
    made = aws.create_secret(Name=name, SecretString="x")
    assert "ResourcePolicy" not in aws.get_resource_policy(SecretId=name)
    aws.delete_resource_policy(SecretId=name)
    text = document({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "secretsmanager:*"})
    put = aws.put_resource_policy(SecretId=name, ResourcePolicy=text)
    assert (put["ARN"], put["Name"]) == (made["ARN"], name)
    read = aws.get_resource_policy(SecretId=made["ARN"])
    assert read["ResourcePolicy"] == text and read["ARN"] == made["ARN"]
    assert vault.read(f"{MOUNT}/policy/{name}")["data"] == {"policy": text, "arn": made["ARN"]}
    aws.delete_resource_policy(SecretId=name)
    assert "ResourcePolicy" not in aws.get_resource_policy(SecretId=name)
    refused(aws.get_resource_policy, "ResourceNotFoundException", SecretId="none")
    aws.delete_secret(SecretId=name)
    assert "marked for deletion" in refused(aws.put_resource_policy, "InvalidRequestException", SecretId=name, ResourcePolicy=text)


def test_a_resource_policy_lets_in_and_shuts_out(aws, entity, name):
    aws.create_secret(Name=name, SecretString="x")
    carol_arn, carol = entity("carol")
    refused(carol.get_secret_value, "AccessDeniedException", SecretId=name)
    stage = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}, "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1"]}}
    allow = {"Sid": "Carol", "Effect": "Allow", "Principal": {"AWS": carol_arn}, "Action": "secretsmanager:GetSecretValue"}
    aws.put_resource_policy(SecretId=name, ResourcePolicy=document({**allow, "Condition": stage}), BlockPublicPolicy=True)
    assert carol.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"] == "x"
    # The default of a request is not what it says.
    refused(carol.get_secret_value, "AccessDeniedException", SecretId=name)
    refused(carol.describe_secret, "AccessDeniedException", SecretId=name)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue"}
    aws.put_resource_policy(SecretId=name, ResourcePolicy=document(allow, deny))
    for client in (carol, aws):
        refused(client.get_secret_value, "AccessDeniedException", SecretId=name)


def test_resource_policies_that_are_not_kept(aws, name):
    aws.create_secret(Name=name, SecretString="x")
    public = document({"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue"})
    lockout = document({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*"})
    odd = document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "secretsmanager:GetSecretValue"})
    for text in ("{", "{}", odd, lockout):
        refused(aws.put_resource_policy, "MalformedPolicyDocumentException", SecretId=name, ResourcePolicy=text)
    refused(aws.put_resource_policy, "PublicPolicyException", SecretId=name, ResourcePolicy=public, BlockPublicPolicy=True)
    for text, check in (("{}", "SyntaxCheck"), (public, "PublicPolicyCheck"), (lockout, "LockoutCheck")):
        told = aws.validate_resource_policy(SecretId=name, ResourcePolicy=text)
        assert told["PolicyValidationPassed"] is False
        assert [error["CheckName"] for error in told["ValidationErrors"]] == [check]
    good = document({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "secretsmanager:*"})
    assert aws.validate_resource_policy(ResourcePolicy=good)["PolicyValidationPassed"] is True
    assert "ResourcePolicy" not in aws.get_resource_policy(SecretId=name)
    aws.put_resource_policy(SecretId=name, ResourcePolicy=public)


def test_bad_credentials(server, aws, name):
    def client(**changed):
        return boto3.client("secretsmanager", endpoint_url=server.address, region_name=REGION, **{**aws.keys, **changed})

    refused(client(aws_secret_access_key="x" * 40).list_secrets, "InvalidSignatureException")
    refused(client(aws_access_key_id="AKIAIOSFODNN7EXAMPLE").list_secrets, "UnrecognizedClientException")
    if aws.keys["aws_session_token"]:
        refused(client(aws_session_token="other").list_secrets, "UnrecognizedClientException")


def test_no_error_repeats_a_value(aws):
    canary = "canary" * 10
    calls = [
        (aws.get_secret_value, {"SecretId": canary}), (aws.get_secret_value, {"SecretId": canary + " "}),
        (aws.create_secret, {"Name": canary * 10, "SecretString": canary * 2000}),
        (aws.put_secret_value, {"SecretId": canary, "SecretString": canary, "VersionStages": [canary]}),
        (aws.update_secret_version_stage, {"SecretId": canary, "VersionStage": canary, "MoveToVersionId": canary}),
        (aws.list_secrets, {"NextToken": canary}),
    ]
    for call, arguments in calls:
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        assert "canary" not in str(caught.value.response), caught.value.response


def test_the_caching_library(door, name):
    caching = pytest.importorskip("aws_secretsmanager_caching")
    vault, aws = door()
    aws.create_secret(Name=name, SecretString='{"password":"one"}')
    cache = caching.SecretCache(config=caching.SecretCacheConfig(secret_refresh_interval=0), client=aws)
    assert cache.get_secret_string(name) == '{"password":"one"}'
    vault.secrets.kv.v2.create_or_update_secret(name, {"password": "two"}, mount_point=MOUNT)
    cache = caching.SecretCache(client=aws)
    assert json.loads(cache.get_secret_string(name)) == {"password": "two"}
    assert json.loads(cache.get_secret_string(name, version_stage="AWSPREVIOUS")) == {"password": "one"}


def test_the_command_line(server, aws, name):
    pytest.importorskip("awscli")
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": server.address, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": aws.keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws.keys["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if aws.keys["aws_session_token"]:
        environment["AWS_SESSION_TOKEN"] = aws.keys["aws_session_token"]

    def run(*arguments):
        command = [sys.executable, "-m", "awscli", "secretsmanager", *arguments, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    run("create-secret", "--name", name, "--secret-string", '{"a":"b"}')
    assert run("get-secret-value", "--secret-id", name)["SecretString"] == '{"a":"b"}'
    assert run("list-secrets", "--filters", f"Key=name,Values={name}")["SecretList"][0]["Name"] == name


@pytest.fixture
def https_server(tmp_path, monkeypatch):
    """A server with a private certificate authority and a dialect as an owner configures it."""
    if not os.environ.get("CARDEA_BINARY") or shutil.which("openssl") is None:
        pytest.skip("needs a binary to start (CARDEA_BINARY) and openssl")
    subprocess.run([Path(__file__).parent.parent / "private_ca.sh", tmp_path], check=True)
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
    port = free_port()
    server = Server(f"https://localhost:{port}")
    server.directory, server.trust = tmp_path, {"AWS_CA_BUNDLE": str(ca)}
    (tmp_path / "cardea.hcl").write_text(
        f'storage "embedded" {{ path = "{tmp_path}/data" }}\n'
        f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n  tls_cert_file = "{cert}"\n  tls_key_file = "{key}"\n}}\n'
        'dialect "aws_secrets_manager" {\n  account_id = "000000000042"\n  regions = ["eu-west-1"]\n  mount = "apps/kv"\n}\n'
        "disable_mlock = true\n"
    )
    server._spawn([f"-config={tmp_path}/cardea.hcl"])
    yield server, str(ca)
    server.close()


def test_https_and_an_owners_bindings(https_server, monkeypatch):
    server, ca = https_server
    root = hvac.Client(url=server.address, verify=ca)
    made = root.sys.initialize(1, 1)
    root.sys.submit_unseal_key(made["keys"][0])
    root.token = made["root_token"]
    root.sys.enable_secrets_engine("kv", path="apps/kv", options={"version": "2"})
    root.sys.create_or_update_policy("p", 'path "apps/kv/*" { capabilities = ["create", "read", "list"] }')
    key = root.write_data("identity/access-key", data={"ttl": "5m", "policies": ["p"]})["data"]
    # The usual variables alone, as a program has them that was written for AWS.
    for variable, value in {
        "AWS_ENDPOINT_URL": server.address, "AWS_CA_BUNDLE": ca, "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_SESSION_TOKEN": key.get("session_token") or "", "AWS_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(variable, value)
    aws = boto3.session.Session().client("secretsmanager")
    made = aws.create_secret(Name="a", SecretString='{"k":"v"}')
    assert made["ARN"].startswith("arn:aws:secretsmanager:eu-west-1:000000000042:secret:a-")
    seen = root.secrets.kv.v2.read_secret_version("a", mount_point="apps/kv", raise_on_deleted_version=True)
    assert seen["data"]["data"] == {"k": "v"}
    elsewhere = boto3.session.Session().client("secretsmanager", region_name="us-east-1")
    refused(elsewhere.list_secrets, "InvalidSignatureException")


def test_rotation_needs_a_rotator_and_the_right_to_use_it(aws, name):
    """No database is behind these two: the server's own tests walk the steps."""
    secret = f"rotating/{name}"
    value = json.dumps({"engine": "postgres", "host": "db", "port": 5432, "username": "app", "password": "x", "dbname": "app"})
    aws.create_secret(Name=secret, SecretString=value)
    refused(aws.rotate_secret, "InvalidRequestException", SecretId=secret)
    function = f"arn:aws:lambda:{REGION}:123456789012:function:alternating-users:database/{name}"
    asked = {"SecretId": secret, "RotationLambdaARN": function, "RotationRules": {"AutomaticallyAfterDays": 30}}
    # Whoever may write secrets may not for that have any user of any database changed.
    refused(aws.rotate_secret, "AccessDeniedException", **asked)


def test_whoever_may_use_the_rotator_has_secrets_rotated(door, name):
    _, aws = door(OWNER + '\npath "database/rotate/+/app" { capabilities = ["update"] }')
    secret = f"rotating/{name}"
    aws.create_secret(Name=secret, SecretString=json.dumps({"username": "app", "password": "x", "port": 5432}))
    function = f"arn:aws:lambda:{REGION}:123456789012:function:alternating-users:database/{name}"
    decided = aws.rotate_secret(
        SecretId=secret, RotationLambdaARN=function, RotationRules={"ScheduleExpression": "rate(10 days)"}, RotateImmediately=False
    )
    assert "VersionId" not in decided
    seen = aws.describe_secret(SecretId=secret)
    assert seen["RotationEnabled"] and seen["RotationLambdaARN"] == function
    assert seen["RotationRules"] == {"AutomaticallyAfterDays": 10}
    assert seen["NextRotationDate"] > seen["CreatedDate"] and "LastRotatedDate" not in seen
    token = str(uuid.uuid4())
    for _ in range(2):
        assert aws.rotate_secret(SecretId=secret, ClientRequestToken=token)["VersionId"] == token
    refused(aws.rotate_secret, "InvalidRequestException", SecretId=secret)
    assert aws.cancel_rotate_secret(SecretId=secret)["Name"] == secret
    seen = aws.describe_secret(SecretId=secret)
    assert not seen["RotationEnabled"] and "NextRotationDate" not in seen
    timed = {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "2h"}
    aws.rotate_secret(SecretId=secret, RotationRules=timed, RotateImmediately=False)
    seen = aws.describe_secret(SecretId=secret)
    assert seen["RotationRules"] == timed and seen["NextRotationDate"].astimezone(timezone.utc).hour == 8
    for rules in ({"ScheduleExpression": "cron(5 8 1 * ? *)"}, {"AutomaticallyAfterDays": 1, "Duration": "25h"}):
        refused(aws.rotate_secret, "InvalidParameterException", SecretId=secret, RotationRules=rules)
    refused(aws.rotate_secret, "InvalidParameterException", SecretId=secret, RotationLambdaARN="arn:aws:lambda:x:1:function:mine")
