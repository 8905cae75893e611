"""What this node itself holds for addresses that it answers for no more, and what it says of that. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.model.flow import TCP, UDP, Flow
from roost.protocols.words.held import Held, HeldFlows, HeldRow

__all__ = ["Own"]

_STRAGGLING: Final = 3.0  # seconds after the move in which clients that know of none may still begin one here
_LOOK_BACK: Final = 3.0  # seconds after the start in which a predecessor's connections are looked for
_AGAIN: Final = 2.0  # seconds between two words
_FLOWS: Final = 300  # told


@dataclass(slots=True)
class _Lost:
    since: float
    until: float
    connections: int | None = None  # None: not counted yet
    flows: int = 0
    shared: bool = False  # answered still: others may get clients that have connections here

    @property
    def holds(self) -> bool:
        return self.held > 0

    @property
    def held(self) -> int:
        """How many connections of TCP and flows of UDP are held."""
        return (self.connections or 0) + self.flows


class Own:
    """The connections of node `me`; times are seconds."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._lost: dict[IPAddress, _Lost] = {}
        self._regained: dict[IPAddress, _Lost] = {}  # as it was when they came back
        self._flows: tuple[Flow, ...] = ()
        self._ended: dict[IPAddress, int] = {}  # how often it has still to be said that nothing is left
        self._look_until = float("-inf")
        self._again: float | None = None

    @property
    def addresses(self) -> Collection[IPAddress]:
        """The addresses that this node goes on delivering for another one."""
        return self._lost.keys()

    @property
    def connections(self) -> int:
        """How many are open for them."""
        return sum(each.connections or 0 for each in self._lost.values())

    @property
    def counted(self) -> bool:
        """Whether all of them have been counted since they moved."""
        return all(each.connections is not None for each in self._lost.values())

    def left(self, address: IPAddress, now: float) -> float:
        """Return for how many seconds the connections of `address` are held, 0 when there are none.

        What was not counted yet may be some.
        """
        lost = self._lost.get(address)
        return max(0.0, lost.until - now) if lost and (lost.holds or lost.connections is None) else 0.0

    def look_back(self, now: float) -> None:
        """Begin: a predecessor of this process may have left connections."""
        self._look_until = now + _LOOK_BACK

    def to_count(self, known: Collection[IPAddress], answered: Collection[IPAddress]) -> frozenset[IPAddress]:
        """Return the addresses whose flows have to be counted."""
        if self._look_until > float("-inf"):
            return frozenset(known) - frozenset(answered)
        return frozenset(self._lost)

    def lose(self, addresses: Iterable[IPAddress], now: float, keep: float) -> None:
        """Take addresses that this node has answered for until now."""
        for address in addresses:
            self._lost[address] = lost = self._begun(address, now, keep)
            self._ended.pop(address, None)
            if before := self._regained.pop(address, None):
                lost.connections, lost.flows = before.connections, before.flows
                self._again = now
        self._plan(now)

    def share(self, addresses: Iterable[IPAddress], now: float, keep: float) -> None:
        """Take addresses that this node shares with others from now on: clients of either may go there."""
        for address in addresses:
            self._lost[address] = self._begun(address, now, keep)
            self._lost[address].shared = True
            self._ended.pop(address, None)
        self._again = now  # who has just come has to know at once

    def regain(self, addresses: Iterable[IPAddress], now: float) -> None:
        """Take addresses that are not another node's any more.

        What they held before is no news for the others: who stands in for a leader gives the address back.
        """
        for address in addresses:
            lost = self._lost.pop(address, None)
            if lost is not None and lost.holds:
                self._regained[address] = lost
            elif lost is not None:
                self._ended[address] = 2
        self._plan(now)

    def counted_now(
        self, flows: Iterable[Flow], answered: Collection[IPAddress], now: float, keep: float
    ) -> bool:
        """Take all flows of what had to be counted; tells whether that has to be said at once."""
        tcp: dict[IPAddress, int] = {}
        udp = [flow for flow in flows if flow.protocol == UDP]
        for flow in flows:
            if flow.protocol == TCP and flow.open:
                tcp[flow.address] = tcp.get(flow.address, 0) + 1
        many: dict[IPAddress, int] = {}
        for flow in udp:
            many[flow.address] = many.get(flow.address, 0) + 1
        news = False
        for address in in_order((tcp.keys() | many.keys()) - self._lost.keys() - set(answered)):
            self._lost[address] = _Lost(now, now + keep)
            news = True
        for address, lost in list(self._lost.items()):
            before = lost.holds
            lost.connections, lost.flows = tcp.get(address, 0), many.get(address, 0)
            news |= lost.holds != before
            over = not lost.holds and not lost.shared and now - lost.since >= _STRAGGLING
            if over or lost.until <= now:
                del self._lost[address]
                self._ended[address] = 2
                news = True
        self._flows = tuple(flow for flow in udp if flow.address in self._lost)[:_FLOWS]
        self._plan(now)
        return news

    def words(self, now: float) -> list[Held | HeldFlows]:
        """Return what has to be said now to everybody."""
        rows = [
            HeldRow(address, lost.held, max(1, round(lost.until - now)))
            for address, lost in self._lost.items()
            if lost.holds
        ]
        rows += [HeldRow(address, 0, 0) for address in self._ended]
        self._ended = {address: times - 1 for address, times in self._ended.items() if times > 1}
        self._again = now + _AGAIN if self._lost or self._ended else None
        return [*Held.batches(self._me, rows), *HeldFlows.batches(self._me, self._flows)]

    def wake(self, now: float) -> bool:
        """Tell whether words are due."""
        if now >= self._look_until:
            self._look_until = float("-inf")
        return self._again is not None and now >= self._again

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        if self._look_until == float("-inf"):
            return self._again
        return self._look_until if self._again is None else min(self._again, self._look_until)

    def _begun(self, address: IPAddress, now: float, keep: float) -> _Lost:
        """Return what is known of an address from now on: what was counted, until it is counted anew."""
        known = self._lost.get(address)
        connections, flows = (known.connections, known.flows) if known else (None, 0)
        return _Lost(now, now + keep, connections, flows)

    def _plan(self, now: float) -> None:
        if self._again is None and (self._lost or self._ended):
            self._again = now + _AGAIN
