"""A real control plane as plain processes: etcd and kube-apiserver, on one address, in one folder."""

import base64
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from roost.lab.components.find import find

__all__ = ["ControlPlane", "ControlPlaneError"]

_READY_WITHIN: Final = 60.0  # seconds; six on an idle machine
_ACCOUNTS: Final = {"admin": "system:masters", "system:kube-proxy": "system:node-proxier"}


class ControlPlaneError(Exception):
    """The control plane did not start; the text holds the end of the log that says why."""


class ControlPlane:
    """An API server on `host`:`port` whose files, logs and kubeconfigs are in `folder`.

    `inside` is a command that runs another one in a network namespace; `accounts` adds users with their group
    ("" for none) to `admin` and kube-proxy's. Ports: `port`, and the next two for etcd.
    """

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        port: int = 6443,
        *,
        inside: Sequence[str] = (),
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.server = f"https://{host}:{port}"
        self._host, self._port = host, port
        self._inside = list(inside)
        self._accounts = {**_ACCOUNTS, **(accounts or {})}
        self._tokens = {name: secrets.token_urlsafe(16) for name in self._accounts}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything and wait until it answers. Raises ControlPlaneError, MissingComponentError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_keys()
        self.start_etcd()
        self.start_api_server()

    def start_etcd(self) -> None:
        """Start etcd on what its folder holds."""
        client, peer = (f"http://{self._host}:{self._port + at}" for at in (1, 2))
        self._spawn(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        )

    def start_api_server(self) -> None:
        """Start the API server and wait until it is ready."""
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://{self._host}:{self._port + 1}",
            f"--bind-address={self._host}",
            f"--advertise-address={self._host}",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=198.18.0.0/16,2001:db8:96::/112",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--enable-aggregator-routing=true",  # webhooks are reached at their endpoints, without a proxy
            "--allow-privileged=true",
            "--v=1",
        )
        self._wait_until_ready()

    def kill(self, name: str) -> None:
        """End one component at once, `etcd` or `kube-apiserver`."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End everything."""
        for name in ("kube-apiserver", "etcd"):
            if name in self._processes:
                self.kill(name)

    def kubeconfig(self, account: str = "admin") -> Path:
        """Return the path of a kubeconfig that speaks for `account`."""
        path = self.folder / f"{account.replace(':', '-')}.kubeconfig"
        authority = (self.folder / "certificates" / "apiserver.crt").read_bytes()
        cluster = {
            "server": self.server,
            "certificate-authority-data": base64.b64encode(authority).decode(),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "roost", "cluster": cluster}],
            "users": [{"name": account, "user": {"token": self._tokens[account]}}],
            "contexts": [{"name": "roost", "context": {"cluster": "roost", "user": account}}],
            "current-context": "roost",
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document))
        return path

    def resident(self, name: str) -> int:
        """Return the resident memory of a component in bytes."""
        status = Path(f"/proc/{self._processes[name].pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) << 10

    def _write_keys(self) -> None:
        tokens = [
            f'{token},{name},{name},"{self._accounts[name]}"'
            if self._accounts[name]
            else f"{token},{name},{name}"
            for name, token in self._tokens.items()
        ]
        for name, text in (("tokens.csv", "\n".join(tokens).encode()), ("accounts.key", _private_key())):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(text)

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*self._inside, str(find(name)), *arguments], stdout=log, stderr=log, cwd=self.folder
            )

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            if self._processes["kube-apiserver"].poll() is not None:
                break
            if self._is_ready():
                return
            time.sleep(0.1)
        log = (self.folder / "kube-apiserver.log").read_text(errors="replace")
        self.stop()
        raise ControlPlaneError(f"the API server did not become ready: ...{log[-800:]}")

    def _is_ready(self) -> bool:
        """Ask `/readyz`, from inside the same network namespace."""
        probe = [
            *self._inside,
            sys.executable,
            "-c",
            "import ssl,sys,urllib.request as r;c=ssl._create_unverified_context();"
            "q=r.Request(sys.argv[1],headers={'Authorization':'Bearer '+sys.argv[2]});"
            "sys.exit(r.urlopen(q,context=c,timeout=2).status!=200)",
            f"{self.server}/readyz",
            self._tokens["admin"],
        ]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
