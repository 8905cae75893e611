"""Hooks of real speakers: what is called when addresses move, and what a hook that hangs costs."""

import signal
import time
from pathlib import Path
from typing import Any

from tests.system.netns import NETNS
from tests.system.pinging import client, echo
from tests.system.speakers import Lan, Speaker, lan, until

from roost.lab.records import segments

pytestmark = NETNS

VIP = "192.0.2.200"
WEB: dict[str, Any] = {"name": "web", "addresses": [VIP]}


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def hooked(two: Lan, folder: Path, *hooks: dict[str, Any]) -> None:
    two.configure([WEB])
    for speaker in two.speakers:
        speaker.write(hooks=[each | {"run": [*each["run"], str(told(folder, speaker))]} for each in hooks])


def told(folder: Path, speaker: Speaker) -> Path:
    """Where the hooks of a speaker write to."""
    return folder / f"{speaker.name}.told"


def runs(pid: str) -> bool:
    """Tell whether a process is there, and no corpse: of that the kernel keeps no command line."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.exists() and bool(path.read_bytes())


def lines(folder: Path, speaker: Speaker) -> list[str]:
    path = told(folder, speaker)
    return path.read_text().splitlines() if path.exists() else []


def test_states_are_told_in_order_from_start_to_end(tmp_path: Path) -> None:
    ours = script(tmp_path, "ours.sh", 'file=$1; shift; echo "$* $ROOST_ADDRESSES" >> "$file"')
    theirs = script(tmp_path, "theirs.sh", 'file=$1; shift; echo "$*" >> "$file"')
    with lan(tmp_path, 2) as two:
        hooked(two, tmp_path, {"run": [ours]}, {"run": [theirs], "arguments": "keepalived"})
        two.start()
        leader = two.leader(VIP)
        (other,) = [each for each in two.speakers if each is not leader]
        first = [f"web leading - {leader.name} {VIP}", "INSTANCE web MASTER 100"]
        until(lambda: lines(tmp_path, leader) == first, "the leader's hooks were called once")
        second = [f"web standby - {other.name} {VIP}", "INSTANCE web BACKUP 100"]
        until(lambda: lines(tmp_path, other) == second, "the standby's hooks were called once")

        leader.write(services=[WEB | {"addresses": ["nonsense"]}], hooks=None)
        leader.signal(signal.SIGHUP)
        until(lambda: "stays in force" in leader.text(), "the reload was refused")
        leader.write(services=[WEB])
        leader.signal(signal.SIGTERM)
        assert leader.wait() == 0
        assert lines(tmp_path, leader) == [
            *first,
            f"web stopped leading {leader.name} {VIP}",
            "INSTANCE web STOP 100",
        ], "a refused reload changes no hook, and a planned end is told"
        third = [*second, f"web leading standby {other.name} {VIP}", "INSTANCE web MASTER 100"]
        until(lambda: lines(tmp_path, other) == third, "the successor's hooks were called")


def test_a_hook_that_hangs_delays_no_packet_and_is_killed(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs.sh", 'echo "$2 $3" >> "$1"; sleep 60 & echo $! >> "$1.children"; wait')
    after = script(tmp_path, "after.sh", 'echo "after $3" >> "$1"')
    with lan(tmp_path, 2) as two:
        hooked(two, tmp_path, {"run": [hangs], "timeout": "1s"}, {"run": [after]})
        two.start()
        leader = two.leader(VIP)
        (other,) = [each for each in two.speakers if each is not leader]
        until(lambda: lines(tmp_path, leader), "the leader's hook hangs")
        with echo(two), client(two, tmp_path, VIP) as pinging:
            assert pinging.answered_by() == leader.name
            two.cut(leader)  # its own hook hangs, and so does the other's
            until(lambda: "web leading" in lines(tmp_path, other), "the other one's hook hangs")
            time.sleep(0.5)
            assert "after leading" not in lines(tmp_path, other)
            until(lambda: "after leading" in lines(tmp_path, other), "the next hook was called")
            pings = pinging.finish()
        silences = [each.end - each.begin for each in segments(pings) if not each.node]
        assert max(silences) < 1.0, "a hook that hangs costs the clients nothing"
        assert pings.answered[-1] == other.name
        until(lambda: "killed: it took longer than 1 s" in other.text(), "the log says so")
        children = Path(f"{told(tmp_path, other)}.children").read_text().split()
        assert children
        until(lambda: not any(map(runs, children)), "its children are gone")
