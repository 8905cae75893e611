"""The process on a simulated host: SWIM and the decider, driven as the speaker drives them.

    what comes in -> Swim, Decider -> effects -> `hands`

What lives here: order and time. The decider's answers to probes wait until it is woken, as in the driver.
"""

import math
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from roost.decide.members import ClusterMember, Roster
from roost.model.address import IPAddress
from roost.model.node import Verdict
from roost.model.service import DesiredState
from roost.protocols.errors import PacketError
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.memberlist.swim import MemberChanged, Swim, SwimConfig
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import Word, decode, decode_state
from roost.protocols.words.metadata import Metadata, encode
from roost.protocols.words.sightings import Sighting
from roost.protocols.words.verdict import Ground
from roost.simulator.askers import Asked
from roost.simulator.backends import Backends
from roost.simulator.hands import Hands
from roost.simulator.inbox import Inbox, Queue
from roost.simulator.lan import Claim, Question
from roost.simulator.lifelines import Lifelines
from roost.simulator.seams import MakeDecider, NodeFacts
from roost.simulator.streams import Streams

if TYPE_CHECKING:
    from roost.simulator.host import Host

__all__ = ["Process"]

_LATE: Final = 0.001  # seconds that a wake is late on an idle host
_SHORTEST_SLEEP: Final = 0.001  # seconds, as the driver on asyncio has it
_ROUNDS: Final = 1000  # of effects that make effects: more is a machine that never has enough
_ANSWERS: Final = 200  # frames that wait in the probes' socket
_LEAVE_WITHIN: Final = 1.0  # seconds for telling the peers


class Process:
    """One life of a speaker on `host`."""

    def __init__(self, host: "Host", facts: NodeFacts, make: MakeDecider, chance: random.Random) -> None:
        self.host = host
        self.ended = False
        self.began = host.clock.now  # virtual time, as the next
        self.leaving: float | None = None
        self.desired = DesiredState()
        self.roster = Roster()
        self._chance = chance
        self._clock = host.clock
        self._inbox = Inbox(chance)
        self._answers: deque[tuple[int, ProbeKind, Claim]] = deque(maxlen=_ANSWERS)
        self._peers_wait = False
        self._asked: deque[Question] = deque(maxlen=_ANSWERS)  # by peers, that wait
        self._busy_until = 0.0  # virtual time: a slow interpreter works on something else
        self._planned: float | None = None
        self._swim_due = self._decider_due = math.inf  # on the host's scale
        self._pumping = False
        self._members_changed = False
        self._able: frozenset[IPAddress] = frozenset()
        self._able_of: tuple[DesiredState, frozenset[IPAddress]] | None = None
        packets = PacketCodec(compress=False, random=chance)
        config = SwimConfig(facts.name, host.endpoint, encode(Metadata()), PROFILES[facts.profile])
        self.swim = Swim(config, packets, chance)
        self.decider = make(facts, chance)
        self.lifelines = Lifelines(
            self._clock,
            chance,
            find=host.find,
            passes=host.passes,
            gone=self.decider.process_gone,
            running=partial(self.take, Queue.EVENTS),
        )
        self.streams = Streams(self, self._clock, chance)
        self.hands = Hands(self)
        self.backends = Backends(self)

    def start(self, desired: DesiredState, *, troubled: bool) -> None:
        """Begin as the speaker begins."""
        now, name = self.host.time(), self.host.name
        alone = ClusterMember(name, None, Verdict.ALIVE, now, 0, "not started", Metadata())
        self.desired = desired
        self._pumping = True  # nothing is carried out yet
        self.decider.set_members((alone,), now)
        self.decider.set_links((self.host.link(),), now)
        self.decider.want(desired, frozenset(), "", now)
        self.backends.want(now)
        local = {each for spec in desired.services if spec.deliver == "local" for each in spec.addresses}
        self.hands.deliver_now(frozenset(local))
        self.swim.start(now)
        self.decider.set_spreading(self.host.kernel.answers, now)
        self.decider.start(now)
        self.decider.source_trouble(troubled, now)
        self._pumping = False
        self.pump()

    def end(self) -> None:
        """Be no more."""
        self.ended = True
        self.lifelines.close()
        self._inbox.clear()
        self._asked.clear()

    def leave(self) -> None:
        """Hand over and leave, as on SIGTERM."""
        if self.leaving is None:
            self.leaving = self._clock.now
            self.take(Queue.EVENTS, self._leave)

    def has_handed_over(self) -> bool:
        """Tell whether a process that leaves has told its peers and was followed by others."""
        told = self.swim.has_left or self._clock.now - (self.leaving or 0.0) > _LEAVE_WITHIN
        return told and not self.decider.held

    def take(self, queue: Queue, action: Callable[[float], None]) -> None:
        """Let the process do `action(now)`: at once, when it runs again, or never."""
        if self.ended:
            return
        if self._is_busy():
            self._inbox.put(queue, action)
            return
        action(self.host.time())
        self.pump()
        if self.host.lateness:
            self._rest()

    def later(self, span: tuple[float, float], action: Callable[[], None]) -> None:
        """Let this process do something in some seconds, if it is still there."""
        low, high = span

        def act() -> None:
            if not self.ended:
                action()

        self._clock.after(low + (high - low) * self._chance.random(), act)

    def resume(self) -> None:
        """Look at what came in, if the process runs now."""
        if self.ended or self._is_busy():
            return
        actions = self._inbox.drain(self._wake_machines)
        for action in actions:
            action(self.host.time())
            self.pump()
        if len(actions) > 1 and self.host.lateness:
            self._rest()

    # -- what rules ask --------------------------------------------------------------------------------

    def answering(self) -> frozenset[Asked]:
        """Return what is answered at this moment, and for whom."""
        return self.hands.answered if self.hands.may_answer() else frozenset()

    def able(self) -> frozenset[IPAddress]:
        """Return what this node could answer for: configured, allowed to it, and to be had on its host."""
        key = (self.desired, self.host.kernel.refused)
        if self._able_of != key:
            self._able_of = key
            self._able = frozenset(_allowed(self.desired, self.host.name) - self.host.kernel.refused)
        return self._able

    # -- what comes in -----------------------------------------------------------------------------

    def question(self, asked: Question, now: float) -> None:
        """Answer an ARP request for a service address if this node does, and take note of who asks."""
        if asked.target not in self.hands.noticed:
            return
        if self.hands.is_left_to_the_process(asked):
            self.hands.reply(asked)
        if asked.asker is not None:
            self.decider.asked(Sighting(asked.target, asked.asker, asked.mac), now, now)

    def let_peers_wait(self, *, wait: bool) -> None:
        """Let what peers ask this process alone wait for the decider's next wake, or wake for it."""
        self._peers_wait = wait

    def ask(self, asked: Question) -> None:
        """Take an ARP request, sent to this station alone if `direct`."""
        if not self._peers_wait or not asked.direct or asked.asker is not None or self.host.kernel.answers:
            self.take(Queue.FRAMES, partial(self.question, asked))
        elif not self.ended:
            self._asked.append(asked)

    def claims(self, claims: tuple[Claim, ...], broadcast: bool, now: float) -> None:  # noqa: FBT001
        """Hear where others say that addresses are."""
        for claim in claims:
            if claim.mac not in self.host.port.macs and claim.address in self.hands.noticed:
                direct = not broadcast and not claim.gratuitous
                self.decider.claimed(claim.address, claim.mac, self.host.link().name, direct, now)

    def answered(self, link: int, kind: ProbeKind, claim: Claim) -> None:
        """Hear the answer to a probe; it waits in the socket until the decider is woken."""
        if not self.host.paused:
            self._answers.append((link, kind, claim))

    def hear(self, payload: bytes) -> None:
        """Hear a peer's word."""
        with suppress(PacketError):
            self._take_word(decode(payload))

    def hear_state(self, state: bytes) -> None:
        """Hear what a peer sent beside its whole state."""
        with suppress(PacketError):
            for word in decode_state(state):
                self._take_word(word)

    @property
    def others(self) -> int:
        """How many others it holds for there."""
        members = self.roster.members(self.swim.members.values())
        return sum(each.verdict.active and each.name != self.host.name for each in members)

    def note_members(self) -> None:
        """Let the decider see the members anew, once for all changes of a turn."""
        self._members_changed = True

    def member_changed(self, change: MemberChanged) -> None:
        """Hear what SWIM says of a member."""
        self._members_changed = True
        if change.kind == "accused":
            self.decider.accused(change.by, self.host.time())

    def synchronized(self, now: float) -> None:
        """Hear that the whole state of a peer is known; first of all the members have to be."""
        self.pump()
        self.decider.synchronized(now)

    def _take_word(self, word: Word) -> None:
        now = self.host.time()
        if isinstance(word, Ground) and self.roster.note(word, self.swim.members, now):
            self.note_members()
        self.decider.hear(word, now)

    def _leave(self, now: float) -> None:
        self.decider.leave(now)
        self.pump()
        self.swim.leave(now)

    # -- what goes on ------------------------------------------------------------------------------

    def pump(self) -> None:
        """Carry out what the machines want, until they want no more."""
        if self._pumping or self.ended:
            return
        self._pumping = True
        does = self.hands.does
        for _ in range(_ROUNDS):
            wanted = False
            for effect in self.decider.effects():
                wanted = True
                does[type(effect)](effect)
            for effect in self.swim.effects():
                wanted = True
                does[type(effect)](effect)
            if wanted:
                continue
            if not self._members_changed:
                break
            self._look_at_members()
        else:
            raise RuntimeError(f"{self.host.name}: effects without end")
        self._pumping = False
        if not self.ended:
            self._arm()

    def _look_at_members(self) -> None:
        self._members_changed = False
        members = self.roster.members(self.swim.members.values())
        self.decider.set_members(members, self.host.time(), unheard=self.swim.unheard)
        self.hands.peers |= {mac for each in members for mac in each.metadata.macs}

    def _arm(self) -> None:
        swim_due, decider_due = self.swim.next_wake(), self.decider.next_wake()
        self._swim_due = math.inf if swim_due is None else swim_due
        self._decider_due = math.inf if decider_due is None else decider_due
        due = min(self._swim_due, self._decider_due)
        if due == math.inf:
            return
        when = max(due - self.host.offset, self._clock.now + _SHORTEST_SLEEP)
        if self._planned is None or when < self._planned:
            self._planned = when
            self._clock.at(when + _LATE * self._chance.random(), partial(self._wake, when))

    def _wake(self, planned: float) -> None:
        if self._planned != planned or self.ended:
            return
        self._planned = None
        if not self._is_busy():
            self._wake_machines(self.host.time())
            self.pump()
            if self.host.lateness:
                self._rest()

    def _wake_machines(self, now: float) -> None:
        if self._swim_due <= now:
            self.swim.wake(now)
        if self._decider_due <= now:
            while self._answers:
                link, kind, claim = self._answers.popleft()
                self.decider.answered(link, claim.address, claim.mac, kind, now)
            while self._asked:
                self.question(self._asked.popleft(), now)
            self.decider.wake(now)

    def _is_busy(self) -> bool:
        host = self.host
        return self._clock.now < self._busy_until or bool(host.frozen or host.paused)

    def _rest(self) -> None:
        """Let a slow interpreter be busy with something else for a while."""
        self._busy_until = self._clock.now + self.host.lateness * self._chance.random()
        self._clock.at(self._busy_until, self.resume)


def _allowed(desired: DesiredState, name: str) -> set[IPAddress]:
    return {
        address
        for service in desired.services
        if any(each.covers(name, {}) for each in service.advertisements)
        and (service.endpoint_nodes is None or name in service.endpoint_nodes)
        for address in service.addresses
    }
