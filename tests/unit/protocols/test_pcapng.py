import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roost.protocols import pcapng, udp
from roost.protocols.machine import Endpoint
from roost.protocols.pcapng import Direction

ARP = bytes.fromhex(
    "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c000020b 000000000000 c00002c8"
)
WHEN = 1_795_000_000_123_456_789


def dissected(data: bytes, folder: Path) -> list[dict[str, Any]]:
    """What tshark sees, frame by frame."""
    path = folder / "written.pcapng"
    path.write_bytes(data)
    fields = ["frame.protocols", "frame.comment", "frame.interface_name", "frame.time_epoch"]
    fields += ["frame.packet_flags_direction", "ip.checksum.status", "udp.checksum.status", "udp.dstport"]
    options = [word for each in fields for word in ("-e", each)]
    checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    shown = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "json", *checks, *options], capture_output=True, check=True
    )
    assert b"cut short" not in shown.stderr
    return [each["_source"]["layers"] for each in json.loads(shown.stdout)]


def test_tshark_reads_what_is_written(tmp_path: Path) -> None:
    one, two = Endpoint("192.0.2.11", 7946), Endpoint("192.0.2.12", 7947)
    six = Endpoint("2001:db8::11", 7946), Endpoint("2001:db8::12", 7948)
    data = (
        pcapng.section("roost 1")
        + pcapng.interface("eth0", pcapng.ETHERNET)
        + pcapng.packet(0, WHEN, ARP, Direction.OUT, ["n1 died", "größer: €"])
        + pcapng.interface("gossip", pcapng.RAW_IP)
        + pcapng.packet(1, WHEN + 1, udp.packet(one, two, b"odd"), Direction.IN, ["x" * 70_000])
        + pcapng.packet(1, WHEN + 2, udp.packet(*six, b"even"), Direction.OUT)
    )
    assert pcapng.whole_blocks(data) == (len(data), 3)
    first, second, third = dissected(data, tmp_path)
    assert first["frame.protocols"] == ["eth:ethertype:arp"]
    assert first["frame.comment"] == ["n1 died", "größer: €"]
    assert first["frame.time_epoch"] == ["1795000000.123456789"]
    assert second["frame.interface_name"] == ["gossip"]
    assert second["frame.protocols"] == ["raw:ip:udp:data"]
    assert (
        second["ip.checksum.status"] == second["udp.checksum.status"] == third["udp.checksum.status"] == ["1"]
    )
    assert (second["udp.dstport"], third["udp.dstport"]) == (["7947"], ["7948"])
    assert third["frame.protocols"] == ["raw:ipv6:udp:data"]


def test_only_whole_blocks_count() -> None:
    data = pcapng.section("roost", ["nothing came"]) + pcapng.interface("eth0", pcapng.ETHERNET)
    start = len(data)
    data += pcapng.packet(0, WHEN, ARP, Direction.IN)
    for length in range(start, len(data)):
        assert pcapng.whole_blocks(data[:length]) == (start, 0)
    assert pcapng.whole_blocks(data) == (len(data), 1)


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(ValueError, match="no pcapng block"):
        pcapng.whole_blocks(b"<html><body>")


def test_families_and_sizes_that_cannot_be() -> None:
    four, six = Endpoint("192.0.2.1", 1), Endpoint("2001:db8::1", 1)
    with pytest.raises(ValueError, match="families"):
        udp.packet(four, six, b"")
    with pytest.raises(ValueError, match="at most"):
        udp.packet(four, four, bytes(65_508))
