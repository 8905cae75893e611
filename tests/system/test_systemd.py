"""`deploy/systemd`: systemd takes the unit, and its rights are enough for a speaker."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import lan, until

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "roost-speaker.service"
VIP = "192.0.2.200"
SOMEBODY = 12345  # a user without any right of its own

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def directives() -> dict[str, str]:
    lines = [line.strip() for line in UNIT.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#["]
    assert all(equals for _, equals, _ in pairs)
    names = [name for name, _, _ in pairs]
    assert len(names) == len(set(names)), "none is said twice"
    return {name: value for name, _, value in pairs}


def test_it_restarts_for_ever_waits_for_the_network_and_keeps_its_state() -> None:
    said = directives()
    assert (said["Restart"], said["StartLimitIntervalSec"]) == ("always", "0")
    assert said["Wants"] == said["After"] == "network-online.target"
    assert said["StateDirectory"] == said["RuntimeDirectory"] == "roost"
    assert said["ExecReload"].endswith("-HUP $MAINPID")
    assert "ProtectKernelTunables" not in said, "the ARP guard writes /proc/sys/net"


@needs_systemd
def test_systemd_finds_nothing_wrong_and_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/roost", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd does not judge units that are not loaded")
    assert judged.returncode == 0, judged.stdout


@pytest.mark.netns
@NETNS[1]
def test_a_speaker_runs_with_the_units_rights_alone(tmp_path: Path) -> None:
    said = directives()
    assert said["AmbientCapabilities"] == said["CapabilityBoundingSet"]
    granted = said["AmbientCapabilities"].lower().replace("cap_", "").split()
    # The interpreter of a test may live in a home that only root may enter.
    rights = ",".join(f"+{name}" for name in (*granted, "dac_read_search"))
    run, state = tmp_path / "run", tmp_path / "state"
    for folder in (run, state):
        folder.mkdir()
        os.chown(folder, SOMEBODY, SOMEBODY)
    with lan(tmp_path, 1) as made:
        (one,) = made.speakers
        one.socket = run / "n1.sock"
        membership = {"bind": f"{one.address}:7946", "join": ["192.0.2.12:7946"]}
        one.write(
            node="n1",
            interfaces=["eth0"],
            membership=membership,
            services=[{"name": "web", "addresses": [VIP, "2001:db8::200"]}],
            status={"socket": str(one.socket)},
        )
        as_somebody = (
            "setpriv",
            f"--reuid={SOMEBODY}",
            f"--regid={SOMEBODY}",
            "--clear-groups",
            f"--inh-caps=-all,{rights}",
            f"--ambient-caps=-all,{rights}",
            f"--bounding-set=-all,{rights}",
            "--no-new-privs",
            "env",
            f"STATE_DIRECTORY={state}",
        )
        process = one.namespace.spawn(
            *as_somebody, sys.executable, "-m", "roost", "speaker", "--config", str(one.path)
        )
        until(lambda: one.answering() == {VIP, "2001:db8::200"}, "it answers for both families")
        assert made.answerers(VIP) == {"n1"}
        assert list(state.glob("*/arp-guard.json"))
        process.terminate()
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0, log
        assert " error " not in log, log
    assert [each.name for each in state.iterdir()] == ["n1.events.jsonl"], (
        "what has happened is kept, nothing else"
    )
