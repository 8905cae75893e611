"""The connections of one address on many nodes: which of them takes which flow. Pure.

The flow, addresses, ports and protocol, gives a slot, and the table of `roost.model.sharing` the node that
takes what begins in it. Each node numbers the nodes for itself.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from roost.model.flow import Flow
from roost.model.sharing import Table, finished, mixed

__all__ = ["ME", "NODES_LIMIT", "VISITS", "Spread", "Station", "flow_slot", "numbered"]

ME: Final = 1  # a node's own number
NODES_LIMIT: Final = 254  # 255 is none, 0 nobody
VISITS: Final = 16  # nodes that are looked at for a connection, `spread.h` has the same


class Station(NamedTuple):
    """Where a node is, by its MAC (6 bytes); one that `has_left` serves what it has to its end."""

    mac: bytes
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the connections of one address go: `numbers` are of the nodes, one byte for each slot, 0: stays.

    `visits` are the nodes that may have a connection which another one does not know, in the order in which
    they are looked at. A node `returns` what it does not know: its own sockets are its connections. Or it
    `passes_on` what the leader does not know, as after a move with one leader: the hosts track connections.
    """

    numbers: bytes
    visits: bytes = b""
    returns: bool = False
    passes_on: bool = False


def flow_slot(flow: Flow) -> int:
    """Return the slot of a flow, as `announce/bpf/spread.h` does: MurmurHash3's rounds."""
    words: list[int] = []
    for address in (flow.client, flow.address):
        packed = address.packed
        words += struct.unpack("<4I", packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed)
    words += struct.unpack("<I", struct.pack(">HH", flow.client_port, flow.port))
    hash_ = 0
    for word in (*words, flow.protocol):
        hash_ = mixed(hash_, word)
    return finished(hash_)


def numbered(table: Table, numbers: Mapping[str, int]) -> bytes:
    """Return the number of the node for each slot; one without a number counts as nobody."""
    return bytes(numbers.get(name, 0) for name in table.owners)
