"""Gossip's timers as MetalLB 0.16 takes them: a mounted JSON file in memberlist's own names.

Durations are texts of Go's time.ParseDuration ("1.5s", "200ms"). MetalLB wants all fields; here too, since
a missing number would be a zero there.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from roost.protocols.memberlist.profile import Profile

__all__ = ["TIMERS", "TimersError", "read_timers", "timers_in"]

TIMERS: Final = Path("/etc/metallb/memberlist/config.json")

_MOST: Final = 1 << 16  # bytes
_DURATIONS: Final = {
    "TCPTimeout": "tcp_timeout",
    "PushPullInterval": "push_pull_interval",
    "ProbeTimeout": "probe_timeout",
    "ProbeInterval": "probe_interval",
    "GossipInterval": "gossip_interval",
    "GossipToTheDeadTime": "gossip_to_the_dead_time",
    "QueueCheckInterval": "",  # of memberlist's Go channels: there is nothing of the kind here
}
_NUMBERS: Final = {
    "IndirectChecks": "indirect_checks",
    "RetransmitMult": "retransmit_mult",
    "SuspicionMult": "suspicion_mult",
    "SuspicionMaxTimeoutMult": "suspicion_max_timeout_mult",
    "AwarenessMaxMultiplier": "awareness_max_multiplier",
    "GossipNodes": "gossip_nodes",
    "HandoffQueueDepth": "handoff_queue_depth",
    "UDPBufferSize": "udp_buffer_size",
}
# Verification is what a key does here in any case; packets are understood compressed or not.
_SWITCHES: Final = {
    "DisableTcpPings": "disable_tcp_pings",
    "GossipVerifyIncoming": "",
    "GossipVerifyOutgoing": "",
    "EnableCompression": "",
}
_LEAST: Final = {  # below these gossip does not work
    "IndirectChecks": 0,
    "UDPBufferSize": 512,
    "HandoffQueueDepth": 1,
    "RetransmitMult": 1,
    "SuspicionMult": 1,
    "SuspicionMaxTimeoutMult": 1,
    "AwarenessMaxMultiplier": 1,
    "GossipNodes": 1,
}
_MOST_NUMBER: Final = 65_535
_LONGEST: Final = 3600.0  # seconds
_LONGEST_TEXT: Final = 64  # characters of a duration
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class TimersError(Exception):
    """The file cannot be used; the text names it, the field and the cure."""


def read_timers(base: Profile, path: Path = TIMERS) -> Profile | None:
    """Return `base` with the timers in the file at `path`, None when there is none. Raises TimersError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TimersError(f"{path} cannot be read: {error.strerror or error}") from error
    return timers_in(data, base, path)


def timers_in(data: bytes, base: Profile, path: Path = TIMERS) -> Profile:
    """Return `base` with the timers in what the file at `path` holds. Raises TimersError."""
    try:
        return replace(base, **_timers(json.loads(data)))
    except (ValueError, RecursionError) as error:
        raise TimersError(f"{path} cannot be used: {error}") from error


def _timers(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - one error for a bad file
    wanted = _DURATIONS.keys() | _NUMBERS.keys() | _SWITCHES.keys()
    if missing := sorted(wanted - document.keys()):
        raise ValueError(f"{', '.join(missing)} missing; MetalLB wants all of them, too")
    if unknown := sorted(document.keys() - wanted):
        raise ValueError(f"{', '.join(unknown)} unknown; fields are memberlist's, as in TCPTimeout")
    values: dict[str, Any] = {}
    for key, field in _DURATIONS.items():
        values[field] = _duration(key, document[key])
    for key, field in _NUMBERS.items():
        values[field] = _number(key, document[key])
    for key, field in _SWITCHES.items():
        if not isinstance(document[key], bool):
            raise ValueError(f"{key} is {document[key]!r}, not true or false")  # noqa: TRY004
        values[field] = document[key]
    del values[""]
    if values["probe_timeout"] > values["probe_interval"]:
        raise ValueError("ProbeTimeout is longer than ProbeInterval: make it shorter")
    return values


def _number(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not _LEAST[key] <= value <= _MOST_NUMBER:
        raise ValueError(f"{key} is {value!r}, not a whole number from {_LEAST[key]} to {_MOST_NUMBER}")
    return value


def _duration(key: str, value: Any) -> float:
    """Return seconds. Raises ValueError."""
    parts = _PART.findall(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f'{key} is {value!r}, not a duration such as "1s" or "200ms"')
    seconds = float(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"{key} is {value!r}; more than 0 and at most 1h are possible")
    return seconds
