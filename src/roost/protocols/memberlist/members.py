"""Members as this node sees them, itself included, and the bounded table of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType
from typing import Any, Final

from roost.model.address import canonical
from roost.protocols.machine import Endpoint, Randomness
from roost.protocols.memberlist.messages import Alive, NodeState, Status, Versions

__all__ = ["MEMBERS_LIMIT", "Member", "MemberTable", "address_text", "packed_address"]

MEMBERS_LIMIT: Final = 10_000
_CANDIDATES: Final = 8  # per wanted member, before all are looked at


@lru_cache(maxsize=4096)
def address_text(address: bytes) -> str:
    """Return canonical text for 4 or 16 bytes; an IPv4-mapped address is the IPv4 address it means."""
    return canonical(IPv4Address(address) if len(address) == 4 else IPv6Address(address))


@lru_cache(maxsize=4096)
def packed_address(host: str) -> bytes:
    """Return 4 or 16 bytes for IP text; raises ValueError for anything else."""
    return ip_address(host).packed


@dataclass(frozen=True, slots=True)
class Member:
    """One member at one moment; `since` is when `status` began, `evidence` says why, for people.

    `address` is the host as the member itself writes it: Go nodes may use 16 bytes for IPv4 and
    compare bytes, so it is passed on as it came.
    """

    name: str
    endpoint: Endpoint
    meta: bytes
    incarnation: int
    status: Status
    since: float
    versions: Versions
    evidence: str
    address: bytes

    @property
    def live(self) -> bool:
        """Whether the member takes part: alive or suspect."""
        return self.status in (Status.ALIVE, Status.SUSPECT)

    def as_alive(self) -> Alive:
        """Return the message that announces the member."""
        return Alive(self.incarnation, self.name, self.address, self.endpoint.port, self.meta, self.versions)

    def as_state(self) -> NodeState:
        """Return what push/pull says about the member."""
        return NodeState(
            self.name,
            self.address,
            self.endpoint.port,
            self.meta,
            self.incarnation,
            self.status,
            self.versions,
        )


class MemberTable:
    """All known members by name, at most `MEMBERS_LIMIT`; `me` is the name of this node's own entry."""

    def __init__(self, me: Member) -> None:
        self._me = me.name
        self._members = {me.name: me}
        self._others: list[str] = []
        self._view = MappingProxyType(self._members)

    @property
    def view(self) -> Mapping[str, Member]:
        """A live, read-only view."""
        return self._view

    @property
    def me(self) -> Member:
        """This node."""
        return self._members[self._me]

    @property
    def others(self) -> int:
        """How many other members are known, in any status."""
        return len(self._others)

    @property
    def full(self) -> bool:
        """Whether a new member has no room."""
        return len(self._members) >= MEMBERS_LIMIT

    def __len__(self) -> int:
        return len(self._members)

    def get(self, name: str) -> Member | None:
        """Return the member of that name, if known."""
        return self._members.get(name)

    def put(self, member: Member) -> None:
        """Add a member or replace the one of its name."""
        if member.name not in self._members:
            self._others.append(member.name)
        self._members[member.name] = member

    def change(self, name: str, **fields: Any) -> Member:
        """Replace fields of a known member and return it as it is now."""
        member = self._members[name] = replace(self._members[name], **fields)
        return member

    def live(self) -> int:
        """Return the number of live members, this node included."""
        return sum(member.live for member in self._members.values())

    def forget(self, gone_before: float) -> frozenset[str]:
        """Drop the other members that are dead or left since before that time and return their names."""
        gone = frozenset(
            name
            for name in self._others
            if not self._members[name].live and self._members[name].since < gone_before
        )
        if gone:
            for name in gone:
                del self._members[name]
            self._others = [name for name in self._others if name not in gone]
        return gone

    def choose(self, count: int, random: Randomness, wanted: Callable[[Member], bool]) -> list[Member]:
        """Return up to `count` different random other members that are `wanted`."""
        some = random.sample(self._others, min(len(self._others), _CANDIDATES * count))
        chosen = [member for name in some if wanted(member := self._members[name])]
        if len(chosen) < count and len(some) < len(self._others):  # nearly all of a large table are gone
            everyone = [member for name in self._others if wanted(member := self._members[name])]
            chosen = random.sample(everyone, min(count, len(everyone)))
        return chosen[:count]
