"""TCP connections of a simulated client: one to each address, used with every ping, begun anew when it ends.

A packet in mid-stream goes to the client's neighbour, and on from there as that host's kernel was told. It
breaks a connection where it is refused: by a kernel that has the address and no such connection.
"""

from collections import Counter
from enum import Enum
from typing import Final, NamedTuple

from roost.model.address import IPAddress
from roost.model.flow import TCP, Flow
from roost.simulator.host import Host
from roost.simulator.lan import Lan, Port
from roost.simulator.spreading import STAYS

__all__ = ["Connections", "Outcome"]

_PORT: Final = 80
_FIRST_PORT: Final = 32_768
_HOPS: Final = 20  # of a packet whose connection is looked for: each of ten nodes is visited once
_PATIENCE: Final = 125  # packets without an answer after which a client gives a connection up: 5 s


class Outcome(Enum):
    """What became of a packet."""

    ANSWERED = "answered"
    REFUSED = "refused"
    LOST = "lost"
    LOOPED = "looped"


class _Connection(NamedTuple):
    """One connection, and where it was begun: only that kernel knows it."""

    flow: Flow
    holder: Host


class Connections:
    """The connections of the client at `port`; `broken` counts those that were refused, by address."""

    def __init__(self, lan: Lan, port: Port, address: IPAddress, mac: bytes) -> None:
        self.broken: Counter[IPAddress] = Counter()
        self.looped = 0
        self._lan = lan
        self._port = port
        self._address = address
        self._mac = mac
        self._open: dict[IPAddress, _Connection] = {}
        self._unanswered: Counter[IPAddress] = Counter()
        self._next_port = _FIRST_PORT

    def use(self, address: IPAddress, neighbour: bytes) -> None:
        """Send a packet of the connection to `address`, or begin one, by the neighbour with that MAC."""
        connection = self._open.get(address)
        if connection is None:
            self._begin(address, neighbour)
            return
        outcome = self._send(connection, neighbour)
        if outcome is Outcome.ANSWERED:
            self._unanswered[address] = 0
            return
        self._unanswered[address] += 1
        self.looped += outcome is Outcome.LOOPED
        if outcome is Outcome.REFUSED:
            self.broken[address] += 1
        if outcome is Outcome.REFUSED or self._unanswered[address] >= _PATIENCE:
            del self._open[address]

    def _begin(self, address: IPAddress, neighbour: bytes) -> None:
        self._next_port += 1
        flow = Flow(TCP, self._address, self._next_port, address, _PORT)
        port, source, to = self._port, self._mac, neighbour
        for _ in range(_HOPS):
            host = self._host(port, to)
            hop = self._spread(host, flow, source, begins=True) if host is not None else None
            if host is None or not hop:
                break
            port, source, to = host.port, host.mac, hop
        if host is not None and hop == STAYS and host.kernel.delivers(address) and self._answers(host):
            host.kernel.sockets.add(flow)
            self._open[address] = _Connection(flow, host)
            self._unanswered[address] = 0

    def _send(self, connection: _Connection, neighbour: bytes) -> Outcome:
        flow, holder = connection
        address = flow.address
        port, source, to = self._port, self._mac, neighbour
        visited: set[str] = set()
        hops = 0
        while True:
            host = self._host(port, to)
            hop = self._spread(host, flow, source) if host is not None else None
            if host is None or hop is None:
                return Outcome.LOST
            if hop:
                hops += 1
                if hops > _HOPS:
                    return Outcome.LOOPED
                port, source, to = host.port, host.mac, hop
                continue
            if not host.kernel.delivers(address):
                return Outcome.LOST
            if host is holder or address in host.kernel.balanced:
                return Outcome.ANSWERED if self._answers(host) else Outcome.LOST
            hop = host.kernel.next_hop(address, source)
            if hop is None:
                refused = host.kernel.refuses(address, source) and self._answers(host)
                return Outcome.REFUSED if refused else Outcome.LOST
            if host.name in visited:
                return Outcome.LOOPED
            if source != self._mac:
                visited.add(host.name)  # what came from a peer is not passed on twice
            port, source, to = host.port, host.mac, hop

    @staticmethod
    def _spread(host: Host, flow: Flow, source: bytes, *, begins: bool = False) -> bytes | None:
        """Return where a host's kernel sends a packet on to, by the connection that it belongs to."""
        kernel = host.kernel
        return kernel.spreading.onward(flow, source, kernel.sockets, host.time(), begins=begins)

    def _host(self, port: Port, mac: bytes) -> Host | None:
        """Return the host that a frame from `port` to `mac` reaches."""
        for found in self._lan.ports:
            if mac in found.macs:
                break
        else:
            return None
        if not port.sends or not found.hears:
            return None
        apart = found.switch != port.switch and self._lan.split
        host = found.station
        return host if isinstance(host, Host) and host.awake and not apart else None

    def _answers(self, host: Host) -> bool:
        return self._lan.connected(host.port, self._port)
