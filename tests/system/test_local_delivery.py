"""A VIP delivered on a host: reachable there, and never claimed on the wire by the kernel.

The kernel's answers are counted by raw requests from a client on the same bridge. The table of alternatives
in docs/adr/0003-local-delivery.md is `test_what_the_kernel_answers`.
"""

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from tests.system.netns import NETNS, Namespace, Network, network

from roost.model.address import IPAddress
from roost.runtime.local_delivery import LocalDelivery, LocalDeliveryError, RefusedAddressesError

pytestmark = NETNS

VIP = IPv4Address("192.0.2.200")
VIP6 = IPv6Address("2001:db8::200")
VIPS: frozenset[IPAddress] = frozenset({VIP, VIP6})
OWN = IPv4Address("192.0.2.1")
OWN6 = IPv6Address("2001:db8::1")
OTHER = IPv4Address("198.51.100.1")  # of eth1, asked for on eth0: Linux answers ("weak host")
CLIENT = IPv4Address("192.0.2.2")
REQUESTS = 10

_ETH_P_ALL, _ETH_P_IP, _ETH_P_ARP, _ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD


@dataclass(frozen=True)
class Host:
    """The host under test, a client on its eth0, and a bridge on its eth1."""

    net: Network
    node: Namespace
    client: Namespace

    def answers(self, address: IPAddress, requests: int = REQUESTS) -> int:
        """Ask from the client's eth0 and count the kernel's answers."""
        mac = self.client.mac("eth0")
        ask = arp_request(mac, address) if address.version == 4 else neighbor_solicitation(mac, address)
        with self.client.entered(), packets(ask[12:14]) as wire:
            for _ in range(requests):
                wire.send(ask)
            return sum(is_answer(frame, address) for frame in received(wire, 0.3))


@pytest.fixture
def host() -> Iterator[Host]:
    with network() as net:
        node, client = net.add("node"), net.add("client")
        net.lan(node, client)
        net.lan(node, interface="eth1")
        for command in (
            f"addr add {OWN}/24 dev eth0",
            f"addr add {OWN6}/64 dev eth0 nodad",
            f"addr add {OTHER}/24 dev eth1",
        ):
            node.ip(command)
        client.ip(f"addr add {CLIENT}/24 dev eth0")
        client.ip("addr add 2001:db8::2/64 dev eth0 nodad")
        for key in ("default", "all", "lo", "eth0", "eth1"):  # a new namespace copies the host's values
            for setting in ("arp_ignore", "arp_announce"):
                node.sysctl(f"net/ipv4/conf/{key}/{setting}", 0)
        yield Host(net, node, client)


@pytest.fixture
def run(host: Host) -> Callable[[Awaitable[None]], None]:
    """Run a coroutine with this thread inside the node; a test's asserts about the wire stay outside."""

    def inside(work: Awaitable[None]) -> None:
        async def awaited() -> None:
            await work

        with host.node.entered():
            asyncio.run(awaited())

    return inside


Run = Callable[[Awaitable[object]], None]

# --- Silence -----------------------------------------------------------------------------------------------


def test_the_kernel_never_answers_for_a_vip_and_as_before_for_the_rest(host: Host, run: Run) -> None:
    assert host.answers(OTHER) == REQUESTS
    run(LocalDelivery().set_addresses(VIPS))
    assert {address: host.answers(address) for address in (VIP, VIP6, OWN, OWN6, OTHER)} == {
        VIP: 0,
        VIP6: 0,
        OWN: REQUESTS,
        OWN6: REQUESTS,
        OTHER: REQUESTS,
    }


@pytest.mark.parametrize(
    "sysctls",
    [
        ("ipv4/conf/all/route_localnet",),  # what kube-proxy sets: scope host means nothing any more
        ("ipv4/ip_forward", "ipv4/conf/all/proxy_arp", "ipv6/conf/all/forwarding", "ipv6/conf/all/proxy_ndp"),
    ],
)
def test_silent_on_talkative_hosts_too(host: Host, run: Run, sysctls: tuple[str, ...]) -> None:
    for key in sysctls:
        host.node.sysctl(f"net/{key}", 1)
    run(LocalDelivery().set_addresses(VIPS))
    assert (host.answers(VIP), host.answers(VIP6)) == (0, 0)


def test_silent_to_address_probes_too(host: Host, run: Run) -> None:
    """RFC 5227 probes have no sender address and take another path in the kernel."""
    run(LocalDelivery().set_addresses(VIPS))
    with host.client.entered(), packets(_ETH_P_ARP.to_bytes(2, "big")) as wire:
        for address in (VIP, OWN):
            wire.send(arp_request(host.client.mac("eth0"), address, IPv4Address(0)))
        frames = list(received(wire, 0.3))
    assert [sum(is_answer(frame, address) for frame in frames) for address in (VIP, OWN)] == [0, 1]


def test_a_killed_daemon_leaves_the_vip_reachable_and_silent(host: Host, tmp_path: Path, run: Run) -> None:
    daemon = host.node.spawn(
        sys.executable,
        "-c",
        "import asyncio, sys; from ipaddress import ip_address; from pathlib import Path\n"
        "from roost.runtime.local_delivery import LocalDelivery\n"
        "async def main():\n"
        "    delivery = LocalDelivery(Path(sys.argv[1]))\n"
        "    await delivery.set_addresses(frozenset(map(ip_address, sys.argv[2:])))\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())",
        str(tmp_path),
        *map(str, VIPS),
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "ready\n"
    assert (host.answers(VIP), host.answers(VIP6)) == (0, 0)
    with echo(host, VIP) as ask:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        assert (host.answers(VIP), host.answers(VIP6)) == (0, 0)
        assert ask(b"after the kill")

    async def successor() -> None:
        delivery = LocalDelivery(tmp_path)
        await delivery.set_addresses(VIPS)
        await delivery.clear()

    run(successor())
    assert held(host) == set()
    assert settings(host) == {"default": (0, 0), "eth0": (0, 0), "eth1": (0, 0)}
    assert not tmp_path.exists(), "nothing is left"


def test_the_kernels_own_requests_never_carry_the_vip(host: Host, run: Run) -> None:
    def sender(frame: bytes) -> IPv4Address:
        return IPv4Address(frame[28:32])

    def provoke(target: str) -> list[IPv4Address]:
        """Send from the VIP to an address whose MAC is unknown."""
        with host.client.entered(), packets(_ETH_P_ARP.to_bytes(2, "big")) as wire:
            with host.node.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
                service.bind((str(VIP), 0))
                service.sendto(b"reply", (target, 9))
            return [sender(frame) for frame in received(wire, 0.3) if frame[20:22] == b"\x00\x01"]

    host.node.ip(f"route add local {VIP}/32 dev lo table local")
    assert VIP in provoke("192.0.2.90")  # what happens without the guard
    host.node.ip(f"route del local {VIP}/32 dev lo table local")
    run(LocalDelivery().set_addresses(VIPS))
    assert set(provoke("192.0.2.91")) == {OWN}


def test_the_kernels_own_solicitations_never_carry_the_vip(host: Host, run: Run) -> None:
    run(LocalDelivery().set_addresses(VIPS))
    with host.client.entered(), packets(_ETH_P_IPV6.to_bytes(2, "big")) as wire:
        with host.node.entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as service:
            service.bind((str(VIP6), 0))
            service.sendto(b"reply", ("2001:db8::90", 9))
        sources = [IPv6Address(f[22:38]) for f in received(wire, 0.5) if f[20] == 58 and f[54] == 135]
    assert sources
    assert VIP6 not in sources


def test_a_hot_plugged_interface_is_guarded_from_birth(host: Host, run: Run) -> None:
    run(LocalDelivery().set_addresses(VIPS))
    guest = host.net.add("guest")
    host.net.lan(host.node, guest, interface="eth9")  # nobody repairs anything here
    host.node.ip("addr add 203.0.113.1/24 dev eth9")
    with guest.entered(), packets(_ETH_P_ARP.to_bytes(2, "big"), "eth9") as wire:
        for address in (VIP, IPv4Address("203.0.113.1")):
            wire.send(arp_request(guest.mac("eth9"), address, IPv4Address("203.0.113.2")))
        answered = {IPv4Address(frame[28:32]) for frame in received(wire, 0.3) if frame[20:22] == b"\x00\x02"}
    assert answered == {IPv4Address("203.0.113.1")}


# --- Delivery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vip", sorted(VIPS, key=str))
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_service_on_the_vip_is_reachable(
    host: Host, run: Run, vip: IPAddress, kind: socket.SocketKind
) -> None:
    run(LocalDelivery().set_addresses(VIPS))
    with echo(host, vip, kind) as ask:
        assert ask(b"hello")


def test_the_vip_is_never_chosen_as_a_source(host: Host, run: Run) -> None:
    run(LocalDelivery().set_addresses(VIPS))
    for target in ("192.0.2.2", "198.51.100.9", "2001:db8::2"):
        assert not {ip_address(host.node.ip(f"-o route get {target}").split("src ")[1].split()[0])} & VIPS
    host.node.ip(f"addr del {OWN}/24 dev eth0")
    host.node.ip(f"addr del {OTHER}/24 dev eth1")
    host.node.ip("route add default dev eth0")  # not even when the host has no other address
    assert str(VIP) not in host.node.ip("route get 203.0.113.9").split("src")[-1]


# --- The administrator's settings and addresses ------------------------------------------------------------


@pytest.mark.parametrize(
    ("everywhere", "eth0", "guarded"),
    [
        (0, 1, 1),
        (0, 2, 2),
        (0, 8, 8),
        (1, 0, 0),
        (2, 0, 0),
        (0, 0, 3),
        (0, 4, 3),  # reserved values mean 0 to the kernel
    ],
)
def test_stricter_settings_stay_untouched(
    host: Host, run: Run, everywhere: int, eth0: int, guarded: int
) -> None:
    host.node.sysctl("net/ipv4/conf/all/arp_ignore", everywhere)
    host.node.sysctl("net/ipv4/conf/eth0/arp_ignore", eth0)

    async def hold() -> None:
        await delivery.set_addresses(VIPS)

    delivery = LocalDelivery()
    run(hold())
    assert host.node.sysctl("net/ipv4/conf/eth0/arp_ignore") == guarded
    assert host.node.sysctl("net/ipv4/conf/all/arp_ignore") == everywhere
    assert host.answers(VIP) == 0
    run(delivery.clear())
    assert host.node.sysctl("net/ipv4/conf/eth0/arp_ignore") == eth0


def test_what_was_there_before_is_put_back_unless_changed_since(host: Host, tmp_path: Path, run: Run) -> None:
    host.node.sysctl("net/ipv4/conf/eth1/arp_announce", 1)

    async def work() -> None:
        delivery = LocalDelivery(tmp_path)
        await delivery.set_addresses(VIPS)
        assert settings(host) == {"default": (3, 2), "eth0": (3, 2), "eth1": (3, 2)}
        host.node.sysctl("net/ipv4/conf/eth0/arp_ignore", 1)
        assert await delivery.verify() == ()
        await delivery.clear()

    run(work())
    assert settings(host) == {"default": (0, 0), "eth0": (1, 0), "eth1": (0, 1)}


def test_a_new_network_card_gets_what_it_would_have_had(host: Host, tmp_path: Path, run: Run) -> None:
    """It is born with the guard's value: `default` was set. That is the guard's, nobody else's."""

    def replace() -> None:
        host.node.ip("link del eth1")
        host.net.lan(host.node, interface="eth1")
        host.node.ip(f"addr add {OTHER}/24 dev eth1")  # from now on the kernel copies no default to it

    host.node.sysctl("net/ipv4/conf/default/arp_ignore", 0)
    host.node.sysctl("net/ipv4/conf/eth0/arp_announce", 2)  # an administrator's

    async def crashed() -> None:
        await LocalDelivery(tmp_path).set_addresses(VIPS)

    async def work() -> None:
        delivery = LocalDelivery(tmp_path)
        await delivery.set_addresses(VIPS)
        replace()  # once more, while it runs
        assert await delivery.verify() == ()
        assert settings(host)["eth1"] == (3, 2)
        await delivery.clear()

    run(crashed())
    replace()  # while no speaker runs
    run(work())
    assert settings(host) == {"default": (0, 0), "eth0": (0, 2), "eth1": (0, 0)}
    assert not tmp_path.exists(), "nothing is left"


def test_what_was_remembered_before_a_boot_is_nothing(host: Host, tmp_path: Path, run: Run) -> None:
    run(LocalDelivery(tmp_path).set_addresses(VIPS))
    memory = tmp_path / "arp-guard.json"
    memory.write_text(json.dumps(json.loads(memory.read_text()) | {"boot": "another"}))
    run(LocalDelivery(tmp_path).clear())
    assert settings(host)["eth0"] == (3, 2)


def test_an_administrator_who_tightens_all_is_not_weakened(host: Host, run: Run) -> None:
    async def work() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        host.node.sysctl("net/ipv4/conf/all/arp_ignore", 1)  # now 3 on eth0 would win over it
        assert await delivery.verify()
        assert await delivery.verify() == ()

    run(work())
    assert host.node.sysctl("net/ipv4/conf/eth0/arp_ignore") == 0
    assert (host.answers(VIP), host.answers(OTHER), host.answers(OWN)) == (0, 0, REQUESTS)


def test_verify_repairs_guard_and_vips_and_says_so(host: Host, run: Run) -> None:
    async def work() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        assert await delivery.verify() == ()
        host.node.sysctl("net/ipv4/conf/eth1/arp_ignore", 0)
        host.node.ip(f"route del local {VIP} table local")
        host.node.ip(f"addr del {VIP6}/128 dev lo")
        repaired = await delivery.verify()
        assert len(repaired) == 3
        assert "net.ipv4.conf.eth1.arp_ignore was 0, is now 3" in repaired
        assert await delivery.verify() == ()

    run(work())
    assert held(host) == set(map(str, VIPS))


def test_an_address_that_others_own_is_refused_and_never_removed(host: Host, run: Run) -> None:
    async def work() -> None:
        host.node.ip("addr add 192.0.2.210/32 dev lo")
        host.node.ip("addr add 2001:db8::210/128 dev lo nodad")
        delivery = LocalDelivery()
        taken = frozenset(map(ip_address, ("192.0.2.210", "2001:db8::210", str(OWN), str(OWN6))))
        with pytest.raises(RefusedAddressesError, match="already an address of this host") as refused:
            await delivery.set_addresses(VIPS | taken)
        assert refused.value.reasons.keys() == taken
        assert held(host) == set(map(str, VIPS))
        await delivery.clear()

    run(work())
    assert "192.0.2.210" in host.node.ip("addr show dev lo")
    assert "2001:db8::210" in host.node.ip("addr show dev lo")
    assert str(OWN6) in host.node.ip("addr show dev eth0")
    assert held(host) == set()


def test_only_the_difference_is_applied_and_leftovers_are_adopted(host: Host, run: Run) -> None:
    run(LocalDelivery().set_addresses(frozenset({VIP, IPv4Address("192.0.2.201"), VIP6})))
    run(LocalDelivery().set_addresses(frozenset({VIP, VIP6, IPv6Address("2001:db8::201")})))
    assert held(host) == {str(VIP), str(VIP6), "2001:db8::201"}


# --- When it cannot be done --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("exec setpriv --reuid 65534 --regid 65534 --clear-groups", "CAP_NET_ADMIN"),
        ("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec", "read-only"),
    ],
)
def test_when_the_guard_cannot_be_set_no_address_is_added(host: Host, shell: str, said: str) -> None:
    program = (
        "import asyncio; from ipaddress import ip_address\n"
        "from roost.runtime.local_delivery import LocalDelivery, LocalDeliveryError\n"
        "try:\n"
        f"    asyncio.run(LocalDelivery().set_addresses(frozenset([ip_address('{VIP}')])))\n"
        "except LocalDeliveryError as error:\n"
        "    print(error)\n"
    )
    refused = host.node.run("unshare", "-m", "sh", "-c", f'{shell} "$0" "$@"', sys.executable, "-c", program)
    assert "cannot set net.ipv4.conf." in refused
    assert said in refused
    assert held(host) == set()


def test_a_reserved_value_for_all_is_named(host: Host, run: Run) -> None:
    async def work() -> None:
        host.node.sysctl("net/ipv4/conf/all/arp_ignore", 5)
        with pytest.raises(LocalDeliveryError, match=r"net\.ipv4\.conf\.all\.arp_ignore is 5"):
            await LocalDelivery().set_addresses(VIPS)

    run(work())
    assert held(host) == set()


def test_lo_going_down_costs_no_vip_for_long(host: Host, run: Run) -> None:
    async def work() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        host.node.ip("link set lo down")
        host.node.ip("link set lo up")
        assert await delivery.verify() == (
            f"{VIP6} was missing",
        )  # IPv6 forgets addresses, IPv4 keeps routes

    run(work())
    assert held(host) == set(map(str, VIPS))


def test_an_unreadable_memory_is_no_obstacle(host: Host, tmp_path: Path, run: Run) -> None:
    for text in ("", "{", "[]", json.dumps({"namespace": 1, "before": {"2": {"arp_ignore": 7}}})):
        tmp_path.mkdir(exist_ok=True)
        (tmp_path / "arp-guard.json").write_text(text)
        run(LocalDelivery(tmp_path).set_addresses(VIPS))
        assert host.answers(VIP) == 0


# --- Size --------------------------------------------------------------------------------------------------


def test_five_hundred_vips_are_held_and_verified(host: Host, run: Run) -> None:
    vips = frozenset(
        [IPv4Address("198.18.0.0") + i for i in range(250)]
        + [IPv6Address("2001:db8:1::") + i for i in range(1, 251)]
    )

    async def work() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(vips)
        assert await delivery.verify() == ()

    run(work())
    assert held(host) == set(map(str, vips))


# --- The alternatives, measured ----------------------------------------------------------------------------

ADDRESS = (f"ip addr add {VIP}/32 dev lo scope host",)
ROUTE = (f"ip route add local {VIP}/32 dev lo table local",)
NFT = (
    "nft add table arp guard",
    "nft add chain arp guard input { type filter hook input priority 0 ; }",
    f"nft add rule arp guard input arp daddr ip {VIP} drop",
)
POLICY = (f"ip rule add to {VIP} ipproto udp lookup 100", f"ip route add local {VIP}/32 dev lo table 100")
LOCALNET = ("sysctl -qw net.ipv4.conf.all.route_localnet=1",)


def ignore(value: int) -> tuple[str, ...]:
    return (f"sysctl -qw net.ipv4.conf.eth0.arp_ignore={value}",)


@pytest.mark.parametrize(
    ("commands", "vip", "other", "bindable"),
    [
        pytest.param(ADDRESS, REQUESTS, REQUESTS, True, id="address, no guard"),
        pytest.param(ROUTE, REQUESTS, REQUESTS, True, id="route, no guard"),
        pytest.param(
            ADDRESS + ignore(1), 0, 0, True, id="address, arp_ignore 1: silences other addresses too"
        ),
        pytest.param(ADDRESS + ignore(3), 0, REQUESTS, True, id="address, arp_ignore 3"),
        pytest.param(
            ADDRESS + ignore(3) + LOCALNET, REQUESTS, REQUESTS, True, id="the same under route_localnet"
        ),
        pytest.param(ROUTE + ignore(3), 0, REQUESTS, True, id="route, arp_ignore 3"),
        pytest.param(
            ROUTE + ignore(3) + LOCALNET, 0, REQUESTS, True, id="the same under route_localnet: chosen"
        ),
        pytest.param(ADDRESS + NFT, 0, REQUESTS, True, id="address, nft"),
        pytest.param(
            (*ADDRESS, *NFT, "nft flush ruleset"), REQUESTS, REQUESTS, True, id="address, nft flushed"
        ),
        pytest.param(POLICY, 0, REQUESTS, False, id="policy routing: no program can bind"),
    ],
)
def test_what_the_kernel_answers(
    host: Host, commands: tuple[str, ...], vip: int, other: int, *, bindable: bool
) -> None:
    for command in commands:
        host.node.run(*command.split())
    assert (host.answers(VIP), host.answers(OTHER), host.answers(OWN)) == (vip, other, REQUESTS)
    outcome = contextlib.nullcontext() if bindable else pytest.raises(OSError, match="assign")
    with host.node.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service, outcome:
        service.bind((str(VIP), 0))


# --- Means -------------------------------------------------------------------------------------------------


def held(host: Host) -> set[str]:
    """Return the VIPs on the node, by the marks that the documentation names."""
    routes = host.node.ip("route show table local proto 82").splitlines()
    addresses = host.node.ip("-6 -o addr show dev lo deprecated").splitlines()
    return {line.split()[1] for line in routes} | {line.split()[3].split("/")[0] for line in addresses}


def settings(host: Host) -> dict[str, tuple[int, int]]:
    """Return (arp_ignore, arp_announce) of the node's interfaces and of those to come."""
    return {
        name: (
            host.node.sysctl(f"net/ipv4/conf/{name}/arp_ignore"),
            host.node.sysctl(f"net/ipv4/conf/{name}/arp_announce"),
        )
        for name in ("default", "eth0", "eth1")
    }


@contextlib.contextmanager
def echo(
    host: Host, vip: IPAddress, kind: socket.SocketKind = socket.SOCK_STREAM
) -> Iterator[Callable[[bytes], bool]]:
    """Bind a service to the VIP, give the client a static neighbour entry for it, and offer to ask it."""
    family = socket.AF_INET if vip.version == 4 else socket.AF_INET6
    mac = ":".join(f"{octet:02x}" for octet in host.node.mac("eth0"))
    host.client.ip(f"neigh replace {vip} lladdr {mac} dev eth0 nud permanent")
    with contextlib.ExitStack() as sockets:
        with host.node.entered():
            service = sockets.enter_context(socket.socket(family, kind))
            service.bind((str(vip), 8080))
        with host.client.entered():
            client = sockets.enter_context(socket.socket(family, kind))
        for each in (service, client):
            each.settimeout(5)
        if kind == socket.SOCK_STREAM:
            service.listen()
        client.connect((str(vip), 8080))
        accepted = sockets.enter_context(service.accept()[0]) if kind == socket.SOCK_STREAM else None

        def ask(text: bytes) -> bool:
            client.send(text)
            if accepted is not None:
                accepted.sendall(accepted.recv(100))
            else:
                service.sendto(*service.recvfrom(100))
            return client.recv(100) == text

        yield ask


@contextlib.contextmanager
def packets(ethertype: bytes, interface: str = "eth0") -> Iterator[socket.socket]:
    protocol = int.from_bytes(ethertype, "big")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol)) as wire:
        wire.bind((interface, protocol))
        yield wire


def received(wire: socket.socket, seconds: float) -> Iterator[bytes]:
    """Yield the frames that arrive from others, until that many seconds have passed."""
    deadline = time.monotonic() + seconds
    for _ in itertools.count():
        wire.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            frame, (_, _, kind, *_) = wire.recvfrom(2048)
        except TimeoutError:
            return
        if kind != socket.PACKET_OUTGOING:
            yield frame


def arp_request(mac: bytes, target: IPv4Address, sender: IPv4Address = CLIENT) -> bytes:
    """RFC 826."""
    header = struct.pack("!6s6sHHHBBH", b"\xff" * 6, mac, _ETH_P_ARP, 1, _ETH_P_IP, 6, 4, 1)
    return header + mac + sender.packed + bytes(6) + target.packed


def neighbor_solicitation(mac: bytes, target: IPv6Address) -> bytes:
    """RFC 4861 section 4.3, to the solicited-node group."""
    source = IPv6Address("2001:db8::2").packed
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + target.packed[13:]
    body = struct.pack("!BBHI16sBB6s", 135, 0, 0, 0, target.packed, 1, 1, mac)
    pseudo = source + group + struct.pack("!II", len(body), 58)
    total = sum(struct.unpack(f"!{(len(pseudo) + len(body)) // 2}H", pseudo + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
    ip = struct.pack("!IHBB16s16s", 6 << 28, len(body), 58, 255, source, group)
    return b"\x33\x33" + group[12:] + mac + _ETH_P_IPV6.to_bytes(2, "big") + ip + body


def is_answer(frame: bytes, address: IPAddress) -> bool:
    if address.version == 4:
        return frame[20:22] == b"\x00\x02" and frame[28:32] == address.packed
    return frame[20] == 58 and frame[54] == 136 and frame[62:78] == address.packed


# --- Outliving the process ---------------------------------------------------------------------------------


def kept(host: Host) -> set[IPAddress]:
    """The VIPs that the kernel delivers to this host now."""
    with host.node.entered():
        return {vip for vip in (VIP, VIP6) if delivers(vip)}


def delivers(vip: IPAddress) -> bool:
    family = socket.AF_INET if vip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(vip), 0))
        except OSError:
            return False
        return True


def test_what_outlives_the_process_stays_silent_and_ends_by_itself(host: Host, run: Run) -> None:
    async def leave() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        await delivery.clear({VIP: 2.0, VIP6: 2.0})

    run(leave())
    assert kept(host) == VIPS
    assert [host.answers(vip) for vip in (VIP, VIP6)] == [0, 0]
    deadline = time.monotonic() + 10
    while kept(host) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kept(host) == set()
    assert str(VIP) not in host.node.ip("-d addr show dev lo")


def test_the_next_process_lets_it_last_again(host: Host, run: Run) -> None:
    async def restart() -> None:
        before = LocalDelivery()
        await before.set_addresses(VIPS)
        await before.clear({VIP: 2.0, VIP6: 2.0})
        await LocalDelivery().set_addresses(VIPS)
        await asyncio.sleep(3.5)

    run(restart())
    assert kept(host) == VIPS
    assert "dynamic" not in host.node.ip("addr show dev lo")


def test_only_what_has_connections_outlives_the_process(host: Host, run: Run) -> None:
    async def leave() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        await delivery.clear({VIP6: 30.0})

    run(leave())
    assert kept(host) == {VIP6}


def test_where_the_kernel_would_answer_for_it_an_ipv4_address_does_not_outlive_the_process(
    host: Host, run: Run
) -> None:
    async def leave() -> None:
        delivery = LocalDelivery()
        await delivery.set_addresses(VIPS)
        await delivery.clear({VIP: 30.0, VIP6: 30.0})

    host.node.sysctl("net/ipv4/conf/all/route_localnet", 1)
    run(leave())
    assert kept(host) == {VIP6}
    assert host.answers(VIP) == 0
