"""What is in deploy/: files that are written by code are as it would write them, and all hang together."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.kubernetes.definitions import definitions

DEPLOY = Path(__file__).parents[2] / "deploy"


def documents(path: Path) -> list[Any]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def test_the_definitions_are_what_the_code_says() -> None:
    written = {path.stem: documents(path) for path in (DEPLOY / "crds").glob("*.yaml")}
    del written["kustomization"]
    assert written == {each["spec"]["names"]["plural"]: [each] for each in definitions()}
    listed = documents(DEPLOY / "crds" / "kustomization.yaml")[0]["resources"]
    assert sorted(listed) == sorted(f"{plural}.yaml" for plural in written)


def test_definitions_carry_what_metallb_publishes() -> None:
    found = {each["spec"]["names"]["kind"]: each["spec"]["versions"][0] for each in definitions()}
    assert all(version["name"] == "v1beta1" for version in found.values())
    assert all(version["subresources"] == {"status": {}} for version in found.values())
    pool = found["IPAddressPool"]["schema"]["openAPIV3Schema"]
    assert pool["required"] == ["spec"]
    spec = pool["properties"]["spec"]
    assert spec["required"] == ["addresses"]
    assert (spec["properties"]["autoAssign"]["default"], spec["properties"]["avoidBuggyIPs"]["default"]) == (
        True,
        False,
    )
    columns = [column["name"] for column in found["IPAddressPool"]["additionalPrinterColumns"]]
    assert columns == ["Auto Assign", "Avoid Buggy IPs", "Addresses"]
    assert "additionalPrinterColumns" not in found["Community"]
    assert found["L2Advertisement"]["additionalPrinterColumns"][3]["priority"] == 10


def test_manifests_give_the_least_that_works() -> None:
    speaker = next(
        each for each in documents(DEPLOY / "manifests" / "speaker.yaml") if each["kind"] == "DaemonSet"
    )
    (container,) = speaker["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    controller = documents(DEPLOY / "manifests" / "controller.yaml")[0]
    (container,) = controller["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    for rule in (
        rule for each in documents(DEPLOY / "manifests" / "rbac.yaml") for rule in each.get("rules", ())
    ):
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_all_of_it() -> None:
    done = subprocess.run(["kubectl", "kustomize", DEPLOY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout)]
    assert kinds.count("CustomResourceDefinition") == 5
    assert {"DaemonSet", "Deployment", "ValidatingWebhookConfiguration", "PodDisruptionBudget"} <= set(kinds)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_component_adds_what_the_kernels_answers_take_and_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    file = tmp_path / "deploy" / "kustomization.yaml"
    file.write_text(file.read_text().replace("# components:", "components:"))
    plain, patched = (
        [
            each
            for each in yaml.safe_load_all(
                subprocess.run(["kubectl", "kustomize", folder], capture_output=True, check=True).stdout
            )
            if each
        ]
        for folder in (DEPLOY, tmp_path / "deploy")
    )
    (speaker,) = (each for each in plain if each["kind"] == "DaemonSet")
    added = speaker["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    assert added == ["NET_RAW"]
    added += ["NET_ADMIN", "BPF"]
    assert patched == plain


def test_the_image_has_what_metallbs_manifests_call() -> None:
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text()
    for part, command in (("controller", "roost controller"), ("speaker", "roost speaker --kubernetes")):
        assert f"deploy/image/{part} /{part}" in dockerfile
        assert f'exec {command} "$@"' in (DEPLOY / "image" / part).read_text()


def chart(*options: str) -> tuple[int, list[Any], str]:
    command = ["helm", "template", "r", str(DEPLOY / "chart"), "-n", "ns", "--kube-version=1.31.0", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [each for each in yaml.safe_load_all(done.stdout) if each] if done.returncode == 0 else []
    return done.returncode, found, done.stderr


def only(found: list[Any], kind: str) -> Any:
    (one,) = [each for each in found if each["kind"] == kind]
    return one


def container(workload: Any) -> Any:
    (one,) = workload["spec"]["template"]["spec"]["containers"]
    return one


helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")


@helm
def test_the_chart_gives_what_the_manifests_give() -> None:
    code, found, said = chart()
    assert code == 0, said
    assert not [each for each in found if each["kind"] in ("NetworkPolicy", "ServiceMonitor", "PodMonitor")]
    for kind, file in (("DaemonSet", "speaker"), ("Deployment", "controller")):
        plain = next(
            each for each in documents(DEPLOY / "manifests" / f"{file}.yaml") if each["kind"] == kind
        )
        ours, theirs = container(only(found, kind)), container(plain)
        assert set(theirs["args"]) <= set(ours["args"])
        assert ours["securityContext"] == theirs["securityContext"]
        assert ours["ports"] == theirs["ports"]
    rules = {
        (each["kind"], str(rule["verbs"]), str(rule.get("resources")))
        for each in documents(DEPLOY / "manifests" / "rbac.yaml")
        for rule in each.get("rules", ())
    }
    assert rules == {
        (each["kind"], str(rule["verbs"]), str(rule.get("resources")))
        for each in found
        for rule in each.get("rules", ())
    }


@helm
def test_values_of_the_chart_reach_the_flags() -> None:
    code, found, said = chart(
        *(
            "--set",
            "speaker.answerPing=true,speaker.gratuitousARPInterval=60,speaker.livenessProbe.port=1700",
        ),
        *(
            "--set",
            "speaker.failback=never",
        ),
        *("--set", "prometheus.metricsPort=0,prometheus.https=false,controller.livenessProbe.port=1800"),
        *("--set", "tls.speakerMetricsTLSSecret=t,tls.minVersion=VersionTLS12,networkpolicies.enabled=true"),
    )
    assert code == 0, said
    speaker = container(only(found, "DaemonSet"))
    assert speaker["securityContext"]["capabilities"]["add"] == ["NET_RAW", "NET_ADMIN"]
    wanted = ("--answer-ping", "--gratuitous-arp-interval=60", "--health-probe-port=1700", "--port=0")
    assert {*wanted, "--failback=never", "--metrics=http", "--metrics-cert-dir=/etc/metrics"} <= set(
        speaker["args"]
    )
    assert speaker["livenessProbe"]["httpGet"]["port"] == 1700
    assert "metrics" not in str(speaker["ports"])
    controller = container(only(found, "Deployment"))
    assert "--health-probe-port=1800" in controller["args"]
    ports = [each["port"] for each in only(found, "NetworkPolicy")["spec"]["ingress"][0]["ports"]]
    assert ports == [1800, "webhook-server"]


@helm
def test_monitors_and_alerts_of_the_chart_refer_to_what_there_is() -> None:
    for monitor in ("serviceMonitor", "podMonitor"):
        code, found, said = chart(
            *("--set", f"prometheus.{monitor}.enabled=true,prometheus.prometheusRule.enabled=true"),
            *("--set", "prometheus.serviceAccount=prom,prometheus.namespace=monitoring"),
        )
        assert code == 0, said
        monitors = [each for each in found if each["kind"].lower() == monitor.lower()]
        assert len(monitors) == 2
        services = {each["metadata"]["labels"].get("name") for each in found if each["kind"] == "Service"}
        for each in monitors:
            (endpoint,) = each["spec"].get("endpoints") or each["spec"]["podMetricsEndpoints"]
            assert (endpoint["port"], endpoint["scheme"]) == ("metricshttps", "https")
            if monitor == "serviceMonitor":
                assert each["spec"]["selector"]["matchLabels"]["name"] in services
        binding = next(
            each for each in found if each["metadata"]["name"] == "r-metrics-reader" and "roleRef" in each
        )
        assert {"kind": "ServiceAccount", "name": "prom", "namespace": "monitoring"} in binding["subjects"]
        rules = only(found, "PrometheusRule")["spec"]["groups"][0]["rules"]
        plain = documents(DEPLOY / "prometheus" / "rules.yaml")[0]["spec"]["groups"][0]["rules"]
        assert {each["alert"] for each in plain} <= {
            re.sub(r"\d+Percent", "", each["alert"]) for each in rules
        }


@helm
def test_the_chart_has_the_dashboard_where_it_is_asked_for() -> None:
    assert "ConfigMap" not in {each["kind"] for each in chart()[1] if "dashboard" in each["metadata"]["name"]}
    _, found, _ = chart("--set=grafana.dashboard.enabled=true,grafana.dashboard.namespace=monitoring")
    (made,) = (each for each in found if each["metadata"]["name"].endswith("-dashboard"))
    assert (made["kind"], made["metadata"]["namespace"]) == ("ConfigMap", "monitoring")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(made["data"]["roost.json"]) == json.loads(
        (DEPLOY / "grafana" / "roost.json").read_text()
    )


@helm
@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("speaker.answerPings=true", "answerPings"),
        ("speaker.gratuitousARPInterval=-1", "gratuitousARPInterval"),
        ("speaker.failback=nevr", "failback"),
        ("controller.image.repository=quay.io/metallb/controller", "controller.image is MetalLB's"),
        ("prometheus.serviceMonitor.enabled=true,prometheus.podMonitor.enabled=true", "cannot both be set"),
        ("prometheus.podMonitor.enabled=true,prometheus.metricsPort=0", "a monitor needs metrics"),
        ("speaker.memberlist.enabled=false,speaker.nodeSelector.a=b", "needs speaker.memberlist.enabled"),
    ],
)
def test_a_mistake_in_the_values_is_named(option: str, text: str) -> None:
    code, _, said = chart("--set", option)
    assert code != 0
    assert text in said


def test_the_schema_knows_every_value_and_metallbs_names() -> None:
    schema = json.loads((DEPLOY / "chart" / "values.schema.json").read_text())
    values = documents(DEPLOY / "chart" / "values.yaml")[0]

    def known(node: dict[str, Any], value: Any, path: str) -> None:
        if "$ref" in node:
            node = schema["definitions"][node["$ref"].rpartition("/")[2]]
        if not isinstance(value, dict) or "properties" not in node:
            return
        assert node["additionalProperties"] is False, path
        for key, inner in value.items():
            assert key in node["properties"], f"{path}.{key}"
            known(node["properties"][key], inner, f"{path}.{key}")

    known(schema, values, "")
    for path in (
        "prometheus.serviceMonitor.speaker.tlsConfig",
        "prometheus.prometheusRule.addressPoolUsage.thresholds",
        "networkpolicies.defaultDeny",
        "speaker.gratuitousARPInterval",
        "speaker.memberlist.mlBindAddrOverride",
        "speaker.frr",
        "frrk8s",
        "controller.webhookMode",
        "tls.minVersion",
    ):
        node = schema
        for step in path.split("."):
            node = node["properties"][step]
