"""`roost lab` on fabrics that count ARP, or answer it for the dead, and with cables that are pulled."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS

pytestmark = NETNS

INSPECTION, PROXY = ("--fabric", "arp-inspection"), ("--fabric", "arp-proxy")


def run(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "roost", "lab", "--json", "--output", str(tmp_path / "lab.svg"))
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)


def lab(tmp_path: Path, *options: str) -> dict[str, Any]:
    """What a lab with these options tells as JSON."""
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize("drill", [(), ("--drill", "cut")], ids=["story", "cut"])
def test_within_the_arp_budget_no_port_is_shut_and_a_cut_is_found(
    tmp_path: Path, drill: tuple[str, ...]
) -> None:
    facts = lab(tmp_path, *INSPECTION, "--arp-rate", "10", *drill)
    assert (facts["fabric"], facts["arp_rate"], facts["ports_shut"]) == (["arp-inspection"], 10, 0)
    assert 0 < facts["outage_ms"] < 500, facts


def test_without_a_budget_ports_are_shut(tmp_path: Path) -> None:
    done = run(tmp_path, *INSPECTION, "--nodes", "2", "--vips", "8", "--drill", "kill")
    if done.returncode == 0:
        assert json.loads(done.stdout)["ports_shut"] > 0
    else:  # with its port shut no node answers for all addresses
        assert "ports shut for too much ARP: n" in done.stderr


def test_a_cut_is_found_though_the_fabric_answers_arp_for_the_dead(tmp_path: Path) -> None:
    facts = lab(tmp_path, *PROXY, "--drill", "heal")
    assert 0 < facts["outage_ms"] < 500, facts
    assert facts["ports_shut"] == 0


def test_a_cable_that_is_pulled_three_times_concerns_its_own_node_only(tmp_path: Path) -> None:
    facts = lab(tmp_path, "--drill", "carrier")
    assert [event["event"] for event in facts["events"] if event["client"] == "c1"] == [
        "unplugged",
        "plugged in",
    ] * 3
    assert facts["elsewhere"] == {"outage_ms": 0.0, "lost": 0, "moves": 0} | {
        "sent": facts["elsewhere"]["sent"]
    }
    assert facts["elsewhere"]["sent"] > 1000
    assert 0 < facts["outage_ms"] < 1500, facts
