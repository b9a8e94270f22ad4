"""Starts and stops a server for the suites, or names the one that the environment gives.

Must never stop a process that it did not start, and must never leave one behind.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import requests

START_LIMIT_S = 20  # a debug binary on a busy machine takes a few seconds
STOP_LIMIT_S = 10
DEV_ROOT_TOKEN = "conformance-root"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server: an address, and if it is ours, a process in a directory of its own."""

    def __init__(self, address, token=None):
        self.address, self.token = address, token
        self.trust = {}  # what AWS's clients read beside the address
        self.process = self.directory = None

    @property
    def is_ours(self):
        return self.process is not None

    def _spawn(self, arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "CARDEA_"))}
        environment["HOME"] = str(self.directory)  # a dev server stores its token at home
        with open(self.directory / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["CARDEA_BINARY"], "server", *arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=self.directory,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                trusted = self.trust.get("AWS_CA_BUNDLE", True)
                health = requests.get(self.address + "/v1/sys/health", timeout=2, verify=trusted).status_code
                if self.token is None or health == 200:  # a dev server listens before it is unsealed
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        log = (self.directory / "server.log").read_text()
        self.close()
        raise RuntimeError("the server did not listen in time; its log:\n" + log)

    @classmethod
    def dev(cls, scheme="http"):
        port = free_port()
        server = cls(f"http://127.0.0.1:{port}", DEV_ROOT_TOKEN)
        server.directory = Path(tempfile.mkdtemp(prefix="conformance-"))
        server.arguments = ["-dev", f"-dev-root-token-id={DEV_ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}"]
        if scheme == "https":
            server.encrypt()
        server._spawn(server.arguments)
        return server

    def encrypt(self):
        """Another listener, with a certificate of a private authority: the address from now on."""
        port, folder = free_port(), self.directory
        subprocess.run([Path(__file__).parent.parent / "private_ca.sh", folder], check=True)
        (folder / "tls.hcl").write_text(
            f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n'
            f'  tls_cert_file = "{folder}/cert.pem"\n  tls_key_file = "{folder}/key.pem"\n}}\n'
        )
        self.arguments.append(f"-config={folder}/tls.hcl")
        self.address, self.trust = f"https://localhost:{port}", {"AWS_CA_BUNDLE": str(folder / "ca.pem")}

    @classmethod
    def uninitialized(cls, more=""):
        """A server on the embedded store that nobody has initialized yet, with more lines in its configuration."""
        port = free_port()
        server = cls(f"http://127.0.0.1:{port}")
        server.directory = Path(tempfile.mkdtemp(prefix="conformance-"))
        config = server.directory / "cardea.hcl"
        config.write_text(
            f'storage "embedded" {{ path = "{server.directory}/data" }}\n'
            f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n  tls_disable = true\n}}\n'
            f'api_addr = "{server.address}"\n'
            "disable_mlock = true\n" + more
        )
        server.arguments = [f"-config={config}"]
        server._spawn(server.arguments)
        return server

    def restart(self):
        self._stop()
        self._spawn(self.arguments)

    def _stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        self._stop()
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
