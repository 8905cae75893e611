"""The kinds of problems: each with its weight, and what cures it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["KINDS", "SPREADING_ON_KUBERNETES", "Kind", "Problem", "Severity", "listed"]

_NAMED: Final = 3  # of many with the same trouble
SPREADING_ON_KUBERNETES: Final = (
    "give the speakers CAP_BPF and CAP_NET_ADMIN, speaker.bpf of the chart,"
    " or take the annotation roost.io/sharing off"
)


class Severity(Enum):
    """How much it hurts: clients now, or only the next fault."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Kind:
    """`cure` is what people do about it, where a problem does not know better."""

    severity: Severity
    cure: str


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is a word that programs may rely on, `text` one line for people, `special` a better cure."""

    kind: str
    text: str
    special: str = ""

    @property
    def severity(self) -> Severity:
        """Return how much it hurts."""
        return KINDS[self.kind].severity

    @property
    def cure(self) -> str:
        """Return what people do about it."""
        return self.special or KINDS[self.kind].cure


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

_RENAME: Final = "give one of them another (`node:`, or --node-name), and start it again"
_KEYS: Final = "give all nodes the same gossip keys and the same label"
_LAN: Final = "look at the switch port and the VLAN"

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        # The node as a whole.
        "waiting": Kind(_CRITICAL, "give this host the address, or correct `membership.bind`"),
        "stale configuration": Kind(_WARNING, "`roost check` the file, correct it, and reload"),
        "restart needed": Kind(_WARNING, "restart this speaker when it suits; its addresses are handed over"),
        "second speaker": Kind(
            _WARNING, "stop the other one for good, or give it a network namespace of its own (ip netns exec)"
        ),
        "source": Kind(_WARNING, "look at the API server, and at this speaker's rights"),
        "same name": Kind(_CRITICAL, _RENAME),
        "no gossip": Kind(_CRITICAL, "open the gossip port, UDP and TCP, in the firewalls between"),
        "no interface": Kind(_CRITICAL, "bring the link up, or correct `interfaces`"),
        "no carrier": Kind(_CRITICAL, "look at the cable and the switch port"),
        "cut off": Kind(_CRITICAL, _LAN),
        "full table": Kind(_WARNING, "find who makes up members; then restart this speaker"),
        "not passing on": Kind(
            _WARNING, "give the process CAP_NET_ADMIN on a kernel with nftables, or set `keepConnections: 0`"
        ),
        "conntrack full": Kind(
            _CRITICAL, "raise net.netfilter.nf_conntrack_max, and look for who opens so many connections"
        ),
        # Its peers.
        "lost member": Kind(_WARNING, "look at that host; `roost forget NODE` if it is not to come back"),
        "wrong key": Kind(_WARNING, f"{_KEYS}, or keep others from the gossip port"),
        "gossip blocked": Kind(
            _WARNING,
            "open the gossip port, UDP and TCP, in the firewalls between; if it is open, that process hangs",
        ),
        "no UDP": Kind(_WARNING, "open the gossip port for UDP, both ways, in the firewalls between"),
        "no TCP": Kind(_WARNING, "open the gossip port for TCP, both ways, in the firewalls between"),
        "other services": Kind(_WARNING, "give both the same file, and reload"),
        "other election": Kind(
            _WARNING, "two nodes may answer until all have the same `election`: reload the rest of them soon"
        ),
        "draining": Kind(_WARNING, "`roost drain NODE --undo` when the work there is done"),
        "flapping": Kind(_WARNING, "look at the link and the load of that host"),
        "outdated": Kind(_WARNING, "look at the connection of that node to the API server"),
        # Single addresses.
        "no leader": Kind(_CRITICAL, "`roost explain ADDRESS` says what each node lacks"),
        "nobody fit": Kind(_CRITICAL, "`roost explain SERVICE` on each node says which check fails, and why"),
        "unfit": Kind(_WARNING, "`roost explain SERVICE` here says which check fails, and what it said last"),
        "vrid clash": Kind(_WARNING, "give one of them another vrid, or both the same settings"),
        "vrrp fault": Kind(_WARNING, "`roost explain SERVICE` says what the virtual router lacks"),
        "stood in": Kind(_WARNING, "compare that node's services with this one's: most likely it lacks it"),
        "not shared": Kind(
            _WARNING, "give it a pool that those speakers do not announce, or have one node lead it"
        ),
        "not spread": Kind(
            _WARNING,
            "let the kernel answer there (`roost status` names the responder), or have one node lead it",
        ),
        "yielded": Kind(_WARNING, "look why gossip does not reach who answers for it"),
        "claimed by a peer": Kind(
            _WARNING, "compare the services of both, and look at the gossip between them"
        ),
        "claimed by a stranger": Kind(_CRITICAL, "find the hardware address on your switch"),
        "undeliverable": Kind(_CRITICAL, "look at what the text says on that host"),
        "refused": Kind(_CRITICAL, "correct it, and reload"),
        "no quorum": Kind(_CRITICAL, "look at the backends, and at the link between them and this node"),
        "backend down": Kind(_WARNING, "look at that server; with weight 0 it is left alone"),
        "dead endpoints": Kind(_WARNING, "look at that node; the control plane takes its endpoints out"),
    }
)


def listed(names: Sequence[str]) -> str:
    """Return the first few of many names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
