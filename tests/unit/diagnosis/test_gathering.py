"""Files of other programs are read as those programs mean them; clocks by ICMP."""

from pathlib import Path

import pytest
from tests.unit.diagnosis.facts import link

from roost.model.diagnosis.facts import Manager
from roost.protocols.errors import PacketError
from roost.protocols.icmp import internet_checksum
from roost.protocols.icmp_clock import DAY, ahead, request
from roost.runtime.diagnosis.managers import found
from roost.runtime.diagnosis.proxy import configured

LINKS = (link(1, "lo", "127.0.0.1/8", loopback=True, mac=b""), link(2, "eth0", "192.0.2.11/24"))


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def networkd(root: Path, state: str = "configured", network: str = "[Match]\nName=lo\n") -> None:
    write(
        root,
        "run/systemd/netif/links/1",
        f"ADMIN_STATE={state}\nNETWORK_FILE=/etc/systemd/network/lo.network\n",
    )
    write(root, "etc/systemd/network/lo.network", network)


def test_networkd_that_manages_lo_takes_away_addresses_and_routes(tmp_path: Path) -> None:
    networkd(tmp_path)
    (manager,) = found(LINKS, tmp_path)
    assert manager == Manager(
        "systemd-networkd", "lo", "/etc/systemd/network/lo.network", "addresses and routes"
    )


def test_networkd_that_was_told_to_keep_addresses_takes_routes_alone(tmp_path: Path) -> None:
    networkd(tmp_path, network="[Match]\nName=lo\n[Network]\nAddress=127.0.0.1/8\nKeepConfiguration=yes\n")
    assert [each.removes for each in found(LINKS, tmp_path)] == ["routes"]
    write(tmp_path, "etc/systemd/networkd.conf.d/50.conf", "[Network]\nManageForeignRoutes=no\n")
    assert list(found(LINKS, tmp_path)) == []


def test_networkd_that_leaves_lo_alone_is_none(tmp_path: Path) -> None:
    networkd(tmp_path, state="unmanaged")
    assert list(found(LINKS, tmp_path)) == []


def test_network_manager_with_a_profile_for_lo(tmp_path: Path) -> None:
    profile = "[connection]\nid=lo\ntype=loopback\ninterface-name=lo\n"
    (tmp_path / "run/NetworkManager").mkdir(parents=True)
    write(tmp_path, "run/NetworkManager/system-connections/lo.nmconnection", profile + "nm-generated=true\n")
    assert list(found(LINKS, tmp_path)) == []  # one that it has made for what is there
    write(tmp_path, "etc/NetworkManager/system-connections/lo.nmconnection", profile)
    assert [each.name for each in found(LINKS, tmp_path)] == ["NetworkManager"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ipvs:\n  strictARP: false\nmode: ipvs\n", ("ipvs", False)),
        ('mode: "ipvs"\nipvs:\n  strictARP: true\n', ("ipvs", True)),
        ('{"mode": "nftables"}', ("nftables", None)),
        ("mode: magic\n", ("", None)),
        ("", ("", None)),
    ],
)
def test_kube_proxys_configuration(text: str, seen: tuple[str, bool | None]) -> None:
    assert configured(text) == seen


def answer(question: bytes, there: int) -> bytes:
    message = b"\x0e\0\0\0" + question[4:12] + there.to_bytes(4, "big") * 2
    return b"\x45" + bytes(19) + message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]


@pytest.mark.parametrize(("there", "seconds"), [(1_010, 0.0), (8_510, 7.5), (DAY - 998_990, -1000.0)])
def test_a_clock_is_read_from_a_timestamp(there: int, seconds: float) -> None:
    assert ahead(answer(request(7, 1, 1_000), there), 7, 1, 1_020) == seconds


def test_what_is_no_answer_says_nothing_of_the_clock() -> None:
    for packet in (b"", b"\x45", request(7, 1, 0), answer(request(8, 1, 0), 0)):
        with pytest.raises(PacketError):
            ahead(packet, 7, 1, 0)
