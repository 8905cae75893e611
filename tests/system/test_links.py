"""The live view of links: it follows what happens, and finds its way back when notifications are lost."""

import asyncio
import contextlib
import errno
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_interface

import pytest
from tests.system.netns import NETNS, Namespace, network

from roost.model.link import Link
from roost.runtime.links import LinkWatcher

pytestmark = NETNS


@pytest.fixture
def node() -> Iterator[Namespace]:
    """Give a namespace with a cable: eth0 here, peer in another namespace."""
    with network() as net:
        node, other = net.add("node"), net.add("other")
        net.veth(node, "eth0", other, "peer")
        yield node


@contextlib.asynccontextmanager
async def watching(
    node: Namespace,
    on_change: Callable[[tuple[Link, ...]], None] | None = None,
    receive_buffer: int = 1 << 20,
) -> AsyncIterator[LinkWatcher]:
    with node.entered():  # all the time: a new dump opens a new socket
        watcher = LinkWatcher(on_change, receive_buffer=receive_buffer)
        await watcher.start()
        try:
            yield watcher
        finally:
            await watcher.stop()


def link(watcher: LinkWatcher, name: str) -> Link | None:
    return next((link for link in watcher.links if link.name == name), None)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_first_dump_tells_everything(node: Namespace) -> None:
    node.ip("addr add 192.0.2.1/24 dev eth0")
    node.ip("addr add 2001:db8::1/64 dev eth0 nodad")
    async with watching(node) as watcher:
        assert [each.name for each in watcher.links] == ["lo", "eth0"]
        lo, eth0 = watcher.links
    assert lo.loopback
    assert lo.mac == b""
    assert ip_interface("127.0.0.1/8") in lo.addresses
    assert (eth0.up, eth0.carrier, eth0.broadcast, eth0.no_arp, eth0.loopback) == (
        True,
        True,
        True,
        False,
        False,
    )
    assert (eth0.kind, eth0.master, eth0.mtu) == ("veth", None, 1500)
    assert eth0.mac == node.mac("eth0")
    assert {ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")} <= set(eth0.addresses)


async def test_links_come_are_renamed_and_go(node: Namespace) -> None:
    async with watching(node) as watcher:
        node.ip("link add v0 type veth peer name v1")
        await until(lambda: link(watcher, "v0") and link(watcher, "v1"))
        made = link(watcher, "v0")
        node.ip("link set v0 name wan")
        await until(lambda: link(watcher, "wan"))
        renamed = link(watcher, "wan")
        assert made is not None
        assert renamed is not None
        assert made.index == renamed.index
        assert link(watcher, "v0") is None
        node.ip("link del wan")
        await until(lambda: [each.name for each in watcher.links] == ["lo", "eth0"])


async def test_state_carrier_and_mac_are_followed(node: Namespace) -> None:
    async with watching(node) as watcher:

        def eth0() -> Link:
            found = link(watcher, "eth0")
            assert found is not None
            return found

        node.ip("link set eth0 down")
        await until(lambda: not eth0().up)
        node.ip("link set eth0 address 02:00:00:00:00:77")
        await until(lambda: eth0().mac == bytes.fromhex("020000000077"))
        node.ip("link set eth0 up")
        await until(lambda: eth0().up and eth0().carrier)
        node.ip("link set eth0 arp off")
        await until(lambda: eth0().no_arp)
        node.ip("link set eth0 mtu 1400")
        await until(lambda: eth0().mtu == 1400)


async def test_carrier_lost_at_the_other_end() -> None:
    with network() as net:
        here, there = net.add("here"), net.add("there")
        net.veth(here, "eth0", there, "peer")
        async with watching(here) as watcher:
            there.ip("link set peer down")
            await until(lambda: (found := link(watcher, "eth0")) and found.up and not found.carrier)


async def test_addresses_are_followed_and_keep_their_order(node: Namespace) -> None:
    async with watching(node) as watcher:

        def v4() -> list[str]:
            found = link(watcher, "eth0")
            assert found is not None
            return [str(address) for address in found.addresses if address.version == 4]

        node.ip("addr add 192.0.2.9/24 dev eth0")
        node.ip("addr add 192.0.2.3/24 dev eth0")
        node.ip("addr add 198.51.100.1 peer 198.51.100.2/32 dev eth0")
        await until(lambda: v4() == ["192.0.2.9/24", "192.0.2.3/24", "198.51.100.1/32"])
        node.ip("addr del 192.0.2.3/24 dev eth0")
        await until(lambda: v4() == ["192.0.2.9/24", "198.51.100.1/32"])


async def test_a_port_knows_its_bridge_and_survives_leaving_it(node: Namespace) -> None:
    """When a port leaves, the bridge sends RTM_DELLINK of its own family: the link is still there."""
    async with watching(node) as watcher:
        node.ip("link add br0 type bridge")
        node.ip("link set eth0 master br0")
        await until(lambda: (found := link(watcher, "eth0")) and found.master_kind == "bridge")
        bridge, port = link(watcher, "br0"), link(watcher, "eth0")
        assert bridge is not None
        assert port is not None
        assert port.master == bridge.index
        node.ip("link set eth0 nomaster")
        await until(lambda: (found := link(watcher, "eth0")) and found.master is None)
        assert link(watcher, "eth0") is not None


async def test_a_burst_is_one_call_and_no_change_is_none(node: Namespace) -> None:
    calls: list[tuple[Link, ...]] = []
    async with watching(node, calls.append) as watcher:
        batch(node, [f"addr add 192.0.2.{i}/32 dev eth0" for i in range(1, 101)])
        await until(lambda: calls and len(calls[-1][1].addresses) >= 100)
        assert len(calls) < 20
        await asyncio.sleep(0.1)
        quiet = len(calls)
        node.ip("link set eth0 up")  # it is up already
        await asyncio.sleep(0.1)
        assert len(calls) == quiet
        assert watcher.resyncs == 0


async def test_one_that_takes_the_place_of_another_is_told_apart(node: Namespace) -> None:
    """The same index, name and hardware address within one burst: sockets on the one before are dead."""
    told: list[list[str]] = []
    node.ip("link add v0 index 77 address 02:00:00:00:00:77 type veth peer name v1 index 78")
    async with watching(node, lambda links: told.append([each.name for each in links])) as watcher:
        before = link(watcher, "v0")
        again = (
            "link del v0\nlink add v0 index 77 address 02:00:00:00:00:77 type veth peer name v1 index 78\n"
        )
        with node.entered():
            subprocess.run(["ip", "-batch", "-"], input=again, text=True, check=True)
        await until(lambda: len(told) >= 2)
        assert link(watcher, "v0") == before
    assert told[:2] == [["lo", "eth0"], ["lo", "eth0", "v0", "v1"]]


async def test_lost_notifications_are_made_good_by_a_new_dump(node: Namespace) -> None:
    async with watching(node, receive_buffer=4096) as watcher:
        batch(node, [f"addr add 192.0.2.{i}/32 dev eth0" for i in range(1, 200)])  # nobody reads meanwhile
        await until(lambda: watcher.resyncs > 0)
        await until(lambda: (found := link(watcher, "eth0")) and len(found.addresses) >= 199)
        node.ip("link set eth0 down")
        await until(lambda: (found := link(watcher, "eth0")) and not found.up)


async def test_a_failing_listener_and_a_failing_dump_do_not_end_it(
    node: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: tuple[Link, ...]) -> None:
        raise RuntimeError("listener")

    async with watching(node, fail) as watcher:
        open_once = watcher._open
        attempts = 0

        async def fail_twice() -> object:
            nonlocal attempts
            attempts += 1
            if attempts <= 2:
                raise OSError(errno.ENOBUFS, "no buffer")
            return await open_once()

        monkeypatch.setattr(watcher, "_open", fail_twice)
        monkeypatch.setattr("roost.runtime.links._RETRY_FIRST", 0.01)
        watcher._table = None  # type: ignore[assignment]  # the next notification meets a bug
        node.ip("addr add 192.0.2.1/24 dev eth0")
        await until(lambda: attempts == 3)
        node.ip("link set eth0 down")
        await until(lambda: (found := link(watcher, "eth0")) and not found.up)


async def test_two_thousand_links(node: Namespace) -> None:
    batch(node, [f"link add d{i} type veth peer name e{i}" for i in range(1000)])
    async with watching(node) as watcher:
        assert len(watcher.links) == 2002
        batch(node, [f"link set d{i} up" for i in range(1000)])
        started = time.monotonic()
        await until(lambda: sum(each.up for each in watcher.links) >= 1002)
        assert time.monotonic() - started < 8


def batch(node: Namespace, commands: list[str]) -> None:
    subprocess.run(
        ["ip", "-n", node.name, "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=30
    )
