"""The admission webhook as the API server calls it: over TLS, with the controller's own certificates."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml
from tests.cluster.api import METALLB, NAMESPACE, until
from tests.cluster.nodes import KubeLan, kube_lan
from tests.system.netns import NETNS

from roost.kubernetes.certificates import Bundle, make

pytestmark = [*NETNS, pytest.mark.timeout(180)]

_HOOK = Path(__file__).parents[2] / "deploy" / "manifests" / "webhook.yaml"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = f"metallb-webhook-service.{NAMESPACE}.svc"


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeLan]:
    """A cluster whose API server reaches the webhook at its endpoint; its certificates have run out."""
    with kube_lan(tmp_path_factory.mktemp("webhook"), 1) as made:
        service, configuration = yaml.safe_load_all(_HOOK.read_text())
        del service["spec"]["selector"]
        made.api.create(f"/api/v1/namespaces/{NAMESPACE}/services", service)
        name = service["metadata"]["name"]
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        made.api.create(
            slices,
            {
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"port": 9443, "protocol": "TCP"}],
                "endpoints": [{"addresses": ["192.0.2.250"], "conditions": {"ready": True}}],
            },
        )
        old = make(NAME, datetime.now(UTC) - timedelta(days=400))
        made.api.create(SECRET, {"metadata": {"name": "metallb-webhook-cert"}, "data": _data(old)})
        made.start_controller()
        until(lambda: "renewed" in (made.folder / "controller.log").read_text(), "the controller works")
        made.api.create(CONFIGURATION, configuration)  # as `kubectl apply` does: last
        until(lambda: _authority(made), "the controller tells its authority")
        yield made


def _data(bundle: Bundle) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in bundle.as_secret().items()}


def _authority(lan: KubeLan) -> str:
    hooks = lan.api.get(f"{CONFIGURATION}/metallb-webhook-configuration")["webhooks"]
    return str(hooks[0]["clientConfig"].get("caBundle") or "")


def refusal(call: Any) -> str:
    with pytest.raises(HTTPError) as caught:
        call()
    return str(json.load(caught.value)["message"])


def test_what_is_good_passes_and_what_is_wrong_does_not(lan: KubeLan) -> None:
    until(lambda: lan.api.pool("good", "192.0.2.0/28"), "a good pool passes", 20)
    overlap = refusal(lambda: lan.api.pool("overlapping", "192.0.2.8-192.0.2.20"))
    assert "IPAddressPool overlapping: spec.addresses: CIDR 192.0.2.8/29 overlaps with already" in overlap
    assert "its end comes before its start" in refusal(lambda: lan.api.pool("x", "192.0.2.40-192.0.2.30"))
    path = f"{METALLB}/ipaddresspools/good"
    assert "invalid CIDR" in refusal(lambda: lan.api.patch(path, {"spec": {"addresses": ["192.0.2.0/40"]}}))
    lan.api.patch(path, {"spec": {"addresses": ["192.0.2.0/27"]}})
    selector = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    text = refusal(lambda: lan.api.advertisement("x", nodeSelectors=[selector]))
    assert "L2Advertisement x: spec.nodeSelectors[0]: operator 'Near'" in text
    lan.api.advertisement("y", ipAddressPools=["no-such-pool"])
    elsewhere = METALLB.replace(NAMESPACE, "default")
    body = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "z"},
        "spec": {"addresses": ["198.51.100.0/24"]},
    }
    text = refusal(lambda: lan.api.create(f"{elsewhere}/ipaddresspools", body))
    assert f"must be created in {NAMESPACE} namespace" in text


def test_certificates_that_ran_out_were_renewed_under_the_same_authority(lan: KubeLan) -> None:
    data = lan.api.get(f"{SECRET}/metallb-webhook-cert")["data"]
    assert data["ca.crt"] == _authority(lan)


def test_an_authority_that_somebody_took_out_comes_back(lan: KubeLan) -> None:
    path = f"{CONFIGURATION}/metallb-webhook-configuration"
    hooks = lan.api.get(path)
    for hook in hooks["webhooks"]:
        hook["clientConfig"].pop("caBundle")
    lan.api.ask("PUT", path, hooks)
    until(lambda: _authority(lan), "it is there again", 60)


def test_an_update_may_not_overlap_another_pool_either(lan: KubeLan) -> None:
    lan.api.pool("one", "198.51.100.0/28")
    lan.api.pool("two", "198.51.100.16/28", "2001:db8:5::/64")
    path = f"{METALLB}/ipaddresspools/two"
    for addresses in (["198.51.100.8-198.51.100.20"], ["198.51.100.16/28", "198.51.100.20/32"]):
        change = {"spec": {"addresses": addresses}}
        assert "overlaps with already defined CIDR" in refusal(
            lambda change=change: lan.api.patch(path, change)
        )
    assert lan.api.get(path)["spec"]["addresses"] == ["198.51.100.16/28", "2001:db8:5::/64"]
    lan.api.patch(path, {"spec": {"addresses": ["198.51.100.16/28", "198.51.100.32/32"]}})
    labels = {"metadata": {"labels": {"a": "b"}}}
    lan.api.patch(path, labels)  # nothing of what it says of itself meets what it said before


def test_every_kind_belongs_into_the_namespace(lan: KubeLan) -> None:
    elsewhere = METALLB.replace(NAMESPACE, "default")
    version = {"apiVersion": "metallb.io/v1beta1"}
    for plural, kind, spec in (
        ("ipaddresspools", "IPAddressPool", {"addresses": ["203.0.113.0/28"]}),
        ("l2advertisements", "L2Advertisement", {}),
        ("communities", "Community", {"communities": [{"name": "c", "value": "64512:1"}]}),
    ):
        item: dict[str, Any] = {**version, "kind": kind, "metadata": {"name": "foreign"}, "spec": spec}
        text = refusal(lambda plural=plural, item=item: lan.api.create(f"{elsewhere}/{plural}", item))
        assert f"must be created in {NAMESPACE} namespace" in text
    item = {
        **version,
        "kind": "Community",
        "metadata": {"name": "one"},
        "spec": {"communities": [{"name": "c", "value": "64512:1"}]},
    }
    lan.api.create(f"{METALLB}/communities", item)
    again = {**item, "metadata": {"name": "two"}}
    assert "'c' is defined twice" in refusal(lambda: lan.api.create(f"{METALLB}/communities", again))
    lan.api.delete(f"{METALLB}/communities/one")


def test_selectors_that_say_the_same_twice_are_refused_in_preferences_they_are_not(lan: KubeLan) -> None:
    zone = {"matchLabels": {"zone": "a"}}
    for field in ("nodeSelectors", "serviceSelectors", "ipAddressPoolSelectors"):
        assert f"spec.{field}[1]: is there twice" in refusal(
            lambda field=field: lan.api.advertisement("twice", **{field: [zone, zone]})
        )
    preference = {"weight": 5, "preference": zone}
    lan.api.advertisement("preferring", preferredNodeSelectors=[preference, preference])
    wrong = {"weight": 5, "preference": {"matchExpressions": [{"key": "zone", "operator": "In"}]}}
    text = refusal(lambda: lan.api.advertisement("wrong", preferredNodeSelectors=[wrong]))
    assert "spec.preferredNodeSelectors[0].preference: operator In of 'zone' needs values" in text
