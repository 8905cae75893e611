"""From keepalived to Roost, a node at a time: `roost import`, the same scripts, one virtual router."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.interop.vrrp.daemons import KEEPALIVED
from tests.interop.vrrp.lan import VrrpLan, vrrp_lan
from tests.system.netns import NETNS
from tests.system.speakers import Speaker, until

pytestmark = [pytest.mark.interop, KEEPALIVED, *NETNS]

VIP = "192.0.2.200"
CONF = """\
! One file for both nodes
global_defs {
    vrrp_version 3
    @n1 router_id first
    @n2 router_id second
}
@n1 $PRIORITY=150
@n2 $PRIORITY=100
vrrp_instance web {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority $PRIORITY
    advert_int 0.4
    virtual_ipaddress {
        192.0.2.200/24
    }
    notify_master "FOLDER/master.sh ${_INSTANCE}"
    notify "FOLDER/notify.sh ${_INSTANCE}"
}
"""


def prepare(folder: Path) -> str:
    """Write the scripts, and return the configuration that calls them."""
    for name, text in (
        ("notify.sh", f'echo "$*" | tee -a {folder}/$1.told >> {folder}/both.told'),
        ("master.sh", f'echo "master $#" >> {folder}/$1.told'),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return CONF.replace("FOLDER", str(folder))


def imported(lan: VrrpLan, number: int, folder: Path, text: str) -> Speaker:
    """Import for a node, check the result, and start a speaker that reads it."""
    speaker = lan.lan.speakers[number - 1]
    (folder / "whole.conf").write_text(text)
    result = folder / f"n{number}.imported.yaml"
    roost = [sys.executable, "-m", "roost"]
    arguments = ["import", str(folder / "whole.conf"), "--node", f"n{number}", "-o", str(result)]
    done = subprocess.run([*roost, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*roost, "check", str(result)], check=False).returncode == 0
    speaker.path.write_text(result.read_text() + f"status: {{socket: {speaker.socket}}}\n")
    speaker.start()
    return speaker


def told(folder: Path, node: str) -> list[str]:
    path = folder / f"{node}.told"
    return path.read_text().splitlines() if path.exists() else []


def test_scripts_are_called_by_roost_as_by_keepalived(tmp_path: Path) -> None:
    text = prepare(tmp_path)
    with vrrp_lan(tmp_path) as lan:
        first = lan.keepalived(1)
        first.start(more=text, node="n1")
        lan.led_by(1, [VIP])
        second = imported(lan, 2, tmp_path, text)
        until(lambda: told(tmp_path, "n2") == ["n2 INSTANCE web BACKUP 100"], "Roost is on standby")
        # Its two scripts run at once, in any order.
        until(lambda: "n1 INSTANCE web MASTER 150" in told(tmp_path, "n1"), "keepalived leads")
        first.terminate()
        lan.led_by(2, [VIP])
        leads = ["n2 INSTANCE web BACKUP 100", "master 1", "n2 INSTANCE web MASTER 100"]
        until(lambda: told(tmp_path, "n2") == leads, "Roost leads, and says so to the same scripts")
        third = imported(lan, 1, tmp_path, text)
        lan.led_by(1, [VIP])
        until(lambda: told(tmp_path, "n2")[-1] == "n2 INSTANCE web BACKUP 100", "and gives way")
        for speaker in (third, second):
            speaker.signal(signal.SIGTERM)
            assert speaker.wait() == 0
        assert told(tmp_path, "n1")[-1] == "n1 INSTANCE web STOP 150"
        assert told(tmp_path, "n2")[-1] == "n2 INSTANCE web STOP 100"
