"""What must hold at every step of a run, whatever befalls the cluster.

An observer on each switch sees which hosts would answer it for each address, at short distances and without
being noticed: no packet of its own disturbs the run. For a shared address it is several askers, each of whom
has to have exactly one answerer as others have.

    silence   nobody answers for longer than the bound although one and the same node could all the time
    two       two nodes answer for longer than the bound
    rest      some time after the last fault, not exactly one node answers where one can
    fittest   then a node answers that is unfit, or reaches no backend, although one that is fit could
    kept      a lead that is to stay moves although its holder is well
    move      then the answers come from another node, and nothing has happened
    planned   a drain or a departure in peace costs an answer or a client's packet
    broken    the same breaks a client's connection
    loop      a node passes on twice what peers passed on to it
    verdict   a node is declared gone that is well, and another one could have told
    deaf      a node that hears nobody claims what another one answers
    flapping  a lead returns again and again to a node that gets lost each time; a share may
    stuck     after the last fault a client's packets stay unanswered
    table     a machine's table grows without bound
    error     a machine fails
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from roost.model.address import IPAddress
from roost.model.tenure import NEVER
from roost.protocols.words.metadata import Metadata
from roost.simulator.askers import ANYBODY, ASKERS, Asked
from roost.simulator.blame import Deaf, Returns, Untouched
from roost.simulator.client import Client, State
from roost.simulator.clock import START
from roost.simulator.faults import PLANNED, Fault, Schedule
from roost.simulator.host import Host
from roost.simulator.keeping import Keeping
from roost.simulator.tables import largest
from roost.simulator.world import World

__all__ = ["Bounds", "Judge", "Violation", "lone_moves"]

_CROWDED: Final = 2  # times as long a silence, and two answers, may be while a crowd of faults is on
_NOBODY: Final[frozenset[str]] = frozenset()
_Seen = tuple[Host, frozenset[Asked], frozenset[IPAddress], tuple[bool, ...]]
_Key = tuple[int, IPAddress, bytes]  # a switch, an address, and who asks for it there


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, but `table` (entries), `crowd` (faults) and `returns` (of a lead within 20 s).

    `silence` and `two` hold while at most `crowd` faults are on, or were in the last 2 s, and twice as long
    with more. `warm` is how long a node has to be able to answer before it has to, `gap` what interrupts "two
    answer", `rest` and `still` are times without faults after which a cluster is at rest, and moves nothing.
    """

    look: float = 0.02
    silence: float = 0.5
    two: float = 1.0
    crowd: int = 4
    warm: float = 0.5
    gap: float = 0.2
    rest: float = 12.0
    still: float = 15.0
    stuck: float = 6.0
    before: float = 5.0
    after: float = 3.0
    returns: int = 6
    table: int = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """Rule `rule` was broken at `at` (seconds of the run)."""

    rule: str
    at: float
    text: str


@dataclass(slots=True)
class _Watched:
    """One address as one observer sees it; times are virtual."""

    answered: float
    stays: bool  # whether the lead of the address does, for a while
    who: frozenset[str] = _NOBODY
    able: frozenset[str] = _NOBODY
    two_since: float | None = None
    two_last: float = 0.0
    settled: frozenset[str] | None = None  # who answered when the cluster had come to rest


@dataclass(slots=True)
class _Planned:
    """A planned move that is being watched: what could go on elsewhere, and what clients had lost before."""

    fault: Fault
    addresses: frozenset[IPAddress]
    lost: Mapping[tuple[str, IPAddress], int]
    broken: int


class Judge:
    """Looks at a world again and again; `violation` is the first rule broken."""

    def __init__(self, world: World, bounds: Bounds) -> None:
        self.violation: Violation | None = None
        self.longest_silence = 0.0  # of those that are bounded strictly, as the next
        self.longest_two = 0.0
        self._world = world
        self._bounds = bounds
        self._planned_moves = list(lone_moves(world.schedule, bounds))
        self._planned: _Planned | None = None
        self._failback = {spec.ip: spec.seconds for spec in world.schedule.services}
        self._shared = frozenset(spec.ip for spec in world.schedule.services if spec.shared)
        self._addresses = tuple(spec.ip for spec in world.schedule.services)
        self._tracked = {spec.ip: spec.name for spec in world.schedule.services if spec.tracked}
        self._balanced = {spec.ip: spec.name for spec in world.schedule.services if spec.balanced}
        self._keeping = Keeping(world.schedule)
        now = world.clock.now
        self._watched = {
            (switch, spec.ip, asker): _Watched(now, stays=spec.ip in self._keeping.addresses)
            # Where no client is nobody asks, and nobody can prove to a node that its link works.
            for switch in range(min(world.schedule.switches, world.schedule.clients))
            for spec in world.schedule.services
            for asker in (ASKERS if spec.shared else (ANYBODY,))
        }
        self._able_since: dict[_Key, dict[str, float]] = {key: {} for key in self._watched}
        self._before: tuple[Sequence[_Seen], frozenset[IPAddress]] = ((), frozenset())
        self._lead_words: tuple[object, ...] = ()
        self._changed_word = now  # when a node said something else about its own standing
        # With VRRP the master claims, whatever it hears; what is shared nobody claims for all.
        self._claimable = frozenset(
            spec.ip for spec in world.schedule.services if not (spec.vrid or spec.shared)
        )
        self._untouched = Untouched(world.lan)
        self._deaf = Deaf(self._untouched)
        self._returns = {key: Returns() for key in self._watched}
        world.on_answers = self._at_a_change
        world.on_verdict = self._at_a_verdict
        world.on_claims = self._at_claims
        world.clock.after(bounds.look, self._tick)

    def _tick(self) -> None:
        self._look(self._world.clock.now)
        if self.violation is None:
            self._world.clock.after(self._bounds.look, self._tick)

    def _count_returns(self, key: _Key, before: frozenset[str], seen: Sequence[_Seen], now: float) -> None:
        """See which nodes of those that answered `before` are lost, and which have come back."""
        returns, watched = self._returns[key], self._watched[key]
        for name in before - {host.name for host, _, _, talks in seen if any(talks)}:
            returns.lose(name)  # by what befell itself: of a split it knows nothing
        fit = self._fit(key[1], watched)
        # To a shared address it returns without taking any client along.
        for name in watched.who - before if key[2] == ANYBODY else ():
            others = (fit if name in fit else watched.able) - {name}
            since = [self._able_since[key][each] for each in others]
            needed = not since or now - min(since) <= self._bounds.warm
            process = self._world.hosts[name].process
            began = process.began if process is not None else now
            if returns.answers(name, now, began=began, needed=needed) > self._bounds.returns:
                self._break("flapping", f"{_place(key)}: it returned to {name} again and again")

    def _at_a_verdict(self, accuser: str, subject: str) -> None:
        hosts, now = self._world.hosts, self._world.clock.now
        if witness := self._untouched.wronged(hosts[accuser], hosts[subject], hosts, now):
            self._break("verdict", f"{accuser} declares {subject} gone, which is well, as {witness} hears")

    def _at_claims(self, name: str, addresses: Collection[IPAddress]) -> None:
        host, now = self._world.hosts[name], self._world.clock.now
        if not self._deaf.knows(host, now):
            return
        claimed = self._claimable.intersection(addresses)
        for key, watched in self._watched.items():
            reached = key[0] == host.port.switch or not self._world.lan.split
            if reached and key[1] in claimed and (others := watched.who - {name}):
                who = ", ".join(sorted(others))
                self._break("deaf", f"{_place(key)}: {name} hears nobody, and claims what {who} answers")

    def _at_a_change(self) -> None:
        """Look between two looks: a planned move must not cost a moment."""
        if self._planned is not None:
            self._look(self._world.clock.now)

    def _look(self, now: float) -> None:
        hosts = self._world.hosts.values()
        seen, offered = [*map(self._state, hosts)], self._world.offered
        if (seen, offered) != self._before:
            self._before = seen, offered
            self._take(seen, offered, now)
        self._untouched.look(hosts, now)
        self._deaf.look(hosts, now)
        quiet = self._world.quiet
        if quiet >= self._bounds.rest - self._bounds.before:
            self._note_words(now)
        crowded = self._world.crowd > self._bounds.crowd
        at_rest = quiet >= self._bounds.rest
        for key, watched in self._watched.items():
            if watched.who:
                watched.answered = now
            else:
                self._judge_silence(key, watched, now, crowded=crowded)
            if len(watched.who) > 1 or watched.two_since is not None:
                self._judge_two(key, watched, now, crowded=crowded)
            if at_rest:
                self._judge_rest(key, watched, now, quiet)
            else:
                watched.settled = None
            if watched.stays:
                self._judge_kept(key, watched, now)
        self._judge_planned(now)
        for client in self._world.clients:
            if client.connections is not None and client.connections.looped:
                self._break("loop", "a node passed on twice what peers passed on to it")
        if at_rest:
            self._judge_clients(now)

    def _state(self, host: Host) -> _Seen:
        """Return what a host answers, what it could answer, and which observers it talks with."""
        process = host.process
        if process is None or not (host.runs or (host.kernel.answers and host.awake)):
            return host, frozenset(), frozenset(), ()
        lan = self._world.lan
        talks = tuple([lan.reaches(switch, host.port) for switch in range(lan.switches)])
        able = process.able() if host.runs and not process.leaving else frozenset()
        return host, process.answering(), able, talks

    def _take(self, seen: Sequence[_Seen], offered: frozenset[IPAddress], now: float) -> None:
        for key, watched in self._watched.items():
            switch, address, asker = key
            heard = [state for state in seen if state[3] and state[3][switch]]
            who = frozenset(host.name for host, answered, _, _ in heard if (address, asker) in answered)
            before, watched.who = watched.who, who
            watched.able = frozenset(host.name for host, _, able, _ in heard if address in able & offered)
            since = self._able_since[key]
            for name in [name for name in since if name not in watched.able]:
                del since[name]
            for name in sorted(watched.able):
                since.setdefault(name, now)
            if who != before:
                self._world.observed(switch, address, asker, who)
                self._count_returns(key, before, seen, now)

    def _judge_silence(self, key: _Key, watched: _Watched, now: float, *, crowded: bool) -> None:
        if since := self._able_since[key]:
            # One and the same node could have answered ever since the last answer.
            longest = now - max(watched.answered, min(since.values()) + self._bounds.warm)
            if not crowded:
                self.longest_silence = max(self.longest_silence, longest)
            if longest > self._bounds.silence * (_CROWDED if crowded else 1):
                able = ", ".join(sorted(since))
                self._break("silence", f"{_place(key)}: no answer for {longest:.2f} s, able: {able}")

    def _judge_two(self, key: _Key, watched: _Watched, now: float, *, crowded: bool) -> None:
        if key[2] != ANYBODY:
            return  # of a shared address the asker takes one, and both serve it: at rest it has to be one
        if len(watched.who) > 1:
            watched.two_since = now if watched.two_since is None else watched.two_since
            watched.two_last = now
            longest = now - watched.two_since
            if not crowded:
                self.longest_two = max(self.longest_two, longest)
            if longest > self._bounds.two * (_CROWDED if crowded else 1):
                self._break("two", f"{_place(key)}: {' and '.join(sorted(watched.who))} answer")
        elif watched.two_since is not None and now - watched.two_last > self._bounds.gap:
            watched.two_since = None

    def _judge_rest(self, key: _Key, watched: _Watched, now: float, quiet: float) -> None:
        if self._is_unwell(watched, now):
            told = " and ".join(sorted(watched.who)) or "nobody"
            able = ", ".join(sorted(watched.able)) or "nobody"
            self._break("rest", f"{_place(key)}: {told} answers, able: {able}")
        if watched.who and (fit := self._fit(key[1], watched)) and not fit & watched.who:
            told = f"{' and '.join(sorted(watched.who))} answers and is unfit, fit: {', '.join(sorted(fit))}"
            self._break("fittest", f"{_place(key)}: {told}")
        if quiet < self._bounds.still or len(watched.who) != 1:
            return
        moved = watched.settled is not None and watched.settled != watched.who
        failback = self._failback[key[1]]
        # A node that has said that it waits no more is well from then on.
        if moved and now - self._changed_word > self._bounds.before + (
            0.0 if failback == NEVER else failback
        ):
            told = f"{', '.join(watched.settled or ())} to {', '.join(watched.who)}"
            self._break("move", f"{_place(key)}: from {told}, and nothing has happened")
        watched.settled = watched.who

    def _fit(self, address: IPAddress, watched: _Watched) -> frozenset[str]:
        """Return who could answer, and is fit to."""
        tracked, balanced = self._tracked.get(address, ""), self._balanced.get(address, "")
        if not (tracked or balanced):
            return watched.able
        hosts = self._world.hosts
        return frozenset(
            name
            for name in watched.able
            if tracked not in hosts[name].sick and hosts[name].reach.get(balanced) != "none"
        )

    def _is_unwell(self, watched: _Watched, now: float) -> bool:
        """Tell whether not exactly one answers; two may for a moment, when a node that has waited leads."""
        if len(watched.who) <= 1:
            return bool(watched.who) != bool(watched.able)
        lasting = watched.two_since is not None and now - watched.two_since > self._bounds.gap
        return lasting and now - self._changed_word > self._bounds.two

    def _judge_kept(self, key: _Key, watched: _Watched, now: float) -> None:
        would_not = partial(self._would_not_lead, key[1], watched)
        if wrong := self._keeping.judge(key[:2], watched.who, would_not, now - START):
            self._break("kept", f"{_place(key)}: {wrong}")

    def _would_not_lead(self, address: IPAddress, watched: _Watched, name: str) -> bool:
        """Tell whether a node would rather not lead an address, by its own word or as it is unfit."""
        if name not in self._world.hosts:
            return False
        process = self._world.hosts[name].process
        if process is None or process.leaving or _would_rather_not(process.hands.metadata):
            return True
        return name in watched.able and name not in self._fit(address, watched)

    def _note_words(self, now: float) -> None:
        """See whether a node says something else of its own standing: that moves leads, with a cause."""
        words = tuple(
            (told.waits, told.blind, told.outdated, told.draining, told.unfit)
            for host in self._world.hosts.values()
            if host.process is not None
            for told in (host.process.hands.metadata,)
        )
        if words != self._lead_words:
            self._lead_words, self._changed_word = words, now

    # -- planned moves and clients ---------------------------------------------------------------------

    def _judge_planned(self, now: float) -> None:
        at = now - START
        if self._planned is not None:
            if at > self._planned.fault.at + self._bounds.after:
                self._planned = None
            else:
                self._judge_move(self._planned)
        elif self._planned_moves and at >= self._planned_moves[0].at - 2 * self._bounds.look:
            self._planned = self._begin_planned(self._planned_moves.pop(0))

    def _begin_planned(self, fault: Fault) -> _Planned:
        """Take what is well now, and can go on at another node."""
        elsewhere = frozenset(
            address
            for address in self._addresses
            if all(
                watched.who and watched.able - {fault.node}
                for (_, each, _), watched in self._watched.items()
                if each == address
            )
        )
        now = self._world.clock.now
        lost = {
            (client.name, address): entry.lost
            for client in self._world.clients
            for address, entry in client.entries.items()
            if address in elsewhere and now - entry.heard < self._bounds.gap
        }
        return _Planned(fault, elsewhere, lost, self._broken(elsewhere))

    def _judge_move(self, planned: _Planned) -> None:
        told = planned.fault.told()
        for key, watched in self._watched.items():
            if key[1] in planned.addresses and not watched.who:
                self._break("planned", f"{_place(key)}: no answer during {told}")
        for client in self._world.clients:
            for address, entry in client.entries.items():
                if entry.lost > planned.lost.get((client.name, address), entry.lost):
                    self._break("planned", f"{client.name} lost a packet to {address} during {told}")
        if (broken := self._broken(planned.addresses) - planned.broken) > 0:
            self._break("broken", f"{broken} connections broke during {told}")

    def _broken(self, addresses: Iterable[IPAddress]) -> int:
        """Return how many connections to `addresses` were refused so far."""
        held = [client.connections for client in self._world.clients if client.connections is not None]
        return sum(each.broken[address] for each in held for address in addresses)

    def _judge_clients(self, now: float) -> None:
        for client in self._world.clients:
            for address, entry in client.entries.items():
                if now - entry.heard > self._bounds.stuck and entry.state is not State.NONE:
                    self._judge_client(client, address, now - entry.heard)

    def _judge_client(self, client: Client, address: IPAddress, silent: float) -> None:
        asker = ASKERS[0] if address in self._shared else ANYBODY  # any: the same nodes are able
        able = self._able_since[client.port.switch, address, asker].values()
        if any(self._world.clock.now - since >= silent for since in able):
            self._break("stuck", f"{client.name} had no answer from {address} for {silent:.1f} s")

    def judge_tables(self) -> None:
        """Look at the machines' tables, once: it takes a while."""
        for host in self._world.hosts.values():
            if host.process is not None:
                for machine in (host.process.decider, host.process.swim):
                    where, size = largest(machine)
                    if size > self._bounds.table:
                        self._break("table", f"{host.name}: {where} has {size} entries")

    def _break(self, rule: str, text: str) -> None:
        if self.violation is None:
            self.violation = Violation(rule, round(self._world.time(), 3), text)


def lone_moves(schedule: Schedule, bounds: Bounds) -> Iterable[Fault]:
    """Yield the planned moves in peace, in order: nothing else shortly before, during, or shortly after."""
    for fault in schedule.faults:
        begin, end = fault.at - bounds.before, fault.at + bounds.after
        others = (other for other in schedule.faults if other is not fault)
        if fault.kind in PLANNED and not any(other.at < end and other.end > begin for other in others):
            yield fault


def _would_rather_not(told: Metadata) -> bool:
    return bool(told.waits or told.deaf or told.outdated or told.draining)


def _place(key: _Key) -> str:
    switch, address, asker = key
    return f"{address} at switch {switch + 1}" + (f" for {asker.hex(':')}" if asker else "")
