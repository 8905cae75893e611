"""`roost check` on MetalLB's manifests: every mistake with its object and field, without a cluster."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli import main
from roost.kubernetes.manifests import is_manifest

GOOD = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec: {addresses: [192.0.2.0/28]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: metallb-system}
"""
WRONG = """
apiVersion: v1
kind: List
items:
- apiVersion: metallb.io/v1beta1
  kind: IPAddressPool
  metadata: {name: a}
  spec: {addresses: [192.0.2.0/33]}
- {apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: b}, spec: {addresses: []}}
- apiVersion: metallb.io/v1beta1
  kind: L2Advertisement
  metadata: {name: l2}
  spec: {nodeSelectors: [{matchExpressions: [{key: k, operator: Near}]}]}
"""
DOUBTFUL = """
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2}
spec: {ipAddressPools: [ghost]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: peer}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data:
  config.conf: |
    mode: ipvs
    ipvs: {strictARP: false}
"""


def check(folder: Path, text: str) -> tuple[int, str]:
    path = folder / "manifests.yaml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["check", str(path)])
    return done.exit_code, done.output


def test_good_ones(tmp_path: Path) -> None:
    code, output = check(tmp_path, GOOD)
    assert (code, output.endswith("good: objects: 2\n")) == (0, True)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    code, output = check(tmp_path, WRONG)
    assert code == 1
    assert "IPAddressPool a: spec.addresses[0]: invalid CIDR '192.0.2.0/33'" in output
    assert "IPAddressPool b: spec.addresses: is empty" in output
    assert "L2Advertisement l2: spec.nodeSelectors[0]: operator 'Near' is none of" in output
    assert "3 errors" in output


def test_what_is_allowed_and_hardly_meant(tmp_path: Path) -> None:
    code, output = check(tmp_path, DOUBTFUL)
    assert code == 0
    assert "L2Advertisement l2: spec.ipAddressPools[0]: no pool 'ghost' here" in output
    assert "BGPPeer peer: kind: has no effect" in output
    assert "without ipvs.strictARP every node answers" in output


def test_forms_that_the_api_server_would_refuse(tmp_path: Path) -> None:
    pool = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: "
    assert "spec.addresses: is no list of texts" in check(tmp_path, pool + "{addresses: 192.0.2.0/24}")[1]
    assert "spec.addresses: is no list of texts" in check(tmp_path, pool + "{addresses: [1]}")[1]
    assert "spec: is no mapping" in check(tmp_path, pool + "[]")[1]
    assert "metadata.name: is missing" in check(tmp_path, "apiVersion: v1\nkind: Service\n")[1]
    code, output = check(tmp_path, "apiVersion: v1\nkind: [")
    assert (code, "is no YAML" in output) == (1, True)


MISSPELT = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, annotations: {any: thing}}
spec: {adresses: [192.0.2.0/28], serviceAllocation: {namespaceSelectors: [{matchLables: {a: b}}]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2}
spec: {ipAddressPool: [a], zzz: 1}
---
apiVersion: v1
kind: Namespace
metadata: {name: x}
sepc: {}
"""


def test_misspelt_fields_are_named_wherever_they_stand(tmp_path: Path) -> None:
    code, output = check(tmp_path, MISSPELT)
    assert code == 1
    for field, cure in (
        ("IPAddressPool a: spec.adresses", "did you mean addresses?"),
        ("IPAddressPool a: spec.serviceAllocation.namespaceSelectors[0].matchLables", "mean matchLabels?"),
        ("L2Advertisement l2: spec.ipAddressPool", "did you mean ipAddressPools?"),
        ("L2Advertisement l2: spec.zzz", "known here: "),
    ):
        (line,) = [line for line in output.splitlines() if f"{field}:" in line]
        assert "is not a known field" in line
        assert cure in line
    assert "sepc" not in output, "only our own kinds are known"


def test_an_unknown_field_or_a_wrong_form_hides_no_other_error(tmp_path: Path) -> None:
    odd = GOOD.replace("name: l2,", "name: l2, annotations: {},") + "spec: {zzz: 1, nodeSelectors: x}\n---\n"
    code, output = check(tmp_path, odd + WRONG)
    assert code == 1
    for text in (
        "spec.zzz: is not a known",
        "no list of selectors",
        "0.2.0/33",
        "b: spec.addresses: is empty",
    ):
        assert text in output
    assert "no pool" not in output
    assert "nothing advertises it" not in output


def test_json_is_a_manifest_too(tmp_path: Path) -> None:
    text = """{"kind": "IPAddressPool", "apiVersion": "metallb.io/v1beta1", "metadata": {"name": "a"},
    "spec": {"addresses": ["192.0.2.0/28"]}}"""
    code, output = check(tmp_path, text)
    assert (code, "good: objects: 1" in output) == (0, True)


def test_a_wrong_annotation_of_a_service_is_a_warning(tmp_path: Path) -> None:
    text = """{"kind": "Service", "apiVersion": "v1",
    "metadata": {"name": "s", "namespace": "ns", "annotations": {"roost.io/failback": "nevr"}}}"""
    code, output = check(tmp_path, text)
    assert code == 0
    assert "warning: Service ns/s: metadata.annotations: roost.io/failback: 'nevr' is neither" in output


SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop, annotations: {{{annotation}}}}}
spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}
"""


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ("roost.io/fallback: never", "[roost.io/fallback]: has no effect (did you mean roost.io/failback?)"),
        ("metallb.io/loadBalancerIP: x", "has no effect (did you mean metallb.io/loadBalancerIPs?)"),
        ("roost.io/address-pool: a", "has no effect (did you mean metallb.io/address-pool?)"),
    ],
)
def test_an_annotation_that_nothing_reads_is_a_warning(tmp_path: Path, annotation: str, told: str) -> None:
    code, text = check(tmp_path, SERVICE.format(annotation=annotation))
    assert (code, "warning: Service shop/web: metadata.annotations[" in text, told in text) == (0, True, True)


@pytest.mark.parametrize(
    "annotation",
    [
        "metallb.universe.tf/loadBalancerIPs: '192.0.2.1, 2001:db8::1'",
        "metallb.io/address-pool: a",
        "metallb.universe.tf/ip-allocated-from-pool: a",
        "roost.io/failback: never",
        "example.com/sharing: x",
    ],
)
def test_what_is_read_and_what_is_others_is_passed_over(tmp_path: Path, annotation: str) -> None:
    code, text = check(tmp_path, SERVICE.format(annotation=annotation))
    assert (code, "warning" in text, "error" in text) == (0, False, False)


def test_addresses_that_are_none_are_an_error(tmp_path: Path) -> None:
    annotation = "metallb.io/loadBalancerIPs: '192.0.2.1,192.0.2.300'"
    code, text = check(tmp_path, SERVICE.format(annotation=annotation))
    assert code == 1
    assert "metadata.annotations[metallb.io/loadBalancerIPs]: '192.0.2.300' is not an IP address" in text
    spec = SERVICE.format(annotation="a: b").replace("ports:", "loadBalancerIP: here, ports:")
    code, text = check(tmp_path, spec)
    assert (code, "spec.loadBalancerIP: 'here' is not an IP address" in text) == (1, True)


def test_a_misspelt_kind_of_metallbs_is_an_error(tmp_path: Path) -> None:
    code, text = check(tmp_path, GOOD.replace("kind: IPAddressPool", "kind: IPAddresPool"))
    assert (code, "kind: is none of metallb.io (did you mean IPAddressPool?)" in text) == (1, True)


def test_many_empty_lines_are_read_in_time() -> None:
    begin = time.thread_time()
    assert not is_manifest("\n" * 200_000)
    assert is_manifest("\n" * 200_000 + GOOD)
    assert time.thread_time() - begin < 3.0


def test_aliases_that_stand_for_millions_of_values_are_refused(tmp_path: Path) -> None:
    levels = "".join(f"  a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 9))
    text = f"apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nspec:\n  a0: &a0 [x]\n{levels}"
    (tmp_path / "bomb.yaml").write_text(text)
    done = CliRunner().invoke(main, ["check", str(tmp_path / "bomb.yaml")])
    assert done.exit_code == 1
    assert "aliases expanded" in done.output
