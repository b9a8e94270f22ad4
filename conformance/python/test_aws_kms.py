"""AWS KMS's clients, unmodified, and Vault's beside them: one key, two doors.

Must never reach AWS: every client gets the server's address and made-up credentials.
"""

import base64
import datetime
import hashlib
import json
import os
import subprocess
import sys
import uuid

import hvac
import pytest
import requests

boto3 = pytest.importorskip("boto3")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, padding  # noqa: E402
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding  # noqa: E402

REGION = "eu-central-1"
MOUNT = "transit"  # what a development server binds the dialect to
OWNER = """
path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }
"""


@pytest.fixture(autouse=True, scope="module")
def spoken(server):
    """Only where the server under test speaks this dialect: Vault's own does not."""
    asked = requests.post(server.address + "/", headers={"X-Amz-Target": "TrentService.ListKeys"}, data=b"{}", timeout=10)
    if "x-amzn-errortype" not in asked.headers:
        pytest.skip("the server does not speak KMS")
    root = hvac.Client(url=server.address, token=server.token)
    if f"{MOUNT}/" not in root.sys.list_mounted_secrets_engines()["data"]:
        root.sys.enable_secrets_engine("transit", path=MOUNT)


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
        vault = hvac.Client(url=server.address, token=token)
        key = vault.write_data("identity/access-key", data={"ttl": "30m"})["data"]
        client = boto3.client(
            "kms", endpoint_url=server.address, region_name=region, config=Config(retries={"max_attempts": 1}),
            aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token") or None,
        )
        return vault, client

    yield make
    for own in made:
        root.sys.delete_policy(own)


@pytest.fixture
def doors(door):
    return door()


@pytest.fixture
def vault(doors):
    return doors[0]


@pytest.fixture
def kms(doors):
    return doors[1]


def refused(call, kind, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == kind, error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


def create(kms, **arguments):
    return kms.create_key(**arguments)["KeyMetadata"]


def b64(data):
    return base64.b64encode(data).decode()


def test_create_and_describe(kms):
    made = create(kms, Description="a test", Tags=[{"TagKey": "team", "TagValue": "payments"}])
    assert uuid.UUID(made["KeyId"]) and made["Arn"] == f"arn:aws:kms:{REGION}:123456789012:key/{made['KeyId']}"
    assert made["KeySpec"] == "SYMMETRIC_DEFAULT" and made["KeyUsage"] == "ENCRYPT_DECRYPT"
    assert made["KeyState"] == "Enabled" and made["Enabled"] and made["Origin"] == "AWS_KMS" and not made["MultiRegion"]
    assert made["Description"] == "a test" and made["KeyManager"] == "CUSTOMER" and made["CreationDate"].year >= 2024
    assert made["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"] and len(made["CurrentKeyMaterialId"]) == 64
    for key_id in (made["KeyId"], made["Arn"]):
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"] == made
    for wrong in ("nonsense", "alias/none", str(uuid.uuid4()), made["Arn"].replace(REGION, "us-east-1"),
                  made["Arn"].replace("123456789012", "210987654321"), "arn:aws:kms", "mrk-" + "0" * 32):
        assert wrong not in refused(kms.describe_key, "NotFoundException", KeyId=wrong)


def test_lists_have_pages(kms):
    made = {create(kms)["KeyId"] for _ in range(3)}
    found, marker, pages = [], {}, 0
    while True:
        page = kms.list_keys(Limit=2, **marker)
        assert len(page["Keys"]) <= 2
        found += [key["KeyId"] for key in page["Keys"]]
        pages += 1
        if not page["Truncated"]:
            break
        marker = {"Marker": page["NextMarker"]}
    assert made <= set(found) and len(found) == len(set(found)) and pages >= 2
    all_of_them = [key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]]
    assert all_of_them == found
    refused(kms.list_keys, "InvalidMarkerException", Marker="garbled")
    refused(kms.list_aliases, "InvalidMarkerException", Marker=page.get("NextMarker", "MXxMaXN0S2V5c3x4"))


CONTEXT = {"tenant": "a", "purpose": "test é"}


def test_encrypt_and_decrypt(kms):
    key, other = create(kms), create(kms)
    for text in (b"x", bytes(range(256)) * 16):
        sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=text, EncryptionContext=CONTEXT)
        assert sealed["KeyId"] == key["Arn"] and sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
        blob = sealed["CiphertextBlob"]
        assert len(blob) <= 6144 and (len(text) < 8 or text not in blob)
        turned = dict(reversed(CONTEXT.items()))
        for more in ({}, {"KeyId": key["KeyId"]}, {"KeyId": key["Arn"]}):
            opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned, **more)
            assert opened["Plaintext"] == text and opened["KeyId"] == key["Arn"]
            assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]
    for context in ({}, {"tenant": "a"}, {"tenant": "A", "purpose": "test é"}, {**CONTEXT, "more": ""}):
        assert refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=blob, EncryptionContext=context) in ("", None, "Unknown")
    refused(kms.decrypt, "IncorrectKeyException", CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId=other["KeyId"])
    refused(kms.decrypt, "NotFoundException", CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId="alias/none")
    altered = blob[:-1] + bytes([blob[-1] ^ 1])
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=altered, EncryptionContext=CONTEXT)
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=b"no ciphertext")
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=blob[:20])
    stranger = blob[:1] + uuid.uuid4().bytes + blob[17:]
    refused(kms.decrypt, "AccessDeniedException", CiphertextBlob=stranger, EncryptionContext=CONTEXT)
    refused(kms.encrypt, "ValidationException", KeyId=key["KeyId"], Plaintext=b"x" * 4097)
    refused(kms.encrypt, "ValidationException", KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"k": "v" * 8192})
    refused(kms.encrypt, "InvalidKeyUsageException", KeyId=key["KeyId"], Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=CONTEXT, DestinationKeyId=other["KeyId"],
                           DestinationEncryptionContext={"now": "b"})
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key["Arn"], other["Arn"])
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"now": "b"})["Plaintext"] == text


@pytest.mark.parametrize("padding_name, hash_of, most", [
    ("RSAES_OAEP_SHA_1", hashes.SHA1, 214), ("RSAES_OAEP_SHA_256", hashes.SHA256, 190),
])
def test_rsa_encrypts(kms, padding_name, hash_of, most):
    key = create(kms, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    sealed = public.encrypt(b"text", padding.OAEP(padding.MGF1(hash_of()), hash_of(), None))
    arguments = {"KeyId": key["KeyId"], "EncryptionAlgorithm": padding_name}
    assert kms.decrypt(CiphertextBlob=sealed, **arguments)["Plaintext"] == b"text"
    sealed = kms.encrypt(Plaintext=b"x" * most, **arguments)["CiphertextBlob"]
    assert len(sealed) == 256 and kms.decrypt(CiphertextBlob=sealed, **arguments)["Plaintext"] == b"x" * most
    refused(kms.encrypt, "ValidationException", Plaintext=b"x" * (most + 1), **arguments)
    refused(kms.decrypt, "ValidationException", CiphertextBlob=sealed, EncryptionAlgorithm=padding_name)
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=bytes(256), **arguments)
    refused(kms.encrypt, "InvalidKeyUsageException", KeyId=key["KeyId"], Plaintext=b"x")
    refused(kms.encrypt, "ValidationException", Plaintext=b"x", EncryptionContext={"a": "b"}, **arguments)
    refused(kms.generate_data_key, "InvalidKeyUsageException", KeyId=key["KeyId"], KeySpec="AES_256")
    refused(kms.sign, "InvalidKeyUsageException", KeyId=key["KeyId"], Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")


def test_data_keys_and_random(kms):
    key = create(kms)
    for arguments, size in (({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)):
        made = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext=CONTEXT, **arguments)
        assert len(made["Plaintext"]) == size and made["KeyId"] == key["Arn"]
        assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"] == made["Plaintext"]
        made = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], **arguments)
        assert "Plaintext" not in made and len(kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]) == size
    for wrong in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 32}, {"NumberOfBytes": 1025}, {"KeySpec": "AES_512"}):
        refused(kms.generate_data_key, "ValidationException", KeyId=key["KeyId"], **wrong)
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
    refused(kms.generate_random, "ValidationException", NumberOfBytes=1025)
    refused(kms.generate_random, "ValidationException")


SIGNERS = [
    ("RSA_2048", ["RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512", "RSASSA_PKCS1_V1_5_SHA_256",
                  "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512"]),
    ("ECC_NIST_P256", ["ECDSA_SHA_256"]), ("ECC_NIST_P384", ["ECDSA_SHA_384"]), ("ECC_NIST_P521", ["ECDSA_SHA_512"]),
    ("ECC_SECG_P256K1", ["ECDSA_SHA_256"]), ("ECC_NIST_EDWARDS25519", ["ED25519_SHA_512"]),
    ("ML_DSA_44", ["ML_DSA_SHAKE_256"]), ("ML_DSA_65", ["ML_DSA_SHAKE_256"]), ("ML_DSA_87", ["ML_DSA_SHAKE_256"]),
]


@pytest.mark.parametrize("spec, algorithms", SIGNERS)
def test_signatures(kms, spec, algorithms):
    key = create(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY")
    public = kms.get_public_key(KeyId=key["KeyId"])
    assert public["KeySpec"] == spec and public["KeyUsage"] == "SIGN_VERIFY" and public["PublicKey"]
    for algorithm in algorithms:
        assert algorithm in public["SigningAlgorithms"]
        common = {"KeyId": key["Arn"], "SigningAlgorithm": algorithm}
        signed = kms.sign(Message=b"text", **common)
        assert signed["KeyId"] == key["Arn"] and signed["SigningAlgorithm"] == algorithm
        good = kms.verify(Message=b"text", Signature=signed["Signature"], **common)
        assert good["SignatureValid"] is True
        refused(kms.verify, "KMSInvalidSignatureException", Message=b"other", Signature=signed["Signature"], **common)
        refused(kms.verify, "KMSInvalidSignatureException", Message=b"text", Signature=b"junk", **common)
        if "SHA_" in algorithm and not algorithm.startswith("ED"):
            digest = hashlib.new("sha" + algorithm[-3:], b"text").digest()
            kms.verify(Message=digest, MessageType="DIGEST", Signature=signed["Signature"], **common)
            again = kms.sign(Message=digest, MessageType="DIGEST", **common)["Signature"]
            kms.verify(Message=b"text", Signature=again, **common)
            refused(kms.sign, "ValidationException", Message=digest[:-1], MessageType="DIGEST", **common)
    wrong = "RSASSA_PSS_SHA_256" if not spec.startswith("RSA") else "ECDSA_SHA_256"
    refused(kms.sign, "InvalidKeyUsageException", KeyId=key["KeyId"], Message=b"x", SigningAlgorithm=wrong)
    refused(kms.sign, "ValidationException", KeyId=key["KeyId"], Message=b"x" * 4097, SigningAlgorithm=algorithms[0])


def test_signatures_of_a_digest_that_is_hashed_again(kms):
    key = create(kms, KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    assert "ED25519_PH_SHA_512" in kms.get_public_key(KeyId=key["KeyId"])["SigningAlgorithms"]
    digest = hashlib.sha512(b"text").digest()
    common = {"KeyId": key["KeyId"], "SigningAlgorithm": "ED25519_PH_SHA_512", "MessageType": "DIGEST"}
    signature = kms.sign(Message=digest, **common)["Signature"]
    assert kms.verify(Message=digest, Signature=signature, **common)["SignatureValid"] is True
    other = hashlib.sha512(b"other").digest()
    refused(kms.verify, "KMSInvalidSignatureException", Message=other, Signature=signature, **common)
    plain = {"KeyId": key["KeyId"], "SigningAlgorithm": "ED25519_SHA_512", "Message": digest, "Signature": signature}
    refused(kms.verify, "KMSInvalidSignatureException", **plain)
    refused(kms.sign, "ValidationException", Message=digest[:-1], **common)
    refused(kms.sign, "ValidationException", Message=digest, **{**common, "MessageType": "RAW"})


@pytest.mark.parametrize("bits", ["224", "256", "384", "512"])
def test_macs(kms, bits):
    key = create(kms, KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")
    common = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{bits}", "Message": b"text"}
    made = kms.generate_mac(**common)
    assert len(made["Mac"]) * 8 == int(bits) and kms.verify_mac(Mac=made["Mac"], **common)["MacValid"] is True
    refused(kms.verify_mac, "KMSInvalidMacException", Mac=bytes(len(made["Mac"])), **common)
    other = "HMAC_SHA_256" if bits != "256" else "HMAC_SHA_512"
    refused(kms.generate_mac, "InvalidKeyUsageException", **{**common, "MacAlgorithm": other})
    refused(kms.get_public_key, "UnsupportedOperationException", KeyId=key["KeyId"])


def test_shared_secrets(kms):
    key = create(kms, KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    own = ec.generate_private_key(ec.SECP256R1())
    peer = own.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    shared = kms.derive_shared_secret(KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=peer)
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert shared["SharedSecret"] == own.exchange(ec.ECDH(), public)
    refused(kms.derive_shared_secret, "ValidationException", KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=b"junk")
    refused(kms.sign, "InvalidKeyUsageException", KeyId=key["KeyId"], Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    kem = create(kms, KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    sent = kms.encapsulate(KeyId=kem["KeyId"], EncapsulationAlgorithm="ML_KEM")
    got = kms.decapsulate(KeyId=kem["KeyId"], EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=sent["SharedSecretCiphertextBlob"])
    assert sent["SharedSecret"] == got["SharedSecret"] and len(got["SharedSecret"]) == 32


def test_data_key_pairs(kms):
    key = create(kms)
    made = kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256", EncryptionContext=CONTEXT)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert public == made["PublicKey"] and made["KeyPairSpec"] == "ECC_NIST_P256"
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    for spec in ("RSA_2048", "RSA_4096", "ECC_NIST_EDWARDS25519", "ECC_SECG_P256K1"):
        made = kms.generate_data_key_pair_without_plaintext(KeyId=key["KeyId"], KeyPairSpec=spec)
        assert "PrivateKeyPlaintext" not in made and len(made["PrivateKeyCiphertextBlob"]) <= 6144
        assert kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    for spec in ("SM2", "ML_KEM_768"):
        refused(kms.generate_data_key_pair, "UnsupportedOperationException", KeyId=key["KeyId"], KeyPairSpec=spec)


def test_aliases(kms, name):
    first, second = create(kms), create(kms)
    alias = f"alias/app/{name}"
    kms.create_alias(AliasName=alias, TargetKeyId=first["KeyId"])
    refused(kms.create_alias, "AlreadyExistsException", AliasName=alias, TargetKeyId=second["KeyId"])
    arn = f"arn:aws:kms:{REGION}:123456789012:{alias}"
    sealed = kms.encrypt(KeyId=alias, Plaintext=b"x")
    assert sealed["KeyId"] == first["Arn"] and kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyId"] == first["KeyId"]
    kms.update_alias(AliasName=alias, TargetKeyId=second["Arn"])
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == second["KeyId"]
    refused(kms.decrypt, "IncorrectKeyException", CiphertextBlob=sealed["CiphertextBlob"], KeyId=alias)
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == b"x"
    third = create(kms)["KeyId"]
    kms.schedule_key_deletion(KeyId=third, PendingWindowInDays=7)
    refused(kms.update_alias, "KMSInvalidStateException", AliasName=alias, TargetKeyId=third)
    refused(kms.create_alias, "KMSInvalidStateException", AliasName=alias + "/third", TargetKeyId=third)
    listed = [a for page in kms.get_paginator("list_aliases").paginate() for a in page["Aliases"]]
    assert {"AliasName": alias, "AliasArn": arn, "TargetKeyId": second["KeyId"]} in listed
    assert [a["AliasName"] for a in kms.list_aliases(KeyId=second["KeyId"])["Aliases"]] == [alias]
    refused(kms.update_alias, "NotFoundException", AliasName="alias/none", TargetKeyId=second["KeyId"])
    kms.delete_alias(AliasName=alias)
    refused(kms.delete_alias, "NotFoundException", AliasName=alias)
    refused(kms.describe_key, "NotFoundException", KeyId=alias)
    for wrong, kind in (("app", "ValidationException"), ("alias/a b", "ValidationException"), ("alias/", "InvalidAliasNameException"),
                        ("alias/a//b", "InvalidAliasNameException"), ("alias/aws/s3", "NotAuthorizedException"),
                        ("alias/" + "a" * 256, "ValidationException")):
        refused(kms.create_alias, kind, AliasName=wrong, TargetKeyId=second["KeyId"])
    refused(kms.create_alias, "NotFoundException", AliasName="alias/x", TargetKeyId=str(uuid.uuid4()))
    refused(kms.create_alias, "ValidationException", AliasName="alias/x", TargetKeyId="alias/y")


def test_states(kms):
    key = create(kms)["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    shown = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert shown["KeyState"] == "Disabled" and not shown["Enabled"]
    refused(kms.encrypt, "DisabledException", KeyId=key, Plaintext=b"x")
    refused(kms.decrypt, "DisabledException", CiphertextBlob=blob)
    refused(kms.generate_data_key, "DisabledException", KeyId=key, KeySpec="AES_256")
    refused(kms.enable_key_rotation, "DisabledException", KeyId=key)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    refused(kms.cancel_key_deletion, "KMSInvalidStateException", KeyId=key)
    for days in (6, 31):
        refused(kms.schedule_key_deletion, "ValidationException", KeyId=key, PendingWindowInDays=days)
    answer = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingDeletion" and answer["PendingWindowInDays"] == 7 and answer["KeyId"].endswith(key)
    shown = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert shown["DeletionDate"] == answer["DeletionDate"] and shown["KeyState"] == "PendingDeletion"
    for call, arguments in ((kms.encrypt, {"Plaintext": b"x"}), (kms.enable_key, {}), (kms.disable_key, {}),
                            (kms.schedule_key_deletion, {}), (kms.update_key_description, {"Description": "x"})):
        refused(call, "KMSInvalidStateException", KeyId=key, **arguments)
    refused(kms.decrypt, "KMSInvalidStateException", CiphertextBlob=blob)
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    assert kms.schedule_key_deletion(KeyId=key)["PendingWindowInDays"] == 30


def test_tags_and_description(kms):
    key = create(kms)["KeyId"]
    kms.update_key_description(KeyId=key, Description="new")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "new"
    tags = [{"TagKey": f"k{n:02}", "TagValue": str(n)} for n in range(50)]
    kms.tag_resource(KeyId=key, Tags=tags)
    page = kms.list_resource_tags(KeyId=key, Limit=30)
    rest = kms.list_resource_tags(KeyId=key, Marker=page["NextMarker"])
    assert page["Truncated"] and not rest["Truncated"] and page["Tags"] + rest["Tags"] == tags
    refused(kms.tag_resource, "TagException", KeyId=key, Tags=[{"TagKey": "one more", "TagValue": ""}])
    for wrong in ([{"TagKey": "aws:x", "TagValue": ""}], [{"TagKey": "a", "TagValue": "1"}] * 2, tags + [{"TagKey": "x", "TagValue": ""}]):
        refused(kms.tag_resource, "TagException", KeyId=key, Tags=wrong)
    kms.untag_resource(KeyId=key, TagKeys=[tag["TagKey"] for tag in tags[1:]])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == tags[:1]


def test_rotation(kms):
    key = create(kms)["KeyId"]
    old = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    before = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=100)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 100 and status["NextRotationDate"]
    refused(kms.enable_key_rotation, "ValidationException", KeyId=key, RotationPeriodInDays=2561)
    kms.disable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    assert kms.rotate_key_on_demand(KeyId=key)["KeyId"].endswith(key)
    rotations = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert len(rotations) == 1 and rotations[0]["KeyMaterialState"] == "CURRENT" and rotations[0]["RotationDate"]
    assert rotations[0]["RotationType"] == "ON_DEMAND"
    everything = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [r["KeyMaterialState"] for r in everything] == ["NON_CURRENT", "CURRENT"]
    opened = kms.decrypt(CiphertextBlob=old)
    assert opened["Plaintext"] == b"x" and opened["KeyMaterialId"] == before
    moved = kms.re_encrypt(CiphertextBlob=old, DestinationKeyId=key)
    assert moved["SourceKeyMaterialId"] == before != moved["DestinationKeyMaterialId"]
    signer = create(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    for call in (kms.enable_key_rotation, kms.rotate_key_on_demand, kms.get_key_rotation_status, kms.list_key_rotations):
        refused(call, "UnsupportedOperationException", KeyId=signer)


@pytest.mark.parametrize("wrapping", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"])
def test_imported_material(kms, wrapping):
    key = create(kms, Origin="EXTERNAL")
    assert key["KeyState"] == "PendingImport" and key["Origin"] == "EXTERNAL"
    refused(kms.encrypt, "KMSInvalidStateException", KeyId=key["KeyId"], Plaintext=b"x")
    ready = kms.get_parameters_for_import(KeyId=key["KeyId"], WrappingAlgorithm=wrapping, WrappingKeySpec="RSA_2048")
    public = serialization.load_der_public_key(ready["PublicKey"])
    hash_of = hashes.SHA1 if wrapping.endswith("SHA_1") else hashes.SHA256
    wrap = lambda data: public.encrypt(data, padding.OAEP(padding.MGF1(hash_of()), hash_of(), None))  # noqa: E731
    material = bytes(range(32))
    if wrapping.startswith("RSA_AES"):
        between = bytes(32)
        wrapped = wrap(between) + aes_key_wrap_with_padding(between, material)
    else:
        wrapped = wrap(material)
    common = {"KeyId": key["KeyId"], "EncryptedKeyMaterial": wrapped, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    refused(kms.import_key_material, "InvalidImportTokenException", ImportToken=b"junk", **common)
    kms.import_key_material(ImportToken=ready["ImportToken"], **common)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


class Importer:
    """Brings material to one key, with a wrapping key of its own for each import."""

    def __init__(self, kms):
        self.kms, self.key = kms, create(kms, Origin="EXTERNAL")["KeyId"]

    def arguments(self, material, **terms):
        ready = self.kms.get_parameters_for_import(
            KeyId=self.key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048",
        )
        public = serialization.load_der_public_key(ready["PublicKey"])
        wrapped = public.encrypt(material, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        terms = terms or {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        return {"KeyId": self.key, "ImportToken": ready["ImportToken"], "EncryptedKeyMaterial": wrapped, **terms}

    def bring(self, material, **terms):
        return self.kms.import_key_material(**self.arguments(material, **terms))["KeyMaterialId"]

    def state(self):
        return self.kms.describe_key(KeyId=self.key)["KeyMetadata"]["KeyState"]


def test_imported_material_goes_and_comes_back(kms):
    importer = Importer(kms)
    assert "KeyMaterialId" not in kms.delete_imported_key_material(KeyId=importer.key), "there was none"
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
    first = importer.bring(bytes(32), ValidTo=end, ExpirationModel="KEY_MATERIAL_EXPIRES")
    shown = kms.describe_key(KeyId=importer.key)["KeyMetadata"]
    assert shown["ExpirationModel"] == "KEY_MATERIAL_EXPIRES" and abs(shown["ValidTo"] - end) < datetime.timedelta(seconds=1)
    for bad in (end - datetime.timedelta(days=3), end + datetime.timedelta(days=400)):
        terms = importer.arguments(bytes(32), ValidTo=bad, ExpirationModel="KEY_MATERIAL_EXPIRES")
        refused(kms.import_key_material, "ValidationException", **terms)
    refused(kms.import_key_material, "ValidationException", **importer.arguments(bytes(32), ExpirationModel="KEY_MATERIAL_EXPIRES"))
    blob = kms.encrypt(KeyId=importer.key, Plaintext=b"x")["CiphertextBlob"]
    gone = kms.delete_imported_key_material(KeyId=importer.key)
    assert gone["KeyMaterialId"] == first and importer.state() == "PendingImport"
    refused(kms.decrypt, "KMSInvalidStateException", CiphertextBlob=blob)
    refused(kms.import_key_material, "IncorrectKeyMaterialException", **importer.arguments(bytes(31) + b"x"))
    assert importer.bring(bytes(32)) == first and importer.state() == "Enabled"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    refused(kms.delete_imported_key_material, "UnsupportedOperationException", KeyId=create(kms)["KeyId"])
    refused(kms.delete_imported_key_material, "NotFoundException", KeyId=importer.key, KeyMaterialId="0" * 64)


def test_new_material_waits_for_a_rotation(kms):
    importer = Importer(kms)
    importer.bring(bytes(32))
    refused(kms.rotate_key_on_demand, "KMSInvalidStateException", KeyId=importer.key)
    refused(kms.enable_key_rotation, "UnsupportedOperationException", KeyId=importer.key)
    never = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "ImportType": "NEW_KEY_MATERIAL"}
    second = importer.bring(bytes(31) + b"x", KeyMaterialDescription="the next", **never)
    listed = kms.list_key_rotations(KeyId=importer.key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [one["KeyMaterialState"] for one in listed] == ["CURRENT", "PENDING_ROTATION"]
    assert listed[1]["KeyMaterialDescription"] == "the next" and listed[1]["ImportState"] == "IMPORTED"
    old = kms.encrypt(KeyId=importer.key, Plaintext=b"x")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=importer.key)
    assert kms.describe_key(KeyId=importer.key)["KeyMetadata"]["CurrentKeyMaterialId"] == second
    assert kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"x"
    assert kms.encrypt(KeyId=importer.key, Plaintext=b"x")["CiphertextBlob"] != old


def test_there_are_no_custom_key_stores(kms):
    assert kms.describe_custom_key_stores()["CustomKeyStores"] == []
    refused(kms.describe_custom_key_stores, "CustomKeyStoreNotFoundException", CustomKeyStoreName="x")


def test_the_last_use_of_a_key(kms):
    key = create(kms)["KeyId"]
    fresh = kms.get_key_last_usage(KeyId=key)
    assert "KeyLastUsage" not in fresh and fresh["TrackingStartDate"] == fresh["KeyCreationDate"]
    kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    kms.encrypt(KeyId=key, Plaintext=b"x")
    used = kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]
    assert used["Operation"] == "GenerateDataKey", "the first of an hour"
    assert used["Timestamp"] >= fresh["KeyCreationDate"]
    refused(kms.get_key_last_usage, "NotFoundException", KeyId="alias/none")


@pytest.fixture
def somebody(server, root, name):
    """Makes an entity, and gives its ARN with a token and an AWS client that are its."""
    made = []

    def make(policy=None):
        own = f"{name}-e{len(made)}"
        if policy:
            root.sys.create_or_update_policy(own, policy)
        entity = root.secrets.identity.create_or_update_entity(name=own, policies=[own] if policy else [])["data"]["id"]
        made.append((own, entity))
        key = root.write_data("identity/access-key", data={"entity_id": entity, "ttl": "30m"})["data"]
        client = boto3.client(
            "kms", endpoint_url=server.address, region_name=REGION, config=Config(retries={"max_attempts": 1}),
            aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token") or None,
        )
        return f"arn:aws:iam::{ACCOUNT}:user/entity/{own}", client

    yield make
    for own, entity in made:
        root.secrets.identity.delete_entity(entity)
        root.sys.delete_policy(own)


ACCOUNT = "123456789012"


def statement(effect, who, actions, **more):
    return {"Effect": effect, "Principal": {"AWS": who}, "Action": actions, "Resource": "*", **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)


DELEGATED = statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "kms:*")


def test_a_key_has_the_policy_that_every_key_has(kms):
    key = create(kms)["KeyId"]
    read = kms.get_key_policy(KeyId=key)
    assert read["PolicyName"] == "default"
    policy = json.loads(read["Policy"])
    assert policy["Id"] == "key-default-1" and policy["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    # As Terraform's resource does: what it read is written again.
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=read["Policy"], BypassPolicyLockoutSafetyCheck=False)
    assert kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"] == read["Policy"]
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    pages = kms.get_paginator("list_key_policies").paginate(KeyId=key)
    assert [name for page in pages for name in page["PolicyNames"]] == ["default"]
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    refused(kms.get_key_policy, "NotFoundException", KeyId=key, PolicyName="other")
    refused(kms.get_key_policy, "NotFoundException", KeyId=str(uuid.uuid4()))


def test_a_key_policy_lets_in_and_shuts_out(kms, somebody, root):
    (alice, hers), (bob, his) = somebody(), somebody(OWNER)
    text = document(
        DELEGATED,
        statement("Allow", alice, ["kms:Encrypt", "kms:GenerateDataKey"]),
        statement("Deny", bob, "kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:dept": "hr"}}),
    )
    made = create(kms, Policy=text)
    key = made["KeyId"]
    assert kms.get_key_policy(KeyId=key)["Policy"] == text, "byte for byte"
    hr, it = ({"dept": dept} for dept in ("hr", "it"))
    blob = hers.encrypt(KeyId=made["Arn"], Plaintext=b"x", EncryptionContext=hr)["CiphertextBlob"]
    other = hers.encrypt(KeyId=key, Plaintext=b"y", EncryptionContext=it)["CiphertextBlob"]
    refused(hers.decrypt, "AccessDeniedException", CiphertextBlob=blob, EncryptionContext=hr)
    refused(his.decrypt, "AccessDeniedException", CiphertextBlob=blob, EncryptionContext=hr, KeyId=key)
    assert his.decrypt(CiphertextBlob=other, EncryptionContext=it, KeyId=key)["Plaintext"] == b"y"
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=hr)["Plaintext"] == b"x"
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(url=root.url, token=root.auth.token.create(policies=["default"])["auth"]["client_token"]).read(f"{MOUNT}/keys/{key}")
    assert root.read(f"{MOUNT}/keys/{key}/policy")["data"]["policy"] == text


def test_a_policy_that_locks_out_or_cannot_be_judged_is_refused(kms, somebody, root):
    alice, _ = somebody()
    key = create(kms)["KeyId"]
    locked = document(statement("Allow", alice, "kms:*"))
    words = refused(kms.put_key_policy, "MalformedPolicyDocumentException", KeyId=key, Policy=locked)
    assert words == "The new key policy will not allow you to update the key policy in the future."
    refused(kms.create_key, "MalformedPolicyDocumentException", Policy=locked)
    for bad in ("{}", "no json", document(statement("Allow", alice, "s3:*")), document(statement("Allow", "alice", "kms:*"))):
        refused(kms.put_key_policy, "MalformedPolicyDocumentException", KeyId=key, Policy=bad)
    kms.put_key_policy(KeyId=key, Policy=locked, BypassPolicyLockoutSafetyCheck=True)
    refused(kms.put_key_policy, "AccessDeniedException", KeyId=key, Policy=document(DELEGATED))
    root.delete(f"{MOUNT}/keys/{key}/policy")
    kms.put_key_policy(KeyId=key, Policy=document(DELEGATED))


def test_grants(kms, somebody):
    (alice, hers), (bob, his) = somebody(), somebody()
    made = create(kms)
    key = made["KeyId"]
    terms = {
        "KeyId": key, "GranteePrincipal": alice, "RetiringPrincipal": bob, "Operations": ["Encrypt", "Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"app": "x"}}, "Name": "test",
    }
    refused(kms.create_grant, "DryRunOperationException", DryRun=True, **terms)
    assert kms.list_grants(KeyId=key)["Grants"] == []
    first = kms.create_grant(**terms)
    assert len(first["GrantId"]) == 64
    again = kms.create_grant(**terms)
    assert again["GrantId"] == first["GrantId"] and again["GrantToken"] != first["GrantToken"]
    (shown,) = kms.list_grants(KeyId=key)["Grants"]
    assert shown["KeyId"] == made["Arn"] and shown["GranteePrincipal"] == alice and shown["RetiringPrincipal"] == bob
    assert shown["Operations"] == ["Decrypt", "Encrypt"] and shown["Name"] == "test" and shown["CreationDate"].year >= 2024
    assert shown["Constraints"] == terms["Constraints"] and shown["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"

    context = {"app": "x", "more": "y"}
    blob = hers.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context, GrantTokens=[first["GrantToken"]])["CiphertextBlob"]
    assert hers.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"x"
    refused(hers.encrypt, "AccessDeniedException", KeyId=key, Plaintext=b"x")
    refused(hers.encrypt, "AccessDeniedException", KeyId=key, Plaintext=b"x", EncryptionContext={"app": "y"})
    refused(hers.describe_key, "AccessDeniedException", KeyId=key)
    refused(hers.encrypt, "InvalidGrantTokenException", KeyId=key, Plaintext=b"x", EncryptionContext=context, GrantTokens=["AQID"])

    for _ in range(3):
        kms.create_grant(KeyId=key, GranteePrincipal=bob, Operations=["DescribeKey"])
    pages = kms.get_paginator("list_grants").paginate(KeyId=key, PaginationConfig={"PageSize": 2})
    ids = [grant["GrantId"] for page in pages for grant in page["Grants"]]
    assert len(ids) == len(set(ids)) == 4
    assert len(kms.list_grants(KeyId=key, GranteePrincipal=bob)["Grants"]) == 3
    assert kms.list_grants(KeyId=key, GrantId=first["GrantId"])["Grants"] == [shown]
    assert kms.list_retirable_grants(RetiringPrincipal=bob)["Grants"] == [shown]
    assert his.describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key

    refused(hers.retire_grant, "AccessDeniedException", KeyId=made["Arn"], GrantId=first["GrantId"])
    refused(his.retire_grant, "DryRunOperationException", GrantToken=first["GrantToken"], DryRun=True)
    his.retire_grant(GrantToken=first["GrantToken"])
    refused(hers.decrypt, "AccessDeniedException", CiphertextBlob=blob, EncryptionContext=context)
    refused(kms.decrypt, "InvalidGrantTokenException", CiphertextBlob=blob, EncryptionContext=context, GrantTokens=[again["GrantToken"]])
    for grant in kms.list_grants(KeyId=key)["Grants"]:
        kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    refused(his.describe_key, "AccessDeniedException", KeyId=key)
    refused(kms.revoke_grant, "NotFoundException", KeyId=key, GrantId=first["GrantId"])
    refused(kms.revoke_grant, "InvalidGrantIdException", KeyId=key, GrantId="x")


def test_grants_that_cannot_be(kms, somebody):
    alice, _ = somebody()
    key = create(kms)["KeyId"]
    for kind, more in (
        ("InvalidArnException", {"GranteePrincipal": "alice"}),
        ("InvalidArnException", {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root"}),
        ("InvalidArnException", {"GranteePrincipal": "arn:aws:iam::210987654321:role/other"}),
        ("ValidationException", {"Operations": ["Sign"]}),
        ("ValidationException", {"Operations": ["Everything"]}),
        ("ValidationException", {"Name": "a b"}),
        ("NotFoundException", {"KeyId": str(uuid.uuid4())}),
    ):
        refused(kms.create_grant, kind, **{"KeyId": key, "GranteePrincipal": alice, "Operations": ["Encrypt"], **more})
    signer = create(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    constraint = {"EncryptionContextEquals": {"a": "b"}}
    refused(kms.create_grant, "ValidationException", KeyId=signer, GranteePrincipal=alice, Operations=["Sign"], Constraints=constraint)
    kms.create_grant(KeyId=signer, GranteePrincipal=alice, Operations=["Sign", "GetPublicKey"])


def test_dry_runs(kms):
    key = create(kms)["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for call, arguments in ((kms.encrypt, {"KeyId": key, "Plaintext": b"x"}), (kms.decrypt, {"CiphertextBlob": blob}),
                            (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"})):
        refused(call, "DryRunOperationException", DryRun=True, **arguments)
    refused(kms.encrypt, "NotFoundException", KeyId="alias/none", Plaintext=b"x", DryRun=True)
    kms.disable_key(KeyId=key)
    refused(kms.encrypt, "DisabledException", KeyId=key, Plaintext=b"x", DryRun=True)


@pytest.mark.parametrize("operation, arguments", [
    ("create_custom_key_store", {"CustomKeyStoreName": "x"}),
    ("create_grant", {"KeyId": "alias/x", "GranteePrincipal": "arn:aws:iam::123456789012:role/r", "Operations": ["Encrypt"],
                      "RetiringServicePrincipal": "s3.amazonaws.com"}),
    ("create_key", {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}),
    ("create_key", {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"}),
])
def test_what_is_absent_says_so(kms, operation, arguments):
    refused(getattr(kms, operation), "UnsupportedOperationException", **arguments)


@pytest.mark.parametrize("arguments", [
    {"KeySpec": "RSA_2048"}, {"KeySpec": "HMAC_256", "KeyUsage": "ENCRYPT_DECRYPT"}, {"KeySpec": "RSA_1024", "KeyUsage": "SIGN_VERIFY"},
    {"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, {"KeyUsage": "SIGN_VERIFY"},
    {"Description": "x" * 8193},
])
def test_keys_that_cannot_be(kms, arguments):
    refused(kms.create_key, "ValidationException", **arguments)


def test_what_one_door_encrypts_the_other_decrypts(kms, vault, name):
    transit = vault.secrets.transit
    transit.create_key(name)
    key = kms.describe_key(KeyId=f"alias/{name}")["KeyMetadata"]
    assert key["KeyId"] in [k["KeyId"] for page in kms.get_paginator("list_keys").paginate() for k in page["Keys"]]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"from kms")["CiphertextBlob"]
    assert transit.decrypt_data(name, b64(blob))["data"]["plaintext"] == b64(b"from kms")
    text = transit.encrypt_data(name, b64(b"from transit"))["data"]["ciphertext"]
    assert text.startswith("vault:v1:")
    assert kms.decrypt(KeyId=f"alias/{name}", CiphertextBlob=text.encode())["Plaintext"] == b"from transit"
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=text.encode())
    bound = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with pytest.raises(hvac.exceptions.InvalidRequest):
        transit.decrypt_data(name, b64(bound))
    transit.rotate_key(name)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"from kms"
    # A key that KMS made is called by its id.
    own = create(kms)["KeyId"]
    text = transit.encrypt_data(own, b64(b"x"))["data"]["ciphertext"]
    assert kms.decrypt(KeyId=own, CiphertextBlob=text.encode())["Plaintext"] == b"x"


def test_what_one_door_signs_the_other_verifies(kms, vault, name):
    transit = vault.secrets.transit
    transit.create_key(name, key_type="ecdsa-p256")
    alias, algorithm = f"alias/{name}", "ECDSA_SHA_256"
    text = transit.sign_data(name, b64(b"text"), marshaling_algorithm="asn1")["data"]["signature"]
    raw = base64.b64decode(text.split(":")[2])
    assert kms.verify(KeyId=alias, Message=b"text", Signature=raw, SigningAlgorithm=algorithm)["SignatureValid"]
    signed = kms.sign(KeyId=alias, Message=b"text", SigningAlgorithm=algorithm)["Signature"]
    checked = transit.verify_signed_data(name, b64(b"text"), signature="vault:v1:" + b64(signed), marshaling_algorithm="asn1")
    assert checked["data"]["valid"] is True
    own = create(kms, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyId"]
    text = transit.sign_data(own, b64(b"text"), signature_algorithm="pkcs1v15")["data"]["signature"]
    raw = base64.b64decode(text.split(":")[2])
    assert kms.verify(KeyId=own, Message=b"text", Signature=raw, SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")["SignatureValid"]


def test_one_policy_at_both_doors(door, kms, name):
    key = create(kms)["KeyId"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    vault, narrow = door(f'path "transit/encrypt/{key}" {{ capabilities = ["update"] }}')
    for key_id in (key, f"alias/{name}", f"arn:aws:kms:{REGION}:123456789012:key/{key}"):
        narrow.encrypt(KeyId=key_id, Plaintext=b"x")
    vault.secrets.transit.encrypt_data(key, b64(b"x"))
    refused(narrow.decrypt, "AccessDeniedException", CiphertextBlob=blob)
    refused(narrow.describe_key, "AccessDeniedException", KeyId=f"alias/{name}")
    refused(narrow.list_keys, "AccessDeniedException")
    refused(narrow.re_encrypt, "AccessDeniedException", CiphertextBlob=blob, DestinationKeyId=key)
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.secrets.transit.decrypt_data(key, b64(blob))


def test_the_command_line_by_the_usual_variables(server, vault, tmp_path):
    pytest.importorskip("awscli")
    key = vault.write_data("identity/access-key", data={"ttl": "10m"})["data"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ENDPOINT_URL": server.address, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"], **server.trust,
    }
    if key.get("session_token"):
        environment["AWS_SESSION_TOKEN"] = key["session_token"]

    def run(*arguments):
        command = [sys.executable, "-m", "awscli", "kms", *arguments, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    made = run("create-key", "--description", "by hand")["KeyMetadata"]
    text = tmp_path / "text"
    text.write_bytes(b"from a file")
    sealed = run("encrypt", "--key-id", made["Arn"], "--plaintext", f"fileb://{text}", "--encryption-context", "a=b")
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = run("decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "a=b")
    assert base64.b64decode(opened["Plaintext"]) == b"from a file"
    run("disable-key", "--key-id", made["KeyId"])
    assert made["KeyId"] in [key["KeyId"] for key in run("list-keys")["Keys"]]


def test_strangers(server):
    stranger = boto3.client("kms", endpoint_url=server.address, region_name=REGION, aws_access_key_id="AKIANOBODY",
                            aws_secret_access_key="x", config=Config(retries={"max_attempts": 1}))
    refused(stranger.list_keys, "UnrecognizedClientException")
