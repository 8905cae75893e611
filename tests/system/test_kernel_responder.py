"""Answers that the kernel gives: how they end, who takes over, who else is at the hook, and who may not."""

import asyncio
import contextlib
import ctypes
import errno
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pyroute2.netlink import NLM_F_CREATE
from pyroute2.netlink.rtnl import RTM_NEWTFILTER
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Lan, Speaker, lan, until

from roost.announce.responder import Heard
from roost.announce.responders import Responders
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.protocols.words.sightings import Sighting
from roost.runtime import bpf, clsact
from roost.runtime.packet_socket import CapabilityError

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
SERVICES: list[dict[str, Any]] = [{"name": "web", "addresses": [VIP, VIP6]}]
IN_THE_KERNEL = ["tcx", "clsact"]
PASS = struct.pack("=BBhiBBhi", 0xB7, 0, 0, -1, 0x95, 0, 0, 0)  # r0 = TC_ACT_UNSPEC; exit

ANSWERER = """
import signal, socket, sys, time
from roost.announce.kernel_answers import How, KernelAnswers, key_of
from roost.runtime.bpf import TcxLinks
from roost.runtime.clsact import ClsactFilters
from ipaddress import ip_address
kind, mac = sys.argv[1], bytes.fromhex(sys.argv[2])
link = socket.if_nametoindex("eth0")
answers = KernelAnswers()
answers.renew(time.monotonic() + 60)
answers.put({key_of(link, ip_address("192.0.2.200")): How(mac, mac)})
hooked = {"tcx": TcxLinks, "clsact": ClsactFilters}[kind](answers.programs, link)
print("ready", flush=True)
sys.stdin.readline()
hooked.close()
print("closed", flush=True)
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 1) as made:
        made.configure(SERVICES)
        made.speakers[0].write(membership=None)
        yield made


def choose(made: Lan, responder: str) -> None:
    for speaker in made.speakers:
        speaker.write(announce={"responder": responder})


def answering_by(speaker: Speaker, kind: str) -> str:
    """Wait until that answers on eth0; returns why it is not the kernel."""

    def chosen() -> list[str]:
        links = [each for each in speaker.status()["interfaces"] if each["name"] == "eth0"]
        return [link["responder_reason"] for link in links if link["responder"] == kind]

    return str(until(chosen, f"{kind} answers")[0])


def filters(node: Namespace, hook: str) -> list[str]:
    """The BPF filters at a clsact hook, one line each."""
    lines = node.run("tc", "filter", "show", "dev", "eth0", hook).splitlines()
    return [line for line in lines if "handle 0x" in line]


def connected(made: Lan, address: str) -> None:
    """Reach the host at `address`, where nobody listens."""
    with made.client.entered(), pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 9), 5)


def silent(made: Lan, within: float) -> None:
    until(lambda: not made.answerers(VIP, 0.1) | made.answerers(VIP6, 0.1), "both are silent", within)


@pytest.mark.parametrize("responder", ["auto", *IN_THE_KERNEL, "packet"])
def test_what_was_chosen_answers_and_is_shown(alone: Lan, responder: str) -> None:
    choose(alone, responder)
    alone.start()
    for address in (VIP, VIP6):
        alone.settle_on(address, {"n1"})
    speaker = alone.speakers[0]
    kind = "tcx" if responder == "auto" else responder
    assert answering_by(speaker, kind) == ""
    shown = speaker.namespace.run(sys.executable, "-m", "roost", "status", "--socket", str(speaker.socket))
    assert ("this process" if responder == "packet" else f"the kernel ({kind})") in shown
    connected(alone, VIP)
    until(
        lambda: speaker.status()["counters"]["clients"]["known"] >= 2, "who asked, of both families, is known"
    )
    assert speaker.status()["counters"]["announce"]["requests_answered"] >= 2


@pytest.mark.parametrize("responder", IN_THE_KERNEL)
def test_a_stopped_process_answers_until_its_lease_ends_and_again_when_it_goes_on(
    alone: Lan, responder: str
) -> None:
    choose(alone, responder)
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], responder)
    alone.speakers[0].signal(signal.SIGSTOP)
    silent(alone, 3.0)
    alone.speakers[0].signal(signal.SIGCONT)
    alone.settle_on(VIP, {"n1"})
    alone.settle_on(VIP6, {"n1"})


@pytest.mark.parametrize("responder", IN_THE_KERNEL)
def test_a_killed_process_leaves_nobody_answering_and_its_successor_replaces_what_it_left(
    alone: Lan, responder: str
) -> None:
    choose(alone, responder)
    alone.start()
    alone.settle_on(VIP, {"n1"})
    speaker = alone.speakers[0]
    answering_by(speaker, responder)
    speaker.signal(signal.SIGKILL)
    speaker.wait()
    silent(alone, 3.0)
    left = {hook: len(filters(speaker.namespace, hook)) for hook in ("ingress", "egress")}
    assert set(left.values()) == ({1} if responder == "clsact" else {0})
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(speaker, responder)
    for hook, count in left.items():
        assert len(filters(speaker.namespace, hook)) == count
    speaker.signal(signal.SIGTERM)
    assert speaker.wait() == 0
    assert not filters(speaker.namespace, "ingress")
    assert not filters(speaker.namespace, "egress")


@pytest.mark.parametrize("responder", IN_THE_KERNEL)
def test_a_second_one_takes_over_without_a_lost_frame(alone: Lan, responder: str) -> None:
    node = alone.speakers[0].namespace
    argv = (sys.executable, "-c", ANSWERER, responder, node.mac("eth0").hex())
    first = node.spawn(*argv)
    assert first.stdout is not None
    assert first.stdout.readline() == "ready\n"
    with flood(alone) as sent:
        second = node.spawn(*argv)
        assert second.stdout is not None
        assert second.stdout.readline() == "ready\n"
        time.sleep(0.1)
        assert first.stdin is not None
        first.stdin.write("\n")
        first.stdin.flush()
        assert first.stdout.readline() == "closed\n"
        time.sleep(0.3)
    assert sent["questions"] > 500
    assert sent["answers"] == sent["questions"]


@contextlib.contextmanager
def flood(made: Lan) -> Iterator[Counter[str]]:
    """Ask 2,000 times a second, 10 s at most; counts questions and answers until it is left."""
    counted: Counter[str] = Counter()
    mac = made.client.mac("eth0")
    with made.client.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    raw.bind(("eth0", 0x0806))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    raw.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
    head = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0001") + mac
    frame = head + socket.inet_aton("192.0.2.101") + bytes(6) + socket.inet_aton(VIP)
    over = threading.Event()

    def ask() -> None:
        end = time.monotonic() + 10
        while not over.is_set() and time.monotonic() < end:
            raw.send(frame)
            counted["questions"] += 1
            time.sleep(0.0005)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield counted
    finally:
        over.set()
        asking.join()
        raw.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                reply = raw.recv(128)
                counted["answers"] += reply[20:22] == b"\x00\x02" and reply[28:32] == frame[-4:]
        raw.close()


def test_a_filter_of_others_stays_where_it_is(alone: Lan) -> None:
    node = alone.speakers[0].namespace
    node.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    for pref in (1, 2):  # of another kind, at the first places
        node.run(
            *("tc", "filter", "add", "dev", "eth0", "ingress", "pref", str(pref), "protocol", "all"),
            *("u32", "match", "u32", "0x12345678", "0xffffffff", "at", "0", "classid", "1:1"),
        )
    before = node.run("tc", "filter", "show", "dev", "eth0", "ingress")
    choose(alone, "clsact")
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], "clsact")
    assert len([line for line in filters(node, "ingress") if "roost" in line]) == 1
    alone.speakers[0].signal(signal.SIGTERM)
    assert alone.speakers[0].wait() == 0
    assert node.run("tc", "filter", "show", "dev", "eth0", "ingress") == before


def test_a_program_of_others_stays_at_the_hook_and_sees_what_is_not_answered(alone: Lan) -> None:
    """Whoever comes before it and says "go on" is not noticed by it; as with Cilium's."""
    node = alone.speakers[0].namespace
    with node.entered():
        theirs = bpf.TcxLinks({bpf.Hook.INGRESS: bpf.Program(PASS, [], "theirs")}, link_of(node).index)
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], "tcx")
    connected(alone, alone.speakers[0].address)
    alone.speakers[0].signal(signal.SIGTERM)
    assert alone.speakers[0].wait() == 0
    assert theirs.attached
    theirs.close()


DROP_ALL = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0)  # r0 = TC_ACT_SHOT; exit
THEIRS = 1  # handle and preference, as Cilium's filters had them before tcx


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_bpf_filter_of_others_at_the_same_place_stays_and_comes_second(alone: Lan, when: str) -> None:
    """Theirs drops all that it sees: what is answered it does not get to see, all else is its own matter."""
    node = alone.speakers[0].namespace
    with node.entered():
        theirs = bpf.Program(DROP_ALL, [], "cil_from_netdev")
        index = link_of(node).index
    node.run("tc", "qdisc", "add", "dev", "eth0", "clsact")  # theirs, too
    choose(alone, "clsact")

    def place() -> None:
        options = {"attrs": [["TCA_BPF_FD", theirs.fd], ["TCA_BPF_NAME", theirs.name], ["TCA_BPF_FLAGS", 1]]}
        attributes: list[list[Any]] = [["TCA_KIND", "bpf"], ["TCA_OPTIONS", options]]
        where = (THEIRS, 0xFFFFFFF2, THEIRS << 16 | socket.htons(3))
        with node.entered(), clsact._Netlink() as netlink:
            netlink.ask(RTM_NEWTFILTER, NLM_F_CREATE, index, where, attributes)

    if when == "before":
        place()
    alone.start()
    answering_by(alone.speakers[0], "clsact")
    if when == "after":
        place()
        until(lambda: "taking the first place again" in alone.speakers[0].text(), "it is told")
    for address in (VIP, VIP6):
        alone.settle_on(address, {"n1"})
    assert not alone.answerers(alone.speakers[0].address), "the kernel's own answer shows that theirs works"
    alone.speakers[0].signal(signal.SIGTERM)
    assert alone.speakers[0].wait() == 0
    assert ["cil_from_netdev" in each for each in filters(node, "ingress")] == [True]
    assert "clsact" in node.run("tc", "qdisc", "show", "dev", "eth0")


def test_a_program_that_comes_before_it_stays_and_comes_second(alone: Lan) -> None:
    """By tcx the last to come may be the first, too."""
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], "tcx")
    node = alone.speakers[0].namespace
    with node.entered():
        program = bpf.Program(DROP_ALL, [], "theirs")
        theirs = bpf.TcxLinks({bpf.Hook.INGRESS: program}, link_of(node).index)
    until(lambda: "taking the first place again" in alone.speakers[0].text(), "it is told")
    for address in (VIP, VIP6):
        alone.settle_on(address, {"n1"})
    assert not alone.answerers(alone.speakers[0].address)
    assert answering_by(alone.speakers[0], "tcx") == ""
    assert theirs.attached
    theirs.close()


def test_an_xdp_program_of_others_stays(alone: Lan) -> None:
    """As firewalls have them: what they let pass is answered."""
    node = alone.speakers[0].namespace
    let_pass = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0)  # r0 = XDP_PASS; exit
    code, licence = ctypes.create_string_buffer(let_pass), ctypes.create_string_buffer(b"GPL")
    pointers = (ctypes.addressof(each) for each in (code, licence))
    program = bpf._call(PROGRAM_LOAD, bpf._attributes("=IIQQ", 6, 2, *pointers))
    with node.entered():
        link = bpf._call(LINK_CREATE, bpf._attributes("=IIII", program, link_of(node).index, 37, 0))
    alone.start()
    alone.settle_on(VIP, {"n1"})
    assert answering_by(alone.speakers[0], "tcx") == ""
    alone.speakers[0].signal(signal.SIGTERM)
    assert alone.speakers[0].wait() == 0
    assert "xdp" in node.ip("link show dev eth0")
    for each in (link, program):
        os.close(each)


def test_what_somebody_takes_away_is_put_back_and_told(alone: Lan) -> None:
    choose(alone, "clsact")
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], "clsact")
    alone.speakers[0].namespace.run("tc", "qdisc", "del", "dev", "eth0", "clsact")
    alone.settle_on(VIP, {"n1"})
    until(lambda: "putting it back" in alone.speakers[0].text(), "it is told")
    assert answering_by(alone.speakers[0], "clsact") == ""


@pytest.mark.parametrize("responder", IN_THE_KERNEL)
def test_a_replaced_interface_is_answered_on_again(alone: Lan, responder: str) -> None:
    choose(alone, responder)
    alone.start()
    alone.settle_on(VIP, {"n1"})
    speaker = alone.speakers[0]
    speaker.namespace.ip("link del eth0")
    until(
        lambda: not [link for link in speaker.status()["interfaces"] if link["name"] == "eth0"], "it is gone"
    )
    alone.net.veth(alone.switch, "p0", speaker.namespace, "eth0")
    alone.switch.ip("link set p0 master br0")
    speaker.namespace.ip(f"addr add {speaker.address}/24 dev eth0")
    alone.forget_macs()
    alone.settle_on(VIP, {"n1"})
    assert answering_by(speaker, responder) == ""


@pytest.mark.parametrize("responder", [*IN_THE_KERNEL, "packet"])
def test_an_interface_that_takes_the_place_of_another_is_answered_on(alone: Lan, responder: str) -> None:
    """Deleted and made again in one breath, with the same name, index and hardware address."""
    choose(alone, responder)
    alone.start()
    alone.settle_on(VIP, {"n1"})
    answering_by(alone.speakers[0], responder)
    node, mac = alone.speakers[0].namespace, alone.speakers[0].namespace.mac("eth0").hex(":")
    with node.entered():
        index = socket.if_nametoindex("eth0")
    again = (
        f"link del eth0\nlink add eth0 index {index} address {mac} type veth peer name p0 netns "
        f"{alone.switch.name}\nlink set eth0 up\naddr add {alone.speakers[0].address}/24 dev eth0\n"
    )
    with node.entered():
        subprocess.run(["ip", "-batch", "-"], input=again, text=True, check=True)
    alone.switch.ip("link set p0 master br0 up")
    for address in (VIP, VIP6):
        alone.settle_on(address, {"n1"})
    assert answering_by(alone.speakers[0], responder) == ""


def test_the_host_answers_for_nothing_that_others_lead_even_if_it_would(tmp_path: Path) -> None:
    """The sysctls of local delivery are one guard, this is the other."""
    with lan(tmp_path, 2) as two:
        two.configure(SERVICES)
        two.start()
        leader = two.leader(VIP)
        (other,) = (each for each in two.speakers if each is not leader)
        for responder, answer in (("auto", {leader.name}), ("packet", {leader.name, other.name})):
            choose(two, responder)
            other.signal(signal.SIGTERM)
            other.wait()
            other.start()
            two.whole()
            answering_by(other, "tcx" if responder == "auto" else responder)
            for key in ("arp_ignore", "arp_announce"):
                other.namespace.sysctl(f"net/ipv4/conf/eth0/{key}", 0)
            assert two.answerers(VIP) == answer, responder  # the second shows that the first can fail


def test_without_cap_bpf_this_process_answers_and_says_why(alone: Lan) -> None:
    alone.start()  # as root: so it can be had here at all
    answering_by(alone.speakers[0], "tcx")
    alone.speakers[0].signal(signal.SIGTERM)
    alone.speakers[0].wait()
    start_with(alone.speakers[0], "+net_admin,+net_raw")
    alone.settle_on(VIP, {"n1"})
    assert "CAP_BPF" in answering_by(alone.speakers[0], "packet")
    assert "Operation not permitted" in alone.speakers[0].text()


def test_cap_bpf_and_cap_net_admin_are_enough(alone: Lan) -> None:
    start_with(alone.speakers[0], "+net_admin,+net_raw,+bpf")
    alone.settle_on(VIP, {"n1"})
    assert answering_by(alone.speakers[0], "tcx") == ""


@pytest.mark.parametrize("responder", IN_THE_KERNEL)
def test_what_is_wanted_by_name_and_refused_ends_the_start_with_one_line(alone: Lan, responder: str) -> None:
    choose(alone, responder)
    start_with(alone.speakers[0], "+net_admin,+net_raw")
    assert alone.speakers[0].wait() == 3
    last = alone.speakers[0].text().strip().splitlines()[-1]
    assert f"announce.responder: {responder} cannot be had" in last
    assert "CAP_BPF" in last
    assert "Traceback" not in alone.speakers[0].text()


def start_with(speaker: Speaker, capabilities: str) -> None:
    assert shutil.which("setpriv")
    rights = (f"--bounding-set=-all,{capabilities}", "--inh-caps=-all", "--ambient-caps=-all")
    command = [
        "ip",
        "netns",
        "exec",
        speaker.namespace.name,
        "setpriv",
        *rights,
        sys.executable,
        "-m",
        "roost",
    ]
    with speaker.log.open("ab") as log:
        speaker.process = subprocess.Popen(
            [*command, "speaker", "--config", str(speaker.path)], stderr=log, stdout=log
        )


# -- an older kernel, feature by feature: what it refuses, and what is chosen then ------------------------


class Ear(Heard):
    """Hears nothing."""

    def claimed(self, *_: object, direct: bool) -> None:
        pass

    def asked(self, sighting: Sighting, at: float) -> None:
        pass


MAP_CREATE, PROGRAM_LOAD, TEST_RUN, INFO, TAKE_BATCH, UPDATE_BATCH, LINK_CREATE = 0, 5, 10, 15, 25, 26, 28
PIN, BTF_LOAD = 6, 18
TOO_OLD = "too old"


@pytest.mark.parametrize(
    ("command", "code", "kind", "why"),
    [
        (MAP_CREATE, errno.EPERM, "packet", "CAP_BPF"),  # 5.7 and older, or a container's seccomp profile
        (MAP_CREATE, errno.ENOSYS, "packet", "no BPF"),
        (PROGRAM_LOAD, errno.EINVAL, "packet", TOO_OLD),
        (TEST_RUN, errno.EINVAL, "packet", TOO_OLD),
        (INFO, errno.EINVAL, "packet", TOO_OLD),  # 4.12 and older
        (TAKE_BATCH, errno.EINVAL, "packet", TOO_OLD),  # 5.5 and older
        (PIN, errno.EPERM, "tcx", ""),  # bpffs is not mounted: nothing is pinned
        (BTF_LOAD, errno.EINVAL, "tcx", ""),  # built without CONFIG_DEBUG_INFO_BTF: nothing needs it
        (LINK_CREATE, errno.EINVAL, "clsact", ""),  # 6.5 and older
        (UPDATE_BATCH, errno.ENOMEM, "packet", "the kernel answers no more"),  # while it works
    ],
)
async def test_what_a_kernel_refuses_is_done_in_the_next_best_way(
    alone: Lan, monkeypatch: pytest.MonkeyPatch, command: int, code: int, kind: str, why: str
) -> None:
    call = bpf._call

    def refusing(number: int, attributes: Any) -> int:
        if number == command:
            raise OSError(code, "refused by the test")
        return call(number, attributes)

    node = alone.speakers[0].namespace
    with node.entered():
        responders = Responders("auto", Counter())
        if command != UPDATE_BATCH:
            monkeypatch.setattr(bpf, "_call", refusing)
        responders.prepare()
        monkeypatch.setattr(bpf, "_call", refusing)
        responder = responders.make(link_of(node), Ear())
        vip = ip_address(VIP)
        responder.notice(frozenset({vip}))
        responder.answer({vip: Announcement()})
        responder.renew(time.monotonic() + 60)
        attempts = 500
        while (responder.kind, why in responder.why) != (kind, True) and (attempts := attempts - 1):
            await asyncio.sleep(0.01)
        assert (responder.kind, why in responder.why) == (kind, True), responder.why
        answerers = await asyncio.to_thread(alone.answerers, VIP)
        assert answerers == {"n1"}
        assert responder.counts()[vip].responses == 1
        responder.close()
        responders.close()


@pytest.mark.parametrize("kind", bpf.MapKind, ids=lambda each: each.name)
async def test_a_kind_of_map_that_a_kernel_lacks_is_a_reason(
    alone: Lan, monkeypatch: pytest.MonkeyPatch, kind: bpf.MapKind
) -> None:
    """Tables that forget the oldest are of 4.10, those with values for each CPU of 4.6."""
    call = bpf._call

    def refusing(number: int, attributes: Any) -> int:
        if number == MAP_CREATE and struct.unpack_from("=I", attributes)[0] == kind:
            raise OSError(errno.EINVAL, "Invalid argument")
        return call(number, attributes)

    node = alone.speakers[0].namespace
    with node.entered():
        responders = Responders("auto", Counter())
        monkeypatch.setattr(bpf, "_call", refusing)
        responders.prepare()
        responder = responders.make(link_of(node), Ear())
        vip = ip_address(VIP)
        responder.notice(frozenset({vip}))
        responder.answer({vip: Announcement()})
        responder.renew(time.monotonic() + 60)
        assert (responder.kind, TOO_OLD in responder.why) == ("packet", True)
        assert await asyncio.to_thread(alone.answerers, VIP) == {"n1"}
        responder.close()
        responders.close()


async def test_a_kernel_that_refuses_what_is_wanted_by_name_is_an_error(
    alone: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = bpf._call

    def refusing(number: int, attributes: Any) -> int:
        if number == LINK_CREATE:
            raise OSError(errno.EINVAL, "refused by the test")
        return call(number, attributes)

    monkeypatch.setattr(bpf, "_call", refusing)
    with pytest.raises(CapabilityError, match="tcx cannot be had"):
        Responders("tcx", Counter()).prepare()


def link_of(node: Namespace) -> Link:
    with node.entered():
        index = socket.if_nametoindex("eth0")
    return Link(
        index, "eth0", node.mac("eth0"), up=True, carrier=True, broadcast=True, no_arp=False, loopback=False
    )
