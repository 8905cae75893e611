"""A speaker that was killed leaves the host's ARP settings as they were, once its successor has ended."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until

pytestmark = NETNS

VIP = "192.0.2.200"
INTERFACES = ("default", "eth0")


def settings(speaker: Speaker) -> list[tuple[int, int]]:
    """`arp_ignore` and `arp_announce` of each interface."""
    return [
        (
            speaker.namespace.sysctl(f"net/ipv4/conf/{name}/arp_ignore"),
            speaker.namespace.sysctl(f"net/ipv4/conf/{name}/arp_announce"),
        )
        for name in INTERFACES
    ]


def crash_and_end(made: Lan) -> None:
    """Kill a speaker that answers; what systemd does between; start another one, and let it end in peace."""
    (one,) = made.speakers
    one.start()
    until(lambda: VIP in one.answering(), "it answers")
    assert settings(one) == [(3, 2)] * 2
    one.signal(signal.SIGKILL)
    one.wait()
    assert settings(one) == [(3, 2)] * 2, "guarded as long as the address is there"


def restart_and_end(one: Speaker) -> None:
    one.start()
    until(lambda: VIP in one.answering(), "the successor answers")
    one.signal(signal.SIGTERM)
    assert one.wait() == 0, one.text()


def prepare(made: Lan, folder: Path) -> Speaker:
    (one,) = made.speakers
    for name in ("all", *INTERFACES):
        for setting in ("arp_ignore", "arp_announce"):
            one.namespace.sysctl(f"net/ipv4/conf/{name}/{setting}", 0)
    one.socket = folder / "n1.sock"
    one.write(node="n1", interfaces=["eth0"], services=services([VIP]), status={"socket": str(one.socket)})
    return one


@pytest.mark.parametrize("unit", ["RuntimeDirectory", "StateDirectory", "neither"])
def test_they_are_put_back_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    """With a RuntimeDirectory of the unit, systemd takes that away when the process has ended."""
    run = tmp_path / "run" / "roost"
    run.mkdir(parents=True)
    for name in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    if unit != "neither":
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(run))
    if unit == "StateDirectory":
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    with lan(tmp_path, 1) as made:
        one = prepare(made, run)
        crash_and_end(made)
        if unit != "neither":
            shutil.rmtree(run)
            run.mkdir()
        restart_and_end(one)
        assert settings(one) == [(0, 0)] * 2
    left = [str(path) for path in tmp_path.rglob("*.state")]
    assert not left, os.linesep.join(left)


def test_a_new_name_and_file_find_what_the_one_before_left(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as made:
        one = prepare(made, tmp_path)
        crash_and_end(made)
        one.socket = tmp_path / "another.sock"
        one.write(node="another", status={"socket": str(one.socket)})
        restart_and_end(one)
        assert settings(one) == [(0, 0)] * 2
