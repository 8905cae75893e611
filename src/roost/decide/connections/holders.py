"""Which peers hold connections for which addresses, by what is presumed of them and by their own word. Pure.

Who led an address until now is presumed to hold some. A peer that is there has to say so itself within
moments, and again and again; one that has left cannot, and is believed for as long as it may hold any.
Who comes is told by others what they know. Hearsay is never news to those that were there, and of a peer that
is there it is not told on: else nodes would go on telling each other what ended long ago.
"""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import Flow
from roost.protocols.bounded import remember
from roost.protocols.words.held import Held, HeldFlows, HeldRow

__all__ = ["Holder", "Holders"]

_SILENCE: Final = 7.0  # seconds without a word after which a peer that is there holds nothing
_GUESS: Final = 1.5  # seconds
_LOOK: Final = 1.0  # seconds between two looks at time limits
_COARSE: Final = 10  # seconds, in what is said to who comes
_FLOWS: Final = 2048  # remembered


@dataclass(slots=True)
class Holder:
    """One peer: until when, heard of when, and how many connections: None is not known."""

    until: float
    heard: float
    connections: int | None = None
    guessed: bool = False
    hearsay: bool = False


class Holders:
    """The peers of node `me` that hold anything; times are seconds."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._of: dict[IPAddress, dict[str, Holder]] = {}
        self._flows: dict[Flow, tuple[str, float]] = {}  # -> who holds it, and was heard of when
        self._due: float | None = None
        self._gone: frozenset[str] = frozenset()  # at the last look
        self.dropped = 0  # how often `drop` has forgotten anybody

    def of(self, address: IPAddress) -> Mapping[str, Holder]:
        """Return who holds connections for `address`."""
        return self._of.get(address, {})

    @property
    def addresses(self) -> Collection[IPAddress]:
        """The addresses that anybody holds connections for."""
        return self._of.keys()

    @property
    def nodes(self) -> frozenset[str]:
        """All that hold any."""
        return frozenset(node for holders in self._of.values() for node in holders)

    def presume(self, address: IPAddress, node: str, now: float, keep: float) -> None:
        """Take that `node` led `address` until now, and holds connections for up to `keep` seconds."""
        if node != self._me:
            self._set(address, node, Holder(now + keep, now), now)

    def guess(self, address: IPAddress, node: str, now: float) -> None:
        """Take that `node` may have led `address` until now: it says so at once if it has."""
        self._set(address, node, Holder(now + _GUESS, now, guessed=True), now)

    def forget_guesses(self, address: IPAddress) -> None:
        """Take that who led `address` is known."""
        for node, holder in list(self.of(address).items()):
            if holder.guessed:
                self.forget(address, node)

    def forget(self, address: IPAddress, node: str) -> None:
        """Take that `node` holds nothing for another node's `address` now."""
        if (holders := self._of.get(address)) is not None:
            holders.pop(node, None)
            if not holders:
                del self._of[address]

    def keep(self, addresses: AbstractSet[IPAddress]) -> None:
        """Forget all other addresses."""
        for address in [each for each in self._of if each not in addresses]:  # mostly none of very many
            del self._of[address]
        self._flows = {flow: each for flow, each in self._flows.items() if flow.address in self._of}

    def hear(self, word: Held, known: Collection[IPAddress], now: float, keep: float) -> bool:
        """Take what a node holds of `known` addresses; tells whether other nodes hold some now."""
        changed = False
        for row in word.rows if word.node != self._me else ():
            if row.address not in known:
                continue
            before = self.of(row.address).get(word.node)
            if word.hearsay and before is not None and not before.guessed:
                continue
            changed |= (before is None) == bool(row.connections)
            if not row.connections:
                self.forget(row.address, word.node)
                continue
            until = now + min(keep, row.seconds)
            holder = Holder(until, now, row.connections, hearsay=word.hearsay)
            self._set(row.address, word.node, holder, now)
        return changed

    def hear_flows(self, word: HeldFlows, now: float) -> bool:
        """Take a node's word about flows of UDP; tells whether that is news."""
        changed = False
        for flow in word.flows if word.node != self._me else ():
            if word.node in self.of(flow.address):
                changed |= self._flows.get(flow, ("", now))[0] != word.node
                remember(self._flows, flow, (word.node, now), _FLOWS)
        return changed

    def flows(self) -> Iterator[tuple[Flow, str]]:
        """Yield the flows of UDP with the nodes that hold them."""
        for flow, (node, _) in self._flows.items():
            yield flow, node

    def drop(self, lost: Collection[str], gone: Collection[str], now: float) -> bool:
        """Forget who is `lost`, or silent, or whose time is up; tells whether anybody is.

        Who is `gone` has left, or its process has ended while its host lives: it is silent and counts.
        """
        if self._due is None or (now < self._due and not lost):
            return False
        self._due = now + _LOOK if self._of else None
        self._gone = frozenset(gone)
        before = sum(map(len, self._of.values())), len(self._flows)
        for address, holders in list(self._of.items()):
            for node, holder in list(holders.items()):
                silent = now - holder.heard >= _SILENCE and node not in gone
                if node in lost or silent or holder.until <= now:
                    self.forget(address, node)
        self._flows = {
            flow: (node, heard)
            for flow, (node, heard) in self._flows.items()
            if (now - heard < _SILENCE or node in gone) and node in self.of(flow.address)
        }
        changed = before != (sum(map(len, self._of.values())), len(self._flows))
        self.dropped += changed
        return changed

    def next_wake(self) -> float | None:
        """When `drop` is wanted next, or None while nobody holds anything."""
        return self._due if self._of else None

    def words(self, now: float) -> list[Held]:
        """Return what is known, for a peer that has just come: rounded down, for it may be told again."""
        rows: dict[str, list[HeldRow]] = {}
        for address, holders in self._of.items():
            for node, holder in holders.items():
                left = int(holder.until - now) // _COARSE * _COARSE
                if left > 0 and not holder.guessed and (not holder.hearsay or node in self._gone):
                    rows.setdefault(node, []).append(HeldRow(address, 1, left))
        return [word for node, each in rows.items() for word in Held.batches(node, each, hearsay=True)]

    def _set(self, address: IPAddress, node: str, holder: Holder, now: float) -> None:
        self._of.setdefault(address, {})[node] = holder
        if self._due is None:
            self._due = now + _LOOK
