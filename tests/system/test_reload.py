"""SIGHUP on real processes: what it may change, and what it never does to a running node."""

import signal
from pathlib import Path
from typing import Any

from tests.system.netns import NETNS
from tests.system.speakers import lan, until

pytestmark = NETNS

WEB: dict[str, Any] = {"name": "web", "addresses": ["192.0.2.200"]}
NEW: dict[str, Any] = {"name": "new", "addresses": ["192.0.2.201"], "nodes": ["n1"]}


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
