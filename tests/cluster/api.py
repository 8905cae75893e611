"""Talking to the real API server of a test, in plain blocking calls."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml
from tests.system.netns import Namespace

from roost.kubernetes.definitions import definitions

DEADLINE = 30.0  # seconds; generous, the machines are shared
NAMESPACE = "metallb-system"
_DEPLOY = Path(__file__).parents[2] / "deploy"
METALLB = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}"


class Client:
    """One account at the API server."""

    def __init__(self, kubeconfig: Path, inside: Namespace | None = None) -> None:
        self._inside = inside
        document = yaml.safe_load(kubeconfig.read_text())
        self.kubeconfig = kubeconfig
        self._server = document["clusters"][0]["cluster"]["server"]
        self._token = document["users"][0]["user"]["token"]
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        request = Request(self._server + path, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", kind)
        data = None if body is None else json.dumps(body).encode()
        with (
            self._inside.entered() if self._inside else nullcontext(),
            urlopen(request, data, timeout=20, context=self._tls) as answer,
        ):
            return json.load(answer)

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def create(self, path: str, body: Any) -> Any:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self.ask("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        self.ask("DELETE", path)

    def items(self, path: str) -> list[Any]:
        found: list[Any] = self.get(path)["items"]
        return found

    def pool(self, name: str, *addresses: str, **spec: Any) -> Any:
        body = _object("metallb.io/v1beta1", "IPAddressPool", name, {"addresses": list(addresses), **spec})
        return self.create(f"{METALLB}/ipaddresspools", body)

    def advertisement(self, name: str, **spec: Any) -> Any:
        return self.create(
            f"{METALLB}/l2advertisements", _object("metallb.io/v1beta1", "L2Advertisement", name, spec)
        )

    def service(self, name: str, *, annotations: dict[str, str] | None = None, **spec: Any) -> Any:
        full = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}} | spec
        body = _object("v1", "Service", name, full)
        body["metadata"]["annotations"] = annotations or {}
        return self.create("/api/v1/namespaces/default/services", body)

    def ingress(self, name: str) -> list[str]:
        status = self.get(f"/api/v1/namespaces/default/services/{name}")["status"]
        return [each["ip"] for each in status["loadBalancer"].get("ingress", ())]

    def events(self, name: str) -> list[tuple[str, str]]:
        found = self.items("/api/v1/namespaces/default/events")
        return [(each["reason"], each["message"]) for each in found if each["involvedObject"]["name"] == name]

    def allow(self, account: str, rules: list[tuple[str, str, str]]) -> None:
        """Grant rights in the whole cluster: (API group, resources, verbs)."""
        group = "rbac.authorization.k8s.io"
        path = f"/apis/{group}/v1"
        granted = [
            {"apiGroups": [each], "resources": resources.split(), "verbs": verbs.split()}
            for each, resources, verbs in rules
        ]
        self.create(f"{path}/clusterroles", {"metadata": {"name": account}, "rules": granted})
        binding = {
            "metadata": {"name": account},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": account},
            "subjects": [{"apiGroup": group, "kind": "User", "name": account}],
        }
        self.create(f"{path}/clusterrolebindings", binding)

    def empty(self) -> None:
        """Delete all that tests make."""
        for path in (f"{METALLB}/ipaddresspools", f"{METALLB}/l2advertisements"):
            for item in self.items(path):
                self.delete(f"{path}/{item['metadata']['name']}")
        services = "/api/v1/namespaces/default/services"
        for item in self.items(services):
            name = item["metadata"]["name"]
            if item["metadata"].get("finalizers"):
                self.patch(f"{services}/{name}", {"metadata": {"finalizers": None}})
            self.delete(f"{services}/{name}")


def _object(version: str, kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Poll until `condition()` is truthy and return that; an AssertionError names `what`."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise AssertionError(f"not within {deadline} s: {what}")


def grant(client: Client) -> None:
    """Give the accounts `roost-controller` and `roost-speaker` exactly the rights of the manifests."""
    kinds = {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
        "Role": f"namespaces/{NAMESPACE}/roles",
        "RoleBinding": f"namespaces/{NAMESPACE}/rolebindings",
    }
    for item in yaml.safe_load_all((_DEPLOY / "manifests" / "rbac.yaml").read_text()):
        if item["kind"] not in kinds:
            continue
        for subject in item.get("subjects", ()):
            subject["kind"], subject["name"] = "User", f"roost-{subject['name']}"
            subject.pop("namespace")
            subject["apiGroup"] = "rbac.authorization.k8s.io"
        client.create(f"/apis/rbac.authorization.k8s.io/v1/{kinds[item['kind']]}", item)


def served(client: Client, path: str) -> bool:
    """Tell whether there is something at `path`."""
    return not missing(client, path)


def missing(client: Client, path: str) -> bool:
    """Tell whether there is nothing at `path`."""
    try:
        client.get(path)
    except HTTPError as error:
        return error.code == 404
    return False


@contextmanager
def roost(*arguments: str, kubeconfig: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a `roost` command against a cluster until the end of the block."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "METALLB_NAMESPACE": NAMESPACE}
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "roost", *arguments], env=environment, stdout=sink, stderr=sink
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def prepare(client: Client) -> None:
    """Make a fresh API server know MetalLB's kinds and namespace."""
    client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for definition in definitions():
        client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    for plural in ("ipaddresspools", "l2advertisements", "servicel2statuses", "communities"):
        path = f"{METALLB}/{plural}"
        until(partial(served, client, path), f"{plural} are served")
    grant(client)
