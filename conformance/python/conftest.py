"""The server, clients and throw-away names that every suite shares.

Must never depend on what another test left behind: every test mounts and names its own.
"""

import os
import uuid

import hvac
import pytest

from server_under_test import Server


@pytest.fixture(scope="session")
def server():
    """The server given by VAULT_ADDR and VAULT_TOKEN, or else a dev server of our own, over CONFORMANCE_SCHEME."""
    if os.environ.get("VAULT_ADDR"):
        yield Server(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
        return
    own = Server.dev(os.environ.get("CONFORMANCE_SCHEME", "http"))
    with pytest.MonkeyPatch.context() as patch:
        bundle = own.trust.get("AWS_CA_BUNDLE")
        # What boto3, requests, Python's own client and hvac read.
        for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "VAULT_CACERT"):
            if bundle:
                patch.setenv(variable, bundle)
        yield own
    own.close()


@pytest.fixture
def fresh_server():
    """An uninitialized server; only where this suite may start one."""
    if not os.environ.get("CARDEA_BINARY"):
        pytest.skip("needs a binary to start a sealed server (CARDEA_BINARY)")
    own = Server.uninitialized()
    yield own
    own.close()


@pytest.fixture
def root(server):
    return hvac.Client(url=server.address, token=server.token)


@pytest.fixture
def with_token(server):
    """A client that carries another token (None: no token at all)."""

    def make(token):
        client = hvac.Client(url=server.address)
        client.token = token  # the constructor would fall back to VAULT_TOKEN
        return client

    return make


@pytest.fixture
def name():
    return "c" + uuid.uuid4().hex[:12]


@pytest.fixture
def kv2(root, name):
    """A fresh version-2 key-value mount; gives its path."""
    root.sys.enable_secrets_engine("kv", path=name, options={"version": "2"})
    yield name
    root.sys.disable_secrets_engine(name)


@pytest.fixture
def approle(root, name):
    """A fresh AppRole mount; gives its path."""
    root.sys.enable_auth_method("approle", path=name)
    yield name
    root.sys.disable_auth_method(name)
