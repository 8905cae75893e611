"""`roost check` on the host that a file is for says what the speaker there will say."""

import subprocess
import sys
from pathlib import Path

from tests.system.netns import NETNS
from tests.system.speakers import lan, until

pytestmark = NETNS

ADDRESSES = {
    "network": "192.0.2.0",
    "broadcast": "192.0.2.255",
    "elsewhere": "203.0.113.9",
    "routers": "2001:db8::",
    "good": "192.0.2.200",
    "good6": "2001:db8::200",
}


def test_on_its_own_host_check_and_speaker_agree(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as made:
        (one,) = made.speakers
        made.configure([{"name": name, "addresses": [address]} for name, address in ADDRESSES.items()])
        # The address of membership.bind is refused by the reader itself; another one of the host is not.
        one.namespace.ip("addr add 192.0.2.77/24 dev eth0")
        one.config["services"].append({"name": "own", "addresses": ["192.0.2.77"]})
        one.write()
        command = [
            "ip",
            "netns",
            "exec",
            one.namespace.name,
            sys.executable,
            "-m",
            "roost",
            "check",
            str(one.path),
        ]
        before = subprocess.run(command, capture_output=True, text=True, check=False)
        one.start()
        until(
            lambda: one.answering() == {"192.0.2.200", "203.0.113.9", "2001:db8::200"},
            "it answers for the good ones",
        )
        during = subprocess.run(command, capture_output=True, text=True, check=False)
        warnings = one.status()["config"]["warnings"]
    assert before.returncode == 1
    assert before.stdout == during.stdout, "addresses that the speaker put there itself change nothing"
    *problems, summary = before.stdout.splitlines()
    assert problems == warnings
    assert summary == f"{one.path}: 4 errors"
    for cause in (
        "192.0.2.77 is this host's own address on eth0",
        "192.0.2.0 stands for a subnet itself",
        "192.0.2.255 is a subnet's broadcast address",
        "2001:db8:: stands for a subnet itself",
        "203.0.113.9 is in no subnet of the announcing interfaces here",
    ):
        assert cause in before.stdout
