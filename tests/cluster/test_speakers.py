"""Speakers on a real API server: who announces, who follows when something changes, what clients see."""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api import METALLB, until
from tests.cluster.nodes import KubeLan, kube_lan
from tests.interop.peers import build_go_agent
from tests.system.netns import NETNS
from tests.system.pinging import client

from roost.lab.records import outage

pytestmark = [*NETNS, pytest.mark.timeout(300)]

WATCHED = ("services", "endpointslices", "nodes", "ipaddresspools", "l2advertisements", "servicel2statuses")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeLan]:
    with kube_lan(tmp_path_factory.mktemp("cluster")) as lan:
        lan.start_all()
        yield lan


@pytest.fixture
def lan(cluster: KubeLan) -> Iterator[KubeLan]:
    """The cluster with a pool and one advertisement, all speakers running and nothing else."""
    yield from cluster.with_pool()


def first_by_hash(address: str, *names: str) -> str:
    """MetalLB's rule, written down a second time."""
    return min(names, key=lambda name: hashlib.sha256(f"{name}#{address}".encode()).digest())


def test_a_service_is_announced_by_the_node_that_metallb_would_elect(lan: KubeLan) -> None:
    vip = lan.echo_service("web")
    expected = first_by_hash(vip, "n1", "n2", "n3")
    lan.settle_on(vip, {expected})
    wanted = {"node": expected, "serviceName": "web", "serviceNamespace": "default", "interfaces": []}
    until(lambda: lan.told("web") == [wanted], "one ServiceL2Status says so")
    message = f'announcing from node "{expected}" with protocol "layer2"'
    until(lambda: ("nodeAssigned", message) in lan.api.events("web"), "an event says so")
    lan.api.delete("/api/v1/namespaces/default/services/web")
    lan.settle_on(vip, set())
    until(lambda: not lan.told("web"), "the ServiceL2Status is gone")


def test_dual_stack_is_answered_in_both_families_by_one_node(lan: KubeLan) -> None:
    lan.echo_service("web", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    v4, v6 = until(lambda: len(found := lan.api.ingress("web")) == 2 and found, "both addresses")
    leader = first_by_hash(v4, "n1", "n2", "n3")
    lan.settle_on(v4, {leader})
    lan.settle_on(v6, {leader})


def test_a_client_reaches_pods_and_hardly_notices_that_the_leader_is_cut_off(
    lan: KubeLan, tmp_path: Path
) -> None:
    vip = lan.echo_service("web")
    leader = lan.leader(vip)
    others = [at for at, speaker in enumerate(lan.speakers, 1) if speaker is not leader]
    lan.endpoints("web", *others)  # the pods that live on are the matter here, kube-proxy's delay is not
    time.sleep(2.5)  # kube-proxy writes at most once a second
    with client(lan, tmp_path, vip) as pinging:
        assert pinging.answered_by() in {f"n{at}" for at in others}
        cut = time.monotonic()
        lan.cut(leader)
        time.sleep(2)
        pings = pinging.finish()
    seen = outage(pings, cut - 0.5, cut + 2)
    assert 0 < seen.longest < 1.5
    assert pings.answered[-1]


def test_a_service_whose_endpoints_died_with_the_leader_is_told_from_a_lost_address(lan: KubeLan) -> None:
    """metallb#298 #524 #733 #767 #1147: the address moves at once, and `explain` tells what does not work."""
    vip = lan.echo_service("web")
    leader = lan.leader(vip)
    other = next(each for each in lan.speakers if each is not leader)

    def problems() -> str:
        return str(other.ask("/v1/explain/default%2Fweb")["problems"])

    assert problems() == "[]"
    lan.cut(leader)
    until(lambda: lan.answerers(vip) not in (set(), {leader.name}), "another node answers")
    assert f"endpoints on {leader.name} get their share" in problems()
    lan.endpoints("web", int(leader.name[1]))
    until(
        lambda: f"no endpoint is left on a living node, all are on {leader.name}" in problems(), "it says so"
    )
    lan.heal(leader)
    until(lambda: problems() == "[]", "all is well")


def test_local_traffic_policy_follows_endpoints_that_can_serve(lan: KubeLan) -> None:
    """metallb#474: one that ends and still serves counts."""
    vip = lan.echo_service("web", externalTrafficPolicy="Local")
    lan.endpoints("web", 2)
    lan.settle_on(vip, {"n2"})
    lan.endpoints("web", 3, ready=False, serving=True, terminating=True)
    lan.settle_on(vip, {"n3"})
    lan.endpoints("web", 1, ready=False, serving=False)
    lan.settle_on(vip, set())
    explanation = lan.speakers[0].ask("/v1/explain/default%2Fweb")
    assert explanation["leader"] is None
    assert "no endpoint of it can serve" in str(explanation["exclusions"])
    lan.endpoints("web", 1)
    lan.settle_on(vip, {"n1"})


def test_the_lead_goes_to_new_endpoints_when_the_proxy_there_knows_them(lan: KubeLan, tmp_path: Path) -> None:
    """metallb#474: kube-proxy's changes are a second apart; whoever led before serves until then."""
    other = lan.echo_service("other")
    vip = lan.echo_service("web", externalTrafficPolicy="Local")
    first = first_by_hash(vip, "n1", "n2", "n3")
    second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
    lan.endpoints("web", int(second[1]))
    lan.settle_on(vip, {second})
    with client(lan, tmp_path, vip) as pinging:
        pinging.answered_by()
        begin = time.monotonic()
        lan.endpoints("other", 1)  # keeps every kube-proxy from changing anything for a second
        time.sleep(0.05)
        lan.endpoints("web", int(second[1]), int(first[1]))
        lan.settle_on(vip, {first})
        assert pinging.answered_by() == first
        end = time.monotonic()
        pings = pinging.finish()
    assert outage(pings, begin, end).lost == 0
    assert lan.answerers(other) == {first_by_hash(other, "n1", "n2", "n3")}


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}},
        {"conditions": {"NetworkUnavailable": "True", "Ready": "True"}},
    ],
)
def test_a_node_taken_out_of_load_balancing_does_not_announce(lan: KubeLan, change: dict[str, Any]) -> None:
    vip = lan.echo_service("web")
    first = lan.leader(vip).name
    lan.set_node(first, **change)
    second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
    lan.settle_on(vip, {second})
    back = {"labels": dict.fromkeys(change.get("labels", {})), "conditions": {"NetworkUnavailable": "False"}}
    lan.set_node(first, **back)
    lan.settle_on(vip, {first})


def test_a_node_that_is_not_ready_goes_on_announcing(lan: KubeLan) -> None:
    vip = lan.echo_service("web")
    first = lan.leader(vip)
    lan.set_node(first.name, conditions={"Ready": "Unknown"})
    lan.set_node(first.name, labels={"zone": "seen"})
    until(lambda: "several" in first.text() or "node" in first.text(), "the change has arrived")
    time.sleep(0.5)
    assert lan.answerers(vip) == {first.name}


def test_node_selectors_and_preferences_of_advertisements(lan: KubeLan) -> None:
    vip = lan.echo_service("web")
    order = sorted(("n1", "n2", "n3"), key=lambda name: hashlib.sha256(f"{name}#{vip}".encode()).digest())
    lan.set_node(order[2], labels={"zone": "a"})
    lan.set_node(order[1], labels={"zone": "a"})
    path = f"{METALLB}/l2advertisements/everywhere"
    preference = {"weight": 10, "preference": {"matchLabels": {"zone": "a"}}}
    lan.api.patch(path, {"spec": {"preferredNodeSelectors": [preference]}})
    lan.settle_on(vip, {order[1]})
    lan.api.patch(path, {"spec": {"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": order[2]}}]}})
    lan.settle_on(vip, {order[2]})
    lan.api.patch(path, {"spec": {"nodeSelectors": None, "preferredNodeSelectors": None}})
    lan.settle_on(vip, {order[0]})
    lan.api.patch(path, {"spec": {"serviceSelectors": [{"matchLabels": {"no": "such"}}]}})
    lan.settle_on(vip, set())


def test_an_interface_that_does_not_exist_is_told(lan: KubeLan) -> None:
    lan.api.patch(f"{METALLB}/l2advertisements/everywhere", {"spec": {"interfaces": ["eth0"]}})
    vip = lan.echo_service("web")
    leader = lan.leader(vip).name
    until(lambda: [each["interfaces"] for each in lan.told("web")] == [[{"name": "eth0"}]], "it says where")
    lan.api.patch(f"{METALLB}/l2advertisements/everywhere", {"spec": {"interfaces": ["nic7"]}})
    lan.settle_on(vip, set())
    assert leader == first_by_hash(vip, "n1", "n2", "n3")
    explanation = lan.speakers[0].ask("/v1/explain/default%2Fweb")
    assert "no interface" in str(explanation["exclusions"])


def test_a_rolling_restart_of_all_speakers_loses_nothing(lan: KubeLan, tmp_path: Path) -> None:
    """metallb#2677: SIGTERM, as at a node's graceful shutdown, hands everything over first."""
    vip = lan.echo_service("web")
    lan.leader(vip)
    with client(lan, tmp_path, vip) as pinging:
        pinging.answered_by()
        begin = time.monotonic()
        for speaker in lan.speakers:
            speaker.signal(signal.SIGTERM)
            assert speaker.wait() == 0
            speaker.start()
            lan.whole()
            lan.leader(vip)
        end = time.monotonic()
        pings = pinging.finish()
    assert outage(pings, begin, end).lost == 0


def test_in_a_mixed_cluster_each_address_has_one_answerer(lan: KubeLan) -> None:
    """n3 runs a Go memberlist with MetalLB's key, and answers ARP by MetalLB's ranking."""
    secret = b"c29tZSBzZWNyZXQgYml0cw"  # 22 characters, as MetalLB makes them
    folder = lan.folder / "ml_secret_key"
    folder.mkdir(exist_ok=True)
    (folder / "secretkey").write_bytes(secret)
    key = (secret + hashlib.sha256(b"").digest())[:32]
    first, second, foreign = lan.speakers
    vips = ["192.0.2.200", "192.0.2.201", "192.0.2.211", "192.0.2.212"]

    def agent() -> subprocess.Popen[str]:
        return foreign.namespace.spawn(
            *(str(build_go_agent()), "-name", "n3", "-bind", foreign.address, "-port", "7946"),
            *("-keys", key.hex(), "-link", "eth0", "-vips", ",".join(vips)),  # Roost finds it by its pod
        )

    def shared_by(*names: str) -> None:
        for vip in vips:
            lan.settle_on(vip, {first_by_hash(vip, *names)})

    for speaker in lan.speakers:
        speaker.signal(signal.SIGTERM)
        speaker.wait()
    lan.gossip(METALLB_ML_SECRET_KEY_PATH=str(folder))
    metallb = agent()
    try:
        first.start()
        second.start()
        for at, vip in enumerate(vips):
            lan.echo_service(f"web{at}", annotations={"metallb.io/loadBalancerIPs": vip})
        assert {first_by_hash(vip, "n1", "n2", "n3") for vip in vips} == {"n1", "n2", "n3"}
        shared_by("n1", "n2", "n3")
        metallb.kill()
        metallb.wait(10)
        shared_by("n1", "n2")
        metallb = agent()
        shared_by("n1", "n2", "n3")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        shared_by("n2", "n3")
        first.start()
        shared_by("n1", "n2", "n3")
        lan.cut(
            first
        )  # Roost's verdict reaches the other kind by gossip: its own would take some five seconds
        until(lambda: lan.answerers(vips[3], 0.1) == {"n3"}, "the other kind takes over", 3)
        shared_by("n2", "n3")
        lan.heal(first)
        shared_by("n1", "n2", "n3")
    finally:
        metallb.kill()
        metallb.wait(10)
        restart(lan)


def test_without_membership_every_node_is_taken_for_a_speaker(lan: KubeLan) -> None:
    """metallb#2425; and, where nobody gossips, the Node's own word has to do (metallb#2514 #3116)."""
    try:
        for speaker in lan.speakers:
            speaker.signal(signal.SIGTERM)
            speaker.wait()
        lan.gossip(membership=False)
        for speaker in lan.speakers:
            speaker.start()
        vip = lan.echo_service("web")
        first = first_by_hash(vip, "n1", "n2", "n3")
        lan.settle_on(vip, {first})
        lan.set_node(first, conditions={"Ready": "Unknown"})
        second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
        lan.settle_on(vip, {second})
        lan.set_node(first, conditions={"Ready": "True"})
        lan.settle_on(vip, {first})
    finally:
        restart(lan)


def test_services_that_share_an_address_are_announced_by_one_node(lan: KubeLan) -> None:
    """metallb#2747 #805."""
    key = {"metallb.io/allow-shared-ip": "k"}
    one = lan.echo_service("one", annotations=key)
    port = {"name": "echo", "port": 8, "protocol": "UDP", "targetPort": 7}
    lan.api.service("two", annotations=key, ports=[port])
    assert until(lambda: lan.api.ingress("two"), "an address") == [one]
    leader = first_by_hash(one, "n1", "n2", "n3")
    lan.settle_on(one, {leader})
    lan.endpoints("two", 1)
    until(lambda: [each["node"] for each in lan.told("two")] == [leader], "both are told")
    lan.api.delete("/api/v1/namespaces/default/services/one")
    until(lambda: not lan.told("one"), "the first is gone")
    assert lan.answerers(one) == {leader}


def test_a_mistake_in_the_configuration_costs_nothing_that_runs(lan: KubeLan) -> None:
    vip = lan.echo_service("web")
    leader = lan.leader(vip).name
    lan.api.pool("wrong", "192.0.2.205/33")
    until(lambda: "invalid CIDR" in str(lan.speakers[0].status()["config"]["error"]), "it is told")
    assert lan.answerers(vip) == {leader}
    controller = (lan.folder / "controller.log").read_text()
    assert "IPAddressPool wrong: spec.addresses[0]: invalid CIDR '192.0.2.205/33'" in controller
    state = f"{METALLB}/configurationstates/speaker-n1"
    until(
        lambda: lan.api.get(state).get("status", {}).get("result") == "Invalid",
        "the ConfigurationState says so",
    )
    lan.api.delete(f"{METALLB}/ipaddresspools/wrong")
    until(lambda: lan.api.get(state).get("status", {}).get("result") == "Valid", "all is well again")
    until(lambda: lan.speakers[0].status()["config"]["error"] is None, "all is well again")


def cli(lan: KubeLan, *arguments: str) -> tuple[int, str]:
    """Run a command as an operator with a kubeconfig would, on a machine without a speaker."""
    environment = {**os.environ, "KUBECONFIG": str(lan.control.kubeconfig())}
    inside = ["ip", "netns", "exec", lan.host.name, sys.executable, "-m", "roost"]
    done = subprocess.run([*inside, *arguments], capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_an_operator_asks_the_cluster_and_drains_a_node(lan: KubeLan) -> None:
    vip = lan.echo_service("web")
    first = lan.leader(vip).name
    code, text = cli(lan, "status", "--json")
    assert code == 0, text
    assert {each["name"] for each in json.loads(text)["members"]} == {"n1", "n2", "n3"}
    code, text = cli(lan, "explain", vip, "--json")
    assert json.loads(text)["leader"] == first, text
    assert cli(lan, "explain", "192.0.2.9")[0] == 1
    code, text = cli(lan, "what-if", "--down", first, "--json")
    second = json.loads(text)["moves"][0]["after"]
    assert second == first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
    code, text = cli(lan, "drain", first, "--json")
    assert code == 0, text
    lan.settle_on(vip, {second})
    code, text = cli(lan, "drain", first, "--undo")
    assert code == 0, text
    lan.settle_on(vip, {first})


def test_one_page_shows_the_cluster_and_drains_a_node(lan: KubeLan) -> None:
    """`roost dashboard` follows each pod through the API server's proxy, and drains by the Node object."""
    vip = lan.echo_service("web")
    first = lan.leader(vip).name
    command = [sys.executable, "-m", "roost", "dashboard", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        ["ip", "netns", "exec", lan.host.name, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KUBECONFIG": str(lan.control.kubeconfig())},
    )
    try:
        assert process.stdout is not None
        address, _, token = process.stdout.readline().strip().partition("#token=")
        port = int(address.strip("/").rpartition(":")[2])

        def ask(method: str, target: str) -> http.client.HTTPResponse:
            with lan.host.entered():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request(method, target, headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse()

        stream = ask("GET", "/v1/live")
        led: dict[str, set[str]] = {}  # by each speaker's word

        def told() -> bool:
            """Take one line of the stream; tell whether all speakers say that the address is where it is."""
            line = stream.readline()
            if line.startswith(b"data: "):
                said = json.loads(line[6:])
                for row in said.get("set", {}).get("services", {}).values():
                    if row and vip in row["addresses"]:
                        led.setdefault(said["source"], set()).add(row["leader"])
            return len(led) == 3 and all(first in each for each in led.values())

        until(told, "all three speakers' words")
        assert ask("POST", f"/v1/act/drain/{first}").status == 200
        second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
        until(lambda: told() and all(second in each for each in led.values()), "the move is told")
        lan.settle_on(vip, {second})
        assert ask("POST", f"/v1/act/undrain/{first}").status == 200
        lan.settle_on(vip, {first})
    finally:
        process.terminate()
        process.wait()


def test_addresses_spread_evenly_when_that_is_wanted(lan: KubeLan) -> None:
    """metallb#359 #439 #889 #2284: off by default; a failure moves what the lost node led, nothing else."""
    lan.stop_controller()
    lan.start_controller("--webhook-mode=disabled", "--spread")
    try:
        vips = [lan.echo_service(f"web{at}") for at in range(6)]
        until(lambda: [len(each.answering()) for each in lan.speakers] == [2, 2, 2], "two on each node")
        before = {vip: lan.leader(vip).name for vip in vips}
        gone = lan.speakers[0]
        lan.cut(gone)
        rest = lan.speakers[1:]
        until(lambda: {vip for each in rest for vip in each.answering()} == set(vips), "others take over")
        for speaker in rest:
            assert {vip for vip in vips if before[vip] == speaker.name} <= speaker.answering()
        lan.heal(gone)
        until(lambda: {vip: lan.leader(vip).name for vip in vips} == before, "all is as it was")
        explanation = lan.speakers[1].ask(f"/v1/explain/{vips[0]}")
        assert "the service prefers" in str(explanation["places"]) or before[vips[0]] == "n1"
    finally:
        lan.stop_controller()
        lan.start_controller("--webhook-mode=disabled")


def test_whoever_announces_can_be_followed(lan: KubeLan) -> None:
    """metallb#761."""
    vip = lan.echo_service("web")
    first = lan.leader(vip).name
    environment = {**os.environ, "KUBECONFIG": str(lan.control.kubeconfig())}
    inside = ["ip", "netns", "exec", lan.host.name, sys.executable, "-m", "roost"]
    command = [*inside, "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout is not None
        try:
            assert json.loads(watching.stdout.readline())["to"] == first
            lan.set_node(first, labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""})
            event = json.loads(watching.stdout.readline())
        finally:
            watching.terminate()  # else its end would be waited for
    second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first}))
    assert (event["addresses"], event["from"], event["to"]) == ([vip], first, second)


def test_only_nodes_on_the_subnet_when_that_is_wanted(lan: KubeLan) -> None:
    """metallb#511 #737 #1412: here n3 alone has a link in the second subnet."""
    lan.api.pool("second", "203.0.113.200-203.0.113.210")
    alone = lan.speakers[2].namespace
    alone.ip("addr add 203.0.113.13/24 dev eth0")
    try:
        for speaker in lan.running():
            speaker.signal(signal.SIGTERM)
            speaker.wait()
        for speaker in lan.speakers:
            speaker.start("--only-on-subnet")
        vips = [
            lan.echo_service(f"web{at}", annotations={"metallb.io/address-pool": "second"}) for at in range(4)
        ]
        until(lambda: set(vips) <= lan.speakers[2].answering(), "n3 answers for all of them")
        assert {first_by_hash(vip, "n1", "n2", "n3") for vip in vips} > {"n3"}
        explanation = lan.speakers[0].ask("/v1/explain/default%2Fweb0")
        assert {each["node"]: each["reason"] for each in explanation["exclusions"]} == dict.fromkeys(
            ("n1", "n2"), "not on subnet"
        )
        first = lan.echo_service("usual", annotations={"metallb.io/address-pool": "pool"})
        lan.settle_on(first, {first_by_hash(first, "n1", "n2", "n3")})
    finally:
        alone.ip("addr del 203.0.113.13/24 dev eth0")
        restart(lan)


def test_under_metallbs_own_roles(lan: KubeLan) -> None:
    """The speaker's roles as MetalLB publishes them: pods may be listed, not watched; and its metrics."""
    read = "get list watch"
    lan.api.allow(
        "metallb-speaker",
        [
            ("metallb.io", "servicel2statuses servicel2statuses/status", "*"),
            ("metallb.io", "configurationstates configurationstates/status", "*"),
            ("metallb.io", "ipaddresspools l2advertisements communities", read),
            ("", "services endpoints nodes namespaces", read),
            ("discovery.k8s.io", "endpointslices", read),
            ("", "events", "create patch"),
            ("", "pods", "list get"),
        ],
    )
    try:
        restart(lan, account="metallb-speaker")
        vip = lan.echo_service("web")
        leader = first_by_hash(vip, "n1", "n2", "n3")
        lan.settle_on(vip, {leader})
        until(lambda: [each["node"] for each in lan.told("web")] == [leader], "ServiceL2Status says so")
        assert not lan.speakers[0].status()["config"]["trouble"]
    finally:
        restart(lan)


def test_metrics_under_both_names(lan: KubeLan) -> None:
    try:
        for speaker in lan.running():
            speaker.signal(signal.SIGTERM)
            speaker.wait()
        lan.start("--metallb-metrics")
        vip = lan.echo_service("web")
        leader = lan.leader(vip)
        lan.settle_on(vip, {leader.name})
        script = (
            "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9120/metrics').read().decode())"
        )
        text = leader.namespace.run(sys.executable, "-c", script)
        labels = f'ip="{vip}",node="{leader.name}",protocol="layer2",service="default/web"'
        assert f"metallb_speaker_announced{{{labels}}} 1.0" in text
        for name in ("requests_received", "responses_sent", "gratuitous_sent"):
            assert f'metallb_layer2_{name}{{ip="{vip}"}} ' in text
        assert "roost_failover_seconds_bucket" in text
        assert "roost_source_trouble 0.0" in text
    finally:
        restart(lan)


def restart(lan: KubeLan, **options: Any) -> None:
    """Stop all speakers and start them with other settings."""
    for speaker in lan.running():
        speaker.signal(signal.SIGTERM)
        speaker.wait()
    lan.gossip(**options)
    lan.start()


def test_a_speaker_that_alone_lost_the_api_gives_way_to_those_who_know(lan: KubeLan) -> None:
    """It must neither hold on to what moved nor keep in the dark what is new and would be its own."""
    vip = lan.echo_service("web", externalTrafficPolicy="Local")
    names = {each.name for each in lan.speakers}
    alone = next(each for each in lan.speakers if each.name == first_by_hash(vip, *names))
    others = names - {alone.name}
    second = first_by_hash(vip, *others)
    lan.endpoints("web", int(alone.name[1]))
    lan.settle_on(vip, {alone.name})
    with lan.without_api(alone):
        until(lambda: alone.status()["config"]["trouble"], "it notices that nobody answers", 60)
        lan.endpoints("web", int(second[1]))
        lan.settle_on(vip, {second})
        news = [lan.echo_service(f"new{at}", proxied=False) for at in range(6)]
        dark = [each for each in news if first_by_hash(each, *names) == alone.name]
        until(lambda: all(lan.answerers(each) == {first_by_hash(each, *others)} for each in dark), "led", 90)
        # Its standby has stood in before that: who knows of nothing new says so only after some time.
        other = next(each for each in lan.speakers if each is not alone)
        until(lambda: "not hear of changes" in str(other.ask(f"/v1/explain/{dark[0]}")), "told why", 90)
        assert lan.answerers(vip) == {second}
    until(lambda: not alone.status()["config"]["trouble"], "it hears of changes again", 60)
    for each in news:
        lan.settle_on(each, {first_by_hash(each, *names)})
    assert lan.answerers(vip) == {second}


# The last one: kube-proxy needs half a minute to find back to an API server that was away.
def test_nothing_is_withdrawn_while_the_api_is_silent_and_failover_works(lan: KubeLan) -> None:
    """metallb#615."""
    vip = lan.echo_service("web")
    first = lan.leader(vip)
    lan.control.kill("kube-apiserver")
    try:
        until(lambda: "cannot follow services" in first.text(), "the speaker says so")
        time.sleep(1)
        assert lan.answerers(vip) == {first.name}
        lan.cut(first)
        second = first_by_hash(vip, *({"n1", "n2", "n3"} - {first.name}))
        until(lambda: lan.answerers(vip) == {second}, "the next one answers")
        status = next(each for each in lan.speakers if each.name == second).status()
        assert "services" in str(status["config"]["trouble"])
    finally:
        lan.heal(first)
        lan.control.start_api_server()
    lan.settle_on(vip, {first.name})
    late = lan.echo_service("late")
    lan.settle_on(late, {first_by_hash(late, "n1", "n2", "n3")})
    # A server that has just started refuses everything until it knows the roles.
    assert not any(f"{kind} are listed now" in each.text() for each in lan.speakers for kind in WATCHED)
    assert "no leader election" not in (lan.folder / "controller.log").read_text()
