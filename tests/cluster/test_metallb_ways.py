"""What MetalLB's users and their Prometheus rely on: failover told, objects that heal, HTTPS, flags."""

import json
import signal
import ssl
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import yaml
from tests.cluster.api import METALLB, missing, until
from tests.cluster.clients import tcp
from tests.cluster.nodes import KubeLan, by_hash
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Speaker
from tests.unit.kubernetes.test_memberlist_config import WAN

from roost.kubernetes.certificates import make

pytestmark = [*NETNS, pytest.mark.timeout(120)]

NAMES = ("n1", "n2", "n3")
STATES = f"{METALLB}/configurationstates"


def restart(lan: KubeLan, *options: str) -> None:
    for speaker in lan.running():
        speaker.signal(signal.SIGTERM)
        speaker.wait()
    lan.start(*options)


def told(lan: KubeLan, service: str, *nodes: str) -> None:
    try:
        until(lambda: sorted(each["node"] for each in lan.told(service)) == sorted(nodes), f"told: {nodes}")
    except AssertionError as error:
        raise AssertionError(f"{error}, but: {lan.api.items(f'{METALLB}/servicel2statuses')}") from None


def test_the_announcers_speaker_goes_and_comes_back(lan: KubeLan) -> None:
    """Killed, as when its pod is deleted by force: the move and the return are told, and traffic follows."""
    vips = lan.service_of_both("web")
    first, second, _ = by_hash(vips[0], *NAMES)
    told(lan, "web", first)
    speaker = next(each for each in lan.speakers if each.name == first)
    speaker.signal(signal.SIGKILL)
    speaker.wait()
    for vip in vips:
        lan.settle_on(vip, {second})
        assert tcp(lan.client, vip) in NAMES
    told(lan, "web", second)
    speaker.start()
    lan.whole()
    for vip in vips:
        lan.settle_on(vip, {first})
    told(lan, "web", first)


def test_a_configuration_state_comes_back_after_deletion_and_edits(lan: KubeLan) -> None:
    def summary(name: str) -> str | None:
        """What the object says is wrong, None when it is not there or says nothing yet."""
        found = None if missing(lan.api, f"{STATES}/{name}") else lan.api.get(f"{STATES}/{name}")
        said: str | None = (found or {}).get("status", {}).get("errorSummary")
        return said

    def heals(name: str) -> None:
        until(lambda: summary(name) == "", f"{name} says that all is well", 10)

    for name, condition in (("controller", "poolReconcilerValid"), ("speaker-n1", "configReconcilerValid")):
        heals(name)
        lan.api.delete(f"{STATES}/{name}")
        heals(name)
        conditions = lan.api.get(f"{STATES}/{name}")["status"]["conditions"]
        assert [each["type"] for each in conditions] == [condition]
        lan.api.patch(f"{STATES}/{name}/status", {"status": {"result": "Invalid", "errorSummary": "by hand"}})
        heals(name)
        assert lan.api.get(f"{STATES}/{name}")["status"]["result"] == "Valid"


def test_two_addresses_of_a_service_on_two_nodes(lan: KubeLan) -> None:
    """metallb#439 #2410: asked for by an annotation; the first address is where MetalLB has it."""
    vips = lan.service_of_both("web", annotations={"roost.io/addresses-apart": "true"})
    order = by_hash(vips[0], *NAMES)
    lan.settle_on(vips[0], {order[0]})
    lan.settle_on(vips[1], {order[2]})
    told(lan, "web", order[0], order[2])
    for vip in vips:
        assert tcp(lan.client, vip) in NAMES
    gone = next(each for each in lan.speakers if each.name == order[0])
    gone.signal(signal.SIGKILL)
    gone.wait()
    lan.settle_on(vips[0], {order[1]})
    assert lan.answerers(vips[1]) == {order[2]}  # the other one stayed
    told(lan, "web", order[1], order[2])
    gone.start()
    lan.whole()
    lan.settle_on(vips[0], {order[0]})
    told(lan, "web", order[0], order[2])
    lan.api.patch(
        "/api/v1/namespaces/default/services/web",
        {"metadata": {"annotations": {"roost.io/addresses-apart": None}}},
    )
    for vip in vips:
        lan.settle_on(vip, {order[0]})
    told(lan, "web", order[0])


def test_gratuitous_packets_at_an_interval_in_both_families(lan: KubeLan) -> None:
    restart(lan, "--gratuitous-arp-interval=1")
    try:
        vips = lan.service_of_both("web")
        lan.settle_on(vips[0], {lan.leader(vips[0]).name})

        def sent(speaker: Speaker, vip: str) -> float:
            lines = scrape(speaker.namespace, "http").splitlines()
            name = f'roost_layer2_gratuitous_total{{ip="{vip}"}}'
            return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])

        leader = lan.leader(vips[0])
        time.sleep(5)  # the rounds after a takeover end after four seconds
        before = [sent(leader, vip) for vip in vips]
        time.sleep(4)
        after = [sent(leader, vip) for vip in vips]
        for one, other in zip(before, after, strict=True):
            assert 4 <= other - one <= 40  # on three links; two frames each by ARP
    finally:
        restart(lan)


def test_metrics_by_https_take_a_token_that_may_read_them(lan: KubeLan, tmp_path: Path) -> None:
    certificate = make("metrics.example", datetime.now(UTC))
    (tmp_path / "tls.crt").write_bytes(certificate.tls_crt)
    (tmp_path / "tls.key").write_bytes(certificate.tls_key)
    tokens = {name: _token(lan, name) for name in ("admin", "metallb-speaker")}
    restart(lan, "--metrics=https", f"--metrics-cert-dir={tmp_path}")
    lan.stop_controller()
    lan.start_controller("--webhook-mode=disabled", "--metrics=https", "--port=9121")
    try:
        for inside, port in ((lan.speakers[0].namespace, 9120), (lan.host, 9121)):
            until(partial(is_up, inside, port), "it serves")
            assert refused(inside, port) == 401
            assert refused(inside, port, "no-such-token") == 401
            assert refused(inside, port, tokens["metallb-speaker"]) == 403
            text = scrape(inside, "https", port, tokens["admin"])
            assert "roost_" in text
        group = "/apis/rbac.authorization.k8s.io/v1"
        rule = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
        lan.api.create(f"{group}/clusterroles", {"metadata": {"name": "metrics"}, "rules": [rule]})
        binding = {
            "metadata": {"name": "metrics"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics"},
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "metallb-speaker"}
            ],
        }
        lan.api.create(f"{group}/clusterrolebindings", binding)
        command = ["env", f"KUBECONFIG={lan.control.kubeconfig()}", sys.executable, "-m", "roost"]
        status = json.loads(
            lan.host.run(*command, "status", "--json")
        )  # through the API server, without a token
        assert {each["name"] for each in status["members"]} == set(NAMES)
        node = lan.speakers[1].namespace
        until(lambda: "roost_" in scrape(node, "https", 9120, tokens["metallb-speaker"]), "it may now")
        presented = node.run(sys.executable, "-c", _PRESENTED, "9120")
        assert ssl.PEM_cert_to_DER_cert(certificate.tls_crt.decode()).hex() == presented.strip()
        assert node.run(sys.executable, "-c", _GET, "http://127.0.0.1:17472/healthz", "").startswith("200")
    finally:
        lan.stop_controller()
        lan.start_controller("--webhook-mode=disabled")
        restart(lan)


def test_metrics_can_be_off_and_the_probes_elsewhere(lan: KubeLan) -> None:
    restart(lan, "--port=0", "--health-probe-port=17999")
    try:
        node = lan.speakers[0].namespace
        assert node.run(sys.executable, "-c", _GET, "http://127.0.0.1:17999/healthz", "").startswith("200")
        assert node.run(sys.executable, "-c", _GET, "http://127.0.0.1:9120/metrics", "") == "0\n"
        assert node.run(sys.executable, "-c", _GET, "http://127.0.0.1:17472/healthz", "") == "0\n"
    finally:
        restart(lan)


def test_the_timers_of_memberlists_own_file_are_in_force(lan: KubeLan, tmp_path: Path) -> None:
    """As MetalLB 0.16 mounts it: a node that is cut off is suspected as slowly as the file wants it."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(WAN | {"SuspicionMult": "six"}))
    speaker = lan.speakers[0]
    speaker.environment["ROOST_MEMBERLIST_FILE"] = str(path)  # type: ignore[attr-defined]
    speaker.signal(signal.SIGTERM)
    speaker.wait()
    try:
        speaker.start()
        assert speaker.wait() == 1
        assert "SuspicionMult is 'six', not a whole number" in speaker.text()
        path.write_text(json.dumps(WAN))
        speaker.start("--profile=lan")
        lan.whole()
        assert f"gossip's timers are those of {path}" in speaker.text()
        vips = lan.service_of_both("web")
        lan.settle_on(vips[0], {by_hash(vips[0], *NAMES)[0]})
    finally:
        del speaker.environment["ROOST_MEMBERLIST_FILE"]  # type: ignore[attr-defined]
        restart(lan)


_GET = """
import ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
request = urllib.request.Request(sys.argv[1])
if sys.argv[2]:
    request.add_header("Authorization", "Bearer " + sys.argv[2])
try:
    if sys.argv[1].startswith("https"):
        answer = urllib.request.urlopen(request, timeout=5, context=context)
    else:
        answer = urllib.request.urlopen(request, timeout=5)
    print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""
_PRESENTED = """
import ssl, sys
pem = ssl.get_server_certificate(("127.0.0.1", int(sys.argv[1])))
print(ssl.PEM_cert_to_DER_cert(pem).hex())
"""


def scrape(inside: Namespace, scheme: str, port: int = 9120, token: str = "") -> str:
    return inside.run(sys.executable, "-c", _GET, f"{scheme}://127.0.0.1:{port}/metrics", token)


def is_up(inside: Namespace, port: int) -> bool:
    return refused(inside, port) != 0


def refused(inside: Namespace, port: int, token: str = "") -> int:
    return int(scrape(inside, "https", port, token).split()[0])


def _token(lan: KubeLan, account: str) -> str:
    return str(yaml.safe_load(lan.control.kubeconfig(account).read_text())["users"][0]["user"]["token"])
