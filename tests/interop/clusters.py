"""Roost clusters on loopback for tests, and packets as an attacker or a broken peer would send them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, Final

from tests.interop.peers import PORT, loopback, until

from roost.decide.decider import Decider
from roost.decide.effects import Join, Resolve
from roost.decide.join_target import parse_target
from roost.decide.members import ClusterMember
from roost.decide.settings import DeciderSettings
from roost.membership.cluster import Cluster, Listener
from roost.model.node import Verdict
from roost.observe.fault_log import FaultLog, FaultRecord
from roost.protocols.machine import Effect, Endpoint
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import Message
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.runtime.driver import Driver
from roost.runtime.resolver import resolve

__all__ = ["BRISK", "RoostPeer", "inject", "member", "roost", "sees"]

# Quick enough for tests, slow enough for a busy machine.
BRISK: Final = replace(
    PROFILES["default"],
    probe_interval=0.5,
    probe_timeout=0.4,
    gossip_interval=0.02,
    push_pull_interval=2.0,
    rejoin_interval=0.5,
)


class RoostPeer(Cluster):
    """A node that gossips and joins as its decider wants, and announces nothing."""

    def __init__(
        self,
        name: str,
        *,
        bind: Endpoint | None,
        join: Iterable[str] = (),
        profile: Profile = BRISK,
        **settings: Any,
    ) -> None:
        self.changes = 0
        self._fault_log = FaultLog(lambda: datetime.now(UTC))
        self.decider = Decider(
            DeciderSettings(
                node=name,
                bind=bind,
                join=tuple(parse_target(target) for target in join),
                settle_time=profile.settle_time,
                rejoin_interval=profile.rejoin_interval,
            ),
            Random(7),
        )
        self._driver = Driver(self.decider, self._carry_out)
        self._resolving: set[asyncio.Task[None]] = set()
        listener = Listener(
            members=self._on_members,
            synchronized=partial(self._tell, self.decider.synchronized),
            fault=lambda fault: self._fault_log.take(fault, self._loop.time()),
        )
        super().__init__(name, bind=bind, profile=profile, listener=listener, **settings)

    @property
    def settled(self) -> bool:
        return self.decider.state.settling.settled

    @property
    def faults(self) -> tuple[FaultRecord, ...]:
        return self._fault_log.records

    async def start(self) -> None:
        await super().start()
        self.decider.set_members(self.members(), self._loop.time())
        self.decider.start(self._loop.time())
        self._driver.start()

    async def stop(self) -> None:
        self._driver.stop()
        for task in self._resolving:
            task.cancel()
        await super().stop()

    def configure(self, settings: DeciderSettings) -> None:
        self._tell(self.decider.configure, settings)

    def _tell(self, hear: Any, *facts: object) -> None:
        hear(*facts, self._loop.time())
        self._driver.flush()

    def _on_members(self) -> None:
        self.changes += 1
        self._tell(self.decider.set_members, self.members())

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Join(endpoints):
                self.join(endpoints)
            case Resolve(host, port):
                task = asyncio.create_task(self._resolve(host, port))
                self._resolving.add(task)
                task.add_done_callback(self._resolving.discard)

    async def _resolve(self, host: str, port: int) -> None:
        with contextlib.suppress(OSError):
            self._tell(self.decider.resolved, host, port, await resolve(host, port))


@contextlib.asynccontextmanager
async def roost(name: str, *, host: str = "", port: int = PORT, **settings: Any) -> AsyncIterator[RoostPeer]:
    """Run a cluster's node that is gone at the end, without a word to the others."""
    node = RoostPeer(name, bind=Endpoint(host or loopback(), port), **settings)
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
