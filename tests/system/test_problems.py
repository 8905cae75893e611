"""What a user sees of a broken cluster is true: each situation is named under problems, with its cure.

It is seen in `roost status`, in `roost status --check` (one line, exit 1) and as a metric, on nodes that can
know of it; and a cluster that is well has no problems, also while it is restarted and drained as planned.
"""

import base64
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.system.forwarding import balanced
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until

from roost.protocols.memberlist.members import MEMBERS_LIMIT
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, NodeState, PushPull, Status
from roost.protocols.memberlist.stream import StreamCodec
from roost.speaker.problem_kinds import KINDS

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(8)]
SERVICES = services(VIPS)
KEYS = [base64.b64encode(bytes([number]) * 16).decode() for number in (1, 2)]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        yield made


def roost(speaker: Speaker, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "roost", *arguments, "--socket", str(speaker.socket)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def problems(speaker: Speaker) -> list[dict[str, str]]:
    found = speaker.status()["problems"]
    assert isinstance(found, list)
    return found


def seen(speakers: Sequence[Speaker]) -> list[tuple[str, dict[str, str]]]:
    return [(speaker.name, each) for speaker in speakers for each in problems(speaker)]


def told(speaker: Speaker, kind: str, *words: str, patience: float = 20.0) -> dict[str, str]:
    """Wait until `speaker` names a problem of that kind with these words in it, and return that."""

    def shown() -> dict[str, str] | None:
        fitting = (
            each
            for each in problems(speaker)
            if each["kind"] == kind and all(word in each["text"] + each["cure"] for word in words)
        )
        return next(fitting, None)

    try:
        problem = until(shown, f"{speaker.name} names {kind}: {words}", patience)
    except AssertionError as error:
        raise AssertionError(f"{error}; it names {problems(speaker)}") from None
    assert problem["cure"], problem
    assert problem["severity"] == KINDS[kind].severity.value
    assert isinstance(problem, dict)
    return problem


def named(speaker: Speaker, kind: str, *words: str, patience: float = 20.0) -> None:
    """Wait until a problem of that kind with these words in it is shown everywhere."""
    told(speaker, kind, *words, patience=patience)

    def checked() -> bool:
        done = roost(speaker, "status", "--check")
        lines = done.stdout.splitlines()
        assert len(lines) == 1, done.stdout
        return (
            done.returncode == 1 and lines[0].startswith(("WARNING - ", "CRITICAL - ")) and kind in lines[0]
        )

    until(checked, f"status --check of {speaker.name} says {kind}")
    until(lambda: measured(speaker, kind) >= 1, f"the metric of {speaker.name} says {kind}")
    text = roost(speaker, "status").stdout.splitlines()
    assert text[0].startswith("problems: "), text
    assert any(f"{kind}: " in line and " -> " in line for line in text), text


def measured(speaker: Speaker, kind: str) -> float:
    """The metric of a kind, by the speaker's own socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(speaker.socket))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    prefix = f'roost_problems{{kind="{kind}"}} '
    line = next(line for line in data.decode().splitlines() if line.startswith(prefix))
    return float(line.removeprefix(prefix))


def well(*speakers: Speaker) -> None:
    """Wait until none of `speakers` has a problem, and look at what `status --check` says then."""
    try:
        until(lambda: not seen(speakers), "nobody has problems", 45.0)
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen(speakers)}") from None
    for speaker in speakers:
        done = roost(speaker, "status", "--check")
        assert (done.returncode, done.stdout.splitlines()[1:]) == (0, []), done.stdout
        assert done.stdout.startswith(f"OK - {speaker.name}: ")
        assert measured(speaker, "lost member") == 0


def start(nodes: Lan, speakers: Sequence[Speaker] | None = None) -> None:
    for speaker in speakers or nodes.speakers:
        speaker.start()
    nodes.whole()


# -- a cluster that is well ------------------------------------------------------------------------


def test_planned_restarts_and_drains_are_no_problems(nodes: Lan) -> None:
    start(nodes)

    well(*nodes.speakers)
    for speaker in nodes.speakers:
        others = [each for each in nodes.speakers if each is not speaker]
        speaker.signal(signal.SIGTERM)
        assert speaker.process is not None
        while speaker.process.poll() is None:
            assert seen(others) == []
        speaker.start()
        until(speaker.status, "it listens")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert seen(nodes.speakers) == []
        assert speaker.status()["settled"]
    drained, other, _ = nodes.speakers
    assert roost(other, "drain", drained.name).returncode == 0
    well(*nodes.speakers)
    for speaker in nodes.speakers:
        (note,) = speaker.status()["notes"]
        assert (note["kind"], f"{drained.name} --undo" in note["cure"]) == ("draining", True)
        assert "note: draining: " in roost(speaker, "status").stdout
    for speaker in nodes.speakers:  # somebody may have forgotten it
        named(speaker, "draining", f"{drained.name} --undo", patience=45.0)
        assert speaker.status()["notes"] == []
    assert roost(other, "drain", drained.name, "--undo").returncode == 0
    well(*nodes.speakers)


# -- what a node and its file may have -------------------------------------------------------------


def test_files_that_differ_and_services_that_cannot_be(nodes: Lan) -> None:
    own = "192.0.2.113"
    nodes.speakers[2].namespace.ip(f"addr add {own}/24 dev eth0")
    odd: list[dict[str, Any]] = [
        {"name": "nowhere", "addresses": ["192.0.2.240"], "nodes": {"names": ["n9"]}},
        {"name": "taken", "addresses": [own]},
    ]
    nodes.configure([*SERVICES, *odd], profile="default")
    start(nodes)
    first, second, third = nodes.speakers
    for speaker in nodes.speakers:
        named(speaker, "no leader", "192.0.2.240", "explain")
    named(third, "refused", own)
    named(first, "undeliverable", f"{own} on n3")

    # A file that lacks what this node should lead: others see both, and whom to ask.
    lacking = next(
        each["addresses"][0] for each in first.status()["services"] if each["leader"] == second.name
    )
    second.write(services=[each for each in [*SERVICES, *odd] if each["addresses"] != [lacking]])
    second.signal(signal.SIGHUP)
    named(first, "other services", second.name, "same file")
    named(third, "stood in", lacking, second.name)
    second.write(services=[*SERVICES, *odd])
    second.signal(signal.SIGHUP)

    # Markup in a refused value is only text.
    first.write(services=[{"name": "x", "addresses": ["[/red][bold]no address"]}])
    first.signal(signal.SIGHUP)
    named(first, "stale configuration", "roost check")
    assert "[/red][bold]no address" in roost(first, "status").stdout
    assert "\x1b" not in roost(first, "status").stdout
    first.write(services=[*SERVICES, *odd], membership=first.config["membership"] | {"profile": "fast"})
    first.signal(signal.SIGHUP)
    named(first, "restart needed", "membership.profile")


def test_a_lost_member_stays_until_it_is_forgotten_on_purpose(nodes: Lan) -> None:
    start(nodes)
    first, second, third = nodes.speakers
    third.signal(signal.SIGKILL)
    third.wait()
    named(first, "lost member", "n3", "roost forget n3")
    second.signal(signal.SIGTERM)
    second.wait()
    second.start()
    named(second, "lost member", "n3")  # gossip tells a new process nothing of the dead
    assert second.verdicts()["n3"] == "process gone"
    assert roost(first, "forget", "n4").returncode == 1
    assert roost(first, "forget", "n3").returncode == 0
    well(first, second)
    assert "n3" not in second.verdicts()
    third.start()
    nodes.whole()
    well(*nodes.speakers)


# -- what serves is sick ---------------------------------------------------------------------------


def test_checks_backends_and_virtual_routers(tmp_path: Path) -> None:
    well_1, well_2 = tmp_path / "n1.well", tmp_path / "n2.well"
    with balanced(tmp_path, nodes=2, backends=2) as net:
        net.balance(health={"tcp": True, "interval": 0.2})
        for speaker, flag, other in zip(net.speakers, (well_1, well_2), ("204", "205"), strict=True):
            flag.touch()
            check = {"command": ["test", "-e", str(flag)], "interval": 0.2, "fall": 2}
            routed = {"vrid": 51, "interval": 0.2, "interface": "eth0"}
            nowhere = {"vrid": 52, "interface": "eth9"}
            speaker.write(
                interfaces=["eth0", "eth1", "eth9"],
                services=[
                    *speaker.config["services"],
                    {"name": "tracked", "addresses": ["192.0.2.203"], "track": [check]},
                    # What differs between the nodes of one virtual router is most often its addresses.
                    {
                        "name": "routed",
                        "addresses": [f"192.0.2.{other}"],
                        "election": {"vrrp": routed},
                        "nodes": [speaker.name],
                    },
                    {"name": "nowhere", "addresses": ["192.0.2.206"], "election": {"vrrp": nowhere}},
                ],
            )
        net.start()
        first, second = net.speakers
        for speaker in net.speakers:
            named(speaker, "no leader", "nowhere", "eth9", "explain")
            named(speaker, "vrid clash", "routed", "vrid")
        well_1.unlink()
        named(first, "unfit", "tracked: command test", "explain")
        well_2.unlink()
        for speaker in net.speakers:
            named(speaker, "nobody fit", "tracked", "explain")
        net.servers[0].kill()
        for speaker in net.speakers:
            named(speaker, "backend down", "web: 198.51.100.1:8080", "server")
        net.servers[1].kill()
        for speaker in net.speakers:
            named(speaker, "no quorum", "198.51.100.2:8080", "backends")
        well_1.touch()
        named(second, "unfit", "tracked: command test")


# -- gossip that does not reach somebody -----------------------------------------------------------


def block(speaker: Speaker, what: str, *ways: str) -> None:
    speaker.namespace.run("nft", "add table inet block")
    for way in ways:
        speaker.namespace.run("nft", f"add chain inet block {way} {{ type filter hook {way} priority 0; }}")
        speaker.namespace.run("nft", f"add rule inet block {way} meta l4proto {what} th dport 7946 drop")
        if what == "tcp":  # both ends, else a firewall may let answers pass
            speaker.namespace.run("nft", f"add rule inet block {way} meta l4proto {what} th sport 7946 drop")


BOTH = ("input", "output")


@pytest.mark.parametrize(
    ("what", "ways", "teller", "kind"),
    [
        ("udp", BOTH, 0, "no UDP"),
        ("tcp", BOTH, 2, "no TCP"),  # seen when whole states are exchanged, every 10 to 20 s
        ("{ tcp, udp }", ("input",), 2, "no UDP"),
        ("{ tcp, udp }", ("output",), 2, "gossip blocked"),
    ],
    ids=["udp", "tcp", "inbound", "outbound"],
)
def test_gossip_that_is_blocked_one_way_or_in_part(
    nodes: Lan, what: str, ways: Sequence[str], teller: int, kind: str
) -> None:
    start(nodes)
    block(nodes.speakers[2], what, *ways)
    other = nodes.speakers[2 - teller]
    named(nodes.speakers[teller], kind, other.name, other.address, "gossip port", patience=60.0)


@pytest.mark.parametrize("reason", ["key", "firewall"])
def test_who_never_reached_anybody_is_told_why(nodes: Lan, reason: str) -> None:
    *others, odd = nodes.speakers
    for speaker in nodes.speakers:
        key = KEYS[1] if speaker is odd and reason == "key" else KEYS[0]
        speaker.write(membership=speaker.config["membership"] | {"key": key})
    if reason == "firewall":
        block(odd, "{ tcp, udp }", "input", "output")
    start(nodes, others)
    odd.start()
    named(odd, "no gossip", reason)
    if reason == "key":
        named(others[0], "wrong key", odd.address, "keys")


def test_one_name_on_two_hosts(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    second.write(node=first.name)
    first.start()
    third.start()
    until(lambda: "alive" in third.verdicts().get("n1", ""), "they have met")
    second.start()
    for speaker in nodes.speakers:
        named(speaker, "same name", "--node-name")


# -- links -----------------------------------------------------------------------------------------


def test_a_lost_interface_is_one_problem_for_all_services(nodes: Lan) -> None:
    start(nodes)
    first, _, third = nodes.speakers
    third.namespace.ip("link set eth0 down")
    named(third, "no interface", "eth0 is down", "interfaces")
    assert [each["kind"] for each in problems(third)].count("no interface") == 1
    assert len(problems(third)) <= 3, problems(third)
    named(first, "lost member", "n3")
    third.namespace.ip("link set eth0 up")
    nodes.whole()
    well(*nodes.speakers)


def test_a_host_that_is_cut_off_again_and_again(nodes: Lan) -> None:
    start(nodes)
    first, _, third = nodes.speakers
    time.sleep(1.0)  # the hosts have answered each other
    for _ in range(3):  # it waits longer each time
        nodes.cut(third)
        told(third, "cut off", "switch port")
        told(first, "lost member", "n3")
        nodes.heal(third)
        until(lambda: first.verdicts()["n3"] == "alive", "n3 is back")
        time.sleep(1.2)  # what comes within a second is one loss
    told(third, "flapping", "this node")
    told(first, "flapping", "n3")
    nodes.cut(third)
    named(third, "cut off", "switch port")


# -- others on the LAN -----------------------------------------------------------------------------


def test_a_stranger_that_claims_an_address(nodes: Lan) -> None:
    start(nodes)
    leader = nodes.leader(VIPS[0])
    mac, vip = nodes.client.mac("eth0"), socket.inet_aton(VIPS[0])
    claim = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0002") + mac + vip + b"\xff" * 6 + vip
    with nodes.client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(claim)
    named(leader, "claimed by a stranger", VIPS[0], mac.hex(":"), "switch")


def test_more_members_than_a_table_holds(nodes: Lan) -> None:
    nodes.configure(SERVICES[:1], profile="lan")  # which probes rarely: all are silent
    first = nodes.speakers[0]
    first.start()
    until(lambda: first.status()["settled"], "it has settled")
    crowd = [
        NodeState(
            f"y{each}", bytes([198, 18, each >> 8, each & 255]), 7946, b"", 1, Status.ALIVE, CURRENT_VERSIONS
        )
        for each in range(MEMBERS_LIMIT + 10)
    ]
    codec = StreamCodec(random=Random(1), limit=4 << 20)
    with nodes.client.entered(), socket.create_connection((first.address, 7946), 10) as connection:
        connection.sendall(codec.encode(PushPull(tuple(crowd), b"", True)))
        connection.settimeout(20)
        connection.recv(1)
    named(first, "full table", "no room", patience=40.0)


# -- processes that do not begin -------------------------------------------------------------------


def fail(speaker: Speaker, namespace: str, *before: str) -> str:
    """Start the speaker's file in a namespace, which must not work; return what it says."""
    inside = ["ip", "netns", "exec", namespace, *before, sys.executable, "-m", "roost", "speaker"]
    done = subprocess.run(
        [*inside, "--config", str(speaker.path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3, done.stderr
    return done.stderr


def test_processes_that_cannot_begin_say_so_themselves(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    first.start()
    until(lambda: first.status()["settled"], "it has settled")
    twin = fail(second, first.namespace.name)
    assert "network namespace" in twin
    named(first, "second speaker", "network namespace", "stop the other one")
    assert first.text().count("in vain") == 1
    bare = fail(third, third.namespace.name, "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-all")
    assert "CAP_NET_RAW is missing" in bare
    done = roost(third, "status", "--check")
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith("CRITICAL - no speaker answers")
    assert len(done.stdout.splitlines()) == 1


def test_a_speaker_that_waits_for_its_address(nodes: Lan) -> None:
    first = nodes.speakers[0]
    first.namespace.ip(f"addr del {first.address}/24 dev eth0")
    first.start()
    named(first, "waiting", first.address, "membership.bind")
