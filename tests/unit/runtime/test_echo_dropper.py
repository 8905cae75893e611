"""The rules that keep the kernel from forwarding pings of VIPs."""

import shutil
import subprocess
from ipaddress import ip_address

import pytest

from roost.runtime.echo_dropper import _ruleset

V4, V6 = ip_address("192.0.2.200"), ip_address("2001:db8::200")


def test_nothing_to_drop_removes_the_table() -> None:
    for links, addresses in (((), (V4,)), (("eth0",), ())):
        assert _ruleset(links, addresses) == "add table inet roost_ping\ndelete table inet roost_ping"


def test_a_name_that_would_break_out_of_its_quotes_is_left_out() -> None:
    rules = _ruleset(('e"; drop', "eth0.5", "enp3s0f1np1"), (V4,))
    assert 'elements = { "enp3s0f1np1", "eth0.5" };' in rules


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
@pytest.mark.parametrize("addresses", [(V4,), (V6,), (V4, V6)])
def test_nft_understands_it(addresses: tuple[object, ...]) -> None:
    rules = _ruleset(("eth0", "eth1"), addresses)  # type: ignore[arg-type]
    done = subprocess.run(["nft", "-c", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
