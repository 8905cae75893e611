"""Who leads an address: the one answer that plan, witnesses, clients, views and `explain` share.

An address may belong to several services. One node answers for it all the same: of the services that have a
leader, the first by name decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from roost.model.address import IPAddress
from roost.model.ranking import Ranking
from roost.model.sharing import Weights

__all__ = ["Lead", "lead"]


@dataclass(frozen=True, slots=True)
class Lead:
    """Node `node` leads `address` (None: nobody), `standbys` are next, best first; `why` for people.

    `service` is the name of the one whose ranking decides. Of a shared address all `sharers` answer, `node`
    is the first of them, and nobody stands by. Where connections are spread, `takers` are the nodes that get
    some. `weights` are those of all nodes that may.
    """

    address: IPAddress
    node: str | None = None
    standbys: tuple[str, ...] = ()
    service: str = ""
    why: str = "no service has this address"
    sharers: tuple[str, ...] = ()
    weights: Weights = ()
    takers: tuple[str, ...] = ()

    def is_answered_by(self, node: str) -> bool:
        """Tell whether `node` leads the address, or is one of those that share it."""
        return node == self.node or node in self.sharers


def lead(address: IPAddress, rankings: Iterable[Ranking]) -> Lead:
    """Return who leads `address`, given the rankings of all services that have it."""
    ordered = sorted(rankings, key=lambda ranking: ranking.service.name)
    if not ordered:
        return Lead(address)
    deciding = next((ranking for ranking in ordered if ranking.leader is not None), ordered[0])
    name = deciding.service.name
    if deciding.service.vrrp is not None:
        why = f"no master of {name} is heard" if deciding.leader is None else f"the master of {name} by VRRP"
        return Lead(address, deciding.leader, (), name, why)
    standbys = tuple(place.node for place in deciding.places if place.node != deciding.leader)
    if deciding.leader is None:
        return Lead(address, None, standbys, name, f"no node can lead {name}")
    shared = bool(deciding.sharers)
    why = (
        f"one of {len(deciding.sharers)} nodes that share {name}"
        if shared
        else f"first of those that can lead {name}"
    )
    if len(ordered) > 1:
        why += f", which decides for {len(ordered)} services that share the address"
    if shared:
        return Lead(address, deciding.leader, (), name, why, deciding.sharers, deciding.weights)
    if deciding.takers:
        why += f"; {len(deciding.takers)} take its connections"
        return Lead(
            address, deciding.leader, standbys, name, why, weights=deciding.weights, takers=deciding.takers
        )
    return Lead(address, deciding.leader, standbys, name, why)
