"""Two answer for one address, or will: who gives way. Pure.

    claimed by          while                                  this node
    a namesake          it has not answered yet, or the other  yields: gossip knows one by the name
                        goes on and has the lower MAC
    a namesake          else                                   keeps it, and says so
    a peer              it has a namesake and has yielded to   yields: the peers know the namesake, and take
                        it, or the peer goes on                this node for a stranger
    a stranger          gossip has never reached anybody       yields: the others may be the cluster
    a stranger          else                                   keeps it, and says so
    a lost peer         the lead stays, and this node took it  yields: this node may have been cut off
                        with nobody to see that its holder is
                        gone
    a lost peer         the lead stays, and this node took it  keeps it, unless the peer goes on for long
                        when the peer was lost
    a lost peer         the lead stays, this node had it when  yields: the peer has taken it meanwhile
                        the peer was lost, and the peer goes
                        on
    a lost peer         else, if the peer ranks before it      yields
    a lost peer         it has not answered yet                yields: nothing moves without need
    a lost peer         the peer goes on for long              yields: it takes this node for a stranger
    a lost peer         else                                   keeps it; the peer, ranking behind, yields
    a peer              it goes on, and this node hears of no  yields
                        changes, which the peer does
    a peer              the peer goes on claiming, for long    yields: their views differ, and the order of
                        if this node has a lead that stays,    hashes is the same for both
                        and stands first by the hash alone
    a peer              it has not answered yet, and the lead  yields: nothing moves without need
                        stays with whoever has it
    a peer              else                                   keeps it: gossip settles it within moments

A lost peer is one that gossip does not reach, however well it is heard on the LAN. A namesake is another host
with this node's name.
"""

from dataclasses import dataclass
from typing import Final

from roost.decide.tenures import Grip
from roost.model.address import IPAddress, canonical
from roost.model.ranking import Ranking, digest
from roost.protocols.bounded import remember

__all__ = ["AGAIN", "INSISTS", "Contender", "Disputes", "reason_to_yield"]

AGAIN: Final = 0.2  # seconds after the first claim: one of after that is no straggler of a handover
INSISTS: Final = 0.6  # seconds after the first claim: by then one that knew this node would have given way
_MEMORY: Final = 3.0  # seconds after which a claim begins a new dispute
_LIMIT: Final = 4096  # disputes remembered


@dataclass(frozen=True, slots=True)
class Contender:
    """Who claims an address: `peer` None is a stranger.

    `goes_on`: it has claimed it for a while, `insists`: for so long that it does not know this node.
    `namesake`: it bears this node's name, and `ahead`: its hardware address is the lower one. `grip` is how
    this node came to the lead, if that stays with it.
    """

    peer: str | None
    lost: bool = False
    informed: bool = False  # it hears of changes
    goes_on: bool = False
    insists: bool = False
    namesake: bool = False
    ahead: bool = False
    grip: Grip | None = None


def reason_to_yield(
    me: str,
    contender: Contender,
    ranking: Ranking | None,
    address: IPAddress,
    *,
    answers: bool,
    gossiped: bool,
    blind: bool,
    doubled: bool = False,
    yields: bool = False,
    stays: bool = False,
) -> str:
    """Return why node `me`, which leads `address`, gives way to a contender; "" when it does not.

    `answers`: it answers already; `gossiped`: gossip has reached somebody; `blind`: it hears of no changes;
    `doubled`: it has a namesake; `yields`: it has yielded the address to somebody else; `stays`: the lead
    stays with the peer, if that has it.
    """
    peer = contender.peer
    if peer is None:
        return _to_outside(contender, answers=answers, gossiped=gossiped)
    if doubled and (yields or contender.goes_on):
        return "that answers for it, and may know only the other host with this node's name"
    if contender.lost:
        return _to_lost(me, contender, peer, ranking, answers=answers)
    if contender.goes_on and blind and contender.informed:
        return "that hears of changes, which this node does not"
    return _to_active(me, contender, peer, canonical(address), stays=stays and not answers)


def _to_outside(contender: Contender, *, answers: bool, gossiped: bool) -> str:
    if contender.namesake:
        keeps = answers and not (contender.goes_on and contender.ahead)
        return "" if keeps else "that has this node's name, too, and answers for it"
    return "" if gossiped else "that answers for it, and gossip has never reached anybody"


def _to_active(me: str, contender: Contender, peer: str, address: str, *, stays: bool) -> str:
    if stays:
        return "that answers for it, and its lead stays where it is"
    goes_on = contender.goes_on if contender.grip is None else contender.insists
    if goes_on and digest(peer, address) < digest(me, address):
        return "that goes on answering: it sees the cluster, or wants the service, otherwise"
    return ""


def _to_lost(me: str, contender: Contender, peer: str, ranking: Ranking | None, *, answers: bool) -> str:
    if contender.grip is not None and answers and not contender.insists:
        return _to_later(contender.grip, contender, peer)
    if ranking is not None and ranking.is_before(peer, me):
        return "that ranks before this node, and that gossip does not reach"
    if contender.insists:
        return "that gossip does not reach, and that goes on as if it did not know this node"
    return "" if answers else "that answers for it, and that gossip does not reach"


def _to_later(grip: Grip, contender: Contender, peer: str) -> str:
    """Return why a lead that stays is left to a lost peer: the one of both that took it last keeps it."""
    if not grip.proven:
        return "that answers for it all the same: this node may have been the one that was cut off"
    if peer not in grip.lost and contender.goes_on:
        return "that has taken it while gossip did not reach it"
    return ""


class Disputes:
    """Claims of active peers for what this node answers for, until they are settled or forgotten."""

    def __init__(self) -> None:
        self._since: dict[tuple[IPAddress, bytes], tuple[float, float]] = {}  # -> first, last claim

    def lasts(self, address: IPAddress, mac: bytes, now: float) -> float:
        """Take a claim; return for how many seconds the machine has claimed the address."""
        first, last = self._since.get((address, mac), (now, now))
        if now - last > _MEMORY:
            first = now
        remember(self._since, (address, mac), (first, now), _LIMIT)
        return now - first
