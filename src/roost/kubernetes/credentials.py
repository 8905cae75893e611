"""How to reach the API server: from a kubeconfig, or from inside a pod."""

import asyncio
import base64
import binascii
import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from roost.kubernetes.documents import only_document

__all__ = ["Credentials", "CredentialsError", "find", "in_kubeconfig"]

_IN_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REREAD: Final = 60.0  # seconds after which a token's file is read again: the kubelet renews it
_PLUGIN_DEADLINE: Final = 30.0  # seconds
_MOST: Final = 4 << 20  # bytes of a kubeconfig


class CredentialsError(Exception):
    """No way to the API server can be worked out; the text says what is missing and where."""


@dataclass(slots=True)
class Credentials:
    """Where the API server is and who we are there; `namespace` is the context's or the pod's own."""

    server: str
    tls: ssl.SSLContext | None
    namespace: str = ""
    _token: Callable[[], str] | None = field(default=None, repr=False)
    _cached: str = field(default="", repr=False)
    _until: float = 0.0

    async def token(self) -> str:
        """Return the bearer token for now, or "" where a certificate speaks for us."""
        if self._token is None:
            return ""
        if time.monotonic() >= self._until:
            self._cached = await asyncio.to_thread(self._token)
            self._until = time.monotonic() + _REREAD
        return self._cached


def find(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials that KUBECONFIG names, or the pod's, or those of ~/.kube/config.

    Raises CredentialsError.
    """
    if named := environment.get("KUBECONFIG"):
        return _from_kubeconfig(Path(named.split(os.pathsep)[0]))
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return _from_pod(environment)
    default = Path("~/.kube/config").expanduser()
    if default.exists():
        return _from_kubeconfig(default)
    raise CredentialsError("no API server is known: set KUBECONFIG, or run in a pod with a service account")


def _from_pod(environment: Mapping[str, str]) -> Credentials:
    host = environment["KUBERNETES_SERVICE_HOST"]
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    name = f"[{host}]" if ":" in host else host
    token, authority, namespace = (_IN_POD / each for each in ("token", "ca.crt", "namespace"))
    if not token.exists():
        raise CredentialsError(f"{token} is missing: the pod needs a service account with a token")
    tls = ssl.create_default_context(cafile=str(authority))
    return Credentials(
        f"https://{name}:{port}",
        tls,
        namespace.read_text().strip() if namespace.exists() else "",
        lambda: token.read_text().strip(),
    )


def _from_kubeconfig(path: Path) -> Credentials:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path} cannot be read: {error}") from error
    if len(data) > _MOST:
        raise CredentialsError(f"{path} is larger than {_MOST >> 20} MiB: is it the right file?")
    return in_kubeconfig(data, path)


def in_kubeconfig(data: bytes, path: Path) -> Credentials:
    """Return the credentials in what the kubeconfig at `path` holds. Raises CredentialsError."""
    try:
        document = only_document(data.decode())
    except ValueError as error:
        raise CredentialsError(f"{path} {error}") from error
    if not isinstance(document, dict):
        raise CredentialsError(f"{path} is no kubeconfig")
    context = _named(document, path, "contexts", "context", document.get("current-context"))
    cluster = _named(document, path, "clusters", "cluster", context.get("cluster"))
    user = _named(document, path, "users", "user", context["user"]) if context.get("user") else {}
    server = str(cluster.get("server", "")).rstrip("/")
    if not _is_url(server):
        raise CredentialsError(f"{path}: cluster.server {server[:200]!r} is no http(s) URL")
    try:
        tls = _tls(cluster, user, path.parent) if server.startswith("https") else None
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError
        raise CredentialsError(f"{path}: certificates cannot be used: {error}") from error
    return Credentials(server, tls, str(context.get("namespace") or ""), _token_of(user, path))


def _named(document: Mapping[str, Any], path: Path, plural: str, inner: str, name: object) -> dict[str, Any]:
    listed = document.get(plural)
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("name") == name:
            found = each.get(inner) or {}
            if not isinstance(found, dict):
                raise CredentialsError(f"{path}: {inner} of {name!r:.200} is no mapping")
            return found
    raise CredentialsError(f"{path}: {plural} has no entry named {name!r:.200}")


def _is_url(server: str) -> bool:
    try:
        return urlsplit(server).scheme in ("http", "https")
    except ValueError:
        return False


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority", folder)
    tls = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = (_content(user, f"client-{each}", folder) for each in ("certificate", "key"))
    if certificate and key:
        _load_pair(tls, certificate, key)
    return tls


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client's certificate; ssl reads files only, so they exist for a moment, for us alone."""
    with tempfile.TemporaryDirectory() as folder:
        chain, secret = Path(folder, "crt"), Path(folder, "key")
        chain.write_bytes(certificate)
        secret.touch(mode=0o600)
        secret.write_bytes(key)
        tls.load_cert_chain(chain, secret)


def _content(section: Mapping[str, Any], name: str, folder: Path) -> bytes:
    if data := section.get(f"{name}-data"):
        try:
            return base64.b64decode(data)
        except binascii.Error as error:
            raise ValueError(f"{name}-data is no base64") from error
    return (folder / str(section[name])).read_bytes() if section.get(name) else b""


def _token_of(user: Mapping[str, Any], path: Path) -> Callable[[], str] | None:
    if token := user.get("token"):
        return lambda: str(token)
    if file := user.get("tokenFile"):
        return lambda: (path.parent / str(file)).read_text().strip()
    if plugin := user.get("exec"):
        if not isinstance(plugin, dict) or not isinstance(plugin.get("command"), str):
            raise CredentialsError(f"{path}: exec names no command")
        return lambda: _token_of_plugin(plugin)
    return None


def _token_of_plugin(plugin: Mapping[str, Any]) -> str:
    """Ask a credential plugin, as kubectl does (client.authentication.k8s.io). Raises CredentialsError."""
    import subprocess  # noqa: PLC0415 - a rare way in, which no other process should pay for

    request = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    try:
        command = [plugin["command"], *map(str, plugin.get("args") or ())]
        extra = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or ()}
        done = subprocess.run(  # noqa: S603 - the user's own kubeconfig names the command
            command,
            env={**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            capture_output=True,
            timeout=_PLUGIN_DEADLINE,
            check=True,
        )
        return str(json.loads(done.stdout)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CredentialsError(f"the credential plugin {plugin['command']} gave no token: {error}") from error
