"""From rankings to what this node does: which addresses it leads, passes on, knows and terminates.

Kept up to date at the cost of what moves: on a death only the addresses of moved services are looked at.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from roost.decide.sharing.shares import Shares
from roost.model.address import IPAddress, in_order
from roost.model.announcement import Announcement
from roost.model.election import Election
from roost.model.eligibility import interfaces_of
from roost.model.forwarding import Forward
from roost.model.lead import Lead

__all__ = ["Plan"]


class Plan:
    """What node `me` does about all addresses, as the election has it.

    Services in `refused` cannot run on this host and are left alone. An address of several services is
    answered by one node, on the interfaces of any of them that this node leads. A shared one is led by each
    node that has a share of it. `virtual` is how addresses of virtual routers are answered for.
    """

    def __init__(
        self,
        me: str,
        election: Election,
        shares: Shares | None = None,
        virtual: Mapping[IPAddress, Announcement] = MappingProxyType({}),
    ) -> None:
        self.leading: dict[IPAddress, Announcement] = {}
        self.passed_on: set[IPAddress] = set()  # led by another node
        self.known: frozenset[IPAddress] = frozenset()
        self.local: frozenset[IPAddress] = frozenset()  # to be terminated on this host
        self.forwarded: Mapping[IPAddress, Forward] = {}  # to be balanced to backends, and their gateways
        self.shared: dict[IPAddress, None] = {}  # in a fixed order
        self.shares = shares or Shares(me)
        self._me = me
        self._election = election
        self._refused: frozenset[str] = frozenset()
        self.virtual = virtual

    def take_all(self, refused: Collection[str]) -> None:
        """Look at everything anew: services, their rankings, or what this host can run have changed."""
        self._refused = frozenset(refused)
        services = [
            ranking.service for name, ranking in self._election.rankings.items() if name not in self._refused
        ]
        self.known = frozenset(address for each in services for address in each.addresses)
        self.local = frozenset(
            address for each in services if each.deliver == "local" for address in each.addresses
        )
        self.forwarded = {
            address: each.forward for each in services if each.forward for address in each.addresses
        }
        self.leading.clear()
        self.passed_on.clear()
        self.shared.clear()
        self._place_all(in_order(self.known))

    def take_moves(self, services: Iterable[str]) -> frozenset[IPAddress]:
        """Follow the services whose leader has changed; return their addresses."""
        rankings = self._election.rankings
        addresses = frozenset(
            address
            for name in services
            if name in rankings and name not in self._refused
            for address in rankings[name].service.addresses
        )
        self._place_all(in_order(addresses))
        return addresses

    def look_again(self, addresses: Iterable[IPAddress]) -> None:
        """Look anew at shared addresses: others are mute, or heard, than before."""
        self._place_all(in_order(addresses))

    def answerers(self, address: IPAddress, mac: bytes) -> tuple[str, ...]:
        """Return who answers the host at `mac` (6 bytes) for `address`, and then who would in its place."""
        return self.shares.answerers(self.lead(address), mac)

    def lead(self, address: IPAddress) -> Lead:
        """Return who leads `address`, without the services that this host cannot run."""
        return self._election.lead_of(address, without=self._refused)

    def is_delivered(self, address: IPAddress) -> bool:
        """Tell whether this host has to see to `address` before it is answered for."""
        return address in self.local or address in self.forwarded

    def held_on(self, address: IPAddress) -> bool:
        """Tell whether connections to `address` are bound to the node that they were begun at."""
        forward = self.forwarded.get(address)
        return address in self.known and not (forward and forward.is_stateless)

    def _place_all(self, addresses: Iterable[IPAddress]) -> None:
        for address in addresses:
            self._place(address)

    def _place(self, address: IPAddress) -> None:
        self.leading.pop(address, None)
        self.passed_on.discard(address)
        self.shared.pop(address, None)
        lead = self.lead(address)
        if lead.sharers:
            self.shared[address] = None
        share = self.shares.of_this_node(lead) if lead.sharers else None
        if share is not None or (lead.node == self._me and not lead.sharers):
            self.leading[address] = replace(self._announcement(address), share=share)
        elif lead.node is not None:
            self.passed_on.add(address)

    def _announcement(self, address: IPAddress) -> Announcement:
        if address in self.virtual:
            return self.virtual[address]
        me = self._election.candidates[self._me].node
        wanted = [
            Announcement(interfaces_of(ranking.service, me))
            for ranking in self._election.rankings_of(address)
            if self._me in ranking.answerers and ranking.service.name not in self._refused
        ]
        whole, *others = wanted or [Announcement()]  # a reserve has no lead
        for other in others:
            whole = whole.joined(other)
        return whole
