"""`roost top` on a real terminal, before real speakers."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, services, until
from tests.system.terminal import Terminal, terminal

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(services(VIPS), profile="default")
        for speaker in made.speakers:
            serve(speaker.namespace)
            speaker.start()
        made.whole()
        yield made


def row(top: Terminal, begin: str, patience: float = 20.0) -> list[str]:
    """The words of the line that begins so."""
    shown: list[list[str]] = []

    def there() -> bool:
        lines = [line.lstrip("> ").split() for line in top.screen(0.1).splitlines()]
        shown[:] = [line for line in lines if line[:1] == [begin]]
        return bool(shown)

    until(there, f"a line begins with {begin}", patience)
    return shown[0]


def test_what_is_shown_and_done_by_keys(nodes: Lan) -> None:
    leader = nodes.leader(VIPS[0])
    mine = min(leader.answering())
    other = next(speaker for speaker in nodes.speakers if speaker is not leader)
    Connections(nodes.client, VIPS)  # one to each, ended with the network
    ping = nodes.client.spawn("ping", "-i", "0.02", mine)
    with terminal(sys.executable, "-m", "roost", "top", "--socket", str(leader.socket)) as top:
        top.show("live", "no problems", "nodes 3", "addresses 6", *VIPS)

        def counted() -> bool:
            words = row(top, mine)  # address service leader since(2) sign here packets conns ARP failover
            assert words[2] == leader.name
            return words[7].isdigit() and int(words[7]) >= 20 and words[8] == "1"

        until(counted, "packets and connections of the address are counted")
        top.press("?")
        top.show("drain that node", "any other key: back")
        top.press("x")
        top.press(f"/{mine}\r")
        top.show("addresses 1", f"only {mine}")
        top.press("e")
        top.show(f"explain {mine}", "first of the active nodes")
        top.press("x\x1b")
        top.show("addresses 6")
        top.press("ss")
        top.show("by leader")
        top.press("r")
        top.show("by leader reversed")
        top.press(f"\t/{other.name}\r")
        top.show("nodes 1", f"only {other.name}")
        top.press("w")
        top.show(f"what if {other.name} went down", "services stay")
        top.press("x")
        top.press("d")
        top.show(f"drain {other.name}: hand over all that it leads?")
        top.press("n")
        top.show("e explain")
        top.press("dy")
        top.show("◐ draining")
        top.press("uy")
        top.show("no problems", "● alive")
        top.press("q")
        assert top.process.wait(10) == 0
        assert top.settings() == top.before
        top.screen(0.5)
        assert b"\x1b[?1049l" in top.written, "the screen from before is back"
    ping.kill()


def test_a_speaker_that_is_started_anew_is_found_again_and_failovers_are_shown(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    with terminal(sys.executable, "-m", "roost", "top", "--socket", str(first.socket), NO_COLOR="1") as top:
        top.show("live")
        first.signal(signal.SIGTERM)
        first.wait()
        top.show("no speaker answers for", "what follows is old", VIPS[0])
        first.start()
        top.show("connected again: the speaker was started anew", "live")
        nodes.whole()
        for speaker in (second, third):
            speaker.signal(signal.SIGKILL)
        top.show("lost member: n2", "lost member: n3", "✗ process gone", "lead moved")
        until(lambda: " ms" in top.screen(0.2), "how long the failovers took")
        top.press("p")
        top.show("problems 2", "-> its host answers on the LAN", "roost forget n2", "it is not to come back")
        top.press("x")
        first.signal(signal.SIGSTOP)
        top.show("no speaker answers for", patience=30.0)
        first.signal(signal.SIGCONT)
        top.show("live")
        assert "\x1b[31m" not in top.written.decode(errors="replace"), "NO_COLOR"
        top.process.send_signal(signal.SIGTERM)
        assert top.process.wait(10) == 0
        assert top.settings() == top.before


def test_without_a_terminal_it_says_what_to_use(nodes: Lan) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "roost", "top"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 3
    assert "roost status --watch" in done.stderr
