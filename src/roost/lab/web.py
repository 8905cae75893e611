"""The lab as a page: its speakers' own streams, what was done to nodes, and what the clients see, live.

    the lab's thread: ticks -> facts, orders -> deeds
    the page's thread: facts -> Hub -> browsers, clicks -> orders

The lab itself is told what to do by its own thread alone.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from roost import __version__
from roost.lab.events import Event
from roost.lab.fabric import LabError
from roost.lab.lab import Lab
from roost.lab.node import Node
from roost.lab.pinging import Client
from roost.observe.moment import rfc3339
from roost.observe.web.dashboard import Act, Dashboard, SocketPlace
from roost.observe.web.gathering import Gathering, PlaceError
from roost.observe.web.hub import Hub
from roost.protocols.machine import Endpoint
from roost.runtime.http import HttpServer

__all__ = ["LabPage"]

SOURCE: Final = "lab"
_WITHIN: Final = 10.0  # seconds for what a click asks for
_LANES: Final = 48  # of single addresses; more are shown together
_TENTHS: Final = 300  # kept of each client
_EVENTS: Final = 256
_OPEN: Final = 2  # events whose outages may still grow
_BEFORE: Final = 0.005  # seconds that the first lost ping may have been under way when something happened
_GIVEN: Final = 12  # addresses named in an event


class LabPage:
    """Serves a page of `lab` at a socket that listens; `update` is called by the lab's thread, often."""

    def __init__(self, lab: Lab, listening: socket.socket) -> None:
        self._lab = lab
        self._listening = listening
        self._hub = Hub(
            self._hello, {"events": _EVENTS, "answers": _TENTHS * max(1, lab.options.clients)}, most=16
        )
        places = [SocketPlace(node.socket) for node in lab.nodes.values()]

        async def find() -> Sequence[SocketPlace]:
            return places

        gathering = Gathering(self._hub, find)
        acts: dict[str, Act] = {name: partial(self._act, name) for name in ACTS}
        host, port = listening.getsockname()[:2]
        self._dashboard = Dashboard(self._hub, gathering, host, acts)
        self.address = f"http://{Endpoint(host, port)}/#token={self._dashboard.token}"
        self._gathering = gathering
        self._loop = asyncio.new_event_loop()
        self._told = 0
        self._lines: Counter[str] = Counter()
        self._outages: dict[str, Any] = {}
        self._nodes: dict[str, Any] = {}
        self._coming = ""
        self._epoch = time.time() - time.monotonic()

    def start(self) -> None:
        """Serve in a thread of its own, for as long as this process lives."""
        threading.Thread(target=self._run, daemon=True).start()

    def update(self, lab: Lab) -> None:
        """Show the lab as it is now."""
        nodes = {node.name: _node(node) for node in lab.nodes.values()}
        new, self._told = lab.events[self._told :], len(lab.events)
        if nodes != self._nodes or new:
            self._nodes = nodes
            self._say(self._hub.set, SOURCE, "nodes", nodes)
        if new:
            self._say(self._hub.tell, SOURCE, "events", [self._event(each) for each in new])
        if told := [each for client in lab.clients if (each := self._answers(client)) is not None]:
            self._say(self._hub.tell, SOURCE, "answers", told)
        if told or new:
            self._say_outages(lab)
        if lab.coming.what != self._coming:
            self._coming = lab.coming.what
            self._say(self._hub.set, SOURCE, "lab", {"coming": self._coming})

    def _say_outages(self, lab: Lab) -> None:
        """Tell what came of the last events; of those before them nothing more is heard."""
        first = max(0, len(lab.events) - _OPEN)
        found = {f"{at:06}": self._outage(lab, at) for at in range(first, len(lab.events))}
        if any(self._outages.get(key) != value for key, value in found.items()):
            self._outages = {**dict(tuple(self._outages.items())[-_EVENTS:]), **found}
            self._say(self._hub.set, SOURCE, "outages", self._outages)

    def _say(self, call: Callable[..., None], *facts: Any) -> None:
        self._loop.call_soon_threadsafe(call, *facts)

    def _hello(self) -> Mapping[str, Any]:
        return {"mode": "lab", "version": __version__, "me": SOURCE, "acts": [*ACTS]}

    def _event(self, event: Event) -> dict[str, Any]:
        return {
            "time": self._moment(event.at),
            "what": event.label,
            "level": "warning",
            "text": f"{event.node} {event.label}",
            "count": max(1, len(event.addresses)),
            "facts": {"node": event.node, "addresses": list(event.addresses[:_GIVEN])},
        }

    def _outage(self, lab: Lab, number: int) -> dict[str, Any]:
        """Return what clients have seen of an event so far: the longest silence, in ms, where it can move."""
        event = lab.events[number]
        end = lab.events[number + 1].at if number + 1 < len(lab.events) else float("inf")
        hit = set(event.addresses or next(each.addresses for each in lab.events if each.node == event.node))
        found = {
            client.name: max(
                (
                    seconds
                    for (address, begin), seconds in tuple(client.silences.items())
                    if address in hit and event.at <= begin + _BEFORE < end
                ),
                default=0.0,
            )
            for client in lab.clients
        }
        return {
            "label": event.label,
            "node": event.node,
            "time": self._moment(event.at),
            "addresses": len(hit),
            "ms": {name: round(seconds * 1e3, 1) for name, seconds in found.items()},
        }

    def _moment(self, at: float) -> str:
        return rfc3339(datetime.fromtimestamp(self._epoch + at, UTC))

    def _answers(self, client: Client) -> dict[str, Any] | None:
        """Return a client's last tenth of a second, if it is new."""
        if client.lines == self._lines[client.name]:
            return None
        self._lines[client.name] = client.lines
        if client.lines == 1:
            return None  # it has hardly begun
        seen = dict(client.seen)
        together = len(self._lab.targets) * max(1, self._lab.options.clients) > _LANES
        lanes = _together(seen) if together else {address: list(each) for address, each in seen.items()}
        return {"client": client.name, "t": round(time.time() * 1e3), "lanes": lanes}

    # -- clicks ----------------------------------------------------------------------------------

    async def _act(self, name: str, node: str) -> Mapping[str, Any]:
        """Have the lab's own thread do something, and wait for it."""
        if node not in self._lab.nodes:
            raise PlaceError(f"no node has the name {node}", 404)
        done: Future[Event] = Future()

        def do() -> None:
            try:
                done.set_result(_do(self._lab, name, node))
            except Exception as error:  # noqa: BLE001 - it is the click's, not the lab's
                done.set_exception(error)

        self._lab.order(do)
        try:
            async with asyncio.timeout(_WITHIN):
                await asyncio.wrap_future(done)
        except TimeoutError as error:
            raise PlaceError(f"{name} {node}: not within {_WITHIN:g} s", 504) from error
        except Exception as error:
            raise PlaceError(f"{name} {node}: {error}", 409) from error
        return {"node": node, "done": name}

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = HttpServer(self._dashboard.handle)
        await server.listen_on(self._listening)
        await self._gathering.run()


ACTS: Final[Mapping[str, Callable[[Lab, str], Event]]] = {
    "cut": Lab.cut,
    "heal": Lab.heal,
    "freeze": Lab.freeze,
    "thaw": Lab.thaw,
    "kill": Lab.kill,
    "stop": Lab.stop,
    "start": Lab.restart,
    "drain": Lab.drain,
    "undrain": Lab.undrain,
}


def _do(lab: Lab, act: str, node: str) -> Event:
    if why := _why_not(act, lab.nodes[node]):
        raise LabError(why)
    return ACTS[act](lab, node)


def _why_not(act: str, node: Node) -> str:
    """Return why that cannot be done to a node now, "" where it can."""
    name, faults = node.name, node.faults
    begins = {"cut": "cut", "freeze": "frozen", "drain": "draining"}
    ends = {"heal": "cut", "thaw": "frozen", "undrain": "draining"}
    if (fault := begins.get(act)) and fault in faults:
        return f"{name} is {fault} already"
    if (fault := ends.get(act)) and fault not in faults:
        return f"{name} is not {fault}"
    if act in ("freeze", "kill", "stop", "drain") and not node.runs:
        return "its speaker does not run"
    if act == "start" and node.runs:
        return "its speaker still runs"
    if act in ("stop", "drain", "undrain") and "frozen" in faults:
        return "its speaker is frozen, and hears nothing"
    return ""


def _node(node: Node) -> dict[str, Any]:
    return {"faults": list(node.faults), "runs": node.runs}


def _together(seen: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the lanes of many addresses as one for each node that answers."""
    lanes: dict[str, list[Any]] = {}
    for who, ok, sent in seen.values():
        lane = lanes.setdefault(who or "nobody", [who, 0, 0, 0])
        lane[1] += ok
        lane[2] += sent
        lane[3] += 1
    return lanes
