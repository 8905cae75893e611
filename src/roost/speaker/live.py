"""What a speaker shows on its page, kept up to date while somebody looks.

    events, members, a beat -> rows -> Hub: only what changed goes out

A page must not cost a failover anything. Nothing is done while nobody looks; what follows from an event is
shown a moment after it; and the rows of many services are made a few at a time, between which the event loop
does what is urgent.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from roost import __version__
from roost.decide.members import ClusterMember
from roost.model.address import canonical
from roost.model.event import Event, Happening, Level
from roost.model.ranking import Ranking
from roost.observe.moment import rfc3339
from roost.observe.web.hub import Hub
from roost.protocols.witness.voice import ProbeKind
from roost.speaker.problems import problems
from roost.speaker.shares import parts
from roost.speaker.speaker import Speaker

__all__ = ["Live", "one_of"]

_log = logging.getLogger("roost.speaker")

_BEAT: Final = 1.0  # seconds between two looks at what nobody tells of
_AFTER: Final = 0.04  # seconds after an event: what is urgent comes first, and more may belong to it
_BETWEEN: Final = 0.06  # seconds at least from one such look to the next
_AT_ONCE: Final = 50  # services between two turns of the event loop
_EVENTS: Final = 256
_NAMED: Final = 8  # services of one event
_SUBJECTS: Final = {"service": "services", "address": "addresses"}
_OWN: Final = frozenset({*_SUBJECTS, "silent_s"})  # facts in which events that are alike differ
_KINDS: Final = {ProbeKind.ECHO: "echo", ProbeKind.ARP: "arp"}


class Live:
    """Fills `hub` with what `speaker` knows."""

    def __init__(self, speaker: Speaker) -> None:
        self.hub = Hub(self._hello, {"events": _EVENTS})
        self._speaker = speaker
        self._task: asyncio.Task[None] | None = None
        self._filled = asyncio.Event()
        self._woken = asyncio.Event()
        self._moved: set[str] = set()
        self._news: list[tuple[datetime, Event]] = []  # not told yet
        self.hub.prepare = self._prepare
        self.hub.unwatched = self._rest
        speaker.records.events.follow(self._happened)
        speaker.adapters.on_members = self._woken.set

    def close(self) -> None:
        """End all streams."""
        self.hub.close()
        self._rest()

    def _hello(self) -> Mapping[str, Any]:
        return {"mode": "speaker", "version": __version__, "me": self._speaker.name, "acts": []}

    async def _prepare(self) -> None:
        """Begin to look, for the first that comes; return when all is there that can be shown."""
        if self._task is None:
            self._filled.clear()
            self._task = asyncio.create_task(self._follow())
        await self._filled.wait()

    def _rest(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._speaker.adapters.probes.measure(on=False)
            for section in ("self", "members", "problems", "services", "probes"):
                self.hub.clear(self._speaker.name, section)

    def _happened(self, event: Event) -> None:
        if event.what is Happening.CLAIMED:  # any number of them may come: only what they mean is shown
            self._woken.set()
        elif event.level is not Level.DEBUG:
            if not self._news:
                asyncio.get_running_loop().call_later(_AFTER, self._tell)
            self._news.append((datetime.now(UTC), event))
            if self._task is not None:
                self._moved.add(event.facts.get("service", ""))
                self._woken.set()

    def _tell(self) -> None:
        """Tell what has just happened, what is alike as one."""
        news, self._news = self._news, []
        alike: dict[tuple[object, ...], list[tuple[datetime, Event]]] = {}
        for at, event in news:
            common = tuple(f"{name}={value}" for name, value in event.facts.items() if name not in _OWN)
            alike.setdefault((event.what, event.level, event.text, common), []).append((at, event))
        self.hub.tell(self._speaker.name, "events", [one_of(each) for each in alike.values()])

    async def _follow(self) -> None:
        """Keep the hub up to date. A mistake in here costs the page what it shows, and nothing else."""
        self._speaker.adapters.probes.measure(on=True)
        while True:
            try:
                self._moved.clear()
                self._woken.clear()
                await self._speaker.adapters.look_at_connections()
                self._look()
                await self._services()
                self._filled.set()
                await self._changes(time.monotonic() + _BEAT)
            except Exception:  # noqa: BLE001 - see above
                _log.exception("the page cannot be filled")
                self._filled.set()
                await asyncio.sleep(_BEAT)

    async def _changes(self, until: float) -> None:
        """Show what follows from events at once, until it is time to look at all."""
        while (left := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                return
            self._woken.clear()
            await asyncio.sleep(_AFTER)
            self._look()
            moved, self._moved = self._moved, set()
            await self._services(moved)
            await asyncio.sleep(_BETWEEN)

    def _look(self) -> None:
        name, set_ = self._speaker.name, self.hub.set
        set_(name, "self", self._self())
        set_(name, "members", {each.name: self._member(each) for each in self._members()})
        found = problems(self._speaker, time.monotonic())
        set_(
            name,
            "problems",
            {
                f"{at:02}": {
                    "kind": each.kind,
                    "severity": each.severity.value,
                    "text": each.text,
                    "cure": each.cure,
                }
                for at, each in enumerate(found)
            },
        )
        set_(name, "probes", self._probes())

    async def _services(self, names: set[str] | None = None) -> None:
        """Show the rows of the services `names`, or of all, and take away those that are no more."""
        rankings = self._speaker.decider.state.election.rankings
        wanted = sorted(rankings if names is None else rankings.keys() & names)
        known = self.hub.keys(self._speaker.name, "services")
        gone: dict[str, Any] = {} if names is not None else dict.fromkeys(known - rankings.keys())
        self.hub.set(self._speaker.name, "services", gone, whole=False)
        for at in range(0, len(wanted), _AT_ONCE):
            part = ((name, rankings.get(name)) for name in wanted[at : at + _AT_ONCE])
            rows = {name: self._service(ranking) for name, ranking in part if ranking is not None}
            self.hub.set(self._speaker.name, "services", rows, whole=False)
            await asyncio.sleep(0)

    def _self(self) -> dict[str, Any]:
        speaker = self._speaker
        config, state = speaker.config, speaker.decider.state
        table, followed = state.clients.table, state.clients.followed
        return {
            "node": speaker.name,
            "version": __version__,
            "started_at": rfc3339(speaker.started),
            "settled": state.settling.settled,
            "waiting_for": speaker.waiting_for,
            "cut_off": state.isolation.isolated,
            "profile": config.membership.profile if config.membership else "",
            "responders": sorted({each.kind for each in speaker.adapters.announcer.responders.values()}),
            "clients": len({each.client for each in table.of(speaker.decider.announcements)}),
            "stragglers": followed.packets,
            "watches": sorted(state.watch.watched),
        }

    def _members(self) -> Iterator[ClusterMember]:
        """All members, and those that are missed."""
        lost = self._speaker.decider.state.fates.lost
        yield from (
            each
            for each in self._speaker.adapters.cluster.members()
            if each.name not in lost and not each.verdict.lost
        )
        yield from lost.values()

    def _member(self, member: ClusterMember) -> dict[str, Any]:
        return {
            "address": str(member.endpoint) if member.endpoint else "",
            "verdict": member.verdict.value,
            "draining": member.metadata.draining,
            "since": self._since(member),
            "evidence": member.evidence,
            "roost": member.metadata.version or None,
        }

    def _since(self, member: ClusterMember) -> str:
        # To the second: the two clocks that this is made of drift, and that would be a change each time.
        return rfc3339(self._speaker.moment(member.since).replace(microsecond=0))

    def _service(self, ranking: Ranking) -> dict[str, Any]:
        speaker, service = self._speaker, ranking.service
        change = speaker.records.history.last(service.name)
        row: dict[str, Any] = {
            "addresses": [canonical(each) for each in service.addresses],
            "leader": ranking.leader,
            "since": rfc3339(change.since),
        }
        if service.sharing is not None:
            row["shared_by"] = service.sharing.by
        here = any(each in speaker.decider.announcements for each in service.addresses)
        counts = [speaker.adapters.connections(each) for each in service.addresses]
        passing_on = speaker.decider.passing_on
        onward = {
            node: holder.connections
            for address in service.addresses
            if address in passing_on.onward.onward
            for node, holder in passing_on.holders.of(address).items()
        }
        optional = {
            "here": here,
            "connections": sum(each for each in counts if each is not None),
            "passing_on": onward,
            "shares": {name: round(part, 3) for name, part in parts(speaker, ranking).items()},
        }
        return row | {name: value for name, value in optional.items() if value}

    def _probes(self) -> dict[str, Any]:
        """Round trips in microseconds: smoothed, the newest, and the longest since the last look."""
        return {
            peer: {
                _KINDS[kind]: [round(each * 1e6) for each in (trip.mean, trip.last, trip.longest)]
                for kind, trip in trips.items()
            }
            for peer, trips in self._speaker.adapters.probes.round_trips().items()
        }


def one_of(news: Sequence[tuple[datetime, Event]]) -> dict[str, Any]:
    """Return one event of several that differ in their service, or address, alone; some are named."""
    at, first = news[0]
    facts = dict(first.facts)
    for one, several in _SUBJECTS.items():
        if len(news) > 1 and one in facts:
            del facts[one]
            facts[several] = [str(each.facts[one]) for _, each in news[:_NAMED]]
    if "silent_s" in facts:
        facts["silent_s"] = max(each.facts.get("silent_s", 0.0) for _, each in news)
    return {
        "time": rfc3339(at),
        "what": first.what.value,
        "level": first.level.value,
        "text": first.text,
        "count": len(news),
        "facts": facts,
    }
