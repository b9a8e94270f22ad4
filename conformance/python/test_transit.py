"""The transit engine through hvac's own methods; what leaves the server is checked by another cipher library.

Must never lean on a key that another test made: every test has a mount of its own.
"""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from hvac import exceptions


def b64(data):
    return base64.b64encode(data).decode()


TEXT = b64(b"the quick brown fox")


@pytest.fixture
def transit(root, name):
    """hvac's methods bound to a fresh mount."""
    root.sys.enable_secrets_engine("transit", path=name)

    class Bound:
        mount = name

        def __getattr__(self, method):
            def call(*args, **kwargs):
                return getattr(root.secrets.transit, method)(*args, mount_point=name, **kwargs)

            return call

    yield Bound()
    root.sys.disable_secrets_engine(name)


def test_a_key_lives(root, transit):
    transit.create_key("app", exportable=True, allow_plaintext_backup=True)
    assert transit.list_keys()["data"]["keys"] == ["app"]
    shown = transit.read_key("app")["data"]
    assert shown["type"] == "aes256-gcm96" and list(shown["keys"]) == ["1"] and shown["supports_encryption"] is True
    old = transit.encrypt_data("app", TEXT)["data"]["ciphertext"]
    transit.rotate_key("app")
    assert transit.read_key("app")["data"]["latest_version"] == 2
    new = transit.rewrap_data("app", old)["data"]["ciphertext"]
    assert old.startswith("vault:v1:") and new.startswith("vault:v2:")
    assert transit.decrypt_data("app", new)["data"]["plaintext"] == TEXT
    # hvac's own method wants the second to be larger than the first.
    minimums = {"min_decryption_version": 2, "min_encryption_version": 2}
    root.write_data(f"{transit.mount}/keys/app/config", data=minimums)
    with pytest.raises(exceptions.InvalidRequest):
        transit.decrypt_data("app", old)
    transit.trim_key("app", min_version=2)
    backup = transit.backup_key("app")["data"]["backup"]
    with pytest.raises(exceptions.InvalidRequest):
        transit.delete_key("app")
    transit.update_key_configuration("app", deletion_allowed=True)
    transit.delete_key("app")
    with pytest.raises(exceptions.InvalidPath):
        transit.read_key("app")
    transit.restore_key(backup, name="app")
    assert transit.decrypt_data("app", new)["data"]["plaintext"] == TEXT


@pytest.mark.parametrize("kind", ["aes256-gcm96", "chacha20-poly1305"])
def test_convergent_encryption(transit, kind):
    transit.create_key("k", key_type=kind, derived=True, convergent_encryption=True)
    first = transit.encrypt_data("k", TEXT, context=b64(b"a"))["data"]["ciphertext"]
    assert transit.encrypt_data("k", TEXT, context=b64(b"a"))["data"]["ciphertext"] == first
    assert transit.encrypt_data("k", TEXT, context=b64(b"b"))["data"]["ciphertext"] != first
    with pytest.raises(exceptions.InvalidRequest):
        transit.encrypt_data("k", TEXT)
    with pytest.raises(exceptions.InvalidRequest):
        transit.decrypt_data("k", first, context=b64(b"b"))


def test_batches(transit):
    transit.create_key("k")
    items = [{"plaintext": b64(bytes([n]))} for n in range(5)]
    results = transit.encrypt_data("k", batch_input=items)["data"]["batch_results"]
    back = transit.decrypt_data("k", batch_input=[{"ciphertext": r["ciphertext"]} for r in results])
    assert [r["plaintext"] for r in back["data"]["batch_results"]] == [item["plaintext"] for item in items]
    with pytest.raises(exceptions.InvalidRequest):
        transit.decrypt_data("k", batch_input=[{"ciphertext": results[0]["ciphertext"]}, {"ciphertext": "vault:v1:AAAA"}])


def test_encrypting_makes_a_key_only_for_who_may_create(root, transit, with_token):
    for capabilities, made in (["update"], False), (["create", "update"], True):
        policy = f"{transit.mount}-{made}"
        paths = ", ".join(f'"{c}"' for c in capabilities)
        root.sys.create_or_update_policy(policy, f'path "{transit.mount}/encrypt/*" {{ capabilities = [{paths}] }}')
        token = root.auth.token.create(policies=[policy])["auth"]["client_token"]
        client = with_token(token)
        if made:
            client.secrets.transit.encrypt_data("fresh", TEXT, mount_point=transit.mount)
            assert transit.read_key("fresh")["data"]["latest_version"] == 1
        else:
            with pytest.raises(exceptions.Forbidden):
                client.secrets.transit.encrypt_data("fresh", TEXT, mount_point=transit.mount)
        root.sys.delete_policy(policy)


def test_data_keys(transit):
    transit.create_key("k")
    both = transit.generate_data_key("k", key_type="plaintext")["data"]
    assert len(base64.b64decode(both["plaintext"])) == 32
    assert transit.decrypt_data("k", both["ciphertext"])["data"]["plaintext"] == both["plaintext"]
    assert "plaintext" not in transit.generate_data_key("k", key_type="wrapped", bits=512)["data"]


def signature_of(answer):
    return base64.b64decode(answer["data"]["signature"].split(":")[2])


def public_key(transit, key):
    return transit.read_key(key)["data"]["keys"]["1"]["public_key"]


def test_signatures_that_another_library_checks(transit):
    message = base64.b64decode(TEXT)
    transit.create_key("ec", key_type="ecdsa-p256")
    key = serialization.load_pem_public_key(public_key(transit, "ec").encode())
    for word, algorithm in (("sha2-256", hashes.SHA256()), ("sha2-512", hashes.SHA512()), ("sha2-224", hashes.SHA224())):
        made = transit.sign_data("ec", TEXT, hash_algorithm=word)
        key.verify(signature_of(made), message, ec.ECDSA(algorithm))
        shown = transit.verify_signed_data("ec", TEXT, signature=made["data"]["signature"], hash_algorithm=word)
        assert shown["data"]["valid"] is True

    transit.create_key("rsa", key_type="rsa-2048")
    key = serialization.load_pem_public_key(public_key(transit, "rsa").encode())
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    key.verify(signature_of(transit.sign_data("rsa", TEXT)), message, pss, hashes.SHA256())
    made = transit.sign_data("rsa", TEXT, signature_algorithm="pkcs1v15")
    key.verify(signature_of(made), message, padding.PKCS1v15(), hashes.SHA256())

    transit.create_key("ed", key_type="ed25519")
    key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(transit, "ed")))
    made = transit.sign_data("ed", TEXT)
    key.verify(signature_of(made), message)
    with pytest.raises(InvalidSignature):
        key.verify(signature_of(made), b"other")
    other = transit.verify_signed_data("ed", b64(b"other"), signature=made["data"]["signature"])
    assert other["data"]["valid"] is False


def test_signatures_with_the_longest_salt_verify(transit):
    """Vault itself makes such signatures; those of a server that is moved here stay valid."""
    transit.create_key("rsa", key_type="rsa-2048", exportable=True)
    exported = transit.export_key("rsa", key_type="signing-key")["data"]["keys"]["1"]
    private = serialization.load_pem_private_key(exported.encode(), password=None)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
    made = "vault:v1:" + b64(private.sign(base64.b64decode(TEXT), pss, hashes.SHA256()))
    assert transit.verify_signed_data("rsa", TEXT, signature=made)["data"]["valid"] is True


def test_hmac_hash_random(transit):
    transit.create_key("k")
    made = transit.generate_hmac("k", TEXT, algorithm="sha2-512")["data"]["hmac"]
    assert transit.verify_signed_data("k", TEXT, hmac=made, hash_algorithm="sha2-512")["data"]["valid"] is True
    assert transit.hash_data(b64(b"abc"))["data"]["sum"].startswith("ba7816bf")
    assert len(base64.b64decode(transit.generate_random_bytes(n_bytes=21)["data"]["random_bytes"])) == 21


def test_a_key_of_ones_own(root, transit):
    wrapping = root.read(f"{transit.mount}/wrapping_key")["data"]["public_key"]
    wrapping = serialization.load_pem_public_key(wrapping.encode())
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    ephemeral = bytes(range(32))

    def wrapped(material):
        return b64(wrapping.encrypt(ephemeral, oaep) + aes_key_wrap_with_padding(ephemeral, material))

    own = ec.generate_private_key(ec.SECP384R1())
    pkcs8 = own.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    root.write_data(f"{transit.mount}/keys/own/import", data={"type": "ecdsa-p384", "ciphertext": wrapped(pkcs8)})
    made = transit.sign_data("own", TEXT, hash_algorithm="sha2-384")
    own.public_key().verify(signature_of(made), base64.b64decode(TEXT), ec.ECDSA(hashes.SHA384()))
    root.write_data(f"{transit.mount}/keys/aes/import", data={"type": "aes256-gcm96", "ciphertext": wrapped(b"k" * 32)})
    made = transit.encrypt_data("aes", TEXT)["data"]["ciphertext"]
    assert transit.decrypt_data("aes", made)["data"]["plaintext"] == TEXT
    with pytest.raises(exceptions.InvalidRequest):
        transit.rotate_key("aes")
