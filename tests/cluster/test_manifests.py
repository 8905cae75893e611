"""A real API server takes what is in deploy/, without a field that it does not know."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml
from tests.cluster.api import NAMESPACE, Client, served, until
from tests.cluster.nodes import KubeLan
from tests.system.netns import NETNS

pytestmark = [*NETNS, pytest.mark.timeout(120)]

DEPLOY = Path(__file__).parents[2] / "deploy"
GROUPS = {
    "v1": "api/v1",
    "apps/v1": "apis/apps/v1",
    "policy/v1": "apis/policy/v1",
    "networking.k8s.io/v1": "apis/networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1": "apis/rbac.authorization.k8s.io/v1",
    "admissionregistration.k8s.io/v1": "apis/admissionregistration.k8s.io/v1",
    "monitoring.coreos.com/v1": "apis/monitoring.coreos.com/v1",
}
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
CLUSTER_WIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration")


@pytest.fixture(scope="module")
def monitored(two_networks: KubeLan) -> None:
    """The cluster knows the kinds of the Prometheus operator, by its own definitions."""
    try:
        command = ["go", "mod", "download", "-json", OPERATOR]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", timeout=100)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the Prometheus operator's definitions are not to be had: {error}")
    folder = Path(json.loads(done.stdout)["Dir"]) / "example" / "prometheus-operator-crd"
    for plural in ("prometheusrules", "servicemonitors", "podmonitors"):
        text = (folder / f"monitoring.coreos.com_{plural}.yaml").read_text()
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        two_networks.api.create(path, yaml.load(text, yaml.CSafeLoader))
        known = f"/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/{plural}"
        until(partial(served, two_networks.api, known), f"{plural} are served")


def take(api: Client, item: Any) -> None:
    """Let the API server judge an object, and keep nothing of it; raises HTTPError."""
    kind = item["kind"]
    plural = kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"
    place = "" if kind in CLUSTER_WIDE else f"/namespaces/{NAMESPACE}"
    path = f"/{GROUPS[item['apiVersion']]}{place}/{plural}?dryRun=All&fieldValidation=Strict"
    try:
        api.create(path, item)
    except HTTPError as error:
        if error.code != 409:  # it is there already
            raise AssertionError(
                f"{kind} {item['metadata']['name']}: {json.load(error)['message']}"
            ) from error


def judged(lan: KubeLan, items: list[Any]) -> int:
    count = 0
    for item in items:
        if item:
            take(lan.api, item)
            count += 1
    return count


@pytest.mark.usefixtures("monitored")
def test_manifests(lan: KubeLan) -> None:
    files = [*(DEPLOY / "manifests").glob("*.yaml"), *(DEPLOY / "networkpolicies").glob("*.yaml")]
    files += (DEPLOY / "prometheus").glob("*.yaml")
    items = [item for file in sorted(files) for item in yaml.safe_load_all(file.read_text())]
    assert judged(lan, items) > 15
    assert {"NetworkPolicy", "PodMonitor", "PrometheusRule"} <= {item["kind"] for item in items}
    rule = next(item for item in items if item["kind"] == "PrometheusRule")
    rule["spec"]["groups"][0]["rules"][0]["expression"] = "1"
    with pytest.raises(AssertionError, match=r'unknown field "spec\.groups\[0\]\.rules\[0\]\.expression"'):
        take(lan.api, rule)
    policy = next(item for item in items if item["kind"] == "NetworkPolicy")
    policy["spec"]["ingres"] = policy["spec"].pop("ingress")
    with pytest.raises(AssertionError, match=r'unknown field "spec\.ingres"'):
        take(lan.api, policy)


@pytest.mark.usefixtures("monitored")
@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_the_chart(lan: KubeLan) -> None:
    for values in (
        "",
        "networkpolicies.enabled=true,networkpolicies.defaultDeny=true,speaker.answerPing=true",
        "prometheus.prometheusRule.enabled=true,prometheus.podMonitor.enabled=true,tls.speakerMetricsTLSSecret=a,tls.controllerMetricsTLSSecret=b",
        "prometheus.serviceMonitor.enabled=true,prometheus.scrapeAnnotations=true,prometheus.metricsPort=9999",
    ):
        command = ["helm", "template", "roost", str(DEPLOY / "chart"), "-n", NAMESPACE]
        command += ["--kube-version=1.35.0", f"--set={values}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert judged(lan, list(yaml.safe_load_all(done.stdout))) > 10
