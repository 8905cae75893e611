"""Timers of the failure detector: local choices that the wire does not see.

`lan` and `wan` are memberlist's own defaults (`config.go`); `default` and `fast` are Roost's.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["PROFILES", "Profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Timers in seconds, sizes in bytes, the rest plain counts; names are memberlist's."""

    probe_interval: float = 1.0
    probe_timeout: float = 0.5
    indirect_checks: int = 3
    suspicion_mult: int = 4
    suspicion_max_timeout_mult: int = 6
    awareness_max_multiplier: int = 8
    gossip_interval: float = 0.2
    gossip_nodes: int = 3
    gossip_to_the_dead_time: float = 30.0
    push_pull_interval: float = 30.0
    retransmit_mult: int = 4
    tcp_timeout: float = 10.0
    dead_node_reclaim_time: float = 0.0
    udp_buffer_size: int = 1400
    handoff_queue_depth: int = 1024
    disable_tcp_pings: bool = False
    rejoin_interval: float = 5.0  # Roost's own: seconds between attempts to reach lost or configured members
    settle_time: float = 0.7  # Roost's own: longest silence of a starting speaker that has heard nobody


PROFILES: Final[dict[str, Profile]] = {
    "lan": Profile(),
    "wan": Profile(
        probe_interval=5.0,
        probe_timeout=3.0,
        suspicion_mult=6,
        gossip_interval=0.5,
        gossip_nodes=4,
        gossip_to_the_dead_time=60.0,
        push_pull_interval=60.0,
        tcp_timeout=30.0,
    ),
    "default": Profile(
        probe_interval=0.15,
        probe_timeout=0.075,
        gossip_interval=0.04,
        retransmit_mult=12,  # what is said for less than a quarter of a second, one loss can hide
        push_pull_interval=10.0,
        tcp_timeout=3.0,
        rejoin_interval=2.0,
    ),
    "fast": Profile(
        probe_interval=0.05,
        probe_timeout=0.025,
        gossip_interval=0.02,
        retransmit_mult=12,
        push_pull_interval=5.0,
        tcp_timeout=2.0,
        rejoin_interval=1.0,
    ),
}
