"""What each service is to this node: leading, standby, unfit, stopped; a stream of changes. Pure.

Whoever changes a fact that a role follows from puts the services in doubt; `look` then finds out. So a change
costs what it touches, not all services. Nothing is said before a role is known: while this node knows
nothing of the others, has not checked itself yet, or is about to answer.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.eligibility import interfaces_of
from roost.model.role import Change, Role
from roost.model.service import Service

if TYPE_CHECKING:
    from roost.decide.state import State

__all__ = ["Roles"]

_PRIORITY: Final = 100  # of a node without VRRP; the number that keepalived has by default
_BOUNDS: Final = (1, 254)  # of a priority that weights change; 255 is an owner's


class Roles:
    """The roles that were told last."""

    def __init__(self) -> None:
        self._told: dict[str, Change] = {}
        self._all = False
        self._services: set[str] = set()
        self._addresses: set[IPAddress] = set()
        self._ended = False
        self._coming: set[str] = set()  # services whose role is known once the LAN has been asked
        self._asked = 0  # addresses that it was asked for when they were looked at

    def doubt(self, services: Iterable[str]) -> None:
        """Look at these services again."""
        self._services.update(services)

    def doubt_addresses(self, addresses: Iterable[IPAddress]) -> None:
        """Look at the services with these addresses again."""
        self._addresses.update(addresses)

    def doubt_all(self) -> None:
        """Look at all services again."""
        self._all = True

    def end(self) -> None:
        """Take that this node stops, whatever it still does."""
        self._ended = True
        self._all = True

    def look(self, state: "State") -> Iterator[Change]:
        """Yield what has changed, in the order of the services' names."""
        if self._coming and len(state.asking.open) != self._asked:
            self._services |= self._coming
        if not (self._all or self._services or self._addresses):
            return
        rankings = state.election.rankings
        names = {*self._services}
        for address in self._addresses:
            names.update(ranking.service.name for ranking in state.election.rankings_of(address))
        if self._all:
            names = {*rankings, *self._told}
        self._all = False
        self._services.clear()
        self._addresses.clear()
        self._asked = len(state.asking.open)
        self._coming -= names
        for name in sorted(names):
            before = self._told.get(name)
            ranking = rankings.get(name)
            if ranking is None:
                if before is not None:
                    del self._told[name]
                    if before.role is not Role.STOPPED:
                        yield Change(name, Role.STOPPED, before.role, before.addresses, before.priority)
                continue
            role = self._role(state, ranking.service, before.role if before else None)
            if role is None or (before is not None and before.role is role):
                continue
            was = before.role if before else None
            priority = _priority(state, ranking.service)
            self._told[name] = Change(name, role, was, ranking.service.addresses, priority)
            yield self._told[name]

    def _role(self, state: "State", service: Service, before: Role | None) -> Role | None:
        """Return the role of `service` now, None while it is not known or stays what it was."""
        answered = any(address in state.answers.now for address in service.addresses)
        if state.leaving or self._ended:
            return before if before is None or (answered and not self._ended) else Role.STOPPED
        if not state.settling.settled:
            return None
        if answered and any(self._leads(state, address) for address in service.addresses):
            return Role.LEADING
        if _is_unfit(state, service):
            return Role.UNFIT if before or state.tracking.known(service.name) else None
        if before in (None, Role.LEADING) and any(_is_coming(state, each) for each in service.addresses):
            self._coming.add(service.name)
            return None
        return Role.STANDBY

    @staticmethod
    def _leads(state: "State", address: IPAddress) -> bool:
        return address in state.plan.leading or address in state.succession.stood_in


def _is_coming(state: "State", address: IPAddress) -> bool:
    """Tell whether this node leads `address` and answers for it within moments, if nothing speaks up."""
    if address not in state.plan.leading:
        return False
    return address in state.asking.open or (
        address in state.plan.local and address not in state.delivery.ready
    )


def _is_unfit(state: "State", service: Service) -> bool:
    """Tell whether this node should not lead `service`: by its checks, its addresses or its links."""
    me = state.election.candidates.get(state.me)
    wanted = Announcement(interfaces_of(service, me.node) if me else None)
    return (
        not state.tracking.own(service.name).fit
        or service.name in state.refused
        or any(address in state.delivery.refused for address in service.addresses)
        or not any(wanted.allows(link.name) for link in state.announcing_links)
        or any(part.fault for part in state.routers.parts_of(service.name))
    )


def _priority(state: "State", service: Service) -> int:
    base = service.vrrp.priority if service.vrrp else _PRIORITY
    low, high = _BOUNDS
    return base if base > high else max(low, min(high, base + state.tracking.own(service.name).weight))
