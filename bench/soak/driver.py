"""Carries a schedule of faults out on the nodes of a LAN and notes what was really done, and when."""

import contextlib
import heapq
import http.client
import itertools
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.system.netns import Namespace
from tests.system.speakers import Lan, Speaker

from bench.soak.daemons import Daemon
from bench.soak.figures import JOIN, Done, Span
from bench.soak.schedule import Fault

__all__ = ["Driver"]

_SOON: Final = 0.02  # seconds until something that has to wait is tried again
_GRACE: Final = 12.0  # seconds after SIGTERM before SIGKILL
_CRASHED: Final = 1.0  # seconds after which a process that ended by itself is started again
_GOSSIP: Final = 7946
# Each step does something and returns None, or how many seconds later it wants to be called again.
_Step = Callable[[], float | None]


@dataclass(eq=False)
class _Node:
    """One node, its port of the switch, and since when its process runs (seconds since the epoch)."""

    speaker: Speaker
    port: str
    started: float = 0.0
    ending: bool = False  # its process was asked to end, or is gone
    open: dict[str, float] = field(default_factory=dict)  # faults under way, with their begin


class Driver:
    """Call `start`, then `run`; `record` and `skipped` tell what was done."""

    def __init__(self, lan: Lan, daemon: Daemon) -> None:
        self.record: list[Done] = []
        self.skipped: list[Fault] = []
        self._lan, self._daemon = lan, daemon
        self._nodes = {
            speaker.name: _Node(speaker, f"p{number}") for number, speaker in enumerate(lan.speakers)
        }
        self._steps: list[tuple[float, int, _Step]] = []
        self._serial = itertools.count()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start every node's processes."""
        for node in self._nodes.values():
            self._start(node)

    def run(self, schedule: Sequence[Fault], seconds: float) -> None:
        """Do what the schedule says; return after `seconds`, when everything is undone."""
        begin = time.monotonic()
        for fault in schedule:
            self._later(begin + fault.at, lambda fault=fault: self._begin(fault))  # type: ignore[misc]
        while self._steps or time.monotonic() < begin + seconds:
            self._watch_for_crashes()
            now = time.monotonic()
            while self._steps and self._steps[0][0] <= now:
                _, _, step = heapq.heappop(self._steps)
                if (again := step()) is not None:
                    self._later(time.monotonic() + again, step)
            due = self._steps[0][0] if self._steps else begin + seconds
            time.sleep(min(0.1, max(0.001, due - time.monotonic())))
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """End what still runs; a frozen process is thawed before, or it could not clean up after itself."""
        for node in self._nodes.values():
            process = node.speaker.process
            if process is not None and process.poll() is None:
                self._daemon.signal(node.speaker, signal.SIGCONT)
                process.terminate()
        for node in self._nodes.values():
            process = node.speaker.process
            with contextlib.suppress(subprocess.TimeoutExpired):
                if process is not None:
                    process.wait(5)
                    continue
            if process is not None:
                process.kill()
                process.wait()

    def _later(self, when: float, step: _Step) -> None:
        heapq.heappush(self._steps, (when, next(self._serial), step))

    def _start(self, node: _Node) -> None:
        self._daemon.start(node.speaker)
        node.started, node.ending = time.time(), False

    def _begin(self, fault: Fault) -> None:
        node = self._nodes[fault.node]
        processes = {"freeze", "kill", "term", "reload", "drain"}
        if fault.kind in node.open or (fault.kind in processes and not self._takes_signals(node, fault)):
            self.skipped.append(fault)
            return
        since = time.time()
        node.open[fault.kind] = since
        until = time.monotonic() + fault.length
        if fault.kind in ("kill", "term"):
            self._end_process(node, fault, since, until)
        else:
            undo = self._apply(node, fault)
            self._later(until, lambda: self._undo(node, fault, since, undo))

    def _takes_signals(self, node: _Node, fault: Fault) -> bool:
        """Whether a signal means something: a process that has just begun does not know SIGHUP yet."""
        return not node.ending and (
            fault.kind not in ("reload", "drain") or time.time() - node.started > JOIN
        )

    def _undo(self, node: _Node, fault: Fault, since: float, undo: _Step) -> float | None:
        if (again := undo()) is not None:
            return again
        self._note(node, fault, since)
        return None

    def _note(self, node: _Node, fault: Fault, since: float) -> None:
        node.open.pop(fault.kind, None)
        note = f"{fault.way} {fault.percent} %" if fault.kind == "loss" else ""
        note = fault.way if fault.kind == "gossip" else note
        self.record.append(Done(fault.kind, node.speaker.name, Span(since, time.time()), note))

    def _end_process(self, node: _Node, fault: Fault, since: float, until: float) -> None:
        node.ending = True
        killed = fault.kind == "kill"
        self._daemon.signal(node.speaker, signal.SIGKILL if killed else signal.SIGTERM)
        deadline = until + _GRACE

        def restart() -> float | None:
            process = node.speaker.process
            assert process is not None
            if process.poll() is None:  # it hands over yet
                if time.monotonic() > deadline:
                    self._daemon.signal(node.speaker, signal.SIGKILL)
                return _SOON
            self._start(node)
            self._note(node, fault, since)
            return None

        self._later(until, restart)

    def _watch_for_crashes(self) -> None:
        for node in self._nodes.values():
            process = node.speaker.process
            if process is None or node.ending or process.poll() is None:
                continue
            node.ending = True
            fault = Fault(0, "crash", node.speaker.name, _CRASHED)
            since = time.time()

            def restart(node: _Node = node, fault: Fault = fault, since: float = since) -> None:
                self._start(node)
                self._note(node, fault, since)

            self._later(time.monotonic() + _CRASHED, restart)

    def _apply(self, node: _Node, fault: Fault) -> _Step:
        """Make the fault and return what undoes it."""
        speaker, switch = node.speaker, self._lan.switch
        match fault.kind:
            case "freeze":
                self._daemon.signal(speaker, signal.SIGSTOP)
                return lambda: self._daemon.signal(speaker, signal.SIGCONT)
            case "reload":
                self._daemon.reload(speaker, changed=True)
                return lambda: self._reload_back(node)
            case "drain":
                return self._drain(node)
            case "carrier":
                return self._carrier(node.port)
            case "gossip":
                return _filtered(speaker.namespace, "soak-gossip", _gossip_rules(fault.way))
            case kind:
                lost = f"numgen random mod 100 < {fault.percent} drop" if kind == "loss" else "drop"
                sides = {"mute": "out", "deaf": "in"}.get(kind, fault.way)
                return _filtered(switch, f"soak-{kind}-{node.port}", _port_rules(node.port, sides, lost))

    def _carrier(self, port: str) -> _Step:
        """The switch's end goes down, which the node sees as a pulled cable."""
        self._lan.switch.ip(f"link set {port} down")

        def plug() -> None:
            self._lan.switch.ip(f"link set {port} up")

        return plug

    def _reload_back(self, node: _Node) -> float | None:
        if node.ending or time.time() - node.started < JOIN:
            return _SOON  # who starts now may have read either file
        self._daemon.reload(node.speaker, changed=False)
        return None

    def _drain(self, node: _Node) -> _Step:
        """In threads: who is frozen does not answer for a while, and the other faults do not wait for it."""
        process = node.speaker.process

        def ask(*, wish: bool) -> None:
            # A restarted speaker is not drained any more, and must not be.
            while node.speaker.process is process and not node.ending:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._daemon.drain(node.speaker, wish=wish)
                    return
                time.sleep(0.1)

        draining = self._thread(lambda: ask(wish=True))

        def back() -> float | None:
            if draining.is_alive():
                return _SOON
            self._thread(lambda: ask(wish=False))
            return None

        return back

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread


def _filtered(namespace: Namespace, table: str, chains: Sequence[tuple[str, str]]) -> _Step:
    """Drop by nftables inside; `chains` are (hook, rule)."""
    family = "netdev" if "device" in chains[0][0] else "inet"
    text = "".join(
        f"chain c{number} {{ type filter hook {hook} priority 0; {rule}; }}; "
        for number, (hook, rule) in enumerate(chains)
    )
    namespace.run("nft", f"table {family} {table} {{ {text} }}")

    def remove() -> None:
        namespace.run("nft", f"delete table {family} {table}")

    return remove


def _port_rules(port: str, way: str, rule: str) -> list[tuple[str, str]]:
    """At the switch, so that the carrier stays; the port's ingress is what the node sends."""
    hooks = {"out": ["ingress"], "in": ["egress"]}.get(way, ["ingress", "egress"])
    return [(f"{hook} device {port}", rule) for hook in hooks]


def _gossip_rules(way: str) -> list[tuple[str, str]]:
    """Lose gossip that the node asked for and gossip that others began, by either protocol."""
    hooks = {"out": ["output"], "in": ["input"]}.get(way, ["input", "output"])
    rule = "; ".join(f"meta l4proto {{ tcp, udp }} th {side} {_GOSSIP} drop" for side in ("sport", "dport"))
    return [(hook, rule) for hook in hooks]
