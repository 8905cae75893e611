"""Who would lead a virtual router if machines went away or came: as far as one node can know. Pure.

Masters alone speak in VRRP. So a node knows itself, who leads, and who has led while it listened; such a one
may be gone since. A backup that has not led is unknown to everybody else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from roost.decide.vrrp.part import Part, Peer
from roost.model.address import IPAddress
from roost.model.what_if import Prospect
from roost.protocols.vrrp.machine import Timing
from roost.protocols.vrrp.packet import RELEASE

__all__ = ["Supposed", "foresee"]

_SILENT: Final = "backups that have not led while this node listened are not known here"


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is supposed of machines, by name or address: dead, drained, or come."""

    down: Collection[str] = ()
    drain: Collection[str] = ()
    add: Collection[str] = ()

    @property
    def gone(self) -> frozenset[str]:
        """Those that lead nothing any more."""
        return frozenset({*self.down, *self.drain})


@dataclass(frozen=True, slots=True)
class _Contender:
    name: str
    address: IPAddress | None
    priority: int

    @property
    def order(self) -> tuple[int, int]:
        """The higher priority leads, with equal ones the higher address (RFC 9568 section 6.4.3)."""
        return self.priority, int(self.address) if self.address else 0


def foresee(
    part: Part, me: str, leader: str | None, peers: Mapping[str, Peer], supposed: Supposed
) -> Prospect:
    """Return what becomes of the service of `part`, which decides for its group; `leader` leads it now.

    `peers` are the part's, by name.
    """
    gone = {name for name, peer in peers.items() if supposed.gone & {name, str(peer.source)}}
    gone |= supposed.gone & {me}
    if leader is None:
        why = f"no master is heard here; {_own(part, me, gone)}"
        return Prospect(part.service, None, None, why, known=False)
    if leader not in gone:
        return Prospect(part.service, leader, leader, _why_stays(part, me, leader, peers, supposed))
    ready = not part.fault and me not in gone
    mine = _Contender(me, part.own, part.instance.ruling.priority)
    better = [each for each in _silent(peers, {leader, *gone}) if not ready or each.order > mine.order]
    why = f"{leader}: supposed to {'drain' if leader in supposed.drain else 'go down'}"
    if better:
        rest = f"; else {_told(mine)}" if ready else ""
        why += f"; {', else '.join(map(_told, better))}, who led before, if it still runs{rest}"
    elif ready:
        when = _when(part, peers.get(leader), is_drained=leader in supposed.drain)
        why += f"; {_told(mine)} is the best that is known, and takes over {when}"
    else:
        why += f"; {_own(part, me, gone)}, and no other is known"
    after = better[0].name if better else me if ready else None
    return Prospect(part.service, leader, after, f"{why}; {_unheard(part)}", known=after is not None)


def _silent(peers: Mapping[str, Peer], without: Collection[str]) -> list[_Contender]:
    """Return who has led before and may be a backup now, the best one first."""
    found = [
        _Contender(name, peer.source, peer.priority)
        for name, peer in peers.items()
        if name not in without and peer.priority != RELEASE
    ]
    return sorted(found, key=lambda each: each.order, reverse=True)


def _why_stays(part: Part, me: str, leader: str, peers: Mapping[str, Peer], supposed: Supposed) -> str:
    heard = part.instance.ruling if leader == me else peers.get(leader)
    has = f"with priority {heard.priority}" if heard else "whose priority is not known here"
    if not supposed.add:
        return f"stays: {leader} leads, {has}"
    came, than = ", ".join(sorted(supposed.add)), heard.priority if heard else "the leader's"
    return f"stays: {leader} leads, {has}; {came} leads if its own is above {than} and it preempts"


def _own(part: Part, me: str, gone: Collection[str]) -> str:
    """Return what this node can do about it."""
    if me in gone:
        return f"{me} is supposed to go"
    if part.fault:
        return f"{me} takes no part: {part.fault}"
    return f"{me} is in state {part.instance.state.value}, with priority {part.instance.ruling.priority}"


def _told(contender: _Contender) -> str:
    return f"{contender.name} (priority {contender.priority})"


def _when(part: Part, master: Peer | None, *, is_drained: bool) -> str:
    ruling = part.instance.ruling
    timing = Timing.of(ruling.version, ruling.priority, master.interval if master else ruling.interval)
    if is_drained:
        return f"{timing.skew:.2g} s after its last advert, of priority 0"
    return f"{timing.master_down:.3g} s after its last advert"


def _unheard(part: Part) -> str:
    """Return who is not known: by name those that are configured."""
    unheard = [str(each) for each in part.unicast if each not in part.peers]
    return f"{', '.join(unheard)}: configured, and never heard as master" if unheard else _SILENT
