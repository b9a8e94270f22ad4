"""boto3 at several regions of one server: keys of several regions, and secrets that are replicated.

Must never share its server with another suite: secrets that are bound to their region are a setting of the server.
"""

import os

import hvac
import pytest

boto3 = pytest.importorskip("boto3")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from server_under_test import Server  # noqa: E402

HOME, AWAY, THIRD = "eu-central-1", "us-east-1", "eu-west-1"
REGIONS = ", ".join(f'"{region}"' for region in (HOME, AWAY, THIRD))
MORE = (
    f'dialect "aws_kms" {{ regions = [{REGIONS}] }}\n'
    f'dialect "aws_secrets_manager" {{ replica_regions = [{REGIONS}] }}\n'
)
OWNER = """
path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "identity/access-key" { capabilities = ["update"] }
"""


@pytest.fixture(scope="module")
def clients():
    """Gives a client of a service in a region."""
    if not os.environ.get("CARDEA_BINARY"):
        pytest.skip("needs a binary to start a server with regions (CARDEA_BINARY)")
    server = Server.uninitialized(MORE)
    try:
        root = hvac.Client(url=server.address)
        ready = root.sys.initialize(1, 1)
        root.sys.submit_unseal_key(ready["keys"][0])
        root.token = ready["root_token"]
        root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
        root.sys.enable_secrets_engine("transit", path="transit")
        root.sys.create_or_update_policy("owner", OWNER)
        token = root.auth.token.create(policies=["owner"], ttl="1h")["auth"]["client_token"]
        vault = hvac.Client(url=server.address, token=token)
        key = vault.write_data("identity/access-key", data={"ttl": "30m"})["data"]

        def client(service, region):
            return boto3.client(
                service, endpoint_url=server.address, region_name=region, config=Config(retries={"max_attempts": 1}),
                aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                aws_session_token=key.get("session_token") or None,
            )

        client.vault = vault
        yield client
    finally:
        server.close()


@pytest.fixture
def kms(clients):
    return {region: clients("kms", region) for region in (HOME, AWAY, THIRD)}


@pytest.fixture
def secrets(clients):
    return {region: clients("secretsmanager", region) for region in (HOME, AWAY, THIRD)}


def refused(call, kind, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == kind, caught.value
    return caught.value.response["Error"]["Message"]


def test_a_key_of_several_regions(kms):
    made = kms[HOME].create_key(MultiRegion=True)["KeyMetadata"]
    key = made["KeyId"]
    assert key.startswith("mrk-") and made["MultiRegion"]
    assert made["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
    blob = kms[HOME].encrypt(KeyId=key, Plaintext=b"both", EncryptionContext={"a": "b"})["CiphertextBlob"]
    refused(kms[AWAY].decrypt, "AccessDeniedException", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    replica = kms[HOME].replicate_key(
        KeyId=key, ReplicaRegion=AWAY, Description="there", Tags=[{"TagKey": "k", "TagValue": "v"}],
    )
    metadata = replica["ReplicaKeyMetadata"]
    assert metadata["KeyId"] == key and f":kms:{AWAY}:" in metadata["Arn"] and metadata["Description"] == "there"
    assert replica["ReplicaTags"] == [{"TagKey": "k", "TagValue": "v"}]
    assert replica["ReplicaPolicy"] == kms[AWAY].get_key_policy(KeyId=key)["Policy"]
    opened = kms[AWAY].decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == b"both" and opened["KeyId"] == metadata["Arn"]
    configuration = kms[AWAY].describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["MultiRegionKeyType"] == "REPLICA" and configuration["PrimaryKey"]["Region"] == HOME
    assert [other["Region"] for other in configuration["ReplicaKeys"]] == [AWAY]
    assert kms[HOME].list_resource_tags(KeyId=key)["Tags"] == []

    refused(kms[HOME].replicate_key, "AlreadyExistsException", KeyId=key, ReplicaRegion=AWAY)
    refused(kms[HOME].replicate_key, "ValidationException", KeyId=key, ReplicaRegion="ap-south-1")
    refused(kms[AWAY].replicate_key, "UnsupportedOperationException", KeyId=key, ReplicaRegion=THIRD)
    single = kms[HOME].create_key()["KeyMetadata"]["KeyId"]
    refused(kms[HOME].replicate_key, "UnsupportedOperationException", KeyId=single, ReplicaRegion=AWAY)
    assert kms[THIRD].describe_key(KeyId=single)["KeyMetadata"]["KeyId"] == single, "others are known everywhere"


def test_each_region_has_its_own_aliases_and_states(kms):
    key = kms[HOME].create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms[HOME].replicate_key(KeyId=key, ReplicaRegion=AWAY)
    for region in (HOME, AWAY):
        kms[region].create_alias(AliasName="alias/of-both", TargetKeyId=key)
    refused(kms[HOME].create_alias, "AlreadyExistsException", AliasName="alias/of-both", TargetKeyId=key)
    for region, shown in ((HOME, 1), (AWAY, 1), (THIRD, 0)):
        pages = kms[region].get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 1})
        found = [alias for page in pages for alias in page["Aliases"] if alias["AliasName"] == "alias/of-both"]
        assert len(found) == shown, region
        assert all(f":kms:{region}:" in alias["AliasArn"] for alias in found)
    kms[HOME].delete_alias(AliasName="alias/of-both")
    refused(kms[HOME].encrypt, "NotFoundException", KeyId="alias/of-both", Plaintext=b"x")
    kms[AWAY].encrypt(KeyId="alias/of-both", Plaintext=b"x")
    kms[AWAY].disable_key(KeyId=key)
    refused(kms[AWAY].encrypt, "DisabledException", KeyId="alias/of-both", Plaintext=b"x")
    kms[HOME].encrypt(KeyId=key, Plaintext=b"x")
    listed = {region: [k["KeyId"] for p in kms[region].get_paginator("list_keys").paginate() for k in p["Keys"]] for region in kms}
    assert [key in listed[region] for region in (HOME, AWAY, THIRD)] == [True, True, False]


def test_the_primary_moves_and_goes_last(kms):
    key = kms[HOME].create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms[HOME].replicate_key(KeyId=key, ReplicaRegion=AWAY)
    refused(kms[AWAY].enable_key_rotation, "UnsupportedOperationException", KeyId=key)
    refused(kms[HOME].update_primary_region, "NotFoundException", KeyId=key, PrimaryRegion=THIRD)
    kms[HOME].update_primary_region(KeyId=key, PrimaryRegion=AWAY)
    kms[AWAY].enable_key_rotation(KeyId=key)
    assert kms[HOME].get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    waits = kms[AWAY].schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert waits["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in waits
    shown = kms[AWAY].describe_key(KeyId=key)["KeyMetadata"]
    assert shown["KeyState"] == "PendingReplicaDeletion" and shown["PendingDeletionWindowInDays"] == 7
    refused(kms[AWAY].encrypt, "KMSInvalidStateException", KeyId=key, Plaintext=b"x")
    kms[HOME].encrypt(KeyId=key, Plaintext=b"x")
    kms[AWAY].cancel_key_deletion(KeyId=key)
    assert kms[AWAY].describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_replicated_secret(secrets, clients):
    made = secrets[HOME].create_secret(Name="prod/db", SecretString="one", AddReplicaRegions=[{"Region": AWAY}])
    assert [(one["Region"], one["Status"]) for one in made["ReplicationStatus"]] == [(AWAY, "InSync")]
    read = secrets[AWAY].get_secret_value(SecretId="prod/db")
    assert (read["SecretString"], read["VersionId"]) == ("one", made["VersionId"])
    assert read["ARN"] == made["ARN"].replace(HOME, AWAY)
    assert secrets[AWAY].get_secret_value(SecretId=read["ARN"])["SecretString"] == "one"
    refused(secrets[THIRD].get_secret_value, "ResourceNotFoundException", SecretId="prod/db")
    for region, status in ((HOME, True), (AWAY, False)):
        shown = secrets[region].describe_secret(SecretId="prod/db")
        assert shown["PrimaryRegion"] == HOME and ("ReplicationStatus" in shown) == status
    for call, arguments in (
        (secrets[AWAY].put_secret_value, {"SecretString": "x"}), (secrets[AWAY].delete_secret, {}),
        (secrets[AWAY].tag_resource, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (secrets[AWAY].replicate_secret_to_regions, {"AddReplicaRegions": [{"Region": THIRD}]}),
    ):
        words = refused(call, "InvalidParameterException", SecretId="prod/db", **arguments)
        assert words == "Operation not permitted on a replica secret. Call must be made in primary secret's region."
    secrets[AWAY].update_secret(SecretId="prod/db", KmsKeyId="alias/there")
    assert secrets[AWAY].describe_secret(SecretId="prod/db")["KmsKeyId"] == "alias/there"
    secrets[HOME].put_secret_value(SecretId="prod/db", SecretString="two")
    assert secrets[AWAY].get_secret_value(SecretId="prod/db")["SecretString"] == "two"
    read = clients.vault.secrets.kv.v2.read_secret("prod/db", mount_point="secret", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"value": "two"}

    more = secrets[HOME].replicate_secret_to_regions(SecretId="prod/db", AddReplicaRegions=[{"Region": THIRD}])
    assert sorted(one["Region"] for one in more["ReplicationStatus"]) == sorted([AWAY, THIRD])
    for region in ("ap-south-1", HOME):
        refused(
            secrets[HOME].replicate_secret_to_regions, "InvalidParameterException",
            SecretId="prod/db", AddReplicaRegions=[{"Region": region}],
        )
    refused(secrets[HOME].stop_replication_to_replica, "InvalidRequestException", SecretId="prod/db")
    refused(secrets[HOME].delete_secret, "InvalidParameterException", SecretId="prod/db")
    left = secrets[HOME].remove_regions_from_replication(SecretId="prod/db", RemoveReplicaRegions=[AWAY, THIRD])
    assert left.get("ReplicationStatus", []) == []
    refused(secrets[AWAY].get_secret_value, "ResourceNotFoundException", SecretId="prod/db")
    secrets[HOME].delete_secret(SecretId="prod/db", ForceDeleteWithoutRecovery=True)


def test_lists_show_what_is_in_the_region(secrets, clients):
    secrets[HOME].create_secret(Name="l/both", SecretString="x", AddReplicaRegions=[{"Region": AWAY}])
    secrets[HOME].create_secret(Name="l/home", SecretString="x")
    secrets[AWAY].create_secret(Name="l/away", SecretString="x")
    clients.vault.secrets.kv.v2.create_or_update_secret("l/vault", secret={"a": "b"}, mount_point="secret")

    def names(region, *primary):
        filters = [{"Key": "name", "Values": ["l/"]}] + [{"Key": "primary-region", "Values": [word]} for word in primary]
        pages = secrets[region].get_paginator("list_secrets").paginate(Filters=filters, PaginationConfig={"PageSize": 1})
        return [secret["Name"] for page in pages for secret in page["SecretList"]]

    assert names(HOME) == ["l/both", "l/home", "l/vault"]
    assert names(AWAY) == ["l/away", "l/both", "l/vault"]
    assert names(THIRD) == ["l/vault"]
    assert names(AWAY, HOME) == ["l/both"] and names(AWAY, f"!{HOME}") == ["l/away", "l/vault"]
    batch = secrets[AWAY].batch_get_secret_value(SecretIdList=["l/both", "l/home"])
    assert [value["Name"] for value in batch["SecretValues"]] == ["l/both"]
    assert [error["SecretId"] for error in batch["Errors"]] == ["l/home"]
    refused(secrets[AWAY].create_secret, "ResourceExistsException", Name="l/both", SecretString="y")
    secrets[THIRD].create_secret(Name="l/home", SecretString="y")
    assert names(THIRD) == ["l/home", "l/vault"] and names(HOME) == ["l/both", "l/home", "l/vault"]
    assert secrets[HOME].get_secret_value(SecretId="l/home")["SecretString"] == "x"


def test_a_replica_that_stands_alone(secrets, clients):
    made = secrets[HOME].create_secret(
        Name="alone", SecretString="one", Tags=[{"Key": "a", "Value": "b"}], AddReplicaRegions=[{"Region": AWAY}]
    )
    secrets[HOME].put_secret_value(SecretId="alone", SecretString="two")
    before = secrets[AWAY].describe_secret(SecretId="alone")
    arn = secrets[AWAY].stop_replication_to_replica(SecretId="alone")["ARN"]
    assert arn == before["ARN"] == made["ARN"].replace(HOME, AWAY)
    after = secrets[AWAY].describe_secret(SecretId=arn)
    assert "PrimaryRegion" not in after and "ReplicationStatus" not in after
    assert after["VersionIdsToStages"] == before["VersionIdsToStages"] and after["Tags"] == before["Tags"]
    assert secrets[HOME].describe_secret(SecretId="alone").get("ReplicationStatus", []) == []
    assert secrets[AWAY].get_secret_value(SecretId=arn, VersionId=made["VersionId"])["SecretString"] == "one"
    secrets[AWAY].put_secret_value(SecretId="alone", SecretString="theirs")
    secrets[HOME].put_secret_value(SecretId="alone", SecretString="ours")
    assert secrets[AWAY].get_secret_value(SecretId="alone")["SecretString"] == "theirs"
    assert secrets[HOME].get_secret_value(SecretId="alone")["SecretString"] == "ours"
    read = clients.vault.secrets.kv.v2.read_secret(f"alone%{AWAY}", mount_point="secret", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"value": "theirs"}

    again = {"SecretId": "alone", "AddReplicaRegions": [{"Region": AWAY}]}
    failed = secrets[HOME].replicate_secret_to_regions(**again)["ReplicationStatus"][0]
    assert failed["Status"] == "Failed" and "already exists" in failed["StatusMessage"]
    secrets[AWAY].delete_secret(SecretId="alone", RecoveryWindowInDays=7)
    refused(secrets[AWAY].create_secret, "InvalidRequestException", Name="alone", SecretString="x")
    secrets[AWAY].restore_secret(SecretId="alone")
    synced = secrets[HOME].replicate_secret_to_regions(ForceOverwriteReplicaSecret=True, **again)["ReplicationStatus"][0]
    assert synced["Status"] == "InSync" and "StatusMessage" not in synced
    assert secrets[AWAY].get_secret_value(SecretId="alone")["SecretString"] == "ours"
