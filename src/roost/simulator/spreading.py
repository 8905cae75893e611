"""What a simulated kernel does with packets of connections that are spread: `announce/bpf/spread.h`, for TCP.

There is no time limit for what nobody has, as packets come seldom here, and nothing pushes a flow out.
"""

from collections.abc import Collection
from typing import Final

from roost.decide.effects import SpreadOut
from roost.model.address import IPAddress
from roost.model.flow import Flow
from roost.model.spreading import ME, flow_slot

__all__ = ["STAYS", "Spreading"]

STAYS: Final = b""
_TAKEN_OVER: Final = 3.0  # seconds after the lease


class Spreading:
    """The program, as the process has told it: `spread_out`, and until when it may answer."""

    def __init__(self) -> None:
        self.spread_out = SpreadOut()
        self.until = float("-inf")
        self.answering: Collection[IPAddress] = frozenset()
        self._flows: dict[Flow, tuple[int, int | None]] = {}  # -> node, visited: None where nobody has it

    def onward(
        self, flow: Flow, source: bytes, sockets: Collection[Flow], now: float, *, begins: bool
    ) -> bytes | None:
        """Return to which MAC a packet goes on from here, STAYS, or None where it is dropped."""
        told = self.spread_out.spreads.get(flow.address)
        if told is None or now > self.until + _TAKEN_OVER:
            return STAYS
        sends_back = told.returns and not begins
        peer = next((node for (_, node), at in self.spread_out.places.items() if at.mac == source), 0)
        if peer:
            return self._from_peer(flow, source, peer, sockets) if sends_back else STAYS
        if now > self.until:
            return STAYS if flow in sockets or not sends_back else None
        node, visited = self._flows.get(flow, (0, 0))
        if begins or not node or visited is None or (node != ME and self._place(node) == STAYS):
            if told.passes_on and not begins:
                return STAYS  # a proxy's: by what the hosts track it is passed on from here
            node, visited = told.numbers[flow_slot(flow)], 0
            if begins and self._place(node) == STAYS:
                node = ME  # it begins here, and stays when that node comes
            elif sends_back and flow in sockets:
                node = ME
            elif sends_back and node == ME:
                node, visited = self._next(flow, ME, 0)
            self._flows[flow] = node, visited
        return self._place(node)

    def _from_peer(self, flow: Flow, source: bytes, peer: int, sockets: Collection[Flow]) -> bytes:
        if flow in sockets:
            return STAYS
        if flow not in self._flows:
            return source
        node, visited = self._flows[flow]
        if visited is None:
            return STAYS
        if node != peer:
            told = self.spread_out.spreads[flow.address]
            sent = peer == told.numbers[flow_slot(flow)] or peer in told.visits[:visited]
            further = sent and node != ME and flow.address in self.answering
            return self._place(node) if further else source
        self._flows[flow] = found = self._next(flow, peer, visited)
        return self._place(found[0])

    def _next(self, flow: Flow, node: int, visited: int) -> tuple[int, int | None]:
        """Return the next node that may have it, and how many were visited; ME and None after the last."""
        visits = self.spread_out.spreads[flow.address].visits
        for at in range(visited, len(visits)):
            if visits[at] not in (node, ME):
                return visits[at], at + 1
        return ME, None

    def _place(self, node: int) -> bytes:
        return next((at.mac for (_, number), at in self.spread_out.places.items() if number == node), STAYS)
