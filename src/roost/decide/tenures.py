"""What this node knows of who holds which lead, where leads stay with whoever took them. Pure.

A node that takes a lead says so; everybody remembers it, and tells it to whoever exchanges states. So a node
that has just started learns who leads before it leads anything, whoever of the others tells it. Nothing of it
is kept on disk: when all nodes have been down at once, rank decides.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.model.service import Service
from roost.model.tenure import Tenure
from roost.protocols.bounded import remember
from roost.protocols.words.tenures import LAST_TERM, Tenures

__all__ = ["Grip", "TenureBook"]

_FIRST: Final = 2  # term, so that one can be before it

_NOT_WANTED: Final = 1024  # tenures remembered of addresses that this node's configuration does not have


@dataclass(frozen=True, slots=True)
class Grip:
    """How this node came to a lead: `lost` are the peers that gossip had lost then.

    It is not proven that its holder was gone when gossip alone said so, and of all others: this node may be
    the one that was cut off. Then `unproven` is that holder.
    """

    lost: frozenset[str] = frozenset()
    unproven: str = ""

    @property
    def proven(self) -> bool:
        """Whether this node, and not the holder before it, has the lead for sure."""
        return not self.unproven


_PROVEN: Final = Grip()


class TenureBook:
    """The tenures that node `me` knows; `holders` says who has each lead, by the service's first address.

    `grips` say how this node came to what it has, `inherited` are leads that came to it from nodes which had
    not said that they had them, and are gone. `conceded` are leads that this node had and has just left to
    others. `unsaid` are addresses whose tenure changed here, and `news` tells of any change that the election
    has not seen. `look_again` is set by whoever changes what a new tenure may follow from.
    """

    def __init__(self, me: str) -> None:
        self.holders: dict[IPAddress, str] = {}
        self.grips: dict[IPAddress, Grip] = {}
        self.inherited: set[IPAddress] = set()
        self.conceded: set[IPAddress] = set()
        self.unsaid: set[IPAddress] = set()
        self.news = False
        self.look_again = False
        self._me = me
        self._known: dict[IPAddress, Tenure] = {}  # of leads that stay
        self._others: dict[IPAddress, Tenure] = {}
        self._kept: frozenset[IPAddress] = frozenset()  # whose leads stay
        self._by_rank: frozenset[IPAddress] = frozenset()  # whose leads do not
        self._words: list[Tenures] | None = None

    def want(self, services: Iterable[Service]) -> None:
        """Take all services. A lead that goes by rank has no holder; what is known of it is passed on.

        When it is to stay once more, the tenure from before is over, though another node, which has not read
        the new configuration yet, may go on telling of it.
        """
        stays = {service.addresses[0]: service.stays for service in services}
        whole = self._others | self._known
        before = self._by_rank
        self._kept = frozenset(each for each, does in stays.items() if does)
        self._by_rank = frozenset(stays) - self._kept
        for address in whole.keys() & before & self._kept:
            whole[address] = Tenure("", whole[address].term)
        self._known = {each: tenure for each, tenure in whole.items() if each in self._kept}
        self._others = {}
        for address in in_order(whole.keys() - self._kept):
            self._note(address, whole[address])
        self.holders = {each: tenure.node for each, tenure in self._known.items() if tenure.node}
        self.unsaid &= self._kept
        self.inherited &= self._kept
        self.grips = {each: grip for each, grip in self.grips.items() if each in self._kept}
        self._words = None
        self.look_again = True

    def hear(self, word: Tenures) -> None:
        """Take what a node has taken, by its own word or another's."""
        for address, term in word.rows if word.node else ():
            self._note(address, Tenure(word.node, term))

    def of(self, address: IPAddress) -> Tenure | None:
        """Return the tenure of a lead that stays, None for one that nobody has taken yet."""
        return self._known.get(address)

    def take(self, address: IPAddress, grip: Grip) -> None:
        """Let this node have a lead from now on.

        One that is not proven has a term before the holder's, which keeps its lead if it is there after all;
        proven later, it has the term after the holder's.
        """
        known = self._known.get(address)
        before = known.term if known else _FIRST - 1
        if not grip.proven:
            self._known.pop(address, None)
            term = max(before - 1, 1)
        else:
            term = min(before + (1 if self.grips.get(address, _PROVEN).proven else 2), LAST_TERM)
        self._note(address, Tenure(self._me, term))
        self.grips[address] = grip
        self.inherited.discard(address)
        self.unsaid.add(address)

    def concede(self, address: IPAddress, peer: str) -> None:
        """Let `peer` have a lead that this node has, and leaves to it on the LAN."""
        known = self._known.get(address)
        if known is not None and known.node == self._me and known.term:
            self._note(address, Tenure(peer, min(known.term + 1, LAST_TERM)))
            self.unsaid.add(address)
            self.conceded.add(address)

    def doubt(self, *, all_of_them: bool) -> None:
        """Count what is known less than what any other says: what this node has taken, or all of it."""
        for address, tenure in self._known.items():
            if all_of_them or tenure.node == self._me:
                self._known[address] = Tenure(tenure.node, 0)
        self._words = None

    def give_up_doubted(self) -> None:
        """Forget what nobody has told again since it was doubted: a peer that began anew does not know it.

        One who goes on counting it, and tells it to nobody, would leave the lead to one that goes by rank.
        """
        for address in [each for each, tenure in self._known.items() if not tenure.term]:
            del self._known[address]
            self.holders.pop(address, None)
            self.grips.pop(address, None)
            self.news, self._words = True, None

    def words(self) -> list[Tenures]:
        """Return all that is known."""
        if self._words is None:
            self._words = self.words_of([*self._known, *self._others])
        return self._words

    def own(self) -> list[IPAddress]:
        """Return the addresses whose lead this node has taken."""
        return [each for each, tenure in self._known.items() if tenure.node == self._me and tenure.term]

    def words_of(self, addresses: Iterable[IPAddress]) -> list[Tenures]:
        """Return what is known of these."""
        rows: defaultdict[str, list[tuple[IPAddress, int]]] = defaultdict(list)
        for address in addresses:
            tenure = self._known.get(address) or self._others.get(address)
            if tenure is not None and tenure.node and tenure.term:
                rows[tenure.node].append((address, tenure.term))
        return [word for node, each in rows.items() for word in Tenures.batches(node, each)]

    def _note(self, address: IPAddress, tenure: Tenure) -> None:
        """Remember a tenure if it beats what is known."""
        if address not in self._kept:
            if tenure.beats(self._others.get(address), address):
                remember(self._others, address, tenure, _NOT_WANTED)
                self._words = None
        elif tenure.beats(self._known.get(address), address):
            self._known[address] = tenure
            if tenure.node != self._me:
                self.grips.pop(address, None)
            self.holders[address] = tenure.node
            self.news, self._words = True, None
