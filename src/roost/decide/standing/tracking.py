"""Whether nodes are fit to lead what they serve: this one by its checks, the others by their own word. Pure.

    result of a check -> Health -> fitness of each service that tracks it -> a word to the peers -> elections

A check that nothing is known of yet makes its node unfit where a service is new to it, as at its start. A
reload does not: whoever was fit stays that until a new check says otherwise. A word is told to everybody when
it changes, again a few times, to whoever comes, and now and then while there is anything to say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roost.model.check import Check, NumberFile, Result
from roost.model.fitness import FIT, Fitness
from roost.model.service import Service
from roost.protocols.bounded import remember
from roost.protocols.health import Health
from roost.protocols.machine import soonest
from roost.protocols.repeating import Repeating
from roost.protocols.words.fit import WHY_SIZE, Fit, FitRow
from roost.protocols.words.serials import next_serial

__all__ = ["Checked", "Tracking"]

_BEFORE: Final = 5.0  # seconds for which the words of a node that came back count while it repeats none
_RECENT: Final = 30.0  # seconds for which it is said again that all is well: some may have missed it
_ROWS: Final = 1 << 15  # of all nodes
_OUTPUT: Final = 200  # characters of what a check has said, in an event
_NOT_ASKED: Final = Fitness(fit=False, why="backends: not known yet")
_NAME: Final = 50  # characters of a check in a reason
_NODES: Final = 1024  # of which it is remembered that they have spoken
_NOT_KNOWN: Final = Fitness(fit=False, why="it has not said yet how fit it is")


@dataclass(slots=True)
class Checked:
    """How a check stands: `since` when (seconds; None before anything was known), `last` its last result."""

    health: Health
    since: float | None = None
    last: Result | None = None

    @property
    def weight(self) -> int:
        """The number in a file, as far as it is known."""
        return (self.last.weight or 0) if self.last is not None else 0


class Tracking:
    """The fitness of node `me` and of the others; times are seconds."""

    def __init__(self, me: str) -> None:
        self.checks: dict[Check, Checked] = {}
        self._me = me
        self._known: frozenset[str] = frozenset()  # services, tracked or not
        self._services: dict[str, tuple[Check, ...]] = {}
        self._balanced: Mapping[str, Fitness | None] = {}  # what follows from backends, by service
        self._own: dict[str, FitRow] = {}  # by service
        self._changed: dict[str, float] = {}  # services -> when the own word changed
        self._rows: dict[tuple[str, str], FitRow] = {}  # (node, service) -> its word
        self._told: dict[str, None] = {}  # nodes whose word was heard
        self._before: dict[str, float] = {}  # nodes that came back -> until when their earlier words count
        self._mute: frozenset[str] = frozenset()  # nodes that have not said what they are unfit for
        self._words: tuple[Fit, ...] | None = None  # all of them, while nothing changes
        self._serial = 0
        self._news: defaultdict[str, dict[str, Fitness]] = defaultdict(dict)  # service -> node, for elections
        self._repeating = Repeating()

    @property
    def unfit(self) -> bool:
        """Whether this node is unfit for any service."""
        return any(not row.fitness.fit for row in self._own.values())

    @property
    def spoken(self) -> bool:
        """Whether peers may remember a word of this node."""
        return bool(self._own)

    @property
    def wanted(self) -> tuple[Check, ...]:
        """The checks that have to be made."""
        return tuple(self.checks)

    def of(self, service: str) -> tuple[Check, ...]:
        """Return what a service tracks on this node."""
        return self._services.get(service, ())

    def own(self, service: str) -> Fitness:
        """Return how fit this node is for a service."""
        row = self._own.get(service)
        return row.fitness if row is not None else FIT

    def known(self, service: str) -> bool:
        """Tell whether something is known of every check, and of the backends, of a service."""
        if self._balanced.get(service, FIT) is None:
            return False
        return all(self.checks[check].health.up is not None for check in self.of(service))

    def output(self, service: str) -> str:
        """Return the last line that a failing check of a service has said."""
        for check in self.of(service):
            found = self.checks[check]
            if found.health.up is False and found.last is not None and (said := found.last.output.strip()):
                return said.splitlines()[-1][:_OUTPUT]
        return ""

    def words(self, services: Collection[str] | None = None) -> Iterable[Fit]:
        """Return what this node says of some services (None: of all that it has ever tracked)."""
        if services is not None:
            return Fit.batches(self._me, (row for name, row in self._own.items() if name in services))
        if self._words is None:
            self._words = tuple(Fit.batches(self._me, self._own.values()))
        return self._words

    # -- this node -----------------------------------------------------------------------------------

    def take_services(self, services: Collection[Service], now: float) -> frozenset[str]:
        """Take all services; returns those for which this node's fitness changed."""
        before, known = self._services, self._known
        self._known = frozenset(service.name for service in services)
        self._services = {service.name: service.track for service in services if service.track}
        presumed: dict[Check, bool] = {}
        for name, track in self._services.items():
            fit = name in known and self.own(name).fit
            for check in track:
                presumed[check] = presumed.get(check, False) or fit
        self.checks = {
            check: self.checks.get(check) or Checked(Health(check.rise, check.fall, up=True if fit else None))
            for check, fit in presumed.items()
        }
        return self._judge({*before, *self._services}, now)

    def reached(self, fitness: Mapping[str, Fitness | None], now: float) -> frozenset[str]:
        """Take how well this node serves what it balances to backends: all of that, None is not known yet.

        Returns the services for which its fitness changed.
        """
        before, self._balanced = self._balanced, dict(fitness)
        return self._judge({*before, *self._balanced}, now)

    def checked(self, check: Check, result: Result, now: float) -> frozenset[str]:
        """Take a result; returns the services for which this node's fitness changed."""
        found = self.checks.get(check)
        if found is None:
            return frozenset()  # it is wanted no more
        weight = found.weight
        found.last = result
        changed = found.health.take(result.ok)
        if changed or found.since is None:
            found.since = now
        if not changed and found.weight == weight:
            return frozenset()
        return self._judge([name for name, track in self._services.items() if check in track], now)

    def _judge(self, services: Iterable[str], now: float) -> frozenset[str]:
        changed = set()
        for name in sorted(services):
            fitness, before = self._fitness(name), self._own.get(name)
            if before is None and fitness == FIT and name not in self._services:
                continue
            if before is not None and fitness == before.fitness:
                continue
            self._serial = next_serial(self._serial, now)
            self._own[name] = FitRow(name, fitness, self._serial)
            self._changed[name] = now
            self._news[name][self._me] = fitness
            changed.add(name)
        if changed:
            self._words = None
            self._repeating.begin(now)
        return frozenset(changed)

    def _fitness(self, service: str) -> Fitness:
        """Return what follows from the checks and the backends of a service."""
        balanced = self._balanced.get(service, FIT) or _NOT_ASKED
        weight, unfit, lighter = balanced.weight, [] if balanced.fit else [balanced.why], list[str]()
        for check in self.of(service):
            found = self.checks[check]
            weight += found.weight
            if isinstance(check.subject, NumberFile) and found.last is not None:
                continue  # without a number it says nothing
            if found.health.up is None:
                unfit.append(f"{_named(check)}: not known yet")
            elif not found.health.up:
                reason = f"{_named(check)}: {found.last.why if found.last else ''}"
                (unfit if check.weight is None else lighter).append(reason)
                weight += check.weight or 0
        return Fitness(not unfit, weight, _said(unfit or lighter))

    def wake(self, now: float) -> frozenset[str]:
        """Return the services of which to tell again."""
        for node in [node for node, until in self._before.items() if until <= now]:
            del self._before[node]
            for key in [key for key, row in self._rows.items() if key[0] == node and row.serial < 0]:
                self._forget(key)
        if not self._repeating.wake(now):
            return frozenset()
        for name in [name for name, when in self._changed.items() if now - when > _RECENT]:
            del self._changed[name]
            if name not in self._services and name not in self._balanced:
                del self._own[name]
                self._words = None
        told = [name for name, row in self._own.items() if name in self._changed or row.fitness != FIT]
        if not told:
            self._repeating.end()
        return frozenset(told)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is nothing to say."""
        again = self._repeating.next_wake()
        return soonest((again, *self._before.values())) if self._before else again

    # -- the others ----------------------------------------------------------------------------------

    def hear(self, word: Fit) -> bool:
        """Take the word of another node; tells whether that is news for elections."""
        if word.node == self._me:
            return False
        remember(self._told, word.node, None, _NODES)
        for row in word.rows:
            known = self._rows.get((word.node, row.service))
            if known is not None and row.serial <= known.serial:
                continue
            if known is None and len(self._rows) >= _ROWS:
                self._forget(next(iter(self._rows)))
            self._rows[word.node, row.service] = row
            if known is None or known.fitness != row.fitness:
                self._news[row.service][word.node] = row.fitness
        return bool(self._news)

    def came(self, node: str, now: float) -> None:
        """Take that a node is there again: it may have begun to count anew.

        What it said before counts on for a moment: it may not know that it was lost, and repeats only what
        does not go without saying.
        """
        rows = {key: replace(row, serial=-1) for key, row in self._rows.items() if key[0] == node}
        self._rows.update(rows)
        if rows:
            self._before[node] = now + _BEFORE

    def _forget(self, key: tuple[str, str]) -> None:
        node, service = key
        del self._rows[key]
        self._news[service][node] = FIT

    def presume(self, unfit: Iterable[str]) -> None:
        """Take which nodes are unfit for something by their metadata: until they say for what, for all."""
        mute = frozenset(unfit) - self._told.keys() - {self._me}
        for node in mute ^ self._mute:
            for service in self._services.keys() | self._balanced.keys():
                row = self._rows.get((node, service))
                known = row.fitness if row is not None else FIT
                self._news[service][node] = _NOT_KNOWN if node in mute else known
        self._mute = mute

    @property
    def has_news(self) -> bool:
        """Whether anything has changed for elections."""
        return bool(self._news)

    def news(self) -> Mapping[str, Mapping[str, Fitness]]:
        """Hand over what has changed for elections: service -> node -> its fitness."""
        news, self._news = self._news, defaultdict(dict)
        return news


def _named(check: Check) -> str:
    name = str(check)
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _said(reasons: Sequence[str]) -> str:
    """Return the first of some reasons, and how many more there are, as a word has room for it."""
    if not reasons:
        return ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    first = reasons[0].encode()
    room = WHY_SIZE - len(more)
    return (reasons[0] if len(first) <= room else first[: room - 3].decode(errors="ignore") + "…") + more
