"""200 open TCP connections through one service on hosts, IPv4 and IPv6, over one move: how many break.

And five times as many over ten moves in a row, A -> B -> C -> A, a hundred more before each: how many break,
and what is left of passing on when all have ended.

With `keepConnections: 0` nothing is passed on, as with keepalived and MetalLB: their successors refuse what
they do not know.
"""

import argparse
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.system.connections import Connections, serve
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import roost
from tests.system.test_passing_on import is_at_rest, lead_in_turn

__all__ = ["main", "run"]

_VIPS: Final = ("192.0.2.200", "2001:db8::200")
_PAUSE: Final = 0.1  # seconds between two echoes of a connection
_RARELY: Final = 2.0  # the same, where many are open
_IN_A_ROW: Final = 10  # moves
_SETTLED: Final = 5.0  # seconds after the start


def main(arguments: list[str]) -> None:
    """Print one JSON line for each move, with connections passed on and without."""
    parser = argparse.ArgumentParser(prog="bench connections", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    for line in run(parser.parse_args(arguments).count):
        print(json.dumps(line), flush=True)


def run(count: int) -> list[dict[str, Any]]:
    """Return a line of figures for each move."""
    moves = [_measure(name, move, keep, count) for name, move in _MOVES.items() for keep in ("10m", "0s")]
    return [*moves, _in_a_row(count // 2)]


def _in_a_row(count: int) -> dict[str, Any]:
    """Open `count` connections before each of ten moves."""
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder), "10m") as nodes:
        held: list[Connections] = []
        for _ in lead_in_turn(nodes, _IN_A_ROW):
            if len(held) < _IN_A_ROW:
                held.append(Connections(nodes.client, list(_VIPS) * (count // 2), _RARELY))
        broken = [address for each in held for address in each.broken()]
        ended = time.monotonic()
        for speaker in nodes.speakers:
            until(partial(is_at_rest, speaker), f"nothing is passed on by {speaker.name}")
        rest = time.monotonic() - ended
    return {
        "bench": "connections",
        "move": f"{_IN_A_ROW} in a row; at rest {rest:.1f} s after the last has ended",
        "keepConnections": "10m",
        "open": count * _IN_A_ROW,
        "broken": len(broken),
        "longest_echo_ms": round(max(each.longest for each in held) * 1e3, 1),
    }


@contextmanager
def _serving(folder: Path, keep: str) -> Iterator[Lan]:
    """Give three nodes that have settled, with a server on each."""
    with lan(folder, 3) as nodes:
        for speaker in nodes.speakers:
            serve(speaker.namespace)
        service = {"name": "web", "addresses": list(_VIPS)}
        nodes.configure([service], profile="default", keepConnections=keep)
        nodes.start()
        time.sleep(_SETTLED)
        yield nodes


def _measure(name: str, move: Callable[[Lan, Speaker], None], keep: str, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder), keep) as nodes:
        leader = nodes.leader(_VIPS[0])
        if move is _return:
            _drain(nodes, leader)
        held = Connections(nodes.client, list(_VIPS) * (count // 2), _PAUSE)
        move(nodes, leader)
        time.sleep(2)
        broken = held.broken()
    return {
        "bench": "connections",
        "move": name,
        "keepConnections": keep,
        "open": count,
        "broken": len(broken),
        "longest_echo_ms": round(held.longest * 1e3, 1),
    }


def _terminate(nodes: Lan, leader: Speaker) -> None:
    leader.signal(signal.SIGTERM)
    leader.wait()
    nodes.leader(_VIPS[0])


def _kill(nodes: Lan, leader: Speaker) -> None:
    leader.signal(signal.SIGKILL)
    leader.wait()
    nodes.leader(_VIPS[0])


def _drain(nodes: Lan, leader: Speaker) -> None:
    roost(leader, "drain", leader.name, "--deadline", "1")
    nodes.leader(_VIPS[0], among=[each for each in nodes.speakers if each is not leader])


def _return(_: Lan, leader: Speaker) -> None:
    roost(leader, "drain", leader.name, "--undo")
    until(lambda: leader.answering() == set(_VIPS), "it leads again")


_MOVES: Final[Mapping[str, Callable[[Lan, Speaker], None]]] = {
    "SIGTERM": _terminate,
    "drain": _drain,
    "return": _return,
    "kill -9 of the speaker": _kill,
}
