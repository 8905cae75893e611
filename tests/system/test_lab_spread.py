"""`roost lab --shared connection`: clients behind one router, whose flows all nodes take."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.test_lab import LAB, run

pytestmark = NETNS


@pytest.mark.parametrize("drill", ["term", "cut"])
def test_what_befalls_the_leader_concerns_all_flows_of_its_addresses(tmp_path: Path, drill: str) -> None:
    picture = str(tmp_path / "lab.svg")
    options = ("--shared", "connection", "--vips", "2", "--clients", "2", "--ipv6")
    done = run(*options, "--drill", drill, "--json", "--output", picture)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["shared"], facts["sharing"]) == (True, "connection")
    by_client = {each["client"]: each["outages_ms"] for each in facts["events"]}
    flows = {f"{address}#{number}" for address in ("192.0.2.200", "2001:db8::200") for number in range(1, 9)}
    assert all(flows <= outages.keys() for outages in by_client.values())
    assert by_client.keys() == {"c1", "c2"}
    if drill == "term":
        assert all(outages[each] == 0 for outages in by_client.values() for each in flows), facts
    else:
        assert facts["moves"] > 0, "flows of the node that went are answered by others"
        assert 0 < facts["lost"] < facts["sent"]
        assert 0 < facts["outage_ms"] < 1500, facts


def test_a_terminal_shows_each_nodes_part_and_who_leads() -> None:
    done = subprocess.run(
        ["script", "-qec", f"{' '.join(LAB)} --shared connection --vips 1 --drill term", "/dev/null"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "xterm"},
    )
    assert done.returncode == 0, done.stdout[-2000:]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)
    parts = [line.split() for line in shown.splitlines() if " of 16 flows" in line]
    assert {line[0] for line in parts} == {"n1", "n2", "n3"}
    assert any(line[-2:] == ["leads", "192.0.2.200"] for line in parts)


def test_users_are_told_that_it_takes_root() -> None:
    somebody = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    done = subprocess.run(
        [*somebody, *LAB, "--shared", "connection"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "--shared connection: only the kernel spreads connections" in done.stderr
    assert "run as root, or take --shared per-client" in done.stderr
