"""What real packets do to a virtual router: what is wrong with them is counted, and their sender named."""

import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from tests.interop.vrrp.lan import service, vrrp_lan
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import until

from roost.model.address import IPAddress
from roost.protocols.vrrp.packet import GROUPS, Advert, encode

pytestmark = NETNS

VIP, VIP6 = IPv4Address("192.0.2.171"), IPv6Address("2001:db8::171")
SOURCE = IPv4Address("192.0.2.101")


def send(client: Namespace, data: bytes, *, hops: int = 255, family: int = 4) -> None:
    """Send an IP payload to VRRP's group."""
    with client.entered():
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        raw = socket.socket(kind, socket.SOCK_RAW, 112)
        index = socket.if_nametoindex("eth0")
    with raw:
        if family == 4:
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + index.to_bytes(4, "little"))
            raw.sendto(data, (str(GROUPS[4]), 0))
        else:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
            raw.sendto(data, (str(GROUPS[6]), 0, 0, index))


def advert(source: IPAddress = SOURCE, *addresses: IPAddress, vrid: int = 71, **more: int) -> bytes:
    told = Advert(more.get("version", 3), vrid, 255, more.get("interval", 10), addresses or (VIP,))
    return encode(told, source, GROUPS[source.version])


def link_local(client: Namespace) -> IPv6Address:
    line = client.ip("-6 -o addr show dev eth0 scope link")
    return IPv6Address(line.split()[3].partition("/")[0])


def test_what_is_wrong_is_counted_and_moves_nothing(tmp_path: Path) -> None:
    with vrrp_lan(tmp_path, 1) as lan:
        client = lan.lan.client
        roost = lan.roost(1, service(71, [str(VIP), str(VIP6)], 100))
        until(lambda: len(roost.answering()) == 2, "it leads")
        me = roost.config["node"]
        (move,) = roost.ask(f"/v1/what-if?down={me}&address=s71")["moves"]
        assert (move["before"], move["after"], move["known"]) == (me, None, False)
        send(client, advert(), hops=254)
        send(client, advert()[:-1] + b"\0")
        send(client, advert()[:8])
        send(client, advert(SOURCE, VIP, IPv4Address("192.0.2.99")))
        send(client, advert(vrid=72))
        send(client, advert(version=2, interval=100))
        send(client, b"\0")
        local = link_local(client)
        send(client, advert(local, VIP6), hops=64, family=6)
        send(client, advert(local, VIP6)[:-1] + b"\0", family=6)
        want4 = {"ttl": 1, "checksum": 1, "length": 1, "addresses": 1, "version": 1}

        def ignored() -> list[dict[str, int]]:
            return [each["adverts_ignored"] for each in roost.ask("/v1/explain/s71")["vrrp"]]

        until(lambda: ignored() == [want4, {"ttl": 1, "checksum": 1}], "all are counted")
        assert len(roost.answering()) == 2
        mac = client.mac("eth0").hex(":")
        (clash, *_) = [each for each in roost.status()["problems"] if each["kind"] == "vrid clash"]
        assert mac in clash["text"]
        until(lambda: f"mac={mac}" in roost.text(), "the log names it, too")
        send(client, advert())  # a good one, of an owner
        until(lambda: not roost.answering(), "it gives way to that, with both families")
        (peer,) = roost.ask("/v1/explain/s71")["vrrp"][0]["peers"]
        assert (peer["priority"], peer["state"], peer["mac"]) == (255, "master", mac)
        until(lambda: len(roost.answering()) == 2, "that one has fallen silent")
        (move,) = roost.ask(f"/v1/what-if?down={me}")["moves"]
        assert (move["service"], move["before"], move["after"]) == ("s71", me, str(SOURCE))
        assert f"{SOURCE} (priority 255), who led before, if it still runs" in move["why"]
        told = roost.ask(f"/v1/what-if?down={SOURCE}")
        assert (told["moves"], told["staying"]) == ([], 1), (
            "a machine that VRRP knows is no member, and may go"
        )


def test_a_firewall_has_its_say(tmp_path: Path) -> None:
    with vrrp_lan(tmp_path, 1) as lan:
        roost = lan.roost(1, service(71, [str(VIP)], 100))
        until(roost.answering, "it leads")
        run = roost.namespace.run
        run("nft", "add table inet t")
        run("nft", "add chain inet t input { type filter hook input priority 0; policy accept; }")
        run("nft", "add rule inet t input meta l4proto 112 counter drop")
        send(lan.lan.client, advert())
        until(lambda: "packets 1 " in run("nft", "list", "table", "inet", "t"), "it was dropped")
        assert roost.answering()


def test_what_a_virtual_router_lacks_is_a_problem(tmp_path: Path) -> None:
    with vrrp_lan(tmp_path, 2) as lan:
        one = lan.roost(1, service(71, [str(VIP), str(VIP6)], 150))
        two = lan.roost(2, service(71, [str(VIP), str(VIP6)], 100))
        until(lambda: len(one.answering()) == 2, "n1 leads")
        one.namespace.ip("addr flush dev eth0 scope link")  # IPv6 adverts have no address to come from
        until(lambda: len(two.answering()) == 2, "n2 leads both families")

        def kinds() -> list[str]:
            return [each["kind"] for each in one.status()["problems"]]

        until(lambda: kinds() == ["vrrp fault"], "n1 says that it takes no part")
        until(lambda: one.status()["services"][0]["leader"] == "192.0.2.12", "and who leads")
        lan.link(2, "down")
        until(lambda: kinds() == ["no leader"], "nobody leads")
        one.namespace.ip("addr add fe80::11/64 dev eth0")
        until(lambda: len(one.answering()) == 2, "n1 leads again")
        until(lambda: not kinds(), "all is well")
