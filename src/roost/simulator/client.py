"""A client with Linux's neighbour table, which pings every service address again and again.

The rules are those of `arp_process` and `neigh_update` in Linux 6: the own question alone makes an entry;
another hardware address is believed from gratuitous ARP at once and from a reply a second after the last
change; an entry that is not confirmed goes stale, is used for a while, is asked for by unicast, fails.
"""

import random
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.simulator.addresses import lan_address
from roost.simulator.clock import Clock
from roost.simulator.connections import Connections
from roost.simulator.host import Host
from roost.simulator.lan import Claim, Lan, Port, Question

__all__ = ["PERIOD", "Client", "Entry", "State"]

PERIOD: Final = 0.04  # seconds between two pings of one address
_LOCK_TIME: Final = 1.0  # seconds after a change in which a reply does not bring another
_RETRANSMIT: Final = 1.0  # seconds between two questions
_ATTEMPTS: Final = 3  # questions until an entry fails
_DELAY: Final = 5.0  # seconds that a stale entry is used before it is asked for


class State(Enum):
    """What Linux calls NUD_..."""

    NONE = "none"
    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    DELAY = "delay"
    PROBE = "probe"
    FAILED = "failed"

    __hash__ = object.__hash__  # Enum's own is a Python function


_VALID: Final = frozenset({State.REACHABLE, State.STALE, State.DELAY, State.PROBE})


class Entry:
    """One neighbour; times are virtual. `heard` is the last answered ping, `lost` how many were not."""

    __slots__ = ("asked", "attempts", "confirmed", "heard", "lost", "mac", "since", "state", "updated", "who")

    def __init__(self, now: float) -> None:
        self.state = State.NONE
        self.mac = b""
        self.since = self.heard = now  # of the state; of the last answer
        self.updated = self.confirmed = self.asked = float("-inf")
        self.attempts = 0
        self.lost = 0
        self.who: str | None = None  # who answered last, None for nobody


class Client:
    """A station on `switch`. A `deaf` one hears no broadcasts, a `confirming` one learns from answers.

    `reachable` is the time in seconds that an entry stays fresh. `moved(client, address, who)` hears when
    other nodes answer its pings, None for nobody.
    """

    def __init__(
        self,
        clock: Clock,
        lan: Lan,
        number: int,
        *,
        switch: int,
        deaf: bool,
        confirming: bool,
        reachable: float,
        chance: random.Random,
        moved: Callable[["Client", IPAddress, str | None], None],
    ) -> None:
        self.name = f"c{number}"
        self.address: IPAddress = lan_address(f"198.18.0.{200 + number}")
        self.mac = bytes((2, 0, 0, 0, 1, number))
        self._neighbour = (self.address, self.mac)
        self.deaf = deaf
        self.port = lan.attach(self, self.mac, switch)
        self.entries: dict[IPAddress, Entry] = {}
        self.connections: Connections | None = None  # None: it has none
        self._confirming = confirming
        self._reachable = reachable
        self._clock = clock
        self._lan = lan
        self._chance = chance
        self._moved = moved

    @property
    def awake(self) -> bool:
        """Whether the kernel answers for the client's own address."""
        return True

    def use(self, addresses: tuple[IPAddress, ...]) -> None:
        """Ping exactly these addresses."""
        now = self._clock.now
        self.entries = {each: self.entries.get(each) or Entry(now) for each in addresses}

    def forget(self) -> None:
        """Lose the neighbour table, as after a restart."""
        self.entries = {address: Entry(self._clock.now) for address in self.entries}

    def tick(self) -> None:
        """Ping every address once."""
        now = self._clock.now
        for address, entry in self.entries.items():
            state = entry.state
            if state is not State.REACHABLE or now - entry.confirmed > self._reachable:
                self._progress(address, entry, now)
                state = entry.state
            if state in _VALID:
                self._ping(address, entry, now)
            elif state is State.FAILED:
                self._lose(address, entry)
            if self.connections is not None and entry.mac:
                self.connections.use(address, entry.mac)
        self._clock.after(PERIOD, self.tick)

    def hear_question(self, question: Question) -> None:
        """Answer for the own address."""
        if question.target == self.address:
            back = self._lan.unicast(self.port, self.mac, question.mac)
            if back is question.port and question.answered is not None:
                claim = Claim(self.address, self.mac, gratuitous=False)
                self._reach(back, partial(question.answered, claim))

    def hear_advert(self, received: Received) -> None:
        """Take no notice: it is for routers."""

    def hear_claims(self, claims: tuple[Claim, ...], *, broadcast: bool) -> None:
        """Learn, as far as the rules allow."""
        if broadcast and self.deaf:
            return
        for claim in claims:
            entry = self.entries.get(claim.address)
            if entry is not None and entry.state is not State.NONE:
                self._learn(entry, claim)

    def _learn(self, entry: Entry, claim: Claim) -> None:
        now = self._clock.now
        valid, other = entry.state in _VALID, claim.mac != entry.mac
        override = claim.gratuitous or now - entry.updated > _LOCK_TIME
        if valid and other and not override:
            return
        state = State.STALE if claim.gratuitous else State.REACHABLE
        if valid and not other and state is State.STALE:
            return  # nothing new: what is fresher than that stays so
        if other or state is not entry.state:
            entry.updated = now
        entry.mac = claim.mac
        self._enter(entry, state, now)
        if state is State.REACHABLE:
            entry.confirmed = now

    def _progress(self, address: IPAddress, entry: Entry, now: float) -> None:
        """Let time do its work on an entry that is in use."""
        match entry.state:
            case State.NONE | State.FAILED:
                self._enter(entry, State.INCOMPLETE, now)
                self._ask(address, entry, now)
            case State.INCOMPLETE | State.PROBE if now - entry.asked >= _RETRANSMIT:
                if entry.attempts >= _ATTEMPTS:
                    entry.mac = b""
                    self._enter(entry, State.FAILED, now)
                else:
                    self._ask(address, entry, now)
            case State.REACHABLE:
                self._enter(entry, State.STALE, now)
            case State.STALE:
                self._enter(entry, State.DELAY, now)
            case State.DELAY if now - entry.since >= _DELAY:
                self._enter(entry, State.PROBE, now)
                self._ask(address, entry, now)
            case _:
                pass

    def _enter(self, entry: Entry, state: State, now: float) -> None:
        entry.state, entry.since, entry.attempts = state, now, 0

    def _ask(self, address: IPAddress, entry: Entry, now: float) -> None:
        entry.asked = now
        entry.attempts += 1
        alone = entry.state is State.PROBE
        question = Question(address, self.address, self.mac, self.port, direct=alone)
        if alone:
            port = self._lan.unicast(self.port, self.mac, entry.mac)
            reached = [port] if port is not None else []
        else:
            reached = self._lan.broadcast(self.port, self.mac)
        for port in reached:
            if isinstance(port.station, Host):
                self._reach(port, partial(port.station.hear_question, question))

    def _reach(self, port: Port, hear: Callable[[], None]) -> None:
        """Let the station at `port` hear what it is sent, after the flight."""
        self._clock.after(self._lan.flight(self.port, port), partial(port.take, hear))

    def _ping(self, address: IPAddress, entry: Entry, now: float) -> None:
        """Send a packet and look at once whether it is answered: nothing of what follows needs an event."""
        port = self._lan.unicast(self.port, self.mac, entry.mac)
        host = port.station if port is not None else None
        if (
            not isinstance(host, Host)
            or host.paused
            or not host.kernel.takes(address, self._neighbour)
            or self._lan.unicast(host.port, host.mac, self.mac) is not self.port
        ):
            self._lose(address, entry)
            return
        entry.heard = now
        if host.name != entry.who:
            entry.who = host.name
            self._moved(self, address, host.name)
        if self._confirming:
            entry.confirmed = now
            if entry.state is not State.REACHABLE:
                self._enter(entry, State.REACHABLE, now)

    def _lose(self, address: IPAddress, entry: Entry) -> None:
        entry.lost += 1
        if entry.who is not None:
            entry.who = None
            self._moved(self, address, None)
