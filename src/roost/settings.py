"""What a speaker is told at start, whichever source its services come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from roost.model.hook import Hook
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.profile import PROFILES, Profile

__all__ = [
    "GRATUITOUS_RATE",
    "KEEP_CONNECTIONS",
    "RESPONDERS",
    "AnnounceConfig",
    "MembershipConfig",
    "SpeakerSettings",
    "StatusConfig",
    "diff",
    "in_force",
]


@dataclass(frozen=True, slots=True)
class MembershipConfig:
    """How this node takes part in gossip.

    `advertise` is what the others are told to use (`bind` when not set). A `join` target's host may
    be a hostname. `keys` are 16, 24 or 32 bytes each, the primary first; none means plain text. `arp_rate` is
    how many ARP packets per second and port probing may cost, questions and answers; None: any number.
    `timers` are gossip's where they are not the profile's.
    """

    bind: Endpoint
    advertise: Endpoint
    join: tuple[Endpoint, ...] = ()
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    label: bytes = b""
    profile: str = "default"
    arp_rate: float | None = None
    timers: Profile | None = None

    @property
    def gossip(self) -> Profile:
        """Gossip's timers."""
        return self.timers or PROFILES[self.profile]


@dataclass(frozen=True, slots=True)
class StatusConfig:
    """Where the speaker answers questions: a unix socket, and TCP where `http` or `probes` are set.

    Over TCP it may be asked by an address or by one of `names`; None: by any name. A place that is not
    `required` and cannot be had costs a line in the log, else the start.
    """

    socket: Path
    http: Endpoint | None = None
    probes: Endpoint | None = None
    names: tuple[str, ...] | None = None
    required: bool = True


KEEP_CONNECTIONS: Final = 600.0  # seconds
GRATUITOUS_RATE: Final = 5000  # frames/second: 500 addresses are announced within 0.2 s, under 3 Mbit/s


# The best that the host allows, the kernel at one of two hooks, or this process.
RESPONDERS: Final = ("auto", "tcx", "clsact", "packet")


@dataclass(frozen=True, slots=True)
class AnnounceConfig:
    """Gratuitous packets: frames/second over all addresses, and seconds between repeats (None: none).

    `responder` is what answers questions, one of `RESPONDERS`.
    """

    gratuitous_rate: int = GRATUITOUS_RATE
    gratuitous_refresh: float | None = None
    responder: str = "auto"


@dataclass(frozen=True, kw_only=True)
class SpeakerSettings:
    """One node's part. `membership` is None for a node that gossips with nobody.

    `interfaces` are regular expressions for whole names (None: all that can announce), `termination_grace` is
    in seconds. Connections are passed on for `keep_connections` seconds after a move (0: not at all).
    """

    node: str
    labels: Mapping[str, str]
    interfaces: tuple[str, ...] | None
    membership: MembershipConfig | None
    status: StatusConfig
    announce: AnnounceConfig
    termination_grace: float
    keep_connections: float = KEEP_CONNECTIONS
    only_on_subnet: bool = False  # whether nodes need a link in an address's subnet to lead it
    metallb_metrics: bool = False  # whether metrics carry MetalLB's names, too
    failback: float = 0.0  # seconds, of Services of Kubernetes that do not say (`roost.model.tenure`)
    hooks: tuple[Hook, ...] = ()  # programs that are called when a service has another role here
    answer_ping: bool = False  # whether this process answers echo requests for what it announces


_WHILE_RUNNING: Final = frozenset({"membership.keys"})  # of membership; all else of it waits for a restart
_AT_RESTART: Final = frozenset(  # sockets, programs in the kernel, and names that peers remember
    {"node", "status", "membership", "announce.responder"}
)

Settings = TypeVar("Settings", bound=SpeakerSettings)


def in_force(running: SpeakerSettings, wanted: Settings) -> tuple[Settings, frozenset[str]]:
    """Return what a running speaker follows when it is told `wanted`, and the fields that wait for a restart.

    Those keep the value of `running`, named as in `diff`.
    """
    waiting = frozenset(
        name
        for name in diff(running, wanted) - _WHILE_RUNNING
        if name in _AT_RESTART or name.partition(".")[0] in _AT_RESTART
    )
    membership = running.membership
    if membership and wanted.membership:
        membership = replace(membership, keys=wanted.membership.keys)
    announce = replace(wanted.announce, responder=running.announce.responder)
    kept = replace(wanted, node=running.node, status=running.status, membership=membership, announce=announce)
    return kept, waiting


def diff(old: SpeakerSettings, new: SpeakerSettings) -> frozenset[str]:
    """Return the fields that differ, by attribute name, those of a part as `membership.bind`, ...

    When membership comes or goes as a whole, that is `membership`.
    """
    changed = _differing(old, new)
    parts: tuple[tuple[str, Any, Any], ...] = (
        ("membership", old.membership, new.membership),
        ("announce", old.announce, new.announce),
    )
    for part, before, after in parts:
        if part in changed and before and after:
            changed = changed - {part} | {f"{part}.{name}" for name in _differing(before, after)}
    return frozenset(changed)


def _differing(old: Any, new: Any) -> set[str]:
    names = (each.name for each in fields(old) if each.compare)
    return {name for name in names if getattr(old, name) != getattr(new, name)}
