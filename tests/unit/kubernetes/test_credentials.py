"""How the API server is reached: kubeconfigs of all sorts, and what is said of bad ones."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.kubernetes.credentials import CredentialsError, find


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> dict[str, str]:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "http://192.0.2.1:8080"} | cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return {"KUBECONFIG": str(path)}


def token(environment: dict[str, str]) -> str:
    return asyncio.run(find(environment).token())


def test_tokens(tmp_path: Path) -> None:
    assert token(kubeconfig(tmp_path, {"token": "secret"})) == "secret"
    (tmp_path / "file").write_text("from a file\n")
    assert token(kubeconfig(tmp_path, {"tokenFile": "file"})) == "from a file"
    assert token(kubeconfig(tmp_path, {})) == ""


def test_a_credential_plugin(tmp_path: Path) -> None:
    program = "import os; print('{\"status\": {\"token\": \"' + os.environ['WHO'] + '\"}}')"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", program],
        "env": [{"name": "WHO", "value": "plugin"}],
    }
    assert token(kubeconfig(tmp_path, {"exec": plugin})) == "plugin"
    with pytest.raises(CredentialsError, match="gave no token"):
        token(kubeconfig(tmp_path, {"exec": plugin | {"args": ["-c", "print(1)"]}}))
    with pytest.raises(CredentialsError, match="gave no token"):
        token(kubeconfig(tmp_path, {"exec": plugin | {"env": 5}}))


def test_namespace_and_server(tmp_path: Path) -> None:
    found = find(kubeconfig(tmp_path, {}))
    assert (found.server, found.namespace, found.tls) == ("http://192.0.2.1:8080", "n", None)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = find(kubeconfig(tmp_path, {"token": "secret"}))
    asyncio.run(found.token())
    assert "secret" not in repr(found)


USED = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "no YAML"),
        ("- a", "no kubeconfig"),
        ("{}", "contexts has no entry named None"),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]",
            "clusters has no entry named 'c'",
        ),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
            "clusters: [{name: c, cluster: {server: 'ftp://x'}}]",
            "no http",
        ),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
            "clusters: [{name: c, cluster: {server: 'https://x', certificate-authority: /no/such}}]",
            "certificates cannot be used",
        ),
        ("contexts: 5\ncurrent-context: 5", "contexts has no entry"),
        ("current-context: x\ncontexts: [{name: x, context: [1]}]", "context of 'x' is no mapping"),
        (USED + "clusters: [{name: c, cluster: {server: 'http://['}}]\nusers: [{name: u}]", "no http"),
        (
            USED
            + "users: [{name: u}]\n"
            + "clusters: [{name: c, cluster: {server: 'https://x', certificate-authority-data: 5}}]",
            "certif",
        ),
        (
            USED
            + "clusters: [{name: c, cluster: {server: 'http://x'}}]\nusers: [{name: u, user: {exec: 5}}]",
            "exec",
        ),
        ("a: &a [*a]", "alias"),
        ("[" * 100_000, "deeper"),
        ("#" * (5 << 20), "larger than"),
    ],
)
def test_bad_ones(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(CredentialsError, match=says):
        find({"KUBECONFIG": str(path)})


def test_nothing_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="set KUBECONFIG"):
        find({})
    with pytest.raises(CredentialsError, match="cannot be read"):
        find({"KUBECONFIG": str(tmp_path / "none")})
