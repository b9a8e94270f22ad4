"""Logins with tokens that somebody else signed: static keys, key sets by address, discovery.

The issuer is a small HTTP server on this machine, so those tests need the server under test here as well.
"""

import http.server
import json
import threading
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hvac import exceptions


class Issuer:
    """Signs tokens, and publishes its keys under an address of its own."""

    def __init__(self):
        self.keys, self.documents, self.asked = {}, {}, 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = issuer.documents.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode() if body is not None else b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.documents["/.well-known/openid-configuration"] = {"issuer": self.address, "jwks_uri": self.address + "/keys"}
        self.add("rsa", rsa.generate_private_key(65537, 2048), "RS256")

    def add(self, kid, private, algorithm):
        self.keys[kid] = (private, algorithm)
        published = []
        for name, (key, alg) in self.keys.items():
            make = {"RS": jwt.algorithms.RSAAlgorithm, "ES": jwt.algorithms.ECAlgorithm}[alg[:2]]
            published.append({**json.loads(make.to_jwk(key.public_key())), "kid": name, "use": "sig", "alg": alg})
        self.documents["/keys"] = {"keys": published}

    def pem(self, kid="rsa"):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.keys[kid][0].public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def sign(self, kid="rsa", **changes):
        now = int(time.time())
        claims = {"iss": self.address, "sub": "user-1", "aud": "cardea", "iat": now, "exp": now + 300, "repo": "org/app", **changes}
        private, algorithm = self.keys[kid]
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, private, algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.server.shutdown()


@pytest.fixture
def mount(root, name):
    root.sys.enable_auth_method("jwt", path=name)
    yield name
    root.sys.disable_auth_method(name)


@pytest.fixture
def here(server):
    if urllib.parse.urlparse(server.address).hostname not in ("127.0.0.1", "localhost", "::1"):
        pytest.skip("the issuer is on this machine, the server is not")


def role(root, mount, **fields):
    fields = {"user_claim": "sub", "allowed_redirect_uris": [], "bound_audiences": ["cardea"], **fields}
    return root.auth.jwt.create_role(name="app", role_type="jwt", path=mount, **fields)


def refusal(root, mount, token, kind=exceptions.InvalidRequest):
    with pytest.raises(kind) as refused:
        root.auth.jwt.jwt_login(role="app", jwt=token, path=mount, use_token=False)
    return str(refused.value)


def test_static_keys_and_claims(root, with_token, mount, issuer):
    root.auth.jwt.configure(jwt_validation_pubkeys=[issuer.pem()], bound_issuer=issuer.address, default_role="app", path=mount)
    config = root.auth.jwt.read_config(path=mount)["data"]
    assert config["bound_issuer"] == issuer.address and config["jwks_url"] == "" and len(config["jwt_validation_pubkeys"]) == 1
    role(root, mount, bound_claims={"repo": ["org/app", "org/web"]}, claim_mappings={"repo": "repository"}, token_ttl="20m", token_policies=["default"])
    assert root.auth.jwt.list_roles(path=mount)["data"]["keys"] == ["app"]
    read = root.auth.jwt.read_role(name="app", path=mount)["data"]
    assert read["role_type"] == "jwt" and read["user_claim"] == "sub" and read["bound_claims"] == {"repo": ["org/app", "org/web"]}

    auth = root.auth.jwt.jwt_login(role="app", jwt=issuer.sign(), path=mount, use_token=False)["auth"]
    assert auth["metadata"] == {"role": "app", "repository": "org/app"} and auth["lease_duration"] == 1200
    seen = with_token(auth["client_token"]).auth.token.lookup_self()["data"]
    assert seen["display_name"] == f"{mount}-user-1" and seen["path"] == f"auth/{mount}/login"
    # Without a role the default one.
    raw = root.adapter.post(f"/v1/auth/{mount}/login", json={"jwt": issuer.sign()})
    assert raw["auth"]["metadata"]["role"] == "app"

    for changes, words in [
        ({"aud": "other"}, "audience claim does not match any expected audience"),
        ({"iss": "https://other"}, "invalid issuer (iss) claim"),
        ({"exp": int(time.time()) - 100}, "token is expired"),
        ({"nbf": int(time.time()) + 100}, "token not yet valid"),
        ({"repo": "org/other"}, 'claim "repo" does not match any associated bound claim values'),
        ({"repo": None}, 'claim "repo" is missing'),
        ({"sub": None}, 'claim "sub" not found in token'),
    ]:
        assert words in refusal(root, mount, issuer.sign(**changes)), changes
    parts = issuer.sign().split(".")
    assert "no known key successfully validated the token signature" in refusal(root, mount, ".".join([*parts[:2], parts[2][::-1]]))
    confused = jwt.encode({"sub": "user-1", "aud": "cardea", "exp": int(time.time()) + 60}, "x" * 64, "HS256")
    assert "error validating token" in refusal(root, mount, confused)
    root.auth.jwt.delete_role(name="app", path=mount)


def test_a_role_needs_a_constraint_and_an_audience_needs_to_be_bound(root, mount, issuer):
    root.auth.jwt.configure(jwt_validation_pubkeys=[issuer.pem()], path=mount)
    with pytest.raises(exceptions.InvalidRequest, match="at least one bound constraint"):
        role(root, mount, bound_audiences=None)
    role(root, mount, bound_audiences=None, bound_subject="user-1")
    assert "audience claim found in JWT but no audiences bound to the role" in refusal(root, mount, issuer.sign())
    root.auth.jwt.jwt_login(role="app", jwt=issuer.sign(aud=None), path=mount, use_token=False)


def test_key_sets_by_address_follow_a_rotation(root, mount, issuer, here):
    root.auth.jwt.configure(jwks_url=issuer.address + "/keys", bound_issuer=issuer.address, path=mount)
    role(root, mount)
    root.auth.jwt.jwt_login(role="app", jwt=issuer.sign(), path=mount, use_token=False)
    issuer.add("next", ec.generate_private_key(ec.SECP256R1()), "ES256")
    asked = issuer.asked
    # A set is not fetched again at once, whoever asks; ten seconds later it is, and once.
    for _ in range(5):
        refusal(root, mount, issuer.sign("next"))
    assert issuer.asked == asked
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            root.auth.jwt.jwt_login(role="app", jwt=issuer.sign("next"), path=mount, use_token=False)
            break
        except exceptions.InvalidRequest:
            time.sleep(1)
    else:
        pytest.fail("the new key was not found")
    assert issuer.asked == asked + 1


def test_discovery(root, mount, issuer, here):
    root.auth.jwt.configure(oidc_discovery_url=issuer.address, path=mount)
    role(root, mount)
    root.auth.jwt.jwt_login(role="app", jwt=issuer.sign(), path=mount, use_token=False)


def test_sources_are_checked_when_they_are_configured(root, mount, issuer, here):
    for fields, words in [
        ({"jwks_url": issuer.address + "/absent"}, "error checking jwks URL"),
        ({"oidc_discovery_url": issuer.address + "/other"}, "error checking oidc discovery URL"),
        ({"jwt_validation_pubkeys": ["no key"]}, "error parsing public key"),
        ({}, "exactly one of"),
    ]:
        with pytest.raises(exceptions.InvalidRequest, match=words):
            root.auth.jwt.configure(path=mount, **fields)
