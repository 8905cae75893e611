"""One SWIM machine on a bench: feed it messages as if from others, read what it sends and reports."""

import random
from dataclasses import replace
from typing import Any, TypeVar

from roost.protocols.machine import Effect, Endpoint, SendDatagram
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.members import packed_address
from roost.protocols.memberlist.messages import (
    CURRENT_VERSIONS,
    Ack,
    Alive,
    Dead,
    Message,
    NodeState,
    Ping,
    Status,
    Suspect,
    Versions,
)
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import Profile
from roost.protocols.memberlist.swim import Fault, MemberChanged, OpenExchange, Swim, SwimConfig

M = TypeVar("M")
START = 100.0
LAN = Profile()


def host(number: int) -> Endpoint:
    return Endpoint(f"192.0.2.{10 + number % 240}", 7946 + number // 240)


def alive(
    number: int,
    incarnation: int = 1,
    *,
    at: Endpoint | None = None,
    meta: bytes = b"",
    versions: Versions = CURRENT_VERSIONS,
) -> Alive:
    endpoint = at or host(number)
    return Alive(incarnation, f"n{number}", packed_address(endpoint.host), endpoint.port, meta, versions)


def state(number: int, status: Status, incarnation: int = 1) -> NodeState:
    return NodeState(
        f"n{number}", packed_address(host(number).host), 7946, b"", incarnation, status, CURRENT_VERSIONS
    )


def suspect(number: int, incarnation: int = 1, *, by: int = 3) -> Suspect:
    return Suspect(incarnation, f"n{number}", f"n{by}")


def dead(number: int, incarnation: int = 1, *, by: int = 3) -> Dead:
    return Dead(incarnation, f"n{number}", f"n{by}")


class Bench:
    """Node n1, which already knows n2 to n`nodes`, and time at `now` (seconds)."""

    def __init__(
        self, nodes: int = 1, *, meta: bytes = b"", versions: Versions = CURRENT_VERSIONS, **profile: Any
    ):
        self.profile = replace(LAN, **profile)
        self.codec = PacketCodec(compress=False, random=random.Random(7))
        self.swim = Swim(SwimConfig("n1", host(1), meta, self.profile), self.codec, random.Random(7))
        self.now = START
        self.effects: list[Effect] = []
        self.swim.start(self.now)
        for number in range(2, nodes + 1):
            self.feed(alive(number, versions=versions), source=number)
        self.take()

    def feed(self, *messages: Message, source: int = 9) -> None:
        packet = self.codec.seal([encode_message(message) for message in messages])
        self.swim.receive(packet, host(source), self.now)

    def status(self, number: int) -> Status:
        return self.swim.members[f"n{number}"].status

    def run(self, seconds: float, *, answering: bool = False) -> None:
        """Wake the machine in time for so long; `answering` lets every probed member ack at once."""
        end = self.now + seconds
        while True:
            due = self.swim.next_wake()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.swim.wake(self.now)
            self._collect(answering=answering)
        self.now = end

    def run_to(self, kind: type[M], limit: float = 60.0) -> tuple[Endpoint, M]:
        """Wake until the machine sends a message of `kind` and return it with its target."""
        end = self.now + limit
        while True:
            for target, messages in self.packets(keep=True):
                for message in messages:
                    if isinstance(message, kind):
                        return target, message
            due = self.swim.next_wake()
            assert due is not None, f"no {kind.__name__} to come"
            assert due <= end, f"no {kind.__name__} to come"
            self.now = max(self.now, due)
            self.swim.wake(self.now)
            self._collect(answering=False)

    def take(self) -> list[Effect]:
        """Return and forget all effects so far."""
        self._collect(answering=False)
        taken, self.effects = self.effects, []
        return taken

    def packets(self, *, keep: bool = False) -> list[tuple[Endpoint, tuple[Message, ...]]]:
        """Return what was sent, opened, and forget all effects unless told to `keep` them."""
        self._collect(answering=False)
        opened = [
            (effect.target, self.codec.open(effect.data).messages)
            for effect in self.effects
            if isinstance(effect, SendDatagram)
        ]
        if not keep:
            self.effects = []
        return opened

    def sent(self, kind: type[M]) -> list[M]:
        """Return the sent messages of one kind, and forget all effects."""
        return [
            message for _, messages in self.packets() for message in messages if isinstance(message, kind)
        ]

    def changes(self) -> list[tuple[str, str]]:
        """Return kinds and names of the reported changes, and forget all effects."""
        return [
            (effect.kind, effect.member.name) for effect in self.take() if isinstance(effect, MemberChanged)
        ]

    def faults(self) -> list[str]:
        """Return the kinds of the reported faults, and forget all effects."""
        return [effect.kind for effect in self.take() if isinstance(effect, Fault)]

    def exchanges(self) -> list[OpenExchange]:
        """Return the exchanges asked for, and forget all effects."""
        return [effect for effect in self.take() if isinstance(effect, OpenExchange)]

    def _collect(self, *, answering: bool) -> None:
        effects = list(self.swim.effects())
        self.effects += effects
        if not answering:
            return
        for effect in effects:
            if isinstance(effect, SendDatagram):
                for message in self.codec.open(effect.data).messages:
                    if isinstance(message, Ping):
                        self.feed(Ack(message.seq))
        if effects:
            self._collect(answering=True)
