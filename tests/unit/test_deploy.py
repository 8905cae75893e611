"""What is in deploy/: files that are written by code are as it would write them, and all hang together."""

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
