"""Addresses that this node would answer for, and leaves to another machine that does.

When only gossip is cut (a firewall rule on its port, a wrong key), both sides elect a leader for every
address and both would answer. The claims that they hear from each other settle it: the worse-ranked node
yields to the better-ranked peer, and whom gossip has never reached yields to anybody. While a node yields
it goes on asking, a few addresses of each holder at a time; when no answer comes any more it takes over.
Pure: time comes in, addresses to ask for come out.

A holder with several links may be cut off from one of them: where it is not heard it does not hold.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.witness.budget import UNLIMITED, Budget

__all__ = ["PATIENCE", "Holder", "Yielding"]

PATIENCE: Final = 0.3  # seconds without any answer after which the holder's hold on its addresses ends
_INTERVAL: Final = 0.09  # seconds between two questions to one holder
_FOR_LONG: Final = 3.0  # seconds
_MISSES: Final = 3  # questions for one address that the holder leaves open while it answers for others


@dataclass(slots=True)
class Holder:
    """The machine at `mac` (6 bytes): node `peer`, or a stranger (None). `until` is when its hold ends.

    `links` are the links on which it holds, None for all: at first, and where they are not told apart.
    """

    mac: bytes
    peer: str | None
    until: float
    next_ask: float
    since: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)  # name of a link -> when it was heard there
    links: frozenset[str] | None = None
    addresses: dict[IPAddress, int] = field(default_factory=dict)  # -> questions open, the next one first

    @property
    def name(self) -> str:
        """What people call it."""
        return self.peer or f"a stranger at {self.mac.hex(':')}"

    def wait(self, seconds: float) -> None:
        """Miss nothing for so long: it could not be asked."""
        self.until += seconds
        self.since += seconds
        self.heard = {link: at + seconds for link, at in self.heard.items()}


class Yielding:
    """The addresses yielded, by holder; bounded by what this node would answer for.

    What `budget` does not allow is asked for later, and is not missed meanwhile.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        interval: float = _INTERVAL,
        at_once: int = 4,
        budget: Budget = UNLIMITED,
    ) -> None:
        self._budget = budget
        self._at_once = at_once
        self._patience = patience
        self._interval = interval
        self._holders: dict[bytes, Holder] = {}
        self._of: dict[IPAddress, Holder] = {}
        self._for_long: dict[IPAddress, float] = {}  # -> until when, whatever gossip says
        self._moved: set[IPAddress] = set()  # held on other links than when it was asked last

    @property
    def addresses(self) -> AbstractSet[IPAddress]:
        """The addresses yielded."""
        return self._of.keys()

    def heard(
        self,
        address: IPAddress,
        peer: str | None,
        mac: bytes,
        now: float,
        *,
        link: str = "",
        extra: float = 0.0,
        for_long: bool = False,
    ) -> bool:
        """Yield `address` to the machine at `mac`; tells whether that is news.

        `extra` seconds of patience let two that yield to each other come back one after the other. What is
        yielded `for_long` is not forgotten because gossip sees the holder, but only after a while.
        """
        holder = self._holders.setdefault(mac, Holder(mac, peer, now, now + self._interval, since=now))
        holder.peer = peer
        self._hear(holder, link, now)
        holder.until = max(holder.until, now + self._patience + extra)
        before = self._of.get(address)
        if before is not None and before is not holder:
            self._drop(address)
        if for_long:
            self._for_long[address] = now + _FOR_LONG
        holder.addresses[address] = 0
        self._of[address] = holder
        return before is not holder

    def holder(self, address: IPAddress) -> Holder | None:
        """Return the machine that `address` is yielded to, or None."""
        return self._of.get(address)

    def links_of(self, address: IPAddress) -> frozenset[str] | None:
        """Return the names of the links on which a yielded address is held; None for all."""
        holder = self._of.get(address)
        return holder.links if holder is not None else frozenset()

    def moved(self) -> frozenset[IPAddress]:
        """Return the addresses that are held on other links than at the last call."""
        moved, self._moved = frozenset(self._moved), set()
        return moved

    def refresh(self, address: IPAddress, mac: bytes, peer: str | None, now: float, link: str = "") -> bool:
        """Take note that the machine at `mac` still answers; tells whether `address` is yielded to it.

        A peer answers with the hardware address of each of its links.
        """
        holder = self._of.get(address)
        if holder is None or (holder.mac != mac and (peer is None or holder.peer != peer)):
            return False
        holder.addresses[address] = 0
        holder.until = max(holder.until, now + self._patience)
        self._hear(holder, link, now)
        return True

    def identify(self, names: Mapping[bytes, str], shared: Collection[IPAddress]) -> frozenset[IPAddress]:
        """Learn which nodes have which hardware addresses: who was a stranger may be none.

        Return what is yielded no more: of `shared` addresses nodes answer their own parts.
        """
        for holder in self._holders.values():
            holder.peer = names.get(holder.mac, holder.peer)
        return self._drop_all(
            address for address, holder in self._of.items() if holder.peer is not None and address in shared
        )

    def forget(self, peers: Collection[str]) -> frozenset[IPAddress]:
        """Yield nothing more to `peers`: gossip sees them again and decides. Return what was yielded."""
        found = (
            each for holder in self._holders.values() if holder.peer in peers for each in holder.addresses
        )
        return self._drop_all(address for address in found if address not in self._for_long)

    def prolong(self, now: float) -> None:
        """Put off the end of what is yielded for long: gossip cannot settle it yet."""
        self._for_long = dict.fromkeys(self._for_long, now + _FOR_LONG)

    def keep(self, addresses: Collection[IPAddress]) -> None:
        """Forget all but these: the others are not this node's to answer for any more."""
        self._drop_all(self._of.keys() - set(addresses))

    def wake(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        """Return (addresses that nobody is heard to answer for any more, addresses to ask for now)."""
        if not self._holders and not self._for_long:
            return frozenset(), frozenset()
        silent = set(self._let_go([each for each in self._holders.values() if each.until <= now]))
        silent.update(address for address, until in self._for_long.items() if until <= now)
        ask = frozenset(self._questions(now, silent))
        self._drop_all(silent & self._of.keys())
        for holder in self._holders.values():
            self._look_at_links(holder, now)
        return frozenset(silent), ask

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is yielded."""
        if not self._holders and not self._for_long:
            return None
        wakes = [min(each.until, each.next_ask) for each in self._holders.values()]
        return min((*wakes, *self._for_long.values()), default=None)

    def _hear(self, holder: Holder, link: str, now: float) -> None:
        if link:
            holder.heard[link] = now
            if holder.links is not None:
                self._look_at_links(holder, now)

    def _look_at_links(self, holder: Holder, now: float) -> None:
        """Find out where it holds: every question goes out on all links, and is answered on those."""
        if now - holder.since < self._patience or not holder.heard:
            return
        links = frozenset(link for link, at in holder.heard.items() if now - at < self._patience)
        if links and links != holder.links:
            holder.links = links
            self._moved.update(holder.addresses)

    def _questions(self, now: float, silent: set[IPAddress]) -> Iterator[IPAddress]:
        for holder in self._holders.values():
            if holder.next_ask > now:
                continue
            holder.next_ask = now + self._interval
            # What has just missed an answer is asked for again, and the others get their turns.
            for address in nlargest(self._at_once, holder.addresses, key=holder.addresses.__getitem__):
                asked = holder.addresses[address] + 1
                if asked > _MISSES:
                    silent.add(address)
                elif self._budget.take(now, urgent=True):
                    del holder.addresses[address]  # to the end: each one gets its turn
                    holder.addresses[address] = asked
                    yield address
                else:
                    holder.wait(self._interval)
                    break

    def _let_go(self, holders: Collection[Holder]) -> frozenset[IPAddress]:
        return self._drop_all(address for holder in holders for address in holder.addresses)

    def _drop_all(self, addresses: Iterable[IPAddress]) -> frozenset[IPAddress]:
        gone = frozenset(addresses)
        for address in gone:
            self._drop(address)
        return gone

    def _drop(self, address: IPAddress) -> None:
        holder = self._of.pop(address)
        self._for_long.pop(address, None)
        del holder.addresses[address]
        if not holder.addresses:
            self._holders.pop(holder.mac, None)
