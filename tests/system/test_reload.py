"""SIGHUP on real processes: what it may change, and what it never does to a running node."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Speaker, lan, until

pytestmark = NETNS

WEB: dict[str, Any] = {"name": "web", "addresses": ["192.0.2.200"]}
NEW: dict[str, Any] = {"name": "new", "addresses": ["192.0.2.201"], "nodes": ["n1"]}
MOMENTS = [number * 0.05 for number in range(14)]  # seconds after it catches signals; 0.3 s are imports


def test_another_node_name_in_the_file_silences_nobody(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as two:
        two.configure([WEB])
        two.start()
        leader = two.leader("192.0.2.200")
        node = two.speakers[0]
        node.write(
            node="renamed",
            services=[WEB, NEW],
            status={"socket": str(tmp_path / "other.sock")},
            membership=node.config["membership"] | {"profile": "lan"},
        )
        node.signal(signal.SIGHUP)
        until(
            lambda: two.answerers("192.0.2.201") == {"n1"}, "n1 answers for the new service by its old name"
        )
        assert two.answerers("192.0.2.200") == {leader.name}
        status = node.status()
        assert (status["node"], status["profile"]) == ("n1", "fast")
        for field in ("node", "status", "membership.profile"):
            assert node.text().count(f"{field} takes effect at the next start") == 1, field


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"labels": {"much": "x" * 430}}, id="no room in gossip"),
        pytest.param({"services": [WEB, NEW, {"name": "bad", "addresses": ["192.0.2"]}]}, id="bad address"),
        pytest.param({"services": [WEB, NEW], "terminationGrace": "soon"}, id="bad duration"),
    ],
)
def test_a_refused_reload_changes_nothing_at_all(tmp_path: Path, wrong: dict[str, Any]) -> None:
    def facts() -> dict[str, Any]:
        said = node.status()
        config = {key: value for key, value in said["config"].items() if key != "error"}
        return {"config": config, **{key: said[key] for key in ("node", "members", "services", "interfaces")}}

    with lan(tmp_path, 2) as two:
        two.configure([WEB])
        two.start()
        node = two.speakers[0]
        two.leader("192.0.2.200")
        before, seen = facts(), two.speakers[1].status()["members"]
        other_key = node.config["membership"] | {"key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
        good = dict(node.config)
        node.write(**({"services": [WEB, NEW], "labels": {"a": "b"}, "membership": other_key} | wrong))
        node.signal(signal.SIGHUP)
        until(lambda: node.status()["config"]["error"], "the file is refused")
        time.sleep(0.5)
        assert facts() == before
        assert two.speakers[1].status()["members"] == seen
        assert two.answerers("192.0.2.201") == set()
        assert "configuration loaded" not in node.text()
        node.config = good | {"labels": None}
        node.write()
        node.signal(signal.SIGHUP)
        until(lambda: not node.status()["config"]["error"], "the mended file is in force")


def test_sighup_in_the_first_moments_is_remembered(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as alone:
        alone.configure([WEB])
        node = alone.speakers[0]
        node.write(membership=None)
        for moment in MOMENTS:
            node.log.unlink(missing_ok=True)
            _start_and_signal(node, signal.SIGHUP, moment)
            until(lambda: "configuration loaded" in node.text(), f"reloaded after SIGHUP at {moment:.2f} s")
            assert node.answering() == {"192.0.2.200"}
            node.signal(signal.SIGTERM)
            assert node.wait() == 0, node.text()


def test_sigterm_in_the_first_moments_ends_cleanly(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as alone:
        alone.configure([WEB])
        node = alone.speakers[0]
        for moment in MOMENTS:
            _start_and_signal(node, signal.SIGTERM, moment)
            assert node.wait() == 0, f"SIGTERM at {moment:.2f} s: {node.text()}"
        assert "Traceback" not in node.text()
        assert "192.0.2.200" not in node.namespace.ip("route show table local")


def _start_and_signal(node: Speaker, number: signal.Signals, moment: float) -> None:
    """Start a speaker, wait until it catches signals, before its imports, and `moment` seconds more."""
    node.start()
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status")
    until(lambda: _catches(status, number), "the process catches signals", deadline=5)
    time.sleep(moment)
    node.signal(number)


def _catches(status: Path, number: signal.Signals) -> bool:
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
