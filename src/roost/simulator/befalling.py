"""What each kind of fault does to a simulated cluster as it begins, and takes back as it ends."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from roost.simulator.faults import Fault
from roost.simulator.lan import Port

if TYPE_CHECKING:
    from roost.simulator.host import Host
    from roost.simulator.world import World

__all__ = ["Befalling"]


class Befalling:
    """Changes `world`; `do(fault, by)` counts a fault in (`by` is 1) or out (-1)."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._does: Mapping[str, Callable[[Fault, int], None]] = {
            "freeze": self._freeze,
            "kill": self._stop,
            "term": self._stop,
            "cut": lambda fault, by: self._count(fault, "cut", by),
            "oneway": lambda fault, by: self._count(fault, "deaf" if fault.way == "in" else "mute", by),
            "carrier": self._carrier,
            "flap": self._flap,
            "gossip": self._gossip,
            "loss": lambda fault, by: self._list(fault, self._port(fault).losses, by),
            "double": lambda fault, by: self._list(fault, self._port(fault).doubling, by),
            "delay": lambda fault, by: self._list(fault, self._port(fault).delays, by),
            "slow": self._slow,
            "pause": self._pause,
            "drain": self._drain,
            "config": self._config,
            "file": self._file,
            "refuse": self._refuse,
            "source": self._source,
            "split": self._split,
            "move": self._move,
            "forget": self._forget,
            "unfit": self._unfit,
            "reach": self._reach,
        }

    def do(self, fault: Fault, by: int) -> None:
        """Let a fault begin or end."""
        self._does[fault.kind](fault, by)

    def _host(self, fault: Fault) -> "Host":
        return self._world.hosts[fault.node]

    def _port(self, fault: Fault) -> Port:
        return self._host(fault).port

    def _count(self, fault: Fault, name: str, by: int) -> None:
        port = self._port(fault)
        setattr(port, name, getattr(port, name) + by)
        port.settle()

    def _list(self, fault: Fault, levels: list[float], by: int) -> None:
        _put(levels, fault.level, by)
        self._port(fault).settle()

    def _freeze(self, fault: Fault, by: int) -> None:
        self._host(fault).freeze(by)

    def _stop(self, fault: Fault, by: int) -> None:
        """Kill, or ask to leave; whoever is still leaving when the time is up is killed. Then start again."""
        host = self._host(fault)
        host.stopped += by
        if by > 0 and fault.kind == "term":
            host.terminate()
        else:
            host.kill()
        if by < 0:
            host.boot()

    def _carrier(self, fault: Fault, by: int) -> None:
        self._count(fault, "down", by)
        self._host(fault).links_changed()

    def _flap(self, fault: Fault, by: int) -> None:
        if by < 0:
            return  # each of its parts ends by itself
        clock, times = self._world.clock, max(int(fault.level), 1)
        for turn in range(times):
            begin = clock.now + fault.duration * turn / times
            clock.at(begin, partial(self._carrier, fault, 1))
            clock.at(begin + fault.duration / times / 2, partial(self._carrier, fault, -1))

    def _gossip(self, fault: Fault, by: int) -> None:
        host = self._host(fault)
        if fault.way != "in":
            host.gossip_mute += by
        if fault.way != "out":
            host.gossip_deaf += by

    def _slow(self, fault: Fault, by: int) -> None:
        host = self._host(fault)
        _put(host.slow, fault.level, by)
        host.lateness = max(host.slow, default=0.0)

    def _pause(self, fault: Fault, by: int) -> None:
        if by > 0:
            self._host(fault).pause(stops_clock=bool(fault.level))
        else:
            self._host(fault).go_on()

    def _drain(self, fault: Fault, by: int) -> None:
        """Let an operator ask, here or through a peer; the end is told to the node itself."""
        host = self._host(fault)
        others = (
            each for each in self._world.hosts.values() if each.process is not None and each is not host
        )
        peer = next(others, None) if fault.way == "peer" and by > 0 else None
        (peer or host).wish(fault.node, wish=by > 0)

    def _config(self, fault: Fault, by: int) -> None:
        self._world.take_away(fault.service, by)
        self._world.give_files(fault.level)

    def _file(self, fault: Fault, by: int) -> None:
        self._world.take_out(fault.node, fault.service, by)
        self._world.give_files(0.0)

    def _refuse(self, fault: Fault, by: int) -> None:
        host, address = self._host(fault), self._world.services[fault.service].ip
        host.kernel.refuse(address, by)
        if host.process is not None:
            host.process.hands.tell_delivery()

    def _source(self, fault: Fault, by: int) -> None:
        host = self._host(fault)
        host.blinded += by
        host.trouble(troubled=bool(host.blinded))

    def _split(self, _: Fault, by: int) -> None:
        self._world.lan.split += by

    def _move(self, fault: Fault, _: int) -> None:
        port = self._port(fault)
        self._world.lan.move(port, 1 - port.switch)

    def _forget(self, _: Fault, by: int) -> None:
        for client in self._world.clients if by > 0 else ():
            client.forget()

    def _unfit(self, fault: Fault, by: int) -> None:
        if by > 0:
            self._host(fault).feel(fault.service, sick=fault.way == "sick")

    def _reach(self, fault: Fault, by: int) -> None:
        if by > 0:
            self._host(fault).reach[fault.service] = fault.way


def _put(levels: list[float], level: float, by: int) -> None:
    if by > 0:
        levels.append(level)
    else:
        levels.remove(level)
