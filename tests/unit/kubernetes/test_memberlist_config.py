"""memberlist/config.json as MetalLB 0.16 mounts it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from roost.kubernetes.memberlist_config import TimersError, read_timers, timers_in
from roost.protocols.memberlist.profile import PROFILES

# memberlist's own values for wide areas, as a ConfigMap would have them.
WAN: dict[str, Any] = {
    "TCPTimeout": "30s",
    "IndirectChecks": 3,
    "RetransmitMult": 4,
    "SuspicionMult": 6,
    "SuspicionMaxTimeoutMult": 6,
    "PushPullInterval": "1m0s",
    "ProbeTimeout": "3s",
    "ProbeInterval": "5s",
    "DisableTcpPings": False,
    "AwarenessMaxMultiplier": 8,
    "GossipNodes": 4,
    "GossipInterval": "500ms",
    "GossipToTheDeadTime": "60s",
    "GossipVerifyIncoming": True,
    "GossipVerifyOutgoing": True,
    "EnableCompression": True,
    "HandoffQueueDepth": 1024,
    "UDPBufferSize": 1400,
    "QueueCheckInterval": "30s",
}


def write(folder: Path, document: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


def test_the_file_is_read_as_metallb_reads_it(tmp_path: Path) -> None:
    assert read_timers(PROFILES["lan"], write(tmp_path, WAN)) == PROFILES["wan"]
    assert read_timers(PROFILES["lan"], tmp_path / "none.json") is None


def test_what_is_roosts_own_stays_the_profiles(tmp_path: Path) -> None:
    found = read_timers(
        PROFILES["fast"], write(tmp_path, WAN | {"ProbeInterval": "1h", "ProbeTimeout": "1.5s"})
    )
    assert found is not None
    assert (found.probe_interval, found.probe_timeout) == (3600.0, 1.5)
    assert found.rejoin_interval == PROFILES["fast"].rejoin_interval


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ProbeTimeout": 3}, "ProbeTimeout is 3, not a duration such as"),
        ({"ProbeTimeout": "3"}, "ProbeTimeout is '3', not a duration"),
        ({"ProbeTimeout": "-3s"}, "not a duration"),
        ({"ProbeTimeout": "0s"}, "more than 0"),
        ({"ProbeTimeout": "9s"}, "ProbeTimeout is longer than ProbeInterval"),
        ({"GossipNodes": 0}, "GossipNodes is 0, not a whole number from 1"),
        ({"GossipNodes": True}, "not a whole number"),
        ({"DisableTcpPings": 0}, "DisableTcpPings is 0, not true or false"),
        ({"Label": "x"}, "Label unknown"),
    ],
)
def test_a_mistake_is_named_with_its_field(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(TimersError, match=r"config\.json cannot be used") as caught:
        read_timers(PROFILES["lan"], write(tmp_path, WAN | change))
    assert text in str(caught.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(TimersError, match="GossipNodes missing"):
        read_timers(PROFILES["lan"], write(tmp_path, {k: v for k, v in WAN.items() if k != "GossipNodes"}))
    for document in ("x", 3, None):
        with pytest.raises(TimersError, match="no JSON object"):
            read_timers(PROFILES["lan"], write(tmp_path, document))


def test_a_long_text_is_no_duration_and_costs_nothing(tmp_path: Path) -> None:
    """A thousand digits took seconds: each way to part them was tried."""
    begin = time.thread_time()
    with pytest.raises(TimersError, match="not a duration"):
        timers_in(json.dumps(WAN | {"TCPTimeout": "1" * 20_000}).encode(), PROFILES["default"])
    assert time.thread_time() - begin < 1.0
