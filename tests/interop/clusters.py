"""Roost clusters on loopback for tests, and packets as an attacker or a broken peer would send them."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from tests.interop.peers import PORT, loopback, until

from roost.membership.cluster import Cluster, ClusterMember
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import Message
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES

__all__ = ["BRISK", "inject", "member", "roost", "sees"]

# Quick enough for tests, slow enough for a busy machine.
BRISK: Final = replace(
    PROFILES["default"],
    probe_interval=0.5,
    probe_timeout=0.4,
    gossip_interval=0.02,
    push_pull_interval=2.0,
    rejoin_interval=0.5,
)


@contextlib.asynccontextmanager
async def roost(name: str, *, host: str = "", port: int = PORT, **settings: Any) -> AsyncIterator[Cluster]:
    """Run a cluster's node that is gone at the end, without a word to the others."""
    bind = Endpoint(host or loopback(), port)
    settings.setdefault("profile", BRISK)
    node = Cluster(name, bind=bind, **settings)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def member(node: Cluster, name: str) -> ClusterMember | None:
    """What `node` holds of the member `name`."""
    return next((each for each in node.members() if each.name == name), None)


async def sees(node: Cluster, name: str, verdict: Verdict) -> ClusterMember:
    """Wait until `node` holds `verdict` of `name`."""

    def found() -> ClusterMember | None:
        held = member(node, name)
        return held if held is not None and held.verdict is verdict else None

    result: ClusterMember = await until(found, f"{node.name} sees {name} {verdict.value}")
    return result


def inject(
    target: Endpoint, *messages: Message, label: bytes = b"", keys: Sequence[bytes] = (), raw: bytes = b""
) -> bytes:
    """Send one packet from nowhere: `raw`, or `messages` sealed as a member would; returns the packet."""
    codec = PacketCodec(label, Keyring(keys) if keys else None, random=Random(7))
    packet = raw or codec.seal([encode_message(message) for message in messages])
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        out.sendto(packet, (target.host, target.port))
    return packet
