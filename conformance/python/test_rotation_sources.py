"""Secrets that rotate at a provider with an HTTP API, and by a webhook: small servers on this machine that do what an owner's would.

They listen on this machine, so the server under test has to be here as well.
"""

import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest
from hvac import exceptions

WAIT_LIMIT_S = 20  # a step that failed is tried again after a second or two
ADMIN = "admin-of-the-provider"
SIGNING = "a secret for signatures, 0123456789"


class Listener:
    """A server whose answers are `answer(method, path, headers, body)`; a status of None hangs up without an answer."""

    def __init__(self):
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                length = int(self.headers.get("content-length") or 0)
                status, body = listener.answer(self.command, self.path, self.headers, self.rfile.read(length))
                if status is None:
                    return self.connection.close()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Provider(Listener):
    """Makes, lists and revokes keys of users."""

    def __init__(self):
        self.keys, self.made, self.lose = {}, 1000, 0
        super().__init__()

    def answer(self, method, path, headers, body):
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if path == "/v1/me":
            return (200, {}) if any(key["secret"] == bearer for key in self.keys.values()) else (401, {})
        if bearer != ADMIN:
            return 401, {}
        if method == "POST":
            self.made += 1
            number = str(self.made)
            self.keys[number] = {"id": number, "secret": "sk_" + number, "label": json.loads(body)["label"]}
            if self.lose:
                self.lose -= 1
                return None, None
            return 201, {"key": self.keys[number]}
        if method == "DELETE":
            return (204, {}) if self.keys.pop(path.rsplit("/", 1)[1], None) else (404, {})
        return 200, [{"id": key["id"], "label": key["label"]} for key in self.keys.values()]

    def declaration(self):
        return {
            "address": self.address + "/v1",
            "admin_token": ADMIN,
            "headers": {"authorization": "Bearer {{admin_token}}"},
            "create": {
                "request": {"method": "POST", "path": "/users/{{username}}/keys", "json": {"label": "cardea-{{token}}"}},
                "id": "/key/id", "value": "/key/secret",
            },
            "test": {"request": {"method": "GET", "path": "/me", "headers": {"authorization": "Bearer {{value}}"}}},
            "revoke": {"request": {"method": "DELETE", "path": "/users/{{username}}/keys/{{id}}"}},
            "find": {
                "request": {"method": "GET", "path": "/users/{{username}}/keys"},
                "id": "/id", "label": "/label", "label_is": "cardea-{{token}}",
            },
        }


class Receiver(Listener):
    """The steps of a webhook over a source that takes any password; believes only what is signed and of now."""

    def __init__(self):
        self.open, self.made, self.steps = set(), {}, []
        super().__init__()

    def answer(self, method, path, headers, body):
        stamp = headers["cardea-timestamp"]
        expected = hmac.new(SIGNING.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest("v1=" + expected, headers["cardea-signature"]) or abs(time.time() - int(stamp)) > 300:
            return 401, {}
        asked = json.loads(body)
        self.steps.append(asked["Step"])
        if asked["Step"] == "createSecret":
            token = asked["SecretId"], asked["ClientRequestToken"]
            self.made.setdefault(token, f"made-{len(self.made)}")
            return 200, {"status": "done", "value": {"password": self.made[token]}}
        if asked["Step"] == "setSecret":
            self.open.add(asked["Pending"]["password"])
        if asked["Step"] == "testSecret" and asked["Pending"]["password"] not in self.open:
            return 200, {"status": "rotator-refused"}
        if asked["Step"] == "retireSecret":
            self.open.discard(asked["Old"]["password"])
        return 200, {"status": "done"}


@pytest.fixture
def listening():
    started = []

    def start(kind):
        started.append(kind())
        return started[-1]

    yield start
    for one in started:
        one.close()


def rotate(root, kv2, path, **wish):
    """Begins a change and waits until the status says that it is over."""
    root.write_data(f"{kv2}/rotate/{path}", data=wish)
    deadline = time.monotonic() + WAIT_LIMIT_S
    while time.monotonic() < deadline:
        status = root.read(f"{kv2}/rotation/{path}")["data"]
        if status["state"] == "idle":
            return status
        time.sleep(0.05)
    raise AssertionError(f"not over in time: {status}")


def value(root, kv2, path):
    return root.secrets.kv.v2.read_secret_version(path=path, mount_point=kv2, raise_on_deleted_version=True)["data"]["data"]


def test_a_key_is_made_at_a_provider_and_the_old_one_revoked(root, kv2, name, listening):
    provider = listening(Provider)
    mount = name + "p"
    root.sys.enable_secrets_engine("http-provider", path=mount)
    root.write_data(f"{mount}/config/acme", data=provider.declaration())
    assert ADMIN not in json.dumps(root.read(f"{mount}/config/acme"))
    root.secrets.kv.v2.create_or_update_secret("billing", {"username": "billing", "region": "eu"}, mount_point=kv2)
    settings = {"rotator": f"{mount}/acme", "username": "billing", "strategy": "new-key"}
    assert root.write_data(f"{kv2}/rotation/billing", data=settings)["data"]["retire_bar"] == "time"

    # The first key: nothing waits for the end of one before. The provider makes it and hangs up: it is found, revoked, and
    # another one made.
    provider.lose = 1
    rotate(root, kv2, "billing")
    first = value(root, kv2, "billing")
    assert (first["username"], first["region"]) == ("billing", "eu")
    assert {key: made["secret"] for key, made in provider.keys.items()} == {first["key_id"]: first["key"]}

    # The next one, and the end of the first at once.
    rotate(root, kv2, "billing", emergency=True)
    second = value(root, kv2, "billing")
    assert second["key_id"] != first["key_id"]
    assert list(provider.keys) == [second["key_id"]]
    root.sys.disable_secrets_engine(mount)


def test_a_declaration_that_could_lose_a_key_is_refused(root, name, listening):
    declared = listening(Provider).declaration()
    root.sys.enable_secrets_engine("http-provider", path=name)
    del declared["find"]
    with pytest.raises(exceptions.InvalidRequest, match="could not be found again"):
        root.write_data(f"{name}/config/acme", data=declared)
    root.sys.disable_secrets_engine(name)


def test_a_webhook_does_the_steps(root, kv2, name, listening):
    receiver = listening(Receiver)
    receiver.open.add("first")
    mount = name + "w"
    root.sys.enable_secrets_engine("webhook", path=mount)
    root.write_data(f"{mount}/config/orders", data={"address": receiver.address + "/cardea", "secret": SIGNING})
    assert SIGNING not in json.dumps(root.read(f"{mount}/config/orders"))
    root.secrets.kv.v2.create_or_update_secret("orders", {"username": "orders", "password": "first"}, mount_point=kv2)
    settings = {"rotator": f"{mount}/orders", "username": "orders", "strategy": "new-key"}
    root.write_data(f"{kv2}/rotation/orders", data=settings)
    rotate(root, kv2, "orders", emergency=True)
    assert value(root, kv2, "orders")["password"] == "made-0"
    assert receiver.open == {"made-0"}
    assert receiver.steps == ["createSecret", "setSecret", "testSecret", "finishSecret", "retireSecret"]
    root.sys.disable_secrets_engine(mount)
